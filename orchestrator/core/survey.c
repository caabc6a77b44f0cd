#include "orchestrator/core/survey.h"

uint32_t survey_count(uint32_t seats)
{
    uint32_t count = 0;
    for (; seats != 0; seats &= seats - 1)
        count++;
    return count;
}

uint32_t survey_only(uint32_t seats)
{
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (seats == SEAT_BIT(seat))
            return seat;
    return 0;
}

static bool is_there(const struct core *core, uint32_t seat)
{
    const struct controller_state *c = &core->controllers[seat - 1];
    if (!core->is_board_known)
        return !c->is_blind;
    return c->is_member && c->looks && c->presence != PRESENCE_ABSENT && !c->is_blind;
}

bool survey_counts(const struct core *core, uint32_t seat)
{
    if (!is_there(core, seat) || !core->controllers[seat - 1].is_not_calm)
        return is_there(core, seat);
    for (uint32_t other = 1; other <= CONTROLLERS_MAX && core->is_board_known; other++)
        if (is_there(core, other) && !core->controllers[other - 1].is_not_calm)
            return false;
    return true;
}

bool survey_has_member(const struct core *core, int32_t node)
{
    return core_node(core, node)->members != NONE;
}

bool survey_is_lost(enum cause cause)
{
    return cause == CAUSE_SILENT || cause == CAUSE_UNREACHABLE;
}

int32_t survey_node(const struct core *core, const struct check *check)
{
    if (check->scope == SCOPE_NODE)
        return check->target;
    if (check->scope == SCOPE_MEMBER)
        return core_member(core, check->target)->node;
    return core_vip(core, check->target)->holder;
}

/* By its newest answer; what most think well has to look bad more than once. */
static bool is_bad(const struct check *check, const struct opinion *o)
{
    uint8_t newest = o->attempts > 0 ? o->suspect : o->state;
    return newest != STATE_OK && (check->state != STATE_OK || o->state != STATE_OK);
}

struct sight survey_sight(const struct core *core, int32_t i)
{
    const struct check *check = core_check(core, i);
    struct sight sight = {.good = 0};
    struct outlook outlook;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        const struct opinion *o = &check->opinions[seat - 1];
        if (!survey_counts(core, seat) || !o->is_known) {
            bool looks = core->is_board_known && core_looks(core, i, seat, &outlook);
            if (looks && survey_counts(core, seat))
                sight.waiting |= SEAT_BIT(seat);
            else if (looks)
                sight.unable |= SEAT_BIT(seat);
        } else if (is_bad(check, o)) {
            sight.bad |= SEAT_BIT(seat);
            sight.by_cause[o->cause] |= SEAT_BIT(seat);
        } else {
            sight.good |= SEAT_BIT(seat);
        }
    }
    return sight;
}

/* ---------------------------------------------------------------- counting */

/* Of a seat that tells something; CAUSE_NONE: it sees it well. */
static enum cause cause_of(const struct check *check, uint32_t seat)
{
    const struct opinion *o = &check->opinions[seat - 1];
    return is_bad(check, o) ? (enum cause)o->cause : CAUSE_NONE;
}

static uint32_t counting_seats(const struct core *core)
{
    uint32_t seats = 0;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        if (survey_counts(core, seat))
            seats |= SEAT_BIT(seat);
    return seats;
}

static struct answers answers_to(const struct check *check, uint32_t counting)
{
    struct answers answers = {.known = 0};
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        uint16_t bit = (uint16_t)(counting & SEAT_BIT(seat));
        if (bit == 0 || !check->opinions[seat - 1].is_known)
            continue;
        enum cause cause = cause_of(check, seat);
        answers.known |= bit;
        if (cause == CAUSE_NAME)
            answers.name |= bit;
        else if (cause == CAUSE_LOCAL)
            answers.local |= bit;
        else if (survey_is_lost(cause))
            answers.lost |= bit;
    }
    return answers;
}

/* Is it so from this seat, and otherwise from hardly any? */
static bool is_rare(uint32_t seats, uint32_t seat, uint32_t known)
{
    return seats == SEAT_BIT(seat) ||
           ((seats & SEAT_BIT(seat)) != 0 && 2 * survey_count(seats) < survey_count(known));
}

static void count_answers(struct core *core, const struct answers *answers, int32_t by)
{
    if (survey_count(answers->known) < 2)
        return;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        struct dissent *dissent = &core->controllers[seat - 1].dissent;
        if ((answers->known & SEAT_BIT(seat)) == 0)
            continue;
        dissent->asked += by;
        dissent->lost += is_rare(answers->lost, seat, answers->known) ? by : 0;
        dissent->name += is_rare(answers->name, seat, answers->known) ? by : 0;
        dissent->local += is_rare(answers->local, seat, answers->known) ? by : 0;
    }
}

static void survey_one(struct core *core, int32_t i, uint32_t counting)
{
    struct check *check = core_check(core, i);
    check->answers = answers_to(check, counting);
    count_answers(core, &check->answers, 1);
}

void survey_check(struct core *core, int32_t i)
{
    struct check *check = core_check(core, i);
    int32_t node = check->scope == SCOPE_VIP ? NONE : survey_node(core, check);
    count_answers(core, &check->answers, -1);
    survey_one(core, i, counting_seats(core));
    if (node != NONE)
        core_node(core, node)->is_to_diagnose = true;
}

void survey_refresh(struct core *core)
{
    uint32_t counting = counting_seats(core);
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++)
        core->controllers[seat - 1].dissent = (struct dissent){.asked = 0};
    for (int32_t i = 0; i < core_node_count(core); i++)
        core_node(core, i)->is_to_diagnose = true;
    for (int32_t i = 0; i < core_check_count(core); i++)
        survey_one(core, i, counting);
}

/* ---------------------------------------------------------------- questions */

static void read_list(const struct core *core, int32_t first, uint32_t seat,
                      struct reading *reading)
{
    for (int32_t i = first; i != NONE; i = core_check(core, i)->next) {
        const struct check *check = core_check(core, i);
        if (!check->opinions[seat - 1].is_known)
            continue;
        enum cause cause = cause_of(check, seat);
        if (cause == CAUSE_NAME || cause == CAUSE_LOCAL)
            continue;
        reading->asked++;
        reading->lost += survey_is_lost(cause);
    }
}

struct reading survey_reading(const struct core *core, int32_t node, uint32_t seat)
{
    struct reading reading = {0, 0};
    read_list(core, core_node(core, node)->checks, seat, &reading);
    for (int32_t m = core_node(core, node)->members; m != NONE;
         m = core_member(core, m)->next_on_node)
        read_list(core, core_member(core, m)->checks, seat, &reading);
    return reading;
}

/* Who holds an address changes while a step goes on: not counted as a node. */
bool survey_loses_several(const struct core *core, uint32_t seat)
{
    int32_t lost = NONE;
    for (int32_t i = 0; i < core_check_count(core); i++) {
        const struct check *check = core_check(core, i);
        const struct answers *answers = &check->answers;
        if (check->scope == SCOPE_VIP || survey_count(answers->known) < 2 ||
            !is_rare(answers->lost, seat, answers->known))
            continue;
        int32_t node = survey_node(core, check);
        if (lost != NONE && lost != node)
            return true;
        lost = node;
    }
    return false;
}

int32_t survey_example(const struct core *core, uint32_t seat, enum cause cause)
{
    for (int32_t i = 0; i < core_check_count(core); i++) {
        const struct answers *answers = &core_check(core, i)->answers;
        uint32_t seats = cause == CAUSE_NAME ? answers->name : answers->local;
        if (survey_count(answers->known) > 1 && is_rare(seats, seat, answers->known))
            return i;
    }
    return NONE;
}
