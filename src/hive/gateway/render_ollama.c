/*
 * render_ollama.c - POST /api/chat and /api/generate. Source: Ollama's docs/api.md, as of 2026.
 *
 * A request without anything to answer loads the model, or with "keep_alive": 0 unloads it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/ollama.h"

struct ollama_state {
    unsigned n_told; /* tool calls that went out */
};

/* ---- lines ---- */

static void put_head(const struct answer *a, struct buf *out)
{
    char when[CLOCK_ISO_BYTES];

    buf_puts(out, "{\"model\":");
    answer_put_string(out, a->model);
    buf_printf(out, ",\"created_at\":\"%s\",", clock_iso8601(clock_unix_ms(), when));
}

static void put_times(const struct answer *a, struct buf *out)
{
    _Static_assert(EVENT_MS_MAX <= INT64_MAX / 1000000, "a worker's times fit as nanoseconds");
    const struct event_end *end = &a->choices[0].end;
    int64_t total_ms = clock_ms() - a->started_ms;

    buf_printf(out,
               ",\"done\":true,\"done_reason\":\"%s\",\"total_duration\":%lld,"
               "\"load_duration\":%lld,\"prompt_eval_count\":%llu,\"prompt_eval_duration\":%lld,"
               "\"eval_count\":%llu,\"eval_duration\":%lld}",
               end->stop == EVENT_STOP_LENGTH ? "length" : "stop", (long long)total_ms * 1000000,
               (long long)(a->loaded_ms - a->started_ms) * 1000000,
               (unsigned long long)end->prompt_tokens, (long long)end->prefill_ms * 1000000,
               (unsigned long long)end->tokens_out, (long long)end->decode_ms * 1000000);
}

static bool is_chat(const struct answer *a)
{
    return a->dialect == &dialect_ollama_chat;
}

/* The text and the thoughts of a line, with or without a message around. */
static void put_texts(const struct answer *a, struct buf *out, const char *text, size_t n_text,
                      const char *thought, size_t n_thought)
{
    buf_puts(out,
             is_chat(a) ? "\"message\":{\"role\":\"assistant\",\"content\":\"" : "\"response\":\"");
    buf_put(out, text, n_text);
    buf_putc(out, '"');
    if (n_thought) {
        buf_puts(out, ",\"thinking\":\"");
        buf_put(out, thought, n_thought);
        buf_putc(out, '"');
    }
}

/* Puts the calls, if there are any. One that is not whole is none for Ollama's clients, as it is
 * none for Ollama. */
static void put_tools(struct buf *out, const struct choice *c, unsigned from, unsigned to)
{
    struct buf args;
    unsigned n = 0;

    buf_init(&args, ANSWER_TEXT_MAX);
    for (unsigned i = from; i < to; i++) {
        buf_clear(&args);
        if (answer_put_arguments(&args, &c->tools[i]))
            continue;
        buf_puts(out, n++ ? "," : ",\"tool_calls\":[");
        buf_puts(out, "{\"id\":");
        answer_put_string(out, c->tools[i].id);
        buf_printf(out, ",\"function\":{\"index\":%u,\"name\":", i);
        answer_put_string(out, c->tools[i].name);
        buf_puts(out, ",\"arguments\":");
        buf_put(out, buf_str(&args), args.len);
        buf_puts(out, "}}");
        if (buf_failed(&args))
            buf_lose(out);
    }
    if (n)
        buf_putc(out, ']');
    buf_done(&args);
}

static void close_texts(const struct answer *a, struct buf *out)
{
    if (is_chat(a))
        buf_putc(out, '}');
}

/* Calls that are whole go out: Ollama's clients get each at once. */
static void tell_tools(struct choice *c, unsigned n_whole)
{
    struct answer *a = c->answer;
    struct ollama_state *state = a->state;
    struct buf *out = &a->out.buf, calls;

    buf_init(&calls, ANSWER_TEXT_MAX);
    put_tools(&calls, c, state->n_told, n_whole);
    state->n_told = n_whole;
    if (calls.len && !buf_failed(&calls) && !c->wrong) {
        put_head(a, out);
        put_texts(a, out, "", 0, "", 0);
        buf_put(out, calls.data, calls.len);
        close_texts(a, out);
        buf_puts(out, ",\"done\":false}");
        outlet_end(&a->out);
    }
    if (buf_failed(&calls))
        choice_spoil(c, CHOICE_TOO_LARGE);
    buf_done(&calls);
}

static void on_event(struct choice *c, const struct event *e)
{
    struct answer *a = c->answer;
    struct buf *out = &a->out.buf;
    bool is_text = e->kind == EVENT_TEXT;

    if (e->kind == EVENT_TOOL_CALL && c->n_tools)
        tell_tools(c, c->n_tools - 1);
    if (!is_text && e->kind != EVENT_REASONING)
        return;
    put_head(a, out);
    put_texts(a, out, e->raw, is_text ? e->n : 0, e->raw, is_text ? 0 : e->n);
    close_texts(a, out);
    buf_puts(out, ",\"done\":false}");
    outlet_end(&a->out);
}

static void on_end(struct choice *c)
{
    tell_tools(c, c->n_tools);
}

static bool finish(struct answer *a)
{
    struct buf *out = &a->out.buf;

    put_head(a, out);
    put_texts(a, out, "", 0, "", 0);
    close_texts(a, out);
    put_times(a, out);
    outlet_end(&a->out);
    return false;
}

static void whole(struct answer *a, struct buf *out)
{
    const struct choice *c = &a->choices[0];

    put_head(a, out);
    put_texts(a, out, buf_str(&c->text), c->text.len, buf_str(&c->reasoning), c->reasoning.len);
    put_tools(out, c, 0, c->n_tools);
    close_texts(a, out);
    put_times(a, out);
}

/* ---- loading and unloading ---- */

static json_t *done_line(const struct answer *a, const char *reason)
{
    char when[CLOCK_ISO_BYTES];
    json_t *line =
        json_pack("{s:s, s:s, s:b, s:s}", "model", a->model ? a->model : "", "created_at",
                  clock_iso8601(clock_unix_ms(), when), "done", 1, "done_reason", reason);

    if (is_chat(a))
        json_object_set_new(line, "message",
                            json_pack("{s:s, s:s}", "role", "assistant", "content", ""));
    else
        json_object_set_new(line, "response", json_string(""));
    return line;
}

static bool load_only(struct answer *a, const struct worker *w)
{
    (void)w;
    if (!a->order.only_load)
        return false;
    answer_reply(a, done_line(a, "load"));
    return true;
}

static bool unload(struct answer *a)
{
    struct model_place place;
    struct api_error e;

    if (!a->order.only_load || !a->order.keep_alive_given || a->order.keep_alive_ms != 0)
        return false;
    if (model_find(a->hive, a->order.model, &place, &e)) {
        answer_refuse(a, &e);
        return true;
    }
    workers_stop_model(a->hive->workers, place.ref, place.path);
    a->model = str_dup(a->order.model ? a->order.model : place.ref);
    model_place_done(&place);
    answer_reply(a, done_line(a, "unload"));
    return true;
}

#define OLLAMA_DIALECT(kind)                                                                       \
    {                                                                                              \
        .shape = SHAPE_OLLAMA, .outlet = OUTLET_LINES, .id_prefix = "",                            \
        .state_bytes = sizeof(struct ollama_state), .request = &(kind), .early = unload,           \
        .instead = load_only, .event = on_event, .end = on_end, .finish = finish, .whole = whole   \
    }

const struct dialect dialect_ollama_chat = OLLAMA_DIALECT(request_ollama_chat);
const struct dialect dialect_ollama_generate = OLLAMA_DIALECT(request_ollama_generate);
