/* For the tests of views: a feed that is told facts by hand. The policy is the stage's. */
#ifndef TESTS_FEED_FIXTURE_H
#define TESTS_FEED_FIXTURE_H

#include "orchestrator/status/feed.h"
#include "tests/ctl/stage.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { NOW_WALL_MS = 1000000000 };

struct play {
    struct feed feed;
    uint64_t index;
    int64_t at_ms;
};

static inline void play_message(struct play *play, Ephor__Message__BodyCase body,
                                ProtobufCMessage *content)
{
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    m.body_case = body;
    m.feed_state = (Ephor__FeedState *)(void *)content; /* all are pointers in one union */
    ck_assert(feed_take(&play->feed, &m));
}

static inline void play_fact(struct play *play, Ephor__Fact *fact)
{
    Ephor__FeedFact feed = EPHOR__FEED_FACT__INIT;
    fact->at_ms = play->at_ms;
    fact->wall_ms = NOW_WALL_MS + play->at_ms;
    feed.index = ++play->index;
    feed.term = 1;
    feed.fact.len = ephor__fact__get_packed_size(fact);
    feed.fact.data = malloc(feed.fact.len + 1);
    ephor__fact__pack(fact, feed.fact.data);
    play_message(play, EPHOR__MESSAGE__BODY_FEED_FACT, &feed.base);
    free(feed.fact.data);
}

static inline void play_policy(struct play *play)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    const Ephor__Policy *policy = stage_policy();
    adopted.policy.len = ephor__policy__get_packed_size(policy);
    adopted.policy.data = malloc(adopted.policy.len + 1);
    ephor__policy__pack(policy, adopted.policy.data);
    adopted.digest = (char *)(uintptr_t) "feedbeef";
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    play_fact(play, &fact);
    free(adopted.policy.data);
    Ephor__Leader leader = EPHOR__LEADER__INIT;
    leader.controller = 1;
    leader.name = (char *)(uintptr_t) "ctl1";
    fact.body_case = EPHOR__FACT__BODY_LEADER;
    fact.leader = &leader;
    play_fact(play, &fact);
}

static inline void play_state(struct play *play, bool storage_ok)
{
    Ephor__FeedState state = EPHOR__FEED_STATE__INIT;
    state.leading = true;
    state.term = 1;
    state.commit_index = state.applied_index = play->index;
    state.storage_ok = storage_ok;
    state.storage_text = (char *)(uintptr_t)(storage_ok ? "" : "no space left on /var");
    state.calm = true;
    play_message(play, EPHOR__MESSAGE__BODY_FEED_STATE, &state.base);
}

/* This controller (1, c1) and another one (2, c2), with the seconds that their certificates have
 * left (0: it is not known) and what is wrong with the own one. */
static inline void play_certificates(struct play *play, int64_t own_s, int64_t other_s,
                                     const char *trouble, const char *link)
{
    static uint8_t ca[32] = {0xab, 0xcd};
    Ephor__FeedState state = EPHOR__FEED_STATE__INIT;
    Ephor__Membership members = EPHOR__MEMBERSHIP__INIT;
    Ephor__ClusterMember c1 = EPHOR__CLUSTER_MEMBER__INIT, c2 = EPHOR__CLUSTER_MEMBER__INIT;
    Ephor__ClusterMember *list[] = {&c1, &c2};
    Ephor__FeedPeer peer = EPHOR__FEED_PEER__INIT, *peers[] = {&peer};
    Ephor__Certificate own = EPHOR__CERTIFICATE__INIT, other = EPHOR__CERTIFICATE__INIT;
    int64_t now_s = (NOW_WALL_MS + play->at_ms + 5000) / 1000;
    c1.id = play->feed.controller = 1;
    c2.id = peer.id = 2;
    c1.name = (char *)(uintptr_t) "c1";
    c2.name = (char *)(uintptr_t) "c2";
    peer.connected = true;
    peer.text = (char *)(uintptr_t)link;
    own.expires_s = now_s + own_s;
    other.expires_s = now_s + other_s;
    own.trouble = (char *)(uintptr_t)trouble;
    own.ca.data = other.ca.data = ca;
    own.ca.len = own_s > 0 ? sizeof(ca) : 0;
    other.ca.len = sizeof(ca);
    members.members = list;
    members.n_members = 2;
    state.members = &members;
    state.peers = peers;
    state.n_peers = 1;
    state.storage_ok = state.calm = state.leading = true;
    state.certificate = &own;
    peer.certificate = other_s != 0 ? &other : NULL;
    play_message(play, EPHOR__MESSAGE__BODY_FEED_STATE, &state.base);
}

static inline void play_opinion(struct play *play, uint32_t check, int state, const char *text)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    Ephor__OpinionChange change = EPHOR__OPINION_CHANGE__INIT, *changes[] = {&change};
    change.check = check;
    change.state = (Ephor__State)state;
    change.text = (char *)(uintptr_t)text;
    change.cause = state == STATE_OK ? EPHOR__CAUSE__CAUSE_NONE : EPHOR__CAUSE__CAUSE_WRONG;
    opinions.controller = 1;
    opinions.policy_index = play->feed.machine.policy_index;
    opinions.changes = changes;
    opinions.n_changes = 1;
    fact.body_case = EPHOR__FACT__BODY_OPINIONS;
    fact.opinions = &opinions;
    play_fact(play, &fact);
}

/* Of 200 observers so many say so of the check, and the others that all is well. */
static inline void play_census(struct play *play, uint32_t check, uint32_t critical)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Census census = EPHOR__CENSUS__INIT;
    Ephor__CensusCheck counted = EPHOR__CENSUS_CHECK__INIT, *checks[] = {&counted};
    uint32_t votes[] = {190 - critical, 1, critical}, answers[] = {60000, 1000, 60000};
    counted.check = check;
    counted.seers = 200;
    counted.silent = 2;
    counted.n_votes = counted.n_newest = counted.n_answers = 3;
    counted.votes = counted.newest = votes;
    counted.answers = answers;
    census.policy_index = play->feed.machine.policy_index;
    census.checks = checks;
    census.n_checks = 1;
    fact.body_case = EPHOR__FACT__BODY_CENSUS;
    fact.census = &census;
    play_fact(play, &fact);
}

/* A second controller has come forward, a third one has not. */
static inline void play_board(struct play *play)
{
    static const char *const names[] = {"c1", "c2", "c3"};
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Board board = EPHOR__BOARD__INIT;
    Ephor__Seat seats[3], *list[3];
    for (uint32_t i = 0; i < 3; i++) {
        ephor__seat__init(list[i] = &seats[i]);
        seats[i].seat = i + 1;
        seats[i].name = (char *)(uintptr_t)names[i];
        seats[i].looks = seats[i].votes = true;
    }
    board.seats = list;
    board.n_seats = 3;
    fact.body_case = EPHOR__FACT__BODY_BOARD;
    fact.board = &board;
    play_fact(play, &fact);
    for (uint32_t i = 1; i <= 3; i++) {
        Ephor__Presence presence = EPHOR__PRESENCE__INIT;
        presence.controller = i;
        presence.there = i < 3;
        presence.run = 1;
        fact.body_case = EPHOR__FACT__BODY_PRESENCE;
        fact.presence = &presence;
        play_fact(play, &fact);
    }
    for (uint32_t i = 0; i < 6; i++)
        play_opinion(play, i, STATE_OK, "fine");
}

static inline void play_reach(struct play *play, const char *node, bool up, const char *text)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Reach reach = EPHOR__REACH__INIT;
    reach.node = (char *)(uintptr_t)node;
    reach.reachable = up;
    reach.text = (char *)(uintptr_t)text;
    fact.body_case = EPHOR__FACT__BODY_REACH;
    fact.reach = &reach;
    play_fact(play, &fact);
}

static inline void play_request_for(struct play *play, Ephor__Verb verb, const char *service,
                                    const char *node, int64_t for_ms)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Request request = EPHOR__REQUEST__INIT;
    request.verb = verb;
    request.service = (char *)(uintptr_t)service;
    request.node = (char *)(uintptr_t)node;
    request.author = (char *)(uintptr_t) "<root>";
    request.reason = (char *)(uintptr_t) "\"why\" & <b>";
    request.for_ms = for_ms;
    fact.body_case = EPHOR__FACT__BODY_REQUEST;
    fact.request = &request;
    play_fact(play, &fact);
}

static inline void play_request(struct play *play, Ephor__Verb verb, const char *service,
                                const char *node)
{
    play_request_for(play, verb, service, node, 0);
}

static inline void keep_first_order(void *data, const struct order *order)
{
    struct order *first = data;
    if (first->id == 0 && !(order->kind == ORDER_HOLD && !order->acquire))
        *first = *order;
}

/* Carry out what is owed, once; false if nothing is. */
static inline bool play_outcome(struct play *play, enum order_result result)
{
    const struct core *core = play->feed.machine.core;
    struct order o = {.id = 0};
    core_orders(core, keep_first_order, &o);
    if (o.id == 0)
        return false;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Outcome outcome = EPHOR__OUTCOME__INIT;
    outcome.kind = (Ephor__OrderKind)o.kind;
    outcome.order = o.id;
    outcome.object = o.kind == ORDER_HOLD || o.kind == ORDER_RELEASE
                         ? core_vip(core, o.vip)->name
                         : core_service(core, o.service)->name;
    outcome.node = core_node(core, o.node)->name;
    outcome.result = (Ephor__Result)result;
    outcome.text = (char *)(uintptr_t) "said <b>so</b>";
    fact.body_case = EPHOR__FACT__BODY_OUTCOME;
    fact.outcome = &outcome;
    play_fact(play, &fact);
    return true;
}

/* A feed that begins, with the policy and a leader. */
static inline void play_open(struct play *play)
{
    Ephor__FeedSnapshot snapshot = EPHOR__FEED_SNAPSHOT__INIT;
    *play = (struct play){.at_ms = 1000};
    ck_assert_int_eq(feed_init(&play->feed), ERR_OK);
    feed_begin(&play->feed);
    play_message(play, EPHOR__MESSAGE__BODY_FEED_SNAPSHOT, &snapshot.base);
    play_policy(play);
    play_state(play, true);
}

/* ... and all well. */
static inline void play_open_well(struct play *play)
{
    static const char *const nodes[] = {"n1", "n2", "n3"};
    play_open(play);
    for (size_t i = 0; i < 3; i++)
        play_reach(play, nodes[i], true, "");
    for (uint32_t i = 0; i < 6; i++)
        play_opinion(play, i, STATE_OK, "fine");
    while (play_outcome(play, RESULT_DONE))
        ;
}

#endif
