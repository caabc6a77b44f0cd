/* The reporter: brings opinions to the quorum, level-triggered. A changed opinion is sent within
 * REPORT_DELAY_MS, many in one fact; one that was not acknowledged, was refused, or lost its link
 * is sent again as it then is. What is acknowledged and unchanged since is done.
 * Items are the caller's memory. Knows nothing of schedules and targets. Used by the jobs. */
#ifndef CHECKER_REPORTER_H
#define CHECKER_REPORTER_H

#include "orchestrator/core/limits.h"
#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REPORT_DELAY_MS = 20,      /* gather this long */
    REPORT_RETRY_MS = 200,     /* after a refusal (no leader, disk full) */
    REPORT_PATIENCE_MS = 5000, /* without an answer: send again */
    REPORT_CHANGES_MAX = 64,   /* opinions in one fact */
    REPORT_BATCHES_MAX = 8,    /* facts under way */
};

struct report_item { /* the caller's part; what follows is zeroed and ours */
    uint32_t check;  /* number in the policy */
    Ephor__State state;
    Ephor__State suspect; /* with attempts > 0: what the newest answers say instead */
    uint32_t attempts;
    Ephor__Cause cause;
    char text[TEXT_SIZE];
    bool is_waiting; /* in the queue */
    bool is_sent;    /* in a batch under way */
    bool is_changed; /* since it was sent */
    struct report_item *next;
};

struct report_batch {
    uint64_t sequence; /* 0 = free */
    int64_t sent_ms;
    size_t count;
    struct report_item *items[REPORT_CHANGES_MAX];
};

struct reporter {
    struct timer *timer;
    bool is_timer_soon;
    struct link *link; /* borrowed; NULL = no quorum process now */
    uint32_t controller;
    uint64_t policy_index;
    uint64_t last_sequence;
    struct report_item *first, *last;
    struct report_batch batches[REPORT_BATCHES_MAX];
};

/* 0 or ERR_NOMEM. */
int reporter_init(struct reporter *reporter, struct loop *loop, uint32_t controller);
void reporter_close(struct reporter *reporter);

/* Forget every item, as before the first; for a new policy. */
void reporter_reset(struct reporter *reporter, uint64_t policy_index);

/* A new link, or NULL. What was under way is sent again; add the other known opinions after. */
void reporter_set_link(struct reporter *reporter, struct link *link);

/* The item is new or has changed. */
void reporter_add(struct reporter *reporter, struct report_item *item);

/* The same, and everything that waits is sent in this turn of the loop. */
void reporter_hasten(struct reporter *reporter, struct report_item *item);

/* The quorum's answer. Unknown sequences are old ones and mean nothing. */
void reporter_on_proposed(struct reporter *reporter, uint64_t sequence, int err);

/* Nothing waits and nothing is under way. */
bool reporter_is_idle(const struct reporter *reporter);

#endif
