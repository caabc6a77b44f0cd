/* The future is a list of inputs with their times: what was wished for, outcomes of the orders that
 * the state owes, and ticks when it asks for them. */
#include "orchestrator/core/forecast.h"

enum {
    STEPS_MAX = 1000,
    ORDERS_MAX = 64, /* outcomes on their way at once; more wait for the next round */
    REACH_LOST_MS = 500,
    SILENT_MS = 1000,  /* checks of a silent node: their timeout */
    ANSWER_MS = 20,    /* of a lease shell */
    COMMAND_MS = 1000, /* start, stop, restart; nobody knows how long they need */
    LOOK_MS = 1000,    /* until checks see that something works */
    UNREACHABLE_MS = 2000,
    HORIZON_MS = 15 * 60 * 1000,
};

struct future { /* of one order */
    uint64_t id;
    enum order_kind kind;
    int32_t node, service, vip;
    int64_t due_ms;
    bool is_told;
};

struct play {
    struct core *core;
    const struct forecast *forecast;
    struct effects *effects;
    forecast_line_fn *on_line;
    void *data;
    int64_t start_ms;
    struct future futures[ORDERS_MAX];
    uint32_t count;
    int32_t works_service, works_node; /* what begins to work */
    int64_t works_ms;
};

static void take(struct play *p, struct fact fact)
{
    struct core *core = p->core;
    fact.index = core->index + 1;
    fact.term = core->term;
    fact.wall_ms = core->wall_ms;
    if (fact.at_ms < core->at_ms)
        fact.at_ms = core->at_ms;
    core_step(core, &fact, p->effects);
    for (uint32_t i = 0; i < p->effects->count; i++)
        p->on_line(p->data, core->at_ms - p->start_ms, &p->effects->lines[i]);
}

/* ---------------------------------------------------------------- what is wished for */

static bool has_wish(const struct play *p, enum forecast_kind kind, int32_t service, int32_t node)
{
    for (uint32_t i = 0; i < p->forecast->count; i++) {
        const struct forecast_wish *w = &p->forecast->wishes[i];
        if (w->kind == kind && w->node == node && (service == NONE || w->service == service))
            return true;
    }
    return false;
}

/* Everybody who looks at this check finds the same. */
static void say(struct play *p, int32_t check, enum state state, enum cause cause, int64_t at_ms)
{
    struct core *core = p->core;
    struct opinion_change change = {.check = (uint32_t)check,
                                    .state = state,
                                    .text = state == STATE_OK ? "it works" : "it fails",
                                    .cause = cause};
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (core_check(core, check)->opinions[seat - 1].is_known)
            take(p, (struct fact){.kind = FACT_OPINIONS,
                                  .at_ms = at_ms,
                                  .opinions = {seat, core->policy_index, &change, 1}});
    struct census_change census = {.check = (uint32_t)check,
                                   .seers = core_check(core, check)->census.seers};
    census.votes[state] = census.newest[state] = census.seers;
    census.answers[state] = census.seers * SETTLED;
    if (census.seers > 0)
        take(p, (struct fact){.kind = FACT_CENSUS,
                              .at_ms = at_ms,
                              .census = {core->policy_index, &census, 1}});
}

static void say_of_member(struct play *p, int32_t service, int32_t node, enum state state,
                          int64_t at_ms)
{
    struct core *core = p->core;
    for (int32_t i = 0; i < core_check_count(core); i++) {
        const struct check *check = core_check(core, i);
        const struct member *m =
            check->scope == SCOPE_MEMBER ? core_member(core, check->target) : NULL;
        if (m != NULL && m->service == service && m->node == node)
            say(p, i, state, state == STATE_OK ? CAUSE_NONE : CAUSE_WRONG, at_ms);
    }
}

static void silence(struct play *p, int32_t node)
{
    struct core *core = p->core;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (core_node(core, node)->reach_by[seat - 1] == REACH_UP)
            take(p, (struct fact){.kind = FACT_REACH,
                                  .at_ms = p->start_ms + REACH_LOST_MS,
                                  .reach = {seat, core_node(core, node)->name, false, GUARD_UNTOLD,
                                            "it does not answer any more", ""}});
    for (int32_t i = 0; i < core_check_count(core); i++) {
        const struct check *check = core_check(core, i);
        bool is_its =
            (check->scope == SCOPE_NODE && check->target == node) ||
            (check->scope == SCOPE_MEMBER && core_member(core, check->target)->node == node);
        if (is_its)
            say(p, i, STATE_CRITICAL, CAUSE_SILENT, p->start_ms + SILENT_MS);
    }
}

static void ask(struct play *p, enum verb verb, int32_t service, int32_t node)
{
    const char *service_name = service == NONE ? "" : core_service(p->core, service)->name;
    const char *node_name = node == NONE ? "" : core_node(p->core, node)->name;
    take(p, (struct fact){.kind = FACT_REQUEST,
                          .at_ms = p->start_ms,
                          .request = {verb, service_name, node_name, "you", ""}});
}

/* In the order of their times: what operators ask for, what fails, what falls silent. */
static void begin(struct play *p)
{
    const struct forecast *f = p->forecast;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->wishes[i].kind == FORECAST_MAINTENANCE)
            ask(p, VERB_MAINTENANCE_ON, NONE, f->wishes[i].node);
        else if (f->wishes[i].kind == FORECAST_FAILOVER)
            ask(p, VERB_FAILOVER, f->wishes[i].service, f->wishes[i].node);
    for (uint32_t i = 0; i < f->count; i++)
        if (f->wishes[i].kind == FORECAST_FAIL && f->wishes[i].node != NONE)
            say_of_member(p, f->wishes[i].service, f->wishes[i].node, STATE_CRITICAL, p->start_ms);
    for (uint32_t i = 0; i < f->count; i++)
        if (f->wishes[i].kind == FORECAST_DOWN)
            silence(p, f->wishes[i].node);
}

/* ---------------------------------------------------------------- what is ordered */

static bool is_silent(const struct play *p, int32_t node)
{
    return has_wish(p, FORECAST_DOWN, NONE, node) || core_node(p->core, node)->reach == REACH_DOWN;
}

static int64_t due_ms(const struct play *p, const struct order *order)
{
    int64_t now_ms = p->core->at_ms;
    if (is_silent(p, order->node) && order->kind == ORDER_RELEASE) {
        int64_t end_ms = p->start_ms + core_vip(p->core, order->vip)->wait_ms;
        return end_ms > now_ms ? end_ms : now_ms;
    }
    if (is_silent(p, order->node))
        return now_ms + UNREACHABLE_MS;
    return now_ms + (order->vip != NONE ? ANSWER_MS : COMMAND_MS);
}

static void note_order(void *data, const struct order *order)
{
    struct play *p = data;
    bool is_held = order->kind == ORDER_HOLD && !order->acquire;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct future *f = &p->futures[i];
        if (f->id == order->id && f->kind == order->kind && f->node == order->node &&
            f->vip == order->vip && f->service == order->service)
            return;
    }
    uint32_t at = p->count;
    for (uint32_t i = 0; at == ORDERS_MAX && i < ORDERS_MAX; i++)
        if (p->futures[i].is_told)
            at = i;
    if (is_held || at == ORDERS_MAX)
        return;
    p->futures[at] = (struct future){.id = order->id,
                                     .kind = order->kind,
                                     .node = order->node,
                                     .service = order->service,
                                     .vip = order->vip,
                                     .due_ms = due_ms(p, order)};
    if (at == p->count)
        p->count++;
}

static enum order_result result_of(const struct play *p, const struct future *f)
{
    if (is_silent(p, f->node))
        return f->kind == ORDER_RELEASE ? RESULT_ENDED : RESULT_UNREACHABLE;
    bool is_stuck = f->vip == NONE && has_wish(p, FORECAST_STUCK, NONE, f->node);
    return is_stuck ? RESULT_FAILED : RESULT_DONE;
}

static const char *text_of(enum order_result result)
{
    return result == RESULT_FAILED        ? "exit 1"
           : result == RESULT_UNREACHABLE ? "it cannot be reached"
                                          : "";
}

static void tell(struct play *p, struct future *f)
{
    enum order_result result = result_of(p, f);
    const char *object =
        f->vip != NONE ? core_vip(p->core, f->vip)->name : core_service(p->core, f->service)->name;
    bool starts =
        f->kind == ORDER_START || (f->kind == ORDER_RESTART && p->forecast->restart_helps);
    f->is_told = true;
    take(p, (struct fact){.kind = FACT_OUTCOME,
                          .at_ms = f->due_ms,
                          .outcome = {f->kind, f->id, object, core_node(p->core, f->node)->name,
                                      result, text_of(result)}});
    if (starts && result == RESULT_DONE) {
        p->works_service = f->service;
        p->works_node = f->node;
        p->works_ms = p->core->at_ms + LOOK_MS;
    }
}

/* ---------------------------------------------------------------- the play */

static struct future *next_future(struct play *p)
{
    struct future *next = NULL;
    for (uint32_t i = 0; i < p->count; i++)
        if (!p->futures[i].is_told && (next == NULL || p->futures[i].due_ms < next->due_ms))
            next = &p->futures[i];
    return next;
}

/* One input. False: none comes any more. */
static bool advance(struct play *p)
{
    core_orders(p->core, note_order, p);
    struct future *future = next_future(p);
    int64_t outcome_ms = future == NULL ? NEVER_MS : future->due_ms;
    int64_t works_ms = p->works_service == NONE ? NEVER_MS : p->works_ms;
    int64_t tick_ms = core_next_deadline(p->core);
    int64_t next_ms = outcome_ms < works_ms ? outcome_ms : works_ms;
    next_ms = tick_ms < next_ms ? tick_ms : next_ms;
    if (next_ms > p->start_ms + HORIZON_MS)
        return false;
    if (next_ms == outcome_ms) {
        tell(p, future);
    } else if (next_ms == works_ms) {
        int32_t service = p->works_service;
        p->works_service = NONE;
        if (!has_wish(p, FORECAST_FAIL, service, p->works_node) || p->forecast->restart_helps)
            say_of_member(p, service, p->works_node, STATE_OK, works_ms);
    } else {
        take(p, (struct fact){.kind = FACT_TICK, .at_ms = next_ms});
    }
    return true;
}

bool forecast_play(struct core *copy, const struct forecast *forecast, struct effects *effects,
                   forecast_line_fn *on_line, void *data)
{
    struct play p = {.core = copy,
                     .forecast = forecast,
                     .effects = effects,
                     .on_line = on_line,
                     .data = data,
                     .start_ms = copy->at_ms,
                     .works_service = NONE};
    begin(&p);
    for (int step = 0; step < STEPS_MAX; step++)
        if (!advance(&p))
            return true;
    return false;
}
