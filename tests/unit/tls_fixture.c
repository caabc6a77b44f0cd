/* The world of the TLS tests: see tls_fixture.h. */
#include "tests/unit/tls_fixture.h"

#include "orchestrator/sys/now.h"
#include "orchestrator/sys/pki_file.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEADLINE_MS = TLS_TEST_DEADLINE_MS };

struct loop *loop;
struct tls_server *server;
uint16_t port;
struct pki_pair ca;
struct tls_identity *id_a, *id_b, *id_stranger;
struct side accepted[SIDES_MAX];
int accepted_count;
bool refuse_links, echo_links, free_accepted_on_frame;
uint8_t unknown[TLS_FINGERPRINT_SIZE];
struct errbuf e;
struct side me;
int frames_wanted;
uint64_t refusals_wanted;

static char folder[64];
static struct pki_pair other_ca;

/* ---- sides */

uint32_t checksum_of(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 2166136261U;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 16777619U;
    return sum;
}

void side_free(struct side *side)
{
    tls_link_free(side->link);
    side->link = NULL;
}

static void on_open(void *data, const struct tls_peer *peer)
{
    struct side *side = data;
    side->opened++;
    side->peer = *peer;
    if (side->free_on_open)
        side_free(side);
}

static void on_frame(void *data, const uint8_t *bytes, size_t size)
{
    struct side *side = data;
    side->frames++;
    side->bytes += size;
    side->last_size = size;
    if (size > 1000)
        side->checksum = checksum_of(bytes, size);
    if (side->echoes)
        ck_assert_int_eq(tls_link_send(side->link, bytes, size), ERR_OK);
    if (side->free_on_frame)
        side_free(side);
}

static void on_close(void *data, int err, const char *reason)
{
    struct side *side = data;
    side->closed++;
    side->err = err;
    snprintf(side->reason, sizeof(side->reason), "%s", reason);
    if (side->free_on_close)
        side_free(side);
}

const struct tls_link_ops side_ops = {on_open, on_frame, on_close};

static void on_link(void *data, struct tls_link *link, const struct tls_peer *peer)
{
    (void)data;
    if (refuse_links)
        return;
    struct side *side = &accepted[accepted_count++];
    ck_assert_int_le(accepted_count, SIDES_MAX);
    side->link = link;
    side->peer = *peer;
    side->echoes = echo_links;
    side->free_on_frame = free_accepted_on_frame;
    tls_link_adopt(link, &side_ops, side);
}

static bool is_known(void *data, const uint8_t fingerprint[TLS_FINGERPRINT_SIZE])
{
    (void)data;
    return memcmp(fingerprint, unknown, sizeof(unknown)) != 0;
}

static const struct tls_server_ops server_ops = {on_link, is_known};

/* ---- waiting */

static bool (*wanted)(void);

static void on_look(void *data)
{
    (void)data;
    if (wanted())
        loop_stop(loop);
}

static void on_deadline(void *data)
{
    ck_abort_msg("not within the deadline: %s", (const char *)data);
}

void wait_until(bool (*condition)(void), const char *name)
{
    static char text[64];
    struct timer *look = timer_new(loop, on_look, NULL);
    struct timer *deadline = timer_new(loop, on_deadline, text);
    snprintf(text, sizeof(text), "%s", name);
    wanted = condition;
    timer_start(look, 0, 1);
    timer_start(deadline, DEADLINE_MS, 0);
    loop_run(loop);
    timer_free(look);
    timer_free(deadline);
}

/* ---- the world */

struct tls_identity *make_identity(const struct pki_pair *by, const char *name,
                                   int64_t until_wall_s)
{
    char paths[3][128];
    struct pki_pair pair;
    struct tls_identity *identity;
    struct pki_request request = {.name = name, .valid_until_wall_s = until_wall_s};
    ck_assert_msg(pki_issue(by, &request, &pair, &e) == ERR_OK, "%s", e.text);
    const char *texts[3] = {by->cert_pem, pair.cert_pem, pair.key_pem};
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/%d.pem", folder, i);
        ck_assert_int_eq(
            pki_file_write(paths[i], i == 2 ? PKI_FILE_SECRET : PKI_FILE_PUBLIC, texts[i], &e),
            ERR_OK);
    }
    ck_assert_msg(tls_identity_open(paths[0], paths[1], paths[2], &identity, &e) == ERR_OK, "%s",
                  e.text);
    for (int i = 0; i < 3; i++)
        unlink(paths[i]);
    pki_pair_close(&pair);
    return identity;
}

struct tls_server_params default_params(void)
{
    return (struct tls_server_params){
        .identity = id_a,
        .alpn = {"ephor-quorum/1", "ephor-join/1", NULL},
        .limits = {.frame_max = FRAME_MAX, .queue_max = QUEUE_MAX, .handshake_max_ms = 10000},
        .handshakes_max = 8,
        .links_max = 32,
        .per_second_max = 0,
    };
}

void serve(const struct tls_server_params *params)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    port = ntohs(address.sin_port);
    server = tls_server_new(loop, fd, params, &server_ops, NULL, &e);
    ck_assert_msg(server != NULL, "%s", e.text);
}

void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ephor-tls-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(pki_create_ca("cluster CA", &ca, &e), ERR_OK);
    ck_assert_int_eq(pki_create_ca("cluster CA", &other_ca, &e), ERR_OK);
    id_a = make_identity(&ca, "ctl-a", 0);
    id_b = make_identity(&ca, "ctl-b", 0);
    id_stranger = make_identity(&other_ca, "ctl-b", 0);
    loop = loop_new();
}

void teardown(void)
{
    tls_server_free(server);
    for (int i = 0; i < accepted_count; i++)
        side_free(&accepted[i]);
    loop_free(loop);
    tls_identity_free(id_a);
    tls_identity_free(id_b);
    tls_identity_free(id_stranger);
    pki_pair_close(&ca);
    pki_pair_close(&other_ca);
    rmdir(folder);
}

struct tls_connect_params to_server(struct tls_identity *identity)
{
    return (struct tls_connect_params){
        .identity = identity,
        .host = "127.0.0.1",
        .port = port,
        .alpn = "ephor-quorum/1",
        .limits = {.frame_max = FRAME_MAX, .queue_max = QUEUE_MAX, .handshake_max_ms = 10000},
    };
}

void connect_with(struct side *side, const struct tls_connect_params *params)
{
    ck_assert_msg(tls_connect(loop, params, &side_ops, side, &side->link, &e) == ERR_OK, "%s",
                  e.text);
}

void connect_as(struct side *side, struct tls_identity *identity)
{
    struct tls_connect_params params = to_server(identity);
    connect_with(side, &params);
}

int raw_connect(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* ---- conditions; `me` is the connecting side of a test */

uint64_t refusals(void)
{
    struct tls_server_counts c = tls_server_counts(server);
    return c.strangers + c.bad_certificates + c.bad_protocols + c.garbage + c.timeouts + c.lost +
           c.floods + c.too_many;
}

bool is_open(void)
{
    return (me.opened > 0 && accepted_count > 0) || me.closed > 0;
}

bool is_over(void)
{
    return me.closed > 0;
}

bool has_frames(void)
{
    return me.frames >= frames_wanted || me.closed > 0;
}

bool peer_has_frames(void)
{
    return accepted[0].frames >= frames_wanted || accepted[0].closed > 0;
}

bool peer_is_over(void)
{
    return accepted[0].closed > 0;
}

bool are_refused(void)
{
    return refusals() >= refusals_wanted;
}

bool is_over_and_refused(void)
{
    return me.closed > 0 && are_refused();
}

void open_me(void)
{
    struct tls_server_params params = default_params();
    serve(&params);
    connect_as(&me, id_b);
    WAIT(is_open);
    ck_assert_msg(me.closed == 0, "%s", me.reason);
}

/* Expect that the connection of `me` ends before it was open, with these words. */
void expect_failure(int err, const char *says)
{
    WAIT(is_over);
    ck_assert_int_eq(me.opened, 0);
    ck_assert_int_eq(me.closed, 1);
    ck_assert_msg(strstr(me.reason, says) != NULL, "'%s' is not in: %s", says, me.reason);
    ck_assert_int_eq(me.err, err);
    ck_assert_int_eq(accepted_count, 0);
    side_free(&me);
}
