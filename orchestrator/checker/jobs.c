/* The jobs of one checker: the running of them. job_results.c writes what they find, jobs_adopt.c
 * exchanges them when the policy changes. */
#include "checks/cause.h"
#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/checker/job.h"
#include "orchestrator/core/words.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

static void keep_text(struct job *job, const struct observation *o)
{
    char line[RESULTS_OUTPUT_SIZE];
    text_copy(line, sizeof(line), o->output);
    line[strcspn(line, "\n")] = '\0';
    text_copy(job->report.text, sizeof(job->report.text), line);
}

void job_tell_opinion(struct job *job)
{
    job->since_wall_ms = now_wall_ms();
    job->told_cause = job->report.cause;
    job->report.state = (Ephor__State)job->opinion.state;
    job->report.attempts = 0;
    reporter_add(job->jobs->reporter, &job->report);
    log_debug("opinion", "%s is %d: %s", job->check->id, job->opinion.state, job->report.text);
}

/* Where several look, a doubt is told at once: together they are sure sooner than each by itself.
 * When it has passed, that is told, too. */
static void tell_doubt(struct job *job, const struct observation *o)
{
    uint32_t attempts =
        job->state == STATE_CRITICAL ? job->opinion.criticals : job->opinion.attempt;
    if (!job->check->confirm || job->seers < 2 || !job->opinion.is_known)
        return;
    if (job->opinion.attempt == 0)
        attempts = 0;
    if (attempts == job->report.attempts)
        return;
    keep_text(job, o);
    job->told_cause = job->report.cause;
    job->report.state = (Ephor__State)job->opinion.state;
    job->report.suspect = (Ephor__State)job->state;
    job->report.attempts = attempts;
    reporter_hasten(job->jobs->reporter, &job->report);
    log_debug("opinion", "%s is %d, and %u times %d: %s", job->check->id, job->opinion.state,
              attempts, job->state, job->report.text);
}

/* It is as bad as before, but in another way, twice in a row. */
static void tell_cause(struct job *job, const struct observation *o, Ephor__Cause cause_before)
{
    if (job->opinion.attempt > 0 || !job->opinion.is_known || job->cause == job->told_cause ||
        job->cause != cause_before || job->report.attempts > 0)
        return;
    keep_text(job, o);
    job->report.cause = job->told_cause = job->cause;
    reporter_add(job->jobs->reporter, &job->report);
}

static void learn(struct job *job, const struct observation *o)
{
    Ephor__Cause cause_before = job->cause;
    job->cause = job->report.cause = cause_of(o);
    job->state = (uint8_t)o->state;
    job->runs++;
    job->runs_by_state[job->state]++;
    if (strcmp(o->reason, "timeout") == 0 || strcmp(o->reason, "hung") == 0)
        job->timeouts++;
    if (opinion_observe(&job->opinion, job->state, job->check->fall, job->check->rise) ||
        job_agrees(job)) {
        keep_text(job, o);
        job_tell_opinion(job);
    } else {
        tell_doubt(job, o);
        tell_cause(job, o, cause_before);
    }
    job_write_observation(job, o);
}

static void on_observation(void *data, const struct observation *o)
{
    struct job *job = data;
    struct jobs *jobs = job->jobs;
    job->run = NULL;
    jobs->running--;
    if (job->is_gone) {
        free(job);
    } else {
        learn(job, o);
        schedule_finish(&jobs->schedule, &job->item, now_mono_ms(),
                        opinion_is_contradicted(&job->opinion));
        jobs_start_due(jobs);
    }
    if (jobs->on_drained != NULL && jobs->running == 0)
        jobs->on_drained(jobs->on_drained_data);
}

static void start_job(struct job *job)
{
    job->started_wall_ms = now_wall_ms();
    job->jobs->running++;
    job->run = check_start(&job->jobs->context, job->check, on_observation, job);
    if (job->run != NULL)
        return;
    struct observation o = {.state = EPHOR__STATE__STATE_UNKNOWN};
    job->jobs->running--;
    text_copy(o.reason, sizeof(o.reason), "local");
    text_copy(o.output, sizeof(o.output), "this controller is out of memory");
    learn(job, &o);
    schedule_finish(&job->jobs->schedule, &job->item, now_mono_ms(),
                    opinion_is_contradicted(&job->opinion));
}

void jobs_start_due(struct jobs *jobs)
{
    struct schedule_item *item;
    int64_t late_ms;
    jobs->schedule.ahead_ms = now_wall_ms() - now_mono_ms();
    while ((item = schedule_take(&jobs->schedule, now_mono_ms(), &late_ms)) != NULL) {
        jobs_count_start(jobs, late_ms);
        start_job((struct job *)((char *)item - offsetof(struct job, item)));
    }
    jobs_count_running(jobs);
    int64_t wait_ms = schedule_wait_ms(&jobs->schedule, now_mono_ms());
    if (wait_ms >= 0)
        timer_start(jobs->timer, wait_ms, 0);
    else
        timer_stop(jobs->timer);
}

static void on_timer(void *data)
{
    jobs_start_due(data);
}

int jobs_init(struct jobs *jobs, struct loop *loop, struct http_client *http,
              struct reporter *reporter)
{
    *jobs = (struct jobs){
        .context = {.loop = loop, .http = http}, .reporter = reporter, .checker_count = 1};
    schedule_init(&jobs->schedule, 1);
    jobs->schedule.ahead_ms = now_wall_ms() - now_mono_ms();
    jobs->timer = timer_new(loop, on_timer, jobs);
    return jobs->timer == NULL ? ERR_NOMEM : ERR_OK;
}

void jobs_close(struct jobs *jobs)
{
    PRE(jobs->running == 0);
    for (size_t i = 0; i < jobs->count; i++)
        free(jobs->list[i]);
    free(jobs->list);
    schedule_close(&jobs->schedule);
    timer_free(jobs->timer);
    if (jobs->policy != NULL)
        ephor__policy__free_unpacked(jobs->policy, NULL);
    if (jobs->outlook != NULL)
        ephor__outlook__free_unpacked(jobs->outlook, NULL);
    *jobs = (struct jobs){.count = 0};
}

void jobs_set_results(struct jobs *jobs, struct results *results)
{
    jobs->results = results;
    for (size_t i = 0; i < jobs->count; i++)
        job_write_known(jobs->list[i], jobs->list[i]->report.check, jobs->policy_index);
}

void jobs_report_all(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        if (jobs->list[i]->opinion.is_known)
            reporter_add(jobs->reporter, &jobs->list[i]->report);
}

void jobs_stop(struct jobs *jobs, void (*on_drained)(void *data), void *data)
{
    jobs->schedule.running_max = 0; /* nothing starts any more */
    timer_stop(jobs->timer);
    jobs->on_drained_data = data;
    for (size_t i = 0; i < jobs->count; i++)
        if (jobs->list[i]->run != NULL)
            check_cancel(jobs->list[i]->run);
    jobs->on_drained = on_drained;
    if (jobs->running == 0)
        on_drained(data);
}
