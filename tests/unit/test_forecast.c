/* Forecasts: what the rules would do on a copy, and that it is only a copy. */
#include "tests/unit/core_fixture.h"

#include "orchestrator/core/forecast.h"

#include <stdio.h>

static struct bench b;
static struct draft draft;
static struct core *copy;
static char history[32768];

static void on_line(void *data, int64_t after_ms, const struct journal_line *line)
{
    size_t used = strlen(history);
    (void)data;
    text_format(history + used, sizeof(history) - used, "%lld %s %s: %s\n", (long long)after_ms,
                event_name(line->event), line->object, line->text);
}

static bool play(struct forecast forecast)
{
    static struct effects effects;
    struct core_shape shape = b.core->shape;
    history[0] = '\0';
    free(copy);
    copy = malloc(core_size(&shape));
    memcpy(copy, b.core, core_size(&shape));
    return forecast_play(copy, &forecast, &effects, on_line, NULL);
}

static const char *active(void)
{
    const struct service *s = core_service(copy, 0);
    return s->active == NONE ? "" : core_node(copy, core_member(copy, s->active)->node)->name;
}

static bool tells(const char *text)
{
    return strstr(history, text) != NULL;
}

static void setup(void)
{
    draft = draft_pair();
    bench_open(&b, &draft);
    bench_settle(&b);
    b.core->rules = core_rules_max;
}

static void teardown(void)
{
    free(copy);
    copy = NULL;
    bench_close(&b);
}

START_TEST(test_a_service_that_fails_moves)
{
    uint64_t index = b.core->index;
    ck_assert(play((struct forecast){{{FORECAST_FAIL, 0, 0}}, 1, false}));
    ck_assert_str_eq(active(), "n2");
    ck_assert(tells("0 decision web: move from n1 to n2"));
    ck_assert(tells("is held by n2"));
    ck_assert_str_eq(bench_active(&b), "n1"); /* nothing happened */
    ck_assert_uint_eq(b.core->index, index);
}
END_TEST

START_TEST(test_a_restart_that_helps_or_not)
{
    bench_close(&b);
    draft.can_restart = true;
    bench_open(&b, &draft);
    bench_settle(&b);
    ck_assert(play((struct forecast){{{FORECAST_FAIL, 0, 0}}, 1, true}));
    ck_assert_str_eq(active(), "n1");
    ck_assert(tells("works again after the restart"));
    ck_assert(play((struct forecast){{{FORECAST_FAIL, 0, 0}}, 1, false}));
    ck_assert_str_eq(active(), "n2");
    ck_assert(tells("the restart did not help"));
    ck_assert(play((struct forecast){{{FORECAST_FAIL, 0, 0}, {FORECAST_STUCK, NONE, 0}}, 2, true}));
    ck_assert_str_eq(active(), "n2");
    ck_assert(tells("exit 1"));
}
END_TEST

START_TEST(test_a_silent_node_keeps_its_address_for_as_long_as_its_lease)
{
    ck_assert(play((struct forecast){{{FORECAST_DOWN, NONE, 0}}, 1, false}));
    ck_assert_str_eq(active(), "n2");
    ck_assert(tells("500 reach n1: cannot be worked on"));
    ck_assert(tells("4905 vip front: 10.0.0.1 is free: n1 had it until its lease ended"));
}
END_TEST

START_TEST(test_with_nobody_to_move_to_it_says_so)
{
    ck_assert(play((struct forecast){{{FORECAST_FAIL, 0, 0}, {FORECAST_FAIL, 0, 1}}, 2, false}));
    ck_assert(tells("nothing is done (rule 5, no-candidate)"));
    ck_assert(
        play((struct forecast){{{FORECAST_DOWN, NONE, 0}, {FORECAST_DOWN, NONE, 1}}, 2, false}));
    ck_assert_str_eq(active(), "");
}
END_TEST

START_TEST(test_operators_plans)
{
    ck_assert(play((struct forecast){{{FORECAST_MAINTENANCE, NONE, 0}}, 1, false}));
    ck_assert_str_eq(active(), "n2");
    ck_assert(tells("(rule 6, drain)"));
    ck_assert(play((struct forecast){{{FORECAST_FAILOVER, 0, NONE}}, 1, false}));
    ck_assert_str_eq(active(), "n2");
    ck_assert(tells("(rule 17, operator)"));
}
END_TEST

START_TEST(test_a_pause_holds_in_a_forecast_too)
{
    bench_ask(&b, VERB_PAUSE, "", "");
    ck_assert(play((struct forecast){{{FORECAST_FAIL, 0, 0}}, 1, false}));
    ck_assert_str_eq(active(), "n1");
    ck_assert(tells("(rule 3, paused)"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forecast");
    TCase *t = tcase_create("forecast");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_a_service_that_fails_moves);
    tcase_add_test(t, test_a_restart_that_helps_or_not);
    tcase_add_test(t, test_a_silent_node_keeps_its_address_for_as_long_as_its_lease);
    tcase_add_test(t, test_with_nobody_to_move_to_it_says_so);
    tcase_add_test(t, test_operators_plans);
    tcase_add_test(t, test_a_pause_holds_in_a_forecast_too);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
