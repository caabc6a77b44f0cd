/* Links between controllers: framed bytes over mutual TLS 1.3. A frame is a 32-bit little-endian
 * size and that many bytes. Sending never blocks: what is sent within one turn of the loop leaves
 * together at its end; what the socket does not take waits in a queue with a bound.
 *
 * A link is open when both sides have accepted each other: the accepting side says so with a
 * greeting of its own before the first frame, because in TLS 1.3 a client's handshake is over
 * before its certificate was looked at. No host name is verified: the key is the identity. */
#ifndef SYS_TLS_LINK_H
#define SYS_TLS_LINK_H

#include "orchestrator/sys/loop.h"
#include "orchestrator/sys/tls_identity.h"

#include <stddef.h>
#include <stdint.h>

enum { TLS_NAME_SIZE = 64, TLS_ALPN_SIZE = 32, TLS_ADDRESS_SIZE = 64 };

struct tls_link;

struct tls_peer {
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    char name[TLS_NAME_SIZE]; /* its certificate's common name; says nothing about who it is */
    char alpn[TLS_ALPN_SIZE];
    char address[TLS_ADDRESS_SIZE];   /* "192.0.2.1:7000", "[2001:db8::1]:7000" */
    int64_t expires_wall_s;           /* its certificate */
    uint8_t ca[TLS_FINGERPRINT_SIZE]; /* the key that signed it */
};

struct tls_limits {
    uint32_t frame_max;       /* bytes of a frame; a larger one cuts the peer off */
    size_t queue_max;         /* bytes that may wait to be sent */
    int64_t handshake_max_ms; /* from the start until the link is open */
    int64_t unheard_max_ms;   /* bytes that nobody acknowledges for so long end it; 0 = 30 s */
};

/* Either may free the link. on_close runs once, unless the link is freed before; then the link
 * still has to be freed. reason is borrowed, in words for people. */
struct tls_link_ops {
    void (*on_open)(void *data, const struct tls_peer *peer);
    void (*on_frame)(void *data, const uint8_t *bytes, size_t size); /* borrowed for the call */
    void (*on_close)(void *data, int err, const char *reason);
};

struct tls_connect_params {
    struct tls_identity *identity; /* borrowed for the call */
    const char *host;              /* name or literal; copied */
    uint16_t port;
    const char *alpn;   /* the protocol to speak, at most 31 bytes */
    const uint8_t *pin; /* the peer's fingerprint (copied), or NULL: any key of the cluster's CA */
    struct tls_limits limits;
};

/* Connect. ops is borrowed for the link's life. Returns 0 and a link of which on_open or on_close
 * will tell, never from inside this call; or an error, and then nothing is called. */
int tls_connect(struct loop *loop, const struct tls_connect_params *params,
                const struct tls_link_ops *ops, void *data, struct tls_link **link,
                struct errbuf *e);

/* Queue a frame (copied). ERR_LIMIT: it does not fit the queue or the frame's limit, nothing was
 * queued. ERR_AGAIN: not open yet. ERR_CLOSED. */
int tls_link_send(struct tls_link *link, const void *bytes, size_t size);

size_t tls_link_queued(const struct tls_link *link); /* bytes not yet taken by the socket */

/* From now on the peer is cut off at frames that are larger than this, if the link's limit is not
 * smaller anyway. */
void tls_link_limit_incoming(struct tls_link *link, uint32_t frame_max);

/* The other end, once the link is open; borrowed. */
const struct tls_peer *tls_link_peer(const struct tls_link *link);

/* Make a link that tls_server handed over the caller's own; on_open is not called. */
void tls_link_adopt(struct tls_link *link, const struct tls_link_ops *ops, void *data);

/* NULL is fine; allowed inside the callbacks. Tries once, without waiting, to send what is queued.
 */
void tls_link_free(struct tls_link *link);

#endif
