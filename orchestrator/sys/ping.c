#include "orchestrator/sys/ping.h"

#include "orchestrator/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PACKET_SIZE = 512, ROUTE_GATEWAY = 2 /* RTF_GATEWAY */ };

struct ping {
    int fd;
    bool is_v6, is_raw;
    uint16_t id; /* tells answers to a raw socket apart */
    struct watch *watch;
    struct timer *timer;
    ping_cb *cb;
    void *data;
};

struct echo { /* the same eight bytes in both versions */
    uint8_t type, code;
    uint16_t checksum, id, sequence;
};

static uint16_t checksum_of(const struct echo *echo)
{
    uint16_t words[sizeof(*echo) / 2];
    uint32_t sum = 0;
    memcpy(words, echo, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        sum += words[i];
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t) ~(sum + (sum >> 16));
}

void ping_drop(struct ping *ping)
{
    if (ping == NULL)
        return;
    watch_free(ping->watch);
    timer_free(ping->timer);
    close(ping->fd);
    free(ping);
}

static void finish(struct ping *ping, bool is_answered)
{
    ping_cb *cb = ping->cb;
    void *data = ping->data;
    ping_drop(ping);
    cb(data, is_answered);
}

/* Is this packet the answer? A raw IPv4 socket gives the IP header, too, and everybody's packets.
 */
static bool is_answer(const struct ping *ping, const uint8_t *packet, size_t size)
{
    struct echo echo;
    size_t header = ping->is_raw && !ping->is_v6 && size > 0 ? (size_t)(packet[0] & 15) * 4 : 0;
    if (size < header + sizeof(echo))
        return false;
    memcpy(&echo, packet + header, sizeof(echo));
    return echo.type == (ping->is_v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
           (!ping->is_raw || echo.id == ping->id);
}

static void on_readable(void *data, int events)
{
    struct ping *ping = data;
    uint8_t packet[PACKET_SIZE];
    (void)events;
    ssize_t size = recv(ping->fd, packet, sizeof(packet), MSG_DONTWAIT);
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        finish(ping, false);
    else if (size > 0 && is_answer(ping, packet, (size_t)size))
        finish(ping, true);
}

static void on_deadline(void *data)
{
    finish(data, false);
}

static int open_socket(struct ping *ping, int family)
{
    int protocol = ping->is_v6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP;
    ping->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (ping->fd < 0) {
        ping->is_raw = true;
        ping->fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    }
    return ping->fd < 0 ? ERR_DENIED : ERR_OK;
}

static int send_echo(const struct ping *ping, const struct sockaddr *to, socklen_t size)
{
    struct echo echo = {.type = ping->is_v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO, .id = ping->id};
    echo.checksum = ping->is_v6 ? 0 : checksum_of(&echo); /* the kernel's business in IPv6 */
    return connect(ping->fd, to, size) == 0 && send(ping->fd, &echo, sizeof(echo), 0) > 0 ? ERR_OK
                                                                                          : ERR_IO;
}

int ping_start(struct ping **out, struct loop *loop, const char *address, int64_t timeout_ms,
               ping_cb *cb, void *data)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    *out = NULL;
    if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
        return ERR_INVALID;
    struct ping *ping = calloc(1, sizeof(*ping));
    if (ping == NULL)
        return ERR_NOMEM;
    *ping = (struct ping){.fd = -1, .is_v6 = !is_v4, .cb = cb, .data = data};
    ping->id = (uint16_t)((uintptr_t)ping / sizeof(*ping) + (uintptr_t)getpid());
    int err = open_socket(ping, is_v4 ? AF_INET : AF_INET6);
    if (err != ERR_OK) {
        free(ping);
        return err;
    }
    ping->watch = watch_new(loop, ping->fd, on_readable, ping);
    ping->timer = timer_new(loop, on_deadline, ping);
    if (ping->watch == NULL || ping->timer == NULL) {
        ping_drop(ping);
        return ERR_NOMEM;
    }
    err = is_v4 ? send_echo(ping, (const struct sockaddr *)&v4, sizeof(v4))
                : send_echo(ping, (const struct sockaddr *)&v6, sizeof(v6));
    watch_set(ping->watch, WATCH_READ);
    timer_start(ping->timer, err == ERR_OK ? timeout_ms : 0, 0); /* no way there: no answer */
    *out = ping;
    return ERR_OK;
}

bool ping_gateway(char *address, size_t size)
{
    FILE *routes = fopen("/proc/net/route", "re");
    char line[256];
    bool is_found = false;
    if (routes == NULL)
        return false;
    while (!is_found && fgets(line, sizeof(line), routes) != NULL) {
        char *at = line + strcspn(line, "\t"); /* interface, destination, gateway, flags: in hex */
        unsigned long destination = strtoul(at, &at, 16);
        unsigned long gateway = strtoul(at, &at, 16);
        unsigned long flags = strtoul(at, &at, 16);
        struct in_addr in = {.s_addr = (in_addr_t)gateway};
        is_found = destination == 0 && gateway != 0 && (flags & ROUTE_GATEWAY) != 0 &&
                   inet_ntop(AF_INET, &in, address, (socklen_t)size) != NULL;
    }
    fclose(routes);
    return is_found;
}
