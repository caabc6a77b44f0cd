/* systemd notification and socket activation. */
#include "orchestrator/sys/notify.h"

#include "orchestrator/base/text.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const int first_listen_fd = 3; /* SD_LISTEN_FDS_START */

static int connect_notify(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool is_for_us(const char *variable)
{
    const char *text = getenv(variable);
    int64_t pid;
    return text != NULL && text_parse_int(text, 1, INT32_MAX, &pid) && pid == getpid();
}

static void read_listen_fds(struct notify *notify)
{
    const char *count_text = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    int64_t count;
    if (!is_for_us("LISTEN_PID") || count_text == NULL ||
        !text_parse_int(count_text, 1, NOTIFY_FDS_MAX, &count))
        return;
    for (int i = 0; i < (int)count; i++) {
        size_t size = names == NULL ? 0 : strcspn(names, ":");
        notify->listen[i].fd = first_listen_fd + i;
        fcntl(notify->listen[i].fd, F_SETFD, FD_CLOEXEC);
        text_format(notify->listen[i].name, sizeof(notify->listen[i].name), "%.*s", (int)size,
                    names == NULL ? "" : names);
        if (names != NULL)
            names += size + (names[size] == ':');
    }
    notify->listen_count = (int)count;
}

void notify_init(struct notify *notify)
{
    static const char *const variables[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                            "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES"};
    const char *watchdog = getenv("WATCHDOG_USEC");
    int64_t us;
    *notify = (struct notify){.fd = connect_notify(getenv("NOTIFY_SOCKET"))};
    if (watchdog != NULL && text_parse_int(watchdog, 1, INT64_MAX, &us) &&
        (getenv("WATCHDOG_PID") == NULL || is_for_us("WATCHDOG_PID")))
        notify->watchdog_ms = us / 2000;
    read_listen_fds(notify);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

void notify_send(const struct notify *notify, const char *fmt, ...)
{
    char text[512];
    if (notify->fd < 0)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ssize_t ignored = send(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored; /* systemd will notice by itself */
}
