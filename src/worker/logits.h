/*
 * logits.h - what a model thought of all tokens, as one number: the logarithm by which logits
 * become probabilities, log p(i) = logits[i] - logits_log_sum(logits, n).
 */
#ifndef RBEE_WORKER_LOGITS_H
#define RBEE_WORKER_LOGITS_H

#include <stdint.h>

/*
 * ln(sum of e^logit), natural, in double. NaN and minus infinity count as nothing; minus infinity
 * when nothing counts; plus infinity when some logit is.
 */
double logits_log_sum(const float *logits, uint32_t n);

#endif
