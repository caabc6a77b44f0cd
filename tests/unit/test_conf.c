/* The configuration as a whole: what the policy and the local half become, what is looked at on
 * this machine, limits, and that a dump loads again to the same. Texts of errors are in
 * test_conf_corpus.c. */
#include "orchestrator/base/text.h"
#include "orchestrator/core/limits.h"
#include "tests/unit/conf_fixture.h"

#define NODES                                                                          \
    "name = \"t\";\n"                                                                  \
    "nodes : { a : { address = \"10.0.0.1\"; parents = [ \"b\" ]; }; b : { address = " \
    "\"fd00::2\"; }; };\n"

static struct conf_test t;

static void set_up(void)
{
    conf_test_init(&t);
}

static void tear_down(void)
{
    conf_test_close(&t);
}

static void must_fail(const char *text)
{
    ck_assert_int_lt(conf_test_load_text(&t, text, 0), 0);
    ck_assert_ptr_null(t.conf);
}

static void must_say(const char *words)
{
    ck_assert_msg(strstr(buf_string(&t.report.errors), words) != NULL, "'%s' is not in:\n%s", words,
                  buf_string(&t.report.errors));
}

/* ---------------------------------------------------------------- the policy */

static const char checks_text[] = NODES
    "checks : {\n"
    "  page : { type = \"http\"; url = \"http://$ADDRESS$:8080/$NODE$?$$1&s=$SERVICE$\";\n"
    "           vhost = \"$SERVICEDESC$.example.org\"; status = \"204\"; tls_ca = \"ca.pem\";\n"
    "           interval = \"200ms\"; };\n"
    "  run : { command = [ \"bin/x\", \"-H\", \"$HOSTADDRESS$\", \"http://$ADDRESS$\",\n"
    "          \"$ADDRESS$/\", \"a b;c\" ]; timeout_state = \"unknown\"; retry = \"1s\"; };\n"
    "  answers : { type = \"tcp\"; scope = \"vip\"; port = 80; failover = false; };\n"
    "  via : { type = \"http\"; scope = \"vip\"; url = \"https://$ADDRESS$/$VIP$\"; };\n"
    "  ssh : { type = \"tcp\"; scope = \"node\"; host = \"$HOSTNAME$.lan\"; port = 22; };\n"
    "};\n"
    "vips : { v4 : { address = \"10.0.0.9/32\"; interface = \"eth0\"; };\n"
    "         v6 : { address = \"FD00:0::9\"; interface = \"eth0\"; lease = \"1m\"; }; };\n"
    "defaults : { check : { rise = 7; tls_warning_days = 0; };\n"
    "             service : { moves_max = 2; }; vip : { lease = \"4s\"; }; };\n"
    "services : {\n"
    "  one : { members = ( { node = \"b\"; }, { node = \"a\"; priority = 5; } );\n"
    "          checks = [ \"run\", \"via\", \"page\", \"answers\" ]; vips = [ \"v6\", \"v4\" ];\n"
    "          restart = [ \"x\", \"$y\" ]; };\n"
    "  two : { members = ( { node = \"a\"; } ); checks = [ \"page\" ]; run = \"active\";\n"
    "          start : { command = [ \"s\" ]; timeout = \"5s\"; }; stop = [ \"p\", \"\" ]; };\n"
    "};\n";

static const Ephor__Check *find(const char *id)
{
    const Ephor__Policy *p = conf_policy(t.conf);
    for (size_t i = 0; i < p->n_checks; i++)
        if (strcmp(p->checks[i]->id, id) == 0)
            return p->checks[i];
    ck_abort_msg("there is no check %s", id);
}

static void load_checks(void)
{
    char text[sizeof(checks_text) + 64];
    snprintf(text, sizeof(text), "%s", checks_text);
    char *node = strstr(text, "fd00::2\";");
    memmove(node + 9 + 20, node + 9, strlen(node + 9) + 1);
    memcpy(node + 9, " checks = [ \"ssh\" ];", 20);
    conf_test_must_load_text(&t, text);
}

START_TEST(policy_has_every_check_of_every_target_in_order)
{
    static const char *const ids[] = {
        "one/b/run",  "one/a/run",      "vip/v6/via",     "vip/v4/via", "one/b/page",
        "one/a/page", "vip/v6/answers", "vip/v4/answers", "two/a/page", "node/b/ssh"};
    load_checks();
    const Ephor__Policy *p = conf_policy(t.conf);
    ck_assert_uint_eq(p->n_checks, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_str_eq(p->checks[i]->id, ids[i]);
    ck_assert_uint_eq(find("one/b/run")->target, 0); /* members in the order of the file */
    ck_assert_uint_eq(find("one/a/run")->target, 1);
    ck_assert_uint_eq(find("two/a/page")->target, 2);
    ck_assert_uint_eq(find("vip/v6/via")->target, 1); /* VIPs likewise */
    ck_assert_uint_eq(find("node/b/ssh")->target, 1);
    ck_assert_uint_eq(p->members[0]->node, 1);
    ck_assert_uint_eq(p->members[0]->priority, 100);
    ck_assert_uint_eq(p->members[1]->priority, 5);
    ck_assert_uint_eq(p->members[2]->service, 1);
    ck_assert_uint_eq(p->version, 1);
    ck_assert_str_eq(p->name, "t");
}
END_TEST

START_TEST(macros_are_expanded_within_their_word)
{
    load_checks();
    ck_assert_str_eq(find("one/a/page")->url, "http://10.0.0.1:8080/a?$1&s=one");
    ck_assert_str_eq(find("one/b/page")->url, "http://[fd00::2]:8080/b?$1&s=one");
    ck_assert_str_eq(find("two/a/page")->http_host, "two.example.org");
    ck_assert_str_eq(find("vip/v6/via")->url, "https://[fd00::9]/v6");
    ck_assert_str_eq(find("vip/v4/answers")->host, "10.0.0.9");
    ck_assert_str_eq(find("vip/v6/answers")->host, "fd00::9");
    ck_assert_str_eq(find("node/b/ssh")->host, "b.lan");
    const Ephor__Check *run = find("one/b/run");
    ck_assert_uint_eq(run->n_argv, 6);
    ck_assert_str_eq(run->argv[2], "fd00::2");
    ck_assert_str_eq(run->argv[3], "http://[fd00::2]");
    ck_assert_str_eq(run->argv[4], "fd00::2/");
    ck_assert_str_eq(run->argv[5], "a b;c");
}
END_TEST

START_TEST(settings_come_from_the_object_then_defaults_then_schema)
{
    char wanted[256];
    load_checks();
    const Ephor__Check *page = find("one/a/page");
    const Ephor__Check *run = find("one/a/run");
    ck_assert_uint_eq(page->interval_ms, 200);
    ck_assert_uint_eq(page->retry_ms, 200); /* never more than the interval */
    ck_assert_uint_eq(page->timeout_ms, 5000);
    ck_assert_uint_eq(page->rise, 7);
    ck_assert_uint_eq(page->fall, 3);
    ck_assert_uint_eq(page->http_status_min, 204);
    ck_assert_uint_eq(page->http_status_max, 204);
    ck_assert_uint_eq(page->tls_warning_days, 0);
    ck_assert_uint_eq(page->tls_critical_days, 3);
    ck_assert(page->tls_verify && page->failover && !page->keepalive);
    snprintf(wanted, sizeof(wanted), "%s/ca.pem", t.directory);
    ck_assert_str_eq(page->tls_ca, wanted);
    snprintf(wanted, sizeof(wanted), "%s/bin/x", t.directory);
    ck_assert_str_eq(run->argv[0], wanted);
    ck_assert_uint_eq(run->retry_ms, 1000);
    ck_assert_int_eq(run->timeout_state, EPHOR__STATE__STATE_UNKNOWN);
    ck_assert_int_eq(run->kind, EPHOR__CHECK_KIND__PLUGIN);
    ck_assert(!find("vip/v4/answers")->failover);
    const Ephor__Policy *p = conf_policy(t.conf);
    ck_assert_str_eq(p->vips[0]->address, "10.0.0.9");
    ck_assert_str_eq(p->vips[1]->address, "fd00::9");
    ck_assert_uint_eq(p->nodes[0]->n_parents, 1);
    ck_assert_uint_eq(p->nodes[0]->parents[0], 1); /* it stands behind its child */
    ck_assert_uint_eq(p->nodes[1]->n_parents, 0);
    ck_assert_uint_eq(p->vips[0]->lease_ms, 4000);
    ck_assert_uint_eq(p->vips[1]->lease_ms, 60000);
    ck_assert_uint_eq(p->vips[1]->service, 0);
    ck_assert_uint_eq(p->services[1]->moves_max, 2);
}
END_TEST

START_TEST(observers_are_none_all_or_a_number)
{
    conf_test_must_load_text(&t, NODES
                             "checks : { c : { type = \"tcp\"; port = 80; };\n"
                             "  d : { type = \"tcp\"; port = 80; observers = 12; };\n"
                             "  e : { type = \"tcp\"; port = 80; observers = \"512\"; };\n"
                             "  f : { type = \"tcp\"; port = 80; observers = \"none\"; }; };\n"
                             "defaults : { check : { observers = \"all\"; }; };\n"
                             "services : { s : { members = ( { node = \"a\"; } );\n"
                             "  checks = [ \"c\", \"d\", \"e\", \"f\" ]; }; };\n");
    ck_assert_uint_eq(find("s/a/c")->observers, OBSERVERS_MAX);
    ck_assert_uint_eq(find("s/a/d")->observers, 12);
    ck_assert_uint_eq(find("s/a/e")->observers, OBSERVERS_MAX);
    ck_assert_uint_eq(find("s/a/f")->observers, 0);
    conf_test_close(&t);
    conf_test_init(&t);
    load_checks();
    ck_assert_uint_eq(find("one/a/page")->observers, 0); /* unless they are asked for */
}
END_TEST

START_TEST(actions_are_words_as_they_stand)
{
    load_checks();
    const Ephor__Policy *p = conf_policy(t.conf);
    ck_assert_int_eq(p->services[0]->run, EPHOR__RUN_MODE__EVERYWHERE);
    ck_assert_uint_eq(p->services[0]->restart->n_argv, 2);
    ck_assert_str_eq(p->services[0]->restart->argv[1], "$y");
    ck_assert_uint_eq(p->services[0]->restart->timeout_ms, 30000);
    ck_assert_uint_eq(p->services[0]->start->n_argv, 0);
    ck_assert_int_eq(p->services[1]->run, EPHOR__RUN_MODE__ACTIVE_ONLY);
    ck_assert_uint_eq(p->services[1]->start->timeout_ms, 5000);
    ck_assert_uint_eq(p->services[1]->stop->n_argv, 2);
    ck_assert_str_eq(p->services[1]->stop->argv[1], "");
    ck_assert_uint_eq(p->services[1]->restart_window_ms, 600000);
    ck_assert(!p->services[1]->failback_auto);
}
END_TEST

/* ---------------------------------------------------------------- the local half */

START_TEST(local_settings_are_local)
{
    char wanted[256];
    conf_test_must_load_text(
        &t, "name = \"t\";\n"
            "local : { state_dir = \"state\"; socket = \"/run/x.sock\"; user = \"nobody\";\n"
            "  users : { actor = \"\"; checker = 64101; }; operators = [ \"alice\", \"1000\" ];\n"
            "  operator_group = \"\"; log_level = \"debug\"; checkers = 2;\n"
            "  checks_running_max = 7; };\n"
            "http : { listen = [ \"127.0.0.1:80\", \"[0::1]:81\" ]; };\n");
    const struct conf_local *l = conf_local(t.conf);
    snprintf(wanted, sizeof(wanted), "%s/state", t.directory);
    ck_assert_str_eq(l->state_dir, wanted);
    ck_assert_str_eq(l->ctl_socket, "/run/x.sock");
    ck_assert_str_eq(l->users[EPHOR__ROLE__SUPERVISOR], "");
    ck_assert_str_eq(l->users[EPHOR__ROLE__QUORUM], "nobody");
    ck_assert_str_eq(l->users[EPHOR__ROLE__STATUS], "nobody");
    ck_assert_str_eq(l->users[EPHOR__ROLE__ACTOR], "");
    ck_assert_str_eq(l->users[EPHOR__ROLE__CHECKER], "64101");
    ck_assert_uint_eq(l->operator_count, 2);
    ck_assert_str_eq(l->operators[1], "1000");
    ck_assert_str_eq(l->operator_group, "");
    ck_assert_int_eq(l->log_level, CONF_LOG_DEBUG);
    ck_assert_uint_eq(l->checkers, 2);
    ck_assert_uint_eq(l->checks_running_max, 7);
    ck_assert_uint_eq(l->http_count, 2);
    ck_assert_str_eq(l->http[1].address, "::1");
    ck_assert_uint_eq(l->http[1].port, 81);
    ck_assert_uint_eq(l->ssh_count, 0);
}
END_TEST

START_TEST(local_settings_do_not_change_the_policy)
{
    size_t size, other_size;
    conf_test_must_load(&t, SAMPLES "three-controllers.conf");
    uint8_t *bytes = conf_test_pack(t.conf, &size);
    struct buf text;
    conf_test_read(SAMPLES "three-controllers.conf", &text);
    char *user = strstr(text.data, "\"alice\"");
    memcpy(user, "\"carol\"", 7);
    conf_test_must_load_text(&t, buf_string(&text));
    uint8_t *other = conf_test_pack(t.conf, &other_size);
    ck_assert_uint_eq(size, other_size);
    ck_assert_mem_eq(bytes, other, size);
    ck_assert_str_eq(conf_local(t.conf)->operators[0], "carol");
    buf_close(&text);
    free(bytes);
    free(other);
}
END_TEST

START_TEST(nodes_override_how_they_are_reached)
{
    conf_test_must_load_text(
        &t,
        "name = \"t\"; ssh : { user = \"u\"; key = \"/k\"; connect_timeout = \"1s\"; };\n"
        "nodes : {\n"
        "  a : { address = \"a\"; checks = [ \"c\" ]; };\n"
        "  b : { address = \"b\"; checks = [ \"c\" ]; ssh : { port = 2222; user = \"v\"; }; };\n"
        "  c : { address = \"c\"; checks = [ \"c\" ]; ssh : { key = \"k2\"; }; };\n"
        "  d : { address = \"d\"; checks = [ \"c\" ]; transport = \"local\"; };\n"
        "};\n"
        "checks : { c : { scope = \"node\"; command = [ \"x\" ]; }; };\n");
    const Ephor__Policy *p = conf_policy(t.conf);
    const struct conf_local *l = conf_local(t.conf);
    ck_assert_str_eq(p->nodes[0]->user, "u");
    ck_assert_uint_eq(p->nodes[0]->port, 22);
    ck_assert_str_eq(p->nodes[1]->user, "v");
    ck_assert_uint_eq(p->nodes[1]->port, 2222);
    ck_assert_uint_eq(p->nodes[1]->connect_timeout_ms, 1000);
    ck_assert_int_eq(p->nodes[3]->transport, EPHOR__TRANSPORT__LOCAL);
    ck_assert_uint_eq(l->ssh_count, 2);
    ck_assert_str_eq(l->ssh[0].node, "");
    ck_assert_str_eq(l->ssh[0].key_path, "/k");
    ck_assert_str_eq(l->ssh[1].node, "c");
    ck_assert_str_eq(l->ssh[1].known_hosts_path, l->ssh[0].known_hosts_path);
    ck_assert_str_eq(p->checks[0]->argv[0], EPHOR_LIBDIR "/plugins/x");
}
END_TEST

START_TEST(timing_is_a_profile_or_what_is_set)
{
    conf_test_must_load_text(&t, "name = \"t\";");
    ck_assert_uint_eq(conf_local(t.conf)->election_ms, 300);
    ck_assert_uint_eq(conf_local(t.conf)->heartbeat_ms, 50);
    conf_test_must_load_text(&t, "name = \"t\"; quorum : { timing = \"wan\"; };");
    ck_assert_uint_eq(conf_local(t.conf)->election_ms, 2500);
    conf_test_must_load_text(&t, "name = \"t\"; quorum : { election = \"600ms\"; };");
    ck_assert_uint_eq(conf_local(t.conf)->heartbeat_ms, 100);
    must_fail("name = \"t\"; quorum : { election = \"600ms\"; heartbeat = \"300ms\"; };");
    must_say("have a heartbeat of at most 200 ms, or an election of at least 900 ms");
}
END_TEST

START_TEST(a_controller_that_is_alone_is_named_like_its_host)
{
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    host[strcspn(host, ".")] = '\0';
    conf_test_must_load_text(&t, "name = \"t\";");
    if (text_is_name(host))
        ck_assert_str_eq(conf_local(t.conf)->controller_name, host);
    conf_test_must_load_text(&t, "name = \"t\"; local : { controller_name = \"c9\"; };");
    ck_assert_str_eq(conf_local(t.conf)->controller_name, "c9");
}
END_TEST

/* ---------------------------------------------------------------- dumps */

/* A dump without its comments. */
static void strip(struct buf *dump)
{
    char *to = dump->data;
    for (const char *from = dump->data; *from != '\0';) {
        const char *comment = strstr(from, "  # ");
        size_t line = strcspn(from, "\n");
        size_t size = comment != NULL && comment < from + line ? (size_t)(comment - from) : line;
        memmove(to, from, size);
        to += size;
        *to++ = '\n';
        from += line + (from[line] == '\n');
    }
    *to = '\0';
}

static void round_trip(void)
{
    size_t size, again_size;
    struct buf first, second;
    buf_init(&first, OUTPUT_MAX);
    buf_init(&second, OUTPUT_MAX);
    uint8_t *bytes = conf_test_pack(t.conf, &size);
    conf_dump(t.conf, &first);
    conf_test_must_load_text(&t, buf_string(&first));
    uint8_t *again = conf_test_pack(t.conf, &again_size);
    conf_dump(t.conf, &second);
    ck_assert_uint_eq(size, again_size);
    ck_assert_mem_eq(bytes, again, size);
    strip(&first);
    strip(&second);
    ck_assert_str_eq(buf_string(&first), buf_string(&second));
    buf_close(&first);
    buf_close(&second);
    free(bytes);
    free(again);
}

START_TEST(dump_loads_to_the_same)
{
    conf_test_must_load(&t, SAMPLES "ephor.conf");
    round_trip();
    conf_test_must_load(&t, SAMPLES "three-controllers.conf");
    round_trip();
    conf_test_must_load(&t, SAMPLES "reference.conf");
    round_trip();
    load_checks();
    round_trip();
}
END_TEST

START_TEST(dump_keeps_strange_texts)
{
    static const char body[] = "a\\\"b\n\tc \xc3\xa9 # /* ${x} \\x";
    conf_test_must_load_text(
        &t,
        "name = \"t\"; http : { listen = []; };\n"
        "checks : { c : { type = \"http\"; scope = \"node\"; url = \"http://x/\"; status = 200;\n"
        "  body = \"a\\\\\\\"b\\n\\tc \" \"\xc3\xa9 # /* ${x} \\\\x\"; };\n"
        "  d : { type = \"tcp\"; port = 1; }; };\n"
        "nodes : { a : { address = \"fe80::1%eth0\"; checks = ( \"c\" ); }; };\n"
        "services : { s : { members = ( { node = \"a\"; } ); checks = [ \"d\" ];\n"
        "  restart = [ \"a\\\"\\\\\", \"$x\" ]; }; };\n");
    ck_assert_str_eq(conf_policy(t.conf)->checks[1]->http_body, body);
    round_trip();
    ck_assert_str_eq(conf_policy(t.conf)->checks[1]->http_body, body);
}
END_TEST

START_TEST(dump_tells_where_each_setting_is_from)
{
    struct buf dump;
    buf_init(&dump, OUTPUT_MAX);
    conf_test_must_load(&t, SAMPLES "three-controllers.conf");
    conf_dump(t.conf, &dump);
    ck_assert_ptr_nonnull(strstr(dump.data, "retry = \"500ms\";  # default\n"));
    ck_assert_ptr_nonnull(
        strstr(dump.data, "interface = \"eth0\";  # " SAMPLES "three-controllers.conf:15\n"));
    ck_assert_ptr_null(strstr(dump.data, "defaults"));
    buf_close(&dump);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conf");
    TCase *tcase = tcase_create("conf");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, policy_has_every_check_of_every_target_in_order);
    tcase_add_test(tcase, macros_are_expanded_within_their_word);
    tcase_add_test(tcase, settings_come_from_the_object_then_defaults_then_schema);
    tcase_add_test(tcase, observers_are_none_all_or_a_number);
    tcase_add_test(tcase, actions_are_words_as_they_stand);
    tcase_add_test(tcase, local_settings_are_local);
    tcase_add_test(tcase, local_settings_do_not_change_the_policy);
    tcase_add_test(tcase, nodes_override_how_they_are_reached);
    tcase_add_test(tcase, timing_is_a_profile_or_what_is_set);
    tcase_add_test(tcase, a_controller_that_is_alone_is_named_like_its_host);
    tcase_add_test(tcase, dump_loads_to_the_same);
    tcase_add_test(tcase, dump_keeps_strange_texts);
    tcase_add_test(tcase, dump_tells_where_each_setting_is_from);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
