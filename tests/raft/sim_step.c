/* One event into a core, and its update into the disk, the network and the state machine, in the
 * order that raft.h asks for. What is lent to the core for a step is scribbled over afterwards: a
 * core that keeps a pointer shows itself. */
#include "tests/raft/sim_check.h"
#include "tests/raft/sim_world.h"

#include <stdlib.h>
#include <string.h>

#ifndef SIM_IGNORES_AFTER
#define SIM_IGNORES_AFTER 0 /* 1: a planted mistake of the driver */
#endif

enum { SCRIBBLE = 0xa5, LENT_MEMBERSHIPS = 16 };

static uint64_t chain_of(uint64_t before, const struct sim_entry *entry)
{
    uint64_t chain = sim_mix(before + 0x51ed270b9f3aull) ^ entry->term;
    chain = sim_mix(chain * 3 + entry->payload);
    return sim_mix(chain + ((uint64_t)entry->kind << 32) + ((uint64_t)entry->config << 40) +
                   entry->size);
}

void sim_step_lend(struct sim_world *world, const struct sim_entry *entries, uint32_t count)
{
    if (count > world->scratch_capacity) {
        world->scratch_capacity = count + 64;
        world->scratch =
            sim_need(realloc(world->scratch, world->scratch_capacity * sizeof(*world->scratch)));
    }
    uint32_t memberships = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_entry *entry = &entries[i];
        struct raft_entry *lent = &world->scratch[i];
        *lent = (struct raft_entry){
            .term = entry->term, .size = entry->size, .kind = (enum raft_entry_kind)entry->kind};
        if (entry->kind != RAFT_ENTRY_CONFIG)
            continue;
        lent->membership = &world->configs[entry->config];
        if (memberships < LENT_MEMBERSHIPS) {
            world->scratch_memberships[memberships] = world->configs[entry->config];
            lent->membership = &world->scratch_memberships[memberships++];
        }
    }
}

static void scribble(struct sim_world *world, uint32_t count)
{
    if (count == 0)
        return;
    memset(world->scratch, SCRIBBLE, count * sizeof(*world->scratch));
    for (uint32_t i = 0; i < LENT_MEMBERSHIPS && i < count; i++)
        memset(&world->scratch_memberships[i], SCRIBBLE, sizeof(world->scratch_memberships[i]));
}

/* ---- entries */

static struct sim_entry entry_from_core(struct sim_world *world, const struct sim_server *server,
                                        uint64_t index)
{
    struct raft_entry entry = {0};
    struct sim_entry made = {0};
    const struct raft_entry *found = raft_entry_of(server->raft, index, &entry);
    if (found == NULL) {
        sim_broken(world, "CONTRACT", "%u appends %lu and does not know it", server->id, index);
        return made;
    }
    made.term = found->term;
    made.size = found->size;
    made.kind = (uint16_t)found->kind;
    return made;
}

/* The bytes of a new entry: out of the message that brought it, or of whoever asked for it. */
static void fill_bytes(struct sim_world *world, const struct sim_server *server,
                       const struct raft_event *event, const struct sim_message *source,
                       uint64_t payload, uint64_t index, struct sim_entry *entry)
{
    uint64_t at = index - world->update.append_first;
    bool is_data = entry->kind == RAFT_ENTRY_DATA, is_config = entry->kind == RAFT_ENTRY_CONFIG;
    if (source != NULL && index > source->raft.index &&
        index <= source->raft.index + source->count) {
        const struct sim_entry *got = &source->entries[index - source->raft.index - 1];
        entry->payload = got->payload;
        entry->config = got->config;
    } else if (is_data && event->type == RAFT_PROPOSE && at < event->propose.count)
        entry->payload = payload + at;
    else if (is_config && event->type == RAFT_CHANGE)
        entry->config = sim_config_number(world, event->change.membership);
    else if (is_data || is_config)
        sim_broken(world, "CONTRACT", "%u appends data at %lu that nobody gave", server->id, index);
}

static void absorb_entries(struct sim_world *world, struct sim_server *server,
                           const struct raft_event *event, const struct sim_message *source,
                           uint64_t payload, struct sim_write *write)
{
    const struct raft_update *update = &world->update;
    if (update->append_count == 0)
        return;
    write->count = (uint32_t)update->append_count;
    write->entries = sim_need(calloc(write->count, sizeof(*write->entries)));
    if (update->append_first != sim_log_last(&server->log) + 1)
        sim_broken(world, "CONTRACT", "%u appends at %lu behind %lu", server->id,
                   update->append_first, sim_log_last(&server->log));
    uint64_t chain = 0;
    if (!sim_log_chain(&server->log, update->append_first - 1, &chain))
        sim_broken(world, "CONTRACT", "%u appends at %lu after nothing", server->id,
                   update->append_first);
    for (uint32_t i = 0; i < write->count; i++) {
        uint64_t index = update->append_first + i;
        struct sim_entry entry = entry_from_core(world, server, index);
        fill_bytes(world, server, event, source, payload, index, &entry);
        entry.chain = chain = chain_of(chain, &entry);
        write->entries[i] = entry;
        sim_log_append(&server->log, &entry);
        bool is_own = event->type != RAFT_RECEIVE || source == NULL || source->count == 0;
        sim_check_appended(world, server, index, &entry, is_own);
    }
}

static void absorb_write(struct sim_world *world, struct sim_server *server,
                         const struct raft_event *event, const struct sim_message *source,
                         uint64_t payload)
{
    const struct raft_update *update = &world->update;
    bool has_any = update->has_hard || update->truncate_from != 0 || update->has_install ||
                   update->append_count != 0 || update->compact_to != 0;
    if (update->write == 0 && has_any)
        sim_broken(world, "CONTRACT", "%u has something to store and no write", server->id);
    if (update->write == 0)
        return;
    if (update->write <= server->write)
        sim_broken(world, "CONTRACT", "%u: write %lu after %lu", server->id, update->write,
                   server->write);
    server->write = update->write;
    struct sim_write *write = sim_need(calloc(1, sizeof(*write)));
    write->number = update->write;
    write->has_hard = update->has_hard;
    write->term = update->hard_term;
    write->voted_for = update->hard_voted_for;
    write->truncate_from = update->truncate_from;
    write->append_first = update->append_first;
    write->compact_to = update->compact_to;
    if (update->truncate_from != 0)
        sim_log_truncate(&server->log, update->truncate_from);
    if (update->has_install) {
        write->has_install = true;
        write->keeps_suffix = update->keeps_suffix;
        write->install = server->receiving;
        sim_step_hold_snapshot(server, &server->receiving);
        sim_log_install(&server->log, &server->snapshot, update->keeps_suffix);
        world->totals->snapshots_installed++;
    }
    absorb_entries(world, server, event, source, payload, write);
    if (update->compact_to != 0)
        sim_log_compact(&server->log, update->compact_to);
    sim_disk_queue(world, server, write);
}

/* ---- a snapshot that arrives in pieces */

static void absorb_chunk(struct sim_world *world, struct sim_server *server,
                         const struct sim_message *source)
{
    const struct raft_update *update = &world->update;
    if (update->chunk_accepted) {
        if (source == NULL || source->raft.type != RAFT_SNAPSHOT) {
            sim_broken(world, "CONTRACT", "%u accepts a chunk nobody sent", server->id);
            return;
        }
        const struct raft_snapshot *now = &server->receiving.raft, *new = &source->snapshot.raft;
        if (now->index != new->index || now->term != new->term || source->raft.offset == 0) {
            server->receiving = source->snapshot;
            server->received = 0;
        }
        if (source->raft.offset > server->received)
            sim_broken(world, "CONTRACT", "%u accepts a chunk at %lu and has %lu", server->id,
                       source->raft.offset, server->received);
        if (source->raft.offset + source->raft.size > server->received)
            server->received = source->raft.offset + source->raft.size;
    }
    if (!update->has_install)
        return;
    const struct raft_snapshot *install = &update->install, *got = &server->receiving.raft;
    if (install->index != got->index || install->term != got->term ||
        server->received != install->size)
        sim_broken(world, "CONTRACT", "%u installs %lu/%lu of %lu bytes, got %lu/%lu of %lu",
                   server->id, install->index, install->term, install->size, got->index, got->term,
                   server->received);
}

/* ---- messages */

static bool may_send(const struct sim_server *server, const struct sim_message *message)
{
    return SIM_IGNORES_AFTER || message->raft.after <= server->disk.durable;
}

/* The newest snapshot, or one that some server is still being sent. */
static const struct sim_snapshot *held_snapshot(const struct sim_server *server, uint64_t index)
{
    if (server->snapshot.raft.index == index)
        return &server->snapshot;
    for (uint32_t i = 0; i < server->older_count; i++)
        if (server->older[i].raft.index == index)
            return &server->older[i];
    return NULL;
}

/* A newer one takes the place of the newest; of the older ones only those are kept that the core
 * says it is sending. */
void sim_step_hold_snapshot(struct sim_server *server, const struct sim_snapshot *newer)
{
    const struct raft_membership *membership = raft_membership(server->raft);
    uint32_t kept = 0;
    if (server->older_count < SIM_OLDER_MAX)
        server->older[server->older_count++] = server->snapshot;
    server->snapshot = *newer;
    for (uint32_t i = 0; i < server->older_count; i++) {
        bool is_wanted = false;
        for (uint32_t m = 0; m < membership->count; m++) {
            struct raft_peer peer;
            is_wanted = is_wanted || (raft_peer(server->raft, membership->members[m].id, &peer) &&
                                      peer.is_snapshotting &&
                                      peer.snapshot_index == server->older[i].raft.index);
        }
        if (is_wanted)
            server->older[kept++] = server->older[i];
    }
    server->older_count = kept;
}

static struct sim_message *message_of(struct sim_world *world, const struct sim_server *server,
                                      const struct raft_message *raft)
{
    uint32_t count = raft->type == RAFT_APPEND ? raft->count : 0;
    struct sim_message *message = sim_message_new(count);
    message->raft = *raft;
    message->sent_us = world->now_us;
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_entry *entry = sim_log_at(&server->log, raft->index + 1 + i);
        if (entry == NULL) {
            sim_broken(world, "CONTRACT", "%u sends entry %lu, which it has not", server->id,
                       raft->index + 1 + i);
            message->count = i;
            break;
        }
        message->entries[i] = *entry;
    }
    if (raft->type != RAFT_SNAPSHOT)
        return message;
    const struct sim_snapshot *held =
        raft->snapshot == NULL ? NULL : held_snapshot(server, raft->snapshot->index);
    if (held == NULL || raft->offset + raft->size > raft->snapshot->size ||
        raft->snapshot->term != held->raft.term || raft->snapshot->size != held->raft.size)
        sim_broken(world, "CONTRACT", "%u sends a piece of a snapshot that it has not", server->id);
    else
        message->snapshot = (struct sim_snapshot){*raft->snapshot, held->chain};
    return message;
}

static void absorb_messages(struct sim_world *world, struct sim_server *server)
{
    const struct raft_update *update = &world->update;
    for (uint32_t i = 0; i < update->message_count; i++) {
        const struct raft_message *raft = &update->messages[i];
        if (raft->from != server->id || raft->to == 0 || raft->to > SIM_SERVERS_MAX ||
            raft->to == server->id || raft->after > server->write) {
            sim_broken(world, "CONTRACT", "%u sends %s from %u to %u after write %lu of %lu",
                       server->id, raft_message_name(raft->type), raft->from, raft->to, raft->after,
                       server->write);
            return;
        }
        struct sim_message *message = message_of(world, server, raft);
        if (may_send(server, message)) {
            sim_check_sent(world, server, &message->raft);
            sim_net_send(world, message);
            continue;
        }
        *server->outbox_last = message;
        server->outbox_last = &message->next;
    }
}

void sim_step_send_due(struct sim_world *world, struct sim_server *server)
{
    struct sim_message **at = &server->outbox;
    while (*at != NULL) {
        struct sim_message *message = *at;
        if (!may_send(server, message)) {
            at = &message->next;
            continue;
        }
        *at = message->next;
        message->next = NULL;
        sim_check_sent(world, server, &message->raft);
        sim_net_send(world, message);
    }
    server->outbox_last = at;
}

/* ---- the state machine */

static void apply_to(struct sim_world *world, struct sim_server *server, uint64_t to)
{
    if (to < server->applied)
        sim_broken(world, "MACHINE", "%u applies up to %lu after %lu", server->id, to,
                   server->applied);
    if (server->applied < server->snapshot.raft.index && to >= server->snapshot.raft.index) {
        server->applied = server->snapshot.raft.index;
        server->applied_chain = server->snapshot.chain;
        server->applied_membership = server->snapshot.raft.membership;
        server->applied_membership_index = server->snapshot.raft.membership_index;
        sim_check_applied(world, server, server->applied, server->applied_chain);
        if (world->above != NULL)
            world->above->on_applied(world->above_data, server, NULL);
    }
    while (server->applied < to) {
        const struct sim_entry *entry = sim_log_at(&server->log, server->applied + 1);
        if (entry == NULL) {
            sim_broken(world, "CONTRACT", "%u is to apply up to %lu and has no %lu: snapshot %lu",
                       server->id, to, server->applied + 1, server->snapshot.raft.index);
            return;
        }
        server->applied++;
        server->applied_chain = chain_of(server->applied_chain, entry);
        if (entry->kind == RAFT_ENTRY_CONFIG) {
            server->applied_membership = world->configs[entry->config];
            server->applied_membership_index = server->applied;
        }
        sim_check_applied(world, server, server->applied, server->applied_chain);
        if (world->above != NULL)
            world->above->on_applied(world->above_data, server, entry);
        if (entry->kind == RAFT_ENTRY_DATA &&
            sim_check_proposal_is_here(world->check, entry->payload, server, server->applied,
                                       entry->term))
            sim_check_acknowledged(world, server->applied, entry->payload);
    }
}

void sim_step_take_snapshot(struct sim_world *world, struct sim_server *server,
                            const struct sim_snapshot *taken)
{
    struct sim_snapshot *copy = sim_need(malloc(sizeof(*copy)));
    *copy = *taken;
    server->is_snapshotting = true;
    int64_t most = server->disk.is_slow ? world->profile.slow_flush_us : world->profile.flush_us;
    struct sim_event event = {.at_us =
                                  world->now_us + sim_between(&world->random, most / 4, 10 * most),
                              .type = SIM_SNAPSHOT,
                              .server = server->id,
                              .life = server->life,
                              .snapshot = copy};
    sim_queue_push(&world->queue, event);
}

/* A snapshot of it now and then, or when the log is getting full. A witness has no state machine.
 */
static void take_snapshot(struct sim_world *world, struct sim_server *server)
{
    uint32_t threshold = world->profile.threshold;
    enum raft_kind kind = RAFT_VOTER;
    if (server->log.count > server->params.log_max / 2)
        threshold = 1;
    if (server->is_snapshotting || server->state != SIM_RUNNING ||
        server->applied_membership.count == 0 ||
        server->applied < server->snapshot.raft.index + threshold)
        return;
    sim_is_member(raft_membership(server->raft), server->id, &kind);
    if (kind == RAFT_WITNESS)
        return;
    struct sim_snapshot taken = {.chain = server->applied_chain};
    taken.raft.index = server->applied;
    taken.raft.term = raft_term_of(server->raft, server->applied);
    taken.raft.size = 100 + server->applied % 2000;
    taken.raft.membership = server->applied_membership;
    taken.raft.membership_index = server->applied_membership_index;
    sim_step_take_snapshot(world, server, &taken);
}

/* ---- the step */

static void set_tick(struct sim_world *world, struct sim_server *server)
{
    int64_t deadline = raft_deadline(server->raft);
    if (deadline == RAFT_NEVER_MS) {
        server->tick_us = INT64_MAX;
        return;
    }
    int64_t local = deadline - server->offset_ms;
    int64_t rate = 1000000 + server->ppm;
    server->tick_us = local <= 0 ? 0 : (local * 1000000000 + rate - 1) / rate;
    if (server->tick_us <= world->now_us)
        server->tick_us = world->now_us + 1;
    if (sim_percent(&world->random, 10)) /* a loop that was busy */
        server->tick_us += sim_between(&world->random, 0, 2000);
}

enum raft_result sim_step(struct sim_world *world, struct sim_server *server,
                          struct raft_event *event, const struct sim_message *source,
                          uint64_t payload)
{
    struct sim_before before;
    sim_check_before(server, &before);
    event->now_ms = sim_local_ms(world, server);
    uint32_t lent = 0;
    struct raft_message received;
    if (source != NULL) {
        received = source->raft;
        sim_step_lend(world, source->entries, source->count);
        lent = source->count;
        received.entries = lent == 0 ? NULL : world->scratch;
        received.snapshot = source->raft.type == RAFT_SNAPSHOT ? &source->snapshot.raft : NULL;
        event->message = &received;
    }
    raft_step(server->raft, event, &world->update);
    scribble(world, lent);
    world->totals->events++;
    enum raft_result result = world->update.result;
    if (server->state == SIM_FAILED) {
        if (world->update.write != 0)
            sim_broken(world, "CONTRACT", "%u writes on a disk that failed", server->id);
        sim_check_after(world, server, &before);
        set_tick(world, server);
        if (world->above != NULL)
            world->above->on_step(world->above_data, server);
        return result;
    }
    absorb_chunk(world, server, source);
    absorb_write(world, server, event, source, payload);
    if (event->type == RAFT_PROPOSE && result == RAFT_OK && world->update.append_count != 0)
        for (uint64_t i = 0; i < world->update.append_count; i++)
            sim_check_proposed(world->check, payload + i, server, world->update.append_first + i,
                               raft_term(server->raft));
    sim_check_after(world, server, &before);
    if (world->has_trace)
        sim_trace_update(world, server);
    apply_to(world, server, world->update.apply_to);
    if (server->ambush == SIM_AFTER_STEP && world->update.write != 0) {
        sim_server_crash(world, server, -1);
        return result;
    }
    absorb_messages(world, server);
    if (world->profile.has_churn && before.role != RAFT_LEADER &&
        raft_role(server->raft) == RAFT_LEADER)
        sim_fault_depose(world, server);
    if (world->above == NULL)
        take_snapshot(world, server);
    set_tick(world, server);
    if (world->above != NULL)
        world->above->on_step(world->above_data, server);
    return result;
}
