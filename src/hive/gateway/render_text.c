/* render_text.c - POST /v1/completions: text that goes on, without a chat around it. */
#include <string.h>

#include "base/str.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/logprobs.h"

/* Per choice: how far its text has been told, for text_offset. */
struct text_state {
    struct logprobs_place places[ORDER_CHOICES_MAX];
};

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
    openai_put_json(out, logprobs ? logprobs_legacy(logprobs, &state->places[c->index]) : NULL,
                    OPENAI_LOGPROB_DIGITS);
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

/* In the order in which they are told. */
static const char *const list_names[CHOICE_SCORES] = {"tokens", "token_logprobs", "top_logprobs",
                                                      "text_offset"};

static void keep_lists(struct choice *c, const json_t *tokens)
{
    struct text_state *state = c->answer->state;
    json_t *lists = logprobs_legacy(tokens, &state->places[c->index]);

    for (unsigned i = 0; i < CHOICE_SCORES; i++)
        openai_keep(c, &c->scores[i], json_incref(json_object_get(lists, list_names[i])));
    json_decref(lists);
}

static void put_lists(struct buf *out, const struct choice *c)
{
    for (unsigned i = 0; i < CHOICE_SCORES; i++) {
        buf_printf(out, "%s\"%s\":", i ? "," : "{", list_names[i]);
        openai_put_kept(out, &c->scores[i]);
    }
    buf_putc(out, '}');
}

static void put_whole(const struct choice *c, struct buf *out)
{
    buf_puts(out, "\"text\":");
    answer_put_raw(out, &c->text);
    buf_printf(out, ",\"index\":%u,\"logprobs\":", c->index);
    if (c->answer->order.scored)
        put_lists(out, c);
    else
        buf_puts(out, "null");
}

static void whole(struct answer *a, struct buf *out)
{
    openai_whole(a, "text_completion", put_whole, out);
}

const struct dialect dialect_text = {.shape = SHAPE_OPENAI,
                                     .outlet = OUTLET_SSE,
                                     .id_prefix = "cmpl-",
                                     .state_bytes = sizeof(struct text_state),
                                     .request = &request_text,
                                     .begin = begin,
                                     .event = on_event,
                                     .end = on_end,
                                     .finish = openai_finish,
                                     .last = "[DONE]",
                                     .scores_all = true,
                                     .whole = whole,
                                     .score = keep_lists};
