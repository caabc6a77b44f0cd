/* What a seed is like, and the accidents of nodes, paths and actors in it; those of controllers and
 * of their network are tests/raft/sim_faults.c's. */
#include "orchestrator/base/text.h"
#include "tests/sim/whole.h"

#include <stdio.h>

static int64_t pick(struct sim_random *random, int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t choices[4] = {a, b, c, d};
    return choices[sim_below(random, 4)];
}

/* ---- what it is like */

/* The core's own profile, tamed: leases take seconds, so that a seed is long, and who never gets to
 * lead for as long as that shows little. */
static void tame(struct whole *whole)
{
    struct sim_random *random = &whole->world->random;
    struct sim_profile *p = &whole->world->profile;
    bool has_reboots = p->has_reboots;
    int64_t election_ms = pick(random, 150, 300, 300, 600);
    p->election_ms = election_ms;
    p->heartbeat_ms = election_ms / 3;
    p->append_bytes_max = 65536;
    p->window_bytes = 1000000;
    p->chunk_bytes = (uint32_t)pick(random, 1000, 4000, 100000, 100000);
    p->threshold = (uint32_t)pick(random, 20, 60, 150, 300);
    p->trailing = (uint32_t)pick(random, 0, 2, 10, 30);
    p->log_max = 1024;
    p->delay_us = pick(random, 50, 300, 2000, 5000);
    p->jitter_us = pick(random, 50, 1000, 3000, 10000);
    p->loss = (uint32_t)pick(random, 0, 0, 5000, 30000);
    p->doubles = p->late = 0;
    p->is_in_order = true;
    p->flush_us = pick(random, 50, 500, 3000, 10000);
    p->slow_flush_us = election_ms * 500;
    p->skew_ppm = (int32_t)pick(random, 0, 100, 4500, 4500); /* of both ends: 1 % at most */
    p->has_reboots = has_reboots;
    p->fault_us = sim_percent(random, 15) ? 0 : pick(random, 1, 2, 4, 8) * 1000000;
    p->down_us = pick(random, 300, 1000, 3000, 8000) * 1000;
    p->weight_lost = p->weight_damage = 0;
    p->client_us = p->operator_us = 0;
    p->has_churn = p->begins_alone = p->has_changes = p->has_transfers = p->has_witness = false;
}

void whole_profile_draw(struct whole *whole)
{
    struct sim_random *random = &whole->world->random;
    struct whole_profile *p = &whole->profile;
    tame(whole);
    *p = (struct whole_profile){.nodes = (int32_t)sim_between(random, 2, WHOLE_NODES),
                                .services = (int32_t)sim_between(random, 1, WHOLE_SERVICES),
                                .vips = (int32_t)sim_between(random, 1, WHOLE_VIPS)};
    for (int32_t i = 0; i < p->services; i++)
        p->is_active_only[i] = sim_percent(random, 35);
    p->has_restart = sim_percent(random, 60);
    p->has_node_checks = sim_percent(random, 40);
    p->failback_auto = sim_percent(random, 30);
    p->confirm = sim_percent(random, 60);
    p->lease_ms = (uint32_t)pick(random, 3000, 3000, 4000, 6000); /* the configuration's least */
    p->guarded_lease_ms = (uint32_t)pick(random, 0, 1000, 1000, 2500);
    p->guard = (uint32_t)pick(random, 0, 50, 100, 100);
    p->fall = (uint32_t)sim_between(random, 1, 3);
    p->moves_max = (uint32_t)sim_between(random, 1, 3);
    p->restart_budget = (uint32_t)sim_between(random, 1, 3);
    p->path_us = pick(random, 100, 500, 3000, 20000);
    p->fault_us = sim_percent(random, 5) ? 0 : pick(random, 500, 1500, 3000, 6000) * 1000;
    p->down_us = pick(random, 500, 2000, 5000, 12000) * 1000;
    p->operator_us = pick(random, 0, 0, 3000, 8000) * 1000;
    p->weight_path = (uint32_t)pick(random, 0, 10, 20, 40);
    p->weight_service = (uint32_t)pick(random, 0, 10, 20, 20);
    p->weight_reboot = (uint32_t)pick(random, 0, 0, 5, 10);
    p->weight_pause = (uint32_t)pick(random, 0, 0, 5, 15);
    p->weight_remove = (uint32_t)pick(random, 0, 0, 3, 3);
    p->weight_actor = (uint32_t)pick(random, 0, 5, 10, 20);
}

/* ---- accidents */

static int64_t for_us(struct whole *whole)
{
    return sim_between(&whole->world->random, 50000, whole->profile.down_us);
}

static struct whole_node *some_node(struct whole *whole)
{
    return &whole->nodes[sim_below(&whole->world->random, (uint64_t)whole->profile.nodes)];
}

static struct whole_controller *some_controller(struct whole *whole)
{
    struct sim_server *leader = sim_world_leader(whole->world);
    if (leader != NULL && sim_percent(&whole->world->random, 60))
        return &whole->controllers[leader->id];
    return &whole->controllers[sim_between(&whole->world->random, 1, whole->controllers_count)];
}

struct cut {             /* under way */
    uint32_t controller; /* 0: all */
    int32_t node;        /* -1: all */
    bool is_to, is_from;
};

static void set_cut(struct whole *whole, const struct cut *cut, bool is_cut)
{
    for (int32_t c = 1; c <= whole->controllers_count; c++)
        for (int32_t n = 0; n < whole->profile.nodes; n++) {
            if ((cut->controller != 0 && cut->controller != (uint32_t)c) ||
                (cut->node >= 0 && cut->node != n))
                continue;
            if (cut->is_to)
                whole->cut_to[c][n] = is_cut;
            if (cut->is_from)
                whole->cut_from[c][n] = is_cut;
        }
}

static void on_heal(struct whole_call *call)
{
    set_cut(call->whole, call->data, false);
    whole_trace(call->whole, "a path heals");
}

static void strike_path(struct whole *whole)
{
    struct sim_random *random = &whole->world->random;
    struct cut *cut = whole_alloc(whole, sizeof(*cut));
    cut->controller = sim_percent(random, 35) ? 0 : some_controller(whole)->id;
    cut->node = sim_percent(random, 20) ? -1 : some_node(whole)->index;
    cut->is_to = cut->is_from = true;
    if (sim_percent(random, 40)) {
        cut->is_to = sim_percent(random, 50);
        cut->is_from = !cut->is_to;
    }
    whole->totals->cuts++;
    set_cut(whole, cut, true);
    whole_trace(whole, "the path between controller %u and node %d is cut%s", cut->controller,
                cut->node + 1,
                !cut->is_to     ? ", back"
                : !cut->is_from ? ", there"
                                : "");
    whole_call_in(whole, for_us(whole), NULL, NULL, on_heal, cut);
}

static void strike_service(struct whole *whole)
{
    struct whole_node *node = some_node(whole);
    uint64_t service = sim_below(&whole->world->random, (uint64_t)whole->profile.services);
    if (node->is_down || node->services[service] != WHOLE_RUNS)
        return;
    node->services[service] = sim_percent(&whole->world->random, 70) ? WHOLE_DEAD : WHOLE_HUNG;
    whole_trace(whole, "%s: s%d %s", node->name, (int)service + 1,
                node->services[service] == WHOLE_DEAD ? "dies" : "hangs");
}

static void on_power(struct whole_call *call)
{
    struct whole_node *node = call->data;
    if (!node->is_down)
        return;
    whole_trace(call->whole, "%s is started", node->name);
    whole_node_boot(node);
}

static void strike_power(struct whole *whole)
{
    struct whole_node *node = some_node(whole);
    if (node->is_down)
        return;
    whole->totals->reboots++;
    whole_node_crash(node);
    whole_call_in(whole, for_us(whole), NULL, NULL, on_power, node);
}

static void on_unpause(struct whole_call *call)
{
    whole_node_continue(call->data);
}

static void strike_pause(struct whole *whole)
{
    struct whole_node *node = some_node(whole);
    whole->totals->pauses++;
    whole_node_pause(node);
    whole_call_in(whole, for_us(whole), NULL, NULL, on_unpause, node);
}

static void on_actor_continue(struct whole_call *call)
{
    struct process *process = call->data;
    whole_process_continue(process);
}

static void strike_actor(struct whole *whole)
{
    struct whole_controller *c = some_controller(whole);
    struct process *process = sim_percent(&whole->world->random, 75) ? &c->actor : &c->checker;
    whole->totals->actor_stops++;
    whole_trace(whole, "%u: its %s is stopped", c->id, process == &c->actor ? "actor" : "checker");
    whole_process_stop(process);
    whole_call_in(whole, for_us(whole), NULL, NULL, on_actor_continue, process);
}

static void strike(struct whole *whole)
{
    const struct whole_profile *p = &whole->profile;
    const uint32_t weights[] = {p->weight_path,  p->weight_service, p->weight_reboot,
                                p->weight_pause, p->weight_remove,  p->weight_actor};
    uint64_t total = 0, kind = 0;
    for (int i = 0; i < 6; i++)
        total += weights[i];
    uint64_t at = sim_below(&whole->world->random, total);
    if (total == 0)
        return;
    for (; at >= weights[kind]; kind++)
        at -= weights[kind];
    if (kind == 0)
        strike_path(whole);
    else if (kind == 1)
        strike_service(whole);
    else if (kind == 2)
        strike_power(whole);
    else if (kind == 3)
        strike_pause(whole);
    else if (kind == 4)
        whole_node_remove(some_node(whole),
                          (int32_t)sim_below(&whole->world->random, (uint64_t)p->vips));
    else
        strike_actor(whole);
}

static void on_fault(struct whole_call *call)
{
    if (call->whole->is_calm)
        return;
    strike(call->whole);
    whole_fault_next(call->whole);
}

void whole_fault_next(struct whole *whole)
{
    int64_t most_us = whole->profile.fault_us;
    if (most_us > 0)
        whole_call_in(whole, sim_between(&whole->world->random, most_us / 10, 2 * most_us), NULL,
                      NULL, on_fault, NULL);
}

/* ---- operators */

static void ask(struct whole *whole, struct whole_controller *c, enum verb verb)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Request request = EPHOR__REQUEST__INIT;
    struct quorum *q = c->quorum.data;
    char service[16], author[] = "ann";
    if (!c->quorum.is_up || c->quorum.is_dark || c->quorum.is_stopped || q->machine.core == NULL)
        return;
    snprintf(service, sizeof(service), "s%d",
             (int)sim_below(&whole->world->random, (uint64_t)whole->profile.services) + 1);
    request.verb = (Ephor__Verb)verb;
    request.service = service;
    request.node = some_node(whole)->name;
    request.author = author;
    fact.body_case = EPHOR__FACT__BODY_REQUEST;
    fact.request = &request;
    struct process *before = whole_enter(&c->quorum);
    proposals_add(q, PROPOSAL_FORWARDED, &fact, NULL, 0, NULL);
    whole_enter(before);
}

static void on_operator(struct whole_call *call)
{
    struct whole *whole = call->whole;
    static const enum verb verbs[] = {
        VERB_FAILOVER, VERB_FAILOVER,       VERB_PAUSE,           VERB_RESUME,
        VERB_RESUME,   VERB_MAINTENANCE_ON, VERB_MAINTENANCE_OFF, VERB_MAINTENANCE_OFF};
    if (whole->is_calm)
        return;
    ask(whole, some_controller(whole), verbs[sim_below(&whole->world->random, 8)]);
    whole_operator_next(whole);
}

void whole_operator_next(struct whole *whole)
{
    int64_t most_us = whole->profile.operator_us;
    if (most_us > 0)
        whole_call_in(whole, sim_between(&whole->world->random, most_us / 4, 2 * most_us), NULL,
                      NULL, on_operator, NULL);
}

/* ---- calm */

static void on_resume(struct whole_call *call)
{
    struct whole *whole = call->whole;
    struct sim_server *leader = sim_world_leader(whole->world);
    const struct quorum *q = leader == NULL ? NULL : whole->controllers[leader->id].quorum.data;
    bool is_done = q != NULL && q->machine.core != NULL && !q->machine.core->is_paused;
    for (int32_t n = 0; is_done && n < whole->profile.nodes; n++)
        is_done = !core_node(q->machine.core, n)->in_maintenance;
    if (leader != NULL && !is_done) { /* what was asked before may come late */
        ask(whole, &whole->controllers[leader->id], VERB_RESUME);
        ask(whole, &whole->controllers[leader->id], VERB_MAINTENANCE_OFF);
    }
    whole_call_in(whole, is_done ? 2000000 : 300000, NULL, NULL, on_resume, NULL);
}

void whole_fault_end_all(struct whole *whole)
{
    whole->is_calm = true;
    for (int32_t c = 1; c <= whole->controllers_count; c++) {
        for (int32_t n = 0; n < whole->profile.nodes; n++)
            whole->cut_to[c][n] = whole->cut_from[c][n] = false;
        whole_process_continue(&whole->controllers[c].actor);
        whole_process_continue(&whole->controllers[c].checker);
    }
    for (int32_t n = 0; n < whole->profile.nodes; n++) {
        struct whole_node *node = &whole->nodes[n];
        whole_node_continue(node);
        if (node->is_down)
            whole_node_boot(node);
        for (int32_t s = 0; s < whole->profile.services; s++)
            if (!whole->profile.is_active_only[s])
                node->services[s] = WHOLE_RUNS;
    }
    whole_call_in(whole, 0, NULL, NULL, on_resume, NULL);
}
