/* Socket options, and records to the socket. */
#include "orchestrator/sys/tls_socket.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static void drop_records(BIO *records, size_t size)
{
    char sink[4096];
    while (size > 0) {
        int n = BIO_read(records, sink, (int)(size < sizeof(sink) ? size : sizeof(sink)));
        PRE(n > 0);
        size -= (size_t)n;
    }
}

int tls_socket_send(int fd, BIO *records, size_t *budget)
{
    char *data = NULL;
    long size = BIO_get_mem_data(records, &data);
    if (size <= 0)
        return 1;
    ssize_t n = send(fd, data, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : err_from_errno(errno);
    *budget -= *budget < (size_t)n ? *budget : (size_t)n;
    drop_records(records, (size_t)n);
    return n == size ? 1 : 0;
}

void tls_address_text(char text[TLS_ADDRESS_SIZE], const struct sockaddr *address)
{
    char host[48], port[8];
    socklen_t size =
        address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (getnameinfo(address, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        text_copy(text, TLS_ADDRESS_SIZE, "?");
    else
        text_format(text, TLS_ADDRESS_SIZE, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                    host, port);
}

/* Small frames leave at once; a peer whose machine vanished is noticed though nobody sends. */
void tls_socket_prepare(int fd, int64_t unheard_max_ms)
{
    int on = 1, idle_s = 10, between_s = 5, probes = 3;
    int unheard_ms = unheard_max_ms == 0 ? 30000 : (int)unheard_max_ms;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof(between_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard_ms, sizeof(unheard_ms));
}
