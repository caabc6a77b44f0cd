/* SQLite's write-ahead log beside log.db (format: sqlite.org/fileformat2.html#walformat). */
#ifndef CONSENSUS_STORE_WAL_H
#define CONSENSUS_STORE_WAL_H

#include "orchestrator/base/err.h"

enum { STORE_WAL_PAGES = 1024 }; /* when it is written back into log.db */

/* Are commits missing in the middle of it? SQLite ends at the first frame that is not right and
 * takes all behind it for a commit that was torn by a crash; but a commit that others follow was
 * durable, and what it promised would be forgotten without a word. To be called before SQLite
 * opens the file. Damage to the very last commit cannot be told from a torn one. ERR_CORRUPT. */
int store_wal_check(const char *path, struct errbuf *e);

/* Give the file its size at once, filled with zeros, which SQLite takes for no frames: a commit
 * then changes bytes of a file and not its length, and costs half the time. As far as there is
 * room; it is no harm if there is none. To be called while the database is open and in use by
 * nobody else. */
void store_wal_extend(const char *path);

#endif
