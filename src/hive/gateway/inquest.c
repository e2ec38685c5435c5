/* inquest.c - see inquest.h. What it looks at is memory: the pidfd is watched by `workers`. */
#include "hive/gateway/inquest.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/workers/workers.h"

struct inquest {
    struct event *timer;
    const struct workers *workers;
    char *worker_id; /* owned */
    int64_t started_ms;
    void (*done)(void *arg, const struct inquest_finding *f);
    void *arg;
};

void inquest_cancel(struct inquest *q)
{
    if (!q)
        return;
    if (q->timer)
        event_free(q->timer);
    free(q->worker_id);
    free(q);
}

static void look(const struct inquest *q, struct inquest_finding *f)
{
    *f = (struct inquest_finding){.code = API_REQUEST_CANCELLED,
                                  .why = "the worker was asked to end, and has ended"};
    f->over = workers_failure(q->workers, q->worker_id, &f->code, f->why) ||
              workers_is_over(q->workers, q->worker_id);
}

static bool may_end_yet(const struct inquest *q)
{
    const int64_t waited = clock_ms() - q->started_ms;

    return waited < INQUEST_MAX_MS ||
           (waited < INQUEST_EXIT_MS && workers_is_exiting(q->workers, q->worker_id));
}

static int look_again(struct inquest *q)
{
    const struct timeval soon = {.tv_usec = INQUEST_STEP_MS * 1000};

    return evtimer_add(q->timer, &soon);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct inquest *q = arg;
    struct inquest_finding f;

    (void)fd;
    (void)what;
    look(q, &f);
    if (!f.over && may_end_yet(q) && look_again(q) == 0)
        return;
    q->done(q->arg, &f);
    inquest_cancel(q);
}

struct inquest *inquest_start(struct event_base *base, const struct workers *workers,
                              const char *worker_id,
                              void (*done)(void *arg, const struct inquest_finding *f), void *arg)
{
    struct inquest *q = calloc(1, sizeof *q);

    if (!q)
        return NULL;
    q->workers = workers;
    q->worker_id = str_dup(worker_id);
    q->started_ms = clock_ms();
    q->done = done;
    q->arg = arg;
    q->timer = evtimer_new(base, on_timer, q);
    if (q->worker_id && q->timer && look_again(q) == 0)
        return q;
    inquest_cancel(q);
    return NULL;
}
