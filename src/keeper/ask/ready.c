/* ready.c - see ready.h. */
#include "keeper/ask/ready.h"

#include <stdio.h>
#include <string.h>

#include "api/addressee.h"
#include "base/str.h"
#include "keeper/ask/fate.h"
#include "keeper/ask/pool_internal.h"
#include "keeper/shell/interrupt.h"

#define ASK_MS     10000 /* one answer of a worker; it answers at once when it is up */
#define PAUSE_MS   100   /* between two looks */
#define LOST_TRIES 20    /* looks at a worker that does not answer and of which nothing is known */
#define SHUT_TRIES                                                                                 \
    2 /* ... at whose port nobody takes a connection, though the hive says that it lives */
#define FAILED_LOOKS  5 /* looks at a failed worker whose error is not told yet */
#define LOAD_STALL_MS 60000

struct loading {
    struct keeper *k;
    const struct pool_worker *worker;
    const char *model_name;
    struct api_error *e;
    int64_t start_ms, until_ms;
    struct progress_rate rate;
    struct api_error lost; /* why the last look found nobody; its details are owned */
    unsigned n_lost;       /* looks that found nobody ... */
    unsigned n_shut;       /* ... because no connection came about in time */
    unsigned n_failed;     /* looks at a failed worker whose error was not told yet */
    bool failed;           /* *e is set by an event */
    bool ready;            /* an event says so */
};

static int64_t left_ms(const struct loading *l)
{
    int64_t left = l->until_ms - client_ms(l->k->client);

    return left > 1 ? left : 1;
}

static void show_bytes(struct loading *l, const json_t *event)
{
    int64_t done = keeper_number(event, "bytes_loaded", 0);
    int64_t total = keeper_number(event, "bytes_total", 0);
    struct progress p = {.verb = "Loading", .name = l->model_name};

    p.done = done > 0 ? (uint64_t)done : 0;
    p.total = total > 0 ? (uint64_t)total : 0;
    if (p.total == 0)
        return; /* the worker has not looked into the file yet */
    p.per_sec = progress_rate_add(&l->rate, client_ms(l->k->client), p.done);
    term_progress(&l->k->term, &p);
}

static bool on_event(void *arg, json_t *event, const char *data, size_t n)
{
    struct loading *l = arg;
    const char *stage = keeper_text(event, "stage", "");

    (void)data;
    (void)n;
    if (str_eq(stage, "error")) {
        keeper_event_error(l->e, event, "worker");
        l->failed = true;
    } else if (str_eq(stage, "ready")) {
        l->ready = true;
    } else {
        show_bytes(l, event);
    }
    return !l->failed && !l->ready;
}

enum look { LOOK_READY, LOOK_LOADING, LOOK_LOST, LOOK_FAILED };

static enum look be_lost(struct loading *l, struct api_error *why)
{
    api_error_done(&l->lost);
    l->lost = *why;
    *why = (struct api_error){0};
    l->n_lost++;
    l->n_shut += l->lost.code == API_CONNECTION_TIMEOUT && !client_last(l->k->client)->connected;
    return LOOK_LOST;
}

/*
 * Watches the progress until it ends. One that breaks off may be the worker's end, and its port
 * another's: the hive is asked before anybody is asked there again.
 */
static enum look watch(struct loading *l)
{
    char url[KEEPER_URL_MAX], named[ADDRESSEE_LINE_MAX];
    struct client_watch w = {.url = url,
                             .header = addressee_line(named, l->worker->id),
                             .timeout_ms = left_ms(l),
                             .head_ms = LOAD_STALL_MS,
                             .stall_ms = LOAD_STALL_MS};
    struct api_error broken = {0};
    enum client_end end;

    snprintf(url, sizeof url, "%.*s/v1/loading/progress", KEEPER_URL_MAX / 2, l->worker->url);
    w.arg = l;
    w.on_event = on_event;
    end = client_watch(l->k->client, &w, &broken);
    if (end == CLIENT_TIMED_OUT && client_ms(l->k->client) >= l->until_ms) {
        api_error_done(&broken); /* our time is over: the worker is not lost */
        return LOOK_LOADING;
    }
    if (end != CLIENT_DONE && end != CLIENT_STOPPED)
        return be_lost(l, &broken);
    return l->failed ? LOOK_FAILED : l->ready ? LOOK_READY : LOOK_LOADING;
}

static enum look look(struct loading *l)
{
    int64_t limit = left_ms(l) < ASK_MS ? left_ms(l) : ASK_MS;
    json_t *answer = NULL;
    bool ready;

    if (pool_ask_ready(l->k, l->worker, limit, &answer, l->e))
        return fate_is_lost(l->e->code) ? be_lost(l, l->e) : LOOK_FAILED;
    l->n_lost = l->n_shut = 0; /* it is there: tries in a row count */
    ready = json_is_true(json_object_get(answer, "ready"));
    json_decref(answer);
    return ready ? LOOK_READY : watch(l);
}

/* What the hive says of a worker that it calls failed. */
static void take_fate(struct loading *l, const json_t *worker)
{
    const json_t *error = json_object_get(worker, "error");

    if (!json_is_object(error)) {
        api_error_set(l->e, API_WORKER_START_FAILED, "keeper",
                      "the worker %s failed while it was loading", l->worker->id);
        return;
    }
    keeper_event_error(l->e, error, "hive");
    if (!l->e->details)
        l->e->details = json_deep_copy(error); /* log_path, log_tail */
}

/* A worker that does not answer: does the hive know why? True with *e set when it is over. */
static bool is_dead(struct loading *l)
{
    json_t *answer = pool_look_up(l->k, l->worker->id, l->e);
    bool failed;

    if (!answer) {
        if (l->e->code == API_NOT_FOUND) {
            api_error_done(l->e);
            api_error_set(l->e, API_WORKER_START_FAILED, "keeper",
                          "the worker %s ended while it was loading, and the hive knows no more of "
                          "it",
                          l->worker->id);
        }
        return true;
    }
    if (str_eq(keeper_text(answer, "state", ""), "draining")) {
        json_decref(answer);
        api_error_set(l->e, API_WORKER_START_FAILED, "keeper",
                      "the worker %s was told to end while it was loading", l->worker->id);
        return true;
    }
    failed = json_object_get(answer, "error") ||
             (str_eq(keeper_text(answer, "state", ""), "failed") && ++l->n_failed == FAILED_LOOKS);
    if (failed)
        take_fate(l, answer);
    json_decref(answer);
    return failed;
}

/* The hive calls it well, and it was not found often enough: no log of the worker's says why. */
static bool is_out_of_reach(struct loading *l)
{
    if (l->n_failed || (l->n_lost < LOST_TRIES && l->n_shut < SHUT_TRIES))
        return false;
    *l->e = l->lost;
    l->lost = (struct api_error){0};
    if (fate_is_lost(l->e->code))
        fate_blame_way(l->worker, l->e);
    return true;
}

/* The hive has a limit of its own ([hive] load_timeout), which may be longer: it says whether it
 * waits still. */
static bool is_waited_for(struct loading *l)
{
    struct api_error e = {0};
    json_t *answer = pool_look_up(l->k, l->worker->id, &e);
    const char *state = keeper_text(answer, "state", "");
    bool loads = str_eq(state, "starting") || str_eq(state, "loading");

    json_decref(answer);
    api_error_done(&e);
    l->until_ms += loads ? POOL_LOAD_MS : 0;
    return loads;
}

static int wait_loop(struct loading *l)
{
    while (client_ms(l->k->client) < l->until_ms || is_waited_for(l)) {
        switch (look(l)) {
        case LOOK_READY:
            return 0;
        case LOOK_FAILED:
            return -1;
        case LOOK_LOADING:
            break;
        case LOOK_LOST:
            if (is_dead(l) || is_out_of_reach(l))
                return -1;
            break;
        }
        if (!interrupt_sleep_ms(PAUSE_MS)) {
            api_error_set(l->e, API_REQUEST_CANCELLED, "keeper", "cancelled while loading");
            return -1;
        }
    }
    api_error_set(l->e, API_LOADING_TIMEOUT, "keeper",
                  "the worker %s has not loaded its model within %lld seconds", l->worker->id,
                  (long long)(l->until_ms - l->start_ms) / 1000);
    return -1;
}

int ready_wait(struct keeper *k, const struct pool_worker *worker, const char *model_name,
               struct api_error *e)
{
    struct loading l = {.k = k, .worker = worker, .model_name = model_name, .e = e};
    int rc;

    l.start_ms = client_ms(k->client);
    l.until_ms = l.start_ms + POOL_LOAD_MS;
    rc = wait_loop(&l);
    if (rc)
        pool_name(worker->id, e);
    api_error_done(&l.lost);
    term_progress_end(&k->term);
    if (rc == 0)
        term_ok(&k->term, "Worker ready (%.2f s)",
                (double)(client_ms(k->client) - l.start_ms) / 1000);
    else if (interrupt_seen())
        term_note(&k->term, "The worker goes on loading, and ends when nobody uses it.");
    return rc;
}
