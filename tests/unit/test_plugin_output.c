/* The split of a plugin's output into text and performance data. */
#include "checks/plugin_output.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[1024];
static char perfdata[512];

static bool split(const char *output)
{
    return plugin_output_split(output, strlen(output), text, sizeof(text), perfdata,
                               sizeof(perfdata));
}

static const struct {
    const char *output, *text, *perfdata;
} cases[] = {
    {"", "", ""},
    {"\n", "", ""},
    {"OK", "OK", ""},
    {"OK\n", "OK", ""},
    {"  OK - fine \n", "OK - fine", ""},
    {"OK | a=1\n", "OK", "a=1"},
    {"OK|a=1;2;3", "OK", "a=1;2;3"},
    {"| a=1", "", "a=1"},
    {"OK | a=1 | b=2", "OK", "a=1 | b=2"},
    /* the example of the Nagios manual */
    {"DISK OK - free 3326 MB (56%) | /=2643MB;5948;5958;0;5968\n/ 15272 MB (77%)\n"
     "/boot 68 MB (69%)\n/home 69357 MB (27%) | /boot=68MB;88;93;0;98\n"
     "/home=69357MB;253404;253409;0;253414\n",
     "DISK OK - free 3326 MB (56%)\n/ 15272 MB (77%)\n/boot 68 MB (69%)\n/home 69357 MB (27%)",
     "/=2643MB;5948;5958;0;5968 /boot=68MB;88;93;0;98 /home=69357MB;253404;253409;0;253414"},
    {"OK\nlong\n  indented\n", "OK\nlong\n  indented", ""},
    {"OK\n\nafter an empty line", "OK\n\nafter an empty line", ""},
    /* a pipe in prose is text */
    {"usage: a | b", "usage: a | b", ""},
    {"OK\nrun a | b\nthen | c=1", "OK\nrun a | b\nthen", "c=1"},
    {"x=1 | y", "x=1 | y", ""},
    /* windows line ends, controls, bad bytes */
    {"OK\r\nmore\r\n", "OK\nmore", ""},
    {"\033[31mRED", " [31mRED", ""},
    {"a\xff"
     "b | c=\xfe",
     "a\xef\xbf\xbd"
     "b",
     "c=\xef\xbf\xbd"},
    {"OK |", "OK |", ""},
};

START_TEST(known_outputs)
{
    bool fits = split(cases[_i].output);
    ck_assert_str_eq(text, cases[_i].text);
    ck_assert_str_eq(perfdata, cases[_i].perfdata);
    ck_assert(fits);
}
END_TEST

START_TEST(nothing_behind_a_nul_counts)
{
    static const char bytes[] = "OK | a=1\0 b=2\nmore";
    plugin_output_split(bytes, sizeof(bytes) - 1, text, sizeof(text), perfdata, sizeof(perfdata));
    ck_assert_str_eq(text, "OK");
    ck_assert_str_eq(perfdata, "a=1");
}
END_TEST

START_TEST(long_text_is_cut_and_told)
{
    char output[4096];
    memset(output, 'x', sizeof(output));
    ck_assert(!plugin_output_split(output, 1024, text, 1024, perfdata, 512));
    ck_assert_uint_eq(strlen(text), 1023);
    ck_assert(plugin_output_split(output, 1023, text, 1024, perfdata, 512));
    ck_assert_uint_eq(strlen(text), 1023);
    ck_assert(!plugin_output_split(output, 4096, text, 1024, perfdata, 512));
    ck_assert_uint_eq(strlen(text), 1023);
    output[1000] = '\n';
    ck_assert(!plugin_output_split(output, 1100, text, 1024, perfdata, 512));
    ck_assert(plugin_output_split(output, 1023, text, 1024, perfdata, 512));
}
END_TEST

START_TEST(text_is_cut_between_characters)
{
    char output[1200];
    for (size_t i = 0; i < sizeof(output); i += 2)
        memcpy(output + i, "\xc3\xa4", 2);
    ck_assert(!plugin_output_split(output, sizeof(output), text, 1024, perfdata, 512));
    ck_assert_uint_eq(strlen(text), 1022);
}
END_TEST

START_TEST(perfdata_is_cut_between_items)
{
    char output[4096] = "OK |";
    for (int i = 0; i < 100; i++)
        snprintf(output + strlen(output), 40, " 'l %03d'=%d", i, i);
    ck_assert(!split(output));
    size_t size = strlen(perfdata);
    ck_assert_uint_lt(size, 512);
    ck_assert_uint_gt(size, 490);
    const char *last = strrchr(perfdata, '\'');
    ck_assert_ptr_nonnull(last);
    int number;
    char *end;
    number = (int)strtol(last + 2, &end, 10);
    ck_assert_int_eq(*end, '\0');
    ck_assert_int_eq(number, (int)strtol(last - 3, NULL, 10)); /* label and value agree: whole */
    /* one item that is too long by itself is dropped */
    memset(output, 'y', sizeof(output) - 1);
    memcpy(output, "OK | a=1 b", 10);
    output[1500] = '=';
    output[1501] = '\0';
    ck_assert(!split(output));
    ck_assert_str_eq(perfdata, "a=1");
}
END_TEST

/* Any bytes: results are terminated and the split does not read outside. */
START_TEST(random_bytes)
{
    static const char alphabet[] = "|='\n \\;ab1\xc3\xa4\xff\r\t\0";
    uint64_t random = 7;
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)(round % 1500);
        char *bytes = malloc(size + 1);
        for (size_t i = 0; i < size; i++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            bytes[i] = alphabet[(random >> 33) % sizeof(alphabet)];
        }
        plugin_output_split(bytes, size, text, 100, perfdata, 60);
        ck_assert_uint_lt(strlen(text), 100);
        ck_assert_uint_lt(strlen(perfdata), 60);
        free(bytes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plugin output");
    TCase *tests = tcase_create("split");
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, known_outputs, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(tests, nothing_behind_a_nul_counts);
    tcase_add_test(tests, long_text_is_cut_and_told);
    tcase_add_test(tests, text_is_cut_between_characters);
    tcase_add_test(tests, perfdata_is_cut_between_items);
    tcase_add_test(tests, random_bytes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
