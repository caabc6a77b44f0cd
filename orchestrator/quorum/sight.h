/* Can this controller believe what its checkers see? It goes by the checkers themselves, their
 * canaries, the links to the other controllers, and how many nodes went silent for it; and says in
 * the log when it cannot. */
#ifndef QUORUM_SIGHT_H
#define QUORUM_SIGHT_H

#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct quorum;

struct sight {
    uint64_t policy_index;
    uint8_t *answers; /* by check: what this controller's own newest answer was */
    uint32_t check_count;
    struct sight_node *nodes;
    uint32_t node_count;
    uint32_t canaries, canaries_up;
    bool had_checkers; /* all of them were there once */
    bool is_proposed;
};

/* What a checker is about to tell, and how it is. */
void sight_on_opinions(struct quorum *quorum, const Ephor__Opinions *opinions);
void sight_on_checker(struct quorum *quorum, const Ephor__CheckerState *state);

/* Say it if what the log says is not true any more. */
void sight_work(struct quorum *quorum);

void sight_close(struct quorum *quorum);

#endif
