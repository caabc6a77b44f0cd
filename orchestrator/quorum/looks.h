/* What an observer looks at, and what it has seen: the checks of the policy that ask for observers,
 * its part of them, and its opinions. Pure but for its memory. */
#ifndef QUORUM_LOOKS_H
#define QUORUM_LOOKS_H

#include "orchestrator/base/err.h"
#include "orchestrator/core/core.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct look {               /* at one check */
    struct outlook outlook; /* count 0: not from here */
    bool is_known;          /* there is an opinion */
    uint8_t state, suspect, attempts, cause;
    char *text; /* of what is not OK; NULL: none */
};

struct looks {
    uint64_t policy_index; /* 0: no policy yet */
    Ephor__Policy *policy;
    uint8_t *bytes;
    size_t size;
    struct look *list;
};

/* Follow this policy (copied): what is known goes over by the checks' identities, and so does what
 * is looked at until looks_choose. On an error the one before stays. */
int looks_adopt(struct looks *looks, uint64_t index, const uint8_t *bytes, size_t size,
                struct errbuf *e);
void looks_close(struct looks *looks);

/* Who is there besides this one, by id and in any order: find out which checks are this one's, and
 * its place in the turns. True if anything is otherwise now. */
bool looks_choose(struct looks *looks, uint32_t self, const uint32_t *present, size_t count);

/* What the checkers say. False: it is of another policy, and nothing was taken. */
bool looks_take(struct looks *looks, const Ephor__Opinions *opinions);

/* For the checkers, for the controllers, and for the status process. What they point to is heap, or
 * borrowed from looks; give it back with looks_free_*. */
void looks_outlook(const struct looks *looks, Ephor__Outlook *outlook);
void looks_free_outlook(Ephor__Outlook *outlook);
void looks_report(const struct looks *looks, Ephor__Report *report); /* opinions, silent, full */
void looks_free_report(Ephor__Report *report);
void looks_feed(const struct looks *looks, Ephor__FeedLooks *feed);
void looks_free_feed(Ephor__FeedLooks *feed);

#endif
