/*
 * generate.c - see generate.h.
 *
 * The job's id is the keeper's own, so that it can be cancelled before the first event. What ends a
 * stream, in order of weight: Ctrl+C, a stdout that nobody reads, the worker's own end or error
 * event, a stream that breaks off.
 */
#include "keeper/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "keeper/interrupt.h"

#define TOKEN_TEXT_MAX (1u << 20)

struct generating {
    struct keeper *k;
    const char *cancel_url;
    struct api_error *e;
    bool json;
    uint64_t n_tokens; /* token events */
    int64_t start_ms, first_ms;
    int64_t cancelled_ms; /* when Ctrl+C was passed on, 0 = not */
    bool patient;         /* it was said that we wait */
    bool closed;          /* stdout takes no more */
    bool ended, failed;   /* by an event */
    int64_t tokens_out, decode_ms, queue_ms;
    char reason[32];
    bool context_full;
};

int64_t generate_busy_ms(unsigned i)
{
    return INT64_C(1000) << i;
}

static void take_token(struct generating *g, const json_t *event)
{
    const json_t *text = json_object_get(event, "t");

    if (g->n_tokens++ == 0)
        g->first_ms = clock_ms() - g->start_ms;
    if (!g->json && !g->cancelled_ms && !interrupt_seen() && json_is_string(text))
        out_put(&g->k->out, json_string_value(text), json_string_length(text));
    if (g->n_tokens == 1)
        timings_phase(&g->k->timings, "first token");
}

static void take_end(struct generating *g, const json_t *event)
{
    g->ended = true;
    g->tokens_out = keeper_number(event, "tokens_out", (int64_t)g->n_tokens);
    g->decode_ms = keeper_number(event, "decode_time_ms", 0);
    g->queue_ms = keeper_number(event, "queue_time_ms", 0);
    g->context_full = json_is_true(json_object_get(event, "context_full"));
    str_copy(g->reason, sizeof g->reason, keeper_text(event, "stop_reason", ""));
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

    if (g->json)
        print_event(g, data, n);
    if (str_eq(type, "token")) {
        take_token(g, event);
    } else if (str_eq(type, "end")) {
        take_end(g, event);
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
    if (g->n_tokens || g->patient || clock_ms() - g->start_ms < GENERATE_PATIENT_MS)
        return;
    g->patient = true;
    term_note(&g->k->term, "No token yet: the worker is busy, or the prompt is long.");
}

/* Passes Ctrl+C on to the worker once, then waits for its last word, but not for ever. */
static bool on_tick(void *arg)
{
    struct generating *g = arg;

    if (!interrupt_seen()) {
        say_waiting(g);
        return true;
    }
    if (g->cancelled_ms == 0) {
        g->cancelled_ms = clock_ms();
        client_send(g->k->client, "DELETE", g->cancel_url);
    }
    return clock_ms() - g->cancelled_ms < GENERATE_CANCEL_MS;
}

/* Tells the worker to stop, though we have stopped listening already. */
static void cancel_job(struct generating *g)
{
    const struct client_ask ask = {.method = "DELETE",
                                   .url = g->cancel_url,
                                   .timeout_ms = GENERATE_CANCEL_MS,
                                   .after_interrupt = true};
    struct api_error ignored;

    if (client_json(g->k->client, &ask, NULL, &ignored))
        api_error_done(&ignored);
}

static const char *reason_words(const struct generating *g)
{
    static const char *const words[][2] = {{"MAX_TOKENS", "the limit was reached"},
                                           {"EOS", "the model ended its text"},
                                           {"STOP_SEQUENCE", "a stop sequence came"},
                                           {"CANCELLED", "cancelled"}};

    if (g->context_full)
        return "the context is full";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (str_eq(words[i][0], g->reason))
            return words[i][1];
    return g->reason[0] ? g->reason : "ended";
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* "20 tokens, 42.5 tok/s, first token after 31 ms (the limit was reached)" */
static void summarise(struct generating *g)
{
    char rate[48] = "", wait[64] = "";

    out_end_line(&g->k->out);
    if (g->tokens_out == 0) {
        term_note(&g->k->term, "0 tokens (%s)", reason_words(g));
        return;
    }
    if (g->decode_ms > 0)
        snprintf(rate, sizeof rate, ", %.1f tok/s",
                 (double)g->tokens_out * 1000 / (double)g->decode_ms);
    if (g->queue_ms >= GENERATE_PATIENT_MS)
        snprintf(wait, sizeof wait, ", %.1f s of them waiting for a slot",
                 (double)g->queue_ms / 1000);
    term_note(&g->k->term, "%lld token%s%s, first token after %lld ms%s (%s)",
              (long long)g->tokens_out, plural((uint64_t)g->tokens_out), rate,
              (long long)g->first_ms, wait, reason_words(g));
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
                  (unsigned long long)g->n_tokens, plural(g->n_tokens));
    pool_explain(g->k, worker->id, why, g->e);
}

/* An error event after some tokens: they are kept, and counted. */
static void count_tokens(struct generating *g)
{
    size_t len = strlen(g->e->message);

    if (g->n_tokens)
        snprintf(g->e->message + len, sizeof g->e->message - len, " (%llu token%s had come)",
                 (unsigned long long)g->n_tokens, plural(g->n_tokens));
}

/* A worker on its way out refuses as a full one does, and says so. */
static bool is_draining(const struct api_error *e)
{
    const json_t *draining = json_object_get(e->details, "draining");

    return json_is_true(draining) || json_integer_value(draining) != 0;
}

static enum generate_end judge(struct generating *g, const struct pool_worker *worker,
                               enum client_end end)
{
    bool has_error = g->failed || (end != CLIENT_DONE && end != CLIENT_STOPPED);

    if ((interrupt_seen() || g->closed) && !g->ended) {
        if (has_error)
            api_error_done(g->e);
        cancel_job(g);
    }
    if (interrupt_seen())
        return GENERATE_CANCELLED;
    if (g->closed)
        return GENERATE_CLOSED;
    if (g->ended && !g->failed) {
        if (has_error)
            api_error_done(g->e);
        summarise(g);
        return GENERATE_DONE;
    }
    if (g->failed) {
        count_tokens(g);
        return GENERATE_FAILED;
    }
    if (end == CLIENT_UNREACHABLE || (end == CLIENT_REFUSED && is_draining(g->e)))
        return GENERATE_GONE;
    if (end == CLIENT_REFUSED)
        return GENERATE_FAILED;
    if (end == CLIENT_DONE)
        api_error_set(g->e, API_INTERNAL, "keeper", "the stream was closed without an end event");
    explain_break(g, worker, end);
    return GENERATE_FAILED;
}

enum generate_end generate_run(struct keeper *k, const struct pool_worker *worker,
                               const struct inference_request *request, bool json,
                               struct api_error *e)
{
    char url[KEEPER_URL_MAX], cancel_url[KEEPER_URL_MAX];
    struct generating g = {.k = k, .e = e, .json = json};
    struct client_watch w = {.method = "POST", .url = url, .stall_ms = GENERATE_STALL_MS};
    char *body = inference_request_text(request);
    enum client_end end;

    if (!body) {
        api_error_set(e, API_INTERNAL, "keeper", "the request could not be put into JSON");
        return GENERATE_FAILED;
    }
    snprintf(url, sizeof url, "%.*s/v1/inference", KEEPER_URL_MAX / 2, worker->url);
    snprintf(cancel_url, sizeof cancel_url, "%.*s/v1/inference/%s", KEEPER_URL_MAX / 2, worker->url,
             request->job_id);
    g.cancel_url = cancel_url;
    g.start_ms = clock_ms();
    w.body = body;
    w.timeout_ms = request->timeout_ms ? request->timeout_ms + GENERATE_GRACE_MS : 0;
    w.arg = &g;
    w.on_event = on_event;
    w.on_tick = on_tick;
    end = client_watch(k->client, &w, e);
    free(body);
    return judge(&g, worker, end);
}
