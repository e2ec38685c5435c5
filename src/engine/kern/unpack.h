/*
 * unpack.h - one group of 32 quantised weights, of any type, in the canonical form of kern.h.
 *
 * This is the plain specification of what the blocks of types.h mean. The vector kernels read the
 * same blocks sixteen rows at a time (panel.h); the tests hold the two together.
 */
#ifndef RBEE_ENGINE_KERN_UNPACK_H
#define RBEE_ENGINE_KERN_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/types.h"

/*
 * Weight i of the group is d * s[i / 16] * q[i] - dm * m[i / 16].
 * Bounds, for any block contents: |q| <= 128 and |s| <= 128, never both large: |s * q| <= 4096;
 * 0 <= m <= 63. So with |x| <= 127 the sum of s * q * x over a group is below 2^24: exact in int32
 * and in float32.
 */
struct unpack_group {
    int8_t q[QK];
    int32_t s[2];
    float d;
    int32_t m[2]; /* 0 where the type has no min */
    float dm;
};

/* Group `group` (weights 32 * group ...) of the row that starts at `row`. */
void unpack_group(enum tensor_type type, const void *row, size_t group, struct unpack_group *out);

/* True for the types whose weights lie in blocks (all but F32, F16 and BF16). */
bool unpack_is_quantised(enum tensor_type type);

/* What a type has: a scale for each half of a group (else s[0] = s[1]), and a min to subtract. */
struct unpack_form {
    bool halves, has_min;
};
struct unpack_form unpack_form(enum tensor_type type);

/* The sixteen values of IQ4_NL and IQ4_XS. */
extern const int8_t unpack_iq4_values[16];

#endif
