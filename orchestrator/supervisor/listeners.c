/* Listening sockets: HTTP addresses, the local socket of ephorctl, the port for other controllers.
 * Opened once, as root if need be, and handed to each status or quorum process that is started.
 * Sockets that systemd passes in under the name "http" replace the configured addresses. */
#include "orchestrator/supervisor/supervisor.h"

#include "orchestrator/base/log.h"
#include "orchestrator/base/text.h"
#include "orchestrator/sys/privileges.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static void add_listener(struct supervisor *s, int fd, const char *name, bool is_local)
{
    struct listener *listener = &s->listeners[s->listener_count++];
    listener->fd = fd;
    listener->is_local = is_local;
    listener->role = strcmp(name, "cluster") == 0 ? EPHOR__ROLE__QUORUM : EPHOR__ROLE__STATUS;
    text_copy(listener->name, sizeof(listener->name), name);
}

static socklen_t make_address(const struct conf_listen *listen_at, struct sockaddr_storage *to)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    memset(to, 0, sizeof(*to));
    if (inet_pton(AF_INET, listen_at->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(listen_at->port);
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, listen_at->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(listen_at->port);
        return sizeof(*v6);
    }
    return 0;
}

/* -1, with errno set: it cannot listen there. */
static int open_socket(const struct conf_listen *at, bool takes_both)
{
    struct sockaddr_storage address;
    socklen_t size = make_address(at, &address);
    const int on = 1, only_v6 = !takes_both;
    int fd =
        size == 0 ? -1 : socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6));
    if (bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int errno_value = errno;
    close(fd);
    errno = errno_value;
    return -1;
}

static int open_http(struct supervisor *s, const struct conf_listen *at, struct errbuf *e)
{
    int fd = open_socket(at, false);
    if (fd < 0)
        return err_set(e, ERR_EXISTS, "http.listen: cannot listen on %s port %u: %s", at->address,
                       at->port, strerror(errno));
    add_listener(s, fd, "http", false);
    return ERR_OK;
}

/* Where the other controllers reach this one: on that address if it is one, on all of them if the
 * cluster knows it by a name. Nobody connects to an observer. */
static int open_cluster(struct supervisor *s, struct errbuf *e)
{
    const char *address = s->cluster.self.address;
    const char *colon = strrchr(address, ':');
    struct conf_listen at = {.port = 0};
    struct sockaddr_storage parsed;
    int64_t port = 0;
    if (!s->has_cluster || supervisor_observes(s))
        return ERR_OK;
    text_parse_int(colon + 1, 1, 65535, &port);
    at.port = (uint16_t)port;
    bool is_bracketed = address[0] == '[';
    text_format(at.address, sizeof(at.address), "%.*s", (int)(colon - address) - 2 * is_bracketed,
                address + is_bracketed);
    bool is_name = make_address(&at, &parsed) == 0;
    if (is_name)
        text_copy(at.address, sizeof(at.address), "::");
    int fd = open_socket(&at, is_name);
    if (fd < 0 && is_name) { /* no IPv6 here */
        text_copy(at.address, sizeof(at.address), "0.0.0.0");
        fd = open_socket(&at, false);
    }
    if (fd < 0)
        return err_set(e, ERR_EXISTS,
                       "cannot listen for other controllers on %s port %u, which cluster.json "
                       "names: %s",
                       at.address, at.port, strerror(errno));
    add_listener(s, fd, "cluster", false);
    return ERR_OK;
}

/* The directory of the socket, made if it is missing (like /run/ephor after a boot). */
static void make_directory_of(const char *path)
{
    char directory[256];
    text_copy(directory, sizeof(directory), path);
    char *slash = strrchr(directory, '/');
    if (slash != NULL && slash != directory) {
        *slash = '\0';
        mkdir(directory, 0755);
    }
}

static int open_local(struct supervisor *s, struct errbuf *e)
{
    const struct conf_local *local = conf_local(s->conf);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    text_copy(address.sun_path, sizeof(address.sun_path), local->ctl_socket);
    make_directory_of(local->ctl_socket);
    unlink(local->ctl_socket); /* ours, since the lock is ours */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(local->ctl_socket, 0666) != 0 || listen(fd, BACKLOG) != 0) {
        err_set(e, err_from_errno(errno), "local.socket: cannot listen on %s: %s",
                local->ctl_socket, strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    add_listener(s, fd, "ctl", true);
    return ERR_OK;
}

int listeners_open(struct supervisor *s, struct errbuf *e)
{
    const struct conf_local *local = conf_local(s->conf);
    bool is_activated = false;
    for (int i = 0; i < s->notify.listen_count; i++) {
        if (strcmp(s->notify.listen[i].name, "http") == 0 && s->listener_count < CONF_LISTEN_MAX) {
            add_listener(s, s->notify.listen[i].fd, "http", false);
            is_activated = true;
        } else {
            log_warning("listen", "a socket named '%s' was passed in and is not used",
                        s->notify.listen[i].name);
            close(s->notify.listen[i].fd);
        }
    }
    for (uint32_t i = 0; !is_activated && i < local->http_count; i++) {
        int err = open_http(s, &local->http[i], e);
        if (err != ERR_OK)
            return err;
    }
    int err = open_cluster(s, e);
    return err == ERR_OK ? open_local(s, e) : err;
}

void listeners_close(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->listener_count; i++)
        close(s->listeners[i].fd);
    s->listener_count = 0;
}
