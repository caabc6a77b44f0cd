/* The directory that makes a controller part of a cluster: founding, bundles, joining, and every
 * way in which it can be wrong. Real keys and certificates. */
#include "orchestrator/sys/cluster_files.h"

#include "orchestrator/sys/now.h"
#include "orchestrator/sys/pki_file.h"
#include "orchestrator/sys/tls_identity.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAY_S = 86400 };

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

static bool is_there(const char *dir, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static mode_t mode_of(const char *dir, const char *name)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_mode & 0777;
}

/* A bundle of the first cluster for another controller; without an address it is an observer. */
static char *bundle_for(const char *name, const char *address)
{
    bool is_observer = address[0] == '\0';
    struct cluster_files own,
        files = {.joins = true, .is_witness = !is_observer, .is_observer = is_observer};
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
    ck_assert(!files.is_witness && !files.is_observer);
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
    ck_assert(files.is_witness && !files.is_observer);
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

/* It connects to all, and nobody to it. */
START_TEST(a_bundle_makes_an_observer)
{
    struct cluster_files files;
    struct pki_info info;
    ck_assert_int_eq(cluster_files_found(first, "c1", "c1.example.org:99", &e), ERR_OK);
    char *text = bundle_for("o1", "");
    ck_assert_ptr_nonnull(strstr(text, "all that observer o1 needs"));
    ck_assert_msg(cluster_bundle_unpack(second, text, &e) == ERR_OK, "%s", e.text);
    ck_assert_msg(cluster_files_read(second, &files, &e) == ERR_OK, "%s", e.text);
    ck_assert(files.is_observer && !files.is_witness);
    ck_assert_uint_eq(files.self.id, 2);
    ck_assert_str_eq(files.self.name, "o1");
    ck_assert_str_eq(files.self.address, "");
    ck_assert_uint_eq(files.contact_count, 1);
    ck_assert_str_eq(files.contacts[0].address, "c1.example.org:99");
    cluster_files_close(&files);
    char path[160];
    snprintf(path, sizeof(path), "%s/ca.key", first);
    char *key = pki_file_read(path, &e);
    struct cluster_renewal how = {.ca_key_pem = key};
    ck_assert_msg(cluster_files_renew(second, &how, &info, &e) == ERR_OK, "%s", e.text);
    pki_text_free(key);
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
                 ", \"address\": \"\", \"fingerprint\": \"" FINGERPRINT "\"}",
                 "'address' has to be HOST:PORT");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", \"observer\": 1, " REST "}",
                 "'observer' has to be true");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", \"observer\": true, "
                 "\"witness\": true, " REST "}",
                 "'observer' has to be false: it is a witness");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", \"observer\": true, " REST
                 ", \"address\": \"a:1\", \"fingerprint\": \"" FINGERPRINT "\"}",
                 "'address' has to be empty");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", \"observer\": true, " REST
                 ", \"fingerprint\": \"" FINGERPRINT "\"}",
                 "'members' has to be a list of the controllers");
    expect_wrong("{\"format\": 1, \"cluster\": \"0000000000000001\", \"observer\": true, "
                 "\"joins\": true, \"id\": 1001, \"name\": \"o1\", \"fingerprint\": \"" FINGERPRINT
                 "\", \"members\": [ {\"id\": 1, \"name\": \"c1\"} ]}",
                 "members: number 1: 'address' has to be HOST:PORT");
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

/* ---------------------------------------------------------------- renewal */

static char *get(const char *dir, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    char *text = pki_file_read(path, &e);
    ck_assert_msg(text != NULL, "%s", e.text);
    return text;
}

static void found_and_join(void)
{
    ck_assert_int_eq(cluster_files_found(first, "c1", "192.0.2.1", &e), ERR_OK);
    char *text = bundle_for("c2", "192.0.2.2:7473");
    ck_assert_int_eq(cluster_bundle_unpack(second, text, &e), ERR_OK);
    pki_text_free(text);
}

/* ephord can use the directory; who trusts `by` trusts its certificate. */
static bool is_usable(const char *dir, const char *by)
{
    struct cluster_files files;
    struct tls_identity *identity = NULL;
    ck_assert_msg(cluster_files_read(dir, &files, &e) == ERR_OK, "%s", e.text);
    char *trust = get(by, "ca.crt");
    int err = tls_identity_load(trust, files.cert_pem, files.key_pem, &identity, &e);
    tls_identity_free(identity);
    pki_text_free(trust);
    cluster_files_close(&files);
    return err == ERR_OK;
}

static void renew(const char *dir, const char *ca_key_of)
{
    struct pki_info info;
    char *key = ca_key_of == NULL ? NULL : get(ca_key_of, "ca.key");
    struct cluster_renewal how = {.ca_key_pem = key};
    ck_assert_msg(cluster_files_renew(dir, &how, &info, &e) == ERR_OK, "%s", e.text);
    pki_text_free(key);
}

START_TEST(renewal_keeps_the_key)
{
    struct cluster_files before, after;
    struct pki_info info;
    ck_assert_int_eq(cluster_files_found(first, "c1", "192.0.2.1", &e), ERR_OK);
    ck_assert_int_eq(cluster_files_read(first, &before, &e), ERR_OK);
    ck_assert_int_eq(cluster_files_renew(first, &(struct cluster_renewal){.days = 3}, &info, &e),
                     ERR_OK);
    ck_assert_int_eq(cluster_files_read(first, &after, &e), ERR_OK);
    ck_assert_str_ne(before.cert_pem, after.cert_pem);
    ck_assert_str_eq(before.key_pem, after.key_pem);
    ck_assert_mem_eq(info.fingerprint, before.self.fingerprint, sizeof(info.fingerprint));
    int64_t left_s = info.expires_wall_s - now_wall_ms() / 1000;
    ck_assert_int_le(left_s, 3 * DAY_S);
    ck_assert_int_ge(left_s, 3 * DAY_S - 60);
    cluster_files_close(&before);
    cluster_files_close(&after);
    ck_assert_int_eq(cluster_files_renew(second, &(struct cluster_renewal){0}, &info, &e),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "has no cluster.json"));
}
END_TEST

/* Where there is no ca.key, with one from elsewhere; a wrong one changes nothing. */
START_TEST(any_controller_can_be_renewed)
{
    struct pki_pair other;
    struct pki_info info;
    char hello[] = "hello";
    found_and_join();
    char *before = get(second, "controller.crt");
    ck_assert_int_eq(cluster_files_renew(second, &(struct cluster_renewal){0}, &info, &e),
                     ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(e.text, "has no ca.key"));
    ck_assert_int_eq(pki_create_ca("Ephor", &other, &e), ERR_OK); /* of the same name */
    struct cluster_renewal how = {.ca_key_pem = other.key_pem};
    ck_assert_int_eq(cluster_files_renew(second, &how, &info, &e), ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(e.text, "the key of no CA that is trusted here"));
    how.ca_key_pem = hello;
    ck_assert_int_eq(cluster_files_renew(second, &how, &info, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "not a private key in PEM form"));
    char *after = get(second, "controller.crt");
    ck_assert_str_eq(before, after);
    pki_text_free(after);
    renew(second, first);
    after = get(second, "controller.crt");
    ck_assert_str_ne(before, after);
    ck_assert(is_usable(second, first));
    ck_assert(!is_there(second, "ca.key"));
    pki_text_free(before);
    pki_text_free(after);
    pki_pair_close(&other);
}
END_TEST

START_TEST(renewal_mends_a_certificate_that_is_of_no_use)
{
    char path[160];
    struct cluster_files files;
    struct pki_pair other;
    struct pki_info info;
    found_and_join();
    put(second, "controller.crt", "what is this?");
    ck_assert_int_eq(cluster_files_open(second, &files, &e), ERR_OK);
    ck_assert_int_eq(cluster_files_certify(second, &files, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "controller.crt: not a certificate"));
    ck_assert_uint_eq(files.self.id, 2); /* it still knows who it is */
    ck_assert_ptr_null(files.key_pem);
    renew(second, first);
    ck_assert(is_usable(second, first));
    ck_assert_int_eq(cluster_files_issue(first, "c9", &other, &e), ERR_OK);
    put(second, "controller.crt", other.cert_pem);
    ck_assert_int_eq(cluster_files_read(second, &files, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "another key, and made out to 'c9'"));
    renew(second, first);
    snprintf(path, sizeof(path), "%s/controller.crt", second);
    unlink(path);
    renew(second, first);
    ck_assert(is_usable(second, first));
    put(second, "controller.key", other.key_pem); /* by this key nobody knows it */
    char *key = get(first, "ca.key");
    struct cluster_renewal how = {.ca_key_pem = key};
    ck_assert_int_eq(cluster_files_renew(second, &how, &info, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "not the key that cluster.json tells of"));
    pki_text_free(key);
    pki_pair_close(&other);
}
END_TEST

static int cas_in(const char *dir)
{
    int count = 0;
    char *text = get(dir, "ca.crt");
    for (const char *at = text; (at = strstr(at, "BEGIN CERTIFICATE")) != NULL; at++)
        count++;
    pki_text_free(text);
    return count;
}

static void trust_of(const char *dir, const char *from)
{
    char *text = get(from, "ca.crt");
    ck_assert_msg(cluster_files_trust(dir, text, &e) == ERR_OK, "%s", e.text);
    pki_text_free(text);
}

/* After each step on one controller both are usable, and each trusts the other. */
START_TEST(a_ca_is_replaced_step_by_step)
{
    struct pki_info newest;
#define ALL_WELL()                                                                               \
    ck_assert(is_usable(first, first) && is_usable(first, second) && is_usable(second, first) && \
              is_usable(second, second))
    found_and_join();
    char *old_key = get(first, "ca.key");
    ck_assert_int_eq(cluster_files_new_ca(first, &e), ERR_OK);
    ALL_WELL();
    ck_assert_int_eq(cas_in(first), 2);
    ck_assert_int_eq(mode_of(first, "ca.key"), 0600);
    ck_assert(is_there(first, "ca.key.old"));
    ck_assert_int_eq(mode_of(first, "ca.key.old"), 0600);
    char *new_key = get(first, "ca.key");
    ck_assert_str_ne(old_key, new_key);
    ck_assert_int_eq(cluster_files_newest_ca(first, &newest, &e), ERR_REFUSED);
    ck_assert_int_eq(cluster_files_drop_old(first, &e), ERR_REFUSED);
    struct cluster_renewal early = {.ca_key_pem = new_key};
    struct pki_info info;
    ck_assert_int_eq(cluster_files_renew(second, &early, &info, &e), ERR_REFUSED);
    trust_of(second, first);
    trust_of(second, first); /* twice is once */
    ck_assert_int_eq(cas_in(second), 2);
    ALL_WELL();
    renew(second, first);
    ALL_WELL();
    ck_assert_int_eq(cluster_files_newest_ca(second, &newest, &e), ERR_OK);
    renew(first, NULL);
    ALL_WELL();
    ck_assert_int_eq(cluster_files_drop_old(second, &e), ERR_OK);
    ALL_WELL();
    ck_assert_int_eq(cluster_files_drop_old(first, &e), ERR_OK);
    ALL_WELL();
    ck_assert_int_eq(cas_in(first), 1);
    ck_assert_int_eq(cas_in(second), 1);
    struct cluster_renewal late = {.ca_key_pem = old_key};
    ck_assert_int_eq(cluster_files_renew(second, &late, &info, &e), ERR_REFUSED);
    ck_assert(!is_there(first, "ca.key.old"));
    pki_text_free(old_key);
    pki_text_free(new_key);
}
END_TEST

/* The key of the CA was lost: any controller can make another CA. Who joins meanwhile trusts both.
 */
START_TEST(a_lost_ca_key_is_no_end)
{
    struct cluster_files files;
    char path[160], third[96];
    snprintf(third, sizeof(third), "%s/third", base);
    found_and_join();
    snprintf(path, sizeof(path), "%s/ca.key", first);
    unlink(path);
    ck_assert_int_eq(cluster_files_new_ca(second, &e), ERR_OK);
    ck_assert_int_eq(cluster_files_new_ca(first, &e), ERR_OK);
    trust_of(first, second);
    ck_assert_int_eq(cas_in(first), 3);
    char *text = bundle_for("c3", "192.0.2.3:7473");
    ck_assert_msg(cluster_bundle_unpack(third, text, &e) == ERR_OK, "%s", e.text);
    ck_assert_int_eq(cas_in(third), 3);
    ck_assert(is_usable(third, third) && is_usable(third, first) && is_usable(second, third));
    ck_assert(!is_usable(third, second)); /* which was not told to trust yet */
    ck_assert_int_eq(cluster_files_read(third, &files, &e), ERR_OK);
    ck_assert_uint_eq(files.self.id, 2);
    cluster_files_close(&files);
    pki_text_free(text);
}
END_TEST

START_TEST(only_cas_are_trusted)
{
    found_and_join();
    char *cert = get(first, "controller.crt");
    ck_assert_int_eq(cluster_files_trust(second, cert, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "not one of a CA"));
    ck_assert_int_eq(cluster_files_trust(second, "nothing", &e), ERR_INVALID);
    ck_assert_int_eq(cluster_files_new_ca(first, &e), ERR_OK);
    char *both = get(first, "ca.crt");
    memset(strstr(strstr(both, "-----END") + 1, "BEGIN") + 100, '.', 20); /* in the second one */
    ck_assert_int_lt(cluster_files_trust(second, both, &e), 0);
    ck_assert_ptr_nonnull(strstr(e.text, "a certificate in it is damaged"));
    ck_assert_int_eq(cluster_files_new_ca(first, &e), ERR_OK);
    ck_assert_int_eq(cluster_files_new_ca(first, &e), ERR_OK);
    ck_assert_int_eq(cluster_files_new_ca(first, &e), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(e.text, "drop the old ones first"));
    ck_assert_int_eq(cas_in(second), 1);
    pki_text_free(both);
    pki_text_free(cert);
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
    tcase_add_test(tc, a_bundle_makes_an_observer);
    tcase_add_test(tc, a_bundle_is_taken_whole_or_not_at_all);
    tcase_add_test(tc, what_is_wrong_is_named);
    tcase_add_test(tc, a_key_that_others_may_read_is_refused);
    tcase_add_test(tc, renewal_keeps_the_key);
    tcase_add_test(tc, any_controller_can_be_renewed);
    tcase_add_test(tc, renewal_mends_a_certificate_that_is_of_no_use);
    tcase_add_test(tc, a_ca_is_replaced_step_by_step);
    tcase_add_test(tc, a_lost_ca_key_is_no_end);
    tcase_add_test(tc, only_cas_are_trusted);
    tcase_add_test(tc, addresses_as_people_write_them);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
