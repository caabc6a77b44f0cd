/* The links between this controller and the others: one port, mutual TLS, protocols told apart by
 * ALPN: the log's messages, everything else between controllers (talk), and what observers and
 * controllers say to each other (watch). Each controller connects to each other one and sends on
 * what it opened itself; what it accepted is only read, but for the answer to the hello. Observers
 * connect to controllers, and both sides of those links send and read.
 *
 * Whoever connects says who it is; that must be a member with the key of that member and the
 * storage that the log knows for it: a disk that was lost never comes back under its old id. */
#ifndef QUORUM_MESH_H
#define QUORUM_MESH_H

#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/tls_server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mesh;

enum mesh_channel { MESH_LOG, MESH_TALK, MESH_WATCH, MESH_CHANNELS };

struct mesh_ops {
    /* bytes are borrowed. */
    void (*on_frame)(void *data, uint32_t from, enum mesh_channel channel, const uint8_t *bytes,
                     size_t size);
    /* From now on mesh_send works; whatever was sent before may be lost. */
    void (*on_connected)(void *data, uint32_t id, enum mesh_channel channel);
    /* A member whose storage nobody has seen yet says hello. It is refused until the members say
     * that incarnation, and asks again. */
    void (*on_unmet)(void *data, uint32_t id, uint64_t incarnation);

    /* Observers; all NULL where none are let in. Is it the key of one? Is it the one that it says
     * it is? NULL: yes; else why not, borrowed. Then on_connected, and on_lost in the end. */
    bool (*is_observer_key)(void *data, const uint8_t fingerprint[TLS_FINGERPRINT_SIZE]);
    const char *(*judge_observer)(void *data, const Ephor__Hello *hello,
                                  const uint8_t fingerprint[TLS_FINGERPRINT_SIZE]);
    void (*on_lost)(void *data, uint32_t observer);
};

struct mesh_params {
    uint32_t id;
    uint64_t cluster; /* 0: not known */
    uint64_t incarnation;
    struct tls_identity *identity; /* kept as long as needed; NULL: no links before mesh_use */
    int64_t unheard_max_ms;        /* a link whose bytes nobody acknowledges is given up */
    bool observes;                 /* it opens MESH_WATCH to the members, and nothing else */
};

/* NULL: out of memory. ops is borrowed for life. */
struct mesh *mesh_new(struct loop *loop, const struct mesh_params *params,
                      const struct mesh_ops *ops, void *data);
void mesh_free(struct mesh *mesh); /* NULL is fine; not from inside a callback */

/* Accept links on this listening socket (taken), in place of any before. */
int mesh_listen(struct mesh *mesh, int fd, struct errbuf *e);

/* From now on show and trust this. Each link that is open is made anew with it beside the old one,
 * which goes only when the new one is accepted: a certificate that the others do not take costs
 * nothing as long as the old links last, and mesh_is_connected tells it. */
void mesh_use(struct mesh *mesh, struct tls_identity *identity);
void mesh_set_cluster(struct mesh *mesh, uint64_t cluster);

/* Link to these and to nobody else. is_hint: they come from a file, not from the log, and may be
 * met with any storage. */
void mesh_set_members(struct mesh *mesh, const Ephor__Membership *members, bool is_hint);

/* To a member; on MESH_WATCH of a controller, to an observer.
 * ERR_AGAIN: no link at present; ERR_LIMIT: too much waits; ERR_NOT_FOUND: no such member. */
int mesh_send(struct mesh *mesh, uint32_t id, enum mesh_channel channel, const void *bytes,
              size_t size);

/* Bytes that wait for the links to all observers; and the end of one of these links. */
size_t mesh_queued(const struct mesh *mesh);
void mesh_drop_observer(struct mesh *mesh, uint32_t id);

/* The link to a member: connected, or why not; or connected, but why not with the newest
 * certificate; otherwise "". The text is borrowed until the next turn of the loop. */
bool mesh_is_connected(const struct mesh *mesh, uint32_t id, const char **text);

/* The certificate that a member showed last; NULL: none yet. Borrowed like the text. */
struct mesh_certificate {
    int64_t expires_wall_s; /* 0: none */
    uint8_t ca[TLS_FINGERPRINT_SIZE];
};
const struct mesh_certificate *mesh_certificate(const struct mesh *mesh, uint32_t id);

struct tls_server_counts mesh_counts(const struct mesh *mesh);

#endif
