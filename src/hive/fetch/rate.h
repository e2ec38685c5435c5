/*
 * rate.h - a limit of bytes a second, shared by whoever asks: a token bucket, with one above it.
 *
 * It holds at most a quarter of a second's worth. Who finds it not empty may take what it has in
 * hand, also more than is in: the debt is waited off by all.
 */
#ifndef RBEE_HIVE_FETCH_RATE_H
#define RBEE_HIVE_FETCH_RATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate {
    uint64_t per_sec; /* 0 = no limit */
    double tokens;
    int64_t at_ms;
    struct rate *above;    /* asked too; may be NULL */
    pthread_mutex_t *lock; /* of one that several threads ask; else NULL */
};

/* 0: n bytes may be taken, and are; else come back in so many ms, nothing was taken. */
int64_t rate_take(struct rate *r, int64_t now_ms, size_t n);

#endif
