/* rate.c - see rate.h. */
#include "hive/fetch/rate.h"

static void lock(struct rate *r)
{
    if (r->lock)
        pthread_mutex_lock(r->lock);
}

static void unlock(struct rate *r)
{
    if (r->lock)
        pthread_mutex_unlock(r->lock);
}

static int64_t wait_ms(struct rate *r, int64_t now_ms)
{
    double most = (double)r->per_sec / 4;

    if (r->per_sec == 0)
        return 0;
    if (r->at_ms)
        r->tokens += (double)(now_ms - r->at_ms) * (double)r->per_sec / 1000;
    else
        r->tokens = 1;
    r->at_ms = now_ms;
    if (r->tokens > most)
        r->tokens = most;
    return r->tokens > 0 ? 0 : (int64_t)(-r->tokens * 1000 / (double)r->per_sec) + 1;
}

/* What another thread takes between the two is a debt, as what is more than was in. */
int64_t rate_take(struct rate *r, int64_t now_ms, size_t n)
{
    for (struct rate *one = r; one; one = one->above) {
        int64_t ms;

        lock(one);
        ms = wait_ms(one, now_ms);
        unlock(one);
        if (ms > 0)
            return ms;
    }
    for (struct rate *one = r; one; one = one->above) {
        lock(one);
        one->tokens -= (double)n;
        unlock(one);
    }
    return 0;
}
