/* method_split.c - methods of strings that take them apart. Source: as method_text.c. */
#include "jinja/builtins.h"
#include "jinja/text.h"
#include "jinja/unicode.h"

/* At white space, any amount of it; what is left over after `max` cuts stays as it is. */
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
    return rc || at == v.len ? rc : list_append(r, l, value_text(v.u.s + at, v.len - at));
}

static int split_at(struct run *r, struct value v, struct value separator, int64_t max,
                    struct list *l)
{
    size_t at = 0, next;
    int rc = 0;

    while (!rc && max-- != 0) {
        rc = text_find(r, v, separator, at, &next);
        if (rc || next == TEXT_NOWHERE)
            break;
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
    if (!rc && end > 0)
        rc = list_append(r, l, value_text(v.u.s, end));
    reverse(l);
    return rc;
}

static int rsplit_at(struct run *r, struct value v, struct value separator, int64_t max,
                     struct list *l)
{
    size_t end = v.len, at;
    int rc = 0;

    while (!rc && max-- != 0) {
        rc = text_find_last(r, v, separator, end, &at);
        if (rc || at == TEXT_NOWHERE)
            break;
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
    struct list *l = NULL;
    int64_t max;
    int rc = list_create(r, 0, &l);

    *out = value_list(l);
    if (!rc)
        rc = arg_int(r, c, 1, -1, &max);
    if (!rc && max < 0)
        max = -1; /* at all: below it there is no end to count down to */
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
    struct list *l = NULL;
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
    struct list *l = NULL;
    size_t at;
    int rc = arg_text(r, c, 0, NULL, &separator);

    if (!rc && separator.len == 0)
        rc = run_fail(r, ERR_INVALID, "a string cannot be split at an empty one");
    if (!rc)
        rc = list_create(r, 3, &l);
    if (!rc)
        rc =
            last ? text_find_last(r, v, separator, v.len, &at) : text_find(r, v, separator, 0, &at);
    if (rc)
        return rc;
    parts[0] = parts[1] = parts[2] = value_text("", 0);
    if (at == TEXT_NOWHERE) {
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

const struct builtin builtins_method_split[] = {
    {"split", "sep? maxsplit?", method_split},      {"rsplit", "sep? maxsplit?", method_rsplit},
    {"splitlines", "keepends?", method_splitlines}, {"partition", "sep", method_partition},
    {"rpartition", "sep", method_rpartition},       {0},
};
