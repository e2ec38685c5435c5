/*
 * share.h - how finely a job is cut for the pool: runs long enough to be worth a thread's while,
 * and enough of them that a thread that loses its CPU for a moment does not hold up the rest. Small
 * jobs become one run, which the pool's owner does alone. The cut never shows in a result.
 */
#ifndef RBEE_ENGINE_MODEL_SHARE_H
#define RBEE_ENGINE_MODEL_SHARE_H

#include "engine/kern/pool.h"

/* Multiply-adds below which waking another thread costs more than it gives: a few microseconds. */
#define SHARE_MIN_WORK 32768

#define SHARE_RUNS_PER_THREAD 8

/* What a step that is not a product takes for each value, in multiply-adds, by rule of thumb. */
#define SHARE_WORK_PER_VALUE 4

/* Runs `task` over n_tasks of about `work` multiply-adds each. */
static inline void share_run(struct pool *pool, pool_fn *task, void *arg, size_t n_tasks,
                             size_t work)
{
    size_t even = n_tasks / ((size_t)pool_n_threads(pool) * SHARE_RUNS_PER_THREAD);
    size_t least = SHARE_MIN_WORK / (work + 1) + 1;

    pool_run(pool, task, arg, n_tasks, even > least ? even : least);
}

#endif
