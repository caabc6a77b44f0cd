/* The file under a store: directory, LOCK, creation, opening, and SQLite's errors in our words. */
#ifndef CONSENSUS_STORE_FILE_H
#define CONSENSUS_STORE_FILE_H

#include "orchestrator/base/err.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { STORE_FORMAT = 1 };

/* What to do about damage; ends every message that names some. */
#define STORE_DAMAGE_ADVICE                                                                       \
    "nothing was changed; keep a copy of the directory, then restore a backup (ephorctl cluster " \
    "restore) or, if other controllers have the log, remove this one there and add it anew"

/* dir/name, or ERR_LIMIT if that is too long. */
int store_file_path(char path[PATH_MAX], const char *dir, const char *name, struct errbuf *e);

/* Take dir/LOCK for as long as *fd is open. ERR_AGAIN names the process that has it. */
int store_file_lock(const char *dir, int *fd, struct errbuf *e);

/* Open dir/log.db for writing; create it if the directory has none. Checks SQLite's own structure,
 * the format, the schema and the owner; not the content. */
int store_file_open(const char *dir, uint32_t controller, bool joins, sqlite3 **db,
                    struct errbuf *e);

/* The error for SQLite's code rc as db has just returned it; "write /dir/log.db: reason". */
int store_file_error(sqlite3 *db, int rc, const char *doing, const char *path, struct errbuf *e);

/* One number; ERR_NOT_FOUND if the statement has no row. */
int store_file_number(sqlite3 *db, const char *sql, int64_t *value, const char *path,
                      struct errbuf *e);

/* ERR_NO_SPACE if the file system of dir is about to be full. */
int store_file_check_room(const char *dir, struct errbuf *e);

#endif
