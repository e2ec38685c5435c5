/*
 * test_json_load.c - what a text's values take is told before they are made: beside what jansson
 * really asks the allocator for, which is counted here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <malloc.h>

#include "api/json_load.h"
#include "base/buf.h"
#include "base/str.h"

#define BYTES_MAX ((size_t)64 << 20)

static size_t now, most;

/* What glibc takes from the heap for it; a sanitizer tells what was asked for, to the byte. */
static size_t chunk_of(void *p)
{
    size_t n = (malloc_usable_size(p) + sizeof(size_t) + 15) / 16 * 16;

    return n < 32 ? 32 : n;
}

static void *counted_malloc(size_t n)
{
    void *p = malloc(n);

    now += chunk_of(p);
    most = now > most ? now : most;
    return p;
}

static void counted_free(void *p)
{
    if (p)
        now -= chunk_of(p);
    free(p);
}

static int count(void **state)
{
    (void)state;
    json_set_alloc_funcs(counted_malloc, counted_free);
    return 0;
}

/* {"a":[one,one,...]}, n of them; free(). */
static char *list_of(const char *one, size_t n)
{
    struct buf b;
    char *text;

    buf_init(&b, BYTES_MAX);
    buf_puts(&b, "{\"a\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i ? "," : "", one);
    buf_puts(&b, "]}");
    text = str_dup(buf_str(&b));
    buf_done(&b);
    return text;
}

/* {"k0":one,"k1":one,...}; free(). */
static char *object_of(const char *one, size_t n)
{
    struct buf b;
    char *text;

    buf_init(&b, BYTES_MAX);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%c\"k%zu\":%s", i ? ',' : '{', i, one);
    buf_puts(&b, "}");
    text = str_dup(buf_str(&b));
    buf_done(&b);
    return text;
}

/* A tenth less may be told, three tenths more. Takes the text over. */
static void check(char *text)
{
    size_t n = strlen(text);
    uint64_t told = json_tree_bytes(text, n);
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(root);
    assert_in_range(told, now * 9 / 10, now * 13 / 10);
    json_decref(root);
    assert_int_equal(now, 0);
    free(text);
}

static void test_json_tree__is_about_what_the_values_take(void **state)
{
    static const char *const values[] = {
        "0",    "1.5",        "[]",     "{}",
        "\"\"", "[[1,2],[]]", "[null]", "{\"role\":\"user\",\"content\":\"hi\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        check(list_of(values[i], 10000));
        check(object_of(values[i], 10000));
    }
}

static void test_json_tree__marks_within_texts_are_none(void **state)
{
    static const char *const same[] = {"{\"a\":\"{[,:,]}\"}", "{\"a\":\"\\\"{,\"}",
                                       "{\"a\":\"\\\\\\\"[[\"}", "{\"a\":\"x\\\\\"}",
                                       "{\"{[:,\":\"\"}"};
    uint64_t plain = json_tree_bytes("{\"a\":\"\"}", 8);

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_int_equal(json_tree_bytes(same[i], strlen(same[i])), plain);
    assert_true(json_tree_bytes("{\"a\":\"x\\\\\",", 11) > plain); /* the text has ended */
}

static void test_json_tree__no_json_is_some_number(void **state)
{
    static const char *const odd[] = {"", "\"", "\"\\", "\"\\\"", "\\\"", "\"\"\"", "}{"};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_true(json_tree_bytes(odd[i], strlen(odd[i])) < 1000);
}

static void test_json_load__too_many_values_are_refused_with_both_numbers(void **state)
{
    char *text = list_of("{}", JSON_TREE_MAX / 224);
    json_error_t why;

    (void)state;
    most = now;
    assert_null(json_load_bounded(text, strlen(text), 0, &why));
    assert_true(json_is_too_many(&why));
    assert_non_null(strstr(why.text, "40.7 MB of memory, and 33.6 MB"));
    assert_null(json_load_bounded(text, strlen(text), 0, NULL));
    assert_int_equal(most, 0); /* nothing was made */
    free(text);
}

/* jansson gives one back that it has read too far, and then takes its buffer for empty: a body was
 * taken that is no JSON. */
static void test_json_load__a_nul_byte_is_nowhere(void **state)
{
    static const char *const places[] = {"{\"a\":1@}", "{\"a\":true@}", "[1@,2]",      "@[]",
                                         "[]@",        "[\"@\"]",       "{\n\"a\"@:1}"};
    json_error_t why;

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char text[32];
        size_t n = strlen(places[i]);

        memcpy(text, places[i], n + 1);
        *strchr(text, '@') = '\0';
        assert_null(json_load_bounded(text, n, JSON_ALLOW_NUL, &why));
        assert_int_equal(json_error_code(&why), json_error_null_character);
        assert_int_equal(why.position, strcspn(places[i], "@"));
        assert_int_equal(why.line, i + 1 == sizeof places / sizeof places[0] ? 2 : 1);
        assert_null(json_load_bounded(text, n, 0, NULL));
    }
}

static void test_json_load__what_fits_is_as_ever(void **state)
{
    json_error_t why;
    json_t *root = json_load_bounded("{\"a\":[1,2]}", 11, 0, &why);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(root, "a")), 2);
    json_decref(root);
    assert_null(json_load_bounded("{\"a\":", 5, 0, &why));
    assert_false(json_is_too_many(&why));
    assert_int_equal(json_error_code(&why), json_error_premature_end_of_input);
}

/* One "maximum": 18446744073709551615 in a tool's schema was a body that "cannot be read as JSON";
 * where it was read again, with all integers as reals, a model was told of "maxLength": 10.0. */
static void test_json_load__integers_beyond_64_bits_alone_are_reals(void **state)
{
    static const char *const numbers[][2] = {
        {"[9223372036854775807,-9223372036854775808]",
         "[9223372036854775807,-9223372036854775808]"},
        {"[9223372036854775808,-9223372036854775809,10]",
         "[9.2233720368547758e18,-9.2233720368547758e18,10]"},
        {"{\"a\":18446744073709551615,\"b\":0}", "{\"a\":1.8446744073709552e19,\"b\":0}"},
        {"[100000000000000000000 , 1.99999999999999999999]", "[1e20,2.0]"},
        {"[99999999999999999999.5,99999999999999999999e2,12345678901234567890]",
         "[1e20,1e22,1.2345678901234567e19]"},
        {"{\"99999999999999999999\\\"\":[99999999999999999999,\"-99999999999999999999,\"]}",
         "{\"99999999999999999999\\\"\":[1e20,\"-99999999999999999999,\"]}"}};

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        json_t *root = json_load_bounded(numbers[i][0], strlen(numbers[i][0]), 0, NULL);
        char *text = json_dumps(root, JSON_COMPACT);

        assert_non_null(text);
        assert_string_equal(text, numbers[i][1]);
        counted_free(text);
        json_decref(root);
    }
}

static void test_json_load__faults_behind_such_integers_keep_their_places(void **state)
{
    static const char fits[] = "{\"a\": 8446744073709551615,\n\"b\": 8446744073709551615,\"c\":}";
    char wide[sizeof fits], many[400];
    json_error_t want, why;

    (void)state;
    memcpy(wide, fits, sizeof fits);
    for (char *p = wide; (p = strstr(p, " 8")); p++)
        *p = '1';
    assert_null(json_loadb(fits, strlen(fits), 0, &want));
    assert_null(json_load_bounded(wide, strlen(wide), 0, &why));
    assert_int_equal(json_error_code(&why), json_error_invalid_syntax);
    assert_int_equal(why.line, 2);
    assert_int_equal(why.column, want.column);
    assert_int_equal(why.position, want.position);
    memset(many, '9', sizeof many); /* too many for a real */
    many[0] = '[';
    many[sizeof many - 1] = ']';
    assert_null(json_load_bounded(many, sizeof many, 0, &why));
    assert_int_equal(json_error_code(&why), json_error_numeric_overflow);
}

/* A list of zeros, with what comes behind them. */
static char *zeros(size_t n, const char *rest)
{
    char *text = malloc(2 * n + strlen(rest) + 2), *p = text;

    assert_non_null(text);
    *p++ = '[';
    for (size_t i = 0; i < n; i++, p += 2)
        memcpy(p, "0,", 2);
    memcpy(p, rest, strlen(rest) + 1);
    return text;
}

/* Each value that jansson freed was looked for among all that were younger: a refused text of as
 * many as there may be took minutes, in which nothing else was done. It is the time limit of this
 * program that finds it. */
static void test_json_load__many_values_of_a_refused_text_take_no_time(void **state)
{
    static const char *const rests[] = {"x", "18446744073709551616", "18446744073709551616]"};

    (void)state;
    for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
        char *text = zeros(600000, rests[i]);
        json_error_t why;
        json_t *root = json_load_bounded(text, strlen(text), 0, &why);

        assert_int_equal(root != NULL, i == 2);
        assert_int_equal(json_array_size(root), i == 2 ? 600001 : 0);
        json_decref(root);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_tree__is_about_what_the_values_take),
        cmocka_unit_test(test_json_tree__marks_within_texts_are_none),
        cmocka_unit_test(test_json_tree__no_json_is_some_number),
        cmocka_unit_test(test_json_load__too_many_values_are_refused_with_both_numbers),
        cmocka_unit_test(test_json_load__a_nul_byte_is_nowhere),
        cmocka_unit_test(test_json_load__what_fits_is_as_ever),
        cmocka_unit_test(test_json_load__integers_beyond_64_bits_alone_are_reals),
        cmocka_unit_test(test_json_load__faults_behind_such_integers_keep_their_places),
        cmocka_unit_test(test_json_load__many_values_of_a_refused_text_take_no_time),
    };

    return cmocka_run_group_tests_name("json_load", tests, count, NULL);
}
