/* The table of settings, the reference sample and ephor.conf(5) say the same. */
#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_schema.h"
#include "tests/unit/conf_fixture.h"

enum { SHORT_LINES_MAX = 25 };

static struct conf_test t;

static void set_up(void)
{
    conf_test_init(&t);
}

static void tear_down(void)
{
    conf_test_close(&t);
}

/* Where a package puts things, for what this build was configured with. */
static void as_installed(const char *text, char out[512])
{
    static const char *const places[][2] = {{EPHOR_SYSCONFDIR, "/etc/ephor"},
                                            {EPHOR_STATEDIR, "/var/lib/ephor"},
                                            {EPHOR_LIBDIR, "/usr/lib/ephor"}};
    size_t used = 0;
    out[0] = '\0';
    while (*text != '\0') {
        size_t i = 0;
        while (i < 3 && !text_starts_with(text, places[i][0]))
            i++;
        const char *piece = i < 3 ? places[i][1] : text;
        size_t size = i < 3 ? strlen(piece) : 1;
        ck_assert(used + size < 512);
        memcpy(out + used, piece, size);
        used += size;
        out[used] = '\0';
        text += i < 3 ? strlen(places[i][0]) : 1;
    }
}

START_TEST(rows_are_whole)
{
    char prefix[CONF_PREFIX_SIZE];
    for (size_t i = 0; i < conf_row_count; i++) {
        const struct conf_row *row = &conf_rows[i];
        ck_assert_msg(row->help != NULL && *row->help != '\0', "%s has no help", row->path);
        ck_assert_uint_lt(strlen(row->path) + 3, CONF_PREFIX_SIZE);
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(strcmp(conf_rows[j].path, row->path) != 0, "%s is twice", row->path);
        ck_assert(row->type != CONF_TYPE_CHOICE || row->choices != NULL);
        ck_assert(row->min <= row->max);
        ck_assert_ptr_nonnull(conf_row_prefix(row, prefix));
    }
}
END_TEST

START_TEST(rows_are_found)
{
    const struct conf_row *row = conf_row_find("services.*.members[]", "priority");
    ck_assert_ptr_nonnull(row);
    ck_assert_str_eq(row->fallback, "100");
    ck_assert_ptr_null(conf_row_find("services.*", "priority"));
    ck_assert_ptr_null(conf_row_find("services", "web"));
    ck_assert_ptr_null(conf_row_find("check", "interval"));
    row = conf_row_find("checks.*", "type");
    ck_assert_int_eq(conf_row_choice(row, "tcp"), EPHOR__CHECK_KIND__TCP);
    ck_assert_int_eq(conf_row_choice(row, "http"), EPHOR__CHECK_KIND__HTTP);
    ck_assert_int_eq(conf_row_choice(row, "htt"), -1);
    ck_assert_int_eq(conf_row_choice(row, ""), -1);
}
END_TEST

START_TEST(schema_prints_every_setting)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    conf_print_schema(&out);
    for (size_t i = 0; i < conf_row_count; i++)
        ck_assert_msg(strstr(buf_string(&out), conf_rows[i].path) != NULL, "%s", conf_rows[i].path);
    ck_assert(!out.failed);
    buf_close(&out);
}
END_TEST

/* ".It Va checks.*.fall = 3" to path and default ("" if none); false: another line. */
static bool read_item(const char *line, char path[64], char fallback[256])
{
    static const char item[] = ".It Va ";
    size_t used = 0;
    if (!text_starts_with(line, item))
        return false;
    line += strlen(item);
    size_t size = strcspn(line, " \n");
    text_format(path, 64, "%.*s", (int)size, line);
    line += size;
    if (text_starts_with(line, " = "))
        for (line += 3; *line != '\n' && *line != '\0' && used < 255;) {
            bool is_quote = text_starts_with(line, "\\(dq");
            fallback[used++] = is_quote ? '"' : *line;
            line += is_quote ? 4 : 1;
        }
    fallback[used] = '\0';
    return true;
}

START_TEST(manual_says_the_same)
{
    struct buf page;
    char path[64], fallback[256], wanted[512];
    size_t items = 0;
    conf_test_read(TEST_SRCDIR "/doc/ephor.conf.5", &page);
    for (const char *line = buf_string(&page); *line != '\0'; line++) {
        size_t i = 0;
        if (read_item(line, path, fallback)) {
            while (i < conf_row_count && strcmp(conf_rows[i].path, path) != 0)
                i++;
            ck_assert_msg(i < conf_row_count, "the manual describes %s, which is none", path);
            as_installed(conf_rows[i].fallback == NULL ? "" : conf_rows[i].fallback, wanted);
            ck_assert_msg(strcmp(wanted, fallback) == 0, "%s: manual says %s, wanted %s", path,
                          fallback, wanted);
            items++;
        }
        line += strcspn(line, "\n");
        if (*line == '\0')
            break;
    }
    ck_assert_uint_eq(items, conf_row_count);
    buf_close(&page);
}
END_TEST

START_TEST(samples_load)
{
    static const char *const samples[] = {"ephor.conf", "three-controllers.conf", "reference.conf"};
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        char path[512];
        snprintf(path, sizeof(path), SAMPLES "%s", samples[i]);
        conf_test_must_load(&t, path);
    }
    ck_assert_uint_eq(conf_policy(t.conf)->n_services, 2);
}
END_TEST

START_TEST(short_sample_is_short)
{
    struct buf text;
    int lines = 0;
    conf_test_read(SAMPLES "ephor.conf", &text);
    for (const char *c = buf_string(&text); *c != '\0'; c++)
        lines += *c == '\n';
    ck_assert_int_le(lines, SHORT_LINES_MAX);
    buf_close(&text);
    conf_test_must_load(&t, SAMPLES "ephor.conf");
    ck_assert_uint_eq(conf_policy(t.conf)->n_nodes, 2);
    ck_assert_uint_eq(conf_policy(t.conf)->n_vips, 1);
    ck_assert_uint_eq(conf_policy(t.conf)->services[0]->restart->n_argv, 3);
}
END_TEST

/* Does "name = value" stand in the text, or, without a value, "name = " or "name : "? */
static bool says(const char *text, const char *name, const char *value)
{
    size_t size = strlen(name);
    for (const char *at = strstr(text, name); at != NULL; at = strstr(at + 1, name)) {
        const char *next = at + size;
        if ((at > text && strchr(" \n{", at[-1]) == NULL) || *next != ' ' ||
            (next[1] != '=' && next[1] != ':'))
            continue;
        if (value == NULL || text_starts_with(next + 3, value))
            return true;
    }
    return false;
}

START_TEST(reference_has_every_setting_with_its_default)
{
    struct buf text, dump;
    char wanted[512];
    conf_test_read(SAMPLES "reference.conf", &text);
    for (size_t i = 0; i < conf_row_count; i++) {
        const char *dot = strrchr(conf_rows[i].path, '.');
        const char *name = dot == NULL ? conf_rows[i].path : dot + 1;
        const char *fallback = conf_rows[i].fallback;
        if (fallback != NULL)
            as_installed(strcmp(fallback, "[]") == 0 ? "[ ]" : fallback, wanted);
        ck_assert_msg(says(buf_string(&text), name, fallback == NULL ? NULL : wanted),
                      "%s = %s is not in the reference", conf_rows[i].path,
                      fallback == NULL ? "..." : wanted);
    }
    buf_close(&text);
    buf_init(&dump, OUTPUT_MAX); /* and each where it belongs: nothing is left to a default */
    conf_test_must_load(&t, SAMPLES "reference.conf");
    conf_dump(t.conf, &dump);
    ck_assert_ptr_null(strstr(buf_string(&dump), "# default"));
    buf_close(&dump);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conf_schema");
    TCase *tcase = tcase_create("schema");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, rows_are_whole);
    tcase_add_test(tcase, rows_are_found);
    tcase_add_test(tcase, schema_prints_every_setting);
    tcase_add_test(tcase, manual_says_the_same);
    tcase_add_test(tcase, samples_load);
    tcase_add_test(tcase, short_sample_is_short);
    tcase_add_test(tcase, reference_has_every_setting_with_its_default);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
