/* A byte buffer that grows up to a limit which its owner must name. Always NUL-terminated behind
 * its size bytes, so that text in it can be printed. After one append failed (limit or memory)
 * `failed` stays set and further appends do nothing, so that a writer may check once, at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL until the first append */
    size_t size;
    size_t capacity;
    size_t size_max;
    bool failed;
};

/* size_max in bytes. */
void buf_init(struct buf *b, size_t size_max);
void buf_close(struct buf *b);

/* Forget the content, keep the memory, clear `failed`. */
void buf_clear(struct buf *b);

/* 0, ERR_LIMIT or ERR_NOMEM. Data is copied. */
int buf_append(struct buf *b, const void *data, size_t size);
int buf_text(struct buf *b, const char *text);
int buf_format(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Room for at least `size` more bytes; returns where to write them, or NULL. Follow with
 * buf_commit() for what was written. */
char *buf_reserve(struct buf *b, size_t size);
void buf_commit(struct buf *b, size_t size);

/* Drop the first `size` bytes. */
void buf_consume(struct buf *b, size_t size);

/* The content as a string: "" when empty. */
const char *buf_string(const struct buf *b);

#endif
