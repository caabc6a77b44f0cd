/* The metrics page: its form, no sample twice, and counters that count what happened. */
#include "orchestrator/base/text.h"
#include "orchestrator/status/answers.h"
#include "orchestrator/status/metrics.h"
#include "tests/unit/feed_fixture.h"

#include <ctype.h>

static void metrics_of(const struct play *play, struct buf *out)
{
    struct http_counts http;
    struct view view;
    answers_init(&http);
    answers_count(&http, HANDLER_STATUS, 200);
    answers_count(&http, HANDLER_FAILOVER, 409);
    ck_assert_int_eq(view_init(&view, &play->feed, NOW_WALL_MS + 5000), ERR_OK);
    buf_init(out, METRICS_LIMIT);
    metrics_write(&view, &http, out);
    view_close(&view);
}

static void has_line(const struct buf *out, const char *line)
{
    char text[300];
    text_format(text, sizeof(text), "\n%s\n", line);
    ck_assert_msg(strstr(buf_string(out), text) != NULL, "no '%s' in\n%s", line, buf_string(out));
}

/* Each line is a HELP, a TYPE or a sample of the family before it; samples are unique. */
static void check_form(const struct buf *out)
{
    char family[128] = "", seen[400];
    const char *line = buf_string(out);
    ck_assert_int_eq(line[strlen(line) - 1], '\n');
    while (*line != '\0') {
        size_t size = strcspn(line, "\n");
        if (text_starts_with(line, "# HELP ")) {
            size_t name = strcspn(line + 7, " ");
            memcpy(family, line + 7, name);
            family[name] = '\0';
        } else if (!text_starts_with(line, "# TYPE ")) {
            size_t id = size;
            ck_assert_msg(text_starts_with(line, family), "%.80s is not of %s", line, family);
            while (line[id - 1] != ' ')
                id--;
            ck_assert_uint_lt(id + 1, sizeof(seen));
            seen[0] = '\n';
            memcpy(seen + 1, line, id);
            seen[id + 1] = '\0';
            ck_assert_msg(strstr(line + size, seen) == NULL, "twice: %s", seen);
            ck_assert(isdigit((unsigned char)line[id]) || line[id] == '-');
        }
        line += size + 1;
    }
}

START_TEST(observers_are_counted_where_some_look)
{
    struct play play;
    struct buf out;
    play_open_well(&play);
    metrics_of(&play, &out);
    ck_assert_ptr_null(strstr(buf_string(&out), "ephor_check_observers{"));
    buf_close(&out);
    play.feed.machine.core->rules = 3;
    play_census(&play, 1, 3);
    metrics_of(&play, &out);
    has_line(&out, "ephor_check_observers{check=\"web/n2/http\",state=\"ok\"} 187");
    has_line(&out, "ephor_check_observers{check=\"web/n2/http\",state=\"warning\"} 1");
    has_line(&out, "ephor_check_observers{check=\"web/n2/http\",state=\"critical\"} 3");
    has_line(&out, "ephor_check_observers{check=\"web/n2/http\",state=\"unknown\"} 9");
    ck_assert_ptr_null(strstr(buf_string(&out), "ephor_check_observers{check=\"web/n1"));
    buf_close(&out);
    feed_close(&play.feed);
}
END_TEST

START_TEST(the_form_is_right)
{
    struct play play;
    struct buf out;
    play_open_well(&play);
    metrics_of(&play, &out);
    check_form(&out);
    has_line(&out, "ephor_service_state{service=\"web\",state=\"ok\"} 1");
    has_line(&out, "ephor_service_state{service=\"web\",state=\"critical\"} 0");
    has_line(&out, "ephor_vip_assigned{vip=\"web-ip\",node=\"n1\"} 1");
    has_line(&out, "ephor_vip_assigned{vip=\"web-ip\",node=\"n2\"} 0");
    has_line(&out, "ephor_member_role{service=\"batch\",node=\"n2\",role=\"active\"} 1");
    has_line(&out, "ephor_raft_is_leader 1");
    has_line(&out, "ephor_scheduler_lag_seconds_bucket{le=\"+Inf\"} 0");
    has_line(&out, "ephor_scheduler_lag_seconds_bucket{le=\"1.0\"} 0");
    has_line(&out, "ephor_http_requests_total{handler=\"failover\",code=\"409\"} 1");
    has_line(&out, "ephor_config_info{digest=\"feedbeef\"} 1");
    buf_close(&out);
    feed_close(&play.feed);
}
END_TEST

START_TEST(certificates_end)
{
    struct play play;
    struct buf out;
    char line[120];
    play_open_well(&play);
    play_certificates(&play, 1000000, 0, "", "");
    metrics_of(&play, &out);
    check_form(&out);
    text_format(line, sizeof(line),
                "ephor_certificate_expiry_timestamp_seconds{controller=\"c1\"} %lld",
                (NOW_WALL_MS + (long long)play.at_ms + 5000) / 1000 + 1000000);
    has_line(&out, line);
    ck_assert_ptr_null(strstr(buf_string(&out), "{controller=\"c2\"}")); /* not known yet */
    buf_close(&out);
    play_certificates(&play, 1000000, 2000000, "", "");
    metrics_of(&play, &out);
    check_form(&out);
    text_format(line, sizeof(line),
                "ephor_certificate_expiry_timestamp_seconds{controller=\"c2\"} %lld",
                (NOW_WALL_MS + (long long)play.at_ms + 5000) / 1000 + 2000000);
    has_line(&out, line);
    buf_close(&out);
    feed_close(&play.feed);
}
END_TEST

START_TEST(nothing_is_known_at_first)
{
    struct play play = {.at_ms = 0};
    struct buf out;
    ck_assert_int_eq(feed_init(&play.feed), ERR_OK);
    metrics_of(&play, &out);
    check_form(&out);
    has_line(&out, "ephor_raft_is_leader 0");
    buf_close(&out);
    feed_close(&play.feed);
}
END_TEST

START_TEST(moves_and_orders_are_counted)
{
    struct play play;
    struct buf out;
    play_open_well(&play);
    metrics_of(&play, &out);
    has_line(&out, "ephor_failovers_total{service=\"web\",result=\"ok\"} 0");
    has_line(&out, "ephor_action_runs_total{action=\"start\",result=\"done\"} 1");
    buf_close(&out);
    play.at_ms += 5000;
    play_request(&play, EPHOR__VERB__FAILOVER, "web", "");
    while (play_outcome(&play, RESULT_DONE))
        ;
    play.at_ms += 5000;
    play_request(&play, EPHOR__VERB__FAILOVER, "batch", "");
    ck_assert(play_outcome(&play, RESULT_FAILED)); /* the stop */
    metrics_of(&play, &out);
    check_form(&out);
    has_line(&out, "ephor_failovers_total{service=\"web\",result=\"ok\"} 1");
    has_line(&out, "ephor_failovers_total{service=\"web\",result=\"failed\"} 0");
    has_line(&out, "ephor_failovers_total{service=\"batch\",result=\"failed\"} 1");
    has_line(&out, "ephor_action_runs_total{action=\"stop\",result=\"failed\"} 1");
    has_line(&out, "ephor_vip_assigned{vip=\"web-ip\",node=\"n2\"} 1");
    buf_close(&out);
    feed_close(&play.feed);
}
END_TEST

START_TEST(states_and_switches_follow)
{
    struct play play;
    struct buf out;
    play_open_well(&play);
    play_opinion(&play, 4, STATE_CRITICAL, "gone");
    play_request(&play, EPHOR__VERB__PAUSE, "", "");
    play_request(&play, EPHOR__VERB__MAINTENANCE_ON, "", "n3");
    metrics_of(&play, &out);
    has_line(&out, "ephor_paused 1");
    has_line(&out, "ephor_maintenance{kind=\"node\",name=\"n3\"} 1");
    has_line(&out, "ephor_maintenance{kind=\"node\",name=\"n1\"} 0");
    has_line(&out, "ephor_node_state{node=\"n1\",state=\"critical\"} 1");
    has_line(&out, "ephor_check_state_code{check=\"node/n1/ping\"} 2");
    has_line(&out, "ephor_diagnosis{object=\"n1\",kind=\"service wrong\"} 1");
    has_line(&out, "ephor_service_healthy_members{service=\"web\"} 1");
    buf_close(&out);
    feed_close(&play.feed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tcase = tcase_create("metrics");
    tcase_add_test(tcase, observers_are_counted_where_some_look);
    tcase_add_test(tcase, the_form_is_right);
    tcase_add_test(tcase, certificates_end);
    tcase_add_test(tcase, nothing_is_known_at_first);
    tcase_add_test(tcase, moves_and_orders_are_counted);
    tcase_add_test(tcase, states_and_switches_follow);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
