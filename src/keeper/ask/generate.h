/*
 * generate.h - one inference on one worker: tokens to stdout as they come. Contract, section 3.
 */
#ifndef RBEE_KEEPER_ASK_GENERATE_H
#define RBEE_KEEPER_ASK_GENERATE_H

#include "api/inference.h"
#include "keeper/ask/answer.h"
#include "keeper/ask/figures.h"
#include "keeper/ask/pool.h"

#define GENERATE_STALL_MS   60000 /* without a byte; workers send a comment every 10 s */
#define GENERATE_PATIENT_MS 2000  /* without a token, until it is said that we wait */
#define GENERATE_CANCEL_MS  5000  /* the wait for the last word after a cancel */
#define GENERATE_GRACE_MS   10000 /* beyond the request's own time limit, which the worker keeps */
#define GENERATE_BUSY_TRIES 3     /* more after ALL_SLOTS_BUSY */
#define GENERATE_LOST_LOOKS 2     /* in a row that reach no hive, of a worker that says nothing */

enum generate_end {
    GENERATE_DONE,
    GENERATE_FAILED,    /* *e */
    GENERATE_GONE,      /* the worker did not answer, nothing was generated: *e */
    GENERATE_CANCELLED, /* Ctrl+C */
    GENERATE_CLOSED     /* nobody reads stdout, or it cannot be written */
};

struct generate {
    bool json;              /* in: the events themselves instead of the text */
    struct answer *answer;  /* in: where text goes; not used with json */
    struct figures figures; /* out */
};

/* *e is set for FAILED and GONE. The answer is the caller's to end. */
enum generate_end generate_run(struct keeper *k, const struct pool_worker *worker,
                               const struct inference_request *request, struct generate *how,
                               struct api_error *e);

/* The wait before the `i`th further try after ALL_SLOTS_BUSY: 1, 2, 4 s. */
int64_t generate_busy_ms(unsigned i);

#endif
