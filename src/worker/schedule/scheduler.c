/* scheduler.c - what comes in, what waits, what runs; see scheduler.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/thread.h"
#include "worker/jobs/dialog.h"
#include "worker/jobs/intake_text.h"
#include "worker/jobs/job.h"
#include "worker/sandbox/thread.h"
#include "worker/schedule/scheduler_internal.h"

#define LOOK_MS 250 /* from one look at the model's files to the next, while jobs run */

/* ---- what comes in ------------------------------------------------------- */

/* From the intake's thread. */
static void accept_job(void *arg, struct job *j)
{
    struct scheduler *s = arg;

    atomic_fetch_add(&s->params.board->engine_queued, 1);
    pthread_mutex_lock(&s->lock);
    job_list_put(&s->inbox, j);
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* From the intake's thread. */
static void note_changed_file(void *arg)
{
    struct scheduler *s = arg;

    pthread_mutex_lock(&s->lock);
    s->changed_file = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_submit(struct scheduler *s, struct job *j)
{
    atomic_store(&s->params.board->last_activity_ms, clock_ms());
    intake_put(job_is_question(j) ? s->questions : s->intake, j);
}

void scheduler_end_early(struct scheduler *s, struct job *j, enum job_wish wish)
{
    job_wish_end(j, wish);
    intake_sweep(job_is_question(j) ? s->questions : s->intake);
}

/* Ends all that runs, loading too; returns at once. */
static void stop(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    if (s->engine)
        engine_stop(s->engine);
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

uint64_t scheduler_steps(struct scheduler *s)
{
    uint64_t steps;

    pthread_mutex_lock(&s->lock);
    steps = s->engine ? engine_steps(s->engine) : 0;
    pthread_mutex_unlock(&s->lock);
    return steps;
}

bool scheduler_collect(struct scheduler *s, int64_t until_ms)
{
    bool stopping, in_time = until_ms > 0;

    pthread_mutex_lock(&s->lock);
    while (in_time && !s->stopping && !s->changed_file && !s->inbox.first)
        in_time = thread_cond_wait(&s->changed, &s->lock, until_ms);
    job_list_join(&s->waiting, &s->inbox);
    if (s->changed_file)
        s->looked_ms = 0;
    s->changed_file = false;
    stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

void scheduler_publish_engine(struct scheduler *s, struct engine *engine)
{
    pthread_mutex_lock(&s->lock);
    s->engine = engine;
    if (engine && s->stopping)
        engine_stop(engine);
    pthread_mutex_unlock(&s->lock);
}

/* ---- those that wait ----------------------------------------------------- */

/* So many of those that waited do so no longer. */
static void note_left(struct scheduler *s, uint32_t n)
{
    atomic_fetch_sub(&s->params.board->engine_queued, n);
}

/* One of those that waited is over. */
static void end_waiting(struct scheduler *s, struct job *j)
{
    note_left(s, 1);
    job_close(j);
    outbox_end(s->params.outbox, j);
}

/* Ends those of the waiting jobs that `ends` is true of: they are over then. */
static void sweep_waiting(struct scheduler *s, bool (*ends)(const struct scheduler *, struct job *))
{
    struct job_list kept = {0};
    struct job *j;

    while ((j = job_list_take(&s->waiting))) {
        if (ends(s, j))
            end_waiting(s, j);
        else
            job_list_put(&kept, j);
    }
    s->waiting = kept;
    outbox_flush(s->params.outbox);
}

static bool ends_by_wish(const struct scheduler *s, struct job *j)
{
    (void)s;
    if (job_wished(j))
        job_end_early(j, job_wished(j));
    return j->over;
}

void scheduler_sweep_wished(struct scheduler *s)
{
    sweep_waiting(s, ends_by_wish);
}

static bool ends_by_limit(const struct scheduler *s, struct job *j)
{
    return queue_limit_ends(&s->limit, j);
}

static bool may_start(const struct scheduler *s)
{
    return s->waiting.first &&
           (s->embeds.engine ? embed_pass_has_room(&s->embeds) : pass_has_room(&s->pass));
}

/* How many were put into slots. */
static uint32_t start_waiting(struct scheduler *s)
{
    uint32_t n = 0;

    for (; may_start(s); n++) {
        if (s->embeds.engine)
            embed_pass_add(&s->embeds, job_list_take(&s->waiting));
        else
            pass_add(&s->pass, job_list_take(&s->waiting));
    }
    return n;
}

/* Each of the waiting jobs fails with the same error. */
static void fail_waiting(struct scheduler *s, enum api_code code, const char *text)
{
    struct job *j;

    while ((j = job_list_take(&s->waiting))) {
        if (job_wished(j))
            job_end_early(j, job_wished(j));
        else
            job_fail(j, code, "%s", text);
        end_waiting(s, j);
    }
    outbox_flush(s->params.outbox);
}

/* ---- the thread ---------------------------------------------------------- */

/* Drops to `to` only from `from`: the loop may have set BOARD_DRAINING meanwhile. */
static void change_state(struct board *b, uint32_t from, uint32_t to)
{
    atomic_compare_exchange_strong(&b->state, &from, to);
}

static uint32_t n_running(const struct scheduler *s)
{
    return s->pass.n_running + s->embeds.n_running;
}

/* What it does for itself, as packing weights, is no activity: by that the hive would take it for
 * used before anybody has come. */
static void show_work(struct scheduler *s, bool for_others)
{
    struct board *b = s->params.board;

    atomic_store(&b->tokens_out, s->pass.tokens_out);
    atomic_store(&b->steps, engine_steps(s->engine));
    if (for_others)
        atomic_store(&b->last_activity_ms, clock_ms());
    atomic_store(&b->slots_busy, n_running(s));
}

static bool is_idle(const struct scheduler *s)
{
    return n_running(s) == 0 && !s->waiting.first;
}

/* One pass for all that run; there must be a job. */
static void run_pass(struct scheduler *s)
{
    struct board *b = s->params.board;
    uint64_t begun_ns = clock_ns();

    if (s->pass.n_running)
        pass_run(&s->pass);
    else
        embed_pass_run(&s->embeds);
    pace_learn(&s->pace, clock_ns() - begun_ns);
    atomic_store(&b->pass_p99_ms, pace_p99_ms(&s->pace));
    atomic_fetch_add(&b->passes, 1);
}

/* The model's files, where it is time to look at them; as lookout_check. What runs does not wait
 * for the answer. */
static int look(struct scheduler *s, struct err *err)
{
    bool begins = may_start(s);
    int64_t now = clock_ms();

    if (!begins && s->looked_ms && now - s->looked_ms < LOOK_MS)
        return 0;
    s->looked_ms = now;
    return lookout_check(s->lookout, begins ? LOOKOUT_WAIT_MS : 0, err);
}

/* 0 when it was told to stop; else the model's files have changed. */
static int work(struct scheduler *s, struct err *err)
{
    uint32_t n_started;
    bool had_jobs; /* in this turn, or at its beginning: a job that was wished to end is among them
                    */

    s->limit.open_ms = clock_ms();
    while (!scheduler_collect(s, is_idle(s) ? tuning_due_ms(&s->tuning) : 0)) {
        had_jobs = n_running(s) > 0;
        pass_sweep(&s->pass);
        embed_pass_sweep(&s->embeds);
        scheduler_sweep_wished(s);
        if (look(s, err))
            return ERR_IO;
        n_started = start_waiting(s);
        had_jobs = had_jobs || n_running(s) > 0;
        show_work(s, had_jobs);
        note_left(s, n_started); /* behind it: there is no moment in which nobody has them */
        sweep_waiting(s, ends_by_limit); /* those for whom there is no slot: not before that */
        if (n_running(s))
            run_pass(s);
        if (n_running(s) == 0) {
            show_work(s, had_jobs);
            outbox_flush(s->params.outbox);
        }
        tuning_go_on(&s->tuning, s->engine, n_running(s) > 0);
    }
    return 0;
}

/* Loading failed, or the file did later: whoever is there or comes is told so until the process
 * ends. */
static void refuse_all(struct scheduler *s, enum api_code code, const char *text)
{
    board_fail(s->params.board, api_error_info(code)->code, text);
    outbox_load(s->params.outbox, LOAD_FAILED, NULL);
    outbox_flush(s->params.outbox);
    intake_close(s->intake, code, text);
    intake_close(s->questions, code, text);
    pass_fail_all(&s->pass, code, text);
    embed_pass_fail_all(&s->embeds, code, text);
    atomic_store(&s->params.board->slots_busy, 0);
    do
        fail_waiting(s, code, text);
    while (!scheduler_collect(s, INT64_MAX));
}

static void tidy_up(struct scheduler *s)
{
    struct engine *engine = s->engine;

    intake_free(s->intake);
    intake_free(s->questions);
    scheduler_collect(s, 0);
    fail_waiting(s, API_WORKER_CRASHED, "The worker was asked to end before the answer was begun.");
    if (s->pass.engine)
        pass_end_all(&s->pass);
    embed_pass_end_all(&s->embeds);
    pass_done(&s->pass);
    embed_pass_done(&s->embeds);
    outbox_flush(s->params.outbox);
    scheduler_publish_engine(s, NULL);
    engine_free(engine);
    dialog_free(s->dialog);
    lookout_free(s->lookout); /* may take for ever: see scheduler_free */
    engine_model_close(s->model);
}

static void *scheduler_main(void *arg)
{
    struct scheduler *s = arg;
    char text[ERR_TEXT_MAX];
    enum api_code code;
    struct err err;
    int rc;

    change_state(s->params.board, BOARD_STARTING, BOARD_LOADING);
    rc = scheduler_load(s, &code, &err);
    if (rc == 0) {
        change_state(s->params.board, BOARD_LOADING, BOARD_READY);
        outbox_load(s->params.outbox, LOAD_DONE, NULL);
        outbox_flush(s->params.outbox);
        rc = work(s, &err);
        code = API_WORKER_CRASHED;
        if (rc)
            intake_changed_text(&err, text);
    } else {
        str_copy(text, sizeof text, err.text);
    }
    if (rc && rc != ERR_CANCELLED)
        refuse_all(s, code, text);
    tidy_up(s);
    return NULL;
}

int scheduler_create(const struct scheduler_params *params, struct scheduler **out, struct err *err)
{
    struct scheduler *s = calloc(1, sizeof *s);
    int rc;

    if (!s)
        return err_no_memory(err, sizeof *s, "the worker's scheduler");
    s->params = *params;
    s->limit = (struct queue_limit){.limit_ms = params->queue_limit_ms, .board = params->board};
    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->changed);
    atomic_store(&params->board->slots_total, params->engine.n_slots);
    rc = intake_create(params->outbox, &params->board->intake[BOARD_PROMPTS], accept_job,
                       note_changed_file, s, &s->intake, err);
    if (rc == 0)
        rc = intake_create(params->outbox, &params->board->intake[BOARD_QUESTIONS], accept_job,
                           note_changed_file, s, &s->questions, err);
    if (rc == 0 && worker_thread_start(&s->thread, scheduler_main, s))
        rc = err_errno(err, ERR_IO, EAGAIN, "cannot start the engine's thread");
    if (rc) {
        intake_free(s->questions);
        intake_free(s->intake);
        free(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* Asked again and again: pthread_timedjoin_np goes by the calendar, and would wait for hours where
 * that is set back meanwhile; what has another clock, the thread sanitizer does not know. */
static bool join_within(pthread_t thread, int64_t timeout_ms)
{
    int64_t until = clock_ms() + timeout_ms;

    while (pthread_tryjoin_np(thread, NULL)) {
        if (clock_ms() >= until)
            return false;
        clock_sleep_ms(1);
    }
    return true;
}

int scheduler_free(struct scheduler *s, int64_t timeout_ms)
{
    if (!s)
        return 0;
    stop(s);
    if (!join_within(s->thread, timeout_ms))
        return -1;
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return 0;
}

const struct scheduler_facts *scheduler_facts(const struct scheduler *s)
{
    return &s->facts;
}
