/* One ICMP echo (RFC 792, RFC 4443): does this address answer? Uses the kernel's ping sockets
 * where net.ipv4.ping_group_range lets us, else a raw socket, which takes CAP_NET_RAW. */
#ifndef SYS_PING_H
#define SYS_PING_H

#include "orchestrator/sys/loop.h"

struct ping;

/* Exactly once, never from inside ping_start, unless dropped before; the ping is gone then. */
typedef void ping_cb(void *data, bool is_answered);

/* address: a literal. 0, or ERR_INVALID, ERR_DENIED (neither kind of socket), ERR_NOMEM, ERR_IO. */
int ping_start(struct ping **ping, struct loop *loop, const char *address, int64_t timeout_ms,
               ping_cb *cb, void *data);
void ping_drop(struct ping *ping); /* NULL is fine */

/* The IPv4 gateway of the default route, as text. False: there is none. */
bool ping_gateway(char *address, size_t size);

#endif
