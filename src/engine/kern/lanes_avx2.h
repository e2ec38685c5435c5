/*
 * lanes_avx2.h - sixteen lanes of AVX2, FMA and F16C: two registers, lanes 0..7 and 8..15. What
 * each operation does is said in lanes_avx512.h. Included by one file only, which is compiled for
 * this instruction set.
 */
#ifndef RBEE_ENGINE_KERN_LANES_AVX2_H
#define RBEE_ENGINE_KERN_LANES_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Levels of eight bits stay signed: see vi_dot. */
#define LANES_BIAS8 0

#define LANES_QUANT_STRIPES  1
#define LANES_QUANT_COLS     4
#define LANES_DOT_WORDS      4
#define LANES_FLOAT_ROWS     2
#define LANES_FLOAT_COLS     2
#define LANES_ATTEND_QUERIES 4
#define LANES_ATTEND_VECS    1

struct vf {
    __m256 lo, hi;
};

struct vi {
    __m256i lo, hi;
};

INLINE struct vf vf_set1(float a)
{
    return (struct vf){_mm256_set1_ps(a), _mm256_set1_ps(a)};
}

INLINE struct vf vf_load(const float *p)
{
    return (struct vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

INLINE void vf_store(float *p, struct vf a)
{
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}

INLINE __m256 vf_eight_levels(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

INLINE struct vf vf_load_levels(const int8_t *p)
{
    return (struct vf){vf_eight_levels(p), vf_eight_levels(p + 8)};
}

/* All bits of the first n of eight words. */
INLINE __m256i vf_mask_first(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE void vf_store_first(float *p, struct vf a, size_t n)
{
    _mm256_maskstore_ps(p, vf_mask_first(n), a.lo);
    if (n > 8)
        _mm256_maskstore_ps(p + 8, vf_mask_first(n - 8), a.hi);
}

INLINE struct vf vf_load_half(const uint16_t *p)
{
    return (struct vf){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                       _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}

INLINE __m256 vf_bf16_eight(const uint16_t *p)
{
    __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));

    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
}

INLINE struct vf vf_load_bf16(const uint16_t *p)
{
    return (struct vf){vf_bf16_eight(p), vf_bf16_eight(p + 8)};
}

INLINE void vf_store_half(uint16_t *p, struct vf a)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}

INLINE struct vf vf_add(struct vf a, struct vf b)
{
    return (struct vf){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}

INLINE struct vf vf_sub(struct vf a, struct vf b)
{
    return (struct vf){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}

INLINE struct vf vf_mul(struct vf a, struct vf b)
{
    return (struct vf){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}

INLINE struct vf vf_div(struct vf a, struct vf b)
{
    return (struct vf){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}

INLINE struct vf vf_max(struct vf a, struct vf b)
{
    return (struct vf){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}

INLINE struct vf vf_fma(struct vf a, struct vf b, struct vf c)
{
    return (struct vf){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}

INLINE struct vf vf_fnma(struct vf a, struct vf b, struct vf c)
{
    return (struct vf){_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}

INLINE struct vf vf_at_most(struct vf a, float limit)
{
    const __m256 top = _mm256_set1_ps(limit);

    return (struct vf){_mm256_min_ps(top, a.lo), _mm256_min_ps(top, a.hi)};
}

INLINE struct vf vf_zero_below(struct vf a, struct vf x, float limit)
{
    const __m256 low = _mm256_set1_ps(limit);

    return (struct vf){_mm256_and_ps(a.lo, _mm256_cmp_ps(x.lo, low, _CMP_NLT_UQ)),
                       _mm256_and_ps(a.hi, _mm256_cmp_ps(x.hi, low, _CMP_NLT_UQ))};
}

INLINE struct vi vf_bits(struct vf a)
{
    return (struct vi){_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)};
}

INLINE struct vf vf_of_bits(struct vi a)
{
    return (struct vf){_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)};
}

INLINE struct vf vf_of_int(struct vi a)
{
    return (struct vf){_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}

INLINE struct vi vf_to_int(struct vf a)
{
    return (struct vi){_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}

/* The lower 16 bits of eight words, side by side. */
INLINE __m128i vi_low_halves(__m256i a)
{
    const __m256i even = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1,
                                          0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i s = _mm256_shuffle_epi8(a, even);

    return _mm_unpacklo_epi64(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

INLINE struct vf vf_of_half_words(struct vi a)
{
    return (struct vf){_mm256_cvtph_ps(vi_low_halves(a.lo)), _mm256_cvtph_ps(vi_low_halves(a.hi))};
}

INLINE float vf_sum(struct vf a)
{
    __m256 h = _mm256_add_ps(a.lo, a.hi);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));

    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
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
    const __m256i *q = p;

    return (struct vi){_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}

INLINE void vi_store(void *p, struct vi a)
{
    __m256i *q = p;

    _mm256_storeu_si256(q, a.lo);
    _mm256_storeu_si256(q + 1, a.hi);
}

INLINE struct vi vi_set1(int32_t a)
{
    return (struct vi){_mm256_set1_epi32(a), _mm256_set1_epi32(a)};
}

INLINE struct vi vi_table(const int8_t table[16])
{
    __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));

    return (struct vi){t, t};
}

INLINE struct vi vi_lookup(struct vi table, struct vi index)
{
    return (struct vi){_mm256_shuffle_epi8(table.lo, index.lo),
                       _mm256_shuffle_epi8(table.hi, index.hi)};
}

INLINE struct vi vi_and(struct vi a, struct vi b)
{
    return (struct vi){_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}

INLINE struct vi vi_or(struct vi a, struct vi b)
{
    return (struct vi){_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}

INLINE struct vi vi_xor(struct vi a, struct vi b)
{
    return (struct vi){_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}

INLINE struct vi vi_add(struct vi a, struct vi b)
{
    return (struct vi){_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}

INLINE struct vi vi_sub(struct vi a, struct vi b)
{
    return (struct vi){_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}

INLINE struct vi vi_max(struct vi a, struct vi b)
{
    return (struct vi){_mm256_max_epu32(a.lo, b.lo), _mm256_max_epu32(a.hi, b.hi)};
}

INLINE struct vi vi_madd16(struct vi a, struct vi b)
{
    return (struct vi){_mm256_madd_epi16(a.lo, b.lo), _mm256_madd_epi16(a.hi, b.hi)};
}

INLINE struct vi vi_shl(struct vi a, unsigned n)
{
    return (struct vi){_mm256_slli_epi32(a.lo, (int)n), _mm256_slli_epi32(a.hi, (int)n)};
}

INLINE struct vi vi_shr(struct vi a, unsigned n)
{
    return (struct vi){_mm256_srli_epi32(a.lo, (int)n), _mm256_srli_epi32(a.hi, (int)n)};
}

INLINE struct vi vi_sar(struct vi a, unsigned n)
{
    return (struct vi){_mm256_srai_epi32(a.lo, (int)n), _mm256_srai_epi32(a.hi, (int)n)};
}

INLINE struct vi vi_spread_byte(struct vi a, int n)
{
    const __m256i at = _mm256_add_epi8(_mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0,
                                                         0x04040404, 0x08080808, 0x0c0c0c0c),
                                       _mm256_set1_epi8((char)n));

    return (struct vi){_mm256_shuffle_epi8(a.lo, at), _mm256_shuffle_epi8(a.hi, at)};
}

INLINE struct vi vi_bytes_having(struct vi a, struct vi mask)
{
    return (struct vi){_mm256_cmpeq_epi8(_mm256_and_si256(a.lo, mask.lo), mask.lo),
                       _mm256_cmpeq_epi8(_mm256_and_si256(a.hi, mask.hi), mask.hi)};
}

/* The lowest bytes of eight words. */
INLINE __m128i vi_low_bytes(__m256i a)
{
    const __m256i low =
        _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12,
                         -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i s = _mm256_shuffle_epi8(a, low);

    return _mm_unpacklo_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

INLINE void vi_store_bytes(int8_t *p, struct vi a)
{
    _mm_storeu_si128((__m128i *)p, _mm_unpacklo_epi64(vi_low_bytes(a.lo), vi_low_bytes(a.hi)));
}

INLINE int32_t vi_sum(struct vi a)
{
    __m256i h = _mm256_add_epi32(a.lo, a.hi);
    __m128i q = _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));

    q = _mm_add_epi32(q, _mm_unpackhi_epi64(q, q));
    return _mm_cvtsi128_si32(_mm_add_epi32(q, _mm_shuffle_epi32(q, 1)));
}

INLINE uint32_t vi_max_of(struct vi a)
{
    __m256i h = _mm256_max_epu32(a.lo, a.hi);
    __m128i q = _mm_max_epu32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));

    q = _mm_max_epu32(q, _mm_unpackhi_epi64(q, q));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(q, _mm_shuffle_epi32(q, 1)));
}

INLINE struct vi vi_load_levels(const int8_t *p)
{
    return (struct vi){_mm256_loadu_si256((const __m256i *)p),
                       _mm256_loadu_si256((const __m256i *)(p + 32))};
}

INLINE struct vi vi_broadcast(const void *p)
{
    int32_t word;

    memcpy(&word, p, sizeof word);
    return vi_set1(word);
}

INLINE struct vi vi_words(const uint8_t *const rows[16], size_t at)
{
    int32_t w[16];

    for (int r = 0; r < 16; r++)
        memcpy(&w[r], rows[r] + at, sizeof w[r]);
    return (struct vi){_mm256_setr_epi32(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]),
                       _mm256_setr_epi32(w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15])};
}

/* Sixteen bytes of row r and of row r + 4. */
INLINE __m256i vi_two_rows(const uint8_t *const rows[16], size_t at, int r)
{
    __m256i a = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(rows[r] + at)));

    return _mm256_inserti128_si256(a, _mm_loadu_si128((const __m128i *)(rows[r + 4] + at)), 1);
}

/* Sixteen bytes of eight rows from row r on, transposed. */
INLINE void vi_eight_rows(const uint8_t *const rows[16], size_t at, int r, __m256i out[4])
{
    __m256i a = vi_two_rows(rows, at, r), b = vi_two_rows(rows, at, r + 1);
    __m256i c = vi_two_rows(rows, at, r + 2), d = vi_two_rows(rows, at, r + 3);
    __m256i ab_lo = _mm256_unpacklo_epi32(a, b), ab_hi = _mm256_unpackhi_epi32(a, b);
    __m256i cd_lo = _mm256_unpacklo_epi32(c, d), cd_hi = _mm256_unpackhi_epi32(c, d);

    out[0] = _mm256_unpacklo_epi64(ab_lo, cd_lo);
    out[1] = _mm256_unpackhi_epi64(ab_lo, cd_lo);
    out[2] = _mm256_unpacklo_epi64(ab_hi, cd_hi);
    out[3] = _mm256_unpackhi_epi64(ab_hi, cd_hi);
}

INLINE void vi_rows(const uint8_t *const rows[16], size_t at, struct vi out[4])
{
    __m256i lo[4], hi[4];

    vi_eight_rows(rows, at, 0, lo);
    vi_eight_rows(rows, at, 8, hi);
    for (int j = 0; j < 4; j++)
        out[j] = (struct vi){lo[j], hi[j]};
}

#ifdef __AVXVNNI__
/* One instruction for a word; levels of 8 bits give their sign to x, which is never -128. */
INLINE __m256i vi_dot_half(__m256i sum, const __m256i w[4], const __m256i x[4], int bits)
{
    for (int j = 0; j < 4; j++)
        sum = bits == 8 ? _mm256_dpbusd_avx_epi32(sum, _mm256_abs_epi8(w[j]),
                                                  _mm256_sign_epi8(x[j], w[j]))
                        : _mm256_dpbusd_avx_epi32(sum, w[j], x[j]);
    return sum;
}
#else
/*
 * vpmaddubsw multiplies unsigned by signed bytes and adds two products in 16 bits, saturating: with
 * |x| <= 127, levels of 5 bits leave room for the sum of four such pairs (8 * 31 * 127 < 2^15), of
 * 6 bits for two (4 * 63 * 127), and of 8 bits for one, with the sign moved to x (2 * 128 * 127).
 */
INLINE __m256i vi_dot_half(__m256i sum, const __m256i w[4], const __m256i x[4], int bits)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i t[4];

    for (int j = 0; j < 4; j++)
        t[j] = bits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(w[j]), _mm256_sign_epi8(x[j], w[j]))
                         : _mm256_maddubs_epi16(w[j], x[j]);
    if (bits == 8) {
        for (int j = 0; j < 4; j++)
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(t[j], ones));
        return sum;
    }
    t[0] = _mm256_add_epi16(t[0], t[1]);
    t[2] = _mm256_add_epi16(t[2], t[3]);
    if (bits == 6) {
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(t[0], ones));
        return _mm256_add_epi32(sum, _mm256_madd_epi16(t[2], ones));
    }
    t[0] = _mm256_add_epi16(t[0], t[2]);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(t[0], ones));
}
#endif

INLINE struct vi vi_dot(struct vi sum, const struct vi *w, const int8_t *x, int bits)
{
    __m256i lo[4], hi[4], xs[4];

    for (int j = 0; j < 4; j++) {
        lo[j] = w[j].lo;
        hi[j] = w[j].hi;
        xs[j] = vi_broadcast(x + 4 * j).lo;
    }
    return (struct vi){vi_dot_half(sum.lo, lo, xs, bits), vi_dot_half(sum.hi, hi, xs, bits)};
}

#endif
