/*
 * format_percent.c - "%s %d" % values. Source: the Python Library Reference, "printf-style String
 * Formatting".
 */
#include <math.h>

#include "jinja/format.h"

struct percent {
    const char *s, *end;
    const struct list *values;
    const struct dict *named;
    size_t used;
};

static int next_value(struct run *r, struct percent *p, struct value *out)
{
    if (p->used == p->values->n)
        return format_fail(r, "it asks for more values than there are");
    *out = p->values->items[p->used++];
    return 0;
}

/* "(name)" of a mapping. */
static int named_value(struct run *r, struct percent *p, struct value *out)
{
    const char *from = p->s + 1;
    size_t at;
    int rc;

    while (p->s < p->end && *p->s != ')')
        p->s++;
    if (p->s == p->end || !p->named)
        return format_fail(r, "a name in brackets needs a mapping");
    rc = dict_find(r, p->named, value_text(from, (size_t)(p->s - from)), &at);
    if (rc)
        return rc;
    if (at == p->named->n)
        return format_fail(r, "it names a key that is not there");
    p->s++;
    *out = p->named->entries[at].value;
    return 0;
}

static int percent_flags(struct run *r, struct percent *p, struct format_spec *f)
{
    for (; p->s < p->end && *p->s && strchr("-+ 0#", *p->s); p->s++) {
        if (*p->s == '-')
            f->align = '<';
        else if (*p->s == '+' || (*p->s == ' ' && f->sign != '+'))
            f->sign = *p->s;
        else if (*p->s == '#')
            f->alternate = true;
        else if (*p->s == '0' && f->align != '<')
            f->fill[0] = '0', f->align = '=';
    }
    if (format_read_number(r, &p->s, p->end, &f->width))
        return ERR_INVALID;
    if (p->s < p->end && *p->s == '.') {
        p->s++;
        if (format_read_number(r, &p->s, p->end, &f->precision))
            return ERR_INVALID;
        f->precision = f->precision < 0 ? 0 : f->precision;
    }
    if (p->s == p->end)
        return format_fail(r, "it ends behind a '%'");
    f->type = *p->s++;
    return 0;
}

static int put_as_text(struct run *r, struct format_spec *f, struct value v)
{
    size_t mark = run_mark(r);
    struct value text = v;
    int rc = 0;

    if (f->type == 'r') {
        rc = show_put_repr(r, v);
        rc = rc ? rc : run_take(r, mark, &text);
    } else {
        rc = show_text(r, v, &text);
    }
    if (f->align == '=')
        f->align = '>', f->fill[0] = ' ';
    return rc ? rc : format_put_text(r, f, text, '>');
}

static int put_percent(struct run *r, struct format_spec *f, struct value v)
{
    switch (f->type) {
    case 's':
    case 'r':
        return put_as_text(r, f, v);
    case 'c':
        if (v.kind != VALUE_TEXT || unicode_count(v.u.s, v.len) != 1)
            return format_fail(r, "%c needs one character");
        return format_put_text(r, f, v, '>');
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        if (!value_is_number(v) || (v.kind == VALUE_FLOAT && !(fabs(v.u.f) < 9e18)))
            return format_fail(r, "an integer is needed");
        return format_put_int(r, f, v.kind == VALUE_FLOAT ? (int64_t)v.u.f : value_as_int(v));
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        if (!value_is_number(v))
            return format_fail(r, "a number is needed");
        return format_put_float(r, f, value_as_double(v));
    default:
        return format_fail(r, "a conversion is not known");
    }
}

/* What stands behind a '%'. */
static int convert(struct run *r, struct percent *p)
{
    struct format_spec f = FORMAT_PLAIN;
    struct value v = value_none();
    bool named = p->s < p->end && *p->s == '(';
    int rc;

    if (p->s < p->end && *p->s == '%') {
        p->s++;
        return run_puts(r, "%");
    }
    rc = named ? named_value(r, p, &v) : 0;
    if (!rc)
        rc = percent_flags(r, p, &f);
    if (!rc && !named)
        rc = next_value(r, p, &v);
    return rc ? rc : put_percent(r, &f, v);
}

int format_percent(struct run *r, struct value text, const struct list *values,
                   const struct dict *named, struct value *out)
{
    struct percent p = {text.u.s, text.u.s + text.len, values, named, 0};
    size_t mark = run_mark(r);
    int rc = run_chars(r, text.len);

    while (!rc && p.s < p.end) {
        const char *sign = memchr(p.s, '%', (size_t)(p.end - p.s));
        const char *stop = sign ? sign : p.end;

        rc = run_put(r, p.s, (size_t)(stop - p.s));
        p.s = sign ? sign + 1 : p.end;
        if (!rc && sign)
            rc = convert(r, &p);
    }
    if (!rc && p.used < values->n && !named)
        rc = format_fail(r, "there are more values than it asks for");
    return rc ? rc : run_take(r, mark, out);
}
