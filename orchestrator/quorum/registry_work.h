/* Operators add and remove observers: the leader judges it and proposes it as a fact. A change of
 * the members and one of the observers are never under way together, for a name and a key are one's
 * alone. */
#ifndef QUORUM_REGISTRY_WORK_H
#define QUORUM_REGISTRY_WORK_H

#include "orchestrator/core/limits.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct quorum;

struct registry_work { /* the change that is under way, while change_is_pending says so */
    uint32_t from;     /* who waits for the answer, as in cluster_on_request */
    uint64_t sequence;
    char name[NAME_SIZE];
};

/* Is it about an observer? */
bool registry_work_is_for(const struct quorum *quorum, const Ephor__ClusterRequest *request);

/* Carry it out, and answer; only while leading and without a change under way. */
void registry_work_start(struct quorum *quorum, uint32_t from,
                         const Ephor__ClusterRequest *request);

/* Why no member may be added so: an observer has the name or the key. NULL: none has. */
const char *registry_work_clash(const struct quorum *quorum, const Ephor__ClusterRequest *request);

#endif
