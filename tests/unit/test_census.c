/* What observers say, counted by check: any order of saying, muting and leaving gives the counts
 * that one gets by counting anew. */
#include "orchestrator/quorum/census.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKS = 5, VOICES = 7 };

static struct census_table table;
static struct voice voices[VOICES];

static void setup(void)
{
    memset(voices, 0, sizeof(voices));
    ck_assert(census_begin(&table, 7, CHECKS));
}

static void teardown(void)
{
    for (int i = 0; i < VOICES; i++)
        census_hush(&table, &voices[i]);
    census_close(&table);
}

static struct said opinion(enum state state)
{
    return (struct said){.looks = true, .is_known = true, .state = (uint8_t)state};
}

static struct said doubt(enum state state, enum state suspect, uint8_t attempts)
{
    struct said said = opinion(state);
    said.suspect = (uint8_t)suspect;
    said.attempts = attempts;
    return said;
}

static struct census_change taken(uint32_t check)
{
    struct census_change change;
    while (census_take(&table, &change))
        if (change.check == check)
            return change;
    ck_abort_msg("nothing was told of check %u", check);
    return change;
}

START_TEST(opinions_and_doubts_are_counted_apart)
{
    census_say(&table, &voices[0], 2, opinion(STATE_OK));
    census_say(&table, &voices[1], 2, doubt(STATE_OK, STATE_CRITICAL, 2));
    census_say(&table, &voices[2], 2, opinion(STATE_UNKNOWN));
    census_say(&table, &voices[3], 2, (struct said){.looks = true});
    struct census_change c = taken(2);
    ck_assert_uint_eq(c.seers, 4);
    ck_assert_uint_eq(c.silent, 1);
    ck_assert_uint_eq(c.doubters, 1);
    ck_assert_uint_eq(c.votes[STATE_OK], 2);
    ck_assert_uint_eq(c.votes[STATE_CRITICAL], 0);
    ck_assert_uint_eq(c.newest[STATE_OK], 1);
    ck_assert_uint_eq(c.newest[STATE_CRITICAL], 1);
    ck_assert_uint_eq(c.answers[STATE_CRITICAL], 2);
    ck_assert_uint_ge(c.answers[STATE_OK], ATTEMPTS_MAX);
}
END_TEST

START_TEST(who_cannot_see_counts_as_looking_only)
{
    census_say(&table, &voices[0], 0, opinion(STATE_CRITICAL));
    census_mute(&table, &voices[0], true);
    struct census_change c = taken(0);
    ck_assert_uint_eq(c.seers, 1);
    ck_assert_uint_eq(c.votes[STATE_CRITICAL] + c.newest[STATE_CRITICAL] + c.silent, 0);
    census_mute(&table, &voices[0], false);
    ck_assert_uint_eq(taken(0).votes[STATE_CRITICAL], 1);
}
END_TEST

START_TEST(who_leaves_takes_its_word_along)
{
    census_say(&table, &voices[0], 1, opinion(STATE_OK));
    census_say(&table, &voices[1], 1, opinion(STATE_OK));
    census_hush(&table, &voices[0]);
    struct census_change c = taken(1);
    ck_assert_uint_eq(c.seers, 1);
    ck_assert_uint_eq(c.votes[STATE_OK], 1);
}
END_TEST

START_TEST(what_did_not_change_is_not_told)
{
    struct census_change c;
    census_say(&table, &voices[0], 1, opinion(STATE_OK));
    ck_assert(census_take(&table, &c));
    census_say(&table, &voices[0], 1, opinion(STATE_OK));
    ck_assert(!census_take(&table, &c));
    census_tell_all(&table);
    for (uint32_t i = 0; i < CHECKS; i++)
        ck_assert(census_take(&table, &c));
    ck_assert(!census_take(&table, &c));
}
END_TEST

START_TEST(a_check_that_is_not_there_is_refused)
{
    ck_assert(!census_say(&table, &voices[0], CHECKS, opinion(STATE_OK)));
    ck_assert(census_say(&table, &voices[0], CHECKS - 1, opinion(STATE_OK)));
}
END_TEST

/* ---------------------------------------------------------------- at random */

static void add(struct census_change *c, const struct voice *voice, const struct said *said)
{
    if (!said->looks)
        return;
    c->seers++;
    if (voice->is_mute)
        return;
    if (!said->is_known) {
        c->silent++;
        return;
    }
    uint8_t newest = said->attempts > 0 ? said->suspect : said->state;
    if (said->state != STATE_UNKNOWN)
        c->votes[said->state]++;
    c->doubters += said->attempts > 0;
    if (newest != STATE_UNKNOWN)
        c->newest[newest]++;
}

static bool is_same(const struct tally *tally, const struct census_change *c)
{
    return tally->seers == c->seers && tally->silent == c->silent &&
           tally->doubters == c->doubters &&
           memcmp(tally->votes, c->votes, sizeof(c->votes)) == 0 &&
           memcmp(tally->newest, c->newest, sizeof(c->newest)) == 0;
}

static bool is_true(void)
{
    for (uint32_t i = 0; i < CHECKS; i++) {
        struct census_change anew = {.check = i};
        for (int v = 0; v < VOICES; v++)
            if (voices[v].said != NULL)
                add(&anew, &voices[v], &voices[v].said[i]);
        if (!is_same(&table.tallies[i], &anew))
            return false;
    }
    return true;
}

static uint32_t seed;

/* A linear congruential generator: the same numbers everywhere. */
static uint32_t draw(uint32_t below)
{
    seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
    return (seed >> 16) % below;
}

static struct said any_said(void)
{
    struct said said = {.looks = draw(5) != 0};
    if (!said.looks || draw(5) == 0)
        return said;
    said = opinion((enum state)(draw(4)));
    return draw(2) == 0 ? said : doubt((enum state)said.state, (enum state)(draw(4)), 3);
}

START_TEST(counts_are_true_whatever_happens)
{
    struct census_change c;
    seed = 1;
    for (int i = 0; i < 20000; i++) {
        struct voice *voice = &voices[draw(VOICES)];
        uint32_t what = draw(20);
        if (what == 0)
            census_hush(&table, voice);
        else if (what == 1)
            census_mute(&table, voice, draw(2) == 0);
        else if (what < 4)
            census_take(&table, &c);
        else
            census_say(&table, voice, draw(CHECKS), any_said());
        if (!is_true())
            ck_abort_msg("the counts are wrong after %d steps", i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("census");
    TCase *tcase = tcase_create("census");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, opinions_and_doubts_are_counted_apart);
    tcase_add_test(tcase, who_cannot_see_counts_as_looking_only);
    tcase_add_test(tcase, who_leaves_takes_its_word_along);
    tcase_add_test(tcase, what_did_not_change_is_not_told);
    tcase_add_test(tcase, a_check_that_is_not_there_is_refused);
    tcase_add_test(tcase, counts_are_true_whatever_happens);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
