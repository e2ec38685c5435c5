/*
 * worker_stop.c - how workers are brought to an end: asked over HTTP, then SIGTERM, then SIGKILL.
 *
 * Every worker goes its own way through the steps, so that many end in parallel. The record is
 * given back when the process has ended, never before (worker_end.c).
 */
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/addressee.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/http/reply.h"
#include "hive/process/procfs.h"
#include "hive/workers/workers_internal.h"
#include "net/http_client.h"

#define SHUTDOWN_CALL_MS 3000
#define ANSWER_MAX       4096

static void next_step_in(struct worker *w, int64_t ms)
{
    struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (!w->stop_timer || evtimer_add(w->stop_timer, &when))
        child_signal(&w->child, SIGKILL); /* no memory for patience */
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    if (w->terminated) {
        log_warn("%s did not end within %d s of SIGTERM and is killed", w->id,
                 WORKERS_TERM_MS / 1000);
        child_signal(&w->child, SIGKILL);
        return;
    }
    w->terminated = true;
    child_signal(&w->child, SIGTERM);
    next_step_in(w, WORKERS_TERM_MS);
}

static void on_asked(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    struct worker *w = arg;

    (void)err;
    w->shutdown = NULL;
    if (rc == 0 && response->status / 100 == 2)
        return; /* it drains; the timer sees to the rest */
    if (worker_board_state(w) == BOARD_DRAINING)
        return; /* by somebody else's wish: its port is closed already */
    if (!w->terminated)
        on_step(-1, 0, w);
}

void worker_stop(struct worker *w)
{
    char base_url[WORKER_URL_MAX], url[WORKER_URL_MAX + 32];
    char named[ADDRESSEE_LINE_MAX];
    const char *const headers[] = {addressee_line(named, w->id), NULL};
    struct http_call_params call = {.method = "POST",
                                    .url = url,
                                    .headers = headers,
                                    .bearer = w->owner->params.key[0] ? w->owner->params.key : NULL,
                                    .body_max = ANSWER_MAX,
                                    .connect_timeout_ms = SHUTDOWN_CALL_MS,
                                    .timeout_ms = SHUTDOWN_CALL_MS,
                                    .arg = w,
                                    .on_done = on_asked};

    if (!worker_state_runs(w->state))
        return;
    worker_move(w, WORKER_STOP);
    w->stop_timer = evtimer_new(w->owner->params.base, on_step, w);
    next_step_in(w, WORKERS_DRAIN_MS);
    if (worker_board_state(w) == BOARD_DRAINING)
        return; /* by its own: it does not listen any more */
    snprintf(url, sizeof url, "%s/v1/admin/shutdown", worker_own_url(w, base_url));
    if (http_call_start(w->owner->params.client, &call, &w->shutdown, NULL))
        on_step(-1, 0, w);
}

void worker_kill(struct worker *w, enum api_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    if (w->state == WORKER_CONDEMNED || w->state == WORKER_DEAD)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    api_error_set(&w->error, code, REPLY_SRC, "%s", text);
    worker_move(w, WORKER_CONDEMN);
    child_signal(&w->child, SIGKILL);
}

void worker_kill_stuck(struct worker *w, const char *what, int64_t silent_ms, int64_t limit_ms)
{
    FILE *log = fopen(w->log_path, "ae");

    if (log) {
        fprintf(log, "rbee-hive: no step for %lld ms; the threads:\n", (long long)silent_ms);
        procfs_put_threads(w->child.pid, log);
        fclose(log);
    }
    procfs_signal_threads(w->child.pid, SIGQUIT);
    api_error_set(
        &w->error, API_WORKER_STALLED, REPLY_SRC,
        "the worker for %.200s %s for %.1f s (the limit was %.1f s), so it was ended; where "
        "its threads were is in its log",
        w->model_ref, what, (double)silent_ms / 1000, (double)limit_ms / 1000);
    worker_move(w, WORKER_CONDEMN);
    w->kill_ms = clock_ms() + WORKERS_STACKS_MS;
}

/* One that has no process yet is told off: those who wait get an error. */
static void give_up(struct worker *w)
{
    struct api_error e;
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&w->waiters))) {
        api_error_set(&e, API_REQUEST_CANCELLED, REPLY_SRC,
                      w->owner->closed ? "the hive ends, and the worker was not started"
                                       : "the worker was stopped before it was started");
        TAILQ_REMOVE(&w->waiters, waiter, link);
        waiter->done(waiter->arg, NULL, &e, 0);
        api_error_done(&e);
        free(waiter);
    }
    worker_move(w, WORKER_GIVE_UP);
    worker_free(w);
}

static void stop_any(struct worker *w)
{
    if (w->state == WORKER_PREPARING)
        give_up(w);
    else
        worker_stop(w);
}

int workers_stop(struct workers *ws, const char *id, struct err *err)
{
    struct worker *w = worker_by_id(ws, id);

    if (!w)
        return err_set(err, ERR_NOT_FOUND, "there is no worker '%.80s'", id);
    stop_any(w);
    return 0;
}

void workers_stop_path(struct workers *ws, const char *model_path)
{
    struct worker *w, *next;

    for (w = TAILQ_FIRST(&ws->all); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (str_eq(w->model_path, model_path))
            stop_any(w);
    }
}

static bool is_given_out(const struct worker *w)
{
    struct worker_look look;

    worker_look(w, &look);
    return look.usable || w->state == WORKER_PREPARING;
}

void workers_stop_model(struct workers *ws, const char *model_ref, const char *model_path)
{
    struct worker *w, *next;

    for (w = TAILQ_FIRST(&ws->all); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (is_given_out(w) &&
            (str_eq(w->model_ref, model_ref) || str_eq(w->model_path, model_path)))
            stop_any(w);
    }
}

/* ---- those that do not die ---- */

bool worker_is_stranded(const struct worker *w, int64_t now)
{
    int64_t killed_ms = w->child.killed_ms;

    return worker_is_alive(w) && killed_ms != 0 && now - killed_ms >= WORKERS_KILL_MS;
}

/* Nothing in it answers any more; but the thread that hangs keeps its connections open. */
bool worker_strand(struct worker *w)
{
    char url[WORKER_URL_MAX];
    bool first = !w->stranded;

    if (first) {
        w->stranded = true;
        log_warn("%s (process %ld) was killed and does not end, as when a disk or a filesystem "
                 "does not answer; nobody waits for it any more",
                 w->id, (long)w->child.pid);
    }
    if (w->state == WORKER_DRAINING) {
        api_error_set(&w->error, API_WORKER_STALLED, REPLY_SRC,
                      "the worker for %.200s was told to end and then killed, and its process does "
                      "not end, as when a disk or a filesystem does not answer",
                      w->model_ref);
        worker_move(w, WORKER_CONDEMN);
    }
    http_client_lose(w->owner->params.client, worker_own_url(w, url),
                     "its process was killed, and does not end");
    return first;
}

void workers_check_gone(struct workers *ws)
{
    void (*gone)(void *arg) = ws->gone;
    const struct worker *w;
    int64_t now = clock_ms();

    if (!gone)
        return;
    TAILQ_FOREACH(w, &ws->all, link)
    if (worker_is_alive(w) && !worker_is_stranded(w, now)) /* the hive's end is not its */
        return;
    ws->gone = NULL;
    gone(ws->gone_arg);
}

void workers_stop_all(struct workers *ws, void (*gone)(void *arg), void *arg)
{
    struct worker *w, *next;

    ws->closed = true;
    for (w = TAILQ_FIRST(&ws->all); w; w = next) {
        next = TAILQ_NEXT(w, link);
        stop_any(w);
    }
    ws->gone = gone;
    ws->gone_arg = arg;
    workers_check_gone(ws);
}
