/* The settings of this controller that are not part of the policy. */
#include "orchestrator/supervisor/conf_build.h"

#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_format.h"
#include "orchestrator/supervisor/conf_rules.h"

#include <string.h>
#include <unistd.h>

enum { ONLY_CONTROLLER_ID = 1 };

static void copy_path(struct conf_issues *issues, const struct conf_scope *scope, const char *name,
                      char *to, size_t to_size)
{
    const char *path = conf_setting_path(scope, name);
    if (!text_copy(to, to_size, path))
        conf_issue(issues, conf_setting(scope, name), NULL, "%.300s is longer than %zu bytes", path,
                   to_size - 1);
}

static void build_users(struct conf *conf)
{
    static const struct {
        const char *name;
        Ephor__Role role;
    } roles[] = {{"checker", EPHOR__ROLE__CHECKER},
                 {"quorum", EPHOR__ROLE__QUORUM},
                 {"actor", EPHOR__ROLE__ACTOR},
                 {"status", EPHOR__ROLE__STATUS}};
    struct conf_scope scope = conf_scope_top(&conf->doc, "local");
    struct conf_scope users = {
        .doc = &conf->doc, .prefix = "local.users", .own = conf_value_child(scope.own, "users")};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        const struct conf_value *user = conf_setting(&users, roles[i].name);
        text_copy(conf->local.users[roles[i].role], sizeof(conf->local.users[0]),
                  user != NULL ? user->text : conf_setting_text(&scope, "user"));
    }
}

static void build_operators(struct conf *conf)
{
    struct conf_scope scope = conf_scope_top(&conf->doc, "local");
    const struct conf_value *operators = conf_setting(&scope, "operators");
    struct conf_local *local = &conf->local;
    CONF_EACH_TEXT(name, operators)
    text_copy(local->operators[local->operator_count++], sizeof(local->operators[0]), name->text);
    text_copy(local->operator_group, sizeof(local->operator_group),
              conf_setting_text(&scope, "operator_group"));
}

static void build_http(struct conf *conf)
{
    struct conf_scope scope = conf_scope_top(&conf->doc, "http");
    const struct conf_value *listen = conf_setting(&scope, "listen");
    CONF_EACH_TEXT(address, listen)
    conf_format_listen(address->text, &conf->local.http[conf->local.http_count++]);
}

/* ---------------------------------------------------------------- SSH */

static void add_ssh(struct conf *conf, const struct conf_scope *scope, const char *node)
{
    conf->local.ssh[conf->local.ssh_count++] =
        (struct conf_ssh){.node = node,
                          .key_path = conf_setting_path(scope, "key"),
                          .known_hosts_path = conf_setting_path(scope, "known_hosts")};
}

/* The default entry is there only if a node needs it, for its files need not exist otherwise. */
static void build_ssh(struct conf *conf)
{
    const struct conf_value *nodes = conf_doc_map(&conf->doc, "nodes");
    size_t count = nodes == NULL ? 0 : nodes->count;
    bool has_default = false;
    conf->local.ssh = conf_arena_take(&conf->arena, (count + 1) * sizeof(*conf->local.ssh));
    CONF_EACH_GROUP(node, nodes)
    {
        struct conf_scope scope = conf_scope_ssh(&conf->doc, node);
        bool is_own = conf_value_child(scope.own, "key") != NULL ||
                      conf_value_child(scope.own, "known_hosts") != NULL;
        if (conf_node_is_local(&conf->doc, node) || (!is_own && has_default))
            continue;
        has_default = has_default || !is_own;
        add_ssh(conf, &scope, is_own ? node->name : "");
    }
}

/* ---------------------------------------------------------------- controllers */

static void find_self(struct conf_issues *issues, struct conf *conf, struct conf_value *map,
                      const char *self)
{
    char host[256] = "";
    char quote[CONF_QUOTE_SIZE];
    struct conf_local *local = &conf->local;
    bool is_elsewhere = (conf->flags & CONF_ELSEWHERE) != 0;
    if (*self == '\0' && (local->controller_count == 1 || is_elsewhere))
        return;
    gethostname(host, sizeof(host) - 1);
    const char *wanted = *self != '\0' ? self : host;
    for (uint32_t i = 0; i < local->controller_count; i++) {
        local->self = i;
        if (strcmp(local->controllers[i].name, wanted) == 0)
            return;
    }
    host[strcspn(host, ".")] = '\0';
    for (uint32_t i = 0; i < local->controller_count; i++) {
        local->self = i;
        if (*self == '\0' && strcmp(local->controllers[i].name, host) == 0)
            return;
    }
    if (map == NULL)
        map = conf->doc.root;
    if (*self != '\0')
        conf_issue(issues, map, map == conf->doc.root ? "controllers" : NULL, "none is named '%s'",
                   conf_text_quote(self, quote));
    else
        conf_issue(issues, map, NULL,
                   "none is named '%s' like this host; say which one this is with --self",
                   conf_text_quote(host, quote));
}

static void build_controllers(struct conf_issues *issues, struct conf *conf, const char *self)
{
    struct conf_value *map = conf_doc_map(&conf->doc, "controllers");
    struct conf_local *local = &conf->local;
    CONF_EACH_GROUP(from, map)
    {
        struct conf_scope scope = conf_scope_of(&conf->doc, "controllers.*", from);
        struct conf_controller *to = &local->controllers[local->controller_count++];
        text_copy(to->name, sizeof(to->name), from->name);
        text_copy(to->address, sizeof(to->address), conf_setting_text(&scope, "address"));
        to->id = conf_setting_u32(&scope, "id");
    }
    if (local->controller_count == 0) {
        local->controllers[0] = (struct conf_controller){"local", ONLY_CONTROLLER_ID, ""};
        local->controller_count = 1;
    }
    find_self(issues, conf, map, self);
}

void conf_build_local(struct conf_issues *issues, struct conf *conf, const char *self)
{
    struct conf_scope scope = conf_scope_top(&conf->doc, "local");
    struct conf_local *local = &conf->local;
    copy_path(issues, &scope, "state_dir", local->state_dir, sizeof(local->state_dir));
    copy_path(issues, &scope, "socket", local->ctl_socket, sizeof(local->ctl_socket));
    build_users(conf);
    build_operators(conf);
    local->log_level = (unsigned)conf_setting_choice(&scope, "log_level");
    local->checkers = conf_setting_u32(&scope, "checkers");
    local->checks_running_max = conf_setting_u32(&scope, "checks_running_max");
    build_http(conf);
    build_ssh(conf);
    build_controllers(issues, conf, self);
}
