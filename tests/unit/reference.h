/*
 * reference.h - an independent forward pass: plain loops in double precision over the weights as
 * floats, one token after another, nothing shared with src/engine/model. What rounds on purpose in
 * the engine rounds here as well: keys and values to half floats or levels, activations to 8 bits
 * where they meet quantised weights.
 */
#ifndef RBEE_TESTS_REFERENCE_H
#define RBEE_TESTS_REFERENCE_H

#include "random_model.h"

/* logits (n, RANDOM_MODEL_VOCAB) after each of n tokens. */
void reference_logits(const struct random_model *d, enum engine_kv kv_type, const int32_t *ids,
                      size_t n, double *logits);

#endif
