/* test_errors.c - the one error table, and the body that carries an error between programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/errors.h"
#include "base/buf.h"
#include "base/str.h"

static void test_errors__every_row_is_filled(void **state)
{
    (void)state;
    for (int i = 0; i < API_N_CODES; i++) {
        const struct api_error_info *info = api_error_info((enum api_code)i);
        bool known;

        assert_non_null(info->code);
        assert_non_null(info->hint);
        assert_true(info->status == 0 || (info->status >= 400 && info->status < 600));
        assert_true(info->exit_code == 1 || info->exit_code == 2 || info->exit_code == 130);
        assert_int_equal(api_code_from(info->code, &known), i);
        assert_true(known);
    }
}

static void test_errors__body_goes_there_and_back(void **state)
{
    struct api_error e, back;
    char *text;

    (void)state;
    api_error_set(&e, API_ALL_SLOTS_BUSY, "worker", "All %d slots are busy.", 4);
    e.details = json_pack("{s:i}", "slots_total", 4);
    text = api_error_body(&e, "req-1");
    assert_non_null(text);
    assert_non_null(strstr(text, "\"request_id\":\"req-1\""));
    assert_non_null(strstr(text, "\"hint\":"));
    assert_non_null(strstr(text, "\"retriable\":true"));
    api_error_parse(&back, 503, text, strlen(text));
    assert_int_equal(back.code, API_ALL_SLOTS_BUSY);
    assert_string_equal(back.message, "All 4 slots are busy.");
    assert_string_equal(back.src, "worker");
    assert_int_equal(json_integer_value(json_object_get(back.details, "slots_total")), 4);
    free(text);
    api_error_done(&e);
    api_error_done(&back);
}

/* A path with a byte that is no UTF-8 made the JSON library return nothing, and the error was lost.
 */
static void test_errors__message_that_is_no_utf8_is_still_told(void **state)
{
    struct api_error e;
    char *text;

    (void)state;
    api_error_set(&e, API_MODEL_NOT_FOUND, "hive", "no file /m/\xff.gguf");
    text = api_error_body(&e, NULL);
    assert_non_null(text);
    assert_non_null(strstr(text, "no file /m/?.gguf"));
    free(text);
}

/* A stick that was full at the end of an export, and a disk that hung, were faults of rbee's,
 * depending on which step met them. */
static void test_errors__what_the_disk_says_is_one_code_everywhere(void **state)
{
    const struct err full = {ERR_NO_SPACE, "/m"}, away = {ERR_UNREACHABLE, "/m"},
                     bad = {ERR_IO, "/m"};
    struct api_error e = {0};

    (void)state;
    assert_int_equal(api_code_of_files(ERR_NO_SPACE, API_INVALID_REQUEST), API_DISK_FULL);
    assert_int_equal(api_code_of_files(ERR_UNREACHABLE, API_INTERNAL), API_DISK_NOT_ANSWERING);
    assert_int_equal(api_code_of_files(ERR_DENIED, API_INVALID_REQUEST), API_INVALID_REQUEST);
    api_error_of_files(&e, "hive", &full);
    assert_int_equal(e.code, API_DISK_FULL);
    api_error_of_files(&e, "hive", &away);
    assert_int_equal(e.code, API_DISK_NOT_ANSWERING);
    assert_null(e.details);
    api_error_of_files(&e, "hive", &bad);
    assert_int_equal(e.code, API_INTERNAL);
    assert_non_null(e.details);
    api_error_done(&e);
}

static void test_errors__foreign_bodies_are_no_crash(void **state)
{
    static const char *const bodies[] = {
        "",        "<html>", "{}", "[]", "{\"error\":1}", "{\"error\":{\"code\":1,\"message\":2}}",
        "\xff\xfe"};
    struct api_error e;

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_false(api_error_parse(&e, 502, bodies[i], strlen(bodies[i])));
        assert_int_equal(e.code, API_INTERNAL);
        /* Nothing of it, as a log may hold that: who repeats what it was asked has a prompt there.
         */
        assert_string_equal(e.message, "the answer has status 502 and no error body");
        api_error_done(&e);
    }
}

/* 16 MB of "{}," as an error's body took 1.3 GB of a keeper, which had asked for a list. */
static void test_errors__a_body_of_many_values_is_no_error_body(void **state)
{
    struct api_error e;
    struct buf body;

    (void)state;
    buf_init(&body, 1u << 20);
    buf_puts(&body, "{\"error\":{\"code\":\"INTERNAL\",\"message\":\"m\",\"details\":{\"a\":[{}");
    for (int i = 0; i < 200000; i++)
        buf_puts(&body, ",{}");
    buf_puts(&body, "]}}}");
    assert_false(api_error_parse(&e, 500, buf_str(&body), body.len));
    assert_null(e.details);
    assert_non_null(strstr(e.message, "no error body"));
    api_error_done(&e);
    buf_done(&body);
}

static void test_errors__code_of_a_newer_version_is_shown(void **state)
{
    static const char body[] = "{\"error\":{\"code\":\"BRAND_NEW\",\"message\":\"m\"}}";
    struct api_error e;

    (void)state;
    api_error_parse(&e, 418, body, strlen(body));
    assert_int_equal(e.code, API_INTERNAL);
    assert_string_equal(e.message, "BRAND_NEW: m");
    api_error_done(&e);
}

/* An error without a word came to the user as an empty sentence. */
static void test_errors__an_empty_message_becomes_a_sentence(void **state)
{
    static const char body[] = "{\"error\":{\"code\":\"DISK_FULL\",\"message\":\"\"}}";
    struct api_error e;

    (void)state;
    assert_true(api_error_parse(&e, 507, body, strlen(body)));
    assert_int_equal(e.code, API_DISK_FULL);
    assert_string_equal(e.message, "no reason was told");
    api_error_done(&e);
}

/* "Another worker is started. `rbee-keeper logs` shows the last one's": done in this order it
 * showed the new one's log. Where no worker is named, "`rbee-keeper logs WORKER`" was told, which
 * people typed as it stood: there is no worker of that name. */
static void test_errors__a_hint_names_the_worker_it_is_about(void **state)
{
    static const enum api_code codes[] = {API_WORKER_CRASHED, API_WORKER_STALLED,
                                          API_WORKER_START_FAILED};
    char room[API_HINT_MAX];
    struct api_error e;

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        api_error_set(&e, codes[i], "hive", "it is gone");
        assert_non_null(strstr(api_error_hint(&e, room), "`rbee-keeper logs`"));
        e.details = json_pack("{s:s}", "worker_id", "worker-d39c248d-dce0-4586-a848-b84ecc2a5f37");
        assert_non_null(strstr(api_error_hint(&e, room), "`rbee-keeper logs worker-d39c248d`"));
        json_object_set_new(e.details, "worker_id", json_string("$(reboot) and so on"));
        assert_non_null(strstr(api_error_hint(&e, room), "`rbee-keeper logs`"));
        json_object_set_new(e.details, "hint", json_string("Do that."));
        assert_string_equal(api_error_hint(&e, room), "Do that.");
        api_error_done(&e);
    }
}

/* A body that came too slowly: "Ask for fewer tokens". All connections taken: "start the worker
 * with more slots". */
static void test_errors__what_the_server_finds_has_advice_of_its_own(void **state)
{
    char body[2048];

    (void)state;
    api_error_render(408, "The request did not arrive whole in time.", "hive", "r", body,
                     sizeof body);
    assert_null(strstr(body, "tokens"));
    assert_non_null(strstr(body, "body_timeout"));
    api_error_render(503, "All connections are taken.", "hive", "r", body, sizeof body);
    assert_null(strstr(body, "slots."));
    assert_non_null(strstr(body, "\"hint\":\"Try again in a moment.\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors__every_row_is_filled),
        cmocka_unit_test(test_errors__body_goes_there_and_back),
        cmocka_unit_test(test_errors__message_that_is_no_utf8_is_still_told),
        cmocka_unit_test(test_errors__what_the_disk_says_is_one_code_everywhere),
        cmocka_unit_test(test_errors__foreign_bodies_are_no_crash),
        cmocka_unit_test(test_errors__an_empty_message_becomes_a_sentence),
        cmocka_unit_test(test_errors__a_body_of_many_values_is_no_error_body),
        cmocka_unit_test(test_errors__code_of_a_newer_version_is_shown),
        cmocka_unit_test(test_errors__a_hint_names_the_worker_it_is_about),
        cmocka_unit_test(test_errors__what_the_server_finds_has_advice_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
