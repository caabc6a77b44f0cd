/* HTTP checks against a real nginx on loopback that the test starts, with and without TLS, and
 * against sockets that misbehave. Skipped with a word when nginx or openssl is not installed. */
#include "checks/cause.h"
#include "checks/perfdata.h"
#include "tests/unit/observe_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

static struct observe t;
static char dir[64];
static pid_t nginx;
static uint16_t port, tls_port, strange_tls_port;

static void run_shell(const char *command)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "%s: status %d", command, status);
}

static void make_certificate(const char *name, const char *host, int days)
{
    char command[1024];
    snprintf(command, sizeof(command),
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-keyout %s.key -out %s.pem -days %d -subj /CN=%s "
             "-addext subjectAltName=DNS:%s,IP:127.0.0.1 2>/dev/null",
             dir, name, name, days, host, host);
    run_shell(command);
}

static void write_config(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/nginx.conf", dir);
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fprintf(f,
            "daemon off; master_process off; pid %s/pid; error_log %s/error.log;\n"
            "events { worker_connections 64; }\n"
            "http { access_log off; client_body_temp_path %s/b; proxy_temp_path %s/p;\n"
            "fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n"
            "server { listen 127.0.0.1:%u; server_name _;\n"
            "  location = / { return 200 'all is well\\n'; }\n"
            "  location = /bad { return 502; }\n"
            "  location = /move { return 301 http://127.0.0.1:1/; }\n"
            "  location = /host { return 200 'host=$http_host'; }\n"
            "  location = /close { return 444; }\n"
            "  location = /slow { root %s; limit_rate 100; }\n"
            "  location = /big { root %s; }\n"
            "}\n"
            "server { listen 127.0.0.1:%u ssl; ssl_certificate %s/a.pem;\n"
            "  ssl_certificate_key %s/a.key; location / { return 200 'name=$ssl_server_name'; } }\n"
            "server { listen 127.0.0.1:%u ssl; ssl_certificate %s/b.pem;\n"
            "  ssl_certificate_key %s/b.key; location / { return 200 'b'; } }\n"
            "}\n",
            dir, dir, dir, dir, dir, dir, dir, (unsigned)port, dir, dir, (unsigned)tls_port, dir,
            dir, (unsigned)strange_tls_port, dir, dir);
    fclose(f);
}

static bool is_listening(void *data)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(strange_tls_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)data;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return is_there;
}

static void start_nginx(void)
{
    char command[256];
    snprintf(dir, sizeof(dir), "/tmp/ephor-test-http-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    port = free_port();
    tls_port = free_port();
    strange_tls_port = free_port();
    make_certificate("a", "www.example.org", 30);
    make_certificate("b", "other.example.org", 5);
    snprintf(command, sizeof(command), "head -c 200000 /dev/zero | tr '\\0' z > %s/big", dir);
    run_shell(command);
    snprintf(command, sizeof(command), "head -c 150 /dev/zero | tr '\\0' z > %s/slow", dir);
    run_shell(command);
    write_config();
    nginx = fork();
    if (nginx == 0) {
        snprintf(command, sizeof(command), "%s/nginx.conf", dir);
        execl("/usr/sbin/nginx", "nginx", "-c", command, "-e", "stderr", (char *)NULL);
        _exit(127);
    }
    struct loop *loop = loop_new();
    ck_assert_msg(wait_until(loop, is_listening, NULL, 10000), "nginx did not start");
    loop_free(loop);
}

static void stop_nginx(void)
{
    char command[128];
    kill(nginx, SIGKILL);
    waitpid(nginx, NULL, 0);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    run_shell(command);
}

static void set_up(void)
{
    observe_init(&t);
}

static void tear_down(void)
{
    observe_close(&t);
}

static char url[256];
static char ca[128];

static Ephor__Check check_of(const char *scheme, uint16_t to, const char *path)
{
    Ephor__Check check = EPHOR__CHECK__INIT;
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, (unsigned)to, path);
    snprintf(ca, sizeof(ca), "%s/a.pem", dir);
    check.kind = EPHOR__CHECK_KIND__HTTP;
    check.url = url;
    check.timeout_ms = 3000;
    check.http_status_min = 200;
    check.http_status_max = 399;
    check.tls_verify = true;
    check.tls_ca = ca;
    return check;
}

static const struct observation *ask(const char *path)
{
    Ephor__Check check = check_of("http", port, path);
    return observe(&t, &check);
}

static double perfdata_value(const struct observation *o, const char *label)
{
    const char *cursor = o->perfdata;
    struct perfdata_item item;
    while (perfdata_next(&cursor, &item))
        if (strcmp(item.label, label) == 0)
            return item.value;
    ck_abort_msg("no %s in '%s'", label, o->perfdata);
}

START_TEST(good_answer)
{
    const struct observation *o = ask("/");
    ASSERT_OBSERVED(o, OK, "", "HTTP 200 in ");
    ck_assert_ptr_nonnull(strstr(o->output, " ms, 12 bytes"));
    ck_assert_double_eq(perfdata_value(o, "status"), 200);
    ck_assert_double_eq(perfdata_value(o, "size"), 12);
    ck_assert_double_gt(perfdata_value(o, "time"), 0);
    ck_assert_double_gt(perfdata_value(o, "time_connect"), 0);
    ck_assert_double_gt(perfdata_value(o, "time_firstbyte"), 0);
    ck_assert_double_eq(perfdata_value(o, "time_tls"), 0);
}
END_TEST

START_TEST(status_must_be_in_the_range)
{
    ASSERT_OBSERVED(ask("/bad"), CRITICAL, "status", "HTTP 502, wanted 200-399");
    ASSERT_OBSERVED(ask("/nothing"), CRITICAL, "status", "HTTP 404, wanted 200-399");
    ASSERT_OBSERVED(ask("/move"), OK, "", "HTTP 301"); /* not followed: nobody is at port 1 */
    Ephor__Check check = check_of("http", port, "/bad");
    check.http_status_max = 599;
    ASSERT_OBSERVED(observe(&t, &check), OK, "", "HTTP 502");
}
END_TEST

START_TEST(body_must_contain_the_text)
{
    Ephor__Check check = check_of("http", port, "/");
    char wanted[] = "is well";
    char missing[] = "is bad";
    check.http_body = wanted;
    ASSERT_OBSERVED(observe(&t, &check), OK, "", "HTTP 200");
    check.http_body = missing;
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "body", "'is bad' is not in the first 12 bytes");
}
END_TEST

START_TEST(large_body_is_cut)
{
    const struct observation *o = ask("/big");
    ASSERT_OBSERVED(o, OK, "", "65536+ bytes");
}
END_TEST

START_TEST(virtual_host)
{
    char host[] = "www.example.org:81";
    Ephor__Check check = check_of("http", port, "/host");
    char wanted[] = "host=www.example.org:81";
    check.http_host = host;
    check.http_body = wanted;
    ASSERT_OBSERVED(observe(&t, &check), OK, "", "HTTP 200");
    check = check_of("https", tls_port, "/");
    char name[] = "www.example.org";
    char sni[] = "name=www.example.org";
    check.http_host = name;
    check.http_body = sni;
    ASSERT_OBSERVED(observe(&t, &check), OK, "", "HTTP 200");
    char wrong[] = "wrong.example.org"; /* the certificate has no such name */
    check.http_host = wrong;
    check.http_body = (char *)(uintptr_t) "";
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "certificate", "SSL");
    char bad[] = "no host name/at all";
    check.http_host = bad;
    ASSERT_OBSERVED(observe(&t, &check), UNKNOWN, "unsupported", "is not a host name");
}
END_TEST

START_TEST(connection_refused_or_closed)
{
    Ephor__Check check = check_of("http", free_port(), "/");
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "refused", "connection refused");
    ASSERT_OBSERVED(ask("/close"), CRITICAL, "closed", "Empty reply");
}
END_TEST

START_TEST(silent_server_times_out)
{
    uint16_t silent;
    int fd = listen_anywhere(&silent);
    Ephor__Check check = check_of("http", silent, "/");
    check.timeout_ms = 300;
    const struct observation *o = observe(&t, &check);
    ASSERT_OBSERVED(o, CRITICAL, "hung", "connected, but no answer within 300ms");
    ck_assert_int_eq(cause_of(o), EPHOR__CAUSE__CAUSE_HUNG);
    ck_assert_int_lt(o->duration_us, 1500000);
    check = check_of("https", silent, "/");
    check.timeout_ms = 300;
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "hung", "connected, but no answer");
    close(fd);
}
END_TEST

/* A listener whose backlog is full: nobody accepts, so that it is silent and not hung. */
START_TEST(without_a_connection_it_is_silent)
{
    uint16_t full;
    int fd = listen_anywhere(&full);
    int waiting[8];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(full), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(listen(fd, 0), 0);
    for (int i = 0; i < 8; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
    }
    Ephor__Check check = check_of("http", full, "/");
    check.timeout_ms = 300;
    const struct observation *o = observe(&t, &check);
    ASSERT_OBSERVED(o, CRITICAL, "timeout", "no answer within 300ms");
    ck_assert_int_eq(cause_of(o), EPHOR__CAUSE__CAUSE_SILENT);
    for (int i = 0; i < 8; i++)
        close(waiting[i]);
    close(fd);
}
END_TEST

/* nginx sends 100 bytes of it, and the rest a second later. */
START_TEST(slow_answers_are_a_warning)
{
    Ephor__Check check = check_of("http", port, "/");
    check.slow_ms = 60000;
    ASSERT_OBSERVED(observe(&t, &check), OK, "", "HTTP 200 in");
    check = check_of("http", port, "/slow");
    check.slow_ms = 100;
    check.timeout_ms = 15000;
    const struct observation *o = observe(&t, &check);
    ASSERT_OBSERVED(o, WARNING, "slow", "more than 100ms");
    ck_assert_int_eq(cause_of(o), EPHOR__CAUSE__CAUSE_SLOW);
    check = check_of("http", port, "/bad"); /* what is wrong is not slow */
    check.slow_ms = 1;
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "status", "HTTP 502");
}
END_TEST

START_TEST(tls_is_verified)
{
    Ephor__Check check = check_of("https", tls_port, "/");
    const struct observation *o = observe(&t, &check);
    ASSERT_OBSERVED(o, OK, "", "HTTP 200");
    ck_assert_double_gt(perfdata_value(o, "time_tls"), 0);
    char system_ca[] = "";
    check.tls_ca = system_ca; /* does not know our certificate */
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "certificate", "self-signed");
    check.tls_verify = false;
    ASSERT_OBSERVED(observe(&t, &check), OK, "", "HTTP 200");
    check = check_of("https", strange_tls_port, "/");
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "certificate", "");
    char missing[] = "/no/such/ca.pem";
    check.tls_ca = missing;
    ASSERT_OBSERVED(observe(&t, &check), UNKNOWN, "unsupported", "/no/such/ca.pem");
    check = check_of("https", port, "/"); /* no TLS there */
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "protocol", "SSL");
}
END_TEST

START_TEST(certificate_age)
{
    Ephor__Check check = check_of("https", tls_port, "/");
    check.tls_warning_days = 14;
    check.tls_critical_days = 3;
    const struct observation *o = observe(&t, &check);
    ASSERT_OBSERVED(o, OK, "", "HTTP 200");
    ck_assert_double_gt(perfdata_value(o, "certificate"), 29.9);
    ck_assert_double_lt(perfdata_value(o, "certificate"), 30.1);
    check.tls_warning_days = 40;
    ASSERT_OBSERVED(observe(&t, &check), WARNING, "certificate", "ends in 29 days");
    check.tls_critical_days = 35;
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "certificate", "ends in 29 days");
    check = check_of("https", strange_tls_port, "/");
    check.tls_verify = false; /* age is looked at even so */
    check.tls_warning_days = 14;
    ASSERT_OBSERVED(observe(&t, &check), WARNING, "certificate", "ends in 4 days");
    check.http_status_min = 500;
    check.http_status_max = 599; /* the worse news wins */
    ASSERT_OBSERVED(observe(&t, &check), CRITICAL, "status", "HTTP 200, wanted 500-599");
}
END_TEST

START_TEST(connections_are_reused_only_on_request)
{
    Ephor__Check check = check_of("http", port, "/");
    for (int round = 0; round < 3; round++) { /* in the last there is a connection to be had */
        check.keepalive = round == 1;
        ck_assert_int_eq(observe(&t, &check)->state, EPHOR__STATE__STATE_OK);
        double connect_s = perfdata_value(observe(&t, &check), "time_connect");
        ck_assert_msg((connect_s == 0.0) == check.keepalive, "connected in %f s", connect_s);
    }
}
END_TEST

START_TEST(bad_urls_are_told)
{
    static const char *const urls[] = {"ftp://127.0.0.1/", "http://", "not a url",
                                       "file:///etc/passwd"};
    for (int i = 0; i < 4; i++) {
        Ephor__Check check = check_of("http", port, "/");
        check.url = (char *)(uintptr_t)urls[i];
        const struct observation *o = observe(&t, &check);
        ck_assert_msg(o->state == EPHOR__STATE__STATE_UNKNOWN, "%s: %s", urls[i], o->output);
        ck_assert_msg(o->output[0] != '\0', "%s", urls[i]);
    }
}
END_TEST

START_TEST(proxies_of_the_environment_are_ignored)
{
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("all_proxy", "http://127.0.0.1:1/", 1);
    ASSERT_OBSERVED(ask("/"), OK, "", "HTTP 200");
}
END_TEST

START_TEST(cancel_comes_back_once)
{
    uint16_t silent;
    int fd = listen_anywhere(&silent);
    Ephor__Check check = check_of("http", silent, "/");
    struct check_run *run = observe_start(&t, &check);
    check_cancel(run);
    check_cancel(run);
    ASSERT_OBSERVED(observe_end(&t), UNKNOWN, "canceled", "canceled");
    close(fd);
}
END_TEST

static bool has_fds(void *data)
{
    return count_fds() == *(int *)data;
}

/* A name server that never answers, in a mount namespace of this test only: neither the check nor
 * the loop waits for it. */
START_TEST(dead_resolver_does_not_block_the_loop)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
    char path[128];
    inet_pton(AF_INET, "127.0.0.253", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(path, sizeof(path), "%s/resolv.conf", dir);
    FILE *f = fopen(path, "we");
    fputs("nameserver 127.0.0.253\noptions timeout:2 attempts:1\n", f);
    fclose(f);
    if (unshare(CLONE_NEWNS) != 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) != 0) {
        fprintf(stderr, "skipped: needs the right to mount\n");
        close(fd);
        return;
    }
    Ephor__Check check = check_of("http", port, "/");
    check.url = (char *)(uintptr_t) "http://slow.example.org/";
    check.timeout_ms = 300;
    loop_late_max_ms(t.context.loop);
    int fds = count_fds();
    const struct observation *o = observe(&t, &check);
    ck_assert_int_eq(o->state, EPHOR__STATE__STATE_UNKNOWN);
    ck_assert_str_eq(o->reason, "resolve");
    ck_assert_int_lt(o->duration_us, 1000000);
    ASSERT_OBSERVED(ask("/"), OK, "", "HTTP 200");
    ck_assert_int_lt(loop_late_max_ms(t.context.loop), 500);
    ck_assert(wait_until(t.context.loop, has_fds, &fds, 10000)); /* the resolver's thread ended */
    close(fd);
}
END_TEST

START_TEST(name_that_does_not_resolve)
{
    Ephor__Check check = check_of("http", port, "/");
    check.url = (char *)(uintptr_t) "http://no-such-host.invalid/";
    ASSERT_OBSERVED(observe(&t, &check), UNKNOWN, "resolve", "no-such-host.invalid");
    snprintf(url, sizeof(url), "http://localhost:%u/", (unsigned)port);
    check.url = url;
    ASSERT_OBSERVED(observe(&t, &check), OK, "", "HTTP 200"); /* ::1 refuses, 127.0.0.1 answers */
}
END_TEST

static struct {
    int left;
    int good;
} many;

static void on_one_of_many(void *data, const struct observation *o)
{
    (void)data;
    many.left--;
    many.good += o->state == EPHOR__STATE__STATE_OK;
}

static bool all_done(void *data)
{
    (void)data;
    return many.left == 0;
}

START_TEST(many_at_once)
{
    Ephor__Check check = check_of("http", port, "/");
    many.left = 50;
    for (int i = 0; i < 50; i++)
        ck_assert_ptr_nonnull(check_start(&t.context, &check, on_one_of_many, NULL));
    ck_assert(wait_until(t.context.loop, all_done, NULL, 15000));
    ck_assert_int_eq(many.good, 50);
}
END_TEST

int main(void)
{
    if (access("/usr/sbin/nginx", X_OK) != 0 || access("/usr/bin/openssl", X_OK) != 0) {
        fprintf(stderr, "skipped: nginx-light and openssl are needed\n");
        return 77;
    }
    Suite *suite = suite_create("http");
    TCase *tests = tcase_create("observations");
    tcase_add_unchecked_fixture(tests, start_nginx, stop_nginx);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, good_answer);
    tcase_add_test(tests, status_must_be_in_the_range);
    tcase_add_test(tests, body_must_contain_the_text);
    tcase_add_test(tests, large_body_is_cut);
    tcase_add_test(tests, virtual_host);
    tcase_add_test(tests, connection_refused_or_closed);
    tcase_add_test(tests, silent_server_times_out);
    tcase_add_test(tests, without_a_connection_it_is_silent);
    tcase_add_test(tests, slow_answers_are_a_warning);
    tcase_add_test(tests, tls_is_verified);
    tcase_add_test(tests, certificate_age);
    tcase_add_test(tests, connections_are_reused_only_on_request);
    tcase_add_test(tests, bad_urls_are_told);
    tcase_add_test(tests, proxies_of_the_environment_are_ignored);
    tcase_add_test(tests, cancel_comes_back_once);
    tcase_add_test(tests, dead_resolver_does_not_block_the_loop);
    tcase_add_test(tests, name_that_does_not_resolve);
    tcase_add_test(tests, many_at_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
