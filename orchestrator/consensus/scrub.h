/* The scrub: everything in the file is read again and compared with its checksum, a little at a
 * time, on a worker thread with a connection of its own, so that damage is found while the rest of
 * the log is still well, and not on the day when it is needed. */
#ifndef CONSENSUS_SCRUB_H
#define CONSENSUS_SCRUB_H

#include "orchestrator/sys/loop.h"

#include <stdint.h>

struct scrub;

/* index: of the damaged entry; 0: the snapshot. text is borrowed, in words for people. */
typedef void scrub_damage_cb(void *data, uint64_t index, const char *text);

/* A part of the file in dir every `every_ms`. NULL: out of memory. */
struct scrub *scrub_new(struct loop *loop, const char *dir, int64_t every_ms, scrub_damage_cb *cb,
                        void *data);
void scrub_free(struct scrub *scrub); /* NULL is fine; no callback afterwards */

#endif
