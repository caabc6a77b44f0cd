/* The trail: terms, kinds and sizes of the entries of the log; their bytes are the driver's. */
#ifndef RAFT_TRAIL_H
#define RAFT_TRAIL_H

#include "orchestrator/raft/server.h"

uint64_t trail_last(const struct raft *raft); /* index; first - 1 when empty */
uint64_t trail_last_term(const struct raft *raft);

/* Is a log that ends with the first one at least as complete as one that ends with the other? */
bool trail_reaches(uint64_t index, uint64_t term, uint64_t than_index, uint64_t than_term);
bool trail_has(const struct raft *raft, uint64_t index);      /* with its term known */
uint64_t trail_term(const struct raft *raft, uint64_t index); /* 0: not known */
const struct slot *trail_slot(const struct raft *raft, uint64_t index);
bool trail_is_full(const struct raft *raft, uint64_t more);
void trail_append(struct raft *raft, uint64_t term, uint32_t size, enum raft_entry_kind kind);
void trail_truncate(struct raft *raft, uint64_t from); /* never a committed entry */
void trail_compact(struct raft *raft, uint64_t to);    /* forget the entries up to `to` */
void trail_reset(struct raft *raft, uint64_t index, uint64_t term); /* a snapshot in its place */

/* The sum of the sizes of the entries from..to that are in the log. */
uint64_t trail_bytes(const struct raft *raft, uint64_t from, uint64_t to);

/* The highest index whose term is not above `term`; at most `from` (for conflict hints). */
uint64_t trail_last_not_above(const struct raft *raft, uint64_t from, uint64_t term);

#endif
