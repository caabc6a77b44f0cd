/* Does this process run when it means to? One that lagged, slept with its machine, or had its clock
 * set, does not know what happened meanwhile: it does not act, and its word does not count, until
 * it was calm for a while. Pure: the clocks are the caller's. */
#ifndef QUORUM_CALM_H
#define QUORUM_CALM_H

#include "orchestrator/core/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct clocks {
    int64_t mono_ms;      /* never jumps, and counts suspended time */
    int64_t suspended_ms; /* in all, since the machine was started */
    int64_t wall_ms;
};

struct calm {
    bool is_calm;
    char text[TEXT_SIZE]; /* why not; "" if it is */
    int64_t again_ms;     /* until then it is not */
    int64_t due_ms;       /* when the next beat is to come */
    struct clocks last;   /* at the last beat */
};

void calm_init(struct calm *calm, const struct clocks *now);

/* Something lagged. what: "it lagged by". Both: true if is_calm changed. */
bool calm_note_lag(struct calm *calm, int64_t now_ms, int64_t late_ms, const char *what);

/* A beat. The caller says in due_ms when the next one is to come, once its work is done. */
bool calm_beat(struct calm *calm, const struct clocks *now);

#endif
