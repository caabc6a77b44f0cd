/* Programs, by posix_spawn (which does not copy the parent's memory) and a pidfd for the end.
 * A child is reaped only when everything is over, so its number stays ours for kill(-pid).
 *
 *   running --deadline/cancel--> SIGTERM --2 s--> SIGKILL --1 s--> told anyway
 *   child ended and pipes at their end        --> told, reaped, freed
 *   child ended, pipe held --1 s--> SIGKILL to the group --> told, reaped, freed
 *
 * A child that even SIGKILL does not end (it waits for a disk or a network file system) is told as
 * timed out and reaped whenever it ends: one such child must not stop its check for ever. */
#include "orchestrator/sys/exec.h"

#include "orchestrator/base/buf.h"
#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_SIZE = 16384 };

enum phase { PHASE_RUNNING, PHASE_TERMINATED, PHASE_KILLED };

struct pipe_end { /* our end of one pipe */
    int fd;       /* -1 when closed */
    struct watch *watch;
    struct buf buf; /* what is kept of the output, or what waits as input */
    bool is_truncated;
};

struct exec {
    struct loop *loop;
    pid_t pid;
    int pidfd;
    struct watch *exit_watch;
    struct timer *timer; /* deadline, then the kill, then the grace */
    struct pipe_end in, out, err;
    bool is_input_ending;
    exec_output_cb *on_output;
    exec_done_cb *on_done;
    void *data;
    enum phase phase;
    enum exec_end end; /* EXEC_EXITED until we ended it ourselves */
    bool has_exited;
    bool is_told;
    siginfo_t status;
    int64_t started_us;
};

static void pipe_end_close(struct pipe_end *p)
{
    watch_free(p->watch);
    p->watch = NULL;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static void exec_free(struct exec *x)
{
    struct pipe_end *const pipes[] = {&x->in, &x->out, &x->err};
    for (size_t i = 0; i < 3; i++) {
        pipe_end_close(pipes[i]);
        buf_close(&pipes[i]->buf);
    }
    watch_free(x->exit_watch);
    timer_free(x->timer);
    if (x->pidfd >= 0)
        close(x->pidfd);
    free(x);
}

static void exec_reap(struct exec *x)
{
    siginfo_t ignored;
    while (waitid(P_PID, (id_t)x->pid, &ignored, WEXITED | WNOHANG) != 0 && errno == EINTR)
        continue;
}

static void exec_tell(struct exec *x, bool is_pipe_held)
{
    struct exec_result result = {
        .end = x->end,
        .code = x->has_exited ? x->status.si_status : 0,
        .out = buf_string(&x->out.buf),
        .out_size = x->out.buf.size,
        .err = buf_string(&x->err.buf),
        .err_size = x->err.buf.size,
        .is_out_truncated = x->out.is_truncated,
        .is_err_truncated = x->err.is_truncated,
        .is_pipe_held = is_pipe_held,
        .duration_us = now_mono_us() - x->started_us,
    };
    if (x->end == EXEC_EXITED && x->has_exited && x->status.si_code != CLD_EXITED)
        result.end = EXEC_SIGNALED;
    x->is_told = true;
    x->on_done(x->data, &result);
}

/* Nothing more is waited for, but for the end of a child that cannot be killed. */
static void exec_finish(struct exec *x, bool is_pipe_held)
{
    if (is_pipe_held || x->end != EXEC_EXITED)
        kill(-x->pid, SIGKILL);
    timer_stop(x->timer);
    pipe_end_close(&x->in);
    pipe_end_close(&x->out);
    pipe_end_close(&x->err);
    exec_tell(x, is_pipe_held);
    if (!x->has_exited)
        return;
    exec_reap(x);
    exec_free(x);
}

static bool has_all(const struct exec *x)
{
    return x->has_exited && x->out.fd < 0 && x->err.fd < 0;
}

static void on_exit_ready(void *data, int events)
{
    struct exec *x = data;
    (void)events;
    if (waitid(P_PID, (id_t)x->pid, &x->status, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        x->status.si_pid != x->pid)
        return;
    x->has_exited = true;
    watch_set(x->exit_watch, WATCH_NONE);
    if (x->is_told) {
        exec_reap(x);
        exec_free(x);
    } else if (has_all(x)) {
        exec_finish(x, false);
    } else {
        timer_start(x->timer, EXEC_GRACE_MS, 0);
    }
}

static void terminate(struct exec *x, enum exec_end end)
{
    x->phase = PHASE_TERMINATED;
    x->end = end;
    kill(-x->pid, SIGTERM);
    kill(-x->pid, SIGCONT); /* a stopped child could not obey */
    timer_start(x->timer, EXEC_KILL_MS, 0);
}

static void on_timer(void *data)
{
    struct exec *x = data;
    if (x->has_exited) {
        exec_finish(x, true);
        return;
    }
    switch (x->phase) {
    case PHASE_RUNNING:
        terminate(x, EXEC_TIMEOUT);
        break;
    case PHASE_TERMINATED:
        x->phase = PHASE_KILLED;
        kill(-x->pid, SIGKILL);
        timer_start(x->timer, EXEC_GRACE_MS, 0);
        break;
    case PHASE_KILLED:
        exec_finish(x, false);
        break;
    }
}

/* Keep what fits below the cap. */
static void keep(struct pipe_end *p, const char *bytes, size_t size)
{
    size_t room = p->buf.size_max - p->buf.size;
    if (size > room || buf_append(&p->buf, bytes, size) != ERR_OK) {
        p->is_truncated = true;
        if (!p->buf.failed)
            buf_append(&p->buf, bytes, room);
    }
}

/* One read; false at the end of the pipe. */
static bool read_pipe(struct exec *x, struct pipe_end *p)
{
    char bytes[READ_SIZE];
    ssize_t n = read(p->fd, bytes, sizeof(bytes));
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    if (p == &x->out && x->on_output != NULL)
        x->on_output(x->data, bytes, (size_t)n);
    else
        keep(p, bytes, (size_t)n);
    return true;
}

static void on_pipe_readable(struct exec *x, struct pipe_end *p)
{
    if (read_pipe(x, p))
        return;
    pipe_end_close(p);
    if (has_all(x))
        exec_finish(x, false);
}

static void on_out_ready(void *data, int events)
{
    struct exec *x = data;
    (void)events;
    on_pipe_readable(x, &x->out);
}

static void on_err_ready(void *data, int events)
{
    struct exec *x = data;
    (void)events;
    on_pipe_readable(x, &x->err);
}

static void write_input(struct exec *x)
{
    struct pipe_end *p = &x->in;
    while (p->buf.size > 0) {
        ssize_t n = write(p->fd, p->buf.data, p->buf.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) { /* the child closed its standard input */
            pipe_end_close(p);
            return;
        }
        buf_consume(&p->buf, (size_t)n);
    }
    if (p->buf.size == 0 && x->is_input_ending)
        pipe_end_close(p);
    else
        watch_set(p->watch, p->buf.size > 0 ? WATCH_WRITE : WATCH_NONE);
}

static void on_in_ready(void *data, int events)
{
    (void)events;
    write_input(data);
}

/* Scores are inherited: a child must not be spared (or chosen) because its parent is. */
static void reset_oom_score(pid_t pid)
{
    char path[64];
    char score[8] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, score, sizeof(score) - 1);
    close(fd);
    if (n <= 0 || strcmp(score, "0\n") == 0)
        return;
    text_format(path, sizeof(path), "/proc/%ld/oom_score_adj", (long)pid);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t ignored = write(fd, "0", 1);
    (void)ignored; /* lowering it may need a right that we lack; nothing depends on it */
    close(fd);
}

struct child_fds { /* the child's ends; in is -1 for /dev/null */
    int in, out, err;
};

static int spawn_with(pid_t *pid, const struct exec_params *params, const struct child_fds *fds,
                      posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr)
{
    static const char *const base_env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
    const char *env[EXEC_ENV_MAX + 3] = {base_env[0], base_env[1]};
    sigset_t all, none;
    size_t n = 2;
    for (size_t i = 0; params->env != NULL && params->env[i] != NULL; i++) {
        if (i == EXEC_ENV_MAX)
            return E2BIG;
        env[n++] = params->env[i];
    }
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setflags(attr,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int err = fds->in >= 0 ? posix_spawn_file_actions_adddup2(actions, fds->in, 0)
                           : posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, fds->out, 1);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, fds->err, 2);
    if (err == 0)
        err = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    if (err == 0)
        err = posix_spawn_file_actions_addchdir_np(actions, "/");
    if (err != 0)
        return err;
    /* posix_spawn only reads them; its prototype predates const */
    return posix_spawn(pid, params->argv[0], actions, attr, (char *const *)(uintptr_t)params->argv,
                       (char *const *)(uintptr_t)env);
}

static int spawn_child(pid_t *pid, const struct exec_params *params, const struct child_fds *fds)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int err = posix_spawn_file_actions_init(&actions);
    if (err != 0)
        return err;
    err = posix_spawnattr_init(&attr);
    if (err == 0) {
        err = spawn_with(pid, params, fds, &actions, &attr);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

/* A pipe whose end on our side does not block. Returns 0 or an errno value. */
static int open_pipe(int *ours, int *theirs, bool is_input)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return errno;
    PRE(fds[0] > 2 && fds[1] > 2); /* else dup2 in the child would overwrite what it still needs */
    *ours = fds[is_input ? 1 : 0];
    *theirs = fds[is_input ? 0 : 1];
    fcntl(*ours, F_SETFL, O_NONBLOCK | (is_input ? O_WRONLY : O_RDONLY));
    return 0;
}

static int open_pipes(struct exec *x, const struct exec_params *params, struct child_fds *fds)
{
    int err = open_pipe(&x->out.fd, &fds->out, false);
    if (err == 0)
        err = open_pipe(&x->err.fd, &fds->err, false);
    if (err == 0 && params->has_input)
        err = open_pipe(&x->in.fd, &fds->in, true);
    return err;
}

static void close_child_fds(const struct child_fds *fds)
{
    const int list[] = {fds->in, fds->out, fds->err};
    for (size_t i = 0; i < 3; i++)
        if (list[i] >= 0)
            close(list[i]);
}

/* Everything that can fail for want of memory or descriptors comes before the child does. */
static int prepare(struct exec *x, const struct exec_params *params, struct child_fds *fds)
{
    int err = open_pipes(x, params, fds);
    if (err != 0)
        return err;
    x->timer = timer_new(x->loop, on_timer, x);
    x->out.watch = watch_new(x->loop, x->out.fd, on_out_ready, x);
    x->err.watch = watch_new(x->loop, x->err.fd, on_err_ready, x);
    if (params->has_input)
        x->in.watch = watch_new(x->loop, x->in.fd, on_in_ready, x);
    if (x->timer == NULL || x->out.watch == NULL || x->err.watch == NULL ||
        (params->has_input && x->in.watch == NULL))
        return ENOMEM;
    return 0;
}

static int watch_exit(struct exec *x)
{
    x->pidfd = (int)syscall(SYS_pidfd_open, x->pid, 0);
    if (x->pidfd < 0)
        return errno;
    fcntl(x->pidfd, F_SETFD, FD_CLOEXEC);
    x->exit_watch = watch_new(x->loop, x->pidfd, on_exit_ready, x);
    return x->exit_watch == NULL ? ENOMEM : 0;
}

static struct exec *exec_new(struct loop *loop, const struct exec_params *params)
{
    struct exec *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return NULL;
    x->loop = loop;
    x->pidfd = x->in.fd = x->out.fd = x->err.fd = -1;
    buf_init(&x->in.buf, EXEC_INPUT_MAX);
    buf_init(&x->out.buf, params->out_max);
    buf_init(&x->err.buf, params->err_max);
    x->on_output = params->on_output;
    x->on_done = params->on_done;
    x->data = params->data;
    x->started_us = now_mono_us();
    return x;
}

static int launch(struct exec *x, const struct exec_params *params)
{
    struct child_fds fds = {-1, -1, -1};
    int err = prepare(x, params, &fds);
    if (err == 0)
        err = spawn_child(&x->pid, params, &fds);
    close_child_fds(&fds);
    if (err != 0)
        return err;
    reset_oom_score(x->pid);
    err = watch_exit(x);
    if (err != 0) { /* nobody could tell its end: take it back */
        kill(-x->pid, SIGKILL);
        waitpid(x->pid, NULL, 0);
    }
    return err;
}

static int err_of_start(int errno_value)
{
    if (errno_value == ENOEXEC || errno_value == E2BIG || errno_value == ENOTDIR ||
        errno_value == EISDIR || errno_value == ELOOP)
        return ERR_INVALID;
    return err_from_errno(errno_value);
}

int exec_start(struct exec **exec, struct loop *loop, const struct exec_params *params,
               int *errno_value, struct errbuf *e)
{
    PRE(params->argv[0] != NULL && params->on_done != NULL);
    struct exec *x = exec_new(loop, params);
    int err = x == NULL ? ENOMEM : launch(x, params);
    *exec = NULL;
    if (errno_value != NULL)
        *errno_value = err;
    if (err != 0) {
        if (x != NULL)
            exec_free(x);
        return err_set(e, err_of_start(err), "start '%s': %s", params->argv[0], strerror(err));
    }
    watch_set(x->out.watch, WATCH_READ);
    watch_set(x->err.watch, WATCH_READ);
    watch_set(x->exit_watch, WATCH_READ);
    if (params->timeout_ms > 0)
        timer_start(x->timer, params->timeout_ms, 0);
    *exec = x;
    return ERR_OK;
}

void exec_cancel(struct exec *exec)
{
    if (exec->is_told || exec->end == EXEC_CANCELED)
        return;
    if (exec->phase == PHASE_RUNNING && !exec->has_exited)
        terminate(exec, EXEC_CANCELED);
    else /* its end is under way already: only the name of it changes */
        exec->end = EXEC_CANCELED;
}

int exec_write(struct exec *exec, const void *bytes, size_t size)
{
    if (exec->in.fd < 0 || exec->is_input_ending)
        return ERR_CLOSED;
    if (size > EXEC_INPUT_MAX - exec->in.buf.size)
        return ERR_LIMIT;
    int err = buf_append(&exec->in.buf, bytes, size);
    if (err == ERR_OK)
        write_input(exec);
    return err;
}

void exec_close_input(struct exec *exec)
{
    exec->is_input_ending = true;
    if (exec->in.fd >= 0)
        write_input(exec);
}

int64_t exec_pid(const struct exec *exec)
{
    return exec->pid;
}
