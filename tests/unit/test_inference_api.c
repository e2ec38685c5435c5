/* The inference request and its events: every field's limits, and JSON that others can read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/inference.h"
#include "base/str.h"
#include "engine/engine.h"

static struct inference_request r;
static struct api_error e;

static int parse_n(const char *body, size_t n)
{
    inference_request_done(&r);
    api_error_done(&e);
    memset(&e, 0, sizeof e);
    return inference_request_parse(body, n, &r, &e, "worker");
}

static int parse(const char *body)
{
    return parse_n(body, strlen(body));
}

static json_t *failures(void)
{
    return json_object_get(e.details, "errors");
}

/* The k-th failing field's member as text. */
static const char *failure(size_t k, const char *member)
{
    const char *text = json_string_value(json_object_get(json_array_get(failures(), k), member));

    return text ? text : "";
}

/* A good request with one more member, such as "\"top_k\":1". */
static int parse_with(const char *member)
{
    char *body = str_printf("{\"prompt\":\"p\",%s}", member);
    int rc = parse(body);

    free(body);
    return rc;
}

/* Exactly this field fails, with a sentence that names it and is the error's own: most clients show
 * nothing else, and were told "The request has 1 field that cannot be taken" of an image. */
static void assert_refused(const char *member, const char *field)
{
    assert_int_equal(parse_with(member), -1);
    assert_int_equal(e.code, API_INVALID_REQUEST);
    assert_string_equal(e.src, "worker");
    assert_int_equal(json_array_size(failures()), 1);
    assert_string_equal(failure(0, "field"), field);
    assert_true(strlen(failure(0, "constraint")) > 3);
    assert_non_null(strstr(failure(0, "message"), field));
    assert_string_equal(e.message, failure(0, "message"));
}

static void test_inference__defaults(void **state)
{
    struct engine_sampling how = engine_sampling_default();

    (void)state;
    assert_int_equal(parse("{\"prompt\":\"Once\"}"), 0);
    assert_string_equal(r.prompt, "Once");
    assert_int_equal(r.prompt_bytes, 4);
    assert_int_equal(r.max_tokens, 256);
    assert_true(r.stream);
    assert_int_equal(r.n_stop, 0);
    assert_int_equal(r.timeout_ms, 0);
    assert_true((float)r.temperature == how.temperature);
    assert_true((float)r.top_p == how.top_p);
    assert_true((float)r.min_p == how.min_p);
    assert_true((float)r.repetition_penalty == how.repetition_penalty);
    assert_int_equal(r.top_k, how.top_k);
}

static void test_inference__id_and_seed_are_made_when_absent(void **state)
{
    char id[INFERENCE_JOB_ID_MAX + 1];
    uint64_t seed;

    (void)state;
    assert_int_equal(parse("{\"prompt\":\"p\"}"), 0);
    assert_int_equal(strlen(r.job_id), 36);
    assert_false(r.seed_given);
    assert_true(r.seed < (uint64_t)1 << 53);
    str_copy(id, sizeof id, r.job_id);
    seed = r.seed;
    assert_int_equal(parse("{\"prompt\":\"p\"}"), 0);
    assert_string_not_equal(r.job_id, id);
    assert_true(r.seed != seed);
    assert_int_equal(parse("{\"prompt\":\"p\",\"job_id\":\"a-1\",\"seed\":0}"), 0);
    assert_string_equal(r.job_id, "a-1");
    assert_true(r.seed_given);
    assert_true(r.seed == 0);
}

static void test_inference__null_is_absent(void **state)
{
    (void)state;
    assert_int_equal(parse_with("\"top_k\":null,\"stop\":null,\"seed\":null,\"stream\":null"), 0);
    assert_int_equal(r.top_k, 40);
    assert_false(r.seed_given);
    assert_int_equal(parse("{\"prompt\":null}"), -1);
    assert_string_equal(failure(0, "constraint"), "required");
}

static void test_inference__prompt_limits(void **state)
{
    static const char *const bad[] = {"{}", "{\"prompt\":\"\"}", "{\"prompt\":7}",
                                      "{\"prompt\":[\"a\"]}", "{\"prompt\":\"a\\u0000b\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i]), -1);
        assert_int_equal(json_array_size(failures()), 1);
        assert_string_equal(failure(0, "field"), "prompt");
    }
}

struct edge {
    const char *field;
    const char *good[4]; /* NULL-ended */
    const char *bad[8];
};

static void test_inference__numbers_at_both_ends(void **state)
{
    static const struct edge edges[] = {
        {"max_tokens",
         {"1", "2147483647", "20.0"},
         {"0", "-1", "2147483648", "1.5", "\"5\"", "true", "99999999999999999999"}},
        {"temperature", {"0", "2", "0.7"}, {"-0.001", "2.001", "\"1\"", "[]", "3"}},
        {"top_p", {"0", "1", "0.95"}, {"-0.1", "1.0000001", "\"a\"", "{}", "1e300"}},
        {"top_k", {"0", "2147483647", "40"}, {"-1", "2147483648", "0.5", "false"}},
        {"min_p", {"0", "1"}, {"-0.1", "1.1", "\"\""}},
        {"repetition_penalty", {"0", "2", "1.1"}, {"-0.1", "2.1", "[1]"}},
        {"seed",
         {"0", "9007199254740991", "1e3"},
         {"-1", "9007199254740992", "18446744073709551616", "0.5", "\"1\""}},
        {"timeout_seconds", {"0", "86400", "0.25"}, {"-1", "86401", "\"5s\""}},
    };
    char member[80];

    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        for (size_t k = 0; k < 4 && edges[i].good[k]; k++) {
            snprintf(member, sizeof member, "\"%s\":%s", edges[i].field, edges[i].good[k]);
            assert_int_equal(parse_with(member), 0);
        }
        for (size_t k = 0; k < 8 && edges[i].bad[k]; k++) {
            snprintf(member, sizeof member, "\"%s\":%s", edges[i].field, edges[i].bad[k]);
            assert_refused(member, edges[i].field);
        }
    }
}

static void test_inference__values_land_where_they_belong(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"prompt\":\"\\u00e4\",\"max_tokens\":20,\"temperature\":0.5,\"top_p\":0.25,"
              "\"top_k\":3,\"min_p\":0.125,\"repetition_penalty\":1.5,\"seed\":9007199254740991,"
              "\"stream\":false,\"timeout_seconds\":1.5,\"stop\":[\"\\n\",\"END\"]}"),
        0);
    assert_string_equal(r.prompt, "\xc3\xa4");
    assert_int_equal(r.max_tokens, 20);
    assert_true(r.temperature == 0.5 && r.top_p == 0.25 && r.min_p == 0.125);
    assert_true(r.repetition_penalty == 1.5);
    assert_int_equal(r.top_k, 3);
    assert_true(r.seed == 9007199254740991u);
    assert_false(r.stream);
    assert_int_equal(r.timeout_ms, 1500);
    assert_int_equal(r.n_stop, 2);
    assert_string_equal(r.stop[1], "END");
}

static void test_inference__job_id_forms(void **state)
{
    char longest[INFERENCE_JOB_ID_MAX + 2], member[300];

    (void)state;
    assert_int_equal(parse_with("\"job_id\":\"A.b_c-9:x\""), 0);
    assert_refused("\"job_id\":\"\"", "job_id");
    assert_refused("\"job_id\":\"a/b\"", "job_id");
    assert_refused("\"job_id\":\"a b\"", "job_id");
    assert_refused("\"job_id\":\"a\\u0000\"", "job_id");
    assert_refused("\"job_id\":\"\\u00e4\"", "job_id");
    assert_refused("\"job_id\":5", "job_id");
    memset(longest, 'x', sizeof longest);
    longest[INFERENCE_JOB_ID_MAX] = '\0';
    snprintf(member, sizeof member, "\"job_id\":\"%s\"", longest);
    assert_int_equal(parse_with(member), 0);
    snprintf(member, sizeof member, "\"job_id\":\"%sx\"", longest);
    assert_refused(member, "job_id");
}

static void test_inference__stop_limits(void **state)
{
    char longest[INFERENCE_STOP_BYTES_MAX + 1], member[400];

    (void)state;
    memset(longest, 's', sizeof longest);
    longest[INFERENCE_STOP_BYTES_MAX] = '\0';
    snprintf(member, sizeof member, "\"stop\":[\"%s\"]", longest);
    assert_int_equal(parse_with(member), 0);
    snprintf(member, sizeof member, "\"stop\":[\"%ss\"]", longest);
    assert_int_equal(parse_with(member), -1);
    assert_non_null(strstr(failure(0, "message"), "stop[0]"));
    assert_int_equal(parse_with("\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
                                "\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\"]"),
                     0);
    assert_int_equal(r.n_stop, 16);
    assert_refused("\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
                   "\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]",
                   "stop");
    assert_string_equal(e.message,
                        "stop has 17 strings, the limit is 16."); /* the 17 was missing */
    assert_refused("\"stop\":\"text\"", "stop");
    assert_refused("\"stop\":[\"\"]", "stop");
    assert_refused("\"stop\":[1]", "stop");
    assert_refused("\"stop\":[\"a\\u0000\"]", "stop");
    assert_int_equal(parse_with("\"stop\":[]"), 0);
}

static void test_inference__all_failures_are_told_at_once(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"max_tokens\":0,\"temperature\":3,\"stream\":\"yes\",\"tempratur\":1}"), -1);
    assert_int_equal(json_array_size(failures()), 5);
    assert_string_equal(failure(0, "field"), "prompt");
    assert_string_equal(failure(1, "field"), "max_tokens");
    assert_string_equal(failure(2, "field"), "temperature");
    assert_string_equal(failure(3, "field"), "stream");
    assert_string_equal(failure(4, "field"), "tempratur");
    assert_non_null(strstr(e.message, "5 fields"));
}

/* Both numbers are told: how many there were was missing. */
static void test_inference__too_many_are_counted(void **state)
{
    struct buf body;

    (void)state;
    buf_init(&body, 1u << 20);
    buf_puts(&body, "\"logit_bias\":{");
    for (int i = 0; i <= INFERENCE_BIAS_MAX; i++)
        buf_printf(&body, "%s\"%d\":1", i ? "," : "", i);
    buf_putc(&body, '}');
    assert_refused(buf_str(&body), "logit_bias");
    assert_non_null(strstr(e.message, "members, the limit is"));
    buf_clear(&body);
    buf_puts(&body, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[0");
    for (int i = 0; i < INFERENCE_TOOLS_MAX; i++)
        buf_puts(&body, ",0");
    buf_puts(&body, "]}");
    assert_int_equal(parse(buf_str(&body)), -1);
    assert_string_equal(e.message, "tools has 513 tools, the limit is 512.");
    buf_done(&body);
}

static void test_inference__unknown_fields_are_bounded(void **state)
{
    struct buf body;

    (void)state;
    assert_int_equal(parse_with("\"Prompt\":\"x\""), -1);
    assert_string_equal(failure(0, "field"), "Prompt");
    buf_init(&body, 1u << 20);
    buf_puts(&body, "{\"prompt\":\"p\"");
    for (int i = 0; i < 1000; i++)
        buf_printf(&body, ",\"%0100d\xc3\xa4\":1", i);
    buf_putc(&body, '}');
    assert_int_equal(parse_n(body.data, body.len), -1);
    assert_int_equal(json_array_size(failures()), INFERENCE_ERRORS_MAX);
    assert_true(strlen(failure(0, "field")) <= 64);
    assert_non_null(strstr(e.message, "1000 fields"));
    buf_done(&body);
}

static void test_inference__bad_bodies_are_one_failing_field(void **state)
{
    static const char *const bad[] = {"",
                                      "hello",
                                      "{",
                                      "[]",
                                      "\"text\"",
                                      "7",
                                      "{\"prompt\":\"SECRET\"} SECRET",
                                      "{\"prompt\":\"SECRET}",
                                      "{\"prompt\":SECRET}",
                                      "{\"prompt\":\"SECRET\",\"prompt\":\"b\"}",
                                      "{\"prompt\":\"SECRET\xff\"}",
                                      "{\"prompt\":\"\\ud800SECRET\"}",
                                      "{\"temperature\":1e999}",
                                      "{\"a\\u0000SECRET\":1}"};
    char *deep = malloc(200001);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i]), -1);
        assert_int_equal(json_array_size(failures()), 1);
        assert_string_equal(failure(0, "field"), "body");
        assert_null(strstr(failure(0, "message"), "SECRET"));
        assert_null(strstr(e.message, "SECRET"));
    }
    assert_non_null(deep);
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    assert_int_equal(parse(deep), -1);
    assert_string_equal(failure(0, "field"), "body");
    free(deep);
}

static void test_inference__prompt_is_never_in_an_error(void **state)
{
    char *body;

    (void)state;
    assert_int_equal(
        parse("{\"prompt\":\"SECRET WORDS\",\"stop\":[\"SECRET\",7],\"job_id\":\"SECRET "
              "ID\",\"seed\":\"SECRET\"}"),
        -1);
    body = api_error_body(&e, "id");
    assert_non_null(body);
    assert_null(strstr(body, "SECRET"));
    free(body);
}

static void test_inference__request_text_round_trip(void **state)
{
    char *text;

    (void)state;
    assert_int_equal(parse("{\"prompt\":\"a \\\"q\\\" \\u20ac\\n\",\"max_tokens\":9,"
                           "\"temperature\":0.7,\"top_p\":0.3,\"top_k\":5,\"min_p\":0.01,"
                           "\"repetition_penalty\":1.2,\"stop\":[\"x\",\"\\u00e4\"],\"seed\":42,"
                           "\"stream\":false,\"job_id\":\"j\",\"timeout_seconds\":2.5}"),
                     0);
    text = inference_request_text(&r);
    assert_non_null(text);
    assert_int_equal(parse(text), 0);
    free(text);
    assert_string_equal(r.prompt, "a \"q\" \xe2\x82\xac\n");
    assert_int_equal(r.max_tokens, 9);
    assert_true(r.temperature == 0.7 && r.top_p == 0.3 && r.min_p == 0.01);
    assert_true(r.repetition_penalty == 1.2);
    assert_int_equal(r.top_k, 5);
    assert_int_equal(r.n_stop, 2);
    assert_string_equal(r.stop[1], "\xc3\xa4");
    assert_true(r.seed_given && r.seed == 42);
    assert_false(r.stream);
    assert_string_equal(r.job_id, "j");
    assert_int_equal(r.timeout_ms, 2500);
}

/* ---- conversations ---- */

static void test_inference__one_thing_to_go_on_from(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"), 0);
    assert_non_null(r.messages);
    assert_null(r.prompt);
    assert_int_equal(parse("{\"prompt_tokens\":[1,0,2.0]}"), 0);
    assert_int_equal(r.n_prompt_tokens, 3);
    assert_int_equal(r.prompt_tokens[2], 2);
    assert_refused("\"prompt_tokens\":[1]", "prompt");
    assert_refused("\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]", "prompt");
    assert_int_equal(parse("{\"prompt_tokens\":[1,-2]}"), -1);
    assert_string_equal(failure(0, "field"), "prompt_tokens");
    assert_non_null(strstr(failure(0, "message"), "prompt_tokens[1]"));
    assert_int_equal(parse("{\"prompt_tokens\":[]}"), -1);
    assert_int_equal(parse("{\"messages\":[]}"), -1);
    assert_string_equal(failure(0, "field"), "messages");
}

struct fault {
    const char *messages, *field;
};

static void test_inference__faults_of_messages_have_their_places(void **state)
{
    static const struct fault faults[] = {
        {"[7]", "messages[0]"},
        {"[{\"content\":\"a\"}]", "messages[0].role"},
        {"[{\"role\":\"robot\",\"content\":\"a\"}]", "messages[0].role"},
        {"[{\"role\":\"user\"}]", "messages[0].content"},
        {"[{\"role\":\"user\",\"content\":5}]", "messages[0].content"},
        {"[{\"role\":\"user\",\"content\":\"a\\u0000\"}]", "messages[0].content"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},\"b\"]}]",
         "messages[0].content[1]"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}]",
         "messages[0].content[0].type"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", "messages[0].content[0].text"},
        {"[{\"role\":\"user\",\"content\":\"\",\"name\":1}]", "messages[0].name"},
        {"[{\"role\":\"assistant\",\"tool_calls\":{}}]", "messages[0].tool_calls"},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"x\"}]}]",
         "messages[0].tool_calls[0].function"},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"\"}}]}]",
         "messages[0].tool_calls[0].function.name"},
        {"[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
         "\"arguments\":7}}]}]",
         "messages[0].tool_calls[0].function.arguments"},
    };
    char body[400];

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        snprintf(body, sizeof body, "{\"messages\":%s}", faults[i].messages);
        assert_int_equal(parse(body), -1);
        assert_int_equal(json_array_size(failures()), 1);
        assert_string_equal(failure(0, "field"), faults[i].field);
    }
    assert_int_equal(parse("{\"messages\":[{\"role\":\"assistant\",\"content\":null,"
                           "\"tool_calls\":[{\"function\":{\"name\":\"f\"}}],\"refusal\":null}]}"),
                     0);
}

/* A conversation with these members. */
static int chat_with(const char *members)
{
    char *body = str_printf("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],%s}", members);
    int rc = parse(body);

    free(body);
    return rc;
}

static void assert_chat_refused(const char *members, const char *field)
{
    assert_int_equal(chat_with(members), -1);
    assert_int_equal(json_array_size(failures()), 1);
    assert_string_equal(failure(0, "field"), field);
}

#define TOOL(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"

static void test_inference__tools_and_their_choice(void **state)
{
    (void)state;
    assert_int_equal(chat_with("\"tools\":[" TOOL("f") "],\"parallel_tool_calls\":false"), 0);
    assert_string_equal(inference_tool_name(r.tools, 0), "f");
    assert_int_equal(r.tool_choice, TOOLS_AUTO);
    assert_false(r.parallel_tool_calls);
    assert_int_equal(chat_with("\"tools\":[]"), 0);
    assert_null(r.tools);
    assert_int_equal(
        chat_with("\"tool_choice\":" TOOL("g") ",\"tools\":[" TOOL("f") "," TOOL("g") "]"), 0);
    assert_int_equal(r.tool_choice, TOOLS_NAMED);
    assert_string_equal(r.tool_name, "g");
    assert_int_equal(chat_with("\"tools\":[" TOOL("f") "],\"tool_choice\":\"required\""), 0);
    assert_int_equal(r.tool_choice, TOOLS_REQUIRED);
    assert_chat_refused("\"tool_choice\":\"required\"", "tool_choice");
    assert_chat_refused("\"tool_choice\":\"maybe\"", "tool_choice");
    assert_chat_refused("\"tools\":[" TOOL("f") "],\"tool_choice\":" TOOL("g"), "tool_choice");
    assert_chat_refused("\"tools\":[" TOOL("f") "," TOOL("f") "]", "tools[1].function.name");
    assert_chat_refused("\"tools\":[" TOOL("a b") "]", "tools[0].function.name");
    assert_chat_refused("\"tools\":[{\"type\":\"web\",\"function\":{\"name\":\"f\"}}]",
                        "tools[0].type");
    assert_chat_refused("\"tools\":[{\"function\":{\"name\":\"f\",\"parameters\":[]}}]",
                        "tools[0].function.parameters");
    assert_chat_refused("\"tools\":[7]", "tools[0]");
    assert_refused("\"tools\":[" TOOL("f") "]", "tools");
}

/* One integer beyond 64 bits made all of the body's integers reals: the model was told of lengths
 * of 10.0 characters. */
static void test_inference__a_wide_number_changes_no_other(void **state)
{
    const json_t *properties;

    (void)state;
    assert_int_equal(
        chat_with("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":"
                  "{\"maximum\":18446744073709551615,\"maxLength\":10}}}]"),
        0);
    properties =
        json_object_get(json_object_get(json_array_get(r.tools, 0), "function"), "parameters");
    assert_true(json_real_value(json_object_get(properties, "maximum")) == 0x1p64);
    assert_int_equal(json_integer_value(json_object_get(properties, "maxLength")), 10);
}

static void test_inference__constraints(void **state)
{
    (void)state;
    assert_int_equal(parse_with("\"json_schema\":{\"type\":\"object\"}"), 0);
    assert_true(json_is_object(r.json_schema));
    assert_int_equal(parse_with("\"json_schema\":true"), 0);
    assert_int_equal(parse_with("\"grammar\":\"root ::= \\\"a\\\"\""), 0);
    assert_string_equal(r.grammar, "root ::= \"a\"");
    assert_refused("\"json_schema\":[]", "json_schema");
    assert_refused("\"grammar\":\"\"", "grammar");
    assert_refused("\"grammar\":\"x\",\"json_schema\":{}", "grammar");
    /* agents send a schema with every request, and require a call now and then */
    assert_int_equal(
        chat_with("\"tools\":[" TOOL("f") "],\"tool_choice\":\"required\",\"json_schema\":{}"), 0);
    assert_chat_refused("\"tools\":[" TOOL("f") "],\"tool_choice\":\"required\",\"grammar\":\"x\"",
                        "grammar");
}

static void test_inference__sampling_of_openai(void **state)
{
    (void)state;
    assert_int_equal(parse_with("\"presence_penalty\":-2,\"frequency_penalty\":2,\"logit_bias\":"
                                "{\"0\":-100,\"15\":0.5},\"top_logprobs\":20,\"ignore_eos\":true"),
                     0);
    assert_true(r.presence_penalty == -2 && r.frequency_penalty == 2);
    assert_int_equal(r.n_logit_bias, 2);
    assert_int_equal(r.logit_bias[1].id, 15);
    assert_true(r.logit_bias[1].bias == 0.5f);
    assert_true(r.logprobs && r.ignore_eos);
    assert_refused("\"presence_penalty\":2.1", "presence_penalty");
    assert_refused("\"frequency_penalty\":-2.1", "frequency_penalty");
    assert_refused("\"top_logprobs\":21", "top_logprobs");
    assert_refused("\"logprobs\":1", "logprobs");
    assert_refused("\"parse_special\":1", "parse_special");
    assert_chat_refused("\"parse_special\":true",
                        "parse_special"); /* templates' marks always are */
    assert_refused("\"logit_bias\":[]", "logit_bias");
    assert_refused("\"logit_bias\":{\"x\":1}", "logit_bias");
    assert_refused("\"logit_bias\":{\"-1\":1}", "logit_bias");
    assert_refused("\"logit_bias\":{\"7\":1,\"07\":-1}", "logit_bias"); /* which one? */
    assert_refused("\"logit_bias\":{\"00\":1}", "logit_bias");
    assert_refused("\"logit_bias\":{\"1\":100.5}", "logit_bias");
}

#define CONTINUES(messages) "{\"continue_final_message\":true,\"messages\":[" messages "]"
#define SAID                "{\"role\":\"assistant\",\"content\":\"a\"}"

/* An answer goes on with a text of the assistant, or is refused: it does not begin anew. */
static void test_inference__a_message_that_is_gone_on_with(void **state)
{
    static const char *const bad[] = {
        "{\"continue_final_message\":true,\"prompt\":\"p\"}",
        CONTINUES(SAID ",{\"role\":\"user\",\"content\":\"a\"}") "}",
        CONTINUES("{\"role\":\"assistant\",\"content\":\"\"}") "}",
        CONTINUES("{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"\"}]}") "}",
        CONTINUES("{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"function\":{"
                  "\"name\":\"f\"}}]}") "}",
        CONTINUES(SAID) ",\"add_generation_prompt\":true}",
        CONTINUES(SAID) ",\"json_schema\":{}}",
        CONTINUES(SAID) ",\"tools\":[" TOOL("f") "],\"tool_choice\":\"required\"}"};

    (void)state;
    assert_int_equal(parse(CONTINUES(SAID) ",\"add_generation_prompt\":false}"), 0);
    assert_true(r.continue_final_message);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i]) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(json_array_size(failures()), 1);
        assert_string_equal(failure(0, "field"), "continue_final_message");
    }
}

static void test_inference__all_fields_round_trip(void **state)
{
    static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[" TOOL(
            "f") "],"
                 "\"tool_choice\":\"required\",\"parallel_tool_calls\":false,\"template_vars\":{"
                 "\"a\":[1]},"
                 "\"presence_penalty\":0.5,\"frequency_penalty\":-0.5,\"logit_bias\":{\"3\":1.5},"
                 "\"top_logprobs\":3,\"ignore_eos\":true,\"add_generation_prompt\":false,\"job_"
                 "id\":\"j\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[" TOOL(
            "f") "],"
                 "\"tool_choice\":" TOOL("f") ",\"job_id\":\"j\",\"seed\":1}",
        "{\"prompt_tokens\":[5,6],\"json_schema\":{\"type\":\"object\"},\"job_id\":\"j\"}",
        "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}],\"continue_final_message\":"
        "true}",
        "{\"prompt\":\"a\",\"parse_special\":true,\"job_id\":\"j\"}",
        "{\"prompt\":\"a\",\"grammar\":\"root ::= [a]\",\"job_id\":\"j\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        json_t *asked = json_loads(bodies[i], 0, NULL), *again;
        const char *key;
        json_t *value;
        char *text;

        assert_int_equal(parse(bodies[i]), 0);
        text = inference_request_text(&r);
        assert_non_null(text);
        again = json_loads(text, 0, NULL);
        assert_int_equal(parse(text), 0);
        json_object_foreach(asked, key, value)
            assert_true(json_equal(json_object_get(again, key), value));
        free(text);
        json_decref(asked);
        json_decref(again);
    }
}

/* ---- events: read back with another library's parser ---- */

static json_t *read_back(struct buf *out)
{
    json_t *root = json_loadb(out->data, out->len, 0, NULL);

    assert_non_null(root);
    assert_null(memchr(out->data, '\n', out->len));
    buf_clear(out);
    return root;
}

static void test_inference_event__shapes(void **state)
{
    struct inference_end end = {.tokens_out = 20,
                                .prompt_tokens = 5,
                                .decode_time_ms = 1234,
                                .prefill_time_ms = 7,
                                .stop_reason = STOP_MAX_TOKENS};
    struct buf out;
    json_t *root;
    const char *text, *type;
    json_int_t i;

    (void)state;
    buf_init(&out, 10000);
    assert_int_equal(parse("{\"prompt\":\"p\",\"job_id\":\"j1\",\"seed\":7}"), 0);
    assert_int_equal(inference_event_started(&out, &r, "a \"model\"", 1767225600123), 0);
    root = read_back(&out);
    assert_string_equal(json_string_value(json_object_get(root, "job_id")), "j1");
    assert_string_equal(json_string_value(json_object_get(root, "model")), "a \"model\"");
    assert_string_equal(json_string_value(json_object_get(root, "started_at")),
                        "2026-01-01T00:00:00.123Z");
    assert_int_equal(json_integer_value(json_object_get(root, "seed")), 7);
    json_decref(root);

    assert_int_equal(inference_event_token(&out, "a\"b\n", 4, 12345678901u), 0);
    root = read_back(&out);
    assert_int_equal(json_unpack(root, "{s:s, s:s, s:I!}", "type", &type, "t", &text, "i", &i), 0);
    assert_string_equal(type, "token");
    assert_string_equal(text, "a\"b\n");
    assert_true(i == 12345678901);
    json_decref(root);

    assert_int_equal(inference_event_end(&out, &end), 0);
    root = read_back(&out);
    assert_string_equal(json_string_value(json_object_get(root, "stop_reason")), "MAX_TOKENS");
    assert_int_equal(json_integer_value(json_object_get(root, "decode_time_ms")), 1234);
    assert_null(json_object_get(root, "stop_sequence_matched"));
    assert_null(json_object_get(root, "context_full"));
    json_decref(root);

    end.stop_reason = STOP_SEQUENCE;
    end.stop_sequence_matched = "\n\n";
    assert_int_equal(inference_event_end(&out, &end), 0);
    root = read_back(&out);
    assert_string_equal(json_string_value(json_object_get(root, "stop_reason")), "STOP_SEQUENCE");
    assert_string_equal(json_string_value(json_object_get(root, "stop_sequence_matched")), "\n\n");
    json_decref(root);
    buf_done(&out);
}

static void test_inference_event__conversations(void **state)
{
    static const char *const want[] = {
        "{\"type\":\"token\",\"t\":\"a\",\"i\":3,\"logprobs\":[{\"id\":1},{\"id\":2}]}",
        "{\"type\":\"reasoning\",\"t\":\"\\n\",\"i\":4}",
        "{\"type\":\"tool_call\",\"index\":1,\"id\":\"call_x\",\"name\":\"f\"}",
        "{\"type\":\"tool_args\",\"index\":1,\"t\":\"{\\\"a\\\":\"}"};
    struct buf out[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        buf_init(&out[i], 1000);
    inference_event_scored_token(&out[0], "a", 1, 3, "{\"id\":1},{\"id\":2}", 17);
    inference_event_reasoning(&out[1], "\n", 1, 4, NULL, 0);
    inference_event_tool_call(&out[2], 1, "call_x", "f");
    inference_event_tool_args(&out[3], 1, "{\"a\":", 5);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(buf_str(&out[i]), want[i]);
        buf_done(&out[i]);
    }
}

static void test_inference_event__end_counts_calls_and_thoughts(void **state)
{
    struct inference_end end = {.stop_reason = STOP_EOS, .tool_calls = 2, .reasoning_tokens = 7};
    struct buf out;
    json_t *root;

    (void)state;
    buf_init(&out, 1000);
    inference_event_end(&out, &end);
    root = read_back(&out);
    assert_int_equal(json_integer_value(json_object_get(root, "tool_calls")), 2);
    assert_int_equal(json_integer_value(json_object_get(root, "reasoning_tokens")), 7);
    json_decref(root);
    end.tool_calls = end.reasoning_tokens = 0;
    inference_event_end(&out, &end);
    assert_null(strstr(buf_str(&out), "tool_calls"));
    assert_null(strstr(buf_str(&out), "reasoning"));
    buf_done(&out);
}

static void test_inference_event__error_says_whether_to_retry(void **state)
{
    struct api_error busy;
    struct buf out;
    json_t *root;

    (void)state;
    buf_init(&out, 1000);
    api_error_set(&busy, API_ALL_SLOTS_BUSY, "worker", "All \"places\" are taken.");
    assert_int_equal(inference_event_error(&out, &busy), 0);
    root = read_back(&out);
    assert_string_equal(json_string_value(json_object_get(root, "code")), "ALL_SLOTS_BUSY");
    assert_true(json_is_true(json_object_get(root, "retriable")));
    json_decref(root);
    buf_done(&out);
}

static void test_inference_event__full_buffer_is_an_error(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 20);
    assert_int_equal(inference_event_token(&out, "text", 4, 0), -1);
    buf_done(&out);
}

/* ---- strings ---- */

/* The text between the quotes, read by jansson. */
static void assert_string_reads(const char *bytes, size_t n, const char *want, size_t want_n)
{
    struct buf out;
    json_t *value;

    buf_init(&out, 1u << 20);
    assert_int_equal(json_put_string(&out, bytes, n), 0);
    value = json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    assert_int_equal(json_string_length(value), want_n);
    assert_memory_equal(json_string_value(value), want, want_n);
    json_decref(value);
    buf_done(&out);
}

static size_t put_utf8(char *dst, uint32_t c)
{
    if (c < 0x80) {
        dst[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        dst[0] = (char)(0xc0 | c >> 6);
        dst[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        dst[0] = (char)(0xe0 | c >> 12);
        dst[1] = (char)(0x80 | (c >> 6 & 0x3f));
        dst[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    dst[0] = (char)(0xf0 | c >> 18);
    dst[1] = (char)(0x80 | (c >> 12 & 0x3f));
    dst[2] = (char)(0x80 | (c >> 6 & 0x3f));
    dst[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void test_json_put_string__every_character_comes_back(void **state)
{
    char text[4];

    (void)state;
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 61) {
        size_t n;

        if (c >= 0xd800 && c < 0xe000)
            continue;
        n = put_utf8(text, c);
        assert_string_reads(text, n, text, n);
    }
}

static void test_json_put_string__random_texts_come_back(void **state)
{
    static const uint32_t tops[] = {0x20, 0x80, 0x800, 0xd800, 0x110000};
    uint64_t seed = 1;
    char text[400];

    (void)state;
    for (int round = 0; round < 2000; round++) {
        size_t n = 0;

        for (uint32_t i = next_random(&seed) % 100; i; i--) {
            uint32_t c = next_random(&seed) % tops[next_random(&seed) % 5];

            if (c < 0xd800 || c >= 0xe000)
                n += put_utf8(text + n, c);
        }
        assert_string_reads(text, n, text, n);
    }
}

/* Expected texts: the Unicode Standard, version 15, tables 3-8 to 3-11. */
static void test_json_put_string__ill_formed_bytes_become_replacements(void **state)
{
#define FFFD "\xef\xbf\xbd"
    static const struct {
        const char *bytes, *want;
    } rows[] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", FFFD FFFD FFFD FFFD "A"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_reads(rows[i].bytes, strlen(rows[i].bytes), rows[i].want,
                            strlen(rows[i].want));
}

static void test_json_put_string__any_bytes_give_valid_json(void **state)
{
    uint64_t seed = 99;
    char bytes[64];
    struct buf out;

    (void)state;
    buf_init(&out, 1u << 16);
    for (int round = 0; round < 20000; round++) {
        size_t n = next_random(&seed) % sizeof bytes;
        json_t *value;

        for (size_t i = 0; i < n; i++)
            bytes[i] =
                (char)(next_random(&seed) % 3 ? next_random(&seed) | 0x80 : next_random(&seed));
        buf_clear(&out);
        assert_int_equal(json_put_string(&out, bytes, n), 0);
        value = json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        if (str_is_utf8(bytes, n))
            assert_memory_equal(json_string_value(value), bytes, n);
        json_decref(value);
    }
    buf_done(&out);
}

static int clean_up(void **state)
{
    (void)state;
    inference_request_done(&r);
    api_error_done(&e);
    memset(&e, 0, sizeof e);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inference__defaults),
        cmocka_unit_test(test_inference__id_and_seed_are_made_when_absent),
        cmocka_unit_test(test_inference__null_is_absent),
        cmocka_unit_test(test_inference__prompt_limits),
        cmocka_unit_test(test_inference__numbers_at_both_ends),
        cmocka_unit_test(test_inference__values_land_where_they_belong),
        cmocka_unit_test(test_inference__job_id_forms),
        cmocka_unit_test(test_inference__stop_limits),
        cmocka_unit_test(test_inference__all_failures_are_told_at_once),
        cmocka_unit_test(test_inference__too_many_are_counted),
        cmocka_unit_test(test_inference__unknown_fields_are_bounded),
        cmocka_unit_test(test_inference__bad_bodies_are_one_failing_field),
        cmocka_unit_test(test_inference__prompt_is_never_in_an_error),
        cmocka_unit_test(test_inference__request_text_round_trip),
        cmocka_unit_test(test_inference_event__shapes),
        cmocka_unit_test(test_inference__one_thing_to_go_on_from),
        cmocka_unit_test(test_inference__faults_of_messages_have_their_places),
        cmocka_unit_test(test_inference__tools_and_their_choice),
        cmocka_unit_test(test_inference__a_wide_number_changes_no_other),
        cmocka_unit_test(test_inference__constraints),
        cmocka_unit_test(test_inference__sampling_of_openai),
        cmocka_unit_test(test_inference__a_message_that_is_gone_on_with),
        cmocka_unit_test(test_inference__all_fields_round_trip),
        cmocka_unit_test(test_inference_event__conversations),
        cmocka_unit_test(test_inference_event__end_counts_calls_and_thoughts),
        cmocka_unit_test(test_inference_event__error_says_whether_to_retry),
        cmocka_unit_test(test_inference_event__full_buffer_is_an_error),
        cmocka_unit_test(test_json_put_string__every_character_comes_back),
        cmocka_unit_test(test_json_put_string__random_texts_come_back),
        cmocka_unit_test(test_json_put_string__ill_formed_bytes_become_replacements),
        cmocka_unit_test(test_json_put_string__any_bytes_give_valid_json),
    };

    inference_request_init(&r);
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
