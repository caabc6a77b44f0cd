/* Recoveries: what was decided, carried through step by step. */
#ifndef CORE_RECOVERY_H
#define CORE_RECOVERY_H

#include "orchestrator/core/core.h"

/* Carry every restart, move and grant as far as the state allows, and decide anew where nothing is
 * under way. core->index is the id of the orders that this creates. */
void recovery_settle(struct core *core, struct effects *effects);

/* Begin to move the service to target. cause: the rule; automatic moves spend the budget. why:
 * "to NODE: reason", for the journal. */
void recovery_move(struct core *core, int32_t service, int32_t target, enum rule cause,
                   const char *why, struct effects *effects);

/* How an order ended. */
void recovery_outcome(struct core *core, const struct fact *fact, struct effects *effects);

#endif
