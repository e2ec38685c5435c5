/* schema_number.c - numbers between bounds, digit by digit. See schema.h. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "grammar/schema_internal.h"

#define MAX_DIGITS  18 /* of a number without a bound */
#define MOST        999999999999999999
#define TEXT_BYTES  24
#define WIDEST_REAL 1e18
#define EXACT       9007199254740992u /* 2^53: so far all whole numbers are different as doubles */

/* A bound: digits before and behind the point, without zeros at the end. */
struct bound {
    bool given, without; /* without: the bound itself is not allowed */
    bool negative;
    uint64_t whole;
    char fraction[TEXT_BYTES];
};

static uint32_t class_of(struct schema *s, char lo, char hi)
{
    struct rules_range range = {(unsigned char)lo, (unsigned char)hi};

    return rules_class(s->r, &range, 1, false);
}

static uint32_t digits(struct schema *s, uint32_t min, uint32_t max)
{
    return rules_repeat(s->r, class_of(s, '0', '9'), min, max);
}

static bool all_are(const char *text, size_t n, char c)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != c)
            return false;
    }
    return true;
}

/* Digits from lo to hi, n of each. */
static uint32_t between(struct schema *s, const char *lo, const char *hi, size_t n)
{
    static const char zeros[] = "0000000000000000000000", nines[] = "9999999999999999999999";
    uint32_t alt, rest = (uint32_t)n - 1;

    if (!n)
        return rules_empty(s->r);
    if (lo[0] == hi[0])
        return schema_seq(s, rules_text(s->r, lo, 1), between(s, lo + 1, hi + 1, n - 1), 0);
    if (all_are(lo + 1, n - 1, '0') && all_are(hi + 1, n - 1, '9'))
        return schema_seq(s, class_of(s, lo[0], hi[0]), digits(s, rest, rest), 0);
    alt = rules_alt(s->r);
    rules_add(s->r, alt,
              schema_seq(s, rules_text(s->r, lo, 1), between(s, lo + 1, nines, n - 1), 0));
    if (hi[0] - lo[0] > 1)
        rules_add(s->r, alt,
                  schema_seq(s, class_of(s, (char)(lo[0] + 1), (char)(hi[0] - 1)),
                             digits(s, rest, rest), 0));
    rules_add(s->r, alt,
              schema_seq(s, rules_text(s->r, hi, 1), between(s, zeros, hi + 1, n - 1), 0));
    return alt;
}

/* Whole numbers from a to b as JSON writes them. */
static uint32_t wholes(struct schema *s, uint64_t a, uint64_t b)
{
    char lo[TEXT_BYTES], hi[TEXT_BYTES];
    uint32_t alt = rules_alt(s->r);

    while (a <= b) {
        size_t n = (size_t)snprintf(lo, sizeof lo, "%llu", (unsigned long long)a);

        snprintf(hi, sizeof hi, "%llu", (unsigned long long)b);
        if (strlen(hi) > n)
            memset(hi, '9', n);
        hi[n] = '\0';
        rules_add(s->r, alt, between(s, lo, hi, n));
        if (strtoull(hi, NULL, 10) >= b)
            break;
        a = strtoull(hi, NULL, 10) + 1;
    }
    return alt;
}

static uint64_t magnitude(int64_t x)
{
    return x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
}

static uint32_t integers(struct schema *s, int64_t lo, int64_t hi)
{
    uint32_t alt = rules_alt(s->r);

    if (lo > hi)
        return alt;
    if (lo < 0)
        rules_add(s->r, alt,
                  schema_seq(s, rules_texts(s->r, "-"),
                             wholes(s, hi < 0 ? magnitude(hi) : 1, magnitude(lo)), 0));
    if (hi >= 0)
        rules_add(s->r, alt, wholes(s, lo > 0 ? (uint64_t)lo : 0, (uint64_t)hi));
    return alt;
}

/* The integer that a bound means, from above (up) or below; false when it is past all of them. */
static bool integer_bound(const json_t *value, bool without, bool up, int64_t *out)
{
    double x = json_number_value(value), rounded = up ? ceil(x) : floor(x);
    int64_t n = json_is_integer(value) ? json_integer_value(value) : 0;

    if (!json_is_integer(value)) {
        if (rounded >= 9223372036854775808.0 || rounded < -9223372036854775808.0)
            return (rounded < 0) == up; /* no bound; or nothing is left */
        n = (int64_t)rounded;
        without = without && rounded == x;
    }
    if (without && n == (up ? INT64_MAX : INT64_MIN))
        return false;
    *out = n + (without ? (up ? 1 : -1) : 0);
    return true;
}

/* Tightens lo (up) or hi by all parts' values of a keyword. *given: there was one. */
static bool tighten(const struct parts *p, const char *key, bool without, bool up, int64_t *bound,
                    bool *given)
{
    const json_t *value;

    for (uint32_t i = 0; (value = parts_next(p, key, &i)) != NULL;) {
        int64_t n = up ? INT64_MIN : INT64_MAX;

        if (!integer_bound(value, without, up, &n))
            return false;
        if (!*given || (up ? n > *bound : n < *bound))
            *bound = n;
        *given = true;
    }
    return true;
}

static uint32_t bounded_integer(struct schema *s, const struct parts *p)
{
    int64_t lo = 0, hi = 0;
    bool has_lo = false, has_hi = false;

    if (!tighten(p, "minimum", false, true, &lo, &has_lo) ||
        !tighten(p, "exclusiveMinimum", true, true, &lo, &has_lo) ||
        !tighten(p, "maximum", false, false, &hi, &has_hi) ||
        !tighten(p, "exclusiveMaximum", true, false, &hi, &has_hi))
        return rules_alt(s->r);
    if (!has_lo)
        lo = hi < -MOST ? INT64_MIN : -MOST;
    if (!has_hi)
        hi = lo > MOST ? INT64_MAX : MOST;
    return integers(s, lo, hi);
}

/* ---- numbers with fractions ---- */

/* The shortest decimal digits of a number, point and exponent applied. False: too long. */
static bool set_bound(struct bound *b, const json_t *value)
{
    char text[TEXT_BYTES * 16], *point;
    double x = json_number_value(value), back;
    int n = 0;

    b->negative = x < 0;
    if (json_is_integer(value)) {
        b->whole = magnitude(json_integer_value(value));
        b->fraction[0] = '\0';
        return b->whole <= MOST;
    }
    if (!(fabs(x) < WIDEST_REAL))
        return false;
    do
        snprintf(text, sizeof text, "%.*f", n, fabs(x));
    while ((str_to_f64(text, &back) || back != fabs(x)) && ++n <= SCHEMA_MAX_FRACTION);
    if (n > SCHEMA_MAX_FRACTION)
        return false;
    point = strchr(text, '.');
    b->whole = strtoull(text, NULL, 10);
    str_copy(b->fraction, sizeof b->fraction, point ? point + 1 : "");
    for (size_t len = strlen(b->fraction); len && b->fraction[len - 1] == '0'; len--)
        b->fraction[len - 1] = '\0';
    return true;
}

/* Takes the tighter of all parts' bounds; `up`: of the lower ones. */
static bool find_bound(struct schema *s, const struct parts *p, const char *key, bool without,
                       bool up, double *tightest, struct bound *b)
{
    const json_t *value;

    for (uint32_t i = 0; (value = parts_next(p, key, &i)) != NULL;) {
        double x = json_number_value(value);

        if (b->given && (up ? x < *tightest : x > *tightest))
            continue;
        b->without = without || (b->given && x == *tightest && b->without);
        b->given = true;
        *tightest = x;
        if (set_bound(b, value) && !(b->without && b->whole >= EXACT))
            continue;
        if (b->whole >= EXACT && b->without) {
            schema_fail(s, ERR_UNSUPPORTED, p->items[i - 1].schema, key,
                        "'%s' from 2^53 on is not supported: numbers beside it are it, as doubles; "
                        "use '%s'",
                        key, up ? "minimum" : "maximum");
            return false;
        }
        schema_fail(
            s, ERR_UNSUPPORTED, p->items[i - 1].schema, key,
            "a bound of a number with more than %d digits before or %d behind the point is not "
            "supported",
            MAX_DIGITS, SCHEMA_MAX_FRACTION);
        return false;
    }
    return true;
}

/* The digits behind a point that are still to come, between others; NULL: no bound there. */
struct span {
    const char *lo, *hi;
    bool not_lo, not_hi; /* the bounds themselves are not allowed */
    uint32_t left;       /* digits that may come */
};

static uint32_t some_digits(struct schema *s, struct span f);

/* No more digits: is zero between the bounds? */
static bool may_stop(struct span f)
{
    return (!f.lo || (!f.lo[0] && !f.not_lo)) && (!f.hi || f.hi[0] || !f.not_hi);
}

static uint32_t more_digits(struct schema *s, struct span f)
{
    if (!f.left || (f.hi && !f.hi[0] && f.not_hi))
        return may_stop(f) ? rules_empty(s->r) : rules_alt(s->r);
    return may_stop(f) ? rules_repeat(s->r, some_digits(s, f), 0, 1) : some_digits(s, f);
}

static char first_of(const char *digits_)
{
    return digits_[0] ? digits_[0] : '0';
}

static const char *rest_of(const char *digits_)
{
    return digits_[0] ? digits_ + 1 : digits_;
}

/* At least one digit. */
static uint32_t some_digits(struct schema *s, struct span f)
{
    char lo = f.lo ? first_of(f.lo) : '0', hi = f.hi ? first_of(f.hi) : '9';
    uint32_t alt = rules_alt(s->r);
    char from = f.lo ? (char)(lo + 1) : lo, to = f.hi ? (char)(hi - 1) : hi;
    struct span rest = {.left = f.left - 1};

    if (from <= to)
        rules_add(s->r, alt, schema_seq(s, class_of(s, from, to), digits(s, 0, rest.left), 0));
    for (char c = lo; c <= hi; c++) {
        bool on_lo = f.lo && c == lo, on_hi = f.hi && c == hi;

        if (!on_lo && !on_hi)
            continue;
        rest = (struct span){on_lo ? rest_of(f.lo) : NULL, on_hi ? rest_of(f.hi) : NULL, f.not_lo,
                             f.not_hi, f.left - 1};
        if (rest.lo && !rest.lo[0] && !rest.not_lo)
            rest.lo = NULL;
        rules_add(s->r, alt, schema_seq(s, rules_text(s->r, &c, 1), more_digits(s, rest), 0));
    }
    return alt;
}

/*
 * How many digits may stand behind so large a whole number for that the number is not, as a double,
 * the bound next to it that is not allowed: with DBL_DIG in all each is another one. 99 and sixteen
 * nines are 100 for who reads them.
 */
static uint32_t exact_digits(uint64_t whole)
{
    uint32_t n = SCHEMA_MAX_FRACTION < DBL_DIG ? SCHEMA_MAX_FRACTION : DBL_DIG;

    for (; whole && n; whole /= 10)
        n--;
    return n;
}

/* A point and up to `left` digits, or nothing where that is zero and allowed. */
static uint32_t fraction(struct schema *s, const struct bound *lo, const struct bound *hi,
                         uint32_t left)
{
    struct span f = {lo ? lo->fraction : NULL, hi ? hi->fraction : NULL, lo && lo->without,
                     hi && hi->without, left};
    uint32_t node;

    if (!left)
        return may_stop(f) ? rules_empty(s->r) : rules_alt(s->r);
    if (f.lo && !f.lo[0] && !f.not_lo)
        f.lo = NULL;
    if (f.hi && !f.hi[0] && f.not_hi)
        return rules_alt(s->r);
    node = schema_seq(s, rules_texts(s->r, "."), some_digits(s, f), 0);
    return may_stop(f) ? rules_repeat(s->r, node, 0, 1) : node;
}

/* The whole numbers from a to b, with fractions between the bounds. `beside`: next to a bound that
 * is not allowed. */
static uint32_t whole_with(struct schema *s, uint64_t a, uint64_t b, const struct bound *lo,
                           const struct bound *hi, bool beside)
{
    uint32_t left = beside || (lo && lo->without) || (hi && hi->without) ? exact_digits(b)
                                                                         : SCHEMA_MAX_FRACTION;

    return schema_seq(s, wholes(s, a, b), fraction(s, lo, hi, left), 0);
}

/* Numbers without a sign between two bounds, of which the signs do not count. */
static uint32_t unsigned_between(struct schema *s, const struct bound *lo, const struct bound *hi)
{
    uint32_t alt = rules_alt(s->r);
    /* Is the last whole number below the upper bound next to it? */
    bool beside = hi->without && !hi->fraction[0] && hi->whole;
    uint64_t last = hi->whole - (hi->whole > 0);

    if (lo->whole > hi->whole)
        return alt;
    if (lo->whole == hi->whole) {
        int order = strcmp(lo->fraction, hi->fraction); /* without zeros at the end: as numbers */

        if (order < 0 || (!order && !lo->without && !hi->without))
            rules_add(s->r, alt, whole_with(s, lo->whole, lo->whole, lo, hi, false));
        return alt;
    }
    rules_add(s->r, alt,
              whole_with(s, lo->whole, lo->whole, lo, NULL, beside && lo->whole == last));
    if (last > lo->whole + beside)
        rules_add(s->r, alt, whole_with(s, lo->whole + 1, last - beside, NULL, NULL, false));
    if (beside && last > lo->whole)
        rules_add(s->r, alt, whole_with(s, last, last, NULL, NULL, true));
    rules_add(s->r, alt, whole_with(s, hi->whole, hi->whole, NULL, hi, false));
    return alt;
}

static uint32_t numbers_between(struct schema *s, const struct bound *lo, const struct bound *hi)
{
    struct bound zero = {.given = true}, most = {.given = true, .whole = MOST};
    uint32_t alt = rules_alt(s->r);

    memset(most.fraction, '9', SCHEMA_MAX_FRACTION);
    if (!lo->given || lo->negative) {
        struct bound least = hi->given && hi->negative ? *hi : zero;

        if (hi->given && !hi->negative && !hi->whole && !hi->fraction[0])
            least.without = hi->without; /* below zero, and not -0 */
        rules_add(s->r, alt,
                  schema_seq(s, rules_texts(s->r, "-"),
                             unsigned_between(s, &least, lo->given ? lo : &most), 0));
    }
    if (!hi->given || !hi->negative)
        rules_add(
            s->r, alt,
            unsigned_between(s, lo->given && !lo->negative ? lo : &zero, hi->given ? hi : &most));
    return alt;
}

static uint32_t bounded_number(struct schema *s, const struct parts *p)
{
    struct bound lo = {0}, hi = {0};
    double least = 0, most = 0;

    if (!find_bound(s, p, "minimum", false, true, &least, &lo) ||
        !find_bound(s, p, "exclusiveMinimum", true, true, &least, &lo) ||
        !find_bound(s, p, "maximum", false, false, &most, &hi) ||
        !find_bound(s, p, "exclusiveMaximum", true, false, &most, &hi))
        return 0;
    return numbers_between(s, &lo, &hi);
}

uint32_t schema_number(struct schema *s, const struct parts *p, bool integer)
{
    static const char *const keys[] = {"minimum", "maximum", "exclusiveMinimum",
                                       "exclusiveMaximum"};

    for (size_t k = 0; k < 4; k++) {
        uint32_t i = 0;

        if (parts_next(p, keys[k], &i))
            return integer ? bounded_integer(s, p) : bounded_number(s, p);
    }
    return schema_shared(s, integer ? SHARED_INTEGER : SHARED_NUMBER);
}
