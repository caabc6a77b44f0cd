/* Certificates: what is made, what is read again, files, bundles, identities. Links libsys,
 * libbase, libcrypto. */
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/pki.h"
#include "orchestrator/sys/pki_file.h"
#include "orchestrator/sys/tls_identity.h"

#include <check.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAY_S = 86400, PATH_SIZE = 256 };

static char folder[64];
static char ca_path[PATH_SIZE], cert_path[PATH_SIZE], key_path[PATH_SIZE];
static struct pki_pair ca, own;
static struct errbuf e;

static void issue(const struct pki_pair *by, const char *name, struct pki_pair *pair)
{
    struct pki_request request = {.name = name};
    ck_assert_msg(pki_issue(by, &request, pair, &e) == ERR_OK, "%s", e.text);
}

static void write_file(const char *path, enum pki_file kind, const char *text)
{
    ck_assert_msg(pki_file_write(path, kind, text, &e) == ERR_OK, "%s", e.text);
}

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ephor-pki-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", folder);
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", folder);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    ck_assert_int_eq(pki_create_ca("test CA", &ca, &e), ERR_OK);
    issue(&ca, "ctl-a", &own);
    write_file(ca_path, PKI_FILE_PUBLIC, ca.cert_pem);
    write_file(cert_path, PKI_FILE_PUBLIC, own.cert_pem);
    write_file(key_path, PKI_FILE_SECRET, own.key_pem);
}

static void teardown(void)
{
    unlink(ca_path);
    unlink(cert_path);
    unlink(key_path);
    ck_assert_int_eq(rmdir(folder), 0); /* no temporary file was left behind */
    pki_pair_close(&ca);
    pki_pair_close(&own);
}

static X509 *parse(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    ck_assert_ptr_nonnull(cert);
    BIO_free(bio);
    return cert;
}

START_TEST(test_a_ca_signs_for_twenty_years)
{
    struct pki_info info;
    int64_t now_s = now_wall_ms() / 1000;
    ck_assert_int_eq(pki_read(ca.cert_pem, &info, &e), ERR_OK);
    ck_assert(info.is_ca);
    ck_assert_str_eq(info.name, "test CA");
    ck_assert_int_le(info.starts_wall_s, now_s);
    ck_assert_int_ge(info.expires_wall_s, now_s + 20 * 365 * (int64_t)DAY_S - 60);
    X509 *cert = parse(ca.cert_pem);
    ck_assert_uint_eq(X509_get_key_usage(cert), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    ck_assert_int_eq(X509_get_pathlen(cert), 0);
    X509_free(cert);
}
END_TEST

START_TEST(test_a_member_certificate_has_its_extensions)
{
    X509 *cert = parse(own.cert_pem);
    X509 *issuer = parse(ca.cert_pem);
    ck_assert_int_eq(X509_get_version(cert), X509_VERSION_3);
    ck_assert_int_eq(X509_check_ca(cert), 0);
    ck_assert_uint_eq(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
    ck_assert_uint_eq(X509_get_extended_key_usage(cert), XKU_SSL_SERVER | XKU_SSL_CLIENT);
    ck_assert_ptr_nonnull(X509_get0_subject_key_id(cert));
    ck_assert_int_eq(
        ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(cert), X509_get0_subject_key_id(issuer)),
        0);
    ck_assert_int_eq(X509_check_issued(issuer, cert), X509_V_OK);
    ck_assert_int_eq(X509_verify(cert, X509_get0_pubkey(issuer)), 1);
    ck_assert_int_eq(EVP_PKEY_get_bits(X509_get0_pubkey(cert)), 256);
    ck_assert_int_ge(ASN1_STRING_length(X509_get0_serialNumber(cert)), 15);
    X509_free(cert);
    X509_free(issuer);
}
END_TEST

START_TEST(test_a_member_lives_five_years_or_as_long_as_asked)
{
    struct pki_info info;
    struct pki_pair pair;
    int64_t now_s = now_wall_ms() / 1000;
    ck_assert_int_eq(pki_read(own.cert_pem, &info, &e), ERR_OK);
    ck_assert_int_le(info.expires_wall_s, now_s + 5 * 365 * (int64_t)DAY_S);
    ck_assert_int_ge(info.expires_wall_s, now_s + 5 * 365 * (int64_t)DAY_S - 60);
    struct pki_request request = {
        .name = "short", .valid_from_wall_s = now_s - 100, .valid_until_wall_s = now_s + 100};
    ck_assert_int_eq(pki_issue(&ca, &request, &pair, &e), ERR_OK);
    ck_assert_int_eq(pki_read(pair.cert_pem, &info, &e), ERR_OK);
    ck_assert_int_eq(info.starts_wall_s, now_s - 100);
    ck_assert_int_eq(info.expires_wall_s, now_s + 100);
    pki_pair_close(&pair);
    request.valid_until_wall_s = now_s + 100 * 365 * (int64_t)DAY_S; /* longer than the CA */
    ck_assert_int_eq(pki_issue(&ca, &request, &pair, &e), ERR_OK);
    ck_assert_int_eq(pki_read(pair.cert_pem, &info, &e), ERR_OK);
    ck_assert_int_lt(info.expires_wall_s, now_s + 21 * 365 * (int64_t)DAY_S);
    pki_pair_close(&pair);
    request.valid_until_wall_s = now_s - 200;
    ck_assert_int_eq(pki_issue(&ca, &request, &pair, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "ends before it starts"));
}
END_TEST

START_TEST(test_renewing_keeps_the_fingerprint)
{
    struct pki_info before, after, other;
    struct pki_pair renewed, another;
    struct pki_request request = {.name = "ctl-a", .key_pem = own.key_pem};
    ck_assert_int_eq(pki_issue(&ca, &request, &renewed, &e), ERR_OK);
    issue(&ca, "ctl-a", &another);
    ck_assert_int_eq(pki_read(own.cert_pem, &before, &e), ERR_OK);
    ck_assert_int_eq(pki_read(renewed.cert_pem, &after, &e), ERR_OK);
    ck_assert_int_eq(pki_read(another.cert_pem, &other, &e), ERR_OK);
    ck_assert_mem_eq(before.fingerprint, after.fingerprint, PKI_FINGERPRINT_SIZE);
    ck_assert_mem_ne(before.fingerprint, other.fingerprint, PKI_FINGERPRINT_SIZE);
    ck_assert_str_ne(renewed.cert_pem, own.cert_pem);
    pki_pair_close(&renewed);
    pki_pair_close(&another);
}
END_TEST

START_TEST(test_what_cannot_sign_is_refused)
{
    struct pki_pair pair, other;
    struct pki_request request = {.name = "x"};
    ck_assert_int_eq(pki_issue(&own, &request, &pair, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "not one of a CA"));
    ck_assert_ptr_null(pair.cert_pem);
    ck_assert_int_eq(pki_create_ca("another", &other, &e), ERR_OK);
    struct pki_pair mixed = {.cert_pem = ca.cert_pem, .key_pem = other.key_pem};
    ck_assert_int_eq(pki_issue(&mixed, &request, &pair, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "does not belong"));
    char hello[] = "hello";
    struct pki_pair garbage = {.cert_pem = hello, .key_pem = hello};
    ck_assert_int_eq(pki_issue(&garbage, &request, &pair, &e), ERR_INVALID);
    request.name = "";
    ck_assert_int_eq(pki_issue(&ca, &request, &pair, &e), ERR_INVALID);
    pki_pair_close(&other);
}
END_TEST

START_TEST(test_a_fingerprint_is_64_digits)
{
    struct pki_info info;
    char text[PKI_FINGERPRINT_TEXT_SIZE];
    uint8_t from_file[PKI_FINGERPRINT_SIZE], again[PKI_FINGERPRINT_SIZE];
    ck_assert_int_eq(pki_read(own.cert_pem, &info, &e), ERR_OK);
    ck_assert_int_eq(pki_fingerprint_of_cert(cert_path, from_file, &e), ERR_OK);
    ck_assert_mem_eq(info.fingerprint, from_file, sizeof(from_file));
    ck_assert_uint_eq(strlen(pki_fingerprint_text(text, from_file)), 64);
    ck_assert(pki_fingerprint_parse(text, again));
    ck_assert_mem_eq(again, from_file, sizeof(again));
    text[0] = 'g';
    ck_assert(!pki_fingerprint_parse(text, again));
    ck_assert(!pki_fingerprint_parse("12", again));
    ck_assert_int_ne(pki_fingerprint_of_cert(key_path, from_file, &e), ERR_OK);
    ck_assert_ptr_nonnull(strstr(e.text, "not a certificate"));
}
END_TEST

START_TEST(test_files_have_their_modes_and_are_never_overwritten)
{
    struct stat st;
    ck_assert_int_eq(stat(key_path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(stat(cert_path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0644);
    ck_assert_int_eq(pki_file_write(key_path, PKI_FILE_SECRET, "x", &e), ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(e.text, "exists already and is not overwritten"));
    char *text = pki_file_read(key_path, &e);
    ck_assert_str_eq(text, own.key_pem);
    pki_text_free(text);
    write_file(cert_path, PKI_FILE_RENEWED, ca.cert_pem);
    text = pki_file_read(cert_path, &e);
    ck_assert_str_eq(text, ca.cert_pem);
    pki_text_free(text);
    ck_assert_int_eq(pki_file_write("/nonexistent/x", PKI_FILE_PUBLIC, "x", &e), ERR_NOT_FOUND);
    ck_assert_ptr_null(pki_file_read("/dev/zero", &e));
    ck_assert_ptr_nonnull(strstr(e.text, "not a regular file"));
}
END_TEST

START_TEST(test_a_bundle_comes_apart_as_it_was)
{
    struct pki_bundle bundle = {.ca_cert_pem = ca.cert_pem, .own = own}, read;
    char *text = pki_bundle_text(&bundle);
    ck_assert_msg(pki_bundle_parse(text, &read, &e) == ERR_OK, "%s", e.text);
    ck_assert_str_eq(read.ca_cert_pem, ca.cert_pem);
    ck_assert_str_eq(read.own.cert_pem, own.cert_pem);
    ck_assert_str_eq(read.own.key_pem, own.key_pem);
    pki_bundle_close(&read);
    for (size_t size = strlen(text); size-- > 0;) { /* cut anywhere: an error, never a crash */
        text[size] = '\0';
        if (size % 7 == 0 && pki_bundle_parse(text, &read, &e) == ERR_OK) {
            ck_assert_uint_ge(size + 2,
                              strlen(ca.cert_pem) + strlen(own.cert_pem) + strlen(own.key_pem));
            pki_bundle_close(&read);
        }
    }
    pki_text_free(text);
}
END_TEST

START_TEST(test_a_bundle_of_parts_that_do_not_belong_together)
{
    struct pki_pair other_ca, other;
    struct pki_bundle read;
    char nothing[] = "";
    ck_assert_int_eq(pki_create_ca("test CA", &other_ca, &e), ERR_OK); /* of the same name */
    issue(&ca, "ctl-b", &other);
    const struct {
        struct pki_bundle bundle;
        const char *says;
    } cases[] = {
        {{other_ca.cert_pem, own}, "not signed by the CA"},
        {{ca.cert_pem, {own.cert_pem, other.key_pem}}, "the key does not belong"},
        {{own.cert_pem, own}, "not one of a CA"},
        {{ca.cert_pem, {own.cert_pem, nothing}}, "two certificates"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = pki_bundle_text(&cases[i].bundle);
        ck_assert_int_eq(pki_bundle_parse(text, &read, &e), ERR_INVALID);
        ck_assert_msg(strstr(e.text, cases[i].says) != NULL, "%s", e.text);
        ck_assert_ptr_null(read.ca_cert_pem);
        pki_text_free(text);
    }
    pki_pair_close(&other_ca);
    pki_pair_close(&other);
}
END_TEST

static void expect_refused(const char *says)
{
    struct tls_identity *identity;
    ck_assert_int_ne(tls_identity_open(ca_path, cert_path, key_path, &identity, &e), ERR_OK);
    ck_assert_msg(strstr(e.text, says) != NULL, "'%s' is not in: %s", says, e.text);
    ck_assert_ptr_null(identity);
}

START_TEST(test_an_identity_knows_itself)
{
    struct pki_info info;
    struct tls_identity *identity;
    ck_assert_msg(tls_identity_open(ca_path, cert_path, key_path, &identity, &e) == ERR_OK, "%s",
                  e.text);
    ck_assert_int_eq(pki_read(own.cert_pem, &info, &e), ERR_OK);
    ck_assert_mem_eq(tls_identity_fingerprint(identity), info.fingerprint, PKI_FINGERPRINT_SIZE);
    ck_assert_int_eq(tls_identity_expires_wall_s(identity), info.expires_wall_s);
    ck_assert_str_eq(tls_identity_name(identity), "ctl-a");
    tls_identity_free(tls_identity_keep(identity));
    tls_identity_free(identity);
}
END_TEST

START_TEST(test_an_identity_that_cannot_work_is_refused)
{
    struct pki_pair other_ca, other;
    int64_t now_s = now_wall_ms() / 1000;
    struct pki_request expired = {.name = "x",
                                  .valid_from_wall_s = now_s - 10 * DAY_S,
                                  .valid_until_wall_s = now_s - 9 * DAY_S};
    struct pki_request future = {.name = "x", .valid_from_wall_s = now_s + 9 * DAY_S};

    chmod(key_path, 0640);
    expect_refused("chmod 600");
    chmod(key_path, 0600);

    ck_assert_int_eq(pki_create_ca("test CA", &other_ca, &e), ERR_OK);
    issue(&other_ca, "ctl-a", &other);
    write_file(cert_path, PKI_FILE_RENEWED, other.cert_pem);
    expect_refused("not signed by this cluster's CA");
    pki_pair_close(&other);
    pki_pair_close(&other_ca);

    issue(&ca, "ctl-a", &other);
    write_file(cert_path, PKI_FILE_RENEWED, other.cert_pem);
    expect_refused("not the key of the certificate");
    pki_pair_close(&other);

    ck_assert_int_eq(pki_issue(&ca, &expired, &other, &e), ERR_OK);
    write_file(cert_path, PKI_FILE_RENEWED, other.cert_pem);
    expect_refused("this certificate expired on 20");
    pki_pair_close(&other);

    ck_assert_int_eq(pki_issue(&ca, &future, &other, &e), ERR_OK);
    write_file(cert_path, PKI_FILE_RENEWED, other.cert_pem);
    expect_refused("this certificate is not valid before 20");
    pki_pair_close(&other);

    write_file(cert_path, PKI_FILE_RENEWED, "nothing");
    expect_refused("not a certificate in PEM form");
    write_file(cert_path, PKI_FILE_RENEWED, own.cert_pem);
    write_file(ca_path, PKI_FILE_RENEWED, own.cert_pem);
    expect_refused("not one of a CA");
    unlink(ca_path);
    expect_refused("ca.pem': No such file");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pki");
    TCase *tc = tcase_create("pki");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_a_ca_signs_for_twenty_years);
    tcase_add_test(tc, test_a_member_certificate_has_its_extensions);
    tcase_add_test(tc, test_a_member_lives_five_years_or_as_long_as_asked);
    tcase_add_test(tc, test_renewing_keeps_the_fingerprint);
    tcase_add_test(tc, test_what_cannot_sign_is_refused);
    tcase_add_test(tc, test_a_fingerprint_is_64_digits);
    tcase_add_test(tc, test_files_have_their_modes_and_are_never_overwritten);
    tcase_add_test(tc, test_a_bundle_comes_apart_as_it_was);
    tcase_add_test(tc, test_a_bundle_of_parts_that_do_not_belong_together);
    tcase_add_test(tc, test_an_identity_knows_itself);
    tcase_add_test(tc, test_an_identity_that_cannot_work_is_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
