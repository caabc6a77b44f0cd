/* Adopting a policy: state goes over by name, so that a changed file loses no attempt, moves no
 * address and forgets no lease. An address that left the policy while a node holds it stays on as
 * a retired VIP until its release is certain. */
#include "orchestrator/core/core.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/core/diagnose.h"
#include "orchestrator/core/journal.h"
#include "orchestrator/core/recovery.h"
#include "orchestrator/core/stale.h"
#include "orchestrator/core/verdict.h"
#include "orchestrator/core/vips.h"

#include <string.h>

static const char *vip_owner(const struct core *core, const struct vip *vip)
{
    return vip->service == NONE ? "" : core_service(core, vip->service)->name;
}

/* The VIP of `core` that is the same address in the same hands, or NONE. */
static int32_t find_same_vip(const struct core *core, const struct core *of, const struct vip *vip)
{
    int32_t i = core_find_vip(core, vip->name);
    const struct vip *other = i == NONE ? NULL : core_vip(core, i);
    bool is_same = other != NULL && !other->is_retired &&
                   strcmp(other->address, vip->address) == 0 &&
                   strcmp(other->interface, vip->interface) == 0 &&
                   strcmp(vip_owner(core, other), vip_owner(of, vip)) == 0;
    return is_same ? i : NONE;
}

uint32_t core_retiring(const struct core *old, const struct core *fresh)
{
    uint32_t count = 0;
    for (int32_t i = 0; old != NULL && i < core_vip_count(old); i++) {
        const struct vip *vip = core_vip(old, i);
        if (vip->holder != NONE && find_same_vip(fresh, old, vip) == NONE)
            count++;
    }
    return count;
}

static void carry_nodes(struct core *fresh, const struct core *old)
{
    for (int32_t i = 0; i < core_node_count(fresh); i++) {
        struct node *to = core_node(fresh, i);
        int32_t o = core_find_node(old, to->name);
        if (o == NONE)
            continue;
        struct node policy = *to;
        *to = *core_node(old, o);
        memcpy(to->address, policy.address, sizeof(to->address));
        memcpy(to->parents, policy.parents, sizeof(to->parents));
        if (to->is_local != policy.is_local ||
            strcmp(core_node(old, o)->address, policy.address) != 0) {
            to->reach = REACH_UNKNOWN; /* another machine, perhaps */
            memset(to->reach_by, REACH_UNKNOWN, sizeof(to->reach_by));
            to->guard = GUARD_UNTOLD;
        }
        to->is_local = policy.is_local;
        to->is_unguarded = policy.is_unguarded;
    }
}

/* The member of fresh on the same node in the same service as member `o` of old, or NONE. */
static int32_t find_member(const struct core *fresh, const struct core *old, int32_t o)
{
    if (o == NONE)
        return NONE;
    const struct member *m = core_member(old, o);
    int32_t service = core_find_service(fresh, core_service(old, m->service)->name);
    int32_t node = core_find_node(fresh, core_node(old, m->node)->name);
    if (service == NONE || node == NONE)
        return NONE;
    const struct service *s = core_service(fresh, service);
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++)
        if (core_member(fresh, i)->node == node)
            return i;
    return NONE;
}

static void carry_members(struct core *fresh, const struct core *old)
{
    for (int32_t o = 0; o < core_member_count(old); o++) {
        int32_t i = find_member(fresh, old, o);
        if (i == NONE)
            continue;
        struct member policy = *core_member(fresh, i);
        struct member *to = core_member(fresh, i);
        *to = *core_member(old, o);
        to->service = policy.service;
        to->node = policy.node;
        to->priority = policy.priority;
    }
}

static void carry_checks(struct core *fresh, const struct core *old)
{
    for (int32_t i = 0; i < core_check_count(fresh); i++) {
        struct check *to = core_check(fresh, i);
        bool is_in_place = i < core_check_count(old) && strcmp(core_check(old, i)->id, to->id) == 0;
        int32_t o = is_in_place ? i : core_find_check(old, to->id);
        if (o == NONE)
            continue;
        const struct check *from = core_check(old, o);
        memcpy(to->opinions, from->opinions, sizeof(to->opinions));
        if (to->observers > 0)
            to->census = from->census;
        memcpy(to->text, from->text, sizeof(to->text));
        to->state = from->state;
        to->told = from->told;
        to->is_known = from->is_known;
        to->since_ms = from->since_ms;
    }
}

static void carry_service(struct core *fresh, struct service *to, const struct core *old,
                          const struct service *from)
{
    to->active = find_member(fresh, old, from->active);
    to->moves = from->moves;
    to->moved_ms = from->moved_ms;
    to->rule = from->rule;
    to->state = from->state;
    to->state_since_ms = from->state_since_ms;
    to->since_ms = from->since_ms;
    to->better = find_member(fresh, old, from->better);
    to->better_since_ms = to->better == NONE ? 0 : from->better_since_ms;
    int32_t from_member = find_member(fresh, old, from->from);
    int32_t target = find_member(fresh, old, from->target);
    to->from = from_member;
    to->is_stop_failed = from->is_stop_failed && to->active != NONE && from_member != NONE;
    if (from->phase == PHASE_STEADY)
        return;
    bool is_whole =
        (from->from == NONE || from_member != NONE) && (from->target == NONE || target != NONE);
    if (!is_whole)
        return; /* steady: decided anew, align_vips takes back what is in the wrong hands */
    to->phase = from->phase;
    to->deadline_ms = from->deadline_ms;
    to->order = from->order;
    to->cause = from->cause;
    to->target = target;
}

static void carry_services(struct core *fresh, const struct core *old)
{
    for (int32_t i = 0; i < core_service_count(fresh); i++) {
        int32_t o = core_find_service(old, core_service(fresh, i)->name);
        if (o != NONE)
            carry_service(fresh, core_service(fresh, i), old, core_service(old, o));
    }
}

static void carry_vip(struct core *fresh, struct vip *to, const struct core *old,
                      const struct vip *from)
{
    to->phase = from->phase;
    to->holder =
        from->holder == NONE ? NONE : core_find_node(fresh, core_node(old, from->holder)->name);
    to->order = from->order;
    to->grant_term = from->grant_term;
    to->is_guarded = from->is_guarded;
    to->granted_lease_ms = from->granted_lease_ms;
    to->wait_ms = from->wait_ms;
    to->put_backs = from->put_backs;
    if (fresh->rules < RULES_GUARD && to->holder != NONE)
        vip_lease_plainly(to);
    to->granted_ms = from->granted_ms;
    to->since_ms = from->since_ms;
}

/* retired: the first slot for VIPs that left the policy. */
static void carry_vips(struct core *fresh, const struct core *old, uint32_t retired,
                       struct effects *effects)
{
    for (int32_t o = 0; o < core_vip_count(old); o++) {
        const struct vip *from = core_vip(old, o);
        int32_t same = find_same_vip(fresh, old, from);
        if (same != NONE) {
            carry_vip(fresh, core_vip(fresh, same), old, from);
        } else if (from->holder != NONE) {
            PRE(retired < fresh->shape.vips);
            struct vip *to = core_vip(fresh, (int32_t)retired++);
            *to = *from;
            carry_vip(fresh, to, old, from);
            to->service = NONE;
            to->is_retired = true;
            if (to->phase != VIP_RELEASING) {
                to->phase = VIP_RELEASING;
                to->order = fresh->index;
                to->since_ms = fresh->at_ms;
            }
            journal_add(effects, SEVERITY_INFO, EVENT_VIP, to->name,
                        "%s left the policy; it is taken from %s", to->address,
                        core_node(fresh, to->holder)->name);
        }
    }
}

/* Is node `o` of old the same machine in fresh? Another address may be another machine, which could
 * confirm a release that the old one knows nothing of. */
static bool is_same_machine(const struct core *fresh, const struct core *old, int32_t o)
{
    const struct node *node = core_node(old, o);
    int32_t i = core_find_node(fresh, node->name);
    return i != NONE && core_node(fresh, i)->is_local == node->is_local &&
           strcmp(core_node(fresh, i)->address, node->address) == 0;
}

static bool holders_stay(const struct core *fresh, const struct core *old, char *refusal)
{
    for (int32_t o = 0; o < core_vip_count(old); o++) {
        const struct vip *vip = core_vip(old, o);
        if (vip->holder == NONE || is_same_machine(fresh, old, vip->holder))
            continue;
        const char *name = core_node(old, vip->holder)->name;
        text_format(refusal, LINE_SIZE,
                    "node '%s' %s but may still hold %s: first run 'ephorctl maintenance %s' and "
                    "wait until it holds nothing",
                    name,
                    core_find_node(fresh, name) == NONE ? "is not in the new policy"
                                                        : "has another address in the new policy",
                    vip->address, name);
        return false;
    }
    return true;
}

/* A service that runs on its active member only would be started elsewhere while it still runs
 * there, if that member left. */
static bool runners_stay(const struct core *fresh, const struct core *old, char *refusal)
{
    for (int32_t o = 0; o < core_service_count(old); o++) {
        const struct service *s = core_service(old, o);
        int32_t runner = s->phase == PHASE_STARTING ? s->target : s->active;
        if (s->run != RUN_ACTIVE || runner == NONE || core_find_service(fresh, s->name) == NONE)
            continue;
        int32_t node = core_member(old, runner)->node;
        if (find_member(fresh, old, runner) != NONE && is_same_machine(fresh, old, node))
            continue;
        text_format(refusal, LINE_SIZE,
                    "service '%s' may still run on '%s', which leaves it: first run 'ephorctl "
                    "failover %s' and wait until it runs elsewhere",
                    s->name, core_node(old, node)->name, s->name);
        return false;
    }
    return true;
}

static void carry_cluster(struct core *fresh, const struct core *old)
{
    fresh->rules = old->rules;
    fresh->is_board_known = old->is_board_known;
    fresh->leader = old->leader;
    memcpy(fresh->leader_name, old->leader_name, sizeof(fresh->leader_name));
    fresh->is_paused = old->is_paused;
    fresh->paused_since_ms = old->paused_since_ms;
    fresh->paused_until_ms = old->paused_until_ms;
    memcpy(fresh->paused_author, old->paused_author, sizeof(fresh->paused_author));
    memcpy(fresh->paused_reason, old->paused_reason, sizeof(fresh->paused_reason));
    memcpy(fresh->controllers, old->controllers, sizeof(fresh->controllers));
}

bool core_may_adopt(const struct core *fresh, const struct core *old, char *refusal)
{
    return old == NULL || (holders_stay(fresh, old, refusal) && runners_stay(fresh, old, refusal));
}

bool core_adopt(struct core *fresh, const struct core *old, uint64_t index, int64_t at_ms,
                int64_t wall_ms, struct effects *effects, char *refusal)
{
    effects_clear(effects);
    if (!core_may_adopt(fresh, old, refusal))
        return false;
    fresh->index = fresh->policy_index = index;
    fresh->at_ms = old != NULL && old->at_ms > at_ms ? old->at_ms : at_ms;
    fresh->wall_ms = wall_ms;
    journal_add(effects, SEVERITY_INFO, EVENT_POLICY, fresh->name,
                "adopted: %u nodes, %u services, %u checks, %u addresses", fresh->shape.nodes,
                fresh->shape.services, fresh->shape.checks,
                fresh->shape.vips - (old == NULL ? 0 : core_retiring(old, fresh)));
    if (old != NULL) {
        uint32_t retiring = core_retiring(old, fresh);
        carry_cluster(fresh, old);
        carry_nodes(fresh, old);
        carry_members(fresh, old);
        carry_checks(fresh, old);
        carry_services(fresh, old);
        carry_vips(fresh, old, fresh->shape.vips - retiring, effects);
    }
    stale_link(fresh);
    verdict_refresh(fresh, effects);
    recovery_settle(fresh, effects);
    diagnose_tell(fresh, core_is_gathered(fresh, NULL, NULL) ? effects : NULL);
    return true;
}
