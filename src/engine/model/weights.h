/*
 * weights.h - where each tensor of a model lies, checked by name, type and shape.
 *
 * Matrices stay in the file's mapping and are used in place. Vectors (norms, biases, rotary
 * divisors) are small: they are turned into floats of our own when the model is opened, so that a
 * file may hold them in any type. Immutable afterwards.
 */
#ifndef RBEE_ENGINE_MODEL_WEIGHTS_H
#define RBEE_ENGINE_MODEL_WEIGHTS_H

#include "base/err.h"
#include "engine/gguf/gguf.h"
#include "engine/kern/kern.h"
#include "engine/model/hparams.h"

/* E = n_embd, Q = n_heads * head_dim, K = n_kv_heads * head_dim, F = n_ff, V = n_vocab.
 * W (rows, k): a product takes k values and gives `rows`. */
struct layer {
    const float *attn_norm;     /* (E) */
    struct kern_mat wq;         /* (Q, E) */
    struct kern_mat wk, wv;     /* (K, E) */
    struct kern_mat wo;         /* (E, Q) */
    const float *bq;            /* (Q), or NULL; so the others */
    const float *bk, *bv;       /* (K) */
    const float *bo;            /* (E) */
    const float *ffn_norm;      /* (E) */
    struct kern_mat gate, up;   /* (F, E); bert has no gate */
    struct kern_mat down;       /* (E, F) */
    const float *b_gate, *b_up; /* (F), or NULL */
    const float *b_down;        /* (E), or NULL */
    /* encoders only, whose norms stand behind attention and feed-forward */
    const float *attn_norm_bias, *ffn_norm_bias; /* (E) */
};

struct weights {
    const struct gguf *file;
    uint32_t n_vocab;
    uint32_t n_layers;
    struct kern_mat token_embd; /* (V, E) */
    struct kern_mat output;     /* (V, E); token_embd itself when tied; encoders have none */
    bool tied;
    const float *output_bias;   /* (V), or NULL */
    const float *output_norm;   /* (E) */
    const float *rope_divisors; /* (n_rot/2), or NULL */
    /* encoders only */
    struct kern_mat pos_embd;           /* (n_ctx_train, E); bert */
    const float *token_type;            /* (E) of the first type, or NULL */
    const float *embd_norm, *embd_bias; /* (E) */
    struct layer *layers;               /* n_layers */
    float *vectors;                     /* all the vectors above, owned */
    size_t n_vectors;                   /* floats of them */
};

/*
 * Finds and checks every tensor. ERR_NOT_FOUND names the one that is missing; ERR_INVALID the one
 * of another shape, with both; ERR_UNSUPPORTED the type that cannot be computed, or the tensor that
 * such a model does not have.
 */
int weights_find(const struct gguf *g, const struct hparams *hp, struct weights *out,
                 struct err *err);
/* NULL and half-found ones are fine. */
void weights_done(struct weights *w);

/* The matrices of a layer, in the order in which a pass reads them. */
#define WEIGHTS_LAYER_MATS 7
void weights_layer_mats(struct layer *l, struct kern_mat *out[WEIGHTS_LAYER_MATS]);

/* Bytes of the matrices of one layer; of the embedding and the output. */
uint64_t weights_layer_bytes(const struct weights *w, uint32_t layer);
uint64_t weights_ends_bytes(const struct weights *w);
/* Bytes of the matrices that every token is multiplied with: the layers' and the output. */
uint64_t weights_token_bytes(const struct weights *w);

/*
 * Reads the pages of these matrices into memory. ERR_IO when the file under the mapping is no
 * longer whole.
 */
int weights_read_layer(const struct weights *w, uint32_t layer, struct err *err);
int weights_read_ends(const struct weights *w, struct err *err);

/* Has the system begin to read a layer's matrices from the disk, without waiting. */
void weights_expect_layer(const struct weights *w, uint32_t layer);

#endif
