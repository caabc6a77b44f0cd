/* Plugins: good ones, Debian's, and every way to misbehave. */
#include "checks/cause.h"
#include "checks/perfdata.h"
#include "orchestrator/base/text.h"
#include "tests/unit/observe_fixture.h"

#include <stdio.h>

static struct observe t;

static void set_up(void)
{
    observe_init(&t);
}

static void tear_down(void)
{
    observe_close(&t);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}

/* Run argv (ends with NULL) as a plugin. */
static const struct observation *run(uint32_t timeout_ms, Ephor__State timeout_state,
                                     const char *const *argv)
{
    Ephor__Check check = EPHOR__CHECK__INIT;
    check.kind = EPHOR__CHECK_KIND__PLUGIN;
    check.timeout_ms = timeout_ms;
    check.timeout_state = timeout_state;
    check.argv = (char **)(uintptr_t)argv; /* the message's type lacks the const */
    while (argv[check.n_argv] != NULL)
        check.n_argv++;
    return observe(&t, &check);
}

#define RUN(...) run(8000, EPHOR__STATE__STATE_CRITICAL, (const char *const[]){__VA_ARGS__, NULL})

static char plugins[] = TEST_PLUGINS;

static char *plugin(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", plugins, name);
    return path;
}

static const struct observation *run_with(const char *name, const char *first, const char *second)
{
    const char *argv[] = {plugin(name), first, second, NULL};
    return run(8000, EPHOR__STATE__STATE_CRITICAL, argv);
}

START_TEST(exit_status_is_the_state)
{
    static const struct {
        const char *status;
        Ephor__State state;
    } cases[] = {{"0", EPHOR__STATE__STATE_OK},
                 {"1", EPHOR__STATE__STATE_WARNING},
                 {"2", EPHOR__STATE__STATE_CRITICAL},
                 {"3", EPHOR__STATE__STATE_UNKNOWN}};
    for (int i = 0; i < 4; i++) {
        const struct observation *o =
            run_with("exit_with.sh", cases[i].status, "WORD | a=1\nmore | b=2");
        ck_assert_int_eq(o->state, cases[i].state);
        ck_assert_str_eq(o->reason, "");
        ck_assert_str_eq(o->output, "WORD\nmore");
        ck_assert_str_eq(o->perfdata, "a=1 b=2");
        ck_assert_int_gt(o->duration_us, 0);
        ck_assert(!o->is_truncated);
    }
}
END_TEST

START_TEST(other_exits_are_unknown)
{
    ASSERT_OBSERVED(run_with("exit_with.sh", "4", "four"), UNKNOWN, "bad-exit",
                    "exit status 4 is none of 0 to 3: four");
    ASSERT_OBSERVED(run_with("exit_with.sh", "255", ""), UNKNOWN, "bad-exit", "255");
    ASSERT_OBSERVED(run_with("exit_with.sh", "126", ""), UNKNOWN, "not-executable", "126");
    ASSERT_OBSERVED(run_with("exit_with.sh", "127", ""), UNKNOWN, "not-found", "127");
}
END_TEST

START_TEST(what_cannot_start_is_unknown)
{
    ASSERT_OBSERVED(run_with("missing.sh", NULL, NULL), UNKNOWN, "not-found", "missing.sh");
    ASSERT_OBSERVED(run_with("no_interpreter.txt", NULL, NULL), UNKNOWN, "not-found", "No such");
    ASSERT_OBSERVED(run_with("not_executable.sh", NULL, NULL), UNKNOWN, "not-executable",
                    "Permission denied");
    ASSERT_OBSERVED(run_with("no_format.txt", NULL, NULL), UNKNOWN, "not-executable",
                    "Exec format error");
    const char *none[] = {NULL};
    ASSERT_OBSERVED(run(1000, EPHOR__STATE__STATE_CRITICAL, none), UNKNOWN, "unsupported", "0");
}
END_TEST

START_TEST(timeout_has_the_state_of_the_policy)
{
    const char *hang[] = {plugin("hang.sh"), NULL};
    const struct observation *o = run(200, EPHOR__STATE__STATE_CRITICAL, hang);
    ASSERT_OBSERVED(o, CRITICAL, "timeout", "no answer within 200ms: HANG begun");
    o = run(200, EPHOR__STATE__STATE_UNKNOWN, hang);
    ASSERT_OBSERVED(o, UNKNOWN, "timeout", "no answer within 200ms");
}
END_TEST

START_TEST(signals_are_unknown)
{
    ASSERT_OBSERVED(run_with("by_signal.sh", "SEGV", NULL), UNKNOWN, "signal:SEGV", "dying");
    ASSERT_OBSERVED(run_with("by_signal.sh", "KILL", NULL), UNKNOWN, "signal:KILL", "KILL");
}
END_TEST

START_TEST(nothing_on_standard_output)
{
    ASSERT_OBSERVED(run_with("only_stderr.sh", NULL, NULL), CRITICAL, "",
                    "(no output on standard output) standard error: library not found");
    ASSERT_OBSERVED(run_with("exit_with.sh", "0", ""), OK, "", "(no output returned from plugin)");
}
END_TEST

START_TEST(flood_is_cut)
{
    const struct observation *o = run_with("flood.sh", NULL, NULL);
    ASSERT_OBSERVED(o, OK, "", "FLOOD begins\nxxxx");
    ck_assert(o->is_truncated);
    ck_assert_str_eq(o->perfdata, "");
}
END_TEST

START_TEST(binary_garbage_becomes_text)
{
    const struct observation *o = run_with("binary.sh", NULL, NULL);
    const char *perfdata = o->perfdata;
    struct perfdata_item item;
    int good = 0;
    ASSERT_OBSERVED(o, WARNING, "", "B\xef\xbf\xbd\xef\xbf\xbd  [31mIN");
    ck_assert_ptr_null(strstr(o->output, "hidden"));
    while (perfdata_next(&perfdata, &item))
        good++;
    ck_assert_int_eq(good, 2);
}
END_TEST

START_TEST(grandchild_that_holds_the_pipe)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/ephor-test-plugin-%ld", (long)getpid());
    const struct observation *o = run_with("grandchild.sh", path, NULL);
    unlink(path);
    ASSERT_OBSERVED(o, OK, "pipe-held", "PARENT OK");
    ck_assert_str_eq(o->perfdata, "left=1");
}
END_TEST

START_TEST(cancel_comes_back_once)
{
    char *argv[] = {plugin("hang.sh")};
    Ephor__Check check = EPHOR__CHECK__INIT;
    check.timeout_ms = 10000;
    check.n_argv = 1;
    check.argv = argv;
    struct check_run *hanging = observe_start(&t, &check);
    check_cancel(hanging);
    check_cancel(hanging);
    ASSERT_OBSERVED(observe_end(&t), UNKNOWN, "canceled", "canceled");
}
END_TEST

START_TEST(unknown_kind_is_told)
{
    Ephor__Check check = EPHOR__CHECK__INIT;
    check.kind = (Ephor__CheckKind)99;
    ASSERT_OBSERVED(observe(&t, &check), UNKNOWN, "unsupported", "99");
}
END_TEST

/* Every item of the performance data can be read. */
static void assert_perfdata(const struct observation *o, int wanted)
{
    const char *cursor = o->perfdata;
    struct perfdata_item item;
    int found = 0;
    while (perfdata_next(&cursor, &item))
        found++;
    ck_assert_msg(found >= wanted, "%d items in '%s'", found, o->perfdata);
}

#define NAGIOS "/usr/lib/nagios/plugins/"

/* What plugins of Debian 12 print, word for word. */
START_TEST(causes_from_what_plugins_print)
{
    static const struct {
        Ephor__State state;
        const char *reason, *output;
        Ephor__Cause cause;
    } cases[] = {
        {0, "", "PING OK - Packet loss = 0%, RTA = 0.04 ms", EPHOR__CAUSE__CAUSE_NONE},
        {2, "", "connect to address 127.0.0.1 and port 1: Connection refused",
         EPHOR__CAUSE__CAUSE_REFUSED},
        {2, "", "connect to address 10.0.0.9 and port 1: No route to host",
         EPHOR__CAUSE__CAUSE_UNREACHABLE},
        {2, "", "CRITICAL - Host Unreachable (10.0.0.9)", EPHOR__CAUSE__CAUSE_UNREACHABLE},
        {2, "", "PING CRITICAL - Packet loss = 100%", EPHOR__CAUSE__CAUSE_SILENT},
        {2, "", "CRITICAL - 10.0.0.9: rta nan, lost 100%", EPHOR__CAUSE__CAUSE_SILENT},
        {1, "", "PING WARNING - Packet loss = 40%, RTA = 0.04 ms", EPHOR__CAUSE__CAUSE_LOSS},
        {1, "", "PING WARNING - Packet loss = 37.5%, RTA = 0.04 ms", EPHOR__CAUSE__CAUSE_LOSS},
        {1, "", "PING WARNING - Packet loss = 0%, RTA = 612.4 ms", EPHOR__CAUSE__CAUSE_SLOW},
        {2, "", "CRITICAL - Socket timeout after 10 seconds", EPHOR__CAUSE__CAUSE_SILENT},
        {2, "timeout", "no answer within 10s: SSH OK - certificate", EPHOR__CAUSE__CAUSE_SILENT},
        {2, "", "TCP CRITICAL - Invalid hostname, address or socket: nosuch",
         EPHOR__CAUSE__CAUSE_NAME},
        {3, "", "Name or service not known", EPHOR__CAUSE__CAUSE_NAME},
        {2, "", "CRITICAL - Certificate 'a' expired on 2026-11-01 10:00 +0000.",
         EPHOR__CAUSE__CAUSE_CERTIFICATE},
        {1, "", "HTTP WARNING: HTTP/1.1 200 OK - 230 bytes in 2.345 second response time",
         EPHOR__CAUSE__CAUSE_SLOW},
        {2, "",
         "HTTP CRITICAL: HTTP/1.1 500 Internal Server Error - 9 bytes in 0.001 second "
         "response time",
         EPHOR__CAUSE__CAUSE_WRONG},
        {2, "",
         "HTTP CRITICAL: HTTP/1.1 200 OK - string 'x' not found on 'http://a/' - 9 bytes in "
         "0.001 second response time",
         EPHOR__CAUSE__CAUSE_WRONG},
        {1, "", "TCP WARNING - 1.023 second response time on 10.0.0.1 port 80",
         EPHOR__CAUSE__CAUSE_SLOW},
        {2, "", "CRITICAL - load average: 90.1\nConnection refused", EPHOR__CAUSE__CAUSE_WRONG},
        {2, "body", "HTTP 200, but 'refused' is not in the body", EPHOR__CAUSE__CAUSE_WRONG},
        {3, "not-found", "no such program", EPHOR__CAUSE__CAUSE_LOCAL},
        {3, "", "UNKNOWN: usage", EPHOR__CAUSE__CAUSE_WRONG},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct observation o = {.state = cases[i].state};
        text_copy(o.reason, sizeof(o.reason), cases[i].reason);
        text_copy(o.output, sizeof(o.output), cases[i].output);
        ck_assert_msg(cause_of(&o) == cases[i].cause, "'%s' is cause %d", o.output, cause_of(&o));
    }
}
END_TEST

START_TEST(debian_plugins_run_unchanged)
{
    if (access(NAGIOS "check_load", X_OK) != 0) {
        fprintf(stderr, "skipped: monitoring-plugins-basic is not installed\n");
        return;
    }
    uint16_t port;
    char port_text[16];
    int fd = listen_anywhere(&port);
    snprintf(port_text, sizeof(port_text), "%u", (unsigned)port);
    const struct observation *o =
        RUN(NAGIOS "check_load", "-w", "1000,1000,1000", "-c", "2000,2000,2000");
    ASSERT_OBSERVED(o, OK, "", "load average");
    assert_perfdata(o, 3);
    o = RUN(NAGIOS "check_tcp", "-H", "127.0.0.1", "-p", port_text);
    ASSERT_OBSERVED(o, OK, "", "TCP OK");
    assert_perfdata(o, 1);
    close(fd);
    o = RUN(NAGIOS "check_tcp", "-H", "127.0.0.1", "-p", port_text);
    ASSERT_OBSERVED(o, CRITICAL, "", "refused");
    o = RUN(NAGIOS "check_ping", "-H", "127.0.0.1", "-w", "100,50%", "-c", "200,80%", "-p", "1");
    ASSERT_OBSERVED(o, OK, "", "PING OK");
    assert_perfdata(o, 2);
    o = RUN(NAGIOS "check_http", "-I", "127.0.0.1", "-p", port_text);
    ASSERT_OBSERVED(o, CRITICAL, "", "refused");
    o = RUN(NAGIOS "check_dummy", "1", "so so");
    ASSERT_OBSERVED(o, WARNING, "", "WARNING: so so");
    o = RUN(NAGIOS "check_disk", "--help");
    ck_assert_int_eq(o->state, EPHOR__STATE__STATE_UNKNOWN);
    ck_assert(o->is_truncated);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plugin");
    TCase *tests = tcase_create("observations");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, exit_status_is_the_state);
    tcase_add_test(tests, other_exits_are_unknown);
    tcase_add_test(tests, what_cannot_start_is_unknown);
    tcase_add_test(tests, timeout_has_the_state_of_the_policy);
    tcase_add_test(tests, signals_are_unknown);
    tcase_add_test(tests, nothing_on_standard_output);
    tcase_add_test(tests, flood_is_cut);
    tcase_add_test(tests, binary_garbage_becomes_text);
    tcase_add_test(tests, grandchild_that_holds_the_pipe);
    tcase_add_test(tests, cancel_comes_back_once);
    tcase_add_test(tests, unknown_kind_is_told);
    tcase_add_test(tests, causes_from_what_plugins_print);
    tcase_add_test(tests, debian_plugins_run_unchanged);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
