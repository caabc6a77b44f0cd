#include "orchestrator/quorum/sight.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/doubt.h"

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
static bool prepare(struct sight *sight, const Ephor__Policy *policy, uint64_t policy_index)
{
    if (sight->answers != NULL && sight->policy_index == policy_index)
        return true;
    forget_answers(sight);
    sight->answers = calloc(policy->n_checks + 1, 1);
    sight->nodes = calloc(policy->n_nodes + 1, sizeof(*sight->nodes));
    if (sight->answers == NULL || sight->nodes == NULL) {
        forget_answers(sight);
        return false;
    }
    sight->policy_index = policy_index;
    sight->check_count = (uint32_t)policy->n_checks;
    sight->node_count = (uint32_t)policy->n_nodes;
    return true;
}

/* Only what may lead to something: others may well look at this machine and call it the node. */
static struct sight_node *node_of(struct sight *sight, const Ephor__Policy *policy, uint32_t check)
{
    const Ephor__Check *c = policy->checks[check];
    if (!c->failover)
        return NULL;
    if (c->scope == EPHOR__SCOPE__NODE)
        return &sight->nodes[c->target];
    if (c->scope == EPHOR__SCOPE__MEMBER)
        return &sight->nodes[policy->members[c->target]->node];
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

static void take_answer(struct sight *sight, const Ephor__Policy *policy, uint32_t check,
                        enum answer answer)
{
    struct sight_node *node = node_of(sight, policy, check);
    if (node == NULL || sight->answers[check] == (uint8_t)answer)
        return;
    node->answered -= sight->answers[check] != ANSWER_NONE;
    node->answered += answer != ANSWER_NONE;
    node->silent -= sight->answers[check] == ANSWER_SILENT;
    node->silent += answer == ANSWER_SILENT;
    node->was_alive |= answer == ANSWER_ALIVE;
    sight->answers[check] = (uint8_t)answer;
}

void sight_on_opinions(struct sight *sight, const Ephor__Policy *policy, uint64_t policy_index,
                       const Ephor__Opinions *opinions)
{
    if (opinions->policy_index != policy_index || !prepare(sight, policy, policy_index))
        return;
    for (size_t i = 0; i < opinions->n_changes; i++)
        if (opinions->changes[i]->check < sight->check_count)
            take_answer(sight, policy, opinions->changes[i]->check,
                        answer_of(opinions->changes[i]));
}

void sight_on_checker(struct sight *sight, const Ephor__CheckerState *state)
{
    if (!state->has_canaries)
        return;
    sight->canaries = sight->canaries_up = 0;
    for (size_t i = 0; i < state->n_canaries; i++) {
        if (!state->canaries[i]->proven)
            continue;
        sight->canaries++;
        sight->canaries_up += state->canaries[i]->up ? 1 : 0;
    }
}

/* ---------------------------------------------------------------- the judgement */

static struct outward look_outward(const struct sight *sight, const struct sight_around *around)
{
    struct outward outward = {.canaries = sight->canaries,
                              .canaries_up = sight->canaries_up,
                              .peers = around->peers,
                              .peers_up = around->peers_up};
    for (uint32_t i = 0; i < sight->node_count; i++) {
        const struct sight_node *node = &sight->nodes[i];
        outward.nodes += node->was_alive;
        outward.silent_nodes +=
            node->was_alive && node->answered > 0 && node->silent == node->answered;
    }
    return outward;
}

bool sight_judge(struct sight *sight, const struct sight_around *around, char reason[TEXT_SIZE])
{
    reason[0] = '\0';
    if (around->has_checkers) {
        sight->had_checkers = true;
    } else if (sight->had_checkers) {
        text_copy(reason, TEXT_SIZE, "its checker process was lost");
        return false;
    }
    struct outward outward = look_outward(sight, around);
    return doubt_sees(&outward, reason);
}

void sight_close(struct sight *sight)
{
    forget_answers(sight);
}
