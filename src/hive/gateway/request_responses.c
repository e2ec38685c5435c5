/* request_responses.c - the request of /v1/responses, answered from what it holds alone: nothing is
 * stored between requests. See request.h. Source: the OpenAI API reference, as of 2026. */
#include <string.h>

#include "api/json_text.h"
#include "api/json_whole.h"
#include "base/str.h"
#include "hive/gateway/request.h"

#define TOP_LOGPROBS_MAX   20
#define METADATA_MAX       16 /* OpenAI's limits */
#define METADATA_NAME_MAX  64
#define METADATA_VALUE_MAX 512

/* ---- tools and formats ---- */

/* The tools as they are repeated: what OpenAI's description requires of each is always there. */
static json_t *echo_of(const json_t *tools)
{
    json_t *out = json_copy_all(tools), *tool;
    size_t i;

    json_array_foreach(out, i, tool)
    {
        if (!json_object_get(tool, "parameters"))
            json_object_set_new(tool, "parameters", json_null());
        if (!json_object_get(tool, "strict"))
            json_object_set_new(tool, "strict", json_null());
    }
    return out;
}

/* Tools that agents offer by themselves, whatever server they ask: a model that has them need not
 * use them, and one that has them not gets on without. Those of other types are wished for. */
static bool is_offered(const json_t *tool)
{
    static const char *const types[] = {"namespace",        "custom",      "local_shell",
                                        "image_generation", "tool_search", NULL};
    const char *type = json_text(tool, "type");

    for (const char *const *one = types; *one; one++)
        if (str_eq(type, *one))
            return true;
    return str_starts(type, "web_search");
}

/* The functions among them (a new array). */
static json_t *functions_of(struct fields *f, const json_t *tools)
{
    json_t *out = json_array(), *tool;
    size_t i;

    json_array_foreach(tools, i, tool)
    {
        if (str_eq(json_text(tool, "type"), "function"))
            json_array_append(out, tool);
        else if (!is_offered(tool))
            fields_fail(f, "tools", "function", "tools[%zu]: there is no tool '%.40s' here.", i,
                        json_text(tool, "type"));
    }
    return out;
}

static void read_tool_choice(struct fields *f, struct order *o)
{
    json_t *choice = fields_any(f, "tool_choice", false);

    if (!choice)
        return;
    json_object_set(o->echo, "tool_choice", choice);
    if (!json_is_object(choice))
        order_put(o, "tool_choice", json_incref(choice));
    else if (str_eq(json_text(choice, "type"), "function"))
        order_put(o, "tool_choice",
                  json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name",
                            json_text(choice, "name")));
    else
        fields_fail(f, "tool_choice", "function",
                    "tool_choice: there is no tool '%.40s' here; only a function can be chosen.",
                    json_text(choice, "type"));
}

static void read_tools(struct fields *f, struct order *o)
{
    json_t *asked = fields_any(f, "tools", false), *tools = functions_of(f, asked), *tool,
           *out = json_array();
    size_t i;

    if (asked && !json_is_array(asked))
        fields_fail(f, "tools", "array", "tools must be an array.");
    json_array_foreach(tools, i, tool)
    {
        json_array_append_new(out,
                              json_pack("{s:s, s:{s:O*, s:O*, s:O*, s:O*}}", "type", "function",
                                        "function", "name", json_object_get(tool, "name"),
                                        "description", json_object_get(tool, "description"),
                                        "parameters", json_object_get(tool, "parameters"), "strict",
                                        json_object_get(tool, "strict")));
    }
    if (json_array_size(out))
        order_put(o, "tools", json_incref(out));
    json_decref(out);
    json_object_set_new(o->echo, "tools", echo_of(tools));
    json_decref(tools);
    read_tool_choice(f, o);
}

static void check_text(struct fields *f, json_t *text)
{
    const char *name;
    json_t *value;

    if (text && !json_is_object(text))
        fields_fail(f, "text", "object", "text must be an object.");
    json_object_foreach(text, name, value)
    {
        bool is_format = str_eq(name, "format");

        if (json_is_null(value))
            continue;
        if (!is_format && !str_eq(name, "verbosity"))
            fields_fail(f, "text", "format, verbosity",
                        "text has format and verbosity here, not '%.60s'.", name);
        else if (is_format && !json_is_object(value))
            fields_fail(f, "text", "object", "text.format must be an object.");
        else if (!is_format && !json_is_string(value))
            fields_fail(f, "text", "string", "text.verbosity must be a string.");
    }
}

static void read_format(struct fields *f, struct order *o)
{
    json_t *text = fields_any(f, "text", false), *format = json_object_get(text, "format"),
           *schema = json_object_get(format, "schema"), *echo = json_object_get(o->echo, "text");
    const char *type = json_text(format, "type"), *verbosity = json_text(text, "verbosity");

    check_text(f, text);
    if (json_is_object(format))
        json_object_set(echo, "format", format);
    if (verbosity[0]) {
        json_object_set_new(echo, "verbosity", json_string(verbosity));
        order_template_var(o, "verbosity", json_string(verbosity));
    }
    if (str_eq(type, "json_object"))
        order_put(o, "json_schema", json_pack("{s:s}", "type", "object"));
    else if (str_eq(type, "json_schema") && (json_is_object(schema) || json_is_boolean(schema)))
        order_schema(o, schema);
    else if (json_is_object(format) && !str_eq(type, "text"))
        fields_fail(f, "text", "text, json_object or json_schema",
                    "text.format must be of type text, json_object, or json_schema with a schema.");
}

static void check_reasoning(struct fields *f, json_t *reasoning)
{
    const char *name;
    json_t *value;

    if (!json_is_object(reasoning))
        fields_fail(f, "reasoning", "object", "reasoning must be an object.");
    json_object_foreach(reasoning, name, value)
    {
        if (!str_eq(name, "effort") && !str_eq(name, "summary"))
            fields_fail(f, "reasoning", "effort, summary",
                        "reasoning has effort and summary here, not '%.60s'.", name);
        else if (!json_is_string(value) && !json_is_null(value))
            fields_fail(f, "reasoning", "string", "reasoning.%s must be a string.", name);
    }
}

static void read_reasoning(struct fields *f, struct order *o)
{
    json_t *reasoning = fields_any(f, "reasoning", false);
    const char *effort = json_text(reasoning, "effort"), *summary = json_text(reasoning, "summary");

    if (!reasoning)
        return;
    check_reasoning(f, reasoning);
    if (summary[0] && !str_eq(summary, "auto") && !str_eq(summary, "concise") &&
        !str_eq(summary, "detailed"))
        fields_fail(f, "reasoning", "auto, concise, detailed",
                    "reasoning.summary must be auto, concise or detailed; thoughts are given "
                    "whole.");
    json_object_set(o->echo, "reasoning", reasoning);
    if (!effort[0])
        return;
    order_template_var(o, "reasoning_effort", json_string(effort));
    order_template_var(o, "enable_thinking", json_boolean(!str_eq(effort, "none")));
}

/* What can be included is the log-probabilities; encrypted thoughts are plain ones here. */
static void read_include(struct fields *f, struct order *o)
{
    json_t *include = fields_any(f, "include", false), *one;
    bool wanted = false;
    int64_t top = 0;
    size_t i;

    if (fields_int(f, "top_logprobs", false, 0, TOP_LOGPROBS_MAX, &top))
        json_object_set_new(o->echo, "top_logprobs", json_integer(top));
    if (include && !json_is_array(include))
        fields_fail(f, "include", "array", "include must be an array.");
    json_array_foreach(include, i, one)
    {
        const char *name = json_string_value(one);

        if (str_eq(name, "message.output_text.logprobs"))
            wanted = true;
        else if (!str_eq(name, "reasoning.encrypted_content"))
            fields_fail(f, "include", "message.output_text.logprobs",
                        "include: '%.60s' is not to be had here.", name ? name : "?");
    }
    if (wanted)
        order_logprobs(o, top);
}

/* ---- what would need a memory ---- */

static void refuse_memory(struct fields *f)
{
    static const char *const truncations[] = {"auto", "disabled", NULL};
    bool background = false;

    order_refuse(f, "previous_response_id", "nothing is stored here; send the whole input.");
    order_refuse(f, "conversation", "nothing is stored here; send the whole input.");
    order_refuse(f, "prompt", "there are no stored prompts here.");
    order_refuse(f, "max_tool_calls", "built-in tools are not to be had here.");
    if (fields_bool(f, "background", &background) && background)
        fields_fail(f, "background", "false", "background: answers are given at once only.");
    order_only(f, "truncation", truncations,
               "an input is never cut; send auto, disabled or nothing.");
}

/* The defaults of what is repeated; the SDKs expect each of them. */
static json_t *echo_defaults(void)
{
    return json_pack("{s:n, s:n, s:b, s:n, s:{s:n, s:n}, s:b, s:n, s:{s:{s:s}}, s:s, s:[], s:n, "
                     "s:s, s:{}, s:b, s:s}",
                     "instructions", "max_output_tokens", "parallel_tool_calls", 1,
                     "previous_response_id", "reasoning", "effort", "summary", "store", 0,
                     "temperature", "text", "format", "type", "text", "tool_choice", "auto",
                     "tools", "top_p", "truncation", "disabled", "metadata", "background", 0,
                     "service_tier", "default");
}

static size_t n_characters(const char *text, size_t n_bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < n_bytes; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80; /* not a character's second byte, or later */
    return n;
}

/* The response has it as OpenAI describes it. */
static void check_metadata(struct fields *f)
{
    json_t *metadata = json_object_get(f->root, "metadata"), *value;
    bool good = json_object_size(metadata) <= METADATA_MAX;
    const char *name;

    json_object_foreach(metadata, name, value)
    {
        good =
            good && json_is_string(value) &&
            n_characters(name, strlen(name)) <= METADATA_NAME_MAX &&
            n_characters(json_string_value(value), json_string_length(value)) <= METADATA_VALUE_MAX;
    }
    if (!good)
        fields_fail(f, "metadata", "at most 16 texts",
                    "metadata is repeated, and must be at most %d texts of at most %d characters, "
                    "with names of at most %d.",
                    METADATA_MAX, METADATA_VALUE_MAX, METADATA_NAME_MAX);
}

/* Repeats fields as they came. */
static void echo_fields(struct fields *f, struct order *o)
{
    static const char *const names[] = {
        "instructions", "max_output_tokens", "parallel_tool_calls", "temperature",
        "top_p",        "metadata"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *value = json_object_get(f->root, names[i]);

        if (value && !json_is_null(value))
            json_object_set(o->echo, names[i], value);
    }
}

/* The order's `echo` becomes what the response object repeats of the request. */
static void read_whole(struct fields *f, struct order *o)
{
    int64_t n = ORDER_TOKENS_MAX;

    o->echo = echo_defaults();
    order_model(f, o);
    request_responses_input(f, o);
    read_tools(f, o);
    read_format(f, o);
    read_reasoning(f, o);
    read_include(f, o);
    refuse_memory(f);
    fields_int(f, "max_output_tokens", false, 1, ORDER_TOKENS_MAX, &n);
    order_put(o, "max_tokens", json_integer(n));
    order_bool(f, o, "parallel_tool_calls", "parallel_tool_calls");
    order_number(f, o, "temperature", "temperature", 0, 2);
    order_number(f, o, "top_p", "top_p", 0, 1);
    order_stream(f, o);
    order_deadline(f, o);
    request_openai_tolerate(f);
    check_metadata(f);
    order_ignore_object(f, "client_metadata");
    echo_fields(f, o);
}

static const char *const names[][2] = {{"messages", "input"},
                                       {"json_schema", "text"},
                                       {"template_vars", "reasoning"},
                                       {"max_tokens", "max_output_tokens"},
                                       {NULL, NULL}};

const struct request_kind request_responses = {read_whole, names, .begins_anew = true};
