/* The table of paths. Reading is for everybody who reaches a socket; what changes something is in
 * actions.c. */
#include "orchestrator/status/routes.h"

#include "orchestrator/base/text.h"
#include "orchestrator/status/actions.h"
#include "orchestrator/status/api.h"
#include "orchestrator/status/assets.h"
#include "orchestrator/status/simulate.h"
#include "orchestrator/sys/now.h"

#include <string.h>
#include <xxhash.h>

enum { PAGE_LIMIT = 32 << 20, JOURNAL_DEFAULT = 100 };

#define TYPE_HTML "text/html; charset=utf-8"
#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"

/* What one request is answered from. */
struct context {
    struct routes *routes;
    struct http_request *request;
    enum handler handler;
    const char *rest;    /* of the path behind a prefix */
    const char *refusal; /* why it must not be answered; NULL: it may */
    struct view view;
    struct buf body;
};

static struct page_assets assets_of(const struct routes *routes)
{
    return (struct page_assets){routes->style_tag, routes->script_tag};
}

static void send_body(struct context *c, uint32_t status, const char *type)
{
    answer_send(&c->routes->counts, c->handler, c->request, status, type, false, &c->body);
}

static void send_error(struct context *c, uint32_t status, const char *code, const char *message)
{
    answer_error(&c->routes->counts, c->handler, c->request, status, code, message);
}

/* A page for people with a browser, JSON for the others. */
static void send_problem(struct context *c, uint32_t status, const char *code, const char *message)
{
    const char *accept = http_header(c->request, "Accept");
    if (accept == NULL || strstr(accept, "text/html") == NULL) {
        send_error(c, status, code, message);
        return;
    }
    struct page_assets assets = assets_of(c->routes);
    page_error(&c->view, &assets, status, message, &c->body);
    send_body(c, status, TYPE_HTML);
}

static void send_not_found(struct context *c, const char *message)
{
    send_problem(c, 404, "not_found", message);
}

/* ---------------------------------------------------------------- pages */

static void get_overview(struct context *c)
{
    struct page_assets assets = assets_of(c->routes);
    page_overview(&c->view, &assets, &c->body);
    send_body(c, 200, TYPE_HTML);
}

static int32_t find_service(const struct context *c, const char *name)
{
    return c->view.core == NULL ? NONE : core_find_service(c->view.core, name);
}

static void get_service(struct context *c)
{
    struct page_assets assets = assets_of(c->routes);
    int32_t service = find_service(c, c->rest);
    if (service == NONE) {
        send_not_found(c, "there is no service of that name");
        return;
    }
    page_service(&c->view, service, &assets, &c->body);
    send_body(c, 200, TYPE_HTML);
}

static void send_asset(struct context *c, const char *type, const char *text)
{
    buf_text(&c->body, text);
    answer_send(&c->routes->counts, c->handler, c->request, 200, type,
                http_query(c->request, "v") != NULL, &c->body);
}

static void get_style(struct context *c)
{
    send_asset(c, "text/css; charset=utf-8", asset_css);
}

static void get_script(struct context *c)
{
    send_asset(c, "text/javascript; charset=utf-8", asset_js);
}

static void get_events(struct context *c)
{
    if (sse_add(c->routes->sse, c->request))
        answers_count(&c->routes->counts, c->handler, 200);
    else
        send_error(c, 503, "too_many", "too many clients follow the events already");
}

/* ---------------------------------------------------------------- API */

static void get_status(struct context *c)
{
    api_status(&c->view, &c->body);
    send_body(c, 200, TYPE_JSON);
}

static void get_why(struct context *c)
{
    const char *name = http_query(c->request, "service");
    char message[LINE_SIZE];
    int32_t service = name == NULL ? NONE : find_service(c, name);
    if (name == NULL) {
        send_error(c, 400, "bad_request", "'service' is missing: ask for ?service=NAME");
    } else if (service == NONE) {
        text_format(message, sizeof(message), "there is no service '%.100s'", name);
        send_error(c, 404, "not_found", message);
    } else {
        api_why(&c->view, service, &c->body);
        send_body(c, 200, TYPE_JSON);
    }
}

/* A forecast costs a copy of the state and some time: not for strangers. */
static void get_simulate(struct context *c)
{
    struct errbuf e;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    if (!http_peer(c->request, &uid, &gid, &pid)) {
        send_error(c, 403, "local_only", "this is asked for over the local socket, with ephorctl");
        return;
    }
    int err = c->view.core == NULL || c->view.core->leader == 0
                  ? err_set(&e, ERR_AGAIN, "nobody leads, so that nothing would be done")
                  : simulate_answer(&c->view, c->request, &c->body, &e);
    if (err == ERR_OK)
        send_body(c, 200, TYPE_JSON);
    else
        send_error(c, err == ERR_INVALID ? 400 : 503,
                   err == ERR_INVALID ? "bad_request" : "unavailable", e.text);
}

static void get_cluster(struct context *c)
{
    api_cluster(&c->view, &c->body);
    send_body(c, 200, TYPE_JSON);
}

static void get_config(struct context *c)
{
    api_config(&c->view, &c->body);
    send_body(c, 200, TYPE_JSON);
}

/* A policy as it is in the log: that in force, or an earlier one. It has the arguments of plugins,
 * which are not for all. */
static void get_policy(struct context *c)
{
    const struct machine *machine = &c->routes->feed->machine;
    const char *text = http_query(c->request, "number");
    int64_t number = (int64_t)machine->policy_index;
    if (!actions_are_open_to(c->routes, c->request, c->handler))
        return;
    if (text != NULL && !text_parse_int(text, 1, INT64_MAX, &number)) {
        send_error(c, 400, "bad_request", "'number' has to be a number from 1");
        return;
    }
    const struct past_policy *past = history_find(&machine->history, (uint64_t)number);
    if (machine->core == NULL)
        send_error(c, 503, "unavailable", "no policy was adopted yet");
    else if (past == NULL)
        send_error(c, 404, "not_found", "there is no policy of that number (any more)");
    else if ((uint64_t)number != machine->policy_index && past->bytes == NULL)
        send_error(c, 404, "not_found", "the text of that policy is not kept any more");
    else {
        bool is_in_force = (uint64_t)number == machine->policy_index;
        buf_append(&c->body, is_in_force ? machine->policy_bytes : past->bytes,
                   is_in_force ? machine->policy_size : past->size);
        send_body(c, 200, "application/x-protobuf");
    }
}

static void get_journal(struct context *c)
{
    const char *text = http_query(c->request, "count");
    const char *object = http_query(c->request, "object");
    int64_t count = JOURNAL_DEFAULT;
    if (text != NULL && !text_parse_int(text, 0, API_JOURNAL_MAX, &count)) {
        send_error(c, 400, "bad_request", "'count' has to be a number from 0 to 2000");
        return;
    }
    api_journal(c->routes->feed, (uint32_t)count, object == NULL ? "" : object, &c->body);
    send_body(c, 200, TYPE_JSON);
}

/* ---------------------------------------------------------------- for machines */

static void get_metrics(struct context *c)
{
    c->routes->counts.refused = 0;
    for (uint32_t i = 0; i < c->routes->server_count; i++)
        c->routes->counts.refused += http_server_refused(c->routes->servers[i]);
    c->routes->counts.streams = sse_count(c->routes->sse);
    metrics_write(&c->view, &c->routes->counts, &c->body);
    send_body(c, 200, "text/plain; version=0.0.4; charset=utf-8");
}

static void get_health(struct context *c)
{
    buf_text(&c->body, "ok\n");
    send_body(c, 200, TYPE_TEXT);
}

static void get_ready(struct context *c)
{
    char why[ERR_TEXT_SIZE];
    bool is_ready = view_is_ready(c->routes->feed, why);
    if (view_is_observer(c->routes->feed)) {
        is_ready = c->routes->feed->state->looks->policy_index != 0;
        buf_text(&c->body, is_ready ? "ready: observing\n" : "not ready: it has no policy yet\n");
    } else if (!is_ready) {
        buf_format(&c->body, "not ready: %s\n", why);
    } else if (c->routes->feed->is_leading) {
        buf_text(&c->body, "ready: leading\n");
    } else {
        buf_format(&c->body, "ready: %s leads\n", c->view.core->leader_name);
    }
    send_body(c, is_ready ? 200 : 503, TYPE_TEXT);
}

/* ---------------------------------------------------------------- the table */

static const struct route {
    const char *path; /* one that ends in '/' is a prefix, but for "/" itself */
    enum http_method method;
    enum handler handler;
    void (*get)(struct context *c); /* NULL: an action */
} table[] = {
    {"/", HTTP_GET, HANDLER_OVERVIEW, get_overview},
    {"/services/", HTTP_GET, HANDLER_SERVICE, get_service},
    {"/style.css", HTTP_GET, HANDLER_ASSET, get_style},
    {"/app.js", HTTP_GET, HANDLER_ASSET, get_script},
    {"/events", HTTP_GET, HANDLER_EVENTS, get_events},
    {"/api/v1/status", HTTP_GET, HANDLER_STATUS, get_status},
    {"/api/v1/why", HTTP_GET, HANDLER_WHY, get_why},
    {"/api/v1/simulate", HTTP_GET, HANDLER_SIMULATE, get_simulate},
    {"/api/v1/journal", HTTP_GET, HANDLER_JOURNAL, get_journal},
    {"/api/v1/cluster", HTTP_GET, HANDLER_CLUSTER, get_cluster},
    {"/api/v1/config", HTTP_GET, HANDLER_CONFIG, get_config},
    {"/api/v1/config/policy", HTTP_GET, HANDLER_CONFIG_POLICY, get_policy},
    {"/metrics", HTTP_GET, HANDLER_METRICS, get_metrics},
    {"/healthz", HTTP_GET, HANDLER_HEALTH, get_health},
    {"/readyz", HTTP_GET, HANDLER_READY, get_ready},
    {"/api/v1/failover", HTTP_POST, HANDLER_FAILOVER, NULL},
    {"/api/v1/pause", HTTP_POST, HANDLER_PAUSE, NULL},
    {"/api/v1/resume", HTTP_POST, HANDLER_RESUME, NULL},
    {"/api/v1/maintenance", HTTP_POST, HANDLER_MAINTENANCE, NULL},
    {"/api/v1/config/apply", HTTP_POST, HANDLER_CONFIG_APPLY, NULL},
    {"/api/v1/config/rollback", HTTP_POST, HANDLER_CONFIG_ROLLBACK, NULL},
    {"/api/v1/cluster/add", HTTP_POST, HANDLER_CLUSTER_ADD, NULL},
    {"/api/v1/cluster/remove", HTTP_POST, HANDLER_CLUSTER_REMOVE, NULL},
    {"/api/v1/cluster/promote", HTTP_POST, HANDLER_CLUSTER_PROMOTE, NULL},
    {"/api/v1/cluster/transfer", HTTP_POST, HANDLER_CLUSTER_TRANSFER, NULL},
};

static const struct route *find_route(const char *path, const char **rest)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t size = strlen(table[i].path);
        bool is_prefix = size > 1 && table[i].path[size - 1] == '/';
        *rest = path + (is_prefix ? size : 0);
        if (is_prefix ? text_starts_with(path, table[i].path) && (*rest)[0] != '\0'
                      : strcmp(path, table[i].path) == 0)
            return &table[i];
    }
    return NULL;
}

static void answer_get(struct context *c, const struct route *route)
{
    if (view_init(&c->view, c->routes->feed, now_wall_ms()) != ERR_OK) {
        send_error(c, 503, "out_of_memory", "out of memory");
        return;
    }
    buf_init(&c->body, c->handler == HANDLER_METRICS         ? METRICS_LIMIT
                       : c->handler == HANDLER_STATUS        ? API_BODY_LIMIT
                       : c->handler == HANDLER_CONFIG_POLICY ? API_BODY_LIMIT
                                                             : PAGE_LIMIT);
    if (c->refusal != NULL)
        send_problem(c, 503, "not_confirmed", c->refusal);
    else if (route == NULL)
        send_not_found(c, "there is nothing at this path");
    else
        route->get(c);
    buf_close(&c->body);
    view_close(&c->view);
}

void routes_answer_confirmed(void *data, struct http_request *request, const char *refusal)
{
    struct context c = {.routes = data, .request = request, .refusal = refusal};
    const struct route *route = find_route(http_path(request), &c.rest);
    c.handler = route->handler;
    answer_get(&c, route);
}

static bool shows_state(enum handler handler)
{
    return handler == HANDLER_OVERVIEW || handler == HANDLER_SERVICE || handler == HANDLER_STATUS ||
           handler == HANDLER_WHY || handler == HANDLER_SIMULATE || handler == HANDLER_JOURNAL ||
           handler == HANDLER_CLUSTER || handler == HANDLER_CONFIG ||
           handler == HANDLER_CONFIG_POLICY;
}

/* At once, or once it is sure that nothing is missed. */
static void start_get(struct context *c, const struct route *route)
{
    const char *text = http_query(c->request, "consistent");
    bool is_wanted = text != NULL && strcmp(text, "1") == 0;
    if (text != NULL && !is_wanted && strcmp(text, "0") != 0)
        send_error(c, 400, "bad_request", "'consistent' has to be 0 or 1");
    else if (is_wanted && route != NULL && !shows_state(route->handler))
        send_error(c, 400, "bad_request",
                   "'consistent' is for what shows the state of the cluster: leave it out here");
    else if (is_wanted && route != NULL)
        consistent_start(c->routes->consistent, c->request);
    else
        answer_get(c, route);
}

void routes_answer(void *data, struct http_request *request)
{
    struct context c = {.routes = data, .request = request, .handler = HANDLER_OTHER};
    const struct route *route = find_route(http_path(request), &c.rest);
    if (route != NULL)
        c.handler = route->handler;
    if (c.routes->is_ending)
        send_error(&c, 503, "unavailable", "ephord is ending");
    else if (route != NULL && http_method(request) != route->method)
        send_error(&c, 405, "method_not_allowed",
                   route->method == HTTP_GET ? "this can only be read (GET)"
                                             : "this changes something (POST)");
    else if (route == NULL && http_method(request) != HTTP_GET)
        send_error(&c, 404, "not_found", "there is nothing at this path");
    else if (route != NULL && route->get == NULL)
        actions_start(c.routes, request, c.handler);
    else
        start_get(&c, route);
}

static void make_tag(char tag[20], const char *text)
{
    text_format(tag, 20, "%016llx", (unsigned long long)XXH3_64bits(text, strlen(text)));
}

void routes_init(struct routes *routes)
{
    answers_init(&routes->counts);
    make_tag(routes->style_tag, asset_css);
    make_tag(routes->script_tag, asset_js);
}
