#include "orchestrator/raft/transfer.h"

#include "orchestrator/raft/election.h"
#include "orchestrator/raft/membership.h"
#include "orchestrator/raft/replication.h"
#include "orchestrator/raft/trail.h"
#include "orchestrator/raft/update.h"

static bool may_lead(const struct raft *raft, uint32_t i)
{
    const struct raft_member *member = &raft->config.membership.members[i];
    return i < raft->config.membership.count && member->kind == RAFT_VOTER &&
           member->id != raft->params.id;
}

static uint32_t closest(const struct raft *raft)
{
    uint32_t best = NOT_A_MEMBER;
    for (uint32_t i = 0; i < raft->config.membership.count; i++) {
        const struct progress *p = &raft->progress[i];
        if (!may_lead(raft, i) || raft->now_ms - raft->params.election_ms > p->answered_ms)
            continue;
        if (best == NOT_A_MEMBER || p->match > raft->progress[best].match)
            best = i;
    }
    return best;
}

static void send_timeout_now(struct raft *raft, struct raft_update *update, uint32_t to)
{
    struct raft_message *m = update_message(raft, update, RAFT_TIMEOUT_NOW, to);
    if (m != NULL)
        raft->transfer_is_sent = true;
}

enum raft_result transfer_start(struct raft *raft, struct raft_update *update, uint32_t to)
{
    if (raft->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    if (raft->transfer_to != 0)
        return RAFT_TRANSFERRING;
    uint32_t i = to == 0 ? closest(raft) : membership_find(&raft->config.membership, to);
    if (i == NOT_A_MEMBER || !may_lead(raft, i))
        return RAFT_NO_TARGET;
    raft->transfer_to = raft->config.membership.members[i].id;
    raft->transfer_is_sent = false;
    raft->transfer_deadline_ms = raft->now_ms + raft->params.election_ms;
    replication_send(raft, update, i);
    transfer_continue(raft, update);
    return RAFT_OK;
}

void transfer_continue(struct raft *raft, struct raft_update *update)
{
    if (raft->role != RAFT_LEADER)
        return;
    if (raft->transfer_to == 0 && membership_is_witness(raft)) {
        uint32_t best = closest(raft);
        if (best == NOT_A_MEMBER || raft->progress[best].match != trail_last(raft))
            return;
        raft->transfer_to = raft->config.membership.members[best].id;
        raft->transfer_deadline_ms = raft->now_ms + raft->params.election_ms;
    }
    if (raft->transfer_to == 0 || raft->transfer_is_sent)
        return;
    uint32_t i = membership_find(&raft->config.membership, raft->transfer_to);
    if (i != NOT_A_MEMBER && raft->progress[i].match == trail_last(raft))
        send_timeout_now(raft, update, raft->transfer_to);
}

/* Nothing came of it. If the target was told, it may still campaign, whenever the message arrives:
 * this leader cannot go on as if it had not been sent. */
void transfer_tick(struct raft *raft, struct raft_update *update)
{
    bool is_sent = raft->transfer_is_sent;
    raft->transfer_to = 0;
    raft->transfer_is_sent = false;
    if (is_sent)
        election_follow(raft, update, raft->term, 0);
}

void transfer_farewell(struct raft *raft, struct raft_update *update)
{
    uint32_t best = closest(raft);
    if (best != NOT_A_MEMBER && raft->progress[best].match == trail_last(raft))
        send_timeout_now(raft, update, raft->config.membership.members[best].id);
}
