/* Performance data: what real plugins print, and what they should not. */
#include "checks/perfdata.h"

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct perfdata_item item;

static bool parse_one(const char *text)
{
    const char *cursor = text;
    return perfdata_next(&cursor, &item);
}

static int count(const char *text)
{
    int n = 0;
    while (perfdata_next(&text, &item))
        n++;
    ck_assert_int_eq(*text, '\0');
    return n;
}

START_TEST(every_field)
{
    ck_assert(parse_one("time=0.0042s;1:5;@~:10;0;60;"));
    ck_assert_str_eq(item.label, "time");
    ck_assert_double_eq(item.value, 0.0042);
    ck_assert(item.has_value);
    ck_assert_str_eq(item.unit, "s");
    ck_assert_int_eq(item.kind, PERFDATA_SECONDS);
    ck_assert_str_eq(item.warning, "1:5");
    ck_assert_str_eq(item.critical, "@~:10");
    ck_assert(item.has_min && item.min == 0);
    ck_assert(item.has_max && item.max == 60);
}
END_TEST

START_TEST(missing_fields)
{
    ck_assert(parse_one("load1=0.120;;;0;"));
    ck_assert_str_eq(item.warning, "");
    ck_assert(item.has_min && !item.has_max);
    ck_assert(parse_one("n=1"));
    ck_assert(!item.has_min && !item.has_max);
    ck_assert(parse_one("n=1;;;x;y"));
    ck_assert(!item.has_min && !item.has_max);
}
END_TEST

START_TEST(unknown_value)
{
    ck_assert(parse_one("rta=U;1;2"));
    ck_assert(!item.has_value);
    ck_assert_str_eq(item.warning, "1");
    ck_assert(parse_one("rta=U"));
    ck_assert(!item.has_value);
    ck_assert(!parse_one("rta=Ux"));
}
END_TEST

START_TEST(labels)
{
    ck_assert(parse_one("'a b'=1"));
    ck_assert_str_eq(item.label, "a b");
    ck_assert(parse_one("'it''s'=1"));
    ck_assert_str_eq(item.label, "it's");
    ck_assert(parse_one("/home=1"));
    ck_assert_str_eq(item.label, "/home");
    ck_assert(parse_one("'x=y'=1"));
    ck_assert_str_eq(item.label, "x=y");
    ck_assert(!parse_one("=1"));
    ck_assert(!parse_one("''=1"));
    ck_assert(!parse_one("'open=1"));
    ck_assert(!parse_one("a'b=1"));
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"a=+1", 1},
                {"a=-1.5", -1.5},
                {"a=.5", 0.5},
                {"a=5.", 5},
                {"a=1e3", 1000},
                {"a=1E-3", 0.001},
                {"a=123456789012", 123456789012.0}};
    static const char *const bad[] = {"a=",     "a=x",     "a=1,5", "a=--1", "a=nan", "a=inf",
                                      "a=0x10", "a=1.2.3", "a=.",   "a=1=2", "a=- 1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(parse_one(good[i].text), "%s", good[i].text);
        ck_assert_double_eq(item.value, good[i].value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!parse_one(bad[i]), "%s", bad[i]);
    ck_assert(parse_one("a=1e999"));
    ck_assert(!item.has_value); /* not a number that anything could show */
}
END_TEST

START_TEST(units)
{
    static const struct {
        const char *text;
        enum perfdata_kind kind;
        double scale;
    } list[] = {{"a=1", PERFDATA_PLAIN, 1},         {"a=1ms", PERFDATA_SECONDS, 1e-3},
                {"a=1us", PERFDATA_SECONDS, 1e-6},  {"a=1%", PERFDATA_RATIO, 0.01},
                {"a=1c", PERFDATA_COUNTER, 1},      {"a=1B", PERFDATA_BYTES, 1},
                {"a=1KB", PERFDATA_BYTES, 1000},    {"a=1KiB", PERFDATA_BYTES, 1024},
                {"a=1GiB", PERFDATA_BYTES, 0x1p30}, {"a=1rpm", PERFDATA_PLAIN, 1},
                {"a=1e", PERFDATA_PLAIN, 1}};
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        ck_assert(parse_one(list[i].text));
        ck_assert_int_eq(item.kind, list[i].kind);
        ck_assert_double_eq(item.scale, list[i].scale);
        ck_assert_double_eq(item.value, 1);
    }
    ck_assert(!parse_one("a=1averylongunitindeed"));
}
END_TEST

START_TEST(bad_item_spares_its_neighbours)
{
    ck_assert_int_eq(count("a=1 b=x c=3 ' d=4 e= f=6"), 4);
    ck_assert_int_eq(count(""), 0);
    ck_assert_int_eq(count("   "), 0);
    ck_assert_int_eq(count("garbage without end"), 0);
    ck_assert_int_eq(count("a=1\nb=2;3\tc=3"), 3);
    ck_assert_int_eq(count("load1=0.1;5;10;0; load5=0.2;4;6;0; load15=0.3;3;4;0;"), 3);
    ck_assert_int_eq(count("rta=0.03ms;200.0;500.0;0; pl=0%;40;80;; rtmax=0.08ms;;;;"), 3);
}
END_TEST

START_TEST(random_bytes)
{
    static const char alphabet[] = "abU'=;.-+e0123456789% |\xc3,:@~";
    uint64_t random = 3;
    char text[64];
    for (int round = 0; round < 100000; round++) {
        size_t size = (size_t)(round % 63);
        for (size_t i = 0; i < size; i++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            text[i] = alphabet[(random >> 33) % (sizeof(alphabet) - 1)];
        }
        text[size] = '\0';
        count(text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("perfdata");
    TCase *tests = tcase_create("parser");
    tcase_add_test(tests, every_field);
    tcase_add_test(tests, missing_fields);
    tcase_add_test(tests, unknown_value);
    tcase_add_test(tests, labels);
    tcase_add_test(tests, numbers);
    tcase_add_test(tests, units);
    tcase_add_test(tests, bad_item_spares_its_neighbours);
    tcase_add_test(tests, random_bytes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
