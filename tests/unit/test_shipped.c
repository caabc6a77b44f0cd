/* The plugins that ship with Ephor, and their threshold ranges. */
#include "checks/perfdata.h"
#include "checks/plugins/range.h"
#include "tests/unit/observe_fixture.h"

#include <fcntl.h>
#include <stdio.h>

static struct observe t;
static char path[64];

static void set_up(void)
{
    observe_init(&t);
    snprintf(path, sizeof(path), "/tmp/ephor-test-shipped-XXXXXX");
    close(mkstemp(path));
}

static void tear_down(void)
{
    unlink(path);
    observe_close(&t);
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

/* words after the program, NULL-terminated */
static const struct observation *run(const char *program, const char *const *words)
{
    Ephor__Check check = EPHOR__CHECK__INIT;
    char *argv[8] = {(char *)(uintptr_t)program};
    size_t n = 1;
    for (; words[n - 1] != NULL; n++)
        argv[n] = (char *)(uintptr_t)words[n - 1];
    check.timeout_ms = 8000;
    check.argv = argv;
    check.n_argv = n;
    return observe(&t, &check);
}

#define FILES(...) run(TEST_SHIPPED "/check_open_files", (const char *const[]){__VA_ARGS__, NULL})
#define PIDFILE(...) \
    run(TEST_SHIPPED_SCRIPTS "/check_pidfile.sh", (const char *const[]){__VA_ARGS__, NULL})

START_TEST(ranges_parse)
{
    static const char *const good[] = {"10",
                                       "10:",
                                       "~:10",
                                       "10:20",
                                       "@10:20",
                                       "1:1",
                                       ":5",
                                       "~:0",
                                       "~:-95.99",
                                       "-7:23",
                                       "80%",
                                       "12345678901234567890:",
                                       "@0:657.8210567",
                                       "0"};
    static const char *const bad[] = {"2:1", "",    "x",  "1:x", "@",  "-5", "1:2:3",
                                      "nan", "inf", " 1", "~",   "1 ", "5%%"};
    struct range range;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(range_parse(good[i], &range), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!range_parse(bad[i], &range), "%s", bad[i]);
}
END_TEST

START_TEST(ranges_alert)
{
    static const struct {
        const char *range;
        double value;
        bool alerts;
    } cases[] = {{"10", -1, true},
                 {"10", 0, false},
                 {"10", 10, false},
                 {"10", 10.1, true},
                 {"10:", 9.9, true},
                 {"10:", 1e9, false},
                 {"~:10", -1e9, false},
                 {"~:10", 11, true},
                 {"10:20", 9, true},
                 {"10:20", 15, false},
                 {"10:20", 21, true},
                 {"@10:20", 10, true},
                 {"@10:20", 20, true},
                 {"@10:20", 20.5, false},
                 {"1:1", 0.5, true},
                 {"1:1", 1, false},
                 {"1:1", 5.2, true},
                 {"@1:1", 1, true},
                 {"@1:1", 2, false},
                 {"~:0", 0.5, true},
                 {"~:0", -10, false},
                 {"~:0", 0, false},
                 {"@0:657.8210567", 657.8210567, true},
                 {"@0:657.8210567", -2, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct range range;
        ck_assert(range_parse(cases[i].range, &range));
        ck_assert_msg(range_alerts(&range, cases[i].value) == cases[i].alerts, "%s at %f",
                      cases[i].range, cases[i].value);
    }
}
END_TEST

START_TEST(open_files)
{
    const char *cursor;
    struct perfdata_item item;
    const struct observation *o = FILES("-c", "99.9");
    ASSERT_OBSERVED(o, OK, "", "OPEN FILES OK - ");
    cursor = o->perfdata;
    ck_assert(perfdata_next(&cursor, &item));
    ck_assert_str_eq(item.label, "used");
    ck_assert_int_eq(item.kind, PERFDATA_RATIO);
    ck_assert_str_eq(item.critical, "99.9");
    ck_assert(perfdata_next(&cursor, &item));
    write_file("850\t0\t1000\n");
    ASSERT_OBSERVED(FILES("-f", path), WARNING, "", "WARNING - 850 of 1000 in use (85.0%)");
    ASSERT_OBSERVED(FILES("-f", path, "-c", "84"), CRITICAL, "", "CRITICAL");
    ASSERT_OBSERVED(FILES("-f", path, "-w", "86", "-v"), OK, "", "read from");
    write_file("");
    ASSERT_OBSERVED(FILES("-f", path), UNKNOWN, "", "cannot read");
    ASSERT_OBSERVED(FILES("-w", "2:1"), UNKNOWN, "", "not a range: '2:1'");
    ASSERT_OBSERVED(FILES("-x"), UNKNOWN, "", "cannot use the option '-x'");
    ASSERT_OBSERVED(FILES("word"), UNKNOWN, "", "cannot use the argument 'word'");
    ASSERT_OBSERVED(FILES("--help"), UNKNOWN, "", "Usage: ");
    ASSERT_OBSERVED(FILES("--version"), UNKNOWN, "", "ephor");
}
END_TEST

START_TEST(pidfile)
{
    char text[32];
    snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    write_file(text);
    const struct observation *o = PIDFILE("-p", path);
    ASSERT_OBSERVED(o, OK, "", "(test_shipped) has run for");
    ck_assert_ptr_nonnull(strstr(o->perfdata, "age="));
    ck_assert_ptr_nonnull(strstr(o->perfdata, "memory="));
    ASSERT_OBSERVED(PIDFILE("-p", path, "-n", "test_shipped"), OK, "", "OK");
    ASSERT_OBSERVED(PIDFILE("-p", path, "-n", "nginx"), CRITICAL, "", "not 'nginx'");
    write_file("999999999\n");
    ASSERT_OBSERVED(PIDFILE("-p", path), CRITICAL, "", "no process 999999999");
    write_file("1; reboot\n");
    ASSERT_OBSERVED(PIDFILE("-p", path), UNKNOWN, "", "is not a process number");
    write_file("");
    ASSERT_OBSERVED(PIDFILE("-p", path), UNKNOWN, "", "cannot read a number");
    ASSERT_OBSERVED(PIDFILE("-p", "/no/such/file"), CRITICAL, "", "does not exist");
    ASSERT_OBSERVED(PIDFILE("-q"), UNKNOWN, "", "cannot use the option '-q'");
    ASSERT_OBSERVED(PIDFILE("--help"), UNKNOWN, "", "Usage: ");
    ASSERT_OBSERVED(PIDFILE("--version"), UNKNOWN, "", "ephor");
    /* a dead process that nobody collected */
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    snprintf(text, sizeof(text), "%ld\n", (long)pid);
    write_file(text);
    ASSERT_OBSERVED(PIDFILE("-p", path), CRITICAL, "", "dead");
    waitpid(pid, NULL, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shipped plugins");
    TCase *tests = tcase_create("plugins");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, ranges_parse);
    tcase_add_test(tests, ranges_alert);
    tcase_add_test(tests, open_files);
    tcase_add_test(tests, pidfile);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
