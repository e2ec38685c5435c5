/*
 * worker_watch.c - the periodic look at the workers: readiness, load limit, failure, idleness,
 * health.
 *
 * The boards are memory, so a look four times a second costs nothing; the timer runs only while
 * there is a worker.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>

#include "api/addressee.h"
#include "base/clock.h"
#include "base/log.h"
#include "hive/disk/logrotate.h"
#include "hive/process/port.h"
#include "hive/process/procfs.h"
#include "hive/workers/workers_internal.h"
#include "net/http_client.h"

#define TICK_MS         250
#define HEALTH_BODY_MAX 4096
#define OOM_LOOK_MS     1000

static void schedule(struct workers *ws)
{
    const struct timeval soon = {.tv_usec = TICK_MS * 1000};

    ws->tick_due_ms = clock_ms() + TICK_MS;
    ws->ticking = evtimer_add(ws->tick, &soon) == 0;
}

/* ---- health ---- */

static void strike(struct worker *w, const char *why)
{
    w->strikes++;
    log_warn("%s did not answer its health check (%u of %d): %s", w->id, w->strikes,
             WORKERS_HEALTH_STRIKES, why);
    if (w->strikes >= WORKERS_HEALTH_STRIKES)
        worker_kill(
            w, API_WORKER_STALLED,
            "the worker for %.200s %sdid not answer %d health checks in a row and was ended",
            w->model_ref,
            w->state == WORKER_SUSPENDED ? "had been stopped by a signal (SIGSTOP), " : "",
            WORKERS_HEALTH_STRIKES);
}

/*
 * The cable was pulled, a VPN ended, DHCP gave another address: workers are reached by the hive's
 * own address, and without that a healthy one cannot be told from one that hangs. Told once.
 */
static bool is_address_gone(struct workers *ws)
{
    const char *host = workers_own_host(ws);

    if (port_is_here(host))
        return false;
    if (!ws->address_gone)
        log_warn("the hive's own address %s is gone: until it is back nobody reaches its workers, "
                 "and they are not asked for their health",
                 host);
    ws->address_gone = true;
    return true;
}

static void see_answer(struct worker *w)
{
    w->strikes = 0;
    if (w->owner->address_gone)
        log_info("the hive's own address %s is back", workers_own_host(w->owner));
    w->owner->address_gone = false;
}

static void on_health(void *arg, int rc, const struct http_response *response,
                      const struct err *err)
{
    struct worker *w = arg;
    char why[64];

    w->health = NULL;
    /* The hive could not ask, or not take the answer: nothing against the worker. */
    if (rc == ERR_BUSY || rc == ERR_NO_MEMORY) {
        log_warn("%s cannot be asked for its health: %s", w->id, err->text);
        return;
    }
    if (rc && is_address_gone(w->owner))
        return;
    /* 503: all its places for connections are taken. It is its loop that says so: it turns. */
    if (rc == 0 && (response->status == 200 || response->status == 503)) {
        see_answer(w);
        return;
    }
    snprintf(why, sizeof why, "status %d", rc == 0 ? response->status : 0);
    strike(w, rc ? err->text : why);
}

static void ask_health(struct worker *w, int64_t now)
{
    const struct workers_params *p = &w->owner->params;
    char base_url[WORKER_URL_MAX], url[WORKER_URL_MAX + 16];
    char named[ADDRESSEE_LINE_MAX];
    const char *const headers[] = {addressee_line(named, w->id), NULL};
    int64_t interval = config_duration_ms(p->config, "hive", "health_interval");
    int64_t limit = interval < WORKERS_HEALTH_LIMIT_MS ? interval : WORKERS_HEALTH_LIMIT_MS;
    struct http_call_params call = {.url = url,
                                    .headers = headers,
                                    .body_max = HEALTH_BODY_MAX,
                                    .connect_timeout_ms = limit,
                                    .timeout_ms = limit,
                                    .arg = w,
                                    .on_done = on_health};
    struct err err;

    if (interval <= 0 || now < w->next_health_ms || w->health)
        return;
    w->next_health_ms = now + interval;
    snprintf(url, sizeof url, "%s/v1/health", worker_own_url(w, base_url));
    if (http_call_start(p->client, &call, &w->health, &err))
        log_warn("%s cannot be asked for its health: %s", w->id, err.text);
}

/* ---- loading and failing ---- */

/* The time since the last look, of which no more was seen than stall.h's first rule says: a hive
 * that stood still, maybe its workers with it (a container that is paused, a machine that slept),
 * lays that at nobody's door. */
static int64_t time_seen_ms(struct worker *w, int64_t now)
{
    int64_t ms = now - (w->looked_ms ? w->looked_ms : w->started_ms);

    w->looked_ms = now;
    return ms < STALL_LOOK_MS ? ms : STALL_LOOK_MS;
}

static void check_load(struct worker *w, int64_t seen_ms)
{
    int64_t limit = config_duration_ms(w->owner->params.config, "hive", "load_timeout");

    w->loading_ms += seen_ms;
    if (limit <= 0 || w->loading_ms < limit)
        return;
    worker_kill(
        w, API_LOADING_TIMEOUT,
        "%.200s was not loaded within %lld s (%llu of %llu bytes were read)%s", w->model_ref,
        (long long)(limit / 1000), (unsigned long long)atomic_load(&w->board->bytes_loaded),
        (unsigned long long)atomic_load(&w->board->bytes_total),
        w->state == WORKER_SUSPENDED ? "; its worker had been stopped by a signal (SIGSTOP)" : "");
}

/* It has said why, and should have ended by itself. */
static void check_failed(struct worker *w, int64_t seen_ms)
{
    struct api_error e;

    w->failed_ms += seen_ms;
    if (w->failed_ms < WORKERS_FAILED_MS)
        return;
    log_warn("%s has failed and does not end: it is killed", w->id);
    worker_board_error(w, &e);
    worker_kill(w, e.code, "%s", e.message);
    api_error_done(&e);
}

/* ---- steps ---- */

/* SIGSTOP and SIGCONT are somebody else's doing: noted, and undone by nobody here. */
static void see_stopped(struct worker *w, bool stopped)
{
    if (stopped && w->state != WORKER_SUSPENDED) {
        worker_move(w, WORKER_SUSPEND);
        log_warn("%s was stopped by a signal (process %ld)", w->id, (long)w->child.pid);
    } else if (!stopped && w->state == WORKER_SUSPENDED) {
        worker_move(w, WORKER_RESUME);
        log_info("%s goes on", w->id);
    }
}

/* False when it was condemned, as one that is not done with a text. */
static bool check_intakes(struct worker *w, const struct stall_look *seen, int64_t floor_ms)
{
    for (int i = 0; i < BOARD_N_INTAKES; i++) {
        struct stall *s = &w->intakes[i];
        struct stall_look look = *seen;

        look.p99_ms = 0;
        look.steps = atomic_load(&w->board->intake[i]);
        look.has_work = look.steps & 1;
        if (stall_judge(s, &look, floor_ms) != STALL_STUCK)
            continue;
        worker_kill_stuck(w, "was not done with reading a text", s->silent_ms,
                          stall_limit_ms(s, floor_ms));
        return false;
    }
    return true;
}

static bool is_reading(const struct board *b)
{
    return (atomic_load(&b->intake[BOARD_PROMPTS]) | atomic_load(&b->intake[BOARD_QUESTIONS])) & 1;
}

/* While its steps stand still. Where its threads are hidden it wants to run if it has run. */
static void see_threads(const struct worker *w, struct stall_look *seen)
{
    struct procfs_threads threads = procfs_threads(w->child.pid);

    seen->on_disk = threads.on_disk;
    seen->runnable = threads.runnable || (threads.hidden && seen->cpu_ms != w->stall.last.cpu_ms);
}

/* What the kernel tells of its process. False: it has ended, or was condemned for its threads. Of
 * one that is hidden nothing is told, and its silence counts as it is. */
static bool see_process(struct worker *w, struct stall_look *seen)
{
    struct procfs_stat st;

    if (!w->process)
        return true;
    if (procfs_look(w->process, &st))
        return false;
    if (st.n_threads > PROCFS_THREADS_MAX) { /* more than a look has time for */
        worker_kill(w, API_WORKER_STALLED,
                    "the worker for %.200s has %u threads, which no worker needs, and was ended",
                    w->model_ref, st.n_threads);
        return false;
    }
    seen->stopped = st.state == 'T' || st.state == 't';
    seen->cpu_ms = st.cpu_ms;
    seen->n_reads = st.major_faults;
    if ((seen->has_work && seen->steps == w->stall.last.steps) || is_reading(w->board))
        see_threads(w, seen);
    see_stopped(w, seen->stopped);
    return true;
}

/* Looks at its process and its steps; false when it was condemned. */
static bool check_steps(struct worker *w, int64_t now)
{
    const struct board *b = w->board;
    int64_t floor_ms = config_duration_ms(w->owner->params.config, "hive", "stall_after");
    struct stall_look seen = {.now_ms = now,
                              .steps = atomic_load(&b->steps) + atomic_load(&b->passes),
                              .has_work = worker_has_work(w),
                              .p99_ms = atomic_load(&b->pass_p99_ms)};

    if (!see_process(w, &seen))
        return w->state != WORKER_CONDEMNED;
    if (stall_judge(&w->stall, &seen, floor_ms) != STALL_STUCK)
        return check_intakes(w, &seen, floor_ms);
    worker_kill_stuck(w, "had work and made no step", w->stall.silent_ms,
                      stall_limit_ms(&w->stall, floor_ms));
    return false;
}

static void check_log(struct worker *w)
{
    struct err err;
    bool rotated;

    if (logrotate_check(w->log_path, LOGROTATE_BYTES, LOGROTATE_KEPT, &rotated, &err))
        log_warn("the log of %s: %s", w->id, err.text);
}

static void look(struct worker *w, int64_t now)
{
    enum board_state state = worker_board_state(w);
    int64_t seen_ms = time_seen_ms(w, now);

    if (w->state == WORKER_CONDEMNED && w->kill_ms && now >= w->kill_ms) {
        w->kill_ms = 0;
        child_signal(&w->child, SIGKILL);
    }
    if (w->child.pidfd >= 0)
        check_log(w);
    if (!worker_state_runs(w->state))
        return;
    if (state == BOARD_DRAINING) { /* somebody else told it to end: it gets the time that ours do */
        log_info("%s ends by another's wish", w->id);
        worker_stop(w);
        return;
    }
    if (state == BOARD_FAILED) {
        check_failed(w, seen_ms);
        return;
    }
    ask_health(w, now);
    if (!worker_state_runs(w->state) || !check_steps(w, now))
        return;
    if (state == BOARD_STARTING || state == BOARD_LOADING)
        check_load(w, seen_ms); /* also of one that is stopped: its clients wait all the same */
    if (w->state == WORKER_SUSPENDED)
        return;
    if (state == BOARD_READY && w->state == WORKER_LOADING)
        worker_move(w, WORKER_IS_READY);
    if (state == BOARD_READY)
        worker_tell_use(w, WORKERS_USED_EVERY_MS);
    if (state == BOARD_READY && w->ready_ms == 0) {
        w->ready_ms = now;
        w->ready_activity_ms = atomic_load(&w->board->last_activity_ms);
        if (worker_is_unused(w)) /* what it did was to load */
            w->used_told_ms = worker_activity_ms(w, now);
        log_info("%s is ready after %lld ms", w->id, (long long)(now - w->started_ms));
    } else if (state == BOARD_READY && seen_ms < STALL_LOOK_MS &&
               worker_is_idle_too_long(w, now)) { /* a late look comes before those who asked */
        log_info("%s was idle for its keep-alive and is ended", w->id);
        worker_stop(w);
    }
}

/* Two samples, so that one of them is from before a death that is noticed now. */
static void count_oom_kills(struct workers *ws, int64_t now)
{
    if (now - ws->oom_ms < OOM_LOOK_MS)
        return;
    ws->oom_before = ws->oom_lately;
    ws->oom_lately = procfs_oom_kills();
    ws->oom_ms = now;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct workers *ws = arg;
    struct worker *w, *next;
    bool any = false, stranded = false;
    int64_t now = clock_ms();

    (void)fd;
    (void)what;
    count_oom_kills(ws, now);
    for (w = TAILQ_FIRST(&ws->all); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (w->state == WORKER_DEAD && now - w->dead_ms > WORKERS_DEAD_KEPT_MS) {
            worker_move(w, WORKER_FORGET);
            worker_free(w);
            continue;
        }
        any = true;
        look(w, now);
        if (worker_is_stranded(w, now) && worker_strand(w))
            stranded = true;
    }
    if (stranded)
        workers_room_freed(ws); /* it was not, and will not be: who waits for that has to know */
    workers_look_at_line(ws, now, clock_late_ms(ws->tick_due_ms) > 0);
    ws->ticking = false;
    workers_check_gone(ws);
    if (any)
        schedule(ws);
}

int workers_watch_create(struct workers *ws, struct err *err)
{
    ws->tick = evtimer_new(ws->params.base, on_tick, ws);
    return ws->tick ? 0 : err_no_memory(err, 128, "a timer");
}

void workers_watch_wake(struct workers *ws)
{
    if (ws->ticking)
        return;
    ws->oom_before = ws->oom_lately = procfs_oom_kills();
    schedule(ws);
}
