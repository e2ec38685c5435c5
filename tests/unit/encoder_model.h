/*
 * encoder_model.h - small encoders with random weights, for tests, and what they make of a text by
 * plain arithmetic in double. The same description gives the same bytes.
 */
#ifndef RBEE_TESTS_ENCODER_MODEL_H
#define RBEE_TESTS_ENCODER_MODEL_H

#include "engine/engine.h"
#include "engine/gguf/types.h"

struct encoder_model {
    bool nomic; /* else bert */
    uint32_t n_layers, n_embd, n_heads, n_ff, n_ctx;
    enum tensor_type type; /* of the matrices */
    bool fused;            /* attn_qkv, else three */
    bool biases, token_types;
    uint32_t pooling;   /* pooling_type */
    bool unpooled;      /* without that key */
    const bool *scales; /* normalize_embeddings; NULL: without that key */
    uint64_t seed;
    /* faults */
    const char *without;   /* this tensor is left out */
    const char *misshapen; /* this one gets one row too many */
    const char *more;      /* a vector of n_embd that nobody asked for */
    const char *key;       /* this key, without the architecture before it, gets `value` */
    uint32_t value;
    bool causal;
};

/* [PAD], [UNK], [CLS], [SEP], [MASK], then words and pieces of letters. */
#define ENCODER_VOCAB 57
#define ENCODER_CLS   2
#define ENCODER_SEP   3

/* As engine_model_open_fds on it. */
int encoder_model_open(const struct encoder_model *d, struct engine_model **out, struct err *err);

/*
 * The last layer's rows (n, n_embd) in double, from the weights as the file has them; keys and
 * values rounded to half floats, and with quantised weights activations to 8-bit levels, as
 * kern.h says.
 */
void encoder_reference(const struct encoder_model *d, const int32_t *ids, size_t n, double *rows);

#endif
