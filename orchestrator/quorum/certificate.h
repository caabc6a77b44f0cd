/* What this controller shows to the others: taken from the supervisor at the start and at each
 * reload, tried again while it cannot be used (a clock may be wrong after a boot), and watched, so
 * that nobody is surprised by its end. A controller without one that works lives without links. */
#ifndef QUORUM_CERTIFICATE_H
#define QUORUM_CERTIFICATE_H

#include "orchestrator/base/err.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_identity;

struct certificate {
    char *ca_pem, *cert_pem, *key_pem; /* what does not work and is tried again; NULL: none */
    struct tls_identity *identity;     /* what is in use; NULL: none */
    char trouble[ERR_TEXT_SIZE];       /* why the newest one is not in use; "" if it is */
    int64_t expires_wall_s;            /* of the newest one; 0: unknown */
    int64_t retry_ms, warn_ms;         /* of the machine's clock */
};

void certificate_close(struct certificate *certificate);

/* True: another one than before is in use from now on. */
bool certificate_take(struct certificate *certificate, const Ephor__Setup *setup);

/* Once a second; true likewise. */
bool certificate_watch(struct certificate *certificate, int64_t now_ms, int64_t now_wall_s);

/* For the status process; the bytes are borrowed. */
void certificate_feed(const struct certificate *certificate, Ephor__Certificate *to);

#endif
