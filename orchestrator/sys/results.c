/* The results table. A writer makes the slot's sequence odd, writes, makes it even again; a reader
 * copies and accepts what it copied if the sequence was even and the same before and after. A
 * writer that died inside a slot leaves it odd: readers skip the slot until its next writer, which
 * carries on from the odd number. Each slot has one writing process at a time. */
#include "orchestrator/sys/results.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_TRIES = 64 };

const int64_t results_lateness_ms[RESULTS_LATENESS_BUCKETS] = {1,   5,   10,   50,
                                                               100, 500, 1000, INT64_MAX};

struct slot {
    _Atomic uint32_t sequence;
    struct result result;
};

struct table {
    struct results_checker checkers[RESULTS_CHECKERS_MAX];
    struct slot slots[RESULTS_SLOTS_MAX];
};

struct results {
    struct table *table;
};

int results_create(void)
{
    int fd = memfd_create("ephor-results", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_from_errno(errno);
    if (ftruncate(fd, sizeof(struct table)) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int err = err_from_errno(errno);
        close(fd);
        return err;
    }
    return fd;
}

struct results *results_open(int fd, bool writable)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size != (off_t)sizeof(struct table))
        return NULL; /* of another version: reading it would be reading noise */
    struct results *results = malloc(sizeof(*results));
    if (results == NULL)
        return NULL;
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    results->table = mmap(NULL, sizeof(struct table), protection, MAP_SHARED, fd, 0);
    if (results->table == MAP_FAILED) {
        free(results);
        return NULL;
    }
    return results;
}

void results_close(struct results *results)
{
    if (results == NULL)
        return;
    munmap(results->table, sizeof(struct table));
    free(results);
}

void results_write(struct results *results, uint32_t slot, const struct result *result)
{
    PRE(slot < RESULTS_SLOTS_MAX);
    struct slot *s = &results->table->slots[slot];
    uint32_t odd = atomic_load_explicit(&s->sequence, memory_order_relaxed) | 1;
    atomic_store_explicit(&s->sequence, odd, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy(&s->result, result, sizeof(*result));
    atomic_store_explicit(&s->sequence, odd + 1, memory_order_release);
}

bool results_read(const struct results *results, uint32_t slot, struct result *result)
{
    if (slot >= RESULTS_SLOTS_MAX)
        return false;
    const struct slot *s = &results->table->slots[slot];
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&s->sequence, memory_order_acquire);
        memcpy(result, &s->result, sizeof(*result));
        atomic_thread_fence(memory_order_acquire);
        uint32_t after = atomic_load_explicit(&s->sequence, memory_order_relaxed);
        if (before == after && before % 2 == 0)
            return true;
    }
    return false;
}

struct results_checker *results_checker(struct results *results, uint32_t index)
{
    PRE(index < RESULTS_CHECKERS_MAX);
    return &results->table->checkers[index];
}
