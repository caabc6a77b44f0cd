/* Finding nodes, services, checks and VIPs by name: tables of hashes at the end of the state's
 * block, filled when a policy was filled in. Few names need no table. They are no state: they
 * follow from the policy. */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include "orchestrator/core/core.h"

/* Places (uint32_t each) that the tables of a state of this shape take. */
size_t names_slots(const struct core_shape *shape);

#endif
