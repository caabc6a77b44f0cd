/* Snapshots: the same bytes after writing and reading, and no bytes that break the core. */
#include "tests/unit/core_walk.h"

#include "orchestrator/core/snapshot.h"

enum { STEPS = 1500, EVERY = 50, FLIPS = 40 };

static struct bench b;
static struct draft draft;

static void setup(void)
{
    draft = walk_draft(RUN_EVERYWHERE);
    walk_open(&b, &draft);
}

static void teardown(void)
{
    bench_close(&b);
}

/* A core of the policy that takes these bytes, or NULL if they are refused. */
static struct core *read_back(const uint8_t *bytes, size_t size)
{
    struct core_shape shape;
    if (!snapshot_shape(bytes, size, &shape) || shape.vips < (uint32_t)draft.vips ||
        shape.vips > 64)
        return NULL;
    struct core *core = draft_core(&draft, 0, shape.vips - (uint32_t)draft.vips);
    core->policy_index = b.core->policy_index;
    if (snapshot_read(core, bytes, size))
        return core;
    free(core);
    return NULL;
}

static uint8_t *write_down(const struct core *core, size_t *size)
{
    *size = snapshot_size(core);
    uint8_t *bytes = malloc(*size);
    snapshot_write(core, bytes);
    return bytes;
}

static void check_round_trip(void)
{
    size_t size, again_size;
    uint8_t *bytes = write_down(b.core, &size);
    struct core *copy = read_back(bytes, size);
    ck_assert_ptr_nonnull(copy);
    uint8_t *again = write_down(copy, &again_size);
    ck_assert_uint_eq(size, again_size);
    ck_assert_mem_eq(bytes, again, size);
    free(b.core); /* the walk goes on with what was read */
    b.core = copy;
    free(bytes);
    free(again);
}

static void check_same_lines(const struct effects *a, const struct effects *other)
{
    ck_assert_uint_eq(a->count, other->count);
    for (uint32_t i = 0; i < a->count; i++)
        ck_assert_str_eq(a->lines[i].text, other->lines[i].text);
}

/* One walk through snapshots and one without do the same: nothing is forgotten. */
START_TEST(test_round_trip_at_random_states)
{
    static struct bench plain;
    struct walk walk = {.state = 77 + (uint64_t)_i}, plain_walk = walk;
    draft = walk_draft(_i % 2 == 0 ? RUN_EVERYWHERE : RUN_ACTIVE);
    bench_close(&b);
    walk_open(&b, &draft);
    walk_open(&plain, &draft);
    for (int i = 0; i < STEPS; i++) {
        walk_step(&walk, &b);
        walk_step(&plain_walk, &plain);
        check_same_lines(&b.effects, &plain.effects);
        check_round_trip();
        ck_assert_int_eq(core_next_deadline(b.core), core_next_deadline(plain.core));
    }
    bench_close(&plain);
}
END_TEST

START_TEST(test_the_same_walk_gives_the_same_bytes)
{
    struct bench other;
    struct walk walk = {.state = 99}, other_walk = {.state = 99};
    size_t size, other_size;
    walk_open(&other, &draft);
    for (int i = 0; i < STEPS; i++) {
        walk_step(&walk, &b);
        walk_step(&other_walk, &other);
    }
    uint8_t *bytes = write_down(b.core, &size), *other_bytes = write_down(other.core, &other_size);
    ck_assert_uint_eq(size, other_size);
    ck_assert_mem_eq(bytes, other_bytes, size);
    free(bytes);
    free(other_bytes);
    bench_close(&other);
}
END_TEST

START_TEST(test_retired_addresses_are_in_the_snapshot)
{
    bench_close(&b);
    draft = draft_pair();
    bench_open(&b, &draft);
    bench_settle(&b);
    draft.vips = 0;
    ck_assert(bench_adopt(&b, &draft));
    check_round_trip();
    ck_assert_str_eq(core_vip(b.core, 0)->address, "10.0.0.1");
    ck_assert_uint_ne(bench_order(&b, ORDER_RELEASE, "n1"), 0);
}
END_TEST

START_TEST(test_cut_bytes_are_refused)
{
    size_t size;
    uint8_t *bytes = write_down(b.core, &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut + 1);
        memcpy(part, bytes, cut);
        ck_assert_ptr_null(read_back(part, cut));
        free(part);
    }
    uint8_t *longer = malloc(size + 1);
    memcpy(longer, bytes, size);
    longer[size] = 0;
    ck_assert_ptr_null(read_back(longer, size + 1));
    free(longer);
    free(bytes);
}
END_TEST

/* Whatever is accepted must be a state on which the core can go on: a broken contract aborts. */
static void go_on_with(struct core *core, struct walk *walk)
{
    static struct bench other;
    other = (struct bench){.core = core, .index = core->index, .term = core->term};
    other.at_ms = core->at_ms;
    for (int i = 0; i < 30; i++) {
        bench_orders(&other);
        core_next_deadline(other.core);
        walk_step(walk, &other);
    }
    bench_close(&other);
}

START_TEST(test_flipped_bytes_never_break_the_core)
{
    struct walk walk = {.state = 4242};
    uint32_t accepted = 0;
    for (int i = 0; i < STEPS; i++) {
        walk_step(&walk, &b);
        if (i % EVERY != 0)
            continue;
        size_t size;
        uint8_t *bytes = write_down(b.core, &size);
        for (int flip = 0; flip < FLIPS; flip++) {
            uint32_t at = walk_number(&walk, (uint32_t)size);
            uint8_t kept = bytes[at];
            bytes[at] = (uint8_t)walk_number(&walk, 256);
            struct core *core = read_back(bytes, size);
            if (core != NULL) {
                accepted++;
                go_on_with(core, &walk);
            }
            bytes[at] = kept;
        }
        free(bytes);
    }
    ck_assert_uint_gt(accepted, 0); /* else nothing was tried */
}
END_TEST

static void check_refused(const char *what)
{
    size_t size;
    uint8_t *bytes = write_down(b.core, &size);
    ck_assert_msg(read_back(bytes, size) == NULL, "%s was accepted", what);
    free(bytes);
}

START_TEST(test_states_that_cannot_be_are_refused)
{
    struct vip *vip = core_vip(b.core, 0);
    struct service *s = core_service(b.core, 0);
    struct member *m = core_member(b.core, 0);
    vip->phase = VIP_HELD;
    check_refused("a held address without a holder");
    vip->phase = VIP_FREE;
    vip->holder = 0;
    check_refused("a free address with a holder");
    vip->holder = NONE;
    s->phase = PHASE_STOPPING;
    s->deadline_ms = b.at_ms + 1;
    check_refused("a stop of nothing");
    s->phase = PHASE_STARTING;
    check_refused("a start of nothing");
    s->phase = PHASE_STEADY;
    check_refused("a steady service with a deadline");
    s->deadline_ms = NEVER_MS;
    s->active = core_service(b.core, 1)->member_first;
    check_refused("a member of another service");
    s->active = NONE;
    m->step = STEP_RESTARTING;
    check_refused("a restart without a deadline");
    m->step = STEP_IDLE;
    m->avoid_until_ms = INT64_MAX;
    check_refused("a time without end");
    m->avoid_until_ms = 0;
    check_round_trip();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *t = tcase_create("snapshot");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_round_trip_at_random_states, 0, 4);
    tcase_add_test(t, test_the_same_walk_gives_the_same_bytes);
    tcase_add_test(t, test_retired_addresses_are_in_the_snapshot);
    tcase_add_test(t, test_cut_bytes_are_refused);
    tcase_add_test(t, test_flipped_bytes_never_break_the_core);
    tcase_add_test(t, test_states_that_cannot_be_are_refused);
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
