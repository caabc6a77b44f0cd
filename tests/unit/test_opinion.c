/* Damping: how observations become an opinion. */
#include "orchestrator/core/opinion.h"
#include "orchestrator/core/words.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { FALL = 3, RISE = 2 };

/* Feed observations, one letter each (O W C U); a capital letter in `changes` at the same place
 * names the opinion that it leads to, '.' no change. */
static void feed(struct damping *opinion, const char *observations, const char *changes)
{
    static const char letters[] = "OWCU";
    ck_assert_uint_eq(strlen(observations), strlen(changes));
    for (size_t i = 0; observations[i] != '\0'; i++) {
        uint8_t state = (uint8_t)(strchr(letters, observations[i]) - letters);
        bool is_changed = opinion_observe(opinion, state, FALL, RISE);
        ck_assert_msg(is_changed == (changes[i] != '.'), "%s: observation %zu", observations, i);
        if (is_changed)
            ck_assert_int_eq(letters[opinion->state], changes[i]);
    }
}

static void check_sequence(const char *observations, const char *changes)
{
    struct damping opinion = {.is_known = false};
    feed(&opinion, observations, changes);
}

START_TEST(first_ok_is_an_opinion_at_once)
{
    check_sequence("OOO", "O..");
}
END_TEST

START_TEST(first_bad_one_needs_fall)
{
    check_sequence("CCCC", "..C.");
    check_sequence("CCOCC", "..O..");
    check_sequence("UUU", "..U");
    check_sequence("WWW", "..W");
}
END_TEST

START_TEST(worse_needs_fall_and_better_needs_rise)
{
    check_sequence("OCCCOO", "O..C.O");
    check_sequence("OWWWOO", "O..W.O");
    check_sequence("OWWWCCCWW", "O..W..C.W");
}
END_TEST

START_TEST(one_agreeing_observation_ends_the_run)
{
    check_sequence("OCCOCCOCC", "O........");
    check_sequence("OCCCOCOCO", "O..C.....");
}
END_TEST

START_TEST(newest_state_of_the_run_wins)
{
    check_sequence("OCWU", "O..U");
    check_sequence("OCCU", "O..U");
    check_sequence("OCCW", "O..W");
    check_sequence("OUUW", "O..W");
}
END_TEST

START_TEST(critical_takes_fall_criticals_in_a_row)
{
    check_sequence("OUUC", "O...");
    check_sequence("OUUCCC", "O....C");
    check_sequence("OUCUCC", "O..U..");
}
END_TEST

START_TEST(unknown_stands_between_warning_and_critical)
{
    check_sequence("OUUUCCC", "O..U..C"); /* worse: fall */
    check_sequence("OCCCUU", "O..C.U");   /* better: rise */
    check_sequence("OWWWUUU", "O..W..U"); /* worse */
    check_sequence("OUUUWW", "O..U.W");   /* better */
}
END_TEST

START_TEST(contradiction_and_attempts_are_told)
{
    struct damping opinion = {.is_known = false};
    ck_assert(!opinion_is_contradicted(&opinion));
    feed(&opinion, "C", ".");
    ck_assert(opinion_is_contradicted(&opinion) && !opinion.is_known);
    feed(&opinion, "O", "O");
    ck_assert(!opinion_is_contradicted(&opinion));
    feed(&opinion, "CC", "..");
    ck_assert(opinion_is_contradicted(&opinion));
    ck_assert_uint_eq(opinion.attempt, 2);
    feed(&opinion, "C", "C");
    ck_assert(!opinion_is_contradicted(&opinion));
    ck_assert_uint_eq(opinion.attempt, 0);
}
END_TEST

START_TEST(fall_and_rise_of_one_mean_at_once)
{
    struct damping opinion = {.is_known = false};
    ck_assert(opinion_observe(&opinion, STATE_CRITICAL, 1, 1));
    ck_assert(opinion_observe(&opinion, STATE_OK, 1, 1));
    ck_assert(opinion_observe(&opinion, STATE_CRITICAL, 0, 0)); /* 0 counts as 1 */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("opinion");
    TCase *tests = tcase_create("damping");
    tcase_add_test(tests, first_ok_is_an_opinion_at_once);
    tcase_add_test(tests, first_bad_one_needs_fall);
    tcase_add_test(tests, worse_needs_fall_and_better_needs_rise);
    tcase_add_test(tests, one_agreeing_observation_ends_the_run);
    tcase_add_test(tests, newest_state_of_the_run_wins);
    tcase_add_test(tests, critical_takes_fall_criticals_in_a_row);
    tcase_add_test(tests, unknown_stands_between_warning_and_critical);
    tcase_add_test(tests, contradiction_and_attempts_are_told);
    tcase_add_test(tests, fall_and_rise_of_one_mean_at_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
