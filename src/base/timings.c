/* timings.c - see timings.h. */
#include "base/timings.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"

void timings_begin(struct timings *t)
{
    *t = (struct timings){.mark_ns = clock_ns()};
}

void timings_begin_process(struct timings *t)
{
    struct timespec used = {0};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    timings_begin(t);
    t->mark_ns -= (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
    timings_phase(t, "start");
}

void timings_part(struct timings *t, const char *name, uint64_t ns)
{
    size_t i = 0;

    while (i < t->n && strcmp(t->phases[i].name, name) != 0)
        i++;
    BUG_ON(i == TIMINGS_MAX);
    if (i == t->n)
        t->phases[t->n++].name = name;
    t->phases[i].ns += ns;
    t->mark_ns += ns;
}

void timings_phase(struct timings *t, const char *name)
{
    timings_part(t, name, clock_ns() - t->mark_ns);
}

void timings_put(const struct timings *t, struct buf *out)
{
    uint64_t total_ns = 0;

    for (size_t i = 0; i < t->n; i++) {
        buf_printf(out, "%s %.1f, ", t->phases[i].name, (double)t->phases[i].ns * 1e-6);
        total_ns += t->phases[i].ns;
    }
    buf_printf(out, "total %.1f", (double)total_ns * 1e-6);
}
