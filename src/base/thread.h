/* thread.h - a thread beside the one that signals are for. */
#ifndef RBEE_BASE_THREAD_H
#define RBEE_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Starts run(arg) with every signal blocked: they are the thread's that begins it (a loop, or who
 * waits for Ctrl+C), and this one may be long in one call. stack_bytes 0: the system's size.
 * 0, or ERR_IO with *err (may be NULL). The caller joins *out, or detaches it.
 */
int thread_start(pthread_t *out, size_t stack_bytes, void *(*run)(void *arg), void *arg,
                 struct err *err);

#endif
