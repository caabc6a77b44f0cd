/* Adopting a policy over a running one: state goes over by name, addresses are never forgotten. */
#include "tests/unit/core_fixture.h"

static struct bench b;
static struct draft draft;

static void setup(void)
{
    draft = draft_pair();
    bench_open(&b, &draft);
    bench_settle(&b);
}

static void teardown(void)
{
    bench_close(&b);
}

static uint32_t orders_of(enum order_kind kind)
{
    struct bench_orders orders = bench_orders(&b);
    uint32_t count = 0;
    for (uint32_t i = 0; i < orders.count; i++)
        count += orders.list[i].kind == kind;
    return count;
}

START_TEST(test_the_same_policy_again_changes_nothing)
{
    uint64_t grant = bench_order(&b, ORDER_HOLD, "n1");
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_uint_eq(bench_order(&b, ORDER_HOLD, "n1"), grant);
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_HELD);
    ck_assert_str_eq(bench_active(&b), "n1");
    ck_assert_int_eq(core_member(b.core, 0)->state, STATE_OK);
    ck_assert_uint_eq(b.core->leader, 1);
    ck_assert_uint_eq(b.effects.count, 1); /* that it was adopted */
}
END_TEST

START_TEST(test_names_are_carried_over_in_another_order)
{
    const char *n1 = draft.node_names[0], *a1 = draft.node_addresses[0];
    bench_ask(&b, VERB_MAINTENANCE_ON, "", "n2");
    bench_ask(&b, VERB_PAUSE, "", "");
    draft.node_names[0] = draft.node_names[1];
    draft.node_addresses[0] = draft.node_addresses[1];
    draft.node_names[1] = n1;
    draft.node_addresses[1] = a1;
    draft.members[0][0] = 2; /* n1 stays the better one */
    draft.members[0][1] = 1;
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_str_eq(bench_active(&b), "n1");
    ck_assert_str_eq(core_node(b.core, core_vip(b.core, 0)->holder)->name, "n1");
    ck_assert(core_node(b.core, 0)->in_maintenance); /* n2 */
    ck_assert(b.core->is_paused);
    ck_assert_int_eq(core_service(b.core, 0)->phase, PHASE_STEADY);
}
END_TEST

START_TEST(test_an_address_that_left_is_released)
{
    draft.vips = 0;
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_int_eq(core_vip_count(b.core), 1);
    ck_assert(core_vip(b.core, 0)->is_retired);
    ck_assert_uint_ne(bench_order(&b, ORDER_RELEASE, "n1"), 0);
    bench_tell(&b, ORDER_RELEASE, core_vip(b.core, 0)->order, "front", "n1", RESULT_DONE);
    ck_assert_uint_eq(bench_orders(&b).count, 0);
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_int_eq(core_vip_count(b.core), 0); /* and forgotten */
}
END_TEST

/* The address is in the new policy, but not in the same hands: WAIT-OUT holds all the same. */
static void check_waits_out(void)
{
    ck_assert(bench_adopt(&b, &draft));
    for (int32_t i = 0; i < core_check_count(b.core); i++)
        bench_say(&b, 1, (uint32_t)i, STATE_OK);
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 0);
    ck_assert_uint_eq(orders_of(ORDER_RELEASE), 1);
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_FREE);
    bench_wait(&b, 3600000); /* no time is long enough */
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 0);
    bench_end(&b, ORDER_RELEASE, "n1", RESULT_ENDED);
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 1);
    ck_assert_uint_eq(orders_of(ORDER_RELEASE), 0);
}

START_TEST(test_an_address_under_another_name_waits_for_the_old_one)
{
    draft.vip[0].name = "entrance";
    check_waits_out();
}
END_TEST

START_TEST(test_an_address_on_another_interface_waits_for_the_old_one)
{
    draft.vip[0].interface = "eth1";
    check_waits_out();
}
END_TEST

START_TEST(test_an_address_of_another_service_waits_for_the_old_one)
{
    draft.services = 2;
    draft.members[1][0] = 1;
    draft.vip[0].service = 1;
    check_waits_out();
}
END_TEST

START_TEST(test_a_move_waits_for_an_address_under_its_old_name)
{
    draft.vip[0].name = "entrance";
    ck_assert(bench_adopt(&b, &draft));
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    bench_wait(&b, ACQUIRE_MS * 3); /* the target is not given up for that */
    ck_assert_int_eq(core_service(b.core, 0)->phase, PHASE_RELEASING);
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 0);
    bench_end(&b, ORDER_RELEASE, "n1", RESULT_ENDED);
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert_str_eq(bench_active(&b), "n2");
}
END_TEST

START_TEST(test_addresses_that_changed_names_with_each_other)
{
    draft.vips = 2;
    draft.vip[1] = (struct draft_vip){"back", "10.0.0.2", "eth0", 0};
    ck_assert(bench_adopt(&b, &draft));
    bench_done(&b, ORDER_HOLD, "n1"); /* front is confirmed already: refused */
    bench_tell(&b, ORDER_HOLD, core_vip(b.core, 1)->order, "back", "n1", RESULT_DONE);
    ck_assert_int_eq(core_vip(b.core, 1)->phase, VIP_HELD);
    draft.vip[0].address = "10.0.0.2";
    draft.vip[1].address = "10.0.0.1";
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 0);
    ck_assert_uint_eq(orders_of(ORDER_RELEASE), 2);
    bench_end(&b, ORDER_RELEASE, "n1", RESULT_DONE); /* 10.0.0.1, of the old front */
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 1);
    ck_assert_int_eq(core_vip(b.core, 1)->phase, VIP_GRANTED);
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_FREE);
}
END_TEST

START_TEST(test_an_address_that_comes_back_waits_too)
{
    struct draft without = draft;
    without.vips = 0;
    ck_assert(bench_adopt(&b, &without));
    check_waits_out();
}
END_TEST

START_TEST(test_a_node_that_holds_an_address_may_not_leave)
{
    draft.members[0][0] = 2;
    draft.members[0][1] = 0;
    draft.node_names[0] = "n7";
    ck_assert(!bench_adopt(&b, &draft));
    ck_assert_ptr_nonnull(strstr(b.refusal, "'n1' is not in the new policy but may still hold "
                                            "10.0.0.1: first run 'ephorctl maintenance n1'"));
    ck_assert_str_eq(bench_active(&b), "n1");
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_str_eq(bench_active(&b), "n2");
}
END_TEST

START_TEST(test_a_node_that_holds_an_address_may_not_become_another_machine)
{
    draft.node_addresses[0] = "10.9.0.99"; /* it would confirm what it never held */
    ck_assert(!bench_adopt(&b, &draft));
    ck_assert_ptr_nonnull(strstr(b.refusal, "has another address"));
    draft.node_addresses[0] = "10.9.0.1";
    draft.node_addresses[1] = "10.9.0.98"; /* n2 holds nothing */
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_int_eq(core_node(b.core, 1)->reach, REACH_UNKNOWN);
}
END_TEST

START_TEST(test_a_member_that_left_gives_its_address_to_another)
{
    draft.members[0][0] = 2;
    draft.members[0][1] = 0;
    ck_assert(bench_adopt(&b, &draft)); /* n1 stays as a node */
    bench_wait(&b, PLACING_MS);
    ck_assert_uint_ne(bench_order(&b, ORDER_RELEASE, "n1"), 0);
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 0);
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert_str_eq(bench_active(&b), "n2");
}
END_TEST

START_TEST(test_a_service_that_runs_on_a_leaving_member_is_not_forgotten)
{
    bench_close(&b);
    draft.run = RUN_ACTIVE;
    draft.vips = 0;
    bench_open(&b, &draft);
    bench_settle(&b);
    draft.members[0][0] = 2;
    draft.members[0][1] = 0;
    ck_assert(!bench_adopt(&b, &draft));
    ck_assert_ptr_nonnull(strstr(b.refusal, "'web' may still run on 'n1'"));
}
END_TEST

START_TEST(test_a_service_that_left_lets_go_of_its_addresses)
{
    draft.service_names[0] = "shop";
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_str_eq(bench_active(&b), "");
    ck_assert_uint_eq(orders_of(ORDER_RELEASE), 1);
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 0);
}
END_TEST

START_TEST(test_in_the_middle_of_a_move)
{
    bench_say(&b, 1, 0, STATE_CRITICAL);
    uint64_t release = bench_order(&b, ORDER_RELEASE, "n1");
    draft.nodes = 3;
    draft.members[0][2] = 3;
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_uint_eq(bench_order(&b, ORDER_RELEASE, "n1"), release);
    bench_tell(&b, ORDER_RELEASE, release, "front", "n1", RESULT_DONE);
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert_str_eq(bench_active(&b), "n2");
}
END_TEST

START_TEST(test_the_target_leaves_in_the_middle_of_a_move)
{
    draft.nodes = 3;
    draft.members[0][2] = 3;
    ck_assert(bench_adopt(&b, &draft));
    bench_say(&b, 1, 2, STATE_OK);
    bench_reach(&b, "n3", true);
    bench_say(&b, 1, 0, STATE_CRITICAL); /* to n2 */
    draft.members[0][1] = 3;
    draft.members[0][2] = 0;
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 0);
    bench_done(&b, ORDER_RELEASE, "n1");
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n1"), 0); /* back, while held down */
    bench_wait(&b, 5000);
    bench_done(&b, ORDER_RELEASE, "n1");
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n3"), 0);
    ck_assert_uint_eq(orders_of(ORDER_HOLD), 1); /* in one place only */
}
END_TEST

START_TEST(test_in_the_middle_of_a_restart)
{
    draft.can_restart = true;
    ck_assert(bench_adopt(&b, &draft));
    bench_say(&b, 1, 0, STATE_CRITICAL);
    uint64_t restart = bench_order(&b, ORDER_RESTART, "n1");
    ck_assert_uint_ne(restart, 0);
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_uint_eq(bench_order(&b, ORDER_RESTART, "n1"), restart);
    ck_assert_uint_eq(core_member(b.core, 0)->restarts.count, 1);
    bench_tell(&b, ORDER_RESTART, restart, "web", "n1", RESULT_DONE);
    ck_assert_int_eq(core_member(b.core, 0)->step, STEP_CONFIRMING);
}
END_TEST

START_TEST(test_budgets_and_waiting_times_go_over)
{
    draft.failback_auto = true;
    ck_assert(bench_adopt(&b, &draft));
    bench_say(&b, 1, 0, STATE_CRITICAL);
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_done(&b, ORDER_HOLD, "n2");
    bench_say(&b, 1, 0, STATE_OK);
    int64_t due_ms = core_next_deadline(b.core);
    bench_wait(&b, 1000);
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_uint_eq(core_service(b.core, 0)->moves.count, 1);
    ck_assert_int_eq(core_next_deadline(b.core), due_ms);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core adopt");
    TCase *t = tcase_create("adopt");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_the_same_policy_again_changes_nothing);
    tcase_add_test(t, test_names_are_carried_over_in_another_order);
    tcase_add_test(t, test_an_address_that_left_is_released);
    tcase_add_test(t, test_an_address_under_another_name_waits_for_the_old_one);
    tcase_add_test(t, test_an_address_on_another_interface_waits_for_the_old_one);
    tcase_add_test(t, test_an_address_of_another_service_waits_for_the_old_one);
    tcase_add_test(t, test_a_move_waits_for_an_address_under_its_old_name);
    tcase_add_test(t, test_addresses_that_changed_names_with_each_other);
    tcase_add_test(t, test_an_address_that_comes_back_waits_too);
    tcase_add_test(t, test_a_node_that_holds_an_address_may_not_leave);
    tcase_add_test(t, test_a_node_that_holds_an_address_may_not_become_another_machine);
    tcase_add_test(t, test_a_member_that_left_gives_its_address_to_another);
    tcase_add_test(t, test_a_service_that_runs_on_a_leaving_member_is_not_forgotten);
    tcase_add_test(t, test_a_service_that_left_lets_go_of_its_addresses);
    tcase_add_test(t, test_in_the_middle_of_a_move);
    tcase_add_test(t, test_the_target_leaves_in_the_middle_of_a_move);
    tcase_add_test(t, test_in_the_middle_of_a_restart);
    tcase_add_test(t, test_budgets_and_waiting_times_go_over);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
