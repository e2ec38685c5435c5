/* lookout.c - see lookout.h. */
#include "worker/sandbox/lookout.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"
#include "worker/sandbox/thread.h"

struct lookout {
    int (*look)(void *arg, struct err *err);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t asked, told;
    uint64_t n_asked, n_told; /* questions, and how many of them are answered */
    int64_t out_ms;           /* since when a look is out; 0 = none is */
    int rc;                   /* what was found, once it was a change */
    struct err found;
    bool ending;
};

/* Under the lock, but for the look itself. */
static void look(struct lookout *l)
{
    uint64_t n = l->n_asked;
    struct err err = {0};
    int rc;

    l->out_ms = clock_ms();
    pthread_mutex_unlock(&l->lock);
    rc = l->look(l->arg, &err);
    pthread_mutex_lock(&l->lock);
    l->out_ms = 0;
    l->n_told = n;
    if (rc) {
        l->rc = rc;
        l->found = err;
    }
    pthread_cond_broadcast(&l->told);
}

static void *lookout_main(void *arg)
{
    struct lookout *l = arg;

    pthread_mutex_lock(&l->lock);
    while (!l->ending) {
        if (l->n_told == l->n_asked || l->rc)
            pthread_cond_wait(&l->asked, &l->lock);
        else
            look(l);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void make_conditions(struct lookout *l)
{
    thread_cond_init(&l->told);
    pthread_cond_init(&l->asked, NULL);
}

static void lookout_done(struct lookout *l)
{
    pthread_cond_destroy(&l->told);
    pthread_cond_destroy(&l->asked);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int lookout_create(int (*look_at)(void *arg, struct err *err), void *arg, struct lookout **out,
                   struct err *err)
{
    struct lookout *l = calloc(1, sizeof *l);
    int rc;

    if (!l)
        return err_no_memory(err, sizeof *l, "a look at the model's files");
    l->look = look_at;
    l->arg = arg;
    pthread_mutex_init(&l->lock, NULL);
    make_conditions(l);
    rc = worker_thread_start(&l->thread, lookout_main, l);
    if (rc) {
        lookout_done(l);
        return err_errno(err, ERR_IO, rc, "cannot start a thread that looks at the model's files");
    }
    *out = l;
    return 0;
}

int lookout_check(struct lookout *l, int64_t wait_ms, struct err *err)
{
    uint64_t mine;
    int64_t until;
    int rc;

    pthread_mutex_lock(&l->lock);
    mine = ++l->n_asked;
    until = (l->out_ms ? l->out_ms : clock_ms()) + wait_ms;
    pthread_cond_signal(&l->asked);
    while (!l->rc && l->n_told < mine && wait_ms > 0 && thread_cond_wait(&l->told, &l->lock, until))
        ;
    rc = l->rc;
    if (rc && err)
        *err = l->found;
    pthread_mutex_unlock(&l->lock);
    return rc;
}

void lookout_free(struct lookout *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_signal(&l->asked);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    lookout_done(l);
}
