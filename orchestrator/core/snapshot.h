/* The state as bytes: everything that steps change, not the policy. Canonical (equal states give
 * equal bytes on every machine), versioned, without padding. */
#ifndef CORE_SNAPSHOT_H
#define CORE_SNAPSHOT_H

#include "orchestrator/core/core.h"

/* Bytes needed for core_snapshot. */
size_t snapshot_size(const struct core *core);

/* Write the state to bytes (snapshot_size of them). */
void snapshot_write(const struct core *core, void *bytes);

/* Read the shape that a state needs to take these bytes. False: not a snapshot of ours. */
bool snapshot_shape(const void *bytes, size_t size, struct core_shape *shape);

/* Put the state into core, which was made with that shape and filled with the policy of the
 * snapshot (retired VIPs get their policy fields from the bytes). False: damaged or another
 * version; core is then unusable. */
bool snapshot_read(struct core *core, const void *bytes, size_t size);

#endif
