/* The state of one server, for the files of this folder (and tests that look inside). One flat
 * block without pointers: a copy of it is another server in the same state. */
#ifndef RAFT_SERVER_H
#define RAFT_SERVER_H

#include "orchestrator/base/contract.h"
#include "orchestrator/raft/raft.h"

enum flow {
    FLOW_PROBE,     /* where do the logs agree? One request at a time (§3.5) */
    FLOW_REPLICATE, /* they agree: entries are sent without waiting, within the window (§10.2.2) */
    FLOW_SNAPSHOT,  /* it needs what is no longer in the log */
};

struct progress { /* what a leader knows of one member; beside membership.members[] */
    enum flow flow;
    bool is_probing; /* FLOW_PROBE: a request is under way */
    uint32_t flight; /* of the requests under way; refusals of earlier ones say nothing any more */
    uint64_t match;  /* it has everything up to here, durably */
    uint64_t next;   /* the next entry to send */
    uint64_t inflight_bytes;
    uint32_t inflight, burst; /* messages under way, and how many may be: fewer after a refusal */
    int64_t answered_ms;      /* send time of the newest request that it answered in this term */
    int64_t sent_ms;          /* of the newest request; for chunks that nobody answers */
    struct raft_snapshot snapshot; /* FLOW_SNAPSHOT: that it is being sent */
    uint64_t installed;            /* the last one that it said it has */
    uint64_t chunk_acked, chunk_sent;
};

struct slot {
    uint64_t term;
    uint32_t size;
    uint32_t kind;
};

struct config { /* a membership and the entry that brought it (0: the first one) */
    uint64_t index;
    struct raft_membership membership;
};

struct raft {
    struct raft_params params;
    int64_t now_ms; /* of the last event */
    uint64_t random;
    bool has_failed; /* storage: deaf until it starts anew */

    /* Hard state, and what of the core's history is durable. */
    uint64_t term;
    uint32_t voted_for;
    uint64_t write;      /* the number of the newest write */
    uint64_t hard_write; /* ... of the newest one with hard state */
    uint64_t durable;    /* ... that is durable */
    uint64_t persisted;  /* the last index that is durable and in the log */

    /* The last entry that it acknowledged and lost since; index 0: there is none. */
    uint64_t lost_index, lost_term;

    enum raft_role role;
    uint32_t leader;
    int64_t deadline_ms; /* election, or of a leader's own duties */
    int64_t heard_ms;    /* from a leader of this term, or when it started */
    uint64_t votes;      /* bit i: of members[i], for PRECANDIDATE and CANDIDATE */
    bool is_transfer;    /* CANDIDATE: on behalf of the leader */

    uint64_t commit;
    uint64_t applied; /* the last apply_to */

    /* The newest membership in the log, and the one before it: at most one of the log's changes
     * is not committed yet, so that no more is ever undone. */
    struct config config, config_before;

    /* A leader's. */
    int64_t elected_ms;
    uint64_t term_start; /* the index of its no-op */
    int64_t heartbeat_due_ms;
    uint32_t transfer_to; /* 0: no transfer */
    bool transfer_is_sent;
    int64_t transfer_deadline_ms;
    struct progress progress[RAFT_MEMBERS_MAX];

    /* A snapshot on its way in; index 0: none. */
    struct raft_snapshot incoming;
    uint32_t incoming_from;
    uint64_t incoming_offset;

    struct raft_snapshot snapshot; /* the newest one */
    uint64_t first;                /* index of slots[0]; the log ends with first + count - 1 */
    uint64_t first_term;           /* of the entry before it */
    uint64_t count;
    struct slot slots[];
};

#endif
