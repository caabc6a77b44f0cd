/* Host keys: the known_hosts content against what a server shows. */
#ifndef SYS_SSH_HOSTS_H
#define SYS_SSH_HOSTS_H

#include "orchestrator/base/err.h"

#include <libssh2.h>
#include <stddef.h>
#include <stdint.h>

/* Before the handshake: prefer the kinds of key that the content knows for this host. */
void ssh_hosts_prefer(LIBSSH2_SESSION *session, const char *content, size_t size, const char *host);

/* After it: ERR_OK, or ERR_DENIED with what is wrong and what to do. */
int ssh_hosts_check(LIBSSH2_SESSION *session, const char *content, size_t size, const char *host,
                    uint16_t port, struct errbuf *e);

#endif
