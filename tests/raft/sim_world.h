/* A cluster in one process: up to 16 servers with a core, a disk and a state machine each, a
 * network between them, clients, an operator, and everything that can go wrong with them. Time is
 * virtual and every accident is drawn from the seed, so that a seed is a history.
 *
 * The world is a driver of the core as raft.h asks for one, and knows nothing of the core but
 * that header. What must hold is looked after by sim_check.h, after every event. */
#ifndef TESTS_RAFT_SIM_WORLD_H
#define TESTS_RAFT_SIM_WORLD_H

#include "orchestrator/raft/raft.h"
#include "tests/raft/sim_random.h"

enum {
    SIM_SERVERS_MAX = 16, /* ids 1 ... 16; an id is used once, also after its disk was lost */
    SIM_CONFIGS_MAX = 2048,
    SIM_BACKLOG_MAX = 400, /* what a stopped process's sockets hold; the rest is lost */
    SIM_OLDER_MAX = 16,
    SIM_STORM = 4000, /* on their way at once: each message makes more than one */
    SIM_DETAIL_SIZE = 240,
};

/* ---- what is stored */

struct sim_entry {
    uint64_t term;
    uint64_t payload; /* of RAFT_ENTRY_DATA: unique in the history */
    uint64_t chain;   /* of this entry and all before it */
    uint32_t size;
    uint16_t kind;
    uint16_t config; /* of RAFT_ENTRY_CONFIG: its number in the world's list */
};

struct sim_log {
    uint64_t first;      /* index of entries[0] */
    uint64_t base_chain; /* the chain of the entry before it */
    uint32_t count, capacity;
    struct sim_entry *entries;
};

struct sim_snapshot {
    struct raft_snapshot raft;
    uint64_t chain; /* of the last entry it stands for; also names its bytes */
};

struct sim_write {
    uint64_t number;
    bool has_hard, has_install, keeps_suffix;
    uint64_t term;
    uint32_t voted_for;
    uint64_t truncate_from, compact_to, append_first;
    struct sim_snapshot install;
    uint32_t count;
    struct sim_entry *entries;
    struct sim_write *next;
};

struct sim_disk {
    uint64_t term;
    uint32_t voted_for;
    struct sim_log log;
    struct sim_snapshot snapshot;
    uint64_t durable;                /* the number of the last write */
    struct sim_write *first, **last; /* not durable yet */
    uint32_t in_flush;               /* how many of them are under way together */
    bool is_failing, is_slow;
    /* What damage took, and the last of what it had acknowledged; index 0: nothing is missing. */
    struct sim_log lost;
    uint64_t lost_index, lost_term;
};

/* ---- messages and events */

struct sim_message {
    struct raft_message raft; /* `entries` and `snapshot` are filled in for the step */
    struct sim_snapshot snapshot;
    int64_t sent_us;
    struct sim_message *next;
    uint32_t count;
    struct sim_entry entries[];
};

enum sim_event_type {
    SIM_DELIVER, /* a message arrives */
    SIM_FLUSH,   /* writes have reached the disk, or not */
    SIM_PERSISTED,
    SIM_SNAPSHOT, /* of the own state machine, durable */
    SIM_CONNECTED,
    SIM_RESTART,
    SIM_CONTINUE,
    SIM_HEAL,
    SIM_FAULT, /* time for the next accident */
    SIM_DEPOSE,
    SIM_CLIENT,
    SIM_OPERATOR,
    SIM_ABOVE, /* something of what stands on the log */
};

struct sim_event {
    int64_t at_us;
    uint64_t order; /* among those of one moment */
    enum sim_event_type type;
    uint32_t server;
    uint32_t life;
    union {
        struct sim_message *message;
        uint64_t number; /* a peer, an identity of a heal */
        struct sim_snapshot *snapshot;
        struct {
            uint64_t write, index, term;
        } persisted;
        void *above; /* borrowed */
    };
};

struct sim_queue {
    struct sim_event *events; /* a heap */
    uint32_t count, capacity;
    uint64_t order;
};

/* ---- servers */

enum sim_state {
    SIM_UNBORN,
    SIM_RUNNING,
    SIM_STOPPED, /* as by SIGSTOP */
    SIM_CRASHED,
    SIM_FAILED, /* its disk said no; the process runs */
    SIM_DEAD,   /* its disk is lost */
};

enum sim_ambush { /* where the next crash hits */
                  SIM_NO_AMBUSH,
                  SIM_BEFORE_DURABLE,
                  SIM_BEFORE_SEND,
                  SIM_AFTER_STEP,
};

struct sim_server {
    uint32_t id;
    enum sim_state state;
    uint32_t life; /* counts its starts and ends; an event of another life is void */
    struct raft *raft;
    void *block;
    struct raft_params params;
    bool is_witness;   /* meant to be one */
    int64_t offset_ms; /* of its clock */
    int32_t ppm;
    int64_t tick_us;    /* when it wants to be woken */
    struct sim_log log; /* as the core has it */
    struct sim_snapshot snapshot;
    struct sim_snapshot older[SIM_OLDER_MAX]; /* that are still being sent */
    uint32_t older_count;
    struct sim_disk disk;
    uint64_t write; /* the newest number */
    struct sim_message *outbox, **outbox_last;
    struct sim_snapshot receiving; /* a snapshot that arrives in pieces */
    uint64_t received;
    uint64_t applied, applied_chain; /* the state machine */
    struct raft_membership applied_membership;
    uint64_t applied_membership_index;
    bool is_snapshotting;
    struct sim_event *backlog;
    uint32_t backlog_count;
    enum sim_ambush ambush;
    uint64_t read_index, read_needs; /* of the read that waits, and what it has to see */
    int64_t read_ms;                 /* 0: none waits */
};

/* ---- what this seed is like */

struct sim_profile {
    int64_t election_ms, heartbeat_ms;
    uint32_t append_bytes_max, window_bytes, chunk_bytes, trailing, log_max, threshold;
    int64_t delay_us, jitter_us;  /* of messages */
    uint32_t loss, doubles, late; /* per million */
    int64_t late_us;
    int64_t flush_us, slow_flush_us;
    int64_t fault_us; /* the mean time between accidents; 0: none */
    int64_t down_us;  /* the longest time a server is down or a link cut */
    uint32_t weight_crash, weight_stop, weight_cut, weight_disk, weight_lost, weight_damage;
    int32_t skew_ppm;
    int64_t client_us;   /* the mean time between proposals */
    int64_t operator_us; /* between orders to change or transfer; 0: none */
    bool has_churn;      /* no leader lasts */
    bool begins_alone;   /* one founder; the others are added to it */
    bool is_in_order;    /* links are streams, as TCP makes them */
    bool has_changes, has_transfers, has_witness, has_reboots;
};

struct sim_totals {
    uint64_t seeds, events, elections, commits, snapshots_taken, snapshots_installed, crashes;
    uint64_t stops, storage_failures, damages, changes, transfers, acknowledged, reads, full,
        unlive;
};

/* What stands on the log, if anything does: it proposes in the clients' place, and takes the
 * snapshots. Called from inside a step, so that it may take notes, and start a step of its own only
 * from an event. */
struct sim_above {
    void (*on_start)(void *data, struct sim_server *server); /* from its disk */
    void (*on_end)(void *data, struct sim_server *server);   /* crashed, or its disk failed */
    void (*on_stop)(void *data, struct sim_server *server);
    void (*on_continue)(void *data, struct sim_server *server);
    /* Applied: an entry, or (NULL) the server's snapshot. */
    void (*on_applied)(void *data, struct sim_server *server, const struct sim_entry *entry);
    void (*on_step)(void *data, struct sim_server *server); /* it may be another one now */
    void (*on_connected)(void *data, struct sim_server *server, uint32_t peer);
    void (*on_event)(void *data, void *event);
};

struct sim_check;

struct sim_world {
    uint64_t seed;
    struct sim_random random;
    struct sim_profile profile;
    uint32_t servers_count; /* ids in use */
    int64_t now_us;
    struct sim_queue queue;
    struct sim_server servers[SIM_SERVERS_MAX + 1];
    bool cut[SIM_SERVERS_MAX + 1][SIM_SERVERS_MAX + 1];
    int64_t newest_us[SIM_SERVERS_MAX + 1][SIM_SERVERS_MAX + 1]; /* arrival on that link */
    struct raft_membership configs[SIM_CONFIGS_MAX];
    uint32_t config_count;
    uint64_t heal; /* which cut is in force */
    uint64_t payloads;
    bool is_calm; /* no more accidents */
    uint64_t calm_payload, calm_index;
    bool has_trace;
    const struct sim_above *above; /* NULL: nothing stands on the log */
    void *above_data;
    struct sim_check *check;
    struct sim_totals *totals;
    const char *violated; /* NULL: nothing */
    char detail[SIM_DETAIL_SIZE];
    struct raft_update update;
    struct raft_entry *scratch; /* entries lent to the core for one step */
    uint32_t scratch_capacity;
    struct raft_membership scratch_memberships[16];
};

/* ---- sim_world.c: the history of a seed */

struct sim_world *sim_world_new(struct sim_totals *totals);
void sim_world_free(struct sim_world *world);

/* The same in parts: begin a seed (the profile is then to be drawn), found the servers, go on until
 * then, and end the accidents. */
void sim_world_begin(struct sim_world *world, uint64_t seed, uint32_t servers);
void sim_world_found(struct sim_world *world, uint32_t servers);
void sim_world_run_until(struct sim_world *world, int64_t until_us);
void sim_world_calm(struct sim_world *world);
struct sim_server *sim_world_leader(struct sim_world *world); /* the only one that works, or NULL */

/* Run one seed; false: `violated` and `detail` say what was broken. */
bool sim_world_run(struct sim_world *world, uint64_t seed, uint32_t servers, int64_t seconds);

/* The first violation counts. */
__attribute__((format(printf, 3, 4))) void sim_broken(struct sim_world *world, const char *what,
                                                      const char *format, ...);
void *sim_need(void *memory);
int64_t sim_local_ms(const struct sim_world *world, const struct sim_server *server);
uint16_t sim_config_number(struct sim_world *world, const struct raft_membership *membership);
bool sim_is_member(const struct raft_membership *membership, uint32_t id, enum raft_kind *kind);

/* ---- sim_queue.c */

void sim_queue_push(struct sim_queue *queue, struct sim_event event);
struct sim_event sim_queue_pop(struct sim_queue *queue);
void sim_event_drop(struct sim_event *event);

/* ---- sim_disk.c */

void sim_log_clear(struct sim_log *log, uint64_t first, uint64_t base_chain);
void sim_log_truncate(struct sim_log *log, uint64_t from);
void sim_log_compact(struct sim_log *log, uint64_t to);
void sim_log_append(struct sim_log *log, const struct sim_entry *entry);
uint64_t sim_log_last(const struct sim_log *log);
const struct sim_entry *sim_log_at(const struct sim_log *log, uint64_t index); /* or NULL */
bool sim_log_chain(const struct sim_log *log, uint64_t index, uint64_t *chain);
void sim_log_copy(struct sim_log *to, const struct sim_log *from);
void sim_log_install(struct sim_log *log, const struct sim_snapshot *snapshot, bool keeps_suffix);

/* Is that entry on its disk, by itself or in a snapshot? */
bool sim_disk_has(const struct sim_disk *disk, uint64_t index, uint64_t chain);
void sim_disk_queue(struct sim_world *world, struct sim_server *server, struct sim_write *write);
void sim_disk_start_flush(struct sim_world *world, struct sim_server *server);
void sim_disk_on_flush(struct sim_world *world, struct sim_server *server);
/* Some of what was under way may have reached it all the same. */
void sim_disk_crash(struct sim_world *world, struct sim_server *server);
void sim_disk_reset(struct sim_disk *disk);
/* The log ends before `from`; 0: the snapshot is gone, too, and `first` is in its place. */
void sim_disk_damage(struct sim_disk *disk, uint64_t from, const struct sim_snapshot *first);

/* ---- sim_server.c */

void sim_server_found(struct sim_world *world, uint32_t id, bool is_witness);
void sim_server_start(struct sim_world *world, struct sim_server *server);
void sim_server_crash(struct sim_world *world, struct sim_server *server, int64_t down_us);
void sim_server_stop(struct sim_world *world, struct sim_server *server, int64_t for_us);
void sim_server_continue(struct sim_world *world, struct sim_server *server);
void sim_server_fail(struct sim_world *world, struct sim_server *server);
void sim_server_wake(struct sim_world *world, struct sim_server *server);
void sim_server_on_event(struct sim_world *world, struct sim_event *event);
enum raft_result sim_server_propose(struct sim_world *world, struct sim_server *server,
                                    uint32_t count);
enum raft_result sim_server_order(struct sim_world *world, struct sim_server *server,
                                  struct raft_event *event);
bool sim_server_has_core(const struct sim_server *server);

/* ---- sim_step.c: one event into a core, and what comes out of it */

/* `source` is the message the event carries, `payload` the first of the entries proposed. */
enum raft_result sim_step(struct sim_world *world, struct sim_server *server,
                          struct raft_event *event, const struct sim_message *source,
                          uint64_t payload);
void sim_step_hold_snapshot(struct sim_server *server, const struct sim_snapshot *newer);
/* A snapshot of the state machine is durable a while later. */
void sim_step_take_snapshot(struct sim_world *world, struct sim_server *server,
                            const struct sim_snapshot *taken);
void sim_step_send_due(struct sim_world *world, struct sim_server *server);
void sim_step_lend(struct sim_world *world, const struct sim_entry *entries, uint32_t count);

/* ---- sim_net.c */

struct sim_message *sim_message_new(uint32_t count);
void sim_net_send(struct sim_world *world, struct sim_message *message);
void sim_net_deliver(struct sim_world *world, struct sim_server *server,
                     struct sim_message *message);
/* Cut and mend; those that can talk again are told so, mostly. */
void sim_net_cut(struct sim_world *world);
void sim_net_heal(struct sim_world *world);
void sim_net_tell_connected(struct sim_world *world, uint32_t server, uint32_t peer);

/* ---- sim_faults.c */

void sim_profile_draw(struct sim_world *world);
void sim_fault_next(struct sim_world *world);
void sim_fault_strike(struct sim_world *world);
void sim_fault_depose(struct sim_world *world, const struct sim_server *leader);
void sim_fault_end_all(struct sim_world *world);

/* ---- sim_client.c */

void sim_client_act(struct sim_world *world);
void sim_operator_act(struct sim_world *world);
struct sim_server *sim_client_leader(struct sim_world *world);

/* ---- sim_trace.c: only with --trace */

__attribute__((format(printf, 2, 3))) void sim_trace(const struct sim_world *world,
                                                     const char *format, ...);
void sim_trace_message(const struct sim_world *world, const struct sim_message *message,
                       const char *arrow);
void sim_trace_membership(const struct sim_world *world, uint32_t by,
                          const struct raft_membership *membership, enum raft_result result);
void sim_trace_update(const struct sim_world *world, const struct sim_server *server);
void sim_trace_profile(const struct sim_world *world);

#endif
