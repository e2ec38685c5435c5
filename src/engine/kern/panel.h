/*
 * panel.h - sixteen rows of quantised weights in the packed layout (pack.h), and how each type's
 * bits become levels and scales: lane = row.
 *
 * What the bits of a block mean is said in unpack.c; here whole words of sixteen rows go through
 * the same steps. For each type there are two functions: levels_x gives the 32 levels of one group,
 * scales_x the scales of all groups of a panel. Blocks of 32 are here, super-blocks in panel_k.h.
 * A panel lies in a packed matrix, or is gathered from rows of the file. Included by one file for
 * each instruction set, behind its lanes header.
 */
#ifndef RBEE_ENGINE_KERN_PANEL_H
#define RBEE_ENGINE_KERN_PANEL_H

#include "engine/gguf/types.h"
#include "engine/kern/pack.h"
#include "engine/kern/unpack.h"

#define PANEL_GROUPS (QK_K / QK) /* groups of 32 weights a panel can hold */

#define PANEL_WORD (KERN_STRIPE * sizeof(uint32_t))
#define PANEL_HALF (KERN_STRIPE * sizeof(uint16_t))

/* A panel of n blocks. */
struct panel {
    const uint8_t *words;  /* PANEL_WORD bytes for each word, block behind block */
    const uint8_t *halves; /* PANEL_HALF bytes for each block that has one */
};

/* The scales of a panel's groups. */
struct scales {
    struct vf d[PANEL_GROUPS];    /* d * s where a group has one scale, else d */
    struct vf dm[PANEL_GROUPS];   /* dm * m likewise; unset where the type has no min */
    struct vf s[PANEL_GROUPS][2]; /* scales of the halves; unset where a group has one scale */
    struct vi m[PANEL_GROUPS];    /* m[0] | m[1] << 16: for Q2_K only */
};

/* q[j]: byte i of lane r is level 4j + i of row r in group g, plus the type's bias. */
#define LEVELS(name)                                                                               \
    INLINE void levels_##name(const struct panel *p, const size_t g, struct vi q[8])
#define SCALES(name) INLINE void scales_##name(const struct panel *p, size_t n, struct scales *s)

/* The number of the word at which a field of block b begins; words begin at byte `first`. */
#define PANEL_AT(block, b, field, first)                                                           \
    ((b) * (sizeof(struct block) / sizeof(uint32_t)) +                                             \
     (offsetof(struct block, field) - (first)) / sizeof(uint32_t))

/* Word i of the panel. */
INLINE struct vi panel_word(const struct panel *p, size_t i)
{
    return vi_load(p->words + i * PANEL_WORD);
}

/* The half float of block b. */
INLINE struct vf panel_half(const struct panel *p, size_t b)
{
    return vf_load_half((const uint16_t *)(const void *)(p->halves + b * PANEL_HALF));
}

#define NIBBLES 0x0f0f0f0f

/* The low (shift 0) or high (shift 4) nibbles. */
INLINE struct vi panel_nibbles(struct vi a, unsigned shift)
{
    return vi_and(vi_shr(a, shift), vi_set1(NIBBLES));
}

/* Four words: low nibbles are levels 0..15, high nibbles 16..31. */
INLINE void panel_split(const struct panel *p, size_t word, struct vi q[8])
{
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        struct vi a = panel_word(p, word + j);
        q[j] = panel_nibbles(a, 0);
        q[j + 4] = panel_nibbles(a, 4);
    }
}

/* Adds bit i of the word to level i, as its fifth bit. */
INLINE void panel_fifth(struct vi bits, struct vi q[8])
{
    const struct vi low = vi_set1(0x08040201), high = vi_set1((int32_t)0x80402010);
    const struct vi sixteen = vi_set1(0x10101010);

#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        struct vi spread = vi_spread_byte(bits, j / 2);
        q[j] = vi_or(q[j], vi_and(vi_bytes_having(spread, j % 2 ? high : low), sixteen));
    }
}

/* d of n blocks. */
INLINE void panel_halves(const struct panel *p, size_t n, struct scales *s)
{
    for (size_t g = 0; g < n; g++)
        s->d[g] = panel_half(p, g);
}

/* The min of Q4_1 and Q5_1, as d and m lie side by side: what is added, so dm = -m. */
INLINE void panel_d_and_m(struct vi word, size_t g, struct scales *s)
{
    s->d[g] = vf_of_half_words(word);
    s->dm[g] = vf_of_half_words(vi_xor(vi_shr(word, 16), vi_set1(0x8000)));
}

LEVELS(q4_0)
{
    panel_split(p, PANEL_AT(block_q4_0, g, qs, 2), q);
}

SCALES(q4_0)
{
    panel_halves(p, n, s);
}

LEVELS(q4_1)
{
    panel_split(p, PANEL_AT(block_q4_1, g, qs, 0), q);
}

SCALES(q4_1)
{
    for (size_t g = 0; g < n; g++)
        panel_d_and_m(panel_word(p, PANEL_AT(block_q4_1, g, d, 0)), g, s);
}

LEVELS(q5_0)
{
    panel_split(p, PANEL_AT(block_q5_0, g, qs, 2), q);
    panel_fifth(panel_word(p, PANEL_AT(block_q5_0, g, qh, 2)), q);
}

SCALES(q5_0)
{
    panel_halves(p, n, s);
}

LEVELS(q5_1)
{
    panel_split(p, PANEL_AT(block_q5_1, g, qs, 0), q);
    panel_fifth(panel_word(p, PANEL_AT(block_q5_1, g, qh, 0)), q);
}

SCALES(q5_1)
{
    for (size_t g = 0; g < n; g++)
        panel_d_and_m(panel_word(p, PANEL_AT(block_q5_1, g, d, 0)), g, s);
}

LEVELS(q8_0)
{
    const struct vi bias = vi_set1((int32_t)(LANES_BIAS8 * 0x01010101u));

#pragma GCC unroll 8
    for (size_t j = 0; j < 8; j++)
        q[j] = vi_xor(panel_word(p, PANEL_AT(block_q8_0, g, qs, 2) + j), bias);
}

SCALES(q8_0)
{
    panel_halves(p, n, s);
}

/* Four words of nibbles as values of IQ4_NL, with the bias. */
INLINE void panel_iq4(const struct panel *p, size_t word, struct vi q[8])
{
    const struct vi table =
        vi_xor(vi_table(unpack_iq4_values), vi_set1((int32_t)(LANES_BIAS8 * 0x01010101u)));

    panel_split(p, word, q);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        q[j] = vi_lookup(table, q[j]);
}

LEVELS(iq4_nl)
{
    panel_iq4(p, PANEL_AT(block_iq4_nl, g, qs, 2), q);
}

SCALES(iq4_nl)
{
    panel_halves(p, n, s);
}

#endif
