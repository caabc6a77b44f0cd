/* Decisions: what the policy makes of verdicts. Pure functions of the state: the same ones decide,
 * explain and simulate. Rules are numbered as in ephord(8), "WHEN EPHOR ACTS". */
#ifndef CORE_DECIDE_H
#define CORE_DECIDE_H

#include "orchestrator/core/core.h"

/* Where the gates that were looked at are written down for people; may be NULL. */
struct gates {
    struct explanation *list; /* EXPLANATIONS_MAX of them */
    uint32_t count;
};

struct decision {
    enum rule rule;
    bool acts;       /* restart this member; move this service to target */
    int32_t target;  /* member */
    int64_t wake_ms; /* decide again at this core time even if nothing happens */
    char text[LINE_SIZE];
};

/* Should this member be restarted now? (Rules 1-3, 8, 9.) */
void decide_member(const struct core *core, int32_t member, struct gates *gates,
                   struct decision *decision);

/* Where should this service be? For a service whose phase is steady. */
void decide_service(const struct core *core, int32_t service, struct gates *gates,
                    struct decision *decision);

/* The fit member with the highest priority (the first of equals), without `except`; NONE. */
int32_t decide_candidate(const struct core *core, int32_t service, int32_t except);

/* May anything be done automatically now? Otherwise settles the decision by rule 2 or 3. */
bool decide_is_automatic(const struct core *core, struct gates *gates, struct decision *decision);

#endif
