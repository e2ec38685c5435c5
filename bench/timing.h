/* timing.h - what the benchmarks of kernels measure time with. */
#ifndef RBEE_BENCH_TIMING_H
#define RBEE_BENCH_TIMING_H

#include <time.h>

/* The thread's own CPU time, so that a busy machine shows less. */
static inline double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Rising, for qsort of doubles. */
static inline int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

#endif
