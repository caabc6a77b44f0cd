/* Byte buffers with their limits, and JSON written into them. */
#include "orchestrator/base/buf.h"
#include "orchestrator/base/err.h"
#include "orchestrator/base/jsonw.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct buf b;

static void teardown(void)
{
    buf_close(&b);
}

START_TEST(test_grows_up_to_its_limit)
{
    buf_init(&b, 10);
    ck_assert_str_eq(buf_string(&b), "");
    ck_assert_int_eq(buf_text(&b, "12345"), ERR_OK);
    ck_assert_int_eq(buf_format(&b, "%d", 67890), ERR_OK);
    ck_assert_str_eq(buf_string(&b), "1234567890");
    ck_assert_int_eq(buf_text(&b, "x"), ERR_LIMIT);
    ck_assert(b.failed);
    ck_assert_str_eq(buf_string(&b), "1234567890");
    buf_clear(&b);
    ck_assert(!b.failed);
    ck_assert_int_eq(buf_text(&b, "x"), ERR_OK);
    ck_assert_str_eq(buf_string(&b), "x");
}
END_TEST

START_TEST(test_stays_failed_until_it_is_cleared)
{
    buf_init(&b, 4);
    ck_assert_int_eq(buf_text(&b, "12345"), ERR_LIMIT);
    ck_assert_int_ne(buf_text(&b, "1"), ERR_OK); /* nothing after a gap */
    ck_assert_str_eq(buf_string(&b), "");
}
END_TEST

START_TEST(test_reserve_commit_consume)
{
    buf_init(&b, 100);
    char *room = buf_reserve(&b, 6);
    ck_assert_ptr_nonnull(room);
    memcpy(room, "abcdef", 6);
    buf_commit(&b, 4);
    ck_assert_str_eq(buf_string(&b), "abcd");
    buf_consume(&b, 3);
    ck_assert_str_eq(buf_string(&b), "d");
    buf_consume(&b, 1);
    ck_assert_str_eq(buf_string(&b), "");
    ck_assert_ptr_null(buf_reserve(&b, 101));
}
END_TEST

START_TEST(test_bytes_with_zeros_in_them)
{
    buf_init(&b, 100);
    ck_assert_int_eq(buf_append(&b, "a\0b", 3), ERR_OK);
    ck_assert_uint_eq(b.size, 3);
    ck_assert_mem_eq(b.data, "a\0b", 4);
}
END_TEST

START_TEST(test_json_of_everything)
{
    struct jsonw w;
    buf_init(&b, 1000);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "text", "a\"b\\c\n\t\x01/");
    jsonw_text(&w, "none", NULL);
    jsonw_int(&w, "int", INT64_MIN);
    jsonw_bool(&w, "yes", true);
    jsonw_null(&w, "null");
    jsonw_array(&w, "list");
    jsonw_int(&w, NULL, 1);
    jsonw_object(&w, NULL);
    jsonw_object_end(&w);
    jsonw_array(&w, NULL);
    jsonw_array_end(&w);
    jsonw_array_end(&w);
    jsonw_double(&w, "nan", (double)NAN);
    jsonw_double(&w, "half", 0.5);
    jsonw_object_end(&w);
    ck_assert_str_eq(buf_string(&b), "{\"text\":\"a\\\"b\\\\c\\n\\t /\",\"none\":null,"
                                     "\"int\":-9223372036854775808,\"yes\":true,\"null\":null,"
                                     "\"list\":[1,{},[]],\"nan\":null,\"half\":0.5}");
}
END_TEST

START_TEST(test_json_is_valid_utf8_whatever_comes_in)
{
    struct jsonw w;
    char text[200];
    buf_init(&b, 2000);
    jsonw_init(&w, &b);
    jsonw_text(&w, NULL, "\xff\xc3");
    ck_assert_str_eq(buf_string(&b), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    for (size_t shift = 0; shift < 4; shift++) { /* a long text is never cut inside a character */
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        buf_clear(&b);
        jsonw_init(&w, &b);
        jsonw_text(&w, NULL, text);
        ck_assert_uint_eq(b.size, strlen(text) + 2);
        ck_assert_mem_eq(b.data + 1, text, strlen(text));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buf and json");
    TCase *t = tcase_create("buf and json");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, test_grows_up_to_its_limit);
    tcase_add_test(t, test_stays_failed_until_it_is_cleared);
    tcase_add_test(t, test_reserve_commit_consume);
    tcase_add_test(t, test_bytes_with_zeros_in_them);
    tcase_add_test(t, test_json_of_everything);
    tcase_add_test(t, test_json_is_valid_utf8_whatever_comes_in);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
