/* method_text.c - methods of strings. Source: the Python Library Reference, "String Methods". */
#include "jinja/builtins.h"
#include "jinja/format.h"
#include "jinja/text.h"
#include "jinja/unicode.h"

#define NOWHERE ((size_t)-1)

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

/* ---- split ----------------------------------------------------------------------------------- */

/* At white space, any amount of it; none at the ends. */
static int split_words(struct run *r, struct value v, int64_t max, struct list *l)
{
    size_t at = unicode_leading_space(v.u.s, v.len), n;
    int rc = 0;

    for (; !rc && at < v.len && max != 0; max--) {
        size_t end = at;

        while (end < v.len && !unicode_space(unicode_at(v.u.s + end, &n)))
            end += n;
        rc = list_append(r, l, value_text(v.u.s + at, end - at));
        at = end + unicode_leading_space(v.u.s + end, v.len - end);
    }
    if (!rc && at < v.len) {
        size_t space = unicode_trailing_space(v.u.s + at, v.len - at);

        rc = list_append(r, l, value_text(v.u.s + at, v.len - at - space));
    }
    return rc;
}

static int split_at(struct run *r, struct value v, struct value separator, int64_t max,
                    struct list *l)
{
    size_t at = 0, next;
    int rc = 0;

    while (!rc && max-- != 0 && (next = text_find(v, separator, at)) != NOWHERE) {
        rc = list_append(r, l, value_text(v.u.s + at, next - at));
        at = next + separator.len;
    }
    return rc ? rc : list_append(r, l, value_text(v.u.s + at, v.len - at));
}

static void reverse(struct list *l)
{
    for (size_t i = 0, j = l->n; i + 1 < j; i++) {
        struct value v = l->items[i];

        l->items[i] = l->items[--j];
        l->items[j] = v;
    }
}

static int rsplit_words(struct run *r, struct value v, int64_t max, struct list *l)
{
    size_t end = v.len - unicode_trailing_space(v.u.s, v.len), from = 0;
    int rc = 0;

    for (; !rc && end > 0 && max != 0; max--) {
        from = end;
        while (from > 0 && unicode_trailing_space(v.u.s, from) == 0)
            do
                from--;
            while (from > 0 && ((unsigned char)v.u.s[from] & 0xc0) == 0x80);
        rc = list_append(r, l, value_text(v.u.s + from, end - from));
        end = from - unicode_trailing_space(v.u.s, from);
    }
    from = unicode_leading_space(v.u.s, end);
    if (!rc && end > from)
        rc = list_append(r, l, value_text(v.u.s + from, end - from));
    reverse(l);
    return rc;
}

static int rsplit_at(struct run *r, struct value v, struct value separator, int64_t max,
                     struct list *l)
{
    size_t end = v.len, at;
    int rc = 0;

    while (!rc && max-- != 0 && (at = text_find_last(v, separator, end)) != NOWHERE) {
        rc = list_append(r, l, value_text(v.u.s + at + separator.len, end - at - separator.len));
        end = at;
    }
    if (!rc)
        rc = list_append(r, l, value_text(v.u.s, end));
    reverse(l);
    return rc;
}

static int split(struct run *r, struct call *c, bool from_right, struct value *out)
{
    struct value separator;
    struct list *l;
    int64_t max;
    int rc = list_create(r, 0, &l);

    *out = value_list(l);
    if (!rc)
        rc = arg_int(r, c, 1, -1, &max);
    if (!rc)
        rc = run_steps(r, c->self.len / 4);
    if (rc)
        return rc;
    if (!arg_given(c, 0))
        return from_right ? rsplit_words(r, c->self, max, l) : split_words(r, c->self, max, l);
    rc = arg_text(r, c, 0, NULL, &separator);
    if (!rc && separator.len == 0)
        rc = run_fail(r, ERR_INVALID, "a string cannot be split at an empty one");
    if (rc)
        return rc;
    return from_right ? rsplit_at(r, c->self, separator, max, l)
                      : split_at(r, c->self, separator, max, l);
}

static int method_split(struct run *r, struct call *c, struct value *out)
{
    return split(r, c, false, out);
}

static int method_rsplit(struct run *r, struct call *c, struct value *out)
{
    return split(r, c, true, out);
}

/* Bytes of the line end at s, 0 for none. */
static size_t line_end(const char *s, size_t n)
{
    size_t len;
    uint32_t code = unicode_at(s, &len);

    if (code == '\r' && n > 1 && s[1] == '\n')
        return 2;
    return (code >= 0x0a && code <= 0x0d) || (code >= 0x1c && code <= 0x1e) || code == 0x85 ||
                   code == 0x2028 || code == 0x2029
               ? len
               : 0;
}

static int method_splitlines(struct run *r, struct call *c, struct value *out)
{
    bool keep = arg_truth(c, 0, false);
    struct value v = c->self;
    struct list *l;
    size_t from = 0, n, end;
    int rc = list_create(r, 0, &l);

    for (size_t at = 0; !rc && at < v.len; at += n) {
        unicode_at(v.u.s + at, &n);
        end = line_end(v.u.s + at, v.len - at);
        if (!end)
            continue;
        n = end;
        rc = list_append(r, l, value_text(v.u.s + from, at + (keep ? n : 0) - from));
        from = at + n;
    }
    if (!rc && from < v.len)
        rc = list_append(r, l, value_text(v.u.s + from, v.len - from));
    *out = value_list(l);
    return rc ? rc : run_steps(r, v.len);
}

static int partition(struct run *r, struct call *c, bool last, struct value *out)
{
    struct value v = c->self, separator, parts[3];
    struct list *l;
    size_t at;
    int rc = arg_text(r, c, 0, NULL, &separator);

    if (!rc && separator.len == 0)
        rc = run_fail(r, ERR_INVALID, "a string cannot be split at an empty one");
    if (!rc)
        rc = list_create(r, 3, &l);
    if (rc)
        return rc;
    at = last ? text_find_last(v, separator, v.len) : text_find(v, separator, 0);
    parts[0] = parts[1] = parts[2] = value_text("", 0);
    if (at == NOWHERE) {
        parts[last ? 2 : 0] = v;
    } else {
        parts[0] = text_part(v, 0, at);
        parts[1] = separator;
        parts[2] = text_part(v, at + separator.len, v.len);
    }
    for (int i = 0; !rc && i < 3; i++)
        rc = list_append(r, l, parts[i]);
    *out = value_tuple(l);
    return rc ? rc : run_bytes(r, v.len);
}

static int method_partition(struct run *r, struct call *c, struct value *out)
{
    return partition(r, c, false, out);
}

static int method_rpartition(struct run *r, struct call *c, struct value *out)
{
    return partition(r, c, true, out);
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
    *from = a > n ? NOWHERE : unicode_offset(v.u.s, v.len, (size_t)a);
    *to = unicode_offset(v.u.s, v.len, (size_t)b);
    return run_bytes(r, v.len);
}

static int find(struct run *r, struct call *c, bool last, bool must, struct value *out)
{
    struct value what, part;
    size_t from, to, at = NOWHERE;
    int rc = arg_text(r, c, 0, NULL, &what);

    if (!rc)
        rc = range_of(r, c, 1, &from, &to);
    if (rc)
        return rc;
    if (from != NOWHERE && from <= to) {
        part = text_part(c->self, from, to);
        at = last ? text_find_last(part, what, part.len) : text_find(part, what, 0);
    }
    if (at == NOWHERE && must)
        return run_fail(r, ERR_INVALID, "what 'index' looks for is not in the string");
    *out = value_int(at == NOWHERE ? -1 : (int64_t)unicode_count(c->self.u.s, from + at));
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
    if (from != NOWHERE && from <= to) {
        part = text_part(c->self, from, to);
        if (what.len == 0)
            n = unicode_count(part.u.s, part.len) + 1;
        for (size_t at = 0; what.len && (next = text_find(part, what, at)) != NOWHERE; n++)
            at = next + what.len;
    }
    *out = value_int((int64_t)n);
    return run_steps(r, n);
}

/* A string, or a tuple of strings of which one will do. */
static int has_end(struct run *r, struct call *c, bool (*has)(struct value, struct value),
                   struct value *out)
{
    struct list one = {.items = c->args, .n = 1}, *ends = &one;
    struct value v;
    size_t from, to;
    int rc = range_of(r, c, 1, &from, &to);

    if (rc)
        return rc;
    v = from != NOWHERE && from <= to ? text_part(c->self, from, to) : value_text("", 0);
    if (c->args[0].kind == VALUE_TUPLE)
        ends = c->args[0].u.list;
    *out = value_bool(false);
    for (size_t i = 0; i < ends->n; i++) {
        if (ends->items[i].kind == VALUE_UNDEFINED)
            return ops_defined(r, ends->items[i]);
        if (ends->items[i].kind != VALUE_TEXT)
            return run_fail(r, ERR_INVALID, "'%s' needs a string, not %s", c->builtin->name,
                            value_kind_name(ends->items[i]));
        if (has(v, ends->items[i]))
            *out = value_bool(true);
    }
    return run_steps(r, ends->n);
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
    int rc = arg_text(r, c, 0, NULL, &end);

    *out = c->self;
    if (!rc && text_starts(c->self, end))
        *out = text_part(c->self, end.len, c->self.len);
    return rc;
}

static int method_removesuffix(struct run *r, struct call *c, struct value *out)
{
    struct value end;
    int rc = arg_text(r, c, 0, NULL, &end);

    *out = c->self;
    if (!rc && text_ends(c->self, end))
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
    {"split", "sep? maxsplit?", method_split},
    {"rsplit", "sep? maxsplit?", method_rsplit},
    {"splitlines", "keepends?", method_splitlines},
    {"partition", "sep", method_partition},
    {"rpartition", "sep", method_rpartition},
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
