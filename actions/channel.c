/* Channels over SSH or a local child. Output is cut into lines here, with a limit. */
#include "actions/channel.h"

#include "orchestrator/base/buf.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/exec.h"

#include <stdlib.h>
#include <string.h>

struct channel {
    const struct channel_ops *ops;
    void *data;
    struct ssh_channel *ssh; /* one of the two */
    struct exec *exec;
    struct line {
        struct buf text;
        bool is_skipping; /* the rest of one that was too long */
    } lines[2];           /* unfinished ones: the two streams come in pieces, in any order */
    bool is_closed;       /* by its owner */
    bool is_giving;       /* inside on_line */
    bool is_freed;        /* freed while inside on_line */
};

static void channel_free(struct channel *channel)
{
    if (channel->is_giving) {
        channel->is_freed = true;
        return;
    }
    buf_close(&channel->lines[0].text);
    buf_close(&channel->lines[1].text);
    free(channel);
}

static void give_line(struct channel *channel, struct line *line)
{
    const char *text = buf_string(&line->text);
    if (!channel->is_closed)
        channel->ops->on_line(channel->data, text);
    buf_clear(&line->text);
    line->is_skipping = false;
}

static void on_output(void *data, bool is_error, const char *bytes, size_t size)
{
    struct channel *channel = data;
    struct line *line = &channel->lines[is_error];
    channel->is_giving = true;
    while (size > 0 && !channel->is_closed) {
        const char *end = memchr(bytes, '\n', size);
        size_t piece = end == NULL ? size : (size_t)(end - bytes);
        if (!line->is_skipping && buf_append(&line->text, bytes, piece) != ERR_OK)
            line->is_skipping = true;
        if (end == NULL)
            break;
        give_line(channel, line);
        bytes += piece + 1;
        size -= piece + 1;
    }
    channel->is_giving = false;
    if (channel->is_freed)
        channel_free(channel);
}

static void ended(struct channel *channel, const char *text)
{
    const struct channel_ops *ops = channel->ops;
    void *data = channel->data;
    bool is_closed = channel->is_closed;
    char copy[ERR_TEXT_SIZE];
    text_copy(copy, sizeof(copy), text);
    channel_free(channel);
    if (!is_closed)
        ops->on_end(data, copy);
}

static void on_ssh_end(void *data, int status, const char *text)
{
    char words[64];
    text_format(words, sizeof(words), "the program on the node ended with status %d", status);
    ended(data, text[0] == '\0' ? words : text);
}

static void on_exec_done(void *data, const struct exec_result *result)
{
    char words[64];
    text_format(words, sizeof(words), "the program ended with %s %d",
                result->end == EXEC_EXITED ? "status" : "signal", result->code);
    ended(data, words);
}

static void on_exec_output(void *data, const char *bytes, size_t size)
{
    on_output(data, false, bytes, size);
}

static bool open_local(struct channel *channel, struct loop *loop, const char *name,
                       const char *program)
{
    const char *const argv[] = {"/bin/sh", "-c", program, name, NULL};
    struct exec_params params = {.argv = argv,
                                 .err_max = 1024,
                                 .has_input = true,
                                 .on_output = on_exec_output,
                                 .on_done = on_exec_done,
                                 .data = channel};
    return exec_start(&channel->exec, loop, &params, NULL, NULL) == ERR_OK;
}

/* exec /bin/sh -c 'PROGRAM' NAME: constant text, quoted for the login shell of the node. */
static char *make_command(const char *name, const char *program)
{
    struct buf command;
    buf_init(&command, 64 << 10);
    buf_text(&command, "exec /bin/sh -c '");
    for (const char *s = program; *s != '\0'; s++) {
        if (*s == '\'')
            buf_text(&command, "'\\''");
        else
            buf_append(&command, s, 1);
    }
    buf_format(&command, "' %s", name);
    if (command.failed) {
        buf_close(&command);
        return NULL;
    }
    return command.data; /* plain malloc memory */
}

static bool open_ssh(struct channel *channel, struct ssh *ssh, const char *name,
                     const char *program)
{
    static const struct ssh_channel_ops ops = {on_output, on_ssh_end};
    char *command = make_command(name, program);
    if (command != NULL)
        channel->ssh = ssh_exec(ssh, command, &ops, channel);
    free(command);
    return channel->ssh != NULL;
}

struct channel *channel_open(struct loop *loop, struct ssh *ssh, const char *name,
                             const char *program, const struct channel_ops *ops, void *data)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL)
        return NULL;
    channel->ops = ops;
    channel->data = data;
    buf_init(&channel->lines[0].text, CHANNEL_LINE_MAX);
    buf_init(&channel->lines[1].text, CHANNEL_LINE_MAX);
    bool is_open = ssh == NULL ? open_local(channel, loop, name, program)
                               : open_ssh(channel, ssh, name, program);
    if (!is_open) {
        channel_free(channel);
        return NULL;
    }
    return channel;
}

bool channel_send(struct channel *channel, const char *line)
{
    char text[CHANNEL_LINE_MAX];
    if (!text_format(text, sizeof(text), "%s\n", line))
        return false;
    return channel->ssh != NULL ? ssh_write(channel->ssh, text, strlen(text))
                                : exec_write(channel->exec, text, strlen(text)) == ERR_OK;
}

void channel_close(struct channel *channel)
{
    if (channel == NULL)
        return;
    channel->is_closed = true;
    if (channel->ssh != NULL) {
        ssh_channel_close(channel->ssh); /* no callbacks any more: ours to free */
        channel_free(channel);
    } else {
        exec_cancel(channel->exec); /* on_exec_done frees */
    }
}
