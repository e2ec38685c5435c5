/* fetch_job.c - see fetch_thread.h: one fetch in the thread, and what the asker is told of it. */
#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/fetch/fetch_thread_internal.h"
#include "hive/http/reply.h"

/* ---- the thread's side ---- */

/* The lock is held: there are news. */
static void note(struct fetch_job *job)
{
    if (!job->is_noted)
        post_put(job->t->home, &job->news);
    job->is_noted = true;
}

static void tell_bytes(struct fetch_job *job)
{
    job->told_ms = clock_ms();
    pthread_mutex_lock(&job->lock);
    note(job);
    pthread_mutex_unlock(&job->lock);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    tell_bytes(arg);
}

static void on_bytes(void *arg, uint64_t n_bytes, uint64_t n_new)
{
    struct fetch_job *job = arg;
    int64_t left_ms = job->told_ms + FETCH_NEWS_MS - clock_ms();
    const struct timeval soon = {.tv_usec = FETCH_NEWS_MS * 1000};

    pthread_mutex_lock(&job->lock);
    job->untold.has_bytes = true;
    job->untold.n_bytes = n_bytes;
    job->untold.n_new += n_new;
    pthread_mutex_unlock(&job->lock);
    if (left_ms <= 0)
        tell_bytes(job);
    else if (job->due && !event_pending(job->due, EV_TIMEOUT, NULL))
        evtimer_add(job->due, &soon);
}

static void on_told(void *arg, uint64_t size_bytes, const char *sha256)
{
    struct fetch_job *job = arg;

    pthread_mutex_lock(&job->lock);
    job->untold.has_told = true;
    job->untold.size_bytes = size_bytes;
    str_copy(job->untold.sha256, sizeof job->untold.sha256, sha256);
    note(job);
    pthread_mutex_unlock(&job->lock);
}

/* The other files of the flow may have the connection. */
static void on_free_stream(void *arg)
{
    struct fetch_job *self = arg, *job;

    LIST_FOREACH(job, &self->flow->jobs, in_flow)
    if (job != self)
        fetch_wake(job->fetch);
}

/* *e is taken over; NULL: all is well. */
static void tell_done(struct fetch_job *job, struct api_error *e)
{
    pthread_mutex_lock(&job->lock);
    job->untold.is_done = true;
    job->untold.failed = e != NULL;
    if (e) {
        job->untold.error = *e;
        *e = (struct api_error){0};
    }
    note(job);
    pthread_mutex_unlock(&job->lock);
}

/* The thread has nothing to do with it any more, but to say so; its fetch has ended, or ends now.
 */
static void let_go(struct fetch_job *job)
{
    if (job->fetch)
        LIST_REMOVE(job, in_flow); /* it is not woken by the streams it frees */
    job->fetch = NULL;
    if (job->due)
        event_free(job->due);
    job->due = NULL;
}

static void on_done(void *arg, struct api_error *e)
{
    struct fetch_job *job = arg;

    let_go(job);
    tell_done(job, e);
}

static void start(void *arg)
{
    struct fetch_job *job = arg;
    struct fetch_thread *t = job->t;
    struct fetch_params p = {.base = t->base,
                             .client = t->client,
                             .tasks = t->tasks,
                             .shared = &job->flow->shared,
                             .url = job->p.url,
                             .token = job->p.token,
                             .name = job->p.name,
                             .path = job->p.path,
                             .size_bytes = job->p.size_bytes,
                             .sha256 = job->p.sha256,
                             .stall_ms = t->stall_ms,
                             .arg = job,
                             .on_bytes = on_bytes,
                             .on_told = on_told,
                             .on_free_stream = on_free_stream,
                             .on_done = on_done};
    struct api_error e = {0};

    if (atomic_load(&job->is_unwanted))
        return;
    job->due = evtimer_new(t->base, on_due, job);
    if (!job->due)
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    if (job->due && fetch_start(&p, &job->fetch, &e) == 0) {
        LIST_INSERT_HEAD(&job->flow->jobs, job, in_flow);
    } else {
        let_go(job);
        tell_done(job, &e);
    }
}

static void cancel(void *arg)
{
    struct fetch_job *job = arg;
    struct fetch *f = job->fetch;

    let_go(job);
    fetch_cancel(f);
    if (path_is_gone(job->p.known_by))
        card_remove_file(job->p.path, NULL, NULL, NULL);
    pthread_mutex_lock(&job->lock);
    job->untold.is_cancelled = true;
    note(job);
    pthread_mutex_unlock(&job->lock);
}

/* ---- the asker's side ---- */

void fetch_job_free(struct fetch_job *job)
{
    LIST_REMOVE(job, in_thread);
    api_error_done(&job->untold.error);
    pthread_mutex_destroy(&job->lock);
    for (size_t i = 0; i < job->n_texts; i++)
        free(job->texts[i]);
    free(job);
}

static void end(struct fetch_job *job, struct fetch_news *news)
{
    struct fetch_job_params p = job->p;

    fetch_job_free(job);
    p.on_done(p.arg, news->failed ? &news->error : NULL);
    api_error_done(&news->error);
}

static void take_news(void *arg)
{
    struct fetch_job *job = arg;
    bool is_unwanted = atomic_load(&job->is_unwanted);
    struct fetch_news news;

    pthread_mutex_lock(&job->lock);
    news = job->untold;
    job->untold = (struct fetch_news){0};
    job->is_noted = false;
    pthread_mutex_unlock(&job->lock);
    if (news.is_cancelled)
        fetch_job_free(job);
    if (is_unwanted) {
        api_error_done(&news.error);
        return;
    }
    if (news.has_told)
        job->p.on_told(job->p.arg, news.size_bytes, news.sha256);
    if (news.has_bytes)
        job->p.on_bytes(job->p.arg, news.n_bytes, news.n_new);
    if (news.is_done)
        end(job, &news);
}

/* The job's own; NULL: it is none, or there is no memory (a text of `texts` is missing then). */
static const char *keep(struct fetch_job *job, const char *text)
{
    return text ? job->texts[job->n_texts++] = str_dup(text) : NULL;
}

static bool has_all(const struct fetch_job *job)
{
    for (size_t i = 0; i < job->n_texts; i++)
        if (!job->texts[i])
            return false;
    return true;
}

struct fetch_job *fetch_job_start(struct fetch_flow *flow, const struct fetch_job_params *params)
{
    struct fetch_job *job = calloc(1, sizeof *job);

    if (!job)
        return NULL;
    job->flow = flow;
    job->t = flow->t;
    job->p = *params;
    job->p.url = keep(job, params->url);
    job->p.token = keep(job, params->token);
    job->p.name = keep(job, params->name);
    job->p.path = keep(job, params->path);
    job->p.sha256 = keep(job, params->sha256);
    job->p.known_by = keep(job, params->known_by);
    job->start = (struct post_item){.fn = start, .arg = job};
    job->cancel = (struct post_item){.fn = cancel, .arg = job};
    job->news = (struct post_item){.fn = take_news, .arg = job};
    pthread_mutex_init(&job->lock, NULL);
    LIST_INSERT_HEAD(&flow->t->jobs, job, in_thread);
    if (!has_all(job)) {
        fetch_job_free(job);
        return NULL;
    }
    post_put(flow->t->post, &job->start);
    return job;
}

void fetch_job_cancel(struct fetch_job *job)
{
    if (!job)
        return;
    atomic_store(&job->is_unwanted, true);
    post_put(job->t->post, &job->cancel);
}
