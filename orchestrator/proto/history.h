/* The policies that were in force, as every controller has them: replicated state. The texts of
 * those before the one in force are bounded in sum; the oldest go first, and only what tells of
 * them stays. */
#ifndef PROTO_HISTORY_H
#define PROTO_HISTORY_H

#include "orchestrator/core/limits.h"
#include "orchestrator/proto/ephor.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_MAX = 16, HISTORY_BYTES_MAX = 8 << 20, DIGEST_SIZE = 72 };

struct past_policy {
    uint64_t index; /* of the entry that brought it into force: its number */
    int64_t wall_ms;
    char author[TEXT_SIZE];
    char digest[DIGEST_SIZE];
    char changes[LINE_SIZE]; /* to the one before, in a line */
    uint8_t *bytes;          /* NULL: not kept (any more); the machine has those of the last one */
    size_t size;
};

struct history {
    struct past_policy policies[HISTORY_MAX]; /* oldest first; the last one is in force */
    uint32_t count;
};

void history_close(struct history *history);

/* Another policy comes into force; bytes (taken, may be NULL) are those of the one before. Texts
 * are copied. */
void history_add(struct history *history, const struct past_policy *policy, uint8_t *bytes,
                 size_t size);

/* The one of this number; NULL if it is not remembered. */
const struct past_policy *history_find(const struct history *history, uint64_t index);

/* The newest one with this digest that was replaced; NULL: there is none, or it is in force. */
const struct past_policy *history_replaced(const struct history *history, const char *digest);

/* Between the history and its messages (HISTORY_MAX of each, whose strings are borrowed). */
size_t history_to_messages(const struct history *history, Ephor__PastPolicy *messages,
                           Ephor__PastPolicy **pointers);
int history_from_messages(struct history *history, Ephor__PastPolicy *const *messages,
                          size_t count);

#endif
