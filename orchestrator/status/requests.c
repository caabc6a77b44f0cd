/* Requests that wait. The applied fact and the quorum process's word on the proposal come in
 * either order, so replies are remembered by the feed and looked up by index. */
#include "orchestrator/status/requests.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/status/api.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>

enum { LOOK_MS = 200 };

struct waiting {
    struct http_request *http; /* NULL: a free place */
    enum handler handler;
    uint64_t sequence;
    uint64_t index;   /* 0 until the proposal is committed */
    bool is_cluster;  /* it is answered by the quorum process */
    bool has_outcome; /* of another policy: to be told when it was fed */
    struct reply outcome;
    int64_t deadline_ms;
};

struct requests {
    struct process *process;
    const struct feed *feed;
    struct http_counts *counts;
    struct link *link;
    struct timer *timer;
    uint64_t sequence;
    struct waiting waiting[REQUESTS_MAX];
    uint32_t count;
};

/* ---------------------------------------------------------------- ends */

static void end_waiting(struct requests *q, struct waiting *w)
{
    w->http = NULL;
    if (--q->count == 0)
        timer_stop(q->timer);
}

static void fail(struct requests *q, struct waiting *w, uint32_t status, const char *code,
                 const char *message)
{
    struct http_request *http = w->http;
    end_waiting(q, w);
    answer_error(q->counts, w->handler, http, status, code, message);
}

static void answer(struct requests *q, struct waiting *w, const struct reply *reply)
{
    struct http_request *http = w->http;
    struct buf body;
    struct jsonw json;
    if (!reply->is_accepted) {
        fail(q, w, 409, "refused", reply->text);
        return;
    }
    end_waiting(q, w);
    buf_init(&body, 16384);
    jsonw_init(&json, &body);
    jsonw_object(&json, NULL);
    jsonw_bool(&json, "accepted", true);
    jsonw_text(&json, "message", reply->text);
    jsonw_int(&json, "index", (int64_t)w->index);
    jsonw_object_end(&json);
    buf_text(&body, "\n");
    answer_send(q->counts, w->handler, http, 200, "application/json", false, &body);
    buf_close(&body);
}

/* ---------------------------------------------------------------- while they wait */

void requests_settle(struct requests *q)
{
    for (uint32_t i = 0; i < REQUESTS_MAX && q->count > 0; i++) {
        struct waiting *w = &q->waiting[i];
        const struct reply *reply = w->http == NULL || w->index == 0 ? NULL
                                    : w->has_outcome                 ? &w->outcome
                                                     : feed_reply(q->feed, w->index);
        if (reply != NULL && w->has_outcome && q->feed->machine.index < w->index)
            continue;
        if (reply != NULL)
            answer(q, w, reply);
        else if (w->http != NULL && w->index > 0 && q->feed->machine.index >= w->index)
            fail(q, w, 500, "no_reply",
                 "it was written down, but nothing was made of it; see the "
                 "journal");
    }
}

void requests_proposed(struct requests *q, const Ephor__Proposed *m)
{
    char message[ERR_TEXT_SIZE];
    for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
        struct waiting *w = &q->waiting[i];
        if (w->http == NULL || w->sequence != m->sequence)
            continue;
        if (m->err == ERR_OK) {
            w->index = m->index;
            requests_settle(q);
        } else {
            text_format(message, sizeof(message), "it could not be written down: %.900s",
                        m->text[0] != '\0' ? m->text : err_text(m->err));
            fail(q, w, 503, m->err == ERR_AGAIN ? "not_leading" : "not_committed", message);
        }
        return;
    }
}

static void on_look(void *data)
{
    struct requests *q = data;
    int64_t now_ms = now_mono_ms();
    for (uint32_t i = 0; i < REQUESTS_MAX; i++)
        if (q->waiting[i].http != NULL && now_ms >= q->waiting[i].deadline_ms)
            fail(q, &q->waiting[i], 504, "timeout",
                 "no answer within 10 s; whether it was done is not known, see the journal");
}

static void fail_all(struct requests *q, const char *message)
{
    for (uint32_t i = 0; i < REQUESTS_MAX; i++)
        if (q->waiting[i].http != NULL)
            fail(q, &q->waiting[i], 503, "unavailable", message);
}

void requests_link(struct requests *q, struct link *link)
{
    if (q->link != NULL)
        fail_all(q, "the quorum process was lost; whether it was done is not known, see the "
                    "journal");
    q->link = link;
}

/* ---------------------------------------------------------------- starting */

/* Why no request can be taken now; NULL if one can. */
static const char *obstacle(const struct requests *q, bool needs_core, char text[ERR_TEXT_SIZE])
{
    if (q->link == NULL)
        return "the quorum process is not there; it is being started, try again in a moment";
    if (q->count == REQUESTS_MAX)
        return "too many requests wait for their answer; try again in a moment";
    if (needs_core && !view_is_ready(q->feed, text))
        return text;
    if (!q->feed->is_leading && (q->feed->state == NULL || q->feed->state->leader == 0))
        return "no controller leads now; try again in a moment";
    if (!q->feed->is_storage_ok) {
        text_format(text, ERR_TEXT_SIZE, "nothing can be written down: %.900s",
                    q->feed->storage_text);
        return text;
    }
    return NULL;
}

static struct waiting *free_place(struct requests *q)
{
    for (uint32_t i = 0; i < REQUESTS_MAX; i++)
        if (q->waiting[i].http == NULL)
            return &q->waiting[i];
    NEVER("more requests wait than were taken");
}

/* NULL: it was answered with what forbids it. */
static struct waiting *start(struct requests *q, struct http_request *http, enum handler handler,
                             bool is_cluster)
{
    char text[ERR_TEXT_SIZE];
    const char *why = obstacle(q, !is_cluster, text);
    if (why != NULL) {
        answer_error(q->counts, handler, http, 503, "unavailable", why);
        return NULL;
    }
    struct waiting *w = free_place(q);
    *w = (struct waiting){.http = http,
                          .handler = handler,
                          .sequence = ++q->sequence,
                          .is_cluster = is_cluster,
                          .deadline_ms = now_mono_ms() + REQUEST_LIMIT_MS};
    if (q->count++ == 0)
        timer_start(q->timer, LOOK_MS, LOOK_MS);
    return w;
}

void requests_start(struct requests *q, struct http_request *http, enum handler handler,
                    Ephor__Request *m)
{
    struct waiting *w = start(q, http, handler, false);
    if (w == NULL)
        return;
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Propose propose = EPHOR__PROPOSE__INIT;
    Ephor__Message message = EPHOR__MESSAGE__INIT;
    fact.wall_ms = now_wall_ms();
    fact.body_case = EPHOR__FACT__BODY_REQUEST;
    fact.request = m;
    propose.sequence = w->sequence;
    propose.fact = &fact;
    message.body_case = EPHOR__MESSAGE__BODY_PROPOSE;
    message.propose = &propose;
    link_send(q->link, &message, -1);
}

void requests_start_cluster(struct requests *q, struct http_request *http, enum handler handler,
                            Ephor__ClusterRequest *m)
{
    struct waiting *w = start(q, http, handler, true);
    if (w == NULL)
        return;
    Ephor__Message message = EPHOR__MESSAGE__INIT;
    m->sequence = w->sequence;
    message.body_case = EPHOR__MESSAGE__BODY_CLUSTER_REQUEST;
    message.cluster_request = m;
    link_send(q->link, &message, -1);
}

void requests_cluster_replied(struct requests *q, const Ephor__ClusterReply *m)
{
    for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
        struct waiting *w = &q->waiting[i];
        if (w->http == NULL || !w->is_cluster || w->sequence != m->sequence)
            continue;
        struct http_request *http = w->http;
        enum handler handler = w->handler;
        struct buf body;
        if (!m->ok) {
            fail(q, w, 409, "refused", m->text);
            return;
        }
        end_waiting(q, w);
        buf_init(&body, 65536);
        api_cluster_reply(m, &body);
        answer_send(q->counts, handler, http, 200, "application/json", false, &body);
        buf_close(&body);
        return;
    }
}

/* The supervisor reads the file and passes its policy on. */
void requests_start_apply(struct requests *q, struct http_request *http, enum handler handler,
                          Ephor__PolicyApply *m)
{
    struct waiting *w = start(q, http, handler, false);
    if (w == NULL)
        return;
    Ephor__Message message = EPHOR__MESSAGE__INIT;
    m->sequence = w->sequence;
    message.body_case = EPHOR__MESSAGE__BODY_POLICY_APPLY;
    message.policy_apply = m;
    process_send(q->process, &message, -1);
}

void requests_start_rollback(struct requests *q, struct http_request *http, enum handler handler,
                             Ephor__PolicyRollback *m)
{
    struct waiting *w = start(q, http, handler, false);
    if (w == NULL)
        return;
    Ephor__Message message = EPHOR__MESSAGE__INIT;
    m->sequence = w->sequence;
    message.body_case = EPHOR__MESSAGE__BODY_POLICY_ROLLBACK;
    message.policy_rollback = m;
    link_send(q->link, &message, -1);
}

void requests_policy_replied(struct requests *q, const Ephor__PolicyReply *m)
{
    for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
        struct waiting *w = &q->waiting[i];
        if (w->http == NULL || w->sequence != m->sequence || m->sequence == 0)
            continue;
        if (!m->accepted) {
            fail(q, w, 409, "refused", m->text);
            return;
        }
        w->index = m->index;
        w->has_outcome = true;
        w->outcome = (struct reply){.index = m->index, .is_accepted = true};
        text_copy(w->outcome.text, sizeof(w->outcome.text), m->text);
        requests_settle(q);
        return;
    }
}

struct requests *requests_new(struct loop *loop, struct process *process, const struct feed *feed,
                              struct http_counts *counts)
{
    struct requests *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    q->process = process;
    q->feed = feed;
    q->counts = counts;
    q->timer = timer_new(loop, on_look, q);
    PRE(q->timer != NULL);
    return q;
}

void requests_free(struct requests *q)
{
    if (q == NULL)
        return;
    fail_all(q, "ephord is ending; whether it was done is not known, see the journal");
    timer_free(q->timer);
    free(q);
}
