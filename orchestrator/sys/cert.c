/* Reading certificates and keys with OpenSSL. */
#include "orchestrator/sys/cert.h"

#include "orchestrator/base/text.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

int cert_err(struct errbuf *e, int code, const char *what)
{
    unsigned long error = ERR_get_error();
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
    ERR_clear_error();
    return err_set(e, code, "%s: %s", what, reason == NULL ? err_text(code) : reason);
}

/* Refuse to ask a terminal for a passphrase. */
static int no_passphrase(char *text, int size, int is_writing, void *data)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)data;
    return -1;
}

X509 *cert_from_pem(const char *pem, struct errbuf *e)
{
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (cert == NULL)
        cert_err(e, ERR_INVALID, "not a certificate in PEM form");
    return cert;
}

void cert_list_free(X509 *list[], int count)
{
    for (int i = 0; i < count; i++)
        X509_free(list[i]);
}

int cert_list_from_pem(const char *pem, X509 *list[CERT_LIST_MAX], struct errbuf *e)
{
    int count = 0;
    X509 *cert = NULL;
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    while (bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (count == CERT_LIST_MAX)
            break;
        list[count++] = cert;
    }
    BIO_free(bio);
    bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    int err = ERR_OK;
    if (cert != NULL)
        err = err_set(e, ERR_LIMIT, "more than %d certificates in it", CERT_LIST_MAX);
    else if (!is_end)
        err = cert_err(e, ERR_INVALID, "a certificate in it is damaged");
    else if (count == 0)
        err = err_set(e, ERR_INVALID, "no certificate in PEM form in it");
    ERR_clear_error();
    if (err == ERR_OK)
        return count;
    X509_free(cert);
    cert_list_free(list, count);
    return err;
}

char *cert_list_to_pem(X509 *const list[], int count)
{
    char *data = NULL, *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio != NULL;
    for (int i = 0; ok && i < count; i++)
        ok = PEM_write_bio_X509(bio, list[i]) == 1;
    long size = ok ? BIO_get_mem_data(bio, &data) : 0;
    if (size > 0)
        text = strndup(data, (size_t)size);
    BIO_free(bio);
    return text;
}

bool cert_is_signed_by(X509 *cert, X509 *issuer)
{
    bool is_so = X509_check_issued(issuer, cert) == X509_V_OK &&
                 X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
    ERR_clear_error();
    return is_so;
}

EVP_PKEY *cert_key_from_pem(const char *pem, struct errbuf *e)
{
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key == NULL)
        cert_err(e, ERR_INVALID, "not a private key in PEM form without a passphrase");
    return key;
}

int cert_fingerprint(X509 *cert, uint8_t fingerprint[CERT_FINGERPRINT_SIZE])
{
    unsigned char *der = NULL;
    unsigned size = 0;
    int der_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (der_size <= 0)
        return ERR_INVALID;
    int ok = EVP_Digest(der, (size_t)der_size, fingerprint, &size, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return ok == 1 && size == CERT_FINGERPRINT_SIZE ? ERR_OK : ERR_NOMEM;
}

int cert_fingerprint_of_ca(STACK_OF(X509) * chain, uint8_t fingerprint[CERT_FINGERPRINT_SIZE])
{
    int count = chain == NULL ? 0 : sk_X509_num(chain);
    return count < 2 ? ERR_INVALID : cert_fingerprint(sk_X509_value(chain, count - 1), fingerprint);
}

void cert_name(X509 *cert, char name[CERT_NAME_SIZE])
{
    char clean[4 * CERT_NAME_SIZE]; /* text_sanitize may make three bytes of one */
    unsigned char *utf8 = NULL;
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    name[0] = '\0';
    if (at < 0)
        return;
    int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) {
        ERR_clear_error();
        return;
    }
    text_sanitize(clean, sizeof(clean), (const char *)utf8,
                  size < CERT_NAME_SIZE ? (size_t)size : CERT_NAME_SIZE - 1);
    for (char *c = clean; *c != '\0'; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    text_copy(name, CERT_NAME_SIZE, clean);
    OPENSSL_free(utf8);
}

static int64_t wall_s(const ASN1_TIME *time)
{
    int days, seconds;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int64_t s = 0;
    if (epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1)
        s = (int64_t)days * 86400 + seconds;
    ASN1_TIME_free(epoch);
    return s;
}

int64_t cert_starts_wall_s(const X509 *cert)
{
    return wall_s(X509_get0_notBefore(cert));
}

int64_t cert_expires_wall_s(const X509 *cert)
{
    return wall_s(X509_get0_notAfter(cert));
}

const char *cert_date(char date[CERT_DATE_SIZE], int64_t seconds)
{
    struct tm tm;
    time_t t = (time_t)seconds;
    if (gmtime_r(&t, &tm) == NULL || strftime(date, CERT_DATE_SIZE, "%Y-%m-%d", &tm) == 0)
        text_copy(date, CERT_DATE_SIZE, "?");
    return date;
}
