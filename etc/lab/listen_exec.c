/* Listen here, run there: binds a TCP socket in the network namespace of the caller, moves into
 * another one, and executes a program that finds the socket as systemd would pass it (LISTEN_FDS,
 * under the name "http"). So the page of a controller in the lab is reachable on the host's
 * loopback interface, although no route leads into the lab.
 *
 * Used by etc/lab/lab.sh daemon. It opens no connection and knows nothing of Ephor. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_FAILED = 71, EXIT_USAGE = 64, BACKLOG = 64, RETRIES = 100 };

static const int first_listen_fd = 3; /* as sd_listen_fds(3) has it */

static _Noreturn void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static _Noreturn void die(int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("listen_exec: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputs("\n", stderr);
    va_end(ap);
    exit(status);
}

/* "127.0.0.1:7480" */
static struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof(host))
        die(EXIT_USAGE, "'%s' is not ADDRESS:PORT", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || end == colon + 1 || *end != '\0' ||
        port == 0 || port > UINT16_MAX)
        die(EXIT_USAGE, "'%s' is not ADDRESS:PORT", text);
    address.sin_port = htons((uint16_t)port);
    return address;
}

static int listen_at(const char *text)
{
    struct sockaddr_in address = parse_address(text);
    const struct timespec pause = {.tv_nsec = 20000000};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        die(EXIT_FAILED, "cannot make a socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int err = bind(fd, (struct sockaddr *)&address, sizeof(address));
    for (int i = 0; err != 0 && errno == EADDRINUSE && i < RETRIES; i++) {
        nanosleep(&pause, NULL); /* a killed ephord's processes may be about to end */
        err = bind(fd, (struct sockaddr *)&address, sizeof(address));
    }
    if (err != 0 || listen(fd, BACKLOG) != 0)
        die(EXIT_FAILED, "cannot listen on %s: %s", text, strerror(errno));
    return fd;
}

static void enter_network(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        die(EXIT_FAILED, "cannot enter %s: %s", path, strerror(errno));
    close(fd);
}

int main(int argc, char **argv)
{
    char pid[16];
    if (argc < 4)
        die(EXIT_USAGE, "usage: listen_exec ADDRESS:PORT NAMESPACE-FILE PROGRAM [ARGUMENT]...");
    int fd = listen_at(argv[1]);
    enter_network(argv[2]);
    if (fd != first_listen_fd) {
        if (dup2(fd, first_listen_fd) < 0)
            die(EXIT_FAILED, "cannot pass the socket on: %s", strerror(errno));
        close(fd);
    }
    close_range((unsigned)first_listen_fd + 1, ~0U, 0);
    snprintf(pid, sizeof(pid), "%d", (int)getpid()); /* stays the same over exec */
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "http", 1);
    execvp(argv[3], argv + 3);
    die(EXIT_FAILED, "cannot execute %s: %s", argv[3], strerror(errno));
}
