/* What the cluster says of a job, and what follows here: look at once when somebody doubts a
 * verdict that this controller has no doubts about; take over a verdict that its own newest answer
 * agrees with. */
#include "orchestrator/base/text.h"
#include "orchestrator/checker/job.h"
#include "orchestrator/sys/now.h"

/* Jobs are listed by number. NULL: it does not run here. */
static struct job *find(const struct jobs *jobs, uint32_t number)
{
    size_t from = 0, to = jobs->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (jobs->list[middle]->report.check == number)
            return jobs->list[middle];
        if (jobs->list[middle]->report.check < number)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

bool job_agrees(struct job *job)
{
    struct damping *opinion = &job->opinion;
    if (!job->has_verdict || !opinion->is_known || job->state != job->verdict ||
        opinion->state == job->verdict)
        return false;
    *opinion = (struct damping){.state = job->verdict, .is_known = true};
    return true;
}

static void take(struct job *job, const Ephor__CheckVerdict *verdict)
{
    job->has_verdict = true;
    job->verdict = (uint8_t)verdict->state;
    if (job_agrees(job))
        job_tell_opinion(job);
    else if (verdict->doubted && job->opinion.is_known && job->opinion.attempt == 0 &&
             job->opinion.state == job->verdict)
        schedule_hasten(&job->jobs->schedule, &job->item, now_mono_ms());
}

void jobs_take_verdicts(struct jobs *jobs, const Ephor__Verdicts *verdicts)
{
    if (verdicts->policy_index != jobs->policy_index)
        return;
    for (size_t i = 0; verdicts->forget && i < jobs->count; i++)
        jobs->list[i]->has_verdict = false;
    for (size_t i = 0; i < verdicts->n_verdicts; i++) {
        struct job *job = find(jobs, verdicts->verdicts[i]->check);
        if (job != NULL)
            take(job, verdicts->verdicts[i]);
    }
    jobs_start_due(jobs);
}
