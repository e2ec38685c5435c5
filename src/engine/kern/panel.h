/*
 * panel.h - sixteen rows of quantised weights, unpacked side by side: lane = row.
 *
 * One function for each type turns up to 256 weights of each of sixteen rows into levels and scales
 * that product.h can use without knowing the type. What the bits of a block mean is said in
 * unpack.c; here whole words of sixteen rows go through the same steps. Included by one file for
 * each instruction set, behind its lanes header.
 */
#ifndef RBEE_ENGINE_KERN_PANEL_H
#define RBEE_ENGINE_KERN_PANEL_H

#include "engine/gguf/types.h"

#define PANEL_GROUPS (QK_K / QK) /* groups of 32 weights a panel can hold */

struct panel {
    struct vi q[PANEL_GROUPS]
               [8]; /* byte i of a lane's word j: level 4j + i, plus the type's bias */
    struct vf s[PANEL_GROUPS][2]; /* scales of the halves; unset where the type has none */
    struct vf d[PANEL_GROUPS];
    struct vi m[PANEL_GROUPS]; /* m[0] | m[1] << 16; unset where the type has no min, dm too */
    struct vf dm[PANEL_GROUPS];
};

/* Fills groups 0..n-1 of the panel with groups `group`.. of the rows. For super-blocks `group` is a
 * multiple of PANEL_GROUPS and n is PANEL_GROUPS. */
typedef void panel_fn(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p);

#define NIBBLES 0x0f0f0f0f

/* The low (shift 0) or high (shift 4) nibbles. */
INLINE struct vi panel_nibbles(struct vi a, unsigned shift)
{
    return vi_and(vi_shr(a, shift), vi_set1(NIBBLES));
}

/* Sixteen bytes of each row: low nibbles are levels 0..15, high nibbles 16..31. */
INLINE void panel_split(const uint8_t *const rows[16], size_t at, struct vi q[8])
{
    struct vi a[4];

    vi_rows(rows, at, a);
    for (int j = 0; j < 4; j++) {
        q[j] = panel_nibbles(a[j], 0);
        q[j + 4] = panel_nibbles(a[j], 4);
    }
}

/* Adds bit i of the words at `at` to level i, as its fifth bit. */
INLINE void panel_fifth(const uint8_t *const rows[16], size_t at, struct vi q[8])
{
    const struct vi low = vi_set1(0x08040201), high = vi_set1((int32_t)0x80402010);
    const struct vi sixteen = vi_set1(0x10101010);
    struct vi bits = vi_words(rows, at);

#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        struct vi spread = vi_spread_byte(bits, j / 2);
        q[j] = vi_or(q[j], vi_and(vi_bytes_having(spread, j % 2 ? high : low), sixteen));
    }
}

/* The half float at `at` of each row, which has at least two more bytes behind it. */
INLINE struct vf panel_half(const uint8_t *const rows[16], size_t at)
{
    return vf_of_half_words(vi_words(rows, at));
}

/* The min of Q4_1 and Q5_1, as d and m lie side by side: what is added, so dm = -m. */
INLINE void panel_d_and_m(const uint8_t *const rows[16], size_t at, size_t g, struct panel *p)
{
    struct vi words = vi_words(rows, at);

    p->d[g] = vf_of_half_words(words);
    p->dm[g] = vf_of_half_words(vi_xor(vi_shr(words, 16), vi_set1(0x8000)));
    p->m[g] = vi_set1(0x00010001);
    p->s[g][0] = vf_set1(1.0f);
}

static void panel_q4_0(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    for (size_t g = 0; g < n; g++) {
        size_t at = (group + g) * sizeof(struct block_q4_0);
        panel_split(rows, at + offsetof(struct block_q4_0, qs), p->q[g]);
        p->d[g] = panel_half(rows, at);
    }
}

static void panel_q4_1(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    for (size_t g = 0; g < n; g++) {
        size_t at = (group + g) * sizeof(struct block_q4_1);
        panel_split(rows, at + offsetof(struct block_q4_1, qs), p->q[g]);
        panel_d_and_m(rows, at, g, p);
    }
}

static void panel_q5_0(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    for (size_t g = 0; g < n; g++) {
        size_t at = (group + g) * sizeof(struct block_q5_0);
        panel_split(rows, at + offsetof(struct block_q5_0, qs), p->q[g]);
        panel_fifth(rows, at + offsetof(struct block_q5_0, qh), p->q[g]);
        p->d[g] = panel_half(rows, at);
    }
}

static void panel_q5_1(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    for (size_t g = 0; g < n; g++) {
        size_t at = (group + g) * sizeof(struct block_q5_1);
        panel_split(rows, at + offsetof(struct block_q5_1, qs), p->q[g]);
        panel_fifth(rows, at + offsetof(struct block_q5_1, qh), p->q[g]);
        panel_d_and_m(rows, at, g, p);
    }
}

static void panel_q8_0(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    const struct vi bias = vi_set1((int32_t)(LANES_BIAS8 * 0x01010101u));

    for (size_t g = 0; g < n; g++) {
        size_t at = (group + g) * sizeof(struct block_q8_0);
        size_t qs = at + offsetof(struct block_q8_0, qs);
        vi_rows(rows, qs, p->q[g]);
        vi_rows(rows, qs + 16, p->q[g] + 4);
        for (int j = 0; j < 8; j++)
            p->q[g][j] = vi_xor(p->q[g][j], bias);
        p->d[g] = panel_half(rows, at);
    }
}

/* The values of IQ4_NL, with the bias, for each quarter of a vector. */
INLINE struct vi panel_iq4_table(void)
{
    return vi_xor(vi_table(unpack_iq4_values), vi_set1((int32_t)(LANES_BIAS8 * 0x01010101u)));
}

INLINE void panel_iq4_levels(const uint8_t *const rows[16], size_t at, struct vi q[8])
{
    const struct vi table = panel_iq4_table();

    panel_split(rows, at, q);
    for (int j = 0; j < 8; j++)
        q[j] = vi_lookup(table, q[j]);
}

static void panel_iq4_nl(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    for (size_t g = 0; g < n; g++) {
        size_t at = (group + g) * sizeof(struct block_iq4_nl);
        panel_iq4_levels(rows, at + offsetof(struct block_iq4_nl, qs), p->q[g]);
        p->d[g] = panel_half(rows, at);
    }
}

/* Byte g of the words in lanes w[0], w[1] ... unsigned, and signed. */
INLINE struct vi panel_byte(const struct vi *w, unsigned g)
{
    return vi_and(vi_shr(w[g / 4], g % 4 * 8), vi_set1(0xff));
}

INLINE struct vi panel_signed_byte(const struct vi *w, unsigned g)
{
    return vi_sar(vi_shl(w[g / 4], 24 - g % 4 * 8), 24);
}

/* Two bits of each byte: levels of 128 weights lie in two quarters of 16 bytes. */
INLINE void panel_two_bits(const struct vi a[8], unsigned j, struct vi q[8])
{
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        q[i] = vi_and(vi_shr(a[i], 2 * j), vi_set1(0x03030303));
}

static void panel_q2_k(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    const size_t at = group / PANEL_GROUPS * sizeof(struct block_q2_k);
    const size_t qs = at + offsetof(struct block_q2_k, qs);
    struct vi sc[4], a[8], d;

    (void)n;
    vi_rows(rows, at, sc);
    d = vi_words(rows, at + offsetof(struct block_q2_k, d));
#pragma GCC unroll 8
    for (unsigned g = 0; g < PANEL_GROUPS; g++) {
        if (g % 4 == 0) {
            vi_rows(rows, qs + g / 4 * 32, a);
            vi_rows(rows, qs + g / 4 * 32 + 16, a + 4);
        }
        panel_two_bits(a, g % 4, p->q[g]);
        struct vi s0 = panel_byte(sc, 2 * g), s1 = panel_byte(sc, 2 * g + 1);
        p->s[g][0] = vf_of_int(vi_and(s0, vi_set1(15)));
        p->s[g][1] = vf_of_int(vi_and(s1, vi_set1(15)));
        p->m[g] = vi_or(vi_shr(s0, 4), vi_shl(vi_shr(s1, 4), 16));
        p->d[g] = vf_of_half_words(d);
        p->dm[g] = vf_of_half_words(vi_shr(d, 16));
    }
}

/*
 * The 16 scales of Q3_K, plus 32, as bytes: low nibbles in 8 bytes, high pairs of bits in 4. The
 * last 16 bytes of a block are two that are not wanted, the 12 of the scales, and d.
 */
INLINE void panel_q3_scales(const struct vi tail[4], struct vi sc[4])
{
    const struct vi two = vi_set1(0x03030303);
    struct vi w[3];

    for (int i = 0; i < 3; i++)
        w[i] = vi_or(vi_shr(tail[i], 16), vi_shl(tail[i + 1], 16));
    sc[0] = vi_or(panel_nibbles(w[0], 0), vi_shl(vi_and(w[2], two), 4));
    sc[1] = vi_or(panel_nibbles(w[1], 0), vi_shl(vi_and(vi_shr(w[2], 2), two), 4));
    sc[2] = vi_or(panel_nibbles(w[0], 4), vi_shl(vi_and(vi_shr(w[2], 4), two), 4));
    sc[3] = vi_or(panel_nibbles(w[1], 4), vi_shl(vi_and(vi_shr(w[2], 6), two), 4));
}

/* Adds bit g of the 32 bytes `mask` to the levels as the bit of value 1 << to. */
INLINE void panel_high_bit(const struct vi mask[8], unsigned g, unsigned to, struct vi q[8])
{
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        q[i] = vi_or(q[i], vi_shl(vi_and(vi_shr(mask[i], g), vi_set1(0x01010101)), to));
}

static void panel_q3_k(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    const size_t at = group / PANEL_GROUPS * sizeof(struct block_q3_k);
    const size_t qs = at + offsetof(struct block_q3_k, qs);
    const struct vi offset = vi_set1(32);
    struct vi tail[4], sc[4], mask[8], a[8];

    (void)n;
    vi_rows(rows, at + sizeof(struct block_q3_k) - 16, tail);
    panel_q3_scales(tail, sc);
    vi_rows(rows, at, mask);
    vi_rows(rows, at + 16, mask + 4);
#pragma GCC unroll 8
    for (unsigned g = 0; g < PANEL_GROUPS; g++) {
        if (g % 4 == 0) {
            vi_rows(rows, qs + g / 4 * 32, a);
            vi_rows(rows, qs + g / 4 * 32 + 16, a + 4);
        }
        panel_two_bits(a, g % 4, p->q[g]);
        panel_high_bit(mask, g, 2, p->q[g]);
        p->s[g][0] = vf_of_int(vi_sub(panel_byte(sc, 2 * g), offset));
        p->s[g][1] = vf_of_int(vi_sub(panel_byte(sc, 2 * g + 1), offset));
        p->d[g] = vf_of_half_words(vi_shr(tail[3], 16));
    }
}

/*
 * d, dmin, scales and mins of Q4_K and Q5_K, from the first 16 bytes of the block: bytes 0..3 of
 * the twelve hold scales 0..3 and, above, two bits of scales 4..7; bytes 4..7 the mins likewise;
 * bytes 8..11 the low nibbles of scales 4..7 and of mins 4..7.
 */
INLINE void panel_q4_head(const uint8_t *const rows[16], size_t at, struct panel *p)
{
    const struct vi six = vi_set1(0x3f3f3f3f), two = vi_set1(0x03030303);
    struct vi h[4], sc[2], m[2];

    vi_rows(rows, at, h);
    sc[0] = vi_and(h[1], six);
    m[0] = vi_and(h[2], six);
    sc[1] = vi_or(panel_nibbles(h[3], 0), vi_shl(vi_and(vi_shr(h[1], 6), two), 4));
    m[1] = vi_or(panel_nibbles(h[3], 4), vi_shl(vi_and(vi_shr(h[2], 6), two), 4));
#pragma GCC unroll 8
    for (unsigned g = 0; g < PANEL_GROUPS; g++) {
        struct vi min = panel_byte(m, g);
        p->s[g][0] = vf_of_int(panel_byte(sc, g));
        p->m[g] = vi_or(min, vi_shl(min, 16));
        p->d[g] = vf_of_half_words(h[0]);
        p->dm[g] = vf_of_half_words(vi_shr(h[0], 16));
    }
}

/* 64 weights in 32 bytes: groups g (low nibbles) and g + 1 (high ones). */
INLINE void panel_nibbles_of_64(const uint8_t *const rows[16], size_t at, struct vi low[8],
                                struct vi high[8])
{
    struct vi a[8];

    vi_rows(rows, at, a);
    vi_rows(rows, at + 16, a + 4);
    for (int j = 0; j < 8; j++) {
        low[j] = panel_nibbles(a[j], 0);
        high[j] = panel_nibbles(a[j], 4);
    }
}

static void panel_q4_k(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    const size_t at = group / PANEL_GROUPS * sizeof(struct block_q4_k);
    const size_t qs = at + offsetof(struct block_q4_k, qs);

    (void)n;
    panel_q4_head(rows, at, p);
    for (size_t g = 0; g < PANEL_GROUPS; g += 2)
        panel_nibbles_of_64(rows, qs + g / 2 * 32, p->q[g], p->q[g + 1]);
}

static void panel_q5_k(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    const size_t at = group / PANEL_GROUPS * sizeof(struct block_q5_k);
    const size_t qh = at + offsetof(struct block_q5_k, qh);
    const size_t qs = at + offsetof(struct block_q5_k, qs);
    struct vi fifth[8];

    (void)n;
    panel_q4_head(rows, at, p);
    vi_rows(rows, qh, fifth);
    vi_rows(rows, qh + 16, fifth + 4);
#pragma GCC unroll 4
    for (unsigned g = 0; g < PANEL_GROUPS; g += 2) {
        panel_nibbles_of_64(rows, qs + g / 2 * 32, p->q[g], p->q[g + 1]);
        panel_high_bit(fifth, g, 4, p->q[g]);
        panel_high_bit(fifth, g + 1, 4, p->q[g + 1]);
    }
}

/* Half h of a Q6_K block: 128 weights, four groups. */
INLINE void panel_q6_half(const uint8_t *const rows[16], size_t at, unsigned h, struct panel *p)
{
    const size_t ql = at + offsetof(struct block_q6_k, ql) + h * 64;
    const size_t qh = at + offsetof(struct block_q6_k, qh) + h * 32;
    struct vi(*q)[8] = p->q + 4 * h;
    struct vi high[8];

    panel_nibbles_of_64(rows, ql, q[0], q[2]);
    panel_nibbles_of_64(rows, ql + 32, q[1], q[3]);
    vi_rows(rows, qh, high);
    vi_rows(rows, qh + 16, high + 4);
#pragma GCC unroll 4
    for (unsigned g = 0; g < 4; g++) {
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            struct vi two = vi_and(vi_shr(high[j], 2 * g), vi_set1(0x03030303));
            q[g][j] = vi_or(q[g][j], vi_shl(two, 4));
        }
    }
}

static void panel_q6_k(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    const size_t at = group / PANEL_GROUPS * sizeof(struct block_q6_k);
    struct vi sc[4], d;

    (void)n;
    vi_rows(rows, at + offsetof(struct block_q6_k, scales), sc);
    d = vi_shr(vi_words(rows, at + sizeof(struct block_q6_k) - 4), 16);
    panel_q6_half(rows, at, 0, p);
    panel_q6_half(rows, at, 1, p);
#pragma GCC unroll 8
    for (unsigned g = 0; g < PANEL_GROUPS; g++) {
        p->s[g][0] = vf_of_int(panel_signed_byte(sc, 2 * g));
        p->s[g][1] = vf_of_int(panel_signed_byte(sc, 2 * g + 1));
        p->d[g] = vf_of_half_words(d);
    }
}

static void panel_iq4_xs(const uint8_t *const rows[16], size_t group, size_t n, struct panel *p)
{
    const size_t at = group / PANEL_GROUPS * sizeof(struct block_iq4_xs);
    const size_t qs = at + offsetof(struct block_iq4_xs, qs);
    struct vi head = vi_words(rows, at), low = vi_words(rows, at + 4);

    (void)n;
#pragma GCC unroll 8
    for (unsigned g = 0; g < PANEL_GROUPS; g++) {
        struct vi high = vi_and(vi_shr(head, 16 + 2 * g), vi_set1(3));
        struct vi scale = vi_or(vi_and(vi_shr(low, 4 * g), vi_set1(15)), vi_shl(high, 4));
        panel_iq4_levels(rows, qs + g * 16, p->q[g]);
        p->s[g][0] = vf_of_int(vi_sub(scale, vi_set1(32)));
        p->d[g] = vf_of_half_words(head);
    }
}

#endif
