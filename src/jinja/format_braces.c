/*
 * format_braces.c - "{} {name:>5}".format(values). Source: the Python Library Reference, "Format
 * String Syntax".
 */
#include "jinja/format.h"
#include "jinja/unicode.h"

struct braces {
    const char *s, *end;
    const struct call *call;
    size_t next;
};

static int read_align(struct braces *b, struct format_spec *f)
{
    size_t len;

    if (b->s == b->end)
        return 0;
    unicode_at(b->s, &len);
    if (b->s + len < b->end && b->s[len] && strchr("<>^=", b->s[len])) {
        memcpy(f->fill, b->s, len);
        f->fill_len = len;
        f->align = b->s[len];
        b->s += len + 1;
    } else if (*b->s && strchr("<>^=", *b->s)) {
        f->align = *b->s++;
    }
    return 0;
}

/* "[[fill]align][sign][#][0][width][,][.precision][type]" up to the '}'. */
static int read_spec(struct run *r, struct braces *b, struct format_spec *f)
{
    read_align(b, f);
    if (b->s < b->end && *b->s && strchr("+- ", *b->s))
        f->sign = *b->s++;
    if (b->s < b->end && *b->s == '#')
        f->alternate = *b->s++;
    if (b->s < b->end && *b->s == '0' && !f->align)
        f->fill[0] = '0', f->align = '=', b->s++;
    if (format_read_number(r, &b->s, b->end, &f->width))
        return ERR_INVALID;
    if (b->s < b->end && *b->s == ',')
        f->comma = *b->s++;
    if (b->s < b->end && *b->s == '.') {
        b->s++;
        if (format_read_number(r, &b->s, b->end, &f->precision))
            return ERR_INVALID;
    }
    if (b->s < b->end && *b->s != '}')
        f->type = *b->s++;
    if (b->s == b->end || *b->s != '}')
        return format_fail(r, "a field is malformed");
    return 0;
}

/* The field's first name: a number, a keyword, or nothing for the next value. */
static int field_value(struct run *r, struct braces *b, struct value *out)
{
    const char *from = b->s;
    int64_t index;
    size_t at;

    if (format_read_number(r, &b->s, b->end, &index))
        return ERR_INVALID;
    if (index < 0) {
        while (b->s < b->end && *b->s && !strchr(".[!:}", *b->s))
            b->s++;
        if (b->s == from)
            index = (int64_t)b->next++;
    }
    if (index >= 0) {
        if ((size_t)index >= b->call->n_given)
            return format_fail(r, "it asks for more values than there are");
        *out = b->call->given[index];
        return 0;
    }
    if (call_find_keyword(r, b->call, value_text(from, (size_t)(b->s - from)), &at))
        return ERR_LIMIT;
    if (at == b->call->n_keywords)
        return format_fail(r, "it names a value that is not there");
    *out = b->call->keywords[at].value;
    return 0;
}

/* ".name" and "[key]" behind it. */
static int field_path(struct run *r, struct braces *b, struct value *v)
{
    int rc = 0;

    while (!rc && b->s < b->end && (*b->s == '.' || *b->s == '[')) {
        bool item = *b->s++ == '[';
        const char *from = b->s;
        struct value key = {0};
        int64_t index;

        while (b->s < b->end && *b->s && !strchr(item ? "]" : ".[!:}", *b->s))
            b->s++;
        key = value_text(from, (size_t)(b->s - from));
        if (item) {
            const char *digits = from;

            rc = format_read_number(r, &digits, b->s, &index);
            if (digits == b->s && index >= 0)
                key = value_int(index);
            b->s += b->s < b->end;
        }
        if (!rc)
            rc = item ? access_item(r, *v, key, v) : access_attr(r, *v, key, v);
        if (!rc)
            rc = ops_defined(r, *v);
    }
    return rc;
}

static bool is_plain(const struct format_spec *f)
{
    return !f->align && !f->sign && !f->alternate && !f->comma && !f->type && f->width < 0 &&
           f->precision < 0;
}

static int put_formatted(struct run *r, struct format_spec *f, struct value v)
{
    bool number = value_is_number(v) && v.kind != VALUE_BOOL;
    struct value text = {0};
    int rc;

    if (v.kind == VALUE_BOOL && f->type != 's' && !is_plain(f)) {
        v = value_int(v.u.b);
        number = true;
    }
    if (number && v.kind == VALUE_INT && (!f->type || strchr("dxXob", f->type)))
        return f->precision < 0 ? format_put_int(r, f, v.u.i)
                                : format_fail(r, "an integer has no precision");
    if (number && (!f->type || strchr("eEfFgG%", f->type)))
        return format_put_float(r, f, value_as_double(v));
    if (number || (f->type && f->type != 's') || f->comma)
        return format_fail(r, "a field's type does not fit its value");
    if (f->align == '=') /* of "{:05}", which means no sign here */
        f->align = '<';
    rc = show_text(r, v, &text);
    return rc ? rc : format_put_text(r, f, text, '<');
}

/* What stands behind a '{', up to and with its '}'. */
static int put_field(struct run *r, struct braces *b)
{
    struct format_spec f = FORMAT_PLAIN;
    size_t mark;
    struct value v = {0};
    int rc = field_value(r, b, &v);

    if (!rc)
        rc = field_path(r, b, &v);
    mark = run_mark(r);
    if (!rc && b->end - b->s >= 2 && *b->s == '!') {
        bool repr = b->s[1] == 'r';

        b->s += 2;
        rc = repr ? show_put_repr(r, v) : show_put(r, v);
        if (!rc)
            rc = run_take(r, mark, &v);
    }
    if (!rc && b->s < b->end && *b->s == ':') {
        b->s++;
        rc = read_spec(r, b, &f);
    }
    if (!rc && (b->s == b->end || *b->s != '}'))
        rc = format_fail(r, "a field has no end");
    if (rc)
        return rc;
    b->s++;
    return put_formatted(r, &f, v);
}

int format_braces(struct run *r, struct call *c, struct value *out)
{
    struct braces b = {c->self.u.s, c->self.u.s + c->self.len, c, 0};
    size_t mark = run_mark(r);
    int rc = run_chars(r, c->self.len);

    while (!rc && b.s < b.end) {
        char ch = *b.s++;

        if ((ch == '{' || ch == '}') && b.s < b.end && *b.s == ch)
            rc = run_put(r, b.s++, 1);
        else if (ch == '{')
            rc = put_field(r, &b);
        else if (ch == '}')
            rc = format_fail(r, "a '}' stands alone");
        else
            rc = run_put(r, &ch, 1);
    }
    return rc ? rc : run_take(r, mark, out);
}
