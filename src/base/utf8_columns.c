/*
 * utf8_columns.c - how much room a text takes on a terminal; see utf8.h. Not wcwidth(3): that
 * answers in the terms of the locale, and in the one a program begins with it knows ASCII only.
 */
#include <stdbool.h>

#include "base/utf8.h"
#include "base/utf8_widths.h"

#define EMOJI_SELECTOR 0xFE0F

static bool lies_in(uint32_t code, const struct utf8_range *ranges, size_t n)
{
    size_t low = 0;

    while (low < n) {
        size_t mid = low + (n - low) / 2;

        if (code > ranges[mid].last)
            low = mid + 1;
        else if (code < ranges[mid].first)
            n = mid;
        else
            return true;
    }
    return false;
}

static size_t columns_of(uint32_t code)
{
    if (lies_in(code, utf8_none, sizeof utf8_none / sizeof *utf8_none))
        return 0;
    return lies_in(code, utf8_two, sizeof utf8_two / sizeof *utf8_two) ? 2 : 1;
}

/* Bytes of the character that s begins with; in *columns those of the one before it, then its own.
 */
static size_t take(const char *s, size_t n, size_t *columns)
{
    int len = utf8_len(s, n);
    uint32_t code;

    if (len <= 1) {
        *columns = 1;
        return 1;
    }
    code = utf8_code(s, len);
    *columns = code == EMOJI_SELECTOR ? *columns == 1 : columns_of(code);
    return (size_t)len;
}

size_t utf8_columns(const char *s, size_t n)
{
    size_t sum = 0, columns = 0;

    for (size_t i = 0; i < n; sum += columns)
        i += take(s + i, n - i, &columns);
    return sum;
}

size_t utf8_column_bytes(const char *s, size_t n, size_t n_columns)
{
    size_t i = 0, sum = 0, columns = 0;

    while (i < n) {
        size_t len = take(s + i, n - i, &columns);

        sum += columns;
        if (sum > n_columns)
            break;
        i += len;
    }
    return i;
}
