/* How many connections each source opened within the last second: a small table of fixed size, so
 * that a flood costs no memory. An IPv6 source is a /64. Crowded out entries are forgotten, which
 * errs on the side of letting somebody in. */
#ifndef SYS_TLS_FLOOD_H
#define SYS_TLS_FLOOD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { TLS_FLOOD_SETS = 64, TLS_FLOOD_WAYS = 4 };

struct tls_flood_entry {
    uint64_t source;
    int64_t since_ms;
    uint32_t count; /* 0: free */
};

struct tls_flood {
    uint64_t seed;
    uint32_t per_second_max;
    struct tls_flood_entry entries[TLS_FLOOD_SETS][TLS_FLOOD_WAYS];
};

/* per_second_max 0: no limit. seed: anything that a stranger cannot guess. */
void tls_flood_init(struct tls_flood *flood, uint32_t per_second_max, uint64_t seed);

/* Count one connection; false: it is one too many in this second. */
bool tls_flood_may_enter(struct tls_flood *flood, const struct sockaddr *address, int64_t now_ms);

#endif
