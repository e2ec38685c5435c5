/* intake.c - see intake.h. */
#include "worker/schedule/intake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "worker/jobs/embedding.h"
#include "worker/jobs/intake_text.h"
#include "worker/jobs/job.h"
#include "worker/jobs/job_list.h"
#include "worker/jobs/outbox.h"
#include "worker/sandbox/lookout.h"
#include "worker/sandbox/thread.h"

struct intake {
    _Atomic uint64_t *turns; /* odd while it has a job */
    struct outbox *outbox;
    void (*accept)(void *arg, struct job *j);
    void (*changed_file)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct job_list jobs;
    struct intake_model with; /* its model is NULL until open */
    bool closed, ending;
    enum api_code refusal_code; /* with closed */
    char refusal[ERR_TEXT_MAX];
};

static void return_job(struct intake *in, struct job *j)
{
    job_close(j);
    outbox_end(in->outbox, j);
    outbox_flush(in->outbox);
}

void intake_changed_text(const struct err *why, char text[ERR_TEXT_MAX])
{
    snprintf(text, ERR_TEXT_MAX,
             "The model's file was changed while this worker had it loaded: %.400s.", why->text);
}

/* The vocabulary is in the file. False when that has changed: the job is over, with its error. */
static bool file_stands(struct intake *in, const struct intake_model *with, struct job *j)
{
    char text[ERR_TEXT_MAX];
    struct err why;

    if (lookout_check(with->lookout, LOOKOUT_WAIT_MS, &why) == 0)
        return true;
    intake_changed_text(&why, text);
    job_fail(j, API_WORKER_CRASHED, "%s", text);
    in->changed_file(in->arg);
    return false;
}

/* Outside the lock: the model does not change any more. */
static void take_in(struct intake *in, const struct intake_model *with, struct job *j)
{
    if (job_wished(j))
        job_end_early(j, job_wished(j));
    else if (!file_stands(in, with, j))
        BUG_ON(!j->over);
    else if (embedding_refuses(with, j))
        BUG_ON(!j->over);
    else if (j->kind == JOB_EMBEDDING)
        embedding_take_in(with, j);
    else if (job_is_question(j))
        intake_answer(with, j);
    else if (intake_prompt(with, j))
        BUG_ON(!j->over);
    else if (j->n_tokens == 0)
        job_fail(j, API_INVALID_REQUEST, "The prompt has no tokens in this model's vocabulary.");
    else if (job_wished(j)) /* while its prompt was made into tokens */
        job_end_early(j, job_wished(j));
    else if (outbox_started(in->outbox, j))
        job_fail(j, API_INTERNAL, "There was no memory left for the answer.");
    if (j->over) {
        return_job(in, j);
        return;
    }
    outbox_flush(in->outbox);
    in->accept(in->arg, j);
}

/* Under the lock: waits until there is something to do; the next job, or NULL at the end. */
static struct job *next_job(struct intake *in)
{
    while (!in->ending && !(in->jobs.first && (in->with.model || in->closed)))
        pthread_cond_wait(&in->changed, &in->lock);
    return job_list_take(&in->jobs);
}

/* Under the lock. */
static void refuse_closed(struct intake *in, struct job *j)
{
    if (job_wished(j))
        job_end_early(j, job_wished(j));
    else
        job_fail(j, in->refusal_code, "%s", in->refusal);
}

static void *intake_main(void *arg)
{
    struct intake *in = arg;
    struct job *j;

    pthread_mutex_lock(&in->lock);
    while ((j = next_job(in))) {
        struct intake_model with = in->with;
        bool closed = in->closed;

        if (closed)
            refuse_closed(in, j);
        pthread_mutex_unlock(&in->lock);
        atomic_fetch_add(in->turns, 1);
        if (!closed)
            take_in(in, &with, j);
        else
            return_job(in, j);
        atomic_fetch_add(in->turns, 1);
        pthread_mutex_lock(&in->lock);
    }
    pthread_mutex_unlock(&in->lock);
    return NULL;
}

int intake_create(struct outbox *outbox, _Atomic uint64_t *turns,
                  void (*accept)(void *arg, struct job *j), void (*changed)(void *arg), void *arg,
                  struct intake **out, struct err *err)
{
    struct intake *in = calloc(1, sizeof *in);
    int rc;

    if (!in)
        return err_no_memory(err, sizeof *in, "the worker's intake");
    in->outbox = outbox;
    in->turns = turns;
    in->accept = accept;
    in->changed_file = changed;
    in->arg = arg;
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->changed, NULL);
    rc = worker_thread_start(&in->thread, intake_main, in);
    if (rc) {
        free(in);
        return err_errno(err, ERR_IO, rc, "cannot start the intake's thread");
    }
    *out = in;
    return 0;
}

void intake_open(struct intake *in, const struct intake_model *with)
{
    pthread_mutex_lock(&in->lock);
    in->with = *with;
    pthread_cond_signal(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

void intake_put(struct intake *in, struct job *j)
{
    pthread_mutex_lock(&in->lock);
    job_list_put(&in->jobs, j);
    pthread_cond_signal(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

void intake_sweep(struct intake *in)
{
    struct job_list kept = {0};
    struct job *j;

    pthread_mutex_lock(&in->lock);
    while ((j = job_list_take(&in->jobs))) {
        if (!job_wished(j)) {
            job_list_put(&kept, j);
            continue;
        }
        job_end_early(j, job_wished(j));
        outbox_end(in->outbox, j);
    }
    in->jobs = kept;
    pthread_mutex_unlock(&in->lock);
    outbox_flush(in->outbox);
}

/* Under the lock; the first reason stays. */
static void close_intake(struct intake *in, enum api_code code, const char *text)
{
    if (!in->closed) {
        in->closed = true;
        in->refusal_code = code;
        str_copy(in->refusal, sizeof in->refusal, text);
    }
    pthread_cond_signal(&in->changed);
}

void intake_close(struct intake *in, enum api_code code, const char *text)
{
    pthread_mutex_lock(&in->lock);
    close_intake(in, code, text);
    pthread_mutex_unlock(&in->lock);
}

void intake_free(struct intake *in)
{
    if (!in)
        return;
    pthread_mutex_lock(&in->lock);
    in->ending = true;
    close_intake(in, API_WORKER_CRASHED, "The worker was asked to end.");
    pthread_mutex_unlock(&in->lock);
    pthread_join(in->thread, NULL);
    pthread_cond_destroy(&in->changed);
    pthread_mutex_destroy(&in->lock);
    free(in);
}
