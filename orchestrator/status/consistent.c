/* Requests that wait for leave to be answered. The quorum process gives up by itself and says why;
 * the limit here is for one that says nothing. */
#include "orchestrator/status/consistent.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>

enum { LOOK_MS = 200 };

struct waiting {
    struct http_request *http; /* NULL: a free place */
    uint64_t sequence;
    bool is_replied;
    uint64_t index; /* to be applied here first */
    int64_t deadline_ms;
};

struct consistent {
    const struct feed *feed;
    consistent_cb *cb;
    void *data;
    struct link *link;
    struct timer *timer;
    uint64_t sequence;
    struct waiting waiting[CONSISTENT_MAX];
    uint32_t count;
};

/* ---------------------------------------------------------------- ends */

/* why NULL: it may be answered. */
static void give_back(struct consistent *c, struct http_request *http, const char *why)
{
    char text[ERR_TEXT_SIZE];
    text_format(text, sizeof(text),
                "what is known here may be old: %.700s; try again, ask another controller, or "
                "leave out 'consistent'",
                why == NULL ? "" : why);
    c->cb(c->data, http, why == NULL ? NULL : text);
}

static void end(struct consistent *c, struct waiting *w, const char *why)
{
    struct http_request *http = w->http;
    w->http = NULL;
    if (--c->count == 0)
        timer_stop(c->timer);
    give_back(c, http, why);
}

static void end_all(struct consistent *c, const char *why)
{
    for (uint32_t i = 0; i < CONSISTENT_MAX; i++)
        if (c->waiting[i].http != NULL)
            end(c, &c->waiting[i], why);
}

/* ---------------------------------------------------------------- while they wait */

void consistent_settle(struct consistent *c)
{
    for (uint32_t i = 0; i < CONSISTENT_MAX && c->count > 0; i++) {
        struct waiting *w = &c->waiting[i];
        if (w->http == NULL || !w->is_replied)
            continue;
        if (c->feed->trouble[0] != '\0')
            end(c, w, c->feed->trouble);
        else if (c->feed->is_fed && c->feed->machine.index >= w->index)
            end(c, w, NULL);
    }
}

void consistent_replied(struct consistent *c, const Ephor__ReadReply *m)
{
    for (uint32_t i = 0; i < CONSISTENT_MAX; i++) {
        struct waiting *w = &c->waiting[i];
        if (w->http == NULL || w->sequence != m->sequence)
            continue;
        if (!m->ok) {
            end(c, w, m->text);
            return;
        }
        w->is_replied = true;
        w->index = m->index;
        consistent_settle(c);
        return;
    }
}

static void on_look(void *data)
{
    struct consistent *c = data;
    int64_t now_ms = now_mono_ms();
    for (uint32_t i = 0; i < CONSISTENT_MAX; i++)
        if (c->waiting[i].http != NULL && now_ms >= c->waiting[i].deadline_ms)
            end(c, &c->waiting[i], "the quorum process does not answer");
}

void consistent_link(struct consistent *c, struct link *link)
{
    if (c->link != NULL)
        end_all(c, "the quorum process was lost");
    c->link = link;
}

/* ---------------------------------------------------------------- starting */

void consistent_start(struct consistent *c, struct http_request *http)
{
    struct waiting *w = c->waiting;
    if (c->link == NULL) {
        give_back(c, http, "the quorum process is not there");
        return;
    }
    if (c->count == CONSISTENT_MAX) {
        give_back(c, http, "too many requests wait already");
        return;
    }
    while (w->http != NULL)
        w++;
    *w = (struct waiting){.http = http,
                          .sequence = ++c->sequence,
                          .deadline_ms = now_mono_ms() + CONSISTENT_LIMIT_MS};
    if (c->count++ == 0)
        timer_start(c->timer, LOOK_MS, LOOK_MS);
    Ephor__Read read = EPHOR__READ__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    read.sequence = w->sequence;
    m.body_case = EPHOR__MESSAGE__BODY_READ;
    m.read = &read;
    link_send(c->link, &m, -1);
}

struct consistent *consistent_new(struct loop *loop, const struct feed *feed, consistent_cb *cb,
                                  void *data)
{
    struct consistent *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct consistent){.feed = feed, .cb = cb, .data = data};
    c->timer = timer_new(loop, on_look, c);
    PRE(c->timer != NULL);
    return c;
}

void consistent_free(struct consistent *c)
{
    if (c == NULL)
        return;
    end_all(c, "ephord is ending");
    timer_free(c->timer);
    free(c);
}
