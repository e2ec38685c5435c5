/* method_text.c - methods of strings. Source: the Python Library Reference, "String Methods". */
#include "jinja/builtins.h"
#include "jinja/format.h"
#include "jinja/text.h"
#include "jinja/unicode.h"

static int strip(struct run *r, struct call *c, int sides, struct value *out)
{
    struct value chars;
    int rc;

    if (!arg_given(c, 0))
        return text_strip(r, c->self, NULL, sides, out);
    rc = arg_text(r, c, 0, NULL, &chars);
    return rc ? rc : text_strip(r, c->self, &chars, sides, out);
}

static int method_strip(struct run *r, struct call *c, struct value *out)
{
    return strip(r, c, TEXT_LEFT | TEXT_RIGHT, out);
}

static int method_lstrip(struct run *r, struct call *c, struct value *out)
{
    return strip(r, c, TEXT_LEFT, out);
}

static int method_rstrip(struct run *r, struct call *c, struct value *out)
{
    return strip(r, c, TEXT_RIGHT, out);
}

/* ---- finding --------------------------------------------------------------------------------- */

/* self from character args[at] up to args[at + 1], as byte places. */
static int range_of(struct run *r, struct call *c, size_t at, size_t *from, size_t *to)
{
    struct value v = c->self;
    int64_t n = (int64_t)unicode_count(v.u.s, v.len), a = 0, b = n;

    if (arg_given(c, at) && arg_int(r, c, at, 0, &a))
        return ERR_INVALID;
    if (arg_given(c, at + 1) && arg_int(r, c, at + 1, n, &b))
        return ERR_INVALID;
    a = a < 0 ? (a + n < 0 ? 0 : a + n) : a;
    b = b < 0 ? (b + n < 0 ? 0 : b + n) : b > n ? n : b;
    *from = a > n ? TEXT_NOWHERE : unicode_offset(v.u.s, v.len, (size_t)a);
    *to = unicode_offset(v.u.s, v.len, (size_t)b);
    return run_bytes(r, v.len);
}

static int find(struct run *r, struct call *c, bool last, bool must, struct value *out)
{
    struct value what, part;
    size_t from, to, at = TEXT_NOWHERE;
    int rc = arg_text(r, c, 0, NULL, &what);

    if (!rc)
        rc = range_of(r, c, 1, &from, &to);
    if (rc)
        return rc;
    if (from != TEXT_NOWHERE && from <= to) {
        part = text_part(c->self, from, to);
        rc = last ? text_find_last(r, part, what, part.len, &at) : text_find(r, part, what, 0, &at);
        if (rc)
            return rc;
    }
    if (at == TEXT_NOWHERE && must)
        return run_fail(r, ERR_INVALID, "what 'index' looks for is not in the string");
    *out = value_int(at == TEXT_NOWHERE ? -1 : (int64_t)unicode_count(c->self.u.s, from + at));
    return 0;
}

static int method_find(struct run *r, struct call *c, struct value *out)
{
    return find(r, c, false, false, out);
}

static int method_rfind(struct run *r, struct call *c, struct value *out)
{
    return find(r, c, true, false, out);
}

static int method_index(struct run *r, struct call *c, struct value *out)
{
    return find(r, c, false, true, out);
}

static int method_rindex(struct run *r, struct call *c, struct value *out)
{
    return find(r, c, true, true, out);
}

static int method_count(struct run *r, struct call *c, struct value *out)
{
    struct value what, part;
    size_t from, to, n = 0, next;
    int rc = arg_text(r, c, 0, NULL, &what);

    if (!rc)
        rc = range_of(r, c, 1, &from, &to);
    if (rc)
        return rc;
    if (from != TEXT_NOWHERE && from <= to) {
        part = text_part(c->self, from, to);
        if (what.len == 0)
            n = unicode_count(part.u.s, part.len) + 1;
        for (size_t at = 0; !rc && what.len; at = next + what.len) {
            rc = text_find(r, part, what, at, &next);
            if (rc || next == TEXT_NOWHERE)
                break;
            n++;
        }
    }
    *out = value_int((int64_t)n);
    return rc ? rc : run_steps(r, n);
}

/* A string, or a tuple of strings of which one will do. */
static int has_end(struct run *r, struct call *c,
                   int (*has)(struct run *, struct value, struct value, bool *), struct value *out)
{
    struct list one = {.items = c->args, .n = 1}, *ends = &one;
    struct value v;
    size_t from, to;
    bool inside, found = false;
    int rc = range_of(r, c, 1, &from, &to);

    if (rc)
        return rc;
    inside = from != TEXT_NOWHERE && from <= to;
    v = inside ? text_part(c->self, from, to) : value_text("", 0);
    if (c->args[0].kind == VALUE_TUPLE)
        ends = c->args[0].u.list;
    for (size_t i = 0; !rc && i < ends->n; i++) {
        bool has_it = false;

        if (ends->items[i].kind == VALUE_UNDEFINED)
            return ops_defined(r, ends->items[i]);
        if (ends->items[i].kind != VALUE_TEXT)
            return run_fail(r, ERR_INVALID, "'%s' needs a string, not %s", c->builtin->name,
                            value_kind_name(ends->items[i]));
        if (inside)
            rc = has(r, v, ends->items[i], &has_it);
        found |= has_it;
    }
    *out = value_bool(found);
    return rc ? rc : run_steps(r, ends->n);
}

static int method_startswith(struct run *r, struct call *c, struct value *out)
{
    return has_end(r, c, text_starts, out);
}

static int method_endswith(struct run *r, struct call *c, struct value *out)
{
    return has_end(r, c, text_ends, out);
}

static int method_removeprefix(struct run *r, struct call *c, struct value *out)
{
    struct value end;
    bool has = false;
    int rc = arg_text(r, c, 0, NULL, &end);

    *out = c->self;
    if (!rc)
        rc = text_starts(r, c->self, end, &has);
    if (has)
        *out = text_part(c->self, end.len, c->self.len);
    return rc;
}

static int method_removesuffix(struct run *r, struct call *c, struct value *out)
{
    struct value end;
    bool has = false;
    int rc = arg_text(r, c, 0, NULL, &end);

    *out = c->self;
    if (!rc)
        rc = text_ends(r, c->self, end, &has);
    if (has)
        *out = text_part(c->self, 0, c->self.len - end.len);
    return rc;
}

/* ---- making texts ---------------------------------------------------------------------------- */

static int method_replace(struct run *r, struct call *c, struct value *out)
{
    struct value from, to;
    int64_t count;

    if (arg_text(r, c, 0, NULL, &from) || arg_text(r, c, 1, NULL, &to) ||
        arg_int(r, c, 2, -1, &count))
        return ERR_INVALID;
    return text_replace(r, c->self, from, to, count, out);
}

static int method_join(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r);
    struct list *items;
    int rc = value_items(r, c->args[0], &items);

    for (size_t i = 0; !rc && i < items->n; i++) {
        struct value v = items->items[i];

        if (v.kind == VALUE_UNDEFINED)
            return ops_defined(r, v);
        if (v.kind != VALUE_TEXT)
            return run_fail(r, ERR_INVALID, "item %zu of what is joined is %s, not a string", i,
                            value_kind_name(v));
        if (i)
            rc = run_put(r, c->self.u.s, c->self.len);
        if (!rc)
            rc = run_put(r, v.u.s, v.len) || run_steps(r, 1) ? ERR_LIMIT : 0;
    }
    return rc ? rc : run_take(r, mark, out);
}

/* Padded to a width with blanks, or what else is given. */
static int justify(struct run *r, struct call *c, char align, struct value *out)
{
    struct format_spec f = FORMAT_PLAIN;
    size_t mark = run_mark(r);
    struct value fill;

    if (arg_int(r, c, 0, 0, &f.width) || arg_text(r, c, 1, " ", &fill))
        return ERR_INVALID;
    if (unicode_count(fill.u.s, fill.len) != 1 || f.width > FORMAT_MAX_WIDTH)
        return run_fail(r, ERR_INVALID, "'%s' needs one character and a width up to %d",
                        c->builtin->name, FORMAT_MAX_WIDTH);
    memcpy(f.fill, fill.u.s, fill.len);
    f.fill_len = fill.len;
    return format_put_text(r, &f, c->self, align) || run_take(r, mark, out) ? ERR_LIMIT : 0;
}

static int method_ljust(struct run *r, struct call *c, struct value *out)
{
    return justify(r, c, '<', out);
}

static int method_rjust(struct run *r, struct call *c, struct value *out)
{
    return justify(r, c, '>', out);
}

static int method_zfill(struct run *r, struct call *c, struct value *out)
{
    struct value v = c->self;
    size_t mark = run_mark(r), n = unicode_count(v.u.s, v.len);
    size_t sign = v.len && (v.u.s[0] == '+' || v.u.s[0] == '-');
    int64_t width;
    int rc = arg_int(r, c, 0, 0, &width);

    if (!rc && width > FORMAT_MAX_WIDTH)
        rc = run_fail(r, ERR_INVALID, "'zfill' to more than %d digits", FORMAT_MAX_WIDTH);
    if (!rc)
        rc = run_put(r, v.u.s, sign);
    for (int64_t i = (int64_t)n; !rc && i < width; i++)
        rc = run_puts(r, "0");
    if (!rc)
        rc = run_put(r, v.u.s + sign, v.len - sign);
    return rc ? rc : run_take(r, mark, out);
}

const struct builtin builtins_method_text[] = {
    {"strip", "chars?", method_strip},
    {"lstrip", "chars?", method_lstrip},
    {"rstrip", "chars?", method_rstrip},
    {"find", "sub start? end?", method_find},
    {"rfind", "sub start? end?", method_rfind},
    {"index", "sub start? end?", method_index},
    {"rindex", "sub start? end?", method_rindex},
    {"count", "sub start? end?", method_count},
    {"startswith", "prefix start? end?", method_startswith},
    {"endswith", "suffix start? end?", method_endswith},
    {"removeprefix", "prefix", method_removeprefix},
    {"removesuffix", "suffix", method_removesuffix},
    {"replace", "old new count?", method_replace},
    {"join", "iterable", method_join},
    {"format", NULL, format_braces},
    {"ljust", "width fillchar?", method_ljust},
    {"rjust", "width fillchar?", method_rjust},
    {"zfill", "width", method_zfill},
    {0},
};
