/* The results table: the latest observation of every check, in shared memory. The supervisor makes
 * it once (a sparse memory file of RESULTS_SIZE bytes), checkers write it, the status process maps
 * it read-only. Plain observations cost the log nothing that way.
 * A slot belongs to the check with the same number in the policy at `policy_index`; readers skip
 * slots of another policy. Each slot is guarded by a sequence count: results_read copies a slot
 * and fails only while a writer is in it for longer than a few tries. */
#ifndef SYS_RESULTS_H
#define SYS_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESULTS_SLOTS_MAX = 65536,
    RESULTS_OUTPUT_SIZE = 1024,
    RESULTS_PERFDATA_SIZE = 512,
    RESULTS_CHECKERS_MAX = 8,
    RESULTS_LATENESS_BUCKETS = 8, /* upper bounds in results_lateness_ms, the last one infinite */
};

extern const int64_t results_lateness_ms[RESULTS_LATENESS_BUCKETS]; /* 1 5 10 50 100 500 1000 inf */

struct result {
    uint64_t policy_index;
    uint8_t state;   /* Nagios code 0-3 of the last observation */
    uint8_t opinion; /* 0-3; 3 also before the first opinion */
    bool has_opinion;
    bool is_truncated; /* output was longer than we keep */
    char reason[32];   /* "" or "timeout" "bad-exit" "signal:SEGV" "not-found" ... */
    int64_t started_wall_ms;
    int64_t duration_us;
    int64_t since_wall_ms; /* of the opinion */
    uint64_t runs;
    uint64_t runs_by_state[4];
    uint64_t timeouts;
    uint32_t attempt;                     /* contradicting observations in a row */
    char output[RESULTS_OUTPUT_SIZE];     /* text, UTF-8 */
    char perfdata[RESULTS_PERFDATA_SIZE]; /* as the plugin wrote it */
};

struct results_checker { /* one for each checker process */
    uint64_t lateness_counts[RESULTS_LATENESS_BUCKETS];
    int64_t lateness_sum_us;
    uint64_t lateness_count;
    uint32_t running;
    uint32_t queued;
};

struct results; /* a mapping */

/* A new memory file, or a negative error. The fd is the caller's. */
int results_create(void);

/* Map the table; fd stays the caller's. NULL on failure. */
struct results *results_open(int fd, bool writable);
void results_close(struct results *results);

void results_write(struct results *results, uint32_t slot, const struct result *result);
bool results_read(const struct results *results, uint32_t slot, struct result *result);

/* The statistics block of checker number `index`; the writer owns it. */
struct results_checker *results_checker(struct results *results, uint32_t index);

#endif
