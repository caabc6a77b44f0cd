/* Counting towards the next snapshot. A snapshot too large for the disk must not take leadership
 * down at every turn: after a failure the log grows by `trailing` entries before the next try. */
#include "orchestrator/consensus/snapshot_plan.h"

#include "orchestrator/base/log.h"

#include <stdlib.h>

enum { SNAPSHOT_AFTER_BYTES = 64 << 20 };

bool snapshot_plan_wants(const struct snapshot_plan *plan, uint64_t applied_index)
{
    if (applied_index < plan->not_before || applied_index <= plan->index)
        return false;
    return applied_index - plan->index >= plan->trailing ||
           plan->log_size_bytes >= SNAPSHOT_AFTER_BYTES;
}

static void take_back(struct snapshot_plan *plan, struct kept_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    plan->index = snapshot->before_index;
    plan->log_size_bytes += snapshot->log_size_bytes;
    free(snapshot);
}

void snapshot_plan_give(struct snapshot_plan *plan, uint64_t index, const void *bytes, size_t size)
{
    struct kept_snapshot *snapshot = kept_snapshot_new(index, bytes, size);
    if (snapshot == NULL) {
        log_warning("snapshot", "out of memory for a snapshot of %zu bytes", size);
        plan->not_before = index + plan->trailing;
        return;
    }
    take_back(plan, plan->waiting);
    snapshot->before_index = plan->index;
    snapshot->log_size_bytes = plan->log_size_bytes;
    plan->index = index;
    plan->not_before = 0;
    plan->log_size_bytes = 0;
    plan->waiting = snapshot;
}

void snapshot_plan_fail(struct snapshot_plan *plan, struct kept_snapshot *failed,
                        uint64_t last_index)
{
    if (failed == NULL && plan->waiting == NULL)
        return;
    take_back(plan, plan->waiting);
    plan->waiting = NULL;
    take_back(plan, failed);
    plan->not_before = last_index + plan->trailing;
}

void snapshot_plan_close(struct snapshot_plan *plan)
{
    free(plan->waiting);
    plan->waiting = NULL;
}
