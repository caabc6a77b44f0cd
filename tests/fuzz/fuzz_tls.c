/* Any bytes as a client of the TLS server: refused and counted, never a crash, never a link. For
 * libFuzzer. The first byte says in how many pieces the rest arrives. */
#include "orchestrator/sys/pki.h"
#include "orchestrator/sys/pki_file.h"
#include "orchestrator/sys/tls_server.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct loop *loop;
    struct timer *timer;
    struct tls_server *server;
    struct sockaddr_in address;
    uint64_t refused_before;
};

static void need(int is_true)
{
    if (!is_true)
        abort();
}

static struct tls_identity *make_identity(void)
{
    char folder[] = "/tmp/ephor-fuzz-XXXXXX";
    char ca_path[64], cert_path[64], key_path[64];
    struct pki_pair ca, own;
    struct tls_identity *identity;
    struct pki_request request = {.name = "fuzzed"};
    need(mkdtemp(folder) != NULL);
    snprintf(ca_path, sizeof(ca_path), "%s/ca", folder);
    snprintf(cert_path, sizeof(cert_path), "%s/cert", folder);
    snprintf(key_path, sizeof(key_path), "%s/key", folder);
    need(pki_create_ca("fuzz CA", &ca, NULL) == ERR_OK);
    need(pki_issue(&ca, &request, &own, NULL) == ERR_OK);
    need(pki_file_write(ca_path, PKI_FILE_PUBLIC, ca.cert_pem, NULL) == ERR_OK);
    need(pki_file_write(cert_path, PKI_FILE_PUBLIC, own.cert_pem, NULL) == ERR_OK);
    need(pki_file_write(key_path, PKI_FILE_SECRET, own.key_pem, NULL) == ERR_OK);
    need(tls_identity_open(ca_path, cert_path, key_path, &identity, NULL) == ERR_OK);
    unlink(ca_path);
    unlink(cert_path);
    unlink(key_path);
    rmdir(folder);
    pki_pair_close(&ca);
    pki_pair_close(&own);
    return identity;
}

static void on_link(void *data, struct tls_link *link, const struct tls_peer *peer)
{
    (void)data;
    (void)link;
    (void)peer;
    abort(); /* nobody without a key of the CA gets here */
}

static const struct tls_server_ops ops = {.on_link = on_link};

static uint64_t refused(const struct world *world)
{
    struct tls_server_counts c = tls_server_counts(world->server);
    need(c.accepted == 0 && c.links == 0 && c.floods == 0 && c.too_many == 0);
    return c.strangers + c.bad_certificates + c.bad_protocols + c.garbage + c.timeouts + c.lost;
}

static void on_turn(void *data)
{
    struct world *world = data;
    loop_stop(world->loop);
}

static void open_world(struct world *world)
{
    socklen_t size = sizeof(world->address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct tls_server_params params = {.identity = make_identity(),
                                       .alpn = {"ephor-quorum/1", NULL},
                                       .limits = {1 << 20, 1 << 20, 60000},
                                       .handshakes_max = 4,
                                       .links_max = 4};
    world->address.sin_family = AF_INET;
    world->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(bind(fd, (struct sockaddr *)&world->address, size) == 0 && listen(fd, 16) == 0);
    need(getsockname(fd, (struct sockaddr *)&world->address, &size) == 0);
    world->loop = loop_new();
    world->server = tls_server_new(world->loop, fd, &params, &ops, NULL, NULL);
    need(world->server != NULL);
    tls_identity_free(params.identity);
}

/* One look at what is ready. */
static void turn(struct world *world)
{
    world->timer = timer_new(world->loop, on_turn, world);
    timer_start(world->timer, 0, 0);
    loop_run(world->loop);
    timer_free(world->timer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    if (world.loop == NULL)
        open_world(&world);
    if (size < 2)
        return 0;
    size_t pieces = 1 + data[0] % 4;
    size_t step = (size - 1 + pieces - 1) / pieces;
    world.refused_before = refused(&world);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct linger none = {.l_onoff = 1, .l_linger = 0}; /* or the ports are used up soon */
    need(connect(fd, (struct sockaddr *)&world.address, sizeof(world.address)) == 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    for (size_t at = 1; at < size; at += step) {
        send(fd, data + at, size - at < step ? size - at : step, MSG_NOSIGNAL);
        turn(&world);
    }
    shutdown(fd, SHUT_WR);
    while (refused(&world) == world.refused_before) /* else libFuzzer tells of the time-out */
        turn(&world);
    close(fd);
    need(tls_server_counts(world.server).handshakes == 0);
    return 0;
}
