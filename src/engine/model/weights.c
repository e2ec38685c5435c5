/*
 * weights.c - see weights.h. Tensor names are those of the GGUF specification. Linux: the pages are
 * read by one madvise call where the kernel has it (5.14), else touched one by one.
 */
#include "engine/model/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TENSOR_NAME_MAX 64
#define SHAPE_TEXT_MAX  96

enum presence { REQUIRED, OPTIONAL };

struct finder {
    const struct gguf *g;
    const struct hparams *hp;
    const struct kern *kern; /* turns any type into floats */
    struct weights *w;
    size_t n_vectors, cap_vectors; /* floats of w->vectors in use, and in all */
    struct err *err;
};

/* "64 x 512", or "64" for a vector. */
static const char *shape_text(char dst[SHAPE_TEXT_MAX], uint32_t n_dims, const uint64_t *dims)
{
    size_t len = 0;

    dst[0] = '\0';
    for (uint32_t i = 0; i < n_dims && len < SHAPE_TEXT_MAX; i++)
        len += (size_t)snprintf(dst + len, SHAPE_TEXT_MAX - len, "%s%llu", i ? " x " : "",
                                (unsigned long long)dims[i]);
    return dst;
}

static bool same_shape(const struct gguf_tensor *t, uint32_t n_dims, const uint64_t *dims)
{
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++)
        if ((i < t->n_dims ? t->dims[i] : 1) != (i < n_dims ? dims[i] : 1))
            return false;
    return true;
}

/* *out is NULL, and the return 0, when an optional tensor is absent. */
static int find_tensor(const struct finder *f, const char *name, enum presence presence,
                       uint32_t n_dims, const uint64_t *dims, const struct gguf_tensor **out)
{
    const struct gguf_tensor *t = gguf_find_tensor(f->g, name);
    char have[SHAPE_TEXT_MAX], need[SHAPE_TEXT_MAX];

    *out = NULL;
    if (!t && presence == OPTIONAL)
        return 0;
    if (!t)
        return err_set(f->err, ERR_NOT_FOUND, "%s: the tensor '%s' of shape %s is missing",
                       gguf_name(f->g), name, shape_text(need, n_dims, dims));
    if (!same_shape(t, n_dims, dims))
        return err_set(f->err, ERR_INVALID,
                       "%s: the tensor '%s' has the shape %s, but must have %s", gguf_name(f->g),
                       name, shape_text(have, t->n_dims, t->dims), shape_text(need, n_dims, dims));
    if (!t->type) {
        const char *type = type_public_name(t->type_number);

        return err_set(f->err, ERR_UNSUPPORTED,
                       "%s: the tensor '%s' is of type %s (number %u), which is not supported",
                       gguf_name(f->g), name, type ? type : "unknown", t->type_number);
    }
    *out = t;
    return 0;
}

static int row_bytes(const struct finder *f, const char *name, const struct gguf_tensor *t,
                     size_t *out)
{
    if (t->dims[0] % t->type->block_elems != 0)
        return err_set(f->err, ERR_INVALID,
                       "%s: a row of the tensor '%s' has %llu values, no multiple of the %u in a "
                       "block of %s",
                       gguf_name(f->g), name, (unsigned long long)t->dims[0], t->type->block_elems,
                       t->type->name);
    *out = (size_t)(t->dims[0] / t->type->block_elems) * t->type->block_bytes;
    return 0;
}

/* W (n_rows, k) */
static int find_mat(const struct finder *f, const char *name, enum presence presence,
                    uint64_t n_rows, uint64_t k, struct kern_mat *out)
{
    uint64_t dims[2] = {k, n_rows};
    const struct gguf_tensor *t;
    size_t bytes = 0;
    int rc = find_tensor(f, name, presence, 2, dims, &t);

    if (!rc && t)
        rc = row_bytes(f, name, t, &bytes);
    if (rc || !t)
        return rc;
    *out = (struct kern_mat){
        .type = t->type, .data = t->data, .n_rows = n_rows, .k = k, .row_bytes = bytes};
    return 0;
}

/* v (n), as floats of our own; *out is NULL when an optional one is absent. */
static int find_vec(struct finder *f, const char *name, enum presence presence, uint64_t n,
                    const float **out)
{
    const struct gguf_tensor *t;
    struct kern_mat mat;
    size_t bytes = 0;
    float *place;
    int rc = find_tensor(f, name, presence, 1, &n, &t);

    if (!rc && t)
        rc = row_bytes(f, name, t, &bytes);
    if (rc || !t)
        return rc;
    BUG_ON(n > f->cap_vectors - f->n_vectors);
    place = f->w->vectors + f->n_vectors;
    f->n_vectors += n;
    mat = (struct kern_mat){
        .type = t->type, .data = t->data, .n_rows = 1, .k = n, .row_bytes = bytes};
    f->kern->get_row(&mat, 0, place);
    *out = place;
    return 0;
}

static const char *layer_name(char dst[TENSOR_NAME_MAX], uint32_t layer, const char *suffix)
{
    snprintf(dst, TENSOR_NAME_MAX, "blk.%u.%s", layer, suffix);
    return dst;
}

static int find_layer_mats(const struct finder *f, uint32_t i, struct layer *l)
{
    uint64_t e = f->hp->n_embd, q = hparams_q_dim(f->hp), k = hparams_kv_dim(f->hp);
    uint64_t ff = f->hp->n_ff;
    const struct {
        const char *name;
        uint64_t n_rows, k;
        struct kern_mat *mat;
    } wanted[] = {
        {"attn_q.weight", q, e, &l->wq},      {"attn_k.weight", k, e, &l->wk},
        {"attn_v.weight", k, e, &l->wv},      {"attn_output.weight", e, q, &l->wo},
        {"ffn_gate.weight", ff, e, &l->gate}, {"ffn_up.weight", ff, e, &l->up},
        {"ffn_down.weight", e, ff, &l->down},
    };
    char name[TENSOR_NAME_MAX];

    for (size_t j = 0; j < sizeof wanted / sizeof wanted[0]; j++) {
        int rc = find_mat(f, layer_name(name, i, wanted[j].name), REQUIRED, wanted[j].n_rows,
                          wanted[j].k, wanted[j].mat);

        if (rc)
            return rc;
    }
    return 0;
}

static int find_layer_vecs(struct finder *f, uint32_t i, struct layer *l)
{
    uint64_t e = f->hp->n_embd, q = hparams_q_dim(f->hp), k = hparams_kv_dim(f->hp);
    const struct {
        const char *name;
        enum presence presence;
        uint64_t n;
        const float **vec;
    } wanted[] = {
        {"attn_norm.weight", REQUIRED, e, &l->attn_norm},
        {"ffn_norm.weight", REQUIRED, e, &l->ffn_norm},
        {"attn_q.bias", OPTIONAL, q, &l->bq},
        {"attn_k.bias", OPTIONAL, k, &l->bk},
        {"attn_v.bias", OPTIONAL, k, &l->bv},
        {"attn_output.bias", OPTIONAL, e, &l->bo},
    };
    char name[TENSOR_NAME_MAX];

    for (size_t j = 0; j < sizeof wanted / sizeof wanted[0]; j++) {
        int rc = find_vec(f, layer_name(name, i, wanted[j].name), wanted[j].presence, wanted[j].n,
                          wanted[j].vec);

        if (rc)
            return rc;
    }
    return 0;
}

/* Embedding, output and what belongs to no layer. */
static int find_ends(struct finder *f)
{
    const struct gguf_tensor *embd = gguf_find_tensor(f->g, "token_embd.weight");
    struct weights *w = f->w;
    uint64_t n_vocab = embd ? embd->dims[1] : 0;
    int rc;

    if (embd && (n_vocab < 1 || n_vocab > INT32_MAX))
        return err_set(f->err, ERR_INVALID, "%s: the tensor 'token_embd.weight' has %llu rows",
                       gguf_name(f->g), (unsigned long long)n_vocab);
    w->n_vocab = (uint32_t)n_vocab;
    rc = find_mat(f, "token_embd.weight", REQUIRED, n_vocab, f->hp->n_embd, &w->token_embd);
    if (!rc)
        rc = find_mat(f, "output.weight", OPTIONAL, n_vocab, f->hp->n_embd, &w->output);
    if (!rc)
        rc = find_vec(f, "output_norm.weight", REQUIRED, f->hp->n_embd, &w->output_norm);
    if (!rc)
        rc = find_vec(f, "rope_freqs.weight", OPTIONAL, f->hp->rope.n_rot / 2, &w->rope_divisors);
    w->tied = !w->output.data;
    if (w->tied)
        w->output = w->token_embd;
    return rc;
}

int weights_find(const struct gguf *g, const struct hparams *hp, struct weights *out,
                 struct err *err)
{
    /* Bounded by hparams.h's limits to 1024 * (3 * 2^17 + 3 * 2^22) floats, no overflow. */
    size_t per_layer = 3 * (size_t)hp->n_embd + hparams_q_dim(hp) + 2 * (size_t)hparams_kv_dim(hp);
    size_t n_floats = per_layer * hp->n_layers + hp->n_embd + hp->rope.n_rot / 2;
    struct finder f = {.g = g, .hp = hp, .kern = kern_find("ref"), .w = out, .err = err};
    int rc;

    *out = (struct weights){.file = g, .n_layers = hp->n_layers};
    BUG_ON(!f.kern);
    if (gguf_n_tensors(g) < 9 * (uint64_t)hp->n_layers) /* before memory is asked for them */
        return err_set(err, ERR_NOT_FOUND,
                       "%s: %u layers need at least %llu tensors, but the file has %u",
                       gguf_name(g), hp->n_layers, 9ULL * hp->n_layers, gguf_n_tensors(g));
    f.cap_vectors = n_floats;
    out->layers = calloc(hp->n_layers, sizeof *out->layers);
    out->vectors = malloc(n_floats * sizeof(float));
    if (!out->layers || !out->vectors)
        rc = err_no_memory(err, n_floats * sizeof(float), "the model's norms and biases");
    else
        rc = find_ends(&f);
    for (uint32_t i = 0; !rc && i < hp->n_layers; i++) {
        rc = find_layer_mats(&f, i, &out->layers[i]);
        if (!rc)
            rc = find_layer_vecs(&f, i, &out->layers[i]);
    }
    if (rc)
        weights_done(out);
    return rc;
}

void weights_done(struct weights *w)
{
    if (!w)
        return;
    free(w->layers);
    free(w->vectors);
    *w = (struct weights){0};
}

static uint64_t mat_bytes(const struct kern_mat *m)
{
    return (uint64_t)m->n_rows * m->row_bytes;
}

void weights_layer_mats(struct layer *l, struct kern_mat *out[WEIGHTS_LAYER_MATS])
{
    struct kern_mat *mats[WEIGHTS_LAYER_MATS] = {&l->wq,   &l->wk, &l->wv,  &l->wo,
                                                 &l->gate, &l->up, &l->down};

    memcpy(out, mats, sizeof mats);
}

uint64_t weights_layer_bytes(const struct weights *w, uint32_t layer)
{
    struct kern_mat *mats[WEIGHTS_LAYER_MATS];
    uint64_t n = 0;

    weights_layer_mats(&w->layers[layer], mats);
    for (int i = 0; i < WEIGHTS_LAYER_MATS; i++)
        n += mat_bytes(mats[i]);
    return n;
}

uint64_t weights_ends_bytes(const struct weights *w)
{
    return mat_bytes(&w->token_embd) + (w->tied ? 0 : mat_bytes(&w->output));
}

uint64_t weights_token_bytes(const struct weights *w)
{
    uint64_t n = mat_bytes(&w->output);

    for (uint32_t i = 0; i < w->n_layers; i++)
        n += weights_layer_bytes(w, i);
    return n;
}

/* Read at once, and thrown away: what counts is that the system has it in memory then. */
#define READ_BYTES (256u << 10)

/* Reads, not touches: a page of a mapping costs more at its first touch than all of its bytes. */
static int read_mat(const struct weights *w, const struct kern_mat *m, struct err *err)
{
    const uint64_t size = mat_bytes(m);
    uint8_t *buf = malloc(READ_BYTES);
    int rc = buf ? 0 : err_no_memory(err, READ_BYTES, "reading the weights");

    for (uint64_t at = 0; !rc && at < size; at += READ_BYTES) {
        size_t n = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;

        if (!gguf_copy(w->file, (const uint8_t *)m->data + at, n, buf))
            rc = err_set(err, ERR_IO, "%s: the weights cannot be read: the file has become shorter",
                         gguf_name(w->file));
    }
    free(buf);
    return rc;
}

int weights_read_layer(const struct weights *w, uint32_t layer, struct err *err)
{
    struct kern_mat *mats[WEIGHTS_LAYER_MATS];
    int rc = 0;

    weights_layer_mats(&w->layers[layer], mats);
    for (int i = 0; !rc && i < WEIGHTS_LAYER_MATS; i++)
        rc = read_mat(w, mats[i], err);
    return rc;
}

void weights_expect_layer(const struct weights *w, uint32_t layer)
{
    struct kern_mat *mats[WEIGHTS_LAYER_MATS];

    weights_layer_mats(&w->layers[layer], mats);
    for (int i = 0; i < WEIGHTS_LAYER_MATS; i++)
        gguf_expect(w->file, mats[i]->data, mat_bytes(mats[i]));
}

int weights_read_ends(const struct weights *w, struct err *err)
{
    int rc = read_mat(w, &w->token_embd, err);

    return rc || w->tied ? rc : read_mat(w, &w->output, err);
}
