/*
 * fetch.h - brings one file from the hub to the disk, whatever happens on the way.
 *
 * Bytes go to <path>.part and through SHA-256 as they come. A try that fails is repeated from the
 * last byte; so is one of an earlier life of the hive, after the bytes on disk were hashed again in
 * a helper thread. When all are there and the digest is right, the file is synced and renamed.
 * Loop thread only; nothing blocks it longer than a write to the page cache.
 */
#ifndef RBEE_HIVE_FETCH_H
#define RBEE_HIVE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"

#define FETCH_TRIES        7          /* the first and six more */
#define FETCH_BACKOFF_MS   100        /* doubled each time: 100 ms ... 3.2 s */
#define FETCH_FRESH_BYTES  (1u << 20) /* after so many new bytes the tries are counted anew */
#define FETCH_RETRY_MAX_MS 60000      /* the longest Retry-After that is waited for */

struct event_base;
struct fetch;
struct http_client;
struct tasks;

struct fetch_params {
    struct event_base *base;
    struct http_client *client;
    struct tasks *tasks;
    const char *url, *token; /* token may be NULL */
    const char *name;        /* for messages */
    const char *path;        /* where the file is to be */
    uint64_t size_bytes;     /* 0 = the hub has not said */
    const char *sha256;      /* "" = the hub has not said */
    int64_t stall_ms;        /* -1 = never */
    void *arg;
    /* Bytes of the file that are on disk now; may be less than before when they were wrong. */
    void (*on_bytes)(void *arg, uint64_t n_bytes);
    /* The hub told size or digest only with the file itself. Nothing may be cancelled from within.
     */
    void (*on_told)(void *arg, uint64_t size_bytes, const char *sha256);
    /* The end, once; the fetch is no more. NULL: the file is in its place. */
    void (*on_done)(void *arg, struct api_error *e);
};

/* on_done does not come from within. -1 with *e when it cannot begin. */
int fetch_start(const struct fetch_params *params, struct fetch **out, struct api_error *e);
/* Ends it; what has arrived stays. No callback comes any more. NULL is fine. */
void fetch_cancel(struct fetch *f);

#endif
