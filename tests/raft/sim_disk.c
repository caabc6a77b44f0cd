/* Logs, and the disk below them: writes wait, several reach the disk together after a while, and
 * a crash forgets those that have not; or not quite, for a write may be durable before anybody
 * has been told. */
#include "tests/raft/sim_check.h"
#include "tests/raft/sim_world.h"

#include <stdlib.h>
#include <string.h>

#ifndef SIM_FORGETS_LOST
#define SIM_FORGETS_LOST 0 /* 1: another: damage is repaired as if nothing had been promised */
#endif
#ifndef SIM_FORGETS_VOTES
#define SIM_FORGETS_VOTES 0 /* 1: a planted mistake of the driver */
#endif

/* ---- logs */

void sim_log_clear(struct sim_log *log, uint64_t first, uint64_t base_chain)
{
    log->first = first;
    log->base_chain = base_chain;
    log->count = 0;
}

uint64_t sim_log_last(const struct sim_log *log)
{
    return log->first + log->count - 1;
}

const struct sim_entry *sim_log_at(const struct sim_log *log, uint64_t index)
{
    if (index < log->first || index >= log->first + log->count)
        return NULL;
    return &log->entries[index - log->first];
}

bool sim_log_chain(const struct sim_log *log, uint64_t index, uint64_t *chain)
{
    const struct sim_entry *entry = sim_log_at(log, index);
    if (entry != NULL)
        *chain = entry->chain;
    else if (index + 1 == log->first)
        *chain = log->base_chain;
    else
        return false;
    return true;
}

void sim_log_truncate(struct sim_log *log, uint64_t from)
{
    if (from >= log->first && from < log->first + log->count)
        log->count = (uint32_t)(from - log->first);
}

void sim_log_compact(struct sim_log *log, uint64_t to)
{
    if (to < log->first || log->count == 0)
        return;
    uint64_t drop = to - log->first + 1;
    if (drop > log->count)
        drop = log->count;
    log->base_chain = log->entries[drop - 1].chain;
    log->count -= (uint32_t)drop;
    log->first += drop;
    memmove(log->entries, log->entries + drop, log->count * sizeof(*log->entries));
}

void sim_log_append(struct sim_log *log, const struct sim_entry *entry)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 256 : log->capacity * 2;
        log->entries = sim_need(realloc(log->entries, log->capacity * sizeof(*entry)));
    }
    log->entries[log->count++] = *entry;
}

void sim_log_copy(struct sim_log *to, const struct sim_log *from)
{
    sim_log_clear(to, from->first, from->base_chain);
    for (uint32_t i = 0; i < from->count; i++)
        sim_log_append(to, &from->entries[i]);
}

void sim_log_install(struct sim_log *log, const struct sim_snapshot *snapshot, bool keeps_suffix)
{
    if (keeps_suffix)
        sim_log_compact(log, snapshot->raft.index);
    else
        sim_log_clear(log, snapshot->raft.index + 1, snapshot->chain);
}

/* ---- the disk */

bool sim_disk_has(const struct sim_disk *disk, uint64_t index, uint64_t chain)
{
    const struct sim_entry *entry = sim_log_at(&disk->log, index);
    if (entry != NULL && entry->chain == chain)
        return true;
    if (entry == NULL && index <= disk->snapshot.raft.index)
        return true;
    /* What it acknowledged and lost to damage counts: it votes as if it had it. */
    entry = sim_log_at(&disk->lost, index);
    return entry != NULL && entry->chain == chain;
}

static void last_of(const struct sim_disk *disk, uint64_t *index, uint64_t *term)
{
    const struct sim_entry *entry = sim_log_at(&disk->log, sim_log_last(&disk->log));
    *index = entry == NULL ? disk->snapshot.raft.index : sim_log_last(&disk->log);
    *term = entry == NULL ? disk->snapshot.raft.term : entry->term;
}

void sim_disk_damage(struct sim_disk *disk, uint64_t from, const struct sim_snapshot *first)
{
    last_of(disk, &disk->lost_index, &disk->lost_term);
    if (SIM_FORGETS_LOST)
        disk->lost_index = disk->lost_term = 0;
    uint64_t keep = from < disk->log.first ? disk->log.first : from;
    sim_log_clear(&disk->lost, keep, 0);
    for (uint64_t i = keep; i <= sim_log_last(&disk->log); i++)
        sim_log_append(&disk->lost, sim_log_at(&disk->log, i));
    if (from != 0) {
        sim_log_truncate(&disk->log, from);
        return;
    }
    disk->snapshot = *first;
    sim_log_clear(&disk->log, 1, 0);
}

static void forget_lost(struct sim_disk *disk)
{
    uint64_t index, term;
    last_of(disk, &index, &term);
    if (term < disk->lost_term || (term == disk->lost_term && index < disk->lost_index))
        return;
    disk->lost_index = disk->lost_term = 0;
    sim_log_clear(&disk->lost, 1, 0);
}

static void apply_write(struct sim_world *world, struct sim_server *server,
                        const struct sim_write *write)
{
    struct sim_disk *disk = &server->disk;
    if (write->has_hard) {
        if (write->term < disk->term || (write->term == disk->term && disk->voted_for != 0 &&
                                         write->voted_for != disk->voted_for))
            sim_broken(world, "VOTE", "%u stores term %lu vote %u over term %lu vote %u",
                       server->id, write->term, write->voted_for, disk->term, disk->voted_for);
        disk->term = write->term;
        disk->voted_for = SIM_FORGETS_VOTES ? 0 : write->voted_for;
    }
    if (write->truncate_from != 0)
        sim_log_truncate(&disk->log, write->truncate_from);
    if (write->has_install && write->install.raft.index > disk->snapshot.raft.index)
        disk->snapshot = write->install;
    if (write->has_install)
        sim_log_install(&disk->log, &write->install, write->keeps_suffix);
    for (uint32_t i = 0; i < write->count; i++) {
        if (write->append_first + i != sim_log_last(&disk->log) + 1)
            sim_broken(world, "CONTRACT", "%u: write %lu leaves a hole before %lu", server->id,
                       write->number, write->append_first);
        sim_log_append(&disk->log, &write->entries[i]);
    }
    if (write->compact_to > disk->snapshot.raft.index)
        sim_broken(world, "CONTRACT", "%u drops entries up to %lu, the snapshot is at %lu",
                   server->id, write->compact_to, disk->snapshot.raft.index);
    if (write->compact_to != 0)
        sim_log_compact(&disk->log, write->compact_to);
    if (disk->lost_index != 0)
        forget_lost(disk);
    disk->durable = write->number;
}

static void drop_first(struct sim_disk *disk)
{
    struct sim_write *write = disk->first;
    disk->first = write->next;
    if (disk->first == NULL)
        disk->last = &disk->first;
    free(write->entries);
    free(write);
}

static void flush(struct sim_world *world, struct sim_server *server, uint32_t count)
{
    struct sim_disk *disk = &server->disk;
    while (count-- > 0 && disk->first != NULL) {
        apply_write(world, server, disk->first);
        drop_first(disk);
    }
}

void sim_disk_queue(struct sim_world *world, struct sim_server *server, struct sim_write *write)
{
    struct sim_disk *disk = &server->disk;
    if (disk->first == NULL)
        disk->last = &disk->first;
    *disk->last = write;
    disk->last = &write->next;
    sim_disk_start_flush(world, server);
}

void sim_disk_start_flush(struct sim_world *world, struct sim_server *server)
{
    struct sim_disk *disk = &server->disk;
    if (disk->in_flush != 0 || disk->first == NULL || server->state != SIM_RUNNING)
        return;
    uint32_t waiting = 0;
    for (const struct sim_write *write = disk->first; write != NULL; write = write->next)
        waiting++;
    disk->in_flush = sim_percent(&world->random, 80)
                         ? waiting
                         : (uint32_t)sim_between(&world->random, 1, waiting);
    const struct sim_profile *profile = &world->profile;
    int64_t most = disk->is_slow ? profile->slow_flush_us : profile->flush_us;
    struct sim_event event = {.at_us = world->now_us + sim_between(&world->random, most / 4, most),
                              .type = SIM_FLUSH,
                              .server = server->id,
                              .life = server->life};
    sim_queue_push(&world->queue, event);
}

void sim_disk_on_flush(struct sim_world *world, struct sim_server *server)
{
    struct sim_disk *disk = &server->disk;
    uint32_t count = disk->in_flush;
    disk->in_flush = 0;
    if (server->ambush == SIM_BEFORE_DURABLE && server->state == SIM_RUNNING) {
        sim_server_crash(world, server, -1);
        return;
    }
    if (disk->is_failing && server->state == SIM_RUNNING) {
        /* What the error says and what the platter has are two things. */
        if (sim_percent(&world->random, 30))
            flush(world, server, count);
        sim_server_fail(world, server);
        return;
    }
    flush(world, server, count);
    if (server->ambush == SIM_BEFORE_SEND && server->state == SIM_RUNNING) {
        sim_server_crash(world, server, -1);
        return;
    }
    struct sim_event event = {.at_us = world->now_us + sim_between(&world->random, 0, 60),
                              .type = SIM_PERSISTED,
                              .server = server->id,
                              .life = server->life};
    event.persisted.write = disk->durable;
    last_of(disk, &event.persisted.index, &event.persisted.term);
    sim_queue_push(&world->queue, event);
}

void sim_disk_crash(struct sim_world *world, struct sim_server *server)
{
    struct sim_disk *disk = &server->disk;
    if (disk->in_flush != 0 && sim_percent(&world->random, 30))
        flush(world, server, disk->in_flush);
    while (disk->first != NULL)
        drop_first(disk);
    disk->in_flush = 0;
}

void sim_disk_reset(struct sim_disk *disk)
{
    while (disk->first != NULL)
        drop_first(disk);
    struct sim_log log = disk->log, lost = disk->lost;
    sim_log_clear(&log, 1, 0);
    sim_log_clear(&lost, 1, 0);
    *disk = (struct sim_disk){.log = log, .lost = lost};
    disk->last = &disk->first;
}
