/* Reports until they are in the log: each has a sequence number, is sent at once, and again until
 * the quorum process says that it was committed. */
#include "orchestrator/actor/actor.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum { RESEND_MS = 200 };

/* A copy that owns all of its memory. */
static Ephor__Fact *copy_fact(const Ephor__Fact *fact)
{
    size_t size = ephor__fact__get_packed_size(fact);
    uint8_t *bytes = malloc(size + 1);
    PRE(bytes != NULL);
    ephor__fact__pack(fact, bytes);
    Ephor__Fact *copy = ephor__fact__unpack(NULL, size, bytes);
    free(bytes);
    PRE(copy != NULL);
    return copy;
}

static void send_report(struct actor *actor, struct report *report)
{
    Ephor__Propose propose = EPHOR__PROPOSE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    if (actor->quorum == NULL)
        return;
    propose.sequence = report->sequence;
    propose.fact = report->fact;
    m.body_case = EPHOR__MESSAGE__BODY_PROPOSE;
    m.propose = &propose;
    link_send(actor->quorum, &m, -1);
    report->is_sent = true;
}

static void add_report(struct actor *actor, const Ephor__Fact *fact)
{
    struct report **end = &actor->reports;
    struct report *report = calloc(1, sizeof(*report));
    PRE(report != NULL);
    while (*end != NULL)
        end = &(*end)->next;
    *end = report;
    report->sequence = ++actor->sequence;
    report->fact = copy_fact(fact);
    send_report(actor, report);
}

void outbox_outcome(struct actor *actor, struct owed *owed, Ephor__Result result, const char *text)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Outcome outcome = EPHOR__OUTCOME__INIT;
    bool is_vip = owed->kind == EPHOR__ORDER_KIND__HOLD || owed->kind == EPHOR__ORDER_KIND__RELEASE;
    owed->is_reported = true;
    owed->told = result;
    outcome.kind = owed->kind;
    outcome.order = owed->id;
    outcome.object = is_vip ? owed->vip : owed->service;
    outcome.node = owed->node;
    outcome.result = result;
    outcome.text = (char *)(uintptr_t)text;
    fact.wall_ms = now_wall_ms();
    fact.body_case = EPHOR__FACT__BODY_OUTCOME;
    fact.outcome = &outcome;
    add_report(actor, &fact);
}

static void free_report(struct report *report)
{
    ephor__fact__free_unpacked(report->fact, NULL);
    free(report);
}

/* What was said of this node before and is not in the log yet must not come after the new. */
static void drop_reach(struct actor *actor, const char *node)
{
    for (struct report **at = &actor->reports; *at != NULL;) {
        struct report *report = *at;
        if (report->fact->body_case != EPHOR__FACT__BODY_REACH ||
            strcmp(report->fact->reach->node, node) != 0) {
            at = &report->next;
            continue;
        }
        *at = report->next;
        free_report(report);
    }
}

void outbox_reach(struct actor_node *node, bool reachable, const char *text)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Reach reach = EPHOR__REACH__INIT;
    reach.node = node->name;
    reach.guard = node->guard;
    reach.frozen = node->frozen;
    reach.reachable = reachable;
    reach.text = (char *)(uintptr_t)text;
    fact.wall_ms = now_wall_ms();
    fact.body_case = EPHOR__FACT__BODY_REACH;
    fact.reach = &reach;
    drop_reach(node->actor, node->name);
    add_report(node->actor, &fact);
}

void outbox_on_proposed(struct actor *actor, const Ephor__Proposed *proposed)
{
    for (struct report **at = &actor->reports; *at != NULL; at = &(*at)->next) {
        struct report *report = *at;
        if (report->sequence != proposed->sequence)
            continue;
        if (proposed->err == ERR_OK) {
            *at = report->next;
            free_report(report);
        } else { /* not now: the storage fails, or nobody leads */
            report->is_sent = false;
            timer_start(actor->resend, RESEND_MS, 0);
        }
        return;
    }
}

void outbox_send(struct actor *actor, bool again)
{
    for (struct report *report = actor->reports; report != NULL; report = report->next)
        if (again || !report->is_sent)
            send_report(actor, report);
}

void outbox_close(struct actor *actor)
{
    while (actor->reports != NULL) {
        struct report *report = actor->reports;
        actor->reports = report->next;
        free_report(report);
    }
}
