/* The quorum's links: proposals in; policy, orders, leadership and feeds out. */
#include "orchestrator/quorum/quorum.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { JOURNAL_FEED = 2000, JOURNAL_BATCH = 200 };

void peers_init(struct quorum *q)
{
    for (uint32_t i = 0; i < QUORUM_CHECKERS_MAX; i++)
        q->checkers[i] = (struct peer){.quorum = q, .role = EPHOR__ROLE__CHECKER, .instance = i};
    q->actor = (struct peer){.quorum = q, .role = EPHOR__ROLE__ACTOR};
    q->status = (struct peer){.quorum = q, .role = EPHOR__ROLE__STATUS};
}

bool peers_have_checkers(const struct quorum *q)
{
    for (uint32_t i = 0; i < q->checker_count && i < QUORUM_CHECKERS_MAX; i++)
        if (q->checkers[i].link == NULL)
            return false;
    return true;
}

/* ---------------------------------------------------------------- orders */

struct order_list {
    const struct quorum *quorum;
    Ephor__Order *orders;
    Ephor__Order **pointers;
    size_t count, capacity;
};

static void fill_command(const struct quorum *q, const struct order *order, Ephor__Order *to)
{
    const Ephor__Service *s = q->machine.policy->services[order->service];
    const Ephor__Action *action = order->kind == ORDER_RESTART ? s->restart
                                  : order->kind == ORDER_START ? s->start
                                                               : s->stop;
    to->left_ms = order->deadline_ms - (q->is_leading ? quorum_at_ms(q) : order->deadline_ms);
    if (action == NULL)
        return;
    to->argv = action->argv;
    to->n_argv = action->n_argv;
    to->timeout_ms = action->timeout_ms;
}

static void add_order(void *data, const struct order *order)
{
    struct order_list *list = data;
    const struct core *core = list->quorum->machine.core;
    if (list->count == list->capacity)
        return;
    Ephor__Order *to = &list->orders[list->count];
    ephor__order__init(to);
    list->pointers[list->count++] = to;
    to->kind = (Ephor__OrderKind)order->kind;
    to->id = order->id;
    to->node = core_node(core, order->node)->name;
    if (order->service != NONE)
        to->service = core_service(core, order->service)->name;
    if (order->vip != NONE) {
        struct vip *vip = core_vip(core, order->vip);
        to->vip = vip->name;
        to->address = vip->address;
        to->interface = vip->interface;
        to->lease_ms = vip->granted_lease_ms;
        to->guarded = vip->is_guarded;
        to->wait_ms = vip->wait_ms;
        to->acquire = order->acquire;
    } else {
        fill_command(list->quorum, order, to);
    }
}

/* A digest of what is ordered; the time left is not part of it. */
static uint64_t digest_orders(const struct order_list *list)
{
    uint64_t digest = 1;
    for (size_t i = 0; i < list->count; i++) {
        const Ephor__Order *o = &list->orders[i];
        const uint64_t numbers[] = {(uint64_t)o->kind, o->id, (uint64_t)o->acquire};
        digest = XXH3_64bits_withSeed(numbers, sizeof(numbers), digest);
        digest = XXH3_64bits_withSeed(o->node, strlen(o->node), digest);
        digest = XXH3_64bits_withSeed(o->vip, strlen(o->vip), digest);
        digest = XXH3_64bits_withSeed(o->service, strlen(o->service), digest);
    }
    return digest;
}

void peers_send_orders(struct quorum *q, bool always)
{
    if (q->actor.link == NULL || !q->is_leading || q->machine.core == NULL)
        return;
    const struct core_shape *shape = &q->machine.core->shape;
    struct order_list list = {.quorum = q};
    list.capacity = (size_t)shape->vips + shape->services + shape->members;
    list.orders = calloc(list.capacity + 1, sizeof(*list.orders));
    list.pointers = calloc(list.capacity + 1, sizeof(Ephor__Order *));
    if (list.orders != NULL && list.pointers != NULL) {
        core_orders(q->machine.core, add_order, &list);
        uint64_t digest = digest_orders(&list);
        if (always || digest != q->orders_digest) {
            Ephor__Orders orders = EPHOR__ORDERS__INIT;
            Ephor__Message m = EPHOR__MESSAGE__INIT;
            orders.term = q->term;
            orders.orders = list.pointers;
            orders.n_orders = list.count;
            m.body_case = EPHOR__MESSAGE__BODY_ORDERS;
            m.orders = &orders;
            link_send(q->actor.link, &m, -1);
            q->orders_digest = digest;
        }
    }
    free(list.orders);
    free(list.pointers);
}

/* Is the node down, or the leader's way to it? This controller's actor is to find out for itself at
 * once, before leadership goes to one that is no better. */
static char **doubted_nodes(const struct quorum *q, size_t *count)
{
    struct core *core = q->machine.core;
    char **names = NULL;
    *count = 0;
    if (core == NULL || core->leader == 0 || core->leader == q->seat)
        return NULL;
    for (int32_t i = 0; i < core_node_count(core); i++) {
        struct node *node = core_node(core, i);
        if (node->reach_by[core->leader - 1] != REACH_DOWN ||
            node->reach_by[q->seat - 1] != REACH_UP)
            continue;
        if (names == NULL)
            names = calloc((size_t)core_node_count(core), sizeof(*names));
        if (names == NULL)
            return NULL;
        names[(*count)++] = node->name;
    }
    return names;
}

void peers_send_lead(struct quorum *q)
{
    Ephor__Lead lead = EPHOR__LEAD__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    int64_t since_ms = engine_fresh_since(q->engine);
    lead.leading = since_ms > 0;
    lead.term = q->term;
    lead.fresh_until_ms = since_ms > 0 ? since_ms + q->fresh_ms : 0;
    lead.doubted = doubted_nodes(q, &lead.n_doubted);
    lead.rules = q->machine.core == NULL ? 0 : q->machine.core->rules;
    m.body_case = EPHOR__MESSAGE__BODY_LEAD;
    m.lead = &lead;
    link_send(q->actor.link, &m, -1);
    free(lead.doubted);
    q->leads_unheard = lead.leading ? q->leads_unheard + 1 : 0;
}

/* ---------------------------------------------------------------- who looks at what */

struct outlooks {
    Ephor__Outlook message;
    Ephor__CheckOutlook *list;
};

static void outlooks_free(struct outlooks *outlooks)
{
    free(outlooks->list);
    free(outlooks->message.others);
}

/* The outlook of most checks is that of the first one on which all look; the others are listed. */
static bool outlooks_make(const struct quorum *q, struct outlooks *outlooks)
{
    const struct core *core = q->machine.core;
    Ephor__Outlook *m = &outlooks->message;
    bool has_common = false;
    ephor__outlook__init(m);
    outlooks->list = calloc((size_t)core->shape.checks + 1, sizeof(outlooks->list[0]));
    m->others = calloc((size_t)core->shape.checks + 1, sizeof(m->others[0]));
    if (outlooks->list == NULL || m->others == NULL) {
        outlooks_free(outlooks);
        return false;
    }
    m->policy_index = q->machine.policy_index;
    for (int32_t i = 0; i < core_check_count(core); i++) {
        bool is_common = core_check(core, i)->vantage == VANTAGE_ALL;
        struct outlook outlook;
        if (is_common && has_common)
            continue;
        core_looks(core, i, q->seat, &outlook);
        if (is_common) {
            m->rank = outlook.rank;
            m->count = outlook.count;
            has_common = true;
            continue;
        }
        Ephor__CheckOutlook *to = &outlooks->list[m->n_others];
        ephor__check_outlook__init(to);
        to->check = (uint32_t)i;
        to->rank = outlook.rank;
        to->count = outlook.count;
        m->others[m->n_others++] = to;
    }
    return true;
}

static void send_policy_to(struct quorum *q, struct peer *peer)
{
    Ephor__Adopted adopted = EPHOR__ADOPTED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    struct outlooks outlooks;
    if (q->machine.core == NULL || peer->link == NULL)
        return;
    if (peer->role == EPHOR__ROLE__CHECKER && outlooks_make(q, &outlooks))
        adopted.outlook = &outlooks.message;
    adopted.index = q->machine.policy_index;
    adopted.policy.data = q->machine.policy_bytes;
    adopted.policy.len = q->machine.policy_size;
    m.body_case = EPHOR__MESSAGE__BODY_ADOPTED;
    m.adopted = &adopted;
    link_send(peer->link, &m, -1);
    if (adopted.outlook != NULL)
        outlooks_free(&outlooks);
}

void peers_send_outlook(struct quorum *q)
{
    struct outlooks outlooks;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    if (q->machine.core == NULL || !q->effects->board_changed || !outlooks_make(q, &outlooks))
        return;
    m.body_case = EPHOR__MESSAGE__BODY_OUTLOOK;
    m.outlook = &outlooks.message;
    for (uint32_t i = 0; i < QUORUM_CHECKERS_MAX; i++)
        link_send(q->checkers[i].link, &m, -1);
    outlooks_free(&outlooks);
}

/* What the last entry changed of the verdicts, and where somebody doubts one. What does not fit is
 * left out: the checkers then come to the same by their own answers, later. */
void peers_send_verdicts(struct quorum *q)
{
    Ephor__CheckVerdict list[EFFECTS_MAX];
    Ephor__CheckVerdict *pointers[EFFECTS_MAX];
    Ephor__Verdicts verdicts = EPHOR__VERDICTS__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    const struct core *core = q->machine.core;
    if (core == NULL || (q->effects->touched_count == 0 && !q->effects->touched_all))
        return;
    for (uint32_t i = 0; i < q->effects->touched_count; i++) {
        uint32_t check = q->effects->touched[i];
        if (check >= core->shape.checks)
            continue;
        Ephor__CheckVerdict *v = &list[verdicts.n_verdicts];
        ephor__check_verdict__init(v);
        v->check = check;
        v->state = (Ephor__State)core_check(core, (int32_t)check)->state;
        v->doubted = core_is_doubted(core, (int32_t)check);
        pointers[verdicts.n_verdicts++] = v;
    }
    verdicts.forget = q->effects->touched_all;
    verdicts.policy_index = q->machine.policy_index;
    verdicts.verdicts = pointers;
    m.body_case = EPHOR__MESSAGE__BODY_VERDICTS;
    m.verdicts = &verdicts;
    for (uint32_t i = 0; i < QUORUM_CHECKERS_MAX; i++)
        link_send(q->checkers[i].link, &m, -1);
    observers_send_verdicts(q->observers, &verdicts);
}

void peers_send_policy(struct quorum *q)
{
    for (uint32_t i = 0; i < QUORUM_CHECKERS_MAX; i++)
        send_policy_to(q, &q->checkers[i]);
    send_policy_to(q, &q->actor);
}

/* ---------------------------------------------------------------- feeds of the status process */

struct journal_batch {
    struct quorum *quorum;
    Ephor__JournalLine lines[JOURNAL_BATCH];
    Ephor__JournalLine *pointers[JOURNAL_BATCH];
    size_t count;
};

static void free_line(Ephor__JournalLine *line)
{
    free(line->event);
    free(line->object);
    free(line->text);
}

static void flush_batch(struct journal_batch *batch)
{
    Ephor__FeedJournal feed = EPHOR__FEED_JOURNAL__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    feed.lines = batch->pointers;
    feed.n_lines = batch->count;
    m.body_case = EPHOR__MESSAGE__BODY_FEED_JOURNAL;
    m.feed_journal = &feed;
    link_send(batch->quorum->status.link, &m, -1);
    for (size_t i = 0; i < batch->count; i++)
        free_line(&batch->lines[i]);
    batch->count = 0;
}

static void add_row(void *data, const struct journal_row *row)
{
    struct journal_batch *batch = data;
    Ephor__JournalLine *line = &batch->lines[batch->count];
    ephor__journal_line__init(line);
    line->index = row->index;
    line->line = row->line;
    line->term = row->term;
    line->wall_ms = row->wall_ms;
    line->severity = row->severity;
    line->event = strdup(row->event);
    line->object = strdup(row->object);
    line->text = strdup(row->text);
    batch->pointers[batch->count++] = line;
    if (batch->count == JOURNAL_BATCH)
        flush_batch(batch);
}

static void feed_journal(struct quorum *q)
{
    struct journal_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return;
    batch->quorum = q;
    engine_journal_read(q->engine, JOURNAL_FEED, add_row, batch);
    flush_batch(batch);
    free(batch);
}

void peers_send_snapshot(struct quorum *q)
{
    if (q->status.link == NULL)
        return;
    Ephor__FeedSnapshot feed = EPHOR__FEED_SNAPSHOT__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    size_t size = 0;
    uint8_t *bytes = machine_snapshot(&q->machine, &size);
    feed.index = q->machine.index;
    feed.term = q->machine.term;
    if (bytes != NULL)
        feed.snapshot = ephor__snapshot__unpack(NULL, size, bytes);
    m.body_case = EPHOR__MESSAGE__BODY_FEED_SNAPSHOT;
    m.feed_snapshot = &feed;
    link_send(q->status.link, &m, -1);
    if (feed.snapshot != NULL)
        ephor__snapshot__free_unpacked(feed.snapshot, NULL);
    free(bytes);
}

void peers_send_fact(struct quorum *q, uint64_t index, uint64_t term, const void *bytes,
                     size_t size)
{
    Ephor__FeedFact feed = EPHOR__FEED_FACT__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    if (q->status.link == NULL)
        return;
    feed.index = index;
    feed.term = term;
    feed.fact.data = (uint8_t *)(uintptr_t)bytes;
    feed.fact.len = size;
    m.body_case = EPHOR__MESSAGE__BODY_FEED_FACT;
    m.feed_fact = &feed;
    link_send(q->status.link, &m, -1);
}

void peers_send_state(struct quorum *q)
{
    Ephor__FeedState feed = EPHOR__FEED_STATE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    feed.leading = q->is_leading;
    feed.term = q->term;
    feed.commit_index = q->engine == NULL ? 0 : engine_commit_index(q->engine);
    feed.applied_index = q->machine.index;
    feed.storage_ok = q->is_storage_ok;
    feed.storage_text = q->storage_text;
    feed.calm = q->calm.is_calm;
    feed.calm_text = q->calm.text;
    feed.file_differs = q->machine.core != NULL && q->file_digest[0] != '\0' &&
                        strcmp(q->file_digest, q->machine.policy_digest) != 0;
    if (q->engine != NULL)
        cluster_feed(q, &feed);
    m.body_case = EPHOR__MESSAGE__BODY_FEED_STATE;
    m.feed_state = &feed;
    link_send(q->status.link, &m, -1);
    cluster_feed_free(&feed);
}

/* ---------------------------------------------------------------- links */

/* What each process may say: a checker sees, an actor reports, the status process asks for people.
 */
static bool may_propose(Ephor__Role role, const Ephor__Fact *fact)
{
    if (fact == NULL)
        return false;
    if (role == EPHOR__ROLE__CHECKER)
        return fact->body_case == EPHOR__FACT__BODY_OPINIONS;
    if (role == EPHOR__ROLE__ACTOR)
        return fact->body_case == EPHOR__FACT__BODY_OUTCOME ||
               fact->body_case == EPHOR__FACT__BODY_REACH;
    return role == EPHOR__ROLE__STATUS && fact->body_case == EPHOR__FACT__BODY_REQUEST;
}

static void take_checker_state(struct quorum *q, const Ephor__CheckerState *state)
{
    if (state->late_ms > 0)
        quorum_note_lag(q, state->late_ms, "its checker lagged by");
    sight_on_checker(&q->sight, state);
    quorum_tell_sight(q);
}

/* What it is about to say to all. */
static void take_opinions(struct quorum *q, const Ephor__Opinions *opinions)
{
    if (q->machine.policy == NULL)
        return;
    sight_on_opinions(&q->sight, q->machine.policy, q->machine.policy_index, opinions);
    quorum_tell_sight(q);
}

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    struct peer *peer = data;
    (void)fd;
    if (m->body_case == EPHOR__MESSAGE__BODY_CLUSTER_REQUEST && peer->role == EPHOR__ROLE__STATUS)
        cluster_on_request(peer->quorum, 0, m->cluster_request);
    if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_ROLLBACK && peer->role == EPHOR__ROLE__STATUS)
        offers_roll_back(peer->quorum, m->policy_rollback);
    if (m->body_case == EPHOR__MESSAGE__BODY_READ && peer->role == EPHOR__ROLE__STATUS)
        readers_add(peer->quorum, peer, m->read->sequence);
    if (m->body_case == EPHOR__MESSAGE__BODY_CHECKER_STATE && peer->role == EPHOR__ROLE__CHECKER)
        take_checker_state(peer->quorum, m->checker_state);
    if (m->body_case == EPHOR__MESSAGE__BODY_LEAD_HEARD && peer->role == EPHOR__ROLE__ACTOR)
        peer->quorum->leads_unheard = 0;
    if (m->body_case != EPHOR__MESSAGE__BODY_PROPOSE)
        return;
    if (!may_propose(peer->role, m->propose->fact)) {
        log_error("propose", "the %s process proposed a fact that is not its business",
                  process_role_name(peer->role));
        return;
    }
    if (peer->role == EPHOR__ROLE__CHECKER)
        take_opinions(peer->quorum, m->propose->fact->opinions);
    proposals_add(peer->quorum, PROPOSAL_FORWARDED, m->propose->fact, peer, m->propose->sequence,
                  NULL);
}

static void on_close(void *data, const char *reason)
{
    struct peer *peer = data;
    struct quorum *q = peer->quorum;
    log_warning("link", "the %s process is gone: %s", process_role_name(peer->role), reason);
    link_free(peer->link);
    peer->link = NULL;
    if (peer->role == EPHOR__ROLE__CHECKER)
        quorum_tell_sight(q);
}

static struct peer *peer_of(struct quorum *q, Ephor__Role role, uint32_t instance)
{
    if (role == EPHOR__ROLE__CHECKER && instance < QUORUM_CHECKERS_MAX)
        return &q->checkers[instance];
    if (role == EPHOR__ROLE__ACTOR)
        return &q->actor;
    return role == EPHOR__ROLE__STATUS ? &q->status : NULL;
}

void peers_connect(struct quorum *q, Ephor__Role role, uint32_t instance, int fd)
{
    static const struct link_ops ops = {on_message, on_close};
    struct peer *peer = peer_of(q, role, instance);
    if (peer == NULL)
        return;
    link_free(peer->link);
    peer->generation++;
    peer->link = link_new(q->loop, fd, &ops, peer);
    if (role == EPHOR__ROLE__STATUS) {
        feed_journal(q);
        peers_send_snapshot(q);
        peers_send_state(q);
    } else {
        send_policy_to(q, peer);
    }
    if (role == EPHOR__ROLE__ACTOR) {
        peers_send_lead(q);
        peers_send_orders(q, true);
    }
    if (role == EPHOR__ROLE__CHECKER)
        quorum_tell_sight(q);
}

void peers_close(struct quorum *q)
{
    for (uint32_t i = 0; i < QUORUM_CHECKERS_MAX; i++)
        link_free(q->checkers[i].link);
    link_free(q->actor.link);
    link_free(q->status.link);
}
