/* encoder_model.c - see encoder_model.h: the file. The arithmetic is encoder_reference.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "encoder_internal.h"
#include "engine/gguf/writer.h"
#include "engine/kern/kern.h"
#include "random_model.h"

struct writing {
    const struct encoder_model *d;
    struct gguf_writer *w;
    uint64_t state;
};

static void fill(uint8_t *dst, enum tensor_type type, uint64_t n, float size, float mean,
                 uint64_t *state)
{
    const struct type_info *info = type_info(type);

    for (uint64_t i = 0; i < n; i++) {
        float v = mean + size * random_normal(state);
        uint16_t h = kern_f32_to_f16(info->block_elems > 1 ? size / 74 : v);

        if (type == TYPE_F32)
            memcpy(dst + 4 * i, &v, 4);
        else if (type == TYPE_F16)
            memcpy(dst + 2 * i, &h, 2);
        else if (i % QK == 0) /* Q8_0: a scale, then levels */
            memcpy(dst + i / QK * info->block_bytes, &h, 2);
        if (type == TYPE_Q8_0)
            dst[i / QK * info->block_bytes + 2 + i % QK] = (uint8_t)random_u32(state);
    }
}

static void put(struct writing *w, const char *name, enum tensor_type type, uint64_t k,
                uint64_t rows, float size, float mean)
{
    const struct type_info *info = type_info(type);
    uint64_t dims[2], n_bytes;
    uint8_t *data;

    if (w->d->without && strcmp(w->d->without, name) == 0)
        return;
    if (w->d->misshapen && strcmp(w->d->misshapen, name) == 0)
        *(rows == 0 ? &k : &rows) += 1;
    dims[0] = k;
    dims[1] = rows;
    n_bytes = k / info->block_elems * info->block_bytes * (rows ? rows : 1);
    data = malloc(n_bytes);
    assert_non_null(data);
    fill(data, type, k * (rows ? rows : 1), size, mean, &w->state);
    gguf_writer_tensor(w->w, name, type, rows ? 2 : 1, dims, data, n_bytes);
    free(data);
}

static void put_linear(struct writing *w, uint32_t layer, const char *name, uint64_t rows,
                       uint64_t k)
{
    char full[64];
    float size = 1.5f;

    for (uint64_t n = k; n > 1; n /= 4)
        size /= 2;
    snprintf(full, sizeof full, "blk.%u.%s.weight", layer, name);
    put(w, full, w->d->type, k, rows, size, 0);
    snprintf(full, sizeof full, "blk.%u.%s.bias", layer, name);
    if (w->d->biases)
        put(w, full, TYPE_F32, rows, 0, 0.2f, 0);
}

static void put_norm(struct writing *w, const char *name)
{
    char full[64];

    snprintf(full, sizeof full, "%s.weight", name);
    put(w, full, TYPE_F32, w->d->n_embd, 0, 0.1f, 1.0f);
    snprintf(full, sizeof full, "%s.bias", name);
    put(w, full, TYPE_F32, w->d->n_embd, 0, 0.1f, 0);
}

static void put_layer(struct writing *w, uint32_t i)
{
    const struct encoder_model *d = w->d;
    char name[64];

    if (d->fused) {
        put_linear(w, i, "attn_qkv", 3 * (uint64_t)d->n_embd, d->n_embd);
    } else {
        put_linear(w, i, "attn_q", d->n_embd, d->n_embd);
        put_linear(w, i, "attn_k", d->n_embd, d->n_embd);
        put_linear(w, i, "attn_v", d->n_embd, d->n_embd);
    }
    put_linear(w, i, "attn_output", d->n_embd, d->n_embd);
    put_linear(w, i, "ffn_up", d->n_ff, d->n_embd);
    put_linear(w, i, "ffn_down", d->n_embd, d->n_ff);
    if (d->nomic)
        put_linear(w, i, "ffn_gate", d->n_ff, d->n_embd);
    snprintf(name, sizeof name, "blk.%u.attn_output_norm", i);
    put_norm(w, name);
    snprintf(name, sizeof name, "blk.%u.layer_output_norm", i);
    put_norm(w, name);
}

static void put_vocab(struct gguf_writer *w)
{
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    static char texts[ENCODER_VOCAB][8];
    struct gguf_str tokens[ENCODER_VOCAB];
    int32_t kinds[ENCODER_VOCAB];

    for (int i = 0; i < ENCODER_VOCAB; i++) {
        if (i < 5)
            snprintf(texts[i], sizeof texts[i], "%s", special[i]);
        else if (i < 31)
            snprintf(texts[i], sizeof texts[i], "\xe2\x96\x81%c", 'a' + i - 5);
        else
            snprintf(texts[i], sizeof texts[i], "%c", 'a' + i - 31);
        tokens[i] = (struct gguf_str){texts[i], strlen(texts[i])};
        kinds[i] = i < 5 ? 3 : 1;
    }
    gguf_writer_str(w, "tokenizer.ggml.model", "bert");
    gguf_writer_strs(w, "tokenizer.ggml.tokens", tokens, ENCODER_VOCAB);
    gguf_writer_i32s(w, "tokenizer.ggml.token_type", kinds, ENCODER_VOCAB);
    gguf_writer_u32(w, "tokenizer.ggml.token_type_count", ENCODER_TYPES);
    gguf_writer_u32(w, "tokenizer.ggml.cls_token_id", ENCODER_CLS);
    gguf_writer_u32(w, "tokenizer.ggml.seperator_token_id", ENCODER_SEP);
    gguf_writer_u32(w, "tokenizer.ggml.unknown_token_id", 1);
}

static void put_keys(struct writing *w)
{
    const struct encoder_model *d = w->d;
    const struct {
        const char *name;
        uint32_t value;
    } keys[] = {{"block_count", d->n_layers},         {"embedding_length", d->n_embd},
                {"feed_forward_length", d->n_ff},     {"context_length", d->n_ctx},
                {"attention.head_count", d->n_heads}, {"pooling_type", d->pooling}};
    const char *arch = d->nomic ? "nomic-bert" : "bert";
    char key[64];

    gguf_writer_str(w->w, "general.architecture", arch);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        snprintf(key, sizeof key, "%s.%s", arch, keys[i].name);
        if ((!d->key || strcmp(d->key, keys[i].name) != 0) &&
            (!d->unpooled || strcmp(keys[i].name, "pooling_type") != 0))
            gguf_writer_u32(w->w, key, keys[i].value);
    }
    if (d->key) {
        snprintf(key, sizeof key, "%s.%s", arch, d->key);
        gguf_writer_u32(w->w, key, d->value);
    }
    snprintf(key, sizeof key, "%s.normalize_embeddings", arch);
    if (d->scales)
        gguf_writer_bool(w->w, key, *d->scales);
    snprintf(key, sizeof key, "%s.attention.layer_norm_epsilon", arch);
    gguf_writer_f32(w->w, key, ENCODER_EPS);
    snprintf(key, sizeof key, "%s.attention.causal", arch);
    gguf_writer_bool(w->w, key, d->causal);
    snprintf(key, sizeof key, "%s.rope.freq_base", arch);
    gguf_writer_f32(w->w, key, ENCODER_ROPE_BASE);
}

void encoder_model_bytes(const struct encoder_model *d, uint8_t **bytes, size_t *n_bytes)
{
    struct writing w = {.d = d, .state = d->seed};
    struct err err = {0};

    assert_int_equal(gguf_writer_create(&w.w, &err), 0);
    put_keys(&w);
    put_vocab(w.w);
    put(&w, "token_embd.weight", d->type, d->n_embd, ENCODER_VOCAB, 1.0f, 0);
    if (d->token_types)
        put(&w, "token_types.weight", TYPE_F32, d->n_embd, ENCODER_TYPES, 1.0f, 0);
    if (!d->nomic)
        put(&w, "position_embd.weight", TYPE_F32, d->n_embd, d->n_ctx, 1.0f, 0);
    put_norm(&w, "token_embd_norm");
    if (d->more)
        put(&w, d->more, TYPE_F32, d->n_embd, 0, 1.0f, 0);
    for (uint32_t i = 0; i < d->n_layers; i++)
        put_layer(&w, i);
    if (gguf_writer_bytes(w.w, bytes, n_bytes, &err))
        fail_msg("%s", err.text);
    gguf_writer_free(w.w);
}

int encoder_model_open(const struct encoder_model *d, struct engine_model **out, struct err *err)
{
    int fd = memfd_create("encoder model", MFD_CLOEXEC), rc;
    size_t n_bytes;
    uint8_t *bytes;

    assert_true(fd >= 0);
    encoder_model_bytes(d, &bytes, &n_bytes);
    assert_true(write(fd, bytes, n_bytes) == (ssize_t)n_bytes);
    free(bytes);
    rc = engine_model_open_fds(&fd, 1, "encoder", out, err);
    close(fd);
    return rc;
}
