/*
 * worker_room.h - is there memory for one more worker, and a place among the WORKERS_MAX, and whose
 * would have to be given back? See room.h for the rule; this is where its numbers come from. Loop
 * thread only.
 *
 * What is free is what the kernel says, less what the workers that are there were planned to take
 * and have not touched yet: one that still loads, or whose KV cache is not full. One that waits in
 * line (worker_line.c) has and is promised nothing.
 */
#ifndef RBEE_HIVE_WORKERS_WORKER_ROOM_H
#define RBEE_HIVE_WORKERS_WORKER_ROOM_H

#include "hive/workers/plan.h"
#include "hive/workers/room.h"
#include "hive/workers/workers.h"

#define WORKER_ROOM_MAX (2 * WORKERS_MAX) /* with those that are to take an ended one's place */

struct worker_room {
    uint64_t total_bytes;    /* of the machine; 0 = the kernel does not tell: all fits */
    uint64_t free_bytes;     /* as the kernel says */
    uint64_t promised_bytes; /* of these, to workers that are there */
    uint64_t usable_bytes;   /* free, less what is promised */
    uint64_t idle_bytes;     /* what would come from ending those that may be */
    const struct worker *workers[WORKER_ROOM_MAX]; /* alive, planned or not yet; not in line */
    struct room_worker facts[WORKER_ROOM_MAX]; /* of the same; `chosen` is set by worker_room_for */
    size_t n;
};

/* As if `except` was not there; NULL: with all. */
void worker_room_look(const struct workers *ws, const struct worker *except,
                      struct worker_room *out);

enum room_answer {
    ROOM_IS_THERE,
    ROOM_BY_ENDING, /* those marked as chosen now; none, when some are on their way out already */
    ROOM_LATER,     /* when workers that have work now have none any more */
    ROOM_NO_PLACE,  /* there are as many workers as there may be, and none may ever be ended */
    ROOM_NONE
};
enum room_answer worker_room_for(struct worker_room *r, const struct plan_need *need);
/* Is there memory for it now? */
bool worker_room_fits(const struct worker_room *r, const struct plan_need *need);
/* Is there a place, or may some worker be ended for one, now or later? -1 with *e. */
int worker_room_place(const struct worker_room *r, struct api_error *e);

/* Both for a worker that is being prepared and was planned: it does not stand in its own way. */
enum room_answer worker_room_find(struct worker *w, struct worker_room *out);

/* Who has most of what comes later: of a ROOM_LATER there is one, else maybe NULL. */
const struct worker *worker_room_holder(const struct worker_room *r);

/* ERR_NO_MEMORY: why `need` has no room, with all numbers. */
int worker_room_error(const struct worker_room *r, const struct plan_need *need, struct err *err);

#endif
