/* schema_array.c - arrays: first items with schemas of their own, then as many as one likes. See
 * schema.h. */
#include "grammar/schema_internal.h"

#define LOOK_STEPS 8 /* to look for an item in a part */

struct array {
    uint32_t n_prefix; /* items with schemas of their own */
    uint32_t min, max;
    bool open; /* more items may follow */
};

static uint32_t comma(struct schema *s)
{
    return schema_seq(s, rules_texts(s->r, ","), schema_shared(s, SHARED_BLANKS), 0);
}

/* Item i: what each part says of it. */
static uint32_t item(struct schema *s, const struct parts *p, uint32_t i)
{
    struct parts all = {0};

    rules_work(s->r, (uint64_t)LOOK_STEPS * p->n);
    for (uint32_t k = 0; k < p->n && !rules_failed(s->r); k++) {
        const json_t *schema =
            json_array_get(json_object_get(p->items[k].schema, "prefixItems"), i);

        if (!schema)
            schema = json_object_get(p->items[k].schema, "items");
        if (schema)
            parts_add(s, &all, (struct part){.schema = schema});
    }
    return schema_call(s, &all);
}

/* Behind the first items: as many as min and max leave. */
static uint32_t others(struct schema *s, const struct parts *p, const struct array *a)
{
    uint32_t n = a->n_prefix, min = a->min > n ? a->min - n : 0, more;
    uint32_t max = a->max == RULES_NO_MAX ? a->max : a->max > n ? a->max - n : 0;

    if (!a->open || !max)
        return min ? rules_alt(s->r) : rules_empty(s->r);
    if (n) {
        more = schema_seq(s, comma(s), item(s, p, n), 0);
        return rules_repeat(s->r, more, min, max);
    }
    more = schema_seq(s, comma(s), item(s, p, 0), 0);
    more = schema_seq(
        s, item(s, p, 0),
        rules_repeat(s->r, more, min ? min - 1 : 0, max == RULES_NO_MAX ? max : max - 1), 0);
    return min ? more : rules_repeat(s->r, more, 0, 1);
}

/* The first items from the last to the first, each with all that may follow. */
static uint32_t items(struct schema *s, const struct parts *p, const struct array *a)
{
    uint32_t rest = others(s, p, a), first;

    for (uint32_t i = a->n_prefix; i-- > 0 && !rules_failed(s->r);) {
        uint32_t rule = rules_new(s->r);

        rules_define(s->r, rule, rest);
        if (i >= a->max) {
            rest = i >= a->min ? rules_empty(s->r) : rules_alt(s->r);
            continue;
        }
        first = schema_seq(s, item(s, p, i), rules_call(s->r, rule), 0);
        if (i)
            first = schema_seq(s, comma(s), first, 0);
        rest = i >= a->min ? rules_repeat(s->r, first, 0, 1) : first;
    }
    return rest;
}

static struct array measure(const struct parts *p)
{
    struct array a = {.open = true};
    const json_t *prefix;

    for (uint32_t i = 0; (prefix = parts_next(p, "prefixItems", &i)) != NULL;) {
        if (json_array_size(prefix) > a.n_prefix)
            a.n_prefix = (uint32_t)json_array_size(prefix);
    }
    for (uint32_t i = 0; i < p->n; i++) {
        prefix = json_object_get(p->items[i].schema, "prefixItems");
        if (!prefix || json_object_get(p->items[i].schema, "items"))
            continue;
        a.open = false; /* and what is behind this prefix is none of the array's */
        if (json_array_size(prefix) < a.n_prefix)
            a.n_prefix = (uint32_t)json_array_size(prefix);
    }
    return a;
}

uint32_t schema_array(struct schema *s, const struct parts *p)
{
    struct array a = measure(p);
    uint32_t inner;

    if (!parts_counts(s, p, "minItems", "maxItems", &a.min, &a.max))
        return 0;
    inner = a.max < a.min ? rules_alt(s->r) : items(s, p, &a);
    return schema_seq(s, rules_texts(s->r, "["), schema_shared(s, SHARED_BLANKS), inner,
                      schema_shared(s, SHARED_BLANKS), rules_texts(s->r, "]"), 0);
}
