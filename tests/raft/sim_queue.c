/* What is going to happen, soonest first: a binary heap. */
#include "tests/raft/sim_world.h"

#include <stdlib.h>

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

void sim_queue_push(struct sim_queue *queue, struct sim_event event)
{
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity == 0 ? 1024 : queue->capacity * 2;
        queue->events = sim_need(realloc(queue->events, queue->capacity * sizeof(event)));
    }
    event.order = ++queue->order;
    uint32_t at = queue->count++;
    while (at > 0 && is_before(&event, &queue->events[(at - 1) / 2])) {
        queue->events[at] = queue->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->events[at] = event;
}

struct sim_event sim_queue_pop(struct sim_queue *queue)
{
    struct sim_event first = queue->events[0];
    struct sim_event moved = queue->events[--queue->count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && is_before(&queue->events[child + 1], &queue->events[child]))
            child++;
        if (!is_before(&queue->events[child], &moved))
            break;
        queue->events[at] = queue->events[child];
        at = child;
    }
    queue->events[at] = moved;
    return first;
}

void sim_event_drop(struct sim_event *event)
{
    if (event->type == SIM_DELIVER)
        free(event->message);
    if (event->type == SIM_SNAPSHOT)
        free(event->snapshot);
}
