/* When which check runs. Each check has a phase, the hash of its identity modulo its interval, on
 * the wall clock: the same check runs at the same beats after a restart or reload, and ten
 * thousand checks spread evenly. Where several controllers run it, each has its place in the
 * interval, so that somebody looks more often; that works as well as their clocks agree, and
 * nothing else hangs on it. The first run comes within min(interval, 10 s), spread alike.
 * After a pause (of this process or the machine) missed runs are not made up: each check waits for
 * a beat of its own again, so that nothing bursts. A check that is running never starts again.
 * At most running_max run at once; what is due beyond that waits in one queue, first come first
 * served. Pure: the caller brings the time. Items are the caller's memory, one for each check. */
#ifndef CHECKER_SCHEDULE_H
#define CHECKER_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schedule_place { PLACE_NOWHERE, PLACE_TIMED, PLACE_QUEUED, PLACE_RUNNING };

struct schedule_item {    /* zeroed before schedule_add; the caller reads only */
    uint64_t hash;        /* of the check's identity */
    uint32_t rank, count; /* its place in the interval; 0 of 0 is 0 of 1 */
    int64_t interval_ms;
    int64_t retry_ms;
    int64_t due_ms; /* while timed or queued: when it should have started */
    enum schedule_place place;
    size_t heap_index;
    struct schedule_item *previous, *next; /* in the queue */
};

struct schedule {
    struct schedule_item **heap; /* by due_ms, then hash */
    size_t heap_size, heap_capacity;
    struct schedule_item *first, *last; /* the queue */
    size_t queued;
    size_t running, running_max; /* the owner may change running_max at any time */
    int64_t ahead_ms; /* of the wall clock, before the clock of now_ms; the owner may change it */
};

void schedule_init(struct schedule *schedule, size_t running_max);
void schedule_close(struct schedule *schedule);

/* Make room for `count` items in all. Call before adding. 0 or ERR_NOMEM. */
int schedule_reserve(struct schedule *schedule, size_t count);

/* A new check: item->hash is set. */
void schedule_add(struct schedule *schedule, struct schedule_item *item, uint64_t hash,
                  int64_t interval_ms, int64_t retry_ms, int64_t now_ms);

/* Take it out, wherever it is; if it is running it no longer counts as such. */
void schedule_remove(struct schedule *schedule, struct schedule_item *item);

/* The rank-th of count controllers that run it. Before schedule_add, or schedule_set_pace with
 * is_moved. */
void schedule_set_place(struct schedule_item *item, uint32_t rank, uint32_t count);

/* Another pace or place; nothing changes (phase and next run included) if it is the same. */
void schedule_set_pace(struct schedule *schedule, struct schedule_item *item, int64_t interval_ms,
                       int64_t retry_ms, bool is_moved, int64_t now_ms);

/* Run it now, unless it runs or waits to run already. Its beats stay as they are. */
void schedule_hasten(struct schedule *schedule, struct schedule_item *item, int64_t now_ms);

/* The next check to start now, counted as running from here on, or NULL: nothing is due or
 * running_max is reached. *late_ms: how long after its time. Call until it returns NULL. */
struct schedule_item *schedule_take(struct schedule *schedule, int64_t now_ms, int64_t *late_ms);

/* It ended. is_contradicted: look again after retry_ms instead of at the next beat. */
void schedule_finish(struct schedule *schedule, struct schedule_item *item, int64_t now_ms,
                     bool is_contradicted);

/* Milliseconds until schedule_take may have something, 0 = now, -1 = only when a run ends or
 * something is added. */
int64_t schedule_wait_ms(const struct schedule *schedule, int64_t now_ms);

#endif
