/* TCP: is there somebody who accepts a connection? Resolves the name (literals need no resolver),
 * connects without blocking, closes. Sends nothing.
 * A resolution cannot be called off: a run that ends before it leaves the tcp_run behind, to be
 * freed by its callback; check_context counts these, so that a dead resolver cannot pile them up.
 */
#include "checks/check_ops.h"

#include "orchestrator/base/text.h"
#include "orchestrator/sys/now.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RESOLVES_MAX = 128 };

struct tcp_run {
    struct check_run *run; /* NULL: told already, a resolution is still under way */
    struct check_context *context;
    struct timer *timer;
    struct watch *watch;
    int fd;
    bool is_resolving;
    uint16_t port;
    int64_t timeout_ms;
    int64_t resolved_us;
    char host[256];
};

/* Give back what the run holds; the tcp_run itself stays while a resolution needs it. */
static void tcp_close(struct tcp_run *tcp)
{
    watch_free(tcp->watch);
    timer_free(tcp->timer);
    if (tcp->fd >= 0)
        close(tcp->fd);
    tcp->watch = NULL;
    tcp->timer = NULL;
    tcp->fd = -1;
    tcp->run = NULL;
    if (!tcp->is_resolving)
        free(tcp);
}

static void tcp_finish(struct tcp_run *tcp)
{
    struct check_run *run = tcp->run;
    tcp_close(tcp);
    check_finish(run);
}

static void say_timeout(struct tcp_run *tcp)
{
    char duration[32];
    text_from_duration(duration, sizeof(duration), tcp->timeout_ms);
    if (tcp->is_resolving) /* says nothing about the target */
        check_say(tcp->run, EPHOR__STATE__STATE_UNKNOWN, "resolve",
                  "name '%s' not resolved within %s", tcp->host, duration);
    else
        check_say(tcp->run, EPHOR__STATE__STATE_CRITICAL, "timeout", "no answer within %s",
                  duration);
}

static void on_deadline(void *data)
{
    struct tcp_run *tcp = data;
    say_timeout(tcp);
    tcp_finish(tcp);
}

/* What a failed connect means: the target does not answer, or we could not ask. */
static void say_failed(struct tcp_run *tcp, int errno_value)
{
    Ephor__State state = EPHOR__STATE__STATE_CRITICAL;
    const char *reason = "closed";
    const char *text = strerror(errno_value);
    int err = err_from_errno(errno_value);
    if (err == ERR_REFUSED) {
        reason = "refused";
        text = "connection refused";
    } else if (err == ERR_UNREACHABLE) {
        reason = "unreachable";
    } else if (err == ERR_TIMEOUT) {
        reason = "timeout";
        text = "no answer";
    } else if (err != ERR_CLOSED) { /* out of ports, descriptors, memory, rights: our side */
        state = EPHOR__STATE__STATE_UNKNOWN;
        reason = "local";
    }
    check_say(tcp->run, state, reason, "%s, port %u", text, (unsigned)tcp->port);
}

static void say_connected(struct tcp_run *tcp)
{
    char duration[32];
    struct check_run *run = tcp->run;
    int64_t now_us = now_mono_us();
    int64_t connect_us = now_us - tcp->resolved_us;
    check_say(run, EPHOR__STATE__STATE_OK, NULL, "connected to port %u in %s", (unsigned)tcp->port,
              check_format_us(duration, sizeof(duration), connect_us));
    text_format(run->observation.perfdata, sizeof(run->observation.perfdata),
                "time=%.6fs;;;0;%.3f time_resolve=%.6fs;;;0",
                (double)(now_us - run->started_us) / 1e6, (double)tcp->timeout_ms / 1e3,
                (double)(tcp->resolved_us - run->started_us) / 1e6);
}

static void on_connect_ready(void *data, int events)
{
    struct tcp_run *tcp = data;
    int errno_value = 0;
    socklen_t size = sizeof(errno_value);
    (void)events;
    if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &errno_value, &size) != 0)
        errno_value = errno;
    if (errno_value == 0)
        say_connected(tcp);
    else
        say_failed(tcp, errno_value);
    tcp_finish(tcp);
}

/* Begin to connect. Returns 0 or an errno value. */
static int tcp_connect(struct tcp_run *tcp, const struct sockaddr *address, socklen_t size)
{
    tcp->resolved_us = now_mono_us();
    tcp->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (tcp->fd < 0)
        return errno;
    if (connect(tcp->fd, address, size) != 0 && errno != EINPROGRESS)
        return errno;
    tcp->watch = watch_new(tcp->context->loop, tcp->fd, on_connect_ready, tcp);
    if (tcp->watch == NULL)
        return ENOMEM;
    watch_set(tcp->watch, WATCH_WRITE);
    return 0;
}

static void on_resolved(void *data, int err, const struct sockaddr *address, socklen_t size)
{
    struct tcp_run *tcp = data;
    tcp->is_resolving = false;
    tcp->context->resolving--;
    if (tcp->run == NULL) {
        free(tcp);
        return;
    }
    if (err != ERR_OK) {
        check_say(tcp->run, EPHOR__STATE__STATE_UNKNOWN, "resolve", "name '%s' does not resolve",
                  tcp->host);
        tcp_finish(tcp);
        return;
    }
    int errno_value = tcp_connect(tcp, address, size);
    if (errno_value != 0) {
        say_failed(tcp, errno_value);
        tcp_finish(tcp);
    }
}

/* An IP literal without the resolver's thread. Returns the address's size, 0 if it is none. */
static socklen_t parse_literal(const char *host, uint16_t port, struct sockaddr_storage *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(address, &v4, sizeof(v4));
        return sizeof(v4);
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(address, &v6, sizeof(v6));
        return sizeof(v6);
    }
    return 0;
}

static int finish_in_start(struct tcp_run *tcp)
{
    struct check_run *run = tcp->run;
    tcp_close(tcp);
    return check_finish_later(run);
}

static int begin(struct tcp_run *tcp)
{
    struct sockaddr_storage address;
    socklen_t size = parse_literal(tcp->host, tcp->port, &address);
    if (size > 0) {
        int errno_value = tcp_connect(tcp, (const struct sockaddr *)&address, size);
        if (errno_value == 0)
            return ERR_OK;
        say_failed(tcp, errno_value);
        return finish_in_start(tcp);
    }
    if (tcp->context->resolving >= RESOLVES_MAX) {
        check_say(tcp->run, EPHOR__STATE__STATE_UNKNOWN, "resolve",
                  "name '%s' not resolved: %d others still wait for the resolver", tcp->host,
                  RESOLVES_MAX);
        return finish_in_start(tcp);
    }
    int err = loop_resolve(tcp->context->loop, tcp->host, tcp->port, on_resolved, tcp);
    if (err != ERR_OK) {
        check_say(tcp->run, EPHOR__STATE__STATE_UNKNOWN, "resolve", "name '%s': %s", tcp->host,
                  err_text(err));
        return finish_in_start(tcp);
    }
    tcp->is_resolving = true;
    tcp->context->resolving++;
    return ERR_OK;
}

static int tcp_start(struct check_run *run, const Ephor__Check *check)
{
    struct tcp_run *tcp = calloc(1, sizeof(*tcp));
    if (tcp == NULL)
        return ERR_NOMEM;
    tcp->run = run;
    tcp->context = run->context;
    tcp->fd = -1;
    tcp->port = (uint16_t)check->port;
    tcp->timeout_ms = check->timeout_ms;
    text_copy(tcp->host, sizeof(tcp->host), check->host);
    tcp->timer = timer_new(run->context->loop, on_deadline, tcp);
    if (tcp->timer == NULL) {
        free(tcp);
        return ERR_NOMEM;
    }
    run->impl = tcp;
    timer_start(tcp->timer, tcp->timeout_ms, 0);
    return begin(tcp);
}

static void tcp_cancel(struct check_run *run)
{
    check_say(run, EPHOR__STATE__STATE_UNKNOWN, "canceled", "canceled");
    tcp_close(run->impl);
    if (check_finish_later(run) != ERR_OK)
        check_finish(run);
}

const struct check_ops check_tcp_ops = {tcp_start, tcp_cancel};
