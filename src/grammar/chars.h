/*
 * chars.h - characters as bytes (RFC 3629): one at a time, and ranges of them as sequences of
 * ranges of bytes, which is how an automaton on bytes reads them.
 */
#ifndef RBEE_GRAMMAR_CHARS_H
#define RBEE_GRAMMAR_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/utf8.h"

#define UTF8_MAX_CHAR 0x10FFFFu

/* A surrogate is no character, and nothing is past U+10FFFF. */
bool utf8_is_char(uint32_t c);

/* How many bytes (1 to 4) of the character that begins at s; 0 when what stands there is none. */
size_t utf8_decode(const char *s, size_t n, uint32_t *out);

/* How many bytes of `out` were written; c must be a character. */
size_t utf8_encode(uint32_t c, char out[UTF8_MAX_BYTES]);

/*
 * The character that is `lo` or follows it, up to `hi`, as far as one run of equally long encodings
 * without surrogates goes: *from and *to. Returns false when there is none left.
 */
bool utf8_run(uint32_t lo, uint32_t hi, uint32_t *from, uint32_t *to);

#endif
