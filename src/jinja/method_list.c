/* method_list.c - methods of lists and tuples. Source: the Python Library Reference, "Sequence
 * Types". */
#include "jinja/builtins.h"
#include "jinja/run.h"

static int method_append(struct run *r, struct call *c, struct value *out)
{
    *out = value_none();
    return list_append(r, c->self.u.list, c->args[0]);
}

static int method_extend(struct run *r, struct call *c, struct value *out)
{
    struct list *l = c->self.u.list, *more = NULL;
    int rc = value_items(r, c->args[0], &more);
    size_t n = rc ? 0 : more->n; /* a list may be extended by itself */

    *out = value_none();
    for (size_t i = 0; !rc && i < n; i++)
        rc = list_append(r, l, more->items[i]);
    return rc;
}

static int method_insert(struct run *r, struct call *c, struct value *out)
{
    struct list *l = c->self.u.list;
    int64_t at, n = (int64_t)l->n;
    int rc = arg_int(r, c, 0, 0, &at);

    *out = value_none();
    if (!rc)
        rc = list_append(r, l, c->args[1]);
    if (rc)
        return rc;
    at = at < 0 ? (at + n < 0 ? 0 : at + n) : at > n ? n : at;
    memmove(l->items + at + 1, l->items + at, (size_t)(n - at) * sizeof *l->items);
    l->items[at] = c->args[1];
    return run_bytes(r, (size_t)(n - at) * sizeof *l->items);
}

static int remove_at(struct run *r, struct list *l, size_t at)
{
    size_t behind = (l->n - at - 1) * sizeof *l->items;

    memmove(l->items + at, l->items + at + 1, behind);
    l->n--;
    return run_bytes(r, behind);
}

static int method_pop(struct run *r, struct call *c, struct value *out)
{
    struct list *l = c->self.u.list;
    int64_t at;
    int rc = arg_int(r, c, 0, -1, &at);

    if (rc)
        return rc;
    at = at < 0 ? at + (int64_t)l->n : at;
    if (at < 0 || (size_t)at >= l->n)
        return run_fail(r, ERR_INVALID, "'pop' of an item that a list of %zu has not", l->n);
    *out = l->items[at];
    return remove_at(r, l, (size_t)at);
}

/* Where an item equal to args[0] is; an error when nowhere. */
static int place_of(struct run *r, struct call *c, size_t *at)
{
    struct list *l = c->self.u.list;
    bool equal;

    for (*at = 0; *at < l->n; ++*at) {
        int rc = value_equal(r, l->items[*at], c->args[0], &equal);

        if (rc || equal)
            return rc;
    }
    return run_fail(r, ERR_INVALID, "what '%s' looks for is not in the list", c->builtin->name);
}

static int method_remove(struct run *r, struct call *c, struct value *out)
{
    size_t at;
    int rc = place_of(r, c, &at);

    *out = value_none();
    return rc ? rc : remove_at(r, c->self.u.list, at);
}

static int method_index(struct run *r, struct call *c, struct value *out)
{
    size_t at = 0;
    int rc = place_of(r, c, &at);

    *out = value_int((int64_t)at);
    return rc;
}

static int method_count(struct run *r, struct call *c, struct value *out)
{
    struct list *l = c->self.u.list;
    int64_t n = 0;
    bool equal = false;
    int rc = 0;

    for (size_t i = 0; !rc && i < l->n; i++) {
        rc = value_equal(r, l->items[i], c->args[0], &equal);
        n += !rc && equal;
    }
    *out = value_int(n);
    return rc;
}

static int method_reverse(struct run *r, struct call *c, struct value *out)
{
    struct list *l = c->self.u.list;

    for (size_t i = 0, j = l->n; i + 1 < j; i++) {
        struct value v = l->items[i];

        l->items[i] = l->items[--j];
        l->items[j] = v;
    }
    *out = value_none();
    return run_steps(r, l->n);
}

static int method_clear(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    c->self.u.list->n = 0;
    *out = value_none();
    return 0;
}

static int method_copy(struct run *r, struct call *c, struct value *out)
{
    struct list *l = NULL;
    int rc = arg_self_items(r, c, &l);

    *out = value_list(l);
    return rc;
}

/* In place; as the filter "sort", but case counts. */
static int method_sort(struct run *r, struct call *c, struct value *out)
{
    struct list *l = c->self.u.list;
    const struct keyword by_case = {value_text("case_sensitive", 14), value_bool(true)};
    struct value given = value_bool(arg_truth(c, 0, false)), sorted;
    struct call inner = {
        .self = c->self, .given = &given, .n_given = 1, .keywords = &by_case, .n_keywords = 1};
    int rc = call_builtin(r, builtin_filter("sort", 4), &inner, &sorted);

    if (!rc && l->n)
        memcpy(l->items, sorted.u.list->items, l->n * sizeof *l->items);
    *out = value_none();
    return rc;
}

const struct builtin builtins_method_list[] = {
    {"append", "object", method_append},
    {"extend", "iterable", method_extend},
    {"insert", "index object", method_insert},
    {"pop", "index?", method_pop},
    {"remove", "value", method_remove},
    {"index", "value", method_index},
    {"count", "value", method_count},
    {"reverse", "", method_reverse},
    {"clear", "", method_clear},
    {"copy", "", method_copy},
    {"sort", "reverse?", method_sort},
    {0},
};

const struct builtin builtins_method_tuple[] = {
    {"index", "value", method_index},
    {"count", "value", method_count},
    {0},
};
