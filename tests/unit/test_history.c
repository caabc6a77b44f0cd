/* The policies that were in force: what the machine remembers of them, the same everywhere; and the
 * condition under which one replaces another. */
#include "orchestrator/proto/machine.h"

#include "tests/unit/big_policy.h"

#include <check.h>
#include <stdio.h>

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

/* A policy of one service whose hold_down is `mark`, and whose restart command has `padding`
 * bytes. */
static Ephor__Policy *marked(uint32_t mark, size_t padding)
{
    Ephor__Policy *policy = big_policy(1, false);
    policy->services[0]->hold_down_ms = mark;
    if (padding == 0)
        return policy;
    Ephor__Action *action = calloc(1, sizeof(*action));
    ephor__action__init(action);
    action->argv = calloc(1, sizeof(action->argv[0]));
    action->argv[0] = malloc(padding + 1);
    memset(action->argv[0], 'x', padding);
    action->argv[0][padding] = '\0';
    action->n_argv = 1;
    policy->services[0]->restart = action;
    return policy;
}

/* Proposed as the n-th of these tests: digest "dN", by "author N". `judged` (may be NULL) gets what
 * the machine says of it beforehand. */
static bool propose(uint32_t n, size_t padding, char *replaces, bool *judged)
{
    char digest[16], author[32], changes[32], refusal[LINE_SIZE] = "";
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    Ephor__Policy *policy = marked(n, padding);
    bool is_adopted;
    text_format(digest, sizeof(digest), "d%u", n);
    text_format(author, sizeof(author), "author %u", n);
    text_format(changes, sizeof(changes), "changes %u", n);
    adopted.policy.len = ephor__policy__get_packed_size(policy);
    adopted.policy.data = malloc(adopted.policy.len + 1);
    ephor__policy__pack(policy, adopted.policy.data);
    ephor__policy__free_unpacked(policy, NULL);
    adopted.digest = digest;
    adopted.author = author;
    adopted.changes = changes;
    adopted.replaces = replaces;
    fact.at_ms = 1000;
    fact.wall_ms = 100000 + n;
    fact.body_case = EPHOR__FACT__BODY_POLICY;
    fact.policy = &adopted;
    if (judged != NULL)
        *judged = machine_may_adopt(&machine, &adopted, refusal);
    size_t size = ephor__fact__get_packed_size(&fact);
    uint8_t *bytes = malloc(size + 1);
    ephor__fact__pack(&fact, bytes);
    machine_apply(&machine, ++next_index, 1, bytes, size, &effects, &is_adopted);
    free(bytes);
    free(adopted.policy.data);
    ck_assert(effects.has_reply);
    if (judged != NULL && !*judged)
        ck_assert_str_eq(refusal, effects.reply);
    ck_assert(effects.is_accepted || !is_adopted);
    return is_adopted;
}

static const struct past_policy *past(uint32_t i)
{
    ck_assert_uint_lt(i, machine.history.count);
    return &machine.history.policies[i];
}

START_TEST(test_what_was_in_force_is_remembered)
{
    ck_assert(propose(1, 0, "", NULL));
    ck_assert(propose(2, 0, "d1", NULL));
    ck_assert_uint_eq(machine.history.count, 2);
    ck_assert_uint_eq(past(0)->index, 1);
    ck_assert_str_eq(past(0)->digest, "d1");
    ck_assert_str_eq(past(0)->author, "author 1");
    ck_assert_str_eq(past(0)->changes, "changes 1");
    ck_assert_int_eq(past(0)->wall_ms, 100001);
    Ephor__Policy *first = ephor__policy__unpack(NULL, past(0)->size, past(0)->bytes);
    ck_assert_uint_eq(first->services[0]->hold_down_ms, 1);
    ephor__policy__free_unpacked(first, NULL);
    ck_assert_uint_eq(past(1)->index, machine.policy_index);
    ck_assert_ptr_null(past(1)->bytes);
    ck_assert_ptr_eq(history_find(&machine.history, 1), past(0));
    ck_assert_ptr_null(history_find(&machine.history, 3));
    ck_assert_ptr_eq(history_replaced(&machine.history, "d1"), past(0));
    ck_assert_ptr_null(history_replaced(&machine.history, "d2"));
    ck_assert_ptr_null(history_replaced(&machine.history, "d3"));
    ck_assert(propose(1, 0, "d2", NULL)); /* the first one again: it is not of old any more */
    ck_assert_ptr_null(history_replaced(&machine.history, "d1"));
    ck_assert_ptr_eq(history_replaced(&machine.history, "d2"), past(1));
    ck_assert_str_eq(effects.lines[effects.count - 1].text, "by author 1: changes 1");
}
END_TEST

START_TEST(test_a_policy_replaces_only_what_it_was_made_for)
{
    bool judged;
    ck_assert(propose(1, 0, "", &judged) && judged);
    ck_assert(propose(2, 0, "d1", &judged) && judged);
    ck_assert(!propose(3, 0, "d1", &judged));
    ck_assert(!judged && !effects.is_accepted);
    ck_assert_ptr_nonnull(strstr(effects.reply, "another policy came into force meanwhile"));
    ck_assert_str_eq(machine.policy_digest, "d2");
    ck_assert_uint_eq(machine.history.count, 2);
    ck_assert(!propose(2, 0, "d1", &judged)); /* two who want the same do not disagree */
    ck_assert(judged && effects.is_accepted);
    ck_assert_str_eq(effects.reply, "unchanged");
    ck_assert_uint_eq(machine.policy_index, 2);
    ck_assert(propose(3, 0, "d2", &judged) && judged);
}
END_TEST

START_TEST(test_what_is_judged_is_not_changed)
{
    Ephor__PolicyAdopted adopted = EPHOR__POLICY_ADOPTED__INIT;
    char refusal[LINE_SIZE];
    ck_assert(propose(1, 0, "", NULL));
    uint64_t index = machine.index;
    adopted.policy.data = (uint8_t *)"nonsense";
    adopted.policy.len = 8;
    ck_assert(!machine_may_adopt(&machine, &adopted, refusal));
    ck_assert_str_eq(refusal, "the policy cannot be read");
    adopted.policy.len = 0;
    ck_assert(!machine_may_adopt(&machine, &adopted, refusal));
    ck_assert_ptr_nonnull(strstr(refusal, "policy version 0"));
    ck_assert_uint_eq(machine.index, index);
    ck_assert_uint_eq(machine.history.count, 1);
}
END_TEST

START_TEST(test_the_oldest_go_first)
{
    char replaces[16] = "";
    for (uint32_t n = 1; n <= HISTORY_MAX + 4; n++) {
        ck_assert(propose(n, 0, replaces, NULL));
        text_format(replaces, sizeof(replaces), "d%u", n);
    }
    ck_assert_uint_eq(machine.history.count, HISTORY_MAX);
    for (uint32_t i = 0; i < HISTORY_MAX; i++) {
        ck_assert_uint_eq(past(i)->index, 5 + i);
        ck_assert_int_eq(past(i)->bytes != NULL, i < HISTORY_MAX - 1);
    }
}
END_TEST

START_TEST(test_texts_are_bounded_in_sum)
{
    enum { PADDING = 3 << 20 };
    ck_assert(propose(1, 100, "", NULL));
    ck_assert(propose(2, PADDING, "", NULL));
    ck_assert(propose(3, PADDING, "", NULL));
    ck_assert(propose(4, PADDING, "", NULL));
    ck_assert(past(0)->bytes != NULL && past(1)->bytes != NULL && past(2)->bytes != NULL);
    ck_assert(propose(5, 0, "", NULL)); /* three of them are too many: the older ones go */
    ck_assert_uint_eq(machine.history.count, 5);
    ck_assert(past(0)->bytes == NULL && past(1)->bytes == NULL);
    ck_assert(past(2)->bytes != NULL && past(3)->bytes != NULL);
    ck_assert_uint_eq(past(1)->size, 0);
    ck_assert_str_eq(past(0)->digest, "d1");
    ck_assert(propose(6, HISTORY_BYTES_MAX, "", NULL));
    ck_assert(propose(7, 0, "", NULL)); /* alone too large */
    for (uint32_t i = 0; i < machine.history.count; i++)
        ck_assert_ptr_null(past(i)->bytes);
}
END_TEST

/* Who begins with a snapshot has the same history, and goes on alike. */
START_TEST(test_a_snapshot_has_it)
{
    struct machine other;
    struct errbuf e = {.text = ""};
    size_t size, again_size;
    for (uint32_t n = 1; n <= 20; n++)
        ck_assert(propose(n, n == 17 ? 6 << 20 : 0, "", NULL));
    for (int round = 0; round < 2; round++) {
        uint8_t *bytes = machine_snapshot(&machine, &size);
        machine_init(&other);
        ck_assert_int_eq(machine_restore(&other, machine.index, 1, bytes, size, &e), ERR_OK);
        uint8_t *again = machine_snapshot(&other, &again_size);
        ck_assert_uint_eq(size, again_size);
        ck_assert_mem_eq(bytes, again, size);
        ck_assert_uint_eq(other.history.count, HISTORY_MAX);
        machine_close(&machine);
        machine = other;
        free(bytes);
        free(again);
        ck_assert(propose(30, 3 << 20, "d20", NULL) == (round == 0));
    }
    ck_assert_str_eq(past(HISTORY_MAX - 1)->digest, "d30");
}
END_TEST

START_TEST(test_a_snapshot_of_before_there_was_a_history)
{
    struct errbuf e = {.text = ""};
    size_t size;
    ck_assert(propose(1, 0, "", NULL));
    ck_assert(propose(2, 0, "", NULL));
    uint8_t *bytes = machine_snapshot(&machine, &size);
    Ephor__Snapshot *snapshot = ephor__snapshot__unpack(NULL, size, bytes);
    size_t n_history = snapshot->n_history;
    snapshot->n_history = 0;
    size = ephor__snapshot__pack(snapshot, bytes);
    snapshot->n_history = n_history;
    ephor__snapshot__free_unpacked(snapshot, NULL);
    ck_assert_int_eq(machine_restore(&machine, 9, 1, bytes, size, &e), ERR_OK);
    free(bytes);
    ck_assert_uint_eq(machine.history.count, 1);
    ck_assert_str_eq(past(0)->digest, "d2");
    ck_assert_uint_eq(past(0)->index, 2);
    ck_assert(propose(3, 0, "d2", NULL));
    ck_assert_ptr_eq(history_replaced(&machine.history, "d2"), past(0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tcase = tcase_create("history");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_what_was_in_force_is_remembered);
    tcase_add_test(tcase, test_a_policy_replaces_only_what_it_was_made_for);
    tcase_add_test(tcase, test_what_is_judged_is_not_changed);
    tcase_add_test(tcase, test_the_oldest_go_first);
    tcase_add_test(tcase, test_texts_are_bounded_in_sum);
    tcase_add_test(tcase, test_a_snapshot_has_it);
    tcase_add_test(tcase, test_a_snapshot_of_before_there_was_a_history);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
