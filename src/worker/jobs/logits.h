/*
 * logits.h - what a model thought of all tokens: whether that is anything, and as one number the
 * logarithm by which logits become probabilities, log p(i) = logits[i] - logits_log_sum(logits, n).
 */
#ifndef RBEE_WORKER_JOBS_LOGITS_H
#define RBEE_WORKER_JOBS_LOGITS_H

#include <stdint.h>

#include "base/err.h"

/*
 * Logits behind so many tokens of which none is a finite number are not drawn from: ERR_INVALID, as
 * the model's file is what is wrong. One damaged weight makes all of them NaN, mostly. Some may be
 * NaN, of tokens that nobody has trained; no token is chosen for that. Looks no further than to the
 * first number.
 */
int logits_check(const float *logits, uint32_t n, uint64_t n_tokens, struct err *err);

/*
 * ln(sum of e^logit), natural, in double. NaN and minus infinity count as nothing; minus infinity
 * when nothing counts; plus infinity when some logit is.
 */
double logits_log_sum(const float *logits, uint32_t n);

#endif
