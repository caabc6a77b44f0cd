/* The engine interface: one agreed, durable, ordered log of entries, whoever provides it.
 * The state machine above sees entries only through on_entry, in order, each exactly once a run;
 * after a restart the engine first gives the newest snapshot (on_snapshot, if there is one), then
 * every committed entry behind it. Entry bytes are opaque to the engine.
 *
 * All callbacks run on the loop, never from inside a call of this interface, with borrowed
 * pointers. Proposals work while leading; others fail with ERR_AGAIN. engine_fresh_since is the C
 * of the lease protocol: at that moment of this machine's CLOCK_BOOTTIME a quorum still took this
 * engine for the leader of its present term. */
#ifndef CONSENSUS_ENGINE_H
#define CONSENSUS_ENGINE_H

#include "orchestrator/base/err.h"
#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENGINE_ENTRY_MAX = 64 << 20 };

struct engine;

struct engine_callbacks {
    void (*on_snapshot)(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size);
    void (*on_entry)(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size);
    void (*on_leadership)(void *data, bool is_leader, uint64_t term);
    /* Storage works again (0) or not (negative error); while it does not, nothing is committed. */
    void (*on_storage)(void *data, int err, const char *text);
    /* The members of the cluster are these now; at the start, too. NULL: nobody is interested. */
    void (*on_members)(void *data, const Ephor__Membership *members);
    /* A message to another member, which may be lost. The only one that may run inside a call of
     * this interface. NULL: there are no others. */
    void (*on_send)(void *data, uint32_t to, const void *bytes, size_t size);
};

struct engine_params {
    const char *state_dir; /* must exist; locked for as long as the engine lives */
    uint32_t controller;   /* own id */
    const char *name;      /* own name, for the membership that a founder begins with; NULL: "" */
    bool joins;            /* a new log waits to be given members; otherwise it founds a cluster */
    uint32_t trailing;     /* entries kept behind a snapshot; 0 = 1024 */
    uint32_t election_ms;  /* minimum election timeout; 0 = 300 */
    uint32_t heartbeat_ms; /* 0 = a sixth of that */
    uint32_t scrub_ms;     /* between two parts of the file that are read again; 0 = 10 s */
    uint32_t read_max_ms;  /* for a read to be confirmed and applied; 0 = 5 s */
    const struct engine_callbacks *callbacks; /* borrowed for life */
    void *data;
};

/* Open the storage (blocking, at start only), recover, and become ready to call back. The texts in
 * `e` are for people: which file, what is wrong, what to do. Errors: ERR_AGAIN the directory is
 * locked by another process; ERR_CORRUPT; ERR_NO_SPACE; ERR_DENIED; ERR_IO; ERR_NOT_FOUND no such
 * directory; ERR_INVALID another controller's; ERR_UNSUPPORTED a newer format. */
int engine_open(struct loop *loop, const struct engine_params *params, struct engine **engine,
                struct errbuf *e);

/* Close: what is queued is written, so that on_entry and proposals' callbacks may run inside;
 * proposals that did not make it get ERR_CANCELED. Not from inside a callback. NULL is fine. */
void engine_close(struct engine *engine);

/* Propose an entry (copied). cb runs exactly once: err 0 and the index at which it is committed and
 * has been handed to on_entry, or an error: nothing was appended (ERR_AGAIN, ERR_LIMIT,
 * ERR_NO_SPACE, ERR_IO), or unknown (ERR_CANCELED). */
typedef void engine_propose_cb(void *data, int err, uint64_t index);
void engine_propose(struct engine *engine, const void *bytes, size_t size, engine_propose_cb *cb,
                    void *data);

/* Ask for leave to read the state and see everything that was acknowledged, by whomever, before
 * this call. cb runs exactly once, on the loop: err 0 and an index once a quorum has answered this
 * leader after the call and the entries up to that index were handed on here; or ERR_AGAIN: not
 * leading, or not any more; ERR_TIMEOUT: not within read_max_ms; ERR_LIMIT: 256 wait already;
 * ERR_CANCELED: it closes; or what the storage fails with. Nothing is written for it. */
typedef void engine_read_cb(void *data, int err, uint64_t index);
void engine_read(struct engine *engine, engine_read_cb *cb, void *data);

/* The same, for an index that the leader gave: wait until it was handed on here. */
void engine_read_at(struct engine *engine, uint64_t index, engine_read_cb *cb, void *data);

/* The moment C described above, CLOCK_BOOTTIME in ms; 0 when nobody can say so. It may go on while
 * the storage fails and nothing can be proposed, if no other leader can exist. */
int64_t engine_fresh_since(const struct engine *engine);

/* Has the log grown enough since the last snapshot that one should be given? */
bool engine_wants_snapshot(const struct engine *engine);

/* Keep this snapshot (copied) of the state after entry `index` and drop entries well behind it. */
void engine_snapshot(struct engine *engine, uint64_t index, const void *bytes, size_t size);

uint64_t engine_commit_index(const struct engine *engine);

/* ---- several controllers */

/* A message from another member arrived, or a link to it was opened anew. May call back. */
void engine_receive(struct engine *engine, uint32_t from, const void *bytes, size_t size);
void engine_connected(struct engine *engine, uint32_t id);

/* Propose other members (copied), as engine_propose does; by one server at a time. ERR_INVALID: it
 * is not such a change; ERR_AGAIN: not leading, or another change is under way; ERR_STALE: the
 * log of the one that is to get a vote is too far behind. */
void engine_change(struct engine *engine, const Ephor__Membership *members, engine_propose_cb *cb,
                   void *data);

/* Hand leadership over to that member, 0: to the one that is closest. It has begun, or ERR_AGAIN:
 * not leading, or it is being handed over already; ERR_NOT_FOUND: nobody to hand over to. */
int engine_transfer(struct engine *engine, uint32_t to);

/* A number of this storage, drawn when it was created: another disk has another one. */
uint64_t engine_incarnation(const struct engine *engine);
const Ephor__Membership *engine_members(const struct engine *engine); /* borrowed */

struct engine_status {
    uint64_t term, commit_index, applied_index, first_index, last_index, snapshot_index;
    uint32_t leader;     /* 0: unknown */
    const char *role;    /* "leader", "follower", ... */
    bool is_working;     /* leads, and its own term has committed */
    uint64_t lost_index; /* the last entry before damage, while it is not all back; 0: none */
};
void engine_status(const struct engine *engine, struct engine_status *status);

uint32_t engine_leader(const struct engine *engine); /* id; 0: unknown */

struct engine_peer {
    uint64_t match_index;
    int64_t answered_ms; /* CLOCK_BOOTTIME; 0: never in this term */
    bool is_snapshotting;
};
/* What a leader knows of a member; false: not leading, or no such member. */
bool engine_peer(const struct engine *engine, uint32_t id, struct engine_peer *peer);

/* ---- the journal, kept beside the log in the same storage and the same transactions */

struct journal_row {
    uint64_t index; /* of the entry that caused it */
    uint32_t line;  /* 0, 1, ... within the entry; (index, line) written again is ignored */
    uint64_t term;
    int64_t wall_ms;
    uint32_t severity; /* 0 error, 1 warning, 2 info */
    const char *event;
    const char *object;
    const char *text;
};

/* Keep a row (copied). */
void engine_journal(struct engine *engine, const struct journal_row *row);

/* The newest `count` rows, oldest first (blocking read; at a link's start only). */
typedef void engine_journal_cb(void *data, const struct journal_row *row);
int engine_journal_read(struct engine *engine, uint32_t count, engine_journal_cb *cb, void *data);

#endif
