/*
 * logprobs.h - a worker's log-probabilities ({"id","t","bytes","logprob","top":[…]} a token) in the
 * shapes of the OpenAI API. Pure.
 */
#ifndef RBEE_HIVE_GATEWAY_LOGPROBS_H
#define RBEE_HIVE_GATEWAY_LOGPROBS_H

#include <jansson.h>

/* No tokens at all (NULL) give what has none in it. NULL: no memory. */

/* [{"token","logprob","bytes","top_logprobs":[{"token","logprob","bytes"}]}] */
json_t *logprobs_content(const json_t *tokens);
/* {"tokens","token_logprobs","top_logprobs","text_offset"}; `offset` characters came before. */
json_t *logprobs_legacy(const json_t *tokens, size_t offset);
/* Characters of the tokens' text. */
size_t logprobs_length(const json_t *tokens);

#endif
