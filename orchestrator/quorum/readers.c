/* Readers.
 *
 *   came ──▶ the leader is asked (here: the engine; elsewhere: by talk) ──▶ an index ──▶ applied
 *
 * What fails on the way is tried again until a reader's deadline, for a leader may be on its way;
 * then it is told what was in the way last. */
#include "orchestrator/quorum/readers.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/quorum/cluster.h"
#include "orchestrator/quorum/quorum.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>

enum {
    READERS_MAX = 256,
    SERVING_MAX = 64, /* a controller has one question at a time, or a few after quick elections */
    WAIT_MAX_MS = 5000,
    ANSWER_MAX_MS = 1000, /* then the question, or its answer, may be lost */
    LOOK_MS = 100,
};

struct reader {
    struct reader *next;
    struct peer *peer;
    uint64_t generation;
    uint64_t sequence;
    int64_t deadline_ms;
    uint64_t question; /* whose answer it waits for, or got; 0: not asked yet */
};

struct ticket { /* of one call of the engine */
    struct quorum *quorum;
    uint32_t from; /* 0: for the readers here */
    uint64_t question;
};

static struct ticket *new_ticket(struct quorum *q, uint32_t from, uint64_t question)
{
    struct ticket *ticket = malloc(sizeof(*ticket));
    PRE(ticket != NULL);
    *ticket = (struct ticket){q, from, question};
    return ticket;
}

/* ---------------------------------------------------------------- ends */

static void tell(const struct quorum *q, const struct peer *peer, uint64_t sequence,
                 const char *refusal)
{
    Ephor__ReadReply reply = EPHOR__READ_REPLY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    reply.sequence = sequence;
    reply.ok = refusal == NULL;
    reply.text = (char *)(uintptr_t)(refusal == NULL ? "" : refusal);
    /* Not the log's index: its last entries may be none of the machine's. */
    reply.index = q->machine.index;
    m.body_case = EPHOR__MESSAGE__BODY_READ_REPLY;
    m.read_reply = &reply;
    link_send(peer->link, &m, -1);
}

static void end_one(struct quorum *q, struct reader **at, const char *refusal)
{
    struct readers *all = &q->readers;
    struct reader *reader = *at;
    *at = reader->next;
    if (all->end == &reader->next)
        all->end = at;
    if (--all->count == 0)
        timer_stop(all->look);
    if (reader->peer->link != NULL && reader->peer->generation == reader->generation)
        tell(q, reader->peer, reader->sequence, refusal);
    free(reader);
}

/* All that waited for this answer. What the status process knows beside the log is as new then. */
static void end_all_of(struct quorum *q, uint64_t question, const char *refusal)
{
    if (refusal == NULL)
        peers_send_state(q);
    for (struct reader **at = &q->readers.head; *at != NULL;) {
        if ((*at)->question == question)
            end_one(q, at, refusal);
        else
            at = &(*at)->next;
    }
}

/* What a reader waits for, in words. */
static const char *obstacle(const struct quorum *q, const struct reader *reader, char text[200])
{
    const char *name = cluster_name_of(q, q->leader);
    bool is_answered =
        reader->question != 0 && (!q->readers.is_asking || reader->question != q->readers.question);
    if (!q->is_storage_ok)
        return "the storage of this controller fails";
    if (q->leader == 0)
        return "no leader can be reached from this controller";
    if (q->leader == q->controller)
        return is_answered ? "the storage of this controller is slow"
                           : "this controller leads, but no majority confirms it";
    if (is_answered)
        text_format(text, 200, "this controller's log is behind that of the leader, %s", name);
    else if (q->readers.is_asking)
        text_format(text, 200, "the leader, %s, does not answer", name);
    else
        text_format(text, 200, "the leader, %s, cannot be reached from this controller", name);
    return text;
}

static void expire(struct quorum *q)
{
    int64_t now_ms = now_mono_ms();
    char text[200];
    while (q->readers.head != NULL && q->readers.head->deadline_ms <= now_ms)
        end_one(q, &q->readers.head, obstacle(q, q->readers.head, text));
}

/* ---------------------------------------------------------------- the question */

static void ask(struct quorum *q);

static void on_applied(void *data, int err, uint64_t index)
{
    struct ticket *ticket = data;
    (void)index;
    /* ERR_TIMEOUT: their own deadlines are about to say it better. */
    if (err == ERR_OK)
        end_all_of(ticket->quorum, ticket->question, NULL);
    else if (err == ERR_CANCELED)
        end_all_of(ticket->quorum, ticket->question, "ephord is ending");
    free(ticket);
}

/* It came to nothing: who waits for it is part of the next one. */
static void take_back(struct quorum *q)
{
    struct readers *all = &q->readers;
    for (struct reader *reader = all->head; all->is_asking && reader != NULL; reader = reader->next)
        if (reader->question == all->question)
            reader->question = 0;
    all->is_asking = false;
}

static void settle(struct quorum *q, uint64_t question, bool ok, uint64_t index)
{
    struct readers *all = &q->readers;
    if (!all->is_asking || question != all->question)
        return;
    if (!ok) {
        take_back(q); /* asked again at the next look: at once would be a storm */
        return;
    }
    all->is_asking = false;
    engine_read_at(q->engine, index, on_applied, new_ticket(q, 0, question));
    ask(q);
}

static void on_index(void *data, int err, uint64_t index)
{
    struct ticket *ticket = data;
    if (err == ERR_CANCELED)
        end_all_of(ticket->quorum, ticket->question, "ephord is ending");
    else
        settle(ticket->quorum, ticket->question, err == ERR_OK, index);
    free(ticket);
}

static bool send_question(struct quorum *q, uint64_t number)
{
    Ephor__Talk talk = EPHOR__TALK__INIT;
    Ephor__ReadQuestion question = EPHOR__READ_QUESTION__INIT;
    question.number = number;
    talk.body_case = EPHOR__TALK__BODY_READ_QUESTION;
    talk.read_question = &question;
    return cluster_talk(q, q->leader, &talk) == ERR_OK;
}

static void ask(struct quorum *q)
{
    struct readers *all = &q->readers;
    bool any = false;
    if (all->is_asking || q->leader == 0)
        return;
    for (const struct reader *reader = all->head; reader != NULL; reader = reader->next)
        any |= reader->question == 0;
    if (!any || (q->leader != q->controller && !send_question(q, all->question + 1)))
        return;
    all->question++;
    all->asked = q->leader;
    all->asked_ms = now_mono_ms();
    all->is_asking = true;
    for (struct reader *reader = all->head; reader != NULL; reader = reader->next)
        if (reader->question == 0)
            reader->question = all->question;
    if (q->leader == q->controller)
        engine_read(q->engine, on_index, new_ticket(q, 0, all->question));
}

void readers_restart(struct quorum *q)
{
    take_back(q);
    ask(q);
}

/* Under the same number: whichever of the two is answered, it was asked after the readers came. */
static void ask_again(struct quorum *q)
{
    struct readers *all = &q->readers;
    int64_t now_ms = now_mono_ms();
    if (!all->is_asking || all->asked != q->leader || all->asked == q->controller ||
        now_ms - all->asked_ms < ANSWER_MAX_MS)
        return;
    all->asked_ms = now_ms;
    send_question(q, all->question);
}

static void on_look(void *data)
{
    struct quorum *q = data;
    quorum_note_leader(q);
    expire(q);
    ask_again(q);
    ask(q);
}

/* ---------------------------------------------------------------- between controllers */

static void on_index_for(void *data, int err, uint64_t index)
{
    struct ticket *ticket = data;
    Ephor__Talk talk = EPHOR__TALK__INIT;
    Ephor__ReadAnswer answer = EPHOR__READ_ANSWER__INIT;
    answer.number = ticket->question;
    answer.ok = err == ERR_OK;
    answer.index = index;
    talk.body_case = EPHOR__TALK__BODY_READ_ANSWER;
    talk.read_answer = &answer;
    ticket->quorum->readers.serving--;
    cluster_talk(ticket->quorum, ticket->from, &talk);
    free(ticket);
}

void readers_on_question(struct quorum *q, uint32_t from, const Ephor__ReadQuestion *question)
{
    if (q->readers.serving >= SERVING_MAX)
        return; /* as if it was lost: nobody who keeps to the rules asks so often */
    q->readers.serving++;
    engine_read(q->engine, on_index_for, new_ticket(q, from, question->number));
}

void readers_on_answer(struct quorum *q, uint32_t from, const Ephor__ReadAnswer *answer)
{
    if (from == q->readers.asked)
        settle(q, answer->number, answer->ok, answer->index);
}

/* ---------------------------------------------------------------- the interface */

void readers_add(struct quorum *q, struct peer *peer, uint64_t sequence)
{
    struct readers *all = &q->readers;
    if (cluster_is_witness(q)) {
        tell(q, peer, sequence, "this controller is a witness, which keeps no state");
        return;
    }
    if (all->count == READERS_MAX) {
        tell(q, peer, sequence, "too many reads wait here already");
        return;
    }
    struct reader *reader = calloc(1, sizeof(*reader));
    PRE(reader != NULL);
    *reader = (struct reader){.peer = peer,
                              .generation = peer->generation,
                              .sequence = sequence,
                              .deadline_ms = now_mono_ms() + WAIT_MAX_MS};
    *all->end = reader;
    all->end = &reader->next;
    if (all->count++ == 0)
        timer_start(all->look, LOOK_MS, LOOK_MS);
    ask(q);
}

bool readers_open(struct quorum *q)
{
    q->readers = (struct readers){.end = &q->readers.head, .question = q->proposals.run};
    q->readers.look = timer_new(q->loop, on_look, q);
    return q->readers.look != NULL;
}

void readers_close(struct quorum *q)
{
    while (q->readers.head != NULL) {
        struct reader *reader = q->readers.head;
        q->readers.head = reader->next;
        free(reader);
    }
    timer_free(q->readers.look);
    q->readers.look = NULL;
}
