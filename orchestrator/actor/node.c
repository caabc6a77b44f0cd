/* Nodes: one SSH session each (or none, when the node is this machine), opened again with back-off
 * for as long as the node is in the policy. While another controller leads the session is kept warm
 * and nothing is said on it: a lease channel that opens on a node ends the one before it. */
#include "orchestrator/actor/actor.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 800, BACK_OFF_MIN_MS = 100, BACK_OFF_MAX_MS = 5000, TELL_AGAIN_MS = 5000 };

static void on_retry(void *data);

static void on_beat(void *data)
{
    holds_send(data);
}

/* Say it once, and again when the words change (but not several times a second). */
static void tell_reach(struct actor_node *node, bool reachable, const char *text)
{
    if (!node->actor->is_leading) { /* it is the leader's to say */
        node_tell_status(node);
        return;
    }
    int told = reachable ? REACH_TOLD_UP : REACH_TOLD_DOWN;
    int64_t now_ms = now_mono_ms();
    char words[TEXT_SIZE];
    text_copy(words, sizeof(words), text);
    if ((int)node->told == told &&
        (strcmp(node->told_text, words) == 0 || now_ms - node->down_since_ms < TELL_AGAIN_MS))
        return;
    if (reachable)
        log_info("reach", "%s can be worked on", node->name);
    else
        log_warning("reach", "%s cannot be worked on: %s", node->name, text);
    node->told = reachable ? REACH_TOLD_UP : REACH_TOLD_DOWN;
    node->down_since_ms = now_ms;
    memcpy(node->told_text, words, sizeof(words));
    outbox_reach(node->actor, node->name, reachable, words);
    node_tell_status(node);
}

static void close_session(struct actor_node *node)
{
    channel_close(node->lease);
    node->lease = NULL;
    for (struct owed *owed = node->actor->owed; owed != NULL; owed = owed->next)
        if (strcmp(owed->node, node->name) == 0)
            command_cancel(owed);
    ssh_free(node->ssh);
    node->ssh = NULL;
    node->phase = NODE_WAITING;
    node->held_count = 0;
    timer_stop(node->beat);
}

/* Up to a quarter more, different for each node, so that a rack does not come back at once. */
static int64_t splayed(const struct actor_node *node)
{
    unsigned sum = 0;
    for (const char *s = node->name; *s != '\0'; s++)
        sum = sum * 31 + (unsigned char)*s;
    return node->back_off_ms + node->back_off_ms * (int64_t)(sum % 32) / 128;
}

void node_lost(struct actor_node *node, const char *why)
{
    tell_reach(node, false, node->problem[0] != '\0' ? node->problem : why);
    close_session(node);
    timer_start(node->retry, splayed(node), 0);
    node->back_off_ms = node->back_off_ms == 0 ? BACK_OFF_MIN_MS : node->back_off_ms * 2;
    if (node->back_off_ms > BACK_OFF_MAX_MS)
        node->back_off_ms = BACK_OFF_MAX_MS;
}

void node_is_open(struct actor_node *node)
{
    node->phase = NODE_OPEN;
    node->back_off_ms = BACK_OFF_MIN_MS;
    node->patience_ms = PATIENCE_MS;
    node->problem[0] = '\0';
    tell_reach(node, true, "");
    holds_send(node);
    commands_run(node->actor);
}

static void open_lease(struct actor_node *node)
{
    node->phase = NODE_OPENING;
    if (!holds_open(node))
        node_lost(node, "cannot open the lease channel");
}

/* It can be reached; whoever leads goes on at once. */
static void stand_by(struct actor_node *node)
{
    node->phase = NODE_WARM;
    node->back_off_ms = BACK_OFF_MIN_MS;
    if (node->actor->is_leading)
        open_lease(node);
    else
        node_tell_status(node);
}

static void on_ssh_ready(void *data)
{
    stand_by(data);
}

static void on_ssh_close(void *data, int err, const char *text)
{
    (void)err;
    node_lost(data, text);
}

static const struct identity *identity_of(const struct actor_node *node)
{
    const struct identity *found = NULL;
    for (const struct identity *i = node->actor->identities; i != NULL; i = i->next)
        if (strcmp(i->node, node->name) == 0 || (i->node[0] == '\0' && found == NULL))
            found = i;
    return found;
}

static void on_retry(void *data)
{
    static const struct ssh_ops ops = {on_ssh_ready, on_ssh_close};
    struct actor_node *node = data;
    const struct identity *identity = identity_of(node);
    if (node->is_local) {
        stand_by(node);
        return;
    }
    if (identity == NULL || identity->key_size == 0) {
        node_lost(node, "there is no SSH key for it");
        return;
    }
    struct ssh_params params = {.node = node->name,
                                .host = node->address,
                                .port = node->port,
                                .user = node->user,
                                .key = identity->key,
                                .key_size = identity->key_size,
                                .known_hosts = (const char *)identity->known_hosts,
                                .known_hosts_size = identity->known_hosts_size,
                                .timeout_ms = node->connect_timeout_ms};
    node->phase = NODE_CONNECTING;
    node->ssh = ssh_connect(node->actor->loop, &params, &ops, node);
    if (node->ssh == NULL)
        node_lost(node, "out of memory");
}

void node_tell_status(struct actor_node *node)
{
    Ephor__NodeChannel state = EPHOR__NODE_CHANNEL__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    char *holding[ACTOR_HELD_MAX];
    char text[TEXT_SIZE + 32] = "connecting";
    if (node->phase == NODE_OPEN)
        text_copy(text, sizeof(text), node->is_local ? "local" : "ssh");
    else if (node->phase == NODE_WARM)
        text_copy(text, sizeof(text), "standing by");
    else if (node->told == REACH_TOLD_DOWN)
        text_copy(text, sizeof(text), node->told_text);
    for (size_t i = 0; i < node->held_count; i++)
        holding[i] = node->held[i];
    state.node = node->name;
    state.up = node->phase == NODE_OPEN || node->phase == NODE_WARM;
    state.text = text;
    state.rtt_us = node->rtt_us;
    state.holding = holding;
    state.n_holding = node->held_count;
    m.body_case = EPHOR__MESSAGE__BODY_NODE_CHANNEL;
    m.node_channel = &state;
    link_send(node->actor->status, &m, -1);
}

/* ---------------------------------------------------------------- the policy */

static bool is_same(const struct actor_node *node, const Ephor__Node *policy)
{
    return strcmp(node->address, policy->address) == 0 && strcmp(node->user, policy->user) == 0 &&
           node->port == policy->port &&
           node->is_local == (policy->transport == EPHOR__TRANSPORT__LOCAL);
}

static void free_node(struct actor_node *node)
{
    close_session(node);
    timer_free(node->retry);
    timer_free(node->beat);
    free(node);
}

static void add_node(struct actor *actor, const Ephor__Node *policy)
{
    struct actor_node *node = calloc(1, sizeof(*node));
    PRE(node != NULL);
    node->actor = actor;
    node->next = actor->nodes;
    actor->nodes = node;
    text_copy(node->name, sizeof(node->name), policy->name);
    text_copy(node->address, sizeof(node->address), policy->address);
    text_copy(node->user, sizeof(node->user), policy->user);
    node->port = (uint16_t)policy->port;
    node->is_local = policy->transport == EPHOR__TRANSPORT__LOCAL;
    node->connect_timeout_ms = policy->connect_timeout_ms;
    node->is_listed = true;
    node->back_off_ms = BACK_OFF_MIN_MS;
    node->patience_ms = PATIENCE_MS;
    node->retry = timer_new(actor->loop, on_retry, node);
    node->beat = timer_new(actor->loop, on_beat, node);
    PRE(node->retry != NULL && node->beat != NULL);
    timer_start(node->retry, 0, 0);
}

static void drop_unlisted(struct actor *actor)
{
    for (struct actor_node **at = &actor->nodes; *at != NULL;) {
        struct actor_node *node = *at;
        if (node->is_listed) {
            at = &node->next;
            continue;
        }
        *at = node->next;
        free_node(node);
    }
}

void nodes_adopt(struct actor *actor, const Ephor__Policy *policy)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next)
        node->is_listed = false;
    for (size_t i = 0; i < policy->n_nodes; i++) {
        struct actor_node *node = actor_find_node(actor, policy->nodes[i]->name);
        if (node != NULL && is_same(node, policy->nodes[i])) {
            node->is_listed = true;
            node->connect_timeout_ms = policy->nodes[i]->connect_timeout_ms;
            node->told = REACH_UNTOLD; /* the new policy's state is told anew */
            if (node->phase == NODE_OPEN)
                tell_reach(node, true, "");
        }
    }
    drop_unlisted(actor);
    for (size_t i = 0; i < policy->n_nodes; i++)
        if (actor_find_node(actor, policy->nodes[i]->name) == NULL)
            add_node(actor, policy->nodes[i]);
}

/* This controller leads from now on: what it reaches, it says anew. */
void nodes_lead(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next) {
        node->told = REACH_UNTOLD;
        if (node->phase == NODE_OPEN)
            tell_reach(node, true, "");
        else if (node->phase == NODE_WARM)
            open_lease(node);
        else if (node->phase == NODE_WAITING)
            timer_start(node->retry, 0, 0);
    }
}

void nodes_reconnect(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next) {
        if (node->phase == NODE_OPEN || node->is_local)
            continue;
        close_session(node);
        node->back_off_ms = BACK_OFF_MIN_MS;
        timer_start(node->retry, 0, 0);
    }
}

void nodes_close(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next)
        node->is_listed = false;
    drop_unlisted(actor);
}
