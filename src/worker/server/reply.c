/* reply.c - see reply.h. */
#include "worker/server/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "api/error_log.h"
#include "api/json_whole.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/uuid.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "worker/jobs/job.h"
#include "worker/schedule/scheduler.h"
#include "worker/server/answer.h"
#include "worker/server/server.h"

#define REPLY_TEXT_MAX   (64u << 20) /* bytes of an answer without a stream */
#define REPLY_METRICS_MS 250         /* at most four metrics events a second */
#define REPLY_NAME_MAX   256         /* bytes of a called tool's name */
#define CALL_ID_BYTES    30          /* "call_", 24 letters and digits, NUL */

struct reply {
    struct server *server;
    struct job *job;
    struct reply *next, **link; /* in the server's list */
    struct http_exchange *x;    /* while no stream has begun; NULL once answered or gone */
    char request_id[UUID_BYTES];
    struct sse_stream *sse; /* NULL without a stream, or once the client has gone */
    struct event *deadline; /* NULL without one */
    struct buf text;        /* of an answer without a stream */
    struct buf reasoning;   /* of one */
    struct buf scores;      /* of one, commas between */
    json_t *calls;          /* of one: {"id","name","arguments"} */
    struct buf args;        /* of the last of them, which has none yet */
    bool crowded;           /* what it keeps is too much beside what others do */
    /* The answer, or an event of it, is too long; or there was no memory for it: it ends with an
     * error. */
    bool over, lost;
    uint64_t n_events;    /* events with text sent */
    uint64_t first_count; /* tokens the first text came with */
    int64_t first_ms, metrics_ms;
};

static void stream_gone(void *arg)
{
    struct reply *r = arg;

    r->sse = NULL;
    scheduler_end_early(r->server->scheduler, r->job, JOB_DISCONNECT);
}

static void exchange_gone(struct http_exchange *x, void *arg)
{
    struct reply *r = arg;

    (void)x;
    r->x = NULL;
    scheduler_end_early(r->server->scheduler, r->job, JOB_DISCONNECT);
}

static void deadline_passed(evutil_socket_t fd, short what, void *arg)
{
    struct reply *r = arg;

    (void)fd, (void)what;
    scheduler_end_early(r->server->scheduler, r->job, JOB_TIME_OUT);
}

static int set_deadline(struct reply *r, int64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    r->deadline = evtimer_new(r->server->base, deadline_passed, r);
    return r->deadline ? event_add(r->deadline, &tv) : -1;
}

int reply_create(struct server *s, struct http_exchange *x, struct job *j, struct err *err)
{
    struct reply *r = calloc(1, sizeof *r);

    if (!r)
        return err_no_memory(err, sizeof *r, "an answer");
    r->server = s;
    r->job = j;
    buf_init(&r->text, REPLY_TEXT_MAX);
    buf_init(&r->reasoning, REPLY_TEXT_MAX);
    buf_init(&r->scores, REPLY_TEXT_MAX);
    buf_init(&r->args, REPLY_TEXT_MAX);
    if (j->request.timeout_ms && set_deadline(r, j->request.timeout_ms)) {
        if (r->deadline)
            event_free(r->deadline);
        free(r);
        return err_no_memory(err, 0, "an answer's deadline");
    }
    j->passes = &s->board->passes;
    r->x = x;
    str_copy(r->request_id, sizeof r->request_id, http_request_id(x));
    r->next = s->replies;
    r->link = &s->replies;
    if (r->next)
        r->next->link = &r->next;
    s->replies = r;
    j->reply = r;
    http_on_gone(x, exchange_gone, r);
    return 0;
}

static void reply_free(struct reply *r)
{
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    if (r->deadline)
        event_free(r->deadline);
    buf_done(&r->text);
    buf_done(&r->reasoning);
    buf_done(&r->scores);
    buf_done(&r->args);
    json_decref(r->calls);
    job_free(r->job);
    free(r);
}

static void note_loss(struct reply *r, bool is_over)
{
    r->over |= is_over;
    r->lost |= !is_over;
}

/* Sends what was put into the server's scratch; a client too slow for it will be gone. What is too
 * long for an event, or for the memory there is, is not left out in silence. */
static void send_event(struct reply *r)
{
    struct buf *json = &r->server->json;

    if (r->sse && (buf_failed(json) || sse_send(r->sse, json->data, json->len))) {
        bool gone = sse_is_broken(r->sse);

        if (!gone)
            note_loss(r, buf_is_over(json) || json->len > SSE_EVENT_MAX);
        job_wish_end(r->job, gone ? JOB_DISCONNECT : JOB_DROP);
    }
    buf_clear(json);
}

/* The exchange, to be answered now: nobody tells any more that its client has left. */
static struct http_exchange *take_exchange(struct reply *r)
{
    struct http_exchange *x = r->x;

    http_on_gone(x, NULL, NULL);
    r->x = NULL;
    return x;
}

static void begin_stream(struct reply *r)
{
    r->sse = sse_begin(r->server->base, take_exchange(r), stream_gone, r);
    if (!r->sse) {
        job_wish_end(r->job, JOB_DROP);
        return;
    }
    inference_event_started(&r->server->json, &r->job->request, r->server->o.model_ref,
                            clock_unix_ms());
    send_event(r);
}

static void maybe_send_metrics(struct reply *r, uint64_t tokens_out)
{
    int64_t now = clock_ms();

    if (!r->first_ms) {
        r->first_ms = r->metrics_ms = now;
        r->first_count = tokens_out;
    }
    if (now - r->metrics_ms < REPLY_METRICS_MS)
        return;
    r->metrics_ms = now;
    inference_event_metrics(
        &r->server->json,
        (double)(tokens_out - r->first_count) * 1000 / (double)(now - r->first_ms), 0);
    send_event(r);
}

static void make_call_id(char id[CALL_ID_BYTES])
{
    static const char signs[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint32_t random[CALL_ID_BYTES]; /* large, so that the remainder favours nobody noticeably */
    size_t n = CALL_ID_BYTES - 1;

    random_bytes(random, sizeof random);
    for (size_t i = 0; i < n; i++)
        id[i] = signs[random[i] % (sizeof signs - 1)];
    id[n] = '\0';
    for (size_t i = 0; i < 5; i++)
        id[i] = "call_"[i];
}

/* ---- an answer that is given as a whole ---------------------------------- */

/* The last call has all its arguments. */
static int close_call(struct reply *r)
{
    json_t *call = json_array_get(r->calls, json_array_size(r->calls) - 1);
    int rc = 0;

    if (call)
        rc = json_object_set_new(call, "arguments", json_stringn(buf_str(&r->args), r->args.len));
    buf_clear(&r->args);
    return rc;
}

static int add_call(struct reply *r, const char *name, size_t n)
{
    char id[CALL_ID_BYTES];

    if (close_call(r))
        return -1;
    make_call_id(id);
    if (!r->calls)
        r->calls = json_array();
    return json_array_append_new(
        r->calls, json_pack("{s:s, s:s%, s:s}", "id", id, "name", name, n, "arguments", ""));
}

static int collect_scores(struct reply *r, const char *scores, size_t n)
{
    if (n && r->scores.len)
        buf_putc(&r->scores, ',');
    return buf_put(&r->scores, scores, n);
}

static void collect(struct reply *r, const struct outbox_note *note, const char *text)
{
    int rc = 0;

    switch (note->kind) {
    case NOTE_STARTED:
        break;
    case NOTE_TEXT:
        rc = buf_put(&r->text, text, note->n);
        break;
    case NOTE_REASONING:
        rc = buf_put(&r->reasoning, text, note->n);
        break;
    case NOTE_CALL:
        rc = add_call(r, text, note->n);
        break;
    case NOTE_ARGS:
        rc = buf_put(&r->args, text, note->n);
        break;
    }
    if (rc == 0 && collect_scores(r, text + note->n, note->n_scores) == 0)
        return;
    note_loss(r, buf_is_over(&r->text) || buf_is_over(&r->reasoning) || buf_is_over(&r->scores) ||
                     buf_is_over(&r->args));
    job_wish_end(r->job, JOB_DROP);
}

/* ---- events -------------------------------------------------------------- */

static void put_call(struct reply *r, const struct outbox_note *note, const char *text)
{
    char id[CALL_ID_BYTES], name[REPLY_NAME_MAX + 1];

    make_call_id(id);
    snprintf(name, sizeof name, "%.*s", (int)note->n, text);
    inference_event_tool_call(&r->server->json, note->index, id, name);
}

static void send_note(struct reply *r, const struct outbox_note *note, const char *text)
{
    struct buf *json = &r->server->json;
    const char *scores = text + note->n;

    switch (note->kind) {
    case NOTE_STARTED:
        return;
    case NOTE_TEXT:
        if (note->n_scores)
            inference_event_scored_token(json, text, note->n, r->n_events++, scores,
                                         note->n_scores);
        else
            inference_event_token(json, text, note->n, r->n_events++);
        break;
    case NOTE_REASONING:
        inference_event_reasoning(json, text, note->n, r->n_events++, scores, note->n_scores);
        break;
    case NOTE_CALL:
        put_call(r, note, text);
        break;
    case NOTE_ARGS:
        inference_event_tool_args(json, note->index, text, note->n);
        break;
    }
    send_event(r);
    maybe_send_metrics(r, note->tokens_out);
}

/* Its prompt is tokens now; what is left counts as the request did. */
static void begin_answer(struct reply *r)
{
    struct job *j = r->job;

    if (!r->x)
        return;
    if (j->kind == JOB_INFERENCE && !http_hold(r->x, j->n_kept)) {
        r->crowded = true;
        job_wish_end(j, JOB_DROP);
    } else if (j->request.stream) {
        begin_stream(r);
    }
}

void reply_note(const struct outbox_note *note, const char *text)
{
    struct reply *r = note->job->reply;
    bool stream = note->job->request.stream;

    if (note->kind == NOTE_STARTED) {
        begin_answer(r);
    } else if (!stream) {
        collect(r, note, text);
    } else if (r->sse) {
        send_note(r, note, text);
    }
}

static void end_stream(struct reply *r)
{
    struct job *j = r->job;

    if (j->failed) {
        api_error_log(&j->error, r->request_id);
        inference_event_error(&r->server->json, &j->error);
    } else {
        inference_event_end(&r->server->json, &j->end);
    }
    send_event(r);
    if (r->sse)
        sse_end(r->sse);
    r->sse = NULL;
}

/* What only some answers have. */
static void put_extras(struct reply *r, struct buf *body)
{
    char *calls = NULL;

    if (r->calls && close_call(r) == 0)
        calls = json_write(r->calls, JSON_COMPACT);
    if (r->calls && !calls)
        buf_lose(body);
    if (r->reasoning.len) {
        buf_puts(body, ",\"reasoning\":");
        json_put_string(body, buf_str(&r->reasoning), r->reasoning.len);
    }
    if (calls)
        buf_printf(body, ",\"tool_calls\":%s", calls);
    if (r->job->request.logprobs)
        buf_printf(body, ",\"logprobs\":[%s]", buf_str(&r->scores));
    free(calls);
}

/* {"job_id","model","text","seed", and the end event's fields} */
static void answer_whole(struct reply *r)
{
    const struct inference_request *q = &r->job->request;
    const char *model = r->server->o.model_ref;
    struct buf body;

    buf_init(&body, 8 * (size_t)REPLY_TEXT_MAX);
    buf_puts(&body, "{\"job_id\":");
    json_put_string(&body, q->job_id, strlen(q->job_id));
    buf_puts(&body, ",\"model\":");
    json_put_string(&body, model, strlen(model));
    buf_puts(&body, ",\"text\":");
    json_put_string(&body, buf_str(&r->text), r->text.len);
    put_extras(r, &body);
    buf_printf(&body, ",\"seed\":%llu,", (unsigned long long)q->seed);
    r->job->end.tool_calls = 0; /* they are there themselves */
    inference_end_fields(&body, &r->job->end);
    buf_putc(&body, '}');
    answer_text(take_exchange(r), 200, buf_take(&body));
}

static char *take_answer(struct job *j)
{
    char *answer = j->answer;

    j->answer = NULL;
    return answer;
}

/* Of a job for which there was no place: after how many seconds there may be one. */
static void say_when(const struct server *s, struct job *j)
{
    if (j->failed && (j->error.code == API_QUEUE_TIMEOUT || j->error.code == API_ALL_SLOTS_BUSY))
        server_set_retry_after(s, &j->error);
}

void reply_end(struct job *j)
{
    struct reply *r = j->reply;

    if (r->crowded)
        job_fail(j, API_ALL_SLOTS_BUSY,
                 "The requests that wait here hold nearly all the memory they may have together; "
                 "what this one's answer is to be like takes %zu bytes more.",
                 j->n_kept);
    else if (r->over && r->sse)
        job_fail(j, API_INTERNAL, "An event of the answer has over %u bytes and cannot be sent.",
                 SSE_EVENT_MAX);
    else if (r->over)
        job_fail(j, API_INVALID_REQUEST, "The answer has over %u bytes: ask for it as a stream.",
                 REPLY_TEXT_MAX);
    else if (r->lost)
        job_fail(j, API_INTERNAL, "There was no memory left for the answer's text.");
    else if (j->kind != JOB_INFERENCE && !j->answer && !j->failed)
        job_fail(j, API_REQUEST_CANCELLED, "It was cancelled before it was answered.");
    say_when(r->server, j);
    if (r->x && j->failed)
        answer_error(take_exchange(r), &j->error);
    else if (r->x && j->answer)
        answer_text(take_exchange(r), 200, take_answer(j));
    else if (r->x && !j->request.stream)
        answer_whole(r);
    else if (r->x)
        begin_stream(r);
    if (r->sse)
        end_stream(r);
    reply_free(r);
}

struct job *reply_find_job(const struct server *s, const char *job_id)
{
    for (const struct reply *r = s->replies; r; r = r->next)
        if (str_eq(r->job->request.job_id, job_id))
            return r->job;
    return NULL;
}

void reply_shut_down_all(struct server *s)
{
    for (const struct reply *r = s->replies; r; r = r->next)
        scheduler_end_early(r->server->scheduler, r->job, JOB_SHUT_DOWN);
}
