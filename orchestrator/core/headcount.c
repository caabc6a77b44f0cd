#include "orchestrator/core/headcount.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/diagnose_text.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/verdict.h"

static uint16_t saturated(uint32_t number)
{
    return number > UINT16_MAX ? UINT16_MAX : (uint16_t)number;
}

/* Where nobody looks, nothing is left of what was said. */
static struct census census_of(const struct census_change *change)
{
    struct census census = {.seers = saturated(change->seers)};
    if (change->seers == 0)
        return census;
    census.silent = saturated(change->silent);
    census.doubters = saturated(change->doubters);
    for (int state = STATE_OK; state <= STATE_CRITICAL; state++) {
        census.votes[state] = saturated(change->votes[state]);
        census.newest[state] = saturated(change->newest[state]);
        census.answers[state] = saturated(change->answers[state]);
    }
    return census;
}

/* Of a check that asks for observers. */
static bool is_change_whole(const struct core *core, const struct census_change *change)
{
    return change->check < core->shape.checks &&
           core_check(core, (int32_t)change->check)->observers > 0;
}

static void take(struct core *core, const struct census_change *change, struct effects *effects)
{
    struct check *check = core_check(core, (int32_t)change->check);
    struct census census = census_of(change);
    enum state before = (enum state)check->state;
    if (check->census.doubters > 0 || census.doubters > 0)
        verdict_touch(effects, change->check);
    check->census = census;
    verdict_on_opinion(core, (int32_t)change->check, effects);
    if (check->state != before && census.seers > 0) { /* no controller's text is the evidence */
        char text[LINE_SIZE];
        core_census_text(&census, text);
        text_format(check->text, sizeof(check->text), "observers: %s", text);
    }
}

static bool may_count(const struct core *core, const struct fact *f, struct effects *effects)
{
    if (core->rules < CENSUS_RULES) {
        journal_add(effects, SEVERITY_INFO, EVENT_REFUSED, "census",
                    "rules %u are followed, which do not know it", core->rules);
        return false;
    }
    if (f->census.policy_index == core->policy_index)
        return true;
    journal_add(effects, SEVERITY_INFO, EVENT_REFUSED, "census",
                "of another policy (%llu, now %llu)", (unsigned long long)f->census.policy_index,
                (unsigned long long)core->policy_index);
    return false;
}

void headcount_apply(struct core *core, const struct fact *f, struct effects *effects)
{
    if (!may_count(core, f, effects))
        return;
    for (uint32_t i = 0; i < f->census.count; i++)
        if (is_change_whole(core, &f->census.changes[i]))
            take(core, &f->census.changes[i], effects);
    for (uint32_t i = 0; i < f->census.count; i++)
        if (is_change_whole(core, &f->census.changes[i]))
            verdict_tell(core, (int32_t)f->census.changes[i].check, effects);
}

/* ---------------------------------------------------------------- in words */

/* The first one says of how many. */
static void add_some(char text[LINE_SIZE], const struct census *census, uint32_t some,
                     const char *verb, const char *what)
{
    if (some == 0)
        return;
    if (text[0] == '\0')
        diagnose_add(text, "%u of %u %s%s", some, census->seers, verb, what);
    else
        diagnose_add(text, ", %u %s", some, what);
}

void core_census_text(const struct census *census, char text[LINE_SIZE])
{
    static const enum state order[] = {STATE_CRITICAL, STATE_WARNING, STATE_OK};
    uint32_t told = census->silent;
    text[0] = '\0';
    for (int i = 0; i < 3; i++) {
        told += census->newest[order[i]];
        add_some(text, census, census->newest[order[i]], "say ", state_name(order[i]));
    }
    add_some(text, census, census->silent, "", "have not looked yet");
    add_some(text, census, census->seers > told ? census->seers - told : 0, "", "cannot tell");
    if (census->doubters > 0)
        diagnose_add(text, "; %u are not sure yet", census->doubters);
}
