/*
 * deadline.h - the process ends by then, whatever holds it up.
 *
 * At its end a hive waits for its helpers, for the thread of downloads and for what they write. One
 * that hangs in a disk never comes back, and a thread cannot be ended; a process can. To be begun
 * by the thread that signals are for.
 */
#ifndef RBEE_HIVE_PROCESS_DEADLINE_H
#define RBEE_HIVE_PROCESS_DEADLINE_H

#include <stdint.h>

#define DEADLINE_LOCKS 2

struct deadline;

struct deadline_params {
    int64_t wait_ms; /* then the process ends, with a line in the log */
    int exit_code;
    int signalled_code; /* SIGTERM or SIGINT ends it at once, with this one */
    /* Descriptors (-1: none) that are closed then. Where a thread waits for a disk in a way that no
     * signal ends, the kernel would keep them, and what they lock, as long as it waits. */
    int locks[DEADLINE_LOCKS];
};

/* NULL where no thread can be had: then nothing is limited. */
struct deadline *deadline_begin(const struct deadline_params *params);
/* All has ended in time. NULL is fine. */
void deadline_end(struct deadline *d);

#endif
