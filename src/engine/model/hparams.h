/*
 * hparams.h - the numbers that give a model its shape, read from a GGUF's metadata and checked.
 *
 * Families: "llama" (Touvron et al. 2023; also Mistral and TinyLlama, which share it) and "qwen2"
 * (Yang et al. 2024). Once read, every product of these numbers that the engine forms fits: each is
 * bounded by a limit below, heads divide, rotations are even and lie inside a head.
 */
#ifndef RBEE_ENGINE_MODEL_HPARAMS_H
#define RBEE_ENGINE_MODEL_HPARAMS_H

#include <stdint.h>

#include "base/err.h"
#include "engine/kern/kern.h"
#include "engine/gguf/gguf.h"
#include "engine/model/rope.h"

/* Far above any published model of these families. */
#define HPARAMS_MAX_LAYERS   1024
#define HPARAMS_MAX_EMBD     (1u << 17)
#define HPARAMS_MAX_FF       (1u << 20)
#define HPARAMS_MAX_HEADS    4096
#define HPARAMS_MAX_HEAD_DIM 1024
#define HPARAMS_MAX_CTX      (1u << 24)

enum family { FAMILY_LLAMA, FAMILY_QWEN2 };

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
    struct rope_params rope;
};

/*
 * Reads and checks. ERR_UNSUPPORTED for another architecture, a mixture of experts or an unknown
 * rotary scaling; ERR_INVALID and ERR_NOT_FOUND name the key and the numbers.
 */
int hparams_read(const struct gguf *g, struct hparams *out, struct err *err);

/* "llama", "qwen2" */
const char *hparams_family_name(enum family f);

static inline uint32_t hparams_q_dim(const struct hparams *hp)
{
    return hp->n_heads * hp->head_dim;
}

static inline uint32_t hparams_kv_dim(const struct hparams *hp)
{
    return hp->n_kv_heads * hp->head_dim;
}

/* Bytes of keys and values of one position, all layers. Q8_0: for a head_dim that is a multiple of
 * QK. */
uint64_t hparams_kv_bytes_per_token(const struct hparams *hp, enum kern_kv type);

#endif
