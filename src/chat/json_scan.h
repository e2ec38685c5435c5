/*
 * json_scan.h - one JSON text, a byte at a time: is it still one, and is it complete? Keeps no
 * text.
 *
 * Source: RFC 8259. Bytes of 0x80 and above are taken in strings as they are: that they are UTF-8
 * is the business of who gives them. One thread owns a scan; a zeroed one expects a value.
 */
#ifndef RBEE_CHAT_JSON_SCAN_H
#define RBEE_CHAT_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_SCAN_DEPTH 256 /* objects and arrays in each other */

enum json_scan_state {
    SCAN_VALUE,      /* a value must come */
    SCAN_FIRST_ITEM, /* a value or ] */
    SCAN_FIRST_KEY,  /* a key or } */
    SCAN_KEY,        /* a key must come */
    SCAN_COLON,      /* : must come */
    SCAN_AFTER,      /* a comma or the end of the container */
    SCAN_STRING,     /* in a string; is_key tells which kind */
    SCAN_ESCAPE,     /* behind a backslash */
    SCAN_HEX,        /* n_left digits of \uXXXX */
    SCAN_WORD,       /* in true, false or null; `word` is what must come */
    SCAN_MINUS,      /* a digit must come */
    SCAN_ZERO,       /* behind a leading 0 */
    SCAN_INT,        /* in digits */
    SCAN_POINT,      /* behind the point: a digit must come */
    SCAN_FRACTION,   /* in the digits behind it */
    SCAN_EXP,        /* behind e: a sign or a digit must come */
    SCAN_EXP_SIGN,   /* a digit must come */
    SCAN_EXP_DIGITS, /* in its digits */
    SCAN_COMPLETE    /* nothing but white space may come */
};

struct json_scan {
    enum json_scan_state state;
    bool lax; /* strings may hold control characters, as models write them */
    bool is_key;
    uint8_t n_left;
    const char *word;
    uint16_t depth; /* containers open */
    uint8_t is_object[JSON_SCAN_DEPTH / 8];
};

/* Takes one byte: false when no JSON text goes on so (the scan is then of no use any more). */
bool json_scan_put(struct json_scan *s, char c);

#define JSON_SCAN_ESCAPED_MAX 6

/* What stands in JSON for a byte that comes in this state: itself, or the escape of a control
 * character within a string. How many bytes. */
size_t json_scan_spell(enum json_scan_state at, char c, char out[JSON_SCAN_ESCAPED_MAX]);

/* A whole object, array or string was read (a number's end shows only behind it). */
static inline bool json_scan_is_complete(const struct json_scan *s)
{
    return s->state == SCAN_COMPLETE;
}

#endif
