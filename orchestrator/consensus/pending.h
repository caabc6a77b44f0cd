/* What waits to be written: proposals, journal rows, a snapshot. Copies on the heap, in bounded
 * queues. */
#ifndef CONSENSUS_PENDING_H
#define CONSENSUS_PENDING_H

#include "orchestrator/consensus/engine.h"
#include "orchestrator/consensus/log_cache.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* A client that proposes faster than the disk writes hears ERR_LIMIT before memory is short. */
    PENDING_PROPOSALS_MAX = 65536,
    PENDING_BYTES_MAX = 2 * ENGINE_ENTRY_MAX,
    PENDING_ROWS_MAX = 10000, /* some 2 MB; a full disk must not become full memory */
    PENDING_ROW_TEXT_MAX = 4096,
};

struct proposal {
    struct proposal *next;
    engine_propose_cb *cb;
    void *data;
    int err;
    uint64_t index, term;    /* once it is in the log */
    struct log_entry *entry; /* held; its term is set then */
};

struct proposal_queue {
    struct proposal *head;
    struct proposal *tail;
    size_t count;
    size_t size_bytes;
};

/* Bytes are copied; NULL: out of memory. */
struct proposal *proposal_new(enum raft_entry_kind kind, const void *bytes, size_t size,
                              engine_propose_cb *cb, void *data);
void proposal_free(struct proposal *proposal);

void proposal_push(struct proposal_queue *queue, struct proposal *proposal); /* taken */
struct proposal *proposal_pop(struct proposal_queue *queue);                 /* NULL: empty */

/* Move all of `from` behind `to`. */
void proposal_move(struct proposal_queue *to, struct proposal_queue *from);

/* What all of them are to be told. */
void proposal_set_err(struct proposal_queue *queue, int err);

bool proposal_fits(const struct proposal_queue *queue, size_t size);

struct row {
    struct row *next;
    struct journal_row row; /* its texts point behind the struct */
};

struct row_queue {
    struct row *head;
    struct row *tail;
    size_t count;
};

/* Copied; long texts are cut. NULL: out of memory. */
struct row *row_new(const struct journal_row *row);

void row_push(struct row_queue *queue, struct row *row); /* taken */
struct row *row_pop(struct row_queue *queue);            /* NULL: empty */

/* Put all of `back` in front of `queue` again. */
void row_put_back(struct row_queue *queue, struct row_queue *back);

/* Drop the oldest rows above the limit; returns how many. */
size_t row_limit(struct row_queue *queue);

void row_clear(struct row_queue *queue);

struct kept_snapshot {
    struct kept_snapshot *next;
    uint64_t index;
    uint64_t term;
    uint64_t before_index;   /* of the snapshot that it replaces */
    uint64_t log_size_bytes; /* of the log at that time */
    size_t size;
    unsigned char bytes[];
};

struct kept_snapshot *kept_snapshot_new(uint64_t index, const void *bytes, size_t size);

#endif
