/* A round: filling, writing on the worker, and the hand-over between the two threads.
 *
 * The mutex guards `stage` only; everything else belongs to whoever the stage says. An engine that
 * closes must not wait for a worker that has not even begun (the pool may be busy with others), so
 * it takes the round over: the worker then finds the stage changed and goes away.
 *
 * Decides nothing: what a failure means is solo.c's business. */
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
    uint64_t trailing;
    bool starts_term;
    bool needs_room;
    struct proposal_queue proposals;
    struct row_queue rows;
    struct round_result result;
    struct store_entry entries[ROUND_ENTRIES_MAX + 1]; /* and the no-op */
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
    PRE(round->proposals.head == NULL);
    row_clear(&round->rows);
    free(round->kept_snapshot);
    pthread_cond_destroy(&round->written);
    pthread_mutex_destroy(&round->mutex);
    free(round);
}

static void add_entry(struct round *round, uint64_t index, enum store_kind kind, const void *bytes,
                      size_t size, uint64_t term)
{
    round->entries[round->write.entry_count++] = (struct store_entry){
        .index = index, .term = term, .kind = kind, .bytes = bytes, .size = size};
}

static void fill_entries(struct round *round, const struct round_plan *plan)
{
    uint64_t index = plan->last_index;
    if (plan->starts_term)
        add_entry(round, ++index, STORE_KIND_NOOP, NULL, 0, plan->term);
    while (plan->proposals->head != NULL && round->proposals.count < ROUND_ENTRIES_MAX &&
           (round->proposals.count == 0 ||
            round->proposals.size_bytes + plan->proposals->head->size <= ROUND_BYTES_MAX)) {
        struct proposal *proposal = proposal_pop(plan->proposals);
        proposal->index = ++index;
        add_entry(round, index, STORE_KIND_DATA, proposal->bytes, proposal->size, plan->term);
        proposal_push(&round->proposals, proposal);
    }
}

static void fill_rows(struct round *round, const struct round_plan *plan)
{
    while (plan->rows->head != NULL && round->rows.count < ROUND_ROWS_MAX) {
        struct row *row = row_pop(plan->rows);
        round->journal[round->rows.count] = row->row;
        row_push(&round->rows, row);
    }
    round->write.rows = round->journal;
    round->write.row_count = round->rows.count;
}

static void fill(struct round *round, const struct round_plan *plan)
{
    PRE(round->stage == STAGE_IDLE || round->stage == STAGE_ENDED);
    PRE(round->proposals.head == NULL && round->rows.head == NULL);
    round->write = (struct store_write){.entries = round->entries};
    round->result = (struct round_result){0};
    round->starts_term = plan->starts_term;
    round->needs_room = plan->needs_room;
    round->trailing = plan->trailing;
    if (plan->starts_term) {
        round->write.term = plan->term;
        round->write.voted_for = plan->controller;
        round->write.truncate_from = plan->last_index + 1;
    }
    fill_entries(round, plan);
    fill_rows(round, plan);
    round->kept_snapshot = *plan->snapshot;
    *plan->snapshot = NULL;
}

static int prepare_snapshot(struct round *round, struct errbuf *e)
{
    const struct kept_snapshot *kept = round->kept_snapshot;
    round->snapshot =
        (struct store_snapshot){.index = kept->index, .bytes = kept->bytes, .size = kept->size};
    int err = store_term_of(round->store, kept->index, &round->snapshot.term, e);
    round->write.snapshot = &round->snapshot;
    round->write.compact_to = kept->index > round->trailing ? kept->index - round->trailing : 0;
    return err;
}

static void write_round(struct round *round)
{
    struct round_result *result = &round->result;
    if (round->needs_room)
        result->err = store_check_room(round->store, &result->text);
    if (result->err == 0 && round->kept_snapshot != NULL)
        result->err = prepare_snapshot(round, &result->text);
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

int round_start(struct round *round, struct loop *loop, const struct round_plan *plan,
                work_fn *done, void *data)
{
    fill(round, plan);
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

void round_run(struct round *round, const struct round_plan *plan)
{
    fill(round, plan);
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

bool round_starts_term(const struct round *round)
{
    return round->starts_term;
}

uint64_t round_term(const struct round *round)
{
    return round->write.term;
}

const struct round_result *round_result(const struct round *round)
{
    return &round->result;
}

struct proposal_queue *round_proposals(struct round *round)
{
    return &round->proposals;
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
