/* The engine of consensus/engine.h over a server of the simulator of the core: what is applied
 * there is handed on in a turn of its own, as the product's engine does it, and callbacks never run
 * from inside a call. Entries are numbers there; their bytes are kept here. */
#include "orchestrator/consensus/engine.h"

#include "orchestrator/sys/now.h"
#include "tests/raft/sim_check.h"
#include "tests/sim/whole.h"
#include "tests/sim/whole_check.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 8, AGAIN_US = 5000 };

struct handed { /* an entry, or a snapshot, on its way to the state machine */
    uint64_t index, term, chain;
    uint64_t payload; /* 0: none of the state machine's */
    bool is_snapshot;
    uint64_t membership_index;
    struct raft_membership membership;
};

struct proposed {
    struct proposed *next;
    engine_propose_cb *cb;
    void *data;
    struct whole_blob bytes;
    uint64_t index, term; /* once it is in the log */
    int err;
};

struct proposed_queue {
    struct proposed *first, **last;
};

struct engine {
    struct whole_controller *controller;
    struct whole *whole;
    const struct engine_callbacks *callbacks; /* NULL: nobody has opened it */
    void *data;
    bool is_leading, has_led, has_failed, is_turning, storage_was_told;
    uint64_t led_term;
    uint64_t members_index; /* told */
    bool members_told;
    uint64_t applied; /* handed on */
    struct handed at; /* the last one */
    struct handed *queue;
    uint32_t queue_first, queue_count, queue_capacity;
    struct proposed_queue waiting, inflight, refused;
    Ephor__Membership membership;
    Ephor__ClusterMember members[RAFT_MEMBERS_MAX], *pointers[RAFT_MEMBERS_MAX];
    char names[RAFT_MEMBERS_MAX][8];
};

/* ---- proposals that wait */

static void queue_clear(struct proposed_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_push(struct proposed_queue *queue, struct proposed *p)
{
    p->next = NULL;
    *queue->last = p;
    queue->last = &p->next;
}

static struct proposed *queue_pop(struct proposed_queue *queue)
{
    struct proposed *p = queue->first;
    queue->first = p->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    return p;
}

static void answer(struct engine *engine, struct proposed_queue *queue, int err)
{
    struct proposed_queue told = *queue;
    if (queue->first == NULL)
        return;
    queue_clear(queue);
    (void)engine;
    for (struct proposed *p = told.first, *next; p != NULL; p = next) {
        next = p->next;
        p->cb(p->data, err, 0);
    }
}

/* ---- turns */

static void on_turn(struct whole_call *call);

static void turn_in(struct engine *engine, int64_t delay_us)
{
    if (engine->is_turning || engine->callbacks == NULL)
        return;
    engine->is_turning = true;
    whole_call_in(engine->whole, delay_us, &engine->controller->quorum, NULL, on_turn, engine);
}

static const struct raft *raft_of(const struct engine *engine)
{
    return engine->controller->server->raft;
}

static void hand_on(struct engine *engine, const struct handed *item)
{
    struct whole *whole = engine->whole;
    if (item->index <= engine->applied)
        return;
    engine->applied = item->index;
    engine->at = *item;
    if (item->is_snapshot) {
        const struct whole_blob *bytes = &whole->snapshots[item->index];
        engine->callbacks->on_snapshot(engine->data, item->index, item->term, bytes->bytes,
                                       bytes->size);
    } else if (item->payload != 0) {
        const struct whole_blob *bytes = &whole->facts[item->payload];
        whole_check_entry(whole, item->index, bytes);
        engine->callbacks->on_entry(engine->data, item->index, item->term, bytes->bytes,
                                    bytes->size);
    }
    whole_check_applied(engine->controller, item->index);
}

static void answer_applied(struct engine *engine)
{
    while (engine->inflight.first != NULL && engine->inflight.first->index <= engine->applied) {
        struct proposed *p = queue_pop(&engine->inflight);
        bool is_lost = p->index == engine->applied && p->term != engine->at.term;
        p->cb(p->data, is_lost ? ERR_CANCELED : ERR_OK, p->index);
    }
}

static void tell_leadership(struct engine *engine, bool is_leader, uint64_t term)
{
    engine->is_leading = is_leader;
    engine->has_led |= is_leader;
    engine->led_term = term;
    engine->callbacks->on_leadership(engine->data, is_leader, term);
}

static void give_up(struct engine *engine)
{
    answer(engine, &engine->inflight, ERR_CANCELED);
    answer(engine, &engine->waiting, ERR_AGAIN);
}

static void tell_if_leading(struct engine *engine)
{
    const struct raft *raft = raft_of(engine);
    uint64_t term = raft_term(raft);
    bool leads = !engine->has_failed && raft_is_working(raft) &&
                 (engine->is_leading || engine->at.term == term);
    if (engine->is_leading && (!leads || term != engine->led_term)) {
        tell_leadership(engine, false, engine->led_term);
        give_up(engine);
    }
    if (leads && !engine->is_leading)
        tell_leadership(engine, true, term);
}

static uint64_t keep_fact(struct whole *whole, const struct whole_blob *bytes)
{
    uint64_t payload = ++whole->world->payloads;
    if (payload >= whole->facts_capacity) {
        whole->facts_capacity = payload * 2 + 256;
        whole->facts =
            sim_need(realloc(whole->facts, whole->facts_capacity * sizeof(*whole->facts)));
    }
    whole->facts[payload] = *bytes;
    return payload;
}

/* One entry at a time. False: it has to wait. */
static bool propose_one(struct engine *engine)
{
    struct sim_server *server = engine->controller->server;
    struct proposed *p = engine->waiting.first;
    uint32_t size = (uint32_t)p->bytes.size;
    struct raft_event event = {.type = RAFT_PROPOSE};
    uint64_t index = raft_last_index(server->raft) + 1, term = raft_term(server->raft);
    event.propose.sizes = &size;
    event.propose.count = 1;
    uint64_t payload = keep_fact(engine->whole, &p->bytes);
    if (sim_step(engine->whole->world, server, &event, NULL, payload) != RAFT_OK)
        return false;
    if (engine->waiting.first != p) /* it crashed behind the step */
        return false;
    queue_pop(&engine->waiting);
    p->index = index;
    p->term = term;
    queue_push(&engine->inflight, p);
    return true;
}

static void propose_all(struct engine *engine)
{
    int count = 0;
    while (engine->is_leading && !engine->has_failed && engine->waiting.first != NULL &&
           engine->controller->quorum.is_up && count++ < BATCH_MAX)
        if (!propose_one(engine))
            break;
    if (engine->controller->quorum.is_up && engine->waiting.first != NULL)
        turn_in(engine, AGAIN_US);
}

static void tell_members(struct engine *engine)
{
    uint64_t index = raft_membership_index(raft_of(engine));
    if (engine->members_told && engine->members_index == index)
        return;
    engine->members_told = true;
    engine->members_index = index;
    engine->callbacks->on_members(engine->data, engine_members(engine));
}

static void tell_entries(struct engine *engine)
{
    while (engine->queue_count > 0) {
        struct handed item = engine->queue[engine->queue_first++];
        engine->queue_count--;
        hand_on(engine, &item);
    }
    engine->queue_first = 0;
    answer_applied(engine);
}

static void on_turn(struct whole_call *call)
{
    struct engine *engine = call->data;
    engine->is_turning = false;
    if (!engine->has_failed)
        tell_members(engine);
    tell_entries(engine);
    tell_if_leading(engine);
    if (engine->storage_was_told == !engine->has_failed) {
        engine->storage_was_told = engine->has_failed;
        engine->callbacks->on_storage(engine->data, engine->has_failed ? ERR_IO : ERR_OK, "disk");
    }
    quorum_note_leader(engine->data);
    answer(engine, &engine->refused, ERR_AGAIN);
    propose_all(engine);
}

/* ---- the server below */

struct engine *whole_engine_new(struct whole_controller *controller)
{
    struct engine *engine = whole_alloc(controller->whole, sizeof(*engine));
    engine->controller = controller;
    engine->whole = controller->whole;
    ephor__membership__init(&engine->membership);
    engine->membership.members = engine->pointers;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        engine->pointers[i] = &engine->members[i];
    queue_clear(&engine->waiting);
    queue_clear(&engine->inflight);
    queue_clear(&engine->refused);
    return engine;
}

static struct handed *queue_place(struct engine *engine)
{
    if (engine->queue_first + engine->queue_count == engine->queue_capacity) {
        struct handed *before = engine->queue;
        engine->queue_capacity = engine->queue_capacity * 2 + 32;
        engine->queue = whole_alloc(engine->whole, engine->queue_capacity * sizeof(*engine->queue));
        if (before != NULL)
            memcpy(engine->queue, before,
                   (engine->queue_first + engine->queue_count) * sizeof(*before));
    }
    return &engine->queue[engine->queue_first + engine->queue_count++];
}

void whole_engine_applied(struct whole_controller *controller, const struct sim_entry *entry)
{
    struct engine *engine = controller->engine;
    const struct sim_server *server = controller->server;
    struct handed *item = queue_place(engine);
    *item = (struct handed){.index = server->applied,
                            .chain = server->applied_chain,
                            .membership_index = server->applied_membership_index,
                            .membership = server->applied_membership};
    if (entry == NULL) {
        item->is_snapshot = server->applied > 0;
        item->term = server->snapshot.raft.term;
        return;
    }
    item->term = entry->term;
    item->payload = entry->kind == RAFT_ENTRY_DATA ? entry->payload : 0;
}

/* Until when may it say that it leads, by the engine's own words? For the checks. */
static void note_fresh(struct engine *engine)
{
    struct whole_controller *c = engine->controller;
    int64_t since_ms = raft_fresh_since(raft_of(engine), whole_local_ms(c));
    if (raft_role(raft_of(engine)) != RAFT_LEADER || since_ms == INT64_MIN)
        return;
    if (c->fresh_term != raft_term(raft_of(engine)))
        c->fresh_until_ms = INT64_MIN;
    c->fresh_term = raft_term(raft_of(engine));
    if (since_ms + engine->whole->world->profile.election_ms > c->fresh_until_ms)
        c->fresh_until_ms = since_ms + engine->whole->world->profile.election_ms;
}

void whole_engine_stepped(struct whole_controller *controller)
{
    struct engine *engine = controller->engine;
    if (engine == NULL || engine->callbacks == NULL)
        return;
    const struct raft *raft = raft_of(engine);
    const struct quorum *q = engine->data;
    bool leads = !engine->has_failed && raft_is_working(raft);
    note_fresh(engine);
    bool is_new =
        raft_leader(raft) != q->leader || (q->leader != 0 && raft_term(raft) != q->leader_term);
    if (engine->queue_count > 0 || leads != engine->is_leading || is_new ||
        (leads && raft_term(raft) != engine->led_term) ||
        engine->members_index != raft_membership_index(raft))
        turn_in(engine, sim_between(&engine->whole->world->random, 0, 40));
}

void whole_engine_attach(struct whole_controller *controller)
{
    struct engine *engine = controller->engine;
    bool had_failed = engine->has_failed;
    engine->has_failed = false;
    engine->queue_first = engine->queue_count = 0;
    if (controller->server->applied > 0)
        whole_engine_applied(controller, NULL);
    if (had_failed)
        turn_in(engine, 0);
}

void whole_engine_detach(struct whole_controller *controller)
{
    struct engine *engine = controller->engine;
    engine->has_failed = true;
    turn_in(engine, 0);
}

/* ---- the interface */

int engine_open(struct loop *loop, const struct engine_params *params, struct engine **engine,
                struct errbuf *e)
{
    struct process *process = (struct process *)loop;
    *engine = process->controller->engine;
    (*engine)->callbacks = params->callbacks;
    (*engine)->data = params->data;
    turn_in(*engine, 0);
    (void)e;
    return ERR_OK;
}

void engine_close(struct engine *engine)
{
    engine->callbacks = NULL;
    answer(engine, &engine->inflight, ERR_CANCELED);
    answer(engine, &engine->waiting, ERR_CANCELED);
    answer(engine, &engine->refused, ERR_CANCELED);
}

void engine_propose(struct engine *engine, const void *bytes, size_t size, engine_propose_cb *cb,
                    void *data)
{
    struct proposed *p = whole_alloc(engine->whole, sizeof(*p));
    bool is_refused = !engine->is_leading || engine->has_failed;
    p->cb = cb;
    p->data = data;
    p->bytes.bytes = whole_alloc(engine->whole, size);
    p->bytes.size = size;
    memcpy(p->bytes.bytes, bytes, size);
    queue_push(is_refused ? &engine->refused : &engine->waiting, p);
    turn_in(engine, is_refused ? 1000 : 0);
}

void engine_read(struct engine *engine, engine_read_cb *cb, void *data)
{
    (void)engine;
    (void)cb;
    (void)data;
}

void engine_read_at(struct engine *engine, uint64_t index, engine_read_cb *cb, void *data)
{
    (void)index;
    engine_read(engine, cb, data);
}

static bool is_alone(const struct engine *engine)
{
    const struct raft_membership *m = raft_membership(raft_of(engine));
    return m->count == 1 && m->members[0].id == engine->controller->id;
}

int64_t engine_fresh_since(const struct engine *engine)
{
    if (engine == NULL || engine->callbacks == NULL || !engine->has_led)
        return 0;
    if (is_alone(engine))
        return now_mono_ms();
    int64_t since_ms =
        engine->is_leading ? raft_fresh_since(raft_of(engine), now_mono_ms()) : INT64_MIN;
    return since_ms > 0 ? since_ms : 0;
}

bool engine_wants_snapshot(const struct engine *engine)
{
    const struct sim_server *server = engine->controller->server;
    uint32_t threshold = engine->whole->world->profile.threshold;
    if (server->log.count > server->params.log_max / 2)
        threshold = 1;
    return !engine->has_failed && server->state == SIM_RUNNING && !server->is_snapshotting &&
           engine->applied >= server->snapshot.raft.index + threshold;
}

void engine_snapshot(struct engine *engine, uint64_t index, const void *bytes, size_t size)
{
    struct whole *whole = engine->whole;
    const struct handed *at = &engine->at;
    struct sim_snapshot taken = {.chain = at->chain,
                                 .raft = {.index = index,
                                          .term = at->term,
                                          .size = size,
                                          .membership = at->membership,
                                          .membership_index = at->membership_index}};
    whole_check_snapshot(whole, index, bytes, size);
    sim_step_take_snapshot(whole->world, engine->controller->server, &taken);
}

uint64_t engine_commit_index(const struct engine *engine)
{
    uint64_t commit = raft_commit(raft_of(engine));
    return commit > engine->applied ? commit : engine->applied;
}

void engine_receive(struct engine *engine, uint32_t from, const void *bytes, size_t size)
{
    (void)engine;
    (void)from;
    (void)bytes;
    (void)size;
}

void engine_connected(struct engine *engine, uint32_t id)
{
    (void)engine;
    (void)id;
}

void engine_change(struct engine *engine, const Ephor__Membership *members, engine_propose_cb *cb,
                   void *data)
{
    (void)engine;
    (void)members;
    (void)cb;
    (void)data;
}

int engine_transfer(struct engine *engine, uint32_t to)
{
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer_to = to};
    if (!engine->is_leading)
        return ERR_AGAIN;
    engine->whole->world->totals->transfers++;
    return sim_server_order(engine->whole->world, engine->controller->server, &event) == RAFT_OK
               ? ERR_OK
               : ERR_AGAIN;
}

uint64_t engine_incarnation(const struct engine *engine)
{
    return engine->controller->id;
}

const Ephor__Membership *engine_members(const struct engine *engine)
{
    struct engine *own = (struct engine *)(uintptr_t)engine; /* made anew each time */
    const struct raft_membership *m = raft_membership(raft_of(engine));
    for (uint32_t i = 0; i < m->count; i++) {
        Ephor__ClusterMember *member = &own->members[i];
        ephor__cluster_member__init(member);
        member->id = member->seat = m->members[i].id;
        member->incarnation = m->members[i].id; /* it was met */
        member->kind = member->wanted = (Ephor__MemberKind)m->members[i].kind;
        own->names[i][0] = 'c';
        own->names[i][1] = (char)('0' + m->members[i].id);
        member->name = own->names[i];
    }
    own->membership.n_members = m->count;
    return &engine->membership;
}

void engine_status(const struct engine *engine, struct engine_status *status)
{
    *status = (struct engine_status){.term = raft_term(raft_of(engine)),
                                     .leader = engine_leader(engine),
                                     .role = "",
                                     .is_working = engine->is_leading};
}

uint32_t engine_leader(const struct engine *engine)
{
    return raft_leader(raft_of(engine));
}

bool engine_peer(const struct engine *engine, uint32_t id, struct engine_peer *peer)
{
    struct raft_peer raft;
    if (!raft_peer(raft_of(engine), id, &raft))
        return false;
    *peer = (struct engine_peer){.match_index = raft.match_index,
                                 .answered_ms = raft.answered_ms > 0 ? raft.answered_ms : 0,
                                 .is_snapshotting = raft.is_snapshotting};
    return true;
}

void engine_journal(struct engine *engine, const struct journal_row *row)
{
    whole_check_row(engine->controller, row);
}

int engine_journal_read(struct engine *engine, uint32_t count, engine_journal_cb *cb, void *data)
{
    (void)engine;
    (void)count;
    (void)cb;
    (void)data;
    return ERR_OK;
}
