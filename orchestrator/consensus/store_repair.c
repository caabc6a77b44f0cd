/* What may be done without, because others have it, and what must be remembered of it. Only rows
 * of the log and the snapshot are given up; a file that SQLite cannot read, a hard state that is
 * not right and a last entry that cannot be trusted stay damage. */
#include "orchestrator/consensus/store.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/store_file.h"
#include "orchestrator/consensus/store_verify.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <unistd.h>

enum { NOTHING = -1 };

struct repair {
    sqlite3 *db;
    char path[PATH_MAX];
    struct store_state state; /* up to the damage */
    struct store_entry last;
    int64_t from; /* entries from here on go; 0: the snapshot, too; NOTHING: they are not missed */
};

static int execute(const struct repair *repair, const char *sql, struct errbuf *e)
{
    int rc = sqlite3_exec(repair->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : store_file_error(repair->db, rc, "repair", repair->path, e);
}

/* Entries that the snapshot has, too, are kept for others only. */
static int drop_those_before_the_snapshot(struct repair *repair, struct errbuf *e)
{
    struct store_state *state = &repair->state;
    char sql[96];
    text_format(sql, sizeof(sql), "DELETE FROM log WHERE idx <= %" PRIu64, state->snapshot_index);
    int err = execute(repair, sql, e);
    state->first_index = state->last_index = state->last_term = state->log_size_bytes = 0;
    return err == ERR_OK ? store_verify_the_log(repair->db, repair->path, state, e) : err;
}

/* ERR_CORRUPT and where it begins; ERR_OK: nothing is left of it. */
static int find_damage(struct repair *repair, struct errbuf *said)
{
    struct store_state *state = &repair->state;
    struct errbuf e;
    repair->from = 0;
    int err = store_verify_the_snapshot(repair->db, repair->path, state, said);
    if (err != ERR_OK)
        return err;
    err = store_verify_the_log(repair->db, repair->path, state, said);
    if (err == ERR_OK)
        return err_set(said, ERR_NOT_FOUND, "no damage is found in %s any more", repair->path);
    if (err == ERR_CORRUPT && state->last_index < state->snapshot_index)
        err = drop_those_before_the_snapshot(repair, &e);
    repair->from = NOTHING;
    if (err == ERR_CORRUPT)
        repair->from =
            1 + (int64_t)(state->first_index == 0 ? state->snapshot_index : state->last_index);
    return err;
}

/* What this log ended with is what its controller acknowledged. */
static int read_last(struct repair *repair, struct errbuf *e)
{
    sqlite3_stmt *row = NULL;
    int err = ERR_OK;
    int rc = sqlite3_prepare_v2(repair->db,
                                "SELECT idx, term, kind, checksum, bytes FROM log "
                                "ORDER BY idx DESC LIMIT 1",
                                -1, &row, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(row);
    if (rc == SQLITE_ROW)
        err = store_verify_entry(row, repair->path, &repair->last, e);
    else if (rc == SQLITE_DONE)
        err = err_set(e, ERR_CORRUPT, "nothing in %s tells how far its log went", repair->path);
    else
        err = store_file_error(repair->db, rc, "read", repair->path, e);
    sqlite3_finalize(row);
    return err;
}

static void keep_copy(const struct repair *repair, const char *dir)
{
    char copy[PATH_MAX];
    struct errbuf e;
    if (store_file_path(copy, dir, "log.db.damaged", &e) != ERR_OK || access(copy, F_OK) == 0)
        return; /* the first one tells most */
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", copy);
    if (sql == NULL || sqlite3_exec(repair->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        log_warning("storage", "no copy of the damaged file is kept as %s: %s", copy,
                    sqlite3_errmsg(repair->db));
    sqlite3_free(sql);
}

/* The last entry that was ever acknowledged, also before other damage that is not repaired yet. */
static void remember(struct repair *repair)
{
    struct store_state *state = &repair->state;
    const struct store_entry *last = &repair->last;
    if (store_log_reaches(state->lost_index, state->lost_term, last->index, last->term))
        return;
    state->lost_index = last->index;
    state->lost_term = last->term;
}

static int cut(struct repair *repair, struct errbuf *e)
{
    char sql[512];
    if (repair->state.voters < 2)
        return err_set(e, ERR_CORRUPT, "no other controller has what is damaged in %s",
                       repair->path);
    remember(repair);
    text_format(sql, sizeof(sql),
                "DELETE FROM log WHERE idx >= %" PRId64 " OR idx < 1; %s"
                "UPDATE meta SET value = %" PRIu64 " WHERE name = 'lost_index'; "
                "UPDATE meta SET value = %" PRIu64 " WHERE name = 'lost_term'; "
                "UPDATE meta SET value = %" PRId64 " WHERE name = 'checksum'",
                repair->from,
                repair->from > 0 ? ""
                                 : "DELETE FROM snapshot; "
                                   "UPDATE meta SET value = 1 WHERE name = 'joins'; ",
                repair->state.lost_index, repair->state.lost_term,
                (int64_t)store_checksum_of_hard_state(&repair->state));
    return execute(repair, sql, e);
}

static int repair_within(struct repair *repair, struct errbuf *said, struct errbuf *e)
{
    int err = find_damage(repair, said);
    if (err == ERR_CORRUPT)
        err = cut(repair, e);
    else if (err != ERR_OK)
        err = err_set(e, err, "%s", said->text);
    if (err != ERR_OK)
        return err;
    if (repair->from == NOTHING)
        err_set(said, ERR_OK,
                "entries in %s that its snapshot has, too, were damaged: they are dropped",
                repair->path);
    else
        err_set(said, ERR_OK,
                "%s is damaged in %s: %s %lu is fetched again from the other controllers",
                repair->from == 0 ? "the snapshot" : "an entry", repair->path,
                repair->from == 0 ? "it, and what follows up to entry" : "what follows up to entry",
                (unsigned long)repair->last.index);
    return execute(repair, "COMMIT", e);
}

static int repair_all(struct repair *repair, const char *dir, struct errbuf *said, struct errbuf *e)
{
    int err = store_verify_the_hard_state(repair->db, repair->path, &repair->state, e);
    if (err == ERR_OK)
        err = read_last(repair, e);
    if (err == ERR_OK && repair->last.term > repair->state.term)
        err = err_set(e, ERR_CORRUPT, "the hard state in %s is older than its log", repair->path);
    if (err != ERR_OK)
        return err;
    keep_copy(repair, dir);
    err = execute(repair, "BEGIN IMMEDIATE", e);
    if (err == ERR_OK)
        err = repair_within(repair, said, e);
    if (sqlite3_get_autocommit(repair->db) == 0)
        sqlite3_exec(repair->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

int store_repair(const char *dir, uint32_t controller, struct errbuf *said, struct errbuf *e)
{
    struct repair repair = {0};
    int lock = -1;
    int err = store_file_path(repair.path, dir, "log.db", e);
    if (err == ERR_OK)
        err = store_file_lock(dir, &lock, e);
    if (err == ERR_OK)
        err = store_file_open(dir, controller, false, &repair.db, e);
    if (err == ERR_OK)
        err = repair_all(&repair, dir, said, e);
    sqlite3_close(repair.db);
    if (lock >= 0)
        close(lock);
    return err;
}
