/* A client that tries to connect to an address all the time, and tells how long it could not.
 *
 *   vippoll [-i MICROSECONDS] [-t MILLISECONDS] ADDRESS PORT
 *
 * Every 2 ms (-i) a new connection is begun, whatever became of those before; one that is not there
 * after 500 ms (-t) has failed. At the end (SIGTERM, SIGINT,
 * or the end of standard input) one line of JSON: the longest time
 * between two attempts that succeeded with none in between that did, by when they were begun. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ATTEMPTS_MAX = 1024, INTERVAL_US = 2000, TIMEOUT_MS = 500, EXIT_FAILED = 71 };

struct attempt {
    int fd;
    double begun_ms;
};

static struct attempt attempts[ATTEMPTS_MAX]; /* a ring: those under way */
static uint32_t first, last;
static double good[ATTEMPTS_MAX];
static double newest_good_ms, longest_ms;
static uint64_t tried, succeeded;
static volatile sig_atomic_t is_ended;

static void on_signal(int number)
{
    (void)number;
    is_ended = 1;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1000.0 + (double)t.tv_nsec / 1e6;
}

static void begin(const struct sockaddr_in *address)
{
    const struct linger at_once = {.l_onoff = 1};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    tried++;
    if (fd < 0 || last - first == ATTEMPTS_MAX)
        exit(EXIT_FAILED);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    attempts[last % ATTEMPTS_MAX] = (struct attempt){.fd = fd, .begun_ms = now_ms()};
    good[last % ATTEMPTS_MAX] = -1;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno != EINPROGRESS) { /* no route, for example */
        close(fd);
        attempts[last % ATTEMPTS_MAX].fd = -1;
    }
    last++;
}

/* 1: it is there, 0: not yet, -1: it failed */
static int outcome(const struct attempt *attempt, double timeout_ms)
{
    struct pollfd p = {.fd = attempt->fd, .events = POLLOUT};
    int problem = 0;
    socklen_t size = sizeof(problem);
    if (attempt->fd < 0)
        return -1;
    if (poll(&p, 1, 0) <= 0)
        return now_ms() - attempt->begun_ms > timeout_ms ? -1 : 0;
    getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    return problem == 0 && (p.revents & POLLOUT) ? 1 : -1;
}

/* Those that ended; in the order in which they were begun. */
static void collect(double timeout_ms)
{
    for (uint32_t i = first; i != last; i++) {
        struct attempt *attempt = &attempts[i % ATTEMPTS_MAX];
        int result = good[i % ATTEMPTS_MAX] >= 0 ? 1 : outcome(attempt, timeout_ms);
        if (result == 0)
            continue;
        if (attempt->fd >= 0)
            close(attempt->fd);
        attempt->fd = -1;
        good[i % ATTEMPTS_MAX] = result > 0 ? 1 : good[i % ATTEMPTS_MAX];
    }
    while (first != last && attempts[first % ATTEMPTS_MAX].fd < 0) {
        double begun_ms = attempts[first % ATTEMPTS_MAX].begun_ms;
        if (good[first % ATTEMPTS_MAX] > 0) {
            if (newest_good_ms > 0 && begun_ms - newest_good_ms > longest_ms)
                longest_ms = begun_ms - newest_good_ms;
            newest_good_ms = begun_ms;
            succeeded++;
        }
        first++;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct sigaction action = {.sa_handler = on_signal};
    struct timespec next;
    long interval_us = INTERVAL_US, timeout_ms = TIMEOUT_MS;
    int option;
    while ((option = getopt(argc, argv, "i:t:")) != -1) {
        if (option == 'i')
            interval_us = strtol(optarg, NULL, 10);
        else
            timeout_ms = option == 't' ? strtol(optarg, NULL, 10) : 0;
    }
    if (optind + 2 != argc || interval_us < 500 || interval_us > 999999 || timeout_ms < 1 ||
        timeout_ms * 1000 / interval_us >= ATTEMPTS_MAX ||
        inet_pton(AF_INET, argv[optind], &address.sin_addr) != 1) {
        fputs("usage: vippoll [-i MICROSECONDS] [-t MILLISECONDS] ADDRESS PORT\n", stderr);
        return EXIT_FAILED;
    }
    address.sin_port = htons((uint16_t)strtol(argv[optind + 1], NULL, 10));
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    puts("{\"started\":true}");
    fflush(stdout);
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!is_ended) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        char ignored[64];
        begin(&address);
        collect((double)timeout_ms);
        if (poll(&input, 1, 0) > 0 && read(input.fd, ignored, sizeof(ignored)) <= 0)
            break;
        next.tv_nsec += interval_us * 1000;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    for (; first != last; usleep(1000)) /* those under way count, too */
        collect((double)timeout_ms);
    printf("{\"tried\":%llu,\"succeeded\":%llu,\"longest_outage_ms\":%.1f,\"silent_ms\":%.1f}\n",
           (unsigned long long)tried, (unsigned long long)succeeded, longest_ms,
           now_ms() - newest_good_ms);
    return 0;
}
