/* Observers in the views: those that were added, with their links to this controller. */
#include "orchestrator/status/observer_links.h"

#include "orchestrator/base/text.h"
#include "orchestrator/status/answers.h"
#include "orchestrator/status/api.h"
#include "orchestrator/status/metrics.h"
#include "orchestrator/status/page.h"
#include "tests/unit/feed_fixture.h"

#include <jansson.h>

static struct play play;

static void add(const char *name, uint8_t number)
{
    uint8_t key[OBSERVER_KEY_SIZE] = {0xab, number};
    Ephor__Fact fact = EPHOR__FACT__INIT;
    Ephor__ObserverChange change = EPHOR__OBSERVER_CHANGE__INIT;
    Ephor__Observer added = EPHOR__OBSERVER__INIT;
    added.name = (char *)(uintptr_t)name;
    added.fingerprint.data = key;
    added.fingerprint.len = sizeof(key);
    change.added = &added;
    fact.body_case = EPHOR__FACT__BODY_OBSERVER;
    fact.observer = &change;
    play_fact(&play, &fact);
}

/* o1 looks; o2 cannot see; o3 looks by another policy; o4 is not linked; 1099 was removed. */
static void link_some(void)
{
    static const uint32_t ids[] = {1001, 1002, 1003, 1099};
    Ephor__FeedState state = EPHOR__FEED_STATE__INIT;
    Ephor__FeedObserver links[4], *pointers[4];
    for (uint32_t i = 0; i < 4; i++) {
        ephor__feed_observer__init(pointers[i] = &links[i]);
        links[i].id = ids[i];
        links[i].sees = links[i].follows = true;
        links[i].since_ms = 1500;
        links[i].version = (char *)(uintptr_t) "0.1";
    }
    links[1].sees = false;
    links[1].reason = (char *)(uintptr_t) "no <canary> answers";
    links[2].follows = links[3].sees = false;
    state.leading = state.storage_ok = state.calm = true;
    state.observers = pointers;
    state.n_observers = 4;
    play_message(&play, EPHOR__MESSAGE__BODY_FEED_STATE, &state.base);
}

static void set_up(void)
{
    play_open_well(&play);
    add("o1", 1);
    add("o2", 2);
    add("o3", 3);
    add("o4", 4);
    link_some();
}

static void tear_down(void)
{
    feed_close(&play.feed);
}

static char *text_of(void (*render)(const struct view *view, struct buf *out))
{
    struct view view;
    struct buf out;
    ck_assert_int_eq(view_init(&view, &play.feed, NOW_WALL_MS + 5000), ERR_OK);
    buf_init(&out, METRICS_LIMIT);
    render(&view, &out);
    char *text = strdup(buf_string(&out));
    buf_close(&out);
    view_close(&view);
    return text;
}

START_TEST(they_are_counted)
{
    char text[LINE_SIZE];
    struct observer_links counts = observer_links_counted(&play.feed);
    ck_assert_uint_eq(counts.added, 4);
    ck_assert_uint_eq(counts.linked, 3);
    ck_assert_uint_eq(counts.blind, 1);
    ck_assert_uint_eq(counts.strayed, 1);
    ck_assert_str_eq(observer_links_in_words(&counts, text),
                     "4 observers, 3 linked to this controller, 1 of them cannot see, 1 not by the "
                     "policy in force");
    counts = (struct observer_links){.added = 1, .linked = 1};
    ck_assert_str_eq(observer_links_in_words(&counts, text),
                     "1 observer, 1 linked to this controller");
    feed_end(&play.feed); /* the quorum process is gone: nobody is known to be linked */
    counts = observer_links_counted(&play.feed);
    ck_assert_uint_eq(counts.added, 4);
    ck_assert_uint_eq(counts.linked, 0);
}
END_TEST

static const json_t *field(const json_t *list, size_t i, const char *key)
{
    return json_object_get(json_array_get(list, i), key);
}

START_TEST(the_api_tells_of_each)
{
    char *text = text_of(api_cluster);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(json, "observers");
    ck_assert_uint_eq(json_array_size(list), 4);
    ck_assert_str_eq(json_string_value(field(list, 1, "name")), "o2");
    ck_assert_int_eq(json_integer_value(field(list, 1, "id")), 1002);
    ck_assert(json_is_true(field(list, 1, "linked")));
    ck_assert(json_is_false(field(list, 1, "sees")));
    ck_assert_str_eq(json_string_value(field(list, 1, "reason")), "no <canary> answers");
    ck_assert(json_is_true(field(list, 1, "follows")));
    ck_assert(json_is_false(field(list, 2, "follows")));
    ck_assert_int_eq(json_integer_value(field(list, 0, "linked_for_ms")), 1500);
    ck_assert_int_eq(strncmp(json_string_value(field(list, 1, "fingerprint")), "ab0200", 6), 0);
    ck_assert_uint_eq(json_string_length(field(list, 1, "fingerprint")), 64);
    ck_assert_int_eq(strncmp(json_string_value(field(list, 0, "since")), "1970-01-12T13:46:4", 18),
                     0);
    ck_assert(json_is_false(field(list, 3, "linked")));
    ck_assert_ptr_null(field(list, 3, "sees"));
    json_decref(json);
    free(text);
}
END_TEST

static void render_metrics(const struct view *view, struct buf *out)
{
    struct http_counts http;
    answers_init(&http);
    metrics_write(view, &http, out);
}

START_TEST(metrics_count_them)
{
    char *text = text_of(render_metrics);
    ck_assert_ptr_nonnull(strstr(text, "\nephor_observers 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nephor_observers_linked 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nephor_observers_blind 1\n"));
    free(text);
}
END_TEST

static void render_page(const struct view *view, struct buf *out)
{
    const struct page_assets assets = {.style_tag = "s", .script_tag = "j"};
    page_overview(view, &assets, out);
}

START_TEST(the_page_has_a_line)
{
    char *text = text_of(render_page);
    ck_assert_ptr_nonnull(strstr(text, "<p>4 observers, 3 linked to this controller, 1 of them"));
    free(text);
    feed_close(&play.feed);
    play_open_well(&play);
    text = text_of(render_page);
    ck_assert_ptr_null(strstr(text, "0 observers")); /* nobody who has none needs to read of them */
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observer_links");
    TCase *tcase = tcase_create("observer_links");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, they_are_counted);
    tcase_add_test(tcase, the_api_tells_of_each);
    tcase_add_test(tcase, metrics_count_them);
    tcase_add_test(tcase, the_page_has_a_line);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
