/* str.c - see str.h. No state. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool str_eq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_starts_nocase(const char *s, const char *prefix)
{
    return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && strcmp(s + n - m, suffix) == 0;
}

char *str_ndup(const char *s, size_t n)
{
    char *copy = malloc(n + 1);

    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *str_dup(const char *s)
{
    return str_ndup(s, strlen(s));
}

char *str_printf(const char *fmt, ...)
{
    va_list ap;
    char *text;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (!text)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

bool str_copy(char *dst, size_t dst_size, const char *src)
{
    size_t n = strlen(src);
    bool fits = n < dst_size;

    if (!fits)
        n = dst_size - 1;
    memcpy(dst, src, n);
    dst[n] = '\0';
    return fits;
}

int str_to_i64(const char *s, int64_t *out)
{
    const char *digits = s[0] == '-' ? s + 1 : s;
    char *end;
    long long v;

    if (!isdigit((unsigned char)digits[0]))
        return -1;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno || *end)
        return -1;
    *out = v;
    return 0;
}

int str_to_u64(const char *s, uint64_t *out)
{
    char *end;
    unsigned long long v;

    if (!isdigit((unsigned char)s[0]))
        return -1;
    errno = 0;
    v = strtoull(s, &end, 10);
    if (errno || *end)
        return -1;
    *out = v;
    return 0;
}

int str_to_f64(const char *s, double *out)
{
    const char *p = s[0] == '-' ? s + 1 : s;
    char *end;
    double v;

    if (!isdigit((unsigned char)p[0]) && !(p[0] == '.' && isdigit((unsigned char)p[1])))
        return -1;
    if (strpbrk(s, "xX"))
        return -1;
    v = strtod(s, &end);
    if (*end || !isfinite(v))
        return -1;
    *out = v;
    return 0;
}

int str_to_bool(const char *s, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
            *out = strcasecmp(s, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

/* Splits "12ab" into the number and the unit; -1 when there is no number. */
static int split_unit(const char *s, uint64_t *number, const char **unit)
{
    char *end;

    if (!isdigit((unsigned char)s[0]))
        return -1;
    errno = 0;
    *number = strtoull(s, &end, 10);
    *unit = end;
    return errno ? -1 : 0;
}

int str_to_duration_ms(const char *s, int64_t *out_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const char *unit;
    uint64_t n;

    if (str_eq(s, "-1")) {
        *out_ms = -1;
        return 0;
    }
    if (split_unit(s, &n, &unit))
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t ms;

        if (!str_eq(unit, units[i].unit))
            continue;
        if (__builtin_mul_overflow(n, units[i].ms, &ms) || ms > STR_DURATION_MAX_MS)
            return -1;
        *out_ms = (int64_t)ms;
        return 0;
    }
    return -1;
}

/* Digits, with a point somewhere or without; what follows, or NULL when there is no digit. */
static const char *read_decimal(const char *s, double *out)
{
    bool any = false;
    double step = 1;

    *out = 0;
    for (; isdigit((unsigned char)*s); s++, any = true)
        *out = *out * 10 + (*s - '0');
    if (*s == '.')
        for (s++; isdigit((unsigned char)*s); s++, any = true)
            *out += (*s - '0') * (step /= 10);
    return any ? s : NULL;
}

int str_to_go_duration_ms(const char *s, int64_t *out_ms)
{
    /* a unit stands behind those that begin with it; micro sign, and the Greek letter */
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"\xce\xbcs", 1e-3},
                 {"ms", 1},    {"s", 1000},  {"m", 60000},        {"h", 3600000}};
    bool negative = *s == '-';
    double sum = 0, v;

    s += *s == '-' || *s == '+';
    if (!*s)
        return -1;
    while (*s) {
        size_t i = 0;

        s = read_decimal(s, &v);
        while (s && i < sizeof units / sizeof units[0] && !str_starts(s, units[i].unit))
            i++;
        if (!s || i == sizeof units / sizeof units[0])
            return -1;
        sum += v * units[i].ms;
        s += strlen(units[i].unit);
    }
    if (!(sum <= (double)STR_DURATION_MAX_MS) && !negative)
        return -1;
    *out_ms = negative && sum > 0 ? -1 : (int64_t)(sum < 0.5 ? sum > 0 : sum + 0.5);
    return 0;
}

int str_to_bytes(const char *s, uint64_t *out)
{
    static const char letters[] = "kmgt";
    const char *unit, *at;
    uint64_t n, factor = 1;

    if (split_unit(s, &n, &unit))
        return -1;
    if (*unit && (at = strchr(letters, tolower((unsigned char)*unit))) != NULL) {
        factor = UINT64_C(1) << (10 * (at - letters + 1));
        unit++;
    }
    if (strcasecmp(unit, "") && strcasecmp(unit, "b") && strcasecmp(unit, "ib"))
        return -1;
    return __builtin_mul_overflow(n, factor, out) ? -1 : 0;
}

int str_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *str_human_bytes(uint64_t n_bytes, char *dst, size_t dst_size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)n_bytes;
    size_t u = 0;

    while (v >= 999.95 && u + 1 < sizeof units / sizeof units[0]) {
        v /= 1000;
        u++;
    }
    snprintf(dst, dst_size, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return dst;
}

/*
 * Length of the sequence at s (1..4) when whole and well formed, 0 when it is a valid beginning cut
 * by n, -1 when it can never become UTF-8. Table 3-7 of the Unicode standard.
 */
static int utf8_sequence(const unsigned char *s, size_t n)
{
    unsigned char lo = 0x80, hi = 0xbf;
    size_t want;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return -1;
    want = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] == 0xe0)
        lo = 0xa0;
    else if (s[0] == 0xed)
        hi = 0x9f;
    else if (s[0] == 0xf0)
        lo = 0x90;
    else if (s[0] == 0xf4)
        hi = 0x8f;
    for (size_t i = 1; i < want; i++) {
        if (i >= n)
            return 0;
        if (s[i] < lo || s[i] > hi)
            return -1;
        lo = 0x80;
        hi = 0xbf;
    }
    return (int)want;
}

bool str_is_utf8(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        int len = utf8_sequence((const unsigned char *)s + i, n - i);

        if (len <= 0)
            return false;
        i += (size_t)len;
    }
    return true;
}

size_t str_utf8_whole(const char *s, size_t n)
{
    size_t back = n < 3 ? n : 3;

    for (size_t i = 1; i <= back; i++) {
        unsigned char c = (unsigned char)s[n - i];

        if ((c & 0xc0) == 0x80)
            continue;
        return utf8_sequence((const unsigned char *)s + n - i, i) == 0 ? n - i : n;
    }
    return n;
}
