/* The cluster as this controller sees it: members, links to them, what operators ask for, and what
 * a leader does by itself: admit a member's storage, give it its vote when it has caught up. */
#ifndef QUORUM_CLUSTER_H
#define QUORUM_CLUSTER_H

#include "orchestrator/base/err.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct quorum;

/* Open the links that the set-up asks for. The engine must be open. */
int cluster_open(struct quorum *quorum, const Ephor__Setup *setup, struct errbuf *e);
void cluster_close(struct quorum *quorum);
int cluster_listen(struct quorum *quorum, int fd, struct errbuf *e); /* fd is taken */

/* Certificates may be new; or have come of age or to their end (once a second). */
void cluster_reload(struct quorum *quorum, const Ephor__Setup *setup);
void cluster_watch(struct quorum *quorum);

/* The log says who is in the cluster. */
void cluster_on_members(struct quorum *quorum, const Ephor__Membership *members);

/* A leader's duties; called when something may have come of them, and once a second. */
void cluster_work(struct quorum *quorum);

/* An operator's request, from the status process or (from > 0) forwarded by another controller. */
void cluster_on_request(struct quorum *quorum, uint32_t from, const Ephor__ClusterRequest *request);

/* The answer to a request, for whoever asked. */
void cluster_reply(struct quorum *quorum, uint32_t to, const Ephor__ClusterReply *reply);

/* A change has been decided: the next one that somebody waits for, then a leader's own duties. */
void cluster_go_on(struct quorum *quorum);

/* To another controller, beside the log. */
int cluster_talk(struct quorum *quorum, uint32_t to, const Ephor__Talk *talk);

bool cluster_is_alone(const struct quorum *quorum); /* no other voter */
void cluster_count_peers(const struct quorum *quorum, uint32_t *peers, uint32_t *linked);
bool cluster_is_witness(const struct quorum *quorum);
uint32_t cluster_seat_of(const struct quorum *quorum, uint32_t id);    /* 0: no such member */
const char *cluster_name_of(const struct quorum *quorum, uint32_t id); /* "" if unknown */

/* Members, links and counts for the status process; the arrays in `feed` are heap until
 * cluster_feed_free. */
void cluster_feed(const struct quorum *quorum, Ephor__FeedState *feed);
void cluster_feed_free(Ephor__FeedState *feed);

#endif
