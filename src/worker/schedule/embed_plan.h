/*
 * embed_plan.h - which texts make up the next pass of an encoder. Pure arithmetic, as plan.h: no
 * engine, no clock, no jobs.
 *
 * A text goes through in one piece, and nobody's vectors come before the pass is over. The rule, in
 * this order:
 *
 * 1. The first text of the job that leads is in the pass, however long it is: so that each job gets
 *    on when its turn to lead comes.
 * 2. Beside it are as many rows as let the pass take EMBED_PLAN_MS by what rows have cost lately,
 *    but EMBED_PLAN_LEAST rows in any case, while the batch holds them: so long, or for one text,
 *    may those who are there hold up one who comes meanwhile.
 * 3. These go out in rounds, in each of which a job gets one text, if that fits; the shortest
 * first, of equals that of the job that is to lead sooner. So a short text is in the next pass,
 * whatever is beside it, unless the leader's fills the batch alone.
 */
#ifndef RBEE_WORKER_SCHEDULE_EMBED_PLAN_H
#define RBEE_WORKER_SCHEDULE_EMBED_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define EMBED_PLAN_MS    200
#define EMBED_PLAN_LEAST 64 /* rows; also all there are until costs are known */

struct embedding_input;

/* A job as the plan sees it. */
struct embed_plan_job {
    const struct embedding_input *texts; /* those that are left, in their order */
    uint32_t n_texts;
    uint32_t n_taken; /* the answer: the first so many are in the pass */
    bool had_turn;    /* embed_plan_texts's own */
};

struct embed_plan {
    uint32_t n_batch;  /* rows in a pass at most, and in a text */
    uint32_t n_texts;  /* texts in a pass at most */
    double ms_per_row; /* of late; 0 = not known */
};

/*
 * Takes texts of the jobs, the next to lead first, each of which has one. owners[i], of n_texts, is
 * the job whose next text is the i-th of the pass; how many these are.
 */
uint32_t embed_plan_texts(const struct embed_plan *p, struct embed_plan_job *jobs, uint32_t n_jobs,
                          uint32_t *owners);

/* A pass of n_rows took so long. */
void embed_plan_learn(struct embed_plan *p, uint32_t n_rows, double ms);

#endif
