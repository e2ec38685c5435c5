/* ready.h - waits for a worker to have loaded its model, with a progress line. */
#ifndef RBEE_KEEPER_ASK_READY_H
#define RBEE_KEEPER_ASK_READY_H

#include "keeper/ask/pool.h"

/*
 * `model_name` is for the progress line. 0 once the worker is ready, or -1 with *e: what the worker
 * or the hive says went wrong, WORKER_START_FAILED when it is gone without a word, what fate.h says
 * of one that cannot be reached, LOADING_TIMEOUT after POOL_LOAD_MS, unless the hive waits still.
 */
int ready_wait(struct keeper *k, const struct pool_worker *worker, const char *model_name,
               struct api_error *e);

#endif
