/* The ends of turns, and watches that are told what they know. */
#include "orchestrator/sys/loop.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static char told[64];

static void tell(const char *word)
{
    ck_assert_uint_lt(strlen(told) + strlen(word), sizeof(told));
    memcpy(told + strlen(told), word, strlen(word) + 1);
}

static void set_up(void)
{
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    told[0] = '\0';
}

static void tear_down(void)
{
    loop_free(loop);
}

struct end {
    struct turn_end *handle;
    struct turn_end *next; /* to be started by this one */
    const char *word;
};

static void on_end(void *data)
{
    struct end *end = data;
    tell(end->word);
    if (end->next != NULL)
        turn_end_start(end->next);
}

static void open_end(struct end *end, const char *word)
{
    *end = (struct end){.handle = turn_end_new(loop, on_end, end), .word = word};
    ck_assert_ptr_nonnull(end->handle);
}

static void on_timer(void *data)
{
    struct end *ends = data;
    tell("(");
    turn_end_start(ends[0].handle);
    turn_end_start(ends[1].handle);
    turn_end_start(ends[0].handle);
    tell(")");
}

static void on_stop(void *data)
{
    (void)data;
    loop_stop(loop);
}

static void run_for_ms(int64_t ms)
{
    struct timer *stop = timer_new(loop, on_stop, NULL);
    timer_start(stop, ms, 0);
    loop_run(loop);
    timer_free(stop);
}

START_TEST(ends_run_once_in_order_behind_the_turn)
{
    struct end ends[3];
    struct timer *timer = timer_new(loop, on_timer, ends);
    open_end(&ends[0], "a");
    open_end(&ends[1], "b");
    open_end(&ends[2], "c");
    ends[0].next = ends[2].handle; /* behind those that wait already, in the same turn */
    timer_start(timer, 0, 0);
    run_for_ms(20);
    ck_assert_str_eq(told, "()abc");
    timer_free(timer);
    for (int i = 0; i < 3; i++)
        turn_end_free(ends[i].handle);
}
END_TEST

START_TEST(an_end_may_go_while_it_waits)
{
    struct end ends[3];
    for (int gone = 0; gone < 3; gone++) {
        told[0] = '\0';
        open_end(&ends[0], "a");
        open_end(&ends[1], "b");
        open_end(&ends[2], "c");
        for (int i = 0; i < 3; i++)
            turn_end_start(ends[i].handle);
        turn_end_free(ends[gone].handle);
        run_for_ms(5);
        ck_assert_str_eq(told, gone == 0 ? "bc" : gone == 1 ? "ac" : "ab");
        for (int i = 0; i < 3; i++)
            if (i != gone)
                turn_end_free(ends[i].handle);
    }
    turn_end_free(NULL);
}
END_TEST

struct spy {
    struct watch *watch;
    int fd;
    int calls;
    int events;
};

static void on_ready(void *data, int events)
{
    char bytes[8];
    struct spy *spy = data;
    spy->events |= events;
    if (events & WATCH_READ && recv(spy->fd, bytes, sizeof(bytes), 0) == 0)
        tell("end");
    if (++spy->calls == 3) {
        watch_set(spy->watch, WATCH_NONE);
        loop_stop(loop);
    }
}

START_TEST(a_watch_goes_on_as_it_was_told)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    struct spy spy = {.fd = fds[0]};
    spy.watch = watch_new(loop, fds[0], on_ready, &spy);
    watch_set(spy.watch, WATCH_WRITE);
    watch_set(spy.watch, WATCH_WRITE);
    loop_run(loop);
    ck_assert_int_eq(spy.events, WATCH_WRITE);
    run_for_ms(5); /* paused */
    ck_assert_int_eq(spy.calls, 3);
    spy.calls = spy.events = 0;
    watch_set(spy.watch, WATCH_READ);
    close(fds[1]);
    loop_run(loop);
    ck_assert_int_eq(spy.events & WATCH_READ, WATCH_READ);
    ck_assert_str_eq(told, "endendend");
    watch_free(spy.watch);
    close(fds[0]);
}
END_TEST

static Suite *loop_suite(void)
{
    Suite *suite = suite_create("loop");
    TCase *tc = tcase_create("loop");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, ends_run_once_in_order_behind_the_turn);
    tcase_add_test(tc, an_end_may_go_while_it_waits);
    tcase_add_test(tc, a_watch_goes_on_as_it_was_told);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(loop_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
