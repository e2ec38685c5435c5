/*
 * regex.h - regular expressions of schemas (ECMA-262 as JSON Schema recommends it) as rules over
 * the characters of a JSON string.
 *
 * Supported: characters, . [...] [^...] with ranges, \d \w \s and their opposites, \t \n \r \f \v
 * \xHH \uHHHH \u{...} and escaped signs, ( ) (?: ) (?<name> ), |, * + ? {m} {m,} {m,n} each with a
 * lazy '?' behind it (which changes no set of texts), ^ at the beginning and $ at the end of a
 * whole alternative. Without them, text may stand before and behind. Not supported, and named:
 * look-around, \b, \B, back references, \p{...}, anchors elsewhere. Control characters come as \b
 * \f \n \r \t only.
 */
#ifndef RBEE_GRAMMAR_REGEX_H
#define RBEE_GRAMMAR_REGEX_H

#include "grammar/schema_internal.h"

/*
 * The node of what stands between the quotes, with min to max characters (max may be RULES_NO_MAX):
 * where the pattern's own lengths are not within them and cannot be made so, it is refused. `where`
 * and `key` tell the place of an error. 0: noted.
 */
uint32_t regex_read(struct schema *s, const json_t *where, const char *key, const char *pattern,
                    uint32_t min, uint32_t max);

#endif
