/* tuning.c - see tuning.h. */
#include "worker/schedule/tuning.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "engine/engine.h"

#define ALONE_MS    40 /* who works so long without having to leave has the CPU for itself */
#define REST_FACTOR 9  /* a tenth of the time is work */

/* What this process had of the CPUs. */
struct worked {
    int64_t ms;
    uint64_t n_left; /* how often a thread had to leave one */
};

int64_t tuning_due_ms(const struct tuning *t)
{
    return t->done ? INT64_MAX : t->due_ms;
}

bool tuning_is_in_the_way(int64_t worked_ms, uint64_t n_left)
{
    return n_left > 1 + (uint64_t)worked_ms / ALONE_MS;
}

static int64_t ms_of(struct timeval tv)
{
    return (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

static struct worked worked_so_far(void)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used))
        return (struct worked){0};
    return (struct worked){ms_of(used.ru_utime) + ms_of(used.ru_stime), (uint64_t)used.ru_nivcsw};
}

void tuning_go_on(struct tuning *t, struct engine *e, bool in_use)
{
    int64_t begun_ms = clock_ms();
    struct worked before, after;

    if (t->done || (!in_use && begun_ms < t->due_ms))
        return;
    before = worked_so_far();
    t->done = !engine_tune(e);
    after = worked_so_far();
    t->due_ms = clock_ms();
    if (tuning_is_in_the_way(after.ms - before.ms, after.n_left - before.n_left))
        t->due_ms += REST_FACTOR * (t->due_ms - begun_ms);
}
