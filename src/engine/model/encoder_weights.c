/*
 * encoder_weights.c - see encoder_weights.h. Tensor names are those of the GGUF specification. The
 * three projections of attention are tensors of their own or lie in one, attn_qkv, behind each
 * other; either way each is a matrix by itself here.
 */
#include "engine/model/encoder_weights.h"

#include <stdio.h>

size_t encoder_weights_floats(const struct hparams *hp)
{
    size_t e = hp->n_embd, qkv = hparams_q_dim(hp) + 2 * (size_t)hparams_kv_dim(hp);

    return (6 * e + qkv + 2 * (size_t)hp->n_ff) * hp->n_layers + 3 * e;
}

/* Rows begin .. begin + n - 1 of a matrix. */
static struct kern_mat rows_of(const struct kern_mat *m, size_t begin, size_t n)
{
    struct kern_mat part = *m;

    part.data = (const uint8_t *)m->data + begin * m->row_bytes;
    part.n_rows = n;
    return part;
}

static int find_fused(struct finder *f, uint32_t i, struct layer *l)
{
    size_t q = hparams_q_dim(f->hp), k = hparams_kv_dim(f->hp);
    char name[FINDER_NAME_MAX];
    struct kern_mat all = {0};
    const float *bias = NULL;
    int rc = finder_mat(f, finder_layer(name, i, "attn_qkv.weight"), FINDER_REQUIRED, q + 2 * k,
                        f->hp->n_embd, &all);

    if (!rc)
        rc = finder_vec(f, finder_layer(name, i, "attn_qkv.bias"), FINDER_OPTIONAL, q + 2 * k,
                        &bias);
    if (rc)
        return rc;
    l->wq = rows_of(&all, 0, q);
    l->wk = rows_of(&all, q, k);
    l->wv = rows_of(&all, q + k, k);
    l->bq = bias;
    l->bk = bias ? bias + q : NULL;
    l->bv = bias ? bias + q + k : NULL;
    return 0;
}

/* A matrix and its bias, which may be absent; the name ends before ".weight". */
static int find_linear(struct finder *f, uint32_t i, const char *which, uint64_t n_rows, uint64_t k,
                       struct kern_mat *w, const float **bias)
{
    char name[FINDER_NAME_MAX], suffix[FINDER_NAME_MAX / 2];
    int rc;

    snprintf(suffix, sizeof suffix, "%s.weight", which);
    rc = finder_mat(f, finder_layer(name, i, suffix), FINDER_REQUIRED, n_rows, k, w);
    snprintf(suffix, sizeof suffix, "%s.bias", which);
    return rc ? rc : finder_vec(f, finder_layer(name, i, suffix), FINDER_OPTIONAL, n_rows, bias);
}

static int find_qkv(struct finder *f, uint32_t i, struct layer *l)
{
    uint64_t e = f->hp->n_embd, q = hparams_q_dim(f->hp), k = hparams_kv_dim(f->hp);
    char name[FINDER_NAME_MAX];
    int rc;

    if (gguf_find_tensor(f->g, finder_layer(name, i, "attn_qkv.weight")))
        return find_fused(f, i, l);
    rc = find_linear(f, i, "attn_q", q, e, &l->wq, &l->bq);
    if (!rc)
        rc = find_linear(f, i, "attn_k", k, e, &l->wk, &l->bk);
    return rc ? rc : find_linear(f, i, "attn_v", k, e, &l->wv, &l->bv);
}

static int find_norms(struct finder *f, uint32_t i, struct layer *l)
{
    const struct {
        const char *name;
        const float **vec;
    } wanted[] = {
        {"attn_output_norm.weight", &l->attn_norm},
        {"attn_output_norm.bias", &l->attn_norm_bias},
        {"layer_output_norm.weight", &l->ffn_norm},
        {"layer_output_norm.bias", &l->ffn_norm_bias},
    };
    char name[FINDER_NAME_MAX];
    int rc = 0;

    for (size_t j = 0; !rc && j < sizeof wanted / sizeof wanted[0]; j++)
        rc = finder_vec(f, finder_layer(name, i, wanted[j].name), FINDER_REQUIRED, f->hp->n_embd,
                        wanted[j].vec);
    return rc;
}

static int find_layer(struct finder *f, uint32_t i, struct layer *l)
{
    uint64_t e = f->hp->n_embd, ff = f->hp->n_ff;
    int rc = find_qkv(f, i, l);

    if (!rc)
        rc = find_linear(f, i, "attn_output", e, hparams_q_dim(f->hp), &l->wo, &l->bo);
    if (!rc && f->hp->family == FAMILY_NOMIC_BERT)
        rc = find_linear(f, i, "ffn_gate", ff, e, &l->gate, &l->b_gate);
    if (!rc)
        rc = find_linear(f, i, "ffn_up", ff, e, &l->up, &l->b_up);
    if (!rc)
        rc = find_linear(f, i, "ffn_down", e, ff, &l->down, &l->b_down);
    return rc ? rc : find_norms(f, i, l);
}

/* The first row of token_types.weight: every text is of the first type ("sentence A"). */
static int find_token_type(struct finder *f)
{
    struct kern_mat types = {0};
    float *place = f->w->vectors + f->n_vectors;
    int rc = finder_mat(f, "token_types.weight", FINDER_OPTIONAL, f->hp->n_token_types,
                        f->hp->n_embd, &types);

    if (rc || !types.data)
        return rc;
    BUG_ON(f->hp->n_embd > f->cap_vectors - f->n_vectors);
    f->n_vectors += f->hp->n_embd;
    f->kern->get_row(&types, 0, place);
    f->w->token_type = place;
    return 0;
}

int encoder_weights_find(struct finder *f)
{
    const struct hparams *hp = f->hp;
    struct weights *w = f->w;
    int rc = find_token_type(f);

    w->tied = true;
    if (!rc && hp->family == FAMILY_BERT)
        rc = finder_mat(f, "position_embd.weight", FINDER_REQUIRED, hp->n_ctx_train, hp->n_embd,
                        &w->pos_embd);
    if (!rc)
        rc = finder_vec(f, "token_embd_norm.weight", FINDER_REQUIRED, hp->n_embd, &w->embd_norm);
    if (!rc)
        rc = finder_vec(f, "token_embd_norm.bias", FINDER_REQUIRED, hp->n_embd, &w->embd_bias);
    for (uint32_t i = 0; !rc && i < hp->n_layers; i++)
        rc = find_layer(f, i, &w->layers[i]);
    return rc;
}
