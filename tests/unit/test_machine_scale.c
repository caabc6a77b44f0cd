/* Adopting a large policy: state goes over by name whatever the order, and in no time. */
#include "orchestrator/proto/machine.h"

#include "tests/unit/big_policy.h"

#include <check.h>
#include <stdio.h>
#include <time.h>

/* About 40 ms each; a sanitized build on a busy machine takes some times that. What looks at all
 * names for each name takes many times more. */
enum { SERVICES = 5000, ADOPTION_MAX_MS = 400 };

static struct machine machine;
static struct effects effects;
static uint64_t next_index;

static void setup(void)
{
    machine_init(&machine);
    next_index = 0;
}

static void teardown(void)
{
    machine_close(&machine);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void apply_fact(const Ephor__Fact *fact)
{
    size_t size = ephor__fact__get_packed_size(fact);
    uint8_t *bytes = malloc(size + 1);
    ephor__fact__pack(fact, bytes);
    machine_apply(&machine, ++next_index, 1, bytes, size, &effects, NULL);
    free(bytes);
}

/* Milliseconds of CPU time. policy is taken. */
static int64_t adopt(Ephor__Policy *policy, char *digest)
{
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    adopted.policy.len = ephor__policy__get_packed_size(policy);
    adopted.policy.data = malloc(adopted.policy.len + 1);
    ephor__policy__pack(policy, adopted.policy.data);
    ephor__policy__free_unpacked(policy, NULL);
    adopted.digest = digest;
    fact.at_ms = 1000;
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    int64_t begin_us = now_us();
    apply_fact(&fact);
    int64_t us = now_us() - begin_us;
    free(adopted.policy.data);
    ck_assert_msg(effects.has_reply && effects.is_accepted, "%s", effects.reply);
    return us / 1000;
}

/* Controller 1 about the checks from `first` on: each has its own evidence. */
static void say(int32_t first, int32_t count)
{
    static char texts[64][32];
    Ephor__OpinionChange changes[64], *pointers[64];
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__Opinions opinions = EPHOR__OPINIONS__INIT;
    opinions.controller = 1;
    opinions.policy_index = machine.policy_index;
    for (int32_t i = 0; i < count; i++) {
        ephor__opinion_change__init(pointers[i] = &changes[i]);
        snprintf(texts[i], sizeof(texts[i]), "evidence %d", first + i);
        changes[i].check = (uint32_t)(first + i);
        changes[i].text = texts[i];
        changes[i].state = first + i == 7 ? EPHOR__STATE__STATE_WARNING : EPHOR__STATE__STATE_OK;
    }
    opinions.changes = pointers;
    opinions.n_changes = (size_t)count;
    fact.at_ms = 2000;
    fact.body_case = EPHOR__FACT__BODY_OPINIONS;
    fact.opinions = &opinions;
    apply_fact(&fact);
}

START_TEST(test_a_large_policy_is_adopted_in_no_time)
{
    char seventh[ID_SIZE];
    int64_t first_ms = adopt(big_policy(SERVICES, false), "a");
    for (int32_t i = 0; i < 256; i += 64)
        say(i, 64);
    text_copy(seventh, sizeof(seventh), core_check(machine.core, 7)->id);
    int64_t same_ms = adopt(big_policy(SERVICES, false), "b");
    int64_t turned_ms = adopt(big_policy(SERVICES, true), "c");
    printf("%d services, %d checks: adopted first in %lld ms, again in %lld ms, in another order "
           "in %lld ms\n",
           SERVICES, core_check_count(machine.core), (long long)first_ms, (long long)same_ms,
           (long long)turned_ms);
    int32_t known = 0, found = NONE;
    for (int32_t i = 0; i < core_check_count(machine.core); i++) {
        known += core_check(machine.core, i)->is_known;
        if (strcmp(core_check(machine.core, i)->id, seventh) == 0)
            found = i;
    }
    ck_assert_int_eq(known, 256);
    ck_assert_int_gt(found, 7);
    ck_assert_str_eq(core_check(machine.core, found)->text, "evidence 7");
    ck_assert_int_eq(core_check(machine.core, found)->state, STATE_WARNING);
    ck_assert_int_lt(same_ms, ADOPTION_MAX_MS);
    ck_assert_int_lt(turned_ms, ADOPTION_MAX_MS);
}
END_TEST

START_TEST(test_every_name_is_found)
{
    adopt(big_policy(300, true), "a");
    const struct core *core = machine.core;
    for (int32_t i = 0; i < core_service_count(core); i++)
        ck_assert_int_eq(core_find_service(core, core_service(core, i)->name), i);
    for (int32_t i = 0; i < core_node_count(core); i++)
        ck_assert_int_eq(core_find_node(core, core_node(core, i)->name), i);
    ck_assert_int_eq(core_find_service(core, "service-300"), NONE);
    ck_assert_int_eq(core_find_service(core, ""), NONE);
    ck_assert_int_eq(core_find_node(core, "n21"), NONE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("machine, large");
    TCase *tcase = tcase_create("machine, large");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_a_large_policy_is_adopted_in_no_time);
    tcase_add_test(tcase, test_every_name_is_found);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
