/* An answer's text to its parts: every format, every cut, and what is none of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "chat/json_scan.h"
#include "chat/split.h"

/* Texts of templates that stand for their formats: what chat_format_of looks for, and no more. */
#define HERMES      "<tool_call> arguments"
#define MISTRAL     "[TOOL_CALLS]"
#define NEWER       "[TOOL_CALLS] [ARGS]"
#define LLAMA       "<|start_header_id|> {\"name\": \"parameters\": "
#define KIMI        "<|tool_calls_section_begin|> <|tool_call_argument_begin|>"
#define R1          "<｜tool▁call▁begin｜> <｜tool▁sep｜> ```json"
#define V31         "<｜tool▁call▁begin｜> <｜tool▁sep｜>"
#define COMMAND     "<|START_ACTION|> tool_name"
#define FUNCTIONARY ">>>all >>>${recipient}"
#define OLDER       "'<function=' '</function>'" /* Functionary 3.1 */
#define APRIEL      "<tool_calls>[ <tool_call></tool_call> arguments"
#define FIRE        " functools[ functions datetime"
#define PLAIN       ""

static json_t *tools; /* of "f" and "g_2" */

/* Parts as one line: c(content) r(reasoning) f{arguments}. Neighbours of a kind are one. */
struct record {
    struct buf line;
    int kind; /* of the open bracket; -1: none */
};

static void close_part(struct record *r)
{
    static const char ends[] = ")) }";

    if (r->kind >= 0)
        buf_putc(&r->line, ends[r->kind]);
    r->kind = -1;
}

static void take(void *arg, const struct split_piece *p)
{
    struct record *r = arg;

    assert_true(p->n > 0);
    if (p->kind == SPLIT_CALL) {
        close_part(r);
        buf_printf(&r->line, "%u:%.*s", p->index, (int)p->n, p->text);
        return;
    }
    if (r->kind != (int)p->kind) {
        close_part(r);
        buf_puts(&r->line, p->kind == SPLIT_CONTENT     ? "c("
                           : p->kind == SPLIT_REASONING ? "r("
                                                        : "{");
    }
    r->kind = (int)p->kind;
    buf_put(&r->line, p->text, p->n);
}

struct setting {
    const char *template; /* NULL: calls are not looked for */
    bool think, thinking, begun;
};

/* The parts of a text that is cut behind byte i where bit i % 64 of `cuts` is set; "" on top. */
static void split(const struct setting *how, const char *text, uint64_t cuts, struct record *r)
{
    struct split_options o = {.format = how->template ? chat_format_of(how->template) : NULL,
                              .think = how->think ? chat_think_of("</think>") : NULL,
                              .tools = tools,
                              .thinking = how->thinking,
                              .begun = how->begun,
                              .give = take,
                              .arg = r};
    size_t n = strlen(text), from = 0;
    struct split *s;

    buf_init(&r->line, 1u << 20);
    r->kind = -1;
    assert_int_equal(split_create(&o, &s, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        bool within = i + 1 < n && ((unsigned char)text[i + 1] & 0xc0) == 0x80; /* a character */

        if (!within && (i + 1 == n || cuts >> (i % 64) & 1)) {
            assert_int_equal(split_put(s, text + from, i + 1 - from), 0);
            from = i + 1;
        }
    }
    assert_int_equal(split_end(s), 0);
    split_free(s);
    close_part(r);
}

static void assert_parts_cut(const struct setting *how, const char *text, const char *want,
                             uint64_t cuts)
{
    struct record r;

    split(how, text, cuts, &r);
    if (strcmp(buf_str(&r.line), want) != 0)
        fail_msg("'%s' cut at %llx gives\n  %s\nand not\n  %s", text, (unsigned long long)cuts,
                 buf_str(&r.line), want);
    buf_done(&r.line);
}

/* Whole, byte by byte, cut once at each place, and cut at random. */
static void assert_parts(struct setting how, const char *text, const char *want)
{
    uint64_t random = 88172645463325252u;

    assert_parts_cut(&how, text, want, 0);
    assert_parts_cut(&how, text, want, UINT64_MAX);
    for (int i = 0; i < 64; i++)
        assert_parts_cut(&how, text, want, UINT64_C(1) << i);
    for (int i = 0; i < 200; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        assert_parts_cut(&how, text, want, random);
    }
}

static const struct setting plain = {PLAIN, false, false}, hermes = {HERMES, true, false},
                            llama = {LLAMA, false, false}, mistral = {MISTRAL, false, false},
                            newer = {NEWER, true, false}, nothing = {NULL, true, false};

static void test_split__text_is_content(void **state)
{
    (void)state;
    assert_parts(nothing, "Hello, <b>you</b>\n\n{\"name\": 1} [x]\n ",
                 "c(Hello, <b>you</b>\n\n{\"name\": 1} [x]\n )");
    assert_parts(hermes, " Hi <tool_cal and <tool </think> <think>\n",
                 "c( Hi <tool_cal and <tool </think> <think>\n)");
    assert_parts(plain, "\n{\"a\": 1}", "c(\n{\"a\": 1})");
    assert_parts(hermes, "", "");
    assert_parts(hermes, "\n ", "c(\n )");
    assert_parts(hermes, "a<tool_call", "c(a<tool_call)");
    assert_parts(hermes, "<<tool<<tool_call", "c(<<tool<<tool_call)");
}

static void test_split__thoughts(void **state)
{
    struct setting opened = {HERMES, true, true};

    (void)state;
    assert_parts(hermes, "<think>\nWell, a < b.\n</think>\n\nYes.", "r(Well, a < b.)c(Yes.)");
    assert_parts(opened, "\nWell.\n</think>\n\nYes. <think>no</think>",
                 "r(Well.)c(Yes. <think>no</think>)");
    assert_parts(opened, "Never done </thin", "r(Never done </thin)");
    assert_parts(opened, "Never done \n", "r(Never done \n)");
    assert_parts(hermes, "\n <think></think>Yes.", "c(Yes.)");
    assert_parts(nothing, "<think>a</think><tool_call>", "r(a)c(<tool_call>)");
    assert_parts(hermes, "I say <think>a</think>", "c(I say <think>a</think>)");
    assert_parts(opened, "a <tool_call>\n</think>b", "r(a <tool_call>)c(b)");
    assert_parts(opened, "a</think>\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>",
                 "r(a)0:f{{}}");
}

static void test_split__hermes(void **state)
{
    (void)state;
    assert_parts(
        hermes,
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"{\", \"b\": [1, {}]}}"
        "\n</tool_call>",
        "0:f{{\"a\": \"}\\\"{\", \"b\": [1, {}]}}");
    assert_parts(hermes,
                 "Let me see.\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n"
                 "<tool_call>{\"name\":\"g_2\",\"arguments\":{\"x\":null}}</tool_call>\nDone.",
                 "c(Let me see.)0:f{{}}1:g_2{{\"x\":null}}c(Done.)");
    /* arguments before the name, as a text, or not at all */
    assert_parts(hermes, "<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"f\"}</tool_call>",
                 "0:f{{\"a\":1}}");
    /* a number that jansson has no integer for: the call was content */
    assert_parts(hermes,
                 "<tool_call>{\"arguments\": {\"a\": 100000000000000000000, \"b\": 2}, "
                 "\"name\": \"f\"}</tool_call>",
                 "0:f{{\"a\":1e20,\"b\":2}}");
    assert_parts(hermes, "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}</tool_call>",
                 "0:f{{\"a\":1}}");
    assert_parts(hermes, "<tool_call>{\"name\":\"f\"}</tool_call>", "0:f{{}}");
    assert_parts(hermes, "<tool_call>{\"name\":\"f\",\"parameters\":{}, \"id\": 7}</tool_call>",
                 "0:f{{}}");
    /* what closes it is missing */
    assert_parts(hermes, "<tool_call>{\"name\":\"f\",\"arguments\":{}}", "0:f{{}}");
    assert_parts(hermes, "<tool_call>{\"name\":\"f\",\"arguments\":{}} and so", "0:f{{}}c(and so)");
}

/* An answer by a schema, which could have been a call and is known to be none behind its first n
 * bytes: whatever is in it is content. */
static void assert_forgone(const char *template, const char *text, size_t n)
{
    struct record r = {.kind = -1};
    struct split_options o = {
        .format = chat_format_of(template), .tools = tools, .give = take, .arg = &r};
    struct split *s;
    char want[256];

    buf_init(&r.line, 1u << 20);
    assert_int_equal(split_create(&o, &s, NULL), 0);
    assert_int_equal(split_put(s, text, n), 0);
    split_forgo_calls(s);
    split_forgo_calls(s);
    assert_int_equal(split_put(s, text + n, strlen(text + n)), 0);
    assert_int_equal(split_end(s), 0);
    assert_int_equal(split_n_calls(s), 0);
    split_free(s);
    close_part(&r);
    snprintf(want, sizeof want, "c(%s)", text);
    assert_string_equal(buf_str(&r.line), want);
    buf_done(&r.line);
}

static void test_split__calls_that_are_forgone(void **state)
{
    static const char call[] = "{\"name\": \"f\", \"arguments\": {}}",
                      quoted[] = "[\"[TOOL_CALLS]f[ARGS]{}\"]";

    (void)state;
    for (size_t n = 0; n < strlen(call) - strlen("{}}"); n++)
        assert_forgone(LLAMA, call, n);
    for (size_t n = 0; n < strlen("[\"[TOOL_CALLS]f[ARGS]"); n++)
        assert_forgone(NEWER, quoted, n);
    assert_forgone(FUNCTIONARY, "{\"a\": \"f\\n{}\"}", 1);
    assert_forgone(FUNCTIONARY, "true", 3);
    assert_parts(llama, call, "0:f{{}}"); /* else they are calls */
    assert_parts(newer, quoted, "c([\")0:f{{}}c(\"])");
}

static void test_split__broken_calls_are_content(void **state)
{
    static const char *const broken[] = {
        "<tool_call>",
        "<tool_call>\n",
        "x\n <tool_call> f()</tool_call>",
        "<tool_call>{\"name\": f}</tool_call>",
        "<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": 5}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": \"{\"}</tool_call>",
        "<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>",
        "<tool_call>{\"city\": \"Rome\"}</tool_call>",
        "<tool_call>{\"arguments\": {}}</tool_call>",
        "<tool_call>[]</tool_call>",
        "<tool_call>{\"name\": \"f\", \"argu",
        "<tool_call>{\"name\": \"f",
    };
    char want[200];

    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        snprintf(want, sizeof want, "c(%s)", broken[i]);
        assert_parts(hermes, broken[i], want);
    }
    /* a good one behind a broken one */
    assert_parts(hermes, "<tool_call>{<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>",
                 "c(<tool_call>{)0:f{{}}");
}

/* It was told already: it keeps what it has, and nothing of the rest is lost. */
static void test_split__calls_that_break_off(void **state)
{
    (void)state;
    assert_parts(hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"b",
                 "0:f{{\"a\": \"b}");
    assert_parts(hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": oh no}}",
                 "0:f{{\"a\": }c(oh no}})");
    assert_parts(hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {}", "0:f{{}}");
    assert_parts(hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {}, oops",
                 "0:f{{}}c(, oops)");
    assert_parts(newer, "[TOOL_CALLS]f[ARGS]{\"a\":1,}", "0:f{{\"a\":1,}c(})");
}

static void test_split__lists(void **state)
{
    struct setting command = {COMMAND, false, false};

    (void)state;
    assert_parts(
        mistral,
        "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"abcdef123\"}, "
        "{\"name\": \"g_2\", \"arguments\": {}}]",
        "0:f{{\"a\": 1}}1:g_2{{}}");
    assert_parts(mistral, "[TOOL_CALLS]{\"name\": \"f\", \"arguments\": {}}", "0:f{{}}");
    assert_parts(mistral, "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}, no]",
                 "0:f{{}}c(, no])");
    assert_parts(
        command,
        "<|START_ACTION|>[\n {\"tool_call_id\": \"0\", \"tool_name\": \"f\", \"parameters\": "
        "{\"a\": 1}}\n]<|END_ACTION|>",
        "0:f{{\"a\": 1}}");
}

/* An answer that goes on with a text is in the middle of its content: what would be a thought or a
 * call at the beginning is none. */
static void test_split__what_goes_on_has_begun(void **state)
{
    (void)state;
    assert_parts((struct setting){.template = LLAMA, .begun = true},
                 "{\"name\": \"f\", \"parameters\": {}}",
                 "c({\"name\": \"f\", \"parameters\": {}})");
    assert_parts((struct setting){.template = HERMES, .think = true, .begun = true},
                 "<think>a</think>", "c(<think>a</think>)");
    assert_parts(
        (struct setting){.template = HERMES, .think = true, .thinking = true, .begun = true},
        "a</think>b", "r(a)c(b)");
    assert_parts((struct setting){.template = HERMES, .begun = true},
                 "a<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", "c(a)0:f{{}}");
}

static void test_split__bare(void **state)
{
    (void)state;
    assert_parts(llama, "{\"name\": \"f\", \"parameters\": {\"a\": [1]}}", "0:f{{\"a\": [1]}}");
    assert_parts(llama, " \n{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}",
                 "0:f{{}}");
    assert_parts(llama, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", "0:f{{}}");
    assert_parts(llama,
                 "{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g_2\", \"parameters\": {}}",
                 "0:f{{}}1:g_2{{}}");
    assert_parts(plain,
                 "[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g_2\", \"arguments\": {}}]",
                 "0:f{{}}1:g_2{{}}");
    assert_parts(plain,
                 "{\"name\": \"f\", \"arguments\": {}}\n{\"name\": \"g_2\", \"arguments\": {}}\n",
                 "0:f{{}}1:g_2{{}}");
    /* JSON that is an answer */
    assert_parts(llama, "{\"name\": \"Ann\", \"parameters\": {}}",
                 "c({\"name\": \"Ann\", \"parameters\": {}})");
    assert_parts(llama, "{\"name\": \"f\"}", "c({\"name\": \"f\"})");
    assert_parts(llama, "{\"age\": 3}", "c({\"age\": 3})");
    assert_parts(llama, "[1, 2]", "c([1, 2])");
    assert_parts(llama, "So: {\"name\": \"f\", \"parameters\": {}}",
                 "c(So: {\"name\": \"f\", \"parameters\": {}})");
    assert_parts(llama, "<|python_tag|>f(1)", "c(<|python_tag|>f(1))");
}

static void test_split__names_before_arguments(void **state)
{
    struct setting kimi = {KIMI, false, false}, r1 = {R1, true, false}, v31 = {V31, true, false};

    (void)state;
    assert_parts(newer, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g_2[CALL_ID]xyz[ARGS]{}",
                 "0:f{{\"a\": 1}}1:g_2{{}}");
    assert_parts(
        kimi,
        "Yes. <|tool_calls_section_begin|><|tool_call_begin|>functions.f:0"
        "<|tool_call_argument_begin|>{\"a\":1}<|tool_call_end|><|tool_call_begin|>functions."
        "g_2:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        "c(Yes.)0:f{{\"a\":1}}1:g_2{{}}");
    assert_parts(r1,
                 "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n"
                 "{\"ä\": \"｜\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
                 "0:f{{\"ä\": \"｜\"}}");
    assert_parts(v31,
                 "a<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
                 "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>b",
                 "c(a)0:f{{}}1:f{{}}c(b)");
    assert_parts(v31, "<｜tool▁calls▁begin｜>oops", "c(<｜tool▁calls▁begin｜>oops)");
    assert_parts(v31, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f",
                 "c(<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f)");
    assert_parts(newer, "[TOOL_CALLS][{\"name\": \"f\"}]", "c([TOOL_CALLS][{\"name\": \"f\"}])");
}

/* Functionary 3.1, Apriel and Firefunction were taken for no format, or for Hermes', whose mark
 * theirs begins with: what they called came as text. */
static void test_split__formats_that_were_taken_for_others(void **state)
{
    struct setting older = {OLDER, false, false}, apriel = {APRIEL, false, false},
                   fire = {FIRE, false, false};

    (void)state;
    assert_parts(older, "<function=f>{\"a\": {\"b\": 1}}</function><function=g_2>{}</function>",
                 "0:f{{\"a\": {\"b\": 1}}}1:g_2{{}}");
    assert_parts(older, "So <function=f>(1)</function>", "c(So <function=f>(1)</function>)");
    assert_parts(apriel,
                 "I look.\n<tool_calls>[{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": "
                 "\"x\"}, {\"name\": \"g_2\", \"arguments\": {}}]</tool_calls>",
                 "c(I look.)0:f{{\"a\": 1}}1:g_2{{}}");
    assert_parts(fire,
                 " functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g_2\", "
                 "\"arguments\": {}}]",
                 "0:f{{\"a\": 1}}1:g_2{{}}");
    assert_parts(fire, "The module functools has caches.", "c(The module functools has caches.)");
}

/* A name was cut at its first colon, where Kimi's number begins: a tool "ns:get.x/y" was called as
 * "ns". */
static void test_split__a_number_is_behind_the_last_colon(void **state)
{
    static const struct setting kimi = {KIMI, false, false};
    static const char *const names[][2] = {{"functions.ns:get.x/y:0", "ns:get.x/y"},
                                           {"functions.ns:2:13", "ns:2"},
                                           {"functions.ns:get.x/y", "ns:get.x/y"},
                                           {"functions.f:", "f:"},
                                           {"functions.f:0 ", "f"},
                                           {"f:1", "f"},
                                           {"7", "7"}};
    char text[200], want[60];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(text, sizeof text,
                 "<|tool_calls_section_begin|><|tool_call_begin|>%s<|tool_call_argument_begin|>{}"
                 "<|tool_call_end|><|tool_calls_section_end|>",
                 names[i][0]);
        snprintf(want, sizeof want, "0:%s{{}}", names[i][1]);
        assert_parts(kimi, text, want);
    }
}

/* DeepSeek-R1 closes a call by "\n```" and a mark, and at times puts a line feed between the two,
 * or leaves out the first: the marks came as content then. */
static void test_split__white_space_in_closing_marks_is_free(void **state)
{
    static const char *const ends[] = {"\n```", "```", "\n\n ```", "\n```\n", "``` \n", "\n` ``"};
    struct setting r1 = {R1, true, false};
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(
            text, sizeof text,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}%s"
            "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g_2\n```json\n{}%s"
            "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            ends[i], ends[i]);
        assert_parts(r1, text, "0:f{{}}1:g_2{{}}");
    }
    assert_parts(r1,
                 "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n"
                 "``\n x",
                 "0:f{{}}c(``\n x)"); /* none: no byte of it is lost */
}

/* A call whose closing mark is missing took the next one with it: the '<' that began that one was
 * taken for the closing mark's, and its call came as content. */
static void test_split__what_is_no_closing_mark_may_be_another(void **state)
{
    struct setting v31 = {V31, true, false};

    (void)state;
    assert_parts(hermes,
                 "<tool_call>\n{\"name\":\"f\",\"arguments\":{}}\n<tool_call>\n"
                 "{\"name\":\"g_2\",\"arguments\":{}}\n</tool_call>",
                 "0:f{{}}1:g_2{{}}");
    assert_parts(hermes,
                 "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool <tool_call>"
                 "{\"name\":\"g_2\",\"arguments\":{}}</tool_call>",
                 "0:f{{}}c(</tool)1:g_2{{}}");
    assert_parts(v31,
                 "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}"
                 "<｜tool▁call▁begin｜>g_2<｜tool▁sep｜>{}<｜tool▁calls▁end｜>b",
                 "0:f{{}}1:g_2{{}}c(b)");
}

/* Code in an argument, its lines not escaped: at the first line's end the call was over, with half
 * a JSON text for arguments. Any control character becomes its escape; in what is no call it stays.
 */
static void test_split__control_characters_in_arguments_are_escaped(void **state)
{
    (void)state;
    assert_parts(
        hermes,
        "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":\"x\ny\\n\t\x1f\",\n\"b\":1}}</tool_call>",
        "0:f{{\"a\":\"x\\ny\\n\\t\\u001f\",\n\"b\":1}}");
    assert_parts(newer, "[TOOL_CALLS]f[ARGS]{\"a\": \"x\r\ny\"}", "0:f{{\"a\": \"x\\r\\ny\"}}");
    assert_parts(hermes, "<tool_call>{\"arguments\":{\"a\":\"x\ny\"},\"name\":\"f\"}</tool_call>",
                 "0:f{{\"a\":\"x\\ny\"}}");
    assert_parts(
        hermes,
        "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"x\ny\\\"}\"}</tool_call>",
        "0:f{{\"a\":\"x\\ny\"}}");
    assert_parts(hermes, "<tool_call>{\"name\":\"f\",\"id\":\"a\nb\",\"x\":1}",
                 "c(<tool_call>{\"name\":\"f\",\"id\":\"a\nb\",\"x\":1})");
}

/* With marks and all they were content, though arguments that are missing are none. */
static void test_split__arguments_that_say_nothing_are_none(void **state)
{
    (void)state;
    assert_parts(hermes, "<tool_call>{\"name\":\"f\",\"arguments\":null}</tool_call>", "0:f{{}}");
    assert_parts(hermes, "<tool_call>{\"name\":\"f\",\"arguments\":\"\"}</tool_call>", "0:f{{}}");
    assert_parts(llama, "{\"name\": \"f\", \"parameters\": null}", "0:f{{}}");
    assert_parts(llama, "{\"name\": \"Ann\", \"parameters\": null}",
                 "c({\"name\": \"Ann\", \"parameters\": null})");
}

/* A tool "f " is none of the client's. */
static void test_split__names_have_no_white_space_around_them(void **state)
{
    (void)state;
    assert_parts(newer, "[TOOL_CALLS] f \n[ARGS]{}[TOOL_CALLS]g_2 [CALL_ID]abc[ARGS]{}",
                 "0:f{{}}1:g_2{{}}");
    assert_parts(newer, "[TOOL_CALLS] [ARGS]{}", "c([TOOL_CALLS] [ARGS]{})");
}

/* A prompt has opened the thought, and the model opens it again, as it was taught to. */
static void test_split__a_thought_that_is_opened_twice(void **state)
{
    struct setting opened = {HERMES, true, true};

    (void)state;
    assert_parts(opened, "<think>\nWell.\n</think>\n\nYes.", "r(Well.)c(Yes.)");
    assert_parts(opened, "\n <think>Well <think>, a</think>b", "r(Well <think>, a)c(b)");
    assert_parts(hermes, "<think>\n<think>a</think>b", "r(a)c(b)");
    assert_parts(opened, "<thin", "r(<thin)");
}

/* Functionary's prompts end with the mark of a name, and its content has one, too: every answer
 * began with "all", and calls were content. */
static void test_split__content_with_a_name(void **state)
{
    struct setting named = {FUNCTIONARY, false, false};

    (void)state;
    assert_parts(named, "all\nIt is >> 4.\n", "c(It is >> 4.\n)");
    assert_parts(named, "f\n{\"a\": 1}", "0:f{{\"a\": 1}}");
    assert_parts(named, "all\nSo.\n>>>f\n{}>>>g_2\n{\"a\": 1}>>>all\nb",
                 "c(So.)0:f{{}}1:g_2{{\"a\": 1}}c(b)");
    /* names of no tool: what follows is content */
    assert_parts(named, "all\nTry\n>>> f(1)\n1\n>>> f\n", "c(Try\n>>> f(1)\n1\n>>> f\n)");
    assert_parts(named, "python\nprint(1)\n", "c(python\nprint(1)\n)");
    assert_parts(named, "Hello there", "c(Hello there)");
    assert_parts((struct setting){.template = FUNCTIONARY, .begun = true}, "all\nb", "c(all\nb)");
}

/* White space waits for the mark that it may belong to. All of it was looked at again with each
 * byte, in the thread that all answers wait for: with 234 KB of blanks a token of 80 more took 35
 * ms. Where it is too long to be a mark's it waits no more. */
static void test_split__long_white_space_does_not_wait(void **state)
{
    enum { SHORT = 3000, LONG = 100000, MOST = 8192 };
    struct split_options o = {.format = chat_format_of(HERMES), .tools = tools, .give = take};
    struct record r = {.kind = -1};
    char *blanks = malloc(LONG);
    struct split *s;

    (void)state;
    assert_non_null(blanks);
    memset(blanks, '\n', LONG);
    o.arg = &r;
    buf_init(&r.line, 2 * LONG);
    assert_int_equal(split_create(&o, &s, NULL), 0);
    assert_int_equal(split_put(s, "a", 1) | split_put(s, blanks, SHORT), 0);
    assert_string_equal(buf_str(&r.line), "c(a");
    assert_int_equal(split_put(s, blanks, LONG), 0);
    assert_in_range(r.line.len, SHORT + LONG - MOST, SHORT + LONG + 3);
    assert_int_equal(split_put(s, "b", 1) | split_end(s), 0);
    assert_int_equal(r.line.len, strlen("c(ab") + SHORT + LONG);
    split_free(s);
    buf_done(&r.line);
    free(blanks);
}

/* It is given at the same places, however the text was cut. */
static void test_split__long_white_space_before_marks(void **state)
{
    static const char call[] = "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>";
    static const uint64_t cuts[] = {0, UINT64_MAX, 1, 0x5555, 0x8000000080000001};
    char text[10000], whole[sizeof text];
    struct record r;

    (void)state;
    memset(text, ' ', sizeof text);
    text[0] = 'a';
    memcpy(text + sizeof text - sizeof call, call, sizeof call);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        split(&hermes, text, cuts[i], &r);
        assert_true(r.line.len > 2000 && r.line.len < sizeof whole);
        if (i == 0)
            memcpy(whole, buf_str(&r.line), r.line.len + 1);
        assert_string_equal(buf_str(&r.line), whole);
        assert_string_equal(buf_str(&r.line) + r.line.len - strlen(" )0:f{{}}"), " )0:f{{}}");
        buf_done(&r.line);
    }
}

/* Of any text, parts without marks are the text: what is not a call or a thought is all there. */
static void test_split__no_byte_is_lost_or_doubled(void **state)
{
    static const char *const bits[] = {
        "<tool_call>", "</tool_call>", "<think>", "{",    "}", "\"id\": \"f\"", ", ", "x", "\n",
        "<tool_",      "call>",        "\"",      "[\"a", " ", "ä｜",           "\\"};
    static const struct setting settings[] = {{HERMES, false, false},
                                              {MISTRAL, false, false},
                                              {NEWER, false, false},
                                              {PLAIN, false, false}};
    uint64_t random = 1;
    char text[400], want[420];

    (void)state;
    for (int round = 0; round < 3000; round++) {
        const struct setting *how = &settings[round % 4];
        struct record whole, cut;
        size_t n = 0;

        for (int i = 0; i < 12; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", bits[random >> 60]);
        }
        split(how, text, 0, &whole);
        split(how, text, random, &cut);
        assert_string_equal(buf_str(&whole.line), buf_str(&cut.line));
        snprintf(want, sizeof want, "c(%s)", text);
        assert_string_equal(buf_str(&whole.line), want); /* none of the bits makes a whole call */
        buf_done(&whole.line);
        buf_done(&cut.line);
    }
}

/* ---- JSON a byte at a time: jansson is the judge ---- */

static bool scans(const char *text)
{
    struct json_scan s = {0};

    for (; *text; text++)
        if (!json_scan_put(&s, *text))
            return false;
    return json_scan_is_complete(&s);
}

static void test_json_scan__agrees_with_jansson(void **state)
{
    static const char signs[] = "{}[]\",:\\u0a1-.eE+ tn";
    uint64_t random = 7;
    char text[16], whole[40];
    int n_good = 0;

    (void)state;
    for (int round = 0; round < 400000; round++) {
        size_t n = 0;
        json_t *v;

        random = random * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t bits = random; n < 1 + (random >> 61); bits /= 21)
            text[n++] = signs[(bits >> 8) % (sizeof signs - 1)];
        text[n] = '\0';
        snprintf(whole, sizeof whole, "[%s]", text);
        v = json_loads(whole, JSON_ALLOW_NUL, NULL);
        n_good += v != NULL;
        if (scans(whole) != (v != NULL))
            fail_msg("%s is %sJSON", whole, v ? "" : "no ");
        json_decref(v);
    }
    assert_true(n_good > 500);
}

static void test_json_scan__words_numbers_and_depth(void **state)
{
    char deep[2 * JSON_SCAN_DEPTH + 3];

    (void)state;
    assert_true(scans("[true,false,null,-0,0.5e-7,12E+3,\"\\u00e4\\n\"]"));
    assert_false(scans("[tru]"));
    assert_false(scans("[01]"));
    assert_false(scans("{\"a\" 1}"));
    assert_false(scans("[1,]"));
    assert_false(scans("[\"\\x\"]"));
    assert_false(scans("[\"\n\"]"));
    assert_false(scans("{}}"));
    memset(deep, '[', JSON_SCAN_DEPTH);
    memset(deep + JSON_SCAN_DEPTH, ']', JSON_SCAN_DEPTH);
    deep[2 * JSON_SCAN_DEPTH] = '\0';
    assert_true(scans(deep));
    memset(deep, '[', JSON_SCAN_DEPTH + 1);
    memset(deep + JSON_SCAN_DEPTH + 1, ']', JSON_SCAN_DEPTH + 1);
    deep[2 * JSON_SCAN_DEPTH + 2] = '\0';
    assert_false(scans(deep));
}

static int make_tools(void **state)
{
    (void)state;
    tools = json_loads("[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
                       "{\"type\":\"function\",\"function\":{\"name\":\"g_2\"}}]",
                       0, NULL);
    return tools ? 0 : -1;
}

static int free_tools(void **state)
{
    (void)state;
    json_decref(tools);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split__text_is_content),
        cmocka_unit_test(test_split__thoughts),
        cmocka_unit_test(test_split__hermes),
        cmocka_unit_test(test_split__calls_that_are_forgone),
        cmocka_unit_test(test_split__broken_calls_are_content),
        cmocka_unit_test(test_split__calls_that_break_off),
        cmocka_unit_test(test_split__lists),
        cmocka_unit_test(test_split__what_goes_on_has_begun),
        cmocka_unit_test(test_split__bare),
        cmocka_unit_test(test_split__names_before_arguments),
        cmocka_unit_test(test_split__formats_that_were_taken_for_others),
        cmocka_unit_test(test_split__a_number_is_behind_the_last_colon),
        cmocka_unit_test(test_split__white_space_in_closing_marks_is_free),
        cmocka_unit_test(test_split__what_is_no_closing_mark_may_be_another),
        cmocka_unit_test(test_split__long_white_space_does_not_wait),
        cmocka_unit_test(test_split__long_white_space_before_marks),
        cmocka_unit_test(test_split__control_characters_in_arguments_are_escaped),
        cmocka_unit_test(test_split__arguments_that_say_nothing_are_none),
        cmocka_unit_test(test_split__names_have_no_white_space_around_them),
        cmocka_unit_test(test_split__a_thought_that_is_opened_twice),
        cmocka_unit_test(test_split__content_with_a_name),
        cmocka_unit_test(test_split__no_byte_is_lost_or_doubled),
        cmocka_unit_test(test_json_scan__agrees_with_jansson),
        cmocka_unit_test(test_json_scan__words_numbers_and_depth),
    };

    return cmocka_run_group_tests(tests, make_tools, free_tools);
}
