/* The common part of all checks: the table of kinds, the run and its end. */
#include "checks/check_ops.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct check_ops *ops_of(Ephor__CheckKind kind)
{
    switch (kind) {
    case EPHOR__CHECK_KIND__PLUGIN:
        return &check_plugin_ops;
    case EPHOR__CHECK_KIND__TCP:
        return &check_tcp_ops;
    case EPHOR__CHECK_KIND__HTTP:
        return &check_http_ops;
    case _EPHOR__CHECK_KIND_IS_INT_SIZE:
        break;
    }
    return NULL;
}

static void run_free(struct check_run *run)
{
    timer_free(run->later);
    free(run);
}

void check_say(struct check_run *run, Ephor__State state, const char *reason, const char *fmt, ...)
{
    struct observation *o = &run->observation;
    char text[RESULTS_OUTPUT_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    o->state = state;
    text_copy(o->reason, sizeof(o->reason), reason == NULL ? "" : reason);
    text_sanitize(o->output, sizeof(o->output), text, strlen(text));
}

/* Right, but late. */
static void judge_duration(struct check_run *run)
{
    struct observation *o = &run->observation;
    char took[32], limit[32];
    size_t used = strcspn(o->output, "\n");
    if (run->slow_ms == 0 || o->state != EPHOR__STATE__STATE_OK ||
        o->duration_us <= run->slow_ms * 1000)
        return;
    o->state = EPHOR__STATE__STATE_WARNING;
    text_copy(o->reason, sizeof(o->reason), "slow");
    text_format(o->output + used, sizeof(o->output) - used, "; it took %s, more than %s",
                check_format_us(took, sizeof(took), o->duration_us),
                text_from_duration(limit, sizeof(limit), run->slow_ms));
}

void check_finish(struct check_run *run)
{
    run->observation.duration_us = now_mono_us() - run->started_us;
    judge_duration(run);
    run->cb(run->data, &run->observation);
    run_free(run);
}

static void on_later(void *data)
{
    check_finish(data);
}

int check_finish_later(struct check_run *run)
{
    run->later = timer_new(run->context->loop, on_later, run);
    if (run->later == NULL)
        return ERR_NOMEM;
    timer_start(run->later, 0, 0);
    return ERR_OK;
}

struct check_run *check_start(struct check_context *context, const Ephor__Check *check,
                              observation_cb *cb, void *data)
{
    struct check_run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return NULL;
    *run = (struct check_run){.context = context, .cb = cb, .data = data};
    run->started_us = now_mono_us();
    run->slow_ms = check->slow_ms;
    run->ops = ops_of(check->kind);
    int err;
    if (run->ops == NULL) {
        check_say(run, EPHOR__STATE__STATE_UNKNOWN, "unsupported",
                  "this version knows no check of kind %d", (int)check->kind);
        err = check_finish_later(run);
    } else {
        err = run->ops->start(run, check);
    }
    if (err == ERR_OK)
        return run;
    run_free(run);
    return NULL;
}

void check_cancel(struct check_run *run)
{
    if (run->later != NULL)
        return; /* ends in this very turn of the loop */
    run->ops->cancel(run);
}

const char *check_format_us(char *dst, size_t dst_size, int64_t us)
{
    if (us < 10000)
        text_format(dst, dst_size, "%.1f ms", (double)us / 1e3);
    else if (us < 1000000)
        text_format(dst, dst_size, "%.0f ms", (double)us / 1e3);
    else
        text_format(dst, dst_size, "%.1f s", (double)us / 1e6);
    return dst;
}
