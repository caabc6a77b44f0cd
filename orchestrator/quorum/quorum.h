/* The quorum process: replicated log, the core's state machine, leadership, orders. It touches its
 * data directory and the other controllers; what it learns and orders goes over links to the other
 * processes. Files: quorum.c (the log and the machine), peers.c (processes: feeds, orders),
 * proposals.c (facts on their way into the log), offers.c (policies on theirs), presence.c (who has
 * come forward), sight.c (whether its own eyes can be believed), readers.c (who must not read
 * anything old), registry_work.c (who observes), observers.c and census.c (what they say),
 * cluster.c and mesh.c (the other controllers). */
#ifndef QUORUM_QUORUM_H
#define QUORUM_QUORUM_H

#include "orchestrator/consensus/engine.h"
#include "orchestrator/proto/machine.h"
#include "orchestrator/quorum/calm.h"
#include "orchestrator/quorum/certificate.h"
#include "orchestrator/quorum/freeze.h"
#include "orchestrator/quorum/mesh.h"
#include "orchestrator/quorum/observers.h"
#include "orchestrator/quorum/offers.h"
#include "orchestrator/quorum/presence.h"
#include "orchestrator/quorum/proposals.h"
#include "orchestrator/quorum/readers.h"
#include "orchestrator/quorum/registry_work.h"
#include "orchestrator/quorum/sight.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/process.h"

enum { QUORUM_CHECKERS_MAX = 8 };

struct quorum;
struct waiting_change;

struct peer { /* a link to another process of this ephord */
    struct quorum *quorum;
    struct link *link;   /* NULL while there is none */
    uint64_t generation; /* of links; replies go only to the link that asked */
    Ephor__Role role;
    uint32_t instance;
};

struct quorum {
    struct process *process;
    struct loop *loop;
    struct engine *engine;
    struct machine machine;
    struct effects *effects; /* of the last entry */
    uint32_t controller;     /* own id in the log */
    uint32_t seat;           /* own place in the core, 1-9 */
    char controller_name[NAME_SIZE];
    uint32_t checker_count;
    int64_t fresh_ms; /* X of the lease protocol */

    bool is_too_old; /* for the rules of the cluster: about to end */
    bool is_leading;
    uint64_t term;                    /* in which this controller leads, or led last */
    int64_t base_at_ms, base_mono_ms; /* core time runs from here while leading */
    uint64_t leader_told_term;        /* the leader fact of this term is in the log */
    bool is_tick_proposed;
    struct timer *tick;

    bool is_storage_ok;
    char storage_text[ERR_TEXT_SIZE];
    struct calm calm;
    struct freeze freeze;
    bool is_calm_proposed, is_sight_proposed; /* one fact of each at a time */
    struct timer *beat;                       /* lead messages, self-doubt */
    struct timer *report;                     /* feed state once a second */

    struct proposals proposals;
    struct readers readers;
    struct presence_state presence;
    struct observers *observers;
    struct sight sight;
    uint32_t leader;      /* id; 0: unknown */
    uint64_t leader_term; /* in which it leads */

    struct mesh *mesh; /* NULL: this controller is in no cluster */
    struct certificate certificate;
    Ephor__Membership *contacts; /* whom to reach before the log tells */
    uint64_t cluster;
    char address[128];
    bool change_is_pending;                 /* of the members or the observers */
    struct registry_work registry_work;     /* of the observers */
    struct waiting_change *waiting_changes; /* asked for meanwhile; oldest first */
    uint32_t unmet_id;                      /* 0: none */
    uint64_t unmet_incarnation;

    struct offers offers;          /* policies on their way into the log */
    char file_digest[DIGEST_SIZE]; /* of the policy that this controller's file says */

    struct peer checkers[QUORUM_CHECKERS_MAX];
    struct peer actor, status;
    uint32_t leads_unheard;  /* how often it was told that we lead, without an answer */
    uint64_t orders_digest;  /* of what the actor was last told */
    uint64_t outlook_digest; /* and the checkers */
};

int quorum_main(uint32_t instance, int control_fd); /* role.c */

/* Of a controller; an observer's is observer.h. */
extern const struct process_ops quorum_ops; /* data: a struct quorum */
struct quorum *quorum_new(void);            /* NULL: out of memory */
void quorum_free(struct quorum *quorum);    /* NULL is fine */

/* Look whether somebody else leads by now. */
void quorum_note_leader(struct quorum *quorum);

/* Core time now; only while leading. */
int64_t quorum_at_ms(const struct quorum *quorum);

/* Say in the log whether this controller is calm, and whether it can see, if the log has it
 * otherwise. */
void quorum_tell_calm(struct quorum *quorum);
void quorum_tell_sight(struct quorum *quorum);

/* Something of this controller lagged: it is not calm for a while. what: "it lagged by". */
void quorum_note_lag(struct quorum *quorum, int64_t late_ms, const char *what);

/* peers.c */
void peers_init(struct quorum *quorum);
void peers_close(struct quorum *quorum);
void peers_connect(struct quorum *quorum, Ephor__Role role, uint32_t instance, int fd);
bool peers_have_checkers(const struct quorum *quorum); /* all of them */
void peers_send_lead(struct quorum *quorum);
void peers_send_orders(struct quorum *quorum, bool always);
void peers_send_policy(struct quorum *quorum);   /* to checkers and actor */
void peers_send_outlook(struct quorum *quorum);  /* to checkers: who runs what, if it changed */
void peers_send_verdicts(struct quorum *quorum); /* to checkers: what the last entry touched */
void peers_send_snapshot(struct quorum *quorum); /* to status: the whole state */
void peers_send_state(struct quorum *quorum);    /* to status */
void peers_send_fact(struct quorum *quorum, uint64_t index, uint64_t term, const void *bytes,
                     size_t size);

#endif
