#include "orchestrator/raft/replication.h"

#include "orchestrator/raft/election.h"
#include "orchestrator/raft/install.h"
#include "orchestrator/raft/membership.h"
#include "orchestrator/raft/progress.h"
#include "orchestrator/raft/trail.h"
#include "orchestrator/raft/transfer.h"
#include "orchestrator/raft/update.h"

/* Room that no proposal may take: for the no-ops of coming terms and for configurations. And what
 * is not committed may not fill the log, for only what is can leave it. */
enum { RESERVED_PART = 8, UNCOMMITTED_PART = 4 };

/* ---- commit */

static void leave_if_removed(struct raft *raft, struct raft_update *update)
{
    if (raft->config.index > raft->commit || membership_has_vote(raft))
        return;
    transfer_farewell(raft, update); /* a leader that was removed goes when that is sure (§4.2.2) */
    election_follow(raft, update, raft->term, 0);
}

void replication_commit(struct raft *raft, struct raft_update *update)
{
    if (raft->role == RAFT_LEADER) {
        uint64_t match = membership_quorum_match(raft, raft->persisted);
        /* Only entries of the leader's own term are committed by counting; older ones are with
         * them, never by themselves (§3.6.2, figure 8 of the paper). */
        if (match > raft->commit && trail_term(raft, match) == raft->term)
            raft->commit = match;
        leave_if_removed(raft, update);
    }
    uint64_t ready = raft->commit < raft->persisted ? raft->commit : raft->persisted;
    /* Entries that a snapshot stands for are applied by it, once it is durable. */
    if (ready > raft->applied && ready >= raft->snapshot.index)
        raft->applied = ready;
    update->apply_to = raft->applied;
}

/* ---- sending */

/* How many entries from `next` on go into one message: at least one, if there is one. */
static uint32_t fitting(const struct raft *raft, uint64_t next)
{
    uint64_t bytes = 0;
    uint32_t count = 0;
    for (uint64_t i = next; i <= trail_last(raft); i++) {
        bytes += trail_slot(raft, i)->size;
        if (count > 0 && bytes > raft->params.append_bytes_max)
            break;
        count++;
    }
    return count;
}

static void send_append(struct raft *raft, struct raft_update *update, uint32_t i, uint32_t count)
{
    struct progress *p = &raft->progress[i];
    struct raft_message *m =
        update_message(raft, update, RAFT_APPEND, raft->config.membership.members[i].id);
    if (m == NULL)
        return;
    m->index = p->next - 1;
    m->index_term = trail_term(raft, m->index);
    m->commit = raft->commit;
    m->sent_ms = raft->now_ms;
    m->flight = p->flight;
    m->count = count;
    progress_sent(raft, p, count);
}

/* Entries go out before they are durable here (§10.2.1) and without waiting for answers (§10.2.2),
 * within a window for each, so that a slow member holds back nobody. */
void replication_send(struct raft *raft, struct raft_update *update, uint32_t i)
{
    struct progress *p = &raft->progress[i];
    if (raft->config.membership.members[i].id == raft->params.id)
        return;
    while (progress_may_send(raft, p) && update_has_room(update)) {
        if (p->next < raft->first) {
            install_begin(raft, update, i);
            return;
        }
        send_append(raft, update, i, fitting(raft, p->next));
    }
}

static void send_to_all(struct raft *raft, struct raft_update *update)
{
    for (uint32_t i = 0; i < raft->config.membership.count; i++)
        replication_send(raft, update, i);
}

void replication_heartbeat(struct raft *raft, struct raft_update *update)
{
    raft->heartbeat_due_ms = raft->now_ms + raft->params.heartbeat_ms;
    for (uint32_t i = 0; i < raft->config.membership.count; i++) {
        struct progress *p = &raft->progress[i];
        uint32_t before = update->message_count;
        replication_send(raft, update, i);
        if (raft->config.membership.members[i].id == raft->params.id ||
            update->message_count > before)
            continue;
        if (p->flow == FLOW_SNAPSHOT)
            install_heartbeat(raft, update, i);
        else if (p->next < raft->first)
            install_begin(raft, update, i);
        else
            send_append(raft, update, i, 0);
    }
}

/* ---- appending, as leader */

static void append_own(struct raft *raft, struct raft_update *update, uint32_t size,
                       enum raft_entry_kind kind)
{
    trail_append(raft, raft->term, size, kind);
    update_append(raft, update, trail_last(raft), 1);
}

void replication_lead(struct raft *raft, struct raft_update *update)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        progress_init(raft, &raft->progress[i]);
    raft->term_start = trail_last(raft) + 1;
    append_own(raft, update, 0, RAFT_ENTRY_NOOP);
    replication_heartbeat(raft, update);
}

static enum raft_result judge_leader(const struct raft *raft, uint64_t count)
{
    if (raft->role != RAFT_LEADER || membership_is_witness(raft))
        return RAFT_NOT_LEADER;
    if (raft->transfer_to != 0)
        return RAFT_TRANSFERRING;
    return trail_is_full(raft, count) ? RAFT_FULL : RAFT_OK;
}

enum raft_result replication_propose(struct raft *raft, struct raft_update *update,
                                     const uint32_t *sizes, uint32_t count)
{
    uint64_t reserved = raft->params.log_max / RESERVED_PART;
    enum raft_result result = judge_leader(raft, count + reserved);
    if (result != RAFT_OK)
        return result;
    if (trail_last(raft) + count - raft->commit > raft->params.log_max / UNCOMMITTED_PART)
        return RAFT_FULL;
    for (uint32_t i = 0; i < count; i++)
        append_own(raft, update, sizes[i], RAFT_ENTRY_DATA);
    send_to_all(raft, update);
    return RAFT_OK;
}

enum raft_result replication_change(struct raft *raft, struct raft_update *update,
                                    const struct raft_membership *m, uint32_t size)
{
    enum raft_result result = judge_leader(raft, 2);
    if (result == RAFT_OK)
        result = membership_judge(raft, m);
    if (result != RAFT_OK)
        return result;
    append_own(raft, update, size, RAFT_ENTRY_CONFIG);
    membership_adopt(raft, trail_last(raft), m);
    update->membership_changed = true;
    replication_heartbeat(raft, update);
    return RAFT_OK;
}

/* ---- following */

static void accept_entry(struct raft *raft, struct raft_update *update, uint64_t index,
                         const struct raft_entry *entry)
{
    trail_append(raft, entry->term, entry->size, entry->kind);
    update_append(raft, update, index, 1);
    if (entry->kind != RAFT_ENTRY_CONFIG)
        return;
    membership_adopt(raft, index, entry->membership);
    update->membership_changed = true;
}

/* Entries that conflict with the leader's go, with all that follow them (§3.5). */
static void drop_from(struct raft *raft, struct raft_update *update, uint64_t index)
{
    update_write(raft, update);
    update->truncate_from = index;
    trail_truncate(raft, index);
    update->membership_changed |= raft->config.index >= index;
    membership_truncate(raft, index);
}

/* The last index of the message that is in the log now. */
static uint64_t take_entries(struct raft *raft, struct raft_update *update,
                             const struct raft_message *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t index = m->index + 1 + i;
        const struct raft_entry *entry = &m->entries[i];
        if (index < raft->first || trail_term(raft, index) == entry->term)
            continue;
        if (index <= trail_last(raft))
            drop_from(raft, update, index);
        if (trail_is_full(raft, 1))
            return index - 1;
        accept_entry(raft, update, index, entry);
    }
    return m->index + m->count;
}

/* Where may the logs agree? Before the conflicting term, and no further than this log goes. */
static void refuse(struct raft *raft, struct raft_message *answer, const struct raft_message *m)
{
    answer->refused = m->index;
    answer->has_lost = raft->lost_index != 0;
    if (m->index > trail_last(raft)) {
        answer->index = trail_last(raft);
        answer->index_term = trail_last_term(raft);
        return;
    }
    answer->index = trail_last_not_above(raft, m->index, m->index_term);
    answer->index_term = trail_term(raft, answer->index);
}

static bool agrees(const struct raft *raft, const struct raft_message *m)
{
    if (m->index + 1 < raft->first) /* in a snapshot: committed, the same everywhere */
        return true;
    return trail_has(raft, m->index) && trail_term(raft, m->index) == m->index_term;
}

void replication_on_append(struct raft *raft, struct raft_update *update,
                           const struct raft_message *m)
{
    struct raft_message *answer = update_message(raft, update, RAFT_APPEND_REPLY, m->from);
    if (answer == NULL)
        return;
    answer->sent_ms = m->sent_ms;
    answer->flight = m->flight;
    answer->after = raft->hard_write;
    if (m->term < raft->term || !agrees(raft, m)) {
        refuse(raft, answer, m);
        return;
    }
    /* What is acknowledged is exactly what was compared: the entries of the request and the one
     * before them, never what else this log may hold (§3.5). */
    uint64_t checked = take_entries(raft, update, m);
    if (m->count > 0)
        answer->after = raft->write;
    uint64_t known = checked < m->commit ? checked : m->commit;
    if (known > raft->commit)
        raft->commit = known;
    answer->granted = true;
    answer->index = m->count > 0 || checked < raft->persisted ? checked : raft->persisted;
    answer->wants_snapshot = membership_is_witness(raft) && raft->count > raft->params.log_max / 2;
    replication_commit(raft, update);
}

/* ---- answers */

struct progress *replication_answered(struct raft *raft, const struct raft_message *m)
{
    uint32_t i = membership_find(&raft->config.membership, m->from);
    if (raft->role != RAFT_LEADER || i == NOT_A_MEMBER || m->term != raft->term)
        return NULL;
    struct progress *p = &raft->progress[i];
    if (m->sent_ms > p->answered_ms && m->sent_ms <= raft->now_ms)
        p->answered_ms = m->sent_ms;
    return p;
}

/* The follower's log ends its part of the story at (index, index_term): go back to the last own
 * entry that can agree with it. */
static uint64_t hint_of(const struct raft *raft, const struct raft_message *m)
{
    return m->index_term == 0 ? m->index : trail_last_not_above(raft, m->index, m->index_term);
}

void replication_on_reply(struct raft *raft, struct raft_update *update,
                          const struct raft_message *m)
{
    struct progress *p = replication_answered(raft, m);
    if (p == NULL)
        return;
    uint32_t i = (uint32_t)(p - raft->progress);
    if (!m->granted) {
        uint64_t hint = hint_of(raft, m);
        if (m->has_lost)
            progress_lost(p, m->flight, hint);
        progress_refused(p, m->flight, m->refused, hint);
    } else if (m->index <= trail_last(raft) && progress_matched(raft, p, m->flight, m->index)) {
        replication_commit(raft, update);
    }
    if (raft->role != RAFT_LEADER)
        return;
    if (m->wants_snapshot && p->flow == FLOW_REPLICATE && raft->snapshot.index > p->installed)
        install_begin(raft, update, i);
    replication_send(raft, update, i);
    transfer_continue(raft, update);
}
