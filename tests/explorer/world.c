/* The world: its first state, and what can happen in it next. */
#include "tests/explorer/world.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/core/stale.h"

#include <string.h>

static struct core_shape shape_of(const struct plan *plan)
{
    return (struct core_shape){.nodes = (uint32_t)plan->nodes,
                               .services = 1,
                               .members = (uint32_t)plan->nodes,
                               .checks = (uint32_t)plan->nodes,
                               .vips = (uint32_t)plan->vips};
}

static size_t core_at(void)
{
    return (sizeof(struct world) + 15) / 16 * 16;
}

size_t world_size(const struct plan *plan)
{
    struct core_shape shape = shape_of(plan);
    return core_at() + core_size(&shape);
}

struct system world_system(void *block, const struct plan *plan)
{
    (void)plan;
    return (struct system){.world = block,
                           .core = (struct core *)(void *)((char *)block + core_at())};
}

static void fill_service(struct service *s, const struct plan *plan)
{
    text_copy(s->name, sizeof(s->name), "web");
    s->run = (uint8_t)plan->run;
    s->can_restart = plan->can_restart;
    s->restart_timeout_ms = s->start_timeout_ms = s->stop_timeout_ms = 1000;
    s->restart_tries = 1;
    s->restart_budget = 1;
    s->restart_window_ms = 60000;
    s->restart_grace_ms = 2000;
    s->hold_down_ms = 5000;
    s->failback_auto = plan->failback_auto;
    s->failback_after_ms = 6000;
    s->moves_max = 2;
    s->moves_window_ms = 70000;
    s->member_first = 0;
    s->member_count = plan->nodes;
}

void world_init(struct system sys, const struct plan *plan, struct effects *effects)
{
    struct core_shape shape = shape_of(plan);
    struct core *core = core_init(sys.core, &shape);
    memset(sys.world, 0, sizeof(*sys.world));
    core->rules = plan->may & MAY_COUNT ? core_rules_max : 1;
    fill_service(core_service(core, 0), plan);
    for (int32_t i = 0; i < plan->nodes; i++) {
        struct member *m = core_member(core, i);
        struct check *check = core_check(core, i);
        text_format(core_node(core, i)->name, NAME_SIZE, "n%d", i + 1);
        m->node = i;
        m->priority = (int32_t)(10 * (plan->nodes - i));
        text_format(check->id, ID_SIZE, "web/n%d/c", i + 1);
        text_copy(check->name, NAME_SIZE, "c");
        check->failover = true;
        check->target = i;
        check->fall = check->rise = plan->may & MAY_COUNT ? 2 : 0;
        check->observers = plan->may & MAY_COUNT ? 2 : 0;
    }
    for (int32_t i = 0; i < plan->vips; i++) {
        struct vip *vip = core_vip(core, i);
        text_format(vip->name, NAME_SIZE, "v%d", i + 1);
        text_format(vip->address, ADDRESS_SIZE, "10.%d", i + 1);
        vip->service = 0;
        vip->lease_ms = 1000;
    }
    stale_link(core);
    core->at_ms = WORLD_START_MS;
    core->index = WORLD_ORDER;
    core->term = core->leader = 1;
    text_copy(core->leader_name, sizeof(core->leader_name), "c1");
    act_tick(sys, core->at_ms, effects);
    sys.world->accidents = plan->accidents;
    sys.world->runs[0] = plan->run == RUN_ACTIVE;
}

static void collect(void *data, const struct order *order)
{
    struct owed *owed = data;
    PRE(owed->count < ORDERS_MAX);
    owed->orders[owed->count++] = *order;
}

void world_owed(const struct core *core, struct owed *owed)
{
    owed->count = 0;
    core_orders(core, collect, owed);
}

/* ---------------------------------------------------------------- what can happen */

struct menu {
    struct action *actions;
    uint32_t count;
    uint32_t accidents; /* left */
};

static void add(struct menu *menu, enum act act, int32_t a, int32_t b, int32_t c)
{
    PRE(menu->count < ACTIONS_MAX);
    menu->actions[menu->count++] =
        (struct action){.act = (uint8_t)act, .a = (uint8_t)a, .b = (uint8_t)b, .c = (uint8_t)c};
}

/* What is an accident costs one; act_do counts it by the mark. */
static void add_accident(struct menu *menu, enum act act, int32_t a, int32_t b, int32_t c)
{
    if (menu->accidents == 0)
        return;
    add(menu, act, a, b, c);
    menu->actions[menu->count - 1].is_accident = true;
}

static void add_toggle(struct menu *menu, bool is_on, enum act act, int32_t a)
{
    if (is_on)
        add(menu, act, a, 0, 0); /* healing is free */
    else
        add_accident(menu, act, a, 0, 0);
}

static void add_opinions(struct menu *menu, const struct core *core, const struct plan *plan,
                         int32_t check)
{
    for (int32_t c = 0; c < plan->controllers; c++) {
        const struct opinion *opinion = &core_check(core, check)->opinions[c];
        bool is_ok = opinion->is_known && opinion->state == STATE_OK;
        if (!is_ok)
            add(menu, ACT_OPINION, check, c, STATE_OK);
        if (!opinion->is_known || opinion->state != STATE_CRITICAL)
            add_accident(menu, ACT_OPINION, check, c, STATE_CRITICAL);
        if ((plan->may & MAY_DOUBT) && (!opinion->is_known || opinion->state != STATE_UNKNOWN))
            add_accident(menu, ACT_OPINION, check, c, STATE_UNKNOWN);
    }
}

static void add_crowds(struct menu *menu, const struct core *core, int32_t check)
{
    for (enum crowd crowd = CROWD_AWAY; crowd < CROWD_COUNT; crowd++) {
        if (act_is_said(core, (uint32_t)check, crowd))
            continue;
        if (crowd == CROWD_OK)
            add(menu, ACT_CENSUS, check, 0, crowd);
        else
            add_accident(menu, ACT_CENSUS, check, 0, crowd);
    }
}

/* The outcome of this order is under way already; once more would be a repeat. */
static bool is_told(const struct world *world, const struct order *o)
{
    for (uint32_t i = 0; i < world->note_count; i++)
        if (world->notes[i].order == o->id && world->notes[i].kind == (uint8_t)o->kind &&
            world->notes[i].node == o->node && (o->vip == NONE || world->notes[i].object == o->vip))
            return true;
    return false;
}

/* Is there nothing that the actor could do at once? Then time goes on without an accident. */
static bool is_idle(struct system sys)
{
    struct owed owed;
    world_owed(sys.core, &owed);
    for (uint32_t i = 0; i < owed.count; i++) {
        const struct order *o = &owed.orders[i];
        bool is_extension = o->kind == ORDER_HOLD && !o->acquire;
        if (!is_extension && !is_told(sys.world, o))
            return false;
    }
    return sys.world->note_count == 0;
}

static void add_facts(struct menu *menu, struct system sys, const struct plan *plan)
{
    const struct core *core = sys.core;
    bool is_due = core_next_deadline(core) != NEVER_MS;
    add_toggle(menu, is_idle(sys), is_due ? ACT_TICK : ACT_LATER, 0);
    for (int32_t i = 0; i < plan->nodes; i++) {
        add_opinions(menu, core, plan, i);
        if (plan->may & MAY_COUNT)
            add_crowds(menu, core, i);
        if (core_node(core, i)->reach != (sys.world->is_cut[i] ? REACH_DOWN : REACH_UP))
            add(menu, ACT_REACH, i, 0, 0);
        if (plan->may & MAY_CUT)
            add_toggle(menu, sys.world->is_cut[i], ACT_CUT, i);
        if (plan->may & MAY_MAINTAIN)
            add_toggle(menu, core_node(core, i)->in_maintenance, ACT_MAINTAIN, i);
        if (plan->may & MAY_FAILOVER)
            add_accident(menu, ACT_FAILOVER, i, 0, 0);
    }
    if (plan->may & MAY_PAUSE)
        add_toggle(menu, core->is_paused, ACT_PAUSE, 0);
    if (plan->may & MAY_LEAD)
        add_accident(menu, ACT_LEAD, 0, 0, 0);
    if (plan->may & MAY_LAG)
        add_toggle(menu, core->controllers[core->leader - 1].is_not_calm, ACT_LAG, 0);
}

static void add_order(struct menu *menu, struct system sys, const struct plan *plan,
                      const struct order *o, int32_t i)
{
    bool is_cut = sys.world->is_cut[o->node];
    if (o->kind == ORDER_HOLD && !o->acquire) { /* extended all the time; told when it is gone */
        if (!is_cut && !sys.world->holds[o->node][o->vip])
            add(menu, ACT_CARRY, i, 0, RESULT_DONE);
        return;
    }
    if (is_cut) {
        add(menu, ACT_FAIL, i, 0, RESULT_UNREACHABLE);
        if (o->kind == ORDER_RELEASE)
            add(menu, ACT_END, i, 0, 0);
        return;
    }
    add(menu, ACT_CARRY, i, 0, RESULT_DONE);
    if (plan->may & MAY_FAIL) {
        if (o->kind != ORDER_RELEASE)
            add_accident(menu, ACT_FAIL, i, 0, RESULT_FAILED);
        add_accident(menu, ACT_CARRY, i, 0, RESULT_UNKNOWN);
    }
    if (o->kind == ORDER_HOLD && (plan->may & MAY_DELAY))
        add_accident(menu, ACT_DELAY, i, 0, 0);
}

static void add_orders(struct menu *menu, struct system sys, const struct plan *plan)
{
    struct owed owed;
    world_owed(sys.core, &owed);
    for (uint32_t i = 0; i < owed.count; i++)
        if (!is_told(sys.world, &owed.orders[i]))
            add_order(menu, sys, plan, &owed.orders[i], (int32_t)i);
}

static void add_accidents(struct menu *menu, struct system sys, const struct plan *plan)
{
    const struct world *world = sys.world;
    for (int32_t n = 0; n < plan->nodes; n++) {
        for (int32_t v = 0; v < plan->vips; v++) {
            if (world->late[n][v] != 0)
                add(menu, ACT_ARRIVE, n, v, 0);
            if (world->holds[n][v] && world->is_cut[n])
                add(menu, ACT_EXPIRE, n, v, 0);
            else if (world->holds[n][v] && (plan->may & MAY_LOSE))
                add_accident(menu, ACT_REMOVE, n, v, 0);
        }
    }
    for (uint32_t i = 0; i < world->note_count; i++) {
        add(menu, ACT_DELIVER, (int32_t)i, 0, 0);
        if ((plan->may & MAY_REPEAT) && !world->notes[i].is_repeated)
            add_accident(menu, ACT_REPEAT, (int32_t)i, 0, 0);
    }
    if (world->note_count > 0)
        add_accident(menu, ACT_FORGET, 0, 0, 0);
}

uint32_t world_actions(struct system sys, const struct plan *plan,
                       struct action actions[ACTIONS_MAX])
{
    struct menu menu = {.actions = actions, .accidents = sys.world->accidents};
    add_facts(&menu, sys, plan);
    add_orders(&menu, sys, plan);
    add_accidents(&menu, sys, plan);
    return menu.count;
}
