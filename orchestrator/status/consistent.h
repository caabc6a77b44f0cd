/* Reads that may miss nothing (?consistent=1): the quorum process is asked, and the request waits
 * until it says that everything acknowledged before was fed to this process. */
#ifndef STATUS_CONSISTENT_H
#define STATUS_CONSISTENT_H

#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/status/feed.h"
#include "orchestrator/sys/http_server.h"
#include "orchestrator/sys/link.h"

enum { CONSISTENT_MAX = 64, CONSISTENT_LIMIT_MS = 8000 };

struct consistent;

/* Answer the request (given back) from what is known now, or with why that may be old. */
typedef void consistent_cb(void *data, struct http_request *http, const char *refusal);

/* NULL: out of memory. feed and data are borrowed for life. */
struct consistent *consistent_new(struct loop *loop, const struct feed *feed, consistent_cb *cb,
                                  void *data);
void consistent_free(struct consistent *consistent); /* gives back all that wait; NULL is fine */

/* The link to the quorum process (borrowed); NULL: it is lost, and all that wait are given back. */
void consistent_link(struct consistent *consistent, struct link *link);

/* Takes the request; cb may run at once. */
void consistent_start(struct consistent *consistent, struct http_request *http);

/* The quorum process's answer, and facts that were applied. */
void consistent_replied(struct consistent *consistent, const Ephor__ReadReply *reply);
void consistent_settle(struct consistent *consistent);

#endif
