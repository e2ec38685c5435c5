/* thread.h - a thread of the hive's beside the one of its loop. */
#ifndef RBEE_HIVE_THREAD_H
#define RBEE_HIVE_THREAD_H

#include <pthread.h>
#include <stddef.h>

#include "base/err.h"

/* With every signal blocked: they are the loop's thread's, and this one may be long in one call. */
int thread_start(pthread_t *out, size_t stack_bytes, void *(*run)(void *arg), void *arg,
                 struct err *err);

#endif
