/* Plugins: any program with the Nagios API. Its exit status is the state, its standard output the
 * text and performance data. What else can happen (doc/ephor-plugins.7 has the same table):
 *   not there / cannot be executed / exit 127, 126  UNKNOWN   not-found / not-executable
 *   cannot be started now                           UNKNOWN   spawn:EAGAIN ...
 *   exit 4-255                                      UNKNOWN   bad-exit
 *   killed by a signal                              UNKNOWN   signal:SEGV ...
 *   not done in time                                timeout_state of the policy   timeout
 *   nothing on standard output                      by exit status, text from standard error
 *   a process of its own still holds the pipe       by exit status                pipe-held */
#include "checks/check_ops.h"
#include "checks/plugin_output.h"

#include "orchestrator/base/text.h"
#include "orchestrator/sys/exec.h"

#include <stdlib.h>
#include <string.h>

enum {
    OUT_MAX = 64 << 10, /* as NRPE 4 and current Nagios */
    ERR_MAX = 4 << 10,
    ARGS_MAX = 256,
};

struct plugin_run {
    struct check_run *run;
    struct exec *exec;
    Ephor__State timeout_state;
    int64_t timeout_ms;
};

/* Put "prefix: " before what the plugin itself said, if it said something. */
static void say_with_output(struct check_run *run, Ephor__State state, const char *reason,
                            const char *prefix)
{
    char said[RESULTS_OUTPUT_SIZE];
    text_copy(said, sizeof(said), run->observation.output);
    check_say(run, state, reason, "%s%s%s", prefix, said[0] == '\0' ? "" : ": ", said);
}

static void keep_output(struct check_run *run, const struct exec_result *result)
{
    struct observation *o = &run->observation;
    bool fits = plugin_output_split(result->out, result->out_size, o->output, sizeof(o->output),
                                    o->perfdata, sizeof(o->perfdata));
    o->is_truncated = !fits || result->is_out_truncated;
}

/* Nothing on standard output: say what Nagios says. */
static void say_without_output(struct check_run *run, const struct exec_result *result)
{
    char text[256];
    text_sanitize(text, sizeof(text), result->err, result->err_size);
    text[strcspn(text, "\n")] = '\0';
    if (text[0] == '\0')
        check_say(run, run->observation.state, run->observation.reason,
                  "(no output returned from plugin)");
    else
        check_say(run, run->observation.state, run->observation.reason,
                  "(no output on standard output) standard error: %s", text);
}

static void say_exit(struct check_run *run, const struct exec_result *result)
{
    struct observation *o = &run->observation;
    char prefix[64];
    if (result->code <= EPHOR__STATE__STATE_UNKNOWN) {
        o->state = (Ephor__State)result->code;
        text_copy(o->reason, sizeof(o->reason), result->is_pipe_held ? "pipe-held" : "");
        if (o->output[0] == '\0')
            say_without_output(run, result);
        return;
    }
    const char *reason = result->code == 126   ? "not-executable"
                         : result->code == 127 ? "not-found"
                                               : "bad-exit";
    text_format(prefix, sizeof(prefix), "exit status %d is none of 0 to 3", result->code);
    if (o->output[0] == '\0')
        text_sanitize(o->output, sizeof(o->output), result->err, result->err_size);
    say_with_output(run, EPHOR__STATE__STATE_UNKNOWN, reason, prefix);
}

static void say_signal(struct check_run *run, int signo)
{
    char reason[OBSERVATION_REASON_SIZE];
    char prefix[64];
    const char *name = sigabbrev_np(signo);
    if (name != NULL)
        text_format(reason, sizeof(reason), "signal:%s", name);
    else
        text_format(reason, sizeof(reason), "signal:%d", signo);
    text_format(prefix, sizeof(prefix), "the plugin was killed by a signal (%s)", reason + 7);
    say_with_output(run, EPHOR__STATE__STATE_UNKNOWN, reason, prefix);
}

static void say_timeout(struct plugin_run *plugin)
{
    char duration[32];
    char prefix[96];
    text_from_duration(duration, sizeof(duration), plugin->timeout_ms);
    text_format(prefix, sizeof(prefix), "no answer within %s", duration);
    say_with_output(plugin->run, plugin->timeout_state, "timeout", prefix);
}

static void on_done(void *data, const struct exec_result *result)
{
    struct plugin_run *plugin = data;
    struct check_run *run = plugin->run;
    keep_output(run, result);
    switch (result->end) {
    case EXEC_EXITED:
        say_exit(run, result);
        break;
    case EXEC_SIGNALED:
        say_signal(run, result->code);
        break;
    case EXEC_TIMEOUT:
        say_timeout(plugin);
        break;
    case EXEC_CANCELED:
        check_say(run, EPHOR__STATE__STATE_UNKNOWN, "canceled", "canceled");
        break;
    }
    free(plugin);
    check_finish(run);
}

static int say_not_started(struct check_run *run, int err, int errno_value, const struct errbuf *e)
{
    char reason[OBSERVATION_REASON_SIZE];
    const char *name = strerrorname_np(errno_value);
    if (err == ERR_NOT_FOUND)
        text_copy(reason, sizeof(reason), "not-found");
    else if (err == ERR_DENIED || err == ERR_INVALID)
        text_copy(reason, sizeof(reason), "not-executable");
    else
        text_format(reason, sizeof(reason), "spawn:%s", name == NULL ? "unknown" : name);
    check_say(run, EPHOR__STATE__STATE_UNKNOWN, reason, "%s", e->text);
    return check_finish_later(run);
}

static int plugin_start(struct check_run *run, const Ephor__Check *check)
{
    const char *argv[ARGS_MAX + 1] = {NULL};
    struct errbuf e = {.text = ""};
    int errno_value = 0;
    if (check->n_argv == 0 || check->n_argv > ARGS_MAX) {
        check_say(run, EPHOR__STATE__STATE_UNKNOWN, "unsupported",
                  "a command has 1 to %d words, this one %zu", ARGS_MAX, check->n_argv);
        return check_finish_later(run);
    }
    for (size_t i = 0; i < check->n_argv; i++)
        argv[i] = check->argv[i];
    struct plugin_run *plugin = calloc(1, sizeof(*plugin));
    if (plugin == NULL)
        return ERR_NOMEM;
    *plugin = (struct plugin_run){
        .run = run, .timeout_state = check->timeout_state, .timeout_ms = check->timeout_ms};
    struct exec_params params = {.argv = argv,
                                 .timeout_ms = check->timeout_ms,
                                 .out_max = OUT_MAX,
                                 .err_max = ERR_MAX,
                                 .on_done = on_done,
                                 .data = plugin};
    int err = exec_start(&plugin->exec, run->context->loop, &params, &errno_value, &e);
    run->impl = plugin;
    if (err == ERR_OK)
        return ERR_OK;
    free(plugin);
    return say_not_started(run, err, errno_value, &e);
}

static void plugin_cancel(struct check_run *run)
{
    struct plugin_run *plugin = run->impl;
    exec_cancel(plugin->exec);
}

const struct check_ops check_plugin_ops = {plugin_start, plugin_cancel};
