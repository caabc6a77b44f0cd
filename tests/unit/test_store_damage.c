/* What the store finds damaged is named, and what a crash leaves behind is not called damage. */
#include "tests/unit/store_fixture.h"

#include <fcntl.h>

START_TEST(names_damage)
{
    static const struct {
        const char *sql;
        const char *said;
    } cases[] = {
        {"UPDATE log SET bytes = CAST('entrY 17' AS BLOB) WHERE idx = 17", "entry 17 in"},
        {"UPDATE log SET bytes = CAST('entry 7' AS BLOB) WHERE idx = 17", "entry 17 in"},
        {"UPDATE log SET term = 3 WHERE idx = 17", "entry 17 in"},
        {"UPDATE log SET kind = 1 WHERE idx = 17", "entry 17 in"},
        {"UPDATE log SET checksum = checksum + 1 WHERE idx = 1", "entry 1 in"},
        {"DELETE FROM log WHERE idx = 12", "entry 12 is missing"},
        {"DELETE FROM log WHERE idx <= 10", "entry 10 is missing"},
        {"UPDATE meta SET value = 2 WHERE name = 'term'", "the hard state in"},
        {"UPDATE meta SET value = 5 WHERE name = 'voted_for'", "the hard state in"},
        {"UPDATE meta SET value = 2 WHERE name = 'term'; "
         "UPDATE meta SET value = 0 WHERE name = 'checksum'",
         "above the hard state's 2"},
        {"DELETE FROM log WHERE idx >= 9", "entry 9 is missing"},
        {"DELETE FROM meta WHERE name = 'term'", "no hard state"},
        {"DELETE FROM meta WHERE name = 'format'", "does not say its format"},
        {"DROP TABLE journal", "no table 'journal'"},
        {"DROP TABLE meta", "no table 'meta'"},
        {"ALTER TABLE log ADD COLUMN more", "the table 'log'"},
        {"UPDATE snapshot SET bytes = CAST('thE state' AS BLOB)", "the snapshot at entry 9"},
        {"UPDATE snapshot SET idx = 22", "the snapshot at entry 22"},
    };
    struct store_snapshot snapshot = {.index = 9, .term = 3, .bytes = "the state", .size = 9};
    fill_and_close();
    struct store *store = open_in(dir);
    ck_assert_int_eq(write_it(store, &(struct store_write){.snapshot = &snapshot}), 0);
    store_close(store);
    change_file(cases[_i].sql);
    expect_refusal(dir, ERR_CORRUPT, cases[_i].said, "/log.db");
    ck_assert_ptr_nonnull(strstr(e.text, "nothing was changed"));
    /* Said again: nothing was repaired. */
    expect_refusal(dir, ERR_CORRUPT, cases[_i].said, "/log.db");
}
END_TEST

START_TEST(names_a_flipped_bit_on_disk)
{
    char byte = 0;
    static char bytes[1 << 20];
    fill_and_close();
    int fd = open(file_in(dir, "log.db"), O_RDWR);
    ssize_t size = read(fd, bytes, sizeof(bytes));
    char *at = memmem(bytes, (size_t)size, "entry 13", 8);
    ck_assert_ptr_nonnull(at);
    byte = (char)(*at ^ 0x10);
    ck_assert_int_eq(pwrite(fd, &byte, 1, at - bytes), 1);
    close(fd);
    expect_refusal(dir, ERR_CORRUPT, "entry 13 in", "nothing was changed");
}
END_TEST

START_TEST(finds_damage_that_comes_later)
{
    uint64_t next = 1;
    fill_and_close();
    struct store *store = open_in(dir);
    change_file("UPDATE log SET bytes = CAST('entry 0' AS BLOB) WHERE idx = 6");
    ck_assert_int_eq(store_read(store, 1, 20, on_entry, &next, &e), ERR_CORRUPT);
    ck_assert_uint_eq(next, 6);
    ck_assert_ptr_nonnull(strstr(e.text, "entry 6 in"));
    store_close(store);
}
END_TEST

START_TEST(misses_the_end_of_the_log)
{
    uint64_t next = 1;
    fill_and_close();
    struct store *store = open_in(dir);
    change_file("DELETE FROM log WHERE idx > 18");
    ck_assert_int_eq(store_read(store, 1, 18, on_entry, &next, &e), 0);
    next = 1;
    ck_assert_int_eq(store_read(store, 1, 1000, on_entry, &next, &e), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(e.text, "entry 19 is missing"));
    store_close(store);
}
END_TEST

START_TEST(does_not_go_on_behind_damage)
{
    struct store_write write = {.truncate_from = 7, .term = 8};
    fill_and_close();
    struct store *store = open_in(dir);
    change_file("UPDATE log SET term = 99 WHERE idx = 6");
    ck_assert_int_eq(write_it(store, &write), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(e.text, "entry 6 in"));
    ck_assert_uint_eq(store_state(store)->last_index, 20);
    write.truncate_from = 6;
    ck_assert_int_eq(write_it(store, &write), 0);
    expect_log(store, 1, 5);
    store_close(store);
    store = open_in(dir);
    expect_log(store, 1, 5);
    store_close(store);
}
END_TEST

START_TEST(refuses_a_truncated_file)
{
    struct stat st;
    fill_and_close();
    ck_assert_int_eq(stat(file_in(dir, "log.db"), &st), 0);
    ck_assert_int_eq(truncate(file_in(dir, "log.db"), st.st_size / 2 + 100), 0);
    expect_refusal(dir, ERR_CORRUPT, "damaged", "/log.db");
    ck_assert_int_eq(truncate(file_in(dir, "log.db"), 100), 0);
    expect_refusal(dir, ERR_CORRUPT, "damaged", "/log.db");
    ck_assert_int_eq(truncate(file_in(dir, "log.db"), 0), 0);
    expect_refusal(dir, ERR_CORRUPT, "is empty", "/log.db");
}
END_TEST

START_TEST(refuses_a_broken_structure)
{
    enum { FREE_PAGES_AT = 36 }; /* in the header of an SQLite file, big-endian */
    static const unsigned char wrong[4] = {0, 0, 0, 9};
    fill_and_close();
    int fd = open(file_in(dir, "log.db"), O_RDWR);
    ck_assert_int_eq(pwrite(fd, wrong, sizeof(wrong), FREE_PAGES_AT), sizeof(wrong));
    close(fd);
    expect_refusal(dir, ERR_CORRUPT, "/log.db is damaged", "nothing was changed");
}
END_TEST

START_TEST(refuses_a_write_ahead_log_without_its_file)
{
    struct store *store = open_in(dir);
    append(store, 1, 10, 3);
    ck_assert_int_eq(mkdir(copy, 0750), 0);
    copy_file("log.db-wal");
    expect_refusal(copy, ERR_CORRUPT, "log.db is missing", "log.db-wal");
    store_close(store);
}
END_TEST

START_TEST(refuses_what_is_no_database)
{
    FILE *file = fopen(file_in(dir, "log.db"), "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    expect_refusal(dir, ERR_CORRUPT, "log.db", "damaged");
}
END_TEST

/* ---- repair */

static const struct store_snapshot at_nine = {
    .index = 9, .term = 3, .bytes = "the state", .size = 9};

static void fill_with_others(void)
{
    fill_and_close();
    struct store *store = open_in(dir);
    struct store_write write = {
        .snapshot = &at_nine, .term = 6, .voted_for = 2, .voters = 3, .compact_to = 4};
    ck_assert_int_eq(write_it(store, &write), 0);
    store_close(store);
}

static void repair_says(const char *part)
{
    struct errbuf said = {""};
    int err = store_repair(dir, 7, &said, &e);
    ck_assert_msg(err == 0, "store_repair: %s", e.text);
    ck_assert_msg(strstr(said.text, part) != NULL, "'%s' is not in: %s", part, said.text);
}

static void repair_refuses(const char *part)
{
    struct errbuf said = {""};
    ck_assert_int_eq(store_repair(dir, 7, &said, &e), ERR_CORRUPT);
    ck_assert_msg(strstr(e.text, part) != NULL, "'%s' is not in: %s", part, e.text);
}

static const char damage_17[] = "UPDATE log SET bytes = CAST('entrY 17' AS BLOB) WHERE idx = 17";

START_TEST(does_without_damaged_entries)
{
    fill_with_others();
    change_file(damage_17);
    repair_says("an entry is damaged in");
    struct store *store = open_in(dir);
    expect_log(store, 5, 16);
    const struct store_state *state = store_state(store);
    ck_assert_uint_eq(state->lost_index, 20);
    ck_assert_uint_eq(state->lost_term, 4);
    ck_assert_uint_eq(state->term, 6);
    ck_assert_uint_eq(state->voted_for, 2);
    ck_assert_uint_eq(state->voters, 3);
    ck_assert(!state->joins);
    /* It is remembered until the log reaches as far. */
    append(store, 17, 19, 4);
    store_close(store);
    store = open_in(dir);
    ck_assert_uint_eq(store_state(store)->lost_index, 20);
    append(store, 20, 20, 4);
    ck_assert_uint_eq(store_state(store)->lost_index, 0);
    store_close(store);
    store = open_in(dir);
    expect_log(store, 5, 20);
    ck_assert_uint_eq(store_state(store)->lost_index, 0);
    store_close(store);
    ck_assert_int_eq(access(file_in(dir, "log.db.damaged"), F_OK), 0);
}
END_TEST

START_TEST(a_newer_term_replaces_what_was_lost)
{
    fill_with_others();
    change_file(damage_17);
    repair_says("an entry");
    struct store *store = open_in(dir);
    append(store, 17, 17, 6);
    ck_assert_uint_eq(store_state(store)->lost_index, 0);
    store_close(store);
}
END_TEST

START_TEST(does_without_a_damaged_snapshot)
{
    fill_with_others();
    change_file("UPDATE snapshot SET bytes = CAST('thE state' AS BLOB)");
    repair_says("the snapshot is damaged in");
    struct store *store = open_in(dir);
    expect_log(store, 1, 0);
    ck_assert_uint_eq(store_state(store)->snapshot_index, 0);
    ck_assert_uint_eq(store_state(store)->lost_index, 20);
    ck_assert_uint_eq(store_state(store)->lost_term, 4);
    ck_assert(store_state(store)->joins); /* it founds no cluster of its own */
    store_close(store);
}
END_TEST

/* Also where there is nobody else. */
START_TEST(does_without_what_the_snapshot_has)
{
    fill_and_close();
    struct store *store = open_in(dir);
    ck_assert_int_eq(write_it(store, &(struct store_write){.snapshot = &at_nine}), 0);
    store_close(store);
    change_file("UPDATE log SET term = 2 WHERE idx = 7");
    repair_says("that its snapshot has, too");
    store = open_in(dir);
    expect_log(store, 10, 20);
    ck_assert_uint_eq(store_state(store)->lost_index, 0);
    store_close(store);
}
END_TEST

START_TEST(remembers_the_greater_of_two_losses)
{
    fill_with_others();
    change_file(damage_17);
    repair_says("an entry");
    change_file("UPDATE log SET checksum = 1 WHERE idx = 14");
    repair_says("an entry");
    struct store *store = open_in(dir);
    expect_log(store, 5, 13);
    ck_assert_uint_eq(store_state(store)->lost_index, 20);
    store_close(store);
}
END_TEST

START_TEST(repairs_nothing_that_it_does_not_understand)
{
    static const struct {
        const char *sql;
        const char *said;
    } cases[] = {
        {"UPDATE log SET checksum = 1 WHERE idx = 20", "entry 20 in"}, /* how far did it go? */
        {"DELETE FROM log; UPDATE snapshot SET checksum = 1", "how far its log went"},
        {"UPDATE meta SET value = 3 WHERE name = 'voted_for'", "the hard state in"},
        {"UPDATE log SET checksum = 1 WHERE idx = 17; UPDATE meta SET value = 2 WHERE name = "
         "'voters'",
         "the hard state in"},
    };
    fill_with_others();
    change_file(cases[_i].sql);
    repair_refuses(cases[_i].said);
}
END_TEST

START_TEST(repairs_nothing_that_others_do_not_have)
{
    fill_and_close();
    change_file(damage_17);
    repair_refuses("no other controller has");
    expect_refusal(dir, ERR_CORRUPT, "entry 17 in", "nothing was changed");
}
END_TEST

/* ---- the write-ahead log */

enum { WAL_HEADER = 32, FRAME_HEADER = 24, FRAME = FRAME_HEADER + 4096, COMMITS = 12 };

static void change_wal(off_t offset, const void *bytes, size_t size)
{
    int fd = open(file_in(copy, "log.db-wal"), O_RDWR);
    ck_assert_int_eq(pwrite(fd, bytes, size, offset), (ssize_t)size);
    close(fd);
}

static void flip_wal(off_t offset)
{
    unsigned char byte = 0;
    int fd = open(file_in(copy, "log.db-wal"), O_RDWR);
    ck_assert_int_eq(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x20;
    ck_assert_int_eq(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static off_t frame_at(int number)
{
    return WAL_HEADER + (off_t)number * FRAME;
}

/* A crash after so many commits of one entry each. Returns the frames that are in use. */
static int crash_after_commits(void)
{
    unsigned char header[FRAME_HEADER];
    int count = 0;
    remove_dir(dir);
    ck_assert_int_eq(mkdir(dir, 0750), 0);
    struct store *store = open_in(dir);
    for (uint64_t i = 1; i <= COMMITS; i++)
        append(store, i, i, 3);
    copy_after_crash();
    store_close(store);
    int fd = open(file_in(copy, "log.db-wal"), O_RDONLY);
    while (pread(fd, header, sizeof(header), frame_at(count)) == FRAME_HEADER && header[3] != 0)
        count++;
    close(fd);
    ck_assert_int_ge(count, COMMITS);
    return count;
}

static void expect_opens_with(uint64_t last)
{
    struct store *store = open_in(copy);
    expect_log(store, 1, last);
    store_close(store);
}

START_TEST(has_a_write_ahead_log_of_full_size)
{
    struct stat before, after;
    struct store *store = open_in(dir);
    ck_assert_int_eq(stat(file_in(dir, "log.db-wal"), &before), 0);
    for (uint64_t i = 1; i <= 300; i++)
        append(store, i, i, 3);
    ck_assert_int_eq(stat(file_in(dir, "log.db-wal"), &after), 0);
    ck_assert_int_gt(before.st_size, frame_at(1024));
    ck_assert_int_eq(before.st_size, after.st_size);
    store_close(store);
}
END_TEST

START_TEST(opens_what_a_crash_left)
{
    crash_after_commits();
    expect_opens_with(COMMITS);
}
END_TEST

START_TEST(names_damage_before_durable_commits)
{
    static const struct {
        off_t offset; /* in the frame */
        size_t zeros; /* 0: one bit */
    } cases[] = {
        {FRAME_HEADER + 4090, 0},
        {3, 0},
        {9, 0},
        {14, 0},
        {17, 0},
        {23, 0},
        {0, 24},
        {512, 4096},
        {16, 8},
        {0, FRAME},
        {8, 8},
        {FRAME - 1, 0},
    };
    static const char zeros[FRAME];
    char said[64];
    for (int number = 0; number < 6; number++) {
        int frames = crash_after_commits();
        int at = number * (frames - 4) / 6;
        off_t offset = frame_at(at) + cases[_i].offset;
        if (cases[_i].zeros == 0)
            flip_wal(offset);
        else
            change_wal(offset, zeros, cases[_i].zeros);
        snprintf(said, sizeof(said), "log.db-wal is damaged at byte %ld", (long)frame_at(at));
        if (cases[_i].offset == 512) /* goes on into the next frame, which is damaged, too */
            expect_refusal(copy, ERR_CORRUPT, "log.db-wal is damaged", "nothing was changed");
        else
            expect_refusal(copy, ERR_CORRUPT, said, "nothing was changed");
    }
}
END_TEST

START_TEST(names_a_damaged_beginning)
{
    static const char zeros[WAL_HEADER];
    for (off_t at = 0; at < WAL_HEADER; at++) {
        crash_after_commits();
        flip_wal(at);
        if (at >= 4 && at < 8)
            continue; /* the version is SQLite's affair */
        expect_refusal(copy, ERR_CORRUPT, "the beginning of", "nothing was changed");
    }
    crash_after_commits();
    change_wal(0, zeros, sizeof(zeros));
    expect_refusal(copy, ERR_CORRUPT, "the beginning of", "nothing was changed");
}
END_TEST

START_TEST(takes_a_torn_last_commit_for_what_it_is)
{
    for (int size = 0; size < FRAME; size += 411) {
        int frames = crash_after_commits();
        ck_assert_int_eq(truncate(file_in(copy, "log.db-wal"), frame_at(frames - 1) + size), 0);
        expect_opens_with(COMMITS - 1);
    }
    int frames = crash_after_commits();
    flip_wal(frame_at(frames - 1) + 1000);
    expect_opens_with(COMMITS - 1);
}
END_TEST

/* Commits that failed, each time at a disk's error, and a smaller one after them that did not. */
START_TEST(takes_what_failed_commits_left_for_what_it_is)
{
    int frames = crash_after_commits();
    for (int number = frames - 4; number < frames; number++)
        flip_wal(frame_at(number) + 1000);
    struct store *store = open_in(copy);
    ck_assert_uint_ge(store_state(store)->last_index, COMMITS - 4);
    ck_assert_uint_lt(store_state(store)->last_index, COMMITS);
    store_close(store);
}
END_TEST

static Suite *store_damage_suite(void)
{
    Suite *suite = suite_create("store_damage");
    TCase *tc = tcase_create("store_damage");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, names_damage, 0, 18);
    tcase_add_test(tc, names_a_flipped_bit_on_disk);
    tcase_add_test(tc, finds_damage_that_comes_later);
    tcase_add_test(tc, misses_the_end_of_the_log);
    tcase_add_test(tc, does_not_go_on_behind_damage);
    tcase_add_test(tc, refuses_a_truncated_file);
    tcase_add_test(tc, refuses_a_broken_structure);
    tcase_add_test(tc, refuses_a_write_ahead_log_without_its_file);
    tcase_add_test(tc, refuses_what_is_no_database);
    tcase_add_test(tc, does_without_damaged_entries);
    tcase_add_test(tc, a_newer_term_replaces_what_was_lost);
    tcase_add_test(tc, does_without_a_damaged_snapshot);
    tcase_add_test(tc, does_without_what_the_snapshot_has);
    tcase_add_test(tc, remembers_the_greater_of_two_losses);
    tcase_add_loop_test(tc, repairs_nothing_that_it_does_not_understand, 0, 4);
    tcase_add_test(tc, repairs_nothing_that_others_do_not_have);
    tcase_add_test(tc, has_a_write_ahead_log_of_full_size);
    tcase_add_test(tc, opens_what_a_crash_left);
    tcase_add_loop_test(tc, names_damage_before_durable_commits, 0, 12);
    tcase_add_test(tc, names_a_damaged_beginning);
    tcase_add_test(tc, takes_a_torn_last_commit_for_what_it_is);
    tcase_add_test(tc, takes_what_failed_commits_left_for_what_it_is);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    umask(077);
    SRunner *runner = srunner_create(store_damage_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
