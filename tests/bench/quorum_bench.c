/* Our own engine under the harness of bench.h: SQLite with synchronous=FULL, mutual TLS 1.3 links,
 * the very files that the quorum process links. Compare with libraft_yardstick.c.
 *
 *   quorum_bench --elections 30 --heartbeat 50 --election 300
 *   quorum_bench --commits 5 --outstanding 64
 *
 * The first server founds the cluster and makes the others members, as a controller would.
 * For people; no test. */
#include "tests/bench/bench.h"

#include "orchestrator/base/text.h"
#include "orchestrator/consensus/engine.h"
#include "orchestrator/quorum/mesh.h"
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/pki.h"
#include "orchestrator/sys/pki_file.h"

#include <arpa/inet.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 5, WAIT_US = 2000 };

struct server;

struct client { /* one proposal on its way, and the next one in its place */
    struct server *server;
    int64_t proposed_us;
};

struct server {
    const struct bench_server_params *params;
    struct loop *loop;
    struct engine *engine;
    struct mesh *mesh;
    struct watch *command_watch;
    struct timer *look;
    bool is_leading, is_complete; /* all are voters */
    bool change_is_pending;
    uint64_t count, index;
    struct bench_load load;
    struct client *clients;
    char shared[PATH_MAX];
};

static void die(const char *what, const struct errbuf *e)
{
    fprintf(stderr, "quorum_bench: %s: %s\n", what, e->text);
    exit(EXIT_FAILURE);
}

static void report(struct server *s, enum bench_report_kind kind)
{
    struct bench_report r = {.kind = kind, .index = s->index};
    bench_report_write(s->params->report_fd, &r);
}

/* ---------------------------------------------------------------- the state machine */

static void on_snapshot(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    struct server *s = data;
    (void)term, (void)size;
    memcpy(&s->count, bytes, sizeof(s->count));
    s->index = index;
}

static void on_entry(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    struct server *s = data;
    (void)term, (void)bytes, (void)size;
    s->count++;
    s->index = index;
    if (engine_wants_snapshot(s->engine))
        engine_snapshot(s->engine, index, &s->count, sizeof(s->count));
}

static void on_storage(void *data, int err, const char *text)
{
    (void)data;
    if (err != 0)
        fprintf(stderr, "quorum_bench: %s\n", text);
}

/* ---------------------------------------------------------------- members */

static void on_changed(void *data, int err, uint64_t index)
{
    struct server *s = data;
    (void)err, (void)index;
    s->change_is_pending = false;
}

/* The next step towards three voters; true: there is none. */
static bool grow(struct server *s)
{
    const Ephor__Membership *now = engine_members(s->engine);
    Ephor__Membership m = EPHOR__MEMBERSHIP__INIT;
    Ephor__ClusterMember members[BENCH_SERVERS];
    Ephor__ClusterMember *pointers[BENCH_SERVERS];
    for (size_t i = 0; i < now->n_members; i++) {
        ephor__cluster_member__init(&members[i]);
        members[i].id = now->members[i]->id;
        members[i].kind = EPHOR__MEMBER_KIND__VOTER; /* learners are given their vote */
        pointers[i] = &members[i];
        m.n_members++;
    }
    if (now->members[now->n_members - 1]->kind == EPHOR__MEMBER_KIND__VOTER) {
        if (m.n_members == BENCH_SERVERS)
            return true;
        ephor__cluster_member__init(&members[m.n_members]);
        members[m.n_members].id = (uint32_t)m.n_members + 1;
        members[m.n_members].kind = EPHOR__MEMBER_KIND__LEARNER;
        pointers[m.n_members] = &members[m.n_members];
        m.n_members++;
    }
    m.members = pointers;
    s->change_is_pending = true;
    engine_change(s->engine, &m, on_changed, s);
    return false;
}

static void on_working(void *data, int err, uint64_t index)
{
    (void)index;
    if (err == 0)
        report(data, REPORT_WORKING);
}

static void start_working(struct server *s)
{
    unsigned char bytes[BENCH_ENTRY_BYTES] = {0};
    s->is_complete = true;
    report(s, REPORT_LEADER);
    engine_propose(s->engine, bytes, sizeof(bytes), on_working, s);
}

static void on_look(void *data)
{
    struct server *s = data;
    if (s->is_leading && !s->is_complete && !s->change_is_pending && grow(s))
        start_working(s);
}

static void on_leadership(void *data, bool is_leader, uint64_t term)
{
    struct server *s = data;
    (void)term;
    s->is_leading = is_leader;
    if (!is_leader && s->is_complete)
        report(s, REPORT_FOLLOWER);
    s->is_complete = false;
    if (is_leader && engine_members(s->engine)->n_members == BENCH_SERVERS)
        start_working(s);
}

/* ---------------------------------------------------------------- links */

static void on_send(void *data, uint32_t to, const void *bytes, size_t size)
{
    struct server *s = data;
    mesh_send(s->mesh, to, MESH_LOG, bytes, size);
}

static void on_frame(void *data, uint32_t from, enum mesh_channel channel, const uint8_t *bytes,
                     size_t size)
{
    struct server *s = data;
    if (channel == MESH_LOG)
        engine_receive(s->engine, from, bytes, size);
}

static void on_connected(void *data, uint32_t id, enum mesh_channel channel)
{
    struct server *s = data;
    if (channel == MESH_LOG)
        engine_connected(s->engine, id);
}

static void on_unmet(void *data, uint32_t id, uint64_t incarnation)
{
    (void)data, (void)id, (void)incarnation;
}

static void path_of(const struct server *s, char path[PATH_MAX], const char *kind, int id)
{
    if (!text_format(path, PATH_MAX, "%s/%s.%d", s->shared, kind, id))
        abort();
}

static void write_pem(const struct server *s, const char *kind, int id, const char *pem)
{
    char path[PATH_MAX];
    struct errbuf e;
    path_of(s, path, kind, id);
    if (pki_file_write(path, PKI_FILE_SECRET, pem, &e) != ERR_OK)
        die("write", &e);
}

/* The first server makes the certificates of all; the last file tells that they are there. */
static void make_certificates(const struct server *s)
{
    struct pki_pair ca, pair;
    struct errbuf e;
    if (pki_create_ca("bench", &ca, &e) != ERR_OK)
        die("make the CA", &e);
    for (int id = 1; id <= BENCH_SERVERS; id++) {
        char name[8];
        text_format(name, sizeof(name), "c%d", id);
        struct pki_request request = {.name = name};
        if (pki_issue(&ca, &request, &pair, &e) != ERR_OK)
            die("make a certificate", &e);
        write_pem(s, "cert", id, pair.cert_pem);
        write_pem(s, "key", id, pair.key_pem);
        pki_pair_close(&pair);
    }
    write_pem(s, "ca", 0, ca.cert_pem);
    pki_pair_close(&ca);
}

static struct tls_identity *open_identity(const struct server *s)
{
    char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
    struct tls_identity *identity;
    struct errbuf e;
    path_of(s, ca, "ca", 0);
    path_of(s, cert, "cert", s->params->id);
    path_of(s, key, "key", s->params->id);
    if (s->params->id == 1 && access(ca, R_OK) != 0)
        make_certificates(s);
    while (access(ca, R_OK) != 0)
        usleep(WAIT_US);
    if (tls_identity_open(ca, cert, key, &identity, &e) != ERR_OK)
        die("open the certificates", &e);
    return identity;
}

static int listen_at(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 16) != 0) {
        perror("quorum_bench: listen");
        exit(EXIT_FAILURE);
    }
    return fd;
}

static void set_members(struct server *s)
{
    Ephor__Membership m = EPHOR__MEMBERSHIP__INIT;
    Ephor__ClusterMember members[BENCH_SERVERS];
    Ephor__ClusterMember *pointers[BENCH_SERVERS];
    static uint8_t fingerprints[BENCH_SERVERS][TLS_FINGERPRINT_SIZE];
    static char addresses[BENCH_SERVERS][32];
    struct errbuf e;
    for (int i = 0; i < BENCH_SERVERS; i++) {
        char path[PATH_MAX];
        path_of(s, path, "cert", i + 1);
        if (pki_fingerprint_of_cert(path, fingerprints[i], &e) != ERR_OK)
            die("read a certificate", &e);
        text_format(addresses[i], sizeof(addresses[i]), "127.0.0.1:%u", s->params->ports[i]);
        ephor__cluster_member__init(&members[i]);
        members[i].id = (uint32_t)i + 1;
        members[i].name = members[i].address = addresses[i];
        members[i].fingerprint.data = fingerprints[i];
        members[i].fingerprint.len = TLS_FINGERPRINT_SIZE;
        pointers[i] = &members[i];
    }
    m.members = pointers;
    m.n_members = BENCH_SERVERS;
    mesh_set_members(s->mesh, &m, true);
}

static void open_mesh(struct server *s)
{
    static const struct mesh_ops ops = {on_frame, on_connected, on_unmet};
    struct errbuf e;
    struct tls_identity *identity = open_identity(s);
    struct mesh_params params = {.id = (uint32_t)s->params->id,
                                 .incarnation = engine_incarnation(s->engine),
                                 .identity = identity,
                                 .unheard_max_ms = 1000};
    s->mesh = mesh_new(s->loop, &params, &ops, s);
    if (s->mesh == NULL ||
        mesh_listen(s->mesh, listen_at(s->params->ports[s->params->id - 1]), &e) != ERR_OK)
        die("listen", &e);
    tls_identity_free(identity);
    set_members(s);
}

/* ---------------------------------------------------------------- load */

static void on_committed(void *data, int err, uint64_t index);

static void client_propose(struct client *client)
{
    unsigned char bytes[BENCH_ENTRY_BYTES];
    memset(bytes, 'm', sizeof(bytes));
    client->proposed_us = bench_now_us();
    engine_propose(client->server->engine, bytes, sizeof(bytes), on_committed, client);
}

static void on_committed(void *data, int err, uint64_t index)
{
    struct client *client = data;
    (void)index;
    if (bench_load_answered(&client->server->load, client->proposed_us, err == 0))
        client_propose(client);
}

static void load_begin(struct server *s, const struct bench_command *command)
{
    bench_load_begin(&s->load, s->params, command);
    free(s->clients);
    s->clients = calloc((size_t)command->outstanding, sizeof(*s->clients));
    if (s->clients == NULL)
        abort();
    for (int i = 0; i < command->outstanding; i++) {
        s->clients[i].server = s;
        client_propose(&s->clients[i]);
    }
}

static void on_command(void *data, int events)
{
    struct server *s = data;
    struct bench_command command;
    (void)events;
    int got = bench_command_read(s->params->command_fd, &command);
    if (got < 0 || (got > 0 && command.kind == COMMAND_QUIT))
        loop_stop(s->loop);
    else if (got > 0 && command.kind == COMMAND_LOAD)
        load_begin(s, &command);
    else if (got > 0 && command.kind == COMMAND_APPLIED)
        report(s, REPORT_APPLIED);
}

/* Nothing is closed at the end: the process exits. */
static int run(const struct bench_server_params *params)
{
    static const struct engine_callbacks callbacks = {on_snapshot, on_entry, on_leadership,
                                                      on_storage,  NULL,     on_send};
    struct server *s = calloc(1, sizeof(*s));
    struct errbuf e;
    char dir[PATH_MAX];
    if (s == NULL)
        return EXIT_FAILURE;
    s->params = params;
    text_copy(dir, sizeof(dir), params->dir);
    text_copy(s->shared, sizeof(s->shared), dirname(dir));
    s->loop = loop_new();
    struct engine_params engine_params = {.state_dir = params->dir,
                                          .controller = (uint32_t)params->id,
                                          .joins = params->id != 1,
                                          .election_ms = (uint32_t)params->election_ms,
                                          .heartbeat_ms = (uint32_t)params->heartbeat_ms,
                                          .callbacks = &callbacks,
                                          .data = s};
    if (engine_open(s->loop, &engine_params, &s->engine, &e) != ERR_OK)
        die("open the engine", &e);
    open_mesh(s);
    s->look = timer_new(s->loop, on_look, s);
    timer_start(s->look, LOOK_MS, LOOK_MS);
    s->command_watch = watch_new(s->loop, params->command_fd, on_command, s);
    watch_set(s->command_watch, WATCH_READ);
    loop_run(s->loop);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static const struct bench_server_ops ops = {run};
    return bench_main(argc, argv, "ephor", &ops);
}
