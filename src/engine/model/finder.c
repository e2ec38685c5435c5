/* finder.c - see finder.h. */
#include "engine/model/finder.h"

#include <stdio.h>
#include <string.h>

#define SHAPE_TEXT_MAX 96

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
static int finder_tensor(const struct finder *f, const char *name, enum finder_presence presence,
                         uint32_t n_dims, const uint64_t *dims, const struct gguf_tensor **out)
{
    const struct gguf_tensor *t = gguf_find_tensor(f->g, name);
    char have[SHAPE_TEXT_MAX], need[SHAPE_TEXT_MAX];

    *out = NULL;
    if (!t && presence == FINDER_OPTIONAL)
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
    f->found[gguf_tensor_number(f->g, t)] = true;
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

int finder_mat(const struct finder *f, const char *name, enum finder_presence presence,
               uint64_t n_rows, uint64_t k, struct kern_mat *out)
{
    uint64_t dims[2] = {k, n_rows};
    const struct gguf_tensor *t;
    size_t bytes = 0;
    int rc = finder_tensor(f, name, presence, 2, dims, &t);

    if (!rc && t)
        rc = row_bytes(f, name, t, &bytes);
    if (rc || !t)
        return rc;
    *out = (struct kern_mat){
        .type = t->type, .data = t->data, .n_rows = n_rows, .k = k, .row_bytes = bytes};
    return 0;
}

int finder_vec(struct finder *f, const char *name, enum finder_presence presence, uint64_t n,
               const float **out)
{
    const struct gguf_tensor *t;
    struct kern_mat mat;
    size_t bytes = 0;
    float *place;
    int rc = finder_tensor(f, name, presence, 1, &n, &t);

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

const char *finder_layer(char dst[FINDER_NAME_MAX], uint32_t layer, const char *suffix)
{
    snprintf(dst, FINDER_NAME_MAX, "blk.%u.%s", layer, suffix);
    return dst;
}

int finder_token_embd(struct finder *f)
{
    static const char name[] = "token_embd.weight";
    const struct gguf_tensor *t = gguf_find_tensor(f->g, name);
    uint64_t n_vocab = t ? t->dims[1] : 0;

    if (t && (n_vocab < 1 || n_vocab > INT32_MAX))
        return err_set(f->err, ERR_INVALID, "%s: the tensor '%s' has %llu rows", gguf_name(f->g),
                       name, (unsigned long long)n_vocab);
    f->w->n_vocab = (uint32_t)n_vocab;
    return finder_mat(f, name, FINDER_REQUIRED, n_vocab, f->hp->n_embd, &f->w->token_embd);
}

/* ---- what is left over --------------------------------------------------- */

/*
 * Tensors that models were trained with, that converters have written, and that change no logits
 * and no embedding. Another name in a file means another model.
 */
static const struct harmless {
    const char *begins, *ends; /* a name's; "" is any */
    bool encoders;             /* theirs only */
} harmless[] = {
    /* the rotary frequencies themselves, which follow from the base: of early Llamas, as Meta, as
     * Hugging Face and as the first converters called them */
    {"", "rope.freqs", false},
    {"", "rotary_emb.inv_freq", false},
    {"blk.", ".attn_rot_embd", false},
    {"blk.", ".attn_rot_embd.weight", false},
    /* what an embedding is classified by once it is made (a reranker's head, BERT's pooler), and
     * the numbers 0, 1, 2 .. by which it looked up its positions */
    {"cls.", "", true},
    {"pooler.dense.", "", true},
    {"embeddings.position_ids", "", true},
};

static bool is_harmless(const struct gguf_str *name, bool encoder)
{
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        const struct harmless *h = &harmless[i];
        size_t begins = strlen(h->begins), ends = strlen(h->ends);

        if ((encoder || !h->encoders) && name->len >= begins + ends &&
            memcmp(name->bytes, h->begins, begins) == 0 &&
            memcmp(name->bytes + name->len - ends, h->ends, ends) == 0)
            return true;
    }
    return false;
}

int finder_refuse_rest(const struct finder *f)
{
    char shown[GGUF_SHOWN_BYTES];

    for (uint32_t i = 0; i < gguf_n_tensors(f->g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(f->g, i);

        if (!f->found[i] && !is_harmless(&t->name, hparams_is_encoder(f->hp)))
            return err_set(f->err, ERR_UNSUPPORTED,
                           "%s: the tensor '%s' is not known to a %s model; without it the numbers "
                           "would be wrong",
                           gguf_name(f->g), gguf_show(t->name, shown),
                           hparams_family_name(f->hp->family));
    }
    return 0;
}
