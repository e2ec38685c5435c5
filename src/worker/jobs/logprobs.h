/*
 * logprobs.h - what the model thought of a token it was to choose, as JSON for an answer's events.
 *
 *   {"id":5,"t":"x","bytes":[120],"logprob":-0.1,"top":[{"id","t","bytes","logprob"}...]}
 *
 * A token that is a mark, and no part of the text, has "control":true, too.
 *
 * Natural logarithms over the whole vocabulary, of the logits as the model gave them: before
 * penalties, bias, masks and temperature. `t` repairs what is no whole UTF-8; `bytes` is exact. The
 * engine's thread.
 */
#ifndef RBEE_WORKER_JOBS_LOGPROBS_H
#define RBEE_WORKER_JOBS_LOGPROBS_H

#include <stdint.h>

#include "api/inference.h"
#include "base/buf.h"
#include "engine/engine.h"

/*
 * Puts the token's object, with a comma before it when `out` holds something, and the n_top
 * likeliest (at most INFERENCE_TOP_LOGPROBS_MAX), the likeliest first, lower ids first among
 * equals. 0, or -1 when `out` is full.
 */
int logprobs_put(struct buf *out, const struct engine_model *m, uint32_t n_vocab,
                 const float *logits, int32_t token, uint32_t n_top);

#endif
