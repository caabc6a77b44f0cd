/* Certificates and CAs that end and are replaced. Every file changes at once or not at all, and
 * each step leaves a directory that ephord can use. */
#include "orchestrator/base/text.h"
#include "orchestrator/sys/cluster_files_parts.h"
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/pki_trust.h"
#include "orchestrator/sys/tls_identity.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DAY_S = 86400 };

static int check_founded(const char *dir, struct errbuf *e)
{
    struct cluster_files files;
    int err = cluster_files_open(dir, &files, e);
    cluster_files_close(&files);
    return err;
}

/* ---------------------------------------------------------------- the own certificate */

/* Would ephord take it, and the others, who know this controller by its key? */
static int check_renewed(const char *dir, const struct cluster_files *files,
                         const struct pki_pair *fresh, struct pki_info *info, struct errbuf *e)
{
    struct tls_identity *identity = NULL;
    int err = pki_read(fresh->cert_pem, info, e);
    if (err != ERR_OK)
        return err;
    if (memcmp(info->fingerprint, files->self.fingerprint, sizeof(info->fingerprint)) != 0)
        return err_set(e, ERR_INVALID,
                       "%s: controller.key is not the key that cluster.json tells of, by which the "
                       "others know %s: get it back, or remove this controller and add it anew",
                       dir, files->self.name);
    char *trust = cluster_read_file(dir, "ca.crt", e);
    err = trust == NULL ? ERR_IO
                        : tls_identity_load(trust, fresh->cert_pem, files->key_pem, &identity, e);
    tls_identity_free(identity);
    pki_text_free(trust);
    return err;
}

static int issue(const char *dir, const struct cluster_files *files,
                 const struct cluster_renewal *how, struct pki_pair *fresh, struct errbuf *e)
{
    struct pki_pair ca;
    struct pki_request request = {.name = files->self.name, .key_pem = files->key_pem};
    if (how->days != 0)
        request.valid_until_wall_s = now_wall_ms() / 1000 + how->days * DAY_S;
    int err = cluster_open_ca(dir, how->ca_key_pem, &ca, e);
    if (err == ERR_OK)
        err = pki_issue(&ca, &request, fresh, e);
    pki_pair_close(&ca);
    return err;
}

int cluster_files_renew(const char *dir, const struct cluster_renewal *how, struct pki_info *info,
                        struct errbuf *e)
{
    struct cluster_files files;
    struct pki_pair fresh = {0};
    int err = cluster_files_open(dir, &files, e);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_INVALID : err;
    err = cluster_read_key(dir, &files.key_pem, e);
    if (err == ERR_OK)
        err = issue(dir, &files, how, &fresh, e);
    if (err == ERR_OK)
        err = check_renewed(dir, &files, &fresh, info, e);
    if (err == ERR_OK)
        err = cluster_write_file(dir, "controller.crt", PKI_FILE_RENEWED, fresh.cert_pem, e);
    pki_pair_close(&fresh);
    cluster_files_close(&files);
    return err;
}

/* ---------------------------------------------------------------- whom to trust */

/* ca.crt becomes `first`, and then what it was. */
static int trust_first(const char *dir, const char *first, struct errbuf *e)
{
    char *joined = NULL;
    char *trust = cluster_read_file(dir, "ca.crt", e);
    int err = trust == NULL ? ERR_IO : pki_trust_join(first, trust, &joined, e);
    if (err == ERR_OK)
        err = cluster_write_file(dir, "ca.crt", PKI_FILE_RENEWED, joined, e);
    free(joined);
    pki_text_free(trust);
    return err;
}

static int keep_old_key(const char *dir, struct errbuf *e)
{
    if (!cluster_has_file(dir, "ca.key"))
        return ERR_OK; /* lost, or elsewhere */
    char *key = cluster_read_file(dir, "ca.key", e);
    int err = key == NULL ? ERR_IO
                          : cluster_write_file(dir, "ca.key.old", PKI_FILE_RENEWED_SECRET, key, e);
    pki_text_free(key);
    return err;
}

/* The key comes last: a CA that is trusted and whose key was never kept does no harm. */
int cluster_files_new_ca(const char *dir, struct errbuf *e)
{
    struct pki_pair ca = {0};
    int err = check_founded(dir, e);
    if (err == ERR_OK)
        err = pki_create_ca("Ephor", &ca, e);
    if (err == ERR_OK)
        err = trust_first(dir, ca.cert_pem, e);
    if (err == ERR_OK)
        err = keep_old_key(dir, e);
    if (err == ERR_OK)
        err = cluster_write_file(dir, "ca.key", PKI_FILE_RENEWED_SECRET, ca.key_pem, e);
    pki_pair_close(&ca);
    return err;
}

int cluster_files_trust(const char *dir, const char *ca_pem, struct errbuf *e)
{
    int err = check_founded(dir, e);
    return err == ERR_OK ? trust_first(dir, ca_pem, e) : err;
}

static int read_newest(const char *dir, char **ca_pem, struct errbuf *e)
{
    struct cluster_files files;
    *ca_pem = NULL;
    int err = cluster_files_read(dir, &files, e);
    if (err != ERR_OK)
        return err;
    err = pki_trust_newest(files.ca_pem, files.cert_pem, ca_pem, e);
    cluster_files_close(&files);
    return err;
}

int cluster_files_newest_ca(const char *dir, struct pki_info *info, struct errbuf *e)
{
    char *ca_pem;
    int err = read_newest(dir, &ca_pem, e);
    if (err == ERR_OK)
        err = pki_read(ca_pem, info, e);
    free(ca_pem);
    return err;
}

int cluster_files_drop_old(const char *dir, struct errbuf *e)
{
    char *ca_pem, path[PATH_MAX];
    int err = read_newest(dir, &ca_pem, e);
    if (err == ERR_OK)
        err = cluster_write_file(dir, "ca.crt", PKI_FILE_RENEWED, ca_pem, e);
    if (err == ERR_OK && cluster_path(path, dir, "ca.key.old", NULL) == ERR_OK)
        unlink(path);
    free(ca_pem);
    return err;
}
