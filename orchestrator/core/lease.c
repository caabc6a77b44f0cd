/* The arithmetic of VIP leases. All rounding is towards later, since only that is safe. */
#include "orchestrator/core/lease.h"

static const int64_t margin_guarded_ms = 100; /* measured: 26 ms, idle */
static const int64_t margin_base_ms = 1500; /* housekeeping timer of addresses: up to 1.05 s late */
static const int64_t margin_divisor = 8;    /* and later for long lifetimes: timer wheel */
static const int64_t silent_min_ms = 400, silent_max_ms = 1500;
static const int64_t lines_a_lease = 5;
static const int64_t rate_divisor = 100; /* rho: clock rates differ by less than 1 % */

int64_t lease_margin_ms(int64_t lease_ms, bool is_guarded)
{
    if (is_guarded)
        return margin_guarded_ms;
    return margin_base_ms + (lease_ms + margin_divisor - 1) / margin_divisor;
}

int64_t lease_wait_ms(int64_t lease_ms, bool is_guarded)
{
    return lease_ms + (lease_ms + rate_divisor - 1) / rate_divisor +
           lease_margin_ms(lease_ms, is_guarded);
}

int64_t lease_silent_ms(int64_t lease_ms)
{
    int64_t third_ms = lease_ms / 3;
    return third_ms < silent_min_ms ? silent_min_ms
                                    : (third_ms > silent_max_ms ? silent_max_ms : third_ms);
}

int64_t lease_period_ms(int64_t lease_ms)
{
    return lease_ms / lines_a_lease;
}

int64_t lease_until_cs(int64_t uptime_cs, int64_t lease_ms)
{
    return uptime_cs + lease_ms / 10;
}
