/* Facts on their way into the log. While this controller leads they are proposed here, otherwise
 * they go to the leader; until one is seen applied it is sent again to every new leader, in order.
 * (author, run, sequence) in each makes the machine ignore what it has had already. */
#ifndef QUORUM_PROPOSALS_H
#define QUORUM_PROPOSALS_H

#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct quorum;
struct peer;

struct proposal; /* one on its way */

struct proposals {
    uint64_t run;      /* drawn when this process started */
    uint64_t sequence; /* of the last one */
    uint64_t epoch;    /* counts the leaders, and the links to them, that proposals were sent to */
    uint32_t count;
    struct proposal *head, *tail;
    struct early *early; /* forwarded to one that is elected and does not lead yet; oldest first */
    uint32_t early_count;
};

/* Who may say it: anybody, to whoever leads; or the leader of this term alone. */
enum proposal_kind { PROPOSAL_FORWARDED, PROPOSAL_OF_LEADER };

/* Propose a fact (copied); at_ms is the leader's to stamp, wall_ms is stamped here if it is 0. If
 * peer is given it is told the end as Proposed{sequence}. then (may be NULL) runs after it was
 * applied, right behind the machine, or failed. */
typedef void proposal_then(struct quorum *quorum, int err, uint64_t index);
void proposals_add(struct quorum *quorum, enum proposal_kind kind, Ephor__Fact *fact,
                   struct peer *peer, uint64_t sequence, proposal_then *then);

/* Somebody else leads, or can be reached anew: send everything again. */
void proposals_restart(struct quorum *quorum);

/* The machine has applied a fact of this author. */
void proposals_applied(struct quorum *quorum, uint32_t author, uint64_t run, uint64_t sequence,
                       uint64_t index);

/* The leader refused to propose one of this process: it ends with ERR_REFUSED. */
void proposals_refused(struct quorum *quorum, uint64_t sequence);

/* A fact that another controller forwards. */
void proposals_on_forward(struct quorum *quorum, uint32_t from, const Ephor__Forward *forward);

/* Give up what has waited too long; called once a second. */
void proposals_expire(struct quorum *quorum);
void proposals_close(struct quorum *quorum);

#endif
