/* The vocabulary of the core: each state, phase, rule and event once, with its name and its help.
 * Journal, logs, API, metrics, command line, manual and tests use these names. */
#ifndef CORE_WORDS_H
#define CORE_WORDS_H

/* Nagios codes; the verdict about a check, member, node or service. */
enum state { STATE_OK, STATE_WARNING, STATE_CRITICAL, STATE_UNKNOWN };

/* What an answer to a check was like, beyond its state.
 * X(NAME, "name", "what it means") */
#define CAUSE_LIST(X)                                                           \
    X(NONE, "none", "nothing is known of it")                                   \
    X(WRONG, "wrong", "it answered, but not as it should")                      \
    X(REFUSED, "refused", "nothing listens on the port")                        \
    X(HUNG, "hung", "it was connected to, and gave no answer in time")          \
    X(SILENT, "silent", "no connection in time: nothing came back")             \
    X(UNREACHABLE, "unreachable", "the network knows no way to it")             \
    X(BROKEN, "broken", "the connection was broken off")                        \
    X(SLOW, "slow", "the answer was right, and late")                           \
    X(NAME, "name", "its name does not resolve")                                \
    X(CERTIFICATE, "certificate", "its certificate is not valid, or ends soon") \
    X(LOCAL, "local", "the controller could not ask: its own trouble")          \
    X(LOSS, "loss", "some of what was sent came back, and some did not")

/* What is wrong, as far as what all controllers see tells it (core/diagnose.h has the rules).
 * X(NAME, "name for people", "what it means") */
#define DIAGNOSIS_LIST(X)                                                                       \
    X(NONE, "none", "nothing is wrong")                                                         \
    X(UNKNOWN, "unknown", "what is seen does not tell what is wrong")                           \
    X(WRONG, "service wrong", "the node answers, but the service not as it should")             \
    X(HUNG, "service hung", "the service accepts connections and gives no answer")              \
    X(SLOW, "service slow", "the service gives right answers, too late")                        \
    X(DEAD, "node dead", "nothing on the node answers anybody, not even SSH")                   \
    X(NETWORK, "node's network", "the node is reached in part only, or not from everywhere")    \
    X(PATH, "path from one controller", "one controller does not get there; others do")         \
    X(CUT_OFF, "controller cut off", "a controller hears nothing that others hear, or is gone") \
    X(ILL, "controller ill", "a controller has trouble of its own: late, disk, DNS, programs")  \
    X(NAME, "name resolution", "the name does not resolve, from no controller")                 \
    X(CERTIFICATE, "certificate", "the certificate is not valid, or ends soon")                 \
    X(PARENT, "parent failed", "all nodes through which it is reached are down")                \
    X(MANY, "many at once", "more than half failed within seconds: one cause, most likely")

/* How many of the controllers able to see a check must agree that it is down. */
enum agree { AGREE_MAJORITY, AGREE_ALL, AGREE_ANY, AGREE_NUMBER };

/* Which controllers run a check. */
enum vantage { VANTAGE_ALL, VANTAGE_NUMBER, VANTAGE_NAMES };

/* Whether a member of the board is there. */
enum presence { PRESENCE_UNCONFIRMED, PRESENCE_THERE, PRESENCE_ABSENT };

enum scope { SCOPE_MEMBER, SCOPE_NODE, SCOPE_VIP };
enum run_mode { RUN_EVERYWHERE, RUN_ACTIVE };
enum reach { REACH_UNKNOWN, REACH_UP, REACH_DOWN };
enum guard { GUARD_UNTOLD, GUARD_NONE, GUARD_NFT };

/* X(NAME, "name", "what is going on") */
#define PHASE_LIST(X)                                                                           \
    X(STEADY, "steady", "nothing is under way")                                                 \
    X(STOPPING, "stopping", "the service is being stopped on the old node")                     \
    X(RELEASING, "releasing", "the old node lets go of the addresses, or their lease runs out") \
    X(STARTING, "starting", "the service is being started on the new node")                     \
    X(ACQUIRING, "acquiring", "the new node takes the addresses")

/* The restart of one member. */
#define STEP_LIST(X)                                                    \
    X(IDLE, "idle", "nothing is under way")                             \
    X(RESTARTING, "restarting", "the restart command runs on the node") \
    X(CONFIRMING, "confirming", "the restart was carried out; waiting for the checks to agree")

#define VIP_PHASE_LIST(X)                                                         \
    X(FREE, "free", "no node may hold it")                                        \
    X(GRANTED, "granted", "a node was told to take it and has not confirmed yet") \
    X(HELD, "held", "its holder confirmed that it has it")                        \
    X(LOST, "lost", "its holder says that it is gone; it is put back")            \
    X(RELEASING, "releasing", "its holder was told to let go, or its lease runs out")

#define ORDER_KIND_LIST(X) \
    X(HOLD, "hold")        \
    X(RELEASE, "release")  \
    X(RESTART, "restart")  \
    X(START, "start")      \
    X(STOP, "stop")

#define RESULT_LIST(X)            \
    X(DONE, "done")               \
    X(FAILED, "failed")           \
    X(UNREACHABLE, "unreachable") \
    X(TOO_LATE, "too late")       \
    X(REFUSED, "refused")         \
    X(UNKNOWN, "unknown")         \
    X(ENDED, "lease ended")       \
    X(LOST, "lost")

/* clang-format off */
/* Why Ephor acts, or does not: the numbered rules of ephord(8), "WHEN EPHOR ACTS".
 * X(number, NAME, "name", "the rule") */
#define RULE_LIST(X)                                                                               \
    X(0, NONE, "none", "nothing was decided yet")                                                  \
    X(1, RECOVERY_OPEN, "recovery-open",                                                           \
      "a step that was begun is carried through before anything else is decided")                  \
    X(2, NOT_CALM, "not-calm",                                                                     \
      "after this controller lagged or its clock jumped it only watches, until it is calm")        \
    X(3, PAUSED, "paused", "while Ephor is paused nothing happens by itself")                      \
    X(4, PLACE, "place",                                                                           \
      "a service without an active member gets its best fit member, once all were looked at")      \
    X(5, NO_CANDIDATE, "no-candidate", "there is no fit member to move to: it stays where it is")  \
    X(6, DRAIN, "drain", "a service leaves a node in maintenance when another member is fit")      \
    X(7, HEALTHY, "healthy", "the active member works and is where it should be")                  \
    X(8, UNKNOWN, "unknown-is-not-down", "only CRITICAL counts; UNKNOWN and WARNING move nothing") \
    X(9, RESTART_FIRST, "restart-first",                                                           \
      "a member that is down on a reachable node is restarted first, within its budget")           \
    X(10, MOVE_BUDGET, "move-budget",                                                              \
      "no more automatic moves in a window than the policy allows")                                \
    X(11, HOLD_DOWN, "hold-down", "soon after a move there is no other automatic move")            \
    X(12, MOVE, "move", "an active member that stays down is left for the best fit member")        \
    X(13, FAILBACK, "failback",                                                                    \
      "with automatic failback a better member that was fit for long enough gets it back")         \
    X(14, FAILBACK_MANUAL, "failback-manual",                                                      \
      "with manual failback the service stays although a better member is fit")                    \
    X(15, REGRANT, "regrant",                                                                      \
      "an address that vanished from its holder is put back, not too often")                       \
    X(16, STOP_FAILED, "stop-failed",                                                              \
      "a service whose stop was not confirmed may still run: it is not started elsewhere")         \
    X(17, OPERATOR, "operator", "an operator asked for it")                                        \
    X(18, WAITING, "waiting", "waiting for the first answers about all members")                   \
    X(19, OUT_OF_REACH, "out-of-reach",                                                            \
      "a node out of reach loses its addresses with their leases: the service leaves it")          \
    X(20, NOT_GATHERED, "not-gathered",                                                            \
      "a new leader acts when most of those who see came forward, or the others were given up")                                                                      \
    X(21, MANY_AT_ONCE, "many-at-once",                                                            \
      "when most nodes fail at once, it is looked at again for a while before anything is done")   \
    X(22, FROZEN, "frozen",                                                                        \
      "a file 'freeze' on a controller or a node holds everything automatic there, without quorum")
#define EVENT_LIST(X)                                                                              \
    X(POLICY, "policy")                                                                            \
    X(LEADER, "leader")                                                                            \
    X(CHECK, "check")                                                                              \
    X(MEMBER, "member")                                                                            \
    X(NODE, "node")                                                                                \
    X(REACH, "reach")                                                                              \
    X(DECISION, "decision")                                                                        \
    X(HOLD, "hold")                                                                                \
    X(ORDER, "order")                                                                              \
    X(OUTCOME, "outcome")                                                                          \
    X(VIP, "vip")                                                                                  \
    X(SERVICE, "service")                                                                          \
    X(OPERATOR, "operator")                                                                        \
    X(SIGHT, "sight")                                                                              \
    X(CALM, "calm")                                                                                \
    X(CONTROLLER, "controller")                                                                    \
    X(REFUSED, "refused")                                                                          \
    X(FREEZE, "freeze")                                                                            \
    X(DIAGNOSIS, "diagnosis")
/* clang-format on */

enum phase {
#define WORD(name, ...) PHASE_##name,
    PHASE_LIST(WORD)
#undef WORD
};
enum step {
#define WORD(name, ...) STEP_##name,
    STEP_LIST(WORD)
#undef WORD
};
enum vip_phase {
#define WORD(name, ...) VIP_##name,
    VIP_PHASE_LIST(WORD)
#undef WORD
};
enum order_kind {
#define WORD(name, ...) ORDER_##name,
    ORDER_KIND_LIST(WORD)
#undef WORD
};
enum order_result {
#define WORD(name, ...) RESULT_##name,
    RESULT_LIST(WORD)
#undef WORD
};
enum rule {
#define WORD(number, name, ...) RULE_##name = number,
    RULE_LIST(WORD)
#undef WORD
        RULE_COUNT
};
enum event {
#define WORD(name, ...) EVENT_##name,
    EVENT_LIST(WORD)
#undef WORD
};
enum cause {
#define WORD(name, ...) CAUSE_##name,
    CAUSE_LIST(WORD)
#undef WORD
        CAUSE_COUNT
};
enum diagnosis_kind {
#define WORD(name, ...) DIAGNOSIS_##name,
    DIAGNOSIS_LIST(WORD)
#undef WORD
        DIAGNOSIS_COUNT
};
enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_INFO };

const char *state_name(enum state state); /* "ok" "warning" "critical" "unknown" */
const char *phase_name(enum phase phase);
const char *phase_help(enum phase phase);
const char *step_name(enum step step);
const char *vip_phase_name(enum vip_phase phase);
const char *vip_phase_help(enum vip_phase phase);
const char *order_kind_name(enum order_kind kind);
const char *result_name(enum order_result result);
const char *rule_name(enum rule rule);
const char *rule_help(enum rule rule);
const char *event_name(enum event event);
const char *cause_name(enum cause cause);
const char *cause_help(enum cause cause);
const char *diagnosis_name(enum diagnosis_kind kind);
const char *diagnosis_help(enum diagnosis_kind kind);
const char *severity_name(enum severity severity); /* "error" "warning" "info" */

#endif
