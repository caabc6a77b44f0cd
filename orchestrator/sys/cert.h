/* What Ephor reads in certificates and keys. For the files of this folder that know OpenSSL; the
 * others use pki.h and tls_identity.h. */
#ifndef SYS_CERT_H
#define SYS_CERT_H

#include "orchestrator/base/err.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CERT_FINGERPRINT_SIZE = 32, CERT_NAME_SIZE = 64, CERT_DATE_SIZE = 16, CERT_LIST_MAX = 5 };

/* The first certificate or the private key in PEM text (borrowed). NULL: see e. Never asks for a
 * passphrase: an encrypted key is an error. */
X509 *cert_from_pem(const char *pem, struct errbuf *e);
EVP_PKEY *cert_key_from_pem(const char *pem, struct errbuf *e);

/* All certificates in PEM text; what else is in it is passed over. Returns how many there are, each
 * the caller's (cert_list_free), or an error: none, too many, or one that is damaged. */
int cert_list_from_pem(const char *pem, X509 *list[CERT_LIST_MAX], struct errbuf *e);
void cert_list_free(X509 *list[], int count);

/* As text on the heap; NULL: out of memory. */
char *cert_list_to_pem(X509 *const list[], int count);

/* Signed with the key of that CA? */
bool cert_is_signed_by(X509 *cert, X509 *issuer);

/* SHA-256 of the SubjectPublicKeyInfo: stays the same when a certificate is renewed for its key. */
int cert_fingerprint(X509 *cert, uint8_t fingerprint[CERT_FINGERPRINT_SIZE]);

/* The same of the CA at the end of a verified chain. */
int cert_fingerprint_of_ca(STACK_OF(X509) * chain, uint8_t fingerprint[CERT_FINGERPRINT_SIZE]);

/* The common name made printable, cut to fit; "" if there is none. */
void cert_name(X509 *cert, char name[CERT_NAME_SIZE]);

/* Seconds since the epoch of the first and the last moment of its validity; 0 if unreadable. */
int64_t cert_starts_wall_s(const X509 *cert);
int64_t cert_expires_wall_s(const X509 *cert);

/* "2026-01-02" of seconds since the epoch, in UTC. Returns date. */
const char *cert_date(char date[CERT_DATE_SIZE], int64_t wall_s);

/* Take OpenSSL's oldest error from the queue, empty the queue and fill e with
 * "what: <OpenSSL's reason>". Returns code. */
int cert_err(struct errbuf *e, int code, const char *what);

#endif
