/* What must never happen, by name. Each is computed from the world and the facts, not with the
 * functions of the core that are on trial. */
#include "tests/explorer/world.h"

#include "orchestrator/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void violate(struct violation *violation, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void violate(struct violation *violation, const char *name, const char *fmt, ...)
{
    if (violation->name != NULL)
        return; /* the first one counts */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(violation->text, sizeof(violation->text), fmt, ap);
    va_end(ap);
    violation->name = name;
}

/* ---------------------------------------------------------------- who holds what */

static void check_holders(struct system now, const struct plan *plan, struct violation *violation)
{
    for (int32_t v = 0; v < plan->vips; v++) {
        int32_t holders = 0;
        for (int32_t n = 0; n < plan->nodes; n++) {
            holders += now.world->holds[n][v];
            if (now.world->holds[n][v] && core_vip(now.core, v)->holder != n)
                violate(violation, "GRANT-FIRST", "n%d holds v%d, which is not granted to it",
                        n + 1, v + 1);
        }
        if (holders > 1)
            violate(violation, "ONE-HOLDER", "%d nodes hold v%d", holders, v + 1);
    }
}

/* The grant left a node: it must not hold the address, and nothing under way may give it one. */
static void check_wait_out(struct system before, struct system now, const struct plan *plan,
                           struct violation *violation)
{
    for (int32_t v = 0; v < plan->vips; v++) {
        int32_t old = core_vip(before.core, v)->holder;
        if (old == NONE || core_vip(now.core, v)->holder == old)
            continue;
        if (now.world->holds[old][v] || now.world->late[old][v] != 0)
            violate(violation, "WAIT-OUT", "v%d was taken from n%d, which may still hold it", v + 1,
                    old + 1);
    }
}

/* run = "active": the service runs on one node, as far as Ephor started and stopped it. */
static void check_one_runner(struct system now, const struct plan *plan,
                             struct violation *violation)
{
    int32_t runners = 0;
    for (int32_t n = 0; n < plan->nodes; n++)
        runners += now.world->runs[n];
    if (plan->run == RUN_ACTIVE && runners > 1)
        violate(violation, "ONE-RUNNER", "the service runs on %d nodes", runners);
}

/* ---------------------------------------------------------------- late and repeated */

/* An outcome of an order that is not owed (any more) changes nothing. */
static void check_resurrection(struct system before, struct system now, struct action action,
                               const struct plan *plan, uint8_t *scratch,
                               struct violation *violation)
{
    enum { BYTES_MAX = 4096 };
    if (action.act != ACT_DELIVER && action.act != ACT_REPEAT)
        return;
    const struct note *note = &before.world->notes[action.a];
    struct owed owed;
    world_owed(before.core, &owed);
    for (uint32_t i = 0; i < owed.count; i++)
        if (owed.orders[i].id == note->order && (uint8_t)owed.orders[i].kind == note->kind &&
            owed.orders[i].node == note->node &&
            (owed.orders[i].vip == NONE || owed.orders[i].vip == note->object))
            return;
    uint8_t old_bytes[BYTES_MAX], new_bytes[BYTES_MAX];
    struct system copy = world_system(scratch, plan);
    memcpy(scratch, now.world, world_size(plan));
    *copy.world = *before.world; /* only the core is compared */
    canonical_form(copy, plan);
    size_t new_size = canonical_bytes(copy, plan, new_bytes, sizeof(new_bytes));
    memcpy(scratch, before.world, world_size(plan));
    canonical_form(copy, plan);
    size_t old_size = canonical_bytes(copy, plan, old_bytes, sizeof(old_bytes));
    if (old_size != new_size || memcmp(old_bytes, new_bytes, old_size) != 0)
        violate(violation, "NO-RESURRECTION", "the outcome of %s order %llu, not owed, had effects",
                order_kind_name((enum order_kind)note->kind), (unsigned long long)note->order);
}

/* ---------------------------------------------------------------- open recoveries */

static bool has_order(const struct owed *owed, enum order_kind kind, int32_t vip, int32_t node,
                      uint64_t id)
{
    for (uint32_t i = 0; i < owed->count; i++)
        if (owed->orders[i].kind == kind && owed->orders[i].vip == vip &&
            owed->orders[i].node == node && owed->orders[i].id == id)
            return true;
    return false;
}

static bool acts_by_itself(const struct core *core)
{
    return !core->is_paused && !core->controllers[core->leader - 1].is_not_calm;
}

static void check_vip_resume(struct system now, int32_t v, const struct owed *owed,
                             struct violation *violation)
{
    const struct vip *vip = core_vip(now.core, v);
    const struct service *s = core_service(now.core, 0);
    bool belongs = s->phase == PHASE_STEADY && s->active != NONE && acts_by_itself(now.core);
    if ((vip->phase == VIP_FREE) != (vip->holder == NONE))
        violate(violation, "RESUME", "v%d is %s but has%s a holder", v + 1,
                vip_phase_name(vip->phase), vip->holder == NONE ? " not" : "");
    else if ((vip->phase == VIP_GRANTED || vip->phase == VIP_HELD) &&
             !has_order(owed, ORDER_HOLD, v, vip->holder, vip->order))
        violate(violation, "RESUME", "v%d is granted without an order", v + 1);
    else if (vip->phase == VIP_RELEASING &&
             !has_order(owed, ORDER_RELEASE, v, vip->holder, vip->order))
        violate(violation, "RESUME", "v%d is being released without an order", v + 1);
    else if (vip->phase == VIP_LOST && belongs && s->wake_ms == NEVER_MS)
        violate(violation, "RESUME", "v%d is lost and nobody will look again", v + 1);
    else if (vip->phase == VIP_FREE && belongs)
        violate(violation, "RESUME", "v%d is free although its service is active", v + 1);
}

static void check_resume(struct system now, const struct plan *plan, struct violation *violation)
{
    const struct core *core = now.core;
    const struct service *s = core_service(core, 0);
    struct owed owed;
    bool releases = false;
    world_owed(core, &owed);
    for (int32_t v = 0; v < plan->vips; v++) {
        check_vip_resume(now, v, &owed, violation);
        releases = releases || core_vip(core, v)->phase == VIP_RELEASING;
    }
    if (s->phase == PHASE_RELEASING ? !releases
                                    : (s->phase != PHASE_STEADY && s->deadline_ms == NEVER_MS))
        violate(violation, "RESUME", "the service is %s without an end", phase_name(s->phase));
    if (s->phase == PHASE_STOPPING &&
        !has_order(&owed, ORDER_STOP, NONE, core_member(core, s->from)->node, s->order))
        violate(violation, "RESUME", "the service is stopping without an order");
    if (s->phase == PHASE_STARTING &&
        !has_order(&owed, ORDER_START, NONE, core_member(core, s->target)->node, s->order))
        violate(violation, "RESUME", "the service is starting without an order");
    for (int32_t i = 0; i < core_member_count(core); i++) {
        const struct member *m = core_member(core, i);
        if (m->step != STEP_IDLE && m->deadline_ms == NEVER_MS)
            violate(violation, "RESUME", "the restart on n%d has no end", m->node + 1);
        if (m->step == STEP_RESTARTING && !has_order(&owed, ORDER_RESTART, NONE, m->node, m->order))
            violate(violation, "RESUME", "the restart on n%d has no order", m->node + 1);
    }
    if (core_next_deadline(core) <= core->at_ms)
        violate(violation, "RESUME", "the next deadline is over already");
}

static void check_one_recovery(struct system now, struct violation *violation)
{
    const struct service *s = core_service(now.core, 0);
    if (s->phase == PHASE_STEADY)
        return;
    for (int32_t i = 0; i < core_member_count(now.core); i++)
        if (core_member(now.core, i)->step != STEP_IDLE && (i == s->from || i == s->target))
            violate(violation, "ONE-RECOVERY", "n%d is restarted while its service moves",
                    core_member(now.core, i)->node + 1);
}

/* A step leaves nothing to do: everything worked out anew at the same time changes nothing. Else a
 * decision would wait for a fact that may never come, or hang on what was looked at last. */
static void check_settled(struct system now, const struct plan *plan, uint8_t *scratch,
                          struct violation *violation)
{
    enum { BYTES_MAX = 4096 };
    uint8_t old_bytes[BYTES_MAX], new_bytes[BYTES_MAX];
    struct effects *effects =
        (struct effects *)(void *)(scratch + (world_size(plan) + 15) / 16 * 16);
    struct system copy = world_system(scratch, plan);
    memcpy(scratch, now.world, world_size(plan));
    canonical_form(copy, plan);
    size_t old_size = canonical_bytes(copy, plan, old_bytes, sizeof(old_bytes));
    core_work_out_anew(copy.core);
    act_tick(copy, copy.core->at_ms, effects);
    canonical_form(copy, plan);
    size_t new_size = canonical_bytes(copy, plan, new_bytes, sizeof(new_bytes));
    if (old_size != new_size || memcmp(old_bytes, new_bytes, old_size) != 0)
        violate(violation, "RESUME", "the step left something to do that no deadline recalls");
    int64_t next_ms = core_next_deadline(copy.core);
    if (next_ms == NEVER_MS || next_ms <= copy.core->at_ms + 1)
        return;
    act_tick(copy, next_ms - 1, effects); /* just before: nothing is due yet */
    canonical_form(copy, plan);
    old_size = canonical_bytes(copy, plan, old_bytes, sizeof(old_bytes));
    core_work_out_anew(copy.core);
    act_tick(copy, copy.core->at_ms, effects);
    canonical_form(copy, plan);
    new_size = canonical_bytes(copy, plan, new_bytes, sizeof(new_bytes));
    if (old_size != new_size || memcmp(old_bytes, new_bytes, old_size) != 0)
        violate(violation, "RESUME", "time alone changed a decision, and no deadline recalls it");
}

/* ---------------------------------------------------------------- automatic actions */

/* More than half of those who see the check find it CRITICAL; observers by these votes. */
static bool is_majority_critical(const struct core *core, int32_t check, const uint16_t votes[3])
{
    int32_t critical = votes[STATE_CRITICAL], others = votes[STATE_OK] + votes[STATE_WARNING];
    for (int32_t c = 0; c < CONTROLLERS_MAX; c++) {
        const struct opinion *opinion = &core_check(core, check)->opinions[c];
        if (!opinion->is_known || core->controllers[c].is_blind)
            continue;
        if (opinion->state == STATE_CRITICAL)
            critical++;
        else
            others++;
    }
    return critical > others;
}

/* By what they think, or by what they were answered last. */
static bool is_agreed_critical(const struct core *core, int32_t check)
{
    const struct census *census = &core_check(core, check)->census;
    return is_majority_critical(core, check, census->votes) ||
           is_majority_critical(core, check, census->newest);
}

static void check_quorum(struct system before, struct system now, struct violation *violation)
{
    const struct service *s = core_service(now.core, 0);
    bool is_move = core_service(before.core, 0)->phase == PHASE_STEADY &&
                   s->order == now.core->index && s->target != NONE;
    if (is_move && s->cause == RULE_MOVE && !is_agreed_critical(now.core, s->from))
        violate(violation, "QUORUM-ACTS", "moved from n%d without an agreed verdict", s->from + 1);
    if (is_move && s->cause == RULE_OUT_OF_REACH &&
        core_node(now.core, s->from)->reach != REACH_DOWN)
        violate(violation, "QUORUM-ACTS", "moved from n%d, which is in reach", s->from + 1);
    if (is_move && s->cause != RULE_OPERATOR && !acts_by_itself(now.core))
        violate(violation, "QUORUM-ACTS", "moved while paused or lagging");
    for (int32_t i = 0; i < core_member_count(now.core); i++) {
        const struct member *m = core_member(now.core, i);
        if (m->order != now.core->index || m->step != STEP_RESTARTING ||
            core_member(before.core, i)->order == m->order)
            continue;
        if (!is_agreed_critical(now.core, i))
            violate(violation, "QUORUM-ACTS", "n%d restarted without an agreed verdict", i + 1);
        if (!acts_by_itself(now.core))
            violate(violation, "QUORUM-ACTS", "n%d restarted while paused or lagging", i + 1);
    }
}

static uint32_t spent_in(const struct spent *spent, int64_t now_ms, int64_t window_ms)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < spent->count; i++)
        if (spent->at_ms[i] > now_ms - window_ms)
            count++;
    return count;
}

static void check_budgets(struct system now, const struct plan *plan, struct violation *violation)
{
    const struct service *s = core_service(now.core, 0);
    uint32_t moves = spent_in(&now.world->moves, now.core->at_ms, s->moves_window_ms);
    if (moves > s->moves_max)
        violate(violation, "BUDGET", "%u moves in a window that allows %u", moves, s->moves_max);
    for (int32_t n = 0; n < plan->nodes; n++) {
        uint32_t restarts =
            spent_in(&now.world->restarts[n], now.core->at_ms, s->restart_window_ms);
        if (restarts > s->restart_budget)
            violate(violation, "BUDGET", "%u restarts on n%d in a window that allows %u", restarts,
                    n + 1, s->restart_budget);
    }
}

void invariants_check(struct system before, struct system now, struct action action,
                      const struct plan *plan, void *scratch, struct violation *violation)
{
    violation->name = NULL;
    check_wait_out(before, now, plan, violation);
    check_holders(now, plan, violation);
    check_one_runner(now, plan, violation);
    check_resurrection(before, now, action, plan, scratch, violation);
    check_quorum(before, now, violation);
    check_budgets(now, plan, violation);
    check_one_recovery(now, violation);
    check_resume(now, plan, violation);
    if (violation->name == NULL)
        check_settled(now, plan, scratch, violation);
}

/* ---------------------------------------------------------------- the calm schedule */

enum { CALM_ROUNDS = 60, CALM_MS = 200000 };

/* The checks tell the truth. */
static void look(struct system sys, const struct plan *plan, struct effects *effects)
{
    for (int32_t n = 0; n < plan->nodes; n++) {
        bool works = plan->run == RUN_EVERYWHERE || sys.world->runs[n];
        enum state state = works ? STATE_OK : STATE_CRITICAL;
        for (int32_t c = 0; c < plan->controllers; c++) {
            const struct opinion *opinion = &core_check(sys.core, n)->opinions[c];
            if (!opinion->is_known || opinion->state != (uint8_t)state)
                act_opinion(sys, (uint32_t)c + 1, (uint32_t)n, state, effects);
        }
        enum crowd crowd = works ? CROWD_OK : CROWD_CRITICAL;
        if ((plan->may & MAY_COUNT) && !act_is_said(sys.core, (uint32_t)n, crowd))
            act_census(sys, (uint32_t)n, crowd, effects);
    }
}

static void calm_down(struct system sys, const struct plan *plan, struct effects *effects)
{
    struct world *world = sys.world;
    world->note_count = 0;
    memset(world->is_cut, 0, sizeof(world->is_cut));
    memset(world->late, 0, sizeof(world->late));
    act_calm(sys, true, effects);
    act_request(sys, VERB_RESUME, 0, effects);
    look(sys, plan, effects);
    for (int32_t n = 0; n < plan->nodes; n++) {
        act_request(sys, VERB_MAINTENANCE_OFF, n, effects);
        act_reach(sys, n, true, effects);
    }
}

/* Carry out what is owed, and let the outcomes arrive. False: there was nothing. */
static bool work(struct system sys, const struct plan *plan, struct effects *effects)
{
    struct owed owed;
    world_owed(sys.core, &owed);
    for (uint32_t i = 0; i < owed.count; i++) {
        const struct order *o = &owed.orders[i];
        if (o->kind == ORDER_HOLD && !o->acquire && sys.world->holds[o->node][o->vip])
            continue;
        act_do(sys, plan, (struct action){.act = ACT_CARRY, .a = (uint8_t)i, .c = RESULT_DONE},
               effects);
        act_do(sys, plan, (struct action){.act = ACT_DELIVER}, effects);
        return true;
    }
    return false;
}

static bool is_well(struct system sys, const struct plan *plan)
{
    const struct service *s = core_service(sys.core, 0);
    if (s->phase != PHASE_STEADY || s->active == NONE)
        return false;
    int32_t node = core_member(sys.core, s->active)->node;
    if (plan->run == RUN_ACTIVE && !sys.world->runs[node])
        return false;
    for (int32_t v = 0; v < plan->vips; v++)
        if (core_vip(sys.core, v)->phase != VIP_HELD || !sys.world->holds[node][v])
            return false;
    return true;
}

bool liveness_calm(struct system sys, const struct plan *plan, struct effects *effects)
{
    int64_t start_ms = sys.core->at_ms;
    calm_down(sys, plan, effects);
    for (int round = 0; round < CALM_ROUNDS && sys.core->at_ms - start_ms < CALM_MS; round++) {
        look(sys, plan, effects);
        if (work(sys, plan, effects))
            continue;
        if (is_well(sys, plan))
            return true;
        int64_t next_ms = core_next_deadline(sys.core);
        if (next_ms == NEVER_MS)
            return false;
        act_tick(sys, next_ms, effects);
    }
    return false;
}

void liveness_check(struct system now, const struct plan *plan, void *scratch,
                    struct violation *violation)
{
    uint8_t *bytes = scratch;
    struct effects *effects = (struct effects *)(void *)(bytes + (world_size(plan) + 15) / 16 * 16);
    struct system sys = world_system(scratch, plan);
    memcpy(scratch, now.world, world_size(plan));
    violation->name = NULL;
    if (!liveness_calm(sys, plan, effects))
        violate(violation, "LIVENESS", "faults stopped, but the service stays %s, active on n%d",
                core_service_phase(sys.core, 0), core_service(sys.core, 0)->active + 1);
}
