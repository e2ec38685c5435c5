/* half.c - half floats in plain integer arithmetic (IEEE 754-2008 binary16). Any thread. */
#include <string.h>

#include "engine/kern/kern.h"

static uint32_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

float kern_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 31, mantissa = h & 1023;

    if (exponent == 31) /* infinity; a NaN stays one, made quiet */
        return float_of(sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
    if (exponent == 0) /* zero or subnormal: mantissa * 2^-24, exact in float32 */
        return float_of(sign | bits_of((float)mantissa * 0x1p-24f));
    return float_of(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

uint16_t kern_f32_to_f16(float f)
{
    uint32_t u = bits_of(f), a = u & 0x7fffffff;
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);

    if (a > 0x7f800000)
        return sign | 0x7e00 | (uint16_t)(a >> 13 & 0x3ff);
    if (a >= 0x477ff000) /* 65520 and above round to infinity */
        return sign | 0x7c00;
    if (a < 0x38800000) { /* below 2^-14: adding 0.5 leaves round(f * 2^24) in the low bits */
        uint32_t r = bits_of(float_of(a) + 0.5f);
        return sign | (uint16_t)(r - bits_of(0.5f));
    }
    a += 0xfff + (a >> 13 & 1); /* nearest, ties to even; a carry moves the exponent up */
    return sign | (uint16_t)((a - ((uint32_t)(127 - 15) << 23)) >> 13);
}
