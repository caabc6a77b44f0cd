/* Driving the consensus core: its events in, its effects out to cache, storage and links.
 *
 * Steps run on the loop and change memory at once; what they want stored gathers in the draft while
 * a round is under way, and the next round takes all of it. A message that promises something waits
 * until the round with that write is durable. When a round fails, everything that was not durable
 * is forgotten, as after a crash, and the core starts anew from the file once that can be written
 * again. */
#include "orchestrator/consensus/engine_state.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/proto/raft_message.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 4096 /* proposals in one step */ };

/* ---------------------------------------------------------------- membership */

bool drive_is_alone(const struct engine *engine)
{
    const Ephor__Membership *m = engine->roster.now;
    bool has_vote = false;
    for (size_t i = 0; i < m->n_members; i++) {
        if (m->members[i]->kind == EPHOR__MEMBER_KIND__LEARNER)
            continue;
        if (m->members[i]->id != engine->controller)
            return false;
        has_vote = true;
    }
    return has_vote;
}

bool drive_is_witness(const struct engine *engine)
{
    const Ephor__ClusterMember *self = roster_find(engine->roster.now, engine->controller);
    return self != NULL && self->wanted == EPHOR__MEMBER_KIND__WITNESS; /* from its first day on */
}

static Ephor__Membership *unpack_membership(const struct log_entry *entry)
{
    Ephor__Membership *m = ephor__membership__unpack(NULL, entry->size, entry->bytes);
    PRE(m != NULL); /* it was checked when it came in */
    return m;
}

/* The core's newest membership came with an entry, with a snapshot, or came back. */
static void follow_membership(struct engine *engine)
{
    const struct raft_update *u = engine->update;
    uint64_t index = raft_membership_index(engine->raft);
    if (u->has_install && !u->keeps_suffix) {
        struct stored_snapshot stored;
        struct errbuf e;
        int err = stored_snapshot_open(&stored, engine->draft.install->bytes,
                                       engine->draft.install->size, &e);
        PRE(err == ERR_OK && stored.packed != NULL);
        roster_close(&engine->roster);
        roster_init(&engine->roster, index, roster_copy(stored.packed->membership));
        stored_snapshot_close(&stored);
    }
    if (engine->roster.index > index)
        roster_revert(&engine->roster);
    if (engine->roster.index < index)
        roster_adopt(&engine->roster, index,
                     unpack_membership(log_cache_at(&engine->cache, index)));
    POST(engine->roster.index == index);
    engine->members_changed = true;
}

/* ---------------------------------------------------------------- the draft */

static void keep_truncation(struct engine *engine, uint64_t from)
{
    struct draft *draft = &engine->draft;
    log_cache_truncate(&engine->cache, from);
    if (draft->truncate_from == 0 || from < draft->truncate_from)
        draft->truncate_from = from;
    if (draft->append_first >= from)
        draft->append_first = 0;
}

static void keep_install(struct engine *engine, const struct raft_update *u)
{
    struct draft *draft = &engine->draft;
    struct kept_snapshot *snapshot =
        kept_snapshot_new(u->install.index, engine->incoming.data, engine->incoming.size);
    PRE(snapshot != NULL);
    snapshot->term = u->install.term;
    buf_clear(&engine->incoming);
    free(draft->install);
    draft->install = snapshot;
    if (!u->keeps_suffix) {
        log_cache_reset(&engine->cache, snapshot->index + 1);
        draft->truncate_from = 1;
        draft->append_first = 0;
        draft->compact_to = 0;
        return;
    }
    log_cache_compact(&engine->cache, snapshot->index);
    if (draft->append_first != 0 && draft->append_first <= snapshot->index) {
        draft->truncate_from = 1; /* the file does not even have the entries up to it */
        draft->append_first = engine->cache.count > 0 ? engine->cache.first : 0;
    }
    draft->compact_to = snapshot->index;
}

static struct log_entry *entry_of(struct engine *engine, const struct raft_event *event,
                                  struct proposal **proposal, uint64_t index)
{
    const struct raft_update *u = engine->update;
    if (event->type == RAFT_PROPOSE || event->type == RAFT_CHANGE) {
        struct proposal *p = *proposal;
        *proposal = p->next;
        p->index = index;
        p->term = p->entry->term = raft_term(engine->raft);
        return log_entry_hold(p->entry);
    }
    if (event->type == RAFT_RECEIVE && event->message->type == RAFT_APPEND) {
        const struct raft_mail *mail = (const struct raft_mail *)event->message;
        const Ephor__LogEntry *from = mail->packed->entries[index - event->message->index - 1];
        return log_entry_new((enum raft_entry_kind)from->kind, from->term, from->bytes.data,
                             from->bytes.len);
    }
    PRE(u->append_count == 1); /* a term's no-op */
    return log_entry_new(RAFT_ENTRY_NOOP, raft_term(engine->raft), NULL, 0);
}

static void keep_entries(struct engine *engine, const struct raft_event *event)
{
    const struct raft_update *u = engine->update;
    struct proposal *proposal = engine->waiting.head;
    for (uint64_t i = 0; i < u->append_count; i++) {
        uint64_t index = u->append_first + i;
        PRE(index == log_cache_last(&engine->cache) + 1);
        int err = log_cache_append(&engine->cache, entry_of(engine, event, &proposal, index));
        PRE(err == ERR_OK); /* the core has it already: without memory there is no going on */
        engine->snapshots.log_size_bytes += log_cache_at(&engine->cache, index)->size;
    }
    if (u->append_count > 0 && engine->draft.append_first == 0)
        engine->draft.append_first = u->append_first;
}

static void keep_chunk(struct engine *engine, const struct raft_event *event)
{
    const struct raft_mail *mail = (const struct raft_mail *)event->message;
    if (mail->message.offset == 0)
        buf_clear(&engine->incoming);
    int err = buf_append(&engine->incoming, mail->packed->chunk.data, mail->packed->chunk.len);
    PRE(err == ERR_OK && engine->incoming.size == mail->message.offset + mail->message.size);
}

static void keep(struct engine *engine, const struct raft_event *event)
{
    const struct raft_update *u = engine->update;
    struct draft *draft = &engine->draft;
    if (u->has_hard) {
        draft->has_hard = true;
        draft->term = u->hard_term;
        draft->voted_for = u->hard_voted_for;
    }
    if (u->truncate_from != 0)
        keep_truncation(engine, u->truncate_from);
    if (u->chunk_accepted)
        keep_chunk(engine, event);
    if (u->has_install)
        keep_install(engine, u);
    keep_entries(engine, event);
    if (u->compact_to != 0) {
        log_cache_compact(&engine->cache, u->compact_to);
        draft->compact_to = u->compact_to;
    }
    if (u->write != 0)
        draft->write = u->write;
    if (u->membership_changed)
        follow_membership(engine);
}

/* ---------------------------------------------------------------- messages */

static const struct kept_snapshot *kept_at(const struct engine *engine, uint64_t index)
{
    const struct kept_snapshot *s = engine->kept;
    while (s != NULL && s->index != index)
        s = s->next;
    return s;
}

static Ephor__LogEntry *pack_entries(const struct engine *engine, const struct raft_message *m)
{
    Ephor__LogEntry *entries = calloc(m->count, sizeof(entries[0]));
    for (uint32_t i = 0; entries != NULL && i < m->count; i++) {
        struct log_entry *entry = log_cache_at(&engine->cache, m->index + 1 + i);
        PRE(entry != NULL);
        ephor__log_entry__init(&entries[i]);
        entries[i].term = entry->term;
        entries[i].kind = (uint32_t)entry->kind;
        entries[i].bytes.data = entry->bytes;
        entries[i].bytes.len = entry->size;
    }
    return entries;
}

static int pack(struct engine *engine, const struct raft_message *m)
{
    struct raft_cargo cargo = {0};
    struct stored_snapshot stored = {0};
    Ephor__LogEntry *entries = NULL;
    struct errbuf e;
    int err = ERR_OK;
    buf_clear(&engine->packed);
    if (m->type == RAFT_APPEND && m->count > 0) {
        cargo.entries = entries = pack_entries(engine, m);
        err = entries == NULL ? ERR_NOMEM : ERR_OK;
    }
    if (m->type == RAFT_SNAPSHOT) {
        const struct kept_snapshot *kept = kept_at(engine, m->index);
        err = kept == NULL ? ERR_NOT_FOUND
                           : stored_snapshot_open(&stored, kept->bytes, kept->size, &e);
        if (err == ERR_OK) {
            cargo.membership = stored.packed->membership;
            cargo.chunk = kept->bytes + m->offset;
        }
    }
    if (err == ERR_OK)
        err = raft_message_pack(m, &cargo, &engine->packed);
    stored_snapshot_close(&stored);
    free(entries);
    return err;
}

static void hold(struct engine *engine, const struct raft_message *m)
{
    struct held_message *held = malloc(sizeof(*held) + engine->packed.size);
    if (held == NULL)
        return; /* lost, as any message may be */
    *held = (struct held_message){.after = m->after, .to = m->to, .size = engine->packed.size};
    memcpy(held->bytes, engine->packed.data, held->size);
    *engine->held_end = held;
    engine->held_end = &held->next;
}

static void send_to(struct engine *engine, uint32_t to, const void *bytes, size_t size)
{
    if (engine->callbacks->on_send != NULL && !engine->is_closing)
        engine->callbacks->on_send(engine->data, to, bytes, size);
}

static void post(struct engine *engine, const struct raft_message *m)
{
    if (pack(engine, m) != ERR_OK)
        return;
    if (m->after > raft_durable_write(engine->raft))
        hold(engine, m);
    else
        send_to(engine, m->to, engine->packed.data, engine->packed.size);
}

static void release_held(struct engine *engine, uint64_t durable)
{
    struct held_message **at = &engine->held;
    while (*at != NULL) {
        struct held_message *held = *at;
        if (held->after > durable) {
            at = &held->next;
            continue;
        }
        *at = held->next;
        send_to(engine, held->to, held->bytes, held->size);
        free(held);
    }
    engine->held_end = at;
}

static void drop_held(struct engine *engine)
{
    while (engine->held != NULL) {
        struct held_message *held = engine->held;
        engine->held = held->next;
        free(held);
    }
    engine->held_end = &engine->held;
}

/* ---------------------------------------------------------------- steps */

void drive_arm(struct engine *engine)
{
    int64_t deadline_ms = engine->has_failed ? RAFT_NEVER_MS : raft_deadline(engine->raft);
    if (deadline_ms == RAFT_NEVER_MS || engine->is_closing) {
        timer_stop(engine->tick);
        return;
    }
    int64_t left_ms = deadline_ms - now_mono_ms();
    timer_start(engine->tick, left_ms > 0 ? left_ms : 0, 0);
}

enum raft_result drive_step(struct engine *engine, struct raft_event *event)
{
    struct raft_update *u = engine->update;
    event->now_ms = now_mono_ms();
    raft_step(engine->raft, event, u);
    keep(engine, event);
    for (uint32_t i = 0; i < u->message_count; i++)
        post(engine, &u->messages[i]);
    if (u->apply_to > engine->apply_to)
        engine->apply_to = u->apply_to;
    drive_arm(engine);
    return u->result;
}

/* ---------------------------------------------------------------- proposals */

static void move_inflight(struct engine *engine, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        proposal_push(&engine->inflight, proposal_pop(&engine->waiting));
}

static void refuse_first(struct engine *engine, int err)
{
    struct proposal *proposal = proposal_pop(&engine->waiting);
    proposal->err = err;
    proposal_push(&engine->refused, proposal);
}

static int err_of(enum raft_result result)
{
    switch (result) {
    case RAFT_OK:
        return ERR_OK;
    case RAFT_FULL:
        return ERR_LIMIT;
    case RAFT_CHANGE_INVALID:
        return ERR_INVALID;
    case RAFT_NOT_CAUGHT_UP:
        return ERR_STALE;
    case RAFT_NO_TARGET:
        return ERR_NOT_FOUND;
    case RAFT_NOT_LEADER:
    case RAFT_TRANSFERRING:
    case RAFT_CHANGE_PENDING:
        return ERR_AGAIN;
    }
    NEVER("no such result");
}

static bool propose_change(struct engine *engine)
{
    struct raft_membership membership;
    struct log_entry *entry = engine->waiting.head->entry;
    struct errbuf e;
    if (membership_from_bytes(entry->bytes, entry->size, &membership, &e) != ERR_OK) {
        refuse_first(engine, ERR_INVALID);
        return true;
    }
    struct raft_event event = {
        .type = RAFT_CHANGE, .change = {.membership = &membership, .size = (uint32_t)entry->size}};
    enum raft_result result = drive_step(engine, &event);
    if (result == RAFT_OK)
        move_inflight(engine, 1);
    else
        refuse_first(engine, err_of(result));
    return true;
}

static bool propose_data(struct engine *engine)
{
    uint32_t sizes[BATCH_MAX];
    uint32_t count = 0;
    for (struct proposal *p = engine->waiting.head;
         p != NULL && count < BATCH_MAX && p->entry->kind == RAFT_ENTRY_DATA; p = p->next)
        sizes[count++] = (uint32_t)p->entry->size;
    struct raft_event event = {.type = RAFT_PROPOSE, .propose = {.sizes = sizes, .count = count}};
    if (drive_step(engine, &event) != RAFT_OK)
        return false; /* they wait: for a snapshot, or for word that somebody else leads */
    move_inflight(engine, count);
    return true;
}

void drive_propose(struct engine *engine)
{
    bool goes_on = engine->is_leading;
    while (goes_on && engine->waiting.head != NULL)
        goes_on = engine->waiting.head->entry->kind == RAFT_ENTRY_CONFIG ? propose_change(engine)
                                                                         : propose_data(engine);
}

/* ---------------------------------------------------------------- rounds */

static void fill_draft(struct engine *engine, struct store_write *w)
{
    struct draft *draft = &engine->draft;
    bool is_whole = true;
    w->truncate_from = draft->truncate_from;
    w->compact_to = draft->compact_to;
    if (draft->has_hard) {
        w->term = draft->term;
        w->voted_for = draft->voted_for;
    }
    uint32_t voters = roster_voters(engine->roster.now);
    if (voters != store_state(engine->store)->voters)
        w->voters = voters;
    uint64_t index = draft->append_first;
    for (; index != 0 && index <= log_cache_last(&engine->cache); index++) {
        is_whole = round_add_entry(engine->round, index, log_cache_at(&engine->cache, index));
        if (!is_whole)
            break;
    }
    engine->round_write = is_whole ? draft->write : 0;
    *draft = (struct draft){.install = draft->install,
                            .write = is_whole ? 0 : draft->write,
                            .append_first = is_whole ? 0 : index};
}

static void fill_snapshot(struct engine *engine)
{
    struct kept_snapshot *kept = engine->draft.install;
    struct kept_snapshot *own = engine->snapshots.waiting;
    if (kept != NULL) {
        engine->draft.install = NULL;
        if (own != NULL && own->index < kept->index) {
            free(own); /* overtaken */
            engine->snapshots.waiting = NULL;
        }
        engine->snapshots.index = kept->index;
        engine->snapshots.log_size_bytes = engine->cache.size_bytes;
    } else if (own != NULL && own->index <= raft_snapshot(engine->raft)->index) {
        free(own);
        engine->snapshots.waiting = NULL;
    } else if (own != NULL) {
        engine->snapshots.waiting = NULL;
        kept = own;
        kept->term = raft_term_of(engine->raft, kept->index);
    }
    if (kept != NULL)
        round_add_snapshot(engine->round, kept);
}

bool drive_fill_round(struct engine *engine)
{
    if (engine->draft.write == 0 && engine->draft.install == NULL &&
        engine->draft.compact_to == 0 && engine->draft.append_first == 0 &&
        engine->rows.head == NULL && engine->snapshots.waiting == NULL)
        return false;
    struct store_write *w = round_begin(engine->round, false);
    fill_draft(engine, w);
    fill_snapshot(engine);
    round_add_rows(engine->round, &engine->rows);
    return true;
}

static bool is_wanted(const struct engine *engine, const struct kept_snapshot *snapshot)
{
    if (snapshot->index == raft_snapshot(engine->raft)->index)
        return true;
    for (size_t i = 0; i < engine->roster.now->n_members; i++) {
        struct raft_peer peer;
        if (raft_peer(engine->raft, engine->roster.now->members[i]->id, &peer) &&
            peer.is_snapshotting && peer.snapshot_index == snapshot->index)
            return true;
    }
    return false;
}

static void prune_kept(struct engine *engine)
{
    struct kept_snapshot **at = &engine->kept;
    while (*at != NULL) {
        struct kept_snapshot *snapshot = *at;
        if (is_wanted(engine, snapshot)) {
            at = &snapshot->next;
            continue;
        }
        *at = snapshot->next;
        free(snapshot);
    }
}

/* A snapshot is in the file: it can be sent, and entries behind it dropped. */
static void keep_snapshot(struct engine *engine, struct kept_snapshot *snapshot)
{
    struct raft_event event = {.type = RAFT_SNAPSHOT_TAKEN,
                               .taken = {.index = snapshot->index, .size = snapshot->size}};
    struct raft_membership membership;
    struct stored_snapshot stored;
    struct errbuf e;
    if (kept_at(engine, snapshot->index) != NULL) { /* it was written anew */
        free(snapshot);
        return;
    }
    snapshot->next = engine->kept;
    engine->kept = snapshot;
    if (snapshot->index > raft_snapshot(engine->raft)->index) {
        int err = stored_snapshot_open(&stored, snapshot->bytes, snapshot->size, &e);
        PRE(err == ERR_OK && stored.packed != NULL);
        err = membership_from_message(stored.packed->membership, &membership, &e);
        PRE(err == ERR_OK);
        event.taken.membership = &membership;
        event.taken.membership_index = stored.membership_index;
        drive_step(engine, &event);
        stored_snapshot_close(&stored);
    }
    prune_kept(engine);
}

bool drive_repair(struct engine *engine, uint64_t index)
{
    struct draft *draft = &engine->draft;
    if (index == 0) {
        const struct kept_snapshot *kept = kept_at(engine, raft_snapshot(engine->raft)->index);
        if (kept == NULL || draft->install != NULL)
            return false;
        draft->install = kept_snapshot_new(kept->index, kept->bytes, kept->size);
        if (draft->install != NULL)
            draft->install->term = kept->term;
        return draft->install != NULL;
    }
    if (index <= raft_snapshot(engine->raft)->index) { /* the snapshot stands for it */
        draft->compact_to = index > draft->compact_to ? index : draft->compact_to;
        return true;
    }
    if (log_cache_at(&engine->cache, index) == NULL)
        return false;
    if (draft->truncate_from == 0 || index < draft->truncate_from)
        draft->truncate_from = index;
    if (draft->append_first == 0 || index < draft->append_first)
        draft->append_first = index;
    return true;
}

void drive_persisted(struct engine *engine)
{
    const struct store_state *state = store_state(engine->store);
    struct kept_snapshot *snapshot = round_take_snapshot(engine->round);
    struct raft_event event = {.type = RAFT_PERSISTED,
                               .persisted = {.write = engine->round_write,
                                             .last_index = state->last_index,
                                             .last_term = state->last_term}};
    round_clear(engine->round);
    row_clear(round_rows(engine->round));
    release_held(engine, engine->round_write);
    drive_step(engine, &event);
    if (snapshot != NULL)
        keep_snapshot(engine, snapshot);
}

void drive_storage_failed(struct engine *engine)
{
    struct raft_event event = {.type = RAFT_STORAGE_FAILED};
    struct kept_snapshot *snapshot = round_take_snapshot(engine->round);
    engine->has_failed = true;
    drive_step(engine, &event);
    drop_held(engine);
    free(engine->draft.install);
    engine->draft = (struct draft){0};
    row_put_back(&engine->rows, round_rows(engine->round));
    round_clear(engine->round);
    snapshot_plan_fail(&engine->snapshots, snapshot, engine->applied);
}

void drive_close(struct engine *engine)
{
    drop_held(engine);
    free(engine->draft.install);
    while (engine->kept != NULL) {
        struct kept_snapshot *next = engine->kept->next;
        free(engine->kept);
        engine->kept = next;
    }
    log_cache_close(&engine->cache);
    roster_close(&engine->roster);
    roster_close(&engine->applied_roster);
    buf_close(&engine->packed);
    buf_close(&engine->incoming);
    free(engine->raft);
    free(engine->update);
}
