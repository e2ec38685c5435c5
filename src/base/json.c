/*
 * json.c - see json.h. On the path of every token: runs of plain text are copied whole. Source: RFC
 * 8259, section 7; Unicode 15, section 3.9 (which bytes become one U+FFFD). No state, any thread.
 */
#include "base/json.h"

#include <stdio.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/*
 * Length of the well-formed UTF-8 sequence at p (n >= 1 bytes left), or minus the number of bytes
 * that one U+FFFD stands for (the longest beginning of a sequence, at least one byte).
 */
static int utf8_length(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    int length;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return -1;
    length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= n || p[i] < low || p[i] > high)
            return -i;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

static int put_escape(struct buf *out, unsigned char c)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    char text[8];

    if (c < sizeof letters && letters[c])
        snprintf(text, sizeof text, "\\%c", letters[c]);
    else
        snprintf(text, sizeof text, "\\u%04x", c);
    return buf_puts(out, text);
}

/* How many bytes from p on can be copied as they are. */
static size_t plain_run(const unsigned char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        int length = 1;

        if (p[i] < 0x20 || p[i] == '"' || p[i] == '\\')
            break;
        if (p[i] >= 0x80)
            length = utf8_length(p + i, n - i);
        if (length < 0)
            break;
        i += (size_t)length;
    }
    return i;
}

int json_put_string(struct buf *out, const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t at = 0;

    buf_putc(out, '"');
    while (at < n && !buf_failed(out)) {
        size_t run = plain_run(p + at, n - at);

        buf_put(out, text + at, run);
        at += run;
        if (at == n)
            break;
        if (p[at] < 0x80) {
            put_escape(out, p[at++]);
        } else {
            buf_puts(out, REPLACEMENT);
            at += (size_t)-utf8_length(p + at, n - at);
        }
    }
    return buf_putc(out, '"');
}
