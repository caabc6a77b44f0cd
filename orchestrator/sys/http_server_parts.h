/* What http_server.c (connections, the library's life) and http_request.c (reading, answering,
 * streaming) share, and nobody else. */
#ifndef SYS_HTTP_SERVER_PARTS_H
#define SYS_HTTP_SERVER_PARTS_H

#include "orchestrator/base/buf.h"
#include "orchestrator/sys/http_server.h"

#include <microhttpd.h>

enum stage { STAGE_FIRST, STAGE_NEXT, STAGE_HANDLED, STAGE_ANSWERED, STAGE_STREAM };

struct connection { /* for the deadlines */
    struct connection *next, **link;
    int fd;
    enum stage stage;
    int64_t since_ms;
};

struct http_request {
    struct http_request *next, **link;
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct connection *connection;
    const char *path;
    enum http_method method;
    struct buf body;
    struct MHD_Response *response; /* NULL until answered */
    uint32_t status;
    bool is_refused, is_handled, is_queued;
    bool is_suspended;
    bool is_lost; /* cut it off at the next opportunity */
    struct buf out;
    size_t out_sent; /* bytes of it that are written already */
    bool is_stream;
    http_closed_cb *on_close;
    void *data;
};

struct http_server {
    struct loop *loop;
    const struct http_limits *limits;
    http_request_cb *cb;
    void *data;
    struct MHD_Daemon *mhd;
    struct watch *watch;
    struct timer *timer, *sweep;
    struct connection *connections;
    struct http_request *requests;
    uint64_t refused;
    bool is_loopback;
    bool is_local;
    bool is_running; /* inside the library */
    bool is_closing;
};

/* Let a suspended request go on, soon. */
void http_request_wake(struct http_request *request);

#endif
