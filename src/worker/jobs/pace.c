/* pace.c - see pace.h. */
#include "worker/jobs/pace.h"

#define NS_PER_US 1000
#define US_PER_MS 1000

/* Four classes a power of two: the top bit, and the two bits behind it. */
static unsigned class_of(uint64_t us)
{
    unsigned top, at;

    if (us < 4)
        return (unsigned)us;
    top = 63 - (unsigned)__builtin_clzll(us);
    at = top * 4 + (unsigned)((us >> (top - 2)) & 3);
    return at < PACE_CLASSES ? at : PACE_CLASSES - 1;
}

/* The first time, in us, that is too long for the class. */
static uint64_t end_of(unsigned at)
{
    unsigned top = at / 4;

    return at < 4 ? at + 1 : (uint64_t)(4 + at % 4 + 1) << (top - 2);
}

static void forget_half(struct pace *p)
{
    p->n = 0;
    for (unsigned i = 0; i < PACE_CLASSES; i++) {
        p->counts[i] /= 2;
        p->n += p->counts[i];
    }
}

void pace_learn(struct pace *p, uint64_t ns)
{
    const uint64_t most = (uint64_t)pace_p99_ms(p) * PACE_MOST * NS_PER_US * US_PER_MS;

    if (most && ns > most)
        ns = most;
    if (p->n >= PACE_KEEP)
        forget_half(p);
    p->counts[class_of(ns / NS_PER_US)]++;
    p->n++;
}

uint32_t pace_p99_ms(const struct pace *p)
{
    uint32_t longer = 0, allowed = p->n / 100;
    uint64_t ms;

    if (p->n < PACE_LEAST)
        return 0;
    for (unsigned i = PACE_CLASSES; i-- > 0;) {
        longer += p->counts[i];
        if (longer > allowed) {
            ms = (end_of(i) + US_PER_MS - 1) / US_PER_MS;
            return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
        }
    }
    return 0;
}
