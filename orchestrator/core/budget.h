/* Budgets: at most so many restarts or moves in a sliding window. */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include "orchestrator/core/core.h"

void budget_spend(struct budget *budget, int64_t at_ms);

/* How many were spent in the window that ends at at_ms. */
uint32_t budget_used(const struct budget *budget, int64_t at_ms, int64_t window_ms);

/* When the next one may be spent: at_ms if now, NEVER_MS if `max` is 0. max <= BUDGET_MAX. */
int64_t budget_next_ms(const struct budget *budget, int64_t at_ms, int64_t window_ms, uint32_t max);

#endif
