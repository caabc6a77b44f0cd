/* Watches on which nodes an IPv4 address is configured, every two milliseconds, and tells when two
 * had it at once or none had it. The safety tests of the lab rest on it.
 *
 *   vipwatch [-i MICROSECONDS] ADDRESS NAME=NAMESPACE-FILE...
 *
 * One line of JSON for each change, and one for the whole at the end (SIGTERM, SIGINT, or the end
 * of standard input). Times are milliseconds of CLOCK_MONOTONIC.
 *
 * An address that nft guards there (actions/scripts/lease.sh) is had only while it is alive: behind
 * a guard that is shut nobody sees it.
 *
 * Each node has its own netlink sockets, made in its namespace, so one thread asks all of them. Two
 * nodes count as holding at once only if a node still has the address when it is asked again after
 * the other showed it: a move between two questions is no overlap. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NODES_MAX = 16, ANSWER_SIZE = 32768, INTERVAL_US = 2000, EXIT_FAILED = 71 };
enum { ATTRIBUTE_HEAD = sizeof(struct nlattr) };

static const char guard_table[] = "ephor1";

struct node {
    const char *name;
    int fd, nft_fd;
    bool has_it;
};

struct totals {
    uint64_t rounds;
    double both_ms;     /* two or more at once, proven */
    double none_ms;     /* the longest time without any, between two holders */
    double all_none_ms; /* all such times together */
    double pause_ms;    /* the longest time between two rounds */
    uint32_t moves;
};

struct watch {
    struct in_addr address;
    struct node nodes[NODES_MAX];
    int count;
    struct totals totals;
    double last_ms;     /* of the round before */
    double vanished_ms; /* since when nobody has it; 0: somebody has */
    bool was_both, was_held;
    const char *holder; /* the last one */
};

static volatile sig_atomic_t is_ended;

static void on_signal(int number)
{
    (void)number;
    is_ended = 1;
}

static void die(const char *what, const char *of)
{
    fprintf(stderr, "vipwatch: %s %s: %s\n", what, of, strerror(errno));
    exit(EXIT_FAILED);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1000.0 + (double)t.tv_nsec / 1e6;
}

/* Sockets stay in the namespace in which they were made. */
static void open_netlink(struct node *node, const char *path)
{
    int namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace_fd < 0 || setns(namespace_fd, CLONE_NEWNET) != 0)
        die("cannot enter", path);
    close(namespace_fd);
    node->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    node->nft_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (node->fd < 0 || node->nft_fd < 0)
        die("cannot ask in", path);
}

static void ask(const struct node *node)
{
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg body;
    } request = {.header = {.nlmsg_len = sizeof(request),
                            .nlmsg_type = RTM_GETADDR,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .body = {.ifa_family = AF_INET}};
    if (send(node->fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
        die("cannot ask", node->name);
}

static bool is_address(struct nlmsghdr *header, struct in_addr wanted)
{
    struct ifaddrmsg *body = NLMSG_DATA(header);
    char *at = (char *)IFA_RTA(body), *end = (char *)header + header->nlmsg_len;
    while (end - at >= (ptrdiff_t)sizeof(struct rtattr)) {
        const struct rtattr *a = (const struct rtattr *)at;
        if (a->rta_type == IFA_LOCAL && RTA_PAYLOAD(a) == sizeof(wanted) &&
            memcmp(RTA_DATA(a), &wanted, sizeof(wanted)) == 0)
            return true;
        at += RTA_ALIGN(a->rta_len);
    }
    return false;
}

typedef bool is_wanted_fn(struct nlmsghdr *header, struct in_addr wanted);

/* Read the answer to a dump: is there one that is wanted? */
static bool has_answer(const struct node *node, int fd, is_wanted_fn *is_wanted,
                       struct in_addr wanted)
{
    static _Alignas(struct nlmsghdr) char answer[ANSWER_SIZE];
    bool found = false;
    for (;;) {
        ssize_t size = recv(fd, answer, sizeof(answer), 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            die("no answer of", node->name);
        for (char *at = answer; at < answer + size;) {
            struct nlmsghdr *h = (struct nlmsghdr *)at;
            at += NLMSG_ALIGN(h->nlmsg_len);
            if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
                return found;
            found = found || is_wanted(h, wanted);
        }
    }
}

static bool is_new_address(struct nlmsghdr *header, struct in_addr wanted)
{
    return header->nlmsg_type == RTM_NEWADDR && is_address(header, wanted);
}

static size_t put_text(char *at, uint16_t type, const char *text)
{
    struct nlattr attribute = {.nla_type = type};
    attribute.nla_len = (uint16_t)(ATTRIBUTE_HEAD + strlen(text) + 1);
    memcpy(at, &attribute, sizeof(attribute));
    memcpy(at + ATTRIBUTE_HEAD, text, strlen(text) + 1);
    return (size_t)(attribute.nla_len + 3) & ~(size_t)3;
}

/* An element is a small message: its bytes are looked for, not its structure. */
static bool is_element(struct nlmsghdr *header, struct in_addr wanted)
{
    struct nlattr value = {.nla_len = ATTRIBUTE_HEAD + sizeof(wanted), .nla_type = NFTA_DATA_VALUE};
    char bytes[sizeof(value) + sizeof(wanted)];
    memcpy(bytes, &value, sizeof(value));
    memcpy(bytes + sizeof(value), &wanted, sizeof(wanted));
    return header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM) &&
           memmem(header, header->nlmsg_len, bytes, sizeof(bytes)) != NULL;
}

/* Is it in this set of the guard? The kernel does not tell of elements whose time is over. */
static bool is_in_set(const struct node *node, const char *set, struct in_addr wanted)
{
    struct {
        struct nlmsghdr header;
        struct nfgenmsg body;
        char attributes[128];
    } request = {.header = {.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .body = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0}};
    size_t size = put_text(request.attributes, NFTA_SET_ELEM_LIST_TABLE, guard_table);
    size += put_text(request.attributes + size, NFTA_SET_ELEM_LIST_SET, set);
    size += offsetof(__typeof__(request), attributes);
    request.header.nlmsg_len = (uint32_t)size;
    if (send(node->nft_fd, &request, size, 0) != (ssize_t)size)
        die("cannot ask about the guard of", node->name);
    return has_answer(node, node->nft_fd, is_element, wanted);
}

static bool has_address(const struct node *node, struct in_addr wanted)
{
    ask(node);
    return has_answer(node, node->fd, is_new_address, wanted) &&
           (!is_in_set(node, "owned4", wanted) || is_in_set(node, "alive4", wanted));
}

static void note_change(struct watch *w, struct node *node, bool has_it, double at_ms)
{
    node->has_it = has_it;
    printf("{\"at_ms\":%.3f,\"node\":\"%s\",\"holds\":%s}\n", at_ms, node->name,
           has_it ? "true" : "false");
    fflush(stdout);
    if (!has_it)
        return;
    if (w->holder != NULL && w->holder != node->name)
        w->totals.moves++;
    w->holder = node->name;
}

static void note_none(struct watch *w, int holders, double at_ms)
{
    if (holders == 0 && w->was_held && w->vanished_ms == 0)
        w->vanished_ms = at_ms;
    if (holders > 0 && w->vanished_ms > 0) {
        double none_ms = at_ms - w->vanished_ms;
        w->totals.all_none_ms += none_ms;
        if (none_ms > w->totals.none_ms)
            w->totals.none_ms = none_ms;
        w->vanished_ms = 0;
    }
    w->was_held = w->was_held || holders > 0;
}

/* Do two of those that just showed the address have it together? */
static bool is_both(const struct watch *w)
{
    int still = 0;
    for (int i = 0; i < w->count; i++)
        still += w->nodes[i].has_it && has_address(&w->nodes[i], w->address);
    return still > 1;
}

static void look(struct watch *w)
{
    int holders = 0;
    double at_ms = now_ms();
    for (int i = 0; i < w->count; i++) {
        bool has_it = has_address(&w->nodes[i], w->address);
        if (has_it != w->nodes[i].has_it)
            note_change(w, &w->nodes[i], has_it, now_ms());
        holders += has_it;
    }
    bool both = holders > 1 && is_both(w);
    if (w->totals.rounds++ > 0 && at_ms - w->last_ms > w->totals.pause_ms)
        w->totals.pause_ms = at_ms - w->last_ms;
    if (both) { /* what was seen for a moment lasted for at least that moment */
        double both_ms = w->was_both ? at_ms - w->last_ms : now_ms() - at_ms;
        w->totals.both_ms += both_ms;
    }
    if (both && !w->was_both)
        printf("{\"at_ms\":%.3f,\"both\":true}\n", at_ms);
    w->was_both = both;
    note_none(w, holders, at_ms);
    w->last_ms = at_ms;
}

static void print_totals(const struct watch *w)
{
    const struct totals *t = &w->totals;
    printf("{\"rounds\":%llu,\"both_ms\":%.3f,\"longest_none_ms\":%.3f,\"none_ms\":%.3f,"
           "\"longest_pause_ms\":%.3f,\"moves\":%u}\n",
           (unsigned long long)t->rounds, t->both_ms, t->none_ms, t->all_none_ms, t->pause_ms,
           t->moves);
}

static void run(struct watch *w, long interval_us)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!is_ended) {
        char ignored[64];
        look(w);
        if (poll(&input, 1, 0) > 0 && read(input.fd, ignored, sizeof(ignored)) <= 0)
            break;
        next.tv_nsec += interval_us * 1000;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static void add_node(struct watch *w, char *argument)
{
    char *path = strchr(argument, '=');
    if (path == NULL || w->count == NODES_MAX) {
        fprintf(stderr, "vipwatch: '%s' is not NAME=NAMESPACE-FILE, or one too many\n", argument);
        exit(EXIT_FAILED);
    }
    *path++ = '\0';
    w->nodes[w->count].name = argument;
    open_netlink(&w->nodes[w->count++], path);
}

int main(int argc, char **argv)
{
    struct watch w = {.count = 0};
    struct sigaction action = {.sa_handler = on_signal};
    long interval_us = INTERVAL_US;
    int option;
    while ((option = getopt(argc, argv, "i:")) != -1) {
        interval_us = option == 'i' ? strtol(optarg, NULL, 10) : 0;
        if (interval_us < 100 || interval_us > 999999)
            return EXIT_FAILED;
    }
    if (optind + 1 >= argc || inet_pton(AF_INET, argv[optind], &w.address) != 1) {
        fputs("usage: vipwatch [-i MICROSECONDS] ADDRESS NAME=NAMESPACE-FILE...\n", stderr);
        return EXIT_FAILED;
    }
    for (int i = optind + 1; i < argc; i++)
        add_node(&w, argv[i]);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    puts("{\"started\":true}");
    fflush(stdout);
    run(&w, interval_us);
    print_totals(&w);
    return w.totals.both_ms > 0;
}
