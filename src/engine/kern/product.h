/*
 * product.h - matrix products of quantised weights: stripes of sixteen rows against all columns.
 *
 * Many columns: a panel is unpacked once, and used by tile after tile; where there are registers
 * for it two stripes go side by side, so that each level of the activations is read once for both.
 * Few columns: each group is used as it is unpacked, and stripes follow each other, so that packed
 * weights are read as one stream. Included behind tile.h and gather.h.
 */
#ifndef RBEE_ENGINE_KERN_PRODUCT_H
#define RBEE_ENGINE_KERN_PRODUCT_H

#include "engine/kern/sets.h"

#define CACHE_LINE 64

/* ---- many columns: a panel is unpacked once, for all tiles ---------------- */

struct unpacked {
    struct scales s;
    struct vi q[PANEL_GROUPS][8];
};

typedef void unpack_fn(const struct panel *p, size_t n, struct unpacked *u);
typedef void wide_fn(const struct unpacked *u, size_t n, const struct columns x, struct vf *sums,
                     const uint8_t *const *ahead);

/*
 * What each tile asks for of the packed panels that come next, line by line while it computes: all
 * at once, the requests wait for each other. Without any, a batch of 16 waited for weights a third
 * of its time.
 */
#define WIDE_AHEAD_LINES 3 /* of each stripe, in a group */
#define WIDE_AHEAD_BYTES (PANEL_GROUPS * WIDE_AHEAD_LINES * CACHE_LINE)

INLINE void wide_prefetch(const uint8_t *at, size_t g)
{
#pragma GCC unroll 4
    for (size_t i = 0; i < WIDE_AHEAD_LINES; i++)
        __builtin_prefetch(at + (g * WIDE_AHEAD_LINES + i) * CACHE_LINE, 0, 3);
}

/* sums (n_stripes, n_cols) += panels (n_stripes, 16, n groups) . x (n groups, n_cols); `ahead`: for
 * each stripe what to ask for, or NULL */
INLINE void wide_run(const struct unpacked *u, size_t n, struct columns x, struct vf *sums,
                     const uint8_t *const *ahead, const size_t n_stripes, const size_t n_cols,
                     const struct form f)
{
    struct tile_sums sum;

    tile_load(&sum, sums, n_stripes, n_cols);
    for (size_t g = 0; g < n; g++, x.x++) {
        struct tile_weights w = {.g = g};

        for (size_t s = 0; s < n_stripes; s++) {
            w.q[s] = u[s].q[g];
            w.s[s] = &u[s].s;
            if (ahead[s])
                wide_prefetch(ahead[s], g);
        }
        tile_step(&w, x, &sum, n_stripes, n_cols, f);
    }
    tile_store(&sum, sums, n_stripes, n_cols);
}

/* ---- few columns: each group is used as it is unpacked -------------------- */

/* What of a type's packed layout the compiler should know. */
struct layout {
    size_t group_words; /* bytes of words of a group; on average for super-blocks */
    size_t half_groups; /* groups that share a half float; 0 for none */
    bool super;         /* super-blocks: panels always have all their groups */
};

typedef void levels_fn(const struct panel *p, const size_t g, struct vi q[8]);
typedef void scales_fn(const struct panel *p, size_t n, struct scales *s);
typedef void narrow_fn(const uint8_t *panels, size_t n_groups, const struct columns x,
                       struct vf *sums);

/*
 * Bytes ahead of what is being used that are asked for, into the first level cache: no CPU looks
 * ahead across the end of a page by itself. Measured on Zen 5 with one column of Q4_K: 19 GB/s
 * without, 28 with, where plain reading gives 24; 1 KB ahead gives 25, and the second level cache
 * 16.
 */
#define PREFETCH_PACKED 4096

INLINE void narrow_prefetch(const uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += CACHE_LINE)
        __builtin_prefetch((const void *)((uintptr_t)at + PREFETCH_PACKED + i), 0, 3);
}

INLINE size_t narrow_panel_bytes(const struct layout l, size_t n)
{
    size_t halves = l.half_groups ? n / l.half_groups * PANEL_HALF : 0;

    return n * l.group_words + (halves + PACK_ALIGN - 1) / PACK_ALIGN * PACK_ALIGN;
}

/* One panel of n groups. */
INLINE void narrow_panel(const uint8_t *at, const size_t n, const struct layout l, struct columns x,
                         struct tile_sums *sum, levels_fn *levels, scales_fn *scales,
                         const size_t n_cols, const struct form f)
{
    const struct panel p = {.words = at, .halves = at + n * l.group_words};
    struct scales s;

    scales(&p, n, &s);
#pragma GCC unroll 8
    for (size_t g = 0; g < n; g++, x.x++) {
        struct vi q[8];
        const struct tile_weights w = {.q = {q}, .s = {&s}, .g = g};

        narrow_prefetch(at + g * l.group_words, l.group_words);
        levels(&p, g, q);
        tile_step(&w, x, sum, 1, n_cols, f);
    }
}

/* sums (1, n_cols) += panels (16, n_groups) . x (n_groups, n_cols) */
INLINE void narrow_run(const uint8_t *panels, size_t n_groups, const struct layout l,
                       struct columns x, struct vf *sums, levels_fn *levels, scales_fn *scales,
                       const size_t n_cols, const struct form f)
{
    struct tile_sums sum;

    tile_load(&sum, sums, 1, n_cols);
    for (; n_groups >= PANEL_GROUPS; n_groups -= PANEL_GROUPS) {
        narrow_panel(panels, PANEL_GROUPS, l, x, &sum, levels, scales, n_cols, f);
        panels += narrow_panel_bytes(l, PANEL_GROUPS);
        x.x += PANEL_GROUPS;
    }
    if (!l.super && n_groups > 0)
        narrow_panel(panels, n_groups, l, x, &sum, levels, scales, n_cols, f);
    tile_store(&sum, sums, 1, n_cols);
}

/* ---- the functions of each type ------------------------------------------- */

/* Tiles are 1, 2 or 4 columns wide. */
#define TILE_SIZES 3
_Static_assert(LANES_QUANT_COLS == 1 << (TILE_SIZES - 1), "the widest tile");

#define WIDE(name, s, i)                                                                           \
    static void wide_##name##_##s##_##i(const struct unpacked *u, size_t n, struct columns x,      \
                                        struct vf *sums, const uint8_t *const *ahead)              \
    {                                                                                              \
        wide_run(u, n, x, sums, ahead, s, 1 << i, form_##name);                                    \
    }
#define WIDE_SIZES(name, s) WIDE(name, s, 0) WIDE(name, s, 1) WIDE(name, s, 2)
#define WIDE_NAMES(name, s)                                                                        \
    {                                                                                              \
        wide_##name##_##s##_0, wide_##name##_##s##_1, wide_##name##_##s##_2                        \
    }

typedef wide_fn *const wide_fns[LANES_QUANT_STRIPES][TILE_SIZES];
#if LANES_QUANT_STRIPES == 2
#define FORM(name, ...)                                                                            \
    static const struct form form_##name = {__VA_ARGS__};                                          \
    WIDE_SIZES(name, 1)                                                                            \
    WIDE_SIZES(name, 2)                                                                            \
    static wide_fns wide_##name = {WIDE_NAMES(name, 1), WIDE_NAMES(name, 2)};
#else
#define FORM(name, ...)                                                                            \
    static const struct form form_##name = {__VA_ARGS__};                                          \
    WIDE_SIZES(name, 1)                                                                            \
    static wide_fns wide_##name = {WIDE_NAMES(name, 1)};
#endif

FORM(q4_0, .bits = 5, .bias = 8)
FORM(q5_0, .bits = 5, .bias = 16)
FORM(eight, .bits = 8, .bias = LANES_BIAS8)
FORM(with_min, .bits = 5, .has_min = true)
FORM(q2_k, .bits = 5, .halves = true, .has_min = true)
FORM(q3_k, .bits = 5, .bias = 4, .halves = true)
FORM(q6_k, .bits = 6, .bias = 32, .halves = true)

/* How the products of a type are made. */
struct quant {
    unpack_fn *unpack;
    const wide_fns *wide;
    narrow_fn *narrow[TILE_SIZES];
};

/* Blocks of 32 (`per` groups of one) and super-blocks alike. */
#define LAYOUT(type, per)                                                                          \
    {                                                                                              \
        sizeof(struct block_##type) / sizeof(uint32_t) * PANEL_WORD / (per),                       \
            sizeof(struct block_##type) % sizeof(uint32_t) ? (per) : 0, (per) > 1                  \
    }
/* `groups`: how many a panel has, n or, for super-blocks, always PANEL_GROUPS. */
#define NARROW(type, form, i)                                                                      \
    static void narrow_##type##_##i(const uint8_t *panels, size_t n_groups, struct columns x,      \
                                    struct vf *sums)                                               \
    {                                                                                              \
        narrow_run(panels, n_groups, layout_##type, x, sums, levels_##type, scales_##type, 1 << i, \
                   form_##form);                                                                   \
    }
#define QUANT(type, form, groups, per)                                                             \
    static const struct layout layout_##type = LAYOUT(type, per);                                  \
    static void unpack_##type(const struct panel *p, size_t n, struct unpacked *u)                 \
    {                                                                                              \
        (void)n;                                                                                   \
        scales_##type(p, groups, &u->s);                                                           \
        _Pragma("GCC unroll 8") for (size_t g = 0; g < groups; g++) levels_##type(p, g, u->q[g]);  \
    }                                                                                              \
    NARROW(type, form, 0)                                                                          \
    NARROW(type, form, 1)                                                                          \
    NARROW(type, form, 2)                                                                          \
    static const struct quant quant_##type = {                                                     \
        unpack_##type, &wide_##form, {narrow_##type##_0, narrow_##type##_1, narrow_##type##_2}};

QUANT(q4_0, q4_0, n, 1)
QUANT(q4_1, with_min, n, 1)
QUANT(q5_0, q5_0, n, 1)
QUANT(q5_1, with_min, n, 1)
QUANT(q8_0, eight, n, 1)
QUANT(q2_k, q2_k, PANEL_GROUPS, PANEL_GROUPS)
QUANT(q3_k, q3_k, PANEL_GROUPS, PANEL_GROUPS)
QUANT(q4_k, with_min, PANEL_GROUPS, PANEL_GROUPS)
QUANT(q5_k, with_min, PANEL_GROUPS, PANEL_GROUPS)
QUANT(q6_k, q6_k, PANEL_GROUPS, PANEL_GROUPS)
QUANT(iq4_nl, eight, n, 1)
QUANT(iq4_xs, eight, PANEL_GROUPS, PANEL_GROUPS)

static const struct quant *const quants[] = {
    [TYPE_Q4_0] = &quant_q4_0, [TYPE_Q4_1] = &quant_q4_1,     [TYPE_Q5_0] = &quant_q5_0,
    [TYPE_Q5_1] = &quant_q5_1, [TYPE_Q8_0] = &quant_q8_0,     [TYPE_Q2_K] = &quant_q2_k,
    [TYPE_Q3_K] = &quant_q3_k, [TYPE_Q4_K] = &quant_q4_k,     [TYPE_Q5_K] = &quant_q5_k,
    [TYPE_Q6_K] = &quant_q6_k, [TYPE_IQ4_NL] = &quant_iq4_nl, [TYPE_IQ4_XS] = &quant_iq4_xs,
};

/* ---- a product ------------------------------------------------------------ */

/*
 * Asks for the weights of the panel that comes PREFETCH_PANELS later, of these rows or of sixteen
 * later ones: the rows of a panel are too many and too short for the CPU to foresee. Into the
 * second level cache, as the first is full of the panel. Measured on Zen 4 with one column of Q4_0:
 * rows of 2048 weights go from 6.3 to 14.6 GB/s, rows of 5632 from 12.9 to 14.7.
 */
#define PREFETCH_PANELS 16

static void product_prefetch(const struct kern_mat *w, const uint8_t *const rows[KERN_STRIPE],
                             size_t g, size_t n)
{
    const size_t n_groups = w->k / QK, ahead = g + PREFETCH_PANELS * PANEL_GROUPS;
    const size_t offset =
        ahead / n_groups * KERN_STRIPE * w->row_bytes + ahead % n_groups * w->row_bytes / n_groups;
    const size_t panel_bytes = n * w->row_bytes / n_groups;

    for (size_t i = 0; i < KERN_STRIPE; i++) {
        uintptr_t p = (uintptr_t)rows[i] + offset; /* may lie behind the matrix: never read */
        for (size_t at = -p % CACHE_LINE; at < panel_bytes; at += CACHE_LINE)
            __builtin_prefetch((const void *)(p + at), 0, 2);
    }
}

/* Up to LANES_QUANT_STRIPES stripes of a matrix on their way through a product. */
struct strip {
    const struct kern_mat *w;
    size_t n_stripes;
    const uint8_t *rows[LANES_QUANT_STRIPES][KERN_STRIPE]; /* not packed: in the file */
    const uint8_t *packed[LANES_QUANT_STRIPES];            /* packed: the next panel, else NULL */
    _Alignas(PACK_ALIGN) uint8_t gathered[GATHER_MAX_BYTES];
    struct unpacked unpacked[LANES_QUANT_STRIPES];
    struct vf sums[LANES_QUANT_STRIPES * BLOCK_COLS];
};

/* The panel of stripe s that begins with group g and has n; moves on. */
static struct panel strip_panel(struct strip *t, size_t s, size_t g, size_t n)
{
    const struct type_info *type = t->w->type;
    const struct pack_shape shape = pack_shape(type->type);
    const size_t n_blocks = n * QK / type->block_elems;
    struct panel p = {.words = t->packed[s]};

    if (p.words) {
        t->packed[s] += pack_panel_bytes(shape, n_blocks);
    } else {
        product_prefetch(t->w, t->rows[s], g, n);
        gather_panel(type, t->rows[s], g * QK / type->block_elems, n_blocks, t->gathered);
        p.words = t->gathered;
    }
    p.halves = p.words + n_blocks * shape.n_words * PANEL_WORD;
    return p;
}

/* The stripes of rows r .. r + n_rows - 1, with sums of nothing. */
static void strip_begin(struct strip *t, size_t r, size_t n_rows, size_t n_cols)
{
    const struct kern_mat *w = t->w;

    for (size_t s = 0; s < t->n_stripes; s++) {
        const size_t row = r + s * KERN_STRIPE;

        for (size_t c = 0; c < n_cols; c++)
            t->sums[s * BLOCK_COLS + c] = vf_set1(0.0f);

        t->packed[s] = NULL;
        if (w->packed)
            t->packed[s] = (const uint8_t *)w->packed + row / KERN_STRIPE * pack_stripe_bytes(w);
        else
            gather_rows(w, row, r + n_rows, t->rows[s]);
    }
}

/* Few columns against n_groups groups of stripe s, whose panels lie one behind the other. */
static void strip_narrow(struct strip *t, size_t s, const uint8_t *panels, size_t n_groups,
                         struct columns x, size_t n_cols)
{
    const struct quant *quant = quants[t->w->type->type];
    size_t c = 0;

    for (int size = TILE_SIZES - 1; size >= 0; size--) {
        const size_t width = (size_t)1 << size;

        for (; c + width <= n_cols; c += width)
            quant->narrow[size](panels, n_groups, (struct columns){x.x + c * x.stride, x.stride},
                                t->sums + s * BLOCK_COLS + c);
    }
}

/* What tile number i of a panel asks for of the panels behind it. */
static void strip_ahead(const struct strip *t, size_t i, const uint8_t *ahead[LANES_QUANT_STRIPES])
{
    const size_t at = i * WIDE_AHEAD_BYTES;

    for (size_t s = 0; s < t->n_stripes; s++)
        ahead[s] = t->packed[s] && at < GATHER_MAX_BYTES ? t->packed[s] + at : NULL;
}

/* The next n groups, from g on, of all stripes against many columns. */
static void strip_wide(struct strip *t, size_t g, size_t n, struct columns x, size_t n_cols)
{
    const struct quant *quant = quants[t->w->type->type];
    const uint8_t *ahead[LANES_QUANT_STRIPES];
    size_t c = 0, i = 0;

    for (size_t s = 0; s < t->n_stripes; s++) {
        const struct panel p = strip_panel(t, s, g, n);
        quant->unpack(&p, n, &t->unpacked[s]);
    }
    for (int size = TILE_SIZES - 1; size >= 0; size--) {
        const size_t width = (size_t)1 << size;

        for (; c + width <= n_cols; c += width) {
            strip_ahead(t, i++, ahead);
            (*quant->wide)[t->n_stripes - 1][size](
                t->unpacked, n, (struct columns){x.x + c * x.stride, x.stride}, t->sums + c, ahead);
        }
    }
}

/* sums += the stripes . the columns at x (n_cols, n_groups) */
static void strip_block(struct strip *t, const struct kern_q8 *x, size_t n_cols)
{
    const size_t n_groups = t->w->k / QK;

    if (n_cols <= LANES_QUANT_COLS && t->packed[0]) {
        for (size_t s = 0; s < t->n_stripes; s++)
            strip_narrow(t, s, t->packed[s], n_groups, (struct columns){x, n_groups}, n_cols);
        return;
    }
    for (size_t g = 0; g < n_groups; g += PANEL_GROUPS) {
        const size_t n = n_groups - g < PANEL_GROUPS ? n_groups - g : PANEL_GROUPS;
        const struct columns columns = {x + g, n_groups};

        if (n_cols > LANES_QUANT_COLS) {
            strip_wide(t, g, n, columns, n_cols);
            continue;
        }
        for (size_t s = 0; s < t->n_stripes; s++)
            strip_narrow(t, s, strip_panel(t, s, g, n).words, n, columns, n_cols);
    }
}

/* Rows r .. r + n_rows - 1, at most LANES_QUANT_STRIPES stripes of them. */
static void product_rows(const struct kern_mat *w, const struct kern_acts *x, float *y,
                         size_t y_stride, size_t r, size_t n_rows)
{
    struct strip t;

    t.w = w;
    t.n_stripes = (n_rows + KERN_STRIPE - 1) / KERN_STRIPE;
    for (size_t begin = 0; begin < x->n_cols; begin += BLOCK_COLS) {
        size_t n = x->n_cols - begin < BLOCK_COLS ? x->n_cols - begin : BLOCK_COLS;

        strip_begin(&t, r, n_rows, n);
        strip_block(&t, x->q + begin * (w->k / QK), n);
        for (size_t s = 0; s < t.n_stripes; s++) {
            size_t at = s * KERN_STRIPE, left = n_rows - at;

            for (size_t c = 0; c < n; c++)
                vf_store_first(y + (begin + c) * y_stride + r + at, t.sums[s * BLOCK_COLS + c],
                               left < KERN_STRIPE ? left : KERN_STRIPE);
        }
    }
}

static void product_quant(const struct kern_mat *w, const struct kern_acts *x, float *y,
                          size_t y_stride, size_t row_begin, size_t row_end)
{
    /* few columns: one stripe after the other, so that memory is read as one stream */
    const size_t n_stripes = x->n_cols > LANES_QUANT_COLS ? LANES_QUANT_STRIPES : 1;
    const size_t most = n_stripes * KERN_STRIPE;

    for (size_t r = row_begin; r < row_end; r += most)
        product_rows(w, x, y, y_stride, r, row_end - r < most ? row_end - r : most);
}

#endif
