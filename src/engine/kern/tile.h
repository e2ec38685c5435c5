/*
 * tile.h - a tile of a product: one or two panels of sixteen rows against a few columns, all sums
 * in registers.
 *
 * Lane = row, so the canonical order (one fused multiply-add for each group of 32) needs no sums
 * across lanes. The integer sums of a group are exact in any order. They are below 2^24 (unpack.h),
 * so that scaling them in float32 is exact too: fmaf(i1, s1, i0 * s0) is the integer of the
 * contract. Numbers of stripes and columns are always constants. Included behind panel_k.h.
 */
#ifndef RBEE_ENGINE_KERN_TILE_H
#define RBEE_ENGINE_KERN_TILE_H

/* What a product must know of a type. Always a constant: each form is compiled on its own. */
struct form {
    int bits;    /* width of the levels: 5 (or fewer), 6 or 8 */
    int bias;    /* what the panel's levels have too much */
    bool halves; /* a scale for each half of a group */
    bool has_min;
};

/* Columns that are taken together against each panel: so many sums stay in the first level cache.
 */
#define BLOCK_COLS 256

/* Columns of activations, from one group on. */
struct columns {
    const struct kern_q8 *x;
    size_t stride; /* groups from column to column */
};

/* The integer sums of a tile, and its float sums. */
struct tile_ints {
    struct vi v[LANES_QUANT_STRIPES][LANES_QUANT_COLS];
};
struct tile_sums {
    struct vf v[LANES_QUANT_STRIPES][LANES_QUANT_COLS];
};

/* One group of the stripes of a tile: levels, and the scales of the panels. */
struct tile_weights {
    const struct vi *q[LANES_QUANT_STRIPES];
    const struct scales *s[LANES_QUANT_STRIPES];
    size_t g;
};

/* Minus the bias times the sums of one or both halves of x, to start an integer sum from. */
INLINE struct vi tile_start(const struct kern_q8 *x, int bias, bool low, bool high)
{
    const uint32_t minus = (uint16_t)-bias;

    if (bias == 0)
        return vi_set1(0);
    return vi_madd16(vi_broadcast(x->sum),
                     vi_set1((int32_t)((low ? minus : 0) | (high ? minus << 16 : 0))));
}

/* Words from .. end of the group against all columns, behind what is in the sums. */
INLINE void tile_dot(const struct tile_weights *w, const struct columns x, size_t from, size_t end,
                     struct tile_ints *i, const size_t n_stripes, const size_t n_cols,
                     const int bits)
{
#pragma GCC unroll 8
    for (size_t j = from; j < end; j += LANES_DOT_WORDS) {
#pragma GCC unroll 4
        for (size_t c = 0; c < n_cols; c++) {
#pragma GCC unroll 2
            for (size_t s = 0; s < n_stripes; s++)
                i->v[s][c] = vi_dot(i->v[s][c], w->q[s] + j, x.x[c * x.stride].q + 4 * j, bits);
        }
    }
}

/* One scale a group. */
INLINE void tile_group(const struct tile_weights *w, const struct columns x, struct tile_sums *sum,
                       const size_t n_stripes, const size_t n_cols, const struct form f)
{
    struct tile_ints i;

#pragma GCC unroll 4
    for (size_t c = 0; c < n_cols; c++) {
#pragma GCC unroll 2
        for (size_t s = 0; s < n_stripes; s++)
            i.v[s][c] = tile_start(&x.x[c * x.stride], f.bias, true, true);
    }
    tile_dot(w, x, 0, 8, &i, n_stripes, n_cols, f.bits);
#pragma GCC unroll 4
    for (size_t c = 0; c < n_cols; c++) {
        const struct kern_q8 *xc = &x.x[c * x.stride];
#pragma GCC unroll 2
        for (size_t s = 0; s < n_stripes; s++) {
            const struct scales *sc = w->s[s];
            struct vf a = vf_mul(sc->d[w->g], vf_set1(xc->d));

            a = vf_fma(vf_of_int(i.v[s][c]), a, sum->v[s][c]);
            if (f.has_min)
                a = vf_fnma(sc->dm[w->g], vf_set1(xc->xs), a);
            sum->v[s][c] = a;
        }
    }
}

/* A scale for each half of a group. */
INLINE void tile_halves(const struct tile_weights *w, const struct columns x, struct tile_sums *sum,
                        const size_t n_stripes, const size_t n_cols, const struct form f)
{
    struct tile_ints i[2];

#pragma GCC unroll 4
    for (size_t c = 0; c < n_cols; c++) {
        const struct kern_q8 *xc = &x.x[c * x.stride];
#pragma GCC unroll 2
        for (size_t s = 0; s < n_stripes; s++) {
            i[0].v[s][c] = tile_start(xc, f.bias, true, false);
            i[1].v[s][c] = tile_start(xc, f.bias, false, true);
        }
    }
    tile_dot(w, x, 0, 4, &i[0], n_stripes, n_cols, f.bits);
    tile_dot(w, x, 4, 8, &i[1], n_stripes, n_cols, f.bits);
#pragma GCC unroll 4
    for (size_t c = 0; c < n_cols; c++) {
        const struct kern_q8 *xc = &x.x[c * x.stride];
        const struct vf dx = vf_set1(xc->d);
#pragma GCC unroll 2
        for (size_t s = 0; s < n_stripes; s++) {
            const struct scales *sc = w->s[s];
            struct vf a = vf_mul(vf_of_int(i[0].v[s][c]), sc->s[w->g][0]);

            a = vf_fma(vf_of_int(i[1].v[s][c]), sc->s[w->g][1], a);
            a = vf_fma(a, vf_mul(sc->d[w->g], dx), sum->v[s][c]);
            if (f.has_min)
                a = vf_fnma(vf_of_int(vi_madd16(vi_broadcast(xc->sum), sc->m[w->g])),
                            vf_mul(sc->dm[w->g], dx), a);
            sum->v[s][c] = a;
        }
    }
}

INLINE void tile_step(const struct tile_weights *w, const struct columns x, struct tile_sums *sum,
                      const size_t n_stripes, const size_t n_cols, const struct form f)
{
    if (f.halves)
        tile_halves(w, x, sum, n_stripes, n_cols, f);
    else
        tile_group(w, x, sum, n_stripes, n_cols, f);
}

/* Sums of a tile to and from where they wait; those of the next stripe lie BLOCK_COLS behind. */
INLINE void tile_load(struct tile_sums *sum, const struct vf *from, const size_t n_stripes,
                      const size_t n_cols)
{
#pragma GCC unroll 4
    for (size_t c = 0; c < n_cols; c++) {
#pragma GCC unroll 2
        for (size_t s = 0; s < n_stripes; s++)
            sum->v[s][c] = from[s * BLOCK_COLS + c];
    }
}

INLINE void tile_store(const struct tile_sums *sum, struct vf *to, const size_t n_stripes,
                       const size_t n_cols)
{
#pragma GCC unroll 4
    for (size_t c = 0; c < n_cols; c++) {
#pragma GCC unroll 2
        for (size_t s = 0; s < n_stripes; s++)
            to[s * BLOCK_COLS + c] = sum->v[s][c];
    }
}

#endif
