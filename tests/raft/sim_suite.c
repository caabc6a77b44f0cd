#include "tests/raft/sim_suite.h"

static bool run(struct sim_world *world, uint64_t seed, uint32_t servers, int64_t seconds,
                void *totals)
{
    (void)totals;
    return sim_world_run(world, seed, servers, seconds);
}

const struct sim_suite sim_suite = {.name = "sim", .servers_max = 7, .run = run};
