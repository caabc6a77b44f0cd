/* The bytes of the entries that are in the log, by index: for sending, writing and handing on. A
 * log is bounded by its snapshots, so all of it is kept. An entry is shared between the cache, a
 * round that writes it and a proposal that waits for it; it goes with its last holder. Loop only,
 * but that a worker may read an entry that somebody holds. */
#ifndef CONSENSUS_LOG_CACHE_H
#define CONSENSUS_LOG_CACHE_H

#include "orchestrator/raft/raft.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_entry {
    uint32_t holders;
    enum raft_entry_kind kind;
    uint64_t term;
    size_t size;
    unsigned char bytes[];
};

/* With one holder; bytes are copied. NULL: out of memory. */
struct log_entry *log_entry_new(enum raft_entry_kind kind, uint64_t term, const void *bytes,
                                size_t size);
struct log_entry *log_entry_hold(struct log_entry *entry);
void log_entry_drop(struct log_entry *entry); /* NULL is fine */

struct log_cache {
    uint64_t first; /* index of the first one; the last is first + count - 1 */
    size_t count, capacity, start;
    uint64_t size_bytes;
    struct log_entry **entries; /* a ring */
};

void log_cache_init(struct log_cache *cache, uint64_t first);
void log_cache_close(struct log_cache *cache);
uint64_t log_cache_last(const struct log_cache *cache);

/* Behind the last one; the entry is taken, also on failure. ERR_NOMEM. */
int log_cache_append(struct log_cache *cache, struct log_entry *entry);

struct log_entry *log_cache_at(const struct log_cache *cache, uint64_t index); /* NULL: not here */
void log_cache_truncate(struct log_cache *cache, uint64_t from);
void log_cache_compact(struct log_cache *cache, uint64_t to);
void log_cache_reset(struct log_cache *cache, uint64_t first); /* empty it */

#endif
