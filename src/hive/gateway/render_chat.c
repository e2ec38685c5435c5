/* render_chat.c - POST /v1/chat/completions. Source: the OpenAI API reference, as of 2026; fields
 * beyond it (top_k, min_p, reasoning_content …) as other open servers have them. */
#include <string.h>

#include "base/str.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/logprobs.h"

#define TOP_LOGPROBS_MAX 20

/* Which choices have told their role. */
struct chat_state {
    bool told_role[ORDER_CHOICES_MAX];
};

/* ---- the request ---- */

/* A message as it came, without what clients put back from an earlier answer of ours and what means
 * nothing to a template: nulls, empty annotations. */
static json_t *plain_message(const json_t *message)
{
    json_t *out = json_object(), *value;
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)message, name, value)
    {
        bool empty = json_is_array(value) && json_array_size(value) == 0;

        if (!json_is_null(value) && !(empty && str_eq(name, "annotations")) &&
            !(empty && str_eq(name, "tool_calls")))
            json_object_set(out, name, value);
    }
    if (!json_object_get(out, "content"))
        json_object_set_new(out, "content", json_null());
    return out;
}

static void read_messages(struct fields *f, struct order *o)
{
    json_t *messages = fields_any(f, "messages", true), *out = json_array(), *message;
    size_t i;

    if (messages && (!json_is_array(messages) || json_array_size(messages) == 0))
        fields_fail(f, "messages", "array of messages",
                    "messages must be an array with at least one message.");
    json_array_foreach(messages, i, message)
    {
        if (json_is_object(message))
            json_array_append_new(out, plain_message(message));
        else
            fields_fail(f, "messages", "objects", "messages[%zu] must be an object.", i);
    }
    order_put(o, "messages", out);
}

static void read_tools(struct fields *f, struct order *o)
{
    json_t *tools = fields_any(f, "tools", false), *choice = fields_any(f, "tool_choice", false);

    if (tools && !json_is_array(tools))
        fields_fail(f, "tools", "array", "tools must be an array.");
    else if (json_array_size(tools))
        order_put(o, "tools", json_incref(tools));
    if (choice)
        order_put(o, "tool_choice", json_incref(choice));
    order_bool(f, o, "parallel_tool_calls", "parallel_tool_calls");
    order_refuse(f, "functions", "is deprecated and not taken here; use tools.");
    order_refuse(f, "function_call", "is deprecated and not taken here; use tool_choice.");
}

static void read_logprobs(struct fields *f, struct order *o)
{
    bool wanted = false;
    int64_t top = 0;

    fields_bool(f, "logprobs", &wanted);
    if (fields_int(f, "top_logprobs", false, 0, TOP_LOGPROBS_MAX, &top) && !wanted && top > 0)
        fields_fail(f, "top_logprobs", "with logprobs", "top_logprobs needs \"logprobs\": true.");
    if (!wanted)
        return;
    order_put(o, "logprobs", json_true());
    order_put(o, "top_logprobs", json_integer(top));
}

/* max_completion_tokens, or by its old name; none means as many as the context holds. */
static void read_limit(struct fields *f, struct order *o)
{
    int64_t n = ORDER_TOKENS_MAX, old;
    bool has_new = fields_int(f, "max_completion_tokens", false, 1, ORDER_TOKENS_MAX, &n);

    if (fields_int(f, "max_tokens", false, 1, ORDER_TOKENS_MAX, &old)) {
        if (has_new && n != old)
            fields_fail(f, "max_tokens", "once",
                        "max_tokens and max_completion_tokens mean the same and differ.");
        n = old;
    }
    order_put(o, "max_tokens", json_integer(n));
}

static void read_media(struct fields *f)
{
    json_t *modalities = fields_any(f, "modalities", false);

    if (modalities && (json_array_size(modalities) != 1 ||
                       !str_eq(json_string_value(json_array_get(modalities, 0)), "text")))
        fields_fail(f, "modalities", "[\"text\"]", "modalities: this server answers in text only.");
    order_refuse(f, "audio", "this server answers in text only.");
    order_refuse(f, "prediction", "predicted outputs are not taken here.");
    order_refuse(f, "web_search_options", "this server does not search the web.");
}

static void read_chat(struct answer *a, struct fields *f)
{
    struct order *o = &a->order;

    order_model(f, o);
    read_messages(f, o);
    read_tools(f, o);
    read_limit(f, o);
    read_logprobs(f, o);
    read_media(f);
    order_stream(f, o);
    order_n(f, o);
    order_sampling(f, o);
    order_response_format(f, o);
    order_template_vars(f, o);
    openai_tolerate(f);
}

/* ---- the stream ---- */

static void begin(struct answer *a)
{
    openai_put_head(a, "chat.completion.chunk", &a->head);
}

/* Up to the inside of `delta`. */
static struct buf *chunk_begin(struct choice *c)
{
    struct answer *a = c->answer;
    struct chat_state *state = a->state;
    struct buf *out = &a->out.buf;

    outlet_begin(&a->out, NULL);
    buf_put(out, a->head.data, a->head.len);
    buf_printf(out, "\"choices\":[{\"index\":%u,\"delta\":{", c->index);
    if (!state->told_role[c->index])
        buf_puts(out, "\"role\":\"assistant\",");
    state->told_role[c->index] = true;
    return out;
}

static void chunk_end(struct choice *c, const json_t *logprobs, const char *reason)
{
    struct answer *a = c->answer;
    struct buf *out = &a->out.buf;

    buf_puts(out, "},\"logprobs\":");
    if (logprobs) {
        buf_puts(out, "{\"content\":");
        openai_put_json(out, logprobs_content(logprobs), OPENAI_LOGPROB_DIGITS);
        buf_puts(out, ",\"refusal\":null}");
    } else {
        buf_puts(out, "null");
    }
    buf_puts(out, ",\"finish_reason\":");
    if (reason)
        buf_printf(out, "\"%s\"", reason);
    else
        buf_puts(out, "null");
    buf_puts(out, a->order.include_usage ? "}],\"usage\":null}" : "}]}");
    outlet_end(&a->out);
}

static void put_text(struct choice *c, const char *name, const struct event *e)
{
    struct buf *out = chunk_begin(c);

    buf_printf(out, "\"%s\":\"", name);
    buf_put(out, e->raw, e->n);
    buf_putc(out, '"');
    chunk_end(c, e->logprobs, NULL);
}

static void put_tool(struct choice *c, const struct event *e)
{
    struct buf *out = chunk_begin(c);

    buf_printf(out, "\"tool_calls\":[{\"index\":%u,", e->tool);
    if (e->kind == EVENT_TOOL_CALL) {
        buf_puts(out, "\"id\":");
        answer_put_string(out, e->id);
        buf_puts(out, ",\"type\":\"function\",\"function\":{\"name\":");
        answer_put_string(out, e->name);
        buf_puts(out, ",\"arguments\":\"\"}}]");
    } else {
        buf_puts(out, "\"function\":{\"arguments\":\"");
        buf_put(out, e->raw, e->n);
        buf_puts(out, "\"}}]");
    }
    chunk_end(c, NULL, NULL);
}

static void on_event(struct choice *c, const struct event *e)
{
    if (e->kind == EVENT_TEXT)
        put_text(c, "content", e);
    else if (e->kind == EVENT_REASONING)
        put_text(c, "reasoning_content", e);
    else if (e->kind == EVENT_TOOL_CALL || e->kind == EVENT_TOOL_ARGS)
        put_tool(c, e);
}

static void on_end(struct choice *c)
{
    struct chat_state *state = c->answer->state;
    bool silent = !state->told_role[c->index];
    struct buf *out = chunk_begin(c);

    if (silent)
        buf_puts(out, "\"content\":\"\"");
    chunk_end(c, NULL, openai_finish_reason(c));
}

/* ---- the whole ---- */

static void put_tools(struct buf *out, const struct choice *c)
{
    buf_puts(out, ",\"tool_calls\":[");
    for (unsigned i = 0; i < c->n_tools; i++) {
        buf_printf(out, "%s{\"id\":", i ? "," : "");
        answer_put_string(out, c->tools[i].id);
        buf_puts(out, ",\"type\":\"function\",\"function\":{\"name\":");
        answer_put_string(out, c->tools[i].name);
        buf_puts(out, ",\"arguments\":");
        answer_put_raw(out, &c->tools[i].args);
        buf_puts(out, "}}");
    }
    buf_putc(out, ']');
}

static void put_message(struct buf *out, const struct choice *c)
{
    buf_puts(out, "\"message\":{\"role\":\"assistant\",\"content\":");
    if (c->text.len || !c->n_tools)
        answer_put_raw(out, &c->text);
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"refusal\":null");
    if (c->reasoning.len) {
        buf_puts(out, ",\"reasoning_content\":");
        answer_put_raw(out, &c->reasoning);
    }
    if (c->n_tools)
        put_tools(out, c);
    buf_putc(out, '}');
}

static void put_whole(const struct choice *c, struct buf *out)
{
    buf_printf(out, "\"index\":%u,", c->index);
    put_message(out, c);
    buf_puts(out, ",\"logprobs\":");
    openai_put_json(
        out,
        c->logprobs ? json_pack("{s:o, s:n}", "content", logprobs_content(c->logprobs), "refusal")
                    : NULL,
        OPENAI_LOGPROB_DIGITS);
}

static void whole(struct answer *a, struct buf *out)
{
    openai_whole(a, "chat.completion", put_whole, out);
}

static const char *const names[][2] = {
    {"json_schema", "response_format"}, {"template_vars", "chat_template_kwargs"}, {NULL, NULL}};

const struct dialect dialect_chat = {.shape = SHAPE_OPENAI,
                                     .outlet = OUTLET_SSE,
                                     .id_prefix = "chatcmpl-",
                                     .state_bytes = sizeof(struct chat_state),
                                     .read = read_chat,
                                     .names = names,
                                     .begin = begin,
                                     .event = on_event,
                                     .end = on_end,
                                     .finish = openai_finish,
                                     .last = "[DONE]",
                                     .whole = whole};
