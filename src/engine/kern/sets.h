/*
 * sets.h - inside kern/ only: the sets themselves, and the scalar pieces of the numeric contract
 * that the vector kernels use for their tails.
 */
#ifndef RBEE_ENGINE_KERN_SETS_H
#define RBEE_ENGINE_KERN_SETS_H

#include "engine/kern/kern.h"

extern const struct kern kern_ref;
extern const struct kern kern_avx2;    /* x86-64 builds only */
extern const struct kern kern_avxvnni; /* x86-64 builds only */
extern const struct kern kern_avx512;  /* x86-64 builds only */
extern const struct kern kern_neon;    /* aarch64 builds only */

/* Lanes of a canonical float sum. */
#define LANES 16

/* The sum of sixteen lanes: halves added lane by lane, 16 -> 8 -> 4 -> 2 -> 1. */
float kern_sum16(const float a[LANES]);

/*
 * A group of activations whose largest magnitude lies below this counts as all zero: 127 / amax
 * would overflow.
 */
#define KERN_Q8_TINY 0x1p-119f

/*
 * The constants of kern_exp (see ref.c): 1 / ln 2, ln 2 in two pieces, and the polynomial's
 * coefficients of r^2 .. r^6; the first two are 1. Minimax by Lawson's method of reweighted least
 * squares; the polynomial itself is off by at most 2^-28.
 */
#define EXP_INV_LN2 0x1.715476p+0f
#define EXP_LN2_HI  0x1.62e400p-1f
#define EXP_LN2_LO  0x1.7f7d1cp-20f
#define EXP_C2      0x1.fffffcp-2f
#define EXP_C3      0x1.555490p-3f
#define EXP_C4      0x1.5558f4p-5f
#define EXP_C5      0x1.123a6cp-7f
#define EXP_C6      0x1.6a2352p-10f
#define EXP_MAGIC   0x1.8p23f /* adding it rounds to an integer, left in the low bits */

/*
 * The constants of kern_gelu (see ref.c): erfc by formula 7.1.26 of Abramowitz & Stegun 1964, off
 * by at most 1.5e-7. Past GELU_MOST erfc is 0 as a float.
 */
#define GELU_MOST  16.0f
#define GELU_SCALE 0.70710678f /* 1 / sqrt(2) */
#define GELU_P     0.3275911f
#define GELU_A1    0.254829592f
#define GELU_A2    -0.284496736f
#define GELU_A3    1.421413741f
#define GELU_A4    -1.453152027f
#define GELU_A5    1.061405429f

/* Weight k of a row of F32, F16 or BF16 as float32. Exact. */
float kern_float_weight(enum tensor_type type, const void *row, size_t k);

/* get_row of every set: one row a token is not worth a vector version. */
void kern_get_row(const struct kern_mat *w, size_t row, float *dst);

/* The reference's attention, in ref_attend.c. */
void ref_attend(const struct kern_attn *a);
void ref_attend_block(const struct kern_attn *a, size_t block, float *parts);
void ref_attend_join(float *parts, size_t n_parts, size_t stride, size_t head_dim, float *out);

#endif
