/* The rules. Each is a gate: it either settles the decision or lets the next one look. */
#include "orchestrator/core/decide.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/budget.h"
#include "orchestrator/core/verdict.h"
#include "orchestrator/core/vips.h"

#include <stdarg.h>
#include <stdio.h>

static void gate_add(struct gates *gates, enum rule rule, bool decides, const char *text)
{
    if (gates == NULL || gates->count == EXPLANATIONS_MAX)
        return;
    struct explanation *e = &gates->list[gates->count++];
    e->rule = rule;
    e->decides = decides;
    text_copy(e->text, sizeof(e->text), text);
}

/* This gate was looked at and let the next one look. */
static void gate_pass(struct gates *gates, enum rule rule, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void gate_pass(struct gates *gates, enum rule rule, const char *fmt, ...)
{
    if (gates == NULL)
        return;
    char text[LINE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    gate_add(gates, rule, false, text);
}

/* This gate settles it. */
static void settle(struct decision *d, struct gates *gates, enum rule rule, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void settle(struct decision *d, struct gates *gates, enum rule rule, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->text, sizeof(d->text), fmt, ap);
    va_end(ap);
    d->rule = rule;
    gate_add(gates, rule, true, d->text);
}

static void wake_at(struct decision *d, int64_t at_ms)
{
    if (at_ms < d->wake_ms)
        d->wake_ms = at_ms;
}

static const char *member_node(const struct core *core, int32_t member)
{
    return core_node(core, core_member(core, member)->node)->name;
}

static const char *ahead(const struct core *core, int64_t at_ms, char text[32])
{
    return text_from_age(text, 32, at_ms - core->at_ms + 999);
}

/* ---------------------------------------------------------------- who is fit */

bool core_is_fit(const struct core *core, int32_t member, char reason[TEXT_SIZE])
{
    const struct member *m = core_member(core, member);
    const struct node *node = core_node(core, m->node);
    const struct service *s = core_service(core, m->service);
    char wait[32];
    reason[0] = '\0';
    if (node->frozen[0] != '\0')
        text_format(reason, TEXT_SIZE, "%s is frozen: %.60s", node->name, node->frozen);
    else if (node->in_maintenance)
        text_format(reason, TEXT_SIZE, "%s is in maintenance", node->name);
    else if (node->state == STATE_CRITICAL)
        text_format(reason, TEXT_SIZE, "%s is down", node->name);
    else if (verdict_needs_reach(s) && node->reach != REACH_UP)
        text_format(reason, TEXT_SIZE, "%s cannot be worked on: %s", node->name,
                    node->reach == REACH_DOWN ? node->reach_text : "not reached yet");
    else if (m->avoid_until_ms > core->at_ms)
        text_format(reason, TEXT_SIZE, "it could not take over; tried again in %s",
                    ahead(core, m->avoid_until_ms, wait));
    else if (m->step != STEP_IDLE)
        text_format(reason, TEXT_SIZE, "it is being restarted");
    else if (s->run == RUN_EVERYWHERE && m->state == STATE_CRITICAL)
        text_format(reason, TEXT_SIZE, "it is critical: %s", m->text);
    else if (s->run == RUN_EVERYWHERE && m->state == STATE_UNKNOWN)
        text_format(reason, TEXT_SIZE, "its state is unknown: %s", m->text);
    return reason[0] == '\0';
}

int32_t decide_candidate(const struct core *core, int32_t service, int32_t except)
{
    const struct service *s = core_service(core, service);
    char reason[TEXT_SIZE];
    int32_t best = NONE;
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++) {
        if (i == except || !core_is_fit(core, i, reason))
            continue;
        if (best == NONE || core_member(core, i)->priority > core_member(core, best)->priority)
            best = i;
    }
    return best;
}

/* Rule 5 in words: nobody is fit, and why not each. */
static void settle_no_candidate(const struct core *core, int32_t service, int32_t except,
                                struct gates *gates, struct decision *d)
{
    const struct service *s = core_service(core, service);
    char text[LINE_SIZE] = "";
    size_t used = 0;
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++) {
        char reason[TEXT_SIZE];
        if (i == except || core_is_fit(core, i, reason))
            continue;
        if (used < sizeof(text))
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s: %s",
                                     used > 0 ? "; " : "", member_node(core, i), reason);
    }
    settle(d, gates, RULE_NO_CANDIDATE, "no other member is fit%s%s", used > 0 ? ": " : "", text);
}

/* ---------------------------------------------------------------- rules 2 and 3 */

/* One that is there: what is gone cannot hold the others for ever. */
static const struct controller_state *frozen_controller(const struct core *core)
{
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        const struct controller_state *c = &core->controllers[seat - 1];
        bool is_there = !core->is_board_known || (c->is_member && c->presence != PRESENCE_ABSENT);
        if (c->frozen[0] != '\0' && is_there)
            return c;
    }
    return NULL;
}

bool decide_is_automatic(const struct core *core, struct gates *gates, struct decision *d)
{
    const struct controller_state *leader =
        core->leader > 0 ? &core->controllers[core->leader - 1] : NULL;
    if (leader != NULL && leader->is_not_calm) {
        settle(d, gates, RULE_NOT_CALM, "%s only watches: %s", core->leader_name, leader->reason);
        return false;
    }
    gate_pass(gates, RULE_NOT_CALM, "the leader is calm");
    uint32_t there, awaited;
    if (!core_is_gathered(core, &there, &awaited)) {
        settle(d, gates, RULE_NOT_GATHERED,
               "%s began to lead: %u controllers came forward, %u are awaited", core->leader_name,
               there, awaited);
        return false;
    }
    const struct controller_state *frozen = frozen_controller(core);
    if (frozen != NULL) {
        settle(d, gates, RULE_FROZEN, "%s is frozen by a file there: %s", frozen->name,
               frozen->frozen);
        return false;
    }
    if (core->is_paused) {
        settle(d, gates, RULE_PAUSED, "paused by %s%s%s", core->paused_author,
               core->paused_reason[0] ? ": " : "", core->paused_reason);
        return false;
    }
    gate_pass(gates, RULE_PAUSED, "not paused");
    if (core->rules >= 2 && core->many_until_ms > core->at_ms) {
        char wait[32];
        wake_at(d, core->many_until_ms);
        settle(d, gates, RULE_MANY_AT_ONCE, "%u of %u nodes failed at once; not before %s",
               core->many_failed, core->many_nodes, ahead(core, core->many_until_ms, wait));
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------- rule 9: restart first */

/* What forbids a restart that the member would need; NULL if nothing does. */
static const char *restart_obstacle(const struct core *core, int32_t member, struct decision *d,
                                    char text[LINE_SIZE])
{
    const struct member *m = core_member(core, member);
    const struct service *s = core_service(core, m->service);
    const struct node *node = core_node(core, m->node);
    int64_t next_ms =
        budget_next_ms(&m->restarts, core->at_ms, s->restart_window_ms, s->restart_budget);
    bool has_elsewhere = s->active != member || decide_candidate(core, m->service, member) != NONE;
    char wait[32];
    if (!s->can_restart)
        return "no restart command is configured";
    if (s->phase != PHASE_STEADY)
        return "the service is being moved";
    if (s->run == RUN_ACTIVE && s->active != member)
        return "it runs on the active member only";
    if (node->frozen[0] != '\0')
        return "its node is frozen by a file there";
    if (node->in_maintenance)
        return "its node is in maintenance";
    if (node->state == STATE_CRITICAL)
        return "its node is down";
    if (node->reach != REACH_UP) {
        text_format(text, LINE_SIZE, "%s cannot be worked on: %s", node->name,
                    node->reach == REACH_DOWN ? node->reach_text : "not reached yet");
        return text;
    }
    if (s->active != member && core->at_ms < node->reach_since_ms + RETURN_MS) {
        wake_at(d, node->reach_since_ms + RETURN_MS);
        return "its node came back a moment ago; its checks look again first";
    }
    if (m->tries >= s->restart_tries && has_elsewhere) {
        text_format(text, LINE_SIZE, "restarted %u of %u times in this incident", m->tries,
                    s->restart_tries);
        return text;
    }
    if (next_ms > core->at_ms) {
        if (next_ms == NEVER_MS)
            return "the policy allows no restarts";
        wake_at(d, next_ms);
        text_format(text, LINE_SIZE, "the budget of %u restarts is used up for %s",
                    s->restart_budget, ahead(core, next_ms, wait));
        return text;
    }
    return NULL;
}

void decide_member(const struct core *core, int32_t member, struct gates *gates, struct decision *d)
{
    const struct member *m = core_member(core, member);
    char text[LINE_SIZE];
    *d = (struct decision){.target = NONE, .wake_ms = NEVER_MS};
    if (m->step != STEP_IDLE) {
        settle(d, gates, RULE_RECOVERY_OPEN, "%s: %s", member_node(core, member),
               step_name(m->step));
        return;
    }
    if (m->state == STATE_UNKNOWN) {
        settle(d, gates, RULE_UNKNOWN, "%s is unknown: %s", member_node(core, member), m->text);
        return;
    }
    if (m->state != STATE_CRITICAL) {
        settle(d, gates, RULE_HEALTHY, "%s is %s", member_node(core, member), state_name(m->state));
        return;
    }
    if (!decide_is_automatic(core, gates, d))
        return;
    const char *obstacle = restart_obstacle(core, member, d, text);
    if (obstacle != NULL) {
        gate_pass(gates, RULE_RESTART_FIRST, "%s is not restarted: %s", member_node(core, member),
                  obstacle);
        text_format(d->text, sizeof(d->text), "%s", obstacle);
        d->rule = RULE_RESTART_FIRST;
        return;
    }
    settle(d, gates, RULE_RESTART_FIRST, "%s is critical and can be restarted: %s",
           member_node(core, member), m->text);
    d->acts = true;
    d->target = member;
}

/* ---------------------------------------------------------------- where a service belongs */

static void settle_move(const struct core *core, struct gates *gates, struct decision *d,
                        enum rule rule, int32_t target, const char *why)
{
    settle(d, gates, rule, "to %s: %s", member_node(core, target), why);
    d->acts = true;
    d->target = target;
}

/* Rules 4, 5 and 18: there is no active member. */
static void decide_place(const struct core *core, int32_t service, struct gates *gates,
                         struct decision *d)
{
    const struct service *s = core_service(core, service);
    int64_t end_ms = s->placing_ms + PLACING_MS;
    int32_t best = decide_candidate(core, service, NONE);
    if (core->at_ms < end_ms) {
        for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++) {
            const struct member *m = core_member(core, i);
            const struct node *node = core_node(core, m->node);
            bool is_pending =
                !m->is_known || (verdict_needs_reach(s) && node->reach == REACH_UNKNOWN);
            if (is_pending && (best == NONE || m->priority > core_member(core, best)->priority)) {
                wake_at(d, end_ms);
                settle(d, gates, RULE_WAITING, "waiting for the first answers about %s",
                       node->name);
                return;
            }
        }
    }
    if (best == NONE) {
        settle_no_candidate(core, service, NONE, gates, d);
        return;
    }
    gate_pass(gates, RULE_WAITING, "all members were looked at");
    if (decide_is_automatic(core, gates, d))
        settle_move(core, gates, d, RULE_PLACE, best, "the best fit member");
}

/* Rule 10: next_ms is when the next move may be made. */
static void settle_no_budget(const struct core *core, const struct service *s, int64_t next_ms,
                             struct gates *gates, struct decision *d)
{
    char wait[32];
    if (next_ms == NEVER_MS) {
        settle(d, gates, RULE_MOVE_BUDGET, "the policy allows no automatic moves");
        return;
    }
    wake_at(d, next_ms);
    settle(d, gates, RULE_MOVE_BUDGET, "%u moves in the window are used up for %s", s->moves_max,
           ahead(core, next_ms, wait));
}

/* Rules 5, 10, 11, and 12 or 19 (`rule`): the service has to leave its active member. */
static void decide_failover(const struct core *core, int32_t service, enum rule rule,
                            const char *why, struct gates *gates, struct decision *d)
{
    const struct service *s = core_service(core, service);
    int32_t best = decide_candidate(core, service, s->active);
    int64_t budget_ms = budget_next_ms(&s->moves, core->at_ms, s->moves_window_ms, s->moves_max);
    int64_t calm_ms = s->moved_ms + s->hold_down_ms;
    char wait[32];
    if (best == NONE) {
        settle_no_candidate(core, service, s->active, gates, d);
        return;
    }
    gate_pass(gates, RULE_NO_CANDIDATE, "%s is fit", member_node(core, best));
    if (budget_ms > core->at_ms) {
        settle_no_budget(core, s, budget_ms, gates, d);
        return;
    }
    gate_pass(gates, RULE_MOVE_BUDGET, "%u of %u moves used",
              budget_used(&s->moves, core->at_ms, s->moves_window_ms), s->moves_max);
    if (s->moved_ms > 0 && calm_ms > core->at_ms) {
        wake_at(d, calm_ms);
        settle(d, gates, RULE_HOLD_DOWN, "it was moved a moment ago; not again for %s",
               ahead(core, calm_ms, wait));
        return;
    }
    gate_pass(gates, RULE_HOLD_DOWN, "it was not moved lately");
    settle_move(core, gates, d, rule, best, why);
}

/* Rules 7, 13, 14: the active member works; is there a better one? */
static void decide_failback(const struct core *core, int32_t service, struct gates *gates,
                            struct decision *d)
{
    const struct service *s = core_service(core, service);
    char wait[32];
    if (s->better == NONE) {
        settle(d, gates, RULE_HEALTHY, "%s is %s", member_node(core, s->active),
               state_name(core_member(core, s->active)->state));
        return;
    }
    if (!s->failback_auto) {
        settle(d, gates, RULE_FAILBACK_MANUAL,
               "%s has the higher priority and is fit; failback "
               "is manual",
               member_node(core, s->better));
        return;
    }
    int64_t due_ms = s->better_since_ms + s->failback_after_ms;
    if (s->moved_ms > 0 && s->moved_ms + s->hold_down_ms > due_ms)
        due_ms = s->moved_ms + s->hold_down_ms;
    if (due_ms > core->at_ms) {
        wake_at(d, due_ms);
        settle(d, gates, RULE_HEALTHY, "%s works; back to %s in %s, if it stays fit",
               member_node(core, s->active), member_node(core, s->better),
               ahead(core, due_ms, wait));
        return;
    }
    int64_t budget_ms = budget_next_ms(&s->moves, core->at_ms, s->moves_window_ms, s->moves_max);
    if (budget_ms > core->at_ms) {
        settle_no_budget(core, s, budget_ms, gates, d);
        return;
    }
    if (decide_is_automatic(core, gates, d))
        settle_move(core, gates, d, RULE_FAILBACK, s->better, "it was fit for long enough");
}

/* Rule 6: the active member's node is in maintenance. */
static void decide_drain(const struct core *core, int32_t service, struct gates *gates,
                         struct decision *d)
{
    const struct service *s = core_service(core, service);
    int32_t best = decide_candidate(core, service, s->active);
    if (best == NONE)
        settle_no_candidate(core, service, s->active, gates, d);
    else if (decide_is_automatic(core, gates, d))
        settle_move(core, gates, d, RULE_DRAIN, best, "its node is in maintenance");
}

/* Rule 19: is the active node out of reach, and any lease there over? */
static bool is_out_of_reach(const struct core *core, int32_t service, struct gates *gates,
                            struct decision *d)
{
    const struct service *s = core_service(core, service);
    const struct node *node = core_node(core, core_member(core, s->active)->node);
    int64_t patience_ms = 0;
    for (int32_t i = s->vips; i != NONE; i = core_vip(core, i)->next)
        if (vip_patience_ms(core, core_vip(core, i)) > patience_ms)
            patience_ms = vip_patience_ms(core, core_vip(core, i));
    if (patience_ms == 0 || node->reach != REACH_DOWN)
        return false;
    if (core->at_ms < node->reach_since_ms + patience_ms) {
        wake_at(d, node->reach_since_ms + patience_ms);
        gate_pass(gates, RULE_OUT_OF_REACH, "%s is out of reach, its leases still run", node->name);
        return false;
    }
    return true;
}

/* Rule 16 ends on evidence: the member works where it is and belongs there, or its node can be
 * worked on and some time has passed, so that the stop can be tried again. */
static bool is_stop_failed_still(const struct core *core, const struct service *s,
                                 struct decision *d)
{
    if (!s->is_stop_failed || s->active == NONE)
        return false;
    const struct member *active = core_member(core, s->active);
    const struct node *node = core_node(core, active->node);
    int64_t again_ms =
        s->moved_ms + (s->hold_down_ms > STOP_AGAIN_MS ? s->hold_down_ms : STOP_AGAIN_MS);
    bool works = active->state == STATE_OK || active->state == STATE_WARNING;
    bool belongs = !node->in_maintenance && (s->better == NONE || !s->failback_auto);
    if (works && belongs)
        return false;
    if (node->reach != REACH_UP)
        return true;
    if (core->at_ms >= again_ms)
        return false;
    wake_at(d, again_ms);
    return true;
}

void decide_service(const struct core *core, int32_t service, struct gates *gates,
                    struct decision *d)
{
    const struct service *s = core_service(core, service);
    *d = (struct decision){.target = NONE, .wake_ms = NEVER_MS};
    if (s->phase != PHASE_STEADY) {
        settle(d, gates, RULE_RECOVERY_OPEN, "%s", phase_help(s->phase));
        return;
    }
    if (is_stop_failed_still(core, s, d)) {
        settle(d, gates, RULE_STOP_FAILED,
               "it may still run on %s: stop it there, then "
               "'ephorctl failover %s --to NODE'",
               member_node(core, s->from), s->name);
        return;
    }
    if (s->active == NONE) {
        decide_place(core, service, gates, d);
        return;
    }
    const struct member *active = core_member(core, s->active);
    if (active->step != STEP_IDLE) {
        settle(d, gates, RULE_RECOVERY_OPEN, "%s: %s", member_node(core, s->active),
               step_name(active->step));
        return;
    }
    gate_pass(gates, RULE_RECOVERY_OPEN, "no step is open");
    const char *frozen = core_node(core, active->node)->frozen;
    if (frozen[0] != '\0') {
        settle(d, gates, RULE_FROZEN, "%s is frozen by a file there: %s",
               member_node(core, s->active), frozen);
        return;
    }
    if (core_node(core, active->node)->in_maintenance) {
        decide_drain(core, service, gates, d);
        return;
    }
    gate_pass(gates, RULE_DRAIN, "%s is not in maintenance", member_node(core, s->active));
    if (is_out_of_reach(core, service, gates, d)) {
        if (decide_is_automatic(core, gates, d))
            decide_failover(core, service, RULE_OUT_OF_REACH,
                            "its addresses ended with their leases", gates, d);
        return;
    }
    if (active->state == STATE_UNKNOWN) {
        settle(d, gates, RULE_UNKNOWN, "%s is unknown: %s", member_node(core, s->active),
               active->text);
        return;
    }
    if (active->state != STATE_CRITICAL) {
        decide_failback(core, service, gates, d);
        return;
    }
    gate_pass(gates, RULE_UNKNOWN, "%s is critical: %s", member_node(core, s->active),
              active->text);
    struct decision restart;
    decide_member(core, s->active, gates, &restart);
    wake_at(d, restart.wake_ms);
    bool is_held = restart.rule == RULE_PAUSED || restart.rule == RULE_NOT_CALM ||
                   restart.rule == RULE_NOT_GATHERED || restart.rule == RULE_MANY_AT_ONCE ||
                   restart.rule == RULE_FROZEN;
    if (restart.acts || is_held) {
        int64_t wake_ms = d->wake_ms;
        *d = restart;
        d->acts = false; /* the restart is the member's own doing */
        d->wake_ms = wake_ms;
        return;
    }
    decide_failover(core, service, RULE_MOVE, active->text, gates, d);
}
