/*
 * generate.c - see generate.h.
 *
 * The job's id is the keeper's own, so that it can be cancelled before the first event. What ends a
 * stream, in order of weight: Ctrl+C, a stdout that nobody reads, the worker's own end or error
 * event, a stream that breaks off.
 */
#include "keeper/ask/generate.h"
#include "keeper/shell/count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/addressee.h"
#include "base/str.h"
#include "keeper/ask/fate.h"
#include "keeper/shell/interrupt.h"

#define TOKEN_TEXT_MAX (1u << 20)

struct generating {
    struct keeper *k;
    const struct pool_worker *worker;
    const char *cancel_url;
    const char *named; /* the header that says which worker is meant */
    struct api_error *e;
    struct generate *how;
    uint64_t n_tokens;    /* events with text */
    int64_t start_ms;     /* of client_ms, as the others */
    int64_t cancelled_ms; /* when Ctrl+C was passed on, 0 = not */
    int64_t asked_ms;     /* when the worker was asked, or later whether it has work */
    unsigned n_lost;      /* looks in a row that did not reach the hive */
    bool patient;         /* it was said that we wait */
    bool heard;           /* an event came: a slot is ours */
    bool idle;            /* without a word, the worker has no work: it is not ours it is at */
    bool closed;          /* stdout takes no more */
    bool ended, failed;   /* by an event */
};

int64_t generate_busy_ms(unsigned i)
{
    return INT64_C(1000) << i;
}

static void take_text(struct generating *g, const json_t *event, bool thought)
{
    const json_t *text = json_object_get(event, "t");

    if (g->n_tokens++ == 0)
        g->how->figures.first_ms = client_ms(g->k->client) - g->start_ms;
    if (!g->how->json && !g->cancelled_ms && !interrupt_seen() && json_is_string(text)) {
        if (thought)
            answer_thought(g->how->answer, json_string_value(text), json_string_length(text));
        else
            answer_content(g->how->answer, json_string_value(text), json_string_length(text));
    }
    if (g->n_tokens == 1)
        timings_phase(&g->k->timings, "first token");
}

/* One line: an event that came as several data lines has line feeds between its parts. */
static void print_event(struct generating *g, const char *data, size_t n)
{
    struct buf line;

    buf_init(&line, TOKEN_TEXT_MAX + 1);
    buf_put(&line, data, n);
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '\n')
            line.data[i] = ' ';
    buf_putc(&line, '\n');
    out_put(&g->k->out, buf_str(&line), line.len);
    buf_done(&line);
}

static bool on_event(void *arg, json_t *event, const char *data, size_t n)
{
    struct generating *g = arg;
    const char *type = keeper_text(event, "type", "");

    g->heard = true;
    if (g->how->json)
        print_event(g, data, n);
    if (str_eq(type, "token") || str_eq(type, "reasoning")) {
        take_text(g, event, type[0] == 'r');
    } else if (str_eq(type, "end")) {
        g->ended = true;
        figures_read(&g->how->figures, event, g->n_tokens);
    } else if (str_eq(type, "error") && !g->failed) {
        keeper_event_error(g->e, event, "worker");
        g->failed = true;
    }
    g->closed = g->k->out.closed || g->k->out.error_errno;
    return !g->closed && !g->failed;
}

/* A job may wait for a slot, or its prompt take long; neither should look like a dead worker. */
static void say_waiting(struct generating *g)
{
    if (g->n_tokens || g->patient || client_ms(g->k->client) - g->start_ms < GENERATE_PATIENT_MS)
        return;
    g->patient = true;
    if (client_last(g->k->client)->connected)
        term_note(&g->k->term, "No token yet: the worker is busy, or the prompt is long.");
    else
        term_note(&g->k->term, "No token yet: %s is being connected to.", g->worker->url);
}

/*
 * Before there is a slot a worker says nothing, and how long that may be is for its hive to say
 * (queue_timeout). So no limit is put on that wait, but every now and then the hive is asked
 * whether the worker has any work at all: one without would be silent for ever. So would one to
 * which no cable leads any more: then the hive is not reached, either.
 */
static bool waits_in_vain(struct generating *g)
{
    enum pool_work work;

    if (g->heard || client_ms(g->k->client) - g->asked_ms < GENERATE_STALL_MS)
        return false;
    work = pool_ask_work(g->k, g->worker->id);
    g->idle = work == POOL_NO_WORK;
    g->n_lost = work == POOL_NOT_REACHED ? g->n_lost + 1 : 0;
    g->asked_ms = client_ms(g->k->client);
    return (g->idle || g->n_lost >= GENERATE_LOST_LOOKS) && !g->heard && !interrupt_seen();
}

/* Passes Ctrl+C on to the worker once, then waits for its last word, but not for ever. */
static bool on_tick(void *arg)
{
    struct generating *g = arg;

    if (!interrupt_seen()) {
        say_waiting(g);
        return !waits_in_vain(g);
    }
    if (g->cancelled_ms == 0) {
        g->cancelled_ms = client_ms(g->k->client);
        client_send(g->k->client, "DELETE", g->cancel_url, g->named);
    }
    return !interrupt_repeated() && client_ms(g->k->client) - g->cancelled_ms < GENERATE_CANCEL_MS;
}

/* Tells the worker to stop, though we have stopped listening already. */
static void cancel_job(struct generating *g)
{
    const struct client_ask ask = {.method = "DELETE",
                                   .url = g->cancel_url,
                                   .header = g->named,
                                   .timeout_ms = GENERATE_CANCEL_MS,
                                   .after_interrupt = true};
    struct api_error ignored;

    if (client_json(g->k->client, &ask, NULL, &ignored))
        api_error_done(&ignored);
}

/* The stream broke off: says after how much, and what the hive knows of the worker. */
static void explain_break(struct generating *g, const struct pool_worker *worker,
                          enum client_end end)
{
    char why[ERR_TEXT_MAX];

    str_copy(why, sizeof why, g->e->message);
    api_error_done(g->e);
    api_error_set(g->e, end == CLIENT_TIMED_OUT ? API_WORKER_STALLED : API_WORKER_CRASHED, "keeper",
                  "the worker %s %s after %llu token%s", worker->id,
                  end == CLIENT_TIMED_OUT ? "fell silent" : "broke off",
                  (unsigned long long)g->n_tokens, count_plural(g->n_tokens));
    pool_explain(g->k, worker->id, why, g->e);
}

/* An error event after some tokens: they are kept, and counted. */
static void count_tokens(struct generating *g)
{
    size_t len = strlen(g->e->message);

    if (g->n_tokens)
        snprintf(g->e->message + len, sizeof g->e->message - len, " (%llu token%s had come)",
                 (unsigned long long)g->n_tokens, count_plural(g->n_tokens));
}

/* An end that is not the model's: half a text is no answer. True with *e. */
static bool was_cut(struct generating *g)
{
    const char *reason = g->how->figures.reason;

    if (str_eq(reason, "CANCELLED"))
        api_error_set(g->e, API_REQUEST_CANCELLED, "worker",
                      "somebody else has cancelled the answer");
    else if (str_eq(reason, "ERROR"))
        api_error_set(g->e, API_INTERNAL, "worker",
                      "the answer ended in an error that was not told");
    else
        return false;
    count_tokens(g);
    return true;
}

static void say_in_vain(struct generating *g, const struct pool_worker *worker)
{
    if (g->idle) {
        api_error_set(g->e, API_WORKER_STALLED, "keeper",
                      "it said nothing for %d s, and its hive knows of no work that it has",
                      GENERATE_STALL_MS / 1000);
        explain_break(g, worker, CLIENT_TIMED_OUT);
        return;
    }
    api_error_set(g->e, API_CONNECTION_TIMEOUT, "keeper",
                  "the worker %s said nothing for %lld s, and the hive at %.200s does not answer",
                  worker->id, (long long)(client_ms(g->k->client) - g->start_ms) / 1000,
                  g->k->node.url);
}

static enum generate_end judge(struct generating *g, const struct pool_worker *worker,
                               enum client_end end)
{
    bool has_error = g->failed || (end != CLIENT_DONE && end != CLIENT_STOPPED);

    if ((interrupt_seen() || g->closed) && !g->ended) {
        if (has_error)
            api_error_done(g->e);
        /* Else it was told and had its time, or has never heard of the job. */
        if (!interrupt_repeated() && g->cancelled_ms == 0 && end != CLIENT_UNREACHABLE)
            cancel_job(g);
    }
    if (interrupt_seen())
        return GENERATE_CANCELLED;
    if (g->closed)
        return GENERATE_CLOSED;
    if (g->ended && !g->failed) {
        if (has_error)
            api_error_done(g->e);
        return was_cut(g) ? GENERATE_FAILED : GENERATE_DONE;
    }
    if (g->failed) {
        count_tokens(g);
        return GENERATE_FAILED;
    }
    if (end == CLIENT_STOPPED) { /* by waits_in_vain */
        say_in_vain(g, worker);
        return GENERATE_FAILED;
    }
    if (end == CLIENT_UNREACHABLE) /* else another worker would do no better: a certificate, say */
        return fate_is_lost(g->e->code) ? GENERATE_GONE : GENERATE_FAILED;
    if (end == CLIENT_REFUSED)
        return addressee_is_gone(g->e) ? GENERATE_GONE : GENERATE_FAILED;
    if (end == CLIENT_DONE)
        api_error_set(g->e, API_INTERNAL, "keeper", "the stream was closed without an end event");
    explain_break(g, worker, end);
    return GENERATE_FAILED;
}

enum generate_end generate_run(struct keeper *k, const struct pool_worker *worker,
                               const struct inference_request *request, struct generate *how,
                               struct api_error *e)
{
    char url[KEEPER_URL_MAX], cancel_url[KEEPER_URL_MAX], named[ADDRESSEE_LINE_MAX];
    struct generating g = {.k = k, .worker = worker, .e = e, .how = how};
    struct client_watch w = {.method = "POST",
                             .url = url,
                             .connect_timeout_ms = POOL_REACH_MS,
                             .stall_ms = GENERATE_STALL_MS};
    char *body = inference_request_text(request);
    enum client_end end;

    how->figures = (struct figures){0};
    if (!body) {
        api_error_set(e, API_INTERNAL, "keeper", "the request could not be put into JSON");
        return GENERATE_FAILED;
    }
    snprintf(url, sizeof url, "%.*s/v1/inference", KEEPER_URL_MAX / 2, worker->url);
    snprintf(cancel_url, sizeof cancel_url, "%.*s/v1/inference/%s", KEEPER_URL_MAX / 2, worker->url,
             request->job_id);
    g.cancel_url = cancel_url;
    g.named = w.header = addressee_line(named, worker->id);
    g.start_ms = g.asked_ms = client_ms(k->client);
    w.body = body;
    w.timeout_ms = request->timeout_ms ? request->timeout_ms + GENERATE_GRACE_MS : 0;
    w.arg = &g;
    w.on_event = on_event;
    w.on_tick = on_tick;
    end = client_watch(k->client, &w, e);
    free(body);
    return judge(&g, worker, end);
}
