#include "orchestrator/proto/history.h"

#include "orchestrator/base/err.h"
#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>

static void forget_bytes(struct past_policy *policy)
{
    free(policy->bytes);
    policy->bytes = NULL;
    policy->size = 0;
}

void history_close(struct history *history)
{
    for (uint32_t i = 0; i < history->count; i++)
        free(history->policies[i].bytes);
    history->count = 0;
}

/* So that the same remains everywhere, whoever began when. */
static void keep_limits(struct history *history)
{
    size_t sum = 0;
    for (uint32_t i = history->count; i-- > 0;) {
        struct past_policy *policy = &history->policies[i];
        if (policy->size > HISTORY_BYTES_MAX - sum)
            sum = HISTORY_BYTES_MAX; /* nor any older one, however small */
        if (sum == HISTORY_BYTES_MAX)
            forget_bytes(policy);
        sum += policy->size;
    }
}

void history_add(struct history *history, const struct past_policy *policy, uint8_t *bytes,
                 size_t size)
{
    if (history->count > 0) {
        struct past_policy *last = &history->policies[history->count - 1];
        last->bytes = bytes;
        last->size = bytes == NULL ? 0 : size;
    } else {
        free(bytes);
    }
    if (history->count == HISTORY_MAX) {
        forget_bytes(&history->policies[0]);
        history->count--;
        memmove(&history->policies[0], &history->policies[1],
                history->count * sizeof(history->policies[0]));
    }
    struct past_policy *to = &history->policies[history->count++];
    *to = *policy;
    to->bytes = NULL;
    to->size = 0;
    keep_limits(history);
}

const struct past_policy *history_find(const struct history *history, uint64_t index)
{
    for (uint32_t i = 0; i < history->count; i++)
        if (history->policies[i].index == index)
            return &history->policies[i];
    return NULL;
}

const struct past_policy *history_replaced(const struct history *history, const char *digest)
{
    const struct past_policy *policies = history->policies;
    if (history->count == 0 || strcmp(policies[history->count - 1].digest, digest) == 0)
        return NULL;
    for (uint32_t i = history->count - 1; i-- > 0;)
        if (strcmp(policies[i].digest, digest) == 0)
            return &policies[i];
    return NULL;
}

size_t history_to_messages(const struct history *history, Ephor__PastPolicy *messages,
                           Ephor__PastPolicy **pointers)
{
    for (uint32_t i = 0; i < history->count; i++) {
        const struct past_policy *from = &history->policies[i];
        Ephor__PastPolicy *to = pointers[i] = &messages[i];
        ephor__past_policy__init(to);
        to->index = from->index;
        to->wall_ms = from->wall_ms;
        to->author = (char *)(uintptr_t)from->author;
        to->digest = (char *)(uintptr_t)from->digest;
        to->changes = (char *)(uintptr_t)from->changes;
        to->policy.data = from->bytes;
        to->policy.len = from->size;
    }
    return history->count;
}

int history_from_messages(struct history *history, Ephor__PastPolicy *const *messages, size_t count)
{
    *history = (struct history){.count = 0};
    for (size_t i = count > HISTORY_MAX ? count - HISTORY_MAX : 0; i < count; i++) {
        const Ephor__PastPolicy *from = messages[i];
        struct past_policy *to = &history->policies[history->count++];
        to->index = from->index;
        to->wall_ms = from->wall_ms;
        text_copy(to->author, sizeof(to->author), from->author);
        text_copy(to->digest, sizeof(to->digest), from->digest);
        text_copy(to->changes, sizeof(to->changes), from->changes);
        if (from->policy.len == 0)
            continue;
        to->bytes = malloc(from->policy.len);
        if (to->bytes == NULL) {
            history_close(history);
            return ERR_NOMEM;
        }
        memcpy(to->bytes, from->policy.data, from->policy.len);
        to->size = from->policy.len;
    }
    keep_limits(history);
    return ERR_OK;
}
