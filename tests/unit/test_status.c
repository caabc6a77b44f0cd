/* The status process itself, on the stage: over real sockets, with a quorum process that obeys, is
 * silent, refuses, or is lost. */
#include "orchestrator/base/text.h"
#include "orchestrator/sys/api_client.h"
#include "orchestrator/sys/now.h"
#include "tests/ctl/stage.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALL_MS = 15000, LIMIT_MS = 10000 };

struct show {
    pid_t pid;
    int to, from;
    uint16_t port;
    char socket[64];
};

static void read_line(const struct show *show, char *line, size_t size)
{
    size_t used = 0;
    while (used + 1 < size && read(show->from, line + used, 1) == 1 && line[used] != '\n')
        used++;
    line[used] = '\0';
    ck_assert_uint_gt(used, 0);
}

static void show_do(const struct show *show, const char *command)
{
    char line[64];
    ck_assert_int_eq(write(show->to, command, strlen(command)), (ssize_t)strlen(command));
    ck_assert_int_eq(write(show->to, "\n", 1), 1);
    read_line(show, line, sizeof(line));
    ck_assert_str_eq(line, "done");
}

static void show_open(struct show *show)
{
    static const char *const well[] = {
        "work on",
        "reach n1 1 ",
        "reach n2 1 ",
        "reach n3 1 ",
        "opinion web/n1/http 0 fine",
        "opinion web/n2/http 0 fine",
        "opinion batch/n2/<b>queue</b> 0 fine",
        "opinion batch/n3/<b>queue</b> 0 fine",
        "opinion node/n1/ping 0 fine",
        "opinion vip/web/answers 0 fine",
    };
    int to[2], from[2];
    char line[64];
    ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
    snprintf(show->socket, sizeof(show->socket), "test_status.%d.sock", (int)getpid());
    show->pid = fork();
    if (show->pid == 0) {
        close(to[1]);
        close(from[0]);
        exit(stage_play(to[0], from[1], show->socket));
    }
    close(to[0]);
    close(from[1]);
    show->to = to[1];
    show->from = from[0];
    read_line(show, line, sizeof(line));
    show->port = (uint16_t)strtoul(line, NULL, 10);
    for (size_t i = 0; i < sizeof(well) / sizeof(well[0]); i++)
        show_do(show, well[i]);
}

/* The status process must end cleanly, in sanitized builds without a leak. */
static void show_close(struct show *show)
{
    int status;
    close(show->to);
    ck_assert_int_eq(waitpid(show->pid, &status, 0), show->pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with %x", status);
    close(show->from);
    unlink(show->socket);
}

static uint32_t call(const struct show *show, const char *path, const char *body,
                     struct api_answer *answer)
{
    struct errbuf e = {.text = ""};
    int err = api_call(show->socket, path, body, CALL_MS, answer, &e);
    ck_assert_msg(err == ERR_OK, "%s: %s", path, e.text);
    return answer->status;
}

static void expect(const struct show *show, const char *path, const char *body, uint32_t status,
                   const char *text)
{
    struct api_answer answer;
    call(show, path, body, &answer);
    ck_assert_msg(answer.status == status, "%s: %u %s", path, answer.status,
                  buf_string(&answer.body));
    ck_assert_msg(strstr(buf_string(&answer.body), text) != NULL, "%s: no '%s' in %s", path, text,
                  buf_string(&answer.body));
    api_answer_close(&answer);
}

/* Ask until the answer has that text: what is fed arrives a moment later. */
static void await(const struct show *show, const char *path, const char *text)
{
    int64_t end_ms = now_mono_ms() + LIMIT_MS;
    for (bool found = false; !found;) {
        struct api_answer answer;
        call(show, path, NULL, &answer);
        found = strstr(buf_string(&answer.body), text) != NULL;
        ck_assert_msg(found || now_mono_ms() < end_ms, "%s: no '%s' in %s", path, text,
                      buf_string(&answer.body));
        api_answer_close(&answer);
    }
}

/* A request that is not waited for: the socket on which its answer will come. */
static int ask_local(const struct show *show, const char *method, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char request[256];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    text_copy(to.sun_path, sizeof(to.sun_path), show->socket);
    text_format(request, sizeof(request),
                "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n"
                "Content-Length: 0\r\nConnection: close\r\n\r\n",
                method, path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    return fd;
}

/* Its answer, which has to be there within LIMIT_MS and to have these texts; closes it. */
static void expect_local(int fd, const char *status, const char *text)
{
    static char answer[1 << 20];
    struct pollfd at = {.fd = fd, .events = POLLIN};
    size_t used = 0;
    ssize_t n;
    ck_assert_int_eq(poll(&at, 1, LIMIT_MS), 1);
    while (used + 1 < sizeof(answer) &&
           (n = recv(fd, answer + used, sizeof(answer) - 1 - used, 0)) > 0)
        used += (size_t)n;
    answer[used] = '\0';
    close(fd);
    ck_assert_msg(strstr(answer, status) != NULL, "no '%s' in %s", status, answer);
    ck_assert_msg(strstr(answer, text) != NULL, "no '%s' in %s", text, answer);
}

/* One raw request over TCP; the first bytes of the answer. */
static void ask_tcp(const struct show *show, const char *request, char *answer, size_t size)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(show->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t used = 0;
    ssize_t n;
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    while (used + 1 < size && (n = recv(fd, answer + used, size - 1 - used, 0)) > 0)
        used += (size_t)n;
    answer[used] = '\0';
    close(fd);
}

/* ---------------------------------------------------------------- reading */

START_TEST(everything_can_be_read)
{
    struct show show;
    show_open(&show);
    await(&show, "/api/v1/status", "\"state\":\"ok\"");
    expect(&show, "/", NULL, 200, "All services are up");
    expect(&show, "/services/web", NULL, 200, "settles it");
    expect(&show, "/services/none", NULL, 404, "not_found");
    expect(&show, "/services/", NULL, 404, "not_found");
    expect(&show, "/api/v1/why?service=web", NULL, 200, "\"decides\":true");
    expect(&show, "/api/v1/why", NULL, 400, "missing");
    expect(&show, "/api/v1/why?service=%3Cb%3E", NULL, 404, "there is no service '<b>'");
    expect(&show, "/api/v1/journal?count=3", NULL, 200, "lines");
    expect(&show, "/api/v1/journal?count=-1", NULL, 400, "bad_request");
    expect(&show, "/metrics", NULL, 200, "ephor_raft_is_leader 1\n");
    expect(&show, "/healthz", NULL, 200, "ok");
    expect(&show, "/readyz", NULL, 200, "leading");
    expect(&show, "/style.css", NULL, 200, "color-scheme");
    expect(&show, "/app.js?v=1", NULL, 200, "EventSource");
    expect(&show, "/nothing", NULL, 404, "not_found");
    expect(&show, "/api/v1/status", "{}", 405, "GET");
    expect(&show, "/api/v1/pause", NULL, 405, "POST");
    show_close(&show);
}
END_TEST

/* What it costs is not for strangers. */
START_TEST(forecasts_are_for_local_people)
{
    struct show show;
    static char raw[1 << 16];
    show_open(&show);
    await(&show, "/api/v1/status", "\"name\":\"web\"");
    expect(&show, "/api/v1/simulate?down=n2", NULL, 200, "\"lines\":[");
    expect(&show, "/api/v1/simulate?failover=web%40n1&stuck=n2", NULL, 200, "\"ends\":true");
    expect(&show, "/api/v1/simulate", NULL, 400, "say what is to be assumed");
    expect(&show, "/api/v1/simulate?fail=web%40n9", NULL, 400, "there is no node 'n9'");
    expect(&show, "/api/v1/simulate?down=n1,n1,n1,n1,n1,n1,n1,n1,n1", NULL, 400,
           "at most 8 things");
    ask_tcp(&show,
            "GET /api/v1/simulate?down=n1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            raw, sizeof(raw));
    ck_assert_ptr_nonnull(strstr(raw, "403"));
    ck_assert_ptr_nonnull(strstr(raw, "local_only"));
    show_close(&show);
}
END_TEST

/* Names of settings are for everybody; the policy with its commands is for those who may act. */
START_TEST(policies_are_shown_and_asked_for)
{
    static const char apply[] = "{\"digest\":\"d\",\"replaces\":\"0123456789abcdef\"}";
    struct show show;
    struct api_answer answer;
    static char raw[1 << 16];
    show_open(&show);
    await(&show, "/api/v1/config", "\"in_force\":true");
    expect(&show, "/api/v1/config", NULL, 200, "\"path\":\"/etc/ephor/stage.conf\"");
    call(&show, "/api/v1/config/policy", NULL, &answer);
    ck_assert_uint_eq(answer.status, 200);
    Ephor__Policy *policy =
        ephor__policy__unpack(NULL, answer.body.size, (const uint8_t *)answer.body.data);
    ck_assert_ptr_nonnull(policy);
    ck_assert_str_eq(policy->name, "stage");
    ephor__policy__free_unpacked(policy, NULL);
    api_answer_close(&answer);
    expect(&show, "/api/v1/config/policy?number=4711", NULL, 404, "no policy of that number");
    expect(&show, "/api/v1/config/policy?number=x", NULL, 400, "number");
    ask_tcp(&show,
            "GET /api/v1/config/policy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            raw, sizeof(raw));
    ck_assert_ptr_nonnull(strstr(raw, "403"));
    ck_assert_ptr_nonnull(strstr(raw, "local_only"));

    expect(&show, "/api/v1/config/apply", apply, 200, "\"accepted\":true");
    expect(&show, "/api/v1/config/rollback", "{\"number\":2,\"replaces\":\"d\"}", 200, "adopted");
    expect(&show, "/api/v1/config/rollback", "{\"replaces\":\"d\"}", 200, "adopted");
    expect(&show, "/api/v1/config/rollback", "{\"number\":1,\"replaces\":\"d\"}", 409,
           "there is no policy 1 any more");
    show_do(&show, "drop 1");
    expect(&show, "/api/v1/config/apply", apply, 409, "the <file> says something else");
    show_do(&show, "drop 0");
    expect(&show, "/api/v1/config/apply", "{\"digest\":\"d\"}", 400, "'replaces' is missing");
    expect(&show, "/api/v1/config/apply", "{\"replaces\":\"d\"}", 400, "'digest' is missing");
    expect(&show, "/api/v1/config/apply", "{\"argv\":[]}", 400, "'argv' is not known here");
    expect(&show, "/api/v1/config/rollback", "{\"number\":0,\"replaces\":\"d\"}", 400,
           "a number from 1");
    expect(&show, "/api/v1/config/rollback", "{\"number\":\"1\",\"replaces\":\"d\"}", 400,
           "a number from 1");
    show_do(&show, "silent 1");
    show_do(&show, "lose");
    expect(&show, "/api/v1/config/apply", apply, 503, "unavailable");
    show_close(&show);
}
END_TEST

START_TEST(pages_carry_their_headers)
{
    struct show show;
    static char answer[1 << 20];
    show_open(&show);
    ask_tcp(&show, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", answer,
            sizeof(answer));
    ck_assert_ptr_nonnull(strstr(answer, "default-src 'none'"));
    ck_assert_ptr_nonnull(strstr(answer, "X-Content-Type-Options: nosniff"));
    ck_assert_ptr_nonnull(strstr(answer, "Referrer-Policy: no-referrer"));
    ck_assert_ptr_null(strstr(answer, "<b>queue</b>"));
    ck_assert_ptr_nonnull(strstr(answer, "&lt;b&gt;queue&lt;/b&gt;"));
    ask_tcp(&show, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", answer,
            sizeof(answer));
    ck_assert_ptr_nonnull(strstr(answer, "421"));
    ask_tcp(&show,
            "GET /no HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n",
            answer, sizeof(answer));
    ck_assert_ptr_nonnull(strstr(answer, "<!doctype html>"));
    show_close(&show);
}
END_TEST

START_TEST(what_happens_is_seen)
{
    struct show show;
    show_open(&show);
    show_do(&show, "result web/n1/http 1 slow");
    show_do(&show, "process checker 0 ended by signal 9");
    show_do(&show, "channel n1 1 holds");
    show_do(&show, "storage 0 no space left");
    show_do(&show, "reload 0 line 3: what?");
    await(&show, "/api/v1/status", "\"observed\":\"warning\",\"output\":\"slow\"");
    await(&show, "/api/v1/status", "process is not up: ended by signal 9");
    await(&show, "/api/v1/status", "\"holding\":[\"192.0.2.100\"]");
    await(&show, "/api/v1/status", "no space left; nothing new is decided");
    await(&show, "/api/v1/status", "line 3: what?");
    await(&show, "/metrics", "ephor_storage_ok 0");
    await(&show, "/api/v1/journal", "an older line, kept from before <script>");
    expect(&show, "/api/v1/pause", "{}", 503, "no space left");
    show_close(&show);
}
END_TEST

/* ---------------------------------------------------------------- asking */

START_TEST(requests_are_answered_by_the_core)
{
    struct show show;
    show_open(&show);
    expect(&show, "/api/v1/pause", "{\"reason\":\"racks\"}", 200, "\"accepted\":true");
    await(&show, "/api/v1/status", "\"reason\":\"racks\"");
    expect(&show, "/api/v1/resume", "", 200, "resumed");
    expect(&show, "/api/v1/failover", "{\"service\":\"web\"}", 200, "moving web to n2");
    await(&show, "/api/v1/status", "\"holder\":\"n2\"");
    expect(&show, "/api/v1/failover", "{\"service\":\"none\"}", 409, "there is no service");
    expect(&show, "/api/v1/failover", "{\"service\":\"web\",\"node\":\"n2\"}", 409, "already");
    expect(&show, "/api/v1/maintenance", "{\"node\":\"n3\",\"on\":true}", 200, "in maintenance");
    expect(&show, "/api/v1/maintenance", "{\"node\":\"n3\",\"on\":false}", 200, "has ended");
    await(&show, "/api/v1/journal?object=n3", "maintenance of n3 ends");
    show_close(&show);
}
END_TEST

START_TEST(bad_bodies_are_refused_in_words)
{
    static const struct {
        const char *path, *body, *words;
    } bad[] = {
        {"/api/v1/failover", "", "'service' is missing"},
        {"/api/v1/failover", "{", "not JSON"},
        {"/api/v1/failover", "[]", "JSON object"},
        {"/api/v1/failover", "{\"service\":1}", "has to be a string"},
        {"/api/v1/failover", "{\"service\":\"a\",\"service\":\"b\"}", "not JSON"},
        {"/api/v1/failover", "{\"service\":\"a\\u0000b\"}", "not JSON"},
        {"/api/v1/failover", "{\"service\":\"\xff\"}", "not JSON"},
        {"/api/v1/failover", "{\"service\":\"a\",\"force\":true}", "'force' is not known"},
        {"/api/v1/maintenance", "{\"node\":\"n1\"}", "'on' is missing"},
        {"/api/v1/cluster/add", "{\"name\":\"c2\",\"fingerprint\":\"\"}", "'address' is missing"},
        {"/api/v1/cluster/add", "{\"name\":\"o1\",\"kind\":\"observer\"}",
         "'fingerprint' is missing"},
        {"/api/v1/maintenance", "{\"node\":\"n1\",\"on\":1}", "true or false"},
        {"/api/v1/maintenance",
         "{\"node\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"on\":true}",
         "longer than 47 bytes"},
    };
    struct show show;
    show_open(&show);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(&show, bad[i].path, bad[i].body, 400, bad[i].words);
    char *deep = malloc(60001);
    memset(deep, '[', 60000);
    deep[60000] = '\0';
    expect(&show, "/api/v1/pause", deep, 400, "not JSON");
    free(deep);
    show_close(&show);
}
END_TEST

START_TEST(changes_are_not_taken_from_the_network)
{
    struct show show;
    char answer[4096];
    show_open(&show);
    ask_tcp(&show,
            "POST /api/v1/pause HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            "Content-Length: 2\r\n\r\n{}",
            answer, sizeof(answer));
    ck_assert_ptr_nonnull(strstr(answer, "403"));
    ck_assert_ptr_nonnull(strstr(answer, "local_only"));
    expect(&show, "/api/v1/status", NULL, 200, "\"paused\":null");
    show_close(&show);
}
END_TEST

/* As another user: started anew in a child, since a process cannot go back. */
static uint32_t pause_as(const struct show *show, uid_t uid, gid_t gid)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct api_answer answer;
        struct errbuf e;
        if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
            api_call(show->socket, "/api/v1/pause", "{}", CALL_MS, &answer, &e) != ERR_OK)
            _exit(9);
        _exit(answer.status == 200 ? 0 : answer.status == 403 ? 3 : 8);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status) == 0 ? 200 : WEXITSTATUS(status) == 3 ? 403 : 0;
}

START_TEST(only_operators_may_act)
{
    struct show show;
    if (getuid() != 0)
        return; /* nobody else to become */
    show_open(&show);
    ck_assert_uint_eq(pause_as(&show, 65001, 65001), 403);
    ck_assert_uint_eq(pause_as(&show, 65533, 65001), 200); /* an operator */
    ck_assert_uint_eq(pause_as(&show, 65001, 65532), 200); /* of the operators' group */
    show_close(&show);
}
END_TEST

/* ---------------------------------------------------------------- a quorum process in trouble */

START_TEST(silence_ends_in_words)
{
    struct show show;
    show_open(&show);
    show_do(&show, "silent 1");
    int64_t begin_ms = now_mono_ms();
    int waiting = ask_local(&show, "GET", "/?consistent=1");
    expect(&show, "/api/v1/pause", "{}", 504, "not known");
    ck_assert_int_ge(now_mono_ms() - begin_ms, 9000);
    expect_local(waiting, " 503 ", "the quorum process does not answer");
    show_close(&show);
}
END_TEST

START_TEST(it_ends_well_whatever_comes_meanwhile)
{
    enum { ASKING = 8 };
    struct show show;
    int fds[2 * ASKING];
    show_open(&show);
    show_do(&show, "silent 1");
    for (int i = 0; i < ASKING; i++) {
        fds[2 * i] = ask_local(&show, "GET", "/?consistent=1");
        fds[2 * i + 1] = ask_local(&show, "POST", "/api/v1/pause");
    }
    show_close(&show);
    for (int i = 0; i < 2 * ASKING; i++)
        close(fds[i]);
}
END_TEST

START_TEST(refusals_and_losses_are_told)
{
    struct show show;
    show_open(&show);
    show_do(&show, "drop 1");
    expect(&show, "/api/v1/pause", "{}", 503, "not_leading");
    show_do(&show, "drop 0");
    show_do(&show, "leading 0");
    await(&show, "/api/v1/status", "\"leading\":false");
    expect(&show, "/api/v1/pause", "{}", 503, "no controller leads now");
    show_do(&show, "lose");
    await(&show, "/readyz", "not ready");
    expect(&show, "/healthz", NULL, 200, "ok");
    expect(&show, "/api/v1/pause", "{}", 503, "is not there");
    expect(&show, "/api/v1/status", NULL, 200, "what is shown is not fresh");
    show_do(&show, "leading 1");
    show_do(&show, "again");
    await(&show, "/readyz", "leading");
    expect(&show, "/api/v1/pause", "{}", 200, "paused");
    show_close(&show);
}
END_TEST

/* ---------------------------------------------------------------- consistent reads */

START_TEST(consistent_reads_miss_nothing)
{
    struct show show;
    show_open(&show);
    expect(&show, "/?consistent=1", NULL, 200, "All services are up");
    expect(&show, "/services/web?consistent=1", NULL, 200, "settles it");
    expect(&show, "/services/none?consistent=1", NULL, 404, "not_found");
    expect(&show, "/api/v1/why?service=web&consistent=1", NULL, 200, "\"decides\":true");
    expect(&show, "/api/v1/journal?consistent=1&count=3", NULL, 200, "lines");
    expect(&show, "/api/v1/cluster?consistent=1", NULL, 200, "\"leading\":true");
    show_do(&show, "early 1");
    expect(&show, "/api/v1/status?consistent=1", NULL, 200, "came behind");
    show_close(&show);
}
END_TEST

START_TEST(only_the_state_is_read_consistently)
{
    struct show show;
    show_open(&show);
    show_do(&show, "silent 1"); /* nobody is asked */
    expect(&show, "/api/v1/status?consistent=0", NULL, 200, "\"services\"");
    expect(&show, "/api/v1/status?consistent=yes", NULL, 400, "0 or 1");
    expect(&show, "/api/v1/status?consistent", NULL, 400, "0 or 1");
    expect(&show, "/metrics?consistent=1", NULL, 400, "leave it out here");
    expect(&show, "/events?consistent=1", NULL, 400, "leave it out here");
    expect(&show, "/nothing?consistent=1", NULL, 404, "not_found");
    show_close(&show);
}
END_TEST

START_TEST(what_cannot_be_confirmed_is_not_shown)
{
    struct show show;
    show_open(&show);
    show_do(&show, "drop 1");
    expect(&show, "/api/v1/status?consistent=1", NULL, 503,
           "{\"error\":{\"code\":\"not_confirmed\",\"message\":\"what is known here may be old: no "
           "leader can be <reached>; try again, ask another controller, or leave out 'consistent'");
    expect_local(ask_local(&show, "GET", "/?consistent=1"), " 503 ",
                 "no leader can be &lt;reached&gt;");
    expect(&show, "/api/v1/status", NULL, 200, "\"services\"");
    show_do(&show, "drop 0");
    show_do(&show, "lose");
    await(&show, "/readyz", "not ready");
    expect(&show, "/api/v1/status?consistent=1", NULL, 503, "the quorum process is not there");
    show_do(&show, "again");
    await(&show, "/readyz", "leading");
    expect(&show, "/api/v1/status?consistent=1", NULL, 200, "\"services\"");
    show_close(&show);
}
END_TEST

START_TEST(only_so_many_reads_wait)
{
    enum { TAKEN = 64 };
    struct show show;
    struct pollfd waiting[TAKEN + 1];
    show_open(&show);
    show_do(&show, "silent 1");
    for (int i = 0; i <= TAKEN; i++)
        waiting[i] =
            (struct pollfd){.fd = ask_local(&show, "GET", "/?consistent=1"), .events = POLLIN};
    ck_assert_int_eq(poll(waiting, TAKEN + 1, LIMIT_MS / 2), 1); /* before any has waited long */
    show_do(&show, "lose");
    for (int i = 0; i <= TAKEN; i++)
        expect_local(waiting[i].fd, " 503 ",
                     waiting[i].revents != 0 ? "too many requests wait already"
                                             : "the quorum process was lost");
    show_do(&show, "again");
    await(&show, "/readyz", "leading");
    show_close(&show);
}
END_TEST

/* ---------------------------------------------------------------- the stream */

struct followed {
    const struct show *show;
    int hellos, patches, lines, steps;
};

static bool on_event(void *data, const char *id, const char *event, const char *text)
{
    struct followed *f = data;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(json);
    json_decref(json);
    f->hellos += strcmp(event, "hello") == 0;
    f->patches += strcmp(event, "patch") == 0;
    f->lines += strcmp(event, "journal") == 0;
    if (strcmp(event, "journal") == 0)
        ck_assert_ptr_nonnull(strchr(id, '-'));
    if (f->steps == 0 && f->patches >= 15 && f->lines > 5) { /* the beginning: all there is */
        f->steps = 1;
        show_do(f->show, "opinion web/n2/http 2 went <away>");
    }
    return !(f->steps == 1 && strstr(text, "went &lt;away&gt;") != NULL &&
             strstr(text, "\"check-1\"") != NULL);
}

START_TEST(changes_are_pushed)
{
    struct show show;
    struct followed f = {.show = &show};
    struct errbuf e = {.text = ""};
    show_open(&show);
    ck_assert_int_eq(api_stream(show.socket, "/events", "", on_event, &f, &e), ERR_OK);
    ck_assert_int_eq(f.hellos, 1);
    await(&show, "/metrics", "ephor_http_sse_clients");
    show_close(&show);
}
END_TEST

static bool on_line(void *data, const char *id, const char *event, const char *text)
{
    struct followed *f = data;
    (void)text;
    f->patches += strcmp(event, "patch") == 0;
    f->lines += strcmp(event, "journal") == 0;
    ck_assert(f->lines != 1 || text_starts_with(id, "3-")); /* the next after the one named */
    return f->lines < 4;
}

START_TEST(a_follower_goes_on_where_it_was)
{
    struct show show;
    struct followed f = {.show = &show};
    struct errbuf e = {.text = ""};
    show_open(&show);
    ck_assert_int_eq(api_stream(show.socket, "/events?topic=journal", "2-99", on_line, &f, &e),
                     ERR_OK);
    ck_assert_int_eq(f.patches, 0);
    show_close(&show);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *tcase = tcase_create("status");
    api_client_init();
    tcase_set_timeout(tcase, 40);
    tcase_add_test(tcase, everything_can_be_read);
    tcase_add_test(tcase, pages_carry_their_headers);
    tcase_add_test(tcase, forecasts_are_for_local_people);
    tcase_add_test(tcase, policies_are_shown_and_asked_for);
    tcase_add_test(tcase, what_happens_is_seen);
    tcase_add_test(tcase, requests_are_answered_by_the_core);
    tcase_add_test(tcase, bad_bodies_are_refused_in_words);
    tcase_add_test(tcase, changes_are_not_taken_from_the_network);
    tcase_add_test(tcase, only_operators_may_act);
    tcase_add_test(tcase, silence_ends_in_words);
    tcase_add_loop_test(tcase, it_ends_well_whatever_comes_meanwhile, 0, 5);
    tcase_add_test(tcase, refusals_and_losses_are_told);
    tcase_add_test(tcase, consistent_reads_miss_nothing);
    tcase_add_test(tcase, only_the_state_is_read_consistently);
    tcase_add_test(tcase, what_cannot_be_confirmed_is_not_shown);
    tcase_add_test(tcase, only_so_many_reads_wait);
    tcase_add_test(tcase, changes_are_pushed);
    tcase_add_test(tcase, a_follower_goes_on_where_it_was);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
