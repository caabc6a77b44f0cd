/* The normal form of a world, which can be read back: a byte for everything. What no decision reads
 * any more is forgotten (what a leader knew of the others once it leads no more, who led in terms
 * that are over), the numbers of writes begin anew, and servers that are alike are named by what
 * they are. A mistake here would join worlds that differ; every violation is therefore replayed
 * without it before it is believed. */
#include "tests/raft/raft_space.h"

#include <string.h>

struct form {
    uint8_t *bytes;
    size_t count;
    const uint8_t *names;
    const struct plan *plan;
};

static void put(struct form *f, uint64_t value)
{
    PRE(f->count < FORM_MAX);
    f->bytes[f->count++] = (uint8_t)value;
}

static void put_name(struct form *f, uint64_t id)
{
    put(f, f->names[id]);
}

static void put_item(struct form *f, struct item item)
{
    put(f, item.term);
    put(f, item.what);
}

static void put_mark(struct form *f, struct mark mark)
{
    put(f, mark.index);
    if (mark.index == 0)
        return;
    put(f, mark.term);
    put(f, mark.config);
    put(f, mark.config_index);
}

static uint64_t take(struct form *f)
{
    return f->bytes[f->count++];
}

static uint8_t take8(struct form *f)
{
    return (uint8_t)take(f);
}

static struct item take_item(struct form *f)
{
    struct item item = {.term = take8(f)};
    item.what = take8(f);
    return item;
}

static struct mark take_mark(struct form *f)
{
    struct mark mark = {.index = take8(f)};
    if (mark.index == 0)
        return mark;
    mark.term = take8(f);
    mark.config = take8(f);
    mark.config_index = take8(f);
    return mark;
}

/* ---- disks and messages */

static void put_image(struct form *f, const struct image *image)
{
    put(f, image->term);
    put_name(f, image->voted_for);
    put(f, image->first);
    put(f, image->last);
    put_mark(f, image->snapshot);
    for (uint32_t i = image->first; i <= image->last; i++)
        put_item(f, image->items[i]);
    put(f, image->lost_index);
    if (image->lost_index != 0)
        put(f, image->lost_term);
    for (uint32_t i = 1; i <= image->lost_index; i++)
        put_item(f, image->lost[i]);
}

static void take_image(struct form *f, struct image *image)
{
    image->term = take8(f);
    image->voted_for = take8(f);
    image->first = take8(f);
    image->last = take8(f);
    image->snapshot = take_mark(f);
    for (uint32_t i = image->first; i <= image->last; i++)
        image->items[i] = take_item(f);
    image->lost_index = take8(f);
    if (image->lost_index != 0)
        image->lost_term = take8(f);
    for (uint32_t i = 1; i <= image->lost_index; i++)
        image->lost[i] = take_item(f);
}

static void put_mail(struct form *f, const struct mail *m)
{
    const uint8_t fields[] = {m->type,       m->from,  m->to,      m->term,   m->index,
                              m->index_term, m->flags, m->refused, m->commit, m->offset,
                              m->size,       m->count, m->after};
    for (size_t i = 0; i < sizeof(fields); i++)
        put(f, fields[i]);
    for (uint32_t i = 0; i < m->count; i++)
        put_item(f, m->items[i]);
    put_mark(f, m->snapshot);
}

static void take_mail(struct form *f, struct mail *m)
{
    uint8_t *fields[] = {&m->type,       &m->from,  &m->to,      &m->term,   &m->index,
                         &m->index_term, &m->flags, &m->refused, &m->commit, &m->offset,
                         &m->size,       &m->count, &m->after};
    memset(m, 0, sizeof(*m));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        *fields[i] = take8(f);
    for (uint32_t i = 0; i < m->count; i++)
        m->items[i] = take_item(f);
    m->snapshot = take_mark(f);
}

/* Renamed, and in the order of their bytes. */
static void put_mails(struct form *f, const struct mail *mail, uint32_t count)
{
    struct mail sorted[MAIL_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct mail m = mail[i];
        uint32_t at = i;
        m.from = f->names[m.from];
        m.to = f->names[m.to];
        for (; at > 0 && memcmp(&sorted[at - 1], &m, sizeof(m)) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = m;
    }
    put(f, count);
    for (uint32_t i = 0; i < count; i++)
        put_mail(f, &sorted[i]);
}

static uint8_t take_mails(struct form *f, struct mail *mail)
{
    uint8_t count = take8(f);
    for (uint32_t i = 0; i < count; i++)
        take_mail(f, &mail[i]);
    return count;
}

/* ---- a server */

static uint32_t old_id(const struct form *f, uint32_t name)
{
    uint32_t id = 1;
    while (f->names[id] != name)
        id++;
    return id;
}

/* Votes and progress are kept by place in the membership. Where servers change names the members
 * are 1, 2, 3 in this order. */
static uint32_t old_place(const struct form *f, uint32_t place)
{
    return f->plan->is_symmetric ? old_id(f, place + 1) - 1 : place;
}

static void put_leader(struct form *f, const struct raft *raft)
{
    put(f, raft->term_start);
    put_name(f, raft->transfer_to);
    put(f, raft->transfer_is_sent);
    for (uint32_t place = 0; place < raft->config.membership.count; place++) {
        uint32_t i = old_place(f, place);
        const struct progress *p = &raft->progress[i];
        if (raft->config.membership.members[i].id == raft->params.id)
            continue;
        put(f, p->flow << 1 | p->is_probing);
        put(f, p->match);
        put(f, p->next);
        if (p->flow != FLOW_SNAPSHOT)
            continue;
        put_mark(f, mark_of_snapshot(f->plan, &p->snapshot));
        put(f, p->chunk_acked);
        put(f, p->chunk_sent);
    }
}

static void take_leader(struct form *f, struct raft *raft)
{
    raft->term_start = take(f);
    raft->transfer_to = (uint32_t)take(f);
    raft->transfer_is_sent = take(f) != 0;
    for (uint32_t i = 0; i < raft->config.membership.count; i++) {
        struct progress *p = &raft->progress[i];
        if (raft->config.membership.members[i].id == raft->params.id)
            continue;
        uint64_t flow = take(f);
        p->flow = (enum flow)(flow >> 1);
        p->is_probing = (flow & 1) != 0;
        p->match = take(f);
        p->next = take(f);
        if (p->flow != FLOW_SNAPSHOT)
            continue;
        p->snapshot = snapshot_of_mark(f->plan, take_mark(f));
        p->chunk_acked = take(f);
        p->chunk_sent = take(f);
    }
}

static void put_log(struct form *f, const struct raft *raft)
{
    put(f, raft->first);
    put(f, raft->first_term);
    put(f, raft->count);
    for (uint64_t i = 0; i < raft->count; i++)
        put_item(f, item_of(raft, raft->first + i));
    put_mark(f, mark_of_snapshot(f->plan, &raft->snapshot));
    put(f, raft->config.index);
    put(f, config_number(f->plan, &raft->config.membership));
    put(f, raft->config_before.index);
    put(f, config_number(f->plan, &raft->config_before.membership));
    put_mark(f, mark_of_snapshot(f->plan, &raft->incoming));
    if (raft->incoming.index != 0) {
        put_name(f, raft->incoming_from);
        put(f, raft->incoming_offset);
    }
}

static void take_log(struct form *f, struct raft *raft)
{
    raft->first = take(f);
    raft->first_term = take(f);
    raft->count = take(f);
    for (uint64_t i = 0; i < raft->count; i++) {
        struct item item = take_item(f);
        raft->slots[i] = (struct slot){item.term, item.what & 15, item.what >> 4};
    }
    raft->snapshot = snapshot_of_mark(f->plan, take_mark(f));
    raft->config.index = take(f);
    raft->config.membership = f->plan->config[take(f)];
    raft->config_before.index = take(f);
    raft->config_before.membership = f->plan->config[take(f)];
    struct mark incoming = take_mark(f);
    if (incoming.index != 0) {
        raft->incoming = snapshot_of_mark(f->plan, incoming);
        raft->incoming_from = (uint32_t)take(f);
        raft->incoming_offset = take(f);
    }
}

static void put_server(struct form *f, const struct server *s, const struct raft *raft)
{
    PRE(raft->write - raft->durable == s->pending && !raft->has_failed);
    put(f, s->pending);
    for (uint32_t i = 0; i <= s->pending; i++)
        put_image(f, &s->images[i]);
    put_mails(f, s->held, s->held_count);
    put(f, raft->role << 1 | raft->is_transfer);
    put(f, raft->term);
    put_name(f, raft->voted_for);
    put_name(f, raft->leader);
    put(f, raft->hard_write > raft->durable ? raft->hard_write - raft->durable : 0);
    put(f, raft->persisted);
    put(f, raft->lost_index);
    put(f, raft->lost_term);
    put(f, raft->commit);
    put(f, raft->applied);
    put_log(f, raft);
    if (raft->role == RAFT_LEADER) {
        put_leader(f, raft);
    } else if (raft->role != RAFT_FOLLOWER) {
        uint64_t votes = 0;
        for (uint32_t i = 0; i < SERVERS; i++)
            votes |= (raft->votes >> old_place(f, i) & 1) << i;
        put(f, votes);
    }
}

static void take_server(struct form *f, struct server *s, struct raft *raft, uint32_t id)
{
    s->pending = take8(f);
    for (uint32_t i = 0; i <= s->pending; i++)
        take_image(f, &s->images[i]);
    s->held_count = take_mails(f, s->held);
    raft->params = space_params(id);
    uint64_t role = take(f);
    raft->role = (enum raft_role)(role >> 1);
    raft->is_transfer = (role & 1) != 0;
    raft->term = take(f);
    raft->voted_for = (uint32_t)take(f);
    raft->leader = (uint32_t)take(f);
    raft->durable = 1;
    raft->write = raft->durable + s->pending;
    raft->hard_write = raft->durable + take(f);
    raft->persisted = take(f);
    raft->lost_index = take(f);
    raft->lost_term = take(f);
    raft->commit = take(f);
    raft->applied = take(f);
    take_log(f, raft);
    if (raft->role == RAFT_LEADER)
        take_leader(f, raft);
    else if (raft->role != RAFT_FOLLOWER)
        raft->votes = take(f);
    space_timeless(raft);
}

/* ---- the past, and the whole */

static uint32_t oldest_term(const struct world *w)
{
    uint32_t oldest = TERMS_MAX - 1;
    for (uint32_t i = 0; i < SERVERS; i++)
        if (w->servers[i].images[0].term < oldest)
            oldest = w->servers[i].images[0].term;
    return oldest;
}

static void put_past(struct form *f, const struct world *w)
{
    uint32_t oldest = oldest_term(w);
    put(f, oldest);
    for (uint32_t t = oldest; t < TERMS_MAX; t++)
        put_name(f, w->past.leader[t]);
    put(f, w->past.committed);
    for (uint32_t i = 1; i <= w->past.committed; i++) {
        put_item(f, w->past.items[i]);
        put(f, w->past.in_term[i]);
    }
}

static void take_past(struct form *f, struct world *w)
{
    for (uint64_t t = take(f); t < TERMS_MAX; t++)
        w->past.leader[t] = take8(f);
    w->past.committed = take8(f);
    for (uint32_t i = 1; i <= w->past.committed; i++) {
        w->past.items[i] = take_item(f);
        w->past.in_term[i] = take8(f);
    }
}

static size_t form_named(const struct world *w, const struct plan *plan, const uint8_t *names,
                         uint8_t *bytes)
{
    struct form f = {.bytes = bytes, .names = names, .plan = plan};
    for (uint32_t name = 1; name <= SERVERS; name++)
        put_server(&f, &w->servers[old_id(&f, name) - 1], raft_of(w, old_id(&f, name)));
    put_mails(&f, w->mail, w->mail_count);
    put_past(&f, w);
    for (uint32_t act = ACT_BEAT; act < ACT_COUNT; act++)
        if (plan->most[act] != 0 && plan->most[act] != ALWAYS)
            put(&f, w->spent[act]);
    return f.count;
}

/* Something that does not depend on anybody's name. */
static uint64_t nameless(const struct world *w, uint32_t id)
{
    const struct raft *raft = raft_of(w, id);
    uint64_t key = raft->term << 8 | (uint64_t)raft->role << 4 | raft->commit;
    key = key << 8 | (uint64_t)w->servers[id - 1].pending << 4 | raft->persisted;
    for (uint64_t i = 0; i < raft->count; i++)
        key = key * 1021 + (uint64_t)raft->slots[i].term * 64 + raft->slots[i].size;
    for (uint32_t i = 0; i < w->mail_count; i++)
        key += (w->mail[i].to == id ? 7919u : 0) + (w->mail[i].from == id ? 104729u : 0);
    return key * 4 + (raft->voted_for == id ? 2u : 0) + (raft->leader != 0);
}

static bool is_in_order(const uint64_t *keys, const uint8_t *names)
{
    for (uint32_t a = 1; a <= SERVERS; a++)
        for (uint32_t b = 1; b <= SERVERS; b++)
            if (names[a] < names[b] && keys[a] > keys[b])
                return false;
    return true;
}

size_t form_of(struct world *w, const struct plan *plan, uint8_t *bytes, uint8_t *names)
{
    static const uint8_t all[][SERVERS + 1] = {{0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 1, 3},
                                               {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1}};
    uint8_t other[FORM_MAX];
    uint64_t keys[SERVERS + 1] = {0};
    size_t size = 0;
    for (uint32_t id = 1; id <= SERVERS; id++)
        keys[id] = plan->is_symmetric ? nameless(w, id) : id;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!is_in_order(keys, all[i]))
            continue;
        size_t other_size = form_named(w, plan, all[i], other);
        int order = size == 0 ? -1 : memcmp(other, bytes, size < other_size ? size : other_size);
        if (order > 0 || (order == 0 && size <= other_size))
            continue;
        size = other_size;
        memcpy(bytes, other, size);
        memcpy(names, all[i], SERVERS + 1);
    }
    return size;
}

void form_read(struct world *w, const struct plan *plan, const uint8_t *bytes)
{
    struct form f = {.bytes = (uint8_t *)(uintptr_t)bytes, .plan = plan};
    memset(w, 0, sizeof(*w));
    for (uint32_t id = 1; id <= SERVERS; id++)
        take_server(&f, server_of(w, id), raft_of(w, id), id);
    w->mail_count = take_mails(&f, w->mail);
    take_past(&f, w);
    for (uint32_t act = ACT_BEAT; act < ACT_COUNT; act++)
        if (plan->most[act] != 0 && plan->most[act] != ALWAYS)
            w->spent[act] = take8(&f);
}
