/*
 * intake.h - turns the prompts of new jobs into tokens, in a thread of its own.
 *
 * A prompt of many megabytes takes seconds to tokenise, a template may take as long as its limits
 * allow; neither the loop nor the engine may stand
 * still for it. Jobs pass in the order they came. Until the model is known they wait here. A job
 * whose prompt does not fit the context, or that should end already, goes back to the loop, as do
 * jobs that ask for text or tokens only (intake_text.h); every other one is announced to the loop
 * as started and given to `accept`.
 */
#ifndef RBEE_WORKER_SCHEDULE_INTAKE_H
#define RBEE_WORKER_SCHEDULE_INTAKE_H

#include <stdatomic.h>
#include <stdint.h>

#include "api/errors.h"
#include "base/err.h"
#include "engine/engine.h"

struct intake;
struct intake_model;
struct job;
struct outbox;

/*
 * Starts the thread. From it are called `accept`, and `changed` when the model's files are not what
 * they were (lookout.h): a job that comes then has failed. `turns` is the board's count,
 * by which a hive sees a job that does not end.
 */
int intake_create(struct outbox *outbox, _Atomic uint64_t *turns,
                  void (*accept)(void *arg, struct job *j), void (*changed)(void *arg), void *arg,
                  struct intake **out, struct err *err);
/* That the model's file was changed while this worker had it, by what the lookout has said. */
void intake_changed_text(const struct err *why, char text[ERR_TEXT_MAX]);

/* The model is open: work may begin. What *with points to must stay until intake_free. Once; any
 * thread. */
void intake_open(struct intake *in, const struct intake_model *with);

/* Any thread; takes the job over. */
void intake_put(struct intake *in, struct job *j);

/* Jobs that wait here and should end (job_wish_end) do so now, and not when their turn has come.
 * The loop's thread. */
void intake_sweep(struct intake *in);

/* From now on every job that waits or comes fails with this error. Any thread. */
void intake_close(struct intake *in, enum api_code code, const char *text);

/* Closes and waits for the thread; nothing may be put any more. NULL is fine. */
void intake_free(struct intake *in);

#endif
