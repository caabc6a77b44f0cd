#include "tests/sim/whole_step.h"

#include <string.h>

/* ---- BUDGET */

static void spend(struct whole *whole, struct whole_spent *spent, int64_t at_ms, int64_t window_ms,
                  uint32_t max, const char *what)
{
    uint32_t used = 1;
    if (spent->count < WHOLE_SPENT)
        spent->at_ms[spent->count++] = at_ms;
    for (uint32_t i = 0; i + 1 < spent->count; i++)
        used += spent->at_ms[i] + window_ms > at_ms;
    if (used > max)
        sim_broken(whole->world, "BUDGET", "%u %s in a window that allows %u", used, what, max);
}

/* ---- QUORUM-ACTS */

static bool is_agreed(const struct whole *whole, const struct whole_board *board,
                      const struct core *core, int32_t member, char *why, size_t size)
{
    const struct member *m = core_member(core, member);
    uint32_t node_check = (uint32_t)(whole->profile.services * whole->profile.nodes + m->node);
    if (whole_board_agrees(whole, board, (uint32_t)member, why, size))
        return true;
    if (!whole->profile.has_node_checks)
        return false;
    char other[SIM_DETAIL_SIZE];
    return whole_board_agrees(whole, board, node_check, other, sizeof(other));
}

static void check_automatic(struct whole *whole, const struct whole_truth *truth,
                            const struct whole_board *board, const struct core *core,
                            const char *what)
{
    if (truth->is_paused && core->is_paused) /* not by this very entry */
        sim_broken(whole->world, "QUORUM-ACTS", "%s while an operator has paused it", what);
    if (board->leader != 0 && board->is_not_calm[board->leader])
        sim_broken(whole->world, "QUORUM-ACTS", "%s while the leader only watches", what);
}

static void check_move(struct whole *whole, struct whole_truth *truth,
                       const struct whole_board *board, const struct core *core, int32_t i)
{
    const struct service *s = core_service(core, i);
    char why[160];
    bool began = truth->services[i].phase == PHASE_STEADY && s->order == core->index &&
                 s->order != truth->services[i].order && s->target != NONE;
    if (!began)
        return;
    whole->totals->moves++;
    if (s->cause == RULE_OPERATOR && truth->services[i].is_stop_failed && s->from != NONE)
        whole->nodes[core_member(core, s->from)->node].services[i] = WHOLE_DEAD; /* rule 16 */
    if (s->cause == RULE_MOVE && !is_agreed(whole, board, core, s->from, why, sizeof(why)))
        sim_broken(whole->world, "QUORUM-ACTS", "s%d leaves n%d without a verdict %s", i + 1,
                   core_member(core, s->from)->node + 1, why);
    if (s->cause != RULE_OPERATOR)
        check_automatic(whole, truth, board, core, "a service is moved");
    if (s->cause == RULE_MOVE || s->cause == RULE_OUT_OF_REACH || s->cause == RULE_FAILBACK)
        spend(whole, &truth->services[i].moves, core->at_ms, s->moves_window_ms, s->moves_max,
              "moves");
}

static void check_restart(struct whole *whole, struct whole_truth *truth,
                          const struct whole_board *board, const struct core *core, int32_t i)
{
    const struct member *m = core_member(core, i);
    const struct service *s = core_service(core, m->service);
    char why[160];
    if (m->order == truth->members[i].order || m->order != core->index)
        return;
    whole->totals->restarts++;
    if (!is_agreed(whole, board, core, i, why, sizeof(why)))
        sim_broken(whole->world, "QUORUM-ACTS", "s%d is restarted on n%d without a verdict %s",
                   m->service + 1, m->node + 1, why);
    check_automatic(whole, truth, board, core, "a service is restarted");
    spend(whole, &truth->members[i].restarts, core->at_ms, s->restart_window_ms, s->restart_budget,
          "restarts");
}

/* ---- WAIT-OUT and GRANT-FIRST, as the state tells */

static void check_vip(struct whole *whole, const struct whole_truth *truth, const struct core *core,
                      int32_t v)
{
    const struct vip *vip = core_vip(core, v);
    int32_t old = truth->vips[v].holder;
    whole->totals->grants += vip->phase == VIP_GRANTED && vip->order == core->index;
    whole->totals->releases += old != NONE && vip->holder == NONE;
    if (old == NONE || vip->holder == old)
        return;
    const struct whole_node *node = &whole->nodes[old];
    if (whole_node_holds(node, v) && !whole_node_is_excused(node, v))
        sim_broken(whole->world, "WAIT-OUT", "v%d is taken from n%d, which has it", v + 1, old + 1);
}

/* ---- ONE-RECOVERY and RESUME */

struct owed_list {
    struct order orders[32];
    uint32_t count;
};

static void collect(void *data, const struct order *order)
{
    struct owed_list *list = data;
    if (list->count < 32)
        list->orders[list->count++] = *order;
}

static bool has_order(const struct owed_list *list, enum order_kind kind, int32_t vip,
                      int32_t service, int32_t node, uint64_t id)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct order *o = &list->orders[i];
        if (o->kind == kind && o->id == id && o->node == node && o->service == service &&
            (vip == NONE || o->vip == vip))
            return true;
    }
    return false;
}

static void check_service(struct whole *whole, const struct core *core,
                          const struct owed_list *owed, int32_t i)
{
    const struct service *s = core_service(core, i);
    if (s->phase != PHASE_STEADY && s->phase != PHASE_RELEASING && s->deadline_ms == NEVER_MS)
        sim_broken(whole->world, "RESUME", "s%d is %s without an end", i + 1,
                   phase_name((enum phase)s->phase));
    if (s->phase == PHASE_STOPPING &&
        !has_order(owed, ORDER_STOP, NONE, i, core_member(core, s->from)->node, s->order))
        sim_broken(whole->world, "RESUME", "s%d is stopping without an order", i + 1);
    if (s->phase == PHASE_STARTING &&
        !has_order(owed, ORDER_START, NONE, i, core_member(core, s->target)->node, s->order))
        sim_broken(whole->world, "RESUME", "s%d is starting without an order", i + 1);
    for (int32_t m = s->member_first; m < s->member_first + s->member_count; m++) {
        const struct member *member = core_member(core, m);
        if (s->phase != PHASE_STEADY && member->step != STEP_IDLE &&
            (m == s->from || m == s->target))
            sim_broken(whole->world, "ONE-RECOVERY", "s%d moves while it is restarted on n%d",
                       i + 1, member->node + 1);
        if (member->step != STEP_IDLE && member->deadline_ms == NEVER_MS)
            sim_broken(whole->world, "RESUME", "a restart of s%d has no end", i + 1);
        if (member->step == STEP_RESTARTING &&
            !has_order(owed, ORDER_RESTART, NONE, i, member->node, member->order))
            sim_broken(whole->world, "RESUME", "a restart of s%d has no order", i + 1);
    }
}

static void check_open(struct whole *whole, const struct core *core)
{
    struct owed_list owed = {.count = 0};
    core_orders(core, collect, &owed);
    for (int32_t i = 0; i < core_service_count(core); i++)
        check_service(whole, core, &owed, i);
    for (int32_t v = 0; v < core_vip_count(core); v++) {
        const struct vip *vip = core_vip(core, v);
        bool holds = vip->phase == VIP_GRANTED || vip->phase == VIP_HELD;
        if ((vip->phase == VIP_FREE) != (vip->holder == NONE))
            sim_broken(whole->world, "RESUME", "v%d is %s, holder %d", v + 1,
                       vip_phase_name((enum vip_phase)vip->phase), vip->holder + 1);
        else if (holds && !has_order(&owed, ORDER_HOLD, v, vip->service, vip->holder, vip->order))
            sim_broken(whole->world, "RESUME", "v%d is granted without an order", v + 1);
        else if (vip->phase == VIP_RELEASING &&
                 !has_order(&owed, ORDER_RELEASE, v, vip->service, vip->holder, vip->order))
            sim_broken(whole->world, "RESUME", "v%d is released without an order", v + 1);
    }
    if (core_next_deadline(core) <= core->at_ms)
        sim_broken(whole->world, "RESUME", "the next deadline is over already");
}

/* ---- the next truth */

static void remember(struct whole_truth *truth, const struct core *core)
{
    truth->has_core = true;
    truth->index = core->index;
    truth->is_paused = core->is_paused;
    for (int32_t v = 0; v < core_vip_count(core); v++) {
        const struct vip *vip = core_vip(core, v);
        truth->vips[v] = (struct whole_vip_truth){vip->phase, vip->holder, vip->order};
    }
    for (int32_t i = 0; i < core_service_count(core); i++) {
        truth->services[i].phase = core_service(core, i)->phase;
        truth->services[i].order = core_service(core, i)->order;
        truth->services[i].is_stop_failed = core_service(core, i)->is_stop_failed;
    }
    for (int32_t i = 0; i < core_member_count(core); i++) {
        truth->members[i].step = core_member(core, i)->step;
        truth->members[i].order = core_member(core, i)->order;
    }
}

void whole_step_check(struct whole *whole, struct whole_truth *truth,
                      const struct whole_board *board, const struct machine *machine)
{
    const struct core *core = machine->core;
    if (core == NULL)
        return;
    if (!truth->has_core)
        for (int32_t v = 0; v < WHOLE_VIPS; v++)
            truth->vips[v].holder = NONE;
    for (int32_t i = 0; i < core_service_count(core); i++)
        check_move(whole, truth, board, core, i);
    for (int32_t i = 0; i < core_member_count(core); i++)
        check_restart(whole, truth, board, core, i);
    for (int32_t v = 0; v < core_vip_count(core); v++)
        check_vip(whole, truth, core, v);
    check_open(whole, core);
    remember(truth, core);
}
