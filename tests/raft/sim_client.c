/* Those who want something of the cluster: clients that propose and read, and an operator who
 * changes the membership and moves leadership about, at times unwisely. */
#include "tests/raft/sim_check.h"
#include "tests/raft/sim_world.h"

enum { VOTING_MAX = 7, NO_ONE = 0 };

struct sim_server *sim_client_leader(struct sim_world *world)
{
    struct sim_server *leader = NULL;
    for (uint32_t id = 1; id <= world->servers_count; id++) {
        struct sim_server *server = &world->servers[id];
        if (server->state == SIM_RUNNING && raft_role(server->raft) == RAFT_LEADER &&
            (leader == NULL || raft_term(server->raft) > raft_term(leader->raft)))
            leader = server;
    }
    return leader;
}

/* Mostly the leader, now and then one that was, or never was. */
static struct sim_server *whom_to_ask(struct sim_world *world)
{
    struct sim_server *server = sim_client_leader(world);
    if (sim_percent(&world->random, 20))
        server = &world->servers[sim_between(&world->random, 1, world->servers_count)];
    return server != NULL && server->state == SIM_RUNNING ? server : NULL;
}

static void again(struct sim_world *world, enum sim_event_type type, int64_t mean_us)
{
    struct sim_event event = {.at_us = world->now_us +
                                       sim_between(&world->random, mean_us / 4, mean_us * 2),
                              .type = type};
    if (!world->is_calm)
        sim_queue_push(&world->queue, event);
}

static void read_from(struct sim_world *world, struct sim_server *server)
{
    if (!raft_is_working(server->raft) || server->read_ms != 0)
        return;
    server->read_ms = sim_local_ms(world, server);
    server->read_index = raft_commit(server->raft);
    server->read_needs = sim_check_acknowledged_to(world->check);
    struct raft_event event = {.type = RAFT_READ};
    sim_server_order(world, server, &event);
}

void sim_client_act(struct sim_world *world)
{
    again(world, SIM_CLIENT, world->profile.client_us);
    struct sim_server *server = whom_to_ask(world);
    if (server == NULL)
        return;
    if (sim_percent(&world->random, 10)) {
        read_from(world, server);
        return;
    }
    uint32_t count = (uint32_t)sim_between(&world->random, 1, 3);
    bool leads = raft_role(server->raft) == RAFT_LEADER;
    enum raft_result result = sim_server_propose(world, server, count);
    if (result == RAFT_FULL)
        world->totals->full++;
    if (result == RAFT_OK && !leads)
        sim_broken(world, "CONTRACT", "%u takes a proposal and does not lead", server->id);
}

/* ---- the operator */

static void remove_member(struct raft_membership *membership, uint32_t id)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < membership->count; i++)
        if (membership->members[i].id != id)
            membership->members[count++] = membership->members[i];
    membership->count = count;
}

static bool add_learner(struct sim_world *world, struct raft_membership *membership)
{
    if (world->servers_count >= SIM_SERVERS_MAX || membership->count >= RAFT_MEMBERS_MAX - 1)
        return false;
    uint32_t id = world->servers_count + 1;
    sim_server_found(world, id, world->profile.has_witness && sim_percent(&world->random, 30));
    membership->members[membership->count++] = (struct raft_member){id, RAFT_LEARNER};
    return true;
}

static uint32_t count_of(const struct raft_membership *membership, enum raft_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < membership->count; i++)
        count += membership->members[i].kind == kind;
    return count;
}

static struct raft_member *member_where(struct sim_world *world, struct raft_membership *membership,
                                        bool is_dead, enum raft_kind kind)
{
    for (uint32_t i = 0; i < membership->count; i++) {
        struct raft_member *member = &membership->members[i];
        if (is_dead && world->servers[member->id].state == SIM_DEAD)
            return member;
        if (!is_dead && member->kind == kind)
            return member;
    }
    return NULL;
}

/* What the operator would like next; false: nothing. While a disk is lost, nobody else goes. */
static bool plan_change(struct sim_world *world, struct raft_membership *membership)
{
    struct sim_random *random = &world->random;
    struct raft_member *dead = member_where(world, membership, true, RAFT_VOTER);
    struct raft_member *learner = member_where(world, membership, false, RAFT_LEARNER);
    uint32_t voting = count_of(membership, RAFT_VOTER) + count_of(membership, RAFT_WITNESS);
    if (dead != NULL && sim_percent(random, 70)) {
        remove_member(membership, dead->id);
        return true;
    }
    if (learner != NULL && voting < VOTING_MAX && sim_percent(random, 70)) {
        learner->kind = world->servers[learner->id].is_witness ? RAFT_WITNESS : RAFT_VOTER;
        return true;
    }
    if (dead == NULL && voting > 2 && sim_percent(random, 50)) {
        struct raft_member *member = &membership->members[sim_below(random, membership->count)];
        if (member->kind == RAFT_VOTER && count_of(membership, RAFT_VOTER) < 2)
            return false;
        if (member->kind == RAFT_VOTER && sim_percent(random, 30))
            member->kind = RAFT_LEARNER;
        else
            remove_member(membership, member->id);
        return true;
    }
    return membership->count < VOTING_MAX && add_learner(world, membership);
}

/* Two voters at once: must be refused whatever else is the case. */
static void ask_too_much(struct sim_world *world, struct sim_server *leader,
                         struct raft_membership *membership)
{
    if (count_of(membership, RAFT_VOTER) < 3)
        return;
    for (uint32_t i = 0; i < 2; i++)
        remove_member(membership, member_where(world, membership, false, RAFT_VOTER)->id);
    struct raft_event event = {.type = RAFT_CHANGE};
    event.change.membership = membership;
    event.change.size = 50;
    uint32_t before = raft_membership(leader->raft)->count;
    enum raft_result result = sim_server_order(world, leader, &event);
    sim_trace_membership(world, leader->id, membership, result);
    if (result == RAFT_OK)
        sim_broken(world, "CHANGE", "%u lets two servers go at once: %u of %u are left", leader->id,
                   membership->count, before);
}

/* Nobody takes away the vote of the only one that still has what another lost. */
static bool has_lost(const struct sim_world *world)
{
    for (uint32_t id = 1; id <= world->servers_count; id++)
        if (world->servers[id].disk.lost_index != 0)
            return true;
    return false;
}

static void change(struct sim_world *world, struct sim_server *leader)
{
    struct raft_membership membership = *raft_membership(leader->raft);
    if (sim_percent(&world->random, 5)) {
        ask_too_much(world, leader, &membership);
        return;
    }
    if (has_lost(world) || !plan_change(world, &membership))
        return;
    struct raft_event event = {.type = RAFT_CHANGE};
    event.change.membership = &membership;
    event.change.size = 50;
    enum raft_result result = sim_server_order(world, leader, &event);
    sim_trace_membership(world, leader->id, &membership, result);
}

static void transfer(struct sim_world *world, struct sim_server *leader)
{
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer_to = NO_ONE};
    if (sim_percent(&world->random, 70))
        event.transfer_to = (uint32_t)sim_between(&world->random, 1, world->servers_count);
    enum raft_result result = sim_server_order(world, leader, &event);
    world->totals->transfers += result == RAFT_OK;
    sim_trace(world, "%u is asked to hand over to %u: %s", leader->id, event.transfer_to,
              raft_result_text(result));
}

void sim_operator_act(struct sim_world *world)
{
    const struct sim_profile *profile = &world->profile;
    again(world, SIM_OPERATOR, profile->operator_us);
    struct sim_server *leader = whom_to_ask(world);
    if (leader == NULL)
        return;
    if (profile->has_transfers && (!profile->has_changes || sim_percent(&world->random, 30)))
        transfer(world, leader);
    else if (raft_role(leader->raft) == RAFT_LEADER)
        change(world, leader);
}
