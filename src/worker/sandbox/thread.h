/* thread.h - a thread of the worker's beside the one of its loop. */
#ifndef RBEE_WORKER_SANDBOX_THREAD_H
#define RBEE_WORKER_SANDBOX_THREAD_H

#include <pthread.h>

/* What clients send is walked by recursion (schemas, grammars, templates), with limits that fit in
 * this many times over; the size that a user's `ulimit -s` gives threads is none that we may rely
 * on. */
#define WORKER_STACK_BYTES ((size_t)8 << 20)

/* As pthread_create: 0, or the number of an error. */
int worker_thread_start(pthread_t *out, void *(*run)(void *arg), void *arg);

#endif
