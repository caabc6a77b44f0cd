/* Many eyes: who is on the board, whose opinions count, how many must agree, what the newest
 * answers of all together do, and who looks from where. */
#include "tests/unit/core_fixture.h"

static struct bench b;

static void setup(void)
{
    struct draft draft = draft_pair();
    bench_open(&b, &draft);
}

static void teardown(void)
{
    bench_close(&b);
}

static struct check *check_of(int32_t i)
{
    return core_check(b.core, i);
}

static enum state verdict(void)
{
    return (enum state)check_of(0)->state;
}

/* Everybody on this board is there, and thinks that all is well. */
static void gather(const char *board)
{
    bench_board(&b, board);
    for (uint32_t seat = 1; seat <= strlen(board); seat++)
        if (board[seat - 1] != '-')
            bench_presence(&b, seat, true, seat);
    for (int32_t i = 0; i < core_check_count(b.core); i++) {
        check_of(i)->confirm = true;
        check_of(i)->fall = 3;
        check_of(i)->rise = 2;
        for (uint32_t seat = 1; seat <= strlen(board); seat++)
            if (board[seat - 1] != '-' && board[seat - 1] != 'W')
                bench_say(&b, seat, (uint32_t)i, STATE_OK);
    }
}

/* ---------------------------------------------------------------- agreement */

START_TEST(test_who_has_not_looked_yet_counts_as_able)
{
    bench_board(&b, "VVV");
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_presence(&b, seat, true, seat);
    bench_say(&b, 2, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    bench_say(&b, 3, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_what_is_well_stays_so_when_another_one_joins)
{
    gather("V");
    ck_assert_int_eq(verdict(), STATE_OK);
    bench_board(&b, "VV");
    bench_presence(&b, 2, true, 2);
    ck_assert_int_eq(verdict(), STATE_OK);
    bench_say(&b, 1, 0, STATE_CRITICAL); /* and does not get down by one of two */
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    bench_say(&b, 2, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_what_too_few_have_looked_at_is_not_known)
{
    bench_board(&b, "VVV");
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_presence(&b, seat, true, seat);
    bench_say(&b, 1, 0, STATE_OK);
    ck_assert(!check_of(0)->is_known);
    bench_say(&b, 2, 0, STATE_OK);
    ck_assert(check_of(0)->is_known);
    ck_assert_int_eq(verdict(), STATE_OK);
}
END_TEST

START_TEST(test_unknown_is_an_abstention)
{
    gather("VVV");
    bench_say(&b, 1, 0, STATE_UNKNOWN);
    ck_assert_int_eq(verdict(), STATE_OK);
    bench_say(&b, 2, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_UNKNOWN); /* one against one */
    bench_say(&b, 3, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_one_vantage_point_decides_nothing_where_there_are_more)
{
    gather("VVV");
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_sight(&b, 2, false);
    bench_sight(&b, 3, false);
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    bench_presence(&b, 2, false, 0); /* who is dead is no vantage point any more */
    bench_presence(&b, 3, false, 0);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_all_any_and_a_number)
{
    gather("VVVVV");
    check_of(0)->agree = AGREE_ALL;
    for (uint32_t seat = 1; seat <= 4; seat++)
        bench_say(&b, seat, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    bench_sight(&b, 5, false); /* all of those able to see */
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    bench_sight(&b, 5, true);
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    check_of(0)->agree = AGREE_NUMBER;
    check_of(0)->agree_count = 4;
    core_work_out_anew(b.core);
    bench_wait(&b, 1);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    bench_say(&b, 1, 0, STATE_OK);
    ck_assert_int_ne(verdict(), STATE_CRITICAL);
    check_of(0)->agree = AGREE_ANY;
    core_work_out_anew(b.core);
    bench_wait(&b, 1);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_a_witness_sees_nothing)
{
    gather("VVW");
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_say(&b, 3, 0, STATE_CRITICAL);
    ck_assert_int_ne(verdict(), STATE_CRITICAL);
    bench_say(&b, 2, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_opinions_leave_with_their_author)
{
    gather("VVV");
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_presence(&b, 2, false, 0);
    ck_assert(bench_told(&b, EVENT_CONTROLLER, "is absent"));
    ck_assert_int_eq(verdict(), STATE_UNKNOWN); /* one against one */
    bench_presence(&b, 2, true, 2);
    ck_assert(bench_told(&b, EVENT_CONTROLLER, "is back"));
    bench_say(&b, 2, 0, STATE_OK);
    ck_assert_int_eq(verdict(), STATE_OK);
    bench_board(&b, "V-V"); /* and when it leaves the cluster */
    ck_assert(bench_told(&b, EVENT_CONTROLLER, "is no controller any more"));
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
}
END_TEST

START_TEST(test_who_lagged_does_not_count)
{
    gather("VVV");
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_say(&b, 2, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    bench_calm(&b, 2, false);
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    bench_calm(&b, 2, true);
    ck_assert_int_eq(verdict(), STATE_CRITICAL); /* what it thought before still stands */
}
END_TEST

/* ---------------------------------------------------------------- a new leader */

START_TEST(test_a_new_leader_waits_until_enough_came_forward)
{
    gather("VVV");
    bench_settle(&b);
    bench_say(&b, 2, 0, STATE_CRITICAL);
    bench_leader(&b, 1);
    bench_say(&b, 3, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_OK); /* nothing is judged by a few */
    bench_presence(&b, 1, true, 1);
    ck_assert_int_eq(core_service(b.core, 0)->phase, PHASE_STEADY);
    bench_presence(&b, 3, true, 3);
    ck_assert_int_eq(verdict(), STATE_UNKNOWN); /* one and three, who disagree */
    bench_presence(&b, 2, true, 2);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    ck_assert_str_eq(bench_active(&b), "n1");
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
}
END_TEST

START_TEST(test_nothing_automatic_before_they_came_forward)
{
    gather("VVV");
    bench_settle(&b);
    bench_leader(&b, 2);
    bench_take(&b,
               (struct fact){.kind = FACT_REACH, .reach = {2, "n2", true, GUARD_UNTOLD, "", ""}});
    bench_take(
        &b, (struct fact){.kind = FACT_REACH, .reach = {2, "n1", false, GUARD_UNTOLD, "cut", ""}});
    bench_wait(&b, 60000);
    ck_assert_int_eq(bench_rule(&b), RULE_NOT_GATHERED);
    ck_assert_int_eq(core_service(b.core, 0)->phase, PHASE_STEADY);
    bench_presence(&b, 1, true, 1);
    bench_presence(&b, 2, true, 2);
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
}
END_TEST

START_TEST(test_who_is_given_up_is_not_waited_for)
{
    gather("VVW");
    bench_leader(&b, 1);
    bench_presence(&b, 1, true, 1);
    ck_assert(!core_is_gathered(b.core, NULL, NULL));
    bench_presence(&b, 2, false, 0);
    ck_assert(core_is_gathered(b.core, NULL, NULL));
}
END_TEST

START_TEST(test_opinions_outlive_a_change_of_leaders_but_not_a_restart)
{
    gather("VVV");
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_say(&b, seat, 0, STATE_CRITICAL);
    bench_leader(&b, 2);
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_presence(&b, seat, true, seat);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    bench_presence(&b, 1, true, 77);
    ck_assert(!check_of(0)->opinions[0].is_known);
    bench_presence(&b, 2, true, 78);
    ck_assert_int_ne(verdict(), STATE_CRITICAL);
}
END_TEST

/* ---------------------------------------------------------------- confirm on suspicion */

START_TEST(test_answers_of_all_together_do_for_those_of_one)
{
    gather("VVV");
    bench_doubt(&b, 1, 0, STATE_OK, STATE_CRITICAL, 1);
    ck_assert_int_eq(verdict(), STATE_OK);
    ck_assert(core_is_doubted(b.core, 0));
    ck_assert_uint_eq(b.effects.touched_count, 1);
    ck_assert_uint_eq(b.effects.touched[0], 0);
    bench_doubt(&b, 2, 0, STATE_OK, STATE_CRITICAL, 1);
    ck_assert_int_eq(verdict(), STATE_OK); /* two answers of three */
    bench_doubt(&b, 3, 0, STATE_OK, STATE_CRITICAL, 1);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    ck_assert(!core_is_doubted(b.core, 0));
}
END_TEST

START_TEST(test_many_answers_of_one_are_not_enough)
{
    gather("VVV");
    bench_doubt(&b, 1, 0, STATE_OK, STATE_CRITICAL, 50);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_OK);
    bench_doubt(&b, 2, 0, STATE_OK, STATE_CRITICAL, 1); /* one is sure, one begins to doubt */
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_a_doubt_that_is_withdrawn_is_over)
{
    gather("VVV");
    bench_doubt(&b, 1, 0, STATE_OK, STATE_CRITICAL, 1);
    bench_doubt(&b, 2, 0, STATE_OK, STATE_CRITICAL, 1);
    bench_say(&b, 1, 0, STATE_OK);
    ck_assert_uint_eq(b.effects.touched_count, 1);
    bench_doubt(&b, 3, 0, STATE_OK, STATE_CRITICAL, 1);
    ck_assert_int_eq(verdict(), STATE_OK);
}
END_TEST

START_TEST(test_the_way_back_is_confirmed_as_well)
{
    gather("VVV");
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_say(&b, seat, 0, STATE_CRITICAL);
    bench_doubt(&b, 1, 0, STATE_CRITICAL, STATE_OK, 1);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    bench_doubt(&b, 2, 0, STATE_CRITICAL, STATE_OK, 1);
    ck_assert_int_eq(verdict(), STATE_OK);
}
END_TEST

START_TEST(test_doubts_of_the_blind_do_not_count)
{
    gather("VVV");
    bench_doubt(&b, 1, 0, STATE_OK, STATE_CRITICAL, 1);
    bench_doubt(&b, 2, 0, STATE_OK, STATE_CRITICAL, 2);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    bench_sight(&b, 2, false);
    ck_assert_int_eq(verdict(), STATE_OK);
}
END_TEST

/* A verdict that was reached by doubts stays while the controllers become sure of it. */
START_TEST(test_no_flapping_between_doubt_and_certainty)
{
    gather("VVV");
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_doubt(&b, seat, 0, STATE_OK, STATE_CRITICAL, 1);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    for (uint32_t seat = 1; seat <= 3; seat++) {
        bench_doubt(&b, seat, 0, STATE_OK, STATE_CRITICAL, 2);
        ck_assert_int_eq(verdict(), STATE_CRITICAL);
        bench_say(&b, seat, 0, STATE_CRITICAL);
        ck_assert_int_eq(verdict(), STATE_CRITICAL);
    }
}
END_TEST

/* ---------------------------------------------------------------- who looks */

static uint32_t seers_of(int32_t check)
{
    uint32_t bits = 0;
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        struct outlook outlook;
        if (core_looks(b.core, check, seat, &outlook))
            bits |= 1U << seat;
    }
    return bits;
}

START_TEST(test_all_look_each_at_its_turn)
{
    struct outlook outlook;
    gather("V-VW");
    ck_assert_uint_eq(seers_of(0), 1U << 1 | 1U << 3);
    ck_assert(core_looks(b.core, 0, 3, &outlook));
    ck_assert_uint_eq(outlook.rank, 1);
    ck_assert_uint_eq(outlook.count, 2);
}
END_TEST

START_TEST(test_some_look_and_another_takes_over)
{
    gather("VVVVV");
    check_of(0)->vantage = VANTAGE_NUMBER;
    check_of(0)->vantage_count = 2;
    uint32_t before = seers_of(0);
    ck_assert_int_eq(__builtin_popcount(before), 2);
    uint32_t lost = (uint32_t)__builtin_ctz(before);
    bench_presence(&b, lost, false, 0);
    uint32_t after = seers_of(0);
    ck_assert_int_eq(__builtin_popcount(after), 2);
    ck_assert_uint_eq(after & (1U << lost), 0);
    ck_assert_int_eq(__builtin_popcount(after & before), 1); /* the other one goes on */
    bench_presence(&b, lost, true, lost);
    ck_assert_uint_eq(seers_of(0), before);
}
END_TEST

/* The work of those who look is spread: no controller gets much more than another. */
START_TEST(test_some_look_evenly)
{
    uint32_t counts[CONTROLLERS_MAX + 1] = {0};
    gather("VVVVV");
    check_of(0)->vantage = VANTAGE_NUMBER;
    check_of(0)->vantage_count = 2;
    for (uint64_t i = 0; i < 1000; i++) {
        check_of(0)->hash = i * UINT64_C(0x9e3779b97f4a7c15);
        uint32_t bits = seers_of(0);
        for (uint32_t seat = 1; seat <= 5; seat++)
            counts[seat] += bits >> seat & 1;
    }
    for (uint32_t seat = 1; seat <= 5; seat++)
        ck_assert_msg(counts[seat] > 320 && counts[seat] < 480, "seat %u: %u of 2000", seat,
                      counts[seat]);
}
END_TEST

START_TEST(test_named_controllers_look)
{
    gather("VVV");
    text_copy(b.core->vantage_names[0], NAME_SIZE, "c3");
    text_copy(b.core->vantage_names[1], NAME_SIZE, "c9");
    check_of(0)->vantage = VANTAGE_NAMES;
    check_of(0)->vantage_names = 3;
    ck_assert_uint_eq(seers_of(0), 1U << 3);
    bench_say(&b, 1, 0, STATE_CRITICAL); /* is not asked */
    bench_say(&b, 2, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_OK);
    bench_say(&b, 3, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_CRITICAL); /* the only one who looks */
}
END_TEST

/* ---------------------------------------------------------------- reach, rules */

static void reach(uint32_t controller, const char *node, bool is_up)
{
    bench_take(&b, (struct fact){.kind = FACT_REACH,
                                 .reach = {controller, node, is_up, GUARD_UNTOLD,
                                           is_up ? "" : "timed out", ""}});
}

START_TEST(test_the_leaders_reach_is_what_counts)
{
    gather("VVV");
    reach(1, "n1", true);
    reach(2, "n1", false);
    ck_assert_int_eq(core_node(b.core, 0)->reach, REACH_UP);
    bench_leader(&b, 2);
    ck_assert_int_eq(core_node(b.core, 0)->reach, REACH_DOWN);
    ck_assert(bench_told(&b, EVENT_REACH, "does not reach it"));
}
END_TEST

START_TEST(test_another_would_lead_better)
{
    gather("VVVv");
    reach(1, "n1", true);
    reach(1, "n2", false);
    ck_assert_uint_eq(core_better_leader(b.core), 0);
    reach(2, "n2", true); /* as many, but not the same */
    ck_assert_uint_eq(core_better_leader(b.core), 0);
    reach(4, "n1", true); /* has no vote */
    reach(4, "n2", true);
    ck_assert_uint_eq(core_better_leader(b.core), 0);
    reach(2, "n1", true);
    ck_assert_uint_eq(core_better_leader(b.core), 2);
    bench_sight(&b, 2, false);
    ck_assert_uint_eq(core_better_leader(b.core), 0);
}
END_TEST

static void knows(uint32_t controller, uint32_t rules)
{
    bench_take(&b, (struct fact){.kind = FACT_PRESENCE,
                                 .presence = {.controller = controller,
                                              .is_there = true,
                                              .run = controller,
                                              .rules = rules,
                                              .text = ""}});
}

START_TEST(test_new_rules_wait_for_the_last_controller)
{
    gather("VVW");
    ck_assert_uint_eq(b.core->rules, 1);
    knows(1, 3);
    knows(2, 2);
    ck_assert_uint_eq(b.core->rules, 1); /* the witness applies facts, too */
    knows(3, 2);
    ck_assert_uint_eq(b.core->rules, 2);
    ck_assert(bench_told(&b, EVENT_POLICY, "rules 2"));
    knows(3, 1); /* there is no way back */
    ck_assert_uint_eq(b.core->rules, 2);
}
END_TEST

/* ---------------------------------------------------------------- rule 22 */

START_TEST(test_rule_22_what_is_gone_holds_nobody)
{
    gather("VVV");
    bench_settle(&b);
    b.core->rules = 4;
    bench_freeze(&b, 3, "forgotten");
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_say(&b, seat, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_FROZEN);
    bench_presence(&b, 3, false, 3);
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
}
END_TEST

/* ---------------------------------------------------------------- rule 21 */

/* web on four nodes, all well, and long ago. */
static void open_four(uint32_t rules)
{
    struct draft draft = draft_pair();
    bench_close(&b);
    draft.nodes = 4;
    memcpy(draft.members[0], (int32_t[DRAFT_MAX]){1, 2, 3, 4}, sizeof(draft.members[0]));
    bench_open(&b, &draft);
    b.core->rules = rules;
    bench_settle(&b);
}

START_TEST(test_rule_21_many_at_once)
{
    open_four(2);
    bench_say(&b, 1, 2, STATE_CRITICAL);
    bench_say(&b, 1, 1, STATE_CRITICAL);
    bench_wait(&b, 9000);
    bench_say(&b, 1, 0, STATE_CRITICAL); /* the active one is the third of four */
    ck_assert_int_eq(bench_rule(&b), RULE_MANY_AT_ONCE);
    ck_assert(bench_told(&b, EVENT_HOLD, "3 of 4 nodes failed at once"));
    ck_assert_int_eq(core_next_deadline(b.core), b.at_ms + MANY_HOLD_MS);
    bench_wait(&b, MANY_HOLD_MS - 1);
    ck_assert_int_eq(core_service(b.core, 0)->phase, PHASE_STEADY);
    bench_wait(&b, 1); /* it was looked at again, and is so */
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
}
END_TEST

START_TEST(test_rule_21_not_so_many_or_not_at_once)
{
    open_four(2);
    bench_say(&b, 1, 2, STATE_CRITICAL);
    bench_say(&b, 1, 0, STATE_CRITICAL); /* two of four */
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
    open_four(2);
    bench_say(&b, 1, 2, STATE_CRITICAL);
    bench_say(&b, 1, 1, STATE_CRITICAL);
    bench_wait(&b, 10001);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
}
END_TEST

START_TEST(test_rule_21_an_operator_may)
{
    open_four(2);
    for (uint32_t check = 0; check < 3; check++)
        bench_say(&b, 1, 2 - check, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_MANY_AT_ONCE);
    bench_ask(&b, VERB_FAILOVER, "web", "n4");
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
}
END_TEST

START_TEST(test_rule_21_waits_for_the_last_controller)
{
    open_four(1);
    for (uint32_t check = 0; check < 3; check++)
        bench_say(&b, 1, 2 - check, STATE_CRITICAL);
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core board");
    TCase *t = tcase_create("board");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_who_has_not_looked_yet_counts_as_able);
    tcase_add_test(t, test_what_is_well_stays_so_when_another_one_joins);
    tcase_add_test(t, test_what_too_few_have_looked_at_is_not_known);
    tcase_add_test(t, test_unknown_is_an_abstention);
    tcase_add_test(t, test_one_vantage_point_decides_nothing_where_there_are_more);
    tcase_add_test(t, test_all_any_and_a_number);
    tcase_add_test(t, test_a_witness_sees_nothing);
    tcase_add_test(t, test_opinions_leave_with_their_author);
    tcase_add_test(t, test_who_lagged_does_not_count);
    tcase_add_test(t, test_a_new_leader_waits_until_enough_came_forward);
    tcase_add_test(t, test_nothing_automatic_before_they_came_forward);
    tcase_add_test(t, test_who_is_given_up_is_not_waited_for);
    tcase_add_test(t, test_opinions_outlive_a_change_of_leaders_but_not_a_restart);
    tcase_add_test(t, test_answers_of_all_together_do_for_those_of_one);
    tcase_add_test(t, test_many_answers_of_one_are_not_enough);
    tcase_add_test(t, test_a_doubt_that_is_withdrawn_is_over);
    tcase_add_test(t, test_the_way_back_is_confirmed_as_well);
    tcase_add_test(t, test_doubts_of_the_blind_do_not_count);
    tcase_add_test(t, test_no_flapping_between_doubt_and_certainty);
    tcase_add_test(t, test_all_look_each_at_its_turn);
    tcase_add_test(t, test_some_look_and_another_takes_over);
    tcase_add_test(t, test_some_look_evenly);
    tcase_add_test(t, test_named_controllers_look);
    tcase_add_test(t, test_the_leaders_reach_is_what_counts);
    tcase_add_test(t, test_another_would_lead_better);
    tcase_add_test(t, test_new_rules_wait_for_the_last_controller);
    tcase_add_test(t, test_rule_22_what_is_gone_holds_nobody);
    tcase_add_test(t, test_rule_21_many_at_once);
    tcase_add_test(t, test_rule_21_not_so_many_or_not_at_once);
    tcase_add_test(t, test_rule_21_an_operator_may);
    tcase_add_test(t, test_rule_21_waits_for_the_last_controller);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
