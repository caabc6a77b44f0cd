/* The views from states made by facts: page and API agree, nothing hostile becomes markup. */
#include "orchestrator/base/text.h"
#include "orchestrator/status/api.h"
#include "orchestrator/status/html.h"
#include "orchestrator/status/page.h"
#include "orchestrator/status/page_pieces.h"
#include "orchestrator/sys/results.h"
#include "tests/unit/feed_fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static const struct page_assets assets = {"1", "2"};

static void view_open(struct view *view, const struct play *play)
{
    ck_assert_int_eq(view_init(view, &play->feed, NOW_WALL_MS + play->at_ms + 5000), ERR_OK);
}

static json_t *json_of(const struct play *play, void (*api)(const struct view *, struct buf *))
{
    struct view view;
    struct buf out;
    json_error_t e;
    view_open(&view, play);
    buf_init(&out, API_BODY_LIMIT);
    api(&view, &out);
    json_t *json = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, &e);
    ck_assert_msg(json != NULL, "%s at %d: %s", e.text, e.position, out.data);
    buf_close(&out);
    view_close(&view);
    return json;
}

static json_t *status_of(const struct play *play)
{
    return json_of(play, api_status);
}

static const char *text_at(const json_t *json, const char *a, size_t i, const char *b)
{
    const char *text =
        json_string_value(json_object_get(json_array_get(json_object_get(json, a), i), b));
    return text == NULL ? "(null)" : text;
}

/* Every tag that is opened is closed in order, and none is there that we do not write. (Each
 * assertion of Check writes to a file; these are many.) */
#define MUST(condition, ...)           \
    do {                               \
        if (!(condition))              \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)

static void check_markup(const char *html)
{
    static const char *const void_tags[] = {"meta", "link", "br", "!doctype"};
    char stack[64][16];
    size_t depth = 0;
    while ((html = strchr(html, '<')) != NULL) {
        char name[16] = "";
        bool closes = html[1] == '/';
        bool is_void = false;
        const char *begin = html + 1 + closes;
        size_t size = strcspn(begin, " >\n");
        MUST(size < sizeof(name), "a long tag: %.20s", begin);
        memcpy(name, begin, size);
        MUST(strcmp(name, "img") != 0 && strcmp(name, "b>") != 0, "'%s' slipped in", name);
        for (size_t i = 0; i < 4; i++)
            is_void = is_void || strcmp(name, void_tags[i]) == 0;
        html = strchr(html, '>');
        MUST(html != NULL, "<%s has no end", name);
        if (closes)
            MUST(depth > 0 && strcmp(stack[--depth], name) == 0, "'/%s' closes '%s'", name,
                 stack[depth]);
        else if (!is_void)
            text_copy(stack[depth++], sizeof(stack[0]), name);
        MUST(depth < 60, "<%s is %zu deep", name, depth);
    }
    ck_assert_uint_eq(depth, 0);
}

static void check_pages(const struct play *play)
{
    struct view view;
    struct buf out;
    view_open(&view, play);
    buf_init(&out, 1 << 24);
    page_overview(&view, &assets, &out);
    check_markup(out.data);
    for (int32_t i = 0; view.core != NULL && i < core_service_count(view.core); i++) {
        buf_clear(&out);
        page_service(&view, i, &assets, &out);
        check_markup(out.data);
    }
    buf_clear(&out);
    page_error(&view, &assets, 404, "<nothing>", &out);
    check_markup(out.data);
    ck_assert_ptr_null(strstr(out.data, "<nothing>"));
    buf_close(&out);
    view_close(&view);
}

/* ---------------------------------------------------------------- escaping */

START_TEST(text_never_becomes_markup)
{
    struct buf out;
    buf_init(&out, 100000);
    html_text(&out, "<a href=\"x\" b='y'>&amp;");
    ck_assert_str_eq(out.data, "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
    buf_clear(&out);
    html_text(&out, "bad \xff\xc3 and \x1b[31m");
    ck_assert_str_eq(out.data, "bad \xef\xbf\xbd\xef\xbf\xbd and  [31m");
    buf_clear(&out);
    html_format(&out, "<i>%s %d %u %lld%%</i>", "<", -1, 2u, 3LL);
    ck_assert_str_eq(out.data, "<i>&lt; -1 2 3%</i>");
    buf_clear(&out);
    html_path(&out, "a b/<\xc3\xa4");
    ck_assert_str_eq(out.data, "a%20b%2F%3C%C3%A4");
    buf_close(&out);
}
END_TEST

START_TEST(long_text_is_cut_between_characters)
{
    char text[1001];
    struct buf out;
    for (int i = 0; i < 500; i++)
        memcpy(text + i * 2, "\xc3\xa4", 2);
    text[1000] = '\0';
    buf_init(&out, 100000);
    html_text(&out, text + 0);
    ck_assert_str_eq(out.data, text);
    buf_clear(&out);
    html_text(&out, "x");
    html_text(&out, text);
    ck_assert_str_eq(out.data + 1, text);
    buf_close(&out);
}
END_TEST

/* ---------------------------------------------------------------- the API */

START_TEST(nothing_is_known_at_first)
{
    struct play play = {.at_ms = 0};
    ck_assert_int_eq(feed_init(&play.feed), ERR_OK);
    json_t *json = status_of(&play);
    ck_assert_str_eq(json_string_value(json_object_get(json, "state")), "unknown");
    ck_assert_str_eq(text_at(json, "problems", 0, "object"), "ephor");
    ck_assert(json_is_null(json_object_get(json_object_get(json, "cluster"), "leader")));
    json_decref(json);
    check_pages(&play);
    feed_close(&play.feed);
}
END_TEST

START_TEST(the_status_has_exactly_these_keys)
{
    static const struct {
        const char *path;
        const char *keys;
    } wanted[] = {
        {NULL,
         "cluster controllers state headline services nodes checks processes problems config"},
        {"cluster", "name leader term leading rules policy_index policy_digest paused calm "
                    "calm_reason storage_ok storage_text at"},
        {"services", "name state since phase active rule rule_name reason diagnosis vips members"},
        {"nodes", "name address state reachable channel rtt_us maintenance maintenance_author "
                  "maintenance_reason maintenance_until diagnosis parents holding"},
        {"checks", "id name scope state observed output reason perfdata duration_ms attempt runs "
                   "since diagnosis opinions"},
        {"config", "path last_reload_ok last_reload_text"},
    };
    struct play play;
    play_open_well(&play);
    json_t *json = status_of(&play);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        json_t *object = wanted[i].path == NULL ? json : json_object_get(json, wanted[i].path);
        char keys[512] = "";
        const char *key;
        json_t *value;
        if (json_is_array(object))
            object = json_array_get(object, 0);
        json_object_foreach(object, key, value)
        {
            size_t used = strlen(keys);
            text_format(keys + used, sizeof(keys) - used, "%s%s", used > 0 ? " " : "", key);
        }
        ck_assert_str_eq(keys, wanted[i].keys);
    }
    json_decref(json);
    feed_close(&play.feed);
}
END_TEST

START_TEST(all_is_well)
{
    struct play play;
    play_open_well(&play);
    json_t *json = status_of(&play);
    ck_assert_str_eq(json_string_value(json_object_get(json, "state")), "ok");
    ck_assert_str_eq(text_at(json, "services", 0, "active"), "n1");
    ck_assert_str_eq(text_at(json, "services", 0, "phase"), "steady");
    ck_assert_str_eq(text_at(json, "services", 0, "rule_name"), "healthy");
    ck_assert_str_eq(text_at(json, "services", 1, "active"), "n2");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "problems")), 0);
    json_t *vips = json_object_get(json_array_get(json_object_get(json, "services"), 0), "vips");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(vips, 0), "holder")), "n1");
    json_decref(json);
    check_pages(&play);
    feed_close(&play.feed);
}
END_TEST

/* Each phase of a move, a restart and an address, as far as facts lead there. */
START_TEST(every_phase_can_be_shown)
{
    struct play play;
    bool seen[8] = {false};
    static const char *const phases[] = {"placing",  "steady",    "stopping",   "releasing",
                                         "starting", "acquiring", "restarting", "confirming"};
    int asked = 0;
    play_open(&play);
    for (int round = 0; round < 100; round++) {
        json_t *json = status_of(&play);
        for (size_t s = 0; s < 2; s++)
            for (size_t p = 0; p < 8; p++)
                seen[p] = seen[p] || strcmp(text_at(json, "services", s, "phase"), phases[p]) == 0;
        json_decref(json);
        check_pages(&play);
        play.at_ms += 500;
        if (round == 0) {
            play_reach(&play, "n1", true, "");
            play_reach(&play, "n2", true, "");
            play_reach(&play, "n3", true, "");
            for (uint32_t i = 0; i < 6; i++)
                play_opinion(&play, i, STATE_OK, "fine");
        } else if (!play_outcome(&play, RESULT_DONE)) {
            if (asked % 5 == 0)
                play_request(&play, EPHOR__VERB__FAILOVER, "batch", "");
            else if (asked % 5 <= 2)
                play_request(&play, EPHOR__VERB__FAILOVER, "web", "");
            else
                play_opinion(&play, 0, asked % 5 == 4 ? STATE_OK : STATE_CRITICAL, "<b>down</b>");
            asked++;
        }
    }
    for (size_t p = 0; p < 8; p++)
        ck_assert_msg(seen[p], "the phase %s was never shown", phases[p]);
    feed_close(&play.feed);
}
END_TEST

START_TEST(problems_are_told_worst_first)
{
    struct play play;
    play_open_well(&play);
    play_request(&play, EPHOR__VERB__PAUSE, "", "");
    play_opinion(&play, 1, STATE_CRITICAL, "refused");
    play_reach(&play, "n3", false, "no route");
    play_state(&play, false);
    json_t *json = status_of(&play);
    ck_assert_str_eq(json_string_value(json_object_get(json, "state")), "critical");
    ck_assert_str_eq(text_at(json, "problems", 0, "object"), "storage");
    ck_assert_str_eq(text_at(json, "problems", 0, "state"), "critical");
    ck_assert_ptr_nonnull(strstr(text_at(json, "problems", 0, "text"), "no space left on /var"));
    ck_assert_str_eq(text_at(json, "problems", 1, "text"),
                     "paused by <root>, \"why\" & <b>: nothing happens by itself");
    ck_assert_uint_ge(json_array_size(json_object_get(json, "problems")), 5);
    json_decref(json);
    check_pages(&play);
    feed_close(&play.feed);
}
END_TEST

START_TEST(the_page_tells_when_a_pause_ends)
{
    struct play play;
    struct view view;
    struct buf out;
    play_open_well(&play);
    play.feed.machine.core->rules = core_rules_max;
    for (int is_ending = 0; is_ending < 2; is_ending++) {
        play_request_for(&play, EPHOR__VERB__PAUSE, "", "", is_ending ? 3600000 : 0);
        play_request_for(&play, EPHOR__VERB__MAINTENANCE_ON, "", "n2", is_ending ? 60000 : 0);
        view_open(&view, &play);
        buf_init(&out, 1 << 24);
        page_overview(&view, &assets, &out);
        const char *first = strstr(out.data, ", until <time datetime=");
        ck_assert_int_eq(first != NULL, is_ending);
        ck_assert(!is_ending || strstr(first + 1, ", until <time datetime=") != NULL);
        buf_close(&out);
        view_close(&view);
    }
    feed_close(&play.feed);
}
END_TEST

/* The newest observation beside the verdict, with output that attacks. */
START_TEST(outputs_of_plugins_are_harmless)
{
    static const struct result result = {
        .policy_index = 1,
        .state = STATE_CRITICAL,
        .runs = 3,
        .attempt = 1,
        .started_wall_ms = NOW_WALL_MS,
        .reason = "timeout",
        .output = "</span></td><img src=x onerror=alert(1)>\"'\xff\nline two & more"};
    struct play play;
    int fd = results_create();
    struct results *results = results_open(fd, true);
    results_write(results, 0, &result);
    play_open_well(&play);
    play.feed.results = results;
    close(fd);
    check_pages(&play);
    json_t *json = status_of(&play);
    ck_assert_str_eq(text_at(json, "checks", 0, "observed"), "critical");
    ck_assert_str_eq(text_at(json, "checks", 0, "state"), "ok");
    ck_assert_str_eq(text_at(json, "checks", 0, "output"),
                     "</span></td><img src=x onerror=alert(1)>\"'\xef\xbf\xbd\nline two & more");
    json_decref(json);
    feed_close(&play.feed);
}
END_TEST

/* ---------------------------------------------------------------- the journal, the feed */

START_TEST(the_journal_can_be_asked_for_one_object)
{
    struct play play;
    struct buf out;
    play_open_well(&play);
    buf_init(&out, 1 << 20);
    api_journal(&play.feed, 5, "n3", &out);
    json_t *json = json_loadb(out.data, out.size, 0, NULL);
    json_t *lines = json_object_get(json, "lines");
    ck_assert_uint_ge(json_array_size(lines), 2);
    ck_assert_uint_le(json_array_size(lines), 5);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        ck_assert(strstr(json_string_value(json_object_get(line, "object")), "n3") != NULL ||
                  strstr(json_string_value(json_object_get(line, "text")), "n3") != NULL);
    }
    json_decref(json);
    buf_close(&out);
    feed_close(&play.feed);
}
END_TEST

START_TEST(old_lines_make_room)
{
    struct lines *lines = lines_new();
    for (uint64_t i = 1; i <= LINES_MAX + 10; i++)
        lines_add(lines, &(struct line){.index = i, .text = "web is down", .object = "x"});
    ck_assert_uint_eq(lines_count(lines), LINES_MAX);
    ck_assert_uint_eq(lines_at(lines, 0)->index, 11);
    ck_assert_uint_eq(lines_at(lines, LINES_MAX - 1)->index, LINES_MAX + 10);
    lines_add(lines, &(struct line){.index = 5}); /* known already */
    ck_assert_uint_eq(lines_at(lines, LINES_MAX - 1)->index, LINES_MAX + 10);
    ck_assert_uint_eq(lines_after(lines, 0, 0), 0);
    ck_assert_uint_eq(lines_after(lines, 11, 0), 1);
    ck_assert_uint_eq(lines_after(lines, LINES_MAX + 10, 0), LINES_MAX);
    ck_assert(line_is_about(lines_at(lines, 0), "web"));
    ck_assert(!line_is_about(lines_at(lines, 0), "we"));
    lines_free(lines);
}
END_TEST

START_TEST(facts_that_are_known_are_left_out)
{
    struct play play;
    play_open_well(&play);
    uint64_t index = play.feed.machine.index;
    uint32_t count = lines_count(play.feed.lines);
    play.index = 0; /* the same numbers again */
    play_opinion(&play, 0, STATE_CRITICAL, "late");
    ck_assert_uint_eq(play.feed.machine.index, index);
    ck_assert_uint_eq(lines_count(play.feed.lines), count);
    feed_close(&play.feed);
}
END_TEST

static const char *kind_at(const json_t *json, const char *list, size_t i, const char *key)
{
    const json_t *thing = json_array_get(json_object_get(json, list), i);
    const char *text = json_string_value(json_object_get(json_object_get(thing, "diagnosis"), key));
    return text == NULL ? "(null)" : text;
}

static void check_words_on_pages(const struct play *play)
{
    struct view view;
    struct buf out;
    view_open(&view, play);
    buf_init(&out, 1 << 20);
    page_service(&view, 0, &assets, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "id=\"matrix-0\""));
    ck_assert_ptr_nonnull(strstr(out.data, ">service wrong</span>"));
    ck_assert_ptr_nonnull(strstr(out.data, "cannot see"));
    buf_clear(&out);
    piece_problems(&view, &out);
    ck_assert_ptr_nonnull(strstr(out.data, ">service wrong</span>"));
    ck_assert_ptr_nonnull(strstr(out.data, "c1: wrong; c2: no answer known yet"));
    ck_assert_ptr_nonnull(strstr(out.data, ">controller cut off</span>"));
    buf_close(&out);
    view_close(&view);
}

START_TEST(the_word_is_in_every_view)
{
    struct play play;
    play_open_well(&play);
    json_t *json = status_of(&play);
    ck_assert_str_eq(kind_at(json, "checks", 0, "kind"), "(null)");
    json_decref(json);
    play_board(&play);
    play_opinion(&play, 0, STATE_CRITICAL, "HTTP <500>");
    json = status_of(&play);
    ck_assert_str_eq(kind_at(json, "checks", 0, "kind"), "service wrong");
    ck_assert_str_eq(kind_at(json, "checks", 0, "evidence"),
                     "c1: wrong; c2: no answer known yet; c3: cannot see");
    ck_assert_ptr_nonnull(strstr(kind_at(json, "checks", 0, "next"), "on n1"));
    ck_assert_str_eq(kind_at(json, "controllers", 2, "kind"), "controller cut off");
    json_decref(json);
    check_pages(&play);
    check_words_on_pages(&play);
    play_state(&play, false); /* its own disk */
    text_copy(play.feed.controller_name, sizeof(play.feed.controller_name), "c1");
    json = status_of(&play);
    ck_assert_str_eq(kind_at(json, "controllers", 0, "kind"), "controller ill");
    ck_assert_str_eq(kind_at(json, "controllers", 0, "evidence"), "disk: no space left on /var");
    json_decref(json);
    feed_close(&play.feed);
}
END_TEST

START_TEST(what_observers_say_is_in_every_view)
{
    static const char words[] =
        "100 of 200 say critical, 1 warning, 90 ok, 2 have not looked yet, 7 "
        "cannot tell";
    struct play play;
    struct view view;
    struct buf out;
    play_open_well(&play);
    play.feed.machine.core->rules = 3;
    json_t *json = status_of(&play);
    ck_assert_str_eq(text_at(json, "checks", 1, "state"), "ok");
    json_decref(json);
    play_census(&play, 1, 100);
    json = status_of(&play);
    ck_assert_str_eq(text_at(json, "checks", 1, "state"), "critical");
    const json_t *check = json_array_get(json_object_get(json, "checks"), 1);
    const json_t *census = json_object_get(check, "census");
    json_t *wanted = json_pack("{sisisisisisiss}", "seers", 200, "ok", 90, "warning", 1, "critical",
                               100, "silent", 2, "doubters", 0, "text", words);
    ck_assert(json_equal(census, wanted));
    check = json_array_get(json_object_get(json, "checks"), 0);
    ck_assert_ptr_null(json_object_get(check, "census")); /* nobody else looks there */
    ck_assert_ptr_nonnull(strstr(kind_at(json, "checks", 1, "evidence"), words));
    json_decref(wanted);
    json_decref(json);
    check_pages(&play);
    view_open(&view, &play);
    buf_init(&out, 1 << 20);
    page_service(&view, 0, &assets, &out);
    ck_assert_ptr_nonnull(strstr(out.data, ">Observers<"));
    ck_assert_ptr_nonnull(strstr(out.data, words));
    buf_clear(&out);
    page_service(&view, 1, &assets, &out); /* at whose checks none look */
    ck_assert_ptr_null(strstr(out.data, ">Observers<"));
    buf_clear(&out);
    piece_check(&view, 1, &out);
    ck_assert_ptr_nonnull(strstr(out.data, words));
    ck_assert_ptr_eq(strstr(strstr(out.data, "observers:") + 1, "observers:"), NULL);
    buf_close(&out);
    view_close(&view);
    feed_close(&play.feed);
}
END_TEST

static void collect_id(void *data, const char *id, const struct buf *html)
{
    struct buf *ids = data;
    char word[48];
    text_format(word, sizeof(word), " %s ", id);
    ck_assert_msg(strstr(buf_string(ids), word) == NULL, "%s comes twice", id);
    buf_text(ids, word);
    text_format(word, sizeof(word), "id=\"%s\"", id);
    ck_assert_msg(strstr(html->data, word) != NULL, "no %s in %s", word, html->data);
    check_markup(html->data);
}

START_TEST(pieces_are_elements_with_their_id)
{
    struct play play;
    struct view view;
    struct buf ids;
    play_open_well(&play);
    view_open(&view, &play);
    buf_init(&ids, 65536);
    page_each_piece(&view, collect_id, &ids);
    ck_assert_ptr_nonnull(strstr(ids.data, " banner "));
    ck_assert_ptr_nonnull(strstr(ids.data, " service-1 "));
    ck_assert_ptr_nonnull(strstr(ids.data, " check-5 "));
    buf_close(&ids);
    view_close(&view);
    feed_close(&play.feed);
}
END_TEST

static json_t *cluster_of(const struct play *play)
{
    return json_of(play, api_cluster);
}

static const json_t *certificate_of(const json_t *json, size_t i)
{
    return json_object_get(json_array_get(json_object_get(json, "members"), i), "certificate");
}

static long long days_of(const json_t *certificate)
{
    return (long long)json_integer_value(json_object_get(certificate, "days_left"));
}

enum { DAY_S = 86400 };

START_TEST(the_days_of_certificates_are_told)
{
    struct play play;
    play_open_well(&play);
    play_certificates(&play, 100 * DAY_S, 0, "", "");
    json_t *json = cluster_of(&play);
    ck_assert_int_eq(days_of(json_object_get(json, "certificate")), 100);
    ck_assert_int_eq(days_of(certificate_of(json, 0)), 100);
    ck_assert_ptr_null(certificate_of(json, 1));
    ck_assert_str_eq(text_at(json, "members", 1, "link"), "up");
    ck_assert_int_eq(
        strncmp(json_string_value(json_object_get(certificate_of(json, 0), "ca")), "abcd00", 6), 0);
    json_decref(json);
    play_certificates(&play, 100 * DAY_S, -1, "it is bad", "nobody takes it");
    json = cluster_of(&play);
    ck_assert_int_eq(days_of(certificate_of(json, 1)), -1);
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(json, "certificate"), "problem")),
        "it is bad");
    ck_assert_str_eq(text_at(json, "members", 1, "link"),
                     "up, but not with this controller's newest certificate: nobody takes it");
    json_decref(json);
    feed_close(&play.feed);
}
END_TEST

START_TEST(the_end_of_a_certificate_is_a_problem)
{
    static const struct {
        int64_t left_s;
        const char *trouble, *state, *says;
    } cases[] = {
        {31 * DAY_S, "", "ok", "(null)"},
        {30 * DAY_S - 1, "", "warning", "it ends in 29 days: ephorctl cluster renew"},
        {7 * DAY_S, "", "warning", "it ends in 7 days: ephorctl cluster renew"},
        {7 * DAY_S - 1, "", "critical", "it ends in 6 days: ephorctl cluster renew"},
        {100 * DAY_S, "bad", "warning", "the one before stays in use: bad"},
        {-5, "it expired", "critical", "no links to other controllers: it expired"},
    };
    struct play play;
    play_open_well(&play);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        play_certificates(&play, cases[i].left_s, 0, cases[i].trouble, "");
        json_t *json = status_of(&play);
        ck_assert_str_eq(json_string_value(json_object_get(json, "state")), cases[i].state);
        ck_assert_str_eq(text_at(json, "problems", 0, "text"), cases[i].says);
        json_decref(json);
    }
    feed_close(&play.feed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view");
    TCase *tcase = tcase_create("view");
    tcase_add_test(tcase, text_never_becomes_markup);
    tcase_add_test(tcase, long_text_is_cut_between_characters);
    tcase_add_test(tcase, the_page_tells_when_a_pause_ends);
    tcase_add_test(tcase, nothing_is_known_at_first);
    tcase_add_test(tcase, the_status_has_exactly_these_keys);
    tcase_add_test(tcase, all_is_well);
    tcase_add_test(tcase, every_phase_can_be_shown);
    tcase_add_test(tcase, problems_are_told_worst_first);
    tcase_add_test(tcase, outputs_of_plugins_are_harmless);
    tcase_add_test(tcase, the_journal_can_be_asked_for_one_object);
    tcase_add_test(tcase, old_lines_make_room);
    tcase_add_test(tcase, facts_that_are_known_are_left_out);
    tcase_add_test(tcase, pieces_are_elements_with_their_id);
    tcase_add_test(tcase, the_word_is_in_every_view);
    tcase_add_test(tcase, what_observers_say_is_in_every_view);
    tcase_add_test(tcase, the_days_of_certificates_are_told);
    tcase_add_test(tcase, the_end_of_a_certificate_is_a_problem);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
