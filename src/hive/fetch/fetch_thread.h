/*
 * fetch_thread.h - fetches, in a thread that has a loop, connections and helpers of its own.
 *
 * A write to the page cache is quick until it is not: a disk that cannot keep up holds its writer
 * up for as long as it likes. In the hive's own loop every token that it passes on would wait
 * behind it, and behind the copying and hashing of whatever a quick line brings. Here only other
 * downloads to that disk wait (fetch_disks.h).
 *
 * A flow is what the fetches of one download share: connections and a rate. All functions are the
 * asker's, in the thread of its loop; none waits for the thread but fetch_thread_free, and what is
 * asked happens in the order it was asked. Callbacks come in the asker's loop, never from within.
 */
#ifndef RBEE_HIVE_FETCH_FETCH_THREAD_H
#define RBEE_HIVE_FETCH_FETCH_THREAD_H

#include <stdint.h>

#include "api/errors.h"
#include "base/err.h"

#define FETCH_NEWS_MS                                                                              \
    50 /* a word for each write would cost the asker's loop as much as the write */

struct fetch_flow;
struct fetch_job;
struct fetch_thread;
struct post;
struct rate;

/* `home` is the asker's; `rate` bounds all flows together, and other threads ask it, too (borrowed,
 * with a lock); stall_ms as fetch.h. */
int fetch_thread_create(struct post *home, struct rate *rate, int64_t stall_ms,
                        struct fetch_thread **out, struct err *err);
/* Behind the last flow: it ends, and nothing more is asked of it. */
void fetch_thread_stop(struct fetch_thread *t);
/* Behind fetch_thread_stop. Waits until what has arrived is noted down. */
void fetch_thread_free(struct fetch_thread *t);

/* So many connections in all, so many bytes a second (0 = no limit). NULL: out of memory. */
struct fetch_flow *fetch_flow_create(struct fetch_thread *t, unsigned connections,
                                     uint64_t limit_per_sec);
void fetch_flow_limit(struct fetch_flow *flow, uint64_t limit_per_sec);
/* More are begun at once; of fewer the last ones end with what they are at. */
void fetch_flow_connections(struct fetch_flow *flow, unsigned connections);
/* One file's share of the connections, 1..FETCH_STREAMS_MAX; 1 at first. */
void fetch_flow_share(struct fetch_flow *flow, unsigned per_file);
/* Its jobs have ended or been cancelled. NULL is fine. */
void fetch_flow_free(struct fetch_flow *flow);

struct fetch_job_params { /* texts are copied */
    const char *url, *token, *name, *path, *sha256;
    /* Another file, that says what `path` is for: if it is gone once the job has been cancelled,
     * nothing of `path` stays. */
    const char *known_by;
    uint64_t size_bytes;
    void *arg;
    /* As fetch.h's, but at most every FETCH_NEWS_MS: several come as one, the last one true. */
    void (*on_bytes)(void *arg, uint64_t n_bytes, uint64_t n_new);
    void (*on_told)(void *arg, uint64_t size_bytes, const char *sha256);
    void (*on_done)(void *arg, struct api_error *e); /* the job is no more */
};

/* NULL: out of memory. Whatever else keeps it from beginning is told by on_done. */
struct fetch_job *fetch_job_start(struct fetch_flow *flow, const struct fetch_job_params *params);
/* No callback comes any more, and the job is not the asker's any more. NULL is fine. */
void fetch_job_cancel(struct fetch_job *job);

#endif
