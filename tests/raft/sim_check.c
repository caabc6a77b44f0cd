/* The invariants, judged by what is known of the history (sim_history.h). */
#include "tests/raft/sim_check.h"
#include "tests/raft/sim_history.h"

#include <stdlib.h>

#ifndef SIM_CONSEQUENCES
#define SIM_CONSEQUENCES 0 /* 1: only what a mistake leads to counts, not the mistake itself */
#endif

/* ---- terms and votes */

static void note_vote(struct sim_world *world, uint64_t term, uint32_t from, uint32_t candidate)
{
    uint8_t *vote = &sim_history_term(world->check, term)->votes[from];
    if (*vote != 0 && *vote != candidate)
        sim_broken(world, "VOTE", "%u votes in term %lu for %u and for %u", from, term, *vote,
                   candidate);
    *vote = (uint8_t)candidate;
}

void sim_check_sent(struct sim_world *world, struct sim_server *server,
                    const struct raft_message *message)
{
    struct sim_check *check = world->check;
    const struct sim_disk *disk = &server->disk;
    if (message->type == RAFT_VOTE_REPLY && message->granted) {
        note_vote(world, message->term, server->id, message->to);
        if (!SIM_CONSEQUENCES && (disk->term < message->term ||
                                  (disk->term == message->term && disk->voted_for != message->to)))
            sim_broken(world, "DURABLE",
                       "%u sends its vote for %u in term %lu and has not stored it", server->id,
                       message->to, message->term);
    }
    if (SIM_CONSEQUENCES || message->type != RAFT_APPEND_REPLY || !message->granted ||
        raft_term(server->raft) != message->term)
        return;
    uint64_t chain = 0;
    if (!sim_log_chain(&server->log, message->index, &chain) && message->index <= check->commit)
        chain = check->committed[message->index].chain; /* behind a snapshot not yet stored */
    if (message->index != 0 && !sim_disk_has(disk, message->index, chain))
        sim_broken(world, "DURABLE", "%u acknowledges %lu and has not stored it", server->id,
                   message->index);
}

/* ---- chains: Log Matching */

static void check_one_change(struct sim_world *world, const struct sim_server *server,
                             uint64_t index)
{
    const struct sim_check *check = world->check;
    for (uint64_t i = index - 1; i >= server->log.first && i > check->config_index; i--) {
        const struct sim_entry *entry = sim_log_at(&server->log, i);
        if (entry->kind != RAFT_ENTRY_CONFIG)
            continue;
        if (i > check->commit || check->committed[i].chain != entry->chain)
            sim_broken(world, "CHANGE", "%u has a change at %lu and at %lu, uncommitted",
                       server->id, i, index);
        return;
    }
}

void sim_check_appended(struct sim_world *world, struct sim_server *server, uint64_t index,
                        const struct sim_entry *entry, bool is_own)
{
    struct sim_check *check = world->check;
    struct sim_chain *record = sim_history_chain(check, index, entry->term);
    if (record->index == 0) {
        *record = (struct sim_chain){index, entry->term, entry->chain};
        check->chain_count++;
        if (!is_own)
            sim_broken(world, "MATCHING", "%u gets %lu/%lu that no leader made", server->id, index,
                       entry->term);
    } else if (record->chain != entry->chain)
        sim_broken(world, "MATCHING", "%u has another %lu/%lu than somebody else", server->id,
                   index, entry->term);
    if (is_own &&
        (raft_role(server->raft) != RAFT_LEADER || entry->term != raft_term(server->raft)))
        sim_broken(world, "CONTRACT", "%u makes %lu/%lu and does not lead", server->id, index,
                   entry->term);
    if (entry->kind == RAFT_ENTRY_CONFIG)
        check_one_change(world, server, index);
}

/* ---- commitment */

static bool is_durable_on_quorum(const struct sim_world *world, const struct sim_server *leader,
                                 uint64_t index, uint64_t chain)
{
    const struct raft_membership *membership = raft_membership(leader->raft);
    uint32_t voters = 0, has = 0;
    for (uint32_t i = 0; i < membership->count; i++) {
        if (membership->members[i].kind == RAFT_LEARNER)
            continue;
        voters++;
        if (sim_disk_has(&world->servers[membership->members[i].id].disk, index, chain))
            has++;
    }
    return has > voters / 2;
}

static bool votes(const struct raft_membership *membership, uint32_t id)
{
    enum raft_kind kind;
    return sim_is_member(membership, id, &kind) && kind != RAFT_LEARNER;
}

/* Servers that have a vote in one of them only: with more than one, two majorities need not meet.
 */
static uint32_t votes_changed(const struct raft_membership *a, const struct raft_membership *b)
{
    uint32_t count = 0;
    for (uint32_t id = 1; id <= SIM_SERVERS_MAX; id++)
        count += votes(a, id) != votes(b, id);
    return count;
}

static uint32_t difference(const struct raft_membership *a, const struct raft_membership *b)
{
    uint32_t count = 0;
    enum raft_kind kind;
    for (uint32_t i = 0; i < a->count; i++)
        if (!sim_is_member(b, a->members[i].id, &kind) || kind != a->members[i].kind)
            count++;
    for (uint32_t i = 0; i < b->count; i++)
        if (!sim_is_member(a, b->members[i].id, &kind))
            count++;
    return count;
}

static void note_committed(struct sim_world *world, const struct sim_server *server, uint64_t index)
{
    struct sim_check *check = world->check;
    const struct sim_entry *entry = sim_log_at(&server->log, index);
    if (entry == NULL) {
        sim_broken(world, "COMMIT", "%u commits %lu, which it has not", server->id, index);
        return;
    }
    if (index >= check->commit_capacity) {
        check->commit_capacity = index * 2 + 1024;
        check->committed =
            sim_need(realloc(check->committed, check->commit_capacity * sizeof(*check->committed)));
    }
    check->committed[index] = (struct sim_committed){entry->term, raft_term(server->raft),
                                                     entry->chain, entry->payload, entry->config};
    check->commit = index;
    world->totals->commits++;
    if (entry->kind != RAFT_ENTRY_CONFIG)
        return;
    if (votes_changed(&world->configs[check->config], &world->configs[entry->config]) > 1)
        sim_broken(world, "CHANGE", "the change at %lu is of more than one vote", index);
    check->config = entry->config;
    check->config_index = index;
    world->totals->changes++;
}

/* Does that leader have what was committed in an earlier term? */
static void check_complete(struct sim_world *world, const struct sim_server *leader, uint64_t index)
{
    uint64_t chain = 0;
    if (index <= leader->snapshot.raft.index ||
        world->check->committed[index].committed_in >= raft_term(leader->raft))
        return;
    if (!sim_log_chain(&leader->log, index, &chain) ||
        chain != world->check->committed[index].chain)
        sim_broken(world, "COMPLETE", "%u leads term %lu without the committed %lu/%lu", leader->id,
                   raft_term(leader->raft), index, world->check->committed[index].term);
}

static void check_new_commits(struct sim_world *world, const struct sim_server *server,
                              const struct sim_before *before, uint64_t commit)
{
    struct sim_check *check = world->check;
    while (check->commit < commit && world->violated == NULL)
        note_committed(world, server, check->commit + 1);
    if (world->violated != NULL)
        return;
    /* One that commits its own removal need not lead afterwards. */
    bool leads = raft_role(server->raft) == RAFT_LEADER ||
                 (before->role == RAFT_LEADER && before->term == raft_term(server->raft));
    if (!leads)
        sim_broken(world, "COMMIT", "%u commits %lu first and does not lead", server->id, commit);
    if (!is_durable_on_quorum(world, server, commit, check->committed[commit].chain))
        sim_broken(world, "COMMIT", "%u commits %lu, which no quorum has stored", server->id,
                   commit);
    if (!SIM_CONSEQUENCES && check->committed[commit].term != raft_term(server->raft))
        sim_broken(world, "OWN-TERM", "%u commits %lu of term %lu in term %lu", server->id, commit,
                   check->committed[commit].term, raft_term(server->raft));
    for (uint32_t id = 1; id <= world->servers_count; id++) {
        const struct sim_server *other = &world->servers[id];
        if (sim_server_has_core(other) && raft_role(other->raft) == RAFT_LEADER &&
            raft_term(other->raft) > raft_term(server->raft))
            check_complete(world, other, commit);
    }
}

static void check_commit(struct sim_world *world, const struct sim_server *server,
                         const struct sim_before *before)
{
    struct sim_check *check = world->check;
    uint64_t commit = raft_commit(server->raft), chain = 0;
    if (commit < before->commit)
        sim_broken(world, "COMMIT", "%u: from %lu back to %lu", server->id, before->commit, commit);
    if (commit <= before->commit)
        return;
    if (commit > check->commit)
        check_new_commits(world, server, before, commit);
    else if (sim_log_chain(&server->log, commit, &chain) && chain != check->committed[commit].chain)
        sim_broken(world, "MACHINE", "%u commits another %lu", server->id, commit);
}

/* ---- leaders */

static void check_leader(struct sim_world *world, struct sim_server *server,
                         const struct sim_before *before)
{
    struct sim_check *check = world->check;
    uint64_t term = raft_term(server->raft);
    struct sim_term *record = sim_history_term(check, term);
    if (record->leader == 0) {
        record->leader = server->id;
        record->life = server->life;
    }
    if (record->leader != server->id || record->life != server->life)
        sim_broken(world, "ELECTION", "%u and %u lead term %lu", record->leader, server->id, term);
    if (before->role == RAFT_LEADER && before->term == term) {
        if (world->update.truncate_from != 0 || world->update.has_install ||
            raft_last_index(server->raft) < before->last)
            sim_broken(world, "APPEND-ONLY", "%u, which leads term %lu, takes entries back",
                       server->id, term);
        return;
    }
    world->totals->elections++;
    note_vote(world, term, server->id, server->id);
    const struct sim_disk *disk = &server->disk;
    if (!SIM_CONSEQUENCES && (disk->term != term || disk->voted_for != server->id))
        sim_broken(world, "DURABLE", "%u leads term %lu before its own vote is stored", server->id,
                   term);
    for (uint64_t i = server->snapshot.raft.index + 1; i <= check->commit; i++)
        check_complete(world, server, i);
}

static bool is_fresh(const struct sim_world *world, const struct sim_server *server)
{
    int64_t now = sim_local_ms(world, server), since = raft_fresh_since(server->raft, now);
    if (since == INT64_MIN)
        return false;
    /* 1 ms less: a clock in whole milliseconds may be that late. */
    return now + 1 < since + world->profile.election_ms * 98 / 100;
}

static void check_fresh(struct sim_world *world, const struct sim_server *server)
{
    int64_t now = sim_local_ms(world, server);
    if (raft_role(server->raft) != RAFT_LEADER) {
        if (raft_fresh_since(server->raft, now) != INT64_MIN)
            sim_broken(world, "FRESH", "%u does not lead", server->id);
        return;
    }
    if (raft_fresh_since(server->raft, now) > now)
        sim_broken(world, "FRESH", "%u: in the future", server->id);
    if (!is_fresh(world, server))
        return;
    for (uint32_t id = 1; id <= world->servers_count; id++) {
        const struct sim_server *other = &world->servers[id];
        if (other != server && sim_server_has_core(other) &&
            raft_role(other->raft) == RAFT_LEADER && is_fresh(world, other))
            sim_broken(world, "FRESH", "%u in term %lu and %u in term %lu, both at once",
                       server->id, raft_term(server->raft), id, raft_term(other->raft));
    }
}

static void check_read(struct sim_world *world, struct sim_server *server,
                       const struct sim_before *before)
{
    if (server->read_ms == 0)
        return;
    int64_t now = sim_local_ms(world, server);
    if (raft_role(server->raft) != RAFT_LEADER || raft_term(server->raft) != before->term)
        server->read_ms = 0;
    else if (raft_fresh_since(server->raft, now) > server->read_ms) {
        if (server->read_index < server->read_needs)
            sim_broken(world, "LOST", "%u reads at %lu, %lu was acknowledged before", server->id,
                       server->read_index, server->read_needs);
        server->read_ms = 0;
        world->totals->reads++;
    }
}

/* ---- the core and its driver agree */

static void check_membership(struct sim_world *world, const struct sim_server *server)
{
    uint64_t index = server->snapshot.raft.membership_index;
    const struct raft_membership *expected = &server->snapshot.raft.membership;
    for (uint64_t i = sim_log_last(&server->log); i >= server->log.first && i > index; i--) {
        const struct sim_entry *entry = sim_log_at(&server->log, i);
        if (entry->kind == RAFT_ENTRY_CONFIG) {
            index = i;
            expected = &world->configs[entry->config];
            break;
        }
    }
    if (raft_membership_index(server->raft) != index ||
        difference(raft_membership(server->raft), expected) != 0)
        sim_broken(world, "CONTRACT", "%u takes the membership of %lu, its log has one at %lu",
                   server->id, raft_membership_index(server->raft), index);
}

static void check_agreement(struct sim_world *world, const struct sim_server *server)
{
    uint64_t last = sim_log_last(&server->log);
    if (raft_last_index(server->raft) != last)
        sim_broken(world, "CONTRACT", "%u: the core's log ends at %lu, the driver's at %lu",
                   server->id, raft_last_index(server->raft), last);
    if (server->log.count != 0 && raft_first_index(server->raft) != server->log.first)
        sim_broken(world, "CONTRACT", "%u: the core's log begins at %lu, the driver's at %lu",
                   server->id, raft_first_index(server->raft), server->log.first);
    if (raft_snapshot(server->raft)->index != server->snapshot.raft.index)
        sim_broken(world, "CONTRACT", "%u: the core's snapshot is of %lu, the driver's of %lu",
                   server->id, raft_snapshot(server->raft)->index, server->snapshot.raft.index);
}

void sim_check_before(const struct sim_server *server, struct sim_before *before)
{
    before->role = raft_role(server->raft);
    before->term = raft_term(server->raft);
    before->commit = raft_commit(server->raft);
    before->last = raft_last_index(server->raft);
}

void sim_check_after(struct sim_world *world, struct sim_server *server,
                     const struct sim_before *before)
{
    uint64_t term = raft_term(server->raft);
    if (term < before->term)
        sim_broken(world, "VOTE", "%u: from term %lu back to %lu", server->id, before->term, term);
    if (server->state != SIM_FAILED)
        check_agreement(world, server);
    if (world->update.membership_changed || world->update.has_install)
        check_membership(world, server);
    if (raft_role(server->raft) == RAFT_LEADER)
        check_leader(world, server, before);
    uint32_t leader = raft_leader(server->raft);
    if (leader != 0 && sim_history_term(world->check, term)->leader != leader)
        sim_broken(world, "ELECTION", "%u takes %u for the leader of term %lu, it is %u",
                   server->id, leader, term, sim_history_term(world->check, term)->leader);
    check_commit(world, server, before);
    check_fresh(world, server);
    check_read(world, server, before);
    if (raft_is_working(server->raft)) {
        enum raft_kind kind = RAFT_VOTER;
        sim_is_member(raft_membership(server->raft), server->id, &kind);
        if (kind == RAFT_WITNESS)
            sim_broken(world, "WITNESS", "%u works", server->id);
        if (raft_role(server->raft) != RAFT_LEADER ||
            world->check->committed[raft_commit(server->raft)].term != term)
            sim_broken(world, "CONTRACT", "%u works in term %lu", server->id, term);
    }
}

void sim_check_started(struct sim_world *world, struct sim_server *server)
{
    const struct sim_disk *disk = &server->disk;
    if (raft_term(server->raft) != disk->term || raft_role(server->raft) != RAFT_FOLLOWER ||
        raft_applied(server->raft) != disk->snapshot.raft.index ||
        raft_commit(server->raft) < disk->snapshot.raft.index)
        sim_broken(world, "CONTRACT", "%u does not begin with what is on its disk", server->id);
    check_agreement(world, server);
    check_membership(world, server);
}

/* ---- state machines and clients */

void sim_check_applied(struct sim_world *world, struct sim_server *server, uint64_t index,
                       uint64_t chain)
{
    struct sim_check *check = world->check;
    if (index > check->commit)
        sim_broken(world, "MACHINE", "%u applies %lu, committed is %lu", server->id, index,
                   check->commit);
    else if (check->committed[index].chain != chain)
        sim_broken(world, "MACHINE", "%u applies another %lu than somebody else", server->id,
                   index);
    if (!sim_disk_has(&server->disk, index, chain))
        sim_broken(world, "DURABLE", "%u applies %lu before it has stored it", server->id, index);
}

void sim_check_acknowledged(struct sim_world *world, uint64_t index, uint64_t payload)
{
    struct sim_check *check = world->check;
    if (check->proposals[payload].is_acknowledged)
        return; /* applied once more after a restart */
    check->proposals[payload].is_acknowledged = true;
    world->totals->acknowledged++;
    if (index > check->acknowledged_to)
        check->acknowledged_to = index;
}

void sim_check_end(struct sim_world *world)
{
    const struct sim_check *check = world->check;
    for (uint64_t payload = 1; payload < check->proposal_count; payload++) {
        const struct sim_proposal *proposal = &check->proposals[payload];
        if (proposal->is_acknowledged && (proposal->index > check->commit ||
                                          check->committed[proposal->index].payload != payload))
            sim_broken(world, "LOST", "the acknowledged proposal %lu at %lu", payload,
                       proposal->index);
    }
}
