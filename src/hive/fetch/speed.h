/*
 * speed.h - how fast something comes, and when all of it will be here. Pure; any thread.
 *
 * A running mean over time: what came longer ago counts for less, looked at often or not, so that
 * one that stands still is seen to.
 */
#ifndef RBEE_HIVE_FETCH_SPEED_H
#define RBEE_HIVE_FETCH_SPEED_H

#include <stdint.h>

#define SPEED_ETA_AFTER_MS 1000    /* a speed says something from then on */
#define SPEED_ETA_MAX_S    8640000 /* 100 days: nobody waits for longer */
#define SPEED_LEAST        1.0     /* bytes a second; what brings less stands still */

struct speed { /* all zero: nothing has begun */
    double bytes_per_sec;
    uint64_t n_bytes; /* had come at at_ms */
    int64_t at_ms, since_ms;
};

/* So many have come in all; now_ms > 0. Begins with the first call. */
void speed_count(struct speed *s, uint64_t n_bytes, int64_t now_ms);
/* Seconds until n_left more are here; -1 when nobody can say. */
int64_t speed_eta_s(const struct speed *s, uint64_t n_left, int64_t now_ms);

#endif
