/* The state's block. */
#include "orchestrator/core/core.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/core/names.h"

#include <string.h>

static size_t array_at(size_t *end, size_t count, size_t size)
{
    size_t at = *end;
    *end += (count * size + 15) / 16 * 16;
    return at;
}

static size_t lay_out(struct core *core, const struct core_shape *shape)
{
    size_t end = (sizeof(*core) + 15) / 16 * 16;
    core->node_offset = array_at(&end, shape->nodes, sizeof(struct node));
    core->service_offset = array_at(&end, shape->services, sizeof(struct service));
    core->member_offset = array_at(&end, shape->members, sizeof(struct member));
    core->check_offset = array_at(&end, shape->checks, sizeof(struct check));
    core->vip_offset = array_at(&end, shape->vips, sizeof(struct vip));
    core->name_offset = array_at(&end, names_slots(shape), sizeof(uint32_t));
    return end;
}

size_t core_size(const struct core_shape *shape)
{
    struct core head;
    return lay_out(&head, shape);
}

struct core *core_init(void *block, const struct core_shape *shape)
{
    struct core *core = block;
    memset(block, 0, core_size(shape));
    core->shape = *shape;
    lay_out(core, shape);
    core->rules = 1;
    for (int32_t i = 0; i < core_node_count(core); i++)
        for (int p = 0; p < PARENTS_MAX; p++)
            core_node(core, i)->parents[p] = NONE;
    for (int32_t i = 0; i < core_service_count(core); i++) {
        struct service *s = core_service(core, i);
        s->active = s->from = s->target = s->better = NONE;
        s->deadline_ms = s->wake_ms = NEVER_MS;
        s->state = STATE_UNKNOWN;
    }
    for (int32_t i = 0; i < core_member_count(core); i++) {
        struct member *m = core_member(core, i);
        m->deadline_ms = m->wake_ms = NEVER_MS;
        m->state = m->told = STATE_UNKNOWN;
    }
    for (int32_t i = 0; i < core_check_count(core); i++)
        core_check(core, i)->state = core_check(core, i)->told = STATE_UNKNOWN;
    for (int32_t i = 0; i < core_vip_count(core); i++) {
        core_vip(core, i)->holder = NONE;
        core_vip(core, i)->service = NONE;
    }
    return core;
}

const char *core_service_phase(const struct core *core, int32_t service)
{
    const struct service *s = core_service(core, service);
    if (s->phase != PHASE_STEADY)
        return phase_name(s->phase);
    if (s->active == NONE)
        return "placing";
    const struct member *m = core_member(core, s->active);
    return m->step == STEP_IDLE ? "steady" : step_name(m->step);
}
