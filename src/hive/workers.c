/* workers.c - see workers.h: the registry and the way from an ask to a running worker. */
#include "hive/workers.h"

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
#include "hive/machine.h"
#include "hive/plan.h"
#include "hive/programs.h"
#include "hive/reply.h"
#include "hive/workers_internal.h"
#include "net/http_client.h"

int workers_create(const struct workers_params *params, struct workers **out, struct err *err)
{
    struct workers *ws = calloc(1, sizeof *ws);
    int lease[2], rc;

    if (!ws)
        return err_no_memory(err, sizeof *ws, "the list of workers");
    ws->params = *params;
    TAILQ_INIT(&ws->all);
    ws->lease_read = ws->lease_write = -1;
    ws->logs_dir = str_dup(params->logs_dir);
    if (!ws->logs_dir)
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

void workers_free(struct workers *ws)
{
    struct worker *w;

    if (!ws)
        return;
    while ((w = TAILQ_FIRST(&ws->all)))
        worker_free(w);
    if (ws->tick)
        event_free(ws->tick);
    if (ws->lease_read >= 0)
        close(ws->lease_read);
    if (ws->lease_write >= 0)
        close(ws->lease_write);
    free(ws->logs_dir);
    free(ws);
}

bool worker_is_alive(const struct worker *w)
{
    return w->phase != WORKER_DEAD;
}

enum board_state worker_board_state(const struct worker *w)
{
    return w->board ? (enum board_state)atomic_load_explicit(&w->board->state, memory_order_acquire)
                    : BOARD_STARTING;
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
    return w->phase == WORKER_RUNNING && !w->has_fate && w->ready_ms == 0;
}

const char *worker_log_path(const struct worker *w)
{
    return w->log_path;
}

const char *worker_own_url(const struct worker *w, char dst[WORKER_URL_MAX])
{
    struct config_addr addr = w->owner->params.addr;
    char text[CONFIG_HOST_MAX + 9];

    if (str_eq(addr.host, "0.0.0.0"))
        str_copy(addr.host, sizeof addr.host, "127.0.0.1");
    if (str_eq(addr.host, "::"))
        str_copy(addr.host, sizeof addr.host, "::1");
    addr.port = w->port;
    snprintf(dst, WORKER_URL_MAX, "%s://%s", w->owner->params.tls ? "https" : "http",
             config_addr_text(&addr, text, sizeof text));
    return dst;
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
    if (w->child.pidfd >= 0) {
        child_signal(&w->child, SIGKILL);
        child_reap(&w->child);
    }
    TAILQ_REMOVE(&w->owner->all, w, link);
    inspect_cancel(w->inspect);
    worker_release(w);
    free_waiters(w);
    api_error_done(&w->error);
    json_decref(w->log_tail);
    free(w->model_ref);
    free(w->model_path);
    free(w->log_path);
    free(w->program);
    free(w);
}

static struct worker *make_worker(struct workers *ws, const struct launch *l)
{
    const struct config *c = ws->params.config;
    struct worker *w = calloc(1, sizeof *w);
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
    w->slots = l->slots ? l->slots : config_int(c, "hive", "slots");
    w->ctx = l->ctx ? l->ctx : config_int(c, "hive", "ctx");
    w->ctx_asked = l->ctx != 0;
    w->keep_alive_ms =
        l->keep_alive_given ? l->keep_alive_ms : config_duration_ms(c, "hive", "keep_alive");
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

/* ---- launching ---- */

/* What may be shared: the same model at the same place, and able to take work now or soon. */
static struct worker *find_usable(struct workers *ws, const struct launch *l)
{
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    {
        enum board_state state = worker_board_state(w);

        if ((w->phase == WORKER_PREPARING || w->phase == WORKER_RUNNING) && !w->has_fate &&
            state != BOARD_DRAINING && state != BOARD_FAILED &&
            str_eq(w->model_ref, l->model_ref) && str_eq(w->backend, l->backend) &&
            w->device == l->device)
            return w;
    }
    return NULL;
}

/* The milliseconds for which this model is not to be tried again, 0 when it may. */
static int64_t cooling_ms(struct workers *ws, const struct launch *l, const struct worker **why)
{
    int64_t now = clock_ms(), longest = 0;
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    {
        int64_t left = w->dead_ms + WORKERS_RETRY_MS - now;

        if (w->phase == WORKER_DEAD && w->died_loading && left > longest &&
            str_eq(w->model_ref, l->model_ref) && str_eq(w->backend, l->backend) &&
            w->device == l->device) {
            longest = left;
            *why = w;
        }
    }
    return longest;
}

static int check_memory(const struct worker *w, const struct model_facts *facts,
                        struct api_error *e)
{
    struct plan_need need;
    struct err err = {0};
    uint64_t total, free_bytes;
    bool kv_q8_0 = str_eq(config_text(w->owner->params.config, "hive", "kv_type"), "q8_0");
    int rc = plan_memory(facts, (uint64_t)w->slots, (uint64_t)w->ctx, kv_q8_0, &need, &err);

    machine_memory(&total, &free_bytes);
    if (rc == 0 && total) /* 0 = the kernel does not tell */
        rc = plan_fits(&need, free_bytes, &err);
    if (rc == 0)
        return 0;
    api_error_set(e, API_INSUFFICIENT_MEMORY, REPLY_SRC, "%.300s: %s", w->model_ref, err.text);
    if (rc == ERR_NO_MEMORY)
        e->details = json_pack("{s:I, s:I}", "need_bytes", (json_int_t)need.total_bytes,
                               "have_bytes", (json_int_t)free_bytes);
    return -1;
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

/* The model can be run: start the process where it fits, or say why not. */
static void on_judged(struct worker *w, const struct model_facts *facts)
{
    struct api_error error = {0};

    if (check_context(w, facts, &error) || check_memory(w, facts, &error) ||
        worker_start(w, &error))
        give_up(w, &error);
    else
        answer_waiters(w, NULL);
}

/* The model's file was looked into. A split one is not remembered: only its first part is known. */
static void on_inspected(void *arg, const struct inspect_result *r)
{
    struct worker *w = arg;

    w->inspect = NULL;
    if (r->error) {
        struct api_error error = *r->error;

        *r->error = (struct api_error){0};
        give_up(w, &error);
        return;
    }
    if (w->has_verdict_key && r->facts.n_parts == 1)
        verdicts_put(&w->owner->verdicts, &w->verdict_key, w->program, w->model_path, &r->facts);
    on_judged(w, &r->facts);
}

static int begin(struct worker *w, struct api_error *e)
{
    const struct model_facts *known;
    struct workers *ws = w->owner;
    struct err err;

    if (programs_find_worker(config_text(ws->params.config, "hive", "worker"), &w->program, &err)) {
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC, "%s", err.text);
        e->details = json_pack("{s:s}", "hint",
                               "Install llm-worker-rbee beside rbee-hive, or name it with --worker "
                               "or [hive] worker in config.ini.");
        return -1;
    }
    w->has_verdict_key = verdict_key_of(w->program, w->model_path, &w->verdict_key);
    known = w->has_verdict_key ? verdicts_find(&ws->verdicts, &w->verdict_key) : NULL;
    if (known) {
        on_judged(w, known);
        return 0;
    }
    return inspect_start(ws->params.base, w->program, w->model_path, on_inspected, w, &w->inspect,
                         e);
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

/* May a new one be started at all? 0, or -1 with *e. */
static int may_start(struct workers *ws, const struct launch *l, struct api_error *e,
                     int *retry_after_s)
{
    const struct worker *why = NULL;
    int64_t left_ms = cooling_ms(ws, l, &why);

    if (ws->closed) {
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC, "the hive is about to end");
        return -1;
    }
    if (left_ms > 0) {
        *retry_after_s = (int)((left_ms + 999) / 1000);
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                      "the last worker for %.200s failed while it loaded, and the next one may "
                      "start in %d s: %s",
                      l->model_ref, *retry_after_s, why->error.message);
        e->details = json_pack("{s:s, s:s}", "worker_id", why->id, "cause",
                               api_error_info(why->error.code)->code);
        return -1;
    }
    if (workers_n_alive(ws) >= WORKERS_MAX) {
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                      "there are %d workers already, which is the limit", WORKERS_MAX);
        return -1;
    }
    return 0;
}

void workers_launch(struct workers *ws, const struct launch *l,
                    void (*done)(void *arg, const struct worker *w, struct api_error *e,
                                 int retry_after_s),
                    void *arg)
{
    struct worker *w = l->fresh ? NULL : find_usable(ws, l);
    struct api_error error = {0};
    int retry_after_s = 0, rc = 0;

    if (w) {
        w->asked_ms = clock_ms();
        if (l->keep_alive_given)
            w->keep_alive_ms = l->keep_alive_ms;
        if (w->phase == WORKER_RUNNING) {
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
            rc = begin(w, &error);
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
