/* The accepting side. A connection is a `pending` until its handshake is done; the array of
 * pendings bounds what strangers can occupy. When it is full, the oldest one that has had its fair
 * time gives way, so that silent connections cannot keep controllers out. */
#include "orchestrator/sys/tls_server.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/tls_flood.h"
#include "orchestrator/sys/tls_parts.h"
#include "orchestrator/sys/tls_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 32,
    LOG_EVERY_MS = 1000,
    FAIR_TIME_MS = 500, /* a handshake takes a few ms and two round trips */
    PAUSE_MS = 100,     /* without descriptors: let others close some */
    ALPN_WIRE_SIZE = TLS_SERVER_ALPN_MAX * TLS_ALPN_SIZE,
};

/* Outlives the server as long as one of its links is alive. */
struct tally {
    uint32_t links;
    bool has_server;
};

struct pending {
    struct tls_server *server;
    struct tls_link *link; /* NULL: free */
    int64_t since_ms;
};

struct tls_server {
    struct loop *loop;
    int fd;
    struct watch *watch;
    struct timer *pause;
    struct timer *report;
    struct tls_identity *identity;
    struct tls_limits limits;
    uint32_t links_max;
    const struct tls_server_ops *ops;
    void *data;
    uint8_t alpn[ALPN_WIRE_SIZE];
    unsigned alpn_size;
    struct tls_flood flood;
    struct tally *tally;
    struct tls_server_counts counts;
    uint64_t unreported;
    bool is_report_due;
    char last[TLS_REASON_SIZE + TLS_ADDRESS_SIZE];
    uint32_t pending_max;
    struct pending pending[];
};

/* ---- refusing */

static void report(struct tls_server *server)
{
    if (server->unreported == 1)
        log_warning("link-refused", "refused a connection: %s", server->last);
    else
        log_warning("link-refused", "refused %llu connections, the last one: %s",
                    (unsigned long long)server->unreported, server->last);
    server->unreported = 0;
    server->is_report_due = true;
    timer_start(server->report, LOG_EVERY_MS, 0);
}

static void on_report_due(void *data)
{
    struct tls_server *server = data;
    server->is_report_due = false;
    if (server->unreported > 0)
        report(server);
}

static void refused(struct tls_server *server, uint64_t *count, const char *address,
                    const char *reason)
{
    (*count)++;
    server->unreported++;
    text_format(server->last, sizeof(server->last), "%s: %s", address, reason);
    if (!server->is_report_due)
        report(server);
}

static uint64_t *count_of(struct tls_server_counts *counts, enum tls_why why)
{
    switch (why) {
    case TLS_WHY_STRANGER:
        return &counts->strangers;
    case TLS_WHY_CERTIFICATE:
        return &counts->bad_certificates;
    case TLS_WHY_PROTOCOL:
        return &counts->bad_protocols;
    case TLS_WHY_GARBAGE:
        return &counts->garbage;
    case TLS_WHY_TIMEOUT:
        return &counts->timeouts;
    case TLS_WHY_NONE:
    case TLS_WHY_LOST:
        break;
    }
    return &counts->lost;
}

/* ---- handshakes under way */

static struct tls_link *pending_release(struct pending *pending)
{
    struct tls_link *link = pending->link;
    pending->link = NULL;
    pending->server->counts.handshakes--;
    return link;
}

static void on_failed(void *data, int err, const char *reason)
{
    struct pending *pending = data;
    struct tls_server *server = pending->server;
    struct tls_link *link = pending_release(pending);
    (void)err;
    refused(server, count_of(&server->counts, tls_link_why(link)), tls_link_address(link), reason);
    tls_link_free(link);
}

static void tally_release(struct tally *tally)
{
    if (!tally->has_server && tally->links == 0)
        free(tally);
}

static void on_link_end(void *data)
{
    struct tally *tally = data;
    tally->links--;
    tally_release(tally);
}

static void on_verified(void *data, const struct tls_peer *peer)
{
    struct pending *pending = data;
    struct tls_server *server = pending->server;
    struct tls_link *link = pending_release(pending);
    if (server->tally->links >= server->links_max) {
        refused(server, &server->counts.too_many, peer->address, "there are too many links");
        tls_link_free(link);
        return;
    }
    server->counts.accepted++;
    server->tally->links++;
    tls_link_on_end(link, on_link_end, server->tally);
    server->ops->on_link(server->data, link, peer);
    if (!tls_link_is_adopted(
            link)) /* still there: it is freed after this callback at the earliest */
        tls_link_free(link);
}

static void on_early_frame(void *data, const uint8_t *bytes, size_t size)
{
    (void)data;
    (void)bytes;
    (void)size;
    NEVER("a frame before the link has an owner");
}

static const struct tls_link_ops pending_ops = {on_verified, on_early_frame, on_failed};

static bool is_known(void *data, const uint8_t fingerprint[TLS_FINGERPRINT_SIZE])
{
    struct tls_server *server = data;
    return server->ops->is_known == NULL || server->ops->is_known(server->data, fingerprint);
}

/* A free place, or that of the oldest handshake that had its time. NULL: there is none. */
static struct pending *find_place(struct tls_server *server)
{
    struct pending *oldest = NULL;
    for (uint32_t i = 0; i < server->pending_max; i++) {
        struct pending *pending = &server->pending[i];
        if (pending->link == NULL)
            return pending;
        if (oldest == NULL || pending->since_ms < oldest->since_ms)
            oldest = pending;
    }
    if (oldest == NULL || now_mono_ms() - oldest->since_ms < FAIR_TIME_MS)
        return NULL;
    struct tls_link *link = pending_release(oldest);
    refused(server, &server->counts.timeouts, tls_link_address(link),
            "a slow handshake gave way to a newer one");
    tls_link_free(link);
    return oldest;
}

/* ---- accepting */

/* Close at once, with a reset: it leaves no state in the kernel either. */
static void turn_away(struct tls_server *server, int fd, const struct sockaddr *address,
                      uint64_t *count, const char *reason)
{
    char text[TLS_ADDRESS_SIZE];
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(fd);
    tls_address_text(text, address);
    refused(server, count, text, reason);
}

static void begin(struct tls_server *server, int fd, const struct sockaddr *address)
{
    struct tls_link_plan plan = {.loop = server->loop,
                                 .limits = &server->limits,
                                 .ops = &pending_ops,
                                 .is_server = true,
                                 .guard = {.alpn = server->alpn,
                                           .alpn_size = server->alpn_size,
                                           .is_known = is_known,
                                           .known_data = server}};
    if (!tls_flood_may_enter(&server->flood, address, now_mono_ms())) {
        turn_away(server, fd, address, &server->counts.floods, "too many connections a second");
        return;
    }
    struct pending *pending = find_place(server);
    if (pending == NULL) {
        turn_away(server, fd, address, &server->counts.too_many, "too many handshakes at once");
        return;
    }
    plan.data = pending;
    struct tls_link *link = tls_link_new(&plan, server->identity);
    if (link == NULL) {
        turn_away(server, fd, address, &server->counts.too_many, err_text(ERR_NOMEM));
        return;
    }
    *pending = (struct pending){.server = server, .link = link, .since_ms = now_mono_ms()};
    server->counts.handshakes++;
    int err = tls_link_start(link, fd, address);
    if (err != ERR_OK)
        tls_link_fail(link, err, err_text(err));
}

static void on_connections(void *data, int events)
{
    struct tls_server *server = data;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof(address);
        int fd =
            accept4(server->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            begin(server, fd, (struct sockaddr *)&address);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN) { /* no descriptors, no memory: it would be ready at once again */
            watch_set(server->watch, WATCH_NONE);
            timer_start(server->pause, PAUSE_MS, 0);
        }
        return;
    }
}

static void on_pause_over(void *data)
{
    struct tls_server *server = data;
    watch_set(server->watch, WATCH_READ);
}

/* ---- the server */

static int add_protocols(struct tls_server *server, const struct tls_server_params *params,
                         struct errbuf *e)
{
    for (int i = 0; params->alpn[i] != NULL; i++) {
        PRE(i < TLS_SERVER_ALPN_MAX);
        if (strlen(params->alpn[i]) >= TLS_ALPN_SIZE ||
            !tls_alpn_add(server->alpn, sizeof(server->alpn), &server->alpn_size, params->alpn[i]))
            return err_set(e, ERR_INVALID, "protocol name '%.40s' has to have 1 to %d bytes",
                           params->alpn[i], TLS_ALPN_SIZE - 1);
    }
    return ERR_OK;
}

struct tls_server *tls_server_new(struct loop *loop, int fd, const struct tls_server_params *params,
                                  const struct tls_server_ops *ops, void *data, struct errbuf *e)
{
    uint64_t seed = 0;
    RAND_bytes((unsigned char *)&seed, sizeof(seed));
    struct tls_server *server =
        calloc(1, sizeof(*server) + params->handshakes_max * sizeof(server->pending[0]));
    if (server == NULL) {
        close(fd);
        goto no_memory;
    }
    *server = (struct tls_server){.loop = loop,
                                  .fd = fd,
                                  .identity = tls_identity_keep(params->identity),
                                  .limits = params->limits,
                                  .links_max = params->links_max,
                                  .ops = ops,
                                  .data = data,
                                  .pending_max = params->handshakes_max};
    tls_flood_init(&server->flood, params->per_second_max, seed);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    server->tally = calloc(1, sizeof(*server->tally));
    server->watch = watch_new(loop, fd, on_connections, server);
    server->pause = timer_new(loop, on_pause_over, server);
    server->report = timer_new(loop, on_report_due, server);
    if (server->tally != NULL)
        server->tally->has_server = true;
    if (add_protocols(server, params, e) != ERR_OK) {
        tls_server_free(server);
        return NULL;
    }
    if (server->tally == NULL || server->watch == NULL || server->pause == NULL ||
        server->report == NULL)
        goto no_memory;
    watch_set(server->watch, WATCH_READ);
    return server;

no_memory:
    tls_server_free(server);
    err_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    return NULL;
}

void tls_server_free(struct tls_server *server)
{
    if (server == NULL)
        return;
    for (uint32_t i = 0; i < server->pending_max; i++)
        tls_link_free(server->pending[i].link);
    watch_free(server->watch);
    timer_free(server->pause);
    timer_free(server->report);
    close(server->fd);
    tls_identity_free(server->identity);
    if (server->tally != NULL) {
        server->tally->has_server = false;
        tally_release(server->tally);
    }
    free(server);
}

void tls_server_use(struct tls_server *server, struct tls_identity *identity)
{
    struct tls_identity *old = server->identity;
    server->identity = tls_identity_keep(identity);
    tls_identity_free(old);
}

struct tls_server_counts tls_server_counts(const struct tls_server *server)
{
    struct tls_server_counts counts = server->counts;
    counts.links = server->tally->links;
    return counts;
}
