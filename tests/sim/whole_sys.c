/* What is below the product's processes: clocks, timers, links, the life of a process, the log. */
#include "orchestrator/base/log.h"
#include "orchestrator/quorum/freeze.h"
#include "orchestrator/sys/now.h"
#include "tests/sim/whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 << 10 };
static const int64_t wall_ms = 1600000000000; /* of the first moment of every seed */

static struct process *current; /* who runs: now_mono_ms() has no other way to know */
static jmp_buf began;           /* out of process_run */

/* ---- memory of a seed */

struct whole_chunk {
    struct whole_chunk *next;
    size_t used, size;
    _Alignas(16) uint8_t bytes[];
};

static struct whole_chunk *chunk_for(struct whole *whole, size_t size)
{
    struct whole_chunk *chunk = whole->spare;
    if (chunk != NULL && size <= chunk->size) {
        whole->spare = chunk->next;
    } else {
        size_t most = size > CHUNK ? size : CHUNK;
        chunk = sim_need(malloc(sizeof(*chunk) + most));
        chunk->size = most;
    }
    chunk->used = 0;
    chunk->next = whole->arena;
    whole->arena = chunk;
    return chunk;
}

void *whole_alloc(struct whole *whole, size_t size)
{
    struct whole_chunk *chunk = whole->arena;
    size = (size + 15) & ~(size_t)15;
    if (chunk == NULL || chunk->used + size > chunk->size)
        chunk = chunk_for(whole, size);
    void *bytes = chunk->bytes + chunk->used;
    chunk->used += size;
    memset(bytes, 0, size);
    return bytes;
}

void whole_clear_arena(struct whole *whole)
{
    while (whole->arena != NULL) {
        struct whole_chunk *chunk = whole->arena;
        whole->arena = chunk->next;
        chunk->next = whole->spare;
        whole->spare = chunk;
    }
}

/* ---- calls */

static struct whole_call *call_new(struct whole *whole, struct process *process,
                                   struct whole_node *node, void (*run)(struct whole_call *call),
                                   void *data, size_t size)
{
    struct whole_call *call = whole_alloc(whole, sizeof(*call) + size);
    call->run = run;
    call->whole = whole;
    call->process = process;
    call->node = node;
    call->life = process != NULL ? process->life : node != NULL ? node->life : 0;
    call->data = data;
    call->size = size;
    return call;
}

static void push(struct whole *whole, int64_t delay_us, struct whole_call *call)
{
    struct sim_event event = {.at_us = whole->world->now_us + (delay_us > 0 ? delay_us : 0),
                              .type = SIM_ABOVE,
                              .above = call};
    sim_queue_push(&whole->world->queue, event);
}

struct whole_call *whole_call_in(struct whole *whole, int64_t delay_us, struct process *process,
                                 struct whole_node *node, void (*run)(struct whole_call *call),
                                 void *data)
{
    struct whole_call *call = call_new(whole, process, node, run, data, 0);
    push(whole, delay_us, call);
    return call;
}

struct whole_call *whole_send_in(struct whole *whole, int64_t delay_us, struct process *process,
                                 void (*run)(struct whole_call *call), void *data,
                                 const void *bytes, size_t size)
{
    struct whole_call *call = call_new(whole, process, NULL, run, data, size);
    memcpy(call->bytes, bytes, size);
    push(whole, delay_us, call);
    return call;
}

static void keep(struct whole_wait *wait, struct whole_call *call)
{
    call->next = NULL;
    if (wait->first == NULL)
        wait->first = call;
    else
        wait->last->next = call;
    wait->last = call;
}

void whole_wake(struct whole *whole, struct whole_wait *wait)
{
    for (struct whole_call *call = wait->first; call != NULL; call = call->next)
        push(whole, 0, call);
    wait->first = NULL;
}

void whole_on_event(void *data, void *event)
{
    struct whole *whole = data;
    struct whole_call *call = event;
    struct process *process = call->process;
    struct whole_node *node = call->node;
    if (call->run == NULL)
        return;
    if (process != NULL && (!process->is_up || process->life != call->life))
        return;
    if (node != NULL && (node->is_down || node->life != call->life))
        return;
    if (process != NULL && process->is_stopped) {
        keep(&process->wait, call);
        return;
    }
    if (node != NULL && node->is_paused) {
        keep(&node->wait, call);
        return;
    }
    current = process;
    call->run(call);
    current = NULL;
    (void)whole;
}

struct process *whole_enter(struct process *process)
{
    struct process *before = current;
    current = process;
    return before;
}

/* ---- clocks */

int64_t whole_local_ms(const struct whole_controller *controller)
{
    return sim_local_ms(controller->whole->world, controller->server);
}

int64_t now_mono_ms(void)
{
    return whole_local_ms(current->controller);
}

int64_t now_mono_us(void)
{
    return now_mono_ms() * 1000;
}

int64_t now_wall_ms(void)
{
    return wall_ms + current->whole->world->now_us / 1000;
}

int64_t now_suspended_ms(void)
{
    return 0;
}

/* ---- timers */

struct loop { /* a process is its own loop */
    struct process process;
};

struct timer {
    struct timer *next; /* of the same process */
    struct process *process;
    timer_cb *cb;
    void *data;
    struct whole_call *call; /* NULL: not started */
    int64_t due_ms, repeat_ms;
};

struct timer *timer_new(struct loop *loop, timer_cb *cb, void *data)
{
    struct process *process = &loop->process;
    struct timer *timer = whole_alloc(process->whole, sizeof(*timer));
    timer->process = process;
    timer->cb = cb;
    timer->data = data;
    timer->next = process->timers;
    process->timers = timer;
    return timer;
}

static void on_timer(struct whole_call *call)
{
    struct timer *timer = call->data;
    timer->call = NULL;
    if (timer->repeat_ms > 0)
        timer_start(timer, timer->repeat_ms, timer->repeat_ms);
    timer->cb(timer->data);
}

/* When that clock shows local_ms, from now; a little later, as timers are. */
static int64_t until_us(const struct whole_controller *c, int64_t local_ms)
{
    const struct sim_server *server = c->server;
    int64_t rate = 1000000 + server->ppm;
    int64_t at_us = ((local_ms - server->offset_ms) * 1000000000 + rate - 1) / rate;
    return at_us - c->whole->world->now_us;
}

void timer_start(struct timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    struct process *process = timer->process;
    struct whole *whole = process->whole;
    timer_stop(timer);
    timer->repeat_ms = repeat_ms;
    timer->due_ms = whole_local_ms(process->controller) + (delay_ms > 0 ? delay_ms : 0);
    int64_t delay_us = until_us(process->controller, timer->due_ms);
    int64_t late_us =
        sim_percent(&whole->world->random, 5) ? sim_between(&whole->world->random, 0, 3000) : 20;
    timer->call = whole_call_in(whole, (delay_us > 0 ? delay_us : 0) + late_us, process, NULL,
                                on_timer, timer);
}

void timer_stop(struct timer *timer)
{
    if (timer->call != NULL)
        timer->call->run = NULL;
    timer->call = NULL;
}

void timer_free(struct timer *timer)
{
    if (timer == NULL)
        return;
    timer_stop(timer);
    struct timer **at = &timer->process->timers;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
}

/* ---- links */

struct link {
    struct process *process, *peer_process;
    struct link *peer;
    const struct link_ops *ops;
    void *data;
    bool is_open;
};

static struct link *end_new(struct whole *whole, struct process *process, struct process *peer)
{
    struct link *end = whole_alloc(whole, sizeof(*end));
    end->process = process;
    end->peer_process = peer;
    end->is_open = true; /* what is sent before it is taken into use waits in the socket */
    if (whole->fds == whole->links_capacity) {
        whole->links_capacity = whole->links_capacity * 2 + 64;
        whole->links =
            sim_need(realloc(whole->links, whole->links_capacity * sizeof(*whole->links)));
    }
    whole->links[whole->fds++] = end;
    return end;
}

static uint32_t instance_of(const struct process *process)
{
    (void)process;
    return 0;
}

void whole_link(struct process *a, struct process *b)
{
    struct whole *whole = a->whole;
    struct link *left = end_new(whole, a, b), *right = end_new(whole, b, a);
    int fd = (int)whole->fds - 2;
    left->peer = right;
    right->peer = left;
    struct process *before = whole_enter(a);
    whole_trace(whole, "%u: its %s and %s are linked", a->controller->id,
                process_role_name(a->role), process_role_name(b->role));
    a->ops->on_peer(a->data, b->role, instance_of(b), fd);
    whole_enter(b);
    b->ops->on_peer(b->data, a->role, instance_of(a), fd + 1);
    whole_enter(before);
}

struct link *link_new(struct loop *loop, int fd, const struct link_ops *ops, void *data)
{
    struct link *end = loop->process.whole->links[fd];
    end->ops = ops;
    end->data = data;
    return end;
}

static void on_close(struct whole_call *call)
{
    struct link *end = call->data;
    if (!end->is_open)
        return;
    end->is_open = false;
    end->ops->on_close(end->data, "its process ended");
}

static size_t index_of(const struct process *process)
{
    return process->role == EPHOR__ROLE__QUORUM ? 0 : process->role == EPHOR__ROLE__ACTOR ? 1 : 2;
}

/* In order, whatever is on its way. */
static int64_t delay_to(const struct process *to)
{
    struct whole *whole = to->whole;
    int64_t *newest_us = &to->controller->link_us[index_of(to)];
    int64_t at_us = whole->world->now_us + sim_between(&whole->world->random, 5, 60);
    if (sim_percent(&whole->world->random, 2))
        at_us += sim_between(&whole->world->random, 0, 20000);
    if (at_us < *newest_us)
        at_us = *newest_us;
    *newest_us = at_us;
    return at_us - whole->world->now_us;
}

void link_free(struct link *link)
{
    if (link == NULL)
        return;
    link->is_open = false;
    struct link *peer = link->peer;
    if (peer->is_open)
        whole_call_in(link->process->whole, delay_to(peer->process), peer->process, NULL, on_close,
                      peer);
}

static void on_frame(struct whole_call *call)
{
    struct link *end = call->data;
    if (!end->is_open)
        return;
    Ephor__Message *m = ephor__message__unpack(NULL, call->size, call->bytes);
    end->ops->on_message(end->data, m, -1);
    ephor__message__free_unpacked(m, NULL);
}

void link_send(struct link *link, const Ephor__Message *m, int fd)
{
    (void)fd;
    if (link == NULL || !link->is_open || link->process->is_dark || !link->peer->is_open)
        return;
    struct whole *whole = link->process->whole;
    struct process *to = link->peer_process;
    struct whole_call *call =
        call_new(whole, to, NULL, on_frame, link->peer, ephor__message__get_packed_size(m));
    ephor__message__pack(m, call->bytes);
    push(whole, delay_to(to), call);
}

void link_flush(struct link *link, int64_t timeout_ms)
{
    (void)link;
    (void)timeout_ms;
}

/* ---- the life of a process */

int process_run(Ephor__Role role, uint32_t instance, int control_fd, const struct process_ops *ops,
                void *data)
{
    (void)role;
    (void)instance;
    (void)control_fd;
    current->ops = ops;
    current->data = data;
    longjmp(began, 1); /* its frame is gone: what it has is on the heap */
}

void whole_process_begin(struct process *process, int (*main)(uint32_t instance, int fd),
                         Ephor__Setup *setup)
{
    struct errbuf e = {.text = ""};
    struct process *before = whole_enter(process);
    whole_trace(process->whole, "%u: its %s begins", process->controller->id,
                process_role_name(process->role));
    process->life++;
    process->is_up = true;
    process->is_stopped = process->is_done = process->is_dark = false;
    process->timers = NULL;
    process->wait.first = NULL;
    if (main != NULL && setjmp(began) == 0)
        main(0, -1);
    if (process->ops->on_start(process->data, process, setup, &e) != ERR_OK)
        sim_broken(process->whole->world, "CONTRACT", "a process does not start: %s", e.text);
    whole_enter(before);
}

static struct timer *started(const struct process *process)
{
    struct timer *timer = process->timers;
    while (timer != NULL && timer->call == NULL)
        timer = timer->next;
    return timer;
}

/* kill -9: it gives back its memory in the dark. */
void whole_process_end(struct process *process, void (*release)(struct process *process))
{
    if (!process->is_up)
        return;
    struct process *before = whole_enter(process);
    whole_trace(process->whole, "%u: its %s ends", process->controller->id,
                process_role_name(process->role));
    process->is_dark = true;
    process->ops->on_stop(process->data);
    for (struct timer *t = started(process); t != NULL && !process->is_done; t = started(process)) {
        timer_stop(t);
        t->cb(t->data);
    }
    release(process);
    process->is_up = false;
    process->life++;
    whole_enter(before);
}

void whole_process_stop(struct process *process)
{
    if (process->is_up)
        process->is_stopped = true;
}

void whole_process_continue(struct process *process)
{
    if (!process->is_stopped)
        return;
    process->is_stopped = false;
    whole_wake(process->whole, &process->wait);
}

struct loop *process_loop(struct process *process)
{
    return (struct loop *)process;
}

void process_send(struct process *process, const Ephor__Message *m, int fd)
{
    (void)process;
    (void)m;
    (void)fd;
}

void process_ready(struct process *process)
{
    (void)process;
}

void process_done(struct process *process)
{
    process->is_done = true;
}

void process_restart(struct process *process)
{
    sim_broken(process->whole->world, "CONTRACT", "%u wants to begin anew",
               process->controller->id);
}

const char *process_role_name(Ephor__Role role)
{
    return role == EPHOR__ROLE__QUORUM    ? "quorum"
           : role == EPHOR__ROLE__ACTOR   ? "actor"
           : role == EPHOR__ROLE__CHECKER ? "checker"
                                          : "status";
}

/* ---- the log and the trace */

void whole_trace(const struct whole *whole, const char *format, ...)
{
    if (!whole->world->has_trace)
        return;
    va_list args;
    printf("[%9.2f ms] ", (double)whole->world->now_us / 1000.0);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

__attribute__((format(printf, 2, 0))) static void tell(const char *event, const char *format,
                                                       va_list args)
{
    char text[512];
    if (current == NULL || !current->whole->world->has_trace)
        return;
    vsnprintf(text, sizeof(text), format, args);
    whole_trace(current->whole, "%u %s: %s: %s", current->controller->id,
                process_role_name(current->role), event, text);
}

#define LOG_FUNCTION(name)                             \
    void name(const char *event, const char *fmt, ...) \
    {                                                  \
        va_list args;                                  \
        va_start(args, fmt);                           \
        tell(event, fmt, args);                        \
        va_end(args);                                  \
    }
LOG_FUNCTION(log_error)
LOG_FUNCTION(log_warning)
LOG_FUNCTION(log_info)
LOG_FUNCTION(log_debug)

/* Nobody freezes anything here: there are no files. */
void freeze_init(struct freeze *freeze, const char *state_dir)
{
    (void)freeze;
    (void)state_dir;
}

void freeze_work(struct quorum *quorum)
{
    (void)quorum;
}
