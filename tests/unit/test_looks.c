/* What an observer looks at and tells: who of many looks, in turns; and what is known goes over to
 * the next policy. */
#include "orchestrator/quorum/looks.h"

#include "orchestrator/proto/registry.h"
#include "tests/unit/big_policy.h"

#include <check.h>
#include <stdio.h>

enum { SERVICES = 20, CHECKS = SERVICES * BIG_MEMBERS * BIG_CHECKS, OTHERS = 6, WANTED = 3 };

static struct looks looks;
static struct errbuf e;

static void teardown(void)
{
    looks_close(&looks);
}

static void adopt(struct looks *to, uint64_t index, uint32_t observers, bool is_turned_around)
{
    Ephor__Policy *policy = big_policy(SERVICES, is_turned_around);
    for (size_t i = 0; i < policy->n_checks; i++)
        policy->checks[i]->observers = observers;
    size_t size = ephor__policy__get_packed_size(policy);
    uint8_t *bytes = malloc(size);
    ephor__policy__pack(policy, bytes);
    ck_assert_msg(looks_adopt(to, index, bytes, size, &e) == ERR_OK, "%s", e.text);
    free(bytes);
    ephor__policy__free_unpacked(policy, NULL);
}

static uint32_t count_looks(const struct looks *of)
{
    uint32_t count = 0;
    for (size_t i = 0; i < CHECKS; i++)
        count += of->list[i].outlook.count > 0;
    return count;
}

static void say(uint32_t check, enum state state, const char *text)
{
    Ephor__OpinionChange change = EPHOR__OPINION_CHANGE__INIT;
    Ephor__OpinionChange *list[] = {&change};
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    change.check = check;
    change.state = (Ephor__State)state;
    change.text = (char *)(uintptr_t)text;
    opinions.policy_index = looks.policy_index;
    opinions.changes = list;
    opinions.n_changes = 1;
    ck_assert(looks_take(&looks, &opinions));
}

START_TEST(without_being_asked_nothing_is_looked_at)
{
    adopt(&looks, 5, 0, false);
    looks_choose(&looks, 1001, NULL, 0);
    ck_assert_uint_eq(count_looks(&looks), 0);
}
END_TEST

START_TEST(where_all_look_they_take_turns)
{
    static const uint32_t present[] = {1004, 1001, 1009};
    adopt(&looks, 5, OBSERVERS_MAX, false);
    ck_assert(looks_choose(&looks, 1004, present, 3));
    for (size_t i = 0; i < CHECKS; i++) {
        ck_assert_uint_eq(looks.list[i].outlook.count, 3);
        ck_assert_uint_eq(looks.list[i].outlook.rank, 1);
    }
    ck_assert(!looks_choose(&looks, 1004, present, 3));
    say(0, STATE_OK, ""); /* and goes on knowing when its turn is another */
    ck_assert(looks_choose(&looks, 1004, present, 1));
    ck_assert(looks.list[0].is_known);
}
END_TEST

/* Each observer works it out by itself: every check has as many as are wanted, and one rank each.
 */
START_TEST(as_many_look_as_are_wanted)
{
    static const uint32_t present[OTHERS] = {1001, 1002, 1005, 1007, 1011, 1012};
    static struct looks all[OTHERS];
    for (int k = 0; k < OTHERS; k++) {
        adopt(&all[k], 5, WANTED, false);
        looks_choose(&all[k], present[k], present, OTHERS);
    }
    for (size_t i = 0; i < CHECKS; i++) {
        uint32_t ranks = 0, count = 0;
        for (int k = 0; k < OTHERS; k++) {
            const struct outlook *o = &all[k].list[i].outlook;
            if (o->count == 0)
                continue;
            ck_assert_uint_eq(o->count, WANTED);
            ranks |= 1U << o->rank;
            count++;
        }
        ck_assert_uint_eq(count, WANTED);
        ck_assert_uint_eq(ranks, (1U << WANTED) - 1);
    }
    uint32_t count = 0; /* the same when there is one more than wanted */
    for (int k = 0; k <= WANTED; k++) {
        looks_choose(&all[k], present[k], present, WANTED + 1);
        count += count_looks(&all[k]);
    }
    ck_assert_uint_eq(count, WANTED * CHECKS);
    for (int k = 0; k < OTHERS; k++)
        looks_close(&all[k]);
}
END_TEST

START_TEST(who_goes_makes_room_at_its_own_checks_only)
{
    static const uint32_t present[OTHERS] = {1001, 1002, 1005, 1007, 1011, 1012};
    static struct looks before, after;
    adopt(&before, 5, WANTED, false);
    adopt(&after, 5, WANTED, false);
    looks_choose(&before, 1001, present, OTHERS);
    looks_choose(&after, 1001, present, OTHERS - 1);
    uint32_t more = 0;
    for (size_t i = 0; i < CHECKS; i++) {
        ck_assert(after.list[i].outlook.count > 0 || before.list[i].outlook.count == 0);
        more += after.list[i].outlook.count > 0 && before.list[i].outlook.count == 0;
    }
    ck_assert_uint_gt(more, 0);
    ck_assert_uint_lt(more, CHECKS / 3);
    looks_close(&before);
    looks_close(&after);
}
END_TEST

static bool knows(const char *id, enum state state)
{
    for (size_t i = 0; i < looks.policy->n_checks; i++)
        if (strcmp(looks.policy->checks[i]->id, id) == 0)
            return looks.list[i].is_known && looks.list[i].state == state;
    return false;
}

START_TEST(what_is_known_goes_over_by_identity)
{
    char id[200];
    adopt(&looks, 5, OBSERVERS_MAX, false);
    looks_choose(&looks, 1001, NULL, 0);
    say(3, STATE_CRITICAL, "refused");
    text_copy(id, sizeof(id), looks.policy->checks[3]->id);
    adopt(&looks, 9, OBSERVERS_MAX, true);
    looks_choose(&looks, 1001, NULL, 0);
    ck_assert(strcmp(looks.policy->checks[3]->id, id) != 0);
    ck_assert(knows(id, STATE_CRITICAL));
    adopt(&looks, 11, 0, true);
    looks_choose(&looks, 1001, NULL, 0);
    ck_assert(!knows(id, STATE_CRITICAL));
}
END_TEST

START_TEST(a_report_says_all_and_a_feed_what_is_wrong)
{
    Ephor__Report report = EPHOR__REPORT__INIT;
    Ephor__FeedLooks feed;
    adopt(&looks, 5, OBSERVERS_MAX, false);
    looks_choose(&looks, 1001, NULL, 0);
    say(0, STATE_OK, "fine");
    say(1, STATE_CRITICAL, "refused");
    looks_report(&looks, &report);
    ck_assert(report.full);
    ck_assert_uint_eq(report.opinions->policy_index, 5);
    ck_assert_uint_eq(report.opinions->n_changes, 2);
    ck_assert_uint_eq(report.n_silent, CHECKS - 2);
    looks_free_report(&report);
    looks_feed(&looks, &feed);
    ck_assert_uint_eq(feed.states[STATE_OK], 1);
    ck_assert_uint_eq(feed.silent, CHECKS - 2);
    ck_assert_uint_eq(feed.n_wrong, 1);
    ck_assert_str_eq(feed.wrong[0]->text, "refused");
    looks_free_feed(&feed);
}
END_TEST

START_TEST(a_policy_that_cannot_be_read_changes_nothing)
{
    static const uint8_t garbage[] = {0xff, 0xff, 0xff};
    adopt(&looks, 5, OBSERVERS_MAX, false);
    ck_assert_int_ne(looks_adopt(&looks, 9, garbage, sizeof(garbage), &e), ERR_OK);
    ck_assert_uint_eq(looks.policy_index, 5);
}
END_TEST

START_TEST(opinions_of_another_policy_are_not_taken)
{
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    adopt(&looks, 5, OBSERVERS_MAX, false);
    opinions.policy_index = 4;
    ck_assert(!looks_take(&looks, &opinions));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("looks");
    TCase *tcase = tcase_create("looks");
    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, without_being_asked_nothing_is_looked_at);
    tcase_add_test(tcase, where_all_look_they_take_turns);
    tcase_add_test(tcase, as_many_look_as_are_wanted);
    tcase_add_test(tcase, who_goes_makes_room_at_its_own_checks_only);
    tcase_add_test(tcase, what_is_known_goes_over_by_identity);
    tcase_add_test(tcase, a_report_says_all_and_a_feed_what_is_wrong);
    tcase_add_test(tcase, a_policy_that_cannot_be_read_changes_nothing);
    tcase_add_test(tcase, opinions_of_another_policy_are_not_taken);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
