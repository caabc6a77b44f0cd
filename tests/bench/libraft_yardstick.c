/* A yardstick for our own engine: what Debian's libraft, which does the same work, takes for an
 * election, a commit and in memory, on the same machine and with the same harness (bench.h).
 * Every setting is the library's default, but for pre-vote and what the arguments say. An entry is
 * proposed by one raft_apply(), as clients that know nothing of each other would do.
 * Needs libraft-dev 0.15, which Ephor itself does not; therefore no part of the build:
 *
 *   cc -O2 -Wall -Wextra -Wconversion -std=gnu11 -I. -o yardstick \
 *       tests/bench/libraft_yardstick.c tests/bench/bench.c -lraft -luv
 *   ./yardstick --elections 30 --heartbeat 100 --election 1000
 *   ./yardstick --commits 5 --outstanding 64
 *
 * For people; no test.
 */
#include "tests/bench/bench.h"

#include <raft.h>
#include <raft/uv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_BYTES = 32 };

struct server;

struct client { /* one proposal on its way, and the next one in its place */
    struct server *server;
    struct raft_apply request;
    int64_t proposed_us;
};

struct server {
    const struct bench_server_params *params;
    struct uv_loop_s loop;
    struct uv_prepare_s role_watch;
    struct uv_poll_s command_watch;
    struct raft_uv_transport transport;
    struct raft_io io;
    struct raft_fsm fsm;
    struct raft raft;
    bool is_leader;
    struct raft_apply first_request; /* of a new leader */
    uint64_t count;                  /* the whole state of the state machine */
    struct bench_load load;
    struct client *clients;
};

/* ---------------------------------------------------------------- state machine */

static int on_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct server *server = fsm->data;
    (void)buf;
    server->count++;
    *result = NULL;
    return 0;
}

static int on_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct server *server = fsm->data;
    struct raft_buffer *buf = raft_malloc(sizeof(*buf));
    if (buf == NULL)
        return RAFT_NOMEM;
    buf->len = sizeof(server->count);
    buf->base = raft_malloc(buf->len);
    if (buf->base == NULL) {
        raft_free(buf);
        return RAFT_NOMEM;
    }
    memcpy(buf->base, &server->count, buf->len);
    *bufs = buf;
    *n_bufs = 1;
    return 0;
}

static int on_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct server *server = fsm->data;
    if (buf->len != sizeof(server->count))
        return RAFT_MALFORMED;
    memcpy(&server->count, buf->base, buf->len);
    raft_free(buf->base); /* ours, once this function succeeds */
    return 0;
}

/* ---------------------------------------------------------------- proposals */

static void report(const struct server *server, enum bench_report_kind kind)
{
    struct bench_report r = {.kind = kind,
                             .index = raft_last_applied((struct raft *)&server->raft)};
    bench_report_write(server->params->report_fd, &r);
}

static int propose(struct server *server, struct raft_apply *request, raft_apply_cb cb)
{
    struct raft_buffer buf = {.base = raft_malloc(BENCH_ENTRY_BYTES), .len = BENCH_ENTRY_BYTES};
    if (buf.base == NULL)
        return RAFT_NOMEM;
    memset(buf.base, 'm', buf.len);
    int rv = raft_apply(&server->raft, request, &buf, 1, cb);
    if (rv != 0)
        raft_free(buf.base);
    return rv;
}

static void on_first_committed(struct raft_apply *request, int status, void *result)
{
    (void)result;
    if (status == 0)
        report(request->data, REPORT_WORKING);
}

static void on_committed(struct raft_apply *request, int status, void *result);

static void client_propose(struct client *client)
{
    client->proposed_us = bench_now_us();
    if (propose(client->server, &client->request, on_committed) != 0)
        bench_load_answered(&client->server->load, client->proposed_us, false);
}

static void on_committed(struct raft_apply *request, int status, void *result)
{
    struct client *client = request->data;
    (void)result;
    if (bench_load_answered(&client->server->load, client->proposed_us, status == 0))
        client_propose(client);
}

static void load_begin(struct server *server, const struct bench_command *command)
{
    bench_load_begin(&server->load, server->params, command);
    free(server->clients);
    server->clients = calloc((size_t)command->outstanding, sizeof(*server->clients));
    if (server->clients == NULL)
        abort();
    for (int i = 0; i < command->outstanding; i++) {
        server->clients[i].server = server;
        server->clients[i].request.data = &server->clients[i];
        client_propose(&server->clients[i]);
    }
}

/* ---------------------------------------------------------------- events */

/* Runs each time before the loop waits: no change of role can go unseen for longer than the
 * callback in which it happened. */
static void on_before_wait(struct uv_prepare_s *watch)
{
    struct server *server = watch->data;
    bool is_leader = raft_state(&server->raft) == RAFT_LEADER;
    if (is_leader == server->is_leader)
        return;
    server->is_leader = is_leader;
    report(server, is_leader ? REPORT_LEADER : REPORT_FOLLOWER);
    if (is_leader && propose(server, &server->first_request, on_first_committed) != 0)
        fprintf(stderr, "server %d: the new leader takes no entry\n", server->params->id);
}

static void on_command(struct uv_poll_s *watch, int status, int events)
{
    struct server *server = watch->data;
    struct bench_command command;
    (void)status, (void)events;
    int got = bench_command_read(server->params->command_fd, &command);
    if (got < 0 || (got > 0 && command.kind == COMMAND_QUIT))
        uv_stop(&server->loop);
    else if (got > 0 && command.kind == COMMAND_LOAD)
        load_begin(server, &command);
    else if (got > 0 && command.kind == COMMAND_APPLIED)
        report(server, REPORT_APPLIED);
}

/* ---------------------------------------------------------------- start */

static void address_of(const struct server *server, int id, char address[ADDRESS_BYTES])
{
    snprintf(address, ADDRESS_BYTES, "127.0.0.1:%d", server->params->ports[id - 1]);
}

static int bootstrap(struct server *server)
{
    struct raft_configuration configuration;
    char address[ADDRESS_BYTES];
    int rv = 0;
    raft_configuration_init(&configuration);
    for (int id = 1; id <= BENCH_SERVERS && rv == 0; id++) {
        address_of(server, id, address);
        rv = raft_configuration_add(&configuration, (raft_id)id, address, RAFT_VOTER);
    }
    if (rv == 0)
        rv = raft_bootstrap(&server->raft, &configuration);
    raft_configuration_close(&configuration);
    return rv;
}

static int start(struct server *server)
{
    const struct bench_server_params *params = server->params;
    char address[ADDRESS_BYTES];
    address_of(server, params->id, address);
    server->transport.data = server;
    int rv = raft_uv_tcp_init(&server->transport, &server->loop);
    if (rv == 0)
        rv = raft_uv_init(&server->io, &server->loop, params->dir, &server->transport);
    if (rv == 0)
        rv = raft_init(&server->raft, &server->io, &server->fsm, (raft_id)params->id, address);
    if (rv == 0 && !params->is_restart)
        rv = bootstrap(server);
    if (rv != 0)
        return rv;
    raft_set_heartbeat_timeout(&server->raft, (unsigned)params->heartbeat_ms);
    raft_set_election_timeout(&server->raft, (unsigned)params->election_ms);
    raft_set_pre_vote(&server->raft, true);
    return raft_start(&server->raft);
}

static int watch(struct server *server)
{
    server->role_watch.data = server;
    server->command_watch.data = server;
    server->first_request.data = server;
    int rv = uv_prepare_init(&server->loop, &server->role_watch);
    if (rv == 0)
        rv = uv_prepare_start(&server->role_watch, on_before_wait);
    if (rv == 0)
        rv = uv_poll_init(&server->loop, &server->command_watch, server->params->command_fd);
    if (rv == 0)
        rv = uv_poll_start(&server->command_watch, UV_READABLE, on_command);
    return rv;
}

/* Nothing is closed at the end: the process exits. */
static int run(const struct bench_server_params *params)
{
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return EXIT_FAILURE;
    server->params = params;
    server->fsm = (struct raft_fsm){.version = 1,
                                    .data = server,
                                    .apply = on_apply,
                                    .snapshot = on_snapshot,
                                    .restore = on_restore};
    int rv = uv_loop_init(&server->loop);
    if (rv == 0)
        rv = start(server);
    if (rv != 0) {
        fprintf(stderr, "server %d: %s (%s)\n", params->id, raft_errmsg(&server->raft),
                raft_strerror(rv));
        return EXIT_FAILURE;
    }
    rv = watch(server);
    if (rv != 0) {
        fprintf(stderr, "server %d: %s\n", params->id, uv_strerror(rv));
        return EXIT_FAILURE;
    }
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static const struct bench_server_ops ops = {run};
    return bench_main(argc, argv, "libraft", &ops);
}
