/* The common part of the child processes. A child that is not stopped within STOP_MAX_MS ends
 * anyway; so does a child whose supervisor is gone, since nobody watches over it any more. */
#include "orchestrator/sys/process.h"

#include "orchestrator/base/log.h"
#include "orchestrator/sys/link.h"

#include <signal.h>
#include <stdlib.h>

enum { ALIVE_MS = 1000, STOP_MAX_MS = 8000 };

struct process {
    struct loop *loop;
    struct link *control;
    struct timer *alive;
    struct timer *stop_limit;
    struct timer *restart;
    const struct process_ops *ops;
    void *data;
    Ephor__Role role;
    bool is_started;
    bool is_stopping;
    int status;
};

const char *process_role_name(Ephor__Role role)
{
    static const char *const names[] = {"supervisor", "checker", "quorum", "actor", "status"};
    return (unsigned)role < 5 ? names[role] : "unknown";
}

struct loop *process_loop(struct process *process)
{
    return process->loop;
}

void process_send(struct process *process, const Ephor__Message *m, int fd)
{
    link_send(process->control, m, fd);
}

void process_ready(struct process *process)
{
    Ephor__Ready ready = EPHOR__READY__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    m.body_case = EPHOR__MESSAGE__BODY_READY;
    m.ready = &ready;
    process_send(process, &m, -1);
}

void process_done(struct process *process)
{
    link_flush(process->control, 200);
    loop_stop(process->loop);
}

static void on_alive(void *data)
{
    struct process *process = data;
    Ephor__Alive alive = EPHOR__ALIVE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    alive.late_max_ms = (uint64_t)loop_late_max_ms(process->loop);
    m.body_case = EPHOR__MESSAGE__BODY_ALIVE;
    m.alive = &alive;
    process_send(process, &m, -1);
}

static void on_stop_limit(void *data)
{
    struct process *process = data;
    log_warning("stop", "not everything ended within %d s, ending anyway", STOP_MAX_MS / 1000);
    loop_stop(process->loop);
}

static void stop_process(struct process *process)
{
    if (process->is_stopping)
        return;
    process->is_stopping = true;
    timer_start(process->stop_limit, STOP_MAX_MS, 0);
    if (process->is_started)
        process->ops->on_stop(process->data);
    else
        loop_stop(process->loop);
}

static void on_restart(void *data)
{
    struct process *process = data;
    process->status = 1;
    stop_process(process);
}

void process_restart(struct process *process)
{
    timer_start(process->restart, 0, 0);
}

static void setup_process(struct process *process, const Ephor__Setup *setup)
{
    struct errbuf e = {.text = ""};
    log_init(process_role_name(process->role), (enum log_level)setup->log_level);
    if (process->is_started) {
        process->ops->on_setup(process->data, setup);
        return;
    }
    process->is_started = true;
    if (process->ops->on_start(process->data, process, setup, &e) != ERR_OK) {
        log_error("start", "%s", e.text);
        process->status = 1;
        loop_stop(process->loop);
    }
}

static void on_control_message(void *data, const Ephor__Message *m, int fd)
{
    struct process *process = data;
    if (m->body_case == EPHOR__MESSAGE__BODY_SETUP)
        setup_process(process, m->setup);
    else if (m->body_case == EPHOR__MESSAGE__BODY_STOP)
        stop_process(process);
    else if (m->body_case == EPHOR__MESSAGE__BODY_PEER_LINK && fd >= 0)
        process->ops->on_peer(process->data, m->peer_link->role, m->peer_link->instance, fd);
    else if (process->ops->on_message != NULL)
        process->ops->on_message(process->data, m, fd);
}

static void on_control_close(void *data, const char *reason)
{
    struct process *process = data;
    log_warning("supervisor", "the supervisor is gone (%s), ending", reason);
    process->status = 1;
    stop_process(process);
}

int process_run(Ephor__Role role, uint32_t instance, int control_fd, const struct process_ops *ops,
                void *data)
{
    static const struct link_ops control_ops = {on_control_message, on_control_close};
    struct process process = {.ops = ops, .data = data, .role = role};
    (void)instance;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C in a terminal reaches the whole group; the supervisor says
                                what to do about it */
    process.loop = loop_new();
    if (process.loop == NULL)
        return 71;
    process.control = link_new(process.loop, control_fd, &control_ops, &process);
    process.alive = timer_new(process.loop, on_alive, &process);
    process.stop_limit = timer_new(process.loop, on_stop_limit, &process);
    process.restart = timer_new(process.loop, on_restart, &process);
    timer_start(process.alive, ALIVE_MS, ALIVE_MS);
    loop_run(process.loop);
    timer_free(process.alive);
    timer_free(process.stop_limit);
    timer_free(process.restart);
    link_free(process.control);
    process.control = NULL;
    loop_free(process.loop);
    return process.status;
}
