/* Self-doubt: a controller that sees everything fail at once asks first whether it sees at all.
 * Pure: what it goes by is brought in. */
#ifndef CORE_DOUBT_H
#define CORE_DOUBT_H

#include "orchestrator/core/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct outward {           /* what a controller can tell of its own eyes */
    uint32_t nodes;        /* of which it has had answers */
    uint32_t silent_nodes; /* that give it no sign of life any more, from any check */
    uint32_t canaries;     /* that have answered it before: others prove nothing */
    uint32_t canaries_up;
    uint32_t peers; /* other controllers */
    uint32_t peers_up;
};

/* Can it believe what it sees? Writes why not. It cannot if
 * - half of its nodes are silent, and no canary answers any more; or
 * - more than half of them are, and at least two, and nothing vouches for it: there are no
 * canaries, and it is not linked to most of its peers. Canaries that are silent alone prove
 * nothing: a gateway may die while all nodes are in reach. */
bool doubt_sees(const struct outward *outward, char reason[TEXT_SIZE]);

#endif
