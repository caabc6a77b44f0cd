/* Gather, sort by (index, line), drop doubles. After a restart the rows in memory may be older than
 * those in storage, since replayed entries tell their rows again: so nothing is assumed about the
 * order in which rows come. */
#include "orchestrator/consensus/journal_tail.h"

#include "orchestrator/base/log.h"

#include <stdlib.h>

struct journal_tail {
    struct row **rows;
    size_t count;
    size_t capacity;
    size_t wanted;
};

struct journal_tail *journal_tail_new(uint32_t count)
{
    struct journal_tail *tail = calloc(1, sizeof(*tail));
    if (tail != NULL)
        tail->wanted = count;
    return tail;
}

void journal_tail_free(struct journal_tail *tail)
{
    for (size_t i = 0; i < tail->count; i++)
        free(tail->rows[i]);
    free(tail->rows);
    free(tail);
}

static bool has_room(struct journal_tail *tail)
{
    if (tail->count < tail->capacity)
        return true;
    size_t capacity = tail->capacity == 0 ? 256 : tail->capacity * 2;
    struct row **rows = realloc(tail->rows, capacity * sizeof(*rows));
    if (rows == NULL)
        return false;
    tail->rows = rows;
    tail->capacity = capacity;
    return true;
}

void journal_tail_add(void *data, const struct journal_row *source)
{
    struct journal_tail *tail = data;
    struct row *row = has_room(tail) ? row_new(source) : NULL;
    if (row == NULL) {
        log_warning("journal", "out of memory for reading the journal; a row is left out");
        return;
    }
    tail->rows[tail->count++] = row;
}

void journal_tail_add_queue(struct journal_tail *tail, const struct row_queue *queue)
{
    for (const struct row *row = queue->head; row != NULL; row = row->next)
        journal_tail_add(tail, &row->row);
}

static int compare(const void *a, const void *b)
{
    const struct journal_row *x = &(*(struct row *const *)a)->row;
    const struct journal_row *y = &(*(struct row *const *)b)->row;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

void journal_tail_give(struct journal_tail *tail, engine_journal_cb *cb, void *data)
{
    size_t count = 0;
    if (tail->count == 0)
        return;
    qsort(tail->rows, tail->count, sizeof(*tail->rows), compare);
    for (size_t i = 0; i < tail->count; i++) {
        if (count > 0 && compare(&tail->rows[i], &tail->rows[count - 1]) == 0)
            free(tail->rows[i]);
        else
            tail->rows[count++] = tail->rows[i];
    }
    tail->count = count;
    for (size_t i = count > tail->wanted ? count - tail->wanted : 0; i < count; i++)
        cb(data, &tail->rows[i]->row);
}
