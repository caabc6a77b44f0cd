/* The stream of a link. TLS works on two memory BIOs: bytes from the socket are put into one,
 * records for the socket are taken from the other.
 *
 *   connecting → handshake → greeting (client: waits for it) → open → closed
 *
 * Before the greeting a peer can make us keep HANDSHAKE_BYTES_MAX bytes and no more. */
#include "orchestrator/sys/tls_link.h"

#include "orchestrator/base/buf.h"
#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/cert.h"
#include "orchestrator/sys/tls_parts.h"
#include "orchestrator/sys/tls_socket.h"
#include "orchestrator/sys/tls_words.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADER_SIZE = 4,
    READ_SIZE = 64 << 10,           /* from the socket, a turn */
    WRITE_SIZE = 1 << 20,           /* to the socket, a turn */
    RECORD_SIZE = 16 << 10,         /* the largest plaintext of a TLS record */
    RECORDS_SIZE = 64 << 10,        /* encrypted ahead of the socket */
    HANDSHAKE_BYTES_MAX = 32 << 10, /* a hello, a certificate and proofs are below 4 KiB */
    IDLE_CAPACITY_MAX = 1 << 20,    /* larger empty buffers are given back */
    GREETING_SIZE = 4,
    ALERT_REASONS = SSL_AD_REASON_OFFSET, /* OpenSSL's reason of an alert: this + its number */
};
static const char greeting[GREETING_SIZE] = {'E', 'P', 'H', '1'};

enum state { STATE_CONNECTING, STATE_HANDSHAKE, STATE_GREETING, STATE_OPEN, STATE_CLOSED };

struct tls_link {
    struct loop *loop;
    int fd;
    struct watch *watch;
    struct timer *deadline;
    struct turn_end *flush;
    SSL *ssl;
    struct tls_guard guard;
    uint8_t pin[TLS_FINGERPRINT_SIZE];
    const struct tls_link_ops *ops;
    void *data;
    void (*on_end)(void *data);
    void *end_data;
    struct buf in, out;
    size_t out_sent; /* bytes of `out` that are in records already */
    size_t handshake_bytes;
    uint32_t frame_max, incoming_max;
    size_t queue_max;
    int64_t unheard_max_ms;
    struct tls_peer peer;
    enum state state;
    bool is_server;
    bool is_adopted;
    bool is_dispatching;
    bool is_flush_due; /* at the end of this turn, or when the socket can take more */
    bool free_wanted;
};

/* ---- the end */

static void link_destroy(struct tls_link *link)
{
    watch_free(link->watch);
    timer_free(link->deadline);
    turn_end_free(link->flush);
    if (link->fd >= 0)
        close(link->fd);
    SSL_free(link->ssl);
    buf_close(&link->in);
    buf_close(&link->out);
    if (link->on_end != NULL)
        link->on_end(link->end_data);
    free(link);
}

void tls_link_fail(struct tls_link *link, int err, const char *reason)
{
    if (link->state == STATE_CLOSED)
        return;
    link->state = STATE_CLOSED;
    if (link->watch != NULL)
        watch_set(link->watch, WATCH_NONE);
    timer_free(link->deadline);
    link->deadline = NULL;
    bool was_dispatching = link->is_dispatching;
    link->is_dispatching = true;
    link->ops->on_close(link->data, err, reason);
    link->is_dispatching = was_dispatching;
    if (link->free_wanted && !was_dispatching)
        link_destroy(link);
}

static void on_deadline(void *data)
{
    struct tls_link *link = data;
    link->guard.why = TLS_WHY_TIMEOUT;
    tls_link_fail(link, ERR_TIMEOUT,
                  link->state == STATE_CONNECTING ? "no connection within the time allowed"
                                                  : "no handshake within the time allowed");
}

/* ---- to the socket */

static size_t records_waiting(const struct tls_link *link)
{
    return BIO_ctrl_pending(SSL_get_wbio(link->ssl));
}

void tls_link_limit_incoming(struct tls_link *link, uint32_t frame_max)
{
    if (frame_max < link->incoming_max)
        link->incoming_max = frame_max;
}

size_t tls_link_queued(const struct tls_link *link)
{
    return link->out.size - link->out_sent + records_waiting(link);
}

/* Frames to records, as many as may be encrypted ahead. False: TLS refuses. */
static bool encrypt_some(struct tls_link *link)
{
    while (link->out_sent < link->out.size && records_waiting(link) < RECORDS_SIZE) {
        size_t size = link->out.size - link->out_sent;
        size_t taken = 0;
        ERR_clear_error();
        if (SSL_write_ex(link->ssl, link->out.data + link->out_sent,
                         size < RECORD_SIZE ? size : RECORD_SIZE, &taken) != 1)
            return false;
        link->out_sent += taken;
    }
    if (link->out_sent < link->out.size)
        return true;
    link->out_sent = 0;
    if (link->out.capacity > IDLE_CAPACITY_MAX)
        buf_close(&link->out);
    else
        buf_clear(&link->out);
    return true;
}

/* Write until nothing is left, the socket is full or the turn's share is used up. */
static int flush_some(struct tls_link *link)
{
    size_t budget = WRITE_SIZE;
    int sent = 1;
    while (sent == 1 && budget > 0) {
        if (link->state == STATE_OPEN && !encrypt_some(link))
            return ERR_PROTOCOL;
        if (records_waiting(link) == 0)
            break;
        sent = tls_socket_send(link->fd, SSL_get_wbio(link->ssl), &budget);
    }
    return sent < 0 ? sent : ERR_OK;
}

static void set_events(struct tls_link *link)
{
    bool has_more = tls_link_queued(link) > 0;
    link->is_flush_due = has_more;
    watch_set(link->watch, has_more ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

int tls_link_send(struct tls_link *link, const void *bytes, size_t size)
{
    if (link->state == STATE_CLOSED)
        return ERR_CLOSED;
    if (link->state != STATE_OPEN)
        return ERR_AGAIN;
    size_t queued = tls_link_queued(link);
    if (size > link->frame_max || queued > link->queue_max ||
        size + HEADER_SIZE > link->queue_max - queued)
        return ERR_LIMIT;
    if (link->out_sent > link->out.size / 2) { /* seldom, so that it costs little a byte */
        buf_consume(&link->out, link->out_sent);
        link->out_sent = 0;
    }
    char *room = buf_reserve(&link->out, HEADER_SIZE + size);
    if (room == NULL) {
        link->out.failed = false; /* this frame does not go; those before it do */
        return ERR_NOMEM;
    }
    for (int i = 0; i < HEADER_SIZE; i++)
        room[i] = (char)((uint32_t)size >> (8 * i) & 0xff);
    if (size > 0)
        memcpy(room + HEADER_SIZE, bytes, size);
    buf_commit(&link->out, HEADER_SIZE + size);
    if (!link->is_flush_due) {
        link->is_flush_due = true;
        turn_end_start(link->flush);
    }
    return ERR_OK;
}

/* ---- from the socket */

struct ending {
    int err; /* 0: go on */
    const char *reason;
};
static const struct ending go_on = {ERR_OK, NULL};

static uint32_t frame_size(const char *bytes)
{
    const unsigned char *p = (const unsigned char *)bytes;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Hand on every whole frame. */
static struct ending dispatch_frames(struct tls_link *link)
{
    size_t used = 0;
    struct ending ending = go_on;
    while (link->state == STATE_OPEN && link->in.size - used >= HEADER_SIZE) {
        size_t size = frame_size(link->in.data + used);
        if (size > link->incoming_max) {
            ending = (struct ending){ERR_LIMIT, "the peer sent a frame larger than the limit"};
            break;
        }
        if (link->in.size - used - HEADER_SIZE < size)
            break;
        const char *bytes = link->in.data + used + HEADER_SIZE;
        used += HEADER_SIZE + size;
        link->ops->on_frame(link->data, (const uint8_t *)bytes, size);
    }
    if (used == link->in.size && link->in.capacity > IDLE_CAPACITY_MAX)
        buf_close(&link->in);
    else
        buf_consume(&link->in, used);
    return ending;
}

/* The client's side is open when the server says so. */
static struct ending take_greeting(struct tls_link *link)
{
    if (link->in.size < GREETING_SIZE)
        return go_on;
    if (memcmp(link->in.data, greeting, GREETING_SIZE) != 0) {
        link->guard.why = TLS_WHY_PROTOCOL;
        return (struct ending){ERR_PROTOCOL, "the peer is not an ephord, or one of another time"};
    }
    buf_consume(&link->in, GREETING_SIZE);
    timer_free(link->deadline);
    link->deadline = NULL;
    link->state = STATE_OPEN;
    link->ops->on_open(link->data, &link->peer);
    return go_on;
}

/* What OpenSSL's error means, after a handshake step or a read failed. */
static struct ending tls_ending(struct tls_link *link)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    ERR_clear_error();
    if (link->guard.why != TLS_WHY_NONE)
        return (struct ending){ERR_REFUSED, link->guard.reason};
    link->guard.why = TLS_WHY_GARBAGE;
    if (reason >= ALERT_REASONS && reason < ALERT_REASONS + 256) {
        link->guard.why = TLS_WHY_LOST;
        return (struct ending){ERR_REFUSED, tls_words_alert(reason - ALERT_REASONS)};
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        link->guard.why = TLS_WHY_CERTIFICATE;
        return (struct ending){ERR_REFUSED, "the peer showed no certificate"};
    }
    const char *words = ERR_reason_error_string(error);
    text_format(link->guard.reason, sizeof(link->guard.reason),
                "the peer does not speak TLS 1.3%s%s", words == NULL ? "" : ": ",
                words == NULL ? "" : words);
    return (struct ending){ERR_PROTOCOL, link->guard.reason};
}

/* Decrypt what is there. Bounded: no more than was read from the socket in this turn. */
static struct ending read_plain(struct tls_link *link)
{
    for (;;) {
        size_t n = 0;
        char *room = buf_reserve(&link->in, RECORD_SIZE);
        if (room == NULL)
            return (struct ending){ERR_NOMEM, err_text(ERR_NOMEM)};
        ERR_clear_error();
        if (SSL_read_ex(link->ssl, room, RECORD_SIZE, &n) == 1) {
            buf_commit(&link->in, n);
            continue;
        }
        switch (SSL_get_error(link->ssl, 0)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return go_on;
        case SSL_ERROR_ZERO_RETURN:
            return (struct ending){ERR_CLOSED, "the other side closed the link"};
        default:
            return tls_ending(link);
        }
    }
}

static struct ending read_open(struct tls_link *link)
{
    struct ending tls = read_plain(link);
    struct ending frames = go_on;
    if (link->state == STATE_GREETING)
        frames = take_greeting(link);
    if (frames.err == ERR_OK && link->state == STATE_OPEN)
        frames = dispatch_frames(link);
    return frames.err != ERR_OK ? frames : tls;
}

/* ---- the handshake */

static bool read_peer(struct tls_link *link)
{
    const unsigned char *alpn;
    unsigned size;
    X509 *cert = SSL_get0_peer_certificate(link->ssl);
    SSL_get0_alpn_selected(link->ssl, &alpn, &size);
    if (cert == NULL || cert_fingerprint(cert, link->peer.fingerprint) != ERR_OK)
        return false;
    text_format(link->peer.alpn, sizeof(link->peer.alpn), "%.*s", (int)size,
                alpn == NULL ? "" : (const char *)alpn);
    if (cert_fingerprint_of_ca(SSL_get0_verified_chain(link->ssl), link->peer.ca) != ERR_OK)
        return false;
    cert_name(cert, link->peer.name);
    link->peer.expires_wall_s = cert_expires_wall_s(cert);
    return size > 0;
}

static struct ending handshake_done(struct tls_link *link)
{
    if (!read_peer(link)) {
        link->guard.why = TLS_WHY_PROTOCOL;
        return (struct ending){ERR_PROTOCOL, "no common protocol: the peer named none"};
    }
    if (!link->is_server) {
        link->state = STATE_GREETING;
        return read_open(link);
    }
    timer_free(link->deadline);
    link->deadline = NULL;
    if (buf_append(&link->out, greeting, GREETING_SIZE) != ERR_OK)
        return (struct ending){ERR_NOMEM, err_text(ERR_NOMEM)};
    link->state = STATE_OPEN;
    link->ops->on_open(link->data, &link->peer);
    return link->state == STATE_OPEN ? read_open(link) : go_on;
}

static struct ending step_handshake(struct tls_link *link)
{
    ERR_clear_error();
    int done = SSL_do_handshake(link->ssl);
    if (done == 1)
        return handshake_done(link);
    int error = SSL_get_error(link->ssl, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return tls_ending(link);
    if (link->handshake_bytes > HANDSHAKE_BYTES_MAX) {
        link->guard.why = TLS_WHY_GARBAGE;
        return (struct ending){ERR_LIMIT, "the peer's handshake is too large"};
    }
    return go_on;
}

static struct ending finish_connect(struct tls_link *link)
{
    int errno_value = 0;
    socklen_t size = sizeof(errno_value);
    getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &errno_value, &size);
    if (errno_value != 0)
        return (struct ending){err_from_errno(errno_value), strerror(errno_value)};
    link->state = STATE_HANDSHAKE;
    return step_handshake(link);
}

/* ---- readiness */

static struct ending lost(struct tls_link *link, int err, const char *reason)
{
    if (link->state == STATE_HANDSHAKE)
        link->guard.why = TLS_WHY_LOST;
    if (link->in.size > 0)
        return (struct ending){ERR_CLOSED, "the connection broke in the middle of a frame"};
    return (struct ending){err, reason};
}

/* One recv, then all that TLS makes of it. */
static struct ending receive(struct tls_link *link)
{
    char bytes[READ_SIZE];
    size_t room = link->state == STATE_HANDSHAKE ? HANDSHAKE_BYTES_MAX : sizeof(bytes);
    ssize_t n = recv(link->fd, bytes, room, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return go_on;
    if (n < 0)
        return lost(link, ERR_CLOSED, strerror(errno));
    if (n == 0)
        return lost(link, ERR_CLOSED, "the other side is gone");
    if (BIO_write(SSL_get_rbio(link->ssl), bytes, (int)n) != n)
        return (struct ending){ERR_NOMEM, err_text(ERR_NOMEM)};
    if (link->state != STATE_HANDSHAKE)
        return read_open(link);
    link->handshake_bytes += (size_t)n;
    return step_handshake(link);
}

static void on_ready(void *data, int events)
{
    struct tls_link *link = data;
    struct ending ending = go_on;
    link->is_dispatching = true;
    link->is_flush_due = true; /* what is sent in the callbacks leaves below */
    if (link->state == STATE_CONNECTING)
        ending = finish_connect(link);
    else if (events & WATCH_READ)
        ending = receive(link);
    if (link->state != STATE_CLOSED) {
        int err = flush_some(link); /* also the alert of a handshake that failed */
        if (err != ERR_OK && ending.err == ERR_OK)
            ending = lost(link, err, err_text(err));
    }
    link->is_dispatching = false;
    if (link->free_wanted)
        link_destroy(link);
    else if (ending.err != ERR_OK)
        tls_link_fail(link, ending.err, ending.reason);
    else if (link->state != STATE_CLOSED)
        set_events(link);
}

static void on_flush(void *data)
{
    struct tls_link *link = data;
    if (link->state != STATE_OPEN)
        return;
    int err = flush_some(link);
    if (err != ERR_OK)
        tls_link_fail(link, err, err_text(err));
    else
        set_events(link);
}

/* ---- making and freeing */

struct tls_link *tls_link_new(const struct tls_link_plan *plan, struct tls_identity *identity)
{
    struct tls_link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return NULL;
    link->fd = -1;
    link->loop = plan->loop;
    link->ops = plan->ops;
    link->data = plan->data;
    link->is_server = plan->is_server;
    link->guard = plan->guard;
    link->frame_max = link->incoming_max = plan->limits->frame_max;
    link->queue_max = plan->limits->queue_max;
    link->unheard_max_ms = plan->limits->unheard_max_ms;
    buf_init(&link->in, (size_t)link->frame_max + HEADER_SIZE + 2 * READ_SIZE);
    buf_init(&link->out, 2 * link->queue_max + GREETING_SIZE); /* sent ones linger: see send */
    if (plan->guard.pin != NULL) {
        memcpy(link->pin, plan->guard.pin, sizeof(link->pin));
        link->guard.pin = link->pin;
    }
    link->ssl = tls_identity_ssl(identity, &link->guard, link->is_server);
    link->deadline = timer_new(plan->loop, on_deadline, link);
    link->flush = turn_end_new(plan->loop, on_flush, link);
    if (link->ssl == NULL || link->deadline == NULL || link->flush == NULL) {
        link_destroy(link);
        return NULL;
    }
    timer_start(link->deadline, plan->limits->handshake_max_ms, 0);
    return link;
}

int tls_link_start(struct tls_link *link, int fd, const struct sockaddr *address)
{
    link->fd = fd; /* closed with the link */
    tls_socket_prepare(fd, link->unheard_max_ms);
    link->watch = watch_new(link->loop, fd, on_ready, link);
    if (link->watch == NULL)
        return ERR_NOMEM;
    tls_address_text(link->peer.address, address);
    link->state = link->is_server ? STATE_HANDSHAKE : STATE_CONNECTING;
    watch_set(link->watch, link->is_server ? WATCH_READ : WATCH_WRITE);
    return ERR_OK;
}

void tls_link_adopt(struct tls_link *link, const struct tls_link_ops *ops, void *data)
{
    PRE(link->is_server && link->state == STATE_OPEN);
    link->ops = ops;
    link->data = data;
    link->is_adopted = true;
}

/* The last words: what is queued and the notice that this is the end, as far as the socket takes
 * them now. A link that its server refused says nothing. */
static void say_goodbye(struct tls_link *link)
{
    if (link->state != STATE_OPEN || (link->is_server && !link->is_adopted))
        return;
    if (flush_some(link) != ERR_OK || tls_link_queued(link) > 0)
        return;
    ERR_clear_error();
    SSL_shutdown(link->ssl);
    flush_some(link);
    ERR_clear_error();
}

void tls_link_free(struct tls_link *link)
{
    if (link == NULL || link->free_wanted)
        return;
    say_goodbye(link);
    link->state = STATE_CLOSED;
    link->free_wanted = true;
    if (!link->is_dispatching)
        link_destroy(link);
}

const struct tls_peer *tls_link_peer(const struct tls_link *link)
{
    return &link->peer;
}

void tls_link_on_end(struct tls_link *link, void (*on_end)(void *data), void *data)
{
    link->on_end = on_end;
    link->end_data = data;
}

enum tls_why tls_link_why(const struct tls_link *link)
{
    return link->guard.why;
}

bool tls_link_is_adopted(const struct tls_link *link)
{
    return link->is_adopted;
}

const char *tls_link_address(const struct tls_link *link)
{
    return link->peer.address;
}
