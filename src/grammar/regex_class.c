/* regex_class.c - one character of a regular expression, as JSON writes it in a string. See
 * regex.h. */
#include <stdlib.h>
#include <string.h>

#include "grammar/regex_internal.h"
#include "grammar/chars.h"
#include "grammar/vec.h"

#define AS_JSON_STEPS 8 /* to look through a range for each character that is escaped */

static bool add(struct regex *x, uint32_t lo, uint32_t hi)
{
    if (vec_room(&x->ranges, &x->cap_ranges, x->n_ranges + 1, sizeof *x->ranges))
        return regex_fail(x, ERR_NO_MEMORY, "there is no memory for a class");
    x->ranges[x->n_ranges++] = (struct rules_range){lo, hi};
    return true;
}

static bool add_all(struct regex *x, const struct rules_range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!add(x, ranges[i].lo, ranges[i].hi))
            return false;
    }
    return true;
}

/* What stands between rising ranges. */
static bool add_others(struct regex *x, const struct rules_range *ranges, size_t n)
{
    uint32_t lo = 0;

    for (size_t i = 0; i < n; i++) {
        if (ranges[i].lo > lo && !add(x, lo, ranges[i].lo - 1))
            return false;
        lo = ranges[i].hi + 1;
    }
    return lo > UTF8_MAX_CHAR || add(x, lo, UTF8_MAX_CHAR);
}

/* \d \w \s and \D \W \S; false when the letter is none of them. Rising ranges, ECMA-262
 * section 22.2.2.9. */
static bool add_named(struct regex *x, char letter, bool *good)
{
    static const struct rules_range digit[] = {{'0', '9'}};
    static const struct rules_range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const struct rules_range space[] = {
        {'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    static const struct {
        char letter;
        const struct rules_range *ranges;
        size_t n;
    } named[] = {{'d', digit, 1}, {'w', word, 4}, {'s', space, 10}};

    for (size_t i = 0; i < 3; i++) {
        if (letter != named[i].letter && letter != (named[i].letter ^ 0x20))
            continue;
        *good = letter == named[i].letter ? add_all(x, named[i].ranges, named[i].n)
                                          : add_others(x, named[i].ranges, named[i].n);
        return true;
    }
    return false;
}

static bool read_hex(struct regex *x, size_t min, size_t max, uint32_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t c = 0;
    size_t n = 0;

    for (; n < max && *x->at; n++, x->at++) {
        const char *digit = strchr(digits, *x->at | 0x20);

        if (!digit || ((*x->at | 0x20) != *x->at && *x->at < 'A'))
            break;
        c = c << 4 | (uint32_t)(digit - digits);
    }
    if (n < min || !utf8_is_char(c))
        return regex_fail(x, ERR_INVALID, "an escape is no character");
    *out = c;
    return true;
}

static bool read_unicode(struct regex *x, uint32_t *out)
{
    if (*x->at != '{')
        return read_hex(x, 4, 4, out);
    x->at++;
    if (!read_hex(x, 1, 6, out))
        return false;
    if (*x->at != '}')
        return regex_fail(x, ERR_INVALID, "an escape has no '}'");
    x->at++;
    return true;
}

/* Behind a backslash and its letter: one character. */
static bool read_escaped(struct regex *x, char letter, uint32_t *out)
{
    static const char letters[] = "tnrfv", chars[] = "\t\n\r\f\v";
    const char *at = letter ? strchr(letters, letter) : NULL;

    if (letter == 'x')
        return read_hex(x, 2, 2, out);
    if (letter == 'u')
        return read_unicode(x, out);
    if (at)
        return *out = (uint32_t)chars[at - letters], true;
    if (letter <= ' ' || letter >= 0x7F || (letter >= '0' && letter <= '9') ||
        ((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z'))
        return regex_fail(x, letter ? ERR_UNSUPPORTED : ERR_INVALID, "'\\%c' is not supported",
                          letter > ' ' && letter < 0x7F ? letter : '?');
    return *out = (uint32_t)letter, true;
}

/* A character, or a whole class by \d and the like (*single is false then). */
static bool read_atom(struct regex *x, uint32_t *c, bool *single)
{
    bool good = true;
    size_t n;

    *single = true;
    if (*x->at == '\\') {
        char letter = x->at[1];

        x->at += letter ? 2 : 1;
        if (add_named(x, letter, &good)) {
            *single = false;
            return good;
        }
        return read_escaped(x, letter, c);
    }
    n = utf8_decode(x->at, strnlen(x->at, UTF8_MAX_BYTES), c);
    x->at += n;
    return n || regex_fail(x, ERR_INVALID, "a class has no ']'");
}

/* A character, a class, or a range of characters inside [...]. */
static bool read_range(struct regex *x)
{
    uint32_t lo, hi;
    bool single;

    if (!read_atom(x, &lo, &single))
        return false;
    if (!single && x->at[0] == '-' && x->at[1] != ']')
        return regex_fail(x, ERR_UNSUPPORTED,
                          "a '-' between a class such as \\d and another is "
                          "not supported; write \\- or put it last");
    if (!single)
        return true;
    if (x->at[0] != '-' || x->at[1] == ']' || !x->at[1])
        return add(x, lo, lo);
    x->at++;
    if (!read_atom(x, &hi, &single))
        return false;
    if (!single || hi < lo)
        return regex_fail(x, ERR_INVALID, "a range of characters in a class is none");
    return add(x, lo, hi);
}

static int by_lo(const void *a, const void *b)
{
    const struct rules_range *p = a, *q = b;

    return p->lo < q->lo ? -1 : p->lo > q->lo;
}

static bool has(const struct regex *x, uint32_t c)
{
    for (uint32_t i = 0; i < x->n_ranges; i++) {
        if (c >= x->ranges[i].lo && c <= x->ranges[i].hi)
            return true;
    }
    return false;
}

/* Turns the ranges into their opposite. */
static bool negate(struct regex *x)
{
    uint32_t n = x->n_ranges, lo = 0;

    if (n > 1) /* there may be no array at all */
        qsort(x->ranges, n, sizeof *x->ranges, by_lo);
    for (uint32_t i = 0; i < n; i++) {
        struct rules_range range = x->ranges[i];

        if (range.lo > lo && !add(x, lo, range.lo - 1))
            return false;
        lo = range.hi + 1 > lo ? range.hi + 1 : lo;
    }
    if (lo <= UTF8_MAX_CHAR && !add(x, lo, UTF8_MAX_CHAR))
        return false;
    x->n_ranges -= n;
    memmove(x->ranges, x->ranges + n, x->n_ranges * sizeof *x->ranges);
    return true;
}

/* Cuts out a character. */
static bool without(struct regex *x, uint32_t c)
{
    for (uint32_t i = 0; i < x->n_ranges; i++) {
        struct rules_range range = x->ranges[i];

        if (c < range.lo || c > range.hi)
            continue;
        x->ranges[i--] = x->ranges[--x->n_ranges];
        if ((range.lo < c && !add(x, range.lo, c - 1)) ||
            (range.hi > c && !add(x, c + 1, range.hi)))
            return false;
    }
    return true;
}

/* The characters as JSON writes them: as they are, or with their escapes. */
static uint32_t as_json(struct regex *x)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    struct rules *r = x->s->r;
    uint32_t alt = rules_alt(r);

    if (!rules_work(r, AS_JSON_STEPS * (uint64_t)x->n_ranges))
        return 0;
    for (size_t i = 0; escaped[i]; i++) {
        const char text[2] = {'\\', letters[i]};

        if (has(x, (unsigned char)escaped[i]))
            rules_add(r, alt, rules_text(r, text, 2));
    }
    for (uint32_t c = 0; c < 0x20; c++) {
        if (!without(x, c))
            return 0;
    }
    if (!without(x, '"') || !without(x, '\\'))
        return 0;
    if (x->n_ranges)
        rules_add(r, alt, rules_class(r, x->ranges, x->n_ranges, false));
    return alt;
}

static bool read_class(struct regex *x)
{
    bool negated = x->at[1] == '^';

    x->at += negated ? 2 : 1;
    while (*x->at != ']') {
        if (!read_range(x))
            return false;
    }
    x->at++;
    return !negated || negate(x);
}

uint32_t regex_one(struct regex *x)
{
    static const struct rules_range line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
    uint32_t c;
    bool single, good;

    x->n_ranges = 0;
    if (*x->at == '.') {
        x->at++;
        good = add_others(x, line_ends, 3);
    } else if (*x->at == '[') {
        good = read_class(x);
    } else {
        good = read_atom(x, &c, &single) && (!single || add(x, c, c));
    }
    return good ? as_json(x) : 0;
}
