/* The policy between its message and the core. */
#include "orchestrator/proto/policy_message.h"

#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { VIPS_MAX = 10000, NODES_MAX = 10000, MEMBERS_MAX = 100000, CHECKS_MAX = 1 << 20 };

static int check_name(const char *noun, const char *name, size_t size, struct errbuf *e)
{
    if (name[0] == '\0' || strlen(name) >= size)
        return err_set(e, ERR_INVALID, "%s name '%.80s' is empty or longer than %zu bytes", noun,
                       name, size - 1);
    return ERR_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts names; all state goes over from policy to policy by name, so that each must be one of its
 * kind. */
static int check_unique(const char *noun, const char **names, size_t count, struct errbuf *e)
{
    qsort(names, count, sizeof(names[0]), compare_names);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return err_set(e, ERR_INVALID, "there are two %s '%s'", noun, names[i]);
    return ERR_OK;
}

/* Names of nodes, services and VIPs, and the addresses of VIPs. */
static int check_names(const Ephor__Policy *p, struct errbuf *e)
{
    size_t most = p->n_nodes > p->n_services ? p->n_nodes : p->n_services;
    const char **names = calloc((p->n_vips > most ? p->n_vips : most) + 1, sizeof(names[0]));
    if (names == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < p->n_nodes; i++)
        names[i] = p->nodes[i]->name;
    int err = check_unique("nodes", names, p->n_nodes, e);
    for (size_t i = 0; i < p->n_services; i++)
        names[i] = p->services[i]->name;
    if (err == ERR_OK)
        err = check_unique("services", names, p->n_services, e);
    for (size_t i = 0; i < p->n_vips; i++)
        names[i] = p->vips[i]->name;
    if (err == ERR_OK)
        err = check_unique("VIPs", names, p->n_vips, e);
    for (size_t i = 0; i < p->n_vips; i++)
        names[i] = p->vips[i]->address;
    if (err == ERR_OK)
        err = check_unique("VIPs of the address", names, p->n_vips, e);
    free(names);
    return err;
}

/* A circle would do no harm: nobody follows them further than one step. */
static int check_parents(const Ephor__Policy *p, struct errbuf *e)
{
    for (size_t i = 0; i < p->n_nodes; i++) {
        const Ephor__Node *node = p->nodes[i];
        if (node->n_parents > PARENTS_MAX)
            return err_set(e, ERR_LIMIT, "node %s: more than %d parents", node->name, PARENTS_MAX);
        for (size_t k = 0; k < node->n_parents; k++)
            if (node->parents[k] >= p->n_nodes)
                return err_set(e, ERR_INVALID, "node %s: a parent is no node", node->name);
    }
    return ERR_OK;
}

static int check_services(const Ephor__Policy *p, struct errbuf *e)
{
    uint32_t last = 0;
    for (size_t i = 0; i < p->n_services; i++) {
        const Ephor__Service *s = p->services[i];
        if (check_name("service", s->name, NAME_SIZE, e) != ERR_OK)
            return ERR_INVALID;
        if (s->restart_budget > BUDGET_MAX || s->moves_max > BUDGET_MAX)
            return err_set(e, ERR_INVALID, "service %s: budgets end at %d", s->name, BUDGET_MAX);
    }
    for (size_t i = 0; i < p->n_members; i++) {
        const Ephor__Member *m = p->members[i];
        if (m->service >= p->n_services || m->node >= p->n_nodes || m->service < last)
            return err_set(e, ERR_INVALID, "member %zu names no service or node", i);
        last = m->service;
    }
    return ERR_OK;
}

/* Who looks, and how many must agree. */
static int check_rules(const Ephor__Policy *p, const Ephor__Check *c, struct errbuf *e)
{
    bool has_names = c->vantage == EPHOR__VANTAGE__VANTAGE_NAMES;
    if ((unsigned)c->agree > EPHOR__AGREE__AGREE_NUMBER ||
        (c->agree == EPHOR__AGREE__AGREE_NUMBER &&
         (c->agree_count == 0 || c->agree_count > CONTROLLERS_MAX + OBSERVERS_MAX)))
        return err_set(e, ERR_INVALID, "check %s: nobody knows how many must agree", c->id);
    if ((unsigned)c->vantage > EPHOR__VANTAGE__VANTAGE_NAMES ||
        (c->vantage == EPHOR__VANTAGE__VANTAGE_NUMBER &&
         (c->vantage_count == 0 || c->vantage_count > CONTROLLERS_MAX)) ||
        has_names != (c->n_vantage_names > 0))
        return err_set(e, ERR_INVALID, "check %s: nobody knows who looks", c->id);
    if (c->observers > OBSERVERS_MAX)
        return err_set(e, ERR_LIMIT, "check %s: more than %d observers", c->id, OBSERVERS_MAX);
    for (size_t i = 0; i < c->n_vantage_names; i++)
        if (c->vantage_names[i] >= p->n_vantage_names)
            return err_set(e, ERR_INVALID, "check %s names no controller", c->id);
    return ERR_OK;
}

static int check_checks(const Ephor__Policy *p, struct errbuf *e)
{
    for (size_t i = 0; i < p->n_checks; i++) {
        const Ephor__Check *c = p->checks[i];
        size_t targets = c->scope == EPHOR__SCOPE__MEMBER ? p->n_members
                         : c->scope == EPHOR__SCOPE__NODE ? p->n_nodes
                                                          : p->n_vips;
        if (check_name("check", c->id, ID_SIZE, e) != ERR_OK ||
            check_name("check", c->name, NAME_SIZE, e) != ERR_OK)
            return ERR_INVALID;
        if ((unsigned)c->scope > EPHOR__SCOPE__VIP || c->target >= targets)
            return err_set(e, ERR_INVALID, "check %s has no target", c->id);
        if (check_rules(p, c, e) != ERR_OK)
            return ERR_INVALID;
        if (c->interval_ms == 0 || c->timeout_ms == 0 || c->fall == 0 || c->rise == 0)
            return err_set(e, ERR_INVALID, "check %s has no interval, timeout, fall or rise",
                           c->id);
    }
    return ERR_OK;
}

int policy_validate(const Ephor__Policy *p, struct errbuf *e)
{
    if (p->version != 1)
        return err_set(e, ERR_UNSUPPORTED, "policy version %u is not known here", p->version);
    if (p->n_nodes > NODES_MAX || p->n_vips > VIPS_MAX || p->n_checks > CHECKS_MAX ||
        p->n_members > MEMBERS_MAX || p->n_services > MEMBERS_MAX)
        return err_set(e, ERR_LIMIT, "too many nodes, services, members, addresses or checks");
    if (check_name("cluster", p->name, NAME_SIZE, e) != ERR_OK)
        return ERR_INVALID;
    if (p->n_vantage_names > VANTAGE_NAMES_MAX)
        return err_set(e, ERR_LIMIT, "checks name more than %d controllers", VANTAGE_NAMES_MAX);
    for (size_t i = 0; i < p->n_vantage_names; i++)
        if (check_name("controller", p->vantage_names[i], NAME_SIZE, e) != ERR_OK)
            return ERR_INVALID;
    for (size_t i = 0; i < p->n_nodes; i++)
        if (check_name("node", p->nodes[i]->name, NAME_SIZE, e) != ERR_OK)
            return ERR_INVALID;
    for (size_t i = 0; i < p->n_vips; i++) {
        const Ephor__Vip *v = p->vips[i];
        if (check_name("VIP", v->name, NAME_SIZE, e) != ERR_OK)
            return ERR_INVALID;
        if (v->service >= p->n_services || strlen(v->address) >= ADDRESS_SIZE ||
            strlen(v->interface) >= INTERFACE_SIZE || v->lease_ms == 0 ||
            v->lease_ms > LEASE_MAX_MS || v->guarded_lease_ms > LEASE_MAX_MS)
            return err_set(e, ERR_INVALID, "VIP %s is not whole", v->name);
    }
    int err = check_parents(p, e);
    if (err == ERR_OK)
        err = check_services(p, e);
    if (err == ERR_OK)
        err = check_checks(p, e);
    return err != ERR_OK ? err : check_names(p, e);
}

struct core_shape policy_shape(const Ephor__Policy *p)
{
    return (struct core_shape){.nodes = (uint32_t)p->n_nodes,
                               .services = (uint32_t)p->n_services,
                               .members = (uint32_t)p->n_members,
                               .checks = (uint32_t)p->n_checks,
                               .vips = (uint32_t)p->n_vips};
}

static void fill_service(const Ephor__Service *from, struct service *to)
{
    text_copy(to->name, sizeof(to->name), from->name);
    to->run = from->run == EPHOR__RUN_MODE__ACTIVE_ONLY ? RUN_ACTIVE : RUN_EVERYWHERE;
    to->can_restart = from->restart != NULL && from->restart->n_argv > 0;
    to->restart_timeout_ms = from->restart == NULL ? 0 : from->restart->timeout_ms;
    to->start_timeout_ms = from->start == NULL ? 0 : from->start->timeout_ms;
    to->stop_timeout_ms = from->stop == NULL ? 0 : from->stop->timeout_ms;
    to->restart_tries = from->restart_tries;
    to->restart_budget = from->restart_budget;
    to->restart_window_ms = from->restart_window_ms;
    to->restart_grace_ms = from->restart_grace_ms;
    to->hold_down_ms = from->hold_down_ms;
    to->failback_auto = from->failback_auto;
    to->failback_after_ms = from->failback_after_ms;
    to->moves_max = from->moves_max;
    to->moves_window_ms = from->moves_window_ms;
}

static void fill_members(const Ephor__Policy *p, struct core *core)
{
    for (size_t i = 0; i < p->n_members; i++) {
        struct member *to = core_member(core, (int32_t)i);
        struct service *s = core_service(core, (int32_t)p->members[i]->service);
        to->service = (int32_t)p->members[i]->service;
        to->node = (int32_t)p->members[i]->node;
        to->priority = (int32_t)p->members[i]->priority;
        if (s->member_count++ == 0)
            s->member_first = (int32_t)i;
    }
}

/* FNV-1a; the same everywhere and for ever, for it decides who looks. */
static uint64_t hash_of(const char *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t policy_digest_number(const char *digest)
{
    return digest[0] == '\0' ? 0 : hash_of(digest);
}

uint64_t policy_check_hash(const Ephor__Check *check)
{
    return hash_of(check->id);
}

static void fill_rules(const Ephor__Check *from, struct check *to)
{
    to->confirm = from->confirm;
    to->agree = (uint8_t)from->agree;
    to->agree_count = (uint16_t)from->agree_count;
    to->vantage = (uint8_t)from->vantage;
    to->vantage_count = (uint8_t)from->vantage_count;
    for (size_t i = 0; i < from->n_vantage_names; i++)
        to->vantage_names |= UINT32_C(1) << from->vantage_names[i];
    to->observers = (uint16_t)from->observers;
    to->fall = from->fall;
    to->rise = from->rise;
    to->hash = policy_check_hash(from);
}

void policy_fill(const Ephor__Policy *p, struct core *core)
{
    text_copy(core->name, sizeof(core->name), p->name);
    for (size_t i = 0; i < p->n_vantage_names; i++)
        text_copy(core->vantage_names[i], NAME_SIZE, p->vantage_names[i]);
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct node *to = core_node(core, (int32_t)i);
        text_copy(to->name, sizeof(to->name), p->nodes[i]->name);
        text_copy(to->address, sizeof(to->address), p->nodes[i]->address);
        to->is_local = p->nodes[i]->transport == EPHOR__TRANSPORT__LOCAL;
        to->is_unguarded = p->nodes[i]->unguarded;
        for (size_t k = 0; k < p->nodes[i]->n_parents; k++)
            to->parents[k] = (int32_t)p->nodes[i]->parents[k];
    }
    for (size_t i = 0; i < p->n_services; i++)
        fill_service(p->services[i], core_service(core, (int32_t)i));
    fill_members(p, core);
    for (size_t i = 0; i < p->n_checks; i++) {
        struct check *to = core_check(core, (int32_t)i);
        text_copy(to->id, sizeof(to->id), p->checks[i]->id);
        text_copy(to->name, sizeof(to->name), p->checks[i]->name);
        to->scope = (uint8_t)p->checks[i]->scope;
        to->failover = p->checks[i]->failover;
        to->target = (int32_t)p->checks[i]->target;
        fill_rules(p->checks[i], to);
    }
    for (size_t i = 0; i < p->n_vips; i++) {
        struct vip *to = core_vip(core, (int32_t)i);
        text_copy(to->name, sizeof(to->name), p->vips[i]->name);
        text_copy(to->address, sizeof(to->address), p->vips[i]->address);
        text_copy(to->interface, sizeof(to->interface), p->vips[i]->interface);
        to->service = (int32_t)p->vips[i]->service;
        to->lease_ms = p->vips[i]->lease_ms;
        to->guarded_lease_ms = p->vips[i]->guarded_lease_ms;
    }
}
