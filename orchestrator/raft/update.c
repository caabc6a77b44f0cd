#include "orchestrator/raft/update.h"

#include <string.h>

bool update_has_room(const struct raft_update *update)
{
    return update->message_count + RAFT_MEMBERS_MAX < RAFT_MESSAGES_MAX;
}

struct raft_message *update_message(struct raft *raft, struct raft_update *update,
                                    enum raft_message_type type, uint32_t to)
{
    if (update->message_count == RAFT_MESSAGES_MAX)
        return NULL;
    struct raft_message *m = &update->messages[update->message_count++];
    memset(m, 0, sizeof(*m));
    m->type = type;
    m->from = raft->params.id;
    m->to = to;
    m->term = raft->term;
    return m;
}

uint64_t update_write(struct raft *raft, struct raft_update *update)
{
    if (update->write == 0)
        update->write = ++raft->write;
    return update->write;
}

void update_hard(struct raft *raft, struct raft_update *update)
{
    raft->hard_write = update_write(raft, update);
    update->has_hard = true;
    update->hard_term = raft->term;
    update->hard_voted_for = raft->voted_for;
}

void update_append(struct raft *raft, struct raft_update *update, uint64_t first, uint64_t count)
{
    update_write(raft, update);
    if (update->append_count == 0)
        update->append_first = first;
    update->append_count += count;
    POST(update->append_first + update->append_count == first + count);
}
