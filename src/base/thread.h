/* thread.h - a thread beside the one that signals are for, and waits with an end. */
#ifndef RBEE_BASE_THREAD_H
#define RBEE_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Blocks, in the calling thread, all signals but those that are for one thread alone: what it did
 * itself (SIGBUS, SIGSEGV ...: while one is blocked, its handler is passed by), and SIGQUIT, which
 * asks it for its stack (worker/sandbox/stacks.h). *before is what pthread_sigmask takes to undo
 * it.
 */
void thread_block_signals(sigset_t *before);

/*
 * Starts run(arg) with signals blocked so: they are the thread's that begins it (a loop, or who
 * waits for Ctrl+C), and this one may be long in one call. stack_bytes 0: the system's size.
 * 0, or ERR_IO with *err (may be NULL). The caller joins *out, or detaches it.
 */
int thread_start(pthread_t *out, size_t stack_bytes, void *(*run)(void *arg), void *arg,
                 struct err *err);

/* A condition for waits that end by clock_ms, which nobody sets. pthread_cond_destroy ends it. */
void thread_cond_init(pthread_cond_t *cond);
/* Waits under the lock until it is signalled or at_ms has passed, which is false. It may be woken
 * for nothing. INT64_MAX: as long as it takes. */
bool thread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t at_ms);

#endif
