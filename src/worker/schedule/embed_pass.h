/*
 * embed_pass.h - the embedding jobs that run, and one pass of their texts through the encoder; what
 * pass.h is for inferences.
 *
 * Which texts are in a pass is decided by embed_plan.h, where the rule is written down: one of the
 * job that leads, and as many more, of all jobs in turn, as do not make the pass long; then the job
 * that led goes to the end of the line. So several requests share a pass, and one of two thousand
 * short texts holds another up for two passes of a fifth of a second: that which is under way, and
 * the one that has it. A long text is one piece, and takes as long as it takes.
 *
 * The engine's thread owns it.
 */
#ifndef RBEE_WORKER_SCHEDULE_EMBED_PASS_H
#define RBEE_WORKER_SCHEDULE_EMBED_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"
#include "base/err.h"
#include "engine/engine.h"
#include "worker/schedule/embed_plan.h"

struct job;
struct outbox;

struct embed_pass {
    struct engine *engine;
    struct outbox *outbox;
    struct job **running;           /* [n_slots], the next to lead first */
    struct embed_plan_job *planned; /* [n_slots] */
    struct embed_plan plan;
    uint32_t n_running;
    uint32_t n_embd;
    bool raw;       /* the model's vectors: see engine_model_info */
    float *vectors; /* (ENGINE_EMBED_TEXTS, n_embd) */
    bool in_vain;   /* as a pass's */
};

int embed_pass_init(struct embed_pass *p, struct engine *engine, struct outbox *outbox,
                    struct err *err);
/* No job may run any more. Harmless on a zeroed one. */
void embed_pass_done(struct embed_pass *p);

bool embed_pass_has_room(const struct embed_pass *p);

/* Lets a job run. There must be room. */
void embed_pass_add(struct embed_pass *p, struct job *j);

/* Ends the jobs that should end already. */
void embed_pass_sweep(struct embed_pass *p);

/* There must be a job. Flushes the outbox. */
void embed_pass_run(struct embed_pass *p);

/* Ends every job, by its wish or with this error. */
void embed_pass_fail_all(struct embed_pass *p, enum api_code code, const char *text);
/* Ends every job, by its wish or by JOB_SHUT_DOWN. */
void embed_pass_end_all(struct embed_pass *p);

#endif
