/* Talking to systemd (sd_notify protocol) and what it passes in, without libsystemd. Without
 * systemd everything here does nothing. Source: systemd's sd_notify(3), sd_listen_fds(3). */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

enum { NOTIFY_FDS_MAX = 16 };

struct notify {
    int fd;              /* -1 without systemd */
    int64_t watchdog_ms; /* half of what systemd allows; 0 = no watchdog */
    int listen_count;
    struct {
        int fd;
        char name[32];
    } listen[NOTIFY_FDS_MAX];
};

/* Read NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS and so on, and unset them, so that children do
 * not inherit them. */
void notify_init(struct notify *notify);
void notify_close(struct notify *notify);

/* "READY=1", "STATUS=...", lines separated by \n. */
void notify_send(const struct notify *notify, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
