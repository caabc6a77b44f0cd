/* Verification of what SQLite gives back. SQLite has no checksums of its own: a flipped bit within
 * a row would be read as data.
 *
 * What must hold: every entry and the snapshot have their checksum; indices without a gap, from 1
 * or from no later than behind the snapshot; terms never decreasing and never above the hard
 * state's; the entry at the snapshot's index has the snapshot's term. The first thing that does
 * not hold is named. Nothing is repaired here. Called by store.c, store_repair.c and
 * store_tools.c. */
#include "orchestrator/consensus/store_verify.h"

#include "orchestrator/consensus/store_file.h"

#include <xxhash.h>

/* The header is hashed first and is the seed for the bytes: one pass, no copy. */
static uint64_t checksum(uint64_t index, uint64_t term, uint64_t kind, const void *bytes,
                         size_t size)
{
    const uint64_t words[3] = {index, term, kind};
    unsigned char header[sizeof(words)];
    for (size_t i = 0; i < sizeof(header); i++)
        header[i] = (unsigned char)(words[i / 8] >> (8 * (i % 8)) & 0xff);
    return XXH3_64bits_withSeed(size == 0 ? header : bytes, size,
                                XXH3_64bits(header, sizeof(header)));
}

uint64_t store_checksum_of_entry(const struct store_entry *entry)
{
    return checksum(entry->index, entry->term, entry->kind, entry->bytes, entry->size);
}

uint64_t store_checksum_of_snapshot(const struct store_snapshot *snapshot)
{
    return checksum(snapshot->index, snapshot->term, 0, snapshot->bytes, snapshot->size);
}

bool store_log_reaches(uint64_t index, uint64_t term, uint64_t than_index, uint64_t than_term)
{
    return term > than_term || (term == than_term && index >= than_index);
}

/* Never 0, which a file of the first version has. */
uint64_t store_checksum_of_hard_state(const struct store_state *state)
{
    uint64_t sum = checksum(state->term, state->voted_for, state->voters, NULL, 0);
    return checksum(state->lost_index, state->lost_term, sum, NULL, 0) | 1;
}

int store_verify_entry(sqlite3_stmt *row, const char *path, struct store_entry *entry,
                       struct errbuf *e)
{
    entry->index = (uint64_t)sqlite3_column_int64(row, 0);
    entry->term = (uint64_t)sqlite3_column_int64(row, 1);
    entry->kind = (uint32_t)sqlite3_column_int64(row, 2);
    entry->bytes = sqlite3_column_blob(row, 4);
    entry->size = (size_t)sqlite3_column_bytes(row, 4);
    if ((uint64_t)sqlite3_column_int64(row, 3) == store_checksum_of_entry(entry))
        return ERR_OK;
    return err_set(e, ERR_CORRUPT,
                   "entry %lu in %s is damaged (wrong checksum): " STORE_DAMAGE_ADVICE,
                   (unsigned long)entry->index, path);
}

int store_verify_snapshot(sqlite3_stmt *row, const char *path, struct store_snapshot *snapshot,
                          struct errbuf *e)
{
    snapshot->index = (uint64_t)sqlite3_column_int64(row, 0);
    snapshot->term = (uint64_t)sqlite3_column_int64(row, 1);
    snapshot->bytes = sqlite3_column_blob(row, 3);
    snapshot->size = (size_t)sqlite3_column_bytes(row, 3);
    if ((uint64_t)sqlite3_column_int64(row, 2) == store_checksum_of_snapshot(snapshot))
        return ERR_OK;
    return err_set(
        e, ERR_CORRUPT,
        "the snapshot at entry %lu in %s is damaged (wrong checksum): " STORE_DAMAGE_ADVICE,
        (unsigned long)snapshot->index, path);
}

static int verify_place(const struct store_state *state, const struct store_entry *entry,
                        const char *path, struct errbuf *e)
{
    bool is_first = state->first_index == 0;
    uint64_t want = is_first ? state->snapshot_index + 1 : state->last_index + 1;
    if (is_first ? entry->index > want || entry->index == 0 : entry->index != want)
        return err_set(e, ERR_CORRUPT,
                       "entry %lu is missing in %s (the next one is %lu): " STORE_DAMAGE_ADVICE,
                       (unsigned long)want, path, (unsigned long)entry->index);
    if (!is_first && entry->term < state->last_term)
        return err_set(
            e, ERR_CORRUPT,
            "entry %lu in %s has term %lu, behind one with term %lu: " STORE_DAMAGE_ADVICE,
            (unsigned long)entry->index, path, (unsigned long)entry->term,
            (unsigned long)state->last_term);
    if (entry->index == state->snapshot_index && entry->term != state->snapshot_term)
        return err_set(
            e, ERR_CORRUPT,
            "entry %lu in %s has term %lu, but the snapshot says %lu: " STORE_DAMAGE_ADVICE,
            (unsigned long)entry->index, path, (unsigned long)entry->term,
            (unsigned long)state->snapshot_term);
    if (entry->index > state->snapshot_index && entry->term < state->snapshot_term)
        return err_set(
            e, ERR_CORRUPT,
            "entry %lu in %s has term %lu, behind a snapshot with %lu: " STORE_DAMAGE_ADVICE,
            (unsigned long)entry->index, path, (unsigned long)entry->term,
            (unsigned long)state->snapshot_term);
    return ERR_OK;
}

static int verify_entries(sqlite3 *db, const char *path, struct store_state *state,
                          struct errbuf *e)
{
    sqlite3_stmt *row = NULL;
    struct store_entry entry;
    int err = ERR_OK;
    int rc = sqlite3_prepare_v2(db, "SELECT idx, term, kind, checksum, bytes FROM log ORDER BY idx",
                                -1, &row, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(row);
        if (rc != SQLITE_ROW)
            break;
        err = store_verify_entry(row, path, &entry, e);
        if (err == 0)
            err = verify_place(state, &entry, path, e);
        if (err != 0)
            break;
        if (state->first_index == 0)
            state->first_index = entry.index;
        state->last_index = entry.index;
        state->last_term = entry.term;
        if (entry.index > state->snapshot_index)
            state->log_size_bytes += entry.size;
    }
    if (err == 0 && rc != SQLITE_DONE)
        err = store_file_error(db, rc, "read", path, e);
    sqlite3_finalize(row);
    return err;
}

int store_verify_the_log(sqlite3 *db, const char *path, struct store_state *state, struct errbuf *e)
{
    int err = verify_entries(db, path, state, e);
    if (err != 0)
        return err;
    if (state->first_index == 0) {
        state->first_index = state->snapshot_index + 1;
        state->last_index = state->snapshot_index;
        state->last_term = state->snapshot_term;
    }
    if (state->last_index < state->snapshot_index)
        return err_set(e, ERR_CORRUPT,
                       "entry %lu is missing in %s (the snapshot has it): " STORE_DAMAGE_ADVICE,
                       (unsigned long)state->last_index + 1, path);
    if (state->last_term > state->term)
        return err_set(
            e, ERR_CORRUPT,
            "entry %lu in %s has term %lu, above the hard state's %lu: " STORE_DAMAGE_ADVICE,
            (unsigned long)state->last_index, path, (unsigned long)state->last_term,
            (unsigned long)state->term);
    return ERR_OK;
}

int store_verify_the_snapshot(sqlite3 *db, const char *path, struct store_state *state,
                              struct errbuf *e)
{
    sqlite3_stmt *row = NULL;
    struct store_snapshot snapshot;
    int err = ERR_OK;
    int rc =
        sqlite3_prepare_v2(db, "SELECT idx, term, checksum, bytes FROM snapshot", -1, &row, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(row);
    if (rc == SQLITE_ROW) {
        err = store_verify_snapshot(row, path, &snapshot, e);
        if (err == 0 && snapshot.index == 0)
            err = err_set(e, ERR_CORRUPT, "the snapshot in %s has no index: " STORE_DAMAGE_ADVICE,
                          path);
        state->snapshot_index = snapshot.index;
        state->snapshot_term = snapshot.term;
    } else if (rc != SQLITE_DONE) {
        err = store_file_error(db, rc, "read", path, e);
    }
    sqlite3_finalize(row);
    return err;
}

int store_verify_the_hard_state(sqlite3 *db, const char *path, struct store_state *state,
                                struct errbuf *e)
{
    enum { TERM, VOTED_FOR, JOINS, INCARNATION, VOTERS, LOST_INDEX, LOST_TERM, CHECKSUM, COUNT };
    static const char *const statements[COUNT] = {
        "SELECT value FROM meta WHERE name = 'term'",
        "SELECT value FROM meta WHERE name = 'voted_for'",
        "SELECT value FROM meta WHERE name = 'joins'",
        "SELECT value FROM meta WHERE name = 'incarnation'",
        "SELECT value FROM meta WHERE name = 'voters'",
        "SELECT value FROM meta WHERE name = 'lost_index'",
        "SELECT value FROM meta WHERE name = 'lost_term'",
        "SELECT value FROM meta WHERE name = 'checksum'",
    };
    int64_t values[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        int err = store_file_number(db, statements[i], &values[i], path, e);
        if (err == ERR_NOT_FOUND && i >= VOTERS)
            continue; /* a copy of a file of the first version */
        if (err == ERR_NOT_FOUND)
            return err_set(e, ERR_CORRUPT, "%s has no hard state: " STORE_DAMAGE_ADVICE, path);
        if (err != 0)
            return err;
    }
    state->term = (uint64_t)values[TERM];
    state->voted_for = (uint32_t)values[VOTED_FOR];
    state->voters = (uint32_t)values[VOTERS];
    state->lost_index = (uint64_t)values[LOST_INDEX];
    state->lost_term = (uint64_t)values[LOST_TERM];
    state->joins = values[JOINS] != 0;
    state->incarnation = (uint64_t)values[INCARNATION];
    if (values[CHECKSUM] != 0 && (uint64_t)values[CHECKSUM] != store_checksum_of_hard_state(state))
        return err_set(e, ERR_CORRUPT,
                       "the hard state in %s is damaged (wrong checksum): " STORE_DAMAGE_ADVICE,
                       path);
    return ERR_OK;
}

int store_verify_all(sqlite3 *db, const char *path, struct store_state *state, struct errbuf *e)
{
    *state = (struct store_state){0};
    int err = store_verify_the_hard_state(db, path, state, e);
    if (err == 0)
        err = store_verify_the_snapshot(db, path, state, e);
    if (err == 0)
        err = store_verify_the_log(db, path, state, e);
    return err;
}
