/* The invariants of nodes, leases and leadership, and what is known of the state machines; what
 * follows from one entry to the next is whole_step.c's. */
#include "tests/sim/whole_check.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/snapshot.h"
#include "tests/sim/whole_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { AUTHORS = WHOLE_CONTROLLERS + 1 };

struct applied { /* what the first who applied an entry came to */
    uint64_t digest, rows;
    uint32_t named; /* what the journal names: bits of services, then of VIPs */
    bool is_known;
};

struct sent { /* an order that a node began */
    uint64_t order;
    const struct whole_node *node;
    uint32_t life;
    int32_t service;
};

struct whole_check {
    struct whole_board board;
    struct whole_truth truth;
    uint64_t board_index;
    struct {
        uint64_t run, sequence, run_before;
    } authors[AUTHORS];
    struct applied *applied;
    uint64_t applied_capacity;
    uint64_t rows[WHOLE_CONTROLLERS + 1]; /* of the entry that is being handed on there */
    struct sent sent[WHOLE_ORDERS];
    uint32_t sent_count;
    uint64_t granted[WHOLE_VIPS][WHOLE_NODES]; /* the newest grant */
    uint8_t *scratch;
    size_t scratch_size;
};

struct whole_check *whole_check_new(void)
{
    return sim_need(calloc(1, sizeof(struct whole_check)));
}

void whole_check_free(struct whole_check *check)
{
    free(check->applied);
    free(check->scratch);
    free(check);
}

void whole_check_reset(struct whole_check *check)
{
    struct whole_check clean = {.applied = check->applied,
                                .applied_capacity = check->applied_capacity,
                                .scratch = check->scratch,
                                .scratch_size = check->scratch_size};
    *check = clean;
    if (check->applied != NULL)
        memset(check->applied, 0, check->applied_capacity * sizeof(*check->applied));
}

static struct applied *applied_at(struct whole_check *check, uint64_t index)
{
    if (index >= check->applied_capacity) {
        uint64_t before = check->applied_capacity;
        check->applied_capacity = index * 2 + 1024;
        check->applied =
            sim_need(realloc(check->applied, check->applied_capacity * sizeof(*check->applied)));
        memset(check->applied + before, 0,
               (check->applied_capacity - before) * sizeof(*check->applied));
    }
    return &check->applied[index];
}

/* ---- entries */

/* An author sends again what it has not seen applied; only the first counts. */
static bool is_first_time(struct whole_check *check, const Ephor__Fact *fact)
{
    if (fact->author == 0 || fact->author >= AUTHORS)
        return true;
    uint64_t *run = &check->authors[fact->author].run;
    if (fact->previous > (*run == fact->run ? check->authors[fact->author].sequence : 0))
        return false; /* the one before it was lost: both are sent again */
    if (*run == fact->run && fact->sequence <= check->authors[fact->author].sequence)
        return false;
    if (fact->run != 0 && check->authors[fact->author].run_before == fact->run)
        return false;
    if (*run != fact->run)
        check->authors[fact->author].run_before = *run;
    *run = fact->run;
    check->authors[fact->author].sequence = fact->sequence;
    return true;
}

void whole_check_entry(struct whole *whole, uint64_t index, const struct whole_blob *bytes)
{
    struct whole_check *check = whole->check;
    if (index <= check->board_index)
        return;
    check->board_index = index;
    Ephor__Fact *fact = ephor__fact__unpack(NULL, bytes->size, bytes->bytes);
    if (is_first_time(check, fact) && check->truth.has_core)
        whole_board_apply(whole, &check->board, fact);
    ephor__fact__free_unpacked(fact, NULL);
}

void whole_check_row(struct whole_controller *controller, const struct journal_row *row)
{
    struct whole *whole = controller->whole;
    struct applied *applied = applied_at(whole->check, row->index);
    uint64_t *rows = &whole->check->rows[controller->id];
    *rows = XXH3_64bits_withSeed(row->object, strlen(row->object), *rows + 1);
    *rows = XXH3_64bits_withSeed(row->text, strlen(row->text), *rows);
    whole_trace(whole, "%u journal %llu: %s %s: %s", controller->id, (unsigned long long)row->index,
                row->event, row->object, row->text);
    for (uint32_t s = 0; s < WHOLE_SERVICES; s++)
        if (row->object[0] == 's' && row->object[1] == (char)('1' + s))
            applied->named |= 1u << s;
    for (uint32_t v = 0; v < WHOLE_VIPS; v++)
        if (row->object[0] == 'v' && row->object[1] == (char)('1' + v))
            applied->named |= 1u << (WHOLE_SERVICES + v);
}

void whole_check_began(struct whole_controller *controller)
{
    controller->whole->check->rows[controller->id] = 0;
}

static uint64_t digest_of(struct whole_check *check, const struct machine *machine)
{
    uint64_t digest = machine->index;
    for (uint32_t i = 0; i < AUTHORS_MAX; i++) {
        const struct author *a = &machine->authors[i];
        const uint64_t numbers[] = {a->id, a->run, a->sequence, a->run_before, a->heard_index};
        digest = XXH3_64bits_withSeed(numbers, sizeof(numbers), digest);
    }
    if (machine->core == NULL)
        return digest;
    size_t size = snapshot_size(machine->core);
    if (size > check->scratch_size) {
        check->scratch = sim_need(realloc(check->scratch, size));
        check->scratch_size = size;
    }
    snapshot_write(machine->core, check->scratch);
    return XXH3_64bits_withSeed(check->scratch, size, digest);
}

static void note_grants(struct whole_check *check)
{
    for (int32_t v = 0; v < WHOLE_VIPS; v++)
        if (check->truth.vips[v].phase == VIP_GRANTED)
            check->granted[v][check->truth.vips[v].holder] = check->truth.vips[v].order;
}

void whole_check_applied(struct whole_controller *controller, uint64_t index)
{
    struct whole *whole = controller->whole;
    struct whole_check *check = whole->check;
    const struct quorum *q = controller->quorum.data;
    struct applied *applied = applied_at(check, index);
    uint64_t rows = check->rows[controller->id];
    check->rows[controller->id] = 0;
    if (q->machine.index != index) /* none of the state machine's */
        return;
    uint64_t digest = digest_of(check, &q->machine);
    if (!applied->is_known) {
        applied->is_known = true;
        applied->digest = digest;
        applied->rows = rows;
        whole_step_check(whole, &check->truth, &check->board, &q->machine);
        note_grants(check);
        return;
    }
    if (applied->digest != digest)
        sim_broken(whole->world, "SAME", "%u comes to another state by entry %llu", controller->id,
                   (unsigned long long)index);
    if (rows != 0 && applied->rows != rows)
        sim_broken(whole->world, "SAME", "%u journals entry %llu otherwise", controller->id,
                   (unsigned long long)index);
}

void whole_check_snapshot(struct whole *whole, uint64_t index, const void *bytes, size_t size)
{
    if (index >= whole->snapshots_capacity) {
        uint64_t before = whole->snapshots_capacity;
        whole->snapshots_capacity = index * 2 + 256;
        whole->snapshots = sim_need(
            realloc(whole->snapshots, whole->snapshots_capacity * sizeof(*whole->snapshots)));
        memset(whole->snapshots + before, 0,
               (whole->snapshots_capacity - before) * sizeof(*whole->snapshots));
    }
    struct whole_blob *blob = &whole->snapshots[index];
    if (blob->bytes != NULL) {
        if (blob->size != size || memcmp(blob->bytes, bytes, size) != 0)
            sim_broken(whole->world, "SAME", "two snapshots of entry %llu differ",
                       (unsigned long long)index);
        return;
    }
    blob->bytes = whole_alloc(whole, size);
    blob->size = size;
    memcpy(blob->bytes, bytes, size);
}

/* ---- lines for nodes */

void whole_check_composed(struct whole_controller *controller, const struct whole_node *node,
                          bool is_lease, const char *line)
{
    struct whole *whole = controller->whole;
    char copy[64];
    char *save = NULL;
    int64_t epoch;
    text_copy(copy, sizeof(copy), line);
    const char *word = strtok_r(copy, " ", &save);
    if (is_lease && (word == NULL || strcmp(word, "hold") != 0))
        return;
    for (int i = 0; i < 2 && is_lease; i++)
        word = strtok_r(NULL, " ", &save);
    if (word == NULL || !text_parse_int(word, 0, INT64_MAX, &epoch))
        return; /* an argument of a command */
    int64_t now_ms = whole_local_ms(controller);
    if (whole->controllers_count == 1)
        return;
    if (controller->fresh_term != (uint64_t)epoch)
        sim_broken(whole->world, "LEADER-FRESH", "%u sends %s a line of term %lld and led %llu",
                   controller->id, node->name, (long long)epoch,
                   (unsigned long long)controller->fresh_term);
    else if (now_ms >= controller->fresh_until_ms)
        sim_broken(whole->world, "LEADER-FRESH",
                   "%u sends %s a line %lld ms after it could be sure to lead", controller->id,
                   node->name, (long long)(now_ms - controller->fresh_until_ms));
}

/* ---- what nodes do */

void whole_check_set(struct whole_node *node, int32_t vip, uint64_t epoch, bool was_there,
                     bool acquires, int64_t until_cs, const char *boot)
{
    struct whole *whole = node->whole;
    const struct whole_check *check = whole->check;
    const struct whole_vip_truth *truth = &check->truth.vips[vip];
    char own[16];
    snprintf(own, sizeof(own), "b%d-%u", node->index, node->life);
    (void)until_cs;
    if (strcmp(own, boot) != 0)
        sim_broken(whole->world, "NO-RESURRECTION", "%s takes v%d by a line for an earlier boot",
                   node->name, vip + 1);
    if (epoch < node->seen)
        sim_broken(whole->world, "NO-RESURRECTION",
                   "%s takes v%d by a line of epoch %llu, it has seen %llu", node->name, vip + 1,
                   (unsigned long long)epoch, (unsigned long long)node->seen);
    if (!was_there && !acquires)
        sim_broken(whole->world, "NO-RESURRECTION", "%s takes v%d by a line that extends",
                   node->name, vip + 1);
    if (whole_node_is_excused(node, vip))
        return;
    if (truth->holder != node->index)
        sim_broken(whole->world,
                   check->granted[vip][node->index] > 0 ? "NO-RESURRECTION" : "GRANT-FIRST",
                   "%s %s v%d, which is not granted to it", node->name,
                   was_there ? "prolongs" : "takes", vip + 1);
    else if (!was_there && (check->applied[truth->order].named >> (WHOLE_SERVICES + vip) & 1) == 0)
        sim_broken(whole->world, "JOURNALED", "%s takes v%d, and no journal tells why", node->name,
                   vip + 1);
}

void whole_check_dropped(struct whole_node *node, int32_t vip)
{
    struct whole *whole = node->whole;
    const struct whole_vip_truth *truth = &whole->check->truth.vips[vip];
    bool is_its_own =
        truth->holder == node->index && (truth->phase == VIP_HELD || truth->phase == VIP_GRANTED);
    if (is_its_own)
        sim_broken(whole->world, "JOURNALED", "%s is told to drop v%d, which is granted to it",
                   node->name, vip + 1);
}

void whole_check_command(struct whole_node *node, int32_t service, uint64_t order, const char *verb,
                         uint64_t epoch)
{
    struct whole *whole = node->whole;
    struct whole_check *check = whole->check;
    (void)epoch;
    for (uint32_t i = 0; i < check->sent_count; i++) {
        const struct sent *sent = &check->sent[i];
        if (sent->order == order && sent->service == service && sent->node == node &&
            sent->life == node->life)
            sim_broken(whole->world, "RESUME", "%s carries out order %llu once more", node->name,
                       (unsigned long long)order);
    }
    if (check->sent_count < WHOLE_ORDERS)
        check->sent[check->sent_count++] = (struct sent){order, node, node->life, service};
    if ((applied_at(check, order)->named >> service & 1) == 0)
        sim_broken(whole->world, "JOURNALED", "%s is told to %s s%d, and no journal tells why",
                   node->name, verb, service + 1);
    for (int32_t n = 0; n < whole->profile.nodes; n++)
        if (whole->profile.is_active_only[service] && strcmp(verb, "start") == 0 &&
            n != node->index && whole->nodes[n].services[service] == WHOLE_RUNS)
            sim_broken(whole->world, "ONE-RUNNER", "s%d is started on %s and runs on n%d",
                       service + 1, node->name, n + 1);
}

/* ---- checkers */

void whole_check_observed(struct whole_controller *controller, uint32_t check, uint8_t state)
{
    struct whole *whole = controller->whole;
    struct whole_board *board = &whole->check->board;
    board->answer[controller->id][check] = state;
    if (state == STATE_CRITICAL)
        board->critical_us[controller->id][check] = whole->world->now_us;
}

/* ---- after every event */

void whole_check_now(struct whole *whole)
{
    const struct whole_truth *truth = &whole->check->truth;
    for (int32_t v = 0; v < whole->profile.vips; v++) {
        int32_t holder = -1;
        for (int32_t n = 0; n < whole->profile.nodes; n++) {
            const struct whole_node *node = &whole->nodes[n];
            if (!whole_node_holds(node, v) || whole_node_is_excused(node, v))
                continue;
            if (holder >= 0)
                sim_broken(whole->world, "ONE-HOLDER", "n%d and n%d answer for v%d", holder + 1,
                           n + 1, v + 1);
            holder = n;
            if (truth->vips[v].holder != n)
                sim_broken(whole->world, "WAIT-OUT",
                           "n%d answers for v%d, which is free or another's by entry %llu", n + 1,
                           v + 1, (unsigned long long)truth->index);
        }
    }
}

/* ---- LIVENESS */

static bool vip_is_well(const struct whole *whole, const struct core *core, int32_t v,
                        char *trouble, size_t size)
{
    const struct vip *vip = core_vip(core, v);
    if (vip->phase == VIP_HELD && whole_node_holds(&whole->nodes[vip->holder], v))
        return true;
    snprintf(trouble, size, "v%d is %s", v + 1, vip_phase_name((enum vip_phase)vip->phase));
    return false;
}

static bool service_is_well(const struct whole *whole, const struct core *core, int32_t i,
                            char *trouble, size_t size)
{
    const struct service *s = core_service(core, i);
    bool is_well = s->phase == PHASE_STEADY && s->active != NONE &&
                   core_member(core, s->active)->step == STEP_IDLE &&
                   whole->nodes[core_member(core, s->active)->node].services[i] == WHOLE_RUNS;
    if (!is_well)
        snprintf(trouble, size, "s%d is %s, active on n%d, rule %d (%s)", i + 1,
                 core_service_phase(core, i),
                 s->active == NONE ? 0 : core_member(core, s->active)->node + 1, s->rule,
                 rule_name((enum rule)s->rule));
    return is_well;
}

void whole_check_tell(struct whole *whole)
{
    const struct sim_server *leader = sim_world_leader(whole->world);
    if (leader == NULL || !whole->controllers[leader->id].quorum.is_up || !whole->world->has_trace)
        return;
    const struct quorum *q = whole->controllers[leader->id].quorum.data;
    const struct actor *actor = whole->controllers[leader->id].actor.data;
    const struct core *core = q->machine.core;
    if (core == NULL)
        return;
    whole_board_tell(whole, &whole->check->board, core);
    for (int32_t n = 0; n < core_node_count(core); n++)
        whole_trace(whole, "n%d: reach %d, %s", n + 1, core_node(core, n)->reach,
                    core_node(core, n)->reach_text);
    for (const struct owed *o = actor->owed; o != NULL; o = o->next)
        whole_trace(whole, "owed: %s %llu of %s%s on %s%s%s%s%s",
                    order_kind_name((enum order_kind)o->kind), (unsigned long long)o->id,
                    o->service, o->vip, o->node, o->acquire ? " acquire" : "",
                    o->is_reported ? " reported" : "", o->is_held ? " held" : "",
                    o->is_lost ? " lost" : "");
}

/* Everybody has come forward, and everything that it sees is known. */
static bool controller_is_well(const struct whole *whole, const struct core *core, uint32_t seat,
                               char *trouble, size_t size)
{
    const struct quorum *q = whole->controllers[seat].quorum.data;
    char why[LINE_SIZE];
    if (!core_controller_is_well(core, seat, why)) {
        snprintf(trouble, size, "c%u: %.80s", seat, why);
        return false;
    }
    for (int32_t i = 0; i < core_check_count(core); i++)
        if (!core_check(core, i)->opinions[seat - 1].is_known) {
            snprintf(trouble, size, "nobody knows what c%u thinks of %.20s", seat,
                     core_check(core, i)->id);
            return false;
        }
    if (q->proposals.count > 0)
        snprintf(trouble, size, "c%u has %u facts that are not in the log", seat,
                 q->proposals.count);
    return q->proposals.count == 0;
}

bool whole_check_is_well(struct whole *whole, char *trouble, size_t size)
{
    const struct sim_server *leader = sim_world_leader(whole->world);
    if (leader == NULL || !whole->controllers[leader->id].quorum.is_up) {
        snprintf(trouble, size, "nobody leads");
        return false;
    }
    const struct quorum *q = whole->controllers[leader->id].quorum.data;
    const struct core *core = q->machine.core;
    if (core == NULL) {
        snprintf(trouble, size, "there is no policy");
        return false;
    }
    for (int32_t i = 0; i < whole->profile.services; i++)
        if (!service_is_well(whole, core, i, trouble, size))
            return false;
    for (int32_t v = 0; v < whole->profile.vips; v++)
        if (!vip_is_well(whole, core, v, trouble, size))
            return false;
    for (int32_t c = 1; c <= whole->controllers_count; c++)
        if (!whole->controllers[c].quorum.is_up ||
            !controller_is_well(whole, core, (uint32_t)c, trouble, size))
            return false;
    return true;
}
