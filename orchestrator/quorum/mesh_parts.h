/* What the mesh*.c files share and nobody else sees. */
#ifndef QUORUM_MESH_PARTS_H
#define QUORUM_MESH_PARTS_H

#include "orchestrator/quorum/mesh.h"
#include "orchestrator/raft/raft.h"

enum { MESH_HELLO_MAX_BYTES = 512 };

struct mesh_peer;

struct outbound {
    struct mesh_peer *peer;
    enum mesh_channel channel;
    struct tls_link *link; /* NULL: none */
    bool is_welcomed;
    struct timer *retry;
    int64_t delay_ms;
    char text[256];        /* why it is not connected */
    struct outbound *next; /* with a newer certificate: takes the place of this one when welcomed */
};

struct mesh_peer { /* another member */
    struct mesh *mesh;
    uint32_t id;
    uint64_t incarnation; /* 0: any, or not met yet */
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    char name[64];
    char host[128];
    uint16_t port;
    struct outbound *out[MESH_CHANNELS]; /* NULL: not opened from here */
    struct mesh_certificate shown;
};

struct inbound {
    struct inbound *next;
    struct mesh *mesh;
    struct tls_link *link;
    enum mesh_channel channel;
    uint32_t from; /* 0: no hello yet; of an observer: its id */
    struct timer *deadline;
};

struct mesh {
    struct loop *loop;
    struct mesh_params params;
    const struct mesh_ops *ops;
    void *data;
    struct tls_server *server;
    int fd; /* to listen on as soon as there is a certificate; -1: none */
    bool are_hints;
    struct mesh_peer *peers[RAFT_MEMBERS_MAX];
    uint32_t peer_count;
    struct inbound *inbound;
};

/* The protocols' names by channel. */
const char *mesh_protocol(enum mesh_channel channel);

/* NULL: no such member. */
struct mesh_peer *mesh_find(const struct mesh *mesh, uint32_t id);
struct tls_limits mesh_limits(const struct mesh *mesh);
void mesh_note_certificate(struct mesh_peer *peer, const struct tls_peer *tls);

/* mesh_connect.c. New: the first try is made behind this turn of the loop. */
struct outbound *mesh_outbound_new(struct mesh_peer *peer, enum mesh_channel channel);
void mesh_outbound_free(struct outbound *out);  /* NULL is fine */
void mesh_outbound_renew(struct outbound *out); /* there is a newer certificate */

/* mesh_accept.c */
int mesh_serve(struct mesh *mesh, struct errbuf *e);
void mesh_drop_inbound(struct inbound *in);
void mesh_drop_strangers(struct mesh *mesh); /* who is a member no more */
struct inbound *mesh_inbound_of(const struct mesh *mesh, uint32_t observer); /* NULL: none */

#endif
