/* hparams.c - see hparams.h. Keys are those of the GGUF specification, "<architecture>.<name>". */
#include "engine/model/hparams.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Room for "<architecture>.<longest name read here>". */
#define KEY_MAX 96

static const char *const family_names[] = {[FAMILY_LLAMA] = "llama",
                                           [FAMILY_QWEN2] = "qwen2",
                                           [FAMILY_BERT] = "bert",
                                           [FAMILY_NOMIC_BERT] = "nomic-bert"};
#define N_FAMILIES (sizeof family_names / sizeof family_names[0])

struct reader {
    const struct gguf *g;
    const char *arch;
    struct err *err;
};

const char *hparams_family_name(enum family f)
{
    return family_names[f];
}

const char *hparams_pooling_name(enum pooling p)
{
    static const char *const names[] = {"mean", "cls", "last"};

    return names[p];
}

uint64_t hparams_kv_bytes_per_token(const struct hparams *hp, enum kern_kv type)
{
    if (hparams_is_encoder(hp))
        return 0;
    return (uint64_t)hp->n_layers * hp->n_kv_heads * 2 * kern_strip_bytes(type, hp->head_dim) /
           KERN_PAGE_TOKENS;
}

static void key_of(const struct reader *r, const char *name, char key[KEY_MAX])
{
    snprintf(key, KEY_MAX, "%s.%s", r->arch, name);
}

static bool has(const struct reader *r, const char *name)
{
    char key[KEY_MAX];

    key_of(r, name, key);
    return gguf_has(r->g, key);
}

static int need_u32(const struct reader *r, const char *name, uint32_t min, uint32_t max,
                    uint32_t *out)
{
    char key[KEY_MAX];
    uint32_t v = 0;
    int rc;

    key_of(r, name, key);
    rc = gguf_get_u32(r->g, key, &v, r->err);
    if (rc)
        return rc;
    if (v < min || v > max)
        return err_set(r->err, ERR_INVALID, "%s: the key '%s' is %u, but must be from %u to %u",
                       gguf_name(r->g), key, v, min, max);
    *out = v;
    return 0;
}

/* Leaves *out, which holds the default, alone when the key is absent. */
static int may_u32(const struct reader *r, const char *name, uint32_t min, uint32_t max,
                   uint32_t *out)
{
    return has(r, name) ? need_u32(r, name, min, max, out) : 0;
}

static int need_f32(const struct reader *r, const char *name, float min, float max, float *out)
{
    char key[KEY_MAX];
    float v = 0;
    int rc;

    key_of(r, name, key);
    rc = gguf_get_f32(r->g, key, &v, r->err);
    if (rc)
        return rc;
    if (!(v >= min && v <= max)) /* a NaN is refused, too */
        return err_set(r->err, ERR_INVALID, "%s: the key '%s' is %g, but must be from %g to %g",
                       gguf_name(r->g), key, (double)v, (double)min, (double)max);
    *out = v;
    return 0;
}

static int may_f32(const struct reader *r, const char *name, float min, float max, float *out)
{
    return has(r, name) ? need_f32(r, name, min, max, out) : 0;
}

static int read_family(const struct gguf *g, enum family *out, struct err *err)
{
    char shown[GGUF_SHOWN_BYTES];
    struct gguf_str arch;
    int rc = gguf_get_str(g, "general.architecture", &arch, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (arch.len == strlen(family_names[i]) &&
            memcmp(arch.bytes, family_names[i], arch.len) == 0) {
            *out = (enum family)i;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s: the architecture '%s' is not supported; llama, qwen2, bert and "
                   "nomic-bert are",
                   gguf_name(g), gguf_show(arch, shown));
}

/* Mixtral calls itself "llama", too, but routes each token through experts. */
static int refuse_experts(const struct reader *r)
{
    uint32_t n_experts = 0;
    int rc = may_u32(r, "expert_count", 0, UINT32_MAX, &n_experts);

    if (rc)
        return rc;
    if (n_experts > 0)
        return err_set(r->err, ERR_UNSUPPORTED,
                       "%s: the model is a mixture of %u experts (the key '%s.expert_count'), "
                       "which is not supported; dense models are",
                       gguf_name(r->g), n_experts, r->arch);
    return 0;
}

static int read_head_dim(const struct reader *r, struct hparams *hp)
{
    uint32_t value_dim;
    int rc;

    if (has(r, "attention.key_length")) {
        rc = need_u32(r, "attention.key_length", 2, HPARAMS_MAX_HEAD_DIM, &hp->head_dim);
        if (rc)
            return rc;
    } else {
        hp->head_dim = hp->n_embd / hp->n_heads;
        if (hp->n_embd % hp->n_heads != 0)
            return err_set(r->err, ERR_INVALID,
                           "%s: the key '%s.embedding_length' is %u, which "
                           "'%s.attention.head_count' = %u does not divide",
                           gguf_name(r->g), r->arch, hp->n_embd, r->arch, hp->n_heads);
        if (hp->head_dim < 2 || hp->head_dim > HPARAMS_MAX_HEAD_DIM)
            return err_set(r->err, ERR_INVALID,
                           "%s: a head of %u values ('%s.embedding_length' %u / "
                           "'%s.attention.head_count' %u) is not within 2 to %u",
                           gguf_name(r->g), hp->head_dim, r->arch, hp->n_embd, r->arch, hp->n_heads,
                           HPARAMS_MAX_HEAD_DIM);
    }
    value_dim = hp->head_dim;
    rc = may_u32(r, "attention.value_length", 1, HPARAMS_MAX_HEAD_DIM, &value_dim);
    if (rc)
        return rc;
    if (value_dim != hp->head_dim)
        return err_set(r->err, ERR_UNSUPPORTED,
                       "%s: keys of %u and values of %u ('%s.attention.value_length') differ in "
                       "length, which is not supported",
                       gguf_name(r->g), hp->head_dim, value_dim, r->arch);
    return 0;
}

static int read_heads(const struct reader *r, struct hparams *hp)
{
    int rc = need_u32(r, "attention.head_count", 1, HPARAMS_MAX_HEADS, &hp->n_heads);

    if (rc)
        return rc;
    hp->n_kv_heads = hp->n_heads;
    rc = may_u32(r, "attention.head_count_kv", 1, HPARAMS_MAX_HEADS, &hp->n_kv_heads);
    if (rc)
        return rc;
    if (hp->n_heads % hp->n_kv_heads != 0)
        return err_set(r->err, ERR_INVALID,
                       "%s: the key '%s.attention.head_count' is %u, which is no multiple of "
                       "'%s.attention.head_count_kv' = %u",
                       gguf_name(r->g), r->arch, hp->n_heads, r->arch, hp->n_kv_heads);
    return read_head_dim(r, hp);
}

static int read_scaling_type(const struct reader *r, enum rope_scaling *out)
{
    char key[KEY_MAX];
    char shown[GGUF_SHOWN_BYTES];
    struct gguf_str s;
    int rc;

    key_of(r, "rope.scaling.type", key);
    if (!gguf_has(r->g, key)) { /* older files give only a factor, and mean linear */
        *out =
            has(r, "rope.scaling.factor") || has(r, "rope.scale_linear") ? ROPE_LINEAR : ROPE_PLAIN;
        return 0;
    }
    rc = gguf_get_str(r->g, key, &s, r->err);
    if (rc)
        return rc;
    if (s.len == 4 && memcmp(s.bytes, "none", 4) == 0)
        *out = ROPE_PLAIN;
    else if (s.len == 6 && memcmp(s.bytes, "linear", 6) == 0)
        *out = ROPE_LINEAR;
    else if (s.len == 4 && memcmp(s.bytes, "yarn", 4) == 0)
        *out = ROPE_YARN;
    else
        return err_set(r->err, ERR_UNSUPPORTED,
                       "%s: the rotary scaling '%s' (the key '%s') is not supported; none, "
                       "linear and yarn are",
                       gguf_name(r->g), gguf_show(s, shown), key);
    return 0;
}

static int read_scaling(const struct reader *r, const struct hparams *hp, struct rope_params *rope)
{
    uint32_t orig_ctx = hp->n_ctx_train;
    const char *factor_key =
        has(r, "rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
    int rc = read_scaling_type(r, &rope->scaling);

    rope->factor = 1.0f;
    rope->attn_factor = 1.0f;
    rope->beta_fast = ROPE_YARN_BETA_FAST;
    rope->beta_slow = ROPE_YARN_BETA_SLOW;
    if (!rc && rope->scaling != ROPE_PLAIN)
        rc = may_f32(r, factor_key, 0.0f, 1e6f, &rope->factor);
    if (rope->factor == 0.0f) /* some converters write 0 for "no scaling" */
        rope->factor = 1.0f;
    if (!rc)
        rc = may_f32(r, "rope.scaling.attn_factor", 1e-3f, 1e3f, &rope->attn_factor);
    if (!rc)
        rc = may_f32(r, "rope.scaling.yarn_beta_fast", 1e-3f, 1e6f, &rope->beta_fast);
    if (!rc)
        rc = may_f32(r, "rope.scaling.yarn_beta_slow", 1e-3f, 1e6f, &rope->beta_slow);
    if (!rc)
        rc = may_u32(r, "rope.scaling.original_context_length", 1, HPARAMS_MAX_CTX, &orig_ctx);
    rope->orig_ctx = (float)orig_ctx;
    return rc;
}

static int read_rope(const struct reader *r, struct hparams *hp)
{
    struct rope_params *rope = &hp->rope;
    int rc;

    rope->neox = hp->family != FAMILY_LLAMA;
    rope->n_rot = hp->head_dim;
    rc = may_u32(r, "rope.dimension_count", 2, HPARAMS_MAX_HEAD_DIM, &rope->n_rot);
    if (rc)
        return rc;
    if (rope->n_rot % 2 != 0 || rope->n_rot > hp->head_dim)
        return err_set(r->err, ERR_INVALID,
                       "%s: the rotated part of a head ('%s.rope.dimension_count') is %u, but must "
                       "be even and at most the head's %u values",
                       gguf_name(r->g), r->arch, rope->n_rot, hp->head_dim);
    rope->freq_base = 10000.0f;
    rc = may_f32(r, "rope.freq_base", 2.0f, 1e15f, &rope->freq_base);
    if (rc)
        return rc;
    return read_scaling(r, hp, rope);
}

/* The numbers of pooling that files have: 0 none, 1 mean, 2 CLS, 3 last, 4 a reranker's. */
#define POOLING_KEY  "pooling_type"
#define POOLING_RANK 4

static int read_pooling(const struct reader *r, struct hparams *hp)
{
    static const enum pooling known[] = {POOLING_MEAN, POOLING_MEAN, POOLING_CLS, POOLING_LAST};
    uint32_t number = 1;
    int rc = may_u32(r, POOLING_KEY, 0, POOLING_RANK, &number);

    if (rc)
        return rc;
    if (number == POOLING_RANK)
        return err_set(r->err, ERR_UNSUPPORTED,
                       "%s: the model ranks pairs of texts (the key '%s." POOLING_KEY
                       "' is %u), which is not supported; embedding models are",
                       gguf_name(r->g), r->arch, number);
    hp->pooling = known[number];
    return 0;
}

/*
 * Ollama's converter wrote whether a model scales its vectors; where files with a pooling do not
 * say, those of bert did and those of nomic-bert did not (legacyEmbeddingsWereRaw in its
 * llm/llama_server.go, August 2026). What is no flag says nothing.
 */
static void read_scaling_of_vectors(const struct reader *r, struct hparams *hp)
{
    bool scales = hp->family == FAMILY_BERT;
    char key[KEY_MAX];

    key_of(r, "normalize_embeddings", key);
    if (gguf_has(r->g, key))
        gguf_get_bool(r->g, key, &scales, NULL);
    hp->raw = has(r, POOLING_KEY) && !scales;
}

static int refuse_causal(const struct reader *r)
{
    char key[KEY_MAX];
    bool causal = false;
    int rc;

    key_of(r, "attention.causal", key);
    if (!gguf_has(r->g, key))
        return 0;
    rc = gguf_get_bool(r->g, key, &causal, r->err);
    if (rc || !causal)
        return rc;
    return err_set(r->err, ERR_UNSUPPORTED,
                   "%s: the key '%s' is true, but %s is supported only with attention to both "
                   "sides",
                   gguf_name(r->g), key, r->arch);
}

/* The one number of the model that files keep with the tokenizer's. */
static int read_token_types(const struct reader *r, struct hparams *hp)
{
    static const char key[] = "tokenizer.ggml.token_type_count";
    int rc = 0;

    hp->n_token_types = 1;
    if (gguf_has(r->g, key))
        rc = gguf_get_u32(r->g, key, &hp->n_token_types, r->err);
    if (!rc && (hp->n_token_types < 1 || hp->n_token_types > HPARAMS_MAX_TOKEN_TYPES))
        rc = err_set(r->err, ERR_INVALID, "%s: the key '%s' is %u, but must be from 1 to %u",
                     gguf_name(r->g), key, hp->n_token_types, HPARAMS_MAX_TOKEN_TYPES);
    return rc;
}

/* Behind the heads. */
static int read_encoder(const struct reader *r, struct hparams *hp)
{
    uint32_t moe_every = 0;
    int rc = refuse_causal(r);

    if (!rc)
        rc = may_u32(r, "moe_every_n_layers", 0, UINT32_MAX, &moe_every);
    if (!rc && moe_every > 0)
        rc = err_set(r->err, ERR_UNSUPPORTED,
                     "%s: a mixture of experts in every %u layers (the key "
                     "'%s.moe_every_n_layers') is not supported; dense models are",
                     gguf_name(r->g), moe_every, r->arch);
    if (!rc && hp->n_heads * hp->head_dim != hp->n_embd)
        rc = err_set(r->err, ERR_INVALID,
                     "%s: %u heads of %u values make no row of %u ('%s.embedding_length')",
                     gguf_name(r->g), hp->n_heads, hp->head_dim, hp->n_embd, r->arch);
    if (!rc)
        rc = read_token_types(r, hp);
    read_scaling_of_vectors(r, hp);
    return rc ? rc : read_pooling(r, hp);
}

int hparams_read(const struct gguf *g, struct hparams *out, struct err *err)
{
    struct hparams hp = {0};
    struct reader r = {.g = g, .err = err};
    int rc = read_family(g, &hp.family, err);

    if (rc)
        return rc;
    r.arch = family_names[hp.family];
    rc = refuse_experts(&r);
    if (!rc)
        rc = need_u32(&r, "block_count", 1, HPARAMS_MAX_LAYERS, &hp.n_layers);
    if (!rc)
        rc = need_u32(&r, "embedding_length", 1, HPARAMS_MAX_EMBD, &hp.n_embd);
    if (!rc)
        rc = need_u32(&r, "feed_forward_length", 1, HPARAMS_MAX_FF, &hp.n_ff);
    if (!rc)
        rc = need_u32(&r, "context_length", 1, HPARAMS_MAX_CTX, &hp.n_ctx_train);
    if (!rc)
        rc = need_f32(&r,
                      hparams_is_encoder(&hp) ? "attention.layer_norm_epsilon"
                                              : "attention.layer_norm_rms_epsilon",
                      0.0f, 1.0f, &hp.norm_eps);
    if (!rc)
        rc = read_heads(&r, &hp);
    if (!rc && hparams_is_encoder(&hp))
        rc = read_encoder(&r, &hp);
    if (!rc && hp.family != FAMILY_BERT)
        rc = read_rope(&r, &hp);
    if (!rc)
        *out = hp;
    return rc;
}
