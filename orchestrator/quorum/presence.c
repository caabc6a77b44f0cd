#include "orchestrator/quorum/presence.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/proto/policy_message.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <string.h>

enum {
    ABSENT_MIN_MS = 1000, /* a controller not heard for so long is given up, at least */
    BETTER_MS = 800,      /* another one reached more for so long: it gets to lead. Longer than the
                           * others need to find out that they do not (peers_send_lead) */
    HAND_OVER_AGAIN_MS = 30000,
    LEADS_UNHEARD_MAX = 4, /* one is on its way; more and the actor stands still */
    ACTOR_AGAIN_MS = 5000,
};

static int64_t absent_ms(const struct quorum *q)
{
    return 3 * q->fresh_ms > ABSENT_MIN_MS ? 3 * q->fresh_ms : ABSENT_MIN_MS;
}

/* ---------------------------------------------------------------- the board */

static bool looks(const Ephor__ClusterMember *member)
{
    return member->kind != EPHOR__MEMBER_KIND__WITNESS &&
           member->wanted != EPHOR__MEMBER_KIND__WITNESS;
}

static bool is_on_board(const struct core *core, const Ephor__ClusterMember *member)
{
    const struct controller_state *c = &core->controllers[member->seat - 1];
    return c->is_member && strcmp(c->name, member->name) == 0 && c->looks == looks(member) &&
           c->votes == (member->kind == EPHOR__MEMBER_KIND__VOTER);
}

/* Who was added and has never been met is not missed yet. */
static bool has_seat(const Ephor__ClusterMember *member)
{
    return member->seat >= 1 && member->seat <= CONTROLLERS_MAX && member->incarnation != 0;
}

static bool board_is_true(const struct core *core, const Ephor__Membership *m)
{
    uint32_t count = 0, listed = 0;
    for (size_t i = 0; i < m->n_members; i++) {
        if (!has_seat(m->members[i]))
            continue;
        if (!is_on_board(core, m->members[i]))
            return false;
        count++;
    }
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++)
        listed += core->controllers[i].is_member;
    return count > 0 && count == listed;
}

static void on_board_told(struct quorum *q, int err, uint64_t index)
{
    (void)err;
    (void)index;
    q->presence.is_board_proposed = false;
}

static void tell_board(struct quorum *q)
{
    const Ephor__Membership *m = engine_members(q->engine);
    Ephor__Seat seats[CONTROLLERS_MAX];
    Ephor__Seat *pointers[CONTROLLERS_MAX];
    Ephor__Board board = EPHOR__BOARD__INIT;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    if (q->presence.is_board_proposed || board_is_true(q->machine.core, m))
        return;
    for (size_t i = 0; i < m->n_members && board.n_seats < CONTROLLERS_MAX; i++) {
        Ephor__Seat *seat = &seats[board.n_seats];
        if (!has_seat(m->members[i]))
            continue;
        ephor__seat__init(seat);
        seat->seat = m->members[i]->seat;
        seat->name = m->members[i]->name;
        seat->looks = looks(m->members[i]);
        seat->votes = m->members[i]->kind == EPHOR__MEMBER_KIND__VOTER;
        pointers[board.n_seats++] = seat;
    }
    if (board.n_seats == 0)
        return;
    board.seats = pointers;
    fact.body_case = EPHOR__FACT__BODY_BOARD;
    fact.board = &board;
    q->presence.is_board_proposed = true;
    proposals_add(q, PROPOSAL_OF_LEADER, &fact, NULL, 0, on_board_told);
}

/* ---------------------------------------------------------------- presence */

static void propose(struct quorum *q, enum proposal_kind kind, Ephor__Presence *presence,
                    proposal_then *then)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    fact.body_case = EPHOR__FACT__BODY_PRESENCE;
    fact.presence = presence;
    proposals_add(q, kind, &fact, NULL, 0, then);
}

static void on_own_told(struct quorum *q, int err, uint64_t index)
{
    (void)err;
    (void)index;
    q->presence.is_own_proposed = false;
}

/* The log has forgotten what the checkers told: they tell all they know again. */
static void tell_again(struct quorum *q)
{
    uint64_t forgotten_index = q->machine.core->controllers[q->seat - 1].forgotten_index;
    if (forgotten_index <= q->presence.told_index)
        return;
    q->presence.told_index = q->machine.index;
    peers_send_policy(q);
}

static void tell_own(struct quorum *q)
{
    const struct controller_state *c = &q->machine.core->controllers[q->seat - 1];
    uint64_t file = policy_digest_number(q->file_digest);
    Ephor__Presence presence = EPHOR__PRESENCE__INIT;
    bool is_told = c->presence == PRESENCE_THERE && c->run == q->proposals.run &&
                   c->rules == core_rules_max && c->file == file;
    if (!c->is_member || is_told || q->presence.is_own_proposed || q->leader == 0)
        return;
    presence.controller = q->seat;
    presence.there = true;
    presence.run = q->proposals.run;
    presence.rules = core_rules_max;
    presence.file = file;
    presence.text = (char *)(uintptr_t)(file != 0 && file != q->machine.core->policy_file
                                            ? "its file is not the policy in force"
                                            : "");
    q->presence.is_own_proposed = true;
    propose(q, PROPOSAL_FORWARDED, &presence, on_own_told);
}

static void on_absent_told(struct quorum *q, int err, uint64_t index)
{
    (void)err;
    (void)index;
    q->presence.absent_proposed = 0;
}

/* For how long has this leader not heard the member? */
static int64_t silence_ms(const struct quorum *q, const Ephor__ClusterMember *member)
{
    struct engine_peer peer;
    int64_t heard_ms = q->base_mono_ms; /* when it began to lead */
    if (engine_peer(q->engine, member->id, &peer) && peer.answered_ms > heard_ms)
        heard_ms = peer.answered_ms;
    return now_mono_ms() - heard_ms;
}

static void give_up(struct quorum *q, const Ephor__ClusterMember *member)
{
    const struct controller_state *c = &q->machine.core->controllers[member->seat - 1];
    Ephor__Presence presence = EPHOR__PRESENCE__INIT;
    char text[TEXT_SIZE];
    if (!c->is_member || c->presence == PRESENCE_ABSENT || member->id == q->controller ||
        (q->presence.absent_proposed >> member->seat & 1) != 0 ||
        silence_ms(q, member) < absent_ms(q))
        return;
    text_format(text, sizeof(text), "%s has not heard it for %lld ms", q->controller_name,
                (long long)silence_ms(q, member));
    presence.controller = member->seat;
    presence.text = text;
    q->presence.absent_proposed |= 1U << member->seat;
    propose(q, PROPOSAL_OF_LEADER, &presence, on_absent_told);
}

void presence_work(struct quorum *q)
{
    const struct core *core = q->machine.core;
    if (core == NULL)
        return;
    if (q->is_leading && q->leader_told_term == q->term) {
        tell_board(q);
        const Ephor__Membership *m = engine_members(q->engine);
        for (size_t i = 0; i < m->n_members; i++)
            if (has_seat(m->members[i]))
                give_up(q, m->members[i]);
    }
    tell_own(q);
    tell_again(q);
}

void presence_restart(struct quorum *q)
{
    q->presence.is_board_proposed = false;
    q->presence.absent_proposed = 0;
    q->presence.better_since_ms = 0;
}

/* ---------------------------------------------------------------- handing over */

static uint32_t id_of_seat(const struct quorum *q, uint32_t seat)
{
    const Ephor__Membership *m = engine_members(q->engine);
    for (size_t i = 0; i < m->n_members; i++)
        if (m->members[i]->seat == seat)
            return m->members[i]->id;
    return 0;
}

void presence_watch_reach(struct quorum *q)
{
    struct presence_state *p = &q->presence;
    int64_t now_ms = now_mono_ms();
    uint32_t seat =
        !q->is_leading || q->machine.core == NULL ? 0 : core_better_leader(q->machine.core);
    if (seat == 0) {
        p->better_since_ms = 0;
    } else if (p->better_since_ms == 0) {
        p->better_since_ms = now_ms;
    } else if (now_ms - p->better_since_ms >= BETTER_MS &&
               (p->handed_over_ms == 0 || now_ms - p->handed_over_ms >= HAND_OVER_AGAIN_MS)) {
        p->handed_over_ms = now_ms;
        log_warning("leader", "%s can work on nodes that this controller cannot: it gets to lead",
                    q->machine.core->controllers[seat - 1].name);
        engine_transfer(q->engine, id_of_seat(q, seat));
    }
}

/* Nobody extends leases while the actor of the leader stands still or starts anew: an election
 * takes less time than most leases have left. */
void presence_watch_actor(struct quorum *q)
{
    struct presence_state *p = &q->presence;
    int64_t now_ms = now_mono_ms();
    if (q->leads_unheard < LEADS_UNHEARD_MAX || !q->is_leading ||
        (p->actor_failed_ms != 0 && now_ms - p->actor_failed_ms < ACTOR_AGAIN_MS))
        return;
    p->actor_failed_ms = now_ms;
    if (engine_transfer(q->engine, 0) == ERR_OK)
        log_warning("leader", "the actor does not answer: another controller gets to lead");
}
