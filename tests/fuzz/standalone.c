/* A fuzz target without libFuzzer, as a test of make check: first the files of FUZZ_SEEDS as they
 * are, then FUZZ_RUNS inputs out of a generator with fixed seeds, or as many as two seconds are
 * good for. Half of those are such files with a few bytes changed.
 *
 *   fuzz_NAME           that; an input which ends the program is left in fuzz_NAME.input
 *   fuzz_NAME FILE...   these inputs, to see again what one of them does */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_MAX = 4096, SEEDS_MAX = 200, CHANGES_MAX = 8, MS_MAX = 2000 };

struct input {
    size_t size;
    uint8_t bytes[INPUT_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct input seeds[SEEDS_MAX];
static size_t seed_count;

/* xorshift64* */
static uint32_t draw(uint64_t *state, uint32_t limit)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545f4914f6cdd1d) >> 32) % limit;
}

static int read_input(const char *path, struct input *input)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, input->bytes, sizeof(input->bytes));
    if (fd >= 0)
        close(fd);
    input->size = size < 0 ? 0 : (size_t)size;
    return size < 0 ? -1 : 0;
}

static void run(const struct input *input)
{
    uint8_t *copy = malloc(input->size); /* so that a byte too far is seen */
    if (copy == NULL && input->size > 0)
        abort();
    if (input->size > 0)
        memcpy(copy, input->bytes, input->size);
    LLVMFuzzerTestOneInput(copy, input->size);
    free(copy);
}

static void read_seeds(const char *dir)
{
    struct dirent **names = NULL;
    char path[512];
    int count = scandir(dir, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && seed_count < SEEDS_MAX &&
            read_input(path, &seeds[seed_count]) == 0)
            seed_count++;
        free(names[i]);
    }
    free(names);
    if (seed_count == 0) {
        fprintf(stderr, "there is nothing in %s\n", dir);
        exit(1);
    }
}

/* Small values get further than noise. */
static uint8_t draw_byte(uint64_t *state)
{
    return (uint8_t)draw(state, draw(state, 2) == 0 ? 256 : 16);
}

static void insert(struct input *input, size_t at, const uint8_t *bytes, size_t size)
{
    if (input->size + size > INPUT_MAX)
        return;
    memmove(input->bytes + at + size, input->bytes + at, input->size - at);
    memmove(input->bytes + at, bytes, size);
    input->size += size;
}

static void change(struct input *input, uint64_t *state)
{
    uint8_t part[64];
    size_t at = draw(state, (uint32_t)input->size + 1);
    size_t left = input->size - at, size = draw(state, sizeof(part));
    size = size < left ? size : left;
    switch (draw(state, 5)) {
    case 0:
        memmove(input->bytes + at, input->bytes + at + size, left - size);
        input->size -= size;
        break;
    case 1: /* again what stands there, somewhere else */
        memcpy(part, input->bytes + at, size);
        insert(input, draw(state, (uint32_t)input->size + 1), part, size);
        break;
    case 2:
        part[0] = draw_byte(state);
        insert(input, at, part, 1);
        break;
    case 3:
        if (left > 0)
            input->bytes[at] ^= (uint8_t)(1 << draw(state, 8));
        break;
    default:
        if (left > 0)
            input->bytes[at] = draw_byte(state);
        break;
    }
}

static void draw_input(struct input *input, uint64_t *state)
{
    if (draw(state, 2) == 0) {
        *input = seeds[draw(state, (uint32_t)seed_count)];
        for (uint32_t n = draw(state, CHANGES_MAX); n > 0; n--)
            change(input, state);
        return;
    }
    input->size = draw(state, 1 + draw(state, 400));
    for (size_t i = 0; i < input->size; i++)
        input->bytes[i] = draw_byte(state);
}

static void keep_input(const char *path, const struct input *input)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, input->bytes, input->size) != (ssize_t)input->size) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
    close(fd);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void run_all(const char *path)
{
    static struct input input;
    int64_t end_ms = now_ms() + MS_MAX;
    uint64_t n = 0;
    for (; n < seed_count; n++) {
        keep_input(path, &seeds[n]);
        run(&seeds[n]);
    }
    for (n = 1; n <= FUZZ_RUNS && now_ms() < end_ms; n++) {
        uint64_t state = n * 0x9e3779b97f4a7c15;
        draw_input(&input, &state);
        keep_input(path, &input);
        run(&input);
    }
    unlink(path);
    printf("%zu seeds, %lu inputs\n", seed_count, (unsigned long)(n - 1));
}

int main(int argc, char **argv)
{
    static struct input input;
    char path[512];
    for (int i = 1; i < argc; i++) {
        if (read_input(argv[i], &input) != 0) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
        run(&input);
    }
    if (argc > 1)
        return 0;
    read_seeds(FUZZ_SEEDS);
    snprintf(path, sizeof(path), "%s.input", argv[0]);
    run_all(path);
    return 0;
}
