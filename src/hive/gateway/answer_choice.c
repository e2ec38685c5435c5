/* answer_choice.c - one choice of an answer: what its worker is asked and what comes; see answer.h.
 */
#include <stdlib.h>
#include <string.h>

#include "api/json_load.h"
#include "api/json_scan.h"
#include "base/json.h"
#include "base/str.h"
#include "hive/gateway/answer_internal.h"
#include "hive/http/reply.h"
#include "net/http_server.h"

/* ---- what comes ---- */

/* Is text what the client is at? Text without a character is not: it brings scores. */
static void note_text(struct choice *c, const struct event *e)
{
    if (e->kind == EVENT_TEXT && e->n)
        c->in_text = true;
    else if (e->kind == EVENT_REASONING || e->kind == EVENT_TOOL_CALL)
        c->in_text = false;
}

/* Scores of no text's tokens: a call's come so behind it. */
static bool is_stray(const struct choice *c, const struct event *e)
{
    return e->kind == EVENT_TEXT && !c->in_text && !c->answer->dialect->scores_all;
}

/* Its worker has the request, which is held no more. */
static void note_begun(struct choice *c)
{
    if (c->begun)
        return;
    c->begun = true;
    answer_let_go(c->answer, c->n_held);
    c->n_held = 0;
}

/* It has a slot. Until then it may come back (answer_ask_later), unless it is the only one. */
static void note_shown(struct choice *c)
{
    struct answer *a = c->answer;

    if (c->shown)
        return;
    c->shown = true;
    answer_got_place(a);
    if (++a->n_shown == a->n_choices)
        answer_asked(a);
}

static void on_event(void *arg, struct event *e)
{
    struct choice *c = arg;
    struct answer *a = c->answer;

    if (!a->order.scored) /* what nobody asked for is a wrong worker's */
        e->logprobs = NULL;
    answer_begin(a);
    note_begun(c);
    if (e->kind != EVENT_STARTED || a->n_choices == 1)
        note_shown(c);
    note_text(c, e);
    if (is_stray(c, e))
        return;
    choice_keep(c, e); /* what is shown was always kept before */
    if (!c->wrong && a->order.stream && e->kind != EVENT_STARTED && a->dialect->event)
        a->dialect->event(c, e);
}

static void on_comment(void *arg)
{
    struct choice *c = arg;

    if (c->answer->begun)
        outlet_comment(&c->answer->out, "keep-alive");
}

void choice_say_wrong(const struct choice *c, struct api_error *e)
{
    api_error_set(e, c->wrong_code, REPLY_SRC, "%s", c->wrong);
}

/* Writes out what came. Of a client that takes less than comes the worker is not read until it has
 * taken what there is (answer_on_room). -1, and the answer has failed, when something did not fit.
 */
static int write_out(struct answer *a)
{
    struct api_error e;

    if (outlet_flush(&a->out)) {
        answer_say_too_large(&e);
        answer_fail(a, &e);
        return -1;
    }
    for (unsigned i = 0; i < a->n_choices && outlet_is_full(&a->out); i++)
        ask_hold(a->choices[i].ask);
    return 0;
}

static void on_pause(void *arg)
{
    struct choice *c = arg;
    struct api_error e;

    choice_hold_partial(c);
    if (!c->wrong) {
        if (write_out(c->answer) == 0)
            answer_ask_more(c->answer);
        return;
    }
    choice_say_wrong(c, &e);
    answer_fail(c->answer, &e);
}

/* ---- the end ---- */

static void say_cancelled(struct api_error *e)
{
    api_error_set(e, API_REQUEST_CANCELLED, REPLY_SRC, "the worker's job was cancelled");
}

static void on_end(void *arg, struct event_end *end, struct api_error *e, enum ask_left left)
{
    struct choice *c = arg;
    struct answer *a = c->answer;
    struct api_error mine;

    c->ask = NULL;
    choice_hold_partial(c);
    note_begun(c);
    if (!end || end->stop == EVENT_STOP_CANCELLED || c->wrong) {
        if (left != ASK_BEGUN ? answer_try_another(a, c, left)
                              : e && !c->shown && answer_ask_later(a, e))
            return;
        if (e) {
            mine = *e;
            *e = (struct api_error){0};
            request_rename(a->dialect->request, &mine);
        } else if (c->wrong) {
            choice_say_wrong(c, &mine);
        } else {
            say_cancelled(&mine);
        }
        answer_fail(a, &mine);
        return;
    }
    answer_begin(a);
    c->end = *end;
    end->stop_sequence = NULL;
    c->ended = true;
    a->n_open--;
    note_shown(c);
    answer_place_free(a);
    if (a->order.stream && a->dialect->end)
        a->dialect->end(c);
    if (c->wrong) {
        choice_say_wrong(c, &mine);
        answer_fail(a, &mine);
        return;
    }
    if (write_out(a))
        return;
    if (a->n_open == 0)
        answer_finish(a);
    else
        answer_ask_more(a);
}

/* ---- asking ---- */

int choice_ask(struct choice *c, struct api_error *e)
{
    struct answer *a = c->answer;
    char *body = order_body(&a->order, c->index);
    struct ask_params params = {.base = a->hive->base,
                                .client = a->hive->inside,
                                .workers = a->hive->workers,
                                .worker_id = a->worker_id,
                                .request_id = http_request_id(a->x),
                                .url = a->worker_url,
                                .key = a->hive->doors.access.link_key,
                                .body = body,
                                .n_body = body ? strlen(body) : 0,
                                .arg = c,
                                .on_event = on_event,
                                .on_comment = on_comment,
                                .on_pause = on_pause,
                                .on_end = on_end};
    int rc = -1;

    if (!body)
        api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    else if (answer_hold(a, params.n_body, e)) {
        rc = ask_start(&params, &c->ask, e);
        c->n_held = params.n_body;
    }
    c->begun = false;
    c->worker = a->n_workers;
    free(body);
    return rc;
}

/* ---- for dialects ---- */

void answer_put_string(struct buf *out, const char *text)
{
    json_put_string(out, text, strlen(text));
}

void answer_put_raw(struct buf *out, const struct buf *raw)
{
    buf_putc(out, '"');
    buf_put(out, buf_str(raw), raw->len);
    buf_putc(out, '"');
}

/* An object's text on one line: what breaks lines in it stands between values. */
static void put_on_a_line(struct buf *out, const char *text, size_t n)
{
    if (buf_reserve(out, n))
        return;
    for (size_t i = 0; i < n; i++)
        buf_putc(out, (unsigned char)text[i] < ' ' ? ' ' : text[i]);
}

/* The text of a call's arguments (json_decref), or NULL when that is no object's; or without
 * memory: *lost is set then. */
static json_t *object_text(const struct tool_call *t, bool *lost)
{
    json_error_t why = {0};
    struct buf quoted;
    json_t *text;

    if (t->args.len == 0) {
        text = json_string("{}");
        *lost |= !text;
        return text;
    }
    buf_init(&quoted, t->args.len + 2);
    answer_put_raw(&quoted, &t->args);
    text = json_load_bounded(buf_str(&quoted), quoted.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    *lost |= buf_failed(&quoted) || (!text && json_is_no_memory(&why));
    buf_done(&quoted);
    if (text && json_scan_is_object(json_string_value(text), json_string_length(text)))
        return text;
    json_decref(text);
    return NULL;
}

int answer_put_arguments(struct buf *out, const struct tool_call *t)
{
    bool lost = false;
    json_t *text = object_text(t, &lost);

    if (lost)
        buf_lose(out);
    if (!text)
        return lost ? 0 : -1;
    put_on_a_line(out, json_string_value(text), json_string_length(text));
    json_decref(text);
    return 0;
}

bool answer_is_whole_call(const struct tool_call *t)
{
    bool lost = false;
    json_t *text = object_text(t, &lost);

    json_decref(text);
    return text || lost; /* whoever puts it notices the loss */
}

static bool has_bad_call(const struct choice *c)
{
    for (unsigned i = 0; i < c->n_tools; i++)
        if (!answer_is_whole_call(&c->tools[i]))
            return true;
    return false;
}

/* Where a client's own words ended it within a call they are the reason, not the call. */
enum choice_end choice_end(const struct choice *c)
{
    bool bad;

    if (c->end.stop == EVENT_STOP_LENGTH)
        return CHOICE_LENGTH;
    bad = has_bad_call(c);
    if (c->end.stop == EVENT_STOP_SEQUENCE && (bad || c->n_tools == 0))
        return CHOICE_STOPPED;
    if (c->n_tools == 0)
        return CHOICE_DONE;
    return bad ? CHOICE_BAD_CALLS : CHOICE_CALLS;
}

struct usage answer_usage(const struct answer *a)
{
    struct usage u = {0};

    for (unsigned i = 0; i < a->n_choices; i++) {
        const struct event_end *end = &a->choices[i].end;

        if (i % a->order.n == 0) { /* a prompt counts once, however many answers it has */
            u.prompt += end->prompt_tokens;
            u.cached += end->cached_tokens;
        }
        u.completion += end->tokens_out;
        u.reasoning += end->reasoning_tokens;
    }
    return u;
}
