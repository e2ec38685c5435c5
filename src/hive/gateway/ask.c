/* ask.c - see ask.h. */
#include "hive/gateway/ask.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/addressee.h"
#include "base/str.h"
#include "hive/gateway/inquest.h"
#include "hive/http/reply.h"
#include "hive/workers/workers.h"
#include "net/http_client.h"
#include "net/sse.h"

#define ASK_SCRATCH_MAX  (2u << 20)
#define ASK_SCRATCH_KEPT (16u << 10) /* of that, between events */

struct ask {
    struct ask_params p;
    struct http_call *call;
    struct sse_reader *reader;
    struct event *pause; /* runs behind the read that activates it */
    struct buf scratch;  /* a text written anew */
    struct buf refusal;  /* an answer that is no stream */
    char *worker_id;     /* owned */
    uint64_t n_pieces;   /* events of text, thoughts and calls so far: a token each, but for those
                            that show none */
    bool held;           /* nothing is to be read */
    bool was_held;       /* ever */
    bool begun;          /* an event came */
    bool ended;          /* by an event */
    bool failed;         /* by an event, or by one that could not be read */
    struct event_end end;
    struct api_error *error; /* owned: of `failed`; NULL = none, or no memory for it */
    struct inquest *inquest; /* the connection broke: is the worker gone? */
    bool visits;             /* the workers were told */
};

static void ask_free(struct ask *a)
{
    inquest_cancel(a->inquest);
    if (a->visits)
        workers_leave(a->p.workers, a->worker_id);
    sse_reader_free(a->reader);
    if (a->pause)
        event_free(a->pause);
    buf_done(&a->scratch);
    buf_done(&a->refusal);
    free(a->worker_id);
    free(a->end.stop_sequence);
    api_error_done(a->error);
    free(a->error);
    free(a);
}

void ask_cancel(struct ask *a)
{
    if (!a)
        return;
    http_call_cancel(a->call);
    ask_free(a);
}

size_t ask_held(const struct ask *a)
{
    return a ? sse_reader_held(a->reader) : 0;
}

void ask_hold(struct ask *a)
{
    if (a)
        a->held = a->was_held = true;
}

void ask_go_on(struct ask *a)
{
    if (!a || !a->held)
        return;
    a->held = false;
    if (a->call)
        http_call_resume(a->call);
}

/* ---- what comes ---- */

/* Takes over what *e holds. Most asks never need the room of an error. */
static void fail_with(struct ask *a, struct api_error *e)
{
    a->failed = true;
    a->error = malloc(sizeof *a->error);
    if (!a->error)
        return;
    *a->error = *e;
    *e = (struct api_error){0};
}

static void fail(struct ask *a, const char *what, const char *why)
{
    struct api_error e;

    api_error_set(&e, API_INTERNAL, REPLY_SRC, "%s%s", what, why);
    fail_with(a, &e);
}

/* One that had no time left for its answers says so; that it is told to end only the hive knows. */
static void retell_end(const struct ask *a, struct api_error *e)
{
    char why[ERR_TEXT_MAX];
    enum api_code code;

    if (e->code != API_WORKER_CRASHED || !workers_is_over(a->p.workers, a->worker_id) ||
        workers_failure(a->p.workers, a->worker_id, &code, why))
        return;
    api_error_done(e);
    api_error_set(e, API_REQUEST_CANCELLED, REPLY_SRC,
                  "the worker was asked to end, and had no more time for this answer; %llu tokens "
                  "had come",
                  (unsigned long long)a->n_pieces);
    e->details =
        json_pack("{s:I, s:s}", "tokens_out", (json_int_t)a->n_pieces, "worker_id", a->worker_id);
}

static bool on_data(void *arg, const char *data, size_t n)
{
    struct ask *a = arg;
    struct event e;

    if (n == 6 && memcmp(data, "[DONE]", 6) == 0)
        return true;
    a->begun = true;
    if (event_read(data, n, &a->scratch, &e)) {
        fail(a, "the worker sent what is no event", "");
    } else if (e.kind == EVENT_END) {
        free(a->end.stop_sequence);
        a->end = e.end;
        e.end.stop_sequence = NULL;
        a->ended = true;
    } else if (e.kind == EVENT_ERROR) {
        retell_end(a, &e.error);
        fail_with(a, &e.error);
    } else if (e.kind != EVENT_OTHER) {
        a->n_pieces += e.kind != EVENT_STARTED;
        a->p.on_event(a->p.arg, &e);
    }
    event_done(&e);
    buf_clear_to(&a->scratch, ASK_SCRATCH_KEPT);
    return !a->failed;
}

static void on_comment(void *arg, const char *text)
{
    struct ask *a = arg;

    (void)text;
    a->p.on_comment(a->p.arg);
}

/* The end of all that ended neither by an event nor by a refusal; the ask is no more. */
static void tell_failure(struct ask *a, enum ask_left left)
{
    struct api_error no_memory;

    api_error_set(&no_memory, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    a->p.on_end(a->p.arg, NULL, a->error ? a->error : &no_memory, left);
    ask_free(a);
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
    struct ask *a = arg;

    (void)fd, (void)what;
    if (!a->failed) {
        a->p.on_pause(a->p.arg);
        return;
    }
    http_call_cancel(
        a->call); /* what else its worker would say, and when it ends, is nothing to it */
    tell_failure(a, ASK_BEGUN);
}

/* A body comes chunk by chunk, and a worker's chunk is an event: of several that lie in one read
 * the client gets one write. */
static bool on_body(void *arg, int status, const char *bytes, size_t n)
{
    struct ask *a = arg;
    struct err err;

    if (a->held)
        return false;
    if (status != 200) {
        if (n <= ASK_ERROR_MAX - a->refusal.len)
            buf_put(&a->refusal, bytes, n);
        return true;
    }
    if (sse_reader_put(a->reader, bytes, n, &err) && !a->failed)
        fail(a, "the worker's events: ", err.text);
    event_active(a->pause, EV_TIMEOUT, 1);
    return true;
}

/* ---- the end ---- */

/* An answer was due, and none came or only a part of it. What is said here holds for a worker that
 * is still there; else the inquest knows better. */
static void explain_break(const struct ask *a, int rc, const struct err *err, struct api_error *e)
{
    if (rc == ERR_BUSY || (rc == ERR_NO_MEMORY && !a->begun))
        api_error_set(e, API_ALL_SLOTS_BUSY, REPLY_SRC, "the hive cannot ask the worker: %s",
                      err->text);
    else if (rc == ERR_NO_MEMORY)
        api_error_set(e, API_INTERNAL, REPLY_SRC,
                      "the hive has no memory for the rest of the answer; %llu tokens had come",
                      (unsigned long long)a->n_pieces);
    else if (rc == ERR_UNREACHABLE && !a->begun)
        api_error_set(e, API_WORKER_CRASHED, REPLY_SRC, "the worker is gone: %s", err->text);
    else if (inquest_unasked(rc))
        api_error_set(e, API_WORKER_CRASHED, REPLY_SRC, "the worker does not answer: %s",
                      err->text);
    else
        api_error_set(e, API_WORKER_CRASHED, REPLY_SRC,
                      "the worker broke off in the middle of its answer%s%.800s%s; %llu tokens had "
                      "come",
                      rc ? ": " : "", rc ? err->text : "",
                      a->was_held ? " (its client read slower than it came, and past a limit the "
                                    "worker keeps no more)"
                                  : "",
                      (unsigned long long)a->n_pieces);
    e->details =
        json_pack("{s:I, s:s}", "tokens_out", (json_int_t)a->n_pieces, "worker_id", a->worker_id);
}

static void on_finding(void *arg, const struct inquest_finding *f)
{
    struct ask *a = arg;

    a->inquest = NULL;
    if (f->over && a->error) {
        json_t *details = a->error->details;

        if (a->begun)
            api_error_set(a->error, f->code, REPLY_SRC, "%.900s; %llu tokens had come", f->why,
                          (unsigned long long)a->n_pieces);
        else
            api_error_set(a->error, f->code, REPLY_SRC, "%.900s before it had begun to answer",
                          f->why);
        a->error->details = details;
    }
    tell_failure(a, a->begun ? ASK_BEGUN : ASK_UNANSWERED);
}

/* Neither an end nor an error event came. */
static void on_broken(struct ask *a, int rc, const struct http_response *r, const struct err *err)
{
    enum ask_left left = ASK_BEGUN;
    struct api_error e;

    if (rc == 0 && r->status != 200) {
        api_error_parse(&e, r->status, buf_str(&a->refusal), a->refusal.len);
        left = addressee_is_gone(&e) ? ASK_UNTOUCHED : ASK_BEGUN;
    } else {
        explain_break(a, rc, err, &e);
    }
    fail_with(a, &e);
    api_error_done(&e);
    if (inquest_is_due(rc))
        a->inquest = inquest_start(a->p.base, a->p.workers, a->worker_id, on_finding, a);
    if (!a->inquest)
        tell_failure(a, left);
}

static void on_done(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    struct ask *a = arg;

    a->call = NULL;
    if (a->failed) {
        tell_failure(a, ASK_BEGUN);
    } else if (!a->ended) {
        on_broken(a, rc, response, err);
    } else {
        a->p.on_end(a->p.arg, &a->end, NULL, ASK_BEGUN);
        ask_free(a);
    }
}

int ask_start(const struct ask_params *params, struct ask **out, struct api_error *e)
{
    char url[512], named[ADDRESSEE_LINE_MAX], request[ADDRESSEE_LINE_MAX];
    const char *const headers[] = {"Content-Type: application/json",
                                   addressee_line(named, params->worker_id),
                                   addressee_request_line(request, params->request_id), NULL};
    struct ask *a = calloc(1, sizeof *a);
    struct http_call_params call = {.method = "POST",
                                    .url = url,
                                    .headers = headers,
                                    .bearer = params->key[0] ? params->key : NULL,
                                    .body = params->body,
                                    .body_bytes = params->n_body,
                                    .arg = a,
                                    .on_body = on_body,
                                    .on_done = on_done};
    struct err err = {.text = "out of memory"};

    if (a) {
        a->p = *params;
        a->worker_id = str_dup(params->worker_id);
        buf_init(&a->scratch, ASK_SCRATCH_MAX);
        buf_init(&a->refusal, ASK_ERROR_MAX);
        a->reader = sse_reader_create(on_data, on_comment, a);
        snprintf(url, sizeof url, "%s/v1/inference", params->url);
        a->pause = evtimer_new(params->base, on_pause, a);
        if (a->reader && a->pause && a->worker_id &&
            http_call_start(params->client, &call, &a->call, &err) == 0) {
            a->visits = true;
            workers_visit(a->p.workers, a->worker_id);
            *out = a;
            return 0;
        }
        ask_free(a);
    }
    api_error_set(e, API_INTERNAL, REPLY_SRC, "the worker cannot be asked: %s", err.text);
    return -1;
}
