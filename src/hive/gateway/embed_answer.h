/* embed_answer.h - what a worker answers about texts: is it that? Pure; any thread. */
#ifndef RBEE_HIVE_GATEWAY_EMBED_ANSWER_H
#define RBEE_HIVE_GATEWAY_EMBED_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

/*
 * {"embeddings": [[number, ...], ...], "dimensions": N, "prompt_tokens": N}: vectors of that many
 * numbers, each within a float, and none missing. A worker is a process that has read a file of
 * unknown hands; what it says of it reaches clients only as what it should be.
 */
bool embed_answer_is_vectors(const json_t *answer);

#endif
