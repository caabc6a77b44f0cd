/* What observer.c (controllers) and observer_peers.c (the other processes of this ephord) share. */
#ifndef QUORUM_OBSERVER_PARTS_H
#define QUORUM_OBSERVER_PARTS_H

#include "orchestrator/proto/registry.h"
#include "orchestrator/quorum/calm.h"
#include "orchestrator/quorum/certificate.h"
#include "orchestrator/quorum/looks.h"
#include "orchestrator/quorum/mesh.h"
#include "orchestrator/quorum/observer.h"
#include "orchestrator/quorum/sight.h"
#include "orchestrator/raft/raft.h"
#include "orchestrator/sys/link.h"

#include <limits.h>

enum { OBSERVER_CHECKERS_MAX = 8 };

struct told {              /* a controller, and what it knows */
    uint32_t id;           /* 0: a free place */
    uint64_t policy_index; /* that is in force for it */
    bool is_told;          /* all that is seen under that policy */
    uint64_t term;         /* as it said last, and when */
    bool leads;
    int64_t heard_ms;
};

struct observer_peer { /* another process of this ephord */
    struct observer_process *observer;
    struct link *link; /* NULL while there is none */
    Ephor__Role role;
};

struct observer_process {
    struct process *process;
    struct loop *loop;
    uint32_t id;
    uint32_t checker_count;
    char state_dir[PATH_MAX];
    int64_t beat_ms;
    struct mesh *mesh;
    struct certificate certificate;
    Ephor__Membership *members; /* the controllers */
    struct told told[RAFT_MEMBERS_MAX];
    uint64_t term;   /* the newest that a leader told */
    uint32_t leader; /* id of that one; 0: none yet */
    uint32_t present[OBSERVERS_MAX];
    size_t present_count;
    struct looks looks;
    struct sight sight;
    struct calm calm;
    bool sees;
    char reason[TEXT_SIZE]; /* why not */
    struct timer *beat, *report;
    struct observer_peer checkers[OBSERVER_CHECKERS_MAX], status;
};

/* observer.c */
void observer_on_opinions(struct observer_process *observer, const Ephor__Opinions *opinions);
void observer_on_checker(struct observer_process *observer, const Ephor__CheckerState *state);

/* observer_peers.c */
void observer_connect(struct observer_process *observer, Ephor__Role role, uint32_t instance,
                      int fd);
void observer_disconnect(struct observer_process *observer);
void observer_send_policy(struct observer_process *observer);  /* to checkers */
void observer_send_outlook(struct observer_process *observer); /* to checkers */
void observer_send_verdicts(struct observer_process *observer, const Ephor__Verdicts *verdicts);
void observer_feed(struct observer_process *observer); /* to the status process */

#endif
