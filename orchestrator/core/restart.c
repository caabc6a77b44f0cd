/* The restart of one member: RESTARTING until the command has ended or its time is over, then
 * CONFIRMING until the checks agree or the grace is over. A restart that did not help is over all
 * the same; what then is for the rules to decide. Called by recovery.c alone. */
#include "orchestrator/core/restart.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/core/budget.h"
#include "orchestrator/core/decide.h"
#include "orchestrator/core/journal.h"

#include <string.h>

static void step_set(struct core *core, struct member *m, enum step step, int64_t limit_ms)
{
    m->step = (uint8_t)step;
    m->deadline_ms = step == STEP_IDLE ? NEVER_MS : core->at_ms + limit_ms;
}

static void begin_restart(struct core *core, int32_t member, struct effects *effects)
{
    struct member *m = core_member(core, member);
    const struct service *s = core_service(core, m->service);
    char name[ID_SIZE];
    m->tries++;
    budget_spend(&m->restarts, core->at_ms);
    m->order = core->index;
    step_set(core, m, STEP_RESTARTING, (int64_t)s->restart_timeout_ms + ORDER_SLACK_MS);
    journal_add(effects, SEVERITY_WARNING, EVENT_DECISION, journal_member(core, member, name),
                "restart it (rule %d, try %u of %u): %s", RULE_RESTART_FIRST, m->tries,
                s->restart_tries, m->text);
}

static void end_restart(struct core *core, int32_t member, enum severity severity, const char *text,
                        struct effects *effects)
{
    char name[ID_SIZE];
    step_set(core, core_member(core, member), STEP_IDLE, 0);
    journal_add(effects, severity, EVENT_MEMBER, journal_member(core, member, name), "%s", text);
}

bool restart_advance(struct core *core, int32_t member, struct effects *effects)
{
    struct member *m = core_member(core, member);
    const struct service *s = core_service(core, m->service);
    bool works = m->state == STATE_OK || m->state == STATE_WARNING;
    bool is_over = core->at_ms >= m->deadline_ms;
    switch ((enum step)m->step) {
    case STEP_IDLE: {
        struct decision d;
        if (works)
            m->tries = 0;
        decide_member(core, member, NULL, &d);
        m->rule = (uint8_t)d.rule;
        m->wake_ms = d.wake_ms;
        if (d.acts)
            begin_restart(core, member, effects);
        return d.acts;
    }
    case STEP_RESTARTING:
        if (core_node(core, m->node)->reach == REACH_DOWN)
            end_restart(core, member, SEVERITY_WARNING,
                        "restart given up: its node cannot be reached", effects);
        else if (is_over) /* the outcome is unknown, not bad: find out */
            step_set(core, m, STEP_CONFIRMING, s->restart_grace_ms);
        else
            return false;
        return true;
    case STEP_CONFIRMING:
        if (works)
            end_restart(core, member, SEVERITY_INFO, "works again after the restart", effects);
        else if (is_over)
            end_restart(core, member, SEVERITY_WARNING, "the restart did not help", effects);
        else if (core_node(core, m->node)->reach == REACH_DOWN)
            end_restart(core, member, SEVERITY_WARNING, "its node cannot be reached any more",
                        effects);
        else
            return false;
        return true;
    }
    NEVER("a step that is none");
}

static void restart_ended(struct core *core, int32_t member, const struct fact *f,
                          struct effects *effects)
{
    struct member *m = core_member(core, member);
    enum order_result result = f->outcome.result;
    char name[ID_SIZE];
    journal_add(effects, result == RESULT_DONE ? SEVERITY_INFO : SEVERITY_WARNING, EVENT_OUTCOME,
                journal_member(core, member, name), "restart: %s%s%s", result_name(result),
                f->outcome.text[0] ? ": " : "", f->outcome.text);
    if (result == RESULT_DONE || result == RESULT_UNKNOWN)
        step_set(core, m, STEP_CONFIRMING, core_service(core, m->service)->restart_grace_ms);
    else
        step_set(core, m, STEP_IDLE, 0);
}

bool restart_outcome(struct core *core, int32_t service, const struct fact *f,
                     struct effects *effects)
{
    const struct service *s = core_service(core, service);
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++) {
        const struct member *m = core_member(core, i);
        if (m->step == STEP_RESTARTING && m->order == f->outcome.order &&
            strcmp(core_node(core, m->node)->name, f->outcome.node) == 0) {
            restart_ended(core, i, f, effects);
            return true;
        }
    }
    return false;
}
