/* What happens: facts for the core, and what they and the orders do to the world. */
#include "tests/explorer/world.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"

#include <stdio.h>
#include <string.h>

enum { LONG_MS = 100000 };

static struct fact fact_of(struct system sys, enum fact_kind kind)
{
    return (struct fact){.kind = kind,
                         .index = sys.core->index + 1,
                         .term = sys.core->term,
                         .at_ms = sys.core->at_ms};
}

/* ---------------------------------------------------------------- counting what the core spends */

static void spend(struct spent *spent, int64_t at_ms)
{
    memmove(&spent->at_ms[1], &spent->at_ms[0], sizeof(spent->at_ms) - sizeof(int64_t));
    spent->at_ms[0] = at_ms;
    if (spent->count < WORLD_SPENT)
        spent->count++;
}

static void feed(struct system sys, const struct fact *fact, struct effects *effects)
{
    struct core *core = sys.core;
    struct service *s = core_service(core, 0);
    uint64_t restarts[WORLD_NODES];
    uint8_t phase = s->phase;
    for (int32_t i = 0; i < core_member_count(core); i++)
        restarts[i] = core_member(core, i)->order;
    core_step(core, fact, effects);
    if (phase == PHASE_STEADY && s->order == fact->index && s->target != NONE &&
        (s->cause == RULE_MOVE || s->cause == RULE_OUT_OF_REACH || s->cause == RULE_FAILBACK))
        spend(&sys.world->moves, core->at_ms);
    for (int32_t i = 0; i < core_member_count(core); i++)
        if (core_member(core, i)->order != restarts[i])
            spend(&sys.world->restarts[i], core->at_ms);
}

/* ---------------------------------------------------------------- facts */

void act_tick(struct system sys, int64_t at_ms, struct effects *effects)
{
    struct fact fact = fact_of(sys, FACT_TICK);
    fact.at_ms = at_ms;
    feed(sys, &fact, effects);
}

void act_opinion(struct system sys, uint32_t controller, uint32_t check, enum state state,
                 struct effects *effects)
{
    struct opinion_change change = {.check = check, .state = state, .text = ""};
    struct fact fact = fact_of(sys, FACT_OPINIONS);
    fact.opinions.controller = controller;
    fact.opinions.policy_index = sys.core->policy_index;
    fact.opinions.changes = &change;
    fact.opinions.count = 1;
    feed(sys, &fact, effects);
}

static const struct census_change crowds[CROWD_COUNT] = {
    [CROWD_SILENT] = {.seers = 2, .silent = 2},
    [CROWD_OK] = {.seers = 2, .votes = {2}, .newest = {2}, .answers = {2 * SETTLED}},
    [CROWD_DOUBT] =
        {.seers = 2, .doubters = 2, .votes = {2}, .newest = {0, 0, 2}, .answers = {0, 0, 2}},
    [CROWD_CRITICAL] = {.seers = 2,
                        .votes = {0, 0, 2},
                        .newest = {0, 0, 2},
                        .answers = {0, 0, 2 * SETTLED}},
};

void act_census(struct system sys, uint32_t check, enum crowd crowd, struct effects *effects)
{
    struct census_change change = crowds[crowd];
    struct fact fact = fact_of(sys, FACT_CENSUS);
    change.check = check;
    fact.census.policy_index = sys.core->policy_index;
    fact.census.changes = &change;
    fact.census.count = 1;
    feed(sys, &fact, effects);
}

bool act_is_said(const struct core *core, uint32_t check, enum crowd crowd)
{
    const struct census *census = &core_check(core, (int32_t)check)->census;
    const struct census_change *said = &crowds[crowd];
    return census->seers == said->seers && census->silent == said->silent &&
           census->votes[STATE_OK] == said->votes[STATE_OK] && census->doubters == said->doubters;
}

void act_reach(struct system sys, int32_t node, bool is_up, struct effects *effects)
{
    struct fact fact = fact_of(sys, FACT_REACH);
    fact.reach.node = core_node(sys.core, node)->name;
    fact.reach.reachable = is_up;
    fact.reach.text = fact.reach.frozen = "";
    feed(sys, &fact, effects);
}

void act_request(struct system sys, enum verb verb, int32_t node, struct effects *effects)
{
    struct fact fact = fact_of(sys, FACT_REQUEST);
    fact.request.verb = verb;
    fact.request.service = "web";
    fact.request.node = core_node(sys.core, node)->name;
    fact.request.author = "ann";
    fact.request.reason = "";
    feed(sys, &fact, effects);
}

void act_calm(struct system sys, bool is_calm, struct effects *effects)
{
    struct fact fact = fact_of(sys, FACT_CALM);
    fact.calm.controller = sys.core->leader;
    fact.calm.calm = is_calm;
    fact.calm.reason = "";
    feed(sys, &fact, effects);
}

static void new_leader(struct system sys, struct effects *effects)
{
    struct fact fact = fact_of(sys, FACT_LEADER);
    fact.term++;
    fact.leader.controller = sys.core->leader;
    fact.leader.name = "c1";
    feed(sys, &fact, effects);
}

/* ---------------------------------------------------------------- orders */

static void send_note(struct system sys, const struct order *order, enum order_result result)
{
    struct world *world = sys.world;
    int32_t object = order->kind == ORDER_HOLD || order->kind == ORDER_RELEASE ? order->vip : 0;
    if (world->note_count == WORLD_NOTES) { /* the oldest is lost */
        memmove(&world->notes[0], &world->notes[1], (WORLD_NOTES - 1) * sizeof(world->notes[0]));
        world->note_count--;
    }
    world->notes[world->note_count++] = (struct note){.order = order->id,
                                                      .kind = (uint8_t)order->kind,
                                                      .result = (uint8_t)result,
                                                      .object = object,
                                                      .node = order->node};
}

/* The node does as it is told; the actor tells `result` of it. */
static void carry_out(struct system sys, const struct order *order, enum order_result result)
{
    struct world *world = sys.world;
    switch (order->kind) {
    case ORDER_HOLD:
        if (order->acquire)
            world->holds[order->node][order->vip] = true;
        else if (!world->holds[order->node][order->vip])
            result = RESULT_LOST; /* extending never creates */
        break;
    case ORDER_RELEASE:
        world->holds[order->node][order->vip] = false;
        world->late[order->node][order->vip] = 0;
        break;
    case ORDER_RESTART:
    case ORDER_START:
        world->runs[order->node] = true;
        break;
    case ORDER_STOP:
        world->runs[order->node] = false;
        break;
    }
    send_note(sys, order, result);
}

static void deliver(struct system sys, const struct note *note, struct effects *effects)
{
    struct fact fact = fact_of(sys, FACT_OUTCOME);
    bool is_vip = note->kind == ORDER_HOLD || note->kind == ORDER_RELEASE;
    fact.outcome.kind = (enum order_kind)note->kind;
    fact.outcome.order = note->order;
    fact.outcome.object = is_vip ? core_vip(sys.core, note->object)->name : "web";
    fact.outcome.node = core_node(sys.core, note->node)->name;
    fact.outcome.result = (enum order_result)note->result;
    fact.outcome.text = "";
    feed(sys, &fact, effects);
}

static void take_note(struct system sys, struct action action, struct effects *effects)
{
    struct world *world = sys.world;
    struct note note = world->notes[action.a];
    if (action.act == ACT_REPEAT) {
        world->notes[action.a].is_repeated = true;
    } else {
        world->note_count--;
        memmove(&world->notes[action.a], &world->notes[action.a + 1],
                (world->note_count - action.a) * sizeof(note));
    }
    deliver(sys, &note, effects);
}

static void arrive(struct world *world, struct action action)
{
    world->holds[action.a][action.b] = true;
    world->late[action.a][action.b] = 0;
}

/* A lease certainly ended: nothing under way can prolong it, since every line is dated. */
static void end_lease(struct world *world, int32_t node, int32_t vip)
{
    world->holds[node][vip] = false;
    world->late[node][vip] = 0;
}

static void do_order(struct system sys, struct action action)
{
    struct owed owed;
    world_owed(sys.core, &owed);
    PRE(action.a < owed.count);
    const struct order *order = &owed.orders[action.a];
    if (action.act == ACT_CARRY) {
        carry_out(sys, order, (enum order_result)action.c);
    } else if (action.act == ACT_DELAY) {
        sys.world->late[order->node][order->vip] = order->id;
    } else if (action.act == ACT_END) {
        end_lease(sys.world, order->node, order->vip);
        send_note(sys, order, RESULT_ENDED);
    } else {
        send_note(sys, order, (enum order_result)action.c);
    }
}

void act_do(struct system sys, const struct plan *plan, struct action action,
            struct effects *effects)
{
    struct core *core = sys.core;
    bool is_cut = action.a < plan->nodes && sys.world->is_cut[action.a];
    effects_clear(effects);
    if (action.is_accident)
        sys.world->accidents--;
    switch ((enum act)action.act) {
    case ACT_NONE:
        break;
    case ACT_TICK:
        act_tick(sys, core_next_deadline(core), effects);
        break;
    case ACT_LATER:
        act_tick(sys, core->at_ms + LONG_MS, effects);
        break;
    case ACT_OPINION:
        act_opinion(sys, action.b + 1U, action.a, (enum state)action.c, effects);
        break;
    case ACT_CENSUS:
        act_census(sys, action.a, (enum crowd)action.c, effects);
        break;
    case ACT_REACH:
        act_reach(sys, action.a, !is_cut, effects);
        break;
    case ACT_CUT:
        sys.world->is_cut[action.a] = !is_cut;
        break;
    case ACT_PAUSE:
        act_request(sys, core->is_paused ? VERB_RESUME : VERB_PAUSE, 0, effects);
        break;
    case ACT_MAINTAIN:
        act_request(sys,
                    core_node(core, action.a)->in_maintenance ? VERB_MAINTENANCE_OFF
                                                              : VERB_MAINTENANCE_ON,
                    action.a, effects);
        break;
    case ACT_FAILOVER:
        if (core_service(core, 0)->is_stop_failed) /* rule 16: the operator has stopped it */
            memset(sys.world->runs, 0, sizeof(sys.world->runs));
        act_request(sys, VERB_FAILOVER, action.a, effects);
        break;
    case ACT_LEAD:
        new_leader(sys, effects);
        break;
    case ACT_LAG:
        act_calm(sys, core->controllers[core->leader - 1].is_not_calm, effects);
        break;
    case ACT_CARRY:
    case ACT_FAIL:
    case ACT_DELAY:
    case ACT_END:
        do_order(sys, action);
        break;
    case ACT_ARRIVE:
        arrive(sys.world, action);
        break;
    case ACT_EXPIRE:
        sys.world->holds[action.a][action.b] = false;
        break;
    case ACT_REMOVE:
        sys.world->holds[action.a][action.b] = false;
        break;
    case ACT_DELIVER:
    case ACT_REPEAT:
        take_note(sys, action, effects);
        break;
    case ACT_FORGET:
        sys.world->note_count = 0;
        break;
    }
}

/* ---------------------------------------------------------------- for people */

static void tell_order(struct system sys, struct action action, const char *what, char *text,
                       size_t size)
{
    struct owed owed;
    world_owed(sys.core, &owed);
    const struct order *o = &owed.orders[action.a];
    const char *object = o->vip == NONE ? "web" : core_vip(sys.core, o->vip)->name;
    text_format(
        text, size, "%s: %s order %llu, %s on n%d, told as \"%s\"", what, order_kind_name(o->kind),
        (unsigned long long)o->id, object, o->node + 1,
        action.act == ACT_DELAY
            ? "nothing yet"
            : result_name(action.act == ACT_END ? RESULT_ENDED : (enum order_result)action.c));
}

void act_tell(struct system sys, struct action action, char *text, size_t size)
{
    static const char *const words[] = {"nothing",
                                        "time goes on to the next deadline",
                                        "a long time passes",
                                        "opinion",
                                        "census",
                                        "the actor tells whether it reaches",
                                        "the network to it is cut, or mended:",
                                        "pause, or resume",
                                        "maintenance begins, or ends, on",
                                        "an operator asks for a failover to",
                                        "a new leader",
                                        "the leader lags, or is calm again",
                                        "carried out",
                                        "not carried out",
                                        "under way",
                                        "arrives late",
                                        "lease certainly ended",
                                        "the lease runs out",
                                        "removed by hand",
                                        "outcome delivered",
                                        "outcome delivered, to come again",
                                        "the actor restarts"};
    static const char *const says[CROWD_COUNT] = {"do not look at", "have not seen yet", "find OK",
                                                  "begin to doubt", "find CRITICAL"};
    const char *what = words[action.act];
    if (action.act >= ACT_CARRY && action.act <= ACT_END && action.act != ACT_ARRIVE)
        tell_order(sys, action, what, text, size);
    else if (action.act == ACT_OPINION)
        text_format(text, size, "controller %d finds web on n%d %s", action.b + 1, action.a + 1,
                    state_name((enum state)action.c));
    else if (action.act == ACT_CENSUS)
        text_format(text, size, "the observers %s web on n%d", says[action.c], action.a + 1);
    else if (action.act == ACT_DELIVER || action.act == ACT_REPEAT)
        text_format(text, size, "%s: %s order %llu on n%d: %s", what,
                    order_kind_name((enum order_kind)sys.world->notes[action.a].kind),
                    (unsigned long long)sys.world->notes[action.a].order,
                    sys.world->notes[action.a].node + 1,
                    result_name((enum order_result)sys.world->notes[action.a].result));
    else if (action.act == ACT_ARRIVE || action.act == ACT_EXPIRE || action.act == ACT_REMOVE)
        text_format(text, size, "%s: v%d on n%d", what, action.b + 1, action.a + 1);
    else if (action.act == ACT_REACH || action.act == ACT_CUT || action.act == ACT_MAINTAIN ||
             action.act == ACT_FAILOVER)
        text_format(text, size, "%s n%d", what, action.a + 1);
    else
        text_format(text, size, "%s", what);
}
