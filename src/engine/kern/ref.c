/*
 * ref.c - the kernels in plain C. This is the specification: every other set gives the same bits.
 *
 * Written to be read, not to be fast. It keeps no state and may run on any thread. It relies on the
 * default rounding mode and on -ffp-contract=off; fmaf is always meant where it stands.
 */
#include <math.h>
#include <string.h>

#include "engine/kern/sets.h"
#include "engine/kern/unpack.h"

float kern_sum16(const float a[LANES])
{
    float t[LANES];

    memcpy(t, a, sizeof t);
    for (int n = LANES / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; i++)
            t[i] = t[i] + t[i + n];
    }
    return t[0];
}

/*
 * exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2 (Cody & Waite 1980: ln 2 in
 * two pieces); exp(r) by a polynomial of degree 6. 2^n is a normal number for every x between the
 * two limits. A NaN stays one.
 */
float kern_exp(float x)
{
    float t, n, r, p, scale;
    uint32_t bits;

    if (x < KERN_EXP_MIN)
        return 0.0f;
    if (x > KERN_EXP_MAX)
        x = KERN_EXP_MAX;
    t = fmaf(x, EXP_INV_LN2, EXP_MAGIC);
    n = t - EXP_MAGIC;
    r = fmaf(n, -EXP_LN2_HI, x);
    r = fmaf(n, -EXP_LN2_LO, r);
    p = EXP_C6;
    p = fmaf(p, r, EXP_C5);
    p = fmaf(p, r, EXP_C4);
    p = fmaf(p, r, EXP_C3);
    p = fmaf(p, r, EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    memcpy(&bits, &t, sizeof bits);
    bits = (bits + 127) << 23; /* the magic's own bits are shifted out */
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* With a = |x| and y = erfc(a / sqrt(2)):  (x + a) / 2 - a / 2 * y, which is the same as above. */
float kern_gelu(float x)
{
    float a = fabsf(x), c = a > GELU_MOST ? GELU_MOST : a;
    float z = c * GELU_SCALE, t = 1.0f / fmaf(z, GELU_P, 1.0f), y;

    y = fmaf(GELU_A5, t, GELU_A4);
    y = fmaf(y, t, GELU_A3);
    y = fmaf(y, t, GELU_A2);
    y = fmaf(y, t, GELU_A1);
    y = (y * t) * kern_exp(-(z * z));
    return fmaf(c * -0.5f, y, (x + a) * 0.5f);
}

float kern_float_weight(enum tensor_type type, const void *row, size_t k)
{
    const uint8_t *p = row;
    uint32_t word;
    uint16_t half;
    float f;

    if (type == TYPE_F32) {
        memcpy(&f, p + k * sizeof f, sizeof f);
        return f;
    }
    memcpy(&half, p + k * sizeof half, sizeof half);
    if (type == TYPE_F16)
        return kern_f16_to_f32(half);
    word = (uint32_t)half << 16; /* BF16: the upper half of a float32 */
    memcpy(&f, &word, sizeof f);
    return f;
}

/* Sixteen lanes over k of row (k) . x (k). */
static float dot_float(enum tensor_type type, const void *row, const float *x, size_t k)
{
    float acc[LANES] = {0};

    for (size_t i = 0; i < k; i++)
        acc[i % LANES] = fmaf(kern_float_weight(type, row, i), x[i], acc[i % LANES]);
    return kern_sum16(acc);
}

/* One more group into the sum acc. */
static float dot_group(const struct unpack_group *g, const struct kern_q8 *x,
                       const struct unpack_form form, float acc)
{
    int32_t half[2] = {0, 0};

    for (int i = 0; i < QK; i++)
        half[i / 16] += g->q[i] * x->q[i];
    if (!form.halves) {
        acc = fmaf((float)(half[0] + half[1]), g->d * (float)g->s[0] * x->d, acc);
        return form.has_min ? fmaf(-(g->dm * (float)g->m[0]), x->xs, acc) : acc;
    }
    acc = fmaf((float)(g->s[0] * half[0] + g->s[1] * half[1]), g->d * x->d, acc);
    if (form.has_min)
        acc = fmaf((float)(g->m[0] * x->sum[0] + g->m[1] * x->sum[1]), -(g->dm * x->d), acc);
    return acc;
}

static void matmul_row(const struct kern_mat *w, const struct kern_acts *x, float *y,
                       size_t y_stride, const void *row)
{
    const enum tensor_type type = w->type->type;
    const struct unpack_form form = unpack_form(type);
    const size_t n_groups = w->k / QK;
    struct unpack_group g;

    for (size_t c = 0; c < x->n_cols; c++)
        y[c * y_stride] = 0.0f;
    for (size_t i = 0; i < n_groups; i++) {
        unpack_group(type, row, i, &g);
        for (size_t c = 0; c < x->n_cols; c++)
            y[c * y_stride] = dot_group(&g, &x->q[c * n_groups + i], form, y[c * y_stride]);
    }
}

static void ref_matmul(const struct kern_mat *w, const struct kern_acts *x, float *y,
                       size_t y_stride, size_t row_begin, size_t row_end)
{
    const enum tensor_type type = w->type->type;

    for (size_t r = row_begin; r < row_end; r++) {
        const uint8_t *row = (const uint8_t *)w->data + r * w->row_bytes;

        if (unpack_is_quantised(type)) {
            matmul_row(w, x, y + r, y_stride, row);
            continue;
        }
        for (size_t c = 0; c < x->n_cols; c++)
            y[c * y_stride + r] = dot_float(type, row, x->f + c * w->k, w->k);
    }
}

/* The dequantised value of weight i of a group. */
static float group_weight(const struct unpack_group *g, int i, bool has_min)
{
    float w = g->d * (float)g->s[i / 16] * (float)g->q[i];

    return has_min ? w - g->dm * (float)g->m[i / 16] : w;
}

void kern_get_row(const struct kern_mat *w, size_t row, float *dst)
{
    const enum tensor_type type = w->type->type;
    const uint8_t *p = (const uint8_t *)w->data + row * w->row_bytes;
    const bool has_min = unpack_form(type).has_min;
    struct unpack_group g;

    if (!unpack_is_quantised(type)) {
        for (size_t k = 0; k < w->k; k++)
            dst[k] = kern_float_weight(type, p, k);
        return;
    }
    for (size_t i = 0; i < w->k / QK; i++) {
        unpack_group(type, p, i, &g);
        for (int j = 0; j < QK; j++)
            dst[i * QK + (size_t)j] = group_weight(&g, j, has_min);
    }
}

/*
 * The largest magnitude of a group is found on the bits, so that a NaN counts as larger than
 * everything. A group with a NaN or an infinity gets d = NaN and levels of 0: the result of every
 * product it enters is then a NaN, which can be seen, and not a wrong number, which cannot.
 */
static void quantize_group(const float *x, struct kern_q8 *g)
{
    uint32_t bits, amax_bits = 0;
    float amax, r;

    for (int i = 0; i < QK; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7fffffff;
        amax_bits = bits > amax_bits ? bits : amax_bits;
    }
    memcpy(&amax, &amax_bits, sizeof amax);
    memset(g, 0, sizeof *g);
    if (amax_bits >= 0x7f800000) {
        g->d = g->xs = NAN;
        return;
    }
    if (amax < KERN_Q8_TINY)
        return;
    g->d = amax / 127.0f;
    r = 127.0f / amax;
    for (int i = 0; i < QK; i++) {
        g->q[i] = (int8_t)lrintf(x[i] * r);
        g->sum[i / 16] = (int16_t)(g->sum[i / 16] + g->q[i]);
    }
    g->xs = g->d * (float)(g->sum[0] + g->sum[1]);
}

static void ref_quantize(const float *x, size_t k, struct kern_q8 *dst)
{
    for (size_t i = 0; i < k / QK; i++)
        quantize_group(x + i * QK, &dst[i]);
}

static void ref_rms_norm(const float *x, const float *w, size_t k, float eps, float *y)
{
    float r = 1.0f / sqrtf(dot_float(TYPE_F32, x, x, k) / (float)k + eps);

    for (size_t i = 0; i < k; i++)
        y[i] = (x[i] * r) * w[i];
}

static void ref_layer_norm(const float *x, const float *w, const float *b, size_t k, float eps,
                           float *y)
{
    float lanes[LANES] = {0}, mean, r;

    for (size_t i = 0; i < k; i++)
        lanes[i % LANES] = lanes[i % LANES] + x[i];
    mean = kern_sum16(lanes) / (float)k;
    memset(lanes, 0, sizeof lanes);
    for (size_t i = 0; i < k; i++)
        lanes[i % LANES] = fmaf(x[i] - mean, x[i] - mean, lanes[i % LANES]);
    r = 1.0f / sqrtf(kern_sum16(lanes) / (float)k + eps);
    for (size_t i = 0; i < k; i++)
        y[i] = fmaf((x[i] - mean) * r, w[i], b[i]);
}

static void ref_rope(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cs,
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

static void ref_silu_mul(float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gate[i] = (gate[i] / (1.0f + kern_exp(-gate[i]))) * up[i];
}

static void ref_gelu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = kern_gelu(x[i]);
}

static void ref_exp(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = kern_exp(x[i]);
}

static void ref_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] + x[i];
}

static void ref_to_f16(const float *x, uint16_t *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = kern_f32_to_f16(x[i]);
}

const struct kern kern_ref = {
    .name = "ref",
    .quantize = ref_quantize,
    .matmul = ref_matmul,
    .get_row = kern_get_row,
    .rms_norm = ref_rms_norm,
    .layer_norm = ref_layer_norm,
    .rope = ref_rope,
    .silu_mul = ref_silu_mul,
    .gelu = ref_gelu,
    .exp = ref_exp,
    .add = ref_add,
    .to_f16 = ref_to_f16,
    .attend = ref_attend,
    .attend_block = ref_attend_block,
    .attend_join = ref_attend_join,
};
