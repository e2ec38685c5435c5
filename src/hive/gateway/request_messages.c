/* request_messages.c - the request of /v1/messages; see request.h. A message of theirs may become
 * several: results of tools are messages of their own here. Source: Anthropic's Messages API
 * reference, as of 2026. */
#include "api/json_text.h"
#include "base/buf.h"
#include "base/str.h"
#include "hive/gateway/request.h"

#define TEXT_MAX (32u << 20)

/* ---- blocks ---- */

/* What a block says where text alone is taken: its text, or which tool a search has found. NULL: it
 * is of another kind. */
static const json_t *words_of(const json_t *block)
{
    const char *type = json_text(block, "type");
    const json_t *words =
        json_object_get(block, str_eq(type, "tool_reference") ? "tool_name" : "text");

    if (!str_eq(type, "text") && !str_eq(type, "tool_reference"))
        return NULL;
    return json_is_string(words) ? words : NULL;
}

/* A text, or the texts of blocks with `between` between. What is neither becomes a failure. */
static json_t *text_of(struct fields *f, const char *field, json_t *content, const char *between)
{
    struct buf text;
    json_t *block, *out;
    size_t i;

    if (!content || json_is_string(content))
        return content ? json_incref(content) : json_string("");
    if (!json_is_array(content))
        fields_fail(f, field, "text, or blocks", "%s must be a text or an array of blocks.", field);
    buf_init(&text, TEXT_MAX);
    json_array_foreach(content, i, block)
    {
        const json_t *piece = words_of(block);

        if (text.len)
            buf_puts(&text, between);
        if (piece)
            buf_put(&text, json_string_value(piece), json_string_length(piece));
        else
            fields_fail(f, field, "text blocks",
                        "%s holds a block of type '%.40s'; only text is taken there.", field,
                        json_text(block, "type"));
    }
    if (buf_failed(&text))
        fields_lose(f);
    out = json_stringn(buf_str(&text), text.len);
    buf_done(&text);
    return out;
}

/* What one message of theirs becomes. */
struct turn {
    struct fields *f;
    json_t *out; /* the conversation */
    struct buf text, thinking;
    json_t *calls;
};

/* A text that a block must have. */
static void put_piece(struct turn *t, struct buf *to, const json_t *block, size_t i,
                      const char *name)
{
    const json_t *text = json_object_get(block, name);

    if (!json_is_string(text))
        fields_fail(t->f, "messages", "string", "messages[%zu]: %s of a block must be a string.", i,
                    name);
    buf_put(to, json_string_value(text), json_string_length(text));
}

static void take_call(struct turn *t, const json_t *block, size_t i)
{
    json_t *input = json_object_get(block, "input");

    if (input && !json_is_object(input))
        fields_fail(t->f, "messages", "object",
                    "messages[%zu]: input of a tool_use block must be an object.", i);
    json_array_append_new(
        t->calls, json_pack("{s:s, s:s, s:{s:s, s:o}}", "id",
                            order_text_at(t->f, "messages", i, block, "id"), "type", "function",
                            "function", "name", order_text_at(t->f, "messages", i, block, "name"),
                            "arguments", input ? json_incref(input) : json_object()));
}

static void take_result(struct turn *t, const json_t *block, size_t i)
{
    json_t *text = text_of(t->f, "messages", json_object_get(block, "content"), "\n");

    json_array_append_new(t->out,
                          json_pack("{s:s, s:s, s:o}", "role", "tool", "tool_call_id",
                                    order_text_at(t->f, "messages", i, block, "tool_use_id"),
                                    "content", text));
}

static void take_block(struct turn *t, const json_t *block, size_t i)
{
    const char *type = json_text(block, "type");

    if (str_eq(type, "text")) {
        if (t->text.len)
            buf_put(&t->text, "\n", 1);
        put_piece(t, &t->text, block, i, "text");
    } else if (str_eq(type, "thinking")) {
        put_piece(t, &t->thinking, block, i, "thinking");
    } else if (str_eq(type, "tool_use")) {
        take_call(t, block, i);
    } else if (str_eq(type, "tool_result")) {
        take_result(t, block, i);
    } else if (!str_eq(type, "redacted_thinking")) { /* nobody here can read it */
        fields_fail(t->f, "messages", "text, thinking, tool_use, tool_result",
                    "messages[%zu] holds a block of type '%.40s', which is not taken here.", i,
                    type);
    }
}

static void end_turn(struct turn *t, const char *role)
{
    json_t *message;

    if (buf_failed(&t->text) || buf_failed(&t->thinking))
        fields_lose(t->f);
    if (t->text.len == 0 && t->thinking.len == 0 && json_array_size(t->calls) == 0)
        return; /* results only: they are there already */
    message = json_pack("{s:s, s:s%}", "role", role, "content", buf_str(&t->text), t->text.len);
    if (t->thinking.len)
        json_object_set_new(message, "reasoning_content",
                            json_stringn(buf_str(&t->thinking), t->thinking.len));
    if (json_array_size(t->calls))
        json_object_set(message, "tool_calls", t->calls);
    json_array_append_new(t->out, message);
}

static void read_message(struct fields *f, const json_t *message, size_t i, json_t *out)
{
    const char *role = json_text(message, "role");
    json_t *content = json_object_get(message, "content"), *block;
    struct turn t = {.f = f, .out = out, .calls = json_array()};
    size_t k;

    if (!str_eq(role, "user") && !str_eq(role, "assistant") && !str_eq(role, "system"))
        fields_fail(f, "messages", "user, assistant or system",
                    "messages[%zu].role must be user, assistant or system.", i);
    buf_init(&t.text, TEXT_MAX);
    buf_init(&t.thinking, TEXT_MAX);
    if (json_is_string(content)) {
        json_array_append_new(out, json_pack("{s:s, s:O}", "role", role, "content", content));
    } else if (json_is_array(content)) {
        json_array_foreach(content, k, block) take_block(&t, block, i);
        end_turn(&t, role);
    } else {
        fields_fail(f, "messages", "text, or blocks",
                    "messages[%zu].content must be a text or an array of blocks.", i);
    }
    buf_done(&t.text);
    buf_done(&t.thinking);
    json_decref(t.calls);
}

/* ---- tools ---- */

static void read_tools(struct fields *f, struct order *o)
{
    json_t *tools = fields_any(f, "tools", false), *tool, *out = json_array();
    size_t i;

    if (tools && !json_is_array(tools))
        fields_fail(f, "tools", "array", "tools must be an array.");
    json_array_foreach(tools, i, tool)
    {
        const char *type = json_text(tool, "type");

        if (type[0] && !str_eq(type, "custom"))
            fields_fail(f, "tools", "custom", "tools[%zu]: there is no '%.60s' on this server.", i,
                        type);
        json_array_append_new(out, json_pack("{s:s, s:{s:O*, s:O*, s:O*}}", "type", "function",
                                             "function", "name", json_object_get(tool, "name"),
                                             "description", json_object_get(tool, "description"),
                                             "parameters", json_object_get(tool, "input_schema")));
    }
    if (json_array_size(out))
        order_put(o, "tools", out);
    else
        json_decref(out);
}

static void read_tool_choice(struct fields *f, struct order *o)
{
    json_t *choice = fields_any(f, "tool_choice", false);
    const char *type = json_text(choice, "type");
    json_t *alone = json_object_get(choice, "disable_parallel_tool_use");

    if (!choice)
        return;
    if (str_eq(type, "auto") || str_eq(type, "none"))
        order_put(o, "tool_choice", json_string(type));
    else if (str_eq(type, "any"))
        order_put(o, "tool_choice", json_string("required"));
    else if (str_eq(type, "tool"))
        order_put(o, "tool_choice",
                  json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name",
                            json_text(choice, "name")));
    else
        fields_fail(f, "tool_choice", "auto, any, tool or none",
                    "tool_choice.type must be auto, any, tool or none.");
    if (alone && !json_is_boolean(alone))
        fields_fail(f, "tool_choice", "boolean",
                    "tool_choice.disable_parallel_tool_use must be true or false.");
    if (alone)
        order_put(o, "parallel_tool_calls", json_boolean(!json_is_true(alone)));
}

static void read_thinking(struct fields *f, struct order *o)
{
    json_t *thinking = fields_any(f, "thinking", false);
    const char *type = json_text(thinking, "type");

    if (!thinking)
        return;
    if (!str_eq(type, "enabled") && !str_eq(type, "disabled") && !str_eq(type, "adaptive"))
        fields_fail(f, "thinking", "enabled, adaptive or disabled",
                    "thinking.type must be enabled, adaptive or disabled.");
    order_template_var(o, "enable_thinking", json_boolean(!str_eq(type, "disabled")));
}

/* ---- what the answer is to be like ---- */

static void read_output_format(struct fields *f, struct order *o, const json_t *format)
{
    json_t *schema = json_object_get(format, "schema");

    if (str_eq(json_text(format, "type"), "json_schema") && json_is_object(schema))
        order_schema(o, schema);
    else
        fields_fail(f, "output_config", "json_schema",
                    "output_config.format must be of type json_schema, with a schema.");
}

static void read_output_config(struct fields *f, struct order *o)
{
    json_t *config = fields_any(f, "output_config", false), *value;
    const char *name;

    if (config && !json_is_object(config))
        fields_fail(f, "output_config", "object", "output_config must be an object.");
    json_object_foreach(config, name, value)
    {
        if (json_is_null(value))
            continue;
        if (str_eq(name, "format"))
            read_output_format(f, o, value);
        else if (!str_eq(name, "effort"))
            fields_fail(f, "output_config", "effort, format",
                        "output_config has effort and format here, not '%.60s'.", name);
        else if (!json_is_string(value))
            fields_fail(f, "output_config", "string", "output_config.effort must be a string.");
        else
            order_template_var(o, "reasoning_effort", json_incref(value));
    }
}

/* Clients send them with both kinds of request. */
static void tolerate(struct fields *f)
{
    static const char *const texts[] = {"anthropic_version", NULL}, *const tiers[] = {
                                                                        "auto", "standard_only",
                                                                        NULL};

    order_ignore_texts(f, texts);
    order_ignore_object(f, "metadata");
    order_only(f, "service_tier", tiers, "there is one tier here; send auto or nothing.");
    order_ignore_object(f, "cache_control");
    order_ignore_object(f, "context_management"); /* nothing is taken out of a conversation */
}

/*
 * Claude Code begins its system prompt with a line for its maker's books that is another one in
 * each request: nothing behind it would be in a prefix cache, some 20,000 tokens a turn. It says
 * nothing to a model.
 */
static const char books[] = "x-anthropic-billing-header:";

static bool is_for_books(const json_t *text)
{
    return json_is_string(text) && str_starts(json_string_value(text), books);
}

/* What is behind the line, if anything is. */
static const char *behind_books(const json_t *text)
{
    const char *end = strchr(json_string_value(text), '\n');

    return end && end[1] ? end + 1 : NULL;
}

/* The block, or what is left of it; nothing, where it was that line alone. */
static void put_block(json_t *out, json_t *block)
{
    const json_t *text = json_object_get(block, "text");
    const char *left = is_for_books(text) ? behind_books(text) : NULL;
    json_t *copy;

    if (!is_for_books(text)) {
        json_array_append(out, block);
    } else if (left) {
        copy = json_copy(block);
        json_object_set_new(copy, "text", json_string(left));
        json_array_append_new(out, copy);
    }
}

/* A new reference to what the model is to be told of it. */
static json_t *without_books(json_t *preamble)
{
    json_t *out, *block;
    const char *left;
    size_t i;

    if (is_for_books(preamble)) {
        left = behind_books(preamble);
        return json_string(left ? left : "");
    }
    if (!json_is_array(preamble))
        return json_incref(preamble);
    out = json_array();
    json_array_foreach(preamble, i, block) put_block(out, block);
    return out;
}

static void read_system(struct fields *f, json_t *preamble, json_t *out)
{
    json_t *told = without_books(preamble);

    json_array_append_new(
        out, json_pack("{s:s, s:o}", "role", "system", "content", text_of(f, "system", told, "")));
    json_decref(told);
}

void request_messages_prompt(struct fields *f, struct order *o)
{
    json_t *messages, *preamble, *out = json_array(), *message;
    size_t i;

    order_model(f, o);
    preamble = fields_any(f, "system", false);
    messages = fields_any(f, "messages", true);
    if (preamble)
        read_system(f, preamble, out);
    if (messages && json_array_size(messages) == 0)
        fields_fail(f, "messages", "array of messages",
                    "messages must be an array with at least one message.");
    json_array_foreach(messages, i, message) read_message(f, message, i, out);
    order_put(o, "messages", out);
    read_tools(f, o);
    read_tool_choice(f, o);
    read_thinking(f, o);
    read_output_config(f, o);
    tolerate(f);
}

/* ---- the whole ---- */

static void read_whole(struct fields *f, struct order *o)
{
    int64_t n = 1;

    request_messages_prompt(f, o);
    fields_int(f, "max_tokens", true, 1, ORDER_TOKENS_MAX, &n);
    order_put(o, "max_tokens", json_integer(n));
    fields_bool(f, "stream", &o->stream);
    order_deadline(f, o);
    order_number(f, o, "temperature", "temperature", 0, 1);
    order_number(f, o, "top_p", "top_p", 0, 1);
    order_int(f, o, "top_k", "top_k", 0, INT32_MAX);
    order_stop(f, o, "stop_sequences");
}

static const char *const names[][2] = {{"template_vars", "thinking"},
                                       {"stop", "stop_sequences"},
                                       {"json_schema", "output_config"},
                                       {NULL, NULL}};

const struct request_kind request_messages = {read_whole, names};
