/* Can one believe what the own checkers see? It goes by the checkers themselves, their canaries,
 * the links to the other controllers, and how many nodes went silent. */
#ifndef QUORUM_SIGHT_H
#define QUORUM_SIGHT_H

#include "orchestrator/core/limits.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct sight {
    uint64_t policy_index;
    uint8_t *answers; /* by check: what the own newest answer was */
    uint32_t check_count;
    struct sight_node *nodes;
    uint32_t node_count;
    uint32_t canaries, canaries_up;
    bool had_checkers; /* all of them were there once */
};

/* What a checker is about to tell under the policy in force, and how its canaries are. */
void sight_on_opinions(struct sight *sight, const Ephor__Policy *policy, uint64_t policy_index,
                       const Ephor__Opinions *opinions);
void sight_on_checker(struct sight *sight, const Ephor__CheckerState *state);

struct sight_around {
    bool has_checkers;        /* all of them are there */
    uint32_t peers, peers_up; /* other controllers, and the links to them */
};

/* Writes why not. At the beginning it can, until all checkers have come once. */
bool sight_judge(struct sight *sight, const struct sight_around *around, char reason[TEXT_SIZE]);

void sight_close(struct sight *sight);

#endif
