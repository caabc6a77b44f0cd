/* A harness that measures a replicated log: elections after kill -9, commits, memory.
 * It forks three server processes on 127.0.0.1 and talks to each over two pipes, with the structs
 * below. What a server is made of is the business of struct bench_server_ops: bench.c knows no
 * consensus engine, so that every engine is measured in the same way.
 * For people; no test.
 *
 * A server must
 *   - report REPORT_LEADER and REPORT_FOLLOWER whenever its role changes,
 *   - as a new leader, propose one entry and report REPORT_WORKING when it is committed,
 *   - answer COMMAND_APPLIED with REPORT_APPLIED,
 *   - obey COMMAND_LOAD with the help of bench_load_begin() and bench_load_answered(),
 *   - return from run() on COMMAND_QUIT or when bench_command_read() fails.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

enum { BENCH_SERVERS = 3, BENCH_ENTRY_BYTES = 256, BENCH_OUTSTANDING_MAX = 4096 };

struct bench_server_params {
    int id;          /* 1 to BENCH_SERVERS */
    bool is_restart; /* the directory holds what an earlier process left after kill -9 */
    const char *dir; /* exists; empty if this is no restart */
    uint16_t ports[BENCH_SERVERS]; /* on 127.0.0.1; ports[id - 1] is the server's own */
    int heartbeat_ms;
    int election_ms;
    int report_fd;  /* blocking, to write to with bench_report_write() */
    int command_fd; /* non-blocking, to wait for and to read with bench_command_read() */
};

struct bench_server_ops {
    /* Runs in a process of its own until told to quit. Returns its exit status. */
    int (*run)(const struct bench_server_params *params);
};

/* ---- parent -> server */

enum bench_command_kind { COMMAND_LOAD = 1, COMMAND_APPLIED, COMMAND_QUIT };

struct bench_command {
    enum bench_command_kind kind;
    int32_t outstanding; /* COMMAND_LOAD: entries to keep on their way ... */
    int32_t seconds;     /* ... for how long */
};

/* 1: *command is filled, 0: there is none at present, -1: the parent has gone. */
int bench_command_read(int command_fd, struct bench_command *command);

/* ---- server -> parent */

enum bench_report_kind {
    REPORT_LEADER = 1, /* became leader, at_us */
    REPORT_FOLLOWER,   /* is leader no more, at_us */
    REPORT_WORKING,    /* as leader, it has committed an entry of its own, at_us */
    REPORT_APPLIED,    /* index: the last entry applied */
    REPORT_LOAD        /* load: a COMMAND_LOAD has ended */
};

struct bench_load_result {
    int64_t elapsed_us;
    int64_t p50_us;
    int64_t p99_us;
    uint64_t committed;
    uint64_t failed;
};

struct bench_report {
    enum bench_report_kind kind;
    int64_t at_us; /* filled by bench_report_write() */
    uint64_t index;
    struct bench_load_result load;
};

/* Stamps and sends a copy of the report. Exits if the parent has gone. */
void bench_report_write(int report_fd, const struct bench_report *report);

/* CLOCK_MONOTONIC, the same in all processes of the host. */
int64_t bench_now_us(void);

/* ---- the arithmetic of a load */

/* Counts by size, exact below 64 us and to 1.6 % above: it does not grow, and so leaves the
 * process's memory as it is. */
enum { BENCH_BUCKETS = 2048 };

struct bench_histogram {
    uint64_t total;
    uint32_t counts[BENCH_BUCKETS];
};

void bench_histogram_add(struct bench_histogram *histogram, int64_t value);

/* The smallest value that is not exceeded by per_cent of the values; 0 without values. */
int64_t bench_histogram_percentile(const struct bench_histogram *histogram, int per_cent);

struct bench_load {
    int report_fd;
    int in_flight;
    int64_t began_us;
    int64_t end_us;
    struct bench_load_result result;
    struct bench_histogram latency;
};

/* The caller then proposes command->outstanding entries of BENCH_ENTRY_BYTES. */
void bench_load_begin(struct bench_load *load, const struct bench_server_params *params,
                      const struct bench_command *command);

/* For each entry committed, or lost (is_committed false). True: propose the next one in its place;
 * a lost one is not replaced. The last answer sends REPORT_LOAD. */
bool bench_load_answered(struct bench_load *load, int64_t proposed_us, bool is_committed);

/* ---- the whole program: parses the arguments, measures, prints lines that start with name. */
int bench_main(int argc, char **argv, const char *name, const struct bench_server_ops *ops);

#endif
