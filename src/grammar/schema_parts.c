/* schema_parts.c - the schemas that hold at once for a value. See schema_internal.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "grammar/grammar.h"
#include "grammar/schema_internal.h"
#include "grammar/vec.h"

#define KEYWORD_STEPS 16 /* to ask what a keyword is among all of them, some times */

bool parts_add(struct schema *s, struct parts *p, struct part part)
{
    if (!rules_work(s->r, p->n / 4 + 1 + KEYWORD_STEPS * json_object_size(part.schema)) ||
        (!part.checked && !schema_check(s, part.schema)))
        return false;
    part.checked = true;
    if (json_is_true(part.schema))
        return true;
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->items[i].schema != part.schema)
            continue;
        if (p->items[i].open)
            schema_fail(s, ERR_UNSUPPORTED, part.schema, NULL,
                        "the schema refers to itself, or twice to the same, for one value");
        return !p->items[i].open;
    }
    if (p->n >= SCHEMA_MAX_PARTS) {
        schema_fail(s, ERR_LIMIT, part.schema, NULL, "more than %d schemas hold for one value",
                    SCHEMA_MAX_PARTS);
        return false;
    }
    if (vec_room(&p->items, &p->cap, p->n + 1, sizeof *p->items)) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for a schema's parts");
        return false;
    }
    p->items[p->n++] = part;
    return true;
}

void parts_done(struct parts *p)
{
    free(p->items);
    *p = (struct parts){0};
}

bool parts_impossible(const struct parts *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        if (json_is_false(p->items[i].schema))
            return true;
    }
    return false;
}

/* One step of a JSON pointer in a fragment (RFC 6901, section 6), up to the next '/'. */
static const char *read_step(const char *at, struct buf *step)
{
    buf_clear(step);
    for (; *at && *at != '/'; at++) {
        if (*at == '~' && (at[1] == '0' || at[1] == '1'))
            buf_putc(step, *++at == '0' ? '~' : '/');
        else if (*at == '%' && str_hex_digit(at[1]) >= 0 && str_hex_digit(at[2]) >= 0) {
            buf_putc(step, (char)(str_hex_digit(at[1]) << 4 | str_hex_digit(at[2])));
            at += 2;
        } else
            buf_putc(step, *at);
    }
    return at;
}

static const json_t *child_of(const json_t *value, const char *step)
{
    char *end;
    unsigned long i;

    if (json_is_object(value))
        return json_object_get(value, step);
    if (!json_is_array(value) || *step < '0' || *step > '9')
        return NULL;
    i = strtoul(step, &end, 10);
    return *end ? NULL : json_array_get(value, i);
}

/* The schema a reference means, or NULL: noted. */
const json_t *parts_resolve(struct schema *s, const json_t *from)
{
    const char *ref = json_string_value(json_object_get(from, "$ref")), *at = ref + 1;
    const json_t *value = s->root;
    struct buf step;

    if (ref[0] != '#' || (ref[1] && ref[1] != '/')) {
        schema_fail(s, ERR_UNSUPPORTED, from, "$ref",
                    "'%.128s' is not supported; a reference is \"#\" or begins with \"#/\"", ref);
        return NULL;
    }
    rules_work(s->r, 4 * strlen(ref));
    buf_init(&step, GRAMMAR_MAX_BYTES);
    while (value && *at == '/') {
        at = read_step(at + 1, &step);
        value = child_of(value, buf_str(&step));
    }
    buf_done(&step);
    if (!json_is_object(value) && !json_is_boolean(value)) {
        schema_fail(s, ERR_INVALID, from, "$ref", "there is no schema at '%.128s'", ref);
        return NULL;
    }
    return value;
}

/* Was a schema named by what it names itself? */
static bool is_circle(struct schema *s, const struct parts *p, uint32_t part, const json_t *schema)
{
    for (uint32_t i = part + 1; i && rules_work(s->r, 1); i = p->items[i - 1].from) {
        if (p->items[i - 1].schema == schema)
            return true;
    }
    return false;
}

static bool add_named(struct schema *s, struct parts *p, uint32_t part, const json_t *schema)
{
    if (is_circle(s, p, part, schema)) {
        schema_fail(s, ERR_INVALID, schema, NULL, "the schema refers to itself without end");
        return false;
    }
    return parts_add(s, p, (struct part){.schema = schema, .from = part + 1});
}

static bool expand_one(struct schema *s, struct parts *p, uint32_t part)
{
    const json_t *schema = p->items[part].schema, *target;
    const json_t *all = json_object_get(schema, "allOf");
    uint32_t done = p->items[part].done;
    size_t i;
    json_t *one;

    p->items[part].done |=
        (json_object_get(schema, "$ref") ? DONE_REF : 0) | (all ? DONE_ALLOF : 0);
    if (!(done & DONE_REF) && json_object_get(schema, "$ref")) {
        target = parts_resolve(s, schema);
        if (!target || !add_named(s, p, part, target))
            return false;
    }
    if (done & DONE_ALLOF)
        return true;
    json_array_foreach(all, i, one)
    {
        if (!add_named(s, p, part, one))
            return false;
    }
    return true;
}

bool parts_expand(struct schema *s, struct parts *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        p->items[i].open = p->items[i].done != 0;
    for (uint32_t i = 0; i < p->n; i++) {
        if (!expand_one(s, p, i))
            return false;
    }
    return !rules_failed(s->r);
}

const json_t *parts_next(const struct parts *p, const char *key, uint32_t *i)
{
    while (*i < p->n) {
        const json_t *value = json_object_get(p->items[(*i)++].schema, key);

        if (value)
            return value;
    }
    return NULL;
}

const json_t *parts_only(struct schema *s, const struct parts *p, const char *key)
{
    uint32_t i = 0;
    const json_t *only = parts_next(p, key, &i), *other;

    while ((other = parts_next(p, key, &i)) != NULL) {
        if (!json_equal(only, other)) {
            schema_fail(s, ERR_UNSUPPORTED, p->items[i - 1].schema, key,
                        "a second '%s' for the same value is not supported", key);
            return NULL;
        }
    }
    return only;
}

static double max_of(double a, double b)
{
    return a > b ? a : b;
}

bool parts_counts(struct schema *s, const struct parts *p, const char *min_key, const char *max_key,
                  uint32_t *min, uint32_t *max)
{
    double least = 0, most = HUGE_VAL;
    const json_t *value;

    for (uint32_t i = 0; (value = parts_next(p, min_key, &i)) != NULL;)
        least = max_of(least, json_number_value(value));
    for (uint32_t i = 0; (value = parts_next(p, max_key, &i)) != NULL;)
        most = -max_of(-most, -json_number_value(value));
    if (least > GRAMMAR_MAX_REPEAT || (most > GRAMMAR_MAX_REPEAT && most < HUGE_VAL)) {
        schema_fail(s, ERR_LIMIT, p->items[0].schema, NULL,
                    "%s or %s is over the most possible, %u", min_key, max_key, GRAMMAR_MAX_REPEAT);
        return false;
    }
    *min = (uint32_t)least;
    *max = most < HUGE_VAL ? (uint32_t)most : RULES_NO_MAX;
    return true;
}

/* What keywords of types imply where no part has `type`. */
static uint32_t implied_types(const struct parts *p)
{
    uint32_t types = 0;
    const char *key;
    json_t *value;

    for (uint32_t i = 0; i < p->n; i++) {
        json_object_foreach((json_t *)(uintptr_t)p->items[i].schema, key, value) types |=
            schema_key_types(key);
    }
    return types;
}

uint32_t parts_types(const struct parts *p)
{
    uint32_t types = TYPE_ANY, i = 0;

    for (uint32_t k = 0; k < p->n; k++)
        types &= schema_types(p->items[k].schema);
    if (!parts_next(p, "type", &i) && !schema_has_choice(p) && implied_types(p))
        return implied_types(p);
    return types;
}
