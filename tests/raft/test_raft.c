/* Named cases: each is a way in which a consensus has been got wrong. */
#include "tests/raft/cluster.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_IS(c, id, expected)                                               \
    do {                                                                      \
        char text_[2048];                                                     \
        ck_assert_str_eq(cluster_log(c, id, text_, sizeof(text_)), expected); \
    } while (0)

/* ---- elections */

START_TEST(test_three_elect_one)
{
    struct cluster *c = cluster_new(3);
    cluster_pass(c, 4 * ELECTION_MS);
    uint32_t leader = cluster_leader(c);
    ck_assert_uint_ne(leader, 0);
    cluster_agree(c, leader, 5);
    cluster_pass(c, HEARTBEAT_MS);
    for (uint32_t id = 1; id <= 3; id++)
        ck_assert_uint_eq(cluster_server(c, id)->machine[2], 5);
    cluster_free(c);
}
END_TEST

START_TEST(test_one_leads_alone_at_once)
{
    struct cluster *c = cluster_new(1);
    cluster_timeout(c, 1);
    ck_assert_uint_eq(cluster_leader(c), 1);
    ck_assert_int_eq(c->now_ms, 1000);
    cluster_agree(c, 1, 5);
    ck_assert_uint_eq(cluster_server(c, 1)->machine[2], 5);
    cluster_free(c);
}
END_TEST

START_TEST(test_vote_survives_a_restart)
{
    struct cluster *c = cluster_new(3);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 1);
    cluster_deliver(c, 1, 3); /* would you? */
    cluster_deliver(c, 3, 1);
    cluster_deliver(c, 1, 3); /* a vote */
    cluster_crash(c, 3);
    cluster_start(c, 3);
    cluster_drop(c, 0, 0);
    c->now_ms += 3 * ELECTION_MS;
    uint64_t asked = cluster_term(c, 1);
    struct raft_message m = {
        .type = RAFT_VOTE, .from = 2, .to = 3, .term = asked, .index = 100, .index_term = 100};
    cluster_step(c, 3, (struct raft_event){.type = RAFT_RECEIVE, .message = &m});
    ck_assert_uint_eq(c->mail_count, 1);
    ck_assert(!c->mail[0].message.granted);
    cluster_free(c);
}
END_TEST

START_TEST(test_vote_is_told_only_when_durable)
{
    struct cluster *c = cluster_new(3);
    c->disk_is_slow[2] = true;
    cluster_cut(c, 3, true);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 1);
    cluster_settle(c);
    ck_assert_int_eq(cluster_role(c, 1), RAFT_CANDIDATE);
    cluster_persist(c, 2);
    cluster_deliver(c, 2, 1);
    ck_assert_int_eq(cluster_role(c, 1), RAFT_LEADER);
    cluster_free(c);
}
END_TEST

START_TEST(test_own_vote_counts_only_when_durable)
{
    struct cluster *c = cluster_new(1);
    c->disk_is_slow[1] = true;
    cluster_timeout(c, 1);
    ck_assert_int_eq(cluster_role(c, 1), RAFT_CANDIDATE);
    cluster_persist(c, 1);
    ck_assert_int_eq(cluster_role(c, 1), RAFT_LEADER);
    ck_assert_uint_eq(cluster_commit(c, 1), 0);
    cluster_persist(c, 1);
    ck_assert_uint_eq(cluster_commit(c, 1), 1);
    cluster_free(c);
}
END_TEST

START_TEST(test_shorter_log_is_not_elected)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    cluster_agree(c, 1, 5);
    cluster_crash(c, 1);
    cluster_cut(c, 3, false);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 3);
    cluster_settle(c);
    ck_assert_int_ne(cluster_role(c, 3), RAFT_LEADER);
    cluster_timeout(c, 2);
    cluster_settle(c);
    ck_assert_int_eq(cluster_role(c, 2), RAFT_LEADER);
    LOG_IS(c, 3, "1/0 1/5 2/0");
    cluster_free(c);
}
END_TEST

START_TEST(test_isolated_server_does_not_unseat_the_leader)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    cluster_pass(c, 50 * ELECTION_MS);
    uint64_t before = cluster_term(c, 1);
    ck_assert_uint_eq(cluster_term(c, 3), before); /* it only asked */
    cluster_cut(c, 3, false);
    cluster_pass(c, 10 * ELECTION_MS);
    ck_assert_uint_eq(cluster_leader(c), 1);
    ck_assert_uint_eq(cluster_term(c, 1), before);
    ck_assert_uint_eq(cluster_term(c, 3), before);
    cluster_free(c);
}
END_TEST

START_TEST(test_who_just_heard_from_a_leader_votes_for_nobody)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    struct raft_message m = {
        .type = RAFT_VOTE, .from = 3, .to = 2, .term = 99, .index = 100, .index_term = 99};
    cluster_drop(c, 0, 0);
    cluster_step(c, 2, (struct raft_event){.type = RAFT_RECEIVE, .message = &m});
    ck_assert_uint_eq(c->mail_count, 0);
    ck_assert_uint_eq(cluster_term(c, 2), 1);
    c->now_ms += ELECTION_MS + ELECTION_MS / 50 + 1;
    cluster_step(c, 2, (struct raft_event){.type = RAFT_RECEIVE, .message = &m});
    ck_assert_uint_eq(c->mail_count, 1);
    ck_assert(c->mail[0].message.granted);
    cluster_free(c);
}
END_TEST

START_TEST(test_restarted_server_keeps_its_promise)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_crash(c, 2);
    cluster_start(c, 2);
    struct raft_message m = {
        .type = RAFT_VOTE, .from = 3, .to = 2, .term = 99, .index = 100, .index_term = 99};
    cluster_drop(c, 0, 0);
    cluster_step(c, 2, (struct raft_event){.type = RAFT_RECEIVE, .message = &m});
    ck_assert_uint_eq(c->mail_count, 0);
    cluster_free(c);
}
END_TEST

START_TEST(test_leader_without_a_quorum_steps_down)
{
    struct cluster *c = cluster_new(5);
    cluster_elect(c, 1);
    cluster_cut(c, 2, true);
    cluster_cut(c, 3, true);
    cluster_pass(c, 5 * ELECTION_MS);
    ck_assert_int_eq(cluster_role(c, 1), RAFT_LEADER);
    cluster_cut(c, 4, true);
    cluster_pass(c, 2 * ELECTION_MS);
    ck_assert_int_ne(cluster_role(c, 1), RAFT_LEADER);
    cluster_free(c);
}
END_TEST

START_TEST(test_fresh_since_is_the_send_time_that_a_quorum_answered)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_pass(c, HEARTBEAT_MS);
    cluster_cut(c, 3, true);
    const struct raft *raft = cluster_server(c, 1)->raft;
    c->now_ms = raft_deadline(raft);
    int64_t sent_ms = c->now_ms;
    cluster_step(c, 1, (struct raft_event){.type = RAFT_TICK});
    c->now_ms += 7; /* the answer takes its time, which does not count */
    ck_assert_int_lt(raft_fresh_since(raft, c->now_ms), sent_ms);
    cluster_settle(c);
    ck_assert_int_eq(raft_fresh_since(raft, c->now_ms), sent_ms);
    cluster_free(c);
}
END_TEST

START_TEST(test_split_vote_is_resolved)
{
    struct cluster *c = cluster_new(4);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 1);
    cluster_timeout(c, 2);
    cluster_deliver(c, 1, 3);
    cluster_deliver(c, 2, 4);
    cluster_deliver(c, 1, 2);
    cluster_deliver(c, 2, 1);
    cluster_settle(c);
    cluster_pass(c, 10 * ELECTION_MS);
    ck_assert_uint_ne(cluster_leader(c), 0);
    cluster_free(c);
}
END_TEST

/* ---- replication */

/* Figure 8 of the paper: an entry of an old term on a majority is not committed by that. */
START_TEST(test_old_term_is_not_committed_by_counting)
{
    struct cluster *c = cluster_new(5);
    cluster_elect(c, 1);
    for (uint32_t id = 3; id <= 5; id++)
        cluster_cut(c, id, true);
    cluster_agree(c, 1, 2); /* on 1 and 2 */
    cluster_crash(c, 1);
    for (uint32_t id = 3; id <= 5; id++)
        cluster_cut(c, id, false);
    cluster_cut(c, 2, true);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 5);
    for (int i = 0; i < 4; i++) /* asked, answered, asked for votes, answered */
        cluster_deliver(c, 0, 0);
    ck_assert_int_eq(cluster_role(c, 5), RAFT_LEADER); /* its no-op reaches nobody */
    cluster_crash(c, 5);
    cluster_drop(c, 0, 0);
    cluster_start(c, 1);
    cluster_cut(c, 2, false);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 1);
    /* Its first request brings the old entry to 3; the no-op of its own term does not get there. */
    for (int i = 0; i < 400 && cluster_role(c, 1) != RAFT_LEADER; i++) {
        if (cluster_deliver(c, 0, 0) == 0)
            cluster_timeout(c, 1);
    }
    ck_assert_int_eq(cluster_role(c, 1), RAFT_LEADER);
    struct raft_message answer = {.type = RAFT_APPEND_REPLY,
                                  .from = 2,
                                  .to = 1,
                                  .term = cluster_term(c, 1),
                                  .granted = true,
                                  .index = 2,
                                  .sent_ms = c->now_ms};
    cluster_drop(c, 0, 0);
    cluster_step(c, 1, (struct raft_event){.type = RAFT_RECEIVE, .message = &answer});
    answer.from = 3;
    cluster_step(c, 1, (struct raft_event){.type = RAFT_RECEIVE, .message = &answer});
    ck_assert_uint_lt(cluster_commit(c, 1), 2); /* it is on three of five, and of an old term */
    answer.index = 3;
    cluster_step(c, 1, (struct raft_event){.type = RAFT_RECEIVE, .message = &answer});
    answer.from = 2;
    cluster_step(c, 1, (struct raft_event){.type = RAFT_RECEIVE, .message = &answer});
    ck_assert_uint_eq(cluster_commit(c, 1), 3);
    cluster_free(c);
}
END_TEST

START_TEST(test_stale_suffix_is_not_acknowledged)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 1, true);
    cluster_propose(c, 1, 7); /* only on 1 */
    cluster_propose(c, 1, 8);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 2);
    cluster_settle(c);
    ck_assert_int_eq(cluster_role(c, 2), RAFT_LEADER);
    cluster_cut(c, 1, false);
    /* A heartbeat up to entry 1, on which both agree. */
    struct raft_message m = {.type = RAFT_APPEND,
                             .from = 2,
                             .to = 1,
                             .term = cluster_term(c, 2),
                             .index = 1,
                             .index_term = 1,
                             .sent_ms = c->now_ms};
    cluster_drop(c, 0, 0);
    cluster_step(c, 1, (struct raft_event){.type = RAFT_RECEIVE, .message = &m});
    ck_assert_uint_eq(c->mail_count, 1);
    ck_assert(c->mail[0].message.granted);
    ck_assert_uint_eq(c->mail[0].message.index, 1); /* and not 3, where its own log ends */
    cluster_pass(c, 2 * HEARTBEAT_MS);
    LOG_IS(c, 1, "1/0 2/0");
    cluster_free(c);
}
END_TEST

START_TEST(test_append_is_acknowledged_only_when_durable)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    c->disk_is_slow[2] = true;
    cluster_agree(c, 1, 5);
    ck_assert_uint_eq(cluster_commit(c, 1), 1);
    cluster_pass(c, HEARTBEAT_MS); /* heartbeats are answered meanwhile */
    ck_assert_int_ge(raft_fresh_since(cluster_server(c, 1)->raft, c->now_ms),
                     c->now_ms - HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_commit(c, 1), 1);
    cluster_persist(c, 2);
    cluster_settle(c);
    ck_assert_uint_eq(cluster_commit(c, 1), 2);
    cluster_free(c);
}
END_TEST

START_TEST(test_two_followers_commit_before_the_leaders_disk)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    c->disk_is_slow[1] = true;
    cluster_agree(c, 1, 5);
    ck_assert_uint_eq(cluster_commit(c, 1), 2);
    ck_assert_uint_eq(cluster_server(c, 1)->applied, 1); /* but is not applied before it is */
    cluster_persist(c, 1);
    ck_assert_uint_eq(cluster_server(c, 1)->applied, 2);
    cluster_free(c);
}
END_TEST

START_TEST(test_long_divergence_is_mended_in_few_requests)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    for (uint32_t i = 0; i < 60; i++)
        cluster_agree(c, 1, i);
    cluster_cut(c, 3, false);
    uint32_t mails = 0;
    cluster_timeout(c, 1);
    for (uint32_t n = cluster_deliver(c, 0, 0); n > 0; n = cluster_deliver(c, 0, 0))
        mails += n;
    ck_assert_uint_lt(mails, 20);
    ck_assert_uint_eq(raft_last_index(cluster_server(c, 3)->raft), 61);
    cluster_free(c);
}
END_TEST

START_TEST(test_duplicated_reordered_and_old_messages_do_no_harm)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_propose(c, 1, 2);
    cluster_propose(c, 1, 3);
    static struct mail old[64];
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->mail_count && count < 64; i++)
        old[count++] = c->mail[i];
    cluster_settle(c);
    cluster_agree(c, 1, 4);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = count; i-- > 0;) /* backwards */
            c->mail[c->mail_count++] = old[i];
        cluster_settle(c);
    }
    LOG_IS(c, 2, "1/0 1/2 1/3 1/4");
    LOG_IS(c, 3, "1/0 1/2 1/3 1/4");
    cluster_pass(c, HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_commit(c, 2), 4);
    cluster_free(c);
}
END_TEST

START_TEST(test_slow_member_holds_back_nobody)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    for (uint32_t i = 0; i < 30; i++)
        cluster_agree(c, 1, 900); /* bytes: the window is 4000 */
    ck_assert_uint_eq(cluster_commit(c, 1), 31);
    cluster_free(c);
}
END_TEST

START_TEST(test_window_bounds_what_is_under_way)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_drop(c, 0, 0);
    for (uint32_t i = 0; i < 30; i++)
        cluster_propose(c, 1, 900);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < c->mail_count; i++) {
        if (c->mail[i].message.to == 2)
            bytes += 900 * c->mail[i].message.count;
    }
    ck_assert_uint_ge(bytes, 4000);
    ck_assert_uint_le(bytes, 4000 + 900);
    cluster_settle(c);
    ck_assert_uint_eq(cluster_commit(c, 1), 31);
    cluster_free(c);
}
END_TEST

START_TEST(test_crash_between_every_persist_and_send)
{
    for (uint32_t victim = 1; victim <= 3; victim++) {
        for (uint32_t at = 0; at < 12; at++) {
            struct cluster *c = cluster_new(3);
            cluster_elect(c, 1);
            c->disk_is_slow[victim] = true;
            cluster_propose(c, 1, 5);
            for (uint32_t i = 0; i < at; i++) {
                if (i % 3 == 2)
                    cluster_persist(c, victim);
                else
                    cluster_deliver(c, i % 3 == 0 ? 1 : 0, i % 3 == 0 ? 0 : 1);
            }
            cluster_crash(c, victim);
            c->disk_is_slow[victim] = false;
            cluster_start(c, victim);
            cluster_pass(c, 10 * ELECTION_MS);
            uint32_t leader = cluster_leader(c);
            ck_assert_uint_ne(leader, 0);
            cluster_agree(c, leader, 6);
            cluster_pass(c, 2 * HEARTBEAT_MS);
            for (uint32_t id = 2; id <= 3; id++)
                ck_assert_uint_eq(cluster_commit(c, id), cluster_commit(c, 1));
            cluster_free(c);
        }
    }
}
END_TEST

START_TEST(test_full_log_refuses_until_a_snapshot)
{
    struct cluster *c = cluster_new(1);
    cluster_timeout(c, 1);
    enum raft_result result = RAFT_OK;
    for (uint32_t i = 0; i < LOG_MAX && result == RAFT_OK; i++)
        result = cluster_propose(c, 1, i);
    ck_assert_int_eq(result, RAFT_FULL);
    cluster_snapshot(c, 1);
    ck_assert_int_eq(cluster_propose(c, 1, 1), RAFT_OK);
    cluster_free(c);
}
END_TEST

/* ---- storage failures */

START_TEST(test_leader_whose_disk_fails_steps_down_and_another_leads)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_agree(c, 1, 5);
    cluster_fail_disk(c, 1);
    ck_assert_int_eq(cluster_role(c, 1), RAFT_FOLLOWER);
    ck_assert_int_eq(cluster_propose(c, 1, 6), RAFT_NOT_LEADER);
    cluster_drop(c, 0, 0);
    cluster_pass(c, 5 * ELECTION_MS);
    uint32_t leader = cluster_leader(c);
    ck_assert_uint_gt(leader, 1);
    cluster_agree(c, leader, 7);
    ck_assert_uint_eq(raft_last_index(cluster_server(c, 1)->raft), 2); /* deaf and dumb */
    cluster_start(c, 1);                                               /* the disk is well again */
    cluster_pass(c, 2 * HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_commit(c, 1), cluster_commit(c, leader));
    cluster_free(c);
}
END_TEST

/* ---- snapshots */

START_TEST(test_slow_follower_catches_up_by_snapshot)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    for (uint32_t i = 0; i < 20; i++)
        cluster_agree(c, 1, i);
    cluster_snapshot(c, 1);
    ck_assert_uint_eq(raft_first_index(cluster_server(c, 1)->raft), 20);
    cluster_agree(c, 1, 99);
    cluster_cut(c, 3, false);
    cluster_pass(c, 2 * HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_server(c, 3)->disk.snapshot.index, 21);
    ck_assert_uint_eq(cluster_commit(c, 3), 22);
    ck_assert_uint_eq(cluster_server(c, 3)->machine[22], 99);
    cluster_free(c);
}
END_TEST

START_TEST(test_snapshot_is_resumed_after_a_lost_chunk)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    for (uint32_t i = 0; i < 20; i++)
        cluster_agree(c, 1, i);
    cluster_snapshot(c, 1);
    cluster_cut(c, 3, false);
    cluster_timeout(c, 1);
    for (int i = 0; i < 5; i++) /* probe, refusal, offer, answer, first chunk */
        cluster_deliver(c, 0, 0);
    cluster_drop(c, 0, 3);
    cluster_drop(c, 3, 0);
    cluster_pass(c, 3 * ELECTION_MS);
    ck_assert_uint_eq(cluster_server(c, 3)->disk.snapshot.index, 21);
    ck_assert_uint_eq(cluster_leader(c), 1);
    cluster_free(c);
}
END_TEST

START_TEST(test_snapshot_crosses_appends)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    for (uint32_t i = 0; i < 10; i++)
        cluster_agree(c, 1, i);
    cluster_pass(c, HEARTBEAT_MS);
    /* A snapshot of what the follower has already, and old appends after it. */
    struct raft_snapshot snapshot = {
        .index = 8, .term = 1, .size = 10, .membership = membership_of(3)};
    struct raft_message m = {.type = RAFT_SNAPSHOT,
                             .from = 1,
                             .to = 2,
                             .term = 1,
                             .index = 8,
                             .index_term = 1,
                             .snapshot = &snapshot,
                             .size = 10};
    cluster_step(c, 2, (struct raft_event){.type = RAFT_RECEIVE, .message = &m});
    ck_assert(c->mail[c->mail_count - 1].message.granted);
    ck_assert_uint_eq(raft_last_index(cluster_server(c, 2)->raft), 11);
    cluster_settle(c);
    cluster_agree(c, 1, 50);
    cluster_pass(c, HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_commit(c, 2), 12);
    cluster_free(c);
}
END_TEST

START_TEST(test_restart_from_snapshot_and_log)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    for (uint32_t i = 0; i < 10; i++)
        cluster_agree(c, 1, i);
    cluster_pass(c, HEARTBEAT_MS);
    cluster_snapshot(c, 2);
    cluster_agree(c, 1, 77);
    cluster_crash(c, 2);
    cluster_start(c, 2);
    ck_assert_uint_eq(raft_commit(cluster_server(c, 2)->raft), 11);
    ck_assert_uint_eq(raft_last_index(cluster_server(c, 2)->raft), 12);
    cluster_pass(c, 2 * HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_commit(c, 2), 12);
    cluster_crash(c, 1);
    cluster_crash(c, 3);
    cluster_start(c, 3);
    cluster_elect(c, 2); /* it leads with what it kept behind its snapshot */
    cluster_pass(c, 2 * HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_commit(c, 3), cluster_commit(c, 2));
    cluster_free(c);
}
END_TEST

/* ---- transfer */

START_TEST(test_transfer_hands_over_without_an_election_timeout)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_agree(c, 1, 5);
    int64_t before_ms = c->now_ms;
    ck_assert_int_eq(cluster_transfer(c, 1, 2), RAFT_OK);
    ck_assert_int_eq(raft_fresh_since(cluster_server(c, 1)->raft, c->now_ms), INT64_MIN);
    cluster_settle(c);
    ck_assert_uint_eq(cluster_leader(c), 2);
    ck_assert_int_eq(c->now_ms, before_ms);
    cluster_free(c);
}
END_TEST

START_TEST(test_transfer_waits_for_a_lagging_server_and_gives_up)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    cluster_agree(c, 1, 5);
    ck_assert_int_eq(cluster_transfer(c, 1, 3), RAFT_OK);
    ck_assert_int_eq(cluster_propose(c, 1, 6), RAFT_TRANSFERRING);
    cluster_pass(c, 2 * ELECTION_MS);
    ck_assert_int_eq(cluster_role(c, 1), RAFT_LEADER); /* it was never told */
    ck_assert_int_eq(cluster_propose(c, 1, 6), RAFT_OK);
    ck_assert_int_eq(cluster_transfer(c, 1, 3), RAFT_OK);
    cluster_cut(c, 3, false);
    cluster_pass(c, 2 * HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_leader(c), 3);
    cluster_free(c);
}
END_TEST

START_TEST(test_leader_that_told_another_to_campaign_does_not_stay)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_agree(c, 1, 5);
    cluster_transfer(c, 1, 2);
    cluster_drop(c, 1, 2); /* it is never told, but might be, later */
    c->now_ms += ELECTION_MS;
    cluster_step(c, 1, (struct raft_event){.type = RAFT_TICK});
    ck_assert_int_eq(cluster_role(c, 1), RAFT_FOLLOWER);
    cluster_free(c);
}
END_TEST

START_TEST(test_transfer_to_a_stranger_a_learner_or_itself_is_refused)
{
    struct raft_membership m = membership_with(membership_of(3), 3, RAFT_LEARNER);
    struct cluster *c = cluster_new_with(&m, 3);
    cluster_elect(c, 1);
    ck_assert_int_eq(cluster_transfer(c, 1, 1), RAFT_NO_TARGET);
    ck_assert_int_eq(cluster_transfer(c, 1, 3), RAFT_NO_TARGET);
    ck_assert_int_eq(cluster_transfer(c, 1, 9), RAFT_NO_TARGET);
    ck_assert_int_eq(cluster_transfer(c, 2, 1), RAFT_NOT_LEADER);
    cluster_free(c);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
    TCase *tcase = tcase_create(name);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
}

#define ADD(suite, tests) add(suite, #tests, tests, sizeof(tests) / sizeof(tests[0]))

static Suite *raft_suite(void)
{
    Suite *suite = suite_create("raft");
    const TTest *const elections[] = {test_three_elect_one,
                                      test_one_leads_alone_at_once,
                                      test_vote_survives_a_restart,
                                      test_vote_is_told_only_when_durable,
                                      test_own_vote_counts_only_when_durable,
                                      test_shorter_log_is_not_elected,
                                      test_isolated_server_does_not_unseat_the_leader,
                                      test_who_just_heard_from_a_leader_votes_for_nobody,
                                      test_restarted_server_keeps_its_promise,
                                      test_leader_without_a_quorum_steps_down,
                                      test_fresh_since_is_the_send_time_that_a_quorum_answered,
                                      test_split_vote_is_resolved};
    const TTest *const replication[] = {test_old_term_is_not_committed_by_counting,
                                        test_stale_suffix_is_not_acknowledged,
                                        test_append_is_acknowledged_only_when_durable,
                                        test_two_followers_commit_before_the_leaders_disk,
                                        test_long_divergence_is_mended_in_few_requests,
                                        test_duplicated_reordered_and_old_messages_do_no_harm,
                                        test_slow_member_holds_back_nobody,
                                        test_window_bounds_what_is_under_way,
                                        test_crash_between_every_persist_and_send,
                                        test_full_log_refuses_until_a_snapshot,
                                        test_leader_whose_disk_fails_steps_down_and_another_leads};
    const TTest *const snapshots[] = {
        test_slow_follower_catches_up_by_snapshot, test_snapshot_is_resumed_after_a_lost_chunk,
        test_snapshot_crosses_appends, test_restart_from_snapshot_and_log};
    const TTest *const transfer[] = {test_transfer_hands_over_without_an_election_timeout,
                                     test_transfer_waits_for_a_lagging_server_and_gives_up,
                                     test_leader_that_told_another_to_campaign_does_not_stay,
                                     test_transfer_to_a_stranger_a_learner_or_itself_is_refused};
    ADD(suite, elections);
    ADD(suite, replication);
    ADD(suite, snapshots);
    ADD(suite, transfer);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(raft_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
