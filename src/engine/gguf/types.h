/*
 * types.h - the tensor types of GGUF files, and how their blocks lie on disk.
 *
 * Source: the GGUF specification and ggml's public block definitions (2023-2025). Every size is
 * derived from a struct here and checked at compile time; nothing types a block size by hand.
 * All multi-byte fields are little-endian; `d`-like fields are IEEE half floats as raw bits.
 */
#ifndef RBEE_ENGINE_GGUF_TYPES_H
#define RBEE_ENGINE_GGUF_TYPES_H

#include <stdint.h>

/* The numbers are those of the file format. */
enum tensor_type {
    TYPE_F32 = 0,
    TYPE_F16 = 1,
    TYPE_Q4_0 = 2,
    TYPE_Q4_1 = 3,
    TYPE_Q5_0 = 6,
    TYPE_Q5_1 = 7,
    TYPE_Q8_0 = 8,
    TYPE_Q2_K = 10,
    TYPE_Q3_K = 11,
    TYPE_Q4_K = 12,
    TYPE_Q5_K = 13,
    TYPE_Q6_K = 14,
    TYPE_IQ4_NL = 20,
    TYPE_IQ4_XS = 23,
    TYPE_BF16 = 30
};

#define QK   32  /* weights in a block of the simple types */
#define QK_K 256 /* weights in a super-block of the K types and of IQ4_XS */

/* w[i] = d * (q[i] - 8); qs[i] holds weight i in its low and weight i+16 in its high nibble */
struct block_q4_0 {
    uint16_t d;
    uint8_t qs[QK / 2];
};
/* w[i] = d * q[i] + m; nibbles as in Q4_0 */
struct block_q4_1 {
    uint16_t d, m;
    uint8_t qs[QK / 2];
};
/* w[i] = d * (q[i] - 16); bit i of qh is the fifth bit of weight i */
struct block_q5_0 {
    uint16_t d;
    uint8_t qh[4];
    uint8_t qs[QK / 2];
};
/* w[i] = d * q[i] + m */
struct block_q5_1 {
    uint16_t d, m;
    uint8_t qh[4];
    uint8_t qs[QK / 2];
};
/* w[i] = d * q[i] */
struct block_q8_0 {
    uint16_t d;
    int8_t qs[QK];
};
/* 16 groups of 16: w = d * (scales & 15) * q - dmin * (scales >> 4), q of 2 bits */
struct block_q2_k {
    uint8_t scales[QK_K / 16];
    uint8_t qs[QK_K / 4];
    uint16_t d, dmin;
};
/* 16 groups of 16: w = d * (scale - 32) * q, q of 3 bits less 4, scales of 6 bits packed */
struct block_q3_k {
    uint8_t hmask[QK_K / 8];
    uint8_t qs[QK_K / 4];
    uint8_t scales[12];
    uint16_t d;
};
/* 8 groups of 32: w = d * scale * q - dmin * min; scales and mins of 6 bits packed in 12 bytes */
struct block_q4_k {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qs[QK_K / 2];
};
struct block_q5_k {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qh[QK_K / 8];
    uint8_t qs[QK_K / 2];
};
/* 16 groups of 16: w = d * scale * (q - 32), q of 6 bits */
struct block_q6_k {
    uint8_t ql[QK_K / 2];
    uint8_t qh[QK_K / 4];
    int8_t scales[QK_K / 16];
    uint16_t d;
};
/* w[i] = d * table[q[i]], the table of 16 values is IQ4_NL's */
struct block_iq4_nl {
    uint16_t d;
    uint8_t qs[QK / 2];
};
/* 8 groups of 32: w = d * (scale - 32) * table[q], scales of 6 bits: 4 low, 2 high */
struct block_iq4_xs {
    uint16_t d;
    uint16_t scales_h;
    uint8_t scales_l[QK_K / 64];
    uint8_t qs[QK_K / 2];
};

_Static_assert(sizeof(struct block_q4_0) == 18, "Q4_0");
_Static_assert(sizeof(struct block_q4_1) == 20, "Q4_1");
_Static_assert(sizeof(struct block_q5_0) == 22, "Q5_0");
_Static_assert(sizeof(struct block_q5_1) == 24, "Q5_1");
_Static_assert(sizeof(struct block_q8_0) == 34, "Q8_0");
_Static_assert(sizeof(struct block_q2_k) == 84, "Q2_K");
_Static_assert(sizeof(struct block_q3_k) == 110, "Q3_K");
_Static_assert(sizeof(struct block_q4_k) == 144, "Q4_K");
_Static_assert(sizeof(struct block_q5_k) == 176, "Q5_K");
_Static_assert(sizeof(struct block_q6_k) == 210, "Q6_K");
_Static_assert(sizeof(struct block_iq4_nl) == 18, "IQ4_NL");
_Static_assert(sizeof(struct block_iq4_xs) == 136, "IQ4_XS");

struct type_info {
    enum tensor_type type;
    const char *name;     /* "Q4_K": the field's name, as shown to people */
    uint32_t block_elems; /* weights in a block: 1, QK or QK_K */
    uint32_t block_bytes;
};

/* What is known of the type with this number, or NULL: an unsupported type. Static storage. */
const struct type_info *type_info(uint32_t number);

/* The name of a type number, also of public ones rbee cannot compute ("IQ2_XXS"), or NULL. */
const char *type_public_name(uint32_t number);

/* All supported types in number order; *n_out is their count. */
const struct type_info *type_all(uint32_t *n_out);

#endif
