/*
 * kern_check_attend.h - attention over pages: each set against ref, bit by bit; ref against softmax
 * in double; and each query alone, or block by block, against all of them together.
 */
#ifndef RBEE_TESTS_KERN_CHECK_ATTEND_H
#define RBEE_TESTS_KERN_CHECK_ATTEND_H

#include "kern_check_floats.h"

#define MAX_POS   (3 * KERN_BLOCK_TOKENS + 40)
#define MAX_PAGES ((MAX_POS + KERN_PAGE_TOKENS - 1) / KERN_PAGE_TOKENS)
#define MAX_ROWS  20
#define MAX_HEAD  256

/*
 * One call. Whole pages of keys and, behind the last value that is used, a forbidden page. What
 * lies behind the last position is no number where the type has one.
 */
struct attention {
    struct guard guard;
    uint8_t *k, *v; /* all pages, one after the other */
    const void *k_pages[MAX_PAGES], *v_pages[MAX_PAGES];
    uint32_t n_pos[MAX_ROWS];
    struct kern_attn a;
};

/* Where value i of position p lies among the keys or values: which half, or which level. */
static inline size_t key_at(const struct kern_attn *a, size_t p, size_t i)
{
    const size_t n = a->type == KERN_KV_F16 ? 1 : 4, at = p % KERN_PAGE_TOKENS;

    return (i / n * KERN_PAGE_TOKENS + at) * n + i % n;
}

static inline size_t value_at(const struct kern_attn *a, size_t p, size_t i)
{
    return p % KERN_PAGE_TOKENS * a->head_dim + i;
}

static inline uint8_t *strip_of(const struct kern_attn *a, uint8_t *strips, size_t p)
{
    return strips + p / KERN_PAGE_TOKENS * kern_strip_bytes(a->type, a->head_dim);
}

static inline float *scale_at(const struct kern_attn *a, uint8_t *strips, size_t p, size_t i)
{
    float *scales = (float *)(strip_of(a, strips, p) + a->head_dim * KERN_PAGE_TOKENS);

    return &scales[i / QK * KERN_PAGE_TOKENS + p % KERN_PAGE_TOKENS];
}

/* A random value in -1 .. 1. */
static inline void put_random(const struct kern_attn *a, struct rng *r, uint8_t *strips, size_t p,
                              size_t i, size_t at)
{
    uint8_t *strip = strip_of(a, strips, p);

    if (a->type == KERN_KV_F16) {
        ((uint16_t *)strip)[at] = kern_f32_to_f16(rng_float(r));
        return;
    }
    strip[at] = (uint8_t)((int)rng_below(r, 255) - 127);
    *scale_at(a, strips, p, i) = fabsf(rng_float(r)) / 127.0f;
}

static inline double value_of(const struct kern_attn *a, uint8_t *strips, size_t p, size_t i,
                              size_t at)
{
    const uint8_t *strip = strip_of(a, strips, p);

    if (a->type == KERN_KV_F16)
        return half_value(((const uint16_t *)strip)[at]);
    return (double)(int8_t)strip[at] * (double)*scale_at(a, strips, p, i);
}

/* The last row attends to n_pos positions, each before it to `step` fewer, but to one at least. */
static inline void attention_init(struct attention *t, struct rng *r, enum kern_kv type,
                                  size_t head_dim, size_t n_pos, size_t n_rows, size_t n_heads,
                                  size_t step)
{
    const size_t n_pages = (n_pos + KERN_PAGE_TOKENS - 1) / KERN_PAGE_TOKENS;
    const size_t strip = kern_strip_bytes(type, head_dim), stride = n_heads * head_dim + 3;
    const size_t unused = type == KERN_KV_F16 ? n_pages * KERN_PAGE_TOKENS - n_pos : 0;
    const size_t n_floats = (n_rows - 1) * stride + n_heads * head_dim;

    memset(t, 0, sizeof *t);
    t->a = (struct kern_attn){.type = type,
                              .k_pages = t->k_pages,
                              .v_pages = t->v_pages,
                              .head_dim = head_dim,
                              .n_rows = n_rows,
                              .n_heads = n_heads,
                              .n_pos = t->n_pos,
                              .stride = stride,
                              .scale = 1.0f / sqrtf((float)head_dim)};
    t->k = guard_alloc(&t->guard, n_pages * strip);
    t->v = guard_alloc(&t->guard, n_pages * strip - unused * head_dim * sizeof(uint16_t));
    memset(t->k, 0xff, n_pages * strip);
    memset(t->v, 0xff, n_pages * strip - unused * head_dim * sizeof(uint16_t));
    for (size_t i = 0; i < n_pos * head_dim; i++) {
        size_t p = i / head_dim, d = i % head_dim;
        put_random(&t->a, r, t->k, p, d, key_at(&t->a, p, d));
        put_random(&t->a, r, t->v, p, d, value_at(&t->a, p, d));
    }
    for (size_t i = 0; i < n_pages; i++) {
        t->k_pages[i] = t->k + i * strip;
        t->v_pages[i] = t->v + i * strip;
    }
    for (size_t i = 0; i < n_rows; i++) {
        size_t less = (n_rows - 1 - i) * step;
        t->n_pos[i] = (uint32_t)(less < n_pos ? n_pos - less : 1);
    }
    t->a.q = guard_floats(&t->guard, r, n_floats);
    t->a.out = guard_floats(&t->guard, r, n_floats);
    t->a.scratch = guard_floats(&t->guard, r, kern_attn_scratch(n_rows * n_heads, head_dim));
}

/* The query as the scores have it: scaled, and with Q8_0 rounded to levels. */
static inline void scaled_query(const struct kern_attn *a, const float *q, double *x)
{
    struct kern_q8 q8[MAX_HEAD / QK];
    float scaled[MAX_HEAD];

    for (size_t i = 0; i < a->head_dim; i++)
        x[i] = (double)(scaled[i] = q[i] * a->scale);
    if (a->type == KERN_KV_F16)
        return;
    kern_find("ref")->quantize(scaled, a->head_dim, q8);
    for (size_t i = 0; i < a->head_dim; i++)
        x[i] = (double)q8[i / QK].q[i % QK] * (double)q8[i / QK].d;
}

/* Query h of row r in double. All lies in -1 .. 1 and is averaged, so an absolute bound says it. */
static inline void attention_near_double(const struct attention *t, size_t r, size_t h)
{
    const struct kern_attn *a = &t->a;
    const size_t from = r * a->stride + h * a->head_dim;
    double weight[MAX_POS], x[MAX_HEAD], sum = 0;

    scaled_query(a, a->q + from, x);
    for (size_t p = 0; p < a->n_pos[r]; p++) {
        double s = 0;
        for (size_t i = 0; i < a->head_dim; i++)
            s += x[i] * value_of(a, t->k, p, i, key_at(a, p, i));
        weight[p] = exp(s);
        sum += weight[p];
    }
    for (size_t i = 0; i < a->head_dim; i++) {
        double want = 0, got = (double)a->out[from + i];
        for (size_t p = 0; p < a->n_pos[r]; p++)
            want += weight[p] / sum * value_of(a, t->v, p, i, value_at(a, p, i));
        /* a chain over a block, one over the head's floats in the score, and a dozen steps */
        CHECK(fabs(got - want) <=
                  (KERN_BLOCK_TOKENS + 2 * (double)a->head_dim + 40) * UNIT_ROUNDOFF,
              "attend: %u positions, head of %zu: %.9g, not %.9g", a->n_pos[r], a->head_dim, got,
              want);
    }
}

static inline size_t attention_floats(const struct kern_attn *a)
{
    return (a->n_rows - 1) * a->stride + a->n_heads * a->head_dim;
}

/* The result of ref for t, and each set's beside it. What lies between rows stays. */
static inline void attention_compare(struct attention *t, const char *what)
{
    const size_t n = attention_floats(&t->a);
    float *ref = guard_alloc(&t->guard, n * sizeof *ref);

    outputs_clear(t->a.out, n);
    kern_find("ref")->attend(&t->a);
    memcpy(ref, t->a.out, n * sizeof *ref);
    for (size_t i = 0; i < n; i++)
        CHECK((bits_of(ref[i]) == CANARY) == (i % t->a.stride >= t->a.n_heads * t->a.head_dim),
              "attend wrote element %zu, or did not", i);
    EACH_SET(set)
    {
        outputs_clear(t->a.out, n);
        set->attend(&t->a);
        check_same(t->a.out, ref, n, set->name, what);
    }
}

static inline void attention_try_as(struct rng *r, enum kern_kv type, size_t head_dim, size_t n_pos,
                                    size_t n_rows, size_t n_heads, size_t step)
{
    struct attention t;

    attention_init(&t, r, type, head_dim, n_pos, n_rows, n_heads, step);
    kern_find("ref")->attend(&t.a);
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t h = 0; h < n_heads; h++)
            attention_near_double(&t, row, h);
    }
    attention_compare(&t, "attend");
    guard_free(&t.guard);
}

static inline void attention_try(struct rng *r, size_t head_dim, size_t n_pos, size_t n_rows,
                                 size_t n_heads, size_t step)
{
    attention_try_as(r, KERN_KV_F16, head_dim, n_pos, n_rows, n_heads, step);
    if (head_dim % QK == 0)
        attention_try_as(r, KERN_KV_Q8_0, head_dim, n_pos, n_rows, n_heads, step);
}

static inline void check_attend(void)
{
    static const size_t dims[] = {64, 128, 48, 80, 96, 20, 8, 7, 256};
    struct rng r = {13};

    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (size_t n_heads = 1; n_heads <= 9; n_heads++)
            attention_try(&r, dims[i], 1 + rng_below(&r, 140), 1 + rng_below(&r, 4), n_heads, 1);
    }
    for (size_t n_pos = 1; n_pos <= 70; n_pos++)
        attention_try(&r, 16, n_pos, 1 + n_pos % MAX_ROWS, 1 + n_pos % 5, n_pos % 3);
}

/* Rows on both sides of where a block ends, and contexts of several blocks. */
static inline void check_attend_blocks(void)
{
    struct rng r = {16};

    for (size_t n_pos = KERN_BLOCK_TOKENS - 1; n_pos <= KERN_BLOCK_TOKENS + MAX_ROWS; n_pos += 3)
        attention_try(&r, 32, n_pos, MAX_ROWS, 1 + n_pos % 8, 1);
    for (size_t n_heads = 1; n_heads <= 8; n_heads++)
        attention_try(&r, 20 + 4 * n_heads, MAX_POS - n_heads * 40, 5, n_heads, 90);
}

/* A query alone, and its blocks one by one, against what the whole call gave. */
static inline void attention_pieces(struct attention *t, const struct kern *set, float *parts)
{
    const struct kern_attn all = t->a;
    const size_t len = kern_part_len(all.head_dim);
    float *whole = guard_alloc(&t->guard, attention_floats(&all) * sizeof *whole);

    set->attend(&all);
    memcpy(whole, all.out, attention_floats(&all) * sizeof *whole);
    for (size_t r = 0; r < all.n_rows; r++) {
        struct kern_attn one = all;
        const size_t n_blocks = kern_blocks_for(all.n_pos[r]);

        one.n_rows = 1;
        one.n_pos += r;
        one.q += r * all.stride;
        one.out += r * all.stride;
        outputs_clear(one.out, all.n_heads * all.head_dim);
        set->attend(&one);
        check_same(one.out, whole + r * all.stride, all.n_heads * all.head_dim, set->name,
                   "a row alone");
        for (size_t b = n_blocks; b-- > 0;) /* in whatever order */
            set->attend_block(&one, b, parts + b * all.n_heads * len);
        outputs_clear(one.out, all.n_heads * all.head_dim);
        for (size_t h = 0; h < all.n_heads; h++)
            set->attend_join(parts + h * len, n_blocks, all.n_heads * len, all.head_dim,
                             one.out + h * all.head_dim);
        check_same(one.out, whole + r * all.stride, all.n_heads * all.head_dim, set->name,
                   "a row block by block");
    }
}

static inline void check_attend_pieces(void)
{
    struct rng r = {17};

    for (size_t n_heads = 1; n_heads <= 9; n_heads += 2) {
        const enum kern_kv type = n_heads % 4 == 1 ? KERN_KV_F16 : KERN_KV_Q8_0;
        const size_t head_dim = type == KERN_KV_F16 ? 8 * n_heads + 8 : 32 * ((n_heads + 1) / 4);
        struct attention t;
        float *parts;

        attention_init(&t, &r, type, head_dim, MAX_POS, 7, n_heads, 150);
        parts = guard_alloc(&t.guard, kern_blocks_for(MAX_POS) * n_heads * kern_part_len(head_dim) *
                                          sizeof *parts);
        EACH_SET(set) attention_pieces(&t, set, parts);
        attention_pieces(&t, kern_find("ref"), parts);
        guard_free(&t.guard);
    }
}

/* Scores far apart, and scores that are infinite or no numbers: as in ref, no crash. */
static inline void check_attend_extreme_scores(void)
{
    static const float queries[] = {1e4f, -1e30f, INFINITY, -INFINITY, NAN};
    struct rng r = {14};

    for (size_t i = 0; i < 2 * (sizeof queries / sizeof *queries); i++) {
        struct attention t;
        float *q;

        attention_init(&t, &r, i % 2 ? KERN_KV_Q8_0 : KERN_KV_F16, 64, KERN_BLOCK_TOKENS + 37, 2, 3,
                       1);
        q = guard_floats(&t.guard, &r, attention_floats(&t.a));
        q[64 + i] = queries[i / 2];
        t.a.q = q;
        attention_compare(&t, "attend with an extreme query");
        guard_free(&t.guard);
    }
}

/* Position `at` is poisoned: rows that do not reach it do not notice. */
static inline void attention_poisoned(struct attention *t, size_t at)
{
    attention_compare(t, "attend with a poisoned page");
    for (size_t row = 0; row < t->a.n_rows; row++) {
        if (t->n_pos[row] <= at)
            attention_near_double(t, row, 0);
    }
    guard_free(&t->guard);
}

/*
 * One key or value among many that is infinite or no number; in the vectors and in the rest. A row
 * that does not attend to it must not notice.
 */
static inline void check_attend_poisoned_pages(void)
{
    static const uint16_t halves[] = {0x7c00, 0xfc00, 0x7e00};
    struct rng r = {15};

    for (size_t i = 0; i < 12; i++) {
        struct attention t;
        size_t at = i / 3 % 2 ? 36 : 3;
        uint8_t **strips = i < 6 ? &t.k : &t.v;

        attention_init(&t, &r, KERN_KV_F16, 40, 37, 9, 2, 1);
        ((uint16_t *)strip_of(&t.a, *strips,
                              at))[i < 6 ? key_at(&t.a, at, i * 6) : value_at(&t.a, at, i * 3)] =
            halves[i % 3];
        attention_poisoned(&t, at);
    }
    for (size_t i = 0; i < 4; i++) {
        struct attention t;
        size_t at = i % 2 ? 36 : 3;

        attention_init(&t, &r, KERN_KV_Q8_0, 64, 37, 9, 2, 1);
        *scale_at(&t.a, i < 2 ? t.k : t.v, at, 40) = NAN;
        attention_poisoned(&t, at);
    }
}

#endif
