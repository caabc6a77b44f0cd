/* The log from the leader to the others, and what is committed (§3.5, §3.6). */
#ifndef RAFT_REPLICATION_H
#define RAFT_REPLICATION_H

#include "orchestrator/raft/server.h"

/* Elected just now: the no-op of the term, and word to everybody. */
void replication_lead(struct raft *raft, struct raft_update *update);

/* Append entries of the own term (noted in the update) and send them on. */
enum raft_result replication_propose(struct raft *raft, struct raft_update *update,
                                     const uint32_t *sizes, uint32_t count);
enum raft_result replication_change(struct raft *raft, struct raft_update *update,
                                    const struct raft_membership *m, uint32_t size);

/* Something for everybody, if there is nothing to send then a heartbeat. */
void replication_heartbeat(struct raft *raft, struct raft_update *update);

/* What may be sent to members[i] now. */
void replication_send(struct raft *raft, struct raft_update *update, uint32_t i);

/* Raise the commit index by what a quorum has, and tell what may be applied. */
void replication_commit(struct raft *raft, struct raft_update *update);

/* A member answered a request of this term, sent at that time. NULL: not a member. */
struct progress *replication_answered(struct raft *raft, const struct raft_message *m);

void replication_on_append(struct raft *raft, struct raft_update *update,
                           const struct raft_message *m);
void replication_on_reply(struct raft *raft, struct raft_update *update,
                          const struct raft_message *m);

#endif
