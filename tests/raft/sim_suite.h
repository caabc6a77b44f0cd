/* What sim.c runs: the core alone (sim_suite.c), or more than that (tests/sim/whole_world.c). */
#ifndef TESTS_RAFT_SIM_SUITE_H
#define TESTS_RAFT_SIM_SUITE_H

#include "tests/raft/sim_world.h"

struct sim_total {
    const char *name;
    size_t offset;
    bool is_certain; /* it happens in any few hundred seeds, or the simulator is broken */
};

enum { SIM_SUITE_TOTALS = 512 }; /* bytes of its own */

struct sim_suite {
    const char *name;
    uint32_t servers_max;
    /* Run one seed; false: something is broken. `totals` are SIM_SUITE_TOTALS bytes of its own. */
    bool (*run)(struct sim_world *world, uint64_t seed, uint32_t servers, int64_t seconds,
                void *totals);
    void (*close)(struct sim_world *world); /* before the world goes; NULL: nothing to do */
    const struct sim_total *totals;         /* of its own bytes */
    size_t total_count;
};

extern const struct sim_suite sim_suite;

#endif
