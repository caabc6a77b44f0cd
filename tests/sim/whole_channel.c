/* Sessions with nodes, and the programs that run over them. A session is a TCP connection: bytes go
 * in order, wait in its queues while the path is cut, and arrive late rather than never, also after
 * the one who sent them has closed or died. Only after a long cut, or when the node was booted
 * anew, is it broken. */
#include "actions/channel.h"

#include "tests/sim/whole.h"
#include "tests/sim/whole_check.h"

#include <stdlib.h>
#include <string.h>

enum {
    AGAIN_MIN_US = 200000, /* retransmission */
    AGAIN_MAX_US = 3000000,
    PATIENCE_US = 15000000,
    CHANNELS_MAX = 32, /* of one session, closed ones included */
};

const char channel_lease_program[] = "lease";
const char channel_order_program[] = "order";

enum item_kind { ITEM_BEGIN, ITEM_LINE, ITEM_END };

struct item {
    struct item *next;
    enum item_kind kind;
    int64_t due_us;
    char text[];
};

struct pipe { /* one way of a channel */
    struct channel *channel;
    bool is_up; /* to the node */
    struct item *first, *last;
    bool is_moving;
    int64_t again_us, blocked_us; /* since when; 0: it is not */
};

struct ssh {
    struct process *process;
    struct whole_node *node;
    uint32_t node_life;
    const struct ssh_ops *ops;
    void *data;
    int64_t timeout_ms;
    bool is_open; /* the actor has it */
    bool is_ready, is_broken;
    struct channel *channels[CHANNELS_MAX];
    uint32_t channel_count;
};

struct channel {
    struct ssh *ssh;
    bool is_lease;
    const struct channel_ops *ops;
    void *data;
    bool is_open;  /* the actor has it */
    bool is_alive; /* its program runs */
    struct whole_command *command;
    struct whole_shell *shell;
    struct pipe up, down;
};

static struct whole *whole_of(const struct ssh *ssh)
{
    return ssh->process->whole;
}

static bool is_cut(const struct ssh *ssh, bool is_up)
{
    const struct whole *whole = whole_of(ssh);
    uint32_t id = ssh->process->controller->id;
    return is_up ? whole->cut_to[id][ssh->node->index] : whole->cut_from[id][ssh->node->index];
}

static int64_t path_us(const struct ssh *ssh)
{
    struct whole *whole = whole_of(ssh);
    int64_t us = whole->profile.path_us + sim_between(&whole->world->random, 0, 500);
    if (sim_percent(&whole->world->random, 3) && !whole->is_calm)
        us += sim_between(&whole->world->random, 0, 400000);
    return us;
}

/* ---- the end of a session */

static void end_channel(struct channel *channel, const char *text)
{
    if (!channel->is_open)
        return;
    channel->is_open = false;
    channel->ops->on_end(channel->data, text);
}

static void on_broken(struct whole_call *call)
{
    struct ssh *ssh = call->data;
    for (uint32_t i = 0; i < ssh->channel_count && ssh->is_open; i++)
        end_channel(ssh->channels[i], "the connection was lost");
    if (!ssh->is_open)
        return;
    ssh->is_open = false;
    ssh->ops->on_close(ssh->data, ERR_IO, "the connection was lost");
}

static void break_session(struct ssh *ssh)
{
    if (ssh->is_broken)
        return;
    ssh->is_broken = true;
    for (uint32_t i = 0; i < ssh->channel_count; i++)
        ssh->channels[i]->is_alive = false;
    whole_call_in(whole_of(ssh), 0, ssh->process, NULL, on_broken, ssh);
}

/* ---- pipes */

static void on_move(struct whole_call *call);

static void move_in(struct pipe *pipe, int64_t delay_us)
{
    struct ssh *ssh = pipe->channel->ssh;
    pipe->is_moving = true;
    whole_call_in(whole_of(ssh), delay_us, pipe->is_up ? NULL : ssh->process, NULL, on_move, pipe);
}

static void put(struct pipe *pipe, enum item_kind kind, const char *text)
{
    struct whole *whole = whole_of(pipe->channel->ssh);
    size_t size = strlen(text) + 1;
    struct item *item = whole_alloc(whole, sizeof(*item) + size);
    memcpy(item->text, text, size);
    item->kind = kind;
    item->due_us = whole->world->now_us + path_us(pipe->channel->ssh);
    if (pipe->first == NULL)
        pipe->first = item;
    else
        pipe->last->next = item;
    pipe->last = item;
    if (!pipe->is_moving)
        move_in(pipe, item->due_us - whole->world->now_us);
}

static void take_up(struct channel *channel, const struct item *item)
{
    struct whole_node *node = channel->ssh->node;
    if (item->kind == ITEM_BEGIN) {
        channel->is_alive = true;
        if (channel->is_lease)
            channel->shell = whole_lease_begin(node, channel);
        else
            channel->command = whole_command_begin(node, channel);
    } else if (!channel->is_alive) {
        return;
    } else if (item->kind == ITEM_END) {
        channel->is_alive = false;
    } else if (channel->is_lease) {
        whole_lease_line(channel->shell, item->text);
    } else {
        whole_command_line(channel->command, item->text);
    }
}

static void take_down(struct channel *channel, const struct item *item)
{
    if (!channel->is_open)
        return;
    if (item->kind == ITEM_END)
        end_channel(channel, "its program ended");
    else
        channel->ops->on_line(channel->data, item->text);
}

/* TCP sends again, each time later. True: it is of no use any more. */
static bool wait_for_path(struct pipe *pipe)
{
    struct ssh *ssh = pipe->channel->ssh;
    struct whole *whole = whole_of(ssh);
    if (pipe->blocked_us == 0) {
        pipe->blocked_us = whole->world->now_us;
        pipe->again_us = AGAIN_MIN_US;
    }
    if (whole->world->now_us - pipe->blocked_us > PATIENCE_US) {
        pipe->first = NULL;
        break_session(ssh);
        return true;
    }
    move_in(pipe, sim_between(&whole->world->random, pipe->again_us / 2, pipe->again_us));
    pipe->again_us = pipe->again_us * 2 > AGAIN_MAX_US ? AGAIN_MAX_US : pipe->again_us * 2;
    return false;
}

static void on_move(struct whole_call *call)
{
    struct pipe *pipe = call->data;
    struct ssh *ssh = pipe->channel->ssh;
    struct whole_node *node = ssh->node;
    struct whole *whole = call->whole;
    pipe->is_moving = false;
    if (ssh->is_broken)
        return;
    bool is_away = pipe->is_up && (node->is_down || node->is_paused);
    if (is_cut(ssh, pipe->is_up) || is_away) {
        wait_for_path(pipe);
        return;
    }
    if (pipe->is_up && node->life != ssh->node_life) { /* it knows of no such connection */
        pipe->first = NULL;
        if (!is_cut(ssh, false))
            break_session(ssh);
        return;
    }
    pipe->blocked_us = 0;
    while (pipe->first != NULL && pipe->first->due_us <= whole->world->now_us && !ssh->is_broken) {
        struct item *item = pipe->first;
        pipe->first = item->next;
        if (pipe->is_up)
            take_up(pipe->channel, item);
        else
            take_down(pipe->channel, item);
    }
    if (pipe->first != NULL && !pipe->is_moving)
        move_in(pipe, pipe->first->due_us - whole->world->now_us);
}

/* ---- the interface of the actor */

static void on_connect(struct whole_call *call)
{
    struct ssh *ssh = call->data;
    struct whole_node *node = ssh->node;
    if (!ssh->is_open)
        return;
    if (is_cut(ssh, true) || is_cut(ssh, false) || node->is_down || node->is_paused) {
        ssh->is_open = false;
        ssh->ops->on_close(ssh->data, ERR_TIMEOUT, "no connection in time");
        return;
    }
    ssh->is_ready = true;
    ssh->node_life = node->life;
    ssh->ops->on_ready(ssh->data);
}

struct ssh *ssh_connect(struct loop *loop, const struct ssh_params *params,
                        const struct ssh_ops *ops, void *data)
{
    struct process *process = (struct process *)loop;
    struct ssh *ssh = whole_alloc(process->whole, sizeof(*ssh));
    ssh->process = process;
    ssh->node = whole_node_of(process->whole, params->node);
    ssh->ops = ops;
    ssh->data = data;
    ssh->is_open = true;
    bool answers =
        !is_cut(ssh, true) && !is_cut(ssh, false) && !ssh->node->is_down && !ssh->node->is_paused;
    int64_t delay_us = answers ? 8 * path_us(ssh) : params->timeout_ms * 1000;
    whole_call_in(process->whole, delay_us, process, NULL, on_connect, ssh);
    return ssh;
}

void channel_close(struct channel *channel)
{
    if (channel == NULL)
        return;
    channel->is_open = false;
    put(&channel->up, ITEM_END, "");
}

void ssh_free(struct ssh *ssh)
{
    if (ssh == NULL)
        return;
    for (uint32_t i = 0; i < ssh->channel_count; i++)
        if (ssh->channels[i]->is_open)
            channel_close(ssh->channels[i]);
    ssh->is_open = false;
}

struct channel *channel_open(struct loop *loop, struct ssh *ssh, const char *name,
                             const char *program, const struct channel_ops *ops, void *data)
{
    (void)loop;
    (void)name;
    if (ssh == NULL || !ssh->is_ready || !ssh->is_open || ssh->channel_count == CHANNELS_MAX)
        return NULL;
    struct channel *channel = whole_alloc(whole_of(ssh), sizeof(*channel));
    channel->ssh = ssh;
    channel->is_lease = program == channel_lease_program;
    channel->ops = ops;
    channel->data = data;
    channel->is_open = true;
    channel->up = (struct pipe){.channel = channel, .is_up = true};
    channel->down = (struct pipe){.channel = channel};
    ssh->channels[ssh->channel_count++] = channel;
    put(&channel->up, ITEM_BEGIN, "");
    return channel;
}

bool channel_send(struct channel *channel, const char *line)
{
    struct process *process = channel->ssh->process;
    if (process->is_dark)
        return true;
    whole_trace(process->whole, "%u > %s %s", process->controller->id, channel->ssh->node->name,
                line);
    whole_check_composed(process->controller, channel->ssh->node, channel->is_lease, line);
    put(&channel->up, ITEM_LINE, line);
    return true;
}

/* ---- the interface of the node */

bool whole_channel_is_alive(const struct channel *channel)
{
    return channel->is_alive && !channel->ssh->is_broken;
}

void whole_channel_tell(struct channel *channel, const char *line)
{
    whole_trace(whole_of(channel->ssh), "%s > %u %s", channel->ssh->node->name,
                channel->ssh->process->controller->id, line);
    if (!channel->ssh->is_broken)
        put(&channel->down, ITEM_LINE, line);
}

void whole_channel_end(struct channel *channel)
{
    channel->is_alive = false;
    if (!channel->ssh->is_broken)
        put(&channel->down, ITEM_END, "");
}

struct whole_controller *whole_channel_controller(const struct channel *channel)
{
    return channel->ssh->process->controller;
}
