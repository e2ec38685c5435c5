/* format.c - see format.h. */
#include "chat/format.h"

#include <string.h>

#define N_SIGNS 3

/* A format, and what stands in the texts of its templates: all signs, but not `unlike`. */
struct known {
    struct chat_format format;
    const char *signs[N_SIGNS];
    const char *unlike;
};

#define PLAIN_KEYS .name_key = "name", .args_key = "arguments"

static const struct chat_format generic = {PLAIN_KEYS, .name = "generic", .shape = CALL_JSON,
                                           .generic = true};

/* The first row that fits counts. */
// clang-format off
static const struct known known[] = {
    /* Apriel: <tool_calls>[{"name": ..., "arguments": ..., "id": ...}]</tool_calls> */
    {{PLAIN_KEYS, .name = "apriel", .shape = CALL_JSON, .list = true, .open = "<tool_calls>",
      .close = "</tool_calls>"},
     {"<tool_calls>[", "arguments"}, NULL},
    /* Hermes, Qwen 2.5 and 3, QwQ, Bielik: <tool_call>{"name": ..., "arguments": ...}</tool_call>.
     * Those who write XML between the same marks (Qwen3-Coder, Step, GLM) are not among them. */
    {{PLAIN_KEYS, .name = "hermes", .shape = CALL_JSON, .each = true, .open = "<tool_call>",
      .close = "</tool_call>", .gap = "\n"},
     {"<tool_call>", "arguments"}, "<arg_key>"},
    {{PLAIN_KEYS, .name = "nemotron", .shape = CALL_JSON, .list = true, .open = "<TOOLCALL>",
      .close = "</TOOLCALL>"},
     {"<TOOLCALL>["}, NULL},
    {{.name = "command-r", .shape = CALL_JSON, .list = true, .open = "<|START_ACTION|>",
      .close = "<|END_ACTION|>", .name_key = "tool_name", .args_key = "parameters"},
     {"<|START_ACTION|>", "tool_name"}, NULL},
    /* Mistral, from the tokenizer's version 11 on: [TOOL_CALLS]name[ARGS]{...}, once a call */
    {{PLAIN_KEYS, .name = "mistral-args", .shape = CALL_NAMED, .short_ids = true,
      .call_open = "[TOOL_CALLS]", .id_sign = "[CALL_ID]", .name_end = "[ARGS]"},
     {"[TOOL_CALLS]", "[ARGS]"}, NULL},
    /* Mistral before: [TOOL_CALLS][{"name": ..., "arguments": ..., "id": ...}] */
    {{PLAIN_KEYS, .name = "mistral", .shape = CALL_JSON, .list = true, .short_ids = true,
      .open = "[TOOL_CALLS]"},
     {"[TOOL_CALLS]"}, NULL},
    {{PLAIN_KEYS, .name = "kimi-k2", .shape = CALL_NAMED, .numbered = true, .open = "<|tool_calls_section_begin|>",
      .close = "<|tool_calls_section_end|>", .call_open = "<|tool_call_begin|>",
      .name_begin = "functions.", .id_sign = ":", .name_end = "<|tool_call_argument_begin|>",
      .call_close = "<|tool_call_end|>"},
     {"<|tool_calls_section_begin|>", "<|tool_call_argument_begin|>"}, NULL},
    {{PLAIN_KEYS, .name = "deepseek-r1", .shape = CALL_NAMED, .open = "<｜tool▁calls▁begin｜>",
      .close = "<｜tool▁calls▁end｜>", .call_open = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
      .name_end = "\n```json\n", .call_close = "\n```<｜tool▁call▁end｜>"},
     {"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "```json"}, NULL},
    {{PLAIN_KEYS, .name = "deepseek-v3.1", .shape = CALL_NAMED, .open = "<｜tool▁calls▁begin｜>",
      .close = "<｜tool▁calls▁end｜>", .call_open = "<｜tool▁call▁begin｜>",
      .name_end = "<｜tool▁sep｜>", .call_close = "<｜tool▁call▁end｜>"},
     {"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>"}, NULL},
    {{PLAIN_KEYS, .name = "solar-open", .shape = CALL_NAMED, .open = "<|tool_calls|>",
      .close = "<|calls|>", .call_open = "<|tool_call:begin|>", .id_end = "<|tool_call:name|>",
      .name_end = "<|tool_call:args|>", .call_close = "<|tool_call:end|>"},
     {"<|tool_call:begin|>", "<|tool_call:name|>"}, NULL},
    {{PLAIN_KEYS, .name = "granite", .shape = CALL_JSON, .list = true, .open = "<|tool_call|>"},
     {"<|tool_call|>", "JSON list of tools"}, NULL},
    {{PLAIN_KEYS, .name = "gigachat", .shape = CALL_JSON, .each = true, .open = "function call<|role_sep|>\n"},
     {"'function call'", "<|role_sep|>", "\"arguments\": "}, NULL},
    /* Functionary 3.2 says to whom: >>>all and a text, >>>name and arguments, one behind the other */
    {{PLAIN_KEYS, .name = "functionary", .shape = CALL_NAMED, .opened = true, .call_open = ">>>",
      .name_end = "\n", .content = "all"},
     {">>>all", ">>>${recipient}"}, NULL},
    /* Functionary 3.1: <function=name>{...}</function>, one behind the other */
    {{PLAIN_KEYS, .name = "functionary-3.1", .shape = CALL_NAMED, .call_open = "<function=",
      .name_end = ">", .call_close = "</function>"},
     {"'<function='", "'</function>'"}, NULL},
    /* Firefunction 2: functools[{"name": ..., "arguments": ...}] */
    {{PLAIN_KEYS, .name = "firefunction", .shape = CALL_JSON, .list = true, .open = "functools",
      .tools_text = "functions"},
     {" functools[", "functions", "datetime"}, NULL},
    /* Llama 3.1 to 3.3: bare {"name": ..., "parameters": ...}, at times behind <|python_tag|> */
    {{.name = "llama3", .shape = CALL_JSON, .name_key = "name", .args_key = "parameters",
      .also_open = "<|python_tag|>"},
     {"<|start_header_id|>", "{\"name\": ", "\"parameters\": "}, NULL},
};
// clang-format on

static const char xml_sign[] = "<parameter="; /* arguments, between marks that others have, too */

static bool fits(const struct known *k, const char *text)
{
    for (size_t i = 0; i < N_SIGNS && k->signs[i]; i++)
        if (!strstr(text, k->signs[i]))
            return false;
    return !(k->unlike && strstr(text, k->unlike)) && !strstr(text, xml_sign);
}

const struct chat_format *chat_format_of(const char *template_text)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (fits(&known[i], template_text))
            return &known[i].format;
    return &generic;
}

const struct chat_think *chat_think_of(const char *template_text)
{
    static const struct {
        struct chat_think marks;
        const char *sign;
    } thinks[] = {
        {{"<think>", "</think>"}, "</think>"},
        {{"<|START_THINKING|>", "<|END_THINKING|>"}, "<|START_THINKING|>"},
        {{"[THINK]", "[/THINK]"}, "[THINK]"},
        {{"<seed:think>", "</seed:think>"}, "<seed:think>"},
        {{"<|think|>", "<|end|>"}, "<|think|>"},
        {{"Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"}, "[BEGIN FINAL RESPONSE]"},
    };

    for (size_t i = 0; i < sizeof thinks / sizeof thinks[0]; i++)
        if (strstr(template_text, thinks[i].sign))
            return &thinks[i].marks;
    return NULL;
}

static bool holds(const char *mark, const char *text, size_t n)
{
    size_t len = mark ? strlen(mark) : 0;

    for (size_t at = 0; at + n <= len; at++)
        if (memcmp(mark + at, text, n) == 0)
            return true;
    return false;
}

bool chat_format_has_mark(const struct chat_format *f, const char *text, size_t n)
{
    return holds(f->open, text, n) || holds(f->close, text, n) || holds(f->also_open, text, n) ||
           holds(f->call_open, text, n) || holds(f->id_end, text, n) ||
           holds(f->id_sign, text, n) || holds(f->name_end, text, n) ||
           holds(f->call_close, text, n);
}

bool chat_think_has_mark(const struct chat_think *t, const char *text, size_t n)
{
    return holds(t->open, text, n) || holds(t->close, text, n);
}
