#include "orchestrator/consensus/store_tools.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/roster.h"
#include "orchestrator/consensus/store_file.h"
#include "orchestrator/consensus/store_verify.h"
#include "orchestrator/raft/raft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nodes refuse orders of lower terms: the lost ones, should they come back, must be far below. */
enum { TERMS_AHEAD = 1000, READ_MAX = 1 << 24, BUSY_MS = 2000, COPY_SIZE = 1 << 16 };

static int open_reading(const char *path, sqlite3 **db, struct errbuf *e)
{
    *db = NULL;
    if (access(path, F_OK) != 0)
        return err_set(e, ERR_NOT_FOUND, "there is no %s", path);
    int rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        int err = store_file_error(*db, rc, "open", path, e);
        sqlite3_close(*db);
        *db = NULL;
        return err;
    }
    sqlite3_busy_timeout(*db, BUSY_MS);
    return ERR_OK;
}

static int open_log(const char *dir, sqlite3 **db, char path[PATH_MAX], struct errbuf *e)
{
    int err = store_file_path(path, dir, "log.db", e);
    return err == ERR_OK ? open_reading(path, db, e) : err;
}

int store_owner(const char *dir, uint32_t *controller, struct errbuf *e)
{
    char path[PATH_MAX];
    sqlite3 *db;
    int64_t owner = 0;
    int err = open_log(dir, &db, path, e);
    if (err == ERR_OK)
        err = store_file_number(db, "SELECT value FROM meta WHERE name = 'controller'", &owner,
                                path, e);
    *controller = (uint32_t)owner;
    sqlite3_close(db);
    return err;
}

/* ---------------------------------------------------------------- looking */

int store_look(const char *dir, uint64_t count, store_entry_cb *cb, void *data, struct errbuf *e)
{
    char path[PATH_MAX];
    sqlite3 *db;
    sqlite3_stmt *row = NULL;
    struct store_entry entry;
    int err = open_log(dir, &db, path, e);
    if (err != ERR_OK)
        return err;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT * FROM (SELECT idx, term, kind, checksum, bytes FROM log "
                                "ORDER BY idx DESC LIMIT ?1) ORDER BY idx",
                                -1, &row, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(row, 1, (sqlite3_int64)count);
    while (rc == SQLITE_OK && (rc = sqlite3_step(row)) == SQLITE_ROW) {
        err = store_verify_entry(row, path, &entry, e);
        if (err != ERR_OK)
            break;
        cb(data, &entry);
        rc = SQLITE_OK;
    }
    if (err == ERR_OK && rc != SQLITE_DONE)
        err = store_file_error(db, rc, "read", path, e);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return err;
}

static int verify_snapshot(sqlite3 *db, const char *path, struct errbuf *e)
{
    struct store_snapshot snapshot;
    sqlite3_stmt *row = NULL;
    int err = ERR_OK;
    int rc =
        sqlite3_prepare_v2(db, "SELECT idx, term, checksum, bytes FROM snapshot", -1, &row, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(row);
    if (rc == SQLITE_ROW)
        err = store_verify_snapshot(row, path, &snapshot, e);
    else if (rc != SQLITE_DONE)
        err = store_file_error(db, rc, "read", path, e);
    sqlite3_finalize(row);
    return err;
}

static int verify_entries(sqlite3 *db, const char *path, struct store_part *part, struct errbuf *e)
{
    struct store_entry entry = {.index = part->first};
    sqlite3_stmt *row = NULL;
    uint64_t seen = 0;
    int err = ERR_OK;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT idx, term, kind, checksum, bytes FROM log WHERE idx >= ?1 "
                                "ORDER BY idx LIMIT ?2",
                                -1, &row, NULL);
    sqlite3_bind_int64(row, 1, (sqlite3_int64)part->first);
    sqlite3_bind_int64(row, 2, (sqlite3_int64)part->count);
    while (rc == SQLITE_OK && (rc = sqlite3_step(row)) == SQLITE_ROW) {
        part->damaged = (uint64_t)sqlite3_column_int64(row, 0);
        err = store_verify_entry(row, path, &entry, e);
        if (err != ERR_OK)
            break;
        seen++;
        rc = SQLITE_OK;
    }
    if (err == ERR_OK && rc != SQLITE_DONE)
        err = store_file_error(db, rc, "read", path, e);
    sqlite3_finalize(row);
    part->next = seen < part->count ? 0 : entry.index + 1;
    return err;
}

int store_verify_part(const char *dir, struct store_part *part, struct errbuf *e)
{
    char path[PATH_MAX];
    sqlite3 *db;
    part->damaged = 0;
    int err = open_log(dir, &db, path, e);
    if (err == ERR_OK && part->first == 0)
        err = verify_snapshot(db, path, e);
    if (err == ERR_OK)
        err = verify_entries(db, path, part, e);
    sqlite3_close(db);
    return err;
}

/* ---------------------------------------------------------------- copies */

static int sync_file(const char *path, struct errbuf *e)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int err = ERR_OK;
    if (fd < 0 || fsync(fd) != 0)
        err = err_set(e, err_from_errno(errno), "sync %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return err;
}

static int verify_file(const char *path, struct errbuf *e)
{
    struct store_state state;
    sqlite3 *db;
    int err = open_reading(path, &db, e);
    if (err == ERR_OK)
        err = store_verify_all(db, path, &state, e);
    if (err == ERR_OK && state.lost_index != 0)
        err = err_set(e, ERR_STALE,
                      "%s is being repaired from the other controllers, up to entry %lu; "
                      "take a copy of theirs",
                      path, (unsigned long)state.lost_index);
    sqlite3_close(db);
    return err;
}

int store_backup(const char *dir, const char *path, struct errbuf *e)
{
    char from[PATH_MAX];
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    if (access(path, F_OK) == 0)
        return err_set(e, ERR_EXISTS, "%s exists already", path);
    int err = open_log(dir, &db, from, e);
    if (err != ERR_OK)
        return err;
    mode_t mask = umask(0077);
    int rc = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    umask(mask);
    if (rc != SQLITE_DONE)
        err = store_file_error(db, rc, "copy", from, e);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    if (err == ERR_OK)
        err = verify_file(path, e);
    if (err == ERR_OK)
        return sync_file(path, e);
    if (rc != SQLITE_ERROR) /* that would be: somebody else has just put a file there */
        unlink(path);
    return err;
}

static int copy_file(const char *from, const char *to, struct errbuf *e)
{
    char *buffer = malloc(COPY_SIZE);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = in < 0 || out < 0 || buffer == NULL ? -1 : 1;
    while (n > 0) {
        n = read(in, buffer, COPY_SIZE);
        if (n > 0 && write(out, buffer, (size_t)n) != n)
            n = -1;
    }
    int err =
        n == 0 ? ERR_OK
               : err_set(e, err_from_errno(errno), "copy %s to %s: %s", from, to, strerror(errno));
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    free(buffer);
    return err == ERR_OK ? sync_file(to, e) : err;
}

/* It is nobody's old self any more: it gets a number of its own. */
static int make_new(const char *path, struct errbuf *e)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db,
                          "UPDATE meta SET value = 1 + (random() & 0x7ffffffffffffffe) "
                          "WHERE name = 'incarnation'",
                          NULL, NULL, NULL);
    int err = rc == SQLITE_OK ? ERR_OK : store_file_error(db, rc, "write", path, e);
    sqlite3_close(db);
    return err;
}

/* It belongs to whom the directory belongs to, as a file of the daemon's own would. */
static void give_to_owner_of(const char *dir, const char *path)
{
    struct stat st;
    if (stat(dir, &st) == 0 && geteuid() == 0 && chown(path, st.st_uid, st.st_gid) != 0)
        log_warning("store", "%s stays root's: %s", path, strerror(errno));
}

int store_restore(const char *dir, const char *path, struct errbuf *e)
{
    char to[PATH_MAX], fresh[PATH_MAX];
    int lock = -1;
    int err = verify_file(path, e);
    if (err == ERR_OK)
        err = store_file_path(to, dir, "log.db", e);
    if (err == ERR_OK)
        err = store_file_path(fresh, dir, "log.db.restored", e);
    if (err == ERR_OK)
        err = store_file_lock(dir, &lock, e);
    if (err != ERR_OK)
        return err;
    if (access(to, F_OK) == 0)
        err = err_set(e, ERR_EXISTS, "%s exists; move it away first, it is not overwritten", to);
    if (err == ERR_OK)
        err = copy_file(path, fresh, e);
    if (err == ERR_OK)
        err = make_new(fresh, e);
    if (err == ERR_OK)
        give_to_owner_of(dir, fresh);
    if (err == ERR_OK && rename(fresh, to) != 0)
        err = err_set(e, err_from_errno(errno), "rename %s: %s", fresh, strerror(errno));
    if (err != ERR_OK)
        unlink(fresh);
    close(lock);
    return err;
}

/* ---------------------------------------------------------------- a majority that is lost */

static void on_entry(void *data, const struct store_entry *entry)
{
    Ephor__Membership **members = data;
    if (entry->kind != RAFT_ENTRY_CONFIG)
        return;
    Ephor__Membership *m = ephor__membership__unpack(NULL, entry->size, entry->bytes);
    if (m == NULL)
        return;
    if (*members != NULL)
        ephor__membership__free_unpacked(*members, NULL);
    *members = m;
}

/* Those of the newest configuration entry, or else of the snapshot; NULL: it was always alone. */
static int members_of(struct store *store, Ephor__Membership **members, struct errbuf *e)
{
    struct store_snapshot snapshot;
    struct stored_snapshot stored = {0};
    *members = NULL;
    int err = store_snapshot_read(store, &snapshot, e);
    if (err != ERR_OK)
        return err;
    if (snapshot.index > 0)
        err = stored_snapshot_open(&stored, snapshot.bytes, snapshot.size, e);
    if (err == ERR_OK && stored.packed != NULL)
        *members = roster_copy(stored.packed->membership);
    stored_snapshot_close(&stored);
    free((void *)(uintptr_t)snapshot.bytes);
    if (err == ERR_OK)
        err = store_read(store, store_state(store)->first_index, READ_MAX, on_entry, members, e);
    return err;
}

static int write_alone(struct store *store, const Ephor__Membership *before, uint32_t controller,
                       const char *author, int64_t wall_ms, struct errbuf *e)
{
    const struct store_state *state = store_state(store);
    const Ephor__ClusterMember *known = roster_find(before, controller);
    Ephor__Membership m = EPHOR__MEMBERSHIP__INIT;
    Ephor__ClusterMember self = EPHOR__CLUSTER_MEMBER__INIT;
    Ephor__ClusterMember *members[1] = {&self};
    uint8_t bytes[1024];
    char text[256];
    bool is_unknown;
    if (known != NULL)
        self = *known;
    self.id = controller;
    self.kind = self.wanted = EPHOR__MEMBER_KIND__VOTER;
    m.members = members;
    m.n_members = 1;
    m.next_id = before == NULL ? controller + 1 : before->next_id;
    if (getrandom(&m.cluster, sizeof(m.cluster), 0) != (ssize_t)sizeof(m.cluster))
        return err_set(e, ERR_IO, "no random number can be had");
    if (ephor__membership__get_packed_size(&m) > sizeof(bytes))
        return err_set(e, ERR_LIMIT, "the member's entry is too long");
    struct store_entry entry = {.index = state->last_index + 1,
                                .term = state->term + TERMS_AHEAD,
                                .kind = RAFT_ENTRY_CONFIG,
                                .bytes = bytes,
                                .size = ephor__membership__pack(&m, bytes)};
    text_format(text, sizeof(text),
                "%s made this controller go on alone; of the others %zu were members", author,
                before == NULL ? 0 : before->n_members - (known != NULL));
    struct journal_row row = {.index = entry.index,
                              .term = entry.term,
                              .wall_ms = wall_ms,
                              .severity = 1,
                              .event = "recovered",
                              .object = "cluster",
                              .text = text};
    struct store_write write = {.entries = &entry,
                                .entry_count = 1,
                                .term = entry.term,
                                .voters = 1,
                                .rows = &row,
                                .row_count = 1};
    return store_write(store, &write, &is_unknown, e);
}

int store_recover(const char *dir, const char *author, int64_t wall_ms, Ephor__Membership **before,
                  struct errbuf *e)
{
    struct store *store = NULL;
    uint32_t controller;
    *before = NULL;
    int err = store_owner(dir, &controller, e);
    if (err == ERR_OK)
        err = store_open(dir, controller, false, &store, e);
    if (err == ERR_OK)
        err = members_of(store, before, e);
    if (err == ERR_OK && store_state(store)->joins && *before == NULL)
        err = err_set(e, ERR_INVALID,
                      "%s has not been given any state yet: there is nothing to "
                      "recover from it",
                      dir);
    if (err == ERR_OK)
        err = write_alone(store, *before, controller, author, wall_ms, e);
    store_close(store);
    return err;
}
