/* The dice of the simulation: splitmix64. One seed makes one history, on every machine. */
#ifndef TESTS_RAFT_SIM_RANDOM_H
#define TESTS_RAFT_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static inline uint64_t sim_next(struct sim_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    return sim_mix(random->state);
}

/* 0 ... below - 1; 0 if below is 0. */
static inline uint64_t sim_below(struct sim_random *random, uint64_t below)
{
    return below == 0 ? 0 : sim_next(random) % below;
}

/* low ... high */
static inline int64_t sim_between(struct sim_random *random, int64_t low, int64_t high)
{
    return low >= high ? low : low + (int64_t)sim_below(random, (uint64_t)(high - low + 1));
}

static inline bool sim_chance(struct sim_random *random, uint32_t per_million)
{
    return per_million != 0 && sim_below(random, 1000000) < per_million;
}

static inline bool sim_percent(struct sim_random *random, uint32_t percent)
{
    return sim_below(random, 100) < percent;
}

#endif
