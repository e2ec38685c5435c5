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

/*
 * One call. Whole pages of keys and, behind the last value that is used, a forbidden page. Keys
 * behind the last position are no numbers.
 */
struct attention {
    struct guard guard;
    uint16_t *k, *v; /* all pages, one after the other */
    const uint16_t *k_pages[MAX_PAGES], *v_pages[MAX_PAGES];
    uint32_t n_pos[MAX_ROWS];
    struct kern_attn a;
};

/* Where the half i of position p lies among the keys. */
static inline size_t key_at(const struct kern_attn *a, size_t p, size_t i)
{
    return (p / KERN_PAGE_TOKENS * a->head_dim + i) * KERN_PAGE_TOKENS + p % KERN_PAGE_TOKENS;
}

/* The last row attends to n_pos positions, each before it to `step` fewer, but to one at least. */
static inline void attention_init(struct attention *t, struct rng *r, size_t head_dim, size_t n_pos,
                                  size_t n_rows, size_t n_heads, size_t step)
{
    const size_t n_pages = (n_pos + KERN_PAGE_TOKENS - 1) / KERN_PAGE_TOKENS;
    const size_t page = KERN_PAGE_TOKENS * head_dim, stride = n_heads * head_dim + 3;
    const size_t n_floats = (n_rows - 1) * stride + n_heads * head_dim;

    memset(t, 0, sizeof *t);
    t->a = (struct kern_attn){.k_pages = t->k_pages,
                              .v_pages = t->v_pages,
                              .head_dim = head_dim,
                              .n_rows = n_rows,
                              .n_heads = n_heads,
                              .n_pos = t->n_pos,
                              .stride = stride,
                              .scale = 1.0f / sqrtf((float)head_dim)};
    t->k = guard_alloc(&t->guard, n_pages * page * sizeof *t->k);
    t->v = guard_alloc(&t->guard, n_pos * head_dim * sizeof *t->v);
    memset(t->k, 0xff, n_pages * page * sizeof *t->k);
    for (size_t i = 0; i < n_pos * head_dim; i++) {
        t->k[key_at(&t->a, i / head_dim, i % head_dim)] = kern_f32_to_f16(rng_float(r));
        t->v[i] = kern_f32_to_f16(rng_float(r));
    }
    for (size_t i = 0; i < n_pages; i++) {
        t->k_pages[i] = t->k + i * page;
        t->v_pages[i] = t->v + i * page;
    }
    for (size_t i = 0; i < n_rows; i++) {
        size_t less = (n_rows - 1 - i) * step;
        t->n_pos[i] = (uint32_t)(less < n_pos ? n_pos - less : 1);
    }
    t->a.q = guard_floats(&t->guard, r, n_floats);
    t->a.out = guard_floats(&t->guard, r, n_floats);
    t->a.scratch = guard_floats(&t->guard, r, kern_attn_scratch(n_rows * n_heads, head_dim));
}

/* Query h of row r in double. All lies in -1 .. 1 and is averaged, so an absolute bound says it. */
static inline void attention_near_double(const struct attention *t, size_t r, size_t h)
{
    const struct kern_attn *a = &t->a;
    const float *q = a->q + r * a->stride + h * a->head_dim;
    const float *out = a->out + r * a->stride + h * a->head_dim;
    double weight[MAX_POS], sum = 0;

    for (size_t p = 0; p < a->n_pos[r]; p++) {
        double s = 0;
        for (size_t i = 0; i < a->head_dim; i++)
            s += (double)q[i] * half_value(t->k[key_at(a, p, i)]);
        weight[p] = exp(s * (double)a->scale);
        sum += weight[p];
    }
    for (size_t i = 0; i < a->head_dim; i++) {
        double want = 0, got = (double)out[i];
        for (size_t p = 0; p < a->n_pos[r]; p++)
            want += weight[p] / sum * half_value(t->v[p * a->head_dim + i]);
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

static inline void attention_try(struct rng *r, size_t head_dim, size_t n_pos, size_t n_rows,
                                 size_t n_heads, size_t step)
{
    struct attention t;

    attention_init(&t, r, head_dim, n_pos, n_rows, n_heads, step);
    kern_find("ref")->attend(&t.a);
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t h = 0; h < n_heads; h++)
            attention_near_double(&t, row, h);
    }
    attention_compare(&t, "attend");
    guard_free(&t.guard);
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
        const size_t head_dim = 8 * n_heads + 8;
        struct attention t;
        float *parts;

        attention_init(&t, &r, head_dim, MAX_POS, 7, n_heads, 150);
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

    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct attention t;
        float *q;

        attention_init(&t, &r, 64, KERN_BLOCK_TOKENS + 37, 2, 3, 1);
        q = guard_floats(&t.guard, &r, attention_floats(&t.a));
        q[64 + i] = queries[i];
        t.a.q = q;
        attention_compare(&t, "attend with an extreme query");
        guard_free(&t.guard);
    }
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

        attention_init(&t, &r, 40, 37, 9, 2, 1);
        if (i < 6)
            t.k[key_at(&t.a, at, i % 40)] = halves[i % 3];
        else
            t.v[at * 40 + i * 3] = halves[i % 3];
        attention_compare(&t, "attend with a poisoned page");
        for (size_t row = 0; row < 9; row++) {
            if (t.n_pos[row] <= at)
                attention_near_double(&t, row, 0);
        }
        guard_free(&t.guard);
    }
}

#endif
