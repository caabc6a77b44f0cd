/* Damping of one check by one controller. */
#include "orchestrator/core/opinion.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/core/words.h"

/* How bad a state is; UNKNOWN is worse than WARNING, since nobody can say how bad it is. */
static int badness(uint8_t state)
{
    static const int order[] = {
        [STATE_OK] = 0, [STATE_WARNING] = 1, [STATE_UNKNOWN] = 2, [STATE_CRITICAL] = 3};
    return order[state];
}

/* Observations in a row that `state` needs to become the opinion. */
static uint32_t needed_for(const struct damping *opinion, uint8_t state, uint32_t fall,
                           uint32_t rise)
{
    if (!opinion->is_known)
        return state == STATE_OK ? 1 : fall;
    return badness(state) > badness(opinion->state) ? fall : rise;
}

bool opinion_observe(struct damping *opinion, uint8_t state, uint32_t fall, uint32_t rise)
{
    PRE(state <= STATE_UNKNOWN);
    opinion->criticals = state == STATE_CRITICAL ? opinion->criticals + 1 : 0;
    if (opinion->is_known && state == opinion->state) {
        opinion->attempt = 0;
        return false;
    }
    opinion->attempt++;
    if (opinion->attempt < needed_for(opinion, state, fall, rise) ||
        (state == STATE_CRITICAL && opinion->criticals < fall))
        return false;
    *opinion = (struct damping){.state = state, .is_known = true};
    return true;
}

bool opinion_is_contradicted(const struct damping *opinion)
{
    return opinion->attempt > 0;
}
