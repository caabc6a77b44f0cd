/* The arithmetic of VIP leases (safety): when a node's hold certainly ends. Pure; milliseconds of
 * the controller's CLOCK_BOOTTIME, centiseconds of the node's /proc/uptime. */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include <stdint.h>

/* E: the kernel removes an expired address this much late at the most (address lifetimes). */
int64_t lease_margin_ms(int64_t lease_ms);

/* When a lease has certainly ended, if `heard_ms` is when the `held` arrived whose clock dated the
 * last `hold` line that was sent: R + L * (1 + rho) + E, with rho = 1 % for clock rates. */
int64_t lease_end_ms(int64_t heard_ms, int64_t lease_ms);

/* The same for one who does not know R (a new actor, a new leader), from its own start. fresh_ms
 * is X: how long the one before it may have gone on sending. */
int64_t lease_end_unknown_ms(int64_t start_ms, int64_t lease_ms, int64_t fresh_ms);

/* UNTIL of a hold line: the node's clock at its last `held` plus the lease, in centiseconds. */
int64_t lease_until_cs(int64_t uptime_cs, int64_t lease_ms);

#endif
