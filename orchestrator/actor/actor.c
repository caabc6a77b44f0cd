/* The actor process: what it is told, and by whom. */
#include "orchestrator/actor/actor.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum { BEAT_MS = 50, LATE_MS = 250, TELL_STATUS_MS = 2000, STOP_MS = 200 };

struct actor_node *actor_find_node(const struct actor *actor, const char *name)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next)
        if (strcmp(node->name, name) == 0)
            return node;
    return NULL;
}

bool actor_may_act(const struct actor *actor)
{
    return actor->is_leading && actor->orders_term == actor->term &&
           now_mono_ms() < actor->fresh_until_ms;
}

/* ---------------------------------------------------------------- orders */

static void free_owed(struct owed *owed)
{
    owed->is_reported = true; /* nobody awaits it any more */
    command_cancel(owed);
    for (size_t i = 0; i < owed->argc; i++)
        free(owed->argv[i]);
    free(owed->argv);
    free(owed);
}

static const char *object_of(const Ephor__Order *order)
{
    return order->vip[0] != '\0' ? order->vip : order->service;
}

static struct owed *find_owed(const struct actor *actor, const Ephor__Order *order)
{
    for (struct owed *owed = actor->owed; owed != NULL; owed = owed->next)
        if (owed->kind == order->kind && owed->id == order->id &&
            strcmp(owed->node, order->node) == 0 &&
            strcmp(owed->vip[0] != '\0' ? owed->vip : owed->service, object_of(order)) == 0)
            return owed;
    return NULL;
}

static struct owed *add_owed(struct actor *actor, const Ephor__Order *order)
{
    struct owed *owed = calloc(1, sizeof(*owed));
    PRE(owed != NULL);
    owed->actor = actor;
    owed->kind = order->kind;
    owed->id = order->id;
    text_copy(owed->node, sizeof(owed->node), order->node);
    text_copy(owed->service, sizeof(owed->service), order->service);
    text_copy(owed->vip, sizeof(owed->vip), order->vip);
    text_format(owed->word, sizeof(owed->word), "%s@%s", order->address, order->interface);
    owed->lease_ms = order->lease_ms;
    owed->guarded = order->guarded;
    owed->wait_ms = order->wait_ms;
    owed->since_ms = now_mono_ms();
    owed->deadline_ms = owed->since_ms + order->left_ms;
    owed->timeout_ms = order->timeout_ms;
    owed->argv = calloc(order->n_argv + 1, sizeof(char *));
    PRE(owed->argv != NULL);
    for (size_t i = 0; i < order->n_argv; i++) {
        owed->argv[owed->argc] = strdup(order->argv[i]);
        PRE(owed->argv[owed->argc] != NULL);
        owed->argc++;
    }
    owed->next = actor->owed;
    actor->owed = owed;
    return owed;
}

/* Owed in an earlier term, too, and by another leader in between: what was found out then is found
 * out anew. A command that runs goes on. */
static void renew_owed(struct owed *owed, const Ephor__Order *order)
{
    owed->since_ms = now_mono_ms();
    owed->deadline_ms = owed->since_ms + order->left_ms;
    owed->first_seq = 0;
    owed->is_held = owed->is_lost = false;
    owed->announced = 0;
    owed->announce_ms = 0;
    if (order->vip[0] != '\0')
        owed->is_reported = false;
}

static void drop_unlisted(struct actor *actor)
{
    for (struct owed **at = &actor->owed; *at != NULL;) {
        struct owed *owed = *at;
        if (owed->is_listed) {
            at = &owed->next;
            continue;
        }
        *at = owed->next;
        free_owed(owed);
    }
}

static void beat_open_nodes(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next)
        if (node->phase == NODE_OPEN)
            holds_beat(node);
}

static void on_orders(struct actor *actor, const Ephor__Orders *orders)
{
    bool is_new_term = actor->orders_term != orders->term;
    actor->orders_term = orders->term;
    for (struct owed *owed = actor->owed; owed != NULL; owed = owed->next)
        owed->is_listed = false;
    for (size_t i = 0; i < orders->n_orders; i++) {
        const Ephor__Order *order = orders->orders[i];
        struct owed *owed = find_owed(actor, order);
        if (owed == NULL)
            owed = add_owed(actor, order);
        else if (is_new_term)
            renew_owed(owed, order);
        owed->is_listed = true;
        owed->acquire = order->acquire;
    }
    drop_unlisted(actor);
    beat_open_nodes(actor);
    commands_run(actor);
}

/* ---------------------------------------------------------------- links */

static void on_adopted(struct actor *actor, const Ephor__Adopted *adopted)
{
    Ephor__Policy *policy = ephor__policy__unpack(NULL, adopted->policy.len, adopted->policy.data);
    if (policy == NULL) {
        log_error("policy", "policy %llu cannot be read", (unsigned long long)adopted->index);
        return;
    }
    nodes_adopt(actor, policy);
    ephor__policy__free_unpacked(policy, NULL);
}

static bool is_doubted(const Ephor__Lead *lead, const char *name)
{
    for (size_t i = 0; i < lead->n_doubted; i++)
        if (strcmp(lead->doubted[i], name) == 0)
            return true;
    return false;
}

static void on_lead(struct actor *actor, const Ephor__Lead *lead)
{
    bool is_new = lead->leading && (!actor->is_leading || actor->term != lead->term);
    bool is_over = actor->is_leading && !lead->leading;
    bool may_act = actor_may_act(actor);
    actor->is_leading = lead->leading;
    actor->fresh_until_ms = lead->fresh_until_ms;
    if (lead->leading)
        actor->term = lead->term;
    if (is_over)
        nodes_follow(actor);
    if (lead->rules > actor->rules && actor->rules > 0)
        nodes_tell(actor); /* older rules did not keep all of it */
    actor->rules = lead->rules;
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next)
        holds_doubt(node, is_doubted(lead, node->name));
    if (!is_new && !may_act && actor_may_act(actor))
        beat_open_nodes(actor); /* leases have waited for this */
    if (!is_new)
        return;
    /* Another controller may have extended any lease until just now: what this one remembers of
     * leases is worth nothing (rule 7 of the lease protocol). */
    holds_close(actor);
    actor->blind_until_ms = now_mono_ms();
    nodes_lead(actor);
}

static void on_quorum_message(void *data, const Ephor__Message *m, int fd)
{
    struct actor *actor = data;
    (void)fd;
    if (m->body_case == EPHOR__MESSAGE__BODY_LEAD) {
        Ephor__LeadHeard heard = EPHOR__LEAD_HEARD__INIT;
        Ephor__Message answer = EPHOR__MESSAGE__INIT;
        on_lead(actor, m->lead);
        answer.body_case = EPHOR__MESSAGE__BODY_LEAD_HEARD;
        answer.lead_heard = &heard;
        link_send(actor->quorum, &answer, -1);
    }
    if (m->body_case == EPHOR__MESSAGE__BODY_ORDERS)
        on_orders(actor, m->orders);
    else if (m->body_case == EPHOR__MESSAGE__BODY_ADOPTED)
        on_adopted(actor, m->adopted);
    else if (m->body_case == EPHOR__MESSAGE__BODY_PROPOSED)
        outbox_on_proposed(actor, m->proposed);
}

static void on_quorum_close(void *data, const char *reason)
{
    struct actor *actor = data;
    log_warning("quorum", "no link to the quorum process (%s): leases are not extended", reason);
    link_free(actor->quorum);
    actor->quorum = NULL;
    actor->is_leading = false;
    nodes_follow(actor);
}

static void ignore_message(void *data, const Ephor__Message *m, int fd)
{
    (void)data;
    (void)m;
    (void)fd;
}

static void on_status_close(void *data, const char *reason)
{
    struct actor *actor = data;
    (void)reason;
    link_free(actor->status);
    actor->status = NULL;
}

static void tell_status(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next)
        node_tell_status(node);
    actor->told_status_ms = now_mono_ms();
}

static void on_peer(void *data, Ephor__Role role, uint32_t instance, int fd)
{
    static const struct link_ops quorum_ops = {on_quorum_message, on_quorum_close};
    static const struct link_ops status_ops = {ignore_message, on_status_close};
    struct actor *actor = data;
    (void)instance;
    if (role == EPHOR__ROLE__QUORUM) {
        link_free(actor->quorum);
        actor->quorum = link_new(actor->loop, fd, &quorum_ops, actor);
        outbox_send(actor, true);
    } else {
        link_free(actor->status);
        actor->status = link_new(actor->loop, fd, &status_ops, actor);
        tell_status(actor);
    }
}

/* ---------------------------------------------------------------- the process */

static void on_beat(void *data)
{
    struct actor *actor = data;
    int64_t now_ms = now_mono_ms();
    if (now_ms - actor->beat_ms > BEAT_MS + LATE_MS)
        holds_excuse(actor);
    actor->beat_ms = now_ms;
    holds_check(actor);
    commands_run(actor);
    if (now_mono_ms() - actor->told_status_ms >= TELL_STATUS_MS)
        tell_status(actor);
}

static void on_resend(void *data)
{
    outbox_send(data, false);
}

static void free_identities(struct actor *actor)
{
    while (actor->identities != NULL) {
        struct identity *identity = actor->identities;
        actor->identities = identity->next;
        explicit_bzero(identity->key, identity->key_size);
        free(identity->key);
        free(identity->known_hosts);
        free(identity);
    }
}

static uint8_t *copy_bytes(const ProtobufCBinaryData *bytes)
{
    uint8_t *copy = malloc(bytes->len + 1);
    PRE(copy != NULL);
    if (bytes->len > 0)
        memcpy(copy, bytes->data, bytes->len);
    return copy;
}

static void on_setup(void *data, const Ephor__Setup *setup)
{
    struct actor *actor = data;
    actor->fresh_ms = setup->fresh_ms;
    text_copy(actor->name, sizeof(actor->name), setup->controller_name);
    free_identities(actor);
    for (size_t i = 0; i < setup->n_ssh; i++) {
        const Ephor__SshIdentity *from = setup->ssh[i];
        struct identity *identity = calloc(1, sizeof(*identity));
        PRE(identity != NULL);
        text_copy(identity->node, sizeof(identity->node), from->node);
        identity->key = copy_bytes(&from->key);
        identity->key_size = from->key.len;
        identity->known_hosts = copy_bytes(&from->known_hosts);
        identity->known_hosts_size = from->known_hosts.len;
        identity->next = actor->identities;
        actor->identities = identity;
    }
    nodes_reconnect(actor);
}

static int on_start(void *data, struct process *process, const Ephor__Setup *setup,
                    struct errbuf *e)
{
    struct actor *actor = data;
    actor->process = process;
    actor->loop = process_loop(process);
    actor->blind_until_ms = now_mono_ms();
    actor->beat = timer_new(actor->loop, on_beat, actor);
    actor->resend = timer_new(actor->loop, on_resend, actor);
    if (actor->beat == NULL || actor->resend == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    on_setup(actor, setup);
    timer_start(actor->beat, BEAT_MS, BEAT_MS);
    process_ready(process);
    return ERR_OK;
}

static void on_stopped(void *data)
{
    struct actor *actor = data;
    timer_free(actor->resend);
    outbox_close(actor);
    holds_close(actor);
    free_identities(actor);
    link_free(actor->quorum);
    link_free(actor->status);
    timer_free(actor->beat);
    process_done(actor->process);
}

static void on_stop(void *data)
{
    struct actor *actor = data;
    actor->is_leading = false; /* no line is sent any more; addresses end by themselves */
    for (struct owed *owed = actor->owed; owed != NULL; owed = owed->next)
        owed->is_listed = false;
    drop_unlisted(actor);
    nodes_close(actor);
    /* programs on this machine get a moment to end, so that they are reaped */
    timer_free(actor->beat);
    actor->beat = timer_new(actor->loop, on_stopped, actor);
    PRE(actor->beat != NULL);
    timer_start(actor->beat, STOP_MS, 0);
}

int actor_main(uint32_t instance, int control_fd)
{
    static const struct process_ops ops = {on_start, on_setup, on_peer, NULL, on_stop};
    struct actor *actor = calloc(1, sizeof(*actor));
    if (actor == NULL)
        return 71;
    int status = process_run(EPHOR__ROLE__ACTOR, instance, control_fd, &ops, actor);
    free(actor);
    return status;
}
