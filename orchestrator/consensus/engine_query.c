/* What can be asked of an engine; nothing here changes it. */
#include "orchestrator/base/log.h"
#include "orchestrator/consensus/engine_state.h"
#include "orchestrator/consensus/journal_tail.h"
#include "orchestrator/sys/now.h"

/* Alone also while the storage fails: nobody else can lead a quorum of one, and leases that were
 * granted must not end because of this machine's disk. */
int64_t engine_fresh_since(const struct engine *engine)
{
    if (engine->is_closing || !engine->has_led)
        return 0;
    if (drive_is_alone(engine))
        return now_mono_ms();
    int64_t since_ms =
        engine->is_leading ? raft_fresh_since(engine->raft, now_mono_ms()) : INT64_MIN;
    return since_ms > 0 ? since_ms : 0;
}

bool engine_wants_snapshot(const struct engine *engine)
{
    /* Whoever has not been told its members yet could not keep them in it. */
    return !engine->has_failed && engine->applied_roster.now->n_members > 0 &&
           snapshot_plan_wants(&engine->snapshots, engine->applied);
}

uint64_t engine_commit_index(const struct engine *engine)
{
    uint64_t commit = raft_commit(engine->raft);
    return commit > engine->applied ? commit : engine->applied;
}

uint64_t engine_incarnation(const struct engine *engine)
{
    return store_state(engine->store)->incarnation;
}

const Ephor__Membership *engine_members(const struct engine *engine)
{
    return engine->roster.now;
}

void engine_status(const struct engine *engine, struct engine_status *status)
{
    *status = (struct engine_status){.term = raft_term(engine->raft),
                                     .commit_index = engine_commit_index(engine),
                                     .applied_index = engine->applied,
                                     .first_index = raft_first_index(engine->raft),
                                     .last_index = raft_last_index(engine->raft),
                                     .snapshot_index = raft_snapshot(engine->raft)->index,
                                     .leader = raft_leader(engine->raft),
                                     .role = raft_role_name(raft_role(engine->raft)),
                                     .is_working = engine->is_leading,
                                     .lost_index = raft_lost_index(engine->raft)};
}

uint32_t engine_leader(const struct engine *engine)
{
    return raft_leader(engine->raft);
}

bool engine_peer(const struct engine *engine, uint32_t id, struct engine_peer *peer)
{
    struct raft_peer known;
    if (!raft_peer(engine->raft, id, &known))
        return false;
    *peer = (struct engine_peer){.match_index = known.match_index,
                                 .answered_ms = known.answered_ms > 0 ? known.answered_ms : 0,
                                 .is_snapshotting = known.is_snapshotting};
    return true;
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
