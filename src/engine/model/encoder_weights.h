/*
 * encoder_weights.h - the tensors of the encoder families; weights.c calls it. Errors as finder.h
 * has them.
 */
#ifndef RBEE_ENGINE_MODEL_ENCODER_WEIGHTS_H
#define RBEE_ENGINE_MODEL_ENCODER_WEIGHTS_H

#include "engine/model/finder.h"

/* The fewest tensors that a layer has: qkv, output, up, down, and two norms with their biases. */
#define ENCODER_LAYER_TENSORS 8u

/* Floats of all vectors that such a model can have. */
size_t encoder_weights_floats(const struct hparams *hp);

/* Finds all of f->w but the embedding of tokens, which is there. */
int encoder_weights_find(struct finder *f);

#endif
