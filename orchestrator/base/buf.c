/* A byte buffer with a limit. Grows by doubling; never shrinks before buf_close. */
#include "orchestrator/base/buf.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t size_max)
{
    *b = (struct buf){.size_max = size_max};
}

void buf_close(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.size_max = b->size_max};
}

void buf_clear(struct buf *b)
{
    b->size = 0;
    b->failed = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

static int buf_grow(struct buf *b, size_t more)
{
    if (b->failed)
        return ERR_LIMIT;
    if (more > b->size_max || b->size > b->size_max - more) {
        b->failed = true;
        return ERR_LIMIT;
    }
    size_t need = b->size + more + 1;
    if (need <= b->capacity)
        return ERR_OK;
    size_t capacity = b->capacity == 0 ? 256 : b->capacity;
    while (capacity < need)
        capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (data == NULL) {
        b->failed = true;
        return ERR_NOMEM;
    }
    b->data = data;
    b->capacity = capacity;
    return ERR_OK;
}

int buf_append(struct buf *b, const void *data, size_t size)
{
    int err = buf_grow(b, size);
    if (err != ERR_OK)
        return err;
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
    return ERR_OK;
}

int buf_text(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

int buf_format(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    PRE(n >= 0);
    int err = buf_grow(b, (size_t)n);
    if (err != ERR_OK)
        return err;
    va_start(ap, fmt);
    vsnprintf(b->data + b->size, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->size += (size_t)n;
    return ERR_OK;
}

char *buf_reserve(struct buf *b, size_t size)
{
    return buf_grow(b, size) == ERR_OK ? b->data + b->size : NULL;
}

void buf_commit(struct buf *b, size_t size)
{
    PRE(b->size + size < b->capacity);
    b->size += size;
    b->data[b->size] = '\0';
}

void buf_consume(struct buf *b, size_t size)
{
    PRE(size <= b->size);
    if (size == 0)
        return;
    memmove(b->data, b->data + size, b->size - size + 1);
    b->size -= size;
}

const char *buf_string(const struct buf *b)
{
    return b->data == NULL ? "" : b->data;
}
