/*
 * test_gateway.c - the gateway's parts that need no hive: a worker's events, names that come near,
 * errors in each API's shape, base64, what Ollama's clients are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/inference.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/str.h"
#include "hive/catalog/near.h"
#include "hive/gateway/embed_answer.h"
#include "hive/gateway/event.h"
#include "hive/gateway/ollama.h"
#include "hive/http/shape.h"
#include "net/sse.h"

#define SCRATCH_MAX (1u << 20)

/* ---- events ---- */

struct rig {
    struct buf scratch;
    struct event e;
};

static int read_text(struct rig *r, const char *json)
{
    buf_init(&r->scratch, SCRATCH_MAX);
    return event_read(json, strlen(json), &r->scratch, &r->e);
}

static void rig_done(struct rig *r)
{
    event_done(&r->e);
    buf_done(&r->scratch);
}

static void assert_raw(const struct event *e, const char *raw)
{
    assert_int_equal(e->n, strlen(raw));
    assert_memory_equal(e->raw, raw, e->n);
}

static void test_event__token_stays_as_it_came(void **state)
{
    struct rig r;

    (void)state;
    assert_int_equal(read_text(&r, "{\"type\":\"token\",\"t\":\"a\\\"b\\\\\",\"i\":12}"), 0);
    assert_int_equal(r.e.kind, EVENT_TEXT);
    assert_raw(&r.e, "a\\\"b\\\\");
    assert_null(r.e.root); /* the quick way */
    rig_done(&r);
    assert_int_equal(read_text(&r, "{\"type\":\"reasoning\",\"t\":\"\",\"i\":0}"), 0);
    assert_int_equal(r.e.kind, EVENT_REASONING);
    assert_raw(&r.e, "");
    rig_done(&r);
}

/* The quick way must know what the worker really writes. */
static void test_event__worker_tokens_take_the_quick_way(void **state)
{
    struct buf json;
    struct rig r;

    (void)state;
    buf_init(&json, 4096);
    inference_event_token(&json, "x\n\xc3\xa9", 4, 7);
    assert_int_equal(read_text(&r, buf_str(&json)), 0);
    assert_int_equal(r.e.kind, EVENT_TEXT);
    assert_raw(&r.e, "x\\n\xc3\xa9");
    assert_null(r.e.root);
    rig_done(&r);
    buf_clear(&json);
    inference_event_reasoning(&json, "y", 1, 7, NULL, 0);
    assert_int_equal(read_text(&r, buf_str(&json)), 0);
    assert_int_equal(r.e.kind, EVENT_REASONING);
    assert_null(r.e.root);
    rig_done(&r);
    buf_done(&json);
}

/* Anything unusual is read as JSON, and gives the same. */
static void test_event__unusual_tokens_are_read_too(void **state)
{
    static const char *const texts[] = {
        "{ \"type\":\"token\",\"t\":\"a\\nb\",\"i\":0}", "{\"t\":\"a\\nb\",\"type\":\"token\"}",
        "{\"type\":\"token\",\"t\":\"a\\u000ab\",\"i\":0,\"more\":[1]}"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rig r;

        assert_int_equal(read_text(&r, texts[i]), 0);
        assert_int_equal(r.e.kind, EVENT_TEXT);
        assert_raw(&r.e, "a\\nb");
        assert_non_null(r.e.root);
        rig_done(&r);
    }
}

static void test_event__logprobs_calls_and_errors(void **state)
{
    struct rig r;

    (void)state;
    assert_int_equal(
        read_text(&r, "{\"type\":\"token\",\"t\":\"a\",\"i\":0,\"logprobs\":[{\"id\":1}]}"), 0);
    assert_int_equal(json_array_size(r.e.logprobs), 1);
    rig_done(&r);
    assert_int_equal(
        read_text(&r, "{\"type\":\"tool_call\",\"index\":2,\"id\":\"call_x\",\"name\":\"f\"}"), 0);
    assert_int_equal(r.e.kind, EVENT_TOOL_CALL);
    assert_int_equal(r.e.tool, 2);
    assert_string_equal(r.e.name, "f");
    rig_done(&r);
    assert_int_equal(read_text(&r, "{\"type\":\"tool_args\",\"index\":2,\"t\":\"{\\\"a\\\"\"}"), 0);
    assert_raw(&r.e, "{\\\"a\\\"");
    rig_done(&r);
    assert_int_equal(read_text(&r, "{\"type\":\"error\",\"code\":\"QUEUE_TIMEOUT\","
                                   "\"message\":\"late\",\"retriable\":true}"),
                     0);
    assert_int_equal(r.e.error.code, API_QUEUE_TIMEOUT);
    assert_string_equal(r.e.error.message, "late");
    rig_done(&r);
}

static void test_event__end(void **state)
{
    struct rig r;

    (void)state;
    assert_int_equal(read_text(&r, "{\"type\":\"end\",\"tokens_out\":5,\"decode_time_ms\":9,"
                                   "\"stop_reason\":\"STOP_SEQUENCE\",\"prompt_tokens\":3,"
                                   "\"cached_tokens\":2,\"prefill_time_ms\":1,\"queue_time_ms\":4,"
                                   "\"stop_sequence_matched\":\"\\\"\\n\",\"reasoning_tokens\":1}"),
                     0);
    assert_int_equal(r.e.kind, EVENT_END);
    assert_int_equal(r.e.end.tokens_out, 5);
    assert_int_equal(r.e.end.cached_tokens, 2);
    assert_int_equal(r.e.end.reasoning_tokens, 1);
    assert_int_equal(r.e.end.stop, EVENT_STOP_SEQUENCE);
    assert_string_equal(r.e.end.stop_sequence, "\\\"\\n");
    rig_done(&r);
}

/* A client was told of 18446744073709551612 tokens in its prompt (3 less 7), of times below zero,
 * and a call of number 4294967296 was the first one. */
static void test_event__numbers_make_sense_whatever_the_worker_says(void **state)
{
    struct rig r;

    (void)state;
    assert_int_equal(read_text(&r, "{\"type\":\"end\",\"tokens_out\":9007199254740993,"
                                   "\"stop_reason\":\"EOS\",\"prompt_tokens\":3,"
                                   "\"cached_tokens\":7,\"reasoning_tokens\":-1,"
                                   "\"prefill_time_ms\":9223372036854775000,"
                                   "\"decode_time_ms\":9223372036854775000,"
                                   "\"queue_time_ms\":9223372036854775000}"),
                     0);
    assert_int_equal(r.e.end.cached_tokens, 3);
    assert_int_equal(r.e.end.tokens_out, EVENT_COUNT_MAX);
    assert_int_equal(r.e.end.reasoning_tokens, 0);
    assert_int_equal(r.e.end.prefill_ms, EVENT_MS_MAX);
    assert_int_equal(r.e.end.decode_ms, EVENT_MS_MAX);
    assert_int_equal(r.e.end.queue_ms, EVENT_MS_MAX);
    rig_done(&r);
    assert_int_equal(read_text(&r, "{\"type\":\"tool_args\",\"index\":4294967296,\"t\":\"{}\"}"),
                     0);
    assert_int_equal(r.e.tool, EVENT_COUNT_MAX);
    rig_done(&r);
}

/* An event has at most a MiB: of "{}," those were 85 MB in the hive, for each that a worker sent.
 */
static void test_event__many_values_are_not_made(void **state)
{
    struct buf text;
    struct rig r;

    (void)state;
    buf_init(&text, SSE_EVENT_MAX);
    buf_puts(&text, "{\"type\":\"x\",\"a\":[");
    while (text.len < SSE_EVENT_MAX - 8)
        buf_puts(&text, "{},");
    buf_puts(&text, "{}]}");
    assert_int_equal(read_text(&r, buf_str(&text)), -1);
    assert_null(r.e.root);
    rig_done(&r);
    buf_done(&text);
}

static void test_event__what_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "{\"type\":\"token\",\"t\":\"a",
                                      "{\"type\":\"token\",\"t\":\"a\\",
                                      "{\"type\":\"token\",\"t\":7,\"i\":0}",
                                      "{\"type\":\"tool_call\",\"index\":0}",
                                      "{\"type\":\"token\",\"t\":\"a\",\"i\":0}}"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rig r;

        assert_int_equal(read_text(&r, bad[i]), -1);
        rig_done(&r);
    }
}

/* A worker that its model had taken over wrote lines of its own into its clients' streams: a text
 * on the quick way went to them as it stood, line feeds, wrong escapes and all. */
static void test_event__a_text_is_the_inside_of_a_json_string(void **state)
{
    static const char *const bad[] = {
        "half\ndata: [DONE]\n", "\x01",  "\\q",    "\\x41", "\\", "\xc3",
        "\xed\xa0\x80",         "\\u12", "\\ud800"};
    static const char *const good[][2] = {
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\\\"\\\\\\/\\b\\f\\n\\r\\t"},
        {"\xf0\x9f\x90\x9d\x7f", "\xf0\x9f\x90\x9d\x7f"},
        {"\\u00e9", "\xc3\xa9"}};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rig r;

        snprintf(text, sizeof text, "{\"type\":\"token\",\"t\":\"%s\",\"i\":0}", bad[i]);
        assert_int_equal(read_text(&r, text), -1);
        rig_done(&r);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct rig r;

        snprintf(text, sizeof text, "{\"type\":\"token\",\"t\":\"%s\",\"i\":0}", good[i][0]);
        assert_int_equal(read_text(&r, text), 0);
        assert_raw(&r.e, good[i][1]);
        rig_done(&r);
    }
}

/* ---- names ---- */

static void test_near__nearest_first(void **state)
{
    struct near near = {0};
    char text[256];

    (void)state;
    near_text(&near, "x", text, sizeof text);
    assert_string_equal(text, "");
    near_add(&near, "mistral");
    near_add(&near, "tiny");
    near_add(&near, "tiny");
    near_add(&near, "Tina");
    near_text(&near, "tine", text, sizeof text);
    assert_string_equal(text, "tiny, Tina, mistral");
    near_text(&near, "tine", text, 4); /* cut, not overrun */
    assert_true(strlen(text) < 4);
    near_done(&near);
}

/* ---- errors ---- */

static json_t *shaped(enum shape shape, const struct api_error *e)
{
    struct buf text;
    json_t *out;

    buf_init(&text, SCRATCH_MAX);
    shape_error(shape, e, "req-1", &text);
    out = json_loadb(buf_str(&text), text.len, 0, NULL);
    buf_done(&text);
    assert_non_null(out);
    return out;
}

static const char *at(const json_t *root, const char *name, const char *inner)
{
    const json_t *v = json_object_get(root, name);

    return json_string_value(inner ? json_object_get(v, inner) : v);
}

/* A worker's details may be as long as its answer: the sentence got lost with them. */
static void test_shape__the_sentence_arrives_whatever_the_details(void **state)
{
    static char long_text[200001];
    static const enum shape shapes[] = {SHAPE_OPENAI, SHAPE_ANTHROPIC, SHAPE_OLLAMA, SHAPE_MODELS,
                                        SHAPE_RBEE};

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct api_error e;
        json_t *out, *error;

        api_error_set(&e, API_WORKER_CRASHED, "worker", "it fell");
        e.details = json_pack("{s:{s:s}}", "loading", "stage", long_text);
        out = shaped(shapes[i], &e);
        error = json_object_get(out, "error");
        assert_non_null(
            strstr(json_is_string(error) ? json_string_value(error) : at(out, "error", "message"),
                   "it fell"));
        assert_true(json_dumpb(out, NULL, 0, 0) < 65536); /* it fits where answers are made */
        json_decref(out);
        api_error_done(&e);
    }
}

static void test_shape__one_error_in_each_shape(void **state)
{
    struct api_error e;
    json_t *root;

    (void)state;
    api_error_set(&e, API_MODEL_NOT_FOUND, "hive", "there is no \"x\"\n");
    root = shaped(SHAPE_OPENAI, &e);
    assert_string_equal(at(root, "error", "code"), "model_not_found");
    assert_string_equal(at(root, "error", "type"), "invalid_request_error");
    assert_true(json_is_null(json_object_get(json_object_get(root, "error"), "param")));
    assert_string_equal(at(root, "error", "request_id"), "req-1");
    assert_non_null(strstr(at(root, "error", "message"), "there is no \"x\""));
    json_decref(root);
    root = shaped(SHAPE_ANTHROPIC, &e);
    assert_string_equal(at(root, "type", NULL), "error");
    assert_string_equal(at(root, "error", "type"), "not_found_error");
    assert_string_equal(at(root, "request_id", NULL), "req-1");
    json_decref(root);
    root = shaped(SHAPE_OLLAMA, &e);
    assert_non_null(strstr(at(root, "error", NULL), "there is no \"x\""));
    json_decref(root);
    root = shaped(SHAPE_RBEE, &e);
    assert_string_equal(at(root, "error", "code"), "MODEL_NOT_FOUND");
    json_decref(root);
}

/* The worker's program was missing, and the advice was to look into its log: what the error itself
 * says stood in the details alone, which most of these clients do not show. */
static void test_shape__an_errors_own_hint_goes_before_its_rows(void **state)
{
    static const enum shape shapes[] = {SHAPE_OPENAI, SHAPE_ANTHROPIC, SHAPE_OLLAMA};
    struct api_error e;

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct buf text;

        api_error_set(&e, API_WORKER_START_FAILED, "hive", "the program is not there");
        e.details = json_pack("{s:s}", "hint", "Install it.");
        buf_init(&text, 65536);
        shape_error(shapes[i], &e, "req-1", &text);
        assert_non_null(strstr(buf_str(&text), "\"the program is not there. Install it.\""));
        buf_done(&text);
        api_error_done(&e);
    }
}

/* The list of models is read by rbee's clients and by OpenAI's: its errors are for both. */
static void test_shape__errors_of_the_list_of_models_are_for_both(void **state)
{
    struct api_error e;
    json_t *root;

    (void)state;
    api_error_set(&e, API_INVALID_API_KEY, "hive", "wrong");
    root = shaped(SHAPE_MODELS, &e);
    assert_string_equal(at(root, "error", "code"), "INVALID_API_KEY");
    assert_string_equal(at(root, "error", "src"), "hive");
    assert_string_equal(at(root, "error", "type"), "authentication_error");
    assert_true(json_is_null(json_object_get(json_object_get(root, "error"), "param")));
    json_decref(root);
}

/* How far a model is stands in every API's error, in OpenAI's inside, else beside it. */
static void test_shape__loading_is_told_in_each_shape(void **state)
{
    static const enum shape all[] = {SHAPE_OPENAI, SHAPE_ANTHROPIC, SHAPE_OLLAMA};
    struct api_error e;

    (void)state;
    api_error_set(&e, API_LOADING_TIMEOUT, "hive", "still being loaded");
    e.details = json_pack("{s:{s:i, s:i}}", "loading", "done", 3, "total", 7);
    for (size_t i = 0; i < 3; i++) {
        json_t *root = shaped(all[i], &e), *where = root;

        if (all[i] == SHAPE_OPENAI)
            where = json_object_get(root, "error");
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(where, "loading"), "done")), 3);
        json_decref(root);
    }
    api_error_done(&e);
}

static void test_shape__each_bad_field_is_told(void **state)
{
    struct api_error e;
    json_t *root;

    (void)state;
    api_error_set(&e, API_INVALID_REQUEST, "hive", "the request has 2 bad fields: one.");
    e.details = json_pack("{s:[{s:s, s:s}, {s:s, s:s}]}", "errors", "field", "a", "message",
                          "a is bad.", "field", "b", "message", "b is worse.");
    root = shaped(SHAPE_OPENAI, &e);
    assert_string_equal(at(root, "error", "message"), "a is bad. b is worse.");
    assert_string_equal(at(root, "error", "param"), "a");
    json_decref(root);
    api_error_done(&e);
}

/* Claude Code shortens a conversation that is too long, and so do OpenAI's agents, when they are
 * told in the words that they know; of ours they made an error like any other, and the user was
 * stuck. */
static void test_shape__a_long_prompt_is_told_in_the_words_that_agents_know(void **state)
{
    struct api_error e;
    json_t *root;

    (void)state;
    api_error_set(&e, API_CONTEXT_LENGTH_EXCEEDED, "worker", "The prompt has 9000 tokens.");
    e.details = json_pack("{s:i, s:i}", "n_ctx", 4096, "prompt_tokens", 9000);
    root = shaped(SHAPE_ANTHROPIC, &e);
    assert_true(str_starts(at(root, "error", "message"),
                           "prompt is too long: 9000 tokens > 4095 maximum. The prompt has 9000"));
    json_decref(root);
    root = shaped(SHAPE_OPENAI, &e);
    assert_true(str_starts(at(root, "error", "message"),
                           "This model's maximum context length is 4096 tokens. The prompt has"));
    json_decref(root);
    root = shaped(SHAPE_OLLAMA, &e);
    assert_true(str_starts(at(root, "error", NULL), "The prompt has 9000 tokens."));
    json_decref(root);
    api_error_done(&e);
    /* one that was not counted: the least it can have was told as what it has */
    api_error_set(&e, API_CONTEXT_LENGTH_EXCEEDED, "worker", "The prompt has 4000000 bytes.");
    e.details = json_pack("{s:i, s:i, s:i}", "n_ctx", 4096, "prompt_bytes", 4000000,
                          "prompt_tokens_least", 5000);
    root = shaped(SHAPE_ANTHROPIC, &e);
    assert_true(str_starts(at(root, "error", "message"),
                           "prompt is too long: 1000000 tokens > 4095 maximum, by its 4000000 "
                           "bytes. The prompt has 4000000 bytes."));
    json_decref(root);
    api_error_done(&e);
}

static void test_shape__paths(void **state)
{
    (void)state;
    assert_int_equal(shape_of_path("/v1/messages/count_tokens?beta=true"), SHAPE_ANTHROPIC);
    assert_int_equal(shape_of_path("/api/chat"), SHAPE_OLLAMA);
    assert_int_equal(shape_of_path("/v1/responses"), SHAPE_OPENAI);
    assert_int_equal(shape_of_path("/v1/workers/list"), SHAPE_RBEE);
    assert_int_equal(shape_of_path("/v1/models"), SHAPE_MODELS);
    assert_int_equal(shape_of_path("/v1/models?x=1"), SHAPE_MODELS);
    assert_int_equal(shape_of_path("/v1/models/hf:org/repo"), SHAPE_MODELS);
    assert_int_equal(shape_of_path("/v1/models/show?model_ref=x"), SHAPE_RBEE);
    assert_int_equal(shape_of_path("/v1/models/download"), SHAPE_RBEE);
    assert_int_equal(shape_of_path("/v1/modelsx"), SHAPE_RBEE);
    assert_int_equal(shape_of_path(NULL), SHAPE_RBEE);
    assert_false(shape_is_large("/v1/models"));
    assert_false(shape_is_large("/v1/workers/spawn"));
}

static void test_shape__server_errors_fit_a_small_place(void **state)
{
    char dst[64];

    (void)state;
    shape_render(SHAPE_OPENAI, 413, "The request's body is over the 5 bytes allowed.", "r", dst,
                 sizeof dst);
    json_decref(json_loads(dst, 0, NULL));
    assert_non_null(strstr(dst, "BODY_TOO_LARGE"));
}

/* ---- base64: RFC 4648, section 10 ---- */

static void test_base64__vectors_of_the_rfc(void **state)
{
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"},
                             *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                               "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    struct buf b;

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        buf_init(&b, 64);
        assert_int_equal(base64_put(&b, plain[i], strlen(plain[i])), 0);
        assert_string_equal(buf_str(&b), coded[i]);
        buf_done(&b);
    }
    buf_init(&b, 3);
    assert_int_equal(base64_put(&b, "f", 1), -1);
    buf_done(&b);
}

/* ---- vectors ---- */

/* A worker's answer without its counts was told as a lack of memory; nulls and numbers beyond a
 * float went on to the client. */
static void test_vectors__are_what_the_worker_says_they_are(void **state)
{
    static const char *const good[] = {
        "{\"embeddings\":[[1,-2.5]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1],[3.4028234e38]],\"dimensions\":1,\"prompt_tokens\":0}",
        " {\"a\":[{\"embeddings\":1}],\"model\":\"\\\"embeddings\\\":[\",\"dimensions\":1,"
        "\"prompt_tokens\":0,\n\"embeddings\" : [ [ 1 ] , [ 0.5E+1 ] ] } ",
        "{\"embeddings\":[[99999999999999999999999999999999999999,-0,0.0,1e-999]],"
        "\"dimensions\":4,\"prompt_tokens\":3}"};
    static const char *const bad[] = {
        "",
        "{}",
        "{\"embeddings\"",
        "{\"embeddings",
        "{\"embeddings\":[[1",
        "{\"embeddings\":[[1]",
        "[\"embeddings\",[[1]]]",
        "{\"embeddings\":[[1,2]],\"dimensions\":2}",
        "{\"embeddings\":[[1,2]],\"prompt_tokens\":3}",
        "{\"embeddings\":[],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[]],\"dimensions\":0,\"prompt_tokens\":3}",
        "{\"embeddings\":{\"a\":1},\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,2],[3]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,2]],\"dimensions\":3,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,null]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,\"2\"]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,3.5e38]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,999999999999999999999999999999999999999]],\"dimensions\":2,"
        "\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,02]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,2.]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,.2]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,+2]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,2e]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,0x2]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,nan]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,2,]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,2],],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,2]],\"dimensions\":2,\"prompt_tokens\":3",
        "{\"embeddings\":[[1,2]],\"dimensions\":2,\"prompt_tokens\":3}}",
        "{\"embeddings\":[[1,2]],\"embeddings\":[[1,2]],\"dimensions\":2,\"prompt_tokens\":3}",
        "{\"embeddings\":[[1,2]],\"dimensions\":2,\"prompt_tokens\":-1}"};
    struct embed_answer a;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (embed_answer_read(good[i], strlen(good[i]), false, &a))
            fail_msg("not taken: %s", good[i]);
        embed_answer_done(&a);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *exact = str_dup(bad[i]); /* a sanitizer sees what is read behind it */

        if (embed_answer_read(exact, strlen(exact), false, &a) != ERR_INVALID)
            fail_msg("taken: %s", bad[i]);
        assert_null(a.vectors);
        free(exact);
    }
}

static void check_put(const char *text, bool base64, const char *first, const char *second)
{
    struct embed_answer a;
    struct buf out;

    assert_int_equal(embed_answer_read(text, strlen(text), base64, &a), 0);
    assert_int_equal(a.n_vectors, 2);
    assert_int_equal(a.n_dimensions, 2);
    assert_int_equal(a.prompt_tokens, 7);
    buf_init(&out, 256);
    assert_int_equal(embed_answer_put(&a, 0, &out), 0);
    assert_string_equal(buf_str(&out), first);
    buf_clear(&out);
    assert_int_equal(embed_answer_put(&a, 1, &out), 0);
    assert_string_equal(buf_str(&out), second);
    buf_done(&out);
    embed_answer_done(&a);
}

static void test_vectors__are_handed_on_as_they_came(void **state)
{
    (void)state;
    check_put("{\"embeddings\":[[0.183634624,-2.5e-05], [ 1 , 3.4028234e38 ]],\"dimensions\":2,"
              "\"prompt_tokens\":7}",
              false, "[0.183634624,-2.5e-05]", "[ 1 , 3.4028234e38 ]");
    check_put("{\"embeddings\":[\"two8Phe30bc=\" ,\"AACAP///f38=\"],\"dimensions\":2,"
              "\"prompt_tokens\":7}",
              true, "\"two8Phe30bc=\"", "\"AACAP///f38=\"");
}

/* Of one float each: too little, too much, no base64, padding in the wrong place. */
static void test_vectors__that_are_no_base64_of_floats_are_refused(void **state)
{
    static const char *const bad[] = {
        "",          "AACAPw=",  "AACAPw",   "AACAPw===",  "AACAPwA=", "AACAPwAA",
        "AAC PPw==", "AACAP-==", "AAC=Pw==", "AACA\\/w==", "====",     "AACAPw==AACAPw=="};
    struct embed_answer a;
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text,
                 "{\"embeddings\":[\"%s\"],\"dimensions\":1,\"prompt_tokens\":7}", bad[i]);
        if (embed_answer_read(text, strlen(text), true, &a) != ERR_INVALID)
            fail_msg("taken: %s", bad[i]);
    }
    snprintf(text, sizeof text,
             "{\"embeddings\":[\"AACAPw==\"],\"dimensions\":1,\"prompt_tokens\":7}");
    assert_int_equal(embed_answer_read(text, strlen(text), false, &a), ERR_INVALID);
    assert_int_equal(embed_answer_read(text, strlen(text), true, &a), 0);
    embed_answer_done(&a);
}

/* ---- Ollama's words ---- */

/* 59 letters and one that takes two bytes: a cut at 60 goes through it. Such an architecture left
 * "block_count" and all the others out of /api/show, without a word. */
static void test_ollama__numbers_stay_with_a_long_architecture(void **state)
{
    char arch[62];
    json_t *said, *info, *value;
    const char *name;

    (void)state;
    memset(arch, 'a', 59);
    memcpy(arch + 59, "\xc3\xa9", 3);
    said = json_pack("{s:s, s:i, s:f}", "architecture", arch, "n_layers", 4, "rope_freq_base", 1e4);
    info = ollama_info(said);
    assert_int_equal(json_object_size(info), 3);
    assert_string_equal(json_string_value(json_object_get(info, "general.architecture")), arch);
    json_object_del(info, "general.architecture");
    json_object_foreach(info, name, value)
        assert_true(str_ends(name, ".block_count") || str_ends(name, ".rope.freq_base"));
    json_decref(info);
    json_decref(said);
}

/* The same at 100 bytes of a file's name: no line told of that download before its end. */
static void test_ollama__progress_is_told_of_a_long_name(void **state)
{
    char name[128];
    const struct download_look look = {
        .file = name, .sha256 = "", .path = "", .file_done = 5, .file_total = 9};
    json_t *line;

    (void)state;
    memset(name, 'a', 99);
    str_copy(name + 99, sizeof name - 99, "\xc3\xa9.gguf");
    line = ollama_progress(&look);
    assert_int_equal(json_integer_value(json_object_get(line, "completed")), 5);
    assert_int_equal(json_integer_value(json_object_get(line, "total")), 9);
    assert_int_equal(json_string_length(json_object_get(line, "status")), strlen("pulling ") + 100);
    json_decref(line);
}

/* Ollama's own program cuts 12 digits out of each digest and ended with a panic where there were
 * none: `ollama list` for the bundled model, `ollama ps`, and a pull of a file whose digest the hub
 * did not tell. */
static void test_ollama__a_digest_is_never_empty(void **state)
{
    static const char known[] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    const struct download_look look = {.file = "x.gguf", .sha256 = "", .path = ""};
    char first[SHA256_HEX_BYTES], other[SHA256_HEX_BYTES];
    const char *digest;
    json_t *line;

    (void)state;
    assert_string_equal(ollama_digest(known, "tiny", 1, 2, first), known);
    ollama_digest("", "tiny", 1, 2, first);
    assert_int_equal(strspn(first, "0123456789abcdef"), 64);
    assert_string_equal(ollama_digest("", "tiny", 1, 2, other), first);
    assert_string_not_equal(ollama_digest("", "tinz", 1, 2, other), first);
    assert_string_not_equal(ollama_digest("", "tiny", 3, 2, other), first);
    assert_string_not_equal(ollama_digest("", "tiny", 1, 3, other), first);
    line = ollama_progress(&look);
    digest = json_string_value(json_object_get(line, "digest"));
    assert_true(str_starts(digest, "sha256:"));
    assert_int_equal(strspn(digest + 7, "0123456789abcdef"), 64);
    json_decref(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__token_stays_as_it_came),
        cmocka_unit_test(test_event__worker_tokens_take_the_quick_way),
        cmocka_unit_test(test_event__unusual_tokens_are_read_too),
        cmocka_unit_test(test_event__logprobs_calls_and_errors),
        cmocka_unit_test(test_event__end),
        cmocka_unit_test(test_event__a_text_is_the_inside_of_a_json_string),
        cmocka_unit_test(test_event__numbers_make_sense_whatever_the_worker_says),
        cmocka_unit_test(test_event__what_is_none_is_refused),
        cmocka_unit_test(test_event__many_values_are_not_made),
        cmocka_unit_test(test_near__nearest_first),
        cmocka_unit_test(test_shape__one_error_in_each_shape),
        cmocka_unit_test(test_shape__an_errors_own_hint_goes_before_its_rows),
        cmocka_unit_test(test_shape__errors_of_the_list_of_models_are_for_both),
        cmocka_unit_test(test_shape__loading_is_told_in_each_shape),
        cmocka_unit_test(test_shape__each_bad_field_is_told),
        cmocka_unit_test(test_shape__the_sentence_arrives_whatever_the_details),
        cmocka_unit_test(test_shape__a_long_prompt_is_told_in_the_words_that_agents_know),
        cmocka_unit_test(test_shape__paths),
        cmocka_unit_test(test_shape__server_errors_fit_a_small_place),
        cmocka_unit_test(test_base64__vectors_of_the_rfc),
        cmocka_unit_test(test_vectors__are_what_the_worker_says_they_are),
        cmocka_unit_test(test_vectors__are_handed_on_as_they_came),
        cmocka_unit_test(test_vectors__that_are_no_base64_of_floats_are_refused),
        cmocka_unit_test(test_ollama__numbers_stay_with_a_long_architecture),
        cmocka_unit_test(test_ollama__progress_is_told_of_a_long_name),
        cmocka_unit_test(test_ollama__a_digest_is_never_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
