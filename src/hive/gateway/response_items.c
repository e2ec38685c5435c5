/* response_items.c - see response_items.h. */
#include "hive/gateway/response_items.h"

#include <string.h>

#include "hive/gateway/dialects.h"

static const struct buf *text_of(const struct choice *c, const struct item *item)
{
    switch (item->kind) {
    case ITEM_REASONING:
        return &c->reasoning;
    case ITEM_MESSAGE:
        return &c->text;
    case ITEM_CALL:
        break;
    }
    return &c->tools[item->tool].args;
}

void response_put_text(struct buf *out, const struct choice *c, const struct item *item)
{
    buf_putc(out, '"');
    buf_put(out, buf_str(text_of(c, item)) + item->from, item->to - item->from);
    buf_putc(out, '"');
}

void response_put_id(struct buf *out, const struct answer *a, unsigned index)
{
    static const char *const prefixes[] = {"rs", "msg", "fc"};
    const struct responses_state *state = a->state;

    buf_printf(out, "\"%s_%s_%u\"", prefixes[state->items[index].kind], a->id + strlen("resp_"),
               index);
}

void response_keep_scores(struct choice *c, struct item *item, const json_t *logprobs)
{
    size_t at = c->scores[0].len;

    if (json_array_size(logprobs) == 0)
        return;
    openai_keep_content(c, logprobs);
    if (item->scores_from == item->scores_to)
        item->scores_from = at + 1;
    item->scores_to = c->scores[0].len;
}

void response_put_scores(struct buf *out, const struct choice *c, size_t from, size_t to)
{
    buf_putc(out, '[');
    if (from < to)
        buf_put(out, c->scores[0].data + from, to - from);
    buf_putc(out, ']');
}

void response_put_part(struct buf *out, const struct choice *c, const struct item *item, bool whole)
{
    bool is_text = item->kind == ITEM_MESSAGE;

    buf_printf(out, "{\"type\":\"%s\",\"text\":", is_text ? "output_text" : "reasoning_text");
    if (whole)
        response_put_text(out, c, item);
    else
        buf_puts(out, "\"\"");
    if (is_text) {
        buf_puts(out, ",\"annotations\":[],\"logprobs\":");
        if (whole)
            response_put_scores(out, c, item->scores_from, item->scores_to);
        else
            buf_puts(out, "[]");
    }
    buf_putc(out, '}');
}

/* An answer that was cut off ends within its last item; a call may be no whole one anyway. */
static const char *status_of(const struct choice *c, unsigned index, bool whole)
{
    const struct responses_state *state = c->answer->state;

    const struct item *item = &state->items[index];

    if (!whole)
        return "in_progress";
    if (c->ended && c->end.stop == EVENT_STOP_LENGTH && index + 1 == state->n_items)
        return "incomplete";
    if (item->kind == ITEM_CALL && !answer_is_whole_call(&c->tools[item->tool]))
        return "incomplete";
    return "completed";
}

void response_put_item(struct buf *out, const struct choice *c, unsigned index, bool whole)
{
    const struct answer *a = c->answer;
    const struct responses_state *state = a->state;
    const struct item *item = &state->items[index];

    buf_puts(out, "{\"id\":");
    response_put_id(out, a, index);
    buf_printf(out, ",\"status\":\"%s\",", status_of(c, index, whole));
    if (item->kind == ITEM_CALL) {
        buf_puts(out, "\"type\":\"function_call\",\"call_id\":");
        answer_put_string(out, c->tools[item->tool].id);
        buf_puts(out, ",\"name\":");
        answer_put_string(out, c->tools[item->tool].name);
        buf_puts(out, ",\"arguments\":");
        response_put_text(out, c, item);
        buf_putc(out, '}');
        return;
    }
    buf_puts(out, item->kind == ITEM_MESSAGE ? "\"type\":\"message\",\"role\":\"assistant\","
                                             : "\"type\":\"reasoning\",\"summary\":[],");
    buf_puts(out, "\"content\":[");
    if (whole)
        response_put_part(out, c, item, true);
    buf_puts(out, "]}");
}
