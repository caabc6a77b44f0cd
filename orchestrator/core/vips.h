/* The grant of a VIP: who may hold it, and under which lease.
 *
 *   FREE -> GRANTED -> HELD -> RELEASING -> FREE        HELD -> LOST -> GRANTED
 *
 * The lease is chosen with each grant, by what the node can do: where nft guards the address it may
 * be short, and is exact; elsewhere the address itself has a lifetime of whole seconds. */
#ifndef CORE_VIPS_H
#define CORE_VIPS_H

#include "orchestrator/core/core.h"

void vip_set(struct core *core, struct vip *vip, enum vip_phase phase);

/* To this node, which has it or nobody. Granting it anew to its holder is always safe. */
void vip_grant(struct core *core, struct vip *vip, int32_t node, struct effects *effects);

/* Begin to take it from its holder; nothing happens if that was begun, or it is free. */
void vip_release(struct core *core, struct vip *vip, struct effects *effects);

/* Outcomes: its holder confirmed it; it is certain that nobody holds it any more. */
void vip_held(struct core *core, struct vip *vip, struct effects *effects);
void vip_freed(struct core *core, struct vip *vip, const struct fact *f, struct effects *effects);

/* Its holder can do otherwise now, or the policy wants another lease. */
bool vip_wants_regrant(const struct core *core, const struct vip *vip);

/* Rule 15: it vanished from its holder. When may it be put back, and do that. */
int64_t vip_put_back_due_ms(const struct core *core, const struct vip *vip);
void vip_put_back(struct core *core, struct vip *vip, struct effects *effects);

/* The lease that it has, or would have. */
uint32_t vip_lease_ms(const struct vip *vip);

/* How long after its holder was out of reach its lease is over; at least 1. */
int64_t vip_patience_ms(const struct core *core, const struct vip *vip);

/* A state from before there were guards: it has what the policy says. */
void vip_lease_plainly(struct vip *vip);

#endif
