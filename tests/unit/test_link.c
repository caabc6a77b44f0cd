/* Links: frames, passed descriptors, back pressure, garbage, loss. Links libsys, libproto, libbase.
 */
#include "orchestrator/base/contract.h"
#include "orchestrator/sys/link.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_MS = 5000 };

struct side {
    struct loop *loop;
    struct link *link;
    int received, fds, closed;
    int wanted;
    size_t last_size;
    char fd_text[16];
    char reason[64];
    bool free_on_message;
};

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    struct side *side = data;
    side->received++;
    if (m->body_case == EPHOR__MESSAGE__BODY_ADOPTED)
        side->last_size = m->adopted->policy.len;
    if (fd >= 0) {
        side->fds++;
        ssize_t n = read(fd, side->fd_text, sizeof(side->fd_text) - 1);
        side->fd_text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    if (side->free_on_message) {
        link_free(side->link);
        side->link = NULL;
    }
    if (side->received == side->wanted)
        loop_stop(side->loop);
}

static void on_close(void *data, const char *reason)
{
    struct side *side = data;
    side->closed++;
    strncat(side->reason, reason, sizeof(side->reason) - 1);
    loop_stop(side->loop);
}

static const struct link_ops ops = {on_message, on_close};

static void on_deadline(void *data)
{
    (void)data;
    ck_abort_msg("nothing came within the deadline");
}

static void run(struct loop *loop)
{
    struct timer *deadline = timer_new(loop, on_deadline, NULL);
    timer_start(deadline, DEADLINE_MS, 0);
    loop_run(loop);
    timer_free(deadline);
}

static void open_pair(struct side *a, struct side *b)
{
    int ends[2];
    struct loop *loop = loop_new();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    *a = (struct side){.loop = loop};
    *b = (struct side){.loop = loop};
    a->link = link_new(loop, ends[0], &ops, a);
    b->link = link_new(loop, ends[1], &ops, b);
}

static void close_pair(struct side *a, struct side *b)
{
    link_free(a->link);
    link_free(b->link);
    loop_free(a->loop);
}

static void send_adopted(struct link *link, size_t size, int fd)
{
    Ephor__Adopted adopted = EPHOR__ADOPTED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    adopted.policy.data = calloc(1, size + 1);
    adopted.policy.len = size;
    m.body_case = EPHOR__MESSAGE__BODY_ADOPTED;
    m.adopted = &adopted;
    link_send(link, &m, fd);
    free(adopted.policy.data);
}

START_TEST(test_messages_arrive_in_order_and_whole)
{
    struct side a, b;
    open_pair(&a, &b);
    b.wanted = 101;
    for (int i = 0; i < 100; i++)
        send_adopted(a.link, (size_t)i, -1);
    send_adopted(a.link, 5 << 20, -1); /* much larger than the socket's buffer */
    run(a.loop);
    ck_assert_int_eq(b.received, 101);
    ck_assert_uint_eq(b.last_size, 5 << 20);
    close_pair(&a, &b);
}
END_TEST

START_TEST(test_descriptors_travel_with_their_message)
{
    struct side a, b;
    int pipe_ends[2];
    open_pair(&a, &b);
    b.wanted = 4;
    send_adopted(a.link, 3 << 20, -1); /* the descriptor waits behind a queue */
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pipe(pipe_ends), 0);
        ck_assert_int_eq(write(pipe_ends[1], i == 0 ? "one" : "two", 3), 3);
        send_adopted(a.link, 10, pipe_ends[0]);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
    }
    send_adopted(a.link, 10, -1);
    run(a.loop);
    ck_assert_int_eq(b.fds, 2);
    ck_assert_str_eq(b.fd_text, "two");
    close_pair(&a, &b);
}
END_TEST

START_TEST(test_the_end_of_the_peer_is_told_once)
{
    struct side a, b;
    open_pair(&a, &b);
    link_free(a.link);
    a.link = NULL;
    run(b.loop);
    ck_assert_int_eq(b.closed, 1);
    send_adopted(b.link, 10, -1); /* swallowed */
    ck_assert_int_eq(b.closed, 1);
    close_pair(&a, &b);
}
END_TEST

START_TEST(test_garbage_cuts_the_peer_off)
{
    struct side b = {.loop = loop_new()};
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    b.link = link_new(b.loop, ends[1], &ops, &b);
    ck_assert_int_eq(write(ends[0], "\x04\0\0\0\xff\xff\xff\xff", 8), 8);
    run(b.loop);
    ck_assert_str_eq(b.reason, "not a message");
    close(ends[0]);
    link_free(b.link);
    loop_free(b.loop);
}
END_TEST

START_TEST(test_a_frame_over_the_limit_cuts_the_peer_off)
{
    struct side b = {.loop = loop_new()};
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    b.link = link_new(b.loop, ends[1], &ops, &b);
    ck_assert_int_eq(write(ends[0], "\xff\xff\xff\x7f", 4), 4);
    run(b.loop);
    ck_assert_str_eq(b.reason, "frame too large");
    close(ends[0]);
    link_free(b.link);
    loop_free(b.loop);
}
END_TEST

START_TEST(test_a_link_may_be_freed_in_its_own_callback)
{
    struct side a, b;
    open_pair(&a, &b);
    b.wanted = 1;
    b.free_on_message = true;
    send_adopted(a.link, 10, -1);
    send_adopted(a.link, 10, -1);
    run(a.loop);
    ck_assert_int_eq(b.received, 1);
    close_pair(&a, &b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *tc = tcase_create("link");
    tcase_add_test(tc, test_messages_arrive_in_order_and_whole);
    tcase_add_test(tc, test_descriptors_travel_with_their_message);
    tcase_add_test(tc, test_the_end_of_the_peer_is_told_once);
    tcase_add_test(tc, test_garbage_cuts_the_peer_off);
    tcase_add_test(tc, test_a_frame_over_the_limit_cuts_the_peer_off);
    tcase_add_test(tc, test_a_link_may_be_freed_in_its_own_callback);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
