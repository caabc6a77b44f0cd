/* Directory, LOCK, creation and opening of log.db.
 *
 * A new file is built beside its place as log.db.new and renamed, so that a log.db which lacks
 * tables or is empty is always damage and never "just new": an emptied file must not be mistaken
 * for a fresh start. A log.db-wal without its log.db is damage for the same reason.
 *
 * Does not look at entries (store_verify.c). Called by store.c only. */
#include "orchestrator/consensus/store_file.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/store_wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ROOM_KIB = 256, BUSY_TIMEOUT_MS = 1000, LOCK_TEXT_SIZE = 24 };

struct table {
    const char *name;
    const char *sql;
};

/* Compared with what the file says; a change here needs a new STORE_FORMAT. */
static const struct table tables[] = {
    {"meta", "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"},
    {"log", "CREATE TABLE log (idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, "
            "kind INTEGER NOT NULL, checksum INTEGER NOT NULL, bytes BLOB NOT NULL)"},
    {"snapshot", "CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), "
                 "idx INTEGER NOT NULL, term INTEGER NOT NULL, checksum INTEGER NOT NULL, "
                 "bytes BLOB NOT NULL)"},
    {"journal", "CREATE TABLE journal (idx INTEGER NOT NULL, line INTEGER NOT NULL, "
                "term INTEGER NOT NULL, wall_ms INTEGER NOT NULL, severity INTEGER NOT NULL, "
                "event TEXT NOT NULL, object TEXT NOT NULL, text TEXT NOT NULL, "
                "PRIMARY KEY (idx, line)) WITHOUT ROWID"},
};

/* Some number that no other file has. */
#define DRAW "1 + (random() & 0x7ffffffffffffffe)"

enum { TABLE_COUNT = sizeof(tables) / sizeof(tables[0]) };

int store_file_path(char path[PATH_MAX], const char *dir, const char *name, struct errbuf *e)
{
    if (!text_format(path, PATH_MAX, "%s/%s", dir, name))
        return err_set(e, ERR_LIMIT, "'%s/%s' is too long for a path", dir, name);
    return ERR_OK;
}

static int error_of_errno(int errno_value)
{
    return errno_value == EROFS ? ERR_DENIED : err_from_errno(errno_value);
}

static int set_errno(struct errbuf *e, int errno_value, const char *doing, const char *path)
{
    return err_set(e, error_of_errno(errno_value), "%s %s: %s", doing, path, strerror(errno_value));
}

static int check_dir(const char *dir, struct errbuf *e)
{
    struct stat st;
    if (stat(dir, &st) != 0) {
        int err = set_errno(e, errno, "open", dir);
        if (err == ERR_NOT_FOUND)
            err_set(e, err, "there is no directory %s; create it with mode 0750", dir);
        return err;
    }
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_INVALID, "%s is not a directory", dir);
    if (st.st_mode & S_IRWXO)
        log_warning("store", "%s is open to all users; chmod 0750 it", dir);
    return ERR_OK;
}

static int say_locked(int fd, const char *path, struct errbuf *e)
{
    char text[LOCK_TEXT_SIZE + 1] = "";
    int64_t pid = 0;
    if (pread(fd, text, LOCK_TEXT_SIZE, 0) > 0)
        text[strcspn(text, " \n")] = '\0';
    if (!text_parse_int(text, 1, INT32_MAX, &pid))
        return err_set(e, ERR_AGAIN, "%s is locked by another process", path);
    return err_set(e, ERR_AGAIN, "%s is locked by process %ld", path, (long)pid);
}

int store_file_lock(const char *dir, int *fd, struct errbuf *e)
{
    char path[PATH_MAX];
    char text[LOCK_TEXT_SIZE];
    int err = check_dir(dir, e);
    if (err == 0)
        err = store_file_path(path, dir, "LOCK", e);
    if (err != 0)
        return err;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return set_errno(e, errno, "open", path);
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        err = errno == EWOULDBLOCK ? say_locked(*fd, path, e) : set_errno(e, errno, "lock", path);
        close(*fd);
        return err;
    }
    /* The pid is for people: on a full disk the lock is as good without it. */
    text_format(text, sizeof(text), "%-20ld\n", (long)getpid());
    if (pwrite(*fd, text, strlen(text), 0) < 0)
        log_warning("store", "write %s: %s", path, strerror(errno));
    return ERR_OK;
}

static int error_of_sqlite(sqlite3 *db, int rc)
{
    int system = sqlite3_system_errno(db);
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_AGAIN;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return system == ENOSPC || system == EDQUOT || system == EROFS || system == EACCES
                   ? error_of_errno(system)
                   : ERR_IO;
    default:
        return ERR_IO;
    }
}

int store_file_error(sqlite3 *db, int rc, const char *doing, const char *path, struct errbuf *e)
{
    int err = error_of_sqlite(db, rc);
    int system = sqlite3_system_errno(db);
    if (err == ERR_NO_SPACE)
        return err_set(e, err, "%s %s: no space left; make room on its file system", doing, path);
    if (err == ERR_CORRUPT)
        return err_set(e, err, "%s %s: the file is damaged (%s): " STORE_DAMAGE_ADVICE, doing, path,
                       sqlite3_errmsg(db));
    if (err == ERR_AGAIN)
        return err_set(e, err, "%s %s: another program uses the file (%s)", doing, path,
                       sqlite3_errmsg(db));
    if (system != 0 && (rc & 0xff) == SQLITE_IOERR)
        return err_set(e, err, "%s %s: %s (%s)", doing, path, sqlite3_errmsg(db), strerror(system));
    return err_set(e, err, "%s %s: %s", doing, path, sqlite3_errmsg(db));
}

int store_file_number(sqlite3 *db, const char *sql, int64_t *value, const char *path,
                      struct errbuf *e)
{
    sqlite3_stmt *statement = NULL;
    int err = ERR_OK;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    else if (rc == SQLITE_DONE)
        err = err_set(e, ERR_NOT_FOUND, "read %s: nothing found", path);
    else
        err = store_file_error(db, rc, "read", path, e);
    sqlite3_finalize(statement);
    return err;
}

int store_file_check_room(const char *dir, struct errbuf *e)
{
    struct statvfs st;
    if (statvfs(dir, &st) != 0)
        return ERR_OK; /* the write that follows will tell */
    uint64_t free_kib = (uint64_t)st.f_bavail * st.f_frsize / 1024;
    if (free_kib < ROOM_KIB)
        return err_set(e, ERR_NO_SPACE,
                       "only %lu KiB are free in %s, %d KiB are needed; make room there",
                       (unsigned long)free_kib, dir, ROOM_KIB);
    return ERR_OK;
}

static int execute(sqlite3 *db, const char *sql, const char *doing, const char *path,
                   struct errbuf *e)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : store_file_error(db, rc, doing, path, e);
}

static int sync_dir(const char *dir, struct errbuf *e)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = ERR_OK;
    if (fd < 0 || fsync(fd) != 0)
        err = set_errno(e, errno, "sync", dir);
    if (fd >= 0)
        close(fd);
    return err;
}

static int open_database(const char *path, sqlite3 **db, struct errbuf *e)
{
    *db = NULL;
    int rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (*db == NULL)
        return err_set(e, ERR_NOMEM, "open %s: out of memory", path);
    if (rc != SQLITE_OK) {
        int err = store_file_error(*db, rc, "open", path, e);
        sqlite3_close(*db);
        *db = NULL;
        return err;
    }
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, BUSY_TIMEOUT_MS);
    return ERR_OK;
}

static int fill_new(sqlite3 *db, uint32_t controller, bool joins, const char *path,
                    struct errbuf *e)
{
    char meta[256];
    int err = execute(db, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; BEGIN",
                      "create", path, e);
    for (size_t i = 0; err == 0 && i < TABLE_COUNT; i++)
        err = execute(db, tables[i].sql, "create", path, e);
    text_format(meta, sizeof(meta),
                "INSERT INTO meta VALUES ('format', %d), ('controller', %lu), ('term', 0), "
                "('voted_for', 0), ('settled', 0), ('joins', %d), ('incarnation', " DRAW
                "); COMMIT",
                STORE_FORMAT, (unsigned long)controller, joins ? 1 : 0);
    if (err == 0)
        err = execute(db, meta, "create", path, e);
    return err;
}

static int create(const char *dir, const char *path, uint32_t controller, bool joins,
                  struct errbuf *e)
{
    char new_path[PATH_MAX];
    sqlite3 *db = NULL;
    int err = store_file_path(new_path, dir, "log.db.new", e);
    if (err != 0)
        return err;
    unlink(new_path); /* left by a creation that did not end; nothing was ever kept in it */
    int fd = open(new_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return set_errno(e, errno, "create", new_path);
    close(fd);
    err = open_database(new_path, &db, e);
    if (err == 0)
        err = fill_new(db, controller, joins, new_path, e);
    sqlite3_close(db);
    if (err == 0 && rename(new_path, path) != 0)
        err = set_errno(e, errno, "rename", new_path);
    if (err == 0)
        return sync_dir(dir, e);
    unlink(new_path);
    return err;
}

static int create_if_missing(const char *dir, const char *path, const char *wal,
                             uint32_t controller, bool joins, struct errbuf *e)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno != ENOENT)
            return set_errno(e, errno, "open", path);
        if (stat(wal, &st) == 0)
            return err_set(e, ERR_CORRUPT, "%s is missing, but %s is there: " STORE_DAMAGE_ADVICE,
                           path, wal);
        return create(dir, path, controller, joins, e);
    }
    if (st.st_size == 0)
        return err_set(e, ERR_CORRUPT, "%s is empty, which it never was: " STORE_DAMAGE_ADVICE,
                       path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        log_warning("store", "%s is open to other users; chmod 0600 it", path);
    return ERR_OK;
}

static int check_table(sqlite3 *db, const struct table *table, const char *path, struct errbuf *e)
{
    sqlite3_stmt *statement = NULL;
    int err = ERR_OK;
    int rc = sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE name = ?", -1, &statement,
                                NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    const char *sql = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (rc == SQLITE_DONE)
        err = err_set(e, ERR_CORRUPT, "%s has no table '%s': " STORE_DAMAGE_ADVICE, path,
                      table->name);
    else if (rc != SQLITE_ROW)
        err = store_file_error(db, rc, "read", path, e);
    else if (sql == NULL || strcmp(sql, table->sql) != 0)
        err = err_set(e, ERR_CORRUPT,
                      "the table '%s' in %s is not as it was created: " STORE_DAMAGE_ADVICE,
                      table->name, path);
    sqlite3_finalize(statement);
    return err;
}

/* Before anything else is read: a newer version may have changed all but this. */
static int check_format(sqlite3 *db, const char *path, struct errbuf *e)
{
    int64_t format = 0;
    int err = check_table(db, &tables[0], path, e);
    if (err != 0)
        return err;
    err = store_file_number(db, "SELECT value FROM meta WHERE name = 'format'", &format, path, e);
    if (err == ERR_NOT_FOUND || (err == 0 && format < 1))
        return err_set(e, ERR_CORRUPT, "%s does not say its format: " STORE_DAMAGE_ADVICE, path);
    if (err == 0 && format > STORE_FORMAT)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s has format %ld, written by a newer version; this version knows formats "
                       "up to %d: install the newer version again",
                       path, (long)format, STORE_FORMAT);
    return err;
}

static int check_owner(sqlite3 *db, uint32_t controller, const char *path, struct errbuf *e)
{
    int64_t owner = 0;
    int err =
        store_file_number(db, "SELECT value FROM meta WHERE name = 'controller'", &owner, path, e);
    if (err == ERR_NOT_FOUND)
        return err_set(e, ERR_CORRUPT, "%s does not say whose it is: " STORE_DAMAGE_ADVICE, path);
    if (err == 0 && owner != (int64_t)controller)
        return err_set(e, ERR_INVALID,
                       "%s belongs to controller %ld, this is controller %lu; a directory must "
                       "not be copied between controllers",
                       path, (long)owner, (unsigned long)controller);
    return err;
}

/* Whole pages, without the content of indexes: some 10 ms for a few MB. */
static int check_structure(sqlite3 *db, const char *path, struct errbuf *e)
{
    sqlite3_stmt *statement = NULL;
    int err = ERR_OK;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (rc != SQLITE_ROW)
        err = store_file_error(db, rc, "check", path, e);
    else if (text == NULL || strcmp(text, "ok") != 0)
        err = err_set(e, ERR_CORRUPT, "the file %s is damaged (%s): " STORE_DAMAGE_ADVICE, path,
                      text == NULL ? "no text" : text);
    sqlite3_finalize(statement);
    return err;
}

static int set_up(sqlite3 *db, const char *path, struct errbuf *e)
{
    if (sqlite3_db_readonly(db, "main") == 1)
        return err_set(e, ERR_DENIED, "%s can only be read; give its owner the right to write",
                       path);
    char pragmas[256];
    text_format(pragmas, sizeof(pragmas),
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; "
                "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = %d; "
                "PRAGMA journal_size_limit = 33554432",
                STORE_WAL_PAGES);
    return execute(db, pragmas, "open", path, e);
}

/* Files of the first version founded a cluster of one and were not counted. */
static int complete_meta(sqlite3 *db, const char *path, struct errbuf *e)
{
    return execute(db,
                   "INSERT OR IGNORE INTO meta VALUES ('joins', 0), ('incarnation', " DRAW
                   "), ('voters', 0), ('lost_index', 0), ('lost_term', 0), ('checksum', 0)",
                   "open", path, e);
}

int store_file_open(const char *dir, uint32_t controller, bool joins, sqlite3 **db,
                    struct errbuf *e)
{
    char path[PATH_MAX];
    char wal[PATH_MAX];
    int err = store_file_path(path, dir, "log.db", e);
    if (err == 0)
        err = store_file_path(wal, dir, "log.db-wal", e);
    if (err == 0)
        err = create_if_missing(dir, path, wal, controller, joins, e);
    if (err == 0)
        err = store_wal_check(wal, e);
    if (err == 0)
        err = open_database(path, db, e);
    if (err != 0)
        return err;
    err = check_format(*db, path, e);
    if (err == 0)
        err = set_up(*db, path, e);
    if (err == 0)
        err = check_structure(*db, path, e);
    for (size_t i = 0; err == 0 && i < TABLE_COUNT; i++)
        err = check_table(*db, &tables[i], path, e);
    if (err == 0)
        err = check_owner(*db, controller, path, e);
    if (err == 0)
        err = complete_meta(*db, path, e);
    if (err == 0)
        store_wal_extend(wal);
    if (err != 0) {
        sqlite3_close(*db);
        *db = NULL;
    }
    return err;
}
