/* Transactions on log.db, and reading it back.
 *
 * A failed commit needs care. If a frame of the write-ahead log could not be written, the round is
 * certainly not there. If all were written and only the sync failed, a restart may find them valid
 * and bring the round back. So a small transaction is made at once: its frames take the place of
 * the lost ones. If even that fails, the outcome is unknown until a later write succeeds, and
 * store_write says so rather than promise.
 *
 * Called by the engines; store_write from a worker thread. */
#include "orchestrator/consensus/store.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/store_file.h"
#include "orchestrator/consensus/store_verify.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_TRUNCATE,
    STATEMENT_APPEND,
    STATEMENT_SNAPSHOT,
    STATEMENT_COMPACT,
    STATEMENT_META,
    STATEMENT_SETTLE,
    STATEMENT_JOURNAL,
    STATEMENT_TRIM,
    STATEMENT_READ,
    STATEMENT_COUNT,
};

static const char *const statement_sql[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_TRUNCATE] = "DELETE FROM log WHERE idx >= ?1",
    [STATEMENT_APPEND] = "INSERT INTO log (idx, term, kind, checksum, bytes) "
                         "VALUES (?1, ?2, ?3, ?4, ?5)",
    [STATEMENT_SNAPSHOT] = "REPLACE INTO snapshot (id, idx, term, checksum, bytes) "
                           "VALUES (1, ?1, ?2, ?3, ?4)",
    [STATEMENT_COMPACT] = "DELETE FROM log WHERE idx <= ?1",
    [STATEMENT_META] = "UPDATE meta SET value = ?2 WHERE name = ?1",
    [STATEMENT_SETTLE] = "UPDATE meta SET value = value + 1 WHERE name = 'settled'",
    [STATEMENT_JOURNAL] = "INSERT OR IGNORE INTO journal "
                          "(idx, line, term, wall_ms, severity, event, object, text) "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STATEMENT_TRIM] = "DELETE FROM journal WHERE (idx, line) IN "
                       "(SELECT idx, line FROM journal ORDER BY idx, line LIMIT ?1)",
    [STATEMENT_READ] = "SELECT idx, term, kind, checksum, bytes FROM log WHERE idx >= ?1 "
                       "ORDER BY idx LIMIT ?2",
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct store_state state;
    int64_t journal_count;
    int lock_fd;
    char dir[PATH_MAX];
    char path[PATH_MAX];
};

static sqlite3_stmt *prepared(struct store *store, enum statement which)
{
    sqlite3_reset(store->statements[which]);
    return store->statements[which];
}

/* Step a statement without rows to its end; SQLITE_OK or an error. */
static int finish(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run(struct store *store, enum statement which)
{
    return finish(prepared(store, which));
}

static int run_with(struct store *store, enum statement which, uint64_t number)
{
    sqlite3_stmt *statement = prepared(store, which);
    int rc = sqlite3_bind_int64(statement, 1, (sqlite3_int64)number);
    return rc == SQLITE_OK ? finish(statement) : rc;
}

static int bind_bytes(sqlite3_stmt *statement, int at, const void *bytes, size_t size)
{
    /* NULL would become the SQL value NULL. */
    return sqlite3_bind_blob64(statement, at, size == 0 ? "" : bytes, size, SQLITE_STATIC);
}

static int append(struct store *store, const struct store_entry *entry)
{
    sqlite3_stmt *statement = prepared(store, STATEMENT_APPEND);
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)entry->index);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)entry->term);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)entry->kind);
    sqlite3_bind_int64(statement, 4, (sqlite3_int64)store_checksum_of_entry(entry));
    int rc = bind_bytes(statement, 5, entry->bytes, entry->size);
    if (rc == SQLITE_OK)
        rc = finish(statement);
    sqlite3_clear_bindings(statement);
    return rc;
}

static int write_snapshot(struct store *store, const struct store_snapshot *snapshot)
{
    sqlite3_stmt *statement = prepared(store, STATEMENT_SNAPSHOT);
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)snapshot->index);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)snapshot->term);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)store_checksum_of_snapshot(snapshot));
    int rc = bind_bytes(statement, 4, snapshot->bytes, snapshot->size);
    if (rc == SQLITE_OK)
        rc = finish(statement);
    sqlite3_clear_bindings(statement);
    return rc;
}

static int write_meta(struct store *store, const char *name, uint64_t value)
{
    sqlite3_stmt *statement = prepared(store, STATEMENT_META);
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)value);
    return finish(statement);
}

static int write_row(struct store *store, const struct journal_row *row, int64_t *count)
{
    sqlite3_stmt *statement = prepared(store, STATEMENT_JOURNAL);
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)row->index);
    sqlite3_bind_int64(statement, 2, row->line);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)row->term);
    sqlite3_bind_int64(statement, 4, row->wall_ms);
    sqlite3_bind_int64(statement, 5, row->severity);
    sqlite3_bind_text(statement, 6, row->event, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 7, row->object, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 8, row->text, -1, SQLITE_STATIC);
    int rc = finish(statement);
    sqlite3_clear_bindings(statement);
    if (rc == SQLITE_OK)
        *count += sqlite3_changes(store->db);
    return rc;
}

static int write_rows(struct store *store, const struct store_write *write, int64_t *count)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < write->row_count; i++)
        rc = write_row(store, &write->rows[i], count);
    if (rc == SQLITE_OK && *count > STORE_JOURNAL_MAX) {
        rc = run_with(store, STATEMENT_TRIM, (uint64_t)(*count - STORE_JOURNAL_MAX));
        *count = STORE_JOURNAL_MAX;
    }
    return rc;
}

/* What is left is known once all steps that drop or replace something are done. */
static void end_empty_log(struct store_state *next)
{
    if (next->last_index >= next->first_index)
        return;
    next->first_index = next->snapshot_index + 1;
    next->last_index = next->snapshot_index;
    next->last_term = next->snapshot_term;
}

/* The end of the log after truncation. The entry there may have been damaged since it was written,
 * so this comes before the round. */
static int truncate_state(struct store *store, uint64_t from, struct store_state *next,
                          struct errbuf *e)
{
    if (from == 0 || from > next->last_index)
        return ERR_OK;
    next->last_index = from - 1;
    if (next->last_index < next->first_index)
        return ERR_OK;
    return store_term_of(store, next->last_index, &next->last_term, e);
}

static int write_log(struct store *store, const struct store_write *write, struct store_state *next)
{
    int rc = SQLITE_OK;
    if (write->truncate_from != 0) /* also behind the end: what an unknown outcome left */
        rc = run_with(store, STATEMENT_TRUNCATE, write->truncate_from);
    if (rc == SQLITE_OK && write->snapshot != NULL) {
        rc = write_snapshot(store, write->snapshot);
        next->snapshot_index = write->snapshot->index;
        next->snapshot_term = write->snapshot->term;
    }
    end_empty_log(next);
    for (size_t i = 0; rc == SQLITE_OK && i < write->entry_count; i++) {
        PRE(write->entries[i].index == next->last_index + 1);
        PRE(write->entries[i].term >= next->last_term);
        rc = append(store, &write->entries[i]);
        next->last_index++;
        next->last_term = write->entries[i].term;
    }
    if (rc == SQLITE_OK && write->compact_to >= next->first_index) {
        PRE(write->compact_to <= next->snapshot_index);
        rc = run_with(store, STATEMENT_COMPACT, write->compact_to);
        next->first_index = write->compact_to + 1;
        end_empty_log(next);
    }
    return rc;
}

static int write_hard_state(struct store *store, struct store_state *state)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"term", state->term},           {"voted_for", state->voted_for},
        {"voters", state->voters},       {"lost_index", state->lost_index},
        {"lost_term", state->lost_term}, {"checksum", store_checksum_of_hard_state(state)},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof(rows) / sizeof(rows[0]); i++)
        rc = write_meta(store, rows[i].name, rows[i].value);
    return rc;
}

/* What damage took is back, or replaced by what was agreed since. */
static bool has_all_back(const struct store_state *state)
{
    return state->lost_index != 0 && store_log_reaches(state->last_index, state->last_term,
                                                       state->lost_index, state->lost_term);
}

static int write_all(struct store *store, const struct store_write *write, struct store_state *next,
                     int64_t *journal_count)
{
    int rc = write_log(store, write, next);
    bool is_back = has_all_back(next);
    if (write->term != 0) {
        PRE(write->term >= next->term);
        next->term = write->term;
        next->voted_for = write->voted_for;
    }
    if (write->voters != 0)
        next->voters = write->voters;
    if (is_back)
        next->lost_index = next->lost_term = 0;
    if (rc == SQLITE_OK && (write->term != 0 || write->voters != 0 || is_back))
        rc = write_hard_state(store, next);
    if (rc == SQLITE_OK && write->probes)
        rc = run(store, STATEMENT_SETTLE);
    PRE(next->last_term <= next->term);
    return rc == SQLITE_OK ? write_rows(store, write, journal_count) : rc;
}

static bool is_rolled_back(struct store *store)
{
    return sqlite3_get_autocommit(store->db) != 0 || run(store, STATEMENT_ROLLBACK) == SQLITE_OK;
}

/* Only a frame that could not be written proves that the commit is not in the file. */
static bool is_certainly_absent(int rc)
{
    return rc == SQLITE_FULL || rc == SQLITE_IOERR_WRITE;
}

static bool is_settled(struct store *store)
{
    if (!is_rolled_back(store))
        return false;
    if (run(store, STATEMENT_BEGIN) == SQLITE_OK && run(store, STATEMENT_SETTLE) == SQLITE_OK &&
        run(store, STATEMENT_COMMIT) == SQLITE_OK)
        return true;
    is_rolled_back(store);
    return false;
}

int store_write(struct store *store, const struct store_write *write, bool *is_unknown,
                struct errbuf *e)
{
    struct store_state next = store->state;
    int64_t journal_count = store->journal_count;
    bool is_committing = false;
    *is_unknown = false;
    int rc = is_rolled_back(store) ? SQLITE_OK : SQLITE_BUSY;
    int err = rc == SQLITE_OK ? truncate_state(store, write->truncate_from, &next, e) : ERR_OK;
    if (err != ERR_OK)
        return err;
    if (rc == SQLITE_OK)
        rc = run(store, STATEMENT_BEGIN);
    if (rc == SQLITE_OK)
        rc = write_all(store, write, &next, &journal_count);
    if (rc == SQLITE_OK) {
        is_committing = true;
        rc = run(store, STATEMENT_COMMIT);
    }
    if (rc == SQLITE_OK) {
        store->state = next;
        store->journal_count = journal_count;
        return ERR_OK;
    }
    err = store_file_error(store->db, rc, "write", store->path, e);
    is_rolled_back(store);
    if (is_committing && !is_certainly_absent(rc))
        *is_unknown = !is_settled(store);
    return err;
}

const struct store_state *store_state(const struct store *store)
{
    return &store->state;
}

int store_check_room(struct store *store, struct errbuf *e)
{
    int err = store_file_check_room(store->dir, e);
    if (err == 0)
        return ERR_OK;
    /* The write-ahead log still has the size to which the failed round made it grow. */
    sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return store_file_check_room(store->dir, e);
}

static int say_missing(const struct store *store, uint64_t index, struct errbuf *e)
{
    return err_set(e, ERR_CORRUPT, "entry %lu is missing in %s: " STORE_DAMAGE_ADVICE,
                   (unsigned long)index, store->path);
}

int store_read(struct store *store, uint64_t first, uint64_t count, store_entry_cb *cb, void *data,
               struct errbuf *e)
{
    sqlite3_stmt *row = prepared(store, STATEMENT_READ);
    struct store_entry entry;
    int err = ERR_OK;
    uint64_t want = first;
    sqlite3_bind_int64(row, 1, (sqlite3_int64)first);
    sqlite3_bind_int64(row, 2, (sqlite3_int64)count);
    int rc = sqlite3_step(row);
    for (; err == 0 && rc == SQLITE_ROW; rc = sqlite3_step(row), want++) {
        err = store_verify_entry(row, store->path, &entry, e);
        if (err == 0 && entry.index != want)
            err = say_missing(store, want, e);
        if (err != 0)
            break;
        cb(data, &entry);
    }
    if (err == 0 && rc != SQLITE_DONE)
        err = store_file_error(store->db, rc, "read", store->path, e);
    if (err == 0 && want <= store->state.last_index && want - first < count)
        err = say_missing(store, want, e);
    sqlite3_reset(row);
    return err;
}

int store_term_of(struct store *store, uint64_t index, uint64_t *term, struct errbuf *e)
{
    sqlite3_stmt *row = prepared(store, STATEMENT_READ);
    struct store_entry entry = {0};
    int err = ERR_OK;
    if (index == store->state.snapshot_index) {
        *term = store->state.snapshot_term;
        return ERR_OK;
    }
    sqlite3_bind_int64(row, 1, (sqlite3_int64)index);
    sqlite3_bind_int64(row, 2, 1);
    int rc = sqlite3_step(row);
    if (rc == SQLITE_ROW)
        err = store_verify_entry(row, store->path, &entry, e);
    else if (rc != SQLITE_DONE)
        err = store_file_error(store->db, rc, "read", store->path, e);
    if (err == ERR_OK && (rc == SQLITE_DONE || entry.index != index))
        err =
            err_set(e, ERR_NOT_FOUND, "entry %lu is not in %s", (unsigned long)index, store->path);
    else if (err == ERR_OK)
        *term = entry.term;
    sqlite3_reset(row);
    return err;
}

int store_snapshot_read(struct store *store, struct store_snapshot *snapshot, struct errbuf *e)
{
    sqlite3_stmt *row = NULL;
    int err = ERR_OK;
    *snapshot = (struct store_snapshot){0};
    int rc = sqlite3_prepare_v2(store->db, "SELECT idx, term, checksum, bytes FROM snapshot", -1,
                                &row, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(row);
    if (rc == SQLITE_ROW) {
        err = store_verify_snapshot(row, store->path, snapshot, e);
        void *copy = err == 0 ? malloc(snapshot->size + 1) : NULL;
        if (err == 0 && copy == NULL)
            err = err_set(e, ERR_NOMEM, "read %s: out of memory", store->path);
        if (err == 0 && snapshot->size > 0)
            memcpy(copy, snapshot->bytes, snapshot->size);
        snapshot->bytes = copy;
    } else if (rc != SQLITE_DONE) {
        err = store_file_error(store->db, rc, "read", store->path, e);
    }
    sqlite3_finalize(row);
    return err;
}

static struct journal_row row_of(sqlite3_stmt *statement)
{
    return (struct journal_row){
        .index = (uint64_t)sqlite3_column_int64(statement, 0),
        .line = (uint32_t)sqlite3_column_int64(statement, 1),
        .term = (uint64_t)sqlite3_column_int64(statement, 2),
        .wall_ms = sqlite3_column_int64(statement, 3),
        .severity = (uint32_t)sqlite3_column_int64(statement, 4),
        .event = (const char *)sqlite3_column_text(statement, 5),
        .object = (const char *)sqlite3_column_text(statement, 6),
        .text = (const char *)sqlite3_column_text(statement, 7),
    };
}

/* A connection of its own: reading never waits for a write that a slow disk holds up. */
int store_journal_read(const struct store *store, uint32_t count, engine_journal_cb *cb, void *data,
                       struct errbuf *e)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_open_v2(store->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db,
                                "SELECT * FROM (SELECT idx, line, term, wall_ms, severity, event, "
                                "object, text FROM journal ORDER BY idx DESC, line DESC LIMIT ?1) "
                                "ORDER BY idx, line",
                                -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 1, count);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_row row = row_of(statement);
        if (row.event != NULL && row.object != NULL && row.text != NULL)
            cb(data, &row);
        rc = SQLITE_OK;
    }
    int err = rc == SQLITE_DONE || rc == SQLITE_OK
                  ? ERR_OK
                  : store_file_error(db, rc, "read", store->path, e);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return err;
}

static int prepare_all(struct store *store, struct errbuf *e)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        int rc = sqlite3_prepare_v3(store->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &store->statements[i], NULL);
        if (rc != SQLITE_OK)
            return store_file_error(store->db, rc, "open", store->path, e);
    }
    return ERR_OK;
}

/* A new file, or one of the first version. */
static int complete_checksum(struct store *store, struct errbuf *e)
{
    int64_t sum = 0;
    int err = store_file_number(store->db, "SELECT value FROM meta WHERE name = 'checksum'", &sum,
                                store->path, e);
    if (err != 0 || sum != 0)
        return err;
    int rc = write_meta(store, "checksum", store_checksum_of_hard_state(&store->state));
    return rc == SQLITE_OK ? ERR_OK : store_file_error(store->db, rc, "open", store->path, e);
}

int store_open(const char *dir, uint32_t controller, bool joins, struct store **result,
               struct errbuf *e)
{
    struct store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return err_set(e, ERR_NOMEM, "open %s: out of memory", dir);
    store->lock_fd = -1;
    int err = store_file_path(store->path, dir, "log.db", e);
    text_copy(store->dir, sizeof(store->dir), dir);
    if (err == 0)
        err = store_file_lock(dir, &store->lock_fd, e);
    if (err == 0)
        err = store_file_open(dir, controller, joins, &store->db, e);
    if (err == 0)
        err = store_verify_all(store->db, store->path, &store->state, e);
    if (err == 0)
        err = store_file_number(store->db, "SELECT count(*) FROM journal", &store->journal_count,
                                store->path, e);
    if (err == 0)
        err = prepare_all(store, e);
    if (err == 0)
        err = complete_checksum(store, e);
    if (err != 0)
        store_close(store);
    else
        *result = store;
    return err;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    free(store);
}
