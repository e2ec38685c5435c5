/* test_json_scan.c - what is JSON and what is not, beside what jansson says of the same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "api/json_scan.h"
#include "base/str.h"

/* Whole numbers past 64 bits are JSON, though not jansson's integers. */
static bool is_object_to_jansson(const char *text, size_t n)
{
    json_t *root = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
    bool is_object;

    if (!root)
        root = json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    is_object = json_is_object(root);
    json_decref(root);
    return is_object;
}

static void check(const char *text, size_t n)
{
    char *exact = str_ndup(text, n); /* a sanitizer sees what is read behind it */

    assert_non_null(exact);
    if (json_scan_is_object(exact, n) != is_object_to_jansson(exact, n))
        fail_msg("jansson says %s of: %s", is_object_to_jansson(exact, n) ? "JSON" : "no JSON",
                 exact);
    free(exact);
}

static const char *const objects[] = {
    "{}", " {\t\"a\" :\n[ 1 , -0.5e+3 , true,false,null,\"x\" ,{} ,[]]\r} ",
    "{\"\\u00e4\\ud83d\\ude00\\n\\\"\\\\\\/\\b\\f\\r\\t\":\"\xc3\xa4\"}",
    "{\"a\":{\"b\":{\"c\":[[[[0]]]]}},\"a\":12345678901234567890123,\"z\":1E-400}",
    "{\"tokens\":[1,2,3],\"pieces\":[{\"id\":1,\"piece\":\"a\"}]}"};

static void test_json_scan__says_what_jansson_says(void **state)
{
    static const char *const others[] = {"",
                                         "{",
                                         "}",
                                         "[]",
                                         "1",
                                         "\"a\"",
                                         "{}x",
                                         "{}{}",
                                         "{,}",
                                         "{\"a\"}",
                                         "{\"a\":}",
                                         "{\"a\":1,}",
                                         "{a:1}",
                                         "{\"a\":01}",
                                         "{\"a\":1.}",
                                         "{\"a\":.1}",
                                         "{\"a\":+1}",
                                         "{\"a\":-}",
                                         "{\"a\":1e}",
                                         "{\"a\":1e+}",
                                         "{\"a\":1e999}",
                                         "{\"a\":-1e999}",
                                         "{\"a\":tru}",
                                         "{\"a\":truex}",
                                         "{\"a\":nul",
                                         "{\"a\":\"\n\"}",
                                         "{\"a\":\"\\x\"}",
                                         "{\"a\":\"\\u12g4\"}",
                                         "{\"a\":\"\\ud800\"}",
                                         "{\"a\":\"\\ud800\\u0041\"}",
                                         "{\"a\":\"\\udc00\"}",
                                         "{\"a\":\"\xff\"}",
                                         "{\"a\":\"\xed\xa0\x80\"}",
                                         "{\"a\":[1 2]}",
                                         "{\"a\":[1,]}",
                                         "{\"a\":[}",
                                         "{\"a\":\"",
                                         "{\"a\":\"\\",
                                         "{\"a\":\"\\u"};

    (void)state;
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        assert_true(json_scan_is_object(objects[i], strlen(objects[i])));
        check(objects[i], strlen(objects[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(json_scan_is_object(others[i], strlen(others[i])));
        check(others[i], strlen(others[i]));
    }
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

/* One or two characters become others, or go. */
static void test_json_scan__says_so_of_texts_with_faults(void **state)
{
    static const char others[] = "{}[]:,\"\\0123456789.-+eEtrufalsn \t\n\xc3\xa4\x01";
    unsigned seed = 1;
    char text[256];

    (void)state;
    for (int k = 0; k < 200000; k++) {
        size_t n = strlen(objects[(size_t)k % (sizeof objects / sizeof objects[0])]);

        memcpy(text, objects[(size_t)k % (sizeof objects / sizeof objects[0])], n + 1);
        for (unsigned f = next_random(&seed) % 2 + 1; f > 0; f--) {
            size_t at = next_random(&seed) % n;

            if (next_random(&seed) % 3)
                text[at] = others[next_random(&seed) % (sizeof others - 1)];
            else
                memmove(text + at, text + at + 1, n-- - at);
        }
        check(text, n);
    }
}

static void test_json_scan__goes_only_so_deep(void **state)
{
    char text[2 * JSON_SCAN_DEPTH + 16];

    (void)state;
    for (size_t deep = JSON_SCAN_DEPTH - 1; deep <= JSON_SCAN_DEPTH; deep++) {
        size_t n = 0;

        n += (size_t)snprintf(text, sizeof text, "{\"a\":");
        memset(text + n, '[', deep);
        memset(text + n + deep, ']', deep);
        text[n + 2 * deep] = '}';
        text[n + 2 * deep + 1] = '\0';
        assert_int_equal(json_scan_is_object(text, strlen(text)), deep < JSON_SCAN_DEPTH);
    }
}

static void test_json_scan__numbers_within_a_bound(void **state)
{
    static const struct {
        const char *text;
        bool fits;
    } all[] = {{"3.4e38", true},
               {"-3.4e38", true},
               {"3.5e38", false},
               {"-3.5e38", false},
               {"1e38", true},
               {"1e+39", false},
               {"1e-999", true},
               {"0", true},
               {"-0", true},
               {"00", true},
               {"350000000000000000000000000000000000000", false},
               {"34", true}};

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct json_scan s = {all[i].text, all[i].text + strlen(all[i].text)};

        assert_int_equal(json_scan_number(&s, 3.4028234663852886e38), all[i].fits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_scan__says_what_jansson_says),
        cmocka_unit_test(test_json_scan__says_so_of_texts_with_faults),
        cmocka_unit_test(test_json_scan__goes_only_so_deep),
        cmocka_unit_test(test_json_scan__numbers_within_a_bound),
    };

    return cmocka_run_group_tests_name("json_scan", tests, NULL, NULL);
}
