/* A set-associative table: a source belongs to one set of four entries, the stalest gives way. */
#include "orchestrator/sys/tls_flood.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

enum { WINDOW_MS = 1000 };

void tls_flood_init(struct tls_flood *flood, uint32_t per_second_max, uint64_t seed)
{
    *flood = (struct tls_flood){.seed = seed, .per_second_max = per_second_max};
}

/* The bits that name a source: the IPv4 address (also one mapped into IPv6) or the /64. */
static uint64_t source_of(const struct sockaddr *address)
{
    uint64_t source = 0;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return in.sin_addr.s_addr;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        uint32_t mapped;
        memcpy(&in6, address, sizeof(in6));
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            memcpy(&mapped, in6.sin6_addr.s6_addr + 12, sizeof(mapped));
            return mapped;
        }
        memcpy(&source, in6.sin6_addr.s6_addr, sizeof(source));
    }
    return source;
}

/* The finalizer of splitmix64. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

bool tls_flood_may_enter(struct tls_flood *flood, const struct sockaddr *address, int64_t now_ms)
{
    uint64_t source = source_of(address);
    struct tls_flood_entry *set = flood->entries[mix(source ^ flood->seed) % TLS_FLOOD_SETS];
    struct tls_flood_entry *entry = &set[0];
    if (flood->per_second_max == 0)
        return true;
    for (int i = 0; i < TLS_FLOOD_WAYS; i++) {
        if (set[i].count > 0 && set[i].source == source) {
            entry = &set[i];
            break;
        }
        if (set[i].count == 0 || (entry->count > 0 && set[i].since_ms < entry->since_ms))
            entry = &set[i];
    }
    bool is_same = entry->count > 0 && entry->source == source;
    if (!is_same || now_ms - entry->since_ms >= WINDOW_MS)
        *entry = (struct tls_flood_entry){.source = source, .since_ms = now_ms};
    if (entry->count >= flood->per_second_max)
        return false;
    entry->count++;
    return true;
}
