/*
 * filter_order.c - filters that compare items. Strings are compared without regard to case unless
 * asked. Source: as filter_text.c.
 */
#include "jinja/builtins.h"
#include "jinja/text.h"

/* How items are compared: by what of them, and whether case counts. */
struct order {
    struct value attribute; /* missing: by themselves */
    struct value fallback;  /* for an attribute that is not there; missing: undefined */
    bool case_sensitive, reverse;
};

/* An item and what it is compared by. */
struct keyed {
    struct value key, item;
};

static int fold_case(struct run *r, const struct order *o, struct value v, struct value *out)
{
    *out = v;
    return o->case_sensitive || v.kind != VALUE_TEXT ? 0 : text_recase(r, v, TEXT_LOWER, out);
}

/* "a,b.c" compares by several attributes. */
static int several_keys(struct run *r, const struct order *o, struct value item, struct value *out)
{
    struct list *keys = NULL;
    size_t at = 0, comma;
    struct value v;
    int rc = list_create(r, 0, &keys);

    while (!rc && at <= o->attribute.len) {
        rc = text_find(r, o->attribute, value_text(",", 1), at, &comma);
        if (comma == (size_t)-1)
            comma = o->attribute.len;
        if (!rc)
            rc = access_path(r, item, text_part(o->attribute, at, comma), &v);
        if (!rc)
            rc = fold_case(r, o, v, &v);
        if (!rc)
            rc = list_append(r, keys, v);
        at = comma + 1;
    }
    *out = value_tuple(keys);
    return rc;
}

static bool names_several(struct value attribute)
{
    return attribute.kind == VALUE_TEXT && memchr(attribute.u.s, ',', attribute.len);
}

static int key_of(struct run *r, const struct order *o, struct value item, struct value *out)
{
    int rc = 0;

    *out = item;
    if (o->attribute.kind != VALUE_MISSING && o->attribute.kind != VALUE_NONE) {
        if (names_several(o->attribute))
            return several_keys(r, o, item, out);
        rc = access_path(r, item, o->attribute, out);
        if (!rc && out->kind == VALUE_UNDEFINED && o->fallback.kind != VALUE_MISSING)
            *out = o->fallback;
    }
    return rc ? rc : fold_case(r, o, *out, out);
}

static int make_keyed(struct run *r, const struct order *o, const struct list *items,
                      struct keyed **out)
{
    struct keyed *k = run_alloc(r, (items->n + 1) * sizeof *k);
    int rc = k ? 0 : ERR_LIMIT;

    for (size_t i = 0; !rc && i < items->n; i++) {
        k[i].item = items->items[i];
        rc = key_of(r, o, items->items[i], &k[i].key);
    }
    *out = k;
    return rc;
}

/* Merges the sorted halves from..mid..to of k by way of `spare`; equal items keep their order. */
static int merge(struct run *r, struct keyed *k, struct keyed *spare, size_t from, size_t mid,
                 size_t to, bool reverse)
{
    size_t a = from, b = mid;
    int order, rc = 0;

    for (size_t i = from; !rc && i < to; i++) {
        order = a == mid ? 1 : b == to ? -1 : 0;
        if (!order) {
            rc = value_compare(r, k[b].key, k[a].key, &order);
            order = order == (reverse ? 1 : -1) ? 1 : -1;
        }
        spare[i] = order > 0 ? k[b++] : k[a++];
    }
    if (!rc)
        memcpy(k + from, spare + from, (to - from) * sizeof *k);
    return rc;
}

static int sort_keyed(struct run *r, struct keyed *k, size_t n, bool reverse)
{
    struct keyed *spare = run_alloc(r, (n + 1) * sizeof *spare);
    int rc = spare ? 0 : ERR_LIMIT;

    for (size_t half = 1; !rc && half < n; half *= 2)
        for (size_t from = 0; !rc && from + half < n; from += 2 * half) {
            size_t to = from + 2 * half < n ? from + 2 * half : n;

            rc = merge(r, k, spare, from, from + half, to, reverse);
        }
    return rc;
}

/* Sorted items of self by `o`, as keyed items; *n is how many. */
static int sorted(struct run *r, struct call *c, const struct order *o, struct keyed **out,
                  size_t *n)
{
    struct list *items = NULL;
    int rc = value_items(r, c->self, &items);

    if (!rc)
        rc = make_keyed(r, o, items, out);
    if (rc)
        return rc;
    *n = items->n;
    return sort_keyed(r, *out, *n, o->reverse);
}

static int filter_sort(struct run *r, struct call *c, struct value *out)
{
    struct order o = {.attribute = c->args[2],
                      .case_sensitive = arg_truth(c, 1, false),
                      .reverse = arg_truth(c, 0, false)};
    struct keyed *k = NULL;
    struct list *l = NULL;
    size_t n;
    int rc = sorted(r, c, &o, &k, &n);

    if (!rc)
        rc = list_create(r, n, &l);
    for (size_t i = 0; !rc && i < n; i++)
        rc = list_append(r, l, k[i].item);
    *out = value_list(l);
    return rc;
}

static int pair_of(struct run *r, struct value a, struct value b, struct value *out)
{
    struct list *l = NULL;
    int rc = list_create(r, 2, &l);

    if (!rc)
        rc = list_append(r, l, a);
    if (!rc)
        rc = list_append(r, l, b);
    *out = value_tuple(l);
    return rc;
}

static int filter_dictsort(struct run *r, struct call *c, struct value *out)
{
    struct order o = {.case_sensitive = arg_truth(c, 0, false), .reverse = arg_truth(c, 2, false)};
    struct value by;
    struct list *pairs = NULL;
    const struct dict *d = c->self.u.dict;
    int rc = arg_text(r, c, 1, "key", &by);

    if (!rc && c->self.kind != VALUE_DICT)
        rc = run_fail(r, ERR_INVALID, "'dictsort' needs a mapping, not %s",
                      value_kind_name(c->self));
    if (!rc && !value_is_text(by, "key") && !value_is_text(by, "value"))
        rc = run_fail(r, ERR_INVALID, "'dictsort' sorts by 'key' or 'value'");
    if (!rc)
        rc = list_create(r, d->n, &pairs);
    for (size_t i = 0; !rc && i < d->n; i++) {
        struct value pair;

        rc = pair_of(r, d->entries[i].key, d->entries[i].value, &pair);
        if (!rc)
            rc = list_append(r, pairs, pair);
    }
    if (rc)
        return rc;
    o.attribute = value_int(value_is_text(by, "value"));
    c->self = value_list(pairs);
    c->args[0] = value_bool(o.reverse);
    c->args[1] = value_bool(o.case_sensitive);
    c->args[2] = o.attribute;
    return filter_sort(r, c, out);
}

static int filter_unique(struct run *r, struct call *c, struct value *out)
{
    struct order o = {.attribute = c->args[1], .case_sensitive = arg_truth(c, 0, false)};
    struct list *items = NULL, *l = NULL, *seen = NULL;
    struct value key;
    bool known;
    int rc = value_items(r, c->self, &items);

    if (!rc)
        rc = list_create(r, 0, &l);
    if (!rc)
        rc = list_create(r, 0, &seen);
    for (size_t i = 0; !rc && i < items->n; i++) {
        rc = key_of(r, &o, items->items[i], &key);
        if (!rc)
            rc = value_contains(r, value_list(seen), key, &known);
        if (!rc && !known)
            rc = list_append(r, seen, key) || list_append(r, l, items->items[i]) ? ERR_LIMIT : 0;
    }
    *out = value_list(l);
    return rc;
}

static int filter_groupby(struct run *r, struct call *c, struct value *out)
{
    struct order o = {
        .attribute = c->args[0], .fallback = c->args[1], .case_sensitive = arg_truth(c, 2, false)};
    struct order exact = {.attribute = o.attribute, .fallback = o.fallback, .case_sensitive = true};
    struct keyed *k = NULL;
    struct list *groups = NULL, *group = NULL;
    struct value name, pair;
    size_t n;
    bool same = false;
    int rc = sorted(r, c, &o, &k, &n);

    if (!rc)
        rc = list_create(r, 0, &groups);
    for (size_t i = 0; !rc && i < n; i++) {
        if (i)
            rc = value_equal(r, k[i - 1].key, k[i].key, &same);
        if (!rc && !same) {
            rc = list_create(r, 0, &group) || key_of(r, &exact, k[i].item, &name) ||
                         pair_of(r, name, value_list(group), &pair) || list_append(r, groups, pair)
                     ? ERR_LIMIT
                     : 0;
            if (!rc)
                pair.u.list->group = true;
        }
        if (!rc)
            rc = list_append(r, group, k[i].item);
    }
    *out = value_list(groups);
    return rc;
}

/* The smallest (want -1) or largest (1) item; the first among equals. */
static int extreme(struct run *r, struct call *c, int want, struct value *out)
{
    struct order o = {.attribute = c->args[1], .case_sensitive = arg_truth(c, 0, false)};
    struct list *items = NULL;
    struct keyed *k = NULL;
    size_t best = 0;
    int order = 0, rc = value_items(r, c->self, &items);

    if (!rc)
        rc = make_keyed(r, &o, items, &k);
    for (size_t i = 1; !rc && i < items->n; i++) {
        rc = value_compare(r, k[i].key, k[best].key, &order);
        if (order == want)
            best = i;
    }
    if (rc)
        return rc;
    *out = items->n ? k[best].item : value_nothing("the least or most of nothing");
    return 0;
}

static int filter_min(struct run *r, struct call *c, struct value *out)
{
    return extreme(r, c, -1, out);
}

static int filter_max(struct run *r, struct call *c, struct value *out)
{
    return extreme(r, c, 1, out);
}

const struct builtin builtins_filter_order[] = {
    {"sort", "reverse? case_sensitive? attribute?", filter_sort},
    {"dictsort", "case_sensitive? by? reverse?", filter_dictsort},
    {"unique", "case_sensitive? attribute?", filter_unique},
    {"groupby", "attribute default? case_sensitive?", filter_groupby},
    {"min", "case_sensitive? attribute?", filter_min},
    {"max", "case_sensitive? attribute?", filter_max},
    {0},
};
