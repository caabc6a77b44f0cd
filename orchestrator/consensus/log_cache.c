#include "orchestrator/consensus/log_cache.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/err.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 1024 };

struct log_entry *log_entry_new(enum raft_entry_kind kind, uint64_t term, const void *bytes,
                                size_t size)
{
    struct log_entry *entry = malloc(sizeof(*entry) + size);
    if (entry == NULL)
        return NULL;
    *entry = (struct log_entry){.holders = 1, .kind = kind, .term = term, .size = size};
    if (size > 0)
        memcpy(entry->bytes, bytes, size);
    return entry;
}

struct log_entry *log_entry_hold(struct log_entry *entry)
{
    entry->holders++;
    return entry;
}

void log_entry_drop(struct log_entry *entry)
{
    if (entry != NULL && --entry->holders == 0)
        free(entry);
}

void log_cache_init(struct log_cache *cache, uint64_t first)
{
    *cache = (struct log_cache){.first = first};
}

void log_cache_close(struct log_cache *cache)
{
    log_cache_reset(cache, cache->first);
    free(cache->entries);
    cache->entries = NULL;
    cache->capacity = 0;
}

uint64_t log_cache_last(const struct log_cache *cache)
{
    return cache->first + cache->count - 1;
}

static struct log_entry **place(const struct log_cache *cache, uint64_t index)
{
    return &cache->entries[(cache->start + (index - cache->first)) % cache->capacity];
}

static int grow(struct log_cache *cache)
{
    size_t capacity = cache->capacity == 0 ? CAPACITY_MIN : 2 * cache->capacity;
    struct log_entry **entries = calloc(capacity, sizeof(entries[0]));
    if (entries == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < cache->count; i++)
        entries[i] = *place(cache, cache->first + i);
    free(cache->entries);
    cache->entries = entries;
    cache->capacity = capacity;
    cache->start = 0;
    return ERR_OK;
}

int log_cache_append(struct log_cache *cache, struct log_entry *entry)
{
    if (entry == NULL || (cache->count == cache->capacity && grow(cache) != ERR_OK)) {
        log_entry_drop(entry);
        return ERR_NOMEM;
    }
    *place(cache, cache->first + cache->count) = entry;
    cache->count++;
    cache->size_bytes += entry->size;
    return ERR_OK;
}

struct log_entry *log_cache_at(const struct log_cache *cache, uint64_t index)
{
    if (index < cache->first || index >= cache->first + cache->count)
        return NULL;
    return *place(cache, index);
}

void log_cache_truncate(struct log_cache *cache, uint64_t from)
{
    PRE(from >= cache->first);
    while (cache->first + cache->count > from) {
        struct log_entry *entry = *place(cache, cache->first + cache->count - 1);
        cache->size_bytes -= entry->size;
        cache->count--;
        log_entry_drop(entry);
    }
}

void log_cache_compact(struct log_cache *cache, uint64_t to)
{
    while (cache->count > 0 && cache->first <= to) {
        struct log_entry *entry = *place(cache, cache->first);
        cache->size_bytes -= entry->size;
        cache->start = (cache->start + 1) % cache->capacity;
        cache->first++;
        cache->count--;
        log_entry_drop(entry);
    }
}

void log_cache_reset(struct log_cache *cache, uint64_t first)
{
    if (cache->count > 0)
        log_cache_truncate(cache, cache->first);
    cache->first = first;
    cache->start = 0;
}
