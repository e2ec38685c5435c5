/*
 * fetch_thread.c - see fetch_thread.h: the thread, its loop, and the flows.
 *
 * Each side owns what it alone touches, as the structs say. A question goes to the thread as an
 * item in its post, an answer to the asker as one in `home`; both are parts of what they are about,
 * so sending cannot fail. What changes more often than it is looked at (a limit, bytes) is left in
 * a field under a lock, with one item that says that there is something.
 */
#include "hive/fetch/fetch_thread.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/thread.h"
#include "hive/fetch/fetch_thread_internal.h"
#include "hive/process/task.h"
#include "net/http_client.h"

#define STACK_BYTES (1u << 20) /* libcurl with TLS */

/* ---- flows, the thread's side ---- */

static void take_wishes(void *arg)
{
    struct fetch_flow *flow = arg;
    struct fetch_job *job;

    pthread_mutex_lock(&flow->lock);
    flow->is_noted = false;
    flow->rate.per_sec = flow->wanted_limit;
    flow->shared.per_fetch = flow->wanted_share;
    flow->shared.streams_left += (int)flow->wanted_connections - (int)flow->connections;
    flow->connections = flow->wanted_connections;
    pthread_mutex_unlock(&flow->lock);
    LIST_FOREACH(job, &flow->jobs, in_flow)
    fetch_rate_changed(job->fetch);
}

static void flow_gone(void *arg)
{
    struct fetch_flow *flow = arg;

    BUG_ON(!LIST_EMPTY(&flow->jobs));
    pthread_mutex_destroy(&flow->lock);
    free(flow);
}

/* ---- flows, the asker's side ---- */

struct fetch_flow *fetch_flow_create(struct fetch_thread *t, unsigned connections,
                                     uint64_t limit_per_sec)
{
    struct fetch_flow *flow = calloc(1, sizeof *flow);

    if (!flow)
        return NULL;
    flow->t = t;
    flow->rate = (struct rate){.per_sec = limit_per_sec, .above = t->rate};
    flow->shared = (struct fetch_shared){
        .streams_left = (int)connections, .per_fetch = 1, .rate = &flow->rate};
    flow->connections = connections;
    flow->wanted_limit = limit_per_sec;
    flow->wanted_share = 1;
    flow->wanted_connections = connections;
    flow->wishes = (struct post_item){.fn = take_wishes, .arg = flow};
    flow->gone = (struct post_item){.fn = flow_gone, .arg = flow};
    LIST_INIT(&flow->jobs);
    pthread_mutex_init(&flow->lock, NULL);
    return flow;
}

static void wish(struct fetch_flow *flow, uint64_t limit_per_sec, unsigned per_file,
                 unsigned connections)
{
    bool is_noted;

    pthread_mutex_lock(&flow->lock);
    is_noted = flow->is_noted;
    flow->is_noted = true;
    flow->wanted_limit = limit_per_sec;
    flow->wanted_share = per_file;
    flow->wanted_connections = connections;
    pthread_mutex_unlock(&flow->lock);
    if (!is_noted)
        post_put(flow->t->post, &flow->wishes);
}

/* What is wished is written by the asker alone: it may read it without the lock. */
void fetch_flow_limit(struct fetch_flow *flow, uint64_t limit_per_sec)
{
    wish(flow, limit_per_sec, flow->wanted_share, flow->wanted_connections);
}

void fetch_flow_connections(struct fetch_flow *flow, unsigned connections)
{
    wish(flow, flow->wanted_limit, flow->wanted_share, connections);
}

void fetch_flow_share(struct fetch_flow *flow, unsigned per_file)
{
    wish(flow, flow->wanted_limit, per_file, flow->wanted_connections);
}

void fetch_flow_free(struct fetch_flow *flow)
{
    if (flow)
        post_put(flow->t->post, &flow->gone);
}

/* ---- the thread ---- */

static void *run(void *arg)
{
    struct fetch_thread *t = arg;

    event_base_dispatch(t->base);
    return NULL;
}

static void stop(void *arg)
{
    struct fetch_thread *t = arg;

    event_base_loopbreak(t->base);
}

/* The thread has ended, or never began: all is the caller's now. */
static void take_apart(struct fetch_thread *t)
{
    struct fetch_job *job;

    tasks_free(t->tasks);
    http_client_free(t->client);
    post_free(t->post);
    if (t->base)
        event_base_free(t->base);
    while ((job = LIST_FIRST(&t->jobs))) {
        post_withdraw(t->home, &job->news);
        fetch_job_free(job);
    }
    free(t);
}

int fetch_thread_create(struct post *home, struct rate *rate, int64_t stall_ms,
                        struct fetch_thread **out, struct err *err)
{
    struct fetch_thread *t = calloc(1, sizeof *t);
    int rc = 0;

    if (!t)
        return err_no_memory(err, sizeof *t, "the thread of downloads");
    t->home = home;
    t->stall_ms = stall_ms;
    t->rate = rate;
    t->stop = (struct post_item){.fn = stop, .arg = t};
    LIST_INIT(&t->jobs);
    if (!(t->base = event_base_new()))
        rc = err_no_memory(err, 4096, "the loop of downloads");
    if (rc == 0)
        rc = post_create(t->base, &t->post, err);
    if (rc == 0)
        rc = tasks_create(t->post, &t->tasks, err);
    if (rc == 0)
        rc = http_client_create_curl_late(t->base, &t->client, err);
    if (rc == 0)
        rc = thread_start(&t->thread, STACK_BYTES, run, t, err);
    if (rc)
        take_apart(t);
    else
        *out = t;
    return rc;
}

void fetch_thread_stop(struct fetch_thread *t)
{
    post_put(t->post, &t->stop);
}

void fetch_thread_free(struct fetch_thread *t)
{
    pthread_join(t->thread, NULL);
    take_apart(t);
}
