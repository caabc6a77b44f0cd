/* For the tests of the store: one on real files in a directory of its own. A crash is played by
 * opening a copy of the files of a store that is still open: that is what a restart would find. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "orchestrator/consensus/store.h"
#include "tests/tools/engine_disk_faults.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char copy[80];
static struct errbuf e;

static inline void remove_dir(const char *path)
{
    static const char *const names[] = {"log.db", "log.db-wal",     "log.db-shm",    "log.db.new",
                                        "LOCK",   "log.db-journal", "log.db.damaged"};
    char file[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        unlink(file);
    }
    rmdir(path);
}

static inline void set_up(void)
{
    snprintf(dir, sizeof(dir), P_tmpdir "/ephor-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(copy, sizeof(copy), "%s-copy", dir);
    e.text[0] = '\0';
}

static inline void tear_down(void)
{
    disk_fault_set(DISK_WORKS);
    remove_dir(dir);
    remove_dir(copy);
}

static inline const char *file_in(const char *where, const char *name)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", where, name);
    return path[turn];
}

static inline void copy_file(const char *name)
{
    char bytes[65536];
    FILE *from = fopen(file_in(dir, name), "r");
    if (from == NULL)
        return;
    FILE *to = fopen(file_in(copy, name), "w");
    ck_assert_ptr_nonnull(to);
    for (size_t n = fread(bytes, 1, sizeof(bytes), from); n > 0;
         n = fread(bytes, 1, sizeof(bytes), from))
        ck_assert_uint_eq(fwrite(bytes, 1, n, to), n);
    fclose(from);
    fclose(to);
}

static inline struct store *open_in(const char *where)
{
    struct store *store = NULL;
    int err = store_open(where, 7, false, &store, &e);
    ck_assert_msg(err == 0, "store_open: %s", e.text);
    return store;
}

static inline void copy_after_crash(void)
{
    remove_dir(copy);
    ck_assert_int_eq(mkdir(copy, 0750), 0);
    copy_file("log.db");
    copy_file("log.db-wal");
}

static inline struct store *open_after_crash(void)
{
    copy_after_crash();
    return open_in(copy);
}

static inline void expect_refusal(const char *where, int err, const char *part, const char *more)
{
    struct store *store = NULL;
    ck_assert_int_eq(store_open(where, 7, false, &store, &e), err);
    ck_assert_msg(strstr(e.text, part) != NULL, "'%s' is not in: %s", part, e.text);
    ck_assert_msg(strstr(e.text, more) != NULL, "'%s' is not in: %s", more, e.text);
}

static inline int write_it(struct store *store, const struct store_write *write)
{
    bool is_unknown = true;
    int err = store_write(store, write, &is_unknown, &e);
    ck_assert(!is_unknown);
    return err;
}

/* Entries first..last of one term, entry N being the text "entry N". */
static inline int append_and(struct store *store, uint64_t first, uint64_t last, uint64_t term,
                             struct store_write write)
{
    static struct store_entry entries[512];
    static char texts[512][32];
    size_t count = 0;
    for (uint64_t i = first; i <= last; i++, count++) {
        snprintf(texts[count], sizeof(texts[count]), "entry %lu", (unsigned long)i);
        entries[count] = (struct store_entry){.index = i,
                                              .term = term,
                                              .kind = STORE_KIND_DATA,
                                              .bytes = texts[count],
                                              .size = strlen(texts[count])};
    }
    write.entries = entries;
    write.entry_count = count;
    if (term > store_state(store)->term)
        write.term = term;
    return write_it(store, &write);
}

static inline void append(struct store *store, uint64_t first, uint64_t last, uint64_t term)
{
    int err = append_and(store, first, last, term, (struct store_write){0});
    ck_assert_msg(err == 0, "append: %s", e.text);
}

static inline void on_entry(void *data, const struct store_entry *entry)
{
    char text[32];
    uint64_t *next = data;
    snprintf(text, sizeof(text), "entry %lu", (unsigned long)*next);
    ck_assert_uint_eq(entry->index, *next);
    ck_assert_uint_eq(entry->kind, STORE_KIND_DATA);
    ck_assert_uint_eq(entry->size, strlen(text));
    ck_assert_mem_eq(entry->bytes, text, entry->size);
    (*next)++;
}

static inline void expect_log(struct store *store, uint64_t first, uint64_t last)
{
    uint64_t next = first;
    ck_assert_uint_eq(store_state(store)->first_index, first);
    ck_assert_uint_eq(store_state(store)->last_index, last);
    int err = store_read(store, first, 1000, on_entry, &next, &e);
    ck_assert_msg(err == 0, "store_read: %s", e.text);
    ck_assert_uint_eq(next, last + 1);
}

static inline void change_file(const char *sql)
{
    sqlite3 *db = NULL;
    char *text = NULL;
    ck_assert_int_eq(sqlite3_open(file_in(dir, "log.db"), &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, &text);
    ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, text);
    sqlite3_close(db);
}

static inline void fill_and_close(void)
{
    struct store *store = open_in(dir);
    append(store, 1, 10, 3);
    append(store, 11, 20, 4);
    store_close(store);
}

#endif
