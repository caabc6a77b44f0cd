/* The event stream (server-sent events): pieces of the page as they change, and journal lines.
 * Who connects gets every piece at once, so that nothing can be missed in between. */
#ifndef STATUS_SSE_H
#define STATUS_SSE_H

#include "orchestrator/status/feed.h"
#include "orchestrator/sys/http_server.h"

enum { SSE_CLIENTS_MAX = 100 };

struct sse;

struct sse *sse_new(struct loop *loop, const struct feed *feed); /* NULL: out of memory */

/* After the servers: their end ends the streams. */
void sse_free(struct sse *sse);

uint32_t sse_count(const struct sse *sse);

/* Make a stream of this request; false (and the request stays the caller's) if there are too many.
 * ?topic=journal leaves the pieces out; Last-Event-ID says which journal line was seen last. */
bool sse_add(struct sse *sse, struct http_request *request);

/* Something in the feed changed: clients hear of it within a moment. */
void sse_changed(struct sse *sse);

#endif
