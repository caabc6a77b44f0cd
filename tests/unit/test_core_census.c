/* Observers: what they say together counts beside the opinions of controllers. */
#include "tests/unit/core_walk.h"

#include "orchestrator/core/snapshot.h"

static struct bench b;
static struct draft draft;

static struct check *check_of(int32_t i)
{
    return core_check(b.core, i);
}

static enum state verdict(void)
{
    return (enum state)check_of(0)->state;
}

static void setup(void)
{
    draft = draft_pair();
    draft.observers = OBSERVERS_MAX;
    bench_open(&b, &draft);
    b.core->rules = 3;
}

static void teardown(void)
{
    bench_close(&b);
}

/* Everybody on this board is there, and thinks that all is well. */
static void gather(const char *board)
{
    bench_board(&b, board);
    for (uint32_t seat = 1; seat <= strlen(board); seat++)
        bench_presence(&b, seat, true, seat);
    for (int32_t i = 0; i < core_check_count(b.core); i++) {
        check_of(i)->confirm = true;
        check_of(i)->fall = 3;
        check_of(i)->rise = 2;
        for (uint32_t seat = 1; seat <= strlen(board); seat++)
            bench_say(&b, seat, (uint32_t)i, STATE_OK);
    }
}

static void census(struct crowd crowd)
{
    bench_census(&b, 0, crowd);
}

/* ---------------------------------------------------------------- agreement */

START_TEST(test_a_majority_is_one_of_all_who_look)
{
    gather("VVV");
    census((struct crowd){.seers = 2, .critical = 2});
    ck_assert_int_eq(verdict(), STATE_OK); /* three of five */
    census((struct crowd){.seers = 3, .critical = 3});
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    census((struct crowd){.seers = 4, .critical = 4});
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    census((struct crowd){.seers = 200, .ok = 100, .warning = 100});
    ck_assert_int_eq(verdict(), STATE_OK); /* 103 of 203 */
    census((struct crowd){.seers = 200, .ok = 95, .warning = 105});
    ck_assert_int_eq(verdict(), STATE_WARNING);
}
END_TEST

START_TEST(test_controllers_are_outvoted_in_both_ways)
{
    gather("VVV");
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_say(&b, seat, 0, STATE_CRITICAL);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    census((struct crowd){.seers = 4, .ok = 4});
    ck_assert_int_eq(verdict(), STATE_OK);
    census((struct crowd){.seers = 4, .ok = 3, .critical = 1});
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_all)
{
    gather("VVV");
    check_of(0)->agree = AGREE_ALL;
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_say(&b, seat, 0, STATE_CRITICAL);
    census((struct crowd){.seers = 5, .critical = 4, .ok = 1});
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    census((struct crowd){.seers = 5, .critical = 4}); /* the fifth abstains */
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    census((struct crowd){.seers = 5, .critical = 4, .silent = 1});
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
}
END_TEST

START_TEST(test_a_number_and_any)
{
    gather("VVV");
    check_of(0)->agree = AGREE_NUMBER;
    check_of(0)->agree_count = 3;
    bench_say(&b, 1, 0, STATE_CRITICAL);
    census((struct crowd){.seers = 90, .ok = 89, .critical = 1});
    ck_assert_int_eq(verdict(), STATE_OK);
    census((struct crowd){.seers = 90, .ok = 88, .critical = 2});
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    bench_say(&b, 1, 0, STATE_OK);
    ck_assert_int_eq(verdict(), STATE_OK);
    check_of(0)->agree = AGREE_ANY;
    census((struct crowd){.seers = 90, .ok = 89, .critical = 1});
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_who_cannot_see_is_a_vantage_point_and_has_no_voice)
{
    gather("V");
    census((struct crowd){.seers = 50});
    ck_assert_int_eq(verdict(), STATE_OK);
    bench_say(&b, 1, 0, STATE_CRITICAL); /* one alone decides nothing where others look */
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    census((struct crowd){.seers = 50, .critical = 1});
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    census((struct crowd){.seers = 0, .ok = 9}); /* nobody looks any more: as if nobody ever had */
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    bench_say(&b, 1, 0, STATE_OK);
    ck_assert_int_eq(verdict(), STATE_OK);
}
END_TEST

START_TEST(test_what_is_well_stays_so_until_they_have_looked)
{
    gather("VVV");
    census((struct crowd){.seers = 9, .silent = 9});
    ck_assert_int_eq(verdict(), STATE_OK);
    census((struct crowd){.seers = 9, .silent = 8, .critical = 1});
    ck_assert_int_eq(verdict(), STATE_UNKNOWN);
    census((struct crowd){.seers = 9, .ok = 8, .critical = 1});
    ck_assert_int_eq(verdict(), STATE_OK);
}
END_TEST

START_TEST(test_observers_alone_make_it_known)
{
    bench_board(&b, "VVV");
    for (uint32_t seat = 1; seat <= 3; seat++)
        bench_presence(&b, seat, true, seat);
    census((struct crowd){.seers = 3, .silent = 3});
    ck_assert(!check_of(0)->is_known);
    census((struct crowd){.seers = 3, .ok = 3}); /* three of six, and three have not looked */
    ck_assert(!check_of(0)->is_known);
    census((struct crowd){.seers = 4, .ok = 4});
    ck_assert(check_of(0)->is_known);
    ck_assert_int_eq(verdict(), STATE_OK);
}
END_TEST

/* ---------------------------------------------------------------- doubts */

START_TEST(test_doubts_of_all_add_up)
{
    gather("VVV");
    check_of(0)->fall = 4;
    census((struct crowd){.seers = 2, .ok = 2});
    census((struct crowd){
        .seers = 2, .critical = 2, .doubters = 2, .answers = 2, .thought = STATE_OK});
    ck_assert(core_is_doubted(b.core, 0));
    ck_assert_uint_eq(b.effects.touched_count, 1);
    ck_assert_int_eq(verdict(), STATE_OK);
    bench_doubt(&b, 1, 0, STATE_OK, STATE_CRITICAL, 1); /* three of five, and three answers */
    ck_assert_int_eq(verdict(), STATE_OK);
    census((struct crowd){
        .seers = 2, .critical = 2, .doubters = 2, .answers = 3, .thought = STATE_OK});
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
    census((struct crowd){.seers = 2, .critical = 2}); /* now they are sure */
    ck_assert_uint_eq(b.effects.touched_count, 1);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_a_doubt_of_few_is_withdrawn)
{
    gather("VVV");
    census((struct crowd){.seers = 9, .ok = 9});
    ck_assert_uint_eq(b.effects.touched_count, 0);
    ck_assert(!core_is_doubted(b.core, 0));
    census((struct crowd){.seers = 9,
                          .ok = 4,
                          .critical = 5,
                          .doubters = 5,
                          .answers = 50,
                          .thought = STATE_OK}); /* many answers of too few */
    ck_assert_int_eq(verdict(), STATE_OK);
    ck_assert(core_is_doubted(b.core, 0));
    census((struct crowd){.seers = 9, .ok = 9});
    ck_assert_uint_eq(b.effects.touched_count, 1);
    ck_assert(!core_is_doubted(b.core, 0));
}
END_TEST

START_TEST(test_doubts_of_observers_alone_need_as_many_answers)
{
    gather("VVV");
    check_of(0)->fall = 9;
    census((struct crowd){
        .seers = 8, .critical = 8, .doubters = 8, .answers = 8, .thought = STATE_OK});
    ck_assert_int_eq(verdict(), STATE_OK); /* eight of eleven, and what they think is another */
    census((struct crowd){
        .seers = 8, .critical = 8, .doubters = 8, .answers = 9, .thought = STATE_OK});
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

/* How many answers it takes hangs on what was agreed before: nothing, here. */
static enum state verdict_of_a_first_doubt(uint32_t rules)
{
    b.core->rules = rules;
    bench_board(&b, "V");
    bench_presence(&b, 1, true, 1);
    check_of(0)->fall = 3;
    bench_doubt(&b, 1, 0, STATE_OK, STATE_CRITICAL, 3);
    return verdict();
}

START_TEST(test_a_verdict_stays_when_it_is_worked_out_again)
{
    ck_assert_int_eq(verdict_of_a_first_doubt(3), STATE_CRITICAL);
    core_work_out_anew(b.core);
    bench_wait(&b, 0);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_under_older_rules_it_may_not)
{
    ck_assert_int_eq(verdict_of_a_first_doubt(2), STATE_OK);
    core_work_out_anew(b.core);
    bench_wait(&b, 0);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

/* ---------------------------------------------------------------- what does not count */

static void check_ignored(const char *refusal)
{
    struct census none = {.seers = 0};
    ck_assert_int_eq(verdict(), STATE_OK);
    ck_assert_mem_eq(&check_of(0)->census, &none, sizeof(none));
    ck_assert_int_eq(b.core->at_ms, b.at_ms); /* but time goes on */
    ck_assert(refusal == NULL ? b.effects.count == 0 : bench_told(&b, EVENT_REFUSED, refusal));
}

static void tell_of_policy(uint64_t policy_index, uint32_t check)
{
    struct crowd crowd = {.seers = 9, .critical = 9};
    struct census_change change = bench_census_change(check, &crowd);
    b.at_ms += 1000;
    bench_take(&b, (struct fact){.kind = FACT_CENSUS, .census = {policy_index, &change, 1}});
}

START_TEST(test_older_rules_do_not_know_it)
{
    b.core->rules = 2;
    gather("VVV");
    tell_of_policy(b.core->policy_index, 0);
    check_ignored("rules 2");
    b.core->rules = 3;
    tell_of_policy(b.core->policy_index, 0);
    ck_assert_int_eq(verdict(), STATE_CRITICAL);
}
END_TEST

START_TEST(test_of_another_policy_or_no_check)
{
    gather("VVV");
    tell_of_policy(b.core->policy_index - 1, 0);
    check_ignored("of another policy");
    b.core->shape.checks = 1; /* as if there were one only, so that nothing else says no */
    tell_of_policy(b.core->policy_index, 1);
    b.core->shape.checks = 2;
    ck_assert_uint_eq(check_of(1)->census.seers, 0);
    check_ignored(NULL);
    tell_of_policy(b.core->policy_index, UINT32_MAX);
    check_ignored(NULL);
    check_of(0)->observers = 0; /* it does not ask for any */
    tell_of_policy(b.core->policy_index, 0);
    check_ignored(NULL);
}
END_TEST

START_TEST(test_large_numbers_are_cut)
{
    gather("VVV");
    struct census_change change = {.check = 0,
                                   .seers = 65536 + 3,
                                   .silent = UINT32_MAX,
                                   .doubters = 65536,
                                   .votes = {0, 0, 70000},
                                   .newest = {0, 65537, 0},
                                   .answers = {0, 0, 512 * SETTLED}};
    bench_take(&b,
               (struct fact){.kind = FACT_CENSUS, .census = {b.core->policy_index, &change, 1}});
    const struct census *kept = &check_of(0)->census;
    ck_assert_uint_eq(kept->seers, UINT16_MAX);
    ck_assert_uint_eq(kept->silent, UINT16_MAX);
    ck_assert_uint_eq(kept->doubters, UINT16_MAX);
    ck_assert_uint_eq(kept->votes[STATE_CRITICAL], UINT16_MAX);
    ck_assert_uint_eq(kept->newest[STATE_WARNING], UINT16_MAX);
    ck_assert_uint_eq(kept->answers[STATE_CRITICAL], UINT16_MAX);
}
END_TEST

/* ---------------------------------------------------------------- what follows from it */

START_TEST(test_a_service_moves_and_it_is_told_why)
{
    gather("VVV");
    bench_settle(&b);
    census((struct crowd){.seers = 9, .critical = 7, .ok = 1});
    ck_assert(bench_told(&b, EVENT_CHECK,
                         "critical (was ok): observers: 7 of 9 say critical, 1 ok, 1 "
                         "cannot tell"));
    ck_assert_int_ne(core_service(b.core, 0)->phase, PHASE_STEADY);
    ck_assert_int_eq(core_service(b.core, 0)->target, 1);
}
END_TEST

START_TEST(test_in_words)
{
    char text[LINE_SIZE];
    struct census few = {.seers = 5, .silent = 5};
    struct census some = {
        .seers = 200, .silent = 2, .doubters = 3, .votes = {194, 1, 0}, .newest = {191, 1, 3}};
    core_census_text(&few, text);
    ck_assert_str_eq(text, "5 of 5 have not looked yet");
    core_census_text(&some, text);
    ck_assert_str_eq(text, "3 of 200 say critical, 1 warning, 191 ok, 2 have not looked yet, 3 "
                           "cannot tell; 3 are not sure yet");
    core_census_text(&(struct census){.seers = 0}, text);
    ck_assert_str_eq(text, "");
}
END_TEST

/* ---------------------------------------------------------------- it lasts */

START_TEST(test_it_goes_over_to_the_next_policy)
{
    const char *n1 = draft.node_names[0];
    gather("VVV");
    bench_census(&b, 0, (struct crowd){.seers = 9, .critical = 9});
    bench_census(&b, 1, (struct crowd){.seers = 8, .ok = 7});
    draft.node_names[0] = draft.node_names[1]; /* the numbers of both checks change places */
    draft.node_names[1] = n1;
    draft.node_addresses[0] = draft.node_addresses[1] = "10.9.0.7";
    draft.vips = 0;
    bench_take(&b, (struct fact){.kind = FACT_TICK});
    for (int32_t i = 0; i < core_vip_count(b.core); i++) /* whose nodes may change then */
        core_vip(b.core, i)->holder = NONE, core_vip(b.core, i)->phase = VIP_FREE;
    ck_assert_msg(bench_adopt(&b, &draft), "%s", b.refusal);
    ck_assert_str_eq(check_of(1)->id, "web/n1/http");
    ck_assert_uint_eq(check_of(1)->census.newest[STATE_CRITICAL], 9);
    ck_assert_uint_eq(check_of(0)->census.newest[STATE_OK], 7);
    ck_assert_int_eq(check_of(1)->state, STATE_CRITICAL);
    draft.observers = 0;
    ck_assert(bench_adopt(&b, &draft));
    ck_assert_uint_eq(check_of(1)->census.seers, 0);
    ck_assert_int_eq(check_of(1)->state, STATE_OK); /* as the controllers say */
}
END_TEST

static uint8_t *write_down(const struct core *core, size_t *size)
{
    *size = snapshot_size(core);
    uint8_t *bytes = malloc(*size);
    snapshot_write(core, bytes);
    return bytes;
}

START_TEST(test_it_is_in_the_snapshot)
{
    size_t plain_size, size, again_size;
    gather("VVV");
    uint8_t *plain = write_down(b.core, &plain_size);
    ck_assert_uint_eq(plain[3], 2); /* older versions can read it */
    census((struct crowd){.seers = 300,
                          .silent = 1,
                          .ok = 4,
                          .warning = 5,
                          .critical = 288,
                          .doubters = 6,
                          .answers = 7,
                          .thought = STATE_WARNING});
    uint8_t *bytes = write_down(b.core, &size);
    ck_assert_uint_eq(bytes[3], 3);
    struct core *copy = draft_core(&draft, 0, 0);
    copy->policy_index = b.core->policy_index;
    ck_assert(snapshot_read(copy, bytes, size));
    ck_assert_mem_eq(&core_check(copy, 0)->census, &check_of(0)->census, sizeof(struct census));
    ck_assert_uint_eq(core_check(copy, 1)->census.seers, 0);
    uint8_t *again = write_down(copy, &again_size);
    ck_assert_uint_eq(size, again_size);
    ck_assert_mem_eq(bytes, again, size);
    free(copy);
    copy = draft_core(&draft, 0, 0);
    ck_assert(snapshot_read(copy, plain, plain_size)); /* of an older version */
    ck_assert_uint_eq(core_check(copy, 0)->census.seers, 0);
    bytes[3] = 4;
    ck_assert(!snapshot_read(copy, bytes, size));
    free(copy);
    free(plain);
    free(bytes);
    free(again);
}
END_TEST

/* ---------------------------------------------------------------- a step looks at what changes */

/* What would follow if all were worked out anew is what the step has left. */
static void check_worked_out(void)
{
    size_t size, anew_size, block = core_size(&b.core->shape);
    struct bench anew = b;
    anew.core = malloc(block);
    memcpy(anew.core, b.core, block);
    core_work_out_anew(anew.core);
    bench_take(&anew, (struct fact){.kind = FACT_TICK});
    bench_take(&b, (struct fact){.kind = FACT_TICK});
    uint8_t *bytes = write_down(b.core, &size), *anew_bytes = write_down(anew.core, &anew_size);
    ck_assert_uint_eq(size, anew_size);
    ck_assert_mem_eq(bytes, anew_bytes, size);
    free(bytes);
    free(anew_bytes);
    bench_close(&anew);
}

START_TEST(test_a_step_works_out_all_that_follows)
{
    struct walk walk = {.state = 4711 + (uint64_t)_i};
    draft = walk_draft(_i % 2 == 0 ? RUN_EVERYWHERE : RUN_ACTIVE);
    bench_close(&b);
    walk_open(&b, &draft);
    uint32_t changed = 0;
    for (int i = 0; i < 2000; i++) {
        enum state before = verdict();
        walk_census(&walk, &b, walk_number(&walk, 3));
        changed += verdict() != before;
        check_worked_out();
        walk_step(&walk, &b);
        check_worked_out();
    }
    ck_assert_uint_gt(changed, 50); /* else nothing was tried */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core census");
    TCase *t = tcase_create("census");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_a_majority_is_one_of_all_who_look);
    tcase_add_test(t, test_controllers_are_outvoted_in_both_ways);
    tcase_add_test(t, test_all);
    tcase_add_test(t, test_a_number_and_any);
    tcase_add_test(t, test_who_cannot_see_is_a_vantage_point_and_has_no_voice);
    tcase_add_test(t, test_what_is_well_stays_so_until_they_have_looked);
    tcase_add_test(t, test_observers_alone_make_it_known);
    tcase_add_test(t, test_doubts_of_all_add_up);
    tcase_add_test(t, test_doubts_of_observers_alone_need_as_many_answers);
    tcase_add_test(t, test_a_doubt_of_few_is_withdrawn);
    tcase_add_test(t, test_a_verdict_stays_when_it_is_worked_out_again);
    tcase_add_test(t, test_under_older_rules_it_may_not);
    tcase_add_test(t, test_older_rules_do_not_know_it);
    tcase_add_test(t, test_of_another_policy_or_no_check);
    tcase_add_test(t, test_large_numbers_are_cut);
    tcase_add_test(t, test_a_service_moves_and_it_is_told_why);
    tcase_add_test(t, test_in_words);
    tcase_add_test(t, test_it_goes_over_to_the_next_policy);
    tcase_add_test(t, test_it_is_in_the_snapshot);
    tcase_add_loop_test(t, test_a_step_works_out_all_that_follows, 0, 2);
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
