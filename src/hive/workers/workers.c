/* workers.c - see workers.h: the registry. */
#include "hive/workers/workers.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/disk/home.h"
#include "hive/http/reply.h"
#include "hive/process/cgroup.h"
#include "hive/process/leftover.h"
#include "hive/process/port.h"
#include "hive/process/procfs.h"
#include "hive/workers/worker_room.h"
#include "hive/workers/workers_internal.h"
#include "net/http_client.h"

int workers_create(const struct workers_params *params, struct workers **out, struct err *err)
{
    struct workers *ws = calloc(1, sizeof *ws);
    int lease[2], rc;

    if (!ws)
        return err_no_memory(err, sizeof *ws, "the list of workers");
    ws->params = *params;
    ws->judge = (struct judge){.looks = params->looks,
                               .program = config_text(params->config, "hive", "worker"),
                               .sandbox = config_text(params->config, "hive", "sandbox")};
    TAILQ_INIT(&ws->all);
    ws->lease_read = ws->lease_write = -1;
    ws->logs_dir = str_dup(params->logs_dir);
    ws->run_dir = str_dup(params->run_dir);
    ws->cgroup_base = cgroup_base();
    if (!ws->logs_dir || !ws->run_dir)
        rc = err_no_memory(err, strlen(params->logs_dir), "a path");
    else if (pipe2(lease, O_CLOEXEC) != 0)
        rc = err_errno(err, ERR_IO, errno, "cannot make the workers' lease");
    else {
        ws->lease_read = lease[0];
        ws->lease_write = lease[1];
        rc = workers_watch_create(ws, err);
    }
    if (rc) {
        workers_free(ws);
        return rc;
    }
    *out = ws;
    return 0;
}

static void end_processes(struct workers *ws)
{
    int64_t until = clock_ms() + WORKERS_FREE_MS;
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    child_signal(&w->child, SIGKILL);
    TAILQ_FOREACH(w, &ws->all, link)
    {
        if (w->child.pidfd < 0)
            continue;
        if (child_has_ended(&w->child, until - clock_ms())) {
            child_reap(&w->child);
            worker_tidy(w);
        } else {
            log_warn(
                "%s (process %ld) was killed and is not gone yet, as when a disk or a filesystem "
                "does not answer; the hive ends without it",
                w->id, (long)w->child.pid);
        }
    }
}

void workers_free(struct workers *ws)
{
    struct worker *w;

    if (!ws)
        return;
    end_processes(ws);
    while ((w = TAILQ_FIRST(&ws->all)))
        worker_free(w);
    if (ws->tick)
        event_free(ws->tick);
    if (ws->lease_read >= 0)
        close(ws->lease_read);
    if (ws->lease_write >= 0)
        close(ws->lease_write);
    free(ws->logs_dir);
    free(ws->run_dir);
    free(ws->cgroup_base);
    free(ws);
}

bool worker_is_alive(const struct worker *w)
{
    return w->state != WORKER_DEAD;
}

void worker_move(struct worker *w, enum worker_event event)
{
    int next = worker_state_next(w->state, event);

#ifdef NDEBUG
    if (next < 0) {
        log_error("%s is %s, where '%s' cannot happen", w->id, worker_state_name(w->state),
                  worker_event_name(event));
        return;
    }
#else
    if (next < 0)
        BUG("%s is %s, where '%s' cannot happen", w->id, worker_state_name(w->state),
            worker_event_name(event));
#endif
    w->state = (enum worker_state)next;
}

uint32_t workers_n_alive(const struct workers *ws)
{
    const struct worker *w;
    uint32_t n = 0;

    TAILQ_FOREACH(w, &ws->all, link)
    n += worker_is_alive(w);
    return n;
}

bool workers_use_path(const struct workers *ws, const char *model_path)
{
    const struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    if (worker_is_alive(w) && str_eq(w->model_path, model_path))
        return true;
    return false;
}

bool worker_is_new(const struct worker *w)
{
    return worker_takes_work(w) && w->ready_ms == 0;
}

bool workers_failure(const struct workers *ws, const char *id, enum api_code *code,
                     char text[ERR_TEXT_MAX])
{
    const struct worker *w = worker_by_id(ws, id);

    if (!w || (w->state != WORKER_DEAD && w->state != WORKER_CONDEMNED))
        return false;
    *code = w->error.code;
    str_copy(text, ERR_TEXT_MAX, w->error.message);
    return true;
}

bool workers_is_over(const struct workers *ws, const char *id)
{
    const struct worker *w = worker_by_id(ws, id);

    return !w || (w->state != WORKER_PREPARING && !worker_state_runs(w->state));
}

bool workers_is_exiting(const struct workers *ws, const char *id)
{
    const struct worker *w = worker_by_id(ws, id);
    struct procfs_stat st;

    return w && w->process && procfs_look(w->process, &st) == 0 && st.exiting;
}

const char *worker_log_path(const struct worker *w)
{
    return w->log_path;
}

const char *workers_own_host(const struct workers *ws)
{
    const char *host = ws->params.addr.host;

    if (str_eq(host, "::")) /* IPv4 reaches it, too (port.h), and is not switched off */
        return port_is_here("127.0.0.1") ? "127.0.0.1" : "::1";
    return str_eq(host, "0.0.0.0") ? "127.0.0.1" : host;
}

const char *worker_own_url(const struct worker *w, char dst[WORKER_URL_MAX])
{
    struct config_addr addr = {.port = w->port};
    char text[CONFIG_HOST_MAX + 9];

    str_copy(addr.host, sizeof addr.host, workers_own_host(w->owner));
    snprintf(dst, WORKER_URL_MAX, "%s://%s", w->owner->params.tls ? "https" : "http",
             config_addr_text(&addr, text, sizeof text));
    return dst;
}

struct judge *workers_judge(struct workers *ws)
{
    return &ws->judge;
}

/* ---- logs ---- */

static bool is_log_of_one(void *arg, const char *path)
{
    const struct workers *ws = arg;
    const struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    if (str_eq(w->log_path, path))
        return true;
    return false;
}

void workers_tidy_logs(struct workers *ws)
{
    if (++ws->n_logs < WORKERS_LOGS_EACH)
        return;
    ws->n_logs = 0;
    home_tidy_logs(ws->logs_dir, is_log_of_one, ws);
}

/* ---- life of a record ---- */

static void free_waiters(struct worker *w)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&w->waiters))) {
        TAILQ_REMOVE(&w->waiters, waiter, link);
        free(waiter);
    }
}

void worker_free(struct worker *w)
{
    leftover_leave(w->owner->params.base, &w->child);
    TAILQ_REMOVE(&w->owner->all, w, link);
    judge_cancel(w->judging);
    worker_release(w);
    free_waiters(w);
    api_error_done(&w->error);
    json_decref(w->log_tail);
    free(w->kept);
    free(w->model_ref);
    free(w->model_path);
    free(w->moved_path);
    free(w->log_path);
    free(w->cgroup);
    free(w);
}
