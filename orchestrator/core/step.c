/* The step: one fact changes the state. What a fact names is looked up by name or checked by
 * number first; what cannot be is refused and said. */
#include "orchestrator/core/core.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/board.h"
#include "orchestrator/core/decide.h"
#include "orchestrator/core/diagnose.h"
#include "orchestrator/core/headcount.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/recovery.h"
#include "orchestrator/core/stale.h"
#include "orchestrator/core/verdict.h"

#include <string.h>

static bool is_change_whole(const struct core *core, const struct opinion_change *change)
{
    return change->check < core->shape.checks && change->state <= STATE_UNKNOWN &&
           change->suspect <= STATE_UNKNOWN && change->cause < CAUSE_COUNT;
}

static void apply_opinions(struct core *core, const struct fact *f, struct effects *effects)
{
    if (!board_has_seat(f->opinions.controller, effects))
        return;
    if (f->opinions.policy_index != core->policy_index) {
        journal_add(
            effects, SEVERITY_INFO, EVENT_REFUSED, "opinions", "of another policy (%llu, now %llu)",
            (unsigned long long)f->opinions.policy_index, (unsigned long long)core->policy_index);
        return;
    }
    for (uint32_t i = 0; i < f->opinions.count; i++) {
        const struct opinion_change *change = &f->opinions.changes[i];
        if (!is_change_whole(core, change))
            continue;
        struct check *check = core_check(core, (int32_t)change->check);
        struct opinion *opinion = &check->opinions[f->opinions.controller - 1];
        if (!opinion->is_known || opinion->state != change->state)
            opinion->since_ms = core->at_ms;
        if (opinion->attempts > 0 || change->attempts > 0)
            verdict_touch(effects, change->check);
        opinion->is_known = true;
        opinion->state = (uint8_t)change->state;
        opinion->suspect = change->attempts > 0 ? (uint8_t)change->suspect : 0;
        opinion->attempts =
            change->attempts > ATTEMPTS_MAX ? ATTEMPTS_MAX : (uint8_t)change->attempts;
        opinion->cause = (uint8_t)change->cause;
        text_copy(check->text, sizeof(check->text), change->text);
        verdict_on_opinion(core, (int32_t)change->check, effects);
    }
    for (uint32_t i = 0; i < f->opinions.count; i++)
        if (is_change_whole(core, &f->opinions.changes[i]))
            verdict_tell(core, (int32_t)f->opinions.changes[i].check, effects);
}

/* ---------------------------------------------------------------- requests of operators */

static int64_t until_ms(const struct core *core, const struct fact *f)
{
    bool ends = core->rules >= RULES_GUARD && f->request.for_ms > 0;
    return ends ? core->at_ms + f->request.for_ms : 0;
}

/* " for 2h" */
static const char *for_words(const struct core *core, int64_t until_ms, char words[48])
{
    char span[32];
    words[0] = '\0';
    if (until_ms > 0)
        text_format(words, 48, " for %s",
                    text_from_age(span, sizeof(span), until_ms - core->at_ms));
    return words;
}

static void request_pause(struct core *core, const struct fact *f, struct effects *effects)
{
    bool pause = f->request.verb == VERB_PAUSE;
    char words[48];
    if (core->is_paused == pause && (!pause || core->rules < RULES_GUARD)) {
        journal_reply(effects, true, "%s already", pause ? "paused" : "not paused");
        return;
    }
    core->is_paused = pause;
    stale_services(core);
    core->paused_since_ms = core->at_ms;
    core->paused_until_ms = pause ? until_ms(core, f) : 0;
    text_copy(core->paused_author, sizeof(core->paused_author), f->request.author);
    text_copy(core->paused_reason, sizeof(core->paused_reason), f->request.reason);
    for_words(core, core->paused_until_ms, words);
    journal_add(effects, SEVERITY_WARNING, EVENT_OPERATOR, f->request.author, "%s%s%s%s%s",
                pause ? "paused" : "resumed", words, pause ? ": nothing happens by itself" : "",
                f->request.reason[0] ? ": " : "", f->request.reason);
    journal_reply(effects, true, "%s%s%s", pause ? "paused" : "resumed", words,
                  pause ? ": Ephor watches, keeps the addresses where they are, and does nothing "
                          "else by itself"
                        : "");
}

static void request_maintenance(struct core *core, const struct fact *f, struct effects *effects)
{
    bool on = f->request.verb == VERB_MAINTENANCE_ON;
    int32_t i = core_find_node(core, f->request.node);
    char words[48] = "";
    if (i == NONE) {
        journal_reply(effects, false, "there is no node '%s'", f->request.node);
        return;
    }
    struct node *node = core_node(core, i);
    if (node->in_maintenance != on || (on && core->rules >= RULES_GUARD)) {
        node->in_maintenance = on;
        stale_node(core, i);
        node->maintenance_since_ms = core->at_ms;
        node->maintenance_until_ms = on ? until_ms(core, f) : 0;
        text_copy(node->maintenance_author, sizeof(node->maintenance_author), f->request.author);
        text_copy(node->maintenance_reason, sizeof(node->maintenance_reason), f->request.reason);
        for_words(core, node->maintenance_until_ms, words);
        journal_add(effects, SEVERITY_WARNING, EVENT_OPERATOR, f->request.author,
                    "maintenance of %s %s%s%s%s", node->name, on ? "begins" : "ends", words,
                    f->request.reason[0] ? ": " : "", f->request.reason);
    }
    journal_reply(effects, true,
                  on ? "in maintenance%s: its services leave it when another member "
                       "is fit, and it gets no new ones"
                     : "maintenance has ended%s",
                  words);
}

/* What lowers protection ends by itself, and is told. */
static void end_switches(struct core *core, struct effects *effects)
{
    if (core->is_paused && core->paused_until_ms > 0 && core->at_ms >= core->paused_until_ms) {
        core->is_paused = false;
        core->paused_until_ms = 0;
        stale_services(core);
        journal_add(effects, SEVERITY_WARNING, EVENT_OPERATOR, core->paused_author,
                    "the pause has ended by itself");
    }
    for (int32_t i = 0; i < core_node_count(core); i++) {
        struct node *node = core_node(core, i);
        if (!node->in_maintenance || node->maintenance_until_ms == 0 ||
            core->at_ms < node->maintenance_until_ms)
            continue;
        node->in_maintenance = false;
        node->maintenance_until_ms = 0;
        stale_node(core, i);
        journal_add(effects, SEVERITY_WARNING, EVENT_OPERATOR, node->maintenance_author,
                    "maintenance of %s has ended by itself", node->name);
    }
}

/* The member to which an operator's failover goes, or NONE with the refusal in `reply`. */
static int32_t failover_target(const struct core *core, int32_t service, const char *node_name,
                               char reply[LINE_SIZE])
{
    const struct service *s = core_service(core, service);
    char reason[TEXT_SIZE];
    if (node_name[0] == '\0') {
        int32_t best = decide_candidate(core, service, s->active);
        if (best == NONE)
            text_format(reply, LINE_SIZE,
                        "no other member of %s is fit; 'ephorctl why %s' says "
                        "why",
                        s->name, s->name);
        return best;
    }
    int32_t node = core_find_node(core, node_name);
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++) {
        if (core_member(core, i)->node != node)
            continue;
        if (i == s->active)
            text_format(reply, LINE_SIZE, "%s is active on %s already", s->name, node_name);
        else if (!core_is_fit(core, i, reason))
            text_format(reply, LINE_SIZE, "%s is not fit: %s", node_name, reason);
        else
            return i;
        return NONE;
    }
    text_format(reply, LINE_SIZE, "%s has no member on a node '%s'", s->name, node_name);
    return NONE;
}

static void request_failover(struct core *core, const struct fact *f, struct effects *effects)
{
    char reply[LINE_SIZE];
    int32_t i = core_find_service(core, f->request.service);
    if (i == NONE) {
        journal_reply(effects, false, "there is no service '%s'", f->request.service);
        return;
    }
    struct service *s = core_service(core, i);
    if (s->phase != PHASE_STEADY ||
        (s->active != NONE && core_member(core, s->active)->step != STEP_IDLE)) {
        journal_reply(effects, false, "a recovery of %s is open (%s); try again in a moment",
                      s->name, core_service_phase(core, i));
        return;
    }
    int32_t target = failover_target(core, i, f->request.node, reply);
    if (target == NONE) {
        journal_add(effects, SEVERITY_INFO, EVENT_REFUSED, s->name, "failover asked by %s: %s",
                    f->request.author, reply);
        journal_reply(effects, false, "%s", reply);
        return;
    }
    const struct node *from =
        s->active == NONE ? NULL : core_node(core, core_member(core, s->active)->node);
    if (from != NULL && from->frozen[0] != '\0' && from->reach != REACH_DOWN) {
        journal_reply(effects, false, "%s is frozen by a file there (%s): remove it first",
                      from->name, from->frozen);
        return;
    }
    const char *to = core_node(core, core_member(core, target)->node)->name;
    journal_add(effects, SEVERITY_WARNING, EVENT_OPERATOR, f->request.author,
                "failover of %s to %s%s%s", s->name, to, f->request.reason[0] ? ": " : "",
                f->request.reason);
    text_format(reply, sizeof(reply), "to %s: asked by %s", to, f->request.author);
    recovery_move(core, i, target, RULE_OPERATOR, reply, effects);
    stale_service(core, i);
    journal_reply(effects, true, "moving %s to %s", s->name, to);
}

static void apply_request(struct core *core, const struct fact *f, struct effects *effects)
{
    switch (f->request.verb) {
    case VERB_FAILOVER:
        request_failover(core, f, effects);
        break;
    case VERB_PAUSE:
    case VERB_RESUME:
        request_pause(core, f, effects);
        break;
    case VERB_MAINTENANCE_ON:
    case VERB_MAINTENANCE_OFF:
        request_maintenance(core, f, effects);
        break;
    }
}

/* ---------------------------------------------------------------- the step itself */

void core_step(struct core *core, const struct fact *f, struct effects *effects)
{
    effects_clear(effects);
    core->index = f->index;
    core->term = f->term;
    if (f->at_ms > core->at_ms)
        core->at_ms = f->at_ms; /* core time never runs backwards */
    core->wall_ms = f->wall_ms;
    switch (f->kind) {
    case FACT_OPINIONS:
        apply_opinions(core, f, effects);
        break;
    case FACT_TICK:
        break;
    case FACT_OUTCOME:
        recovery_outcome(core, f, effects);
        break;
    case FACT_LEADER:
        board_apply_leader(core, f, effects);
        break;
    case FACT_REQUEST:
        apply_request(core, f, effects);
        break;
    case FACT_SIGHT:
        board_apply_sight(core, f, effects);
        break;
    case FACT_REACH:
        board_apply_reach(core, f, effects);
        break;
    case FACT_CALM:
        board_apply_calm(core, f, effects);
        break;
    case FACT_BOARD:
        board_apply(core, f, effects);
        break;
    case FACT_PRESENCE:
        board_apply_presence(core, f, effects);
        break;
    case FACT_FREEZE:
        board_apply_freeze(core, f, effects);
        break;
    case FACT_CENSUS:
        headcount_apply(core, f, effects);
        break;
    }
    end_switches(core, effects);
    verdict_refresh(core, effects);
    recovery_settle(core, effects);
    diagnose_tell(core, core_is_gathered(core, NULL, NULL) ? effects : NULL);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t core_next_deadline(const struct core *core)
{
    int64_t next_ms =
        core->is_paused && core->paused_until_ms > 0 ? core->paused_until_ms : NEVER_MS;
    for (int32_t i = 0; i < core_node_count(core); i++) {
        const struct node *node = core_node(core, i);
        if (node->in_maintenance && node->maintenance_until_ms > 0)
            next_ms = sooner(next_ms, node->maintenance_until_ms);
    }
    for (int32_t i = 0; i < core_member_count(core); i++) {
        const struct member *m = core_member(core, i);
        next_ms = sooner(next_ms, m->step == STEP_IDLE ? m->wake_ms : m->deadline_ms);
    }
    for (int32_t i = 0; i < core_service_count(core); i++) {
        const struct service *s = core_service(core, i);
        next_ms = sooner(next_ms, s->phase == PHASE_STEADY ? s->wake_ms : s->deadline_ms);
    }
    return next_ms;
}
