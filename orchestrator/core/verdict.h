/* Verdicts: what the quorum of opinions says about a check, and what follows from that for nodes,
 * members and services. */
#ifndef CORE_VERDICT_H
#define CORE_VERDICT_H

#include "orchestrator/core/core.h"

/* Bring the verdict of this check up to date; then, when all opinions of a fact were taken, what
 * depends on it. Changes go to the journal with their diagnosis, for which all have to be known. */
void verdict_on_opinion(struct core *core, int32_t check, struct effects *effects);
void verdict_tell(struct core *core, int32_t check, struct effects *effects);

/* The check of this list (by target) that makes its target as bad as it is; NONE: it is OK. */
int32_t verdict_worst(const struct core *core, int32_t first);

/* Bring every verdict up to date, if all are stale. */
void verdict_refresh(struct core *core, struct effects *effects);

/* Forget what this controller thought (it began anew, or said that it cannot see). */
void verdict_forget(struct core *core, uint32_t controller);

/* Is a worse than b for a target? CRITICAL, then UNKNOWN, WARNING, OK. */
bool verdict_is_worse(enum state a, enum state b);

/* The verdict of this check changed, or somebody began or ceased to doubt it. */
void verdict_touch(struct effects *effects, uint32_t check);

/* Does anything about this service have to be worked by the actor (addresses, commands)? */
bool verdict_needs_reach(const struct service *service);

#endif
