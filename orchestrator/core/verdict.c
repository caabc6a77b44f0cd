/* Verdicts. A check: CRITICAL if as many of those able to see it, controllers and observers, say so
 * as `agree` asks for, else what a majority of them says, else UNKNOWN. With `confirm` the newest
 * answers of all together do for the `fall` or `rise` answers of one. A node: the worst of its node
 * checks. A member: CRITICAL when a check that may fail over, or its node, is CRITICAL. Checks
 * without `failover` can make at most a WARNING, and checks of a VIP never count for a member: they
 * tell, they do not move. */
#include "orchestrator/core/verdict.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/diagnose.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/stale.h"
#include "orchestrator/core/survey.h"

#include <string.h>

bool verdict_is_worse(enum state a, enum state b)
{
    static const int rank[] = {0, 1, 3, 2};
    return rank[a] > rank[b];
}

void verdict_touch(struct effects *effects, uint32_t check)
{
    for (uint32_t i = 0; i < effects->touched_count; i++)
        if (effects->touched[i] == check)
            return;
    if (effects->touched_count == EFFECTS_MAX)
        effects->touched_all = true;
    else
        effects->touched[effects->touched_count++] = check;
}

struct count { /* of the opinions about a check */
    uint32_t votes[4];
    uint32_t answers[4]; /* that speak for each state */
    uint32_t able;       /* to see it, whether they have looked yet or not */
    uint32_t silent;     /* those of them who have not */
    uint32_t seers;      /* that look at it, whether able to see or not */
    bool is_known;       /* somebody has an opinion */
    bool has_doubt;      /* somebody's newest answers contradict its opinion */
};

/* The observers, who are counted already. */
static void add_census(const struct census *census, bool with_doubt, struct count *count)
{
    const uint16_t *votes = with_doubt ? census->newest : census->votes;
    count->seers += census->seers;
    count->able += census->silent;
    count->silent += census->silent;
    count->has_doubt |= census->doubters > 0;
    for (int state = STATE_OK; state <= STATE_CRITICAL; state++) {
        uint32_t settled = (uint32_t)SETTLED * votes[state];
        count->able += votes[state];
        count->votes[state] += votes[state];
        count->answers[state] += with_doubt ? census->answers[state] : settled;
        count->is_known |= votes[state] > 0;
    }
}

/* with_doubt: what the newest answers say; else the opinions, which hold until `fall` or `rise`
 * answers have contradicted them. UNKNOWN is an abstention. */
static struct count count_opinions(const struct core *core, int32_t i, bool with_doubt)
{
    const struct check *check = core_check(core, i);
    struct count count = {.seers = 0};
    struct outlook outlook;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        const struct opinion *o = &check->opinions[seat - 1];
        if ((!core->is_board_known && !o->is_known) || !core_looks(core, i, seat, &outlook))
            continue;
        count.seers += core->controllers[seat - 1].presence != PRESENCE_ABSENT;
        if (!core_sees(core, seat))
            continue;
        bool doubts = o->is_known && o->attempts > 0;
        uint8_t state = with_doubt && doubts ? o->suspect : o->state;
        count.is_known |= o->is_known;
        count.has_doubt |= doubts;
        if (o->is_known && state == STATE_UNKNOWN)
            continue;
        count.able++;
        count.silent += !o->is_known;
        if (!o->is_known)
            continue;
        count.votes[state]++;
        count.answers[state] += with_doubt && doubts ? o->attempts : SETTLED;
    }
    add_census(&check->census, with_doubt, &count);
    return count;
}

/* How many have to say that it is down. One vantage point alone decides nothing where there are
 * more, unless the policy says so. */
static uint32_t needed_for_critical(const struct check *check, const struct count *count)
{
    uint32_t needed = check->agree == AGREE_ALL ? count->able : count->able / 2 + 1;
    if (check->agree == AGREE_ANY)
        return 1;
    if (check->agree == AGREE_NUMBER)
        return check->agree_count;
    return needed < 2 && count->seers >= 2 ? 2 : needed;
}

static enum state agreed(const struct check *check, const struct count *count)
{
    const uint32_t *votes = count->votes;
    if (votes[STATE_CRITICAL] > 0 && votes[STATE_CRITICAL] >= needed_for_critical(check, count))
        return STATE_CRITICAL;
    if (2 * votes[STATE_OK] > count->able)
        return STATE_OK;
    if (2 * (votes[STATE_OK] + votes[STATE_WARNING]) > count->able)
        return STATE_WARNING;
    return STATE_UNKNOWN;
}

/* Did enough answers, of all together, speak for this state in place of the verdict? */
static bool is_confirmed(const struct check *check, enum state state, const struct count *count)
{
    uint32_t answers = count->answers[state];
    if (state == STATE_UNKNOWN || !check->is_known)
        return false;
    if (state == STATE_WARNING)
        answers += count->answers[STATE_OK];
    return state == check->state ||
           answers >= (verdict_is_worse(state, check->state) ? check->fall : check->rise);
}

/* Not agreed only because some have not looked yet, such as a controller that has just joined: what
 * was well and is not contradicted stays so; what nobody could judge so far is not known. */
static enum state wait_for_silent(const struct check *check, const struct count *count,
                                  enum state state, bool *is_known)
{
    bool was_well = check->state == STATE_OK || check->state == STATE_WARNING;
    if (state != STATE_UNKNOWN || count->silent == 0 || !count->is_known)
        return state;
    if (check->is_known && was_well && count->votes[STATE_CRITICAL] == 0)
        return check->state;
    *is_known = check->is_known;
    return state;
}

static enum state verdict_of_check(const struct core *core, int32_t i, bool *is_known)
{
    const struct check *check = core_check(core, i);
    struct count count = count_opinions(core, i, true);
    *is_known = count.is_known;
    enum state state = agreed(check, &count);
    if (count.has_doubt && !is_confirmed(check, state, &count)) {
        count = count_opinions(core, i, false);
        state = agreed(check, &count);
    }
    return wait_for_silent(check, &count, state, is_known);
}

static enum severity severity_of(enum state state)
{
    return state == STATE_CRITICAL ? SEVERITY_ERROR
           : state == STATE_OK     ? SEVERITY_INFO
                                   : SEVERITY_WARNING;
}

/* Another one looks in its place: what it thought gets old. */
static void forget_replaced(struct core *core, int32_t i)
{
    struct outlook outlook;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (core_check(core, i)->opinions[seat - 1].is_known &&
            !core_looks(core, i, seat, &outlook))
            core_check(core, i)->opinions[seat - 1] = (struct opinion){0};
}

/* ": node dead" behind a verdict that is not OK. */
static const char *word_of(enum state state, const struct diagnosis *diagnosis,
                           char word[NAME_SIZE])
{
    word[0] = '\0';
    if (state != STATE_OK && diagnosis->kind > DIAGNOSIS_UNKNOWN)
        text_format(word, NAME_SIZE, ": %s", diagnosis_name(diagnosis->kind));
    return word;
}

enum { RULES_SETTLE = 3 };

/* Returns whether it is another one than before. */
static bool work_out(struct core *core, int32_t i)
{
    struct check *check = core_check(core, i);
    bool is_known;
    enum state state = verdict_of_check(core, i, &is_known);
    bool is_changed = state != check->state || is_known != check->is_known;
    check->is_known = is_known;
    check->state = (uint8_t)state;
    return is_changed;
}

/* How many answers a doubt needs hangs on the verdict that it contradicts, so that a new one may
 * not be the last word: else it would come whenever somebody looks at it again. */
static void refresh_check(struct core *core, int32_t i, struct effects *effects)
{
    struct check *check = core_check(core, i);
    uint8_t before = check->state;
    if (check->vantage == VANTAGE_NUMBER)
        forget_replaced(core, i);
    for (int round = 0; work_out(core, i) && round < 2 && core->rules >= RULES_SETTLE; round++)
        continue;
    if (check->state != before) {
        verdict_touch(effects, (uint32_t)i);
        check->since_ms = core->at_ms;
    }
}

static void tell_check(struct core *core, int32_t i, struct effects *effects)
{
    struct check *check = core_check(core, i);
    enum state state = (enum state)check->state;
    struct diagnosis d;
    char word[NAME_SIZE];
    if (!check->is_known || state == check->told)
        return;
    core_diagnose_check(core, i, &d);
    journal_add(effects, severity_of(state), EVENT_CHECK, check->id, "%s (was %s)%s%s%s",
                state_name(state), state_name((enum state)check->told), word_of(state, &d, word),
                check->text[0] ? ": " : "", check->text);
    check->told = (uint8_t)state;
}

struct tally { /* of the checks of a node or member */
    enum state state;
    bool is_known;
    int32_t worst; /* check */
};

static void tally_add(struct tally *tally, const struct core *core, int32_t i)
{
    const struct check *check = core_check(core, i);
    enum state state = (enum state)check->state;
    if (!check->failover)
        state = state == STATE_OK || !check->is_known ? STATE_OK : STATE_WARNING;
    else if (!check->is_known)
        tally->is_known = false;
    if (verdict_is_worse(state, tally->state)) {
        tally->state = state;
        tally->worst = i;
    }
}

static struct tally tally_list(const struct core *core, int32_t first)
{
    struct tally tally = {.state = STATE_OK, .is_known = true, .worst = NONE};
    for (int32_t i = first; i != NONE; i = core_check(core, i)->next)
        tally_add(&tally, core, i);
    return tally;
}

int32_t verdict_worst(const struct core *core, int32_t first)
{
    return tally_list(core, first).worst;
}

static bool refresh_node(struct core *core, int32_t i, struct effects *effects)
{
    struct node *node = core_node(core, i);
    struct tally tally = tally_list(core, node->checks);
    bool is_changed = tally.state != node->state;
    if (is_changed) {
        node->state = (uint8_t)tally.state;
        node->since_ms = core->at_ms;
        stale_node(core, i);
    }
    if (tally.is_known && tally.state != node->told) {
        struct diagnosis d;
        char word[NAME_SIZE];
        core_diagnose_node(core, i, &d);
        journal_add(effects, severity_of(tally.state), EVENT_NODE, node->name, "is %s (was %s)%s",
                    state_name(tally.state), state_name((enum state)node->told),
                    word_of(tally.state, &d, word));
        node->told = (uint8_t)tally.state;
    }
    return is_changed;
}

static void refresh_member(struct core *core, int32_t i, struct effects *effects)
{
    struct member *member = core_member(core, i);
    const struct node *node = core_node(core, member->node);
    struct tally tally = tally_list(core, member->checks);
    enum state state = tally.state;
    char text[TEXT_SIZE] = "";
    if (node->state == STATE_CRITICAL && state != STATE_CRITICAL) {
        state = STATE_CRITICAL;
        text_format(text, sizeof(text), "node %s is down", node->name);
    } else if (tally.worst != NONE) {
        const struct check *worst = core_check(core, tally.worst);
        text_format(text, sizeof(text), "%s: %s", worst->name,
                    worst->is_known ? worst->text : "not looked at yet");
    }
    text_copy(member->text, sizeof(member->text), text);
    if (state != member->state || member->is_known != tally.is_known)
        stale_service(core, member->service);
    member->is_known = tally.is_known;
    if (state != member->state) {
        member->state = (uint8_t)state;
        member->since_ms = core->at_ms;
        core->is_many_stale = true;
    }
    if (tally.is_known && state != member->told) {
        struct diagnosis d;
        char name[ID_SIZE], word[NAME_SIZE];
        core_diagnose_member(core, i, &d);
        journal_add(effects, severity_of(state), EVENT_MEMBER, journal_member(core, i, name),
                    "is %s (was %s)%s%s%s", state_name(state), state_name(member->told),
                    word_of(state, &d, word), text[0] ? ": " : "", text);
        member->told = (uint8_t)state;
    }
}

/* ---------------------------------------------------------------- rule 21 */

static void note_failures(struct core *core)
{
    for (int32_t i = 0; i < core_node_count(core); i++)
        core_node(core, i)->failed_ms = 0;
    for (int32_t i = 0; i < core_member_count(core); i++) {
        const struct member *m = core_member(core, i);
        const struct service *s = core_service(core, m->service);
        struct node *node = core_node(core, m->node);
        if (m->state == STATE_CRITICAL && (s->run == RUN_EVERYWHERE || s->active == i) &&
            m->since_ms > node->failed_ms)
            node->failed_ms = m->since_ms;
    }
}

/* How many nodes failed within a short time, and were there more of them than not? */
static void refresh_many(struct core *core)
{
    int64_t last_ms = 0, old_ms = core->many_until_ms;
    if (!core->is_many_stale)
        return;
    core->is_many_stale = false;
    core->many_nodes = core->shape.nodes;
    core->many_failed = 0;
    core->many_until_ms = 0;
    note_failures(core);
    for (int32_t i = 0; i < core_node_count(core); i++)
        if (core_node(core, i)->failed_ms > last_ms)
            last_ms = core_node(core, i)->failed_ms;
    for (int32_t i = 0; i < core_node_count(core); i++) {
        int64_t failed_ms = core_node(core, i)->failed_ms;
        core->many_failed += failed_ms > 0 && failed_ms + MANY_WINDOW_MS > last_ms;
    }
    if (core->many_failed >= MANY_NODES_MIN && 2 * core->many_failed > core->many_nodes)
        core->many_until_ms = last_ms + MANY_HOLD_MS;
    if (core->many_until_ms != old_ms)
        stale_services(core);
}

/* ---------------------------------------------------------------- the whole */

static void refresh_target(struct core *core, const struct check *check, struct effects *effects)
{
    if (check->scope == SCOPE_VIP) {
        stale_service(core, core_vip(core, check->target)->service);
    } else if (check->scope == SCOPE_MEMBER) {
        refresh_member(core, check->target, effects);
    } else if (refresh_node(core, check->target, effects)) {
        int32_t i = core_node(core, check->target)->members;
        for (; i != NONE; i = core_member(core, i)->next_on_node)
            refresh_member(core, i, effects);
    }
}

void verdict_on_opinion(struct core *core, int32_t check, struct effects *effects)
{
    if (core_is_gathered(core, NULL, NULL))
        refresh_check(core, check, effects);
    survey_check(core, check);
}

void verdict_tell(struct core *core, int32_t check, struct effects *effects)
{
    if (!core_is_gathered(core, NULL, NULL))
        return;
    tell_check(core, check, effects);
    refresh_target(core, core_check(core, check), effects);
}

/* Until rule 20 is satisfied every verdict stays as it was: it would be that of a few. */
void verdict_refresh(struct core *core, struct effects *effects)
{
    bool is_gathered = core_is_gathered(core, NULL, NULL);
    for (int32_t i = 0; i < core_check_count(core) && core->is_stale && is_gathered; i++)
        refresh_check(core, i, effects);
    if (core->is_stale)
        survey_refresh(core);
    if (core->is_stale && is_gathered) {
        for (int32_t i = 0; i < core_check_count(core); i++)
            tell_check(core, i, effects);
        for (int32_t i = 0; i < core_node_count(core); i++)
            refresh_node(core, i, effects);
        for (int32_t i = 0; i < core_member_count(core); i++)
            refresh_member(core, i, effects);
    }
    refresh_many(core);
}

void verdict_forget(struct core *core, uint32_t controller)
{
    core->controllers[controller - 1].forgotten_index = core->index;
    for (int32_t i = 0; i < core_check_count(core); i++)
        core_check(core, i)->opinions[controller - 1] = (struct opinion){0};
}

bool core_is_doubted(const struct core *core, int32_t check)
{
    const struct check *c = core_check(core, check);
    if (c->census.doubters > 0)
        return true;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        const struct opinion *o = &c->opinions[seat - 1];
        if (o->is_known && o->attempts > 0 && o->suspect != c->state && core_sees(core, seat))
            return true;
    }
    return false;
}

bool verdict_needs_reach(const struct service *service)
{
    return service->run == RUN_ACTIVE || service->vips != NONE;
}
