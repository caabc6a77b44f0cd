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

/* store is borrowed. NULL: out of memory. */
struct round *round_new(struct store *store);
void round_free(struct round *round); /* NULL is fine; not while one is under way */

/* Empty it, and fill in: term, voted_for, truncate_from, compact_to as in store.h; the rest below.
 * needs_room: the file system was full; fail unless it has room again. */
struct store_write *round_begin(struct round *round, bool needs_room);

/* The entry is held until the round is cleared. False: it is full, keep it for the next. */
bool round_add_entry(struct round *round, uint64_t index, struct log_entry *entry);
void round_add_rows(struct round *round, struct row_queue *rows);         /* as many as it takes */
void round_add_snapshot(struct round *round, struct kept_snapshot *kept); /* taken */

/* Write; done(data) runs on the loop, unless round_wait was called. If the worker cannot be had,
 * the error is returned and the round is over: take things back from it. */
int round_start(struct round *round, struct loop *loop, work_fn *done, void *data);

/* Write here and now; done callbacks do not run. */
void round_run(struct round *round);

/* End the round under way, blocking: written by the worker, or here if none has begun. Its done
 * callback will not run. */
void round_wait(struct round *round);

/* No longer wanted, though its worker may still have to come by: it frees itself then. */
void round_drop(struct round *round);

const struct round_result *round_result(const struct round *round);
struct row_queue *round_rows(struct round *round);
struct kept_snapshot *round_take_snapshot(struct round *round); /* NULL if there is none */

/* Let go of what it held (but not of its rows). */
void round_clear(struct round *round);

#endif
