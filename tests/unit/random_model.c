/* random_model.c - see random_model.h. */
#include "random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf/writer.h"
#include "engine/kern/kern.h"

#define NAME_MAX_BYTES 64

/* Steele, Lea & Flood 2014 (splitmix64) */
uint32_t random_u32(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

/* The sum of four uniform numbers, made to deviate by 1. */
float random_normal(uint64_t *state)
{
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += random_u32(state) * 0x1p-32 - 0.5;
    return (float)(sum * 1.7320508);
}

static void put_half(uint8_t *at, float v)
{
    uint16_t h = kern_f32_to_f16(v);

    memcpy(at, &h, sizeof h);
}

/*
 * Where the half floats of a block lie, and how large they may be for weights near `size`. All
 * other bytes of a block are levels and small scales: any bits will do.
 */
struct half_place {
    enum tensor_type type;
    int d, m;     /* offsets; m is -1 where there is none */
    float levels; /* typical size of a weight for d = 1 */
};

static const struct half_place half_places[] = {
    {TYPE_Q4_0, 0, -1, 4.6f},
    {TYPE_Q4_1, 0, 2, 4.6f},
    {TYPE_Q5_0, 0, -1, 9.2f},
    {TYPE_Q5_1, 0, 2, 9.2f},
    {TYPE_Q8_0, 0, -1, 74.0f},
    {TYPE_Q2_K, offsetof(struct block_q2_k, d), offsetof(struct block_q2_k, dmin), 17.0f},
    {TYPE_Q3_K, offsetof(struct block_q3_k, d), -1, 42.0f},
    {TYPE_Q4_K, offsetof(struct block_q4_k, d), offsetof(struct block_q4_k, dmin), 320.0f},
    {TYPE_Q5_K, offsetof(struct block_q5_k, d), offsetof(struct block_q5_k, dmin), 650.0f},
    {TYPE_Q6_K, offsetof(struct block_q6_k, d), -1, 1370.0f},
    {TYPE_IQ4_NL, 0, -1, 60.0f},
    {TYPE_IQ4_XS, 0, -1, 1100.0f},
};

static void fill_block(uint8_t *block, const struct type_info *type, float size, uint64_t *state)
{
    for (uint32_t i = 0; i < type->block_bytes; i++)
        block[i] = (uint8_t)random_u32(state);
    for (size_t i = 0; i < sizeof half_places / sizeof half_places[0]; i++) {
        const struct half_place *p = &half_places[i];
        float d = size / p->levels * (1.0f + 0.3f * random_normal(state));

        if (p->type != type->type)
            continue;
        put_half(block + p->d, d);
        if (p->type == TYPE_Q4_1 || p->type == TYPE_Q5_1)
            put_half(block + p->m, -d * (p->type == TYPE_Q4_1 ? 7.5f : 15.5f));
        else if (p->m >= 0) /* dmin * min stands near the middle of d * scale * q */
            put_half(block + p->m, d * (p->type == TYPE_Q2_K   ? 1.5f
                                        : p->type == TYPE_Q4_K ? 7.5f
                                                               : 15.5f));
    }
}

static void fill_floats(uint8_t *dst, enum tensor_type type, uint64_t n, float size, float mean,
                        uint64_t *state)
{
    for (uint64_t i = 0; i < n; i++) {
        float v = mean + size * random_normal(state);
        uint32_t bits;

        memcpy(&bits, &v, sizeof bits);
        bits >>= 16;
        if (type == TYPE_F32)
            memcpy(dst + 4 * i, &v, 4);
        else if (type == TYPE_F16)
            put_half(dst + 2 * i, v);
        else
            memcpy(dst + 2 * i, &bits, 2); /* BF16, cut (little-endian) */
    }
}

struct writing {
    const struct random_model *d;
    struct gguf_writer *w;
    uint64_t state;
    size_t n_mats;
};

static void put_tensor(struct writing *w, const char *name, enum tensor_type type, uint32_t n_dims,
                       uint64_t k, uint64_t rows, float size, float mean)
{
    const struct type_info *info = type_info(type);
    uint64_t dims[2], n_bytes;
    uint8_t *data;

    if (w->d->without && strcmp(w->d->without, name) == 0)
        return;
    if (w->d->misshapen && strcmp(w->d->misshapen, name) == 0)
        *(n_dims == 1 ? &k : &rows) += info->block_elems;
    dims[0] = k;
    dims[1] = rows;
    n_bytes = k / info->block_elems * info->block_bytes * rows;
    data = malloc(n_bytes);
    assert_non_null(data);
    if (info->block_elems == 1)
        fill_floats(data, type, k * rows, size, mean, &w->state);
    else
        for (uint64_t at = 0; at < n_bytes; at += info->block_bytes)
            fill_block(data + at, info, size, &w->state);
    gguf_writer_tensor(w->w, name, type, n_dims, dims, data, n_bytes);
    free(data);
}

/* W (rows, k) that keeps the size of what it multiplies, more or less. */
static void put_mat(struct writing *w, const char *name, uint64_t rows, uint64_t k)
{
    enum tensor_type type = w->d->types[w->n_mats++ % w->d->n_types];
    float size = 1.0f;

    for (uint64_t n = k; n > 1; n /= 4) /* about 1/sqrt(k), without libm */
        size /= 2;
    put_tensor(w, name, type, 2, k, rows, size, 0.0f);
}

static void put_vec(struct writing *w, const char *name, uint64_t n, float size, float mean)
{
    put_tensor(w, name, w->d->vector_type, 1, n, 1, size, mean);
}

static void put_layer(struct writing *w, uint32_t layer)
{
    const struct random_model *d = w->d;
    uint64_t e = d->n_embd, q = d->n_heads * d->head_dim, k = d->n_kv_heads * d->head_dim;
    const struct {
        const char *name;
        uint64_t rows, k;
    } mats[] = {{"attn_q", q, e},        {"attn_k", k, e},         {"attn_v", k, e},
                {"attn_output", e, q},   {"ffn_gate", d->n_ff, e}, {"ffn_up", d->n_ff, e},
                {"ffn_down", e, d->n_ff}};
    char name[NAME_MAX_BYTES];

    for (size_t i = 0; i < sizeof mats / sizeof mats[0]; i++) {
        snprintf(name, sizeof name, "blk.%u.%s.weight", layer, mats[i].name);
        put_mat(w, name, mats[i].rows, mats[i].k);
        snprintf(name, sizeof name, "blk.%u.%s.bias", layer, mats[i].name);
        if (i < 4 ? d->biases : d->more_biases)
            put_vec(w, name, mats[i].rows, 0.1f, 0.0f);
    }
    snprintf(name, sizeof name, "blk.%u.attn_norm.weight", layer);
    put_vec(w, name, e, 0.1f, 1.0f);
    snprintf(name, sizeof name, "blk.%u.ffn_norm.weight", layer);
    put_vec(w, name, e, 0.1f, 1.0f);
}

static void put_vocab(struct gguf_writer *w)
{
    static char texts[RANDOM_MODEL_VOCAB][8];
    struct gguf_str tokens[RANDOM_MODEL_VOCAB];
    float scores[RANDOM_MODEL_VOCAB];
    int32_t kinds[RANDOM_MODEL_VOCAB];

    for (int i = 0; i < RANDOM_MODEL_VOCAB; i++) {
        if (i < 3)
            snprintf(texts[i], sizeof texts[i], "%s", i == 0 ? "<unk>" : i == 1 ? "<s>" : "</s>");
        else if (i < 259)
            snprintf(texts[i], sizeof texts[i], "<0x%02X>", i - 3);
        else if (i == 259)
            snprintf(texts[i], sizeof texts[i], "\xe2\x96\x81"); /* SPM's blank */
        else
            snprintf(texts[i], sizeof texts[i], "%c", 'a' + i - 260);
        tokens[i] = (struct gguf_str){texts[i], strlen(texts[i])};
        scores[i] = i < 259 ? 0.0f : (float)-i;
        kinds[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
    }
    gguf_writer_str(w, "tokenizer.ggml.model", "llama");
    gguf_writer_strs(w, "tokenizer.ggml.tokens", tokens, RANDOM_MODEL_VOCAB);
    gguf_writer_f32s(w, "tokenizer.ggml.scores", scores, RANDOM_MODEL_VOCAB);
    gguf_writer_i32s(w, "tokenizer.ggml.token_type", kinds, RANDOM_MODEL_VOCAB);
    gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", RANDOM_MODEL_BOS);
    gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", RANDOM_MODEL_EOS);
    gguf_writer_u32(w, "tokenizer.ggml.unknown_token_id", 0);
}

static void put_u32(struct writing *w, const char *name, uint32_t v)
{
    char key[NAME_MAX_BYTES];

    snprintf(key, sizeof key, "%s.%s", w->d->arch, name);
    if (w->d->key.key && strcmp(w->d->key.key, name) == 0) {
        if (w->d->key.absent)
            return;
        v = w->d->key.value;
    }
    gguf_writer_u32(w->w, key, v);
}

static void put_keys(struct writing *w)
{
    static const char *const written[] = {
        "block_count",          "embedding_length",       "feed_forward_length",
        "context_length",       "attention.head_count",   "attention.head_count_kv",
        "attention.key_length", "attention.value_length", "rope.dimension_count"};
    const struct random_model *d = w->d;
    const uint32_t values[] = {d->n_layers, d->n_embd,   d->n_ff,
                               d->n_ctx,    d->n_heads,  d->n_kv_heads,
                               d->head_dim, d->head_dim, d->n_rot ? d->n_rot : d->head_dim};
    bool extra = d->key.key && !d->key.absent;
    char key[NAME_MAX_BYTES];

    gguf_writer_str(w->w, "general.architecture", d->arch);
    gguf_writer_str(w->w, "general.name", "a random model");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        extra = extra && strcmp(written[i], d->key.key) != 0;
        put_u32(w, written[i], values[i]);
    }
    if (extra)
        put_u32(w, d->key.key, d->key.value);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", d->arch);
    gguf_writer_f32(w->w, key, 1e-5f);
    snprintf(key, sizeof key, "%s.rope.freq_base", d->arch);
    gguf_writer_f32(w->w, key, 5000.0f);
    if (!d->scaling)
        return;
    snprintf(key, sizeof key, "%s.rope.scaling.type", d->arch);
    gguf_writer_str(w->w, key, d->scaling);
    snprintf(key, sizeof key, "%s.rope.scaling.factor", d->arch);
    gguf_writer_f32(w->w, key, d->factor);
}

void random_model_bytes(const struct random_model *d, uint8_t **bytes, size_t *n_bytes)
{
    struct writing w = {.d = d, .state = d->seed};
    struct err err = {0};

    assert_int_equal(gguf_writer_create(&w.w, &err), 0);
    put_keys(&w);
    put_vocab(w.w);
    put_mat(&w, "token_embd.weight", RANDOM_MODEL_VOCAB, d->n_embd);
    if (!d->tied)
        put_mat(&w, "output.weight", RANDOM_MODEL_VOCAB, d->n_embd);
    if (d->more_biases)
        put_vec(&w, "output.bias", RANDOM_MODEL_VOCAB, 0.3f, 0.0f);
    if (d->more)
        put_vec(&w, d->more, d->n_embd, 1.0f, 0.0f);
    put_vec(&w, "output_norm.weight", d->n_embd, 0.1f, 1.0f);
    if (d->divisors)
        put_vec(&w, "rope_freqs.weight", (d->n_rot ? d->n_rot : d->head_dim) / 2, 0.2f, 3.0f);
    for (uint32_t i = 0; i < d->n_layers; i++)
        put_layer(&w, i);
    if (gguf_writer_bytes(w.w, bytes, n_bytes, &err))
        fail_msg("%s", err.text);
    gguf_writer_free(w.w);
}

int random_model_fd(const struct random_model *d)
{
    int fd = memfd_create("random model", MFD_CLOEXEC);
    size_t n_bytes, done = 0;
    uint8_t *bytes;

    assert_true(fd >= 0);
    random_model_bytes(d, &bytes, &n_bytes);
    while (done < n_bytes) {
        ssize_t n = write(fd, bytes + done, n_bytes - done);

        assert_true(n > 0);
        done += (size_t)n;
    }
    free(bytes);
    return fd;
}

int random_model_open(const struct random_model *d, struct engine_model **out, struct err *err)
{
    int fd = random_model_fd(d);
    int rc = engine_model_open_fds(&fd, 1, "random", out, err);

    close(fd);
    return rc;
}
