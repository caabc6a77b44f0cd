/* The arithmetic of leases. Links libcore and libbase only. */
#include "orchestrator/core/lease.h"

#include <check.h>
#include <stdlib.h>

START_TEST(margin_grows_with_the_lease)
{
    ck_assert_int_eq(lease_margin_ms(3000, false), 1875);
    ck_assert_int_eq(lease_margin_ms(8000, false), 2500);
    ck_assert_int_eq(lease_margin_ms(1, false), 1501); /* rounded up: only later is safe */
    ck_assert_int_eq(lease_margin_ms(60000, true), 100);
}
END_TEST

START_TEST(end_is_lease_and_rate_and_margin_after_the_last_word)
{
    ck_assert_int_eq(lease_wait_ms(3000, false), 3000 + 30 + 1875);
    ck_assert_int_eq(lease_wait_ms(60000, false), 60000 + 600 + 9000);
    ck_assert_int_eq(lease_wait_ms(3001, false), 3001 + 31 + 1876);
    ck_assert_int_eq(lease_wait_ms(1000, true), 1000 + 10 + 100);
}
END_TEST

/* The node may take the line at once: its lease then ends at UNTIL of its own clock, which is at
 * most L after the moment its clock was read, and that was before we heard it. */
START_TEST(node_never_holds_longer_than_we_wait)
{
    for (int64_t lease_ms = 3000; lease_ms <= 60000; lease_ms += 1000) {
        int64_t uptime_cs = 777;
        int64_t left_cs = lease_until_cs(uptime_cs, lease_ms) - uptime_cs;
        int64_t whole_seconds = left_cs / 100; /* what the node sets, rounded down */
        int64_t kernel_late_ms = 1050 + whole_seconds * 1000 / 8;
        int64_t slow_clock_ms = whole_seconds * 1000 + whole_seconds * 10;
        ck_assert_int_le(slow_clock_ms + kernel_late_ms, lease_wait_ms(lease_ms, false));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lease");
    TCase *tc = tcase_create("lease");
    tcase_add_test(tc, margin_grows_with_the_lease);
    tcase_add_test(tc, end_is_lease_and_rate_and_margin_after_the_last_word);
    tcase_add_test(tc, node_never_holds_longer_than_we_wait);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
