/*
 * draft.h - guesses of an answer's next tokens, to be checked many at once.
 *
 * Text repeats itself: names, quotations, code. When the last few tokens stood somewhere before, in
 * the prompt or in the answer, what followed there is the guess (prompt lookup, Saxena 2023). The
 * guessed tokens are decoded along with the last one as rows of one batch; the logits of each are
 * sampled in order, and a guess counts only where it is the very token that was sampled (Leviathan
 * et al. 2023, with sampling by the job's own generator). So the answer is, token for token, the
 * one without guesses; what differs is how many passes it takes.
 *
 * A row costs time, so there are guesses only where they pay: the chance of a guess to be right is
 * a job's own, learnt from its guesses so far; the least chance that pays (the price) follows from
 * what passes of different widths have cost lately. A pass that carries few rows mostly reads
 * weights, so that more rows are cheap; in a wide one they cost in full, and nothing pays.
 *
 * The engine's thread owns all of this. No engine and no clock in here.
 */
#ifndef RBEE_WORKER_JOBS_DRAFT_H
#define RBEE_WORKER_JOBS_DRAFT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DRAFT_MOST  15 /* guesses for one job in a pass */
#define DRAFT_LEAST 2  /* tokens that must have stood before */
#define DRAFT_LOOK  4  /* tokens that are looked at; who has more of them in common is preferred */

struct draft {
    int32_t *text; /* owned: prompt and answer */
    size_t n, cap;
    double chance;             /* of a guess whose forerunners were right */
    int32_t guess[DRAFT_MOST]; /* for the next pass */
    uint32_t n_guesses;
};

/* Knows the prompt; the answer has at most `most` tokens. ERR_NO_MEMORY. */
int draft_init(struct draft *d, const int32_t *prompt, size_t n_prompt, size_t most,
               struct err *err);
/* Harmless on a zeroed one. */
void draft_done(struct draft *d);

/* The answer's next token. The guesses stay as they are. */
void draft_put(struct draft *d, int32_t token);

/* Makes at most `most` guesses whose chance is above the price (0..1); how many. */
uint32_t draft_make(struct draft *d, uint32_t most, double price);

/* The first n_right of the guesses were right. */
void draft_learn(struct draft *d, uint32_t n_right);

/* What passes cost, as a line through their widths: means that forget, for a least-squares fit. */
struct draft_cost {
    double n, ms, nn, n_ms;
};

void draft_cost_learn(struct draft_cost *c, uint32_t n_rows, double ms);

/* The chance at which one row more than n_rows, each of them a token, gives as many tokens a second
 * as the n_rows alone. 1 while nothing is known. */
double draft_price(const struct draft_cost *c, uint32_t n_rows);

#endif
