/* The machine of a member's restart. */
#ifndef CORE_RESTART_H
#define CORE_RESTART_H

#include "orchestrator/core/core.h"

/* Make one transition, if the state allows one. True if there was one. */
bool restart_advance(struct core *core, int32_t member, struct effects *effects);

/* How a RESTART order of this service ended. False: no such order is open. */
bool restart_outcome(struct core *core, int32_t service, const struct fact *fact,
                     struct effects *effects);

#endif
