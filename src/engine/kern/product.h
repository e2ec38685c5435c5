/*
 * product.h - matrix products of quantised weights: panels of sixteen rows against tiles of
 * columns.
 *
 * Lane = row, so the canonical order (one fused multiply-add for each group of 32) needs no sums
 * across lanes. The integer sums of a group are exact in any order. They are below 2^24 (unpack.h),
 * so that scaling them in float32 is exact too: fmaf(i1, s1, i0 * s0) is the integer of the
 * contract. Included behind panel.h.
 */
#ifndef RBEE_ENGINE_KERN_PRODUCT_H
#define RBEE_ENGINE_KERN_PRODUCT_H

#include "engine/kern/sets.h"

/* What a product must know of a type. Always a constant: each form is compiled on its own. */
struct form {
    int bits;    /* width of the levels: 5 (or fewer), 6 or 8 */
    int bias;    /* what the panel's levels have too much */
    bool scaled; /* has integer scales */
    bool halves; /* ... one for each half of a group */
    bool has_min;
};

/* Where a tile stands. */
struct tile {
    const struct panel *panel;
    size_t n_groups;         /* in the panel */
    const struct kern_q8 *x; /* first column, at the panel's first group */
    size_t x_stride;         /* groups from column to column */
    struct vf *sums;         /* one for each column */
};

typedef void tile_fn(const struct tile *t);

/* Minus the bias times the sums of one or both halves of x, to start an integer sum from. */
INLINE struct vi tile_start(const struct kern_q8 *x, int bias, bool low, bool high)
{
    const uint32_t minus = (uint16_t)-bias;

    if (bias == 0)
        return vi_set1(0);
    return vi_madd16(vi_broadcast(x->sum),
                     vi_set1((int32_t)((low ? minus : 0) | (high ? minus << 16 : 0))));
}

/* I of the contract for sixteen rows, as floats. */
INLINE struct vf tile_group(const struct panel *p, size_t g, const struct kern_q8 *x,
                            const struct form f)
{
    struct vi i0, i1;

    if (f.halves) {
        i0 = vi_dot16(tile_start(x, f.bias, true, false), p->q[g], x->q, f.bits);
        i1 = vi_dot16(tile_start(x, f.bias, false, true), p->q[g] + 4, x->q + 16, f.bits);
        return vf_fma(vf_of_int(i1), p->s[g][1], vf_mul(vf_of_int(i0), p->s[g][0]));
    }
    i0 = vi_dot16(tile_start(x, f.bias, true, true), p->q[g], x->q, f.bits);
    i0 = vi_dot16(i0, p->q[g] + 4, x->q + 16, f.bits);
    return f.scaled ? vf_mul(vf_of_int(i0), p->s[g][0]) : vf_of_int(i0);
}

/* sums (n_cols) += panel (16, n_groups) . x (n_groups, n_cols) */
INLINE void tile_run(const struct tile *t, const size_t n_cols, const struct form f)
{
    const struct panel *p = t->panel;
    struct vf sum[LANES_QUANT_COLS];

#pragma GCC unroll 8
    for (size_t c = 0; c < n_cols; c++)
        sum[c] = t->sums[c];
    for (size_t g = 0; g < t->n_groups; g++) {
#pragma GCC unroll 8
        for (size_t c = 0; c < n_cols; c++) {
            const struct kern_q8 *x = t->x + c * t->x_stride + g;
            const struct vf dx = vf_set1(x->d);

            sum[c] = vf_fma(tile_group(p, g, x, f), vf_mul(p->d[g], dx), sum[c]);
            if (f.has_min) {
                struct vf m = vf_of_int(vi_madd16(vi_broadcast(x->sum), p->m[g]));
                sum[c] = vf_fnma(m, vf_mul(p->dm[g], dx), sum[c]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t c = 0; c < n_cols; c++)
        t->sums[c] = sum[c];
}

/* The functions of a form: run[i] does 1 << i columns. */
#define TILE(name, i, ...)                                                                         \
    static void tile_##name##_##i(const struct tile *t)                                            \
    {                                                                                              \
        tile_run(t, 1 << i, (struct form){__VA_ARGS__});                                           \
    }
#if LANES_QUANT_COLS == 8
#define FORM_SIZES 4
#define FORM(name, ...)                                                                            \
    TILE(name, 0, __VA_ARGS__)                                                                     \
    TILE(name, 1, __VA_ARGS__)                                                                     \
    TILE(name, 2, __VA_ARGS__)                                                                     \
    TILE(name, 3, __VA_ARGS__)                                                                     \
    static tile_fn *const form_##name[FORM_SIZES] = {tile_##name##_0, tile_##name##_1,             \
                                                     tile_##name##_2, tile_##name##_3};
#else
#define FORM_SIZES 3
#define FORM(name, ...)                                                                            \
    TILE(name, 0, __VA_ARGS__)                                                                     \
    TILE(name, 1, __VA_ARGS__)                                                                     \
    TILE(name, 2, __VA_ARGS__)                                                                     \
    static tile_fn *const form_##name[FORM_SIZES] = {tile_##name##_0, tile_##name##_1,             \
                                                     tile_##name##_2};
#endif

FORM(q4_0, .bits = 5, .bias = 8)
FORM(q5_0, .bits = 5, .bias = 16)
FORM(q8_0, .bits = 8, .bias = LANES_BIAS8)
FORM(iq4_xs, .bits = 8, .bias = LANES_BIAS8, .scaled = true)
FORM(with_min, .bits = 5, .scaled = true, .has_min = true)
FORM(q2_k, .bits = 5, .scaled = true, .halves = true, .has_min = true)
FORM(q3_k, .bits = 5, .bias = 4, .scaled = true, .halves = true)
FORM(q6_k, .bits = 6, .bias = 32, .scaled = true, .halves = true)

/* How the products of a type are made. */
struct quant {
    panel_fn *unpack;
    tile_fn *const *run; /* FORM_SIZES functions */
};

static const struct quant quants[] = {
    [TYPE_Q4_0] = {panel_q4_0, form_q4_0},     [TYPE_Q4_1] = {panel_q4_1, form_with_min},
    [TYPE_Q5_0] = {panel_q5_0, form_q5_0},     [TYPE_Q5_1] = {panel_q5_1, form_with_min},
    [TYPE_Q8_0] = {panel_q8_0, form_q8_0},     [TYPE_Q2_K] = {panel_q2_k, form_q2_k},
    [TYPE_Q3_K] = {panel_q3_k, form_q3_k},     [TYPE_Q4_K] = {panel_q4_k, form_with_min},
    [TYPE_Q5_K] = {panel_q5_k, form_with_min}, [TYPE_Q6_K] = {panel_q6_k, form_q6_k},
    [TYPE_IQ4_NL] = {panel_iq4_nl, form_q8_0}, [TYPE_IQ4_XS] = {panel_iq4_xs, form_iq4_xs},
};

/* All columns against one panel, in the largest tiles that fit. */
static void product_columns(struct tile t, const struct quant *quant, size_t n_cols)
{
    for (int size = FORM_SIZES - 1; size >= 0; size--) {
        for (; n_cols >= (size_t)1 << size; n_cols -= (size_t)1 << size) {
            quant->run[size](&t);
            t.x += t.x_stride << size;
            t.sums += (size_t)1 << size;
        }
    }
}

/*
 * Asks for the weights of the panel that comes PREFETCH_PANELS later, of these rows or of sixteen
 * later ones: the rows of a panel are too many and too short for the CPU to foresee. Into the
 * second level cache, as the first is full of the panel. Measured on Zen 4 with one column of Q4_0:
 * rows of 2048 weights go from 6.3 to 14.6 GB/s, rows of 5632 from 12.9 to 14.7.
 */
#define PREFETCH_PANELS 16
#define CACHE_LINE      64

static void product_prefetch(const struct kern_mat *w, const uint8_t *const rows[LANES], size_t g,
                             size_t n)
{
    const size_t n_groups = w->k / QK, ahead = g + PREFETCH_PANELS * PANEL_GROUPS;
    const size_t offset =
        ahead / n_groups * LANES * w->row_bytes + ahead % n_groups * w->row_bytes / n_groups;
    const size_t panel_bytes = n * w->row_bytes / n_groups;

    for (size_t i = 0; i < LANES; i++) {
        uintptr_t p = (uintptr_t)rows[i] + offset; /* may lie behind the matrix: never read */
        for (size_t at = -p % CACHE_LINE; at < panel_bytes; at += CACHE_LINE)
            __builtin_prefetch((const void *)(p + at), 0, 2);
    }
}

/* Columns that are taken together against each panel: so many sums stay in the first level cache.
 */
#define BLOCK_COLS 256

/* sums (n_cols) = sixteen rows . the columns at x (n_cols, n_groups) */
static void product_block(const struct kern_mat *w, const uint8_t *const rows[LANES],
                          const struct kern_q8 *x, size_t n_cols, struct vf sums[BLOCK_COLS])
{
    const struct quant *quant = &quants[w->type->type];
    const size_t n_groups = w->k / QK;
    struct panel panel;

    for (size_t c = 0; c < n_cols; c++)
        sums[c] = vf_set1(0.0f);
    for (size_t g = 0; g < n_groups; g += PANEL_GROUPS) {
        size_t n = n_groups - g < PANEL_GROUPS ? n_groups - g : PANEL_GROUPS;

        product_prefetch(w, rows, g, n);
        quant->unpack(rows, g, n, &panel);
        product_columns((struct tile){&panel, n, x + g, n_groups, sums}, quant, n_cols);
    }
}

/* Rows r .. r + n_rows - 1, n_rows <= 16: the last row stands in for those that are missing. */
static void product_rows(const struct kern_mat *w, const struct kern_acts *x, float *y,
                         size_t y_stride, size_t r, size_t n_rows)
{
    const uint8_t *rows[LANES];
    struct vf sums[BLOCK_COLS];

    for (size_t i = 0; i < LANES; i++)
        rows[i] = (const uint8_t *)w->data + (r + (i < n_rows ? i : n_rows - 1)) * w->row_bytes;
    for (size_t begin = 0; begin < x->n_cols; begin += BLOCK_COLS) {
        size_t n = x->n_cols - begin < BLOCK_COLS ? x->n_cols - begin : BLOCK_COLS;

        product_block(w, rows, x->q + begin * (w->k / QK), n, sums);
        for (size_t c = 0; c < n; c++)
            vf_store_first(y + (begin + c) * y_stride + r, sums[c], n_rows);
    }
}

static void product_quant(const struct kern_mat *w, const struct kern_acts *x, float *y,
                          size_t y_stride, size_t row_begin, size_t row_end)
{
    for (size_t r = row_begin; r < row_end; r += LANES)
        product_rows(w, x, y, y_stride, r, row_end - r < LANES ? row_end - r : LANES);
}

#endif
