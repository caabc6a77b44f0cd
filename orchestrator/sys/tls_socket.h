/* The TCP socket under a link. For the tls_*.c files. */
#ifndef SYS_TLS_SOCKET_H
#define SYS_TLS_SOCKET_H

#include "orchestrator/sys/tls_link.h"

#include <openssl/bio.h>
#include <sys/socket.h>

/* Non-blocking, closed on exec, without delay, and with probes of a silent peer. */
void tls_socket_prepare(int fd, int64_t unheard_max_ms); /* 0 = 30 s */

/* Send what the memory BIO holds, as far as the socket takes it. Returns 1: all is sent, 0: the
 * socket is full, or an error. What was sent is taken off *budget, down to 0. */
int tls_socket_send(int fd, BIO *records, size_t *budget);

/* "192.0.2.1:7000" or "[2001:db8::1]:7000". */
void tls_address_text(char text[TLS_ADDRESS_SIZE], const struct sockaddr *address);

#endif
