/* Budgets: the newest BUDGET_MAX times, newest first. */
#include "orchestrator/core/budget.h"

#include <string.h>

void budget_spend(struct budget *budget, int64_t at_ms)
{
    memmove(&budget->at_ms[1], &budget->at_ms[0], sizeof(budget->at_ms) - sizeof(int64_t));
    budget->at_ms[0] = at_ms;
    if (budget->count < BUDGET_MAX)
        budget->count++;
}

uint32_t budget_used(const struct budget *budget, int64_t at_ms, int64_t window_ms)
{
    uint32_t used = 0;
    while (used < budget->count && budget->at_ms[used] + window_ms > at_ms)
        used++;
    return used;
}

int64_t budget_next_ms(const struct budget *budget, int64_t at_ms, int64_t window_ms, uint32_t max)
{
    if (max == 0)
        return NEVER_MS;
    if (budget_used(budget, at_ms, window_ms) < max)
        return at_ms;
    return budget->at_ms[max - 1] + window_ms;
}
