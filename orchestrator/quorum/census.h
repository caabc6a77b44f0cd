/* What observers say about checks, counted by check. A voice is one observer's word on every check;
 * the tallies are kept up with each change, so that counting costs nothing when it is asked for.
 * Pure but for its memory, which is taken when a policy begins and when an observer comes. */
#ifndef QUORUM_CENSUS_H
#define QUORUM_CENSUS_H

#include "orchestrator/core/core.h"

#include <stdbool.h>
#include <stdint.h>

struct said { /* by one observer about one check */
    bool looks;
    bool is_known; /* it has an opinion */
    uint8_t state;
    uint8_t suspect;  /* with attempts > 0: what its newest answers say instead */
    uint8_t attempts; /* how many of them in a row */
};

struct voice {
    struct said *said; /* by check; NULL: it has said nothing under this policy */
    bool is_mute;      /* it cannot see: it counts as looking, and for nothing else */
};

struct tally { /* as struct census of the core, without its limits */
    uint32_t seers, silent, doubters;
    uint32_t votes[3], newest[3], answers[3];
    bool is_dirty; /* it changed and was not taken */
};

struct census_table {
    uint64_t policy_index;
    uint32_t check_count;
    struct tally *tallies;
    uint32_t *dirty; /* a ring of check_count checks, the oldest one at dirty_first */
    uint32_t dirty_first, dirty_count;
};

/* Begin anew under another policy; what all voices have said must be gone (census_hush). False: no
 * memory, and nothing is counted. */
bool census_begin(struct census_table *table, uint64_t policy_index, uint32_t check_count);
void census_close(struct census_table *table);

/* A voice says this about a check. False: no such check, or no memory. */
bool census_say(struct census_table *table, struct voice *voice, uint32_t check, struct said said);

/* It can see again, or cannot any more. */
void census_mute(struct census_table *table, struct voice *voice, bool is_mute);

/* It is gone, or says everything anew: what it said counts no more. */
void census_hush(struct census_table *table, struct voice *voice);

/* All counts are to be told again. */
void census_tell_all(struct census_table *table);

/* Take the oldest change (as the core limits it). False: nothing has changed. */
bool census_take(struct census_table *table, struct census_change *change);

#endif
