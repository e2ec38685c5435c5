/* json_scan.c - see json_scan.h. */
#include "api/json_scan.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define PLAIN_DIGITS 38 /* a whole number of so many is within a float */

char json_scan_next(const struct json_scan *s)
{
    return s->at < s->end ? *s->at : '\0';
}

void json_scan_blanks(struct json_scan *s)
{
    char c = json_scan_next(s);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        s->at++;
        c = json_scan_next(s);
    }
}

/* This character, right here. */
static bool have(struct json_scan *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

bool json_scan_take(struct json_scan *s, char c)
{
    json_scan_blanks(s);
    return have(s, c);
}

/* ---- numbers ---- */

static size_t digits(struct json_scan *s)
{
    const char *from = s->at;

    while (json_scan_next(s) >= '0' && json_scan_next(s) <= '9')
        s->at++;
    return (size_t)(s->at - from);
}

/* The exponent, if there is one; *grows: it may make the number larger. */
static bool exponent(struct json_scan *s, bool *grows)
{
    *grows = false;
    if (!have(s, 'e') && !have(s, 'E'))
        return true;
    *grows = !have(s, '-');
    if (*grows)
        have(s, '+');
    return digits(s) > 0;
}

/* Only what could be beyond `most` is computed. */
bool json_scan_number(struct json_scan *s, double most)
{
    const char *from;
    size_t n_whole;
    bool grows;

    json_scan_blanks(s);
    from = s->at;
    have(s, '-');
    n_whole = have(s, '0') ? 1 : digits(s);
    if (n_whole == 0 || (have(s, '.') && digits(s) == 0) || !exponent(s, &grows))
        return false;
    return (!grows && n_whole <= PLAIN_DIGITS) || fabs(strtod(from, NULL)) <= most;
}

/* ---- texts ---- */

/* Four digits behind "\u"; -1: there are not. */
static int32_t unit(struct json_scan *s)
{
    int32_t v = 0;

    for (int i = 0; i < 4; i++, s->at++) {
        int digit = str_hex_digit(json_scan_next(s));

        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

/* Behind a backslash. */
static bool escape(struct json_scan *s)
{
    char c = json_scan_next(s);
    int32_t first, second;

    if (c && strchr("\"\\/bfnrt", c))
        return s->at++, true;
    if (!have(s, 'u'))
        return false;
    first = unit(s);
    if (first < 0xd800 || first > 0xdfff)
        return first >= 0;
    second = have(s, '\\') && have(s, 'u') ? unit(s) : -1;
    return first < 0xdc00 && second >= 0xdc00 && second <= 0xdfff;
}

bool json_scan_text(struct json_scan *s)
{
    if (!json_scan_take(s, '"'))
        return false;
    while (s->at < s->end) {
        unsigned char c = (unsigned char)*s->at++;

        if (c == '"')
            return true;
        if (c < 0x20 || (c == '\\' && !escape(s)))
            return false;
    }
    return false;
}

/* ---- values ---- */

static bool value(struct json_scan *s, unsigned depth);

static bool member(struct json_scan *s, unsigned depth)
{
    return json_scan_text(s) && json_scan_take(s, ':') && value(s, depth);
}

/* Behind the bracket: what is in it, and the closing one. */
static bool inside(struct json_scan *s, char closing, unsigned depth,
                   bool (*one)(struct json_scan *s, unsigned depth))
{
    if (depth == 0)
        return false;
    if (json_scan_take(s, closing))
        return true;
    do
        if (!one(s, depth - 1))
            return false;
    while (json_scan_take(s, ','));
    return json_scan_take(s, closing);
}

static bool word(struct json_scan *s)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i]);

        if ((size_t)(s->end - s->at) >= n && memcmp(s->at, words[i], n) == 0)
            return s->at += n, true;
    }
    return false;
}

static bool value(struct json_scan *s, unsigned depth)
{
    if (json_scan_take(s, '{'))
        return inside(s, '}', depth, member);
    if (have(s, '['))
        return inside(s, ']', depth, value);
    if (json_scan_next(s) == '"')
        return json_scan_text(s);
    return word(s) || json_scan_number(s, DBL_MAX);
}

bool json_scan_value(struct json_scan *s)
{
    return value(s, JSON_SCAN_DEPTH);
}

bool json_scan_is_object(const char *text, size_t n)
{
    struct json_scan s = {text, text + n};

    json_scan_blanks(&s);
    if (json_scan_next(&s) != '{' || !str_is_utf8(text, n) || !json_scan_value(&s))
        return false;
    json_scan_blanks(&s);
    return s.at == s.end;
}
