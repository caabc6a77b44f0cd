/* The policy of a seed: s1, s2 on n1 ... n3, with addresses v1 ... v3. Checks come in this order:
 * one for each member, service by service, then one for each node. */
#include "tests/sim/whole.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MEMBERS_MAX = WHOLE_NODES * WHOLE_SERVICES };

struct policy {
    Ephor__Policy policy;
    Ephor__Node nodes[WHOLE_NODES], *node_list[WHOLE_NODES];
    Ephor__Service services[WHOLE_SERVICES], *service_list[WHOLE_SERVICES];
    Ephor__Member members[MEMBERS_MAX], *member_list[MEMBERS_MAX];
    Ephor__Check checks[WHOLE_CHECKS], *check_list[WHOLE_CHECKS];
    Ephor__Vip vips[WHOLE_VIPS], *vip_list[WHOLE_VIPS];
    Ephor__Action actions[3];
    char *argv[3][1];
    char texts[64][24];
    int text_count;
};

__attribute__((format(printf, 2, 3))) static char *text(struct policy *p, const char *format, ...)
{
    char *to = p->texts[p->text_count++];
    va_list args;
    va_start(args, format);
    vsnprintf(to, sizeof(p->texts[0]), format, args);
    va_end(args);
    return to;
}

static void fill_actions(struct policy *p)
{
    static const char *const verbs[] = {"restart", "start", "stop"};
    for (int i = 0; i < 3; i++) {
        ephor__action__init(&p->actions[i]);
        p->argv[i][0] = text(p, "%s", verbs[i]);
        p->actions[i].argv = p->argv[i];
        p->actions[i].n_argv = 1;
        p->actions[i].timeout_ms = 2000;
    }
}

static void fill_nodes(struct policy *p, const struct whole_profile *profile)
{
    for (int32_t i = 0; i < profile->nodes; i++) {
        Ephor__Node *node = p->node_list[i] = &p->nodes[i];
        ephor__node__init(node);
        node->name = text(p, "n%d", i + 1);
        node->address = text(p, "10.1.0.%d", i + 1);
        node->user = text(p, "root");
        node->port = 22;
        node->connect_timeout_ms = 1500;
    }
    p->policy.nodes = p->node_list;
    p->policy.n_nodes = (size_t)profile->nodes;
}

static void fill_service(struct policy *p, const struct whole_profile *profile, int32_t i)
{
    Ephor__Service *s = p->service_list[i] = &p->services[i];
    ephor__service__init(s);
    s->name = text(p, "s%d", i + 1);
    s->run =
        profile->is_active_only[i] ? EPHOR__RUN_MODE__ACTIVE_ONLY : EPHOR__RUN_MODE__EVERYWHERE;
    if (profile->has_restart)
        s->restart = &p->actions[0];
    if (profile->is_active_only[i]) {
        s->start = &p->actions[1];
        s->stop = &p->actions[2];
    }
    s->restart_tries = 2;
    s->restart_budget = profile->restart_budget;
    s->restart_window_ms = 20000;
    s->restart_grace_ms = 3000;
    s->hold_down_ms = 2000;
    s->failback_auto = profile->failback_auto;
    s->failback_after_ms = 4000;
    s->moves_max = profile->moves_max;
    s->moves_window_ms = 20000;
}

static void add_check(struct policy *p, const struct whole_profile *profile, Ephor__Scope scope,
                      uint32_t target, char *id)
{
    Ephor__Check *check = &p->checks[p->policy.n_checks];
    p->check_list[p->policy.n_checks++] = check;
    ephor__check__init(check);
    check->id = id;
    check->name = text(p, "c");
    check->kind = EPHOR__CHECK_KIND__TCP;
    check->scope = scope;
    check->target = target;
    check->interval_ms = 1000;
    check->timeout_ms = 400;
    check->retry_ms = 250;
    check->fall = profile->fall;
    check->rise = 2;
    check->failover = true;
    check->confirm = profile->confirm;
    check->stagger = true;
}

static void fill_members(struct policy *p, const struct whole_profile *profile)
{
    for (int32_t s = 0; s < profile->services; s++)
        for (int32_t n = 0; n < profile->nodes; n++) {
            Ephor__Member *member = &p->members[p->policy.n_members];
            p->member_list[p->policy.n_members] = member;
            ephor__member__init(member);
            member->service = (uint32_t)s;
            member->node = (uint32_t)n;
            member->priority = (uint32_t)(100 - 10 * ((n + s) % profile->nodes));
            add_check(p, profile, EPHOR__SCOPE__MEMBER, (uint32_t)p->policy.n_members++,
                      text(p, "s%d/n%d/c", s + 1, n + 1));
        }
    for (int32_t n = 0; n < profile->nodes && profile->has_node_checks; n++)
        add_check(p, profile, EPHOR__SCOPE__NODE, (uint32_t)n, text(p, "node/n%d/c", n + 1));
    p->policy.members = p->member_list;
    p->policy.checks = p->check_list;
}

void whole_policy_make(struct whole *whole)
{
    const struct whole_profile *profile = &whole->profile;
    struct policy *p = whole_alloc(whole, sizeof(*p));
    ephor__policy__init(&p->policy);
    p->policy.version = 1;
    p->policy.name = text(p, "board");
    fill_actions(p);
    fill_nodes(p, profile);
    for (int32_t i = 0; i < profile->services; i++)
        fill_service(p, profile, i);
    p->policy.services = p->service_list;
    p->policy.n_services = (size_t)profile->services;
    fill_members(p, profile);
    for (int32_t i = 0; i < profile->vips; i++) {
        Ephor__Vip *vip = p->vip_list[i] = &p->vips[i];
        ephor__vip__init(vip);
        vip->name = text(p, "v%d", i + 1);
        vip->address = text(p, "10.0.0.%d", i + 1);
        vip->interface = text(p, "eth0");
        vip->service = (uint32_t)(i % profile->services);
        vip->lease_ms = profile->lease_ms;
        vip->guarded_lease_ms = profile->guarded_lease_ms;
    }
    p->policy.vips = p->vip_list;
    p->policy.n_vips = (size_t)profile->vips;
    whole->policy.size = ephor__policy__get_packed_size(&p->policy);
    whole->policy.bytes = whole_alloc(whole, whole->policy.size);
    ephor__policy__pack(&p->policy, whole->policy.bytes);
}
