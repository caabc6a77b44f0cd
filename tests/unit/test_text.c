/* Text: cutting, names, durations, sizes, distances. */
#include "orchestrator/base/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_copies_are_cut_between_characters)
{
    char dst[5];
    ck_assert(text_copy(dst, sizeof(dst), "four"));
    ck_assert_str_eq(dst, "four");
    ck_assert(!text_copy(dst, sizeof(dst), "fives"));
    ck_assert_str_eq(dst, "five");
    ck_assert(!text_copy(dst, sizeof(dst), "abc\xc3\xa9"));
    ck_assert_str_eq(dst, "abc");
    ck_assert(!text_copy(dst, sizeof(dst), "a\xe2\x82\xac\xe2\x82\xac"));
    ck_assert_str_eq(dst, "a\xe2\x82\xac");
    ck_assert(!text_format(dst, sizeof(dst), "%s%d", "ab", 1234));
    ck_assert_str_eq(dst, "ab12");
    ck_assert(!text_copy(dst, 1, "x"));
    ck_assert_str_eq(dst, "");
}
END_TEST

START_TEST(test_any_bytes_become_printable)
{
    char dst[64];
    ck_assert_uint_eq(text_sanitize(dst, sizeof(dst), "a\tb\n\x01z\0y", 9), 6);
    ck_assert_str_eq(dst, "a\tb\n z");
    text_sanitize(dst, sizeof(dst), "\xff|\xc3\xa9|\xc3", 6);
    ck_assert_str_eq(dst, "\xef\xbf\xbd|\xc3\xa9|\xef\xbf\xbd");
    text_sanitize(dst, sizeof(dst), "\xc0\xaf", 2); /* an overlong slash */
    ck_assert_ptr_null(strchr(dst, '/'));
    text_sanitize(dst, 4, "\xff\xff", 2); /* as many as fit whole */
    ck_assert_str_eq(dst, "\xef\xbf\xbd");
}
END_TEST

START_TEST(test_words_are_whole)
{
    ck_assert(text_has_word("web on n1", "web"));
    ck_assert(text_has_word("web2, web", "web"));
    ck_assert(text_has_word("web/n1/http", "n1"));
    ck_assert(!text_has_word("web2 on n1", "web"));
    ck_assert(!text_has_word("my-web", "web"));
    ck_assert(!text_has_word("", "web"));
}
END_TEST

START_TEST(test_durations)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0s", 0},       {"10s", 10000},     {"300ms", 300},   {"5m", 300000},
                {"1h", 3600000}, {"1h30m", 5400000}, {"2d", 172800000}};
    static const char *const bad[] = {"",
                                      "5",
                                      "s",
                                      "5x",
                                      "-1s",
                                      "1s ",
                                      " 1s",
                                      "1.5s",
                                      "1s1",
                                      "99999999999999999999s",
                                      "9223372036854775807d"};
    int64_t ms;
    char text[32];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(text_parse_duration(good[i].text, &ms), "%s", good[i].text);
        ck_assert_int_eq(ms, good[i].ms);
        ck_assert(text_parse_duration(text_from_duration(text, sizeof(text), ms), &ms));
        ck_assert_int_eq(ms, good[i].ms); /* what it writes it can read */
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!text_parse_duration(bad[i], &ms), "'%s'", bad[i]);
    ck_assert_str_eq(text_from_duration(text, sizeof(text), 1500), "1500ms");
    ck_assert_str_eq(text_from_age(text, sizeof(text), 125000), "2m");
}
END_TEST

START_TEST(test_sizes)
{
    int64_t bytes;
    ck_assert(text_parse_size("512", &bytes));
    ck_assert_int_eq(bytes, 512);
    ck_assert(text_parse_size("64KiB", &bytes));
    ck_assert_int_eq(bytes, 65536);
    ck_assert(text_parse_size("10MB", &bytes));
    ck_assert_int_eq(bytes, 10000000);
    ck_assert(!text_parse_size("", &bytes));
    ck_assert(!text_parse_size("-1", &bytes));
    ck_assert(!text_parse_size("1XB", &bytes));
    ck_assert(!text_parse_size("9223372036854775807GiB", &bytes));
}
END_TEST

START_TEST(test_integers)
{
    int64_t value;
    ck_assert(text_parse_int("-5", -10, 10, &value));
    ck_assert_int_eq(value, -5);
    ck_assert(text_parse_int("10", -10, 10, &value));
    ck_assert(!text_parse_int("11", -10, 10, &value));
    ck_assert(!text_parse_int("", 0, 10, &value));
    ck_assert(!text_parse_int(" 1", 0, 10, &value));
    ck_assert(!text_parse_int("1 ", 0, 10, &value));
    ck_assert(!text_parse_int("0x1", 0, 10, &value));
    ck_assert(!text_parse_int("99999999999999999999", INT64_MIN, INT64_MAX, &value));
}
END_TEST

START_TEST(test_names)
{
    char name[64];
    ck_assert(text_is_name("web-1_b"));
    ck_assert(!text_is_name(""));
    ck_assert(!text_is_name("1web"));
    ck_assert(!text_is_name("web.1"));
    ck_assert(!text_is_name("w b"));
    memset(name, 'a', sizeof(name));
    name[47] = '\0';
    ck_assert(text_is_name(name));
    name[47] = 'a';
    name[48] = '\0';
    ck_assert(!text_is_name(name));
    ck_assert(text_starts_with("failover", "fail"));
    ck_assert(!text_starts_with("fai", "fail"));
}
END_TEST

START_TEST(test_distances)
{
    ck_assert_uint_eq(text_distance("", ""), 0);
    ck_assert_uint_eq(text_distance("intervall", "interval"), 1);
    ck_assert_uint_eq(text_distance("kitten", "sitting"), 3);
    ck_assert_uint_eq(text_distance("", "abc"), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *t = tcase_create("text");
    tcase_add_test(t, test_copies_are_cut_between_characters);
    tcase_add_test(t, test_any_bytes_become_printable);
    tcase_add_test(t, test_words_are_whole);
    tcase_add_test(t, test_durations);
    tcase_add_test(t, test_sizes);
    tcase_add_test(t, test_integers);
    tcase_add_test(t, test_names);
    tcase_add_test(t, test_distances);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
