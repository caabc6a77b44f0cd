/* One round of writing: what is written together, in one transaction, on a worker thread. A round
 * is filled on the loop, belongs to the worker while it is under way, and is read on the loop
 * again when its done callback runs. There is one round an engine and at most one under way. */
#ifndef CONSENSUS_ROUND_H
#define CONSENSUS_ROUND_H

#include "orchestrator/consensus/pending.h"
#include "orchestrator/consensus/store.h"
#include "orchestrator/sys/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct round;

/* What a round did. */
struct round_result {
    int err;
    bool is_unknown; /* see store_write */
    struct errbuf text;
};

/* What goes into a round; the queues give up to what a round may hold, the snapshot is taken. */
struct round_plan {
    uint64_t term;
    uint32_t controller;
    uint64_t
        last_index;    /* entries follow it; what may lie behind it is dropped at a term's start */
    bool starts_term;  /* persist the term and append its no-op */
    bool needs_room;   /* the file system was full: fail unless it has room again */
    uint64_t trailing; /* entries to keep up to the snapshot's */
    struct proposal_queue *proposals;
    struct row_queue *rows;
    struct kept_snapshot **snapshot;
};

/* store is borrowed. NULL: out of memory. */
struct round *round_new(struct store *store);
void round_free(struct round *round); /* NULL is fine; not while one is under way */

/* Fill and write; done(data) runs on the loop, unless round_wait was called. If the worker cannot
 * be had, the error is returned and the round is over: take things back from it. */
int round_start(struct round *round, struct loop *loop, const struct round_plan *plan,
                work_fn *done, void *data);

/* Fill and write here and now; done callbacks do not run. */
void round_run(struct round *round, const struct round_plan *plan);

/* End the round under way, blocking: written by the worker, or here if none has begun. Its done
 * callback will not run. */
void round_wait(struct round *round);

/* No longer wanted, though its worker may still have to come by: it frees itself then. */
void round_drop(struct round *round);

bool round_starts_term(const struct round *round);
uint64_t round_term(const struct round *round); /* that it starts; 0 = none */
const struct round_result *round_result(const struct round *round);
struct proposal_queue *round_proposals(struct round *round); /* with their indices */
struct row_queue *round_rows(struct round *round);
struct kept_snapshot *round_take_snapshot(struct round *round); /* NULL if there is none */

#endif
