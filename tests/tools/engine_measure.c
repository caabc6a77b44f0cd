/* How many proposals a second the engine commits in a directory, and how long one takes: with 1
 * and with 256 outstanding. Usage: engine_measure EMPTY_DIRECTORY [SECONDS]. For people; no test.
 */
#include "orchestrator/base/text.h"
#include "orchestrator/consensus/engine.h"
#include "orchestrator/sys/now.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_SIZE = 256, SAMPLES_MAX = 1 << 20, OUTSTANDING_MAX = 256 };

struct client {
    int64_t began_us;
};

static struct loop *loop;
static struct engine *engine;
static struct client clients[OUTSTANDING_MAX];
static int outstanding;
static int64_t duration_ms;
static int64_t end_ms;
static int64_t samples_us[SAMPLES_MAX];
static size_t sample_count;
static size_t answer_count;

static void on_answer(void *data, int err, uint64_t index);

static void propose(struct client *client)
{
    static const char bytes[ENTRY_SIZE] = "measured";
    client->began_us = now_mono_us();
    engine_propose(engine, bytes, sizeof(bytes), on_answer, client);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void begin(int count)
{
    outstanding = count;
    sample_count = 0;
    answer_count = 0;
    end_ms = now_mono_ms() + duration_ms;
    for (int i = 0; i < count; i++)
        propose(&clients[i]);
}

static void report(int count)
{
    qsort(samples_us, sample_count, sizeof(samples_us[0]), compare);
    printf("%3d outstanding: %8.0f proposals/s, p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", count,
           (double)answer_count * 1000.0 / (double)duration_ms,
           (double)samples_us[sample_count / 2] / 1000.0,
           (double)samples_us[sample_count * 99 / 100] / 1000.0,
           (double)samples_us[sample_count - 1] / 1000.0);
}

static void on_answer(void *data, int err, uint64_t index)
{
    static int count = 1;
    struct client *client = data;
    if (err != 0) {
        fprintf(stderr, "entry %lu: %s\n", (unsigned long)index, err_text(err));
        exit(EXIT_FAILURE);
    }
    answer_count++;
    if (sample_count < SAMPLES_MAX)
        samples_us[sample_count++] = now_mono_us() - client->began_us;
    if (engine_wants_snapshot(engine))
        engine_snapshot(engine, index, "state", 5);
    if (now_mono_ms() < end_ms) {
        propose(client);
    } else if (--outstanding == 0) {
        report(count);
        if (count == OUTSTANDING_MAX)
            loop_stop(loop);
        else
            begin(count = OUTSTANDING_MAX);
    }
}

static void on_snapshot(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    (void)data, (void)index, (void)term, (void)bytes, (void)size;
}

static void on_entry(void *data, uint64_t index, uint64_t term, const void *bytes, size_t size)
{
    (void)data, (void)index, (void)term, (void)bytes, (void)size;
}

static void on_leadership(void *data, bool is_leader, uint64_t term)
{
    (void)data, (void)term;
    if (is_leader)
        begin(1);
}

static void on_storage(void *data, int err, const char *text)
{
    (void)data;
    fprintf(stderr, "storage: %s (%s)\n", text, err_text(err));
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    static const struct engine_callbacks callbacks = {on_snapshot, on_entry, on_leadership,
                                                      on_storage,  NULL,     NULL};
    struct errbuf e;
    int64_t seconds = 5;
    if (argc < 2 || argc > 3 || (argc == 3 && !text_parse_int(argv[2], 1, 60, &seconds))) {
        fprintf(stderr, "usage: engine_measure EMPTY_DIRECTORY [SECONDS]\n");
        return EXIT_FAILURE;
    }
    struct engine_params params = {.state_dir = argv[1], .controller = 1, .callbacks = &callbacks};
    duration_ms = seconds * 1000;
    loop = loop_new();
    if (loop == NULL || engine_open(loop, &params, &engine, &e) != 0) {
        fprintf(stderr, "%s\n", loop == NULL ? "out of memory" : e.text);
        return EXIT_FAILURE;
    }
    loop_run(loop);
    engine_close(engine);
    loop_free(loop);
    return EXIT_SUCCESS;
}
