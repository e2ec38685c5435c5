/*
 * filter_pick.c - map, and the filters that keep some items. Each names another filter or test by a
 * string and hands further arguments on to it. Source: as filter_text.c.
 */
#include "jinja/builtins.h"
#include "jinja/run.h"

/* The arguments from the first `skip` on, for what is named. */
static struct call rest_of(const struct call *c, size_t skip)
{
    return (struct call){.given = c->given + skip,
                         .n_given = c->n_given - skip,
                         .keywords = c->keywords,
                         .n_keywords = c->n_keywords};
}

/* The keyword's value, or a missing one. */
static int keyword(struct run *r, const struct call *c, const char *name, struct value *out)
{
    size_t at;
    int rc = call_find_keyword(r, c, value_text(name, strlen(name)), &at);

    *out = (struct value){.kind = VALUE_MISSING};
    if (!rc && at < c->n_keywords)
        *out = c->keywords[at].value;
    return rc;
}

/* map(attribute=..., default=...) */
static int map_attribute(struct run *r, struct value attribute, const struct call *c,
                         const struct list *items, struct list *l)
{
    struct value fallback, v;
    int rc = keyword(r, c, "default", &fallback);

    for (size_t i = 0; !rc && i < items->n; i++) {
        rc = access_path(r, items->items[i], attribute, &v);
        if (!rc && v.kind == VALUE_UNDEFINED && fallback.kind != VALUE_MISSING)
            v = fallback;
        if (!rc)
            rc = list_append(r, l, v);
    }
    return rc;
}

/* map('filter', arguments...) */
static int map_filter(struct run *r, const struct call *c, const struct list *items, struct list *l)
{
    struct value name = c->given[0], v;
    const struct builtin *b;
    int rc = 0;

    if (name.kind != VALUE_TEXT)
        return run_fail(r, ERR_INVALID, "'map' needs the name of a filter");
    b = builtin_filter(name.u.s, name.len);
    for (size_t i = 0; !rc && i < items->n; i++) {
        struct call inner = rest_of(c, 1);

        inner.self = items->items[i];
        rc = call_builtin_or_fail(r, "filter", name, b, &inner, &v);
        if (!rc)
            rc = list_append(r, l, v);
    }
    return rc;
}

/* Of what is false, none too, nothing is picked; it is not asked by what, either. */
static int pick_nothing(struct run *r, struct value *out)
{
    struct list *l = NULL;
    int rc = list_create(r, 0, &l);

    *out = value_list(l);
    return rc;
}

static int filter_map(struct run *r, struct call *c, struct value *out)
{
    struct list *items = NULL, *l = NULL;
    struct value attribute;
    int rc;

    if (!value_truth(c->self))
        return pick_nothing(r, out);
    rc = keyword(r, c, "attribute", &attribute);
    if (!rc)
        rc = value_items(r, c->self, &items);
    if (!rc)
        rc = list_create(r, items->n, &l);
    if (rc)
        return rc;
    *out = value_list(l);
    if (c->n_given)
        return map_filter(r, c, items, l);
    if (attribute.kind == VALUE_MISSING)
        return run_fail(r, ERR_INVALID, "'map' needs the name of a filter or an attribute");
    return map_attribute(r, attribute, c, items, l);
}

/* Whether a test with the arguments behind `skip` holds; without a test, whether v is true. */
static int holds(struct run *r, const struct call *c, size_t skip, struct value v, bool *out)
{
    struct value name, is;
    struct call inner;
    int rc = run_steps(r, 1); /* most tests count nothing */

    *out = value_truth(v);
    if (rc || c->n_given <= skip)
        return rc;
    name = c->given[skip];
    if (name.kind != VALUE_TEXT)
        return run_fail(r, ERR_INVALID, "'%s' needs the name of a test", c->builtin->name);
    inner = rest_of(c, skip + 1);
    inner.self = v;
    rc = call_builtin_or_fail(r, "test", name, builtin_test(name.u.s, name.len), &inner, &is);
    if (!rc)
        *out = value_truth(is);
    return rc;
}

/* The items for which the test's answer is `want`; of an attribute when by_attribute. */
static int pick(struct run *r, struct call *c, bool by_attribute, bool want, struct value *out)
{
    struct list *items = NULL, *l = NULL;
    bool is = false;
    int rc;

    if (!value_truth(c->self))
        return pick_nothing(r, out);
    rc = value_items(r, c->self, &items);
    if (!rc && by_attribute && c->n_given == 0)
        rc = run_fail(r, ERR_INVALID, "'%s' needs the name of an attribute", c->builtin->name);
    if (!rc)
        rc = list_create(r, 0, &l);
    for (size_t i = 0; !rc && i < items->n; i++) {
        struct value v = items->items[i];

        if (by_attribute)
            rc = access_path(r, v, c->given[0], &v);
        if (!rc)
            rc = holds(r, c, by_attribute, v, &is);
        if (!rc && is == want)
            rc = list_append(r, l, items->items[i]);
    }
    *out = value_list(l);
    return rc;
}

static int filter_select(struct run *r, struct call *c, struct value *out)
{
    return pick(r, c, false, true, out);
}

static int filter_reject(struct run *r, struct call *c, struct value *out)
{
    return pick(r, c, false, false, out);
}

static int filter_selectattr(struct run *r, struct call *c, struct value *out)
{
    return pick(r, c, true, true, out);
}

static int filter_rejectattr(struct run *r, struct call *c, struct value *out)
{
    return pick(r, c, true, false, out);
}

const struct builtin builtins_filter_pick[] = {
    {"map", NULL, filter_map},
    {"select", NULL, filter_select},
    {"reject", NULL, filter_reject},
    {"selectattr", NULL, filter_selectattr},
    {"rejectattr", NULL, filter_rejectattr},
    {0},
};
