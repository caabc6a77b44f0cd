/* Nodes: one SSH session and lease channel each (or the channel alone, when the node is this
 * machine), opened again with back-off for as long as the node is in the policy.
 *   WAITING -> CONNECTING -> OPENING -> WARM -> ASKING -> OPEN
 * While another controller leads the channel is kept warm: it is asked for the time now and then,
 * so that a dead way is noticed, and nothing else is said. Whether a node can be worked on, every
 * controller tells for itself: the log then knows who would be able to lead. */
#include "orchestrator/actor/actor.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <stdlib.h>
#include <string.h>

enum {
    PATIENCE_MS = 800,
    BACK_OFF_MIN_MS = 100,
    BACK_OFF_MAX_MS = 5000,
    BACK_OFF_OPENED_MS = 400, /* it was there a moment ago */
    STEADY_MS = 5000,         /* ... and had been for so long */
    TELL_AGAIN_MS = 5000,
    OUTRANKED_MS = 2000, /* longer than it takes to learn that somebody else leads */
};

static void on_retry(void *data);

static void on_beat(void *data)
{
    holds_beat(data);
}

/* Say it once; the leader says it again when the words change (but not several times a second). */
static void tell_reach(struct actor_node *node, bool reachable, const char *text)
{
    int told = reachable ? REACH_TOLD_UP : REACH_TOLD_DOWN;
    int64_t now_ms = now_mono_ms();
    char words[TEXT_SIZE];
    text_copy(words, sizeof(words), text);
    if ((int)node->told == told &&
        (!node->actor->is_leading || strcmp(node->told_text, words) == 0 ||
         now_ms - node->down_since_ms < TELL_AGAIN_MS)) {
        node_tell_status(node);
        return;
    }
    if (reachable)
        log_info("reach", "%s can be worked on", node->name);
    else
        log_warning("reach", "%s cannot be worked on: %s", node->name, text);
    node->told = reachable ? REACH_TOLD_UP : REACH_TOLD_DOWN;
    node->down_since_ms = now_ms;
    memcpy(node->told_text, words, sizeof(words));
    outbox_reach(node, reachable, words);
    node_tell_status(node);
}

static void tell_up(struct actor_node *node)
{
    char text[TEXT_SIZE] = "";
    if (node->guard == EPHOR__GUARD__GUARD_NONE)
        text_format(text, sizeof(text), "leases there are 3s or longer: %s", node->guard_text);
    tell_reach(node, true, text);
}

void node_frozen(struct actor_node *node, const char *text)
{
    char words[TEXT_SIZE];
    text_copy(words, sizeof(words), text);
    if (strcmp(node->frozen, words) == 0)
        return;
    memcpy(node->frozen, words, sizeof(words));
    if (node->phase < NODE_WARM)
        return; /* it is told with the first answer */
    node->told = REACH_UNTOLD;
    tell_up(node);
}

/* It says so with each line, until it is told to hold the address otherwise. Told again after a
 * while: another controller may have said since that it can. */
void node_guardless(struct actor_node *node, const char *why)
{
    if (node->guard == EPHOR__GUARD__GUARD_NONE &&
        now_mono_ms() - node->down_since_ms < TELL_AGAIN_MS)
        return;
    log_warning("lease", "%s cannot guard addresses any more: %s", node->name, why);
    node->guard = EPHOR__GUARD__GUARD_NONE;
    text_copy(node->guard_text, sizeof(node->guard_text), why);
    node->told = REACH_UNTOLD;
    tell_up(node);
}

void nodes_tell(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next) {
        if (node->phase < NODE_WARM || node->told != REACH_TOLD_UP)
            continue;
        node->told = REACH_UNTOLD;
        tell_up(node);
    }
}

static void close_session(struct actor_node *node)
{
    channel_close(node->lease);
    node->lease = NULL;
    for (struct owed *owed = node->actor->owed; owed != NULL; owed = owed->next)
        if (strcmp(owed->node, node->name) == 0 && !node->is_local) /* there it goes on */
            command_cancel(owed);
    ssh_free(node->ssh);
    node->ssh = NULL;
    node->phase = NODE_WAITING;
    node->held_count = 0;
    node->since_ms = 0;
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
    if (node->since_ms > 0 && now_mono_ms() - node->since_ms >= STEADY_MS)
        node->back_off_ms = BACK_OFF_MIN_MS;
    tell_reach(node, false, node->problem[0] != '\0' ? node->problem : why);
    close_session(node);
    timer_start(node->retry, splayed(node), 0);
    node->back_off_ms = node->back_off_ms == 0 ? BACK_OFF_MIN_MS : node->back_off_ms * 2;
    if (node->back_off_ms > BACK_OFF_MAX_MS)
        node->back_off_ms = BACK_OFF_MAX_MS;
}

void node_outranked(struct actor_node *node, uint64_t epoch, const char *text)
{
    struct actor *actor = node->actor;
    char words[TEXT_SIZE];
    int64_t now_ms = now_mono_ms();
    if (node->outranked_term != actor->term) {
        node->outranked_term = actor->term;
        node->outranked_ms = now_ms;
        log_info("lease", "%s has heard of epoch %llu, this is %llu: somebody else leads there",
                 node->name, (unsigned long long)epoch, (unsigned long long)actor->term);
    }
    node->phase = NODE_WARM;
    node->sent_ms = 0;
    holds_arm(node);
    if (now_ms - node->outranked_ms < OUTRANKED_MS || !actor_may_act(actor))
        return;
    text_copy(words, sizeof(words), text); /* we lead, and it remembers another cluster */
    tell_reach(node, false, words);
}

void node_answers(struct actor_node *node, uint64_t epoch)
{
    bool leads = node->actor->is_leading;
    if (node->since_ms == 0)
        node->since_ms = now_mono_ms();
    node->patience_ms = PATIENCE_MS;
    if (node->back_off_ms > BACK_OFF_OPENED_MS)
        node->back_off_ms = BACK_OFF_OPENED_MS;
    node->problem[0] = '\0';
    if (leads && epoch > node->actor->term) {
        char text[TEXT_SIZE];
        text_format(text, sizeof(text),
                    "it has seen epoch %llu; if Ephor was set up anew: rm -r /run/ephor there",
                    (unsigned long long)epoch);
        node_outranked(node, epoch, text);
        return;
    }
    node->phase = leads ? NODE_OPEN : NODE_WARM;
    tell_up(node);
    if (leads) {
        holds_beat(node);
        commands_run(node->actor);
    } else {
        holds_arm(node);
    }
}

/* The session is ready, or needed none. */
static void on_ssh_ready(void *data)
{
    struct actor_node *node = data;
    node->phase = NODE_OPENING;
    if (!holds_open(node))
        node_lost(node, "cannot open the lease channel");
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
        on_ssh_ready(node);
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
    char text[2 * TEXT_SIZE] = "connecting";
    const char *transport = node->is_local ? "local" : "ssh";
    if (node->told == REACH_TOLD_DOWN)
        text_copy(text, sizeof(text), node->told_text);
    else if (node->phase == NODE_OPEN || node->phase == NODE_ASKING)
        text_format(text, sizeof(text),
                    node->guard == EPHOR__GUARD__GUARD_NONE ? "%s; no guard for addresses: %s"
                                                            : "%s",
                    transport, node->guard_text);
    else if (node->phase == NODE_WARM)
        text_copy(text, sizeof(text), "standing by");
    for (size_t i = 0; i < node->held_count; i++)
        holding[i] = node->held[i];
    state.node = node->name;
    state.up = node->phase >= NODE_WARM && node->told != REACH_TOLD_DOWN;
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
            if (node->phase >= NODE_WARM)
                tell_up(node);
        }
    }
    drop_unlisted(actor);
    for (size_t i = 0; i < policy->n_nodes; i++)
        if (actor_find_node(actor, policy->nodes[i]->name) == NULL)
            add_node(actor, policy->nodes[i]);
}

/* This controller leads from now on. What it told of nodes stands in the log, but for the reason
 * why one cannot be worked on: only the leader's is kept. */
void nodes_lead(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next) {
        if (node->told == REACH_TOLD_DOWN)
            node->told = REACH_UNTOLD;
        if (node->phase >= NODE_WARM) {
            node->phase = NODE_ASKING;
            node->sent_ms = 0;
            holds_ask(node);
        } else if (node->phase == NODE_WAITING) {
            timer_start(node->retry, 0, 0);
        }
    }
}

void nodes_follow(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next) {
        if (node->phase <= NODE_WARM)
            continue;
        node->phase = NODE_WARM;
        node->held_count = 0;
        holds_arm(node);
        node_tell_status(node);
    }
}

void nodes_reconnect(struct actor *actor)
{
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next) {
        if (node->phase >= NODE_WARM || node->is_local)
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
