/* Snapshots. One visitor walks the state in one order and counts, writes or reads, so that the
 * three can never disagree. Integers are little-endian, texts are a size byte and bytes. */
#include "orchestrator/core/snapshot.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/core/diagnose.h"
#include "orchestrator/core/stale.h"
#include "orchestrator/core/survey.h"
#include "orchestrator/core/vips.h"

#include <string.h>

/* A state without a census is written as it was before there were any: whoever does not know
 * them yet can read it, and there are none while such a one is a controller. */
enum { VERSION_PLAIN = 2, VERSION_CENSUS = 3, VERSION_GUARD = 4 };

enum visit_mode { VISIT_COUNT, VISIT_WRITE, VISIT_READ };

struct visit {
    enum visit_mode mode;
    uint8_t *out;
    const uint8_t *in;
    size_t at, size;
    uint8_t version;
    bool failed;
};

static void visit_bytes(struct visit *v, void *bytes, size_t size)
{
    if (v->mode == VISIT_WRITE)
        memcpy(v->out + v->at, bytes, size);
    if (v->mode == VISIT_READ) {
        if (v->failed || size > v->size - v->at) {
            v->failed = true;
            return;
        }
        memcpy(bytes, v->in + v->at, size);
    }
    v->at += size;
}

static void visit_u64(struct visit *v, uint64_t *value)
{
    uint8_t bytes[8] = {0};
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(*value >> (8 * i));
    visit_bytes(v, bytes, sizeof(bytes));
    if (v->mode == VISIT_READ) {
        *value = 0;
        for (int i = 0; i < 8; i++)
            *value |= (uint64_t)bytes[i] << (8 * i);
    }
}

static void visit_i64(struct visit *v, int64_t *value)
{
    uint64_t raw = (uint64_t)*value;
    visit_u64(v, &raw);
    *value = (int64_t)raw;
}

/* A time, at which sums with any duration are safe. */
static void visit_time(struct visit *v, int64_t *value)
{
    visit_i64(v, value);
    if (v->mode == VISIT_READ && (*value < 0 || *value > TIME_MAX_MS))
        v->failed = true;
}

/* A time or NEVER_MS. */
static void visit_deadline(struct visit *v, int64_t *value)
{
    visit_i64(v, value);
    if (v->mode == VISIT_READ && *value != NEVER_MS && (*value < 0 || *value > TIME_MAX_MS))
        v->failed = true;
}

static void visit_u32(struct visit *v, uint32_t *value)
{
    uint64_t raw = *value;
    visit_u64(v, &raw);
    if (raw > UINT32_MAX)
        v->failed = true;
    *value = (uint32_t)raw;
}

/* An index: NONE or below count. */
static void visit_index(struct visit *v, int32_t *value, int32_t count)
{
    int64_t raw = *value;
    visit_i64(v, &raw);
    if (raw < NONE || raw >= count)
        v->failed = true;
    else
        *value = (int32_t)raw;
}

/* A number below `count`: an enum. */
static void visit_u8(struct visit *v, uint8_t *value, uint8_t count)
{
    visit_bytes(v, value, 1);
    if (*value >= count)
        v->failed = true;
}

static void visit_u16(struct visit *v, uint16_t *value)
{
    uint8_t bytes[2] = {(uint8_t)*value, (uint8_t)(*value >> 8)};
    visit_bytes(v, bytes, sizeof(bytes));
    *value = (uint16_t)(bytes[0] | bytes[1] << 8);
}

static void visit_bool(struct visit *v, bool *value)
{
    uint8_t raw = *value;
    visit_u8(v, &raw, 2);
    *value = raw == 1;
}

static void visit_text(struct visit *v, char *text, size_t text_size)
{
    uint8_t size = (uint8_t)strnlen(text, text_size - 1);
    visit_bytes(v, &size, 1);
    if (size >= text_size) {
        v->failed = true;
        return;
    }
    visit_bytes(v, text, size);
    if (v->mode == VISIT_READ) {
        text[size] = '\0';
        v->failed = v->failed || strlen(text) != size;
    }
}

static void visit_budget(struct visit *v, struct budget *budget)
{
    visit_u32(v, &budget->count);
    if (budget->count > BUDGET_MAX) {
        v->failed = true;
        return;
    }
    for (uint32_t i = 0; i < budget->count; i++)
        visit_time(v, &budget->at_ms[i]);
}

static void visit_controller(struct visit *v, struct controller_state *c)
{
    visit_text(v, c->name, sizeof(c->name));
    visit_bool(v, &c->is_member);
    visit_bool(v, &c->looks);
    visit_bool(v, &c->votes);
    visit_u8(v, &c->presence, PRESENCE_ABSENT + 1);
    visit_bool(v, &c->is_missed);
    visit_u64(v, &c->run);
    visit_u64(v, &c->forgotten_index);
    visit_u32(v, &c->rules);
    visit_u64(v, &c->file);
    visit_bool(v, &c->is_blind);
    visit_bool(v, &c->is_not_calm);
    visit_text(v, c->sight_reason, sizeof(c->sight_reason));
    visit_text(v, c->reason, sizeof(c->reason));
    if (v->version >= VERSION_GUARD)
        visit_text(v, c->frozen, sizeof(c->frozen));
}

static void visit_head(struct visit *v, struct core *core)
{
    visit_u64(v, &core->index);
    visit_u64(v, &core->term);
    visit_u32(v, &core->leader);
    if (core->leader > CONTROLLERS_MAX)
        v->failed = true;
    visit_text(v, core->leader_name, sizeof(core->leader_name));
    visit_time(v, &core->at_ms);
    visit_time(v, &core->wall_ms);
    visit_bool(v, &core->is_paused);
    visit_time(v, &core->paused_since_ms);
    visit_text(v, core->paused_author, sizeof(core->paused_author));
    visit_text(v, core->paused_reason, sizeof(core->paused_reason));
    if (v->version >= VERSION_GUARD)
        visit_time(v, &core->paused_until_ms);
    visit_u32(v, &core->rules);
    visit_bool(v, &core->is_board_known);
    for (int i = 0; i < CONTROLLERS_MAX; i++)
        visit_controller(v, &core->controllers[i]);
}

static void visit_node(struct visit *v, struct node *node)
{
    visit_u8(v, &node->state, STATE_UNKNOWN + 1);
    visit_u8(v, &node->told, STATE_UNKNOWN + 1);
    visit_time(v, &node->since_ms);
    visit_u8(v, &node->reach, REACH_DOWN + 1);
    for (int i = 0; i < CONTROLLERS_MAX; i++)
        visit_u8(v, &node->reach_by[i], REACH_DOWN + 1);
    visit_time(v, &node->reach_since_ms);
    visit_text(v, node->reach_text, sizeof(node->reach_text));
    visit_bool(v, &node->in_maintenance);
    visit_time(v, &node->maintenance_since_ms);
    visit_text(v, node->maintenance_author, sizeof(node->maintenance_author));
    visit_text(v, node->maintenance_reason, sizeof(node->maintenance_reason));
    if (v->version >= VERSION_GUARD) {
        visit_time(v, &node->maintenance_until_ms);
        visit_u8(v, &node->guard, GUARD_NFT + 1);
        visit_text(v, node->frozen, sizeof(node->frozen));
    }
}

static void visit_member(struct visit *v, struct member *m)
{
    visit_u8(v, &m->state, STATE_UNKNOWN + 1);
    visit_u8(v, &m->told, STATE_UNKNOWN + 1);
    visit_bool(v, &m->is_known);
    visit_time(v, &m->since_ms);
    visit_text(v, m->text, sizeof(m->text));
    visit_u8(v, &m->step, STEP_CONFIRMING + 1);
    visit_u64(v, &m->order);
    visit_deadline(v, &m->deadline_ms);
    visit_u32(v, &m->tries);
    visit_budget(v, &m->restarts);
    visit_u8(v, &m->rule, RULE_COUNT);
    visit_deadline(v, &m->wake_ms);
    visit_time(v, &m->avoid_until_ms);
}

static void visit_opinion(struct visit *v, struct opinion *o)
{
    visit_u8(v, &o->state, STATE_UNKNOWN + 1);
    visit_time(v, &o->since_ms);
    visit_u8(v, &o->suspect, STATE_UNKNOWN + 1);
    visit_u8(v, &o->attempts, ATTEMPTS_MAX + 1);
    visit_u8(v, &o->cause, CAUSE_COUNT);
}

/* Of a check at which observers look; others have none. */
static void visit_census(struct visit *v, struct census *census)
{
    bool has_census = census->seers > 0;
    visit_bool(v, &has_census);
    if (!has_census)
        return;
    visit_u16(v, &census->seers);
    visit_u16(v, &census->silent);
    visit_u16(v, &census->doubters);
    for (int state = STATE_OK; state <= STATE_CRITICAL; state++) {
        visit_u16(v, &census->votes[state]);
        visit_u16(v, &census->newest[state]);
        visit_u16(v, &census->answers[state]);
    }
    if (census->seers == 0)
        v->failed = true;
}

static void visit_check(struct visit *v, struct check *check)
{
    for (int i = 0; i < CONTROLLERS_MAX; i++) {
        visit_bool(v, &check->opinions[i].is_known);
        if (check->opinions[i].is_known)
            visit_opinion(v, &check->opinions[i]);
    }
    if (v->version >= VERSION_CENSUS)
        visit_census(v, &check->census);
    visit_u8(v, &check->state, STATE_UNKNOWN + 1);
    visit_u8(v, &check->told, STATE_UNKNOWN + 1);
    visit_bool(v, &check->is_known);
    visit_time(v, &check->since_ms);
    visit_text(v, check->text, sizeof(check->text));
}

/* What was granted. Before there were guards it was always what the policy says. */
static void visit_lease(struct visit *v, struct vip *vip)
{
    visit_bool(v, &vip->is_guarded);
    visit_u32(v, &vip->granted_lease_ms);
    visit_u32(v, &vip->wait_ms);
    visit_budget(v, &vip->put_backs);
    if (vip->granted_lease_ms > LEASE_MAX_MS || vip->wait_ms > 2 * LEASE_MAX_MS)
        v->failed = true;
}

static void visit_vip(struct visit *v, const struct core *core, struct vip *vip)
{
    visit_bool(v, &vip->is_retired);
    if (vip->is_retired) { /* no longer in the policy: the bytes have to tell all of it */
        visit_text(v, vip->name, sizeof(vip->name));
        visit_text(v, vip->address, sizeof(vip->address));
        visit_text(v, vip->interface, sizeof(vip->interface));
        visit_u32(v, &vip->lease_ms);
        if (vip->lease_ms > LEASE_MAX_MS)
            v->failed = true;
    }
    visit_u8(v, &vip->phase, VIP_RELEASING + 1);
    visit_index(v, &vip->holder, core_node_count(core));
    visit_u64(v, &vip->order);
    visit_u64(v, &vip->grant_term);
    visit_time(v, &vip->granted_ms);
    visit_time(v, &vip->since_ms);
    if (v->version >= VERSION_GUARD)
        visit_lease(v, vip);
    else if (v->mode == VISIT_READ && vip->holder != NONE)
        vip_lease_plainly(vip);
}

static void visit_service(struct visit *v, const struct core *core, struct service *s)
{
    int32_t members = core_member_count(core);
    visit_u8(v, &s->phase, PHASE_ACQUIRING + 1);
    visit_time(v, &s->since_ms);
    visit_deadline(v, &s->deadline_ms);
    visit_u64(v, &s->order);
    visit_index(v, &s->active, members);
    visit_index(v, &s->from, members);
    visit_index(v, &s->target, members);
    visit_u8(v, &s->cause, RULE_COUNT);
    visit_bool(v, &s->is_stop_failed);
    visit_budget(v, &s->moves);
    visit_time(v, &s->moved_ms);
    visit_time(v, &s->placing_ms);
    visit_time(v, &s->better_since_ms);
    visit_index(v, &s->better, members);
    visit_u8(v, &s->rule, RULE_COUNT);
    visit_deadline(v, &s->wake_ms);
    visit_u8(v, &s->state, STATE_UNKNOWN + 1);
    visit_time(v, &s->state_since_ms);
}

static void visit_shape(struct visit *v, struct core_shape *shape)
{
    uint8_t head[4] = {'E', 'P', 'H', v->version};
    visit_bytes(v, head, sizeof(head));
    if (memcmp(head, "EPH", 3) != 0 || head[3] < VERSION_PLAIN || head[3] > VERSION_GUARD)
        v->failed = true;
    v->version = head[3];
    visit_u32(v, &shape->nodes);
    visit_u32(v, &shape->services);
    visit_u32(v, &shape->members);
    visit_u32(v, &shape->checks);
    visit_u32(v, &shape->vips);
}

static void visit_core(struct visit *v, struct core *core)
{
    struct core_shape shape = core->shape;
    visit_shape(v, &shape);
    if (v->failed || memcmp(&shape, &core->shape, sizeof(shape)) != 0) {
        v->failed = true;
        return;
    }
    visit_head(v, core);
    for (int32_t i = 0; i < core_node_count(core); i++)
        visit_node(v, core_node(core, i));
    for (int32_t i = 0; i < core_member_count(core); i++)
        visit_member(v, core_member(core, i));
    for (int32_t i = 0; i < core_check_count(core); i++)
        visit_check(v, core_check(core, i));
    for (int32_t i = 0; i < core_vip_count(core); i++)
        visit_vip(v, core, core_vip(core, i));
    for (int32_t i = 0; i < core_service_count(core); i++)
        visit_service(v, core, core_service(core, i));
}

/* ---------------------------------------------------------------- does it make sense
 * What the rest of the core takes for granted; bytes that say otherwise are damaged. */

static bool is_vip_whole(const struct vip *vip)
{
    bool may_be_retired = vip->phase == VIP_FREE || vip->phase == VIP_RELEASING;
    return (vip->phase == VIP_FREE) == (vip->holder == NONE) &&
           vip->is_retired == (vip->service == NONE) && (!vip->is_retired || may_be_retired);
}

static bool is_member_of(const struct service *s, int32_t member)
{
    return member == NONE ||
           (member >= s->member_first && member < s->member_first + s->member_count);
}

static bool is_service_whole(const struct service *s)
{
    bool has_deadline = s->deadline_ms != NEVER_MS;
    if (!is_member_of(s, s->active) || !is_member_of(s, s->from) || !is_member_of(s, s->target) ||
        !is_member_of(s, s->better) || (s->is_stop_failed && s->from == NONE))
        return false;
    switch ((enum phase)s->phase) {
    case PHASE_STEADY:
    case PHASE_RELEASING:
        return !has_deadline;
    case PHASE_STOPPING:
        return has_deadline && s->from != NONE;
    case PHASE_STARTING:
    case PHASE_ACQUIRING:
        return has_deadline && s->target != NONE && s->active == s->target;
    }
    return false;
}

static bool is_core_whole(const struct core *core)
{
    for (int32_t i = 0; i < core_vip_count(core); i++)
        if (!is_vip_whole(core_vip(core, i)))
            return false;
    for (int32_t i = 0; i < core_service_count(core); i++)
        if (!is_service_whole(core_service(core, i)))
            return false;
    for (int32_t i = 0; i < core_member_count(core); i++) {
        const struct member *m = core_member(core, i);
        if ((m->step == STEP_IDLE) != (m->deadline_ms == NEVER_MS))
            return false;
    }
    return true;
}

/* Counting and writing only read the state, so that const may be cast away for them. */
static struct core *unconst(const struct core *core)
{
    return (struct core *)(uintptr_t)core;
}

static uint8_t version_of(const struct core *core)
{
    if (core->rules >= RULES_GUARD)
        return VERSION_GUARD;
    for (int32_t i = 0; i < core_check_count(core); i++)
        if (core_check(core, i)->census.seers > 0)
            return VERSION_CENSUS;
    return VERSION_PLAIN;
}

size_t snapshot_size(const struct core *core)
{
    struct visit v = {.mode = VISIT_COUNT, .version = version_of(core)};
    visit_core(&v, unconst(core));
    return v.at;
}

void snapshot_write(const struct core *core, void *bytes)
{
    struct visit v = {.mode = VISIT_WRITE, .out = bytes, .version = version_of(core)};
    visit_core(&v, unconst(core));
    POST(!v.failed);
}

bool snapshot_shape(const void *bytes, size_t size, struct core_shape *shape)
{
    struct visit v = {.mode = VISIT_READ, .in = bytes, .size = size};
    visit_shape(&v, shape);
    return !v.failed;
}

bool snapshot_read(struct core *core, const void *bytes, size_t size)
{
    struct visit v = {.mode = VISIT_READ, .in = bytes, .size = size};
    visit_core(&v, core);
    if (v.failed || v.at != size || !is_core_whole(core))
        return false;
    stale_link(core);
    core->is_stale = false; /* it was settled when it was written */
    stale_services(core);   /* but by what is not in it: whether rule 21 held anything */
    survey_refresh(core);
    diagnose_tell(core, NULL);
    return true;
}
