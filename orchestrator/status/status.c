/* The status process: links in, sockets out. It reads the results table, follows the log in a
 * second state machine, and serves what both say. Its loss is seen by people only: nothing that
 * guards a service depends on it. */
#include "orchestrator/status/status.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/status/feed.h"
#include "orchestrator/status/requests.h"
#include "orchestrator/status/routes.h"
#include "orchestrator/status/sse.h"
#include "orchestrator/sys/link.h"
#include "orchestrator/sys/now.h"
#include "orchestrator/sys/process.h"

#include <stdlib.h>
#include <unistd.h>

struct status {
    struct process *process;
    struct loop *loop;
    struct feed feed;
    struct routes routes;
    struct link *quorum, *actor;
    bool is_stopping;
};

/* ---------------------------------------------------------------- links to the others */

static void settle(struct status *s)
{
    requests_settle(s->routes.requests);
    consistent_settle(s->routes.consistent);
}

static void link_waiting(struct status *s, struct link *link)
{
    requests_link(s->routes.requests, link);
    consistent_link(s->routes.consistent, link);
}

static void on_quorum_message(void *data, const Ephor__Message *m, int fd)
{
    struct status *s = data;
    if (fd >= 0)
        close(fd);
    if (m->body_case == EPHOR__MESSAGE__BODY_PROPOSED)
        requests_proposed(s->routes.requests, m->proposed);
    else if (m->body_case == EPHOR__MESSAGE__BODY_CLUSTER_REPLY)
        requests_cluster_replied(s->routes.requests, m->cluster_reply);
    else if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_REPLY)
        requests_policy_replied(s->routes.requests, m->policy_reply);
    else if (m->body_case == EPHOR__MESSAGE__BODY_READ_REPLY)
        consistent_replied(s->routes.consistent, m->read_reply);
    else if (feed_take(&s->feed, m))
        settle(s);
    sse_changed(s->routes.sse);
}

static void on_quorum_close(void *data, const char *reason)
{
    struct status *s = data;
    log_warning("link", "the quorum process is gone: %s", reason);
    link_waiting(s, NULL);
    link_free(s->quorum);
    s->quorum = NULL;
    feed_end(&s->feed);
    sse_changed(s->routes.sse);
}

static void on_actor_message(void *data, const Ephor__Message *m, int fd)
{
    struct status *s = data;
    if (fd >= 0)
        close(fd);
    if (m->body_case == EPHOR__MESSAGE__BODY_NODE_CHANNEL)
        feed_take(&s->feed, m);
    sse_changed(s->routes.sse);
}

static void on_actor_close(void *data, const char *reason)
{
    struct status *s = data;
    log_warning("link", "the actor process is gone: %s", reason);
    link_free(s->actor);
    s->actor = NULL;
    feed_lose_channels(&s->feed);
    sse_changed(s->routes.sse);
}

static void on_peer(void *data, Ephor__Role role, uint32_t instance, int fd)
{
    static const struct link_ops quorum_ops = {on_quorum_message, on_quorum_close};
    static const struct link_ops actor_ops = {on_actor_message, on_actor_close};
    struct status *s = data;
    (void)instance;
    if (s->is_stopping || (role != EPHOR__ROLE__QUORUM && role != EPHOR__ROLE__ACTOR)) {
        close(fd);
    } else if (role == EPHOR__ROLE__QUORUM) {
        link_waiting(s, NULL);
        link_free(s->quorum);
        feed_begin(&s->feed);
        s->quorum = link_new(s->loop, fd, &quorum_ops, s);
        link_waiting(s, s->quorum);
    } else {
        link_free(s->actor);
        feed_lose_channels(&s->feed);
        s->actor = link_new(s->loop, fd, &actor_ops, s);
    }
}

/* ---------------------------------------------------------------- from the supervisor */

static void start_listening(struct status *s, const Ephor__Listen *m, int fd)
{
    struct errbuf e = {.text = ""};
    if (s->routes.server_count == SERVERS_MAX) {
        log_error("listen", "more than %d sockets to serve", SERVERS_MAX);
        close(fd);
        return;
    }
    struct http_server *server =
        http_server_new(s->loop, fd, &http_limits_default, routes_answer, &s->routes, &e);
    if (server == NULL)
        log_error("listen", "%s: %s", m->name, e.text);
    else
        s->routes.servers[s->routes.server_count++] = server;
}

static void start_results(struct status *s, int fd)
{
    observed_close(s->feed.results);
    s->feed.results = observed_open(fd);
    if (s->feed.results == NULL)
        log_error("results", "the results table cannot be read");
}

static void on_message(void *data, const Ephor__Message *m, int fd)
{
    struct status *s = data;
    if (m->body_case == EPHOR__MESSAGE__BODY_LISTEN && fd >= 0 && !s->is_stopping)
        start_listening(s, m->listen, fd);
    else if (m->body_case == EPHOR__MESSAGE__BODY_RESULTS_TABLE && fd >= 0)
        start_results(s, fd);
    else if (fd >= 0)
        close(fd);
    if (m->body_case == EPHOR__MESSAGE__BODY_PROCESS_STATE ||
        m->body_case == EPHOR__MESSAGE__BODY_RELOADED)
        feed_take(&s->feed, m);
    if (m->body_case == EPHOR__MESSAGE__BODY_POLICY_REPLY && !s->is_stopping)
        requests_policy_replied(s->routes.requests, m->policy_reply);
    if (!s->is_stopping)
        sse_changed(s->routes.sse);
}

static void on_setup(void *data, const Ephor__Setup *setup)
{
    struct status *s = data;
    struct operators *operators = &s->routes.operators;
    s->feed.controller = setup->controller;
    text_copy(s->feed.controller_name, sizeof(s->feed.controller_name), setup->controller_name);
    text_copy(s->feed.config_path, sizeof(s->feed.config_path), setup->config_path);
    *operators = (struct operators){.gid = setup->operator_gid};
    for (size_t i = 0; i < setup->n_operator_uids && i < OPERATORS_MAX; i++)
        operators->uids[operators->uid_count++] = setup->operator_uids[i];
}

static int on_start(void *data, struct process *process, const Ephor__Setup *setup,
                    struct errbuf *e)
{
    struct status *s = data;
    s->process = process;
    s->loop = process_loop(process);
    s->feed.started_wall_ms = now_wall_ms();
    routes_init(&s->routes);
    s->routes.feed = &s->feed;
    s->routes.requests = requests_new(s->loop, process, &s->feed, &s->routes.counts);
    s->routes.consistent = consistent_new(s->loop, &s->feed, routes_answer_confirmed, &s->routes);
    s->routes.sse = sse_new(s->loop, &s->feed);
    if (s->routes.requests == NULL || s->routes.consistent == NULL || s->routes.sse == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    on_setup(s, setup);
    process_ready(process);
    return ERR_OK;
}

/* In this order: whoever waits is answered, then the sockets close (which ends the streams), then
 * what served them goes. */
static void on_stop(void *data)
{
    struct status *s = data;
    s->is_stopping = s->routes.is_ending = true;
    requests_free(s->routes.requests);
    consistent_free(s->routes.consistent);
    for (uint32_t i = 0; i < s->routes.server_count; i++)
        http_server_free(s->routes.servers[i]);
    sse_free(s->routes.sse);
    link_free(s->quorum);
    link_free(s->actor);
    process_done(s->process);
}

int status_main(uint32_t instance, int control_fd)
{
    static const struct process_ops ops = {on_start, on_setup, on_peer, on_message, on_stop};
    struct status *s = calloc(1, sizeof(*s));
    int status = 71;
    if (s != NULL && feed_init(&s->feed) == ERR_OK)
        status = process_run(EPHOR__ROLE__STATUS, instance, control_fd, &ops, s);
    if (s != NULL)
        feed_close(&s->feed);
    free(s);
    return status;
}
