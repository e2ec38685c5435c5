/*
 * pass.h - the jobs that run, and one pass over the weights for all of them.
 *
 * Every pass takes one row for each job that is past its prompt, so that all of them get a token,
 * and fills up with rows of the prompts of newcomers. Fairness among the newcomers: they get equal
 * shares, and what one does not need goes to the next, beginning each pass with another one.
 * Fairness towards those who decode: while there are any, all newcomers together get at most
 * PASS_PREFILL_SHARED rows a pass, so that a long prompt slows their tokens down but never stops
 * them.
 *
 * The engine's thread owns it.
 */
#ifndef RBEE_WORKER_PASS_H
#define RBEE_WORKER_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"

#define PASS_PREFILL_SHARED 32

struct job;
struct outbox;

struct pass {
    struct engine *engine;
    struct outbox *outbox;
    struct engine_row *rows; /* [n_batch] */
    struct job **running;    /* [n_slots] */
    uint32_t n_running, n_rows;
    uint32_t turn;       /* which newcomer is served first */
    uint64_t tokens_out; /* since the start */
};

int pass_init(struct pass *p, struct engine *engine, struct outbox *outbox, struct err *err);
/* No job may run any more. Harmless on a zeroed pass. */
void pass_done(struct pass *p);

bool pass_has_room(const struct pass *p);

/* Lets a job run; one that cannot begin is failed and goes back to the loop. There must be room. */
void pass_add(struct pass *p, struct job *j);

/* Ends the jobs that should end already. */
void pass_sweep(struct pass *p);

/* Plans a batch, decodes it and deals out the logits. There must be a job. Flushes the outbox. */
void pass_run(struct pass *p);

/* Ends every job, by its wish or by JOB_SHUT_DOWN. */
void pass_end_all(struct pass *p);

#endif
