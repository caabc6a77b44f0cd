/* The schedule: a binary heap by due time and a queue of what is due but has to wait. Timer
 * structures cost nothing beside a check, so the simplest one is taken. */
#include "orchestrator/checker/schedule.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/err.h"

#include <stdlib.h>

enum {
    SPREAD_MS = 10000, /* the first runs of slow checks spread over this */
    PAUSE_MS = 1000,   /* nobody looked for longer: missed runs are not made up */
};

static bool is_before(const struct schedule_item *a, const struct schedule_item *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->hash < b->hash;
}

static void heap_put(struct schedule *s, size_t index, struct schedule_item *item)
{
    s->heap[index] = item;
    item->heap_index = index;
}

static void sift_up(struct schedule *s, size_t index)
{
    struct schedule_item *item = s->heap[index];
    while (index > 0 && is_before(item, s->heap[(index - 1) / 2])) {
        heap_put(s, index, s->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    heap_put(s, index, item);
}

static void sift_down(struct schedule *s, size_t index)
{
    struct schedule_item *item = s->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= s->heap_size)
            break;
        if (child + 1 < s->heap_size && is_before(s->heap[child + 1], s->heap[child]))
            child++;
        if (!is_before(s->heap[child], item))
            break;
        heap_put(s, index, s->heap[child]);
        index = child;
    }
    heap_put(s, index, item);
}

static void heap_add(struct schedule *s, struct schedule_item *item, int64_t due_ms)
{
    PRE(s->heap_size < s->heap_capacity);
    item->due_ms = due_ms;
    item->place = PLACE_TIMED;
    heap_put(s, s->heap_size++, item);
    sift_up(s, s->heap_size - 1);
}

static void heap_remove(struct schedule *s, struct schedule_item *item)
{
    size_t index = item->heap_index;
    struct schedule_item *moved = s->heap[--s->heap_size];
    item->place = PLACE_NOWHERE;
    if (moved == item)
        return;
    heap_put(s, index, moved);
    sift_up(s, index);
    sift_down(s, moved->heap_index);
}

static void queue_add(struct schedule *s, struct schedule_item *item)
{
    item->place = PLACE_QUEUED;
    item->next = NULL;
    item->previous = s->last;
    if (s->last != NULL)
        s->last->next = item;
    else
        s->first = item;
    s->last = item;
    s->queued++;
}

static void queue_remove(struct schedule *s, struct schedule_item *item)
{
    if (item->previous != NULL)
        item->previous->next = item->next;
    else
        s->first = item->next;
    if (item->next != NULL)
        item->next->previous = item->previous;
    else
        s->last = item->previous;
    item->next = item->previous = NULL;
    item->place = PLACE_NOWHERE;
    s->queued--;
}

/* The first beat after after_ms. */
static int64_t next_beat(const struct schedule *s, const struct schedule_item *item,
                         int64_t after_ms)
{
    int64_t phase_ms = (int64_t)(item->hash % (uint64_t)item->interval_ms);
    if (item->count > 1)
        phase_ms += item->interval_ms * item->rank / item->count;
    int64_t wall_ms = after_ms + s->ahead_ms;
    int64_t beats = (wall_ms - phase_ms) / item->interval_ms;
    int64_t beat_ms = beats * item->interval_ms + phase_ms;
    while (beat_ms <= wall_ms)
        beat_ms += item->interval_ms;
    while (beat_ms - item->interval_ms > wall_ms)
        beat_ms -= item->interval_ms;
    return beat_ms - s->ahead_ms;
}

/* When to run a check for the first time, or again after a pause. Slow checks do not wait for
 * their beat, which may be hours away. */
static int64_t first_run(const struct schedule *s, const struct schedule_item *item, int64_t now_ms)
{
    if (item->interval_ms <= SPREAD_MS)
        return next_beat(s, item, now_ms);
    return now_ms + 1 + (int64_t)(item->hash % SPREAD_MS);
}

void schedule_init(struct schedule *schedule, size_t running_max)
{
    *schedule = (struct schedule){.running_max = running_max};
}

void schedule_close(struct schedule *schedule)
{
    free(schedule->heap);
    *schedule = (struct schedule){.running_max = schedule->running_max};
}

int schedule_reserve(struct schedule *schedule, size_t count)
{
    if (count <= schedule->heap_capacity)
        return ERR_OK;
    struct schedule_item **heap = realloc(schedule->heap, count * sizeof(*heap));
    if (heap == NULL)
        return ERR_NOMEM;
    schedule->heap = heap;
    schedule->heap_capacity = count;
    return ERR_OK;
}

void schedule_add(struct schedule *schedule, struct schedule_item *item, uint64_t hash,
                  int64_t interval_ms, int64_t retry_ms, int64_t now_ms)
{
    PRE(item->place == PLACE_NOWHERE && interval_ms > 0 && retry_ms > 0);
    item->hash = hash;
    item->interval_ms = interval_ms;
    item->retry_ms = retry_ms;
    heap_add(schedule, item, first_run(schedule, item, now_ms));
}

void schedule_remove(struct schedule *schedule, struct schedule_item *item)
{
    switch (item->place) {
    case PLACE_NOWHERE:
        break;
    case PLACE_TIMED:
        heap_remove(schedule, item);
        break;
    case PLACE_QUEUED:
        queue_remove(schedule, item);
        break;
    case PLACE_RUNNING:
        item->place = PLACE_NOWHERE;
        schedule->running--;
        break;
    }
}

void schedule_set_place(struct schedule_item *item, uint32_t rank, uint32_t count)
{
    item->rank = rank;
    item->count = count;
}

void schedule_hasten(struct schedule *schedule, struct schedule_item *item, int64_t now_ms)
{
    if (item->place != PLACE_TIMED || item->due_ms <= now_ms)
        return;
    heap_remove(schedule, item);
    heap_add(schedule, item, now_ms);
}

void schedule_set_pace(struct schedule *schedule, struct schedule_item *item, int64_t interval_ms,
                       int64_t retry_ms, bool is_moved, int64_t now_ms)
{
    PRE(interval_ms > 0 && retry_ms > 0);
    bool is_same = item->interval_ms == interval_ms && !is_moved;
    item->interval_ms = interval_ms;
    item->retry_ms = retry_ms;
    if (is_same || item->place != PLACE_TIMED)
        return;
    heap_remove(schedule, item);
    heap_add(schedule, item, first_run(schedule, item, now_ms));
}

/* After a pause everything that should have run is due at once: give each a time of its own. */
static void forget_missed(struct schedule *s, int64_t now_ms)
{
    while (s->heap_size > 0 && s->heap[0]->due_ms <= now_ms) {
        struct schedule_item *item = s->heap[0];
        item->due_ms = first_run(s, item, now_ms);
        sift_down(s, 0);
    }
}

struct schedule_item *schedule_take(struct schedule *schedule, int64_t now_ms, int64_t *late_ms)
{
    if (schedule->heap_size > 0 && schedule->heap[0]->due_ms < now_ms - PAUSE_MS)
        forget_missed(schedule, now_ms);
    while (schedule->heap_size > 0 && schedule->heap[0]->due_ms <= now_ms) {
        struct schedule_item *item = schedule->heap[0];
        heap_remove(schedule, item);
        queue_add(schedule, item);
    }
    struct schedule_item *item = schedule->first;
    if (item == NULL || schedule->running >= schedule->running_max)
        return NULL;
    queue_remove(schedule, item);
    item->place = PLACE_RUNNING;
    schedule->running++;
    *late_ms = now_ms - item->due_ms;
    return item;
}

void schedule_finish(struct schedule *schedule, struct schedule_item *item, int64_t now_ms,
                     bool is_contradicted)
{
    PRE(item->place == PLACE_RUNNING);
    schedule->running--;
    /* The wall clock may have been slewed back over this beat. */
    int64_t done_ms = item->due_ms + item->interval_ms / 8;
    int64_t due_ms = next_beat(schedule, item, now_ms > done_ms ? now_ms : done_ms);
    if (is_contradicted && now_ms + item->retry_ms < due_ms)
        due_ms = now_ms + item->retry_ms;
    heap_add(schedule, item, due_ms);
}

int64_t schedule_wait_ms(const struct schedule *schedule, int64_t now_ms)
{
    if (schedule->first != NULL && schedule->running < schedule->running_max)
        return 0;
    if (schedule->heap_size == 0)
        return -1;
    int64_t wait_ms = schedule->heap[0]->due_ms - now_ms;
    return wait_ms > 0 ? wait_ms : 0;
}
