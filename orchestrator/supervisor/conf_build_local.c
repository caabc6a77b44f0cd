/* The settings of this controller that are not part of the policy. */
#include "orchestrator/supervisor/conf_build.h"

#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_format.h"
#include "orchestrator/supervisor/conf_rules.h"

#include <string.h>
#include <unistd.h>

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

static void build_canaries(struct conf *conf)
{
    struct conf_scope scope = conf_scope_top(&conf->doc, "local");
    const struct conf_value *canaries = conf_setting(&scope, "canaries");
    struct conf_local *local = &conf->local;
    CONF_EACH_TEXT(name, canaries)
    text_copy(local->canaries[local->canary_count++], sizeof(local->canaries[0]), name->text);
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

/* ---------------------------------------------------------------- the controller */

static void build_name(struct conf *conf)
{
    struct conf_scope scope = conf_scope_top(&conf->doc, "local");
    struct conf_value *name = conf_setting(&scope, "controller_name");
    char host[256] = "";
    if (name != NULL) {
        text_copy(conf->local.controller_name, sizeof(conf->local.controller_name), name->text);
        return;
    }
    gethostname(host, sizeof(host) - 1);
    host[strcspn(host, ".")] = '\0';
    text_copy(conf->local.controller_name, sizeof(conf->local.controller_name),
              text_is_name(host) ? host : "local");
}

void conf_timing(const struct conf_doc *doc, uint32_t *election_ms, uint32_t *heartbeat_ms)
{
    static const uint32_t profiles[][2] = {{300, 50}, {2500, 400}}; /* lan, wan */
    struct conf_scope scope = conf_scope_top(doc, "quorum");
    int choice = conf_setting_choice(&scope, "timing");
    int profile = choice == 1; /* a bad one is told elsewhere */
    const struct conf_value *election = conf_setting(&scope, "election");
    const struct conf_value *heartbeat = conf_setting(&scope, "heartbeat");
    *election_ms = election == NULL ? profiles[profile][0] : (uint32_t)election->number;
    *heartbeat_ms = heartbeat != NULL  ? (uint32_t)heartbeat->number
                    : election != NULL ? *election_ms / 6
                                       : profiles[profile][1];
}

void conf_build_local(struct conf_issues *issues, struct conf *conf)
{
    struct conf_scope scope = conf_scope_top(&conf->doc, "local");
    struct conf_local *local = &conf->local;
    copy_path(issues, &scope, "state_dir", local->state_dir, sizeof(local->state_dir));
    copy_path(issues, &scope, "cluster_dir", local->cluster_dir, sizeof(local->cluster_dir));
    copy_path(issues, &scope, "socket", local->ctl_socket, sizeof(local->ctl_socket));
    build_users(conf);
    build_operators(conf);
    build_canaries(conf);
    local->log_level = (unsigned)conf_setting_choice(&scope, "log_level");
    local->checkers = conf_setting_u32(&scope, "checkers");
    local->checks_running_max = conf_setting_u32(&scope, "checks_running_max");
    build_http(conf);
    build_ssh(conf);
    build_name(conf);
    conf_timing(&conf->doc, &local->election_ms, &local->heartbeat_ms);
}
