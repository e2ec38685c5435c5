/* answer.c - see answer.h: the way of a request to its worker. What is asked when is in
 * answer_ask.c, what comes in answer_choice.c, the end in answer_end.c. */
#include "hive/gateway/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_load.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/str.h"
#include "base/uuid.h"
#include "hive/doors/revoke.h"
#include "hive/gateway/answer_internal.h"
#include "hive/http/reply.h"
#include "net/http_server.h"

/* ---- life ---- */

void answer_free(struct answer *a)
{
    bool large = a->n_order + a->n_kept >= HEAP_LARGE_BYTES;

    running_leave(&a->running);
    answer_cancel_asks(a);
    answer_drop_choices(a);
    order_done(&a->order);
    outlet_done(&a->out);
    buf_done(&a->head);
    if (a->state && a->dialect->state_done)
        a->dialect->state_done(a->state);
    free(a->state);
    free(a->model);
    free(a->worker_id);
    free(a->worker_url);
    free(a);
    if (large)
        heap_give_back();
}

/* ---- what is held of requests, and kept of answers ---- */

/*
 * A request waits for a model that loads, for minutes maybe, and then for its worker; meanwhile its
 * text lies here, once as the order and once for each choice on its way. All of that counts as the
 * bodies do that still come.
 */
static bool hold_more(const struct answer *a, size_t n)
{
    return http_hold(a->x, a->n_kept + a->n_held + a->n_partial + n);
}

bool answer_hold(struct answer *a, size_t n, struct api_error *e)
{
    if (hold_more(a, n)) {
        a->n_held += n;
        return true;
    }
    reply_say_held(e, n);
    return false;
}

void answer_let_go(struct answer *a, size_t n)
{
    a->n_held -= n;
    hold_more(a, 0);
}

void answer_forget_held(struct answer *a)
{
    a->n_held = 0;
    hold_more(a, 0);
}

bool answer_keep(struct answer *a, size_t n)
{
    if (!hold_more(a, n))
        return false;
    a->n_kept += n;
    return true;
}

bool answer_hold_partial(struct answer *a, size_t before, size_t now)
{
    if (!hold_more(a, now - before)) /* `before` is in the sum: it does not wrap */
        return false;
    a->n_partial += now - before;
    return true;
}

void answer_asked(struct answer *a)
{
    order_forget_text(&a->order);
    answer_forget_held(a);
}

/* ---- the worker ---- */

void answer_begin(struct answer *a)
{
    if (a->begun || !a->order.stream)
        return;
    a->begun = true;
    outlet_open(&a->out);
    if (a->dialect->begin)
        a->dialect->begin(a);
}

static void on_progress(void *arg, const struct model_progress *p)
{
    struct answer *a = arg;
    int64_t now = clock_ms();
    char text[96];

    if (!a->order.stream || a->dialect->outlet != OUTLET_SSE || p->waited_ms < ANSWER_QUIET_MS ||
        now - a->comment_ms < ANSWER_COMMENT_MS)
        return;
    a->comment_ms = now;
    outlet_open(&a->out);
    snprintf(text, sizeof text, "%s %llu/%llu %s", p->downloading ? "downloading" : "loading",
             (unsigned long long)p->done, (unsigned long long)p->total,
             p->downloading ? "bytes" : "layers");
    outlet_comment(&a->out, text);
    outlet_flush(&a->out);
}

static void on_ready(void *arg, const struct worker *w, struct api_error *e, int retry_after_s)
{
    struct answer *a = arg;
    struct worker_look look;

    a->wait = NULL;
    if (!w) {
        struct api_error mine = *e;

        *e = (struct api_error){0};
        answer_fail_with(a, &mine, retry_after_s);
        return;
    }
    worker_look(w, &look);
    a->loaded_ms = clock_ms();
    str_copy(a->fingerprint, sizeof a->fingerprint, look.fingerprint);
    if (!a->dialect->instead || !a->dialect->instead(a, w))
        answer_ask_worker(a, w);
}

void answer_find_worker(struct answer *a)
{
    struct model_wait_params params = {.hive = a->hive,
                                       .keep_alive_given = a->order.keep_alive_given,
                                       .keep_alive_ms = a->order.keep_alive_ms,
                                       .ctx_min = a->order.ctx_min,
                                       .patient = a->order.stream,
                                       .arg = a,
                                       .on_progress = on_progress,
                                       .on_ready = on_ready};
    struct model_wait *wait;
    struct model_place place;
    struct api_error e;

    /* Once it has been found, it is the same for good, also when none was named. */
    if (model_find(a->hive, a->model ? a->model : a->order.model, &place, &e)) {
        answer_fail_with(a, &e, 0);
        return;
    }
    if (!a->model) /* before anything is streamed: a failure names it, too */
        a->model = str_dup(a->order.model ? a->order.model : place.ref);
    if (!a->model) {
        model_place_done(&place);
        answer_fail_for_memory(a);
        return;
    }
    wait = model_wait_start(&params, &place);
    if (wait) /* else it has been answered, and `a` may be no more */
        a->wait = wait;
}

/* ---- the beginning ---- */

static struct answer *answer_create(struct hive *h, struct http_exchange *x,
                                    const struct dialect *dialect)
{
    struct answer *a = calloc(1, sizeof *a);
    char uuid[UUID_BYTES];
    size_t n = 0;

    if (!a)
        return NULL;
    a->hive = h;
    a->x = x;
    a->dialect = dialect;
    a->created_s = clock_unix_ms() / 1000;
    a->started_ms = a->loaded_ms = clock_ms();
    outlet_init(&a->out, h->base, x, dialect->outlet);
    a->out.on_room = answer_on_room;
    a->out.arg = a;
    buf_init(&a->head, ANSWER_HEAD_MAX);
    uuid_make(uuid);
    for (const char *p = uuid; *p; p++) /* an id without dashes, as the APIs' own have */
        if (*p != '-')
            uuid[n++] = *p;
    uuid[n] = '\0';
    snprintf(a->id, sizeof a->id, "%s%s", dialect->id_prefix, uuid);
    a->state = dialect->state_bytes ? calloc(1, dialect->state_bytes) : NULL;
    if (order_init(&a->order) == 0 && (a->state || !dialect->state_bytes))
        return a;
    answer_free(a);
    return NULL;
}

/*
 * What it repeats of its request: as text, and in a stream that nobody reads in the first two
 * events and in that of a failure. (Those at a good end count when they are made.)
 */
static bool keep_echo(struct answer *a, struct api_error *e)
{
    size_t n = a->order.n_echo * (a->order.stream ? 4 : 1);

    if (answer_keep(a, n)) {
        http_hold_granted(a->x, n);
        return true;
    }
    reply_say_held(e, n);
    return false;
}

void answer_take(struct hive *h, struct http_exchange *x, const struct dialect *dialect)
{
    struct answer *a = answer_create(h, x, dialect);
    struct api_error e;
    const char *body;
    size_t n;
    int rc;

    if (!a) {
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
        shape_answer(x, dialect->shape, &e, 0);
        return;
    }
    http_on_gone(x, answer_on_gone, a);
    a->running = (struct running){.x = x, .id = a->id, .end = answer_end_early, .arg = a};
    running_enter(h, &a->running);
    body = http_body(x, &n);
    rc = request_read(dialect->request, body, n, &a->order, &e, REPLY_SRC);
    a->n_order = rc ? 0 : n + (size_t)json_tree_bytes(body, n);
    http_drop_body(x);
    if (rc || !answer_hold(a, a->n_order, &e) || !keep_echo(a, &e))
        answer_fail_with(a, &e, 0);
    else if (!dialect->early || !dialect->early(a))
        answer_find_worker(a);
}
