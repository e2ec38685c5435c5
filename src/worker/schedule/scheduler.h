/*
 * scheduler.h - the engine's thread: loads the model, then runs jobs by continuous batching.
 *
 * The thread is the one owner of the engine. Jobs come in by scheduler_submit (through the intake,
 * see intake.h), wait in the order they came until a slot is free, run (see pass.h), and go back to
 * the loop by the outbox. Questions about text and tokens have an intake of their own: they may
 * take long, and an inference does not wait for them. How many may wait is the loop's decision. An
 * early end that was wished is looked for before every pass, in those that wait, too; while the
 * model loads, after each of its layers.
 *
 * The model's files are looked at before jobs begin, and now and then within a pass's turn: one
 * that was overwritten or cut is no model any more. All jobs fail then, and the worker ends. A file
 * system that does not answer changes nothing (lookout.h).
 *
 * The board is kept up to date from here: state, loading, slots, tokens, steps, activity.
 */
#ifndef RBEE_WORKER_SCHEDULE_SCHEDULER_H
#define RBEE_WORKER_SCHEDULE_SCHEDULER_H

#include <stdint.h>

#include "api/board.h"
#include "base/err.h"
#include "base/timings.h"
#include "engine/engine.h"
#include "worker/jobs/job.h"

struct outbox;
struct scheduler;
struct sources;

struct scheduler_params {
    struct sources *sources;     /* of the model; must stay, and nobody else touches them */
    struct engine_params engine; /* n_slots as given; the texts must stay */
    bool guess;                  /* guess answers' next tokens where it pays (draft.h) */
    int64_t queue_limit_ms;      /* how long a job may wait for a slot; 0 or less = for ever */
    struct board *board;
    struct outbox *outbox;
};

/* Starts the threads; loading begins at once. Its outcome comes by the outbox and the board. */
int scheduler_create(const struct scheduler_params *params, struct scheduler **out,
                     struct err *err);

/* The loop's: takes the job over. It comes back by the outbox in any case. */
void scheduler_submit(struct scheduler *s, struct job *j);
/* Asks for a job's early end; what has not been looked at yet ends at once. The loop's thread. */
void scheduler_end_early(struct scheduler *s, struct job *j, enum job_wish wish);

/* Stops, waits at most timeout_ms for the threads and frees; -1 when they do not end: the process
 * should. NULL is fine. */
int scheduler_free(struct scheduler *s, int64_t timeout_ms);

/* What was loaded; only once the outbox has told LOAD_DONE, until scheduler_free. */
struct scheduler_facts {
    struct engine_model_info model;
    uint32_t n_ctx, n_batch, n_slots;
    unsigned n_threads;
    const char *kernels;
    bool chat, tools;    /* a chat template is there; it knows tools, or can be told of them */
    struct timings load; /* its phases: "header", "weights", "tokenizer", "template", "engine",
                          * "reading" */
};
const struct scheduler_facts *scheduler_facts(const struct scheduler *s);

/* Layers computed; any thread, for those who ask whether the engine still moves. */
uint64_t scheduler_steps(struct scheduler *s);

#endif
