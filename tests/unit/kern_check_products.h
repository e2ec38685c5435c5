/*
 * kern_check_products.h - matrix products and rows of every weight type: each set against ref, bit
 * by bit; ref against sums in double within a stated bound; the meaning of the blocks against
 * ggml's own.
 */
#ifndef RBEE_TESTS_KERN_CHECK_PRODUCTS_H
#define RBEE_TESTS_KERN_CHECK_PRODUCTS_H

#include "engine/kern/pack.h"
#include "kern_golden.h"
#include "kern_weights.h"

#define UNIT_ROUNDOFF 0x1p-24 /* of float32 */

/* The sets besides ref. */
#define EACH_SET(set)                                                                              \
    for (const struct kern *const *each = kern_available(), *set = *each;                          \
         strcmp(set->name, "ref") != 0; set = *++each)

/* One product: its sizes, contents and buffers. */
struct product {
    struct guard guard;
    struct kern_mat w;
    struct kern_acts x;
    size_t y_stride, y_floats;
    float *y, *y_ref;
    enum fill fill;
};

static inline void outputs_clear(float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = float_of(CANARY);
}

/* Weights, activations and outputs, each with a forbidden page behind. */
static inline void product_init(struct product *p, struct rng *r, const struct type_info *t,
                                enum fill fill, size_t k, size_t n_rows, size_t n_cols)
{
    const size_t row_bytes = k / t->block_elems * t->block_bytes;
    uint8_t *data;
    float *f;

    memset(p, 0, sizeof *p);
    p->fill = fill;
    data = guard_alloc(&p->guard, n_rows * row_bytes);
    fill_blocks(r, t, fill, data, n_rows * k / t->block_elems);
    p->w = (struct kern_mat){t, data, n_rows, k, row_bytes, NULL};
    f = guard_floats(&p->guard, r, n_cols * k);
    p->x = (struct kern_acts){k, n_cols, f, NULL};
    if (k % QK == 0) {
        struct kern_q8 *q = guard_alloc(&p->guard, n_cols * k / QK * sizeof *q);
        kern_find("ref")->quantize(f, n_cols * k, q);
        p->x.q = q;
    }
    p->y_stride = n_rows + rng_below(r, 3);
    p->y_floats = (n_cols - 1) * p->y_stride + n_rows;
    p->y = guard_alloc(&p->guard, p->y_floats * sizeof *p->y);
    p->y_ref = guard_alloc(&p->guard, p->y_floats * sizeof *p->y);
}

/* Rows begin..end with every set: the same bits as ref, and nothing else touched. */
static inline void product_compare(struct product *p, size_t begin, size_t end)
{
    char what[160];

    snprintf(what, sizeof what, "%s, %s, k %zu, rows %zu..%zu of %zu, %zu columns", p->w.type->name,
             fill_name(p->fill), p->w.k, begin, end, p->w.n_rows, p->x.n_cols);
    outputs_clear(p->y_ref, p->y_floats);
    kern_find("ref")->matmul(&p->w, &p->x, p->y_ref, p->y_stride, begin, end);
    for (size_t i = 0; i < p->y_floats; i++) {
        size_t row = i % p->y_stride;
        CHECK((row >= begin && row < end) || bits_of(p->y_ref[i]) == CANARY,
              "ref: %s: wrote outside its rows, at %zu", what, i);
    }
    EACH_SET(set)
    {
        outputs_clear(p->y, p->y_floats);
        set->matmul(&p->w, &p->x, p->y, p->y_stride, begin, end);
        check_same(p->y, p->y_ref, p->y_floats, set->name, what);
    }
}

/* memcmp of a stripe; what pads its panels is zero in both. */
static inline int pack_stripes_differ(const struct kern_mat *w, size_t stripe, const uint8_t *a,
                                      const uint8_t *b)
{
    const size_t n = pack_stripe_bytes(w);

    return memcmp(a + stripe * n, b + stripe * n, n);
}

/* The same from the packed matrix, which must not be written past its end, nor read. */
static inline void product_compare_packed(struct product *p, size_t begin, size_t end)
{
    uint8_t *packed = guard_alloc(&p->guard, pack_bytes(&p->w));
    const size_t n_stripes = (p->w.n_rows + KERN_STRIPE - 1) / KERN_STRIPE;

    for (size_t s = 0; s < n_stripes; s++)
        pack_stripes(&p->w, s, s + 1, packed);
    EACH_SET(set)
    {
        uint8_t *again = guard_alloc(&p->guard, pack_bytes(&p->w));
        set->pack(&p->w, 0, n_stripes, again);
        for (size_t i = 0; i < n_stripes; i++)
            CHECK(pack_stripes_differ(&p->w, i, packed, again) == 0, "%s: pack: stripe %zu of %s",
                  set->name, i, p->w.type->name);
    }
    p->w.packed = packed;
    product_compare(p, begin / KERN_STRIPE * KERN_STRIPE, end);
    p->w.packed = NULL;
}

static inline void product_try(struct rng *r, const struct type_info *t, enum fill fill, size_t k,
                               size_t n_rows, size_t n_cols)
{
    struct product p;
    size_t begin, end;

    product_init(&p, r, t, fill, k, n_rows, n_cols);
    product_compare(&p, 0, n_rows);
    begin = rng_below(r, n_rows);
    end = begin + 1 + rng_below(r, n_rows - begin);
    product_compare(&p, begin, end);
    if (pack_bytes(&p.w)) {
        product_compare_packed(&p, 0, n_rows);
        product_compare_packed(&p, begin, end);
    }
    guard_free(&p.guard);
}

/* A packed matrix has the bytes of the matrix in the file, and at most 64 more a panel. */
static inline void check_pack_is_no_larger(void)
{
    uint32_t n_types;
    const struct type_info *types = type_all(&n_types);

    for (uint32_t t = 0; t < n_types; t++) {
        const size_t row_bytes = 2048 / types[t].block_elems * types[t].block_bytes;
        const struct kern_mat w = {&types[t], NULL, 33, 2048, row_bytes, NULL};
        const size_t least = 48 * row_bytes, most = least + 3 * (2048 / PACK_PANEL) * 64;

        if (types[t].block_elems == 1)
            CHECK(pack_bytes(&w) == 0, "%s is packed", types[t].name);
        else
            CHECK(pack_bytes(&w) >= least && pack_bytes(&w) <= most, "%s: %zu bytes, not %zu",
                  types[t].name, pack_bytes(&w), least);
    }
}

/* Row lengths to try for a type; *n of them, the last one long. */
static inline const size_t *row_lengths(const struct type_info *t, size_t *n)
{
    static const size_t floats[] = {1, 7, 15, 16, 17, 31, 64, 172, 1024};
    static const size_t simple[] = {32, 64, 96, 256, 288, 5632};
    static const size_t supers[] = {256, 512, 5632};

    if (t->block_elems == 1) {
        *n = sizeof floats / sizeof *floats;
        return floats;
    }
    *n = t->block_elems == QK ? sizeof simple / sizeof *simple : sizeof supers / sizeof *supers;
    return t->block_elems == QK ? simple : supers;
}

static inline void check_matmul_shapes(void)
{
    struct rng r = {1};
    uint32_t n_types;
    const struct type_info *types = type_all(&n_types);

    for (uint32_t t = 0; t < n_types; t++) {
        size_t n_lengths;
        const size_t *lengths = row_lengths(&types[t], &n_lengths);

        for (size_t n_rows = 1; n_rows <= 40; n_rows++)
            product_try(&r, &types[t], FILL_TAME, lengths[n_rows % (n_lengths - 1)], n_rows,
                        1 + n_rows % 9);
        for (size_t n_cols = 1; n_cols <= 20; n_cols++)
            product_try(&r, &types[t], FILL_TAME, lengths[n_cols % (n_lengths - 1)], 1 + n_cols % 5,
                        n_cols);
        product_try(&r, &types[t], FILL_TAME, lengths[n_lengths - 1], 18, 33);
        product_try(&r, &types[t], FILL_TAME, lengths[2], 17,
                    259); /* more than a block of columns */
    }
}

static inline void check_matmul_contents(void)
{
    struct rng r = {2};
    uint32_t n_types;
    const struct type_info *types = type_all(&n_types);

    for (uint32_t t = 0; t < n_types; t++) {
        for (int fill = FILL_ONES; fill < FILL_COUNT; fill++) {
            for (int i = 0; i < 6; i++)
                product_try(&r, &types[t], (enum fill)fill, 512, 17, 5);
        }
    }
}

/* The largest levels there are, all of one sign or changing: where 16-bit sums would overflow. */
static inline void check_matmul_extreme_levels(void)
{
    struct rng r = {3};
    uint32_t n_types;
    const struct type_info *types = type_all(&n_types);

    for (uint32_t t = 0; t < n_types; t++) {
        for (int i = 0; i < 24; i++) {
            struct product p;
            float *f;

            product_init(&p, &r, &types[t], i < 12 ? FILL_TAME : FILL_ONES, 256, 16, 3);
            f = guard_alloc(&p.guard, 3 * 256 * sizeof *f);
            for (size_t k = 0; k < 3 * 256; k++)
                f[k] = i % 3 == 0 || (i % 3 == 1 && rng_below(&r, 2)) ? 1.0f : -1.0f;
            struct kern_q8 *q = guard_alloc(&p.guard, 3 * 256 / QK * sizeof *q);
            kern_find("ref")->quantize(f, 3 * 256, q);
            if (types[t].type == TYPE_Q8_0 && i % 2) { /* -128 as well: no quantiser writes it */
                uint8_t *b = guard_alloc(&p.guard, 16 * p.w.row_bytes);
                memcpy(b, p.w.data, 16 * p.w.row_bytes);
                for (size_t j = 0; j < 16 * p.w.row_bytes; j++)
                    b[j] = j % 34 < 2 ? b[j] : 0x80;
                p.w.data = b;
            }
            p.x.f = f;
            p.x.q = q;
            product_compare(&p, 0, 16);
            if (pack_bytes(&p.w))
                product_compare_packed(&p, 0, 16);
            guard_free(&p.guard);
        }
    }
}

/* The activation that a column's float or level stands for. */
static inline double activation(const struct product *p, size_t c, size_t k)
{
    const struct kern_q8 *g;

    if (p->w.type->block_elems == 1)
        return (double)p->x.f[c * p->w.k + k];
    g = &p->x.q[c * p->w.k / QK + k / QK];
    return (double)g->d * g->q[k % QK];
}

/*
 * The bound. Quantised types: in each group d * s * dx and xs are rounded once, the two
 * multiply-adds once each, the integers are exact; so each term is off by at most one unit
 * roundoff, and by one more
 * for each multiply-add that comes behind it, at most two a group. Float types: one multiply-add
 * for each sixteenth weight, and four levels of sums. Second order terms are covered by the
 * spare 4.
 */
static inline double product_bound(const struct product *p, double sum_of_magnitudes)
{
    double steps =
        p->w.type->block_elems == 1 ? (double)p->w.k / 16 + 4 : (double)p->w.k / QK * 2 + 1;

    return (steps + 4) * UNIT_ROUNDOFF * sum_of_magnitudes;
}

static inline void product_check_value(const struct product *p, size_t row, size_t c)
{
    const uint8_t *data = (const uint8_t *)p->w.data + row * p->w.row_bytes;
    double sum = 0, magnitudes = 0, y = (double)p->y_ref[c * p->y_stride + row];

    for (size_t k = 0; k < p->w.k; k++) {
        struct weight w = weight_at(p->w.type, data, k);
        double x = activation(p, c, k);
        sum += (w.scaled - w.min) * x;
        magnitudes += (fabs(w.scaled) + fabs(w.min)) * fabs(x);
    }
    CHECK(fabs(y - sum) <= product_bound(p, magnitudes),
          "%s, k %zu: %.9g, in double %.17g, bound %g", p->w.type->name, p->w.k, y, sum,
          product_bound(p, magnitudes));
}

static inline void check_matmul_is_near_double(void)
{
    struct rng r = {4};
    uint32_t n_types;
    const struct type_info *types = type_all(&n_types);

    for (uint32_t t = 0; t < n_types; t++) {
        size_t n_lengths;
        const size_t *lengths = row_lengths(&types[t], &n_lengths);

        for (size_t i = 0; i < n_lengths; i++) {
            struct product p;

            product_init(&p, &r, &types[t], FILL_TAME, lengths[i], 4, 2);
            kern_find("ref")->matmul(&p.w, &p.x, p.y_ref, p.y_stride, 0, 4);
            for (size_t row = 0; row < 4; row++) {
                for (size_t c = 0; c < 2; c++)
                    product_check_value(&p, row, c);
            }
            guard_free(&p.guard);
        }
    }
}

/* A weight is made by three float operations at most. */
static inline void check_get_row(void)
{
    struct rng r = {5};
    uint32_t n_types;
    const struct type_info *types = type_all(&n_types);

    for (uint32_t t = 0; t < n_types; t++) {
        struct product p;
        float *row, *row_ref;

        product_init(&p, &r, &types[t], FILL_TAME, 512, 3, 1);
        row = guard_floats(&p.guard, &r, 512);
        row_ref = guard_floats(&p.guard, &r, 512);
        kern_find("ref")->get_row(&p.w, 2, row_ref);
        for (size_t k = 0; k < 512; k++) {
            struct weight w =
                weight_at(&types[t], (const uint8_t *)p.w.data + 2 * p.w.row_bytes, k);
            double bound = 3 * UNIT_ROUNDOFF * (fabs(w.scaled) + fabs(w.min));
            CHECK(fabs((double)row_ref[k] - (w.scaled - w.min)) <= bound,
                  "%s: weight %zu is %.9g, not %.9g", types[t].name, k, (double)row_ref[k],
                  w.scaled - w.min);
        }
        EACH_SET(set)
        {
            set->get_row(&p.w, 2, row);
            check_same(row, row_ref, 512, set->name, "get_row");
        }
        guard_free(&p.guard);
    }
}

/* FNV-1a (Fowler, Noll, Vo), as the script that made the expected values computes it. */
static inline uint64_t fnv1a(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Exactly the floats that ggml makes of the same blocks. */
static inline void check_get_row_is_that_of_ggml(void)
{
    float row[QK_K];

    for (size_t i = 0; i < sizeof golden_types / sizeof *golden_types; i++) {
        const struct golden_type *g = &golden_types[i];
        const struct type_info *t = type_info(g->type);
        struct kern_mat w = {t, g->row, 1, QK_K, QK_K / t->block_elems * t->block_bytes, NULL};

        kern_find("ref")->get_row(&w, 0, row);
        CHECK(fnv1a(row, sizeof row) == g->hash, "%s: not the floats of ggml", t->name);
    }
}

#endif
