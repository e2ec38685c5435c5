/*
 * str.h - small, strict text helpers. Every parser takes the whole string or refuses it: no leading
 * blanks, no trailing bytes, no overflow, no locale.
 */
#ifndef RBEE_BASE_STR_H
#define RBEE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_starts_nocase(const char *s, const char *prefix);

/* A copy of n bytes (or of the whole string) with a NUL; free(); NULL when out of memory. */
char *str_dup(const char *s);
char *str_ndup(const char *s, size_t n);

/* printf into fresh memory; free(); NULL when out of memory. */
char *str_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Copies into a fixed array, always NUL-terminated. Returns false when it had to cut. */
bool str_copy(char *dst, size_t dst_size, const char *src);

/* Each returns 0, or -1 leaving *out alone. */
int str_to_i64(const char *s, int64_t *out);
int str_to_u64(const char *s, uint64_t *out);
int str_to_f64(const char *s, double *out); /* finite decimal numbers only */
int str_to_bool(const char *s, bool *out);  /* true false yes no on off 1 0 */
int str_hex_digit(char c);                  /* 0 to 15; -1: it is none */

/* The longest duration, so that a few together, or some times one, are within 64 bits. */
#define STR_DURATION_MAX_MS   (INT64_C(1000000) * 3600000)
#define STR_DURATION_MAX_TEXT "1000000h"

/* "90", "90s", "5m", "2h", "250ms" (a bare number is seconds), "-1" = never -> *out_ms = -1. */
int str_to_duration_ms(const char *s, int64_t *out_ms);

/* As Go writes them: "1h30m", "10m0s", "1.5h", "300us"; "-1m", and all below zero = -1. Rounded,
 * but not to zero. */
int str_to_go_duration_ms(const char *s, int64_t *out_ms);

/* "512", "4k", "64m", "8g" with an optional "b" or "ib" behind; powers of 1024. */
int str_to_bytes(const char *s, uint64_t *out);

/* "3.1 MB" style, decimal units, for people; dst_size >= 16. Returns dst. */
char *str_human_bytes(uint64_t n_bytes, char *dst, size_t dst_size);

/* True when the n bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool str_is_utf8(const char *s, size_t n);

/*
 * How many of the n bytes can be given out now: everything but a UTF-8 sequence begun at the very
 * end and not yet whole. Bytes that can never become UTF-8 count as given out.
 */
size_t str_utf8_whole(const char *s, size_t n);

#endif
