/*
 * utf8.h - one UTF-8 character at a time, and the columns that a text takes. Sources: RFC 3629,
 * section 4; for the columns see utf8_widths.h. Any thread.
 */
#ifndef RBEE_BASE_UTF8_H
#define RBEE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_MAX_BYTES   4
#define UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/*
 * Bytes of the well-formed character that the n bytes (n > 0) begin with, 1..4; 0 when all n are
 * the beginning of one that is not whole yet; -1 when the first byte begins none.
 */
int utf8_len(const char *s, size_t n);

/* How many of the n bytes, from the first, are well-formed whole characters. */
size_t utf8_valid(const char *s, size_t n);

/* Puts '?' where a byte of the text is no part of a well-formed character. */
void utf8_mend(char *text);

/* The code point of a well-formed character of `len` bytes. */
uint32_t utf8_code(const char *s, int len);

/* Writes a code point, at most U+10FFFF; returns its bytes, 1..4. */
int utf8_put(uint32_t code, char *dst);

/*
 * Columns of a terminal that the text takes: two for a character of Chinese, Japanese or Korean and
 * for an emoji, none for a mark that joins the one before it, else one, as for each control
 * character and each byte that is no part of any, in whose place something will be shown. A
 * terminal that draws several emoji as one takes less; one that was told to draw characters of
 * ambiguous width wide, more.
 */
size_t utf8_columns(const char *s, size_t n);

/* Bytes of the first characters of the text that take at most n_columns. */
size_t utf8_column_bytes(const char *s, size_t n, size_t n_columns);

#endif
