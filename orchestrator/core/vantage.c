/* Who looks at a check. Every controller works it out by itself, from what all agree on: the same
 * board and the same identity give the same answer everywhere. */
#include "orchestrator/core/core.h"

#include <string.h>

/* The finalizer of MurmurHash3: every bit of the input changes half of those of the output. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

/* Highest random weight, or rendezvous, hashing. */
uint64_t core_weight(uint64_t hash, uint32_t who)
{
    return mix(hash ^ mix(who));
}

static uint64_t weight(const struct check *check, uint32_t seat)
{
    return core_weight(check->hash, seat);
}

static bool is_named(const struct core *core, const struct check *check, uint32_t seat)
{
    const char *name = core->controllers[seat - 1].name;
    for (uint32_t i = 0; i < VANTAGE_NAMES_MAX; i++)
        if ((check->vantage_names >> i & 1) != 0 && strcmp(core->vantage_names[i], name) == 0)
            return true;
    return false;
}

/* May it look, as far as the policy and the board say? */
static bool is_seer(const struct core *core, const struct check *check, uint32_t seat)
{
    const struct controller_state *c = &core->controllers[seat - 1];
    if (!core->is_board_known)
        return true;
    if (!c->is_member || !c->looks)
        return false;
    return check->vantage != VANTAGE_NAMES || is_named(core, check, seat);
}

/* Who is given up or blind makes room for others where only some look. Whoever leads next, nobody
 * moves before somebody was given up. */
static bool is_fit_to_look(const struct core *core, uint32_t seat)
{
    const struct controller_state *c = &core->controllers[seat - 1];
    return c->presence != PRESENCE_ABSENT && !c->is_blind;
}

/* Is it among the vantage_count of highest weight that are fit? */
static bool is_chosen(const struct core *core, const struct check *check, uint32_t seat)
{
    uint32_t above = 0;
    if (!is_seer(core, check, seat) || !is_fit_to_look(core, seat))
        return false;
    for (uint32_t other = 1; other <= CONTROLLERS_MAX; other++)
        above += other != seat && is_seer(core, check, other) && is_fit_to_look(core, other) &&
                 (weight(check, other) > weight(check, seat) ||
                  (weight(check, other) == weight(check, seat) && other < seat));
    return above < check->vantage_count;
}

static bool looks(const struct core *core, const struct check *check, uint32_t seat)
{
    if (check->vantage == VANTAGE_NUMBER && core->is_board_known)
        return is_chosen(core, check, seat);
    return is_seer(core, check, seat);
}

bool core_looks(const struct core *core, int32_t check, uint32_t seat, struct outlook *outlook)
{
    const struct check *c = core_check(core, check);
    *outlook = (struct outlook){0, 0};
    if (!looks(core, c, seat))
        return false;
    if (!core->is_board_known) {
        outlook->count = 1;
        return true;
    }
    for (uint32_t other = 1; other <= CONTROLLERS_MAX; other++) {
        if (!looks(core, c, other))
            continue;
        outlook->rank += other < seat;
        outlook->count++;
    }
    return true;
}
