/* The arithmetic of VIP leases (safety): when a node's hold certainly ends. Pure; milliseconds of
 * the controller's CLOCK_BOOTTIME, centiseconds of the node's /proc/uptime. */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

/* E: how late the end of a lease may be. The kernel removes an address up to seconds late; what an
 * nft guard holds ends to the millisecond, but for the time that it took to tell the kernel. */
int64_t lease_margin_ms(int64_t lease_ms, bool is_guarded);

/* How long after R a lease has certainly ended: L * (1 + rho) + E, with rho = 1 % for clock rates.
 * R is when the `held` arrived whose clock dated the last `hold` line that was sent. One who does
 * not know R (a new actor, a new leader) counts from its own start plus X, for as long as the one
 * before it may have gone on sending. */
int64_t lease_wait_ms(int64_t lease_ms, bool is_guarded);

/* A holder that has not answered for longer is out of reach: early enough for another controller to
 * go on before its lease ends. */
int64_t lease_silent_ms(int64_t lease_ms);

/* Between lines to a holder. */
int64_t lease_period_ms(int64_t lease_ms);

/* UNTIL of a hold line: the node's clock at its last `held` plus the lease, in centiseconds. */
int64_t lease_until_cs(int64_t uptime_cs, int64_t lease_ms);

#endif
