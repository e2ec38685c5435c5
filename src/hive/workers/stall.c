/* stall.c - see stall.h. */
#include "hive/workers/stall.h"

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t stall_limit_ms(const struct stall *s, int64_t floor_ms)
{
    int64_t pace_ms = (int64_t)STALL_TIMES * s->last.p99_ms;

    if (s->last.p99_ms == 0 && 2 * s->busy_ms > s->silent_ms)
        return STALL_NEW_TIMES * floor_ms;
    return pace_ms > floor_ms ? pace_ms : floor_ms;
}

/* How much of the time since the last look was the worker's own silence. */
static void add_silence(struct stall *s, const struct stall_look *look)
{
    int64_t ms = min_i64(look->now_ms - s->last.now_ms, STALL_LOOK_MS);

    if (ms <= 0 || look->stopped || s->last.stopped)
        return;
    s->disk_ms = look->on_disk && look->n_reads == s->last.n_reads ? s->disk_ms + ms : 0;
    if (look->n_reads != s->last.n_reads || (look->on_disk && s->disk_ms <= STALL_DISK_MS))
        return;
    if (look->runnable) {
        ms = min_i64(ms, (int64_t)(look->cpu_ms - s->last.cpu_ms));
        s->busy_ms += ms;
    }
    s->silent_ms += ms;
}

enum stall_verdict stall_judge(struct stall *s, const struct stall_look *look, int64_t floor_ms)
{
    bool silent = s->begun && look->has_work && s->last.has_work && look->steps == s->last.steps;

    if (silent)
        add_silence(s, look);
    else
        s->silent_ms = s->busy_ms = s->disk_ms = 0;
    s->last = *look;
    s->begun = true;
    if (!silent)
        return STALL_FINE;
    return floor_ms > 0 && s->silent_ms >= stall_limit_ms(s, floor_ms) ? STALL_STUCK : STALL_SILENT;
}
