/*
 * asking.h - a request from nothing to its end: a worker is found for it, asked again while all its
 * slots are busy, and replaced once when it is gone. Contract, section 2.
 */
#ifndef RBEE_KEEPER_ASK_ASKING_H
#define RBEE_KEEPER_ASK_ASKING_H

#include "keeper/ask/generate.h"

/*
 * *worker is used when it has an id, and found by *want otherwise; afterwards it is the one that
 * was asked, with an empty id when it does not answer or none was found. Every attempt of *r
 * carries the same job_id. *e is set for GENERATE_FAILED, the only end besides DONE, CANCELLED and
 * CLOSED.
 */
enum generate_end asking_run(struct keeper *k, struct pool_want *want, struct pool_worker *worker,
                             const struct inference_request *r, struct generate *how,
                             struct api_error *e);

#endif
