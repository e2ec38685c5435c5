/* filter_value.c - filters on any value, and on numbers. Source: as filter_text.c. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "jinja/builtins.h"
#include "jinja/text.h"
#include "jinja/unicode.h"

#define NUMBER_BYTES 400 /* longest text that is read as a number */
#define ROUND_BYTES  512 /* a double with its digits and up to 100 more */
#define ROUND_DIGITS 100

static int filter_default(struct run *r, struct call *c, struct value *out)
{
    bool absent =
        c->self.kind == VALUE_UNDEFINED || (arg_truth(c, 1, false) && !value_truth(c->self));

    (void)r;
    *out = c->self;
    if (absent)
        *out = c->args[0].kind == VALUE_MISSING ? value_text("", 0) : c->args[0];
    return 0;
}

static int filter_length(struct run *r, struct call *c, struct value *out)
{
    size_t n = 0;
    int rc = value_length(r, c->self, &n);

    *out = value_int((int64_t)n);
    return rc;
}

static int filter_list(struct run *r, struct call *c, struct value *out)
{
    struct list *l = NULL;
    int rc = arg_self_items(r, c, &l);

    *out = value_list(l);
    return rc;
}

static int filter_attr(struct run *r, struct call *c, struct value *out)
{
    struct value name;
    int rc = arg_text(r, c, 0, NULL, &name);

    if (rc)
        return rc;
    if (c->self.kind != VALUE_DICT)
        return access_attr(r, c->self, name, out);
    if (builtin_method(c->self, name.u.s, name.len)) /* a mapping's items are no attributes */
        return access_attr(r, c->self, name, out);
    *out = value_undefined(name.u.s, name.len);
    return 0;
}

static int pairs_of(struct run *r, const struct dict *d, struct value *out)
{
    struct list *l = NULL, *pair = NULL;
    int rc = list_create(r, d->n, &l);

    for (size_t i = 0; !rc && i < d->n; i++) {
        rc = list_create(r, 2, &pair);
        if (!rc)
            rc = list_append(r, pair, d->entries[i].key);
        if (!rc)
            rc = list_append(r, pair, d->entries[i].value);
        if (!rc)
            rc = list_append(r, l, value_tuple(pair));
    }
    *out = value_list(l);
    return rc;
}

static int filter_items(struct run *r, struct call *c, struct value *out)
{
    static const struct dict empty;

    if (c->self.kind == VALUE_UNDEFINED)
        return pairs_of(r, &empty, out);
    if (c->self.kind != VALUE_DICT)
        return run_fail(r, ERR_INVALID, "'items' needs a mapping, not %s",
                        value_kind_name(c->self));
    return pairs_of(r, c->self.u.dict, out);
}

/* ---- tojson ---------------------------------------------------------------------------------- */

static int json_indent(struct run *r, struct call *c, struct json_style *style)
{
    struct value text;
    size_t mark = run_mark(r);
    int64_t width;
    int rc = 0;

    if (!arg_given(c, 1))
        return 0;
    text = c->args[1];
    if (text.kind != VALUE_TEXT) {
        rc = arg_int(r, c, 1, 0, &width);
        for (int64_t i = 0; !rc && i < width; i++)
            rc = run_puts(r, " ");
        if (!rc)
            rc = run_take(r, mark, &text);
    }
    if (rc)
        return rc;
    style->indent = text.u.s;
    style->indent_len = text.len;
    style->item_separator = value_text(",", 1);
    return 0;
}

static int json_separators(struct run *r, struct call *c, struct json_style *style)
{
    struct list *both = NULL;
    int rc;

    if (!arg_given(c, 2))
        return 0;
    rc = value_items(r, c->args[2], &both);
    if (rc)
        return rc;
    if (both->n != 2 || both->items[0].kind != VALUE_TEXT || both->items[1].kind != VALUE_TEXT)
        return run_fail(r, ERR_INVALID, "'tojson' needs two strings as separators");
    style->item_separator = both->items[0];
    style->key_separator = both->items[1];
    return 0;
}

static int filter_tojson(struct run *r, struct call *c, struct value *out)
{
    struct json_style style = {.ascii = arg_truth(c, 0, false),
                               .sort_keys = arg_truth(c, 3, false),
                               .item_separator = value_text(", ", 2),
                               .key_separator = value_text(": ", 2)};
    size_t mark;
    int rc = json_indent(r, c, &style);

    if (!rc)
        rc = json_separators(r, c, &style);
    mark = run_mark(r);
    if (!rc)
        rc = json_export(r, c->self, &style);
    return rc ? rc : run_take(r, mark, out);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static int filter_abs(struct run *r, struct call *c, struct value *out)
{
    struct value v = c->self;

    if (v.kind == VALUE_FLOAT) {
        *out = value_float(fabs(v.u.f));
        return 0;
    }
    if (value_is_number(v) && value_as_int(v) >= 0) {
        *out = value_int(value_as_int(v));
        return 0;
    }
    return ops_negate(r, v, out);
}

/* The text without blanks around and underscores inside, NUL-terminated; false if too long. */
static bool number_text(struct value v, char dst[NUMBER_BYTES])
{
    size_t from = unicode_leading_space(v.u.s, v.len), n = 0;
    size_t to = v.len - unicode_trailing_space(v.u.s + from, v.len - from);

    for (size_t i = from; i < to; i++) {
        if (v.u.s[i] == '_' && i > from && i + 1 < to && v.u.s[i - 1] != '_')
            continue;
        if (n + 1 == NUMBER_BYTES || v.u.s[i] == '\0')
            return false;
        dst[n++] = v.u.s[i];
    }
    dst[n] = '\0';
    return n > 0;
}

static bool parse_float(const char *s, double *out)
{
    char *end;

    if (strpbrk(s, "xXpP( \t\n"))
        return false;
    *out = strtod(s, &end);
    return *end == '\0';
}

static bool to_float(struct value v, double *out)
{
    char text[NUMBER_BYTES];

    if (value_is_number(v)) {
        *out = value_as_double(v);
        return true;
    }
    return v.kind == VALUE_TEXT && number_text(v, text) && parse_float(text, out);
}

/* Digits of a base, with its prefix or without. */
static bool parse_int(const char *s, int64_t base, int64_t *out)
{
    bool minus = *s == '-';
    const char *digits = s + (*s == '-' || *s == '+');
    char *end;
    char letter = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : '\0';

    if (letter && digits[0] == '0' && (digits[1] | 0x20) == letter)
        digits += 2;
    if (!(unicode_digit((unsigned char)*digits) || unicode_alpha((unsigned char)*digits)) ||
        (base == 16 && digits[0] == '0' && (digits[1] | 0x20) == 'x'))
        return false;
    errno = 0;
    *out = strtoll(digits, &end, (int)base);
    if (minus)
        *out = -*out;
    return *end == '\0' && errno == 0;
}

static int truncate_float(struct run *r, double f, struct value *out)
{
    if (!(fabs(f) < 9.2e18))
        return run_fail(r, ERR_UNSUPPORTED, "an integer has more than 64 bits");
    *out = value_int((int64_t)f);
    return 0;
}

static int filter_int(struct run *r, struct call *c, struct value *out)
{
    char text[NUMBER_BYTES];
    int64_t base, i;
    double f;
    int rc = arg_int(r, c, 1, 10, &base);

    if (!rc)
        rc = ops_defined(r, c->self);
    if (!rc && (base < 2 || base > 36))
        rc = run_fail(r, ERR_INVALID, "'int' has bases from 2 to 36, not %lld", (long long)base);
    if (rc)
        return rc;
    if (c->self.kind == VALUE_TEXT && run_chars(r, c->self.len))
        return ERR_LIMIT;
    *out = c->args[0].kind == VALUE_MISSING ? value_int(0) : c->args[0];
    if (c->self.kind == VALUE_TEXT && number_text(c->self, text) && parse_int(text, base, &i))
        *out = value_int(i);
    else if (c->self.kind == VALUE_INT || c->self.kind == VALUE_BOOL)
        *out = value_int(value_as_int(c->self));
    else if (to_float(c->self, &f) && isfinite(f))
        return truncate_float(r, f, out);
    return 0;
}

static int filter_float(struct run *r, struct call *c, struct value *out)
{
    double f;
    int rc = ops_defined(r, c->self);

    if (!rc && c->self.kind == VALUE_TEXT)
        rc = run_chars(r, c->self.len);
    if (to_float(c->self, &f))
        *out = value_float(f);
    else
        *out = c->args[0].kind == VALUE_MISSING ? value_float(0) : c->args[0];
    return rc;
}

/* Half to even, on the digits that the number has in truth. */
static double round_digits(double f, int64_t digits)
{
    char text[ROUND_BYTES];
    double scale;

    if (!isfinite(f) || digits > ROUND_DIGITS)
        return f;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, f);
        return strtod(text, NULL);
    }
    scale = pow(10, -(double)digits);
    return isfinite(scale) ? nearbyint(f / scale) * scale : 0;
}

static int filter_round(struct run *r, struct call *c, struct value *out)
{
    struct value method;
    int64_t digits;
    double scale, f;

    if (arg_int(r, c, 0, 0, &digits) || arg_text(r, c, 1, "common", &method) ||
        ops_defined(r, c->self))
        return ERR_INVALID;
    if (!value_is_number(c->self))
        return run_fail(r, ERR_INVALID, "'round' needs a number, not %s", value_kind_name(c->self));
    f = value_as_double(c->self);
    if (value_is_text(method, "common")) {
        if (c->self.kind != VALUE_FLOAT && digits >= 0)
            *out = value_int(value_as_int(c->self));
        else if (c->self.kind != VALUE_FLOAT)
            return truncate_float(r, round_digits(f, digits), out);
        else
            *out = value_float(round_digits(f, digits));
        return 0;
    }
    scale = pow(10, (double)digits);
    if (value_is_text(method, "ceil"))
        *out = value_float(ceil(f * scale) / scale);
    else if (value_is_text(method, "floor"))
        *out = value_float(floor(f * scale) / scale);
    else
        return run_fail(r, ERR_INVALID, "'round' knows common, ceil and floor");
    return 0;
}

static int filter_filesizeformat(struct run *r, struct call *c, struct value *out)
{
    static const char *const names[2][8] = {
        {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
        {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}};
    bool binary = arg_truth(c, 0, false);
    double base = binary ? 1024 : 1000, n, unit = base;
    char text[ROUND_BYTES];
    int i = 0;

    if (c->self.kind == VALUE_TEXT && run_chars(r, c->self.len))
        return ERR_LIMIT;
    if (!to_float(c->self, &n))
        return run_fail(r, ERR_INVALID, "'filesizeformat' needs a number");
    if (n == 1) {
        snprintf(text, sizeof text, "1 Byte");
    } else if (n < base) {
        snprintf(text, sizeof text, "%.0f Bytes", trunc(n));
    } else {
        while (i < 7 && n >= unit * base) {
            unit *= base;
            i++;
        }
        snprintf(text, sizeof text, "%.1f %s", n / unit, names[binary][i]);
    }
    return value_copy_text(r, text, strlen(text), out);
}

const struct builtin builtins_filter_value[] = {
    {"default", "default_value? boolean?", filter_default},
    {"d", "default_value? boolean?", filter_default},
    {"length", "", filter_length},
    {"count", "", filter_length},
    {"list", "", filter_list},
    {"attr", "name", filter_attr},
    {"items", "", filter_items},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", filter_tojson},
    {"abs", "", filter_abs},
    {"int", "default? base?", filter_int},
    {"float", "default?", filter_float},
    {"round", "precision? method?", filter_round},
    {"filesizeformat", "binary?", filter_filesizeformat},
    {0},
};
