/*
 * sets.h - inside kern/ only: the sets themselves, and the scalar pieces of the numeric contract
 * that the vector kernels use for their tails.
 */
#ifndef RBEE_ENGINE_KERN_SETS_H
#define RBEE_ENGINE_KERN_SETS_H

#include "engine/kern/kern.h"

extern const struct kern kern_ref;
extern const struct kern kern_avx2;   /* x86-64 builds only */
extern const struct kern kern_avx512; /* x86-64 builds only */
extern const struct kern kern_neon;   /* aarch64 builds only */

/* Lanes of a canonical float sum. */
#define LANES 16

/* The sum of sixteen lanes: halves added lane by lane, 16 -> 8 -> 4 -> 2 -> 1. */
float kern_sum16(const float a[LANES]);

/*
 * A group of activations whose largest magnitude lies below this counts as all zero: 127 / amax
 * would overflow.
 */
#define KERN_Q8_TINY 0x1p-119f

/* Weight k of a row of F32, F16 or BF16 as float32. Exact. */
float kern_float_weight(enum tensor_type type, const void *row, size_t k);

/* get_row of every set: one row a token is not worth a vector version. */
void kern_get_row(const struct kern_mat *w, size_t row, float *dst);

#endif
