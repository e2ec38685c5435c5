/*
 * floats.h - everything that computes on floats: products of float weights, norm, activation,
 * attention, quantising. Sixteen lanes as ref.c has them; what is left over at the end of a row
 * goes through the same steps one by one. Included by one file for each instruction set, behind its
 * lanes header.
 */
#ifndef RBEE_ENGINE_KERN_FLOATS_H
#define RBEE_ENGINE_KERN_FLOATS_H

#include <math.h>

#include "engine/kern/sets.h"

/* Sixteen weights of a float type. */
INLINE struct vf float_load(enum tensor_type type, const uint8_t *row, size_t k)
{
    if (type == TYPE_F32)
        return vf_load((const float *)row + k);
    if (type == TYPE_F16)
        return vf_load_half((const uint16_t *)row + k);
    return vf_load_bf16((const uint16_t *)row + k);
}

/* The products from `at` on, fewer than sixteen, into the lanes. */
static __attribute__((noinline)) struct vf float_rest(enum tensor_type type, const uint8_t *row,
                                                      const float *x, size_t at, size_t k,
                                                      struct vf lanes)
{
    float part[LANES];

    vf_store(part, lanes);
    for (size_t i = at; i < k; i++)
        part[i - at] = fmaf(kern_float_weight(type, row, i), x[i], part[i - at]);
    return vf_load(part);
}

/* The sums of a tile, each in sixteen lanes. */
struct float_sums {
    struct vf v[LANES_FLOAT_ROWS][LANES_FLOAT_COLS];
};

/* sums (n_rows, n_cols) += w (n_rows, from .. end) . x (n_cols, from .. end), in registers; the
 * distance from `from` to `end` is a multiple of LANES */
INLINE void float_steps(enum tensor_type type, const uint8_t *w, size_t row_bytes, const float *x,
                        size_t k, size_t from, size_t end, struct float_sums *sums,
                        const size_t n_rows, const size_t n_cols)
{
    struct vf weight[LANES_FLOAT_ROWS];
    struct float_sums sum = *sums;

    for (size_t at = from; at < end; at += LANES) {
#pragma GCC unroll 4
        for (size_t r = 0; r < n_rows; r++)
            weight[r] = float_load(type, w + r * row_bytes, at);
#pragma GCC unroll 4
        for (size_t c = 0; c < n_cols; c++) {
            struct vf xs = vf_load(x + c * k + at);
#pragma GCC unroll 4
            for (size_t r = 0; r < n_rows; r++)
                sum.v[r][c] = vf_fma(weight[r], xs, sum.v[r][c]);
        }
    }
    *sums = sum;
}

/* What is left of k behind whole vectors, and each sum's lanes into one. */
INLINE void float_finish(enum tensor_type type, const uint8_t *w, size_t row_bytes, const float *x,
                         size_t k, struct float_sums *sum, float *y, size_t y_stride,
                         const size_t n_rows, const size_t n_cols)
{
    const size_t at = k - k % LANES;

    for (size_t r = 0; at < k && r < n_rows; r++) {
        for (size_t c = 0; c < n_cols; c++)
            sum->v[r][c] = float_rest(type, w + r * row_bytes, x + c * k, at, k, sum->v[r][c]);
    }
    if (n_rows == LANES_FLOAT_ROWS && n_cols == LANES_FLOAT_COLS) {
        vf_sum_tile(sum->v, y, y_stride);
        return;
    }
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t c = 0; c < n_cols; c++)
            y[c * y_stride + r] = vf_sum(sum->v[r][c]);
    }
}

/* y (n_cols, n_rows) = w (n_rows, k) . x (n_cols, k), a tile with its sums in registers */
INLINE void float_tile(enum tensor_type type, const uint8_t *w, size_t row_bytes, const float *x,
                       size_t k, float *y, size_t y_stride, const size_t n_rows,
                       const size_t n_cols)
{
    struct float_sums sum;

#pragma GCC unroll 4
    for (size_t r = 0; r < LANES_FLOAT_ROWS; r++) {
#pragma GCC unroll 4
        for (size_t c = 0; c < LANES_FLOAT_COLS; c++)
            sum.v[r][c] = vf_set1(0.0f);
    }
    float_steps(type, w, row_bytes, x, k, 0, k - k % LANES, &sum, n_rows, n_cols);
    float_finish(type, w, row_bytes, x, k, &sum, y, y_stride, n_rows, n_cols);
}

/*
 * So many rows meet the columns of a tile one behind the other, BLOCK_K of their weights at a time:
 * the part of the columns stays in the first level cache (16 KiB), the rows' weights in the second.
 * Without it every tile brought its columns from there anew. Measured on Zen 5 with F16, one
 * thread: 64 columns went from 123 to 153 Gop/s, 256 columns from 79 to 170 (32 rows: 87).
 */
#define FLOAT_BLOCK_ROWS  128
#define FLOAT_BLOCK_BYTES (512u << 10)
#define FLOAT_BLOCK_K     1024

/* Rows of a block, a multiple of LANES_FLOAT_ROWS. */
INLINE size_t float_block_rows(size_t row_bytes)
{
    size_t n = FLOAT_BLOCK_BYTES / row_bytes;

    n = n < FLOAT_BLOCK_ROWS ? n - n % LANES_FLOAT_ROWS : FLOAT_BLOCK_ROWS;
    return n > 0 ? n : LANES_FLOAT_ROWS;
}

/* As float_tile, for n_rows (a multiple of LANES_FLOAT_ROWS, at most FLOAT_BLOCK_ROWS). */
INLINE void float_block(enum tensor_type type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                        const float *x, size_t k, float *y, size_t y_stride)
{
    struct float_sums sums[FLOAT_BLOCK_ROWS / LANES_FLOAT_ROWS];
    const size_t whole = k - k % LANES;

    for (size_t t = 0; t < n_rows / LANES_FLOAT_ROWS; t++) {
        for (size_t i = 0; i < LANES_FLOAT_ROWS * LANES_FLOAT_COLS; i++)
            sums[t].v[i / LANES_FLOAT_COLS][i % LANES_FLOAT_COLS] = vf_set1(0.0f);
    }
    for (size_t at = 0; at < whole; at += FLOAT_BLOCK_K) {
        const size_t end = whole - at < FLOAT_BLOCK_K ? whole : at + FLOAT_BLOCK_K;

        for (size_t r = 0; r < n_rows; r += LANES_FLOAT_ROWS)
            float_steps(type, w + r * row_bytes, row_bytes, x, k, at, end,
                        &sums[r / LANES_FLOAT_ROWS], LANES_FLOAT_ROWS, LANES_FLOAT_COLS);
    }
    for (size_t r = 0; r < n_rows; r += LANES_FLOAT_ROWS)
        float_finish(type, w + r * row_bytes, row_bytes, x, k, &sums[r / LANES_FLOAT_ROWS], y + r,
                     y_stride, LANES_FLOAT_ROWS, LANES_FLOAT_COLS);
}

/* The columns from `c` on, one by one, against n_rows rows of one type. */
INLINE void float_columns(enum tensor_type type, const uint8_t *w, size_t row_bytes,
                          const struct kern_acts *x, size_t c, float *y, size_t y_stride,
                          const size_t n_rows)
{
    for (; c < x->n_cols; c++)
        float_tile(type, w, row_bytes, x->f + c * x->k, x->k, y + c * y_stride, y_stride, n_rows,
                   1);
}

/* y (n_cols, y_stride) = w (n_rows, k) . x (n_cols, k); y points at the first row */
INLINE void float_product(enum tensor_type type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                          const struct kern_acts *x, float *y, size_t y_stride)
{
    const size_t tiled_cols = x->n_cols - x->n_cols % LANES_FLOAT_COLS;
    const size_t tiled_rows = n_rows - n_rows % LANES_FLOAT_ROWS;
    const size_t most = float_block_rows(row_bytes);

    for (size_t r = 0; r < tiled_rows; r += most) {
        const size_t n = tiled_rows - r < most ? tiled_rows - r : most;

        for (size_t c = 0; c < tiled_cols; c += LANES_FLOAT_COLS)
            float_block(type, w + r * row_bytes, row_bytes, n, x->f + c * x->k, x->k,
                        y + c * y_stride + r, y_stride);
    }
    for (size_t r = 0; r < tiled_rows; r += LANES_FLOAT_ROWS)
        float_columns(type, w + r * row_bytes, row_bytes, x, tiled_cols, y + r, y_stride,
                      LANES_FLOAT_ROWS);
    for (size_t r = tiled_rows; r < n_rows; r++)
        float_columns(type, w + r * row_bytes, row_bytes, x, 0, y + r, y_stride, 1);
}

static void float_matmul(const struct kern_mat *w, const struct kern_acts *x, float *y,
                         size_t y_stride, size_t row_begin, size_t row_end)
{
    const uint8_t *p = (const uint8_t *)w->data + row_begin * w->row_bytes;
    const size_t n_rows = row_end - row_begin;

    if (w->type->type == TYPE_F32)
        float_product(TYPE_F32, p, w->row_bytes, n_rows, x, y + row_begin, y_stride);
    else if (w->type->type == TYPE_F16)
        float_product(TYPE_F16, p, w->row_bytes, n_rows, x, y + row_begin, y_stride);
    else
        float_product(TYPE_BF16, p, w->row_bytes, n_rows, x, y + row_begin, y_stride);
}

static void float_quantize(const float *x, size_t k, struct kern_q8 *dst)
{
    const struct vi magnitude = vi_set1(0x7fffffff);

    for (size_t i = 0; i < k; i += QK, dst++) {
        struct vf a = vf_load(x + i), b = vf_load(x + i + LANES);
        uint32_t bits =
            vi_max_of(vi_max(vi_and(vf_bits(a), magnitude), vi_and(vf_bits(b), magnitude)));
        float amax;

        memcpy(&amax, &bits, sizeof amax);
        if (!(amax >= KERN_Q8_TINY && amax < INFINITY)) {
            memset(dst, 0, sizeof *dst);
            dst->d = dst->xs = amax < KERN_Q8_TINY ? 0.0f : NAN;
            continue;
        }
        struct vf r = vf_set1(127.0f / amax);
        struct vi qa = vf_to_int(vf_mul(a, r)), qb = vf_to_int(vf_mul(b, r));
        vi_store_bytes(dst->q, qa);
        vi_store_bytes(dst->q + LANES, qb);
        dst->d = amax / 127.0f;
        dst->sum[0] = (int16_t)vi_sum(qa);
        dst->sum[1] = (int16_t)vi_sum(qb);
        dst->xs = dst->d * (float)(dst->sum[0] + dst->sum[1]);
    }
}

static void float_rms_norm(const float *x, const float *w, size_t k, float eps, float *y)
{
    float ss, r;
    size_t i = 0;

    float_tile(TYPE_F32, (const uint8_t *)x, 0, x, k, &ss, 1, 1, 1);
    r = 1.0f / sqrtf(ss / (float)k + eps);
    for (; i + LANES <= k; i += LANES)
        vf_store(y + i, vf_mul(vf_mul(vf_load(x + i), vf_set1(r)), vf_load(w + i)));
    for (; i < k; i++)
        y[i] = (x[i] * r) * w[i];
}

/* The sum of n values, or with `squares` of their squares, each less `mean`. */
INLINE float float_sum_less(const float *x, size_t n, float mean, bool squares)
{
    struct vf sum = vf_set1(0.0f);
    float part[LANES];
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        struct vf d = vf_load(x + i);

        if (squares)
            d = vf_sub(d, vf_set1(mean));
        sum = squares ? vf_fma(d, d, sum) : vf_add(sum, d);
    }
    vf_store(part, sum);
    for (size_t j = 0; i + j < n; j++)
        part[j] = squares ? fmaf(x[i + j] - mean, x[i + j] - mean, part[j]) : part[j] + x[i + j];
    return kern_sum16(part);
}

static void float_layer_norm(const float *x, const float *w, const float *b, size_t k, float eps,
                             float *y)
{
    float mean = float_sum_less(x, k, 0.0f, false) / (float)k;
    float r = 1.0f / sqrtf(float_sum_less(x, k, mean, true) / (float)k + eps);
    size_t i = 0;

    for (; i + LANES <= k; i += LANES) {
        struct vf d = vf_mul(vf_sub(vf_load(x + i), vf_set1(mean)), vf_set1(r));

        vf_store(y + i, vf_fma(d, vf_load(w + i), vf_load(b + i)));
    }
    for (; i < k; i++)
        y[i] = fmaf((x[i] - mean) * r, w[i], b[i]);
}

static void float_rope(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cs,
                       bool neox)
{
    const size_t step = neox ? 1 : 2, apart = neox ? n_rot / 2 : 1;

    for (size_t h = 0; h < n_heads; h++, x += head_dim) {
        for (size_t i = 0; i < n_rot / 2; i++) {
            float *a = &x[i * step], *b = a + apart;
            float c = cs[2 * i], s = cs[2 * i + 1], old_a = *a;

            *a = fmaf(old_a, c, -(*b * s));
            *b = fmaf(old_a, s, *b * c);
        }
    }
}

/* kern_exp, step by step as in ref.c. */
INLINE struct vf float_exp(struct vf x)
{
    const struct vf magic = vf_set1(EXP_MAGIC);
    struct vf top = vf_at_most(x, KERN_EXP_MAX);
    struct vf t = vf_fma(top, vf_set1(EXP_INV_LN2), magic), n = vf_sub(t, magic), r, p;

    r = vf_fma(n, vf_set1(-EXP_LN2_HI), top);
    r = vf_fma(n, vf_set1(-EXP_LN2_LO), r);
    p = vf_set1(EXP_C6);
    p = vf_fma(p, r, vf_set1(EXP_C5));
    p = vf_fma(p, r, vf_set1(EXP_C4));
    p = vf_fma(p, r, vf_set1(EXP_C3));
    p = vf_fma(p, r, vf_set1(EXP_C2));
    p = vf_fma(p, r, vf_set1(1.0f));
    p = vf_fma(p, r, vf_set1(1.0f));
    p = vf_mul(p, vf_of_bits(vi_shl(vi_add(vf_bits(t), vi_set1(127)), 23)));
    return vf_zero_below(p, x, KERN_EXP_MIN);
}

static void float_silu_mul(float *gate, const float *up, size_t n)
{
    const struct vi sign = vi_set1(INT32_MIN);
    const struct vf one = vf_set1(1.0f);
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        struct vf g = vf_load(gate + i), minus = vf_of_bits(vi_xor(vf_bits(g), sign));
        struct vf silu = vf_div(g, vf_add(one, float_exp(minus)));
        vf_store(gate + i, vf_mul(silu, vf_load(up + i)));
    }
    for (; i < n; i++)
        gate[i] = (gate[i] / (1.0f + kern_exp(-gate[i]))) * up[i];
}

/* kern_gelu, step by step as in ref.c. */
static void float_gelu(float *x, size_t n)
{
    const struct vi sign = vi_set1(INT32_MIN), magnitude = vi_set1(0x7fffffff);
    const struct vf half = vf_set1(0.5f), minus_half = vf_set1(-0.5f), one = vf_set1(1.0f);
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        struct vf v = vf_load(x + i), a = vf_of_bits(vi_and(vf_bits(v), magnitude));
        struct vf c = vf_at_most(a, GELU_MOST), z = vf_mul(c, vf_set1(GELU_SCALE));
        struct vf t = vf_div(one, vf_fma(z, vf_set1(GELU_P), one)), y;

        y = vf_fma(vf_set1(GELU_A5), t, vf_set1(GELU_A4));
        y = vf_fma(y, t, vf_set1(GELU_A3));
        y = vf_fma(y, t, vf_set1(GELU_A2));
        y = vf_fma(y, t, vf_set1(GELU_A1));
        y = vf_mul(vf_mul(y, t), float_exp(vf_of_bits(vi_xor(vf_bits(vf_mul(z, z)), sign))));
        vf_store(x + i, vf_fma(vf_mul(c, minus_half), y, vf_mul(vf_add(v, a), half)));
    }
    for (; i < n; i++)
        x[i] = kern_gelu(x[i]);
}

static void float_exp_all(float *x, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        vf_store(x + i, float_exp(vf_load(x + i)));
    for (; i < n; i++)
        x[i] = kern_exp(x[i]);
}

static void float_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] + x[i];
}

static void float_to_half(const float *x, uint16_t *y, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        vf_store_half(y + i, vf_load(x + i));
    for (; i < n; i++)
        y[i] = kern_f32_to_f16(x[i]);
}

#endif
