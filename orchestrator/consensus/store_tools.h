/* What an operator may do with the storage of a controller that is not running (or, reading, that
 * is): look at it, copy it, put a copy in place, and make it go on alone when a majority of its
 * cluster is lost for good. */
#ifndef CONSENSUS_STORE_TOOLS_H
#define CONSENSUS_STORE_TOOLS_H

#include "orchestrator/consensus/store.h"
#include "orchestrator/proto/ephor.pb-c.h"

/* The newest `count` entries, oldest first, also beside a running controller. */
int store_look(const char *dir, uint64_t count, store_entry_cb *cb, void *data, struct errbuf *e);

/* A part of the log, for a scrub. first 0: begin with the snapshot. */
struct store_part {
    uint64_t first, count; /* in */
    uint64_t next;         /* where to go on; 0: the end was reached */
    uint64_t damaged;      /* of ERR_CORRUPT: the entry; 0: the snapshot */
};
int store_verify_part(const char *dir, struct store_part *part, struct errbuf *e);

/* A consistent, verified copy at path (which must not exist), also beside a running controller. */
int store_backup(const char *dir, const char *path, struct errbuf *e);

/* Put a copy in place as the storage of whose copy it is. It counts as new storage: members of a
 * cluster of several do not let it in under its old id. ERR_EXISTS: there is a log already. */
int store_restore(const char *dir, const char *path, struct errbuf *e);

/* Make this controller the only member, by an entry at the end of its log, in a term far above any
 * that the lost ones can have reached, as a cluster with a new number. What its log holds becomes
 * agreed. *before: the members until then, to be freed by the caller. */
int store_recover(const char *dir, const char *author, int64_t wall_ms, Ephor__Membership **before,
                  struct errbuf *e);

/* Whose storage it is. ERR_NOT_FOUND: there is none. */
int store_owner(const char *dir, uint32_t *controller, struct errbuf *e);

#endif
