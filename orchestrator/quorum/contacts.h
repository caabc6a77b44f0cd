/* The controllers that an observer was told of last, kept in its state directory: those of its
 * bundle may all have been replaced since. What cannot be read or written is told in the log, and
 * costs nothing else. */
#ifndef QUORUM_CONTACTS_H
#define QUORUM_CONTACTS_H

#include "orchestrator/proto/ephor.pb-c.h"

/* NULL: there are none of this cluster that could be read. On the heap. */
Ephor__Membership *contacts_load(const char *state_dir, uint64_t cluster);

void contacts_save(const char *state_dir, const Ephor__Membership *members);

#endif
