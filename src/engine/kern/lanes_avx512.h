/*
 * lanes_avx512.h - sixteen lanes of AVX-512 (F, BW, DQ, VL, VNNI): the few operations from which
 * panel.h, product.h and floats.h build the kernels. lanes_avx2.h and lanes_neon.h offer the same;
 * what each operation does is said here. Included by one file only, which is compiled for this
 * instruction set.
 */
#ifndef RBEE_ENGINE_KERN_LANES_AVX512_H
#define RBEE_ENGINE_KERN_LANES_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* What is added to the levels of eight bits (Q8_0, IQ4) in a panel: the dot product instruction
 * wants its weights unsigned. */
#define LANES_BIAS8 128

/* The tiles of the products that keep all sums in registers. */
#define LANES_QUANT_STRIPES 2
#define LANES_QUANT_COLS    4
#define LANES_DOT_WORDS     1 /* words of weights that vi_dot takes */
#define LANES_FLOAT_ROWS    4
#define LANES_FLOAT_COLS    4

/* Attention: the queries of a tile, and the vectors of positions or floats beside each other. */
#define LANES_ATTEND_QUERIES 8
#define LANES_ATTEND_VECS    2

/* sixteen floats */
struct vf {
    __m512 v;
};

/* sixteen 32-bit words, or 64 bytes */
struct vi {
    __m512i v;
};

INLINE struct vf vf_set1(float a)
{
    return (struct vf){_mm512_set1_ps(a)};
}

INLINE struct vf vf_load(const float *p)
{
    return (struct vf){_mm512_loadu_ps(p)};
}

INLINE void vf_store(float *p, struct vf a)
{
    _mm512_storeu_ps(p, a.v);
}

/* Sixteen bytes, signed. */
INLINE struct vf vf_load_levels(const int8_t *p)
{
    __m512i words = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));

    return (struct vf){_mm512_cvtepi32_ps(words)};
}

/* Only the first n floats, n <= 16. */
INLINE void vf_store_first(float *p, struct vf a, size_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a.v);
}

/* Half floats, exactly widened. */
INLINE struct vf vf_load_half(const uint16_t *p)
{
    return (struct vf){_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p))};
}

/* The upper halves of floats (BF16). */
INLINE struct vf vf_load_bf16(const uint16_t *p)
{
    __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));

    return (struct vf){_mm512_castsi512_ps(_mm512_slli_epi32(words, 16))};
}

/* Rounds to nearest even half floats. */
INLINE void vf_store_half(uint16_t *p, struct vf a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}

INLINE struct vf vf_add(struct vf a, struct vf b)
{
    return (struct vf){_mm512_add_ps(a.v, b.v)};
}

INLINE struct vf vf_sub(struct vf a, struct vf b)
{
    return (struct vf){_mm512_sub_ps(a.v, b.v)};
}

INLINE struct vf vf_mul(struct vf a, struct vf b)
{
    return (struct vf){_mm512_mul_ps(a.v, b.v)};
}

INLINE struct vf vf_div(struct vf a, struct vf b)
{
    return (struct vf){_mm512_div_ps(a.v, b.v)};
}

/* a * b + c, rounded once */
INLINE struct vf vf_fma(struct vf a, struct vf b, struct vf c)
{
    return (struct vf){_mm512_fmadd_ps(a.v, b.v, c.v)};
}

/* c - a * b, rounded once */
INLINE struct vf vf_fnma(struct vf a, struct vf b, struct vf c)
{
    return (struct vf){_mm512_fnmadd_ps(a.v, b.v, c.v)};
}

/* The larger one; b where one of them is a NaN. */
INLINE struct vf vf_max(struct vf a, struct vf b)
{
    return (struct vf){_mm512_max_ps(a.v, b.v)};
}

/* a, but `limit` where a is larger; a NaN stays. */
INLINE struct vf vf_at_most(struct vf a, float limit)
{
    return (struct vf){_mm512_min_ps(_mm512_set1_ps(limit), a.v)};
}

/* a, but 0 where x < limit */
INLINE struct vf vf_zero_below(struct vf a, struct vf x, float limit)
{
    __mmask16 keep = _mm512_cmp_ps_mask(x.v, _mm512_set1_ps(limit), _CMP_NLT_UQ);

    return (struct vf){_mm512_maskz_mov_ps(keep, a.v)};
}

INLINE struct vi vf_bits(struct vf a)
{
    return (struct vi){_mm512_castps_si512(a.v)};
}

INLINE struct vf vf_of_bits(struct vi a)
{
    return (struct vf){_mm512_castsi512_ps(a.v)};
}

/* int32 to float */
INLINE struct vf vf_of_int(struct vi a)
{
    return (struct vf){_mm512_cvtepi32_ps(a.v)};
}

/* float to int32, to nearest even */
INLINE struct vi vf_to_int(struct vf a)
{
    return (struct vi){_mm512_cvtps_epi32(a.v)};
}

/* The lower 16 bits of each word as a half float. */
INLINE struct vf vf_of_half_words(struct vi a)
{
    return (struct vf){_mm512_cvtph_ps(_mm512_cvtepi32_epi16(a.v))};
}

/* The lanes added in halves: the order of kern_sum16. */
INLINE float vf_sum(struct vf a)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));

    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

/*
 * The sums of a whole tile, each in the order of vf_sum, to y[c * stride + r]. Each of the four
 * steps halves the lanes of two vectors and leaves both in one.
 */
INLINE void vf_sum_tile(struct vf a[LANES_FLOAT_ROWS][LANES_FLOAT_COLS], float *y, size_t stride)
{
    __m512 t[8], u[4], v[2];

    for (int i = 0; i < 8; i++) { /* row i / 2, columns 2 * (i % 2) and the next */
        __m512 p = a[i / 2][2 * (i % 2)].v, q = a[i / 2][2 * (i % 2) + 1].v;
        t[i] = _mm512_add_ps(_mm512_shuffle_f32x4(p, q, 0x44), _mm512_shuffle_f32x4(p, q, 0xee));
    }
    for (int r = 0; r < 4; r++) /* a quarter for each column */
        u[r] = _mm512_add_ps(_mm512_shuffle_f32x4(t[2 * r], t[2 * r + 1], 0x88),
                             _mm512_shuffle_f32x4(t[2 * r], t[2 * r + 1], 0xdd));
    for (int i = 0; i < 2; i++) {
        __m512d p = _mm512_castps_pd(u[2 * i]), q = _mm512_castps_pd(u[2 * i + 1]);
        v[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(p, q)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(p, q)));
    }
    v[0] = _mm512_add_ps(_mm512_shuffle_ps(v[0], v[1], 0x88), _mm512_shuffle_ps(v[0], v[1], 0xdd));
    _mm_storeu_ps(y, _mm512_castps512_ps128(v[0]));
    _mm_storeu_ps(y + stride, _mm512_extractf32x4_ps(v[0], 1));
    _mm_storeu_ps(y + 2 * stride, _mm512_extractf32x4_ps(v[0], 2));
    _mm_storeu_ps(y + 3 * stride, _mm512_extractf32x4_ps(v[0], 3));
}

INLINE struct vi vi_load(const void *p)
{
    return (struct vi){_mm512_loadu_si512(p)};
}

INLINE void vi_store(void *p, struct vi a)
{
    _mm512_storeu_si512(p, a.v);
}

INLINE struct vi vi_set1(int32_t a)
{
    return (struct vi){_mm512_set1_epi32(a)};
}

/* The sixteen bytes of `table` in each quarter: for vi_lookup. */
INLINE struct vi vi_table(const int8_t table[16])
{
    return (struct vi){_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table))};
}

/* Each byte (0..15) replaced by that byte of the table. */
INLINE struct vi vi_lookup(struct vi table, struct vi index)
{
    return (struct vi){_mm512_shuffle_epi8(table.v, index.v)};
}

INLINE struct vi vi_and(struct vi a, struct vi b)
{
    return (struct vi){_mm512_and_si512(a.v, b.v)};
}

INLINE struct vi vi_or(struct vi a, struct vi b)
{
    return (struct vi){_mm512_or_si512(a.v, b.v)};
}

INLINE struct vi vi_xor(struct vi a, struct vi b)
{
    return (struct vi){_mm512_xor_si512(a.v, b.v)};
}

INLINE struct vi vi_add(struct vi a, struct vi b)
{
    return (struct vi){_mm512_add_epi32(a.v, b.v)};
}

INLINE struct vi vi_sub(struct vi a, struct vi b)
{
    return (struct vi){_mm512_sub_epi32(a.v, b.v)};
}

/* Unsigned; of 32-bit words. */
INLINE struct vi vi_max(struct vi a, struct vi b)
{
    return (struct vi){_mm512_max_epu32(a.v, b.v)};
}

/* Shifts of 32-bit words; shr brings in zeros, sar the sign. */
INLINE struct vi vi_shl(struct vi a, unsigned n)
{
    return (struct vi){_mm512_slli_epi32(a.v, n)};
}

INLINE struct vi vi_shr(struct vi a, unsigned n)
{
    return (struct vi){_mm512_srli_epi32(a.v, n)};
}

INLINE struct vi vi_sar(struct vi a, unsigned n)
{
    return (struct vi){_mm512_srai_epi32(a.v, n)};
}

/* Byte n of each 32-bit word in all four of its bytes. */
INLINE struct vi vi_spread_byte(struct vi a, int n)
{
    const __m128i at = _mm_add_epi8(
        _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12), _mm_set1_epi8((char)n));

    return (struct vi){_mm512_shuffle_epi8(a.v, _mm512_broadcast_i32x4(at))};
}

/* Where a byte has all bits of the mask's byte set: 0xff, elsewhere 0. */
INLINE struct vi vi_bytes_having(struct vi a, struct vi mask)
{
    return (struct vi){
        _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(_mm512_and_si512(a.v, mask.v), mask.v))};
}

/* In each 32-bit word: the products of the two int16 pairs, added. */
INLINE struct vi vi_madd16(struct vi a, struct vi b)
{
    return (struct vi){_mm512_madd_epi16(a.v, b.v)};
}

/* The lowest bytes of the sixteen words. */
INLINE void vi_store_bytes(int8_t *p, struct vi a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a.v));
}

INLINE int32_t vi_sum(struct vi a)
{
    return _mm512_reduce_add_epi32(a.v);
}

/* The largest of the words, unsigned. */
INLINE uint32_t vi_max_of(struct vi a)
{
    return _mm512_reduce_max_epu32(a.v);
}

/* 64 signed bytes as levels of eight bits: with LANES_BIAS8. */
INLINE struct vi vi_load_levels(const int8_t *p)
{
    return (struct vi){_mm512_xor_si512(_mm512_loadu_si512(p), _mm512_set1_epi8((char)0x80))};
}

/* One unaligned 32-bit word for all lanes. */
INLINE struct vi vi_broadcast(const void *p)
{
    int32_t word;

    memcpy(&word, p, sizeof word);
    return vi_set1(word);
}

/* Lane r is the unaligned 32-bit word at `at` of row r. */
INLINE struct vi vi_words(const uint8_t *const rows[16], size_t at)
{
    int32_t w[16];

    for (int r = 0; r < 16; r++)
        memcpy(&w[r], rows[r] + at, sizeof w[r]);
    return (struct vi){_mm512_setr_epi32(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9],
                                         w[10], w[11], w[12], w[13], w[14], w[15])};
}

/* Rows 4i + t of sixteen, for i = 0..3. */
INLINE __m512i vi_quarter(const uint8_t *const rows[16], size_t at, int t)
{
    __m256i a = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(rows[t] + at)));
    __m256i b = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(rows[t + 8] + at)));

    a = _mm256_inserti128_si256(a, _mm_loadu_si128((const __m128i *)(rows[t + 4] + at)), 1);
    b = _mm256_inserti128_si256(b, _mm_loadu_si128((const __m128i *)(rows[t + 12] + at)), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* Bytes at .. at + 15 of sixteen rows: lane r of out[j] is the j-th 32-bit word of row r. */
INLINE void vi_rows(const uint8_t *const rows[16], size_t at, struct vi out[4])
{
    __m512i a = vi_quarter(rows, at, 0), b = vi_quarter(rows, at, 1);
    __m512i c = vi_quarter(rows, at, 2), d = vi_quarter(rows, at, 3);
    __m512i ab_lo = _mm512_unpacklo_epi32(a, b), ab_hi = _mm512_unpackhi_epi32(a, b);
    __m512i cd_lo = _mm512_unpacklo_epi32(c, d), cd_hi = _mm512_unpackhi_epi32(c, d);

    out[0].v = _mm512_unpacklo_epi64(ab_lo, cd_lo);
    out[1].v = _mm512_unpackhi_epi64(ab_lo, cd_lo);
    out[2].v = _mm512_unpacklo_epi64(ab_hi, cd_hi);
    out[3].v = _mm512_unpackhi_epi64(ab_hi, cd_hi);
}

/*
 * Adds to sum (lane = row) the products of 4 * LANES_DOT_WORDS weights of each row, w[j] holding
 * weights 4j .. 4j + 3, with x. `bits` is the width of the levels: up to 7 they are unsigned,
 * levels of 8 bits carry LANES_BIAS8. Exact.
 */
INLINE struct vi vi_dot(struct vi sum, const struct vi *w, const int8_t *x, int bits)
{
    (void)bits;
    return (struct vi){_mm512_dpbusd_epi32(sum.v, w[0].v, vi_broadcast(x).v)};
}

#endif
