/* The directory that makes a controller part of a cluster: founding, bundles, joining, and every
 * way in which it can be wrong. Real keys and certificates. */
#include "orchestrator/sys/cluster_files.h"

#include "orchestrator/sys/pki_file.h"
#include "orchestrator/sys/tls_identity.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64], first[96], second[96];
static struct errbuf e;

static void set_up(void)
{
    snprintf(base, sizeof(base), P_tmpdir "/ephor-files-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(first, sizeof(first), "%s/first", base);
    snprintf(second, sizeof(second), "%s/second", base);
    e.text[0] = '\0';
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void tear_down(void)
{
    nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static mode_t mode_of(const char *dir, const char *name)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_mode & 0777;
}

/* A bundle of the first cluster for another controller. */
static char *bundle_for(const char *name, const char *address)
{
    struct cluster_files own, files = {.joins = true, .is_witness = true};
    struct pki_pair pair;
    struct pki_info info;
    ck_assert_int_eq(cluster_files_read(first, &own, &e), ERR_OK);
    ck_assert_int_eq(cluster_files_issue(first, name, &pair, &e), ERR_OK);
    ck_assert_int_eq(pki_read(pair.cert_pem, &info, &e), ERR_OK);
    files.cluster = own.cluster;
    files.self.id = 2;
    snprintf(files.self.name, sizeof(files.self.name), "%s", name);
    snprintf(files.self.address, sizeof(files.self.address), "%s", address);
    memcpy(files.self.fingerprint, info.fingerprint, sizeof(info.fingerprint));
    files.contacts[files.contact_count++] = own.self;
    files.ca_pem = own.ca_pem;
    files.cert_pem = pair.cert_pem;
    files.key_pem = pair.key_pem;
    char *text = cluster_bundle_text(&files);
    ck_assert_ptr_nonnull(text);
    pki_pair_close(&pair);
    cluster_files_close(&own);
    return text;
}

START_TEST(a_founder_is_written_and_read)
{
    struct cluster_files files;
    struct tls_identity *identity;
    ck_assert_int_eq(cluster_files_found(first, "c1", "192.0.2.1", &e), ERR_OK);
    ck_assert_int_eq(mode_of(first, ""), 0700);
    ck_assert_int_eq(mode_of(first, "ca.key"), 0600);
    ck_assert_int_eq(mode_of(first, "controller.key"), 0600);
    ck_assert_int_eq(mode_of(first, "cluster.json"), 0644);
    ck_assert_int_eq(cluster_files_read(first, &files, &e), ERR_OK);
    ck_assert_uint_ne(files.cluster, 0);
    ck_assert(!files.joins);
    ck_assert(!files.is_witness);
    ck_assert_uint_eq(files.self.id, 1);
    ck_assert_str_eq(files.self.address, "192.0.2.1:7473");
    ck_assert_int_eq(tls_identity_load(files.ca_pem, files.cert_pem, files.key_pem, &identity, &e),
                     ERR_OK);
    ck_assert_mem_eq(tls_identity_fingerprint(identity), files.self.fingerprint, 32);
    tls_identity_free(identity);
    cluster_files_close(&files);
    ck_assert_int_eq(cluster_files_found(first, "c1", "192.0.2.1", &e), ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(e.text, "belongs to a cluster already"));
}
END_TEST

START_TEST(no_directory_is_no_cluster)
{
    struct cluster_files files;
    ck_assert_int_eq(cluster_files_read(first, &files, &e), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_bundle_makes_another_controller)
{
    struct cluster_files files;
    ck_assert_int_eq(cluster_files_found(first, "c1", "c1.example.org:99", &e), ERR_OK);
    char *text = bundle_for("c2", "[2001:db8::2]:7473");
    ck_assert_int_eq(cluster_bundle_unpack(second, text, &e), ERR_OK);
    ck_assert_int_eq(mode_of(second, "controller.key"), 0600);
    ck_assert_int_eq(cluster_files_read(second, &files, &e), ERR_OK);
    ck_assert(files.joins);
    ck_assert(files.is_witness);
    ck_assert_uint_eq(files.self.id, 2);
    ck_assert_str_eq(files.self.address, "[2001:db8::2]:7473");
    ck_assert_uint_eq(files.contact_count, 1);
    ck_assert_str_eq(files.contacts[0].address, "c1.example.org:99");
    cluster_files_close(&files);
    ck_assert_int_eq(cluster_bundle_unpack(second, text, &e), ERR_EXISTS);
    struct pki_pair pair;
    ck_assert_int_eq(cluster_files_issue(second, "c3", &pair, &e), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(e.text, "where the cluster was founded"));
    pki_text_free(text);
}
END_TEST

/* Cut anywhere it is refused, and nothing is left that counts. */
START_TEST(a_bundle_is_taken_whole_or_not_at_all)
{
    ck_assert_int_eq(cluster_files_found(first, "c1", "192.0.2.1", &e), ERR_OK);
    char *text = bundle_for("c2", "192.0.2.2:7473");
    size_t size = strlen(text);
    struct cluster_files files;
    for (size_t cut = 0; cut + 2 < size; cut += 37) {
        char *part = strndup(text, cut);
        ck_assert_int_lt(cluster_bundle_unpack(second, part, &e), 0);
        ck_assert_int_eq(cluster_files_read(second, &files, &e), ERR_NOT_FOUND);
        free(part);
    }
    ck_assert_int_eq(cluster_bundle_unpack(second, text, &e), ERR_OK);
    pki_text_free(text);
}
END_TEST

static void put(const char *dir, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void expect_wrong(const char *json, const char *words)
{
    struct cluster_files files;
    put(first, "cluster.json", json);
    ck_assert_int_lt(cluster_files_read(first, &files, &e), 0);
    ck_assert_msg(strstr(e.text, words) != NULL, "'%s' is not in '%s'", words, e.text);
}

START_TEST(what_is_wrong_is_named)
{
#define FINGERPRINT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define REST "\"joins\": false, \"id\": 1, \"name\": \"c1\", \"members\": []"
    ck_assert_int_eq(cluster_files_found(first, "c1", "192.0.2.1", &e), ERR_OK);
    expect_wrong("", "cluster.json: line");
    expect_wrong("[]", "cluster.json: line");
    expect_wrong("{\"format\": 2}", "'format' has to be 1");
    expect_wrong("{\"format\": 1, \"cluster\": \"12\"}", "'cluster' has to be 16 hexadecimal");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000000\"}", "other than 0");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\"}", "'joins' has to be");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", \"witness\": 1, " REST "}",
                 "'witness' has to be");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", " REST "}",
                 "'address' has to be HOST:PORT");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", " REST
                 ", \"address\": \"a:1\", \"fingerprint\": \"12\"}",
                 "'fingerprint' has to be 64");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", " REST
                 ", \"address\": \"a:1\", \"fingerprint\": \"" FINGERPRINT "\"}",
                 "not the certificate that cluster.json tells of");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", \"joins\": false, \"id\": 1, "
                 "\"name\": \"c1\", \"address\": \"a:1\", \"fingerprint\": \"" FINGERPRINT
                 "\", \"members\": [ {\"id\": 0} ]}",
                 "members: number 1: 'id' has to be");
}
END_TEST

START_TEST(a_key_that_others_may_read_is_refused)
{
    struct cluster_files files;
    char path[160];
    ck_assert_int_eq(cluster_files_found(first, "c1", "192.0.2.1", &e), ERR_OK);
    snprintf(path, sizeof(path), "%s/controller.key", first);
    chmod(path, 0640);
    ck_assert_int_eq(cluster_files_read(first, &files, &e), ERR_DENIED);
    ck_assert_ptr_nonnull(strstr(e.text, "chmod 600"));
}
END_TEST

START_TEST(renewal_keeps_the_key)
{
    struct cluster_files before, after;
    ck_assert_int_eq(cluster_files_found(first, "c1", "192.0.2.1", &e), ERR_OK);
    ck_assert_int_eq(cluster_files_read(first, &before, &e), ERR_OK);
    ck_assert_int_eq(cluster_files_renew(first, &e), ERR_OK);
    ck_assert_int_eq(cluster_files_read(first, &after, &e), ERR_OK);
    ck_assert_str_ne(before.cert_pem, after.cert_pem);
    ck_assert_str_eq(before.key_pem, after.key_pem);
    cluster_files_close(&before);
    cluster_files_close(&after);
}
END_TEST

START_TEST(addresses_as_people_write_them)
{
    char address[CLUSTER_ADDRESS_SIZE];
    ck_assert(cluster_address(address, "host"));
    ck_assert_str_eq(address, "host:7473");
    ck_assert(cluster_address(address, "10.0.0.1:80"));
    ck_assert_str_eq(address, "10.0.0.1:80");
    ck_assert(cluster_address(address, "2001:db8::1"));
    ck_assert_str_eq(address, "[2001:db8::1]:7473");
    ck_assert(cluster_address(address, "[2001:db8::1]:80"));
    ck_assert_str_eq(address, "[2001:db8::1]:80");
    static const char *const wrong[] = {"",       ":80", "host:",    "host:0", "host:70000",
                                        "host:x", "a b", "http://a", "u@h",    "a\"b"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!cluster_address(address, wrong[i]), "'%s'", wrong[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cluster_files");
    TCase *tc = tcase_create("files");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_founder_is_written_and_read);
    tcase_add_test(tc, no_directory_is_no_cluster);
    tcase_add_test(tc, a_bundle_makes_another_controller);
    tcase_add_test(tc, a_bundle_is_taken_whole_or_not_at_all);
    tcase_add_test(tc, what_is_wrong_is_named);
    tcase_add_test(tc, a_key_that_others_may_read_is_refused);
    tcase_add_test(tc, renewal_keeps_the_key);
    tcase_add_test(tc, addresses_as_people_write_them);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
