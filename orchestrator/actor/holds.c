/* The leader's side of the lease channel.
 *   - A hold line names everything that the node is to hold, and is composed only while leadership
 *     is fresh (LEADER-FRESH). It is dated UNTIL = U + L in the node's own clock; each address that
 *     nft guards has a date of its own.
 *   - "+" (guarded: "^") acquires until the node has confirmed once, "=" ("~") extends ever after.
 *   - R is when the U that dated a line was heard: its lease has certainly ended at
 *     R + L(1 + rho) + E, whatever happened to it. The latest is kept for each address (WAIT-OUT).
 *   - A controller that follows keeps the channel open and only asks for the time. To begin to
 *     lead it needs no new shell, but a new answer: U must be young to date a lease. */
#include "orchestrator/actor/actor.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/core/lease.h"
#include "orchestrator/sys/now.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PING_MS = 500,           /* between lines to a node that holds nothing */
    WARM_MS = 1000,          /* between questions to a node that somebody else leads, and a bit */
    WARM_SPREAD_MS = 512,    /* ... which differs from node to node */
    WARM_SILENT_MS = 2000,   /* a warm node without an answer for longer: it is cut off */
    DOUBTED_SILENT_MS = 400, /* ... that the leader cannot work on */
    DOUBTED_MS = 300,        /* between questions to such a node */
    SILENT_MS = 1000,      /* one that holds nothing, without an answer for longer: it is cut off */
    UNREACHABLE_MS = 2000, /* an acquire that waits for a session this long is reported */
    CAP_SLACK_CS = 10,
    LEASE_DEFAULT_MS = 3000,
    HOLD_WORD_SIZE = ADDRESS_SIZE + INTERFACE_SIZE + 32,
    CHATTER_MAX = 3, /* lines in the log for what a node says beside the protocol, a channel */
};

static bool is_hold_of(const struct owed *owed, const struct actor_node *node)
{
    return owed->kind == EPHOR__ORDER_KIND__HOLD && strcmp(owed->node, node->name) == 0;
}

/* The shortest lease among what this node is to hold. */
static uint32_t lease_of(const struct actor_node *node)
{
    uint32_t lease_ms = 0;
    for (const struct owed *owed = node->actor->owed; owed != NULL; owed = owed->next)
        if (is_hold_of(owed, node) && (lease_ms == 0 || owed->lease_ms < lease_ms))
            lease_ms = owed->lease_ms;
    return lease_ms;
}

static int64_t period_of(const struct actor_node *node)
{
    uint32_t lease_ms = lease_of(node);
    return lease_ms == 0 ? PING_MS : lease_period_ms(lease_ms);
}

/* The leases of a line: the shortest of bare addresses, which share a date; the longest of all. */
static void leases_of(const struct actor_node *node, uint32_t *bare_ms, uint32_t *longest_ms)
{
    *bare_ms = *longest_ms = 0;
    for (const struct owed *owed = node->actor->owed; owed != NULL; owed = owed->next) {
        if (!is_hold_of(owed, node))
            continue;
        if (!owed->guarded && (*bare_ms == 0 || owed->lease_ms < *bare_ms))
            *bare_ms = owed->lease_ms;
        if (owed->lease_ms > *longest_ms)
            *longest_ms = owed->lease_ms;
    }
    if (*longest_ms == 0)
        *longest_ms = LEASE_DEFAULT_MS;
    if (*bare_ms == 0)
        *bare_ms = *longest_ms;
}

/* ---------------------------------------------------------------- the end of each lease */

static struct grant *grant_of(struct actor *actor, const char *node, const char *word)
{
    for (struct grant *grant = actor->grants; grant != NULL; grant = grant->next)
        if (strcmp(grant->node, node) == 0 && strcmp(grant->word, word) == 0)
            return grant;
    return NULL;
}

static void note_grant(struct actor_node *node, const struct owed *owed, uint32_t lease_ms)
{
    struct actor *actor = node->actor;
    struct grant *grant = grant_of(actor, node->name, owed->word);
    int64_t end_ms = node->heard_ms + lease_wait_ms(lease_ms, owed->guarded);
    if (grant == NULL) {
        grant = calloc(1, sizeof(*grant));
        PRE(grant != NULL);
        text_copy(grant->node, sizeof(grant->node), node->name);
        text_copy(grant->word, sizeof(grant->word), owed->word);
        grant->next = actor->grants;
        actor->grants = grant;
    }
    if (end_ms > grant->end_ms)
        grant->end_ms = end_ms;
}

void holds_close(struct actor *actor)
{
    while (actor->grants != NULL) {
        struct grant *grant = actor->grants;
        actor->grants = grant->next;
        free(grant);
    }
}

/* ---------------------------------------------------------------- lines to the node */

static int64_t warm_period_of(const struct actor_node *node)
{
    unsigned sum = 0;
    for (const char *s = node->name; *s != '\0'; s++)
        sum = sum * 31 + (unsigned char)*s;
    return WARM_MS + (int64_t)(sum % WARM_SPREAD_MS);
}

void holds_arm(struct actor_node *node)
{
    timer_start(node->beat, node->phase == NODE_OPEN ? period_of(node) : warm_period_of(node), 0);
}

static void send_line(struct actor_node *node, const char *line)
{
    if (node->sent_ms == 0)
        node->sent_ms = now_mono_ms();
    if (!channel_send(node->lease, line))
        node_lost(node, "it does not take what is sent to it");
}

void holds_ask(struct actor_node *node)
{
    send_line(node, "clock");
}

/* A third of a lease: so another controller has the time to go on before the address is gone. */
static int64_t silent_max_ms(const struct actor_node *node)
{
    if (node->phase == NODE_WARM)
        return node->is_doubted ? DOUBTED_SILENT_MS : WARM_SILENT_MS;
    return lease_of(node) == 0 ? SILENT_MS : lease_silent_ms(lease_of(node));
}

static bool is_silent(const struct actor_node *node)
{
    return (node->phase == NODE_OPEN || node->phase == NODE_WARM) && node->sent_ms > 0 &&
           now_mono_ms() - node->sent_ms > silent_max_ms(node);
}

void holds_doubt(struct actor_node *node, bool is_doubted)
{
    node->is_doubted = is_doubted;
    if (is_doubted && node->phase == NODE_WARM && node->sent_ms == 0 &&
        now_mono_ms() - node->heard_ms > DOUBTED_MS)
        holds_ask(node);
}

/* " +ADDRESS@DEV", or " ^ADDRESS@DEV/UNTIL" where it is guarded. */
static void hold_word(const struct actor_node *node, const struct owed *owed,
                      char word[HOLD_WORD_SIZE])
{
    bool acquires = owed->acquire && !owed->is_held;
    if (owed->guarded)
        text_format(word, HOLD_WORD_SIZE, " %c%s/%" PRId64, acquires ? '^' : '~', owed->word,
                    lease_until_cs(node->uptime_cs, owed->lease_ms));
    else
        text_format(word, HOLD_WORD_SIZE, " %c%s", acquires ? '+' : '=', owed->word);
}

static void send_hold(struct actor_node *node)
{
    struct actor *actor = node->actor;
    uint32_t bare_ms, longest_ms;
    char line[CHANNEL_LINE_MAX], word[HOLD_WORD_SIZE];
    leases_of(node, &bare_ms, &longest_ms);
    node->seq++;
    size_t used = (size_t)snprintf(
        line, sizeof(line), "hold %" PRIu64 " %" PRIu64 " %s %" PRId64 " %" PRId64, node->seq,
        actor->term, node->boot, lease_until_cs(node->uptime_cs, bare_ms),
        (int64_t)longest_ms / 10 + CAP_SLACK_CS);
    for (struct owed *owed = actor->owed; owed != NULL; owed = owed->next) {
        if (!is_hold_of(owed, node))
            continue;
        hold_word(node, owed, word);
        if (used + strlen(word) + 1 > sizeof(line)) {
            log_error("hold", "%s is to hold more addresses than fit into a line", node->name);
            break;
        }
        memcpy(line + used, word, strlen(word) + 1);
        used += strlen(word);
        if (owed->first_seq == 0)
            owed->first_seq = node->seq;
        note_grant(node, owed, owed->guarded ? owed->lease_ms : bare_ms);
    }
    for (struct owed *owed = actor->owed; owed != NULL; owed = owed->next)
        if (owed->kind == EPHOR__ORDER_KIND__RELEASE && strcmp(owed->node, node->name) == 0 &&
            owed->first_seq == 0)
            owed->first_seq = node->seq; /* the first line without it */
    send_line(node, line);
}

/* What was heard last is too old to date a lease, since this process slept or the way is slow. */
static void ask_first(struct actor_node *node)
{
    node->is_stale = true;
    holds_ask(node);
}

void holds_beat(struct actor_node *node)
{
    bool is_open = node->phase == NODE_OPEN;
    if (!is_open && node->phase != NODE_WARM)
        return; /* what it waits for has a limit of its own */
    holds_arm(node);
    if (!is_open || !actor_may_act(node->actor))
        holds_ask(node);
    else if (now_mono_ms() - node->heard_ms > (int64_t)lease_of(node) / 2 && lease_of(node) > 0)
        ask_first(node);
    else
        send_hold(node);
}

static void announce(struct actor_node *node, struct owed *owed)
{
    static const int64_t again_ms[] = {1000, 4000, 5000};
    char line[CHANNEL_LINE_MAX];
    text_format(line, sizeof(line), "announce %s", owed->word);
    channel_send(node->lease, line);
    owed->announce_ms = owed->announced < 3 ? now_mono_ms() + again_ms[owed->announced] : 0;
    owed->announced++;
}

/* ---------------------------------------------------------------- lines from the node */

static bool node_holds(const struct actor_node *node, const char *word)
{
    for (size_t i = 0; i < node->held_count; i++)
        if (strcmp(node->held[i], word) == 0)
            return true;
    return false;
}

/* What a `held` that answers line `seq` says about the orders of this node. */
static void judge_orders(struct actor_node *node, uint64_t seq)
{
    struct actor *actor = node->actor;
    for (struct owed *owed = actor->owed; owed != NULL; owed = owed->next) {
        if (strcmp(owed->node, node->name) != 0 || owed->first_seq == 0 || seq < owed->first_seq)
            continue;
        bool holds = node_holds(node, owed->word);
        if (owed->kind == EPHOR__ORDER_KIND__RELEASE && !holds && !owed->is_reported) {
            outbox_outcome(actor, owed, EPHOR__RESULT__RESULT_DONE, "");
        } else if (owed->kind == EPHOR__ORDER_KIND__HOLD && holds) {
            if (!owed->is_held || owed->announced == 0)
                announce(node, owed);
            owed->is_held = true;
            /* Also if its node could not be reached before: a steady service's grant waits on. */
            if (owed->acquire && (!owed->is_reported || owed->told != EPHOR__RESULT__RESULT_DONE))
                outbox_outcome(actor, owed, EPHOR__RESULT__RESULT_DONE, "");
        } else if (owed->kind == EPHOR__ORDER_KIND__HOLD && !holds &&
                   (!owed->acquire || owed->is_held) && !owed->is_lost && actor_may_act(actor)) {
            owed->is_lost = true;
            outbox_outcome(actor, owed, EPHOR__RESULT__RESULT_LOST, "");
        }
    }
}

static void refuse_holds(struct actor_node *node, const char *word, const char *text)
{
    struct actor *actor = node->actor;
    for (struct owed *owed = actor->owed; owed != NULL && actor_may_act(actor); owed = owed->next)
        if (is_hold_of(owed, node) && owed->acquire && !owed->is_held && !owed->is_reported &&
            (word == NULL || strcmp(owed->word, word) == 0))
            outbox_outcome(actor, owed, EPHOR__RESULT__RESULT_REFUSED, text);
}

/* held SEQ UPTIME BOOT EPOCH ADDR@DEV ... */
static bool read_held(struct actor_node *node, char *rest)
{
    char *save = NULL;
    const char *words[4];
    int64_t seq, uptime_cs;
    for (int i = 0; i < 4; i++)
        words[i] = strtok_r(i == 0 ? rest : NULL, " ", &save);
    if (words[3] == NULL || !text_parse_int(words[0], 0, INT64_MAX, &seq) ||
        !text_parse_int(words[1], 0, INT64_MAX / 16, &uptime_cs) || strlen(words[2]) >= BOOT_SIZE)
        return false;
    int64_t now_ms = now_mono_ms();
    size_t count = 0;
    for (const char *word = strtok_r(NULL, " ", &save); word != NULL && count < ACTOR_HELD_MAX;
         word = strtok_r(NULL, " ", &save))
        text_copy(node->held[count++], sizeof(node->held[0]), word);
    node->held_count = count;
    node->uptime_cs = uptime_cs;
    node->heard_ms = now_ms;
    text_copy(node->boot, sizeof(node->boot), words[2]);
    if (node->sent_ms > 0)
        node->rtt_us = (now_ms - node->sent_ms) * 1000;
    if ((uint64_t)seq >= node->seq)
        node->sent_ms = 0;
    node->answered_seq = (uint64_t)seq;
    judge_orders(node, (uint64_t)seq);
    return true;
}

/* ... nft, or - and why not */
static void read_guard(struct actor_node *node, const char *guard, const char *why)
{
    bool can = strcmp(guard, "nft") == 0;
    node->guard = can ? EPHOR__GUARD__GUARD_NFT : EPHOR__GUARD__GUARD_NONE;
    text_copy(node->guard_text, sizeof(node->guard_text), why == NULL ? "" : why);
}

/* ready UPTIME BOOT EPOCH GUARD, clock UPTIME BOOT EPOCH */
static bool read_clock(struct actor_node *node, char *rest)
{
    char *save = NULL;
    const char *uptime = strtok_r(rest, " ", &save);
    const char *boot = strtok_r(NULL, " ", &save);
    const char *epoch = strtok_r(NULL, " ", &save);
    const char *guard = strtok_r(NULL, " ", &save);
    int64_t uptime_cs, epoch_seen;
    if (epoch == NULL || strlen(boot) >= BOOT_SIZE ||
        !text_parse_int(uptime, 0, INT64_MAX / 16, &uptime_cs) ||
        !text_parse_int(epoch, 0, INT64_MAX, &epoch_seen))
        return false;
    if (guard != NULL)
        read_guard(node, guard, save);
    node->uptime_cs = uptime_cs;
    node->heard_ms = now_mono_ms();
    text_copy(node->boot, sizeof(node->boot), boot);
    if (node->phase == NODE_OPEN) { /* asked before; what waits for an answer is a hold line */
        if (node->answered_seq == node->seq)
            node->sent_ms = 0;
        if (node->is_stale) {
            node->is_stale = false;
            holds_beat(node);
        }
        return true;
    }
    if (node->sent_ms > 0)
        node->rtt_us = (node->heard_ms - node->sent_ms) * 1000;
    node->sent_ms = 0;
    node_answers(node, (uint64_t)epoch_seen);
    return true;
}

/* outranked SEQ EPOCH TEXT */
static bool read_outranked(struct actor_node *node, char *rest)
{
    char *text = strchr(rest, ' ');
    char *end = NULL;
    if (text == NULL)
        return false;
    uint64_t epoch = strtoull(text + 1, &end, 10);
    if (*end != ' ')
        return false;
    if (node->phase == NODE_OPEN) /* else the line is of an earlier time */
        node_outranked(node, epoch, end + 1);
    return true;
}

/* refused SEQ TEXT: an old date, mostly. The time there mends that. */
static void read_refused(struct actor_node *node, char *rest)
{
    char *text = strchr(rest, ' ');
    int64_t seq = 0;
    if (text != NULL)
        *text++ = '\0';
    if (text_parse_int(rest, 0, INT64_MAX, &seq) && (uint64_t)seq >= node->seq)
        node->sent_ms = 0;
    node->answered_seq = (uint64_t)seq;
    if (text != NULL && text_starts_with(text, "too late")) {
        log_info("lease", "%s got a line too late", node->name);
        if (node->phase == NODE_OPEN)
            ask_first(node);
        return;
    }
    log_warning("lease", "%s refused a line: %s", node->name, text == NULL ? "" : text);
    if (text == NULL || !text_starts_with(text, "another session"))
        refuse_holds(node, NULL, text == NULL ? "refused" : text);
    node_lost(node, text == NULL ? "it refused a line" : text); /* a new session, a new clock */
}

static void read_foreign(struct actor_node *node, char *rest)
{
    char text[TEXT_SIZE];
    const char *word = strchr(rest, ' ');
    if (word == NULL)
        return;
    text_format(text, sizeof(text), "%s is on it already, and not by Ephor; remove it there",
                word + 1);
    refuse_holds(node, word + 1, text);
}

static void on_line(void *data, const char *line)
{
    struct actor_node *node = data;
    char copy[CHANNEL_LINE_MAX + 1];
    text_copy(copy, sizeof(copy), line);
    bool is_good = true;
    if (text_starts_with(copy, "held "))
        is_good = read_held(node, copy + 5);
    else if (text_starts_with(copy, "ready "))
        is_good = node->phase == NODE_OPENING && read_clock(node, copy + 6);
    else if (text_starts_with(copy, "clock "))
        is_good = read_clock(node, copy + 6);
    else if (text_starts_with(copy, "outranked "))
        is_good = read_outranked(node, copy + 10);
    else if (text_starts_with(copy, "refused "))
        read_refused(node, copy + 8);
    else if (text_starts_with(copy, "foreign "))
        read_foreign(node, copy + 8);
    else if (text_starts_with(copy, "frozen "))
        node_frozen(node, copy + 7);
    else if (strcmp(copy, "thawed") == 0)
        node_frozen(node, "");
    else if (text_starts_with(copy, "guardless "))
        node_guardless(node, copy + 10);
    else if (text_starts_with(copy, "error "))
        text_copy(node->problem, sizeof(node->problem), copy + 6);
    else if (node->chatter++ < CHATTER_MAX)
        log_warning("lease", "%s says something of its own: %.200s", node->name, copy);
    if (text_starts_with(copy, "error "))
        log_warning("lease", "%s: %s", node->name, node->problem);
    if (!is_good)
        node_lost(node, "its lease channel does not speak the protocol");
}

static void on_end(void *data, const char *text)
{
    struct actor_node *node = data;
    node->lease = NULL;
    node_lost(node, text);
}

bool holds_open(struct actor_node *node)
{
    static const struct channel_ops ops = {on_line, on_end};
    struct actor *actor = node->actor;
    char line[CHANNEL_LINE_MAX];
    node->seq = node->answered_seq = 0;
    node->chatter = 0;
    node->sent_ms = now_mono_ms();
    for (struct owed *owed = actor->owed; owed != NULL; owed = owed->next)
        if (strcmp(owed->node, node->name) == 0)
            owed->first_seq = 0; /* numbers begin anew */
    node->lease =
        channel_open(actor->loop, node->ssh, "ephor-lease", channel_lease_program, &ops, node);
    /* A later channel within one epoch has the higher number, also after this process was started
     * anew: whoever leads in an epoch does so within one boot. */
    int64_t now_ms = now_mono_ms();
    actor->session = actor->session < now_ms ? now_ms : actor->session + 1;
    text_format(line, sizeof(line), "serve %s %" PRId64, actor->name, actor->session);
    return node->lease != NULL && channel_send(node->lease, line);
}

/* ---------------------------------------------------------------- by time */

static void check_release(struct actor *actor, struct owed *owed, int64_t now_ms)
{
    const struct grant *grant = grant_of(actor, owed->node, owed->word);
    int64_t end_ms =
        grant != NULL ? grant->end_ms : actor->blind_until_ms + actor->fresh_ms + owed->wait_ms;
    if (now_ms >= end_ms)
        outbox_outcome(actor, owed, EPHOR__RESULT__RESULT_ENDED, "");
}

static void check_patience(struct actor_node *node, int64_t now_ms)
{
    if (now_ms - node->sent_ms <= node->patience_ms)
        return;
    node->patience_ms *= 2; /* soon again, since a session is cheap; a slow node gets its time */
    if (node->patience_ms > node->connect_timeout_ms)
        node->patience_ms = node->connect_timeout_ms;
    node->back_off_ms = 0;
    node_lost(node, "the lease channel does not answer");
}

void holds_check(struct actor *actor)
{
    int64_t now_ms = now_mono_ms();
    for (struct owed *owed = actor->owed; owed != NULL && actor->is_leading; owed = owed->next) {
        struct actor_node *node = actor_find_node(actor, owed->node);
        if (owed->kind == EPHOR__ORDER_KIND__RELEASE && !owed->is_reported)
            check_release(actor, owed, now_ms);
        if (owed->kind != EPHOR__ORDER_KIND__HOLD)
            continue;
        bool is_open = node != NULL && node->phase == NODE_OPEN;
        if (owed->acquire && !owed->is_reported && !is_open && actor_may_act(actor) &&
            now_ms - owed->since_ms > UNREACHABLE_MS)
            outbox_outcome(actor, owed, EPHOR__RESULT__RESULT_UNREACHABLE,
                           node == NULL ? "it is not in the policy" : node->told_text);
        if (is_open && owed->is_held && owed->announce_ms > 0 && now_ms >= owed->announce_ms)
            announce(node, owed);
    }
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next) {
        if (is_silent(node))
            node_lost(node, "it does not answer any more");
        if (node->phase == NODE_OPENING || node->phase == NODE_ASKING)
            check_patience(node, now_ms);
    }
}

void holds_excuse(struct actor *actor)
{
    int64_t now_ms = now_mono_ms();
    for (struct actor_node *node = actor->nodes; node != NULL; node = node->next)
        if (node->sent_ms > 0)
            node->sent_ms = now_ms;
}
