/* Capacities of the core, each with its reason. All can be overridden at compile time, so that the
 * explorer can work on very small states. */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#ifndef NAME_SIZE
#define NAME_SIZE 48 /* a name of the configuration; text_is_name allows 47 bytes */
#endif
#ifndef ID_SIZE
#define ID_SIZE 152 /* a check's identity: three names and two slashes */
#endif
#ifndef TEXT_SIZE
#define TEXT_SIZE 120 /* evidence kept with a verdict: one line on an 80 or 120 column screen */
#endif
#ifndef ADDRESS_SIZE
#define ADDRESS_SIZE 48 /* INET6_ADDRSTRLEN is 46 */
#endif
#ifndef INTERFACE_SIZE
#define INTERFACE_SIZE 16 /* IFNAMSIZ */
#endif
#ifndef CONTROLLERS_MAX
#define CONTROLLERS_MAX 9 /* controller ids are 1 to 9; at most 7 of them vote */
#endif
#ifndef PARENTS_MAX
#define PARENTS_MAX 4 /* a machine hangs on two switches, perhaps on a host or two */
#endif
#ifndef VANTAGE_NAMES_MAX
#define VANTAGE_NAMES_MAX 32 /* controllers that `vantage` lists of one policy may name */
#endif
#ifndef OBSERVERS_MAX
#define OBSERVERS_MAX 512 /* as many links as a controller has no trouble with */
#endif
#ifndef BUDGET_MAX
#define BUDGET_MAX 8 /* remembered restarts or moves; the largest budget one can configure */
#endif
#ifndef EFFECTS_MAX
#define EFFECTS_MAX 128 /* journal lines of one fact; 64 opinions each with its consequence fit */
#endif
#ifndef LINE_SIZE
#define LINE_SIZE 256 /* text of one journal line */
#endif

/* The longest lease; sums of it with margins fit into 32 bits by far. */
#define LEASE_MAX_MS 3600000

/* More contradicting answers in a row are not told apart; as many as `fall` may be. */
#define ATTEMPTS_MAX 100
/* What a settled opinion is worth where answers are counted: more than any `fall` asks for. */
#define SETTLED 1000
/* The deadline of an order beyond its command's own timeout: reaching the node and hearing back. */
#define ORDER_SLACK_MS 3000
/* A grant not confirmed in this time is taken back. */
#define ACQUIRE_MS 5000
/* At the beginning, wait this long for the first answers of all members. */
#define PLACING_MS 10000
/* A member that could not take over is not tried again for this long. */
#define AVOID_MS 60000
/* A standby whose node came back is not restarted before its checks had this long to look again:
 * what they say is from the time when they could not reach it. */
#define RETURN_MS 10000
/* Nodes that fail within this time of each other fail at once (rule 21) ... */
#define MANY_WINDOW_MS 10000
/* ... which takes more than half of all nodes, and as many as this; then nothing is done for ... */
#define MANY_NODES_MIN 3
/* ... so long after the last of them. */
#define MANY_HOLD_MS 60000
/* A VIP that vanished from its holder is put back at most this often in this time: never a fight in
 * a loop. */
#define REGRANTS_MAX 3
#define REGRANT_MS 10000
/* A stop that was not confirmed is tried again at most this often. */
#define STOP_AGAIN_MS 10000
/* A pause or maintenance that ends by itself does so within a year. */
#define SWITCH_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
/* No time lies beyond (300 000 years): one that does is damage, and sums could overflow. */
#define TIME_MAX_MS (INT64_C(1) << 53)

#endif
