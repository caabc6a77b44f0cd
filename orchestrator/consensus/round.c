/* A round: filling, writing on the worker, and the hand-over between the two threads.
 *
 * The mutex guards `stage` only; everything else belongs to whoever the stage says. An engine that
 * closes must not wait for a worker that has not even begun (the pool may be busy with others), so
 * it takes the round over: the worker then finds the stage changed and goes away.
 *
 * Decides nothing: what a failure means is the engine's business. */
#include "orchestrator/consensus/round.h"

#include "orchestrator/base/contract.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUND_ENTRIES_MAX = 4096,
    ROUND_ROWS_MAX = 2048,
    ROUND_BYTES_MAX = 16 << 20, /* but always one entry: keeps the latency of a round bounded */
};

enum stage {
    STAGE_IDLE,
    STAGE_QUEUED,  /* the worker has not begun */
    STAGE_WRITING, /* the worker has it */
    STAGE_WRITTEN, /* the worker is done, its callback is not */
    STAGE_ENDED,   /* ended by round_wait; a callback is still to come */
};

struct round {
    pthread_mutex_t mutex;
    pthread_cond_t written;
    enum stage stage;
    bool is_dropped;
    struct store *store;
    work_fn *done;
    void *data;
    struct store_write write;
    struct store_snapshot snapshot;
    struct kept_snapshot *kept_snapshot;
    bool needs_room;
    size_t size_bytes;
    struct row_queue rows;
    struct round_result result;
    struct log_entry *held[ROUND_ENTRIES_MAX];
    struct store_entry entries[ROUND_ENTRIES_MAX];
    struct journal_row journal[ROUND_ROWS_MAX];
};

struct round *round_new(struct store *store)
{
    struct round *round = calloc(1, sizeof(*round));
    if (round == NULL)
        return NULL;
    round->store = store;
    pthread_mutex_init(&round->mutex, NULL);
    pthread_cond_init(&round->written, NULL);
    return round;
}

void round_free(struct round *round)
{
    if (round == NULL)
        return;
    round_clear(round);
    row_clear(&round->rows);
    pthread_cond_destroy(&round->written);
    pthread_mutex_destroy(&round->mutex);
    free(round);
}

void round_clear(struct round *round)
{
    for (size_t i = 0; i < round->write.entry_count; i++)
        log_entry_drop(round->held[i]);
    round->write = (struct store_write){.entries = round->entries};
    round->size_bytes = 0;
    free(round->kept_snapshot);
    round->kept_snapshot = NULL;
}

struct store_write *round_begin(struct round *round, bool needs_room)
{
    PRE(round->stage == STAGE_IDLE || round->stage == STAGE_ENDED);
    PRE(round->rows.head == NULL);
    round_clear(round);
    round->result = (struct round_result){0};
    round->needs_room = needs_room;
    return &round->write;
}

bool round_add_entry(struct round *round, uint64_t index, struct log_entry *entry)
{
    size_t count = round->write.entry_count;
    if (count == ROUND_ENTRIES_MAX ||
        (count > 0 && round->size_bytes + entry->size > ROUND_BYTES_MAX))
        return false;
    round->held[count] = log_entry_hold(entry);
    round->entries[count] = (struct store_entry){.index = index,
                                                 .term = entry->term,
                                                 .kind = entry->kind,
                                                 .bytes = entry->bytes,
                                                 .size = entry->size};
    round->write.entry_count++;
    round->size_bytes += entry->size;
    return true;
}

void round_add_rows(struct round *round, struct row_queue *rows)
{
    while (rows->head != NULL && round->rows.count < ROUND_ROWS_MAX) {
        struct row *row = row_pop(rows);
        round->journal[round->rows.count] = row->row;
        row_push(&round->rows, row);
    }
    round->write.rows = round->journal;
    round->write.row_count = round->rows.count;
}

void round_add_snapshot(struct round *round, struct kept_snapshot *kept)
{
    PRE(round->kept_snapshot == NULL);
    round->kept_snapshot = kept;
    round->snapshot = (struct store_snapshot){
        .index = kept->index, .term = kept->term, .bytes = kept->bytes, .size = kept->size};
    round->write.snapshot = &round->snapshot;
}

static void write_round(struct round *round)
{
    struct round_result *result = &round->result;
    if (round->needs_room)
        result->err = store_check_room(round->store, &result->text);
    if (result->err == 0)
        result->err = store_write(round->store, &round->write, &result->is_unknown, &result->text);
}

static bool move_stage(struct round *round, enum stage from, enum stage to)
{
    pthread_mutex_lock(&round->mutex);
    bool is_moved = round->stage == from;
    if (is_moved)
        round->stage = to;
    pthread_cond_broadcast(&round->written);
    pthread_mutex_unlock(&round->mutex);
    return is_moved;
}

static void on_worker(void *data)
{
    struct round *round = data;
    if (!move_stage(round, STAGE_QUEUED, STAGE_WRITING))
        return;
    write_round(round);
    move_stage(round, STAGE_WRITING, STAGE_WRITTEN);
}

static void on_worker_done(void *data)
{
    struct round *round = data;
    if (round->stage == STAGE_WRITTEN) {
        round->stage = STAGE_IDLE;
        round->done(round->data);
    } else if (round->is_dropped) {
        round->stage = STAGE_IDLE;
        round_free(round);
    }
}

int round_start(struct round *round, struct loop *loop, work_fn *done, void *data)
{
    round->done = done;
    round->data = data;
    round->stage = STAGE_QUEUED;
    int err = loop_work(loop, on_worker, on_worker_done, round);
    if (err != 0) {
        round->stage = STAGE_IDLE;
        round->result.err = err_set(&round->result.text, err, "start writing: %s", err_text(err));
    }
    return err;
}

void round_run(struct round *round)
{
    write_round(round);
}

void round_wait(struct round *round)
{
    if (move_stage(round, STAGE_QUEUED, STAGE_ENDED)) {
        write_round(round);
        return;
    }
    pthread_mutex_lock(&round->mutex);
    while (round->stage == STAGE_WRITING)
        pthread_cond_wait(&round->written, &round->mutex);
    if (round->stage == STAGE_WRITTEN)
        round->stage = STAGE_ENDED;
    pthread_mutex_unlock(&round->mutex);
}

void round_drop(struct round *round)
{
    PRE(round->stage == STAGE_IDLE || round->stage == STAGE_ENDED);
    if (round->stage == STAGE_IDLE)
        round_free(round);
    else
        round->is_dropped = true;
}

const struct round_result *round_result(const struct round *round)
{
    return &round->result;
}

struct row_queue *round_rows(struct round *round)
{
    return &round->rows;
}

struct kept_snapshot *round_take_snapshot(struct round *round)
{
    struct kept_snapshot *snapshot = round->kept_snapshot;
    round->kept_snapshot = NULL;
    return snapshot;
}
