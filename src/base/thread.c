/* thread.c - see thread.h. */
#include "base/thread.h"

#include <errno.h>
#include <time.h>

void thread_block_signals(sigset_t *before)
{
    static const int own[] = {SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t others;

    sigfillset(&others);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&others, own[i]);
    pthread_sigmask(SIG_SETMASK, &others, before);
}

int thread_start(pthread_t *out, size_t stack_bytes, void *(*run)(void *arg), void *arg,
                 struct err *err)
{
    pthread_attr_t attr;
    sigset_t before;
    int error;

    pthread_attr_init(&attr);
    if (stack_bytes)
        pthread_attr_setstacksize(&attr, stack_bytes);
    thread_block_signals(&before);
    error = pthread_create(out, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return error ? err_errno(err, ERR_IO, error, "cannot start a thread") : 0;
}

void thread_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool thread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t at_ms)
{
    const struct timespec at = {.tv_sec = (time_t)(at_ms / 1000),
                                .tv_nsec = (long)(at_ms % 1000) * 1000000};

    if (at_ms < INT64_MAX)
        return pthread_cond_timedwait(cond, lock, &at) != ETIMEDOUT;
    pthread_cond_wait(cond, lock);
    return true;
}
