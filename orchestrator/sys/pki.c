/* Making keys and certificates with OpenSSL. Nothing here touches a file or the network. */
#include "orchestrator/sys/pki.h"

#include "orchestrator/base/buf.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/cert.h"
#include "orchestrator/sys/now.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERIAL_BITS = 127, /* positive, 16 bytes; RFC 5280 allows 20 */
    BACKDATE_S = 3600,
    YEAR_DAYS = 365,
    DAY_S = 86400,
};

void pki_text_free(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void pki_pair_close(struct pki_pair *pair)
{
    free(pair->cert_pem);
    pki_text_free(pair->key_pem);
    *pair = (struct pki_pair){0};
}

void pki_bundle_close(struct pki_bundle *bundle)
{
    free(bundle->ca_cert_pem);
    pki_pair_close(&bundle->own);
    *bundle = (struct pki_bundle){0};
}

/* The content of a memory BIO as a string on the heap; the BIO is freed, and wiped by OpenSSL. */
static char *take_text(BIO *bio)
{
    char *data = NULL;
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &data);
    if (size > 0)
        text = strndup(data, (size_t)size);
    BIO_free(bio);
    return text;
}

static char *key_to_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        BIO_free(bio);
        return NULL;
    }
    return take_text(bio);
}

static bool set_serial(X509 *cert)
{
    BIGNUM *serial = BN_new();
    bool ok = serial != NULL && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
              BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;
    BN_free(serial);
    return ok;
}

static bool set_name(X509 *cert, const char *name)
{
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) == 1;
}

static bool set_times(X509 *cert, int64_t from_s, int64_t until_s)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)until_s) != NULL;
}

struct extension {
    int nid;
    const char *value;
};

static const struct extension ca_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
};
static const struct extension member_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},   {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth,clientAuth"},   {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
};

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *list, size_t count)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, &context, list[i].nid, list[i].value);
        bool ok = x != NULL && X509_add_ext(cert, x, -1) == 1;
        X509_EXTENSION_free(x);
        if (!ok)
            return false;
    }
    return true;
}

struct draft {
    const char *name;
    int64_t from_s, until_s;
    EVP_PKEY *key;
    X509 *issuer; /* NULL: itself */
    EVP_PKEY *issuer_key;
};

static X509 *make_cert(const struct draft *d)
{
    X509 *cert = X509_new();
    X509 *issuer = d->issuer == NULL ? cert : d->issuer;
    const struct extension *list = d->issuer == NULL ? ca_extensions : member_extensions;
    size_t count = d->issuer == NULL ? sizeof(ca_extensions) / sizeof(ca_extensions[0])
                                     : sizeof(member_extensions) / sizeof(member_extensions[0]);
    if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
        set_name(cert, d->name) && set_times(cert, d->from_s, d->until_s) &&
        X509_set_pubkey(cert, d->key) == 1 &&
        X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
        add_extensions(cert, issuer, list, count) &&
        X509_sign(cert, d->issuer_key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

static int make_pair(const struct draft *d, struct pki_pair *pair, struct errbuf *e)
{
    X509 *cert = make_cert(d);
    if (cert == NULL)
        return cert_err(e, ERR_NOMEM, "cannot make the certificate");
    pair->cert_pem = cert_list_to_pem(&cert, 1);
    pair->key_pem = key_to_pem(d->key);
    X509_free(cert);
    if (pair->cert_pem != NULL && pair->key_pem != NULL)
        return ERR_OK;
    pki_pair_close(pair);
    return cert_err(e, ERR_NOMEM, "cannot write the certificate as text");
}

static int check_name(const char *name, struct errbuf *e)
{
    size_t size = strlen(name);
    if (size == 0 || size >= PKI_NAME_SIZE)
        return err_set(e, ERR_INVALID, "name of a certificate: '%.80s' has to have 1 to %d bytes",
                       name, PKI_NAME_SIZE - 1);
    return ERR_OK;
}

int pki_create_ca(const char *name, struct pki_pair *ca, struct errbuf *e)
{
    *ca = (struct pki_pair){0};
    int err = check_name(name, e);
    if (err != ERR_OK)
        return err;
    ERR_clear_error();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL)
        return cert_err(e, ERR_NOMEM, "cannot make a key");
    int64_t now_s = now_wall_ms() / 1000;
    struct draft draft = {.name = name,
                          .from_s = now_s - BACKDATE_S,
                          .until_s = now_s + (int64_t)PKI_CA_YEARS * YEAR_DAYS * DAY_S,
                          .key = key,
                          .issuer_key = key};
    err = make_pair(&draft, ca, e);
    EVP_PKEY_free(key);
    return err;
}

/* Fill in the validity of request, within that of the CA. */
static int choose_times(const struct pki_request *request, struct draft *d, struct errbuf *e)
{
    char from[CERT_DATE_SIZE], until[CERT_DATE_SIZE];
    int64_t now_s = now_wall_ms() / 1000;
    int64_t ca_until_s = cert_expires_wall_s(d->issuer);
    d->from_s = request->valid_from_wall_s != 0 ? request->valid_from_wall_s : now_s - BACKDATE_S;
    d->until_s = request->valid_until_wall_s != 0
                     ? request->valid_until_wall_s
                     : now_s + (int64_t)PKI_MEMBER_YEARS * YEAR_DAYS * DAY_S;
    if (d->until_s > ca_until_s)
        d->until_s = ca_until_s;
    if (d->from_s < d->until_s)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "validity from %s to %s: ends before it starts",
                   cert_date(from, d->from_s), cert_date(until, d->until_s));
}

static int read_ca(const struct pki_pair *ca, struct draft *d, struct errbuf *e)
{
    int err = ERR_INVALID;
    d->issuer = cert_from_pem(ca->cert_pem, e);
    if (d->issuer == NULL)
        goto fail;
    d->issuer_key = cert_key_from_pem(ca->key_pem, e);
    if (d->issuer_key == NULL)
        goto fail;
    if (X509_check_ca(d->issuer) != 1) {
        err_set(e, err, "this certificate is not one of a CA");
        goto fail;
    }
    if (X509_check_private_key(d->issuer, d->issuer_key) == 1)
        return ERR_OK;
    err = cert_err(e, ERR_INVALID, "the CA's key does not belong to the CA's certificate");
fail:
    err_wrap(e, "certificate authority");
    return err;
}

int pki_issue(const struct pki_pair *ca, const struct pki_request *request, struct pki_pair *pair,
              struct errbuf *e)
{
    *pair = (struct pki_pair){0};
    struct draft draft = {.name = request->name};
    int err = check_name(request->name, e);
    if (err != ERR_OK)
        return err;
    ERR_clear_error();
    err = read_ca(ca, &draft, e);
    if (err == ERR_OK)
        err = choose_times(request, &draft, e);
    if (err == ERR_OK) {
        draft.key =
            request->key_pem == NULL ? EVP_EC_gen("P-256") : cert_key_from_pem(request->key_pem, e);
        if (draft.key != NULL)
            err = make_pair(&draft, pair, e);
        else
            err = request->key_pem == NULL ? cert_err(e, ERR_NOMEM, "cannot make a key")
                                           : ERR_INVALID;
    }
    EVP_PKEY_free(draft.key);
    EVP_PKEY_free(draft.issuer_key);
    X509_free(draft.issuer);
    return err;
}

int pki_read(const char *cert_pem, struct pki_info *info, struct errbuf *e)
{
    X509 *cert = cert_from_pem(cert_pem, e);
    if (cert == NULL)
        return ERR_INVALID;
    *info = (struct pki_info){.is_ca = X509_check_ca(cert) == 1,
                              .starts_wall_s = cert_starts_wall_s(cert),
                              .expires_wall_s = cert_expires_wall_s(cert)};
    cert_name(cert, info->name);
    int err = cert_fingerprint(cert, info->fingerprint);
    X509_free(cert);
    return err == ERR_OK ? err : cert_err(e, err, "cannot read the key of the certificate");
}

const char *pki_fingerprint_text(char text[PKI_FINGERPRINT_TEXT_SIZE],
                                 const uint8_t fingerprint[PKI_FINGERPRINT_SIZE])
{
    for (int i = 0; i < PKI_FINGERPRINT_SIZE; i++)
        text_format(text + 2 * i, 3, "%02x", fingerprint[i]);
    return text;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    return at == NULL ? -1 : (int)(at - digits);
}

bool pki_fingerprint_parse(const char *text, uint8_t fingerprint[PKI_FINGERPRINT_SIZE])
{
    if (strlen(text) != PKI_FINGERPRINT_TEXT_SIZE - 1)
        return false;
    for (int i = 0; i < PKI_FINGERPRINT_SIZE; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        fingerprint[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

char *pki_bundle_text(const struct pki_bundle *bundle)
{
    char *text = NULL;
    int n =
        asprintf(&text, "%s%s%s", bundle->ca_cert_pem, bundle->own.cert_pem, bundle->own.key_pem);
    return n < 0 ? NULL : text;
}

/* A copy of the first PEM block whose first line contains `label`; NULL: there is none. */
static char *find_block(const char *text, const char *label)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ";
    for (const char *at = strstr(text, begin); at != NULL; at = strstr(at + 1, begin)) {
        const char *line_end = strchr(at, '\n');
        const char *found = strstr(at, label);
        const char *last = strstr(at, end);
        if (line_end == NULL || last == NULL)
            return NULL;
        if (found == NULL || found > line_end)
            continue;
        last += strcspn(last, "\n");
        char *block = NULL;
        return asprintf(&block, "%.*s\n", (int)(last - at), at) < 0 ? NULL : block;
    }
    return NULL;
}

/* The last certificate is the controller's, those before it are of CAs, one of which signed it. */
static int check_bundle(X509 *const list[], int count, const char *key_pem, struct errbuf *e)
{
    X509 *cert = list[count - 1];
    bool are_cas = true, is_signed = false;
    EVP_PKEY *key = cert_key_from_pem(key_pem, e);
    int err = ERR_INVALID;
    for (int i = 0; i + 1 < count; i++) {
        are_cas &= X509_check_ca(list[i]) == 1;
        is_signed |= cert_is_signed_by(cert, list[i]);
    }
    if (key == NULL)
        ;
    else if (!are_cas)
        err_set(e, err, "its first certificate is not one of a CA");
    else if (!is_signed)
        err_set(e, err, "the controller's certificate is not signed by the CA beside it");
    else if (X509_check_private_key(cert, key) != 1)
        err_set(e, err, "the key does not belong to the controller's certificate");
    else
        err = ERR_OK;
    ERR_clear_error();
    EVP_PKEY_free(key);
    return err;
}

int pki_bundle_parse(const char *text, struct pki_bundle *bundle, struct errbuf *e)
{
    X509 *list[CERT_LIST_MAX];
    *bundle = (struct pki_bundle){0};
    if (strnlen(text, PKI_PEM_MAX + 1) > PKI_PEM_MAX)
        return err_set(e, ERR_LIMIT, "larger than %d bytes: no bundle", PKI_PEM_MAX);
    int count = cert_list_from_pem(text, list, e);
    if (count < 0)
        return count;
    bundle->own.key_pem = find_block(text, "PRIVATE KEY");
    if (count > 1) {
        bundle->ca_cert_pem = cert_list_to_pem(list, count - 1);
        bundle->own.cert_pem = cert_list_to_pem(list + count - 1, 1);
    }
    int err = ERR_OK;
    if (bundle->ca_cert_pem == NULL || bundle->own.cert_pem == NULL || bundle->own.key_pem == NULL)
        err = err_set(e, ERR_INVALID,
                      "a bundle holds two certificates (the CA's, the controller's) and a key");
    else
        err = check_bundle(list, count, bundle->own.key_pem, e);
    cert_list_free(list, count);
    if (err != ERR_OK)
        pki_bundle_close(bundle);
    return err;
}
