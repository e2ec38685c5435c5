/*
 * pass.h - the jobs that run, and one pass over the weights for all of them.
 *
 * Whose rows go into a pass is decided by plan.h, where the rule is written down: one row for each
 * job that is past its prompt, then prompts of newcomers, so many rows that those who decode are
 * never held up for long. Before that, each newcomer takes from the engine what is kept of its
 * beginning, also what another job has computed since the last pass. While there are no newcomers,
 * guesses of next tokens (draft.h) are decoded along, where they pay.
 *
 * A constrained answer for which it is not known which tokens may come next (guard_state) has no
 * row that would need them. What a pass spends on finding out holds up all others, so it is bounded
 * for all of them together: it begins with another one each time, and ends with the first who needs
 * a further go, or when PASS_LOOK_MS are over; but those who did need a further go are a round of
 * their own, by which the others, whose masks take less than a millisecond, do not stand still.
 * Where there is nobody else, a pass is that alone.
 *
 * A batch whose jobs are all wished to end is not computed to its end: a chunk of a prompt for a
 * large model takes seconds.
 *
 * The engine's thread owns it.
 */
#ifndef RBEE_WORKER_SCHEDULE_PASS_H
#define RBEE_WORKER_SCHEDULE_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"
#include "base/err.h"
#include "engine/engine.h"
#include "worker/jobs/draft.h"
#include "worker/schedule/plan.h"

/* A pass with guesses has at most so many rows: the memory for their logits was planned for. */
#define PASS_GUESS_ROWS ENGINE_LOGIT_ROWS
#define PASS_LOOK_MS    50

struct job;
struct outbox;

struct pass {
    struct engine *engine;
    struct outbox *outbox;
    struct engine_row *rows;  /* [n_batch] */
    struct job **running;     /* [n_slots], in the order they came */
    struct plan_job *planned; /* [n_slots] */
    struct plan plan;
    struct draft_cost cost; /* of the passes without prompts */
    bool guess;
    uint32_t n_running, n_rows;
    uint64_t look_ns;             /* left of the pass for finding out which tokens may come */
    uint32_t slow_next, new_next; /* whose turn it is for that, of the running ones */
    uint64_t tokens_out;          /* since the start */
    bool in_vain;                 /* the batch was ended, for nobody wanted its rows any more */
};

struct pass_options {
    bool reuse; /* the engine keeps prefixes */
    bool guess; /* answers are guessed where it pays */
};

int pass_init(struct pass *p, struct engine *engine, const struct pass_options *how,
              struct outbox *outbox, struct err *err);
/* No job may run any more. Harmless on a zeroed pass. */
void pass_done(struct pass *p);

bool pass_has_room(const struct pass *p);

/* Lets a job run; one that cannot begin is failed and goes back to the loop. There must be room. */
void pass_add(struct pass *p, struct job *j);

/* Ends the jobs that should end already. */
void pass_sweep(struct pass *p);

/* Plans a batch, decodes it and deals out the logits. There must be a job. Flushes the outbox. */
void pass_run(struct pass *p);

/* Ends every job, by its wish or with this error. */
void pass_fail_all(struct pass *p, enum api_code code, const char *text);
/* Ends every job, by its wish or by JOB_SHUT_DOWN. */
void pass_end_all(struct pass *p);

#endif
