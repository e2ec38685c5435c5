/* test_inspect.c - what a look into a model file told, as a verdict. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "hive/catalog/inspect_read.h"

struct rig {
    struct buf out, errors;
    struct capture_result r;
    struct inspect_result result;
    struct api_error e;
};

/* A process that printed these, and ended with the code. */
static void read_end(struct rig *rig, const char *out, const char *errors, int rc,
                     struct child_end end)
{
    *rig = (struct rig){.r = {.rc = rc, .out = &rig->out, .errors = &rig->errors, .end = end}};
    buf_init(&rig->out, INSPECT_JSON_MAX);
    buf_init(&rig->errors, CAPTURE_ERRORS_MAX);
    buf_puts(&rig->out, out);
    buf_puts(&rig->errors, errors);
    inspect_read("/x.gguf", &rig->r, &rig->result, &rig->e);
}

static void read_it(struct rig *rig, const char *out, const char *errors, int code)
{
    read_end(rig, out, errors, 0, (struct child_end){.code = code});
}

static void rig_done(struct rig *rig)
{
    json_decref(rig->result.json);
    api_error_done(&rig->e);
    buf_done(&rig->out);
    buf_done(&rig->errors);
}

static void assert_error(const char *out, const char *errors, int code, enum api_code expected,
                         const char *says)
{
    struct rig rig;

    read_it(&rig, out, errors, code);
    assert_ptr_equal(rig.result.error, &rig.e);
    assert_int_equal(rig.e.code, expected);
    if (!strstr(rig.e.message, says))
        fail_msg("'%s' does not say '%s'", rig.e.message, says);
    assert_true(str_is_utf8(rig.e.message, strlen(rig.e.message)));
    rig_done(&rig);
}

static void test_inspect__a_good_word_and_its_numbers(void **state)
{
    struct rig rig;

    (void)state;
    read_it(&rig,
            "{\"supported\":true,\"file_bytes\":5,\"parts\":1,\"context_length\":-1,"
            "\"weight_bytes\":99999999999999999999,\"scratch_bytes\":\"7\"}",
            "", 0);
    assert_null(rig.result.error);
    assert_int_equal(rig.result.facts.file_bytes, 5);
    assert_int_equal(rig.result.facts.n_parts, 1);
    assert_int_equal(rig.result.facts.context_length, 0);
    assert_int_equal(rig.result.facts.weight_bytes, 0);
    assert_int_equal(rig.result.facts.scratch_bytes, 0);
    rig_done(&rig);
}

static void test_inspect__every_other_end_has_its_reason(void **state)
{
    (void)state;
    assert_error("{\"supported\":false,\"reason\":\"no such thing\"}", "", 0, API_UNSUPPORTED_MODEL,
                 "no such thing");
    assert_error("{\"supported\":false,\"reason\":\"\"}", "", 0, API_UNSUPPORTED_MODEL,
                 "the model cannot be run here"); /* never an error without a word */
    assert_error("{}", "", 0, API_UNSUPPORTED_MODEL, "cannot be run");
    assert_error("{\"supported\":false,\"reason\":\"a tensor is missing\",\"damaged\":true}", "", 0,
                 API_INVALID_MODEL_FILE, "a tensor is missing");
    assert_error("[true]", "", 0, API_WORKER_START_FAILED, "not JSON");
    assert_error("{\"supported\":false,\"reason\":\"no GGUF\",\"damaged\":true}",
                 "llm-worker-rbee: no GGUF\n", 1, API_INVALID_MODEL_FILE, "no GGUF");
    assert_error("", "note\nllm-worker-rbee: no memory\n", 1, API_WORKER_START_FAILED,
                 "exit code 1: no memory, which says nothing");
    assert_error("", "\n\n", 3, API_WORKER_START_FAILED, "/x.gguf ended with");
    assert_error("{\"supported\":true}", "x\xff\n", 1, API_WORKER_START_FAILED, "x?");
}

/*
 * A model's verdict is kept with its digest. A look that the kernel killed for want of memory, that
 * a busy disk held up for 10 s, or that lacked a library, was once such a verdict: the good file
 * was INVALID_MODEL_FILE from then on, however often it was fetched, under any name.
 */
static void test_inspect__what_befell_the_look_is_no_verdict_on_the_file(void **state)
{
    static const struct {
        int rc;
        struct child_end end;
        enum api_code code;
    } ends[] = {
        {ERR_TIMEOUT, {0}, API_WORKER_START_FAILED},
        {ERR_NO_MEMORY, {0}, API_WORKER_START_FAILED}, /* no process was to be had */
        {0, {true, SIGKILL}, API_WORKER_START_FAILED},
        {0, {true, SIGTERM}, API_WORKER_START_FAILED},
        {0, {true, SIGBUS}, API_WORKER_START_FAILED},
        {0, {false, 127}, API_WORKER_START_FAILED},
        {0, {false, CHILD_END_UNKNOWN}, API_WORKER_START_FAILED},
        {0, {true, SIGSEGV}, API_INVALID_MODEL_FILE}, /* its own doing, perhaps; not kept either */
        {ERR_LIMIT, {0}, API_INVALID_MODEL_FILE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct rig rig;

        read_end(&rig, "", "why\n", ends[i].rc, ends[i].end);
        assert_ptr_equal(rig.result.error, &rig.e);
        assert_int_equal(rig.e.code, ends[i].code);
        assert_false(rig.result.judged);
        rig_done(&rig);
    }
}

static void test_inspect__what_it_says_itself_is_a_verdict(void **state)
{
    static const struct {
        const char *out;
        int code;
    } words[] = {{"{\"supported\":true}", 0},
                 {"{\"supported\":false,\"reason\":\"phi3\"}", 0},
                 {"{\"supported\":false,\"damaged\":true,\"reason\":\"no GGUF\"}", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct rig rig;

        read_it(&rig, words[i].out, "", words[i].code);
        assert_true(rig.result.judged);
        rig_done(&rig);
    }
}

/*
 * What inspect says was taken whole, up to its 8 MiB: of "{}," those were 650 MiB in the hive,
 * which stood still for 1.4 s. So a file that took over its look took the hive with it.
 */
static void test_inspect__many_values_are_not_made(void **state)
{
    struct buf text;
    struct rig rig;

    (void)state;
    buf_init(&text, INSPECT_JSON_MAX);
    buf_puts(&text, "{\"supported\":true,\"a\":[");
    while (text.len < INSPECT_JSON_MAX - 8)
        buf_puts(&text, "{},");
    buf_puts(&text, "{}]}");
    read_it(&rig, buf_str(&text), "", 0);
    assert_null(rig.result.json);
    assert_false(rig.result.judged);
    assert_int_equal(rig.e.code, API_INVALID_MODEL_FILE);
    assert_non_null(strstr(rig.e.message, "/x.gguf is too long: it has so many values"));
    rig_done(&rig);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect__a_good_word_and_its_numbers),
        cmocka_unit_test(test_inspect__every_other_end_has_its_reason),
        cmocka_unit_test(test_inspect__what_befell_the_look_is_no_verdict_on_the_file),
        cmocka_unit_test(test_inspect__what_it_says_itself_is_a_verdict),
        cmocka_unit_test(test_inspect__many_values_are_not_made),
    };

    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
