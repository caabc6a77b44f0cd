/* A server whose disk lost what it had acknowledged keeps the promises made with it. */
#include "tests/raft/cluster.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_IS(c, id, expected)                                               \
    do {                                                                      \
        char text_[2048];                                                     \
        ck_assert_str_eq(cluster_log(c, id, text_, sizeof(text_)), expected); \
    } while (0)

static void damage(struct cluster *c, uint32_t id, uint64_t from)
{
    cluster_crash(c, id);
    cluster_drop(c, id, 0);
    cluster_drop(c, 0, id);
    cluster_damage(c, id, from);
    cluster_start(c, id);
}

/* 1 leads; 1 and 2 have agreed on what 3 does not have. */
static struct cluster *without_three(void)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    cluster_cut(c, 3, true);
    cluster_agree(c, 1, 5);
    cluster_agree(c, 1, 6);
    ck_assert_uint_eq(cluster_commit(c, 1), 3);
    return c;
}

START_TEST(test_the_leader_gives_back_what_was_lost)
{
    struct cluster *c = without_three();
    damage(c, 2, 2);
    ck_assert(raft_lost_index(cluster_server(c, 2)->raft));
    cluster_pass(c, 2 * HEARTBEAT_MS);
    LOG_IS(c, 2, "1/0 1/5 1/6");
    ck_assert(!raft_lost_index(cluster_server(c, 2)->raft));
    ck_assert_uint_eq(cluster_leader(c), 1);
    /* And what is lost again in the middle of that is still remembered. */
    damage(c, 2, 2);
    c->disk_is_slow[2] = true;
    cluster_pass(c, 2 * HEARTBEAT_MS);
    ck_assert(!raft_lost_index(cluster_server(c, 2)->raft));
    cluster_crash(c, 2);
    c->disk_is_slow[2] = false;
    cluster_start(c, 2);
    ck_assert(raft_lost_index(cluster_server(c, 2)->raft));
    cluster_pass(c, 2 * HEARTBEAT_MS);
    LOG_IS(c, 2, "1/0 1/5 1/6");
    cluster_free(c);
}
END_TEST

START_TEST(test_a_shorter_log_gets_no_vote_for_what_was_lost)
{
    struct cluster *c = without_three();
    cluster_crash(c, 1);
    damage(c, 2, 2);
    cluster_cut(c, 3, false);
    cluster_pass(c, 100 * ELECTION_MS);
    ck_assert_uint_eq(cluster_leader(c), 0); /* neither 3 nor 2: nobody left has 5 and 6 */
    cluster_start(c, 1);
    cluster_pass(c, 20 * ELECTION_MS);
    ck_assert_uint_eq(cluster_leader(c), 1);
    for (uint32_t id = 1; id <= 3; id++) {
        ck_assert_uint_eq(cluster_server(c, id)->machine[2], 5);
        ck_assert_uint_eq(cluster_server(c, id)->machine[3], 6);
        ck_assert(!raft_lost_index(cluster_server(c, id)->raft));
    }
    cluster_free(c);
}
END_TEST

START_TEST(test_who_lost_entries_does_not_stand)
{
    struct cluster *c = without_three();
    cluster_crash(c, 1);
    damage(c, 2, 2);
    cluster_cut(c, 3, false);
    for (int i = 0; i < 20; i++) {
        c->now_ms += 5 * ELECTION_MS;
        cluster_timeout(c, 2);
        cluster_settle(c);
        ck_assert_int_eq(cluster_role(c, 2), RAFT_FOLLOWER);
    }
    struct raft_message m = {
        .type = RAFT_TIMEOUT_NOW, .from = 1, .to = 2, .term = cluster_term(c, 2)};
    cluster_step(c, 2, (struct raft_event){.type = RAFT_RECEIVE, .message = &m});
    ck_assert_int_eq(cluster_role(c, 2), RAFT_FOLLOWER);
    cluster_free(c);
}
END_TEST

/* Alone in what is left of its log, it is not alone. */
START_TEST(test_an_older_membership_makes_no_leader)
{
    struct raft_membership one = membership_of(1);
    struct cluster *c = cluster_new_with(&one, 3);
    cluster_timeout(c, 1);
    for (uint32_t id = 2; id <= 3; id++) {
        struct raft_membership m = membership_with(membership_of(id - 1), id, RAFT_LEARNER);
        ck_assert_int_eq(cluster_change(c, 1, &m), RAFT_OK);
        cluster_settle(c);
        m = membership_of(id);
        ck_assert_int_eq(cluster_change(c, 1, &m), RAFT_OK);
        cluster_settle(c);
    }
    cluster_agree(c, 1, 5);
    cluster_cut(c, 1, true);
    damage(c, 1, 2);
    cluster_pass(c, 50 * ELECTION_MS);
    ck_assert_int_eq(cluster_role(c, 1), RAFT_FOLLOWER);
    uint32_t leader = cluster_leader(c);
    ck_assert_uint_ge(leader, 2);
    cluster_cut(c, 1, false);
    cluster_pass(c, 20 * ELECTION_MS);
    ck_assert(!raft_lost_index(cluster_server(c, 1)->raft));
    ck_assert_uint_eq(raft_membership(cluster_server(c, 1)->raft)->count, 3);
    cluster_free(c);
}
END_TEST

START_TEST(test_a_lost_snapshot_is_sent_again)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    for (uint32_t i = 0; i < 10; i++)
        cluster_agree(c, 1, i + 1);
    cluster_pass(c, 2 * HEARTBEAT_MS);
    for (uint32_t id = 1; id <= 3; id++)
        cluster_snapshot(c, id);
    damage(c, 3, 0);
    ck_assert_uint_eq(raft_membership(cluster_server(c, 3)->raft)->count, 0);
    cluster_pass(c, 10 * HEARTBEAT_MS);
    ck_assert(!raft_lost_index(cluster_server(c, 3)->raft));
    ck_assert_uint_eq(raft_last_index(cluster_server(c, 3)->raft), 11);
    ck_assert_uint_eq(raft_membership(cluster_server(c, 3)->raft)->count, 3);
    cluster_free(c);
}
END_TEST

/* Only what is in the log now counts for what comes: a refusal takes the acknowledgement back. */
START_TEST(test_the_leader_forgets_what_a_server_had)
{
    struct cluster *c = without_three();
    struct raft_peer peer;
    damage(c, 2, 2);
    cluster_timeout(c, 1);
    cluster_deliver(c, 1, 2);
    cluster_deliver(c, 2, 1);
    ck_assert(raft_peer(cluster_server(c, 1)->raft, 2, &peer));
    ck_assert_uint_eq(peer.match_index, 1);
    ck_assert_uint_eq(cluster_commit(c, 1), 3);
    cluster_free(c);
}
END_TEST

static Suite *lost_suite(void)
{
    Suite *suite = suite_create("raft_lost");
    TCase *tc = tcase_create("raft_lost");
    tcase_add_test(tc, test_the_leader_gives_back_what_was_lost);
    tcase_add_test(tc, test_a_shorter_log_gets_no_vote_for_what_was_lost);
    tcase_add_test(tc, test_who_lost_entries_does_not_stand);
    tcase_add_test(tc, test_an_older_membership_makes_no_leader);
    tcase_add_test(tc, test_a_lost_snapshot_is_sent_again);
    tcase_add_test(tc, test_the_leader_forgets_what_a_server_had);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(lost_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
