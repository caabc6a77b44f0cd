/* Everything in the loop: controllers with the product's own consensus core, state machine, quorum
 * process, checker and actor; nodes with addresses and services; and the paths between all of them.
 * Time is virtual and every accident is drawn from the seed.
 *
 * What the product's processes call below them is played here: clocks, timers and links
 * (whole_sys.c), the engine, over a server of tests/raft/sim (whole_engine.c), the other
 * controllers (whole_cluster.c), sessions with nodes (whole_channel.c), the check of a target
 * (whole_checker.c). The nodes (whole_node.c) do what actions/scripts/ do. What must hold is looked
 * after by whole_check.h. */
#ifndef TESTS_SIM_WHOLE_H
#define TESTS_SIM_WHOLE_H

#include "orchestrator/actor/actor.h"
#include "orchestrator/quorum/quorum.h"
#include "tests/raft/sim_world.h"

enum {
    WHOLE_CONTROLLERS = 5,
    WHOLE_NODES = 3,
    WHOLE_VIPS = 3,
    WHOLE_SERVICES = 2,
    WHOLE_CHECKS = 12,
    WHOLE_ORDERS = 512, /* commands that nodes carried out in one seed */
    WHOLE_WORD = ADDRESS_SIZE + INTERFACE_SIZE + 24,
};

struct whole;
struct whole_node;
struct whole_controller;
struct whole_check;

/* ---- what happens later */

struct whole_call {
    struct whole_call *next;              /* of those that wait for who is stopped */
    void (*run)(struct whole_call *call); /* NULL: called off */
    struct whole *whole;
    struct process *process; /* who has to be running; NULL: nobody */
    struct whole_node *node; /* likewise */
    uint32_t life;           /* of the process or the node: void in another one */
    void *data;
    size_t size;
    uint8_t bytes[];
};

struct whole_wait { /* calls for somebody who is stopped, in order */
    struct whole_call *first, *last;
};

/* ---- processes of the product */

struct process { /* the product's type */
    struct whole *whole;
    struct whole_controller *controller;
    Ephor__Role role;
    uint32_t life;
    bool is_up, is_stopped, is_done;
    bool is_dark; /* it is being taken down: nothing that it does leaves it */
    const struct process_ops *ops;
    void *data;
    struct timer *timers;
    struct whole_wait wait;
};

struct whole_controller {
    uint32_t id;
    struct whole *whole;
    struct sim_server *server;
    struct process quorum, actor, checker;
    struct engine *engine;
    bool is_talk_broken[WHOLE_CONTROLLERS + 1];
    int64_t talk_us[WHOLE_CONTROLLERS + 1]; /* arrival of the newest message to that one */
    int64_t link_us[3];                     /* arrival of the newest, by the receiver's role */
    uint64_t fresh_term;                    /* the newest in which it led ... */
    int64_t fresh_until_ms;                 /* ... and how long it could be sure of that */
};

/* ---- nodes */

enum whole_service_state { WHOLE_RUNS, WHOLE_DEAD, WHOLE_HUNG };

struct whole_address { /* a VIP as the kernel of a node has it */
    bool is_there;
    int64_t dated_cs; /* U: the node's clock in the `held` that dated the line */
    int64_t until_cs; /* the line's UNTIL */
    int64_t ends_us;  /* of the node's clock: when the kernel takes it away */
    uint64_t set;     /* counts the times that it was set */
};

struct whole_done { /* a command that was carried out: /run/ephor/order.KEY */
    uint64_t order;
    int status; /* -1: begun */
};

struct whole_node {
    struct whole *whole;
    int32_t index;
    char name[16];
    uint32_t life; /* boots */
    bool is_down, is_paused;
    bool has_guard;          /* of nft; chosen when it is booted */
    int64_t boot_us;         /* when it was booted, had its clock run all the time */
    int64_t paused_us;       /* since when */
    int64_t pause_uptime_cs; /* its clock when it was paused last; -1: not since it was booted */
    int32_t ppm;
    uint64_t epoch; /* /run/ephor/word: the highest epoch, and who has the word in it */
    uint32_t who;   /* a controller; 0: nobody */
    int64_t which;  /* its session */
    uint64_t seen;  /* the highest in any line that counted, for the checks */
    struct whole_shell *shells[WHOLE_CONTROLLERS + 1]; /* that live; by controller */
    int64_t lock_us;                                   /* until when one of them holds the lock */
    struct whole_address addresses[WHOLE_VIPS];
    enum whole_service_state services[WHOLE_SERVICES];
    struct whole_done done[WHOLE_SERVICES];
    int64_t busy_us[WHOLE_SERVICES]; /* until when a command holds the lock of its key */
    struct whole_wait wait;
};

/* ---- a seed */

struct whole_profile {
    int32_t nodes, services, vips;
    bool is_active_only[WHOLE_SERVICES];
    bool has_restart, has_node_checks, failback_auto, confirm;
    uint32_t lease_ms, guarded_lease_ms, guard; /* guard: of how many nodes in a hundred */
    uint32_t fall, moves_max, restart_budget;
    int64_t path_us;     /* one way to a node */
    int64_t fault_us;    /* between accidents of nodes and paths */
    int64_t operator_us; /* between what operators ask for; 0: never */
    uint32_t weight_path, weight_service, weight_reboot, weight_pause, weight_remove, weight_actor;
    int64_t down_us;
};

struct whole_totals { /* in the order of whole_suite.c */
    uint64_t grants, releases, lease_ends, moves, restarts, commands, lines, refused, late, reboots,
        pauses, cuts, actor_stops, opinions, live_ms;
};

struct whole_blob {
    uint8_t *bytes;
    size_t size;
};

struct whole {
    struct sim_world *world;
    struct whole_profile profile;
    struct whole_totals *totals;
    int32_t controllers_count;
    struct whole_controller controllers[WHOLE_CONTROLLERS + 1];
    struct whole_node nodes[WHOLE_NODES];
    /* Paths between controllers and nodes, there and back; a cut ends by itself. */
    bool cut_to[WHOLE_CONTROLLERS + 1][WHOLE_NODES], cut_from[WHOLE_CONTROLLERS + 1][WHOLE_NODES];
    bool is_calm;
    bool is_paused; /* by an operator, who will resume */
    struct whole_blob policy;
    struct whole_blob *facts; /* by payload */
    uint64_t facts_capacity;
    struct whole_blob *snapshots; /* by index */
    uint64_t snapshots_capacity;
    uint32_t fds; /* ends of links given out */
    struct link **links;
    uint32_t links_capacity;
    struct whole_check *check;
    struct whole_chunk *arena, *spare;
};

/* ---- whole_world.c */

extern const struct sim_suite whole_suite;
struct whole_node *whole_node_of(struct whole *whole, const char *name);
int32_t whole_vip_of(const struct whole *whole, const char *word); /* ADDRESS@INTERFACE; -1 */

/* ---- whole_sys.c */

void *whole_alloc(struct whole *whole, size_t size); /* zeroed; gone with the seed */
void whole_clear_arena(struct whole *whole);

struct whole_call *whole_call_in(struct whole *whole, int64_t delay_us, struct process *process,
                                 struct whole_node *node, void (*run)(struct whole_call *call),
                                 void *data);
struct whole_call *whole_send_in(struct whole *whole, int64_t delay_us, struct process *process,
                                 void (*run)(struct whole_call *call), void *data,
                                 const void *bytes, size_t size);
void whole_on_event(void *data, void *event);
void whole_wake(struct whole *whole, struct whole_wait *wait);

void whole_process_begin(struct process *process, int (*main)(uint32_t instance, int fd),
                         Ephor__Setup *setup);
void whole_process_end(struct process *process, void (*release)(struct process *process));
void whole_process_stop(struct process *process);
void whole_process_continue(struct process *process);
void whole_link(struct process *a, struct process *b);
struct process *whole_enter(struct process *process); /* returns who ran before */
int64_t whole_local_ms(const struct whole_controller *controller);

__attribute__((format(printf, 2, 3))) void whole_trace(const struct whole *whole,
                                                       const char *format, ...);

/* ---- whole_engine.c */

struct engine *whole_engine_new(struct whole_controller *controller);
void whole_engine_attach(struct whole_controller *controller); /* its server has started */
void whole_engine_detach(struct whole_controller *controller); /* crashed, or the disk failed */
void whole_engine_applied(struct whole_controller *controller, const struct sim_entry *entry);
void whole_engine_stepped(struct whole_controller *controller);

/* ---- whole_cluster.c */

void whole_talk_break(struct whole_controller *controller); /* its process is gone */
void whole_talk_connected(struct whole_controller *controller, uint32_t peer);

/* ---- whole_channel.c */

bool whole_channel_is_alive(const struct channel *channel);
void whole_channel_tell(struct channel *channel, const char *line); /* node to actor */
void whole_channel_end(struct channel *channel);                    /* the program ended */
struct whole_controller *whole_channel_controller(const struct channel *channel);

/* ---- whole_node.c */

void whole_node_boot(struct whole_node *node);
void whole_node_crash(struct whole_node *node);
void whole_node_pause(struct whole_node *node);
void whole_node_continue(struct whole_node *node);
void whole_node_remove(struct whole_node *node, int32_t vip); /* an address, by hand */
int64_t whole_node_uptime_us(const struct whole_node *node);
bool whole_node_holds(const struct whole_node *node, int32_t vip);
bool whole_node_is_excused(const struct whole_node *node, int32_t vip);

/* The programs: begun, a line comes, the input is over. */
struct whole_shell *whole_lease_begin(struct whole_node *node, struct channel *channel);
void whole_lease_line(struct whole_shell *shell, const char *line);
struct whole_command *whole_command_begin(struct whole_node *node, struct channel *channel);
void whole_command_line(struct whole_command *command, const char *line);

/* ---- whole_controller.c */

extern const struct sim_above whole_above;
void whole_controller_init(struct whole *whole, uint32_t id);
void whole_controller_close(struct whole_controller *controller);

/* ---- whole_checker.c: the one that reports opinions */

void whole_checker_begin(struct whole_controller *controller);

/* ---- whole_policy.c */

void whole_policy_make(struct whole *whole);

/* ---- whole_faults.c */

void whole_profile_draw(struct whole *whole);
void whole_fault_next(struct whole *whole);
void whole_operator_next(struct whole *whole);
void whole_fault_end_all(struct whole *whole);

#endif
