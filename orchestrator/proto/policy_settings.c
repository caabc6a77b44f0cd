/* From a policy's message back to the words of the file. */
#include "orchestrator/proto/policy_settings.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/err.h"
#include "orchestrator/base/text.h"
#include "orchestrator/core/limits.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- objects */

static int by_name(const void *a, const void *b)
{
    const struct policy_object *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : (left->number > right->number) - (left->number < right->number);
}

static int by_id(const void *a, const void *b, void *policy)
{
    const Ephor__Policy *p = policy;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    int order = strcmp(p->checks[left]->id, p->checks[right]->id);
    return order != 0 ? order : (left > right) - (left < right);
}

static const char *name_of(const Ephor__Policy *p, enum policy_noun noun, size_t i)
{
    if (noun == POLICY_NODE)
        return p->nodes[i]->name;
    if (noun == POLICY_CHECK)
        return p->checks[i]->name;
    return noun == POLICY_VIP ? p->vips[i]->name : p->services[i]->name;
}

static size_t count_of(const Ephor__Policy *p, enum policy_noun noun)
{
    const size_t counts[POLICY_NOUNS] = {p->n_nodes, p->n_checks, p->n_vips, p->n_services};
    return counts[noun];
}

/* Sorted, and of several with one name (checks of several targets) the first. */
static int sort_noun(struct policy_objects *objects, enum policy_noun noun)
{
    size_t count = count_of(objects->policy, noun), kept = 0;
    struct policy_object *sorted = calloc(count + 1, sizeof(sorted[0]));
    objects->sorted[noun] = sorted;
    if (sorted == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct policy_object){name_of(objects->policy, noun, i), (uint32_t)i};
    qsort(sorted, count, sizeof(sorted[0]), by_name);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(sorted[i].name, sorted[kept - 1].name) != 0)
            sorted[kept++] = sorted[i];
    objects->counts[noun] = kept;
    return ERR_OK;
}

/* From the last to the first, so that the lists have the order of the policy. */
static void make_lists(struct policy_objects *objects)
{
    const Ephor__Policy *p = objects->policy;
    for (size_t i = p->n_checks; i-- > 0;) {
        const Ephor__Check *c = p->checks[i];
        uint32_t *first = c->scope == EPHOR__SCOPE__NODE ? &objects->node_checks[c->target]
                          : c->scope == EPHOR__SCOPE__VIP
                              ? &objects->service_checks[p->vips[c->target]->service]
                              : &objects->service_checks[p->members[c->target]->service];
        objects->next_check[i] = *first;
        *first = (uint32_t)i + 1;
    }
    for (size_t i = p->n_vips; i-- > 0;) {
        uint32_t *first = &objects->service_vips[p->vips[i]->service];
        objects->next_vip[i] = *first;
        *first = (uint32_t)i + 1;
    }
    for (size_t i = p->n_members; i-- > 0;)
        objects->first_member[p->members[i]->service] = (uint32_t)i + 1;
}

static uint32_t *new_numbers(size_t count)
{
    return calloc(count + 1, sizeof(uint32_t));
}

int policy_objects_init(struct policy_objects *objects, const Ephor__Policy *p)
{
    *objects = (struct policy_objects){.policy = p};
    objects->by_id = new_numbers(p->n_checks);
    objects->next_check = new_numbers(p->n_checks);
    objects->node_checks = new_numbers(p->n_nodes);
    objects->service_checks = new_numbers(p->n_services);
    objects->service_vips = new_numbers(p->n_services);
    objects->first_member = new_numbers(p->n_services);
    objects->next_vip = new_numbers(p->n_vips);
    if (objects->by_id == NULL || objects->next_check == NULL || objects->node_checks == NULL ||
        objects->service_checks == NULL || objects->service_vips == NULL ||
        objects->first_member == NULL || objects->next_vip == NULL)
        return ERR_NOMEM;
    for (int noun = 0; noun < POLICY_NOUNS; noun++)
        if (sort_noun(objects, (enum policy_noun)noun) != ERR_OK)
            return ERR_NOMEM;
    for (size_t i = 0; i < p->n_checks; i++)
        objects->by_id[i] = (uint32_t)i;
    qsort_r(objects->by_id, p->n_checks, sizeof(uint32_t), by_id, (void *)(uintptr_t)p);
    make_lists(objects);
    return ERR_OK;
}

void policy_objects_close(struct policy_objects *objects)
{
    for (int noun = 0; noun < POLICY_NOUNS; noun++)
        free(objects->sorted[noun]);
    free(objects->by_id);
    free(objects->next_check);
    free(objects->node_checks);
    free(objects->service_checks);
    free(objects->service_vips);
    free(objects->first_member);
    free(objects->next_vip);
    *objects = (struct policy_objects){.policy = NULL};
}

/* ---------------------------------------------------------------- values */

void policy_settings_init(struct policy_settings *settings)
{
    settings->count = 0;
    buf_init(&settings->text, POLICY_SETTINGS_SIZE_MAX);
}

void policy_settings_close(struct policy_settings *settings)
{
    buf_close(&settings->text);
}

const char *policy_settings_find(const struct policy_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->rows[i].name, name) == 0)
            return buf_string(&settings->text) + settings->rows[i].at;
    return NULL;
}

static struct buf *begin_row(struct policy_settings *s, const char *name)
{
    PRE(s->count < POLICY_SETTINGS_MAX);
    if (s->count > 0)
        buf_append(&s->text, "", 1);
    s->rows[s->count].name = name;
    s->rows[s->count++].at = s->text.size;
    return &s->text;
}

static void put_quoted(struct buf *out, const char *text)
{
    buf_text(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_format(out, "\\%c", *text);
        else if (*text == '\n' || *text == '\t')
            buf_text(out, *text == '\n' ? "\\n" : "\\t");
        else
            buf_append(out, text, 1);
    }
    buf_text(out, "\"");
}

static void add_text(struct policy_settings *s, const char *name, const char *text)
{
    put_quoted(begin_row(s, name), text);
}

static void add_duration(struct policy_settings *s, const char *name, uint32_t ms)
{
    char text[32];
    add_text(s, name, text_from_duration(text, sizeof(text), ms));
}

static void add_number(struct policy_settings *s, const char *name, uint32_t number)
{
    buf_format(begin_row(s, name), "%u", number);
}

static void add_bool(struct policy_settings *s, const char *name, bool is_so)
{
    buf_text(begin_row(s, name), is_so ? "true" : "false");
}

static void add_array(struct policy_settings *s, const char *name, char *const *words, size_t count)
{
    struct buf *out = begin_row(s, name);
    for (size_t i = 0; i < count; i++) {
        buf_text(out, i == 0 ? "[ " : ", ");
        put_quoted(out, words[i]);
    }
    buf_text(out, count == 0 ? "[]" : " ]");
}

/* One more element of a list in brackets that begins at row_at. */
static void put_element(struct buf *out, size_t row_at, const char *name)
{
    buf_text(out, out->size == row_at ? "[ " : ", ");
    put_quoted(out, name);
}

static void end_list(struct buf *out, size_t row_at)
{
    buf_text(out, out->size == row_at ? "[]" : " ]");
}

/* ---------------------------------------------------------------- the objects' settings */

static void take_node(struct policy_settings *s, const struct policy_objects *objects, uint32_t i)
{
    const Ephor__Policy *p = objects->policy;
    const Ephor__Node *node = p->nodes[i];
    bool is_local = node->transport == EPHOR__TRANSPORT__LOCAL;
    add_text(s, "address", node->address);
    add_text(s, "transport", is_local ? "local" : "ssh");
    add_text(s, "guard", node->unguarded ? "none" : "auto");
    if (!is_local) {
        add_text(s, "ssh.user", node->user);
        add_number(s, "ssh.port", node->port);
        add_duration(s, "ssh.connect_timeout", node->connect_timeout_ms);
    }
    struct buf *out = begin_row(s, "checks");
    size_t at = out->size;
    for (uint32_t c = objects->node_checks[i]; c != 0; c = objects->next_check[c - 1])
        put_element(out, at, p->checks[c - 1]->name);
    end_list(out, at);
    out = begin_row(s, "parents");
    at = out->size;
    for (size_t k = 0; k < node->n_parents; k++)
        put_element(out, at, p->nodes[node->parents[k]]->name);
    end_list(out, at);
}

static void take_vip(struct policy_settings *s, const struct policy_objects *objects, uint32_t i)
{
    const Ephor__Vip *vip = objects->policy->vips[i];
    add_text(s, "address", vip->address);
    add_text(s, "interface", vip->interface);
    add_duration(s, "lease", vip->guarded_lease_ms > 0 ? vip->guarded_lease_ms : vip->lease_ms);
}

static void add_members(struct policy_settings *s, const struct policy_objects *objects, uint32_t i)
{
    const Ephor__Policy *p = objects->policy;
    struct buf *out = begin_row(s, "members");
    uint32_t first = objects->first_member[i];
    buf_text(out, "(");
    for (size_t m = first == 0 ? p->n_members : first - 1;
         m < p->n_members && p->members[m]->service == i; m++) {
        buf_text(out, m + 1 == first ? " { node = " : ", { node = ");
        put_quoted(out, p->nodes[p->members[m]->node]->name);
        buf_format(out, "; priority = %u; }", p->members[m]->priority);
    }
    buf_text(out, " )");
}

/* Every member (or VIP) has the same ones: those of the first tell. */
static void add_service_checks(struct policy_settings *s, const struct policy_objects *objects,
                               uint32_t i)
{
    const Ephor__Policy *p = objects->policy;
    struct buf *out = begin_row(s, "checks");
    size_t at = out->size;
    for (uint32_t c = objects->service_checks[i]; c != 0; c = objects->next_check[c - 1]) {
        const Ephor__Check *check = p->checks[c - 1];
        uint32_t first =
            check->scope == EPHOR__SCOPE__VIP ? objects->service_vips[i] : objects->first_member[i];
        if (check->target + 1 == first)
            put_element(out, at, check->name);
    }
    end_list(out, at);
}

static void add_action(struct policy_settings *s, const char *command, const char *timeout,
                       const Ephor__Action *action)
{
    if (action == NULL || action->n_argv == 0)
        return;
    add_array(s, command, action->argv, action->n_argv);
    add_duration(s, timeout, action->timeout_ms);
}

static void take_service(struct policy_settings *s, const struct policy_objects *objects,
                         uint32_t i)
{
    const Ephor__Service *service = objects->policy->services[i];
    add_members(s, objects, i);
    add_service_checks(s, objects, i);
    struct buf *out = begin_row(s, "vips");
    size_t at = out->size;
    for (uint32_t v = objects->service_vips[i]; v != 0; v = objects->next_vip[v - 1])
        put_element(out, at, objects->policy->vips[v - 1]->name);
    end_list(out, at);
    add_text(s, "run", service->run == EPHOR__RUN_MODE__ACTIVE_ONLY ? "active" : "everywhere");
    add_action(s, "restart.command", "restart.timeout", service->restart);
    add_action(s, "start.command", "start.timeout", service->start);
    add_action(s, "stop.command", "stop.timeout", service->stop);
    add_number(s, "restart_tries", service->restart_tries);
    add_number(s, "restart_budget", service->restart_budget);
    add_duration(s, "restart_window", service->restart_window_ms);
    add_duration(s, "restart_grace", service->restart_grace_ms);
    add_duration(s, "hold_down", service->hold_down_ms);
    add_text(s, "failback", service->failback_auto ? "auto" : "manual");
    add_duration(s, "failback_after", service->failback_after_ms);
    add_number(s, "moves_max", service->moves_max);
    add_duration(s, "moves_window", service->moves_window_ms);
}

static void add_status(struct policy_settings *s, const Ephor__Check *check)
{
    char text[32];
    text_format(text, sizeof(text),
                check->http_status_min == check->http_status_max ? "%u" : "%u-%u",
                check->http_status_min, check->http_status_max);
    add_text(s, "status", text);
}

static void add_agree(struct policy_settings *s, const Ephor__Check *check)
{
    static const char *const words[] = {"majority", "all", "any"};
    if (check->agree == EPHOR__AGREE__AGREE_NUMBER)
        add_number(s, "agree", check->agree_count);
    else
        add_text(s, "agree", words[(unsigned)check->agree % 3]);
}

static void add_vantage(struct policy_settings *s, const Ephor__Policy *p,
                        const Ephor__Check *check)
{
    if (check->vantage == EPHOR__VANTAGE__VANTAGE_NUMBER) {
        add_number(s, "vantage", check->vantage_count);
    } else if (check->vantage == EPHOR__VANTAGE__VANTAGE_NAMES) {
        struct buf *out = begin_row(s, "vantage");
        size_t at = out->size;
        for (size_t i = 0; i < check->n_vantage_names; i++)
            put_element(out, at, p->vantage_names[check->vantage_names[i]]);
        end_list(out, at);
    } else {
        add_text(s, "vantage", "all");
    }
}

static void add_observers(struct policy_settings *s, const Ephor__Check *check)
{
    if (check->observers > 0 && check->observers < OBSERVERS_MAX)
        add_number(s, "observers", check->observers);
    else
        add_text(s, "observers", check->observers == 0 ? "none" : "all");
}

static void take_check(struct policy_settings *s, const Ephor__Policy *p, const Ephor__Check *check)
{
    static const char *const types[] = {"plugin", "tcp", "http"};
    static const char *const scopes[] = {"member", "node", "vip"};
    add_text(s, "type", types[(unsigned)check->kind % 3]);
    add_text(s, "scope", scopes[(unsigned)check->scope % 3]);
    add_duration(s, "interval", check->interval_ms);
    add_duration(s, "timeout", check->timeout_ms);
    add_duration(s, "slow", check->slow_ms);
    add_duration(s, "retry", check->retry_ms);
    add_number(s, "fall", check->fall);
    add_number(s, "rise", check->rise);
    add_agree(s, check);
    add_vantage(s, p, check);
    add_observers(s, check);
    add_bool(s, "confirm", check->confirm);
    add_bool(s, "stagger", check->stagger);
    add_bool(s, "failover", check->failover);
    if (check->kind == EPHOR__CHECK_KIND__PLUGIN)
        add_text(s, "timeout_state",
                 check->timeout_state == EPHOR__STATE__STATE_UNKNOWN ? "unknown" : "critical");
    if (check->kind == EPHOR__CHECK_KIND__TCP)
        add_number(s, "port", check->port);
    if (check->kind != EPHOR__CHECK_KIND__HTTP)
        return;
    add_status(s, check);
    add_text(s, "body", check->http_body);
    add_bool(s, "tls_verify", check->tls_verify);
    add_text(s, "tls_ca", check->tls_ca);
    add_number(s, "tls_warning_days", check->tls_warning_days);
    add_number(s, "tls_critical_days", check->tls_critical_days);
    add_bool(s, "keepalive", check->keepalive);
}

void policy_settings_take(struct policy_settings *s, const struct policy_objects *objects,
                          enum policy_noun noun, uint32_t number)
{
    buf_clear(&s->text);
    s->count = 0;
    switch (noun) {
    case POLICY_NODE:
        take_node(s, objects, number);
        break;
    case POLICY_CHECK:
        take_check(s, objects->policy, objects->policy->checks[number]);
        break;
    case POLICY_VIP:
        take_vip(s, objects, number);
        break;
    case POLICY_SERVICE:
        take_service(s, objects, number);
        break;
    case POLICY_NOUNS:
        NEVER("noun of a policy");
    }
}

void policy_settings_take_words(struct policy_settings *s, const Ephor__Check *check)
{
    buf_clear(&s->text);
    s->count = 0;
    if (check->kind == EPHOR__CHECK_KIND__PLUGIN)
        add_array(s, "command", check->argv, check->n_argv);
    if (check->kind == EPHOR__CHECK_KIND__TCP)
        add_text(s, "host", check->host);
    if (check->kind == EPHOR__CHECK_KIND__HTTP) {
        add_text(s, "url", check->url);
        add_text(s, "vhost", check->http_host);
    }
}

bool policy_words_are_alike(const Ephor__Check *a, const Ephor__Check *b)
{
    if (a->n_argv != b->n_argv || strcmp(a->host, b->host) != 0 || strcmp(a->url, b->url) != 0 ||
        strcmp(a->http_host, b->http_host) != 0)
        return false;
    for (size_t i = 0; i < a->n_argv; i++)
        if (strcmp(a->argv[i], b->argv[i]) != 0)
            return false;
    return true;
}
