/* A policy of many services, each with two members and two checks, as a message: for tests of what
 * must stay fast. Orders of services and of definitions can be turned around, as an edited file
 * may. */
#ifndef TESTS_BIG_POLICY_H
#define TESTS_BIG_POLICY_H

#include "orchestrator/base/text.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BIG_NODES = 20, BIG_MEMBERS = 2, BIG_CHECKS = 2 };

static inline char *big_name(const char *stem, size_t number)
{
    char text[64];
    text_format(text, sizeof(text), "%s%zu", stem, number);
    return strdup(text);
}

static inline Ephor__Check *big_check(const Ephor__Policy *p, uint32_t target, size_t i)
{
    static const char *const names[] = {"tcp", "http"};
    const Ephor__Member *m = p->members[target];
    Ephor__Check *c = calloc(1, sizeof(*c));
    ephor__check__init(c);
    char id[200];
    text_format(id, sizeof(id), "%s/%s/%s", p->services[m->service]->name, p->nodes[m->node]->name,
                names[i]);
    c->id = strdup(id);
    c->name = strdup(names[i]);
    c->kind = EPHOR__CHECK_KIND__TCP;
    c->target = target;
    c->failover = true;
    c->interval_ms = c->timeout_ms = 5000;
    c->retry_ms = 500;
    c->fall = c->rise = 2;
    c->host = strdup(p->nodes[m->node]->address);
    c->port = 80;
    return c;
}

/* On the heap: for ephor__policy__free_unpacked. */
static inline Ephor__Policy *big_policy(size_t services, bool is_turned_around)
{
    Ephor__Policy *p = calloc(1, sizeof(*p));
    ephor__policy__init(p);
    p->version = 1;
    p->name = strdup("big");
    p->nodes = calloc(BIG_NODES, sizeof(p->nodes[0]));
    p->services = calloc(services, sizeof(p->services[0]));
    p->members = calloc(services * BIG_MEMBERS, sizeof(p->members[0]));
    p->checks = calloc(services * BIG_MEMBERS * BIG_CHECKS, sizeof(p->checks[0]));
    for (size_t i = 0; i < BIG_NODES; i++) {
        Ephor__Node *node = p->nodes[p->n_nodes++] = calloc(1, sizeof(*node));
        ephor__node__init(node);
        node->name = big_name("n", is_turned_around ? BIG_NODES - i : i + 1);
        node->address = big_name("10.0.0.", is_turned_around ? BIG_NODES - i : i + 1);
    }
    for (size_t i = 0; i < services; i++) {
        size_t number = is_turned_around ? services - 1 - i : i;
        Ephor__Service *s = p->services[p->n_services++] = calloc(1, sizeof(*s));
        ephor__service__init(s);
        s->name = big_name("service-", number);
        s->moves_max = 2;
        s->moves_window_ms = 60000;
        for (uint32_t k = 0; k < BIG_MEMBERS; k++) {
            Ephor__Member *m = p->members[p->n_members++] = calloc(1, sizeof(*m));
            size_t node = (number + k) % BIG_NODES;
            ephor__member__init(m);
            m->service = (uint32_t)i;
            m->node = (uint32_t)(is_turned_around ? BIG_NODES - 1 - node : node);
            m->priority = 100 - k;
        }
    }
    for (size_t i = 0; i < p->n_members; i++)
        for (size_t k = 0; k < BIG_CHECKS; k++) {
            Ephor__Check *c = big_check(p, (uint32_t)i, is_turned_around ? 1 - k : k);
            p->checks[p->n_checks++] = c;
        }
    return p;
}

#endif
