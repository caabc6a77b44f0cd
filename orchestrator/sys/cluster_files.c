#include "orchestrator/sys/cluster_files.h"

#include "orchestrator/base/text.h"
#include "orchestrator/sys/cluster_files_parts.h"
#include "orchestrator/sys/pki_trust.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1, DEFAULT_PORT = 7473 };

int cluster_path(char path[PATH_MAX], const char *dir, const char *name, struct errbuf *e)
{
    if (!text_format(path, PATH_MAX, "%s/%s", dir, name))
        return err_set(e, ERR_LIMIT, "'%s/%s' is too long for a path", dir, name);
    return ERR_OK;
}

bool cluster_address(char address[CLUSTER_ADDRESS_SIZE], const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');
    bool is_v6 = text[0] != '[' && colon != NULL && strchr(text, ':') != colon;
    int64_t port;
    if (text[0] == '\0' || strpbrk(text, " \t\r\n\"'\\/@") != NULL)
        return false;
    if (is_v6)
        return text_format(address, CLUSTER_ADDRESS_SIZE, "[%s]:%d", text, DEFAULT_PORT);
    if (colon == NULL || (bracket != NULL && bracket > colon))
        return text_format(address, CLUSTER_ADDRESS_SIZE, "%s:%d", text, DEFAULT_PORT);
    return colon > text && text_parse_int(colon + 1, 1, 65535, &port) &&
           text_copy(address, CLUSTER_ADDRESS_SIZE, text);
}

/* ---------------------------------------------------------------- cluster.json to struct */

static int wrong(struct errbuf *e, const char *key, const char *right)
{
    return err_set(e, ERR_INVALID, "'%s' has to be %s", key, right);
}

/* Nobody connects to an observer. */
static int take_address(const char *address, bool has_none, struct cluster_contact *to,
                        struct errbuf *e)
{
    if (has_none)
        return address == NULL || address[0] == '\0' ? ERR_OK
                                                     : wrong(e, "address", "empty: an observer's");
    if (address == NULL || !cluster_address(to->address, address) ||
        strcmp(to->address, address) != 0)
        return wrong(e, "address", "HOST:PORT");
    return ERR_OK;
}

static int take_contact(const json_t *json, bool is_observer, struct cluster_contact *to,
                        struct errbuf *e)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *address = json_string_value(json_object_get(json, "address"));
    const char *fingerprint = json_string_value(json_object_get(json, "fingerprint"));
    json_int_t id = json_integer_value(json_object_get(json, "id"));
    if (id < 1 || id > UINT32_MAX)
        return wrong(e, "id", "a number from 1");
    if (name == NULL || !text_is_name(name))
        return wrong(e, "name", "a letter, then up to 46 letters, digits, '_' or '-'");
    int err = take_address(address, is_observer, to, e);
    if (err != ERR_OK)
        return err;
    if (fingerprint == NULL || !pki_fingerprint_parse(fingerprint, to->fingerprint))
        return wrong(e, "fingerprint", "64 hexadecimal digits");
    to->id = (uint32_t)id;
    text_copy(to->name, sizeof(to->name), name);
    return ERR_OK;
}

static int take_contacts(const json_t *list, struct cluster_files *files, struct errbuf *e)
{
    json_t *json;
    size_t i;
    if (!json_is_array(list) || json_array_size(list) > CLUSTER_CONTACTS_MAX)
        return wrong(e, "members", "a list of at most 12");
    json_array_foreach(list, i, json)
    {
        int err = take_contact(json, false, &files->contacts[i], e);
        if (err != ERR_OK) {
            err_wrap(e, "members: number %zu", i + 1);
            return err;
        }
        files->contact_count++;
    }
    return ERR_OK;
}

/* It may be missing: false. */
static int take_flag(const json_t *json, const char *key, bool *flag, struct errbuf *e)
{
    const json_t *value = json_object_get(json, key);
    if (value != NULL && !json_is_boolean(value))
        return wrong(e, key, "true or false");
    *flag = json_is_true(value);
    return ERR_OK;
}

static int take_json(const json_t *json, struct cluster_files *files, struct errbuf *e)
{
    const char *cluster = json_string_value(json_object_get(json, "cluster"));
    unsigned char number[8];
    if (json_integer_value(json_object_get(json, "format")) != FORMAT)
        return wrong(e, "format", "1, all that this version knows");
    if (cluster == NULL || !text_parse_hex(cluster, number, sizeof(number)))
        return wrong(e, "cluster", "16 hexadecimal digits");
    for (size_t i = 0; i < sizeof(number); i++)
        files->cluster = files->cluster << 8 | number[i];
    if (files->cluster == 0)
        return wrong(e, "cluster", "a number other than 0");
    if (!json_is_boolean(json_object_get(json, "joins")))
        return wrong(e, "joins", "true or false");
    files->joins = json_is_true(json_object_get(json, "joins"));
    int err = take_flag(json, "witness", &files->is_witness, e);
    if (err == ERR_OK)
        err = take_flag(json, "observer", &files->is_observer, e);
    if (err == ERR_OK && files->is_witness && files->is_observer)
        err = wrong(e, "observer", "false: it is a witness");
    if (err == ERR_OK)
        err = take_contact(json, files->is_observer, &files->self, e);
    if (err == ERR_OK)
        err = take_contacts(json_object_get(json, "members"), files, e);
    if (err == ERR_OK && files->is_observer && files->contact_count == 0)
        err = wrong(e, "members", "a list of the controllers that the observer connects to");
    return err;
}

static int parse(const char *text, size_t flags, struct cluster_files *files, struct errbuf *e)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | flags, &error);
    if (!json_is_object(json)) {
        json_decref(json);
        return err_set(e, ERR_INVALID, "line %d: %s", error.line, error.text);
    }
    int err = take_json(json, files, e);
    json_decref(json);
    return err;
}

/* ---------------------------------------------------------------- struct to cluster.json */

static json_t *contact_to_json(const struct cluster_contact *contact)
{
    char fingerprint[PKI_FINGERPRINT_TEXT_SIZE];
    return json_pack("{s:i, s:s, s:s, s:s}", "id", (int)contact->id, "name", contact->name,
                     "address", contact->address, "fingerprint",
                     pki_fingerprint_text(fingerprint, contact->fingerprint));
}

static char *to_text(const struct cluster_files *files)
{
    char cluster[17];
    json_t *json = contact_to_json(&files->self);
    json_t *members = json_array();
    text_format(cluster, sizeof(cluster), "%016llx", (unsigned long long)files->cluster);
    for (uint32_t i = 0; i < files->contact_count; i++)
        json_array_append_new(members, contact_to_json(&files->contacts[i]));
    json_object_set_new(json, "format", json_integer(FORMAT));
    json_object_set_new(json, "cluster", json_string(cluster));
    json_object_set_new(json, "joins", json_boolean(files->joins));
    if (files->is_witness)
        json_object_set_new(json, "witness", json_true());
    if (files->is_observer)
        json_object_set_new(json, "observer", json_true());
    json_object_set_new(json, "members", members);
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    return text;
}

/* ---------------------------------------------------------------- reading */

char *cluster_read_file(const char *dir, const char *name, struct errbuf *e)
{
    char path[PATH_MAX];
    return cluster_path(path, dir, name, e) == ERR_OK ? pki_file_read(path, e) : NULL;
}

bool cluster_has_file(const char *dir, const char *name)
{
    char path[PATH_MAX];
    struct errbuf e;
    return cluster_path(path, dir, name, &e) == ERR_OK && access(path, F_OK) == 0;
}

/* The certificate is the one that cluster.json tells of. */
static int check_own(const struct cluster_files *files, struct errbuf *e)
{
    struct pki_info info;
    int err = pki_read(files->cert_pem, &info, e);
    if (err != ERR_OK) {
        err_wrap(e, "controller.crt");
        return err;
    }
    if (memcmp(info.fingerprint, files->self.fingerprint, sizeof(info.fingerprint)) != 0)
        return err_set(e, ERR_INVALID,
                       "controller.crt is not the certificate that cluster.json tells of: it is "
                       "for another key, and made out to '%s'",
                       info.name);
    return ERR_OK;
}

int cluster_files_open(const char *dir, struct cluster_files *files, struct errbuf *e)
{
    *files = (struct cluster_files){0};
    if (!cluster_has_file(dir, "cluster.json"))
        return err_set(e, ERR_NOT_FOUND, "%s has no cluster.json", dir);
    char *json = cluster_read_file(dir, "cluster.json", e);
    if (json == NULL)
        return ERR_IO;
    int err = parse(json, 0, files, e);
    free(json);
    if (err == ERR_OK)
        return ERR_OK;
    *files = (struct cluster_files){0};
    err_wrap(e, "%s: cluster.json", dir);
    return err;
}

int cluster_read_key(const char *dir, char **key_pem, struct errbuf *e)
{
    char path[PATH_MAX];
    *key_pem = NULL;
    int err = cluster_path(path, dir, "controller.key", e);
    if (err == ERR_OK)
        err = pki_file_is_secret(path, e);
    if (err == ERR_OK)
        *key_pem = pki_file_read(path, e);
    return err == ERR_OK && *key_pem == NULL ? ERR_IO : err;
}

static void drop_certificates(struct cluster_files *files)
{
    pki_text_free(files->ca_pem);
    pki_text_free(files->cert_pem);
    pki_text_free(files->key_pem);
    files->ca_pem = files->cert_pem = files->key_pem = NULL;
}

static int read_certificates(const char *dir, struct cluster_files *files, struct errbuf *e)
{
    int err = cluster_read_key(dir, &files->key_pem, e);
    if (err != ERR_OK)
        return err;
    files->ca_pem = cluster_read_file(dir, "ca.crt", e);
    if (files->ca_pem != NULL)
        files->cert_pem = cluster_read_file(dir, "controller.crt", e);
    return files->cert_pem == NULL ? ERR_IO : check_own(files, e);
}

int cluster_files_certify(const char *dir, struct cluster_files *files, struct errbuf *e)
{
    drop_certificates(files);
    int err = read_certificates(dir, files, e);
    if (err == ERR_OK)
        return ERR_OK;
    drop_certificates(files);
    err_wrap(e, "%s", dir);
    return err;
}

int cluster_files_read(const char *dir, struct cluster_files *files, struct errbuf *e)
{
    int err = cluster_files_open(dir, files, e);
    if (err == ERR_OK)
        err = cluster_files_certify(dir, files, e);
    if (err != ERR_OK)
        *files = (struct cluster_files){0};
    return err;
}

void cluster_files_close(struct cluster_files *files)
{
    drop_certificates(files);
    *files = (struct cluster_files){0};
}

/* ---------------------------------------------------------------- writing */

static int make_dir(const char *dir, struct errbuf *e)
{
    if (cluster_has_file(dir, "cluster.json"))
        return err_set(e, ERR_EXISTS,
                       "%s belongs to a cluster already; to begin anew, move it away", dir);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_set(e, err_from_errno(errno), "make %s: %s", dir, strerror(errno));
    return ERR_OK;
}

int cluster_write_file(const char *dir, const char *name, enum pki_file kind, const char *text,
                       struct errbuf *e)
{
    char path[PATH_MAX];
    int err = cluster_path(path, dir, name, e);
    return err == ERR_OK ? pki_file_write(path, kind, text, e) : err;
}

/* cluster.json last: before it is there, nothing counts. */
static int write_all(const char *dir, const struct cluster_files *files, const char *ca_key,
                     struct errbuf *e)
{
    static const char *const names[] = {"ca.key", "ca.crt", "controller.key", "controller.crt"};
    char path[PATH_MAX];
    char *json = to_text(files);
    int err = json == NULL ? err_set(e, ERR_NOMEM, "out of memory") : make_dir(dir, e);
    if (err != ERR_OK) {
        free(json);
        return err;
    }
    for (size_t i = 0; i < 4; i++) /* left by one that did not come to its end */
        if (cluster_path(path, dir, names[i], e) == ERR_OK)
            unlink(path);
    if (ca_key != NULL)
        err = cluster_write_file(dir, "ca.key", PKI_FILE_SECRET, ca_key, e);
    if (err == ERR_OK)
        err = cluster_write_file(dir, "ca.crt", PKI_FILE_PUBLIC, files->ca_pem, e);
    if (err == ERR_OK)
        err = cluster_write_file(dir, "controller.key", PKI_FILE_SECRET, files->key_pem, e);
    if (err == ERR_OK)
        err = cluster_write_file(dir, "controller.crt", PKI_FILE_PUBLIC, files->cert_pem, e);
    if (err == ERR_OK)
        err = cluster_write_file(dir, "cluster.json", PKI_FILE_PUBLIC, json, e);
    free(json);
    return err;
}

static int name_self(struct cluster_contact *self, uint32_t id, const char *name,
                     const char *address, const char *cert_pem, struct errbuf *e)
{
    struct pki_info info;
    if (!text_is_name(name))
        return wrong(e, "name", "a letter, then up to 46 letters, digits, '_' or '-'");
    if (!cluster_address(self->address, address))
        return err_set(e, ERR_INVALID, "'%s' is no HOST or HOST:PORT", address);
    int err = cert_pem == NULL ? ERR_OK : pki_read(cert_pem, &info, e);
    if (err == ERR_OK && cert_pem != NULL)
        memcpy(self->fingerprint, info.fingerprint, sizeof(self->fingerprint));
    self->id = id;
    text_copy(self->name, sizeof(self->name), name);
    return err;
}

int cluster_files_found(const char *dir, const char *name, const char *address, struct errbuf *e)
{
    struct cluster_files files = {0};
    struct pki_pair ca = {0}, own = {0};
    struct pki_request request = {.name = name};
    int err = name_self(&files.self, 1, name, address, NULL, e);
    if (err == ERR_OK && cluster_has_file(dir, "cluster.json"))
        err = make_dir(dir, e);
    while (err == ERR_OK && files.cluster == 0)
        if (getrandom(&files.cluster, sizeof(files.cluster), 0) != (ssize_t)sizeof(files.cluster))
            err = err_set(e, ERR_IO, "no random number can be had");
    if (err == ERR_OK)
        err = pki_create_ca("Ephor", &ca, e);
    if (err == ERR_OK)
        err = pki_issue(&ca, &request, &own, e);
    if (err == ERR_OK)
        err = name_self(&files.self, 1, name, address, own.cert_pem, e);
    files.ca_pem = ca.cert_pem;
    files.cert_pem = own.cert_pem;
    files.key_pem = own.key_pem;
    if (err == ERR_OK)
        err = write_all(dir, &files, ca.key_pem, e);
    pki_pair_close(&ca);
    pki_pair_close(&own);
    return err;
}

int cluster_open_ca(const char *dir, const char *ca_key_pem, struct pki_pair *ca, struct errbuf *e)
{
    *ca = (struct pki_pair){0};
    if (ca_key_pem == NULL && !cluster_has_file(dir, "ca.key"))
        return err_set(e, ERR_NOT_FOUND,
                       "%s has no ca.key: the key of the cluster's CA lies where the cluster was "
                       "founded",
                       dir);
    int err = ERR_IO;
    char *trust = cluster_read_file(dir, "ca.crt", e);
    if (trust != NULL)
        ca->key_pem = ca_key_pem != NULL ? strdup(ca_key_pem) : cluster_read_file(dir, "ca.key", e);
    if (ca->key_pem != NULL)
        err = pki_trust_of_key(trust, ca->key_pem, &ca->cert_pem, e);
    if (err != ERR_OK) {
        err_wrap(e, "key of the CA, with %s/ca.crt", dir);
        pki_pair_close(ca);
    }
    pki_text_free(trust);
    return err;
}

int cluster_files_issue(const char *dir, const char *name, struct pki_pair *pair, struct errbuf *e)
{
    struct pki_request request = {.name = name};
    struct pki_pair ca;
    *pair = (struct pki_pair){0};
    int err = cluster_open_ca(dir, NULL, &ca, e);
    if (err != ERR_OK)
        return err;
    err = pki_issue(&ca, &request, pair, e);
    pki_pair_close(&ca);
    return err;
}

/* ---------------------------------------------------------------- bundles */

char *cluster_bundle_text(const struct cluster_files *files)
{
    struct pki_bundle bundle = {.ca_cert_pem = files->ca_pem,
                                .own = {.cert_pem = files->cert_pem, .key_pem = files->key_pem}};
    char *json = to_text(files);
    char *pem = pki_bundle_text(&bundle);
    char *text = NULL;
    if (json != NULL && pem != NULL &&
        asprintf(&text,
                 "# ephor controller bundle: all that %s %s needs. Keep it secret, and\n"
                 "# unpack it there with: ephorctl cluster join FILE\n%s\n%s",
                 files->is_observer ? "observer" : "controller", files->self.name, json, pem) < 0)
        text = NULL;
    free(json);
    pki_text_free(pem);
    return text;
}

int cluster_bundle_unpack(const char *dir, const char *text, struct errbuf *e)
{
    struct cluster_files files = {0};
    struct pki_bundle bundle = {0};
    const char *json = strchr(text, '{');
    int err = text_starts_with(text, "# ephor controller bundle") && json != NULL
                  ? parse(json, JSON_DISABLE_EOF_CHECK, &files, e)
                  : err_set(e, ERR_INVALID, "it is no controller bundle");
    if (err == ERR_OK)
        err = pki_bundle_parse(text, &bundle, e);
    files.ca_pem = bundle.ca_cert_pem;
    files.cert_pem = bundle.own.cert_pem;
    files.key_pem = bundle.own.key_pem;
    if (err == ERR_OK)
        err = check_own(&files, e);
    if (err == ERR_OK)
        err = write_all(dir, &files, NULL, e);
    pki_bundle_close(&bundle);
    return err;
}
