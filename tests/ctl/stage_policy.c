/* The policy on the stage. */
#include "tests/ctl/stage.h"

#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static Ephor__Node nodes[3], *node_list[] = {&nodes[0], &nodes[1], &nodes[2]};
static Ephor__Service services[2], *service_list[] = {&services[0], &services[1]};
static Ephor__Action restart_action, start_action, stop_action;
static char *true_argv[] = {TEXT("/bin/true")};
static Ephor__Member members[4],
    *member_list[] = {&members[0], &members[1], &members[2], &members[3]};
static Ephor__Vip vips[1], *vip_list[] = {&vips[0]};
static Ephor__Check checks[6],
    *check_list[] = {&checks[0], &checks[1], &checks[2], &checks[3], &checks[4], &checks[5]};
static Ephor__Policy policy;

static void fill_nodes(void)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    static const char *const addresses[] = {"192.0.2.11", "192.0.2.12", "192.0.2.13"};
    for (size_t i = 0; i < COUNT(nodes); i++) {
        ephor__node__init(&nodes[i]);
        nodes[i].name = TEXT(names[i]);
        nodes[i].address = TEXT(addresses[i]);
    }
}

static void fill_action(Ephor__Action *action)
{
    ephor__action__init(action);
    action->argv = true_argv;
    action->n_argv = 1;
    action->timeout_ms = 5000;
}

static void fill_services(void)
{
    fill_action(&restart_action);
    fill_action(&start_action);
    fill_action(&stop_action);
    for (size_t i = 0; i < COUNT(services); i++) {
        ephor__service__init(&services[i]);
        services[i].name = TEXT(i == 0 ? "web" : "batch");
        services[i].run = i == 0 ? EPHOR__RUN_MODE__EVERYWHERE : EPHOR__RUN_MODE__ACTIVE_ONLY;
        services[i].restart = &restart_action;
        services[i].restart_tries = 1;
        services[i].restart_budget = 3;
        services[i].restart_window_ms = 3600000;
        services[i].restart_grace_ms = 5000;
        services[i].hold_down_ms = 1000;
        services[i].moves_max = 4;
        services[i].moves_window_ms = 3600000;
    }
    services[1].start = &start_action;
    services[1].stop = &stop_action;
    for (uint32_t i = 0; i < COUNT(members); i++) {
        ephor__member__init(&members[i]);
        members[i].service = i / 2;
        members[i].node = i - i / 2; /* n1 n2, n2 n3 -> 0 1 1 2 */
        members[i].priority = i % 2 == 0 ? 100 : 50;
    }
}

static void fill_check(size_t i, const char *id, const char *name, Ephor__Scope scope,
                       uint32_t target)
{
    ephor__check__init(&checks[i]);
    checks[i].id = TEXT(id);
    checks[i].name = TEXT(name);
    checks[i].scope = scope;
    checks[i].target = target;
    checks[i].interval_ms = checks[i].timeout_ms = 1000;
    checks[i].fall = checks[i].rise = 1;
    checks[i].failover = scope != EPHOR__SCOPE__VIP;
}

const Ephor__Policy *stage_policy(void)
{
    if (policy.version == 1)
        return &policy;
    fill_nodes();
    fill_services();
    fill_check(0, "web/n1/http", "http", EPHOR__SCOPE__MEMBER, 0);
    fill_check(1, "web/n2/http", "http", EPHOR__SCOPE__MEMBER, 1);
    checks[1].observers = 200;
    fill_check(2, "batch/n2/<b>queue</b>", "queue", EPHOR__SCOPE__MEMBER, 2);
    fill_check(3, "batch/n3/<b>queue</b>", "queue", EPHOR__SCOPE__MEMBER, 3);
    fill_check(4, "node/n1/ping", "ping", EPHOR__SCOPE__NODE, 0);
    fill_check(5, "vip/web/answers", "answers", EPHOR__SCOPE__VIP, 0);
    ephor__vip__init(&vips[0]);
    vips[0].name = TEXT("web-ip");
    vips[0].address = TEXT("192.0.2.100");
    vips[0].interface = TEXT("eth0");
    vips[0].lease_ms = 3000;
    ephor__policy__init(&policy);
    policy.version = 1;
    policy.name = TEXT("stage");
    policy.nodes = node_list;
    policy.n_nodes = COUNT(nodes);
    policy.services = service_list;
    policy.n_services = COUNT(services);
    policy.members = member_list;
    policy.n_members = COUNT(members);
    policy.checks = check_list;
    policy.n_checks = COUNT(checks);
    policy.vips = vip_list;
    policy.n_vips = COUNT(vips);
    return &policy;
}
