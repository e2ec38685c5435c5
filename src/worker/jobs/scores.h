/*
 * scores.h - what a model thought of a token, as a line of JSON: for comparison with other engines.
 *
 *   {"pos":5,"token":263,"logprob":-0.41,"top":[[263,-0.41],[590,-2.07]]}
 *
 * `token` stands at position `pos`, and logits of position pos-1 gave the logarithms of
 * probabilities (natural, over the whole vocabulary, before any sampling).
 */
#ifndef RBEE_WORKER_JOBS_SCORES_H
#define RBEE_WORKER_JOBS_SCORES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Puts one line with the n_top likeliest tokens (at most all), the likeliest first, lower ids first
 * among equals. ERR_NO_MEMORY, or ERR_LIMIT when the buffer is full.
 */
int scores_put(struct buf *out, uint32_t pos, int32_t token, const float *logits, uint32_t n_vocab,
               uint32_t n_top, struct err *err);

#endif
