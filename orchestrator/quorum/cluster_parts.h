/* What the cluster*.c files share and nobody else sees. */
#ifndef QUORUM_CLUSTER_PARTS_H
#define QUORUM_CLUSTER_PARTS_H

#include "orchestrator/quorum/cluster.h"

/* To a controller, or (to = 0) to the status process. */
void cluster_reply(struct quorum *quorum, uint32_t to, const Ephor__ClusterReply *reply);

/* Nobody waits any more for a change of the members. */
void cluster_drop_waiting(struct quorum *quorum);

#endif
