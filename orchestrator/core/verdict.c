/* Verdicts. A check: the state that a strict majority of the controllers able to see it agree on,
 * else UNKNOWN. A node: the worst of its node checks. A member: CRITICAL when a check that may
 * fail over, or its node, is CRITICAL. Checks without `failover` can make at most a WARNING, and
 * checks of a VIP never count for a member: they tell, they do not move. */
#include "orchestrator/core/verdict.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/journal.h"

#include <string.h>

static enum state verdict_of_check(const struct core *core, const struct check *check,
                                   bool *is_known)
{
    uint32_t votes[4] = {0};
    uint32_t total = 0;
    for (uint32_t c = 0; c < CONTROLLERS_MAX; c++) {
        if (check->opinions[c].is_known && !core->controllers[c].is_blind) {
            votes[check->opinions[c].state & 3]++;
            total++;
        }
    }
    *is_known = total > 0;
    for (enum state state = STATE_OK; state <= STATE_UNKNOWN; state++)
        if (votes[state] * 2 > total)
            return state;
    return STATE_UNKNOWN;
}

static enum severity severity_of(enum state state)
{
    return state == STATE_CRITICAL ? SEVERITY_ERROR
           : state == STATE_OK     ? SEVERITY_INFO
                                   : SEVERITY_WARNING;
}

static void refresh_check(struct core *core, struct check *check, struct effects *effects)
{
    bool is_known;
    enum state state = verdict_of_check(core, check, &is_known);
    check->is_known = is_known;
    if (state != check->state) {
        check->state = (uint8_t)state;
        check->since_ms = core->at_ms;
    }
    if (is_known && state != check->told) {
        journal_add(effects, severity_of(state), EVENT_CHECK, check->id, "%s (was %s)%s%s",
                    state_name(state), state_name(check->told), check->text[0] ? ": " : "",
                    check->text);
        check->told = (uint8_t)state;
    }
}

/* The worse of two states for a target: CRITICAL, then UNKNOWN, WARNING, OK. */
static bool is_worse(enum state a, enum state b)
{
    static const int rank[] = {0, 1, 3, 2};
    return rank[a] > rank[b];
}

static void tally_add(struct tally *tally, const struct core *core, int32_t i)
{
    const struct check *check = core_check(core, i);
    enum state state = check->state;
    if (!check->failover)
        state = state == STATE_OK || !check->is_known ? STATE_OK : STATE_WARNING;
    else if (!check->is_known)
        tally->is_known = false;
    if (is_worse(state, tally->state)) {
        tally->state = (uint8_t)state;
        tally->worst = i;
    }
}

/* Count every check for its node or member, in one pass. */
static void tally_all(struct core *core)
{
    static const struct tally none = {.state = STATE_OK, .is_known = true, .worst = NONE};
    for (int32_t i = 0; i < core_node_count(core); i++)
        core_node(core, i)->tally = none;
    for (int32_t i = 0; i < core_member_count(core); i++)
        core_member(core, i)->tally = none;
    for (int32_t i = 0; i < core_check_count(core); i++) {
        const struct check *check = core_check(core, i);
        if (check->scope == SCOPE_NODE)
            tally_add(&core_node(core, check->target)->tally, core, i);
        else if (check->scope == SCOPE_MEMBER)
            tally_add(&core_member(core, check->target)->tally, core, i);
    }
}

static void refresh_node(struct core *core, int32_t i, struct effects *effects)
{
    struct node *node = core_node(core, i);
    struct tally tally = node->tally;
    if (tally.state != node->state) {
        node->state = (uint8_t)tally.state;
        node->since_ms = core->at_ms;
    }
    if (tally.is_known && tally.state != node->told) {
        journal_add(effects, severity_of(tally.state), EVENT_NODE, node->name, "is %s (was %s)",
                    state_name(tally.state), state_name(node->told));
        node->told = (uint8_t)tally.state;
    }
}

static void refresh_member(struct core *core, int32_t i, struct effects *effects)
{
    struct member *member = core_member(core, i);
    const struct node *node = core_node(core, member->node);
    struct tally tally = member->tally;
    enum state state = tally.state;
    char text[TEXT_SIZE] = "";
    if (node->state == STATE_CRITICAL && state != STATE_CRITICAL) {
        state = STATE_CRITICAL;
        text_format(text, sizeof(text), "node %s is down", node->name);
    } else if (tally.worst != NONE) {
        const struct check *worst = core_check(core, tally.worst);
        text_format(text, sizeof(text), "%s: %s", worst->name,
                    worst->is_known ? worst->text : "nobody has looked yet");
    }
    text_copy(member->text, sizeof(member->text), text);
    member->is_known = tally.is_known;
    if (state != member->state) {
        member->state = (uint8_t)state;
        member->since_ms = core->at_ms;
    }
    if (tally.is_known && state != member->told) {
        char name[ID_SIZE];
        journal_add(effects, severity_of(state), EVENT_MEMBER, journal_member(core, i, name),
                    "is %s (was %s)%s%s", state_name(state), state_name(member->told),
                    text[0] ? ": " : "", text);
        member->told = (uint8_t)state;
    }
}

void verdict_refresh(struct core *core, struct effects *effects)
{
    for (int32_t i = 0; i < core_check_count(core); i++)
        refresh_check(core, core_check(core, i), effects);
    tally_all(core);
    for (int32_t i = 0; i < core_node_count(core); i++)
        refresh_node(core, i, effects);
    for (int32_t i = 0; i < core_member_count(core); i++)
        refresh_member(core, i, effects);
}

void verdict_forget(struct core *core, uint32_t controller)
{
    for (int32_t i = 0; i < core_check_count(core); i++)
        core_check(core, i)->opinions[controller - 1] = (struct opinion){0};
}

bool verdict_needs_reach(const struct core *core, const struct service *service)
{
    if (service->run == RUN_ACTIVE)
        return true;
    for (int32_t i = 0; i < core_vip_count(core); i++) {
        const struct vip *vip = core_vip(core, i);
        if (vip->service != NONE && core_service(core, vip->service) == service)
            return true;
    }
    return false;
}
