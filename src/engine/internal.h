/*
 * internal.h - what an engine is made of: engine.c creates and decodes with it, embed.c makes
 * embeddings.
 */
#ifndef RBEE_ENGINE_INTERNAL_H
#define RBEE_ENGINE_INTERNAL_H

#include "engine/engine.h"
#include "engine/kern/kern.h"
#include "engine/kern/pool.h"
#include "engine/model/forward.h"
#include "engine/model/kv.h"
#include "engine/model/model.h"
#include "engine/model/packs.h"
#include "engine/model/scratch.h"

struct engine {
    const struct engine_model *model;
    struct engine_params params; /* with the defaults filled in */
    struct forward f;
    struct packs *packs;   /* NULL when weights are used as they lie in the file ... */
    bool unpacked;         /* ... as there was no room for others */
    uint32_t *new_rows;    /* n_slots: rows of the batch at hand, 0 between batches */
    uint32_t *logit_index; /* n_batch: which row of scratch logits, or none */
    uint32_t n_last;       /* rows of the last batch; 0 when it failed */
};

/* The error of a pass that ended early. */
int engine_why_ended(struct engine *e, struct err *err);

#endif
