/* Grants. How long another node has to wait for an address (wait_ms) is the worst of all leases
 * that its holder was promised since it last confirmed one: what was sent may not have arrived. */
#include "orchestrator/core/vips.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/core/budget.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/lease.h"

static bool would_guard(const struct core *core, const struct vip *vip, int32_t node)
{
    const struct node *n = core_node(core, node);
    return core->rules >= RULES_GUARD && vip->guarded_lease_ms > 0 && n->guard == GUARD_NFT &&
           !n->is_unguarded;
}

static void choose_lease(struct core *core, struct vip *vip)
{
    vip->is_guarded = would_guard(core, vip, vip->holder);
    vip->granted_lease_ms = vip->is_guarded ? vip->guarded_lease_ms : vip->lease_ms;
    uint32_t wait_ms = (uint32_t)lease_wait_ms(vip->granted_lease_ms, vip->is_guarded);
    if (wait_ms > vip->wait_ms)
        vip->wait_ms = wait_ms;
}

bool vip_wants_regrant(const struct core *core, const struct vip *vip)
{
    if (vip->phase != VIP_GRANTED && vip->phase != VIP_HELD)
        return false;
    bool guards = would_guard(core, vip, vip->holder);
    return core->rules >= RULES_GUARD && core_node(core, vip->holder)->reach == REACH_UP &&
           (guards != vip->is_guarded ||
            vip->granted_lease_ms != (guards ? vip->guarded_lease_ms : vip->lease_ms));
}

uint32_t vip_lease_ms(const struct vip *vip)
{
    return vip->phase == VIP_FREE ? vip->lease_ms : vip->granted_lease_ms;
}

/* Its last answer came a line before the one that was missed for so long. A short lease may have
 * been over when it was missed. */
int64_t vip_patience_ms(const struct core *core, const struct vip *vip)
{
    if (core->rules < RULES_GUARD || vip->phase == VIP_FREE)
        return vip_lease_ms(vip);
    int64_t patience_ms = (int64_t)vip->wait_ms - lease_silent_ms(vip->granted_lease_ms) -
                          lease_period_ms(vip->granted_lease_ms);
    return patience_ms > 1 ? patience_ms : 1;
}

void vip_lease_plainly(struct vip *vip)
{
    vip->is_guarded = false;
    vip->granted_lease_ms = vip->lease_ms;
    vip->wait_ms = (uint32_t)lease_wait_ms(vip->lease_ms, false);
}

void vip_set(struct core *core, struct vip *vip, enum vip_phase phase)
{
    vip->phase = (uint8_t)phase;
    vip->since_ms = core->at_ms;
}

void vip_grant(struct core *core, struct vip *vip, int32_t node, struct effects *effects)
{
    PRE(vip->holder == NONE || vip->holder == node);
    vip->holder = node;
    choose_lease(core, vip);
    vip->order = core->index;
    vip->grant_term = core->term;
    vip->granted_ms = core->at_ms;
    vip_set(core, vip, VIP_GRANTED);
    journal_add(effects, SEVERITY_INFO, EVENT_VIP, vip->name, "%s granted to %s", vip->address,
                core_node(core, node)->name);
}

/* At once, but not again and again: somebody else may take it away on purpose. */
int64_t vip_put_back_due_ms(const struct core *core, const struct vip *vip)
{
    if (core->rules < RULES_GUARD)
        return vip->granted_ms + REGRANT_MS;
    return budget_next_ms(&vip->put_backs, core->at_ms, REGRANT_MS, REGRANTS_MAX);
}

void vip_put_back(struct core *core, struct vip *vip, struct effects *effects)
{
    vip_grant(core, vip, vip->holder, effects);
    if (core->rules >= RULES_GUARD)
        budget_spend(&vip->put_backs, core->at_ms);
}

void vip_release(struct core *core, struct vip *vip, struct effects *effects)
{
    if (vip->phase == VIP_FREE || vip->phase == VIP_RELEASING)
        return;
    vip->order = core->index;
    vip_set(core, vip, VIP_RELEASING);
    journal_add(effects, SEVERITY_INFO, EVENT_VIP, vip->name, "%s is taken from %s", vip->address,
                core_node(core, vip->holder)->name);
}

void vip_held(struct core *core, struct vip *vip, struct effects *effects)
{
    vip_set(core, vip, VIP_HELD);
    vip->wait_ms = (uint32_t)lease_wait_ms(vip->granted_lease_ms, vip->is_guarded);
    journal_add(effects, SEVERITY_INFO, EVENT_VIP, vip->name, "%s is held by %s", vip->address,
                core_node(core, vip->holder)->name);
}

void vip_freed(struct core *core, struct vip *vip, const struct fact *f, struct effects *effects)
{
    journal_add(effects, SEVERITY_INFO, EVENT_VIP, vip->name, "%s is free: %s %s", vip->address,
                core_node(core, vip->holder)->name,
                f->outcome.result == RESULT_DONE ? "released it" : "had it until its lease ended");
    vip->holder = NONE;
    vip->order = 0;
    vip->is_guarded = false;
    vip->granted_lease_ms = vip->wait_ms = 0;
    vip->put_backs = (struct budget){.count = 0};
    vip_set(core, vip, VIP_FREE);
}
