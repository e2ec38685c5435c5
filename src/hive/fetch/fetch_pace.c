/* fetch_pace.c - see fetch_pace.h. */
#include "hive/fetch/fetch_pace.h"

#include <stdbool.h>

void fetch_pace_count(struct fetch_pace *p, uint64_t n_bytes)
{
    p->bytes += n_bytes;
}

static void count_from(struct fetch_pace *p, int64_t now_ms)
{
    p->from_ms = now_ms;
    p->bytes = 0;
}

enum pace fetch_pace_look(struct fetch_pace *p, int64_t now_ms)
{
    int64_t passed = now_ms - p->from_ms;
    bool fast = p->bytes * 1000 >= (uint64_t)passed * FETCH_FAST_BPS;

    if (p->pace == PACE_SLOW)
        return p->pace;
    if (p->from_ms == 0) {
        count_from(p, now_ms);
    } else if (passed >= FETCH_ALONE_MS || (fast && p->bytes >= FETCH_SHOW_BYTES)) {
        p->pace = fast ? PACE_FAST : PACE_SLOW;
        count_from(p, now_ms);
    }
    return p->pace;
}
