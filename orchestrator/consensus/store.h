/* The durable side of an engine: hard state, log entries, snapshot and journal in one SQLite file,
 * STATE_DIR/log.db (WAL, synchronous=FULL). All changes of a round are one struct store_write and
 * one transaction: it is there as a whole or not at all.
 *
 * Every entry, the snapshot and the hard state carry an XXH3 checksum, verified when the store is
 * opened and again whenever bytes are read. Damage is named, and nothing damaged is skipped or
 * changed but by store_repair.
 *
 * No thread and no loop in here: each call blocks, and one thread at a time may use a store (but
 * store_journal_read, which may run beside a store_write). It knows nothing of elections. */
#ifndef CONSENSUS_STORE_H
#define CONSENSUS_STORE_H

#include "orchestrator/base/err.h"
#include "orchestrator/consensus/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_JOURNAL_MAX = 100000 }; /* rows; older ones are dropped */

struct store;

enum store_kind {
    STORE_KIND_NOOP = 1, /* the first entry of a term */
    STORE_KIND_DATA = 2,
};

struct store_entry {
    uint64_t index;
    uint64_t term;
    uint32_t kind; /* enum store_kind; other numbers are kept as they are */
    const void *bytes;
    size_t size;
};

struct store_snapshot {
    uint64_t index; /* 0 = there is none */
    uint64_t term;
    const void *bytes;
    size_t size;
};

/* What is in the file. An empty log has last_index == snapshot_index and first_index one more. */
struct store_state {
    uint64_t first_index;
    uint64_t last_index;
    uint64_t last_term;
    uint64_t snapshot_index;
    uint64_t snapshot_term;
    uint64_t term;
    uint32_t voted_for;      /* 0 = nobody */
    uint64_t log_size_bytes; /* of the entries behind the snapshot, when the store was opened */
    uint64_t lost_index;     /* the last entry before damage, while that is not all back; 0: none */
    uint64_t lost_term;
    uint32_t voters;      /* of the newest membership in the log; 0 = not known */
    bool joins;           /* created to join a cluster, not to found one */
    uint64_t incarnation; /* drawn when it was created; not 0 */
};

/* One round, carried out in the order of the members; zeroed members do nothing. To install a
 * snapshot in place of the log, truncate from 1 in the same round. */
struct store_write {
    uint64_t truncate_from;                /* drop the entries from this index on */
    const struct store_snapshot *snapshot; /* borrowed; replaces the one before */
    const struct store_entry *entries;     /* borrowed; must go on behind the last entry */
    size_t entry_count;
    uint64_t compact_to; /* drop the entries up to this index, which a snapshot must cover */
    uint64_t term;       /* with voted_for: the hard state; 0 = keep */
    uint32_t voted_for;
    uint32_t voters;                /* 0 = keep */
    bool probes;                    /* something is written in any case: does the disk take it? */
    const struct journal_row *rows; /* borrowed */
    size_t row_count;
};

/* Lock the directory, create log.db if there is none, verify everything. `controller` is kept at
 * creation and must be the same ever after; `joins` is kept and not looked at again. Errors:
 * ERR_AGAIN locked by another process; ERR_CORRUPT; ERR_UNSUPPORTED written by a newer version;
 * ERR_INVALID the directory of another controller; ERR_NOT_FOUND no such directory; ERR_DENIED;
 * ERR_NO_SPACE; ERR_IO; ERR_NOMEM. */
int store_open(const char *dir, uint32_t controller, bool joins, struct store **store,
               struct errbuf *e);
void store_close(struct store *store); /* NULL is fine */

/* Of a store that store_open called ERR_CORRUPT: do without the damaged entries and those behind
 * them, or without the snapshot and all entries; the other controllers have them, too. Only if it
 * has others (`voters`), its hard state is whole and its last entry is, so that what it had is
 * known: state.lost_*, until the log reaches as far again. A copy of the file stays beside it as
 * log.db.damaged, if there is room. Entries that the snapshot has, too, go in any case, and are not
 * missed. `said`: what was done. ERR_CORRUPT: nothing was changed. */
int store_repair(const char *dir, uint32_t controller, struct errbuf *said, struct errbuf *e);

/* As of the last successful write. */
const struct store_state *store_state(const struct store *store);

/* On an error nothing was written, unless *is_unknown is set: then the disk failed in the very
 * moment of the commit, and the round may be found after a restart. A later successful write
 * settles that: the round is then certainly not there. */
int store_write(struct store *store, const struct store_write *write, bool *is_unknown,
                struct errbuf *e);

/* Is there room for a while of work, if need be after giving back what can be? ERR_NO_SPACE. */
int store_check_room(struct store *store, struct errbuf *e);

/* Entries from `first` on, at most `count`, in order, with bytes borrowed for the call. */
typedef void store_entry_cb(void *data, const struct store_entry *entry);
int store_read(struct store *store, uint64_t first, uint64_t count, store_entry_cb *cb, void *data,
               struct errbuf *e);

/* The term of a log entry or of the snapshot; ERR_NOT_FOUND. */
int store_term_of(struct store *store, uint64_t index, uint64_t *term, struct errbuf *e);

/* The snapshot with bytes on the heap, which the caller frees; index 0 if there is none. */
int store_snapshot_read(struct store *store, struct store_snapshot *snapshot, struct errbuf *e);

/* The newest `count` journal rows, oldest first. */
int store_journal_read(const struct store *store, uint32_t count, engine_journal_cb *cb, void *data,
                       struct errbuf *e);

#endif
