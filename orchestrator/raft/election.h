/* Who leads: randomised timeouts (§3.4), a question before each candidacy (§9.6), and loyalty to a
 * leader that is alive (§4.2.3). */
#ifndef RAFT_ELECTION_H
#define RAFT_ELECTION_H

#include "orchestrator/raft/server.h"

/* Follow: adopt the term if it is newer, and this leader (0: not known). A leader steps down. */
void election_follow(struct raft *raft, struct raft_update *update, uint64_t term, uint32_t leader);

/* The next timeout, counted from now. */
void election_arm(struct raft *raft);

/* The timeout is over. */
void election_tick(struct raft *raft, struct raft_update *update);

/* Campaign at once, on behalf of the leader (§3.10). */
void election_on_timeout_now(struct raft *raft, struct raft_update *update,
                             const struct raft_message *m);

/* Is this server bound to the leader that it has or had: heard from it so recently that it must
 * not help anybody else to lead? */
bool election_is_loyal(const struct raft *raft);

void election_on_prevote(struct raft *raft, struct raft_update *update,
                         const struct raft_message *m);
void election_on_vote(struct raft *raft, struct raft_update *update, const struct raft_message *m);
void election_on_reply(struct raft *raft, struct raft_update *update, const struct raft_message *m);

/* Writes have become durable: the own vote may count now. */
void election_on_persisted(struct raft *raft, struct raft_update *update);

#endif
