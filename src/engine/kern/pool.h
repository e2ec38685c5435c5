/*
 * pool.h - a persistent team of threads for the forward pass.
 *
 * The owner (the one thread that owns the engine) calls pool_run; it works along and returns when
 * every task is done. Idle members spin briefly for the next job, then sleep on a futex, so that a
 * waiting engine costs nothing. Which thread does which task is decided as it goes and never shows
 * in a result: tasks write to disjoint places and share no sums. No allocation and, while jobs come
 * quickly one after another, no system call in pool_run.
 */
#ifndef RBEE_ENGINE_KERN_POOL_H
#define RBEE_ENGINE_KERN_POOL_H

#include <stddef.h>

#include "base/err.h"

#define POOL_MAX_THREADS 256

struct pool;

/* A job's body: does tasks [begin, end); `thread` is 0..n_threads-1, for thread-local scratch. */
typedef void pool_fn(void *arg, size_t begin, size_t end, unsigned thread);

/* A team of n_threads, the owner included (1 = no other thread). Free with pool_free. */
int pool_create(unsigned n_threads, struct pool **out, struct err *err);
void pool_free(struct pool *p);

unsigned pool_n_threads(const struct pool *p);

/*
 * Runs fn over tasks 0..n_tasks-1, handed out in runs of at least `grain` (>= 1), but for what is
 * left at the end of a part. Each thread goes through a part of its own in rising order, long runs
 * first and ever shorter ones towards its end, and then helps the others, so that none has to wait
 * long. Memory written before the call is seen by all members, and what they wrote is seen after
 * it.
 */
void pool_run(struct pool *p, pool_fn *fn, void *arg, size_t n_tasks, size_t grain);

/* CPUs this process may use: its affinity mask, and the cgroup's quota rounded up; at least 1. */
unsigned pool_usable_cpus(void);

#endif
