/*
 * share.h - how finely a job may be cut for the pool: no run shorter than is worth a thread's
 * while. Small jobs become one run, which the pool's owner does alone. The cut never shows in a
 * result.
 */
#ifndef RBEE_ENGINE_MODEL_SHARE_H
#define RBEE_ENGINE_MODEL_SHARE_H

#include "engine/kern/pool.h"

/* Multiply-adds below which waking another thread costs more than it gives: a few microseconds. */
#define SHARE_MIN_WORK 32768

/* What a step that is not a product takes for each value, in multiply-adds, by rule of thumb. */
#define SHARE_WORK_PER_VALUE 4

/* Runs `task` over n_tasks of about `work` multiply-adds each. */
static inline void share_run(struct pool *pool, pool_fn *task, void *arg, size_t n_tasks,
                             size_t work)
{
    pool_run(pool, task, arg, n_tasks, SHARE_MIN_WORK / (work + 1) + 1);
}

#endif
