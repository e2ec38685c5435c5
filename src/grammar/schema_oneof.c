/*
 * schema_oneof.c - oneOf as anyOf, where no text of one branch is valid for another. What is
 * compared is what a branch's own texts are (as the grammar makes them) with what another branch
 * accepts (as the standard says).
 */
#include <string.h>

#include "grammar/schema_internal.h"

#define MAX_BRANCHES 256

static bool is_pending(const struct parts *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const struct part *x = &p->items[i];

        if ((json_object_get(x->schema, "anyOf") && !(x->done & DONE_ANYOF)) ||
            (json_object_get(x->schema, "oneOf") && !(x->done & DONE_ONEOF)))
            return true;
    }
    return false;
}

/* The values that enum or const of a schema leave: a list or a value, and which. */
static const json_t *choice_of(const json_t *schema, bool *list)
{
    const json_t *only = json_object_get(schema, "const");

    *list = !only;
    return only ? only : json_object_get(schema, "enum");
}

static uint32_t chosen_types(const json_t *schema)
{
    bool list;
    const json_t *choice = choice_of(schema, &list);
    uint32_t types = 0;
    size_t i;
    json_t *one;

    if (!choice || !list)
        return choice ? schema_type_of(choice) : TYPE_ANY;
    json_array_foreach(choice, i, one) types |= schema_type_of(one);
    return types;
}

/* The types that the standard lets a value have. */
static uint32_t accepted_types(const struct parts *p)
{
    uint32_t types = TYPE_ANY;

    for (uint32_t i = 0; i < p->n; i++)
        types &= schema_types(p->items[i].schema) & chosen_types(p->items[i].schema);
    return types;
}

/* 1 and 1.0 are equal. */
static bool same(const json_t *x, const json_t *y)
{
    if (json_is_number(x) && json_is_number(y))
        return !(json_number_value(x) < json_number_value(y)) &&
               !(json_number_value(x) > json_number_value(y));
    return json_equal(x, y);
}

static bool holds(const json_t *choice, bool list, const json_t *value)
{
    size_t i;
    json_t *one;

    if (!list)
        return same(choice, value);
    json_array_foreach(choice, i, one)
    {
        if (same(one, value))
            return true;
    }
    return false;
}

/* Do two schemas choose among values of which none is in both? */
static bool choose_apart(const json_t *x, const json_t *y)
{
    bool x_list, y_list;
    const json_t *a = choice_of(x, &x_list), *b = choice_of(y, &y_list);
    size_t i;
    json_t *one;

    if (!a || !b)
        return false;
    if (!x_list)
        return !holds(b, y_list, a);
    json_array_foreach(a, i, one)
    {
        if (holds(b, y_list, one))
            return false;
    }
    return true;
}

static bool requires(const struct parts *p, const char *name)
{
    const json_t *list;
    size_t k;
    json_t *one;

    for (uint32_t i = 0; (list = parts_next(p, "required", &i)) != NULL;) {
        json_array_foreach(list, k, one)
        {
            if (strcmp(json_string_value(one), name) == 0)
                return true;
        }
    }
    return false;
}

/* A property that x's objects always have, and whose values are never y's. */
static bool property_apart(const struct parts *x, const struct parts *y)
{
    const json_t *a, *b;
    const char *name;
    json_t *own;

    for (uint32_t i = 0; (a = parts_next(x, "properties", &i)) != NULL;) {
        json_object_foreach((json_t *)(uintptr_t)a, name, own)
        {
            if (!requires(x, name))
                continue;
            for (uint32_t k = 0; (b = parts_next(y, "properties", &k)) != NULL;) {
                if (choose_apart(own, json_object_get(b, name)))
                    return true;
            }
        }
    }
    return false;
}

static bool has_property(const struct parts *p, const char *name)
{
    const json_t *map;

    for (uint32_t i = 0; (map = parts_next(p, "properties", &i)) != NULL;) {
        if (json_object_get(map, name))
            return true;
    }
    return requires(p, name);
}

/* Objects have no other properties than those that are named: the first part that speaks of others
 * forbids them, or none does. */
static bool is_closed(const struct parts *p)
{
    uint32_t i = 0, k = 0;
    const json_t *others = parts_next(p, "additionalProperties", &i);

    return others ? json_is_false(others) : parts_next(p, "properties", &k) != NULL;
}

/* A property that y requires and x's objects never have. */
static bool lacks_property(const struct parts *x, const struct parts *y)
{
    const json_t *list;
    size_t k;
    json_t *one;

    if (is_pending(x) || !is_closed(x))
        return false;
    for (uint32_t i = 0; (list = parts_next(y, "required", &i)) != NULL;) {
        json_array_foreach(list, k, one)
        {
            if (!has_property(x, json_string_value(one)))
                return true;
        }
    }
    return false;
}

/* A property that x's objects always have and y allows none. */
static bool closed_to(const struct parts *x, const struct parts *y)
{
    const json_t *list;
    size_t k;
    json_t *one;

    for (uint32_t part = 0; part < y->n; part++) {
        const json_t *schema = y->items[part].schema;

        if (!json_is_false(json_object_get(schema, "additionalProperties")))
            continue;
        for (uint32_t i = 0; (list = parts_next(x, "required", &i)) != NULL;) {
            json_array_foreach(list, k, one)
            {
                if (!json_object_get(json_object_get(schema, "properties"), json_string_value(one)))
                    return true;
            }
        }
    }
    return false;
}

/* Is no text of x's valid for y? */
static bool excludes(const struct parts *x, const struct parts *y)
{
    uint32_t types = accepted_types(x) & accepted_types(y);

    if (!is_pending(x))
        types &= parts_types(x);
    if (!types || parts_impossible(x) || parts_impossible(y))
        return true;
    for (uint32_t i = 0; i < x->n; i++) {
        for (uint32_t k = 0; k < y->n; k++) {
            if (choose_apart(x->items[i].schema, y->items[k].schema))
                return true;
        }
    }
    if (types != TYPE_OBJECT)
        return false;
    return property_apart(x, y) || lacks_property(x, y) || closed_to(x, y);
}

static bool gather(struct schema *s, const struct parts *base, const json_t *branch,
                   struct parts *out)
{
    for (uint32_t i = 0; i < base->n; i++)
        parts_add(s, out, base->items[i]);
    return parts_add(s, out, (struct part){.schema = branch}) && parts_expand(s, out);
}

static bool compare(struct schema *s, const struct parts *all, size_t n, const json_t *branches)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (excludes(&all[i], &all[k]) && excludes(&all[k], &all[i]))
                continue;
            schema_fail(s, ERR_UNSUPPORTED, branches, NULL,
                        "branches %zu and %zu of this oneOf may both hold, which is not supported; "
                        "write anyOf, or tell them apart by a const of a required property",
                        k, i);
            return false;
        }
    }
    return true;
}

bool schema_exclusive(struct schema *s, const struct parts *base, const json_t *branches)
{
    struct parts all[MAX_BRANCHES] = {{0}};
    size_t n = json_array_size(branches);
    bool good = true;

    if (n > MAX_BRANCHES) {
        schema_fail(s, ERR_LIMIT, branches, NULL, "the oneOf has %zu branches; the most is %d", n,
                    MAX_BRANCHES);
        return false;
    }
    for (size_t i = 0; i < n && good; i++)
        good = gather(s, base, json_array_get(branches, i), &all[i]);
    good = good && compare(s, all, n, branches);
    for (size_t i = 0; i < n; i++)
        parts_done(&all[i]);
    return good;
}
