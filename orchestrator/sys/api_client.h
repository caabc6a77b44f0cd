/* Calls of the local API over its Unix socket, for ephorctl: blocking, one at a time. The daemon
 * never uses it. */
#ifndef SYS_API_CLIENT_H
#define SYS_API_CLIENT_H

#include "orchestrator/base/buf.h"
#include "orchestrator/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { API_BODY_MAX = 64 << 20 };

struct api_answer {
    uint32_t status;
    struct buf body;
};

/* Once, before anything else. */
int api_client_init(void);

/* GET path, or POST body to it if body is not NULL. 0 when there is an answer of any status; it is
 * the caller's to close. Errors: ERR_NOT_FOUND, ERR_REFUSED, ERR_DENIED (no daemon there, or not
 * for us), ERR_TIMEOUT, ERR_PROTOCOL. */
int api_call(const char *socket_path, const char *path, const char *body, int64_t timeout_ms,
             struct api_answer *answer, struct errbuf *e);
void api_answer_close(struct api_answer *answer);

/* GET an event stream; cb gets each event (borrowed) and ends the stream by returning false. 0:
 * ended by cb; ERR_CLOSED: by the daemon. last_id may be "". */
typedef bool api_event_cb(void *data, const char *id, const char *event, const char *text);
int api_stream(const char *socket_path, const char *path, const char *last_id, api_event_cb *cb,
               void *data, struct errbuf *e);

#endif
