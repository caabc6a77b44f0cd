/* The state machine over the log: entries in, the core's state and effects out. The quorum process
 * runs it as the authority; the status process runs a second one on the same facts for its views,
 * so that they are explained by the very functions that decided. */
#ifndef PROTO_MACHINE_H
#define PROTO_MACHINE_H

#include "orchestrator/base/err.h"
#include "orchestrator/core/core.h"
#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/proto/history.h"
#include "orchestrator/proto/registry.h"

enum { AUTHORS_MAX = 16 };

struct author {  /* of facts that may be sent again */
    uint32_t id; /* 0: a free place */
    uint64_t run;
    uint64_t sequence;    /* of the last one that was applied */
    uint64_t run_before;  /* what still comes of it comes too late */
    uint64_t heard_index; /* of the last entry that was its */
};

struct machine {
    struct core *core;     /* NULL until the first policy */
    Ephor__Policy *policy; /* as adopted; NULL until then */
    uint8_t *policy_bytes;
    size_t policy_size;
    uint64_t policy_index;
    char policy_digest[DIGEST_SIZE];
    struct history history;   /* its last one is the policy in force */
    struct registry registry; /* who observes */
    uint64_t index, term;     /* of the last entry applied */
    int64_t wall_ms;          /* when it was proposed; 0: not known */
    struct author authors[AUTHORS_MAX];
    struct author last; /* of the last entry applied; id 0: none */
};

void machine_init(struct machine *machine);
void machine_close(struct machine *machine);

/* Apply one entry. effects is overwritten. adopted (may be NULL) tells whether a new policy was
 * adopted. Entries that cannot be read change nothing and say so in effects; what its author sent
 * again changes nothing. */
void machine_apply(struct machine *machine, uint64_t index, uint64_t term, const void *bytes,
                   size_t size, struct effects *effects, bool *adopted);

/* Would this policy be adopted now? Judged as when its entry is applied; if not, `refusal`
 * (LINE_SIZE bytes) says why. */
bool machine_may_adopt(const struct machine *machine, const Ephor__PolicyAdopted *adopted,
                       char *refusal);

/* The snapshot as bytes of an Ephor__Snapshot, malloc'ed (taken by the caller). NULL: no state yet
 * or out of memory. */
uint8_t *machine_snapshot(const struct machine *machine, size_t *size);

/* Become what a snapshot says. */
int machine_restore(struct machine *machine, uint64_t index, uint64_t term, const void *bytes,
                    size_t size, struct errbuf *e);

#endif
