/* Names in, a history out. The copy costs as much as the state itself, for as long as the answer is
 * worked out: nobody gets two at a time, since this process answers one request after the other. */
#include "orchestrator/status/simulate.h"

#include "orchestrator/base/jsonw.h"
#include "orchestrator/base/text.h"
#include "orchestrator/core/forecast.h"

#include <stdlib.h>
#include <string.h>

enum { LINES_TOLD_MAX = 500, LIST_SIZE = 1024 };

struct told { /* as it is written */
    struct jsonw w;
    uint32_t count;
    bool is_cut;
};

static void on_line(void *data, int64_t after_ms, const struct journal_line *line)
{
    struct told *h = data;
    if (h->count == LINES_TOLD_MAX) {
        h->is_cut = true;
        return;
    }
    h->count++;
    jsonw_object(&h->w, NULL);
    jsonw_int(&h->w, "after_ms", after_ms);
    jsonw_text(&h->w, "severity", severity_name(line->severity));
    jsonw_text(&h->w, "event", event_name(line->event));
    jsonw_text(&h->w, "object", line->object);
    jsonw_text(&h->w, "text", line->text);
    jsonw_object_end(&h->w);
}

/* ---------------------------------------------------------------- wishes */

static int find_node(const struct core *core, const char *name, int32_t *node, struct errbuf *e)
{
    *node = core_find_node(core, name);
    return *node != NONE ? ERR_OK : err_set(e, ERR_INVALID, "there is no node '%.60s'", name);
}

static bool has_member(const struct core *core, int32_t service, int32_t node)
{
    const struct service *s = core_service(core, service);
    for (int32_t i = s->member_first; i < s->member_first + s->member_count; i++)
        if (core_member(core, i)->node == node)
            return true;
    return false;
}

/* SERVICE, or SERVICE@NODE */
static int find_service(const struct core *core, char *word, struct forecast_wish *wish,
                        struct errbuf *e)
{
    char *at = strchr(word, '@');
    if (at != NULL)
        *at++ = '\0';
    wish->service = core_find_service(core, word);
    if (wish->service == NONE)
        return err_set(e, ERR_INVALID, "there is no service '%.60s'", word);
    if (at == NULL)
        return ERR_OK;
    if (find_node(core, at, &wish->node, e) != ERR_OK)
        return ERR_INVALID;
    if (!has_member(core, wish->service, wish->node))
        return err_set(e, ERR_INVALID, "%s has no member on %s", word, at);
    return ERR_OK;
}

static int fill_wish(const struct core *core, char *word, struct forecast_wish *wish,
                     struct errbuf *e)
{
    bool is_of_service = wish->kind == FORECAST_FAIL || wish->kind == FORECAST_FAILOVER;
    int err =
        is_of_service ? find_service(core, word, wish, e) : find_node(core, word, &wish->node, e);
    if (err != ERR_OK || wish->kind != FORECAST_FAIL || wish->node != NONE)
        return err;
    int32_t active = core_service(core, wish->service)->active;
    if (active == NONE)
        return err_set(e, ERR_INVALID, "%s is active nowhere: say where it is to fail, as %s@NODE",
                       word, word);
    wish->node = core_member(core, active)->node;
    return ERR_OK;
}

/* A list of words, with commas between them. */
static int add_wishes(const struct core *core, const char *list, enum forecast_kind kind,
                      struct forecast *forecast, struct errbuf *e)
{
    char copy[LIST_SIZE];
    char *save = NULL;
    if (list == NULL)
        return ERR_OK;
    if (!text_copy(copy, sizeof(copy), list))
        return err_set(e, ERR_INVALID, "that is too long");
    for (char *word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
        if (forecast->count == FORECAST_WISHES_MAX)
            return err_set(e, ERR_INVALID, "at most %d things can be assumed at once",
                           FORECAST_WISHES_MAX);
        struct forecast_wish *wish = &forecast->wishes[forecast->count++];
        *wish = (struct forecast_wish){kind, NONE, NONE};
        if (fill_wish(core, word, wish, e) != ERR_OK)
            return ERR_INVALID;
    }
    return ERR_OK;
}

static int read_wishes(const struct core *core, const struct http_request *request,
                       struct forecast *forecast, struct errbuf *e)
{
    static const struct {
        const char *name;
        enum forecast_kind kind;
    } lists[] = {{"fail", FORECAST_FAIL},
                 {"down", FORECAST_DOWN},
                 {"stuck", FORECAST_STUCK},
                 {"maintenance", FORECAST_MAINTENANCE},
                 {"failover", FORECAST_FAILOVER}};
    const char *helps = http_query(request, "restart_helps");
    *forecast = (struct forecast){.restart_helps = helps != NULL && strcmp(helps, "1") == 0};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (add_wishes(core, http_query(request, lists[i].name), lists[i].kind, forecast, e) !=
            ERR_OK)
            return ERR_INVALID;
    return forecast->count > 0 ? ERR_OK
                               : err_set(e, ERR_INVALID,
                                         "say what is to be assumed: fail, down, stuck, "
                                         "maintenance or failover");
}

/* ---------------------------------------------------------------- the answer */

/* Services that would not be as they are. */
static void write_services(struct jsonw *w, const struct core *now, const struct core *then,
                           const struct forecast *forecast)
{
    jsonw_array(w, "services");
    for (int32_t i = 0; i < core_service_count(then); i++) {
        const struct service *s = core_service(then, i);
        struct explanation list[EXPLANATIONS_MAX];
        bool is_named = false;
        for (uint32_t k = 0; k < forecast->count; k++)
            is_named = is_named || forecast->wishes[k].service == i;
        if (!is_named && s->active == core_service(now, i)->active &&
            s->state == core_service(now, i)->state)
            continue;
        uint32_t count = core_explain(then, i, list);
        jsonw_object(w, NULL);
        jsonw_text(w, "name", s->name);
        jsonw_text(w, "state", state_name((enum state)s->state));
        jsonw_text(w, "active",
                   s->active == NONE ? NULL
                                     : core_node(then, core_member(then, s->active)->node)->name);
        jsonw_text(w, "phase", core_service_phase(then, i));
        jsonw_int(w, "rule", count == 0 ? 0 : list[count - 1].rule);
        jsonw_text(w, "rule_name", count == 0 ? "" : rule_name(list[count - 1].rule));
        jsonw_text(w, "reason", count == 0 ? "" : list[count - 1].text);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

static void write_answer(const struct core *now, struct core *copy, const struct forecast *forecast,
                         struct effects *effects, struct buf *out)
{
    struct told h = {.count = 0};
    jsonw_init(&h.w, out);
    jsonw_object(&h.w, NULL);
    jsonw_array(&h.w, "lines");
    bool is_over = forecast_play(copy, forecast, effects, on_line, &h);
    jsonw_array_end(&h.w);
    jsonw_bool(&h.w, "is_cut", h.is_cut);
    jsonw_bool(&h.w, "ends", is_over);
    jsonw_int(&h.w, "lasts_ms", copy->at_ms - now->at_ms);
    write_services(&h.w, now, copy, forecast);
    jsonw_object_end(&h.w);
    buf_text(out, "\n");
}

int simulate_answer(const struct view *view, const struct http_request *request, struct buf *out,
                    struct errbuf *e)
{
    struct forecast forecast;
    if (read_wishes(view->core, request, &forecast, e) != ERR_OK)
        return ERR_INVALID;
    size_t size = core_size(&view->core->shape);
    struct core *copy = malloc(size);
    struct effects *effects = malloc(sizeof(*effects));
    int err = copy == NULL || effects == NULL ? err_set(e, ERR_NOMEM, "out of memory") : ERR_OK;
    if (err == ERR_OK) {
        memcpy(copy, view->core, size);
        write_answer(view->core, copy, &forecast, effects, out);
    }
    free(copy);
    free(effects);
    return err;
}
