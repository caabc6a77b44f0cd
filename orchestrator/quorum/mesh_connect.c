/* Connecting: TLS, Hello, Welcome(ok), and it sends; Welcome(not ok) or any loss, and it tries
 * again later. Waits between tries grow from RETRY_MIN_MS to RETRY_MAX_MS: short, since an election
 * waits for them. */
#include "orchestrator/quorum/mesh_parts.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_MIN_MS = 50, RETRY_MAX_MS = 1000 };

static void connect_later(struct outbound *out);

static void send_hello(struct outbound *out)
{
    const struct mesh_params *params = &out->peer->mesh->params;
    Ephor__Hello hello = EPHOR__HELLO__INIT;
    uint8_t bytes[MESH_HELLO_MAX_BYTES];
    hello.cluster = params->cluster;
    hello.id = params->id;
    hello.incarnation = params->incarnation;
    hello.version = (char *)(uintptr_t)EPHOR_VERSION;
    tls_link_send(out->link, bytes, ephor__hello__pack(&hello, bytes));
}

void mesh_outbound_free(struct outbound *out)
{
    if (out == NULL)
        return;
    mesh_outbound_free(out->next);
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
    static const char *const channels[MESH_CHANNELS] = {"log", "talk", "watch"};
    const char *channel = channels[out->channel];
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
    mesh_outbound_free(out->next); /* this one's next try is with the newest certificate, too */
    out->next = NULL;
    tls_link_free(out->link);
    out->link = NULL;
    out->is_welcomed = false;
    text_copy(out->text, sizeof(out->text), reason);
    connect_later(out);
}

static void on_out_open(void *data, const struct tls_peer *peer)
{
    struct outbound *out = data;
    mesh_note_certificate(out->peer, peer);
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
    mesh_outbound_free(old);
    out->peer->out[out->channel] = out;
}

static void on_out_frame(void *data, const uint8_t *bytes, size_t size)
{
    struct outbound *out = data;
    struct mesh_peer *peer = out->peer;
    if (out->is_welcomed && out->channel == MESH_WATCH) {
        peer->mesh->ops->on_frame(peer->mesh->data, peer->id, MESH_WATCH, bytes, size);
        return;
    }
    Ephor__Welcome *welcome = out->is_welcomed || size > MESH_HELLO_MAX_BYTES
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
    if (out->channel != MESH_TALK)
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
                                        .alpn = mesh_protocol(out->channel),
                                        .pin = out->peer->fingerprint,
                                        .limits = mesh_limits(mesh)};
    if (tls_connect(mesh->loop, &params, &out_ops, out, &out->link, &e) != ERR_OK) {
        out->link = NULL;
        lose(out, e.text);
    }
}

struct outbound *mesh_outbound_new(struct mesh_peer *peer, enum mesh_channel channel)
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

void mesh_outbound_renew(struct outbound *out)
{
    if (out == NULL)
        return;
    mesh_outbound_free(out->next);
    out->next = NULL;
    if (out->is_welcomed) {
        out->next = mesh_outbound_new(out->peer, out->channel);
        return;
    }
    tls_link_free(out->link); /* under way with the old one */
    out->link = NULL;
    out->delay_ms = RETRY_MIN_MS;
    timer_start(out->retry, 0, 0);
}
