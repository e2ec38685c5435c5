/*
 * kern_weights.h - weights of every type for the checks: blocks of random, extreme and hostile
 * bytes, and what they mean, computed in double one weight at a time from byte offsets as the
 * public description of the formats gives them. Nothing here is shared with the kernels.
 */
#ifndef RBEE_TESTS_KERN_WEIGHTS_H
#define RBEE_TESTS_KERN_WEIGHTS_H

#include "engine/gguf/types.h"
#include "kern_harness.h"

/* A half float by its definition (IEEE 754-2008, binary16). */
static inline double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double sign = h & 0x8000 ? -1.0 : 1.0;

    if (exponent == 31)
        return mantissa ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, -24);
    return sign * ldexp(1024 + mantissa, exponent - 25);
}

static inline double half_at(const uint8_t *p)
{
    return half_value((uint16_t)(p[0] | p[1] << 8));
}

/* Bits i*width .. of a little-endian run of bytes. */
static inline int field(const uint8_t *p, size_t i, int width)
{
    size_t bit = i * (size_t)width;

    return p[bit / 8] >> (bit % 8) & ((1 << width) - 1);
}

/* A weight is scaled - min: both parts, as the error bounds need them apart. */
struct weight {
    double scaled, min;
};

/* Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL: weight i of 32 has nibble i of the low, then of the high halves.
 */
static inline int nibble32(const uint8_t *qs, size_t i)
{
    return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
}

static inline double iq4_value(int i)
{
    static const int values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

    return values[i];
}

static inline struct weight simple_weight(enum tensor_type type, const uint8_t *b, size_t i)
{
    double d = half_at(b);

    switch (type) {
    case TYPE_Q4_0:
        return (struct weight){d * (nibble32(b + 2, i) - 8), 0};
    case TYPE_Q4_1:
        return (struct weight){d * nibble32(b + 4, i), -half_at(b + 2)};
    case TYPE_Q5_0:
        return (struct weight){d * (nibble32(b + 6, i) + 16 * field(b + 2, i, 1) - 16), 0};
    case TYPE_Q5_1:
        return (struct weight){d * (nibble32(b + 8, i) + 16 * field(b + 4, i, 1)), -half_at(b + 2)};
    case TYPE_Q8_0:
        return (struct weight){d * (int8_t)b[2 + i], 0};
    default:
        return (struct weight){d * iq4_value(nibble32(b + 2, i)), 0};
    }
}

static inline struct weight q2_k_weight(const uint8_t *b, size_t i)
{
    int q = b[16 + i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4)) & 3;

    return (struct weight){half_at(b + 80) * (b[i / 16] % 16) * q,
                           half_at(b + 82) * (b[i / 16] / 16)};
}

static inline struct weight q3_k_weight(const uint8_t *b, size_t i)
{
    const uint8_t *sc = b + 96;
    size_t s = i / 16;
    int q = b[32 + i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4)) & 3;
    int scale =
        field(sc, s < 8 ? 2 * s : 2 * (s - 8) + 1, 4) + 16 * field(sc + 8 + s % 4, s / 4, 2);

    q -= field(b + i % 32, i / 32, 1) ? 0 : 4;
    return (struct weight){half_at(b + 108) * (scale - 32) * q, 0};
}

/* Q4_K and Q5_K: six bits of scale or min (from = 0, 4) number s. */
static inline int six_bits(const uint8_t *sc, size_t s, size_t from)
{
    if (s < 4)
        return sc[from + s] % 64;
    return (from ? sc[8 + s - 4] / 16 : sc[8 + s - 4] % 16) + 16 * (sc[from + s - 4] / 64);
}

static inline struct weight q4_k_weight(enum tensor_type type, const uint8_t *b, size_t i)
{
    const uint8_t *qs = b + (type == TYPE_Q4_K ? 16 : 48);
    size_t s = i / 32;
    int q = qs[i / 64 * 32 + i % 32] >> (s % 2 * 4) & 15;

    if (type == TYPE_Q5_K)
        q += 16 * field(b + 16 + i % 32, s, 1);
    return (struct weight){half_at(b) * six_bits(b + 4, s, 0) * q,
                           half_at(b + 2) * six_bits(b + 4, s, 4)};
}

static inline struct weight q6_k_weight(const uint8_t *b, size_t i)
{
    size_t half = i / 128, in = i % 128;
    int low = b[half * 64 + in % 64] >> (in / 64 * 4) & 15;
    int high = b[128 + half * 32 + in % 32] >> (in / 32 * 2) & 3;

    return (struct weight){half_at(b + 208) * (int8_t)b[192 + i / 16] * (low + 16 * high - 32), 0};
}

static inline struct weight iq4_xs_weight(const uint8_t *b, size_t i)
{
    size_t s = i / 32;
    int scale = field(b + 4, s, 4) + 16 * field(b + 2, s, 2) - 32;

    return (struct weight){half_at(b) * scale * iq4_value(nibble32(b + 8 + s * 16, i % 32)), 0};
}

/* Weight k of the row at p. */
static inline struct weight weight_at(const struct type_info *t, const uint8_t *p, size_t k)
{
    const uint8_t *b = p + k / t->block_elems * t->block_bytes;
    size_t i = k % t->block_elems;
    float f;

    switch (t->type) {
    case TYPE_F32:
        memcpy(&f, b, sizeof f);
        return (struct weight){(double)f, 0};
    case TYPE_F16:
        return (struct weight){half_at(b), 0};
    case TYPE_BF16:
        return (struct weight){(double)float_of((uint32_t)(b[0] | b[1] << 8) << 16), 0};
    case TYPE_Q2_K:
        return q2_k_weight(b, i);
    case TYPE_Q3_K:
        return q3_k_weight(b, i);
    case TYPE_Q4_K:
    case TYPE_Q5_K:
        return q4_k_weight(t->type, b, i);
    case TYPE_Q6_K:
        return q6_k_weight(b, i);
    case TYPE_IQ4_XS:
        return iq4_xs_weight(b, i);
    default:
        return simple_weight(t->type, b, i);
    }
}

/* How the bytes of weights are chosen. */
enum fill { FILL_TAME, FILL_ONES, FILL_ZERO, FILL_HOSTILE, FILL_COUNT };

static inline const char *fill_name(enum fill fill)
{
    static const char *const names[] = {"tame", "all bits set", "all zero", "hostile"};

    return names[fill];
}

/* Where the half floats of a block of this type are; -1 for none. */
static inline void half_offsets(enum tensor_type type, int at[2])
{
    at[0] = 0;
    at[1] = -1;
    if (type == TYPE_Q4_1 || type == TYPE_Q5_1 || type == TYPE_Q4_K || type == TYPE_Q5_K)
        at[1] = 2;
    if (type == TYPE_Q3_K)
        at[0] = 108;
    if (type == TYPE_Q6_K)
        at[0] = 208;
    if (type == TYPE_Q2_K) {
        at[0] = 80;
        at[1] = 82;
    }
}

/* A half float of moderate size, of either sign. */
static inline void tame_half(struct rng *r, uint8_t *p)
{
    uint16_t h = (uint16_t)((rng_next(r) & 0x83ff) | (8 + rng_below(r, 8)) << 10);

    memcpy(p, &h, sizeof h);
}

static inline void tame_block(struct rng *r, const struct type_info *t, uint8_t *b)
{
    float f = rng_float(r);
    uint32_t bits = bits_of(f);
    int at[2];

    if (t->type == TYPE_F32) {
        memcpy(b, &f, sizeof f);
    } else if (t->type == TYPE_BF16) {
        bits >>= 16;
        memcpy(b, &bits, 2);
    } else {
        half_offsets(t->type, at);
        for (int i = 0; i < 2; i++) {
            if (at[i] >= 0)
                tame_half(r, b + at[i]);
        }
    }
}

/* n blocks. Hostile ones are random in every bit: infinities, no numbers, anything. */
static inline void fill_blocks(struct rng *r, const struct type_info *t, enum fill fill, uint8_t *p,
                               size_t n)
{
    for (size_t i = 0; i < n; i++, p += t->block_bytes) {
        for (size_t j = 0; j < t->block_bytes; j++)
            p[j] = fill == FILL_ONES ? 0xff : fill == FILL_ZERO ? 0 : (uint8_t)rng_next(r);
        if (fill == FILL_TAME || fill == FILL_ONES)
            tame_block(r, t, p);
    }
}

#endif
