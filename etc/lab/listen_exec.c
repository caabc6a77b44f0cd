/* Open a listening TCP socket here, enter a network namespace, and execute a program there that
 * finds the socket by systemd's protocol (LISTEN_FDS): so the status page of a controller inside
 * the lab is reachable on the host's loopback.
 *
 *   listen_exec ADDRESS PORT NAMESPACE PROGRAM [ARGUMENT]... */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_FD = 3, BACKLOG = 128 };

static void fail(const char *what)
{
    fprintf(stderr, "listen_exec: %s: %s\n", what, strerror(errno));
    exit(71);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char path[128], pid[16];
    const int on = 1;
    if (argc < 5 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
        fputs("usage: listen_exec ADDRESS PORT NAMESPACE PROGRAM [ARGUMENT]...\n", stderr);
        return 64;
    }
    address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, BACKLOG) != 0)
        fail(argv[2]);
    if (fd != FIRST_FD && (dup2(fd, FIRST_FD) < 0 || close(fd) != 0))
        fail("dup2");
    snprintf(path, sizeof(path), "/run/netns/%s", argv[3]);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
        fail(path);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "http", 1);
    execv(argv[4], argv + 4);
    fail(argv[4]);
}
