/* The history of a seed: accidents for a while, then calm, in which the cluster has to recover. */
#include "tests/raft/sim_world.h"
#include "tests/raft/sim_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECOVERS_IN = 150, STAYS_FOR = 10, ASKS_EVERY = 10 }; /* election timeouts */

void *sim_need(void *memory)
{
    if (memory == NULL) {
        fputs("sim: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

void sim_broken(struct sim_world *world, const char *what, const char *format, ...)
{
    if (world->violated != NULL)
        return;
    world->violated = what;
    va_list args;
    va_start(args, format);
    vsnprintf(world->detail, sizeof(world->detail), format, args);
    va_end(args);
    sim_trace(world, "%s: %s", what, world->detail);
}

int64_t sim_local_ms(const struct sim_world *world, const struct sim_server *server)
{
    return server->offset_ms + world->now_us * (1000000 + server->ppm) / 1000000000;
}

bool sim_is_member(const struct raft_membership *membership, uint32_t id, enum raft_kind *kind)
{
    for (uint32_t i = 0; i < membership->count; i++)
        if (membership->members[i].id == id) {
            *kind = membership->members[i].kind;
            return true;
        }
    return false;
}

uint16_t sim_config_number(struct sim_world *world, const struct raft_membership *membership)
{
    for (uint32_t n = world->config_count; n >= 1; n--) {
        const struct raft_membership *known = &world->configs[n];
        if (known->count == membership->count &&
            memcmp(known->members, membership->members,
                   membership->count * sizeof(membership->members[0])) == 0)
            return (uint16_t)n;
    }
    if (world->config_count + 1 >= SIM_CONFIGS_MAX) {
        sim_broken(world, "CONTRACT", "too many memberships");
        return 1;
    }
    world->configs[++world->config_count] = *membership;
    return (uint16_t)world->config_count;
}

/* ---- a world */

struct sim_world *sim_world_new(struct sim_totals *totals)
{
    struct sim_world *world = sim_need(calloc(1, sizeof(*world)));
    world->check = sim_check_new();
    world->totals = totals;
    for (uint32_t id = 1; id <= SIM_SERVERS_MAX; id++)
        sim_disk_reset(&world->servers[id].disk);
    return world;
}

static void clear_server(struct sim_server *server)
{
    while (server->outbox != NULL) {
        struct sim_message *message = server->outbox;
        server->outbox = message->next;
        free(message);
    }
    for (uint32_t i = 0; i < server->backlog_count; i++)
        sim_event_drop(&server->backlog[i]);
    sim_disk_reset(&server->disk);
    struct sim_server clean = {.log.entries = server->log.entries,
                               .log.capacity = server->log.capacity,
                               .disk = server->disk,
                               .block = server->block,
                               .backlog = server->backlog,
                               .tick_us = INT64_MAX};
    *server = clean;
    server->disk.last = &server->disk.first;
    sim_log_clear(&server->log, 1, 0);
}

static void clear(struct sim_world *world)
{
    for (uint32_t id = 1; id <= SIM_SERVERS_MAX; id++)
        clear_server(&world->servers[id]);
    for (uint32_t i = 0; i < world->queue.count; i++)
        sim_event_drop(&world->queue.events[i]);
    world->queue.count = 0;
    world->queue.order = 0;
    sim_check_reset(world->check);
    memset(world->cut, 0, sizeof(world->cut));
    memset(world->newest_us, 0, sizeof(world->newest_us));
    world->servers_count = world->config_count = 0;
    world->now_us = 0;
    world->payloads = world->heal = world->calm_payload = world->calm_index = 0;
    world->is_calm = false;
    world->violated = NULL;
}

void sim_world_free(struct sim_world *world)
{
    clear(world);
    for (uint32_t id = 1; id <= SIM_SERVERS_MAX; id++) {
        struct sim_server *server = &world->servers[id];
        free(server->block);
        free(server->backlog);
        free(server->log.entries);
        free(server->disk.log.entries);
        free(server->disk.lost.entries);
    }
    free(world->queue.events);
    free(world->scratch);
    sim_check_free(world->check);
    free(world);
}

/* ---- time */

static void handle(struct sim_world *world, struct sim_event *event)
{
    switch (event->type) {
    case SIM_DELIVER:
    case SIM_FLUSH:
    case SIM_PERSISTED:
    case SIM_SNAPSHOT:
    case SIM_CONNECTED:
    case SIM_RESTART:
    case SIM_CONTINUE:
    case SIM_DEPOSE:
        sim_server_on_event(world, event);
        break;
    case SIM_HEAL:
        if (event->number == world->heal)
            sim_net_heal(world);
        break;
    case SIM_FAULT:
        if (!world->is_calm)
            sim_fault_strike(world);
        break;
    case SIM_CLIENT:
        if (!world->is_calm)
            sim_client_act(world);
        break;
    case SIM_OPERATOR:
        if (!world->is_calm)
            sim_operator_act(world);
        break;
    case SIM_ABOVE:
        world->above->on_event(world->above_data, event->above);
        break;
    }
}

/* The next thing that happens, if it happens before `until_us`. */
static bool advance(struct sim_world *world, int64_t until_us)
{
    struct sim_server *waker = NULL;
    int64_t at_us = world->queue.count == 0 ? INT64_MAX : world->queue.events[0].at_us;
    for (uint32_t id = 1; id <= world->servers_count; id++) {
        struct sim_server *server = &world->servers[id];
        bool is_awake = server->state == SIM_RUNNING || server->state == SIM_FAILED;
        if (is_awake && server->tick_us < at_us) {
            waker = server;
            at_us = server->tick_us;
        }
    }
    if (at_us >= until_us) {
        world->now_us = until_us;
        return false;
    }
    if (at_us > world->now_us) /* a stopped server's deadline may have passed */
        world->now_us = at_us;
    if (waker != NULL) {
        sim_server_wake(world, waker);
        return true;
    }
    struct sim_event event = sim_queue_pop(&world->queue);
    handle(world, &event);
    return true;
}

void sim_world_run_until(struct sim_world *world, int64_t until_us)
{
    while (world->violated == NULL && advance(world, until_us))
        ;
}

/* ---- calm */

/* A membership with too many lost disks in it cannot recover; the operator was too bold. */
static bool may_recover(const struct sim_world *world, const struct raft_membership *membership)
{
    uint32_t voting = 0, alive = 0, leading = 0;
    for (uint32_t i = 0; i < membership->count; i++) {
        const struct raft_member *member = &membership->members[i];
        bool is_dead = world->servers[member->id].state == SIM_DEAD;
        voting += member->kind != RAFT_LEARNER;
        alive += member->kind != RAFT_LEARNER && !is_dead;
        leading += member->kind == RAFT_VOTER && !is_dead;
    }
    return leading > 0 && alive > voting / 2;
}

static bool all_may_recover(const struct sim_world *world)
{
    if (!may_recover(world, &world->configs[sim_check_config(world->check)]))
        return false;
    for (uint32_t id = 1; id <= world->servers_count; id++)
        if (sim_server_has_core(&world->servers[id]) &&
            raft_membership_index(world->servers[id].raft) >=
                sim_check_config_index(world->check) &&
            !may_recover(world, raft_membership(world->servers[id].raft)))
            return false;
    return true;
}

struct sim_server *sim_world_leader(struct sim_world *world)
{
    struct sim_server *leader = NULL;
    for (uint32_t id = 1; id <= world->servers_count; id++) {
        struct sim_server *server = &world->servers[id];
        if (!sim_server_has_core(server) || !raft_is_working(server->raft))
            continue;
        if (leader != NULL)
            return NULL;
        leader = server;
    }
    return leader;
}

/* Has everybody who should the entry that was proposed after all was well? */
static bool has_recovered(struct sim_world *world)
{
    const struct sim_server *leader = sim_world_leader(world);
    if (leader == NULL || world->calm_index == 0 ||
        sim_check_acknowledged_to(world->check) < world->calm_index)
        return false;
    const struct raft_membership *membership = raft_membership(leader->raft);
    for (uint32_t i = 0; i < membership->count; i++) {
        const struct raft_member *member = &membership->members[i];
        const struct sim_server *server = &world->servers[member->id];
        if (member->kind != RAFT_WITNESS && server->state != SIM_DEAD &&
            server->applied < world->calm_index)
            return false;
    }
    return true;
}

static void ask(struct sim_world *world)
{
    struct sim_server *leader = sim_world_leader(world);
    if (leader == NULL)
        return;
    uint64_t index = raft_last_index(leader->raft) + 1;
    enum raft_result result = sim_server_propose(world, leader, 1);
    if (result == RAFT_OK)
        world->calm_index = index;
    sim_trace(world, "%u is asked to take a proposal: %s", leader->id, raft_result_text(result));
}

static void recover(struct sim_world *world)
{
    int64_t election_us = world->profile.election_ms * 1000;
    int64_t until_us = world->now_us + RECOVERS_IN * election_us, asked_us = 0;
    while (world->violated == NULL && !has_recovered(world)) {
        if (world->now_us >= until_us) {
            sim_broken(world, "LIVE", "all is well for %d election timeouts, and %s", RECOVERS_IN,
                       sim_world_leader(world) == NULL ? "nobody works"
                       : world->calm_index == 0        ? "nothing can be proposed"
                                                       : "a proposal is not everywhere");
            return;
        }
        if (world->calm_index == 0 || world->now_us - asked_us >= ASKS_EVERY * election_us) {
            asked_us = world->now_us;
            ask(world);
        }
        sim_world_run_until(world, world->now_us + election_us / 5);
    }
}

/* What was sent long ago may still arrive and move leadership, rightly; then nothing may. */
static void stay(struct sim_world *world)
{
    int64_t election_us = world->profile.election_ms * 1000;
    const struct sim_server *leader = sim_world_leader(world);
    if (world->violated != NULL || leader == NULL)
        return;
    uint32_t id = leader->id;
    uint64_t term = raft_term(leader->raft);
    sim_world_run_until(world, world->now_us + STAYS_FOR * election_us);
    leader = sim_world_leader(world);
    if (leader == NULL || leader->id != id || raft_term(leader->raft) != term)
        sim_broken(world, "STABLE", "%u led term %lu, now it is %u in term %lu", id, term,
                   leader == NULL ? 0 : leader->id, leader == NULL ? 0 : raft_term(leader->raft));
}

/* Nothing that is on its way arrives much later than the rest. */
static void drop_late_messages(struct sim_world *world)
{
    struct sim_queue kept = {0};
    int64_t until_us = world->now_us + world->profile.election_ms * 1000;
    while (world->queue.count != 0) {
        struct sim_event event = sim_queue_pop(&world->queue);
        if (event.type == SIM_DELIVER && event.at_us > until_us)
            sim_event_drop(&event);
        else
            sim_queue_push(&kept, event);
    }
    struct sim_event *empty = world->queue.events;
    world->queue = kept;
    free(empty);
}

/* ---- a seed */

void sim_world_found(struct sim_world *world, uint32_t servers)
{
    if (world->profile.begins_alone)
        servers = 1;
    struct raft_membership founding = {.count = servers};
    for (uint32_t i = 0; i < servers; i++)
        founding.members[i] = (struct raft_member){i + 1, RAFT_VOTER};
    if (world->profile.has_witness && servers > 1)
        founding.members[servers - 1].kind = RAFT_WITNESS;
    world->configs[1] = founding;
    world->config_count = 1;
    for (uint32_t id = 1; id <= servers; id++)
        sim_server_found(world, id, founding.members[id - 1].kind == RAFT_WITNESS);
}

void sim_world_begin(struct sim_world *world, uint64_t seed, uint32_t servers)
{
    clear(world);
    world->seed = seed;
    world->random.state = sim_mix(seed * 2 + servers);
}

void sim_world_calm(struct sim_world *world)
{
    sim_fault_end_all(world);
    drop_late_messages(world);
}

bool sim_world_run(struct sim_world *world, uint64_t seed, uint32_t servers, int64_t seconds)
{
    sim_world_begin(world, seed, servers);
    sim_profile_draw(world);
    sim_trace_profile(world);
    sim_world_found(world, servers);
    sim_fault_next(world);
    sim_queue_push(&world->queue, (struct sim_event){.at_us = 1, .type = SIM_CLIENT});
    if (world->profile.operator_us != 0)
        sim_queue_push(&world->queue, (struct sim_event){.at_us = 1, .type = SIM_OPERATOR});
    sim_world_run_until(world, seconds * 1000000);
    if (world->violated == NULL) {
        sim_world_calm(world);
        if (all_may_recover(world)) {
            recover(world);
            stay(world);
        } else
            world->totals->unlive++;
    }
    if (world->violated == NULL)
        sim_check_end(world);
    world->totals->seeds++;
    return world->violated == NULL;
}
