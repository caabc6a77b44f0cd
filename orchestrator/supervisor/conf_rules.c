/* What the values mean to each other: references, with a guess at what was meant, and what a
 * configuration must have to make sense. Runs on what the validator left good, so that all errors
 * are told in one pass; a rule about something that is absent is silent where a bad value may be
 * the reason. */
#include "orchestrator/supervisor/conf_rules.h"
#include "orchestrator/supervisor/conf_build.h"

#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf.h"
#include "orchestrator/supervisor/conf_format.h"

#include <string.h>

enum { INSTANCES_MAX = 65536 /* slots of the results table */ };

struct rules {
    struct conf_issues *issues;
    struct conf_doc *doc;
    struct conf_value *nodes, *checks, *vips, *services; /* the maps; NULL: none */
    bool *node_used, *check_used;                        /* by order in the map */
    bool *node_seen;                                     /* scratch of leads_to */
    const struct conf_value **vip_owner;                 /* services */
    uint64_t instances;
    uint32_t election_ms, heartbeat_ms;
};

static uint32_t count_of(const struct conf_value *map)
{
    return map == NULL ? 0 : map->count;
}

/* ---------------------------------------------------------------- references */

/* The group of that name in the map, or NULL after telling so. */
static struct conf_value *refer(struct rules *rules, struct conf_value *name,
                                const struct conf_value *map, const char *noun)
{
    char quote[CONF_QUOTE_SIZE], text[CONF_QUOTE_SIZE];
    struct conf_guess guess;
    struct conf_value *found = conf_value_child(map, name->text);
    if (found != NULL)
        return found->kind == CONF_GROUP ? found : NULL;
    conf_guess_init(&guess, name->text);
    CONF_EACH_GROUP(other, map)
    conf_guess_try(&guess, other->name);
    conf_issue(rules->issues, name, NULL, "there is no %s '%s'%s", noun,
               conf_text_quote(name->text, quote), conf_guess_text(&guess, text));
    return NULL;
}

/* Is the same text in the array before? Then tell so. */
static bool is_repeated(struct rules *rules, const struct conf_value *array,
                        struct conf_value *name)
{
    CONF_EACH_TEXT(other, array)
    {
        if (other == name)
            return false;
        if (strcmp(other->text, name->text) == 0) {
            conf_issue(rules->issues, name, NULL, "'%s' is here twice", name->text);
            return true;
        }
    }
    return false;
}

static const struct conf_value *array_of(const struct conf_value *group, const char *name)
{
    const struct conf_value *array = conf_value_child(group, name);
    return array != NULL && conf_value_is_sequence(array) ? array : NULL;
}

static int scope_of(const struct rules *rules, const struct conf_value *check)
{
    struct conf_scope scope = conf_scope_of(rules->doc, "checks.*", check);
    return conf_setting_choice(&scope, "scope");
}

/* ---------------------------------------------------------------- the quorum's timing */

static struct conf_value *timing_value(const struct rules *rules)
{
    struct conf_scope scope = conf_scope_top(rules->doc, "quorum");
    static const char *const names[] = {"heartbeat", "election", "timing"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct conf_value *value = conf_value_child(scope.own, names[i]);
        if (value != NULL)
            return value;
    }
    return rules->doc->root;
}

/* A leader has to be heard several times before it is given up. */
static void check_timing(struct rules *rules)
{
    conf_timing(rules->doc, &rules->election_ms, &rules->heartbeat_ms);
    if (3 * rules->heartbeat_ms > rules->election_ms)
        conf_issue(rules->issues, timing_value(rules), NULL,
                   "a heartbeat every %u ms and an election after %u ms do not go together: have a "
                   "heartbeat of at most %u ms, or an election of at least %u ms",
                   rules->heartbeat_ms, rules->election_ms, rules->election_ms / 3,
                   3 * rules->heartbeat_ms);
}

/* The next leader must have taken over before the leases that the last one gave run out: a fifth of
 * one may be over, an election takes up to twice its timeout, and then comes the first line. */
static void check_lease(struct rules *rules, struct conf_value *at, int64_t lease_ms)
{
    int64_t needed_ms = 3 * (int64_t)rules->election_ms + 2 * (int64_t)rules->heartbeat_ms;
    char needed[32], lease[32];
    if (lease_ms >= needed_ms)
        return;
    needed_ms = (needed_ms + 99) / 100 * 100;
    conf_issue(rules->issues, at, NULL,
               "a lease of %s ends before another controller can lead (quorum: election %u ms, "
               "heartbeat %u ms): have a lease of at least %s, or a shorter quorum.election",
               text_from_duration(lease, sizeof(lease), lease_ms), rules->election_ms,
               rules->heartbeat_ms, text_from_duration(needed, sizeof(needed), needed_ms));
}

/* ---------------------------------------------------------------- nodes */

bool conf_node_is_local(const struct conf_doc *doc, const struct conf_value *node)
{
    struct conf_scope scope = conf_scope_of(doc, "nodes.*", node);
    return conf_setting_choice(&scope, "transport") == EPHOR__TRANSPORT__LOCAL;
}

struct conf_scope conf_scope_ssh(const struct conf_doc *doc, const struct conf_value *node)
{
    struct conf_scope scope = conf_scope_top(doc, "ssh");
    scope.other = scope.own;
    scope.own = conf_value_child(node, "ssh");
    return scope;
}

/* Does the way up from `at` lead to `node`? */
static bool leads_to(const struct rules *rules, const struct conf_value *at,
                     const struct conf_value *node)
{
    const struct conf_value *names = array_of(at, "parents");
    if (rules->node_seen[at->order])
        return false;
    rules->node_seen[at->order] = true;
    CONF_EACH_TEXT(name, names)
    {
        const struct conf_value *parent = conf_value_child(rules->nodes, name->text);
        if (parent != NULL && (parent == node || leads_to(rules, parent, node)))
            return true;
    }
    return false;
}

static void check_parents(struct rules *rules, struct conf_value *node)
{
    const struct conf_value *names = array_of(node, "parents");
    CONF_EACH_TEXT(name, names)
    {
        const struct conf_value *parent = refer(rules, name, rules->nodes, "node");
        if (parent == NULL || is_repeated(rules, names, name))
            continue;
        rules->node_used[parent->order] = true;
        memset(rules->node_seen, 0, count_of(rules->nodes));
        if (parent == node)
            conf_issue(rules->issues, name, NULL, "a node is not its own parent");
        else if (leads_to(rules, parent, node))
            conf_issue(rules->issues, name, NULL,
                       "a circle: '%s' is itself reached through '%s'; take one of the two out",
                       parent->name, node->name);
    }
}

static void check_node(struct rules *rules, struct conf_value *node)
{
    check_parents(rules, node);
    const struct conf_value *names = array_of(node, "checks");
    struct conf_value *ssh = conf_value_child(node, "ssh");
    if (ssh != NULL && conf_node_is_local(rules->doc, node))
        conf_issue(rules->issues, ssh, NULL,
                   "belongs to transport \"ssh\"; this node has transport \"local\"");
    CONF_EACH_TEXT(name, names)
    {
        struct conf_value *check = refer(rules, name, rules->checks, "check");
        if (check == NULL || is_repeated(rules, names, name))
            continue;
        rules->check_used[check->order] = rules->node_used[node->order] = true;
        rules->instances++;
        int scope = scope_of(rules, check);
        if (scope >= 0 && scope != EPHOR__SCOPE__NODE)
            conf_issue(rules->issues, name, NULL,
                       "check '%s' has scope %s; a node takes checks with scope node", name->text,
                       scope == EPHOR__SCOPE__VIP ? "vip" : "member");
    }
}

/* ---------------------------------------------------------------- services */

static void check_members(struct rules *rules, const struct conf_value *service,
                          const struct conf_value **seen)
{
    const struct conf_value *members = array_of(service, "members");
    CONF_EACH_GROUP(member, members)
    {
        struct conf_value *name = conf_value_child(member, "node");
        if (name == NULL || name->kind != CONF_STRING || name->is_bad)
            continue;
        struct conf_value *node = refer(rules, name, rules->nodes, "node");
        if (node == NULL)
            continue;
        if (seen[node->order] == service)
            conf_issue(rules->issues, name, NULL, "node '%s' is a member already", name->text);
        seen[node->order] = service;
        rules->node_used[node->order] = true;
    }
}

static void check_vips_of(struct rules *rules, struct conf_value *service)
{
    const struct conf_value *names = array_of(service, "vips");
    CONF_EACH_TEXT(name, names)
    {
        struct conf_value *vip = refer(rules, name, rules->vips, "VIP");
        if (vip == NULL || is_repeated(rules, names, name))
            continue;
        const struct conf_value *owner = rules->vip_owner[vip->order];
        if (owner != NULL)
            conf_issue(rules->issues, name, NULL, "VIP '%s' belongs to service '%s' (%s:%u)",
                       name->text, owner->name, owner->file->name, owner->line);
        else
            rules->vip_owner[vip->order] = service;
    }
}

/* Returns whether one of the checks may move the service. */
static bool check_checks_of(struct rules *rules, struct conf_value *service)
{
    const struct conf_value *names = array_of(service, "checks");
    uint32_t vips = count_of(array_of(service, "vips"));
    uint32_t members = count_of(array_of(service, "members"));
    bool may_move = false;
    CONF_EACH_TEXT(name, names)
    {
        struct conf_value *check = refer(rules, name, rules->checks, "check");
        if (check == NULL || is_repeated(rules, names, name))
            continue;
        struct conf_scope settings = conf_scope_of(rules->doc, "checks.*", check);
        int scope = scope_of(rules, check);
        rules->check_used[check->order] = true;
        rules->instances += scope == EPHOR__SCOPE__VIP ? vips : members;
        may_move = may_move || conf_setting_bool(&settings, "failover");
        if (scope == EPHOR__SCOPE__NODE)
            conf_issue(rules->issues, name, NULL,
                       "check '%s' has scope node; it goes into the checks of nodes", name->text);
        else if (scope == EPHOR__SCOPE__VIP && vips == 0)
            conf_issue(rules->issues, name, NULL,
                       "check '%s' has scope vip, but this service has no VIPs", name->text);
    }
    return may_move;
}

static void check_run(struct rules *rules, struct conf_value *service)
{
    static const char *const names[] = {"start", "stop"};
    struct conf_scope scope = conf_scope_of(rules->doc, "services.*", service);
    int run = conf_setting_choice(&scope, "run");
    for (size_t i = 0; i < 2; i++) {
        const struct conf_value *action = conf_value_child(service, names[i]);
        if (run == EPHOR__RUN_MODE__ACTIVE_ONLY && action == NULL)
            conf_issue(rules->issues, service, names[i],
                       "is missing; run = \"active\" needs start and stop");
        else if (run == EPHOR__RUN_MODE__EVERYWHERE && action != NULL)
            conf_warn(rules->issues, action, "is used with run = \"active\" only");
    }
}

static void check_service(struct rules *rules, struct conf_value *service,
                          const struct conf_value **seen)
{
    check_members(rules, service, seen);
    check_vips_of(rules, service);
    check_run(rules, service);
    bool may_move = check_checks_of(rules, service);
    if (service->is_bad)
        return;
    if (count_of(array_of(service, "checks")) == 0)
        conf_warn(rules->issues, service, "has no checks; whether it is up is never known");
    else if (!may_move)
        conf_warn(rules->issues, service,
                  "none of its checks has failover = true; it is never restarted or moved");
}

/* ---------------------------------------------------------------- VIPs */

static void check_address(struct rules *rules, struct conf_value *vip, const char *const *taken)
{
    struct conf_value *address = conf_value_child(vip, "address");
    char other[ADDRESS_SIZE];
    const char *own = taken[vip->order];
    if (own == NULL)
        return;
    CONF_EACH_GROUP(before, rules->vips)
    {
        if (before == vip)
            break;
        if (taken[before->order] != NULL && strcmp(taken[before->order], own) == 0) {
            conf_issue(rules->issues, address, NULL, "%s is the address of VIP '%s' already", own,
                       before->name);
            return;
        }
    }
    CONF_EACH_GROUP(node, rules->nodes)
    {
        const struct conf_value *value = conf_value_child(node, "address");
        if (value == NULL || value->is_bad || value->kind != CONF_STRING)
            continue;
        if (conf_format_address(value->text, other) && strcmp(own, other) == 0) {
            conf_issue(rules->issues, address, NULL,
                       "%s is the address of node '%s'; a VIP needs one of its own", own,
                       node->name);
            return;
        }
    }
}

static void check_vip(struct rules *rules, struct conf_value *vip)
{
    struct conf_scope scope = conf_scope_of(rules->doc, "vips.*", vip);
    struct conf_value *lease = conf_setting(&scope, "lease");
    if (lease != NULL && lease->number % 10 != 0)
        conf_issue(rules->issues, lease, NULL,
                   "'%s' is not in hundredths of a second, as nodes count them", lease->text);
    else if (lease != NULL)
        check_lease(rules, lease->file == NULL ? vip : lease, lease->number);
    if (rules->vip_owner[vip->order] == NULL &&
        (rules->services == NULL || !rules->services->is_bad))
        conf_issue(rules->issues, vip, NULL,
                   "belongs to no service; name it in the vips of the one that holds it");
}

static void check_vips(struct rules *rules)
{
    struct conf_arena *arena = rules->doc->arena;
    const char **taken = conf_arena_take(arena, (count_of(rules->vips) + 1) * sizeof(*taken));
    CONF_EACH_GROUP(vip, rules->vips)
    {
        const struct conf_value *address = conf_value_child(vip, "address");
        char text[ADDRESS_SIZE];
        if (address != NULL && !address->is_bad && address->kind == CONF_STRING &&
            conf_format_address(address->text, text))
            taken[vip->order] = conf_arena_text(arena, text);
    }
    CONF_EACH_GROUP(vip, rules->vips)
    {
        check_address(rules, vip, taken);
        check_vip(rules, vip);
    }
}

/* ---------------------------------------------------------------- the whole */

static void check_listen(struct rules *rules)
{
    const struct conf_value *listen =
        array_of(conf_value_child(rules->doc->root, "http"), "listen");
    CONF_EACH_TEXT(address, listen)
    is_repeated(rules, listen, address);
}

static void warn_unused(struct rules *rules)
{
    if (rules->doc->root->is_bad)
        return;
    CONF_EACH_GROUP(check, rules->checks)
    if (!rules->check_used[check->order])
        conf_warn(rules->issues, check, "no service and no node uses this check");
    CONF_EACH_GROUP(node, rules->nodes)
    if (!rules->node_used[node->order])
        conf_warn(rules->issues, node, "no service runs on this node, and it has no checks");
}

void conf_rules(struct conf_issues *issues, struct conf_doc *doc, unsigned flags)
{
    struct conf_arena *arena = doc->arena;
    struct rules rules = {.issues = issues,
                          .doc = doc,
                          .nodes = conf_doc_map(doc, "nodes"),
                          .checks = conf_doc_map(doc, "checks"),
                          .vips = conf_doc_map(doc, "vips"),
                          .services = conf_doc_map(doc, "services")};
    uint32_t nodes = count_of(rules.nodes);
    rules.node_used = conf_arena_take(arena, nodes + 1);
    rules.node_seen = conf_arena_take(arena, nodes + 1);
    rules.check_used = conf_arena_take(arena, count_of(rules.checks) + 1);
    rules.vip_owner = conf_arena_take(arena, (count_of(rules.vips) + 1) * sizeof(*rules.vip_owner));
    const struct conf_value **seen = conf_arena_take(arena, (nodes + 1) * sizeof(*seen));
    check_timing(&rules);
    check_listen(&rules);
    conf_rules_checks(issues, doc, flags);
    CONF_EACH_GROUP(service, rules.services)
    check_service(&rules, service, seen);
    CONF_EACH_GROUP(node, rules.nodes)
    check_node(&rules, node);
    check_vips(&rules);
    if (rules.instances > INSTANCES_MAX)
        conf_issue(issues, doc->root, "checks",
                   "%llu checks of all targets together are too many; at most %d are possible",
                   (unsigned long long)rules.instances, INSTANCES_MAX);
    warn_unused(&rules);
    if ((flags & CONF_ELSEWHERE) == 0)
        conf_rules_files(issues, doc);
}
