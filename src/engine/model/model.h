/*
 * model.h - what a model is made of; the engine's own files see it, nobody outside.
 */
#ifndef RBEE_ENGINE_MODEL_MODEL_H
#define RBEE_ENGINE_MODEL_MODEL_H

#include "engine/engine.h"
#include "engine/gguf/gguf.h"
#include "engine/model/hparams.h"
#include "engine/model/weights.h"
#include "engine/tok/tok.h"

/* Sums over all tensors of a file; types that cannot be computed have no size and count in none. */
struct model_totals {
    uint64_t n_params, bytes;
    const char *file_type; /* the type that holds most of the weights; "" when there are none */
};

struct engine_model {
    struct gguf *gguf;
    struct hparams hp;
    struct weights w;
    struct tok *tok;
    struct model_totals totals;
    char *name;          /* general.name, or "" */
    char *chat_template; /* or NULL */
    char *tool_template; /* or NULL */
    struct engine_open_times times;
};

/* Checks everything of an open file and takes it over; on failure it stays the caller's. */
int model_build(struct gguf *g, struct engine_model **out, struct err *err);

void model_totals(const struct gguf *g, struct model_totals *out);

/* As llama.cpp's converter names the template that a repository calls "tool_use". */
#define MODEL_TOOL_TEMPLATE "tokenizer.chat_template.tool_use"
/* Longest chat template taken; published ones are below 20 KB. */
#define MODEL_MAX_TEMPLATE (1u << 20)

#endif
