/* On which nodes is an address configured? Samples every interval on all of them and writes what
 * changed; at the end (SIGTERM, SIGINT or end of standard input) how long it was on two at once,
 * and the longest time on none.
 *
 *   vipwatch ADDRESS INTERVAL_US NAMESPACE...
 *
 * A sample asks each namespace by RTM_GETADDR over a netlink socket that was opened inside it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NODES_MAX = 8, BUFFER_SIZE = 65536 };

static volatile sig_atomic_t is_ended;

static void on_signal(int signo)
{
    (void)signo;
    is_ended = 1;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void fail(const char *what)
{
    fprintf(stderr, "vipwatch: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_netlink(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "/run/netns/%s", name);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
        fail(path);
    close(ns);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        fail("netlink");
    return fd;
}

static bool message_has(const struct nlmsghdr *message, const struct in_addr *wanted)
{
    const struct ifaddrmsg *address = NLMSG_DATA(message);
    int left = (int)IFA_PAYLOAD(message);
    for (const struct rtattr *a = IFA_RTA(address); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == IFA_LOCAL && memcmp(RTA_DATA(a), wanted, sizeof(*wanted)) == 0)
            return true;
    return false;
}

static bool has_address(int fd, const struct in_addr *wanted)
{
    static char buffer[BUFFER_SIZE];
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg body;
    } request = {.header = {.nlmsg_len = sizeof(request),
                            .nlmsg_type = RTM_GETADDR,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .body = {.ifa_family = AF_INET}};
    bool found = false;
    if (send(fd, &request, sizeof(request), 0) < 0)
        fail("send");
    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
        if (n < 0)
            fail("recv");
        int left = (int)n;
        for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, left);
             m = NLMSG_NEXT(m, left)) {
            if (m->nlmsg_type == NLMSG_DONE)
                return found;
            if (m->nlmsg_type == RTM_NEWADDR && message_has(m, wanted))
                found = true;
        }
    }
}

struct watch {
    unsigned holders; /* bit set of the last sample */
    int64_t since_us; /* of the last sample's state */
    int64_t both_us, none_max_us;
    long samples;
};

static void account(struct watch *w, int64_t at_us)
{
    int64_t length_us = at_us - w->since_us;
    if ((w->holders & (w->holders - 1)) != 0)
        w->both_us += length_us;
    if (w->holders == 0 && length_us > w->none_max_us)
        w->none_max_us = length_us;
}

static void sample(struct watch *w, const int *fds, int count, const struct in_addr *wanted,
                   int64_t start_us, char *const *names)
{
    unsigned holders = 0;
    int64_t at_us = now_us();
    for (int i = 0; i < count; i++)
        holders |= has_address(fds[i], wanted) ? 1u << i : 0;
    w->samples++;
    if (holders == w->holders)
        return;
    account(w, at_us);
    w->holders = holders;
    w->since_us = at_us;
    printf("%.3f", (double)(at_us - start_us) / 1e6);
    for (int i = 0; i < count; i++)
        if (holders & 1u << i)
            printf(" %s", names[i]);
    printf("%s\n", holders == 0 ? " -" : "");
    fflush(stdout);
}

static bool input_ended(void)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&p, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

int main(int argc, char **argv)
{
    struct in_addr wanted;
    int fds[NODES_MAX];
    int count = argc - 3;
    if (argc < 4 || count > NODES_MAX || inet_pton(AF_INET, argv[1], &wanted) != 1) {
        fputs("usage: vipwatch ADDRESS INTERVAL_US NAMESPACE...\n", stderr);
        return 64;
    }
    long interval_us = strtol(argv[2], NULL, 10);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    for (int i = 0; i < count; i++)
        fds[i] = open_netlink(argv[3 + i]);
    int64_t start_us = now_us();
    struct watch watch = {.since_us = start_us};
    while (!is_ended && !input_ended()) {
        sample(&watch, fds, count, &wanted, start_us, argv + 3);
        usleep((useconds_t)interval_us);
    }
    account(&watch, now_us());
    printf("samples %ld both_us %lld none_max_us %lld\n", watch.samples, (long long)watch.both_us,
           (long long)watch.none_max_us);
    return watch.both_us == 0 ? 0 : 2;
}
