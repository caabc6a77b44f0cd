/* The results table: a reader never sees half of a write, other versions are refused. */
#include "orchestrator/sys/results.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int fd;
static struct results *writer;
static struct results *reader;

static void set_up(void)
{
    fd = results_create();
    ck_assert_int_ge(fd, 0);
    writer = results_open(fd, true);
    reader = results_open(fd, false);
    ck_assert_ptr_nonnull(writer);
    ck_assert_ptr_nonnull(reader);
}

static void tear_down(void)
{
    results_close(writer);
    results_close(reader);
    close(fd);
}

START_TEST(what_is_written_is_read)
{
    struct result in = {.policy_index = 7, .state = 2, .reason = "timeout", .output = "bad"};
    struct result out;
    results_write(writer, 0, &in);
    in.state = 1;
    results_write(writer, RESULTS_SLOTS_MAX - 1, &in);
    ck_assert(results_read(reader, 0, &out));
    ck_assert_uint_eq(out.policy_index, 7);
    ck_assert_uint_eq(out.state, 2);
    ck_assert_str_eq(out.output, "bad");
    ck_assert(results_read(reader, RESULTS_SLOTS_MAX - 1, &out));
    ck_assert_uint_eq(out.state, 1);
    ck_assert(results_read(reader, 5, &out)); /* never written: zero */
    ck_assert_uint_eq(out.runs, 0);
    ck_assert(!results_read(reader, RESULTS_SLOTS_MAX, &out));
}
END_TEST

START_TEST(statistics_are_shared)
{
    results_checker(writer, 3)->lateness_counts[2] = 9;
    ck_assert_uint_eq(results_checker(reader, 3)->lateness_counts[2], 9);
}
END_TEST

START_TEST(other_sizes_are_refused)
{
    int other = memfd_create("other", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(other, 4096), 0);
    ck_assert_ptr_null(results_open(other, false));
    close(other);
    ck_assert_int_ne(ftruncate(fd, 4096), 0); /* sealed: a reader can never fault */
}
END_TEST

START_TEST(memory_is_sparse)
{
    char status[4096] = "";
    struct result in = {.state = 1};
    for (uint32_t i = 0; i < 100; i++)
        results_write(writer, i, &in);
    int file = open("/proc/self/statm", O_RDONLY);
    ck_assert_int_gt(read(file, status, sizeof(status) - 1), 0);
    close(file);
    long shared = strtol(strchr(strchr(status, ' ') + 1, ' ') + 1, NULL, 10) * 4096;
    ck_assert_int_lt(shared, 32 << 20);
}
END_TEST

/* A writer process at full speed: every byte of what a reader gets is of one write. */
START_TEST(readers_never_see_half_a_write)
{
    struct result out;
    int whole = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct result in;
        for (unsigned char byte = 0;; byte++) {
            memset(&in, byte, sizeof(in));
            results_write(writer, 1, &in);
        }
    }
    for (int i = 0; i < 200000; i++) {
        if (!results_read(reader, 1, &out))
            continue;
        const unsigned char *bytes = (const unsigned char *)&out;
        for (size_t b = 1; b < sizeof(out); b++)
            if (bytes[b] != bytes[0])
                ck_abort_msg("byte %zu is %d, byte 0 is %d", b, bytes[b], bytes[0]);
        whole++;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_gt(whole, 1000);
    /* the writer died somewhere: the next one makes the slot readable in any case */
    struct result in = {.state = 3};
    results_write(writer, 1, &in);
    ck_assert(results_read(reader, 1, &out));
    ck_assert_uint_eq(out.state, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("results");
    TCase *tests = tcase_create("table");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, what_is_written_is_read);
    tcase_add_test(tests, statistics_are_shared);
    tcase_add_test(tests, other_sizes_are_refused);
    tcase_add_test(tests, memory_is_sparse);
    tcase_add_test(tests, readers_never_see_half_a_write);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
