/* Programs: how they start, end, are cut short and cleaned up. */
#include "orchestrator/sys/exec.h"
#include "tests/unit/checks_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

struct outcome {
    int calls;
    enum exec_end end;
    int code;
    char out[100000];
    size_t out_size;
    char err[4096];
    bool is_out_truncated, is_pipe_held;
    int64_t duration_us;
    char streamed[4096];
    size_t streamed_size;
    struct exec *exec;
    const char *answer; /* written when something was streamed */
};

static struct loop *loop;
static int fds_before;
static struct outcome outcome;

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    loop_free(loop_new()); /* libuv keeps a pipe for the process from its first loop on */
    fds_before = count_fds();
    loop = loop_new();
    memset(&outcome, 0, sizeof(outcome));
}

static void tear_down(void)
{
    loop_free(loop);
    ck_assert_int_eq(count_fds(), fds_before);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* every child was reaped */
}

static void on_done(void *data, const struct exec_result *result)
{
    struct outcome *o = data;
    o->calls++;
    o->end = result->end;
    o->code = result->code;
    o->out_size = result->out_size;
    memcpy(o->out, result->out, result->out_size + 1);
    memcpy(o->err, result->err, result->err_size + 1);
    o->is_out_truncated = result->is_out_truncated;
    o->is_pipe_held = result->is_pipe_held;
    o->duration_us = result->duration_us;
}

static void on_output(void *data, const char *bytes, size_t size)
{
    struct outcome *o = data;
    ck_assert_uint_lt(o->streamed_size + size, sizeof(o->streamed));
    memcpy(o->streamed + o->streamed_size, bytes, size);
    o->streamed_size += size;
    if (o->answer != NULL) {
        ck_assert_int_eq(exec_write(o->exec, o->answer, strlen(o->answer)), ERR_OK);
        exec_close_input(o->exec);
        o->answer = NULL;
    }
}

static bool is_done(void *data)
{
    return ((struct outcome *)data)->calls > 0;
}

static bool has_streamed(void *data)
{
    return ((struct outcome *)data)->streamed_size > 0;
}

static struct exec_params params_for(const char *const *argv)
{
    return (struct exec_params){
        .argv = argv, .out_max = 65536, .err_max = 4000, .on_done = on_done, .data = &outcome};
}

static void start(const struct exec_params *params)
{
    struct errbuf e = {.text = ""};
    ck_assert_msg(exec_start(&outcome.exec, loop, params, NULL, &e) == ERR_OK, "%s", e.text);
    ck_assert_int_eq(outcome.calls, 0);
}

static void run(const char *const *argv, int64_t timeout_ms)
{
    struct exec_params params = params_for(argv);
    params.timeout_ms = timeout_ms;
    start(&params);
    ck_assert(wait_until(loop, is_done, &outcome, 15000));
    ck_assert_int_eq(outcome.calls, 1);
}

/* Is the process whose number stands in the file still there (and not just unreaped by init)? */
static bool is_alive(const char *pid_path)
{
    char path[64], state[256] = "";
    long pid = 0;
    FILE *f = fopen(pid_path, "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(state, sizeof(state), f));
    fclose(f);
    pid = strtol(state, NULL, 10);
    ck_assert_int_gt(pid, 0);
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool is_there = fgets(state, sizeof(state), f) != NULL && strstr(state, ") Z") == NULL;
    fclose(f);
    return is_there;
}

static bool is_not_alive(void *pid_path)
{
    return !is_alive(pid_path);
}

static void make_pid_path(char *path, size_t size)
{
    snprintf(path, size, "/tmp/ephor-test-exec-%ld", (long)getpid());
}

START_TEST(exit_status_and_both_outputs)
{
    const char *argv[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 7", NULL};
    run(argv, 5000);
    ck_assert_int_eq(outcome.end, EXEC_EXITED);
    ck_assert_int_eq(outcome.code, 7);
    ck_assert_str_eq(outcome.out, "out\n");
    ck_assert_str_eq(outcome.err, "err\n");
    ck_assert(!outcome.is_pipe_held && !outcome.is_out_truncated);
}
END_TEST

START_TEST(child_gets_a_clean_world)
{
    const char *argv[] = {TEST_PLUGINS "/environment.sh", "a b", "$(id)", NULL};
    const char *env[] = {"EPHOR_TEST=1", NULL};
    struct exec_params params = params_for(argv);
    int leaked = fcntl(0, F_DUPFD, 100); /* not close-on-exec */
    sigset_t set;
    char sid[64];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    setenv("SECRET", "x", 1);
    params.env = env;
    start(&params);
    snprintf(sid, sizeof(sid), "sid:%lld:%lld\n", (long long)exec_pid(outcome.exec),
             (long long)exec_pid(outcome.exec));
    ck_assert(wait_until(loop, is_done, &outcome, 5000));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    close(leaked);
    unsetenv("SECRET");
    ck_assert_msg(strstr(outcome.out, "args:2:a b:$(id)\n") != NULL, "%s", outcome.out);
    ck_assert_ptr_nonnull(strstr(outcome.out, "EPHOR_TEST=1\n"));
    ck_assert_ptr_nonnull(strstr(outcome.out, "LC_ALL=C\n"));
    ck_assert_ptr_nonnull(strstr(outcome.out, "PATH=/usr/local/sbin:"));
    ck_assert_ptr_null(strstr(outcome.out, "SECRET"));
    ck_assert_ptr_nonnull(strstr(outcome.out, "pwd:/\n"));
    ck_assert_ptr_nonnull(strstr(outcome.out, "fds:0 1 2 3 \n")); /* 3 is ls reading the folder */
    ck_assert_ptr_null(strstr(outcome.out, "stdin:"));
    ck_assert_msg(strstr(outcome.out, sid) != NULL, "%s not in %s", sid, outcome.out);
    ck_assert_ptr_nonnull(strstr(outcome.out, "SigBlk:\t0000000000000000\n"));
    /* but for signals 32 and 33, which the C library keeps for itself */
    ck_assert(strstr(outcome.out, "SigIgn:\t0000000000000000\n") != NULL ||
              strstr(outcome.out, "SigIgn:\t0000000180000000\n") != NULL);
    ck_assert_ptr_nonnull(strstr(outcome.out, "oom:0\n"));
}
END_TEST

START_TEST(what_cannot_start_is_an_error)
{
    static const struct {
        const char *path;
        int err;
        int errno_value;
    } cases[] = {
        {"/no/such/program", ERR_NOT_FOUND, ENOENT},
        {TEST_PLUGINS "/no_interpreter.txt", ERR_NOT_FOUND, ENOENT},
        {TEST_PLUGINS "/not_executable.sh", ERR_DENIED, EACCES},
        {TEST_PLUGINS, ERR_DENIED, EACCES},
        {TEST_PLUGINS "/no_format.txt", ERR_INVALID, ENOEXEC},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argv[] = {cases[i].path, NULL};
        struct exec_params params = params_for(argv);
        struct errbuf e = {.text = ""};
        int errno_value = 0;
        ck_assert_int_eq(exec_start(&outcome.exec, loop, &params, &errno_value, &e), cases[i].err);
        ck_assert_int_eq(errno_value, cases[i].errno_value);
        ck_assert_ptr_null(outcome.exec);
        ck_assert_ptr_nonnull(strstr(e.text, cases[i].path));
    }
    ck_assert_int_eq(outcome.calls, 0);
}
END_TEST

START_TEST(hanging_child_ends_at_its_deadline)
{
    const char *argv[] = {TEST_PLUGINS "/hang.sh", NULL};
    run(argv, 200);
    ck_assert_int_eq(outcome.end, EXEC_TIMEOUT);
    ck_assert_str_eq(outcome.out, "HANG begun\n");
    ck_assert_int_ge(outcome.duration_us, 200000);
    ck_assert_int_lt(outcome.duration_us, 1500000); /* SIGTERM was enough */
}
END_TEST

START_TEST(child_that_ignores_sigterm_is_killed)
{
    const char *argv[] = {TEST_PLUGINS "/ignore_term.sh", NULL};
    run(argv, 200);
    ck_assert_int_eq(outcome.end, EXEC_TIMEOUT);
    ck_assert_int_ge(outcome.duration_us, (200 + EXEC_KILL_MS) * 1000);
    ck_assert_int_lt(outcome.duration_us, (200 + EXEC_KILL_MS + 900) * 1000);
}
END_TEST

START_TEST(stopped_child_ends_at_its_deadline)
{
    const char *argv[] = {TEST_PLUGINS "/by_signal.sh", "STOP", NULL};
    run(argv, 200);
    ck_assert_int_eq(outcome.end, EXEC_TIMEOUT);
    ck_assert_int_lt(outcome.duration_us, 1500000);
}
END_TEST

START_TEST(whole_group_ends_at_the_deadline)
{
    char path[64];
    make_pid_path(path, sizeof(path));
    const char *argv[] = {TEST_PLUGINS "/children.sh", path, NULL};
    run(argv, 300);
    ck_assert_int_eq(outcome.end, EXEC_TIMEOUT);
    ck_assert(wait_until(loop, is_not_alive, path, 2000));
    unlink(path);
}
END_TEST

START_TEST(output_is_capped_and_drained)
{
    const char *argv[] = {TEST_PLUGINS "/flood.sh", NULL};
    run(argv, 10000);
    ck_assert_int_eq(outcome.end, EXEC_EXITED);
    ck_assert_int_eq(outcome.code, 0);
    ck_assert_uint_eq(outcome.out_size, 65536);
    ck_assert(outcome.is_out_truncated);
    ck_assert_int_eq(strncmp(outcome.out, "FLOOD begins\nxxxx", 17), 0);
}
END_TEST

START_TEST(output_of_exactly_the_cap_is_whole)
{
    const char *argv[] = {"/bin/sh", "-c", "head -c 65536 /dev/zero | tr '\\0' y", NULL};
    run(argv, 10000);
    ck_assert_uint_eq(outcome.out_size, 65536);
    ck_assert(!outcome.is_out_truncated);
}
END_TEST

START_TEST(endless_output_ends_at_the_deadline)
{
    const char *argv[] = {TEST_PLUGINS "/flood_forever.sh", NULL};
    run(argv, 300);
    ck_assert_int_eq(outcome.end, EXEC_TIMEOUT);
    ck_assert(outcome.is_out_truncated);
    ck_assert_int_lt(outcome.duration_us, 1500000);
}
END_TEST

START_TEST(signal_is_told)
{
    const char *argv[] = {TEST_PLUGINS "/by_signal.sh", "SEGV", NULL};
    run(argv, 5000);
    ck_assert_int_eq(outcome.end, EXEC_SIGNALED);
    ck_assert_int_eq(outcome.code, SIGSEGV);
    ck_assert_str_eq(outcome.out, "dying\n");
}
END_TEST

START_TEST(grandchild_that_holds_the_pipe_is_killed)
{
    char path[64];
    make_pid_path(path, sizeof(path));
    const char *argv[] = {TEST_PLUGINS "/grandchild.sh", path, NULL};
    run(argv, 10000);
    ck_assert_int_eq(outcome.end, EXEC_EXITED);
    ck_assert_int_eq(outcome.code, 0);
    ck_assert(outcome.is_pipe_held);
    ck_assert_str_eq(outcome.out, "PARENT OK | left=1\n");
    ck_assert_int_ge(outcome.duration_us, EXEC_GRACE_MS * 1000);
    ck_assert_int_lt(outcome.duration_us, (EXEC_GRACE_MS + 900) * 1000);
    ck_assert(wait_until(loop, is_not_alive, path, 2000));
    unlink(path);
}
END_TEST

START_TEST(grandchild_that_left_the_group_does_not_hold_us_up)
{
    const char *argv[] = {TEST_PLUGINS "/grandchild_setsid.sh", "3", NULL};
    run(argv, 10000);
    ck_assert_int_eq(outcome.end, EXEC_EXITED);
    ck_assert(outcome.is_pipe_held);
    ck_assert_int_lt(outcome.duration_us, (EXEC_GRACE_MS + 900) * 1000);
}
END_TEST

START_TEST(cancel_leads_to_the_callback)
{
    const char *argv[] = {TEST_PLUGINS "/hang.sh", NULL};
    struct exec_params params = params_for(argv);
    start(&params);
    exec_cancel(outcome.exec);
    exec_cancel(outcome.exec); /* twice is as good as once */
    ck_assert_int_eq(outcome.calls, 0);
    ck_assert(wait_until(loop, is_done, &outcome, 5000));
    ck_assert_int_eq(outcome.calls, 1);
    ck_assert_int_eq(outcome.end, EXEC_CANCELED);
}
END_TEST

START_TEST(child_with_input_and_streamed_output)
{
    const char *argv[] = {"/bin/sh", "-c", "echo ready; read -r x; echo got $x; cat; exit 3", NULL};
    struct exec_params params = params_for(argv);
    params.has_input = true;
    params.on_output = on_output;
    outcome.answer = "one\ntwo\n";
    start(&params);
    ck_assert(wait_until(loop, is_done, &outcome, 5000));
    outcome.streamed[outcome.streamed_size] = '\0';
    ck_assert_str_eq(outcome.streamed, "ready\ngot one\ntwo\n");
    ck_assert_int_eq(outcome.code, 3);
    ck_assert_uint_eq(outcome.out_size, 0);
}
END_TEST

START_TEST(input_is_bounded_and_its_end_is_told)
{
    const char *argv[] = {"/bin/sh", "-c", "exec <&-; echo closed; sleep 600", NULL};
    static const char piece[16384] = {0};
    struct exec_params params = params_for(argv);
    int err = ERR_OK;
    params.has_input = true;
    params.on_output = on_output;
    start(&params);
    ck_assert(wait_until(loop, has_streamed, &outcome, 5000));
    ck_assert_int_eq(exec_write(outcome.exec, "x", 1), ERR_OK); /* finds out here */
    ck_assert_int_eq(exec_write(outcome.exec, "x", 1), ERR_CLOSED);
    exec_cancel(outcome.exec);
    ck_assert(wait_until(loop, is_done, &outcome, 5000));

    const char *deaf[] = {"/bin/sleep", "600", NULL};
    memset(&outcome, 0, sizeof(outcome));
    params.argv = deaf;
    start(&params);
    for (int i = 0; i < 100 && err == ERR_OK; i++)
        err = exec_write(outcome.exec, piece, sizeof(piece));
    ck_assert_int_eq(err, ERR_LIMIT);
    exec_cancel(outcome.exec);
    ck_assert(wait_until(loop, is_done, &outcome, 5000));
}
END_TEST

static int many_done;
static int many_bad;

static void on_one_of_many(void *data, const struct exec_result *result)
{
    (void)data;
    many_done++;
    many_bad += result->end != EXEC_EXITED || result->code != 0 || result->out_size != 3;
}

static bool all_done(void *data)
{
    return many_done == *(int *)data;
}

START_TEST(many_at_once)
{
    const char *argv[] = {"/bin/echo", "ok", NULL};
    struct exec_params params = params_for(argv);
    int count = 200;
    params.on_done = on_one_of_many;
    for (int i = 0; i < count; i++) {
        struct exec *exec;
        ck_assert_int_eq(exec_start(&exec, loop, &params, NULL, NULL), ERR_OK);
    }
    ck_assert(wait_until(loop, all_done, &count, 20000));
    ck_assert_int_eq(many_bad, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exec");
    TCase *tests = tcase_create("programs");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 40);
    tcase_add_test(tests, exit_status_and_both_outputs);
    tcase_add_test(tests, child_gets_a_clean_world);
    tcase_add_test(tests, what_cannot_start_is_an_error);
    tcase_add_test(tests, hanging_child_ends_at_its_deadline);
    tcase_add_test(tests, child_that_ignores_sigterm_is_killed);
    tcase_add_test(tests, stopped_child_ends_at_its_deadline);
    tcase_add_test(tests, whole_group_ends_at_the_deadline);
    tcase_add_test(tests, output_is_capped_and_drained);
    tcase_add_test(tests, output_of_exactly_the_cap_is_whole);
    tcase_add_test(tests, endless_output_ends_at_the_deadline);
    tcase_add_test(tests, signal_is_told);
    tcase_add_test(tests, grandchild_that_holds_the_pipe_is_killed);
    tcase_add_test(tests, grandchild_that_left_the_group_does_not_hold_us_up);
    tcase_add_test(tests, cancel_leads_to_the_callback);
    tcase_add_test(tests, child_with_input_and_streamed_output);
    tcase_add_test(tests, input_is_bounded_and_its_end_is_told);
    tcase_add_test(tests, many_at_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
