/* Pings on the loopback; neither kind of socket may be there for whoever runs this. */
#include "orchestrator/sys/ping.h"

#include <check.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static int answers, silences;

static void on_pinged(void *data, bool is_answered)
{
    (void)data;
    if (is_answered)
        answers++;
    else
        silences++;
    if (answers + silences == *(int *)data)
        loop_stop(loop);
}

static void setup(void)
{
    loop = loop_new();
    answers = silences = 0;
}

static void teardown(void)
{
    loop_free(loop);
}

static bool may_ping(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    if (fd < 0)
        fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

START_TEST(test_who_is_there_answers)
{
    struct ping *a, *b;
    int wanted = 2;
    if (!may_ping())
        return;
    ck_assert_int_eq(ping_start(&a, loop, "127.0.0.1", 5000, on_pinged, &wanted), ERR_OK);
    ck_assert_int_eq(ping_start(&b, loop, "127.0.0.2", 5000, on_pinged, &wanted), ERR_OK);
    loop_run(loop);
    ck_assert_int_eq(answers, 2);
}
END_TEST

START_TEST(test_who_is_not_there_does_not)
{
    struct ping *ping;
    int wanted = 1;
    if (!may_ping())
        return;
    ck_assert_int_eq(ping_start(&ping, loop, "255.255.255.255", 50, on_pinged, &wanted), ERR_OK);
    loop_run(loop);
    ck_assert_int_eq(silences, 1);
}
END_TEST

START_TEST(test_a_dropped_ping_says_nothing)
{
    struct ping *ping, *other;
    int wanted = 1;
    if (!may_ping())
        return;
    ck_assert_int_eq(ping_start(&ping, loop, "127.0.0.1", 5000, on_pinged, &wanted), ERR_OK);
    ping_drop(ping);
    ck_assert_int_eq(ping_start(&other, loop, "127.0.0.1", 5000, on_pinged, &wanted), ERR_OK);
    loop_run(loop);
    ck_assert_int_eq(answers, 1);
}
END_TEST

START_TEST(test_only_literals)
{
    struct ping *ping;
    ck_assert_int_eq(ping_start(&ping, loop, "localhost", 50, on_pinged, NULL), ERR_INVALID);
    ck_assert_ptr_null(ping);
    ping_drop(ping);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ping");
    TCase *t = tcase_create("ping");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_who_is_there_answers);
    tcase_add_test(t, test_who_is_not_there_does_not);
    tcase_add_test(t, test_a_dropped_ping_says_nothing);
    tcase_add_test(t, test_only_literals);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
