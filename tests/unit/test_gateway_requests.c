/*
 * test_gateway_requests.c - what the APIs' clients write becomes the worker's request: read without
 * a loss, or refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"
#include "hive/gateway/request.h"

/* Reads a body that is good. */
static void read_good(const struct request_kind *kind, const char *body, struct order *o)
{
    struct api_error e = {0};

    assert_int_equal(order_init(o), 0);
    if (request_read(kind, body, strlen(body), o, &e, "hive"))
        fail_msg("%s: %s", body, e.message);
}

/* The field that a body is refused for, which must be the only one. */
static void assert_refused(const struct request_kind *kind, const char *body, const char *field)
{
    struct api_error e = {0};
    struct order o;
    json_t *errors;

    assert_int_equal(order_init(&o), 0);
    if (request_read(kind, body, strlen(body), &o, &e, "hive") == 0)
        fail_msg("taken: %s", body);
    assert_int_equal(e.code, API_INVALID_REQUEST);
    errors = json_object_get(e.details, "errors");
    assert_int_equal(json_array_size(errors), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(errors, 0), "field")),
                        field);
    api_error_done(&e);
    order_done(&o);
}

/* What its answer repeats. */
static json_t *echo_of(const struct order *o)
{
    json_t *echo = json_loads(o->echo_text, JSON_REJECT_DUPLICATES, NULL);

    assert_true(json_is_object(echo));
    assert_int_equal(strlen(o->echo_text), o->n_echo);
    return echo;
}

static json_t *body_of(struct order *o, unsigned index)
{
    char *text = order_body(o, index);
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    free(text);
    assert_true(json_is_object(body));
    return body;
}

static void test_request__each_choice_has_its_prompt_and_seed(void **state)
{
    struct order o;
    json_t *body;

    (void)state;
    read_good(&request_text, "{\"prompt\":[\"a\",[5,6]],\"n\":2,\"seed\":7}", &o);
    assert_int_equal(order_n_choices(&o), 4);
    body = body_of(&o, 1);
    assert_string_equal(json_string_value(json_object_get(body, "prompt")), "a");
    assert_true(json_is_true(json_object_get(body, "parse_special")));
    assert_int_equal(json_integer_value(json_object_get(body, "seed")), 8);
    assert_null(json_object_get(body, "prompt_tokens"));
    json_decref(body);
    body = body_of(&o, 2);
    assert_int_equal(json_array_size(json_object_get(body, "prompt_tokens")), 2);
    assert_int_equal(json_integer_value(json_object_get(body, "seed")), 7);
    assert_null(json_object_get(body, "prompt"));
    assert_null(json_object_get(body, "parse_special"));
    json_decref(body);
    body = body_of(&o, 1); /* asked once more, of another worker */
    assert_string_equal(json_string_value(json_object_get(body, "prompt")), "a");
    assert_true(json_is_true(json_object_get(body, "stream")));
    json_decref(body);
    assert_true(order_has_text(&o));
    order_forget_text(&o);
    assert_false(order_has_text(&o));
    order_done(&o);
    assert_refused(&request_text, "{\"prompt\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"n\":8}", "n");
}

/* A text ended at its first NUL on the way: the model was asked something else, or nothing. */
static void test_request__a_nul_does_not_end_a_text(void **state)
{
    (void)state;
    assert_refused(&request_ollama_generate, "{\"prompt\":\"a\\u0000b\"}", "prompt");
    assert_refused(&request_ollama_generate, "{\"prompt\":\"a\",\"system\":\"\\u0000b\"}",
                   "system");
    assert_refused(&request_responses,
                   "{\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\","
                   "\"arguments\":\"{\\u0000}\"}]}",
                   "input");
}

/* An unknown name was quoted up to the middle of its last character, which JSON does not take: the
 * failure was lost, and the request was answered as if the name meant nothing. */
static void test_request__long_names_of_any_letters_are_refused(void **state)
{
    (void)state;
    assert_refused(&request_chat,
                   "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"response_format\":"
                   "{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{},"
                   "\"xéééééééééééééééééééééééééééééé\":1}}}",
                   "response_format");
}

static void assert_message(json_t *body, size_t i, const char *role, const char *content)
{
    const json_t *message = json_array_get(json_object_get(body, "messages"), i);

    assert_string_equal(json_string_value(json_object_get(message, "role")), role);
    assert_string_equal(json_string_value(json_object_get(message, "content")), content);
}

/* Claude Code was refused with every request: what it sends by itself had no place here. It says
 * things to the model in the middle of a conversation, wishes for an effort and for thoughts to be
 * kept, and brings back thoughts that only another server can read and tools that a search has
 * found. */
static void test_request__what_claude_code_sends_is_taken(void **state)
{
    struct order o;
    json_t *body, *vars;

    (void)state;
    read_good(
        &request_messages,
        "{\"model\":\"tiny\",\"max_tokens\":9,\"stream\":true,"
        "\"cache_control\":{\"type\":\"ephemeral\"},\"thinking\":{\"type\":\"adaptive\"},"
        "\"context_management\":{\"edits\":[{\"type\":\"clear_thinking_20251015\",\"keep\":"
        "\"all\"}]},\"output_config\":{\"effort\":\"high\",\"format\":null},"
        "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
        "{\"role\":\"system\",\"content\":\"Agents: none.\"},"
        "{\"role\":\"assistant\",\"content\":[{\"type\":\"redacted_thinking\",\"data\":\"x\"},"
        "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"find\",\"input\":{}}]},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
        "\"content\":[{\"type\":\"tool_reference\",\"tool_name\":\"Bash\"}]}]}]}",
        &o);
    body = body_of(&o, 0);
    assert_message(body, 0, "user", "hi");
    assert_message(body, 1, "system", "Agents: none.");
    assert_message(body, 2, "assistant", "");
    assert_message(body, 3, "tool", "Bash");
    vars = json_object_get(body, "template_vars");
    assert_string_equal(json_string_value(json_object_get(vars, "reasoning_effort")), "high");
    assert_true(json_is_true(json_object_get(vars, "enable_thinking")));
    assert_null(json_object_get(body, "json_schema"));
    json_decref(body);
    order_done(&o);
}

#define ONE_MESSAGE "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"

static void test_request__output_config_may_hold_a_schema(void **state)
{
    struct order o;
    json_t *body;

    (void)state;
    read_good(&request_messages,
              ONE_MESSAGE "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":"
                          "{\"type\":\"array\"}}}}",
              &o);
    body = body_of(&o, 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(body, "json_schema"), "type")), "array");
    json_decref(body);
    order_done(&o);
    assert_refused(&request_messages, ONE_MESSAGE "\"output_config\":{\"tone\":\"dry\"}}",
                   "output_config");
    assert_refused(&request_messages, ONE_MESSAGE "\"output_config\":{\"effort\":5}}",
                   "output_config");
    assert_refused(&request_messages,
                   ONE_MESSAGE "\"output_config\":{\"format\":{\"type\":\"text\"}}}",
                   "output_config");
    assert_refused(&request_messages, ONE_MESSAGE "\"context_management\":5}",
                   "context_management");
}

/* Codex was refused with every request: beside its functions it offers tools that OpenAI's servers
 * have, and says about itself what nobody asks for. The functions alone are the model's. */
static void test_request__what_codex_sends_is_taken(void **state)
{
    struct order o;
    json_t *body, *tools, *echo;

    (void)state;
    read_good(
        &request_responses,
        "{\"model\":\"tiny\",\"stream\":true,\"store\":false,\"input\":[{\"type\":\"message\","
        "\"id\":\"m\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":"
        "\"be good\"}]}],\"tools\":[{\"type\":\"namespace\",\"name\":\"agents\",\"tools\":[]},"
        "{\"type\":\"function\",\"name\":\"run\",\"strict\":false,\"parameters\":{\"type\":"
        "\"object\"}},{\"type\":\"web_search\",\"external_web_access\":false},"
        "{\"type\":\"custom\",\"name\":\"apply_patch\"}],\"tool_choice\":\"auto\","
        "\"reasoning\":{\"summary\":\"detailed\"},\"text\":{\"verbosity\":\"low\"},"
        "\"client_metadata\":{\"session_id\":\"s\"}}",
        &o);
    body = body_of(&o, 0);
    assert_message(body, 0, "developer", "be good");
    tools = json_object_get(body, "tools");
    assert_int_equal(json_array_size(tools), 1);
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(json_array_get(tools, 0), "function"), "name")),
                        "run");
    echo = echo_of(&o);
    assert_int_equal(json_array_size(json_object_get(echo, "tools")), 1);
    json_decref(echo);
    json_decref(body);
    order_done(&o);
}

/* What a client counts on is not left out: a tool that must be used, or that searches its files. */
static void test_request__tools_that_are_wished_for_are_refused(void **state)
{
    (void)state;
    assert_refused(&request_responses,
                   "{\"input\":\"a\",\"tools\":[{\"type\":\"web_search\"}],"
                   "\"tool_choice\":{\"type\":\"web_search\"}}",
                   "tool_choice");
    assert_refused(
        &request_responses,
        "{\"input\":\"a\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":"
        "\"custom\",\"name\":\"f\"}],\"tool_choice\":{\"type\":\"custom\",\"name\":\"f\"}}",
        "tool_choice");
    assert_refused(&request_responses, "{\"input\":\"a\",\"tools\":[{\"type\":\"file_search\"}]}",
                   "tools");
}

#define PART(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define ONE_CHAT   "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"

static void assert_schema_type(const char *format, const char *type)
{
    char *text = str_printf(ONE_CHAT "\"response_format\":%s}", format);
    struct order o;
    json_t *body;

    read_good(&request_chat, text, &o);
    body = body_of(&o, 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(body, "json_schema"), "type")), type);
    json_decref(body);
    order_done(&o);
    free(text);
}

/* llama-cpp-python's clients and Together's put the schema beside json_object. It was dropped in
 * silence: the answer was some object. */
static void test_request__a_schema_beside_json_object_is_kept(void **state)
{
    (void)state;
    assert_schema_type("{\"type\":\"json_object\",\"schema\":{\"type\":\"array\"}}", "array");
    assert_schema_type("{\"type\":\"json_object\",\"schema\":null}", "object");
    assert_refused(&request_chat,
                   ONE_CHAT "\"response_format\":{\"type\":\"json_object\",\"schema\":5}}",
                   "response_format");
    assert_refused(&request_chat,
                   ONE_CHAT "\"response_format\":{\"type\":\"json_object\",\"json_schema\":{}}}",
                   "response_format");
    assert_refused(&request_chat, ONE_CHAT "\"response_format\":{\"type\":\"text\",\"style\":1}}",
                   "response_format");
}

/* OpenAI's seeds have 64 bits and a sign; those below 0 and above 2^53 were refused. */
static void test_request__any_integer_is_a_seed(void **state)
{
    struct order o;

    (void)state;
    read_good(&request_chat, ONE_CHAT "\"seed\":-7}", &o);
    assert_true(o.seed_given && o.seed == ORDER_SEED_MAX - 6);
    order_done(&o);
    read_good(&request_chat, ONE_CHAT "\"seed\":9223372036854775807}", &o);
    assert_true(o.seed_given && o.seed == ORDER_SEED_MAX);
    order_done(&o);
    read_good(&request_chat, ONE_CHAT "\"seed\":-1}", &o);
    assert_false(o.seed_given);
    order_done(&o);
    assert_refused(&request_chat, ONE_CHAT "\"seed\":1.5}", "seed");
}

/* The response's text.verbosity by the name that chat has for it. */
static void test_request__verbosity_is_the_templates(void **state)
{
    struct order o;
    json_t *body, *vars;

    (void)state;
    read_good(&request_chat, ONE_CHAT "\"verbosity\":\"low\"}", &o);
    body = body_of(&o, 0);
    vars = json_object_get(body, "template_vars");
    assert_string_equal(json_string_value(json_object_get(vars, "verbosity")), "low");
    json_decref(body);
    order_done(&o);
}

/* Both were refused, though what they wish for happens anyway. */
static void test_request__wishes_for_nothing_are_taken(void **state)
{
    struct order o;
    json_t *echo;

    (void)state;
    read_good(&request_responses, "{\"input\":\"a\",\"truncation\":\"auto\"}", &o);
    echo = echo_of(&o);
    assert_string_equal(json_string_value(json_object_get(echo, "truncation")), "disabled");
    json_decref(echo);
    order_done(&o);
    read_good(&request_text, "{\"prompt\":\"a\",\"suffix\":\"\"}", &o);
    order_done(&o);
    assert_refused(&request_text, "{\"prompt\":\"a\",\"suffix\":\"\\u0000b\"}", "suffix");
    assert_refused(&request_responses, "{\"input\":\"a\",\"truncation\":\"auto\\u0000\"}",
                   "truncation");
}

/* A tool's output held a NUL. The request was refused, and so was each one behind it: the output is
 * a part of the conversation, and the agent was stuck. */
static void test_request__a_nul_in_a_content_is_shown(void **state)
{
    struct order o;
    json_t *body;

    (void)state;
    read_good(
        &request_chat,
        "{\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"a\\u0000b\"}]}",
        &o);
    body = body_of(&o, 0);
    assert_message(body, 0, "tool",
                   "a\xef\xbf\xbd"
                   "b");
    json_decref(body);
    order_done(&o);
    read_good(&request_messages,
              "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
              "\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":"
              "\"\\u0000\\u0000\"}]}]}]}",
              &o);
    body = body_of(&o, 0);
    assert_message(body, 0, "tool", "\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(body);
    order_done(&o);
    read_good(&request_responses,
              "{\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":"
              "\"\\u0000\"}]}",
              &o);
    body = body_of(&o, 0);
    assert_message(body, 0, "tool", "\xef\xbf\xbd");
    json_decref(body);
    order_done(&o);
}

/* A prompt that is a template filled in had its marks fed as letters, and the answer went on and
 * on. */
static void test_request__the_marks_of_a_raw_prompt_are_meant(void **state)
{
    struct order o;
    json_t *body;

    (void)state;
    read_good(&request_ollama_generate, "{\"prompt\":\"<|im_start|>user\",\"raw\":true}", &o);
    body = body_of(&o, 0);
    assert_string_equal(json_string_value(json_object_get(body, "prompt")), "<|im_start|>user");
    assert_true(json_is_true(json_object_get(body, "parse_special")));
    json_decref(body);
    order_done(&o);
    read_good(&request_ollama_generate, "{\"prompt\":\"<|im_start|>user\"}", &o);
    body = body_of(&o, 0);
    assert_null(json_object_get(body, "parse_special"));
    assert_message(body, 0, "user", "<|im_start|>user"); /* text within the template */
    json_decref(body);
    order_done(&o);
}

/* What Claude Code begins its system prompt with is another text in each request, and no word to a
 * model: nothing behind it was in a prefix cache. */
static void test_request__a_line_for_the_makers_books_is_no_prompt(void **state)
{
#define BOOKS "x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch=fa690;"
#define TOLD(preamble)                                                                             \
    "{\"max_tokens\":9,\"system\":" preamble                                                       \
    ",\"messages\":[{\"role\":\"user\",\"content\":\"" BOOKS "\"}]}"
    static const struct {
        const char *body, *told;
    } all[] = {{TOLD("[" PART(BOOKS) "," PART("a") "," PART("b") "]"), "ab"},
               {TOLD("\"" BOOKS "\\na\\nb\""), "a\nb"},
               {TOLD("[" PART(BOOKS "\\na") "," PART("b") "]"), "ab"},
               {TOLD("\"" BOOKS "\""), ""},
               {TOLD("\"a " BOOKS "\""), "a " BOOKS}};
    struct order o;
    json_t *body;

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        read_good(&request_messages, all[i].body, &o);
        body = body_of(&o, 0);
        assert_message(body, 0, "system", all[i].told);
        assert_message(body, 1, "user", BOOKS); /* what anybody says stays */
        json_decref(body);
        order_done(&o);
    }
    assert_refused(&request_messages, TOLD("[" PART(BOOKS) ",7]"), "system");
}

/* Parts of one message, or of a tool's result, stand on lines of their own; those of a system
 * prompt are one text. */
static void test_request__parts_are_joined_by_line_feeds(void **state)
{
    struct order o;
    json_t *body;

    (void)state;
    read_good(&request_messages,
              "{\"max_tokens\":9,\"system\":[" PART("a") "," PART(
                  "b") "],\"messages\":[{\"role\":"
                       "\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
                       "\"content\":[" PART("c") "," PART("d") "]}," PART("e") "," PART("f") "]}]}",
              &o);
    body = body_of(&o, 0);
    assert_message(body, 0, "system", "ab");
    assert_message(body, 1, "tool", "c\nd");
    assert_message(body, 2, "user", "e\nf");
    json_decref(body);
    order_done(&o);
    read_good(&request_responses,
              "{\"input\":[{\"role\":\"user\",\"content\":[" PART("a") "," PART(
                  "b") "]},"
                       "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[" PART(
                           "c") "," PART("d") "]}]}",
              &o);
    body = body_of(&o, 0);
    assert_message(body, 0, "user", "a\nb");
    assert_message(body, 1, "tool", "c\nd");
    json_decref(body);
    order_done(&o);
}

/* {"input":…,"metadata":{…}}: so many members, with names and values of so many characters. */
static char *with_metadata(size_t n, size_t n_name, size_t n_value)
{
    struct buf text;
    char *body;

    buf_init(&text, 1 << 20);
    buf_puts(&text, "{\"input\":\"a\",\"metadata\":{");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&text, "%s\"%c", i ? "," : "", (char)('a' + i));
        for (size_t k = 1; k < n_name; k++)
            buf_puts(&text, "\xc3\xa9");
        buf_puts(&text, "\":\"");
        for (size_t k = 0; k < n_value; k++)
            buf_puts(&text, "\xc3\xa9");
        buf_putc(&text, '"');
    }
    buf_puts(&text, "}}");
    body = strdup(buf_str(&text));
    buf_done(&text);
    return body;
}

/* It is repeated in each event of a response that has the whole of it, and could have megabytes. */
static void test_request__metadata_of_a_response_is_small(void **state)
{
    static const size_t bad[][3] = {{17, 1, 1}, {1, 65, 1}, {1, 1, 513}};
    char *body = with_metadata(16, 64, 512);
    struct order o;
    json_t *echo;

    (void)state;
    read_good(&request_responses, body, &o);
    echo = echo_of(&o);
    assert_int_equal(json_object_size(json_object_get(echo, "metadata")), 16);
    json_decref(echo);
    order_done(&o);
    free(body);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        body = with_metadata(bad[i][0], bad[i][1], bad[i][2]);
        assert_refused(&request_responses, body, "metadata");
        free(body);
    }
    assert_refused(&request_responses, "{\"input\":\"a\",\"metadata\":{\"a\":7}}", "metadata");
    assert_refused(&request_responses, "{\"input\":\"a\",\"metadata\":[]}", "metadata");
}

static void assert_input(const char *items, const char *expected)
{
    char text[1024];
    struct order o;
    json_t *body, *messages = json_loads(expected, 0, NULL);

    assert_non_null(messages);
    snprintf(text, sizeof text, "{\"input\":[%s]}", items);
    read_good(&request_responses, text, &o);
    body = body_of(&o, 0);
    if (!json_equal(json_object_get(body, "messages"), messages))
        fail_msg("%s", json_dumps(body, JSON_COMPACT));
    json_decref(messages);
    json_decref(body);
    order_done(&o);
}

#define THOUGHT(text)                                                                              \
    "{\"type\":\"reasoning\",\"content\":[{\"type\":\"reasoning_text\",\"text\":\"" text "\"}]}"
#define SAID(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define CALLS                                                                                      \
    "\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","            \
    "\"arguments\":\"{}\"}}]}"

/* Of two thoughts in a row the second was lost, and the message behind them stayed without any. */
static void test_request__all_thoughts_belong_to_what_was_done_behind_them(void **state)
{
    static const char call[] =
        "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}";
    char items[512];

    (void)state;
    assert_input(
        THOUGHT("one") "," THOUGHT("two") "," SAID("so"),
        "[{\"role\":\"assistant\",\"content\":\"so\",\"reasoning_content\":\"one\\ntwo\"}]");
    assert_input(THOUGHT("one") "," SAID("so") "," THOUGHT("two"),
                 "[{\"role\":\"assistant\",\"content\":\"so\",\"reasoning_content\":\"one\"},"
                 "{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"two\"}]");
    assert_input(THOUGHT("one") ",{\"role\":\"user\",\"content\":\"go on\"}," SAID("so"),
                 "[{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"one\"},"
                 "{\"role\":\"user\",\"content\":\"go on\"},"
                 "{\"role\":\"assistant\",\"content\":\"so\"}]");
    snprintf(items, sizeof items, "%s,%s,%s", SAID("so") "," THOUGHT("one"), THOUGHT("two"), call);
    assert_input(items, "[{\"role\":\"assistant\",\"content\":\"so\"},{\"role\":\"assistant\","
                        "\"content\":\"\",\"reasoning_content\":\"one\\ntwo\"," CALLS "]");
    snprintf(items, sizeof items, "%s,%s", THOUGHT("one") "," SAID("so"), call);
    assert_input(items, "[{\"role\":\"assistant\",\"content\":\"so\",\"reasoning_content\":"
                        "\"one\"," CALLS "]");
    assert_input(call, "[{\"role\":\"assistant\",\"content\":null," CALLS "]");
}

static void test_request__worker_names_become_the_clients(void **state)
{
    struct api_error e;

    (void)state;
    api_error_set(&e, API_INVALID_REQUEST, "worker", "one bad field");
    e.details = json_pack("{s:[{s:s, s:s}]}", "errors", "field", "messages[0].role", "message",
                          "messages[0].role must be known.");
    request_rename(&request_responses, &e);
    assert_string_equal(e.message, "input: messages[0].role must be known.");
    api_error_done(&e);
}

/* ---- Ollama's clients, as they are installed ---- */

static json_t *read_ollama(const struct request_kind *kind, const char *body, int64_t *ctx_min)
{
    struct order o;
    json_t *out;

    read_good(kind, body, &o);
    *ctx_min = o.ctx_min;
    out = body_of(&o, 0);
    order_done(&o);
    return out;
}

static json_int_t number_of(const json_t *body, const char *name)
{
    return json_integer_value(json_object_get(body, name));
}

/*
 * Programs send how a model is to be loaded without being asked (Home Assistant, Continue,
 * AnythingLLM): each was refused, though none of it can change an answer. So were 40.0, which is
 * what some languages make of 40, and top_k -1, which means none.
 */
static void test_ollama__options_that_change_nothing_are_taken(void **state)
{
    int64_t ctx_min;
    json_t *body = read_ollama(
        &request_ollama_generate,
        "{\"prompt\":\"a\",\"options\":{\"num_gpu\":99,\"num_thread\":8,\"num_batch\":512,"
        "\"num_keep\":24,\"main_gpu\":0,\"use_mmap\":true,\"use_mlock\":false,\"low_vram\":false,"
        "\"numa\":false,\"f16_kv\":true,\"logits_all\":false,\"vocab_only\":false,\"mirostat\":0,"
        "\"mirostat_eta\":0.1,\"mirostat_tau\":5.0,\"num_ctx\":8192,\"num_predict\":3.0,"
        "\"top_k\":-1,\"seed\":5.0,\"num_gqa\":null}}",
        &ctx_min);

    (void)state;
    assert_int_equal(ctx_min, 8192);
    assert_int_equal(number_of(body, "max_tokens"), 3);
    assert_int_equal(number_of(body, "top_k"), 0);
    assert_true(json_is_integer(json_object_get(body, "top_k")));
    assert_int_equal(number_of(body, "seed"), 5);
    assert_null(json_object_get(body, "num_gpu"));
    json_decref(body);
    assert_refused(&request_ollama_generate, "{\"prompt\":\"a\",\"options\":{\"num_gpu\":\"all\"}}",
                   "options.num_gpu");
    assert_refused(&request_ollama_generate, "{\"prompt\":\"a\",\"options\":{\"mirostat\":2}}",
                   "options.mirostat");
    assert_refused(&request_ollama_generate, "{\"prompt\":\"a\",\"options\":{\"top_k\":40.5}}",
                   "options.top_k");
}

/* keep_alive of the request, -2 when there is none. */
static int64_t keep_alive_of(const struct request_kind *kind, const char *text)
{
    struct order o;
    int64_t ms;

    read_good(kind, text, &o);
    ms = o.keep_alive_given ? o.keep_alive_ms : -2;
    order_done(&o);
    return ms;
}

/* LangExtract puts keep_alive into the options of every request, and beside them: all of them were
 * refused. So were n8n's, for penalize_newline. */
static void test_ollama__keep_alive_and_newlines_are_options(void **state)
{
    static const char *const bodies[] = {
        "{\"prompt\":\"a\",\"keep_alive\":300,\"options\":{\"keep_alive\":7,"
        "\"penalize_newline\":true}}",
        "{\"prompt\":\"a\",\"keep_alive\":null,\"options\":{\"keep_alive\":\"1m\"}}",
        "{\"prompt\":\"a\",\"options\":{}}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"options\":{\"keep_alive\":-5}}",
    };

    (void)state;
    assert_int_equal(keep_alive_of(&request_ollama_generate, bodies[0]), 300000);
    assert_int_equal(keep_alive_of(&request_ollama_generate, bodies[1]), 60000);
    assert_int_equal(keep_alive_of(&request_ollama_generate, bodies[2]), -2);
    assert_int_equal(keep_alive_of(&request_chat, bodies[3]), -1);
    assert_refused(&request_ollama_generate,
                   "{\"prompt\":\"a\",\"options\":{\"keep_alive\":\"soon\"}}",
                   "options.keep_alive");
    assert_refused(&request_ollama_generate,
                   "{\"prompt\":\"a\",\"options\":{\"penalize_newline\":false}}",
                   "options.penalize_newline");
}

/* goose sends Ollama's options to OpenAI's route. */
static void test_ollama__num_ctx_is_taken_in_chat_completions(void **state)
{
    static const char messages[] = "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]";
    int64_t ctx_min;
    char body[256];

    (void)state;
    snprintf(body, sizeof body, "{%s,\"options\":{\"num_ctx\":16384,\"num_gpu\":1}}", messages);
    json_decref(read_ollama(&request_chat, body, &ctx_min));
    assert_int_equal(ctx_min, 16384);
    snprintf(body, sizeof body, "{%s,\"options\":{\"temperature\":0}}", messages);
    assert_refused(&request_chat, body, "options.temperature");
}

/* What wishes for nothing, or for what happens anyway; what ollama-ai-provider-v2 puts beside the
 * options, and Open WebUI, whose requests for a chat's title were refused. */
static void test_ollama__fields_beside_the_options(void **state)
{
    int64_t ctx_min;
    json_t *body;

    (void)state;
    body = read_ollama(&request_ollama_chat,
                       "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
                       "\"temperature\":0.5,\"top_p\":0.25,\"max_output_tokens\":9,"
                       "\"tool_choice\":\"auto\",\"truncate\":true,\"shift\":false,"
                       "\"logprobs\":false,\"top_logprobs\":0,\"nothing\":null}",
                       &ctx_min);
    assert_true(json_real_value(json_object_get(body, "temperature")) == 0.5);
    assert_true(json_real_value(json_object_get(body, "top_p")) == 0.25);
    assert_int_equal(number_of(body, "max_tokens"), 9);
    assert_string_equal(json_string_value(json_object_get(body, "tool_choice")), "auto");
    json_decref(body);
    body = read_ollama(&request_ollama_generate,
                       "{\"prompt\":\"a\",\"context\":[],\"temperature\":0.5,"
                       "\"max_output_tokens\":9,\"options\":{\"temperature\":1,\"num_predict\":4}}",
                       &ctx_min);
    assert_true(json_number_value(json_object_get(body, "temperature")) == 1);
    assert_int_equal(number_of(body, "max_tokens"), 4); /* Ollama's own word is the last */
    json_decref(body);
    body = read_ollama(&request_ollama_chat,
                       "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
                       "\"stream\":false,\"num_predict\":1000}",
                       &ctx_min);
    assert_int_equal(number_of(body, "max_tokens"), 1000);
    json_decref(body);
    body = read_ollama(&request_ollama_generate,
                       "{\"prompt\":\"a\",\"num_predict\":9,\"options\":{\"num_predict\":4}}",
                       &ctx_min);
    assert_int_equal(number_of(body, "max_tokens"), 4);
    json_decref(body);
    assert_refused(&request_ollama_generate, "{\"prompt\":\"a\",\"num_predict\":0}", "num_predict");
    assert_refused(&request_ollama_generate, "{\"prompt\":\"a\",\"context\":[1]}", "context");
    assert_refused(&request_ollama_generate, "{\"prompt\":\"a\",\"logprobs\":true}", "logprobs");
}

/* The member of message number i. */
static const json_t *of_message(const json_t *body, size_t i, const char *name)
{
    return json_object_get(json_array_get(json_object_get(body, "messages"), i), name);
}

static const char *call_id(const json_t *body, size_t i, size_t k)
{
    return json_string_value(
        json_object_get(json_array_get(of_message(body, i, "tool_calls"), k), "id"));
}

/* The ids of calls were thrown away and numbers put in their place, while their results kept the
 * ids: of two calls a model could not know any more which result was whose. */
static void test_ollama__results_belong_to_their_calls(void **state)
{
    int64_t ctx_min;
    json_t *body = read_ollama(
        &request_ollama_chat,
        "{\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":["
        "{\"id\":\"abc\",\"function\":{\"index\":0,\"name\":\"f\",\"arguments\":{}}},"
        "{\"id\":\"def\",\"function\":{\"index\":1,\"name\":\"g\",\"arguments\":{}}}]},"
        "{\"role\":\"tool\",\"content\":\"rg\",\"tool_name\":\"g\",\"tool_call_id\":\"def\"},"
        "{\"role\":\"tool\",\"content\":\"rf\",\"name\":\"f\",\"id\":\"x\",\"odd\":null},"
        "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":["
        "{\"function\":{\"name\":\"f\"}},{\"id\":\"\",\"function\":{\"name\":\"g\"}},"
        "{\"id\":7,\"function\":{\"name\":\"f\"}}]},"
        "{\"role\":\"tool\",\"content\":\"rg\",\"tool_name\":\"g\"},"
        "{\"role\":\"tool\",\"content\":\"r\",\"tool_call_id\":null},"
        "{\"role\":\"tool\",\"content\":\"r\",\"tool_name\":\"unknown\"},"
        "{\"role\":\"tool\",\"content\":\"one too many\"}]}",
        &ctx_min);
    static const char *const results[][2] = {{"def", "g"}, {"abc", "f"}};
    const char *last[4];

    (void)state;
    assert_string_equal(call_id(body, 0, 0), "abc");
    assert_string_equal(call_id(body, 0, 1), "def");
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(json_string_value(of_message(body, 1 + i, "tool_call_id")),
                            results[i][0]);
        assert_string_equal(json_string_value(of_message(body, 1 + i, "name")), results[i][1]);
        assert_null(of_message(body, 1 + i, "id"));
    }
    for (size_t i = 0; i < 4; i++)
        last[i] = json_string_value(of_message(body, 4 + i, "tool_call_id"));
    assert_string_equal(last[0], call_id(body, 3, 1)); /* by its name */
    assert_string_equal(last[1], call_id(body, 3, 0)); /* the next */
    assert_string_equal(last[2], call_id(body, 3, 2));
    assert_string_not_equal(last[3], last[2]);
    assert_string_not_equal(last[0], last[1]);
    json_decref(body);
}

/* More results than calls, more calls than are remembered: nothing but numbers. */
static void test_ollama__many_calls_and_results(void **state)
{
    json_t *calls = json_array(), *messages = json_array(),
           *call = json_pack("{s:{s:s}}", "function", "name", "f"),
           *result = json_pack("{s:s, s:s, s:s}", "role", "tool", "content", "r", "tool_name", "f"),
           *whole, *body;
    int64_t ctx_min;
    char *text;

    (void)state;
    for (size_t i = 0; i < 300; i++)
        json_array_append(calls, call);
    json_array_append_new(messages, json_pack("{s:s, s:s, s:O}", "role", "assistant", "content", "",
                                              "tool_calls", calls));
    for (size_t i = 0; i < 400; i++)
        json_array_append(messages, result);
    whole = json_pack("{s:o}", "messages", messages);
    text = json_dumps(whole, JSON_COMPACT);
    body = read_ollama(&request_ollama_chat, text, &ctx_min);
    for (size_t i = 0; i < 128; i++)
        assert_string_equal(json_string_value(of_message(body, 1 + i, "tool_call_id")),
                            call_id(body, 0, i));
    assert_non_null(json_string_value(of_message(body, 400, "tool_call_id")));
    free(text);
    json_decref(body);
    json_decref(whole);
    json_decref(calls);
    json_decref(call);
    json_decref(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request__each_choice_has_its_prompt_and_seed),
        cmocka_unit_test(test_request__a_nul_does_not_end_a_text),
        cmocka_unit_test(test_request__long_names_of_any_letters_are_refused),
        cmocka_unit_test(test_request__what_claude_code_sends_is_taken),
        cmocka_unit_test(test_request__output_config_may_hold_a_schema),
        cmocka_unit_test(test_request__what_codex_sends_is_taken),
        cmocka_unit_test(test_request__tools_that_are_wished_for_are_refused),
        cmocka_unit_test(test_request__a_schema_beside_json_object_is_kept),
        cmocka_unit_test(test_request__any_integer_is_a_seed),
        cmocka_unit_test(test_request__verbosity_is_the_templates),
        cmocka_unit_test(test_request__wishes_for_nothing_are_taken),
        cmocka_unit_test(test_request__a_nul_in_a_content_is_shown),
        cmocka_unit_test(test_request__the_marks_of_a_raw_prompt_are_meant),
        cmocka_unit_test(test_request__a_line_for_the_makers_books_is_no_prompt),
        cmocka_unit_test(test_request__parts_are_joined_by_line_feeds),
        cmocka_unit_test(test_request__metadata_of_a_response_is_small),
        cmocka_unit_test(test_request__all_thoughts_belong_to_what_was_done_behind_them),
        cmocka_unit_test(test_request__worker_names_become_the_clients),
        cmocka_unit_test(test_ollama__options_that_change_nothing_are_taken),
        cmocka_unit_test(test_ollama__num_ctx_is_taken_in_chat_completions),
        cmocka_unit_test(test_ollama__keep_alive_and_newlines_are_options),
        cmocka_unit_test(test_ollama__fields_beside_the_options),
        cmocka_unit_test(test_ollama__results_belong_to_their_calls),
        cmocka_unit_test(test_ollama__many_calls_and_results),
    };

    return cmocka_run_group_tests_name("gateway_requests", tests, NULL, NULL);
}
