/* Streams to browsers and to `ephorctl journal -f`. A change is told after a short wait, so that a
 * burst of facts makes one rendering; only pieces whose bytes changed are sent. */
#include "orchestrator/status/sse.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/status/answers.h"
#include "orchestrator/status/api.h"
#include "orchestrator/status/page.h"
#include "orchestrator/sys/now.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { GATHER_MS = 100, LOOK_MS = 2000, PING_MS = 15000, EVENT_MAX = 4 << 20, FIRST_LINES = 50 };

struct client {
    struct client *next, **link;
    struct sse *sse;
    struct http_request *request;
    bool wants_pieces;
    bool is_new; /* needs all pieces */
    uint64_t last_index;
    uint32_t last_number;
};

struct sse {
    struct loop *loop;
    const struct feed *feed;
    struct client *clients;
    uint32_t count;
    struct timer *gather, *look, *ping;
    bool is_gathering;
    uint64_t *digests; /* of the pieces as sent last, by place */
    uint32_t digest_count;
    uint64_t policy_index; /* for which the places hold */
    struct buf event;
};

/* ---------------------------------------------------------------- sending */

static void send_event(struct sse *sse, struct client *client, const char *name,
                       const struct buf *data)
{
    struct buf *event = &sse->event;
    buf_clear(event);
    if (strcmp(name, "journal") == 0)
        buf_format(event, "id: %" PRIu64 "-%" PRIu32 "\n", client->last_index, client->last_number);
    buf_format(event, "event: %s\ndata: ", name);
    buf_append(event, buf_string(data), data->size); /* JSON: one line */
    buf_text(event, "\n\n");
    if (!event->failed)
        http_stream_send(client->request, event->data, event->size);
}

static void send_hello(struct sse *sse, struct client *client)
{
    struct buf data;
    struct jsonw w;
    char policy[24];
    text_format(policy, sizeof(policy), "%" PRIu64, sse->feed->machine.policy_index);
    buf_init(&data, 1024);
    jsonw_init(&w, &data);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "policy", policy);
    jsonw_object_end(&w);
    send_event(sse, client, "hello", &data);
    buf_close(&data);
}

static void send_lines(struct sse *sse, struct client *client, const struct view *view)
{
    const struct lines *lines = sse->feed->lines;
    uint32_t i = lines_after(lines, client->last_index, client->last_number);
    struct buf html, data;
    buf_init(&html, 65536);
    buf_init(&data, 131072);
    for (; i < lines_count(lines); i++) {
        const struct line *line = lines_at(lines, i);
        struct jsonw w;
        buf_clear(&data);
        jsonw_init(&w, &data);
        api_line_begin(&w, line);
        if (client->wants_pieces) {
            buf_clear(&html);
            page_line(view, line, &html);
            jsonw_text(&w, "html", buf_string(&html));
        }
        jsonw_object_end(&w);
        client->last_index = line->index;
        client->last_number = line->number;
        send_event(sse, client, "journal", &data);
    }
    buf_close(&html);
    buf_close(&data);
}

struct rendering {
    struct sse *sse;
    uint32_t place;
};

/* Has the piece at this place changed since it was sent last? Remembers it. */
static bool piece_changed(struct sse *sse, uint32_t place, const struct buf *html)
{
    uint64_t digest = XXH3_64bits(html->data, html->size);
    if (place >= sse->digest_count) {
        uint32_t count = sse->digest_count == 0 ? 64 : sse->digest_count * 2;
        uint64_t *grown = realloc(sse->digests, count * sizeof(*grown));
        if (grown == NULL)
            return true;
        memset(grown + sse->digest_count, 0, (count - sse->digest_count) * sizeof(*grown));
        sse->digests = grown;
        sse->digest_count = count;
    }
    bool changed = sse->digests[place] != digest;
    sse->digests[place] = digest;
    return changed;
}

static void on_piece(void *data, const char *id, const struct buf *html)
{
    struct rendering *rendering = data;
    struct sse *sse = rendering->sse;
    bool changed = piece_changed(sse, rendering->place++, html);
    struct buf event;
    buf_init(&event, EVENT_MAX);
    for (struct client *c = sse->clients; c != NULL; c = c->next) {
        if (!c->wants_pieces || (!changed && !c->is_new))
            continue;
        if (event.size == 0) {
            struct jsonw w;
            jsonw_init(&w, &event);
            jsonw_object(&w, NULL);
            jsonw_text(&w, "id", id);
            jsonw_text(&w, "html", html->data);
            jsonw_object_end(&w);
        }
        send_event(sse, c, "patch", &event);
    }
    buf_close(&event);
}

static void send_pieces(struct sse *sse, struct view *view)
{
    struct rendering rendering = {.sse = sse};
    bool is_wanted = false;
    for (struct client *c = sse->clients; c != NULL; c = c->next)
        is_wanted = is_wanted || c->wants_pieces;
    if (!is_wanted)
        return;
    view->is_patch = true;
    page_each_piece(view, on_piece, &rendering);
    view->is_patch = false;
    for (struct client *c = sse->clients; c != NULL; c = c->next)
        c->is_new = false;
}

static void tell_all(struct sse *sse)
{
    struct view view;
    if (sse->clients == NULL || view_init(&view, sse->feed, now_wall_ms()) != ERR_OK)
        return;
    if (sse->policy_index != sse->feed->machine.policy_index) {
        sse->policy_index = sse->feed->machine.policy_index;
        for (struct client *c = sse->clients; c != NULL; c = c->next)
            send_hello(sse, c);
        if (sse->digests != NULL)
            memset(sse->digests, 0, sse->digest_count * sizeof(*sse->digests));
    }
    for (struct client *c = sse->clients; c != NULL; c = c->next)
        send_lines(sse, c, &view);
    send_pieces(sse, &view);
    view_close(&view);
}

/* ---------------------------------------------------------------- timers */

static void on_gathered(void *data)
{
    struct sse *sse = data;
    sse->is_gathering = false;
    tell_all(sse);
}

/* The results of checks change without a fact. */
static void on_look(void *data)
{
    sse_changed(data);
}

static void on_ping(void *data)
{
    struct sse *sse = data;
    struct buf nothing;
    buf_init(&nothing, 16);
    buf_text(&nothing, "{}");
    for (struct client *c = sse->clients; c != NULL; c = c->next)
        send_event(sse, c, "ping", &nothing);
    buf_close(&nothing);
}

void sse_changed(struct sse *sse)
{
    if (sse->is_gathering || sse->clients == NULL)
        return;
    sse->is_gathering = true;
    timer_start(sse->gather, GATHER_MS, 0);
}

/* ---------------------------------------------------------------- clients */

static void on_client_closed(void *data, struct http_request *request)
{
    struct client *client = data;
    (void)request;
    *client->link = client->next;
    if (client->next != NULL)
        client->next->link = client->link;
    client->sse->count--;
    free(client);
}

/* Behind which line the client wants to go on: "INDEX-NUMBER", or some lines ago. */
static void set_start(struct sse *sse, struct client *client, const char *last_id)
{
    const struct lines *lines = sse->feed->lines;
    uint32_t count = lines_count(lines);
    uint32_t before = client->wants_pieces ? FIRST_LINES : 0;
    char *end = NULL;
    if (last_id != NULL) {
        client->last_index = strtoull(last_id, &end, 10);
        client->last_number = *end == '-' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
        /* an id of a log that is gone (a fresh state directory): begin anew */
        if (count == 0 || client->last_index <= lines_at(lines, count - 1)->index)
            return;
        client->last_index = client->last_number = 0;
    } else if (count > before) {
        client->last_index = lines_at(lines, count - 1 - before)->index;
        client->last_number = lines_at(lines, count - 1 - before)->number;
    }
}

bool sse_add(struct sse *sse, struct http_request *request)
{
    const char *topic = http_query(request, "topic");
    struct client *client = sse->count < SSE_CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
    if (client == NULL)
        return false;
    client->sse = sse;
    client->request = request;
    client->wants_pieces = client->is_new = topic == NULL || strcmp(topic, "journal") != 0;
    set_start(sse, client, http_header(request, "Last-Event-ID"));
    if (!http_stream_start(request, "text/event-stream", answer_headers, on_client_closed,
                           client)) {
        free(client);
        return true; /* the request is gone */
    }
    if (sse->clients == NULL)
        sse->policy_index = sse->feed->machine.policy_index;
    client->next = sse->clients;
    client->link = &sse->clients;
    if (client->next != NULL)
        client->next->link = &client->next;
    sse->clients = client;
    sse->count++;
    static const char retry[] = "retry: 2000\n\n";
    http_stream_send(request, retry, sizeof(retry) - 1);
    send_hello(sse, client);
    sse_changed(sse);
    return true;
}

uint32_t sse_count(const struct sse *sse)
{
    return sse->count;
}

/* ---------------------------------------------------------------- life */

struct sse *sse_new(struct loop *loop, const struct feed *feed)
{
    struct sse *sse = calloc(1, sizeof(*sse));
    if (sse == NULL)
        return NULL;
    sse->loop = loop;
    sse->feed = feed;
    buf_init(&sse->event, EVENT_MAX + 1024);
    sse->gather = timer_new(loop, on_gathered, sse);
    sse->look = timer_new(loop, on_look, sse);
    sse->ping = timer_new(loop, on_ping, sse);
    PRE(sse->gather != NULL && sse->look != NULL && sse->ping != NULL);
    timer_start(sse->look, LOOK_MS, LOOK_MS);
    timer_start(sse->ping, PING_MS, PING_MS);
    return sse;
}

void sse_free(struct sse *sse)
{
    if (sse == NULL)
        return;
    PRE(sse->clients == NULL);
    timer_free(sse->gather);
    timer_free(sse->look);
    timer_free(sse->ping);
    buf_close(&sse->event);
    free(sse->digests);
    free(sse);
}
