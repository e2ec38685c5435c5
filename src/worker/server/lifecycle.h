/*
 * lifecycle.h - how the worker ends. The loop's thread only.
 *
 * SIGTERM, SIGINT, SIGHUP: no new work; what runs may go on, and be read to its end, for 8 s, also
 * where a drain by request gave it more; exit 0. A second one: its jobs end now. A third, or SIGINT
 * twice (a person's second Ctrl+C): exit at once. A second SIGHUP is nothing new.
 * A drain by request: the same with 30 s. Nobody is waited for who has taken nothing for 5 s.
 * Loading failed: half a second more for those who watch; exit 1.
 * The lease ends: the hive is gone, by whatever means: exit at once. Where the lease is a pipe the
 * kernel does it (SIGKILL, lease.h), whatever the loop's thread is doing.
 *
 * Jobs that a drain's limit catches are told so by an error event. Linux: the lease is backed by
 * PR_SET_PDEATHSIG, which follows the *thread* of the parent that forked: a hive starts its workers
 * from its main thread.
 */
#ifndef RBEE_WORKER_SERVER_LIFECYCLE_H
#define RBEE_WORKER_SERVER_LIFECYCLE_H

#include <stdint.h>

#include "base/err.h"

#define LIFECYCLE_SIGNAL_DRAIN_MS                                                                  \
    8000 /* less than a hive waits behind SIGTERM (WORKERS_TERM_MS), or nobody hears the end */
#define LIFECYCLE_REQUEST_DRAIN_MS 30000
#define LIFECYCLE_LINGER_MS        500  /* for the watchers of a failed load */
#define LIFECYCLE_FLUSH_MS         1000 /* for the last bytes to leave */
#define LIFECYCLE_STOPPED_MS       5000 /* no byte left for so long: nobody reads any more */
#define LIFECYCLE_POLL_MS          10

struct lifecycle;
struct server;

/* Before anything else, in the main thread: dies with the parent from now on. */
void lifecycle_follow_parent(void);

int lifecycle_create(struct server *s, struct lifecycle **out, struct err *err);
void lifecycle_free(struct lifecycle *l); /* NULL is fine */

/* Takes no more work and ends when there is none left, or after limit_ms. */
void lifecycle_drain(struct lifecycle *l, int64_t limit_ms);

/* Loading failed. */
void lifecycle_fail(struct lifecycle *l);

/* A job ended. */
void lifecycle_job_ended(struct lifecycle *l);

/* What the process is to exit with. */
int lifecycle_exit_code(const struct lifecycle *l);

#endif
