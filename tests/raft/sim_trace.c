/* The history of one seed for people, in the order in which it happens. */
#include "tests/raft/sim_world.h"

#include <stdarg.h>
#include <stdio.h>

static void print_time(const struct sim_world *world)
{
    printf("[%9.2f ms] ", (double)world->now_us / 1000.0);
}

void sim_trace(const struct sim_world *world, const char *format, ...)
{
    if (!world->has_trace)
        return;
    va_list args;
    print_time(world);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void sim_trace_message(const struct sim_world *world, const struct sim_message *message,
                       const char *arrow)
{
    const struct raft_message *raft = &message->raft;
    print_time(world);
    printf("%u %s %u %s term %lu", raft->from, arrow, raft->to, raft_message_name(raft->type),
           raft->term);
    switch (raft->type) {
    case RAFT_PREVOTE:
    case RAFT_VOTE:
        printf(" last %lu/%lu%s", raft->index, raft->index_term,
               raft->is_transfer ? " transfer" : "");
        break;
    case RAFT_PREVOTE_REPLY:
    case RAFT_VOTE_REPLY:
        printf(raft->granted ? " yes" : " no");
        break;
    case RAFT_APPEND:
        printf(" prev %lu/%lu +%u commit %lu", raft->index, raft->index_term, raft->count,
               raft->commit);
        break;
    case RAFT_APPEND_REPLY:
        if (raft->granted)
            printf(" has %lu", raft->index);
        else
            printf(" refuses %lu, try %lu/%lu", raft->refused, raft->index, raft->index_term);
        printf(raft->wants_snapshot ? " wants a snapshot" : "");
        break;
    case RAFT_SNAPSHOT:
        printf(" of %lu/%lu, %lu +%u of %lu", message->snapshot.raft.index,
               message->snapshot.raft.term, raft->offset, raft->size, message->snapshot.raft.size);
        break;
    case RAFT_SNAPSHOT_REPLY:
        printf(" of %lu, has %lu%s", raft->index, raft->offset, raft->granted ? ", installed" : "");
        break;
    case RAFT_TIMEOUT_NOW:
        break;
    }
    printf(" (sent %.2f)\n", (double)message->sent_us / 1000.0);
}

void sim_trace_membership(const struct sim_world *world, uint32_t by,
                          const struct raft_membership *membership, enum raft_result result)
{
    static const char letters[] = {[RAFT_VOTER] = 'v', [RAFT_LEARNER] = 'l', [RAFT_WITNESS] = 'w'};
    if (!world->has_trace)
        return;
    print_time(world);
    printf("%u is asked for the members", by);
    for (uint32_t i = 0; i < membership->count; i++)
        printf(" %u%c", membership->members[i].id, letters[membership->members[i].kind]);
    printf(": %s\n", raft_result_text(result));
}

void sim_trace_update(const struct sim_world *world, const struct sim_server *server)
{
    const struct raft_update *update = &world->update;
    if (update->role_changed)
        sim_trace(world, "%u is %s in term %lu, leader %u", server->id,
                  raft_role_name(raft_role(server->raft)), raft_term(server->raft),
                  raft_leader(server->raft));
    if (update->write == 0)
        return;
    print_time(world);
    printf("%u writes #%lu:", server->id, update->write);
    if (update->has_hard)
        printf(" term %lu vote %u", update->hard_term, update->hard_voted_for);
    if (update->truncate_from != 0)
        printf(" truncate from %lu", update->truncate_from);
    if (update->has_install)
        printf(" install %lu/%lu%s", update->install.index, update->install.term,
               update->keeps_suffix ? ", keep the rest" : "");
    if (update->append_count != 0)
        printf(" append %lu..%lu", update->append_first,
               update->append_first + update->append_count - 1);
    if (update->compact_to != 0)
        printf(" compact to %lu", update->compact_to);
    putchar('\n');
}

void sim_trace_profile(const struct sim_world *world)
{
    const struct sim_profile *p = &world->profile;
    if (!world->has_trace)
        return;
    printf("seed %lu: election %ld ms, heartbeat %ld ms, append %u, window %u, chunk %u, "
           "trailing %u, log %u, snapshot every %u\n",
           world->seed, p->election_ms, p->heartbeat_ms, p->append_bytes_max, p->window_bytes,
           p->chunk_bytes, p->trailing, p->log_max, p->threshold);
    printf("%sdelay %ld + %ld us, loss %u, doubles %u, late %u by %ld us, disk %ld or %ld us\n",
           p->is_in_order ? "in order, " : "", p->delay_us, p->jitter_us, p->loss, p->doubles,
           p->late, p->late_us, p->flush_us, p->slow_flush_us);
    printf(
        "an accident every %ld us for %ld us (crash %u stop %u cut %u disk %u lost %u damage %u), "
        "skew %d ppm, a proposal every %ld us, an order every %ld us\n",
        p->fault_us, p->down_us, p->weight_crash, p->weight_stop, p->weight_cut, p->weight_disk,
        p->weight_lost, p->weight_damage, p->skew_ppm, p->client_us, p->operator_us);
}
