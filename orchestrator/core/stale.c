#include "orchestrator/core/stale.h"

static int32_t *list_of(struct core *core, const struct check *check)
{
    switch ((enum scope)check->scope) {
    case SCOPE_MEMBER:
        return &core_member(core, check->target)->checks;
    case SCOPE_NODE:
        return &core_node(core, check->target)->checks;
    case SCOPE_VIP:
        break;
    }
    return &core_vip(core, check->target)->checks;
}

/* Each list is in the order of the policy: they are filled from behind. */
void stale_link(struct core *core)
{
    for (int32_t i = 0; i < core_node_count(core); i++)
        core_node(core, i)->checks = core_node(core, i)->members = NONE;
    for (int32_t i = 0; i < core_service_count(core); i++)
        core_service(core, i)->vips = NONE;
    for (int32_t i = core_vip_count(core) - 1; i >= 0; i--) {
        struct vip *vip = core_vip(core, i);
        vip->checks = vip->next = NONE;
        if (vip->service == NONE)
            continue;
        vip->next = core_service(core, vip->service)->vips;
        core_service(core, vip->service)->vips = i;
    }
    for (int32_t i = core_member_count(core) - 1; i >= 0; i--) {
        struct member *m = core_member(core, i);
        m->checks = NONE;
        m->next_on_node = core_node(core, m->node)->members;
        core_node(core, m->node)->members = i;
    }
    for (int32_t i = core_check_count(core) - 1; i >= 0; i--) {
        struct check *check = core_check(core, i);
        int32_t *list = list_of(core, check);
        check->next = *list;
        *list = i;
    }
    core_work_out_anew(core);
}

void core_work_out_anew(struct core *core)
{
    core->is_stale = core->is_many_stale = true;
}

void stale_service(struct core *core, int32_t service)
{
    if (service != NONE)
        core_service(core, service)->is_stale = true;
}

void stale_services(struct core *core)
{
    for (int32_t i = 0; i < core_service_count(core); i++)
        core_service(core, i)->is_stale = true;
}

void stale_node(struct core *core, int32_t node)
{
    for (int32_t i = core_node(core, node)->members; i != NONE;
         i = core_member(core, i)->next_on_node)
        stale_service(core, core_member(core, i)->service);
}

static bool is_service_due(const struct core *core, const struct service *s)
{
    if (core->at_ms >= (s->phase == PHASE_STEADY ? s->wake_ms : s->deadline_ms))
        return true;
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++) {
        const struct member *m = core_member(core, i);
        if (core->at_ms >= (m->step == STEP_IDLE ? m->wake_ms : m->deadline_ms))
            return true;
    }
    return false;
}

void stale_due(struct core *core)
{
    for (int32_t i = 0; i < core_service_count(core); i++)
        if (is_service_due(core, core_service(core, i)))
            core_service(core, i)->is_stale = true;
}
