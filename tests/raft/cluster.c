#include "tests/raft/cluster.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, uint32_t id)
{
    fprintf(stderr, "cluster: server %u: %s\n", id, what);
    abort();
}

struct server *cluster_server(struct cluster *c, uint32_t id)
{
    return &c->servers[id - 1];
}

struct raft_membership membership_of(uint32_t voters)
{
    struct raft_membership m = {.count = voters};
    for (uint32_t i = 0; i < voters; i++)
        m.members[i] = (struct raft_member){i + 1, RAFT_VOTER};
    return m;
}

/* ---- disks */

static struct stored *disk_entry(struct disk *disk, uint64_t index)
{
    PRE(index >= disk->first && index - disk->first < LOG_MAX);
    return &disk->entries[index - disk->first];
}

static void disk_compact(struct disk *disk, uint64_t to)
{
    if (to < disk->first)
        return;
    uint64_t gone = to - disk->first + 1;
    uint64_t count = disk->last - disk->first + 1;
    memmove(disk->entries, disk->entries + gone, (count - gone) * sizeof(disk->entries[0]));
    disk->first = to + 1;
}

static void disk_write(struct disk *disk, struct raft *raft, const struct raft_update *u,
                       const struct raft_event *event)
{
    if (u->has_hard) {
        disk->term = u->hard_term;
        disk->voted_for = u->hard_voted_for;
    }
    if (u->truncate_from != 0)
        disk->last = u->truncate_from - 1;
    if (u->has_install) {
        if (u->keeps_suffix) {
            disk_compact(disk, u->install.index);
        } else {
            disk->first = u->install.index + 1;
            disk->last = u->install.index;
        }
        disk->snapshot = u->install;
    }
    for (uint64_t i = 0; i < u->append_count; i++) {
        uint64_t index = u->append_first + i;
        PRE(index == disk->last + 1 && index - disk->first < LOG_MAX);
        disk->last = index;
        struct stored *stored = disk_entry(disk, index);
        raft_entry_of(raft, index, &stored->entry);
        if (stored->entry.kind == RAFT_ENTRY_CONFIG)
            stored->membership =
                event->type == RAFT_CHANGE
                    ? *event->change.membership
                    : *event->message->entries[index - event->message->index - 1].membership;
    }
    if (u->compact_to != 0)
        disk_compact(disk, u->compact_to);
}

static uint64_t last_term(struct disk *disk)
{
    return disk->last >= disk->first ? disk_entry(disk, disk->last)->entry.term
                                     : disk->snapshot.term;
}

void cluster_persist(struct cluster *c, uint32_t id)
{
    struct server *s = cluster_server(c, id);
    s->disk = s->memory;
    s->durable = s->written;
    uint64_t last = s->disk.last;
    uint64_t term = last_term(&s->disk);
    if (term > s->disk.lost_term || (term == s->disk.lost_term && last >= s->disk.lost_index))
        s->disk.lost_index = s->disk.lost_term = s->memory.lost_index = s->memory.lost_term = 0;
    struct raft_event event = {
        .type = RAFT_PERSISTED,
        .persisted = {.write = s->written, .last_index = last, .last_term = term}};
    for (uint32_t i = 0; i < sizeof(s->held) / sizeof(s->held[0]); i++) {
        if (!s->held[i].is_used || s->held[i].message.after > s->written)
            continue;
        PRE(c->mail_count < MAIL_MAX);
        c->mail[c->mail_count++] = s->held[i];
        s->held[i].is_used = false;
    }
    cluster_step(c, id, event);
}

/* ---- mail */

static void pack(struct server *s, struct mail *mail, const struct raft_message *m)
{
    *mail = (struct mail){.is_used = true, .message = *m};
    PRE(m->count <= ENTRIES_MAX);
    for (uint32_t i = 0; i < (m->type == RAFT_APPEND ? m->count : 0); i++) {
        struct stored *stored = disk_entry(&s->memory, m->index + 1 + i);
        mail->entries[i] = stored->entry;
        mail->memberships[i] = stored->membership;
    }
    if (m->type == RAFT_SNAPSHOT)
        mail->snapshot = *m->snapshot;
}

static void post(struct cluster *c, struct server *s, const struct raft_message *m)
{
    PRE(c->mail_count < MAIL_MAX);
    pack(s, &c->mail[c->mail_count++], m);
}

static void hold(struct server *s, const struct raft_message *m)
{
    for (uint32_t i = 0; i < sizeof(s->held) / sizeof(s->held[0]); i++) {
        if (s->held[i].is_used)
            continue;
        pack(s, &s->held[i], m);
        return;
    }
    fail("too many messages wait for the disk", s->id);
}

/* ---- steps */

static void apply(struct cluster *c, struct server *s, uint64_t to)
{
    if (s->applied < s->memory.snapshot.index && to >= s->memory.snapshot.index) {
        for (uint64_t i = s->applied + 1; i <= s->memory.snapshot.index; i++)
            s->machine[i] = c->committed[i] - 1; /* what a snapshot brings */
        s->applied = s->memory.snapshot.index;
    }
    while (s->applied < to) {
        uint64_t index = ++s->applied;
        if (index > s->disk.last)
            fail("applied before it was durable", s->id);
        uint32_t what = disk_entry(&s->disk, index)->entry.size;
        if (c->committed[index] != 0 && c->committed[index] != what + 1)
            fail("State Machine Safety: two entries at one index", s->id);
        c->committed[index] = what + 1;
        s->machine[index] = what;
    }
}

static void check_election_safety(struct cluster *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            const struct server *a = &c->servers[i], *b = &c->servers[j];
            if (a->runs && b->runs && raft_role(a->raft) == RAFT_LEADER &&
                raft_role(b->raft) == RAFT_LEADER && raft_term(a->raft) == raft_term(b->raft))
                fail("Election Safety: two leaders of one term", a->id);
        }
    }
}

void cluster_step(struct cluster *c, uint32_t id, struct raft_event event)
{
    struct raft_update u;
    struct server *s = cluster_server(c, id);
    if (!s->runs)
        return;
    event.now_ms = c->now_ms;
    raft_step(s->raft, &event, &u);
    c->result = u.result;
    disk_write(&s->memory, s->raft, &u, &event);
    if (u.write != 0)
        s->written = u.write;
    for (uint32_t i = 0; i < u.message_count; i++) {
        if (u.messages[i].after > s->durable)
            hold(s, &u.messages[i]);
        else
            post(c, s, &u.messages[i]);
    }
    if (raft_commit(s->raft) < s->commit)
        fail("the commit index went backwards", id);
    s->commit = raft_commit(s->raft);
    apply(c, s, u.apply_to);
    check_election_safety(c);
    if (u.write != 0 && !c->disk_is_slow[id])
        cluster_persist(c, id);
}

void cluster_timeout(struct cluster *c, uint32_t id)
{
    int64_t deadline_ms = raft_deadline(cluster_server(c, id)->raft);
    if (deadline_ms > c->now_ms)
        c->now_ms = deadline_ms;
    cluster_step(c, id, (struct raft_event){.type = RAFT_TICK});
}

static void deliver_one(struct cluster *c, struct mail *mail)
{
    struct mail copy = *mail;
    mail->is_used = false;
    for (uint32_t i = 0; i < ENTRIES_MAX; i++)
        copy.entries[i].membership = &copy.memberships[i];
    copy.message.entries = copy.entries;
    copy.message.snapshot = &copy.snapshot;
    if (copy.message.to > c->count || c->is_cut[copy.message.from][copy.message.to])
        return;
    cluster_step(c, copy.message.to,
                 (struct raft_event){.type = RAFT_RECEIVE, .message = &copy.message});
}

static bool is_on(const struct mail *mail, uint32_t from, uint32_t to)
{
    return mail->is_used && (from == 0 || mail->message.from == from) &&
           (to == 0 || mail->message.to == to);
}

static void sweep(struct cluster *c)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->mail_count; i++) {
        if (c->mail[i].is_used && kept++ != i)
            c->mail[kept - 1] = c->mail[i];
    }
    c->mail_count = kept;
}

uint32_t cluster_deliver(struct cluster *c, uint32_t from, uint32_t to)
{
    uint32_t end = c->mail_count;
    uint32_t delivered = 0;
    for (uint32_t i = 0; i < end; i++) {
        if (!is_on(&c->mail[i], from, to))
            continue;
        deliver_one(c, &c->mail[i]);
        delivered++;
    }
    sweep(c);
    return delivered;
}

void cluster_drop(struct cluster *c, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < c->mail_count; i++)
        c->mail[i].is_used = c->mail[i].is_used && !is_on(&c->mail[i], from, to);
    sweep(c);
}

void cluster_settle(struct cluster *c)
{
    for (int rounds = 0; cluster_deliver(c, 0, 0) > 0; rounds++) {
        if (rounds > 10000)
            fail("messages without end", 0);
    }
}

void cluster_pass(struct cluster *c, int64_t ms)
{
    int64_t end_ms = c->now_ms + ms;
    for (;;) {
        uint32_t first = 0;
        int64_t first_ms = end_ms;
        for (uint32_t i = 0; i < c->count; i++) {
            if (!c->servers[i].runs || raft_deadline(c->servers[i].raft) > first_ms)
                continue;
            first_ms = raft_deadline(c->servers[i].raft);
            first = i + 1;
        }
        if (first == 0)
            break;
        cluster_timeout(c, first);
        cluster_settle(c);
    }
    c->now_ms = end_ms;
}

/* ---- life */

void cluster_cut(struct cluster *c, uint32_t id, bool is_cut)
{
    for (uint32_t i = 1; i <= c->count; i++)
        c->is_cut[id][i] = c->is_cut[i][id] = is_cut;
}

void cluster_crash(struct cluster *c, uint32_t id)
{
    struct server *s = cluster_server(c, id);
    s->runs = false;
    s->memory = s->disk;
    memset(s->held, 0, sizeof(s->held));
}

void cluster_damage(struct cluster *c, uint32_t id, uint64_t from)
{
    struct disk *disk = &cluster_server(c, id)->disk;
    disk->lost_index = disk->last;
    disk->lost_term = last_term(disk);
    if (from == 0) {
        disk->snapshot = (struct raft_snapshot){0};
        disk->first = 1;
        from = 1;
    }
    disk->last = from - 1;
}

void cluster_start(struct cluster *c, uint32_t id)
{
    struct server *s = cluster_server(c, id);
    struct raft_params params = {.id = id,
                                 .election_ms = ELECTION_MS,
                                 .heartbeat_ms = HEARTBEAT_MS,
                                 .append_bytes_max = 1000,
                                 .window_bytes = 4000,
                                 .chunk_bytes = 10,
                                 .trailing = 2,
                                 .log_max = LOG_MAX,
                                 .seed = 7};
    s->id = id;
    s->runs = true;
    s->commit = s->disk.snapshot.index;
    s->written = s->durable = 0;
    if (s->raft == NULL)
        s->raft = malloc(raft_size_bytes(LOG_MAX));
    raft_init(s->raft, &params, s->disk.term, s->disk.voted_for, &s->disk.snapshot);
    for (uint64_t i = s->disk.first; i <= s->disk.last; i++) {
        struct stored *stored = disk_entry(&s->disk, i);
        stored->entry.membership = &stored->membership;
        raft_load(s->raft, i, &stored->entry);
    }
    if (s->disk.lost_index != 0)
        raft_lost(s->raft, s->disk.lost_index, s->disk.lost_term);
    raft_start(s->raft, c->now_ms);
    s->memory = s->disk;
}

void cluster_fail_disk(struct cluster *c, uint32_t id)
{
    cluster_step(c, id, (struct raft_event){.type = RAFT_STORAGE_FAILED});
    struct server *s = cluster_server(c, id);
    s->memory = s->disk;
    memset(s->held, 0, sizeof(s->held));
}

struct cluster *cluster_new_with(const struct raft_membership *founders, uint32_t count)
{
    struct cluster *c = calloc(1, sizeof(*c));
    if (c == NULL)
        abort();
    c->count = count;
    c->now_ms = 1000;
    c->founders = *founders;
    for (uint32_t id = 1; id <= count; id++) {
        struct server *s = cluster_server(c, id);
        s->disk.first = 1;
        s->disk.snapshot.membership = *founders;
        cluster_start(c, id);
    }
    return c;
}

struct cluster *cluster_new(uint32_t count)
{
    struct raft_membership founders = membership_of(count);
    return cluster_new_with(&founders, count);
}

void cluster_free(struct cluster *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        free(c->servers[i].raft);
    free(c);
}

/* ---- deeds */

void cluster_elect(struct cluster *c, uint32_t id)
{
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, id);
    cluster_settle(c);
    if (raft_role(cluster_server(c, id)->raft) != RAFT_LEADER)
        fail("was not elected", id);
}

uint32_t cluster_leader(const struct cluster *c)
{
    uint32_t best = 0;
    uint64_t term = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct server *s = &c->servers[i];
        if (!s->runs || !raft_is_working(s->raft) || raft_term(s->raft) < term)
            continue;
        best = s->id;
        term = raft_term(s->raft);
    }
    return best;
}

enum raft_result cluster_propose(struct cluster *c, uint32_t id, uint32_t size)
{
    cluster_step(
        c, id, (struct raft_event){.type = RAFT_PROPOSE, .propose = {.sizes = &size, .count = 1}});
    return c->result;
}

enum raft_result cluster_change(struct cluster *c, uint32_t id, const struct raft_membership *m)
{
    cluster_step(c, id,
                 (struct raft_event){.type = RAFT_CHANGE, .change = {.membership = m, .size = 1}});
    return c->result;
}

enum raft_result cluster_transfer(struct cluster *c, uint32_t id, uint32_t to)
{
    cluster_step(c, id, (struct raft_event){.type = RAFT_TRANSFER, .transfer_to = to});
    return c->result;
}

void cluster_snapshot(struct cluster *c, uint32_t id)
{
    struct server *s = cluster_server(c, id);
    struct raft_snapshot snapshot = {.index = s->applied, .size = 25};
    snapshot.term = raft_term_of(s->raft, s->applied);
    snapshot.membership = *raft_membership(s->raft);
    snapshot.membership_index = raft_membership_index(s->raft);
    s->disk.snapshot = s->memory.snapshot = snapshot;
    cluster_step(c, id,
                 (struct raft_event){.type = RAFT_SNAPSHOT_TAKEN,
                                     .taken = {.index = snapshot.index,
                                               .size = 25,
                                               .membership = &snapshot.membership,
                                               .membership_index = snapshot.membership_index}});
}

const char *cluster_log(struct cluster *c, uint32_t id, char *text, size_t size)
{
    struct server *s = cluster_server(c, id);
    size_t used = 0;
    text[0] = '\0';
    for (uint64_t i = s->memory.first; i <= s->memory.last && used < size; i++) {
        const struct raft_entry *e = &disk_entry(&s->memory, i)->entry;
        used += (size_t)snprintf(
            text + used, size - used, "%s%s%llu/%u", i == s->memory.first ? "" : " ",
            e->kind == RAFT_ENTRY_CONFIG ? "c" : "", (unsigned long long)e->term, e->size);
    }
    return text;
}

/* ---- looks */

enum raft_role cluster_role(struct cluster *c, uint32_t id)
{
    return raft_role(cluster_server(c, id)->raft);
}

uint64_t cluster_term(struct cluster *c, uint32_t id)
{
    return raft_term(cluster_server(c, id)->raft);
}

uint64_t cluster_commit(struct cluster *c, uint32_t id)
{
    return raft_commit(cluster_server(c, id)->raft);
}

void cluster_agree(struct cluster *c, uint32_t id, uint32_t size)
{
    if (cluster_propose(c, id, size) != RAFT_OK)
        fail("did not take a proposal", id);
    cluster_settle(c);
}

struct raft_membership membership_with(struct raft_membership m, uint32_t id, enum raft_kind kind)
{
    for (uint32_t i = 0; i < m.count; i++) {
        if (m.members[i].id == id) {
            m.members[i].kind = kind;
            return m;
        }
    }
    m.members[m.count++] = (struct raft_member){id, kind};
    return m;
}

struct raft_membership membership_without(struct raft_membership m, uint32_t id)
{
    for (uint32_t i = 0; i < m.count; i++) {
        if (m.members[i].id == id)
            m.members[i] = m.members[--m.count];
    }
    return m;
}
