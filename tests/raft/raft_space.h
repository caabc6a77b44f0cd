/* What can happen to three raft servers: raft_step itself, and a model of disks and network. Time
 * is abstract: every server has a clock of its own, any timer may fire at any moment, and nobody is
 * loyal to a leader. (Loyalty only ever makes a server ignore a message, and any message may be
 * lost: a world without it can do all that a world with it can, and more.)
 *
 * One world is some kilobytes; its normal form (raft_form.c) is a few hundred bytes. */
#ifndef TESTS_RAFT_SPACE_H
#define TESTS_RAFT_SPACE_H

#include "orchestrator/raft/server.h"

#include <stddef.h>

enum {
    SERVERS = 3,
    LOG_MAX = 6,     /* indices 1..6 */
    TERMS_MAX = 6,   /* terms 0..5 */
    PENDING_MAX = 3, /* writes that are not durable yet, of one server */
    MAIL_MAX = 16,
    HELD_MAX = 12,
    CONFIGS_MAX = 3,
    ALWAYS = 15,
    ACTIONS_MAX = 64,
    SLOTS = 24, /* of the core's log: it reserves 16 */
    BLOCK_SIZE = sizeof(struct raft) + SLOTS * sizeof(struct slot),
    FORM_MAX = 1024,
    START_MS = 1000000,
    PATIENCE_MS = 1000, /* election_ms */
    BEAT_MS = 1,        /* heartbeat_ms */
};

enum act {
    ACT_TIMEOUT, /* a: the election timeout of a server fires */
    ACT_DELIVER, /* b: place in the mail */
    ACT_PERSIST, /* a; b: the number of its writes that are durable now */
    ACT_HEAR,    /* a; b: is told by another that its question is of an old term */
    /* What a plan grants only so often: */
    ACT_BEAT,      /* a: a leader's heartbeat is due */
    ACT_DOUBLE,    /* b: deliver a message and keep it */
    ACT_CRASH,     /* a: what is not durable is gone; it starts again */
    ACT_FAIL,      /* a: a write fails; it starts again */
    ACT_DAMAGE,    /* a; b: a crash, and its disk has nothing from this index on */
    ACT_STEP_DOWN, /* a: a leader has waited too long: for a quorum, or for its heir */
    ACT_PROPOSE,   /* a */
    ACT_CHANGE,    /* a; b: the plan's configuration */
    ACT_TRANSFER,  /* a; b: to */
    ACT_SNAPSHOT,  /* a: of what it has applied */
    ACT_CONNECT,   /* a; b: the peer that can be reached again */
    ACT_COUNT
};

struct action {
    uint8_t act, a, b;
    uint16_t kept; /* bit i: message i is still on its way afterwards */
};

struct plan {
    const char *name;
    uint8_t terms, log, mail; /* the highest term, the longest log, messages on their way */
    bool is_settled;          /* it begins with leader 1, whose no-op everybody has */
    bool has_prevote;         /* otherwise every answer to that question is taken to be yes */
    bool is_slow;             /* a write becomes durable by ACT_PERSIST; otherwise at once */
    bool is_symmetric;        /* servers that change names are the same world */
    uint8_t pending;          /* is_slow: the most writes that wait, of one server */
    uint8_t most[ACT_COUNT];  /* how often, from ACT_BEAT on; ALWAYS: is not counted */
    uint32_t configs;         /* the first one is the founders' */
    struct raft_membership config[CONFIGS_MAX];
    uint32_t states_max;
};

struct item { /* an entry */
    uint8_t term;
    uint8_t what; /* kind << 4 | size: proposals differ in size, and configurations */
};

struct mark { /* a snapshot; index 0: none */
    uint8_t index, term, config, config_index;
};

struct image { /* what is on a disk */
    uint8_t term, voted_for;
    uint8_t first, last;
    struct mark snapshot;
    struct item items[LOG_MAX + 1]; /* by index */
    uint8_t lost_index, lost_term;  /* the last entry before damage; index 0: nothing is missing */
    struct item lost[LOG_MAX + 1];  /* what damage took */
};

struct mail {
    uint8_t type, from, to, term, index, index_term, flags, refused, commit, offset, size, count;
    uint8_t after; /* held: the write it waits for, from 1 = the oldest that is not durable */
    struct mark snapshot;
    struct item items[LOG_MAX];
};
enum { MAIL_GRANTED = 1, MAIL_TRANSFER = 2, MAIL_LOST = 4 };

struct server {
    _Alignas(16) uint8_t block[BLOCK_SIZE];
    struct image images[1 + PENDING_MAX]; /* durable; after one more write; ... */
    uint8_t pending;
    uint8_t held_count;
    struct mail held[HELD_MAX];
};

struct past { /* what has happened and must not be contradicted */
    uint8_t leader[TERMS_MAX];
    uint8_t committed; /* entries 1..committed */
    struct item items[LOG_MAX + 1];
    uint8_t in_term[LOG_MAX + 1]; /* of the server that committed it first */
};

struct violation {
    const char *name; /* NULL: none */
    char text[160];
};

struct world {
    struct server servers[SERVERS];
    uint8_t mail_count;
    struct mail mail[MAIL_MAX];
    uint8_t spent[ACT_COUNT];
    struct past past;
    struct violation violation; /* seen while it happened */
    bool is_beyond;             /* more than the model has room for: not followed */
    enum raft_result result;    /* of the last step */
};

/* ---- raft_space.c: servers, disks and network */

struct raft *raft_of(const struct world *w, uint32_t id);
struct server *server_of(struct world *w, uint32_t id);
struct image *memory_of(struct server *s); /* what will be on its disk */
void space_init(struct world *w, const struct plan *plan);
void space_start(struct world *w, const struct plan *plan, uint32_t id); /* from its disk */
void space_damage(struct server *s, uint32_t from);
void space_step(struct world *w, const struct plan *plan, uint32_t id, struct raft_event event);
void space_persist(struct world *w, const struct plan *plan, uint32_t id, uint32_t count);
void space_timeless(struct raft *raft); /* every clock as if nothing had happened for a moment */
struct raft_params space_params(uint32_t id);
struct raft_snapshot snapshot_of_mark(const struct plan *plan, struct mark mark);
struct mark mark_of_snapshot(const struct plan *plan, const struct raft_snapshot *s);
uint8_t config_number(const struct plan *plan, const struct raft_membership *m);
struct item item_of(const struct raft *raft, uint64_t index); /* term 0: it is not in the log */

/* ---- raft_acts.c: what can happen */

uint32_t acts_of(const struct world *w, const struct plan *plan, struct action *actions);
void act_do(struct world *w, const struct plan *plan, struct action action);
void acts_settle(struct world *w, const struct plan *plan);
bool act_is_within(const struct world *w, const struct plan *plan); /* the plan's bounds */
void mail_keep(struct world *w, uint16_t kept);
void mail_tidy(struct world *w, const struct plan *plan); /* what cannot matter any more goes */
void act_tell(const struct world *w, struct action action, const uint8_t *names, char *text,
              size_t size);
void world_tell(const struct world *w, const uint8_t *names);

/* ---- raft_form.c: the normal form */

/* names[id]: what server id of the world is called in the form. Returns the size. */
size_t form_of(struct world *w, const struct plan *plan, uint8_t *bytes, uint8_t *names);
void form_read(struct world *w, const struct plan *plan, const uint8_t *bytes);

/* ---- raft_laws.c: what must hold */

void law_broken(struct world *w, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void laws_on_send(struct world *w, const struct mail *m);
void laws_on_step(struct world *w, const struct plan *plan, uint32_t id);
void laws_check(const struct world *before, struct world *w, const struct plan *plan);

#endif
