/* What must hold, by name: Ongaro's five properties (figure 3.2) and what they rest on. */
#include "tests/raft/raft_space.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void law_broken(struct world *w, const char *name, const char *format, ...)
{
    va_list args;
    if (w->violation.name != NULL)
        return;
    w->violation.name = name;
    va_start(args, format);
    vsnprintf(w->violation.text, sizeof(w->violation.text), format, args);
    va_end(args);
}

static bool is_same(struct item a, struct item b)
{
    return a.term == b.term && a.what == b.what;
}

static struct item item_on(const struct image *disk, uint32_t index)
{
    bool has = index >= disk->first && index <= disk->last;
    return has ? disk->items[index] : (struct item){0};
}

static bool is_on(const struct image *disk, uint32_t index, struct item item)
{
    return index <= disk->snapshot.index || is_same(item_on(disk, index), item);
}

/* What it lost to damage counts: it votes as if it had it. */
static bool is_promised(const struct image *disk, uint32_t index, struct item item)
{
    return is_on(disk, index, item) ||
           (index <= disk->lost_index && is_same(disk->lost[index], item));
}

/* ---- while it happens */

/* What is said must be durable: a vote, and an entry that is acknowledged to its leader. */
void laws_on_send(struct world *w, const struct mail *m)
{
    const struct image *disk = &server_of(w, m->from)->images[0];
    if (m->type == RAFT_VOTE && (disk->term != m->term || disk->voted_for != m->from))
        law_broken(w, "VOTE-ONCE", "server %u campaigns in term %u without its own vote on disk",
                   m->from, m->term);
    if ((m->flags & MAIL_GRANTED) == 0)
        return;
    if (m->type == RAFT_VOTE_REPLY && (disk->term != m->term || disk->voted_for != m->to))
        law_broken(w, "VOTE-ONCE", "server %u votes for %u in term %u, and its disk says %u in %u",
                   m->from, m->to, m->term, disk->voted_for, disk->term);
    if (m->type != RAFT_APPEND_REPLY && m->type != RAFT_SNAPSHOT_REPLY)
        return;
    const struct raft *leader = raft_of(w, m->to);
    struct item item = item_of(leader, m->index);
    if (m->index > disk->last && m->index > disk->snapshot.index)
        law_broken(w, "ACK-DURABLE", "server %u acknowledges %u, and its disk ends with %u",
                   m->from, m->index, disk->last);
    else if (leader->role == RAFT_LEADER && leader->term == m->term &&
             (m->index > raft_last_index(leader) ||
              (item.term != 0 && !is_on(disk, m->index, item))))
        law_broken(w, "ACK-DURABLE",
                   "server %u acknowledges %u but does not hold the leader's entry", m->from,
                   m->index);
}

static void note_leader(struct world *w, const struct raft *raft)
{
    if (raft->role != RAFT_LEADER || raft->term >= TERMS_MAX)
        return;
    uint8_t *leader = &w->past.leader[raft->term];
    if (*leader != 0 && *leader != raft->params.id)
        law_broken(w, "ELECTION-SAFETY", "%u and %u both lead in term %llu", *leader,
                   raft->params.id, (unsigned long long)raft->term);
    *leader = (uint8_t)raft->params.id;
}

/* The majority of the membership in force at this server has it on disk. */
static void check_durable(struct world *w, const struct raft *raft, uint32_t index,
                          struct item item)
{
    const struct raft_membership *m = raft_membership(raft);
    uint32_t voters = 0, having = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        voters += m->members[i].kind == RAFT_VOTER;
        having += m->members[i].kind == RAFT_VOTER &&
                  is_promised(&server_of(w, m->members[i].id)->images[0], index, item);
    }
    if (having <= voters / 2)
        law_broken(w, "COMMIT-DURABLE", "server %u holds %u for committed: %u of %u disks have it",
                   raft->params.id, index, having, voters);
}

static void note_committed(struct world *w, const struct raft *raft)
{
    while (w->past.committed < raft->commit && w->violation.name == NULL) {
        uint32_t index = w->past.committed + 1u;
        struct item item = item_of(raft, index);
        if (index > LOG_MAX || item.term == 0)
            return;
        check_durable(w, raft, index, item);
        w->past.items[index] = item;
        w->past.in_term[index] = (uint8_t)raft->term;
        w->past.committed = (uint8_t)index;
    }
}

void laws_on_step(struct world *w, const struct plan *plan, uint32_t id)
{
    (void)plan;
    note_leader(w, raft_of(w, id));
    note_committed(w, raft_of(w, id));
}

/* ---- afterwards */

static void check_append_only(const struct world *before, struct world *w, uint32_t id)
{
    const struct raft *was = raft_of(before, id), *is = raft_of(w, id);
    if (was->role != RAFT_LEADER || is->role != RAFT_LEADER || was->term != is->term)
        return;
    for (uint64_t i = is->first; i <= raft_last_index(was); i++)
        if (i >= was->first && !is_same(item_of(was, i), item_of(is, i)))
            law_broken(w, "LEADER-APPEND-ONLY", "leader %u changed its entry %llu", id,
                       (unsigned long long)i);
}

/* Two logs that have an entry of one index and term in common are the same up to there. */
static void check_matching(struct world *w, const struct item *a, const struct item *b)
{
    bool must = false;
    for (uint32_t i = LOG_MAX; i > 0; i--) {
        must |= a[i].term != 0 && a[i].term == b[i].term;
        if (must && a[i].term != 0 && b[i].term != 0 && !is_same(a[i], b[i]))
            law_broken(w, "LOG-MATCHING", "two logs agree further on and differ at %u", i);
    }
}

static void check_logs(struct world *w)
{
    struct item logs[2 * SERVERS][LOG_MAX + 1];
    for (uint32_t s = 0; s < SERVERS; s++) {
        for (uint32_t i = 0; i <= LOG_MAX; i++)
            logs[s][i] = item_of(raft_of(w, s + 1), i);
        memcpy(logs[SERVERS + s], w->servers[s].images[0].items, sizeof(logs[0]));
    }
    for (uint32_t a = 0; a < 2 * SERVERS; a++)
        for (uint32_t b = 0; b < a; b++)
            check_matching(w, logs[a], logs[b]);
}

/* Who leads in a later term has everything that was committed before. */
static void check_completeness(struct world *w, const struct raft *raft)
{
    for (uint32_t i = 1; raft->role == RAFT_LEADER && i <= w->past.committed; i++)
        if (raft->term > w->past.in_term[i] && i >= raft->first &&
            !is_same(item_of(raft, i), w->past.items[i]))
            law_broken(w, "LEADER-COMPLETENESS",
                       "%u leads in term %llu without entry %u, committed in term %u",
                       raft->params.id, (unsigned long long)raft->term, i, w->past.in_term[i]);
}

static uint32_t config_at(const struct world *w, uint32_t index)
{
    while (index > 0 && w->past.items[index].what >> 4 != RAFT_ENTRY_CONFIG)
        index--;
    return index == 0 ? 0 : w->past.items[index].what & 15;
}

/* Everybody applies the same, and only what is durable at home. */
static void check_machine(struct world *w, const struct raft *raft)
{
    const struct image *disk = &server_of(w, raft->params.id)->images[0];
    struct mark mark = disk->snapshot;
    for (uint64_t i = raft->first; i <= raft->commit; i++)
        if (i > w->past.committed || !is_same(item_of(raft, i), w->past.items[i]))
            law_broken(w, "STATE-MACHINE-SAFETY", "server %u: entry %llu is not the committed one",
                       raft->params.id, (unsigned long long)i);
    if (mark.index > w->past.committed ||
        (mark.index > 0 &&
         (mark.term != w->past.items[mark.index].term || mark.config != config_at(w, mark.index))))
        law_broken(w, "STATE-MACHINE-SAFETY", "server %u: its snapshot of %u is of something else",
                   raft->params.id, mark.index);
    if (raft->first > 1 && (raft->first > w->past.committed + 1u ||
                            raft->first_term != w->past.items[raft->first - 1].term))
        law_broken(w, "STATE-MACHINE-SAFETY", "server %u: its log goes on from something else",
                   raft->params.id);
    if (raft->applied > disk->last && raft->applied > mark.index)
        law_broken(w, "APPLY-DURABLE", "server %u applied %llu, and its disk ends with %u",
                   raft->params.id, (unsigned long long)raft->applied, disk->last);
}

/* What the updates told to write is what the server believes to have. */
static void check_memory(struct world *w, const struct raft *raft)
{
    const struct image *memory = memory_of(server_of(w, raft->params.id));
    bool is_right = memory->term == raft->term && memory->voted_for == raft->voted_for &&
                    memory->last == raft_last_index(raft) &&
                    memory->snapshot.index == raft->snapshot.index;
    for (uint64_t i = raft->first; i <= raft_last_index(raft) && is_right; i++)
        is_right = is_same(item_of(raft, i), item_on(memory, (uint32_t)i));
    if (!is_right)
        law_broken(w, "WRITTEN-AS-KEPT", "server %u: its disk will say something else",
                   raft->params.id);
}

void laws_check(const struct world *before, struct world *w, const struct plan *plan)
{
    for (uint32_t id = 1; id <= SERVERS; id++) {
        const struct raft *raft = raft_of(w, id);
        check_append_only(before, w, id);
        check_completeness(w, raft);
        check_machine(w, raft);
        check_memory(w, raft);
    }
    for (uint32_t id = 1; plan->configs == 1 && id <= SERVERS; id++)
        for (uint32_t i = 1; i <= raft_of(w, id)->commit; i++)
            check_durable(w, raft_of(w, id), i, w->past.items[i]);
    check_logs(w);
}
