/*
 * pace.h - how long passes take: a count of times by size, from which the 99th percentile is read.
 *
 * A class of times is a quarter of a power of two wide, so that what is read is at most a fifth too
 * much and never too little. When PACE_KEEP times have been counted all counts are halved: what was
 * long ago counts less. One amid which the machine stood still for minutes would be the longest
 * among fewer than a hundred for hours, so what is far above the rest counts less, too. The
 * engine's thread owns it; no clock, no memory of its own.
 */
#ifndef RBEE_WORKER_JOBS_PACE_H
#define RBEE_WORKER_JOBS_PACE_H

#include <stdint.h>

#define PACE_CLASSES 192 /* quarters of powers of two: 1 us << 48 is nine years */
#define PACE_LEAST   20  /* fewer times than this tell nothing */
#define PACE_KEEP    4096
#define PACE_MOST    100 /* times the percentile so far: what is longer counts as that */

struct pace {
    uint32_t counts[PACE_CLASSES];
    uint32_t n;
};

void pace_learn(struct pace *p, uint64_t ns);

/* Of 100 times 99 were no longer; in ms, rounded up. 0 = fewer than PACE_LEAST are known. */
uint32_t pace_p99_ms(const struct pace *p);

#endif
