/* What must never happen, with everything in the loop, looked after in every event. The names are
 * those of ARCHITECTURE.md:
 *
 *   ONE-HOLDER       two nodes answer for one address
 *   GRANT-FIRST      a node takes an address whose grant to it is not committed
 *   WAIT-OUT         an address is free, or granted anew, and its old holder still has it
 *   LEADER-FRESH     a line for a node is composed without leadership that is sure
 *   NO-RESURRECTION  a late or old line brings back or prolongs a lease
 *   ONE-RECOVERY     two recoveries of one object are open
 *   RESUME           an open recovery without an order or a deadline; an order with a second effect
 *   QUORUM-ACTS      an automatic action that the controllers' own answers do not agree to
 *   BUDGET           more automatic moves or restarts than the policy allows
 *   JOURNALED        something is done to a node that no journal tells
 *   SAME             two state machines, or their journals, differ after the same entry
 *   LIVENESS         all is well again, and an address is not held, or an order is still owed
 *
 * and those of tests/raft/sim_check.h. What is judged by is the world's own: what nodes have, what
 * checkers were answered, what was committed; not the functions of the core that are on trial. */
#ifndef TESTS_SIM_WHOLE_CHECK_H
#define TESTS_SIM_WHOLE_CHECK_H

#include "orchestrator/consensus/engine.h"
#include "tests/sim/whole.h"

struct whole_check *whole_check_new(void);
void whole_check_free(struct whole_check *check);
void whole_check_reset(struct whole_check *check);

/* ---- the state machines */

/* An entry is about to be handed on (its bytes); it was; a journal row came of it. */
void whole_check_entry(struct whole *whole, uint64_t index, const struct whole_blob *bytes);
void whole_check_applied(struct whole_controller *controller, uint64_t index);
void whole_check_row(struct whole_controller *controller, const struct journal_row *row);
void whole_check_snapshot(struct whole *whole, uint64_t index, const void *bytes, size_t size);
void whole_check_began(struct whole_controller *controller); /* its quorum process */

/* ---- nodes */

/* The actor sends this line. */
void whole_check_composed(struct whole_controller *controller, const struct whole_node *node,
                          bool is_lease, const char *line);
/* The node has set the lifetime of an address by a line of this epoch and date. */
void whole_check_set(struct whole_node *node, int32_t vip, uint64_t epoch, bool was_there,
                     bool acquires, int64_t until_cs, const char *boot);
void whole_check_dropped(struct whole_node *node, int32_t vip); /* is about to be, as told */
void whole_check_command(struct whole_node *node, int32_t service, uint64_t order, const char *verb,
                         uint64_t epoch);

/* ---- checkers: the newest answer that one got */

void whole_check_observed(struct whole_controller *controller, uint32_t check, uint8_t state);

/* ---- after every event, and at the end */

void whole_check_now(struct whole *whole);
bool whole_check_is_well(struct whole *whole, char *trouble, size_t size);
void whole_check_tell(struct whole *whole); /* the state, into the trace */

/* whole_verdict.c: what the opinions that were committed come to, worked out anew. */
struct whole_opinion {
    bool is_known;
    uint8_t state, suspect;
    uint32_t attempts;
};

struct whole_board { /* of one moment of the log */
    struct whole_opinion opinions[WHOLE_CONTROLLERS + 1][WHOLE_CHECKS];
    bool is_member[WHOLE_CONTROLLERS + 1];
    uint8_t presence[WHOLE_CONTROLLERS + 1];
    uint64_t run[WHOLE_CONTROLLERS + 1];
    bool is_blind[WHOLE_CONTROLLERS + 1], is_not_calm[WHOLE_CONTROLLERS + 1];
    bool is_known;
    uint32_t leader;
    /* Answers that checkers got: the newest, and how many CRITICAL ones in a row it ends. */
    uint8_t answer[WHOLE_CONTROLLERS + 1][WHOLE_CHECKS];
    uint32_t criticals[WHOLE_CONTROLLERS + 1][WHOLE_CHECKS];
    int64_t critical_us[WHOLE_CONTROLLERS + 1][WHOLE_CHECKS]; /* when the last one came; 0: never */
};

void whole_board_apply(struct whole *whole, struct whole_board *board, const Ephor__Fact *fact);
bool whole_board_agrees(const struct whole *whole, const struct whole_board *board, uint32_t check,
                        char *why, size_t size);
void whole_board_tell(const struct whole *whole, const struct whole_board *board,
                      const struct core *core);

#endif
