/*
 * Conversations to prompts, and what is known of a template by its text.
 *
 * Small templates stand for what published ones do. The published ones themselves are public and
 * not part of the sources: they are looked for under RBEE_TEST_DATA, and their test is skipped,
 * saying so, where they are missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "chat/template.h"

#define FILE_MAX_BYTES (1u << 20)

#define TURNS "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
#define SEES  "{{ messages[0].content }}" /* one that shows nothing of the user is refused */
#define OPEN  "{% if add_generation_prompt %}[assistant]{% endif %}"

static struct chat_template *compile(const char *text)
{
    struct chat_template *t;
    struct err err = {0};

    if (chat_template_create(text, strlen(text), "<s>", "</s>", &t, &err))
        fail_msg("%s: %s", text, err.text);
    return t;
}

static json_t *load(const char *text)
{
    json_t *v = text ? json_loads(text, 0, NULL) : NULL;

    assert_true(v || !text);
    return v;
}

/* Renders; 0 and the prompt, or the error's code and its text, in `out`. */
static int render_all(const struct chat_template *t, const struct chat_conversation *c,
                      bool *thinking, struct buf *out)
{
    struct err err = {0};
    int rc;

    buf_init(out, 1u << 20);
    rc = chat_template_render(t, c, out, thinking, &err);
    if (rc)
        buf_puts(out, err.text);
    return rc;
}

static int render(const struct chat_template *t, const char *messages, const char *tools,
                  const char *vars, bool *thinking, struct buf *out)
{
    json_t *m = load(messages), *f = load(tools), *v = load(vars);
    struct chat_conversation c = {.messages = m, .tools = f, .vars = v};
    int rc = render_all(t, &c, thinking, out);

    json_decref(m);
    json_decref(f);
    json_decref(v);
    return rc;
}

static void assert_prompt(const char *template, const char *messages, const char *tools,
                          const char *want)
{
    struct chat_template *t = compile(template);
    struct buf out;

    assert_int_equal(render(t, messages, tools, NULL, NULL, &out), 0);
    assert_string_equal(buf_str(&out), want);
    buf_done(&out);
    chat_template_free(t);
}

#define USER "[{\"role\":\"user\",\"content\":\"hi\"}]"

static void test_template__variables_are_those_of_transformers(void **state)
{
    struct chat_template *t;
    struct buf out;

    (void)state;
    assert_prompt("{{ bos_token }}" TURNS "{{ eos_token }}" OPEN, USER, NULL,
                  "<s>[user]hi</s>[assistant]");
    assert_prompt(SEES "{{ tools is none }} {{ documents is none }}", USER, NULL, "hiTrue True");
    t = compile(SEES "{{ enable_thinking }} {{ date_string }}");
    assert_int_equal(
        render(t, USER, NULL, "{\"enable_thinking\":false,\"date_string\":\"1 May\"}", NULL, &out),
        0);
    assert_string_equal(buf_str(&out), "hiFalse 1 May");
    buf_done(&out);
    chat_template_free(t);
}

static void test_template__contents_are_texts(void **state)
{
    (void)state;
    assert_prompt(TURNS,
                  "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
                  "{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":null}]",
                  NULL,
                  "[user]a\nb[assistant]"); /* it was "ab": a file and a question as one word */
    assert_prompt(
        SEES "{% for m in messages %}{{ m.name is defined }} {{ 'tool_calls' in m }} {% endfor %}",
        "[{\"role\":\"user\",\"content\":\"a\",\"name\":null,\"tool_calls\":[]}]", NULL,
        "aFalse False ");
    assert_prompt(TURNS, "[{\"role\":\"developer\",\"content\":\"a\"}]", NULL, "[system]a");
    assert_prompt(TURNS "{# 'developer' #}", "[{\"role\":\"developer\",\"content\":\"a\"}]", NULL,
                  "[developer]a");
}

#define CALLS                                                                                      \
    "[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":null,"            \
    "\"tool_calls\":[{\"id\":\"call_0123456789abcdefghijABCD\",\"type\":\"function\","             \
    "\"function\":"                                                                                \
    "{\"name\":\"f\",\"arguments\":\"{\\\"b\\\": 1, \\\"a\\\": \\\"x\\\"}\"}}]},"                  \
    "{\"role\":\"tool\",\"tool_call_id\":\"call_0123456789abcdefghijABCD\",\"content\":\"42\"}]"
#define TOOLS                                                                                      \
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"does f\","             \
    "\"parameters\":{\"type\":\"object\",\"properties\":{}}}}]"
/* The mark of a format, that need not be rendered. */
#define HERMES_SIGN "{#<tool_call> arguments#}{% if tools %}T{% endif %}" SEES

static void test_template__arguments_as_the_template_wants_them(void **state)
{
    (void)state;
    assert_prompt(HERMES_SIGN "{% for m in messages %}{% for c in m.tool_calls %}"
                              "{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}",
                  CALLS, TOOLS, "Thi{\"b\": 1, \"a\": \"x\"}");
    assert_prompt(HERMES_SIGN "{% for m in messages %}{% for c in m.tool_calls %}"
                              "{{ 'A' + c.function.arguments }}{% endfor %}{% endfor %}",
                  CALLS, TOOLS, "ThiA{\"b\": 1, \"a\": \"x\"}");
    assert_prompt(HERMES_SIGN "{% for m in messages %}{% for c in m.tool_calls %}"
                              "{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }};"
                              "{% endfor %}{% endfor %}{% endfor %}",
                  CALLS, TOOLS, "Thib=1;a=x;");
}

/* Arguments with a number that jansson has no integer for became a JSON text within a JSON text. */
static void test_template__arguments_with_wide_numbers_are_objects(void **state)
{
    (void)state;
    assert_prompt(HERMES_SIGN "{% for m in messages %}{% for c in m.tool_calls %}"
                              "{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}",
                  "[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"tool_calls\":"
                  "[{\"function\":{\"name\":\"f\",\"arguments\":"
                  "\"{\\\"wei\\\":100000000000000000000,\\\"n\\\":7}\"}}]}]",
                  TOOLS, "Thi{\"wei\": 1e+20, \"n\": 7}");
}

/* Each call's arguments had a limit of memory, and the calls of a conversation none together: 20 of
 * them took 620 MB of a worker. Those that are too much stay texts. */
static void test_template__arguments_have_one_limit_together(void **state)
{
    const size_t n_calls = 20, n_values = 10000; /* 2.5 MB of values each: 12 fit */
    struct buf args, messages, quoted;

    (void)state;
    buf_init(&args, 1u << 20);
    buf_init(&quoted, 1u << 20);
    buf_init(&messages, 16u << 20);
    buf_puts(&args, "{\"a\":[");
    for (size_t i = 0; i < n_values; i++)
        buf_puts(&args, i ? ",{}" : "{}");
    buf_puts(&args, "]}");
    json_put_string(&quoted, buf_str(&args), args.len);
    buf_puts(&messages, "[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[");
    for (size_t i = 0; i < n_calls; i++)
        buf_printf(&messages, "%s{\"id\":\"%zu\",\"function\":{\"name\":\"f\",\"arguments\":%s}}",
                   i ? "," : "", i, buf_str(&quoted));
    buf_puts(&messages, "]}]");
    assert_prompt(HERMES_SIGN "{% for m in messages %}{% for c in m.tool_calls %}"
                              "{{ 't' if c.function.arguments is string else 'o' }}"
                              "{{ c.function.arguments | tojson if messages | length > 1 }}"
                              "{% endfor %}{% endfor %}",
                  buf_str(&messages), TOOLS, "Tooooooooooootttttttt");
    buf_done(&args);
    buf_done(&quoted);
    buf_done(&messages);
}

/* Mistral's templates take ids of nine letters and digits only, and the same one at both ends. */
static void test_template__short_ids(void **state)
{
    (void)state;
    assert_prompt("{#[TOOL_CALLS]#}" SEES
                  "{{ tools is none }}{% for m in messages %}{% for c in m.tool_calls %}"
                  "{{ c.function.arguments | tojson }} {{ c.id }}{% endfor %} {{ m.tool_call_id }}"
                  "{% endfor %}",
                  CALLS, TOOLS, "hiFalse {\"b\": 1, \"a\": \"x\"} fghijABCD  fghijABCD");
}

/* A template without tools: they are told, and earlier calls and results are plain messages. */
static void test_template__tools_are_told_where_the_template_has_none(void **state)
{
    struct chat_template *t = compile(TURNS OPEN);
    struct buf out;

    (void)state;
    assert_string_equal(chat_template_format(t)->name, "generic");
    assert_int_equal(render(t, CALLS, TOOLS, NULL, NULL, &out), 0);
    assert_true(str_starts(buf_str(&out), "[system]"));
    assert_non_null(strstr(buf_str(&out), "\"description\": \"does f\""));
    assert_non_null(strstr(buf_str(&out),
                           "[user]hi[assistant]{\"name\": \"f\", \"arguments\": {\"b\": 1, "
                           "\"a\": \"x\"}}[user]"));
    assert_true(str_ends(buf_str(&out), "42[assistant]"));
    buf_done(&out);
    chat_template_free(t);
}

#define NO_SYSTEM                                                                                  \
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% "   \
    "endif "                                                                                       \
    "%}"

static void test_template__tools_without_a_system_role(void **state)
{
    struct chat_template *t = compile(NO_SYSTEM TURNS);
    struct buf out;

    (void)state;
    assert_false(chat_template_abilities(t)->knows_system);
    assert_int_equal(render(t, USER, TOOLS, NULL, NULL, &out), 0);
    assert_true(str_starts(buf_str(&out), "[user]You can call"));
    assert_true(str_ends(buf_str(&out), "\n\nhi"));
    buf_done(&out);
    assert_int_equal(render(t, "[{\"role\":\"system\",\"content\":\"x\"}]", NULL, NULL, NULL, &out),
                     0);
    assert_string_equal(buf_str(&out), "[user]x");
    buf_done(&out);
    chat_template_free(t);
}

static void test_template__an_opened_thought_is_seen(void **state)
{
    struct chat_template *t =
        compile(TURNS "{# </think> #}[assistant]{% if enable_thinking %}<think>\n{% endif %}");
    struct buf out;
    bool thinking;

    (void)state;
    assert_int_equal(render(t, USER, NULL, "{\"enable_thinking\":true}", &thinking, &out), 0);
    assert_true(thinking);
    buf_done(&out);
    assert_int_equal(render(t, USER, NULL, NULL, &thinking, &out), 0);
    assert_false(thinking);
    buf_done(&out);
    chat_template_free(t);
}

#define SAID(role, text) "{\"role\":\"" role "\",\"content\":\"" text "\"}"
#define FIRST_SYSTEM                                                                               \
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}"                        \
    "{{ raise_exception('late') }}{% endif %}"
#define NO_PLACE                                                                                   \
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}{% endif %}"
#define IN_TURN                                                                                    \
    "{% if not loop.first and messages[loop.index0 - 1].role == m.role %}"                         \
    "{{ raise_exception('in turn') }}{% endif %}"
#define TURN "[{{ m.role }}]{{ m.content }}{% endfor %}"

/* Claude Code speaks to the model in the middle of a conversation, Codex twice at its beginning,
 * and twice for the user. Some templates failed on it ("roles must alternate"), others lost it
 * without a word: those that have a place for a first system message only. */
static void test_template__what_agents_say_finds_its_place(void **state)
{
    static const char claude[] =
        "[" SAID("system", "a") "," SAID("user", "b") "," SAID("system", "c") "]";
    static const char codex[] = "[" SAID("developer", "a") "," SAID("developer", "b") "," SAID(
        "user", "c") "," SAID("user", "d") "]";

    (void)state;
    assert_prompt(TURNS, claude, NULL, "[system]a[user]b[system]c");
    assert_prompt(TURNS, codex, NULL, "[system]a[system]b[user]c[user]d");
    assert_prompt(FIRST_SYSTEM TURN, claude, NULL, "[system]a[user]b[user]c");
    assert_prompt(FIRST_SYSTEM TURN, codex, NULL, "[system]a\n\nb[user]c[user]d");
    assert_prompt(FIRST_SYSTEM IN_TURN TURN, claude, NULL, "[system]a[user]b\n\nc");
    assert_prompt(FIRST_SYSTEM IN_TURN TURN, codex, NULL, "[system]a\n\nb[user]c\n\nd");
    assert_prompt(NO_PLACE IN_TURN TURN, claude, NULL, "[user]a\n\nb\n\nc");
    assert_prompt("{% for m in messages %}{% if m.role == 'user' or loop.first %}" /* lost */
                  "[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}",
                  claude, NULL, "[system]a[user]b[user]c");
}

/* Each joined its message to all that were there: 20,000 results took a worker minutes, in which it
 * took in nothing else. Now each is copied once. */
static void test_template__many_messages_are_joined_at_once(void **state)
{
    enum { N = 20000 };
    struct chat_template *t = compile(TURNS);
    json_t *m = json_array();
    struct chat_conversation c = {.messages = m};
    struct err err = {0};
    char text[251];
    struct buf out;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < N; i++)
        json_array_append_new(m, json_pack("{s:s, s:s}", "role", "tool", "content", text));
    buf_init(&out, 16u << 20);
    assert_int_equal(chat_template_render(t, &c, &out, NULL, &err), 0);
    assert_true(str_starts(buf_str(&out), "[user]The function's result:\nx"));
    assert_int_equal(out.len, strlen("[user]") + (strlen("The function's result:\n") + 250) * N +
                                  strlen("\n\n") * (N - 1));
    buf_done(&out);
    json_decref(m);
    chat_template_free(t);
}

/* The prompt of a conversation whose last message is gone on with, or the error's text. */
static int go_on(const struct chat_template *t, const char *content, bool *thinking,
                 struct buf *out)
{
    json_t *m = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "user", "content", "hi", "role",
                          "assistant", "content", content);
    struct chat_conversation c = {.messages = m, .continues = true};
    int rc = render_all(t, &c, thinking, out);

    json_decref(m);
    return rc;
}

#define CLOSED "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}<|im_end|>{% endfor %}"

/* A conversation that ends with what the assistant has begun to say was closed behind it, and the
 * answer began anew: `{"colour": "` and then a whole object. The prompt ends with the text,
 * whatever the template puts behind it, trims, or has in its own words. */
static void test_template__a_text_is_gone_on_with(void **state)
{
    static const char *const texts[] = {"{\"colour\": \"", "i", "im_end|>", "The answer is "};
    struct chat_template *t = compile(CLOSED OPEN), *blind = compile("{{ messages[0].content }}");
    struct buf out;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *want = str_printf("<|user|>hi<|im_end|><|assistant|>%s", texts[i]);

        assert_int_equal(go_on(t, texts[i], NULL, &out), 0);
        assert_string_equal(buf_str(&out), want);
        buf_done(&out);
        free(want);
    }
    assert_int_equal(go_on(blind, "a", NULL, &out), ERR_UNSUPPORTED);
    assert_non_null(strstr(buf_str(&out), "does not show the last message"));
    buf_done(&out);
    chat_template_free(t);
    chat_template_free(blind);
}

/* Thinking models: a text that has opened a thought goes on in it, any other is content. */
static void test_template__a_thought_is_gone_on_with(void **state)
{
    struct chat_template *t =
        compile(TURNS "{% if add_generation_prompt %}<think>\n{% endif %}{#</think>#}");
    static const struct {
        const char *text;
        bool thinking;
    } cases[] = {{"<think>Let me", true}, {"<think>so</think>The", false}, {"The", false}};
    struct buf out;
    bool thinking;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thinking = !cases[i].thinking;
        assert_int_equal(go_on(t, cases[i].text, &thinking, &out), 0);
        assert_int_equal(thinking, cases[i].thinking);
        assert_true(str_ends(buf_str(&out), cases[i].text));
        buf_done(&out);
    }
    chat_template_free(t);
}

/* Templates of models that see images go over the parts of a content, and over a text's characters
 * as if those had none: SmolVLM's and LLaVA-OneVision's prompts held turns, and nothing that was
 * said in them. The first asks for the first part's type, also of a text of no bytes. */
static void test_template__contents_are_parts_where_a_template_goes_over_them(void **state)
{
    static const char smol[] =
        "{% for m in messages %}[{{ m.role }}{% if m.content[0].type == 'image' %}:"
        "{% else %}] {% endif %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}"
        "{% endif %}{% endfor %}{% endfor %}";
    static const char ov[] = "{% for m in messages %}[{{ m.role }}]{% for p in m.content "
                             "| selectattr('type', 'equalto', 'text') %}{{ p.text }}{% endfor %}"
                             "<|im_end|>{% endfor %}";
    static const char said[] = "[" SAID("system", "a") "," SAID(
        "assistant", "") ","
                         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"b\"},"
                         "{\"type\":\"text\",\"text\":\"c\"}]}]";
    struct chat_template *t = compile(ov);
    struct buf out;

    (void)state;
    assert_prompt(smol, said, NULL, "[system] a[assistant] [user] b\nc");
    assert_prompt(ov, said, NULL, "[system]a<|im_end|>[assistant]<|im_end|>[user]b\nc<|im_end|>");
    assert_prompt("{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}"
                  "{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}",
                  USER, NULL, "hi"); /* who takes both gets a text, as ever */
    assert_int_equal(render(t, CALLS, TOOLS, NULL, NULL, &out), 0);
    assert_non_null(strstr(buf_str(&out), "does f"));
    assert_non_null(strstr(buf_str(&out), "42"));
    buf_done(&out);
    assert_int_equal(go_on(t, "The answer is ", NULL, &out), 0);
    assert_string_equal(buf_str(&out), "[user]hi<|im_end|>[assistant]The answer is ");
    buf_done(&out);
    chat_template_free(t);
}

/* Better no answer than one to a question that the model did not see. */
static void test_template__one_that_shows_no_user_is_refused(void **state)
{
    struct chat_template *t = compile("{% for m in messages %}[{{ m.role }}]{% endfor %}");
    struct buf out;

    (void)state;
    assert_int_equal(render(t, USER, NULL, NULL, NULL, &out), ERR_UNSUPPORTED);
    assert_non_null(strstr(buf_str(&out), "does not show what the user says"));
    buf_done(&out);
    chat_template_free(t);
    /* It may want more than was tried. */
    t = compile("{% if not style %}{{ raise_exception('no style') }}{% endif %}" TURNS);
    assert_int_equal(render(t, USER, NULL, "{\"style\":\"x\"}", NULL, &out), 0);
    assert_string_equal(buf_str(&out), "[user]hi");
    buf_done(&out);
    chat_template_free(t);
}

static void test_template__bad_and_endless_ones(void **state)
{
    struct chat_template *t;
    struct err err = {0};
    struct buf out;

    (void)state;
    assert_int_equal(chat_template_create("a\n{% if %}", 10, "", "", &t, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "line 2"));
    t = compile(
        "{% for i in range(9999999) %}{% for j in range(9999999) %}x{% endfor %}{% endfor %}");
    assert_int_equal(render(t, USER, NULL, NULL, NULL, &out), ERR_LIMIT);
    buf_done(&out);
    chat_template_free(t);
}

/* One for conversations with tools fails without: what it can do was tried without, and it could
 * nothing. */
static void test_template__one_for_tools_is_tried_with_tools(void **state)
{
    static const char text[] =
        "{#<tool_call> arguments#}{% for t in tools %}{{ t.function.name }}{% endfor %}" TURNS;
    struct chat_template *t = compile(text);

    (void)state;
    assert_true(chat_template_abilities(t)->knows_system);
    assert_true(chat_template_abilities(t)->user_runs);
    chat_template_free(t);
    assert_prompt(text, "[" SAID("system", "a") "," SAID("user", "b") "]", TOOLS,
                  "f[system]a[user]b");
    assert_prompt(text, USER, NULL, "[user]hi"); /* it failed: "none cannot be looped over" */
}

/* ---- several calls, and calls beside texts ---- */

#define CALL(id, city)                                                                             \
    "{\"id\":\"" id                                                                                \
    "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{\"city\":\"" city        \
    "\"}}}"
#define CALLED(say, calls)                                                                         \
    "{\"role\":\"assistant\",\"content\":" say                                                     \
    ",\"reasoning_content\":\"t\",\"tool_calls\":[" calls "]}"
#define RESULT(id, text) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"
/* Two calls, the results the other way round, one that nobody asked for, and a later turn. */
#define TWO_CALLS(say)                                                                             \
    "[" SAID("user", "hi") "," CALLED(say, CALL("a", "Oslo") "," CALL("b", "Rome")) "," RESULT(    \
        "b", "5") "," RESULT("x", "9") "," RESULT("a", "4") "," SAID("assistant", "so") "]"

#define TOOL_SIGN "{#<tool_call> arguments#}{% if tools %}{% endif %}"
#define ONE_AT_A_TIME                                                                              \
    TOOL_SIGN "{% for m in messages %}{% if m.tool_calls %}"                                       \
              "{% if m.tool_calls | length != 1 %}{{ raise_exception('only one') }}{% endif %}"    \
              "[{{ m.content }}{{ m.reasoning }}:{{ m.tool_calls[0].function.arguments | items | " \
              "last | join('=') }}]"                                                               \
              "{% else %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}"

/* Llama 3's template takes one call a message and fails on two ("This model only supports single
 * tool-calls at once!"): an answer of two made every further turn fail. GigaChat's shows the first
 * of them. Each call becomes a message with its own result behind it. */
static void test_template__calls_are_told_one_by_one_where_a_template_takes_one(void **state)
{
    struct chat_template *t = compile(ONE_AT_A_TIME), *any = compile(HERMES_SIGN TURNS);

    (void)state;
    assert_false(chat_template_abilities(t)->parallel_calls);
    assert_true(chat_template_abilities(any)->parallel_calls);
    chat_template_free(t);
    chat_template_free(any);
    assert_prompt(ONE_AT_A_TIME, TWO_CALLS("\"well\""), TOOLS,
                  "[user]hi[wellt:city=Oslo][tool]4[:city=Rome][tool]5[tool]9[assistant]so");
    assert_prompt(ONE_AT_A_TIME, "[" SAID("user", "hi") "," CALLED("null", CALL("a", "Oslo")) "]",
                  TOOLS, "[user]hi[t:city=Oslo]");
    /* ids that are missing, or the same */
    assert_prompt(
        ONE_AT_A_TIME,
        "[" SAID("user", "hi") "," CALLED("\"\"", CALL("", "Oslo") "," CALL("", "Rome")) "," SAID(
            "tool", "4") "," SAID("tool", "5") "]",
        TOOLS, "[user]hi[t:city=Oslo][tool]4[:city=Rome][tool]5");
}

#define WHERE_NULL                                                                                 \
    TOOL_SIGN                                                                                      \
    "{% for m in messages %}{% if m.content is none %}"                                            \
    "{% for c in m.tool_calls %}[{{ 'call ' + c.function.arguments }}]{% endfor %}{% else %}"      \
    "[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}"

/* DeepSeek-R1's template, as it was published, looks for calls where the content is null only. It
 * was never null, so that the model was shown results of calls that it had not made. */
static void test_template__calls_are_shown_where_the_content_must_be_null(void **state)
{
    (void)state;
    assert_prompt(WHERE_NULL, TWO_CALLS("null"), TOOLS,
                  "[user]hi[call {\"city\": \"Oslo\"}][call {\"city\": \"Rome\"}]"
                  "[tool]5[tool]9[tool]4[assistant]so");
    /* A text and calls do not go together there. */
    assert_prompt(WHERE_NULL, TWO_CALLS("\"well\""), TOOLS,
                  "[user]hi[assistant]well[call {\"city\": \"Oslo\"}][call {\"city\": \"Rome\"}]"
                  "[tool]5[tool]9[tool]4[assistant]so");
}

/* ---- published templates ---- */

/* Templates that check turns by their number ("roles must alternate") take a system message behind
 * the user's, and none behind another one or behind an answer: that was tried in one place. */
static void test_template__system_messages_are_tried_at_all_places(void **state)
{
    static const char by_number[] =
        "{% if messages[0].role == 'system' %}[S]{{ messages[0].content }}"
        "{% set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}"
        "{% for m in turns %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}" TURN;

    (void)state;
    assert_prompt(by_number,
                  "[" SAID("developer", "a") "," SAID("developer", "b") "," SAID(
                      "user", "c") "," SAID("user", "d") "]",
                  NULL, "[S]a\n\nb[user]c\n\nd");
    assert_prompt(by_number,
                  "[" SAID("user", "a") "," SAID("assistant", "b") "," SAID("system", "c") "," SAID(
                      "user", "d") "]",
                  NULL, "[user]a[assistant]b[user]c\n\nd");
}

/* DeepSeek-V3.2's template speaks of developers and passes over what they say; gpt-oss' shows the
 * first of them only. The others were lost without a word. */
static void test_template__no_developer_is_passed_over(void **state)
{
    static const char codex[] =
        "[" SAID("developer", "a") "," SAID("developer", "b") "," SAID("user", "c") "]";

    (void)state;
    assert_prompt(
        "{% for m in messages %}{% if m.role == 'developer' %}{% continue %}{% endif %}" TURN,
        codex, NULL, "[system]a[system]b[user]c");
    assert_prompt("{% for m in messages %}{% if m.role != 'developer' or loop.first %}"
                  "[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}",
                  codex, NULL, "[system]a[system]b[user]c");
    assert_prompt("{# 'developer' #}" TURNS, codex, NULL, "[developer]a[developer]b[user]c");
}

/* Hermes' template fails on a result without its function's name ("Tool response dicts require a
 * 'name' key"), others show "undefined" or nothing: OpenAI's messages have the call's id alone. */
static void test_template__results_have_their_functions_names(void **state)
{
    static const char names[] = TOOL_SIGN
        "{% for m in messages %}{% for c in m.tool_calls %}"
        "{{ c.function.arguments | tojson if messages | length > 5 }}{% endfor %}"
        "{% if m.role == 'tool' %}{{ m.name }}={{ m.content }};{% endif %}{% endfor %}" SEES;
#define TWO_NAMES                                                                                  \
    "[" SAID("user", "hi") ",{\"role\":\"assistant\",\"tool_calls\":["                             \
                           "{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"    \
                           "{\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},"

    (void)state;
    assert_prompt(names, TWO_NAMES RESULT("b", "2") "," RESULT("a", "1") "]", TOOLS, "g=2;f=1;hi");
    assert_prompt(names,
                  TWO_NAMES "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"name\":\"own\","
                            "\"content\":\"1\"}," RESULT("x", "3") "]",
                  TOOLS, "own=1;=3;hi");
    assert_prompt(TURNS, TWO_NAMES RESULT("b", "2") "]", NULL,
                  "[user]hi[assistant]{\"name\": \"f\", \"arguments\": {}}\n"
                  "{\"name\": \"g\", \"arguments\": {}}"
                  "[user]The function's result of g:\n2");
}

/* Calls that a template passes over (Granite's, SmolLM3's) were lost: the model saw results of what
 * it had not asked. They are told as its format has them. */
static void test_template__calls_that_are_never_shown_are_told(void **state)
{
    static const char calls[] = TWO_NAMES RESULT("a", "1") "," RESULT("b", "2") "]";

    (void)state;
    assert_prompt("{#<tool_call> arguments#}{{ tools | length }}" TURNS, calls, TOOLS,
                  "1[user]hi[assistant]<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>"
                  "\n<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>[tool]1[tool]2");
    assert_prompt("{#<|tool_call|> JSON list of tools#}{{ tools | length }}" TURNS, calls, TOOLS,
                  "1[user]hi[assistant]<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}, "
                  "{\"name\": \"g\", \"arguments\": {}}][tool]1[tool]2");
    assert_prompt("{#[TOOL_CALLS] [ARGS]#}{{ tools | length }}" TURNS, calls, TOOLS,
                  "1[user]hi[assistant][TOOL_CALLS]f[ARGS]{}\n[TOOL_CALLS]g[ARGS]{}"
                  "[tool]1[tool]2");
}

/* Firefunction's template has the tools as a text under a name of its own, and the time: every chat
 * of that model failed ("'functions' is undefined"). */
static void test_template__tools_as_a_text(void **state)
{
    static const char text[] =
        "{# functools[ #}F{{ functions }};{{ datetime[12:] }}{% for m in messages %}"
        "{% for c in m.tool_calls %} functools[{{ c.function.arguments | tojson }}]{% endfor %}"
        "[{{ m.role }}]{{ m.content }}{% endfor %}";

    (void)state;
    assert_prompt(text, USER, NULL, "F;00:00:00 GMT[user]hi");
    assert_prompt(text, USER, "[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]",
                  "F[\n  {\n    \"type\": \"function\",\n    \"function\": {\n      \"name\": "
                  "\"f\"\n    }\n  }\n];00:00:00 GMT[user]hi");
}

struct published {
    const char *file, *format, *think;
    bool text, no_system; /* arguments as a text; refuses system messages */
    bool one_call;        /* of several in a message it shows one, or refuses them */
    bool hides_calls;     /* it never shows them */
};

/* Read off the templates by a person. */
static const struct published published[] = {
    {"Bielik-11B-v3.0-Instruct", "hermes", "</think>", false, false},
    {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "command-r", "<|END_THINKING|>", false,
     false},
    {"GigaChat3-10B-A1.8B", "gigachat", NULL, false, false, true},
    {"Kimi-K2-Instruct", "kimi-k2", NULL, false, false},
    {"LFM2.5-8B-A1B", "generic", "</think>", false, false},
    {"MiniMax-M2", "generic", "</think>", false, false},
    {"NVIDIA-Nemotron-Nano-v2", "nemotron", "</think>", false, false},
    {"Qwen-QwQ-32B", "hermes", "</think>", false, false},
    {"Qwen3-Coder", "generic", NULL, false, false},
    {"StepFun3.5-Flash", "generic", "</think>", false, false},
    {"deepseek-ai-DeepSeek-V3.1", "deepseek-v3.1", "</think>", false, false},
    {"google-gemma-2-2b-it", "generic", NULL, false, true},
    {"ibm-granite-granite-3.3-2B-Instruct", "granite", "</think>", false, false, false, true},
    {"llama-cpp-deepseek-r1", "deepseek-r1", "</think>", false, false},
    {"meetkai-functionary-medium-v3.2", "functionary", NULL, true, false},
    {"meta-llama-Llama-3.3-70B-Instruct", "llama3", NULL, false, false, true},
    {"mistralai-Mistral-Nemo-Instruct-2407", "mistral", NULL, false, false},
    {"stepfun-ai-Step-3.5-Flash", "generic", "</think>", false, false},
    {"upstage-Solar-Open-100B", "solar-open", "<|end|>", false, false},
};

static struct chat_template *read_published(const char *folder, const char *name)
{
    char *path = str_printf("%s/%s.jinja", folder, name), *text;
    struct chat_template *t;
    struct err err = {0};
    size_t n;

    if (path_read_file(path, FILE_MAX_BYTES, &text, &n, &err) ||
        chat_template_create(text, n, "<s>", "</s>", &t, &err))
        fail_msg("%s: %s", name, err.text);
    free(text);
    free(path);
    return t;
}

/* A conversation with a call: every template takes it, and the call and its result are in the
 * prompt. */
static void assert_takes_calls(const struct chat_template *t, const char *name)
{
    const char *why = chat_template_format(t)->name;
    struct buf out;

    if (render(t, CALLS, TOOLS, NULL, NULL, &out))
        fail_msg("%s: %s", name, buf_str(&out));
    if (!strstr(buf_str(&out), "does f") || !strstr(buf_str(&out), "42"))
        fail_msg("%s (%s) lacks the tool or its result:\n%s", name, why, buf_str(&out));
    if (!strstr(buf_str(&out), "\"b\": 1"))
        fail_msg("%s (%s) lacks the arguments:\n%s", name, why, buf_str(&out));
    buf_done(&out);
}

/* ... and the conversation goes on behind them: Mistral's want turns that alternate, of which a
 * call and its result are none. */
static void assert_goes_on_behind_calls(const struct chat_template *t, const char *name)
{
    json_t *m = load(CALLS), *tools = load(TOOLS);
    struct chat_conversation c = {.messages = m, .tools = tools};
    struct buf out;

    json_array_append_new(m, json_pack("{s:s, s:s}", "role", "assistant", "content", "it is so"));
    json_array_append_new(m, json_pack("{s:s, s:s}", "role", "user", "content", "and then?"));
    if (render_all(t, &c, NULL, &out) || !strstr(buf_str(&out), "\"b\": 1") ||
        !strstr(buf_str(&out), "it is so") || !strstr(buf_str(&out), "and then?"))
        fail_msg("%s: %s", name, buf_str(&out));
    buf_done(&out);
    json_decref(m);
    json_decref(tools);
}

/* All that is said arrives, wherever Claude Code and Codex say it. */
static void assert_takes_places(const struct chat_template *t, const char *file)
{
    static const char *const agents[] = {
        "[{\"role\":\"system\",\"content\":\"one\"},{\"role\":\"user\",\"content\":\"two\"},"
        "{\"role\":\"system\",\"content\":\"three\"}]",
        "[{\"role\":\"developer\",\"content\":\"one\"},{\"role\":\"developer\",\"content\":\"two\"}"
        ","
        "{\"role\":\"user\",\"content\":\"three\"},{\"role\":\"user\",\"content\":\"four\"}]"};
    struct buf out;

    for (size_t i = 0; i < 2; i++) {
        if (render(t, agents[i], NULL, NULL, NULL, &out) || !strstr(buf_str(&out), "one") ||
            !strstr(buf_str(&out), "two") || !strstr(buf_str(&out), "three") ||
            (i == 1 && !strstr(buf_str(&out), "four")))
            fail_msg("%s: %s", file, buf_str(&out));
        buf_done(&out);
    }
}

static void assert_goes_on(const struct chat_template *t, const char *file)
{
    static const char text[] = "So {\"a\": \"";
    struct buf out;

    if (go_on(t, text, NULL, &out) || !str_ends(buf_str(&out), text))
        fail_msg("%s: %s", file, buf_str(&out));
    buf_done(&out);
}

static void test_template__published_ones(void **state)
{
    const char *data = getenv("RBEE_TEST_DATA");
    char *folder = str_printf("%s/chat-templates/templates", data ? data : "/nonexistent");

    (void)state;
    if (!path_is_dir(folder)) {
        print_message("skipped: no published templates at '%s'\n", folder);
        free(folder);
        skip();
    }
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        const struct published *p = &published[i];
        struct chat_template *t = read_published(folder, p->file);
        const struct chat_think *think = chat_template_think(t);

        if (!str_eq(chat_template_format(t)->name, p->format))
            fail_msg("%s: %s and not %s", p->file, chat_template_format(t)->name, p->format);
        if (!str_eq(think ? think->close : NULL, p->think))
            fail_msg("%s: thoughts end with %s", p->file, think ? think->close : "nothing");
        if (chat_template_abilities(t)->arguments_as_text != p->text ||
            chat_template_abilities(t)->knows_system == p->no_system ||
            chat_template_abilities(t)->parallel_calls == p->one_call ||
            chat_template_abilities(t)->shows_calls == p->hides_calls)
            fail_msg("%s: abilities %d %d %d %d", p->file,
                     chat_template_abilities(t)->arguments_as_text,
                     chat_template_abilities(t)->knows_system,
                     chat_template_abilities(t)->parallel_calls,
                     chat_template_abilities(t)->shows_calls);
        assert_takes_calls(t, p->file);
        assert_goes_on_behind_calls(t, p->file);
        assert_goes_on(t, p->file);
        assert_takes_places(t, p->file);
        chat_template_free(t);
    }
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template__variables_are_those_of_transformers),
        cmocka_unit_test(test_template__contents_are_texts),
        cmocka_unit_test(test_template__arguments_as_the_template_wants_them),
        cmocka_unit_test(test_template__arguments_with_wide_numbers_are_objects),
        cmocka_unit_test(test_template__arguments_have_one_limit_together),
        cmocka_unit_test(test_template__short_ids),
        cmocka_unit_test(test_template__tools_are_told_where_the_template_has_none),
        cmocka_unit_test(test_template__tools_without_a_system_role),
        cmocka_unit_test(test_template__an_opened_thought_is_seen),
        cmocka_unit_test(test_template__what_agents_say_finds_its_place),
        cmocka_unit_test(test_template__many_messages_are_joined_at_once),
        cmocka_unit_test(test_template__a_text_is_gone_on_with),
        cmocka_unit_test(test_template__a_thought_is_gone_on_with),
        cmocka_unit_test(test_template__contents_are_parts_where_a_template_goes_over_them),
        cmocka_unit_test(test_template__one_that_shows_no_user_is_refused),
        cmocka_unit_test(test_template__one_for_tools_is_tried_with_tools),
        cmocka_unit_test(test_template__calls_are_told_one_by_one_where_a_template_takes_one),
        cmocka_unit_test(test_template__calls_are_shown_where_the_content_must_be_null),
        cmocka_unit_test(test_template__system_messages_are_tried_at_all_places),
        cmocka_unit_test(test_template__no_developer_is_passed_over),
        cmocka_unit_test(test_template__results_have_their_functions_names),
        cmocka_unit_test(test_template__calls_that_are_never_shown_are_told),
        cmocka_unit_test(test_template__tools_as_a_text),
        cmocka_unit_test(test_template__bad_and_endless_ones),
        cmocka_unit_test(test_template__published_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
