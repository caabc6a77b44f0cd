/* The engine interface on our own consensus core; a quorum of one is a cluster of one.
 *
 *   opened ──▶ follower ──▶ leads (told once an entry of its own term is handed on) ──▶ follower
 *      storage fails: says so, steps down, tries every RETRY_MS, and starts anew from the file
 *
 * Here: in what order things happen, and when rounds are written. Elections and the log are the
 * core's (drive.c, raft/), the file is the store's; tell.c tells the user. */
#include "orchestrator/consensus/engine.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/engine_state.h"
#include "orchestrator/proto/raft_message.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MS = 500,
    SCRUB_MS = 10000,
    READ_MAX_MS = 5000,
    TRAILING_DEFAULT = 1024,
};

static void on_round_done(void *data);
static void turn(struct engine *engine);

static void start_soon(struct engine *engine, int64_t delay_ms)
{
    if (engine->soon_is_started || engine->is_closing)
        return;
    engine->soon_is_started = true;
    timer_start(engine->soon, delay_ms, 0);
}

/* ---------------------------------------------------------------- rounds */

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

static void start_round(struct engine *engine)
{
    engine->is_writing = true;
    if (round_start(engine->round, engine->loop, on_round_done, engine) != 0)
        on_round_done(engine);
}

static void fail(struct engine *engine)
{
    const struct round_result result = *round_result(engine->round);
    char text[ERR_TEXT_SIZE + 64];
    uint64_t term = engine->led_term;
    bool was_leading = engine->is_leading;
    drive_storage_failed(engine);
    keep_rows_bounded(engine);
    if (!engine->is_closing) {
        if (engine->storage_err != result.err) {
            text_format(text, sizeof(text), "%s; trying again every %d ms", result.text.text,
                        RETRY_MS);
            tell_storage(engine, result.err, text);
        }
        timer_start(engine->retry, RETRY_MS, 0);
    }
    if (was_leading && !engine->is_closing)
        tell_leadership(engine, false, term);
    engine->is_leading = false;
    tell_given_up(engine, drive_is_alone(engine) && !result.is_unknown ? result.err : ERR_CANCELED);
}

/* The file can be written again: begin anew with what is in it. */
static void recover(struct engine *engine)
{
    struct errbuf e = {""};
    int err = drive_load(engine, &e);
    if (err != ERR_OK) {
        if (engine->storage_err != err)
            tell_storage(engine, err, e.text);
        timer_start(engine->retry, RETRY_MS, 0);
        return;
    }
    if (engine->storage_err != 0)
        tell_storage(engine, 0, "the storage works again");
    drive_arm(engine);
}

static void end_probe(struct engine *engine)
{
    const struct round_result *result = round_result(engine->round);
    engine->is_probing = false;
    if (result->err == 0) {
        row_clear(round_rows(engine->round));
        round_clear(engine->round);
        recover(engine);
        return;
    }
    if (engine->storage_err != result->err)
        tell_storage(engine, result->err, result->text.text);
    row_put_back(&engine->rows, round_rows(engine->round));
    keep_rows_bounded(engine);
    round_clear(engine->round);
    timer_start(engine->retry, RETRY_MS, 0);
}

static void end_round(struct engine *engine)
{
    engine->is_writing = false;
    if (engine->is_probing) {
        end_probe(engine);
    } else if (round_result(engine->round)->err != 0) {
        fail(engine);
    } else {
        if (engine->rows.head == NULL)
            engine->rows_were_dropped = false;
        drive_persisted(engine);
    }
}

static void on_round_done(void *data)
{
    struct engine *engine = data;
    end_round(engine);
    turn(engine);
}

/* A small round in place of those that failed. It drops what an unknown outcome may have left. */
static void on_retry(void *data)
{
    struct engine *engine = data;
    const struct store_state *state = store_state(engine->store);
    struct store_write *w = round_begin(engine->round, engine->storage_err == ERR_NO_SPACE);
    w->truncate_from = state->last_index + 1;
    w->term = state->term;
    w->voted_for = state->voted_for;
    w->probes = true;
    round_add_rows(engine->round, &engine->rows);
    engine->is_probing = true;
    start_round(engine);
}

/* ---------------------------------------------------------------- turns */

/* All that follows from what happened: hand on, tell, write. */
static void turn(struct engine *engine)
{
    if (engine->is_closing)
        return;
    if (engine->members_changed)
        tell_members(engine);
    if (!tell_entries(engine))
        start_soon(engine, 0);
    tell_if_leading(engine);
    reads_look(engine);
    if (engine->has_failed)
        return;
    drive_propose(engine);
    if (engine->refused.head != NULL)
        start_soon(engine, 1);
    if (!engine->is_writing)
        turn_end_start(engine->round_due);
}

static void on_round_due(void *data)
{
    struct engine *engine = data;
    if (!engine->is_closing && !engine->has_failed && !engine->is_writing &&
        drive_fill_round(engine))
        start_round(engine);
}

static void on_proposals_due(void *data)
{
    turn(data);
}

static void on_soon(void *data)
{
    struct engine *engine = data;
    struct proposal_queue refused = {0};
    engine->soon_is_started = false;
    turn(engine);
    proposal_move(&refused, &engine->refused);
    tell_answers(engine, &refused);
}

static void on_tick(void *data)
{
    struct engine *engine = data;
    struct raft_event event = {.type = RAFT_TICK};
    drive_step(engine, &event);
    turn(engine);
}

/* At most a line a second: nobody shall fill a log from afar. */
static void tell_nonsense(struct engine *engine, uint32_t from, const char *text)
{
    int64_t now_ms = now_mono_ms();
    if (now_ms - engine->nonsense_ms < 1000)
        return;
    engine->nonsense_ms = now_ms;
    log_warning("peer", "controller %u sent a message that makes no sense: %s", from, text);
}

void engine_receive(struct engine *engine, uint32_t from, const void *bytes, size_t size)
{
    struct raft_mail mail;
    struct errbuf e;
    if (engine->has_failed || engine->is_closing)
        return;
    int err = raft_mail_open(&mail, from, engine->controller, bytes, size, &e);
    if (err != ERR_OK) {
        tell_nonsense(engine, from, e.text);
        return;
    }
    struct raft_event event = {.type = RAFT_RECEIVE, .message = &mail.message};
    drive_step(engine, &event);
    raft_mail_close(&mail);
    turn(engine);
}

void engine_connected(struct engine *engine, uint32_t id)
{
    struct raft_event event = {.type = RAFT_CONNECTED, .peer = id};
    if (engine->has_failed || engine->is_closing)
        return;
    drive_step(engine, &event);
    turn(engine);
}

/* ---------------------------------------------------------------- damage */

/* Whatever the file holds is in memory, too, and there it is well. */
static void on_damage(void *data, uint64_t index, const char *text)
{
    struct engine *engine = data;
    if (engine->has_failed || engine->is_closing)
        return;
    log_error("storage", "%s", text);
    if (drive_repair(engine, index))
        log_warning("storage", "it is written anew from memory; look after the disk");
    start_soon(engine, 0);
}

/* ---------------------------------------------------------------- open and close */

static void free_engine(struct engine *engine)
{
    turn_end_free(engine->round_due);
    turn_end_free(engine->proposals_due);
    timer_free(engine->soon);
    timer_free(engine->tick);
    timer_free(engine->retry);
    reads_free(engine->reads);
    scrub_free(engine->scrub);
    drive_close(engine);
    store_close(engine->store);
    row_clear(&engine->rows);
    snapshot_plan_close(&engine->snapshots);
    free(engine->name);
    free(engine);
}

static int prepare(struct engine *engine, const struct engine_params *params, struct errbuf *e)
{
    engine->name = strdup(params->name == NULL ? "" : params->name);
    engine->round_due = turn_end_new(engine->loop, on_round_due, engine);
    engine->proposals_due = turn_end_new(engine->loop, on_proposals_due, engine);
    engine->soon = timer_new(engine->loop, on_soon, engine);
    engine->tick = timer_new(engine->loop, on_tick, engine);
    engine->retry = timer_new(engine->loop, on_retry, engine);
    engine->raft_params = drive_params(params, store_state(engine->store));
    engine->raft = malloc(raft_size_bytes(engine->raft_params.log_max));
    engine->update = malloc(sizeof(*engine->update));
    engine->round = round_new(engine->store);
    engine->reads = reads_new(engine, params->read_max_ms == 0 ? READ_MAX_MS : params->read_max_ms);
    engine->scrub =
        scrub_new(engine->loop, params->state_dir,
                  params->scrub_ms == 0 ? SCRUB_MS : params->scrub_ms, on_damage, engine);
    if (engine->name == NULL || engine->round_due == NULL || engine->proposals_due == NULL ||
        engine->soon == NULL || engine->tick == NULL || engine->retry == NULL ||
        engine->raft == NULL || engine->update == NULL || engine->round == NULL ||
        engine->reads == NULL || engine->scrub == NULL)
        return err_set(e, ERR_NOMEM, "open %s: out of memory", params->state_dir);
    return drive_load(engine, e);
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
    engine->held_end = &engine->held;
    buf_init(&engine->packed, 2 * (size_t)ENGINE_ENTRY_MAX);
    buf_init(&engine->incoming, 2 * (size_t)ENGINE_ENTRY_MAX);
    int err = drive_open(engine, params, e);
    if (err == 0)
        err = prepare(engine, params, e);
    if (err != 0) {
        round_free(engine->round);
        free_engine(engine);
        return err;
    }
    engine->apply_to = raft_snapshot(engine->raft)->index;
    engine->applied = engine->apply_to > 0 ? 0 : raft_first_index(engine->raft) - 1;
    if (engine->apply_to == 0) /* otherwise the snapshot brings it */
        roster_init(&engine->applied_roster, 0, drive_first_membership(engine));
    drive_arm(engine);
    start_soon(engine, 0);
    *result = engine;
    return ERR_OK;
}

/* What waits is written here and now, and what that brings to the journal. New proposals are
 * refused by now, so this ends. */
static void flush(struct engine *engine)
{
    if (engine->is_writing) {
        round_wait(engine->round);
        end_round(engine);
    }
    for (;;) {
        if (engine->has_failed)
            break;
        tell_entries(engine);
        if (drive_is_alone(engine))
            drive_propose(engine);
        if (!drive_fill_round(engine))
            break;
        round_run(engine->round);
        end_round(engine);
    }
    if (engine->rows.head != NULL)
        log_warning("journal", "%zu journal rows could not be written", engine->rows.count);
}

void engine_close(struct engine *engine)
{
    if (engine == NULL)
        return;
    PRE(!engine->is_calling_back);
    engine->is_closing = true;
    timer_stop(engine->soon);
    timer_stop(engine->tick);
    timer_stop(engine->retry);
    flush(engine);
    tell_given_up(engine, ERR_CANCELED);
    reads_close(engine);
    tell_answers(engine, &engine->refused);
    round_drop(engine->round);
    free_engine(engine);
}

/* ---------------------------------------------------------------- the interface */

static int refusal(const struct engine *engine, size_t size)
{
    if (engine->is_closing)
        return ERR_CANCELED;
    if (!engine->is_leading)
        return ERR_AGAIN;
    if (size > ENGINE_ENTRY_MAX || !proposal_fits(&engine->waiting, size) ||
        !proposal_fits(&engine->inflight, size))
        return ERR_LIMIT;
    return ERR_OK;
}

static void propose(struct engine *engine, enum raft_entry_kind kind, const void *bytes,
                    size_t size, engine_propose_cb *cb, void *data)
{
    int err = refusal(engine, size);
    struct proposal *proposal = proposal_new(kind, bytes, err == 0 ? size : 0, cb, data);
    if (proposal == NULL) {
        err = ERR_NOMEM;
        proposal = proposal_new(kind, NULL, 0, cb, data);
    }
    PRE(proposal != NULL); /* not even room to say so */
    proposal->err = err;
    proposal_push(err == 0 ? &engine->waiting : &engine->refused, proposal);
    if (err == 0)
        turn_end_start(engine->proposals_due);
    else /* a client that asks again at once must not starve the loop */
        start_soon(engine, 1);
}

void engine_propose(struct engine *engine, const void *bytes, size_t size, engine_propose_cb *cb,
                    void *data)
{
    propose(engine, RAFT_ENTRY_DATA, bytes, size, cb, data);
}

void engine_change(struct engine *engine, const Ephor__Membership *members, engine_propose_cb *cb,
                   void *data)
{
    size_t size = ephor__membership__get_packed_size(members);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__membership__pack(members, bytes);
    propose(engine, RAFT_ENTRY_CONFIG, bytes, size, cb, data);
    free(bytes);
}

int engine_transfer(struct engine *engine, uint32_t to)
{
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer_to = to};
    if (engine->has_failed || !engine->is_leading)
        return ERR_AGAIN;
    enum raft_result result = drive_step(engine, &event);
    start_soon(engine, 0);
    if (result == RAFT_NO_TARGET)
        return ERR_NOT_FOUND;
    return result == RAFT_OK ? ERR_OK : ERR_AGAIN;
}

void engine_snapshot(struct engine *engine, uint64_t index, const void *bytes, size_t size)
{
    size_t packed_size;
    PRE(index <= engine->applied);
    if (engine->has_failed || index <= engine->snapshots.index)
        return;
    uint64_t membership_index;
    const Ephor__Membership *members = roster_at(&engine->applied_roster, index, &membership_index);
    if (members == NULL)
        return; /* the members changed twice since: the next one will do */
    void *packed = stored_snapshot_pack(members, membership_index, bytes, size, &packed_size);
    if (packed == NULL) {
        log_warning("snapshot", "out of memory for a snapshot of %zu bytes", size);
        return;
    }
    snapshot_plan_give(&engine->snapshots, index, packed, packed_size);
    free(packed);
    start_soon(engine, 0);
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
    start_soon(engine, 0);
}
