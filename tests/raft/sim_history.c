/* The memory of the checks: it grows as it has to and is used again for the next seed. */
#include "tests/raft/sim_history.h"

#include <stdlib.h>
#include <string.h>

struct sim_check *sim_check_new(void)
{
    struct sim_check *check = sim_need(calloc(1, sizeof(*check)));
    check->chain_capacity = 4096;
    check->chains = sim_need(calloc(check->chain_capacity, sizeof(*check->chains)));
    check->commit_capacity = 1024;
    check->committed = sim_need(calloc(check->commit_capacity, sizeof(*check->committed)));
    check->term_capacity = 64;
    check->terms = sim_need(calloc(check->term_capacity, sizeof(*check->terms)));
    return check;
}

void sim_check_free(struct sim_check *check)
{
    free(check->terms);
    free(check->committed);
    free(check->chains);
    free(check->proposals);
    free(check);
}

void sim_check_reset(struct sim_check *check)
{
    check->term_count = check->commit = check->config_index = check->acknowledged_to = 0;
    check->chain_count = check->proposal_count = 0;
    check->config = 1;
    memset(check->chains, 0, check->chain_capacity * sizeof(*check->chains));
}

uint64_t sim_check_commit(const struct sim_check *check)
{
    return check->commit;
}

uint64_t sim_check_acknowledged_to(const struct sim_check *check)
{
    return check->acknowledged_to;
}

uint64_t sim_check_config_index(const struct sim_check *check)
{
    return check->config_index;
}

uint16_t sim_check_config(const struct sim_check *check)
{
    return check->config;
}

struct sim_term *sim_history_term(struct sim_check *check, uint64_t term)
{
    if (term >= check->term_capacity) {
        check->term_capacity = term * 2 + 64;
        check->terms =
            sim_need(realloc(check->terms, check->term_capacity * sizeof(*check->terms)));
    }
    while (check->term_count <= term)
        check->terms[check->term_count++] = (struct sim_term){0};
    return &check->terms[term];
}

static struct sim_chain *slot_of(struct sim_check *check, uint64_t index, uint64_t term)
{
    uint64_t at = sim_mix(index * 0x9e3779b97f4a7c15ull + term) & (check->chain_capacity - 1);
    while (check->chains[at].index != 0 &&
           (check->chains[at].index != index || check->chains[at].term != term))
        at = (at + 1) & (check->chain_capacity - 1);
    return &check->chains[at];
}

static void grow_chains(struct sim_check *check)
{
    struct sim_chain *old = check->chains;
    uint64_t count = check->chain_capacity;
    check->chain_capacity *= 2;
    check->chains = sim_need(calloc(check->chain_capacity, sizeof(*check->chains)));
    for (uint64_t i = 0; i < count; i++)
        if (old[i].index != 0)
            *slot_of(check, old[i].index, old[i].term) = old[i];
    free(old);
}

struct sim_chain *sim_history_chain(struct sim_check *check, uint64_t index, uint64_t term)
{
    if (check->chain_count * 2 > check->chain_capacity)
        grow_chains(check);
    return slot_of(check, index, term);
}

void sim_check_proposed(struct sim_check *check, uint64_t payload, const struct sim_server *server,
                        uint64_t index, uint64_t term)
{
    if (payload >= check->proposal_capacity) {
        check->proposal_capacity = payload * 2 + 1024;
        check->proposals = sim_need(
            realloc(check->proposals, check->proposal_capacity * sizeof(*check->proposals)));
    }
    while (check->proposal_count <= payload)
        check->proposals[check->proposal_count++] = (struct sim_proposal){0};
    check->proposals[payload] = (struct sim_proposal){index, term, server->id, false};
}

bool sim_check_proposal_is_here(const struct sim_check *check, uint64_t payload,
                                const struct sim_server *server, uint64_t index, uint64_t term)
{
    const struct sim_proposal *proposal = &check->proposals[payload];
    return payload < check->proposal_count && proposal->server == server->id &&
           proposal->index == index && proposal->term == term;
}
