/* Reads of an engine that wait: for the proof that this controller leads still, for the entries up
 * to the index that they may see. See engine_read in engine.h for what is promised. */
#ifndef CONSENSUS_READS_H
#define CONSENSUS_READS_H

#include "orchestrator/consensus/engine.h"

struct reads;

/* NULL: out of memory. */
struct reads *reads_new(struct engine *engine, int64_t max_ms);
void reads_free(struct reads *reads); /* NULL is fine; none may wait any more */

/* Something happened to the engine: call back whoever is done. */
void reads_look(struct engine *engine);

/* The engine closes: call back all. */
void reads_close(struct engine *engine);

#endif
