/* The dispatcher: one event, one handler; and the questions that can be asked. */
#include "orchestrator/raft/raft.h"

#include "orchestrator/raft/election.h"
#include "orchestrator/raft/install.h"
#include "orchestrator/raft/membership.h"
#include "orchestrator/raft/progress.h"
#include "orchestrator/raft/replication.h"
#include "orchestrator/raft/trail.h"
#include "orchestrator/raft/transfer.h"
#include "orchestrator/raft/update.h"

#include <string.h>

/* ---- start */

size_t raft_size_bytes(uint32_t log_max)
{
    return sizeof(struct raft) + (size_t)log_max * sizeof(struct slot);
}

struct raft *raft_init(void *block, const struct raft_params *params, uint64_t term,
                       uint32_t voted_for, const struct raft_snapshot *snapshot)
{
    struct raft *raft = block;
    PRE(params->id != 0 && params->election_ms > 0 && params->heartbeat_ms > 0);
    PRE(params->heartbeat_ms < params->election_ms && params->chunk_bytes > 0);
    PRE(params->trailing < params->log_max / 2);
    memset(raft, 0, sizeof(*raft));
    raft->params = *params;
    raft->random = params->seed ^ (term << 32) ^ ((uint64_t)params->id * 0x9e3779b97f4a7c15u);
    raft->term = term;
    raft->voted_for = voted_for;
    raft->snapshot = *snapshot;
    raft->first = snapshot->index + 1;
    raft->first_term = snapshot->term;
    raft->config = (struct config){snapshot->membership_index, snapshot->membership};
    raft->config_before = raft->config;
    raft->commit = raft->applied = snapshot->index;
    raft->persisted = snapshot->index;
    return raft;
}

void raft_load(struct raft *raft, uint64_t index, const struct raft_entry *entry)
{
    bool is_oldest = raft->first == raft->snapshot.index + 1 && index < raft->first;
    bool is_too_old = index + raft->params.trailing <= raft->snapshot.index;
    if (raft->count == 0 && (is_oldest || is_too_old)) {
        raft->first = index + 1; /* all that it says is its term */
        raft->first_term = entry->term;
        return;
    }
    PRE(index == trail_last(raft) + 1);
    trail_append(raft, entry->term, entry->size, entry->kind);
    if (index > raft->persisted)
        raft->persisted = index;
    if (entry->kind == RAFT_ENTRY_CONFIG && index > raft->snapshot.index)
        membership_adopt(raft, index, entry->membership);
}

void raft_lost(struct raft *raft, uint64_t index, uint64_t term)
{
    PRE(index > 0 && term <= raft->term);
    raft->lost_index = index;
    raft->lost_term = term;
}

/* A log that reaches as far as what was lost comes from a leader who had all of that that is
 * committed: a leader of a later term by the election restriction, one of the same term because it
 * sent it. */
static void forget_lost(struct raft *raft)
{
    if (raft->lost_index != 0 &&
        trail_reaches(trail_last(raft), trail_last_term(raft), raft->lost_index, raft->lost_term))
        raft->lost_index = raft->lost_term = 0;
}

void raft_start(struct raft *raft, int64_t now_ms)
{
    PRE(trail_last(raft) >= raft->snapshot.index);
    forget_lost(raft);
    raft->now_ms = raft->heard_ms = now_ms;
    election_arm(raft);
    if (membership_has_vote(raft) && membership_quorum(&raft->config.membership) == 1) {
        raft->heard_ms = INT64_MIN / 2; /* there is nobody to be loyal to */
        raft->deadline_ms = now_ms;
    }
}

/* ---- events */

/* A leader that no quorum answers any more steps down (§6.2): it could not commit, and its clients
 * and its leases must not go on believing in it. */
static int64_t quorum_deadline(const struct raft *raft)
{
    int64_t since_ms = raft_fresh_since(raft, raft->now_ms);
    if (raft->transfer_to != 0 || since_ms < raft->elected_ms)
        since_ms = raft->elected_ms;
    if (raft->transfer_to != 0)
        since_ms = raft->now_ms;
    return since_ms + raft->params.election_ms;
}

static void on_tick(struct raft *raft, struct raft_update *update)
{
    if (raft->role != RAFT_LEADER) {
        if (raft->now_ms >= raft->deadline_ms)
            election_tick(raft, update);
        return;
    }
    if (raft->transfer_to != 0 && raft->now_ms >= raft->transfer_deadline_ms)
        transfer_tick(raft, update);
    else if (raft->now_ms >= quorum_deadline(raft))
        election_follow(raft, update, raft->term, 0);
    if (raft->role == RAFT_LEADER && raft->now_ms >= raft->heartbeat_due_ms)
        replication_heartbeat(raft, update);
}

static bool is_from_leader(const struct raft_message *m)
{
    return m->type == RAFT_APPEND || m->type == RAFT_SNAPSHOT;
}

/* A newer term is adopted by whoever hears of it (§3.3), but for a question that changes nothing,
 * and a candidate whom loyalty forbids to follow. False: the message is to be ignored. */
static bool catch_up(struct raft *raft, struct raft_update *update, const struct raft_message *m)
{
    bool is_question = m->type == RAFT_PREVOTE || (m->type == RAFT_PREVOTE_REPLY && m->granted);
    if (m->type == RAFT_VOTE && m->term > raft->term && !m->is_transfer && election_is_loyal(raft))
        return false;
    if (m->term > raft->term && !is_question)
        election_follow(raft, update, m->term, 0);
    if (is_from_leader(m) && m->term == raft->term) {
        PRE(raft->role != RAFT_LEADER); /* Election Safety: two leaders of one term */
        election_follow(raft, update, m->term, m->from);
        raft->heard_ms = raft->now_ms;
        election_arm(raft);
    }
    return true;
}

static void on_receive(struct raft *raft, struct raft_update *update, const struct raft_message *m)
{
    if (m->to != raft->params.id || m->from == 0 || m->from == raft->params.id)
        return;
    if (!catch_up(raft, update, m))
        return;
    switch (m->type) {
    case RAFT_PREVOTE:
        election_on_prevote(raft, update, m);
        return;
    case RAFT_VOTE:
        election_on_vote(raft, update, m);
        return;
    case RAFT_PREVOTE_REPLY:
    case RAFT_VOTE_REPLY:
        election_on_reply(raft, update, m);
        return;
    case RAFT_APPEND:
        replication_on_append(raft, update, m);
        return;
    case RAFT_APPEND_REPLY:
        replication_on_reply(raft, update, m);
        return;
    case RAFT_SNAPSHOT:
        install_on_snapshot(raft, update, m);
        return;
    case RAFT_SNAPSHOT_REPLY:
        install_on_reply(raft, update, m);
        transfer_continue(raft, update);
        return;
    case RAFT_TIMEOUT_NOW:
        election_on_timeout_now(raft, update, m);
        return;
    }
}

static void on_persisted(struct raft *raft, struct raft_update *update,
                         const struct raft_event *event)
{
    uint64_t index = event->persisted.last_index;
    if (event->persisted.write > raft->durable)
        raft->durable = event->persisted.write;
    if (trail_has(raft, index) && trail_term(raft, index) == event->persisted.last_term &&
        index > raft->persisted)
        raft->persisted = index;
    election_on_persisted(raft, update);
    replication_commit(raft, update);
}

static void on_connected(struct raft *raft, struct raft_update *update, uint32_t peer)
{
    uint32_t i = membership_find(&raft->config.membership, peer);
    if (raft->role != RAFT_LEADER || i == NOT_A_MEMBER || peer == raft->params.id)
        return;
    progress_probe(&raft->progress[i]);
    if (raft->progress[i].flow == FLOW_SNAPSHOT)
        install_heartbeat(raft, update, i);
    else
        replication_send(raft, update, i);
}

static void on_storage_failed(struct raft *raft, struct raft_update *update)
{
    election_follow(raft, update, raft->term, 0);
    raft->has_failed = true;
    raft->deadline_ms = RAFT_NEVER_MS;
}

static void dispatch(struct raft *raft, struct raft_update *update, const struct raft_event *event)
{
    switch (event->type) {
    case RAFT_TICK:
        on_tick(raft, update);
        return;
    case RAFT_RECEIVE:
        on_receive(raft, update, event->message);
        return;
    case RAFT_PERSISTED:
        on_persisted(raft, update, event);
        return;
    case RAFT_PROPOSE:
        update->result =
            replication_propose(raft, update, event->propose.sizes, event->propose.count);
        return;
    case RAFT_CHANGE:
        update->result =
            replication_change(raft, update, event->change.membership, event->change.size);
        return;
    case RAFT_TRANSFER:
        update->result = transfer_start(raft, update, event->transfer_to);
        return;
    case RAFT_SNAPSHOT_TAKEN:
        install_on_taken(raft, update, event);
        return;
    case RAFT_CONNECTED:
        on_connected(raft, update, event->peer);
        return;
    case RAFT_READ:
        if (raft->role == RAFT_LEADER)
            replication_heartbeat(raft, update);
        return;
    case RAFT_STORAGE_FAILED:
        on_storage_failed(raft, update);
        return;
    }
}

/* ---- what must be true of every server at any time */

static void check_invariants(const struct raft *raft, uint64_t commit, uint64_t term)
{
    POST(raft->term >= term && raft->commit >= commit);
    POST(raft->applied <= raft->commit && raft->commit <= trail_last(raft));
    POST(raft->persisted <= trail_last(raft));
    POST(raft->snapshot.index <= raft->commit && raft->first <= raft->snapshot.index + 1);
    POST(raft->config_before.index <= raft->config.index);
    POST(raft->role != RAFT_LEADER || raft->leader == raft->params.id);
}

static void begin_update(struct raft_update *update, const struct raft *raft)
{
    memset(update, 0, offsetof(struct raft_update, messages));
    update->apply_to = raft->applied;
}

void raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *update)
{
    uint64_t term = raft->term;
    uint64_t commit = raft->commit;
    enum raft_role role = raft->role;
    uint32_t leader = raft->leader;
    bool is_working = raft_is_working(raft);
    begin_update(update, raft);
    if (event->now_ms > raft->now_ms)
        raft->now_ms = event->now_ms;
    if (raft->has_failed) {
        update->result = RAFT_NOT_LEADER;
        return;
    }
    dispatch(raft, update, event);
    forget_lost(raft);
    update->role_changed = raft->role != role || raft->term != term || raft->leader != leader ||
                           raft_is_working(raft) != is_working;
    check_invariants(raft, commit, term);
}

/* ---- queries */

enum raft_role raft_role(const struct raft *raft)
{
    return raft->role;
}

uint64_t raft_term(const struct raft *raft)
{
    return raft->term;
}

uint32_t raft_leader(const struct raft *raft)
{
    return raft->leader;
}

int64_t raft_deadline(const struct raft *raft)
{
    if (raft->role != RAFT_LEADER)
        return raft->deadline_ms;
    int64_t next_ms = raft->heartbeat_due_ms;
    int64_t quorum_ms = quorum_deadline(raft);
    if (raft->transfer_to != 0 && raft->transfer_deadline_ms < next_ms)
        next_ms = raft->transfer_deadline_ms;
    return quorum_ms < next_ms ? quorum_ms : next_ms;
}

uint64_t raft_commit(const struct raft *raft)
{
    return raft->commit;
}

uint64_t raft_applied(const struct raft *raft)
{
    return raft->applied;
}

uint64_t raft_durable_write(const struct raft *raft)
{
    return raft->durable;
}

uint64_t raft_first_index(const struct raft *raft)
{
    return raft->first;
}

uint64_t raft_last_index(const struct raft *raft)
{
    return trail_last(raft);
}

uint64_t raft_term_of(const struct raft *raft, uint64_t index)
{
    return trail_term(raft, index);
}

uint64_t raft_lost_index(const struct raft *raft)
{
    return raft->lost_index;
}

const struct raft_entry *raft_entry_of(const struct raft *raft, uint64_t index,
                                       struct raft_entry *entry)
{
    const struct slot *slot = trail_slot(raft, index);
    *entry = (struct raft_entry){
        .term = slot->term, .size = slot->size, .kind = (enum raft_entry_kind)slot->kind};
    return entry;
}

const struct raft_snapshot *raft_snapshot(const struct raft *raft)
{
    return &raft->snapshot;
}

const struct raft_membership *raft_membership(const struct raft *raft)
{
    return &raft->config.membership;
}

uint64_t raft_membership_index(const struct raft *raft)
{
    return raft->config.index;
}

/* A server that answered a request of this term was not yet in a newer one when that request was
 * sent or later; any newer leader needs the vote of one of a quorum, and loyalty keeps that vote
 * for the minimum election timeout. A transfer ends it at once. */
int64_t raft_fresh_since(const struct raft *raft, int64_t now_ms)
{
    if (raft->role != RAFT_LEADER || raft->transfer_to != 0)
        return INT64_MIN;
    return membership_quorum_answered(raft, now_ms);
}

bool raft_is_working(const struct raft *raft)
{
    return raft->role == RAFT_LEADER && raft->commit >= raft->term_start &&
           !membership_is_witness(raft);
}

bool raft_peer(const struct raft *raft, uint32_t id, struct raft_peer *peer)
{
    uint32_t i = membership_find(&raft->config.membership, id);
    if (raft->role != RAFT_LEADER || i == NOT_A_MEMBER || id == raft->params.id)
        return false;
    const struct progress *p = &raft->progress[i];
    *peer = (struct raft_peer){.match_index = p->match,
                               .next_index = p->next,
                               .answered_ms = p->answered_ms,
                               .is_snapshotting = p->flow == FLOW_SNAPSHOT,
                               .snapshot_index = p->snapshot.index,
                               .snapshot_offset = p->chunk_acked};
    return true;
}

const char *raft_role_name(enum raft_role role)
{
    static const char *const names[] = {"follower", "pre-candidate", "candidate", "leader"};
    return names[role];
}

const char *raft_result_text(enum raft_result result)
{
    static const char *const texts[] = {
        [RAFT_OK] = "done",
        [RAFT_NOT_LEADER] = "this controller does not lead",
        [RAFT_TRANSFERRING] = "leadership is being handed over",
        [RAFT_FULL] = "the log is full until its next snapshot",
        [RAFT_CHANGE_PENDING] = "another change of the membership is not committed yet",
        [RAFT_CHANGE_INVALID] = "members change one at a time, and one voter must stay",
        [RAFT_NOT_CAUGHT_UP] = "its log is still too far behind to be given a vote",
        [RAFT_NO_TARGET] = "no other voter could take over",
    };
    return texts[result];
}

const char *raft_message_name(enum raft_message_type type)
{
    static const char *const names[] = {
        "",       "prevote",      "prevote-reply", "vote",           "vote-reply",
        "append", "append-reply", "snapshot",      "snapshot-reply", "timeout-now"};
    return names[type];
}
