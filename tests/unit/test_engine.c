/* The engine of a quorum of one on real files and a real loop: order of callbacks, recovery, kill,
 * failing and full disks, the journal. Nothing here waits for a fixed time: a test runs the loop
 * until a condition holds, with a deadline. */
#include "orchestrator/consensus/engine.h"

#include "orchestrator/consensus/store.h"
#include "orchestrator/consensus/store_tools.h"
#include "orchestrator/sys/now.h"
#include "tests/tools/engine_disk_faults.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000, TRACE_SIZE = 1 << 20 };

struct world {
    struct loop *loop;
    struct timer *timer;
    struct engine *engine;
    int64_t until_ms;
    uint64_t want;
    uint64_t *counter;
    bool is_late;
    uint64_t leading, not_leading, broken, repaired, entries, answered, failed, snapshots;
    int storage_err;
    int last_err;
    int last_failure;
    uint64_t term;
    uint64_t last_index;
    uint64_t applied_size;
    bool journals;  /* on_entry tells a row */
    bool is_inside; /* a call of the interface is under way */
    size_t trace_size;
    char storage_text[ERR_TEXT_SIZE + 64];
    char trace[TRACE_SIZE]; /* what was called back, in order */
};

static char dir[64];
static struct world world;
static struct errbuf e;

static void trace(const char *what, uint64_t number, const void *bytes, size_t size)
{
    size_t left = sizeof(world.trace) - world.trace_size;
    int n = snprintf(world.trace + world.trace_size, left, "%s%lu%s%.*s ", what,
                     (unsigned long)number, size == 0 ? "" : "=", size > 32 ? 32 : (int)size,
                     size == 0 ? "" : (const char *)bytes);
    if (n > 0 && (size_t)n < left)
        world.trace_size += (size_t)n;
    ck_assert(!world.is_inside);
}

static void on_snapshot(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    ck_assert_ptr_eq(data, &world);
    ck_assert_uint_gt(term, 0);
    world.snapshots++;
    world.last_index = index;
    trace("snapshot", index, bytes, size);
}

static void on_entry(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    ck_assert_ptr_eq(data, &world);
    ck_assert_uint_gt(term, 0);
    ck_assert_uint_gt(index, world.last_index);
    world.entries++;
    world.last_index = index;
    world.applied_size += size;
    trace("entry", index, bytes, size);
    if (world.journals)
        engine_journal(
            world.engine,
            &(struct journal_row){
                .index = index, .term = term, .event = "entry", .object = "web", .text = "seen"});
}

static void on_leadership(void *data, bool is_leader, uint64_t term)
{
    ck_assert_ptr_eq(data, &world);
    world.term = term;
    if (is_leader)
        world.leading++;
    else
        world.not_leading++;
    trace(is_leader ? "lead" : "down", term, NULL, 0);
    if (is_leader)
        ck_assert_int_ne(engine_fresh_since(world.engine), 0);
}

static void on_storage(void *data, int err, const char *text)
{
    ck_assert_ptr_eq(data, &world);
    world.storage_err = err;
    if (err == 0)
        world.repaired++;
    else
        world.broken++;
    snprintf(world.storage_text, sizeof(world.storage_text), "%s", text);
    trace(err == 0 ? "storage" : "broken", (uint64_t)-err, NULL, 0);
}

static const struct engine_callbacks callbacks = {on_snapshot, on_entry, on_leadership,
                                                  on_storage,  NULL,     NULL};

static void on_answer(void *data, int err, uint64_t index)
{
    (void)data;
    world.answered++;
    world.last_err = err;
    if (err == 0)
        ck_assert_uint_le(index, world.last_index); /* handed on before it is acknowledged */
    if (err != 0)
        world.last_failure = err;
    world.failed += err != 0;
    trace(err == 0 ? "ok" : "err", err == 0 ? index : (uint64_t)-err, NULL, 0);
}

static void on_timer(void *data)
{
    (void)data;
    world.is_late = now_mono_ms() > world.until_ms;
    if (*world.counter >= world.want || world.is_late)
        loop_stop(world.loop);
}

/* Run the loop until a counter of the world has come to `want`. */
static void run_until(uint64_t *counter, uint64_t want)
{
    world.counter = counter;
    world.want = want;
    world.until_ms = now_mono_ms() + DEADLINE_MS;
    timer_start(world.timer, 0, 1);
    loop_run(world.loop);
    timer_stop(world.timer);
    ck_assert_msg(!world.is_late, "still %lu, not %lu; trace: %.2000s", (unsigned long)*counter,
                  (unsigned long)want, world.trace);
}

static void open_with(uint32_t trailing)
{
    memset(&world, 0, sizeof(world));
    struct engine_params params = {.state_dir = dir,
                                   .controller = 1,
                                   .trailing = trailing,
                                   .scrub_ms = 20,
                                   .callbacks = &callbacks,
                                   .data = &world};
    world.loop = loop_new();
    world.timer = timer_new(world.loop, on_timer, NULL);
    int err = engine_open(world.loop, &params, &world.engine, &e);
    ck_assert_msg(err == 0, "engine_open: %s", e.text);
}

static void open_leading(uint32_t trailing)
{
    open_with(trailing);
    run_until(&world.leading, 1);
}

static void close_all(void)
{
    engine_close(world.engine);
    timer_free(world.timer);
    loop_free(world.loop);
    world.engine = NULL;
}

static void propose(const char *text)
{
    world.is_inside = true;
    engine_propose(world.engine, text, strlen(text), on_answer, NULL);
    world.is_inside = false;
}

static void remove_files(void)
{
    static const char *const names[] = {"log.db", "log.db-wal", "log.db-shm", "LOCK", "filler"};
    char file[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(file, sizeof(file), "%s/%s", dir, names[i]);
        unlink(file);
    }
}

static void set_up(void)
{
    snprintf(dir, sizeof(dir), P_tmpdir "/ephor-engine-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
    disk_fault_set(DISK_WORKS);
    remove_files();
    rmdir(dir);
}

static void expect_trace(const char *want)
{
    ck_assert_str_eq(world.trace, want);
}

START_TEST(leads_and_commits_in_order)
{
    open_leading(0);
    propose("a");
    propose("b");
    propose("");
    run_until(&world.answered, 3);
    expect_trace("lead1 entry2=a entry3=b entry4 ok2 ok3 ok4 ");
    ck_assert_uint_eq(engine_commit_index(world.engine), 4);
    int64_t now_ms = now_mono_ms();
    ck_assert_int_ge(engine_fresh_since(world.engine), now_ms);
    close_all();
}
END_TEST

START_TEST(refuses_before_it_leads)
{
    open_with(0);
    propose("too early");
    ck_assert_int_eq(engine_fresh_since(world.engine), 0);
    run_until(&world.answered, 1);
    ck_assert_int_eq(world.last_err, ERR_AGAIN);
    run_until(&world.leading, 1);
    close_all();
    open_leading(0);
    expect_trace("lead2 ");
    close_all();
}
END_TEST

START_TEST(recovers_before_it_leads)
{
    open_leading(0);
    propose("a");
    propose("b");
    run_until(&world.answered, 2);
    close_all();
    open_leading(0);
    propose("c");
    run_until(&world.answered, 1);
    expect_trace("entry2=a entry3=b lead2 entry5=c ok5 ");
    close_all();
    open_leading(0);
    expect_trace("entry2=a entry3=b entry5=c lead3 ");
    close_all();
}
END_TEST

START_TEST(recovers_many_entries)
{
    open_leading(0);
    for (int i = 0; i < 1000; i++)
        propose("entry");
    run_until(&world.answered, 1000);
    ck_assert_uint_eq(world.failed, 0);
    close_all();
    open_leading(0);
    ck_assert_uint_eq(world.entries, 1000);
    ck_assert_uint_eq(world.last_index, 1001);
    close_all();
}
END_TEST

static void expect_stored(uint64_t first, uint64_t last)
{
    struct store *store = NULL;
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    ck_assert_uint_eq(store_state(store)->first_index, first);
    ck_assert_uint_eq(store_state(store)->last_index, last);
    store_close(store);
}

START_TEST(gives_the_snapshot_then_what_is_behind_it)
{
    open_leading(4);
    ck_assert(!engine_wants_snapshot(world.engine));
    for (int i = 0; i < 20; i++)
        propose("x");
    run_until(&world.answered, 20);
    ck_assert(engine_wants_snapshot(world.engine));
    engine_snapshot(world.engine, 20, "state", 5);
    ck_assert(!engine_wants_snapshot(world.engine));
    propose("y");
    run_until(&world.answered, 21);
    ck_assert(!engine_wants_snapshot(world.engine));
    close_all();
    open_leading(4);
    expect_trace("snapshot20=state entry21=x entry22=y lead2 ");
    engine_snapshot(world.engine, 22, "more", 4);
    close_all(); /* writes it */
    expect_stored(19, 23);
    open_leading(4);
    expect_trace("snapshot22=more lead3 ");
    close_all();
}
END_TEST

/* A log of the first version: its snapshot is the state alone and names no members. */
START_TEST(carries_the_first_format_over)
{
    struct store *store = NULL;
    bool is_unknown;
    struct store_snapshot snapshot = {.index = 3, .term = 1, .bytes = "state", .size = 5};
    struct store_entry entries[] = {{.index = 1, .term = 1, .kind = 1},
                                    {.index = 2, .term = 1, .kind = 2, .bytes = "a", .size = 1},
                                    {.index = 3, .term = 1, .kind = 2, .bytes = "b", .size = 1},
                                    {.index = 4, .term = 1, .kind = 2, .bytes = "c", .size = 1}};
    struct store_write first = {.entries = entries, .entry_count = 4, .term = 1, .voted_for = 1};
    struct store_write second = {.snapshot = &snapshot, .compact_to = 2};
    ck_assert_int_eq(store_open(dir, 1, false, &store, &e), 0);
    ck_assert_int_eq(store_write(store, &first, &is_unknown, &e), 0);
    ck_assert_int_eq(store_write(store, &second, &is_unknown, &e), 0);
    store_close(store);
    open_leading(1);
    expect_trace("snapshot3=state entry4=c lead2 ");
    ck_assert_uint_eq(engine_members(world.engine)->n_members, 1);
    propose("d");
    run_until(&world.answered, 1);
    engine_snapshot(world.engine, 6, "more", 4);
    close_all();
    open_leading(1);
    expect_trace("snapshot6=more lead3 ");
    close_all();
}
END_TEST

static bool is_well(void)
{
    struct store_part part = {.count = 100};
    return store_verify_part(dir, &part, &e) == 0;
}

static void on_mended(void *data)
{
    (void)data;
    world.is_late = now_mono_ms() > world.until_ms;
    if (is_well() || world.is_late)
        loop_stop(world.loop);
}

static void damage(const char *sql)
{
    sqlite3 *db;
    char path[96];
    snprintf(path, sizeof(path), "%s/log.db", dir);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* A bit that flips in the file is found while it runs, and written anew from memory. */
START_TEST(mends_what_the_scrub_finds)
{
    static const char *const harm[] = {
        "UPDATE log SET bytes = x'00' WHERE idx = 3",
        "UPDATE log SET checksum = 1 WHERE idx = (SELECT max(idx) FROM log)",
        "UPDATE snapshot SET bytes = x'0011'",
    };
    open_leading(2);
    for (int i = 0; i < 6; i++)
        propose("x");
    run_until(&world.answered, 6);
    engine_snapshot(world.engine, 4, "state", 5);
    propose("y");
    run_until(&world.answered, 7);
    close_all();
    open_leading(2);
    damage(harm[_i]);
    ck_assert(!is_well());
    world.until_ms = now_mono_ms() + DEADLINE_MS;
    struct timer *timer = timer_new(world.loop, on_mended, NULL);
    timer_start(timer, 0, 5);
    loop_run(world.loop);
    timer_free(timer);
    ck_assert(!world.is_late);
    propose("z");
    run_until(&world.answered, 1);
    close_all();
    open_leading(2);
    ck_assert_uint_eq(world.snapshots, 1);
    ck_assert_uint_eq(world.last_index, 10);
    close_all();
}
END_TEST

START_TEST(writes_what_is_queued_when_closed)
{
    open_leading(0);
    world.journals = true;
    for (int i = 0; i < 5000; i++)
        propose("z");
    engine_close(world.engine);
    ck_assert_uint_eq(world.answered, 5000);
    ck_assert_uint_eq(world.failed, 0);
    timer_free(world.timer);
    loop_free(world.loop);
    open_leading(0);
    ck_assert_uint_eq(world.entries, 5000);
    close_all();
}
END_TEST

START_TEST(closes_at_any_moment)
{
    for (int i = 0; i < 50; i++) {
        open_with(0);
        if (i % 2 == 0)
            run_until(&world.leading, 1);
        propose("p");
        if (i % 3 == 0 && world.leading > 0)
            run_until(&world.answered, 1);
        propose("q");
        engine_close(world.engine);
        ck_assert_uint_eq(world.answered, 2);
        timer_free(world.timer);
        loop_free(world.loop);
    }
}
END_TEST

START_TEST(is_locked_for_life)
{
    struct engine *other = NULL;
    struct engine_params params = {.state_dir = dir, .controller = 1, .callbacks = &callbacks};
    open_leading(0);
    ck_assert_int_eq(engine_open(world.loop, &params, &other, &e), ERR_AGAIN);
    ck_assert_ptr_nonnull(strstr(e.text, "locked by process"));
    close_all();
}
END_TEST

static void run_until_more_faults(int more)
{
    int count = disk_fault_count();
    while (disk_fault_count() - count < more) {
        uint64_t answered = world.answered;
        propose("refused");
        run_until(&world.answered, answered + 1);
    }
}

START_TEST(steps_down_and_returns)
{
    static const enum disk_fault faults[] = {DISK_WRITE_EIO, DISK_WRITE_ENOSPC, DISK_SYNC_EIO};
    static const int errs[] = {ERR_IO, ERR_NO_SPACE, ERR_IO};
    open_leading(0);
    propose("kept");
    run_until(&world.answered, 1);
    disk_fault_set(faults[_i]);
    propose("lost 1");
    propose("lost 2");
    run_until(&world.answered, 3);
    ck_assert_uint_eq(world.failed, 2);
    ck_assert_int_eq(world.last_err, faults[_i] == DISK_SYNC_EIO ? ERR_CANCELED : errs[_i]);
    ck_assert_int_eq(world.storage_err, errs[_i]);
    ck_assert_ptr_nonnull(strstr(world.storage_text, dir));
    ck_assert_uint_eq(world.not_leading, 1);
    ck_assert_int_ne(engine_fresh_since(world.engine), 0); /* leases go on */
    propose("refused");
    run_until(&world.answered, 4);
    ck_assert_int_eq(world.last_err, ERR_AGAIN);
    run_until_more_faults(2); /* it goes on trying, and says nothing new */
    ck_assert_uint_eq(world.broken, 1);
    disk_fault_set(DISK_WORKS);
    run_until(&world.leading, 2);
    ck_assert_int_eq(world.storage_err, 0);
    ck_assert_uint_eq(world.repaired, 1);
    ck_assert_uint_eq(world.term, 2);
    propose("after");
    run_until(&world.entries, 2);
    close_all();
    open_leading(0);
    expect_trace("entry2=kept entry4=after lead3 ");
    close_all();
}
END_TEST

START_TEST(reads_nothing_while_the_disk_fails)
{
    open_leading(0);
    engine_read_at(world.engine, UINT64_MAX, on_answer, NULL); /* waits */
    disk_fault_set(DISK_WRITE_ENOSPC);
    propose("lost");
    run_until(&world.answered, 2);
    engine_read(world.engine, on_answer, NULL);
    run_until(&world.answered, 3);
    expect_trace("lead1 broken16 down1 err16 err16 err16 ");
    disk_fault_set(DISK_WORKS);
    run_until(&world.leading, 2);
    propose("kept");
    run_until(&world.answered, 4);
    engine_read(world.engine, on_answer, NULL);
    run_until(&world.answered, 5);
    expect_trace("lead1 broken16 down1 err16 err16 err16 storage0 lead2 entry3=kept ok3 ok3 ");
    close_all();
}
END_TEST

START_TEST(rides_out_one_failed_sync)
{
    open_leading(0);
    disk_fault_set(DISK_SYNC_EIO_ONCE);
    propose("lost");
    run_until(&world.answered, 1);
    expect_trace("lead1 broken3 down1 err3 ");
    ck_assert_int_eq(world.last_err, ERR_IO);
    run_until(&world.leading, 2);
    propose("kept");
    run_until(&world.answered, 2);
    expect_trace("lead1 broken3 down1 err3 storage0 lead2 entry3=kept ok3 ");
    close_all();
}
END_TEST

START_TEST(starts_on_a_disk_that_fails)
{
    open_with(0);
    disk_fault_set(DISK_WRITE_EIO);
    run_until(&world.broken, 1);
    ck_assert_uint_eq(world.leading, 0);
    disk_fault_set(DISK_WORKS);
    run_until(&world.leading, 1);
    expect_trace("broken3 storage0 lead1 ");
    close_all();
}
END_TEST

START_TEST(cancels_when_closed_on_a_failed_disk)
{
    open_leading(0);
    disk_fault_set(DISK_WRITE_EIO);
    propose("a");
    engine_close(world.engine);
    ck_assert_uint_eq(world.answered, 1);
    ck_assert_uint_eq(world.failed, 1);
    ck_assert_uint_eq(world.not_leading, 0);
    disk_fault_set(DISK_WORKS);
    timer_free(world.timer);
    loop_free(world.loop);
    open_leading(0);
    expect_trace("lead2 ");
    close_all();
}
END_TEST

START_TEST(bounds_what_waits)
{
    open_leading(0);
    for (int i = 0; i < 70000; i++)
        propose("x");
    run_until(&world.failed, 70000 - 65536);
    ck_assert_int_eq(world.last_failure, ERR_LIMIT);
    run_until(&world.answered, 70000);
    ck_assert_uint_eq(world.entries, 65536);
    close_all();
}
END_TEST

START_TEST(bounds_the_bytes_that_wait)
{
    static char bytes[1 << 20];
    open_leading(0);
    for (int i = 0; i < 140; i++)
        engine_propose(world.engine, bytes, sizeof(bytes), on_answer, NULL);
    engine_propose(world.engine, bytes, (size_t)ENGINE_ENTRY_MAX + 1, on_answer, NULL);
    run_until(&world.failed, 13);
    ck_assert_int_eq(world.last_failure, ERR_LIMIT);
    run_until(&world.answered, 141);
    ck_assert_uint_eq(world.failed, 13);
    close_all();
}
END_TEST

struct rows {
    uint64_t count;
    uint64_t first;
    uint64_t last;
};

static void on_row(void *data, const struct journal_row *row)
{
    struct rows *rows = data;
    if (rows->count++ == 0)
        rows->first = row->index;
    else
        ck_assert_uint_gt(row->index, rows->last);
    rows->last = row->index;
    ck_assert_str_eq(row->event, "entry");
    ck_assert_str_eq(row->object, "web");
    ck_assert_str_eq(row->text, "seen");
}

static void expect_rows(uint32_t count, uint64_t first, uint64_t last)
{
    struct rows rows = {0};
    ck_assert_int_eq(engine_journal_read(world.engine, count, on_row, &rows), 0);
    ck_assert_uint_eq(rows.first, first);
    ck_assert_uint_eq(rows.last, last);
}

static void tell_row(uint64_t index)
{
    engine_journal(
        world.engine,
        &(struct journal_row){.index = index, .event = "entry", .object = "web", .text = "seen"});
}

START_TEST(keeps_the_journal)
{
    open_leading(0);
    world.journals = true;
    for (int i = 0; i < 10; i++)
        propose("x");
    run_until(&world.answered, 10);
    expect_rows(100, 2, 11); /* from memory and storage alike */
    expect_rows(3, 9, 11);
    close_all();
    open_with(0);
    world.journals = true; /* replayed entries tell their rows again */
    run_until(&world.leading, 1);
    expect_rows(100, 2, 11);
    propose("y");
    run_until(&world.answered, 1);
    close_all();
    open_leading(0);
    expect_rows(100, 2, 13);
    close_all();
}
END_TEST

START_TEST(keeps_the_journal_while_the_disk_fails)
{
    enum { MANY = 10500 };
    open_leading(0);
    disk_fault_set(DISK_WRITE_EIO);
    propose("lost");
    run_until(&world.answered, 1);
    for (uint64_t i = 1; i <= MANY; i++)
        tell_row(i);
    expect_rows(MANY, MANY - 10000 + 1, MANY);
    run_until_more_faults(1); /* the oldest were in that round */
    disk_fault_set(DISK_WORKS);
    run_until(&world.leading, 2);
    close_all();
    open_leading(0);
    expect_rows(MANY, MANY - 10000 + 1, MANY);
    close_all();
}
END_TEST

/* ---- kill -9 */

static int pipe_fd;
static uint64_t next_number;

static void propose_next(void);

static void on_child_answer(void *data, int err, uint64_t index)
{
    uint64_t said[2] = {(uint64_t)(uintptr_t)data, index};
    if (err != 0 || write(pipe_fd, said, sizeof(said)) != (ssize_t)sizeof(said))
        _exit(3);
    propose_next();
}

static void propose_next(void)
{
    char text[32];
    uint64_t number = next_number++;
    snprintf(text, sizeof(text), "%lu", (unsigned long)number);
    engine_propose(world.engine, text, strlen(text), on_child_answer, (void *)(uintptr_t)number);
}

static _Noreturn void be_child(uint64_t first)
{
    next_number = first;
    open_leading(0);
    for (int i = 0; i < 64; i++)
        propose_next();
    loop_run(world.loop);
    _exit(4);
}

struct ack {
    uint64_t number;
    uint64_t index;
};

/* Every acknowledged proposal must stand at its index. */
static void expect_acks(const struct ack *acks, size_t count)
{
    char want[64];
    const char *at = world.trace;
    for (size_t i = 0; i < count; i++) {
        snprintf(want, sizeof(want), "entry%lu=%lu ", (unsigned long)acks[i].index,
                 (unsigned long)acks[i].number);
        at = strstr(at, want);
        ck_assert_msg(at != NULL, "acknowledged, but lost: %s", want);
    }
}

START_TEST(keeps_what_it_acknowledged_through_kill)
{
    enum { ROUNDS = 12, EACH = 400 };
    static struct ack acks[1 << 16];
    size_t count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int fds[2];
        int status = 0;
        size_t stop_at = count + 1 + (size_t)((round * 97) % EACH);
        ck_assert_int_eq(pipe(fds), 0);
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            close(fds[0]);
            pipe_fd = fds[1];
            be_child((uint64_t)round * 1000000);
        }
        close(fds[1]);
        while (read(fds[0], &acks[count], sizeof(acks[0])) == (ssize_t)sizeof(acks[0]))
            if (++count == stop_at)
                kill(pid, SIGKILL); /* what it said until then is still read */
        close(fds[0]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        open_leading(0);
        expect_acks(acks, count);
        close_all();
    }
    ck_assert_uint_gt(count, ROUNDS);
}
END_TEST

/* ---- a full disk */

static void write_filler(void)
{
    char file[128];
    static char zeros[4096];
    snprintf(file, sizeof(file), "%s/filler", dir);
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    ck_assert_int_ge(fd, 0);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        continue;
    ck_assert_int_eq(errno, ENOSPC);
    close(fd);
}

static bool mount_small(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=4m,mode=0750") != 0) {
        fprintf(stderr, "skipped: a full disk needs the right to mount a small tmpfs\n");
        return false;
    }
    return true;
}

static const char kib[1025] = {[0 ... 1023] = 'k'};

START_TEST(waits_for_room_on_a_full_disk)
{
    char file[128];
    if (!mount_small())
        return;
    open_leading(0);
    propose("kept");
    run_until(&world.answered, 1);
    write_filler();
    while (world.failed == 0) {
        uint64_t answered = world.answered;
        propose(kib);
        run_until(&world.answered, answered + 1);
    }
    uint64_t entries = world.entries;
    uint64_t size = world.applied_size;
    ck_assert_int_eq(world.last_err, ERR_NO_SPACE);
    ck_assert_int_eq(world.storage_err, ERR_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(world.storage_text, dir));
    ck_assert_uint_eq(world.not_leading, 1);
    snprintf(file, sizeof(file), "%s/filler", dir);
    unlink(file);
    run_until(&world.leading, 2);
    propose("after");
    run_until(&world.entries, entries + 1);
    close_all();
    open_leading(0);
    ck_assert_uint_eq(world.entries, entries + 1);
    ck_assert_uint_eq(world.applied_size, size + strlen("after"));
    close_all();
    remove_files();
    ck_assert_int_eq(umount(dir), 0);
}
END_TEST

START_TEST(gives_up_a_snapshot_that_does_not_fit)
{
    static char large[8 << 20];
    if (!mount_small())
        return;
    open_leading(4);
    for (int i = 0; i < 8; i++)
        propose("x");
    run_until(&world.answered, 8);
    engine_snapshot(world.engine, 5, large, sizeof(large));
    run_until(&world.broken, 1);
    ck_assert(!engine_wants_snapshot(world.engine));
    run_until(&world.leading, 2);
    ck_assert(!engine_wants_snapshot(world.engine)); /* not at once again */
    for (int i = 0; i < 8; i++)
        propose("x");
    run_until(&world.answered, 16);
    ck_assert(engine_wants_snapshot(world.engine));
    engine_snapshot(world.engine, 5, "small", 5);
    close_all();
    open_leading(4);
    ck_assert_uint_eq(world.snapshots, 1);
    close_all();
    remove_files();
    ck_assert_int_eq(umount(dir), 0);
}
END_TEST

static Suite *engine_suite(void)
{
    Suite *suite = suite_create("engine");
    TCase *tc = tcase_create("engine");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, leads_and_commits_in_order);
    tcase_add_test(tc, refuses_before_it_leads);
    tcase_add_test(tc, recovers_before_it_leads);
    tcase_add_test(tc, recovers_many_entries);
    tcase_add_test(tc, gives_the_snapshot_then_what_is_behind_it);
    tcase_add_loop_test(tc, mends_what_the_scrub_finds, 0, 3);
    tcase_add_test(tc, carries_the_first_format_over);
    tcase_add_test(tc, writes_what_is_queued_when_closed);
    tcase_add_test(tc, closes_at_any_moment);
    tcase_add_test(tc, is_locked_for_life);
    tcase_add_loop_test(tc, steps_down_and_returns, 0, 3);
    tcase_add_test(tc, reads_nothing_while_the_disk_fails);
    tcase_add_test(tc, rides_out_one_failed_sync);
    tcase_add_test(tc, starts_on_a_disk_that_fails);
    tcase_add_test(tc, cancels_when_closed_on_a_failed_disk);
    tcase_add_test(tc, bounds_what_waits);
    tcase_add_test(tc, bounds_the_bytes_that_wait);
    tcase_add_test(tc, keeps_the_journal);
    tcase_add_test(tc, keeps_the_journal_while_the_disk_fails);
    tcase_add_test(tc, keeps_what_it_acknowledged_through_kill);
    tcase_add_test(tc, waits_for_room_on_a_full_disk);
    tcase_add_test(tc, gives_up_a_snapshot_that_does_not_fit);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    umask(077);
    SRunner *runner = srunner_create(engine_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
