/* Snapshots (§5): taken by each server of its own state machine, and sent in chunks to a member
 * that needs what is no longer in the log. One chunk at a time; whoever lost track asks with an
 * empty one, and the answer tells how far the receiver is. */
#ifndef RAFT_INSTALL_H
#define RAFT_INSTALL_H

#include "orchestrator/raft/server.h"

void install_begin(struct raft *raft, struct raft_update *update, uint32_t i);
void install_heartbeat(struct raft *raft, struct raft_update *update, uint32_t i);

void install_on_snapshot(struct raft *raft, struct raft_update *update,
                         const struct raft_message *m);
void install_on_reply(struct raft *raft, struct raft_update *update, const struct raft_message *m);

/* The own state machine's snapshot of everything up to `index` is durable. */
void install_on_taken(struct raft *raft, struct raft_update *update,
                      const struct raft_event *event);

#endif
