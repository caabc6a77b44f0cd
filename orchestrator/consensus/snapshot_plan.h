/* When a snapshot is wanted, the one that waits to be written, and what to do when it could not be.
 * The state machine is asked again only after the log has grown further. */
#ifndef CONSENSUS_SNAPSHOT_PLAN_H
#define CONSENSUS_SNAPSHOT_PLAN_H

#include "orchestrator/consensus/pending.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshot_plan {
    uint64_t index;          /* of the newest snapshot that is written or on its way */
    uint64_t not_before;     /* index; set by a failure */
    uint64_t log_size_bytes; /* behind the snapshot; the owner adds to it */
    uint64_t trailing;       /* entries kept behind it, and the distance between two of them */
    struct kept_snapshot *waiting;
};

bool snapshot_plan_wants(const struct snapshot_plan *plan, uint64_t applied_index);

/* Keep a copy, in place of one that still waits. */
void snapshot_plan_give(struct snapshot_plan *plan, uint64_t index, const void *bytes, size_t size);

/* The snapshot (taken; NULL is fine) could not be written; one that waits is given up as well. */
void snapshot_plan_fail(struct snapshot_plan *plan, struct kept_snapshot *failed,
                        uint64_t last_index);

void snapshot_plan_close(struct snapshot_plan *plan);

#endif
