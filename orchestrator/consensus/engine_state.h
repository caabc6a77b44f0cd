/* The engine's insides, shared by engine.c (the interface, what is told to its user) and drive.c
 * (the consensus core, its storage and its messages). */
#ifndef CONSENSUS_ENGINE_STATE_H
#define CONSENSUS_ENGINE_STATE_H

#include "orchestrator/base/buf.h"
#include "orchestrator/consensus/engine.h"
#include "orchestrator/consensus/log_cache.h"
#include "orchestrator/consensus/pending.h"
#include "orchestrator/consensus/reads.h"
#include "orchestrator/consensus/roster.h"
#include "orchestrator/consensus/round.h"
#include "orchestrator/consensus/scrub.h"
#include "orchestrator/consensus/snapshot_plan.h"
#include "orchestrator/consensus/store.h"
#include "orchestrator/raft/raft.h"

/* What the core wants to be stored and no round has taken yet. */
struct draft {
    uint64_t write; /* the newest one in it; 0: nothing */
    bool has_hard;
    uint64_t term;
    uint32_t voted_for;
    uint64_t truncate_from;
    uint64_t append_first; /* from here to the end of the cache; 0: none */
    uint64_t compact_to;
    struct kept_snapshot *install; /* held here */
};

struct held_message { /* until what it promises is durable */
    struct held_message *next;
    uint64_t after;
    uint32_t to;
    size_t size;
    unsigned char bytes[];
};

struct engine {
    struct loop *loop;
    const struct engine_callbacks *callbacks;
    void *data;
    uint32_t controller;
    char *name;
    struct raft_params raft_params;

    struct store *store;
    struct round *round;
    bool is_writing;
    uint64_t round_write; /* durable once the round is, or 0: it is only a part */
    struct draft draft;
    struct row_queue rows;
    bool rows_were_dropped;
    struct snapshot_plan snapshots;
    struct kept_snapshot *kept; /* durable: the newest, and those that are being sent */

    struct raft *raft;
    struct raft_update *update;
    struct log_cache cache;
    struct roster roster;         /* as the log says */
    struct roster applied_roster; /* as of what was handed on: for snapshots */
    struct held_message *held, **held_end;
    struct buf packed;   /* scratch */
    struct buf incoming; /* chunks of a snapshot */

    uint64_t apply_to, applied;
    bool is_leading;   /* and its user was told so */
    bool has_led;      /* in this run */
    uint64_t led_term; /* in which it leads, or led last */
    bool has_failed;   /* the storage; tried again at every `retry` */
    bool is_probing;   /* the round under way is such a try */
    bool is_closing;
    int storage_err;
    int64_t nonsense_ms; /* when a line about some was logged last */
    bool members_changed;
    bool is_calling_back;

    struct proposal_queue waiting;  /* for their turn */
    struct proposal_queue inflight; /* in the log, not yet handed on */
    struct proposal_queue refused;  /* to be told so on the loop */

    struct turn_end
        *round_due; /* behind what this turn sends: the others can begin to write, too */
    struct turn_end *proposals_due;
    struct timer *soon;
    bool soon_is_started;
    struct timer *tick;
    struct timer *retry;
    struct reads *reads;
    struct scrub *scrub;
};

/* drive.c: the core. Each may send messages; none calls back otherwise. */

/* The core's parameters, with defaults filled in. */
struct raft_params drive_params(const struct engine_params *params,
                                const struct store_state *state);

/* Read what the storage holds and start the core with it; blocking. */
int drive_open(struct engine *engine, const struct engine_params *params, struct errbuf *e);
int drive_load(struct engine *engine, struct errbuf *e);

/* The members before any configuration entry; heap. NULL: out of memory. */
Ephor__Membership *drive_first_membership(const struct engine *engine);

/* One event through the core: cache, draft and messages follow. */
enum raft_result drive_step(struct engine *engine, struct raft_event *event);

/* Propose what waits, as far as the core takes it. */
void drive_propose(struct engine *engine);

/* Fill the round from the draft, rows and snapshots; false: there is nothing to write. */
bool drive_fill_round(struct engine *engine);

/* What is damaged in the file (an entry, or 0: the snapshot) is still in memory: it is written anew
 * with the next round. False: it is not in memory, and not needed any more. */
bool drive_repair(struct engine *engine, uint64_t index);

/* The round has ended well: tell the core, and send what waited for it. */
void drive_persisted(struct engine *engine);

/* The round has ended badly: the core is deaf from now on, and what was not durable is gone. */
void drive_storage_failed(struct engine *engine);

/* Is this controller the only one with a vote? */
bool drive_is_alone(const struct engine *engine);
bool drive_is_witness(const struct engine *engine);

void drive_arm(struct engine *engine);
void drive_close(struct engine *engine);

/* tell.c: what the user is told. Each calls back. */

void tell_answers(struct engine *engine, struct proposal_queue *queue); /* which is empty then */
void tell_storage(struct engine *engine, int err, const char *text);
void tell_leadership(struct engine *engine, bool is_leader, uint64_t term);
void tell_members(struct engine *engine);

/* That what was proposed failed with that error, or that nobody knows (ERR_CANCELED). */
void tell_given_up(struct engine *engine, int err);

/* Begun or ended to lead, if so. */
void tell_if_leading(struct engine *engine);

/* What is committed and durable. False: there is more, for another turn of the loop. */
bool tell_entries(struct engine *engine);

#endif
