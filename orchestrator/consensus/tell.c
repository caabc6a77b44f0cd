/* What the user of the engine is told: answers, the storage, the members, who leads, the log. All
 * of it on the loop, and never from inside a call of the interface. */
#include "orchestrator/consensus/engine_state.h"

#include "orchestrator/base/contract.h"

enum { APPLY_MAX = 512 }; /* entries handed on before the loop gets its turn */

static void answer(struct engine *engine, struct proposal *proposal)
{
    engine->is_calling_back = true;
    proposal->cb(proposal->data, proposal->err, proposal->err == 0 ? proposal->index : 0);
    engine->is_calling_back = false;
    proposal_free(proposal);
}

void tell_answers(struct engine *engine, struct proposal_queue *queue)
{
    for (struct proposal *p = proposal_pop(queue); p != NULL; p = proposal_pop(queue))
        answer(engine, p);
}

void tell_storage(struct engine *engine, int err, const char *text)
{
    engine->storage_err = err;
    engine->is_calling_back = true;
    engine->callbacks->on_storage(engine->data, err, text);
    engine->is_calling_back = false;
}

void tell_leadership(struct engine *engine, bool is_leader, uint64_t term)
{
    engine->is_leading = is_leader;
    engine->has_led |= is_leader;
    engine->led_term = term;
    engine->is_calling_back = true;
    engine->callbacks->on_leadership(engine->data, is_leader, term);
    engine->is_calling_back = false;
}

void tell_members(struct engine *engine)
{
    engine->members_changed = false;
    if (engine->callbacks->on_members == NULL)
        return;
    engine->is_calling_back = true;
    engine->callbacks->on_members(engine->data, engine->roster.now);
    engine->is_calling_back = false;
}

/* What was proposed and is in the log may still be committed by others; alone, it is not. */
void tell_given_up(struct engine *engine, int err)
{
    struct proposal_queue queue = {0};
    proposal_set_err(&engine->inflight, err);
    proposal_set_err(&engine->waiting, err == ERR_CANCELED ? ERR_AGAIN : err);
    proposal_move(&queue, &engine->inflight);
    proposal_move(&queue, &engine->waiting);
    tell_answers(engine, &queue);
}

void tell_if_leading(struct engine *engine)
{
    uint64_t term = raft_term(engine->raft);
    bool leads = !engine->has_failed && raft_is_working(engine->raft) &&
                 (engine->is_leading || raft_term_of(engine->raft, engine->applied) == term);
    if (engine->is_leading && (!leads || term != engine->led_term)) {
        tell_leadership(engine, false, engine->led_term);
        tell_given_up(engine, ERR_CANCELED);
    }
    if (leads && !engine->is_leading && !engine->is_closing)
        tell_leadership(engine, true, term);
}

/* ---- the log */

/* False: it is not in the file yet. */
static bool hand_on_snapshot(struct engine *engine)
{
    const struct kept_snapshot *kept = engine->kept;
    struct stored_snapshot stored;
    struct errbuf e;
    while (kept != NULL && kept->index != raft_snapshot(engine->raft)->index)
        kept = kept->next;
    if (kept == NULL)
        return false;
    int err = stored_snapshot_open(&stored, kept->bytes, kept->size, &e);
    PRE(err == ERR_OK);
    engine->applied = kept->index;
    roster_close(&engine->applied_roster);
    roster_init(&engine->applied_roster, stored.membership_index,
                roster_copy(stored.packed->membership));
    engine->is_calling_back = true;
    if (!drive_is_witness(engine))
        engine->callbacks->on_snapshot(engine->data, kept->index, kept->term, stored.state,
                                       stored.size);
    engine->is_calling_back = false;
    stored_snapshot_close(&stored);
    return true;
}

static void answer_applied(struct engine *engine)
{
    while (engine->inflight.head != NULL && engine->inflight.head->index <= engine->applied) {
        struct proposal *proposal = proposal_pop(&engine->inflight);
        proposal->err = proposal->term == proposal->entry->term ? ERR_OK : ERR_CANCELED;
        answer(engine, proposal);
    }
}

/* A witness stores and applies nothing. */
static void hand_on_entry(struct engine *engine)
{
    uint64_t index = engine->applied + 1;
    struct log_entry *entry = log_entry_hold(log_cache_at(&engine->cache, index));
    engine->applied = index;
    if (entry->kind == RAFT_ENTRY_DATA && !drive_is_witness(engine)) {
        engine->is_calling_back = true;
        engine->callbacks->on_entry(engine->data, index, entry->term, entry->bytes, entry->size);
        engine->is_calling_back = false;
    } else if (entry->kind == RAFT_ENTRY_CONFIG) {
        roster_adopt(&engine->applied_roster, index,
                     ephor__membership__unpack(NULL, entry->size, entry->bytes));
    }
    log_entry_drop(entry);
}

bool tell_entries(struct engine *engine)
{
    bool is_all = true;
    for (int n = 0; engine->applied < engine->apply_to; n++) {
        is_all = n < APPLY_MAX || engine->is_closing;
        if (!is_all)
            break;
        if (engine->applied >= raft_snapshot(engine->raft)->index)
            hand_on_entry(engine);
        else if (!hand_on_snapshot(engine))
            break;
    }
    answer_applied(engine);
    return is_all;
}
