/* SSH sessions. One pump does all the work of a session: whenever its socket is ready, or
 * something was queued, it goes on where it stopped.
 *   RESOLVING -> CONNECTING -> HANDSHAKE -> AUTHENTICATING -> READY -> CLOSED
 *
 * libssh2's rule for non-blocking use: a call that returned EAGAIN in the middle of sending a
 * packet must be repeated before any other call sends. So channel opens and execs are done one at
 * a time, and while a channel's call waits for the socket to take bytes, only that channel goes on
 * (`stuck`). */
#include "orchestrator/sys/ssh.h"

#include "orchestrator/base/buf.h"
#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/ssh_hosts.h"

#include <errno.h>
#include <libssh2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 16384, READ_ROUNDS = 16, LOOK_AGAIN_MS = 20 };

enum ssh_phase {
    SSH_RESOLVING,
    SSH_CONNECTING,
    SSH_HANDSHAKE,
    SSH_AUTHENTICATING,
    SSH_READY,
    SSH_CLOSED,
};

enum channel_phase { CHANNEL_OPENING, CHANNEL_EXEC, CHANNEL_OPEN, CHANNEL_ENDED, CHANNEL_DEAD };

struct ssh_channel {
    struct ssh *ssh;
    LIBSSH2_CHANNEL *handle;
    enum channel_phase phase;
    const struct ssh_channel_ops *ops;
    void *data;
    char *command;
    struct buf input;
    bool is_abandoned; /* by its owner: close it without callbacks */
};

struct ssh {
    struct loop *loop;
    const struct ssh_ops *ops;
    void *data;
    char node[64], host[256], user[64];
    uint16_t port;
    void *key;
    size_t key_size;
    char *known_hosts;
    size_t known_hosts_size;
    enum ssh_phase phase;
    int fd;
    struct watch *watch;
    struct timer *deadline;
    struct timer *kick; /* runs the pump from the loop after something was queued */
    LIBSSH2_SESSION *session;
    struct ssh_channel *channels[SSH_CHANNELS_MAX];
    struct ssh_channel *stuck;
    bool is_resolving; /* the resolver still holds us */
    bool is_pumping, is_free_wanted;
    bool has_progressed; /* something was read or opened: look at all channels again */
};

static void pump(struct ssh *ssh);

static void ssh_destroy(struct ssh *ssh)
{
    if (ssh->is_resolving)
        return; /* on_resolved comes back and frees */
    explicit_bzero(ssh->key, ssh->key_size);
    free(ssh->key);
    free(ssh->known_hosts);
    free(ssh);
}

static void free_channel(struct ssh_channel *channel)
{
    struct ssh *ssh = channel->ssh;
    for (int i = 0; i < SSH_CHANNELS_MAX; i++)
        if (ssh->channels[i] == channel)
            ssh->channels[i] = NULL;
    if (ssh->stuck == channel)
        ssh->stuck = NULL;
    buf_close(&channel->input);
    free(channel->command);
    free(channel);
}

/* Give back the socket and the libssh2 session; channels of libssh2 go with it. */
static void close_transport(struct ssh *ssh)
{
    watch_free(ssh->watch);
    timer_free(ssh->deadline);
    timer_free(ssh->kick);
    ssh->watch = NULL;
    ssh->deadline = ssh->kick = NULL;
    if (ssh->fd >= 0)
        shutdown(ssh->fd, SHUT_RDWR); /* libssh2's farewells then fail at once */
    for (int tries = 0; ssh->session != NULL && tries < 1000; tries++)
        if (libssh2_session_free(ssh->session) != LIBSSH2_ERROR_EAGAIN)
            break;
    ssh->session = NULL;
    if (ssh->fd >= 0)
        close(ssh->fd);
    ssh->fd = -1;
}

static void end_channel(struct ssh_channel *channel, int status, const char *text)
{
    const struct ssh_channel_ops *ops = channel->ops;
    void *data = channel->data;
    bool is_abandoned = channel->is_abandoned;
    free_channel(channel);
    if (!is_abandoned)
        ops->on_end(data, status, text);
}

/* The session is over: tell the channels, then the owner. */
static void fail(struct ssh *ssh, int err, const char *text)
{
    char copy[ERR_TEXT_SIZE];
    if (ssh->phase == SSH_CLOSED)
        return;
    ssh->phase = SSH_CLOSED;
    text_copy(copy, sizeof(copy), text);
    bool was_pumping = ssh->is_pumping;
    ssh->is_pumping = true;
    for (int i = 0; i < SSH_CHANNELS_MAX; i++)
        if (ssh->channels[i] != NULL)
            end_channel(ssh->channels[i], -1, copy);
    close_transport(ssh);
    if (!ssh->is_free_wanted)
        ssh->ops->on_close(ssh->data, err, copy);
    ssh->is_pumping = was_pumping;
    if (ssh->is_free_wanted && !was_pumping)
        ssh_destroy(ssh);
}

static const char *session_error(struct ssh *ssh)
{
    char *text = NULL;
    libssh2_session_last_error(ssh->session, &text, NULL, 0);
    return text == NULL || text[0] == '\0' ? "connection lost" : text;
}

/* ---------------------------------------------------------------- channels */

/* A libssh2 call on this channel returned EAGAIN: is it in the middle of sending? */
static void note_again(struct ssh *ssh, struct ssh_channel *channel)
{
    if (libssh2_session_block_directions(ssh->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND)
        ssh->stuck = channel;
}

static void open_channel(struct ssh_channel *channel)
{
    struct ssh *ssh = channel->ssh;
    if (channel->phase == CHANNEL_OPENING) {
        channel->handle = libssh2_channel_open_session(ssh->session);
        if (channel->handle == NULL) {
            if (libssh2_session_last_errno(ssh->session) == LIBSSH2_ERROR_EAGAIN)
                note_again(ssh, channel);
            else
                end_channel(channel, -1, session_error(ssh));
            return;
        }
        channel->phase = CHANNEL_EXEC;
    }
    int rc = libssh2_channel_exec(channel->handle, channel->command);
    if (rc == LIBSSH2_ERROR_EAGAIN) {
        note_again(ssh, channel);
        return;
    }
    channel->phase = rc == 0 ? CHANNEL_OPEN : CHANNEL_DEAD;
    ssh->has_progressed = true;
}

static bool write_channel(struct ssh_channel *channel)
{
    while (channel->input.size > 0) {
        ssize_t n =
            libssh2_channel_write(channel->handle, channel->input.data, channel->input.size);
        if (n == LIBSSH2_ERROR_EAGAIN) {
            note_again(channel->ssh, channel);
            return true;
        }
        if (n < 0)
            return false;
        buf_consume(&channel->input, (size_t)n);
    }
    return true;
}

/* Read one stream. Returns false when nothing more comes now. */
static bool read_channel(struct ssh_channel *channel, int stream)
{
    char bytes[READ_SIZE];
    ssize_t n = libssh2_channel_read_ex(channel->handle, stream, bytes, sizeof(bytes));
    if (n == LIBSSH2_ERROR_EAGAIN)
        note_again(channel->ssh, channel);
    if (n <= 0)
        return false;
    channel->ssh->has_progressed = true;
    if (!channel->is_abandoned)
        channel->ops->on_output(channel->data, stream != 0, bytes, (size_t)n);
    return true;
}

/* Close the remote side; true when that is done and the channel may go. */
static bool finish_channel(struct ssh_channel *channel)
{
    int rc = libssh2_channel_free(channel->handle);
    if (rc == LIBSSH2_ERROR_EAGAIN) {
        note_again(channel->ssh, channel);
        return false;
    }
    channel->handle = NULL;
    return true;
}

static void end_open_channel(struct ssh_channel *channel)
{
    char *signal_name = NULL;
    char text[128] = "";
    int status = libssh2_channel_get_exit_status(channel->handle);
    bool is_known = channel->phase == CHANNEL_ENDED;
    libssh2_channel_get_exit_signal(channel->handle, &signal_name, NULL, NULL, NULL, NULL, NULL);
    if (signal_name != NULL) {
        text_format(text, sizeof(text), "ended by signal %s", signal_name);
        libssh2_free(channel->ssh->session, signal_name);
        status = -1;
    } else if (!is_known) {
        text_copy(text, sizeof(text), "the command could not be started");
        status = -1;
    }
    if (finish_channel(channel))
        end_channel(channel, status, text);
}

/* Read what there is. False: the session is being freed, touch nothing. */
static bool read_streams(struct ssh_channel *channel)
{
    struct ssh *ssh = channel->ssh;
    for (int round = 0; round < READ_ROUNDS; round++) {
        bool out = ssh->stuck == NULL && read_channel(channel, 0);
        if (ssh->is_free_wanted)
            return false;
        bool err = ssh->stuck == NULL && read_channel(channel, SSH_EXTENDED_DATA_STDERR);
        if (ssh->is_free_wanted)
            return false;
        if (!out && !err)
            return true;
    }
    timer_start(ssh->kick, 0, 0); /* more is buffered inside; the others first */
    return true;
}

static void pump_channel(struct ssh_channel *channel)
{
    struct ssh *ssh = channel->ssh;
    if (channel->phase == CHANNEL_OPENING || channel->phase == CHANNEL_EXEC) {
        open_channel(channel);
        return;
    }
    if (channel->phase == CHANNEL_OPEN) {
        if (!channel->is_abandoned && !write_channel(channel))
            channel->phase = CHANNEL_DEAD;
        if (!read_streams(channel))
            return;
        if (libssh2_channel_eof(channel->handle) == 1)
            channel->phase = CHANNEL_ENDED;
    }
    if (ssh->stuck == NULL && (channel->phase == CHANNEL_ENDED || channel->phase == CHANNEL_DEAD ||
                               channel->is_abandoned))
        end_open_channel(channel);
}

static void pump_once(struct ssh *ssh)
{
    bool is_opening = false;
    if (ssh->stuck != NULL) {
        struct ssh_channel *stuck = ssh->stuck;
        ssh->stuck = NULL;
        is_opening = stuck->phase == CHANNEL_OPENING || stuck->phase == CHANNEL_EXEC;
        pump_channel(stuck);
    }
    for (int i = 0; i < SSH_CHANNELS_MAX && ssh->stuck == NULL && !ssh->is_free_wanted; i++) {
        struct ssh_channel *channel = ssh->channels[i];
        if (channel == NULL)
            continue;
        bool opens = channel->phase == CHANNEL_OPENING || channel->phase == CHANNEL_EXEC;
        if (opens && is_opening)
            continue; /* one at a time */
        pump_channel(channel);
        is_opening =
            is_opening || (opens && ssh->channels[i] == channel && channel->phase != CHANNEL_OPEN);
    }
}

/* Reading one stream takes whatever the socket has, for others too, which were looked at before: it
 * lies with the library then, and no event tells. Answers to what opens or ends a channel cannot
 * even be asked about: those are tried again soon. */
static bool has_queued(struct ssh *ssh)
{
    bool has = false;
    for (int i = 0; i < SSH_CHANNELS_MAX; i++) {
        struct ssh_channel *c = ssh->channels[i];
        if (c != NULL && c->phase != CHANNEL_OPEN)
            timer_start(ssh->kick, LOOK_AGAIN_MS, 0);
        else if (c != NULL)
            has |= libssh2_poll_channel_read(c->handle, 0) == 1 ||
                   libssh2_poll_channel_read(c->handle, SSH_EXTENDED_DATA_STDERR) == 1 ||
                   libssh2_channel_eof(c->handle) == 1;
    }
    return has && ssh->stuck == NULL;
}

/* Until nothing moves. */
static void pump_channels(struct ssh *ssh)
{
    for (int round = 0; round < READ_ROUNDS && !ssh->is_free_wanted; round++) {
        ssh->has_progressed = false;
        pump_once(ssh);
        if (!ssh->is_free_wanted && !ssh->has_progressed && !has_queued(ssh))
            return;
    }
    if (!ssh->is_free_wanted)
        timer_start(ssh->kick, 0, 0);
}

/* ---------------------------------------------------------------- the session */

static void handshake(struct ssh *ssh)
{
    struct errbuf e;
    int rc = libssh2_session_handshake(ssh->session, ssh->fd);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return;
    if (rc != 0) {
        err_set(&e, ERR_PROTOCOL, "SSH handshake failed: %s", session_error(ssh));
        fail(ssh, ERR_PROTOCOL, e.text);
        return;
    }
    if (ssh_hosts_check(ssh->session, ssh->known_hosts, ssh->known_hosts_size, ssh->host, ssh->port,
                        &e) != ERR_OK) {
        fail(ssh, ERR_DENIED, e.text);
        return;
    }
    ssh->phase = SSH_AUTHENTICATING;
}

static void authenticate(struct ssh *ssh)
{
    struct errbuf e;
    int rc = libssh2_userauth_publickey_frommemory(ssh->session, ssh->user, strlen(ssh->user), NULL,
                                                   0, ssh->key, ssh->key_size, NULL);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return;
    if (rc != 0) {
        err_set(&e, ERR_DENIED, "user %s is not let in: %s (is the key in its authorized_keys?)",
                ssh->user, session_error(ssh));
        fail(ssh, ERR_DENIED, e.text);
        return;
    }
    ssh->phase = SSH_READY;
    timer_stop(ssh->deadline);
    ssh->ops->on_ready(ssh->data);
}

/* What the socket has to become for the next call to go on. */
static void watch_socket(struct ssh *ssh)
{
    int directions = libssh2_session_block_directions(ssh->session);
    bool wants_write = (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0;
    watch_set(ssh->watch, wants_write ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

static void pump(struct ssh *ssh)
{
    if (ssh->is_pumping || ssh->phase == SSH_CLOSED)
        return;
    ssh->is_pumping = true;
    if (ssh->phase == SSH_HANDSHAKE)
        handshake(ssh);
    if (ssh->phase == SSH_AUTHENTICATING)
        authenticate(ssh);
    if (ssh->phase == SSH_READY && !ssh->is_free_wanted)
        pump_channels(ssh);
    ssh->is_pumping = false;
    if (ssh->is_free_wanted) {
        ssh->is_free_wanted = false;
        ssh_free(ssh);
    } else if (ssh->phase != SSH_CLOSED) {
        watch_socket(ssh);
    }
}

/* Is the connection still there? libssh2 tells a lost one as an end of file without words. */
static bool is_lost(struct ssh *ssh)
{
    char byte;
    ssize_t n = recv(ssh->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void connected(struct ssh *ssh)
{
    int problem = 0;
    socklen_t size = sizeof(problem);
    char text[ERR_TEXT_SIZE];
    getsockopt(ssh->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem != 0) {
        text_format(text, sizeof(text), "cannot connect to %s port %u: %s", ssh->host, ssh->port,
                    strerror(problem));
        fail(ssh, err_from_errno(problem), text);
        return;
    }
    ssh->phase = SSH_HANDSHAKE;
    ssh_hosts_prefer(ssh->session, ssh->known_hosts, ssh->known_hosts_size, ssh->host);
    pump(ssh);
}

static void on_socket(void *data, int events)
{
    struct ssh *ssh = data;
    (void)events;
    if (ssh->phase == SSH_CONNECTING)
        connected(ssh);
    else if (is_lost(ssh))
        fail(ssh, ERR_CLOSED,
             ssh->phase == SSH_READY ? "the connection was lost"
                                     : "the server closed the connection");
    else
        pump(ssh);
}

static void on_kick(void *data)
{
    pump(data);
}

static void on_deadline(void *data)
{
    struct ssh *ssh = data;
    char text[ERR_TEXT_SIZE];
    text_format(text, sizeof(text), "%s port %u: %s in time", ssh->host, ssh->port,
                ssh->phase == SSH_RESOLVING    ? "its name was not resolved"
                : ssh->phase == SSH_CONNECTING ? "no connection"
                                               : "no answer to the login");
    fail(ssh, ERR_TIMEOUT, text);
}

static void on_resolved(void *data, int err, const struct sockaddr *address, socklen_t size)
{
    struct ssh *ssh = data;
    const int on = 1;
    char text[ERR_TEXT_SIZE];
    ssh->is_resolving = false;
    if (ssh->phase == SSH_CLOSED) { /* given up in between */
        if (ssh->is_free_wanted)
            ssh_destroy(ssh);
        return;
    }
    if (err != ERR_OK) {
        text_format(text, sizeof(text), "the name %s cannot be resolved", ssh->host);
        fail(ssh, err, text);
        return;
    }
    ssh->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ssh->fd >= 0) /* 160 ms a command with Nagle's algorithm, 3 ms without */
        setsockopt(ssh->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (ssh->fd < 0 || (connect(ssh->fd, address, size) != 0 && errno != EINPROGRESS)) {
        text_format(text, sizeof(text), "cannot connect to %s port %u: %s", ssh->host, ssh->port,
                    strerror(errno));
        fail(ssh, err_from_errno(errno), text);
        return;
    }
    ssh->phase = SSH_CONNECTING;
    ssh->watch = watch_new(ssh->loop, ssh->fd, on_socket, ssh);
    if (ssh->watch == NULL)
        fail(ssh, ERR_NOMEM, "out of memory");
    else
        watch_set(ssh->watch, WATCH_WRITE);
}

struct ssh *ssh_connect(struct loop *loop, const struct ssh_params *params,
                        const struct ssh_ops *ops, void *data)
{
    struct ssh *ssh = calloc(1, sizeof(*ssh));
    if (ssh == NULL || libssh2_init(0) != 0) {
        free(ssh);
        return NULL;
    }
    ssh->loop = loop;
    ssh->ops = ops;
    ssh->data = data;
    ssh->fd = -1;
    ssh->port = params->port;
    text_copy(ssh->node, sizeof(ssh->node), params->node);
    text_copy(ssh->host, sizeof(ssh->host), params->host);
    text_copy(ssh->user, sizeof(ssh->user), params->user);
    ssh->key = calloc(1, params->key_size + 1);
    ssh->known_hosts = calloc(1, params->known_hosts_size + 1);
    ssh->session = libssh2_session_init();
    ssh->deadline = timer_new(loop, on_deadline, ssh);
    ssh->kick = timer_new(loop, on_kick, ssh);
    PRE(ssh->key != NULL && ssh->known_hosts != NULL && ssh->session != NULL &&
        ssh->deadline != NULL && ssh->kick != NULL);
    memcpy(ssh->key, params->key, params->key_size);
    ssh->key_size = params->key_size;
    memcpy(ssh->known_hosts, params->known_hosts, params->known_hosts_size);
    ssh->known_hosts_size = params->known_hosts_size;
    libssh2_session_set_blocking(ssh->session, 0);
    timer_start(ssh->deadline, params->timeout_ms, 0);
    ssh->is_resolving = loop_resolve(loop, ssh->host, ssh->port, on_resolved, ssh) == ERR_OK;
    if (!ssh->is_resolving)
        timer_start(ssh->deadline, 0, 0);
    return ssh;
}

bool ssh_is_ready(const struct ssh *ssh)
{
    return ssh != NULL && ssh->phase == SSH_READY;
}

void ssh_free(struct ssh *ssh)
{
    if (ssh == NULL)
        return;
    for (int i = 0; i < SSH_CHANNELS_MAX; i++)
        if (ssh->channels[i] != NULL)
            ssh->channels[i]->is_abandoned = true;
    if (ssh->is_pumping) { /* inside one of our callbacks: pump or fail does the rest */
        ssh->is_free_wanted = true;
        return;
    }
    for (int i = 0; i < SSH_CHANNELS_MAX; i++)
        if (ssh->channels[i] != NULL)
            free_channel(ssh->channels[i]);
    if (ssh->phase != SSH_CLOSED)
        close_transport(ssh);
    ssh->phase = SSH_CLOSED;
    ssh->is_free_wanted = true;
    ssh_destroy(ssh);
}

struct ssh_channel *ssh_exec(struct ssh *ssh, const char *command,
                             const struct ssh_channel_ops *ops, void *data)
{
    if (!ssh_is_ready(ssh))
        return NULL;
    for (int i = 0; i < SSH_CHANNELS_MAX; i++) {
        if (ssh->channels[i] != NULL)
            continue;
        struct ssh_channel *channel = calloc(1, sizeof(*channel));
        if (channel == NULL)
            return NULL;
        channel->ssh = ssh;
        channel->ops = ops;
        channel->data = data;
        channel->command = strdup(command);
        buf_init(&channel->input, SSH_INPUT_MAX);
        if (channel->command == NULL) {
            free(channel);
            return NULL;
        }
        ssh->channels[i] = channel;
        timer_start(ssh->kick, 0, 0);
        return channel;
    }
    return NULL;
}

bool ssh_write(struct ssh_channel *channel, const void *bytes, size_t size)
{
    if (buf_append(&channel->input, bytes, size) != ERR_OK)
        return false;
    if (channel->ssh->phase == SSH_READY && channel->ssh->kick != NULL)
        timer_start(channel->ssh->kick, 0, 0);
    return true;
}

void ssh_channel_close(struct ssh_channel *channel)
{
    channel->is_abandoned = true;
    if (channel->phase == CHANNEL_OPENING && channel->ssh->stuck != channel &&
        channel->handle == NULL && channel->ssh->phase == SSH_READY)
        return; /* it opens, and is closed by the pump then */
    if (channel->ssh->kick != NULL)
        timer_start(channel->ssh->kick, 0, 0);
}
