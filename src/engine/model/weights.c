/* weights.c - see weights.h. Tensor names are those of the GGUF specification. */
#include "engine/model/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/model/encoder_weights.h"
#include "engine/model/finder.h"

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
    char name[FINDER_NAME_MAX];

    for (size_t j = 0; j < sizeof wanted / sizeof wanted[0]; j++) {
        int rc = finder_mat(f, finder_layer(name, i, wanted[j].name), FINDER_REQUIRED,
                            wanted[j].n_rows, wanted[j].k, wanted[j].mat);

        if (rc)
            return rc;
    }
    return 0;
}

static int find_layer_vecs(struct finder *f, uint32_t i, struct layer *l)
{
    uint64_t e = f->hp->n_embd, q = hparams_q_dim(f->hp), k = hparams_kv_dim(f->hp);
    uint64_t ff = f->hp->n_ff;
    const struct {
        const char *name;
        enum finder_presence presence;
        uint64_t n;
        const float **vec;
    } wanted[] = {
        {"attn_norm.weight", FINDER_REQUIRED, e, &l->attn_norm},
        {"ffn_norm.weight", FINDER_REQUIRED, e, &l->ffn_norm},
        {"attn_q.bias", FINDER_OPTIONAL, q, &l->bq},
        {"attn_k.bias", FINDER_OPTIONAL, k, &l->bk},
        {"attn_v.bias", FINDER_OPTIONAL, k, &l->bv},
        {"attn_output.bias", FINDER_OPTIONAL, e, &l->bo},
        {"ffn_gate.bias", FINDER_OPTIONAL, ff, &l->b_gate},
        {"ffn_up.bias", FINDER_OPTIONAL, ff, &l->b_up},
        {"ffn_down.bias", FINDER_OPTIONAL, e, &l->b_down},
    };
    char name[FINDER_NAME_MAX];

    for (size_t j = 0; j < sizeof wanted / sizeof wanted[0]; j++) {
        int rc = finder_vec(f, finder_layer(name, i, wanted[j].name), wanted[j].presence,
                            wanted[j].n, wanted[j].vec);

        if (rc)
            return rc;
    }
    return 0;
}

#define DECODER_LAYER_TENSORS 9u
#define OUTPUT_BIAS           "output.bias"

/* Output and what belongs to no layer. */
static int find_ends(struct finder *f)
{
    struct weights *w = f->w;
    int rc = finder_mat(f, "output.weight", FINDER_OPTIONAL, w->n_vocab, f->hp->n_embd, &w->output);

    if (!rc)
        rc = finder_vec(f, OUTPUT_BIAS, FINDER_OPTIONAL, w->n_vocab, &w->output_bias);
    if (!rc)
        rc = finder_vec(f, "output_norm.weight", FINDER_REQUIRED, f->hp->n_embd, &w->output_norm);
    if (!rc)
        rc = finder_vec(f, "rope_freqs.weight", FINDER_OPTIONAL, f->hp->rope.n_rot / 2,
                        &w->rope_divisors);
    w->tied = !w->output.data;
    if (w->tied)
        w->output = w->token_embd;
    return rc;
}

/* A decoder's tensors but its embedding; all but their count is checked here. */
static int find_decoder(struct finder *f)
{
    int rc = find_ends(f);

    for (uint32_t i = 0; !rc && i < f->hp->n_layers; i++) {
        rc = find_layer_mats(f, i, &f->w->layers[i]);
        if (!rc)
            rc = find_layer_vecs(f, i, &f->w->layers[i]);
    }
    return rc;
}

/* The most floats that a decoder's vectors can have. Bounded by hparams.h's limits and the count of
 * a tensor's rows, no overflow; so the other. */
static size_t decoder_floats(const struct finder *f)
{
    const struct hparams *hp = f->hp;
    size_t qkv = hparams_q_dim(hp) + 2 * (size_t)hparams_kv_dim(hp);
    size_t per_layer = 4 * (size_t)hp->n_embd + qkv + 2 * (size_t)hp->n_ff;
    size_t bias = gguf_find_tensor(f->g, OUTPUT_BIAS) ? f->w->n_vocab : 0;

    return per_layer * hp->n_layers + hp->n_embd + hp->rope.n_rot / 2 + bias;
}

/* All of f->w. */
static int find_all(struct finder *f)
{
    bool encoder = hparams_is_encoder(f->hp);
    int rc;

    f->found = calloc(gguf_n_tensors(f->g), sizeof *f->found);
    if (!f->found)
        return err_no_memory(f->err, gguf_n_tensors(f->g), "the tensors that were found");
    rc = finder_token_embd(f);
    if (rc)
        return rc;
    f->cap_vectors = encoder ? encoder_weights_floats(f->hp) : decoder_floats(f);
    f->w->layers = calloc(f->hp->n_layers, sizeof *f->w->layers);
    f->w->vectors = malloc(f->cap_vectors * sizeof(float));
    if (!f->w->layers || !f->w->vectors)
        return err_no_memory(f->err, f->cap_vectors * sizeof(float),
                             "the model's norms and biases");
    rc = encoder ? encoder_weights_find(f) : find_decoder(f);
    return rc ? rc : finder_refuse_rest(f);
}

int weights_find(const struct gguf *g, const struct hparams *hp, struct weights *out,
                 struct err *err)
{
    unsigned per_layer = hparams_is_encoder(hp) ? ENCODER_LAYER_TENSORS : DECODER_LAYER_TENSORS;
    struct finder f = {.g = g, .hp = hp, .kern = kern_find("ref"), .w = out, .err = err};
    int rc;

    *out = (struct weights){.file = g, .n_layers = hp->n_layers};
    BUG_ON(!f.kern);
    if (gguf_n_tensors(g) < (uint64_t)per_layer * hp->n_layers) /* before memory is asked for */
        return err_set(err, ERR_NOT_FOUND,
                       "%s: %u layers need at least %llu tensors, but the file has %u",
                       gguf_name(g), hp->n_layers, (unsigned long long)per_layer * hp->n_layers,
                       gguf_n_tensors(g));
    rc = find_all(&f);
    out->n_vectors = f.n_vectors;
    free(f.found);
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
    return mat_bytes(&w->token_embd) + mat_bytes(&w->pos_embd) +
           (w->tied ? 0 : mat_bytes(&w->output));
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
        int why = gguf_copy(w->file, (const uint8_t *)m->data + at, n, buf);

        if (why)
            rc = gguf_unreadable(w->file, why, err);
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
        if (mats[i]->data)
            gguf_expect(w->file, mats[i]->data, mat_bytes(mats[i]));
}

int weights_read_ends(const struct weights *w, struct err *err)
{
    int rc = read_mat(w, &w->token_embd, err);

    if (!rc)
        rc = read_mat(w, &w->pos_embd, err);
    return rc || w->tied ? rc : read_mat(w, &w->output, err);
}
