/* The actor process: carries out orders on nodes, keeps VIP leases, reports outcomes. It has the
 * SSH keys and nothing else: no log, no HTTP. What it is told is level-triggered: a list of all
 * orders now owed replaces the one before.
 * Files: actor.c (the process, its links), outbox.c (reports until they are in the log), node.c
 * (sessions), holds.c (the lease channel), commands.c (restart, start, stop). */
#ifndef ACTOR_ACTOR_H
#define ACTOR_ACTOR_H

#include "actions/channel.h"
#include "orchestrator/core/limits.h"
#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/process.h"

enum {
    ACTOR_HELD_MAX = 64, /* addresses that one node may report */
    BOOT_SIZE = 40,
};

struct actor;
struct actor_node;

struct owed { /* an order of the newest list, and what was done about it */
    struct owed *next;
    struct actor *actor;
    Ephor__OrderKind kind;
    uint64_t id;
    char node[NAME_SIZE], service[NAME_SIZE], vip[NAME_SIZE];
    char word[ADDRESS_SIZE + INTERFACE_SIZE]; /* ADDRESS@INTERFACE */
    uint32_t lease_ms;
    bool guarded;     /* HOLD: by nft, and the lease is to the millisecond */
    uint32_t wait_ms; /* RELEASE: after R, for one who does not know what was sent */
    bool acquire;
    int64_t deadline_ms; /* this machine's clock: too late afterwards */
    uint32_t timeout_ms;
    char **argv;
    size_t argc;
    int64_t since_ms;        /* when it came */
    bool is_listed;          /* scratch while a list is merged */
    bool is_reported;        /* the outcome went to the outbox */
    Ephor__Result told;      /* with is_reported: the newest outcome that was */
    bool is_held;            /* HOLD: a `held` has named it */
    bool is_lost;            /* HOLD: and then one has not; said once */
    uint64_t first_seq;      /* the first hold line that was sent under this order */
    int announced;           /* how often */
    int64_t announce_ms;     /* when again; 0 = not any more */
    struct channel *channel; /* RESTART, START, STOP while it runs */
    bool is_sent;            /* the node may have begun */
    int64_t again_ms;        /* RESTART, START, STOP: not asked again before */
    int64_t lost_ms;         /* when the way to the node was lost while it ran */
    char output[TEXT_SIZE];  /* last line of the command's output */
};

struct grant { /* when the lease that hold lines gave this address has certainly ended */
    struct grant *next;
    char node[NAME_SIZE];
    char word[ADDRESS_SIZE + INTERFACE_SIZE];
    int64_t end_ms; /* the latest of all lines: each may have been the last to arrive */
};

enum node_phase {
    NODE_WAITING,
    NODE_CONNECTING,
    NODE_OPENING, /* the lease shell starts */
    NODE_WARM,    /* it answers; another controller has the word */
    NODE_ASKING,  /* this one leads, and asks what time it is there */
    NODE_OPEN,
};

struct actor_node {
    struct actor_node *next;
    struct actor *actor;
    char name[NAME_SIZE];
    char address[256], user[64];
    uint16_t port;
    bool is_local;
    int64_t connect_timeout_ms;
    bool is_listed; /* scratch while a policy is merged */
    enum node_phase phase;
    struct ssh *ssh;
    struct channel *lease;
    struct timer *retry; /* connect again */
    struct timer *beat;  /* the next hold line, or the next question to a warm node */
    int64_t back_off_ms;
    int64_t patience_ms; /* for the first line of the lease channel */
    int64_t since_ms;    /* when the channel began to answer; 0: it does not */
    /* the lease channel */
    uint64_t seq;                /* of the last line sent */
    uint64_t answered_seq;       /* of the last line answered */
    int64_t sent_ms;             /* of the oldest line not answered */
    int64_t uptime_cs, heard_ms; /* U and R: the node's clock, and when we heard it */
    char boot[BOOT_SIZE];
    char held[ACTOR_HELD_MAX][ADDRESS_SIZE + INTERFACE_SIZE];
    size_t held_count;
    int64_t rtt_us;
    bool is_stale;           /* U is too old to date a lease: the node was asked for the time */
    bool is_doubted;         /* the leader cannot work on it */
    uint64_t outranked_term; /* in which the node told us that others have the word */
    int64_t outranked_ms;    /* ... for the first time */
    /* what was reported about it */
    enum { REACH_UNTOLD, REACH_TOLD_UP, REACH_TOLD_DOWN } told;
    char told_text[TEXT_SIZE];
    int64_t down_since_ms;
    char problem[TEXT_SIZE];    /* the last `error` line */
    Ephor__Guard guard;         /* what it said when its shell started */
    char guard_text[TEXT_SIZE]; /* why it has none */
    char frozen[TEXT_SIZE];     /* what its file "freeze" says; "": there is none */
    unsigned chatter;           /* lines of this channel that are not of the protocol */
};

struct report { /* a fact on its way into the log */
    struct report *next;
    uint64_t sequence;
    Ephor__Fact *fact;
    bool is_sent;
};

struct identity {
    struct identity *next;
    char node[NAME_SIZE];
    uint8_t *key;
    size_t key_size;
    uint8_t *known_hosts;
    size_t known_hosts_size;
};

struct actor {
    struct process *process;
    struct loop *loop;
    struct link *quorum, *status;
    struct actor_node *nodes;
    struct owed *owed;
    struct grant *grants;
    struct identity *identities;
    struct report *reports;
    uint64_t sequence;
    struct timer *resend;
    struct timer *beat; /* waiting orders, states to the status process */
    char name[NAME_SIZE];
    int64_t session; /* the number of the lease channel opened last */
    bool is_leading;
    uint64_t term;
    uint64_t orders_term; /* whose orders these are */
    uint32_t rules;       /* that the cluster follows */
    int64_t fresh_until_ms;
    int64_t fresh_ms;
    int64_t blind_until_ms; /* before it, another one may have extended leases unseen */
    int64_t told_status_ms;
    int64_t beat_ms; /* when the last one was */
};

int actor_main(uint32_t instance, int control_fd);

struct actor_node *actor_find_node(const struct actor *actor, const char *name);

/* LEADER-FRESH: may a line be composed, an order begun, now? Asked at that very moment. */
bool actor_may_act(const struct actor *actor);

/* outbox.c */
void outbox_outcome(struct actor *actor, struct owed *owed, Ephor__Result result, const char *text);
void outbox_reach(struct actor_node *node, bool reachable, const char *text);
void outbox_on_proposed(struct actor *actor, const Ephor__Proposed *proposed);
void outbox_send(struct actor *actor, bool again); /* again: all, over a new link */
void outbox_close(struct actor *actor);

/* node.c */
void nodes_adopt(struct actor *actor, const Ephor__Policy *policy);
void nodes_reconnect(struct actor *actor); /* identities changed */
void nodes_lead(struct actor *actor);      /* this controller leads from now on */
void nodes_follow(struct actor *actor);    /* it does not any more */
void nodes_tell(struct actor *actor);      /* again, what can be worked on */
void nodes_close(struct actor *actor);
void node_lost(struct actor_node *node, const char *why);
void node_answers(struct actor_node *node,
                  uint64_t epoch); /* the lease channel; epoch seen there */
void node_frozen(struct actor_node *node, const char *text); /* "": not any more */
void node_guardless(struct actor_node *node, const char *why);
void node_outranked(struct actor_node *node, uint64_t epoch, const char *text);
void node_tell_status(struct actor_node *node);

/* holds.c */
bool holds_open(struct actor_node *node); /* the lease channel of a ready session */
void holds_ask(struct actor_node *node);  /* what time is it there? Needs no authority */
void holds_arm(struct actor_node *node);  /* the next beat, by its phase */
void holds_beat(struct actor_node *node); /* a hold line if we may, a question otherwise */
void holds_doubt(struct actor_node *node, bool is_doubted);
void holds_excuse(struct actor *actor); /* we were late ourselves: answers lie in the sockets */
void holds_check(struct actor *actor);  /* releases that end by time, unreachable holders */
void holds_close(struct actor *actor);

/* commands.c */
void commands_run(struct actor *actor); /* begin what can begin, end what is too late */
void command_cancel(struct owed *owed);

#endif
