/* Connecting, accepting, and the hello.
 *
 *   connector: TLS ─▶ Hello ─▶ Welcome(ok) ─▶ sends; Welcome(not ok) or any loss ─▶ again, later
 *   acceptor:  TLS (known key?) ─▶ Hello in time, checked ─▶ Welcome ─▶ reads
 *
 * Waits between tries grow from RETRY_MIN_MS to RETRY_MAX_MS: short, since an election waits for
 * them. Decides nothing about membership; that is the log's. */
#include "orchestrator/quorum/mesh.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/raft/raft.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RETRY_MIN_MS = 50,
    RETRY_MAX_MS = 1000,
    HELLO_MAX_MS = 2000,
    HELLO_MAX_BYTES = 512,
    FRAME_MAX = 80 << 20, /* an entry of ENGINE_ENTRY_MAX with room */
    QUEUE_MAX = 96 << 20,
    HANDSHAKES_MAX = 32,
    LINKS_MAX = 64,
    PER_SECOND_MAX = 100, /* of one address */
};

static const char *const protocols[MESH_CHANNELS] = {"ephor-log/1", "ephor-talk/1"};

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
    struct outbound *out[MESH_CHANNELS];
    struct mesh_certificate shown;
};

struct inbound {
    struct inbound *next;
    struct mesh *mesh;
    struct tls_link *link;
    enum mesh_channel channel;
    uint32_t from; /* 0: no hello yet */
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

static void connect_later(struct outbound *out);
static void on_retry(void *data);

static struct mesh_peer *find(const struct mesh *mesh, uint32_t id)
{
    for (uint32_t i = 0; i < mesh->peer_count; i++) {
        if (mesh->peers[i]->id == id)
            return mesh->peers[i];
    }
    return NULL;
}

static struct tls_limits limits_of(const struct mesh *mesh)
{
    return (struct tls_limits){.frame_max = FRAME_MAX,
                               .queue_max = QUEUE_MAX,
                               .handshake_max_ms = mesh->params.unheard_max_ms,
                               .unheard_max_ms = mesh->params.unheard_max_ms};
}

/* ---------------------------------------------------------------- connecting */

static void send_hello(struct outbound *out)
{
    const struct mesh_params *params = &out->peer->mesh->params;
    Ephor__Hello hello = EPHOR__HELLO__INIT;
    uint8_t bytes[HELLO_MAX_BYTES];
    hello.cluster = params->cluster;
    hello.id = params->id;
    hello.incarnation = params->incarnation;
    hello.version = (char *)(uintptr_t)EPHOR_VERSION;
    tls_link_send(out->link, bytes, ephor__hello__pack(&hello, bytes));
}

static void free_outbound(struct outbound *out)
{
    if (out == NULL)
        return;
    free_outbound(out->next);
    tls_link_free(out->link);
    timer_free(out->retry);
    free(out);
}

static bool is_current(const struct outbound *out)
{
    return out->peer->out[out->channel] == out;
}

static void tell_loss(const struct outbound *out, const char *reason)
{
    const char *channel = out->channel == MESH_LOG ? "log" : "talk";
    if (out->is_welcomed)
        log_warning("peer", "the %s link to %s is lost: %s", channel, out->peer->name, reason);
    else if (strcmp(out->text, reason) == 0)
        return;
    else if (is_current(out))
        log_info("peer", "no link to %s at %s yet: %s", out->peer->name, out->peer->host, reason);
    else
        log_warning("peer", "the %s link to %s stays the old one, with the new certificate: %s",
                    channel, out->peer->name, reason);
}

static void lose(struct outbound *out, const char *reason)
{
    tell_loss(out, reason);
    free_outbound(out->next); /* this one's next try is with the newest certificate, too */
    out->next = NULL;
    tls_link_free(out->link);
    out->link = NULL;
    out->is_welcomed = false;
    text_copy(out->text, sizeof(out->text), reason);
    connect_later(out);
}

static void note_certificate(struct mesh_peer *peer, const struct tls_peer *tls)
{
    peer->shown.expires_wall_s = tls->expires_wall_s;
    memcpy(peer->shown.ca, tls->ca, sizeof(peer->shown.ca));
}

static void on_out_open(void *data, const struct tls_peer *peer)
{
    struct outbound *out = data;
    note_certificate(out->peer, peer);
    send_hello(out);
}

/* The link that was tried beside an older one is the one, from now on. */
static void take_place(struct outbound *out)
{
    struct outbound *old = out->peer->out[out->channel];
    if (old == out)
        return;
    PRE(old->next == out);
    old->next = NULL;
    free_outbound(old);
    out->peer->out[out->channel] = out;
}

static void on_out_frame(void *data, const uint8_t *bytes, size_t size)
{
    struct outbound *out = data;
    struct mesh_peer *peer = out->peer;
    Ephor__Welcome *welcome = out->is_welcomed || size > HELLO_MAX_BYTES
                                  ? NULL
                                  : ephor__welcome__unpack(NULL, size, bytes);
    if (welcome == NULL) {
        lose(out, "it answered what makes no sense");
        return;
    }
    bool ok = welcome->ok;
    char text[200];
    text_copy(text, sizeof(text), welcome->text);
    ephor__welcome__free_unpacked(welcome, NULL);
    if (!ok) {
        lose(out, text);
        return;
    }
    out->is_welcomed = true;
    out->delay_ms = RETRY_MIN_MS;
    out->text[0] = '\0';
    take_place(out);
    if (out->channel == MESH_LOG)
        log_info("peer", "linked to %s at %s", peer->name, peer->host);
    peer->mesh->ops->on_connected(peer->mesh->data, peer->id, out->channel);
}

static void on_out_close(void *data, int err, const char *reason)
{
    (void)err;
    lose(data, reason);
}

static const struct tls_link_ops out_ops = {on_out_open, on_out_frame, on_out_close};

static void on_retry(void *data)
{
    struct outbound *out = data;
    struct mesh *mesh = out->peer->mesh;
    struct errbuf e;
    if (mesh->params.identity == NULL) {
        lose(out, "this controller has no certificate that can be used");
        return;
    }
    struct tls_connect_params params = {.identity = mesh->params.identity,
                                        .host = out->peer->host,
                                        .port = out->peer->port,
                                        .alpn = protocols[out->channel],
                                        .pin = out->peer->fingerprint,
                                        .limits = limits_of(mesh)};
    if (tls_connect(mesh->loop, &params, &out_ops, out, &out->link, &e) != ERR_OK) {
        out->link = NULL;
        lose(out, e.text);
    }
}

static struct outbound *new_outbound(struct mesh_peer *peer, enum mesh_channel channel)
{
    struct outbound *out = calloc(1, sizeof(*out));
    PRE(out != NULL);
    *out = (struct outbound){.peer = peer, .channel = channel, .delay_ms = RETRY_MIN_MS};
    out->retry = timer_new(peer->mesh->loop, on_retry, out);
    PRE(out->retry != NULL);
    timer_start(out->retry, 0, 0);
    return out;
}

static void connect_later(struct outbound *out)
{
    timer_start(out->retry, out->delay_ms, 0);
    out->delay_ms = out->delay_ms * 2 < RETRY_MAX_MS ? out->delay_ms * 2 : RETRY_MAX_MS;
}

/* ---------------------------------------------------------------- accepting */

static void drop_inbound(struct inbound *in)
{
    struct inbound **at = &in->mesh->inbound;
    while (*at != in)
        at = &(*at)->next;
    *at = in->next;
    timer_free(in->deadline);
    tls_link_free(in->link);
    free(in);
}

static void welcome(struct inbound *in, const char *refusal)
{
    Ephor__Welcome answer = EPHOR__WELCOME__INIT;
    uint8_t bytes[HELLO_MAX_BYTES];
    answer.ok = refusal == NULL;
    answer.text = (char *)(uintptr_t)(refusal == NULL ? "" : refusal);
    if (ephor__welcome__get_packed_size(&answer) <= sizeof(bytes))
        tls_link_send(in->link, bytes, ephor__welcome__pack(&answer, bytes));
}

/* NULL: it is who it says. */
static const char *judge(struct mesh *mesh, const Ephor__Hello *hello, const struct tls_peer *tls)
{
    const struct mesh_peer *peer = find(mesh, hello->id);
    if (hello->cluster != 0 && mesh->params.cluster != 0 && hello->cluster != mesh->params.cluster)
        return "it is of another cluster";
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

static void on_hello(struct inbound *in, const uint8_t *bytes, size_t size)
{
    Ephor__Hello *hello = size > HELLO_MAX_BYTES ? NULL : ephor__hello__unpack(NULL, size, bytes);
    const char *refusal = hello == NULL ? "its hello makes no sense"
                                        : judge(in->mesh, hello, tls_link_peer(in->link));
    welcome(in, refusal);
    if (refusal == NULL) {
        in->from = hello->id;
        timer_stop(in->deadline);
        note_certificate(find(in->mesh, hello->id), tls_link_peer(in->link));
    }
    if (hello != NULL)
        ephor__hello__free_unpacked(hello, NULL);
    if (refusal != NULL)
        drop_inbound(in);
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
    drop_inbound(data);
}

static void on_in_deadline(void *data)
{
    drop_inbound(data);
}

static const struct tls_link_ops in_ops = {NULL, on_in_frame, on_in_close};

static void on_link(void *data, struct tls_link *link, const struct tls_peer *peer)
{
    struct mesh *mesh = data;
    struct inbound *in = calloc(1, sizeof(*in));
    if (in == NULL)
        return; /* not adopted: freed by the server */
    in->mesh = mesh;
    in->link = link;
    in->channel = strcmp(peer->alpn, protocols[MESH_LOG]) == 0 ? MESH_LOG : MESH_TALK;
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
    return false;
}

static int serve(struct mesh *mesh, struct errbuf *e)
{
    static const struct tls_server_ops ops = {on_link, is_known};
    struct tls_server_params params = {.identity = mesh->params.identity,
                                       .alpn = {protocols[MESH_LOG], protocols[MESH_TALK], NULL},
                                       .limits = limits_of(mesh),
                                       .handshakes_max = HANDSHAKES_MAX,
                                       .links_max = LINKS_MAX,
                                       .per_second_max = PER_SECOND_MAX};
    tls_server_free(mesh->server);
    mesh->server = tls_server_new(mesh->loop, mesh->fd, &params, &ops, mesh, e);
    mesh->fd = -1;
    return mesh->server == NULL ? ERR_IO : ERR_OK;
}

int mesh_listen(struct mesh *mesh, int fd, struct errbuf *e)
{
    if (mesh->fd >= 0)
        close(mesh->fd);
    mesh->fd = fd;
    return mesh->params.identity == NULL ? ERR_OK : serve(mesh, e);
}

/* ---------------------------------------------------------------- members */

static void free_peer(struct mesh_peer *peer)
{
    for (int c = 0; c < MESH_CHANNELS; c++)
        free_outbound(peer->out[c]);
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
        peer->out[c] = new_outbound(peer, (enum mesh_channel)c);
    return peer;
}

static bool is_same(const struct mesh_peer *peer, const Ephor__ClusterMember *member)
{
    struct mesh_peer parsed = {0};
    return parse_address(member->address, &parsed) && parsed.port == peer->port &&
           strcmp(parsed.host, peer->host) == 0 &&
           memcmp(peer->fingerprint, member->fingerprint.data, TLS_FINGERPRINT_SIZE) == 0;
}

static void drop_gone(struct mesh *mesh)
{
    for (struct inbound *in = mesh->inbound, *next; in != NULL; in = next) {
        next = in->next;
        if (in->from != 0 && find(mesh, in->from) == NULL)
            drop_inbound(in);
    }
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
    drop_gone(mesh);
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
        drop_inbound(mesh->inbound);
    for (uint32_t i = 0; i < mesh->peer_count; i++)
        free_peer(mesh->peers[i]);
    tls_identity_free(mesh->params.identity);
    if (mesh->fd >= 0)
        close(mesh->fd);
    free(mesh);
}

static void use_newest(struct outbound *out)
{
    free_outbound(out->next);
    out->next = NULL;
    if (out->is_welcomed) {
        out->next = new_outbound(out->peer, out->channel);
        return;
    }
    tls_link_free(out->link); /* under way with the old one */
    out->link = NULL;
    out->delay_ms = RETRY_MIN_MS;
    timer_start(out->retry, 0, 0);
}

void mesh_use(struct mesh *mesh, struct tls_identity *identity)
{
    struct errbuf e = {.text = ""};
    tls_identity_free(mesh->params.identity);
    mesh->params.identity = tls_identity_keep(identity);
    if (mesh->server != NULL)
        tls_server_use(mesh->server, identity);
    else if (mesh->fd >= 0 && serve(mesh, &e) != ERR_OK)
        log_error("peer", "no other controller can be let in: %s", e.text);
    for (uint32_t i = 0; i < mesh->peer_count; i++) {
        for (int c = 0; c < MESH_CHANNELS; c++)
            use_newest(mesh->peers[i]->out[c]);
    }
}

void mesh_set_cluster(struct mesh *mesh, uint64_t cluster)
{
    mesh->params.cluster = cluster;
}

int mesh_send(struct mesh *mesh, uint32_t id, enum mesh_channel channel, const void *bytes,
              size_t size)
{
    struct mesh_peer *peer = find(mesh, id);
    if (peer == NULL)
        return ERR_NOT_FOUND;
    if (!peer->out[channel]->is_welcomed)
        return ERR_AGAIN;
    return tls_link_send(peer->out[channel]->link, bytes, size);
}

bool mesh_is_connected(const struct mesh *mesh, uint32_t id, const char **text)
{
    const struct mesh_peer *peer = find(mesh, id);
    const struct outbound *out = peer == NULL ? NULL : peer->out[MESH_LOG];
    *text = out == NULL ? "no member" : out->next != NULL ? out->next->text : out->text;
    return out != NULL && out->is_welcomed;
}

const struct mesh_certificate *mesh_certificate(const struct mesh *mesh, uint32_t id)
{
    const struct mesh_peer *peer = find(mesh, id);
    return peer == NULL || peer->shown.expires_wall_s == 0 ? NULL : &peer->shown;
}

struct tls_server_counts mesh_counts(const struct mesh *mesh)
{
    struct tls_server_counts none = {0};
    if (mesh == NULL || mesh->server == NULL)
        return none;
    return tls_server_counts(mesh->server);
}
