/* In a file of its own, so that a program that knows older rules can be linked (tests/lab). */
#include "orchestrator/core/core.h"

#ifndef CORE_RULES_MAX
#define CORE_RULES_MAX 4
#endif

const uint32_t core_rules_max = CORE_RULES_MAX;
