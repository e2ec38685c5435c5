/* worker_launch.c - see workers.h: the way from an ask to a running worker. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/reach.h"
#include "hive/reply.h"
#include "hive/worker_room.h"
#include "hive/workers_internal.h"

static struct worker *find(struct workers *ws, const char *id)
{
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    if (str_eq(w->id, id))
        return w;
    BUG("there is no worker %s", id);
}

static struct worker *make_worker(struct workers *ws, const struct launch *l)
{
    const struct config *c = ws->params.config;
    struct worker *w = calloc(1, sizeof *w);
    struct launch filled = *l;
    char uuid[UUID_BYTES];

    if (!w)
        return NULL;
    w->owner = ws;
    w->child.pidfd = -1;
    TAILQ_INIT(&w->waiters);
    TAILQ_INSERT_TAIL(&ws->all, w, link);
    snprintf(w->id, sizeof w->id, "worker-%s", uuid_make(uuid));
    w->model_ref = str_dup(l->model_ref);
    w->model_path = str_dup(l->model_path);
    w->log_path = str_printf("%s/%s.log", ws->logs_dir, w->id);
    w->backend = l->backend;
    w->device = l->device;
    w->ctx_asked = l->ctx != 0;
    workers_fill_in(ws, &filled);
    w->slots = filled.slots;
    w->ctx = filled.ctx;
    w->keep_alive_ms =
        l->keep_alive_given ? l->keep_alive_ms : config_duration_ms(c, "hive", "keep_alive");
    if (w->model_path)
        file_mark_of(w->model_path, &w->file);
    if (w->model_ref && w->model_path && w->log_path)
        return w;
    worker_free(w);
    return NULL;
}

/* Tells everybody who waits; each gets a copy of the error. */
static void answer_waiters(struct worker *w, const struct api_error *e)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&w->waiters))) {
        struct api_error copy = e ? *e : (struct api_error){0};

        json_incref(copy.details);
        TAILQ_REMOVE(&w->waiters, waiter, link);
        waiter->done(waiter->arg, e ? NULL : w, e ? &copy : NULL, 0);
        api_error_done(&copy);
        free(waiter);
    }
}

/* For how long it keeps others from being tried, because it failed while it loaded. One whose
 * process has not ended yet has all of that time before it. */
static int64_t cooling_left_ms(const struct worker *w, int64_t now)
{
    enum board_state state = worker_board_state(w);

    if (w->state == WORKER_DEAD)
        return w->died_loading ? w->dead_ms + WORKERS_RETRY_MS - now : 0;
    if (w->ready_ms != 0)
        return 0;
    if (w->state == WORKER_CONDEMNED)
        return state != BOARD_READY && state != BOARD_DRAINING ? WORKERS_RETRY_MS : 0;
    return worker_state_runs(w->state) && state == BOARD_FAILED ? WORKERS_RETRY_MS : 0;
}

/* The milliseconds for which this model is not to be tried again, 0 when it may. */
static int64_t cooling_ms(struct workers *ws, const struct launch *l, const struct worker **why)
{
    int64_t now = clock_ms(), longest = 0;
    struct file_mark mark;
    const struct file_mark *file = worker_file_now(ws, l, &mark);
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    {
        int64_t left = cooling_left_ms(w, now);

        if (left > longest && worker_is_of(w, l, file) && str_eq(w->backend, l->backend) &&
            w->device == l->device) {
            longest = left;
            *why = w;
        }
    }
    return longest;
}

/* The hive's own default bends to the model; what was asked for does not. */
static int check_context(struct worker *w, const struct model_facts *facts, struct api_error *e)
{
    int64_t most = facts->context_length > INT64_MAX ? INT64_MAX : (int64_t)facts->context_length;

    if (most == 0 || w->ctx <= most)
        return 0;
    if (!w->ctx_asked) {
        w->ctx = most;
        return 0;
    }
    api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                  "ctx is %lld, and %.300s was trained for a context of %lld", (long long)w->ctx,
                  w->model_ref, (long long)most);
    e->details = json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "field", "ctx", "constraint",
                           "at most the model's context", "message", e->message);
    return -1;
}

/* All who wait are told of the failure; the worker is no more. */
static void give_up(struct worker *w, struct api_error *e)
{
    struct workers *ws = w->owner;

    answer_waiters(w, e);
    log_warn("no worker for %s: %s", w->model_ref, e->message);
    worker_free(w);
    workers_check_gone(ws);
    api_error_done(e);
}

/* Ends those that worker_room_for has chosen; the worker waits until they are gone. */
static void make_room(struct worker *w, const struct worker_room *room)
{
    w->waits_for_room = true;
    for (size_t i = 0; i < room->n; i++) {
        struct worker *idle = find(w->owner, room->workers[i]->id);

        if (!room->facts[i].chosen)
            continue;
        log_info("%s (%s) is ended: %s needs its memory", idle->id, idle->model_ref, w->model_ref);
        worker_stop(idle);
    }
}

/* Starts the process where there is room, or makes room, or says why there is none. */
static void try_start(struct worker *w)
{
    struct plan_need need = w->need;
    struct api_error error = {0};
    struct worker_room room;
    struct err err;

    w->need = (struct plan_need){0}; /* it does not stand in its own way */
    worker_room_look(w->owner, &room);
    w->need = need;
    switch (worker_room_for(&room, &need)) {
    case ROOM_BY_ENDING:
        make_room(w, &room);
        return;
    case ROOM_IS_THERE:
        if (worker_start(w, &error) == 0) {
            answer_waiters(w, NULL);
            return;
        }
        break;
    case ROOM_NONE:
        worker_room_error(&room, &need, &err);
        api_error_set(&error, API_INSUFFICIENT_MEMORY, REPLY_SRC, "%.300s: %s", w->model_ref,
                      err.text);
        error.details =
            json_pack("{s:I, s:I, s:I}", "need_bytes", (json_int_t)need.total_bytes, "have_bytes",
                      (json_int_t)room.usable_bytes, "idle_bytes", (json_int_t)room.idle_bytes);
        break;
    }
    give_up(w, &error);
}

void workers_room_freed(struct workers *ws)
{
    struct worker *w, *next;

    for (w = TAILQ_FIRST(&ws->all); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (!w->waits_for_room)
            continue;
        w->waits_for_room = false;
        try_start(w);
    }
}

/* The model's file was looked into: plan its memory, and go on. */
static void on_judged(void *arg, const struct model_facts *facts, struct api_error *e)
{
    struct worker *w = arg;
    const struct launch l = {.slots = w->slots, .ctx = w->ctx};
    struct api_error error = {0};
    struct err err;

    w->judging = NULL;
    if (e) {
        error = *e;
        *e = (struct api_error){0};
        give_up(w, &error);
    } else if (check_context(w, facts, &error)) {
        give_up(w, &error);
    } else if (workers_plan(w->owner, &l, facts, &w->need, &err)) {
        api_error_set(&error, API_INSUFFICIENT_MEMORY, REPLY_SRC, "%.300s: %s", w->model_ref,
                      err.text);
        give_up(w, &error);
    } else {
        try_start(w);
    }
}

static int add_waiter(struct worker *w,
                      void (*done)(void *arg, const struct worker *w, struct api_error *e,
                                   int retry_after_s),
                      void *arg)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);

    if (!waiter)
        return -1;
    waiter->done = done;
    waiter->arg = arg;
    TAILQ_INSERT_TAIL(&w->waiters, waiter, link);
    return 0;
}

/* The last one failed: how, and when the next may start. */
static void say_cooling(const struct launch *l, const struct worker *why, int retry_after_s,
                        struct api_error *e)
{
    struct api_error cause = why->error;

    if (worker_state_runs(why->state)) /* its process has not ended yet */
        worker_board_error(why, &cause);
    api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                  "the last worker for %.200s failed while it loaded, and the next one may "
                  "start in %d s: %s",
                  l->model_ref, retry_after_s, cause.message);
    e->details =
        json_pack("{s:s, s:s}", "worker_id", why->id, "cause", api_error_info(cause.code)->code);
}

/* May a new one be started at all? 0, or -1 with *e. */
static int may_start(struct workers *ws, const struct launch *l, struct api_error *e,
                     int *retry_after_s)
{
    const struct worker *why = NULL;
    int64_t left_ms = cooling_ms(ws, l, &why);
    struct err err;

    if (ws->closed) {
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC, "the hive is about to end");
        return -1;
    }
    if (left_ms > 0) {
        *retry_after_s = (int)((left_ms + 999) / 1000);
        say_cooling(l, why, *retry_after_s, e);
        return -1;
    }
    if (workers_n_alive(ws) >= WORKERS_MAX) {
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                      "there are %d workers already, which is the limit", WORKERS_MAX);
        return -1;
    }
    if (reach_check(ws->params.reach, l->model_path, &err)) {
        api_error_set(e, API_DISK_NOT_ANSWERING, REPLY_SRC, "%s", err.text);
        return -1;
    }
    return 0;
}

void workers_launch(struct workers *ws, const struct launch *l,
                    void (*done)(void *arg, const struct worker *w, struct api_error *e,
                                 int retry_after_s),
                    void *arg)
{
    struct worker *w = l->fresh ? NULL : worker_choose(ws, l);
    struct api_error error = {0};
    int retry_after_s = 0, rc = 0;

    if (w) {
        w->asked_ms = clock_ms();
        if (l->keep_alive_given)
            w->keep_alive_ms = l->keep_alive_ms;
        if (worker_state_runs(w->state)) {
            done(arg, w, NULL, 0);
            return;
        }
        if (add_waiter(w, done, arg) == 0)
            return;
        api_error_set(&error, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    } else if (may_start(ws, l, &error, &retry_after_s) == 0) {
        w = make_worker(ws, l);
        if (!w || add_waiter(w, done, arg)) {
            api_error_set(&error, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
            rc = -1;
        } else {
            rc = judge_model(&ws->judge, w->model_path, on_judged, w, &w->judging, &error);
        }
        if (rc == 0)
            return;
        if (w)
            worker_free(w);
    }
    done(arg, NULL, &error, retry_after_s);
    api_error_done(&error);
}

void workers_forget(struct workers *ws, const void *arg)
{
    struct worker *w;
    struct waiter *waiter, *next;

    TAILQ_FOREACH(w, &ws->all, link)
    {
        for (waiter = TAILQ_FIRST(&w->waiters); waiter; waiter = next) {
            next = TAILQ_NEXT(waiter, link);
            if (waiter->arg == arg) {
                TAILQ_REMOVE(&w->waiters, waiter, link);
                free(waiter);
            }
        }
    }
}
