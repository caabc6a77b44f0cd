/* The normal form of a system. Only what no decision reads any more is forgotten: texts, dates for
 * people, times that are over. A mistake here would join states that differ; every violation is
 * therefore replayed without it before it is believed. */
#include "tests/explorer/world.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/core/snapshot.h"

#include <string.h>

enum { IDS_MAX = 32 };

struct names { /* order ids, in the order in which they were met */
    uint64_t ids[IDS_MAX];
    uint64_t count;
};

static uint64_t rename_order(struct names *names, uint64_t id)
{
    if (id == 0)
        return 0;
    for (uint64_t i = 0; i < names->count; i++)
        if (names->ids[i] == id)
            return i + 1;
    PRE(names->count < IDS_MAX);
    names->ids[names->count++] = id;
    return names->count;
}

/* A time that only matters while it is less than span_ms ago; then `over` stands for it. */
static int64_t past(int64_t at_ms, int64_t now_ms, int64_t span_ms, int64_t over)
{
    return now_ms - at_ms >= span_ms ? over : at_ms - now_ms + WORLD_START_MS;
}

static int64_t future(int64_t at_ms, int64_t now_ms)
{
    return at_ms == NEVER_MS ? NEVER_MS : at_ms - now_ms + WORLD_START_MS;
}

static void budget_form(struct budget *budget, int64_t now_ms, int64_t window_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < budget->count; i++)
        if (budget->at_ms[i] + window_ms > now_ms)
            budget->at_ms[kept++] = budget->at_ms[i] - now_ms + WORLD_START_MS;
    memset(&budget->at_ms[kept], 0, (BUDGET_MAX - kept) * sizeof(int64_t));
    budget->count = kept;
}

static void spent_form(struct spent *spent, int64_t now_ms, int64_t window_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < spent->count; i++)
        if (spent->at_ms[i] + window_ms > now_ms)
            spent->at_ms[kept++] = spent->at_ms[i] - now_ms + WORLD_START_MS;
    memset(&spent->at_ms[kept], 0, (WORLD_SPENT - kept) * sizeof(int64_t));
    spent->count = kept;
}

static void service_form(struct service *s, int64_t now_ms, struct names *names)
{
    bool has_command = s->phase == PHASE_STOPPING || s->phase == PHASE_STARTING;
    s->since_ms = s->state_since_ms = 0;
    s->state = STATE_OK;
    s->rule = RULE_NONE;
    s->cause = RULE_NONE;
    s->order = has_command ? rename_order(names, s->order) : 0;
    s->deadline_ms = future(s->deadline_ms, now_ms);
    s->wake_ms = s->phase == PHASE_STEADY ? future(s->wake_ms, now_ms) : NEVER_MS;
    if (s->phase == PHASE_STEADY) {
        s->target = NONE;
        if (!s->is_stop_failed)
            s->from = NONE;
    }
    budget_form(&s->moves, now_ms, s->moves_window_ms);
    s->moved_ms = s->moved_ms == 0 ? 0 : past(s->moved_ms, now_ms, STOP_AGAIN_MS, 0);
    if (s->placing_ms != 0)
        s->placing_ms = past(s->placing_ms, now_ms, PLACING_MS, WORLD_START_MS - PLACING_MS);
    if (s->better != NONE)
        s->better_since_ms = past(s->better_since_ms, now_ms, s->failback_after_ms,
                                  WORLD_START_MS - s->failback_after_ms);
}

static void member_form(struct member *m, const struct service *s, int64_t now_ms,
                        struct names *names)
{
    m->since_ms = 0;
    m->told = STATE_OK;
    memset(m->text, 0, sizeof(m->text));
    m->order = m->step == STEP_RESTARTING ? rename_order(names, m->order) : 0;
    m->deadline_ms = m->step == STEP_IDLE ? NEVER_MS : future(m->deadline_ms, now_ms);
    m->wake_ms = m->step == STEP_IDLE ? future(m->wake_ms, now_ms) : NEVER_MS;
    m->rule = RULE_NONE;
    if (m->tries > s->restart_tries)
        m->tries = s->restart_tries;
    budget_form(&m->restarts, now_ms, s->restart_window_ms);
    m->avoid_until_ms = m->avoid_until_ms <= now_ms ? 0 : future(m->avoid_until_ms, now_ms);
}

static void check_form(struct check *check)
{
    check->since_ms = 0;
    check->told = STATE_OK;
    memset(check->text, 0, sizeof(check->text));
    for (int i = 0; i < CONTROLLERS_MAX; i++)
        check->opinions[i].since_ms = 0;
}

static void vip_form(struct vip *vip, int64_t now_ms, struct names *names)
{
    vip->since_ms = 0;
    vip->grant_term = 0;
    vip->order = rename_order(names, vip->order);
    budget_form(&vip->put_backs, now_ms, REGRANT_MS);
    vip->granted_ms = vip->phase == VIP_FREE || vip->phase == VIP_RELEASING
                          ? 0
                          : past(vip->granted_ms, now_ms, REGRANT_MS, 0);
}

static void world_form(struct world *world, const struct plan *plan, int64_t now_ms,
                       const struct service *s, struct names *names)
{
    for (int32_t n = 0; n < plan->nodes; n++) {
        for (int32_t v = 0; v < plan->vips; v++)
            world->late[n][v] = rename_order(names, world->late[n][v]);
        spent_form(&world->restarts[n], now_ms, s->restart_window_ms);
    }
    for (uint32_t i = 0; i < world->note_count; i++)
        world->notes[i].order = rename_order(names, world->notes[i].order);
    spent_form(&world->moves, now_ms, s->moves_window_ms);
}

void canonical_form(struct system sys, const struct plan *plan)
{
    struct core *core = sys.core;
    struct service *s = core_service(core, 0);
    int64_t now_ms = core->at_ms;
    struct names names = {.count = 0};
    for (int32_t i = 0; i < core_vip_count(core); i++)
        vip_form(core_vip(core, i), now_ms, &names);
    service_form(s, now_ms, &names);
    for (int32_t i = 0; i < core_member_count(core); i++)
        member_form(core_member(core, i), s, now_ms, &names);
    for (int32_t i = 0; i < core_check_count(core); i++)
        check_form(core_check(core, i));
    for (int32_t i = 0; i < core_node_count(core); i++) {
        struct node *node = core_node(core, i);
        node->since_ms = node->maintenance_since_ms = 0;
        node->reach_since_ms = past(node->reach_since_ms, now_ms, RETURN_MS, 0);
        node->told = STATE_OK;
        memset(node->maintenance_author, 0, sizeof(node->maintenance_author));
    }
    world_form(sys.world, plan, now_ms, s, &names);
    core->at_ms = WORLD_START_MS;
    core->index = WORLD_ORDER;
    core->term = 1;
    core->paused_since_ms = 0;
    memset(core->paused_author, 0, sizeof(core->paused_author));
}

/* ---------------------------------------------------------------- identity */

struct bytes {
    uint8_t *data;
    size_t size, size_max;
};

static void put(struct bytes *out, uint64_t value, size_t size)
{
    PRE(out->size + size <= out->size_max);
    for (size_t i = 0; i < size; i++)
        out->data[out->size++] = (uint8_t)(value >> (8 * i));
}

static void put_spent(struct bytes *out, const struct spent *spent)
{
    put(out, spent->count, 1);
    for (uint32_t i = 0; i < spent->count; i++)
        put(out, (uint64_t)spent->at_ms[i], 8);
}

size_t canonical_bytes(struct system sys, const struct plan *plan, uint8_t *data, size_t size)
{
    const struct world *world = sys.world;
    struct bytes out = {.data = data, .size = snapshot_size(sys.core), .size_max = size};
    PRE(out.size <= size);
    snapshot_write(sys.core, data);
    for (int32_t n = 0; n < plan->nodes; n++) {
        put(&out, world->is_cut[n], 1);
        put(&out, world->runs[n], 1);
        put_spent(&out, &world->restarts[n]);
        for (int32_t v = 0; v < plan->vips; v++) {
            put(&out, world->holds[n][v], 1);
            put(&out, world->late[n][v], 1);
        }
    }
    put_spent(&out, &world->moves);
    put(&out, world->accidents, 1);
    put(&out, world->note_count, 1);
    for (uint32_t i = 0; i < world->note_count; i++) {
        const struct note *note = &world->notes[i];
        put(&out, note->order, 1);
        put(&out, note->kind, 1);
        put(&out, note->result, 1);
        put(&out, (uint64_t)note->object, 1);
        put(&out, (uint64_t)note->node, 1);
        put(&out, note->is_repeated, 1);
    }
    return out.size;
}
