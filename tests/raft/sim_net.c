/* The network: messages are copies, each takes its own time, and some are lost, come twice, or
 * come when everybody has forgotten them. Links are cut in one direction at a time. */
#include "tests/raft/sim_check.h"
#include "tests/raft/sim_world.h"

#include <stdlib.h>
#include <string.h>

struct sim_message *sim_message_new(uint32_t count)
{
    struct sim_message *message =
        sim_need(malloc(sizeof(*message) + count * sizeof(message->entries[0])));
    message->next = NULL;
    message->count = count;
    return message;
}

static struct sim_message *copy_of(const struct sim_message *message)
{
    struct sim_message *copy = sim_message_new(message->count);
    memcpy(copy, message, sizeof(*copy) + message->count * sizeof(message->entries[0]));
    copy->next = NULL;
    return copy;
}

static void put_on_its_way(struct sim_world *world, struct sim_message *message)
{
    const struct sim_profile *profile = &world->profile;
    int64_t delay = profile->delay_us + sim_between(&world->random, 0, profile->jitter_us);
    /* What is seldom sent is late as often as the rest taken together. */
    bool is_rare = message->raft.type == RAFT_VOTE || message->raft.type == RAFT_TIMEOUT_NOW;
    if (!world->is_calm && sim_chance(&world->random, is_rare ? profile->late * 10 : profile->late))
        delay += sim_between(&world->random, 0, profile->late_us);
    int64_t at_us = world->now_us + delay;
    int64_t *newest_us = &world->newest_us[message->raft.from][message->raft.to];
    if (profile->is_in_order && at_us < *newest_us)
        at_us = *newest_us;
    *newest_us = at_us;
    struct sim_event event = {
        .at_us = at_us, .type = SIM_DELIVER, .server = message->raft.to, .message = message};
    sim_queue_push(&world->queue, event);
    if (world->queue.count > SIM_STORM)
        sim_broken(world, "STORM", "%u events wait, most of them messages", world->queue.count);
}

void sim_net_send(struct sim_world *world, struct sim_message *message)
{
    const struct sim_profile *profile = &world->profile;
    bool is_lost = world->cut[message->raft.from][message->raft.to] ||
                   world->servers[message->raft.to].state == SIM_UNBORN ||
                   (!world->is_calm && sim_chance(&world->random, profile->loss));
    if (is_lost) {
        if (world->has_trace)
            sim_trace_message(world, message, "x");
        free(message);
        return;
    }
    if (!world->is_calm && sim_chance(&world->random, profile->doubles))
        put_on_its_way(world, copy_of(message));
    put_on_its_way(world, message);
}

void sim_net_deliver(struct sim_world *world, struct sim_server *server,
                     struct sim_message *message)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    if (world->has_trace)
        sim_trace_message(world, message, ">");
    sim_step(world, server, &event, message, 0);
}

/* ---- cuts */

static void cut_between(struct sim_world *world, uint32_t side_mask, bool is_one_way)
{
    for (uint32_t a = 1; a <= world->servers_count; a++)
        for (uint32_t b = 1; b <= world->servers_count; b++) {
            bool a_in = (side_mask >> a & 1) != 0, b_in = (side_mask >> b & 1) != 0;
            if (a_in && !b_in)
                world->cut[a][b] = true;
            if (!a_in && b_in && !is_one_way)
                world->cut[a][b] = true;
        }
}

void sim_net_cut(struct sim_world *world)
{
    const struct sim_server *leader = sim_client_leader(world);
    bool is_one_way = sim_percent(&world->random, 30);
    uint32_t side = 0;
    switch (sim_below(&world->random, 4)) {
    case 0: /* the leader, alone */
        side = leader == NULL ? 2u : 1u << leader->id;
        break;
    case 1: /* the leader and one more */
        side = leader == NULL ? 2u : 1u << leader->id;
        side |= 1u << (uint32_t)sim_between(&world->random, 1, world->servers_count);
        break;
    case 2: /* any two sides */
        side = (uint32_t)sim_next(&world->random);
        break;
    default: /* one pair of servers */
        for (uint32_t i = 0; i < 2; i++) {
            uint32_t a = (uint32_t)sim_between(&world->random, 1, world->servers_count);
            uint32_t b = (uint32_t)sim_between(&world->random, 1, world->servers_count);
            world->cut[a][b] = true;
            world->cut[b][a] = world->cut[b][a] || !is_one_way;
        }
    }
    if (side != 0) {
        if (is_one_way && sim_percent(&world->random, 50))
            side = ~side;
        cut_between(world, side, is_one_way);
    }
    sim_trace(world, "cut: side %x%s", side & ((1u << (world->servers_count + 1)) - 2),
              is_one_way ? ", one way" : "");
}

void sim_net_tell_connected(struct sim_world *world, uint32_t server, uint32_t peer)
{
    if (sim_percent(&world->random, 20)) /* a connection that never noticed */
        return;
    struct sim_event event = {.at_us = world->now_us + sim_between(&world->random, 100, 30000),
                              .type = SIM_CONNECTED,
                              .server = server,
                              .life = world->servers[server].life,
                              .number = peer};
    sim_queue_push(&world->queue, event);
}

void sim_net_heal(struct sim_world *world)
{
    for (uint32_t a = 1; a <= world->servers_count; a++)
        for (uint32_t b = 1; b <= world->servers_count; b++) {
            if (!world->cut[a][b])
                continue;
            world->cut[a][b] = false;
            sim_net_tell_connected(world, a, b);
            if (!world->cut[b][a])
                sim_net_tell_connected(world, b, a);
        }
    sim_trace(world, "links heal");
}
