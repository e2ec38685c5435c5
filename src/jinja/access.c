/*
 * access.c - attributes, items and slices. Source: the Jinja documentation, "Variables": v.name
 * looks for an attribute (a method) first, v["name"] for an item first, and what is in neither
 * place is undefined; the Python Language Reference for indices and slices.
 */
#include "jinja/builtins.h"
#include "jinja/run.h"
#include "jinja/unicode.h"

static int missing(struct value name, struct value *out)
{
    *out = name.kind == VALUE_TEXT ? value_undefined(name.u.s, name.len) : value_nothing("item");
    return 0;
}

/* A method, or one of the few other attributes; *found says whether there is one. */
static int own_attr(struct run *r, struct value v, struct value name, struct value *out,
                    bool *found)
{
    const struct builtin *b = builtin_method(v, name.u.s, name.len);
    struct method *m;

    *found = true;
    if (b) {
        m = run_alloc(r, sizeof *m);
        if (!m)
            return ERR_LIMIT;
        *m = (struct method){.self = v, .builtin = b};
        *out = (struct value){.kind = VALUE_METHOD, .u.method = m};
        return 0;
    }
    if (v.kind == VALUE_LOOP)
        return loop_attr(r, v, name, out);
    if (v.kind == VALUE_TUPLE && v.u.list->group && value_is_text(name, "grouper"))
        *out = v.u.list->items[0];
    else if (v.kind == VALUE_TUPLE && v.u.list->group && value_is_text(name, "list"))
        *out = v.u.list->items[1];
    else if (v.kind == VALUE_CYCLER && value_is_text(name, "current"))
        *out = v.u.list->items[v.u.list->at];
    else if (v.kind == VALUE_MACRO && value_is_text(name, "name"))
        *out = v.u.macro->node->value;
    else
        *found = false;
    return 0;
}

static int item_of_dict(struct run *r, const struct dict *d, struct value key, struct value *out,
                        bool *found)
{
    size_t at;
    int rc;

    *found = false;
    if (key.kind == VALUE_LIST || key.kind == VALUE_DICT)
        return 0;
    rc = dict_find(r, d, key, &at);
    if (!rc && at < d->n) {
        *out = d->entries[at].value;
        *found = true;
    }
    return rc;
}

/* An index counted from the end when negative; false when it lies outside of n items. */
static bool in_range(int64_t index, size_t n, size_t *at)
{
    if (index < 0)
        index += (int64_t)n;
    *at = (size_t)index;
    return index >= 0 && (size_t)index < n;
}

static int item_of_text(struct run *r, struct value v, int64_t index, struct value *out,
                        bool *found)
{
    size_t n = unicode_count(v.u.s, v.len), at, bytes;

    *found = in_range(index, n, &at);
    if (*found) {
        size_t from = unicode_offset(v.u.s, v.len, at);

        unicode_at(v.u.s + from, &bytes);
        *out = value_text(v.u.s + from, bytes);
        out->markup = v.markup;
    }
    return run_bytes(r, v.len);
}

/* v[key] alone, without attributes. */
static int own_item(struct run *r, struct value v, struct value key, struct value *out, bool *found)
{
    size_t at;

    *found = false;
    if (v.kind == VALUE_DICT)
        return item_of_dict(r, v.u.dict, key, out, found);
    if (key.kind != VALUE_INT && key.kind != VALUE_BOOL)
        return 0;
    if (v.kind == VALUE_TEXT)
        return item_of_text(r, v, value_as_int(key), out, found);
    if (value_is_list(v) && in_range(value_as_int(key), v.u.list->n, &at)) {
        *out = v.u.list->items[at];
        *found = true;
    }
    return 0;
}

int access_attr(struct run *r, struct value v, struct value name, struct value *out)
{
    bool found;
    int rc = ops_defined(r, v);

    if (rc)
        return rc;
    rc = v.kind == VALUE_NAMESPACE ? item_of_dict(r, v.u.dict, name, out, &found)
                                   : own_attr(r, v, name, out, &found);
    if (!rc && !found)
        rc = own_item(r, v, name, out, &found);
    return rc || found ? rc : missing(name, out);
}

int access_item(struct run *r, struct value v, struct value key, struct value *out)
{
    bool found = false;
    int rc = ops_defined(r, v);

    if (!rc)
        rc = own_item(r, v, key, out, &found);
    if (rc || found)
        return rc;
    return key.kind == VALUE_TEXT ? access_attr(r, v, key, out) : missing(key, out);
}

/* One step of a path: digits are an index. */
static int access_step(struct run *r, struct value v, struct value part, struct value *out)
{
    int64_t index = 0;

    for (uint32_t i = 0; i < part.len; i++) {
        if (!unicode_digit((unsigned char)part.u.s[i]) || i > 8)
            return access_item(r, v, part, out);
        index = index * 10 + (part.u.s[i] - '0');
    }
    return access_item(r, v, part.len ? value_int(index) : part, out);
}

int access_path(struct run *r, struct value v, struct value path, struct value *out)
{
    const char *s = path.u.s, *end;
    int rc;

    if (path.kind != VALUE_TEXT)
        return access_item(r, v, path, out);
    rc = run_chars(r, path.len);
    for (end = s + path.len; !rc && s <= end;) {
        const char *dot = s < end ? memchr(s, '.', (size_t)(end - s)) : NULL;
        const char *stop = dot ? dot : end;

        rc = access_step(r, v, value_text(s, (size_t)(stop - s)), &v);
        s = stop + 1;
    }
    *out = v;
    return rc;
}

/* ---- slices ---------------------------------------------------------------------------------- */

struct slice {
    int64_t from, step;
    size_t n; /* items it has */
};

static int64_t clamp(int64_t i, int64_t low, int64_t high)
{
    return i < low ? low : i > high ? high : i;
}

static int slice_part(struct run *r, struct value v, bool *given, int64_t *out)
{
    *given = v.kind != VALUE_NONE && v.kind != VALUE_MISSING;
    if (!*given)
        return 0;
    if (v.kind != VALUE_INT && v.kind != VALUE_BOOL)
        return run_fail(r, ERR_INVALID, "a slice needs integers, not %s", value_kind_name(v));
    *out = value_as_int(v);
    return 0;
}

/* Which of n items a slice has, by the rules of Python's slice.indices(). */
static int slice_plan(struct run *r, const struct value part[3], int64_t n, struct slice *s)
{
    int64_t from = 0, to = 0, step = 1, low, high;
    bool has_from, has_to, has_step;

    if (slice_part(r, part[0], &has_from, &from) || slice_part(r, part[1], &has_to, &to) ||
        slice_part(r, part[2], &has_step, &step))
        return ERR_INVALID;
    if (step == 0)
        return run_fail(r, ERR_INVALID, "the step of a slice is 0");
    step = clamp(step, -INT64_MAX, INT64_MAX);
    low = step < 0 ? -1 : 0;
    high = step < 0 ? n - 1 : n;
    from = !has_from ? (step < 0 ? high : low) : clamp(from < 0 ? from + n : from, low, high);
    to = !has_to ? (step < 0 ? low : high) : clamp(to < 0 ? to + n : to, low, high);
    s->from = from;
    s->step = step;
    if (step > 0)
        s->n = from < to ? (size_t)((to - from - 1) / step + 1) : 0;
    else
        s->n = to < from ? (size_t)((from - to - 1) / -step + 1) : 0;
    return 0;
}

static int slice_list(struct run *r, struct value v, const struct slice *s, struct value *out)
{
    struct list *l = NULL;
    int rc = list_create(r, s->n, &l);

    for (size_t i = 0; !rc && i < s->n; i++)
        rc = list_append(r, l, v.u.list->items[s->from + (int64_t)i * s->step]);
    *out = v.kind == VALUE_LIST ? value_list(l) : value_tuple(l);
    return rc;
}

/* Characters that follow each other are a part of the text itself. */
static int slice_text(struct run *r, struct value v, const struct slice *s, struct value *out)
{
    size_t mark = run_mark(r), from = unicode_offset(v.u.s, v.len, (size_t)s->from), end;
    struct list *chars = NULL;
    int rc;

    if (s->n == 0) {
        *out = value_text("", 0);
    } else if (s->step == 1) {
        end = from + unicode_offset(v.u.s + from, v.len - from, s->n);
        *out = value_text(v.u.s + from, end - from);
    } else {
        rc = value_items(r, v, &chars);
        for (size_t i = 0; !rc && i < s->n; i++) {
            struct value c = chars->items[s->from + (int64_t)i * s->step];

            rc = run_put(r, c.u.s, c.len);
        }
        if (rc || run_take(r, mark, out))
            return ERR_LIMIT;
    }
    out->markup = v.markup;
    return run_bytes(r, v.len);
}

int access_slice(struct run *r, struct value v, const struct value part[3], struct value *out)
{
    struct slice s;
    int rc = ops_defined(r, v);

    if (rc)
        return rc;
    if (v.kind == VALUE_DICT)
        return run_fail(r, ERR_INVALID, "a mapping has no slices");
    if (v.kind != VALUE_TEXT && !value_is_list(v))
        return missing(value_none(), out);
    if (v.kind == VALUE_TEXT)
        rc = slice_plan(r, part, (int64_t)unicode_count(v.u.s, v.len), &s);
    else
        rc = slice_plan(r, part, (int64_t)v.u.list->n, &s);
    if (rc)
        return rc;
    return v.kind == VALUE_TEXT ? slice_text(r, v, &s, out) : slice_list(r, v, &s, out);
}
