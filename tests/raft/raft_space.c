/* Servers, disks and network: what the driver of the core has to do, done on the smallest scale. */
#include "tests/raft/raft_space.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the core, whose contracts are laws here */

static jmp_buf contract_env;
static bool contract_is_caught;
static char contract_text[160];

_Noreturn void contract_broken(const char *kind, const char *what, const char *file, int line)
{
    snprintf(contract_text, sizeof(contract_text), "%s:%d: %s: %s", file, line, kind, what);
    if (contract_is_caught)
        longjmp(contract_env, 1);
    fprintf(stderr, "raft_explorer: %s\n", contract_text);
    abort();
}

static bool step_caught(struct raft *raft, const struct raft_event *event,
                        struct raft_update *update)
{
    if (setjmp(contract_env) != 0) {
        contract_is_caught = false;
        return false;
    }
    contract_is_caught = true;
    raft_step(raft, event, update);
    contract_is_caught = false;
    return true;
}

/* ---- small things */

struct raft *raft_of(const struct world *w, uint32_t id)
{
    return (struct raft *)(uintptr_t)w->servers[id - 1].block;
}

struct server *server_of(struct world *w, uint32_t id)
{
    return &w->servers[id - 1];
}

struct image *memory_of(struct server *s)
{
    return &s->images[s->pending];
}

uint8_t config_number(const struct plan *plan, const struct raft_membership *m)
{
    for (uint8_t i = 0; i < plan->configs; i++) {
        const struct raft_membership *c = &plan->config[i];
        if (c->count == m->count &&
            memcmp(c->members, m->members, m->count * sizeof(*m->members)) == 0)
            return i;
    }
    NEVER("no configuration of this plan");
}

struct raft_snapshot snapshot_of_mark(const struct plan *plan, struct mark mark)
{
    return (struct raft_snapshot){.index = mark.index,
                                  .term = mark.term,
                                  .size = mark.index == 0 ? 0 : 1,
                                  .membership = plan->config[mark.config],
                                  .membership_index = mark.config_index};
}

struct mark mark_of_snapshot(const struct plan *plan, const struct raft_snapshot *s)
{
    if (s->index == 0)
        return (struct mark){0};
    return (struct mark){(uint8_t)s->index, (uint8_t)s->term, config_number(plan, &s->membership),
                         (uint8_t)s->membership_index};
}

struct item item_of(const struct raft *raft, uint64_t index)
{
    if (index < raft->first || index >= raft->first + raft->count)
        return (struct item){0};
    const struct slot *slot = &raft->slots[index - raft->first];
    return (struct item){(uint8_t)slot->term, (uint8_t)(slot->kind << 4 | slot->size)};
}

struct raft_params space_params(uint32_t id)
{
    return (struct raft_params){.id = id,
                                .election_ms = PATIENCE_MS,
                                .heartbeat_ms = BEAT_MS,
                                .append_bytes_max = 0, /* one proposal a message */
                                .window_bytes = 1000,
                                .chunk_bytes = 1,
                                .trailing = 0,
                                .log_max = SLOTS,
                                .seed = 1};
}

void space_timeless(struct raft *raft)
{
    raft->now_ms = raft->heard_ms = raft->elected_ms = START_MS;
    raft->random = 1;
    raft->deadline_ms = START_MS + 2 * PATIENCE_MS;
    raft->heartbeat_due_ms = START_MS + BEAT_MS;
    raft->transfer_deadline_ms = START_MS + PATIENCE_MS;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        raft->progress[i].answered_ms = START_MS;
        raft->progress[i].sent_ms = START_MS - PATIENCE_MS;
        /* How fast it goes is not explored: every refusal counts, and the window is open. */
        raft->progress[i].flight = raft->progress[i].inflight = 0;
        raft->progress[i].burst = UINT8_MAX;
        raft->progress[i].installed = 0;
    }
}

/* ---- disks */

static uint8_t last_term_of(const struct image *image)
{
    return image->last >= image->first ? image->items[image->last].term : image->snapshot.term;
}

/* False: what is to be appended does not follow what is there. */
static bool image_write(struct image *image, const struct plan *plan, const struct raft *raft,
                        const struct raft_update *u)
{
    if (u->has_hard) {
        image->term = (uint8_t)u->hard_term;
        image->voted_for = (uint8_t)u->hard_voted_for;
    }
    if (u->truncate_from != 0)
        image->last = (uint8_t)(u->truncate_from - 1);
    if (u->has_install) {
        image->first = (uint8_t)(u->install.index + 1);
        if (!u->keeps_suffix)
            image->last = (uint8_t)u->install.index;
        image->snapshot = mark_of_snapshot(plan, &u->install);
    }
    for (uint64_t i = u->append_first; i < u->append_first + u->append_count; i++) {
        if (i != image->last + 1u)
            return false;
        image->items[i] = item_of(raft, i);
        image->last = (uint8_t)i;
    }
    if (u->compact_to + 1 > image->first)
        image->first = (uint8_t)(u->compact_to + 1);
    for (uint32_t i = 0; i <= LOG_MAX; i++)
        if (i < image->first || i > image->last)
            image->items[i] = (struct item){0};
    uint8_t last_term = last_term_of(image);
    if (last_term > image->lost_term ||
        (last_term == image->lost_term && image->last >= image->lost_index)) {
        image->lost_index = image->lost_term = 0;
        memset(image->lost, 0, sizeof(image->lost));
    }
    return true;
}

void space_damage(struct server *s, uint32_t from)
{
    struct image *disk = &s->images[0];
    disk->lost_index = disk->last;
    disk->lost_term = last_term_of(disk);
    for (uint32_t i = from; i <= disk->last; i++) {
        disk->lost[i] = disk->items[i];
        disk->items[i] = (struct item){0};
    }
    disk->last = (uint8_t)(from - 1);
}

void space_start(struct world *w, const struct plan *plan, uint32_t id)
{
    struct server *s = server_of(w, id);
    const struct image *disk = &s->images[0];
    struct raft_params params = space_params(id);
    struct raft_snapshot snapshot = snapshot_of_mark(plan, disk->snapshot);
    s->pending = s->held_count = 0;
    memset(s->block, 0, sizeof(s->block));
    raft_init(s->block, &params, disk->term, disk->voted_for, &snapshot);
    for (uint8_t i = disk->first; i <= disk->last; i++) {
        struct raft_entry entry = {.term = disk->items[i].term,
                                   .size = disk->items[i].what & 15,
                                   .kind = (enum raft_entry_kind)(disk->items[i].what >> 4)};
        if (entry.kind == RAFT_ENTRY_CONFIG)
            entry.membership = &plan->config[entry.size];
        raft_load(raft_of(w, id), i, &entry);
    }
    if (disk->lost_index != 0)
        raft_lost(raft_of(w, id), disk->lost_index, disk->lost_term);
    raft_start(raft_of(w, id), START_MS);
    space_timeless(raft_of(w, id));
}

/* ---- messages */

static void send(struct world *w, const struct mail *m)
{
    laws_on_send(w, m);
    if (w->mail_count == MAIL_MAX) {
        w->is_beyond = true;
        return;
    }
    w->mail[w->mail_count] = *m;
    w->mail[w->mail_count++].after = 0;
}

static struct mail mail_of(const struct plan *plan, const struct raft *raft,
                           const struct raft_message *m)
{
    struct mail mail = {.type = (uint8_t)m->type,
                        .from = (uint8_t)m->from,
                        .to = (uint8_t)m->to,
                        .term = (uint8_t)m->term,
                        .index = (uint8_t)m->index,
                        .index_term = (uint8_t)m->index_term,
                        .refused = (uint8_t)m->refused,
                        .commit = (uint8_t)m->commit,
                        .offset = (uint8_t)m->offset,
                        .size = (uint8_t)m->size,
                        .count = (uint8_t)m->count};
    mail.flags = (uint8_t)((m->granted ? MAIL_GRANTED : 0) | (m->is_transfer ? MAIL_TRANSFER : 0) |
                           (m->has_lost ? MAIL_LOST : 0));
    for (uint32_t i = 0; i < (m->type == RAFT_APPEND ? m->count : 0); i++)
        mail.items[i] = item_of(raft, m->index + 1 + i);
    if (m->type == RAFT_SNAPSHOT)
        mail.snapshot = mark_of_snapshot(plan, m->snapshot);
    return mail;
}

static void post(struct world *w, const struct plan *plan, uint32_t id,
                 const struct raft_message *m)
{
    struct server *s = server_of(w, id);
    const struct raft *raft = raft_of(w, id);
    if (m->type == RAFT_PREVOTE && !plan->has_prevote)
        return;
    struct mail mail = mail_of(plan, raft, m);
    if (m->after <= raft->durable) {
        send(w, &mail);
    } else if (s->held_count == HELD_MAX) {
        w->is_beyond = true;
    } else {
        mail.after = (uint8_t)(m->after - raft->durable);
        s->held[s->held_count++] = mail;
    }
}

static void release(struct world *w, struct server *s)
{
    uint8_t kept = 0;
    for (uint8_t i = 0; i < s->held_count; i++) {
        struct mail *m = &s->held[i];
        if (--m->after == 0)
            send(w, m);
        else
            s->held[kept++] = *m;
    }
    s->held_count = kept;
}

/* ---- steps */

void space_persist(struct world *w, const struct plan *plan, uint32_t id, uint32_t count)
{
    struct server *s = server_of(w, id);
    for (uint32_t i = 0; i < count; i++) {
        struct image before = s->images[0];
        memmove(s->images, s->images + 1, s->pending * sizeof(s->images[0]));
        s->pending--;
        if (s->images[0].term < before.term ||
            (s->images[0].term == before.term && before.voted_for != 0 &&
             s->images[0].voted_for != before.voted_for))
            law_broken(w, "VOTE-ONCE", "the disk of %u forgets a vote of term %u", id, before.term);
        release(w, s);
    }
    const struct image *disk = &s->images[0];
    struct raft_event event = {.type = RAFT_PERSISTED};
    event.persisted.write = raft_of(w, id)->durable + count;
    event.persisted.last_index = disk->last;
    event.persisted.last_term = last_term_of(disk);
    space_step(w, plan, id, event);
}

static void write_down(struct world *w, const struct plan *plan, uint32_t id,
                       const struct raft_update *u)
{
    struct server *s = server_of(w, id);
    if (u->write == 0)
        return;
    if (s->pending == PENDING_MAX || raft_last_index(raft_of(w, id)) > LOG_MAX) {
        w->is_beyond = true;
        return;
    }
    s->images[s->pending + 1] = s->images[s->pending];
    s->pending++;
    if (!image_write(memory_of(s), plan, raft_of(w, id), u))
        law_broken(w, "WRITTEN-AS-KEPT", "server %u appends at %llu, and its disk ends with %u", id,
                   (unsigned long long)u->append_first, memory_of(s)->last);
}

/* An event at a moment when the server is not loyal to anybody any more, but a leader still has
 * all its time. */
void space_step(struct world *w, const struct plan *plan, uint32_t id, struct raft_event event)
{
    struct raft_update u;
    struct raft *raft = raft_of(w, id);
    if (w->violation.name != NULL || w->is_beyond)
        return;
    if (event.now_ms == 0)
        event.now_ms = raft->role == RAFT_LEADER ? START_MS : START_MS + 3 * PATIENCE_MS;
    if (!step_caught(raft, &event, &u)) {
        law_broken(w, "CONTRACT", "server %u: %s", id, contract_text);
        return;
    }
    w->result = u.result;
    write_down(w, plan, id, &u);
    if (w->is_beyond)
        return;
    for (uint32_t i = 0; i < u.message_count; i++)
        post(w, plan, id, &u.messages[i]);
    laws_on_step(w, plan, id);
    if (u.write != 0 && !plan->is_slow)
        space_persist(w, plan, id, 1);
    space_timeless(raft);
}

void space_init(struct world *w, const struct plan *plan)
{
    memset(w, 0, sizeof(*w));
    for (uint32_t id = 1; id <= SERVERS; id++) {
        server_of(w, id)->images[0].first = 1;
        space_start(w, plan, id);
    }
}
