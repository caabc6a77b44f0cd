/* Breadth-first through everything that can happen under a plan. */
#ifndef TESTS_RAFT_SEARCH_H
#define TESTS_RAFT_SEARCH_H

#include "tests/raft/raft_space.h"

struct outcome {
    uint32_t states, depth;
    uint64_t steps;
    bool is_complete;     /* within the bounds of the plan, nothing else can happen */
    const char *violated; /* the name of a law; NULL: none */
    bool is_replayed;     /* violated: the path shows it without normal forms as well */
};

/* Prints a line, and the shortest path to a violation. */
struct outcome explore(const struct plan *plan);

#endif
