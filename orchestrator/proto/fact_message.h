/* Facts between struct fact and the bytes of a log entry. */
#ifndef PROTO_FACT_MESSAGE_H
#define PROTO_FACT_MESSAGE_H

#include "orchestrator/core/core.h"
#include "orchestrator/proto/ephor.pb-c.h"

enum { OPINIONS_MAX = 64, CENSUS_MAX = 64 }; /* checks in one fact */
struct fact_parts {                          /* what a fact points to */
    struct opinion_change changes[OPINIONS_MAX];
    struct census_change census[CENSUS_MAX];
    struct seat seats[CONTROLLERS_MAX];
};

/* Make a struct fact of a message (all but a policy). Strings stay in the message, lists are put
 * into parts (both borrowed). False: not a fact that this version knows. */
bool fact_from_message(const Ephor__Fact *message, uint64_t index, uint64_t term, struct fact *fact,
                       struct fact_parts *parts);

/* Are the times of this fact such as a clock could tell? fact_from_message asks; for a policy,
 * which it does not read, the one who adopts it has to. */
bool fact_has_times(const Ephor__Fact *message);

#endif
