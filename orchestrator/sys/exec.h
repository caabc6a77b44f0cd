/* Programs: start one without a shell, read what it prints, know how it ended.
 * The child gets a session and process group of its own, a clean environment (PATH, LC_ALL=C and
 * what is given), the root directory, default signals, and no descriptors beyond 0-2.
 * Limits: output beyond the caps is read and dropped; at the deadline the whole group gets SIGTERM
 * and EXEC_KILL_MS later SIGKILL; a grandchild that holds a pipe after the child ended gets
 * EXEC_GRACE_MS and then SIGKILL. One that left the group by setsid(2) only loses the pipe.
 * Does not look for programs in PATH, and knows nothing of plugins. Used by checks and actions.
 * Descriptors 0-2 must be open, SIGPIPE ignored and SIGCHLD not (process_run sees to it). */
#ifndef SYS_EXEC_H
#define SYS_EXEC_H

#include "orchestrator/base/err.h"
#include "orchestrator/sys/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXEC_KILL_MS = 2000,       /* from SIGTERM to SIGKILL */
    EXEC_GRACE_MS = 1000,      /* for pipes still held after the child ended */
    EXEC_INPUT_MAX = 64 << 10, /* bytes that may wait for a child which does not read */
    EXEC_ENV_MAX = 64,
};

enum exec_end {
    EXEC_EXITED,   /* by itself; code is the exit status */
    EXEC_SIGNALED, /* by a signal that was not ours; code is its number */
    EXEC_TIMEOUT,  /* at its deadline, whatever it did after the SIGTERM */
    EXEC_CANCELED, /* by exec_cancel */
};

struct exec_result {
    enum exec_end end;
    int code;
    const char *out; /* standard output, NUL-terminated, "" when streamed; borrowed */
    size_t out_size;
    const char *err; /* standard error; borrowed */
    size_t err_size;
    bool is_out_truncated;
    bool is_err_truncated;
    bool is_pipe_held; /* something of the child's still held a pipe and was killed */
    int64_t duration_us;
};

struct exec;

/* The end; runs exactly once, never from inside exec_start. `result` is borrowed; the exec is
 * gone when the callback returns. */
typedef void exec_done_cb(void *data, const struct exec_result *result);

/* A piece of standard output (borrowed, not NUL-terminated). exec_write, exec_close_input and
 * exec_cancel may be called inside. */
typedef void exec_output_cb(void *data, const char *bytes, size_t size);

struct exec_params {           /* everything is borrowed, and only during exec_start */
    const char *const *argv;   /* NULL-terminated; argv[0] is an absolute path */
    const char *const *env;    /* "NAME=value", NULL-terminated; NULL = nothing to add */
    int64_t timeout_ms;        /* 0 = no deadline */
    size_t out_max;            /* bytes of standard output that are kept; unused when streamed */
    size_t err_max;            /* bytes of standard error that are kept */
    bool has_input;            /* standard input is a pipe for exec_write, else /dev/null */
    exec_output_cb *on_output; /* streams standard output instead of keeping it; may be NULL */
    exec_done_cb *on_done;
    void *data;
};

/* Start. 0 and *exec (valid until on_done ran), or an error and *exec is NULL: ERR_NOT_FOUND,
 * ERR_DENIED or ERR_INVALID (not a program that can be executed), ERR_AGAIN, ERR_LIMIT, ERR_NOMEM;
 * *errno_value (may be NULL) becomes the system's number for it. on_done does not run then. */
int exec_start(struct exec **exec, struct loop *loop, const struct exec_params *params,
               int *errno_value, struct errbuf *e);

/* End it now: SIGTERM, EXEC_KILL_MS later SIGKILL; on_done follows with EXEC_CANCELED. */
void exec_cancel(struct exec *exec);

/* Queue bytes (copied) for standard input. ERR_LIMIT: more than EXEC_INPUT_MAX would wait;
 * ERR_CLOSED: the child closed it, or exec_close_input was called. */
int exec_write(struct exec *exec, const void *bytes, size_t size);

/* Close standard input when everything queued is written. */
void exec_close_input(struct exec *exec);

int64_t exec_pid(const struct exec *exec);

#endif
