/* The server of TLS links: who is refused, and what strangers may cost. Links libsys, libbase,
 * libssl. */
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/tls_flood.h"
#include "tests/unit/tls_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- tests: who is refused */

START_TEST(test_a_pin_that_does_not_match)
{
    struct tls_server_params server_params = default_params();
    serve(&server_params);
    struct tls_connect_params params = to_server(id_b);
    params.pin = tls_identity_fingerprint(id_b);
    connect_with(&me, &params);
    expect_failure(ERR_REFUSED, "another key than the one of the member list");
    refusals_wanted = 1;
    WAIT(are_refused);
    ck_assert_uint_eq(tls_server_counts(server).lost, 1);
    params.pin = tls_identity_fingerprint(id_a);
    me = (struct side){0};
    connect_with(&me, &params);
    WAIT(is_open);
    ck_assert_int_eq(me.opened, 1);
    side_free(&me);
}
END_TEST

START_TEST(test_a_stranger_with_our_ca)
{
    struct tls_server_params params = default_params();
    serve(&params);
    memcpy(unknown, tls_identity_fingerprint(id_b), sizeof(unknown));
    connect_as(&me, id_b);
    expect_failure(ERR_REFUSED, "not in the peer's member list");
    ck_assert_uint_eq(tls_server_counts(server).strangers, 1);
    ck_assert_uint_eq(tls_server_counts(server).accepted, 0);
}
END_TEST

START_TEST(test_a_certificate_of_another_ca)
{
    struct tls_server_params params = default_params();
    serve(&params);
    connect_as(&me, id_stranger);
    expect_failure(ERR_REFUSED,
                   "not signed by this cluster's CA"); /* it does not trust us either */
    refusals_wanted = 1;
    WAIT(are_refused);
    tls_server_use(server, id_stranger);
    me = (struct side){0};
    connect_as(&me, id_b);
    expect_failure(ERR_REFUSED, "the peer's certificate is not signed by this cluster's CA");
}
END_TEST

static int64_t expiry_wall_s;

static bool has_expired(void)
{
    return now_wall_ms() > (expiry_wall_s + 1) * 1000;
}

START_TEST(test_a_certificate_that_expired)
{
    expiry_wall_s = now_wall_ms() / 1000 + 2;
    struct tls_identity *brief = make_identity(&ca, "brief", expiry_wall_s);
    struct tls_server_params params = default_params();
    serve(&params);
    WAIT(has_expired);
    connect_as(&me, brief);
    expect_failure(ERR_REFUSED, "this controller's certificate has expired");
    ck_assert_uint_eq(tls_server_counts(server).bad_certificates, 1);
    tls_server_use(server, brief);
    me = (struct side){0};
    connect_as(&me, id_b);
    expect_failure(ERR_REFUSED, "the peer's certificate expired on 20");
    tls_identity_free(brief);
}
END_TEST

START_TEST(test_no_common_protocol)
{
    struct tls_server_params server_params = default_params();
    serve(&server_params);
    struct tls_connect_params params = to_server(id_b);
    params.alpn = "http/1.1";
    connect_with(&me, &params);
    expect_failure(ERR_REFUSED, "no common protocol");
    ck_assert_uint_eq(tls_server_counts(server).bad_protocols, 1);
    params.alpn = "a-name-of-a-protocol-that-is-far-too-long";
    ck_assert_int_eq(tls_connect(loop, &params, &side_ops, &me, &me.link, &e), ERR_INVALID);
}
END_TEST

START_TEST(test_nobody_listens)
{
    struct tls_server_params server_params = default_params();
    serve(&server_params);
    tls_server_free(server);
    server = NULL;
    connect_as(&me, id_b);
    expect_failure(ERR_REFUSED, "refused");
}
END_TEST

START_TEST(test_a_server_that_turns_the_peer_down_late)
{
    refuse_links = true;
    struct tls_server_params params = default_params();
    serve(&params);
    connect_as(&me, id_b);
    expect_failure(ERR_CLOSED, "the other side is gone");
    ck_assert_uint_eq(tls_server_counts(server).links, 0);
}
END_TEST

/* ---- tests: what strangers send */

START_TEST(test_garbage_is_counted)
{
    static const char *const garbage[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xffhello",
                                          "\xff\xff\xff\xff\xff\xff\xff\xff"};
    struct tls_server_params params = default_params();
    serve(&params);
    for (size_t i = 0; i < 3; i++) {
        int fd = raw_connect();
        ck_assert_int_gt(write(fd, garbage[i], strlen(garbage[i])), 0);
        refusals_wanted = i + 1;
        WAIT(are_refused);
        close(fd);
    }
    ck_assert_uint_eq(tls_server_counts(server).garbage, 3);
    ck_assert_uint_eq(tls_server_counts(server).handshakes, 0);
}
END_TEST

START_TEST(test_silence_meets_the_deadline)
{
    struct tls_server_params params = default_params();
    params.limits.handshake_max_ms = 50;
    serve(&params);
    int silent = raw_connect();
    int half = raw_connect();
    ck_assert_int_eq(write(half, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 11);
    refusals_wanted = 2;
    WAIT(are_refused);
    ck_assert_uint_eq(tls_server_counts(server).timeouts, 2);
    close(silent);
    close(half);
}
END_TEST

START_TEST(test_a_silent_server_meets_the_deadline)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    port = ntohs(address.sin_port);
    struct tls_connect_params params = to_server(id_b);
    params.limits.handshake_max_ms = 50;
    connect_with(&me, &params);
    expect_failure(ERR_TIMEOUT, "no handshake within the time allowed");
    close(fd);
}
END_TEST

START_TEST(test_an_endless_hello_is_cut_off)
{
    char record[5 + 16384] = {0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x01, (char)0xff, (char)0xff};
    struct tls_server_params params = default_params();
    serve(&params);
    int fd = raw_connect();
    for (int i = 0; i < 4; i++) {
        record[5] = i == 0; /* one client hello of 128 KiB over many records */
        ck_assert_int_eq(send(fd, record, sizeof(record), MSG_NOSIGNAL), sizeof(record));
    }
    refusals_wanted = 1;
    WAIT(are_refused);
    ck_assert_uint_eq(tls_server_counts(server).garbage, 1);
    close(fd);
}
END_TEST

START_TEST(test_a_flood_of_one_source)
{
    int fds[20];
    struct tls_server_params params = default_params();
    params.per_second_max = 3;
    params.handshakes_max = 20;
    serve(&params);
    for (int i = 0; i < 20; i++)
        fds[i] = raw_connect();
    refusals_wanted = 10; /* more may enter when a second has passed meanwhile */
    WAIT(are_refused);
    ck_assert_uint_ge(tls_server_counts(server).floods, 10);
    ck_assert_uint_le(tls_server_counts(server).handshakes, 10);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
}
END_TEST

static bool may_enter(struct tls_flood *flood, const char *text, int64_t now_ms)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return tls_flood_may_enter(flood, (struct sockaddr *)&in, now_ms);
    ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return tls_flood_may_enter(flood, (struct sockaddr *)&in6, now_ms);
}

START_TEST(test_sources_are_counted_apart)
{
    struct tls_flood flood;
    tls_flood_init(&flood, 2, 12345);
    ck_assert(may_enter(&flood, "192.0.2.1", 1000));
    ck_assert(may_enter(&flood, "::ffff:192.0.2.1", 1100)); /* the same one */
    ck_assert(!may_enter(&flood, "192.0.2.1", 1200));
    ck_assert(may_enter(&flood, "192.0.2.2", 1200));
    ck_assert(!may_enter(&flood, "192.0.2.1", 1999));
    ck_assert(may_enter(&flood, "192.0.2.1", 2000));
    ck_assert(may_enter(&flood, "2001:db8::1", 2000)); /* a /64 is one source */
    ck_assert(may_enter(&flood, "2001:db8::2", 2000));
    ck_assert(!may_enter(&flood, "2001:db8::3", 2000));
    ck_assert(may_enter(&flood, "2001:db8:0:1::1", 2000));
    tls_flood_init(&flood, 0, 12345);
    for (int i = 0; i < 100; i++)
        ck_assert(may_enter(&flood, "192.0.2.1", 1000));
}
END_TEST

START_TEST(test_too_many_handshakes_and_links)
{
    int fds[10];
    struct tls_server_params params = default_params();
    params.handshakes_max = 4;
    params.links_max = 1;
    serve(&params);
    for (int i = 0; i < 10; i++)
        fds[i] = raw_connect();
    refusals_wanted = 6;
    WAIT(are_refused);
    ck_assert_uint_ge(tls_server_counts(server).too_many + tls_server_counts(server).timeouts, 6);
    ck_assert_uint_le(tls_server_counts(server).handshakes, 4);
    for (int i = 0; i < 10; i++)
        close(fds[i]);
    refusals_wanted = 10;
    WAIT(are_refused);

    struct side first = {0};
    connect_as(&me, id_b);
    WAIT(is_open);
    first = me;
    me = (struct side){0};
    refusals_wanted = refusals() + 1;
    connect_as(&me, id_b);
    WAIT(is_over_and_refused);
    ck_assert_int_eq(me.opened, 0);
    side_free(&me);
    tls_link_free(first.link);
}
END_TEST

START_TEST(test_silent_connections_keep_nobody_out)
{
    int fds[4];
    struct tls_server_params params = default_params();
    params.handshakes_max = 4;
    serve(&params);
    for (int i = 0; i < 4; i++)
        fds[i] = raw_connect();
    do { /* as a controller does: again and again */
        side_free(&me);
        me = (struct side){0};
        connect_as(&me, id_b);
        WAIT(is_open);
    } while (me.opened == 0);
    ck_assert_uint_ge(tls_server_counts(server).timeouts, 1);
    side_free(&me);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_server");
    TCase *tc = tcase_create("tls_server");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 2.0 * TLS_TEST_DEADLINE_MS / 1000);
    tcase_add_test(tc, test_a_pin_that_does_not_match);
    tcase_add_test(tc, test_a_stranger_with_our_ca);
    tcase_add_test(tc, test_a_certificate_of_another_ca);
    tcase_add_test(tc, test_a_certificate_that_expired);
    tcase_add_test(tc, test_no_common_protocol);
    tcase_add_test(tc, test_nobody_listens);
    tcase_add_test(tc, test_a_server_that_turns_the_peer_down_late);
    tcase_add_test(tc, test_garbage_is_counted);
    tcase_add_test(tc, test_silence_meets_the_deadline);
    tcase_add_test(tc, test_a_silent_server_meets_the_deadline);
    tcase_add_test(tc, test_an_endless_hello_is_cut_off);
    tcase_add_test(tc, test_a_flood_of_one_source);
    tcase_add_test(tc, test_sources_are_counted_apart);
    tcase_add_test(tc, test_too_many_handshakes_and_links);
    tcase_add_test(tc, test_silent_connections_keep_nobody_out);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
