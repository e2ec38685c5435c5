/* Tests of src/api/fields.c: every failing field is told, and its value is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/fields.h"
#include "base/str.h"

struct got {
    const char *text;
    int64_t number, ms;
    bool yes;
};

/* Reads a body that may have text (needed, up to 8 bytes), number 1..9, yes, wait. */
static int read_body(const char *body, struct fields *f, struct got *got, struct api_error *e)
{
    *got = (struct got){.text = "none", .number = -7, .ms = -7};
    fields_begin(f, body, strlen(body));
    fields_text(f, "text", true, 8, &got->text);
    fields_int(f, "number", false, 1, 9, &got->number);
    fields_bool(f, "yes", &got->yes);
    fields_duration_ms(f, "wait", &got->ms);
    return fields_end(f, e, "hive");
}

static void test_fields__takes_what_is_good(void **state)
{
    struct api_error e = {0};
    struct fields f;
    struct got got;

    (void)state;
    assert_int_equal(
        read_body("{\"text\":\"abc\",\"number\":9,\"yes\":true,\"wait\":\"2m\"}", &f, &got, &e), 0);
    assert_string_equal(got.text, "abc");
    assert_int_equal(got.number, 9);
    assert_true(got.yes);
    assert_int_equal(got.ms, 120000);
    fields_done(&f);
    assert_int_equal(read_body("{\"text\":\"x\",\"number\":null,\"wait\":3}", &f, &got, &e), 0);
    assert_int_equal(got.number, -7);
    assert_int_equal(got.ms, 3000);
    fields_done(&f);
    assert_int_equal(read_body("{\"text\":\"x\",\"number\":2.0,\"odd\":null}", &f, &got, &e), 0);
    assert_int_equal(got.number, 2); /* and null is missing, whatever its name */
    fields_done(&f);
    assert_int_equal(read_body("{\"text\":\"x\",\"wait\":-1}", &f, &got, &e), 0);
    assert_int_equal(got.ms, -1);
    fields_done(&f);
}

/* Numbers and whatever else is there; an object inside a request has fields of its own. */
static void test_fields__numbers_and_anything(void **state)
{
    static const char body[] = "{\"half\":0.5,\"two\":2,\"more\":3.5,\"list\":[1],\"none\":null,"
                               "\"inner\":{\"half\":1,\"odd\":1}}";
    struct fields f, inner;
    struct api_error e = {0};
    double half = -1, two = -1, more = -1;

    (void)state;
    fields_begin(&f, body, sizeof body - 1);
    assert_true(fields_number(&f, "half", 0, 1, &half));
    assert_true(fields_number(&f, "two", 0, 2, &two));
    assert_false(fields_number(&f, "more", 0, 2, &more));
    assert_true(half == 0.5 && two == 2 && more == -1);
    assert_int_equal(json_array_size(fields_any(&f, "list", true)), 1);
    assert_null(fields_any(&f, "none", false));
    fields_begin_object(&inner, fields_any(&f, "inner", true));
    assert_true(fields_number(&inner, "half", 0, 1, &half));
    assert_int_equal(fields_end(&inner, &e, "hive"), -1);
    assert_non_null(strstr(e.message, "odd"));
    api_error_done(&e);
    fields_done(&inner);
    assert_int_equal(fields_end(&f, &e, "hive"), -1);
    assert_non_null(strstr(e.message, "more"));
    assert_null(strstr(e.message, "2 bad"));
    api_error_done(&e);
    fields_done(&f);
}

/* keep_alive of Ollama's clients: Home Assistant's "-1s", the command line's "10m0s", seconds of
 * any kind of number. All were refused but for whole seconds, "10m" and -1. */
static void test_fields__durations_as_ollamas_clients_write_them(void **state)
{
    static const struct {
        const char *value;
        int64_t ms;
    } good[] = {{"\"10m0s\"", 600000},
                {"\"-1s\"", -1},
                {"\"-1\"", -1},
                {"\"300\"", 300000},
                {"0.5", 500},
                {"-5", -1},
                {"-0.5", -1},
                {"1800", 1800000},
                {"0", 0},
                {"1e-9", 1}};
    static const char *const bad[] = {"\"\"",       "\"soon\"",     "true",          "1e300",
                                      "3600000001", "\"1000001h\"", "\"5m\\u0000\"", "[]"};
    char body[64];
    struct fields f;
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(body, sizeof body, "{\"wait\":%s}", good[i].value);
        fields_begin(&f, body, strlen(body));
        if (!fields_go_duration_ms(&f, "wait", &ms) || ms != good[i].ms)
            fail_msg("%s", body);
        fields_done(&f);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(body, sizeof body, "{\"wait\":%s}", bad[i]);
        fields_begin(&f, body, strlen(body));
        assert_non_null(f.root);
        if (fields_go_duration_ms(&f, "wait", &ms))
            fail_msg("taken: %s", body);
        assert_int_equal(json_array_size(f.errors), 1);
        fields_done(&f);
    }
}

/* The names of the failing fields, blank between, in order. */
static void assert_failing(const char *body, const char *expected)
{
    struct api_error e = {0};
    struct fields f;
    struct got got;
    char names[512] = "";
    size_t i;
    json_t *item;

    assert_int_equal(read_body(body, &f, &got, &e), -1);
    assert_int_equal(e.code, API_INVALID_REQUEST);
    json_array_foreach(json_object_get(e.details, "errors"), i, item)
    {
        size_t n = strlen(names);

        snprintf(names + n, sizeof names - n, "%s%s", i ? " " : "",
                 json_string_value(json_object_get(item, "field")));
        assert_non_null(json_object_get(item, "constraint"));
        assert_non_null(json_object_get(item, "message"));
    }
    assert_string_equal(names, expected);
    assert_null(strstr(e.message, "secret"));
    api_error_done(&e);
    fields_done(&f);
}

/* 40.0 was 40 as a field of its own, and refused as a token's id in a list, and as seconds. */
static void test_fields__whole_numbers_are_whole_however_they_are_written(void **state)
{
    static const char body[] =
        "{\"wait\":300.0,\"ids\":[5.0,5,2147483647.0,2147483648,-1.0,0.5,\"5\"]}";
    int64_t ms = 0, whole = 0;
    int32_t id = -7;
    struct fields f;
    json_t *ids;

    (void)state;
    fields_begin(&f, body, strlen(body));
    assert_true(fields_duration_ms(&f, "wait", &ms));
    assert_int_equal(ms, 300000);
    ids = fields_any(&f, "ids", true);
    for (size_t i = 0; i < 3; i++)
        assert_true(fields_token_id(json_array_get(ids, i), &id));
    assert_int_equal(id, INT32_MAX);
    for (size_t i = 3; i < json_array_size(ids); i++)
        assert_false(fields_token_id(json_array_get(ids, i), &id));
    assert_true(fields_whole(json_array_get(ids, 4), &whole));
    assert_int_equal(whole, -1);
    assert_false(fields_whole(json_array_get(ids, 5), &whole));
    fields_done(&f);
}

static void test_fields__tells_all_failures_at_once(void **state)
{
    (void)state;
    assert_failing("", "text");
    assert_failing("{}", "text");
    assert_failing("{\"text\":\"\"}", "text");
    assert_failing("{\"text\":\"secret-too-long\"}", "text");
    assert_failing("{\"text\":\"a\\u0000b\"}", "text");
    assert_failing("{\"text\":1,\"number\":0,\"yes\":\"secret\",\"wait\":\"soon\",\"more\":1}",
                   "text number yes wait more");
    assert_failing("{\"text\":\"a\",\"number\":1.5,\"wait\":-2}", "number wait");
    assert_failing("{\"text\":\"a\",\"number\":1e300}", "number");
    assert_failing("{\"text\":\"a\",\"number\":-1e19}", "number");
    assert_failing("{\"text\":\"a\",\"number\":10,\"wait\":9223372036854775807}", "number wait");
    assert_failing("{\"text\":\"a\",\"wait\":\"5m\\u0000\"}", "wait");
}

/* The gateway refused a whole body for one such number in a tool's schema, which is not its own. */
static void test_fields__a_number_beyond_64_bits_is_a_number(void **state)
{
    static const char body[] = "{\"text\":\"x\",\"number\":18446744073709551615}";
    struct api_error e = {0};
    struct fields f;
    struct got got;

    (void)state;
    fields_begin(&f, body, strlen(body));
    assert_true(json_real_value(fields_any(&f, "number", true)) == 0x1p64);
    fields_done(&f);
    assert_int_equal(read_body(body, &f, &got, &e), -1);
    assert_non_null(strstr(e.message, "number must be an integer from 1 to 9"));
    api_error_done(&e);
    fields_done(&f);
}

static void test_fields__says_where_the_json_breaks(void **state)
{
    static const char *const bodies[] = {"{", "[1]", "\"text\"", "{\"a\":1,\"a\":2}",
                                         "{\"text\":}"};
    struct api_error e = {0};
    struct fields f;
    struct got got;

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_int_equal(read_body(bodies[i], &f, &got, &e), -1);
        assert_int_equal(e.code, API_INVALID_REQUEST);
        assert_non_null(strstr(e.message, "JSON"));
        assert_null(e.details);
        fields_done(&f);
    }
}

static void test_fields__names_from_outside_are_cut(void **state)
{
    char body[4096], name[1001];
    struct api_error e = {0};
    struct fields f;
    struct got got;
    const char *shown;

    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(body, sizeof body, "{\"text\":\"a\",\"%s\":1}", name);
    assert_int_equal(read_body(body, &f, &got, &e), -1);
    shown = json_string_value(
        json_object_get(json_array_get(json_object_get(e.details, "errors"), 0), "field"));
    assert_int_equal(strlen(shown), 64);
    api_error_done(&e);
    fields_done(&f);
}

/* A failure that quotes part of a character must be told all the same, and not be lost on its way
 * into JSON: the request would be taken as a good one. */
static void test_fields__a_name_cut_within_a_character_still_fails(void **state)
{
    struct api_error e = {0};
    struct fields f;
    const json_t *one;

    (void)state;
    fields_begin(&f, "{}", 2);
    fields_fail(&f, "a\xc3", "none", "there is no '%.2s'", "b\xc3\xa9");
    assert_int_equal(fields_end(&f, &e, "hive"), -1);
    one = json_array_get(json_object_get(e.details, "errors"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "field")), "a?");
    assert_string_equal(json_string_value(json_object_get(one, "message")), "there is no 'b?'");
    api_error_done(&e);
    fields_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields__takes_what_is_good),
        cmocka_unit_test(test_fields__numbers_and_anything),
        cmocka_unit_test(test_fields__durations_as_ollamas_clients_write_them),
        cmocka_unit_test(test_fields__whole_numbers_are_whole_however_they_are_written),
        cmocka_unit_test(test_fields__tells_all_failures_at_once),
        cmocka_unit_test(test_fields__a_number_beyond_64_bits_is_a_number),
        cmocka_unit_test(test_fields__says_where_the_json_breaks),
        cmocka_unit_test(test_fields__names_from_outside_are_cut),
        cmocka_unit_test(test_fields__a_name_cut_within_a_character_still_fails),
    };

    return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
