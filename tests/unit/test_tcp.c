/* TCP checks: connected, refused, no answer, names. */
#include "checks/cause.h"
#include "tests/unit/observe_fixture.h"

#include <sched.h>
#include <stdio.h>

static struct observe t;

static void set_up(void)
{
    observe_init(&t);
}

static void tear_down(void)
{
    observe_close(&t);
}

static const struct observation *ask(const char *host, uint16_t port, uint32_t timeout_ms)
{
    Ephor__Check check = EPHOR__CHECK__INIT;
    check.kind = EPHOR__CHECK_KIND__TCP;
    check.host = (char *)(uintptr_t)host;
    check.port = port;
    check.timeout_ms = timeout_ms;
    return observe(&t, &check);
}

START_TEST(listening_port_is_ok)
{
    uint16_t port;
    int fd = listen_anywhere(&port);
    const struct observation *o = ask("127.0.0.1", port, 1000);
    ASSERT_OBSERVED(o, OK, "", "connected to port");
    ck_assert_ptr_nonnull(strstr(o->perfdata, "time=0.0"));
    close(fd);
}
END_TEST

START_TEST(closed_port_is_refused)
{
    ASSERT_OBSERVED(ask("127.0.0.1", free_port(), 1000), CRITICAL, "refused",
                    "connection refused, port");
    ck_assert_int_eq(cause_of(&t.seen.o), EPHOR__CAUSE__CAUSE_REFUSED);
    ASSERT_OBSERVED(ask("::1", free_port(), 1000), CRITICAL, "refused", "connection refused");
}
END_TEST

/* A listener whose backlog is full answers no further connection. */
START_TEST(silent_port_times_out)
{
    uint16_t port;
    int fd = listen_anywhere(&port);
    int waiting[8];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(listen(fd, 0), 0);
    for (int i = 0; i < 8; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
    }
    const struct observation *o = ask("127.0.0.1", port, 300);
    ASSERT_OBSERVED(o, CRITICAL, "timeout", "no answer within 300ms");
    ck_assert_int_eq(cause_of(o), EPHOR__CAUSE__CAUSE_SILENT);
    ck_assert_int_ge(o->duration_us, 299000);
    ck_assert_int_lt(o->duration_us, 1500000);
    for (int i = 0; i < 8; i++)
        close(waiting[i]);
    close(fd);
}
END_TEST

/* In a network of its own without any interface up; each test is a process of its own. */
START_TEST(unreachable_network_is_critical)
{
    if (unshare(CLONE_NEWNET) != 0) {
        fprintf(stderr, "skipped: needs the right to make a network namespace\n");
        return;
    }
    ASSERT_OBSERVED(ask("192.0.2.1", 80, 1000), CRITICAL, "unreachable", "unreachable, port 80");
}
END_TEST

START_TEST(name_that_does_not_resolve_says_nothing_about_the_target)
{
    const struct observation *o = ask("no-such-host.invalid", 80, 3000);
    ck_assert_int_eq(o->state, EPHOR__STATE__STATE_UNKNOWN);
    ck_assert_str_eq(o->reason, "resolve");
    ck_assert_ptr_nonnull(strstr(o->output, "no-such-host.invalid"));
}
END_TEST

START_TEST(name_resolves)
{
    ASSERT_OBSERVED(ask("localhost", free_port(), 3000), CRITICAL, "refused", "refused");
}
END_TEST

START_TEST(cancel_before_and_after_the_resolution)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1"};
    uint16_t port;
    int fd = listen_anywhere(&port);
    for (int i = 0; i < 2; i++) {
        Ephor__Check check = EPHOR__CHECK__INIT;
        check.kind = EPHOR__CHECK_KIND__TCP;
        check.host = (char *)(uintptr_t)hosts[i];
        check.port = port;
        check.timeout_ms = 5000;
        struct check_run *run = observe_start(&t, &check);
        check_cancel(run);
        check_cancel(run);
        ASSERT_OBSERVED(observe_end(&t), UNKNOWN, "canceled", "canceled");
    }
    close(fd);
}
END_TEST

START_TEST(too_many_resolutions_wait_for_none)
{
    t.context.resolving = 1000;
    ASSERT_OBSERVED(ask("localhost", 80, 1000), UNKNOWN, "resolve", "others still wait");
    t.context.resolving = 0;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tcp");
    TCase *tests = tcase_create("observations");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, listening_port_is_ok);
    tcase_add_test(tests, closed_port_is_refused);
    tcase_add_test(tests, silent_port_times_out);
    tcase_add_test(tests, unreachable_network_is_critical);
    tcase_add_test(tests, name_that_does_not_resolve_says_nothing_about_the_target);
    tcase_add_test(tests, name_resolves);
    tcase_add_test(tests, cancel_before_and_after_the_resolution);
    tcase_add_test(tests, too_many_resolutions_wait_for_none);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
