/* What must never happen, looked after in every event of the simulation. Names of what is broken:
 *
 *   ELECTION     two leaders in one term (Election Safety)
 *   APPEND-ONLY  a leader takes something out of its log
 *   MATCHING     two logs agree in an entry and not in what is before it (Log Matching)
 *   COMPLETE     a leader lacks an entry committed before (Leader Completeness)
 *   MACHINE      two state machines differ, or one got an entry twice or out of order
 *   COMMIT       a commit index that goes back, or goes beyond what a quorum has on its disks
 *   OWN-TERM     a leader commits by counting copies of an older term's entry
 *   LOST         an acknowledged proposal is lost, or a read missed it
 *   FRESH        two servers may both think that they alone are the leader
 *   VOTE         two votes in one term, or one that a crash makes forgotten
 *   DURABLE      an acknowledgement or an applied entry that a crash makes forgotten
 *   CHANGE       two changes of the membership at once, or one of more than one vote
 *   WITNESS      a witness that acts as leader
 *   LIVE         all is well again, and still nobody leads, or a proposal is not applied
 *   STABLE       all is well, and yet the leader changes
 *   STORM        more and more messages
 *   CONTRACT     anything else that raft.h promises */
#ifndef TESTS_RAFT_SIM_CHECK_H
#define TESTS_RAFT_SIM_CHECK_H

#include "tests/raft/sim_world.h"

struct sim_committed {
    uint64_t term, committed_in, chain, payload;
    uint16_t config; /* 0: not a change of the membership */
};

struct sim_check *sim_check_new(void);
void sim_check_free(struct sim_check *check);
void sim_check_reset(struct sim_check *check);

/* Before and after a step; `update` is in the world. */
struct sim_before {
    enum raft_role role;
    uint64_t term, commit, last;
};
void sim_check_before(const struct sim_server *server, struct sim_before *before);
void sim_check_after(struct sim_world *world, struct sim_server *server,
                     const struct sim_before *before);

/* A core has just been started from a disk. */
void sim_check_started(struct sim_world *world, struct sim_server *server);

/* An entry enters the log of a server. */
void sim_check_appended(struct sim_world *world, struct sim_server *server, uint64_t index,
                        const struct sim_entry *entry, bool is_own);
void sim_check_sent(struct sim_world *world, struct sim_server *server,
                    const struct raft_message *message);
void sim_check_applied(struct sim_world *world, struct sim_server *server, uint64_t index,
                       uint64_t chain);

/* A client is told that its proposal is committed; the entry is in the server's machine. */
void sim_check_acknowledged(struct sim_world *world, uint64_t index, uint64_t payload);
void sim_check_end(struct sim_world *world);

/* A proposal: where it went, to recognise it when it is applied there. */
void sim_check_proposed(struct sim_check *check, uint64_t payload, const struct sim_server *server,
                        uint64_t index, uint64_t term);
bool sim_check_proposal_is_here(const struct sim_check *check, uint64_t payload,
                                const struct sim_server *server, uint64_t index, uint64_t term);

uint64_t sim_check_commit(const struct sim_check *check);          /* the highest of all */
uint64_t sim_check_acknowledged_to(const struct sim_check *check); /* the highest index */
uint64_t sim_check_config_index(const struct sim_check *check);    /* the newest committed one's */
uint16_t sim_check_config(const struct sim_check *check);

#endif
