/*
 * attend_scores.h - attention: what a tile of queries is, and its scores and weights over a block
 * of positions. The scores have their lanes over the positions of a page. Included behind floats.h.
 *
 * A page's strip of keys or values is too short for the hardware to foresee the next one. So each
 * line of values is fetched while the keys of its page are worked on, and the next block's keys
 * while the values are: both strips have one length, a line for each step of the loops.
 */
#ifndef RBEE_ENGINE_KERN_ATTEND_SCORES_H
#define RBEE_ENGINE_KERN_ATTEND_SCORES_H

/* Queries that follow each other, in one block. */
struct attend_tile {
    const struct kern_attn *a;
    size_t first, n; /* of the n_rows * n_heads */
    size_t width;    /* 1, 2, 4 or 8; those beyond n are zeros, and their results noise */
    size_t block;    /* which one */
    size_t n_ahead;  /* pages of the next block, whose keys may be fetched meanwhile */
    size_t n_pos[KERN_ATTEND_TILE]; /* n: positions of the block that each attends to */
    size_t least, most;             /* of n_pos */
    const float *q;                 /* F16: (head_dim, width), scaled */
    const struct kern_q8 *q8;       /* Q8_0: (head_dim / QK, width), scaled and quantised */
    float *s;                       /* (width, KERN_BLOCK_TOKENS) scores, then weights */
    float *w;                       /* Q8_0: the same, times the scales of a group of values */
    float *parts;                   /* (width, kern_part_len) */
};

/* ---- scores -------------------------------------------------------------- */

/* To the second level of the cache; nothing happens where there is no memory. */
INLINE void attend_fetch(const void *p)
{
    __builtin_prefetch(p, 0, 2);
}

/* s (width, KERN_BLOCK_TOKENS) at a page's positions = K (head_dim, page) . q (head_dim, width) */
INLINE void attend_page(const uint16_t *k, const uint16_t *v, const float *q, size_t head_dim,
                        float *s, const size_t width)
{
    for (size_t p = 0; p < KERN_PAGE_TOKENS; p += LANES_ATTEND_VECS * LANES) {
        struct vf sum[KERN_ATTEND_TILE][LANES_ATTEND_VECS], key[LANES_ATTEND_VECS];

#pragma GCC unroll 8
        for (size_t c = 0; c < width; c++) {
#pragma GCC unroll 2
            for (size_t i = 0; i < LANES_ATTEND_VECS; i++)
                sum[c][i] = vf_set1(0.0f);
        }
        for (size_t d = 0; d < head_dim; d++) {
            attend_fetch(v + d * KERN_PAGE_TOKENS);
#pragma GCC unroll 2
            for (size_t i = 0; i < LANES_ATTEND_VECS; i++)
                key[i] = vf_load_half(k + d * KERN_PAGE_TOKENS + p + i * LANES);
#pragma GCC unroll 8
            for (size_t c = 0; c < width; c++) {
                struct vf x = vf_set1(q[d * width + c]);
#pragma GCC unroll 2
                for (size_t i = 0; i < LANES_ATTEND_VECS; i++)
                    sum[c][i] = vf_fma(key[i], x, sum[c][i]);
            }
        }
#pragma GCC unroll 8
        for (size_t c = 0; c < width; c++) {
#pragma GCC unroll 2
            for (size_t i = 0; i < LANES_ATTEND_VECS; i++)
                vf_store(s + c * KERN_BLOCK_TOKENS + p + i * LANES, sum[c][i]);
        }
    }
}

/*
 * One group of the keys of sixteen positions, `levels` and `scales` those of the first, into their
 * scores.
 */
INLINE void attend_group(const int8_t *levels, const float *scales, const struct kern_q8 *q,
                         struct vf *s, const size_t width)
{
    const struct vf dk = vf_load(scales);
    struct vi sum[KERN_ATTEND_TILE];

#pragma GCC unroll 8
    for (size_t c = 0; c < width; c++)
        sum[c] = vi_set1(-LANES_BIAS8 * (q[c].sum[0] + q[c].sum[1]));
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
        struct vi key[4];

#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            key[j] = vi_load_levels(levels + (4 * half + j) * KERN_PAGE_TOKENS * 4);
#pragma GCC unroll 8
        for (size_t c = 0; c < width; c++) {
#pragma GCC unroll 4
            for (size_t j = 0; j < 4; j += LANES_DOT_WORDS)
                sum[c] = vi_dot(sum[c], key + j, q[c].q + 16 * half + 4 * j, 8);
        }
    }
#pragma GCC unroll 8
    for (size_t c = 0; c < width; c++)
        s[c] = vf_fma(vf_of_int(sum[c]), vf_mul(dk, vf_set1(q[c].d)), s[c]);
}

/* attend_page for Q8_0. */
INLINE void attend_page_q8(const int8_t *k, const int8_t *v, const struct kern_q8 *q,
                           size_t head_dim, float *s, const size_t width)
{
    const float *scales = (const float *)(k + head_dim * KERN_PAGE_TOKENS);

    for (size_t p = 0; p < KERN_PAGE_TOKENS; p += LANES) {
        struct vf sum[KERN_ATTEND_TILE];

#pragma GCC unroll 8
        for (size_t c = 0; c < width; c++)
            sum[c] = vf_set1(0.0f);
        for (size_t g = 0; g < head_dim / QK; g++) {
            const size_t at = g * QK * KERN_PAGE_TOKENS + 4 * p;

            for (size_t line = 0; line < QK * LANES; line += 64)
                attend_fetch(v + g * QK * KERN_PAGE_TOKENS + p * QK + line);
            attend_group(k + at, scales + g * KERN_PAGE_TOKENS + p, q + g * width, sum, width);
        }
#pragma GCC unroll 8
        for (size_t c = 0; c < width; c++)
            vf_store(s + c * KERN_BLOCK_TOKENS + p, sum[c]);
    }
}

/* The whole pages that hold the block's positions. */
INLINE void attend_scores(const struct attend_tile *t, const size_t width)
{
    const struct kern_attn *a = t->a;
    size_t page = t->block * KERN_BLOCK_PAGES;

    for (size_t p = 0; p < t->most; p += KERN_PAGE_TOKENS, page++) {
        if (a->type == KERN_KV_F16)
            attend_page(a->k_pages[page], a->v_pages[page], t->q, a->head_dim, t->s + p, width);
        else
            attend_page_q8(a->k_pages[page], a->v_pages[page], t->q8, a->head_dim, t->s + p, width);
    }
}

/* ---- softmax ------------------------------------------------------------- */

/* The largest of n whole vectors. */
static float attend_max(const float *s, size_t n)
{
    struct vf max = vf_set1(-INFINITY);
    float lanes[LANES], top;

    for (size_t i = 0; i < n; i += LANES)
        max = vf_max(vf_load(s + i), max);
    vf_store(lanes, max);
    top = lanes[0];
    for (int l = 1; l < LANES; l++)
        top = lanes[l] > top ? lanes[l] : top;
    return top;
}

/*
 * n scores to weights, in place; their max and sum to `part`. What lies behind them in the last
 * vector becomes a weight of 0, which adds nothing.
 */
static void attend_softmax(float *s, size_t n, float *part)
{
    const size_t whole = (n + LANES - 1) / LANES * LANES;
    struct vf sum = vf_set1(0.0f), max;

    for (size_t i = n; i < whole; i++)
        s[i] = -INFINITY;
    part[0] = attend_max(s, whole);
    max = vf_set1(part[0]);
    for (size_t i = 0; i < whole; i += LANES) {
        struct vf e = float_exp(vf_sub(vf_load(s + i), max));
        vf_store(s + i, e);
        sum = vf_add(sum, e);
    }
    part[1] = vf_sum(sum);
}

#endif
