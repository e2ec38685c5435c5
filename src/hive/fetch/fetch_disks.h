/*
 * fetch_disks.h - the threads of downloads (fetch_thread.h), one for each disk that is written to.
 *
 * A thread waits for its disk, and for one that answers no more (NFS whose server is gone) it waits
 * for ever. What goes to other disks has a thread of its own, and comes. All share one limit of
 * bytes a second. Loop thread only.
 */
#ifndef RBEE_HIVE_FETCH_FETCH_DISKS_H
#define RBEE_HIVE_FETCH_FETCH_DISKS_H

#include <stdint.h>

#include "base/err.h"

#define FETCH_DISKS_MAX 16 /* what lies on more shares the first one's thread */

struct fetch_disks;
struct fetch_thread;
struct post;

/* As fetch_thread_create, but no thread is begun yet. */
int fetch_disks_create(struct post *home, uint64_t limit_per_sec, int64_t stall_ms,
                       struct fetch_disks **out, struct err *err);
/* Ends all threads, as fetch_thread_free. NULL is fine. */
void fetch_disks_free(struct fetch_disks *disks);

/* The thread for files in `dir`, begun with the first of that disk; the disks' own. ERR_IO where
 * nothing is there, ERR_NO_MEMORY, or what keeps a thread from beginning. */
int fetch_disks_thread(struct fetch_disks *disks, const char *dir, struct fetch_thread **out,
                       struct err *err);

#endif
