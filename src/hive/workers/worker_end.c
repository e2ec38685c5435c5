/* worker_end.c - a worker's process has ended: why, what is kept of it, who is told. */
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "config/config.h"
#include "hive/disk/glance.h"
#include "hive/disk/logtail.h"
#include "hive/http/reply.h"
#include "hive/process/cgroup.h"
#include "hive/process/procfs.h"
#include "hive/process/programs.h"
#include "hive/workers/reaper.h"
#include "hive/workers/workers_internal.h"
#include "net/http_client.h"
#include "version.h"

#define TAIL_BYTES_MAX 8192

void worker_release(struct worker *w)
{
    if (w->health)
        http_call_cancel(w->health);
    if (w->shutdown)
        http_call_cancel(w->shutdown);
    if (w->ended)
        event_free(w->ended);
    if (w->stop_timer)
        event_free(w->stop_timer);
    board_detach(w->board);
    procfs_close(w->process);
    glance_free(w->glance);
    w->process = NULL;
    w->glance = NULL;
    w->health = w->shutdown = NULL;
    w->ended = w->stop_timer = NULL;
    w->board = NULL;
}

void worker_end_cgroup(struct worker *w)
{
    cgroup_end(w->cgroup);
    free(w->cgroup);
    w->cgroup = NULL;
}

void worker_tidy(struct worker *w)
{
    worker_end_cgroup(w);
    reaper_forget(w->owner->run_dir, w->id);
}

static bool read_tail(const struct worker *w, struct buf *text)
{
    return logtail_read(w->log_path, WORKERS_LOG_LINES, text, NULL) == 0;
}

json_t *worker_log_tail(const struct worker *w)
{
    json_t *lines = json_array();
    struct buf text;

    buf_init(&text, TAIL_BYTES_MAX);
    if (read_tail(w, &text)) {
        for (const char *p = buf_str(&text); *p;) {
            size_t n = strcspn(p, "\n");

            json_array_append_new(lines,
                                  json_stringn(p, n)); /* a line that is not UTF-8 is left out */
            p += n + (p[n] == '\n');
        }
    }
    buf_done(&text);
    return lines;
}

/*
 * Was it killed by the kernel for want of memory? Its own cgroup knows. Without one, a SIGKILL that
 * is not the hive's, while the machine's count of such kills went up, makes it likely.
 */
static bool judge_memory(struct worker *w, const struct child_end *end)
{
    int64_t own = cgroup_oom_kills(w->cgroup);
    int64_t n_before = w->owner->oom_before;
    bool likely = n_before >= 0 && procfs_oom_kills() > n_before;

    if (!end->by_signal || end->code != SIGKILL || own == 0 || (own < 0 && !likely))
        return false;
    api_error_set(&w->error, API_WORKER_CRASHED, REPLY_SRC,
                  own > 0
                      ? "the worker for %.200s was killed by the kernel because memory ran out: "
                        "a smaller quantisation, context or number of slots needs less"
                      : "the worker for %.200s was most likely killed by the kernel because "
                        "memory ran out (SIGKILL, and the machine's count of such kills went "
                        "up): a smaller quantisation, context or number of slots needs less",
                  w->model_ref);
    w->oom = own > 0 ? "certain" : "likely";
    return true;
}

/* It did not know the words of its command line, and said so (base/cli.h): whoever stands between,
 * a script or what contains it, may end with that code, too. */
static bool said_usage(const struct worker *w)
{
    struct buf text;
    bool said;

    buf_init(&text, TAIL_BYTES_MAX);
    said = read_tail(w, &text) && strstr(buf_str(&text), "Try '" WORKER_PROGRAM " ");
    buf_done(&text);
    return said;
}

/*
 * After an upgrade in place the program on the disk is not the one that this hive was made with. It
 * says so itself, or it does not know the words of its command line. No other try mends that.
 */
static bool judge_build(struct worker *w, const struct child_end *end, enum board_state state)
{
    bool said = end->code == BOARD_EXIT_OTHER_BUILD;
    bool usage = end->code == CLI_USAGE && state == BOARD_STARTING;
    char *program = NULL;

    if (end->by_signal || !(said || (usage && said_usage(w))))
        return false;
    programs_find_worker(config_text(w->owner->params.config, "hive", "worker"), &program, NULL);
    api_error_set(&w->error, API_WORKER_START_FAILED, REPLY_SRC,
                  "the worker for %.200s was not started: %.300s on the disk is%s of another build "
                  "than this running rbee-hive (%s)",
                  w->model_ref, program ? program : WORKER_PROGRAM, said ? "" : ", by its end,",
                  RBEE_VERSION);
    w->error.details = json_pack("{s:s, s:b}", "hint",
                                 "Restart rbee-hive; answers that are under way get 20 s to come "
                                 "to their end.",
                                 "retriable", 0);
    free(program);
    return true;
}

/* Sets w->error; false when this end is nobody's failure. */
static bool judge(struct worker *w, const struct child_end *end, enum board_state state)
{
    bool loading = state == BOARD_STARTING || state == BOARD_LOADING;
    char how[80];

    if (w->state == WORKER_CONDEMNED)
        return true;
    if (w->state == WORKER_DRAINING)
        return false;
    if (state == BOARD_FAILED) {
        worker_board_error(w, &w->error);
        return true;
    }
    if (state == BOARD_DRAINING && !end->by_signal && end->code == 0)
        return false; /* somebody else asked it to end */
    child_end_text(end, how, sizeof how);
    if (judge_memory(w, end) || judge_build(w, end, state))
        return true;
    if (loading)
        api_error_set(&w->error, end->by_signal ? API_WORKER_CRASHED : API_WORKER_START_FAILED,
                      REPLY_SRC, "the worker for %.200s ended with %s while it loaded the model",
                      w->model_ref, how);
    else
        api_error_set(&w->error, API_WORKER_CRASHED, REPLY_SRC,
                      "the worker for %.200s ended with %s", w->model_ref, how);
    return true;
}

static void keep_as_dead(struct worker *w, bool loading)
{
    json_t *more;

    worker_move(w, WORKER_FAIL);
    w->dead_ms = clock_ms();
    w->died_loading = loading;
    w->log_tail = worker_log_tail(w);
    more = json_pack("{s:s, s:s, s:O*, s:s*}", "worker_id", w->id, "log_path", w->log_path,
                     "log_tail", w->log_tail, "out_of_memory", w->oom);
    if (!w->error.details)
        w->error.details = json_incref(more);
    else if (more)
        json_object_update_missing(w->error.details, more);
    json_decref(more);
}

/* The oldest dead one goes when there are too many. */
static void prune_dead(struct workers *ws)
{
    struct worker *w, *oldest = NULL;
    size_t n = 0;

    TAILQ_FOREACH(w, &ws->all, link)
    {
        if (w->state != WORKER_DEAD)
            continue;
        n++;
        if (!oldest || w->dead_ms < oldest->dead_ms)
            oldest = w;
    }
    if (n > WORKERS_DEAD_MAX) {
        worker_move(oldest, WORKER_FORGET);
        worker_free(oldest);
    }
}

void worker_ended(struct worker *w)
{
    struct workers *ws = w->owner;
    enum board_state state = worker_board_state(w);
    bool failed, loading = w->ready_ms == 0 && state != BOARD_READY && state != BOARD_DRAINING;
    struct child_end end = child_reap(&w->child);
    char how[80];

    if (w->board && !worker_is_unused(w))
        worker_tell_use(w, 1);
    failed = judge(w, &end, state);
    worker_tidy(w);
    if (failed)
        worker_keep_board(w);
    worker_release(w);
    if (failed) {
        keep_as_dead(w, loading);
        log_warn("%s failed: %s: %s", w->id, api_error_info(w->error.code)->code, w->error.message);
        prune_dead(ws);
    } else {
        worker_move(w, WORKER_END);
        log_info("%s ended (%s)", w->id, child_end_text(&end, how, sizeof how));
        worker_free(w);
    }
    workers_room_freed(ws);
    workers_check_gone(ws);
}
