/* Grants: which lease a node gets, and how long another one has to wait for the end of it. */
#include "tests/unit/core_fixture.h"

#include "orchestrator/core/lease.h"
#include "orchestrator/core/snapshot.h"

static struct bench b;
static struct draft draft;

static const struct vip *vip(void)
{
    return core_vip(b.core, 0);
}

static void open_with(uint32_t rules)
{
    draft = draft_pair();
    draft.guarded_lease_ms = 1000;
    bench_open(&b, &draft);
    b.core->rules = rules;
    bench_guard(&b, "n1", GUARD_NFT);
    bench_guard(&b, "n2", GUARD_NONE);
    bench_settle(&b);
    ck_assert_int_eq(vip()->phase, VIP_HELD);
}

static void teardown(void)
{
    bench_close(&b);
}

static int64_t bare_wait_ms(void)
{
    return lease_wait_ms(3000, false);
}

static int64_t guarded_wait_ms(void)
{
    return lease_wait_ms(1000, true);
}

START_TEST(test_the_lease_is_chosen_by_what_the_node_can_do)
{
    open_with(4);
    ck_assert(vip()->is_guarded);
    ck_assert_uint_eq(vip()->granted_lease_ms, 1000);
    ck_assert_int_eq(vip()->wait_ms, guarded_wait_ms());
    bench_ask(&b, VERB_FAILOVER, "web", "n2");
    bench_done(&b, ORDER_RELEASE, "n1");
    bench_done(&b, ORDER_HOLD, "n2");
    ck_assert(!vip()->is_guarded);
    ck_assert_uint_eq(vip()->granted_lease_ms, 3000);
    ck_assert_int_eq(vip()->wait_ms, bare_wait_ms());
}
END_TEST

START_TEST(test_older_rules_know_no_guard)
{
    open_with(3);
    ck_assert(!vip()->is_guarded);
    ck_assert_uint_eq(vip()->granted_lease_ms, 3000);
    ck_assert_int_eq(core_node(b.core, 0)->guard, GUARD_UNTOLD);
}
END_TEST

START_TEST(test_a_guard_that_comes_or_goes_is_a_new_grant)
{
    open_with(4);
    uint64_t order = vip()->order;
    bench_guard(&b, "n1", GUARD_NONE);
    ck_assert_int_eq(vip()->phase, VIP_GRANTED);
    ck_assert_uint_ne(vip()->order, order);
    ck_assert(!vip()->is_guarded);
    ck_assert_int_eq(vip()->wait_ms, bare_wait_ms());
    bench_guard(&b, "n1", GUARD_NFT); /* before that was confirmed: the longer one may be there */
    ck_assert(vip()->is_guarded);
    ck_assert_int_eq(vip()->wait_ms, bare_wait_ms());
    bench_done(&b, ORDER_HOLD, "n1");
    ck_assert_int_eq(vip()->wait_ms, guarded_wait_ms());
}
END_TEST

START_TEST(test_a_policy_with_another_lease_is_a_new_grant)
{
    open_with(4);
    draft.guarded_lease_ms = 2000;
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_int_eq(vip()->phase, VIP_GRANTED);
    ck_assert_uint_eq(vip()->granted_lease_ms, 2000);
    bench_done(&b, ORDER_HOLD, "n1");
    draft.guarded_lease_ms = 500;
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_uint_eq(vip()->granted_lease_ms, 500);
    ck_assert_int_eq(vip()->wait_ms, lease_wait_ms(2000, true));
}
END_TEST

START_TEST(test_what_is_held_is_kept_while_ephor_is_paused)
{
    open_with(4);
    bench_ask(&b, VERB_PAUSE, "", "");
    bench_guard(&b, "n1", GUARD_NONE); /* or the guarded lease would end, and nobody extend it */
    ck_assert_int_eq(vip()->phase, VIP_GRANTED);
    ck_assert(!vip()->is_guarded);
    bench_done(&b, ORDER_HOLD, "n1");
    bench_end(&b, ORDER_HOLD, "n1", RESULT_LOST); /* taken away: that is for people now */
    ck_assert_int_eq(vip()->phase, VIP_LOST);
}
END_TEST

/* Also one that is shorter than it takes to miss the holder. */
START_TEST(test_the_shortest_lease_ends_too)
{
    draft = draft_pair();
    draft.guarded_lease_ms = 200;
    bench_open(&b, &draft);
    b.core->rules = 4;
    bench_guard(&b, "n1", GUARD_NFT);
    bench_guard(&b, "n2", GUARD_NFT);
    bench_settle(&b);
    ck_assert_uint_eq(vip()->granted_lease_ms, 200);
    bench_reach(&b, "n1", false);
    bench_wait(&b, 1000);
    ck_assert_int_eq(core_service(b.core, 0)->phase, PHASE_RELEASING);
    ck_assert_int_eq(core_service(b.core, 0)->cause, RULE_OUT_OF_REACH);
}
END_TEST

START_TEST(test_a_snapshot_keeps_what_was_granted)
{
    open_with(4);
    size_t size = snapshot_size(b.core);
    void *bytes = malloc(size);
    snapshot_write(b.core, bytes);
    struct core *other = draft_core(&draft, 0, 0);
    ck_assert(snapshot_read(other, bytes, size));
    ck_assert(core_vip(other, 0)->is_guarded);
    ck_assert_uint_eq(core_vip(other, 0)->granted_lease_ms, 1000);
    ck_assert_int_eq(core_vip(other, 0)->wait_ms, guarded_wait_ms());
    ck_assert_int_eq(core_node(other, 0)->guard, GUARD_NFT);
    free(other);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vips");
    TCase *t = tcase_create("vips");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, test_the_lease_is_chosen_by_what_the_node_can_do);
    tcase_add_test(t, test_older_rules_know_no_guard);
    tcase_add_test(t, test_a_guard_that_comes_or_goes_is_a_new_grant);
    tcase_add_test(t, test_a_policy_with_another_lease_is_a_new_grant);
    tcase_add_test(t, test_what_is_held_is_kept_while_ephor_is_paused);
    tcase_add_test(t, test_the_shortest_lease_ends_too);
    tcase_add_test(t, test_a_snapshot_keeps_what_was_granted);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
