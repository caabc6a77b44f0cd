/* libmicrohttpd on the loop, through its epoll descriptor and one timer: no thread. The only user,
 * with http_request.c, of that library. What it adds:
 *   - absolute deadlines: the library's own timeout starts anew with every byte, so that one byte
 *     now and then would hold a connection for ever;
 *   - caps on bodies and paths; and, on a loopback listener, names of this machine only in Host:
 *     otherwise a web page could point a name of its own here and read what we say;
 *   - answers at any later time, and streams, by suspending and resuming connections.
 * The library must not be entered anew from its own callbacks: what they cause (an answer, bytes
 * for a stream) is marked, and carried out by the timer. */
#include "orchestrator/sys/http_server.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/sys/http_server_parts.h"
#include "orchestrator/sys/now.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SWEEP_MS = 500, POOL_SIZE = 24 * 1024, STOP_ROUNDS = 3 };

const struct http_limits http_limits_default = {
    .connections_max = 256,
    .per_address_max = 32,
    .idle_s = 30,
    .request_max_ms = 10000,
    .next_request_ms = 30000,
    .answer_max_ms = 60000,
    .body_max = 64 * 1024,
    .path_max = 512,
    .stream_queue_max = 1 << 20,
};

/* ---------------------------------------------------------------- turning the library's crank */

static void run_server(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    server->is_running = true;
    MHD_run(server->mhd);
    server->is_running = false;
    if (MHD_get_timeout(server->mhd, &wait_ms) == MHD_YES)
        timer_start(server->timer, wait_ms > 60000 ? 60000 : (int64_t)wait_ms, 0);
    else
        timer_stop(server->timer);
}

static void on_timer(void *data)
{
    run_server(data);
}

static void on_ready(void *data, int events)
{
    (void)events;
    run_server(data);
}

/* ---------------------------------------------------------------- connections, deadlines */

static void connection_stage(struct connection *c, enum stage stage)
{
    c->stage = stage;
    c->since_ms = now_mono_ms();
}

static int connection_fd(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}

static void on_connection(void *data, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = data;
    struct connection *c = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        c = calloc(1, sizeof(*c));
        if (c == NULL)
            return;
        c->fd = connection_fd(mhd);
        c->next = server->connections;
        c->link = &server->connections;
        if (c->next != NULL)
            c->next->link = &c->next;
        server->connections = c;
        connection_stage(c, STAGE_FIRST);
        *context = c;
    } else if (c != NULL) {
        *c->link = c->next;
        if (c->next != NULL)
            c->next->link = c->link;
        free(c);
        *context = NULL;
    }
}

static bool connection_is_late(const struct http_limits *limits, const struct connection *c,
                               int64_t now_ms)
{
    int64_t spent_ms = now_ms - c->since_ms;
    switch (c->stage) {
    case STAGE_FIRST:
        return spent_ms > limits->request_max_ms;
    case STAGE_NEXT:
        return spent_ms > limits->next_request_ms;
    case STAGE_ANSWERED:
        return spent_ms > limits->answer_max_ms;
    case STAGE_HANDLED:
    case STAGE_STREAM:
        return false;
    }
    NEVER("a stage that is none");
}

static void on_sweep(void *data)
{
    struct http_server *server = data;
    int64_t now_ms = now_mono_ms();
    for (struct connection *c = server->connections; c != NULL; c = c->next)
        if (connection_is_late(server->limits, c, now_ms))
            shutdown(c->fd, SHUT_RDWR); /* the library sees it and cleans up */
}

/* ---------------------------------------------------------------- requests */

static struct http_request *request_new(struct http_server *server, struct MHD_Connection *mhd,
                                        const char *path, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_request *r = calloc(1, sizeof(*r));
    if (r == NULL || info == NULL || info->socket_context == NULL) {
        free(r);
        return NULL;
    }
    r->server = server;
    r->mhd = mhd;
    r->connection = info->socket_context;
    r->path = path;
    r->method = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ? HTTP_GET
                : strcmp(method, "POST") == 0                             ? HTTP_POST
                                                                          : HTTP_OTHER_METHOD;
    buf_init(&r->body, server->limits->body_max);
    buf_init(&r->out, server->limits->stream_queue_max);
    r->next = server->requests;
    r->link = &server->requests;
    if (r->next != NULL)
        r->next->link = &r->next;
    server->requests = r;
    return r;
}

static void request_free(struct http_request *r)
{
    *r->link = r->next;
    if (r->next != NULL)
        r->next->link = r->link;
    if (r->response != NULL)
        MHD_destroy_response(r->response);
    buf_close(&r->body);
    buf_close(&r->out);
    free(r);
}

static void refuse(struct http_request *r, uint32_t status, const char *code, const char *message)
{
    static const char *const headers[] = {"X-Content-Type-Options", "nosniff", "Connection",
                                          "close", NULL};
    char body[256];
    int size = snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n",
                        code, message);
    r->is_refused = r->is_handled = true;
    r->server->refused++;
    http_answer(r, &(struct http_answer){.status = status,
                                         .type = "application/json",
                                         .headers = headers,
                                         .body = body,
                                         .size = (size_t)size});
}

/* "localhost", "127.x.y.z", "[::1]", each with or without a port. */
static bool is_this_machine(const char *host)
{
    char name[64];
    struct in_addr address;
    size_t size = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (size >= sizeof(name))
        return false;
    memcpy(name, host, size);
    name[size] = '\0';
    if (strcasecmp(name, "localhost") == 0 || strcasecmp(name, "localhost.") == 0 ||
        strcmp(name, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* Refuse what can be refused from the headers alone. */
static void judge_headers(struct http_request *r)
{
    const char *length = http_header(r, "Content-Length");
    const char *host = http_header(r, "Host");
    if (strlen(r->path) > r->server->limits->path_max)
        refuse(r, 414, "path_too_long", "the path is too long");
    else if (length != NULL && strtoull(length, NULL, 10) > r->server->limits->body_max)
        refuse(r, 413, "body_too_large", "the body is too large");
    else if (r->server->is_loopback && (host == NULL || !is_this_machine(host)))
        refuse(r, 421, "wrong_host",
               "this address serves localhost only; listen on another address to serve a name");
}

static enum MHD_Result queue_answer(struct http_request *r)
{
    if (r->is_lost || r->response == NULL)
        return MHD_NO;
    if (r->is_queued)
        return MHD_YES;
    r->is_queued = true;
    connection_stage(r->connection, r->is_stream ? STAGE_STREAM : STAGE_ANSWERED);
    return MHD_queue_response(r->mhd, r->status, r->response);
}

static void keep_body(struct http_request *r, const char *bytes, size_t size)
{
    if (!r->is_handled && buf_append(&r->body, bytes, size) != ERR_OK)
        r->is_lost = true; /* a body without a length that goes on for ever */
}

static enum MHD_Result on_access(void *data, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **context)
{
    struct http_server *server = data;
    struct http_request *r = *context;
    (void)version;
    if (r == NULL) {
        r = request_new(server, mhd, url, method);
        if (r == NULL)
            return MHD_NO;
        *context = r;
        judge_headers(r);
        return r->is_refused ? queue_answer(r) : MHD_YES;
    }
    if (*upload_size > 0) {
        keep_body(r, upload, *upload_size);
        *upload_size = 0;
        return r->is_lost ? MHD_NO : MHD_YES;
    }
    if (!r->is_handled) {
        r->is_handled = true;
        connection_stage(r->connection, STAGE_HANDLED);
        server->cb(server->data, r);
    }
    if (r->response != NULL || r->is_lost || server->is_closing)
        return queue_answer(r);
    r->is_suspended = true;
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

static void on_completed(void *data, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct http_request *r = *context;
    (void)data;
    (void)mhd;
    (void)code;
    if (r == NULL)
        return;
    *context = NULL;
    connection_stage(r->connection, STAGE_NEXT);
    if (r->is_stream)
        r->on_close(r->data, r);
    request_free(r);
}

/* ---------------------------------------------------------------- life */

__attribute__((format(printf, 2, 0))) static void on_library_log(void *data, const char *fmt,
                                                                 va_list ap)
{
    char text[256];
    (void)data;
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http", "%s", text);
}

/* What kind of address is listened on. */
static void look_at_socket(struct http_server *server, int fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    socklen_t size = sizeof(address);
    getsockname(fd, (struct sockaddr *)&address, &size);
    server->is_local = address.ss_family == AF_UNIX;
    server->is_loopback =
        (address.ss_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 24 == 127) ||
        (address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr));
}

static struct MHD_Daemon *start_library(struct http_server *server, int fd)
{
    const struct http_limits *limits = server->limits;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access,
        server, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, server, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, limits->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        limits->per_address_max, MHD_OPTION_CONNECTION_TIMEOUT, limits->idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_SIZE, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
}

struct http_server *http_server_new(struct loop *loop, int fd, const struct http_limits *limits,
                                    http_request_cb *cb, void *data, struct errbuf *e)
{
    struct http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        close(fd);
        err_set(e, ERR_NOMEM, "out of memory");
        return NULL;
    }
    *server = (struct http_server){.loop = loop, .limits = limits, .cb = cb, .data = data};
    look_at_socket(server, fd);
    server->mhd = start_library(server, fd);
    if (server->mhd == NULL) {
        err_set(e, ERR_IO, "cannot serve HTTP: %s", strerror(errno));
        close(fd);
        free(server);
        return NULL;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    server->watch = watch_new(loop, info->epoll_fd, on_ready, server);
    server->timer = timer_new(loop, on_timer, server);
    server->sweep = timer_new(loop, on_sweep, server);
    PRE(server->watch != NULL && server->timer != NULL && server->sweep != NULL);
    watch_set(server->watch, WATCH_READ);
    timer_start(server->sweep, SWEEP_MS, SWEEP_MS);
    return server;
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    PRE(!server->is_running);
    server->is_closing = true;
    for (int round = 0; round < STOP_ROUNDS; round++) { /* the library may not end with suspended
                                                           connections */
        for (struct http_request *r = server->requests; r != NULL; r = r->next)
            http_request_wake(r);
        run_server(server);
    }
    watch_free(server->watch);
    timer_free(server->timer);
    timer_free(server->sweep);
    MHD_stop_daemon(server->mhd); /* closes the listening socket too */
    free(server);
}
