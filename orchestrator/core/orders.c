/* Orders: recomputed from the whole state, so that a lost message or a new leader simply asks
 * again. GRANT-FIRST holds because this reads committed state only. */
#include "orchestrator/core/core.h"

static void vip_orders(const struct core *core, core_order_fn *emit, void *data)
{
    for (int32_t i = 0; i < core_vip_count(core); i++) {
        const struct vip *vip = core_vip(core, i);
        struct order order = {.id = vip->order,
                              .node = vip->holder,
                              .service = vip->service,
                              .vip = i,
                              .deadline_ms = NEVER_MS};
        switch ((enum vip_phase)vip->phase) {
        case VIP_FREE:
        case VIP_LOST:
            continue;
        case VIP_GRANTED:
        case VIP_HELD:
            order.kind = ORDER_HOLD;
            order.acquire = vip->phase == VIP_GRANTED;
            break;
        case VIP_RELEASING:
            order.kind = ORDER_RELEASE;
            break;
        }
        emit(data, &order);
    }
}

void core_orders(const struct core *core, core_order_fn *emit, void *data)
{
    vip_orders(core, emit, data);
    for (int32_t i = 0; i < core_service_count(core); i++) {
        const struct service *s = core_service(core, i);
        struct order order = {
            .id = s->order, .service = i, .vip = NONE, .deadline_ms = s->deadline_ms};
        if (s->phase == PHASE_STOPPING) {
            order.kind = ORDER_STOP;
            order.node = core_member(core, s->from)->node;
            emit(data, &order);
        } else if (s->phase == PHASE_STARTING) {
            order.kind = ORDER_START;
            order.node = core_member(core, s->target)->node;
            emit(data, &order);
        }
    }
    for (int32_t i = 0; i < core_member_count(core); i++) {
        const struct member *m = core_member(core, i);
        if (m->step != STEP_RESTARTING)
            continue;
        struct order order = {.kind = ORDER_RESTART,
                              .id = m->order,
                              .node = m->node,
                              .service = m->service,
                              .vip = NONE,
                              .deadline_ms = m->deadline_ms};
        emit(data, &order);
    }
}
