/* format.c - one value in its width, sign and digits. See format.h. */
#include "jinja/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jinja/run.h"
#include "jinja/unicode.h"

#define FORMAT_BYTES      512 /* of a number before it is padded */
#define FORMAT_MAX_DIGITS 100 /* behind the point */

int format_fail(struct run *r, const char *why)
{
    return run_fail(r, ERR_INVALID, "a format cannot be followed: %s", why);
}

int format_read_number(struct run *r, const char **s, const char *end, int64_t *out)
{
    *out = -1;
    for (; *s < end && **s >= '0' && **s <= '9'; (*s)++) {
        *out = (*out < 0 ? 0 : *out) * 10 + (**s - '0');
        if (*out > FORMAT_MAX_WIDTH)
            return format_fail(r, "a width or precision is too large");
    }
    return 0;
}

/* ---- laying out ------------------------------------------------------------------------------ */

static int put_fill(struct run *r, const struct format_spec *f, size_t n)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++)
        rc = run_put(r, f->fill, f->fill_len);
    return rc;
}

/* A text in its width; the first `n_sign` bytes stay before the fill for "=". */
static int put_padded(struct run *r, const struct format_spec *f, const char *s, size_t len,
                      char align, size_t n_sign)
{
    size_t n = unicode_count(s, len), width = f->width < 0 ? 0 : (size_t)f->width;
    size_t pad = width > n ? width - n : 0, before = 0;

    if (f->align)
        align = f->align;
    if (align == '=')
        return run_put(r, s, n_sign) || put_fill(r, f, pad) || run_put(r, s + n_sign, len - n_sign)
                   ? ERR_LIMIT
                   : 0;
    if (align == '>')
        before = pad;
    else if (align == '^')
        before = pad / 2;
    return put_fill(r, f, before) || run_put(r, s, len) || put_fill(r, f, pad - before) ? ERR_LIMIT
                                                                                        : 0;
}

int format_put_text(struct run *r, const struct format_spec *f, struct value v, char align)
{
    size_t len = v.len;

    if (f->precision >= 0)
        len = unicode_offset(v.u.s, v.len, (size_t)f->precision);
    return put_padded(r, f, v.u.s, len, align, 0);
}

/* Puts commas between groups of three of the n digits at s. Room for them must be there. */
static size_t group_digits(char *s, size_t len, size_t n_digits)
{
    for (size_t left = n_digits; left > 3; left -= 3) {
        char *at = s + left - 3;

        memmove(at + 1, at, len - (left - 3));
        *at = ',';
        len++;
    }
    return len;
}

/* Digits, the first `n_prefix` bytes of which ("0x") are no digits. */
static int put_number(struct run *r, const struct format_spec *f, bool negative, char *digits,
                      size_t len, size_t n_prefix)
{
    char text[FORMAT_BYTES + 2];
    size_t n = 0;

    if (negative)
        text[n++] = '-';
    else if (f->sign == '+' || f->sign == ' ')
        text[n++] = f->sign;
    if (f->comma)
        len = group_digits(digits, len, strspn(digits, "0123456789"));
    memcpy(text + n, digits, len);
    return put_padded(r, f, text, n + len, '>', n + n_prefix);
}

static size_t binary_digits(uint64_t v, char *dst)
{
    size_t n = 0;

    for (int bit = 63; bit >= 0; bit--)
        if (n || bit == 0 || v >> bit & 1)
            dst[n++] = (char)('0' + (v >> bit & 1));
    return n;
}

/* Zeros before the n digits at s, so that there are `least` (-1: none); how many. */
static size_t put_zeros(char *s, size_t n, int64_t least)
{
    size_t more = least > (int64_t)n ? (size_t)least - n : 0;

    memmove(s + more, s, n);
    memset(s, '0', more);
    return more;
}

int format_put_int(struct run *r, const struct format_spec *f, int64_t i)
{
    uint64_t v = i < 0 ? -(uint64_t)i : (uint64_t)i;
    char digits[FORMAT_BYTES];
    size_t n = 0, n_prefix;

    if (f->precision > FORMAT_MAX_DIGITS)
        return format_fail(r, "an integer gets too many digits");
    if (f->alternate && strchr("xXob", f->type) && f->type) {
        digits[n++] = '0';
        digits[n++] = f->type;
    }
    n_prefix = n;
    switch (f->type) {
    case 'x':
        n += (size_t)snprintf(digits + n, sizeof digits - n, "%" PRIx64, v);
        break;
    case 'X':
        n += (size_t)snprintf(digits + n, sizeof digits - n, "%" PRIX64, v);
        break;
    case 'o':
        n += (size_t)snprintf(digits + n, sizeof digits - n, "%" PRIo64, v);
        break;
    case 'b':
        n += binary_digits(v, digits + n);
        digits[n] = '\0';
        break;
    default:
        n += (size_t)snprintf(digits + n, sizeof digits - n, "%" PRIu64, v);
    }
    n += put_zeros(digits + n_prefix, n - n_prefix, f->precision);
    return put_number(r, f, i < 0, digits, n, n_prefix);
}

/* As 'g', but with a digit behind the point, and an exponent where that one has no room. */
static int put_short(char digits[FORMAT_BYTES], int precision, double size)
{
    int most = precision > 0 ? precision : 1, n, end;
    long exponent;
    char *e;

    n = snprintf(digits, FORMAT_BYTES, "%.*e", most - 1, size);
    e = strchr(digits, 'e');
    exponent = e ? strtol(e + 1, NULL, 10) : 0;
    if (!e || (exponent >= -4 && exponent < most - 1)) {
        n = snprintf(digits, FORMAT_BYTES, "%.*g", most, size);
        return e && !strchr(digits, '.') ? n + snprintf(digits + n, 3, ".0") : n;
    }
    for (end = (int)(e - digits); strchr(digits, '.') && end > 1 && digits[end - 1] == '0';)
        end--;
    end -= digits[end - 1] == '.';
    memmove(digits + end, e, strlen(e) + 1);
    return n - ((int)(e - digits) - end);
}

int format_put_float(struct run *r, const struct format_spec *f, double v)
{
    char digits[FORMAT_BYTES];
    int precision = f->precision < 0 ? 6 : (int)f->precision;
    bool negative = signbit(v) && !isnan(v);
    double size = fabs(v);
    size_t len;
    int n;

    if (precision > FORMAT_MAX_DIGITS || (f->comma && size >= 1e200))
        return format_fail(r, "a float gets too many digits");
    if (f->type == '%')
        size *= 100;
    if (!f->type && f->precision < 0)
        return show_float(r, size, digits, &len) || put_number(r, f, negative, digits, len, 0)
                   ? ERR_LIMIT
                   : 0;
    switch (f->type) {
    case 'e':
        n = snprintf(digits, sizeof digits, "%.*e", precision, size);
        break;
    case 'E':
        n = snprintf(digits, sizeof digits, "%.*E", precision, size);
        break;
    case 'g':
    case 'G':
        n = snprintf(digits, sizeof digits, f->type == 'G' ? "%.*G" : "%.*g", precision, size);
        break;
    case 0:
        n = put_short(digits, precision, size);
        break;
    default:
        n = snprintf(digits, sizeof digits, f->type == '%' ? "%.*f%%" : "%.*f", precision, size);
    }
    return put_number(r, f, negative, digits, (size_t)n, 0);
}
