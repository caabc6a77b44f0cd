/* A small cluster for tests of the core: a policy drawn up in a few lines, facts by function call,
 * questions about orders and journal lines. */
#ifndef UNIT_CORE_FIXTURE_H
#define UNIT_CORE_FIXTURE_H

#include "orchestrator/base/text.h"
#include "orchestrator/core/core.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { DRAFT_MAX = 4, BENCH_START_MS = 1000000 };

struct draft_vip {
    const char *name, *address, *interface;
    int32_t service;
};

struct draft { /* a policy; what is not said is filled in by draft_core */
    int32_t nodes;
    const char *node_names[DRAFT_MAX], *node_addresses[DRAFT_MAX];
    int32_t services;
    const char *service_names[2];
    int32_t members[2][DRAFT_MAX]; /* nodes of each service, plus 1; 0 ends */
    enum run_mode run;
    bool can_restart, failback_auto;
    uint16_t observers;        /* that look at each check */
    uint32_t guarded_lease_ms; /* of all VIPs */
    int32_t vips;
    struct draft_vip vip[DRAFT_MAX];
};

/* web on n1 (priority 20) and n2 (10) with one address. */
static inline struct draft draft_pair(void)
{
    return (struct draft){.nodes = 2,
                          .node_names = {"n1", "n2", "n3", "n4"},
                          .node_addresses = {"10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4"},
                          .services = 1,
                          .service_names = {"web", "db"},
                          .members = {{1, 2}},
                          .vips = 1,
                          .vip = {{"front", "10.0.0.1", "eth0", 0}}};
}

static inline int32_t draft_members(const struct draft *draft)
{
    int32_t count = 0;
    for (int32_t s = 0; s < draft->services; s++)
        for (int32_t i = 0; i < DRAFT_MAX && draft->members[s][i] != 0; i++)
            count++;
    return count;
}

static inline void draft_service(const struct draft *draft, struct core *core, int32_t i,
                                 int32_t *member)
{
    struct service *s = core_service(core, i);
    text_copy(s->name, sizeof(s->name), draft->service_names[i]);
    s->run = (uint8_t)draft->run;
    s->can_restart = draft->can_restart;
    s->restart_timeout_ms = s->start_timeout_ms = s->stop_timeout_ms = 2000;
    s->restart_tries = 1;
    s->restart_budget = 2;
    s->restart_window_ms = 60000;
    s->restart_grace_ms = 4000;
    s->hold_down_ms = 5000;
    s->failback_auto = draft->failback_auto;
    s->failback_after_ms = 30000;
    s->moves_max = 2;
    s->moves_window_ms = 600000;
    s->member_first = *member;
    for (int32_t n = 0; n < DRAFT_MAX && draft->members[i][n] != 0; n++) {
        struct member *m = core_member(core, *member);
        struct check *check = core_check(core, *member);
        m->service = i;
        m->node = draft->members[i][n] - 1;
        m->priority = 10 * (DRAFT_MAX - n);
        text_format(check->id, ID_SIZE, "%s/%s/http", s->name, draft->node_names[m->node]);
        text_copy(check->name, NAME_SIZE, "http");
        check->failover = true;
        check->observers = draft->observers;
        check->target = (*member)++;
        s->member_count++;
    }
}

/* The policy as a core, with `spare` checks and `retired` VIPs more than it needs. malloc'ed. */
static inline struct core *draft_core(const struct draft *draft, uint32_t spare, uint32_t retired)
{
    struct core_shape shape = {.nodes = (uint32_t)draft->nodes,
                               .services = (uint32_t)draft->services,
                               .members = (uint32_t)draft_members(draft),
                               .checks = (uint32_t)draft_members(draft) + spare,
                               .vips = (uint32_t)draft->vips + retired};
    struct core *core = core_init(malloc(core_size(&shape)), &shape);
    int32_t member = 0;
    for (int32_t i = 0; i < draft->nodes; i++) {
        text_copy(core_node(core, i)->name, NAME_SIZE, draft->node_names[i]);
        text_copy(core_node(core, i)->address, TEXT_SIZE, draft->node_addresses[i]);
    }
    for (int32_t i = 0; i < draft->services; i++)
        draft_service(draft, core, i, &member);
    for (int32_t i = 0; i < draft->vips; i++) {
        struct vip *vip = core_vip(core, i);
        text_copy(vip->name, sizeof(vip->name), draft->vip[i].name);
        text_copy(vip->address, sizeof(vip->address), draft->vip[i].address);
        text_copy(vip->interface, sizeof(vip->interface), draft->vip[i].interface);
        vip->service = draft->vip[i].service;
        vip->lease_ms = 3000;
        vip->guarded_lease_ms = draft->guarded_lease_ms;
    }
    return core;
}

struct bench {
    struct core *core;
    struct effects effects; /* of the last fact */
    uint64_t index, term;
    int64_t at_ms; /* of the next fact */
    char refusal[LINE_SIZE];
};

/* Adopt the policy. False: it was refused; the old one stays. */
static inline bool bench_adopt(struct bench *b, const struct draft *draft)
{
    struct core *sized = draft_core(draft, 0, 0);
    struct core *fresh = draft_core(draft, 0, core_retiring(b->core, sized));
    fresh->term = b->term;
    free(sized);
    bool is_adopted = core_adopt(fresh, b->core, ++b->index, b->at_ms, 0, &b->effects, b->refusal);
    free(is_adopted ? b->core : fresh);
    if (is_adopted)
        b->core = fresh;
    return is_adopted;
}

static inline void bench_take(struct bench *b, struct fact fact)
{
    fact.index = ++b->index;
    fact.term = b->term;
    fact.at_ms = b->at_ms;
    core_step(b->core, &fact, &b->effects);
}

static inline void bench_leader(struct bench *b, uint32_t controller)
{
    b->term++;
    bench_take(b, (struct fact){.kind = FACT_LEADER, .leader = {controller, "c1"}});
}

static inline void bench_open(struct bench *b, const struct draft *draft)
{
    *b = (struct bench){.at_ms = BENCH_START_MS};
    ck_assert(bench_adopt(b, draft));
    bench_leader(b, 1);
}

static inline void bench_close(struct bench *b)
{
    free(b->core);
    b->core = NULL;
}

static inline void bench_wait(struct bench *b, int64_t ms)
{
    b->at_ms += ms;
    bench_take(b, (struct fact){.kind = FACT_TICK});
}

static inline void bench_say(struct bench *b, uint32_t controller, uint32_t check, enum state state)
{
    struct opinion_change change = {
        .check = check, .state = state, .text = state == STATE_OK ? "fine" : "refused"};
    bench_take(b, (struct fact){.kind = FACT_OPINIONS,
                                .opinions = {controller, b->core->policy_index, &change, 1}});
}

/* What the observers say of a check, by their newest answers: so many of them OK, WARNING and
 * CRITICAL. All are sure of it but the doubters, who still think otherwise. */
struct crowd {
    uint32_t seers, silent;
    uint32_t ok, warning, critical;
    uint32_t doubters;  /* of those who say CRITICAL, or if nobody does, OK */
    uint32_t answers;   /* that the doubters have given together */
    enum state thought; /* by the doubters */
};

static inline struct census_change bench_census_change(uint32_t check, const struct crowd *crowd)
{
    uint32_t newest[] = {crowd->ok, crowd->warning, crowd->critical};
    enum state said = crowd->critical > 0 ? STATE_CRITICAL : STATE_OK;
    struct census_change change = {.check = check,
                                   .seers = crowd->seers,
                                   .silent = crowd->silent,
                                   .doubters = crowd->doubters};
    for (enum state s = STATE_OK; s <= STATE_CRITICAL; s++) {
        change.newest[s] = change.votes[s] = newest[s];
        change.answers[s] = SETTLED * newest[s];
    }
    if (crowd->doubters > 0) {
        change.votes[said] -= crowd->doubters;
        change.answers[said] = SETTLED * change.votes[said] + crowd->answers;
        if (crowd->thought != STATE_UNKNOWN)
            change.votes[crowd->thought] += crowd->doubters;
    }
    return change;
}

static inline void bench_census(struct bench *b, uint32_t check, struct crowd crowd)
{
    struct census_change change = bench_census_change(check, &crowd);
    bench_take(b,
               (struct fact){.kind = FACT_CENSUS, .census = {b->core->policy_index, &change, 1}});
}

/* What this controller sees of the check, and what it is like. */
static inline void bench_see(struct bench *b, uint32_t controller, uint32_t check, enum state state,
                             enum cause cause)
{
    struct opinion_change change = {
        .check = check, .state = state, .text = cause_name(cause), .cause = cause};
    bench_take(b, (struct fact){.kind = FACT_OPINIONS,
                                .opinions = {controller, b->core->policy_index, &change, 1}});
}

/* SSH of this controller to the node. */
static inline void bench_reach_from(struct bench *b, uint32_t controller, const char *node,
                                    bool is_up)
{
    bench_take(b, (struct fact){
                      .kind = FACT_REACH,
                      .reach = {controller, node, is_up, GUARD_UNTOLD, is_up ? "" : "silent", ""}});
}

static inline void bench_reach(struct bench *b, const char *node, bool is_up)
{
    bench_take(b, (struct fact){.kind = FACT_REACH,
                                .reach = {b->core->leader, node, is_up, GUARD_UNTOLD,
                                          is_up ? "" : "silent", ""}});
}

/* What can guard addresses on a node that can be worked on. */
static inline void bench_guard(struct bench *b, const char *node, enum guard guard)
{
    bench_take(b, (struct fact){.kind = FACT_REACH,
                                .reach = {b->core->leader, node, true, (uint8_t)guard, "", ""}});
}

/* The files "freeze" on a controller and on a node; "": they are not there. */
static inline void bench_freeze(struct bench *b, uint32_t controller, const char *text)
{
    bench_take(b, (struct fact){.kind = FACT_FREEZE, .freeze = {controller, text}});
}

static inline void bench_freeze_node(struct bench *b, const char *node, const char *text)
{
    bench_take(b, (struct fact){.kind = FACT_REACH,
                                .reach = {b->core->leader, node, true, GUARD_UNTOLD, "", text}});
}

/* The newest answers of a controller whose opinion is `state` say something else. */
static inline void bench_doubt(struct bench *b, uint32_t controller, uint32_t check,
                               enum state state, enum state suspect, uint32_t attempts)
{
    struct opinion_change change = {.check = check,
                                    .state = state,
                                    .text = "refused",
                                    .suspect = suspect,
                                    .attempts = attempts,
                                    .cause = CAUSE_REFUSED};
    bench_take(b, (struct fact){.kind = FACT_OPINIONS,
                                .opinions = {controller, b->core->policy_index, &change, 1}});
}

/* The controllers are c1 to c<count>; a small letter is one without a vote, '-' a free seat, 'W' a
 * witness: "VVV", "VVW", "VVVv". */
static inline void bench_board(struct bench *b, const char *board)
{
    static const char *const names[] = {"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"};
    struct seat seats[CONTROLLERS_MAX];
    for (size_t i = 0; i < CONTROLLERS_MAX; i++) {
        char kind = i < strlen(board) ? board[i] : '-';
        seats[i] = (struct seat){.is_taken = kind != '-',
                                 .looks = kind != '-' && kind != 'W',
                                 .votes = kind == 'V',
                                 .name = names[i]};
    }
    bench_take(b, (struct fact){.kind = FACT_BOARD, .board = {seats}});
}

static inline void bench_presence(struct bench *b, uint32_t controller, bool is_there, uint64_t run)
{
    bench_take(b, (struct fact){.kind = FACT_PRESENCE,
                                .presence = {.controller = controller,
                                             .is_there = is_there,
                                             .run = run,
                                             .rules = 1,
                                             .text = ""}});
}

static inline void bench_ask(struct bench *b, enum verb verb, const char *service, const char *node)
{
    bench_take(b, (struct fact){.kind = FACT_REQUEST,
                                .request = {verb, service, node, "ann", "because", 0}});
}

/* A pause, or maintenance of a node, that ends by itself. */
static inline void bench_ask_for(struct bench *b, enum verb verb, const char *node, int64_t for_ms)
{
    bench_take(b, (struct fact){.kind = FACT_REQUEST,
                                .request = {verb, "", node, "ann", "because", for_ms}});
}

static inline void bench_sight(struct bench *b, uint32_t controller, bool sees)
{
    bench_take(b, (struct fact){.kind = FACT_SIGHT, .sight = {controller, sees, "no uplink"}});
}

static inline void bench_calm(struct bench *b, uint32_t controller, bool is_calm)
{
    bench_take(b, (struct fact){.kind = FACT_CALM, .calm = {controller, is_calm, "slow timer"}});
}

static inline void bench_tell(struct bench *b, enum order_kind kind, uint64_t order,
                              const char *object, const char *node, enum order_result result)
{
    bench_take(
        b, (struct fact){.kind = FACT_OUTCOME, .outcome = {kind, order, object, node, result, ""}});
}

/* ---- orders */

struct bench_orders {
    struct order list[64];
    uint32_t count;
};

static inline void bench_collect(void *data, const struct order *order)
{
    struct bench_orders *orders = data;
    ck_assert_uint_lt(orders->count, 64);
    orders->list[orders->count++] = *order;
}

static inline struct bench_orders bench_orders(const struct bench *b)
{
    struct bench_orders orders = {.count = 0};
    core_orders(b->core, bench_collect, &orders);
    return orders;
}

/* The id of the order of this kind on this node, or 0. */
static inline uint64_t bench_order(const struct bench *b, enum order_kind kind, const char *node)
{
    struct bench_orders orders = bench_orders(b);
    for (uint32_t i = 0; i < orders.count; i++)
        if (orders.list[i].kind == kind &&
            strcmp(core_node(b->core, orders.list[i].node)->name, node) == 0)
            return orders.list[i].id;
    return 0;
}

/* How the open order of this kind on this node ended; fails if there is none. */
static inline void bench_end(struct bench *b, enum order_kind kind, const char *node,
                             enum order_result result)
{
    struct bench_orders orders = bench_orders(b);
    for (uint32_t i = 0; i < orders.count; i++) {
        const struct order *o = &orders.list[i];
        if (o->kind != kind || strcmp(core_node(b->core, o->node)->name, node) != 0)
            continue;
        const char *object = o->vip != NONE ? core_vip(b->core, o->vip)->name
                                            : core_service(b->core, o->service)->name;
        bench_tell(b, kind, o->id, object, node, result);
        return;
    }
    ck_abort_msg("no %s order is owed on %s", order_kind_name(kind), node);
}

static inline void bench_done(struct bench *b, enum order_kind kind, const char *node)
{
    bench_end(b, kind, node, RESULT_DONE);
}

/* ---- what is told */

static inline bool bench_told(const struct bench *b, enum event event, const char *text)
{
    for (uint32_t i = 0; i < b->effects.count; i++)
        if (b->effects.lines[i].event == event && strstr(b->effects.lines[i].text, text) != NULL)
            return true;
    return false;
}

static inline const char *bench_active(const struct bench *b)
{
    int32_t active = core_service(b->core, 0)->active;
    return active == NONE ? "" : core_node(b->core, core_member(b->core, active)->node)->name;
}

static inline enum rule bench_rule(const struct bench *b)
{
    return (enum rule)core_service(b->core, 0)->rule;
}

/* Everything works and the address is held by n1; long ago, so that nothing holds back. */
static inline void bench_settle(struct bench *b)
{
    for (int32_t i = 0; i < core_check_count(b->core); i++)
        bench_say(b, 1, (uint32_t)i, STATE_OK);
    for (int32_t i = 0; i < core_node_count(b->core); i++)
        bench_reach(b, core_node(b->core, i)->name, true);
    if (bench_order(b, ORDER_START, "n1") != 0)
        bench_done(b, ORDER_START, "n1");
    for (int32_t i = 0; i < core_vip_count(b->core); i++)
        if (core_vip(b->core, i)->phase == VIP_GRANTED)
            bench_tell(b, ORDER_HOLD, core_vip(b->core, i)->order, core_vip(b->core, i)->name,
                       core_node(b->core, core_vip(b->core, i)->holder)->name, RESULT_DONE);
    ck_assert_str_eq(bench_active(b), "n1");
    ck_assert_int_eq(core_service(b->core, 0)->phase, PHASE_STEADY);
    bench_wait(b, 700000);
}

#endif
