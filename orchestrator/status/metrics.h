/* /metrics in the Prometheus text format 0.0.4. Each controller tells its own process values and
 * the replicated view of its applied state. */
#ifndef STATUS_METRICS_H
#define STATUS_METRICS_H

#include "orchestrator/base/buf.h"
#include "orchestrator/status/view.h"

enum { METRICS_LIMIT = 48 << 20, HTTP_HANDLERS_MAX = 32, HTTP_CODES_MAX = 20 };

struct http_counts { /* kept by routes.c */
    const char *const *handlers;
    uint32_t handler_count;
    const uint32_t *codes;
    uint32_t code_count;
    uint64_t requests[HTTP_HANDLERS_MAX][HTTP_CODES_MAX];
    uint64_t refused;
    uint32_t streams;
};

void metrics_write(const struct view *view, const struct http_counts *http, struct buf *out);

#endif
