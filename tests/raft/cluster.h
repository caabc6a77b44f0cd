/* A cluster of raft servers under a test's thumb: nothing is delivered, written or timed unless
 * the test says so. What an entry says is its size. */
#ifndef TESTS_RAFT_CLUSTER_H
#define TESTS_RAFT_CLUSTER_H

#include "orchestrator/raft/raft.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CLUSTER_MAX = 7,
    LOG_MAX = 128,
    MAIL_MAX = 4096,
    ENTRIES_MAX = 64, /* of one message */
    ELECTION_MS = 100,
    HEARTBEAT_MS = 20,
};

struct stored { /* an entry with the membership that it carries */
    struct raft_entry entry;
    struct raft_membership membership;
};

struct disk {
    uint64_t term;
    uint32_t voted_for;
    struct raft_snapshot snapshot;
    uint64_t first, last;           /* entries first..last; empty: last == first - 1 */
    uint64_t lost_index, lost_term; /* the last entry before damage; index 0: nothing is missing */
    struct stored entries[LOG_MAX];
};

struct mail {
    bool is_used;
    struct raft_message message;
    struct raft_entry entries[ENTRIES_MAX];
    struct raft_membership memberships[ENTRIES_MAX];
    struct raft_snapshot snapshot;
};

struct server {
    uint32_t id;
    bool runs;
    struct raft *raft;
    struct disk disk;   /* durable */
    struct disk memory; /* what will be durable when the disk has caught up */
    uint64_t written;   /* the newest write of `memory` */
    uint64_t durable;   /* ... of `disk` */
    uint64_t commit;    /* for monotony */
    uint64_t applied;
    uint32_t machine[1024]; /* sizes of the data entries applied, by index */
    bool snapshot_is_whole; /* every chunk came in order */
    uint64_t received;
    struct mail held[512]; /* until a write is durable */
};

struct cluster {
    uint32_t count;
    int64_t now_ms;
    struct server servers[CLUSTER_MAX];
    bool is_cut[CLUSTER_MAX + 1][CLUSTER_MAX + 1]; /* from, to */
    bool disk_is_slow[CLUSTER_MAX + 1];            /* writes wait for cluster_persist() */
    uint32_t mail_count;
    struct mail mail[MAIL_MAX];
    struct raft_membership founders;
    enum raft_result result;  /* of the last proposal, change or transfer */
    uint32_t committed[1024]; /* size + 1 at each index that anybody applied */
};

/* Servers 1..count, voters, all started. */
struct cluster *cluster_new(uint32_t count);
struct cluster *cluster_new_with(const struct raft_membership *founders, uint32_t count);
void cluster_free(struct cluster *c);

struct server *cluster_server(struct cluster *c, uint32_t id);
void cluster_step(struct cluster *c, uint32_t id, struct raft_event event);

/* Time goes on for one server, or for all that run; their timers fire. */
void cluster_timeout(struct cluster *c, uint32_t id); /* exactly until its deadline */
void cluster_pass(struct cluster *c, int64_t ms);     /* with all that follows */

/* Deliver what is on its way from one server to another (0: anybody); and its answers: no. */
uint32_t cluster_deliver(struct cluster *c, uint32_t from, uint32_t to);
void cluster_drop(struct cluster *c, uint32_t from, uint32_t to);
void cluster_persist(struct cluster *c, uint32_t id);

/* Everything is delivered and written, until nothing is left to do. */
void cluster_settle(struct cluster *c);

void cluster_cut(struct cluster *c, uint32_t id, bool is_cut); /* from everybody, both ways */
void cluster_crash(struct cluster *c, uint32_t id);            /* what is not durable is gone */
void cluster_damage(struct cluster *c, uint32_t id, uint64_t from); /* 0: everything; not running */
void cluster_start(struct cluster *c, uint32_t id);
void cluster_fail_disk(struct cluster *c, uint32_t id); /* RAFT_STORAGE_FAILED; not restarted */

/* Make it the leader, from rest. */
void cluster_elect(struct cluster *c, uint32_t id);
uint32_t cluster_leader(const struct cluster *c); /* that works, of the highest term; 0: none */

enum raft_result cluster_propose(struct cluster *c, uint32_t id, uint32_t size);
enum raft_result cluster_change(struct cluster *c, uint32_t id, const struct raft_membership *m);
enum raft_result cluster_transfer(struct cluster *c, uint32_t id, uint32_t to);
void cluster_snapshot(struct cluster *c, uint32_t id); /* of all that it has applied */

/* "1:3/2 2:5/2 ..." index and term of its entries' kinds and sizes; for comparisons. */
const char *cluster_log(struct cluster *c, uint32_t id, char *text, size_t size);

enum raft_role cluster_role(struct cluster *c, uint32_t id);
uint64_t cluster_term(struct cluster *c, uint32_t id);
uint64_t cluster_commit(struct cluster *c, uint32_t id);

/* Propose, and let everything happen that follows. */
void cluster_agree(struct cluster *c, uint32_t id, uint32_t size);

struct raft_membership membership_of(uint32_t voters); /* 1..voters */
struct raft_membership membership_with(struct raft_membership m, uint32_t id, enum raft_kind kind);
struct raft_membership membership_without(struct raft_membership m, uint32_t id);

#endif
