/* Every broken configuration of tests/conf gives exactly the text in its .expected file, with
 * paths from there. With EPHOR_REGENERATE set the files are written instead; read the diff. */
#include "tests/unit/conf_fixture.h"

#include <glob.h>

enum { CORPUS_MIN = 40 };

static glob_t files;
static struct conf_test t;

/* What was told, without the name of the corpus directory. */
static void told(struct buf *out)
{
    const char *texts[] = {buf_string(&t.report.errors), buf_string(&t.report.warnings)};
    for (size_t i = 0; i < 2; i++) {
        for (const char *at = texts[i]; *at != '\0';) {
            if (strncmp(at, CORPUS, strlen(CORPUS)) == 0)
                at += strlen(CORPUS);
            else
                buf_append(out, at++, 1);
        }
    }
}

static void compare(const char *path, const struct buf *got)
{
    char expected_path[512];
    struct buf expected;
    snprintf(expected_path, sizeof(expected_path), "%.*s.expected",
             (int)(strlen(path) - strlen(".conf")), path);
    if (getenv("EPHOR_REGENERATE") != NULL) {
        FILE *file = fopen(expected_path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(buf_string(got), file);
        fclose(file);
    }
    conf_test_read(expected_path, &expected);
    ck_assert_msg(strcmp(buf_string(got), buf_string(&expected)) == 0, "%s told:\n%swanted:\n%s",
                  path, buf_string(got), buf_string(&expected));
    buf_close(&expected);
}

START_TEST(a_broken_file_is_told_exactly)
{
    struct buf got;
    const char *path = files.gl_pathv[_i];
    buf_init(&got, OUTPUT_MAX);
    conf_test_init(&t);
    conf_test_load(&t, path, CONF_ELSEWHERE);
    told(&got);
    ck_assert(got.size > 0);
    ck_assert_int_eq(t.conf == NULL, t.report.error_count > 0);
    compare(path, &got);
    buf_close(&got);
    conf_test_close(&t);
}
END_TEST

int main(void)
{
    if (glob(CORPUS "*.conf", 0, NULL, &files) != 0 || files.gl_pathc < CORPUS_MIN) {
        fputs("the corpus is not there\n", stderr);
        return 1;
    }
    Suite *suite = suite_create("conf_corpus");
    TCase *tcase = tcase_create("corpus");
    tcase_add_loop_test(tcase, a_broken_file_is_told_exactly, 0, (int)files.gl_pathc);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    globfree(&files);
    return failed == 0 ? 0 : 1;
}
