/* A model of the world around the core: nodes that hold addresses and run a service, an actor that
 * carries out orders, and everything that can go wrong in between. A system is a core and its
 * world in one flat block, so that it can be copied, compared and hashed.
 *
 * What the model believes of the actor and the nodes (safety.md's lease protocol, tested
 * elsewhere): a HOLD that acquires makes the node hold the address; one that extends never creates.
 * A line that is under way may arrive late, but not after a later RELEASE was confirmed on that
 * node, and not after its own date. ENDED is said only after the node's lease has certainly ended.
 * A command (restart, start, stop) is refused by the node after its deadline. */
#ifndef EXPLORER_WORLD_H
#define EXPLORER_WORLD_H

#include "orchestrator/core/core.h"

enum {
    WORLD_NODES = 3,
    WORLD_VIPS = 2,
    WORLD_NOTES = 2,          /* outcomes under way; the oldest is lost beyond that */
    WORLD_SPENT = 3,          /* remembered restarts and moves: one more than any budget here */
    WORLD_START_MS = 1000000, /* core time of every state in its normal form */
    WORLD_ORDER = 100, /* log index of every state in its normal form; orders in it are lower */
};

/* What may happen in a plan; each doubles the states, roughly. */
enum {
    MAY_CUT = 1,       /* nodes get out of the actor's reach, and come back */
    MAY_DELAY = 2,     /* HOLD lines arrive late */
    MAY_REPEAT = 4,    /* outcomes arrive twice */
    MAY_FAIL = 8,      /* orders fail, or nobody knows how they ended */
    MAY_PAUSE = 16,    /* operators pause and resume */
    MAY_MAINTAIN = 32, /* maintenance of nodes */
    MAY_FAILOVER = 64, /* operators ask for a failover */
    MAY_LEAD = 128,    /* leaders change */
    MAY_LAG = 256,     /* leaders lag and only watch */
    MAY_DOUBT = 512,   /* opinions of UNKNOWN beside OK and CRITICAL */
    MAY_LOSE = 1024,   /* an address is removed from its holder by hand */
    MAY_COUNT = 2048,  /* observers look, too */
    MAY_EVERYTHING = 4095
};

struct plan {
    const char *name;
    int32_t nodes, vips, controllers;
    enum run_mode run;
    bool can_restart, failback_auto;
    uint32_t may;
    uint32_t accidents; /* at most so many in one path; healing, orders and time are free */
    bool is_settled;    /* begin where all is well, not from nothing */
};

struct note { /* an outcome under way to the log */
    uint64_t order;
    uint8_t kind, result;
    int32_t object, node;
    bool is_repeated;
};

struct spent { /* counted by the model itself, to check the budgets of the core */
    int64_t at_ms[WORLD_SPENT];
    uint32_t count;
};

struct world {
    bool is_cut[WORLD_NODES];               /* the actor cannot reach it */
    bool runs[WORLD_NODES];                 /* the service runs on it */
    bool holds[WORLD_NODES][WORLD_VIPS];    /* it answers for the address */
    uint64_t late[WORLD_NODES][WORLD_VIPS]; /* id of a HOLD under way; 0 = none */
    struct note notes[WORLD_NOTES];
    uint32_t note_count;
    uint32_t accidents; /* left */
    struct spent moves;
    struct spent restarts[WORLD_NODES];
};

struct system {
    struct world *world;
    struct core *core;
};

/* One thing that can happen. */
enum act {
    ACT_NONE,     /* nothing: the first state */
    ACT_TICK,     /* time goes on to the core's next deadline */
    ACT_LATER,    /* a long time passes while nothing is due */
    ACT_OPINION,  /* a: check, b: controller - 1, c: state */
    ACT_CENSUS,   /* a: check, c: what the observers say */
    ACT_REACH,    /* a: node; the actor tells what it knows about reaching it */
    ACT_CUT,      /* a: node; toggles */
    ACT_PAUSE,    /* toggles */
    ACT_MAINTAIN, /* a: node; toggles */
    ACT_FAILOVER, /* a: node */
    ACT_LEAD,     /* a new leader */
    ACT_LAG,      /* toggles */
    ACT_CARRY,    /* a: owed order; c: result as told; carried out */
    ACT_FAIL,     /* a: owed order; c: result; not carried out */
    ACT_DELAY,    /* a: owed order, a HOLD; it is under way */
    ACT_ARRIVE,   /* a: node, b: VIP; what was under way arrives */
    ACT_END,      /* a: owed order, a RELEASE; the lease has certainly ended */
    ACT_EXPIRE,   /* a: node, b: VIP; the lease of a node out of reach runs out */
    ACT_REMOVE,   /* a: node, b: VIP; somebody removed the address by hand */
    ACT_DELIVER,  /* a: note */
    ACT_REPEAT,   /* a: note; delivered, and once more later */
    ACT_FORGET,   /* the actor restarts: outcomes under way are lost */
};

struct action {
    uint8_t act, a, b, c;
    bool is_accident;
};

enum crowd { /* what two observers say of a check */
             CROWD_AWAY,
             CROWD_SILENT,
             CROWD_OK,
             CROWD_DOUBT, /* OK, and CRITICAL by one answer each */
             CROWD_CRITICAL,
             CROWD_COUNT
};

enum { ACTIONS_MAX = 96, ORDERS_MAX = 8 };

struct owed {
    struct order orders[ORDERS_MAX];
    uint32_t count;
};

/* ---- world.c */

size_t world_size(const struct plan *plan); /* bytes of a system's block */

/* The system in a block of world_size bytes. */
struct system world_system(void *block, const struct plan *plan);

/* Make the first state: a policy, nothing known yet. */
void world_init(struct system sys, const struct plan *plan, struct effects *effects);

void world_owed(const struct core *core, struct owed *owed);

/* Everything that can happen now. Returns how many. */
uint32_t world_actions(struct system sys, const struct plan *plan,
                       struct action actions[ACTIONS_MAX]);

/* ---- act.c */

/* Let it happen. */
void act_do(struct system sys, const struct plan *plan, struct action action,
            struct effects *effects);

/* Facts by themselves, for the calm schedule. */
void act_tick(struct system sys, int64_t at_ms, struct effects *effects);
void act_opinion(struct system sys, uint32_t controller, uint32_t check, enum state state,
                 struct effects *effects);
void act_census(struct system sys, uint32_t check, enum crowd crowd, struct effects *effects);
bool act_is_said(const struct core *core, uint32_t check, enum crowd crowd); /* already */
void act_reach(struct system sys, int32_t node, bool is_up, struct effects *effects);
void act_request(struct system sys, enum verb verb, int32_t node, struct effects *effects);
void act_calm(struct system sys, bool is_calm, struct effects *effects);

/* Say what it is, for people. */
void act_tell(struct system sys, struct action action, char *text, size_t size);

/* ---- canonical.c */

/* Bring the system to its normal form: times relative, orders renamed, what no decision reads any
 * more forgotten. Two states of one normal form behave alike. */
void canonical_form(struct system sys, const struct plan *plan);

/* The bytes that identify a system in normal form; returns how many. */
size_t canonical_bytes(struct system sys, const struct plan *plan, uint8_t *bytes, size_t size);

/* ---- invariants.c */

struct violation {
    const char *name; /* NULL: none */
    char text[160];
};

/* What must be true of a state, of the step from before to now, and of doing nothing. */
void invariants_check(struct system before, struct system now, struct action action,
                      const struct plan *plan, void *scratch, struct violation *violation);

/* Faults stop and everything is carried out. Returns whether all is well within the bound. */
bool liveness_calm(struct system sys, const struct plan *plan, struct effects *effects);

/* LIVENESS: from here, when faults stop, every VIP is held and the service active within a bound.
 * scratch: a block of world_size bytes. */
void liveness_check(struct system now, const struct plan *plan, void *scratch,
                    struct violation *violation);

#endif
