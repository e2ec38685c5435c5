/*
 * attend.h - attention over the pages of one KV head. The scores are a product of float weights
 * (the keys) with the queries that share them; the values are summed with lanes over the head's
 * floats. Included behind floats.h.
 */
#ifndef RBEE_ENGINE_KERN_ATTEND_H
#define RBEE_ENGINE_KERN_ATTEND_H

/* Positions from p on that lie in one page. */
INLINE size_t attend_run(const struct kern_attn *a, size_t p)
{
    size_t in_page = a->page_tokens - p % a->page_tokens, left = a->n_pos - p;

    return left < in_page ? left : in_page;
}

INLINE const uint16_t *attend_row(const uint16_t *const *pages, const struct kern_attn *a, size_t p)
{
    return pages[p / a->page_tokens] + p % a->page_tokens * a->head_dim;
}

/* scores (n_heads, n_pos) = K (n_pos, head_dim) . q (n_heads, head_dim), not yet scaled */
static void attend_scores(const struct kern_attn *a)
{
    const struct kern_acts q = {.k = a->head_dim, .n_cols = a->n_heads, .f = a->q};
    size_t n;

    for (size_t p = 0; p < a->n_pos; p += n) {
        n = attend_run(a, p);
        float_product(TYPE_F16, (const uint8_t *)attend_row(a->k_pages, a, p),
                      a->head_dim * sizeof(uint16_t), n, &q, a->scores + p, a->n_pos);
    }
}

/* Scales the scores of a head in place and returns the largest. */
static float attend_scale(float *s, size_t n, float scale)
{
    struct vf max = vf_set1(-INFINITY);
    float lanes[LANES], top;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        struct vf v = vf_mul(vf_set1(scale), vf_load(s + i));
        vf_store(s + i, v);
        max = vf_max(v, max);
    }
    vf_store(lanes, max);
    top = lanes[0];
    for (int l = 1; l < LANES; l++)
        top = lanes[l] > top ? lanes[l] : top;
    for (; i < n; i++) {
        s[i] = scale * s[i];
        top = s[i] > top ? s[i] : top;
    }
    return top;
}

/* exp(s - max) in place; returns the sum. */
static float attend_exp(float *s, size_t n, float max)
{
    struct vf sum = vf_set1(0.0f);
    float lanes[LANES];
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        struct vf e = float_exp(vf_sub(vf_load(s + i), vf_set1(max)));
        vf_store(s + i, e);
        sum = vf_add(sum, e);
    }
    vf_store(lanes, sum);
    for (size_t l = 0; i < n; i++, l++) {
        s[i] = kern_exp(s[i] - max);
        lanes[l] = lanes[l] + s[i];
    }
    return kern_sum16(lanes);
}

/* out (n_heads, head_dim) at `from`: n_vecs vectors of sixteen, summed over all positions */
INLINE void attend_tile(const struct kern_attn *a, size_t h, size_t from, const size_t n_heads,
                        const size_t n_vecs)
{
    struct vf sum[LANES_FLOAT_COLS][LANES_FLOAT_ROWS], value[LANES_FLOAT_ROWS];
    size_t n;

#pragma GCC unroll 4
    for (size_t c = 0; c < n_heads; c++) {
#pragma GCC unroll 4
        for (size_t i = 0; i < n_vecs; i++)
            sum[c][i] = vf_set1(0.0f);
    }
    for (size_t p = 0; p < a->n_pos; p += n) {
        const uint16_t *v = attend_row(a->v_pages, a, p) + from;

        n = attend_run(a, p);
        for (size_t j = p; j < p + n; j++, v += a->head_dim) {
#pragma GCC unroll 4
            for (size_t i = 0; i < n_vecs; i++)
                value[i] = vf_load_half(v + i * LANES);
#pragma GCC unroll 4
            for (size_t c = 0; c < n_heads; c++) {
                struct vf e = vf_set1(a->scores[(h + c) * a->n_pos + j]);
#pragma GCC unroll 4
                for (size_t i = 0; i < n_vecs; i++)
                    sum[c][i] = vf_fma(e, value[i], sum[c][i]);
            }
        }
    }
#pragma GCC unroll 4
    for (size_t c = 0; c < n_heads; c++) {
#pragma GCC unroll 4
        for (size_t i = 0; i < n_vecs; i++)
            vf_store(a->out + (h + c) * a->head_dim + from + i * LANES, sum[c][i]);
    }
}

/* The floats of a head from `from` on, fewer than sixteen. */
static void attend_rest(const struct kern_attn *a, size_t h, size_t from)
{
    const float *e = a->scores + h * a->n_pos;
    float *out = a->out + h * a->head_dim;

    for (size_t i = from; i < a->head_dim; i++)
        out[i] = 0.0f;
    for (size_t p = 0; p < a->n_pos; p++) {
        const uint16_t *v = attend_row(a->v_pages, a, p);
        for (size_t i = from; i < a->head_dim; i++)
            out[i] = fmaf(e[p], kern_f16_to_f32(v[i]), out[i]);
    }
}

/* All of head_dim for n_heads heads from h on. */
INLINE void attend_values(const struct kern_attn *a, size_t h, const size_t n_heads)
{
    const size_t tile = LANES_FLOAT_ROWS * LANES;
    size_t from = 0;

    for (; from + tile <= a->head_dim; from += tile)
        attend_tile(a, h, from, n_heads, LANES_FLOAT_ROWS);
    for (; from + LANES <= a->head_dim; from += LANES)
        attend_tile(a, h, from, n_heads, 1);
    for (size_t c = 0; from < a->head_dim && c < n_heads; c++)
        attend_rest(a, h + c, from);
}

/* The scores of head h to weights that are still to be divided by their sum, which is returned. */
static float attend_weights(const struct kern_attn *a, size_t h)
{
    float *s = a->scores + h * a->n_pos;

    return attend_exp(s, a->n_pos, attend_scale(s, a->n_pos, a->scale));
}

/* n_heads heads from h on, their scores being there. */
INLINE void attend_heads(const struct kern_attn *a, size_t h, const size_t n_heads)
{
    float inverse[LANES_FLOAT_COLS];

    for (size_t c = 0; c < n_heads; c++)
        inverse[c] = 1.0f / attend_weights(a, h + c);
    attend_values(a, h, n_heads);
    for (size_t c = 0; c < n_heads; c++) {
        float *out = a->out + (h + c) * a->head_dim;
        for (size_t i = 0; i < a->head_dim; i++)
            out[i] = out[i] * inverse[c];
    }
}

static void attend(const struct kern_attn *a)
{
    size_t h = 0;

    attend_scores(a);
    for (; h + LANES_FLOAT_COLS <= a->n_heads; h += LANES_FLOAT_COLS)
        attend_heads(a, h, LANES_FLOAT_COLS);
    for (; h < a->n_heads; h++)
        attend_heads(a, h, 1);
}

#endif
