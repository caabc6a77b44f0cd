#include "orchestrator/raft/install.h"

#include "orchestrator/raft/membership.h"
#include "orchestrator/raft/progress.h"
#include "orchestrator/raft/replication.h"
#include "orchestrator/raft/trail.h"
#include "orchestrator/raft/update.h"

/* ---- sending */

static void send_chunk(struct raft *raft, struct raft_update *update, uint32_t i, uint64_t offset,
                       uint32_t size)
{
    struct progress *p = &raft->progress[i];
    struct raft_message *m =
        update_message(raft, update, RAFT_SNAPSHOT, raft->config.membership.members[i].id);
    if (m == NULL)
        return;
    m->index = p->snapshot.index;
    m->index_term = p->snapshot.term;
    m->snapshot = &p->snapshot;
    m->sent_ms = raft->now_ms;
    m->offset = offset;
    m->size = size;
    if (size == 0)
        return;
    p->sent_ms = raft->now_ms;
    p->chunk_sent = offset + size;
}

void install_begin(struct raft *raft, struct raft_update *update, uint32_t i)
{
    struct progress *p = &raft->progress[i];
    PRE(raft->snapshot.index > 0);
    p->flow = FLOW_SNAPSHOT;
    p->snapshot = raft->snapshot;
    p->chunk_acked = p->chunk_sent = 0;
    p->inflight_bytes = 0;
    p->is_probing = false;
    send_chunk(raft, update, i, 0, 0);
}

void install_heartbeat(struct raft *raft, struct raft_update *update, uint32_t i)
{
    struct progress *p = &raft->progress[i];
    if (raft->now_ms - p->sent_ms >= raft->params.election_ms)
        p->chunk_acked = p->chunk_sent =
            0; /* nobody answered: the next answer says where to go on */
    send_chunk(raft, update, i, p->chunk_acked, 0);
}

void install_on_reply(struct raft *raft, struct raft_update *update, const struct raft_message *m)
{
    struct progress *p = replication_answered(raft, m);
    if (p == NULL || p->flow != FLOW_SNAPSHOT || m->index != p->snapshot.index)
        return;
    uint32_t i = (uint32_t)(p - raft->progress);
    if (m->granted) {
        p->installed = m->index;
        if (progress_matched(raft, p, p->flight, m->index))
            replication_commit(raft, update);
        if (raft->role == RAFT_LEADER)
            replication_send(raft, update, i);
        return;
    }
    if (m->offset < p->chunk_sent || m->offset >= p->snapshot.size)
        return;
    uint64_t left = p->snapshot.size - m->offset;
    p->chunk_acked = m->offset;
    send_chunk(raft, update, i, m->offset,
               left < raft->params.chunk_bytes ? (uint32_t)left : raft->params.chunk_bytes);
}

/* ---- receiving */

/* The log up to the snapshot's index is here already: nothing needs to be sent. A witness has no
 * state machine to take snapshots of; it is given them to keep its log short. */
static bool is_needless(struct raft *raft, const struct raft_snapshot *snapshot)
{
    if (raft->snapshot.index >= snapshot->index)
        return true;
    return !membership_is_witness(raft) &&
           (raft->commit >= snapshot->index || trail_term(raft, snapshot->index) == snapshot->term);
}

static void install(struct raft *raft, struct raft_update *update)
{
    const struct raft_snapshot *s = &raft->incoming;
    update_write(raft, update);
    update->has_install = true;
    update->install = *s;
    update->keeps_suffix = trail_term(raft, s->index) == s->term;
    if (update->keeps_suffix) {
        trail_compact(raft, s->index);
    } else {
        PRE(s->index > raft->commit);
        trail_reset(raft, s->index, s->term);
        update->membership_changed = true;
        membership_adopt(raft, s->membership_index, &s->membership);
        raft->config_before = raft->config;
    }
    raft->snapshot = *s;
    if (raft->commit < s->index)
        raft->commit = s->index;
    raft->incoming = (struct raft_snapshot){0};
    raft->incoming_offset = 0;
}

static void take_chunk(struct raft *raft, struct raft_update *update, const struct raft_message *m)
{
    const struct raft_snapshot *s = m->snapshot;
    if (raft->incoming.index != s->index || raft->incoming.term != s->term ||
        raft->incoming.size != s->size || raft->incoming_from != m->from) {
        raft->incoming = *s;
        raft->incoming_from = m->from;
        raft->incoming_offset = 0;
    }
    if (m->size == 0 || m->offset != raft->incoming_offset ||
        m->size > s->size - raft->incoming_offset)
        return;
    update->chunk_accepted = true;
    raft->incoming_offset += m->size;
    if (raft->incoming_offset == s->size)
        install(raft, update);
}

void install_on_snapshot(struct raft *raft, struct raft_update *update,
                         const struct raft_message *m)
{
    const struct raft_snapshot *s = m->snapshot;
    struct raft_message *answer = update_message(raft, update, RAFT_SNAPSHOT_REPLY, m->from);
    if (answer == NULL)
        return;
    answer->index = s->index;
    answer->sent_ms = m->sent_ms;
    answer->after = raft->hard_write;
    if (m->term < raft->term)
        return;
    if (!is_needless(raft, s))
        take_chunk(raft, update, m);
    if (is_needless(raft, s)) {
        answer->granted = true;
        answer->after = raft->write;
        if (raft->commit < s->index)
            raft->commit = s->index;
        replication_commit(raft, update);
    }
    answer->offset = raft->incoming_offset;
}

/* ---- the own snapshots */

void install_on_taken(struct raft *raft, struct raft_update *update, const struct raft_event *event)
{
    uint64_t index = event->taken.index;
    if (index <= raft->snapshot.index)
        return;
    PRE(index <= raft->applied && trail_has(raft, index));
    PRE(event->taken.membership_index <= index && event->taken.membership->count > 0);
    struct raft_snapshot *s = &raft->snapshot;
    s->index = index;
    s->term = trail_term(raft, index);
    s->size = event->taken.size;
    s->membership = *event->taken.membership;
    s->membership_index = event->taken.membership_index;
    /* Members that are only a little behind shall not need the snapshot. */
    if (index <= raft->params.trailing || index - raft->params.trailing < raft->first)
        return;
    update->compact_to = index - raft->params.trailing;
    trail_compact(raft, update->compact_to);
    update_write(raft, update);
}
