/* TLS links over loopback: what works, and how they break. Links libsys, libbase, libssl. */
#include "orchestrator/sys/now.h"
#include "tests/unit/tls_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- tests: what works */

START_TEST(test_both_ends_know_each_other)
{
    open_me();
    ck_assert_str_eq(me.peer.name, "ctl-a");
    ck_assert_str_eq(accepted[0].peer.name, "ctl-b");
    ck_assert_mem_eq(me.peer.fingerprint, tls_identity_fingerprint(id_a), TLS_FINGERPRINT_SIZE);
    ck_assert_mem_eq(accepted[0].peer.fingerprint, tls_identity_fingerprint(id_b),
                     TLS_FINGERPRINT_SIZE);
    ck_assert_int_eq(me.peer.expires_wall_s, tls_identity_expires_wall_s(id_a));
    ck_assert_int_eq(strncmp(accepted[0].peer.address, "127.0.0.1:", 10), 0);
    ck_assert_uint_eq(tls_server_counts(server).accepted, 1);
    ck_assert_uint_eq(tls_server_counts(server).links, 1);
    ck_assert_uint_eq(tls_server_counts(server).handshakes, 0);
    side_free(&me);
    WAIT(peer_is_over);
    ck_assert_str_eq(accepted[0].reason, "the other side closed the link");
    ck_assert_int_eq(tls_link_send(accepted[0].link, "x", 1), ERR_CLOSED);
    side_free(&accepted[0]);
    ck_assert_uint_eq(tls_server_counts(server).links, 0);
}
END_TEST

START_TEST(test_frames_of_all_sizes_come_back)
{
    static const size_t sizes[] = {0, 1, 16 << 10, (16 << 10) + 1, 1 << 20, FRAME_MAX};
    uint8_t *bytes = malloc(FRAME_MAX);
    for (size_t i = 0; i < FRAME_MAX; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 997);
    echo_links = true;
    open_me();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        frames_wanted = (int)i + 1;
        ck_assert_int_eq(tls_link_send(me.link, bytes, sizes[i]), ERR_OK);
        WAIT(has_frames);
        ck_assert_int_eq(me.frames, frames_wanted);
        ck_assert_uint_eq(me.last_size, sizes[i]);
        if (sizes[i] > 1000)
            ck_assert_uint_eq(me.checksum, checksum_of(bytes, sizes[i]));
    }
    ck_assert_uint_eq(tls_link_queued(me.link), 0);
    side_free(&me);
    free(bytes);
}
END_TEST

START_TEST(test_a_hundred_thousand_small_frames)
{
    char bytes[50] = "small";
    open_me();
    frames_wanted = 100000;
    for (int i = 0; i < frames_wanted; i++)
        ck_assert_int_eq(tls_link_send(me.link, bytes, sizeof(bytes)), ERR_OK);
    ck_assert_uint_eq(tls_link_queued(me.link), 100000 * 54);
    int64_t start_us = now_mono_us();
    WAIT(peer_has_frames);
    printf("100,000 frames of 50 bytes: %lld us\n", (long long)(now_mono_us() - start_us));
    ck_assert_int_eq(accepted[0].frames, frames_wanted);
    ck_assert_uint_eq(accepted[0].bytes, 100000 * sizeof(bytes));
    side_free(&me);
}
END_TEST

START_TEST(test_the_queue_has_a_bound)
{
    uint8_t *bytes = calloc(1, FRAME_MAX + 1);
    open_me();
    ck_assert_int_eq(tls_link_send(me.link, bytes, FRAME_MAX + 1), ERR_LIMIT);
    int sent = 0;
    while (tls_link_send(me.link, bytes, FRAME_MAX) == ERR_OK)
        sent++;
    ck_assert_int_eq(sent, QUEUE_MAX / FRAME_MAX - 1); /* headers take the rest */
    ck_assert_uint_eq(tls_link_queued(me.link), (size_t)sent * (FRAME_MAX + 4));
    ck_assert_int_eq(tls_link_send(me.link, bytes, 10), ERR_OK); /* there is room for a small one */
    frames_wanted = sent + 1;
    WAIT(peer_has_frames);
    ck_assert_int_eq(accepted[0].frames, sent + 1);
    ck_assert_int_eq(tls_link_send(me.link, bytes, FRAME_MAX), ERR_OK);
    side_free(&me);
    free(bytes);
}
END_TEST

START_TEST(test_protocols_are_told_apart)
{
    open_me();
    ck_assert_str_eq(me.peer.alpn, "ephor-quorum/1");
    side_free(&me);
    me = (struct side){0};
    struct tls_connect_params params = to_server(id_b);
    params.alpn = "ephor-join/1";
    connect_with(&me, &params);
    WAIT(is_open);
    ck_assert_str_eq(me.peer.alpn, "ephor-join/1");
    ck_assert_str_eq(accepted[accepted_count - 1].peer.alpn, "ephor-join/1");
    side_free(&me);
}
END_TEST

START_TEST(test_the_last_words_arrive)
{
    open_me();
    ck_assert_int_eq(tls_link_send(me.link, "goodbye", 7), ERR_OK);
    side_free(&me);
    WAIT(peer_is_over);
    ck_assert_int_eq(accepted[0].frames, 1);
    ck_assert_str_eq(accepted[0].reason, "the other side closed the link");
}
END_TEST

START_TEST(test_a_host_name_is_resolved)
{
    struct tls_server_params server_params = default_params();
    serve(&server_params);
    struct tls_connect_params params = to_server(id_b);
    params.host = "no-such-host.invalid";
    connect_with(&me, &params);
    expect_failure(ERR_NOT_FOUND, "host name is not found");
    connect_with(&me, &params);
    side_free(&me); /* while the name is looked up: the loop's end waits for it */
}
END_TEST

START_TEST(test_certificates_are_reloaded_with_links_open)
{
    struct side second = {0};
    open_me();
    struct tls_identity *renewed = make_identity(&ca, "ctl-a-renewed", 0);
    tls_server_use(server, renewed);
    tls_identity_free(id_a); /* the open link does not need it */
    id_a = renewed;
    frames_wanted = 1;
    ck_assert_int_eq(tls_link_send(me.link, "still", 5), ERR_OK);
    WAIT(peer_has_frames);
    second = me;
    me = (struct side){0};
    accepted_count = 1;
    connect_as(&me, id_b);
    WAIT(is_open);
    ck_assert_str_eq(me.peer.name, "ctl-a-renewed");
    ck_assert_str_eq(second.peer.name, "ctl-a");
    side_free(&me);
    tls_link_free(second.link);
}
END_TEST

START_TEST(test_links_outlive_their_server)
{
    open_me();
    tls_server_free(server);
    server = NULL;
    frames_wanted = 1;
    ck_assert_int_eq(tls_link_send(me.link, "hello", 5), ERR_OK);
    WAIT(peer_has_frames);
    ck_assert_int_eq(accepted[0].frames, 1);
    side_free(&me);
}
END_TEST

/* ---- tests: links that break */

/* A proxy would be needed to break a TLS link in the middle; a descriptor of the same process does
 * as well: find the socket of `me` by its address. */
static int socket_of(const char *peer_address)
{
    char text[64];
    struct sockaddr_in address;
    for (int fd = 3; fd < 1024; fd++) {
        socklen_t size = sizeof(address);
        if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
            address.sin_family != AF_INET)
            continue;
        snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
        if (strcmp(text, peer_address) == 0)
            return fd;
    }
    ck_abort_msg("no socket has the address %s", peer_address);
    return -1;
}

static void make_it_reset(int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
}

enum { HUGE_FRAME = 32 << 20 };

/* More than the buffers of two sockets hold: the peer has read the beginning. */
static bool is_half_sent(void)
{
    return tls_link_queued(me.link) < HUGE_FRAME / 2;
}

START_TEST(test_a_peer_that_vanishes_in_the_middle_of_a_frame)
{
    uint8_t *bytes = calloc(1, HUGE_FRAME);
    struct tls_server_params server_params = default_params();
    server_params.limits.frame_max = HUGE_FRAME;
    serve(&server_params);
    struct tls_connect_params params = to_server(id_b);
    params.limits = (struct tls_limits){HUGE_FRAME, 2 * HUGE_FRAME, 10000, 0};
    connect_with(&me, &params);
    WAIT(is_open);
    accepted[0].free_on_close = true;
    ck_assert_int_eq(tls_link_send(me.link, bytes, HUGE_FRAME), ERR_OK);
    WAIT(is_half_sent);
    make_it_reset(socket_of(accepted[0].peer.address));
    side_free(&me);
    WAIT(peer_is_over);
    ck_assert_int_eq(accepted[0].frames, 0);
    ck_assert_int_eq(accepted[0].closed, 1);
    ck_assert_int_eq(accepted[0].err, ERR_CLOSED);
    ck_assert_str_eq(accepted[0].reason, "the connection broke in the middle of a frame");
    ck_assert_ptr_null(accepted[0].link);
    free(bytes);
}
END_TEST

START_TEST(test_a_reset_is_told_once)
{
    open_me();
    make_it_reset(socket_of(accepted[0].peer.address));
    side_free(&me);
    WAIT(peer_is_over);
    ck_assert_int_eq(accepted[0].closed, 1);
    ck_assert_int_eq(tls_link_send(accepted[0].link, "x", 1), ERR_CLOSED);
}
END_TEST

START_TEST(test_bytes_that_are_no_record_break_the_link)
{
    open_me();
    int fd = socket_of(accepted[0].peer.address);
    ck_assert_int_eq(write(fd, "\x17\x03\x03\x00 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 37), 37);
    WAIT(peer_is_over);
    ck_assert_int_eq(accepted[0].frames, 0);
    ck_assert_int_eq(accepted[0].err, ERR_PROTOCOL);
    side_free(&me);
}
END_TEST

START_TEST(test_a_frame_over_the_limit_cuts_the_peer_off)
{
    uint8_t *bytes = calloc(1, FRAME_MAX + 1);
    struct tls_server_params server_params = default_params();
    serve(&server_params);
    struct tls_connect_params params = to_server(id_b);
    params.limits.frame_max = FRAME_MAX + 1;
    connect_with(&me, &params);
    WAIT(is_open);
    ck_assert_int_eq(tls_link_send(me.link, bytes, FRAME_MAX), ERR_OK);
    ck_assert_int_eq(tls_link_send(me.link, bytes, FRAME_MAX + 1), ERR_OK);
    WAIT(peer_is_over);
    ck_assert_int_eq(accepted[0].frames, 1);
    ck_assert_int_eq(accepted[0].err, ERR_LIMIT);
    ck_assert_str_eq(accepted[0].reason, "the peer sent a frame larger than the limit");
    side_free(&me);
    free(bytes);
}
END_TEST

START_TEST(test_links_may_be_freed_in_their_callbacks)
{
    free_accepted_on_frame = true;
    open_me();
    me.free_on_close = true;
    ck_assert_int_eq(tls_link_send(me.link, "one", 3), ERR_OK);
    ck_assert_int_eq(tls_link_send(me.link, "two", 3), ERR_OK);
    WAIT(is_over);
    ck_assert_int_eq(accepted[0].frames, 1);
    ck_assert_int_eq(accepted[0].closed, 0); /* freed before */
    ck_assert_ptr_null(me.link);
    me = (struct side){.free_on_open = true};
    accepted_count = 0;
    accepted[0] = (struct side){0};
    connect_as(&me, id_b);
    WAIT(is_open);
    ck_assert_ptr_null(me.link);
    WAIT(peer_is_over);
}
END_TEST

START_TEST(test_a_link_freed_at_once_calls_nobody)
{
    struct tls_server_params params = default_params();
    serve(&params);
    connect_as(&me, id_b);
    ck_assert_int_eq(tls_link_send(me.link, "x", 1), ERR_AGAIN);
    side_free(&me);
    connect_as(&me, id_b);
    WAIT(is_open);
    ck_assert_int_eq(me.opened, 1);
    ck_assert_int_eq(me.closed, 0);
    side_free(&me);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_link");
    TCase *tc = tcase_create("tls_link");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 2.0 * TLS_TEST_DEADLINE_MS / 1000);
    tcase_add_test(tc, test_both_ends_know_each_other);
    tcase_add_test(tc, test_frames_of_all_sizes_come_back);
    tcase_add_test(tc, test_a_hundred_thousand_small_frames);
    tcase_add_test(tc, test_the_queue_has_a_bound);
    tcase_add_test(tc, test_protocols_are_told_apart);
    tcase_add_test(tc, test_the_last_words_arrive);
    tcase_add_test(tc, test_a_host_name_is_resolved);
    tcase_add_test(tc, test_certificates_are_reloaded_with_links_open);
    tcase_add_test(tc, test_links_outlive_their_server);
    tcase_add_test(tc, test_a_peer_that_vanishes_in_the_middle_of_a_frame);
    tcase_add_test(tc, test_a_reset_is_told_once);
    tcase_add_test(tc, test_bytes_that_are_no_record_break_the_link);
    tcase_add_test(tc, test_a_frame_over_the_limit_cuts_the_peer_off);
    tcase_add_test(tc, test_links_may_be_freed_in_their_callbacks);
    tcase_add_test(tc, test_a_link_freed_at_once_calls_nobody);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
