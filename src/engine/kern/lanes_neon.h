/*
 * lanes_neon.h - sixteen lanes of aarch64's Advanced SIMD with the dot product instructions: four
 * registers, lanes 4i .. 4i + 3 in v[i]. What each operation does is said in lanes_avx512.h.
 * Included by one file only, which is compiled for this instruction set.
 */
#ifndef RBEE_ENGINE_KERN_LANES_NEON_H
#define RBEE_ENGINE_KERN_LANES_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* The dot product instruction takes all levels signed. */
#define LANES_BIAS8 0

#define LANES_QUANT_STRIPES  1
#define LANES_QUANT_COLS     4
#define LANES_DOT_WORDS      4
#define LANES_FLOAT_ROWS     2
#define LANES_FLOAT_COLS     2
#define LANES_ATTEND_QUERIES 4
#define LANES_ATTEND_VECS    1

struct vf {
    float32x4_t v[4];
};

struct vi {
    uint32x4_t v[4];
};

/* Defines a function that works on each register i by itself. */
#define MAP(kind, name, args, expr)                                                                \
    INLINE struct kind name args {                                                                 \
        struct kind y;                                                                             \
                                                                                                   \
        for (int i = 0; i < 4; i++)                                                                \
            y.v[i] = expr;                                                                         \
        return y;                                                                                  \
    }

MAP(vf, vf_set1, (float a), vdupq_n_f32(a))
MAP(vf, vf_load, (const float *p), vld1q_f32(p + 4 * i))

INLINE void vf_store(float *p, struct vf a)
{
    for (int i = 0; i < 4; i++)
        vst1q_f32(p + 4 * i, a.v[i]);
}

INLINE struct vf vf_load_levels(const int8_t *p)
{
    int8x16_t bytes = vld1q_s8(p);
    int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));

    return (struct vf){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
                        vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
                        vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                        vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}

INLINE void vf_store_first(float *p, struct vf a, size_t n)
{
    float part[16];

    vf_store(part, a);
    memcpy(p, part, n * sizeof *p);
}

MAP(vf, vf_load_half, (const uint16_t *p), vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))))
MAP(vf, vf_load_bf16, (const uint16_t *p),
    vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)))

INLINE void vf_store_half(uint16_t *p, struct vf a)
{
    for (int i = 0; i < 4; i++)
        vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}

MAP(vf, vf_add, (struct vf a, struct vf b), vaddq_f32(a.v[i], b.v[i]))
MAP(vf, vf_sub, (struct vf a, struct vf b), vsubq_f32(a.v[i], b.v[i]))
MAP(vf, vf_mul, (struct vf a, struct vf b), vmulq_f32(a.v[i], b.v[i]))
MAP(vf, vf_div, (struct vf a, struct vf b), vdivq_f32(a.v[i], b.v[i]))
MAP(vf, vf_fma, (struct vf a, struct vf b, struct vf c), vfmaq_f32(c.v[i], a.v[i], b.v[i]))
MAP(vf, vf_fnma, (struct vf a, struct vf b, struct vf c), vfmsq_f32(c.v[i], a.v[i], b.v[i]))
MAP(vf, vf_max, (struct vf a, struct vf b), vmaxnmq_f32(a.v[i], b.v[i]))
MAP(vf, vf_at_most, (struct vf a, float limit), vminq_f32(a.v[i], vdupq_n_f32(limit)))

INLINE struct vf vf_zero_below(struct vf a, struct vf x, float limit)
{
    struct vf y;

    for (int i = 0; i < 4; i++) {
        uint32x4_t below = vcltq_f32(x.v[i], vdupq_n_f32(limit));
        y.v[i] = vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a.v[i]), below));
    }
    return y;
}

MAP(vi, vf_bits, (struct vf a), vreinterpretq_u32_f32(a.v[i]))
MAP(vf, vf_of_bits, (struct vi a), vreinterpretq_f32_u32(a.v[i]))
MAP(vf, vf_of_int, (struct vi a), vcvtq_f32_s32(vreinterpretq_s32_u32(a.v[i])))
MAP(vi, vf_to_int, (struct vf a), vreinterpretq_u32_s32(vcvtnq_s32_f32(a.v[i])))
MAP(vf, vf_of_half_words, (struct vi a), vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(a.v[i]))))

INLINE float vf_sum(struct vf a)
{
    float32x4_t q = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
    float32x2_t d = vadd_f32(vget_low_f32(q), vget_high_f32(q));

    return vget_lane_f32(d, 0) + vget_lane_f32(d, 1);
}

INLINE void vf_sum_tile(struct vf a[LANES_FLOAT_ROWS][LANES_FLOAT_COLS], float *y, size_t stride)
{
    for (size_t c = 0; c < LANES_FLOAT_COLS; c++) {
        for (size_t r = 0; r < LANES_FLOAT_ROWS; r++)
            y[c * stride + r] = vf_sum(a[r][c]);
    }
}

INLINE struct vi vi_load(const void *p)
{
    struct vi a;

    for (int i = 0; i < 4; i++)
        a.v[i] = vld1q_u32((const uint32_t *)p + 4 * i);
    return a;
}

INLINE void vi_store(void *p, struct vi a)
{
    for (int i = 0; i < 4; i++)
        vst1q_u32((uint32_t *)p + 4 * i, a.v[i]);
}

MAP(vi, vi_set1, (int32_t a), vdupq_n_u32((uint32_t)a))
MAP(vi, vi_table, (const int8_t table[16]), vreinterpretq_u32_s8(vld1q_s8(table)))
MAP(vi, vi_lookup, (struct vi table, struct vi index),
    vreinterpretq_u32_u8(vqtbl1q_u8(vreinterpretq_u8_u32(table.v[i]),
                                    vreinterpretq_u8_u32(index.v[i]))))
MAP(vi, vi_and, (struct vi a, struct vi b), vandq_u32(a.v[i], b.v[i]))
MAP(vi, vi_or, (struct vi a, struct vi b), vorrq_u32(a.v[i], b.v[i]))
MAP(vi, vi_xor, (struct vi a, struct vi b), veorq_u32(a.v[i], b.v[i]))
MAP(vi, vi_add, (struct vi a, struct vi b), vaddq_u32(a.v[i], b.v[i]))
MAP(vi, vi_sub, (struct vi a, struct vi b), vsubq_u32(a.v[i], b.v[i]))
MAP(vi, vi_max, (struct vi a, struct vi b), vmaxq_u32(a.v[i], b.v[i]))
MAP(vi, vi_shl, (struct vi a, unsigned n), vshlq_u32(a.v[i], vdupq_n_s32((int)n)))
MAP(vi, vi_shr, (struct vi a, unsigned n), vshlq_u32(a.v[i], vdupq_n_s32(-(int)n)))
MAP(vi, vi_sar, (struct vi a, unsigned n),
    vreinterpretq_u32_s32(vshlq_s32(vreinterpretq_s32_u32(a.v[i]), vdupq_n_s32(-(int)n))))

INLINE struct vi vi_spread_byte(struct vi a, int n)
{
    const struct vi first = {{{0, 0x04040404, 0x08080808, 0x0c0c0c0c},
                              {0, 0x04040404, 0x08080808, 0x0c0c0c0c},
                              {0, 0x04040404, 0x08080808, 0x0c0c0c0c},
                              {0, 0x04040404, 0x08080808, 0x0c0c0c0c}}};

    return vi_lookup(a, vi_add(first, vi_set1(n * 0x01010101)));
}

MAP(vi, vi_bytes_having, (struct vi a, struct vi mask),
    vreinterpretq_u32_u8(vceqq_u8(vreinterpretq_u8_u32(vandq_u32(a.v[i], mask.v[i])),
                                  vreinterpretq_u8_u32(mask.v[i]))))

/* The int16 in the upper halves of four words. */
INLINE int32x4_t vi_upper(uint32x4_t a)
{
    return vshrq_n_s32(vreinterpretq_s32_u32(a), 16);
}

INLINE struct vi vi_madd16(struct vi a, struct vi b)
{
    struct vi y;

    for (int i = 0; i < 4; i++) {
        int32x4_t low =
            vmulq_s32(vi_upper(vshlq_n_u32(a.v[i], 16)), vi_upper(vshlq_n_u32(b.v[i], 16)));
        y.v[i] = vreinterpretq_u32_s32(vmlaq_s32(low, vi_upper(a.v[i]), vi_upper(b.v[i])));
    }
    return y;
}

INLINE void vi_store_bytes(int8_t *p, struct vi a)
{
    uint16x8_t low = vcombine_u16(vmovn_u32(a.v[0]), vmovn_u32(a.v[1]));
    uint16x8_t high = vcombine_u16(vmovn_u32(a.v[2]), vmovn_u32(a.v[3]));

    vst1q_s8(p, vreinterpretq_s8_u8(vcombine_u8(vmovn_u16(low), vmovn_u16(high))));
}

INLINE int32_t vi_sum(struct vi a)
{
    uint32x4_t q = vaddq_u32(vaddq_u32(a.v[0], a.v[1]), vaddq_u32(a.v[2], a.v[3]));

    return (int32_t)vaddvq_u32(q);
}

INLINE uint32_t vi_max_of(struct vi a)
{
    return vmaxvq_u32(vmaxq_u32(vmaxq_u32(a.v[0], a.v[1]), vmaxq_u32(a.v[2], a.v[3])));
}

MAP(vi, vi_load_levels, (const int8_t *p), vreinterpretq_u32_s8(vld1q_s8(p + 16 * i)))

INLINE struct vi vi_broadcast(const void *p)
{
    int32_t word;

    memcpy(&word, p, sizeof word);
    return vi_set1(word);
}

INLINE struct vi vi_words(const uint8_t *const rows[16], size_t at)
{
    uint32_t w[16];
    struct vi y;

    for (int r = 0; r < 16; r++)
        memcpy(&w[r], rows[r] + at, sizeof w[r]);
    for (int i = 0; i < 4; i++)
        y.v[i] = vld1q_u32(w + 4 * i);
    return y;
}

INLINE uint32x4_t vi_row(const uint8_t *p)
{
    return vreinterpretq_u32_u8(vld1q_u8(p));
}

INLINE uint32x4_t vi_low_pairs(uint32x4_t a, uint32x4_t b)
{
    return vreinterpretq_u32_u64(vtrn1q_u64(vreinterpretq_u64_u32(a), vreinterpretq_u64_u32(b)));
}

INLINE uint32x4_t vi_high_pairs(uint32x4_t a, uint32x4_t b)
{
    return vreinterpretq_u32_u64(vtrn2q_u64(vreinterpretq_u64_u32(a), vreinterpretq_u64_u32(b)));
}

INLINE void vi_rows(const uint8_t *const rows[16], size_t at, struct vi out[4])
{
    for (int i = 0; i < 4; i++) {
        uint32x4_t a = vi_row(rows[4 * i] + at), b = vi_row(rows[4 * i + 1] + at);
        uint32x4_t c = vi_row(rows[4 * i + 2] + at), d = vi_row(rows[4 * i + 3] + at);
        uint32x4_t ab_even = vtrn1q_u32(a, b), ab_odd = vtrn2q_u32(a, b);
        uint32x4_t cd_even = vtrn1q_u32(c, d), cd_odd = vtrn2q_u32(c, d);

        out[0].v[i] = vi_low_pairs(ab_even, cd_even);
        out[1].v[i] = vi_low_pairs(ab_odd, cd_odd);
        out[2].v[i] = vi_high_pairs(ab_even, cd_even);
        out[3].v[i] = vi_high_pairs(ab_odd, cd_odd);
    }
}

INLINE struct vi vi_dot(struct vi sum, const struct vi *w, const int8_t *x, int bits)
{
    const int8x16_t xs = vld1q_s8(x);

    (void)bits;
    for (int i = 0; i < 4; i++) {
        int32x4_t s = vreinterpretq_s32_u32(sum.v[i]);

        s = vdotq_laneq_s32(s, vreinterpretq_s8_u32(w[0].v[i]), xs, 0);
        s = vdotq_laneq_s32(s, vreinterpretq_s8_u32(w[1].v[i]), xs, 1);
        s = vdotq_laneq_s32(s, vreinterpretq_s8_u32(w[2].v[i]), xs, 2);
        s = vdotq_laneq_s32(s, vreinterpretq_s8_u32(w[3].v[i]), xs, 3);
        sum.v[i] = vreinterpretq_u32_s32(s);
    }
    return sum;
}

#endif
