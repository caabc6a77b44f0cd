/* The event loop: a thin layer over libuv, so that only this folder knows libuv. One loop a
 * process, one thread. Handles come from *_new and go with *_free, also from inside their own
 * callback; after *_free no callback of that handle runs. */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include "orchestrator/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct loop;
struct timer;
struct watch;

struct loop *loop_new(void);      /* NULL: out of memory */
void loop_run(struct loop *loop); /* until loop_stop */
void loop_stop(struct loop *loop);
void loop_free(struct loop *loop); /* closes what is left open */

/* Timers. delay and repeat in ms; repeat 0 = once. Starting a started timer moves it. */
typedef void timer_cb(void *data);
struct timer *timer_new(struct loop *loop, timer_cb *cb, void *data);
void timer_start(struct timer *timer, int64_t delay_ms, int64_t repeat_ms);
void timer_stop(struct timer *timer);
void timer_free(struct timer *timer); /* NULL is fine */

/* File descriptors that become ready. The fd stays the caller's: close it after watch_free. */
enum watch_events { WATCH_NONE = 0, WATCH_READ = 1, WATCH_WRITE = 2 };
typedef void watch_cb(void *data, int events);
struct watch *watch_new(struct loop *loop, int fd, watch_cb *cb, void *data);
void watch_set(struct watch *watch, int events); /* WATCH_NONE pauses */
void watch_free(struct watch *watch);            /* NULL is fine */

/* What is left to do once when this turn of the loop ends, before it waits: one write for all that
 * a turn has to say. They run in the order in which they were started; starting a started one
 * changes nothing; a callback may start others. Unlike other handles they must go before the loop
 * does. */
typedef void turn_end_cb(void *data);
struct turn_end;
struct turn_end *turn_end_new(struct loop *loop, turn_end_cb *cb, void *data); /* NULL: no memory */
void turn_end_start(struct turn_end *end);
void turn_end_free(struct turn_end *end); /* NULL is fine */

/* Signals, for as long as the loop lives. */
typedef void signal_cb(void *data, int signo);
int loop_on_signal(struct loop *loop, int signo, signal_cb *cb, void *data);

/* Run `work` on a thread of the pool, then `done` on the loop, exactly once. `work` may touch only
 * what `data` owns. Returns 0 or an error, and then calls neither. */
typedef void work_fn(void *data);
int loop_work(struct loop *loop, work_fn *work, work_fn *done, void *data);

/* Resolve host (name or literal) and port on the pool. The callback runs exactly once, never from
 * inside this call, with 0 and the first address, or with an error. It cannot be
 * called off: data must live until then. */
typedef void resolve_cb(void *data, int err, const struct sockaddr *address, socklen_t size);
int loop_resolve(struct loop *loop, const char *host, uint16_t port, resolve_cb *cb, void *data);

/* The milliseconds by which this loop's own one-second heartbeat was last late; for self-doubt. */
int64_t loop_late_max_ms(struct loop *loop); /* since the last call */

#endif
