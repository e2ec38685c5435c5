/*
 * model_wait.c - waits until a model is here and a worker has loaded it; see model.h.
 *
 * Three steps, each left out when there is nothing to do: the download, the worker's start, its
 * loading. All are watched by a timer: what it looks at is memory. The start tells its end by
 * itself, but may take long, too: while the file is looked into, or others end to make room.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/gateway/model.h"
#include "hive/http/reply.h"
#include "hive/machine/detect.h"
#include "hive/models/models.h"

struct model_wait {
    struct model_wait_params p;
    struct model_place place;
    struct event *timer;
    int64_t started_ms;
    int64_t due_ms;                      /* the next look */
    char download_id[DOWNLOAD_ID_BYTES]; /* "" = nothing is fetched */
    char *worker_id;                     /* owned; NULL = not launched yet */
    bool starting;                       /* within model_wait_start */
    bool launching;                      /* workers_launch has not answered */
    bool answered;                       /* while starting: to be freed at its end */
};

static void wait_free(struct model_wait *w)
{
    if (w->timer)
        event_free(w->timer);
    model_place_done(&w->place);
    free(w->worker_id);
    free(w);
}

void model_wait_cancel(struct model_wait *w)
{
    if (!w)
        return;
    if (w->launching)
        workers_forget(w->p.hive->workers, w);
    wait_free(w);
}

/* The end: tells and is no more. Takes what *e holds. */
static void answer(struct model_wait *w, const struct worker *worker, struct api_error *e,
                   int retry_after_s)
{
    void (*on_ready)(void *, const struct worker *, struct api_error *, int) = w->p.on_ready;
    void *arg = w->p.arg;

    if (w->starting)
        w->answered = true;
    else
        wait_free(w);
    on_ready(arg, worker, e, retry_after_s);
    if (e)
        api_error_done(e);
}

static void fail(struct model_wait *w, enum api_code code, const char *text)
{
    struct api_error e;

    api_error_set(&e, code, REPLY_SRC, "%s", text);
    answer(w, NULL, &e, 0);
}

/* ---- patience ---- */

/*
 * A guess from how far it came in the time it took; where that is nowhere yet, as long again. What
 * a worker says of how far may be any two numbers. Of a download's bytes some may have been here
 * long before.
 */
static int seconds_left(const struct model_progress *p)
{
    double left = (double)p->waited_ms / 1000;

    if (p->downloading)
        left = p->eta_s < 0 ? left : (double)p->eta_s;
    else if (p->done)
        left *= p->total > p->done ? (double)(p->total - p->done) / (double)p->done : 0;
    if (left > MODEL_RETRY_MAX_S)
        left = MODEL_RETRY_MAX_S;
    return left < 1 ? 1 : (int)left;
}

static void say_slow(const struct model_wait *w, const struct model_progress *p,
                     struct api_error *e)
{
    const char *what = p->downloading ? "downloaded" : "loaded",
               *unit = p->downloading ? "bytes" : "layers";

    if (w->launching)
        api_error_set(e, API_LOADING_TIMEOUT, REPLY_SRC,
                      "a worker for %.200s is still being prepared after %lld s", w->place.ref,
                      (long long)(p->waited_ms / 1000));
    else
        api_error_set(e, API_LOADING_TIMEOUT, REPLY_SRC,
                      "%.200s is still being %s: %llu of %llu %s after %lld s", w->place.ref, what,
                      (unsigned long long)p->done, (unsigned long long)p->total, unit,
                      (long long)(p->waited_ms / 1000));
    e->details = json_pack("{s:{s:s, s:s, s:I, s:I, s:s, s:I}, s:b}", "loading", "model",
                           w->place.ref, "stage", p->downloading ? "downloading" : "loading",
                           "done", (json_int_t)p->done, "total", (json_int_t)p->total, "unit", unit,
                           "waited_ms", (json_int_t)p->waited_ms, "retriable", 1);
}

static void give_up(struct model_wait *w, const struct model_progress *p)
{
    struct workers *ws = w->p.hive->workers;
    int retry_after_s = seconds_left(p);
    struct api_error e;

    if (w->launching && workers_in_line(ws, w, &e))
        retry_after_s = WORKERS_LINE_RETRY_S;
    else
        say_slow(w, p, &e);
    if (w->launching)
        workers_forget(ws, w);
    answer(w, NULL, &e, retry_after_s);
}

static void look_soon(struct model_wait *w)
{
    const struct timeval soon = {.tv_usec = MODEL_POLL_MS * 1000};

    w->due_ms = clock_ms() + MODEL_POLL_MS;
    evtimer_add(w->timer, &soon);
}

/* Not ready yet: tells how far it is, and looks again soon, or gives up; not at a look that is
 * late, as what others were waiting for is done behind it. */
static void not_yet(struct model_wait *w, struct model_progress *p)
{
    int64_t limit = config_duration_ms(w->p.hive->config, "hive", "load_wait");

    p->waited_ms = clock_ms() - w->started_ms;
    if (!w->p.patient && limit >= 0 && p->waited_ms >= limit && clock_late_ms(w->due_ms) == 0) {
        give_up(w, p);
        return;
    }
    look_soon(w);
    if (w->p.on_progress)
        w->p.on_progress(w->p.arg, p);
}

/* ---- the worker ---- */

static void look_at_worker(struct model_wait *w)
{
    const struct worker *worker = workers_find(w->p.hive->workers, w->worker_id);
    struct worker_look look;

    if (!worker) {
        fail(w, API_REQUEST_CANCELLED,
             w->p.hive->ending ? "the hive ends, and its worker has not loaded the model"
                               : "the worker was stopped while it loaded the model");
        return;
    }
    worker_look(worker, &look);
    if (look.ready) {
        answer(w, worker, NULL, 0);
    } else if (look.failed) {
        struct api_error e = *look.error;

        json_incref(e.details);
        answer(w, NULL, &e, 0);
    } else {
        struct model_progress p = {.done = look.layers_loaded, .total = look.layers_total};

        not_yet(w, &p);
    }
}

static void on_launched(void *arg, const struct worker *worker, struct api_error *e,
                        int retry_after_s)
{
    struct model_wait *w = arg;
    struct worker_look look;

    w->launching = false;
    if (!worker) {
        struct api_error mine = *e;

        *e = (struct api_error){0};
        answer(w, NULL, &mine, retry_after_s);
        return;
    }
    worker_look(worker, &look);
    w->worker_id = str_dup(look.id);
    if (w->worker_id)
        look_at_worker(w);
    else
        fail(w, API_INTERNAL, "the hive is out of memory");
}

static void launch(struct model_wait *w)
{
    struct hive *h = w->p.hive;
    struct launch l = {.model_ref = w->place.ref,
                       .model_path = w->place.path,
                       .keep_alive_given = w->p.keep_alive_given,
                       .keep_alive_ms = w->p.keep_alive_ms,
                       .ctx_min = w->p.ctx_min};
    struct api_error e;

    if (detect_choose("auto", 0, &l.backend, &e)) {
        answer(w, NULL, &e, 0);
        return;
    }
    w->launching = true;
    look_soon(w); /* before: it may answer at once, and `w` be no more */
    workers_launch(h->workers, &l, on_launched, w);
}

/* ---- the download ---- */

static void look_at_download(struct model_wait *w)
{
    struct download *d = models_find_download(w->p.hive->models, w->download_id);
    struct download_look look;

    if (!d) {
        fail(w, API_DOWNLOAD_FAILED, "the download was removed");
        return;
    }
    download_look(d, &look);
    if (look.error) {
        struct api_error e = *look.error;

        json_incref(e.details);
        answer(w, NULL, &e, 0);
    } else if (look.complete) {
        w->download_id[0] = '\0';
        free(w->place.path);
        w->place.path = str_dup(look.path);
        if (w->place.path)
            launch(w);
        else
            fail(w, API_INTERNAL, "the hive is out of memory");
    } else {
        struct model_progress p = {.downloading = true,
                                   .done = look.bytes_done,
                                   .total = look.bytes_total,
                                   .eta_s = look.eta_s};

        not_yet(w, &p);
    }
}

static void fetch(struct model_wait *w)
{
    struct api_error e;
    char *path = NULL;

    if (models_download(w->p.hive->models, w->place.ref, NULL, &path, w->download_id, &e)) {
        answer(w, NULL, &e, 0);
    } else if (path) { /* it came while we were asked */
        w->download_id[0] = '\0';
        free(w->place.path);
        w->place.path = path;
        launch(w);
    } else {
        look_at_download(w);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct model_wait *w = arg;
    struct model_progress none = {0};

    (void)fd;
    (void)what;
    if (w->launching)
        not_yet(w, &none);
    else if (w->download_id[0])
        look_at_download(w);
    else
        look_at_worker(w);
}

struct model_wait *model_wait_start(const struct model_wait_params *params,
                                    struct model_place *place)
{
    struct model_wait *w = calloc(1, sizeof *w);
    struct api_error e;

    if (w)
        w->timer = evtimer_new(params->hive->base, on_timer, w);
    if (!w || !w->timer) {
        free(w);
        model_place_done(place);
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
        params->on_ready(params->arg, NULL, &e, 0);
        return NULL;
    }
    w->p = *params;
    w->place = *place;
    *place = (struct model_place){0};
    w->started_ms = w->due_ms = clock_ms();
    w->starting = true;
    if (w->place.path[0])
        launch(w);
    else
        fetch(w);
    w->starting = false;
    if (!w->answered)
        return w;
    wait_free(w);
    return NULL;
}
