/* A channel: one of Ephor's constant shell programs running on a node, talked to by lines. Over an
 * SSH session, or as a child process when the node is this machine. Values never become part of
 * the program; they travel as lines. */
#ifndef ACTIONS_CHANNEL_H
#define ACTIONS_CHANNEL_H

#include "orchestrator/sys/loop.h"
#include "orchestrator/sys/ssh.h"

#include <stdbool.h>

enum { CHANNEL_LINE_MAX = 4096 };

struct channel;

struct channel_ops {
    /* A whole line of its output or, over SSH, of its standard error; without its \n, cut when it
     * is longer. */
    void (*on_line)(void *data, const char *line);
    /* The program ended, or the way to it was lost. Runs once; the channel is gone afterwards. */
    void (*on_end)(void *data, const char *text);
};

/* name marks the program in the node's process list. ssh NULL: on this machine. NULL result: the
 * session is not ready, or out of memory. ops is borrowed for life. */
struct channel *channel_open(struct loop *loop, struct ssh *ssh, const char *name,
                             const char *program, const struct channel_ops *ops, void *data);

/* Send a line (without \n). False: too much is waiting. */
bool channel_send(struct channel *channel, const char *line);

/* Close it; no callbacks any more. NULL is fine. */
void channel_close(struct channel *channel);

/* The programs, from actions/scripts/. */
extern const char channel_lease_program[];
extern const char channel_order_program[];

#endif
