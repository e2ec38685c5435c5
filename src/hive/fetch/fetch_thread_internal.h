/* fetch_thread_internal.h - what the two files behind fetch_thread.h share; for nobody else. */
#ifndef RBEE_HIVE_FETCH_FETCH_THREAD_INTERNAL_H
#define RBEE_HIVE_FETCH_FETCH_THREAD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "hive/catalog/card.h"
#include "hive/fetch/fetch.h"
#include "hive/fetch/fetch_thread.h"
#include "hive/fetch/rate.h"
#include "net/post.h"

struct fetch_thread {
    struct post *home;           /* the asker's */
    LIST_HEAD(, fetch_job) jobs; /* the asker's: those it has not had the end of */
    pthread_t thread;
    struct post_item stop;
    int64_t stall_ms;
    struct rate *rate; /* of all */

    /* the thread's, while it runs */
    struct event_base *base;
    struct post *post;
    struct tasks *tasks;
    struct http_client *client;
};

struct fetch_flow {
    struct fetch_thread *t;
    struct post_item wishes, gone; /* to the thread */
    pthread_mutex_t lock;          /* guards these four; only the asker changes what is wanted */
    bool is_noted;
    uint64_t wanted_limit;
    unsigned wanted_share, wanted_connections;

    /* the thread's */
    unsigned connections; /* in all */
    struct fetch_shared shared;
    struct rate rate;
    LIST_HEAD(, fetch_job) jobs; /* those that have a fetch */
};

/* What the asker has not been told yet. */
struct fetch_news {
    bool has_bytes, has_told, is_done, is_cancelled;
    uint64_t n_bytes, n_new, size_bytes;
    char sha256[DIGEST_SHA256_BYTES];
    bool failed;
    struct api_error error;
};

#define FETCH_JOB_TEXTS 6

struct fetch_job {
    struct fetch_flow *flow;
    struct fetch_thread *t;
    struct fetch_job_params p; /* its texts are these: */
    char *texts[FETCH_JOB_TEXTS];
    size_t n_texts;
    struct post_item start, cancel; /* to the thread */
    struct post_item news;          /* to the asker */
    pthread_mutex_t lock;           /* guards these two */
    bool is_noted;
    struct fetch_news untold;
    atomic_bool is_unwanted; /* it was cancelled */

    LIST_ENTRY(fetch_job) in_thread; /* the asker's */
    LIST_ENTRY(fetch_job) in_flow;   /* the thread's */
    struct fetch *fetch;             /* the thread's; NULL: not begun, or no more */
    struct event *due;               /* the thread's: bytes are to be told */
    int64_t told_ms;                 /* the thread's: when they were last */
};

/* fetch_job.c */
void fetch_job_free(struct fetch_job *job);

#endif
