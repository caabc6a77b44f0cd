/* The configuration and files: what is looked at on this machine, includes, what is no file, and
 * how large things may be. */
#include "tests/unit/conf_fixture.h"

#include <fcntl.h>
#include <unistd.h>

static struct conf_test t;

static void set_up(void)
{
    conf_test_init(&t);
}

static void tear_down(void)
{
    conf_test_close(&t);
}

static void write_text(const char *name, const char *text, mode_t mode)
{
    conf_test_write(&t, name, text, strlen(text), mode);
}

static void load(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", t.directory, name);
    conf_test_load(&t, path, 0);
}

static void must_load(const char *name)
{
    load(name);
    ck_assert_str_eq(buf_string(&t.report.errors), "");
    ck_assert_ptr_nonnull(t.conf);
}

/* The only error has these words. */
static void must_say(const char *name, const char *words)
{
    load(name);
    ck_assert_ptr_null(t.conf);
    ck_assert_msg(strstr(buf_string(&t.report.errors), words) != NULL, "'%s' is not in:\n%s", words,
                  buf_string(&t.report.errors));
    ck_assert_uint_eq(t.report.error_count, 1);
}

/* ---------------------------------------------------------------- plugins */

static void write_plugins(void)
{
    write_text("t.conf",
               "name = \"t\"; plugins : { path = [ \"none\", \"first\", \"second\" ]; };\n"
               "nodes : { a : { address = \"a\"; checks = [ \"c\" ]; transport = \"local\"; }; };\n"
               "checks : { c : { scope = \"node\"; command = [ \"check_x\" ]; }; };\n",
               0600);
    snprintf(t.path, sizeof(t.path), "%s/first", t.directory);
    ck_assert_int_eq(mkdir(t.path, 0700), 0);
    snprintf(t.path, sizeof(t.path), "%s/second", t.directory);
    ck_assert_int_eq(mkdir(t.path, 0700), 0);
}

START_TEST(plugins_are_searched)
{
    char wanted[256];
    write_plugins();
    must_say("t.conf", ":3: checks.c.command[0]: 'check_x' is in none of the directories of "
                       "plugins.path");
    write_text("first/check_x", "#!/bin/sh\n", 0600);
    must_say("t.conf", "/first/check_x is not executable; run: chmod +x ");
    write_text("second/check_x", "#!/bin/sh\n", 0700);
    must_load("t.conf");
    snprintf(wanted, sizeof(wanted), "%s/second/check_x", t.directory);
    ck_assert_str_eq(conf_policy(t.conf)->checks[0]->argv[0], wanted);
    write_text("first/check_x", "#!/bin/sh\n", 0700);
    must_load("t.conf");
    snprintf(wanted, sizeof(wanted), "%s/first/check_x", t.directory);
    ck_assert_str_eq(conf_policy(t.conf)->checks[0]->argv[0], wanted);
}
END_TEST

START_TEST(plugins_with_a_path_must_be_there)
{
    write_text("t.conf",
               "name = \"t\";\n"
               "nodes : { a : { address = \"a\"; checks = [ \"c\" ]; transport = \"local\"; }; };\n"
               "checks : { c : { scope = \"node\"; command = [ \"./x\" ]; }; };\n",
               0600);
    must_say("t.conf", "/./x: No such file or directory");
    write_text("x", "", 0700);
    must_load("t.conf");
}
END_TEST

/* ---------------------------------------------------------------- keys */

static void write_node(const char *ssh)
{
    char text[512];
    snprintf(text, sizeof(text),
             "name = \"t\"; %s\n"
             "nodes : { a : { address = \"a\"; checks = [ \"c\" ]; };\n"
             "          b : { address = \"b\"; checks = [ \"c\" ]; }; };\n"
             "checks : { c : { scope = \"node\"; type = \"tcp\"; port = 1; }; };\n",
             ssh);
    write_text("t.conf", text, 0600);
}

START_TEST(keys_must_be_there_and_private)
{
    write_node("ssh : { key = \"key\"; known_hosts = \"hosts\"; };");
    write_text("hosts", "", 0644);
    must_say("t.conf", "/key: No such file or directory; make one with: ssh-keygen");
    write_text("key", "", 0640);
    must_say("t.conf", ":1: ssh.key: ");
    must_say("t.conf", "/key: others may read it (mode 0640); run: chmod 600 ");
    write_text("key", "", 0604);
    must_say("t.conf", "(mode 0604)");
    write_text("key", "", 0600);
    must_load("t.conf");
    ck_assert_uint_eq(conf_local(t.conf)->ssh_count, 1);
    snprintf(t.path, sizeof(t.path), "%s/hosts", t.directory);
    ck_assert_int_eq(unlink(t.path), 0);
    must_say("t.conf", "/hosts: No such file or directory; make it with: ssh-keyscan");
}
END_TEST

START_TEST(default_keys_are_told_at_the_first_node)
{
    write_node("ssh : { known_hosts = \"hosts\"; };");
    write_text("hosts", "", 0644);
    if (access(EPHOR_SYSCONFDIR "/ssh_key", F_OK) != 0)
        must_say("t.conf", ":2: nodes.a.ssh.key: " EPHOR_SYSCONFDIR "/ssh_key: ");
}
END_TEST

START_TEST(keys_are_not_needed_for_local_nodes)
{
    write_text("t.conf",
               "name = \"t\"; ssh : { key = \"none\"; known_hosts = \"none\"; };\n"
               "nodes : { a : { address = \"a\"; checks = [ \"c\" ]; transport = \"local\"; }; };\n"
               "checks : { c : { scope = \"node\"; type = \"tcp\"; port = 1; }; };\n",
               0600);
    must_load("t.conf");
    ck_assert_uint_eq(conf_local(t.conf)->ssh_count, 0);
}
END_TEST

START_TEST(certificates_must_be_there)
{
    write_text("t.conf",
               "name = \"t\";\n"
               "nodes : { a : { address = \"a\"; checks = [ \"c\" ]; transport = \"local\"; }; };\n"
               "checks : { c : { scope = \"node\"; type = \"http\"; url = \"https://x/\";\n"
               "  tls_ca = \"ca.pem\"; }; };\n",
               0600);
    must_say("t.conf", ":4: checks.c.tls_ca: ");
    write_text("ca.pem", "", 0644);
    must_load("t.conf");
}
END_TEST

/* ---------------------------------------------------------------- includes */

START_TEST(includes_are_sorted_and_merged)
{
    write_text("t.conf",
               "name = \"t\"; include = [ \"d*/[ab]?.conf\" ];\n"
               "nodes : { z : { address = \"z\"; transport = \"local\"; }; };\n",
               0600);
    snprintf(t.path, sizeof(t.path), "%s/d*", t.directory);
    ck_assert_int_eq(mkdir(t.path, 0700), 0);
    write_text("d*/b1.conf",
               "include = [ \"../c.conf\" ];\n"
               "nodes : { n2 : { address = \"b\"; transport = \"local\"; }; };\n",
               0600);
    write_text("d*/a2.conf",
               "nodes : { n1 : { address = \"a\"; transport = \"local\"; }; };\n"
               "local : { checkers = 2; };\n",
               0600);
    write_text("d*/c3.conf", "this is not read", 0600);
    write_text("c.conf",
               "local : { state_dir = \"s\"; };\n"
               "defaults : { check : { fall = 9; }; };\n",
               0600);
    must_load("t.conf");
    const Ephor__Policy *p = conf_policy(t.conf);
    ck_assert_uint_eq(p->n_nodes, 3);
    ck_assert_str_eq(p->nodes[0]->name, "z"); /* the including file first */
    ck_assert_str_eq(p->nodes[1]->name, "n1");
    ck_assert_str_eq(p->nodes[2]->name, "n2");
    ck_assert_uint_eq(conf_local(t.conf)->checkers, 2);
    snprintf(t.path, sizeof(t.path), "%s/d*/../s", t.directory); /* of the file that says so */
    ck_assert_str_eq(conf_local(t.conf)->state_dir + strlen(conf_local(t.conf)->state_dir) - 2,
                     "/s");
}
END_TEST

START_TEST(a_directory_of_strange_name_is_no_pattern)
{
    snprintf(t.path, sizeof(t.path), "%s/[x]", t.directory);
    ck_assert_int_eq(mkdir(t.path, 0700), 0);
    write_text("[x]/t.conf", "name = \"t\"; include = [ \"*.inc\" ];\n", 0600);
    write_text("[x]/1.inc", "local : { checkers = 3; };\n", 0600);
    must_load("[x]/t.conf");
    ck_assert_uint_eq(conf_local(t.conf)->checkers, 3);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    must_say("none.conf", "/none.conf: cannot be read: No such file or directory");
    must_say(".", "/.: is not a file");
    snprintf(t.path, sizeof(t.path), "%s/fifo", t.directory);
    ck_assert_int_eq(mkfifo(t.path, 0600), 0);
    must_say("fifo", "/fifo: is not a file"); /* and does not wait for a writer */
}
END_TEST

/* ---------------------------------------------------------------- limits */

START_TEST(files_end_at_4_mib)
{
    size_t size = (4 << 20) + 1;
    char *text = malloc(size);
    memset(text, '\n', size);
    memcpy(text, "name = \"t\";", 11);
    conf_test_write(&t, "t.conf", text, size - 1, 0600);
    must_load("t.conf");
    conf_test_write(&t, "t.conf", text, size, 0600);
    must_say("t.conf", "/t.conf: is larger than 4 MiB");
    free(text);
}
END_TEST

static void write_many(uint32_t nodes, uint32_t services, uint32_t members, const char *command)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX);
    buf_text(&text, "name = \"t\"; nodes : {\n");
    for (uint32_t i = 0; i < nodes; i++)
        buf_format(&text, "n%u : { address = \"n%u\"; };\n", i, i);
    buf_format(&text, "};\nchecks : { c : { %s }; };\nservices : {\n", command);
    for (uint32_t s = 0; s < services; s++) {
        buf_format(&text, "s%u : { checks = [ \"c\" ]; members = (", s);
        for (uint32_t i = 0; i < members; i++)
            buf_format(&text, "%s { node = \"n%u\"; }", i == 0 ? "" : ",", i);
        buf_text(&text, "); };\n");
    }
    buf_text(&text, "};\n");
    conf_test_write(&t, "t.conf", text.data, text.size, 0600);
    buf_close(&text);
}

static void load_elsewhere(void)
{
    conf_test_load(&t, t.path, CONF_ELSEWHERE);
}

START_TEST(checks_of_targets_end_at_65536)
{
    write_many(128, 512, 128, "type = \"tcp\"; port = 1;");
    load_elsewhere();
    ck_assert_str_eq(buf_string(&t.report.errors), "");
    ck_assert_uint_eq(conf_policy(t.conf)->n_checks, 65536);
    write_many(128, 513, 128, "type = \"tcp\"; port = 1;");
    load_elsewhere();
    ck_assert_ptr_null(t.conf);
    ck_assert_ptr_nonnull(
        strstr(buf_string(&t.report.errors), "65664 checks of all targets together are too many"));
}
END_TEST

START_TEST(maps_end_at_10000)
{
    write_many(10000, 10000, 1, "type = \"tcp\"; port = 1;");
    load_elsewhere();
    ck_assert_str_eq(buf_string(&t.report.errors), "");
    write_many(10001, 10001, 1, "type = \"tcp\"; port = 1;");
    load_elsewhere();
    ck_assert_uint_eq(t.report.error_count, 2);
    ck_assert_ptr_nonnull(strstr(buf_string(&t.report.errors), "10001 entries are too many"));
}
END_TEST

START_TEST(policies_end_at_32_mib)
{
    struct buf command;
    buf_init(&command, OUTPUT_MAX);
    buf_text(&command, "command = [ \"x\"");
    for (int i = 0; i < 200; i++)
        buf_text(&command, ", \"12345\"");
    buf_text(&command, " ];");
    write_many(128, 500, 128, buf_string(&command));
    buf_close(&command);
    load_elsewhere();
    ck_assert_ptr_null(t.conf);
    ck_assert_uint_eq(t.report.error_count, 1);
    ck_assert_ptr_nonnull(strstr(buf_string(&t.report.errors), "larger than 32 MiB"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conf_files");
    TCase *tcase = tcase_create("files");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, plugins_are_searched);
    tcase_add_test(tcase, plugins_with_a_path_must_be_there);
    tcase_add_test(tcase, keys_must_be_there_and_private);
    tcase_add_test(tcase, default_keys_are_told_at_the_first_node);
    tcase_add_test(tcase, keys_are_not_needed_for_local_nodes);
    tcase_add_test(tcase, certificates_must_be_there);
    tcase_add_test(tcase, includes_are_sorted_and_merged);
    tcase_add_test(tcase, a_directory_of_strange_name_is_no_pattern);
    tcase_add_test(tcase, what_is_no_file_is_refused);
    tcase_add_test(tcase, files_end_at_4_mib);
    tcase_add_test(tcase, checks_of_targets_end_at_65536);
    tcase_add_test(tcase, maps_end_at_10000);
    tcase_add_test(tcase, policies_end_at_32_mib);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
