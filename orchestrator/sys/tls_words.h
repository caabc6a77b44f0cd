/* Plain words for what goes wrong in a TLS handshake. For the tls_*.c files. */
#ifndef SYS_TLS_WORDS_H
#define SYS_TLS_WORDS_H

#include <openssl/x509.h>
#include <stddef.h>

/* "the peer's certificate expired on 2026-01-02". whose: "the peer's", "its"; cert: the one that
 * failed or NULL. Returns text. */
const char *tls_words_verify(char *text, size_t size, const char *whose, int x509_error,
                             const X509 *cert);

/* What the peer's alert means for us, in words (borrowed, static). */
const char *tls_words_alert(int alert);

#endif
