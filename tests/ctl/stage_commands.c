/* What the commands of the stage do: facts, observations, words of other processes. */
#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"
#include "tests/ctl/stage_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- facts */

void stage_adopt_policy(struct stage *s)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    const Ephor__Policy *policy = stage_policy();
    adopted.policy.len = ephor__policy__get_packed_size(policy);
    adopted.policy.data = malloc(adopted.policy.len + 1);
    PRE(adopted.policy.data != NULL);
    ephor__policy__pack(policy, adopted.policy.data);
    adopted.digest = (char *)(uintptr_t) "0123456789abcdef";
    adopted.author = (char *)(uintptr_t) "stage";
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    stage_apply(s, &fact);
    free(adopted.policy.data);
    Ephor__Leader leader = EPHOR__LEADER__INIT;
    leader.controller = 1;
    leader.name = (char *)(uintptr_t) "ctl1";
    fact.body_case = EPHOR__FACT__BODY_LEADER;
    fact.leader = &leader;
    stage_apply(s, &fact);
}

static uint32_t find_check(const char *id)
{
    uint32_t i = 0;
    while (i < stage_policy()->n_checks && strcmp(stage_policy()->checks[i]->id, id) != 0)
        i++;
    return i;
}

static void give_opinion(struct stage *s, const char *id, int state, const char *text)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    Ephor__OpinionChange change = EPHOR__OPINION_CHANGE__INIT, *changes[] = {&change};
    change.check = find_check(id);
    change.state = (Ephor__State)state;
    change.text = (char *)(uintptr_t)text;
    change.cause = state == 0 ? EPHOR__CAUSE__CAUSE_NONE : EPHOR__CAUSE__CAUSE_WRONG;
    opinions.controller = 1;
    opinions.policy_index = s->machine.policy_index;
    opinions.changes = changes;
    opinions.n_changes = 1;
    fact.body_case = EPHOR__FACT__BODY_OPINIONS;
    fact.opinions = &opinions;
    stage_apply(s, &fact);
}

/* All controllers know the rules that it takes; this one's opinions are told again afterwards. */
static void follow_rules(struct stage *s)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Board board = EPHOR__BOARD__INIT;
    Ephor__Seat seat = EPHOR__SEAT__INIT, *seats[] = {&seat};
    Ephor__Presence presence = EPHOR__PRESENCE__INIT;
    seat.seat = presence.controller = 1;
    seat.name = (char *)(uintptr_t) "stage";
    seat.looks = seat.votes = presence.there = true;
    presence.rules = core_rules_max;
    board.seats = seats;
    board.n_seats = 1;
    fact.body_case = EPHOR__FACT__BODY_BOARD;
    fact.board = &board;
    stage_apply(s, &fact);
    fact.body_case = EPHOR__FACT__BODY_PRESENCE;
    fact.presence = &presence;
    stage_apply(s, &fact);
}

/* Of 200 observers all are sure of this state. */
static void give_census(struct stage *s, const char *id, int state)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Census census = EPHOR__CENSUS__INIT;
    Ephor__CensusCheck counted = EPHOR__CENSUS_CHECK__INIT, *checks[] = {&counted};
    uint32_t votes[4] = {0}, answers[4] = {0};
    votes[state] = 200;
    answers[state] = 200 * SETTLED;
    counted.check = find_check(id);
    counted.seers = 200;
    counted.n_votes = counted.n_newest = counted.n_answers = 3;
    counted.votes = counted.newest = votes;
    counted.answers = answers;
    census.policy_index = s->machine.policy_index;
    census.checks = checks;
    census.n_checks = 1;
    follow_rules(s);
    fact.body_case = EPHOR__FACT__BODY_CENSUS;
    fact.census = &census;
    stage_apply(s, &fact);
}

static void give_result(struct stage *s, const char *id, int state, const char *text)
{
    struct result result = {.policy_index = s->machine.policy_index,
                            .state = (uint8_t)state,
                            .started_wall_ms = now_wall_ms(),
                            .duration_us = 12345,
                            .runs = 7,
                            .runs_by_state = {4, 1, 2, 0},
                            .attempt = 1};
    text_copy(result.output, sizeof(result.output), text);
    text_copy(result.perfdata, sizeof(result.perfdata), "time=0.012s;1;2;0");
    results_write(s->results, find_check(id), &result);
    struct results_checker *checker = results_checker(s->results, 0);
    checker->lateness_counts[1]++;
    checker->lateness_count++;
    checker->lateness_sum_us += 4000;
}

static void give_reach(struct stage *s, const char *node, int up, const char *text)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Reach reach = EPHOR__REACH__INIT;
    reach.node = (char *)(uintptr_t)node;
    reach.reachable = up;
    reach.text = (char *)(uintptr_t)text;
    fact.body_case = EPHOR__FACT__BODY_REACH;
    fact.reach = &reach;
    stage_apply(s, &fact);
}

static void give_channel(struct stage *s, const char *node, int up, const char *text)
{
    static char *holding[] = {(char *)(uintptr_t) "192.0.2.100"};
    Ephor__NodeChannel channel = EPHOR__NODE_CHANNEL__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    channel.node = (char *)(uintptr_t)node;
    channel.up = up;
    channel.text = (char *)(uintptr_t)text;
    channel.rtt_us = 1234;
    channel.holding = holding;
    channel.n_holding = strcmp(text, "holds") == 0;
    m.body_case = EPHOR__MESSAGE__BODY_NODE_CHANNEL;
    m.node_channel = &channel;
    link_send(s->actor, &m, -1);
}

static void give_process(struct stage *s, const char *role, int up, const char *text)
{
    Ephor__ProcessState state = EPHOR__PROCESS_STATE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    state.role = strcmp(role, "checker") == 0  ? EPHOR__ROLE__CHECKER
                 : strcmp(role, "quorum") == 0 ? EPHOR__ROLE__QUORUM
                 : strcmp(role, "actor") == 0  ? EPHOR__ROLE__ACTOR
                                               : EPHOR__ROLE__STATUS;
    state.pid = 4242;
    state.up = up;
    state.restarts = text[0] != '\0';
    state.reason = (char *)(uintptr_t)text;
    state.since_wall_ms = now_wall_ms();
    m.body_case = EPHOR__MESSAGE__BODY_PROCESS_STATE;
    m.process_state = &state;
    link_send(s->control, &m, -1);
}

static void give_reload(struct stage *s, int ok, const char *text)
{
    Ephor__Reloaded reloaded = EPHOR__RELOADED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reloaded.ok = ok;
    reloaded.text = (char *)(uintptr_t)text;
    reloaded.wall_ms = now_wall_ms();
    m.body_case = EPHOR__MESSAGE__BODY_RELOADED;
    m.reloaded = &reloaded;
    link_send(s->control, &m, -1);
}

/* ---------------------------------------------------------------- commands */

/* "on" and "off" as well as numbers. */
static int read_number(const char *text)
{
    int64_t number = strcmp(text, "on") == 0;
    text_parse_int(text, 0, 3, &number);
    return (int)number;
}

static void lose_quorum(struct stage *s)
{
    link_free(s->quorum);
    s->quorum = NULL;
}

void stage_carry_out(struct stage *s, const char *verb, const char *a, const char *b,
                     const char *text)
{
    if (strcmp(verb, "opinion") == 0)
        give_opinion(s, a, read_number(b), text);
    else if (strcmp(verb, "census") == 0)
        give_census(s, a, read_number(b));
    else if (strcmp(verb, "result") == 0)
        give_result(s, a, read_number(b), text);
    else if (strcmp(verb, "reach") == 0)
        give_reach(s, a, read_number(b), text);
    else if (strcmp(verb, "channel") == 0)
        give_channel(s, a, read_number(b), text);
    else if (strcmp(verb, "observe") == 0)
        stage_observe(s, a, read_number(b), text);
    else if (strcmp(verb, "process") == 0)
        give_process(s, a, read_number(b), text);
    else if (strcmp(verb, "reload") == 0)
        give_reload(s, read_number(a), b);
    else if (strcmp(verb, "work") == 0)
        s->works = read_number(a);
    else if (strcmp(verb, "leading") == 0)
        s->is_leading = read_number(a);
    else if (strcmp(verb, "silent") == 0)
        s->is_silent = read_number(a);
    else if (strcmp(verb, "drop") == 0)
        s->is_dropping = read_number(a);
    else if (strcmp(verb, "early") == 0)
        s->is_early = read_number(a);
    else if (strcmp(verb, "lose") == 0)
        lose_quorum(s);
    else if (strcmp(verb, "again") == 0)
        stage_begin_feed(s);
    if (strcmp(verb, "storage") == 0) {
        s->is_storage_ok = read_number(a);
        text_copy(s->storage_text, sizeof(s->storage_text), b);
    }
    if (strcmp(verb, "calm") == 0) {
        s->is_calm = read_number(a);
        text_copy(s->calm_text, sizeof(s->calm_text), b);
    }
    stage_work(s);
    stage_send_state(s);
}
