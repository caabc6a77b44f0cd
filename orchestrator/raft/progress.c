#include "orchestrator/raft/progress.h"

#include "orchestrator/raft/trail.h"

#include <string.h>

void progress_init(const struct raft *raft, struct progress *p)
{
    memset(p, 0, sizeof(*p));
    p->flow = FLOW_PROBE;
    p->next = trail_last(raft) + 1;
    p->answered_ms = INT64_MIN;
}

void progress_probe(struct progress *p)
{
    if (p->flow == FLOW_REPLICATE)
        p->next = p->match + 1;
    if (p->flow == FLOW_SNAPSHOT)
        p->chunk_sent = p->chunk_acked = 0; /* the next answer tells where to go on */
    else
        p->flow = FLOW_PROBE;
    p->is_probing = false;
    p->inflight_bytes = 0;
}

bool progress_matched(const struct raft *raft, struct progress *p, uint64_t match)
{
    p->is_probing = false;
    if (p->flow == FLOW_SNAPSHOT && match < p->snapshot.index)
        return false;
    bool is_new = match > p->match;
    if (is_new) {
        uint64_t answered = trail_bytes(raft, p->match + 1, match);
        p->inflight_bytes -= answered < p->inflight_bytes ? answered : p->inflight_bytes;
        p->match = match;
    }
    if (p->flow != FLOW_REPLICATE) {
        p->flow = FLOW_REPLICATE;
        p->next = p->match + 1;
        p->inflight_bytes = 0;
    }
    if (p->next <= p->match)
        p->next = p->match + 1;
    if (p->next == p->match + 1)
        p->inflight_bytes = 0;
    return is_new;
}

bool progress_refused(struct progress *p, uint64_t refused, uint64_t hint)
{
    if (p->flow == FLOW_SNAPSHOT || refused <= p->match)
        return false;
    if (p->flow == FLOW_REPLICATE) {
        progress_probe(p);
        return true;
    }
    if (refused + 1 != p->next)
        return false;
    p->is_probing = false;
    uint64_t next = (hint < refused ? hint : refused - 1) + 1;
    p->next = next > p->match ? next : p->match + 1;
    return true;
}

bool progress_may_send(const struct raft *raft, const struct progress *p)
{
    switch (p->flow) {
    case FLOW_PROBE:
        return !p->is_probing;
    case FLOW_REPLICATE:
        return p->next <= trail_last(raft) && p->inflight_bytes < raft->params.window_bytes;
    case FLOW_SNAPSHOT:
        return false;
    }
    NEVER("no such flow");
}

void progress_sent(const struct raft *raft, struct progress *p, uint64_t count)
{
    p->sent_ms = raft->now_ms;
    if (p->flow == FLOW_PROBE) {
        p->is_probing = true;
        return;
    }
    p->inflight_bytes += trail_bytes(raft, p->next, p->next + count - 1);
    p->next += count;
}
