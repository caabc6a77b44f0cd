/* Any bytes as messages of another controller to the consensus core: refused or taken, never a
 * crash. Members are authenticated, and may still be broken. For libFuzzer: the input is a run of
 * frames, each a byte for the sender, two for the size, and that many bytes.
 *
 * A server that has an authenticated peer lie about who leads a term must stop (Election Safety is
 * asserted in production): such an input ends early here. */
#include "orchestrator/proto/raft_message.h"

#include <stdlib.h>
#include <string.h>

enum { LOG_MAX = 64, MEMBERS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct raft *new_server(void)
{
    struct raft_params params = {.id = 1,
                                 .election_ms = 100,
                                 .heartbeat_ms = 20,
                                 .append_bytes_max = 1000,
                                 .window_bytes = 4000,
                                 .chunk_bytes = 100,
                                 .trailing = 8,
                                 .log_max = LOG_MAX,
                                 .seed = 1};
    struct raft_snapshot none = {.membership = {.count = MEMBERS}};
    void *block = malloc(raft_size_bytes(LOG_MAX));
    if (block == NULL)
        abort();
    for (uint32_t i = 0; i < MEMBERS; i++)
        none.membership.members[i] = (struct raft_member){i + 1, RAFT_VOTER};
    struct raft *raft = raft_init(block, &params, 0, 0, &none);
    raft_start(raft, 0);
    return raft;
}

/* What the core promised before cannot be contradicted by a peer that is right; one that is wrong
 * is stopped by an assertion, which is what is wanted. */
static bool contradicts(const struct raft *raft, const struct raft_message *m)
{
    bool is_from_leader = m->type == RAFT_APPEND || m->type == RAFT_SNAPSHOT;
    if (is_from_leader && raft_role(raft) == RAFT_LEADER && m->term == raft_term(raft))
        return true;
    for (uint32_t i = 0; m->type == RAFT_APPEND && i < m->count; i++) {
        uint64_t known = raft_term_of(raft, m->index + 1 + i);
        if (m->index + 1 + i <= raft_commit(raft) && known != 0 && known != m->entries[i].term)
            return true; /* it would undo what is committed */
    }
    return false;
}

static void step(struct raft *raft, struct raft_event *event, struct raft_update *update)
{
    raft_step(raft, event, update);
    if (update->write == 0)
        return;
    struct raft_event written = {
        .type = RAFT_PERSISTED,
        .now_ms = event->now_ms,
        .persisted = {.write = update->write,
                      .last_index = raft_last_index(raft),
                      .last_term = raft_term_of(raft, raft_last_index(raft))}};
    raft_step(raft, &written, update);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct raft *raft = new_server();
    struct raft_update *update = malloc(sizeof(*update));
    int64_t now_ms = 0;
    struct errbuf e;
    while (update != NULL && size >= 3) {
        uint32_t from = 2 + data[0] % 2;
        size_t length = (size_t)data[1] | (size_t)data[2] << 8;
        struct raft_mail mail;
        struct raft_event event = {.type = RAFT_TICK, .now_ms = now_ms += data[0]};
        data += 3;
        size -= 3;
        length = length > size ? size : length;
        step(raft, &event, update);
        if (raft_mail_open(&mail, from, 1, data, length, &e) == ERR_OK) {
            bool is_lie = contradicts(raft, &mail.message);
            event = (struct raft_event){
                .type = RAFT_RECEIVE, .now_ms = now_ms, .message = &mail.message};
            if (!is_lie)
                step(raft, &event, update);
            raft_mail_close(&mail);
            if (is_lie)
                break;
        }
        data += length;
        size -= length;
    }
    free(update);
    free(raft);
    return 0;
}
