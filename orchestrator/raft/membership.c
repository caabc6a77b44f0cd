#include "orchestrator/raft/membership.h"

#include "orchestrator/raft/progress.h"

enum { CAUGHT_UP = 256 }; /* entries by which a learner may still be behind when it gets a vote */

uint32_t membership_find(const struct raft_membership *m, uint32_t id)
{
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->members[i].id == id)
            return i;
    }
    return NOT_A_MEMBER;
}

bool membership_votes(const struct raft_membership *m, uint32_t i)
{
    return i < m->count && m->members[i].kind != RAFT_LEARNER;
}

static uint32_t voter_count(const struct raft_membership *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->count; i++)
        count += membership_votes(m, i);
    return count;
}

uint32_t membership_quorum(const struct raft_membership *m)
{
    return voter_count(m) / 2 + 1;
}

static enum raft_kind own_kind(const struct raft *raft)
{
    const struct raft_membership *m = &raft->config.membership;
    uint32_t i = membership_find(m, raft->params.id);
    return i == NOT_A_MEMBER ? RAFT_LEARNER : m->members[i].kind;
}

bool membership_has_vote(const struct raft *raft)
{
    return own_kind(raft) != RAFT_LEARNER;
}

bool membership_is_witness(const struct raft *raft)
{
    return own_kind(raft) == RAFT_WITNESS;
}

/* Votes and progress are kept by place in the membership: carry them over by id. */
static void carry_over(struct raft *raft, const struct raft_membership *from,
                       const struct raft_membership *to)
{
    struct progress before[RAFT_MEMBERS_MAX];
    uint64_t votes = raft->votes;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        before[i] = raft->progress[i];
    raft->votes = 0;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        uint32_t old = i < to->count ? membership_find(from, to->members[i].id) : NOT_A_MEMBER;
        if (old == NOT_A_MEMBER) {
            progress_init(raft, &raft->progress[i]);
            continue;
        }
        raft->progress[i] = before[old];
        raft->votes |= (votes >> old & 1) << i;
    }
}

static void replace(struct raft *raft, const struct config *config)
{
    carry_over(raft, &raft->config.membership, &config->membership);
    raft->config = *config;
}

void membership_adopt(struct raft *raft, uint64_t index, const struct raft_membership *m)
{
    PRE(m->count > 0 && m->count <= RAFT_MEMBERS_MAX);
    struct config config = {index, *m};
    raft->config_before = raft->config;
    replace(raft, &config);
}

void membership_truncate(struct raft *raft, uint64_t from)
{
    if (raft->config.index < from)
        return;
    PRE(raft->config_before.index < from);
    struct config before = raft->config_before;
    replace(raft, &before);
}

/* ---- changes */

/* Both have the same voters but for at most one, who came, went, or got or lost its vote. */
static uint32_t vote_changes(const struct raft_membership *a, const struct raft_membership *b)
{
    uint32_t changes = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        if (membership_votes(a, i))
            changes += !membership_votes(b, membership_find(b, a->members[i].id));
    }
    for (uint32_t i = 0; i < b->count; i++) {
        if (membership_votes(b, i))
            changes += !membership_votes(a, membership_find(a, b->members[i].id));
    }
    return changes;
}

static bool is_sound(const struct raft_membership *m)
{
    bool has_voter = false;
    if (m->count == 0 || m->count > RAFT_MEMBERS_MAX)
        return false;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->members[i].id == 0 || membership_find(m, m->members[i].id) != i)
            return false;
        has_voter |= m->members[i].kind == RAFT_VOTER;
    }
    return has_voter;
}

/* A server gets a vote only when it would not hold up the next commits (§4.2.1). */
static bool is_caught_up(const struct raft *raft, const struct raft_membership *m)
{
    const struct raft_membership *now = &raft->config.membership;
    for (uint32_t i = 0; i < m->count; i++) {
        uint32_t old = membership_find(now, m->members[i].id);
        if (!membership_votes(m, i) || membership_votes(now, old))
            continue;
        if (old == NOT_A_MEMBER || raft->progress[old].flow != FLOW_REPLICATE ||
            raft->progress[old].match + CAUGHT_UP < raft->commit)
            return false;
    }
    return true;
}

enum raft_result membership_judge(const struct raft *raft, const struct raft_membership *m)
{
    /* Not before an entry of the own term is committed: two leaders could otherwise have changes
     * under way whose majorities do not meet (Ongaro's correction of 2015 to §4.1). */
    if (raft->commit < raft->term_start || raft->config.index > raft->commit)
        return RAFT_CHANGE_PENDING;
    if (!is_sound(m) || vote_changes(&raft->config.membership, m) > 1)
        return RAFT_CHANGE_INVALID;
    return is_caught_up(raft, m) ? RAFT_OK : RAFT_NOT_CAUGHT_UP;
}

/* ---- majorities */

/* The quorum-th largest of the voters' values. */
static int64_t quorum_value(const struct raft *raft, const int64_t *values)
{
    const struct raft_membership *m = &raft->config.membership;
    uint32_t quorum = membership_quorum(m);
    int64_t best = INT64_MIN;
    for (uint32_t i = 0; i < m->count; i++) {
        uint32_t reached = 0;
        for (uint32_t j = 0; j < m->count; j++)
            reached += membership_votes(m, j) && values[j] >= values[i];
        if (membership_votes(m, i) && reached >= quorum && values[i] > best)
            best = values[i];
    }
    return best;
}

uint64_t membership_quorum_match(const struct raft *raft, uint64_t own)
{
    const struct raft_membership *m = &raft->config.membership;
    int64_t values[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < m->count; i++)
        values[i] = (int64_t)(m->members[i].id == raft->params.id ? own : raft->progress[i].match);
    return (uint64_t)quorum_value(raft, values);
}

int64_t membership_quorum_answered(const struct raft *raft, int64_t own)
{
    const struct raft_membership *m = &raft->config.membership;
    int64_t values[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < m->count; i++)
        values[i] = m->members[i].id == raft->params.id ? own : raft->progress[i].answered_ms;
    return quorum_value(raft, values);
}
