/*
 * fetch.h - brings one file from the hub to the disk, whatever happens on the way.
 *
 * Bytes go to <path>.part, wherever in it they belong; which are there stands in its ledger
 * (ledger.h). Several streams, each a request for a range, share what is missing (pieces.h), unless
 * one fills the line by itself (fetch_pace.h); a server that ignores ranges is read by one stream,
 * which passes over what is here. A stream that fails is repeated from its last byte, on its own;
 * it is given up after FETCH_TRIES tries without news, the fetch when no stream is left. Helper
 * threads note each piece once it is whole, and hash the whole file in order, up to the first byte
 * that is missing, so that the end comes soon after the last byte.
 *
 * Begun again, the fetch hashes what the ledger tells of while it gets the rest; only what does not
 * match its own digest is fetched again. A part file without a ledger, or with one of another
 * version, keeps its bytes too; they are unsure.
 *
 * When all is there and the SHA-256 is not the hub's, the good pieces are kept, and suspect ones
 * are fetched again, over the old bytes: first those that are unsure; if there are none, every
 * piece (once in the life of a ledger), then those whose two readings differ: one of these is
 * wrong. The whole is compared after each round, FETCH_ROUNDS at most. If the readings agree, the
 * bytes are what the source has: CHECKSUM_MISMATCH names both digests, the part and its ledger
 * stay, and the next ask hashes them and says the same without fetching anything; only a discard
 * begins anew.
 *
 * Has the hub told a digest, it alone decides what file this is. Has it not, the source's ETag or
 * date does: bytes of another tag are not mixed with ours, we begin anew. A source with neither is
 * held to the size alone, and the file is not called verified.
 *
 * The part is not allocated beforehand: runs are long enough for the file system to lay them out
 * well, and a download that is kept for later shall not hold the disk that it does not use.
 * All in the thread of `base`, which waits for the page cache: fetch_thread.h has one for this.
 */
#ifndef RBEE_HIVE_FETCH_FETCH_H
#define RBEE_HIVE_FETCH_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"

#define FETCH_TRIES        7          /* the first and six more */
#define FETCH_BACKOFF_MS   100        /* doubled each time: 100 ms ... 3.2 s */
#define FETCH_FRESH_BYTES  (1u << 20) /* after so many new bytes the tries are counted anew */
#define FETCH_RETRY_MAX_MS 60000      /* the longest Retry-After that is waited for */
#define FETCH_STREAMS_MAX  16
#ifndef FETCH_STREAM_BYTES            /* tests have smaller files */
#define FETCH_STREAM_BYTES (1u << 20) /* a file smaller than two of these has one stream */
#endif
#define FETCH_ASK_BYTES   (64u << 20) /* at most so much in one request of several streams */
#define FETCH_SLOW_MS     2000 /* a stream that needs longer gives half of it to an idle one */
#define FETCH_LOOK_MS     500 /* how often that is looked at; a stream has so long to show its pace */
#define FETCH_ROUNDS      3   /* of reading suspect pieces again */
#define FETCH_CHANGES_MAX 3   /* times the source may change under us */

struct event_base;
struct fetch;
struct http_client;
struct rate;
struct tasks;

/* What the fetches of one download share; the download's. */
struct fetch_shared {
    int streams_left;   /* may be begun; below zero: they are to be fewer than there are */
    unsigned per_fetch; /* at most so many of them for one file, 1..FETCH_STREAMS_MAX */
    struct rate *rate;
};

struct fetch_params {
    struct event_base *base;
    struct http_client *client;
    struct tasks *tasks;
    struct fetch_shared *shared;
    const char *url, *token; /* token may be NULL */
    const char *name;        /* for messages */
    const char *path;        /* where the file is to be */
    uint64_t size_bytes;     /* 0 = the hub has not said */
    const char *sha256;      /* "" = the hub has not said */
    int64_t stall_ms;        /* -1 = never */
    void *arg;
    /* Bytes of the file that are on disk and not known to be wrong; may be less than before when
     * some were. n_new came over the network just now. */
    void (*on_bytes)(void *arg, uint64_t n_bytes, uint64_t n_new);
    /* The hub told size or digest only with the file itself. Nothing may be cancelled from within.
     */
    void (*on_told)(void *arg, uint64_t size_bytes, const char *sha256);
    /* A stream has become free for another fetch. Nothing may be cancelled from within. */
    void (*on_free_stream)(void *arg);
    /* The end, once; the fetch is no more. NULL: the file is in its place. */
    void (*on_done)(void *arg, struct api_error *e);
};

/* on_done does not come from within. -1 with *e when it cannot begin. */
int fetch_start(const struct fetch_params *params, struct fetch **out, struct api_error *e);
/* shared->streams_left has grown. */
void fetch_wake(struct fetch *f);
/* The same, or shared->rate has another limit: whoever waits for the old one's leave asks anew. */
void fetch_rate_changed(struct fetch *f);
/* Ends it; what has arrived stays. No callback comes any more. NULL is fine. */
void fetch_cancel(struct fetch *f);

#endif
