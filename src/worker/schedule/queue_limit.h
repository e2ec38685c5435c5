/*
 * queue_limit.h - how long a job may wait for a slot, and what it is told when that was too long.
 *
 * A job that waited longer ends with QUEUE_TIMEOUT: as a 503 with Retry-After where nothing of its
 * answer was sent, else as the stream's error event. The time counts from the job's admission, or
 * from the model's being ready where that was later: a load has limits of its own. Judged by the
 * engine's thread between two passes, where no other thread can begin the job meanwhile, and only
 * of those for whom there was no slot just now: however long a job was read, it takes a free one.
 */
#ifndef RBEE_WORKER_SCHEDULE_QUEUE_LIMIT_H
#define RBEE_WORKER_SCHEDULE_QUEUE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct board;
struct job;

#define QUEUE_LIMIT_DEFAULT_S 60

struct queue_limit {
    int64_t limit_ms; /* 0 or less = none */
    int64_t open_ms;  /* since when jobs are begun (clock_ms); 0 = not yet */
    struct board *board;
};

/* True, and the job has failed and is counted, when it has waited too long. The engine's thread. */
bool queue_limit_ends(const struct queue_limit *q, struct job *j);

#endif
