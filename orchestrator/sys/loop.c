/* The event loop over libuv. Each handle is one allocation with its libuv handle inside, freed in
 * libuv's close callback. */
#include "orchestrator/sys/loop.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <netdb.h>
#include <stdlib.h>
#include <uv.h>

enum { HEARTBEAT_MS = 100 };

struct loop {
    uv_loop_t uv;
    uv_timer_t heartbeat;
    uv_prepare_t end; /* of a turn, while somebody waits for it */
    struct turn_end *ends, **ends_tail;
    int64_t heartbeat_due_ms;
    int64_t late_max_ms;
};

struct timer {
    uv_timer_t uv;
    timer_cb *cb;
    void *data;
};

struct watch {
    uv_poll_t uv;
    watch_cb *cb;
    void *data;
    int events;
};

struct turn_end {
    struct loop *loop;
    struct turn_end *next;
    turn_end_cb *cb;
    void *data;
    bool is_waiting;
};

struct signal_handle {
    uv_signal_t uv;
    signal_cb *cb;
    void *data;
};

static void on_heartbeat(uv_timer_t *uv)
{
    struct loop *loop = uv->data;
    int64_t now_ms = now_mono_ms();
    int64_t late_ms = now_ms - loop->heartbeat_due_ms;
    if (late_ms > loop->late_max_ms)
        loop->late_max_ms = late_ms;
    loop->heartbeat_due_ms = now_ms + HEARTBEAT_MS;
}

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL || uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    uv_timer_init(&loop->uv, &loop->heartbeat);
    loop->heartbeat.data = loop;
    loop->heartbeat_due_ms = now_mono_ms() + HEARTBEAT_MS;
    uv_timer_start(&loop->heartbeat, on_heartbeat, HEARTBEAT_MS, HEARTBEAT_MS);
    uv_unref((uv_handle_t *)&loop->heartbeat);
    uv_prepare_init(&loop->uv, &loop->end);
    loop->end.data = loop;
    loop->ends_tail = &loop->ends;
    return loop;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

static void on_closed_free(uv_handle_t *uv)
{
    free(uv->data);
}

static void close_left(uv_handle_t *uv, void *arg)
{
    struct loop *loop = arg;
    if (uv_is_closing(uv))
        return;
    bool is_own = uv == (uv_handle_t *)&loop->heartbeat || uv == (uv_handle_t *)&loop->end;
    uv_close(uv, is_own ? NULL : on_closed_free);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    uv_walk(&loop->uv, close_left, loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop->uv) != 0)
        NEVER("a loop is closed while work is under way");
    free(loop);
}

int64_t loop_late_max_ms(struct loop *loop)
{
    int64_t late_ms = loop->late_max_ms;
    loop->late_max_ms = 0;
    return late_ms;
}

static void on_timer(uv_timer_t *uv)
{
    struct timer *timer = uv->data;
    timer->cb(timer->data);
}

struct timer *timer_new(struct loop *loop, timer_cb *cb, void *data)
{
    struct timer *timer = calloc(1, sizeof(*timer));
    if (timer == NULL)
        return NULL;
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    timer->cb = cb;
    timer->data = data;
    return timer;
}

void timer_start(struct timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    uv_update_time(timer->uv.loop);
    uv_timer_start(&timer->uv, on_timer, delay_ms < 0 ? 0 : (uint64_t)delay_ms,
                   (uint64_t)repeat_ms);
}

void timer_stop(struct timer *timer)
{
    uv_timer_stop(&timer->uv);
}

void timer_free(struct timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->uv, on_closed_free);
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct watch *watch = uv->data;
    int ready = status < 0 ? WATCH_READ | WATCH_WRITE : 0; /* let read or write tell the error */
    if (status < 0)
        watch->events = WATCH_NONE; /* libuv has stopped it */
    if (events & (UV_READABLE | UV_DISCONNECT))
        ready |= WATCH_READ;
    if (events & UV_WRITABLE)
        ready |= WATCH_WRITE;
    watch->cb(watch->data, ready);
}

struct watch *watch_new(struct loop *loop, int fd, watch_cb *cb, void *data)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return NULL;
    if (uv_poll_init(&loop->uv, &watch->uv, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->uv.data = watch;
    watch->cb = cb;
    watch->data = data;
    return watch;
}

void watch_set(struct watch *watch, int events)
{
    if (events == watch->events)
        return; /* libuv would tell the kernel all the same, twice */
    watch->events = events;
    if (events == WATCH_NONE) {
        uv_poll_stop(&watch->uv);
        return;
    }
    uv_poll_start(&watch->uv,
                  (events & WATCH_READ ? UV_READABLE : 0) |
                      (events & WATCH_WRITE ? UV_WRITABLE : 0),
                  on_poll);
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    uv_poll_stop(&watch->uv);
    uv_close((uv_handle_t *)&watch->uv, on_closed_free);
}

static void drop_end(struct loop *loop, struct turn_end **at)
{
    struct turn_end *end = *at;
    *at = end->next;
    if (loop->ends_tail == &end->next)
        loop->ends_tail = at;
    end->is_waiting = false;
}

static void on_turn_end(uv_prepare_t *uv)
{
    struct loop *loop = uv->data;
    while (loop->ends != NULL) {
        struct turn_end *end = loop->ends;
        drop_end(loop, &loop->ends);
        end->cb(end->data);
    }
    uv_prepare_stop(uv);
}

struct turn_end *turn_end_new(struct loop *loop, turn_end_cb *cb, void *data)
{
    struct turn_end *end = calloc(1, sizeof(*end));
    if (end == NULL)
        return NULL;
    end->loop = loop;
    end->cb = cb;
    end->data = data;
    return end;
}

void turn_end_start(struct turn_end *end)
{
    if (end->is_waiting)
        return;
    end->is_waiting = true;
    end->next = NULL;
    *end->loop->ends_tail = end;
    end->loop->ends_tail = &end->next;
    uv_prepare_start(&end->loop->end, on_turn_end);
}

void turn_end_free(struct turn_end *end)
{
    if (end == NULL)
        return;
    struct turn_end **at = &end->loop->ends;
    while (end->is_waiting && *at != end)
        at = &(*at)->next;
    if (end->is_waiting)
        drop_end(end->loop, at);
    free(end);
}

static void on_signal(uv_signal_t *uv, int signo)
{
    struct signal_handle *handle = uv->data;
    handle->cb(handle->data, signo);
}

int loop_on_signal(struct loop *loop, int signo, signal_cb *cb, void *data)
{
    struct signal_handle *handle = calloc(1, sizeof(*handle));
    if (handle == NULL)
        return ERR_NOMEM;
    uv_signal_init(&loop->uv, &handle->uv);
    handle->uv.data = handle;
    handle->cb = cb;
    handle->data = data;
    int err = uv_signal_start(&handle->uv, on_signal, signo);
    uv_unref((uv_handle_t *)&handle->uv);
    return err == 0 ? ERR_OK : ERR_IO;
}

struct work {
    uv_work_t uv;
    work_fn *work;
    work_fn *done;
    void *data;
};

static void on_work(uv_work_t *uv)
{
    struct work *work = uv->data;
    work->work(work->data);
}

static void on_work_done(uv_work_t *uv, int status)
{
    struct work *work = uv->data;
    PRE(status == 0);
    work->done(work->data);
    free(work);
}

int loop_work(struct loop *loop, work_fn *work_fn_, work_fn *done, void *data)
{
    struct work *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return ERR_NOMEM;
    work->uv.data = work;
    work->work = work_fn_;
    work->done = done;
    work->data = data;
    if (uv_queue_work(&loop->uv, &work->uv, on_work, on_work_done) != 0) {
        free(work);
        return ERR_NOMEM;
    }
    return ERR_OK;
}

struct resolve {
    uv_getaddrinfo_t uv;
    resolve_cb *cb;
    void *data;
};

static void on_resolved(uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
    struct resolve *resolve = uv->data;
    if (status != 0 || list == NULL)
        resolve->cb(resolve->data, ERR_NOT_FOUND, NULL, 0);
    else
        resolve->cb(resolve->data, ERR_OK, list->ai_addr, list->ai_addrlen);
    if (list != NULL)
        uv_freeaddrinfo(list);
    free(resolve);
}

int loop_resolve(struct loop *loop, const char *host, uint16_t port, resolve_cb *cb, void *data)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char service[8];
    struct resolve *resolve = calloc(1, sizeof(*resolve));
    if (resolve == NULL)
        return ERR_NOMEM;
    text_format(service, sizeof(service), "%u", (unsigned)port);
    resolve->uv.data = resolve;
    resolve->cb = cb;
    resolve->data = data;
    if (uv_getaddrinfo(&loop->uv, &resolve->uv, on_resolved, host, service, &hints) != 0) {
        free(resolve);
        return ERR_INVALID;
    }
    return ERR_OK;
}
