/* Checks: one interface for every kind. A run asks once and calls back once with an observation.
 * Whatever goes wrong becomes an observation with a reason: a target that does not answer is
 * CRITICAL, a question that could not be asked properly (no such program, a name that does not
 * resolve, no memory) is UNKNOWN, since it says nothing about the target.
 * No damping and no schedule here: that is the checker's. */
#ifndef CHECKS_CHECK_OPS_H
#define CHECKS_CHECK_OPS_H

#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/loop.h"
#include "orchestrator/sys/results.h"

#include <stdbool.h>
#include <stdint.h>

enum { OBSERVATION_REASON_SIZE = 32 };

struct observation {
    Ephor__State state;
    char reason[OBSERVATION_REASON_SIZE]; /* "" or one stable word, see doc/ephor-plugins.7 */
    char output[RESULTS_OUTPUT_SIZE];     /* valid UTF-8; the first line is the summary */
    char perfdata[RESULTS_PERFDATA_SIZE]; /* whole items only */
    bool is_truncated;
    int64_t duration_us;
};

/* The end of a run, exactly once and never from inside its start. The observation is borrowed. */
typedef void observation_cb(void *data, const struct observation *observation);

struct http_client;

struct check_context { /* borrowed; outlives the runs and the loop */
    struct loop *loop;
    struct http_client *http;
    uint32_t resolving; /* name resolutions under way, also for runs that are over */
};

struct check_run;

/* Ask once. `check` is borrowed during this call only. NULL: out of memory, no callback. */
struct check_run *check_start(struct check_context *context, const Ephor__Check *check,
                              observation_cb *cb, void *data);

/* Give up: the callback comes soon (a child gets its SIGTERM first), reason "canceled". */
void check_cancel(struct check_run *run);

/* What a kind of check brings, for the table in check_ops.c. run->impl is its own. */
struct check_ops {
    int (*start)(struct check_run *run, const Ephor__Check *check);
    void (*cancel)(struct check_run *run);
};

struct check_run {
    struct check_context *context;
    const struct check_ops *ops;
    observation_cb *cb;
    void *data;
    void *impl;
    int64_t started_us;
    int64_t slow_ms;     /* a good answer that takes longer is a WARNING; 0: never */
    struct timer *later; /* tells an observation that was made inside start */
    struct observation observation;
};

extern const struct check_ops check_plugin_ops;
extern const struct check_ops check_tcp_ops;
extern const struct check_ops check_http_ops;

/* For the kinds: fill in state, reason (NULL = "") and the output, all in one. */
void check_say(struct check_run *run, Ephor__State state, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* For the kinds: the observation is complete; tells it and frees the run. Not inside start. */
void check_finish(struct check_run *run);

/* For the kinds: the same, inside start: the callback comes in the loop's next turn. */
int check_finish_later(struct check_run *run);

/* A duration as people read it: "0.4 ms", "37 ms", "2.5 s". */
const char *check_format_us(char *dst, size_t dst_size, int64_t us);

#endif
