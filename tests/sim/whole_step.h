/* What an entry of the log has done to the state: transitions that must not be. */
#ifndef TESTS_SIM_WHOLE_STEP_H
#define TESTS_SIM_WHOLE_STEP_H

#include "tests/sim/whole_check.h"

enum { WHOLE_SPENT = 64, WHOLE_MEMBERS = WHOLE_SERVICES * WHOLE_NODES };

struct whole_vip_truth {
    uint8_t phase; /* VIP_FREE ... */
    int32_t holder;
    uint64_t order;
};

struct whole_spent { /* when, in core time; never forgotten */
    int64_t at_ms[WHOLE_SPENT];
    uint32_t count;
};

struct whole_truth { /* the state after the newest entry that anybody has applied */
    uint64_t index;
    bool has_core, is_paused;
    struct whole_vip_truth vips[WHOLE_VIPS];
    struct {
        uint8_t phase;
        uint64_t order;
        bool is_stop_failed;
        struct whole_spent moves;
    } services[WHOLE_SERVICES];
    struct {
        uint8_t step;
        uint64_t order;
        struct whole_spent restarts;
    } members[WHOLE_MEMBERS];
};

/* The machine is the first to come to its state. */
void whole_step_check(struct whole *whole, struct whole_truth *truth,
                      const struct whole_board *board, const struct machine *machine);

#endif
