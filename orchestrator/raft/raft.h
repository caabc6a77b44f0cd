/* Consensus as a pure function: events in, effects out (Raft; Ongaro's thesis, cited as §). One
 * struct raft is one server's mind; raft_step is the only thing that changes it. No I/O, no clock,
 * no allocation, no randomness but the seed it was given: the same events make the same effects.
 *
 * What the driver owes it, for every update, in the order of the members:
 *   1. store `hard`, `truncate_from`, `install`, the entries from `append_first`, and `compact_to`
 *      together, atomically, in the order of the writes' numbers; several writes may become one;
 *   2. send each message as soon as the write numbered `message.after` is durable, or never: any
 *      message may be lost, doubled, late or out of order;
 *   3. say RAFT_PERSISTED when writes are durable, with the last entry that is durable then;
 *   4. hand the entries up to `apply_to` to the state machine, in order, once; entries that an
 *      installed snapshot stands for come as that snapshot;
 *   5. take a snapshot of the state machine before the log is half full, also on a follower, and
 *      keep older ones while raft_peer() names them.
 * Entry and snapshot bytes stay with the driver; the core knows index, term, kind and size, and
 * the membership that a RAFT_ENTRY_CONFIG entry carries.
 *
 * If a write fails, the driver says RAFT_STORAGE_FAILED, drops every message and write not yet
 * durable, and begins anew from what is on disk (raft_init, raft_load, raft_start): a failing disk
 * is a crash without the crash. */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef RAFT_MEMBERS_MAX
#define RAFT_MEMBERS_MAX 12 /* 7 voters, learners, and one that is on its way in or out */
#endif
#ifndef RAFT_MESSAGES_MAX
#define RAFT_MESSAGES_MAX 64 /* of one update; what does not fit is sent after the next answer */
#endif

#define RAFT_NEVER_MS INT64_MAX

/* ---- membership */

enum raft_kind {
    RAFT_VOTER = 1,
    RAFT_LEARNER = 2, /* receives the log, has no vote (§4.2.1) */
    RAFT_WITNESS =
        3, /* votes and stores; leads only to bring a voter up to date, then hands over */
};

struct raft_member {
    uint32_t id; /* never 0, never used again for another server or another disk */
    enum raft_kind kind;
};

struct raft_membership {
    uint32_t count;
    struct raft_member members[RAFT_MEMBERS_MAX];
};

/* ---- entries */

enum raft_entry_kind {
    RAFT_ENTRY_NOOP = 1, /* the first of a term (§6.4) */
    RAFT_ENTRY_DATA = 2,
    RAFT_ENTRY_CONFIG = 3,
};

struct raft_entry {
    uint64_t term;
    uint32_t size; /* of its bytes, which the driver holds */
    enum raft_entry_kind kind;
    const struct raft_membership *membership; /* RAFT_ENTRY_CONFIG: borrowed for the step */
};

/* A snapshot stands for every entry up to `index`. */
struct raft_snapshot {
    uint64_t index; /* 0: none */
    uint64_t term;
    uint64_t size; /* of its bytes, which the driver holds */
    struct raft_membership membership;
    uint64_t membership_index; /* of the entry that brought it; 0: the first one */
};

/* ---- messages */

enum raft_message_type {
    RAFT_PREVOTE = 1, /* would you vote for me in `term`? (§9.6) */
    RAFT_PREVOTE_REPLY,
    RAFT_VOTE,
    RAFT_VOTE_REPLY,
    RAFT_APPEND, /* entries, or none: a heartbeat */
    RAFT_APPEND_REPLY,
    RAFT_SNAPSHOT, /* a chunk, or none: how far are you? */
    RAFT_SNAPSHOT_REPLY,
    RAFT_TIMEOUT_NOW, /* campaign at once (§3.10) */
};

struct raft_message {
    enum raft_message_type type;
    uint32_t from, to;
    uint64_t term;  /* PREVOTE: the one it would campaign in */
    uint64_t after; /* outgoing: send when this write is durable; 0 = at once */
    /* PREVOTE, VOTE: the candidate's last entry; APPEND: the entry before the first one sent;
     * SNAPSHOT, SNAPSHOT_REPLY: the snapshot; APPEND_REPLY: when accepted, the last entry that is
     * known to agree and to be durable; when refused, the highest index worth trying next. */
    uint64_t index;
    uint64_t index_term; /* of that entry; APPEND_REPLY refused: the conflicting term or 0 */
    bool granted;        /* *_REPLY: yes; SNAPSHOT_REPLY: installed */
    bool is_transfer;    /* VOTE: on behalf of the leader, who wants to go */
    bool wants_snapshot; /* APPEND_REPLY of a witness whose log is long */
    bool has_lost;       /* APPEND_REPLY refused: it no longer has all that it acknowledged */
    uint64_t refused;    /* APPEND_REPLY refused: the `index` of the request */
    uint64_t commit;     /* APPEND */
    int64_t sent_ms;     /* APPEND, SNAPSHOT: the leader's clock; the reply gives it back */
    uint32_t flight;     /* APPEND: counts the leader's new beginnings; likewise */
    uint32_t count;      /* APPEND: entries index + 1 ... index + count */
    const struct raft_entry *entries; /* received APPEND: borrowed for the step */
    uint64_t offset; /* SNAPSHOT: of this chunk; SNAPSHOT_REPLY: bytes received so far */
    uint32_t size;   /* SNAPSHOT: of this chunk */
    const struct raft_snapshot *snapshot; /* SNAPSHOT: sent: valid until the next step */
};

/* ---- events */

enum raft_event_type {
    RAFT_TICK,           /* time went on; wanted at raft_deadline() */
    RAFT_RECEIVE,        /* a message */
    RAFT_PERSISTED,      /* writes are durable */
    RAFT_PROPOSE,        /* entries, while leading */
    RAFT_CHANGE,         /* the membership, while leading: by one vote at most */
    RAFT_TRANSFER,       /* leadership, to another voter */
    RAFT_SNAPSHOT_TAKEN, /* of the own state machine; durable */
    RAFT_CONNECTED,      /* a peer can be reached again: what was under way is lost */
    RAFT_READ,           /* confirm leadership soon (§6.4) */
    RAFT_STORAGE_FAILED, /* nothing but RAFT_TICK and a new start is understood afterwards */
};

struct raft_event {
    enum raft_event_type type;
    int64_t now_ms; /* of one clock that never goes backwards */
    union {
        const struct raft_message *message;
        struct {
            uint64_t write;
            uint64_t last_index, last_term; /* the last durable entry, or the snapshot's */
        } persisted;
        struct {
            const uint32_t *sizes; /* borrowed; of `count` RAFT_ENTRY_DATA entries */
            uint32_t count;
        } propose;
        struct {
            const struct raft_membership *membership; /* borrowed */
            uint32_t size;
        } change;
        uint32_t transfer_to; /* 0: whoever is closest */
        struct {
            uint64_t index; /* <= the last `apply_to` */
            uint64_t size;
            /* In force at that index: the driver has seen it go by when it handed entries on.
             * Borrowed. */
            const struct raft_membership *membership;
            uint64_t membership_index;
        } taken;
        uint32_t peer;
    };
};

/* ---- effects */

enum raft_result {
    RAFT_OK = 0,
    RAFT_NOT_LEADER,     /* not (or no longer) the leader, or not allowed to act as one */
    RAFT_TRANSFERRING,   /* leadership is on its way to another server */
    RAFT_FULL,           /* the log has no room until a snapshot is taken */
    RAFT_CHANGE_PENDING, /* one change at a time, and not before this term has committed */
    RAFT_CHANGE_INVALID, /* it differs by more than one vote, or leaves no voter */
    RAFT_NOT_CAUGHT_UP,  /* the server's log is too far behind to be given a vote */
    RAFT_NO_TARGET,      /* nobody to hand over to */
};

struct raft_update {
    enum raft_result result; /* PROPOSE, CHANGE, TRANSFER; otherwise RAFT_OK */
    uint64_t write;          /* the number of the write below; 0: there is nothing to store */
    bool has_hard;
    uint64_t hard_term;
    uint32_t hard_voted_for; /* 0: nobody */
    uint64_t truncate_from;  /* 0: no */
    bool has_install;        /* the snapshot received takes the place of the log ... */
    bool keeps_suffix;       /* ... but for the entries behind it */
    struct raft_snapshot install;
    uint64_t append_first, append_count; /* of the proposal, the message received, or a no-op */
    uint64_t compact_to;                 /* drop the entries up to here; 0: no */
    uint64_t apply_to;                   /* hand on up to here; the same as before: nothing new */
    bool chunk_accepted;                 /* keep the bytes of the chunk received, at its offset */
    bool role_changed; /* role, term or leader: raft_role(), raft_term(), raft_leader() */
    bool membership_changed;
    uint32_t message_count;
    struct raft_message messages[RAFT_MESSAGES_MAX];
};

/* ---- the server */

struct raft_params {
    uint32_t id;
    int64_t election_ms;       /* the minimum election timeout; the maximum is twice it */
    int64_t heartbeat_ms;      /* well below election_ms */
    uint32_t append_bytes_max; /* of one message; one entry may be longer */
    uint32_t window_bytes;     /* sent to one server and not yet answered */
    uint32_t chunk_bytes;      /* of a snapshot */
    uint32_t trailing;         /* entries kept behind a snapshot, for followers that are close */
    uint32_t log_max;          /* entries in memory: the size of the block */
    uint64_t seed;
};

struct raft;

/* The bytes to give to raft_init for a log of that many entries. */
size_t raft_size_bytes(uint32_t log_max);

/* Begin in `block` (the caller's, for as long as the server lives; aligned as malloc does). The
 * membership is that of the snapshot, or, without one, the one every server was founded with. */
struct raft *raft_init(void *block, const struct raft_params *params, uint64_t term,
                       uint32_t voted_for, const struct raft_snapshot *snapshot);

/* Give it its durable entries, in order; the first one may lie before the snapshot's index, and
 * those that are older than what is kept behind a snapshot are not taken into memory. */
void raft_load(struct raft *raft, uint64_t index, const struct raft_entry *entry);

/* Call between raft_load and raft_start if damage cost the log its end: `index` and `term` are
 * those of the last entry that it ever acknowledged. The promises made with those entries
 * are kept without them. Until the log is as complete again, the server votes only for logs that
 * are, and does not stand for election: it might be the only one that knows of an entry that is
 * committed, and no longer know it. */
void raft_lost(struct raft *raft, uint64_t index, uint64_t term);

/* Everything is loaded. A server that just started behaves as if it had heard from a leader now:
 * what it promised before it stopped is still kept. */
void raft_start(struct raft *raft, int64_t now_ms);

/* The only function that changes it. `update` is overwritten. */
void raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *update);

/* ---- queries */

enum raft_role { RAFT_FOLLOWER, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

enum raft_role raft_role(const struct raft *raft);
uint64_t raft_term(const struct raft *raft);
uint32_t raft_leader(const struct raft *raft); /* 0: unknown */
int64_t raft_deadline(const struct raft *raft);
uint64_t raft_commit(const struct raft *raft);
uint64_t raft_applied(const struct raft *raft);       /* the last apply_to */
uint64_t raft_durable_write(const struct raft *raft); /* of the last RAFT_PERSISTED */
uint64_t raft_first_index(const struct raft *raft);
uint64_t raft_last_index(const struct raft *raft);
uint64_t raft_term_of(const struct raft *raft, uint64_t index); /* 0: not in the log */
uint64_t raft_lost_index(const struct raft *raft); /* what raft_lost told of; 0: it is all back */
/* What a member of the log is, but for its bytes and its membership, which are the driver's. */
const struct raft_entry *raft_entry_of(const struct raft *raft, uint64_t index,
                                       struct raft_entry *entry);
const struct raft_snapshot *raft_snapshot(const struct raft *raft);
const struct raft_membership *raft_membership(const struct raft *raft); /* the newest in the log */
uint64_t raft_membership_index(const struct raft *raft);

/* The C of the lease protocol: at this moment of the clock of `now_ms` a quorum still took this
 * server for the leader of its present term; INT64_MIN: nobody can say so. It is the send time of
 * the quorum-th newest request that voters have answered in this term. */
int64_t raft_fresh_since(const struct raft *raft, int64_t now_ms);

/* May it act as leader: it leads, is no witness, and an entry of its own term is committed? */
bool raft_is_working(const struct raft *raft);

/* What a leader knows of a member; false: not leading, or no such member. */
struct raft_peer {
    uint64_t match_index, next_index;
    int64_t answered_ms; /* when the newest request that it answered was sent; INT64_MIN: none */
    bool is_snapshotting;
    uint64_t snapshot_index; /* that it is being sent */
    uint64_t snapshot_offset;
};
bool raft_peer(const struct raft *raft, uint32_t id, struct raft_peer *peer);

const char *raft_role_name(enum raft_role role);
const char *raft_result_text(enum raft_result result);
const char *raft_message_name(enum raft_message_type type);

#endif
