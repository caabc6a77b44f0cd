#include "orchestrator/raft/election.h"

#include "orchestrator/raft/membership.h"
#include "orchestrator/raft/progress.h"
#include "orchestrator/raft/replication.h"
#include "orchestrator/raft/trail.h"
#include "orchestrator/raft/update.h"

enum { WITNESS_PATIENCE = 3 }; /* election timeouts that a witness gives the voters */

/* splitmix64: small, and good enough that two servers rarely draw the same timeout. */
static uint64_t draw(struct raft *raft)
{
    uint64_t z = raft->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Timeouts are drawn anew each time from a range as wide as the minimum, so that split votes are
 * rare and soon resolved (§3.4). */
void election_arm(struct raft *raft)
{
    int64_t election_ms = raft->params.election_ms;
    int64_t wait_ms = election_ms + (int64_t)(draw(raft) % (uint64_t)election_ms);
    if (membership_is_witness(raft))
        wait_ms += WITNESS_PATIENCE * election_ms;
    raft->deadline_ms = raft->now_ms + wait_ms;
}

void election_follow(struct raft *raft, struct raft_update *update, uint64_t term, uint32_t leader)
{
    if (term > raft->term) {
        raft->term = term;
        raft->voted_for = 0; /* one vote a term (§3.4) */
        update_hard(raft, update);
    }
    if (raft->role != RAFT_FOLLOWER || leader != raft->leader)
        election_arm(raft);
    raft->role = RAFT_FOLLOWER;
    raft->leader = leader;
    raft->votes = 0;
    raft->is_transfer = false;
    raft->transfer_to = 0;
    raft->transfer_is_sent = false;
}

/* A leader that is alive is not to be disturbed: who heard from one within the minimum election
 * timeout gives nobody its vote (§4.2.3). One percent more, for clocks that run at different
 * rates: leadership that was confirmed less than that timeout ago is then the only one. */
bool election_is_loyal(const struct raft *raft)
{
    int64_t loyal_ms = raft->params.election_ms + raft->params.election_ms / 50 + 1;
    return raft->role == RAFT_LEADER || raft->now_ms < raft->heard_ms + loyal_ms;
}

/* The election restriction (§3.6.1): a vote only for a log that is at least as complete; also as
 * what this one has lost. */
static bool is_complete(const struct raft *raft, const struct raft_message *m)
{
    return trail_reaches(m->index, m->index_term, trail_last(raft), trail_last_term(raft)) &&
           trail_reaches(m->index, m->index_term, raft->lost_index, raft->lost_term);
}

static bool may_campaign(const struct raft *raft)
{
    return membership_has_vote(raft) && !trail_is_full(raft, 1) && raft->lost_index == 0;
}

/* ---- candidates */

static void ask(struct raft *raft, struct raft_update *update, enum raft_message_type type)
{
    const struct raft_membership *members = &raft->config.membership;
    for (uint32_t i = 0; i < members->count; i++) {
        if (!membership_votes(members, i) || members->members[i].id == raft->params.id)
            continue;
        struct raft_message *m = update_message(raft, update, type, members->members[i].id);
        if (m == NULL)
            return;
        m->term = type == RAFT_PREVOTE ? raft->term + 1 : raft->term;
        m->index = trail_last(raft);
        m->index_term = trail_last_term(raft);
        m->is_transfer = raft->is_transfer;
        m->after = type == RAFT_PREVOTE ? 0 : raft->hard_write;
    }
}

static void lead(struct raft *raft, struct raft_update *update)
{
    raft->role = RAFT_LEADER;
    raft->leader = raft->params.id;
    raft->is_transfer = false;
    raft->transfer_to = 0;
    raft->transfer_is_sent = false;
    raft->elected_ms = raft->now_ms;
    replication_lead(raft, update);
}

/* A real candidacy: a new term, and the own vote for it, durable before anybody is asked. */
static void campaign(struct raft *raft, struct raft_update *update, bool is_transfer)
{
    raft->role = RAFT_CANDIDATE;
    raft->term++;
    raft->voted_for = raft->params.id;
    raft->leader = 0;
    raft->votes = 0;
    raft->is_transfer = is_transfer;
    update_hard(raft, update);
    election_arm(raft);
    ask(raft, update, RAFT_VOTE);
}

static bool has_quorum(const struct raft *raft)
{
    const struct raft_membership *members = &raft->config.membership;
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++)
        count += membership_votes(members, i) && (raft->votes >> i & 1) != 0;
    return count >= membership_quorum(members);
}

static void count_votes(struct raft *raft, struct raft_update *update)
{
    if (!has_quorum(raft))
        return;
    if (raft->role == RAFT_PRECANDIDATE)
        campaign(raft, update, false);
    else if (raft->role == RAFT_CANDIDATE)
        lead(raft, update);
}

static void count_vote_of(struct raft *raft, struct raft_update *update, uint32_t id)
{
    uint32_t i = membership_find(&raft->config.membership, id);
    if (i == NOT_A_MEMBER)
        return;
    raft->votes |= UINT64_C(1) << i;
    count_votes(raft, update);
}

/* Ask first whether an election could be won, changing nothing (§9.6): a server that was cut off
 * comes back without a higher term that would unseat a leader who works. */
void election_tick(struct raft *raft, struct raft_update *update)
{
    if (!may_campaign(raft)) {
        election_arm(raft);
        return;
    }
    raft->role = RAFT_PRECANDIDATE;
    raft->leader = 0;
    raft->votes = 0;
    raft->is_transfer = false;
    election_arm(raft);
    ask(raft, update, RAFT_PREVOTE);
    count_vote_of(raft, update, raft->params.id);
}

void election_on_timeout_now(struct raft *raft, struct raft_update *update,
                             const struct raft_message *m)
{
    if (m->term != raft->term || raft->role != RAFT_FOLLOWER || !may_campaign(raft))
        return;
    campaign(raft, update, true);
}

void election_on_persisted(struct raft *raft, struct raft_update *update)
{
    if (raft->role == RAFT_CANDIDATE && raft->durable >= raft->hard_write)
        count_vote_of(raft, update, raft->params.id);
}

/* ---- votes */

static struct raft_message *reply(struct raft *raft, struct raft_update *update,
                                  enum raft_message_type type, const struct raft_message *m)
{
    struct raft_message *answer = update_message(raft, update, type, m->from);
    if (answer != NULL)
        answer->after = raft->hard_write;
    return answer;
}

void election_on_prevote(struct raft *raft, struct raft_update *update,
                         const struct raft_message *m)
{
    if (election_is_loyal(raft))
        return;
    bool granted = m->term > raft->term && is_complete(raft, m);
    struct raft_message *answer = reply(raft, update, RAFT_PREVOTE_REPLY, m);
    if (answer == NULL)
        return;
    answer->granted = granted;
    answer->term = granted ? m->term : raft->term; /* a refusal tells the term to catch up with */
}

/* m->term is this server's term by now. */
void election_on_vote(struct raft *raft, struct raft_update *update, const struct raft_message *m)
{
    bool is_free = raft->voted_for == 0 || raft->voted_for == m->from;
    bool granted = m->term == raft->term && raft->leader == 0 && is_free && is_complete(raft, m);
    if (granted && raft->voted_for == 0) {
        raft->voted_for = m->from;
        update_hard(raft, update);
    }
    if (granted) {
        election_follow(raft, update, raft->term, 0);
        election_arm(raft);
    }
    struct raft_message *answer = reply(raft, update, RAFT_VOTE_REPLY, m);
    if (answer != NULL)
        answer->granted = granted;
}

/* m->term: of a vote, this server's term; of a question before it, one more. */
void election_on_reply(struct raft *raft, struct raft_update *update, const struct raft_message *m)
{
    bool is_asked = m->type == RAFT_PREVOTE_REPLY
                        ? raft->role == RAFT_PRECANDIDATE && m->term == raft->term + 1
                        : raft->role == RAFT_CANDIDATE && m->term == raft->term;
    if (is_asked && m->granted)
        count_vote_of(raft, update, m->from);
}
