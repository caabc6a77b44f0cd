/* An HTTP client on the loop: one GET, one answer. Follows no redirects, ignores proxies of the
 * environment, speaks http and https only, reads at most body_max bytes and then hangs up.
 * Names are resolved on threads of their own, so that nothing blocks the loop. */
#ifndef SYS_HTTP_CLIENT_H
#define SYS_HTTP_CLIENT_H

#include "orchestrator/base/err.h"
#include "orchestrator/sys/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client;
struct http_call;

/* NULL: out of memory. Free it when no call is under way. */
struct http_client *http_client_new(struct loop *loop);
void http_client_free(struct http_client *client); /* NULL is fine */

struct http_request { /* all borrowed during http_start */
    const char *url;
    const char *virtual_host; /* asked for by this name (Host, SNI, certificate) at the URL's
                                 address; may have a port; NULL or "" = the URL's */
    const char *ca_path;      /* CA bundle, NULL or "" = the system's */
    bool tls_verify;
    bool wants_certificate; /* fill in certificate_end_ms */
    bool keepalive;         /* reuse a connection, and leave it open */
    int64_t timeout_ms;     /* for everything, name resolution included */
    size_t body_max;
};

struct http_answer {
    int err;          /* 0, or why there is no answer: ERR_TIMEOUT, ERR_REFUSED, ERR_UNREACHABLE,
                         ERR_CLOSED, ERR_NOT_FOUND (name), ERR_DENIED (certificate), ERR_PROTOCOL,
                         ERR_INVALID (URL or CA file), ERR_NOMEM, ERR_IO */
    const char *text; /* for people, if err is not 0 */
    int status;
    const char *body; /* NUL-terminated; may hold other NULs */
    size_t body_size;
    bool is_body_cut;
    bool is_connected; /* somebody accepted the connection, made for this call */
    int64_t resolve_us, connect_us, tls_us, first_byte_us, total_us; /* each step by itself */
    int64_t certificate_end_ms;                                      /* wall clock; 0 = unknown */
};

/* Exactly once, never from inside http_start. The answer is borrowed. */
typedef void http_answer_cb(void *data, const struct http_answer *answer);

/* 0 and *call (valid until the callback ran), or ERR_NOMEM, or ERR_INVALID (URL) with e. */
int http_start(struct http_call **call, struct http_client *client,
               const struct http_request *request, http_answer_cb *cb, void *data,
               struct errbuf *e);

/* Drop it: unlike elsewhere there is no callback any more. */
void http_drop(struct http_call *call);

#endif
