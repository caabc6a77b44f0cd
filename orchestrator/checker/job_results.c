/* What the checker leaves in the results table: a slot for each job, and its own statistics. Does
 * nothing before there is a table. */
#include "orchestrator/base/text.h"
#include "orchestrator/checker/job.h"

#include <string.h>

static void fill_result(const struct job *job, struct result *result)
{
    result->policy_index = job->jobs->policy_index;
    result->state = job->state;
    result->opinion = job->opinion.is_known ? job->opinion.state : EPHOR__STATE__STATE_UNKNOWN;
    result->has_opinion = job->opinion.is_known;
    result->since_wall_ms = job->since_wall_ms;
    result->started_wall_ms = job->started_wall_ms;
    result->runs = job->runs;
    memcpy(result->runs_by_state, job->runs_by_state, sizeof(result->runs_by_state));
    result->timeouts = job->timeouts;
    result->attempt = job->opinion.attempt;
}

void job_write_observation(const struct job *job, const struct observation *o)
{
    struct result result = {.is_truncated = o->is_truncated, .duration_us = o->duration_us};
    if (job->jobs->results == NULL)
        return;
    fill_result(job, &result);
    text_copy(result.reason, sizeof(result.reason), o->reason);
    text_copy(result.output, sizeof(result.output), o->output);
    text_copy(result.perfdata, sizeof(result.perfdata), o->perfdata);
    results_write(job->jobs->results, job->report.check, &result);
}

/* From its old slot if it kept its number, else what the job itself remembers. */
void job_write_known(const struct job *job, uint32_t old_number, uint64_t old_index)
{
    struct result result = {.reason = ""};
    uint32_t number = job->report.check;
    if (job->jobs->results == NULL)
        return;
    bool is_kept = job->runs > 0 && old_number == number &&
                   results_read(job->jobs->results, number, &result) &&
                   result.policy_index == old_index;
    if (!is_kept) {
        result = (struct result){.reason = ""};
        text_copy(result.output, sizeof(result.output), job->report.text);
    }
    fill_result(job, &result);
    results_write(job->jobs->results, number, &result);
}

void jobs_count_start(struct jobs *jobs, int64_t late_ms)
{
    if (jobs->results == NULL || jobs->checker_index >= RESULTS_CHECKERS_MAX)
        return;
    struct results_checker *statistics = results_checker(jobs->results, jobs->checker_index);
    size_t bucket = 0;
    while (bucket < RESULTS_LATENESS_BUCKETS - 1 && late_ms > results_lateness_ms[bucket])
        bucket++;
    statistics->lateness_counts[bucket]++;
    statistics->lateness_sum_us += late_ms * 1000;
    statistics->lateness_count++;
}

void jobs_count_running(struct jobs *jobs)
{
    if (jobs->results == NULL || jobs->checker_index >= RESULTS_CHECKERS_MAX)
        return;
    struct results_checker *statistics = results_checker(jobs->results, jobs->checker_index);
    statistics->running = (uint32_t)jobs->running;
    statistics->queued = (uint32_t)jobs->schedule.queued;
}
