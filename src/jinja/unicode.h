/*
 * unicode.h - characters (code points) of well-formed UTF-8, as Python's str sees them.
 *
 * All texts of a render are well-formed: templates are checked, JSON is, and nothing here makes
 * others. Case is mapped for the Latin, Greek, Cyrillic and Armenian letters; other characters
 * stay as they are. Sources: RFC 3629; Unicode 15 (UnicodeData.txt). Any thread.
 */
#ifndef RBEE_JINJA_UNICODE_H
#define RBEE_JINJA_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNICODE_MAX_BYTES 4
#define UNICODE_MAX       0x10ffff

/* The character at s, and its length in bytes. */
uint32_t unicode_at(const char *s, size_t *n_bytes);
/* Writes a code point (no surrogate, at most UNICODE_MAX); returns its bytes. */
size_t unicode_put(uint32_t code, char dst[UNICODE_MAX_BYTES]);
bool unicode_valid(uint32_t code);

size_t unicode_count(const char *s, size_t n_bytes);
/* The byte at which character `index` begins; n_bytes when there are not so many. */
size_t unicode_offset(const char *s, size_t n_bytes, size_t index);

bool unicode_space(uint32_t code); /* what str.isspace, strip and split take */
bool unicode_printable(uint32_t code);
bool unicode_alpha(uint32_t code); /* ASCII and everything beyond U+00A0 that is no blank or sign */
bool unicode_digit(uint32_t code); /* ASCII */
bool unicode_is_upper(uint32_t code);
bool unicode_is_lower(uint32_t code);
uint32_t unicode_lower(uint32_t code);
uint32_t unicode_upper(uint32_t code); /* U+00DF stays; its upper case is two letters */

/* Bytes of white space that s begins with, and that it ends with. */
size_t unicode_leading_space(const char *s, size_t n_bytes);
size_t unicode_trailing_space(const char *s, size_t n_bytes);

#endif
