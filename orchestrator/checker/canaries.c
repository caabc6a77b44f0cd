#include "orchestrator/checker/canaries.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/ping.h"

#include <stdlib.h>
#include <string.h>

enum { EVERY_MS = 1000, PATIENCE_MS = 900, MISSES_MAX = 2 };

struct canary {
    struct canaries *canaries; /* NULL: dropped, and freed when its question has ended */
    char name[280];
    char host[256];
    uint32_t port; /* 0: ping */
    struct ping *ping;
    struct check_run *run;
    bool is_proven; /* it has answered before */
    uint32_t misses;
};

struct canaries {
    struct check_context *context;
    struct timer *timer;
    struct canary *list[CANARIES_MAX];
    size_t count;
};

static void learn(struct canary *canary, bool is_answered)
{
    bool was_up = canary->is_proven && canary->misses < MISSES_MAX;
    if (is_answered != was_up && (is_answered || canary->misses + 1 == MISSES_MAX))
        log_info("canary", "%s %s", canary->name, is_answered ? "answers" : "does not answer");
    if (is_answered) {
        canary->is_proven = true;
        canary->misses = 0;
    } else if (canary->misses < MISSES_MAX) {
        canary->misses++;
    }
}

static void on_pinged(void *data, bool is_answered)
{
    struct canary *canary = data;
    canary->ping = NULL;
    learn(canary, is_answered);
}

/* A refusal comes from somebody who is there. */
static void on_observed(void *data, const struct observation *o)
{
    struct canary *canary = data;
    canary->run = NULL;
    if (canary->canaries == NULL)
        free(canary);
    else
        learn(canary, o->state == EPHOR__STATE__STATE_OK || strcmp(o->reason, "refused") == 0);
}

static void ask(struct canary *canary)
{
    struct check_context *context = canary->canaries->context;
    if (canary->port != 0) {
        Ephor__Check check = EPHOR__CHECK__INIT;
        check.id = check.name = canary->name;
        check.kind = EPHOR__CHECK_KIND__TCP;
        check.timeout_ms = PATIENCE_MS;
        check.host = canary->host;
        check.port = canary->port;
        canary->run = check_start(context, &check, on_observed, canary);
        return;
    }
    char address[64];
    text_copy(address, sizeof(address), canary->name);
    bool has_address =
        strcmp(canary->name, "gateway") != 0 || ping_gateway(address, sizeof(address));
    if (!has_address ||
        ping_start(&canary->ping, context->loop, address, PATIENCE_MS, on_pinged, canary) != ERR_OK)
        learn(canary, false);
}

static void on_timer(void *data)
{
    struct canaries *canaries = data;
    for (size_t i = 0; i < canaries->count; i++)
        if (canaries->list[i]->ping == NULL && canaries->list[i]->run == NULL)
            ask(canaries->list[i]);
}

struct canaries *canaries_new(struct check_context *context)
{
    struct canaries *canaries = calloc(1, sizeof(*canaries));
    if (canaries == NULL)
        return NULL;
    canaries->context = context;
    canaries->timer = timer_new(context->loop, on_timer, canaries);
    if (canaries->timer == NULL) {
        free(canaries);
        return NULL;
    }
    timer_start(canaries->timer, 0, EVERY_MS);
    return canaries;
}

static void drop(struct canary *canary)
{
    ping_drop(canary->ping);
    canary->canaries = NULL;
    if (canary->run == NULL)
        free(canary);
    else
        check_cancel(canary->run);
}

/* "HOST:PORT", "[ADDRESS]:PORT"; anything else is pinged. */
static void read_name(struct canary *canary)
{
    const char *colon = strrchr(canary->name, ':');
    bool is_literal = colon != NULL && strchr(canary->name, ':') != colon && colon[-1] != ']';
    if (colon == NULL || is_literal)
        return;
    size_t size = (size_t)(colon - canary->name);
    bool has_brackets = canary->name[0] == '[' && size > 1;
    text_format(canary->host, sizeof(canary->host), "%.*s", (int)(has_brackets ? size - 2 : size),
                canary->name + has_brackets);
    canary->port = (uint32_t)strtoul(colon + 1, NULL, 10);
}

static struct canary *take(struct canaries *canaries, const char *name)
{
    for (size_t i = 0; i < canaries->count; i++) {
        struct canary *canary = canaries->list[i];
        if (canary == NULL || strcmp(canary->name, name) != 0)
            continue;
        canaries->list[i] = NULL;
        return canary;
    }
    struct canary *canary = calloc(1, sizeof(*canary));
    if (canary == NULL)
        return NULL;
    canary->canaries = canaries;
    text_copy(canary->name, sizeof(canary->name), name);
    read_name(canary);
    return canary;
}

void canaries_set(struct canaries *canaries, char **names, size_t count)
{
    struct canary *list[CANARIES_MAX] = {NULL};
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < CANARIES_MAX; i++) {
        struct canary *canary = take(canaries, names[i]);
        if (canary != NULL)
            list[kept++] = canary;
    }
    for (size_t i = 0; i < canaries->count; i++)
        if (canaries->list[i] != NULL)
            drop(canaries->list[i]);
    memcpy(canaries->list, list, kept * sizeof(list[0]));
    canaries->count = kept;
}

size_t canaries_list(struct canaries *canaries, Ephor__Canary list[CANARIES_MAX])
{
    for (size_t i = 0; i < canaries->count; i++) {
        ephor__canary__init(&list[i]);
        list[i].name = canaries->list[i]->name;
        list[i].proven = canaries->list[i]->is_proven;
        list[i].up = canaries->list[i]->misses < MISSES_MAX;
    }
    return canaries->count;
}

void canaries_free(struct canaries *canaries)
{
    if (canaries == NULL)
        return;
    for (size_t i = 0; i < canaries->count; i++)
        drop(canaries->list[i]);
    timer_free(canaries->timer);
    free(canaries);
}
