/* What each controller sees, counted: the ground of the diagnoses. It follows from nothing but
 * state, so that it is the same on every controller, also after a snapshot; a step counts again
 * only what it changed. */
#ifndef CORE_SURVEY_H
#define CORE_SURVEY_H

#include "orchestrator/core/core.h"

/* Who sees what of one check; bits of seats (1 << (seat - 1)). */
struct sight {
    uint32_t good, bad;
    uint32_t by_cause[CAUSE_COUNT]; /* of the bad */
    uint32_t unable;                /* look at it, but cannot see, or are absent */
    uint32_t waiting;               /* have not answered yet */
};

#define SEAT_BIT(seat) (UINT32_C(1) << ((seat)-1))

/* How many seats; the only one (0: none, or several). */
uint32_t survey_count(uint32_t seats);
uint32_t survey_only(uint32_t seats);

/* Whose opinions tell something. Unlike core_sees, a change of the leader changes nothing. */
bool survey_counts(const struct core *core, uint32_t seat);

struct sight survey_sight(const struct core *core, int32_t check);

/* The node that a check is about; of a VIP its holder. NONE: nobody holds it. */
int32_t survey_node(const struct core *core, const struct check *check);

bool survey_has_member(const struct core *core, int32_t node);

/* Nothing came back. */
bool survey_is_lost(enum cause cause);

/* What one controller sees of a node's checks and of those of its members. */
struct reading {
    uint32_t asked;
    uint32_t lost; /* of these: silent or unreachable */
};
struct reading survey_reading(const struct core *core, int32_t node, uint32_t seat);

/* Are checks on several nodes lost from this seat and hardly from any other? */
bool survey_loses_several(const struct core *core, uint32_t seat);

/* A check that has this cause (NAME or LOCAL) from this seat and hardly from any other; NONE. */
int32_t survey_example(const struct core *core, uint32_t seat, enum cause cause);

/* Count one check again, whose opinions or verdict changed; or all. */
void survey_check(struct core *core, int32_t check);
void survey_refresh(struct core *core);

#endif
