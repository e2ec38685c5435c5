/* task.c - see task.h. One thread a task: there are few, and each lives long. */
#include "hive/process/task.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/thread.h"
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
    struct post_item end;
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
    post_withdraw(t->owner->post, &t->end); /* tasks_free does not wait for the loop */
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

static void *run(void *arg)
{
    struct task *t = arg;

    t->work(t->arg, t);
    post_put(t->owner->post, &t->end);
    return NULL;
}

int tasks_start(struct tasks *ts, void (*work)(void *arg, const struct task *self),
                void (*done)(void *arg), void *arg, struct task **out, struct err *err)
{
    struct task *t = calloc(1, sizeof *t);
    int rc;

    if (!t)
        return err_no_memory(err, sizeof *t, "a helper thread");
    *t = (struct task){
        .owner = ts, .work = work, .done = done, .arg = arg, .end = {.fn = finish, .arg = t}};
    TAILQ_INSERT_TAIL(&ts->all, t, link);
    *out = t; /* before the thread runs: `done` may come as soon as the loop goes on */
    rc = thread_start(&t->thread, STACK_BYTES, run, t, err);
    if (rc == 0)
        return 0;
    TAILQ_REMOVE(&ts->all, t, link);
    free(t);
    *out = NULL;
    return rc;
}

void task_cancel(struct task *t)
{
    atomic_store(&t->cancelled, true);
}

bool task_cancelled(const struct task *self)
{
    return atomic_load(&self->cancelled);
}
