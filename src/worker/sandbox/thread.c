/* thread.c - see thread.h. */
#include "worker/sandbox/thread.h"

int worker_thread_start(pthread_t *out, void *(*run)(void *arg), void *arg)
{
    pthread_attr_t attr;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK_BYTES);
    rc = pthread_create(out, &attr, run, arg);
    pthread_attr_destroy(&attr);
    return rc;
}
