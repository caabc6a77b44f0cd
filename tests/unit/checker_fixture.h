/* For the test of the checker: a forked child runs checker_main, and these functions play
 * supervisor and quorum over real links. Checks of the made policies look for files in a folder. */
#ifndef TESTS_CHECKER_FIXTURE_H
#define TESTS_CHECKER_FIXTURE_H

#include "orchestrator/checker/checker.h"
#include "orchestrator/checker/reporter.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/results.h"
#include "tests/unit/checks_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

enum { CHECKS_MAX = 512, POLICY_A = 11, POLICY_B = 12 };

struct seen { /* what the quorum got about one check */
    int count;
    Ephor__State state;
    Ephor__State suspect;
    uint32_t attempts;
    Ephor__Cause cause;
    char text[256];
};

static struct {
    struct loop *loop;
    pid_t pid;
    struct link *control, *quorum;
    int table_fd;
    struct results *results;
    bool is_ready;
    bool is_closed;
    int alive;
    int proposals;
    int states;        /* of itself, that the checker told */
    uint32_t seers;    /* how many controllers look; 0: it is not told */
    uint32_t retry_ms; /* of every check; 0: 50 */
    int largest;
    uint64_t policy_index;
    int32_t answer_err;  /* what the quorum says to proposals */
    bool answers;        /* does it answer at all */
    uint64_t last_index; /* policy index of the newest proposal */
    struct seen seen[CHECKS_MAX];
} t;

static char dir[64];

static void on_control_message(void *data, const Ephor__Message *m, int fd)
{
    (void)data;
    ck_assert_int_eq(fd, -1);
    t.is_ready = t.is_ready || m->body_case == EPHOR__MESSAGE__BODY_READY;
    t.alive += m->body_case == EPHOR__MESSAGE__BODY_ALIVE;
}

static void on_control_close(void *data, const char *reason)
{
    (void)data;
    (void)reason;
    t.is_closed = true;
}

static void answer(uint64_t sequence)
{
    Ephor__Proposed proposed = EPHOR__PROPOSED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    proposed.sequence = sequence;
    proposed.err = t.answer_err;
    m.body_case = EPHOR__MESSAGE__BODY_PROPOSED;
    m.proposed = &proposed;
    link_send(t.quorum, &m, -1);
}

static void on_quorum_message(void *data, const Ephor__Message *m, int fd)
{
    (void)data;
    ck_assert_int_eq(fd, -1);
    if (m->body_case == EPHOR__MESSAGE__BODY_CHECKER_STATE) {
        t.states++;
        return;
    }
    ck_assert_int_eq(m->body_case, EPHOR__MESSAGE__BODY_PROPOSE);
    const Ephor__Fact *fact = m->propose->fact;
    ck_assert_int_eq(fact->body_case, EPHOR__FACT__BODY_OPINIONS);
    ck_assert_int_eq(fact->at_ms, 0);
    ck_assert_int_gt(fact->wall_ms, 1000000000000);
    const Ephor__Opinions *opinions = fact->opinions;
    ck_assert_uint_eq(opinions->controller, 3);
    ck_assert_uint_le(opinions->n_changes, REPORT_CHANGES_MAX);
    t.proposals++;
    t.last_index = opinions->policy_index;
    if ((int)opinions->n_changes > t.largest)
        t.largest = (int)opinions->n_changes;
    for (size_t i = 0; i < opinions->n_changes && opinions->policy_index == t.policy_index; i++) {
        const Ephor__OpinionChange *change = opinions->changes[i];
        ck_assert_uint_lt(change->check, CHECKS_MAX);
        ck_assert_uint_lt(strlen(change->text), TEXT_SIZE);
        ck_assert_ptr_null(strchr(change->text, '\n'));
        t.seen[change->check].count++;
        t.seen[change->check].state = change->state;
        t.seen[change->check].suspect = change->suspect;
        t.seen[change->check].attempts = change->attempts;
        t.seen[change->check].cause = change->cause;
        snprintf(t.seen[change->check].text, sizeof(t.seen[0].text), "%s", change->text);
    }
    if (t.answers)
        answer(m->propose->sequence);
}

static void on_quorum_close(void *data, const char *reason)
{
    (void)data;
    (void)reason;
}

static void send_setup(uint32_t index, uint32_t count)
{
    Ephor__Setup setup = EPHOR__SETUP__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    setup.log_level = 1;
    setup.controller = 3;
    setup.checker_index = index;
    setup.checker_count = count;
    setup.checks_running_max = 8;
    m.body_case = EPHOR__MESSAGE__BODY_SETUP;
    m.setup = &setup;
    link_send(t.control, &m, -1);
}

static void send_table(void)
{
    Ephor__ResultsTable table = EPHOR__RESULTS_TABLE__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    m.body_case = EPHOR__MESSAGE__BODY_RESULTS_TABLE;
    m.results_table = &table;
    link_send(t.control, &m, t.table_fd);
}

static void send_peer(Ephor__Role role, int fd)
{
    Ephor__PeerLink peer = EPHOR__PEER_LINK__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    peer.role = role;
    m.body_case = EPHOR__MESSAGE__BODY_PEER_LINK;
    m.peer_link = &peer;
    link_send(t.control, &m, fd);
}

static void connect_quorum(void)
{
    static const struct link_ops ops = {on_quorum_message, on_quorum_close};
    int pair[2];
    link_free(t.quorum);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    t.quorum = link_new(t.loop, pair[0], &ops, NULL);
    send_peer(EPHOR__ROLE__QUORUM, pair[1]);
    close(pair[1]);
}

static bool is_ready(void *data)
{
    (void)data;
    return t.is_ready;
}

static bool is_closed(void *data)
{
    (void)data;
    return t.is_closed;
}

static void set_up(void)
{
    static const struct link_ops ops = {on_control_message, on_control_close};
    int pair[2];
    memset(&t, 0, sizeof(t));
    signal(SIGPIPE, SIG_IGN);
    snprintf(dir, sizeof(dir), "/tmp/ephor-test-checker-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    t.table_fd = results_create();
    t.pid = fork();
    if (t.pid == 0) {
        close(pair[0]);
        exit(checker_main(0, pair[1]));
    }
    close(pair[1]);
    t.results = results_open(t.table_fd, false);
    t.loop = loop_new();
    t.control = link_new(t.loop, pair[0], &ops, NULL);
    t.answers = true;
    send_setup(0, 1);
    send_table();
    ck_assert(wait_until(t.loop, is_ready, NULL, 5000));
    connect_quorum();
}

static void stop(void)
{
    Ephor__Stop stop_message = EPHOR__STOP__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    int status = -1;
    m.body_case = EPHOR__MESSAGE__BODY_STOP;
    m.stop = &stop_message;
    link_send(t.control, &m, -1);
    ck_assert(wait_until(t.loop, is_closed, NULL, 6000));
    ck_assert_int_eq(waitpid(t.pid, &status, 0), t.pid);
    ck_assert_msg(status == 0, "the checker ended with status %x", (unsigned)status);
}

static void tear_down(void)
{
    char command[128];
    stop();
    link_free(t.control);
    link_free(t.quorum);
    results_close(t.results);
    close(t.table_fd);
    loop_free(t.loop);
    snprintf(command, sizeof(command), "%s", dir);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/rm", "rm", "-rf", command, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

/* ------------------------------------------------------------------ policies for the tests */

struct made { /* one check of a policy: a plugin that looks for a file of its name */
    const char *id;
    uint32_t interval_ms;
    const char *plugin; /* NULL: the file test */
};

/* exit 0 while the file named after the check exists, 2 otherwise */
static char file_test[] = "[ -e \"$0/$1\" ] && { echo \"$1 is there | n=1\"; exit 0; }; "
                          "echo \"$1 is gone$(cat \"$0/$1-why\" 2>&-)\"; exit 2";

static void fill_check(Ephor__Check *check, char **argv, const struct made *made)
{
    static char sh[] = "/bin/sh", option[] = "-c";
    ephor__check__init(check);
    check->id = (char *)(uintptr_t)made->id;
    check->name = check->id;
    check->interval_ms = made->interval_ms;
    check->observers = made->interval_ms / 10000; /* which asks nothing else */
    check->timeout_ms = 5000;
    check->retry_ms = t.retry_ms == 0 ? 50 : t.retry_ms;
    check->confirm = true;
    check->fall = 3;
    check->rise = 2;
    check->timeout_state = EPHOR__STATE__STATE_CRITICAL;
    argv[0] = made->plugin != NULL ? (char *)(uintptr_t)made->plugin : sh;
    argv[1] = option;
    argv[2] = file_test;
    argv[3] = dir;
    argv[4] = check->id;
    check->argv = argv;
    check->n_argv = made->plugin != NULL ? 1 : 5;
}

static void adopt(uint64_t index, const struct made *made, size_t count)
{
    static Ephor__Check checks[CHECKS_MAX];
    static Ephor__Check *list[CHECKS_MAX];
    static char *argvs[CHECKS_MAX][5];
    Ephor__Policy policy = EPHOR__POLICY__INIT;
    Ephor__Adopted adopted = EPHOR__ADOPTED__INIT;
    Ephor__Message m = EPHOR__MESSAGE__INIT;
    for (size_t i = 0; i < count; i++) {
        fill_check(&checks[i], argvs[i], &made[i]);
        list[i] = &checks[i];
    }
    policy.n_checks = count;
    policy.checks = list;
    adopted.policy.len = ephor__policy__get_packed_size(&policy);
    adopted.policy.data = malloc(adopted.policy.len + 1);
    ephor__policy__pack(&policy, adopted.policy.data);
    Ephor__Outlook outlook = EPHOR__OUTLOOK__INIT;
    outlook.policy_index = index;
    outlook.rank = 0;
    outlook.count = t.seers;
    if (t.seers > 0)
        adopted.outlook = &outlook;
    adopted.index = index;
    t.policy_index = index;
    memset(t.seen, 0, sizeof(t.seen));
    m.body_case = EPHOR__MESSAGE__BODY_ADOPTED;
    m.adopted = &adopted;
    link_send(t.quorum, &m, -1);
    free(adopted.policy.data);
}

static void touch(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void take_away(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unlink(path);
}

struct expected {
    uint32_t check;
    Ephor__State state;
};

static bool is_seen(void *data)
{
    const struct expected *e = data;
    return t.seen[e->check].count > 0 && t.seen[e->check].state == e->state;
}

/* The first run of a slow check comes within 10 s. */
#define WAIT_FIRST(check_, state_)                                   \
    do {                                                             \
        struct expected e_ = {check_, EPHOR__STATE__STATE_##state_}; \
        ck_assert(wait_until(t.loop, is_seen, &e_, 15000));          \
    } while (0)

#define WAIT_OPINION(check_, state_)                                                     \
    do {                                                                                 \
        struct expected e_ = {check_, EPHOR__STATE__STATE_##state_};                     \
        ck_assert_msg(wait_until(t.loop, is_seen, &e_, 8000), "seen %d times, state %d", \
                      t.seen[check_].count, t.seen[check_].state);                       \
    } while (0)

static bool is_later(void *data)
{
    return now_mono_ms() >= *(int64_t *)data;
}

/* Let things go on, to see that something does not happen. */
static void go_on(int64_t ms)
{
    int64_t until_ms = now_mono_ms() + ms;
    ck_assert(wait_until(t.loop, is_later, &until_ms, ms + 1000));
}

static bool has_cause(void *data)
{
    return t.seen[0].cause == *(Ephor__Cause *)data;
}

static const struct made two[] = {{"a", 200, NULL}, {"b", 200, NULL}};

#endif
