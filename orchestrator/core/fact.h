/* A fact: an entry of the replicated log as the core sees it. Facts are the only thing that
 * changes shared state. Time comes in with them: at_ms is core time, which the leader continues
 * from where the log left it; it never runs backwards (the core clamps it) and stands still while
 * nobody leads. wall_ms is for people only and decides nothing. */
#ifndef CORE_FACT_H
#define CORE_FACT_H

#include "orchestrator/core/words.h"

#include <stdbool.h>
#include <stdint.h>

enum fact_kind {
    FACT_OPINIONS,
    FACT_TICK,
    FACT_OUTCOME,
    FACT_LEADER,
    FACT_REQUEST,
    FACT_SIGHT,
    FACT_REACH,
    FACT_CALM,
    FACT_BOARD,
    FACT_PRESENCE,
    FACT_CENSUS,
    FACT_FREEZE,
};

enum verb { VERB_FAILOVER, VERB_PAUSE, VERB_RESUME, VERB_MAINTENANCE_ON, VERB_MAINTENANCE_OFF };

struct opinion_change {
    uint32_t check;
    enum state state;
    const char *text;
    enum state suspect; /* what the newest answers say, while they contradict the opinion */
    uint32_t attempts;  /* how many of them in a row; 0: they do not */
    enum cause cause;   /* of the newest answer */
};

struct seat {      /* one place of the board, by controller id - 1 */
    bool is_taken; /* by a member of the cluster */
    bool looks;    /* it runs checks: it is no witness */
    bool votes;    /* it may lead: neither a learner nor a witness */
    const char *name;
};

struct census_change { /* of what all observers say about one check; see struct census */
    uint32_t check;
    uint32_t seers, silent, doubters;
    uint32_t votes[3], newest[3], answers[3]; /* by enum state: OK, WARNING, CRITICAL */
};

/* All pointers are borrowed for the step. Strings are never NULL. */
struct fact {
    enum fact_kind kind;
    uint64_t index; /* of the log entry; also the id of the orders that it creates */
    uint64_t term;
    int64_t at_ms;
    int64_t wall_ms;
    union {
        struct {
            uint32_t controller;
            uint64_t policy_index;
            const struct opinion_change *changes;
            uint32_t count;
        } opinions;
        struct {
            enum order_kind kind;
            uint64_t order;
            const char *object; /* service or VIP */
            const char *node;
            enum order_result result;
            const char *text;
        } outcome;
        struct {
            uint32_t controller;
            const char *name;
        } leader;
        struct {
            enum verb verb;
            const char *service, *node, *author, *reason;
            int64_t for_ms; /* PAUSE, MAINTENANCE_ON: until it ends by itself; 0: it does not */
        } request;
        struct {
            uint32_t controller;
            bool sees;
            const char *reason;
        } sight;
        struct {
            uint32_t controller; /* whose actor says it; 0: the leader's */
            const char *node;
            bool reachable;
            uint8_t guard; /* enum guard */
            const char *text;
            const char *frozen; /* what the file says that freezes it; "": it is not frozen */
        } reach;
        struct {
            uint32_t controller;
            bool calm;
            const char *reason;
        } calm;
        struct {
            uint32_t controller;
            const char *text; /* of its file; "": there is none */
        } freeze;
        struct {
            const struct seat *seats; /* CONTROLLERS_MAX of them */
        } board;
        struct {
            uint32_t controller;
            bool is_there;  /* it says so itself; false: the leader has not heard it for too long */
            uint64_t run;   /* of its quorum process: another one has to look anew */
            uint32_t rules; /* the newest rules that it knows */
            uint64_t file;  /* digest of the policy in its file; 0: none */
            const char *text;
        } presence;
        struct {
            uint64_t policy_index;
            const struct census_change *changes;
            uint32_t count;
        } census;
    };
};

#endif
