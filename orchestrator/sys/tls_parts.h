/* What the tls_*.c files share and nobody else sees. */
#ifndef SYS_TLS_PARTS_H
#define SYS_TLS_PARTS_H

#include "orchestrator/sys/tls_identity.h"
#include "orchestrator/sys/tls_link.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { TLS_REASON_SIZE = 200 };

/* Why a handshake failed; the server counts by it. */
enum tls_why {
    TLS_WHY_NONE,
    TLS_WHY_STRANGER,    /* signed by the CA, but not in the member list */
    TLS_WHY_CERTIFICATE, /* none, expired, of another CA, another key than the pinned one */
    TLS_WHY_PROTOCOL,    /* no common protocol name */
    TLS_WHY_GARBAGE,     /* not TLS 1.3 */
    TLS_WHY_TIMEOUT,
    TLS_WHY_LOST, /* the peer went away or refused us */
};

/* What one handshake demands of the peer, and what came of it. It is the app data of its SSL. */
struct tls_guard {
    const uint8_t *pin;  /* NULL: any key that is known */
    const uint8_t *alpn; /* accepted or offered names in wire format */
    unsigned alpn_size;
    bool (*is_known)(void *data, const uint8_t fingerprint[TLS_FINGERPRINT_SIZE]); /* or NULL */
    void *known_data;
    enum tls_why why;
    char reason[TLS_REASON_SIZE];
};

/* A TLS state over two memory BIOs; guard is borrowed for its life. NULL: out of memory. */
SSL *tls_identity_ssl(struct tls_identity *identity, struct tls_guard *guard, bool is_server);

/* Append a protocol name in wire format. False if it does not fit. */
bool tls_alpn_add(uint8_t *wire, size_t wire_max, unsigned *size, const char *name);

/* A link in its making. The socket comes with tls_link_start. NULL: out of memory. */
struct tls_link_plan {
    struct loop *loop;
    const struct tls_limits *limits;
    const struct tls_link_ops *ops;
    void *data;
    struct tls_guard guard;
    bool is_server;
};
struct tls_link *tls_link_new(const struct tls_link_plan *plan, struct tls_identity *identity);

/* fd is taken, also on failure: connected, or connecting on the client's side. */
int tls_link_start(struct tls_link *link, int fd, const struct sockaddr *address);

/* Close with on_close; link may be gone afterwards. */
void tls_link_fail(struct tls_link *link, int err, const char *reason);

/* A note that is called once when the link is destroyed. */
void tls_link_on_end(struct tls_link *link, void (*on_end)(void *data), void *data);

enum tls_why tls_link_why(const struct tls_link *link);
bool tls_link_is_adopted(const struct tls_link *link);
const char *tls_link_address(const struct tls_link *link);

#endif
