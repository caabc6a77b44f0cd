/* The store on real files: what is written is found again, a failed round leaves nothing behind. */
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

START_TEST(creates_and_finds_again)
{
    struct stat st;
    umask(0); /* the modes must not depend on it */
    struct store *store = open_in(dir);
    expect_log(store, 1, 0);
    ck_assert_uint_eq(store_state(store)->term, 0);
    append(store, 1, 10, 3);
    ck_assert_int_eq(stat(file_in(dir, "log.db"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(stat(file_in(dir, "log.db-wal"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    store_close(store);
    store = open_in(dir);
    expect_log(store, 1, 10);
    ck_assert_uint_eq(store_state(store)->term, 3);
    ck_assert_uint_eq(store_state(store)->last_term, 3);
    append(store, 11, 20, 4);
    struct store *after = open_after_crash();
    expect_log(after, 1, 20);
    store_close(after);
    store_close(store);
}
END_TEST

START_TEST(keeps_hard_state)
{
    struct store *store = open_in(dir);
    ck_assert_int_eq(write_it(store, &(struct store_write){.term = 5, .voted_for = 2}), 0);
    struct store *after = open_after_crash();
    ck_assert_uint_eq(store_state(after)->term, 5);
    ck_assert_uint_eq(store_state(after)->voted_for, 2);
    store_close(after);
    store_close(store);
}
END_TEST

START_TEST(takes_empty_and_large_entries)
{
    size_t size = 5 << 20;
    char *bytes = calloc(1, size);
    ck_assert_ptr_nonnull(bytes);
    struct store *store = open_in(dir);
    struct store_entry entries[2] = {
        {.index = 1, .term = 1, .kind = STORE_KIND_NOOP},
        {.index = 2, .term = 1, .kind = STORE_KIND_DATA, .bytes = bytes, .size = size}};
    struct store_write write = {.entries = entries, .entry_count = 2, .term = 1};
    ck_assert_int_eq(write_it(store, &write), 0);
    store_close(store);
    store = open_in(dir);
    ck_assert_uint_eq(store_state(store)->last_index, 2);
    ck_assert_uint_eq(store_state(store)->log_size_bytes, size);
    store_close(store);
    free(bytes);
}
END_TEST

START_TEST(truncates_a_suffix)
{
    uint64_t term = 0;
    struct store *store = open_in(dir);
    append(store, 1, 10, 3);
    append(store, 11, 20, 4);
    ck_assert_int_eq(write_it(store, &(struct store_write){.truncate_from = 9}), 0);
    expect_log(store, 1, 8);
    ck_assert_uint_eq(store_state(store)->last_term, 3);
    /* Replacing entries is one round as well. */
    ck_assert_int_eq(append_and(store, 5, 6, 5, (struct store_write){.truncate_from = 5}), 0);
    expect_log(store, 1, 6);
    ck_assert_int_eq(store_term_of(store, 5, &term, &e), 0);
    ck_assert_uint_eq(term, 5);
    ck_assert_int_eq(store_term_of(store, 7, &term, &e), ERR_NOT_FOUND);
    store_close(store);
    store = open_in(dir);
    expect_log(store, 1, 6);
    ck_assert_uint_eq(store_state(store)->last_term, 5);
    ck_assert_int_eq(write_it(store, &(struct store_write){.truncate_from = 1}), 0);
    expect_log(store, 1, 0);
    ck_assert_uint_eq(store_state(store)->last_term, 0);
    store_close(store);
}
END_TEST

START_TEST(keeps_a_snapshot_and_compacts)
{
    struct store_snapshot given = {.index = 15, .term = 4, .bytes = "the state", .size = 9};
    struct store_snapshot found;
    fill_and_close();
    struct store *store = open_in(dir);
    struct store_write write = {.snapshot = &given, .compact_to = 12};
    ck_assert_int_eq(write_it(store, &write), 0);
    expect_log(store, 13, 20);
    store_close(store);
    store = open_in(dir);
    expect_log(store, 13, 20);
    ck_assert_uint_eq(store_state(store)->snapshot_index, 15);
    ck_assert_uint_eq(store_state(store)->snapshot_term, 4);
    ck_assert_int_eq(store_snapshot_read(store, &found, &e), 0);
    ck_assert_uint_eq(found.index, 15);
    ck_assert_uint_eq(found.size, 9);
    ck_assert_mem_eq(found.bytes, "the state", 9);
    free((void *)found.bytes);
    given.index = 20;
    write.compact_to = 20;
    ck_assert_int_eq(write_it(store, &write), 0);
    expect_log(store, 21, 20);
    store_close(store);
    store = open_in(dir);
    expect_log(store, 21, 20);
    append(store, 21, 22, 5);
    expect_log(store, 21, 22);
    store_close(store);
}
END_TEST

START_TEST(installs_a_snapshot_in_place_of_the_log)
{
    struct store_snapshot given = {.index = 100, .term = 6, .bytes = "far on", .size = 6};
    fill_and_close();
    struct store *store = open_in(dir);
    struct store_write write = {.truncate_from = 1, .snapshot = &given, .term = 6};
    ck_assert_int_eq(append_and(store, 101, 103, 6, write), 0);
    expect_log(store, 101, 103);
    struct store *after = open_after_crash();
    expect_log(after, 101, 103);
    ck_assert_uint_eq(store_state(after)->snapshot_index, 100);
    store_close(after);
    store_close(store);
}
END_TEST

START_TEST(begins_anew_after_a_creation_that_did_not_end)
{
    FILE *file = fopen(file_in(dir, "log.db.new"), "w");
    fputs("half a file", file);
    fclose(file);
    store_close(open_in(dir));
    ck_assert_int_ne(access(file_in(dir, "log.db.new"), F_OK), 0);
}
END_TEST

START_TEST(refuses_a_newer_format)
{
    fill_and_close();
    change_file("UPDATE meta SET value = 2 WHERE name = 'format'; DROP TABLE journal");
    expect_refusal(dir, ERR_UNSUPPORTED, "format 2, written by a newer version", "/log.db");
}
END_TEST

START_TEST(refuses_the_directory_of_another_controller)
{
    struct store *store = NULL;
    fill_and_close();
    ck_assert_int_eq(store_open(dir, 8, false, &store, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "belongs to controller 7, this is controller 8"));
}
END_TEST

START_TEST(is_locked_for_life)
{
    char pid[32];
    snprintf(pid, sizeof(pid), "by process %d", (int)getpid());
    struct store *store = open_in(dir);
    expect_refusal(dir, ERR_AGAIN, "/LOCK is locked", pid);
    store_close(store);
    store_close(open_in(dir));
}
END_TEST

START_TEST(refuses_a_directory_that_is_not_there)
{
    expect_refusal(P_tmpdir "/ephor-there-is-none", ERR_NOT_FOUND, "no directory", "0750");
}
END_TEST

static void expect_denied_as_nobody(const char *part)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct store *store = NULL;
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
            _exit(2);
        if (store_open(dir, 7, false, &store, &e) != ERR_DENIED || strstr(e.text, part) == NULL) {
            fprintf(stderr, "got: %s\n", e.text);
            _exit(1);
        }
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(refuses_what_it_may_not_write)
{
    ck_assert_int_eq(chmod(dir, 0555), 0);
    expect_denied_as_nobody("/LOCK");
    ck_assert_int_eq(chmod(dir, 0777), 0);
    fill_and_close();
    ck_assert_int_eq(chmod(file_in(dir, "LOCK"), 0666), 0);
    ck_assert_int_eq(chmod(file_in(dir, "log.db"), 0444), 0);
    expect_denied_as_nobody("can only be read");
}
END_TEST

static void on_row(void *data, const struct journal_row *row)
{
    char *text = data;
    size_t size = strlen(text);
    snprintf(text + size, 1024 - size, "%lu.%u %s %s %s;", (unsigned long)row->index, row->line,
             row->event, row->object, row->text);
}

START_TEST(keeps_the_journal)
{
    char text[1024] = "";
    struct journal_row rows[3] = {{3, 0, 1, 99, 2, "a", "web", "one"},
                                  {3, 1, 1, 99, 2, "b", "web", "two"},
                                  {4, 0, 1, 99, 2, "c", "web", "three"}};
    struct store *store = open_in(dir);
    ck_assert_int_eq(write_it(store, &(struct store_write){.rows = rows, .row_count = 3}), 0);
    rows[0].text = "another text for the same place";
    ck_assert_int_eq(write_it(store, &(struct store_write){.rows = rows, .row_count = 1}), 0);
    ck_assert_int_eq(store_journal_read(store, 10, on_row, text, &e), 0);
    ck_assert_str_eq(text, "3.0 a web one;3.1 b web two;4.0 c web three;");
    text[0] = '\0';
    ck_assert_int_eq(store_journal_read(store, 2, on_row, text, &e), 0);
    ck_assert_str_eq(text, "3.1 b web two;4.0 c web three;");
    store_close(store);
}
END_TEST

static void on_row_count(void *data, const struct journal_row *row)
{
    uint64_t *seen = data;
    if (seen[0]++ == 0)
        seen[1] = row->index;
}

START_TEST(trims_the_journal)
{
    enum { PART = 1000 };
    static struct journal_row rows[PART];
    uint64_t seen[2] = {0, 0};
    struct store *store = open_in(dir);
    for (uint64_t i = 0; i < STORE_JOURNAL_MAX + 2 * PART; i += PART) {
        for (uint64_t k = 0; k < PART; k++)
            rows[k] =
                (struct journal_row){.index = i + k, .event = "e", .object = "o", .text = "t"};
        ck_assert_int_eq(write_it(store, &(struct store_write){.rows = rows, .row_count = PART}),
                         0);
        if (i == PART) { /* the count is taken up again after a restart */
            store_close(store);
            store = open_in(dir);
        }
    }
    ck_assert_int_eq(store_journal_read(store, 2 * STORE_JOURNAL_MAX, on_row_count, seen, &e), 0);
    ck_assert_uint_eq(seen[0], STORE_JOURNAL_MAX);
    ck_assert_uint_eq(seen[1], 2 * PART);
    store_close(store);
}
END_TEST

START_TEST(rolls_back_what_cannot_be_written)
{
    static const enum disk_fault faults[] = {DISK_WRITE_EIO, DISK_WRITE_ENOSPC};
    static const int errs[] = {ERR_IO, ERR_NO_SPACE};
    struct store *store = open_in(dir);
    append(store, 1, 10, 3);
    disk_fault_set(faults[_i]);
    ck_assert_int_eq(append_and(store, 11, 20, 4, (struct store_write){0}), errs[_i]);
    ck_assert_ptr_nonnull(strstr(e.text, file_in(dir, "log.db")));
    ck_assert_int_gt(disk_fault_count(), 0);
    expect_log(store, 1, 10);
    struct store *after = open_after_crash();
    expect_log(after, 1, 10);
    ck_assert_uint_eq(store_state(after)->term, 3);
    store_close(after);
    disk_fault_set(DISK_WORKS);
    append(store, 11, 12, 4);
    store_close(store);
    store = open_in(dir);
    expect_log(store, 1, 12);
    store_close(store);
}
END_TEST

START_TEST(settles_a_failed_sync)
{
    struct store *store = open_in(dir);
    append(store, 1, 10, 3);
    disk_fault_set(DISK_SYNC_EIO_ONCE);
    ck_assert_int_eq(append_and(store, 11, 20, 4, (struct store_write){0}), ERR_IO);
    ck_assert_int_eq(disk_fault_count(), 1);
    struct store *after = open_after_crash();
    expect_log(after, 1, 10);
    store_close(after);
    store_close(store);
}
END_TEST

START_TEST(says_when_the_outcome_is_unknown)
{
    bool is_unknown = false;
    struct store_entry entry = {
        .index = 11, .term = 4, .kind = STORE_KIND_DATA, .bytes = "lost", .size = 4};
    struct store_write write = {.entries = &entry, .entry_count = 1, .term = 4};
    struct store *store = open_in(dir);
    append(store, 1, 10, 3);
    disk_fault_set(DISK_SYNC_EIO);
    ck_assert_int_eq(store_write(store, &write, &is_unknown, &e), ERR_IO);
    ck_assert(is_unknown);
    expect_log(store, 1, 10);
    /* For this kernel the round is overwritten; what the disk has is known after a sync only. */
    disk_fault_set(DISK_WORKS);
    struct store *after = open_after_crash();
    expect_log(after, 1, 10);
    store_close(after);
    append(store, 11, 12, 5);
    after = open_after_crash();
    expect_log(after, 1, 12);
    store_close(after);
    store_close(store);
}
END_TEST

static Suite *store_suite(void)
{
    Suite *suite = suite_create("store");
    TCase *tc = tcase_create("store");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, creates_and_finds_again);
    tcase_add_test(tc, keeps_hard_state);
    tcase_add_test(tc, takes_empty_and_large_entries);
    tcase_add_test(tc, truncates_a_suffix);
    tcase_add_test(tc, keeps_a_snapshot_and_compacts);
    tcase_add_test(tc, installs_a_snapshot_in_place_of_the_log);
    tcase_add_test(tc, begins_anew_after_a_creation_that_did_not_end);
    tcase_add_test(tc, refuses_a_newer_format);
    tcase_add_test(tc, refuses_the_directory_of_another_controller);
    tcase_add_test(tc, is_locked_for_life);
    tcase_add_test(tc, refuses_a_directory_that_is_not_there);
    tcase_add_test(tc, refuses_what_it_may_not_write);
    tcase_add_test(tc, keeps_the_journal);
    tcase_add_test(tc, trims_the_journal);
    tcase_add_loop_test(tc, rolls_back_what_cannot_be_written, 0, 2);
    tcase_add_test(tc, settles_a_failed_sync);
    tcase_add_test(tc, says_when_the_outcome_is_unknown);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    umask(077);
    SRunner *runner = srunner_create(store_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
