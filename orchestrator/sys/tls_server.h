/* Accepts links from other controllers. A link is handed over when its handshake is complete and
 * its peer is verified: signed by the cluster's CA, within its dates, and known (is_known is asked
 * before the handshake completes, so that a stranger learns and costs little). Everybody else is
 * refused and counted; the log gets at most a line a second. */
#ifndef SYS_TLS_SERVER_H
#define SYS_TLS_SERVER_H

#include "orchestrator/sys/tls_link.h"

#include <stdbool.h>

enum { TLS_SERVER_ALPN_MAX = 8 };

struct tls_server;

struct tls_server_params {
    struct tls_identity *identity;             /* kept as long as needed */
    const char *alpn[TLS_SERVER_ALPN_MAX + 1]; /* protocols accepted, best first; NULL ends */
    struct tls_limits limits;                  /* of every link */
    uint32_t handshakes_max;                   /* unfinished ones at once */
    uint32_t links_max;                        /* handed over and not yet freed */
    uint32_t per_second_max;                   /* new connections a source address; 0: any */
};

struct tls_server_ops {
    /* A verified peer: tls_link_adopt the link or free it (an unadopted link is freed). peer is
     * borrowed for the life of the link. peer->alpn tells the protocol. */
    void (*on_link)(void *data, struct tls_link *link, const struct tls_peer *peer);
    /* NULL: whoever has a certificate of the CA is known. */
    bool (*is_known)(void *data, const uint8_t fingerprint[TLS_FINGERPRINT_SIZE]);
};

struct tls_server_counts {
    uint64_t accepted;
    uint64_t strangers;        /* a certificate of the CA, but not in the member list */
    uint64_t bad_certificates; /* none, expired, of another CA */
    uint64_t bad_protocols;    /* no common protocol name */
    uint64_t garbage;          /* not TLS 1.3 */
    uint64_t timeouts;         /* no handshake in time, or pushed out by newer ones */
    uint64_t lost;             /* went away, or refused this controller */
    uint64_t floods;           /* too many connections of one source in a second */
    uint64_t too_many;         /* handshakes_max or links_max reached */
    uint32_t handshakes;       /* unfinished now */
    uint32_t links;            /* handed over and alive now */
};

/* Serve on a listening TCP socket (taken, also on failure). ops is borrowed for life. NULL: see e.
 */
struct tls_server *tls_server_new(struct loop *loop, int fd, const struct tls_server_params *params,
                                  const struct tls_server_ops *ops, void *data, struct errbuf *e);

/* Stop accepting and drop unfinished handshakes; adopted links live on. Not from inside on_link or
 * is_known. NULL is fine. */
void tls_server_free(struct tls_server *server);

/* From now on show and trust this identity; links and handshakes under way keep theirs. */
void tls_server_use(struct tls_server *server, struct tls_identity *identity);

struct tls_server_counts tls_server_counts(const struct tls_server *server);

#endif
