/* Loading and checking an identity, and the TLS settings that all links share: TLS 1.3 only, both
 * sides show a certificate, no tickets, no resumption, no early data. Whom to accept is asked per
 * handshake, of its struct tls_guard. */
#include "orchestrator/sys/tls_identity.h"

#include "orchestrator/base/text.h"
#include "orchestrator/sys/cert.h"
#include "orchestrator/sys/pki_file.h"
#include "orchestrator/sys/tls_parts.h"
#include "orchestrator/sys/tls_words.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum {
    PEER_CHAIN_MAX = 16 << 10, /* bytes of certificates that a peer may send */
    NO_INTERMEDIATES = 0,      /* the CA itself signs */
};

struct tls_identity {
    int owners;
    SSL_CTX *ctx;
    int64_t expires_wall_s;
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    uint8_t ca[TLS_FINGERPRINT_SIZE];
    uint8_t digest[2][TLS_FINGERPRINT_SIZE]; /* of the texts of CAs and certificate */
    char name[CERT_NAME_SIZE];
};

/* ---- the peer's certificate, asked by OpenSSL for each one of the chain */

static void note(struct tls_guard *guard, enum tls_why why, const char *reason)
{
    if (guard->why != TLS_WHY_NONE)
        return;
    guard->why = why;
    text_copy(guard->reason, sizeof(guard->reason), reason);
}

/* The alert that the peer gets follows from the error that is set here: tls_words_alert. */
static int check_key(struct tls_guard *guard, X509_STORE_CTX *store, X509 *cert)
{
    uint8_t fingerprint[CERT_FINGERPRINT_SIZE];
    if (cert_fingerprint(cert, fingerprint) != ERR_OK) {
        note(guard, TLS_WHY_CERTIFICATE, "the key of the peer's certificate is unreadable");
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
        return 0;
    }
    if (guard->pin != NULL && memcmp(fingerprint, guard->pin, sizeof(fingerprint)) != 0) {
        note(guard, TLS_WHY_CERTIFICATE,
             "the peer has another key than the one of the member list");
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    if (guard->is_known != NULL && !guard->is_known(guard->known_data, fingerprint)) {
        note(guard, TLS_WHY_STRANGER, "the peer's key is not in the member list");
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED);
        return 0;
    }
    return 1;
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
    char text[TLS_REASON_SIZE];
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_guard *guard = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    if (!ok) {
        int error = X509_STORE_CTX_get_error(store);
        note(guard, TLS_WHY_CERTIFICATE,
             tls_words_verify(text, sizeof(text), "the peer's", error, cert));
        return 0;
    }
    if (X509_STORE_CTX_get_error_depth(store) > 0)
        return 1;
    return check_key(guard, store, cert);
}

static int on_alpn(SSL *ssl, const unsigned char **name, unsigned char *name_size,
                   const unsigned char *offered, unsigned offered_size, void *data)
{
    (void)data;
    unsigned char *chosen = NULL;
    struct tls_guard *guard = SSL_get_app_data(ssl);
    if (SSL_select_next_proto(&chosen, name_size, guard->alpn, guard->alpn_size, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED) {
        note(guard, TLS_WHY_PROTOCOL, "no common protocol: the peer asked for an unknown one");
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *name = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- loading */

static SSL_CTX *make_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ctx, PEER_CHAIN_MAX);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
    SSL_CTX_set_verify_depth(ctx, NO_INTERMEDIATES);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
                                      "TLS_AES_256_GCM_SHA384") == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

/* Trust every certificate of the CA file. */
static int trust(SSL_CTX *ctx, const char *pem, struct errbuf *e)
{
    X509 *list[CERT_LIST_MAX];
    int err = ERR_OK, count = cert_list_from_pem(pem, list, e);
    if (count < 0)
        return count;
    for (int i = 0; err == ERR_OK && i < count; i++) {
        if (X509_check_ca(list[i]) != 1)
            err = err_set(e, ERR_INVALID, "a certificate in it is not one of a CA");
        else if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), list[i]) != 1)
            err = cert_err(e, ERR_NOMEM, "cannot trust a certificate in it");
    }
    cert_list_free(list, count);
    return err;
}

/* Signed by a CA of the store (which one is noted) and within its dates? */
static int check_cert(SSL_CTX *ctx, X509 *cert, uint8_t ca[TLS_FINGERPRINT_SIZE], struct errbuf *e)
{
    char text[TLS_REASON_SIZE];
    int err = ERR_NOMEM;
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    if (store == NULL || X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(ctx), cert, NULL) != 1) {
        err_set(e, err, "%s", err_text(err));
    } else if (X509_verify_cert(store) != 1) {
        X509 *failed = X509_STORE_CTX_get_current_cert(store);
        tls_words_verify(text, sizeof(text), failed == cert ? "this" : "the CA's",
                         X509_STORE_CTX_get_error(store), failed);
        err = err_set(e, ERR_INVALID, "%s", text);
    } else {
        err = cert_fingerprint_of_ca(X509_STORE_CTX_get0_chain(store), ca);
    }
    X509_STORE_CTX_free(store);
    ERR_clear_error();
    return err;
}

static int load_cert(struct tls_identity *identity, const char *pem, struct errbuf *e)
{
    int err = ERR_INVALID;
    X509 *cert = cert_from_pem(pem, e);
    if (cert != NULL)
        err = check_cert(identity->ctx, cert, identity->ca, e);
    if (err == ERR_OK && (SSL_CTX_use_certificate(identity->ctx, cert) != 1 ||
                          cert_fingerprint(cert, identity->fingerprint) != ERR_OK))
        err = cert_err(e, ERR_INVALID, "cannot use it");
    if (err == ERR_OK) {
        cert_name(cert, identity->name);
        identity->expires_wall_s = cert_expires_wall_s(cert);
    }
    X509_free(cert);
    return err;
}

static int load_key(struct tls_identity *identity, const char *pem, struct errbuf *e)
{
    int err = ERR_OK;
    EVP_PKEY *key = cert_key_from_pem(pem, e);
    if (key == NULL)
        err = ERR_INVALID;
    else if (X509_check_private_key(SSL_CTX_get0_certificate(identity->ctx), key) != 1)
        err = err_set(e, ERR_INVALID, "it is not the key of the certificate beside it");
    else if (SSL_CTX_use_PrivateKey(identity->ctx, key) != 1)
        err = cert_err(e, ERR_INVALID, "cannot use it");
    EVP_PKEY_free(key);
    ERR_clear_error();
    return err;
}

/* What each of the three is called in errors: its path, or "" when it came as text. */
struct names {
    const char *ca, *cert, *key;
};

static int name_error(int err, struct errbuf *e, const char *what, const char *path)
{
    if (err != ERR_OK && path[0] != '\0')
        err_wrap(e, "%s '%s'", what, path);
    else if (err != ERR_OK)
        err_wrap(e, "%s", what);
    return err;
}

static bool digest(const char *text, uint8_t to[TLS_FINGERPRINT_SIZE])
{
    return EVP_Digest(text, strlen(text), to, NULL, EVP_sha256(), NULL) == 1;
}

static int load(const char *ca_pem, const char *cert_pem, const char *key_pem,
                const struct names *names, struct tls_identity **identity, struct errbuf *e)
{
    *identity = NULL;
    ERR_clear_error();
    struct tls_identity *new = calloc(1, sizeof(*new));
    if (new == NULL)
        return err_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    new->owners = 1;
    new->ctx = make_ctx();
    int err = new->ctx == NULL ? cert_err(e, ERR_NOMEM, "cannot set up TLS 1.3") : ERR_OK;
    if (err == ERR_OK)
        err = name_error(trust(new->ctx, ca_pem, e), e, "CA file", names->ca);
    if (err == ERR_OK)
        err = name_error(load_cert(new, cert_pem, e), e, "certificate", names->cert);
    if (err == ERR_OK)
        err = name_error(load_key(new, key_pem, e), e, "private key", names->key);
    if (err == ERR_OK && !(digest(ca_pem, new->digest[0]) && digest(cert_pem, new->digest[1])))
        err = cert_err(e, ERR_NOMEM, "cannot tell it from others");
    if (err == ERR_OK)
        *identity = new;
    else
        tls_identity_free(new);
    return err;
}

int tls_identity_load(const char *ca_pem, const char *cert_pem, const char *key_pem,
                      struct tls_identity **identity, struct errbuf *e)
{
    static const struct names none = {"", "", ""};
    return load(ca_pem, cert_pem, key_pem, &none, identity, e);
}

int tls_identity_open(const char *ca_path, const char *cert_path, const char *key_path,
                      struct tls_identity **identity, struct errbuf *e)
{
    const struct names names = {ca_path, cert_path, key_path};
    char *ca = NULL, *cert = NULL, *key = NULL;
    *identity = NULL;
    int err = pki_file_is_secret(key_path, e);
    if (err != ERR_OK) {
        err_wrap(e, "private key");
        return err;
    }
    ca = pki_file_read(ca_path, e);
    if (ca != NULL)
        cert = pki_file_read(cert_path, e);
    if (cert != NULL)
        key = pki_file_read(key_path, e);
    err = key == NULL ? ERR_IO : load(ca, cert, key, &names, identity, e);
    pki_text_free(ca);
    pki_text_free(cert);
    pki_text_free(key);
    return err;
}

struct tls_identity *tls_identity_keep(struct tls_identity *identity)
{
    identity->owners++;
    return identity;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (identity == NULL || --identity->owners > 0)
        return;
    SSL_CTX_free(identity->ctx);
    free(identity);
}

const uint8_t *tls_identity_fingerprint(const struct tls_identity *identity)
{
    return identity->fingerprint;
}

const char *tls_identity_name(const struct tls_identity *identity)
{
    return identity->name;
}

int64_t tls_identity_expires_wall_s(const struct tls_identity *identity)
{
    return identity->expires_wall_s;
}

const uint8_t *tls_identity_ca(const struct tls_identity *identity)
{
    return identity->ca;
}

bool tls_identity_is_same(const struct tls_identity *a, const struct tls_identity *b)
{
    return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

/* ---- for the links */

bool tls_alpn_add(uint8_t *wire, size_t wire_max, unsigned *size, const char *name)
{
    size_t name_size = strlen(name);
    if (name_size == 0 || name_size > UINT8_MAX || *size + 1 + name_size > wire_max)
        return false;
    wire[*size] = (uint8_t)name_size;
    memcpy(wire + *size + 1, name, name_size);
    *size += 1 + (unsigned)name_size;
    return true;
}

SSL *tls_identity_ssl(struct tls_identity *identity, struct tls_guard *guard, bool is_server)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(identity->ctx); /* keeps the SSL_CTX, so that the identity may go */
    BIO *received = BIO_new(BIO_s_mem());
    BIO *to_send = BIO_new(BIO_s_mem());
    if (ssl == NULL || received == NULL || to_send == NULL)
        goto fail;
    BIO_set_mem_eof_return(received, -1); /* empty means "later", not "the end" */
    BIO_set_mem_eof_return(to_send, -1);
    SSL_set_app_data(ssl, guard);
    if (is_server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    if (!is_server && SSL_set_alpn_protos(ssl, guard->alpn, guard->alpn_size) != 0)
        goto fail;
    SSL_set_bio(ssl, received, to_send);
    return ssl;

fail:
    BIO_free(received);
    BIO_free(to_send);
    SSL_free(ssl);
    return NULL;
}
