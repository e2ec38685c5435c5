/*
 * json_scan.h - JSON read where it lies, without making values of it.
 *
 * For answers that are large and are only looked at and handed on: a value of jansson's takes 48
 * bytes and more, and a microsecond. A scan stands before what is left of a text; what does not
 * begin there as it should leaves it anywhere. Source: RFC 8259. No state of its own; any thread.
 */
#ifndef RBEE_API_JSON_SCAN_H
#define RBEE_API_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_SCAN_DEPTH 64 /* objects and arrays in each other, at most */

struct json_scan {
    const char *at, *end; /* at `end` there has to be a NUL */
};

/* The next character; '\0' at the end. */
char json_scan_next(const struct json_scan *s);
void json_scan_blanks(struct json_scan *s);
/* Blanks, then this character. */
bool json_scan_take(struct json_scan *s, char c);

/* Blanks, then a number that is no larger than `most`, whatever its sign. */
bool json_scan_number(struct json_scan *s, double most);
/* Blanks, then a text: escapes as they should be, no half of a pair. UTF-8 is not looked at. */
bool json_scan_text(struct json_scan *s);
/* Blanks, then any value, whose numbers fit a double. Names may come twice. */
bool json_scan_value(struct json_scan *s);

/* Is this one object, in UTF-8, with nothing behind it? text[n] has to be a NUL. */
bool json_scan_is_object(const char *text, size_t n);

#endif
