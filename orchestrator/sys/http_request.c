/* One HTTP request: what was asked, the answer, the stream. */
#include "orchestrator/base/contract.h"
#include "orchestrator/sys/http_server_parts.h"

#include <string.h>
#include <sys/socket.h>

enum { STREAM_BLOCK = 32 * 1024, STREAM_TRIM = 256 * 1024 };

/* ---------------------------------------------------------------- reading a request */

uint64_t http_server_refused(const struct http_server *server)
{
    return server->refused;
}

enum http_method http_method(const struct http_request *r)
{
    return r->method;
}

const char *http_path(const struct http_request *r)
{
    return r->path;
}

const char *http_query(const struct http_request *r, const char *key)
{
    const char *value = NULL;
    bool is_there = MHD_lookup_connection_value_n(r->mhd, MHD_GET_ARGUMENT_KIND, key, strlen(key),
                                                  &value, NULL) == MHD_YES;
    return is_there && value == NULL ? "" : value;
}

const char *http_header(const struct http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

const char *http_body(const struct http_request *r, size_t *size)
{
    *size = r->body.size;
    return buf_string(&r->body);
}

bool http_peer(const struct http_request *r, uid_t *uid, gid_t *gid, pid_t *pid)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (!r->server->is_local ||
        getsockopt(r->connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    *uid = peer.uid;
    *gid = peer.gid;
    *pid = peer.pid;
    return true;
}

/* ---------------------------------------------------------------- answers and streams */

void http_request_wake(struct http_request *r)
{
    if (r->is_suspended) {
        r->is_suspended = false;
        MHD_resume_connection(r->mhd);
    }
    timer_start(r->server->timer, 0, 0);
}

static void add_headers(struct MHD_Response *response, const char *type, const char *const *headers)
{
    MHD_add_response_header(response, "Content-Type", type);
    for (; headers != NULL && headers[0] != NULL; headers += 2)
        MHD_add_response_header(response, headers[0], headers[1]);
}

void http_answer(struct http_request *r, const struct http_answer *answer)
{
    PRE(r->response == NULL);
    r->response = MHD_create_response_from_buffer(
        answer->size, (void *)(uintptr_t)(answer->size > 0 ? answer->body : ""),
        MHD_RESPMEM_MUST_COPY);
    r->status = answer->status;
    if (r->response != NULL)
        add_headers(r->response, answer->type, answer->headers);
    else
        r->is_lost = true;
    http_request_wake(r);
}

static ssize_t on_read(void *data, uint64_t position, char *to, size_t size)
{
    struct http_request *r = data;
    (void)position;
    if (r->is_lost || r->server->is_closing)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (r->out.size == 0) {
        r->is_suspended = true;
        MHD_suspend_connection(r->mhd);
        return 0;
    }
    if (size > r->out.size - r->out_sent)
        size = r->out.size - r->out_sent;
    memcpy(to, r->out.data + r->out_sent, size);
    r->out_sent += size;
    if (r->out_sent == r->out.size || r->out_sent >= STREAM_TRIM) {
        buf_consume(&r->out, r->out_sent);
        r->out_sent = 0;
    }
    return (ssize_t)size;
}

bool http_stream_start(struct http_request *r, const char *type, const char *const *headers,
                       http_closed_cb *on_close, void *data)
{
    PRE(r->response == NULL);
    r->response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_read, r, NULL);
    r->status = 200;
    if (r->response == NULL) {
        r->is_lost = true;
        http_request_wake(r);
        return false;
    }
    add_headers(r->response, type, headers);
    r->is_stream = true;
    r->on_close = on_close;
    r->data = data;
    MHD_set_connection_option(r->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    http_request_wake(r);
    return true;
}

void http_stream_send(struct http_request *r, const void *bytes, size_t size)
{
    if (r->is_lost)
        return;
    if (buf_append(&r->out, bytes, size) != ERR_OK) {
        r->is_lost = true;
        shutdown(r->connection->fd, SHUT_RDWR);
    }
    http_request_wake(r);
}
