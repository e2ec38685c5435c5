/*
 * logprobs.h - a worker's log-probabilities ({"id","t","bytes","logprob","top":[…]} a token, see
 * worker/jobs/logprobs.h) in the shapes of the OpenAI API. Pure.
 */
#ifndef RBEE_HIVE_GATEWAY_LOGPROBS_H
#define RBEE_HIVE_GATEWAY_LOGPROBS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/utf8.h"

/* No tokens at all (NULL) give what has none in it. NULL: no memory. */

/* [{"token","logprob","bytes","top_logprobs":[{"token","logprob","bytes"}]}] */
json_t *logprobs_content(const json_t *tokens);

/* How far the text of an answer's tokens has come; zeroed at its beginning. Small, as each open
 * stream has as many as there may be choices. */
struct logprobs_place {
    uint32_t n;                    /* characters that are whole */
    char held[UTF8_MAX_BYTES - 1]; /* the first bytes of the next one */
    uint8_t n_held;
};

/* {"tokens","token_logprobs","top_logprobs","text_offset"}. A token that is no whole characters is
 * called by its bytes, "bytes:\xe2\x82"; the chosen one is among the top ones in any case. The
 * offset of a token is the number of the character of the text in which it begins. */
json_t *logprobs_legacy(const json_t *tokens, struct logprobs_place *place);

#endif
