/*
 * random_model.h - small models with random weights, for tests: any mix of tensor types, any odd
 * shape, and faults on demand. The same description gives the same bytes.
 */
#ifndef RBEE_TESTS_RANDOM_MODEL_H
#define RBEE_TESTS_RANDOM_MODEL_H

#include "engine/engine.h"
#include "engine/gguf/gguf.h"

/* A key written instead of the one the description would give; `absent` leaves it out. */
struct random_key {
    const char *key;
    uint32_t value;
    bool absent;
};

struct random_model {
    const char *arch; /* "llama" or "qwen2" */
    uint32_t n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_ctx;
    uint32_t n_rot;                /* 0 = head_dim */
    const enum tensor_type *types; /* the matrices take these in turn */
    size_t n_types;
    enum tensor_type vector_type; /* norms and biases; 0 = F32 */
    bool tied, biases;
    bool more_biases;    /* those of the feed-forward and of the output */
    bool divisors;       /* rope_freqs.weight */
    const char *scaling; /* rope.scaling.type, or NULL */
    float factor;
    uint64_t seed;
    /* faults */
    const char *without;   /* this tensor is left out */
    const char *misshapen; /* this one gets one row too many */
    const char *more;      /* a vector of n_embd that nobody asked for */
    struct random_key key; /* when key.key is set */
};

/* Vocabulary of every random model: <unk>, <s>, </s>, the 256 bytes, and pieces of text. */
#define RANDOM_MODEL_VOCAB 288
#define RANDOM_MODEL_BOS   1
#define RANDOM_MODEL_EOS   2

/* The file's bytes (free()). Fails the test when it cannot. */
void random_model_bytes(const struct random_model *d, uint8_t **bytes, size_t *n_bytes);

/* A descriptor of a file in memory that holds it. */
int random_model_fd(const struct random_model *d);

/* As engine_model_open_fds on it. */
int random_model_open(const struct random_model *d, struct engine_model **out, struct err *err);

/* Numbers for tests: the same row for the same state. */
uint32_t random_u32(uint64_t *state);
float random_normal(uint64_t *state); /* mean 0, deviation 1, roughly */

#endif
