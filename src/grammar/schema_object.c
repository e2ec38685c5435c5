/*
 * schema_object.c - objects. Properties come in the schema's order, each with all that may follow
 * as a rule of its own, so that those that may be left out cost no more than others:
 *
 *   first[i] ::= property[i] rest[i+1] | first[i+1]          (the second where it may be left out)
 *   rest[i]  ::= "," property[i] rest[i+1] | rest[i+1]
 *
 * and behind the last one additional members.
 */
#include <stdlib.h>
#include <string.h>

#include "grammar/schema_internal.h"

#define NAME_STEPS 8
#define LOOK_STEPS 8 /* to look for a property in a part */

struct object {
    const struct parts *p;
    json_t *names;   /* of all properties, in order: each with true when it is required */
    bool additional; /* others may follow */
};

/* A name is hashed and copied. */
static bool name_work(struct schema *s, const char *name)
{
    return rules_work(s->r, NAME_STEPS + strlen(name));
}

/* Notes names in the order in which they are met. False: no memory. */
static bool note_names(struct schema *s, struct object *o)
{
    const char *key;
    json_t *value;
    const json_t *map, *list;
    size_t k;

    for (uint32_t i = 0; (map = parts_next(o->p, "properties", &i)) != NULL;) {
        json_object_foreach((json_t *)(uintptr_t)map, key, value)
        {
            if (!name_work(s, key))
                return true;
            if (!json_object_get(o->names, key) && json_object_set_new(o->names, key, json_false()))
                return false;
        }
    }
    for (uint32_t i = 0; (list = parts_next(o->p, "required", &i)) != NULL;) {
        json_array_foreach(list, k, value)
        {
            if (!name_work(s, json_string_value(value)))
                return true;
            if (json_object_set_new(o->names, json_string_value(value), json_true()))
                return false;
        }
    }
    return true;
}

/* What all parts say of a property; of one that has no name here when name is NULL. */
static void gather(struct schema *s, const struct object *o, const char *name, struct parts *out)
{
    rules_work(s->r, (uint64_t)LOOK_STEPS * o->p->n);
    for (uint32_t i = 0; i < o->p->n && !rules_failed(s->r); i++) {
        const json_t *schema = o->p->items[i].schema, *own = NULL;

        if (name)
            own = json_object_get(json_object_get(schema, "properties"), name);
        if (!own)
            own = json_object_get(schema, "additionalProperties");
        if (own)
            parts_add(s, out, (struct part){.schema = own});
    }
}

static uint32_t property(struct schema *s, const struct object *o, const char *name)
{
    struct parts p = {0};

    gather(s, o, name, &p);
    return schema_seq(s, schema_name(s, name, strlen(name)), schema_call(s, &p), 0);
}

/* A member whose name is none of the properties'. */
static uint32_t other(struct schema *s, const struct object *o)
{
    struct parts p = {0};
    uint32_t name = schema_other_name(s, o->names);

    gather(s, o, NULL, &p);
    return schema_seq(s, name, schema_call(s, &p), 0);
}

static uint32_t comma(struct schema *s)
{
    return schema_seq(s, rules_texts(s->r, ","), schema_shared(s, SHARED_BLANKS), 0);
}

/* The rule for ("," other)* and for what may stand where nothing stood before. */
static void end_rules(struct schema *s, const struct object *o, uint32_t *first, uint32_t *rest)
{
    uint32_t rule, more, all;

    *first = rules_new(s->r);
    *rest = rules_new(s->r);
    if (!o->additional) {
        rules_define(s->r, *first, rules_empty(s->r));
        rules_define(s->r, *rest, rules_empty(s->r));
        return;
    }
    rule = rules_new(s->r);
    rules_define(s->r, rule, other(s, o));
    more = schema_seq(s, comma(s), rules_call(s->r, rule), 0);
    rules_define(s->r, *rest, rules_repeat(s->r, more, 0, RULES_NO_MAX));
    all = schema_seq(s, rules_call(s->r, rule), rules_call(s->r, *rest), 0);
    rules_define(s->r, *first, rules_repeat(s->r, all, 0, 1));
}

/* A rule: `lead` (or nothing) and the property and `then`, or, where that may be, `skip`. */
static uint32_t step_rule(struct schema *s, uint32_t lead, uint32_t member, uint32_t then,
                          bool required, uint32_t skip)
{
    uint32_t rule = rules_new(s->r), alt = rules_alt(s->r);
    uint32_t taken = schema_seq(s, rules_call(s->r, member), rules_call(s->r, then), 0);

    rules_add(s->r, alt, lead ? schema_seq(s, lead, taken, 0) : taken);
    if (!required)
        rules_add(s->r, alt, rules_call(s->r, skip));
    rules_define(s->r, rule, alt);
    return rule;
}

static uint32_t members(struct schema *s, const struct object *o)
{
    const char *key;
    json_t *required;
    uint32_t first, rest, next, member;
    size_t n = json_object_size(o->names);
    const char **names = calloc(n + 1, sizeof *names);

    if (!names) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for %zu properties", n);
        return 0;
    }
    n = 0;
    json_object_foreach(o->names, key, required) names[n++] = key;
    end_rules(s, o, &first, &rest);
    while (n-- > 0 && !rules_failed(s->r)) {
        bool must = json_is_true(json_object_get(o->names, names[n]));

        member = rules_new(s->r);
        rules_define(s->r, member, property(s, o, names[n]));
        next = rest;
        rest = step_rule(s, comma(s), member, next, must, next);
        first = step_rule(s, 0, member, next, must, first);
    }
    free(names);
    return rules_call(s->r, first);
}

/* No property has a name: only the number of members may have bounds. A grammar cannot tell that
 * two names are not the same, so one member is the most that it can promise. */
static uint32_t counted(struct schema *s, const struct object *o, uint32_t min, uint32_t max)
{
    uint32_t rule, more, all;

    if (min > 1 && max >= min && o->additional) {
        schema_fail(s, ERR_UNSUPPORTED, o->p->items[0].schema, NULL,
                    "a 'minProperties' of %u is not supported; the most is 1, as names may repeat",
                    min);
        return 0;
    }
    if (!o->additional || !max || max < min)
        return min ? rules_alt(s->r) : rules_empty(s->r);
    rule = rules_new(s->r);
    rules_define(s->r, rule, other(s, o));
    more = schema_seq(s, comma(s), rules_call(s->r, rule), 0);
    all = schema_seq(s, rules_call(s->r, rule),
                     rules_repeat(s->r, more, 0, max == RULES_NO_MAX ? max : max - 1), 0);
    return min ? all : rules_repeat(s->r, all, 0, 1);
}

/* May others follow? Where no part says so of itself, those with properties have no others. */
static bool may_follow(struct schema *s, const struct object *o)
{
    struct parts p = {0};
    uint32_t i = 0, k = 0;
    bool may = parts_next(o->p, "additionalProperties", &i) || !parts_next(o->p, "properties", &k);

    gather(s, o, NULL, &p);
    may = may && !parts_impossible(&p);
    parts_done(&p);
    return may;
}

static uint32_t inner(struct schema *s, struct object *o)
{
    uint32_t min, max;

    if (!note_names(s, o)) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for an object's properties");
        return 0;
    }
    o->additional = may_follow(s, o);
    if (!parts_counts(s, o->p, "minProperties", "maxProperties", &min, &max))
        return 0;
    if (!json_object_size(o->names))
        return counted(s, o, min, max);
    if (min || max != RULES_NO_MAX) {
        schema_fail(s, ERR_UNSUPPORTED, o->p->items[0].schema, NULL,
                    "'minProperties' and 'maxProperties' beside 'properties' or 'required' are not "
                    "supported");
        return 0;
    }
    return members(s, o);
}

uint32_t schema_object(struct schema *s, const struct parts *p)
{
    struct object o = {.p = p, .names = json_object()};
    uint32_t node;

    if (!o.names) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for an object's properties");
        return 0;
    }
    node = inner(s, &o);
    json_decref(o.names);
    return schema_seq(s, rules_texts(s->r, "{"), schema_shared(s, SHARED_BLANKS), node,
                      schema_shared(s, SHARED_BLANKS), rules_texts(s->r, "}"), 0);
}
