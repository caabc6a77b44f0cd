/* Verdicts: majorities of opinions, abstention, what counts for whom. */
#include "tests/unit/core_fixture.h"

static struct bench b;

static void setup(void)
{
    struct draft draft = draft_pair();
    struct core *fresh = draft_core(&draft, 2, 0);
    b = (struct bench){.at_ms = BENCH_START_MS, .index = 1};
    struct check *node = core_check(fresh, 2), *vip = core_check(fresh, 3);
    text_copy(node->id, sizeof(node->id), "node/n1/ping");
    text_copy(node->name, sizeof(node->name), "ping");
    node->scope = SCOPE_NODE;
    node->failover = true;
    text_copy(vip->id, sizeof(vip->id), "vip/front/answers");
    text_copy(vip->name, sizeof(vip->name), "answers");
    vip->scope = SCOPE_VIP;
    vip->failover = true;
    ck_assert(core_adopt(fresh, NULL, 1, b.at_ms, 0, &b.effects, b.refusal));
    b.core = fresh;
    bench_leader(&b, 1);
}

static void teardown(void)
{
    bench_close(&b);
}

/* One letter for each controller from 1 on: O W C U, or '-' for one without an opinion. */
static enum state verdict_of(const char *opinions)
{
    static const char letters[] = "OWCU";
    bench_sight(&b, 1, true); /* forgets */
    for (uint32_t c = 2; c <= 5; c++)
        bench_sight(&b, c, true);
    for (uint32_t c = 0; opinions[c] != '\0'; c++)
        if (opinions[c] != '-')
            bench_say(&b, c + 1, 0, (enum state)(strchr(letters, opinions[c]) - letters));
    return (enum state)core_check(b.core, 0)->state;
}

START_TEST(test_majorities)
{
    static const struct {
        const char *opinions;
        enum state verdict;
    } rows[] = {
        {"C", STATE_CRITICAL},    {"O", STATE_OK},          {"CC", STATE_CRITICAL},
        {"CO", STATE_UNKNOWN},    {"CCO", STATE_CRITICAL},  {"COO", STATE_OK},
        {"COU", STATE_UNKNOWN},   {"CCOOO", STATE_OK},      {"CCCOO", STATE_CRITICAL},
        {"CCOOU", STATE_UNKNOWN}, {"CCWWW", STATE_WARNING}, {"UUC", STATE_UNKNOWN},
        {"-CC", STATE_CRITICAL},  {"-CO", STATE_UNKNOWN},   {"--", STATE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(verdict_of(rows[i].opinions) == rows[i].verdict, "%s: %s", rows[i].opinions,
                      state_name((enum state)core_check(b.core, 0)->state));
}
END_TEST

START_TEST(test_blind_controllers_abstain)
{
    ck_assert_int_eq(verdict_of("CCO"), STATE_CRITICAL);
    bench_sight(&b, 1, false);
    ck_assert_int_eq(core_check(b.core, 0)->state, STATE_UNKNOWN); /* one against one */
    bench_say(&b, 1, 0, STATE_CRITICAL);                           /* does not count */
    ck_assert_int_eq(core_check(b.core, 0)->state, STATE_UNKNOWN);
    bench_sight(&b, 2, false);
    ck_assert_int_eq(core_check(b.core, 0)->state, STATE_OK);
}
END_TEST

START_TEST(test_nobody_has_looked)
{
    ck_assert_int_eq(verdict_of("---"), STATE_UNKNOWN);
    ck_assert(!core_check(b.core, 0)->is_known);
    ck_assert(!core_member(b.core, 0)->is_known);
    ck_assert_uint_eq(b.effects.count, 0); /* and nothing is told of it */
}
END_TEST

START_TEST(test_a_check_without_failover_makes_a_warning)
{
    core_check(b.core, 0)->failover = false;
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(core_check(b.core, 0)->state, STATE_CRITICAL);
    ck_assert_int_eq(core_member(b.core, 0)->state, STATE_WARNING);
}
END_TEST

START_TEST(test_a_check_of_an_address_tells_but_moves_nothing)
{
    bench_settle(&b);
    bench_say(&b, 1, 3, STATE_CRITICAL);
    ck_assert_int_eq(core_member(b.core, 0)->state, STATE_OK);
    ck_assert_int_eq(core_service(b.core, 0)->phase, PHASE_STEADY);
    ck_assert_int_eq(core_service(b.core, 0)->state, STATE_CRITICAL);
}
END_TEST

START_TEST(test_a_node_that_is_down_takes_its_members_with_it)
{
    bench_settle(&b);
    bench_say(&b, 1, 2, STATE_CRITICAL);
    ck_assert_int_eq(core_node(b.core, 0)->state, STATE_CRITICAL);
    ck_assert_int_eq(core_member(b.core, 0)->state, STATE_CRITICAL);
    ck_assert(bench_told(&b, EVENT_MEMBER, "node n1 is down"));
    ck_assert(bench_told(&b, EVENT_DECISION, "rule 12, move"));
}
END_TEST

START_TEST(test_opinions_about_another_policy_are_refused)
{
    struct opinion_change change = {.state = STATE_CRITICAL, .text = ""};
    bench_take(&b, (struct fact){.kind = FACT_OPINIONS, .opinions = {1, 77, &change, 1}});
    ck_assert(bench_told(&b, EVENT_REFUSED, "of another policy"));
    ck_assert(!core_check(b.core, 0)->is_known);
}
END_TEST

START_TEST(test_what_cannot_be_is_refused_and_said)
{
    struct opinion_change change = {.check = 4000000000U, .state = STATE_CRITICAL, .text = ""};
    uint64_t policy = b.core->policy_index;
    bench_take(&b, (struct fact){.kind = FACT_OPINIONS, .opinions = {1, policy, &change, 1}});
    bench_say(&b, 0, 0, STATE_CRITICAL);
    ck_assert(bench_told(&b, EVENT_REFUSED, "there is no controller 0"));
    bench_say(&b, CONTROLLERS_MAX + 1, 0, STATE_CRITICAL);
    ck_assert(bench_told(&b, EVENT_REFUSED, "there is no controller"));
    bench_reach(&b, "n9", true);
    ck_assert(bench_told(&b, EVENT_REFUSED, "there is no node 'n9'"));
    ck_assert(!core_check(b.core, 0)->is_known);
}
END_TEST

START_TEST(test_a_waiting_member_of_an_active_only_service_is_no_warning)
{
    bench_settle(&b);
    core_service(b.core, 0)->run = RUN_ACTIVE;
    bench_say(&b, 1, 1, STATE_CRITICAL);
    ck_assert_int_eq(core_service(b.core, 0)->state, STATE_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core verdict");
    TCase *t = tcase_create("verdict");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_majorities);
    tcase_add_test(t, test_blind_controllers_abstain);
    tcase_add_test(t, test_nobody_has_looked);
    tcase_add_test(t, test_a_check_without_failover_makes_a_warning);
    tcase_add_test(t, test_a_check_of_an_address_tells_but_moves_nothing);
    tcase_add_test(t, test_a_node_that_is_down_takes_its_members_with_it);
    tcase_add_test(t, test_opinions_about_another_policy_are_refused);
    tcase_add_test(t, test_what_cannot_be_is_refused_and_said);
    tcase_add_test(t, test_a_waiting_member_of_an_active_only_service_is_no_warning);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
