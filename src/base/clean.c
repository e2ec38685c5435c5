/* clean.c - see clean.h. */
#include "base/clean.h"

#include <stdbool.h>
#include <string.h>

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

#define DROPPED '\r'

/* Bytes of what is at s, and what stands instead of it: DROPPED is nothing, '\0' itself. */
static size_t look(const char *s, size_t n, bool one_line, char *instead)
{
    size_t len = sequence(s, n);

    if (len && !is_control(s, len))
        *instead = '\0';
    else if (*s == '\n' || *s == '\t')
        *instead = one_line ? ' ' : *s;
    else
        *instead = *s == '\r' ? DROPPED : '?';
    return len ? len : 1;
}

static int put(struct buf *out, const char *text, size_t n, bool one_line)
{
    char instead;

    for (size_t i = 0, len; i < n; i += len) {
        len = look(text + i, n - i, one_line, &instead);
        if (!instead)
            buf_put(out, text + i, len);
        else if (instead != DROPPED)
            buf_putc(out, instead);
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

void clean_line(char *text)
{
    size_t n = strlen(text), to = 0;
    char instead;

    for (size_t i = 0, len; i < n; i += len) {
        len = look(text + i, n - i, true, &instead);
        if (instead && instead != DROPPED)
            text[to++] = instead;
        for (size_t k = 0; !instead && k < len; k++)
            text[to++] = text[i + k];
    }
    text[to] = '\0';
}
