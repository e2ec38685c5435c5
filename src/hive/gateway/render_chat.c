/* render_chat.c - POST /v1/chat/completions. Source: the OpenAI API reference, as of 2026; fields
 * beyond it (top_k, min_p, reasoning_content …) as other open servers have them. */
#include <string.h>

#include "base/str.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/logprobs.h"

/* Which choices have told their role. */
struct chat_state {
    bool told_role[ORDER_CHOICES_MAX];
};

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
    if (!c->answer->order.scored) {
        buf_puts(out, "null");
        return;
    }
    buf_puts(out, "{\"content\":");
    openai_put_kept(out, &c->scores[0]);
    buf_puts(out, ",\"refusal\":null}");
}

static void whole(struct answer *a, struct buf *out)
{
    openai_whole(a, "chat.completion", put_whole, out);
}

const struct dialect dialect_chat = {.shape = SHAPE_OPENAI,
                                     .outlet = OUTLET_SSE,
                                     .id_prefix = "chatcmpl-",
                                     .state_bytes = sizeof(struct chat_state),
                                     .request = &request_chat,
                                     .begin = begin,
                                     .event = on_event,
                                     .end = on_end,
                                     .finish = openai_finish,
                                     .last = "[DONE]",
                                     .scores_all = true,
                                     .whole = whole,
                                     .score = openai_keep_content};
