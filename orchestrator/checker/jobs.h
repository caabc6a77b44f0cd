/* The jobs of one checker: the checks of the adopted policy that are its share, each with its
 * schedule, its damped opinion and its counters. Starts what is due, writes each observation into
 * the results table, hands changed opinions to the reporter.
 * A new policy keeps the phase, counters and opinion of a check that still asks the same question
 * of the same target under the same identity; a check that asks something else starts anew. */
#ifndef CHECKER_JOBS_H
#define CHECKER_JOBS_H

#include "checks/check_ops.h"
#include "orchestrator/checker/reporter.h"
#include "orchestrator/checker/schedule.h"
#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/results.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job;

struct jobs {
    struct check_context context;
    struct reporter *reporter; /* borrowed */
    struct results *results;   /* borrowed; NULL until there is a table */
    uint32_t checker_index, checker_count;
    struct schedule schedule;
    struct timer *timer;
    Ephor__Policy *policy;   /* NULL before the first one */
    Ephor__Outlook *outlook; /* which of its checks run on this controller; NULL: all, alone */
    uint64_t policy_index;
    struct job **list; /* by check number */
    size_t count;
    size_t running;                 /* runs whose callback is still to come, gone jobs included */
    void (*on_drained)(void *data); /* set by jobs_stop */
    void *on_drained_data;
};

/* 0 or ERR_NOMEM. loop, http and reporter are borrowed. */
int jobs_init(struct jobs *jobs, struct loop *loop, struct http_client *http,
              struct reporter *reporter);

/* Free everything; nothing may be running (see jobs_stop). */
void jobs_close(struct jobs *jobs);

/* This checker's share and how many checks may run at once. Takes effect at once. */
int jobs_set_share(struct jobs *jobs, uint32_t checker_index, uint32_t checker_count,
                   uint32_t running_max);

/* policy is taken, also on failure (ERR_NOMEM: the old policy stays). outlook (borrowed) may be
 * NULL. */
int jobs_adopt(struct jobs *jobs, Ephor__Policy *policy, uint64_t policy_index,
               const Ephor__Outlook *outlook);

/* Other controllers have come or gone. Ignored if it is of another policy. 0 or ERR_NOMEM. */
int jobs_set_outlook(struct jobs *jobs, const Ephor__Outlook *outlook);

/* What the cluster says of checks, and where somebody doubts it. */
void jobs_take_verdicts(struct jobs *jobs, const Ephor__Verdicts *verdicts);

/* A new table: write into it from now on (borrowed), what is known at once. */
void jobs_set_results(struct jobs *jobs, struct results *results);

/* Hand every known opinion to the reporter. */
void jobs_report_all(struct jobs *jobs);

/* Start nothing any more, cancel what runs; on_drained follows when nothing does, possibly from
 * inside. */
void jobs_stop(struct jobs *jobs, void (*on_drained)(void *data), void *data);

#endif
