/* What is different between two policies: lines in the words of the file, from real files. */
#include "orchestrator/proto/policy_diff.h"

#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_schema.h"
#include "tests/unit/big_policy.h"
#include "tests/unit/conf_fixture.h"

#include <time.h>

static const char BASE[] =
    "name = \"demo\";\n"
    "nodes : { n1 : { address = \"10.0.0.1\"; checks = [ \"up\" ]; };\n"
    "          n2 : { address = \"10.0.0.2\"; }; };\n"
    "checks : {\n"
    "  http : { type = \"http\"; url = \"http://$ADDRESS$/\"; interval = \"5s\"; };\n"
    "  port : { type = \"tcp\"; port = 25; };\n"
    "  up : { scope = \"node\"; command = [ \"/bin/ping\", \"$ADDRESS$\" ]; };\n"
    "  answers : { type = \"http\"; scope = \"vip\"; url = \"http://$VIP$/\"; }; };\n"
    "vips : { front : { address = \"10.0.0.100\"; interface = \"eth0\"; }; };\n"
    "services : {\n"
    "  web : { members = ( { node = \"n1\"; priority = 10; }, { node = \"n2\"; } );\n"
    "          checks = [ \"http\", \"answers\" ]; vips = [ \"front\" ]; };\n"
    "  mail : { members = ( { node = \"n2\"; } ); checks = [ \"port\" ]; }; };\n";

static struct conf_test old_test, new_test;
static struct buf told;

static void setup(void)
{
    conf_test_init(&old_test);
    conf_test_init(&new_test);
    buf_init(&told, 1 << 20);
}

static void teardown(void)
{
    conf_test_close(&old_test);
    conf_test_close(&new_test);
    buf_close(&told);
}

static void on_change(void *data, const struct policy_change *change)
{
    static const char *const kinds[] = {"added", "removed", "changed"};
    (void)data;
    buf_format(&told, "%s %s", kinds[change->kind], change->object);
    if (change->setting != NULL)
        buf_format(&told, " %s: %s -> %s", change->setting,
                   change->old_value == NULL ? "none" : change->old_value,
                   change->new_value == NULL ? "none" : change->new_value);
    if (change->example != NULL)
        buf_format(&told, " (%s of %u)", change->example, change->count);
    buf_text(&told, "\n");
}

/* BASE with one text replaced, or several: pairs of old and new text, ended by NULL. */
static char *edited(const char *const *edits)
{
    char *text = strdup(BASE);
    for (; *edits != NULL; edits += 2) {
        char *at = strstr(text, edits[0]);
        ck_assert_msg(at != NULL, "BASE has no '%s'", edits[0]);
        size_t size = strlen(text) + strlen(edits[1]) + 1;
        char *longer = malloc(size);
        text_format(longer, size, "%.*s%s%s", (int)(at - text), text, edits[1],
                    at + strlen(edits[0]));
        free(text);
        text = longer;
    }
    return text;
}

static const char *diff_of(const char *const *edits)
{
    char *text = edited(edits);
    conf_test_must_load_text(&old_test, BASE);
    conf_test_load_text(&new_test, text, CONF_ELSEWHERE);
    ck_assert_str_eq(buf_string(&new_test.report.errors), "");
    free(text);
    buf_clear(&told);
    ck_assert_int_eq(
        policy_diff(conf_policy(old_test.conf), conf_policy(new_test.conf), on_change, NULL), 0);
    return buf_string(&told);
}

#define DIFF(...) diff_of((const char *const[]){__VA_ARGS__, NULL})

START_TEST(test_settings_of_every_kind_of_object)
{
    ck_assert_str_eq(DIFF("demo", "demo"), "");
    ck_assert_str_eq(DIFF("\"demo\"", "\"show\""), "changed  name: demo -> show\n");
    ck_assert_str_eq(DIFF("vips = [ \"front\" ]", "vips = [ \"front\" ]; hold_down = \"60s\""),
                     "changed services.web hold_down: \"30s\" -> \"1m\"\n");
    ck_assert_str_eq(DIFF("interval = \"5s\"", "interval = \"1s\"; fall = 2"),
                     "changed checks.http interval: \"5s\" -> \"1s\"\n"
                     "changed checks.http fall: 3 -> 2\n");
    ck_assert_str_eq(DIFF("port = 25", "port = 25; observers = 12"),
                     "changed checks.port observers: \"none\" -> 12\n");
    ck_assert_str_eq(DIFF("port = 25", "port = 25; observers = 512"),
                     "changed checks.port observers: \"none\" -> \"all\"\n");
    ck_assert_str_eq(DIFF("interface = \"eth0\"", "interface = \"eth1\""),
                     "changed vips.front interface: \"eth0\" -> \"eth1\"\n");
    ck_assert_str_eq(DIFF("\"10.0.0.1\"", "\"10.0.0.1\"; parents = [ \"n2\" ]"),
                     "changed nodes.n1 parents: [] -> [ \"n2\" ]\n");
    ck_assert_str_eq(DIFF("priority = 10", "priority = 20"),
                     "changed services.web members: ( { node = \"n1\"; priority = 10; }, { node = "
                     "\"n2\"; priority = 100; } ) -> ( { node = \"n1\"; priority = 20; }, { node = "
                     "\"n2\"; priority = 100; } )\n");
    ck_assert_str_eq(DIFF("checks = [ \"port\" ]", "restart = [ \"/bin/sh\", \"-c\", \"a\\\"b\" ]"),
                     "removed checks.port\n"
                     "changed services.mail checks: [ \"port\" ] -> []\n"
                     "changed services.mail restart.command: none -> "
                     "[ \"/bin/sh\", \"-c\", \"a\\\"b\" ]\n"
                     "changed services.mail restart.timeout: none -> \"30s\"\n");
    ck_assert_str_eq(DIFF("; checks = [ \"up\" ]", ""),
                     "changed nodes.n1 checks: [ \"up\" ] -> []\n"
                     "removed checks.up\n");
    ck_assert_str_eq(DIFF("type = \"tcp\"; port = 25", "type = \"http\"; url = \"http://x/\""),
                     "changed checks.port type: \"tcp\" -> \"http\"\n"
                     "changed checks.port port: 25 -> none\n"
                     "changed checks.port status: none -> \"200-399\"\n"
                     "changed checks.port body: none -> \"\"\n"
                     "changed checks.port tls_verify: none -> true\n"
                     "changed checks.port tls_ca: none -> \"\"\n"
                     "changed checks.port tls_warning_days: none -> 14\n"
                     "changed checks.port tls_critical_days: none -> 3\n"
                     "changed checks.port keepalive: none -> false\n"
                     "changed checks.port host: \"10.0.0.2\" -> none (mail/n2/port of 1)\n"
                     "changed checks.port url: none -> \"http://x/\" (mail/n2/port of 1)\n"
                     "changed checks.port vhost: none -> \"\" (mail/n2/port of 1)\n");
}
END_TEST

START_TEST(test_words_with_macros_are_told_once)
{
    ck_assert_str_eq(DIFF("$ADDRESS$/", "$ADDRESS$/health"),
                     "changed checks.http url: \"http://10.0.0.1/\" -> \"http://10.0.0.1/health\" "
                     "(web/n1/http of 2)\n");
    ck_assert_str_eq(
        DIFF("\"10.0.0.2\"", "\"10.0.0.3\""),
        "changed nodes.n2 address: \"10.0.0.2\" -> \"10.0.0.3\"\n"
        "changed checks.http url: \"http://10.0.0.2/\" -> \"http://10.0.0.3/\" "
        "(web/n2/http of 1)\n"
        "changed checks.port host: \"10.0.0.2\" -> \"10.0.0.3\" (mail/n2/port of 1)\n");
    ck_assert_str_eq(DIFF("\"/bin/ping\", \"$ADDRESS$\"", "\"/bin/ping\", \"-n\", \"$ADDRESS$\""),
                     "changed checks.up command: [ \"/bin/ping\", \"10.0.0.1\" ] -> "
                     "[ \"/bin/ping\", \"-n\", \"10.0.0.1\" ] (node/n1/up of 1)\n");
}
END_TEST

START_TEST(test_objects_that_come_and_go)
{
    ck_assert_str_eq(DIFF("mail :", "post :"), "removed services.mail\nadded services.post\n");
    ck_assert_str_eq(
        DIFF("{ node = \"n1\"; priority = 10; }, ", "", "vips = [ \"front\" ]", "vips = []",
             "\"http\", \"answers\"", "\"http\"",
             "front : { address = \"10.0.0.100\"; "
             "interface = \"eth0\"; };",
             ""),
        "removed checks.answers\n"
        "removed vips.front\n"
        "changed services.web members: ( { node = \"n1\"; priority = 10; }, { node = \"n2\"; "
        "priority = 100; } ) -> ( { node = \"n2\"; priority = 100; } )\n"
        "changed services.web checks: [ \"http\", \"answers\" ] -> [ \"http\" ]\n"
        "changed services.web vips: [ \"front\" ] -> []\n");
    conf_test_must_load_text(&new_test, BASE);
    buf_clear(&told);
    ck_assert_int_eq(policy_diff(NULL, conf_policy(new_test.conf), on_change, NULL), 0);
    ck_assert_str_eq(buf_string(&told), "changed  name: none -> demo\n"
                                        "added nodes.n1\nadded nodes.n2\n"
                                        "added checks.answers\nadded checks.http\n"
                                        "added checks.port\nadded checks.up\n"
                                        "added vips.front\n"
                                        "added services.mail\nadded services.web\n");
}
END_TEST

/* Another order is another policy (another digest), and no setting tells it. */
START_TEST(test_another_order_is_told)
{
    ck_assert_str_eq(
        DIFF("n1 : { address = \"10.0.0.1\"; checks = [ \"up\" ]; };\n          n2 : { "
             "address = \"10.0.0.2\"; };",
             "n2 : { address = \"10.0.0.2\"; };\n          n1 : { address = "
             "\"10.0.0.1\"; checks = [ \"up\" ]; };"),
        "changed  order: the same objects -> in another order\n");
}
END_TEST

START_TEST(test_the_changes_in_one_line)
{
    char line[LINE_SIZE];
    DIFF("vips = [ \"front\" ]", "vips = [ \"front\" ]; hold_down = \"60s\"", "mail :", "post :");
    policy_diff_line(conf_policy(old_test.conf), conf_policy(new_test.conf), line);
    ck_assert_str_eq(line, "-services.mail, +services.post, services.web.hold_down");
    policy_diff_line(NULL, conf_policy(new_test.conf), line);
    ck_assert_str_eq(line, "the first policy");
    policy_diff_line(conf_policy(new_test.conf), conf_policy(new_test.conf), line);
    ck_assert_str_eq(line, "nothing");
    Ephor__Policy *few = big_policy(1, false), *many = big_policy(400, false);
    policy_diff_line(few, many, line);
    ck_assert_uint_lt(strlen(line), LINE_SIZE);
    ck_assert_ptr_nonnull(strstr(line, "+services.service-1, +services.service-10, "));
    ck_assert_str_eq(line + strlen(line) - 13, " and 389 more");
    ephor__policy__free_unpacked(few, NULL);
    ephor__policy__free_unpacked(many, NULL);
}
END_TEST

static bool is_told[512]; /* by row of the schema */

static bool is_setting(const char *object, const char *setting)
{
    char path[200];
    for (size_t i = 0; i < conf_row_count; i++) {
        text_format(path, sizeof(path), "%s.*.%s", object, setting);
        if (strcmp(conf_rows[i].path, path) == 0)
            return true;
        if (conf_rows[i].like == NULL)
            continue; /* nodes.*.ssh has the settings of ssh, start those of restart */
        size_t size = strlen(conf_rows[i].path);
        text_format(path, sizeof(path), "%s.*.%s", object, setting);
        if (strncmp(path, conf_rows[i].path, size) == 0 && path[size] == '.') {
            char like[200];
            text_format(like, sizeof(like), "%s%s", conf_rows[i].like, path + size);
            for (size_t k = 0; k < conf_row_count; k++)
                if (strcmp(conf_rows[k].path, like) == 0)
                    return true;
        }
    }
    return false;
}

static void on_known_setting(void *data, const struct policy_change *change)
{
    char object[64];
    text_copy(object, sizeof(object), change->object);
    object[strcspn(object, ".")] = '\0';
    ck_assert_msg(change->setting == NULL || change->object[0] == '\0' ||
                      is_setting(object, change->setting),
                  "%s has no setting %s", change->object, change->setting);
    for (size_t i = 0; i < conf_row_count && change->setting != NULL; i++) {
        char path[200];
        text_format(path, sizeof(path), "%s.*.%s", object, change->setting);
        is_told[i] |= strcmp(conf_rows[i].path, path) == 0;
    }
    ++*(int *)data;
}

/* Whatever is told has the name that it has in the file, and every setting of a check is told. */
START_TEST(test_all_settings_are_those_of_the_file)
{
    memset(is_told, 0, sizeof(is_told));
    static const char *const edits[] = {
        "\"10.0.0.1\"",
        "\"10.0.0.9\"; ssh : { user = \"u\"; port = 23; connect_timeout = \"9s\"; }",
        "interval = \"5s\"",
        "interval = \"9s\"; timeout = \"9s\"; retry = \"900ms\"; fall = 9; rise = 9; failover = "
        "false; slow = \"1s\"; agree = 2; vantage = [ \"c1\", \"c2\" ]; observers = 7; confirm = "
        "false; stagger = false; vhost = "
        "\"h\"; status = \"201\"; body = \"b\"; tls_verify = false; tls_ca = "
        "\"/ca\"; tls_warning_days = 99; tls_critical_days = 98; keepalive = true",
        "port = 25",
        "port = 26; host = \"h\"",
        "\"/bin/ping\", \"$ADDRESS$\" ]",
        "\"/bin/true\" ]; timeout_state = \"unknown\"",
        "\"eth0\"",
        "\"eth9\"; lease = \"9s\"",
        "vips = [ \"front\" ]",
        "vips = [ \"front\" ]; run = \"active\"; restart = [ \"/r\" ]; start = [ \"/s\" ]; stop = "
        "[ \"/t\" ]; restart_tries = 7; restart_budget = 7; restart_window = \"7s\"; "
        "restart_grace = \"7s\"; hold_down = \"7s\"; failback = \"auto\"; failback_after = "
        "\"7s\"; moves_max = 7; moves_window = \"7s\"",
        NULL};
    int count = 0;
    diff_of(edits);
    policy_diff(conf_policy(old_test.conf), conf_policy(new_test.conf), on_known_setting, &count);
    ck_assert_int_ge(count, 40);
    for (size_t i = 0; i < conf_row_count; i++) {
        const char *path = conf_rows[i].path;
        if (text_starts_with(path, "checks.*.") && strcmp(path, "checks.*.type") != 0 &&
            strcmp(path, "checks.*.scope") != 0 && strcmp(path, "checks.*.url") != 0)
            ck_assert_msg(is_told[i], "%s was changed, and is not told", path);
    }
}
END_TEST

static void count_change(void *data, const struct policy_change *change)
{
    (void)change;
    ++*(int *)data;
}

/* The proposer does this between two heartbeats. */
START_TEST(test_large_policies_are_compared_in_no_time)
{
    Ephor__Policy *old = big_policy(5000, false), *fresh = big_policy(5000, true);
    int count = 0;
    fresh->services[7]->hold_down_ms = 77;
    clock_t begin = clock();
    ck_assert_int_eq(policy_diff(old, fresh, count_change, &count), 0);
    int64_t ms = (int64_t)(clock() - begin) * 1000 / CLOCKS_PER_SEC;
    printf("policies of 5000 services compared in %lld ms\n", (long long)ms);
    ck_assert_int_eq(count, 5001); /* every service has its checks in another order */
    ck_assert_int_lt(ms, 2000);
    ephor__policy__free_unpacked(old, NULL);
    ephor__policy__free_unpacked(fresh, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy diff");
    TCase *tcase = tcase_create("policy diff");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_settings_of_every_kind_of_object);
    tcase_add_test(tcase, test_words_with_macros_are_told_once);
    tcase_add_test(tcase, test_objects_that_come_and_go);
    tcase_add_test(tcase, test_another_order_is_told);
    tcase_add_test(tcase, test_the_changes_in_one_line);
    tcase_add_test(tcase, test_all_settings_are_those_of_the_file);
    tcase_add_test(tcase, test_large_policies_are_compared_in_no_time);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
