/* The proof that a log was read back as it was written: checksums, order, terms. */
#ifndef CONSENSUS_STORE_VERIFY_H
#define CONSENSUS_STORE_VERIFY_H

#include "orchestrator/base/err.h"
#include "orchestrator/consensus/store.h"

#include <sqlite3.h>
#include <stdint.h>

uint64_t store_checksum_of_entry(const struct store_entry *entry);
uint64_t store_checksum_of_snapshot(const struct store_snapshot *snapshot);
uint64_t store_checksum_of_hard_state(const struct store_state *state);

/* Is a log that ends with the first entry at least as complete as one that ends with the other, as
 * an election would judge (raft/trail.h)? */
bool store_log_reaches(uint64_t index, uint64_t term, uint64_t than_index, uint64_t than_term);

/* The entry in the present row of a statement that selects idx, term, kind, checksum, bytes; bytes
 * are borrowed until the next step. ERR_CORRUPT if it is not what was written. */
int store_verify_entry(sqlite3_stmt *row, const char *path, struct store_entry *entry,
                       struct errbuf *e);

/* The same for a snapshot: idx, term, checksum, bytes. */
int store_verify_snapshot(sqlite3_stmt *row, const char *path, struct store_snapshot *snapshot,
                          struct errbuf *e);

/* The parts of store_verify_all, in this order, each of which fills in its part of the state;
 * ERR_CORRUPT leaves the state with what came before the damage. */
int store_verify_the_hard_state(sqlite3 *db, const char *path, struct store_state *state,
                                struct errbuf *e);
int store_verify_the_snapshot(sqlite3 *db, const char *path, struct store_state *state,
                              struct errbuf *e);
int store_verify_the_log(sqlite3 *db, const char *path, struct store_state *state,
                         struct errbuf *e);

/* Read all of it, verify it and fill in the state. */
int store_verify_all(sqlite3 *db, const char *path, struct store_state *state, struct errbuf *e);

#endif
