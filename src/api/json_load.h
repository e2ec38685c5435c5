/*
 * json_load.h - JSON from outside, within a bound of memory.
 *
 * A value costs many times its text: "{}," has three bytes and takes a quarter of a kilobyte, so
 * the 16 MiB that a request may have would be over a gigabyte. What a text will take is told
 * before the first value is made.
 */
#ifndef RBEE_API_JSON_LOAD_H
#define RBEE_API_JSON_LOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/json_guard.h"

#define JSON_TREE_MAX ((uint64_t)32 << 20) /* bytes of the values, beside their texts */

/* What the values of a text take, by the marks between them: as jansson lays them out on 64 bits.
 * Of what is no JSON, some number. */
uint64_t json_tree_bytes(const char *text, size_t n);

/*
 * json_guard_load, but NULL for what holds a NUL byte, and for what would take over JSON_TREE_MAX:
 * `why` then says so, with both numbers, and json_is_too_many(why) holds. An integer beyond 64
 * bits, for which jansson has no place, is a real; it alone. `why` may be NULL.
 */
json_t *json_load_bounded(const char *text, size_t n, size_t flags, json_error_t *why);
bool json_is_too_many(const json_error_t *why);
/* Why a text is no JSON, in our own words: "it ends too early". */
const char *json_fault_text(const json_error_t *why);

#endif
