#include "orchestrator/quorum/sight.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/doubt.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"

#include <stdlib.h>
#include <string.h>

enum answer { ANSWER_NONE, ANSWER_ALIVE, ANSWER_SILENT };

struct sight_node {
    uint32_t answered, silent; /* checks of the node and of its members that may fail over */
    bool was_alive;
};

/* ---------------------------------------------------------------- own answers */

static void forget_answers(struct sight *sight)
{
    free(sight->answers);
    free(sight->nodes);
    sight->answers = NULL;
    sight->nodes = NULL;
    sight->check_count = sight->node_count = 0;
}

/* Room for the policy in force. False: no memory, and no doubt for now. */
static bool prepare(struct quorum *q)
{
    struct sight *sight = &q->sight;
    const struct core *core = q->machine.core;
    if (core == NULL)
        return false;
    if (sight->answers != NULL && sight->policy_index == q->machine.policy_index)
        return true;
    forget_answers(sight);
    sight->answers = calloc((size_t)core->shape.checks + 1, 1);
    sight->nodes = calloc((size_t)core->shape.nodes + 1, sizeof(*sight->nodes));
    if (sight->answers == NULL || sight->nodes == NULL) {
        forget_answers(sight);
        return false;
    }
    sight->policy_index = q->machine.policy_index;
    sight->check_count = core->shape.checks;
    sight->node_count = core->shape.nodes;
    return true;
}

/* Only what may lead to something: others may well look at this machine and call it the node. */
static struct sight_node *node_of(struct quorum *q, uint32_t check)
{
    const struct core *core = q->machine.core;
    const struct check *c = core_check(core, (int32_t)check);
    if (!c->failover)
        return NULL;
    if (c->scope == SCOPE_NODE)
        return &q->sight.nodes[c->target];
    if (c->scope == SCOPE_MEMBER)
        return &q->sight.nodes[core_member(core, c->target)->node];
    return NULL;
}

/* Whoever refuses or answers wrongly is there. */
static enum answer answer_of(const Ephor__OpinionChange *change)
{
    Ephor__State state = change->attempts > 0 ? change->suspect : change->state;
    if (state == EPHOR__STATE__STATE_UNKNOWN)
        return ANSWER_NONE;
    return state == EPHOR__STATE__STATE_CRITICAL &&
                   (change->cause == EPHOR__CAUSE__CAUSE_SILENT ||
                    change->cause == EPHOR__CAUSE__CAUSE_UNREACHABLE)
               ? ANSWER_SILENT
               : ANSWER_ALIVE;
}

static void take_answer(struct quorum *q, uint32_t check, enum answer answer)
{
    struct sight_node *node = node_of(q, check);
    if (node == NULL || q->sight.answers[check] == (uint8_t)answer)
        return;
    node->answered -= q->sight.answers[check] != ANSWER_NONE;
    node->answered += answer != ANSWER_NONE;
    node->silent -= q->sight.answers[check] == ANSWER_SILENT;
    node->silent += answer == ANSWER_SILENT;
    node->was_alive |= answer == ANSWER_ALIVE;
    q->sight.answers[check] = (uint8_t)answer;
}

void sight_on_opinions(struct quorum *q, const Ephor__Opinions *opinions)
{
    if (!prepare(q) || opinions->policy_index != q->sight.policy_index)
        return;
    for (size_t i = 0; i < opinions->n_changes; i++)
        if (opinions->changes[i]->check < q->sight.check_count)
            take_answer(q, opinions->changes[i]->check, answer_of(opinions->changes[i]));
    sight_work(q);
}

void sight_on_checker(struct quorum *q, const Ephor__CheckerState *state)
{
    if (state->late_ms > 0)
        quorum_note_lag(q, state->late_ms, "its checker lagged by");
    if (state->has_canaries) {
        q->sight.canaries = q->sight.canaries_up = 0;
        for (size_t i = 0; i < state->n_canaries; i++) {
            if (!state->canaries[i]->proven)
                continue;
            q->sight.canaries++;
            q->sight.canaries_up += state->canaries[i]->up ? 1 : 0;
        }
        sight_work(q);
    }
}

/* ---------------------------------------------------------------- the judgement */

static struct outward look_outward(const struct quorum *q)
{
    const struct sight *sight = &q->sight;
    struct outward outward = {.canaries = sight->canaries, .canaries_up = sight->canaries_up};
    for (uint32_t i = 0; i < sight->node_count; i++) {
        const struct sight_node *node = &sight->nodes[i];
        outward.nodes += node->was_alive;
        outward.silent_nodes +=
            node->was_alive && node->answered > 0 && node->silent == node->answered;
    }
    cluster_count_peers(q, &outward.peers, &outward.peers_up);
    return outward;
}

/* Can it see? At the beginning it is taken to, until all checkers have come once. */
static bool sees(struct quorum *q, char reason[TEXT_SIZE])
{
    reason[0] = '\0';
    if (peers_have_checkers(q)) {
        q->sight.had_checkers = true;
    } else if (q->sight.had_checkers) {
        text_copy(reason, TEXT_SIZE, "its checker process was lost");
        return false;
    }
    struct outward outward = look_outward(q);
    return doubt_sees(&outward, reason);
}

static void on_told(struct quorum *q, int err, uint64_t index)
{
    (void)err;
    (void)index;
    q->sight.is_proposed = false;
}

void sight_work(struct quorum *q)
{
    char reason[TEXT_SIZE];
    if (q->machine.core == NULL || q->sight.is_proposed || q->leader == 0)
        return;
    bool can_see = sees(q, reason);
    if (can_see == !q->machine.core->controllers[q->seat - 1].is_blind)
        return;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Sight sight = EPHOR__SIGHT__INIT;
    sight.controller = q->seat;
    sight.sees = can_see;
    sight.reason = reason;
    fact.body_case = EPHOR__FACT__BODY_SIGHT;
    fact.sight = &sight;
    q->sight.is_proposed = true;
    proposals_add(q, PROPOSAL_FORWARDED, &fact, NULL, 0, on_told);
}

void sight_close(struct quorum *q)
{
    forget_answers(&q->sight);
}
