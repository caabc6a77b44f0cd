/* Counters for the metrics, from the facts as they are applied. They begin at zero when this
 * process starts, as counters may. */
#ifndef STATUS_COUNTS_H
#define STATUS_COUNTS_H

#include "orchestrator/core/core.h"
#include "orchestrator/proto/ephor.pb-c.h"

enum { ORDER_KINDS = ORDER_STOP + 1, RESULTS = RESULT_LOST + 1 };

struct move_count { /* of one service */
    char service[NAME_SIZE];
    bool is_open;
    int64_t moved_ms; /* of the last move that was seen */
    int32_t from;
    uint64_t ok, failed;
    int64_t ended_wall_ms;
};

struct counts {
    uint64_t facts;
    uint64_t leader_changes;
    uint64_t actions[ORDER_KINDS][RESULTS];
    struct move_count *moves; /* by service */
    uint32_t move_count;
};

void counts_close(struct counts *counts);

/* Look at a state that did not grow fact by fact: the first one, or one of a new policy. */
void counts_adopt(struct counts *counts, const struct core *core);

/* One fact was applied and made this state (NULL: there is none yet). */
void counts_fact(struct counts *counts, const Ephor__Fact *fact, const struct core *core);

#endif
