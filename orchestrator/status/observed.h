/* The results table as this process reads it: slots that have run, with texts that are safe to
 * print whoever wrote them. */
#ifndef STATUS_OBSERVED_H
#define STATUS_OBSERVED_H

#include <stdbool.h>
#include <stdint.h>

struct results;

enum { OBSERVED_OUTPUT_SIZE = 1024, OBSERVED_PERFDATA_SIZE = 512, LAG_BUCKETS = 8 };

struct observed { /* the latest observation of a check */
    uint64_t policy_index;
    uint8_t state; /* Nagios code */
    bool is_truncated;
    char reason[32];
    int64_t started_wall_ms;
    int64_t duration_us;
    uint64_t runs;
    uint64_t runs_by_state[4];
    uint64_t timeouts;
    uint32_t attempt;
    char output[OBSERVED_OUTPUT_SIZE];
    char perfdata[OBSERVED_PERFDATA_SIZE];
};

struct lag { /* of all checkers together */
    int64_t bounds_ms[LAG_BUCKETS];
    uint64_t counts[LAG_BUCKETS];
    int64_t sum_us;
    uint32_t running, queued;
};

/* Map the table (fd is taken). NULL on failure. */
struct results *observed_open(int fd);
void observed_close(struct results *results); /* NULL is fine */

/* False if the check has never run. results may be NULL. */
bool observed_read(const struct results *results, uint32_t check, struct observed *observed);

void observed_lag(struct results *results, struct lag *lag);

#endif
