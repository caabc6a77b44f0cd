/* A link: typed messages over a stream socket pair between two processes of one ephord. Frames are
 * a 32-bit little-endian size and one protobuf Message; a file descriptor may travel with it.
 * Sending never blocks: what the socket does not take is queued up to LINK_QUEUE_MAX bytes, and a
 * peer that lets the queue overflow is cut off, as one that sends garbage is. */
#ifndef SYS_LINK_H
#define SYS_LINK_H

#include "orchestrator/proto/ephor.pb-c.h"
#include "orchestrator/sys/loop.h"

enum {
    LINK_FRAME_MAX = 64 << 20, /* a policy of 50,000 services with room */
    LINK_QUEUE_MAX = 128 << 20,
};

struct link;

struct link_ops {
    /* m is borrowed; fd is -1 or taken by the callee. */
    void (*on_message)(void *data, const Ephor__Message *m, int fd);
    /* The peer is gone (reason borrowed). Runs once; the link still has to be freed. */
    void (*on_close)(void *data, const char *reason);
};

/* fd is taken, also on failure. ops is borrowed for the link's life. NULL: out of memory. */
struct link *link_new(struct loop *loop, int fd, const struct link_ops *ops, void *data);
void link_free(struct link *link); /* NULL is fine; allowed inside the callbacks */

/* Queue m (copied) with fd (duplicated; -1 = none). A closed link swallows it: the loss is told by
 * on_close. */
void link_send(struct link *link, const Ephor__Message *m, int fd);

/* Write out what is queued, blocking at most timeout_ms; for the last words of a process. */
void link_flush(struct link *link, int64_t timeout_ms);

#endif
