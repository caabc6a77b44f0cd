/* The policy: the objects of the configuration in the order in which they stand there, defaults
 * filled in, and each check once for each target with its macros replaced. The same text gives the
 * same bytes on every controller. */
#include "orchestrator/supervisor/conf_build.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/core/limits.h"
#include "orchestrator/supervisor/conf_format.h"
#include "orchestrator/supervisor/conf_macro.h"
#include "orchestrator/supervisor/conf_rules.h"

#include <string.h>

enum { POLICY_SIZE_MAX = 32 << 20 /* half of what a link and a log entry take */ };

struct build {
    struct conf *conf;
    struct conf_arena *arena;
    struct conf_doc *doc;
    Ephor__Policy *policy;
    const struct conf_value *nodes, *checks, *vips;
    uint32_t member_at; /* index of the first member of the service at hand */
    size_t expanded;    /* bytes of words so far */
};

static uint32_t count_of(const struct conf_value *value)
{
    return value == NULL ? 0 : value->count;
}

static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text; /* the messages of protobuf-c know no const */
}

/* Memory for an array of that many pointers. */
static void *take_array(struct build *build, size_t count)
{
    return conf_arena_take(build->arena, (count + 1) * sizeof(void *));
}

/* ---------------------------------------------------------------- nodes */

static Ephor__Node *build_node(struct build *build, const struct conf_value *from)
{
    struct conf_scope scope = conf_scope_of(build->doc, "nodes.*", from);
    struct conf_scope ssh = conf_scope_ssh(build->doc, from);
    Ephor__Node *node = conf_arena_take(build->arena, sizeof(*node));
    ephor__node__init(node);
    node->name = borrow(from->name);
    node->address = borrow(conf_setting_text(&scope, "address"));
    node->transport = (Ephor__Transport)conf_setting_choice(&scope, "transport");
    node->unguarded = conf_setting_choice(&scope, "guard") == 1;
    if (node->transport == EPHOR__TRANSPORT__LOCAL)
        return node;
    node->user = borrow(conf_setting_text(&ssh, "user"));
    node->port = conf_setting_u32(&ssh, "port");
    node->connect_timeout_ms = conf_setting_u32(&ssh, "connect_timeout");
    return node;
}

/* When all nodes are there, for a parent may stand behind its child. */
static void fill_parents(struct build *build, const struct conf_value *from)
{
    Ephor__Node *node = build->policy->nodes[from->order];
    const struct conf_value *names = conf_value_child(from, "parents");
    if (count_of(names) == 0)
        return;
    node->parents = conf_arena_take(build->arena, names->count * sizeof(node->parents[0]));
    CONF_EACH_TEXT(name, names)
    node->parents[node->n_parents++] = conf_value_child(build->nodes, name->text)->order;
}

/* ---------------------------------------------------------------- checks */

static void fill_agree(Ephor__Check *check, const char *text)
{
    if (conf_format_lookers(text, &check->agree_count))
        check->agree = EPHOR__AGREE__AGREE_NUMBER;
    else
        check->agree_count = 0;
    if (strcmp(text, "all") == 0)
        check->agree = EPHOR__AGREE__AGREE_ALL;
    else if (strcmp(text, "any") == 0)
        check->agree = EPHOR__AGREE__AGREE_ANY;
}

/* The place of a controller's name in the policy's list, which gets it if it is new. */
static uint32_t vantage_name(struct build *build, const char *name)
{
    Ephor__Policy *policy = build->policy;
    for (uint32_t i = 0; i < policy->n_vantage_names; i++)
        if (strcmp(policy->vantage_names[i], name) == 0)
            return i;
    if (policy->vantage_names == NULL)
        policy->vantage_names = take_array(build, VANTAGE_NAMES_MAX + 1);
    if (policy->n_vantage_names > VANTAGE_NAMES_MAX)
        return VANTAGE_NAMES_MAX; /* told at the end */
    policy->vantage_names[policy->n_vantage_names] = borrow(name);
    return (uint32_t)policy->n_vantage_names++;
}

static void fill_vantage(struct build *build, Ephor__Check *check, const struct conf_value *value)
{
    if (conf_value_is_sequence(value)) {
        check->vantage = EPHOR__VANTAGE__VANTAGE_NAMES;
        check->vantage_names =
            conf_arena_take(build->arena, value->count * sizeof(check->vantage_names[0]));
        CONF_EACH_TEXT(name, value)
        check->vantage_names[check->n_vantage_names++] = vantage_name(build, name->text);
    } else if (conf_format_controllers(value->text, &check->vantage_count)) {
        check->vantage = EPHOR__VANTAGE__VANTAGE_NUMBER;
    } else {
        check->vantage_count = 0;
    }
}

/* What all types of checks have. */
static Ephor__Check *build_check(struct build *build, const struct conf_value *from)
{
    struct conf_scope scope = conf_scope_of(build->doc, "checks.*", from);
    Ephor__Check *check = conf_arena_take(build->arena, sizeof(*check));
    ephor__check__init(check);
    check->name = borrow(from->name);
    check->kind = (Ephor__CheckKind)conf_setting_choice(&scope, "type");
    check->scope = (Ephor__Scope)conf_setting_choice(&scope, "scope");
    check->interval_ms = conf_setting_u32(&scope, "interval");
    check->timeout_ms = conf_setting_u32(&scope, "timeout");
    check->slow_ms = conf_setting_u32(&scope, "slow");
    check->retry_ms = conf_setting_u32(&scope, "retry");
    if (check->retry_ms > check->interval_ms)
        check->retry_ms = check->interval_ms;
    check->fall = conf_setting_u32(&scope, "fall");
    check->rise = conf_setting_u32(&scope, "rise");
    check->failover = conf_setting_bool(&scope, "failover");
    check->confirm = conf_setting_bool(&scope, "confirm");
    check->stagger = conf_setting_bool(&scope, "stagger");
    fill_agree(check, conf_setting_text(&scope, "agree"));
    fill_vantage(build, check, conf_setting(&scope, "vantage"));
    conf_format_observers(conf_setting_text(&scope, "observers"), &check->observers);
    return check;
}

static char *expand(struct build *build, const char *text, const struct conf_macros *macros)
{
    char *expanded = conf_macro_expand(build->arena, text, macros);
    build->expanded += strlen(expanded) + 1;
    return expanded;
}

static void fill_plugin(struct build *build, Ephor__Check *check, const struct conf_scope *scope,
                        const struct conf_macros *macros)
{
    struct errbuf e;
    const struct conf_value *command = conf_setting(scope, "command");
    const char *program = conf_plugin_path(build->doc, command, build->conf->flags, &e);
    PRE(program != NULL);
    check->timeout_state = conf_setting_choice(scope, "timeout_state") == 0
                               ? EPHOR__STATE__STATE_CRITICAL
                               : EPHOR__STATE__STATE_UNKNOWN;
    check->argv = take_array(build, command->count);
    check->argv[check->n_argv++] = borrow(program);
    CONF_EACH_TEXT(word, command)
    if (word != command->first)
        check->argv[check->n_argv++] = expand(build, word->text, macros);
}

static void fill_http(struct build *build, Ephor__Check *check, const struct conf_scope *scope,
                      const struct conf_macros *macros)
{
    check->url = expand(build, conf_setting_text(scope, "url"), macros);
    check->http_host = expand(build, conf_setting_text(scope, "vhost"), macros);
    conf_format_status(conf_setting_text(scope, "status"), &check->http_status_min,
                       &check->http_status_max);
    check->http_body = borrow(conf_setting_text(scope, "body"));
    check->tls_verify = conf_setting_bool(scope, "tls_verify");
    check->tls_ca = borrow(conf_setting_path(scope, "tls_ca"));
    check->tls_warning_days = conf_setting_u32(scope, "tls_warning_days");
    check->tls_critical_days = conf_setting_u32(scope, "tls_critical_days");
    check->keepalive = conf_setting_bool(scope, "keepalive");
}

/* One check of one target, at the end of the policy's. */
static void add_check(struct build *build, const struct conf_value *from, uint32_t target,
                      const char *id, const struct conf_macros *macros)
{
    if (build->expanded > POLICY_SIZE_MAX)
        return; /* told at the end */
    struct conf_scope scope = conf_scope_of(build->doc, "checks.*", from);
    Ephor__Check *check = build_check(build, from);
    check->id = borrow(id);
    check->target = target;
    build->expanded += strlen(id) + 64;
    switch (check->kind) {
    case EPHOR__CHECK_KIND__PLUGIN:
        fill_plugin(build, check, &scope, macros);
        break;
    case EPHOR__CHECK_KIND__TCP:
        check->host = expand(build, conf_setting_text(&scope, "host"), macros);
        check->port = conf_setting_u32(&scope, "port");
        break;
    case EPHOR__CHECK_KIND__HTTP:
        fill_http(build, check, &scope, macros);
        break;
    case _EPHOR__CHECK_KIND_IS_INT_SIZE:
        NEVER("kind of a check");
    }
    build->policy->checks[build->policy->n_checks++] = check;
}

static void add_member_checks(struct build *build, const Ephor__Service *service,
                              const struct conf_value *check)
{
    const Ephor__Policy *policy = build->policy;
    for (uint32_t i = build->member_at; i < policy->n_members; i++) {
        const Ephor__Node *node = policy->nodes[policy->members[i]->node];
        const char *id =
            conf_arena_format(build->arena, "%s/%s/%s", service->name, node->name, check->name);
        struct conf_macros macros = {
            .address = node->address, .node = node->name, .service = service->name};
        add_check(build, check, i, id, &macros);
    }
}

static void add_vip_checks(struct build *build, const Ephor__Service *service,
                           const struct conf_value *names, const struct conf_value *check)
{
    CONF_EACH_TEXT(name, names)
    {
        uint32_t i = conf_value_child(build->vips, name->text)->order;
        const Ephor__Vip *vip = build->policy->vips[i];
        const char *id = conf_arena_format(build->arena, "vip/%s/%s", vip->name, check->name);
        struct conf_macros macros = {
            .address = vip->address, .service = service->name, .vip = vip->name};
        add_check(build, check, i, id, &macros);
    }
}

static void add_node_checks(struct build *build, const struct conf_value *from)
{
    const Ephor__Node *node = build->policy->nodes[from->order];
    const struct conf_value *names = conf_value_child(from, "checks");
    CONF_EACH_TEXT(name, names)
    {
        const char *id = conf_arena_format(build->arena, "node/%s/%s", node->name, name->text);
        struct conf_macros macros = {.address = node->address, .node = node->name};
        add_check(build, conf_value_child(build->checks, name->text), from->order, id, &macros);
    }
}

/* ---------------------------------------------------------------- services */

static Ephor__Action *build_action(struct build *build, const struct conf_value *from)
{
    Ephor__Action *action = conf_arena_take(build->arena, sizeof(*action));
    ephor__action__init(action);
    if (from == NULL)
        return action;
    struct conf_scope scope =
        conf_scope_of(build->doc, "services.*.restart", from->kind == CONF_GROUP ? from : NULL);
    const struct conf_value *command =
        from->kind == CONF_GROUP ? conf_setting(&scope, "command") : from;
    action->argv = take_array(build, command->count);
    CONF_EACH_TEXT(word, command)
    action->argv[action->n_argv++] = borrow(word->text);
    action->timeout_ms = conf_setting_u32(&scope, "timeout");
    return action;
}

static void fill_limits(Ephor__Service *service, const struct conf_scope *scope)
{
    service->restart_tries = conf_setting_u32(scope, "restart_tries");
    service->restart_budget = conf_setting_u32(scope, "restart_budget");
    service->restart_window_ms = conf_setting_u32(scope, "restart_window");
    service->restart_grace_ms = conf_setting_u32(scope, "restart_grace");
    service->hold_down_ms = conf_setting_u32(scope, "hold_down");
    service->failback_auto = conf_setting_choice(scope, "failback") == 1;
    service->failback_after_ms = conf_setting_u32(scope, "failback_after");
    service->moves_max = conf_setting_u32(scope, "moves_max");
    service->moves_window_ms = conf_setting_u32(scope, "moves_window");
}

static void add_members(struct build *build, const struct conf_value *from)
{
    const struct conf_value *members = conf_value_child(from, "members");
    CONF_EACH_GROUP(own, members)
    {
        struct conf_scope scope = conf_scope_of(build->doc, "services.*.members[]", own);
        Ephor__Member *member = conf_arena_take(build->arena, sizeof(*member));
        ephor__member__init(member);
        member->service = from->order;
        member->node = conf_value_child(build->nodes, conf_setting_text(&scope, "node"))->order;
        member->priority = conf_setting_u32(&scope, "priority");
        build->policy->members[build->policy->n_members++] = member;
    }
}

static void add_service(struct build *build, const struct conf_value *from)
{
    struct conf_scope scope = conf_scope_of(build->doc, "services.*", from);
    Ephor__Service *service = conf_arena_take(build->arena, sizeof(*service));
    ephor__service__init(service);
    service->name = borrow(from->name);
    service->run = (Ephor__RunMode)conf_setting_choice(&scope, "run");
    service->restart = build_action(build, conf_value_child(from, "restart"));
    service->start = build_action(build, conf_value_child(from, "start"));
    service->stop = build_action(build, conf_value_child(from, "stop"));
    fill_limits(service, &scope);
    build->policy->services[build->policy->n_services++] = service;
    build->member_at = (uint32_t)build->policy->n_members;
    add_members(build, from);
    const struct conf_value *vips = conf_value_child(from, "vips");
    CONF_EACH_TEXT(name, vips)
    build->policy->vips[conf_value_child(build->vips, name->text)->order]->service = from->order;
    const struct conf_value *names = conf_value_child(from, "checks");
    CONF_EACH_TEXT(name, names)
    {
        const struct conf_value *check = conf_value_child(build->checks, name->text);
        struct conf_scope settings = conf_scope_of(build->doc, "checks.*", check);
        if (conf_setting_choice(&settings, "scope") == EPHOR__SCOPE__VIP)
            add_vip_checks(build, service, vips, check);
        else
            add_member_checks(build, service, check);
    }
}

/* ---------------------------------------------------------------- VIPs */

/* Where addresses end by their lifetime: the kernel counts whole seconds, and is late. */
enum { BARE_LEASE_MIN_MS = 3000 };

static Ephor__Vip *build_vip(struct build *build, const struct conf_value *from)
{
    struct conf_scope scope = conf_scope_of(build->doc, "vips.*", from);
    Ephor__Vip *vip = conf_arena_take(build->arena, sizeof(*vip));
    char address[ADDRESS_SIZE] = "";
    ephor__vip__init(vip);
    conf_format_address(conf_setting_text(&scope, "address"), address);
    vip->name = borrow(from->name);
    vip->address = conf_arena_text(build->arena, address);
    vip->interface = borrow(conf_setting_text(&scope, "interface"));
    vip->guarded_lease_ms = conf_setting_u32(&scope, "lease");
    vip->lease_ms = vip->guarded_lease_ms < BARE_LEASE_MIN_MS
                        ? BARE_LEASE_MIN_MS
                        : (vip->guarded_lease_ms + 999) / 1000 * 1000;
    return vip;
}

/* ---------------------------------------------------------------- the whole */

/* How many members there are, and how many checks of targets. */
static void count(const struct build *build, const struct conf_value *services, size_t *members,
                  size_t *checks)
{
    *members = *checks = 0;
    CONF_EACH_GROUP(service, services)
    {
        size_t own = count_of(conf_value_child(service, "members"));
        size_t targets = own + count_of(conf_value_child(service, "vips"));
        *members += own;
        *checks += targets * count_of(conf_value_child(service, "checks"));
    }
    CONF_EACH_GROUP(node, build->nodes)
    *checks += count_of(conf_value_child(node, "checks"));
}

void conf_build_policy(struct conf_issues *issues, struct conf *conf)
{
    struct conf_scope top = conf_scope_top(&conf->doc, "");
    const struct conf_value *services = conf_doc_map(&conf->doc, "services");
    struct build build = {.conf = conf, .arena = &conf->arena, .doc = &conf->doc};
    size_t members, checks;
    Ephor__Policy *policy = conf_arena_take(build.arena, sizeof(*policy));
    ephor__policy__init(policy);
    build.policy = policy;
    build.nodes = conf_doc_map(&conf->doc, "nodes");
    build.checks = conf_doc_map(&conf->doc, "checks");
    build.vips = conf_doc_map(&conf->doc, "vips");
    count(&build, services, &members, &checks);
    policy->version = 1;
    policy->name = borrow(conf_setting_text(&top, "name"));
    policy->nodes = take_array(&build, count_of(build.nodes));
    policy->vips = take_array(&build, count_of(build.vips));
    policy->services = take_array(&build, count_of(services));
    policy->members = take_array(&build, members);
    policy->checks = take_array(&build, checks);
    CONF_EACH_GROUP(node, build.nodes)
    policy->nodes[policy->n_nodes++] = build_node(&build, node);
    CONF_EACH_GROUP(node, build.nodes)
    fill_parents(&build, node);
    CONF_EACH_GROUP(vip, build.vips)
    policy->vips[policy->n_vips++] = build_vip(&build, vip);
    CONF_EACH_GROUP(service, services)
    add_service(&build, service);
    CONF_EACH_GROUP(node, build.nodes)
    add_node_checks(&build, node);
    conf->policy = policy;
    if (policy->n_vantage_names > VANTAGE_NAMES_MAX)
        conf_issue(issues, conf->doc.root, "checks", "their vantage names more than %d controllers",
                   VANTAGE_NAMES_MAX);
    if (build.expanded > POLICY_SIZE_MAX ||
        ephor__policy__get_packed_size(policy) > POLICY_SIZE_MAX)
        conf_issue(issues, conf->doc.root, "checks",
                   "with all targets and macros filled in they are larger than %d MiB",
                   POLICY_SIZE_MAX >> 20);
}
