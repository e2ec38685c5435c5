/*
 * schema_oneof.c - oneOf as anyOf, where no text of one branch is valid for another. What is
 * compared is what a branch's own texts are (as the grammar makes them) with what another branch
 * accepts (as the standard says).
 *
 * Each branch is compared with each other one: so all that can be said of a branch alone is found
 * out once, before, and what is left for a pair is counted as steps.
 */
#include <stdlib.h>
#include <string.h>

#include "grammar/schema_internal.h"
#include "grammar/vec.h"

#define MAX_BRANCHES 256
#define LOOK_STEPS   8 /* to look for a name in a part */

/* A property that the branch's objects always have, and whose values enum or const name. */
struct told {
    const char *name;
    const json_t *schema;
};

struct branch {
    struct parts parts;
    uint32_t accepted; /* the types that the standard lets its values have */
    uint32_t own;      /* the types of its own texts, as far as is known */
    bool pending;      /* a choice among branches of its own is not made */
    bool closed;       /* objects have no other properties than those that are named */
    bool impossible;
    const json_t **chosen; /* parts with enum or const */
    uint32_t n_chosen, cap_chosen;
    struct told *told;
    uint32_t n_told, cap_told;
};

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

static uint32_t chosen_types(struct schema *s, const json_t *schema)
{
    bool list;
    const json_t *choice = choice_of(schema, &list);
    uint32_t types = 0;
    size_t i;
    json_t *one;

    if (!choice || !list)
        return choice ? schema_type_of(choice) : TYPE_ANY;
    rules_work(s->r, json_array_size(choice));
    json_array_foreach(choice, i, one) types |= schema_type_of(one);
    return types;
}

/* The types that the standard lets a value have. */
static uint32_t accepted_types(struct schema *s, const struct parts *p)
{
    uint32_t types = TYPE_ANY;

    for (uint32_t i = 0; i < p->n; i++)
        types &= schema_types(p->items[i].schema) & chosen_types(s, p->items[i].schema);
    return types;
}

/* Do two schemas choose among values of which none is in both? */
static bool choose_apart(struct schema *s, const json_t *x, const json_t *y)
{
    bool x_list, y_list;
    const json_t *a = choice_of(x, &x_list), *b = choice_of(y, &y_list);
    const struct schema_values *of_x, *of_y;

    if (!a || !b)
        return false;
    of_x = schema_values(s, a, !x_list);
    of_y = schema_values(s, b, !y_list);
    return of_x && of_y && schema_values_apart(s, of_x, of_y);
}

static bool requires(struct schema *s, const struct parts *p, const char *name)
{
    const json_t *list;

    rules_work(s->r, (uint64_t)LOOK_STEPS * p->n);
    for (uint32_t i = 0; (list = parts_next(p, "required", &i)) != NULL;) {
        const struct schema_values *names = schema_values(s, list, false);

        if (!names || schema_values_name(s, names, name))
            return names != NULL;
    }
    return false;
}

/* A property that x's objects always have, and whose values are never y's. */
static bool property_apart(struct schema *s, const struct branch *x, const struct parts *y)
{
    const json_t *map;

    for (uint32_t i = 0; i < x->n_told; i++) {
        if (!rules_work(s->r, (uint64_t)LOOK_STEPS * y->n))
            return false;
        for (uint32_t k = 0; (map = parts_next(y, "properties", &k)) != NULL;) {
            if (choose_apart(s, x->told[i].schema, json_object_get(map, x->told[i].name)))
                return true;
        }
    }
    return false;
}

static bool has_property(struct schema *s, const struct parts *p, const char *name)
{
    const json_t *map;

    rules_work(s->r, (uint64_t)LOOK_STEPS * p->n);
    for (uint32_t i = 0; (map = parts_next(p, "properties", &i)) != NULL;) {
        if (json_object_get(map, name))
            return true;
    }
    return requires(s, p, name);
}

static bool has_part(struct schema *s, const struct parts *p, const json_t *schema)
{
    rules_work(s->r, p->n);
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->items[i].schema == schema)
            return true;
    }
    return false;
}

/* A property that y requires and x's objects never have. What x requires too they have. */
static bool lacks_property(struct schema *s, const struct branch *x, const struct parts *y)
{
    size_t k;
    json_t *one;

    if (x->pending || !x->closed)
        return false;
    for (uint32_t i = 0; i < y->n; i++) {
        const json_t *list = json_object_get(y->items[i].schema, "required");

        if (!list || has_part(s, &x->parts, y->items[i].schema))
            continue;
        json_array_foreach(list, k, one)
        {
            if (!has_property(s, &x->parts, json_string_value(one)) || rules_failed(s->r))
                return !rules_failed(s->r);
        }
    }
    return false;
}

/* Is one of the names that lists of x require none of a schema's properties? */
static bool names_other(struct schema *s, const struct parts *x, const json_t *schema)
{
    const json_t *list, *properties = json_object_get(schema, "properties");
    size_t k;
    json_t *one;

    for (uint32_t i = 0; (list = parts_next(x, "required", &i)) != NULL;) {
        json_array_foreach(list, k, one)
        {
            if (!rules_work(s->r, LOOK_STEPS) ||
                !json_object_get(properties, json_string_value(one)))
                return !rules_failed(s->r);
        }
    }
    return false;
}

/* A property that x's objects always have and y allows none. */
static bool closed_to(struct schema *s, const struct parts *x, const struct parts *y)
{
    for (uint32_t i = 0; i < y->n && rules_work(s->r, LOOK_STEPS + x->n); i++) {
        const json_t *schema = y->items[i].schema;

        if (json_is_false(json_object_get(schema, "additionalProperties")) &&
            names_other(s, x, schema))
            return true;
    }
    return false;
}

/* Do both choose among values, of which none is in both? */
static bool chosen_apart(struct schema *s, const struct branch *x, const struct branch *y)
{
    for (uint32_t i = 0; i < x->n_chosen; i++) {
        for (uint32_t k = 0; k < y->n_chosen && rules_work(s->r, 1); k++) {
            if (choose_apart(s, x->chosen[i], y->chosen[k]))
                return true;
        }
    }
    return false;
}

/* Is no text of x's valid for y? */
static bool excludes(struct schema *s, const struct branch *x, const struct branch *y)
{
    uint32_t types = x->accepted & y->accepted & x->own;

    if (!types || x->impossible || y->impossible)
        return true;
    if (types != TYPE_OBJECT)
        return false;
    return property_apart(s, x, &y->parts) || lacks_property(s, x, &y->parts) ||
           closed_to(s, &x->parts, &y->parts);
}

/* ---- what is said of a branch alone ---- */

/* Objects have no other properties than those that are named: the first part that speaks of others
 * forbids them, or none does. */
static bool is_closed(const struct parts *p)
{
    uint32_t i = 0, k = 0;
    const json_t *others = parts_next(p, "additionalProperties", &i);

    return others ? json_is_false(others) : parts_next(p, "properties", &k) != NULL;
}

static bool gather(struct schema *s, const struct parts *base, const json_t *branch,
                   struct parts *out)
{
    for (uint32_t i = 0; i < base->n; i++)
        parts_add(s, out, base->items[i]);
    return parts_add(s, out, (struct part){.schema = branch}) && parts_expand(s, out);
}

static bool has_choice(const json_t *schema)
{
    bool list;

    return choice_of(schema, &list) != NULL;
}

static bool add_told(struct schema *s, struct branch *b, const char *name, const json_t *schema)
{
    if (!rules_work(s->r, 2) || !has_choice(schema) || !requires(s, &b->parts, name))
        return true;
    if (vec_room(&b->told, &b->cap_told, b->n_told + 1, sizeof *b->told))
        return false;
    b->told[b->n_told++] = (struct told){name, schema};
    return true;
}

/* Notes parts that choose among values, and properties that do. False: no memory. */
static bool find_choices(struct schema *s, struct branch *b)
{
    const char *name;
    json_t *own;

    for (uint32_t i = 0; i < b->parts.n; i++) {
        const json_t *schema = b->parts.items[i].schema;

        if (has_choice(schema)) {
            if (vec_room(&b->chosen, &b->cap_chosen, b->n_chosen + 1, sizeof *b->chosen))
                return false;
            b->chosen[b->n_chosen++] = schema;
        }
        json_object_foreach(json_object_get(schema, "properties"), name, own)
        {
            if (!add_told(s, b, name, own))
                return false;
        }
    }
    return true;
}

static bool look_at(struct schema *s, struct branch *b)
{
    b->pending = is_pending(&b->parts);
    b->closed = is_closed(&b->parts);
    b->impossible = parts_impossible(&b->parts);
    b->accepted = accepted_types(s, &b->parts);
    b->own = b->pending ? TYPE_ANY : parts_types(&b->parts);
    if (!find_choices(s, b))
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for the branches of a oneOf");
    return !rules_failed(s->r);
}

static bool compare(struct schema *s, const struct branch *all, size_t n, const json_t *branches)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (chosen_apart(s, &all[i], &all[k]) ||
                (excludes(s, &all[i], &all[k]) && excludes(s, &all[k], &all[i])))
                continue;
            schema_fail(s, ERR_UNSUPPORTED, branches, NULL,
                        "branches %zu and %zu of this oneOf may both hold, which is not supported; "
                        "write anyOf, or tell them apart by a const of a required property",
                        k, i);
            return false;
        }
    }
    return !rules_failed(s->r);
}

static void branch_done(struct branch *b)
{
    parts_done(&b->parts);
    free(b->chosen);
    free(b->told);
}

bool schema_exclusive(struct schema *s, const struct parts *base, const json_t *branches)
{
    size_t n = json_array_size(branches);
    struct branch *all;
    bool good = true;

    if (n > MAX_BRANCHES) {
        schema_fail(s, ERR_LIMIT, branches, NULL, "the oneOf has %zu branches; the most is %d", n,
                    MAX_BRANCHES);
        return false;
    }
    all = calloc(n, sizeof *all);
    if (!all) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for the branches of a oneOf");
        return false;
    }
    for (size_t i = 0; i < n && good; i++)
        good = gather(s, base, json_array_get(branches, i), &all[i].parts) && look_at(s, &all[i]);
    good = good && compare(s, all, n, branches);
    for (size_t i = 0; i < n; i++)
        branch_done(&all[i]);
    free(all);
    return good;
}
