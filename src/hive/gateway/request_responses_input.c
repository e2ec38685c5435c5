/* request_responses_input.c - `instructions` and `input` of /v1/responses: items, which become a
 * conversation's messages. See request.h. Source: the OpenAI API reference, as of 2026. */
#include "api/json_text.h"
#include "base/buf.h"
#include "base/str.h"
#include "hive/gateway/request.h"

#define TEXT_MAX (32u << 20)

/* A text, or the texts of parts with `between` between. */
static json_t *text_of(struct fields *f, size_t i, json_t *content, const char *between)
{
    struct buf text;
    json_t *part, *out;
    size_t k;

    if (json_is_string(content))
        return json_incref(content);
    if (!json_is_array(content))
        fields_fail(f, "input", "text, or parts", "input[%zu] has no content of text or parts.", i);
    buf_init(&text, TEXT_MAX);
    json_array_foreach(content, k, part)
    {
        const char *type = json_text(part, "type");
        const json_t *piece = json_object_get(part, "text");

        if (text.len)
            buf_puts(&text, between);
        if (json_is_string(piece) &&
            (str_ends(type, "_text") || str_eq(type, "text"))) /* input_, output_, summary_ … */
            buf_put(&text, json_string_value(piece), json_string_length(piece));
        else
            fields_fail(f, "input", "text parts",
                        "input[%zu] holds a part of type '%.40s'; models here take text only.", i,
                        type);
    }
    if (buf_failed(&text))
        fields_lose(f);
    out = json_stringn(buf_str(&text), text.len);
    buf_done(&text);
    return out;
}

/* The messages that items become; thoughts wait for what the assistant says or calls next. */
struct input {
    struct fields *f;
    json_t *messages;
    struct buf thoughts;
    bool has_thoughts;
};

static void add_thought(struct input *in, json_t *text)
{
    if (in->has_thoughts)
        buf_putc(&in->thoughts, '\n');
    buf_put(&in->thoughts, json_string_value(text), json_string_length(text));
    in->has_thoughts = true;
    json_decref(text);
}

/* A message of the assistant with the thoughts that wait. Takes its content over. */
static json_t *assistant_message(struct input *in, json_t *content)
{
    json_t *message = json_pack("{s:s, s:o}", "role", "assistant", "content", content);

    if (in->has_thoughts)
        json_object_set_new(message, "reasoning_content",
                            json_stringn(buf_str(&in->thoughts), in->thoughts.len));
    if (buf_failed(&in->thoughts))
        fields_lose(in->f);
    in->has_thoughts = false;
    buf_clear(&in->thoughts);
    return message;
}

/* What is not the assistant's: thoughts before it are a message of their own. */
static void add_other(struct input *in, json_t *message)
{
    if (in->has_thoughts)
        json_array_append_new(in->messages, assistant_message(in, json_string("")));
    if (message)
        json_array_append_new(in->messages, message);
}

/* The assistant's message that calls belong to: the last one, or a new one. NULL: no memory. */
static json_t *assistant_turn(struct input *in)
{
    json_t *last = json_array_get(in->messages, json_array_size(in->messages) - 1);

    if (!in->has_thoughts && str_eq(json_text(last, "role"), "assistant"))
        return last;
    last = assistant_message(in, in->has_thoughts ? json_string("") : json_null());
    return json_array_append_new(in->messages, last) ? NULL : last; /* else it is no more */
}

static void take_call(struct fields *f, const json_t *item, size_t i, struct input *in)
{
    json_t *turn = assistant_turn(in), *calls = json_object_get(turn, "tool_calls");

    if (!calls) {
        calls = json_array();
        if (json_object_set_new(turn, "tool_calls", calls))
            return;
    }
    json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id",
                                           order_text_at(f, "input", i, item, "call_id"), "type",
                                           "function", "function", "name",
                                           order_text_at(f, "input", i, item, "name"), "arguments",
                                           order_text_at(f, "input", i, item, "arguments")));
}

static void take_message(struct fields *f, const json_t *item, size_t i, struct input *in)
{
    const char *role = json_text(item, "role");
    json_t *content = text_of(f, i, json_object_get(item, "content"), "\n");

    if (str_eq(role, "assistant"))
        json_array_append_new(in->messages, assistant_message(in, content));
    else
        add_other(in, json_pack("{s:s, s:o}", "role", role, "content", content));
}

static void take_item(struct fields *f, json_t *item, size_t i, struct input *in)
{
    const char *type = json_text(item, "type");
    json_t *content = json_object_get(item, "content");

    if (str_eq(type, "message") || (type[0] == '\0' && json_text(item, "role")[0])) {
        take_message(f, item, i, in);
    } else if (str_eq(type, "function_call")) {
        take_call(f, item, i, in);
    } else if (str_eq(type, "function_call_output")) {
        add_other(in, json_pack("{s:s, s:s, s:o}", "role", "tool", "tool_call_id",
                                order_text_at(f, "input", i, item, "call_id"), "content",
                                text_of(f, i, json_object_get(item, "output"), "\n")));
    } else if (str_eq(type, "reasoning")) {
        if (json_array_size(content))
            add_thought(in, text_of(f, i, content, ""));
    } else {
        fields_fail(f, "input", "message, function_call, function_call_output, reasoning",
                    "input[%zu] is of type '%.40s', which is not taken here.", i, type);
    }
}

void request_responses_input(struct fields *f, struct order *o)
{
    json_t *input = fields_any(f, "input", true), *item;
    struct input in = {.f = f, .messages = json_array()};
    const char *instructions = NULL;
    size_t i;

    buf_init(&in.thoughts, TEXT_MAX);
    if (fields_text(f, "instructions", false, TEXT_MAX, &instructions))
        add_other(&in, json_pack("{s:s, s:s}", "role", "system", "content", instructions));
    if (json_is_string(input))
        add_other(&in, json_pack("{s:s, s:O}", "role", "user", "content", input));
    else if (input && json_array_size(input) == 0)
        fields_fail(f, "input", "text, or items", "input must be a text or an array of items.");
    json_array_foreach(input, i, item) take_item(f, item, i, &in);
    add_other(&in, NULL);
    buf_done(&in.thoughts);
    order_put(o, "messages", in.messages);
}
