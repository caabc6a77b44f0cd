/* What a step adds to its update. */
#ifndef RAFT_UPDATE_H
#define RAFT_UPDATE_H

#include "orchestrator/raft/server.h"

/* A message from this server in its present term, to be filled; NULL when the update is full (the
 * message counts as lost, which every receiver must bear). */
struct raft_message *update_message(struct raft *raft, struct raft_update *update,
                                    enum raft_message_type type, uint32_t to);

/* Is there room for one more APPEND and still for what else a step may have to say? */
bool update_has_room(const struct raft_update *update);

/* Something of this update has to be stored; the number of its write. */
uint64_t update_write(struct raft *raft, struct raft_update *update);

/* The hard state has changed. */
void update_hard(struct raft *raft, struct raft_update *update);

/* Entries from `first` on were appended. */
void update_append(struct raft *raft, struct raft_update *update, uint64_t first, uint64_t count);

#endif
