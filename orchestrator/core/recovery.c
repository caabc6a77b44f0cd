/* The machine for the move of a service; that for the grant of a VIP is in vips.c, and that for the
 * restart of a member in restart.c. At most one recovery of an object is open; each step has
 * a deadline and a defined outcome. The move:
 *
 *   STEADY -> STOPPING (only run = "active") -> RELEASING -> STARTING (likewise) -> ACQUIRING ->
 * STEADY
 *
 * WAIT-OUT: no grant to another node before every address of the service is FREE again, and FREE
 * comes only from a confirmed release or from the certain end of the lease. */
#include "orchestrator/core/recovery.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/core/budget.h"
#include "orchestrator/core/decide.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/restart.h"
#include "orchestrator/core/stale.h"
#include "orchestrator/core/verdict.h"
#include "orchestrator/core/vips.h"

#include <string.h>

enum { TRANSITIONS_MAX = 12 }; /* more in one step would be a loop */

static const char *node_of(const struct core *core, int32_t member)
{
    return core_node(core, core_member(core, member)->node)->name;
}

/* ---------------------------------------------------------------- VIPs of a service */

/* The VIPs of a service one by one: the next after `i`, or NONE. Begin with NONE. */
static int32_t next_vip(const struct core *core, int32_t service, int32_t i)
{
    return i == NONE ? core_service(core, service)->vips : core_vip(core, i)->next;
}

/* Under another name or on another interface a node may still hold this address: a retired VIP
 * stands for it until its release is certain. */
static bool is_address_free(const struct core *core, const struct vip *vip)
{
    for (int32_t i = core_vip_count(core) - 1; i >= 0 && core_vip(core, i)->is_retired; i--)
        if (core_vip(core, i)->holder != NONE &&
            strcmp(core_vip(core, i)->address, vip->address) == 0)
            return false;
    return true;
}

static bool all_vips_are(const struct core *core, int32_t service, enum vip_phase phase)
{
    for (int32_t i = NONE; (i = next_vip(core, service, i)) != NONE;)
        if (core_vip(core, i)->phase != phase)
            return false;
    return true;
}

/* A steady service: its addresses belong on its active node. Returns when to look again. What is
 * held is kept, under a lease that its holder can give, also while nothing happens by itself. */
static int64_t align_vips(struct core *core, int32_t service, struct effects *effects)
{
    const struct service *s = core_service(core, service);
    int32_t node = core_member(core, s->active)->node;
    int64_t wake_ms = NEVER_MS;
    struct decision automatic = {.wake_ms = NEVER_MS};
    bool is_automatic = decide_is_automatic(core, NULL, &automatic);
    for (int32_t i = NONE; (i = next_vip(core, service, i)) != NONE;) {
        struct vip *vip = core_vip(core, i);
        if (vip->holder == node && vip_wants_regrant(core, vip)) {
            vip_grant(core, vip, node, effects);
        } else if (!is_automatic) {
            continue;
        } else if (vip->phase != VIP_FREE && vip->holder != node) {
            vip_release(core, vip, effects);
        } else if (vip->phase == VIP_FREE) {
            if (is_address_free(core, vip))
                vip_grant(core, vip, node, effects);
        } else if (vip->phase == VIP_LOST) { /* rule 15 */
            int64_t due_ms = vip_put_back_due_ms(core, vip);
            if (due_ms <= core->at_ms)
                vip_put_back(core, vip, effects);
            else if (due_ms < wake_ms)
                wake_ms = due_ms;
        }
    }
    return is_automatic ? wake_ms : automatic.wake_ms;
}

/* ---------------------------------------------------------------- the move of a service */

static void phase_set(struct core *core, struct service *s, enum phase phase, int64_t limit_ms)
{
    s->phase = (uint8_t)phase;
    s->since_ms = core->at_ms;
    s->deadline_ms = limit_ms == NEVER_MS ? NEVER_MS : core->at_ms + limit_ms;
}

static void set_active(struct core *core, struct service *s, int32_t member)
{
    s->active = member;
    core->is_many_stale = true; /* what is not active does not count as failed */
}

static void begin_release(struct core *core, int32_t service, struct effects *effects)
{
    struct service *s = core_service(core, service);
    int32_t keeps = s->target == NONE ? NONE : core_member(core, s->target)->node;
    phase_set(core, s, PHASE_RELEASING, NEVER_MS);
    for (int32_t i = NONE; (i = next_vip(core, service, i)) != NONE;) {
        struct vip *vip = core_vip(core, i);
        if (vip->phase != VIP_FREE && (vip->holder != keeps || vip->phase == VIP_LOST))
            vip_release(core, vip, effects);
    }
}

static void begin_stop(struct core *core, int32_t service)
{
    struct service *s = core_service(core, service);
    s->order = core->index;
    phase_set(core, s, PHASE_STOPPING, (int64_t)s->stop_timeout_ms + ORDER_SLACK_MS);
}

void recovery_move(struct core *core, int32_t service, int32_t target, enum rule cause,
                   const char *why, struct effects *effects)
{
    struct service *s = core_service(core, service);
    /* Rule 16 asked the operator to stop it by hand: the failover says that this was done. */
    bool is_stopped = cause == RULE_OPERATOR && s->is_stop_failed;
    PRE(s->phase == PHASE_STEADY && target != NONE);
    s->from = s->active;
    s->target = target;
    s->cause = (uint8_t)cause;
    s->order = core->index;
    s->is_stop_failed = false;
    if (s->from != NONE)
        s->moved_ms = core->at_ms;
    if (cause == RULE_MOVE || cause == RULE_OUT_OF_REACH || cause == RULE_FAILBACK)
        budget_spend(&s->moves, core->at_ms);
    journal_add(effects, cause == RULE_MOVE ? SEVERITY_WARNING : SEVERITY_INFO, EVENT_DECISION,
                s->name, "move %s%s %s (rule %d, %s)", s->from == NONE ? "it" : "from ",
                s->from == NONE ? "" : node_of(core, s->from), why, cause, rule_name(cause));
    if (s->run == RUN_ACTIVE && s->from != NONE && !is_stopped)
        begin_stop(core, service);
    else
        begin_release(core, service, effects);
}

/* The target did not take over: let go of what it may have, then decide anew. A service that was
 * to be started there may run there: it is stopped first, as if it were moved away. */
static void give_up_target(struct core *core, int32_t service, const char *why,
                           struct effects *effects)
{
    struct service *s = core_service(core, service);
    journal_add(effects, SEVERITY_ERROR, EVENT_SERVICE, s->name, "%s did not take over: %s",
                node_of(core, s->target), why);
    core_member(core, s->target)->avoid_until_ms = core->at_ms + AVOID_MS;
    set_active(core, s, s->target);
    s->from = s->active;
    s->target = NONE;
    if (s->run == RUN_ACTIVE) {
        begin_stop(core, service);
    } else {
        set_active(core, s, NONE);
        begin_release(core, service, effects);
    }
}

static void stop_failed(struct core *core, int32_t service, const char *why,
                        struct effects *effects)
{
    struct service *s = core_service(core, service);
    s->is_stop_failed = true;
    s->moved_ms = core->at_ms; /* the next try has to wait */
    s->target = NONE;
    phase_set(core, s, PHASE_STEADY, NEVER_MS);
    journal_add(effects, SEVERITY_ERROR, EVENT_HOLD, s->name,
                "not moved (rule %d): the stop on %s is not confirmed (%s)", RULE_STOP_FAILED,
                node_of(core, s->from), why);
}

static void stop_done(struct core *core, int32_t service, struct effects *effects)
{
    struct service *s = core_service(core, service);
    if (s->target == NONE)
        set_active(core, s, NONE);
    begin_release(core, service, effects);
}

static void begin_start(struct core *core, int32_t service, struct effects *effects)
{
    struct service *s = core_service(core, service);
    set_active(core, s, s->target);
    if (s->run == RUN_ACTIVE) {
        s->order = core->index;
        phase_set(core, s, PHASE_STARTING, (int64_t)s->start_timeout_ms + ORDER_SLACK_MS);
        journal_add(effects, SEVERITY_INFO, EVENT_ORDER, s->name, "start it on %s",
                    node_of(core, s->target));
    } else {
        phase_set(core, s, PHASE_ACQUIRING, ACQUIRE_MS);
    }
}

static void end_move(struct core *core, int32_t service, struct effects *effects)
{
    struct service *s = core_service(core, service);
    s->placing_ms = 0;
    s->better = NONE;
    s->better_since_ms = 0;
    phase_set(core, s, PHASE_STEADY, NEVER_MS);
    journal_add(effects, SEVERITY_INFO, EVENT_SERVICE, s->name, "is active on %s",
                node_of(core, s->active));
}

static bool advance_acquiring(struct core *core, int32_t service, struct effects *effects)
{
    struct service *s = core_service(core, service);
    if (all_vips_are(core, service, VIP_HELD)) {
        end_move(core, service, effects);
        return true;
    }
    if (core->at_ms >= s->deadline_ms) {
        give_up_target(core, service, "it did not confirm its addresses in time", effects);
        return true;
    }
    bool granted = false;
    for (int32_t i = NONE; (i = next_vip(core, service, i)) != NONE;) {
        struct vip *vip = core_vip(core, i);
        if ((vip->phase == VIP_FREE && is_address_free(core, vip)) ||
            vip_wants_regrant(core, vip)) {
            vip_grant(core, vip, core_member(core, s->target)->node, effects);
            granted = true;
        }
    }
    return granted;
}

/* Is another fit member better than the active one, and since when? For rules 13 and 14. Returns
 * when time alone may change that: a member that could not take over becomes a candidate again. */
static int64_t watch_better(struct core *core, int32_t service)
{
    struct service *s = core_service(core, service);
    int64_t wake_ms = NEVER_MS;
    int32_t best = s->active == NONE ? NONE : decide_candidate(core, service, s->active);
    if (best != NONE && core_member(core, best)->priority <= core_member(core, s->active)->priority)
        best = NONE;
    if (best != s->better) {
        s->better = best;
        s->better_since_ms = best == NONE ? 0 : core->at_ms;
    }
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++) {
        int64_t again_ms = core_member(core, i)->avoid_until_ms;
        if (again_ms > core->at_ms && again_ms < wake_ms)
            wake_ms = again_ms;
    }
    return wake_ms;
}

/* Tell once why nothing is done about a service that needs help. */
static void tell_hold(const struct core *core, const struct service *s, const struct decision *d,
                      struct effects *effects)
{
    if (d->rule == s->rule || d->rule == RULE_HEALTHY || d->rule == RULE_RECOVERY_OPEN ||
        d->rule == RULE_WAITING || d->acts)
        return;
    enum severity severity = d->rule == RULE_FAILBACK_MANUAL ? SEVERITY_INFO : SEVERITY_WARNING;
    (void)core;
    journal_add(effects, severity, EVENT_HOLD, s->name, "nothing is done (rule %d, %s): %s",
                d->rule, rule_name(d->rule), d->text);
}

static bool advance_steady(struct core *core, int32_t service, struct effects *effects)
{
    struct service *s = core_service(core, service);
    struct decision d;
    if (s->active == NONE && s->placing_ms == 0)
        s->placing_ms = core->at_ms;
    int64_t better_ms = watch_better(core, service);
    decide_service(core, service, NULL, &d);
    tell_hold(core, s, &d, effects);
    s->rule = (uint8_t)d.rule;
    s->wake_ms = d.wake_ms < better_ms ? d.wake_ms : better_ms;
    if (d.acts) {
        recovery_move(core, service, d.target, d.rule, d.text, effects);
        return true;
    }
    if (s->is_stop_failed && d.rule != RULE_STOP_FAILED)
        s->is_stop_failed = false;
    if (s->active != NONE) {
        int64_t wake_ms = align_vips(core, service, effects);
        if (wake_ms < s->wake_ms)
            s->wake_ms = wake_ms;
    }
    return false;
}

/* Releasing is over when every address that has to go is free, under whatever name. */
static bool is_released(const struct core *core, int32_t service)
{
    for (int32_t i = NONE; (i = next_vip(core, service, i)) != NONE;)
        if (core_vip(core, i)->phase == VIP_RELEASING || !is_address_free(core, core_vip(core, i)))
            return false;
    return true;
}

/* One transition of the move machine. True if there was one. */
static bool advance_service(struct core *core, int32_t service, struct effects *effects)
{
    struct service *s = core_service(core, service);
    bool is_over = core->at_ms >= s->deadline_ms;
    switch ((enum phase)s->phase) {
    case PHASE_STEADY:
        return advance_steady(core, service, effects);
    case PHASE_STOPPING:
        if (!is_over && core_node(core, core_member(core, s->from)->node)->reach != REACH_DOWN)
            return false;
        stop_failed(core, service, is_over ? "no answer in time" : "its node cannot be reached",
                    effects);
        return true;
    case PHASE_RELEASING:
        if (!is_released(core, service))
            return false;
        if (s->target == NONE)
            phase_set(core, s, PHASE_STEADY, NEVER_MS);
        else
            begin_start(core, service, effects);
        return true;
    case PHASE_STARTING:
        if (!is_over)
            return false;
        give_up_target(core, service, "the start command gave no answer in time", effects);
        return true;
    case PHASE_ACQUIRING:
        return advance_acquiring(core, service, effects);
    }
    NEVER("a phase that is none");
}

static enum state state_of_service(const struct core *core, int32_t service)
{
    const struct service *s = core_service(core, service);
    enum state state = STATE_OK;
    if (s->active == NONE)
        return s->rule == RULE_WAITING || s->rule == RULE_NONE ? STATE_UNKNOWN : STATE_CRITICAL;
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++)
        if (s->run == RUN_EVERYWHERE && core_member(core, i)->state == STATE_CRITICAL)
            state = STATE_WARNING;
    if (s->phase != PHASE_STEADY)
        state = STATE_WARNING;
    for (int32_t v = NONE; (v = next_vip(core, service, v)) != NONE;)
        for (int32_t i = core_vip(core, v)->checks; i != NONE; i = core_check(core, i)->next)
            if (core_check(core, i)->state == STATE_CRITICAL)
                return STATE_CRITICAL;
    if (!all_vips_are(core, service, VIP_HELD))
        state = STATE_WARNING;
    enum state active = core_member(core, s->active)->state;
    return active == STATE_OK ? state : active;
}

/* Every member of a service, and it itself, as far as it goes. True if one did: what was decided
 * about the others before may have to be decided anew. */
static bool settle_once(struct core *core, int32_t service, struct effects *effects)
{
    const struct service *s = core_service(core, service);
    bool moved = false;
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++) {
        for (int n = 0; restart_advance(core, i, effects); n++) {
            PRE(n < TRANSITIONS_MAX);
            moved = true;
        }
    }
    for (int n = 0; advance_service(core, service, effects); n++) {
        PRE(n < TRANSITIONS_MAX);
        moved = true;
    }
    return moved;
}

static void settle_service(struct core *core, int32_t service, struct effects *effects)
{
    struct service *s = core_service(core, service);
    for (int n = 0; settle_once(core, service, effects); n++)
        PRE(n < TRANSITIONS_MAX);
    enum state state = state_of_service(core, service);
    if (state != s->state) {
        s->state = (uint8_t)state;
        s->state_since_ms = core->at_ms;
    }
}

void recovery_settle(struct core *core, struct effects *effects)
{
    if (core->is_stale)
        stale_services(core);
    core->is_stale = false;
    stale_due(core);
    for (int32_t i = 0; i < core_service_count(core); i++) {
        struct service *s = core_service(core, i);
        if (!s->is_stale)
            continue;
        settle_service(core, i, effects);
        s->is_stale = false;
    }
}

/* ---------------------------------------------------------------- outcomes */

static void service_order_ended(struct core *core, int32_t service, const struct fact *f,
                                struct effects *effects)
{
    struct service *s = core_service(core, service);
    bool is_done = f->outcome.result == RESULT_DONE;
    journal_add(effects, is_done ? SEVERITY_INFO : SEVERITY_ERROR, EVENT_OUTCOME, s->name,
                "%s on %s: %s%s%s", order_kind_name(f->outcome.kind), f->outcome.node,
                result_name(f->outcome.result), f->outcome.text[0] ? ": " : "", f->outcome.text);
    if (f->outcome.kind == ORDER_STOP && is_done)
        stop_done(core, service, effects);
    else if (f->outcome.kind == ORDER_STOP)
        stop_failed(core, service, f->outcome.text, effects);
    else if (is_done)
        phase_set(core, s, PHASE_ACQUIRING, ACQUIRE_MS);
    else
        give_up_target(core, service, f->outcome.text, effects);
}

static void hold_failed(struct core *core, struct vip *vip, const struct fact *f,
                        struct effects *effects)
{
    struct service *s = vip->service == NONE ? NULL : core_service(core, vip->service);
    bool is_lost = f->outcome.result == RESULT_LOST;
    journal_add(effects, is_lost ? SEVERITY_WARNING : SEVERITY_ERROR, EVENT_OUTCOME, vip->name,
                "%s %s %s%s%s", vip->address, is_lost ? "is gone from" : "was not taken by",
                core_node(core, vip->holder)->name, f->outcome.text[0] ? ": " : "",
                f->outcome.text);
    if (s != NULL && s->phase == PHASE_ACQUIRING)
        give_up_target(core, vip->service, f->outcome.text, effects);
    else if (f->outcome.result != RESULT_UNREACHABLE)
        vip_set(core, vip, VIP_LOST); /* rule 15 puts it back */
}

static bool vip_outcome(struct core *core, const struct fact *f, struct effects *effects)
{
    int32_t i = NONE;
    for (int32_t v = 0; v < core_vip_count(core); v++)
        if (core_vip(core, v)->order == f->outcome.order &&
            strcmp(core_vip(core, v)->name, f->outcome.object) == 0)
            i = v;
    if (i == NONE || core_vip(core, i)->holder == NONE ||
        strcmp(core_node(core, core_vip(core, i)->holder)->name, f->outcome.node) != 0)
        return false;
    struct vip *vip = core_vip(core, i);
    enum order_result result = f->outcome.result;
    if (vip->is_retired) /* whoever waits for its address */
        stale_services(core);
    stale_service(core, vip->service);
    if (f->outcome.kind == ORDER_RELEASE && vip->phase == VIP_RELEASING) {
        if (result == RESULT_DONE || result == RESULT_ENDED)
            vip_freed(core, vip, f, effects);
        return true;
    }
    if (f->outcome.kind != ORDER_HOLD)
        return false;
    if (vip->phase == VIP_GRANTED && result == RESULT_DONE)
        vip_held(core, vip, effects);
    else if (vip->phase == VIP_GRANTED || (vip->phase == VIP_HELD && result == RESULT_LOST))
        hold_failed(core, vip, f, effects);
    else
        return false;
    return true;
}

static bool command_outcome(struct core *core, const struct fact *f, struct effects *effects)
{
    int32_t service = core_find_service(core, f->outcome.object);
    if (service == NONE)
        return false;
    struct service *s = core_service(core, service);
    stale_service(core, service);
    bool is_open = (f->outcome.kind == ORDER_STOP && s->phase == PHASE_STOPPING) ||
                   (f->outcome.kind == ORDER_START && s->phase == PHASE_STARTING);
    if (is_open && s->order == f->outcome.order) {
        service_order_ended(core, service, f, effects);
        return true;
    }
    return f->outcome.kind == ORDER_RESTART && restart_outcome(core, service, f, effects);
}

void recovery_outcome(struct core *core, const struct fact *f, struct effects *effects)
{
    bool is_vip = f->outcome.kind == ORDER_HOLD || f->outcome.kind == ORDER_RELEASE;
    bool is_known = is_vip ? vip_outcome(core, f, effects) : command_outcome(core, f, effects);
    if (!is_known)
        journal_add(effects, SEVERITY_INFO, EVENT_REFUSED, f->outcome.object,
                    "outcome of %s order %llu on %s is not awaited any more: %s",
                    order_kind_name(f->outcome.kind), (unsigned long long)f->outcome.order,
                    f->outcome.node, result_name(f->outcome.result));
}
