/* utf8.c - see utf8.h. Refuses overlong forms, surrogates and what lies above U+10FFFF. */
#include "base/utf8.h"

#include <string.h>

/* What the second byte may be depends on the first; the others are always 80..BF. */
static int lead(unsigned char b, unsigned char *low, unsigned char *high)
{
    *low = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;
    *high = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
    if (b < 0x80)
        return 1;
    if (b >= 0xC2 && b <= 0xDF)
        return 2;
    if (b >= 0xE0 && b <= 0xEF)
        return 3;
    if (b >= 0xF0 && b <= 0xF4)
        return 4;
    return -1;
}

int utf8_len(const char *s, size_t n)
{
    unsigned char low, high;
    int len = lead((unsigned char)s[0], &low, &high);

    for (int i = 1; i < len; i++) {
        unsigned char b;

        if ((size_t)i == n)
            return 0;
        b = (unsigned char)s[i];
        if (b < low || b > high)
            return -1;
        low = 0x80;
        high = 0xBF;
    }
    return len;
}

size_t utf8_valid(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n) {
        int len = utf8_len(s + i, n - i);

        if (len <= 0)
            break;
        i += (size_t)len;
    }
    return i;
}

void utf8_mend(char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        int len = utf8_len(text, n);

        if (len <= 0) {
            *text = '?';
            len = 1;
        }
        text += len;
        n -= (size_t)len;
    }
}

uint32_t utf8_code(const char *s, int len)
{
    static const unsigned char mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = (unsigned char)s[0] & mask[len];

    for (int i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)s[i] & 0x3F);
    return code;
}

int utf8_put(uint32_t code, char *dst)
{
    int len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (int i = len - 1; i > 0; i--) {
        dst[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    dst[0] = (char)(marks[len] | code);
    return len;
}
