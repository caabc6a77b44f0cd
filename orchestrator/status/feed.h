/* What the status process knows: a second replica of the state machine, fed by the quorum process;
 * the journal; and what the other processes say about themselves. A new link to the quorum process
 * replaces everything that came over the old one. */
#ifndef STATUS_FEED_H
#define STATUS_FEED_H

#include "orchestrator/proto/machine.h"
#include "orchestrator/status/counts.h"
#include "orchestrator/status/lines.h"
#include "orchestrator/status/observed.h"

enum {
    PROCESSES_MAX = 16,
    CHANNELS_MAX = 10000, /* nodes of a policy */
    HOLDING_MAX = 32,     /* addresses shown for one node */
    REPLIES_MAX = 256,    /* remembered answers; one is looked for at once or within a moment */
};

struct process_view {
    Ephor__Role role;
    uint32_t instance;
    int32_t pid;
    bool is_up;
    uint32_t restarts;
    char reason[128];
    int64_t since_wall_ms;
};

struct channel { /* of the actor to a node */
    char node[NAME_SIZE];
    bool is_up;
    char text[TEXT_SIZE];
    int64_t rtt_us;
    char holding[HOLDING_MAX][ADDRESS_SIZE];
    uint32_t holding_count;
};

struct reply { /* to the request in entry `index` */
    uint64_t index;
    bool is_accepted;
    char text[LINE_SIZE];
};

struct feed {
    struct machine machine;
    struct effects *effects;
    struct lines *lines;
    struct counts counts;
    bool is_linked;              /* to the quorum process */
    bool is_fed;                 /* its snapshot came */
    char trouble[ERR_TEXT_SIZE]; /* why the feed cannot be followed; "" if it can */

    bool is_leading;
    uint64_t term, commit_index, applied_index;
    bool is_storage_ok, is_calm;
    char storage_text[ERR_TEXT_SIZE], calm_text[TEXT_SIZE];
    Ephor__FeedState *state; /* the last one, whole; NULL until it came */

    struct channel *channels;
    uint32_t channel_count;
    struct process_view processes[PROCESSES_MAX];
    uint32_t process_count;
    bool has_reloaded, is_reload_ok;
    char reload_text[ERR_TEXT_SIZE];
    int64_t reload_wall_ms, reload_ok_wall_ms;

    uint32_t controller;
    char controller_name[NAME_SIZE];
    char config_path[256];
    struct results *results; /* NULL until the table came */
    int64_t started_wall_ms;

    struct reply replies[REPLIES_MAX];
    uint32_t reply_next;
};

int feed_init(struct feed *feed);
void feed_close(struct feed *feed);

/* A new link to the quorum process, and its loss. */
void feed_begin(struct feed *feed);
void feed_end(struct feed *feed);

/* A message from the quorum process, the actor or the supervisor. Returns whether it was one for
 * the feed. */
bool feed_take(struct feed *feed, const Ephor__Message *m);

/* The actor is gone: what it said about nodes holds no more. */
void feed_lose_channels(struct feed *feed);

/* The answer to the request in entry `index`; NULL if it did not come (yet). */
const struct reply *feed_reply(const struct feed *feed, uint64_t index);

/* The actor's channel to a node of the state; NULL if it said nothing. */
const struct channel *feed_channel(const struct feed *feed, int32_t node);

#endif
