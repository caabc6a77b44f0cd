/* The newest rows of a journal that is partly in storage and partly still in memory: gathered from
 * both, given in order, each once. */
#ifndef CONSENSUS_JOURNAL_TAIL_H
#define CONSENSUS_JOURNAL_TAIL_H

#include "orchestrator/consensus/engine.h"
#include "orchestrator/consensus/pending.h"

#include <stdint.h>

struct journal_tail;

struct journal_tail *journal_tail_new(uint32_t count); /* NULL: out of memory */
void journal_tail_free(struct journal_tail *tail);

/* An engine_journal_cb with the tail as its data. Copied. */
void journal_tail_add(void *data, const struct journal_row *row);
void journal_tail_add_queue(struct journal_tail *tail, const struct row_queue *queue);

/* The newest `count` of all that was added, oldest first. */
void journal_tail_give(struct journal_tail *tail, engine_journal_cb *cb, void *data);

#endif
