/* What is known of a history, kept once for all servers: who led which term and who voted for whom,
 * which entry is committed at which index, the chain of every entry that was ever in a log, and
 * what clients were told. Only sim_check.c judges by it. */
#ifndef TESTS_RAFT_SIM_HISTORY_H
#define TESTS_RAFT_SIM_HISTORY_H

#include "tests/raft/sim_check.h"

struct sim_term {
    uint32_t leader, life;
    uint8_t votes[SIM_SERVERS_MAX + 1];
};

struct sim_chain {
    uint64_t index, term, chain;
};

struct sim_proposal {
    uint64_t index, term;
    uint32_t server;
    bool is_acknowledged;
};

struct sim_check {
    struct sim_term *terms;
    uint64_t term_count, term_capacity;
    struct sim_committed *committed; /* of index 1 at [1] */
    uint64_t commit, commit_capacity;
    uint64_t config_index;
    uint16_t config;
    struct sim_chain *chains; /* a hash table */
    uint64_t chain_count, chain_capacity;
    struct sim_proposal *proposals;
    uint64_t proposal_count, proposal_capacity;
    uint64_t acknowledged_to;
};

struct sim_term *sim_history_term(struct sim_check *check, uint64_t term);

/* The record of that entry; a new one has index 0 and is to be filled in. */
struct sim_chain *sim_history_chain(struct sim_check *check, uint64_t index, uint64_t term);

#endif
