/*
 * show.c - values as text: Python's str() and repr(). A float is shown by the fewest digits that
 * read back as itself, with an exponent below 1e-4 and from 1e16 on.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "jinja/run.h"
#include "jinja/unicode.h"

#define FLOAT_STEPS 32 /* 4 to 10 us, where 17 digits are tried and the exponent is large */

static size_t put_shortest(double f, char dst[SHOW_NUMBER_BYTES])
{
    char digits[SHOW_NUMBER_BYTES];
    int precision = 0, exponent;
    const char *e;

    if (!isfinite(f))
        return (size_t)snprintf(dst, SHOW_NUMBER_BYTES, "%s",
                                isnan(f) ? "nan"
                                : f > 0  ? "inf"
                                         : "-inf");
    do {
        snprintf(digits, sizeof digits, "%.*e", precision, f);
    } while (strtod(digits, NULL) != f && ++precision < 17);
    e = strchr(digits, 'e');
    exponent = (int)strtol(e + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16)
        return (size_t)snprintf(dst, SHOW_NUMBER_BYTES, "%.*e", precision, f);
    if (precision <= exponent) /* a whole number */
        return (size_t)snprintf(dst, SHOW_NUMBER_BYTES, "%.1f", f);
    return (size_t)snprintf(dst, SHOW_NUMBER_BYTES, "%.*f", precision - exponent, f);
}

int show_float(struct run *r, double f, char dst[SHOW_NUMBER_BYTES], size_t *n)
{
    *n = put_shortest(f, dst);
    return run_steps(r, FLOAT_STEPS);
}

static int put_float(struct run *r, double f)
{
    char text[SHOW_NUMBER_BYTES];
    size_t n;
    int rc = show_float(r, f, text, &n);

    return rc ? rc : run_put(r, text, n);
}

static int put_int(struct run *r, int64_t i)
{
    char text[SHOW_NUMBER_BYTES];

    return run_put(r, text, (size_t)snprintf(text, sizeof text, "%" PRId64, i));
}

/* One character of a quoted text. */
static int put_quoted_char(struct run *r, uint32_t code, char quote)
{
    static const char letters[] = {['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r', ['\\'] = '\\'};
    char text[12];
    int n;

    if (code < sizeof letters && letters[code])
        n = snprintf(text, sizeof text, "\\%c", letters[code]);
    else if (code == (unsigned char)quote)
        n = snprintf(text, sizeof text, "\\%c", quote);
    else if (unicode_printable(code))
        return run_put_char(r, code);
    else
        n = snprintf(text, sizeof text,
                     code < 0x100     ? "\\x%02x"
                     : code < 0x10000 ? "\\u%04x"
                                      : "\\U%08x",
                     (unsigned)code);
    return run_put(r, text, (size_t)n);
}

static int put_quoted(struct run *r, struct value v)
{
    bool single = memchr(v.u.s, '\'', v.len) != NULL, dbl = memchr(v.u.s, '"', v.len) != NULL;
    char quote = single && !dbl ? '"' : '\'';
    int rc = run_chars(r, v.len) || run_put(r, &quote, 1) ? ERR_LIMIT : 0;

    for (size_t at = 0, n; !rc && at < v.len; at += n)
        rc = put_quoted_char(r, unicode_at(v.u.s + at, &n), quote);
    return rc ? rc : run_put(r, &quote, 1);
}

static int put_list(struct run *r, struct value v)
{
    const struct list *l = v.u.list;
    bool tuple = v.kind == VALUE_TUPLE;
    int rc = run_puts(r, tuple ? "(" : "[");

    for (size_t i = 0; !rc && i < l->n; i++)
        rc = (i && run_puts(r, ", ")) || show_put_repr(r, l->items[i]) ? ERR_LIMIT : 0;
    if (!rc && tuple && l->n == 1)
        rc = run_puts(r, ",");
    return rc ? rc : run_puts(r, tuple ? ")" : "]");
}

static int put_dict(struct run *r, const struct dict *d)
{
    int rc = run_puts(r, "{");

    for (size_t i = 0; !rc && i < d->n; i++)
        rc = (i && run_puts(r, ", ")) || show_put_repr(r, d->entries[i].key) || run_puts(r, ": ") ||
                     show_put_repr(r, d->entries[i].value)
                 ? ERR_LIMIT
                 : 0;
    return rc ? rc : run_puts(r, "}");
}

static int put_repr(struct run *r, struct value v)
{
    switch (v.kind) {
    case VALUE_UNDEFINED:
        return run_puts(r, "Undefined");
    case VALUE_NONE:
        return run_puts(r, "None");
    case VALUE_BOOL:
        return run_puts(r, v.u.b ? "True" : "False");
    case VALUE_INT:
        return put_int(r, v.u.i);
    case VALUE_FLOAT:
        return put_float(r, v.u.f);
    case VALUE_TEXT:
        return put_quoted(r, v);
    case VALUE_LIST:
    case VALUE_TUPLE:
        return put_list(r, v);
    case VALUE_DICT:
        return put_dict(r, v.u.dict);
    case VALUE_NAMESPACE:
        return run_puts(r, "<Namespace ") || put_dict(r, v.u.dict) || run_puts(r, ">") ? ERR_LIMIT
                                                                                       : 0;
    default:
        return run_puts(r, "<") || run_puts(r, value_kind_name(v)) || run_puts(r, ">") ? ERR_LIMIT
                                                                                       : 0;
    }
}

int show_put_repr(struct run *r, struct value v)
{
    int rc = run_steps(r, 1);

    if (!rc)
        rc = run_enter(r);
    if (rc)
        return rc;
    rc = put_repr(r, v);
    r->depth--;
    return rc;
}

int show_put(struct run *r, struct value v)
{
    if (v.kind == VALUE_TEXT)
        return run_put(r, v.u.s, v.len);
    return v.kind == VALUE_UNDEFINED ? 0 : show_put_repr(r, v);
}

int show_text(struct run *r, struct value v, struct value *out)
{
    size_t mark = run_mark(r);
    int rc;

    if (v.kind == VALUE_TEXT) {
        *out = v;
        return 0;
    }
    rc = show_put(r, v);
    return rc ? rc : run_take(r, mark, out);
}

int show_put_escaped(struct run *r, struct value text)
{
    int rc = run_chars(r, text.len);

    for (uint32_t i = 0; !rc && i < text.len; i++) {
        switch (text.u.s[i]) {
        case '&':
            rc = run_puts(r, "&amp;");
            break;
        case '<':
            rc = run_puts(r, "&lt;");
            break;
        case '>':
            rc = run_puts(r, "&gt;");
            break;
        case '"':
            rc = run_puts(r, "&#34;");
            break;
        case '\'':
            rc = run_puts(r, "&#39;");
            break;
        default:
            rc = run_put(r, text.u.s + i, 1);
        }
    }
    return rc;
}
