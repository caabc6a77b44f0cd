/* For the tests of checks and programs: run the loop until something is true, count descriptors,
 * take a free port. */
#ifndef TESTS_CHECKS_FIXTURE_H
#define TESTS_CHECKS_FIXTURE_H

#include "orchestrator/sys/loop.h"
#include "orchestrator/sys/now.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef bool condition_fn(void *data);

struct waiting {
    struct loop *loop;
    condition_fn *is_true;
    void *data;
    int64_t deadline_ms;
    bool result;
};

static void on_look(void *data)
{
    struct waiting *w = data;
    w->result = w->is_true(w->data);
    if (w->result || now_mono_ms() >= w->deadline_ms)
        loop_stop(w->loop);
}

/* Run the loop until the condition is true (looked at every 2 ms); false after limit_ms. */
static inline bool wait_until(struct loop *loop, condition_fn *is_true, void *data,
                              int64_t limit_ms)
{
    struct waiting w = {loop, is_true, data, now_mono_ms() + limit_ms, false};
    struct timer *timer = timer_new(loop, on_look, &w);
    timer_start(timer, 0, 2);
    loop_run(loop);
    timer_free(timer);
    return w.result;
}

static inline int count_fds(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* A listening socket on a free port of 127.0.0.1. */
static inline int listen_anywhere(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* A port where nobody listens. */
static inline uint16_t free_port(void)
{
    uint16_t port;
    close(listen_anywhere(&port));
    return port;
}

#endif
