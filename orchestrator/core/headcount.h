/* Taking a census: what all observers say about a check, counted by the leader (quorum/census.h).
 * Who of them said what is not in the state: decision 16. */
#ifndef CORE_HEADCOUNT_H
#define CORE_HEADCOUNT_H

#include "orchestrator/core/core.h"

enum { CENSUS_RULES = 3 }; /* older ones do not know it */

void headcount_apply(struct core *core, const struct fact *fact, struct effects *effects);

#endif
