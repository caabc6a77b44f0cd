/* A node: its kernel's addresses with their lifetimes, its services, and what the two programs of
 * actions/scripts/ do on it, rule by rule. The mistakes that WHOLE_NODE_* plant are of these rules.
 */
#include "orchestrator/base/text.h"
#include "tests/sim/whole.h"
#include "tests/sim/whole_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef WHOLE_NODE_IGNORES_EPOCH
#define WHOLE_NODE_IGNORES_EPOCH 0
#endif
#ifndef WHOLE_NODE_EXTEND_CREATES
#define WHOLE_NODE_EXTEND_CREATES 0
#endif
#ifndef WHOLE_NODE_IGNORES_UNTIL
#define WHOLE_NODE_IGNORES_UNTIL 0
#endif
#ifndef WHOLE_NODE_FORGETS_ORDERS
#define WHOLE_NODE_FORGETS_ORDERS 0
#endif

enum { WORDS_MAX = 16, SCRIPT_MAX_US = 300000, KERNEL_LATE_US = 1050000, LATE_DIVISOR = 8 };
/* What an nft guard holds ends later by the time that it took to tell the kernel: a program that
 * needed more than LATE_CS for it begins again. */
enum { GUARD_LATE_US = 76000 };

/* ---- its clock */

int64_t whole_node_uptime_us(const struct whole_node *node)
{
    int64_t now_us = node->is_paused ? node->paused_us : node->whole->world->now_us;
    return (now_us - node->boot_us) * (1000000 + node->ppm) / 1000000;
}

static int64_t uptime_cs(const struct whole_node *node)
{
    return whole_node_uptime_us(node) / 10000;
}

/* World time from now until its clock shows uptime_us. */
static int64_t until_us(const struct whole_node *node, int64_t uptime_us)
{
    int64_t left_us = uptime_us - whole_node_uptime_us(node);
    return left_us <= 0 ? 0 : left_us * 1000000 / (1000000 + node->ppm) + 1;
}

static void boot_id(const struct whole_node *node, char text[16])
{
    snprintf(text, 16, "b%d-%u", node->index, node->life);
}

/* ---- its life */

void whole_node_boot(struct whole_node *node)
{
    node->life++;
    node->is_down = node->is_paused = false;
    node->has_guard = sim_percent(&node->whole->world->random, node->whole->profile.guard);
    node->boot_us = node->whole->world->now_us;
    node->pause_uptime_cs = -1;
    node->epoch = node->seen = 0;
    node->who = 0;
    node->which = 0;
    node->wait.first = NULL;
    node->lock_us = 0;
    memset(node->busy_us, 0, sizeof(node->busy_us));
    memset(node->shells, 0, sizeof(node->shells));
    memset(node->addresses, 0, sizeof(node->addresses));
    memset(node->done, 0, sizeof(node->done));
    for (int32_t i = 0; i < node->whole->profile.services; i++)
        node->services[i] = node->whole->profile.is_active_only[i] ? WHOLE_DEAD : WHOLE_RUNS;
}

void whole_node_crash(struct whole_node *node)
{
    whole_trace(node->whole, "%s is off", node->name);
    node->is_down = true;
    node->is_paused = false;
    node->life++;
    memset(node->addresses, 0, sizeof(node->addresses));
    for (int32_t i = 0; i < WHOLE_SERVICES; i++)
        node->services[i] = WHOLE_DEAD;
}

/* A virtual machine: its clock stands still, too. */
void whole_node_pause(struct whole_node *node)
{
    if (node->is_down || node->is_paused)
        return;
    whole_trace(node->whole, "%s is paused", node->name);
    node->paused_us = node->whole->world->now_us;
    node->is_paused = true;
    node->pause_uptime_cs = uptime_cs(node);
}

void whole_node_continue(struct whole_node *node)
{
    if (!node->is_paused)
        return;
    whole_trace(node->whole, "%s continues", node->name);
    node->boot_us += node->whole->world->now_us - node->paused_us;
    node->is_paused = false;
    whole_wake(node->whole, &node->wait);
}

/* ---- addresses */

bool whole_node_holds(const struct whole_node *node, int32_t vip)
{
    return !node->is_down && !node->is_paused && node->addresses[vip].is_there;
}

/* What was dated before a pause of the machine is beyond what leases can do (safety, limit 10). */
bool whole_node_is_excused(const struct whole_node *node, int32_t vip)
{
    return node->addresses[vip].dated_cs <= node->pause_uptime_cs;
}

static void drop(struct whole_node *node, int32_t vip, const char *why)
{
    node->addresses[vip].is_there = false;
    whole_trace(node->whole, "%s drops v%d: %s", node->name, vip + 1, why);
}

/* And what people do besides: install nft, or remove it. */
void whole_node_remove(struct whole_node *node, int32_t vip)
{
    if (sim_percent(&node->whole->world->random, 50))
        node->has_guard = sim_percent(&node->whole->world->random, node->whole->profile.guard);
    if (node->addresses[vip].is_there)
        drop(node, vip, "by hand");
}

static void on_expiry(struct whole_call *call)
{
    struct whole_node *node = call->node;
    int32_t vip = (int32_t)(intptr_t)call->data;
    struct whole_address *address = &node->addresses[vip];
    if (!address->is_there)
        return;
    int64_t left_us = until_us(node, address->ends_us);
    if (left_us > 0) /* it was extended, or the machine was paused */
        return;
    drop(node, vip, "its lifetime is over");
}

/* `ip addr replace`: left seconds from now, and the kernel is late. */
static void set_life(struct whole_node *node, int32_t vip, int64_t left_s)
{
    struct whole_address *address = &node->addresses[vip];
    struct sim_random *random = &node->whole->world->random;
    int64_t late_us = sim_between(random, 0, KERNEL_LATE_US + left_s * 1000000 / LATE_DIVISOR);
    address->is_there = true;
    address->set++;
    address->ends_us = whole_node_uptime_us(node) + left_s * 1000000 + late_us;
}

/* Sooner or later, also after a pause: looks again until it is true. */
static void on_look(struct whole_call *call)
{
    struct whole_node *node = call->node;
    int32_t vip = (int32_t)(intptr_t)call->data;
    const struct whole_address *address = &node->addresses[vip];
    int64_t left_us = until_us(node, address->ends_us);
    if (address->is_there && left_us > 0)
        whole_call_in(node->whole, left_us, NULL, node, on_look, call->data);
    else
        on_expiry(call);
}

/* ---- the lease program */

struct hold { /* a line, while it is carried out */
    uint64_t seq, epoch;
    char boot[BOOT_SIZE];
    int64_t until_cs, cap_cs;
    uint32_t count;
    char words[WORDS_MAX][WHOLE_WORD + 1];
};

static bool parse_hold(const char *line, struct hold *hold)
{
    char copy[CHANNEL_LINE_MAX + 1];
    char *save = NULL;
    const char *words[5];
    int64_t seq, epoch;
    text_copy(copy, sizeof(copy), line);
    for (int i = 0; i < 5; i++) {
        words[i] = strtok_r(i == 0 ? copy : NULL, " ", &save);
        if (words[i] == NULL)
            return false;
    }
    if (!text_parse_int(words[0], 0, INT64_MAX, &seq) ||
        !text_parse_int(words[1], 0, INT64_MAX, &epoch) ||
        !text_parse_int(words[3], 0, INT64_MAX, &hold->until_cs) ||
        !text_parse_int(words[4], 0, INT64_MAX, &hold->cap_cs))
        return false;
    hold->seq = (uint64_t)seq;
    hold->epoch = (uint64_t)epoch;
    text_copy(hold->boot, sizeof(hold->boot), words[2]);
    hold->count = 0;
    for (const char *word = strtok_r(NULL, " ", &save); word != NULL && hold->count < WORDS_MAX;
         word = strtok_r(NULL, " ", &save))
        text_copy(hold->words[hold->count++], WHOLE_WORD + 1, word);
    return true;
}

struct whole_shell {
    struct whole_node *node;
    struct channel *channel;
    uint32_t controller; /* 0: it has not said whose it is */
    int64_t session;
    int64_t busy_us; /* until when it is at work */
};

/* Has this session the word in that epoch, or does it take it now? NULL: yes. */
static const char *take_word(struct whole_node *node, const struct whole_shell *shell,
                             uint64_t epoch)
{
    if (WHOLE_NODE_IGNORES_EPOCH)
        return NULL;
    if (epoch < node->epoch)
        return "the epoch is old";
    if (epoch == node->epoch && node->who != 0 && node->who != shell->controller)
        return "somebody else leads in it";
    if (epoch == node->epoch && node->who != 0 && shell->session < node->which)
        return "a later session was opened";
    node->epoch = epoch;
    node->who = shell->controller;
    node->which = shell->session;
    return NULL;
}

/* ^ADDRESS@DEV/UNTIL, ~ADDRESS@DEV/UNTIL */
static bool is_guarded(const char *word)
{
    return word[0] == '^' || word[0] == '~';
}

static int64_t date_of(const char *word)
{
    const char *date = strrchr(word, '/');
    int64_t date_cs = 0;
    return date != NULL && text_parse_int(date + 1, 0, INT64_MAX, &date_cs) ? date_cs : 0;
}

static const char *refusal_of(const struct hold *hold, int64_t uptime)
{
    if (WHOLE_NODE_IGNORES_UNTIL)
        return NULL;
    bool is_bare = false;
    int64_t latest_cs = hold->until_cs;
    for (uint32_t i = 0; i < hold->count; i++) {
        is_bare = is_bare || !is_guarded(hold->words[i]);
        if (is_guarded(hold->words[i]) && date_of(hold->words[i]) > latest_cs)
            latest_cs = date_of(hold->words[i]);
    }
    if ((is_bare && (hold->until_cs - uptime) / 100 < 1) ||
        (hold->count > 0 && latest_cs - uptime <= 0))
        return "too late";
    if (latest_cs - uptime > hold->cap_cs)
        return "dated too far ahead";
    return NULL;
}

static bool is_named(const struct whole *whole, const struct hold *hold, int32_t vip)
{
    for (uint32_t i = 0; i < hold->count; i++)
        if (whole_vip_of(whole, hold->words[i] + 1) == vip)
            return true;
    return false;
}

static void tell_held(struct whole_node *node, struct channel *channel, uint64_t seq)
{
    char line[512], boot[16];
    boot_id(node, boot);
    size_t used =
        (size_t)snprintf(line, sizeof(line), "held %llu %lld %s %llu", (unsigned long long)seq,
                         (long long)uptime_cs(node), boot, (unsigned long long)node->epoch);
    for (int32_t v = 0; v < node->whole->profile.vips; v++)
        if (node->addresses[v].is_there)
            used += (size_t)snprintf(line + used, sizeof(line) - used, " 10.0.0.%d@eth0", v + 1);
    whole_channel_tell(channel, line);
}

/* `nft`: until date_cs of its clock, and a little later. */
static void set_guard(struct whole_node *node, int32_t vip, int64_t date_cs)
{
    struct whole_address *address = &node->addresses[vip];
    address->is_there = true;
    address->set++;
    address->ends_us = date_cs * 10000 + sim_between(&node->whole->world->random, 0, GUARD_LATE_US);
}

static bool may_take(struct whole_node *node, const char *word, bool was_there, int64_t left)
{
    bool acquires = word[0] == '+' || word[0] == '^';
    return left >= 1 && (was_there || acquires || WHOLE_NODE_EXTEND_CREATES) &&
           (!is_guarded(word) || node->has_guard);
}

/* started_cs: its clock when it read it, before it looked and set. */
static void take(struct whole_node *node, const struct hold *hold, const char *word,
                 int64_t started_cs)
{
    int32_t vip = whole_vip_of(node->whole, word + 1);
    const struct whole_profile *profile = &node->whole->profile;
    struct whole_address *address = &node->addresses[vip];
    bool was_there = address->is_there, guarded = is_guarded(word);
    int64_t until_cs = guarded ? date_of(word) : hold->until_cs;
    int64_t lease_cs = guarded ? (int64_t)profile->guarded_lease_ms / 10 : hold->cap_cs - 10;
    if (WHOLE_NODE_IGNORES_UNTIL)
        until_cs = (guarded ? uptime_cs(node) : started_cs) + lease_cs;
    int64_t left_cs = until_cs - (guarded ? uptime_cs(node) : started_cs);
    if (!may_take(node, word, was_there, guarded ? left_cs : left_cs / 100)) {
        if (guarded && was_there) /* its time is over, or nothing guards it: it goes */
            drop(node, vip, "it cannot be extended");
        return;
    }
    if (guarded)
        set_guard(node, vip, until_cs);
    else
        set_life(node, vip, left_cs / 100);
    address->until_cs = until_cs;
    address->dated_cs = until_cs - lease_cs;
    whole_call_in(node->whole, until_us(node, address->ends_us), NULL, node, on_look,
                  (void *)(intptr_t)vip);
    if (!was_there)
        whole_trace(node->whole, "%s has v%d%s", node->name, vip + 1, guarded ? ", guarded" : "");
    whole_check_set(node, vip, hold->epoch, was_there, word[0] == '+' || word[0] == '^', until_cs,
                    hold->boot);
}

/* It was booted anew without what guarded addresses before. */
static void tell_guardless(struct whole_node *node, struct channel *channel,
                           const struct hold *hold)
{
    for (uint32_t i = 0; i < hold->count; i++)
        if (hold->words[i][0] == '^' && !node->has_guard) {
            whole_channel_tell(channel, "guardless nft is gone");
            return;
        }
}

struct lease_line { /* under way in a shell */
    struct whole_shell *shell;
    int64_t takes_us;
    char text[];
};

/* NULL: it may go on. */
static const char *answer_to(struct whole_shell *shell, const struct hold *hold, int64_t started_cs,
                             char text[160])
{
    struct whole_node *node = shell->node;
    char boot[16];
    boot_id(node, boot);
    const char *why = strcmp(hold->boot, boot) != 0 ? "the node was started anew" : NULL;
    if (why == NULL) {
        const char *outranked = take_word(node, shell, hold->epoch);
        if (outranked != NULL) {
            snprintf(text, 160, "outranked %llu %llu %s", (unsigned long long)hold->seq,
                     (unsigned long long)node->epoch, outranked);
            return text;
        }
        if (hold->epoch > node->seen)
            node->seen = hold->epoch;
        why = refusal_of(hold, started_cs);
    }
    if (why == NULL)
        return NULL;
    snprintf(text, 160, "refused %llu %s", (unsigned long long)hold->seq, why);
    return text;
}

static void do_hold(struct whole_shell *shell, const struct lease_line *line)
{
    struct whole_node *node = shell->node;
    struct whole *whole = node->whole;
    struct hold hold;
    char text[160];
    if (!parse_hold(line->text + 5, &hold))
        return;
    whole->totals->lines++;
    int64_t started_cs = (whole_node_uptime_us(node) - line->takes_us) / 10000;
    const char *answer = answer_to(shell, &hold, started_cs, text);
    if (answer != NULL) {
        whole->totals->refused++;
        whole_channel_tell(shell->channel, answer);
        return;
    }
    for (int32_t v = 0; v < whole->profile.vips; v++)
        if (node->addresses[v].is_there && !is_named(whole, &hold, v)) {
            whole_check_dropped(node, v);
            drop(node, v, "as it is told");
        }
    for (uint32_t i = 0; i < hold.count; i++)
        take(node, &hold, hold.words[i], started_cs);
    tell_guardless(node, shell->channel, &hold);
    tell_held(node, shell->channel, hold.seq);
}

static void tell_clock(struct whole_node *node, struct channel *channel, const char *word)
{
    char line[96], boot[16];
    const char *guard = strcmp(word, "ready") != 0 ? "" : node->has_guard ? " nft" : " - no nft";
    boot_id(node, boot);
    snprintf(line, sizeof(line), "%s %lld %s %llu%s", word, (long long)uptime_cs(node), boot,
             (unsigned long long)node->epoch, guard);
    whole_channel_tell(channel, line);
}

/* serve cN SESSION: one shell for each controller; the last one to start stays. */
static void do_serve(struct whole_shell *shell, const char *line)
{
    struct whole_node *node = shell->node;
    char copy[64];
    char *save = NULL;
    text_copy(copy, sizeof(copy), line);
    strtok_r(copy, " ", &save);
    const char *name = strtok_r(NULL, " ", &save), *session = strtok_r(NULL, " ", &save);
    if (session == NULL || name[0] != 'c' ||
        !text_parse_int(session, 0, INT64_MAX, &shell->session))
        return;
    shell->controller = (uint32_t)(name[1] - '0');
    struct whole_shell *before = node->shells[shell->controller];
    if (before != NULL && before != shell)
        whole_channel_end(before->channel);
    node->shells[shell->controller] = shell;
    tell_clock(node, shell->channel, "ready");
}

static void on_shell(struct whole_call *call)
{
    const struct lease_line *line = call->data;
    struct whole_shell *shell = line->shell;
    struct whole_node *node = shell->node;
    bool is_ended = shell->controller != 0 && node->shells[shell->controller] != shell;
    if (is_ended && !sim_percent(&call->whole->world->random, 30))
        return; /* a newer one has ended it, mostly before it got that far */
    if (strncmp(line->text, "hold ", 5) == 0)
        do_hold(shell, line);
    else if (strncmp(line->text, "serve ", 6) == 0)
        do_serve(shell, line->text);
    else if (strcmp(line->text, "clock") == 0)
        tell_clock(node, shell->channel, "clock");
}

/* One line after the other, and of all shells only one in those that change something. */
void whole_lease_line(struct whole_shell *shell, const char *line)
{
    struct whole_node *node = shell->node;
    struct whole *whole = node->whole;
    struct sim_random *random = &whole->world->random;
    int64_t now_us = whole->world->now_us;
    size_t size = strlen(line) + 1;
    bool has_lock = strcmp(line, "clock") != 0;
    struct lease_line *kept = whole_alloc(whole, sizeof(*kept) + size);
    memcpy(kept->text, line, size);
    kept->shell = shell;
    kept->takes_us = sim_between(random, 300, 4000);
    if (sim_percent(random, 2) && !whole->is_calm)
        kept->takes_us = sim_between(random, 4000, SCRIPT_MAX_US);
    if (shell->busy_us < now_us)
        shell->busy_us = now_us;
    if (has_lock && shell->busy_us < node->lock_us)
        shell->busy_us = node->lock_us;
    shell->busy_us += kept->takes_us;
    if (has_lock)
        node->lock_us = shell->busy_us;
    whole_call_in(whole, shell->busy_us - now_us, NULL, node, on_shell, kept);
}

struct whole_shell *whole_lease_begin(struct whole_node *node, struct channel *channel)
{
    struct whole_shell *shell = whole_alloc(node->whole, sizeof(*shell));
    shell->node = node;
    shell->channel = channel;
    return shell;
}

/* ---- the order program */

struct whole_command {
    struct whole_node *node;
    struct channel *channel;
    uint32_t lines;
    uint64_t epoch, order;
    char boot[BOOT_SIZE];
    char verb[16];
    int32_t service;
    int64_t until_cs;
    int64_t argc;
};

struct whole_command *whole_command_begin(struct whole_node *node, struct channel *channel)
{
    struct whole_command *command = whole_alloc(node->whole, sizeof(*command));
    command->node = node;
    command->channel = channel;
    tell_clock(node, channel, "ready");
    return command;
}

static int32_t service_of(const char *key)
{
    return key[0] == 's' ? key[1] - '1' : 0;
}

/* EPOCH BOOT UNTIL ORDER KEY TIMEOUT ARGC */
static bool parse_command(struct whole_command *command, const char *line)
{
    char copy[CHANNEL_LINE_MAX + 1];
    char *save = NULL;
    const char *words[7];
    int64_t epoch, order;
    text_copy(copy, sizeof(copy), line);
    for (int i = 0; i < 7; i++) {
        words[i] = strtok_r(i == 0 ? copy : NULL, " ", &save);
        if (words[i] == NULL)
            return false;
    }
    if (!text_parse_int(words[0], 0, INT64_MAX, &epoch) ||
        !text_parse_int(words[2], 0, INT64_MAX, &command->until_cs) ||
        !text_parse_int(words[3], 0, INT64_MAX, &order) ||
        !text_parse_int(words[6], 0, 8, &command->argc))
        return false;
    command->epoch = (uint64_t)epoch;
    command->order = (uint64_t)order;
    text_copy(command->boot, sizeof(command->boot), words[1]);
    command->service = service_of(words[4]);
    return true;
}

static void tell_end(struct whole_command *command, const char *line)
{
    whole_channel_tell(command->channel, line);
    whole_channel_end(command->channel);
}

static void on_command_end(struct whole_call *call)
{
    struct whole_command *command = call->data;
    struct whole_node *node = command->node;
    struct whole_done *done = &node->done[command->service];
    enum whole_service_state *service = &node->services[command->service];
    int status = sim_percent(&call->whole->world->random, call->whole->is_calm ? 0 : 8) ? 1 : 0;
    char line[32];
    if (status == 0) {
        *service = strcmp(command->verb, "stop") == 0 ? WHOLE_DEAD : WHOLE_RUNS;
        whole_trace(call->whole, "%s: %s of s%d", node->name, command->verb, command->service + 1);
    }
    if (done->order == command->order)
        done->status = status;
    snprintf(line, sizeof(line), "exit %d", status);
    tell_end(command, line);
}

static void carry_out(struct whole_command *command);

static void on_lock(struct whole_call *call)
{
    carry_out(call->data);
}

/* One order at a time for each key. */
static void carry_out(struct whole_command *command)
{
    struct whole_node *node = command->node;
    struct whole *whole = node->whole;
    struct whole_done *done = &node->done[command->service];
    int64_t *busy_us = &node->busy_us[command->service];
    char text[64], boot[16];
    boot_id(node, boot);
    if (*busy_us > whole->world->now_us) {
        whole_call_in(whole, *busy_us - whole->world->now_us, NULL, node, on_lock, command);
    } else if (strcmp(command->boot, boot) != 0) {
        tell_end(command, "refused the node was started anew");
    } else if (command->epoch < node->epoch && !WHOLE_NODE_IGNORES_EPOCH) {
        snprintf(text, sizeof(text), "outranked %llu the epoch is old",
                 (unsigned long long)node->epoch);
        tell_end(command, text);
    } else if (done->order > command->order) {
        tell_end(command, "refused a newer order was carried out");
    } else if (done->order == command->order && !WHOLE_NODE_FORGETS_ORDERS) {
        snprintf(text, sizeof(text), "exit %d", done->status);
        tell_end(command, done->status < 0 ? "unknown" : text);
    } else if (uptime_cs(node) >= command->until_cs) {
        whole->totals->late++;
        tell_end(command, "late");
    } else {
        *done = (struct whole_done){command->order, -1};
        whole->totals->commands++;
        whole_check_command(node, command->service, command->order, command->verb, command->epoch);
        *busy_us = whole->world->now_us + sim_between(&whole->world->random, 1000, 400000);
        whole_call_in(whole, *busy_us - whole->world->now_us, NULL, node, on_command_end, command);
    }
}

void whole_command_line(struct whole_command *command, const char *line)
{
    if (command->lines++ == 0) {
        if (!parse_command(command, line))
            tell_end(command, "refused malformed numbers");
        return;
    }
    if (command->lines == 2)
        text_copy(command->verb, sizeof(command->verb), line);
    if (command->lines == command->argc + 1)
        carry_out(command);
}
