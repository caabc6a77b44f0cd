/* Framed protobuf messages with passed descriptors. A frame that carries a descriptor is sent by a
 * sendmsg of its own beginning, so that the descriptor arrives with the frame's first bytes; the
 * receiver keeps descriptors in arrival order and hands them to the frames flagged to have one
 * (highest bit of the size). */
#include "orchestrator/sys/link.h"

#include "orchestrator/base/buf.h"
#include "orchestrator/base/contract.h"
#include "orchestrator/sys/now.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_SIZE = 4, FDS_MAX = 16, READ_SIZE = 65536 };
static const uint32_t HAS_FD = UINT32_C(1) << 31;

struct fd_mark { /* a descriptor that goes out with byte number `offset` of the stream */
    uint64_t offset;
    int fd;
};

struct link {
    int fd;
    struct watch *watch;
    const struct link_ops *ops;
    void *data;
    struct buf in, out;
    size_t out_sent;   /* bytes of `out` that are written already */
    uint64_t out_base; /* stream number of out.data[0] */
    struct fd_mark marks[FDS_MAX];
    int mark_count;
    int fds[FDS_MAX]; /* received, not yet handed on */
    int fd_count;
    bool is_closed;
    bool is_dispatching;
    bool free_wanted;
};

static void link_destroy(struct link *link)
{
    watch_free(link->watch);
    if (link->fd >= 0)
        close(link->fd);
    for (int i = 0; i < link->fd_count; i++)
        close(link->fds[i]);
    for (int i = 0; i < link->mark_count; i++)
        close(link->marks[i].fd);
    buf_close(&link->in);
    buf_close(&link->out);
    free(link);
}

/* Tell the owner once. The owner may free the link inside. */
static void link_closed(struct link *link, const char *reason)
{
    if (link->is_closed)
        return;
    link->is_closed = true;
    watch_set(link->watch, WATCH_NONE);
    bool was_dispatching = link->is_dispatching;
    link->is_dispatching = true;
    link->ops->on_close(link->data, reason);
    link->is_dispatching = was_dispatching;
    if (link->free_wanted && !was_dispatching)
        link_destroy(link);
}

static uint32_t frame_header(const struct link *link)
{
    const unsigned char *p = (const unsigned char *)link->in.data;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int take_fd(struct link *link)
{
    if (link->fd_count == 0)
        return -1;
    int fd = link->fds[0];
    link->fd_count--;
    memmove(link->fds, link->fds + 1, (size_t)link->fd_count * sizeof(int));
    return fd;
}

/* Hand on every whole frame. Returns an error text or NULL. */
static const char *dispatch_frames(struct link *link)
{
    size_t used = 0;
    const char *err = NULL;
    while (!link->free_wanted && !link->is_closed && link->in.size - used >= HEADER_SIZE) {
        struct buf rest = {.data = link->in.data + used};
        struct link view = {.in = rest};
        uint32_t header = frame_header(&view);
        size_t size = header & ~HAS_FD;
        if (size > LINK_FRAME_MAX) {
            err = "frame too large";
            break;
        }
        if (link->in.size - used < HEADER_SIZE + size)
            break;
        Ephor__Message *m =
            ephor__message__unpack(NULL, size, (const uint8_t *)link->in.data + used + HEADER_SIZE);
        if (m == NULL) {
            err = "not a message";
            break;
        }
        used += HEADER_SIZE + size;
        link->ops->on_message(link->data, m, header & HAS_FD ? take_fd(link) : -1);
        ephor__message__free_unpacked(m, NULL);
    }
    buf_consume(&link->in, used);
    return err;
}

static void keep_fds(struct link *link, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (link->fd_count < FDS_MAX)
                link->fds[link->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

/* One recvmsg. Returns bytes, 0 at the end, -1 for "nothing now", -2 on failure. */
static ssize_t read_some(struct link *link)
{
    char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
    char *room = buf_reserve(&link->in, READ_SIZE);
    if (room == NULL)
        return -2;
    struct iovec iov = {.iov_base = room, .iov_len = READ_SIZE};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(link->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : -2;
    keep_fds(link, &msg);
    buf_commit(&link->in, (size_t)n);
    return n;
}

/* The descriptor mark that starts exactly at the next byte to send, or NULL; *limit becomes how
 * many bytes may go before the next mark. */
static struct fd_mark *next_mark(struct link *link, size_t *limit)
{
    if (link->mark_count == 0)
        return NULL;
    uint64_t at = link->out_base + link->out_sent;
    struct fd_mark *first = &link->marks[0];
    if (first->offset == at) {
        if (link->mark_count > 1 && link->marks[1].offset - at < *limit)
            *limit = (size_t)(link->marks[1].offset - at);
        return first;
    }
    if (first->offset - at < *limit)
        *limit = (size_t)(first->offset - at);
    return NULL;
}

/* Write until the socket is full. False on a broken socket. */
static bool write_some(struct link *link)
{
    while (link->out_sent < link->out.size) {
        size_t size = link->out.size - link->out_sent;
        struct fd_mark *mark = next_mark(link, &size);
        struct iovec iov = {.iov_base = link->out.data + link->out_sent, .iov_len = size};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        if (mark != NULL) {
            memset(&control, 0, sizeof(control));
            msg.msg_control = control.bytes;
            msg.msg_controllen = sizeof(control.bytes);
            struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(c), &mark->fd, sizeof(int));
        }
        ssize_t n = sendmsg(link->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        link->out_sent += (size_t)n;
        if (mark != NULL) {
            close(mark->fd);
            link->mark_count--;
            memmove(link->marks, link->marks + 1,
                    (size_t)link->mark_count * sizeof(link->marks[0]));
        }
    }
    link->out_base += link->out_sent;
    buf_clear(&link->out);
    link->out_sent = 0;
    return true;
}

static void on_ready(void *data, int events)
{
    struct link *link = data;
    const char *reason = NULL;
    link->is_dispatching = true;
    if (events & WATCH_READ) {
        ssize_t n = read_some(link);
        reason = dispatch_frames(link);
        if (reason == NULL && n == 0)
            reason = "the other side closed the link";
        else if (reason == NULL && n == -2)
            reason = strerror(errno);
    }
    if (reason == NULL && !link->is_closed && (events & WATCH_WRITE) && !write_some(link))
        reason = strerror(errno);
    link->is_dispatching = false;
    if (link->free_wanted)
        link_destroy(link);
    else if (reason != NULL)
        link_closed(link, reason);
    else if (!link->is_closed)
        watch_set(link->watch, link->out.size > 0 ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

struct link *link_new(struct loop *loop, int fd, const struct link_ops *ops, void *data)
{
    struct link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        goto fail;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    link->watch = watch_new(loop, fd, on_ready, link);
    if (link->watch == NULL)
        goto fail;
    link->fd = fd;
    link->ops = ops;
    link->data = data;
    buf_init(&link->in, (size_t)LINK_FRAME_MAX + HEADER_SIZE + READ_SIZE);
    buf_init(&link->out, LINK_QUEUE_MAX);
    watch_set(link->watch, WATCH_READ);
    return link;

fail:
    free(link);
    close(fd);
    return NULL;
}

void link_free(struct link *link)
{
    if (link == NULL)
        return;
    if (link->is_dispatching) {
        link->free_wanted = true;
        link->is_closed = true;
        return;
    }
    link_destroy(link);
}

void link_send(struct link *link, const Ephor__Message *m, int fd)
{
    if (link == NULL || link->is_closed)
        return;
    size_t size = ephor__message__get_packed_size(m);
    PRE(size <= LINK_FRAME_MAX);
    PRE(fd < 0 || link->mark_count < FDS_MAX);
    uint64_t offset = link->out_base + link->out.size;
    char *room = buf_reserve(&link->out, HEADER_SIZE + size);
    if (room == NULL) { /* the peer does not read: the watch will tell, it is cut off */
        shutdown(link->fd, SHUT_RDWR);
        return;
    }
    uint32_t header = (uint32_t)size | (fd >= 0 ? HAS_FD : 0);
    for (int i = 0; i < HEADER_SIZE; i++)
        room[i] = (char)(header >> (8 * i) & 0xff);
    ephor__message__pack(m, (uint8_t *)room + HEADER_SIZE);
    buf_commit(&link->out, HEADER_SIZE + size);
    if (fd >= 0) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        PRE(copy >= 0);
        link->marks[link->mark_count++] = (struct fd_mark){.offset = offset, .fd = copy};
    }
    if (!write_some(link))
        shutdown(link->fd, SHUT_RDWR);
    watch_set(link->watch, link->out.size > 0 ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

void link_flush(struct link *link, int64_t timeout_ms)
{
    int64_t end_ms = now_mono_ms() + timeout_ms;
    while (link != NULL && !link->is_closed && link->out.size > 0 && write_some(link)) {
        int64_t left_ms = end_ms - now_mono_ms();
        struct pollfd p = {.fd = link->fd, .events = POLLOUT};
        if (link->out.size == 0 || left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0)
            break;
    }
}
