/* One job, for the files of this folder that make up struct jobs (jobs.h) only. */
#ifndef CHECKER_JOB_H
#define CHECKER_JOB_H

#include "orchestrator/checker/jobs.h"
#include "orchestrator/core/opinion.h"

struct job {
    struct schedule_item item;
    struct report_item report;
    struct jobs *jobs;         /* NULL: made for a policy that is not adopted yet */
    const Ephor__Check *check; /* in jobs->policy */
    struct check_run *run;     /* NULL when it does not run */
    bool is_gone;              /* of an earlier policy; freed when its run ends */
    struct damping opinion;
    uint8_t state;   /* of the last observation */
    uint8_t verdict; /* of the cluster, as it told last */
    bool has_verdict;
    Ephor__Cause cause;      /* of the last observation */
    Ephor__Cause told_cause; /* of the one that was told last */
    uint16_t rank, seers;    /* its place among the controllers that run this check */
    int64_t started_wall_ms, since_wall_ms;
    uint64_t runs, runs_by_state[4], timeouts;
    bool is_staying;                /* while a policy is being adopted: the new one has it, too, */
    const Ephor__Check *next_check; /* as this check */
    uint32_t next_number;           /* with this number */
    uint16_t next_rank, next_seers; /* at this place */
    bool is_untold;                 /* its opinion is to be reported under the new one */
};

/* jobs.c: start what is due, sleep until the next. */
void jobs_start_due(struct jobs *jobs);

/* jobs.c: the opinion changed; tell it. */
void job_tell_opinion(struct job *job);

/* job_verdicts.c: take over the verdict if the newest answer says the same. True: the opinion
 * changed. */
bool job_agrees(struct job *job);

/* job_results.c: an observation into the table; or, without a new one, what is known of the job,
 * which had old_number under the policy of old_index. */
void job_write_observation(const struct job *job, const struct observation *o);
void job_write_known(const struct job *job, uint32_t old_number, uint64_t old_index);

/* job_results.c: the statistics of this checker. */
void jobs_count_start(struct jobs *jobs, int64_t late_ms);
void jobs_count_running(struct jobs *jobs);

#endif
