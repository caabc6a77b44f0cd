/* Who is in the cluster, with names, addresses and keys, as the log's configuration entries tell;
 * and how it is kept with a snapshot. The core knows ids and kinds only; this is the rest. */
#ifndef CONSENSUS_ROSTER_H
#define CONSENSUS_ROSTER_H

#include "orchestrator/base/err.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stddef.h>
#include <stdint.h>

/* The membership in force and the one before it, as in the core; heap, owned here. */
struct roster {
    uint64_t index, index_before; /* of the entries that brought them */
    Ephor__Membership *now, *before;
};

/* A deep copy, to be freed with ephor__membership__free_unpacked. NULL: out of memory. */
Ephor__Membership *roster_copy(const Ephor__Membership *m);

const Ephor__ClusterMember *roster_find(const Ephor__Membership *m, uint32_t id);
const Ephor__ClusterMember *roster_find_name(const Ephor__Membership *m, const char *name);

uint32_t roster_voters(const Ephor__Membership *m); /* and witnesses */

/* Both are taken; `before` may be NULL: the same. */
void roster_init(struct roster *roster, uint64_t index, Ephor__Membership *now);
void roster_close(struct roster *roster);

/* A configuration entry was appended: its membership is taken. */
void roster_adopt(struct roster *roster, uint64_t index, Ephor__Membership *m);

/* The newest configuration entry was truncated. */
void roster_revert(struct roster *roster);

/* The one in force at that index; NULL: it is not known any more. */
const Ephor__Membership *roster_at(const struct roster *roster, uint64_t index,
                                   uint64_t *membership_index);

/* ---- snapshots: what the state machine gave, with the membership, as one block of bytes */

/* Heap; the caller frees it. NULL: out of memory. */
void *stored_snapshot_pack(const Ephor__Membership *m, uint64_t membership_index, const void *state,
                           size_t size, size_t *packed_size);

struct stored_snapshot {
    Ephor__StoredSnapshot *packed; /* NULL: of the first format, state only */
    const void *state;
    size_t size;
    uint64_t membership_index;
};

/* Borrows bytes. ERR_CORRUPT; ERR_NOMEM is told as that, too. */
int stored_snapshot_open(struct stored_snapshot *stored, const void *bytes, size_t size,
                         struct errbuf *e);
void stored_snapshot_close(struct stored_snapshot *stored);

#endif
