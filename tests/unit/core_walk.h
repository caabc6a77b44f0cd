/* Random walks through the core: any fact at any time, from a seed. */
#ifndef UNIT_CORE_WALK_H
#define UNIT_CORE_WALK_H

#include "tests/unit/core_fixture.h"

struct walk {
    uint64_t state;
};

static inline uint32_t walk_number(struct walk *walk, uint32_t below)
{
    walk->state ^= walk->state << 13;
    walk->state ^= walk->state >> 7;
    walk->state ^= walk->state << 17;
    return (uint32_t)(walk->state >> 32) % below;
}

/* The outcome of an owed order, or now and then of one that is not owed. */
static inline void walk_outcome(struct walk *walk, struct bench *b)
{
    struct bench_orders orders = bench_orders(b);
    if (orders.count == 0)
        return;
    const struct order *o = &orders.list[walk_number(walk, orders.count)];
    uint64_t id = walk_number(walk, 10) == 0 ? o->id - 1 : o->id;
    const char *object =
        o->vip != NONE ? core_vip(b->core, o->vip)->name : core_service(b->core, o->service)->name;
    enum order_result result =
        walk_number(walk, 2) == 0 ? RESULT_DONE : (enum order_result)walk_number(walk, 8);
    bench_tell(b, o->kind, id, object, core_node(b->core, o->node)->name, result);
}

/* Twenty observers, of whom some say this, and some that. */
static inline void walk_census(struct walk *walk, struct bench *b, uint32_t check)
{
    struct crowd crowd = {.seers = walk_number(walk, 4) == 0 ? 0 : 20};
    uint32_t left = crowd.seers;
    uint32_t *const parts[] = {&crowd.ok, &crowd.critical, &crowd.warning, &crowd.silent};
    for (int i = 0; i < 4; i++) {
        *parts[i] = walk_number(walk, left + 1);
        left -= *parts[i];
    }
    crowd.doubters = walk_number(walk, (crowd.critical > 0 ? crowd.critical : crowd.ok) + 1);
    crowd.answers = crowd.doubters * (1 + walk_number(walk, 2));
    crowd.thought = (enum state)walk_number(walk, 4);
    bench_census(b, check, crowd);
}

static inline void walk_step(struct walk *walk, struct bench *b)
{
    uint32_t node = walk_number(walk, (uint32_t)core_node_count(b->core));
    uint32_t check = walk_number(walk, (uint32_t)core_check_count(b->core));
    const char *name = core_node(b->core, (int32_t)node)->name;
    uint32_t what = walk_number(walk, 23);
    b->at_ms += walk_number(walk, 3) == 0 ? walk_number(walk, 20000) : 0;
    if (what < 5)
        bench_say(b, 1 + walk_number(walk, 3), check, (enum state)walk_number(walk, 4));
    else if (what < 11)
        walk_outcome(walk, b);
    else if (what < 13)
        bench_wait(b, walk_number(walk, 2) == 0 ? 0 : 5000);
    else if (what < 15)
        bench_reach(b, name, walk_number(walk, 3) != 0);
    else if (what == 15)
        bench_ask(b, VERB_FAILOVER, "web", walk_number(walk, 2) == 0 ? "" : name);
    else if (what == 16)
        bench_ask(b, (enum verb)(VERB_PAUSE + walk_number(walk, 4)), "", name);
    else if (what == 17)
        bench_leader(b, 1 + walk_number(walk, 3));
    else if (what == 18)
        bench_sight(b, 1 + walk_number(walk, 3), walk_number(walk, 2) == 0);
    else if (what == 19)
        bench_calm(b, 1 + walk_number(walk, 3), walk_number(walk, 3) != 0);
    else
        walk_census(walk, b, check);
}

/* Begin a walk under the newest rules. */
static inline void walk_open(struct bench *b, const struct draft *draft)
{
    bench_open(b, draft);
    b->core->rules = core_rules_max;
}

/* Two services with restarts on three nodes, one of them with two addresses. */
static inline struct draft walk_draft(enum run_mode run)
{
    struct draft draft = draft_pair();
    draft.nodes = 3;
    draft.services = 2;
    draft.members[0][2] = 3;
    draft.members[1][0] = 2;
    draft.members[1][1] = 3;
    draft.run = run;
    draft.can_restart = true;
    draft.failback_auto = true;
    draft.observers = 20;
    draft.vips = 3;
    draft.vip[1] = (struct draft_vip){"back", "10.0.0.2", "eth0", 0};
    draft.vip[2] = (struct draft_vip){"base", "10.0.0.3", "eth1", 1};
    return draft;
}

#endif
