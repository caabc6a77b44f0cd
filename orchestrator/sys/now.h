/* Clocks. Nothing else in the project reads one (the log's line prefix excepted). */
#ifndef SYS_NOW_H
#define SYS_NOW_H

#include <stdint.h>

/* CLOCK_BOOTTIME in milliseconds: never jumps, counts suspended time. For intervals, timeouts and
 * leases. Comparable between processes of one machine, never between machines. */
int64_t now_mono_ms(void);
int64_t now_mono_us(void);

/* Wall clock since the epoch: for people only. */
int64_t now_wall_ms(void);

/* How far CLOCK_BOOTTIME and CLOCK_MONOTONIC have drifted apart: time spent suspended. */
int64_t now_suspended_ms(void);

#endif
