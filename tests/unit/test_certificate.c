/* What a controller does about its own certificate: what is used, what is tried again, and what the
 * log says of its end, and how often. */
#include "orchestrator/quorum/certificate.h"

#include "orchestrator/base/log.h"
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/pki.h"
#include "orchestrator/sys/tls_identity.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DAY_S = 86400 };
static const int64_t day_ms = 86400000;

static struct pki_pair ca, own;
static struct certificate certificate;
static Ephor__Setup setup;
static struct errbuf e;
static char path[64];
static int log_fd;

/* ---------------------------------------------------------------- the log */

static void set_up(void)
{
    snprintf(path, sizeof(path), P_tmpdir "/ephor-certificate-XXXXXX");
    log_fd = mkstemp(path);
    ck_assert_int_ge(log_fd, 0);
    ck_assert_int_ge(dup2(log_fd, STDERR_FILENO), 0);
    log_init("test", LOG_LEVEL_INFO);
    ck_assert_int_eq(pki_create_ca("Ephor", &ca, &e), ERR_OK);
    certificate = (struct certificate){0};
    ephor__setup__init(&setup);
}

static void tear_down(void)
{
    certificate_close(&certificate);
    pki_pair_close(&ca);
    pki_pair_close(&own);
    close(log_fd);
    unlink(path);
}

/* How often these words were logged. */
static int said(const char *words)
{
    static char text[1 << 16];
    ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);
    int count = 0;
    text[n < 0 ? 0 : n] = '\0';
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        count++;
    return count;
}

/* ---------------------------------------------------------------- the certificate */

static void issue(int64_t from_wall_s, int64_t until_wall_s)
{
    struct pki_pair fresh;
    struct pki_request request = {.name = "c1",
                                  .key_pem = own.key_pem,
                                  .valid_from_wall_s = from_wall_s,
                                  .valid_until_wall_s = until_wall_s};
    ck_assert_msg(pki_issue(&ca, &request, &fresh, &e) == ERR_OK, "%s", e.text);
    pki_pair_close(&own);
    own = fresh;
    setup.cluster_ca = ca.cert_pem;
    setup.cluster_cert = own.cert_pem;
    setup.cluster_key = own.key_pem;
}

static Ephor__Certificate feed(void)
{
    Ephor__Certificate to = EPHOR__CERTIFICATE__INIT;
    certificate_feed(&certificate, &to);
    return to;
}

START_TEST(a_good_one_is_used_and_told)
{
    int64_t now_s = now_wall_ms() / 1000;
    struct pki_info info;
    issue(0, now_s + 100 * DAY_S);
    ck_assert(certificate_take(&certificate, &setup));
    ck_assert_int_eq(feed().expires_s, now_s + 100 * DAY_S);
    ck_assert_str_eq(feed().trouble, "");
    ck_assert_int_eq(pki_read(ca.cert_pem, &info, &e), ERR_OK);
    ck_assert_mem_eq(feed().ca.data, info.fingerprint, sizeof(info.fingerprint));
    ck_assert(!certificate_take(&certificate, &setup)); /* the same one */
    issue(0, now_s + 200 * DAY_S);
    ck_assert(certificate_take(&certificate, &setup));
    ck_assert_int_eq(feed().expires_s, now_s + 200 * DAY_S);
    ck_assert(!certificate_watch(&certificate, 0, now_s));
    ck_assert_int_eq(said("certificate"), 0);
}
END_TEST

/* Told once however often it is tried, and mended by a reload. */
START_TEST(an_expired_one_is_told_and_mended)
{
    int64_t now_s = now_wall_ms() / 1000;
    issue(now_s - 20 * DAY_S, now_s - 10 * DAY_S);
    ck_assert(!certificate_take(&certificate, &setup));
    for (int64_t s = 0; s < 100; s++)
        ck_assert(!certificate_watch(&certificate, s * 1000, now_s + s));
    ck_assert_int_eq(said("no links to other controllers: certificate: this certificate expired on "
                          "20"),
                     1);
    ck_assert_ptr_nonnull(strstr(feed().trouble, "expired on 20"));
    ck_assert_int_eq(feed().expires_s, now_s - 10 * DAY_S);
    ck_assert_uint_eq(feed().ca.len, 0);
    issue(0, 0);
    ck_assert(certificate_take(&certificate, &setup));
    ck_assert_str_eq(feed().trouble, "");
    ck_assert_int_eq(said("it can be used now"), 1);
}
END_TEST

static bool may_be_valid(int64_t from_wall_s)
{
    return now_wall_ms() >= from_wall_s * 1000;
}

/* A clock that was wrong after a boot: nobody has to do anything. */
START_TEST(one_of_the_future_is_used_when_its_time_comes)
{
    int64_t from_s = now_wall_ms() / 1000 + 2;
    issue(from_s, 0);
    ck_assert(!certificate_take(&certificate, &setup));
    ck_assert_ptr_nonnull(strstr(feed().trouble, "is a clock wrong?"));
    int64_t at_ms = 0;
    bool was_early = false;
    while (!certificate_watch(&certificate, at_ms += 5000, now_wall_ms() / 1000)) {
        was_early |= !may_be_valid(from_s);
        ck_assert_int_lt(now_wall_ms(), (from_s + 30) * 1000);
        usleep(10000);
    }
    ck_assert(was_early && may_be_valid(from_s));
    ck_assert_str_eq(feed().trouble, "");
    ck_assert_int_eq(said("is a clock wrong?"), 1);
    ck_assert_int_eq(said("it can be used now"), 1);
}
END_TEST

START_TEST(a_worse_one_does_not_replace_a_good_one)
{
    char trouble[] = "controller.crt: cannot open", empty[] = "";
    int64_t now_s = now_wall_ms() / 1000;
    issue(0, now_s + 100 * DAY_S);
    ck_assert(certificate_take(&certificate, &setup));
    issue(now_s - 20 * DAY_S, now_s - 10 * DAY_S);
    ck_assert(!certificate_take(&certificate, &setup));
    ck_assert_int_eq(feed().expires_s, now_s + 100 * DAY_S);
    ck_assert_int_eq(said("the one before stays in use: certificate: this certificate expired"), 1);
    setup.cluster_ca = setup.cluster_cert = setup.cluster_key = empty;
    setup.cluster_trouble = trouble;
    ck_assert(!certificate_take(&certificate, &setup));
    ck_assert(!certificate_take(&certificate, &setup));
    ck_assert_int_eq(said("the one before stays in use: controller.crt: cannot open"), 1);
    ck_assert_str_eq(feed().trouble, trouble);
    ck_assert_int_eq(feed().expires_s, now_s + 100 * DAY_S);
}
END_TEST

START_TEST(without_any_there_is_only_the_trouble)
{
    char trouble[] = "/etc/ephor/cluster: 'controller.key' is open to others";
    setup.cluster_trouble = trouble;
    ck_assert(!certificate_take(&certificate, &setup));
    ck_assert(!certificate_watch(&certificate, 0, now_wall_ms() / 1000));
    ck_assert_int_eq(said("no links to other controllers: /etc/ephor/cluster: 'controller.key'"),
                     1);
    ck_assert_int_eq(feed().expires_s, 0);
    setup.cluster_trouble = (char *)(uintptr_t) "";
    issue(0, 0);
    ck_assert(certificate_take(&certificate, &setup));
    ck_assert_str_eq(feed().trouble, "");
}
END_TEST

/* Every second from 40 days before the end until 2 after it would take long: every quarter of a
 * day does. */
START_TEST(its_end_is_told_once_a_day)
{
    int64_t now_s = now_wall_ms() / 1000, end_s = now_s + 40 * DAY_S;
    issue(0, end_s);
    ck_assert(certificate_take(&certificate, &setup));
    for (int64_t quarter = 0; quarter < (int64_t)40 * 4; quarter++) {
        certificate_watch(&certificate, quarter * day_ms / 4, now_s + quarter * DAY_S / 4);
        if (quarter == 10 * 4)
            ck_assert_int_eq(said("certificate ends in"), 0);
        if (quarter == 20 * 4) /* days 10 to 20, the first one begins late by a quarter */
            ck_assert_int_eq(said("certificate ends in"), 10);
    }
    ck_assert_int_eq(said("certificate ends in"), 30);
    ck_assert_int_eq(
        said("error   test: certificate: this controller's certificate ends in 6 days: "
             "renew it (ephorctl cluster renew)"),
        1);
    ck_assert_int_eq(said("warning test: certificate: this controller's certificate ends in"), 23);
    certificate_watch(&certificate, 50 * day_ms, end_s + 1);
    ck_assert_int_eq(said("has ended"), 1);
    ck_assert(!certificate_take(&certificate, &setup)); /* a reload is no reason to tell it again */
    certificate_watch(&certificate, 50 * day_ms + 1000, end_s + 2);
    ck_assert_int_eq(said("has ended"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("certificate");
    TCase *tc = tcase_create("certificate");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_good_one_is_used_and_told);
    tcase_add_test(tc, an_expired_one_is_told_and_mended);
    tcase_add_test(tc, one_of_the_future_is_used_when_its_time_comes);
    tcase_add_test(tc, a_worse_one_does_not_replace_a_good_one);
    tcase_add_test(tc, without_any_there_is_only_the_trouble);
    tcase_add_test(tc, its_end_is_told_once_a_day);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
