/* See bench.h. A round of elections: wait for a leader that works, let the cluster settle, kill -9
 * the leader, take the stamps of the first other process that leads and that has committed an
 * entry, restart the killed one, wait until all three have applied the same index.
 * A round in which the leadership had changed by itself just then is void and done again. */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_MS = 60000,   /* without the awaited event, the measurement has failed */
    SETTLE_MS = 1500,  /* more than libraft's default pause before it connects again, 1 s */
    QUIT_MS = 2000,    /* a server that is still there is killed */
    POLL_MS = 5,       /* between two questions for the applied index, or whether one has ended */
    PORT_FIRST = 20000 /* below the ports the kernel gives to connections (ip_local_port_range) */
};

struct options {
    int elections;
    int heartbeat_ms;
    int election_ms;
    int commit_seconds;
    int outstanding;
    int settle_ms;
    const char *dir;
};

struct server {
    pid_t pid; /* 0: not running */
    int report_fd;
    int command_fd;
    bool is_leader;
    int64_t working_us; /* when it last became a working leader; 0: is none */
    uint64_t applied;   /* as last asked; 0: not answered yet */
    bool has_load;
    struct bench_load_result load;
};

struct cluster {
    const char *name;
    const struct bench_server_ops *ops;
    const struct options *options;
    char dir[4096];
    uint16_t ports[BENCH_SERVERS];
    struct server servers[BENCH_SERVERS];
    bool is_electing;         /* since the start or a kill, until a leader works */
    int64_t first_leader_us;  /* in this election; 0: none yet */
    int64_t first_working_us; /* likewise */
    int unprovoked;           /* leaders that came when none was missing */
};

typedef bool (*condition)(const struct cluster *cluster);

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

static void handle_signal(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(number, &action, NULL);
}

/* ---------------------------------------------------------------- the server's side */

int64_t bench_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Both structs are smaller than PIPE_BUF: each is written and read in one piece. */
int bench_command_read(int command_fd, struct bench_command *command)
{
    ssize_t size = read(command_fd, command, sizeof(*command));
    if (size == (ssize_t)sizeof(*command))
        return 1;
    return size < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void bench_report_write(int report_fd, const struct bench_report *report)
{
    struct bench_report stamped = *report;
    stamped.at_us = bench_now_us();
    if (write(report_fd, &stamped, sizeof(stamped)) != (ssize_t)sizeof(stamped))
        _exit(EXIT_FAILURE);
}

static size_t bucket_of(uint64_t value)
{
    unsigned shift = value < 64 ? 0 : (unsigned)(63 - __builtin_clzll(value)) - 6;
    size_t bucket = value < 64 ? value : (shift + 1) * 64 + ((value >> shift) - 64);
    return bucket < BENCH_BUCKETS ? bucket : BENCH_BUCKETS - 1;
}

static int64_t largest_of(size_t bucket)
{
    if (bucket < 64)
        return (int64_t)bucket;
    return (int64_t)((((uint64_t)bucket % 64 + 65) << (bucket / 64 - 1)) - 1);
}

void bench_histogram_add(struct bench_histogram *histogram, int64_t value)
{
    histogram->counts[bucket_of(value < 0 ? 0 : (uint64_t)value)]++;
    histogram->total++;
}

int64_t bench_histogram_percentile(const struct bench_histogram *histogram, int per_cent)
{
    uint64_t rank = (histogram->total * (uint64_t)per_cent + 99) / 100;
    uint64_t seen = 0;
    for (size_t i = 0; i < BENCH_BUCKETS && rank > 0; i++) {
        seen += histogram->counts[i];
        if (seen >= rank)
            return largest_of(i);
    }
    return 0;
}

void bench_load_begin(struct bench_load *load, const struct bench_server_params *params,
                      const struct bench_command *command)
{
    memset(load, 0, sizeof(*load));
    load->report_fd = params->report_fd;
    load->in_flight = command->outstanding;
    load->began_us = bench_now_us();
    load->end_us = load->began_us + (int64_t)command->seconds * 1000000;
}

bool bench_load_answered(struct bench_load *load, int64_t proposed_us, bool is_committed)
{
    int64_t now_us = bench_now_us();
    if (is_committed) {
        load->result.committed++;
        bench_histogram_add(&load->latency, now_us - proposed_us);
        if (now_us < load->end_us)
            return true;
    } else {
        load->result.failed++;
    }
    if (--load->in_flight == 0) {
        load->result.elapsed_us = now_us - load->began_us;
        load->result.p50_us = bench_histogram_percentile(&load->latency, 50);
        load->result.p99_us = bench_histogram_percentile(&load->latency, 99);
        struct bench_report report = {.kind = REPORT_LOAD, .load = load->result};
        bench_report_write(load->report_fd, &report);
    }
    return false;
}

/* ---------------------------------------------------------------- processes */

static void server_close(struct server *server)
{
    close(server->report_fd);
    close(server->command_fd);
    memset(server, 0, sizeof(*server));
}

static void server_kill(struct server *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server_close(server);
}

static void server_command(struct server *server, const struct bench_command *command)
{
    if (server->pid != 0 && write(server->command_fd, command, sizeof(*command)) < 0)
        perror("command"); /* it has ended: its reports will tell */
}

/* Lets a server end as it likes to, which a sanitizer or a profiler needs; else kills it. */
static void server_quit(struct server *server)
{
    static const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    struct bench_command command = {.kind = COMMAND_QUIT};
    int64_t end_us = bench_now_us() + (int64_t)QUIT_MS * 1000;
    server_command(server, &command);
    while (server->pid != 0 && bench_now_us() < end_us) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0)
            server_close(server);
        nanosleep(&pause, NULL);
    }
    server_kill(server);
}

/* In the child: it keeps no end of its brothers' pipes, and does not survive its parent. */
static int child_run(struct cluster *cluster, struct bench_server_params *params)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < BENCH_SERVERS; i++)
        if (cluster->servers[i].pid != 0)
            server_close(&cluster->servers[i]);
    handle_signal(SIGINT, SIG_IGN); /* the parent tells when to end */
    fcntl(params->command_fd, F_SETFL, O_NONBLOCK);
    return cluster->ops->run(params);
}

static int server_start(struct cluster *cluster, int id, bool is_restart)
{
    struct server *server = &cluster->servers[id - 1];
    char dir[sizeof(cluster->dir) + 16];
    int reports[2];
    int commands[2];
    snprintf(dir, sizeof(dir), "%s/%d", cluster->dir, id);
    if ((!is_restart && mkdir(dir, 0700) != 0) || pipe(reports) != 0 || pipe(commands) != 0) {
        perror(dir);
        return -1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct bench_server_params params = {.id = id,
                                             .is_restart = is_restart,
                                             .dir = dir,
                                             .heartbeat_ms = cluster->options->heartbeat_ms,
                                             .election_ms = cluster->options->election_ms,
                                             .report_fd = reports[1],
                                             .command_fd = commands[0]};
        memcpy(params.ports, cluster->ports, sizeof(params.ports));
        close(reports[0]);
        close(commands[1]);
        _exit(child_run(cluster, &params));
    }
    close(reports[1]);
    close(commands[0]);
    *server = (struct server){.pid = pid, .report_fd = reports[0], .command_fd = commands[1]};
    if (pid > 0)
        return 0;
    perror("fork");
    server_close(server);
    return -1;
}

static int64_t server_rss_kb(const struct server *server)
{
    char path[64];
    char line[256];
    long long kb = -1;
    snprintf(path, sizeof(path), "/proc/%ld/status", (long)server->pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtoll(line + 6, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kb;
}

/* ---------------------------------------------------------------- reports */

static void take_report(struct cluster *cluster, struct server *server,
                        const struct bench_report *report)
{
    switch (report->kind) {
    case REPORT_LEADER:
        server->is_leader = true;
        server->working_us = 0;
        if (!cluster->is_electing)
            cluster->unprovoked++;
        if (cluster->first_leader_us == 0)
            cluster->first_leader_us = report->at_us;
        break;
    case REPORT_FOLLOWER:
        server->is_leader = false;
        server->working_us = 0;
        break;
    case REPORT_WORKING:
        server->working_us = report->at_us;
        if (cluster->first_working_us == 0)
            cluster->first_working_us = report->at_us;
        cluster->is_electing = false;
        break;
    case REPORT_APPLIED:
        server->applied = report->index;
        break;
    case REPORT_LOAD:
        server->load = report->load;
        server->has_load = true;
        break;
    }
}

/* Takes reports until the condition holds or the time is over: 1 or 0, and -1 on failure. */
static int cluster_wait(struct cluster *cluster, condition is_met, int64_t wait_ms)
{
    int64_t end_us = bench_now_us() + wait_ms * 1000;
    for (;;) {
        struct pollfd polls[BENCH_SERVERS];
        int64_t left_us = end_us - bench_now_us();
        if (is_met != NULL && is_met(cluster))
            return 1;
        if (left_us <= 0)
            return 0;
        for (int i = 0; i < BENCH_SERVERS; i++) {
            const struct server *server = &cluster->servers[i];
            polls[i] = (struct pollfd){server->pid == 0 ? -1 : server->report_fd, POLLIN, 0};
        }
        if (poll(polls, BENCH_SERVERS, (int)((left_us + 999) / 1000)) < 0 || is_interrupted)
            return -1;
        for (int i = 0; i < BENCH_SERVERS; i++) {
            struct server *server = &cluster->servers[i];
            struct bench_report report;
            if (polls[i].revents == 0)
                continue;
            if (read(server->report_fd, &report, sizeof(report)) <= 0) {
                fprintf(stderr, "server %d has ended by itself\n", i + 1);
                return -1;
            }
            take_report(cluster, server, &report);
        }
    }
}

static int cluster_expect(struct cluster *cluster, condition is_met, int64_t wait_ms,
                          const char *what)
{
    int got = cluster_wait(cluster, is_met, wait_ms);
    if (got == 0)
        fprintf(stderr, "after %lld s: %s\n", (long long)wait_ms / 1000, what);
    return got == 1 ? 0 : -1;
}

/* Each server may still believe to lead; the one that worked last is the leader. */
static int working_leader(const struct cluster *cluster)
{
    int leader = 0;
    int64_t latest_us = 0;
    for (int i = 0; i < BENCH_SERVERS; i++)
        if (cluster->servers[i].is_leader && cluster->servers[i].working_us > latest_us) {
            latest_us = cluster->servers[i].working_us;
            leader = i + 1;
        }
    return leader;
}

static bool has_working_leader(const struct cluster *cluster)
{
    return working_leader(cluster) != 0;
}

static bool has_elected(const struct cluster *cluster)
{
    return cluster->first_working_us != 0;
}

static bool has_applied_all(const struct cluster *cluster)
{
    uint64_t applied = cluster->servers[0].applied;
    for (int i = 1; i < BENCH_SERVERS; i++)
        if (cluster->servers[i].applied != applied)
            return false;
    return applied != 0;
}

static bool has_load(const struct cluster *cluster)
{
    bool is_done = false;
    for (int i = 0; i < BENCH_SERVERS; i++)
        is_done = is_done || cluster->servers[i].has_load;
    return is_done;
}

static int wait_caught_up(struct cluster *cluster)
{
    struct bench_command command = {.kind = COMMAND_APPLIED};
    int64_t end_us = bench_now_us() + (int64_t)WAIT_MS * 1000;
    while (bench_now_us() < end_us) {
        for (int i = 0; i < BENCH_SERVERS; i++) {
            cluster->servers[i].applied = 0;
            server_command(&cluster->servers[i], &command);
        }
        if (cluster_wait(cluster, NULL, POLL_MS) < 0)
            return -1;
        if (has_working_leader(cluster) && has_applied_all(cluster))
            return 0;
    }
    fprintf(stderr, "after %d s: the servers have not caught up\n", WAIT_MS / 1000);
    return -1;
}

/* ---------------------------------------------------------------- cluster */

static bool is_port_free(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

/* No port that the kernel may give to an outgoing connection: a server that connects to a killed
 * one's port could otherwise meet itself. */
static void pick_ports(uint16_t ports[BENCH_SERVERS])
{
    int port = PORT_FIRST + (int)(bench_now_us() % 9000);
    for (int i = 0; i < BENCH_SERVERS; port++)
        if (is_port_free((uint16_t)port))
            ports[i++] = (uint16_t)port;
}

static int cluster_start(struct cluster *cluster)
{
    snprintf(cluster->dir, sizeof(cluster->dir), "%s/bench-XXXXXX", cluster->options->dir);
    if (mkdtemp(cluster->dir) == NULL) {
        perror(cluster->dir);
        cluster->dir[0] = '\0';
        return -1;
    }
    pick_ports(cluster->ports);
    cluster->is_electing = true;
    for (int id = 1; id <= BENCH_SERVERS; id++)
        if (server_start(cluster, id, false) != 0)
            return -1;
    return 0;
}

static void remove_tree(char *dir)
{
    char *const dirs[] = {dir, NULL};
    FTS *tree = fts_open(dirs, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    while (tree != NULL && (entry = fts_read(tree)) != NULL)
        if (entry->fts_info != FTS_D && remove(entry->fts_accpath) != 0)
            perror(entry->fts_accpath);
    if (tree != NULL)
        fts_close(tree);
}

static void cluster_stop(struct cluster *cluster)
{
    for (int i = 0; i < BENCH_SERVERS; i++)
        server_quit(&cluster->servers[i]);
    if (cluster->dir[0] != '\0')
        remove_tree(cluster->dir);
}

static int settle(struct cluster *cluster, int64_t jitter_ms)
{
    int64_t jitter = jitter_ms > 0 ? bench_now_us() % jitter_ms : 0;
    return cluster_wait(cluster, NULL, cluster->options->settle_ms + jitter) < 0 ? -1 : 0;
}

/* ---------------------------------------------------------------- elections */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile_ms(const int64_t *sorted_us, int count, int per_cent)
{
    int rank = (count * per_cent + 99) / 100;
    return (double)sorted_us[rank - 1] / 1000.0;
}

static void print_times(const char *what, int64_t *times_us, int count)
{
    qsort(times_us, (size_t)count, sizeof(times_us[0]), compare);
    printf(" %s_median_ms=%.1f %s_p99_ms=%.1f %s_max_ms=%.1f", what,
           percentile_ms(times_us, count, 50), what, percentile_ms(times_us, count, 99), what,
           (double)times_us[count - 1] / 1000.0);
}

/* 1: measured, 0: void, -1: failed. The killed leader's unread reports end with its pipe. */
static int election_run(struct cluster *cluster, int64_t *leader_us, int64_t *working_us)
{
    if (cluster_expect(cluster, has_working_leader, WAIT_MS, "no leader") != 0 ||
        settle(cluster, cluster->options->heartbeat_ms) != 0)
        return -1;
    int victim = working_leader(cluster);
    if (victim == 0)
        return 0;
    cluster->is_electing = true;
    cluster->first_leader_us = 0;
    cluster->first_working_us = 0;
    int64_t killed_us = bench_now_us();
    server_kill(&cluster->servers[victim - 1]);
    if (cluster_expect(cluster, has_elected, WAIT_MS, "no new leader") != 0)
        return -1;
    *leader_us = cluster->first_leader_us - killed_us;
    *working_us = cluster->first_working_us - killed_us;
    if (server_start(cluster, victim, true) != 0 || wait_caught_up(cluster) != 0)
        return -1;
    return *leader_us >= 0 && *working_us >= *leader_us;
}

static int measure_elections(struct cluster *cluster)
{
    const struct options *options = cluster->options;
    size_t size = (size_t)options->elections * sizeof(int64_t);
    int64_t *leader_us = malloc(size);
    int64_t *working_us = malloc(size);
    int count = 0;
    int void_count = 0;
    int got = leader_us == NULL || working_us == NULL ? -1 : cluster_start(cluster);
    while (got >= 0 && count < options->elections) {
        got = election_run(cluster, &leader_us[count], &working_us[count]);
        count += got == 1;
        void_count += got == 0;
    }
    cluster_stop(cluster);
    if (count > 0) {
        printf("%s elections heartbeat=%d election=%d n=%d", cluster->name, options->heartbeat_ms,
               options->election_ms, count);
        print_times("leader", leader_us, count);
        print_times("working", working_us, count);
        printf(" unprovoked=%d void=%d\n", cluster->unprovoked, void_count);
    }
    free(leader_us);
    free(working_us);
    return got < 0 ? -1 : 0;
}

/* ---------------------------------------------------------------- commits */

static int load_run(struct cluster *cluster, int64_t *idle_kb, int64_t *after_kb,
                    struct bench_load_result *result)
{
    const struct options *options = cluster->options;
    struct bench_command command = {COMMAND_LOAD, options->outstanding, options->commit_seconds};
    int64_t wait_ms = WAIT_MS + (int64_t)options->commit_seconds * 1000;
    if (cluster_start(cluster) != 0 ||
        cluster_expect(cluster, has_working_leader, WAIT_MS, "no leader") != 0 ||
        settle(cluster, 0) != 0 ||
        cluster_expect(cluster, has_working_leader, WAIT_MS, "no leader") != 0)
        return -1;
    struct server *leader = &cluster->servers[working_leader(cluster) - 1];
    *idle_kb = server_rss_kb(leader);
    server_command(leader, &command);
    if (cluster_expect(cluster, has_load, wait_ms, "the load has not ended") != 0)
        return -1;
    *result = leader->load;
    if (settle(cluster, 0) != 0)
        return -1;
    *after_kb = server_rss_kb(leader);
    return 0;
}

static int measure_commits(struct cluster *cluster)
{
    struct bench_load_result result = {0};
    int64_t idle_kb = 0;
    int64_t after_kb = 0;
    int got = load_run(cluster, &idle_kb, &after_kb, &result);
    cluster_stop(cluster);
    if (got != 0)
        return -1;
    printf("%s commits outstanding=%d per_second=%.0f p50_us=%lld p99_us=%lld failed=%llu\n",
           cluster->name, cluster->options->outstanding,
           (double)result.committed * 1e6 / (double)(result.elapsed_us + !result.elapsed_us),
           (long long)result.p50_us, (long long)result.p99_us, (unsigned long long)result.failed);
    printf("%s memory idle_kb=%lld after_kb=%lld\n", cluster->name, (long long)idle_kb,
           (long long)after_kb);
    return result.failed == 0 ? 0 : -1;
}

/* ---------------------------------------------------------------- arguments */

static bool parse_number(const char *text, int max, int *number)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    bool is_valid = errno == 0 && end != text && *end == '\0' && value >= 0 && value <= max;
    *number = is_valid ? (int)value : 0;
    return is_valid;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"elections", required_argument, NULL, 'n'},   {"heartbeat", required_argument, NULL, 'h'},
        {"election", required_argument, NULL, 'e'},    {"commits", required_argument, NULL, 's'},
        {"outstanding", required_argument, NULL, 'k'}, {"settle", required_argument, NULL, 't'},
        {"dir", required_argument, NULL, 'd'},         {NULL, 0, NULL, 0}};
    bool is_valid = true;
    int letter;
    while (is_valid && (letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (letter == 'n')
            is_valid = parse_number(optarg, 100000, &options->elections);
        else if (letter == 'h')
            is_valid = parse_number(optarg, 60000, &options->heartbeat_ms);
        else if (letter == 'e')
            is_valid = parse_number(optarg, 60000, &options->election_ms);
        else if (letter == 's')
            is_valid = parse_number(optarg, 3600, &options->commit_seconds);
        else if (letter == 'k')
            is_valid = parse_number(optarg, BENCH_OUTSTANDING_MAX, &options->outstanding);
        else if (letter == 't')
            is_valid = parse_number(optarg, 60000, &options->settle_ms);
        else if (letter == 'd')
            options->dir = optarg;
        else
            is_valid = false;
    }
    return is_valid && optind == argc && options->heartbeat_ms > 0 && options->election_ms > 0 &&
           options->outstanding > 0 && (options->elections > 0 || options->commit_seconds > 0);
}

int bench_main(int argc, char **argv, const char *name, const struct bench_server_ops *ops)
{
    const char *temporary = getenv("TMPDIR");
    struct options options = {.heartbeat_ms = 100,
                              .election_ms = 1000,
                              .outstanding = 1,
                              .settle_ms = SETTLE_MS,
                              .dir = temporary != NULL ? temporary : "/tmp"};
    int err = 0;
    if (!parse_options(argc, argv, &options)) {
        fprintf(stderr,
                "usage: %s [--dir DIR] [--settle MS] [--heartbeat MS] [--election MS]\n"
                "          [--elections N] [--commits SECONDS --outstanding K]\n",
                argv[0]);
        return EXIT_FAILURE;
    }
    handle_signal(SIGINT, on_signal);
    handle_signal(SIGTERM, on_signal);
    handle_signal(SIGPIPE, SIG_IGN);
    struct cluster cluster = {.name = name, .ops = ops, .options = &options};
    if (options.elections > 0)
        err = measure_elections(&cluster);
    cluster = (struct cluster){.name = name, .ops = ops, .options = &options};
    if (options.commit_seconds > 0 && err == 0)
        err = measure_commits(&cluster);
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
