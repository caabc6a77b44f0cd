/* Who observes, as every controller has it: added and removed by facts, the same everywhere, kept
 * over snapshots and policies; and no id twice. */
#include "orchestrator/proto/machine.h"

#include "tests/unit/big_policy.h"

#include <check.h>

static struct machine machine;
static struct effects effects;
static uint64_t next_index;

/* ---------------------------------------------------------------- entries */

static void apply_fact(Ephor__Fact *fact)
{
    size_t size = ephor__fact__get_packed_size(fact);
    uint8_t *bytes = malloc(size + 1);
    ephor__fact__pack(fact, bytes);
    machine_apply(&machine, ++next_index, 1, bytes, size, &effects, NULL);
    free(bytes);
}

static void adopt(void)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    Ephor__Policy *policy = big_policy(1, false);
    adopted.policy.len = ephor__policy__get_packed_size(policy);
    adopted.policy.data = malloc(adopted.policy.len + 1);
    ephor__policy__pack(policy, adopted.policy.data);
    ephor__policy__free_unpacked(policy, NULL);
    adopted.digest = "d1";
    fact.at_ms = 1000;
    fact.wall_ms = 100000;
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    apply_fact(&fact);
    free(adopted.policy.data);
    ck_assert(effects.is_accepted);
}

static void setup(void)
{
    machine_init(&machine);
    next_index = 0;
    adopt();
}

static void teardown(void)
{
    machine_close(&machine);
}

static bool change(Ephor__ObserverChange *how, uint64_t sequence)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    how->author = "root";
    fact.at_ms = 5000;
    fact.wall_ms = 200000 + (int64_t)next_index;
    fact.author = sequence == 0 ? 0 : 1;
    fact.run = 7;
    fact.sequence = sequence;
    fact.body_case = EPHOR__FACT__BODY_OBSERVER;
    fact.observer = how;
    apply_fact(&fact);
    return effects.has_reply && effects.is_accepted;
}

/* The key is 32 bytes of the number key. */
static bool add_again(char *name, uint32_t key, uint64_t sequence)
{
    Ephor__ObserverChange how = EPHOR__OBSERVER_CHANGE__INIT;
    Ephor__Observer added = EPHOR__OBSERVER__INIT;
    uint32_t fingerprint[8] = {key, key};
    added.name = name;
    added.fingerprint.data = (uint8_t *)fingerprint;
    added.fingerprint.len = sizeof(fingerprint);
    how.added = &added;
    return change(&how, sequence);
}

static bool add(char *name, uint32_t key)
{
    return add_again(name, key, 0);
}

static bool remove_it(char *name)
{
    Ephor__ObserverChange how = EPHOR__OBSERVER_CHANGE__INIT;
    how.removed = name;
    return change(&how, 0);
}

static uint32_t id_of(const char *name)
{
    const struct observer *observer = registry_find_name(&machine.registry, name);
    return observer == NULL ? 0 : observer->id;
}

/* Nothing has changed, and effects say why. */
static void expect_refused(bool is_accepted, const char *text)
{
    ck_assert(!is_accepted);
    ck_assert(effects.has_reply);
    ck_assert_msg(strstr(effects.reply, text) != NULL, "'%s' is not in '%s'", text, effects.reply);
    ck_assert_uint_eq(effects.count, 1);
    ck_assert_int_eq(effects.lines[0].event, EVENT_REFUSED);
}

/* ---------------------------------------------------------------- tests */

START_TEST(observers_are_added_and_found)
{
    uint32_t key[8] = {6, 6};
    int64_t at_ms = machine.core->at_ms, wall_ms = machine.core->wall_ms;
    ck_assert(add("o1", 5));
    ck_assert_str_eq(effects.reply, "observer o1 was added with id 1001");
    ck_assert_uint_eq(effects.count, 1);
    ck_assert_int_eq(effects.lines[0].severity, SEVERITY_INFO);
    ck_assert_str_eq(effects.lines[0].object, "o1");
    ck_assert_str_eq(effects.lines[0].text, "added as an observer by root");
    ck_assert(add("o2", 6));
    ck_assert_uint_eq(machine.registry.count, 2);
    const struct observer *second = registry_find(&machine.registry, 1002);
    ck_assert_ptr_nonnull(second);
    ck_assert_str_eq(second->name, "o2");
    ck_assert_int_eq(second->since_wall_ms, 200000 + 2);
    ck_assert_ptr_eq(registry_find_name(&machine.registry, "o2"), second);
    ck_assert_ptr_eq(registry_find_key(&machine.registry, (uint8_t *)key), second);
    key[7] = 1;
    ck_assert_ptr_null(registry_find_key(&machine.registry, (uint8_t *)key));
    ck_assert_ptr_null(registry_find(&machine.registry, 1003));
    /* The core did not see it; the journal's line gets its own time. */
    ck_assert_int_eq(machine.core->at_ms, at_ms);
    ck_assert_int_eq(machine.core->wall_ms, wall_ms);
    ck_assert_int_eq(machine.wall_ms, 200000 + 2);
}
END_TEST

START_TEST(ids_are_never_used_again)
{
    ck_assert(add("o1", 5) && add("o2", 6) && add("o3", 7));
    ck_assert(remove_it("o2"));
    ck_assert_str_eq(effects.reply, "observer o2 was removed");
    ck_assert_str_eq(effects.lines[0].object, "o2");
    ck_assert_ptr_nonnull(strstr(effects.lines[0].text, "removed by root"));
    ck_assert_uint_eq(machine.registry.count, 2);
    ck_assert_uint_eq(id_of("o1"), 1001);
    ck_assert_uint_eq(id_of("o3"), 1003);
    ck_assert(remove_it("o3"));
    ck_assert(add("o2", 6));
    ck_assert_uint_eq(id_of("o2"), 1004);
    adopt(); /* another policy changes nothing here */
    ck_assert_uint_eq(id_of("o2"), 1004);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    Ephor__ObserverChange both = EPHOR__OBSERVER_CHANGE__INIT;
    Ephor__Observer keyless = EPHOR__OBSERVER__INIT;
    ck_assert(add("o1", 5));
    expect_refused(add("o1", 6), "of that name already");
    expect_refused(add("o2", 5), "another observer has that key");
    expect_refused(add("", 6), "an observer's name is");
    expect_refused(add("2o", 6), "an observer's name is");
    expect_refused(add("a b", 6), "an observer's name is");
    expect_refused(remove_it("o2"), "no observer of that name");
    expect_refused(change(&both, 0), "one observer is added or removed");
    keyless.name = "o3";
    both.added = &keyless;
    expect_refused(change(&both, 0), "fingerprint of its key is missing");
    both.removed = "o1";
    expect_refused(change(&both, 0), "one observer is added or removed");
    ck_assert_uint_eq(machine.registry.count, 1);
    ck_assert(add("o2", 6));
    ck_assert_uint_eq(id_of("o2"), 1002); /* what was refused used no id */
}
END_TEST

START_TEST(times_that_no_clock_tells_are_refused)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__ObserverChange how = EPHOR__OBSERVER_CHANGE__INIT;
    ck_assert(add("o1", 5));
    how.removed = "o1";
    fact.wall_ms = -1;
    fact.body_case = EPHOR__FACT__BODY_OBSERVER;
    fact.observer = &how;
    apply_fact(&fact);
    expect_refused(effects.is_accepted, "its times are none");
    ck_assert_uint_eq(id_of("o1"), 1001);
    ck_assert_int_ge(machine.wall_ms, 0);
}
END_TEST

START_TEST(there_are_512_at_most)
{
    char name[32];
    for (uint32_t i = 0; i < OBSERVERS_MAX; i++) {
        text_format(name, sizeof(name), "o%u", i);
        ck_assert(add(name, 10 + i));
    }
    expect_refused(add("more", 5), "at most 512 observers");
    ck_assert(remove_it("o100"));
    ck_assert(add("more", 5));
    ck_assert_uint_eq(id_of("more"), 1001 + OBSERVERS_MAX);
    ck_assert_uint_eq(id_of("o511"), 1512);
}
END_TEST

START_TEST(what_is_sent_again_adds_nobody)
{
    ck_assert(add_again("o1", 5, 1));
    ck_assert(!add_again("o1", 5, 1));
    ck_assert(!effects.has_reply);
    ck_assert_uint_eq(effects.count, 0);
    ck_assert(add_again("o2", 6, 2));
    ck_assert_uint_eq(id_of("o2"), 1002);
}
END_TEST

/* There are no snapshots yet, so that it would be lost. */
START_TEST(there_is_none_before_a_policy)
{
    machine_close(&machine);
    ck_assert(!add("o1", 5));
    ck_assert(effects.has_reply);
    ck_assert_str_eq(effects.reply, "no policy was adopted yet");
    ck_assert_uint_eq(machine.registry.count, 0);
}
END_TEST

static uint8_t *snapshot_of(const struct machine *of, size_t *size)
{
    uint8_t *bytes = machine_snapshot(of, size);
    ck_assert_ptr_nonnull(bytes);
    return bytes;
}

START_TEST(a_snapshot_has_them_all)
{
    struct machine other;
    struct errbuf e = {.text = ""};
    size_t size, again_size;
    ck_assert(add("o1", 5) && add("o2", 6) && add("o3", 7) && remove_it("o3"));
    uint8_t *bytes = snapshot_of(&machine, &size);
    machine_init(&other);
    ck_assert_int_eq(machine_restore(&other, machine.index, 1, bytes, size, &e), ERR_OK);
    uint8_t *again = snapshot_of(&other, &again_size);
    ck_assert_uint_eq(size, again_size);
    ck_assert_mem_eq(bytes, again, size);
    ck_assert_mem_eq(&machine.registry.observers, &other.registry.observers,
                     2 * sizeof(machine.registry.observers[0]));
    machine_close(&machine);
    machine = other;
    ck_assert(add("o3", 7));
    ck_assert_uint_eq(id_of("o3"), 1004); /* 1003 was the one that is gone */
    ck_assert_int_eq(machine_restore(&machine, 9, 1, bytes, size, &e), ERR_OK);
    ck_assert_uint_eq(id_of("o3"), 0); /* it becomes what the snapshot says */
    free(bytes);
    free(again);
}
END_TEST

START_TEST(a_snapshot_of_before_there_were_any_is_read)
{
    struct errbuf e = {.text = ""};
    size_t size;
    uint8_t *bytes = snapshot_of(&machine, &size);
    Ephor__Snapshot *snapshot = ephor__snapshot__unpack(NULL, size, bytes);
    ck_assert_uint_eq(snapshot->next_observer, 0);
    ephor__snapshot__free_unpacked(snapshot, NULL);
    ck_assert(add("o1", 5));
    ck_assert_int_eq(machine_restore(&machine, 9, 1, bytes, size, &e), ERR_OK);
    ck_assert_uint_eq(machine.registry.count, 0);
    ck_assert(add("o1", 5));
    ck_assert_uint_eq(id_of("o1"), 1001);
    free(bytes);
}
END_TEST

/* Damage it in one way; it must not be taken. */
static void expect_corrupt(const uint8_t *bytes, size_t size, void (*damage)(Ephor__Snapshot *))
{
    struct errbuf e = {.text = ""};
    struct machine other;
    Ephor__Snapshot *snapshot = ephor__snapshot__unpack(NULL, size, bytes);
    damage(snapshot);
    size_t bad_size = ephor__snapshot__get_packed_size(snapshot);
    uint8_t *bad = malloc(bad_size);
    ephor__snapshot__pack(snapshot, bad);
    ephor__snapshot__free_unpacked(snapshot, NULL);
    machine_init(&other);
    ck_assert_int_lt(machine_restore(&other, 9, 1, bad, bad_size, &e), 0);
    ck_assert_str_eq(e.text, "the snapshot's observers make no sense");
    ck_assert_ptr_null(other.core);
    machine_close(&other);
    free(bad);
}

static void forget_next(Ephor__Snapshot *s)
{
    s->next_observer = 0;
}
static void lower_next(Ephor__Snapshot *s)
{
    s->next_observer = 1002;
}
static void use_id_twice(Ephor__Snapshot *s)
{
    s->observers[1]->id = 1001;
}
static void use_id_of_controller(Ephor__Snapshot *s)
{
    s->observers[0]->id = 9;
}
static void use_name_twice(Ephor__Snapshot *s)
{
    s->observers[1]->name[1] = '1';
}
static void use_bad_name(Ephor__Snapshot *s)
{
    s->observers[1]->name[0] = '<';
}
static void use_key_twice(Ephor__Snapshot *s)
{
    memcpy(s->observers[1]->fingerprint.data, s->observers[0]->fingerprint.data, 32);
}
static void cut_key(Ephor__Snapshot *s)
{
    s->observers[0]->fingerprint.len = 31;
}

START_TEST(damaged_snapshots_are_not_taken)
{
    size_t size;
    ck_assert(add("o1", 5) && add("o2", 6));
    uint8_t *bytes = snapshot_of(&machine, &size);
    expect_corrupt(bytes, size, forget_next);
    expect_corrupt(bytes, size, lower_next);
    expect_corrupt(bytes, size, use_id_twice);
    expect_corrupt(bytes, size, use_id_of_controller);
    expect_corrupt(bytes, size, use_name_twice);
    expect_corrupt(bytes, size, use_bad_name);
    expect_corrupt(bytes, size, use_key_twice);
    expect_corrupt(bytes, size, cut_key);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *tcase = tcase_create("registry");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, observers_are_added_and_found);
    tcase_add_test(tcase, ids_are_never_used_again);
    tcase_add_test(tcase, what_cannot_be_is_refused);
    tcase_add_test(tcase, times_that_no_clock_tells_are_refused);
    tcase_add_test(tcase, there_are_512_at_most);
    tcase_add_test(tcase, what_is_sent_again_adds_nobody);
    tcase_add_test(tcase, there_is_none_before_a_policy);
    tcase_add_test(tcase, a_snapshot_has_them_all);
    tcase_add_test(tcase, a_snapshot_of_before_there_were_any_is_read);
    tcase_add_test(tcase, damaged_snapshots_are_not_taken);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
