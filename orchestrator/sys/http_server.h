/* An HTTP server on the loop: whole requests in, answers or event streams out. It deals with what
 * strangers send (slow, huge, half, malformed); what the paths mean is the caller's business.
 *
 * A request is the caller's from the handler's call until it is answered, at once or later. A
 * request that became a stream stays until its on_close ran. */
#ifndef SYS_HTTP_SERVER_H
#define SYS_HTTP_SERVER_H

#include "orchestrator/base/err.h"
#include "orchestrator/sys/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct http_server;
struct http_request;

struct http_limits {
    uint32_t connections_max;
    uint32_t per_address_max;  /* connections from one IP address */
    uint32_t idle_s;           /* a connection without a byte */
    uint32_t request_max_ms;   /* a request has to be here this long after the connection */
    uint32_t next_request_ms;  /* ... or, on a connection in use, after the last answer */
    uint32_t answer_max_ms;    /* an answer has to be taken within this time */
    uint32_t body_max;         /* bytes of a request's body */
    uint32_t path_max;         /* bytes of a path */
    uint32_t stream_queue_max; /* bytes that a stream's reader may lag behind */
};

/* The limits of the daemon: 256 connections, 32 an address, 30 s idle, 10 s for a request, 64 KiB
 * of body. */
extern const struct http_limits http_limits_default;

enum http_method { HTTP_GET, HTTP_POST, HTTP_OTHER_METHOD }; /* HEAD counts as GET */

typedef void http_request_cb(void *data, struct http_request *request);

/* Serve on a listening socket (taken, also on failure). limits is borrowed for life. NULL: see e.
 */
struct http_server *http_server_new(struct loop *loop, int fd, const struct http_limits *limits,
                                    http_request_cb *cb, void *data, struct errbuf *e);

/* Cut off everybody; streams get their on_close. No request of this server may be used after. */
void http_server_free(struct http_server *server); /* NULL is fine */

/* Requests that were refused here without asking the handler. */
uint64_t http_server_refused(const struct http_server *server);

/* What was asked. All strings are borrowed for the life of the request. */
enum http_method http_method(const struct http_request *request);
const char *http_path(const struct http_request *request); /* decoded, without the query */
/* NULL: none; "": the key stands there without a value. */
const char *http_query(const struct http_request *request, const char *key);
const char *http_header(const struct http_request *request, const char *name); /* NULL: none */
const char *http_body(const struct http_request *request, size_t *size);

/* Over a local (Unix) socket: who it is. False on a network socket. */
bool http_peer(const struct http_request *request, uid_t *uid, gid_t *gid, pid_t *pid);

struct http_answer {
    uint32_t status;
    const char *type;           /* content type */
    const char *const *headers; /* name, value, name, value, ..., NULL; may be NULL */
    const void *body;           /* copied */
    size_t size;
};

/* Answer; the request is no longer the caller's. Out of memory cuts the connection off. */
void http_answer(struct http_request *request, const struct http_answer *answer);

/* Answer 200 with a stream of unknown length. on_close runs once, when the client is gone or the
 * server ends, and the request is no longer the caller's then. Returns false (and on_close will
 * not run, the request is gone) when out of memory. */
typedef void http_closed_cb(void *data, struct http_request *request);
bool http_stream_start(struct http_request *request, const char *type, const char *const *headers,
                       http_closed_cb *on_close, void *data);

/* Queue bytes (copied). A reader that lags too far behind is cut off. */
void http_stream_send(struct http_request *request, const void *bytes, size_t size);

#endif
