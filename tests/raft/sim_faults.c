/* What a seed is like, and the accidents in it. A seed is good at some things and bad at others:
 * a little of everything in every seed finds less than one thing done thoroughly. */
#include "tests/raft/sim_check.h"
#include "tests/raft/sim_world.h"

static int64_t pick(struct sim_random *random, int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t choices[4] = {a, b, c, d};
    return choices[sim_below(random, 4)];
}

static void draw_core(struct sim_random *random, struct sim_profile *profile)
{
    profile->election_ms = pick(random, 100, 150, 300, 600);
    profile->heartbeat_ms = profile->election_ms / pick(random, 3, 5, 5, 10);
    profile->append_bytes_max = (uint32_t)pick(random, 1, 150, 1000, 65536);
    profile->window_bytes = (uint32_t)pick(random, 200, 1000, 20000, 1000000);
    profile->chunk_bytes = (uint32_t)pick(random, 50, 200, 1000, 100000);
    profile->threshold = (uint32_t)pick(random, 5, 20, 60, 300);
    profile->trailing = (uint32_t)pick(random, 0, 2, 10, 30);
    profile->log_max = (uint32_t)pick(random, 128, 256, 1024, 4096);
    if (profile->threshold == 300)
        profile->log_max = 1024;
}

static void draw_network(struct sim_random *random, struct sim_profile *profile)
{
    int64_t election_us = profile->election_ms * 1000;
    profile->delay_us = pick(random, 50, 300, 2000, election_us / 30);
    profile->jitter_us = pick(random, 50, 1000, 10000, election_us / 5);
    profile->loss = (uint32_t)pick(random, 0, 0, 20000, 150000);
    profile->doubles = (uint32_t)pick(random, 0, 0, 10000, 100000);
    profile->late = (uint32_t)pick(random, 0, 0, 3000, 30000);
    profile->late_us = election_us * pick(random, 1, 3, 10, 30);
    profile->flush_us = pick(random, 50, 500, 3000, 15000);
    profile->slow_flush_us = election_us * pick(random, 1, 1, 3, 6) / 2;
    profile->skew_ppm = (int32_t)pick(random, 0, 100, 9000, 9000);
    profile->has_reboots = sim_percent(random, 50);
    profile->is_in_order = sim_percent(random, 50);
    if (profile->is_in_order)
        profile->late = profile->doubles = 0;
}

/* Leader after leader, each gone before or just after its first entries are out: this is where
 * entries of older terms survive on some servers only (figure 8 of the paper). */
static void draw_churn(struct sim_random *random, struct sim_profile *profile)
{
    int64_t election_us = profile->election_ms * 1000;
    profile->has_churn = true;
    profile->append_bytes_max = profile->window_bytes = 1; /* one entry after the other */
    profile->threshold = 300;
    profile->log_max = 1024;
    profile->delay_us = 300;
    profile->jitter_us = pick(random, 1000, 3000, 10000, election_us / 10);
    profile->loss = (uint32_t)pick(random, 0, 20000, 100000, 300000);
    profile->down_us = election_us * pick(random, 1, 1, 2, 4);
    profile->client_us = election_us / pick(random, 3, 10, 20, 30);
    profile->operator_us = 0;
    profile->has_changes = profile->has_transfers = profile->has_witness = false;
}

void sim_profile_draw(struct sim_world *world)
{
    struct sim_random *random = &world->random;
    struct sim_profile *profile = &world->profile;
    *profile = (struct sim_profile){0};
    draw_core(random, profile);
    draw_network(random, profile);
    int64_t election_us = profile->election_ms * 1000;
    profile->fault_us = sim_percent(random, 8) ? 0 : election_us * pick(random, 1, 3, 6, 15);
    profile->down_us = election_us * pick(random, 1, 3, 6, 20);
    profile->weight_crash = (uint32_t)pick(random, 0, 10, 10, 50);
    profile->weight_stop = (uint32_t)pick(random, 0, 0, 10, 30);
    profile->weight_cut = (uint32_t)pick(random, 0, 10, 20, 50);
    profile->weight_disk = (uint32_t)pick(random, 0, 0, 5, 20);
    profile->weight_lost = sim_percent(random, 30) ? 3 : 0;
    profile->weight_damage = (uint32_t)pick(random, 0, 0, 5, 20);
    profile->client_us = election_us / pick(random, 1, 3, 10, 30);
    /* No more than a small window lets through. */
    int64_t round_us = 2 * (profile->delay_us + profile->flush_us) + profile->jitter_us;
    if (profile->window_bytes < 1000 && profile->client_us < 4 * round_us)
        profile->client_us = 4 * round_us;
    profile->has_changes = sim_percent(random, 50);
    profile->has_transfers = sim_percent(random, 40);
    profile->has_witness = sim_percent(random, 25);
    profile->begins_alone = profile->has_changes && sim_percent(random, 30);
    if (profile->has_changes || profile->has_transfers)
        profile->operator_us = election_us * pick(random, 1, 2, 4, 8);
    if (sim_percent(random, 10))
        draw_churn(random, profile);
}

void sim_fault_next(struct sim_world *world)
{
    if (world->profile.fault_us == 0 || world->is_calm)
        return;
    int64_t most = world->profile.fault_us;
    struct sim_event event = {.at_us =
                                  world->now_us + sim_between(&world->random, most / 10, 2 * most),
                              .type = SIM_FAULT};
    sim_queue_push(&world->queue, event);
}

void sim_fault_depose(struct sim_world *world, const struct sim_server *leader)
{
    const struct sim_profile *profile = &world->profile;
    int64_t most = 3 * (profile->delay_us + profile->jitter_us) + 2 * profile->flush_us;
    struct sim_event event = {.at_us = world->now_us + sim_between(&world->random, 0, most),
                              .type = SIM_DEPOSE,
                              .server = leader->id,
                              .life = leader->life};
    if (!world->is_calm && sim_percent(&world->random, 80))
        sim_queue_push(&world->queue, event);
}

/* The leader is hit more often than chance would have it. */
static struct sim_server *victim(struct sim_world *world)
{
    struct sim_server *leader = sim_client_leader(world);
    if (leader != NULL && sim_percent(&world->random, 50))
        return leader;
    return &world->servers[sim_between(&world->random, 1, world->servers_count)];
}

static bool has_pending_change(const struct sim_world *world, const struct sim_log *log)
{
    uint64_t committed = sim_check_config_index(world->check);
    for (uint64_t i = sim_log_last(log); i >= log->first && i > committed; i--)
        if (sim_log_at(log, i)->kind == RAFT_ENTRY_CONFIG)
            return true;
    return false;
}

/* Entries are lost only while all others are there, with theirs, and nothing is changing: what is
 * left has to be enough to go on. */
static bool can_be_spared(struct sim_world *world, struct sim_server *server)
{
    const struct raft_membership *membership = &world->configs[sim_check_config(world->check)];
    uint32_t voting = 0, leading = 0;
    enum raft_kind kind;
    if (!sim_is_member(membership, server->id, &kind) || kind == RAFT_LEARNER ||
        !sim_server_has_core(server))
        return false;
    for (uint32_t i = 0; i < membership->count; i++) {
        const struct raft_member *member = &membership->members[i];
        if (world->servers[member->id].state == SIM_DEAD)
            return false;
        voting += member->kind != RAFT_LEARNER;
        leading += member->kind == RAFT_VOTER && member->id != server->id;
    }
    for (uint32_t id = 1; id <= world->servers_count; id++)
        if (has_pending_change(world, &world->servers[id].log) ||
            has_pending_change(world, &world->servers[id].disk.log) ||
            world->servers[id].disk.lost_index != 0)
            return false;
    return voting >= 3 && leading > 0;
}

static void lose_disk(struct sim_world *world, struct sim_server *server)
{
    if (world->servers_count >= SIM_SERVERS_MAX || !can_be_spared(world, server))
        return;
    sim_server_crash(world, server, 1);
    server->state = SIM_DEAD;
    sim_trace(world, "%u has lost its disk", server->id);
}

/* What it finds damaged when it starts again, it does without. */
static void damage_disk(struct sim_world *world, struct sim_server *server)
{
    struct sim_snapshot founding = {0};
    struct sim_disk *disk = &server->disk;
    if (!can_be_spared(world, server))
        return;
    if (!world->profile.begins_alone)
        founding.raft.membership = world->configs[1];
    sim_server_crash(world, server, -1);
    uint64_t first = disk->snapshot.raft.index + 1, last = sim_log_last(&disk->log), from = 0;
    if (last >= first && sim_percent(&world->random, 75))
        from = (uint64_t)sim_between(&world->random, (int64_t)first, (int64_t)last);
    sim_disk_damage(disk, from, &founding);
    world->totals->damages++;
    sim_trace(world, "%u: its disk is damaged from %lu on; it had %lu/%lu", server->id, from,
              disk->lost_index, disk->lost_term);
}

static void strike_disk(struct sim_world *world, struct sim_server *server)
{
    if (sim_percent(&world->random, 50))
        server->disk.is_slow = !server->disk.is_slow;
    else
        server->disk.is_failing = true;
    sim_trace(world, "%u: its disk is %s", server->id,
              server->disk.is_failing ? "bad"
              : server->disk.is_slow  ? "slow"
                                      : "well");
}

static void strike_link(struct sim_world *world)
{
    sim_net_cut(world);
    struct sim_event event = {.at_us = world->now_us +
                                       sim_between(&world->random, 1000, world->profile.down_us),
                              .type = SIM_HEAL,
                              .number = ++world->heal};
    sim_queue_push(&world->queue, event);
}

void sim_fault_strike(struct sim_world *world)
{
    const struct sim_profile *profile = &world->profile;
    uint32_t total = profile->weight_crash + profile->weight_stop + profile->weight_cut +
                     profile->weight_disk + profile->weight_lost + profile->weight_damage;
    uint64_t at = sim_below(&world->random, total);
    struct sim_server *server = victim(world);
    sim_fault_next(world);
    if (total == 0)
        return;
    if (at < profile->weight_crash) {
        if (sim_percent(&world->random, 50))
            server->ambush = (enum sim_ambush)sim_between(&world->random, 1, 3);
        else
            sim_server_crash(world, server, -1);
        return;
    }
    at -= profile->weight_crash;
    if (at < profile->weight_stop) {
        sim_server_stop(world, server, sim_between(&world->random, 1000, profile->down_us));
        return;
    }
    at -= profile->weight_stop;
    if (at < profile->weight_cut) {
        strike_link(world);
        return;
    }
    at -= profile->weight_cut;
    if (at < profile->weight_disk)
        strike_disk(world, server);
    else if (at - profile->weight_disk < profile->weight_lost)
        lose_disk(world, server);
    else
        damage_disk(world, server);
}

/* From now on all is well: what is down comes back, and messages take a short time. */
void sim_fault_end_all(struct sim_world *world)
{
    struct sim_profile *profile = &world->profile;
    int64_t election_us = profile->election_ms * 1000;
    world->is_calm = true;
    sim_trace(world, "calm");
    if (profile->delay_us > election_us / 50)
        profile->delay_us = election_us / 50;
    if (profile->jitter_us > election_us / 50)
        profile->jitter_us = election_us / 50;
    if (profile->flush_us > election_us / 20)
        profile->flush_us = election_us / 20;
    sim_net_heal(world);
    for (uint32_t id = 1; id <= world->servers_count; id++) {
        struct sim_server *server = &world->servers[id];
        server->disk.is_failing = server->disk.is_slow = false;
        server->ambush = SIM_NO_AMBUSH;
        if (server->state == SIM_STOPPED)
            sim_server_continue(world, server);
        if (server->state == SIM_CRASHED || server->state == SIM_FAILED)
            sim_server_start(world, server);
    }
}
