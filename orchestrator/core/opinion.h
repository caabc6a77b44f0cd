/* One controller's damped view of one check. Each observation goes in; the opinion changes only
 * after a run of observations that all contradict it: `fall` of them when the newest is worse than
 * the opinion, `rise` when it is better. The opinion then becomes the newest state; but since
 * CRITICAL moves services, it takes `fall` CRITICAL answers in a row. WARNING and UNKNOWN are
 * states of their own; from better to worse: OK, WARNING, UNKNOWN, CRITICAL.
 * Before the first opinion an OK is believed at once, anything else needs `fall` in a row.
 * Pure: no clock, no I/O. States are those of core/words.h. Used by the checker and by tests. */
#ifndef CORE_OPINION_H
#define CORE_OPINION_H

#include <stdbool.h>
#include <stdint.h>

struct damping {   /* all zero: nothing observed yet */
    uint8_t state; /* enum state; meaningful only when is_known */
    bool is_known;
    uint32_t attempt;   /* contradicting observations in a row */
    uint32_t criticals; /* CRITICAL observations in a row */
};

/* Take one observation (an enum state). fall and rise count from 1. True: the opinion changed. */
bool opinion_observe(struct damping *opinion, uint8_t state, uint32_t fall, uint32_t rise);

/* Did the newest observation contradict the opinion, so that the next should come soon? */
bool opinion_is_contradicted(const struct damping *opinion);

#endif
