/* A failover is counted when it ends: "ok" on another member than before, "failed" otherwise. It
 * may begin and end within one fact, so its beginning is seen by its date, not by the phase. */
#include "orchestrator/status/counts.h"

#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>

void counts_close(struct counts *counts)
{
    free(counts->moves);
    *counts = (struct counts){0};
}

static const struct move_count *find_move(const struct counts *counts, uint32_t hint,
                                          const char *service)
{
    for (uint32_t n = 0; n < counts->move_count; n++) { /* mostly in the same order */
        const struct move_count *move = &counts->moves[(hint + n) % counts->move_count];
        if (strcmp(move->service, service) == 0)
            return move;
    }
    return NULL;
}

void counts_adopt(struct counts *counts, const struct core *core)
{
    uint32_t count = core->shape.services;
    struct move_count *moves = calloc(count + 1, sizeof(*moves));
    if (moves == NULL)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct service *s = core_service(core, (int32_t)i);
        const struct move_count *old = find_move(counts, i, s->name);
        if (old != NULL)
            moves[i] = *old;
        text_copy(moves[i].service, sizeof(moves[i].service), s->name);
        moves[i].is_open = s->phase != PHASE_STEADY && s->from != NONE;
        moves[i].moved_ms = s->moved_ms;
        moves[i].from = s->from;
    }
    free(counts->moves);
    counts->moves = moves;
    counts->move_count = count;
}

static void count_move(struct move_count *move, const struct service *s, int64_t wall_ms)
{
    if (s->moved_ms != move->moved_ms) {
        move->moved_ms = s->moved_ms;
        move->from = s->from;
        move->is_open = true;
    }
    if (!move->is_open || s->phase != PHASE_STEADY)
        return;
    move->is_open = false;
    move->ended_wall_ms = wall_ms;
    if (s->active != NONE && s->active != move->from)
        move->ok++;
    else
        move->failed++;
}

void counts_fact(struct counts *counts, const Ephor__Fact *fact, const struct core *core)
{
    counts->facts++;
    if (fact->body_case == EPHOR__FACT__BODY_LEADER)
        counts->leader_changes++;
    if (fact->body_case == EPHOR__FACT__BODY_OUTCOME &&
        (unsigned)fact->outcome->kind < ORDER_KINDS && (unsigned)fact->outcome->result < RESULTS)
        counts->actions[fact->outcome->kind][fact->outcome->result]++;
    for (uint32_t i = 0; core != NULL && i < counts->move_count && i < core->shape.services; i++)
        count_move(&counts->moves[i], core_service(core, (int32_t)i), core->wall_ms);
}
