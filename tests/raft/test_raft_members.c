/* Named cases of changing members: learners, votes given and taken, removed leaders, witnesses. */
#include "tests/raft/cluster.h"

#include <check.h>
#include <stdlib.h>

/* ---- membership */

START_TEST(test_from_one_to_three_by_learners)
{
    struct raft_membership m = membership_of(1);
    struct cluster *c = cluster_new_with(&m, 3);
    cluster_timeout(c, 1);
    for (uint32_t i = 0; i < 20; i++)
        cluster_agree(c, 1, i);
    cluster_snapshot(c, 1);
    for (uint32_t id = 2; id <= 3; id++) {
        struct raft_membership voter = membership_with(m, id, RAFT_VOTER);
        ck_assert_int_eq(cluster_change(c, 1, &voter), RAFT_NOT_CAUGHT_UP);
        m = membership_with(m, id, RAFT_LEARNER);
        ck_assert_int_eq(cluster_change(c, 1, &m), RAFT_OK);
        cluster_pass(c, 3 * HEARTBEAT_MS);
        m = membership_with(m, id, RAFT_VOTER);
        ck_assert_int_eq(cluster_change(c, 1, &m), RAFT_OK);
        cluster_settle(c);
    }
    cluster_agree(c, 1, 55);
    cluster_pass(c, HEARTBEAT_MS);
    ck_assert_uint_eq(cluster_server(c, 3)->machine[cluster_commit(c, 1)], 55);
    cluster_crash(c, 1);
    cluster_pass(c, 5 * ELECTION_MS);
    ck_assert_uint_gt(cluster_leader(c), 1);
    cluster_free(c);
}
END_TEST

START_TEST(test_learner_has_no_vote_and_does_not_count)
{
    struct raft_membership m = membership_with(membership_of(3), 4, RAFT_LEARNER);
    struct cluster *c = cluster_new_with(&m, 4);
    cluster_elect(c, 1);
    cluster_cut(c, 2, true);
    cluster_cut(c, 3, true);
    cluster_agree(c, 1, 5);
    ck_assert_uint_eq(cluster_commit(c, 1), 1); /* 1 and the learner are no quorum */
    cluster_crash(c, 1);
    cluster_pass(c, 10 * ELECTION_MS);
    ck_assert_int_eq(cluster_role(c, 4), RAFT_FOLLOWER);
    cluster_free(c);
}
END_TEST

START_TEST(test_one_change_at_a_time)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    struct raft_membership two =
        membership_with(membership_with(membership_of(3), 4, RAFT_VOTER), 5, RAFT_VOTER);
    ck_assert_int_eq(cluster_change(c, 1, &two), RAFT_CHANGE_INVALID);
    struct raft_membership learner = membership_with(membership_of(3), 4, RAFT_LEARNER);
    ck_assert_int_eq(cluster_change(c, 1, &learner), RAFT_OK);
    struct raft_membership removed = membership_without(learner, 3);
    ck_assert_int_eq(cluster_change(c, 1, &removed), RAFT_CHANGE_PENDING);
    cluster_settle(c);
    ck_assert_int_eq(cluster_change(c, 1, &removed), RAFT_OK);
    struct raft_membership none = {.count = 0};
    cluster_settle(c);
    ck_assert_int_eq(cluster_change(c, 1, &none), RAFT_CHANGE_INVALID);
    cluster_free(c);
}
END_TEST

START_TEST(test_no_change_before_the_term_has_committed)
{
    struct cluster *c = cluster_new(3);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 1);
    for (int i = 0; i < 400 && cluster_role(c, 1) != RAFT_LEADER; i++)
        cluster_deliver(c, 0, 0);
    struct raft_membership m = membership_without(membership_of(3), 3);
    ck_assert_int_eq(cluster_change(c, 1, &m), RAFT_CHANGE_PENDING);
    cluster_settle(c);
    ck_assert_int_eq(cluster_change(c, 1, &m), RAFT_OK);
    cluster_free(c);
}
END_TEST

/* Two leaders, each with a change of its own: the one that was not committed is undone. */
START_TEST(test_crossing_changes_are_undone)
{
    struct cluster *c = cluster_new(5);
    cluster_elect(c, 1);
    cluster_cut(c, 1, true);
    struct raft_membership a = membership_without(membership_of(5), 5);
    ck_assert_int_eq(cluster_change(c, 1, &a), RAFT_OK);
    ck_assert_uint_eq(raft_membership(cluster_server(c, 1)->raft)->count, 4);
    c->now_ms += 3 * ELECTION_MS;
    cluster_timeout(c, 2);
    cluster_settle(c);
    ck_assert_int_eq(cluster_role(c, 2), RAFT_LEADER);
    struct raft_membership b = membership_without(membership_of(5), 4);
    ck_assert_int_eq(cluster_change(c, 2, &b), RAFT_OK);
    cluster_settle(c);
    cluster_cut(c, 1, false);
    cluster_pass(c, 3 * HEARTBEAT_MS);
    const struct raft_membership *now = raft_membership(cluster_server(c, 1)->raft);
    ck_assert_uint_eq(now->count, 4);
    for (uint32_t i = 0; i < now->count; i++)
        ck_assert_uint_ne(now->members[i].id, 4);
    cluster_free(c);
}
END_TEST

START_TEST(test_removed_server_disturbs_nobody)
{
    struct cluster *c = cluster_new(4);
    cluster_elect(c, 1);
    struct raft_membership m = membership_without(membership_of(4), 4);
    cluster_cut(c, 4, true); /* it never hears that it was removed */
    ck_assert_int_eq(cluster_change(c, 1, &m), RAFT_OK);
    cluster_settle(c);
    cluster_cut(c, 4, false);
    uint64_t before = cluster_term(c, 1);
    cluster_pass(c, 20 * ELECTION_MS);
    ck_assert_uint_eq(cluster_leader(c), 1);
    ck_assert_uint_eq(cluster_term(c, 1), before);
    cluster_free(c);
}
END_TEST

START_TEST(test_leader_removes_itself)
{
    struct cluster *c = cluster_new(3);
    cluster_elect(c, 1);
    struct raft_membership m = membership_without(membership_of(3), 1);
    ck_assert_int_eq(cluster_change(c, 1, &m), RAFT_OK);
    cluster_settle(c);
    ck_assert_int_ne(cluster_role(c, 1), RAFT_LEADER);
    cluster_pass(c, 5 * ELECTION_MS);
    ck_assert_uint_gt(cluster_leader(c), 1);
    cluster_free(c);
}
END_TEST

/* ---- witnesses */

START_TEST(test_witness_votes_and_stores_but_does_not_lead)
{
    struct raft_membership m = membership_with(membership_of(3), 3, RAFT_WITNESS);
    struct cluster *c = cluster_new_with(&m, 3);
    cluster_elect(c, 1);
    cluster_cut(c, 2, true);
    cluster_agree(c, 1, 5);
    ck_assert_uint_eq(cluster_commit(c, 1), 2); /* on 1 and the witness */
    cluster_crash(c, 1);
    cluster_cut(c, 2, false);
    cluster_pass(c, 20 * ELECTION_MS);
    /* Only the witness has entry 2: it brings it to 2 and hands over. */
    ck_assert_uint_eq(cluster_leader(c), 2);
    ck_assert_uint_eq(cluster_server(c, 2)->machine[2], 5);
    ck_assert(!raft_is_working(cluster_server(c, 3)->raft));
    cluster_free(c);
}
END_TEST

START_TEST(test_witness_is_given_a_snapshot_when_its_log_is_long)
{
    struct raft_membership m = membership_with(membership_of(3), 3, RAFT_WITNESS);
    struct cluster *c = cluster_new_with(&m, 3);
    cluster_elect(c, 1);
    for (uint32_t i = 0; i < 100; i++) {
        cluster_agree(c, 1, i);
        if (i % 20 == 19) {
            cluster_pass(c, HEARTBEAT_MS);
            cluster_snapshot(c, 1);
            cluster_snapshot(c, 2);
        }
    }
    cluster_pass(c, 3 * ELECTION_MS);
    ck_assert_uint_gt(cluster_server(c, 3)->disk.snapshot.index, 50);
    ck_assert_uint_eq(raft_last_index(cluster_server(c, 3)->raft), 101);
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
    Suite *suite = suite_create("raft_members");
    const TTest *const members[] = {test_from_one_to_three_by_learners,
                                    test_learner_has_no_vote_and_does_not_count,
                                    test_one_change_at_a_time,
                                    test_no_change_before_the_term_has_committed,
                                    test_crossing_changes_are_undone,
                                    test_removed_server_disturbs_nobody,
                                    test_leader_removes_itself,
                                    test_witness_votes_and_stores_but_does_not_lead,
                                    test_witness_is_given_a_snapshot_when_its_log_is_long};
    ADD(suite, members);
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
