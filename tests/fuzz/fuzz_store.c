/* Any program of rounds, restarts, kills and damage, carried out on a store beside a model of what
 * it must hold. What comes back is what was written, or the damage is named; never a crash, never
 * other bytes. For libFuzzer: the input is the program, see the operations at the end. FUZZ_TELL in
 * the environment prints what happens.
 *
 * Left out, since nothing in the file tells of it: the last rows of the log, or the snapshot,
 * removed without a trace. */
#include "orchestrator/consensus/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    CONTROLLER = 7,
    INDEX_MAX = 48,
    ITEM_MAX = 9000,
    ROUND_MAX = 4,
    OPS_MAX = 48,
    TERM_MAX = 1 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An entry or a snapshot; its bytes follow from this. */
struct item {
    uint64_t term;
    uint32_t kind, size, seed;
};

struct model {
    struct store_state state;
    struct item entries[INDEX_MAX + 1], snapshot;
    uint32_t row_count; /* of the journal, numbered from 1 */
};

struct run {
    const uint8_t *bytes; /* what is left of the program */
    size_t size;
    struct store *store;
    struct model now, past[OPS_MAX]; /* since the write-ahead log was begun */
    size_t past_count;
    bool has_bad_rows; /* of log or snapshot, since it was opened */
    bool has_moved;    /* an entry is written anew at another place, which no disk does to it */
    bool has_bad_meta; /* the hard state has no checksum */
    bool has_bad_file; /* anything, the journal's rows, too */
    bool lost_commits; /* the write-ahead log ends early */
};

static char dir[64];
static struct errbuf e;
static bool has_room; /* for a write-ahead log of full size, which takes most of the time */

/* In place of the C library's. */
int fstatvfs(int fd, struct statvfs *room)
{
    (void)fd;
    *room = (struct statvfs){.f_frsize = 4096, .f_bavail = has_room ? 1 << 20 : 0};
    return 0;
}

#define need(is_true, why) need_true((is_true), #is_true, __LINE__, (why))

static void need_true(bool is_true, const char *what, int line, const char *why)
{
    if (is_true)
        return;
    fprintf(stderr, "fuzz_store.c:%d: this does not hold: %s (%s)\n", line, what, why);
    abort();
}

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *fmt, ...)
{
    va_list ap;
    if (getenv("FUZZ_TELL") == NULL)
        return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static uint32_t take(struct run *r, uint32_t limit)
{
    uint32_t value = r->size > 0 ? *r->bytes : 0;
    if (r->size > 0)
        r->bytes++, r->size--;
    return value % limit;
}

/* ---------------------------------------------------------------- reading, beside the model */

/* Until the next call for the same slot; the entries of a round and its snapshot have their own. */
static const unsigned char *bytes_of(const struct item *item, uint64_t index, size_t slot)
{
    static unsigned char bytes[ROUND_MAX + 1][ITEM_MAX];
    unsigned char *at = bytes[slot];
    for (uint32_t i = 0; i < item->size; i++)
        at[i] = (unsigned char)(item->seed + index * 31 + i * 7);
    return at;
}

struct reading {
    const struct model *model;
    uint64_t next;
    bool is_same;
};

static bool is_item(const struct item *item, uint64_t index, const void *bytes, size_t size)
{
    return size == item->size && (size == 0 || memcmp(bytes, bytes_of(item, index, 0), size) == 0);
}

static void on_entry(void *data, const struct store_entry *entry)
{
    struct reading *reading = data;
    const struct item *item = &reading->model->entries[reading->next % (INDEX_MAX + 1)];
    reading->is_same &= entry->index == reading->next && entry->term == item->term &&
                        entry->kind == item->kind &&
                        is_item(item, entry->index, entry->bytes, entry->size);
    reading->next++;
}

static void on_row(void *data, const struct journal_row *row)
{
    struct reading *reading = data;
    reading->is_same &= row->index == reading->next && row->term == row->index % 5 &&
                        strtoul(row->text, NULL, 10) == row->index;
    reading->next++;
}

/* Damage under an open store is named when it is come upon. */
static bool is_read(const struct run *r, int err)
{
    if (err == ERR_OK)
        return true;
    tell("read: %s", e.text);
    need(r->has_bad_rows || r->has_bad_file, e.text);
    need(strstr(e.text, "log.db") != NULL, e.text);
    return false;
}

static bool has_entries(const struct run *r, const struct model *m)
{
    struct reading reading = {.model = m, .next = m->state.first_index, .is_same = true};
    uint64_t term;
    if (is_read(r, store_read(r->store, m->state.first_index, INDEX_MAX, on_entry, &reading, &e)))
        reading.is_same &= reading.next == m->state.last_index + 1;
    for (uint64_t i = m->state.first_index; i <= m->state.last_index; i++)
        if (is_read(r, store_term_of(r->store, i, &term, &e)))
            reading.is_same &= term == m->entries[i].term;
    return reading.is_same;
}

static bool has_snapshot(const struct run *r, const struct model *m)
{
    struct store_snapshot got;
    bool is_same = true;
    if (is_read(r, store_snapshot_read(r->store, &got, &e))) {
        is_same = got.index == m->state.snapshot_index && got.term == m->state.snapshot_term &&
                  (got.index == 0 || is_item(&m->snapshot, got.index, got.bytes, got.size));
        free((void *)(uintptr_t)got.bytes);
    }
    return is_same;
}

static bool has_journal(const struct run *r, const struct model *m)
{
    struct reading reading = {.next = 1, .is_same = true};
    if (is_read(r, store_journal_read(r->store, 1000, on_row, &reading, &e)))
        reading.is_same &= reading.next == m->row_count + 1;
    return reading.is_same || r->has_bad_file; /* its rows have no checksum */
}

static bool has_content(const struct run *r, const struct model *m)
{
    return has_entries(r, m) && has_snapshot(r, m) && has_journal(r, m);
}

/* ---------------------------------------------------------------- the oracle */

/* May a store that was just opened say this of itself, if it was left as `m`? */
static bool is_state_of(const struct run *r, const struct model *m)
{
    const struct store_state *now = store_state(r->store), *was = &m->state;
    uint64_t size = 0;
    for (uint64_t i = was->snapshot_index + 1; i <= was->last_index; i++)
        size += m->entries[i].size;
    /* An entry that the snapshot stands for is not missed. */
    return now->first_index >= was->first_index &&
           (now->first_index == was->first_index ||
            (r->has_bad_rows && now->first_index <= was->snapshot_index + 1)) &&
           now->last_index == was->last_index && now->last_term == was->last_term &&
           now->snapshot_index == was->snapshot_index && now->snapshot_term == was->snapshot_term &&
           now->log_size_bytes == size &&
           (r->has_bad_meta || (now->lost_index == was->lost_index &&
                                now->lost_term == was->lost_term && now->voters == was->voters &&
                                now->term == was->term && now->voted_for == was->voted_for &&
                                now->joins == was->joins && now->incarnation == was->incarnation));
}

/* Whatever is opened was verified: no error comes when it is read. */
static bool is_left_as(struct run *r, const struct model *m)
{
    struct model found = *m;
    bool has_bad_rows = r->has_bad_rows;
    if (!is_state_of(r, m))
        return false;
    found.state = *store_state(r->store);
    r->has_bad_rows = false;
    bool is_same = has_content(r, &found);
    r->has_bad_rows = has_bad_rows;
    return is_same;
}

/* Repaired: a part of what was written, and the memory of how far it went. The program goes on with
 * that. False: it ends. */
static bool is_repaired(struct run *r)
{
    struct model *m = &r->now;
    need(store_open(dir, CONTROLLER, false, &r->store, &e) == ERR_OK, e.text);
    const struct store_state *now = store_state(r->store);
    if (r->has_bad_meta || r->lost_commits || r->has_moved)
        return false; /* of what it is a part is not known */
    tell("repaired: %lu to %lu are left, it had %lu", (unsigned long)now->first_index,
         (unsigned long)now->last_index, (unsigned long)now->lost_index);
    need(now->term == m->state.term && now->voted_for == m->state.voted_for, "its votes");
    need(now->snapshot_index == m->state.snapshot_index || now->snapshot_index == 0, "a snapshot");
    need(now->last_index <= m->state.last_index, "an end");
    if (now->last_index < m->state.last_index) {
        bool was_less =
            m->state.lost_index == 0 || m->state.lost_term < m->state.last_term ||
            (m->state.lost_term == m->state.last_term && m->state.lost_index < m->state.last_index);
        need(m->state.voters >= 2, "others have it");
        need(now->lost_index == (was_less ? m->state.last_index : m->state.lost_index) &&
                 now->lost_term == (was_less ? m->state.last_term : m->state.lost_term),
             "how far it went");
    }
    if (now->snapshot_index == 0)
        m->snapshot = (struct item){0};
    m->state = *now;
    r->past_count = 0;
    r->has_bad_rows = false;
    need(has_content(r, m), "a part of what was written");
    return true;
}

/* What a restart may bring: exactly what was written last; what was written before, if the newest
 * commits were damaged; or, after damage, nothing but its name. The model becomes what was found.
 * False: it is refused, the program ends. */
static bool is_opened(struct run *r, int err)
{
    bool is_damaged = r->has_bad_rows || r->has_bad_meta || r->has_bad_file || r->lost_commits;
    if (err != ERR_OK) {
        tell("open: %s", e.text);
        need(is_damaged, e.text);
        need(strstr(e.text, dir) != NULL && strstr(e.text, "log.db") != NULL, e.text);
        need(err == ERR_CORRUPT || r->has_bad_meta || r->has_bad_file, e.text);
        need(err != ERR_CORRUPT || strstr(e.text, "nothing was changed") != NULL, e.text);
        return false;
    }
    size_t i = r->past_count;
    const struct model *m = &r->now;
    while (!is_left_as(r, m)) {
        need(r->lost_commits && i > 0, "this was never written");
        m = &r->past[--i];
    }
    if (m != &r->now) {
        tell("%zu rounds are gone", r->past_count - i);
        r->now = *m;
        r->past_count = i;
    }
    r->now.state = *store_state(r->store);
    if (r->now.state.term > TERM_MAX)
        return false; /* only damage can have done that; there is no term left to write */
    r->has_bad_rows = r->lost_commits = false;
    r->has_bad_meta = r->has_bad_file;
    return true;
}

/* ---------------------------------------------------------------- a round */

static struct item make_item(struct run *r, uint64_t term)
{
    uint32_t size = take(r, 256);
    return (struct item){.term = term,
                         .kind = 1 + take(r, 4),
                         .size = size < 200 ? size : (size - 200) * 160,
                         .seed = take(r, 256)};
}

static void end_empty_log(struct store_state *s)
{
    if (s->last_index >= s->first_index)
        return;
    s->first_index = s->snapshot_index + 1;
    s->last_index = s->snapshot_index;
    s->last_term = s->snapshot_term;
}

static uint64_t term_at(const struct model *m, uint64_t index)
{
    return index == m->state.snapshot_index ? m->state.snapshot_term : m->entries[index].term;
}

/* Drop a suffix, which is never one that a snapshot stands for. */
static void plan_truncation(struct run *r, struct model *m, struct store_write *w)
{
    struct store_state *s = &m->state;
    uint64_t floor = s->first_index > s->snapshot_index ? s->first_index : s->snapshot_index + 1;
    uint64_t count = take(r, 5);
    w->truncate_from = s->last_index + 1 < floor + count ? floor : s->last_index + 1 - count;
    s->last_index = w->truncate_from - 1;
    if (s->last_index >= s->first_index)
        s->last_term = term_at(m, s->last_index);
    end_empty_log(s);
}

/* Of some entry in the log; or of one far ahead, in place of the log. */
static void plan_snapshot(struct run *r, struct model *m, struct store_write *w,
                          struct store_snapshot *snapshot)
{
    struct store_state *s = &m->state;
    bool is_install = take(r, 4) == 0 && s->last_index + 3 <= INDEX_MAX;
    if (!is_install && s->last_index == s->snapshot_index)
        return;
    uint64_t index = is_install
                         ? s->last_index + take(r, 3) + 1
                         : s->last_index - take(r, 255) % (s->last_index - s->snapshot_index);
    uint64_t term = is_install ? s->term : term_at(m, index);
    if (is_install && s->term == 0)
        return;
    m->snapshot = make_item(r, term);
    s->snapshot_index = index;
    s->snapshot_term = term;
    if (is_install) {
        w->truncate_from = 1;
        s->last_index = 0;
        end_empty_log(s);
    }
    *snapshot = (struct store_snapshot){.index = index,
                                        .term = term,
                                        .bytes = bytes_of(&m->snapshot, index, ROUND_MAX),
                                        .size = m->snapshot.size};
    w->snapshot = snapshot;
}

static void plan_entries(struct run *r, struct model *m, struct store_write *w,
                         struct store_entry *entries)
{
    struct store_state *s = &m->state;
    for (uint32_t n = take(r, ROUND_MAX + 1); n > 0 && s->last_index < INDEX_MAX && s->term > 0;
         n--) {
        uint64_t ahead = s->term - s->last_term;
        uint64_t index = ++s->last_index;
        s->last_term += take(r, 2) == 0 ? 0 : ahead;
        if (s->last_term == 0)
            s->last_term = s->term;
        m->entries[index] = make_item(r, s->last_term);
        entries[w->entry_count] =
            (struct store_entry){.index = index,
                                 .term = s->last_term,
                                 .kind = m->entries[index].kind,
                                 .bytes = bytes_of(&m->entries[index], index, w->entry_count),
                                 .size = m->entries[index].size};
        w->entry_count++;
    }
    w->entries = entries;
}

static void plan_compaction(struct run *r, struct model *m, struct store_write *w)
{
    struct store_state *s = &m->state;
    w->compact_to = s->snapshot_index - take(r, 4) % (s->snapshot_index + 1);
    if (w->compact_to < s->first_index)
        return;
    s->first_index = w->compact_to + 1;
    end_empty_log(s);
}

static void write_round(struct run *r)
{
    struct model next = r->now;
    struct store_write w = {0};
    struct store_snapshot snapshot;
    struct store_entry entries[ROUND_MAX];
    char text[16];
    bool is_unknown = true;
    uint32_t what = take(r, 256);
    if ((what & 1) != 0 || next.state.term == 0) {
        w.term = next.state.term += 1 + take(r, 3);
        w.voted_for = next.state.voted_for = take(r, 4);
    }
    if ((what & 32) != 0)
        w.voters = next.state.voters = 3;
    if ((what & 2) != 0)
        plan_truncation(r, &next, &w);
    if ((what & 4) != 0)
        plan_snapshot(r, &next, &w, &snapshot);
    if ((what & 8) == 0)
        plan_entries(r, &next, &w, entries);
    if ((what & 16) != 0)
        plan_compaction(r, &next, &w);
    snprintf(text, sizeof(text), "%u", ++next.row_count);
    struct journal_row row = {.index = next.row_count,
                              .term = next.row_count % 5,
                              .event = "event",
                              .object = "object",
                              .text = text};
    w.rows = &row;
    w.row_count = 1;
    int err = store_write(r->store, &w, &is_unknown, &e);
    tell("write: truncate %lu snapshot %lu entries %zu compact %lu term %lu: %d",
         (unsigned long)w.truncate_from, (unsigned long)(w.snapshot ? w.snapshot->index : 0),
         w.entry_count, (unsigned long)w.compact_to, (unsigned long)w.term, err);
    need(!is_unknown, "a disk that works");
    if (!is_read(r, err))
        return;
    r->past[r->past_count++] = r->now;
    next.state.log_size_bytes = r->now.state.log_size_bytes;
    if (next.state.last_term > next.state.lost_term ||
        (next.state.last_term == next.state.lost_term &&
         next.state.last_index >= next.state.lost_index))
        next.state.lost_index = next.state.lost_term = 0;
    r->now = next;
}

/* ---------------------------------------------------------------- damage */

#define ONE "(SELECT idx FROM log LIMIT 1 OFFSET ?2)"
#define OF_ANOTHER "FROM log LIMIT 1 OFFSET abs(?1)"
#define LOG(change) "UPDATE OR REPLACE log SET " change " WHERE idx = " ONE
#define SNAPSHOT(change) "UPDATE snapshot SET " change

/* What a disk gave to SQLite, ?1 and ?2 being any numbers. */
static const char *const row_damage[] = {
    LOG("bytes = substr(bytes, 1, ?2) || char(abs(?1)) || substr(bytes, ?2 + 2)"),
    LOG("bytes = zeroblob(abs(?1) * 40)"),
    LOG("bytes = substr(bytes, 2)"),
    LOG("bytes = bytes || x'00'"),
    LOG("bytes = CAST(bytes AS TEXT)"),
    LOG("idx = idx + ?1"),
    LOG("term = term + ?1"),
    LOG("kind = kind + ?1"),
    LOG("kind = kind | (1 << abs(?1 % 64))"),
    LOG("checksum = checksum + ?1"),
    LOG("checksum = (SELECT checksum " OF_ANOTHER ")"),
    LOG("(term, kind, checksum, bytes) = (SELECT term, kind, checksum, bytes " OF_ANOTHER ")"),
    "INSERT OR REPLACE INTO log SELECT idx + ?1, term, kind, checksum, bytes FROM log "
    "WHERE idx = " ONE,
    "DELETE FROM log WHERE idx = " ONE " AND idx < (SELECT max(idx) FROM log)",
    SNAPSHOT("bytes = substr(bytes, 1, ?2) || char(abs(?1)) || substr(bytes, ?2 + 2)"),
    SNAPSHOT("bytes = substr(bytes, 2)"),
    SNAPSHOT("idx = idx + ?1"),
    SNAPSHOT("term = term + ?1"),
    SNAPSHOT("checksum = checksum + ?1"),
};
static const char *const meta_damage[] = {
    "UPDATE meta SET value = value + ?1 WHERE name = (SELECT name FROM meta LIMIT 1 OFFSET ?2)",
    "DELETE FROM meta WHERE name = (SELECT name FROM meta LIMIT 1 OFFSET ?2 % 20)",
};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *path_in(const char *name)
{
    static char path[96];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

/* Beside the open store, which may come upon it later. */
static bool is_changed_by(struct run *r, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int number = (int)take(r, 256) - 128, row = (int)take(r, INDEX_MAX);
    need(sqlite3_open_v2(path_in("log.db"), &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, sql);
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    need(rc == SQLITE_OK || r->has_bad_file, sql);
    sqlite3_bind_int(statement, 1, number);
    sqlite3_bind_int(statement, 2, row);
    rc = sqlite3_step(statement);
    bool is_changed = rc == SQLITE_DONE && sqlite3_changes(db) > 0;
    tell("%s (%d, %d): %d", sql, number, row, is_changed);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return is_changed;
}

static void damage_rows(struct run *r)
{
    uint32_t which = take(r, COUNT_OF(row_damage) + COUNT_OF(meta_damage));
    if (which < COUNT_OF(row_damage)) {
        bool is_changed = is_changed_by(r, row_damage[which]);
        r->has_bad_rows |= is_changed;
        r->has_moved |= is_changed && strstr(row_damage[which], "idx + ?1") != NULL;
    } else {
        r->has_bad_meta |= is_changed_by(r, meta_damage[which - COUNT_OF(row_damage)]);
    }
}

/* A byte is another one, or the file ends there. */
static bool is_file_damaged(struct run *r, const char *name, bool is_cut)
{
    unsigned char byte;
    struct stat st;
    off_t at = (off_t)(take(r, 256) << 16 | take(r, 256) << 8);
    at += take(r, 256);
    uint8_t mask = (uint8_t)(1 + take(r, 255));
    int fd = open(path_in(name), O_RDWR | O_CLOEXEC);
    bool is_there = fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0;
    if (is_there) {
        at %= st.st_size;
        tell("%s at %ld of %s", is_cut ? "cut" : "change", (long)at, name);
        need(pread(fd, &byte, 1, at) == 1, name);
        byte ^= mask;
        need(is_cut ? ftruncate(fd, at) == 0 : pwrite(fd, &byte, 1, at) == 1, name);
    }
    if (fd >= 0)
        close(fd);
    return is_there;
}

/* ---------------------------------------------------------------- restarts */

struct copy {
    const char *name;
    void *bytes;
    size_t size;
};

static struct copy fresh; /* a new store */

static struct copy copy_file(const char *name)
{
    struct copy copy = {.name = name};
    struct stat st;
    int fd = open(path_in(name), O_RDONLY | O_CLOEXEC);
    need(fd >= 0 && fstat(fd, &st) == 0, name);
    copy.size = (size_t)st.st_size;
    copy.bytes = malloc(copy.size + 1);
    need(copy.bytes != NULL && read(fd, copy.bytes, copy.size) == st.st_size, name);
    close(fd);
    return copy;
}

static void put_back(const struct copy *copy)
{
    int fd = open(path_in(copy->name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, copy->bytes, copy->size) == (ssize_t)copy->size, copy->name);
    close(fd);
}

/* As SIGKILL would leave the files, or as closing does. */
static void end_store(struct run *r, bool is_killed)
{
    static const char *const names[2] = {"log.db", "log.db-wal"};
    struct copy copies[2];
    for (int i = 0; is_killed && i < 2; i++)
        copies[i] = copy_file(names[i]);
    store_close(r->store);
    r->store = NULL;
    for (int i = 0; is_killed && i < 2; i++) {
        put_back(&copies[i]);
        free(copies[i].bytes);
    }
    if (is_killed)
        unlink(path_in("log.db-shm"));
    else
        r->past_count = 0; /* it is all in log.db now */
}

static bool is_restarted(struct run *r, uint32_t how)
{
    bool is_killed = (how & 1) != 0;
    tell(is_killed ? "kill" : "close");
    end_store(r, is_killed);
    if ((how & 6) == 6)
        r->has_bad_file |= is_file_damaged(r, "log.db", (how & 56) == 56);
    r->has_bad_meta |= r->has_bad_file;
    if (is_killed && (how & 24) == 24)
        r->lost_commits = is_file_damaged(r, "log.db-wal", (how & 32) != 0);
    struct errbuf said = {""}, why = {""};
    int err = store_open(dir, CONTROLLER, false, &r->store, &e);
    if (err == ERR_CORRUPT && store_repair(dir, CONTROLLER, &said, &why) == ERR_OK) {
        need(strstr(said.text, "damaged") != NULL, said.text);
        return is_repaired(r);
    }
    return is_opened(r, err);
}

/* ---------------------------------------------------------------- the program */

static void clean(void)
{
    static const char *const names[] = {"log.db",     "log.db-wal", "log.db-shm",
                                        "log.db.new", "LOCK",       "log.db.damaged"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(path_in(names[i]));
}

static void close_world(void)
{
    clean();
    rmdir(dir);
    free(fresh.bytes);
}

/* To make a new store is the greater part of a short run, so it is made once. */
static void open_world(void)
{
    struct store *store;
    snprintf(dir, sizeof(dir), "%s/ephor-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    need(mkdtemp(dir) != NULL, dir);
    atexit(close_world);
    need(store_open(dir, CONTROLLER, false, &store, &e) == ERR_OK, e.text);
    store_close(store);
    fresh = copy_file("log.db");
}

/* False: it cannot be opened any more. */
static bool is_done(struct run *r)
{
    switch (take(r, 8)) {
    case 0:
        return is_restarted(r, take(r, 256));
    case 1:
        damage_rows(r);
        return true;
    case 2:
        need(has_content(r, &r->now), "as it was written");
        return true;
    default:
        write_round(r);
        return true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run r;
    memset(&r, 0, sizeof(r));
    r.bytes = data;
    r.size = size;
    has_room = size > 0 && data[size - 1] == 255;
    if (dir[0] == '\0')
        open_world();
    clean();
    put_back(&fresh);
    need(store_open(dir, CONTROLLER, false, &r.store, &e) == ERR_OK, e.text);
    r.now.state = *store_state(r.store);
    bool is_open = true;
    for (int i = 0; is_open && i < OPS_MAX && r.size > 0; i++)
        is_open = is_done(&r);
    if (is_open)
        is_restarted(&r, 0);
    store_close(r.store);
    return 0;
}
