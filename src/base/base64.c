/* base64.c - see base64.h. */
#include "base/base64.h"

#include <stdint.h>

int base64_put(struct buf *b, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = bytes;

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16;
        char four[4];

        if (left > 1)
            v |= (uint32_t)p[i + 1] << 8;
        if (left > 2)
            v |= p[i + 2];
        four[0] = digits[v >> 18];
        four[1] = digits[v >> 12 & 63];
        four[2] = left > 1 ? digits[v >> 6 & 63] : '=';
        four[3] = left > 2 ? digits[v & 63] : '=';
        buf_put(b, four, sizeof four);
    }
    return buf_failed(b) ? -1 : 0;
}
