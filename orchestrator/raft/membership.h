/* Who belongs to the cluster, and who counts. A configuration takes effect when its entry is in the
 * log, committed or not (§4.1); it changes by one server at a time, so that any majority of the old
 * one and any of the new one have a server in common. */
#ifndef RAFT_MEMBERSHIP_H
#define RAFT_MEMBERSHIP_H

#include "orchestrator/raft/server.h"

enum { NOT_A_MEMBER = RAFT_MEMBERS_MAX };

uint32_t membership_find(const struct raft_membership *m, uint32_t id); /* or NOT_A_MEMBER */
bool membership_votes(const struct raft_membership *m, uint32_t i);     /* voter or witness */
uint32_t membership_quorum(const struct raft_membership *m);            /* more than half */

/* Does this server have a vote, and is it a witness, in the newest configuration? */
bool membership_has_vote(const struct raft *raft);
bool membership_is_witness(const struct raft *raft);

/* Carried out when a configuration entry is appended, and undone when it is truncated. */
void membership_adopt(struct raft *raft, uint64_t index, const struct raft_membership *m);
void membership_truncate(struct raft *raft, uint64_t from);

/* May the leader append this change now? */
enum raft_result membership_judge(const struct raft *raft, const struct raft_membership *m);

/* The value v such that a quorum of voters has at least v, own being this server's. */
uint64_t membership_quorum_match(const struct raft *raft, uint64_t own);
int64_t membership_quorum_answered(const struct raft *raft, int64_t own);

#endif
