/* task.c - see task.h. One thread a task: there are few, and each lives long. */
#include "hive/task.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "net/post.h"

#define STACK_BYTES (256u << 10)

struct task {
    TAILQ_ENTRY(task) link;
    struct tasks *owner;
    pthread_t thread;
    atomic_bool cancelled;
    void (*work)(void *arg, const struct task *self);
    void (*done)(void *arg);
    void *arg;
};

struct tasks {
    struct post *post;
    TAILQ_HEAD(, task) all;
};

int tasks_create(struct post *post, struct tasks **out, struct err *err)
{
    struct tasks *ts = calloc(1, sizeof *ts);

    if (!ts)
        return err_no_memory(err, sizeof *ts, "helper threads");
    ts->post = post;
    TAILQ_INIT(&ts->all);
    *out = ts;
    return 0;
}

/* In the loop's thread: the work has ended, or is about to. */
static void finish(void *arg)
{
    struct task *t = arg;

    pthread_join(t->thread, NULL);
    TAILQ_REMOVE(&t->owner->all, t, link);
    t->done(t->arg);
    free(t);
}

void tasks_free(struct tasks *ts)
{
    struct task *t;

    if (!ts)
        return;
    TAILQ_FOREACH(t, &ts->all, link)
    task_cancel(t);
    while ((t = TAILQ_FIRST(&ts->all)))
        finish(t);
    free(ts);
}

/* With every signal blocked: they are the loop's thread's, and this one may be long in one call. */
static int start_thread(struct task *t, void *(*run)(void *arg))
{
    sigset_t all, before;
    pthread_attr_t attr;
    int error;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&t->thread, &attr, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return error;
}

static void *run(void *arg)
{
    struct task *t = arg;

    t->work(t->arg, t);
    post_send(t->owner->post, finish, t);
    return NULL;
}

int tasks_start(struct tasks *ts, void (*work)(void *arg, const struct task *self),
                void (*done)(void *arg), void *arg, struct task **out, struct err *err)
{
    struct task *t = calloc(1, sizeof *t);
    int error;

    if (!t)
        return err_no_memory(err, sizeof *t, "a helper thread");
    *t = (struct task){.owner = ts, .work = work, .done = done, .arg = arg};
    TAILQ_INSERT_TAIL(&ts->all, t, link);
    *out = t; /* before the thread runs: `done` may come as soon as the loop goes on */
    error = start_thread(t, run);
    if (error == 0)
        return 0;
    TAILQ_REMOVE(&ts->all, t, link);
    free(t);
    *out = NULL;
    return err_errno(err, ERR_IO, error, "cannot start a helper thread");
}

void task_cancel(struct task *t)
{
    atomic_store(&t->cancelled, true);
}

bool task_cancelled(const struct task *self)
{
    return atomic_load(&self->cancelled);
}
