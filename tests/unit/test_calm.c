/* When a process does not trust itself: it lagged, the machine slept, or its clock was set. */
#include "orchestrator/quorum/calm.h"

#include <check.h>
#include <string.h>

enum { PERIOD_MS = 100 };

static struct clocks now;
static struct calm calm;

static void setup(void)
{
    now = (struct clocks){.mono_ms = 5000, .suspended_ms = 70, .wall_ms = 900000};
    calm_init(&calm, &now);
    ck_assert(!calm_beat(&calm, &now));
    calm.due_ms = now.mono_ms + PERIOD_MS;
}

/* So much later. */
static bool beat(int64_t ms)
{
    now.mono_ms += ms;
    now.wall_ms += ms;
    bool is_changed = calm_beat(&calm, &now);
    calm.due_ms = now.mono_ms + PERIOD_MS;
    return is_changed;
}

static void settles(void)
{
    for (int64_t ms = 0; ms < 1900; ms += PERIOD_MS) {
        ck_assert(!beat(PERIOD_MS));
        ck_assert(!calm.is_calm);
    }
    ck_assert(beat(PERIOD_MS));
    ck_assert(calm.is_calm);
    ck_assert_str_eq(calm.text, "");
}

START_TEST(small_delays_are_nothing)
{
    ck_assert(!beat(PERIOD_MS + 250));
    now.wall_ms += 250; /* as when the clock is slewed */
    ck_assert(!beat(PERIOD_MS));
    ck_assert(calm.is_calm);
}
END_TEST

START_TEST(who_lags_waits_until_it_is_calm)
{
    ck_assert(beat(PERIOD_MS + 300));
    ck_assert_str_eq(calm.text, "it lagged by 300 ms");
    settles();
}
END_TEST

START_TEST(lagging_again_begins_the_wait_anew)
{
    ck_assert(beat(PERIOD_MS + 300));
    for (int i = 0; i < 10; i++)
        beat(PERIOD_MS);
    ck_assert(!calm_note_lag(&calm, now.mono_ms, 400, "its checker lagged by"));
    settles();
}
END_TEST

START_TEST(a_machine_that_slept_is_told_apart)
{
    now.suspended_ms += 60000;
    ck_assert(beat(60000));
    ck_assert_str_eq(calm.text, "the machine was suspended for 60000 ms");
    settles();
}
END_TEST

START_TEST(a_clock_that_was_set_is_noticed)
{
    now.wall_ms += 3600000;
    ck_assert(beat(PERIOD_MS));
    ck_assert_str_eq(calm.text, "its clock was set forward by 3600000 ms");
    settles();
    now.wall_ms -= 1000;
    ck_assert(beat(PERIOD_MS));
    ck_assert_str_eq(calm.text, "its clock was set back by 1000 ms");
    settles();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calm");
    TCase *tcase = tcase_create("calm");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, small_delays_are_nothing);
    tcase_add_test(tcase, who_lags_waits_until_it_is_calm);
    tcase_add_test(tcase, lagging_again_begins_the_wait_anew);
    tcase_add_test(tcase, a_machine_that_slept_is_told_apart);
    tcase_add_test(tcase, a_clock_that_was_set_is_noticed);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
