#include "orchestrator/quorum/proposals.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>

enum {
    COUNT_MAX = 4096,
    WAIT_MAX_MS = 8000, /* less than an operator's request waits for its answer */
    RESEND_MS =
        1000, /* a leader may drop what it is given, such as before it knows that it leads */
};

struct proposal {
    struct proposal *next;
    enum proposal_kind kind;
    struct peer *peer; /* NULL: nobody waits */
    uint64_t generation;
    uint64_t peer_sequence;
    proposal_then *then;
    uint64_t sequence;
    uint64_t epoch; /* in which it was sent last */
    int64_t sent_ms;
    int64_t deadline_ms;
    Ephor__Fact *fact;
};

struct early {
    struct early *next;
    uint32_t from;
    Ephor__Fact *fact;
};

/* ---------------------------------------------------------------- ends */

static void tell_peer(const struct proposal *p, int err, uint64_t index)
{
    if (p->peer == NULL || p->peer->link == NULL || p->peer->generation != p->generation)
        return;
    Ephor__Proposed proposed = EPHOR__PROPOSED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    proposed.sequence = p->peer_sequence;
    proposed.index = index;
    proposed.err = err;
    proposed.text = (char *)(uintptr_t)(err == ERR_OK ? "" : err_text(err));
    m.body_case = EPHOR__MESSAGE__BODY_PROPOSED;
    m.proposed = &proposed;
    link_send(p->peer->link, &m, -1);
}

/* Unlinks it first: what it calls may propose again. */
static void finish(struct quorum *q, uint64_t sequence, int err, uint64_t index)
{
    struct proposals *all = &q->proposals;
    struct proposal *before = NULL;
    struct proposal *p = all->head;
    for (; p != NULL && p->sequence != sequence; p = p->next)
        before = p;
    if (p == NULL)
        return;
    if (before == NULL)
        all->head = p->next;
    else
        before->next = p->next;
    if (all->tail == p)
        all->tail = before;
    all->count--;
    tell_peer(p, err, index);
    if (p->then != NULL)
        p->then(q, err, index);
    ephor__fact__free_unpacked(p->fact, NULL);
    free(p);
}

/* ---------------------------------------------------------------- sending */

struct ticket { /* of one call of the engine */
    struct quorum *quorum;
    uint64_t sequence; /* 0: another controller's */
};

static struct proposal *find(struct quorum *q, uint64_t sequence)
{
    struct proposal *p = q->proposals.head;
    while (p != NULL && p->sequence != sequence)
        p = p->next;
    return p;
}

/* Success is told by proposals_applied. A failure that another leader may mend waits for one. */
static void on_engine_answer(void *data, int err, uint64_t index)
{
    struct ticket *ticket = data;
    struct proposal *p = ticket->sequence == 0 ? NULL : find(ticket->quorum, ticket->sequence);
    (void)index;
    if (p != NULL && err != ERR_OK) {
        bool may_wait = (err == ERR_AGAIN || err == ERR_CANCELED) &&
                        p->kind == PROPOSAL_FORWARDED && !cluster_is_alone(ticket->quorum);
        if (may_wait)
            p->epoch = 0;
        else
            finish(ticket->quorum, p->sequence, err, 0);
    }
    free(ticket);
}

static void propose_here(struct quorum *q, Ephor__Fact *fact, uint64_t sequence)
{
    struct ticket *ticket = malloc(sizeof(*ticket));
    fact->at_ms = quorum_at_ms(q);
    size_t size = ephor__fact__get_packed_size(fact);
    uint8_t *bytes = malloc(size + 1);
    PRE(ticket != NULL && bytes != NULL);
    ephor__fact__pack(fact, bytes);
    *ticket = (struct ticket){q, sequence};
    engine_propose(q->engine, bytes, size, on_engine_answer, ticket);
    free(bytes);
}

static bool forward(struct quorum *q, const Ephor__Fact *fact)
{
    Ephor__Talk talk = EPHOR__TALK__INIT;
    Ephor__Forward forward = EPHOR__FORWARD__INIT;
    forward.fact.len = ephor__fact__get_packed_size(fact);
    forward.fact.data = malloc(forward.fact.len + 1);
    PRE(forward.fact.data != NULL);
    ephor__fact__pack(fact, forward.fact.data);
    talk.body_case = EPHOR__TALK__BODY_FORWARD;
    talk.forward = &forward;
    int err = cluster_talk(q, q->leader, &talk);
    free(forward.fact.data);
    return err == ERR_OK;
}

/* In order: the first that cannot be sent holds back the others. */
static void flush(struct quorum *q)
{
    struct proposals *all = &q->proposals;
    uint64_t previous = 0;
    for (struct proposal *p = all->head; p != NULL; previous = p->sequence, p = p->next) {
        if (p->epoch == all->epoch)
            continue;
        p->fact->previous = previous;
        if (q->is_leading)
            propose_here(q, p->fact, p->sequence);
        else if (q->leader == 0 || q->leader == q->controller || !forward(q, p->fact))
            return;
        p->epoch = all->epoch;
        p->sent_ms = now_mono_ms();
    }
}

/* ---------------------------------------------------------------- from other controllers */

/* What a controller says of itself is said of its own seat. */
static void stamp_seat(Ephor__Fact *fact, uint32_t seat)
{
    if (fact->body_case == EPHOR__FACT__BODY_OPINIONS)
        fact->opinions->controller = seat;
    else if (fact->body_case == EPHOR__FACT__BODY_SIGHT)
        fact->sight->controller = seat;
    else if (fact->body_case == EPHOR__FACT__BODY_CALM)
        fact->calm->controller = seat;
    else if (fact->body_case == EPHOR__FACT__BODY_REACH)
        fact->reach->controller = seat;
    else if (fact->body_case == EPHOR__FACT__BODY_FREEZE)
        fact->freeze->controller = seat;
    else if (fact->body_case == EPHOR__FACT__BODY_PRESENCE && fact->presence->there)
        fact->presence->controller = seat;
}

static void propose_forwarded(struct quorum *q, uint32_t from, Ephor__Fact *fact)
{
    if (!offers_may_forward(q, from, fact))
        return;
    stamp_seat(fact, cluster_seat_of(q, from));
    propose_here(q, fact, 0);
}

/* The others know of an election before the one elected has committed anything. What they send at
 * once must not be dropped: they would not know, and what they send later would make it too late.
 */
static void keep_early(struct quorum *q, uint32_t from, Ephor__Fact *fact)
{
    struct early **end = &q->proposals.early;
    struct early *early = calloc(1, sizeof(*early));
    PRE(early != NULL);
    while (*end != NULL)
        end = &(*end)->next;
    *early = (struct early){.from = from, .fact = fact};
    *end = early;
    q->proposals.early_count++;
}

static void take_early(struct quorum *q, bool proposes)
{
    while (q->proposals.early != NULL) {
        struct early *early = q->proposals.early;
        q->proposals.early = early->next;
        q->proposals.early_count--;
        if (proposes)
            propose_forwarded(q, early->from, early->fact);
        ephor__fact__free_unpacked(early->fact, NULL);
        free(early);
    }
}

void proposals_restart(struct quorum *q)
{
    if (q->is_leading || q->leader != q->controller)
        take_early(q, q->is_leading);
    q->proposals.epoch++;
    flush(q);
}

/* ---------------------------------------------------------------- the interface */

static Ephor__Fact *copy_fact(const Ephor__Fact *fact)
{
    size_t size = ephor__fact__get_packed_size(fact);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__fact__pack(fact, bytes);
    Ephor__Fact *copy = ephor__fact__unpack(NULL, size, bytes);
    free(bytes);
    PRE(copy != NULL);
    return copy;
}

static int refusal(const struct quorum *q, enum proposal_kind kind)
{
    if (q->proposals.count >= COUNT_MAX)
        return ERR_LIMIT;
    if (!q->is_leading && (kind == PROPOSAL_OF_LEADER || cluster_is_alone(q)))
        return ERR_AGAIN;
    return ERR_OK;
}

void proposals_add(struct quorum *q, enum proposal_kind kind, Ephor__Fact *fact, struct peer *peer,
                   uint64_t sequence, proposal_then *then)
{
    struct proposals *all = &q->proposals;
    struct proposal *p = calloc(1, sizeof(*p));
    PRE(p != NULL);
    if (fact->wall_ms == 0)
        fact->wall_ms = now_wall_ms();
    stamp_seat(fact, q->seat);
    fact->author = q->controller;
    fact->run = all->run;
    fact->sequence = ++all->sequence;
    *p = (struct proposal){.kind = kind,
                           .peer = peer,
                           .generation = peer == NULL ? 0 : peer->generation,
                           .peer_sequence = sequence,
                           .then = then,
                           .sequence = fact->sequence,
                           .deadline_ms = now_mono_ms() + WAIT_MAX_MS,
                           .fact = copy_fact(fact)};
    int err = refusal(q, kind);
    if (all->tail == NULL)
        all->head = p;
    else
        all->tail->next = p;
    all->tail = p;
    all->count++;
    if (err != ERR_OK)
        finish(q, p->sequence, err, 0);
    else
        flush(q);
}

void proposals_applied(struct quorum *q, uint32_t author, uint64_t run, uint64_t sequence,
                       uint64_t index)
{
    if (author == q->controller && run == q->proposals.run)
        finish(q, sequence, ERR_OK, index);
}

void proposals_refused(struct quorum *q, uint64_t sequence)
{
    finish(q, sequence, ERR_REFUSED, 0);
}

/* The leader's own business is not another controller's to propose. */
static bool may_forward(const Ephor__Fact *fact, uint32_t from)
{
    return fact->author == from && fact->sequence > 0 &&
           fact->body_case != EPHOR__FACT__BODY_TICK &&
           fact->body_case != EPHOR__FACT__BODY_LEADER &&
           fact->body_case != EPHOR__FACT__BODY_BOARD &&
           fact->body_case != EPHOR__FACT__BODY_OBSERVER &&
           fact->body_case != EPHOR__FACT__BODY_CENSUS &&
           (fact->body_case != EPHOR__FACT__BODY_PRESENCE || fact->presence->there) &&
           fact->body_case != EPHOR__FACT__BODY__NOT_SET;
}

void proposals_on_forward(struct quorum *q, uint32_t from, const Ephor__Forward *forward)
{
    Ephor__Fact *fact = ephor__fact__unpack(NULL, forward->fact.len, forward->fact.data);
    if (fact == NULL || !may_forward(fact, from)) {
        log_warning("peer", "controller %u forwarded a fact that is not its business", from);
    } else if (q->is_leading) {
        propose_forwarded(q, from, fact);
    } else if (engine_leader(q->engine) == q->controller && q->proposals.early_count < COUNT_MAX) {
        keep_early(q, from, fact);
        return;
    } /* otherwise it sends it again to whoever leads */
    if (fact != NULL)
        ephor__fact__free_unpacked(fact, NULL);
}

void proposals_expire(struct quorum *q)
{
    int64_t now_ms = now_mono_ms();
    while (q->proposals.head != NULL && q->proposals.head->deadline_ms <= now_ms)
        finish(q, q->proposals.head->sequence, ERR_TIMEOUT, 0);
    const struct proposal *head = q->proposals.head;
    if (head != NULL && !q->is_leading && head->epoch == q->proposals.epoch &&
        now_ms - head->sent_ms >= RESEND_MS)
        proposals_restart(q);
    flush(q);
}

void proposals_close(struct quorum *q)
{
    take_early(q, false);
    while (q->proposals.head != NULL) {
        struct proposal *p = q->proposals.head;
        q->proposals.head = p->next;
        ephor__fact__free_unpacked(p->fact, NULL);
        free(p);
    }
    q->proposals.tail = NULL;
}
