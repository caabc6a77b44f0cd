/* What people ask for: proposed to the quorum process as a fact, answered when that fact has been
 * applied here and the core has said what it makes of it. */
#ifndef STATUS_REQUESTS_H
#define STATUS_REQUESTS_H

#include "orchestrator/status/answers.h"
#include "orchestrator/status/feed.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/process.h"

enum { REQUESTS_MAX = 64, REQUEST_LIMIT_MS = 10000 };

struct requests;

struct requests *requests_new(struct loop *loop, struct process *process, const struct feed *feed,
                              struct http_counts *counts);
void requests_free(struct requests *requests); /* answers all that wait */

/* The link to the quorum process (borrowed); NULL: it is lost, and all that wait are told. */
void requests_link(struct requests *requests, struct link *link);

/* Propose and answer later (or at once, with what forbids it). Takes the HTTP request. m is
 * borrowed. */
void requests_start(struct requests *requests, struct http_request *http, enum handler handler,
                    Ephor__Request *m);

/* The same for a change of the cluster itself, which is not a fact: the quorum process answers. */
void requests_start_cluster(struct requests *requests, struct http_request *http,
                            enum handler handler, Ephor__ClusterRequest *m);
void requests_cluster_replied(struct requests *requests, const Ephor__ClusterReply *m);

/* Another policy: what the file says (which the supervisor reads), or an earlier one (which the
 * quorum process has). Answered with PolicyReply, once the feed has come that far. */
void requests_start_apply(struct requests *requests, struct http_request *http,
                          enum handler handler, Ephor__PolicyApply *m);
void requests_start_rollback(struct requests *requests, struct http_request *http,
                             enum handler handler, Ephor__PolicyRollback *m);
void requests_policy_replied(struct requests *requests, const Ephor__PolicyReply *m);

/* The quorum process's answer to a proposal. */
void requests_proposed(struct requests *requests, const Ephor__Proposed *m);

/* Facts were applied: answer what can be answered. */
void requests_settle(struct requests *requests);

#endif
