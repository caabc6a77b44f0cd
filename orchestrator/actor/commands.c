/* Commands on nodes: restart, start, stop. The node remembers the last one of each service, so that
 * asking again (over a new session, or by the next leader) tells how it ended instead of doing it
 * twice. What a node says about a command is told by whoever hears it; that nothing was done, only
 * by who may act at that moment: somebody else may be doing it. */
#include "orchestrator/actor/actor.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <inttypes.h>
#include <string.h>

enum {
    UNREACHABLE_MS = 1500,
    AGAIN_MS = 200, /* until it is asked again */
    LOST_MS = 5000, /* without a way to the node after it was begun: then its end is unknown */
};

static bool is_command(const struct owed *owed)
{
    return owed->kind == EPHOR__ORDER_KIND__RESTART || owed->kind == EPHOR__ORDER_KIND__START ||
           owed->kind == EPHOR__ORDER_KIND__STOP;
}

static void end_command(struct owed *owed, Ephor__Result result, const char *text)
{
    channel_close(owed->channel);
    owed->channel = NULL;
    if (!owed->is_reported)
        outbox_outcome(owed->actor, owed, result, text);
}

/* Nothing more is said of it on this channel; it is asked again when that is possible. */
static void ask_again(struct owed *owed)
{
    channel_close(owed->channel);
    owed->channel = NULL;
    owed->again_ms = now_mono_ms() + AGAIN_MS;
    owed->lost_ms = now_mono_ms();
}

/* Nothing was done. */
static void end_undone(struct owed *owed, Ephor__Result result, const char *text)
{
    if (actor_may_act(owed->actor))
        end_command(owed, result, text);
    else
        ask_again(owed);
}

/* ready UPTIME BOOT EPOCH: answer with what is to be done. */
static void send_command(struct owed *owed, char *rest)
{
    char *save = NULL;
    char line[CHANNEL_LINE_MAX];
    const char *uptime = strtok_r(rest, " ", &save);
    const char *boot = strtok_r(NULL, " ", &save);
    int64_t uptime_cs;
    int64_t left_ms = owed->deadline_ms - now_mono_ms();
    if (boot == NULL || !text_parse_int(uptime, 0, INT64_MAX / 16, &uptime_cs)) {
        end_command(owed, EPHOR__RESULT__RESULT_FAILED, "the node does not speak the protocol");
        return;
    }
    if (!actor_may_act(owed->actor) || left_ms <= 0) { /* commands_run knows how that ends */
        ask_again(owed);
        return;
    }
    text_format(line, sizeof(line), "%" PRIu64 " %s %" PRId64 " %" PRIu64 " %s %u %zu",
                owed->actor->term, boot, uptime_cs + left_ms / 10, owed->id, owed->service,
                (owed->timeout_ms + 999) / 1000, owed->argc);
    bool fits = channel_send(owed->channel, line);
    for (size_t i = 0; i < owed->argc && fits; i++)
        fits = channel_send(owed->channel, owed->argv[i]);
    owed->is_sent = true;
    if (!fits)
        end_command(owed, EPHOR__RESULT__RESULT_FAILED, "the command is too long");
}

static void read_exit(struct owed *owed, const char *status)
{
    char text[TEXT_SIZE + 32];
    if (strcmp(status, "0") == 0) {
        end_command(owed, EPHOR__RESULT__RESULT_DONE, "");
        return;
    }
    text_format(text, sizeof(text), "exit %s%s%s%s", status,
                strcmp(status, "124") == 0 ? " (out of time)" : "",
                owed->output[0] != '\0' ? ": " : "", owed->output);
    end_command(owed, EPHOR__RESULT__RESULT_FAILED, text);
}

static void on_line(void *data, const char *line)
{
    struct owed *owed = data;
    char copy[CHANNEL_LINE_MAX + 1];
    text_copy(copy, sizeof(copy), line);
    if (text_starts_with(copy, "| "))
        text_sanitize(owed->output, sizeof(owed->output), copy + 2, strlen(copy + 2));
    else if (text_starts_with(copy, "ready ") && !owed->is_sent)
        send_command(owed, copy + 6);
    else if (text_starts_with(copy, "exit "))
        read_exit(owed, copy + 5);
    else if (strcmp(copy, "late") == 0)
        end_undone(owed, EPHOR__RESULT__RESULT_TOO_LATE, "");
    else if (strcmp(copy, "unknown") == 0)
        end_undone(owed, EPHOR__RESULT__RESULT_UNKNOWN, "it was begun and its end is not known");
    else if (text_starts_with(copy, "refused "))
        end_undone(owed, EPHOR__RESULT__RESULT_REFUSED, copy + 8);
    else if (text_starts_with(copy, "outranked "))
        ask_again(owed); /* by whoever leads */
}

static void on_end(void *data, const char *text)
{
    struct owed *owed = data;
    owed->channel = NULL;
    if (!owed->is_sent && now_mono_ms() - owed->since_ms > UNREACHABLE_MS)
        end_undone(owed, EPHOR__RESULT__RESULT_UNREACHABLE, text);
    else
        ask_again(owed);
}

void command_cancel(struct owed *owed)
{
    if (owed->channel != NULL)
        ask_again(owed);
}

static void begin_command(struct owed *owed, struct actor_node *node)
{
    static const struct channel_ops ops = {on_line, on_end};
    if (owed->argc == 0) {
        end_command(owed, EPHOR__RESULT__RESULT_REFUSED, "no command is configured");
        return;
    }
    owed->channel = channel_open(owed->actor->loop, node->ssh, "ephor-order", channel_order_program,
                                 &ops, owed);
    if (owed->channel == NULL) /* all channels are busy: tried again by the beat */
        log_debug("order", "%s: no free channel yet", owed->node);
}

/* It does not run, and cannot be begun now: is that the end of it? */
static void wait_for_node(struct owed *owed, const struct actor_node *node)
{
    int64_t now_ms = now_mono_ms();
    if (owed->is_sent && now_ms - owed->lost_ms > LOST_MS)
        end_command(owed, EPHOR__RESULT__RESULT_UNKNOWN, "the connection was lost");
    else if (!owed->is_sent && (node == NULL || now_ms - owed->since_ms > UNREACHABLE_MS))
        end_command(owed, EPHOR__RESULT__RESULT_UNREACHABLE,
                    node == NULL ? "it is not in the policy" : node->told_text);
}

void commands_run(struct actor *actor)
{
    int64_t now_ms = now_mono_ms();
    for (struct owed *owed = actor->owed; owed != NULL && actor_may_act(actor); owed = owed->next) {
        if (!is_command(owed) || owed->is_reported || owed->channel != NULL ||
            now_ms < owed->again_ms)
            continue;
        struct actor_node *node = actor_find_node(actor, owed->node);
        if (now_ms >= owed->deadline_ms)
            end_command(owed,
                        owed->is_sent ? EPHOR__RESULT__RESULT_UNKNOWN
                                      : EPHOR__RESULT__RESULT_TOO_LATE,
                        owed->is_sent ? "no answer in time" : "");
        else if (node != NULL && node->phase == NODE_OPEN)
            begin_command(owed, node);
        else
            wait_for_node(owed, node);
    }
}
