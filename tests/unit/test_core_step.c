/* The step: outcomes, budgets, time, requests, orders, and one whole failover as its journal. */
#include "tests/unit/core_walk.h"

#include "orchestrator/core/budget.h"

static struct bench b;

static void open_settled(enum run_mode run)
{
    struct draft draft = draft_pair();
    draft.run = run;
    bench_open(&b, &draft);
    bench_settle(&b);
}

static void setup(void)
{
    open_settled(RUN_EVERYWHERE);
}

static void teardown(void)
{
    bench_close(&b);
}

/* ---------------------------------------------------------------- outcomes */

START_TEST(test_outcome_of_an_older_order_is_refused)
{
    uint64_t grant = bench_order(&b, ORDER_HOLD, "n1");
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    uint64_t release = bench_order(&b, ORDER_RELEASE, "n1");
    bench_tell(&b, ORDER_RELEASE, grant, "front", "n1", RESULT_DONE);
    ck_assert(bench_told(&b, EVENT_REFUSED, "is not awaited any more"));
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_RELEASING);
    bench_tell(&b, ORDER_HOLD, release, "front", "n1", RESULT_DONE); /* another kind */
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_RELEASING);
    bench_tell(&b, ORDER_RELEASE, release, "front", "n2", RESULT_DONE); /* another node */
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_RELEASING);
    bench_tell(&b, ORDER_RELEASE, release, "back", "n1", RESULT_DONE); /* another object */
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_RELEASING);
    bench_tell(&b, ORDER_RELEASE, release, "front", "n1", RESULT_DONE);
    ck_assert_int_eq(core_vip(b.core, 0)->holder, 1);
}
END_TEST

START_TEST(test_outcome_told_twice_counts_once)
{
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    uint64_t release = bench_order(&b, ORDER_RELEASE, "n1");
    bench_tell(&b, ORDER_RELEASE, release, "front", "n1", RESULT_DONE);
    uint64_t grant = bench_order(&b, ORDER_HOLD, "n2");
    bench_tell(&b, ORDER_RELEASE, release, "front", "n1", RESULT_DONE);
    ck_assert(bench_told(&b, EVENT_REFUSED, "is not awaited any more"));
    ck_assert_uint_eq(bench_order(&b, ORDER_HOLD, "n2"), grant);
    bench_done(&b, ORDER_HOLD, "n2");
    bench_tell(&b, ORDER_HOLD, grant, "front", "n2", RESULT_DONE);
    ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_HELD);
}
END_TEST

START_TEST(test_only_done_and_ended_release_an_address)
{
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    for (int result = RESULT_DONE; result <= RESULT_LOST; result++) {
        if (result == RESULT_DONE || result == RESULT_ENDED)
            continue;
        bench_end(&b, ORDER_RELEASE, "n1", (enum order_result)result);
        ck_assert_int_eq(core_vip(b.core, 0)->phase, VIP_RELEASING);
    }
    bench_end(&b, ORDER_RELEASE, "n1", RESULT_ENDED);
    ck_assert_int_eq(core_vip(b.core, 0)->holder, 1);
}
END_TEST

START_TEST(test_a_target_that_does_not_take_over_is_left_and_avoided)
{
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_wait(&b, ACQUIRE_MS);
    ck_assert(bench_told(&b, EVENT_SERVICE, "n2 did not take over"));
    ck_assert_uint_eq(bench_order(&b, ORDER_HOLD, "n1"), 0); /* n2 may have it after all */
    bench_done(&b, ORDER_RELEASE, "n2");
    ck_assert_uint_ne(bench_order(&b, ORDER_HOLD, "n1"), 0);
    char reason[TEXT_SIZE];
    ck_assert(!core_is_fit(b.core, 1, reason));
    ck_assert_ptr_nonnull(strstr(reason, "could not take over"));
}
END_TEST

/* ---------------------------------------------------------------- time and budgets */

START_TEST(test_time_never_runs_backwards)
{
    int64_t at_ms = b.core->at_ms;
    bench_wait(&b, -5000);
    ck_assert_int_eq(b.core->at_ms, at_ms);
    bench_wait(&b, 5001);
    ck_assert_int_eq(b.core->at_ms, at_ms + 1);
}
END_TEST

START_TEST(test_budget_window_slides)
{
    struct budget budget = {.count = 0};
    ck_assert_int_eq(budget_next_ms(&budget, 100, 1000, 0), NEVER_MS);
    ck_assert_int_eq(budget_next_ms(&budget, 100, 1000, 2), 100);
    budget_spend(&budget, 100);
    budget_spend(&budget, 600);
    ck_assert_uint_eq(budget_used(&budget, 1099, 1000), 2);
    ck_assert_int_eq(budget_next_ms(&budget, 1099, 1000, 2), 1100);
    ck_assert_uint_eq(budget_used(&budget, 1100, 1000), 1);
    ck_assert_int_eq(budget_next_ms(&budget, 1100, 1000, 2), 1100);
    for (int i = 0; i < 20; i++)
        budget_spend(&budget, 2000 + i);
    ck_assert_uint_eq(budget.count, BUDGET_MAX);
    ck_assert_int_eq(budget_next_ms(&budget, 2020, 1000, BUDGET_MAX), 3000 + 20 - BUDGET_MAX);
}
END_TEST

/* ---------------------------------------------------------------- requests */

START_TEST(test_requests_and_their_replies)
{
    static const struct {
        enum verb verb;
        const char *service, *node;
        bool is_accepted;
        const char *reply;
    } rows[] = {
        {VERB_FAILOVER, "nope", "", false, "there is no service 'nope'"},
        {VERB_FAILOVER, "web", "n9", false, "web has no member on a node 'n9'"},
        {VERB_FAILOVER, "web", "n1", false, "web is active on n1 already"},
        {VERB_MAINTENANCE_ON, "", "n9", false, "there is no node 'n9'"},
        {VERB_RESUME, "", "", true, "not paused already"},
        {VERB_PAUSE, "", "", true,
         "paused: Ephor watches, keeps the addresses where they are, and does nothing else by "
         "itself"},
        {VERB_PAUSE, "", "", true, "paused already"},
        {VERB_RESUME, "", "", true, "resumed"},
        {VERB_MAINTENANCE_ON, "", "n2", true,
         "in maintenance: its services leave it when another member is fit, and it gets no new "
         "ones"},
        {VERB_FAILOVER, "web", "n2", false, "n2 is not fit: n2 is in maintenance"},
        {VERB_FAILOVER, "web", "", false,
         "no other member of web is fit; 'ephorctl why web' says why"},
        {VERB_MAINTENANCE_OFF, "", "n2", true, "maintenance has ended"},
        {VERB_FAILOVER, "web", "", true, "moving web to n2"},
        {VERB_FAILOVER, "web", "n1", false,
         "a recovery of web is open (releasing); try again in a moment"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_ask(&b, rows[i].verb, rows[i].service, rows[i].node);
        ck_assert(b.effects.has_reply);
        ck_assert_str_eq(b.effects.reply, rows[i].reply);
        ck_assert_int_eq(b.effects.is_accepted, rows[i].is_accepted);
    }
}
END_TEST

/* ---------------------------------------------------------------- orders */

static void check_orders(const struct bench *bench)
{
    struct bench_orders orders = bench_orders(bench);
    uint32_t expected = 0;
    for (int32_t i = 0; i < core_vip_count(bench->core); i++) {
        enum vip_phase phase = (enum vip_phase)core_vip(bench->core, i)->phase;
        expected += phase != VIP_FREE && phase != VIP_LOST;
        ck_assert_int_eq(phase == VIP_FREE, core_vip(bench->core, i)->holder == NONE);
    }
    for (int32_t i = 0; i < core_service_count(bench->core); i++) {
        const struct service *s = core_service(bench->core, i);
        expected += s->phase == PHASE_STOPPING || s->phase == PHASE_STARTING;
    }
    for (int32_t i = 0; i < core_member_count(bench->core); i++)
        expected += core_member(bench->core, i)->step == STEP_RESTARTING;
    ck_assert_uint_eq(orders.count, expected); /* each open step has exactly its order */
    for (uint32_t i = 0; i < orders.count; i++) {
        const struct order *o = &orders.list[i];
        bool stands = o->kind == ORDER_HOLD || o->kind == ORDER_RELEASE;
        ck_assert_uint_ne(o->id, 0);
        ck_assert_int_ge(o->node, 0);
        if (stands) /* until it is done or the lease has ended */
            ck_assert_int_eq(o->deadline_ms, NEVER_MS);
        else
            ck_assert_int_gt(o->deadline_ms, bench->core->at_ms);
    }
    ck_assert_int_gt(core_next_deadline(bench->core), bench->core->at_ms);
}

START_TEST(test_every_open_step_has_its_order)
{
    struct walk walk = {.state = 0x1234567 + (uint64_t)_i};
    struct draft draft = walk_draft(_i % 2 == 0 ? RUN_EVERYWHERE : RUN_ACTIVE);
    bench_close(&b);
    walk_open(&b, &draft);
    for (int i = 0; i < 5000; i++) {
        walk_step(&walk, &b);
        check_orders(&b);
    }
}
END_TEST

/* ---------------------------------------------------------------- a failover, as it is told */

static char trace[8192];

static void trace_add(void)
{
    for (uint32_t i = 0; i < b.effects.count; i++) {
        size_t used = strlen(trace);
        const struct journal_line *line = &b.effects.lines[i];
        text_format(trace + used, sizeof(trace) - used, "%s %s: %s\n", event_name(line->event),
                    line->object, line->text);
    }
}

START_TEST(test_a_whole_failover_as_its_journal)
{
    trace[0] = '\0';
    bench_say(&b, 1, 0, STATE_CRITICAL);
    trace_add();
    bench_done(&b, ORDER_RELEASE, "n1");
    trace_add();
    bench_done(&b, ORDER_HOLD, "n2");
    trace_add();
    ck_assert_str_eq(trace, "check web/n1/http: critical (was ok): refused\n"
                            "member web on n1: is critical (was ok): http: refused\n"
                            "decision web: move from n1 to n2: http: refused (rule 12, move)\n"
                            "vip front: 10.0.0.1 is taken from n1\n"
                            "vip front: 10.0.0.1 is free: n1 released it\n"
                            "vip front: 10.0.0.1 granted to n2\n"
                            "vip front: 10.0.0.1 is held by n2\n"
                            "service web: is active on n2\n");
}
END_TEST

START_TEST(test_a_service_that_runs_once_is_stopped_and_started)
{
    bench_close(&b);
    open_settled(RUN_ACTIVE);
    trace[0] = '\0';
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    bench_done(&b, ORDER_STOP, "n1");
    trace_add();
    bench_done(&b, ORDER_RELEASE, "n1");
    trace_add();
    bench_done(&b, ORDER_START, "n2");
    trace_add();
    bench_done(&b, ORDER_HOLD, "n2");
    trace_add();
    ck_assert_str_eq(trace, "outcome web: stop on n1: done\n"
                            "vip front: 10.0.0.1 is taken from n1\n"
                            "vip front: 10.0.0.1 is free: n1 released it\n"
                            "order web: start it on n2\n"
                            "outcome web: start on n2: done\n"
                            "vip front: 10.0.0.1 granted to n2\n"
                            "vip front: 10.0.0.1 is held by n2\n"
                            "service web: is active on n2\n"
                            "hold web: nothing is done (rule 14, failback-manual): n1 has the "
                            "higher priority and is fit; failback is manual\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core step");
    TCase *t = tcase_create("step");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_outcome_of_an_older_order_is_refused);
    tcase_add_test(t, test_outcome_told_twice_counts_once);
    tcase_add_test(t, test_only_done_and_ended_release_an_address);
    tcase_add_test(t, test_a_target_that_does_not_take_over_is_left_and_avoided);
    tcase_add_test(t, test_time_never_runs_backwards);
    tcase_add_test(t, test_budget_window_slides);
    tcase_add_test(t, test_requests_and_their_replies);
    tcase_add_loop_test(t, test_every_open_step_has_its_order, 0, 8);
    tcase_add_test(t, test_a_whole_failover_as_its_journal);
    tcase_add_test(t, test_a_service_that_runs_once_is_stopped_and_started);
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
