/* The numbered rules of "WHEN EPHOR ACTS": each acting, and each not acting. */
#include "tests/unit/core_fixture.h"

static struct bench b;
static struct draft draft;

static void setup(void)
{
    draft = draft_pair();
}

static void teardown(void)
{
    bench_close(&b);
}

static void open_settled(void)
{
    bench_open(&b, &draft);
    bench_settle(&b);
}

static struct service *web(void)
{
    return core_service(b.core, 0);
}

START_TEST(test_rule_01_recovery_open)
{
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
    bench_say(&b, 1, 0, STATE_OK); /* better already: the move goes on */
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert_str_eq(bench_active(&b), "n2");
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
}
END_TEST

START_TEST(test_rule_02_not_calm)
{
    open_settled();
    bench_calm(&b, 1, false);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_NOT_CALM);
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
    bench_calm(&b, 1, true);
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_02_only_the_leader_counts)
{
    open_settled();
    bench_calm(&b, 2, false);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_03_paused)
{
    open_settled();
    bench_ask(&b, VERB_PAUSE, "", "");
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_PAUSED);
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n1"), 0); /* the address stays */
    bench_ask(&b, VERB_RESUME, "", "");
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_03_a_pause_ends_by_itself)
{
    open_settled();
    b.core->rules = 4;
    bench_ask_for(&b, VERB_PAUSE, "", 60000);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_PAUSED);
    ck_assert_int_le(core_next_deadline(b.core), b.at_ms + 60000);
    bench_ask_for(&b, VERB_PAUSE, "", 90000); /* the last word counts */
    bench_wait(&b, 60000);
    ck_assert(b.core->is_paused);
    bench_wait(&b, 30000);
    ck_assert(!b.core->is_paused);
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_06_maintenance_ends_by_itself)
{
    open_settled();
    b.core->rules = 4;
    bench_ask_for(&b, VERB_MAINTENANCE_ON, "n2", 60000);
    ck_assert(core_node(b.core, 1)->in_maintenance);
    ck_assert_int_eq(core_next_deadline(b.core), b.core->at_ms + 60000);
    bench_wait(&b, 60000);
    ck_assert(!core_node(b.core, 1)->in_maintenance);
    ck_assert(bench_told(&b, EVENT_OPERATOR, "maintenance of n2 has ended by itself"));
}
END_TEST

START_TEST(test_rule_04_place_takes_the_best_fit_member)
{
    bench_open(&b, &draft);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_say(&b, 1, 1, STATE_OK);
    bench_reach(&b, "n1", true);
    ck_assert_str_eq(bench_active(&b), "");
    bench_reach(&b, "n2", true);
    ck_assert(bench_told(&b, EVENT_DECISION, "rule 4, place"));
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n2"), 0);
}
END_TEST

START_TEST(test_rule_05_no_candidate)
{
    open_settled();
    bench_say(&b, 1, 1, STATE_CRITICAL);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_NO_CANDIDATE);
    ck_assert(bench_told(&b, EVENT_HOLD, "n2: it is critical"));
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n1"), 0); /* it stays where it is */
    bench_say(&b, 1, 1, STATE_OK);
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_06_drain)
{
    open_settled();
    bench_reach(&b, "n2", false);
    bench_ask(&b, VERB_MAINTENANCE_ON, "", "n1");
    ck_assert_int_eq(bench_rule(&b), RULE_NO_CANDIDATE);
    bench_reach(&b, "n2", true);
    ck_assert(bench_told(&b, EVENT_DECISION, "rule 6, drain"));
}
END_TEST

START_TEST(test_rule_07_healthy)
{
    open_settled();
    ck_assert_int_eq(bench_rule(&b), RULE_HEALTHY);
    ck_assert_int_eq(web()->state, STATE_OK);
    ck_assert_int_eq(core_next_deadline(b.core), NEVER_MS); /* nothing to come back for */
    bench_say(&b, 1, 1, STATE_CRITICAL);                    /* the other one: told, not acted on */
    ck_assert_int_eq(bench_rule(&b), RULE_HEALTHY);
    ck_assert_int_eq(web()->state, STATE_WARNING);
}
END_TEST

START_TEST(test_rule_08_unknown_is_not_down)
{
    open_settled();
    bench_say(&b, 1, 0, STATE_UNKNOWN);
    ck_assert_int_eq(bench_rule(&b), RULE_UNKNOWN);
    bench_say(&b, 1, 0, STATE_WARNING);
    ck_assert_int_eq(bench_rule(&b), RULE_HEALTHY);
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_09_restart_first)
{
    draft.can_restart = true;
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert(bench_told(&b, EVENT_DECISION, "restart it (rule 9, try 1 of 1)"));
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
    bench_done(&b, ORDER_RESTART, "n1");
    ck_assert_str_eq(core_service_phase(b.core, 0), "confirming");
    bench_say(&b, 1, 0, STATE_OK);
    ck_assert(bench_told(&b, EVENT_MEMBER, "works again after the restart"));
    ck_assert_uint_eq(core_member(b.core, 0)->tries, 0);
}
END_TEST

START_TEST(test_rule_09_then_moves_when_the_restart_did_not_help)
{
    draft.can_restart = true;
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_done(&b, ORDER_RESTART, "n1");
    bench_wait(&b, 4000);
    ck_assert(bench_told(&b, EVENT_MEMBER, "the restart did not help"));
    ck_assert(bench_told(&b, EVENT_DECISION, "rule 12, move"));
}
END_TEST

START_TEST(test_rule_09_not_on_a_node_out_of_reach)
{
    draft.can_restart = true;
    open_settled();
    bench_reach(&b, "n1", false);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_uint_eq(bench_order(&b, ORDER_RESTART, "n1"), 0);
    ck_assert(bench_told(&b, EVENT_DECISION, "rule 12, move"));
}
END_TEST

START_TEST(test_rule_09_begins_when_a_move_has_just_ended)
{
    draft.can_restart = true;
    open_settled();
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_say(&b, 1, 1, STATE_CRITICAL);
    ck_assert_uint_eq(bench_order(&b, ORDER_RESTART, "n2"), 0);
    bench_done(&b, ORDER_HOLD, "n2"); /* no other fact may ever come */
    ck_assert_uint_ne(bench_order(&b, ORDER_RESTART, "n2"), 0);
}
END_TEST

static void move_over(const char *from, const char *to)
{
    bench_done(&b, ORDER_RELEASE, from);
    bench_done(&b, ORDER_HOLD, to);
    ck_assert_str_eq(bench_active(&b), to);
}

START_TEST(test_rule_10_move_budget)
{
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_say(&b, 1, 0, STATE_OK);
    move_over("n1", "n2");
    int64_t first_ms = b.at_ms;
    bench_wait(&b, 6000);
    bench_say(&b, 1, 1, STATE_CRITICAL);
    bench_say(&b, 1, 1, STATE_OK);
    move_over("n2", "n1");
    bench_wait(&b, 6000);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_MOVE_BUDGET);
    ck_assert_int_eq(core_next_deadline(b.core), first_ms + 600000); /* the window slides */
    bench_wait(&b, first_ms + 600000 - 1 - b.at_ms);
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
    bench_wait(&b, 1);
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_10_no_automatic_moves_at_all)
{
    open_settled();
    web()->moves_max = 0;
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_MOVE_BUDGET);
    ck_assert(bench_told(&b, EVENT_HOLD, "the policy allows no automatic moves"));
    ck_assert_int_eq(core_next_deadline(b.core), NEVER_MS);
}
END_TEST

START_TEST(test_rule_11_hold_down)
{
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_say(&b, 1, 0, STATE_OK);
    move_over("n1", "n2");
    bench_say(&b, 1, 1, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_HOLD_DOWN);
    ck_assert_int_eq(core_next_deadline(b.core), b.at_ms + 5000);
    bench_wait(&b, 5000);
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_12_move)
{
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert(bench_told(&b, EVENT_DECISION, "move from n1 to n2: http: refused (rule 12, move)"));
    ck_assert_uint_eq(bench_order(&b, ORDER_HOLD, "n2"), 0); /* not before the release */
    move_over("n1", "n2");
    ck_assert_uint_eq(bench_order(&b, ORDER_HOLD, "n1"), 0);
}
END_TEST

START_TEST(test_rule_13_failback)
{
    draft.failback_auto = true;
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    move_over("n1", "n2");
    bench_say(&b, 1, 0, STATE_OK);
    ck_assert_int_eq(core_next_deadline(b.core), b.at_ms + 30000);
    bench_wait(&b, 29999);
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
    bench_wait(&b, 1);
    ck_assert(bench_told(&b, EVENT_DECISION, "rule 13, failback"));
}
END_TEST

START_TEST(test_rule_13_looks_again_when_a_member_may_be_tried_again)
{
    draft.failback_auto = true;
    open_settled();
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    move_over("n1", "n2");
    bench_wait(&b, 30000); /* back to n1, which refuses */
    bench_done(&b, ORDER_RELEASE, "n2");
    bench_end(&b, ORDER_HOLD, "n1", RESULT_REFUSED);
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert_str_eq(bench_active(&b), "n2");
    ck_assert_int_eq(core_next_deadline(b.core), b.at_ms + AVOID_MS);
    bench_wait(&b, AVOID_MS);
    ck_assert_int_eq(core_next_deadline(b.core), b.at_ms + 30000);
}
END_TEST

START_TEST(test_rule_14_failback_manual)
{
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    move_over("n1", "n2");
    bench_say(&b, 1, 0, STATE_OK);
    ck_assert_int_eq(bench_rule(&b), RULE_FAILBACK_MANUAL);
    bench_wait(&b, 10000000);
    ck_assert_str_eq(bench_active(&b), "n2");
}
END_TEST

START_TEST(test_rule_15_regrant)
{
    open_settled();
    bench_end(&b, ORDER_HOLD, "n1", RESULT_LOST);
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n1"), 0); /* put back at once */
    bench_done(&b, ORDER_HOLD, "n1");
    bench_end(&b, ORDER_HOLD, "n1", RESULT_LOST); /* and again: not in a loop */
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_LOST);
    ck_assert_uint_eq(bench_order(&b, ORDER_HOLD, "n1"), 0);
    ck_assert_int_eq(core_next_deadline(b.core), b.at_ms + REGRANT_MS);
    bench_wait(&b, REGRANT_MS);
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_GRANTED);
}
END_TEST

START_TEST(test_rule_15_what_ended_is_put_back_at_once)
{
    open_settled();
    b.core->rules = 4;
    bench_guard(&b, "n1", GUARD_NONE);
    bench_wait(&b, 1000); /* it was granted a moment ago: that is no reason to wait */
    bench_end(&b, ORDER_HOLD, "n1", RESULT_LOST);
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_GRANTED);
    for (int i = 1; i < REGRANTS_MAX; i++) {
        bench_done(&b, ORDER_HOLD, "n1");
        bench_end(&b, ORDER_HOLD, "n1", RESULT_LOST);
        ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_GRANTED);
    }
    bench_done(&b, ORDER_HOLD, "n1");
    bench_end(&b, ORDER_HOLD, "n1", RESULT_LOST);
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_LOST);
    bench_wait(&b, REGRANT_MS);
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_GRANTED);
}
END_TEST

START_TEST(test_rule_16_stop_failed)
{
    draft.run = RUN_ACTIVE;
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(web()->phase, PHASE_STOPPING);
    bench_end(&b, ORDER_STOP, "n1", RESULT_FAILED);
    ck_assert_int_eq(bench_rule(&b), RULE_STOP_FAILED);
    ck_assert_uint_eq(bench_order(&b, ORDER_START, "n2"), 0);
    bench_wait(&b, STOP_AGAIN_MS - 1);
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
    bench_wait(&b, 1); /* the node can be worked on: it is tried again */
    ck_assert_int_eq(web()->phase, PHASE_STOPPING);
    bench_done(&b, ORDER_STOP, "n1");
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_done(&b, ORDER_START, "n2");
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert_str_eq(bench_active(&b), "n2");
}
END_TEST

START_TEST(test_rule_16_an_operator_who_stopped_it_by_hand_is_believed)
{
    draft.run = RUN_ACTIVE;
    open_settled();
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_reach(&b, "n1", false);
    ck_assert_int_eq(bench_rule(&b), RULE_STOP_FAILED);
    bench_wait(&b, 3600000);
    ck_assert_int_eq(bench_rule(&b), RULE_STOP_FAILED);
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
    bench_end(&b, ORDER_RELEASE, "n1", RESULT_ENDED);
    ck_assert_uint_ne(bench_order(&b, ORDER_START, "n2"), 0);
}
END_TEST

START_TEST(test_rule_16_a_drain_whose_stop_fails_is_not_repeated_in_a_loop)
{
    draft.run = RUN_ACTIVE;
    open_settled();
    bench_reach(&b, "n1", false);
    bench_ask(&b, VERB_MAINTENANCE_ON, "", "n1"); /* works, but cannot be stopped */
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
    ck_assert_int_eq(bench_rule(&b), RULE_STOP_FAILED);
}
END_TEST

START_TEST(test_rule_16_what_may_have_started_is_stopped_before_another_start)
{
    draft.run = RUN_ACTIVE;
    open_settled();
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    bench_done(&b, ORDER_STOP, "n1");
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_end(&b, ORDER_START, "n2", RESULT_UNKNOWN);
    ck_assert_uint_eq(bench_order(&b, ORDER_START, "n1"), 0);
    bench_done(&b, ORDER_STOP, "n2");
    ck_assert_uint_ne(bench_order(&b, ORDER_START, "n1"), 0);
}
END_TEST

START_TEST(test_rule_17_operator)
{
    open_settled();
    bench_say(&b, 1, 1, STATE_CRITICAL);
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    ck_assert(!b.effects.is_accepted);
    bench_say(&b, 1, 1, STATE_OK);
    bench_ask(&b, VERB_PAUSE, "", "");
    bench_ask(&b, VERB_FAILOVER, "web", "n2"); /* paused is about what happens by itself */
    ck_assert(b.effects.is_accepted);
    ck_assert(bench_told(&b, EVENT_DECISION, "rule 17, operator"));
    ck_assert_uint_eq(web()->moves.count, 0); /* no automatic move was spent */
}
END_TEST

START_TEST(test_rule_18_waiting)
{
    bench_open(&b, &draft);
    bench_say(&b, 1, 1, STATE_OK);
    bench_reach(&b, "n2", true);
    ck_assert_int_eq(bench_rule(&b), RULE_WAITING); /* n1 would be better */
    ck_assert_int_eq(core_next_deadline(b.core), BENCH_START_MS + PLACING_MS);
    bench_wait(&b, PLACING_MS);
    ck_assert(bench_told(&b, EVENT_DECISION, "move it to n2"));
}
END_TEST

START_TEST(test_rule_18_does_not_wait_for_worse_members)
{
    bench_open(&b, &draft);
    bench_say(&b, 1, 0, STATE_OK);
    bench_reach(&b, "n1", true);
    ck_assert(bench_told(&b, EVENT_DECISION, "move it to n1"));
}
END_TEST

START_TEST(test_rule_19_out_of_reach)
{
    open_settled();
    bench_reach(&b, "n1", false);
    ck_assert_int_eq(web()->phase, PHASE_STEADY); /* its lease still runs */
    ck_assert_int_eq(core_next_deadline(b.core), b.at_ms + 3000);
    bench_wait(&b, 3000);
    ck_assert(bench_told(&b, EVENT_DECISION, "rule 19, out-of-reach"));
    ck_assert_uint_eq(web()->moves.count, 1);
    ck_assert_uint_eq(bench_order(&b, ORDER_HOLD, "n2"), 0); /* WAIT-OUT all the same */
    bench_end(&b, ORDER_RELEASE, "n1", RESULT_ENDED);
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n2"), 0);
}
END_TEST

START_TEST(test_rule_19_back_in_time)
{
    open_settled();
    bench_reach(&b, "n1", false);
    bench_wait(&b, 2999);
    bench_reach(&b, "n1", true);
    bench_wait(&b, 100000);
    ck_assert_str_eq(bench_active(&b), "n1");
    ck_assert_int_eq(web()->phase, PHASE_STEADY);
}
END_TEST

START_TEST(test_rule_22_a_frozen_controller_holds_all)
{
    open_settled();
    b.core->rules = 4;
    bench_freeze(&b, b.core->leader, "the fibre is being cut");
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_FROZEN);
    ck_assert_str_eq(bench_active(&b), "n1");
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n1"), 0); /* what is held is extended */
    bench_freeze(&b, b.core->leader, "");
    ck_assert_int_eq(web()->phase, PHASE_RELEASING);
}
END_TEST

START_TEST(test_rule_22_hands_off_a_frozen_node)
{
    open_settled();
    b.core->rules = 4;
    bench_freeze_node(&b, "n2", "disk swap");
    bench_say(&b, 1, 0, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_NO_CANDIDATE); /* it gets nothing */
    bench_freeze_node(&b, "n2", "");
    bench_freeze_node(&b, "n1", "disk swap"); /* the move goes on that had begun */
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert_str_eq(bench_active(&b), "n2");
    bench_freeze_node(&b, "n1", "");
    bench_say(&b, 1, 0, STATE_OK);
    bench_freeze_node(&b, "n2", "disk swap");
    bench_wait(&b, 600000);
    bench_say(&b, 1, 1, STATE_CRITICAL);
    ck_assert_int_eq(bench_rule(&b), RULE_FROZEN); /* and nothing is taken from it */
    ck_assert_str_eq(bench_active(&b), "n2");
    bench_ask(&b, VERB_FAILOVER, "web", "n1");
    ck_assert(!b.effects.is_accepted);
}
END_TEST

START_TEST(test_explain_tells_the_rule_that_decided)
{
    struct explanation list[EXPLANATIONS_MAX];
    open_settled();
    bench_say(&b, 1, 1, STATE_CRITICAL);
    bench_say(&b, 1, 0, STATE_CRITICAL);
    uint32_t count = core_explain(b.core, 0, list);
    ck_assert_uint_gt(count, 1);
    ck_assert(list[count - 1].decides);
    ck_assert_int_eq(list[count - 1].rule, bench_rule(&b));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core rules");
    TCase *t = tcase_create("rules");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_rule_01_recovery_open);
    tcase_add_test(t, test_rule_02_not_calm);
    tcase_add_test(t, test_rule_02_only_the_leader_counts);
    tcase_add_test(t, test_rule_03_paused);
    tcase_add_test(t, test_rule_03_a_pause_ends_by_itself);
    tcase_add_test(t, test_rule_06_maintenance_ends_by_itself);
    tcase_add_test(t, test_rule_04_place_takes_the_best_fit_member);
    tcase_add_test(t, test_rule_05_no_candidate);
    tcase_add_test(t, test_rule_06_drain);
    tcase_add_test(t, test_rule_07_healthy);
    tcase_add_test(t, test_rule_08_unknown_is_not_down);
    tcase_add_test(t, test_rule_09_restart_first);
    tcase_add_test(t, test_rule_09_then_moves_when_the_restart_did_not_help);
    tcase_add_test(t, test_rule_09_not_on_a_node_out_of_reach);
    tcase_add_test(t, test_rule_09_begins_when_a_move_has_just_ended);
    tcase_add_test(t, test_rule_10_move_budget);
    tcase_add_test(t, test_rule_10_no_automatic_moves_at_all);
    tcase_add_test(t, test_rule_11_hold_down);
    tcase_add_test(t, test_rule_12_move);
    tcase_add_test(t, test_rule_13_failback);
    tcase_add_test(t, test_rule_13_looks_again_when_a_member_may_be_tried_again);
    tcase_add_test(t, test_rule_14_failback_manual);
    tcase_add_test(t, test_rule_15_regrant);
    tcase_add_test(t, test_rule_15_what_ended_is_put_back_at_once);
    tcase_add_test(t, test_rule_16_stop_failed);
    tcase_add_test(t, test_rule_16_an_operator_who_stopped_it_by_hand_is_believed);
    tcase_add_test(t, test_rule_16_a_drain_whose_stop_fails_is_not_repeated_in_a_loop);
    tcase_add_test(t, test_rule_16_what_may_have_started_is_stopped_before_another_start);
    tcase_add_test(t, test_rule_17_operator);
    tcase_add_test(t, test_rule_18_waiting);
    tcase_add_test(t, test_rule_18_does_not_wait_for_worse_members);
    tcase_add_test(t, test_rule_19_out_of_reach);
    tcase_add_test(t, test_rule_19_back_in_time);
    tcase_add_test(t, test_rule_22_a_frozen_controller_holds_all);
    tcase_add_test(t, test_rule_22_hands_off_a_frozen_node);
    tcase_add_test(t, test_explain_tells_the_rule_that_decided);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
