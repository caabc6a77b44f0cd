/* The life of a server: founded, started from its disk, stopped, crashed, failed, started anew. */
#include "tests/raft/sim_check.h"
#include "tests/raft/sim_world.h"

#include <stdlib.h>
#include <string.h>

/* ---- birth */

static void draw_clock(struct sim_world *world, struct sim_server *server)
{
    server->offset_ms = sim_between(&world->random, 1, 5000000);
    int64_t skew = world->profile.skew_ppm;
    server->ppm = (int32_t)sim_between(&world->random, -skew, skew);
    if (sim_percent(&world->random, 40)) /* the extremes are where it hurts */
        server->ppm = (int32_t)(sim_percent(&world->random, 50) ? skew : -skew);
}

void sim_server_found(struct sim_world *world, uint32_t id, bool is_witness)
{
    struct sim_server *server = &world->servers[id];
    const struct sim_profile *profile = &world->profile;
    server->id = id;
    server->is_witness = is_witness;
    draw_clock(world, server);
    server->params = (struct raft_params){.id = id,
                                          .election_ms = profile->election_ms,
                                          .heartbeat_ms = profile->heartbeat_ms,
                                          .append_bytes_max = profile->append_bytes_max,
                                          .window_bytes = profile->window_bytes,
                                          .chunk_bytes = profile->chunk_bytes,
                                          .trailing = profile->trailing,
                                          .log_max = profile->log_max};
    /* Who joins knows of nobody, not even of itself, until the log tells. */
    enum raft_kind kind;
    if (sim_is_member(&world->configs[1], id, &kind))
        server->disk.snapshot.raft.membership = world->configs[1];
    if (world->servers_count < id)
        world->servers_count = id;
    sim_server_start(world, server);
}

static void load(struct sim_world *world, struct sim_server *server)
{
    const struct sim_disk *disk = &server->disk;
    uint64_t random = sim_next(&world->random);
    server->params.seed = random;
    free(server->block); /* every life in a new block: what a start forgets to set shows */
    size_t size = raft_size_bytes(server->params.log_max);
    server->block = sim_need(malloc(size));
    memset(server->block, 0xa5, size);
    server->raft = raft_init(server->block, &server->params, disk->term, disk->voted_for,
                             &disk->snapshot.raft);
    for (uint32_t i = 0; i < disk->log.count; i++) {
        sim_step_lend(world, &disk->log.entries[i], 1);
        raft_load(server->raft, disk->log.first + i, &world->scratch[0]);
        memset(&world->scratch[0], 0xa5, sizeof(world->scratch[0]));
        memset(&world->scratch_memberships[0], 0xa5, sizeof(world->scratch_memberships[0]));
    }
    if (disk->lost_index != 0)
        raft_lost(server->raft, disk->lost_index, disk->lost_term);
    raft_start(server->raft, sim_local_ms(world, server));
}

void sim_server_start(struct sim_world *world, struct sim_server *server)
{
    const struct sim_disk *disk = &server->disk;
    server->life++;
    server->state = SIM_RUNNING;
    server->outbox_last = &server->outbox;
    sim_log_copy(&server->log, &disk->log);
    server->snapshot = disk->snapshot;
    server->older_count = 0;
    server->applied = disk->snapshot.raft.index;
    server->applied_chain = disk->snapshot.chain;
    server->applied_membership = disk->snapshot.raft.membership;
    server->applied_membership_index = disk->snapshot.raft.membership_index;
    server->write = 0; /* the numbers begin anew with the core */
    server->disk.durable = 0;
    server->received = 0;
    memset(&server->receiving, 0, sizeof(server->receiving));
    server->read_ms = 0;
    load(world, server);
    /* It may leave out what is kept behind the snapshot; the disk forgets it later. */
    uint64_t first = raft_first_index(server->raft);
    if (first > server->log.first && first <= disk->snapshot.raft.index + 1)
        sim_log_compact(&server->log, first - 1);
    sim_trace(world, "%u starts: term %lu vote %u, log %lu..%lu, snapshot %lu", server->id,
              disk->term, disk->voted_for, disk->log.first, sim_log_last(&disk->log),
              disk->snapshot.raft.index);
    sim_check_started(world, server);
    if (world->above != NULL)
        world->above->on_start(world->above_data, server);
    sim_server_wake(world, server);
    for (uint32_t peer = 1; peer <= world->servers_count; peer++)
        if (peer != server->id && world->servers[peer].state == SIM_RUNNING) {
            sim_net_tell_connected(world, peer, server->id);
            sim_net_tell_connected(world, server->id, peer);
        }
}

bool sim_server_has_core(const struct sim_server *server)
{
    return server->state == SIM_RUNNING || server->state == SIM_STOPPED ||
           server->state == SIM_FAILED;
}

/* ---- death */

static void drop_what_waits(struct sim_server *server)
{
    while (server->outbox != NULL) {
        struct sim_message *message = server->outbox;
        server->outbox = message->next;
        free(message);
    }
    server->outbox_last = &server->outbox;
    for (uint32_t i = 0; i < server->backlog_count; i++)
        sim_event_drop(&server->backlog[i]);
    server->backlog_count = 0;
}

static void end_life(struct sim_world *world, struct sim_server *server)
{
    drop_what_waits(server);
    sim_disk_crash(world, server);
    server->life++;
    server->is_snapshotting = false;
    server->ambush = SIM_NO_AMBUSH;
    server->read_ms = 0;
}

static void restart_in(struct sim_world *world, struct sim_server *server, int64_t delay_us)
{
    struct sim_event event = {.at_us = world->now_us + delay_us,
                              .type = SIM_RESTART,
                              .server = server->id,
                              .life = server->life};
    sim_queue_push(&world->queue, event);
}

void sim_server_crash(struct sim_world *world, struct sim_server *server, int64_t down_us)
{
    if (!sim_server_has_core(server))
        return;
    sim_trace(world, "%u crashes%s", server->id,
              server->ambush == SIM_BEFORE_DURABLE ? " before its write is durable"
              : server->ambush == SIM_BEFORE_SEND  ? " before it can send what is due"
              : server->ambush == SIM_AFTER_STEP   ? " after a step"
                                                   : "");
    end_life(world, server);
    server->state = SIM_CRASHED;
    if (world->above != NULL)
        world->above->on_end(world->above_data, server);
    server->tick_us = INT64_MAX;
    world->totals->crashes++;
    if (down_us < 0)
        down_us = sim_between(&world->random, 1000, world->profile.down_us);
    if (world->profile.has_reboots)
        draw_clock(world, server);
    restart_in(world, server, down_us);
}

void sim_server_fail(struct sim_world *world, struct sim_server *server)
{
    struct raft_event event = {.type = RAFT_STORAGE_FAILED};
    sim_trace(world, "%u: its disk fails", server->id);
    end_life(world, server);
    server->state = SIM_FAILED;
    world->totals->storage_failures++;
    if (world->above != NULL)
        world->above->on_end(world->above_data, server);
    sim_step(world, server, &event, NULL, 0);
    restart_in(world, server, sim_between(&world->random, 10000, world->profile.down_us));
}

void sim_server_stop(struct sim_world *world, struct sim_server *server, int64_t for_us)
{
    if (server->state != SIM_RUNNING)
        return;
    sim_trace(world, "%u is stopped", server->id);
    server->state = SIM_STOPPED;
    world->totals->stops++;
    if (world->above != NULL)
        world->above->on_stop(world->above_data, server);
    struct sim_event event = {.at_us = world->now_us + for_us,
                              .type = SIM_CONTINUE,
                              .server = server->id,
                              .life = server->life};
    sim_queue_push(&world->queue, event);
}

/* ---- events */

void sim_server_wake(struct sim_world *world, struct sim_server *server)
{
    struct raft_event event = {.type = RAFT_TICK};
    sim_step(world, server, &event, NULL, 0);
}

static void on_persisted(struct sim_world *world, struct sim_server *server,
                         const struct sim_event *event)
{
    struct raft_event step = {.type = RAFT_PERSISTED};
    step.persisted.write = event->persisted.write;
    step.persisted.last_index = event->persisted.index;
    step.persisted.last_term = event->persisted.term;
    sim_trace(world, "%u has stored up to write %lu, last entry %lu/%lu", server->id,
              step.persisted.write, step.persisted.last_index, step.persisted.last_term);
    sim_step_send_due(world, server);
    sim_step(world, server, &step, NULL, 0);
    if (server->state == SIM_RUNNING && server->life == event->life)
        sim_disk_start_flush(world, server);
}

static void on_snapshot(struct sim_world *world, struct sim_server *server,
                        const struct sim_snapshot *taken)
{
    server->is_snapshotting = false;
    if (taken->raft.index > server->disk.snapshot.raft.index)
        server->disk.snapshot = *taken;
    if (taken->raft.index > server->snapshot.raft.index)
        sim_step_hold_snapshot(server, taken);
    world->totals->snapshots_taken++;
    sim_trace(world, "%u has a snapshot at %lu", server->id, taken->raft.index);
    struct raft_event step = {.type = RAFT_SNAPSHOT_TAKEN};
    step.taken.index = taken->raft.index;
    step.taken.size = taken->raft.size;
    step.taken.membership = &taken->raft.membership;
    step.taken.membership_index = taken->raft.membership_index;
    sim_step(world, server, &step, NULL, 0);
}

static void on_restart(struct sim_world *world, struct sim_server *server)
{
    server->disk.is_failing =
        server->disk.is_failing && !world->is_calm && sim_percent(&world->random, 30);
    sim_server_start(world, server);
}

/* What the process itself does with an event; it is running. */
static void handle(struct sim_world *world, struct sim_server *server, struct sim_event *event)
{
    if (event->type == SIM_DELIVER)
        sim_net_deliver(world, server, event->message);
    else if (event->type == SIM_PERSISTED)
        on_persisted(world, server, event);
    else if (event->type == SIM_SNAPSHOT)
        on_snapshot(world, server, event->snapshot);
    else if (event->type == SIM_CONNECTED) {
        struct raft_event step = {.type = RAFT_CONNECTED, .peer = (uint32_t)event->number};
        sim_step(world, server, &step, NULL, 0);
        if (world->above != NULL)
            world->above->on_connected(world->above_data, server, step.peer);
    }
}

static void keep_for_later(struct sim_server *server, const struct sim_event *event)
{
    if (server->backlog == NULL)
        server->backlog = sim_need(malloc(SIM_BACKLOG_MAX * sizeof(*event)));
    if (server->backlog_count == SIM_BACKLOG_MAX && event->type == SIM_DELIVER) {
        struct sim_event lost = *event;
        sim_event_drop(&lost);
        return;
    }
    if (server->backlog_count == SIM_BACKLOG_MAX) /* the kernel loses no completion: make room */
        for (uint32_t i = 0; i < server->backlog_count; i++)
            if (server->backlog[i].type == SIM_DELIVER) {
                sim_event_drop(&server->backlog[i]);
                memmove(&server->backlog[i], &server->backlog[i + 1],
                        (server->backlog_count - i - 1) * sizeof(*event));
                server->backlog_count--;
                break;
            }
    server->backlog[server->backlog_count++] = *event;
}

void sim_server_continue(struct sim_world *world, struct sim_server *server)
{
    if (server->state != SIM_STOPPED)
        return;
    sim_trace(world, "%u continues, %u events wait", server->id, server->backlog_count);
    server->state = SIM_RUNNING;
    if (world->above != NULL)
        world->above->on_continue(world->above_data, server);
    uint32_t life = server->life, count = server->backlog_count;
    struct sim_event *backlog = server->backlog;
    server->backlog = NULL;
    server->backlog_count = 0;
    if (sim_percent(&world->random, 50)) /* timers first, as some loops do */
        sim_server_wake(world, server);
    for (uint32_t i = 0; i < count; i++) {
        bool is_void = server->life != life || server->state != SIM_RUNNING;
        if (!is_void)
            handle(world, server, &backlog[i]);
        sim_event_drop(&backlog[i]);
    }
    free(backlog);
    if (server->state == SIM_RUNNING && server->life == life) {
        sim_server_wake(world, server);
        if (server->state == SIM_RUNNING)
            sim_disk_start_flush(world, server);
    }
}

void sim_server_on_event(struct sim_world *world, struct sim_event *event)
{
    struct sim_server *server = &world->servers[event->server];
    bool is_void = event->type != SIM_DELIVER && event->life != server->life;
    if (!is_void && event->type == SIM_FLUSH)
        sim_disk_on_flush(world, server);
    else if (!is_void && event->type == SIM_RESTART &&
             (server->state == SIM_CRASHED || server->state == SIM_FAILED))
        on_restart(world, server);
    else if (!is_void && event->type == SIM_CONTINUE)
        sim_server_continue(world, server);
    else if (!is_void && event->type == SIM_DEPOSE && !world->is_calm)
        sim_server_crash(world, server, -1);
    else if (!is_void && server->state == SIM_STOPPED) {
        keep_for_later(server, event);
        return;
    } else if (!is_void && server->state == SIM_RUNNING)
        handle(world, server, event);
    sim_event_drop(event);
}

/* ---- orders from outside */

enum raft_result sim_server_propose(struct sim_world *world, struct sim_server *server,
                                    uint32_t count)
{
    uint32_t sizes[8];
    for (uint32_t i = 0; i < count; i++)
        sizes[i] = (uint32_t)sim_between(&world->random, 1, 200);
    struct raft_event event = {.type = RAFT_PROPOSE};
    event.propose.sizes = sizes;
    event.propose.count = count;
    uint64_t first = world->payloads + 1;
    world->payloads += count;
    return sim_step(world, server, &event, NULL, first);
}

enum raft_result sim_server_order(struct sim_world *world, struct sim_server *server,
                                  struct raft_event *event)
{
    return sim_step(world, server, event, NULL, 0);
}
