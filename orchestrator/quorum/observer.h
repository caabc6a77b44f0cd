/* The quorum process of an observer: no log, no vote. It is linked to every controller, follows the
 * policy that the newest leader tells, has its checkers look, and tells all controllers what they
 * see. The other side of it is observers.h. */
#ifndef QUORUM_OBSERVER_H
#define QUORUM_OBSERVER_H

#include "orchestrator/sys/process.h"

struct observer_process;

struct observer_process *observer_new(void); /* NULL: out of memory */
void observer_free(struct observer_process *observer);

extern const struct process_ops observer_ops; /* data: a struct observer_process */

#endif
