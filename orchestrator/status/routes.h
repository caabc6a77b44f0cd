/* Paths and what answers them. */
#ifndef STATUS_ROUTES_H
#define STATUS_ROUTES_H

#include "orchestrator/status/answers.h"
#include "orchestrator/status/consistent.h"
#include "orchestrator/status/feed.h"
#include "orchestrator/status/page.h"
#include "orchestrator/status/requests.h"
#include "orchestrator/status/sse.h"

#include <sys/types.h>

enum { OPERATORS_MAX = 64, SERVERS_MAX = 16 };

struct operators { /* who may act, beside root and the daemon's own user */
    uid_t uids[OPERATORS_MAX];
    uint32_t uid_count;
    gid_t gid; /* 0 = none */
};

struct routes {
    struct feed *feed;
    struct requests *requests;
    struct consistent *consistent;
    struct sse *sse;
    struct http_counts counts;
    struct operators operators;
    struct http_server *servers[SERVERS_MAX]; /* for their counters */
    uint32_t server_count;
    char style_tag[20], script_tag[20];
    bool is_ending; /* nothing may wait any more */
};

void routes_init(struct routes *routes);

/* The handler of the servers; data is a struct routes. */
void routes_answer(void *data, struct http_request *request);

/* The answer of what waited in routes->consistent; refusal NULL: it may be answered. */
void routes_answer_confirmed(void *data, struct http_request *request, const char *refusal);

#endif
