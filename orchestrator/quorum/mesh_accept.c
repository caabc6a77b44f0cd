/* Accepting: TLS (a known key?), Hello in time and checked, Welcome, and it reads. Members are
 * judged by the log; observers by whoever keeps them. */
#include "orchestrator/quorum/mesh_parts.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    HELLO_MAX_MS = 2000,
    HANDSHAKES_MAX = 32,
    LINKS_MAX = 64 + 1024,        /* of members, and twice as many as there can be observers */
    PER_SECOND_MAX = 100,         /* of one address */
    OBSERVER_FRAME_MAX = 4 << 20, /* what one says of a hundred thousand checks */
};

void mesh_drop_inbound(struct inbound *in)
{
    struct inbound **at = &in->mesh->inbound;
    while (*at != in)
        at = &(*at)->next;
    *at = in->next;
    if (in->channel == MESH_WATCH && in->from != 0)
        in->mesh->ops->on_lost(in->mesh->data, in->from);
    timer_free(in->deadline);
    tls_link_free(in->link);
    free(in);
}

struct inbound *mesh_inbound_of(const struct mesh *mesh, uint32_t observer)
{
    struct inbound *in = mesh->inbound;
    while (in != NULL && (in->channel != MESH_WATCH || in->from != observer))
        in = in->next;
    return in;
}

static void welcome(struct inbound *in, const char *refusal)
{
    Ephor__Welcome answer = EPHOR__WELCOME__INIT;
    uint8_t bytes[MESH_HELLO_MAX_BYTES];
    answer.ok = refusal == NULL;
    answer.text = (char *)(uintptr_t)(refusal == NULL ? "" : refusal);
    if (ephor__welcome__get_packed_size(&answer) <= sizeof(bytes))
        tls_link_send(in->link, bytes, ephor__welcome__pack(&answer, bytes));
}

static const char *judge_member(struct mesh *mesh, const Ephor__Hello *hello,
                                const struct tls_peer *tls)
{
    const struct mesh_peer *peer = mesh_find(mesh, hello->id);
    if (peer == NULL)
        return "it is no member of this cluster; add it with ephorctl cluster add";
    if (memcmp(peer->fingerprint, tls->fingerprint, TLS_FINGERPRINT_SIZE) != 0)
        return "its key is not the one of that member";
    if (hello->incarnation == 0)
        return "it has no storage";
    if (mesh->are_hints || peer->incarnation == hello->incarnation)
        return NULL;
    if (peer->incarnation != 0)
        return "its storage is not the one of that member: a controller whose disk was lost must "
               "be removed and added again (ephorctl cluster remove, add)";
    mesh->ops->on_unmet(mesh->data, peer->id, hello->incarnation);
    return "the leader has not met it yet";
}

/* NULL: it is who it says. */
static const char *judge(struct inbound *in, const Ephor__Hello *hello)
{
    struct mesh *mesh = in->mesh;
    const struct tls_peer *tls = tls_link_peer(in->link);
    if (hello->cluster != 0 && mesh->params.cluster != 0 && hello->cluster != mesh->params.cluster)
        return "it is of another cluster";
    if (in->channel != MESH_WATCH)
        return judge_member(mesh, hello, tls);
    return mesh->ops->judge_observer == NULL
               ? "no observers are let in here"
               : mesh->ops->judge_observer(mesh->data, hello, tls->fingerprint);
}

/* It is let in. Of an observer only the newest link is of use. */
static void let_in(struct inbound *in, uint32_t id)
{
    timer_stop(in->deadline);
    if (in->channel != MESH_WATCH) {
        in->from = id;
        mesh_note_certificate(mesh_find(in->mesh, id), tls_link_peer(in->link));
        return;
    }
    mesh_drop_observer(in->mesh, id);
    in->from = id;
    tls_link_limit_incoming(in->link, OBSERVER_FRAME_MAX);
    in->mesh->ops->on_connected(in->mesh->data, id, MESH_WATCH);
}

static void on_hello(struct inbound *in, const uint8_t *bytes, size_t size)
{
    Ephor__Hello *hello =
        size > MESH_HELLO_MAX_BYTES ? NULL : ephor__hello__unpack(NULL, size, bytes);
    const char *refusal = hello == NULL ? "its hello makes no sense" : judge(in, hello);
    welcome(in, refusal);
    if (refusal == NULL)
        let_in(in, hello->id);
    if (hello != NULL)
        ephor__hello__free_unpacked(hello, NULL);
    if (refusal != NULL)
        mesh_drop_inbound(in);
}

static void on_in_frame(void *data, const uint8_t *bytes, size_t size)
{
    struct inbound *in = data;
    struct mesh *mesh = in->mesh;
    if (in->from == 0)
        on_hello(in, bytes, size);
    else
        mesh->ops->on_frame(mesh->data, in->from, in->channel, bytes, size);
}

static void on_in_close(void *data, int err, const char *reason)
{
    (void)err;
    (void)reason; /* whoever connected tells it, and tries again */
    mesh_drop_inbound(data);
}

static void on_in_deadline(void *data)
{
    mesh_drop_inbound(data);
}

static const struct tls_link_ops in_ops = {NULL, on_in_frame, on_in_close};

static enum mesh_channel channel_of(const char *protocol)
{
    int channel = MESH_LOG;
    while (channel + 1 < MESH_CHANNELS &&
           strcmp(mesh_protocol((enum mesh_channel)channel), protocol) != 0)
        channel++;
    return (enum mesh_channel)channel;
}

static void on_link(void *data, struct tls_link *link, const struct tls_peer *peer)
{
    struct mesh *mesh = data;
    struct inbound *in = calloc(1, sizeof(*in));
    if (in == NULL)
        return; /* not adopted: freed by the server */
    in->mesh = mesh;
    in->link = link;
    in->channel = channel_of(peer->alpn);
    in->deadline = timer_new(mesh->loop, on_in_deadline, in);
    if (in->deadline == NULL) {
        free(in);
        return;
    }
    in->next = mesh->inbound;
    mesh->inbound = in;
    timer_start(in->deadline, HELLO_MAX_MS, 0);
    tls_link_adopt(link, &in_ops, in);
}

static bool is_known(void *data, const uint8_t fingerprint[TLS_FINGERPRINT_SIZE])
{
    const struct mesh *mesh = data;
    for (uint32_t i = 0; i < mesh->peer_count; i++) {
        if (memcmp(mesh->peers[i]->fingerprint, fingerprint, TLS_FINGERPRINT_SIZE) == 0)
            return true;
    }
    return mesh->ops->is_observer_key != NULL &&
           mesh->ops->is_observer_key(mesh->data, fingerprint);
}

int mesh_serve(struct mesh *mesh, struct errbuf *e)
{
    static const struct tls_server_ops ops = {on_link, is_known};
    struct tls_server_params params = {.identity = mesh->params.identity,
                                       .alpn = {mesh_protocol(MESH_LOG), mesh_protocol(MESH_TALK),
                                                mesh_protocol(MESH_WATCH), NULL},
                                       .limits = mesh_limits(mesh),
                                       .handshakes_max = HANDSHAKES_MAX,
                                       .links_max = LINKS_MAX,
                                       .per_second_max = PER_SECOND_MAX};
    tls_server_free(mesh->server);
    mesh->server = tls_server_new(mesh->loop, mesh->fd, &params, &ops, mesh, e);
    mesh->fd = -1;
    return mesh->server == NULL ? ERR_IO : ERR_OK;
}

void mesh_drop_strangers(struct mesh *mesh)
{
    for (struct inbound *in = mesh->inbound, *next; in != NULL; in = next) {
        next = in->next;
        if (in->channel != MESH_WATCH && in->from != 0 && mesh_find(mesh, in->from) == NULL)
            mesh_drop_inbound(in);
    }
}
