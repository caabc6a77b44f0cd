/* Reads that are never stale, without writing (Ongaro's thesis, §6.4).
 *
 *   begun ──▶ index: what is committed, once an entry of the own term is ──▶ asked: a heartbeat
 *   ──▶ confirmed: a quorum answered what was sent after the read began ──▶ applied up to the index
 *
 * Why that is enough: whoever was acknowledged before the read began was so by this leader, whose
 * commit index covers it, or by an earlier one, whose entries lie before this term's first. A later
 * leader would have needed the vote of one of those that answered in this term, after the read
 * began.
 *
 * The proof is in the answers, not in any clock but the order of moments on this one. It counts in
 * milliseconds, and what was sent in the millisecond of the read may have left before it: so a
 * heartbeat goes out in the next one, for all that wait by then, and no second one while answers to
 * it are awaited. If it is lost, the ordinary ones do as well. */
#include "orchestrator/consensus/reads.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/consensus/engine_state.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>

enum { WAITING_MAX = 256 };

struct read {
    struct read *next;
    engine_read_cb *cb;
    void *data;
    int err; /* it was refused, and is told so on the loop */
    int64_t began_ms, deadline_ms;
    uint64_t term;     /* in which this engine led when it began */
    uint64_t index;    /* 0: not known yet */
    bool is_asked;     /* something was sent that can confirm it */
    bool is_confirmed; /* or somebody else has seen to that */
};

struct reads {
    struct engine *engine;
    struct timer *timer;
    int64_t due_ms; /* of the timer; 0: it rests */
    int64_t max_ms;
    bool is_asking; /* some await answers to what was sent for them */
    struct read *head, **end;
    uint32_t count;
};

/* ---------------------------------------------------------------- what becomes of one */

static bool leads(const struct engine *engine, uint64_t term)
{
    return raft_role(engine->raft) == RAFT_LEADER && raft_term(engine->raft) == term;
}

static void note_index(const struct engine *engine, struct read *read)
{
    if (read->index == 0 && raft_is_working(engine->raft))
        read->index = raft_commit(engine->raft);
}

static void confirm(const struct engine *engine, struct read *read, int64_t now_ms)
{
    if (read->is_confirmed)
        return;
    if (!leads(engine, read->term)) {
        read->err = ERR_AGAIN;
        return;
    }
    note_index(engine, read);
    read->is_confirmed =
        read->index != 0 && raft_fresh_since(engine->raft, now_ms) > read->began_ms;
}

static int storage_err(const struct engine *engine)
{
    return engine->storage_err != ERR_OK ? engine->storage_err : ERR_IO;
}

/* Is it over? Then err is how it ended. */
static bool is_over(const struct engine *engine, struct read *read, int64_t now_ms)
{
    if (read->err == ERR_OK && engine->is_closing)
        read->err = ERR_CANCELED;
    if (read->err == ERR_OK && engine->has_failed)
        read->err = storage_err(engine);
    if (read->err == ERR_OK)
        confirm(engine, read, now_ms);
    if (read->err != ERR_OK || (read->is_confirmed && engine->applied >= read->index))
        return true;
    if (now_ms >= read->deadline_ms)
        read->err = ERR_TIMEOUT;
    return read->err != ERR_OK;
}

/* ---------------------------------------------------------------- all of them */

static struct read *take_over(struct reads *reads)
{
    struct read *over = NULL, **over_end = &over;
    int64_t now_ms = now_mono_ms();
    for (struct read **at = &reads->head; *at != NULL;) {
        struct read *read = *at;
        if (!is_over(reads->engine, read, now_ms)) {
            at = &read->next;
            continue;
        }
        *at = read->next;
        read->next = NULL;
        *over_end = read;
        over_end = &read->next;
        reads->count--;
    }
    reads->end = &reads->head;
    while (*reads->end != NULL)
        reads->end = &(*reads->end)->next;
    return over;
}

static void wake(struct reads *reads, int64_t now_ms, int64_t due_ms)
{
    if (reads->engine->is_closing || (reads->due_ms != 0 && reads->due_ms <= due_ms))
        return;
    reads->due_ms = due_ms;
    timer_start(reads->timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

/* When this one wants to be looked at although nothing happens. A refused client that asks again at
 * once must not starve the loop: it waits a millisecond, too. */
static int64_t due_of(const struct reads *reads, const struct read *read, int64_t now_ms)
{
    bool is_reached = read->is_confirmed && reads->engine->applied >= read->index;
    bool wants_asking = !read->is_confirmed && !read->is_asked && !reads->is_asking;
    return read->err != ERR_OK || is_reached || wants_asking ? now_ms + 1 : read->deadline_ms;
}

static void arm(struct reads *reads)
{
    int64_t now_ms = now_mono_ms();
    reads->due_ms = 0;
    timer_stop(reads->timer);
    reads->is_asking = false;
    for (const struct read *read = reads->head; read != NULL; read = read->next)
        reads->is_asking |= read->is_asked && !read->is_confirmed;
    for (const struct read *read = reads->head; read != NULL; read = read->next)
        wake(reads, now_ms, due_of(reads, read, now_ms));
}

static void call_back(struct engine *engine, struct read *over)
{
    while (over != NULL) {
        struct read *read = over;
        over = read->next;
        engine->is_calling_back = true;
        read->cb(read->data, read->err, read->err == ERR_OK ? read->index : 0);
        engine->is_calling_back = false;
        free(read);
    }
}

void reads_look(struct engine *engine)
{
    struct reads *reads = engine->reads;
    if (reads->head == NULL)
        return;
    call_back(engine, take_over(reads));
    if (!engine->is_closing)
        arm(reads);
}

/* A heartbeat for all that began in an earlier millisecond. */
static void ask(struct reads *reads)
{
    struct raft_event event = {.type = RAFT_READ};
    int64_t now_ms = now_mono_ms();
    if (reads->is_asking || reads->engine->has_failed)
        return;
    for (struct read *read = reads->head; read != NULL; read = read->next) {
        if (read->is_confirmed || read->err != ERR_OK || read->began_ms >= now_ms)
            continue;
        read->is_asked = reads->is_asking = true;
    }
    if (reads->is_asking)
        drive_step(reads->engine, &event);
}

static void on_timer(void *data)
{
    struct reads *reads = data;
    ask(reads);
    reads_look(reads->engine);
}

/* ---------------------------------------------------------------- beginning */

static struct read *begin(struct engine *engine, engine_read_cb *cb, void *data)
{
    struct reads *reads = engine->reads;
    struct read *read = calloc(1, sizeof(*read));
    PRE(read != NULL);
    read->cb = cb;
    read->data = data;
    read->began_ms = now_mono_ms();
    read->deadline_ms = read->began_ms + reads->max_ms;
    if (reads->count >= WAITING_MAX)
        read->err = ERR_LIMIT;
    *reads->end = read;
    reads->end = &read->next;
    reads->count++;
    return read;
}

void engine_read(struct engine *engine, engine_read_cb *cb, void *data)
{
    struct read *read = begin(engine, cb, data);
    read->term = raft_term(engine->raft);
    note_index(engine, read);
    wake(engine->reads, read->began_ms, due_of(engine->reads, read, read->began_ms));
}

void engine_read_at(struct engine *engine, uint64_t index, engine_read_cb *cb, void *data)
{
    struct read *read = begin(engine, cb, data);
    read->index = index;
    read->is_confirmed = true;
    wake(engine->reads, read->began_ms, due_of(engine->reads, read, read->began_ms));
}

/* ---------------------------------------------------------------- open and close */

struct reads *reads_new(struct engine *engine, int64_t max_ms)
{
    struct reads *reads = calloc(1, sizeof(*reads));
    if (reads == NULL)
        return NULL;
    *reads = (struct reads){.engine = engine, .max_ms = max_ms, .end = &reads->head};
    reads->timer = timer_new(engine->loop, on_timer, reads);
    if (reads->timer == NULL) {
        free(reads);
        return NULL;
    }
    return reads;
}

void reads_close(struct engine *engine)
{
    while (engine->reads->head != NULL)
        reads_look(engine);
    timer_stop(engine->reads->timer);
}

void reads_free(struct reads *reads)
{
    if (reads == NULL)
        return;
    PRE(reads->head == NULL);
    timer_free(reads->timer);
    free(reads);
}
