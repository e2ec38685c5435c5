/* speed.c - see speed.h. */
#include "hive/fetch/speed.h"

#include <math.h>

#define EVERY_MS 500
#define KEPT     0.7 /* of the mean, when EVERY_MS have passed */

void speed_count(struct speed *s, uint64_t n_bytes, int64_t now_ms)
{
    int64_t passed_ms = now_ms - s->at_ms;
    double sample, kept;

    if (s->at_ms == 0) {
        *s = (struct speed){.n_bytes = n_bytes, .at_ms = now_ms, .since_ms = now_ms};
        return;
    }
    if (passed_ms < EVERY_MS)
        return;
    sample = (double)(n_bytes - s->n_bytes) * 1000 / (double)passed_ms;
    kept = s->bytes_per_sec > 0 ? pow(KEPT, (double)passed_ms / EVERY_MS) : 0;
    s->bytes_per_sec = kept * s->bytes_per_sec + (1 - kept) * sample;
    s->at_ms = now_ms;
    s->n_bytes = n_bytes;
}

int64_t speed_eta_s(const struct speed *s, uint64_t n_left, int64_t now_ms)
{
    double left_s;

    if (n_left == 0 || s->bytes_per_sec < SPEED_LEAST || now_ms - s->since_ms < SPEED_ETA_AFTER_MS)
        return -1;
    left_s = (double)n_left / s->bytes_per_sec + 0.5;
    return left_s < SPEED_ETA_MAX_S ? (int64_t)left_s : -1;
}
