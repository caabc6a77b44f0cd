/* The schedule under virtual time: even spread, no bursts, no overlap, a cap. */
#include "orchestrator/checker/schedule.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MANY = 10000, SLOT_MS = 100 };

static struct schedule schedule;
static struct schedule_item *items;
static size_t item_count;

static void set_up_items(size_t count, int64_t interval_ms, size_t running_max, int64_t now_ms)
{
    schedule_init(&schedule, running_max);
    items = calloc(count, sizeof(*items));
    item_count = count;
    ck_assert_int_eq(schedule_reserve(&schedule, count), 0);
    for (size_t i = 0; i < count; i++) {
        char id[64];
        int size = snprintf(id, sizeof(id), "web/node%zu/http", i);
        schedule_add(&schedule, &items[i], XXH3_64bits(id, (size_t)size), interval_ms, 500, now_ms);
    }
}

static void tear_down(void)
{
    schedule_close(&schedule);
    free(items);
}

/* Run from `from_ms` on for duration_ms, each run ending at once; count starts in each slot.
 * Returns how many ran. */
static size_t play(int64_t from_ms, int64_t duration_ms, size_t *slots)
{
    size_t total = 0;
    for (int64_t now_ms = from_ms; now_ms < from_ms + duration_ms; now_ms++) {
        struct schedule_item *item;
        int64_t late_ms;
        while ((item = schedule_take(&schedule, now_ms, &late_ms)) != NULL) {
            ck_assert_int_eq(late_ms, 0);
            slots[(now_ms - from_ms) / SLOT_MS]++;
            total++;
            schedule_finish(&schedule, item, now_ms, false);
        }
    }
    return total;
}

static size_t largest(const size_t *slots, size_t count)
{
    size_t max = 0;
    for (size_t i = 0; i < count; i++)
        max = slots[i] > max ? slots[i] : max;
    return max;
}

/* 100 are due in each slot on average. Phases are hashes, so slots vary as chance does: 100 more
 * or less 10 (one standard deviation); five of them is never seen among 100 slots. */
enum { MEAN = 100, MOST = 150 };

START_TEST(ten_thousand_checks_spread_evenly)
{
    size_t slots[200] = {0};
    set_up_items(MANY, 10000, 1000, 123456);
    ck_assert_uint_eq(play(123456, 20000, slots), 2 * MANY); /* each once in each interval */
    ck_assert_uint_lt(largest(slots, 200), MOST);
    tear_down();
}
END_TEST

START_TEST(slow_checks_start_within_ten_seconds_without_a_burst)
{
    size_t slots[100] = {0};
    set_up_items(MANY, 3600000, 1000, 777);
    size_t ran = play(777, 10000, slots);
    ck_assert_uint_ge(ran, MANY - 2); /* the last ones are due at the end of the last millisecond */
    ck_assert_uint_le(ran, MANY + MANY / 100); /* a few reach their beat as well */
    ck_assert_uint_lt(largest(slots, 100), MOST);
    tear_down();
}
END_TEST

START_TEST(phases_survive_a_restart)
{
    int64_t due_ms[50];
    set_up_items(50, 10000, 10, 5000);
    for (size_t i = 0; i < 50; i++)
        due_ms[i] = items[i].due_ms % 10000;
    tear_down();
    set_up_items(50, 10000, 10, 987654);
    for (size_t i = 0; i < 50; i++) {
        ck_assert_int_eq(items[i].due_ms % 10000, due_ms[i]);
        ck_assert_int_gt(items[i].due_ms, 987654);
        ck_assert_int_le(items[i].due_ms, 987654 + 10000);
    }
    tear_down();
}
END_TEST

START_TEST(nothing_bursts_after_a_pause)
{
    size_t slots[100] = {0};
    set_up_items(MANY, 10000, 1000, 0);
    play(0, 10000, slots);
    memset(slots, 0, sizeof(slots));
    ck_assert_uint_eq(play(70000, 10000, slots), MANY); /* 60 s later; not six times as many */
    ck_assert_uint_lt(largest(slots, 100), MOST);
    tear_down();
}
END_TEST

START_TEST(slow_checks_run_soon_after_a_pause)
{
    size_t slots[100] = {0};
    set_up_items(MANY, 60000, 1000, 0);
    play(0, 10000, slots);
    memset(slots, 0, sizeof(slots));
    size_t ran = play(600000, 10000, slots); /* everything is overdue */
    ck_assert_uint_ge(ran, MANY - 2);
    ck_assert_uint_lt(largest(slots, 100), 2 * MEAN); /* beats of their own fall in between */
    tear_down();
}
END_TEST

START_TEST(short_hiccup_loses_nothing)
{
    struct schedule_item *item;
    int64_t late_ms;
    set_up_items(1, 10000, 1, 0);
    int64_t due_ms = items[0].due_ms;
    ck_assert_ptr_null(schedule_take(&schedule, due_ms - 1, &late_ms));
    item = schedule_take(&schedule, due_ms + 900, &late_ms);
    ck_assert_ptr_eq(item, &items[0]);
    ck_assert_int_eq(late_ms, 900);
    schedule_finish(&schedule, item, due_ms + 950, false);
    ck_assert_int_eq(items[0].due_ms, due_ms + 10000); /* the beat did not move */
    tear_down();
}
END_TEST

START_TEST(check_never_overlaps_itself)
{
    struct schedule_item *item;
    int64_t late_ms;
    set_up_items(1, 1000, 5, 0);
    int64_t due_ms = items[0].due_ms;
    item = schedule_take(&schedule, due_ms, &late_ms);
    ck_assert_ptr_nonnull(item);
    for (int64_t now_ms = due_ms; now_ms < due_ms + 3500; now_ms += 100)
        ck_assert_ptr_null(schedule_take(&schedule, now_ms, &late_ms));
    ck_assert_int_eq(schedule_wait_ms(&schedule, due_ms + 3500), -1);
    schedule_finish(&schedule, item, due_ms + 3500, false);
    ck_assert_int_eq(items[0].due_ms, due_ms + 4000); /* the missed beats are not made up */
    tear_down();
}
END_TEST

START_TEST(contradicted_check_comes_back_sooner)
{
    struct schedule_item *item;
    int64_t late_ms;
    set_up_items(1, 10000, 1, 0);
    int64_t due_ms = items[0].due_ms;
    item = schedule_take(&schedule, due_ms, &late_ms);
    schedule_finish(&schedule, item, due_ms + 30, true);
    ck_assert_int_eq(items[0].due_ms, due_ms + 530);
    item = schedule_take(&schedule, due_ms + 530, &late_ms);
    schedule_finish(&schedule, item, due_ms + 560, false);
    ck_assert_int_eq(items[0].due_ms, due_ms + 10000); /* back to its beat */
    item = schedule_take(&schedule, due_ms + 10000, &late_ms);
    schedule_finish(&schedule, item, due_ms + 19800, true); /* the beat is nearer than the retry */
    ck_assert_int_eq(items[0].due_ms, due_ms + 20000);
    tear_down();
}
END_TEST

START_TEST(cap_holds_and_the_queue_is_fair)
{
    struct schedule_item *running[3];
    int64_t late_ms;
    size_t order[30] = {0};
    set_up_items(30, 1000, 3, 0);
    for (int i = 0; i < 3; i++) {
        int64_t now_ms = 0;
        while ((running[i] = schedule_take(&schedule, now_ms, &late_ms)) == NULL)
            now_ms++;
    }
    ck_assert_ptr_null(schedule_take(&schedule, 1000, &late_ms));
    ck_assert_uint_eq(schedule.running, 3);
    /* everything else is due; one at a time ends, each of the others gets exactly one turn */
    for (int turn = 0; turn < 27; turn++) {
        schedule_finish(&schedule, running[turn % 3], 1000, false);
        running[turn % 3] = schedule_take(&schedule, 1000, &late_ms);
        ck_assert_ptr_nonnull(running[turn % 3]);
        order[running[turn % 3] - items]++;
        ck_assert_uint_eq(schedule.running, 3);
    }
    for (int i = 0; i < 30; i++)
        ck_assert_uint_le(order[i], 1);
    tear_down();
}
END_TEST

START_TEST(reload_keeps_the_phases)
{
    int64_t late_ms;
    set_up_items(100, 10000, 10, 0);
    int64_t before_ms[100];
    for (size_t i = 0; i < 100; i++)
        before_ms[i] = items[i].due_ms;
    for (size_t i = 0; i < 100; i++)
        schedule_set_pace(&schedule, &items[i], 10000, 300, false, 1);
    for (size_t i = 0; i < 100; i++) {
        ck_assert_int_eq(items[i].due_ms, before_ms[i]);
        ck_assert_int_eq(items[i].retry_ms, 300);
    }
    schedule_set_pace(&schedule, &items[7], 1000, 300, false, 1);
    ck_assert_int_le(items[7].due_ms, 1001);
    /* remove: from the heap, from the queue, while running */
    schedule.running_max = 1;
    struct schedule_item *item = schedule_take(&schedule, 990, &late_ms);
    ck_assert_ptr_nonnull(item);
    schedule_remove(&schedule, item);
    ck_assert_uint_eq(schedule.running, 0);
    size_t left = 99;
    for (size_t i = 0; i < 100; i++) {
        if (items[i].place == PLACE_NOWHERE)
            continue;
        schedule_remove(&schedule, &items[i]);
        left--;
        ck_assert_uint_eq(schedule.heap_size + schedule.queued, left);
    }
    ck_assert_int_eq(schedule_wait_ms(&schedule, 5000), -1);
    tear_down();
}
END_TEST

/* Random adds, removes, runs: the heap always gives the earliest, nothing is lost. */
START_TEST(random_use_keeps_order)
{
    uint64_t random = 42;
    int64_t late_ms, now_ms = 0;
    size_t running = 0;
    set_up_items(200, 700, 20, 0);
    for (int step = 0; step < 100000; step++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        struct schedule_item *item = &items[(random >> 33) % 200];
        if (item->place == PLACE_RUNNING) {
            schedule_finish(&schedule, item, now_ms, (random >> 20) & 1);
            running--;
        } else if ((random >> 40) % 50 == 0) {
            schedule_remove(&schedule, item);
            schedule_add(&schedule, item, item->hash, 700 + (int64_t)((random >> 10) % 5), 100,
                         now_ms);
        }
        now_ms += (int64_t)((random >> 50) & 3);
        item = schedule_take(&schedule, now_ms, &late_ms);
        running += item != NULL;
        ck_assert_uint_eq(schedule.running, running);
        ck_assert_uint_eq(schedule.heap_size + schedule.queued + running, 200);
        for (size_t i = 1; i < schedule.heap_size && step % 100 == 0; i++)
            ck_assert_int_le(schedule.heap[(i - 1) / 2]->due_ms, schedule.heap[i]->due_ms);
    }
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tests = tcase_create("virtual time");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, ten_thousand_checks_spread_evenly);
    tcase_add_test(tests, slow_checks_start_within_ten_seconds_without_a_burst);
    tcase_add_test(tests, phases_survive_a_restart);
    tcase_add_test(tests, nothing_bursts_after_a_pause);
    tcase_add_test(tests, slow_checks_run_soon_after_a_pause);
    tcase_add_test(tests, short_hiccup_loses_nothing);
    tcase_add_test(tests, check_never_overlaps_itself);
    tcase_add_test(tests, contradicted_check_comes_back_sooner);
    tcase_add_test(tests, cap_holds_and_the_queue_is_fair);
    tcase_add_test(tests, reload_keeps_the_phases);
    tcase_add_test(tests, random_use_keeps_order);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
