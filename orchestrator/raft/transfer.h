/* Leadership handed over on purpose (§3.10): proposals stop, the target catches up, and is told to
 * campaign at once. Once told, the old leader never calls itself fresh again in this term. */
#ifndef RAFT_TRANSFER_H
#define RAFT_TRANSFER_H

#include "orchestrator/raft/server.h"

enum raft_result transfer_start(struct raft *raft, struct raft_update *update, uint32_t to);

/* Somebody's progress changed: tell the target if it has everything now. A witness that leads
 * hands over to the first voter that is up to date. */
void transfer_continue(struct raft *raft, struct raft_update *update);

/* The time for it is over. */
void transfer_tick(struct raft *raft, struct raft_update *update);

/* This leader goes: the member that is closest, if it has everything, may campaign at once. */
void transfer_farewell(struct raft *raft, struct raft_update *update);

#endif
