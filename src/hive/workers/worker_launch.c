/* worker_launch.c - see workers.h: the way from an ask to a running worker. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/http/reply.h"
#include "hive/workers/worker_room.h"
#include "hive/workers/workers_internal.h"

static struct worker *find(struct workers *ws, const char *id)
{
    struct worker *w = worker_by_id(ws, id);

    if (!w)
        BUG("there is no worker %s", id);
    return w;
}

static void set_keep_alive(struct worker *w, int64_t ms)
{
    w->keep_alive_asked = true;
    w->keep_alive_ms = ms;
}

static int64_t first_keep_alive(const struct workers *ws, const struct launch *l,
                                const struct worker *smaller)
{
    if (l->keep_alive_given)
        return l->keep_alive_ms;
    return smaller && smaller->keep_alive_ms > 0
               ? smaller->keep_alive_ms
               : config_duration_ms(ws->params.config, "hive", "keep_alive");
}

/* `smaller`: the one whose place it takes, or NULL. */
static struct worker *make_worker(struct workers *ws, const struct launch *l,
                                  const struct worker *smaller)
{
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
    w->by_hand = l->ctx || l->fresh;
    w->asked_ms = clock_ms();
    workers_fill_in(ws, &filled);
    w->slots = filled.slots;
    w->ctx = filled.ctx;
    worker_context_wish(w, l);
    w->keep_alive_asked = l->keep_alive_given;
    w->keep_alive_ms = first_keep_alive(ws, l, smaller);
    if (w->model_path)
        file_mark_of(w->model_path, &w->file);
    if (w->model_ref && w->model_path && w->log_path)
        return w;
    worker_free(w);
    return NULL;
}

/* Tells everybody who waits: gives them this worker, or each a copy of the error. */
static void answer_waiters(struct worker *w, const struct worker *given, const struct api_error *e)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&w->waiters))) {
        struct api_error copy = e ? *e : (struct api_error){0};

        json_incref(copy.details);
        TAILQ_REMOVE(&w->waiters, waiter, link);
        waiter->done(waiter->arg, e ? NULL : given, e ? &copy : NULL, 0);
        api_error_done(&copy);
        free(waiter);
    }
}

static int64_t longest(const struct model_facts *facts)
{
    return facts->context_length > INT64_MAX ? INT64_MAX : (int64_t)facts->context_length;
}

int workers_check_ctx(int64_t ctx, const char *model_ref, const struct model_facts *facts,
                      struct api_error *e)
{
    int64_t most = longest(facts);

    if (most == 0 || ctx <= most)
        return 0;
    api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                  "ctx is %lld, and %.300s was trained for a context of %lld", (long long)ctx,
                  model_ref, (long long)most);
    e->details = json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "field", "ctx", "constraint",
                           "at most the model's context", "message", e->message);
    return -1;
}

/* The hive's own default bends to the model; what was asked for does not. */
static int check_context(struct worker *w, const struct model_facts *facts, struct api_error *e)
{
    int64_t most = longest(facts);

    if (w->ctx_asked)
        return workers_check_ctx(w->ctx, w->model_ref, facts, e);
    if (most && w->ctx > most)
        w->ctx = most;
    return 0;
}

/* All who wait are told of the failure; the worker is no more. */
static void give_up(struct worker *w, struct api_error *e)
{
    struct workers *ws = w->owner;

    answer_waiters(w, NULL, e);
    log_warn("no worker for %s: %s", w->model_ref, e->message);
    worker_free(w);
    workers_check_gone(ws);
    api_error_done(e);
}

/* Ends those that worker_room_for has chosen; the worker waits until they are gone. */
static void make_room(struct worker *w, const struct worker_room *room)
{
    w->waits_for_room = true;
    w->in_line = false;
    for (size_t i = 0; i < room->n; i++) {
        struct worker *idle = find(w->owner, room->workers[i]->id);

        if (!room->facts[i].chosen)
            continue;
        log_info("%s (%s) is ended: %s needs its room", idle->id, idle->model_ref, w->model_ref);
        worker_stop(idle);
    }
}

/* It was to be larger than one that is there, and has no room after all: those who wait for it get
 * that one, and it is no more. False when there is none. Asked once: it looks at the model's file,
 * and one in line is tried all the time. */
static bool hand_over(struct worker *w)
{
    const struct launch l = {.model_ref = w->model_ref,
                             .model_path = w->model_path,
                             .backend = w->backend,
                             .device = w->device};
    struct workers *ws = w->owner;
    struct worker *other = w->ctx_min && !w->in_line ? worker_choose(ws, &l, w) : NULL;

    if (!other)
        return false;
    other->asked_ms = clock_ms();
    if (w->keep_alive_asked)
        set_keep_alive(other, w->keep_alive_ms);
    if (worker_state_runs(other->state))
        answer_waiters(w, other, NULL);
    else
        TAILQ_CONCAT(&other->waiters, &w->waiters, link);
    log_info("no larger worker for %s: there is no room for it", w->model_ref);
    worker_free(w);
    workers_check_gone(ws);
    return true;
}

/* Starts the process where there is room, or makes room, or waits for it, or says why there is
 * none. With less context than was wished only where there is room for that now: who has to wait
 * wishes on. */
static void try_start(struct worker *w)
{
    struct plan_need wished = w->need;
    int64_t wished_ctx = w->ctx;
    struct api_error error = {0};
    enum room_answer answer;
    struct worker_room room;
    struct err err;

    while ((answer = worker_room_find(w, &room)) >= ROOM_LATER) {
        bool fits = worker_room_fits(&room, &w->need); /* a smaller one is no help then */

        if (!fits && worker_context_reduce(w, false))
            continue;
        if (hand_over(w))
            return;
        if (fits || !worker_context_reduce(w, true))
            break;
    }
    switch (answer) {
    case ROOM_BY_ENDING:
        make_room(w, &room);
        return;
    case ROOM_LATER:
        w->need = wished;
        w->ctx = wished_ctx;
        worker_line_join(w, &room);
        return;
    case ROOM_IS_THERE:
        w->in_line = false;
        if (worker_start(w, &error) == 0) {
            answer_waiters(w, w, NULL);
            return;
        }
        break;
    case ROOM_NO_PLACE: /* since worker_may_start looked */
        worker_room_place(&room, &error);
        break;
    case ROOM_NONE:
        worker_room_error(&room, &w->need, &err);
        api_error_set(&error, API_INSUFFICIENT_MEMORY, REPLY_SRC, "%.300s: %s", w->model_ref,
                      err.text);
        error.details = json_pack("{s:I, s:I, s:I}", "need_bytes", (json_int_t)w->need.total_bytes,
                                  "have_bytes", (json_int_t)room.usable_bytes, "idle_bytes",
                                  (json_int_t)room.idle_bytes);
        break;
    }
    give_up(w, &error);
}

/* In the order of their asking. Whom nobody waits for any more stays in line until it is looked at.
 */
static void try_again(struct workers *ws, bool freed)
{
    struct worker *w, *next;

    for (w = TAILQ_FIRST(&ws->all); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (!(w->in_line && !TAILQ_EMPTY(&w->waiters)) && !(freed && w->waits_for_room))
            continue;
        w->waits_for_room = false;
        try_start(w);
    }
}

void workers_room_freed(struct workers *ws)
{
    try_again(ws, true);
}

void workers_serve_line(struct workers *ws)
{
    try_again(ws, false);
}

static int plan(struct worker *w, const struct model_facts *facts, struct err *err)
{
    const struct launch l = {.slots = w->slots, .ctx = w->ctx};

    w->facts = *facts;
    return workers_plan(w->owner, &l, facts, &w->need, err);
}

/* The model's file was looked into: plan its memory, and go on. */
static void on_judged(void *arg, const struct model_facts *facts, struct api_error *e)
{
    struct worker *w = arg;
    struct api_error error = {0};
    struct err err;
    int rc;

    w->judging = NULL;
    if (e) {
        error = *e;
        *e = (struct api_error){0};
        give_up(w, &error);
    } else if (check_context(w, facts, &error)) {
        give_up(w, &error);
    } else if ((rc = plan(w, facts, &err))) {
        api_error_set(&error, workers_plan_code(rc), REPLY_SRC, "%.300s: %s", w->model_ref,
                      err.text);
        give_up(w, &error);
    } else {
        workers_serve_line(w->owner); /* who came before has the first claim */
        try_start(w);
    }
}

static int add_waiter(struct worker *w, const struct launch *l,
                      void (*done)(void *arg, const struct worker *w, struct api_error *e,
                                   int retry_after_s),
                      void *arg)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);

    if (!waiter)
        return -1;
    waiter->done = done;
    waiter->arg = arg;
    waiter->since_ms = clock_ms();
    waiter->until_ms = worker_line_until_ms(w->owner, l, waiter->since_ms);
    TAILQ_INSERT_TAIL(&w->waiters, waiter, link);
    return 0;
}

/* Starts a new one, or says why not: -1 with *e. */
static int begin(struct workers *ws, const struct launch *l, const struct worker *smaller,
                 void (*done)(void *arg, const struct worker *w, struct api_error *e,
                              int retry_after_s),
                 void *arg, struct api_error *e)
{
    struct worker *w = make_worker(ws, l, smaller);

    if (!w || add_waiter(w, l, done, arg))
        api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    else if (judge_model(&ws->judge, w->model_path, on_judged, w, &w->judging, e) == 0)
        return 0;
    log_warn("no worker for %s: %s", l->model_ref, e->message);
    if (w)
        worker_free(w);
    return -1;
}

/* Is a larger one to be started for this request? One that may not be started is none: what is
 * there has to do. */
static bool is_too_small(const struct worker *w, const struct launch *wanted)
{
    struct api_error e = {0};
    int retry_after_s;

    if (!worker_context_is_small(w, wanted))
        return false;
    if (worker_may_start(w->owner, wanted, &e, &retry_after_s)) {
        api_error_done(&e);
        return false;
    }
    log_info("%s has a context of %lld, %lld are wanted: a larger worker for %s is started", w->id,
             (long long)worker_n_ctx(w), (long long)wanted->ctx_min, w->model_ref);
    return true;
}

void workers_launch(struct workers *ws, const struct launch *l,
                    void (*done)(void *arg, const struct worker *w, struct api_error *e,
                                 int retry_after_s),
                    void *arg)
{
    struct worker *w = l->fresh ? NULL : worker_choose(ws, l, NULL);
    struct api_error error = {0};
    int retry_after_s = 0;

    if (w && !is_too_small(w, l)) {
        w->asked_ms = clock_ms();
        /* One that is too small will be passed by, for another: it stays as long as it did. */
        if (l->keep_alive_given && worker_has_size(w, l))
            set_keep_alive(w, l->keep_alive_ms);
        if (w->judging)
            worker_context_wish(w, l);
        if (worker_state_runs(w->state)) {
            done(arg, w, NULL, 0);
            return;
        }
        if (add_waiter(w, l, done, arg) == 0)
            return;
        api_error_set(&error, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    } else if (worker_may_start(ws, l, &error, &retry_after_s) == 0 &&
               begin(ws, l, w, done, arg, &error) == 0) {
        return;
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
