/*
 * worker_line.c - see workers.h: workers to be that wait until others have nothing to do.
 *
 * Where a model has no room (memory, or a place among the WORKERS_MAX), also when all idle workers
 * were ended, but will have it once those that have work now are idle, it waits in line for that.
 * Those who ask for it wait as long as they may wait for a slot, and are told 503 then; nobody is
 * ended before he is idle. The line is looked at whenever the workers are, the one that came first
 * is tried first. What one in line needs is promised to nobody (worker_room.c): of two that want
 * the same memory neither would ever start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/http/reply.h"
#include "hive/workers/worker_room.h"
#include "hive/workers/workers_internal.h"

int64_t worker_line_until_ms(const struct workers *ws, const struct launch *l, int64_t now)
{
    int64_t limit = config_duration_ms(ws->params.config, "hive", "queue_timeout");

    if (l->room_wait_max_ms && (limit <= 0 || limit > l->room_wait_max_ms))
        limit = l->room_wait_max_ms;
    return limit <= 0 ? INT64_MAX : now + limit;
}

void worker_line_join(struct worker *w, const struct worker_room *room)
{
    const struct worker *holder = worker_room_holder(room);

    if (w->in_line)
        return;
    w->in_line = true;
    log_info("%s waits until %s (%s) has nothing to do: there is no %s for it before", w->model_ref,
             holder ? holder->model_ref : "a worker", holder ? holder->id : "any",
             worker_room_fits(room, &w->need) ? "place" : "memory");
    workers_watch_wake(w->owner);
}

/* Why it got none in this time. */
static void say_waited(struct worker *w, int64_t waited_ms, struct api_error *e)
{
    const struct worker *holder;
    struct worker_room room;
    char bytes[32], need[80];

    worker_room_find(w, &room);
    holder = worker_room_holder(&room);
    if (worker_room_fits(&room, &w->need))
        snprintf(need, sizeof need, "a place among the %d workers that there may be", WORKERS_MAX);
    else
        snprintf(need, sizeof need, "%s of memory",
                 str_human_bytes(w->need.total_bytes, bytes, sizeof bytes));
    api_error_set(e, API_QUEUE_TIMEOUT, REPLY_SRC,
                  "%.300s needs %s, and got none within %.1f s: %.300s (%s) has work, and "
                  "is not ended for it",
                  w->model_ref, need, (double)waited_ms / 1000,
                  holder ? holder->model_ref : "what has it", holder ? holder->id : "some worker");
    e->details = json_pack(
        "{s:I, s:I, s:I, s:s*, s:i}", "need_bytes", (json_int_t)w->need.total_bytes, "have_bytes",
        (json_int_t)room.usable_bytes, "idle_bytes", (json_int_t)room.idle_bytes, "busy_worker_id",
        holder ? holder->id : NULL, "retry_after_s", WORKERS_LINE_RETRY_S);
}

bool workers_in_line(struct workers *ws, const void *arg, struct api_error *e)
{
    struct waiter *waiter;
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    {
        if (!w->in_line)
            continue;
        TAILQ_FOREACH(waiter, &w->waiters, link)
        {
            if (waiter->arg != arg)
                continue;
            say_waited(w, clock_ms() - waiter->since_ms, e);
            return true;
        }
    }
    return false;
}

static struct waiter *overdue(struct worker *w, int64_t now)
{
    struct waiter *waiter;

    TAILQ_FOREACH(waiter, &w->waiters, link)
    if (now >= waiter->until_ms)
        return waiter;
    return NULL;
}

static void tell_overdue(struct worker *w, int64_t now)
{
    struct waiter *waiter;
    struct api_error e;

    while ((waiter = overdue(w, now))) {
        say_waited(w, now - waiter->since_ms, &e);
        TAILQ_REMOVE(&w->waiters, waiter, link);
        waiter->done(waiter->arg, NULL, &e, WORKERS_LINE_RETRY_S);
        api_error_done(&e);
        free(waiter);
    }
}

void workers_look_at_line(struct workers *ws, int64_t now, bool late)
{
    struct worker *w, *next;

    workers_serve_line(ws); /* nobody is refused what is there by now */
    for (w = TAILQ_FIRST(&ws->all); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (!w->in_line)
            continue;
        if (!late)
            tell_overdue(w, now);
        if (!TAILQ_EMPTY(&w->waiters))
            continue;
        log_info("nobody waits for %s any more", w->model_ref);
        worker_move(w, WORKER_GIVE_UP);
        worker_free(w);
    }
    workers_serve_line(ws);
}
