/* The core: shared state and the one function that changes it.
 *
 * A struct core is one flat block without pointers: a head, then an array for each noun. It is
 * sized once, when a policy is adopted (core_size); no step allocates. The same state and the same
 * fact give the same new state and the same effects on every controller. No I/O, no clock.
 *
 * Of each noun the first fields are the policy (set when it is adopted, never by a step), the rest
 * is state, or scratch where it says so: what can be worked out anew. Indexes are int32_t, NONE is
 * "none of them". */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "orchestrator/core/fact.h"
#include "orchestrator/core/limits.h"
#include "orchestrator/core/words.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NONE = -1 };
#define NEVER_MS INT64_MAX /* a deadline that does not come */

struct opinion { /* of one controller about one check */
    int64_t since_ms;
    uint8_t state;
    bool is_known;
    uint8_t suspect;  /* with attempts > 0: what its newest answers say instead */
    uint8_t attempts; /* how many of them in a row */
    uint8_t cause;    /* enum cause, of the newest answer that was told */
};

struct census { /* of the observers that look at one check: what they say, counted; by enum state */
    uint16_t seers;      /* whether they are able to see or not */
    uint16_t silent;     /* able, but without an answer yet */
    uint16_t doubters;   /* whose newest answers contradict their opinion */
    uint16_t votes[3];   /* opinions: OK, WARNING, CRITICAL; UNKNOWN is an abstention */
    uint16_t newest[3];  /* the same by what the newest answers say */
    uint16_t answers[3]; /* that speak for each of these; of one who is sure: SETTLED */
};

struct answers { /* to one check, as bits of seats: scratch of survey.c, no state */
    uint16_t known, lost, name, local;
};

struct dissent {         /* of a controller from the others: scratch of survey.c, no state */
    int32_t asked;       /* checks that others look at, too */
    int32_t lost;        /* of these: silent or unreachable from here only */
    int32_t local, name; /* could not be asked, or whose name does not resolve, from here only */
};

struct check {
    char id[ID_SIZE];
    char name[NAME_SIZE];
    uint8_t scope;        /* enum scope */
    bool failover;        /* may it move or restart anything */
    bool confirm;         /* may answers of several controllers together do for one's `fall` */
    int32_t target;       /* member, node or VIP by scope */
    uint8_t agree;        /* enum agree */
    uint16_t agree_count; /* of AGREE_NUMBER */
    uint8_t vantage, vantage_count; /* enum vantage; of VANTAGE_NUMBER */
    uint32_t vantage_names;         /* of VANTAGE_NAMES: bits of core.vantage_names */
    uint16_t observers;             /* how many of them look, too; 0: none */
    uint32_t fall, rise;
    uint64_t hash; /* of the identity: the same on every controller */
    /* state */
    struct opinion opinions[CONTROLLERS_MAX]; /* by controller id - 1 */
    struct census census;                     /* of the observers */
    uint8_t state;                            /* verdict: enum state */
    uint8_t told;                             /* the last verdict that the journal tells */
    bool is_known;                            /* somebody has had an opinion under this policy */
    int64_t since_ms;                         /* of the verdict */
    char text[TEXT_SIZE];                     /* evidence: the newest opinion's text */
    int32_t next;                             /* scratch: the next check of the same target */
    struct answers answers;
};

struct node {
    char name[NAME_SIZE];
    char address[TEXT_SIZE];
    bool is_local;
    bool is_unguarded;            /* the policy wants no guard there */
    int32_t parents[PARENTS_MAX]; /* nodes through which it is reached; NONE ends */
    /* state */
    uint8_t state; /* verdict of its node checks; OK when it has none */
    uint8_t told;  /* the last verdict that the journal tells */
    int64_t since_ms;
    uint8_t guard;                     /* enum guard: what it can do, as the actors say */
    uint8_t reach;                     /* enum reach: can the leader's actor work on it */
    uint8_t reach_by[CONTROLLERS_MAX]; /* enum reach: can this controller's */
    int64_t reach_since_ms;
    char reach_text[TEXT_SIZE];
    char frozen[TEXT_SIZE]; /* what its file "freeze" says; "": there is none */
    bool in_maintenance;
    int64_t maintenance_since_ms;
    int64_t maintenance_until_ms; /* when it ends by itself; 0: it does not */
    char maintenance_author[NAME_SIZE];
    char maintenance_reason[TEXT_SIZE];
    int64_t failed_ms; /* scratch: when something that should run on it failed last; 0: never */
    int32_t checks, members; /* scratch: the first of each */
    uint8_t diagnosis;       /* scratch of diagnose.c: what the journal tells as long as it lasts */
    bool is_to_diagnose;     /* something was seen of it in this step */
};

struct budget { /* the newest times at which something was done */
    int64_t at_ms[BUDGET_MAX];
    uint32_t count;
};

struct member {
    int32_t service;
    int32_t node;
    int32_t priority;
    /* state */
    uint8_t state;
    uint8_t told;  /* the last verdict that the journal tells */
    bool is_known; /* all of its failover checks have been answered */
    int64_t since_ms;
    char text[TEXT_SIZE]; /* the check that made it so, and its evidence */
    uint8_t step;         /* enum step */
    uint64_t order;       /* of the open restart */
    int64_t deadline_ms;  /* of the open step */
    uint32_t tries;       /* restarts in this incident */
    struct budget restarts;
    uint8_t rule;                 /* what was last decided about it: enum rule */
    int64_t wake_ms;              /* when to look at it again */
    int64_t avoid_until_ms;       /* it failed to take over: not a candidate until then */
    int32_t checks, next_on_node; /* scratch */
};

struct vip {
    char name[NAME_SIZE];
    char address[ADDRESS_SIZE];
    char interface[INTERFACE_SIZE];
    int32_t service;           /* NONE when retired */
    uint32_t lease_ms;         /* where the address alone ends by time */
    uint32_t guarded_lease_ms; /* where nft guards it; 0: never */
    bool is_retired;           /* gone from the policy, still to be let go of */
    /* state */
    uint8_t phase;  /* enum vip_phase */
    int32_t holder; /* node; set from the grant until the release is certain */
    uint64_t order; /* id of the grant, or of the release while releasing */
    uint64_t grant_term;
    bool is_guarded;           /* the lease under this grant */
    uint32_t granted_lease_ms; /* likewise */
    uint32_t wait_ms;          /* after R, until any lease that the holder may have has ended */
    int64_t granted_ms;
    struct budget put_backs; /* when it had vanished and was granted anew: rule 15 */
    int64_t since_ms;        /* of the phase */
    int32_t checks, next;    /* scratch: its first check, the next VIP of the service */
};

struct service {
    char name[NAME_SIZE];
    uint8_t run; /* enum run_mode */
    bool can_restart;
    uint32_t restart_timeout_ms, start_timeout_ms, stop_timeout_ms;
    uint32_t restart_tries, restart_budget, restart_window_ms, restart_grace_ms;
    uint32_t hold_down_ms;
    bool failback_auto;
    uint32_t failback_after_ms;
    uint32_t moves_max, moves_window_ms;
    int32_t member_first, member_count;
    /* state */
    uint8_t phase;        /* enum phase */
    int64_t since_ms;     /* of the phase */
    int64_t deadline_ms;  /* of the phase; NEVER_MS while steady or releasing */
    uint64_t order;       /* of the open start or stop */
    int32_t active;       /* member */
    int32_t from, target; /* members, of the open move */
    uint8_t cause;        /* rule that began the open move */
    bool is_stop_failed;  /* from may still run: see rule 16 */
    struct budget moves;
    int64_t moved_ms;        /* last move; 0 = never */
    int64_t placing_ms;      /* when it was first seen without an active member */
    int64_t better_since_ms; /* a better member has been fit since; 0 = none is */
    int32_t better;          /* that member */
    uint8_t rule;            /* what was last decided: enum rule */
    int64_t wake_ms;         /* when to decide again */
    uint8_t state;           /* for views: verdict of the service */
    int64_t state_since_ms;
    int32_t vips;  /* scratch: the first */
    bool is_stale; /* scratch: to be decided about anew in this step */
};

struct core_shape {
    uint32_t nodes, services, members, checks, vips;
};

struct controller_state {
    char name[NAME_SIZE];
    bool is_member;   /* of the cluster, as the board says */
    bool looks;       /* it runs checks */
    bool votes;       /* it may lead */
    uint8_t presence; /* enum presence */
    bool is_missed;   /* the journal tells that it is absent */
    uint64_t run;     /* of its quorum process */
    uint64_t
        forgotten_index; /* what it had said before this entry is forgotten: it says it again */
    uint32_t rules;      /* the newest that it knows; 0: it has not said */
    uint64_t file;       /* digest of the policy in its file; 0: none, or it has not said */
    bool is_blind;       /* it said that it cannot see; its opinions do not count */
    bool is_not_calm;    /* it lagged: it does not act, and its opinions do not count */
    char sight_reason[TEXT_SIZE];
    char reason[TEXT_SIZE]; /* why it is not calm */
    char frozen[TEXT_SIZE]; /* what its file "freeze" says; "": there is none */
    struct dissent dissent;
    uint8_t diagnosis; /* as in struct node */
};

/* The newest rules that this version knows, and follows once every controller does (core.rules):
 * 1 the first, 2 with rule 21, 3 with the census of observers, and verdicts that stay when they are
 * worked out again, 4 with guarded leases, addresses that are put back at once, switches that end
 * by themselves, and rule 22. What only newer ones know may not be done under older ones. */
extern const uint32_t core_rules_max;
enum { RULES_GUARD = 4 };

struct core {
    struct core_shape shape;
    char name[NAME_SIZE]; /* of the cluster */
    uint64_t policy_index;
    uint64_t policy_file; /* its digest, to be compared with those of the controllers' files */
    char vantage_names[VANTAGE_NAMES_MAX][NAME_SIZE];
    /* state */
    uint32_t rules;      /* that are followed */
    bool is_board_known; /* who the controllers are; until then everybody who speaks counts */
    uint64_t index;      /* of the last fact */
    uint64_t term;
    uint32_t leader; /* controller id, 0 = none yet */
    char leader_name[NAME_SIZE];
    int64_t at_ms;
    int64_t wall_ms;
    bool is_paused;
    int64_t paused_since_ms;
    int64_t paused_until_ms; /* when it ends by itself; 0: it does not */
    char paused_author[NAME_SIZE];
    char paused_reason[TEXT_SIZE];
    struct controller_state controllers[CONTROLLERS_MAX];
    /* scratch, no state (stale.h); nodes that failed at once, and until when that holds */
    bool is_stale, is_many_stale;
    uint32_t many_failed, many_nodes;
    int64_t many_until_ms; /* 0: they did not */
    uint8_t diagnosis;     /* as in struct node */
    size_t service_offset, member_offset, check_offset, vip_offset, node_offset;
    size_t name_offset; /* of the tables by which names are found; see names.h */
    bool has_names;
};

#define CORE_ARRAY(noun, type, plural)                                                     \
    static inline struct type *core_##noun(const struct core *core, int32_t i)             \
    {                                                                                      \
        return (struct type *)(void *)((char *)(uintptr_t)core + core->noun##_offset) + i; \
    }                                                                                      \
    static inline int32_t core_##noun##_count(const struct core *core)                     \
    {                                                                                      \
        return (int32_t)core->shape.plural;                                                \
    }
CORE_ARRAY(node, node, nodes)
CORE_ARRAY(service, service, services)
CORE_ARRAY(member, member, members)
CORE_ARRAY(check, check, checks)
CORE_ARRAY(vip, vip, vips)
#undef CORE_ARRAY

/* ---- effects: what a step did, for people and for the one who asked */

struct journal_line {
    enum severity severity;
    enum event event;
    char object[ID_SIZE];
    char text[LINE_SIZE];
};

struct effects {
    struct journal_line lines[EFFECTS_MAX];
    uint32_t count;
    uint32_t dropped; /* lines that did not fit */
    /* Checks whose verdict changed, or about which somebody began or ceased to doubt it. */
    uint32_t touched[EFFECTS_MAX];
    uint32_t touched_count;
    bool touched_all;   /* more than fit: any may have been */
    bool board_changed; /* who looks at what may be otherwise now */
    bool has_reply;     /* to the request in this fact */
    bool is_accepted;
    char reply[LINE_SIZE];
};

void effects_clear(struct effects *effects);

/* ---- making a state */

/* Bytes of a state of this shape. */
size_t core_size(const struct core_shape *shape);

/* Make an empty state in block (of core_size bytes, taken as the caller's for life): all zero but
 * for offsets, indexes set to NONE and deadlines to NEVER_MS. The caller fills in the policy
 * fields. */
struct core *core_init(void *block, const struct core_shape *shape);

/* The policy fields are filled in: from now on names are found by hash. Without it every search
 * looks at all of them. Of VIPs, those without a name (room for retired ones) are left out. */
void core_index_names(struct core *core);

/* How many VIPs of old are still held and not (identically: same address, interface and service
 * name) in fresh: they need room as retired VIPs at the end of the new state. */
uint32_t core_retiring(const struct core *old, const struct core *fresh);

/* Turn `fresh` (a new state with the policy filled in and room for core_retiring more VIPs behind
 * its own; index of the policy's entry in `index`) into the successor of old: state goes over by
 * name, retired VIPs are released. old may be NULL (the first policy). The result is ready for
 * steps; lines go to effects. Returns false and changes nothing if a node that still holds an
 * address is gone from the policy; `refusal` (LINE_SIZE bytes) then says what to do. */
bool core_adopt(struct core *fresh, const struct core *old, uint64_t index, int64_t at_ms,
                int64_t wall_ms, struct effects *effects, char *refusal);

/* Would core_adopt take it? The same refusals, and nothing is changed. */
bool core_may_adopt(const struct core *fresh, const struct core *old, char *refusal);

/* ---- the step */

/* Apply one fact. A malformed or stale fact changes nothing but time, and effects say so.
 * effects is overwritten. */
void core_step(struct core *core, const struct fact *fact, struct effects *effects);

/* A step looks only at what it changes. The next one looks at everything, as if all had changed:
 * for whoever changes a state by other means. */
void core_work_out_anew(struct core *core);

/* When the leader has to propose the next tick, in core time; NEVER_MS = not by itself. */
int64_t core_next_deadline(const struct core *core);

/* ---- who looks from where */

/* Does the controller in this seat (1 to CONTROLLERS_MAX) run this check? rank of count: its place
 * among those who do, for staggering; both are 0 if it does not. */
struct outlook {
    uint32_t rank, count;
};
bool core_looks(const struct core *core, int32_t check, uint32_t seat, struct outlook *outlook);

/* Where only some look, those of the highest weight do: of a check's identity and who it is. When
 * one goes, only its own checks go to others. */
uint64_t core_weight(uint64_t hash, uint32_t who);

/* Does somebody's newest answer contradict the verdict, so that all should look at once? */
bool core_is_doubted(const struct core *core, int32_t check);

/* Do the opinions of this seat count at present? */
bool core_sees(const struct core *core, uint32_t seat);

/* Is all well with the controller in this seat, so that what it sees counts? Writes what is not. */
bool core_controller_is_well(const struct core *core, uint32_t seat, char trouble[LINE_SIZE]);

/* Have enough controllers come forward since the leader changed (rule 20)? Both counts may be
 * NULL. */
bool core_is_gathered(const struct core *core, uint32_t *there, uint32_t *awaited);

/* Is the policy in the file of this seat's controller another one than that in force? */
bool core_file_differs(const struct core *core, uint32_t seat);

/* A voter whose actor can work on every node that the leader's can, and on more; 0: none. */
uint32_t core_better_leader(const struct core *core);

/* What the observers say of a check by their newest answers: "3 of 200 say CRITICAL, 190 OK, 7
 * cannot tell"; "" if none look. */
void core_census_text(const struct census *census, char text[LINE_SIZE]);

/* ---- orders: all that is owed now, re-derivable at any time */

struct order {
    enum order_kind kind;
    uint64_t id;
    int32_t node;
    int32_t service;     /* NONE for a retired VIP */
    int32_t vip;         /* HOLD, RELEASE */
    bool acquire;        /* HOLD: the grant is not confirmed yet */
    int64_t deadline_ms; /* core time; RESTART, START, STOP */
};

/* Call emit for each order now owed; only the leader's actor may carry them out. */
typedef void core_order_fn(void *data, const struct order *order);
void core_orders(const struct core *core, core_order_fn *emit, void *data);

/* ---- questions that views ask */

int32_t core_find_node(const struct core *core, const char *name); /* NONE if there is none */
int32_t core_find_service(const struct core *core, const char *name);
int32_t core_find_vip(const struct core *core, const char *name);
int32_t core_find_check(const struct core *core, const char *id);

/* The phase for people: the move's, else the restart step of the active member, else "placing" when
 * there is no active member, else "steady". */
const char *core_service_phase(const struct core *core, int32_t service);

/* Why is it so, and what would happen next: the gates of the rules one by one, in the order in
 * which they were looked at, from the same function that decides. */
struct explanation {
    enum rule rule;
    bool decides; /* this one settled it */
    char text[LINE_SIZE];
};
enum { EXPLANATIONS_MAX = 32 };
uint32_t core_explain(const struct core *core, int32_t service,
                      struct explanation explanations[EXPLANATIONS_MAX]);

/* Is this member fit to take over? Writes the reason if not ("" if it is). */
bool core_is_fit(const struct core *core, int32_t member, char reason[TEXT_SIZE]);

#endif
