/*
 * panel_k.h - levels and scales of super-blocks: a panel is one of them, 256 weights of each of
 * sixteen rows, eight groups. See panel.h, behind which it is included.
 */
#ifndef RBEE_ENGINE_KERN_PANEL_K_H
#define RBEE_ENGINE_KERN_PANEL_K_H

/* Where a field's words begin in a super-block. */
#define PANEL_K_AT(block, field) (offsetof(struct block, field) / sizeof(uint32_t))

/* Byte i of the words w[0], w[1] ... unsigned, and signed. */
INLINE struct vi panel_byte(const struct vi *w, unsigned i)
{
    return vi_and(vi_shr(w[i / 4], i % 4 * 8), vi_set1(0xff));
}

INLINE struct vi panel_signed_byte(const struct vi *w, unsigned i)
{
    return vi_sar(vi_shl(w[i / 4], 24 - i % 4 * 8), 24);
}

/* Group g of two-bit levels: 128 weights lie in eight words, the first 32 in the lowest bits. */
INLINE void panel_two_bits(const struct panel *p, size_t word, size_t g, struct vi q[8])
{
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
        q[i] = vi_and(vi_shr(panel_word(p, word + g / 4 * 8 + i), (unsigned)(2 * (g % 4))),
                      vi_set1(0x03030303));
}

/* Adds bit g of the eight words to the levels as the bit of value 1 << to. */
INLINE void panel_high_bit(const struct panel *p, size_t word, size_t g, unsigned to,
                           struct vi q[8])
{
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        struct vi bits = panel_word(p, word + i);
        bits = g < to ? vi_shl(bits, to - (unsigned)g) : vi_shr(bits, (unsigned)g - to);
        q[i] = vi_or(q[i], vi_and(bits, vi_set1(0x01010101 << to)));
    }
}

/* Eight words of nibbles, of which one half belongs to the group. */
INLINE void panel_nibbles_of(const struct panel *p, size_t word, bool high, struct vi q[8])
{
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
        q[i] = panel_nibbles(panel_word(p, word + i), high ? 4 : 0);
}

LEVELS(q2_k)
{
    panel_two_bits(p, PANEL_K_AT(block_q2_k, qs), g, q);
}

SCALES(q2_k)
{
    const struct vi d = panel_word(p, PANEL_K_AT(block_q2_k, d));
    struct vi sc[4];

    for (size_t i = 0; i < 4; i++)
        sc[i] = panel_word(p, PANEL_K_AT(block_q2_k, scales) + i);
#pragma GCC unroll 8
    for (unsigned g = 0; g < n; g++) {
        struct vi s0 = panel_byte(sc, 2 * g), s1 = panel_byte(sc, 2 * g + 1);
        s->s[g][0] = vf_of_int(vi_and(s0, vi_set1(15)));
        s->s[g][1] = vf_of_int(vi_and(s1, vi_set1(15)));
        s->m[g] = vi_or(vi_shr(s0, 4), vi_shl(vi_shr(s1, 4), 16));
        s->d[g] = vf_of_half_words(d);
        s->dm[g] = vf_of_half_words(vi_shr(d, 16));
    }
}

LEVELS(q3_k)
{
    panel_two_bits(p, PANEL_K_AT(block_q3_k, qs), g, q);
    panel_high_bit(p, PANEL_K_AT(block_q3_k, hmask), g, 2, q);
}

/* The 16 scales of Q3_K, plus 32, as bytes: low nibbles in 8 bytes, high pairs of bits in 4. */
INLINE void panel_q3_scales(const struct panel *p, struct vi sc[4])
{
    const size_t at = PANEL_K_AT(block_q3_k, scales);
    const struct vi a = panel_word(p, at), b = panel_word(p, at + 1), high = panel_word(p, at + 2);
    const struct vi two = vi_set1(0x03030303);

    sc[0] = vi_or(panel_nibbles(a, 0), vi_shl(vi_and(high, two), 4));
    sc[1] = vi_or(panel_nibbles(b, 0), vi_shl(vi_and(vi_shr(high, 2), two), 4));
    sc[2] = vi_or(panel_nibbles(a, 4), vi_shl(vi_and(vi_shr(high, 4), two), 4));
    sc[3] = vi_or(panel_nibbles(b, 4), vi_shl(vi_and(vi_shr(high, 6), two), 4));
}

SCALES(q3_k)
{
    const struct vi offset = vi_set1(32);
    const struct vf d = panel_half(p, 0);
    struct vi sc[4];

    panel_q3_scales(p, sc);
#pragma GCC unroll 8
    for (unsigned g = 0; g < n; g++) {
        s->s[g][0] = vf_of_int(vi_sub(panel_byte(sc, 2 * g), offset));
        s->s[g][1] = vf_of_int(vi_sub(panel_byte(sc, 2 * g + 1), offset));
        s->d[g] = d;
    }
}

/*
 * d, dmin, scales and mins of Q4_K and Q5_K, from the first four words of the block: bytes 0..3 of
 * the twelve hold scales 0..3 and, above, two bits of scales 4..7; bytes 4..7 the mins likewise;
 * bytes 8..11 the low nibbles of scales 4..7 and of mins 4..7.
 */
INLINE void panel_q4_scales(const struct panel *p, size_t n, struct scales *s)
{
    const struct vi six = vi_set1(0x3f3f3f3f), two = vi_set1(0x03030303);
    const struct vi head = panel_word(p, 0), a = panel_word(p, 1), b = panel_word(p, 2);
    const struct vi c = panel_word(p, 3);
    const struct vf d = vf_of_half_words(head), dmin = vf_of_half_words(vi_shr(head, 16));
    struct vi sc[2], m[2];

    sc[0] = vi_and(a, six);
    m[0] = vi_and(b, six);
    sc[1] = vi_or(panel_nibbles(c, 0), vi_shl(vi_and(vi_shr(a, 6), two), 4));
    m[1] = vi_or(panel_nibbles(c, 4), vi_shl(vi_and(vi_shr(b, 6), two), 4));
#pragma GCC unroll 8
    for (unsigned g = 0; g < n; g++) {
        s->d[g] = vf_mul(d, vf_of_int(panel_byte(sc, g)));
        s->dm[g] = vf_mul(dmin, vf_of_int(panel_byte(m, g)));
    }
}

LEVELS(q4_k)
{
    panel_nibbles_of(p, PANEL_K_AT(block_q4_k, qs) + g / 2 * 8, g % 2, q);
}

SCALES(q4_k)
{
    panel_q4_scales(p, n, s);
}

LEVELS(q5_k)
{
    panel_nibbles_of(p, PANEL_K_AT(block_q5_k, qs) + g / 2 * 8, g % 2, q);
    panel_high_bit(p, PANEL_K_AT(block_q5_k, qh), g, 4, q);
}

SCALES(q5_k)
{
    panel_q4_scales(p, n, s);
}

/* 128 weights: groups 0 and 1 in the low nibbles of 16 words, 2 and 3 in the high ones; their
 * upper two bits in 8 words. */
LEVELS(q6_k)
{
    const size_t half = g / 4, j = g % 4;

    panel_nibbles_of(p, PANEL_K_AT(block_q6_k, ql) + half * 16 + j % 2 * 8, j >= 2, q);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        struct vi high = panel_word(p, PANEL_K_AT(block_q6_k, qh) + half * 8 + i);
        high = j < 2 ? vi_shl(high, (unsigned)(4 - 2 * j)) : vi_shr(high, (unsigned)(2 * j - 4));
        q[i] = vi_or(q[i], vi_and(high, vi_set1(0x30303030)));
    }
}

SCALES(q6_k)
{
    const struct vf d = panel_half(p, 0);
    struct vi sc[4];

    for (size_t i = 0; i < 4; i++)
        sc[i] = panel_word(p, PANEL_K_AT(block_q6_k, scales) + i);
#pragma GCC unroll 8
    for (unsigned g = 0; g < n; g++) {
        s->s[g][0] = vf_of_int(panel_signed_byte(sc, 2 * g));
        s->s[g][1] = vf_of_int(panel_signed_byte(sc, 2 * g + 1));
        s->d[g] = d;
    }
}

LEVELS(iq4_xs)
{
    panel_iq4(p, PANEL_K_AT(block_iq4_xs, qs) + g * 4, q);
}

SCALES(iq4_xs)
{
    const struct vi head = panel_word(p, 0), low = panel_word(p, 1);
    const struct vf d = vf_of_half_words(head);

#pragma GCC unroll 8
    for (unsigned g = 0; g < n; g++) {
        struct vi high = vi_and(vi_shr(head, 16 + 2 * g), vi_set1(3));
        struct vi scale = vi_or(vi_and(vi_shr(low, 4 * g), vi_set1(15)), vi_shl(high, 4));
        s->d[g] = vf_mul(d, vf_of_int(vi_sub(scale, vi_set1(32))));
    }
}

#endif
