/* The engine of a quorum of one: an entry is committed as soon as it is durable here.
 *
 *   recovering ──▶ starting ──▶ leading ──▶ failed ──▶ (every RETRY_MS) starting ──▶ leading
 *
 * Recovering gives the state machine the snapshot and the entries behind it. Starting persists a
 * new term and its no-op (which is not handed on) before anybody hears of leadership. While one
 * round is written, the next gathers. A round that fails makes the engine step down: its
 * proposals were rolled back and fail with the disk's error, journal rows are kept, and small
 * rounds that would start the next term are tried until one succeeds.
 *
 * No peers, no elections, no leases in here: quorums of several have their own engine. Called by
 * the quorum process through engine.h. */
#include "orchestrator/consensus/engine.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/journal_tail.h"
#include "orchestrator/consensus/pending.h"
#include "orchestrator/consensus/round.h"
#include "orchestrator/consensus/snapshot_plan.h"
#include "orchestrator/consensus/store.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MS = 500,
    REPLAY_MAX = 256, /* entries a turn of the loop, so that start-up does not hold up the rest */
    TRAILING_DEFAULT = 1024,
};

enum solo_phase {
    SOLO_RECOVERING,
    SOLO_STARTING,
    SOLO_LEADING,
    SOLO_FAILED, /* between two attempts to start a term */
    SOLO_CLOSING,
};

struct engine {
    struct loop *loop;
    const struct engine_callbacks *callbacks;
    void *data;
    uint32_t controller;
    struct store *store;
    struct round *round;
    bool is_writing;
    enum solo_phase phase;
    uint64_t term;
    bool has_led;           /* in this run */
    uint64_t last_index;    /* durable, hence committed */
    uint64_t applied_index; /* handed to on_entry, or skipped as a no-op */
    struct proposal_queue waiting;
    struct proposal_queue refused; /* to be told so on the loop */
    struct row_queue rows;
    bool rows_were_dropped;
    struct snapshot_plan snapshots;
    struct timer *soon;
    bool soon_is_started;
    struct timer *retry;
    int storage_err;
    bool is_calling_back;
};

static void on_round_done(void *data);

static void start_soon(struct engine *engine, int64_t delay_ms)
{
    if (engine->soon_is_started)
        return;
    engine->soon_is_started = true;
    timer_start(engine->soon, delay_ms, 0);
}

static void answer(struct engine *engine, struct proposal *proposal)
{
    engine->is_calling_back = true;
    proposal->cb(proposal->data, proposal->err, proposal->err == 0 ? proposal->index : 0);
    engine->is_calling_back = false;
    free(proposal);
}

static void answer_all(struct engine *engine, struct proposal_queue *queue)
{
    for (struct proposal *p = proposal_pop(queue); p != NULL; p = proposal_pop(queue))
        answer(engine, p);
}

static void tell_storage(struct engine *engine, int err, const char *text)
{
    engine->is_calling_back = true;
    engine->callbacks->on_storage(engine->data, err, text);
    engine->is_calling_back = false;
}

static void tell_leadership(struct engine *engine, bool is_leader)
{
    engine->is_calling_back = true;
    engine->callbacks->on_leadership(engine->data, is_leader, engine->term);
    engine->is_calling_back = false;
}

static void hand_on(struct engine *engine, uint64_t index, uint64_t term, const void *bytes,
                    size_t size)
{
    engine->applied_index = index;
    engine->is_calling_back = true;
    engine->callbacks->on_entry(engine->data, index, term, bytes, size);
    engine->is_calling_back = false;
}

static void keep_rows_bounded(struct engine *engine)
{
    size_t dropped = row_limit(&engine->rows);
    if (dropped > 0 && !engine->rows_were_dropped)
        log_warning("journal",
                    "the storage does not take journal rows; the oldest of more than "
                    "%d are dropped",
                    PENDING_ROWS_MAX);
    engine->rows_were_dropped |= dropped > 0;
}

/* ---- rounds */

static struct round_plan plan_round(struct engine *engine, bool starts_term)
{
    return (struct round_plan){
        .term = starts_term ? engine->term + 1 : engine->term,
        .controller = engine->controller,
        .last_index = engine->last_index,
        .starts_term = starts_term,
        .needs_room = engine->storage_err == ERR_NO_SPACE,
        .trailing = engine->snapshots.trailing,
        .proposals = &engine->waiting,
        .rows = &engine->rows,
        .snapshot = &engine->snapshots.waiting,
    };
}

static void start_round(struct engine *engine, bool starts_term)
{
    struct round_plan plan = plan_round(engine, starts_term);
    PRE(!engine->is_writing);
    engine->is_writing = true;
    if (round_start(engine->round, engine->loop, &plan, on_round_done, engine) != 0)
        on_round_done(engine);
}

static bool has_work(const struct engine *engine)
{
    return engine->waiting.head != NULL || engine->rows.head != NULL ||
           engine->snapshots.waiting != NULL;
}

static void end_round_well(struct engine *engine)
{
    struct proposal_queue *proposals = round_proposals(engine->round);
    if (round_starts_term(engine->round)) {
        engine->term = round_term(engine->round);
        engine->last_index++;
        engine->applied_index = engine->last_index;
    }
    row_clear(round_rows(engine->round));
    if (engine->rows.head == NULL)
        engine->rows_were_dropped = false;
    free(round_take_snapshot(engine->round));
    engine->last_index += proposals->count;
    engine->snapshots.log_size_bytes += proposals->size_bytes;
    for (struct proposal *p = proposals->head; p != NULL; p = p->next)
        hand_on(engine, p->index, engine->term, p->bytes, p->size);
    answer_all(engine, proposals);
}

static void become_leader(struct engine *engine)
{
    engine->phase = SOLO_LEADING;
    engine->has_led = true;
    if (engine->storage_err != 0) {
        engine->storage_err = 0;
        tell_storage(engine, 0, "the storage works again");
    }
    tell_leadership(engine, true);
}

static void tell_failure(struct engine *engine, int err, bool was_leading)
{
    char text[ERR_TEXT_SIZE + 64];
    if (engine->storage_err != err) {
        engine->storage_err = err;
        text_format(text, sizeof(text), "%s; trying again every %d ms",
                    round_result(engine->round)->text.text, RETRY_MS);
        tell_storage(engine, err, text);
    }
    if (was_leading)
        tell_leadership(engine, false);
}

static void end_round_badly(struct engine *engine)
{
    const struct round_result *result = round_result(engine->round);
    bool was_leading = engine->phase == SOLO_LEADING;
    struct proposal_queue failed = {0};
    engine->phase = engine->phase == SOLO_CLOSING ? SOLO_CLOSING : SOLO_FAILED;
    proposal_set_err(round_proposals(engine->round),
                     result->is_unknown ? ERR_CANCELED : result->err);
    proposal_set_err(&engine->waiting, result->err);
    proposal_move(&failed, round_proposals(engine->round));
    proposal_move(&failed, &engine->waiting);
    row_put_back(&engine->rows, round_rows(engine->round));
    keep_rows_bounded(engine);
    snapshot_plan_fail(&engine->snapshots, round_take_snapshot(engine->round), engine->last_index);
    if (engine->phase != SOLO_CLOSING) {
        tell_failure(engine, result->err, was_leading);
        timer_start(engine->retry, RETRY_MS, 0);
    }
    answer_all(engine, &failed);
}

static void on_round_done(void *data)
{
    struct engine *engine = data;
    engine->is_writing = false;
    if (round_result(engine->round)->err != 0) {
        end_round_badly(engine);
        return;
    }
    end_round_well(engine);
    if (round_starts_term(engine->round) && engine->phase != SOLO_CLOSING)
        become_leader(engine);
    if (engine->phase == SOLO_LEADING && has_work(engine))
        start_round(engine, false);
}

static void on_retry(void *data)
{
    struct engine *engine = data;
    engine->phase = SOLO_STARTING;
    start_round(engine, true);
}

/* ---- recovery */

static void on_stored_entry(void *data, const struct store_entry *entry)
{
    struct engine *engine = data;
    if (entry->kind == STORE_KIND_DATA)
        hand_on(engine, entry->index, entry->term, entry->bytes, entry->size);
    else
        engine->applied_index = entry->index;
}

static void tell_broken(struct engine *engine, int err, const struct errbuf *e)
{
    engine->phase = SOLO_FAILED;
    engine->storage_err = err;
    tell_storage(engine, err, e->text);
}

static bool replay_snapshot(struct engine *engine)
{
    struct store_snapshot snapshot;
    struct errbuf e = {""};
    int err = store_snapshot_read(engine->store, &snapshot, &e);
    if (err != 0) {
        tell_broken(engine, err, &e);
        return false;
    }
    engine->is_calling_back = true;
    engine->callbacks->on_snapshot(engine->data, snapshot.index, snapshot.term, snapshot.bytes,
                                   snapshot.size);
    engine->is_calling_back = false;
    free((void *)snapshot.bytes);
    engine->applied_index = snapshot.index;
    return true;
}

/* Everything was verified when the storage was opened, moments ago: if it cannot be read now, the
 * engine stays down and says why, for a state machine must not run on half a log. */
static void replay(struct engine *engine)
{
    struct errbuf e = {""};
    if (engine->applied_index < engine->snapshots.index && !replay_snapshot(engine))
        return;
    int err = store_read(engine->store, engine->applied_index + 1, REPLAY_MAX, on_stored_entry,
                         engine, &e);
    if (err != 0) {
        tell_broken(engine, err, &e);
        return;
    }
    if (engine->applied_index < engine->last_index) {
        start_soon(engine, 1);
        return;
    }
    engine->phase = SOLO_STARTING;
    start_round(engine, true);
}

/* ---- the interface */

static void on_soon(void *data)
{
    struct engine *engine = data;
    struct proposal_queue refused = {0};
    engine->soon_is_started = false;
    proposal_move(&refused, &engine->refused);
    answer_all(engine, &refused);
    if (engine->phase == SOLO_RECOVERING)
        replay(engine);
    else if (engine->phase == SOLO_LEADING && !engine->is_writing && has_work(engine))
        start_round(engine, false);
}

static void free_engine(struct engine *engine)
{
    timer_free(engine->soon);
    timer_free(engine->retry);
    store_close(engine->store);
    row_clear(&engine->rows);
    snapshot_plan_close(&engine->snapshots);
    free(engine);
}

int engine_open(struct loop *loop, const struct engine_params *params, struct engine **result,
                struct errbuf *e)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL)
        return err_set(e, ERR_NOMEM, "open %s: out of memory", params->state_dir);
    engine->loop = loop;
    engine->callbacks = params->callbacks;
    engine->data = params->data;
    engine->controller = params->controller;
    engine->snapshots.trailing = params->trailing == 0 ? TRAILING_DEFAULT : params->trailing;
    engine->soon = timer_new(loop, on_soon, engine);
    engine->retry = timer_new(loop, on_retry, engine);
    int err = store_open(params->state_dir, params->controller, &engine->store, e);
    if (err == 0)
        engine->round = round_new(engine->store);
    if (err == 0 && (engine->round == NULL || engine->soon == NULL || engine->retry == NULL))
        err = err_set(e, ERR_NOMEM, "open %s: out of memory", params->state_dir);
    if (err != 0) {
        round_free(engine->round);
        free_engine(engine);
        return err;
    }
    const struct store_state *state = store_state(engine->store);
    engine->term = state->term;
    engine->last_index = state->last_index;
    engine->snapshots.index = state->snapshot_index;
    engine->snapshots.log_size_bytes = state->log_size_bytes;
    if (engine->snapshots.index == 0)
        engine->applied_index = state->first_index - 1;
    start_soon(engine, 0);
    *result = engine;
    return ERR_OK;
}

/* What waits is written here and now, and what that brings to the journal. New proposals are
 * refused by now, so this ends. */
static void flush(struct engine *engine)
{
    bool is_working = engine->storage_err == 0;
    if (engine->is_writing) {
        round_wait(engine->round);
        on_round_done(engine);
        is_working = is_working && round_result(engine->round)->err == 0;
    }
    while (is_working && has_work(engine)) {
        struct round_plan plan = plan_round(engine, false);
        round_run(engine->round, &plan);
        on_round_done(engine);
        is_working = round_result(engine->round)->err == 0;
    }
    if (engine->rows.head != NULL)
        log_warning("journal", "%zu journal rows could not be written", engine->rows.count);
}

void engine_close(struct engine *engine)
{
    if (engine == NULL)
        return;
    PRE(!engine->is_calling_back);
    engine->phase = SOLO_CLOSING;
    timer_stop(engine->soon);
    timer_stop(engine->retry);
    engine->soon_is_started = true; /* nothing starts it again */
    flush(engine);
    proposal_set_err(&engine->waiting, ERR_CANCELED);
    proposal_move(&engine->refused, &engine->waiting);
    answer_all(engine, &engine->refused);
    round_drop(engine->round);
    free_engine(engine);
}

static int refusal(const struct engine *engine, size_t size)
{
    if (engine->phase == SOLO_CLOSING)
        return ERR_CANCELED;
    if (engine->phase != SOLO_LEADING)
        return ERR_AGAIN;
    if (size > ENGINE_ENTRY_MAX || !proposal_fits(&engine->waiting, size))
        return ERR_LIMIT;
    return ERR_OK;
}

void engine_propose(struct engine *engine, const void *bytes, size_t size, engine_propose_cb *cb,
                    void *data)
{
    int err = refusal(engine, size);
    struct proposal *proposal = proposal_new(bytes, err == 0 ? size : 0, cb, data);
    if (proposal == NULL) {
        err = ERR_NOMEM;
        proposal = proposal_new(NULL, 0, cb, data);
    }
    PRE(proposal != NULL); /* not even room to say so */
    proposal->err = err;
    proposal_push(err == 0 ? &engine->waiting : &engine->refused, proposal);
    /* A refused client that asks again at once must not starve the loop. */
    if (err != 0)
        start_soon(engine, 1);
    else if (!engine->is_writing)
        start_soon(engine, 0);
}

/* Also while the storage fails: nobody else can lead a quorum of one, and leases that were granted
 * must not end because of this machine's disk. */
int64_t engine_fresh_since(const struct engine *engine)
{
    return engine->has_led && engine->phase != SOLO_CLOSING ? now_mono_ms() : 0;
}

bool engine_wants_snapshot(const struct engine *engine)
{
    return engine->phase == SOLO_LEADING &&
           snapshot_plan_wants(&engine->snapshots, engine->applied_index);
}

void engine_snapshot(struct engine *engine, uint64_t index, const void *bytes, size_t size)
{
    PRE(index <= engine->applied_index);
    if (engine->phase != SOLO_LEADING || index <= engine->snapshots.index)
        return;
    snapshot_plan_give(&engine->snapshots, index, bytes, size);
    if (!engine->is_writing)
        start_soon(engine, 0);
}

uint64_t engine_commit_index(const struct engine *engine)
{
    return engine->last_index;
}

void engine_journal(struct engine *engine, const struct journal_row *source)
{
    struct row *row = row_new(source);
    if (row == NULL) {
        log_warning("journal", "out of memory for a journal row of entry %lu",
                    (unsigned long)source->index);
        return;
    }
    row_push(&engine->rows, row);
    keep_rows_bounded(engine);
    if (!engine->is_writing)
        start_soon(engine, 0);
}

int engine_journal_read(struct engine *engine, uint32_t count, engine_journal_cb *cb, void *data)
{
    struct errbuf e = {""};
    struct journal_tail *tail = journal_tail_new(count);
    if (tail == NULL)
        return ERR_NOMEM;
    int err = store_journal_read(engine->store, count, journal_tail_add, tail, &e);
    if (err != 0)
        log_error("journal", "%s", e.text);
    if (engine->is_writing)
        journal_tail_add_queue(tail, round_rows(engine->round));
    journal_tail_add_queue(tail, &engine->rows);
    journal_tail_give(tail, cb, data);
    journal_tail_free(tail);
    return err;
}
