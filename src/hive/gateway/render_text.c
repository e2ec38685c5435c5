/* render_text.c - POST /v1/completions: text that goes on, without a chat around it. */
#include <string.h>

#include "base/str.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/logprobs.h"

#define TEXT_MAX_TOKENS   16 /* OpenAI's default */
#define TEXT_LOGPROBS_MAX 20

/* Per choice: characters of text told so far, for text_offset. */
struct text_state {
    size_t offsets[ORDER_CHOICES_MAX];
};

/* ---- the request ---- */

static bool is_ids(const json_t *list)
{
    const json_t *id;
    size_t i;

    json_array_foreach(list, i, id) if (!json_is_integer(id)) return false;
    return json_array_size(list) > 0;
}

/* A text, texts, token ids, or arrays of them: always a list of prompts in the end. */
static void read_prompt(struct fields *f, struct order *o)
{
    json_t *prompt = fields_any(f, "prompt", true), *one;
    bool good = json_array_size(prompt) > 0;
    size_t i;

    if (!prompt)
        return;
    if (json_is_string(prompt) || is_ids(prompt)) {
        o->prompts = json_pack("[O]", prompt);
        return;
    }
    json_array_foreach(prompt, i, one) good =
        good && (json_is_string(one) || (json_is_array(one) && is_ids(one)));
    if (good)
        o->prompts = json_incref(prompt);
    else
        fields_fail(f, "prompt", "text, texts, token ids, or arrays of ids",
                    "prompt must be a text, an array of texts, of token ids, or of arrays of "
                    "token ids.");
}

static void read_limits(struct fields *f, struct order *o)
{
    int64_t best_of = 1, n = TEXT_MAX_TOKENS;
    bool echo = false;

    fields_int(f, "max_tokens", false, 1, ORDER_TOKENS_MAX, &n);
    order_put(o, "max_tokens", json_integer(n));
    fields_bool(f, "echo", &echo);
    if (echo)
        fields_fail(f, "echo", "false", "echo: the prompt is not repeated by this server.");
    fields_int(f, "best_of", false, 1, INT32_MAX, &best_of);
    if (best_of > 1)
        fields_fail(f, "best_of", "1",
                    "best_of: this server returns every answer it computes; "
                    "use n.");
    order_refuse(f, "suffix", "this server does not fill in the middle of a text.");
}

static void read_text(struct answer *a, struct fields *f)
{
    struct order *o = &a->order;
    int64_t logprobs;

    order_model(f, o);
    read_prompt(f, o);
    read_limits(f, o);
    order_stream(f, o);
    order_n(f, o);
    order_sampling(f, o);
    order_response_format(f, o);
    if (fields_int(f, "logprobs", false, 0, TEXT_LOGPROBS_MAX, &logprobs)) {
        order_put(o, "logprobs", json_true());
        order_put(o, "top_logprobs", json_integer(logprobs));
    }
    openai_tolerate(f);
}

/* ---- the answer ---- */

static void begin(struct answer *a)
{
    openai_put_head(a, "text_completion", &a->head);
}

/* One chunk of a choice. `reason` NULL while it goes on. */
static void put_chunk(struct choice *c, const char *raw, size_t n, const json_t *logprobs,
                      const char *reason)
{
    struct answer *a = c->answer;
    struct text_state *state = a->state;
    struct buf *out = &a->out.buf;

    outlet_begin(&a->out, NULL);
    buf_put(out, a->head.data, a->head.len);
    buf_puts(out, "\"choices\":[{\"text\":\"");
    buf_put(out, raw, n);
    buf_printf(out, "\",\"index\":%u,\"logprobs\":", c->index);
    openai_put_json(out, logprobs ? logprobs_legacy(logprobs, state->offsets[c->index]) : NULL,
                    OPENAI_LOGPROB_DIGITS);
    state->offsets[c->index] += logprobs_length(logprobs);
    buf_puts(out, ",\"finish_reason\":");
    if (reason)
        buf_printf(out, "\"%s\"", reason);
    else
        buf_puts(out, "null");
    buf_puts(out, a->order.include_usage ? "}],\"usage\":null}" : "}]}");
    outlet_end(&a->out);
}

static void on_event(struct choice *c, const struct event *e)
{
    if (e->kind == EVENT_TEXT)
        put_chunk(c, e->raw, e->n, e->logprobs, NULL);
}

static void on_end(struct choice *c)
{
    put_chunk(c, "", 0, NULL, openai_finish_reason(c));
}

static void put_whole(const struct choice *c, struct buf *out)
{
    buf_puts(out, "\"text\":");
    answer_put_raw(out, &c->text);
    buf_printf(out, ",\"index\":%u,\"logprobs\":", c->index);
    openai_put_json(out, c->logprobs ? logprobs_legacy(c->logprobs, 0) : NULL,
                    OPENAI_LOGPROB_DIGITS);
}

static void whole(struct answer *a, struct buf *out)
{
    openai_whole(a, "text_completion", put_whole, out);
}

static const char *const names[][2] = {
    {"json_schema", "response_format"}, {"prompt_tokens", "prompt"}, {NULL, NULL}};

const struct dialect dialect_text = {.shape = SHAPE_OPENAI,
                                     .outlet = OUTLET_SSE,
                                     .id_prefix = "cmpl-",
                                     .state_bytes = sizeof(struct text_state),
                                     .read = read_text,
                                     .names = names,
                                     .begin = begin,
                                     .event = on_event,
                                     .end = on_end,
                                     .finish = openai_finish,
                                     .last = "[DONE]",
                                     .whole = whole};
