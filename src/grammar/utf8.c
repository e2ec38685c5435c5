/* utf8.c - see utf8.h. No state. */
#include "grammar/utf8.h"

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

/* The length that a first byte announces; 0 for a byte that begins nothing. */
static size_t announced(unsigned char b)
{
    if (b < 0x80)
        return 1;
    if (b >= 0xC2 && b <= 0xDF)
        return 2;
    if (b >= 0xE0 && b <= 0xEF)
        return 3;
    return b >= 0xF0 && b <= 0xF4 ? 4 : 0;
}

size_t utf8_decode(const char *s, size_t n, uint32_t *out)
{
    size_t len = n ? announced((unsigned char)s[0]) : 0;
    uint32_t c;

    if (!len || len > n)
        return 0;
    c = (unsigned char)s[0];
    if (len > 1)
        c &= 0x7Fu >> len;
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)s[i] & 0x3F);
    }
    if (!utf8_is_char(c) || length_of(c) != len)
        return 0;
    *out = c;
    return len;
}

size_t utf8_encode(uint32_t c, char out[UTF8_MAX_BYTES])
{
    static const unsigned char mark[UTF8_MAX_BYTES + 1] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t len = length_of(c);

    for (size_t i = len; i-- > 1;) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(mark[len] | c);
    return len;
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
