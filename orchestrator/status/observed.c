/* Reading the results table. A checker that went wrong may have written anything there. */
#include "orchestrator/status/observed.h"

#include "orchestrator/base/text.h"
#include "orchestrator/sys/results.h"

#include <string.h>
#include <unistd.h>

_Static_assert((int)OBSERVED_OUTPUT_SIZE == (int)RESULTS_OUTPUT_SIZE, "the table's size");
_Static_assert((int)OBSERVED_PERFDATA_SIZE == (int)RESULTS_PERFDATA_SIZE, "the table's size");
_Static_assert((int)LAG_BUCKETS == (int)RESULTS_LATENESS_BUCKETS, "the table's buckets");

struct results *observed_open(int fd)
{
    struct results *results = results_open(fd, false);
    close(fd);
    return results;
}

void observed_close(struct results *results)
{
    results_close(results);
}

bool observed_read(const struct results *results, uint32_t check, struct observed *to)
{
    struct result from;
    if (results == NULL || !results_read(results, check, &from) || from.runs == 0)
        return false;
    *to = (struct observed){.policy_index = from.policy_index,
                            .state = from.state & 3,
                            .is_truncated = from.is_truncated,
                            .started_wall_ms = from.started_wall_ms,
                            .duration_us = from.duration_us,
                            .runs = from.runs,
                            .timeouts = from.timeouts,
                            .attempt = from.attempt};
    memcpy(to->runs_by_state, from.runs_by_state, sizeof(to->runs_by_state));
    text_sanitize(to->reason, sizeof(to->reason), from.reason, sizeof(from.reason));
    text_sanitize(to->output, sizeof(to->output), from.output, sizeof(from.output));
    text_sanitize(to->perfdata, sizeof(to->perfdata), from.perfdata, sizeof(from.perfdata));
    return true;
}

void observed_lag(struct results *results, struct lag *lag)
{
    *lag = (struct lag){0};
    memcpy(lag->bounds_ms, results_lateness_ms, sizeof(lag->bounds_ms));
    for (uint32_t i = 0; results != NULL && i < RESULTS_CHECKERS_MAX; i++) {
        const struct results_checker *c = results_checker(results, i);
        for (int b = 0; b < LAG_BUCKETS; b++)
            lag->counts[b] += c->lateness_counts[b];
        lag->sum_us += c->lateness_sum_us;
        lag->running += c->running;
        lag->queued += c->queued;
    }
}
