/* test_inspect.c - what a look into a model file told, as a verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "hive/inspect_read.h"

struct rig {
    struct buf out, errors;
    struct capture_result r;
    struct inspect_result result;
    struct api_error e;
};

/* A process that printed these, and ended with the code. */
static void read_it(struct rig *rig, const char *out, const char *errors, int code)
{
    *rig = (struct rig){.r = {.out = &rig->out, .errors = &rig->errors, .end = {.code = code}}};
    buf_init(&rig->out, INSPECT_JSON_MAX);
    buf_init(&rig->errors, CAPTURE_ERRORS_MAX);
    buf_puts(&rig->out, out);
    buf_puts(&rig->errors, errors);
    inspect_read("/x.gguf", &rig->r, &rig->result, &rig->e);
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
    assert_error("", "note\nllm-worker-rbee: it is cut off\n", 1, API_INVALID_MODEL_FILE,
                 "it is cut off");
    assert_error("", "\n\n", 3, API_INVALID_MODEL_FILE, "/x.gguf ended with");
    assert_error("{\"supported\":true}", "x\xff\n", 1, API_INVALID_MODEL_FILE, "x?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect__a_good_word_and_its_numbers),
        cmocka_unit_test(test_inspect__every_other_end_has_its_reason),
    };

    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
