/* Policies on their way into the log, one at a time: what this controller's file says, and earlier
 * ones that an operator wants back. Each is judged first, as the machine will, and again by the
 * leader; what would be refused is not written down. Each names the policy that it replaces, so
 * that nothing else is replaced. */
#ifndef QUORUM_OFFERS_H
#define QUORUM_OFFERS_H

#include "orchestrator/core/limits.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct quorum;

struct offers {
    Ephor__PolicyOffer *waiting; /* the file's: for leadership, or for the one on its way */
    bool is_under_way;
    bool is_rollback;        /* the one on its way is not the file's */
    uint64_t sequence;       /* of who waits for it */
    char refusal[LINE_SIZE]; /* the leader's */
};

/* What the supervisor read; and what an operator wants back. Both are told PolicyReply. */
void offers_take(struct quorum *quorum, const Ephor__PolicyOffer *offer);
void offers_roll_back(struct quorum *quorum, const Ephor__PolicyRollback *wanted);

/* Somebody leads, or another policy is in force: propose what waits. */
void offers_propose(struct quorum *quorum);

/* May a policy that another controller forwards be proposed? If not, it is told why. */
bool offers_may_forward(struct quorum *quorum, uint32_t from, const Ephor__Fact *fact);

/* The leader did not propose what was forwarded. */
void offers_on_refused(struct quorum *quorum, uint32_t from, const Ephor__ForwardRefused *refused);

void offers_close(struct quorum *quorum);

#endif
