/* The history of a seed: accidents for a while, then calm, in which every address has to come to
 * a node. */
#include "tests/raft/sim_suite.h"
#include "tests/sim/whole.h"
#include "tests/sim/whole_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WELL_WITHIN_S = 240, SLICE_US = 250000, STAYS_US = 3000000 };

struct whole_node *whole_node_of(struct whole *whole, const char *name)
{
    return &whole->nodes[name[1] - '1'];
}

int32_t whole_vip_of(const struct whole *whole, const char *word)
{
    (void)whole;
    return strncmp(word, "10.0.0.", 7) == 0 ? word[7] - '1' : -1;
}

static struct whole *whole_in(struct sim_world *world, void *totals)
{
    if (world->above_data != NULL)
        return world->above_data;
    struct whole *whole = sim_need(calloc(1, sizeof(*whole)));
    whole->world = world;
    whole->totals = totals;
    whole->check = whole_check_new();
    world->above = &whole_above;
    world->above_data = whole;
    return whole;
}

static void clear(struct whole *whole)
{
    for (uint32_t id = 0; id <= WHOLE_CONTROLLERS; id++)
        whole_controller_close(&whole->controllers[id]);
    whole_check_reset(whole->check);
    whole_clear_arena(whole);
    whole->fds = 0;
    whole->is_calm = false;
    memset(whole->cut_to, 0, sizeof(whole->cut_to));
    memset(whole->cut_from, 0, sizeof(whole->cut_from));
    if (whole->snapshots != NULL)
        memset(whole->snapshots, 0, whole->snapshots_capacity * sizeof(*whole->snapshots));
}

static void close_world(struct sim_world *world)
{
    struct whole *whole = world->above_data;
    if (whole == NULL)
        return;
    clear(whole);
    while (whole->spare != NULL) {
        void *chunk = whole->spare;
        memcpy(&whole->spare, chunk, sizeof(void *)); /* its first member is the next one */
        free(chunk);
    }
    free(whole->facts);
    free(whole->snapshots);
    free(whole->links);
    whole_check_free(whole->check);
    free(whole);
    world->above_data = NULL;
}

static void found_nodes(struct whole *whole)
{
    struct sim_random *random = &whole->world->random;
    int64_t skew = whole->world->profile.skew_ppm;
    for (int32_t n = 0; n < whole->profile.nodes; n++) {
        struct whole_node *node = &whole->nodes[n];
        *node = (struct whole_node){.whole = whole, .index = n};
        snprintf(node->name, sizeof(node->name), "n%d", n + 1);
        node->ppm = (int32_t)sim_between(random, -skew, skew);
        if (sim_percent(random, 40))
            node->ppm = (int32_t)(sim_percent(random, 50) ? skew : -skew);
        whole_node_boot(node);
        node->boot_us -= sim_between(random, 0, 100000000);
    }
}

static void tell_profile(const struct whole *whole)
{
    const struct whole_profile *p = &whole->profile;
    whole_trace(whole,
                "%d nodes, %d services%s%s, %d addresses, lease %u ms, guarded %u ms on %u %%, "
                "fall %u, %s%s%s%s"
                "path %ld us, an accident every %ld us for %ld us (path %u service %u power %u "
                "pause %u remove %u actor %u)",
                p->nodes, p->services, p->is_active_only[0] ? ", s1 active only" : "",
                p->is_active_only[1] ? ", s2 active only" : "", p->vips, p->lease_ms,
                p->guarded_lease_ms, p->guard, p->fall, p->has_restart ? "restarts, " : "",
                p->has_node_checks ? "node checks, " : "", p->failback_auto ? "failback, " : "",
                p->confirm ? "confirm, " : "", p->path_us, p->fault_us, p->down_us, p->weight_path,
                p->weight_service, p->weight_reboot, p->weight_pause, p->weight_remove,
                p->weight_actor);
}

static void get_well(struct whole *whole)
{
    struct sim_world *world = whole->world;
    int64_t began_us = world->now_us, until_us = began_us + WELL_WITHIN_S * INT64_C(1000000);
    char trouble[SIM_DETAIL_SIZE - 60] = "";
    int64_t well_us = 0;
    while (world->violated == NULL) {
        sim_world_run_until(world, world->now_us + SLICE_US);
        if (!whole_check_is_well(whole, trouble, sizeof(trouble)))
            well_us = 0;
        else if (well_us == 0)
            well_us = world->now_us;
        else if (world->now_us - well_us >= STAYS_US)
            break;
        if (world->now_us >= until_us && well_us == 0) {
            whole_check_tell(whole);
            sim_broken(world, "LIVENESS", "all is well for %d s, and %s", WELL_WITHIN_S, trouble);
            return;
        }
    }
    whole->totals->live_ms += (uint64_t)(world->now_us - began_us) / 1000;
}

static bool run(struct sim_world *world, uint64_t seed, uint32_t servers, int64_t seconds,
                void *totals)
{
    struct whole *whole = whole_in(world, totals);
    clear(whole);
    sim_world_begin(world, seed, servers);
    whole->controllers_count = (int32_t)servers;
    sim_profile_draw(world);
    whole_profile_draw(whole);
    sim_trace_profile(world);
    tell_profile(whole);
    whole_policy_make(whole);
    found_nodes(whole);
    for (uint32_t id = 1; id <= servers; id++)
        whole_controller_init(whole, id);
    sim_world_found(world, servers);
    sim_fault_next(world);
    whole_fault_next(whole);
    whole_operator_next(whole);
    sim_world_run_until(world, seconds * 1000000);
    if (world->violated == NULL) {
        sim_world_calm(world);
        whole_fault_end_all(whole);
        get_well(whole);
    }
    world->totals->seeds++;
    return world->violated == NULL;
}

#define TOTAL(field, certain)                                 \
    {                                                         \
#field, offsetof(struct whole_totals, field), certain \
    }
static const struct sim_total totals[] = {
    TOTAL(grants, true),   TOTAL(releases, true), TOTAL(moves, true),   TOTAL(restarts, true),
    TOTAL(commands, true), TOTAL(lines, true),    TOTAL(refused, true), TOTAL(late, false),
    TOTAL(reboots, true),  TOTAL(pauses, true),   TOTAL(cuts, true),    TOTAL(actor_stops, true),
    TOTAL(opinions, true), TOTAL(live_ms, true)};

const struct sim_suite sim_suite = {.name = "whole",
                                    .run = run,
                                    .close = close_world,
                                    .servers_max = WHOLE_CONTROLLERS,
                                    .totals = totals,
                                    .total_count = sizeof(totals) / sizeof(totals[0])};
