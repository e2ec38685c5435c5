/* compare.c - equality, order and membership of values, as Python has them. See value.h. */
#include "jinja/run.h"
#include "jinja/value.h"

static int compare_numbers(struct value a, struct value b)
{
    double x, y;

    if (a.kind != VALUE_FLOAT && b.kind != VALUE_FLOAT) {
        int64_t i = value_as_int(a), j = value_as_int(b);

        return (i > j) - (i < j);
    }
    x = value_as_double(a);
    y = value_as_double(b);
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : VALUE_UNORDERED;
}

static int equal_lists(struct run *r, const struct list *a, const struct list *b, bool *out)
{
    int rc = 0;

    *out = a->n == b->n;
    for (size_t i = 0; !rc && *out && i < a->n && i < b->n; i++)
        rc = value_equal(r, a->items[i], b->items[i], out);
    return rc;
}

static int equal_dicts(struct run *r, const struct dict *a, const struct dict *b, bool *out)
{
    int rc = 0;

    *out = a->n == b->n;
    for (size_t i = 0; !rc && *out && i < a->n; i++) {
        size_t at;

        rc = dict_find(r, b, a->entries[i].key, &at);
        *out = !rc && at < b->n;
        if (*out)
            rc = value_equal(r, a->entries[i].value, b->entries[at].value, out);
    }
    return rc;
}

static int equal_kinds(struct run *r, struct value a, struct value b, bool *out)
{
    int rc;

    switch (a.kind) {
    case VALUE_NONE:
    case VALUE_MISSING:
    case VALUE_UNDEFINED:
        *out = true;
        return 0;
    case VALUE_TEXT:
        rc = a.len == b.len ? run_bytes(r, a.len) : 0; /* also when they differ: maybe at the end */
        *out = !rc && a.len == b.len && memcmp(a.u.s, b.u.s, a.len) == 0;
        return rc;
    case VALUE_LIST:
    case VALUE_TUPLE:
        return equal_lists(r, a.u.list, b.u.list, out);
    case VALUE_DICT:
        return equal_dicts(r, a.u.dict, b.u.dict, out);
    case VALUE_METHOD:
        *out = a.u.method->builtin == b.u.method->builtin;
        return *out ? value_equal(r, a.u.method->self, b.u.method->self, out) : 0;
    default:
        *out = a.u.macro == b.u.macro;
        return 0;
    }
}

int value_equal(struct run *r, struct value a, struct value b, bool *out)
{
    int rc = run_steps(r, 1);

    if (!rc)
        rc = run_enter(r);
    if (rc)
        return rc;
    if (value_is_number(a) && value_is_number(b))
        *out = compare_numbers(a, b) == 0;
    else if (a.kind != b.kind)
        *out = false;
    else
        rc = equal_kinds(r, a, b, out);
    r->depth--;
    return rc;
}

static int compare_texts(struct run *r, struct value a, struct value b, int *out)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.u.s, b.u.s, n) : 0; /* UTF-8 has the order of code points */

    *out = order ? (order > 0) - (order < 0) : (a.len > b.len) - (a.len < b.len);
    return run_bytes(r, n);
}

static int compare_lists(struct run *r, const struct list *a, const struct list *b, int *out)
{
    int rc = 0;

    *out = (a->n > b->n) - (a->n < b->n);
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool equal;

        rc = value_equal(r, a->items[i], b->items[i], &equal);
        if (!rc && !equal)
            return value_compare(r, a->items[i], b->items[i], out);
        if (rc)
            break;
    }
    return rc;
}

int value_compare(struct run *r, struct value a, struct value b, int *out)
{
    int rc = run_steps(r, 1);

    if (!rc)
        rc = run_enter(r);
    if (rc)
        return rc;
    if (value_is_number(a) && value_is_number(b))
        *out = compare_numbers(a, b);
    else if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
        rc = compare_texts(r, a, b, out);
    else if (value_is_list(a) && a.kind == b.kind)
        rc = compare_lists(r, a.u.list, b.u.list, out);
    else if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
        rc = ops_defined(r, a.kind == VALUE_UNDEFINED ? a : b);
    else
        rc = run_fail(r, ERR_INVALID, "%s and %s have no order", value_kind_name(a),
                      value_kind_name(b));
    r->depth--;
    return rc;
}

static int contains_item(struct run *r, const struct list *l, struct value item, bool *out)
{
    int rc = 0;

    *out = false;
    for (size_t i = 0; !rc && !*out && i < l->n; i++)
        rc = value_equal(r, l->items[i], item, out);
    return rc;
}

int value_contains(struct run *r, struct value container, struct value item, bool *out)
{
    size_t at;
    int rc;

    *out = false;
    switch (container.kind) {
    case VALUE_UNDEFINED:
        return 0;
    case VALUE_TEXT:
        if (item.kind == VALUE_UNDEFINED)
            return ops_defined(r, item);
        if (item.kind != VALUE_TEXT)
            return run_fail(r, ERR_INVALID, "%s cannot be looked for in a string",
                            value_kind_name(item));
        *out = memmem(container.u.s, container.len, item.u.s, item.len) != NULL;
        return run_bytes(r, container.len);
    case VALUE_LIST:
    case VALUE_TUPLE:
        return contains_item(r, container.u.list, item, out);
    case VALUE_DICT:
        rc = dict_find(r, container.u.dict, item, &at);
        *out = !rc && at < container.u.dict->n;
        return rc;
    default:
        return run_fail(r, ERR_INVALID, "nothing can be looked for in %s",
                        value_kind_name(container));
    }
}
