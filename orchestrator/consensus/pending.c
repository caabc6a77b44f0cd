/* Queues of copies. Plain singly linked lists: order is all that is asked of them. */
#include "orchestrator/consensus/pending.h"

#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>

struct proposal *proposal_new(enum raft_entry_kind kind, const void *bytes, size_t size,
                              engine_propose_cb *cb, void *data)
{
    struct proposal *proposal = malloc(sizeof(*proposal));
    struct log_entry *entry = log_entry_new(kind, 0, bytes, size);
    if (proposal == NULL || entry == NULL) {
        free(proposal);
        log_entry_drop(entry);
        return NULL;
    }
    *proposal = (struct proposal){.cb = cb, .data = data, .entry = entry};
    return proposal;
}

void proposal_free(struct proposal *proposal)
{
    log_entry_drop(proposal->entry);
    free(proposal);
}

void proposal_push(struct proposal_queue *queue, struct proposal *proposal)
{
    proposal->next = NULL;
    if (queue->tail == NULL)
        queue->head = proposal;
    else
        queue->tail->next = proposal;
    queue->tail = proposal;
    queue->count++;
    queue->size_bytes += proposal->entry->size;
}

struct proposal *proposal_pop(struct proposal_queue *queue)
{
    struct proposal *proposal = queue->head;
    if (proposal == NULL)
        return NULL;
    queue->head = proposal->next;
    if (queue->head == NULL)
        queue->tail = NULL;
    queue->count--;
    queue->size_bytes -= proposal->entry->size;
    return proposal;
}

void proposal_move(struct proposal_queue *to, struct proposal_queue *from)
{
    if (from->head == NULL)
        return;
    if (to->tail == NULL)
        to->head = from->head;
    else
        to->tail->next = from->head;
    to->tail = from->tail;
    to->count += from->count;
    to->size_bytes += from->size_bytes;
    *from = (struct proposal_queue){0};
}

void proposal_set_err(struct proposal_queue *queue, int err)
{
    for (struct proposal *proposal = queue->head; proposal != NULL; proposal = proposal->next)
        proposal->err = err;
}

bool proposal_fits(const struct proposal_queue *queue, size_t size)
{
    return queue->count < PENDING_PROPOSALS_MAX && size <= PENDING_BYTES_MAX - queue->size_bytes;
}

static size_t text_size(const char *text)
{
    return text == NULL ? 1 : strnlen(text, PENDING_ROW_TEXT_MAX - 1) + 1;
}

struct row *row_new(const struct journal_row *source)
{
    const char *texts[3] = {source->event, source->object, source->text};
    char *copies[3];
    size_t size = 0;
    for (int i = 0; i < 3; i++)
        size += text_size(texts[i]);
    struct row *row = malloc(sizeof(*row) + size);
    if (row == NULL)
        return NULL;
    char *to = (char *)(row + 1);
    for (int i = 0; i < 3; i++) {
        copies[i] = to;
        text_copy(to, text_size(texts[i]), texts[i] == NULL ? "" : texts[i]);
        to += text_size(texts[i]);
    }
    row->next = NULL;
    row->row = *source;
    row->row.event = copies[0];
    row->row.object = copies[1];
    row->row.text = copies[2];
    return row;
}

void row_push(struct row_queue *queue, struct row *row)
{
    row->next = NULL;
    if (queue->tail == NULL)
        queue->head = row;
    else
        queue->tail->next = row;
    queue->tail = row;
    queue->count++;
}

struct row *row_pop(struct row_queue *queue)
{
    struct row *row = queue->head;
    if (row == NULL)
        return NULL;
    queue->head = row->next;
    if (queue->head == NULL)
        queue->tail = NULL;
    queue->count--;
    return row;
}

void row_put_back(struct row_queue *queue, struct row_queue *back)
{
    if (back->head == NULL)
        return;
    back->tail->next = queue->head;
    if (queue->tail == NULL)
        queue->tail = back->tail;
    queue->head = back->head;
    queue->count += back->count;
    *back = (struct row_queue){0};
}

size_t row_limit(struct row_queue *queue)
{
    size_t dropped = 0;
    for (; queue->count > PENDING_ROWS_MAX; dropped++)
        free(row_pop(queue));
    return dropped;
}

void row_clear(struct row_queue *queue)
{
    for (struct row *row = row_pop(queue); row != NULL; row = row_pop(queue))
        free(row);
}

struct kept_snapshot *kept_snapshot_new(uint64_t index, const void *bytes, size_t size)
{
    struct kept_snapshot *snapshot = malloc(sizeof(*snapshot) + size);
    if (snapshot == NULL)
        return NULL;
    *snapshot = (struct kept_snapshot){.index = index, .size = size};
    if (size > 0)
        memcpy(snapshot->bytes, bytes, size);
    return snapshot;
}
