/*
 * finder.h - looks tensors up in a file by name, and checks their shape and type; what weights.c
 * and encoder_weights.c share. It remembers which ones were asked for: a tensor that is left over
 * belongs to some other arithmetic than ours, whose numbers would be other ones.
 *
 * Errors: ERR_NOT_FOUND names the tensor that is missing, ERR_INVALID the one of another shape,
 * with both shapes, ERR_UNSUPPORTED the one of a type that cannot be computed, or that is left
 * over.
 */
#ifndef RBEE_ENGINE_MODEL_FINDER_H
#define RBEE_ENGINE_MODEL_FINDER_H

#include "engine/model/weights.h"

#define FINDER_NAME_MAX 64

enum finder_presence { FINDER_REQUIRED, FINDER_OPTIONAL };

struct finder {
    const struct gguf *g;
    const struct hparams *hp;
    const struct kern *kern; /* turns any type into floats */
    struct weights *w;
    size_t n_vectors, cap_vectors; /* floats of w->vectors in use, and in all */
    bool *found;                   /* of the file's tensors, those that were asked for */
    struct err *err;
};

/* W (n_rows, k), in place; *out stays as it is when an optional one is absent. */
int finder_mat(const struct finder *f, const char *name, enum finder_presence presence,
               uint64_t n_rows, uint64_t k, struct kern_mat *out);

/* v (n), as floats of our own; *out is NULL when an optional one is absent. */
int finder_vec(struct finder *f, const char *name, enum finder_presence presence, uint64_t n,
               const float **out);

/* token_embd.weight, whose rows are the vocabulary: w->token_embd and w->n_vocab. */
int finder_token_embd(struct finder *f);

/*
 * Once all have been looked up: ERR_UNSUPPORTED with the name of the first tensor that is left
 * over, but for those that are known to change nothing.
 */
int finder_refuse_rest(const struct finder *f);

/* "blk.<layer>.<suffix>" */
const char *finder_layer(char dst[FINDER_NAME_MAX], uint32_t layer, const char *suffix);

#endif
