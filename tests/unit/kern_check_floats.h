/*
 * kern_check_floats.h - the operations on floats: each set against ref, bit by bit, and ref against
 * the C library's double functions within a stated bound.
 */
#ifndef RBEE_TESTS_KERN_CHECK_FLOATS_H
#define RBEE_TESTS_KERN_CHECK_FLOATS_H

#include "kern_check_products.h"

/* One unit in the last place of the float nearest to x. */
static inline double ulp_of(double x)
{
    float f = fabsf((float)x);

    return (double)nextafterf(f, INFINITY) - (double)f;
}

static inline void check_exp_is_within_two_ulp(void)
{
    for (float x = KERN_EXP_MIN; x <= KERN_EXP_MAX; x += 0x1p-13f) {
        double want = exp((double)x), got = (double)kern_exp(x);
        CHECK(fabs(got - want) <= 2 * ulp_of(want), "exp(%a) is %a, not %a", (double)x, got, want);
    }
}

static inline void check_exp_at_its_ends(void)
{
    CHECK(kern_exp(0.0f) == 1.0f, "exp(0) is %a", (double)kern_exp(0.0f));
    CHECK(kern_exp(-0.0f) == 1.0f, "exp(-0) is %a", (double)kern_exp(-0.0f));
    CHECK(kern_exp(-INFINITY) == 0.0f, "exp(-inf) is not 0");
    CHECK(kern_exp(nextafterf(KERN_EXP_MIN, -INFINITY)) == 0.0f, "below the lower end is not 0");
    CHECK(kern_exp(KERN_EXP_MIN) > 0.0f, "the lower end itself is 0");
    CHECK(kern_exp(INFINITY) == kern_exp(KERN_EXP_MAX), "exp(inf) is not that of the upper end");
    CHECK(kern_exp(1e30f) == kern_exp(KERN_EXP_MAX), "exp(1e30) is not that of the upper end");
    CHECK(isnan(kern_exp(NAN)), "exp of no number is a number");
}

static inline void check_half_to_float(void)
{
    for (uint32_t h = 0; h < 65536; h++) {
        double want = half_value((uint16_t)h), got = (double)kern_f16_to_f32((uint16_t)h);
        CHECK((isnan(want) && isnan(got)) || (want == got && signbit(want) == signbit(got)),
              "half %04x is %a, not %a", h, got, want);
    }
}

/* The half float nearest to f, found among all; of two as near the even one. */
static inline uint16_t nearest_half(float f)
{
    const double a = fabs((double)f);
    uint16_t sign = signbit(f) ? 0x8000 : 0, low = 0, high = 0x7bff;

    if (a >= half_value(0x7bff)) /* the largest; infinity stands where the next would be */
        return sign | (a >= 65520.0 ? 0x7c00 : 0x7bff);
    while (high - low > 1) {
        uint16_t mid = (uint16_t)((low + high) / 2);
        if (half_value(mid) <= a)
            low = mid;
        else
            high = mid;
    }
    double below = a - half_value(low), above = half_value(high) - a;
    return sign | (below < above || (below == above && low % 2 == 0) ? low : high);
}

/* A float of any size that a half could have, now and then just between two halves. */
static inline float float_for_half(struct rng *r)
{
    uint16_t h = (uint16_t)rng_below(r, 65536);
    double a = half_value(h), b = half_value((uint16_t)(h + 1));

    if (isfinite(a) && isfinite(b) && rng_below(r, 3) == 0)
        return (float)((a + b) / 2);
    if (isfinite(a) && rng_below(r, 2))
        return (float)(a * (1 + (double)rng_float(r) * 0x1p-10));
    return float_of((uint32_t)rng_next(r));
}

static inline void check_float_to_half(void)
{
    struct rng r = {6};
    struct guard g = {0};
    enum { N = 4096 + 13 };
    float *x = guard_alloc(&g, N * sizeof *x);
    uint16_t *y = guard_alloc(&g, N * sizeof *y);

    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < N; i++)
            x[i] = float_for_half(&r);
        for (const struct kern *const *set = kern_available(); *set; set++) {
            (*set)->to_f16(x, y, N);
            for (size_t i = 0; i < N; i++) {
                bool nan = (y[i] & 0x7fff) > 0x7c00;
                CHECK(isnan(x[i]) ? nan : y[i] == nearest_half(x[i]), "%s: %a becomes half %04x",
                      (*set)->name, (double)x[i], y[i]);
                CHECK(y[i] == kern_f32_to_f16(x[i]), "%s: %a: not the bits of ref", (*set)->name,
                      (double)x[i]);
            }
        }
    }
    guard_free(&g);
}

/* Groups of every kind: usual, zero, huge, tiny, subnormal, with infinities and no numbers. */
static inline void fill_group(struct rng *r, float *x, int kind)
{
    static const float scales[] = {1.0f, 0.0f, 3e38f, 1e-30f, 2e-36f, 1e-36f, 1e-40f, 1e-45f};

    for (size_t i = 0; i < QK; i++)
        x[i] = rng_float(r) * scales[kind % 8];
    if (kind % 24 == 8)
        x[rng_below(r, QK)] = -INFINITY;
    if (kind % 24 == 16)
        x[rng_below(r, QK)] = NAN;
}

static inline void quantized_same(const struct kern_q8 *a, const struct kern_q8 *b, const char *set)
{
    CHECK(memcmp(a->q, b->q, QK) == 0, "%s: quantize: levels differ from ref", set);
    CHECK(memcmp(a->sum, b->sum, sizeof a->sum) == 0, "%s: quantize: sums differ from ref", set);
    CHECK(same_float(a->xs, b->xs), "%s: quantize: xs is %a, ref has %a", set, (double)a->xs,
          (double)b->xs);
    CHECK(same_float(a->d, b->d), "%s: quantize: d is %a, ref has %a", set, (double)a->d,
          (double)b->d);
}

static inline void check_quantize_equals_ref(void)
{
    struct rng r = {7};
    struct guard g = {0};
    enum { GROUPS = 240 };
    float *x = guard_alloc(&g, GROUPS * QK * sizeof *x);
    struct kern_q8 *q = guard_alloc(&g, GROUPS * sizeof *q),
                   *ref = guard_alloc(&g, GROUPS * sizeof *q);

    for (int i = 0; i < GROUPS; i++)
        fill_group(&r, x + i * QK, i);
    kern_find("ref")->quantize(x, GROUPS * QK, ref);
    EACH_SET(set)
    {
        memset(q, 0x55, GROUPS * sizeof *q);
        set->quantize(x, GROUPS * QK, q);
        for (int i = 0; i < GROUPS; i++)
            quantized_same(&q[i], &ref[i], set->name);
    }
    guard_free(&g);
}

/* Levels come within half a step of the value; the sums are those of the levels. */
static inline void check_quantize_is_near(void)
{
    struct rng r = {8};
    float x[QK];
    struct kern_q8 q;

    for (int i = 0; i < 2000; i++) {
        int sum[2] = {0, 0};
        fill_group(&r, x, i % 4 == 1 ? 0 : i % 4);
        kern_find("ref")->quantize(x, QK, &q);
        for (int j = 0; j < QK; j++) {
            double off = (double)x[j] - (double)q.d * q.q[j];
            CHECK(fabs(off) <= (double)q.d * 0.50002, "level %d of %a is off by %g steps", q.q[j],
                  (double)x[j], off / (double)q.d);
            sum[j / 16] += q.q[j];
        }
        CHECK(sum[0] == q.sum[0] && sum[1] == q.sum[1], "sums are wrong");
        CHECK(q.xs == q.d * (float)(sum[0] + sum[1]), "xs is wrong");
    }
}

/* Known groups: all zero; halves that must go to the even neighbour; what is too small; poison. */
static inline void check_quantize_known_groups(void)
{
    const struct kern *ref = kern_find("ref");
    float x[QK] = {0};
    struct kern_q8 q;

    ref->quantize(x, QK, &q);
    CHECK(q.d == 0.0f && q.q[0] == 0 && q.sum[0] == 0, "a zero group is not zero");
    x[0] = 127.0f;
    x[1] = 0.5f;
    x[2] = 1.5f;
    x[3] = -2.5f;
    x[31] = -127.0f;
    ref->quantize(x, QK, &q);
    CHECK(q.d == 1.0f, "d is %a", (double)q.d);
    CHECK(q.q[0] == 127 && q.q[1] == 0 && q.q[2] == 2 && q.q[3] == -2 && q.q[31] == -127,
          "levels %d %d %d %d %d", q.q[0], q.q[1], q.q[2], q.q[3], q.q[31]);
    CHECK(q.sum[0] == 127 && q.sum[1] == -127, "sums %d %d", q.sum[0], q.sum[1]);
    for (int i = 0; i < QK; i++)
        x[i] = 1e-42f;
    ref->quantize(x, QK, &q);
    CHECK(q.d == 0.0f && q.q[0] == 0, "a subnormal group is not zero");
    x[7] = NAN;
    ref->quantize(x, QK, &q);
    CHECK(isnan(q.d) && q.q[0] == 0 && q.sum[0] == 0, "a group with a NaN does not show it");
}

static inline void check_rms_norm(void)
{
    struct rng r = {9};

    for (size_t k = 1; k <= 300; k += k < 40 ? 1 : 37) {
        struct guard g = {0};
        float *x = guard_floats(&g, &r, k), *w = guard_floats(&g, &r, k);
        float *y = guard_floats(&g, &r, k), *ref = guard_floats(&g, &r, k);
        double ss = 0;

        kern_find("ref")->rms_norm(x, w, k, 1e-5f, ref);
        for (size_t i = 0; i < k; i++)
            ss += (double)x[i] * (double)x[i];
        for (size_t i = 0; i < k; i++) {
            /* the sum is off by k/16 + 4 roundings, halved by the root; six more operations */
            double want = (double)x[i] / sqrt(ss / (double)k + 1e-5) * (double)w[i];
            CHECK(fabs((double)ref[i] - want) <= ((double)k / 16 + 10) * UNIT_ROUNDOFF * fabs(want),
                  "rms_norm of %zu: %g, not %g", k, (double)ref[i], want);
        }
        EACH_SET(set)
        {
            set->rms_norm(x, w, k, 1e-5f, y);
            check_same(y, ref, k, set->name, "rms_norm");
            memcpy(y, x, k * sizeof *y);
            set->rms_norm(y, w, k, 1e-5f, y);
            check_same(y, ref, k, set->name, "rms_norm in place");
        }
        guard_free(&g);
    }
}

/* What rotation by `angle` makes of the pair (a, b), in double. */
static inline void check_rotated(const float *old, const float *new, size_t a, size_t b,
                                 double angle)
{
    double want_a = (double)old[a] * cos(angle) - (double)old[b] * sin(angle);
    double want_b = (double)old[a] * sin(angle) + (double)old[b] * cos(angle);

    CHECK(fabs((double)new[a] - want_a) < 4 * UNIT_ROUNDOFF, "rope: %g, not %g", (double)new[a],
          want_a);
    CHECK(fabs((double)new[b] - want_b) < 4 * UNIT_ROUNDOFF, "rope: %g, not %g", (double)new[b],
          want_b);
}

static inline void rope_try(struct rng *r, size_t n_heads, size_t head_dim, size_t n_rot, bool neox)
{
    struct guard g = {0};
    const size_t n = n_heads * head_dim;
    float *old = guard_floats(&g, r, n), *ref = guard_floats(&g, r, n);
    float *y = guard_floats(&g, r, n), *cs = guard_floats(&g, r, n_rot);
    double angle[64];

    for (size_t i = 0; i < n_rot / 2; i++) {
        angle[i] = (double)rng_float(r) * 3.14;
        cs[2 * i] = (float)cos(angle[i]);
        cs[2 * i + 1] = (float)sin(angle[i]);
    }
    memcpy(ref, old, n * sizeof *old);
    kern_find("ref")->rope(ref, n_heads, head_dim, n_rot, cs, neox);
    for (size_t h = 0; h < n_heads; h++) {
        for (size_t i = 0; i < n_rot / 2; i++)
            check_rotated(old + h * head_dim, ref + h * head_dim, neox ? i : 2 * i,
                          neox ? i + n_rot / 2 : 2 * i + 1, angle[i]);
        for (size_t i = n_rot; i < head_dim; i++)
            CHECK(ref[h * head_dim + i] == old[h * head_dim + i], "rope turned what it should not");
    }
    EACH_SET(set)
    {
        memcpy(y, old, n * sizeof *old);
        set->rope(y, n_heads, head_dim, n_rot, cs, neox);
        check_same(y, ref, n, set->name, "rope");
    }
    guard_free(&g);
}

static inline void check_rope(void)
{
    struct rng r = {10};

    for (int neox = 0; neox < 2; neox++) {
        rope_try(&r, 1, 2, 2, neox);
        rope_try(&r, 3, 48, 48, neox);
        rope_try(&r, 4, 64, 64, neox);
        rope_try(&r, 5, 128, 128, neox);
        rope_try(&r, 2, 80, 20, neox);
        rope_try(&r, 2, 64, 38, neox);
    }
}

static inline void silu_try(struct rng *r, size_t n)
{
    struct guard g = {0};
    float *gate = guard_floats(&g, r, n), *up = guard_floats(&g, r, n);
    float *y = guard_floats(&g, r, n), *ref = guard_floats(&g, r, n);

    for (size_t i = 0; i < n; i++)
        gate[i] *= 100.0f;
    gate[0] = n % 3 == 0 ? NAN : n % 3 == 1 ? -INFINITY : gate[0];
    memcpy(ref, gate, n * sizeof *gate);
    kern_find("ref")->silu_mul(ref, up, n);
    for (size_t i = 1; i < n; i++) {
        double want = (double)gate[i] / (1 + exp(-(double)gate[i])) * (double)up[i];
        /* two ulp (four roundings) of exp, three operations; tiny where exp stops growing */
        CHECK(fabs((double)ref[i] - want) <= 8 * UNIT_ROUNDOFF * fabs(want) + 1e-36,
              "silu_mul(%g, %g) is %g, not %g", (double)gate[i], (double)up[i], (double)ref[i],
              want);
    }
    EACH_SET(set)
    {
        memcpy(y, gate, n * sizeof *gate);
        set->silu_mul(y, up, n);
        check_same(y, ref, n, set->name, "silu_mul");
    }
    guard_free(&g);
}

static inline void check_silu_mul(void)
{
    struct rng r = {11};

    for (size_t n = 1; n <= 40; n++)
        silu_try(&r, n);
    silu_try(&r, 20000);
}

static inline void check_layer_norm(void)
{
    struct rng r = {13};

    for (size_t k = 1; k <= 300; k += k < 40 ? 1 : 37) {
        struct guard g = {0};
        float *x = guard_floats(&g, &r, k), *w = guard_floats(&g, &r, k);
        float *b = guard_floats(&g, &r, k), *y = guard_floats(&g, &r, k);
        float *ref = guard_floats(&g, &r, k);
        double mean = 0, v = 0;

        kern_find("ref")->layer_norm(x, w, b, k, 1e-5f, ref);
        for (size_t i = 0; i < k; i++)
            mean += (double)x[i] / (double)k;
        for (size_t i = 0; i < k; i++)
            v += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)k;
        for (size_t i = 0; i < k; i++) {
            /* inputs are below 1; the mean is off by k/16 + 5 roundings, and so is the root */
            double r_true = 1 / sqrt(v + 1e-5);
            double want = ((double)x[i] - mean) * r_true * (double)w[i] + (double)b[i];
            double bound = ((double)k / 16 + 10) * UNIT_ROUNDOFF * (3 * r_true + 1);
            CHECK(fabs((double)ref[i] - want) <= bound, "layer_norm of %zu: %g, not %g", k,
                  (double)ref[i], want);
        }
        EACH_SET(set)
        {
            set->layer_norm(x, w, b, k, 1e-5f, y);
            check_same(y, ref, k, set->name, "layer_norm");
            memcpy(y, x, k * sizeof *y);
            set->layer_norm(y, w, b, k, 1e-5f, y);
            check_same(y, ref, k, set->name, "layer_norm in place");
        }
        guard_free(&g);
    }
}

static inline void gelu_try(struct rng *r, size_t n)
{
    struct guard g = {0};
    float *x = guard_floats(&g, r, n), *y = guard_floats(&g, r, n), *ref = guard_floats(&g, r, n);

    for (size_t i = 0; i < n; i++)
        x[i] *= i % 7 == 0 ? 100.0f : 6.0f;
    x[0] = n % 4 == 0 ? NAN : n % 4 == 1 ? INFINITY : n % 4 == 2 ? -0.0f : x[0];
    memcpy(ref, x, n * sizeof *x);
    kern_find("ref")->gelu(ref, n);
    for (size_t i = 1; i < n; i++) {
        double want = (double)x[i] / 2 * (1 + erf((double)x[i] / sqrt(2)));
        /* half of |x| times what erfc is off by (1.5e-7 and its roundings), while it is not 0 */
        double bound = fmin(fabs((double)x[i]), 16) * 2.5e-7 + UNIT_ROUNDOFF * fabs(want);
        CHECK(fabs((double)ref[i] - want) <= bound, "gelu(%g) is %g, not %g", (double)x[i],
              (double)ref[i], want);
    }
    if (n % 4 == 0)
        CHECK(isnan(ref[0]), "gelu of no number is a number");
    if (n % 4 == 1)
        CHECK(ref[0] == INFINITY, "gelu(inf) is %g", (double)ref[0]);
    EACH_SET(set)
    {
        memcpy(y, x, n * sizeof *x);
        set->gelu(y, n);
        check_same(y, ref, n, set->name, "gelu");
    }
    guard_free(&g);
}

static inline void check_gelu(void)
{
    struct rng r = {14};

    for (size_t n = 1; n <= 40; n++)
        gelu_try(&r, n);
    gelu_try(&r, 20000);
}

static inline void exp_try(struct rng *r, size_t n)
{
    static const float ends[] = {NAN,    -INFINITY,    INFINITY,    -0.0f,
                                 -3e38f, KERN_EXP_MIN, -87.000008f, 89.0f};
    struct guard g = {0};
    float *x = guard_floats(&g, r, n), *y = guard_floats(&g, r, n), *ref = guard_floats(&g, r, n);

    for (size_t i = 0; i < n; i++)
        x[i] = (i + n) % 9 == 0 ? ends[(i + n) / 9 % 8] : x[i] * 90.0f;
    for (size_t i = 0; i < n; i++)
        ref[i] = kern_exp(x[i]);
    EACH_SET(set)
    {
        memcpy(y, x, n * sizeof *x);
        set->exp(y, n);
        check_same(y, ref, n, set->name, "exp");
    }
    guard_free(&g);
}

static inline void check_exp(void)
{
    struct rng r = {15};

    for (size_t n = 1; n <= 40; n++)
        exp_try(&r, n);
    exp_try(&r, 20000);
}

static inline void check_add(void)
{
    struct rng r = {12};

    for (size_t n = 1; n <= 40; n++) {
        struct guard g = {0};
        float *x = guard_floats(&g, &r, n), *old = guard_floats(&g, &r, n);
        float *y = guard_floats(&g, &r, n);

        for (const struct kern *const *set = kern_available(); *set; set++) {
            memcpy(y, old, n * sizeof *y);
            (*set)->add(y, x, n);
            for (size_t i = 0; i < n; i++)
                CHECK(y[i] == old[i] + x[i], "%s: add", (*set)->name);
        }
        guard_free(&g);
    }
}

#endif
