/* schema_value.c - a value by its types, or chosen from enum and const. See schema.h. */
#include <math.h>

#include "grammar/schema_internal.h"

#define LOOK_STEPS 16 /* to look for enum and const in a part */

uint32_t schema_type_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL:
        return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return TYPE_BOOLEAN;
    case JSON_OBJECT:
        return TYPE_OBJECT;
    case JSON_ARRAY:
        return TYPE_ARRAY;
    case JSON_STRING:
        return TYPE_STRING;
    case JSON_INTEGER:
        return TYPE_INTEGER;
    case JSON_REAL:
        return floor(json_real_value(v)) == json_real_value(v) ? TYPE_INTEGER : TYPE_FRACTION;
    }
    return 0;
}

bool schema_has_choice(const struct parts *p)
{
    uint32_t i = 0, k = 0;

    return parts_next(p, "enum", &i) || parts_next(p, "const", &k);
}

/* Do the parts' enum and const, but the list that the value is of, have it too? */
static bool in_all(struct schema *s, const struct parts *p, const json_t *from, const json_t *v)
{
    const struct schema_values *set;
    const json_t *list, *other;

    if (!rules_work(s->r, (uint64_t)LOOK_STEPS * p->n))
        return false;
    for (uint32_t i = 0; (other = parts_next(p, "const", &i)) != NULL;) {
        if (!schema_same(v, other))
            return false;
    }
    for (uint32_t i = 0; (list = parts_next(p, "enum", &i)) != NULL;) {
        set = list == from ? NULL : schema_values(s, list, false);
        if (list != from && (!set || !schema_values_have(s, set, v)))
            return false;
    }
    return true;
}

/* Keywords that would have to choose among values of the types are refused. */
static bool check_beside(struct schema *s, const struct parts *p, uint32_t types)
{
    const char *key;
    json_t *value;

    for (uint32_t i = 0; i < p->n; i++) {
        json_object_foreach((json_t *)(uintptr_t)p->items[i].schema, key, value)
        {
            if (!(schema_key_types(key) & types))
                continue;
            schema_fail(s, ERR_UNSUPPORTED, p->items[i].schema, key,
                        "'%s' beside 'enum' or 'const' is not supported", key);
            return false;
        }
    }
    return true;
}

static uint32_t text_of(struct schema *s, const json_t *v);

static uint32_t list_of(struct schema *s, const json_t *v)
{
    uint32_t seq = rules_seq(s->r);
    size_t i;
    json_t *one;

    rules_add(s->r, seq, rules_texts(s->r, "["));
    rules_add(s->r, seq, schema_shared(s, SHARED_BLANKS));
    json_array_foreach(v, i, one)
    {
        if (i)
            rules_add(s->r, seq,
                      schema_seq(s, rules_texts(s->r, ","), schema_shared(s, SHARED_BLANKS), 0));
        rules_add(s->r, seq, text_of(s, one));
    }
    rules_add(s->r, seq, schema_shared(s, SHARED_BLANKS));
    rules_add(s->r, seq, rules_texts(s->r, "]"));
    return seq;
}

static uint32_t object_of(struct schema *s, const json_t *v)
{
    uint32_t seq = rules_seq(s->r);
    const char *key;
    size_t n;
    json_t *one;
    bool first = true;

    rules_add(s->r, seq, rules_texts(s->r, "{"));
    rules_add(s->r, seq, schema_shared(s, SHARED_BLANKS));
    json_object_keylen_foreach((json_t *)(uintptr_t)v, key, n, one)
    {
        if (!first)
            rules_add(s->r, seq,
                      schema_seq(s, rules_texts(s->r, ","), schema_shared(s, SHARED_BLANKS), 0));
        rules_add(s->r, seq, schema_name(s, key, n));
        rules_add(s->r, seq, text_of(s, one));
        first = false;
    }
    rules_add(s->r, seq, schema_shared(s, SHARED_BLANKS));
    rules_add(s->r, seq, rules_texts(s->r, "}"));
    return seq;
}

/* One given value. Its nesting is the schema's, which has a limit. */
static uint32_t text_of(struct schema *s, const json_t *v)
{
    if (rules_failed(s->r))
        return 0;
    if (json_is_array(v) && json_array_size(v))
        return list_of(s, v);
    if (json_is_object(v) && json_object_size(v))
        return object_of(s, v);
    return schema_scalar(s, v);
}

static uint32_t chosen(struct schema *s, const struct parts *p, uint32_t types)
{
    uint32_t i = 0, alt = rules_alt(s->r), chosen = 0;
    const json_t *list = parts_next(p, "enum", &i), *only;
    size_t k;
    json_t *v;

    i = 0;
    only = parts_next(p, "const", &i);
    if (only) {
        if (in_all(s, p, NULL, only) && (schema_type_of(only) & types)) {
            rules_add(s->r, alt, text_of(s, only));
            chosen |= schema_type_of(only);
        }
    } else {
        json_array_foreach(list, k, v)
        {
            if (!in_all(s, p, list, v) || !(schema_type_of(v) & types))
                continue;
            rules_add(s->r, alt, text_of(s, v));
            chosen |= schema_type_of(v);
        }
    }
    return check_beside(s, p, chosen) ? alt : 0;
}

static void add_simple(struct schema *s, uint32_t alt, uint32_t types)
{
    if (types & TYPE_BOOLEAN) {
        rules_add(s->r, alt, rules_texts(s->r, "true"));
        rules_add(s->r, alt, rules_texts(s->r, "false"));
    }
    if (types & TYPE_NULL)
        rules_add(s->r, alt, rules_texts(s->r, "null"));
}

uint32_t schema_value(struct schema *s, const struct parts *p)
{
    uint32_t types = parts_types(p), alt;

    if (schema_has_choice(p))
        return chosen(s, p, types);
    alt = rules_alt(s->r);
    if (types & TYPE_OBJECT)
        rules_add(s->r, alt, schema_object(s, p));
    if (types & TYPE_ARRAY)
        rules_add(s->r, alt, schema_array(s, p));
    if (types & TYPE_STRING)
        rules_add(s->r, alt, schema_string(s, p));
    if (types & TYPE_NUMBER)
        rules_add(s->r, alt, schema_number(s, p, !(types & TYPE_FRACTION)));
    add_simple(s, alt, types);
    return alt;
}
