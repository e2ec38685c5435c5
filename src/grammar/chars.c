/* chars.c - see chars.h. No state. */
#include "grammar/chars.h"

#define FIRST_SURROGATE 0xD800u
#define LAST_SURROGATE  0xDFFFu

/* The last character of each length in bytes. */
static const uint32_t last_of[UTF8_MAX_BYTES + 1] = {0, 0x7F, 0x7FF, 0xFFFF, UTF8_MAX_CHAR};

bool utf8_is_char(uint32_t c)
{
    return c <= UTF8_MAX_CHAR && (c < FIRST_SURROGATE || c > LAST_SURROGATE);
}

static size_t length_of(uint32_t c)
{
    size_t n = 1;

    while (c > last_of[n])
        n++;
    return n;
}

size_t utf8_decode(const char *s, size_t n, uint32_t *out)
{
    int len = n ? utf8_len(s, n) : 0;

    if (len <= 0)
        return 0;
    *out = utf8_code(s, len);
    return (size_t)len;
}

size_t utf8_encode(uint32_t c, char out[UTF8_MAX_BYTES])
{
    return (size_t)utf8_put(c, out);
}

bool utf8_run(uint32_t lo, uint32_t hi, uint32_t *from, uint32_t *to)
{
    if (lo >= FIRST_SURROGATE && lo <= LAST_SURROGATE)
        lo = LAST_SURROGATE + 1;
    if (lo > hi || lo > UTF8_MAX_CHAR)
        return false;
    *from = lo;
    *to = last_of[length_of(lo)];
    if (lo < FIRST_SURROGATE && *to >= FIRST_SURROGATE && *to <= 0xFFFF)
        *to = FIRST_SURROGATE - 1;
    if (*to > hi)
        *to = hi;
    return true;
}
