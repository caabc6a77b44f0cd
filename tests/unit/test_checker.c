/* The checker process as a whole: opinions, acknowledgements, reloads, misbehaving plugins. */
#include "tests/unit/checker_fixture.h"

#include <xxhash.h>

START_TEST(opinions_follow_the_target)
{
    struct result result;
    touch("a");
    adopt(POLICY_A, two, 2);
    WAIT_OPINION(0, OK);
    ck_assert_str_eq(t.seen[0].text, "a is there");
    WAIT_OPINION(1, CRITICAL);
    ck_assert_str_eq(t.seen[1].text, "b is gone");
    ck_assert(results_read(t.results, 1, &result));
    ck_assert_uint_eq(result.policy_index, POLICY_A);
    ck_assert_uint_eq(result.opinion, 2);
    ck_assert(result.has_opinion);
    ck_assert_uint_ge(result.runs, 3); /* fall */
    ck_assert_uint_eq(result.runs, result.runs_by_state[2]);
    ck_assert_str_eq(result.output, "b is gone");
    ck_assert_int_gt(result.duration_us, 0);
    ck_assert(results_read(t.results, 0, &result));
    ck_assert_str_eq(result.perfdata, "n=1");

    take_away("a");
    touch("b");
    WAIT_OPINION(0, CRITICAL);
    WAIT_OPINION(1, OK);
    ck_assert_int_eq(t.seen[0].count, 2); /* unchanged opinions are not sent again */
    uint64_t counted = 0;
    for (int i = 0; i < RESULTS_LATENESS_BUCKETS; i++)
        counted += results_checker(t.results, 0)->lateness_counts[i];
    ck_assert_uint_gt(counted, 6);
}
END_TEST

/* A dead node comes back without its service: as critical as before, in another way. */
START_TEST(another_cause_is_told_although_the_opinion_stays)
{
    Ephor__Cause wanted = EPHOR__CAUSE__CAUSE_REFUSED;
    char path[128];
    adopt(POLICY_A, two, 2);
    WAIT_OPINION(0, CRITICAL);
    ck_assert_int_eq(t.seen[0].cause, EPHOR__CAUSE__CAUSE_WRONG);
    snprintf(path, sizeof(path), "%s/a-why", dir);
    FILE *f = fopen(path, "we");
    fputs(": connection refused", f);
    fclose(f);
    ck_assert(wait_until(t.loop, has_cause, &wanted, 8000));
    ck_assert_int_eq(t.seen[0].state, EPHOR__STATE__STATE_CRITICAL);
    ck_assert_str_eq(t.seen[0].text, "a is gone: connection refused");
    ck_assert_int_eq(t.seen[0].count, 2); /* once for each */
}
END_TEST

START_TEST(refused_proposals_are_sent_again)
{
    touch("a");
    touch("b");
    t.answer_err = ERR_AGAIN;
    adopt(POLICY_A, two, 2);
    WAIT_OPINION(0, OK);
    t.seen[0].count = 0;
    WAIT_OPINION(0, OK);
    t.answer_err = ERR_OK;
    t.seen[0].count = 0;
    WAIT_OPINION(0, OK); /* the one that is taken */
    go_on(REPORT_RETRY_MS + 100);
    t.seen[0].count = 0;
    go_on(2 * REPORT_RETRY_MS);
    ck_assert_int_eq(t.seen[0].count, 0);
}
END_TEST

START_TEST(change_while_under_way_is_sent_after_the_answer)
{
    touch("a");
    t.answers = false;
    adopt(POLICY_A, two, 1);
    WAIT_OPINION(0, OK);
    uint64_t first = 1;
    take_away("a");
    go_on(1000);
    ck_assert_int_eq(t.seen[0].state, EPHOR__STATE__STATE_OK); /* held back until the answer */
    t.answers = true;
    answer(first);
    WAIT_OPINION(0, CRITICAL);
}
END_TEST

START_TEST(new_link_gets_every_known_opinion)
{
    touch("a");
    touch("b");
    adopt(POLICY_A, two, 2);
    WAIT_OPINION(0, OK);
    WAIT_OPINION(1, OK);
    go_on(100);
    memset(t.seen, 0, sizeof(t.seen));
    connect_quorum(); /* as after a crash of the quorum process */
    WAIT_OPINION(0, OK);
    WAIT_OPINION(1, OK);
    ck_assert_uint_eq(t.last_index, POLICY_A);
}
END_TEST

static struct result result_of(uint32_t slot)
{
    struct result result;
    ck_assert(results_read(t.results, slot, &result));
    return result;
}

static bool has_run_often(void *data)
{
    return result_of(*(uint32_t *)data).runs >= 20;
}

static bool is_moved(void *data)
{
    const struct result result = result_of(*(uint32_t *)data);
    return result.policy_index == t.policy_index && result.has_opinion;
}

/* The job of this number has an opinion under the policy adopted last. */
#define WAIT_MOVED(check_)                                       \
    do {                                                         \
        uint32_t number_ = check_;                               \
        ck_assert(wait_until(t.loop, is_moved, &number_, 8000)); \
    } while (0)

START_TEST(new_policy_keeps_what_still_asks_the_same)
{
    static const struct made slow[] = {{"a", 60000, NULL}, {"b", 60000, NULL}};
    static const struct made turned[] = {
        {"c", 60000, "/bin/true"}, {"b", 60000, NULL}, {"a", 60000, NULL}};
    static const struct made other[] = {{"a", 60000, "/bin/true"}, {"b", 30000, NULL}};
    struct result before, after;
    touch("a");
    touch("b");
    adopt(POLICY_A, two, 2);
    WAIT_OPINION(0, OK);
    WAIT_OPINION(1, OK);
    adopt(POLICY_B, slow, 2);
    WAIT_MOVED(0); /* at once, though the check runs only much later */
    WAIT_MOVED(1);
    ck_assert(results_read(t.results, 0, &before));
    ck_assert_uint_eq(before.policy_index, POLICY_B);
    ck_assert_uint_gt(before.runs, 0);
    ck_assert_str_eq(before.output, "a is there");
    ck_assert_str_eq(before.perfdata, "n=1");

    adopt(POLICY_B + 1, turned, 3); /* other numbers */
    WAIT_MOVED(2);
    ck_assert(results_read(t.results, 2, &after));
    ck_assert_uint_eq(after.policy_index, POLICY_B + 1);
    ck_assert_uint_ge(after.runs, before.runs);
    ck_assert_str_eq(after.output, "a is there");
    ck_assert(results_read(t.results, 0, &after));
    ck_assert_uint_eq(after.policy_index, POLICY_B + 1);

    adopt(POLICY_B + 2, other, 2); /* "a" asks something else now: no opinion before it ran */
    WAIT_MOVED(1);
    ck_assert(results_read(t.results, 0, &after));
    ck_assert_uint_eq(after.policy_index, POLICY_B + 2);
    ck_assert(after.runs <= 1 && after.has_opinion == (after.runs == 1));
}
END_TEST

START_TEST(other_question_of_the_same_length_starts_anew)
{
    static const struct made first[] = {{"a", 100, "/bin/true"}, {"b", 200, NULL}};
    static const struct made second[] = {{"a", 60000, "/bin/echo"}, {"b", 200, NULL}};
    uint32_t slot = 0;
    touch("b");
    adopt(POLICY_A, first, 2);
    WAIT_OPINION(1, OK);
    ck_assert(wait_until(t.loop, has_run_often, &slot, 15000));
    adopt(POLICY_B, second, 2);
    WAIT_MOVED(1); /* kept, so this comes when the policy is adopted */
    struct result after = result_of(0);
    ck_assert_uint_eq(after.policy_index, POLICY_B);
    ck_assert(after.runs <= 1 && after.has_opinion == (after.runs == 1));
}
END_TEST

/* The core keeps by name what it was told: 20,000 opinions need not go into the log again. */
START_TEST(new_policy_hears_only_what_was_not_acknowledged)
{
    static const struct made other[] = {{"b", 300, NULL}, {"a", 300, NULL}};
    touch("a");
    adopt(POLICY_A, two, 2);
    WAIT_OPINION(0, OK);
    WAIT_OPINION(1, CRITICAL);
    go_on(100);
    t.answers = false; /* from now on nothing is acknowledged */
    touch("b");
    WAIT_OPINION(1, OK);
    t.answers = true;
    adopt(POLICY_B, other, 2);
    WAIT_OPINION(0, OK);
    WAIT_MOVED(1);
    go_on(3 * REPORT_DELAY_MS);
    ck_assert_int_eq(t.seen[1].count, 0);
    adopt(POLICY_B, other, 2); /* once more: somebody wants to hear all */
    WAIT_OPINION(0, OK);
    WAIT_OPINION(1, OK);
}
END_TEST

/* Which checker runs it follows from the identity, not from the place in the policy. */
START_TEST(each_checker_runs_its_share)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct made made[8], turned[8];
    int own = 0;
    for (int i = 0; i < 8; i++) {
        touch(names[i]);
        made[i] = turned[7 - i] = (struct made){names[i], 200, NULL};
        own += (XXH3_64bits(names[i], 1) >> 32) % 2 == 1;
    }
    ck_assert(own > 0 && own < 8);
    send_setup(1, 2);
    adopt(POLICY_A, made, 8);
    for (uint32_t i = 0; i < 8; i++)
        if ((XXH3_64bits(names[i], 1) >> 32) % 2 == 1)
            WAIT_OPINION(i, OK);
    int seen = 0;
    for (int i = 0; i < 8; i++)
        seen += t.seen[i].count > 0;
    ck_assert_int_eq(seen, own);
    adopt(POLICY_B, turned, 8);
    for (uint32_t i = 0; i < 8; i++)
        if ((XXH3_64bits(names[i], 1) >> 32) % 2 == 1)
            WAIT_MOVED(7 - i);
    send_setup(0, 1); /* a reload gives it everything */
    for (uint32_t i = 0; i < 8; i++)
        WAIT_OPINION(i, OK);
}
END_TEST

static bool is_all_seen(void *data)
{
    for (size_t i = 0; i < *(size_t *)data; i++)
        if (t.seen[i].count == 0)
            return false;
    return true;
}

START_TEST(many_opinions_go_in_batches)
{
    static struct made many[500];
    static char ids[500][32];
    size_t count = 500;
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof(ids[i]), "check%zu", i);
        many[i] = (struct made){ids[i], 2000, "/bin/true"};
    }
    adopt(POLICY_A, many, count);
    ck_assert(wait_until(t.loop, is_all_seen, &count, 20000));
    connect_quorum();
    t.proposals = 0;
    memset(t.seen, 0, sizeof(t.seen));
    ck_assert(wait_until(t.loop, is_all_seen, &count, 10000));
    ck_assert_int_eq(t.largest, REPORT_CHANGES_MAX);
    ck_assert_int_le(t.proposals, 16);
}
END_TEST

START_TEST(misbehaving_plugins_do_not_disturb_the_others)
{
    struct made checks[] = {{"a", 200, NULL},
                            {"x1", 200, TEST_PLUGINS "/hang.sh"},
                            {"x2", 200, TEST_PLUGINS "/flood_forever.sh"},
                            {"x3", 200, TEST_PLUGINS "/missing"},
                            {"x4", 200, TEST_PLUGINS "/binary.sh"},
                            {"x5", 200, TEST_PLUGINS "/ignore_term.sh"}};
    struct result result;
    touch("a");
    adopt(POLICY_A, checks, 6);
    WAIT_OPINION(0, OK);
    WAIT_OPINION(3, UNKNOWN);
    WAIT_OPINION(4, WARNING);
    ck_assert(results_read(t.results, 3, &result));
    ck_assert_str_eq(result.reason, "not-found");
    take_away("a");
    WAIT_OPINION(0, CRITICAL);
    int alive = t.alive;
    go_on(2500);
    ck_assert_int_ge(t.alive, alive + 2); /* the loop is never held up */
} /* and tear_down stops it while three plugins hang: one of them must be killed */
END_TEST

static int count_fds_of_checker(void)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof(path), "/proc/%ld/fd", (long)t.pid);
    DIR *folder = opendir(path);
    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static bool has_fds(void *data)
{
    return count_fds_of_checker() == *(int *)data;
}

START_TEST(runs_leave_no_descriptors)
{
    struct made checks[] = {{"a", 100, NULL},
                            {"b", 100, TEST_PLUGINS "/missing"},
                            {"c", 100, TEST_PLUGINS "/only_stderr.sh"}};
    uint32_t slot = 2;
    adopt(POLICY_A, checks, 1);
    WAIT_OPINION(0, CRITICAL); /* by now it has the link to the quorum and all that it needs */
    adopt(POLICY_A, checks, 0);
    go_on(300);
    int fds = count_fds_of_checker();
    adopt(POLICY_A, checks, 3);
    ck_assert(wait_until(t.loop, has_run_often, &slot, 15000));
    adopt(POLICY_B, checks, 0);
    ck_assert(wait_until(t.loop, has_fds, &fds, 5000));
}
END_TEST

START_TEST(garbage_and_strange_peers_are_ignored)
{
    int pair[2];
    Ephor__Adopted adopted = EPHOR__ADOPTED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    uint8_t bytes[] = {0xff, 0xff, 0xff};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    send_peer(EPHOR__ROLE__ACTOR, pair[1]);
    close(pair[1]);
    char byte;
    ck_assert_int_eq(read(pair[0], &byte, 1), 0); /* closed by the checker */
    close(pair[0]);
    adopted.index = 5;
    adopted.policy.data = bytes;
    adopted.policy.len = sizeof(bytes);
    m.body_case = EPHOR__MESSAGE__BODY_ADOPTED;
    m.adopted = &adopted;
    link_send(t.quorum, &m, -1);
    answer(99);
    touch("a");
    adopt(POLICY_A, two, 1);
    WAIT_OPINION(0, OK);
    adopt(POLICY_B, two, 0); /* a policy without checks is one, too */
    adopt(POLICY_B + 1, two, 1);
    WAIT_OPINION(0, OK);
}
END_TEST

/* ------------------------------------------------------------------ many eyes */

static void tell_verdict(uint32_t check, Ephor__State state, bool doubted)
{
    Ephor__CheckVerdict verdict = EPHOR__CHECK_VERDICT__INIT;
    Ephor__CheckVerdict *list[] = {&verdict};
    Ephor__Verdicts verdicts = EPHOR__VERDICTS__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    verdict.check = check;
    verdict.state = state;
    verdict.doubted = doubted;
    verdicts.policy_index = t.policy_index;
    verdicts.n_verdicts = 1;
    verdicts.verdicts = list;
    m.body_case = EPHOR__MESSAGE__BODY_VERDICTS;
    m.verdicts = &verdicts;
    link_send(t.quorum, &m, -1);
}

static bool is_doubted(void *data)
{
    const struct seen *seen = data;
    return seen->attempts > 0;
}

static bool is_certain(void *data)
{
    const struct seen *seen = data;
    return seen->attempts == 0;
}

static const struct made slow[] = {{"a", 3600000, NULL}};

/* Where several look, the first answer that contradicts is told, and when it has passed. */
START_TEST(a_doubt_is_told_at_once_and_taken_back)
{
    touch("a");
    t.seers = 3;
    t.retry_ms = 400;
    adopt(POLICY_A, two, 1);
    WAIT_OPINION(0, OK);
    take_away("a");
    ck_assert(wait_until(t.loop, is_doubted, &t.seen[0], 5000));
    ck_assert_int_eq(t.seen[0].state, EPHOR__STATE__STATE_OK);
    ck_assert_int_eq(t.seen[0].suspect, EPHOR__STATE__STATE_CRITICAL);
    ck_assert_uint_eq(t.seen[0].attempts, 1);
    ck_assert_int_eq(t.seen[0].cause, EPHOR__CAUSE__CAUSE_WRONG);
    ck_assert_str_eq(t.seen[0].text, "a is gone");
    touch("a");
    ck_assert(wait_until(t.loop, is_certain, &t.seen[0], 5000));
    ck_assert_int_eq(t.seen[0].state, EPHOR__STATE__STATE_OK);
}
END_TEST

START_TEST(alone_there_is_nobody_to_tell_doubts)
{
    touch("a");
    adopt(POLICY_A, two, 1);
    WAIT_OPINION(0, OK);
    take_away("a");
    WAIT_OPINION(0, CRITICAL);
    ck_assert_int_eq(t.seen[0].count, 2); /* no doubts in between */
}
END_TEST

/* Somebody else doubts a check whose turn would come in an hour. */
START_TEST(a_doubt_of_others_makes_it_look_at_once)
{
    touch("a");
    t.seers = 3;
    t.retry_ms = 3600000;
    adopt(POLICY_A, slow, 1);
    tell_verdict(0, EPHOR__STATE__STATE_OK, false);
    WAIT_FIRST(0, OK);
    take_away("a");
    tell_verdict(0, EPHOR__STATE__STATE_OK, true);
    ck_assert(wait_until(t.loop, is_doubted, &t.seen[0], 5000));
    /* All together are sure: its own newest answer agrees. */
    tell_verdict(0, EPHOR__STATE__STATE_CRITICAL, false);
    WAIT_OPINION(0, CRITICAL);
    ck_assert_uint_eq(t.seen[0].attempts, 0);
}
END_TEST

static uint64_t runs_of(uint32_t check)
{
    struct result result = {.runs = 0};
    return results_read(t.results, check, &result) ? result.runs : 0;
}

static bool has_run_more(void *data)
{
    return runs_of(0) > *(uint64_t *)data;
}

static bool has_told_state(void *data)
{
    (void)data;
    return t.states > 0;
}

START_TEST(what_others_look_at_does_not_run_here)
{
    Ephor__Outlook outlook = EPHOR__OUTLOOK__INIT;
    Ephor__CheckOutlook other = EPHOR__CHECK_OUTLOOK__INIT;
    Ephor__CheckOutlook *others[] = {&other};
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    touch("a");
    touch("b");
    t.seers = 2;
    adopt(POLICY_A, two, 2);
    WAIT_OPINION(0, OK);
    WAIT_OPINION(1, OK);
    outlook.policy_index = POLICY_A;
    outlook.rank = 1;
    outlook.count = 2;
    other.check = 1; /* not here: count 0 */
    outlook.others = others;
    outlook.n_others = 1;
    m.body_case = EPHOR__MESSAGE__BODY_OUTLOOK;
    m.outlook = &outlook;
    link_send(t.quorum, &m, -1);
    uint64_t other_runs = runs_of(1);
    for (int i = 0; i < 4; i++) {
        uint64_t runs = runs_of(0);
        ck_assert(wait_until(t.loop, has_run_more, &runs, 5000));
    }
    ck_assert_uint_le(runs_of(1), other_runs + 1); /* it may have been running */
    outlook.n_others = 0;
    t.seen[1].count = 0;
    link_send(t.quorum, &m, -1);
    WAIT_OPINION(1, OK); /* learned anew */
    ck_assert(wait_until(t.loop, has_told_state, NULL, 5000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checker");
    TCase *tests = tcase_create("process");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, opinions_follow_the_target);
    tcase_add_test(tests, a_doubt_is_told_at_once_and_taken_back);
    tcase_add_test(tests, alone_there_is_nobody_to_tell_doubts);
    tcase_add_test(tests, a_doubt_of_others_makes_it_look_at_once);
    tcase_add_test(tests, what_others_look_at_does_not_run_here);
    tcase_add_test(tests, another_cause_is_told_although_the_opinion_stays);
    tcase_add_test(tests, refused_proposals_are_sent_again);
    tcase_add_test(tests, change_while_under_way_is_sent_after_the_answer);
    tcase_add_test(tests, new_link_gets_every_known_opinion);
    tcase_add_test(tests, new_policy_keeps_what_still_asks_the_same);
    tcase_add_test(tests, other_question_of_the_same_length_starts_anew);
    tcase_add_test(tests, new_policy_hears_only_what_was_not_acknowledged);
    tcase_add_test(tests, each_checker_runs_its_share);
    tcase_add_test(tests, many_opinions_go_in_batches);
    tcase_add_test(tests, misbehaving_plugins_do_not_disturb_the_others);
    tcase_add_test(tests, runs_leave_no_descriptors);
    tcase_add_test(tests, garbage_and_strange_peers_are_ignored);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
