/* Members, and what is sent to them. mesh_connect.c opens links, mesh_accept.c lets others in.
 * Decides nothing about membership; that is the log's. */
#include "orchestrator/quorum/mesh_parts.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FRAME_MAX = 80 << 20, /* an entry of ENGINE_ENTRY_MAX with room */
    QUEUE_MAX = 96 << 20,
};

const char *mesh_protocol(enum mesh_channel channel)
{
    static const char *const names[MESH_CHANNELS] = {"ephor-log/1", "ephor-talk/1",
                                                     "ephor-watch/1"};
    return names[channel];
}

struct mesh_peer *mesh_find(const struct mesh *mesh, uint32_t id)
{
    for (uint32_t i = 0; i < mesh->peer_count; i++) {
        if (mesh->peers[i]->id == id)
            return mesh->peers[i];
    }
    return NULL;
}

struct tls_limits mesh_limits(const struct mesh *mesh)
{
    return (struct tls_limits){.frame_max = FRAME_MAX,
                               .queue_max = QUEUE_MAX,
                               .handshake_max_ms = mesh->params.unheard_max_ms,
                               .unheard_max_ms = mesh->params.unheard_max_ms};
}

void mesh_note_certificate(struct mesh_peer *peer, const struct tls_peer *tls)
{
    peer->shown.expires_wall_s = tls->expires_wall_s;
    memcpy(peer->shown.ca, tls->ca, sizeof(peer->shown.ca));
}

int mesh_listen(struct mesh *mesh, int fd, struct errbuf *e)
{
    if (mesh->fd >= 0)
        close(mesh->fd);
    mesh->fd = fd;
    return mesh->params.identity == NULL ? ERR_OK : mesh_serve(mesh, e);
}

/* ---------------------------------------------------------------- members */

static void free_peer(struct mesh_peer *peer)
{
    for (int c = 0; c < MESH_CHANNELS; c++)
        mesh_outbound_free(peer->out[c]);
    free(peer);
}

/* "HOST:PORT", "[V6]:PORT" */
static bool parse_address(const char *address, struct mesh_peer *peer)
{
    int64_t port;
    const char *colon = strrchr(address, ':');
    if (colon == NULL || !text_parse_int(colon + 1, 1, 65535, &port))
        return false;
    size_t size = (size_t)(colon - address);
    const char *host = address;
    if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
        host++;
        size -= 2;
    }
    peer->port = (uint16_t)port;
    return size > 0 && text_format(peer->host, sizeof(peer->host), "%.*s", (int)size, host);
}

static bool can_link(const Ephor__ClusterMember *m)
{
    return m->address[0] != '\0' && m->fingerprint.len == TLS_FINGERPRINT_SIZE;
}

static struct mesh_peer *new_peer(struct mesh *mesh, const Ephor__ClusterMember *member)
{
    struct mesh_peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL || !parse_address(member->address, peer)) {
        log_warning("peer", "controller %s cannot be linked to: '%s' is no HOST:PORT", member->name,
                    member->address);
        free(peer);
        return NULL;
    }
    peer->mesh = mesh;
    peer->id = member->id;
    memcpy(peer->fingerprint, member->fingerprint.data, TLS_FINGERPRINT_SIZE);
    text_copy(peer->name, sizeof(peer->name), member->name);
    for (int c = 0; c < MESH_CHANNELS; c++)
        if ((c == MESH_WATCH) == mesh->params.observes)
            peer->out[c] = mesh_outbound_new(peer, (enum mesh_channel)c);
    return peer;
}

static bool is_same(const struct mesh_peer *peer, const Ephor__ClusterMember *member)
{
    struct mesh_peer parsed = {0};
    return parse_address(member->address, &parsed) && parsed.port == peer->port &&
           strcmp(parsed.host, peer->host) == 0 &&
           memcmp(peer->fingerprint, member->fingerprint.data, TLS_FINGERPRINT_SIZE) == 0;
}

void mesh_set_members(struct mesh *mesh, const Ephor__Membership *members, bool is_hint)
{
    struct mesh_peer *before[RAFT_MEMBERS_MAX];
    uint32_t before_count = mesh->peer_count;
    memcpy(before, mesh->peers, sizeof(before));
    mesh->peer_count = 0;
    mesh->are_hints = is_hint;
    for (size_t i = 0; i < members->n_members && mesh->peer_count < RAFT_MEMBERS_MAX; i++) {
        const Ephor__ClusterMember *member = members->members[i];
        struct mesh_peer *peer = NULL;
        if (member->id == mesh->params.id || !can_link(member))
            continue;
        for (uint32_t j = 0; j < before_count; j++) {
            if (before[j] != NULL && before[j]->id == member->id && is_same(before[j], member)) {
                peer = before[j];
                before[j] = NULL;
            }
        }
        if (peer == NULL)
            peer = new_peer(mesh, member);
        if (peer == NULL)
            continue;
        peer->incarnation = member->incarnation;
        mesh->peers[mesh->peer_count++] = peer;
    }
    for (uint32_t j = 0; j < before_count; j++) {
        if (before[j] != NULL)
            free_peer(before[j]);
    }
    mesh_drop_strangers(mesh);
}

/* ---------------------------------------------------------------- the rest */

struct mesh *mesh_new(struct loop *loop, const struct mesh_params *params,
                      const struct mesh_ops *ops, void *data)
{
    struct mesh *mesh = calloc(1, sizeof(*mesh));
    if (mesh == NULL)
        return NULL;
    mesh->loop = loop;
    mesh->params = *params;
    mesh->fd = -1;
    if (params->identity != NULL)
        tls_identity_keep(params->identity);
    mesh->ops = ops;
    mesh->data = data;
    return mesh;
}

void mesh_free(struct mesh *mesh)
{
    if (mesh == NULL)
        return;
    tls_server_free(mesh->server);
    while (mesh->inbound != NULL)
        mesh_drop_inbound(mesh->inbound);
    for (uint32_t i = 0; i < mesh->peer_count; i++)
        free_peer(mesh->peers[i]);
    tls_identity_free(mesh->params.identity);
    if (mesh->fd >= 0)
        close(mesh->fd);
    free(mesh);
}

void mesh_use(struct mesh *mesh, struct tls_identity *identity)
{
    struct errbuf e = {.text = ""};
    tls_identity_free(mesh->params.identity);
    mesh->params.identity = tls_identity_keep(identity);
    if (mesh->server != NULL)
        tls_server_use(mesh->server, identity);
    else if (mesh->fd >= 0 && mesh_serve(mesh, &e) != ERR_OK)
        log_error("peer", "no other controller can be let in: %s", e.text);
    for (uint32_t i = 0; i < mesh->peer_count; i++) {
        for (int c = 0; c < MESH_CHANNELS; c++)
            mesh_outbound_renew(mesh->peers[i]->out[c]);
    }
}

void mesh_set_cluster(struct mesh *mesh, uint64_t cluster)
{
    mesh->params.cluster = cluster;
}

int mesh_send(struct mesh *mesh, uint32_t id, enum mesh_channel channel, const void *bytes,
              size_t size)
{
    const struct inbound *in =
        channel == MESH_WATCH && !mesh->params.observes ? mesh_inbound_of(mesh, id) : NULL;
    if (in != NULL)
        return tls_link_send(in->link, bytes, size);
    const struct mesh_peer *peer = mesh_find(mesh, id);
    const struct outbound *out = peer == NULL ? NULL : peer->out[channel];
    if (out == NULL)
        return ERR_NOT_FOUND;
    return out->is_welcomed ? tls_link_send(out->link, bytes, size) : ERR_AGAIN;
}

size_t mesh_queued(const struct mesh *mesh)
{
    size_t queued = 0;
    for (const struct inbound *in = mesh->inbound; in != NULL; in = in->next)
        queued += in->channel == MESH_WATCH ? tls_link_queued(in->link) : 0;
    return queued;
}

void mesh_drop_observer(struct mesh *mesh, uint32_t id)
{
    struct inbound *in = mesh_inbound_of(mesh, id);
    if (in != NULL)
        mesh_drop_inbound(in);
}

bool mesh_is_connected(const struct mesh *mesh, uint32_t id, const char **text)
{
    const struct mesh_peer *peer = mesh_find(mesh, id);
    const struct outbound *out =
        peer == NULL ? NULL : peer->out[mesh->params.observes ? MESH_WATCH : MESH_LOG];
    *text = out == NULL ? "no member" : out->next != NULL ? out->next->text : out->text;
    return out != NULL && out->is_welcomed;
}

const struct mesh_certificate *mesh_certificate(const struct mesh *mesh, uint32_t id)
{
    const struct mesh_peer *peer = mesh_find(mesh, id);
    return peer == NULL || peer->shown.expires_wall_s == 0 ? NULL : &peer->shown;
}

struct tls_server_counts mesh_counts(const struct mesh *mesh)
{
    struct tls_server_counts none = {0};
    if (mesh == NULL || mesh->server == NULL)
        return none;
    return tls_server_counts(mesh->server);
}
