/* The simulator of the consensus core: runs seeds, each a history of a small cluster with its own
 * accidents (sim_world.h), and says which invariant (sim_check.h) the first bad ones break.
 *
 *   sim [--seeds N] [--first S] [--servers 3|5] [--seconds V] [--jobs J]
 *       [--keep-going]
 *   sim --seed S [--servers 3|5] [--seconds V] [--trace]
 *
 * Seeds run in a child, so that a core that aborts costs one seed and not the rest. Built with
 * SIM_EXPECTS it runs a core, or a driver, with a planted mistake, and succeeds if one of those
 * invariants is found broken within SIM_WITHIN seeds. */
#include "tests/raft/sim_suite.h"
#include "tests/raft/sim_world.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SIM_EXPECTS
#define SIM_EXPECTS "" /* no violation */
#endif
#ifndef SIM_WITHIN
#define SIM_WITHIN 1000
#endif
#ifndef SIM_SERVERS
#define SIM_SERVERS 3
#endif

enum { VIOLATIONS_MAX = 3, JOBS_MAX = 64, ENOUGH_TO_JUDGE = 300 };

struct options {
    uint64_t first, seeds;
    uint32_t servers, jobs;
    int64_t seconds;
    bool is_single, has_trace, keeps_going;
};

struct job { /* shared with its child */
    uint64_t seed, end, step;
    uint32_t violations, violations_max;
    bool is_expected; /* one was of the kind that SIM_EXPECTS */
    struct sim_totals totals;
    _Alignas(16) uint8_t own[SIM_SUITE_TOTALS];
};

static bool is_planted(void)
{
    return SIM_EXPECTS[0] != 0;
}

static void report(const struct options *options, struct job *job, const char *what,
                   const char *detail)
{
    job->violations++;
    if (is_planted()) { /* what else may be broken is the business of the plain simulator */
        if (strstr(SIM_EXPECTS, what) == NULL)
            return;
        job->is_expected = true;
        printf("the planted mistake is found: seed %lu breaks %s: %s\n", job->seed, what, detail);
        return;
    }
    printf("seed %lu breaks %s: %s\n  replay: %s --servers %u --seconds %ld --seed %lu --trace\n",
           job->seed, what, detail, sim_suite.name, options->servers, options->seconds, job->seed);
    fflush(stdout);
}

static bool is_done(const struct job *job)
{
    return job->seed >= job->end || job->is_expected || job->violations >= job->violations_max;
}

static void run_seeds(const struct options *options, struct job *job)
{
    struct sim_world *world = sim_world_new(&job->totals);
    world->has_trace = options->has_trace;
    for (; !is_done(job); job->seed += job->step)
        if (!sim_suite.run(world, job->seed, options->servers, options->seconds, job->own))
            report(options, job, world->violated, world->detail);
    if (sim_suite.close != NULL)
        sim_suite.close(world);
    sim_world_free(world);
}

/* Run one job to its end, with a new child after each that died. */
static void run_job(const struct options *options, struct job *job)
{
    while (!is_done(job)) {
        fflush(stdout);
        pid_t child = fork();
        if (child < 0) {
            perror("sim: fork");
            exit(2);
        }
        if (child == 0) {
            run_seeds(options, job);
            fflush(stdout);
            _exit(0);
        }
        int status = 0;
        if (waitpid(child, &status, 0) < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
            return;
        report(options, job, "ABORT", "the core aborted, see above");
        job->seed += job->step;
    }
}

static void run_jobs(const struct options *options, struct job *jobs)
{
    for (uint32_t i = 0; i < options->jobs; i++) {
        jobs[i].seed = options->first + i;
        jobs[i].end = options->first + options->seeds;
        jobs[i].step = options->jobs;
        bool stops = !is_planted() && !options->keeps_going;
        jobs[i].violations_max = stops ? VIOLATIONS_MAX : UINT32_MAX;
    }
    if (options->jobs == 1) {
        run_job(options, &jobs[0]);
        return;
    }
    for (uint32_t i = 0; i < options->jobs; i++) {
        fflush(stdout);
        if (fork() == 0) {
            run_job(options, &jobs[i]);
            fflush(stdout);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
}

/* ---- what has happened */

#define TOTAL(field, certain)                               \
    {                                                       \
#field, offsetof(struct sim_totals, field), certain \
    }

/* at: where in a job they are. Returns how many that are certain never happened. */
static int print_list(const struct options *options, const struct job *jobs, size_t at,
                      const struct sim_total *list, size_t count)
{
    int missing = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = 0;
        for (uint32_t j = 0; j < options->jobs; j++) {
            uint64_t one;
            memcpy(&one, (const char *)&jobs[j] + at + list[i].offset, sizeof(one));
            sum += one;
        }
        printf("%s %lu %s", i == 0 ? "" : ",", sum, list[i].name);
        if (sum == 0 && list[i].is_certain && options->seeds >= ENOUGH_TO_JUDGE)
            missing++;
    }
    return missing;
}

static int print_totals(const struct options *options, const struct job *jobs)
{
    bool is_own = sim_suite.total_count == 0; /* what stands on the log does not do all of this */
    const struct sim_total table[] = {
        TOTAL(seeds, true),
        TOTAL(events, true),
        TOTAL(elections, is_own),
        TOTAL(commits, true),
        TOTAL(acknowledged, true),
        TOTAL(reads, is_own),
        TOTAL(snapshots_taken, true),
        TOTAL(snapshots_installed, is_own),
        TOTAL(crashes, true),
        TOTAL(stops, true),
        TOTAL(storage_failures, true),
        TOTAL(damages, is_own),
        TOTAL(changes, is_own),
        TOTAL(transfers, is_own),
        TOTAL(full, false),
        TOTAL(unlive, false),
    };
    printf("%u servers:", options->servers);
    int missing = print_list(options, jobs, offsetof(struct job, totals), table,
                             sizeof(table) / sizeof(table[0]));
    if (sim_suite.total_count > 0)
        fputs(";", stdout);
    missing += print_list(options, jobs, offsetof(struct job, own), sim_suite.totals,
                          sim_suite.total_count);
    putchar('\n');
    if (missing != 0)
        puts("sim: something that has to happen never did");
    return missing;
}

static int verdict(const struct options *options, const struct job *jobs)
{
    uint32_t violations = 0;
    bool is_expected = false;
    for (uint32_t i = 0; i < options->jobs; i++) {
        violations += jobs[i].violations;
        is_expected = is_expected || jobs[i].is_expected;
    }
    if (is_planted()) {
        if (!is_expected)
            printf("the planted mistake is not found as " SIM_EXPECTS " in %lu seeds\n",
                   options->seeds);
        return is_expected ? 0 : 1;
    }
    int missing = print_totals(options, jobs);
    return violations == 0 && missing == 0 ? 0 : 1;
}

/* ---- the command line */

static uint64_t number(const char *text)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    if (*text == 0 || *end != 0) {
        fprintf(stderr, "sim: '%s' is not a number\n", text);
        exit(2);
    }
    return value;
}

static void parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},
        {"servers", required_argument, NULL, 'v'},
        {"seconds", required_argument, NULL, 'd'},
        {"jobs", required_argument, NULL, 'j'},
        {"trace", no_argument, NULL, 't'},
        {"keep-going", no_argument, NULL, 'k'},
        {0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'n':
            options->seeds = number(optarg);
            break;
        case 's':
            options->is_single = true;
            options->seeds = 1;
            options->first = number(optarg);
            break;
        case 'f':
            options->first = number(optarg);
            break;
        case 'v':
            options->servers = (uint32_t)number(optarg);
            break;
        case 'd':
            options->seconds = (int64_t)number(optarg);
            break;
        case 'j':
            options->jobs = (uint32_t)number(optarg);
            break;
        case 'k':
            options->keeps_going = true;
            break;
        case 't':
            options->has_trace = true;
            break;
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct options options = {
        .first = 1, .seeds = SIM_WITHIN, .servers = SIM_SERVERS, .jobs = 1, .seconds = 30};
    parse(argc, argv, &options);
    if (options.jobs == 0 || options.jobs > JOBS_MAX || options.servers == 0 ||
        options.servers > sim_suite.servers_max) {
        fprintf(stderr, "%s: 1 to %u servers, 1 to 64 jobs\n", sim_suite.name,
                sim_suite.servers_max);
        return 2;
    }
    struct job *jobs = mmap(NULL, JOBS_MAX * sizeof(*jobs), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (jobs == MAP_FAILED) {
        perror("sim: mmap");
        return 2;
    }
    if (options.is_single) {
        jobs[0] = (struct job){
            .seed = options.first, .end = options.first + 1, .step = 1, .violations_max = 1};
        run_seeds(&options, &jobs[0]);
    } else
        run_jobs(&options, jobs);
    int result = verdict(&options, jobs);
    munmap(jobs, JOBS_MAX * sizeof(*jobs));
    return result;
}
