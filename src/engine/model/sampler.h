/*
 * sampler.h - the sampler of engine.h, for n_vocab logits without a model around it (tests).
 */
#ifndef RBEE_ENGINE_MODEL_SAMPLER_H
#define RBEE_ENGINE_MODEL_SAMPLER_H

#include "engine/engine.h"

/* The most tokens a repetition penalty may look back on. */
#define SAMPLER_MAX_WINDOW (1u << 20)

/* As engine_sampler_create; n_vocab >= 1. */
int sampler_create(uint32_t n_vocab, const struct engine_sampling *how, struct engine_sampler **out,
                   struct err *err);

#endif
