/* Giving up privileges: each process keeps what its one job needs and nothing else. */
#ifndef SYS_PRIVILEGES_H
#define SYS_PRIVILEGES_H

#include "orchestrator/base/err.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <sys/types.h>

/* A user name or number to ids. ERR_NOT_FOUND says what to do. */
int privileges_find_user(const char *user, uid_t *uid, gid_t *gid, struct errbuf *e);

/* A group name or number to its id. */
int privileges_find_group(const char *group, gid_t *gid, struct errbuf *e);

/* Become `user` (when started as root; "" = stay), keep only the role's capabilities (the
 * checker's CAP_NET_RAW, for ping), bound the rest away, no new privileges, not dumpable, and die
 * with the parent. Closes every descriptor above `keep_fd`. */
int privileges_drop(Ephor__Role role, const char *user, int keep_fd, struct errbuf *e);

#endif
