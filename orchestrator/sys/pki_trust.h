/* Whom the controllers trust: one CA or, while one replaces another, several: their certificates
 * one after the other in one text, the newest first. */
#ifndef SYS_PKI_TRUST_H
#define SYS_PKI_TRUST_H

#include "orchestrator/base/err.h"

enum { PKI_TRUST_MAX = 4 };

/* All functions give a text on the heap (free), or an error, and then *to is NULL. */

/* The certificate of the CA whose key this is. ERR_REFUSED: it is of none of them. */
int pki_trust_of_key(const char *trust_pem, const char *key_pem, char **to, struct errbuf *e);

/* The newest CA, which must have signed the certificate. ERR_REFUSED: another one did. */
int pki_trust_newest(const char *trust_pem, const char *cert_pem, char **to, struct errbuf *e);

/* Both together, each CA once, those of newer_pem first. */
int pki_trust_join(const char *newer_pem, const char *older_pem, char **to, struct errbuf *e);

#endif
