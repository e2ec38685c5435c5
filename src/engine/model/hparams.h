/*
 * hparams.h - the numbers that give a model its shape, read from a GGUF's metadata and checked.
 *
 * Families: "llama" (Touvron et al. 2023; also Mistral and TinyLlama, which share it) and "qwen2"
 * (Yang et al. 2024) decode; "bert" (Devlin et al. 2018) and "nomic-bert" (Nussbaum et al. 2024)
 * are encoders, which make vectors of whole texts. Once read, every product of these numbers that
 * the engine forms fits: each is bounded by a limit below, heads divide, rotations are even and lie
 * inside a head.
 */
#ifndef RBEE_ENGINE_MODEL_HPARAMS_H
#define RBEE_ENGINE_MODEL_HPARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/kern/kern.h"
#include "engine/gguf/gguf.h"
#include "engine/model/rope.h"

/* Far above any published model of these families. */
#define HPARAMS_MAX_LAYERS      1024
#define HPARAMS_MAX_EMBD        (1u << 17)
#define HPARAMS_MAX_FF          (1u << 20)
#define HPARAMS_MAX_HEADS       4096
#define HPARAMS_MAX_HEAD_DIM    1024
#define HPARAMS_MAX_CTX         (1u << 24)
#define HPARAMS_MAX_TOKEN_TYPES 1024

enum family { FAMILY_LLAMA, FAMILY_QWEN2, FAMILY_BERT, FAMILY_NOMIC_BERT };

/* How an encoder's rows become one vector. */
enum pooling { POOLING_MEAN, POOLING_CLS, POOLING_LAST };

struct hparams {
    enum family family;
    uint32_t n_layers;
    uint32_t n_embd;  /* length of a row of the residual stream */
    uint32_t n_heads; /* query heads; a multiple of n_kv_heads */
    uint32_t n_kv_heads;
    uint32_t head_dim;
    uint32_t n_ff; /* inner length of the feed-forward part */
    uint32_t n_ctx_train;
    float norm_eps;
    struct rope_params rope; /* n_rot is 0 where positions are learned: bert */
    /* encoders only */
    uint32_t n_token_types;
    enum pooling pooling; /* the mean where the file does not say */
    bool raw;             /* its vectors are not scaled to length 1, as Ollama reads the file */
};

/*
 * Reads and checks. ERR_UNSUPPORTED for another architecture, a mixture of experts, an unknown
 * rotary scaling or pooling, or an encoder that looks only backwards; ERR_INVALID and ERR_NOT_FOUND
 * name the key and the numbers.
 */
int hparams_read(const struct gguf *g, struct hparams *out, struct err *err);

/* "llama", "qwen2", "bert", "nomic-bert" */
const char *hparams_family_name(enum family f);

/* "mean", "cls", "last" */
const char *hparams_pooling_name(enum pooling p);

static inline bool hparams_is_encoder(const struct hparams *hp)
{
    return hp->family == FAMILY_BERT || hp->family == FAMILY_NOMIC_BERT;
}

static inline uint32_t hparams_q_dim(const struct hparams *hp)
{
    return hp->n_heads * hp->head_dim;
}

static inline uint32_t hparams_kv_dim(const struct hparams *hp)
{
    return hp->n_kv_heads * hp->head_dim;
}

/* Bytes of keys and values of one position, all layers; encoders keep none. Q8_0: for a head_dim
 * that is a multiple of QK. */
uint64_t hparams_kv_bytes_per_token(const struct hparams *hp, enum kern_kv type);

#endif
