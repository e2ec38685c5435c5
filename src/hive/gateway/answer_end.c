/*
 * answer_end.c - how an answer ends: whole, as a stream's last events, or with an error; see
 * answer.h.
 *
 * A stream's last events may be large (/v1/responses repeats all the text in them). They are made
 * one after the other, each when its client has taken the one before; until the last one is with
 * the server the answer lives, and is told when its client leaves.
 */
#include <stdlib.h>

#include "api/error_log.h"
#include "api/json_whole.h"
#include "hive/doors/revoke.h"
#include "hive/gateway/answer_internal.h"
#include "hive/http/reply.h"
#include "net/http_server.h"

/* Before the last bytes: nobody tells any more that the client has left. */
static void let_go(struct answer *a)
{
    http_on_gone(a->x, NULL, NULL);
}

/* ---- streams ---- */

/* Whatever still waits goes to the server now. */
static void close_stream(struct answer *a)
{
    let_go(a);
    outlet_close(&a->out);
    answer_free(a);
}

static void put_failure(struct answer *a, const struct api_error *e)
{
    api_error_log(e, http_request_id(a->x));
    if (a->dialect->fail) {
        a->dialect->fail(a, e);
        return;
    }
    outlet_begin(&a->out, a->dialect->shape == SHAPE_ANTHROPIC ? "error" : NULL);
    shape_error(a->dialect->shape, e, http_request_id(a->x), &a->out.buf);
    outlet_end(&a->out);
}

static void put_over(struct answer *a)
{
    if (a->dialect->last)
        outlet_put(&a->out, a->dialect->last);
    a->stage = ANSWER_OVER;
}

/* Takes what *e holds. */
static void put_failure_last(struct answer *a, struct api_error *e)
{
    outlet_flush(&a->out); /* what did not fit makes room */
    put_failure(a, e);
    api_error_done(e);
    put_over(a);
}

/* The last events, or the next of them. What then waits for its client counts, as what was asked
 * did. */
static void put_last(struct answer *a)
{
    struct api_error e;

    if (!a->dialect->finish || !a->dialect->finish(a))
        put_over(a);
    if (buf_failed(&a->out.buf)) {
        answer_say_too_large(&e);
        put_failure_last(a, &e);
    } else if (outlet_n_left(&a->out) > OUTLET_FULL &&
               !answer_hold(a, outlet_n_left(&a->out), &e)) {
        outlet_drop(&a->out);
        put_failure_last(a, &e);
    }
}

/* Until the client has to read first: on_room comes back here. */
static void go_on_ending(struct answer *a)
{
    for (;;) {
        outlet_flush(&a->out);
        if (outlet_is_full(&a->out))
            return;
        if (a->stage == ANSWER_OVER)
            break;
        answer_forget_held(a);
        put_last(a);
    }
    close_stream(a);
}

void answer_on_room(void *arg)
{
    struct answer *a = arg;

    if (a->stage != ANSWER_RUNS) {
        go_on_ending(a);
        return;
    }
    for (unsigned i = 0; i < a->n_choices; i++)
        ask_go_on(a->choices[i].ask);
}

/* ---- errors ---- */

void answer_say_too_large(struct api_error *e)
{
    api_error_set(e, API_INTERNAL, REPLY_SRC,
                  "a piece of the answer is over %u bytes, or there is no memory for it",
                  OUTLET_MAX);
}

void answer_fail_with(struct answer *a, struct api_error *e, int retry_after_s)
{
    running_leave(&a->running);
    answer_cancel_asks(a);
    if (!a->out.open) {
        let_go(a);
        shape_answer(a->x, a->dialect->shape, e, retry_after_s);
        answer_free(a);
        return;
    }
    put_failure_last(a, e);
    if (http_is_cut(a->x))
        close_stream(a);
    else
        go_on_ending(a);
}

void answer_fail(struct answer *a, struct api_error *e)
{
    answer_fail_with(a, e, 0);
}

void answer_refuse(struct answer *a, struct api_error *e)
{
    answer_fail_with(a, e, 0);
}

void answer_fail_for_memory(struct answer *a)
{
    struct api_error e;

    api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    answer_fail_with(a, &e, 0);
}

void answer_end_early(void *arg)
{
    struct answer *a = arg;
    struct api_error e;

    running_error(&e);
    answer_fail(a, &e);
}

void answer_on_gone(struct http_exchange *x, void *arg)
{
    struct answer *a = arg;
    struct api_error e;

    if (!http_is_cut(x)) {
        answer_free(a);
        return;
    }
    if (a->stage == ANSWER_OVER) {
        close_stream(a);
        return;
    }
    revoke_error(&e);
    answer_fail(a, &e);
}

/* ---- answers ---- */

void answer_reply(struct answer *a, json_t *body)
{
    let_go(a);
    if (a->out.open) { /* a stream that waited for the model */
        char *text = body ? json_write(body, JSON_COMPACT) : NULL;

        if (text)
            outlet_put(&a->out, text);
        outlet_close(&a->out);
        free(text);
        json_decref(body);
    } else {
        reply_json(a->x, 200, body);
    }
    answer_free(a);
}

static const struct choice *first_wrong(const struct answer *a)
{
    for (unsigned i = 0; i < a->n_choices; i++)
        if (a->choices[i].wrong)
            return &a->choices[i];
    return NULL;
}

static void finish_whole(struct answer *a)
{
    const struct choice *wrong;
    struct api_error e;
    struct buf body;

    buf_init(&body, OUTLET_MAX);
    a->dialect->whole(a, &body);
    wrong = first_wrong(a);
    if (wrong) {
        choice_say_wrong(wrong, &e);
        answer_fail(a, &e);
    } else if (buf_failed(&body)) {
        answer_say_too_large(&e);
        answer_fail(a, &e);
    } else {
        let_go(a);
        http_reply(a->x, 200, "application/json", buf_str(&body), body.len);
        answer_free(a);
    }
    buf_done(&body);
}

void answer_finish(struct answer *a)
{
    running_leave(&a->running);
    answer_stop_deadline(a);
    if (!a->order.stream) {
        finish_whole(a);
        return;
    }
    answer_begin(a);
    a->stage = ANSWER_ENDS;
    go_on_ending(a);
}
