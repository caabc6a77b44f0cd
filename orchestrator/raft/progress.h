/* How far each member's log is, as the leader knows it, and how much may be under way to it. */
#ifndef RAFT_PROGRESS_H
#define RAFT_PROGRESS_H

#include "orchestrator/raft/server.h"

/* Nothing is known: probe from the end of the log. */
void progress_init(const struct raft *raft, struct progress *p);

/* What was under way is lost or in doubt: find out anew. What has matched stays so. */
void progress_probe(struct progress *p);

/* It has everything up to `match`, durably, as it answered to a request of that flight. False: that
 * is nothing new. Only an answer to the probe itself ends probing. */
bool progress_matched(const struct raft *raft, struct progress *p, uint32_t flight, uint64_t match);

/* It says that it lost what it had acknowledged behind `hint`. */
void progress_lost(struct progress *p, uint32_t flight, uint64_t hint);

/* It refused a request of that flight whose previous entry was `refused`; the logs may agree at
 * `hint`. False: an old answer, which says nothing any more. One refusal begins one new flight:
 * otherwise each of a window's refusals would send the whole window again. */
bool progress_refused(struct progress *p, uint32_t flight, uint64_t refused, uint64_t hint);

/* May entries be sent to it now? */
bool progress_may_send(const struct raft *raft, const struct progress *p);

/* Entries next ... next + count - 1 were sent. */
void progress_sent(const struct raft *raft, struct progress *p, uint64_t count);

#endif
