/* What this controller shows to the others and whom it trusts: the CA's certificate, its own, its
 * private key. An identity never changes; a reload opens another one and hands it to the server and
 * the connectors, while links that are open go on with the one they were made with. */
#ifndef SYS_TLS_IDENTITY_H
#define SYS_TLS_IDENTITY_H

#include "orchestrator/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { TLS_FINGERPRINT_SIZE = 32 };

struct tls_identity;

/* Load from PEM files. The CA file may hold several CAs, so that one can replace another. Refused
 * is what could not work: a key that others may read or that is not the certificate's, a
 * certificate of another CA or outside of its dates. */
int tls_identity_open(const char *ca_path, const char *cert_path, const char *key_path,
                      struct tls_identity **identity, struct errbuf *e);

/* The same from PEM text, which is borrowed for the call. */
int tls_identity_load(const char *ca_pem, const char *cert_pem, const char *key_pem,
                      struct tls_identity **identity, struct errbuf *e);

/* One more owner; each owner frees it once. */
struct tls_identity *tls_identity_keep(struct tls_identity *identity);
void tls_identity_free(struct tls_identity *identity); /* NULL is fine */

/* SHA-256 of the own SubjectPublicKeyInfo; borrowed. */
const uint8_t *tls_identity_fingerprint(const struct tls_identity *identity);
const char *tls_identity_name(const struct tls_identity *identity); /* common name; borrowed */
int64_t tls_identity_expires_wall_s(const struct tls_identity *identity);
const uint8_t *tls_identity_ca(const struct tls_identity *identity); /* the key that signed it */

/* Show and trust both the same? */
bool tls_identity_is_same(const struct tls_identity *a, const struct tls_identity *b);

#endif
