#include "orchestrator/raft/trail.h"

#include <string.h>

uint64_t trail_last(const struct raft *raft)
{
    return raft->first + raft->count - 1;
}

const struct slot *trail_slot(const struct raft *raft, uint64_t index)
{
    PRE(index >= raft->first && index <= trail_last(raft));
    return &raft->slots[index - raft->first];
}

uint64_t trail_term(const struct raft *raft, uint64_t index)
{
    if (index + 1 == raft->first)
        return raft->first_term;
    if (index < raft->first || index > trail_last(raft))
        return 0;
    return raft->slots[index - raft->first].term;
}

uint64_t trail_last_term(const struct raft *raft)
{
    return trail_term(raft, trail_last(raft));
}

bool trail_reaches(uint64_t index, uint64_t term, uint64_t than_index, uint64_t than_term)
{
    return term > than_term || (term == than_term && index >= than_index);
}

bool trail_has(const struct raft *raft, uint64_t index)
{
    return index + 1 >= raft->first && index <= trail_last(raft);
}

bool trail_is_full(const struct raft *raft, uint64_t more)
{
    return raft->count + more > raft->params.log_max;
}

void trail_append(struct raft *raft, uint64_t term, uint32_t size, enum raft_entry_kind kind)
{
    PRE(!trail_is_full(raft, 1) && term >= trail_last_term(raft));
    raft->slots[raft->count++] = (struct slot){term, size, kind};
}

void trail_truncate(struct raft *raft, uint64_t from)
{
    PRE(from > raft->commit && from >= raft->first && from <= trail_last(raft));
    raft->count = from - raft->first;
    if (raft->persisted >= from)
        raft->persisted = from - 1;
}

void trail_compact(struct raft *raft, uint64_t to)
{
    if (to < raft->first)
        return;
    PRE(to <= trail_last(raft));
    uint64_t gone = to - raft->first + 1;
    raft->first_term = trail_term(raft, to);
    memmove(raft->slots, raft->slots + gone, (raft->count - gone) * sizeof(raft->slots[0]));
    raft->first = to + 1;
    raft->count -= gone;
}

void trail_reset(struct raft *raft, uint64_t index, uint64_t term)
{
    raft->first = index + 1;
    raft->first_term = term;
    raft->count = 0;
    raft->persisted = 0; /* nothing of it is durable yet */
}

uint64_t trail_bytes(const struct raft *raft, uint64_t from, uint64_t to)
{
    uint64_t sum = 0;
    for (uint64_t i = from < raft->first ? raft->first : from; i <= to && i <= trail_last(raft);
         i++)
        sum += trail_slot(raft, i)->size;
    return sum;
}

uint64_t trail_last_not_above(const struct raft *raft, uint64_t from, uint64_t term)
{
    uint64_t index = from > trail_last(raft) ? trail_last(raft) : from;
    while (index >= raft->first && trail_term(raft, index) > term)
        index--;
    return index;
}
