/* render_messages.c - POST /v1/messages. Source: Anthropic's Messages API and its streaming, as of
 * 2026. The request's reading is in request_messages.c. */
#include <string.h>

#include "hive/gateway/dialects.h"

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL };

/* The block that is open, and how many there were before it. */
struct messages_state {
    enum block open;
    unsigned index;
};

/* ---- what both ways of answering say ---- */

/* Input is a value here, and there is none for a call that is not whole: nobody is told to make
 * it. */
static const char *stop_reason(const struct choice *c)
{
    switch (choice_end(c)) {
    case CHOICE_LENGTH: /* an agent says of which it was, and what helps */
        return c->end.context_full ? "model_context_window_exceeded" : "max_tokens";
    case CHOICE_STOPPED:
        return "stop_sequence";
    case CHOICE_CALLS:
        return "tool_use";
    case CHOICE_DONE:
    case CHOICE_BAD_CALLS:
        break;
    }
    return "end_turn";
}

static void put_stop(struct buf *out, const struct choice *c)
{
    buf_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", stop_reason(c));
    if (c->end.stop == EVENT_STOP_SEQUENCE && c->end.stop_sequence)
        buf_printf(out, "\"%s\"", c->end.stop_sequence);
    else
        buf_puts(out, "null");
}

/* Their input_tokens are those that were not read from a cache. */
static void put_usage(struct buf *out, const struct answer *a)
{
    struct usage u = answer_usage(a);

    buf_printf(out,
               "\"usage\":{\"input_tokens\":%llu,\"cache_creation_input_tokens\":0,"
               "\"cache_read_input_tokens\":%llu,\"output_tokens\":%llu}",
               (unsigned long long)(u.prompt - u.cached), (unsigned long long)u.cached,
               (unsigned long long)u.completion);
}

static void put_head(struct buf *out, const struct answer *a)
{
    buf_printf(out, "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", a->id);
    answer_put_string(out, a->model);
    buf_puts(out, ",\"content\":[");
}

/* ---- the stream ---- */

static void begin(struct answer *a)
{
    struct buf *out = &a->out.buf;

    outlet_begin(&a->out, "message_start");
    buf_puts(out, "{\"type\":\"message_start\",\"message\":");
    put_head(out, a);
    buf_puts(out, "],\"stop_reason\":null,\"stop_sequence\":null,");
    put_usage(out, a);
    buf_puts(out, "}}");
    outlet_end(&a->out);
}

static void close_block(struct answer *a)
{
    struct messages_state *state = a->state;

    if (state->open == BLOCK_NONE)
        return;
    outlet_begin(&a->out, "content_block_stop");
    buf_printf(&a->out.buf, "{\"type\":\"content_block_stop\",\"index\":%u}", state->index);
    outlet_end(&a->out);
    state->open = BLOCK_NONE;
    state->index++;
}

static void open_block(struct answer *a, enum block kind, const struct event *e)
{
    struct messages_state *state = a->state;
    struct buf *out = &a->out.buf;

    close_block(a);
    outlet_begin(&a->out, "content_block_start");
    buf_printf(out,
               "{\"type\":\"content_block_start\",\"index\":%u,\"content_block\":", state->index);
    if (kind == BLOCK_TEXT) {
        buf_puts(out, "{\"type\":\"text\",\"text\":\"\"}}");
    } else if (kind == BLOCK_THINKING) {
        buf_puts(out, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}");
    } else {
        buf_puts(out, "{\"type\":\"tool_use\",\"id\":");
        answer_put_string(out, e->id);
        buf_puts(out, ",\"name\":");
        answer_put_string(out, e->name);
        buf_puts(out, ",\"input\":{}}}");
    }
    outlet_end(&a->out);
    state->open = kind;
}

static void put_delta(struct answer *a, const char *type, const char *name, const struct event *e)
{
    const struct messages_state *state = a->state;
    struct buf *out = &a->out.buf;

    outlet_begin(&a->out, "content_block_delta");
    buf_printf(
        out, "{\"type\":\"content_block_delta\",\"index\":%u,\"delta\":{\"type\":\"%s\",\"%s\":\"",
        state->index, type, name);
    buf_put(out, e->raw, e->n);
    buf_puts(out, "\"}}");
    outlet_end(&a->out);
}

static void on_event(struct choice *c, const struct event *e)
{
    struct answer *a = c->answer;
    struct messages_state *state = a->state;

    switch (e->kind) {
    case EVENT_TEXT:
        if (state->open != BLOCK_TEXT)
            open_block(a, BLOCK_TEXT, e);
        put_delta(a, "text_delta", "text", e);
        break;
    case EVENT_REASONING:
        if (state->open != BLOCK_THINKING)
            open_block(a, BLOCK_THINKING, e);
        put_delta(a, "thinking_delta", "thinking", e);
        break;
    case EVENT_TOOL_CALL:
        open_block(a, BLOCK_TOOL, e);
        break;
    case EVENT_TOOL_ARGS:
        put_delta(a, "input_json_delta", "partial_json", e);
        break;
    default:
        break;
    }
}

static bool finish(struct answer *a)
{
    struct buf *out = &a->out.buf;

    close_block(a);
    outlet_begin(&a->out, "message_delta");
    buf_puts(out, "{\"type\":\"message_delta\",\"delta\":{");
    put_stop(out, &a->choices[0]);
    buf_puts(out, "},");
    put_usage(out, a);
    buf_putc(out, '}');
    outlet_end(&a->out);
    outlet_begin(&a->out, "message_stop");
    buf_puts(out, "{\"type\":\"message_stop\"}");
    outlet_end(&a->out);
    return false;
}

/* ---- the whole ---- */

/* The input of a call that is not whole is lost: stop_reason says so. Its block was in a stream,
 * too. */
static void put_tool(struct buf *out, const struct tool_call *t)
{
    buf_puts(out, "{\"type\":\"tool_use\",\"id\":");
    answer_put_string(out, t->id);
    buf_puts(out, ",\"name\":");
    answer_put_string(out, t->name);
    buf_puts(out, ",\"input\":");
    if (answer_put_arguments(out, t))
        buf_puts(out, "{}");
    buf_putc(out, '}');
}

static void whole(struct answer *a, struct buf *out)
{
    const struct choice *c = &a->choices[0];
    const char *comma = "";

    put_head(out, a);
    if (c->reasoning.len) {
        buf_puts(out, "{\"type\":\"thinking\",\"signature\":\"\",\"thinking\":");
        answer_put_raw(out, &c->reasoning);
        buf_putc(out, '}');
        comma = ",";
    }
    if (c->text.len) {
        buf_printf(out, "%s{\"type\":\"text\",\"text\":", comma);
        answer_put_raw(out, &c->text);
        buf_putc(out, '}');
        comma = ",";
    }
    for (unsigned i = 0; i < c->n_tools; i++) {
        buf_puts(out, comma);
        put_tool(out, &c->tools[i]);
        comma = ",";
    }
    buf_puts(out, "],");
    put_stop(out, c);
    buf_putc(out, ',');
    put_usage(out, a);
    buf_putc(out, '}');
}

const struct dialect dialect_messages = {.shape = SHAPE_ANTHROPIC,
                                         .outlet = OUTLET_SSE,
                                         .id_prefix = "msg_",
                                         .state_bytes = sizeof(struct messages_state),
                                         .request = &request_messages,
                                         .begin = begin,
                                         .event = on_event,
                                         .finish = finish,
                                         .whole = whole};
