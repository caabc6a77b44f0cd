/* How this process answers over HTTP: the headers that every answer carries, and the counters. */
#ifndef STATUS_ANSWERS_H
#define STATUS_ANSWERS_H

#include "orchestrator/base/buf.h"
#include "orchestrator/status/metrics.h"
#include "orchestrator/sys/http_server.h"

#define HANDLER_LIST(X)                     \
    X(OVERVIEW, "overview")                 \
    X(SERVICE, "service")                   \
    X(STATUS, "status")                     \
    X(WHY, "why")                           \
    X(SIMULATE, "simulate")                 \
    X(JOURNAL, "journal")                   \
    X(EVENTS, "events")                     \
    X(METRICS, "metrics")                   \
    X(HEALTH, "healthz")                    \
    X(READY, "readyz")                      \
    X(ASSET, "asset")                       \
    X(FAILOVER, "failover")                 \
    X(PAUSE, "pause")                       \
    X(RESUME, "resume")                     \
    X(MAINTENANCE, "maintenance")           \
    X(CLUSTER, "cluster")                   \
    X(CLUSTER_ADD, "cluster_add")           \
    X(CLUSTER_REMOVE, "cluster_remove")     \
    X(CLUSTER_PROMOTE, "cluster_promote")   \
    X(CLUSTER_TRANSFER, "cluster_transfer") \
    X(CONFIG, "config")                     \
    X(CONFIG_POLICY, "config_policy")       \
    X(CONFIG_APPLY, "config_apply")         \
    X(CONFIG_ROLLBACK, "config_rollback")   \
    X(OTHER, "other")

enum handler {
#define HANDLER(name, text) HANDLER_##name,
    HANDLER_LIST(HANDLER)
#undef HANDLER
        HANDLER_COUNT
};

void answers_init(struct http_counts *counts);
void answers_count(struct http_counts *counts, enum handler handler, uint32_t status);

/* Answer with body; the request is gone afterwards. A body that grew over its limit becomes a
 * 500. type is a content type; is_lasting: it may be kept for ever under this address. */
void answer_send(struct http_counts *counts, enum handler handler, struct http_request *request,
                 uint32_t status, const char *type, bool is_lasting, const struct buf *body);

/* {"error":{"code","message"}} */
void answer_error(struct http_counts *counts, enum handler handler, struct http_request *request,
                  uint32_t status, const char *code, const char *message);

/* The headers of pages and streams: nothing from elsewhere runs, nothing is kept. */
extern const char *const answer_headers[];

#endif
