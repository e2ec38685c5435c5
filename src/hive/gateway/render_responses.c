/*
 * render_responses.c - POST /v1/responses. Source: the OpenAI API reference, as of 2026. The
 * request's reading is in request_responses.c.
 *
 * An answer is a list of items (thoughts, a message, calls). In a stream each is opened, filled and
 * closed with events of its own; the last event repeats them all.
 */
#include "hive/gateway/dialects.h"
#include "hive/gateway/response_items.h"
#include "net/http_server.h"

/* ---- the response object ---- */

static void put_usage(struct buf *out, const struct answer *a)
{
    struct usage u = answer_usage(a);

    buf_printf(out,
               "{\"input_tokens\":%llu,\"input_tokens_details\":{\"cached_tokens\":%llu,"
               "\"cache_write_tokens\":0},\"output_tokens\":%llu,\"output_tokens_details\":{"
               "\"reasoning_tokens\":%llu},"
               "\"total_tokens\":%llu}",
               (unsigned long long)u.prompt, (unsigned long long)u.cached,
               (unsigned long long)u.completion, (unsigned long long)u.reasoning,
               (unsigned long long)(u.prompt + u.completion));
}

/* The fields of the request that are repeated, with a comma behind: an object without braces. */
static void put_echo(struct buf *out, const struct answer *a)
{
    buf_put(out, a->order.echo_text + 1, a->order.n_echo - 2);
    buf_putc(out, ',');
}

static bool is_cut(const struct choice *c)
{
    return c->end.stop == EVENT_STOP_LENGTH;
}

/* Of OpenAI's words for what failed: those for what is wrong with a request are not asked again. */
static void put_error_code(struct buf *out, const struct api_error *e)
{
    if (e->code == API_INVALID_REQUEST)
        buf_puts(out, "invalid_prompt");
    else if (e->code == API_CONTEXT_LENGTH_EXCEEDED)
        shape_put_code(e, out);
    else
        buf_puts(out, "server_error");
}

static void put_status(struct buf *out, const struct choice *c, bool over,
                       const struct api_error *failed)
{
    buf_printf(out, ",\"status\":\"%s\",\"error\":",
               failed      ? "failed"
               : !over     ? "in_progress"
               : is_cut(c) ? "incomplete"
                           : "completed");
    if (!failed) {
        buf_puts(out, "null,");
        return;
    }
    buf_puts(out, "{\"code\":\"");
    put_error_code(out, failed);
    buf_puts(out, "\",\"message\":");
    answer_put_string(out, failed->message);
    buf_puts(out, "},");
}

/* Of one that failed, nothing of its output is told again. */
static void put_response(struct buf *out, const struct answer *a, bool over,
                         const struct api_error *failed)
{
    const struct responses_state *state = a->state;
    const struct choice *c = a->choices; /* NULL: it failed before there was a worker */

    buf_printf(out, "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%lld,\"model\":", a->id,
               (long long)a->created_s);
    answer_put_string(out, a->model);
    buf_printf(out, ",\"system_fingerprint\":\"%s\"", a->fingerprint);
    put_status(out, c, over, failed);
    buf_puts(out, over && is_cut(c) ? "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"
                                    : "\"incomplete_details\":null,");
    put_echo(out, a);
    buf_puts(out, "\"output\":[");
    for (unsigned i = 0; over && i < state->n_items; i++) {
        buf_puts(out, i ? "," : "");
        response_put_item(out, c, i, true);
    }
    buf_putc(out, ']');
    if (over) {
        buf_puts(out, ",\"usage\":");
        put_usage(out, a);
    }
    buf_putc(out, '}');
}

/* ---- events ---- */

/* Up to behind the sequence number; event_end closes. */
static struct buf *event_begin(struct answer *a, const char *type)
{
    struct responses_state *state = a->state;

    outlet_begin(&a->out, type);
    buf_printf(&a->out.buf, "{\"type\":\"%s\",\"sequence_number\":%llu", type,
               (unsigned long long)state->n_events++);
    return &a->out.buf;
}

static void event_end(struct answer *a)
{
    buf_putc(&a->out.buf, '}');
    outlet_end(&a->out);
}

static void response_event(struct answer *a, const char *type, bool over,
                           const struct api_error *failed)
{
    struct buf *out = event_begin(a, type);

    buf_puts(out, ",\"response\":");
    put_response(out, a, over, failed);
    event_end(a);
}

static void item_event(struct choice *c, const char *type, bool whole)
{
    struct answer *a = c->answer;
    const struct responses_state *state = a->state;
    struct buf *out = event_begin(a, type);

    buf_printf(out, ",\"output_index\":%u,\"item\":", state->n_items - 1);
    response_put_item(out, c, state->n_items - 1, whole);
    event_end(a);
}

/* An event about the last item's content; more is put before event_end. */
static struct buf *content_begin(struct choice *c, const char *type)
{
    struct answer *a = c->answer;
    const struct responses_state *state = a->state;
    struct buf *out = event_begin(a, type);

    buf_puts(out, ",\"item_id\":");
    response_put_id(out, a, state->n_items - 1);
    buf_printf(out, ",\"output_index\":%u", state->n_items - 1);
    if (state->items[state->n_items - 1].kind != ITEM_CALL)
        buf_puts(out, ",\"content_index\":0");
    return out;
}

static void part_event(struct choice *c, const char *type, bool whole)
{
    const struct responses_state *state = c->answer->state;
    struct buf *out = content_begin(c, type);

    buf_puts(out, ",\"part\":");
    response_put_part(out, c, &state->items[state->n_items - 1], whole);
    event_end(c->answer);
}

static void text_done_event(struct choice *c)
{
    static const char *const done[] = {"response.reasoning_text.done", "response.output_text.done",
                                       "response.function_call_arguments.done"};
    const struct responses_state *state = c->answer->state;
    const struct item *item = &state->items[state->n_items - 1];
    struct buf *out = content_begin(c, done[item->kind]);

    if (item->kind == ITEM_CALL) {
        buf_puts(out, ",\"name\":");
        answer_put_string(out, c->tools[item->tool].name);
    }
    buf_puts(out, item->kind == ITEM_CALL ? ",\"arguments\":" : ",\"text\":");
    response_put_text(out, c, item);
    if (item->kind == ITEM_MESSAGE) {
        buf_puts(out, ",\"logprobs\":");
        response_put_scores(out, c, item->scores_from, item->scores_to);
    }
    event_end(c->answer);
}

/* One of the events that close an open item, each of which holds all of it; false when it is. */
static bool close_item_more(struct choice *c)
{
    struct responses_state *state = c->answer->state;

    if (!state->open)
        return false;
    switch (state->n_closed++) {
    case 0:
        text_done_event(c);
        return true;
    case 1:
        if (state->items[state->n_items - 1].kind != ITEM_CALL)
            part_event(c, "response.content_part.done", true);
        return true;
    default:
        item_event(c, "response.output_item.done", true);
        state->open = false;
        state->n_closed = 0;
        return true;
    }
}

static void close_item(struct choice *c)
{
    while (close_item_more(c))
        ;
}

/* It counts with what the choice keeps. -1: there is no room, and the choice is spoilt. */
static int add_item(struct choice *c, const struct item *item)
{
    struct responses_state *state = c->answer->state;

    if (choice_count(c, sizeof *item))
        return -1;
    if (state->n_items == state->n_room) {
        unsigned n_room = state->n_room ? 2 * state->n_room : 8;
        struct item *more = realloc(state->items, n_room * sizeof *more);

        if (!more) {
            choice_spoil(c, CHOICE_TOO_LARGE);
            return -1;
        }
        state->items = more;
        state->n_room = n_room;
    }
    state->items[state->n_items++] = *item;
    return 0;
}

static void state_done(void *state)
{
    free(((struct responses_state *)state)->items);
}

/* The event that opens it is kept already: its text is the item's first. */
static int open_item(struct choice *c, enum item_kind kind, const struct event *e)
{
    struct responses_state *state = c->answer->state;
    size_t kept = kind == ITEM_MESSAGE ? c->text.len : c->reasoning.len,
           from = kind == ITEM_CALL ? 0 : kept - e->n, scores = c->scores[0].len;
    const struct item item = {.kind = kind,
                              .from = from,
                              .to = from,
                              .scores_from = scores,
                              .scores_to = scores,
                              .tool = e->tool};

    close_item(c);
    if (add_item(c, &item))
        return -1;
    state->open = true;
    item_event(c, "response.output_item.added", false);
    if (kind != ITEM_CALL)
        part_event(c, "response.content_part.added", false);
    return 0;
}

static enum item_kind kind_of(const struct event *e)
{
    if (e->kind == EVENT_TEXT)
        return ITEM_MESSAGE;
    return e->kind == EVENT_REASONING ? ITEM_REASONING : ITEM_CALL;
}

static void put_delta(struct choice *c, const struct event *e)
{
    static const char *const delta[] = {"response.reasoning_text.delta",
                                        "response.output_text.delta",
                                        "response.function_call_arguments.delta"};
    struct responses_state *state = c->answer->state;
    struct item *item = &state->items[state->n_items - 1];
    struct buf *out = content_begin(c, delta[item->kind]);
    size_t scores = c->scores[0].len;

    item->to += e->n;
    response_keep_scores(c, item, e->logprobs);
    buf_puts(out, ",\"delta\":\"");
    buf_put(out, e->raw, e->n);
    buf_putc(out, '"');
    if (item->kind == ITEM_MESSAGE) {
        buf_puts(out, ",\"logprobs\":");
        response_put_scores(out, c, scores + 1, c->scores[0].len);
    }
    event_end(c->answer);
}

static void on_event(struct choice *c, const struct event *e)
{
    struct responses_state *state = c->answer->state;
    enum item_kind kind = kind_of(e);

    if ((!state->open || state->items[state->n_items - 1].kind != kind ||
         (kind == ITEM_CALL && state->items[state->n_items - 1].tool != e->tool)) &&
        open_item(c, kind, e))
        return;
    if (e->kind != EVENT_TOOL_CALL)
        put_delta(c, e);
}

static void begin(struct answer *a)
{
    response_event(a, "response.created", false, NULL);
    response_event(a, "response.in_progress", false, NULL);
}

static bool finish(struct answer *a)
{
    struct choice *c = &a->choices[0];

    if (close_item_more(c))
        return true;
    response_event(a, is_cut(c) ? "response.incomplete" : "response.completed", true, NULL);
    return false;
}

/* Codex knows response.failed alone, the SDKs raise on `error` in the event of that name, others
 * read the event's own fields. Where it failed before its worker had it, it begins now: what
 * gathers a response has no place for anything before response.created. */
static void fail(struct answer *a, const struct api_error *e)
{
    struct buf *out;

    if (!a->begun) {
        a->begun = true;
        begin(a);
    }
    response_event(a, "response.failed", false, e);
    out = event_begin(a, "error");
    buf_puts(out, ",\"code\":\"");
    shape_put_code(e, out);
    buf_puts(out, "\",\"param\":null,\"message\":");
    answer_put_string(out, e->message);
    buf_putc(out, ',');
    shape_error_inside(e, http_request_id(a->x), out);
    event_end(a);
}

/* ---- the whole ---- */

static void whole(struct answer *a, struct buf *out)
{
    struct choice *c = &a->choices[0];

    if (c->reasoning.len)
        add_item(c, &(struct item){.kind = ITEM_REASONING, .to = c->reasoning.len});
    if (c->text.len)
        add_item(c, &(struct item){.kind = ITEM_MESSAGE,
                                   .to = c->text.len,
                                   .scores_from = 1,
                                   .scores_to = c->scores[0].len});
    for (unsigned i = 0; i < c->n_tools; i++)
        add_item(c, &(struct item){.kind = ITEM_CALL, .to = c->tools[i].args.len, .tool = i});
    put_response(out, a, true, NULL);
}

const struct dialect dialect_responses = {.shape = SHAPE_OPENAI,
                                          .outlet = OUTLET_SSE,
                                          .id_prefix = "resp_",
                                          .state_bytes = sizeof(struct responses_state),
                                          .state_done = state_done,
                                          .request = &request_responses,
                                          .begin = begin,
                                          .event = on_event,
                                          .finish = finish,
                                          .fail = fail,
                                          .repeats = true,
                                          .whole = whole,
                                          .score = openai_keep_content};
