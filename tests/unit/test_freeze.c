/* The file "freeze": what counts as one. Links the file alone; nothing is told to anybody. */
#include "orchestrator/quorum/freeze.h"

#include "orchestrator/quorum/proposals.h"
#include "orchestrator/quorum/quorum.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECOND_MS = 1000 };

static char folder[64];
static struct freeze freeze;
static int64_t now_ms;

void proposals_add(struct quorum *quorum, enum proposal_kind kind, Ephor__Fact *fact,
                   struct peer *peer, uint64_t sequence, proposal_then *then)
{
    (void)quorum;
    (void)kind;
    (void)fact;
    (void)peer;
    (void)sequence;
    (void)then;
    ck_abort_msg("nothing is told here");
}

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ephor-freeze-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    memset(&freeze, 0, sizeof(freeze));
    now_ms = SECOND_MS;
    freeze_init(&freeze, folder);
}

static void tear_down(void)
{
    remove(freeze.path);
    rmdir(folder);
}

static const char *text(void)
{
    now_ms += SECOND_MS;
    freeze_look(&freeze, now_ms);
    return freeze.text;
}

static void write_file(const char *words)
{
    FILE *file = fopen(freeze.path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(words, file);
    fclose(file);
}

START_TEST(test_its_first_line_is_the_reason)
{
    ck_assert_str_eq(text(), "");
    write_file("the rack is moved\nnobody reads this\n");
    ck_assert_str_eq(text(), "the rack is moved");
    write_file("");
    ck_assert_str_eq(text(), "it gives no reason");
    remove(freeze.path);
    ck_assert_str_eq(text(), "");
}
END_TEST

START_TEST(test_it_is_looked_at_once_a_second)
{
    ck_assert_str_eq(text(), "");
    write_file("now");
    freeze_look(&freeze, now_ms + SECOND_MS - 1);
    ck_assert_str_eq(freeze.text, "");
    ck_assert_str_eq(text(), "now");
}
END_TEST

START_TEST(test_whatever_has_that_name_counts)
{
    ck_assert_int_eq(mkdir(freeze.path, 0700), 0);
    ck_assert_str_eq(text(), "it gives no reason");
    rmdir(freeze.path);
    ck_assert_int_eq(mkfifo(freeze.path, 0600), 0); /* and nothing waits for a writer */
    ck_assert_str_eq(text(), "it gives no reason");
    remove(freeze.path);
    ck_assert_int_eq(symlink("freeze", freeze.path), 0);
    ck_assert_str_eq(text(), "it gives no reason");
}
END_TEST

START_TEST(test_much_text_is_cut_and_controls_are_not_taken)
{
    char words[4 * TEXT_SIZE];
    memset(words, 'x', sizeof(words));
    words[0] = '\033';
    words[sizeof(words) - 1] = '\0';
    write_file(words);
    ck_assert_uint_lt(strlen(text()), TEXT_SIZE);
    ck_assert_ptr_null(strchr(freeze.text, '\033'));
}
END_TEST

START_TEST(test_what_cannot_be_found_out_stays_as_it_was)
{
    struct rlimit all, none = {0, 0};
    ck_assert_str_eq(text(), "");
    getrlimit(RLIMIT_NOFILE, &all);
    none.rlim_max = all.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    const char *seen = text();
    setrlimit(RLIMIT_NOFILE, &all);
    ck_assert_str_eq(seen, "");
    write_file("frozen");
    ck_assert_str_eq(text(), "frozen");
    remove(freeze.path);
    setrlimit(RLIMIT_NOFILE, &none);
    seen = text();
    setrlimit(RLIMIT_NOFILE, &all);
    ck_assert_str_eq(seen, "frozen");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("freeze");
    TCase *t = tcase_create("freeze");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, test_its_first_line_is_the_reason);
    tcase_add_test(t, test_it_is_looked_at_once_a_second);
    tcase_add_test(t, test_whatever_has_that_name_counts);
    tcase_add_test(t, test_much_text_is_cut_and_controls_are_not_taken);
    tcase_add_test(t, test_what_cannot_be_found_out_stays_as_it_was);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
