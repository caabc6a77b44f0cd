/* The HTTP server against clients that behave, are slow, greedy, broken or gone. Links libsys and
 * libbase; real sockets on loopback. */
#include "orchestrator/base/buf.h"
#include "orchestrator/sys/http_server.h"
#include "tests/unit/checks_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/un.h>

enum { LIMIT_MS = 5000 };

static const struct http_limits limits = {.connections_max = 16,
                                          .per_address_max = 4,
                                          .idle_s = 30,
                                          .request_max_ms = 400,
                                          .next_request_ms = 800,
                                          .answer_max_ms = 1000,
                                          .body_max = 1000,
                                          .path_max = 100,
                                          .stream_queue_max = 100000};

struct house { /* a server and what its handler saw */
    struct loop *loop;
    struct http_server *server;
    uint16_t port;
    struct http_request *kept, *stream;
    int handled, closed;
    char path[256], query[64], header[64];
    size_t body_size;
    bool has_peer;
    uid_t uid;
};

struct client {
    int fd;
    struct buf in;
    bool is_closed;
    const char *wanted; /* text that is waited for */
};

/* ---------------------------------------------------------------- the handler */

static void on_stream_closed(void *data, struct http_request *request)
{
    struct house *house = data;
    ck_assert_ptr_eq(house->stream, request);
    house->stream = NULL;
    house->closed++;
}

static void say(struct http_request *request, uint32_t status, const char *body)
{
    http_answer(request,
                &(struct http_answer){
                    .status = status, .type = "text/plain", .body = body, .size = strlen(body)});
}

static void on_request(void *data, struct http_request *request)
{
    struct house *house = data;
    const char *query = http_query(request, "q"), *header = http_header(request, "X-Test");
    gid_t gid;
    pid_t pid;
    house->handled++;
    snprintf(house->path, sizeof(house->path), "%s", http_path(request));
    snprintf(house->query, sizeof(house->query), "%s", query == NULL ? "" : query);
    snprintf(house->header, sizeof(house->header), "%s", header == NULL ? "" : header);
    http_body(request, &house->body_size);
    house->has_peer = http_peer(request, &house->uid, &gid, &pid);
    if (strcmp(house->path, "/later") == 0) {
        house->kept = request;
    } else if (strcmp(house->path, "/stream") == 0) {
        house->stream = request;
        ck_assert(http_stream_start(request, "text/event-stream", NULL, on_stream_closed, house));
    } else if (strcmp(house->path, "/big") == 0) {
        static char big[4 << 20];
        memset(big, 'x', sizeof(big) - 1);
        say(request, 200, big);
    } else {
        say(request, http_method(request) == HTTP_OTHER_METHOD ? 405 : 200, "hello");
    }
}

/* ---------------------------------------------------------------- helpers */

static void open_house(struct house *house)
{
    struct errbuf e = {.text = ""};
    *house = (struct house){.loop = loop_new()};
    int fd = listen_anywhere(&house->port);
    house->server = http_server_new(house->loop, fd, &limits, on_request, house, &e);
    ck_assert_msg(house->server != NULL, "%s", e.text);
}

static void close_house(struct house *house)
{
    http_server_free(house->server);
    loop_free(house->loop);
}

static void client_open(struct client *c, const struct house *house)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(house->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    buf_init(&c->in, 16 << 20);
    ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void client_close(struct client *c)
{
    close(c->fd);
    buf_close(&c->in);
}

static void client_send(const struct client *c, const char *text)
{
    ck_assert_int_eq(send(c->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void client_read(struct client *c)
{
    for (;;) {
        char bytes[65536];
        ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
        if (n > 0)
            buf_append(&c->in, bytes, (size_t)n);
        else if (n == 0 || errno != EAGAIN)
            c->is_closed = true;
        if (n <= 0)
            return;
    }
}

static bool has_wanted(void *data)
{
    struct client *c = data;
    client_read(c);
    return strstr(buf_string(&c->in), c->wanted) != NULL;
}

static bool is_closed(void *data)
{
    struct client *c = data;
    client_read(c);
    return c->is_closed;
}

static void expect(struct house *house, struct client *c, const char *wanted)
{
    c->wanted = wanted;
    ck_assert_msg(wait_until(house->loop, has_wanted, c, LIMIT_MS), "no '%s' in '%s'", wanted,
                  buf_string(&c->in));
}

static void expect_closed(struct house *house, struct client *c)
{
    ck_assert_msg(wait_until(house->loop, is_closed, c, LIMIT_MS), "still open: '%s'",
                  buf_string(&c->in));
}

/* Ask and wait for the answer on a fresh connection. */
static void ask(struct house *house, const char *request, const char *wanted)
{
    struct client c;
    client_open(&c, house);
    client_send(&c, request);
    expect(house, &c, wanted);
    client_close(&c);
}

#define HOST "Host: localhost\r\n"

/* ---------------------------------------------------------------- those who behave */

START_TEST(a_request_is_read_and_answered)
{
    struct house house;
    open_house(&house);
    ask(&house, "GET /a%20b?q=1%2F2 HTTP/1.1\r\n" HOST "X-Test: yes\r\n\r\n", "\r\n\r\nhello");
    ck_assert_str_eq(house.path, "/a b");
    ck_assert_str_eq(house.query, "1/2");
    ck_assert_str_eq(house.header, "yes");
    ck_assert(!house.has_peer);
    ask(&house, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n12345", "hello");
    ck_assert_uint_eq(house.body_size, 5);
    ask(&house, "DELETE / HTTP/1.1\r\n" HOST "\r\n", "405");
    close_house(&house);
}
END_TEST

START_TEST(a_connection_serves_many_requests)
{
    struct house house;
    struct client c;
    open_house(&house);
    client_open(&c, &house);
    for (int i = 0; i < 20; i++) {
        buf_clear(&c.in);
        client_send(&c, "GET / HTTP/1.1\r\n" HOST "\r\n");
        expect(&house, &c, "hello");
    }
    ck_assert_int_eq(house.handled, 20);
    client_close(&c);
    close_house(&house);
}
END_TEST

START_TEST(an_answer_may_come_later)
{
    struct house house;
    struct client c;
    open_house(&house);
    client_open(&c, &house);
    client_send(&c, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    ask(&house, "GET / HTTP/1.1\r\n" HOST "\r\n", "hello"); /* others are served meanwhile */
    ck_assert_ptr_nonnull(house.kept);
    say(house.kept, 200, "at last");
    expect(&house, &c, "at last");
    client_close(&c);
    close_house(&house);
}
END_TEST

START_TEST(who_is_there_is_known_on_a_local_socket)
{
    struct house house = {.loop = loop_new()};
    struct errbuf e = {.text = ""};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "ephor-test-%d", (int)getpid());
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    house.server = http_server_new(house.loop, fd, &limits, on_request, &house, &e);
    ck_assert_ptr_nonnull(house.server);
    buf_init(&c.in, 100000);
    ck_assert_int_eq(connect(c.fd, (struct sockaddr *)&name, sizeof(name)), 0);
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    client_send(&c, "GET / HTTP/1.1\r\nHost: anything\r\n\r\n"); /* no name can point here */
    expect(&house, &c, "hello");
    ck_assert(house.has_peer);
    ck_assert_uint_eq(house.uid, getuid());
    client_close(&c);
    close_house(&house);
}
END_TEST

/* ---------------------------------------------------------------- those who do not */

START_TEST(one_byte_now_and_then_is_cut_off)
{
    struct house house;
    struct client c;
    open_house(&house);
    client_open(&c, &house);
    const char *text = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaa";
    int64_t begin_ms = now_mono_ms();
    for (size_t i = 0; text[i] != '\0' && !c.is_closed; i++) {
        if (send(c.fd, text + i, 1, MSG_NOSIGNAL) != 1)
            break;
        wait_until(house.loop, is_closed, &c, 50);
    }
    expect_closed(&house, &c);
    ck_assert_int_lt(now_mono_ms() - begin_ms, 2500);
    ck_assert_int_eq(house.handled, 0);
    client_close(&c);
    close_house(&house);
}
END_TEST

START_TEST(a_trickled_body_is_cut_off)
{
    struct house house;
    struct client c;
    open_house(&house);
    client_open(&c, &house);
    client_send(&c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\n");
    for (int i = 0; i < 100 && !c.is_closed && send(c.fd, "x", 1, MSG_NOSIGNAL) == 1; i++)
        wait_until(house.loop, is_closed, &c, 30);
    expect_closed(&house, &c);
    ck_assert_int_eq(house.handled, 0);
    client_close(&c);
    close_house(&house);
}
END_TEST

START_TEST(silence_is_cut_off)
{
    struct house house;
    struct client silent, used;
    open_house(&house);
    client_open(&silent, &house);
    client_open(&used, &house);
    client_send(&used, "GET / HTTP/1.1\r\n" HOST "\r\n");
    expect(&house, &used, "hello");
    expect_closed(&house, &silent);
    expect_closed(&house, &used); /* after the longer time of a connection in use */
    client_close(&silent);
    client_close(&used);
    close_house(&house);
}
END_TEST

START_TEST(an_answer_that_nobody_takes_is_cut_off)
{
    struct house house;
    struct client c;
    open_house(&house);
    client_open(&c, &house);
    client_send(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    int64_t end_ms = now_mono_ms() + 2000; /* longer than answer_max_ms */
    while (now_mono_ms() < end_ms) {
        struct client idle = {.fd = -1, .wanted = "never"};
        wait_until(house.loop, has_wanted, &idle, 50);
        buf_close(&idle.in);
    }
    expect_closed(&house, &c);
    ck_assert_uint_lt(c.in.size, 4 << 20);
    client_close(&c);
    close_house(&house);
}
END_TEST

START_TEST(too_much_is_refused)
{
    struct house house;
    struct client c;
    static char huge[70000];
    open_house(&house);
    ask(&house, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", "413");
    ask(&house, "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", "HTTP/1.1 4");
    memset(huge, 'a', 200);
    snprintf(huge, sizeof(huge), "GET /%0150d HTTP/1.1\r\n" HOST "\r\n", 1);
    ask(&house, huge, "414");
    ck_assert_uint_ge(http_server_refused(house.server), 2);

    int n = snprintf(huge, sizeof(huge), "GET / HTTP/1.1\r\n" HOST "X-Huge: ");
    memset(huge + n, 'a', sizeof(huge) - (size_t)n - 1);
    client_open(&c, &house);
    (void)!send(c.fd, huge, sizeof(huge) - 1, MSG_NOSIGNAL);
    expect_closed(&house, &c);
    client_close(&c);

    client_open(&c, &house); /* a body without a length that does not end */
    client_send(&c, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 50; i++) {
        (void)!send(c.fd, "64\r\n", 4, MSG_NOSIGNAL);
        (void)!send(c.fd, huge + n, 0x64, MSG_NOSIGNAL);
        (void)!send(c.fd, "\r\n", 2, MSG_NOSIGNAL);
    }
    (void)!send(c.fd, "0\r\n\r\n", 5,
                MSG_NOSIGNAL); /* were it read to the end, it would be handled */
    expect_closed(&house, &c);
    client_close(&c);
    ck_assert_int_eq(house.handled, 0);
    ask(&house, "GET / HTTP/1.1\r\n" HOST "\r\n", "hello"); /* it still serves */
    close_house(&house);
}
END_TEST

START_TEST(odd_paths_and_garbage_do_no_harm)
{
    static const char *const odd[] = {"GET /../../etc/passwd HTTP/1.1\r\n" HOST "\r\n",
                                      "GET /%2e%2e/%2e%2e/x HTTP/1.1\r\n" HOST "\r\n",
                                      "GET /%00%ff%fe HTTP/1.1\r\n" HOST "\r\n",
                                      "GET /\xff\xc0\x80?q=%zz&&=;q HTTP/1.1\r\n" HOST "\r\n",
                                      "GET //// HTTP/1.1\r\n" HOST "\r\n",
                                      "GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n"};
    static const char *const garbage[] = {"\x16\x03\x01\x02", "GET\r\n\r\n", "\r\n\r\n\r\n",
                                          "GET / HTTP/9.9\r\n\r\n",
                                          "GET / HTTP/1.1\r\nno colon\r\n\r\n"};
    struct house house;
    open_house(&house);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        ask(&house, odd[i], "HTTP/1.1 ");
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct client c;
        client_open(&c, &house);
        client_send(&c, garbage[i]);
        shutdown(c.fd, SHUT_WR); /* half open */
        expect_closed(&house, &c);
        client_close(&c);
    }
    ask(&house, "GET / HTTP/1.1\r\n" HOST "\r\n", "hello");
    close_house(&house);
}
END_TEST

START_TEST(one_address_gets_a_few_connections_only)
{
    struct house house;
    struct client c[6];
    int refused = 0;
    open_house(&house);
    for (int i = 0; i < 6; i++)
        client_open(&c[i], &house);
    client_send(&c[0], "GET / HTTP/1.1\r\n" HOST "\r\n");
    expect(&house, &c[0], "hello");
    expect_closed(&house, &c[5]);
    for (int i = 0; i < 6; i++) {
        client_read(&c[i]);
        refused += c[i].is_closed;
    }
    ck_assert_int_eq(refused, 2);
    for (int i = 0; i < 6; i++)
        client_close(&c[i]);
    close_house(&house);
}
END_TEST

START_TEST(a_loopback_listener_has_no_other_name)
{
    struct house house;
    open_house(&house);
    ask(&house, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421");
    ask(&house, "GET / HTTP/1.1\r\nHost: localhost.evil.example:80\r\n\r\n", "421");
    ask(&house, "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", "421");
    ask(&house, "GET / HTTP/1.0\r\n\r\n", "421");
    ck_assert_int_eq(house.handled, 0);
    ask(&house, "GET / HTTP/1.1\r\nHost: LOCALHOST:7480\r\n\r\n", "hello");
    ask(&house, "GET / HTTP/1.1\r\nHost: 127.0.0.1:7480\r\n\r\n", "hello");
    ask(&house, "GET / HTTP/1.1\r\nHost: [::1]:7480\r\n\r\n", "hello");
    close_house(&house);
}
END_TEST

/* ---------------------------------------------------------------- streams, ends */

START_TEST(a_stream_flows_until_the_client_goes)
{
    struct house house;
    struct client c;
    open_house(&house);
    client_open(&c, &house);
    client_send(&c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    expect(&house, &c, "text/event-stream");
    http_stream_send(house.stream, "one\n", 4);
    expect(&house, &c, "one\n");
    int64_t end_ms = now_mono_ms() + 1200; /* longer than the deadlines of requests */
    while (now_mono_ms() < end_ms && !c.is_closed)
        wait_until(house.loop, is_closed, &c, 50);
    http_stream_send(house.stream, "two\n", 4);
    expect(&house, &c, "two\n");
    client_close(&c);
    while (house.stream != NULL) { /* a loss is seen when something is sent */
        struct client idle = {.fd = -1, .wanted = "never"};
        http_stream_send(house.stream, "x", 1);
        wait_until(house.loop, has_wanted, &idle, 10);
        buf_close(&idle.in);
    }
    ck_assert_int_eq(house.closed, 1);
    close_house(&house);
}
END_TEST

START_TEST(a_reader_that_lags_is_cut_off)
{
    struct house house;
    struct client c;
    static char block[50000];
    open_house(&house);
    client_open(&c, &house);
    client_send(&c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    expect(&house, &c, "text/event-stream");
    for (int i = 0; i < 2000 && house.stream != NULL; i++) { /* 100 MB into a full socket */
        struct client idle = {.fd = -1, .wanted = "never"};
        http_stream_send(house.stream, block, sizeof(block));
        wait_until(house.loop, has_wanted, &idle, 3);
        buf_close(&idle.in);
    }
    ck_assert_int_eq(house.closed, 1);
    ck_assert_ptr_null(house.stream);
    client_close(&c);
    close_house(&house);
}
END_TEST

START_TEST(the_end_leaves_nobody_waiting)
{
    struct house house;
    struct client later, stream;
    open_house(&house);
    client_open(&later, &house);
    client_open(&stream, &house);
    client_send(&later, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    client_send(&stream, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    expect(&house, &stream, "text/event-stream");
    ck_assert_ptr_nonnull(house.kept);
    http_server_free(house.server);
    ck_assert_int_eq(house.closed, 1);
    expect_closed(&house, &later);
    expect_closed(&house, &stream);
    client_close(&later);
    client_close(&stream);
    loop_free(house.loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_server");
    TCase *tcase = tcase_create("http_server");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, a_request_is_read_and_answered);
    tcase_add_test(tcase, a_connection_serves_many_requests);
    tcase_add_test(tcase, an_answer_may_come_later);
    tcase_add_test(tcase, who_is_there_is_known_on_a_local_socket);
    tcase_add_test(tcase, one_byte_now_and_then_is_cut_off);
    tcase_add_test(tcase, a_trickled_body_is_cut_off);
    tcase_add_test(tcase, silence_is_cut_off);
    tcase_add_test(tcase, an_answer_that_nobody_takes_is_cut_off);
    tcase_add_test(tcase, too_much_is_refused);
    tcase_add_test(tcase, odd_paths_and_garbage_do_no_harm);
    tcase_add_test(tcase, one_address_gets_a_few_connections_only);
    tcase_add_test(tcase, a_loopback_listener_has_no_other_name);
    tcase_add_test(tcase, a_stream_flows_until_the_client_goes);
    tcase_add_test(tcase, a_reader_that_lags_is_cut_off);
    tcase_add_test(tcase, the_end_leaves_nobody_waiting);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
