#include "orchestrator/raft/progress.h"

#include "orchestrator/raft/trail.h"

#include <string.h>

/* A window's messages that arrive out of order are refused but for one: where that happens, fewer
 * are sent at once. */
enum { BURST_MAX = 64 };

void progress_init(const struct raft *raft, struct progress *p)
{
    memset(p, 0, sizeof(*p));
    p->flow = FLOW_PROBE;
    p->burst = BURST_MAX;
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
    p->inflight = 0;
    p->flight++;
}

bool progress_matched(const struct raft *raft, struct progress *p, uint32_t flight, uint64_t match)
{
    if (p->flow == FLOW_SNAPSHOT && match < p->snapshot.index)
        return false;
    bool is_new = match > p->match;
    if (flight == p->flight && p->inflight > 0) {
        p->inflight--;
        p->burst += p->burst < BURST_MAX;
    }
    if (is_new) {
        uint64_t answered = trail_bytes(raft, p->match + 1, match);
        p->inflight_bytes -= answered < p->inflight_bytes ? answered : p->inflight_bytes;
        p->match = match;
    }
    if (p->flow == FLOW_SNAPSHOT || (p->flow == FLOW_PROBE && flight == p->flight)) {
        p->is_probing = false;
        p->flow = FLOW_REPLICATE;
        p->next = p->match + 1;
    }
    if (p->next <= p->match)
        p->next = p->match + 1;
    if (p->next == p->match + 1) {
        p->inflight_bytes = 0;
        p->inflight = 0;
    }
    return is_new;
}

void progress_lost(struct progress *p, uint32_t flight, uint64_t hint)
{
    if (flight != p->flight || hint >= p->match)
        return;
    p->match = hint;
    p->installed = 0;
}

bool progress_refused(struct progress *p, uint32_t flight, uint64_t refused, uint64_t hint)
{
    if (p->flow == FLOW_SNAPSHOT || refused <= p->match || flight != p->flight)
        return false;
    if (p->flow == FLOW_REPLICATE) {
        p->burst = p->burst > 1 ? p->burst / 2 : 1;
        progress_probe(p);
        return true;
    }
    if (refused + 1 != p->next)
        return false;
    p->is_probing = false;
    p->flight++;
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
        return p->next <= trail_last(raft) && p->inflight < p->burst &&
               p->inflight_bytes < raft->params.window_bytes;
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
    p->inflight += count > 0;
    p->next += count;
}
