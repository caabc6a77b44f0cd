/* Lists of CA certificates. */
#include "orchestrator/sys/pki_trust.h"

#include "orchestrator/sys/cert.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

static int read_list(const char *pem, X509 *list[CERT_LIST_MAX], struct errbuf *e)
{
    int count = cert_list_from_pem(pem, list, e);
    for (int i = 0; i < count; i++) {
        if (X509_check_ca(list[i]) == 1)
            continue;
        cert_list_free(list, count);
        return err_set(e, ERR_INVALID, "a certificate in it is not one of a CA");
    }
    return count;
}

static int write_list(X509 *const list[], int count, char **to, struct errbuf *e)
{
    *to = cert_list_to_pem(list, count);
    return *to == NULL ? err_set(e, ERR_NOMEM, "out of memory") : ERR_OK;
}

int pki_trust_of_key(const char *trust_pem, const char *key_pem, char **to, struct errbuf *e)
{
    X509 *list[CERT_LIST_MAX];
    *to = NULL;
    EVP_PKEY *key = cert_key_from_pem(key_pem, e);
    if (key == NULL)
        return ERR_INVALID;
    int count = read_list(trust_pem, list, e);
    int at = 0;
    while (at < count && X509_check_private_key(list[at], key) != 1)
        at++;
    ERR_clear_error();
    EVP_PKEY_free(key);
    if (count < 0)
        return count;
    int err = at < count ? write_list(list + at, 1, to, e)
                         : err_set(e, ERR_REFUSED, "it is the key of no CA that is trusted here");
    cert_list_free(list, count);
    return err;
}

int pki_trust_newest(const char *trust_pem, const char *cert_pem, char **to, struct errbuf *e)
{
    X509 *list[CERT_LIST_MAX];
    *to = NULL;
    X509 *cert = cert_from_pem(cert_pem, e);
    if (cert == NULL)
        return ERR_INVALID;
    int count = read_list(trust_pem, list, e);
    int err = count;
    if (count > 0)
        err = cert_is_signed_by(cert, list[0])
                  ? write_list(list, 1, to, e)
                  : err_set(e, ERR_REFUSED, "the certificate is not signed by the newest CA");
    X509_free(cert);
    cert_list_free(list, count);
    return err;
}

/* Add copies of those that are not there yet. */
static int add_all(X509 *list[PKI_TRUST_MAX], int *count, const char *pem, struct errbuf *e)
{
    X509 *more[CERT_LIST_MAX];
    int err = ERR_OK, more_count = read_list(pem, more, e);
    if (more_count < 0)
        return more_count;
    for (int i = 0; err == ERR_OK && i < more_count; i++) {
        bool is_there = false;
        for (int j = 0; j < *count; j++)
            is_there |= X509_cmp(list[j], more[i]) == 0;
        if (is_there)
            continue;
        if (*count == PKI_TRUST_MAX)
            err = err_set(e, ERR_LIMIT, "more than %d CAs at once: drop the old ones first",
                          PKI_TRUST_MAX);
        else if (X509_up_ref(more[i]) == 1)
            list[(*count)++] = more[i];
    }
    cert_list_free(more, more_count);
    return err;
}

int pki_trust_join(const char *newer_pem, const char *older_pem, char **to, struct errbuf *e)
{
    X509 *list[PKI_TRUST_MAX];
    int count = 0;
    *to = NULL;
    int err = add_all(list, &count, newer_pem, e);
    if (err == ERR_OK)
        err = add_all(list, &count, older_pem, e);
    if (err == ERR_OK)
        err = write_list(list, count, to, e);
    cert_list_free(list, count);
    return err;
}
