/* Facts out of their messages. The core's enums and the messages' have the same numbers; what is
 * out of range is refused here, so that the core can rely on them. */
#include "orchestrator/proto/fact_message.h"

static bool opinions_from_message(const Ephor__Opinions *m, struct fact *fact,
                                  struct opinion_change changes[OPINIONS_MAX])
{
    if (m->n_changes > OPINIONS_MAX)
        return false;
    for (size_t i = 0; i < m->n_changes; i++) {
        if ((unsigned)m->changes[i]->state > STATE_UNKNOWN)
            return false;
        if ((unsigned)m->changes[i]->suspect > STATE_UNKNOWN ||
            (unsigned)m->changes[i]->cause >= CAUSE_COUNT)
            return false;
        changes[i].suspect = (enum state)m->changes[i]->suspect;
        changes[i].attempts = m->changes[i]->attempts;
        changes[i].cause = (enum cause)m->changes[i]->cause;
        changes[i].check = m->changes[i]->check;
        changes[i].state = (enum state)m->changes[i]->state;
        changes[i].text = m->changes[i]->text;
    }
    fact->kind = FACT_OPINIONS;
    fact->opinions.controller = m->controller;
    fact->opinions.policy_index = m->policy_index;
    fact->opinions.changes = changes;
    fact->opinions.count = (uint32_t)m->n_changes;
    return true;
}

/* Counts by state; those at the end that are 0 may be left out. */
static bool counts_from_message(const uint32_t *from, size_t count, uint32_t counts[3])
{
    for (size_t i = 0; i < 3; i++)
        counts[i] = i < count ? from[i] : 0;
    return count <= 3;
}

static bool census_from_message(const Ephor__Census *m, struct fact *fact,
                                struct census_change changes[CENSUS_MAX])
{
    if (m->n_checks > CENSUS_MAX)
        return false;
    for (size_t i = 0; i < m->n_checks; i++) {
        const Ephor__CensusCheck *from = m->checks[i];
        struct census_change *to = &changes[i];
        *to = (struct census_change){.check = from->check,
                                     .seers = from->seers,
                                     .silent = from->silent,
                                     .doubters = from->doubters};
        if (!counts_from_message(from->votes, from->n_votes, to->votes) ||
            !counts_from_message(from->newest, from->n_newest, to->newest) ||
            !counts_from_message(from->answers, from->n_answers, to->answers))
            return false;
    }
    fact->kind = FACT_CENSUS;
    fact->census.policy_index = m->policy_index;
    fact->census.changes = changes;
    fact->census.count = (uint32_t)m->n_checks;
    return true;
}

static bool outcome_from_message(const Ephor__Outcome *m, struct fact *fact)
{
    if ((unsigned)m->kind > ORDER_STOP || (unsigned)m->result > RESULT_LOST)
        return false;
    fact->kind = FACT_OUTCOME;
    fact->outcome.kind = (enum order_kind)m->kind;
    fact->outcome.order = m->order;
    fact->outcome.object = m->object;
    fact->outcome.node = m->node;
    fact->outcome.result = (enum order_result)m->result;
    fact->outcome.text = m->text;
    return true;
}

static bool request_from_message(const Ephor__Request *m, struct fact *fact)
{
    if ((unsigned)m->verb > VERB_MAINTENANCE_OFF)
        return false;
    fact->kind = FACT_REQUEST;
    fact->request.verb = (enum verb)m->verb;
    fact->request.service = m->service;
    fact->request.node = m->node;
    fact->request.author = m->author;
    fact->request.reason = m->reason;
    fact->request.for_ms = m->for_ms < 0 || m->for_ms > SWITCH_MAX_MS ? SWITCH_MAX_MS : m->for_ms;
    return true;
}

static bool board_from_message(const Ephor__Board *m, struct fact *fact,
                               struct seat seats[CONTROLLERS_MAX])
{
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++)
        seats[i] = (struct seat){.name = ""};
    for (size_t i = 0; i < m->n_seats; i++) {
        const Ephor__Seat *from = m->seats[i];
        if (from->seat < 1 || from->seat > CONTROLLERS_MAX || seats[from->seat - 1].is_taken)
            return false;
        seats[from->seat - 1] = (struct seat){
            .is_taken = true, .looks = from->looks, .votes = from->votes, .name = from->name};
    }
    fact->kind = FACT_BOARD;
    fact->board.seats = seats;
    return true;
}

bool fact_has_times(const Ephor__Fact *m)
{
    return m->at_ms >= 0 && m->at_ms <= TIME_MAX_MS && m->wall_ms >= 0 && m->wall_ms <= TIME_MAX_MS;
}

bool fact_from_message(const Ephor__Fact *m, uint64_t index, uint64_t term, struct fact *fact,
                       struct fact_parts *parts)
{
    struct opinion_change *changes = parts->changes;
    struct seat *seats = parts->seats;
    *fact = (struct fact){.index = index, .term = term, .at_ms = m->at_ms, .wall_ms = m->wall_ms};
    if (!fact_has_times(m))
        return false;
    if (m->body_case == EPHOR__FACT__BODY_OPINIONS)
        return opinions_from_message(m->opinions, fact, changes);
    if (m->body_case == EPHOR__FACT__BODY_OUTCOME)
        return outcome_from_message(m->outcome, fact);
    if (m->body_case == EPHOR__FACT__BODY_REQUEST)
        return request_from_message(m->request, fact);
    if (m->body_case == EPHOR__FACT__BODY_CENSUS)
        return census_from_message(m->census, fact, parts->census);
    if (m->body_case == EPHOR__FACT__BODY_TICK) {
        fact->kind = FACT_TICK;
    } else if (m->body_case == EPHOR__FACT__BODY_LEADER) {
        fact->kind = FACT_LEADER;
        fact->leader.controller = m->leader->controller;
        fact->leader.name = m->leader->name;
    } else if (m->body_case == EPHOR__FACT__BODY_SIGHT) {
        fact->kind = FACT_SIGHT;
        fact->sight.controller = m->sight->controller;
        fact->sight.sees = m->sight->sees;
        fact->sight.reason = m->sight->reason;
    } else if (m->body_case == EPHOR__FACT__BODY_REACH) {
        fact->kind = FACT_REACH;
        fact->reach.controller = m->reach->controller;
        fact->reach.node = m->reach->node;
        fact->reach.reachable = m->reach->reachable;
        fact->reach.text = m->reach->text;
        fact->reach.frozen = m->reach->frozen;
        fact->reach.guard =
            m->reach->guard <= EPHOR__GUARD__GUARD_NFT ? (uint8_t)m->reach->guard : GUARD_UNTOLD;
    } else if (m->body_case == EPHOR__FACT__BODY_CALM) {
        fact->kind = FACT_CALM;
        fact->calm.controller = m->calm->controller;
        fact->calm.calm = m->calm->calm;
        fact->calm.reason = m->calm->reason;
    } else if (m->body_case == EPHOR__FACT__BODY_FREEZE) {
        fact->kind = FACT_FREEZE;
        fact->freeze.controller = m->freeze->controller;
        fact->freeze.text = m->freeze->text;
    } else if (m->body_case == EPHOR__FACT__BODY_BOARD) {
        return board_from_message(m->board, fact, seats);
    } else if (m->body_case == EPHOR__FACT__BODY_PRESENCE) {
        fact->kind = FACT_PRESENCE;
        fact->presence.controller = m->presence->controller;
        fact->presence.is_there = m->presence->there;
        fact->presence.run = m->presence->run;
        fact->presence.rules = m->presence->rules;
        fact->presence.file = m->presence->file;
        fact->presence.text = m->presence->text;
    } else {
        return false;
    }
    return true;
}
