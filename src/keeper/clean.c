/* clean.c - see clean.h. */
#include "keeper/clean.h"

#include <stdbool.h>

#include "base/str.h"

/* Bytes of the well-formed UTF-8 sequence at s, 0 when there is none. */
static size_t sequence(const char *s, size_t n)
{
    unsigned char c = (unsigned char)s[0];
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    return len <= n && str_is_utf8(s, len) ? len : 0;
}

static bool is_control(const char *s, size_t len)
{
    unsigned char c = (unsigned char)s[0];

    if (len == 1)
        return c < 0x20 || c == 0x7f;
    return len == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0; /* U+0080 to U+009F */
}

static int put(struct buf *out, const char *text, size_t n, bool one_line)
{
    for (size_t i = 0; i < n;) {
        size_t len = sequence(text + i, n - i);
        char c = text[i];

        if (len && !is_control(text + i, len))
            buf_put(out, text + i, len);
        else if (c == '\n' || c == '\t')
            buf_putc(out, one_line ? ' ' : c);
        else if (c != '\r')
            buf_putc(out, '?');
        i += len ? len : 1;
    }
    return buf_failed(out) ? -1 : 0;
}

int clean_put(struct buf *out, const char *text, size_t n)
{
    return put(out, text, n, false);
}

int clean_put_line(struct buf *out, const char *text, size_t n)
{
    return put(out, text, n, true);
}
