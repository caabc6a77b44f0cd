/* For the tests of check kinds: make one observation and keep it. */
#ifndef TESTS_OBSERVE_FIXTURE_H
#define TESTS_OBSERVE_FIXTURE_H

#include "checks/check_ops.h"
#include "orchestrator/sys/http_client.h"
#include "tests/unit/checks_fixture.h"

#include <sys/wait.h>

struct observed {
    int calls;
    struct observation o;
};

struct observe {
    struct check_context context;
    int fds_before;
    struct observed seen;
};

static inline void observe_init(struct observe *t)
{
    signal(SIGPIPE, SIG_IGN);
    loop_free(loop_new()); /* what libuv and libcurl keep for the process from first use on */
    struct loop *loop = loop_new();
    http_client_free(http_client_new(loop));
    loop_free(loop);
    memset(t, 0, sizeof(*t));
    t->fds_before = count_fds();
    t->context.loop = loop_new();
    t->context.http = http_client_new(t->context.loop);
}

static inline void observe_close(struct observe *t)
{
    http_client_free(t->context.http);
    loop_free(t->context.loop);
    ck_assert_uint_eq(t->context.resolving, 0);
    ck_assert_int_eq(count_fds(), t->fds_before);
}

static inline void on_observed(void *data, const struct observation *o)
{
    struct observed *seen = data;
    seen->calls++;
    seen->o = *o;
}

static inline bool is_observed(void *data)
{
    return ((struct observed *)data)->calls > 0;
}

static inline struct check_run *observe_start(struct observe *t, const Ephor__Check *check)
{
    memset(&t->seen, 0, sizeof(t->seen));
    struct check_run *run = check_start(&t->context, check, on_observed, &t->seen);
    ck_assert_ptr_nonnull(run);
    ck_assert_int_eq(t->seen.calls, 0); /* never from inside start */
    return run;
}

static inline const struct observation *observe_end(struct observe *t)
{
    ck_assert(wait_until(t->context.loop, is_observed, &t->seen, 15000));
    ck_assert_int_eq(t->seen.calls, 1);
    return &t->seen.o;
}

static inline const struct observation *observe(struct observe *t, const Ephor__Check *check)
{
    observe_start(t, check);
    return observe_end(t);
}

#define ASSERT_OBSERVED(o, state_, reason_, text_)                                             \
    ck_assert_msg((o)->state == EPHOR__STATE__STATE_##state_ &&                                \
                      strcmp((o)->reason, reason_) == 0 && strstr((o)->output, text_) != NULL, \
                  "state %d, reason '%s', output '%s'", (o)->state, (o)->reason, (o)->output)

#endif
