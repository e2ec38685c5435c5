/* worker_may_start.c - see workers.h: what keeps a new worker from being started, but for memory.
 */
#include "base/clock.h"
#include "base/str.h"
#include "hive/disk/reach.h"
#include "hive/http/reply.h"
#include "hive/workers/worker_room.h"
#include "hive/workers/workers_internal.h"

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

/* The last one failed: how, and when the next may start, if that can be of use. */
static void say_cooling(const struct launch *l, const struct worker *why, int *retry_after_s,
                        struct api_error *e)
{
    struct api_error cause = why->error;

    if (json_is_false(json_object_get(cause.details, "retriable"))) {
        *e = cause;
        json_incref(e->details);
        *retry_after_s = 0;
        return;
    }

    if (worker_state_runs(why->state)) /* its process has not ended yet */
        worker_board_error(why, &cause);
    api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                  "the last worker for %.200s failed while it loaded, and the next one may "
                  "start in %d s: %s",
                  l->model_ref, *retry_after_s, cause.message);
    e->details =
        json_pack("{s:s, s:s}", "worker_id", why->id, "cause", api_error_info(cause.code)->code);
}

int worker_may_start(struct workers *ws, const struct launch *l, struct api_error *e,
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
        say_cooling(l, why, retry_after_s, e);
        return -1;
    }
    if (workers_n_alive(ws) >= WORKERS_MAX) {
        struct worker_room room;

        worker_room_look(ws, NULL, &room);
        if (worker_room_place(&room, e))
            return -1;
    }
    if (workers_n_alive(ws) >= WORKER_ROOM_MAX) {
        api_error_set(
            e, API_QUEUE_TIMEOUT, REPLY_SRC,
            "there are %d workers already, which is the limit, and %d models wait for the "
            "place of one",
            WORKERS_MAX, WORKER_ROOM_MAX - WORKERS_MAX);
        *retry_after_s = WORKERS_LINE_RETRY_S;
        return -1;
    }
    if (reach_check(ws->params.reach, l->model_path, &err)) {
        api_error_set(e, API_DISK_NOT_ANSWERING, REPLY_SRC, "%s", err.text);
        return -1;
    }
    return 0;
}
