/*
 * kern_check_attend.h - attention over pages: each set against ref, bit by bit, and ref against
 * softmax in double.
 */
#ifndef RBEE_TESTS_KERN_CHECK_ATTEND_H
#define RBEE_TESTS_KERN_CHECK_ATTEND_H

#include "kern_check_floats.h"

#define MAX_PAGES 5

/* One call, its pages each with a forbidden page behind the last row that is used. */
struct attention {
    struct guard guard;
    const uint16_t *k_pages[MAX_PAGES], *v_pages[MAX_PAGES];
    struct kern_attn a;
};

static inline const uint16_t *random_page(struct guard *g, struct rng *r, size_t n)
{
    uint16_t *p = guard_alloc(g, n * sizeof *p);

    for (size_t i = 0; i < n; i++)
        p[i] = kern_f32_to_f16(rng_float(r));
    return p;
}

static inline void attention_init(struct attention *t, struct rng *r, size_t page_tokens,
                                  size_t head_dim, size_t n_pos, size_t n_heads)
{
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i * page_tokens < n_pos; i++) {
        size_t left = n_pos - i * page_tokens;
        size_t n = (left < page_tokens ? left : page_tokens) * head_dim;
        t->k_pages[i] = random_page(&t->guard, r, n);
        t->v_pages[i] = random_page(&t->guard, r, n);
    }
    t->a = (struct kern_attn){.k_pages = t->k_pages,
                              .v_pages = t->v_pages,
                              .page_tokens = page_tokens,
                              .head_dim = head_dim,
                              .n_pos = n_pos,
                              .n_heads = n_heads,
                              .scale = 1.0f / sqrtf((float)head_dim)};
    t->a.q = guard_floats(&t->guard, r, n_heads * head_dim);
    t->a.out = guard_floats(&t->guard, r, n_heads * head_dim);
    t->a.scores = guard_floats(&t->guard, r, n_heads * n_pos);
}

static inline double page_value(const uint16_t *const *pages, const struct kern_attn *a, size_t p,
                                size_t i)
{
    return half_value(pages[p / a->page_tokens][p % a->page_tokens * a->head_dim + i]);
}

/* Head h in double. Everything lies in -1 .. 1 and is averaged, so an absolute bound says it. */
static inline void attention_near_double(const struct kern_attn *a, size_t h)
{
    double weight[256], sum = 0;

    for (size_t p = 0; p < a->n_pos; p++) {
        double s = 0;
        for (size_t i = 0; i < a->head_dim; i++)
            s += (double)a->q[h * a->head_dim + i] * page_value(a->k_pages, a, p, i);
        weight[p] = exp(s * (double)a->scale);
        sum += weight[p];
    }
    for (size_t i = 0; i < a->head_dim; i++) {
        double want = 0, got = (double)a->out[h * a->head_dim + i];
        for (size_t p = 0; p < a->n_pos; p++)
            want += weight[p] / sum * page_value(a->v_pages, a, p, i);
        CHECK(fabs(got - want) <= ((double)a->n_pos + 40) * UNIT_ROUNDOFF,
              "attend: %zu positions, head of %zu: %.9g, not %.9g", a->n_pos, a->head_dim, got,
              want);
    }
}

/* The result of ref for t, and each set's beside it. */
static inline void attention_compare(struct attention *t, const char *what)
{
    const size_t n = t->a.n_heads * t->a.head_dim;
    float *ref = guard_alloc(&t->guard, n * sizeof *ref);

    kern_find("ref")->attend(&t->a);
    memcpy(ref, t->a.out, n * sizeof *ref);
    EACH_SET(set)
    {
        outputs_clear(t->a.out, n);
        set->attend(&t->a);
        check_same(t->a.out, ref, n, set->name, what);
    }
}

static inline void attention_try(struct rng *r, size_t page_tokens, size_t head_dim, size_t n_pos,
                                 size_t n_heads)
{
    struct attention t;

    attention_init(&t, r, page_tokens, head_dim, n_pos, n_heads);
    kern_find("ref")->attend(&t.a);
    for (size_t h = 0; h < n_heads; h++)
        attention_near_double(&t.a, h);
    attention_compare(&t, "attend");
    guard_free(&t.guard);
}

static inline void check_attend(void)
{
    static const size_t dims[] = {64, 128, 48, 80, 20, 7, 256};
    struct rng r = {13};

    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (size_t n_heads = 1; n_heads <= 9; n_heads += n_heads < 5 ? 1 : 4)
            attention_try(&r, 16, dims[i], 1 + rng_below(&r, 70), n_heads);
    }
    for (size_t n_pos = 1; n_pos <= 40; n_pos++)
        attention_try(&r, n_pos % 2 ? 64 : 9, 64, n_pos, 1 + n_pos % 5);
}

/* Scores far apart, and scores that are infinite or no numbers: as in ref, no crash. */
static inline void check_attend_extreme_scores(void)
{
    static const float queries[] = {1e4f, -1e30f, INFINITY, NAN};
    struct rng r = {14};

    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct attention t;
        float *q;

        attention_init(&t, &r, 16, 64, 37, 3);
        q = guard_floats(&t.guard, &r, 3 * 64);
        q[64 + i] = queries[i];
        t.a.q = q;
        attention_compare(&t, "attend with an extreme query");
        guard_free(&t.guard);
    }
}

/* One key or value among many that is infinite or no number; in the vectors and in the rest. */
static inline void check_attend_poisoned_pages(void)
{
    static const uint16_t halves[] = {0x7c00, 0xfc00, 0x7e00};
    struct rng r = {15};

    for (size_t i = 0; i < 12; i++) {
        struct attention t;
        size_t at = i / 3 % 2 ? 36 : 3;
        uint16_t *page;

        attention_init(&t, &r, 64, 40, 37, 2);
        page = guard_alloc(&t.guard, 37 * 40 * sizeof *page);
        memcpy(page, i < 6 ? t.k_pages[0] : t.v_pages[0], 37 * 40 * sizeof *page);
        page[at * 40 + i % 40] = halves[i % 3];
        *(i < 6 ? &t.k_pages[0] : &t.v_pages[0]) = page;
        attention_compare(&t, "attend with a poisoned page");
        guard_free(&t.guard);
    }
}

#endif
