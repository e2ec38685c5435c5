/*
 * plan.h - whose rows make up the next batch. Pure arithmetic: no engine, no clock, no jobs.
 *
 * The rule, in this order:
 *
 * 1. Every job past its prompt gets one row in every batch. Nobody who decodes ever stands still,
 *    but who waits: no token can be chosen for it yet, so it gets no row behind which one would be.
 * 2. What is left of the batch is for prompts. While anyone decodes, it is only as much as lets the
 *    pass take PLAN_STEP_MS by what rows have cost lately (but PLAN_CHUNK_LEAST rows in any case):
 *    so long may a newcomer, however long its prompt, hold up the next token of the others.
 * 3. A quarter of the rows for prompts (1/PLAN_FIRST_SHARE) goes to the job that came first, so
 * that none waits for ever. The others go, prompt after prompt, to the one with the fewest tokens
 * left to compute, of equals to the one that came first. Whole prompts one after another, rather
 * than equal shares of all, let half of the newcomers begin in half of the time; the shortest first
 *    keeps the mean wait least (Schrage 1968).
 * 4. A job whose next page is going to be computed by one that came before it, the prompts being
 *    the same so far, does not compute it too: it gives its turn away. It takes the page once it is
 *    there (engine_seq_reuse). It waits only for jobs that came before it, so the first one never
 *    waits; and what it waits for is looked for anew in every pass, so that one who ends leaves
 *    nobody behind; nor does one who may not compute the page yet, as it waits itself (rule 1).
 */
#ifndef RBEE_WORKER_SCHEDULE_PLAN_H
#define RBEE_WORKER_SCHEDULE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_STEP_MS     250
#define PLAN_CHUNK_FIRST 64 /* rows for prompts beside those who decode, until costs are known */
#define PLAN_CHUNK_LEAST 16
#define PLAN_FIRST_SHARE 4

/* A job as the plan sees it. */
struct plan_job {
    const int32_t *prompt;
    uint32_t n_prompt, n_fed; /* fewer fed than there are: a newcomer */
    bool waits;               /* no token can be chosen for it yet */
    uint32_t n_rows;          /* the answer */
    bool had_turn;            /* plan_rows's own */
};

struct plan {
    uint32_t n_batch;     /* rows in a batch at most; more than jobs */
    uint32_t page_tokens; /* prompts are shared by whole pages of so many tokens; 0 = not at all */
    double ms_per_row;    /* of late; 0 = not known */
};

/* Sets n_rows of the jobs, which are in the order they came; the sum of all is at most n_batch. */
void plan_rows(const struct plan *p, struct plan_job *jobs, uint32_t n_jobs);

/* A pass of n_rows, rows of prompts among them, took so long. */
void plan_learn(struct plan *p, uint32_t n_rows, double ms);
/* The same for what rows have cost of late, 0 = not known, wherever it is kept. */
void plan_learn_cost(double *ms_per_row, uint32_t n_rows, double ms);

#endif
